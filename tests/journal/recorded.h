/*
 * tests/journal/recorded.h - a small recorded session, made event by event, for the tests of
 * journals, states, replays and session lists. Header only: tests of several folders include it.
 */
#ifndef OC_TESTS_RECORDED_H
#define OC_TESTS_RECORDED_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "sessions/journal.h"
#include "sessions/session.h"
#include "sessions/state.h"

#define OK(call)                                                              \
    do {                                                                      \
        oc_err ok_err = {0};                                                  \
        (void)ok_err;                                                         \
        oc_err *err = &ok_err;                                                \
        if ((call) != OC_OK)                                                  \
            fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #call, ok_err.msg); \
    } while (0)

typedef struct recording {
    oc_event *e; /* owned [n] */
    int n;
    int64_t t_ms;
} recording;

OC_UNUSED static oc_event *rec_add(recording *r, oc_event_type t)
{
    oc_event *more =
        oc_realloc(r->e, (size_t)r->n * sizeof *r->e, (size_t)(r->n + 1) * sizeof *r->e);
    assert_non_null(more);
    r->e = more;
    oc_event *e = &r->e[r->n++];
    oc_event_init(e, t);
    r->t_ms = r->t_ms ? r->t_ms + 100 : 1740832205000; // 2025-03-01T12:30:05Z
    e->t_ms = r->t_ms;
    return e;
}

OC_UNUSED static void rec_free(recording *r)
{
    oc_free(r->e);
    *r = (recording){0};
}

OC_UNUSED static void rec_session(recording *r, const char *name, bool reopened)
{
    oc_ev_session *s = &rec_add(r, OC_EV_session_T)->u.session;
    OC_EV_SET(s->name, name);
    OC_EV_SET(s->version, "0.1");
    OC_EV_SET(s->isa, "ref");
    s->threads = 2;
    s->pid = 2147483000; // nobody has it
    s->reopened = reopened;
}

OC_UNUSED static void rec_setting(recording *r, const char *key, const char *old, const char *value,
                                  const char *why, const char *run, int64_t step)
{
    oc_ev_setting *s = &rec_add(r, OC_EV_setting_T)->u.setting;
    OC_EV_SET(s->key, key);
    OC_EV_SET(s->old, old);
    OC_EV_SET(s->value, value);
    OC_EV_SET(s->why, why);
    OC_EV_SET(s->run, run);
    s->step = step;
}

OC_UNUSED static void rec_run(recording *r, const char *recipe, const char *stages, bool resumed)
{
    oc_ev_run *v = &rec_add(r, OC_EV_run_T)->u.run;
    OC_EV_SET(v->recipe, recipe);
    OC_EV_SET(v->stages, stages);
    v->n_stages = 1;
    for (const char *p = stages; *p; p++)
        v->n_stages += *p == ',';
    v->resumed = resumed;
}

OC_UNUSED static void rec_stage(recording *r, int64_t index, const char *kind, const char *run,
                                int64_t steps, int64_t from)
{
    oc_ev_stage *s = &rec_add(r, OC_EV_stage_T)->u.stage;
    OC_EV_SET(s->kind, kind);
    OC_EV_SET(s->run, run);
    s->index = index;
    s->steps = steps;
    s->epochs = 2;
    s->rows = 64;
    s->plan_bytes = 123456;
    s->from_step = from;
}

OC_UNUSED static void rec_stage_end(recording *r, int64_t index, const char *kind, const char *run,
                                    const char *status)
{
    oc_ev_stage_end *s = &rec_add(r, OC_EV_stage_end_T)->u.stage_end;
    s->index = index;
    OC_EV_SET(s->kind, kind);
    OC_EV_SET(s->run, run);
    OC_EV_SET(s->status, status);
    OC_EV_SET(s->path, "models/x");
    s->seconds = 1.5;
}

OC_UNUSED static void rec_step(recording *r, const char *run, int64_t step, double loss)
{
    oc_ev_step *s = &rec_add(r, OC_EV_step_T)->u.step;
    OC_EV_SET(s->run, run);
    s->step = step;
    s->steps = 100;
    s->epoch = (double)step / 50;
    s->lr = 5e-5;
    s->loss = loss;
    s->hard = loss / 2;
    s->norm = 1.25;
    s->tokens_s = 1000;
    s->tokens = step * 128;
}

OC_UNUSED static void rec_eval(recording *r, const char *run, int64_t step, double auroc, bool best)
{
    oc_ev_eval *v = &rec_add(r, OC_EV_eval_T)->u.eval;
    OC_EV_SET(v->run, run);
    OC_EV_SET(v->split, "valid");
    v->step = step;
    v->loss = 0.5;
    v->auroc = auroc;
    v->accuracy = 0.75;
    v->best = best;
}

OC_UNUSED static void rec_candidate(recording *r, const char *model, const char *stage,
                                    const char *precision, int64_t bytes, double auroc, double ms)
{
    oc_ev_candidate *c = &rec_add(r, OC_EV_candidate_T)->u.candidate;
    OC_EV_SET(c->model, model);
    OC_EV_SET(c->stage, stage);
    OC_EV_SET(c->precision, precision);
    snprintf(c->path, sizeof c->path, "models/%s", model);
    c->params = bytes / 4;
    c->bytes = bytes;
    c->n = 500;
    c->auroc = auroc;
    c->auroc_lo = auroc - 0.02;
    c->auroc_hi = auroc + 0.02;
    c->accuracy = 0.9;
    c->auprc = 0.4;
    c->f1 = 0.5;
    c->median_ms = ms;
    c->p95_ms = ms * 1.5;
}

OC_UNUSED static void rec_latency(recording *r, const char *model, int64_t threads, double ms)
{
    oc_ev_latency *l = &rec_add(r, OC_EV_latency_T)->u.latency;
    OC_EV_SET(l->model, model);
    OC_EV_SET(l->precision, "fp32");
    l->threads = threads;
    l->batch = 1;
    l->length = 128;
    l->median_ms = ms;
    l->p95_ms = ms * 1.25;
    l->runs = 50;
}

OC_UNUSED static void rec_text(recording *r, oc_event_type t, const char *level, const char *text)
{
    oc_event *e = rec_add(r, t);
    if (t == OC_EV_log_T) {
        OC_EV_SET(e->u.log.level, level);
        OC_EV_SET(e->u.log.text, text);
    } else if (t == OC_EV_alert_T) {
        OC_EV_SET(e->u.alert.level, level);
        OC_EV_SET(e->u.alert.text, text);
    } else if (t == OC_EV_command_T) {
        OC_EV_SET(e->u.command.source, level);
        OC_EV_SET(e->u.command.text, text);
    }
}

/* The per-layer events of one compressed model. */
OC_UNUSED static void rec_layers(recording *r)
{
    oc_ev_sparsity *sp = &rec_add(r, OC_EV_sparsity_T)->u.sparsity;
    OC_EV_SET(sp->model, "pruned");
    OC_EV_SET(sp->matrix, "query");
    sp->rows = sp->cols = 64;
    sp->asked = 0.3;
    sp->reached = 0.3125;
    oc_ev_heads *h = &rec_add(r, OC_EV_heads_T)->u.heads;
    OC_EV_SET(h->model, "pruned");
    h->before = 4;
    h->after = 3;
    h->n_kept = h->n_importance = 4;
    for (int i = 0; i < 4; i++) {
        h->kept[i] = i != 2;
        h->importance[i] = 0.1 * i;
    }
    oc_ev_ffn *f = &rec_add(r, OC_EV_ffn_T)->u.ffn;
    OC_EV_SET(f->model, "pruned");
    f->before = 256;
    f->after = 128;
    f->asked = 0.5;
    oc_ev_quant *q = &rec_add(r, OC_EV_quant_T)->u.quant;
    OC_EV_SET(q->model, "quantized");
    OC_EV_SET(q->matrix, "query");
    q->bits = 8;
    q->max_err = 0.01;
    q->sqnr_db = 41.5;
    q->clipped = 0;
    q->n_bins = 41;
    for (int i = 0; i < 41; i++)
        q->bins[i] = i;
    oc_ev_cost *cost = &rec_add(r, OC_EV_cost_T)->u.cost;
    OC_EV_SET(cost->model, "quantized");
    OC_EV_SET(cost->matrix, "qkv");
    cost->layer = 1;
    cost->rows = 128;
    cost->out = 384;
    cost->in = 128;
    cost->f32_ms = 0.25;
    cost->int8_ms = 0.0625;
    cost->runs = 40;
    cost->int8 = true;
    oc_ev_drift *d = &rec_add(r, OC_EV_drift_T)->u.drift;
    OC_EV_SET(d->model, "quantized");
    d->layer = -1;
    d->sqnr_db = 38;
}

OC_UNUSED static void rec_data(recording *r, const char *split, int64_t rows)
{
    oc_ev_data *d = &rec_add(r, OC_EV_data_T)->u.data;
    OC_EV_SET(d->task, "mortality");
    OC_EV_SET(d->kind, "single");
    OC_EV_SET(d->split, split);
    d->rows = rows;
    d->labels = 2;
}

/* A whole run with every event type in it. */
OC_UNUSED static recording rec_whole(const char *name)
{
    recording r = {0};
    rec_session(&r, name, false);
    rec_setting(&r, "run.seed", "1", "5", "recipe", "", -1);
    rec_text(&r, OC_EV_command_T, "repl", "run demo.json");
    rec_run(&r, "demo", "finetune,distill,prune,quantize,evaluate,bench", false);
    oc_ev_job *j = &rec_add(&r, OC_EV_job_T)->u.job;
    OC_EV_SET(j->state, "running");
    OC_EV_SET(j->what, "demo");
    j->step = -1;
    rec_data(&r, "train", 1600);
    rec_data(&r, "test", 1000);
    oc_ev_baseline *b = &rec_add(&r, OC_EV_baseline_T)->u.baseline;
    OC_EV_SET(b->name, "majority");
    b->accuracy = 0.9;
    b->auroc = 0.5;
    rec_stage(&r, 0, "finetune", "teacher-1", 100, 0);
    for (int i = 1; i <= 4; i++)
        rec_step(&r, "teacher-1", i, 0.7 - 0.05 * i);
    rec_eval(&r, "teacher-1", 4, 0.71, true);
    rec_stage_end(&r, 0, "finetune", "teacher-1", "done");
    oc_ev_model *m = &rec_add(&r, OC_EV_model_T)->u.model;
    OC_EV_SET(m->model, "teacher-1");
    OC_EV_SET(m->casing, "uncased");
    m->bytes = 8000000;
    oc_ev_cache *c = &rec_add(&r, OC_EV_cache_T)->u.cache;
    OC_EV_SET(c->model, "teacher-1");
    OC_EV_SET(c->split, "train");
    c->misses = 1600;
    oc_ev_ensemble *en = &rec_add(&r, OC_EV_ensemble_T)->u.ensemble;
    OC_EV_SET(en->rule, "mean_logits");
    en->teachers = en->n_weights = 1;
    en->weights[0] = 1;
    rec_candidate(&r, "teacher-1", "finetune", "fp32", 8000000, 0.72, 20);
    rec_stage(&r, 1, "distill", "student", 100, 0);
    rec_step(&r, "student", 1, 0.9);
    rec_step(&r, "student", 2, (double)NAN);
    rec_setting(&r, "prune.sparsity", "0.3", "0.6", "set", "student", 2);
    oc_ev_ckpt *k = &rec_add(&r, OC_EV_ckpt_T)->u.ckpt;
    OC_EV_SET(k->run, "student");
    OC_EV_SET(k->path, "ckpt/student.safetensors");
    OC_EV_SET(k->reason, "save");
    k->step = 2;
    oc_ev_note *n = &rec_add(&r, OC_EV_note_T)->u.note;
    OC_EV_SET(n->text, "caf\xc3\xa9 \"quoted\" \\ and\nnewline");
    OC_EV_SET(n->run, "student");
    n->step = 2;
    rec_stage_end(&r, 1, "distill", "student", "done");
    rec_layers(&r);
    oc_ev_progress *p = &rec_add(&r, OC_EV_progress_T)->u.progress;
    OC_EV_SET(p->what, "calibrating");
    p->done = 3;
    p->total = 10;
    rec_latency(&r, "teacher-1", 1, 20);
    rec_latency(&r, "quantized", 1, 0.5);
    rec_candidate(&r, "quantized", "quantize", "int8", 500000, 0.70, 0.5);
    oc_ev_undo *u = &rec_add(&r, OC_EV_undo_T)->u.undo;
    OC_EV_SET(u->what, "prune.sparsity 0.6 -> 0.3");
    u->to_step = -1;
    rec_text(&r, OC_EV_alert_T, "warn", "two rows were skipped");
    rec_text(&r, OC_EV_log_T, "info", "all is well");
    oc_ev_exit *x = &rec_add(&r, OC_EV_exit_T)->u.exit;
    OC_EV_SET(x->reason, "quit");
    return r;
}

/* Write a recording into <dir>/events.jsonl; events get their sequence numbers. */
OC_UNUSED static void rec_write(recording *r, const char *dir)
{
    char path[OC_PATH_MAX];
    oc_journal *j;
    OK(oc_mkdirs(dir, err));
    OK(oc_session_journal(dir, path, err));
    OK(oc_journal_open(path, &j, err));
    for (int i = 0; i < r->n; i++)
        OK(oc_journal_append(j, &r->e[i], err));
    oc_journal_close(j);
}

OC_UNUSED static oc_state *rec_fold(const recording *r, int n)
{
    oc_state *s;
    OK(oc_state_new(&s, err));
    for (int i = 0; i < n; i++)
        OK(oc_state_fold(s, &r->e[i], err));
    return s;
}

/* A fresh folder for a test, also the place of its sessions. */
OC_UNUSED static void rec_temp(char out[64])
{
    strcpy(out, "/tmp/oc-test-XXXXXX");
    assert_non_null(mkdtemp(out));
    setenv("OPTIMCLM_SESSIONS", out, 1);
}

OC_UNUSED static void rec_remove(const char *dir)
{
    OK(oc_remove_tree(dir, err));
}

#endif
