/*
 * tui/screen.h - the workbench on a terminal: poll loop, curses as an output-only blitter, keys,
 * readline by callback, signals. The only folder that knows curses and readline.
 *
 * Terminal: restored on every way out, crashes included. One frame is one write(2), wrapped in
 * synchronized output; at most 10 frames a second (4 when SSH_CONNECTION is set), a key's echo
 * within 16 ms.
 */
#ifndef OC_TUI_SCREEN_H
#define OC_TUI_SCREEN_H

#include <stdbool.h>

#include "core/base/err.h"
#include "sessions/replay.h"
#include "sessions/workbench.h"

/* What the screen was left for, beside quitting. */
typedef struct oc_screen_next {
    char open[256]; /* session that the command `open` named; "" none */
} oc_screen_next;

typedef struct oc_screen_opts {
    const char *color;   /* "auto" "never" "16" "256" */
    const char *glyphs;  /* "auto" "braille" "block" "ascii" */
    const char *theme;   /* NULL: default */
    const char *command; /* run this line first ("run"); NULL none */
    bool
        quit_when_done; /* leave the screen some seconds after the run ended, unless a key came (demo) */
    double fps;         /* 0: 10, or 4 over ssh */
    bool follow; /* oc_screen_replay: the session is being written elsewhere; stay at its end */
    oc_screen_next *next; /* out; NULL: `open` is answered with how to do it from the shell */
} oc_screen_opts;

/* Can a screen be drawn here (a terminal on both sides, TERM known and not dumb)? Says why not. */
bool oc_screen_possible(oc_err *why);

/*
 * Run until the user quits, SIGTERM or SIGINT comes, or the terminal goes away. On a hang-up, and when the user
 * detaches, the job goes on headless and the call returns when it has ended (or when it was
 * cancelled by SIGTERM or SIGINT). *detached tells that the terminal is gone or given back: print
 * nothing more. Before it goes on headless, a detaching screen says on standard error how to attach.
 */
oc_status oc_screen_run(oc_workbench *w, const oc_screen_opts *o, bool *detached,
                        oc_err *err) OC_NODISCARD;
/* The same loop over a recorded session, or (follow) over one that another process is running:
 * what it appends is shown twice a second; stepping back pauses that, G goes on. */
oc_status oc_screen_replay(oc_replay *r, const char *name, const oc_screen_opts *o,
                           oc_err *err) OC_NODISCARD;

#endif
