#include "tests/views/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

typedef struct recorder {
    oc_state *s;
    int64_t t_ms, seq;
    oc_event e;
} recorder;

double fixture_noise(uint64_t i)
{
    uint64_t z = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static void must(oc_status st, const oc_err *err)
{
    if (st != OC_OK) {
        fprintf(stderr, "fixture: %s\n", err->msg);
        abort();
    }
}

static recorder begin(void)
{
    recorder r = {.t_ms = INT64_C(1740830400000)}; // 2025-03-01 12:00:00 UTC
    oc_err err = {0};
    must(oc_state_new(&r.s, &err), &err);
    return r;
}

static void start(recorder *r, oc_event_type t)
{
    oc_event_init(&r->e, t);
}

static void post(recorder *r, int64_t after_ms)
{
    oc_err err = {0};
    r->t_ms += after_ms;
    r->e.t_ms = r->t_ms;
    r->e.seq = ++r->seq;
    must(oc_state_fold(r->s, &r->e, &err), &err);
}

static void open_session(recorder *r)
{
    start(r, OC_EV_session_T);
    OC_EV_SET(r->e.u.session.name, "20250301-1200-mortality");
    OC_EV_SET(r->e.u.session.version, "0.1");
    OC_EV_SET(r->e.u.session.build, "gcc 12.2 -O2");
    OC_EV_SET(r->e.u.session.cpu, "AMD EPYC 7B13");
    OC_EV_SET(r->e.u.session.isa, "avx2");
    r->e.u.session.threads = 2;
    r->e.u.session.pid = 4242;
    post(r, 0);
}

static void setting(recorder *r, const char *key, const char *value, const char *old,
                    const char *why, const char *run, int64_t step)
{
    start(r, OC_EV_setting_T);
    OC_EV_SET(r->e.u.setting.key, key);
    OC_EV_SET(r->e.u.setting.value, value);
    OC_EV_SET(r->e.u.setting.old, old);
    OC_EV_SET(r->e.u.setting.why, why);
    OC_EV_SET(r->e.u.setting.run, run);
    r->e.u.setting.step = step;
    post(r, 5);
}

static void command(recorder *r, const char *text)
{
    start(r, OC_EV_command_T);
    OC_EV_SET(r->e.u.command.text, text);
    OC_EV_SET(r->e.u.command.source, "repl");
    post(r, 800);
}

static void job(recorder *r, const char *state, const char *what)
{
    start(r, OC_EV_job_T);
    OC_EV_SET(r->e.u.job.state, state);
    OC_EV_SET(r->e.u.job.what, what);
    post(r, 1);
}

static void data(recorder *r)
{
    static const struct {
        const char *split;
        int64_t rows;
        double positive;
    } part[] = {{"train", 1600, 0.104}, {"valid", 300, 0.097}, {"test", 1000, 0.101}};
    for (int i = 0; i < 3; i++) {
        start(r, OC_EV_data_T);
        OC_EV_SET(r->e.u.data.task, "mortality");
        OC_EV_SET(r->e.u.data.kind, "single");
        OC_EV_SET(r->e.u.data.split, part[i].split);
        r->e.u.data.rows = part[i].rows;
        r->e.u.data.labels = 2;
        r->e.u.data.positive_frac = part[i].positive;
        r->e.u.data.mean_words = 118.4;
        post(r, 30);
    }
}

static void model(recorder *r, const char *name, int64_t params, int64_t bytes, int64_t layers,
                  int64_t hidden)
{
    start(r, OC_EV_model_T);
    OC_EV_SET(r->e.u.model.model, name);
    OC_EV_SET(r->e.u.model.path, "models/");
    r->e.u.model.params = params;
    r->e.u.model.bytes = bytes;
    r->e.u.model.layers = layers;
    r->e.u.model.hidden = hidden;
    r->e.u.model.vocab = 4000;
    OC_EV_SET(r->e.u.model.casing, "uncased");
    OC_EV_SET(r->e.u.model.casing_from, "tokenizer_config.json");
    r->e.u.model.mean_tokens = 96.5;
    r->e.u.model.cut_frac = 0.031;
    post(r, 20);
}

static void stage(recorder *r, int64_t index, const char *kind, const char *run, int64_t steps,
                  int64_t epochs)
{
    start(r, OC_EV_stage_T);
    r->e.u.stage.index = index;
    OC_EV_SET(r->e.u.stage.kind, kind);
    OC_EV_SET(r->e.u.stage.run, run);
    r->e.u.stage.steps = steps;
    r->e.u.stage.epochs = epochs;
    r->e.u.stage.rows = 1600;
    r->e.u.stage.plan_bytes = 214000000;
    r->e.u.stage.from_step = -1;
    post(r, 100);
}

static void stage_end(recorder *r, int64_t index, const char *kind, const char *run, double seconds)
{
    start(r, OC_EV_stage_end_T);
    r->e.u.stage_end.index = index;
    OC_EV_SET(r->e.u.stage_end.kind, kind);
    OC_EV_SET(r->e.u.stage_end.run, run);
    OC_EV_SET(r->e.u.stage_end.status, "done");
    r->e.u.stage_end.seconds = seconds;
    post(r, 10);
}

/* A learning curve that falls, with noise, a spike and one value that is no number. */
static void train(recorder *r, const char *run, int64_t from, int64_t to, int64_t steps,
                  double first, double last, bool distilled)
{
    for (int64_t i = from; i < to; i++) {
        double t = (double)i / (double)steps,
               noise = fixture_noise((uint64_t)i + (uint64_t)steps * 7) - 0.5;
        double loss = last + (first - last) * exp(-5 * t) + noise * 0.18 * (1 - 0.5 * t);
        start(r, OC_EV_step_T);
        oc_ev_step *e = &r->e.u.step;
        OC_EV_SET(e->run, run);
        e->step = i + 1;
        e->steps = steps;
        e->epoch = t * 6;
        e->lr = 5e-5 * (t < 0.1 ? t / 0.1 : (1 - t) / 0.9);
        e->loss = distilled && i == 433 ? loss + 0.9 : loss;
        e->hard = distilled ? e->loss * 0.62 : e->loss;
        if (distilled) {
            e->soft = e->loss * 0.38;
            e->norm_hard = 0.9 * exp(-2 * t) + 0.1;
            e->norm_soft = 0.5 * exp(-3 * t) + 0.05;
        }
        if (distilled && i == 500)
            e->loss = (double)NAN;
        e->norm = 1.4 * exp(-2 * t) + 0.2 + 0.2 * noise;
        e->tokens_s = 24000 + 1500 * noise;
        e->tokens = 1544;
        post(r, 60);
        if ((i + 1) % (steps / 6) == 0) {
            start(r, OC_EV_eval_T);
            oc_ev_eval *v = &r->e.u.eval;
            OC_EV_SET(v->run, run);
            OC_EV_SET(v->split, "valid");
            v->step = i + 1;
            v->loss = last + (first - last) * exp(-4 * t) + 0.03;
            v->auroc = 0.86 - 0.3 * exp(-4 * t) - (t > 0.8 ? 0.004 : 0);
            v->accuracy = 0.93 - 0.1 * exp(-4 * t);
            v->best = t < 0.8;
            post(r, 90);
        }
    }
}

static void cache(recorder *r, const char *name, int64_t hits, int64_t misses)
{
    start(r, OC_EV_cache_T);
    OC_EV_SET(r->e.u.cache.model, name);
    OC_EV_SET(r->e.u.cache.split, "train");
    OC_EV_SET(r->e.u.cache.precision, "f32");
    r->e.u.cache.hits = hits;
    r->e.u.cache.misses = misses;
    r->e.u.cache.bytes = 12800;
    post(r, 10);
}

static void candidate(recorder *r, const char *name, const char *precision, int64_t bytes,
                      double auroc, double half, double ms)
{
    start(r, OC_EV_candidate_T);
    oc_ev_candidate *c = &r->e.u.candidate;
    OC_EV_SET(c->model, name);
    OC_EV_SET(c->stage, name);
    OC_EV_SET(c->precision, precision);
    OC_EV_SET(c->path, "models/");
    c->bytes = bytes;
    c->params = bytes / 4;
    c->n = 1000;
    c->auroc = auroc;
    c->auroc_lo = auroc - half;
    c->auroc_hi = auroc + half * 0.9;
    c->accuracy = auroc + 0.05;
    c->auprc = auroc - 0.3;
    c->f1 = auroc - 0.2;
    c->median_ms = ms;
    c->p95_ms = ms * 1.08;
    post(r, 15);
}

static const char *const matrices[] = {"query", "key", "value", "attn.out", "ffn.in", "ffn.out"};

static void pruned(recorder *r, const char *name)
{
    for (int64_t l = 0; l < 4; l++) {
        start(r, OC_EV_heads_T);
        oc_ev_heads *h = &r->e.u.heads;
        OC_EV_SET(h->model, name);
        h->layer = l;
        h->before = h->n_kept = h->n_importance = 4;
        for (int k = 0; k < 4; k++) {
            h->importance[k] = 0.02 + 0.3 * fixture_noise((uint64_t)(l * 4 + k));
            h->kept[k] = k != (int)(l * 3 % 4) || l == 2;
            h->after += h->kept[k] > 0;
        }
        post(r, 2);
        start(r, OC_EV_ffn_T);
        OC_EV_SET(r->e.u.ffn.model, name);
        r->e.u.ffn.layer = l;
        r->e.u.ffn.before = 512;
        r->e.u.ffn.after = 200 + 40 * l;
        r->e.u.ffn.asked = 0.5;
        post(r, 2);
        for (int m = 0; m < 6; m++) {
            start(r, OC_EV_sparsity_T);
            oc_ev_sparsity *e = &r->e.u.sparsity;
            OC_EV_SET(e->model, name);
            OC_EV_SET(e->matrix, matrices[m]);
            e->layer = l;
            e->rows = m == 4 ? 200 + 40 * l : 128;
            e->cols = m == 5 ? 200 + 40 * l : 128;
            e->asked = 0.3;
            e->reached = 0.12 + 0.1 * (double)m + 0.06 * (double)l +
                         0.02 * fixture_noise((uint64_t)(l * 6 + m));
            post(r, 1);
        }
    }
    start(r, OC_EV_sparsity_T);
    OC_EV_SET(r->e.u.sparsity.model, name);
    OC_EV_SET(r->e.u.sparsity.matrix, "pooler");
    r->e.u.sparsity.layer = -1;
    r->e.u.sparsity.rows = r->e.u.sparsity.cols = 128;
    r->e.u.sparsity.asked = 0.3;
    r->e.u.sparsity.reached = 0.21;
    post(r, 1);
}

static void quantized_matrix(recorder *r, int64_t layer, const char *matrix, int i)
{
    start(r, OC_EV_quant_T);
    oc_ev_quant *q = &r->e.u.quant;
    OC_EV_SET(q->model, "quantized");
    OC_EV_SET(q->matrix, matrix);
    q->layer = layer;
    q->bits = 8;
    q->scale_min = 4.1e-4 + 1e-5 * i;
    q->scale_max = 9.3e-4 + 2e-5 * i;
    q->max_err = q->scale_max / 2 + (i == 7 ? 1e-3 : 0);
    q->sqnr_db = 43.5 - 0.4 * i - 3 * fixture_noise((uint64_t)i);
    q->clipped = i == 7 ? 0.0012 : 0;
    q->zeros = 0.31;
    q->lo = -q->max_err;
    q->hi = q->max_err;
    q->n_bins = 41;
    for (int k = 0; k < 41; k++) {
        double x = (k - 20) / 20.0;
        q->bins[k] =
            floor(900 * exp(-2.5 * x * x) * (0.9 + 0.2 * fixture_noise((uint64_t)(k + 41 * i))));
    }
    post(r, 3);
}

static void quantized(recorder *r)
{
    int i = 0;
    quantized_matrix(r, -1, "word", i++);
    for (int64_t l = 0; l < 4; l++)
        for (int m = 0; m < 6; m++)
            quantized_matrix(r, l, matrices[m], i++);
    quantized_matrix(r, -1, "pooler", i++);
    quantized_matrix(r, -1, "classifier", i++);
    for (int64_t l = -1; l <= 4; l++) {
        start(r, OC_EV_drift_T);
        OC_EV_SET(r->e.u.drift.model, "quantized");
        r->e.u.drift.layer = l;
        r->e.u.drift.sqnr_db = 44 - 2.1 * (double)(l + 1);
        r->e.u.drift.max_err = 0.01 * (double)(l + 2);
        post(r, 3);
    }
}

static void latency(recorder *r, const char *name, const char *precision, double ms)
{
    for (int64_t threads = 1; threads <= 2; threads++) {
        start(r, OC_EV_latency_T);
        oc_ev_latency *e = &r->e.u.latency;
        OC_EV_SET(e->model, name);
        OC_EV_SET(e->precision, precision);
        e->threads = threads;
        e->batch = 1;
        e->length = 128;
        e->median_ms = threads == 1 ? ms : ms * 0.58;
        e->p95_ms = e->median_ms * (1.06 + 0.05 * (double)threads);
        e->runs = 200;
        post(r, 300);
    }
}

static void baseline(recorder *r, const char *name, double auroc, double accuracy)
{
    start(r, OC_EV_baseline_T);
    OC_EV_SET(r->e.u.baseline.name, name);
    r->e.u.baseline.auroc = auroc;
    r->e.u.baseline.accuracy = accuracy;
    post(r, 5);
}

static void alert(recorder *r, const char *text)
{
    start(r, OC_EV_alert_T);
    OC_EV_SET(r->e.u.alert.level, "warn");
    OC_EV_SET(r->e.u.alert.text, text);
    post(r, 1);
}

static void until_distill(recorder *r)
{
    command(r, "run");
    start(r, OC_EV_run_T);
    OC_EV_SET(r->e.u.run.recipe, "demo");
    OC_EV_SET(r->e.u.run.stages, "finetune,distill,prune,recover,quantize,evaluate,bench");
    r->e.u.run.n_stages = 7;
    post(r, 5);
    job(r, "running", "finetune teacher-1");
    data(r);
    for (int i = 1; i <= 2; i++) {
        char name[16];
        snprintf(name, sizeof name, "teacher-%d", i);
        stage(r, 0, "finetune", name, 400, 6);
        model(r, name, i == 1 ? 1350000 : 2750000, i == 1 ? 5400000 : 11000000, i == 1 ? 4 : 6,
              i == 1 ? 128 : 192);
        train(r, name, 0, 400, 400, 0.72, i == 1 ? 0.31 : 0.29, false);
        cache(r, name, 0, 1600);
        stage_end(r, 0, "finetune", name, 26.4 + i);
    }
    start(r, OC_EV_ensemble_T);
    OC_EV_SET(r->e.u.ensemble.rule, "mean_logits");
    r->e.u.ensemble.teachers = r->e.u.ensemble.n_weights = 2;
    r->e.u.ensemble.weights[0] = r->e.u.ensemble.weights[1] = 0.5;
    post(r, 10);
    stage(r, 1, "distill", "student", 600, 6);
    model(r, "student", 690000, 2800000, 4, 128);
    train(r, "student", 0, 380, 600, 1.1, 0.42, true);
}

static void until_recover(recorder *r)
{
    train(r, "student", 380, 600, 600, 1.1, 0.42, true);
    alert(r, "student step 501: the loss is not a number; the step was skipped");
    stage_end(r, 1, "distill", "student", 41.2);
    candidate(r, "teacher-1", "f32", 5400000, 0.842, 0.031, (double)NAN);
    candidate(r, "teacher-2", "f32", 11000000, 0.853, 0.03, (double)NAN);
    candidate(r, "ensemble", "f32", 16400000, 0.861, 0.029, (double)NAN);
    candidate(r, "student", "f32", 2800000, 0.851, 0.031, (double)NAN);
    stage(r, 2, "prune", "pruned", 0, 0);
    pruned(r, "pruned");
    stage_end(r, 2, "prune", "pruned", 2.1);
    stage(r, 3, "recover", "recover", 200, 6);
    train(r, "recover", 0, 60, 200, 0.7, 0.44, true);
    command(r, "set recover.lr 2e-5");
    setting(r, "recover.lr", "2e-05", "5e-05", "set", "recover", 60);
    train(r, "recover", 60, 90, 200, 0.7, 0.44, true);
    start(r, OC_EV_note_T);
    OC_EV_SET(r->e.u.note.text, "recovery is quick: try prune.sparsity 0.6 next");
    OC_EV_SET(r->e.u.note.run, "recover");
    r->e.u.note.step = 90;
    post(r, 20);
    train(r, "recover", 90, 130, 200, 0.7, 0.44, true);
}

static void until_done(recorder *r)
{
    train(r, "recover", 130, 200, 200, 0.7, 0.44, true);
    stage_end(r, 3, "recover", "recover", 13.7);
    stage(r, 4, "quantize", "quantized", 0, 0);
    quantized(r);
    stage_end(r, 4, "quantize", "quantized", 0.9);
    stage(r, 5, "evaluate", "evaluate", 0, 0);
    baseline(r, "majority", 0.5, 0.899);
    baseline(r, "naive Bayes", 0.781, 0.871);
    stage_end(r, 5, "evaluate", "evaluate", 6.2);
    stage(r, 6, "bench", "bench", 0, 0);
    latency(r, "ensemble", "f32", 18.9);
    latency(r, "student", "f32", 3.12);
    latency(r, "pruned", "f32", 1.71);
    latency(r, "quantized", "int8", 0.94);
    candidate(r, "teacher-1", "f32", 5400000, 0.842, 0.031, 6.3);
    candidate(r, "teacher-2", "f32", 11000000, 0.853, 0.03, 12.6);
    candidate(r, "ensemble", "f32", 16400000, 0.861, 0.029, 18.9);
    candidate(r, "student", "f32", 2800000, 0.851, 0.031, 3.12);
    candidate(r, "pruned", "f32", 1900000, 0.846, 0.032, 1.71);
    candidate(r, "quantized", "int8", 560000, 0.845, 0.032, 0.94);
    stage_end(r, 6, "bench", "bench", 4.0);
    job(r, "idle", "");
}

oc_state *fixture(fixture_until until)
{
    recorder r = begin();
    open_session(&r);
    if (until >= FIXTURE_DISTILL) {
        setting(&r, "prune.sparsity", "0.4", "0.3", "recipe", "", -1);
        setting(&r, "data.source", "notes", "files", "recipe", "", -1);
        until_distill(&r);
    }
    if (until >= FIXTURE_RECOVER)
        until_recover(&r);
    if (until >= FIXTURE_DONE)
        until_done(&r);
    return r.s;
}

oc_state *fixture_long(int64_t n, int64_t spike)
{
    recorder r = begin();
    open_session(&r);
    stage(&r, 0, "finetune", "long", n, 1);
    for (int64_t i = 0; i < n; i++) {
        start(&r, OC_EV_step_T);
        OC_EV_SET(r.e.u.step.run, "long");
        r.e.u.step.step = i + 1;
        r.e.u.step.steps = n;
        r.e.u.step.loss = i == spike ? 50 : 1;
        r.e.u.step.lr = 1e-4;
        post(&r, 1);
    }
    return r.s;
}
