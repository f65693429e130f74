#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "tui/screen_priv.h"

void oc__screen_focus(oc_screen *s, int view)
{
    int n = OC_MIN(oc_view_count(), OC_N_VIEWS_MAX);
    if (n < 1)
        return;
    s->ui.view = (view % n + n) % n;
    s->restate = true;
}

void oc__screen_theme(oc_screen *s, const char *name)
{
    int n = oc_theme_count(), at = 0;
    for (int i = 0; i < n; i++)
        if (oc_theme_at(i) == s->theme)
            at = i;
    const oc_theme *t = *name ? oc_theme_find(name) : oc_theme_at((at + 1) % OC_MAX(n, 1));
    if (!t) {
        oc__screen_message(s, "unknown theme '%s'", name);
        return;
    }
    s->theme = t;
    s->restate = true;
    oc__screen_message(s, "theme %s: %s%s", t->name, t->help,
                       oc_term_colors(s->term) == OC_COLORS_NONE ? " (no colours here)" : "");
}

void oc__screen_glyphs(oc_screen *s, const char *name)
{
    static const char *const names[] = {"braille", "block", "ascii"};
    oc_glyphs g = *name ? oc_term_glyphs(name) : (oc_glyphs)(((int)s->canvas.glyphs + 1) % 3);
    if (*name && strcmp(name, "auto") != 0 && strcmp(name, names[g]) != 0) {
        oc__screen_message(s, "unknown glyph set '%s': braille, block, ascii or auto", name);
        return;
    }
    s->canvas.glyphs = g;
    s->restate = true;
    oc__screen_message(s, "glyphs: %s", names[g]);
}

void oc__screen_quit(oc_screen *s)
{
    if (s->own_replay)
        oc__screen_end_replay(s);
    else if (s->leaving || !oc__screen_busy(s))
        s->quit = true;
    else
        s->asking = true;
}

void oc__screen_end_replay(oc_screen *s)
{
    if (!s->own_replay)
        return;
    oc_replay_close(s->r);
    s->r = NULL;
    s->own_replay = false;
    s->restate = true;
}

static void start_replay(oc_screen *s, const char *name)
{
    oc_err err = {0};
    oc_replay *r;
    if (oc_replay_open(name, &r, &err) != OC_OK) {
        oc__screen_message(s, "%s", err.msg);
        return;
    }
    oc__screen_end_replay(s);
    s->r = r;
    s->own_replay = true;
    s->replay_ns = s->now;
    oc_replay_set_playing(r, true);
    s->ui.repl_focused = false;
    s->restate = true;
    oc__screen_message(s, "replay of %s: Space pauses, [ ] step, q goes back", oc_path_base(name));
}

/* Tell the views which sessions are drawn beside this one. */
static void show_compared(oc_screen *s)
{
    for (int i = 0; i < OC_N_VIEWS_MAX; i++) {
        oc_view_ui *u = &s->ui.ui[i];
        u->n_compare = s->n_compare;
        for (int k = 0; k < OC_SCREEN_COMPARE; k++) {
            bool there = k < s->n_compare;
            u->compare[k] = there ? oc_replay_state(s->compare[k].r) : NULL;
            oc_strlcpy(u->compare_name[k], there ? s->compare[k].name : "",
                       sizeof u->compare_name[k]);
        }
    }
    s->restate = true;
}

static void drop_compared(oc_screen *s, int at)
{
    oc_replay_close(s->compare[at].r);
    s->n_compare--;
    for (int k = at; k < s->n_compare; k++)
        s->compare[k] = s->compare[k + 1];
    s->compare[s->n_compare].r = NULL;
}

/* Draw another session beside this one; named again, it goes. A fourth takes the first one's place. */
static void compare(oc_screen *s, const char *name)
{
    const char *base = oc_path_base(name);
    oc_err err = {0};
    oc_replay *r;
    for (int k = 0; k < s->n_compare; k++) {
        if (strcmp(s->compare[k].name, base) == 0) {
            drop_compared(s, k);
            show_compared(s);
            oc__screen_message(s, "%s is no longer drawn", base);
            return;
        }
    }
    oc_status st = oc_replay_open(name, &r, &err);
    if (st == OC_OK) {
        st = oc_replay_seek(r, oc_replay_count(r), &err);
        if (st != OC_OK)
            oc_replay_close(r);
    }
    if (st != OC_OK) {
        oc__screen_message(s, "%s", err.msg);
        return;
    }
    if (s->n_compare == OC_SCREEN_COMPARE)
        drop_compared(s, 0);
    s->compare[s->n_compare].r = r;
    oc_strlcpy(s->compare[s->n_compare++].name, base, sizeof s->compare[0].name);
    show_compared(s);
    oc__screen_message(s, "%s is drawn beside this session; the same command again ends that",
                       base);
}

static void open_session(oc_screen *s, const char *name)
{
    if (oc__screen_busy(s)) {
        oc__screen_message(
            s, "a job is running here: stop it first, or open %s in another terminal", name);
    } else if (!s->o->next) {
        oc__screen_message(s, "quit, then: optimclm %s", name);
    } else {
        oc_strlcpy(s->o->next->open, name, sizeof s->o->next->open);
        s->quit = true;
    }
}

static void apply(oc_screen *s, const oc_reply *reply)
{
    switch (reply->action) {
    case OC_UI_NONE: break;
    case OC_UI_QUIT: oc__screen_quit(s); break;
    case OC_UI_VIEW: {
        const oc_view *v = oc_view_find(reply->arg);
        for (int i = 0; i < oc_view_count(); i++)
            if (v && oc_view_at(i) == v)
                oc__screen_focus(s, i);
        if (!v)
            oc__screen_message(s, "unknown view '%s'", reply->arg);
        break;
    }
    case OC_UI_OPEN: open_session(s, reply->arg); break;
    case OC_UI_THEME: oc__screen_theme(s, reply->arg); break;
    case OC_UI_GLYPHS: oc__screen_glyphs(s, reply->arg); break;
    case OC_UI_HELP: s->ui.help = reply->text.len == 0; break;
    case OC_UI_COMPARE: compare(s, reply->arg); break;
    case OC_UI_REPLAY: start_replay(s, reply->arg); break;
    }
}

/* Where an answer is shown depends on its length and on the rows the REPL has. */
static void answer(oc_screen *s, const char *line, const char *text, bool failed, bool typed)
{
    int32_t rows = s->lay.repl.h - 1, lines = 0;
    for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
        lines++;
    if (typed) {
        char echo[512];
        snprintf(echo, sizeof echo, "> %s", line);
        oc_repl_say(s->repl, OC_STYLE_DIM, echo);
    }
    if (lines == 0)
        return;
    oc_repl_say(s->repl, failed ? OC_STYLE_BAD : OC_STYLE_TEXT, text);
    if (lines > OC_MAX(rows, 1))
        oc_pager_show(&s->pager, line, text, false);
    else if (!typed || rows < 1 || failed)
        oc__screen_message(s, "%s", text);
}

void oc__screen_do(oc_screen *s, const char *line, bool typed)
{
    if (!s->w) {
        oc__screen_message(s, "a recording takes no commands; open its session for '%s'", line);
        return;
    }
    oc_reply reply = {0};
    oc_err err = {0};
    oc_status st = oc_workbench_do(s->w, line, "repl", &reply, &err);
    oc_buf text = {0};
    oc_buf_str(&text, oc_buf_cstr(&reply.text));
    if (st != OC_OK) {
        if (text.len && text.data[text.len - 1] != '\n')
            oc_buf_ch(&text, '\n');
        oc_buf_str(&text, err.msg[0] ? err.msg : oc_status_text(st));
    }
    answer(s, line, oc_buf_cstr(&text), st != OC_OK, typed);
    apply(s, &reply);
    oc_buf_release(&text);
    oc_reply_release(&reply);
    s->restate = s->dirty = true;
}
