#include "tui/screen.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "sessions/journal.h"
#include "sessions/session.h"
#include "tui/screen_priv.h"
#include "tui/signals.h"

#define RESIZE_NS  (30 * 1000000LL) /* a storm of resizes is one */
#define MESSAGE_NS (8 * OC_NS_S)
#define DONE_NS    (5 * OC_NS_S) /* quit_when_done: time to look */
#define ANSWER_NS  (OC_NS_S / 2) /* wait for a terminal's answer before leaving it */
#define FOLLOW_NS  (OC_NS_S / 2) /* how often to look for what another process appended */

#define LEAVING_NS    (50 * 1000000LL) /* how often to look whether the job has stopped */
#define HEADLESS_MS   250              /* the engine may rest a moment after its last event */
#define QUIT_QUESTION "a job is running: d detach, s stop after a checkpoint, c cancel quitting"

const oc_state *oc__screen_state(const oc_screen *s)
{
    return s->r ? oc_replay_state(s->r) : oc_workbench_state(s->w);
}

bool oc__screen_busy(const oc_screen *s)
{
    return s->w && oc_workbench_busy(s->w);
}

void oc__screen_message(oc_screen *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->message, sizeof s->message, fmt, ap);
    va_end(ap);
    for (char *p = s->message; *p; p++)
        if (*p == '\n')
            *p = ' ';
    s->message_ns = s->now + MESSAGE_NS;
    s->echo = true;
}

/* ---- drawing ----------------------------------------------------------------------------- */

static int32_t repl_rows(const oc_screen *s)
{
    int32_t rows = s->canvas.rows;
    if (!s->repl || rows < 20)
        return 1;
    return rows < 30 ? 2 : rows < 50 ? 4 : 8;
}

bool oc__screen_at_end(const oc_screen *s)
{
    return oc_replay_at(s->r) >= oc_replay_count(s->r);
}

static void follow_status(oc_screen *s)
{
    char where[80], speed[32];
    const oc_state *st = oc_replay_state(s->r);
    oc_fmt_f64(speed, oc_replay_speed(s->r));
    if (oc_replay_playing(s->r))
        snprintf(where, sizeof where, ", %lld/%lld x%s", (long long)oc_replay_at(s->r),
                 (long long)oc_replay_count(s->r), speed);
    else if (!oc__screen_at_end(s) || s->follow.held)
        snprintf(where, sizeof where, ", paused at %lld/%lld", (long long)oc_replay_at(s->r),
                 (long long)oc_replay_count(s->r));
    else if (s->follow.running)
        where[0] = '\0';
    else
        snprintf(where, sizeof where, ": %s",
                 st->live ? "its process is gone" : "the session has ended");
    snprintf(s->replay_text, sizeof s->replay_text, "ATTACHED, read-only%s", where);
}

static void replay_status(oc_screen *s)
{
    char speed[32];
    oc_fmt_f64(speed, oc_replay_speed(s->r));
    bool playing = oc_replay_playing(s->r), end = oc__screen_at_end(s);
    snprintf(s->replay_text, sizeof s->replay_text, "REPLAY %lld/%lld x%s%s",
             (long long)oc_replay_at(s->r), (long long)oc_replay_count(s->r), speed,
             end       ? " end"
             : playing ? ""
                       : " paused");
}

static void picture(oc_screen *s)
{
    const oc_state *st = oc__screen_state(s);
    // Three answers are possible: the question field of the views is for yes and no.
    s->ui.message = s->asking ? QUIT_QUESTION : s->message;
    s->ui.question = "";
    s->ui.replay = "";
    if (s->r) {
        if (s->follow.on)
            follow_status(s);
        else
            replay_status(s);
        s->ui.replay = s->replay_text;
    }
    bool live = !s->r || (s->follow.running && !s->follow.held && oc__screen_at_end(s));
    s->ui.now_ms = live ? oc_wall_ms() : st->last_ms;
    s->ui.repl_lines = repl_rows(s);
    bool still = s->ui.frozen && !s->restate && s->still.cols == s->canvas.cols &&
                 s->still.rows == s->canvas.rows;
    size_t bytes = (size_t)s->canvas.cols * (size_t)s->canvas.rows * sizeof *s->canvas.cell;
    if (!still) {
        oc_canvas_clear(&s->canvas);
        oc_screen_draw(st, &s->ui, &s->canvas, &s->lay);
        if (s->ui.frozen && s->still.cell)
            memcpy(s->still.cell, s->canvas.cell, bytes);
        s->restate = false;
        return;
    }
    memcpy(s->canvas.cell, s->still.cell, bytes);
    oc_fill(&s->canvas, s->lay.message, ' ', OC_STYLE_TEXT);
    oc_text(&s->canvas, s->lay.message, 0, 0, -1, OC_STYLE_BOLD, s->ui.message);
}

static oc_status draw(oc_screen *s, oc_err *err)
{
    int32_t cx = -1, cy = -1;
    size_t sent = 0;
    if (!s->canvas.cell) { // no memory for it at this size; tried again with the next clock tick
        s->dirty = s->echo = false;
        return OC_OK;
    }
    picture(s);
    if (s->repl) {
        oc_repl_draw(s->repl, &s->canvas, s->lay.repl, s->lay.body, s->ui.repl_focused, &cx, &cy);
    } else if (s->lay.repl.h > 0) {
        oc_text(
            &s->canvas, s->lay.repl, 0, s->lay.repl.h - 1, -1, OC_STYLE_DIM,
            s->follow.on
                ? "Space pause  [ ] step  { } mark  , . speed  G follow  q quit (the job goes on)"
                : "Space play  [ ] step  { } mark  , . speed  g G ends  q quit");
    }
    if (s->pager.open) {
        int32_t top = OC_MIN(s->lay.header.h, s->canvas.rows - 1);
        int32_t bottom = s->lay.repl.h > 0 ? s->lay.repl.y : s->canvas.rows;
        oc_rect area = {0, top, s->canvas.cols, OC_MAX(1, bottom - top)};
        oc_pager_draw(&s->pager, &s->canvas, area);
        cx = -1;
    }
    const char *tail = oc_pace_tail(&s->pace);
    OC_TRY(oc_term_frame(s->term, &s->canvas, s->theme, cx, cy, tail, &sent, err));
    s->dirty = s->echo = false;
    oc_pace_sent(&s->pace, s->now, tail && sent > 0);
    if (s->w)
        oc_signals_session(oc_workbench_name(s->w), oc_workbench_state(s->w)->last_seq);
    return OC_OK;
}

/* Take the terminal's size; without memory for the picture nothing is drawn until there is. */
static void fit(oc_screen *s)
{
    int32_t cols, rows;
    oc_glyphs g = s->canvas.glyphs;
    oc_tty_size(s->tty, &cols, &rows);
    oc_canvas_release(&s->canvas);
    oc_canvas_release(&s->still);
    oc_colors k = oc_term_colors(s->term);
    if (oc_canvas_init(&s->canvas, cols, rows, g, k, NULL) == OC_OK &&
        oc_canvas_init(&s->still, cols, rows, g, k, NULL) != OC_OK)
        oc_canvas_release(&s->canvas);
    s->canvas.glyphs = g; // kept also when there is no picture
    oc_term_resize(s->term, cols, rows);
    s->resize_ns = 0;
    s->echo = s->restate = true;
}

/* ---- the terminal comes and goes --------------------------------------------------------- */

static void read_keys(oc_screen *s)
{
    char bytes[4096];
    int64_t n = oc_tty_read(s->tty, bytes, sizeof bytes);
    if (n < 0) {
        s->gone = true;
        return;
    }
    if (n > 0)
        oc_keys_feed(&s->keys, bytes, (size_t)n, s->now);
}

static void take_keys(oc_screen *s)
{
    oc_input in;
    while (!s->quit && !s->gone && oc_keys_next(&s->keys, s->now, &in))
        oc__screen_input(s, &in);
}

/* A late answer of the terminal would be typed into the shell: wait for it. */
static void settle(oc_screen *s)
{
    int64_t until = oc_now_ns() + ANSWER_NS;
    while (oc_pace_owed(&s->pace) && !s->gone && oc_now_ns() < until) {
        struct pollfd p = {.fd = oc_tty_fd(s->tty), .events = POLLIN};
        poll(&p, 1, 50);
        s->now = oc_now_ns();
        read_keys(s);
        oc_input in;
        while (oc_keys_next(&s->keys, s->now, &in))
            if (in.kind == OC_IN_REPLY && in.reply == 'n')
                oc_pace_answer(&s->pace);
    }
}

static void come_back(oc_screen *s)
{
    s->now = oc_now_ns();
    s->away = !oc_tty_foreground(s->tty);
    if (s->away)
        return;
    if (oc_tty_enter(s->tty, NULL) != OC_OK) {
        s->gone = true;
        return;
    }
    if (s->mouse)
        oc_tty_mouse(s->tty, true);
    oc_pace_init(&s->pace, s->o->fps, s->pace.asks);
    fit(s);
}

static void give_back(oc_screen *s)
{
    settle(s);
    oc_term_suspend(s->term);
    oc_tty_leave(s->tty);
}

void oc__screen_suspend(oc_screen *s)
{
    give_back(s);
    oc_signals_stop();
    s->signals |= oc_signals_take() & ~(unsigned)(OC_SIG_TSTP | OC_SIG_CONT); // those are done with
    come_back(s);
}

static void take_signals(oc_screen *s)
{
    unsigned came = oc_signals_take() | s->signals;
    s->signals = 0;
    if (came & OC_SIG_HUP)
        s->gone = true;
    if (came & (OC_SIG_TERM | OC_SIG_INT))
        s->quit = true;
    if (came & OC_SIG_TSTP)
        oc__screen_suspend(s);
    else if (came & OC_SIG_CONT)
        come_back(s);
    if ((came & OC_SIG_WINCH) && !s->resize_ns)
        s->resize_ns = s->now + RESIZE_NS;
}

/* ---- the loop ---------------------------------------------------------------------------- */

static int64_t sooner(int64_t a, int64_t b)
{
    return b >= 0 && (a < 0 || b < a) ? b : a;
}

/* Nanoseconds the loop may sleep. Idle, only the clock in the header wakes it. */
static int64_t sleep_ns(oc_screen *s)
{
    int64_t wait = OC_NS_S - s->now % OC_NS_S;
    if (s->away)
        return wait;
    wait = sooner(wait, oc_keys_wait_ns(&s->keys, s->now));
    if (s->leaving)
        wait = sooner(wait, LEAVING_NS);
    if (s->resize_ns)
        wait = sooner(wait, OC_MAX(0, s->resize_ns - s->now));
    if (s->r && oc_replay_playing(s->r))
        wait = sooner(wait, oc_pace_wait_ns(&s->pace, s->now, false));
    if (s->follow.on && !s->follow.held)
        wait = sooner(wait, OC_MAX(0, s->follow.next_ns - s->now));
    if ((s->dirty || s->echo) && oc_tty_ready(s->tty))
        wait = sooner(wait, oc_pace_wait_ns(&s->pace, s->now, s->echo));
    return wait;
}

static oc_status wait_for_something(oc_screen *s, oc_err *err)
{
    bool wants = (s->dirty || s->echo) && !oc_tty_ready(s->tty);
    bool out = !s->away && (oc_tty_waiting(s->tty) || wants);
    struct pollfd p[3] = {
        {.fd = oc_signals_fd(), .events = POLLIN},
        {.fd = s->away ? -1 : oc_tty_fd(s->tty), .events = (short)(POLLIN | (out ? POLLOUT : 0))},
        {.fd = s->w ? oc_workbench_fd(s->w) : -1, .events = POLLIN},
    };
    int64_t ns = sleep_ns(s);
    int n = poll(p, 3, (int)((ns + 999999) / 1000000));
    s->now = oc_now_ns();
    if (n < 0 && errno != EINTR)
        return OC_FAIL_SYS(err, OC_IO, "cannot wait for keys: %s", strerror(errno));
    take_signals(s);
    if (s->away || s->gone)
        return OC_OK;
    if (n > 0 && (p[1].revents & POLLOUT) && oc_tty_flush(s->tty, NULL) != OC_OK)
        s->gone = true;
    if (n > 0 && (p[1].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)))
        read_keys(s);
    return OC_OK;
}

/* What another process appended to the session shown. */
static void follow(oc_screen *s)
{
    char path[OC_PATH_MAX];
    if (!s->follow.on || s->follow.held || s->away || s->now < s->follow.next_ns)
        return;
    s->follow.next_ns = s->now + FOLLOW_NS;
    // Asked before reading: what a process wrote before it ended is then seen, too.
    bool running = oc_session_journal(oc_replay_state(s->r)->dir, path, NULL) == OC_OK &&
                   oc_journal_locked(path);
    oc_err err = {0};
    int64_t added = 0;
    if (oc_replay_follow(s->r, &added, &err) != OC_OK)
        oc__screen_message(s, "%s", err.msg);
    s->dirty = s->dirty || added > 0 || running != s->follow.running;
    s->follow.running = running;
}

static void take_events(oc_screen *s)
{
    if (s->w && oc_workbench_pump(s->w) > 0 && !s->r)
        s->dirty = true;
    bool busy = oc__screen_busy(s);
    if (s->was_busy && !busy)
        s->dirty = true;
    s->was_busy = busy;
    if (s->leaving && !busy)
        s->quit = true;
    if (!s->r || !oc_replay_playing(s->r) || s->away)
        return;
    oc_err err = {0};
    int64_t folded = 0;
    double ms = (double)(s->now - s->replay_ns) / 1e6;
    s->replay_ns = s->now;
    if (oc_replay_advance(s->r, ms, &folded, &err) != OC_OK) {
        oc_replay_set_playing(s->r, false);
        oc__screen_message(s, "%s", err.msg);
    }
    s->dirty = s->dirty || folded > 0 || !oc_replay_playing(s->r);
}

/* Once a second: ages and the time left in the header, messages that expire, coming back by `fg`. */
static void tick(oc_screen *s)
{
    if (s->now / OC_NS_S == s->tick)
        return;
    s->tick = s->now / OC_NS_S;
    s->dirty = true;
    if (s->away && oc_tty_foreground(s->tty))
        come_back(s);
    if (!s->canvas.cell && !s->away)
        fit(s);
    if (s->message[0] && s->message_ns && s->now >= s->message_ns)
        s->message[0] = '\0';
    if (!s->o->quit_when_done || s->key_came || oc__screen_busy(s))
        return;
    if (!s->done_ns)
        s->done_ns = s->now;
    int64_t left = s->done_ns + DONE_NS - s->now;
    if (left <= 0)
        s->quit = true;
    else
        oc__screen_message(s, "done; leaving the screen in %lld s, any key stays",
                           (long long)((left + OC_NS_S / 2) / OC_NS_S));
}

static oc_status loop(oc_screen *s, oc_err *err)
{
    while (!s->quit && !s->gone && !s->detach) {
        OC_TRY(wait_for_something(s, err));
        take_keys(s);
        take_events(s);
        follow(s);
        tick(s);
        if (s->resize_ns && s->now >= s->resize_ns && !s->away)
            fit(s);
        if (s->quit || s->gone || s->away || !(s->dirty || s->echo) || !oc_tty_ready(s->tty) ||
            oc_pace_wait_ns(&s->pace, s->now, s->echo) > 0)
            continue;
        oc_status st = draw(s, err);
        if (st == OC_IO)
            s->gone = true;
        else if (st != OC_OK)
            return st;
    }
    return OC_OK;
}

/* The screen is gone and the job goes on: keep its journal until it ends. */
static void headless(oc_screen *s)
{
    while (oc_workbench_busy(s->w)) {
        struct pollfd p[2] = {{.fd = oc_signals_fd(), .events = POLLIN},
                              {.fd = oc_workbench_fd(s->w), .events = POLLIN}};
        poll(p, 2, HEADLESS_MS);
        if (oc_signals_take() & (OC_SIG_TERM | OC_SIG_INT)) {
            oc_request r = {.kind = OC_REQ_CANCEL};
            if (oc_workbench_request(s->w, &r, NULL) != OC_OK)
                break; // it has just ended
        }
        oc_workbench_pump(s->w);
    }
    oc_workbench_drain(s->w);
}

/* ---- opening and closing ----------------------------------------------------------------- */

bool oc_screen_possible(oc_err *why)
{
    return oc_tty_possible(why) && oc_term_known(getenv("TERM"), why);
}

static oc_status complete(void *ctx, const char *line, int64_t cursor, oc_strlist *out,
                          int64_t *from, oc_err *err)
{
    const oc_screen *s = ctx;
    return oc_command_complete(s->w, line, cursor, out, from, err);
}

/* Completion of `view` and `theme` needs words only the screen knows. */
static oc_status teach_words(oc_screen *s, oc_err *err)
{
    oc_strlist views = {0}, themes = {0};
    oc_status st = OC_OK;
    for (int i = 0; st == OC_OK && i < oc_view_count(); i++)
        st = oc_strlist_add(&views, oc_view_at(i)->name, strlen(oc_view_at(i)->name), err);
    for (int i = 0; st == OC_OK && i < oc_theme_count(); i++)
        st = oc_strlist_add(&themes, oc_theme_at(i)->name, strlen(oc_theme_at(i)->name), err);
    if (st == OC_OK)
        st = oc_workbench_set_words(s->w, "view", &views, err);
    if (st == OC_OK)
        st = oc_workbench_set_words(s->w, "theme", &themes, err);
    oc_strlist_release(&views);
    oc_strlist_release(&themes);
    return st;
}

static oc_status pick_theme(oc_screen *s, oc_err *err)
{
    const char *name = s->o->theme;
    s->theme = name ? oc_theme_find(name) : oc_theme_at(0);
    return s->theme ? OC_OK : OC_FAIL(err, OC_USAGE, "unknown theme '%s'", name ? name : "");
}

static oc_status open_repl(oc_screen *s, oc_err *err)
{
    char history[4096];
    bool kept = oc_repl_history_path(history, NULL) == OC_OK; // without it: this session's only
    OC_TRY(oc_repl_open(complete, s, kept ? history : NULL, &s->repl, err));
    return teach_words(s, err);
}

/* Times of day are shown as on the wall here. */
static void set_time_zone(oc_screen *s)
{
    time_t t = time(NULL);
    struct tm local;
    if (!localtime_r(&t, &local))
        return;
    for (int i = 0; i < OC_N_VIEWS_MAX; i++)
        s->ui.ui[i].tz_s = (int32_t)local.tm_gmtoff;
}

static oc_status open_screen(oc_screen *s, oc_err *err)
{
    const char *ssh = getenv("SSH_CONNECTION");
    setlocale(LC_CTYPE, "");
    s->now = oc_now_ns();
    s->dirty = true;
    oc_screen_ui_init(&s->ui);
    set_time_zone(s);
    oc_pace_init(&s->pace, s->o->fps, ssh && *ssh);
    OC_TRY(pick_theme(s, err));
    OC_TRY(oc_signals_open(err)); // before curses, which would install its own
    if (s->w)
        OC_TRY(open_repl(s, err));
    OC_TRY(oc_tty_open(&s->tty, err));
    OC_TRY(oc_tty_enter(s->tty, err));
    OC_TRY(oc_term_open(s->tty, s->o->color, &s->term, err));
    s->canvas.glyphs = oc_term_glyphs(s->o->glyphs);
    fit(s);
    return OC_OK;
}

/* Hand the terminal back; what is left needs none. */
static void close_terminal(oc_screen *s)
{
    if (s->tty && (s->gone || s->away)) // gone, or another's now
        oc_tty_forget(s->tty);
    if (s->tty && s->term && !s->gone && !s->away)
        give_back(s);
    oc_term_close(s->term);
    oc_tty_close(s->tty);
    s->term = NULL;
    s->tty = NULL;
}

static void close_screen(oc_screen *s)
{
    close_terminal(s);
    oc_repl_close(s->repl);
    oc_pager_release(&s->pager);
    oc_keys_release(&s->keys);
    oc_canvas_release(&s->canvas);
    oc_canvas_release(&s->still);
    oc__screen_end_replay(s);
    for (int i = 0; i < s->n_compare; i++)
        oc_replay_close(s->compare[i].r);
    oc_signals_close();
}

oc_status oc_screen_run(oc_workbench *w, const oc_screen_opts *o, bool *detached, oc_err *err)
{
    oc_screen *s = oc_calloc(1, sizeof *s);
    if (!s)
        return OC_FAIL(err, OC_NOMEM, "out of memory while opening the screen");
    s->w = w;
    s->o = o;
    *detached = false;
    if (o->next)
        o->next->open[0] = '\0';
    oc_status st = open_screen(s, err);
    if (st == OC_OK) {
        if (o->command && *o->command)
            oc__screen_do(s, o->command, true);
        s->was_busy = oc__screen_busy(s);
        st = loop(s, err);
    }
    close_terminal(s);
    if (st == OC_OK && (s->gone || s->detach)) {
        *detached = true;
        if (s->detach) {
            fprintf(stderr, "The job goes on in the background. To see it: optimclm attach %s\n",
                    oc_workbench_name(w));
            oc_signals_background();
        }
        headless(s);
    }
    close_screen(s);
    oc_free(s);
    return st;
}

oc_status oc_screen_replay(oc_replay *r, const char *name, const oc_screen_opts *o, oc_err *err)
{
    oc_screen *s = oc_calloc(1, sizeof *s);
    if (!s)
        return OC_FAIL(err, OC_NOMEM, "out of memory while opening the screen");
    s->r = r;
    s->o = o;
    oc_status st = open_screen(s, err);
    s->follow.on = o->follow;
    if (st == OC_OK && o->follow)
        st = oc_replay_seek(r, oc_replay_count(r), err);
    if (st == OC_OK) {
        s->replay_ns = s->now;
        oc_replay_set_playing(r, !o->follow);
        oc__screen_message(s,
                           o->follow ? "attached to %s: q leaves, the job goes on; ? lists the keys"
                                     : "replay of %s: Space pauses, ? lists the keys",
                           oc_path_base(name));
        st = loop(s, err);
    }
    close_screen(s);
    oc_free(s);
    return st;
}
