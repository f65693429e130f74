#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "tui/screen_priv.h"

#define CTRL_C_NS (2 * OC_NS_S)

/* Without a workbench nothing can be asked of the session. */
static void refuse(oc_screen *s)
{
    oc__screen_message(s, s->follow.on ? "attached read-only: commands go where the session is open"
                                       : "a recording takes no commands; ? lists the keys");
}

static void show_alerts(oc_screen *s)
{
    const oc_state *st = oc__screen_state(s);
    oc_buf b = {0};
    for (int64_t i = 0; i < st->n_log; i++) {
        const oc_line *l = &st->log[i];
        if (strcmp(l->level, "warn") != 0 && strcmp(l->level, "error") != 0)
            continue;
        char when[24];
        oc_fmt_utc(when, l->t_ms + 1000 * (int64_t)s->ui.ui[0].tz_s);
        oc_buf_fmt(&b, "%.8s %-5s %s\n", when + 11, l->level, l->text);
    }
    if (b.len)
        oc_pager_show(&s->pager, "alerts", oc_buf_cstr(&b), true);
    else
        oc__screen_message(s, "no alerts");
    oc_buf_release(&b);
}

static void focus_repl(oc_screen *s, const char *line)
{
    if (!s->repl) {
        refuse(s);
        return;
    }
    if (line)
        oc_repl_set_line(s->repl, line);
    s->ui.repl_focused = true;
}

static void ctrl_c(oc_screen *s)
{
    if (!s->w)
        oc__screen_message(s, s->follow.on ? "q leaves; the job goes on" : "q leaves the replay");
    else if (!oc__screen_busy(s))
        oc__screen_message(s, s->ui.repl_focused ? "nothing is running; Esc leaves the command line"
                                                 : "nothing is running; q quits");
    else if (s->ctrl_c_ns && s->now - s->ctrl_c_ns <= CTRL_C_NS)
        oc__screen_do(s, "cancel", false);
    else
        oc__screen_message(s, "press Ctrl-C again to stop the job");
    s->ctrl_c_ns = s->now;
}

static void pause_job(oc_screen *s)
{
    if (s->follow.on)
        refuse(s);
    else if (!s->w || !oc__screen_busy(s))
        oc__screen_message(s, s->w ? "nothing is running" : "a recording has no job to pause");
    else
        oc__screen_do(
            s, strcmp(oc_workbench_state(s->w)->job.state, "paused") == 0 ? "resume" : "pause",
            false);
}

/* ---- replay ------------------------------------------------------------------------------ */

static void seek(oc_screen *s, int64_t to)
{
    oc_err err = {0};
    int64_t n = oc_replay_count(s->r);
    oc_replay_set_playing(s->r, false);
    s->follow.held = false;
    if (oc_replay_seek(s->r, OC_MAX(0, OC_MIN(to, n)), &err) != OC_OK)
        oc__screen_message(s, "%s", err.msg);
    s->restate = true;
}

static void play_or_pause(oc_screen *s)
{
    bool play = !oc_replay_playing(s->r);
    if (s->follow.on && oc__screen_at_end(s)) {
        s->follow.held = !s->follow.held;
        s->restate = true;
        return;
    }
    if (play && oc__screen_at_end(s))
        seek(s, 0); // at the end there is nothing to play: again from the start
    oc_replay_set_playing(s->r, play);
    s->replay_ns = s->now;
}

static bool replay_key(oc_screen *s, uint32_t key)
{
    if (!s->r || s->ui.ui[s->ui.view].filtering)
        return false;
    int64_t at = oc_replay_at(s->r);
    double speed = oc_replay_speed(s->r);
    switch (key) {
    case ' ': play_or_pause(s); break;
    case '[': seek(s, at - 1); break;
    case ']': seek(s, at + 1); break;
    case '{': seek(s, oc_replay_mark(s->r, -1)); break;
    case '}': seek(s, oc_replay_mark(s->r, 1)); break;
    case ',': oc_replay_set_speed(s->r, OC_MAX(0.25, speed / 2)); break;
    case '.': oc_replay_set_speed(s->r, OC_MIN(64.0, speed * 2)); break;
    case 'g': seek(s, 0); break;
    case 'G': seek(s, oc_replay_count(s->r)); break;
    default: return false;
    }
    return true;
}

/* ---- one key, by who takes it ------------------------------------------------------------ */

static void question_key(oc_screen *s, uint32_t key)
{
    s->asking = false;
    switch (key) {
    case 'd': s->detach = true; break;
    case 's':
        s->leaving = true;
        oc__screen_do(s, "cancel", false);
        oc__screen_message(s, "stopping after a checkpoint...");
        break;
    case 'c':
    case 'n':
    case 'q':
    case OC_KEY_ESC:
    case OC_KEY_CTRL_C: break;
    default: s->asking = true; break;
    }
}

static void entered_lines(oc_screen *s)
{
    oc_buf line = {0};
    while (oc_repl_take(s->repl, &line)) {
        const char *p = oc_buf_cstr(&line);
        p += strspn(p, " ");
        if (*p)
            oc__screen_do(s, p, true);
    }
    oc_buf_release(&line);
    if (oc_repl_take_eof(s->repl))
        s->ui.repl_focused = false;
}

static void repl_key(oc_screen *s, const oc_input *in)
{
    switch (in->key) {
    case OC_KEY_CTRL_C:
        if (*oc_repl_line(s->repl) || oc_repl_escape(s->repl))
            oc_repl_cancel(s->repl);
        else
            ctrl_c(s);
        return;
    case OC_KEY_ESC:
        if (!oc_repl_escape(s->repl))
            s->ui.repl_focused = false;
        return;
    case OC_KEY_F1: s->ui.help = true; return;
    case OC_KEY_PGUP: {
        oc_buf said = {0};
        oc_repl_said(s->repl, &said);
        if (said.len)
            oc_pager_show(&s->pager, "answers", oc_buf_cstr(&said), true);
        oc_buf_release(&said);
        return;
    }
    case OC_KEY_ENTER: oc_repl_feed(s->repl, "\r", 1); break;
    case OC_KEY_BACKSPACE:
        if (in->mods == 0) {
            oc_repl_feed(s->repl, "\177", 1);
            break;
        }
        oc_repl_feed(s->repl, in->bytes, in->n_bytes);
        break;
    case 0xfffd:
        if (in->n_bytes < 3) // a byte that is no UTF-8: not for a line that must be
            return;
        oc_repl_feed(s->repl, in->bytes, in->n_bytes);
        break;
    default: oc_repl_feed(s->repl, in->bytes, in->n_bytes); break;
    }
    entered_lines(s);
}

/* Give a key to a view; runs or prepares the command it answers with. */
static bool view_key(oc_screen *s, int view, uint32_t key)
{
    const oc_view *v = view < oc_view_count() ? oc_view_at(view) : NULL;
    if (!v || !v->handle)
        return false;
    oc_buf command = {0};
    bool used = v->handle(&s->ui.ui[view], oc__screen_state(s), key, &command);
    const char *line = oc_buf_cstr(&command);
    if (used && line[0] == '=')
        focus_repl(s, line + 1);
    else if (used && line[0] && s->follow.on)
        refuse(s);
    else if (used && line[0])
        oc__screen_do(s, line, false);
    oc_buf_release(&command);
    s->restate = s->restate || used;
    return used;
}

static void help_key(oc_screen *s, uint32_t key)
{
    int help = -1;
    for (int i = 0; i < OC_MIN(oc_view_count(), OC_N_VIEWS_MAX); i++)
        if (strcmp(oc_view_at(i)->name, "help") == 0)
            help = i;
    s->restate = true;
    bool filtered =
        help >= 0 && (s->ui.ui[help].filtering || (s->ui.ui[help].filter[0] && key == OC_KEY_ESC));
    if (filtered && view_key(s, help, key))
        return;
    if (key == OC_KEY_ESC || key == '?' || key == 'q' || key == OC_KEY_F1 || key == OC_KEY_ENTER ||
        key == OC_KEY_CTRL_C)
        s->ui.help = false;
    else if (help >= 0)
        view_key(s, help, key);
}

static void leave_level(oc_screen *s)
{
    if (s->ui.zoomed)
        s->ui.zoomed = false;
    else if (s->own_replay)
        oc__screen_end_replay(s);
    else
        s->message[0] = '\0';
}

static bool view_number(oc_screen *s, uint32_t key)
{
    for (int i = 0; i < OC_MIN(oc_view_count(), OC_N_VIEWS_MAX); i++) {
        if ((uint32_t)(unsigned char)oc_view_at(i)->key == key) {
            oc__screen_focus(s, i);
            return true;
        }
    }
    return false;
}

static void toggle_mouse(oc_screen *s)
{
    s->mouse = !s->mouse;
    oc_tty_mouse(s->tty, s->mouse);
    oc__screen_message(s, s->mouse
                              ? "mouse: on (M gives selecting and copying back to the terminal)"
                              : "mouse: off");
}

static void freeze(oc_screen *s)
{
    s->ui.frozen = !s->ui.frozen;
    oc__screen_message(s, s->ui.frozen ? "display frozen, the job goes on; Z goes on showing"
                                       : "showing again");
}

static void global_key(oc_screen *s, uint32_t key)
{
    s->restate = true;
    switch (key) {
    case '?':
    case OC_KEY_F1: s->ui.help = true; break;
    case ':': focus_repl(s, NULL); break;
    case 'q': oc__screen_quit(s); break;
    case OC_KEY_TAB: oc__screen_focus(s, s->ui.view + 1); break;
    case OC_KEY_BACKTAB: oc__screen_focus(s, s->ui.view - 1); break;
    case OC_KEY_ENTER: s->ui.zoomed = !s->ui.zoomed; break;
    case OC_KEY_ESC: leave_level(s); break;
    case OC_KEY_CTRL_C: ctrl_c(s); break;
    case 'Z': freeze(s); break;
    case 'P': pause_job(s); break;
    case 't': oc__screen_theme(s, ""); break;
    case 'T': oc__screen_glyphs(s, ""); break;
    case 'M': toggle_mouse(s); break;
    case 'm': focus_repl(s, "note "); break;
    case '@': show_alerts(s); break;
    case '<': s->ui.split = OC_MAX(0.2, s->ui.split - 0.05); break;
    case '>': s->ui.split = OC_MIN(0.8, s->ui.split + 0.05); break;
    case '=': s->ui.split = 0.5; break;
    default: view_number(s, key); break;
    }
}

/* A short answer, shown whole, steps aside for the next key; what closes a pager does only that. */
static void step_aside(oc_screen *s, uint32_t key)
{
    bool closes = key == OC_KEY_ESC || key == OC_KEY_CTRL_C || (key == 'q' && !s->ui.repl_focused);
    if (oc_pager_fits(&s->pager) && !closes)
        s->pager.open = false;
}

static void key(oc_screen *s, const oc_input *in)
{
    s->key_came = true;
    step_aside(s, in->key);
    if (in->key == OC_KEY_CTRL_L) {
        oc_term_repaint(s->term);
        s->restate = true;
    } else if (in->key == OC_KEY_CTRL_Z) {
        oc__screen_suspend(s);
    } else if (s->asking) {
        question_key(s, in->key);
    } else if (s->pager.open) {
        oc_pager_key(&s->pager, in->key == OC_KEY_CTRL_C ? (uint32_t)OC_KEY_ESC : in->key);
    } else if (s->ui.help) {
        help_key(s, in->key);
    } else if (s->ui.repl_focused) {
        repl_key(s, in);
    } else if ((in->mods & OC_MOD_ALT) || in->key == OC_KEY_NONE) {
        return; // panes have no such keys, and "Alt-q" must not quit
    } else if (!replay_key(s, in->key) && !view_key(s, s->ui.view, in->key)) {
        global_key(s, in->key);
    }
}

static bool inside(oc_rect r, int32_t x, int32_t y)
{
    return x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h;
}

static void mouse(oc_screen *s, const oc_input *in)
{
    bool wheel = in->act == OC_MOUSE_WHEEL_UP || in->act == OC_MOUSE_WHEEL_DOWN;
    uint32_t step = in->act == OC_MOUSE_WHEEL_UP ? OC_KEY_UP : OC_KEY_DOWN;
    s->key_came = true;
    if (wheel) {
        for (int i = 0; i < 3; i++) {
            if (s->pager.open)
                oc_pager_key(&s->pager, step);
            else if (s->ui.help)
                help_key(s, step);
            else
                view_key(s, s->ui.view, step);
        }
    } else if (in->act == OC_MOUSE_PRESS && in->button == 0 && !s->pager.open && !s->asking) {
        bool in_repl = inside(s->lay.repl, in->x, in->y);
        if (in_repl && s->repl)
            focus_repl(s, NULL);
        for (int i = 0; i < OC_MIN(oc_view_count(), OC_N_VIEWS_MAX); i++) {
            if (!in_repl && inside(s->lay.tile[i], in->x, in->y)) {
                s->ui.repl_focused = false;
                oc__screen_focus(s, i);
            }
        }
    }
}

static void paste(oc_screen *s, const oc_input *in)
{
    s->key_came = true;
    if (s->asking || s->pager.open || s->ui.help)
        return; // a pasted "s" must not stop a job
    if (!s->ui.repl_focused)
        focus_repl(s, NULL);
    if (!s->repl)
        return;
    oc_repl_paste(s->repl, in->bytes, in->n_bytes);
    if (in->cut)
        oc__screen_message(s, "the paste was cut at %d bytes", OC_KEYS_PASTE_MAX);
}

void oc__screen_input(oc_screen *s, const oc_input *in)
{
    switch (in->kind) {
    case OC_IN_KEY: key(s, in); break;
    case OC_IN_MOUSE: mouse(s, in); break;
    case OC_IN_PASTE: paste(s, in); break;
    case OC_IN_FOCUS: // what others wrote over the picture is healed when one looks again
        if (in->focus_in)
            oc_term_repaint(s->term);
        s->dirty = s->dirty || in->focus_in;
        return;
    case OC_IN_REPLY:
        if (in->reply == 'n')
            oc_pace_answer(&s->pace);
        return;
    }
    s->echo = true;
}
