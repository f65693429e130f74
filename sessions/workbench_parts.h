/*
 * sessions/workbench_parts.h - inside of the workbench, for the command handlers; private to
 * sessions/.
 */
#ifndef OC_SESSIONS_WORKBENCH_PARTS_H
#define OC_SESSIONS_WORKBENCH_PARTS_H

#include "core/base/file.h"
#include "sessions/journal.h"
#include "sessions/workbench.h"

struct oc_workbench {
    char name[OC_PATH_MAX], dir[OC_PATH_MAX];
    char base[64];        /* what a fresh session was named after; "" otherwise */
    oc_engine *engine;    /* owned */
    oc_journal *journal;  /* owned */
    oc_state *state;      /* owned */
    bool unfinished;      /* an earlier process left a run behind, not taken up yet */
    bool journal_failing; /* told once, until it works again */
    bool named;           /* the user gave it a name */
    bool made_here;       /* the folder was not there before this process */
    bool worth_keeping;   /* something happened in it that a user would miss */
    oc_recipe_fn read_recipe;
    oc_strlist views, themes, recipes; /* words only the screen knows */
    oc_strlist from_recipe;            /* keys a recipe has just set: their events say so */
    int64_t n_answers;                 /* setting, note and alert events taken so far */
};

/* recipe.json of the session: the settings as they are. */
oc_status oc__write_recipe(const oc_workbench *w, const oc_settings *set, oc_err *err) OC_NODISCARD;
/* Apply a recipe file: each setting that differs is requested (and journalled as "recipe"). */
oc_status oc__apply_recipe(oc_workbench *w, const char *path, int *n_changed,
                           oc_err *err) OC_NODISCARD;
/* Words of the screen, or NULL: "view", "theme", "recipe". */
const oc_strlist *oc__screen_words(const oc_workbench *w, const char *what);

/* Handlers of the command table: command_run.c, command_set.c, command_sessions.c. */
/* clang-format off */
#define OC_COMMAND_HANDLERS(X)                                                                     \
    X(set) X(show) X(run) X(continue) X(pause) X(resume) X(cancel) X(undo) X(save) X(open)         \
    X(compare) X(replay) X(export) X(note) X(sessions) X(diff) X(candidates) X(view) X(theme)      \
    X(glyphs) X(alert) X(help) X(quit)
/* clang-format on */
#define OC_X(name)                                                                                 \
    oc_status oc__cmd_##name(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err) \
        OC_NODISCARD;
OC_COMMAND_HANDLERS(OC_X)
#undef OC_X

/* An action for the screen with its argument; OC_RANGE when it is too long. */
oc_status oc__act(oc_reply *reply, oc_ui_action action, const char *arg, oc_err *err) OC_NODISCARD;

#endif
