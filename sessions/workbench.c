#include "sessions/workbench.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/par.h"
#include "core/kernels/kernels.h"
#include "sessions/session.h"
#include "sessions/workbench_parts.h"

#ifndef OC_VERSION
#    define OC_VERSION "0"
#endif

enum { ANSWER_MS = 1000 }; // an idle engine answers within a millisecond

/* --- events: journal, then fold ---------------------------------------------------------------- */

/*
 * What the journal could not give back as it was written is made plain first, so that replay
 * equals live: text that is not UTF-8, numbers beyond what JSON readers keep, list lengths.
 */
static void make_plain(oc_event *e)
{
    static const int64_t whole_max = (int64_t)1 << 53;
    int n;
    const oc_event_field *f = oc_event_fields(e->type, &n);
    for (int i = 0; i < n; i++) {
        char *at = (char *)e + f[i].offset;
        if (f[i].kind == OC_FIELD_S) {
            at[f[i].capacity - 1] = 0;
            size_t len = strlen(at);
            for (size_t k = 0; k < len;) {
                uint32_t cp;
                int used = oc_utf8_decode(at + k, len - k, &cp);
                if (used == 1 && (unsigned char)at[k] >= 0x80)
                    at[k] = '?';
                k += (size_t)used;
            }
        } else if (f[i].kind == OC_FIELD_I) {
            int64_t v;
            memcpy(&v, at, sizeof v);
            v = OC_MAX(OC_MIN(v, whole_max), -whole_max);
            memcpy(at, &v, sizeof v);
        } else if (f[i].kind == OC_FIELD_V) {
            int64_t v;
            memcpy(&v, (char *)e + f[i].n_offset, sizeof v);
            v = OC_MAX(OC_MIN(v, (int64_t)f[i].capacity), 0);
            memcpy((char *)e + f[i].n_offset, &v, sizeof v);
        }
    }
}

static void keep(oc_workbench *w, oc_event *e);

/* The disk is full, or has room again: say so once. */
static void journal_changed(oc_workbench *w, bool failing, const char *why)
{
    w->journal_failing = failing;
    oc_event e;
    oc_event_init(&e, failing ? OC_EV_alert_T : OC_EV_log_T);
    if (failing) {
        OC_EV_SET(e.u.alert.level, "error");
        snprintf(
            e.u.alert.text, sizeof e.u.alert.text,
            "%.360s; the run goes on, its events wait in memory and are written when there is room",
            why);
    } else {
        OC_EV_SET(e.u.log.level, "info");
        OC_EV_SET(e.u.log.text, "the journal is written again; nothing was lost");
    }
    keep(w, &e);
}

/* Opening, refused commands and a run that never came to a stage leave nothing to come back to. */
static bool is_worth_keeping(const oc_event *e)
{
    return e->type == OC_EV_stage_T || e->type == OC_EV_note_T || e->type == OC_EV_undo_T ||
           (e->type == OC_EV_setting_T && strcmp(e->u.setting.why, "recipe") != 0);
}

static void keep(oc_workbench *w, oc_event *e)
{
    make_plain(e);
    w->worth_keeping |= is_worth_keeping(e);
    oc_err err = {0};
    oc_status rc = oc_journal_append(w->journal, e, &err);
    oc_err fold_err = {0};
    if (oc_state_fold(w->state, e, &fold_err) != OC_OK)
        oc_log(OC_LOG_ERROR, "an event is journalled but not shown: %s", fold_err.msg);
    if (rc != OC_OK && !w->journal_failing)
        journal_changed(w, true, err.msg);
    else if (rc == OC_OK && w->journal_failing)
        journal_changed(w, false, "");
}

/* A setting the engine took because a recipe asked for it. */
static void name_reason(oc_workbench *w, oc_event *e)
{
    if (e->type != OC_EV_setting_T || strcmp(e->u.setting.why, "set") != 0)
        return;
    int64_t i = oc_strlist_find(&w->from_recipe, e->u.setting.key);
    if (i < 0)
        return;
    OC_EV_SET(e->u.setting.why, "recipe");
    oc_free(w->from_recipe.item[i]);
    w->from_recipe.item[i] = w->from_recipe.item[--w->from_recipe.n];
}

int oc_workbench_pump(oc_workbench *w)
{
    int n = 0;
    oc_event e;
    // A tiny model makes events faster than they can be kept: give the screen its turn. The engine's
    // descriptor stays readable while more wait.
    int64_t until = oc_now_ns() + 10 * 1000000;
    while (oc_now_ns() < until && oc_engine_take(w->engine, &e)) {
        name_reason(w, &e);
        keep(w, &e);
        w->n_answers +=
            e.type == OC_EV_setting_T || e.type == OC_EV_note_T || e.type == OC_EV_alert_T;
        n++;
    }
    oc_journal_tick(w->journal, oc_now_ns());
    if (w->journal_failing && oc_journal_pending(w->journal) == 0)
        journal_changed(w, false, "");
    return n;
}

void oc_workbench_drain(oc_workbench *w)
{
    while (oc_workbench_pump(w) > 0)
        ;
}

void oc_workbench_emit(oc_workbench *w, oc_event *e)
{
    keep(w, e);
}

/* --- opening and closing ----------------------------------------------------------------------- */

static bool left_unfinished(const oc_state *s)
{
    bool all = true;
    for (int64_t i = 0; i < s->n_stages; i++)
        all &= !strcmp(s->stage[i].status, "done") || !strcmp(s->stage[i].status, "kept");
    return s->n_stages > 0 && !all && strcmp(s->job.state, "cancelled") != 0;
}

static oc_status fold_journal(oc_workbench *w, const char *path, oc_err *err)
{
    oc_reader *r;
    OC_TRY(oc_reader_open(path, &r, err));
    oc_status rc = OC_OK;
    for (bool got = true; rc == OC_OK && got;) {
        oc_event e;
        rc = oc_reader_next(r, &e, &got, err);
        if (rc == OC_OK && got)
            rc = oc_state_fold(w->state, &e, err);
    }
    w->state->n_bad = oc_reader_bad(r);
    oc_reader_close(r);
    return rc;
}

oc_status oc__write_recipe(const oc_workbench *w, const oc_settings *set, oc_err *err)
{
    char path[OC_PATH_MAX];
    oc_buf text = {0};
    OC_TRY(oc_path_join(path, w->dir, "recipe.json", err));
    oc_recipe_write(set, true, &text);
    oc_status rc = oc_buf_check(&text, err);
    if (rc == OC_OK)
        rc = oc_file_write(path, text.data, text.len, err);
    oc_buf_release(&text);
    return rc;
}

static void emit_opened(oc_workbench *w, bool reopened)
{
    oc_event e;
    oc_event_init(&e, OC_EV_session_T);
    OC_EV_SET(e.u.session.name, oc_path_base(w->dir));
    OC_EV_SET(e.u.session.version, OC_VERSION);
#ifdef __clang__
    OC_EV_SET(e.u.session.build, "clang " __clang_version__);
#else
    OC_EV_SET(e.u.session.build, "gcc " __VERSION__);
#endif
    oc_cpu_describe(e.u.session.cpu, sizeof e.u.session.cpu);
    OC_EV_SET(e.u.session.isa, oc_isa_name(oc_k->isa));
    e.u.session.threads = oc_par_workers();
    e.u.session.pid = (int64_t)getpid();
    e.u.session.reopened = reopened;
    keep(w, &e);
}

/* The settings a fresh session starts with, as far as they are not the defaults. */
static void emit_settings(oc_workbench *w, const oc_settings *set)
{
    for (int i = 0; i < oc_setting_count(); i++) {
        const oc_setting *d = oc_setting_at(i);
        oc_event e;
        oc_event_init(&e, OC_EV_setting_T);
        oc_settings_get(&w->state->set, d, e.u.setting.old);
        oc_settings_get(set, d, e.u.setting.value);
        if (!strcmp(e.u.setting.old, e.u.setting.value))
            continue;
        OC_EV_SET(e.u.setting.key, d->key);
        OC_EV_SET(e.u.setting.why, "recipe");
        e.u.setting.step = -1;
        keep(w, &e);
    }
}

static oc_status name_it(oc_workbench *w, const char *name, const char *base, oc_err *err)
{
    char fresh[128];
    oc_strlcpy(w->base, base ? base : "", sizeof w->base);
    w->named = name != NULL;
    if (!name) {
        OC_TRY(oc_session_fresh_name(base ? base : "session", fresh, err));
        name = fresh;
    }
    OC_TRY(oc_session_path(name, false, w->dir, err));
    oc_strlcpy(w->name, name, sizeof w->name);
    w->read_recipe = oc_recipe_read;
    // Checkpoints lie deeper, and the engine keeps shorter paths.
    if (strlen(w->dir) > 1900)
        return OC_FAIL(err, OC_RANGE, "the path of the session is too long: %.80s...", w->dir);
    return OC_OK;
}

/* Journal locked and folded, settings known, engine running. */
static oc_status start(oc_workbench *w, const oc_settings *set, bool *fresh, oc_err *err)
{
    char path[OC_PATH_MAX];
    OC_TRY(oc_session_journal(w->dir, path, err));
    OC_TRY(oc_mkdirs(w->dir, err));
    OC_TRY(oc_journal_open(path, &w->journal, err));
    OC_TRY(oc_state_new(&w->state, err));
    oc_strlcpy(w->state->dir, w->dir, sizeof w->state->dir);
    OC_TRY(fold_journal(w, path, err));
    *fresh = w->state->n_events == 0;
    const oc_settings *begin = *fresh && set ? set : &w->state->set;
    if (*fresh)
        OC_TRY(oc__write_recipe(w, begin, err));
    if (!oc_k)
        OC_TRY(oc_kernels_select(err));
    OC_TRY(oc_engine_new(w->dir, begin, &w->engine, err));
    w->unfinished = left_unfinished(w->state);
    emit_opened(w, !*fresh);
    if (*fresh)
        emit_settings(w, begin);
    return OC_OK;
}

static void release(oc_workbench *w)
{
    oc_engine_free(w->engine);
    oc_journal_close(w->journal);
    oc_state_free(w->state);
    oc_strlist_release(&w->views);
    oc_strlist_release(&w->themes);
    oc_strlist_release(&w->recipes);
    oc_strlist_release(&w->from_recipe);
    oc_free(w);
}

/* A session that could not begin, or in which nothing happened, leaves no folder behind. `ours`: we
 * hold the journal's lock; else it may be another process's, unless it is empty. */
static void remove_empty(const char *dir, bool ours)
{
    char path[OC_PATH_MAX];
    if (oc_session_journal(dir, path, NULL) == OC_OK && (ours || oc_file_bytes(path) == 0))
        unlink(path);
    static const char *const made[] = {"recipe.json", "run.json"};
    for (int i = 0; i < OC_COUNT(made); i++)
        if (oc_path_join(path, dir, made[i], NULL) == OC_OK)
            unlink(path);
    rmdir(dir); // only if nothing else is in it
}

oc_status oc_workbench_open(const char *name, const char *base, const oc_settings *set,
                            oc_workbench **out, oc_err *err)
{
    oc_workbench *w = oc_calloc(1, sizeof *w);
    if (!w)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    bool fresh = false;
    oc_status rc = name_it(w, name, base, err);
    bool was_there = rc == OC_OK && oc_path_exists(w->dir);
    if (rc == OC_OK)
        rc = start(w, set, &fresh, err);
    w->made_here = *w->dir && !was_there;
    if (rc == OC_OK) {
        *out = w;
        return OC_OK;
    }
    char dir[OC_PATH_MAX];
    oc_strlcpy(dir, w->made_here ? w->dir : "", sizeof dir);
    release(w);
    if (*dir)
        remove_empty(dir, false);
    return rc;
}

void oc_workbench_close(oc_workbench *w, const char *reason, int status)
{
    if (!w)
        return;
    oc_engine_stop(w->engine);
    oc_workbench_drain(w);
    oc_event e;
    oc_event_init(&e, OC_EV_exit_T);
    OC_EV_SET(e.u.exit.reason, reason ? reason : "quit");
    e.u.exit.status = status;
    keep(w, &e);
    if (!oc_workbench_kept(w, status))
        remove_empty(w->dir, true);
    release(w);
}

bool oc_workbench_kept(const oc_workbench *w, int status)
{
    return w->worth_keeping || !w->made_here || (w->named && status == 0);
}

/* --- what callers ask -------------------------------------------------------------------------- */

const oc_state *oc_workbench_state(const oc_workbench *w)
{
    return w->state;
}
const char *oc_workbench_name(const oc_workbench *w)
{
    return w->name;
}
const char *oc_workbench_dir(const oc_workbench *w)
{
    return w->dir;
}
int oc_workbench_fd(const oc_workbench *w)
{
    return oc_engine_fd(w->engine);
}
bool oc_workbench_busy(const oc_workbench *w)
{
    return oc_engine_busy(w->engine);
}
bool oc_workbench_unfinished(const oc_workbench *w)
{
    return w->unfinished && !oc_workbench_busy(w);
}

void oc_workbench_settings(const oc_workbench *w, oc_settings *out)
{
    // An idle engine has told everything it did; a busy one may have changes queued for its next step.
    if (oc_workbench_busy(w))
        oc_engine_settings(w->engine, out);
    else
        *out = w->state->set;
}

static void wait_for_events(oc_workbench *w, int ms)
{
    struct pollfd p = {.fd = oc_engine_fd(w->engine), .events = POLLIN};
    if (poll(&p, 1, ms) < 0 && errno != EINTR)
        oc_sleep_ms(ms);
}

bool oc_workbench_wait(oc_workbench *w, int64_t timeout_ms)
{
    int64_t until = oc_now_ns() + timeout_ms * 1000000;
    while (oc_workbench_busy(w) && (timeout_ms < 0 || oc_now_ns() < until)) {
        wait_for_events(w, 100);
        oc_workbench_pump(w);
    }
    bool idle = !oc_workbench_busy(w);
    oc_workbench_drain(w); // what was sent before it became idle
    return idle;
}

oc_status oc_workbench_request(oc_workbench *w, const oc_request *r, oc_err *err)
{
    bool starts = r->kind == OC_REQ_RUN || r->kind == OC_REQ_CONTINUE;
    bool answers = r->kind == OC_REQ_SET || r->kind == OC_REQ_UNDO || r->kind == OC_REQ_NOTE;
    bool idle = !oc_workbench_busy(w);
    int64_t before = w->n_answers;
    OC_TRY(oc_engine_request(w->engine, r, err));
    if (starts)
        w->unfinished = false;
    // An idle engine answers at once: what follows on the same line then sees the new value, and
    // a session that is closed next has it in its journal.
    int64_t until = oc_now_ns() + (int64_t)ANSWER_MS * 1000000;
    while (answers && idle && w->n_answers == before && oc_now_ns() < until) {
        wait_for_events(w, 20);
        oc_workbench_pump(w);
    }
    return OC_OK;
}

oc_status oc__apply_recipe(oc_workbench *w, const char *path, int *n_changed, oc_err *err)
{
    oc_settings *set = oc_alloc(2 * sizeof *set); // [0] as they are, [1] as the recipe says
    if (!set)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_workbench_settings(w, &set[0]);
    oc_settings_init(&set[1]);
    oc_status rc = w->read_recipe(path, &set[1], err);
    *n_changed = 0;
    for (int i = 0; rc == OC_OK && i < oc_setting_count(); i++) {
        const oc_setting *d = oc_setting_at(i);
        char old[OC_TEXT_MAX];
        oc_request r = {.kind = OC_REQ_SET};
        oc_settings_get(&set[0], d, old);
        oc_settings_get(&set[1], d, r.text);
        if (!strcmp(old, r.text))
            continue;
        oc_strlcpy(r.key, d->key, sizeof r.key);
        rc = oc_strlist_add(&w->from_recipe, d->key, strlen(d->key), err);
        if (rc == OC_OK)
            rc = oc_workbench_request(w, &r, err);
        *n_changed += 1;
    }
    if (rc == OC_OK)
        rc = oc__write_recipe(w, &set[1], err);
    else
        oc_strlist_release(&w->from_recipe);
    oc_free(set);
    return rc;
}

void oc_workbench_set_recipes(oc_workbench *w, oc_recipe_fn read)
{
    w->read_recipe = read ? read : oc_recipe_read;
}

/* The list of that kind; NULL when there is none. */
static oc_strlist *words_of(oc_workbench *w, const char *what)
{
    return !strcmp(what, "view")     ? &w->views
           : !strcmp(what, "theme")  ? &w->themes
           : !strcmp(what, "recipe") ? &w->recipes
                                     : NULL;
}

oc_status oc_workbench_set_words(oc_workbench *w, const char *what, const oc_strlist *words,
                                 oc_err *err)
{
    oc_strlist *to = words_of(w, what);
    if (!to)
        return OC_FAIL(
            err, OC_USAGE,
            "the screen has no words of the kind '%.40s'; it has views, themes and recipes", what);
    oc_strlist copy = {0};
    for (int64_t i = 0; i < words->n; i++) {
        oc_status rc = oc_strlist_add(&copy, words->item[i], strlen(words->item[i]), err);
        if (rc != OC_OK) {
            oc_strlist_release(&copy);
            return rc;
        }
    }
    oc_strlist_release(to);
    *to = copy;
    return OC_OK;
}

const oc_strlist *oc__screen_words(const oc_workbench *w, const char *what)
{
    const oc_strlist *l = w ? words_of((oc_workbench *)(uintptr_t)w, what) : NULL;
    return l && l->n ? l : NULL;
}
