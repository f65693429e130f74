#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/par.h"
#include "core/base/str.h"
#include "core/compress/encode.h"
#include "core/engine/pipeline.h"
#include "core/measure/latency.h"
#include "core/nn/loss.h"

static oc_auroc_kind auroc_kind(const oc_pipeline *p)
{
    return !strcmp(p->job->set.eval_auroc, "ovo") ? OC_AUROC_OVO : OC_AUROC_OVR;
}

static oc_status metrics_of(oc_pipeline *p, const oc_dataset *d, float *logits, int64_t n_boot,
                            oc_metrics *m, oc_err *err)
{
    if (d->kind == OC_TASK_MULTI)
        oc_sigmoid_rows(logits, d->n, d->K, logits);
    else
        oc_softmax_rows(logits, d->n, d->K, logits);
    return oc_metrics_compute(d, logits, auroc_kind(p), n_boot, (uint64_t)p->job->set.run_seed, m,
                              err);
}

static oc_measured *measured(oc_pipeline *p, const char *name)
{
    for (int32_t i = 0; i < p->n_seen; i++)
        if (!strcmp(p->seen[i].name, name))
            return &p->seen[i];
    if (p->n_seen == OC_MAX_MEASURED)
        return NULL;
    oc_measured *m = &p->seen[p->n_seen++];
    *m = (oc_measured){.auroc = (double)NAN, .median_ms = (double)NAN, .bytes = -1};
    oc_strlcpy(m->name, name, sizeof m->name);
    return m;
}

static void emit_candidate(oc_pipeline *p, oc_event *e, const char *name, const char *stage,
                           const oc_metrics *m)
{
    oc_ev_candidate *c = &e->u.candidate;
    OC_EV_SET(c->model, name);
    OC_EV_SET(c->stage, stage);
    if (m) {
        c->n = m->n;
        c->accuracy = m->accuracy;
        c->auroc = m->auroc_macro;
        c->auroc_lo = m->auroc_lo;
        c->auroc_hi = m->auroc_hi;
        c->auprc = m->auprc_macro;
        c->f1 = m->f1_macro;
    }
    oc_measured *k = measured(p, name);
    if (k) {
        k->auroc = isnan(c->auroc) ? k->auroc : c->auroc;
        k->median_ms = isnan(c->median_ms) ? k->median_ms : c->median_ms;
        k->bytes = c->bytes > 0 ? c->bytes : k->bytes;
    }
    oc_job_emit(p->job, e);
}

static int64_t model_bytes(const char *folder)
{
    char path[OC_PATH_MAX];
    if (oc_str_ends(folder, ".safetensors"))
        return oc_file_bytes(folder);
    return oc_path_join(path, folder, "model.safetensors", NULL) == OC_OK ? oc_file_bytes(path)
                                                                          : -1;
}

/* Size, parameters and precision of one model into a candidate event. */
static void describe(oc_ev_candidate *c, const oc_checkpoint *k)
{
    OC_EV_SET(c->path, k->path);
    OC_EV_SET(c->precision, oc_model_is_f32(k->model) ? "f32" : "int8");
    c->params = oc_model_params(k->model);
    c->bytes = model_bytes(k->path);
}

oc_status oc_pipeline_candidate(oc_pipeline *p, const oc_checkpoint *c, const char *name,
                                const char *stage, int64_t n_boot, oc_err *err)
{
    const oc_dataset *test = &p->data.split[OC_SPLIT_TEST];
    oc_encoded e = {0};
    oc_metrics m;
    oc_status rc = OC_OK;
    float *logits = oc_calloc((size_t)(test->n * test->K), sizeof *logits);
    if (!logits)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %lld notes", (long long)test->n);
    if (!strcmp(stage, "finetune")) {
        OC_TRY_GOTO(out, rc,
                    oc_cached_logits(p->job, name, c, OC_SPLIT_TEST, test, false, logits, err));
    } else {
        char what[96];
        snprintf(what, sizeof what, "evaluating %s", name);
        OC_TRY_GOTO(out, rc,
                    oc_encode_all(p->job, test, c->tok,
                                  oc_max_len(&c->config, p->job->set.train_max_len), &e, err));
        OC_TRY_GOTO(out, rc, oc_infer_all(p->job, c->model, &e, 8192, what, logits, err));
    }
    OC_TRY_GOTO(out, rc, metrics_of(p, test, logits, n_boot, &m, err));
    oc_event ev;
    oc_event_init(&ev, OC_EV_candidate_T);
    describe(&ev.u.candidate, c);
    emit_candidate(p, &ev, name, stage, &m);
out:
    oc_encoded_release(&e);
    oc_free(logits);
    return rc;
}

/* Logits of every teacher on every split; one teacher in memory at a time. */
typedef struct ensemble {
    float **logits[OC_N_SPLITS]; /* owned [n_teachers] of [n,K] */
    double *valid_auroc, *weights;
    int64_t params, bytes;
} ensemble;

static void ensemble_release(ensemble *en, int64_t n)
{
    for (int s = 0; s < OC_N_SPLITS; s++) {
        for (int64_t i = 0; en->logits[s] && i < n; i++)
            oc_free(en->logits[s][i]);
        oc_free(en->logits[s]);
    }
    oc_free(en->valid_auroc);
    oc_free(en->weights);
}

/* What a teacher says of one split, and what that is worth. */
static oc_status ask_split(oc_pipeline *p, ensemble *en, int64_t i, int s, const char *name,
                           const oc_checkpoint *c, int64_t n_boot, oc_err *err)
{
    const oc_dataset *d = &p->data.split[s];
    size_t n = (size_t)(d->n * d->K);
    // What the ensemble is weighed and judged by is always the teachers as they are.
    bool int8 = s == OC_SPLIT_TRAIN && !strcmp(p->job->set.distill_teacher_precision, "int8");
    float *z = en->logits[s][i] = oc_calloc(n, sizeof(float));
    if (!z)
        return OC_FAIL(err, OC_NOMEM, "out of memory for the logits of %s", name);
    OC_TRY(oc_cached_logits(p->job, name, c, (oc_split)s, d, int8, z, err));
    if (s == OC_SPLIT_TRAIN)
        return OC_OK;
    oc_metrics m;
    float *probs = oc_calloc(n, sizeof(float));
    if (!probs)
        return OC_FAIL(err, OC_NOMEM, "out of memory for the outputs of %s", name);
    memcpy(probs, z, n * sizeof(float));
    oc_status rc = metrics_of(p, d, probs, s == OC_SPLIT_TEST ? n_boot : 0, &m, err);
    oc_free(probs);
    OC_TRY(rc);
    if (s == OC_SPLIT_VALID) {
        en->valid_auroc[i] = m.auroc_macro;
        return OC_OK;
    }
    oc_event ev;
    oc_event_init(&ev, OC_EV_candidate_T);
    describe(&ev.u.candidate, c);
    emit_candidate(p, &ev, name, "finetune", &m);
    return OC_OK;
}

static oc_status ask_teacher(oc_pipeline *p, ensemble *en, int64_t i, int64_t n_boot, oc_err *err)
{
    char name[32], path[OC_PATH_MAX];
    OC_TRY(oc_pipeline_teacher_path(p, i, name, path, err));
    oc_checkpoint *c;
    OC_TRY(oc_checkpoint_load(path, 0, 0, &c, err));
    if (!p->soft) // the first time in this run
        oc_log_remarks(p->job, path, c);
    oc_status rc = OC_OK;
    if (c->head_missing || c->model->dims.K != p->task.labels.n)
        rc = OC_FAIL(err, OC_SHAPE, "teacher %s has %d labels, the task '%s' has %lld%s", path,
                     c->head_missing ? 0 : c->model->dims.K, p->task.name,
                     (long long)p->task.labels.n, "; finetune it on this task (teacher.finetune)");
    for (int s = 0; rc == OC_OK && s < OC_N_SPLITS; s++)
        rc = ask_split(p, en, i, s, name, c, n_boot, err);
    en->params += oc_model_params(c->model);
    en->bytes += OC_MAX(0, model_bytes(c->path));
    oc_checkpoint_free(c);
    return rc;
}

static oc_status judge_ensemble(oc_pipeline *p, ensemble *en, oc_rule rule, int64_t n_boot,
                                oc_err *err)
{
    const oc_dataset *test = &p->data.split[OC_SPLIT_TEST];
    const oc_dataset *train = &p->data.split[OC_SPLIT_TRAIN];
    int64_t n = p->teacher.n;
    float *mean = oc_calloc((size_t)(test->n * test->K), sizeof *mean);
    float *soft = oc_calloc((size_t)(train->n * train->K), sizeof *soft);
    if (!mean || !soft) {
        oc_free(mean);
        oc_free(soft);
        return OC_FAIL(err, OC_NOMEM, "out of memory for the ensemble's logits");
    }
    oc_ensemble_combine(rule, en->weights, (const float *const *)en->logits[OC_SPLIT_TRAIN], n,
                        train->n, train->K, train->kind, soft);
    oc_ensemble_combine(rule, en->weights, (const float *const *)en->logits[OC_SPLIT_TEST], n,
                        test->n, test->K, test->kind, mean);
    oc_free(p->soft);
    p->soft = soft;
    oc_metrics m;
    oc_status rc = metrics_of(p, test, mean, n_boot, &m, err);
    if (rc == OC_OK) {
        oc_event ev;
        oc_event_init(&ev, OC_EV_candidate_T);
        OC_EV_SET(ev.u.candidate.precision, "f32");
        ev.u.candidate.params = en->params;
        ev.u.candidate.bytes = en->bytes;
        emit_candidate(p, &ev, "ensemble", "finetune", &m);
    }
    oc_free(mean);
    return rc;
}

oc_status oc_pipeline_ensemble(oc_pipeline *p, int64_t n_boot, oc_err *err)
{
    int64_t n = p->teacher.n;
    if (n == 0)
        return OC_FAIL(
            err, OC_USAGE,
            "teacher.models is empty; name the teachers: folders, or new:L2-H128-A2-F512");
    ensemble en = {0};
    oc_rule rule;
    OC_TRY(oc_rule_parse(p->job->set.ensemble_rule, &rule, err));
    oc_status rc = OC_OK;
    en.valid_auroc = oc_calloc((size_t)n, sizeof *en.valid_auroc);
    en.weights = oc_calloc((size_t)n, sizeof *en.weights);
    for (int s = 0; s < OC_N_SPLITS; s++) {
        en.logits[s] = oc_calloc((size_t)n, sizeof(float *));
        if (!en.logits[s] || !en.valid_auroc || !en.weights)
            rc = OC_FAIL(err, OC_NOMEM, "out of memory for %lld teachers", (long long)n);
    }
    for (int64_t i = 0; rc == OC_OK && i < n; i++)
        rc = ask_teacher(p, &en, i, n_boot, err);
    if (rc == OC_OK)
        rc = oc_ensemble_weights(rule, p->job->set.ensemble_weights, en.valid_auroc, n, en.weights,
                                 err);
    if (rc == OC_OK) {
        oc_event ev;
        oc_event_init(&ev, OC_EV_ensemble_T);
        OC_EV_SET(ev.u.ensemble.rule, p->job->set.ensemble_rule);
        ev.u.ensemble.teachers = n;
        ev.u.ensemble.n_weights = OC_MIN(n, 64);
        memcpy(ev.u.ensemble.weights, en.weights, (size_t)ev.u.ensemble.n_weights * sizeof(double));
        oc_job_emit(p->job, &ev);
        rc = judge_ensemble(p, &en, rule, n_boot, err);
    }
    ensemble_release(&en, n);
    return rc;
}

/* --- evaluate and bench ------------------------------------------------------------------------ */

static const struct {
    const char *base, *stage;
} made[] = {{"student", "distill"},
            {"pruned", "prune"},
            {"recovered", "recover"},
            {"quantized", "quantize"}};

/* Models this run made, or for a run without them: run.model. */
static oc_status for_each_model(oc_pipeline *p,
                                oc_status (*fn)(oc_pipeline *, const char *, const char *,
                                                const char *, void *, oc_err *),
                                void *ctx, oc_err *err)
{
    int64_t n = 0;
    for (int i = 0; i < OC_COUNT(made); i++) {
        char name[32], path[OC_PATH_MAX];
        oc_pipeline_name(p, made[i].base, name);
        OC_TRY(oc_pipeline_model_path(p, name, path, err));
        // What this run starts from belongs into its table too.
        if (!oc_pipeline_has(p, made[i].stage) && !oc_pipeline_find(p, made[i].base, name, path))
            continue;
        if (!oc_path_is_dir(path))
            continue;
        OC_TRY(fn(p, name, made[i].stage, path, ctx, err));
        n++;
    }
    if (*p->job->set.run_model) {
        OC_TRY(fn(p, "model", "given", p->job->set.run_model, ctx, err));
        n++;
    }
    if (n == 0 && p->teacher.n == 0)
        return OC_FAIL(err, OC_STATE,
                       "there is no model to measure; set run.model to a model folder");
    return OC_OK;
}

static oc_status evaluate_one(oc_pipeline *p, const char *name, const char *stage, const char *path,
                              void *ctx, oc_err *err)
{
    (void)ctx;
    oc_checkpoint *c;
    OC_TRY(oc_checkpoint_load(path, 0, 0, &c, err));
    oc_status rc = OC_OK;
    if (c->model->dims.K != p->task.labels.n)
        rc = OC_FAIL(err, OC_SHAPE, "%s has %d labels, the task '%s' has %lld", path,
                     c->model->dims.K, p->task.name, (long long)p->task.labels.n);
    else
        rc = oc_pipeline_candidate(p, c, name, stage, p->job->set.eval_bootstrap, err);
    oc_checkpoint_free(c);
    return rc;
}

oc_status oc_pipeline_evaluate(oc_pipeline *p, oc_err *err)
{
    if (p->teacher.n > 0)
        OC_TRY(oc_pipeline_ensemble(p, p->job->set.eval_bootstrap, err));
    return for_each_model(p, evaluate_one, NULL, err);
}

enum { MAX_BENCH = 64, MAX_CASES = 1024, MAX_TEACHERS = 64 };

typedef struct bench_set {
    int n; /* models; the ensemble is one more with several networks */
    char name[MAX_BENCH][32], stage[MAX_BENCH][16];
    oc_checkpoint *ckpt[MAX_BENCH];
    const oc_model *model[MAX_BENCH];
    const oc_model *teacher[MAX_TEACHERS];
    int n_teachers;
} bench_set;

static oc_status add_model(oc_pipeline *p, const char *name, const char *stage, const char *path,
                           void *ctx, oc_err *err)
{
    (void)p;
    bench_set *b = ctx;
    if (b->n == MAX_BENCH)
        return OC_OK;
    OC_TRY(oc_checkpoint_load(path, 0, 0, &b->ckpt[b->n], err));
    b->model[b->n] = b->ckpt[b->n]->model;
    oc_strlcpy(b->name[b->n], name, sizeof b->name[0]);
    oc_strlcpy(b->stage[b->n], stage, sizeof b->stage[0]);
    b->n++;
    return OC_OK;
}

/* Time does not depend on what the weights are, nor on how many words one is looked up among. */
static bool same_time(const oc_model *a, const oc_model *b)
{
    oc_dims d = a->dims;
    d.V = b->dims.V;
    return memcmp(&d, &b->dims, sizeof d) == 0 && oc_model_is_f32(a) && oc_model_is_f32(b);
}

/* One teacher of each shape stays in memory and is timed in place of the others: 32 need that of one. */
static oc_status add_teachers(oc_pipeline *p, bench_set *b, oc_err *err)
{
    for (int64_t i = 0; i < p->teacher.n && b->n_teachers < MAX_TEACHERS; i++) {
        char name[32], path[OC_PATH_MAX];
        OC_TRY(oc_pipeline_teacher_path(p, i, name, path, err));
        int before = b->n;
        OC_TRY(add_model(p, name, "finetune", path, b, err));
        if (b->n == before)
            break;
        const oc_model *m = b->model[before];
        for (int k = 0; k < b->n_teachers; k++) {
            if (!same_time(b->teacher[k], m))
                continue;
            m = b->teacher[k];
            oc_checkpoint_free(b->ckpt[before]);
            b->ckpt[before] = NULL;
            b->model[before] = m;
            if (i >= 2) // the first two have rows of their own
                b->n = before;
            break;
        }
        b->teacher[b->n_teachers++] = m;
    }
    return OC_OK;
}

static oc_status counts(const char *text, int32_t *out, int *n, int max, oc_err *err)
{
    oc_strlist l = {0};
    oc_status rc = oc_strlist_split(&l, text, ',', err);
    *n = 0;
    for (int64_t i = 0; rc == OC_OK && i < l.n && *n < max; i++) {
        int64_t v = 0;
        if (oc_parse_i64(l.item[i], &v) && v > 0)
            out[(*n)++] = (int32_t)v;
    }
    oc_strlist_release(&l);
    return rc;
}

static void emit_latencies(oc_pipeline *p, const bench_set *b, const oc_latency_case *cases,
                           const int *owner, int n)
{
    for (int i = 0; i < n; i++) {
        const oc_latency_case *c = &cases[i];
        const char *name = owner[i] < 0 ? "ensemble" : b->name[owner[i]];
        const char *precision = oc_model_is_f32(c->models[0]) ? "f32" : "int8";
        oc_event e;
        oc_event_init(&e, OC_EV_latency_T);
        OC_EV_SET(e.u.latency.model, name);
        OC_EV_SET(e.u.latency.precision, precision);
        e.u.latency.threads = c->threads;
        e.u.latency.batch = c->batch;
        e.u.latency.length = c->length;
        e.u.latency.median_ms = c->median_ms;
        e.u.latency.p95_ms = c->p95_ms;
        e.u.latency.runs = c->n;
        oc_job_emit(p->job, &e);
        // The first setting is the one the final table compares.
        if (c->threads == cases[0].threads && c->batch == cases[0].batch &&
            c->length == cases[0].length) {
            oc_event k;
            oc_event_init(&k, OC_EV_candidate_T);
            OC_EV_SET(k.u.candidate.precision, precision);
            k.u.candidate.median_ms = c->median_ms;
            k.u.candidate.p95_ms = c->p95_ms;
            emit_candidate(p, &k, name, owner[i] < 0 ? "finetune" : b->stage[owner[i]], NULL);
        }
    }
}

// Tokens a model reads at most; the ensemble (-1) reads what all its teachers can.
static int32_t longest_of(const bench_set *b, int m)
{
    int32_t longest = m < 0 ? INT32_MAX : b->model[m]->dims.P;
    for (int k = 0; m < 0 && k < b->n_teachers; k++)
        longest = OC_MIN(longest, b->teacher[k]->dims.P);
    return longest;
}

// Says which lengths are left out; when no model reads any of them, all are timed at what all read.
static void fit_lengths(oc_pipeline *p, const bench_set *b, int32_t *length, int *n_lengths)
{
    int32_t all = INT32_MAX, any = 0;
    for (int m = 0; m < b->n; m++) {
        all = OC_MIN(all, longest_of(b, m));
        any = OC_MAX(any, longest_of(b, m));
    }
    int fitting = 0;
    for (int i = 0; i < *n_lengths; i++)
        fitting += length[i] <= any;
    if (fitting == 0 && b->n > 0) {
        oc_job_alert(p->job, "warn",
                     "bench.length is %s, but the models read at most %d tokens: timed at %d",
                     p->job->set.bench_length, any, all);
        length[0] = all;
        *n_lengths = 1;
    }
    for (int i = 0; i < *n_lengths; i++)
        for (int m = b->n_teachers > 0 ? -1 : 0; m < b->n; m++)
            if (length[i] > longest_of(b, m))
                oc_job_alert(p->job, "warn",
                             "bench.length has %d, %s reads at most %d tokens: left out", length[i],
                             m < 0 ? "the ensemble" : b->name[m], longest_of(b, m));
}

static oc_status bench(oc_pipeline *p, bench_set *b, oc_latency_case *cases, int *owner,
                       oc_err *err)
{
    const oc_settings *s = &p->job->set;
    int32_t threads[16], batch[16], length[16];
    int nt, nb, nl, n = 0;
    OC_TRY(counts(s->bench_threads, threads, &nt, 16, err));
    OC_TRY(counts(s->bench_batch, batch, &nb, 16, err));
    OC_TRY(counts(s->bench_length, length, &nl, 16, err));
    fit_lengths(p, b, length, &nl);
    for (int t = 0; t < nt; t++) {
        // Threads above cores measure the scheduler.
        if (threads[t] > oc_par_cores()) {
            oc_job_alert(p->job, "warn",
                         "bench.threads has %d, this machine has %d cores: left out", threads[t],
                         oc_par_cores());
            continue;
        }
        for (int i = 0; i < nb * nl; i++) {
            for (int m = b->n_teachers > 0 ? -1 : 0; m < b->n && n < MAX_CASES; m++) {
                if (length[i % nl] > longest_of(b, m))
                    continue;
                cases[n] = (oc_latency_case){
                    .models = m < 0 ? b->teacher : &b->model[m],
                    .n_models = m < 0 ? b->n_teachers : 1,
                    .threads = threads[t],
                    .batch = batch[i / nl],
                    .length = length[i % nl],
                };
                owner[n++] = m;
            }
        }
    }
    if (n == 0)
        return OC_FAIL(err, OC_USAGE,
                       "nothing can be timed: bench.threads is %s, but this machine has %d cores",
                       s->bench_threads, oc_par_cores());
    oc_job_stop stop = {.job = p->job};
    oc_pack_meter packing;
    oc_pack_meter_start(&packing, p->job);
    oc_status rc = oc_latency_measure(cases, n, s->bench_seconds * 1000, oc_job_stopped, &stop,
                                      &packing.watch, err);
    if (stop.err.status != OC_OK && err)
        *err = stop.err;
    OC_TRY(rc);
    emit_latencies(p, b, cases, owner, n);
    return OC_OK;
}

oc_status oc_pipeline_bench(oc_pipeline *p, oc_err *err)
{
    bench_set *b = oc_calloc(1, sizeof *b);
    oc_latency_case *cases = oc_calloc(MAX_CASES, sizeof *cases);
    int *owner = oc_calloc(MAX_CASES, sizeof *owner);
    oc_status rc = b && cases && owner ? OC_OK : OC_FAIL(err, OC_NOMEM, "out of memory");
    if (rc == OC_OK)
        rc = add_teachers(p, b, err);
    if (rc == OC_OK)
        rc = for_each_model(p, add_model, b, err);
    if (rc == OC_OK)
        rc = bench(p, b, cases, owner, err);
    for (int i = 0; b && i < b->n; i++)
        oc_checkpoint_free(b->ckpt[i]);
    oc_free(b);
    oc_free(cases);
    oc_free(owner);
    oc_par_set_workers((int)p->job->set.run_threads);
    return rc;
}

void oc_pipeline_accept(oc_pipeline *p)
{
    const oc_settings *s = &p->job->set;
    const oc_measured *base = NULL, *final = NULL;
    for (int32_t i = 0; i < p->n_seen; i++)
        if (!strcmp(p->seen[i].name, s->bench_baseline))
            base = &p->seen[i];
    for (int i = OC_COUNT(made) - 1; i >= 0 && !final; i--) {
        char name[32];
        oc_pipeline_name(p, made[i].base, name);
        for (int32_t k = 0; k < p->n_seen; k++)
            if (!strcmp(p->seen[k].name, name))
                final = &p->seen[k];
    }
    bool asked = s->accept_auroc_drop < 1 || s->accept_smaller > 0 || s->accept_faster > 0;
    if (!asked)
        return;
    if (!base || !final) {
        oc_job_alert(p->job, "accept",
                     "the acceptance rules need a measured baseline '%s' and a final model",
                     s->bench_baseline);
        return;
    }
    double drop = base->auroc - final->auroc;
    if (s->accept_auroc_drop < 1 && !(drop <= s->accept_auroc_drop))
        oc_job_alert(p->job, "accept",
                     "%s loses %.4f macro AUROC against %s; accept.auroc_drop allows %g",
                     final->name, drop, base->name, s->accept_auroc_drop);
    double smaller = (double)base->bytes / (double) final->bytes;
    if (s->accept_smaller > 0 && !(base->bytes > 0 && smaller >= s->accept_smaller))
        oc_job_alert(p->job, "accept", "%s is %.2fx smaller than %s; accept.smaller asks for %g",
                     final->name, smaller, base->name, s->accept_smaller);
    double faster = base->median_ms / final->median_ms;
    if (s->accept_faster > 0 && !(faster >= s->accept_faster))
        oc_job_alert(p->job, "accept", "%s is %.2fx faster than %s; accept.faster asks for %g",
                     final->name, faster, base->name, s->accept_faster);
}
