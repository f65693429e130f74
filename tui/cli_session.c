/*
 * tui/cli_session.c - commands on recorded sessions: show, replay, attach, sessions, diff; and
 * the list of settings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/json.h"
#include "sessions/replay.h"
#include "sessions/session.h"
#include "tui/cli.h"
#include "tui/screen.h"
#include "views/view.h"

static void picture(const char *as, const oc_canvas *cv, const oc_theme *t, oc_buf *out)
{
    if (!strcmp(as, "svg"))
        oc_canvas_svg_as(cv, t, out);
    else if (!strcmp(as, "html"))
        oc_canvas_html_as(cv, t, out);
    else if (!strcmp(as, "ansi"))
        oc_canvas_ansi_as(cv, t, out);
    else
        oc_canvas_text(cv, out);
}

static oc_colors colors_of(const oc_cli *c, const char *as)
{
    const char *no = getenv("NO_COLOR");
    if (!strcmp(c->color, "never") || (!strcmp(c->color, "auto") && no && *no) ||
        !strcmp(as, "text"))
        return OC_COLORS_NONE;
    return !strcmp(c->color, "16") ? OC_COLORS_16 : OC_COLORS_256;
}

static oc_glyphs glyphs_of(const oc_cli *c)
{
    return !strcmp(c->glyphs, "ascii")   ? OC_GLYPHS_ASCII
           : !strcmp(c->glyphs, "block") ? OC_GLYPHS_BLOCK
                                         : OC_GLYPHS_BRAILLE;
}

/* A view by itself, or the whole screen ("screen"). */
static oc_status draw(const oc_cli *c, const char *as, const oc_view *v, const oc_state *s,
                      oc_buf *out, oc_err *err)
{
    int32_t cols = c->cols ? (int32_t)c->cols : 100,
            rows = c->rows_screen ? (int32_t)c->rows_screen : 30;
    const oc_theme *theme = c->theme ? oc_theme_find(c->theme) : oc_theme_at(0);
    if (!theme)
        return OC_FAIL(err, OC_USAGE, "there is no theme '%s'; themes are %s, %s, %s and %s",
                       c->theme, oc_theme_at(0)->name, oc_theme_at(1)->name, oc_theme_at(2)->name,
                       oc_theme_at(3)->name);
    oc_canvas cv;
    OC_TRY(oc_canvas_init(&cv, cols, rows, glyphs_of(c), colors_of(c, as), err));
    oc_screen_ui ui;
    oc_screen_ui_init(&ui);
    ui.now_ms = s->last_ms;
    if (v) {
        oc_view_show(v, s, &ui.ui[0], &cv);
    } else {
        oc_screen_layout lay;
        oc_screen_draw(s, &ui, &cv, &lay);
    }
    picture(as, &cv, theme, out);
    oc_canvas_release(&cv);
    return oc_buf_check(out, err);
}

int oc_cli_show(oc_cli *c)
{
    if (c->arg.n != 3)
        return oc_cli_usage(
            "show takes a session and a view: optimclm show SESSION loss --size 100x30");
    const char *name = c->arg.item[2];
    bool screen = !strcmp(name, "screen");
    const oc_view *v = screen ? NULL : oc_view_find(name);
    if (!v && !screen) {
        oc_buf all = {0};
        for (int i = 0; i < oc_view_count(); i++)
            oc_buf_fmt(&all, "%s ", oc_view_at(i)->name);
        int rc = oc_cli_usage("there is no view '%s'; views are %sscreen", name, oc_buf_cstr(&all));
        oc_buf_release(&all);
        return rc;
    }
    const char *as = c->json ? "json" : c->as ? c->as : isatty(STDOUT_FILENO) ? "ansi" : "text";
    if (!v && !strcmp(as, "json"))
        return oc_cli_usage("the whole screen has no JSON form; name a view");
    oc_err err = {0};
    oc_state *s;
    if (oc_session_load(c->arg.item[1], &s, &err) != OC_OK)
        return oc_cli_fail(&err);
    oc_buf out = {0};
    oc_status st = OC_OK;
    if (!strcmp(as, "json")) {
        oc_view_ui ui;
        oc_view_ui_init(&ui);
        v->json(s, &ui, &out);
        oc_buf_ch(&out, '\n');
    } else {
        st = draw(c, as, v, s, &out, &err);
    }
    int rc = st == OC_OK ? oc_cli_print(&out) : oc_cli_fail(&err);
    oc_buf_release(&out);
    oc_state_free(s);
    return rc;
}

/* A session on the screen: as a film, or (follow) as another process writes it. */
static int watch(const oc_cli *c, bool follow)
{
    if (c->arg.n != 2)
        return oc_cli_usage("%s takes one session", c->arg.item[0]);
    oc_err err = {0};
    if (!oc_screen_possible(&err)) {
        fprintf(stderr, "optimclm: %s; `optimclm show SESSION screen` prints the last picture\n",
                err.msg);
        return OC_EXIT_USAGE;
    }
    oc_replay *r;
    if (oc_replay_open(c->arg.item[1], &r, &err) != OC_OK)
        return oc_cli_fail(&err);
    oc_replay_set_speed(r, c->speed);
    oc_screen_opts o = {
        .color = c->color, .glyphs = c->glyphs, .theme = c->theme, .follow = follow};
    oc_status st = oc_screen_replay(r, c->arg.item[1], &o, &err);
    oc_replay_close(r);
    return st == OC_OK ? OC_EXIT_DONE : oc_cli_fail(&err);
}

int oc_cli_replay(oc_cli *c)
{
    return watch(c, false);
}

int oc_cli_attach(oc_cli *c)
{
    return watch(c, true);
}

static int print_result(oc_status st, oc_buf *out, const oc_err *err)
{
    int rc = st == OC_OK ? oc_cli_print(out) : oc_cli_fail(err);
    oc_buf_release(out);
    return rc;
}

int oc_cli_sessions(oc_cli *c)
{
    if (c->arg.n != 1)
        return oc_cli_usage("sessions takes no arguments");
    oc_buf out = {0};
    oc_err err = {0};
    return print_result(oc_sessions_list(c->json, &out, &err), &out, &err);
}

int oc_cli_diff(oc_cli *c)
{
    if (c->arg.n != 3)
        return oc_cli_usage("diff takes two sessions");
    oc_buf out = {0};
    oc_err err = {0};
    return print_result(oc_sessions_diff(c->arg.item[1], c->arg.item[2], c->json, &out, &err), &out,
                        &err);
}

/* What a setting takes, in words. */
static void range_of(const oc_setting *d, char out[96])
{
    switch (d->type) {
    case OC_SET_INT:
    case OC_SET_REAL: snprintf(out, 96, "%.10g to %.10g", d->lo, d->hi); break;
    case OC_SET_FLAG: snprintf(out, 96, "true or false"); break;
    case OC_SET_TEXT: snprintf(out, 96, "text"); break;
    case OC_SET_WORD: snprintf(out, 96, "%.90s", d->words); break;
    }
}

int oc_cli_settings(oc_cli *c)
{
    if (c->arg.n != 1)
        return oc_cli_usage("settings takes no arguments");
    oc_buf out = {0};
    oc_jw w = {.out = &out, .indent = 2};
    if (c->json)
        oc_jw_open(&w, '[');
    for (int i = 0; i < oc_setting_count(); i++) {
        const oc_setting *d = oc_setting_at(i);
        char range[96];
        range_of(d, range);
        if (!c->json) {
            oc_buf_fmt(&out, "%-22s %-28s %s\n", d->key, *d->otherwise ? d->otherwise : "-",
                       d->help);
            oc_buf_fmt(&out, "%-22s   %s\n", "", range);
            continue;
        }
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "key", d->key);
        oc_jw_kstr(&w, "stage", d->stage);
        oc_jw_kstr(&w, "default", d->otherwise);
        oc_jw_kstr(&w, "range", range);
        oc_jw_kstr(&w, "help", d->help);
        oc_jw_close(&w, '}');
    }
    if (c->json) {
        oc_jw_close(&w, ']');
        oc_buf_ch(&out, '\n');
    }
    return print_result(OC_OK, &out, &(oc_err){0});
}
