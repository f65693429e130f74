/*
 * sessions/workbench.h - one open session: engine, journal and state, and the commands on them.
 *
 *   command line -> oc_workbench_do -> engine -> events -> oc_workbench_pump -> journal -> state
 *
 * The workbench is what the screen, -c, `run --plain` and tests hold. Threads: one.
 */
#ifndef OC_SESSIONS_WORKBENCH_H
#define OC_SESSIONS_WORKBENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/str.h"
#include "core/engine/engine.h"
#include "sessions/state.h"

typedef struct oc_workbench oc_workbench;

/*
 * Open or reopen a session: reads its journal (state as it was left), takes the journal lock, starts
 * the engine with the settings as last set, and journals a session event.
 *   name  session name or path; NULL: a fresh one named after `base` ("session" when NULL)
 *   set   settings of a fresh session (NULL: defaults); a reopened one keeps its own
 */
oc_status oc_workbench_open(const char *name, const char *base, const oc_settings *set,
                            oc_workbench **out, oc_err *err) OC_NODISCARD;
/*
 * Stops the engine (its checkpoint is written), journals exit, closes. A fresh session in which
 * nothing happened is removed, unless the user named it and the status is 0: oc_workbench_kept says
 * beforehand whether there will be something to come back to.
 */
bool oc_workbench_kept(const oc_workbench *w, int status);
void oc_workbench_close(oc_workbench *w, const char *reason, int status);

const oc_state *oc_workbench_state(const oc_workbench *w);
const char *
oc_workbench_name(const oc_workbench *w); /* opens it again: a path when it was given as one */
const char *oc_workbench_dir(const oc_workbench *w);
int oc_workbench_fd(const oc_workbench *w); /* readable when oc_workbench_pump has work */
/* Take what the engine sent: journal it, fold it. Returns events taken. A journal that cannot be
 * written (disk full) is an alert in the state and retried; training goes on. Returns after 10 ms even
 * when more waits. */
int oc_workbench_pump(oc_workbench *w);
void oc_workbench_drain(oc_workbench *w); /* pump until nothing waits */
bool oc_workbench_busy(const oc_workbench *w);
/* Pump until the engine is idle or timeout_ms has passed (-1: no limit); true when it is idle. For
 * callers without a loop of their own (-c, tests). */
bool oc_workbench_wait(oc_workbench *w, int64_t timeout_ms);
/* Settings as last accepted (a change that waits for the next step is in them already). */
void oc_workbench_settings(const oc_workbench *w, oc_settings *out);
/* True when an earlier process left a run unfinished: `continue` takes it up. */
bool oc_workbench_unfinished(const oc_workbench *w);
oc_status oc_workbench_request(oc_workbench *w, const oc_request *r, oc_err *err) OC_NODISCARD;
/* Journal and fold an event of the user interface itself (command, alert, note). */
void oc_workbench_emit(oc_workbench *w, oc_event *e);

/* What a command gives back: text to show, and what the screen should do, if there is one. */
typedef enum {
    OC_UI_NONE,
    OC_UI_QUIT,
    OC_UI_VIEW,
    OC_UI_OPEN,
    OC_UI_THEME,
    OC_UI_GLYPHS,
    OC_UI_HELP,
    OC_UI_COMPARE,
    OC_UI_REPLAY
} oc_ui_action;
typedef struct oc_reply {
    oc_buf text; /* lines to show; owned, release */
    oc_ui_action action;
    char arg[256]; /* of the action: view name, session, ... */
} oc_reply;
void oc_reply_release(oc_reply *r);

/*
 * The command table: parser, completion, help view and man page come from it. Arguments in
 * `args` for people: "KEY VALUE". In `complete` one word per argument for completion: setting,
 * value, view, session, path, model, theme, command, none.
 */
typedef struct oc_command {
    const char *name, *args, *complete, *help;
    oc_status (*run)(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err);
} oc_command;
int oc_command_count(void);
const oc_command *oc_command_at(int i);
const oc_command *oc_command_find(const char *name);

/* Split a line into words: blanks separate, '...' and "..." quote, backslash escapes, ';' ends a
 * command. OC_USAGE for an unclosed quote. argv is owned: oc_strlist_release. */
oc_status oc_command_split(const char *line, oc_strlist *words, const char **rest,
                           oc_err *err) OC_NODISCARD;
/* Run a line (may hold several commands, `;` between): journals each as a command event. */
oc_status oc_workbench_do(oc_workbench *w, const char *line, const char *source, oc_reply *reply,
                          oc_err *err) OC_NODISCARD;
/* Words only the screen or the command line know, for completion: what = "view", "theme" or
 * "recipe" (built-in ones); copied. */
oc_status oc_workbench_set_words(oc_workbench *w, const char *what, const oc_strlist *words,
                                 oc_err *err) OC_NODISCARD;
/* How `run RECIPE` reads a recipe over defaults, where there are built-in ones; default:
 * oc_recipe_read, which knows only files. */
typedef oc_status (*oc_recipe_fn)(const char *name, oc_settings *s, oc_err *err);
void oc_workbench_set_recipes(oc_workbench *w, oc_recipe_fn read);
/*
 * Completions of the word that ends at byte `cursor` of line: candidates as whole words.
 *   *from  out  where the word starts
 */
oc_status oc_command_complete(const oc_workbench *w, const char *line, int64_t cursor,
                              oc_strlist *out, int64_t *from, oc_err *err) OC_NODISCARD;

#endif
