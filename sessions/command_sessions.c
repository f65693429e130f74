/* Commands about sessions, tables and what the screen shows. */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "sessions/session.h"
#include "sessions/workbench_parts.h"

static oc_status existing(oc_workbench *w, oc_ui_action action, const char *name, bool not_this,
                          oc_reply *reply, oc_err *err)
{
    char dir[OC_PATH_MAX];
    OC_TRY(oc_session_path(name, true, dir, err));
    if (not_this && !strcmp(dir, w->dir))
        return OC_FAIL(err, OC_USAGE,
                       "'%s' is the session that is open; name another one ('sessions' lists them)",
                       name);
    return oc__act(reply, action, name, err);
}

oc_status oc__cmd_open(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    return existing(w, OC_UI_OPEN, argv[1], true, reply, err);
}

oc_status oc__cmd_compare(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    return existing(w, OC_UI_COMPARE, argv[1], true, reply, err);
}

oc_status oc__cmd_replay(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    return existing(w, OC_UI_REPLAY, argc > 1 ? argv[1] : w->dir, false, reply, err);
}

oc_status oc__cmd_export(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    OC_TRY(oc_session_export(w->dir, argv[1], argv[2], err));
    char size[24];
    oc_fmt_bytes(size, oc_file_bytes(argv[2]));
    oc_buf_fmt(&reply->text, "%s written (%s)\n", argv[2], size);
    return OC_OK;
}

oc_status oc__cmd_sessions(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)w;
    (void)argc;
    (void)argv;
    return oc_sessions_list(false, &reply->text, err);
}

oc_status oc__cmd_diff(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)w;
    (void)argc;
    return oc_sessions_diff(argv[1], argv[2], false, &reply->text, err);
}

oc_status oc__cmd_candidates(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    (void)argv;
    return oc_final_table(w->state, false, &reply->text, err);
}

/* One of the screen's words, or any word when there is no screen to ask. */
static oc_status screen_word(oc_workbench *w, const char *what, oc_ui_action action,
                             const char *word, oc_reply *reply, oc_err *err)
{
    const oc_strlist *known = oc__screen_words(w, what);
    if (known && oc_strlist_find(known, word) < 0) {
        oc_buf all = {0};
        for (int64_t i = 0; i < known->n; i++)
            oc_buf_fmt(&all, "%s%s", i ? ", " : "", known->item[i]);
        oc_status rc = OC_FAIL(err, OC_USAGE, "there is no %s '%.40s'; there are %s", what, word,
                               oc_buf_cstr(&all));
        oc_buf_release(&all);
        return rc;
    }
    return oc__act(reply, action, word, err);
}

oc_status oc__cmd_view(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    return screen_word(w, "view", OC_UI_VIEW, argv[1], reply, err);
}

oc_status oc__cmd_theme(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    return screen_word(w, "theme", OC_UI_THEME, argv[1], reply, err);
}

oc_status oc__cmd_glyphs(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    static const char *const sets[] = {"auto", "braille", "block", "ascii"};
    (void)w;
    (void)argc;
    for (int i = 0; i < OC_COUNT(sets); i++)
        if (!strcmp(argv[1], sets[i]))
            return oc__act(reply, OC_UI_GLYPHS, argv[1], err);
    return OC_FAIL(err, OC_USAGE,
                   "there is no glyph set '%.40s'; there are auto, braille, block, ascii", argv[1]);
}

oc_status oc__cmd_alert(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    (void)argv;
    (void)err;
    const oc_state *s = w->state;
    int64_t n = 0;
    for (int64_t i = 0; i < s->n_log; i++) {
        const oc_line *l = &s->log[i];
        if (strcmp(l->level, "warn") != 0 && strcmp(l->level, "error") != 0)
            continue;
        char utc[24];
        oc_fmt_utc(utc, l->t_ms);
        oc_buf_fmt(&reply->text, "%s %-5s %s\n", utc, l->level, l->text);
        n++;
    }
    if (n == 0)
        oc_buf_str(&reply->text, "no warnings and no errors so far\n");
    return OC_OK;
}
