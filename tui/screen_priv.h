/*
 * tui/screen_priv.h - shared by screen.c (loop and drawing), screen_keys.c (what keys do) and
 * screen_do.c (commands and their answers). Not for other files.
 */
#ifndef OC_TUI_SCREEN_PRIV_H
#define OC_TUI_SCREEN_PRIV_H

#include "tui/keys.h"
#include "tui/pace.h"
#include "tui/pager.h"
#include "tui/repl.h"
#include "tui/screen.h"
#include "tui/screen_curses.h"
#include "tui/tty.h"
#include "views/view.h"

#define OC_NS_S           1000000000LL
#define OC_SCREEN_COMPARE 3 /* sessions drawn beside this one */

typedef struct oc_screen {
    oc_workbench *w; /* borrowed; NULL when only a replay is shown */
    oc_replay *r;    /* shown instead of the workbench; NULL live */
    bool own_replay; /* opened here by `replay NAME`: q and Esc go back to the live session */
    char replay_text[128];
    struct {
        bool on;         /* r is a session that another process writes */
        bool held;       /* Space: at the end, and yet not following */
        bool running;    /* a process had the journal open when last looked */
        int64_t next_ns; /* when to look again */
    } follow;
    const oc_screen_opts *o;

    oc_tty *tty;
    oc_term *term;
    oc_keys keys;
    oc_repl *repl; /* NULL when only a replay is shown */
    oc_pager pager;
    oc_pace pace;
    struct {
        oc_replay *r; /* owned */
        char name[64];
    } compare[OC_SCREEN_COMPARE];
    int n_compare;

    oc_screen_ui ui;
    oc_screen_layout lay;
    oc_canvas canvas, still; /* still: the picture while the display is frozen */
    const oc_theme *theme;
    char message[512];

    int64_t now;        /* monotonic ns of this turn */
    int64_t message_ns; /* when the message goes; 0 stays */
    int64_t resize_ns;  /* when to look at the size; 0: nothing changed */
    int64_t ctrl_c_ns, done_ns, replay_ns, tick;
    unsigned signals; /* taken, not yet obeyed */
    bool dirty;       /* data came: draw with the frame clock */
    bool echo;        /* a key came: draw now */
    bool restate;     /* what is frozen must be drawn anew (view, size, theme) */
    bool away;        /* in the background: nothing is drawn or read */
    bool mouse, key_came, was_busy;
    bool asking;  /* "a job is running" */
    bool leaving; /* quit when the job has stopped */
    bool detach;  /* give the terminal back, the job goes on */
    bool quit, gone;
} oc_screen;

const oc_state *oc__screen_state(const oc_screen *s);
bool oc__screen_busy(const oc_screen *s);
void oc__screen_message(oc_screen *s, const char *fmt, ...) OC_PRINTF(2, 3);
bool oc__screen_at_end(const oc_screen *s); /* the replay stands behind its last event */
void oc__screen_suspend(oc_screen *s);
/* Everything the terminal sent: keys, mouse, pastes, focus, replies. */
void oc__screen_input(oc_screen *s, const oc_input *in);

/* Run a command line; typed: it came from the REPL, so its answer goes there. */
void oc__screen_do(oc_screen *s, const char *line, bool typed);
void oc__screen_quit(oc_screen *s); /* asks first when a job runs */
void oc__screen_focus(oc_screen *s, int view);
void oc__screen_end_replay(oc_screen *s);
void oc__screen_theme(oc_screen *s, const char *name);  /* "": the next one */
void oc__screen_glyphs(oc_screen *s, const char *name); /* "": the next set */

#endif
