/*
 * core/compress/teachers.c - outputs of an ensemble: cached, weighted, combined.
 */
#include "core/compress/teachers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/str.h"
#include "core/compress/encode.h"
#include "core/compress/quantize.h"
#include "core/io/safetensors.h"

#define CACHE_FORMAT "optimclm-logits-1"

/* --- the cache ------------------------------------------------------------------------------- */

static oc_status cache_key(const oc_checkpoint *c, const oc_dataset *d, int64_t max_len, bool int8,
                           char key[33], oc_err *err)
{
    char part[33];
    oc_hash *h = oc_hash_new();
    if (!h)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a content key");
    oc_hash_str(h, CACHE_FORMAT);
    oc_checkpoint_key(c, part);
    oc_hash_str(h, part);
    oc_tokenizer_key(c->tok, part);
    oc_hash_str(h, part);
    oc_dataset_key(d, part);
    oc_hash_str(h, part);
    oc_hash_add(h, &max_len, sizeof max_len);
    if (int8)
        oc_hash_str(h, "int8");
    oc_hash_take(h, key);
    return OC_OK;
}

// Whatever is wrong with the file, the answer is only: not there.
static bool cache_read(const char *path, const char *key, int64_t n, int64_t K, float *logits)
{
    oc_st *st = NULL;
    bool ok = false;
    if (!oc_path_exists(path) || oc_st_open(path, &st, NULL) != OC_OK)
        return false;
    const oc_tensor *t = oc_st_find(st, "logits");
    const char *of = oc_st_meta(st, "key");
    if (t && of && !strcmp(of, key) && t->dtype == OC_DT_F32 && t->n_dims == 2 && t->dim[0] == n &&
        t->dim[1] == K)
        ok = oc_tensor_read_f32(t, logits, NULL) == OC_OK;
    for (int64_t i = 0; ok && i < n * K; i++)
        ok = isfinite(logits[i]) != 0;
    oc_st_close(st);
    return ok;
}

static oc_status cache_write(const char *dir, const char *path, const char *key, int64_t n,
                             int64_t K, const float *logits, oc_err *err)
{
    oc_st_out *o = NULL;
    const int64_t dim[2] = {n, K};
    OC_TRY(oc_mkdirs(dir, err));
    oc_status rc = oc_st_out_new(&o, err);
    if (rc == OC_OK)
        rc = oc_st_out_meta(o, "key", key, err);
    if (rc == OC_OK)
        rc = oc_st_out_add(o, "logits", OC_DT_F32, 2, dim, logits, err);
    if (rc == OC_OK)
        rc = oc_st_out_write(o, path, NULL, err);
    oc_st_out_free(o);
    return rc;
}

// Embeddings and classifier cost next to nothing and stay f32. Nobody asked to see this quantized
// model: without a job there are no events about it.
static oc_status quantized_copy(const oc_checkpoint *c, const char *name, oc_model **out,
                                oc_err *err)
{
    static const oc_quant_opts encoder = {.clip = OC_CLIP_MAX};
    oc_model *m;
    OC_TRY(oc_model_share(c->model, &m, err));
    oc_status rc = oc_quantize_model(NULL, m, &encoder, name, err);
    if (rc == OC_OK)
        *out = m;
    else
        oc_model_free(m);
    return rc;
}

static oc_status read_all(oc_job *job, const char *name, const oc_checkpoint *c, oc_split split,
                          const oc_encoded *e, bool int8, float *logits, oc_err *err)
{
    oc_model *copy = NULL;
    char what[96];
    snprintf(what, sizeof what, "%.40s reads %s%s", name, oc_split_name(split),
             int8 ? " in INT8" : "");
    if (int8)
        OC_TRY(quantized_copy(c, name, &copy, err));
    oc_status rc = oc_infer_all(job, int8 ? copy : c->model, e, OC_INFER_TOKENS, what, logits, err);
    oc_model_free(copy);
    return rc;
}

static oc_status compute(oc_job *job, const char *name, const oc_checkpoint *c, oc_split split,
                         const oc_dataset *d, int64_t max_len, bool int8, float *logits,
                         oc_err *err)
{
    oc_encoded e = {0};
    OC_TRY(oc_encode_all(job, d, c->tok, max_len, &e, err));
    oc_status rc = read_all(job, name, c, split, &e, int8, logits, err);
    oc_encoded_release(&e);
    for (int64_t i = 0; rc == OC_OK && i < d->n * d->K; i++)
        if (!isfinite(logits[i]))
            rc = OC_FAIL(err, OC_NUMERIC, "%s: the output for note %lld is not a finite number",
                         name, (long long)(i / d->K));
    return rc;
}

static void emit_cache(oc_job *job, const char *name, oc_split split, const char *precision,
                       bool hit, int64_t n, const char *dir)
{
    oc_event e;
    oc_event_init(&e, OC_EV_cache_T);
    OC_EV_SET(e.u.cache.model, name);
    OC_EV_SET(e.u.cache.split, oc_split_name(split));
    OC_EV_SET(e.u.cache.precision, precision);
    e.u.cache.hits = hit ? n : 0;
    e.u.cache.misses = hit ? 0 : n;
    e.u.cache.bytes = oc_path_is_dir(dir) ? oc_dir_bytes(dir) : 0;
    oc_job_emit(job, &e);
}

static oc_status check_model(const char *name, const oc_checkpoint *c, const oc_dataset *d,
                             oc_err *err)
{
    if (c->head_missing)
        return OC_FAIL(err, OC_STATE,
                       "%s has no trained classifier%s%.200s: finetune it first (teacher.finetune)",
                       name, c->path[0] ? " in " : "", c->path);
    if (c->model->dims.K != d->K)
        return OC_FAIL(err, OC_SHAPE, "%s has %d labels, but the notes have %lld", name,
                       c->model->dims.K, (long long)d->K);
    return OC_OK;
}

oc_status oc_cached_logits(oc_job *job, const char *name, const oc_checkpoint *c, oc_split split,
                           const oc_dataset *d, bool int8, float *logits, oc_err *err)
{
    OC_TRY(check_model(name, c, d, err));
    bool copy = int8 && oc_model_is_f32(c->model);
    int64_t max_len = oc_max_len(&c->config, job ? job->set.train_max_len : c->config.dims.P);
    if (!job || !job->workdir[0]) // nowhere to keep it
        return compute(job, name, c, split, d, max_len, copy, logits, err);
    char key[33], dir[OC_PATH_MAX], file[48], path[OC_PATH_MAX];
    OC_TRY(cache_key(c, d, max_len, copy, key, err));
    snprintf(file, sizeof file, "%s.safetensors", key);
    OC_TRY(oc_path_join(dir, job->workdir, "cache", err));
    OC_TRY(oc_path_join(path, dir, file, err));
    bool hit = cache_read(path, key, d->n, d->K, logits);
    if (!hit) {
        oc_err inner = {0};
        OC_TRY(compute(job, name, c, split, d, max_len, copy, logits, err));
        // The outputs are here; that they could not be kept costs time later, not correctness.
        if (cache_write(dir, path, key, d->n, d->K, logits, &inner) != OC_OK)
            oc_job_alert(job, "warn", "outputs of %s were not cached: %.380s", name, inner.msg);
    }
    emit_cache(job, name, split, copy || !oc_model_is_f32(c->model) ? "int8" : "f32", hit, d->n,
               dir);
    return OC_OK;
}

/* --- the ensemble ---------------------------------------------------------------------------- */

static const char *const rule_word[] = {"mean_logits", "mean_probs", "weights", "auroc"};

oc_status oc_rule_parse(const char *word, oc_rule *out, oc_err *err)
{
    for (int i = 0; i < OC_COUNT(rule_word); i++)
        if (!strcmp(word, rule_word[i])) {
            *out = (oc_rule)i;
            return OC_OK;
        }
    return OC_FAIL(err, OC_USAGE,
                   "ensemble.rule '%.40s' is not known; it is one of mean_logits, mean_probs, "
                   "weights, auroc",
                   word);
}

static oc_status given_weights(const char *given, int64_t n, double *weights, oc_err *err)
{
    oc_strlist l = {0};
    oc_status rc = oc_strlist_split(&l, given ? given : "", ',', err);
    if (rc == OC_OK && l.n != n)
        rc =
            OC_FAIL(err, OC_USAGE, "ensemble.weights has %lld numbers, but there are %lld teachers",
                    (long long)l.n, (long long)n);
    for (int64_t i = 0; rc == OC_OK && i < n; i++)
        if (!oc_parse_f64(l.item[i], &weights[i]) || !isfinite(weights[i]) || weights[i] < 0)
            rc = OC_FAIL(err, OC_USAGE, "ensemble.weights: '%.40s' is not a number of at least 0",
                         l.item[i]);
    oc_strlist_release(&l);
    return rc;
}

oc_status oc_ensemble_weights(oc_rule rule, const char *given, const double *valid_auroc,
                              int64_t n_teachers, double *weights, oc_err *err)
{
    if (n_teachers < 1)
        return OC_FAIL(err, OC_USAGE, "an ensemble needs at least one teacher (teacher.models)");
    if (n_teachers > OC_MAX_TEACHERS)
        return OC_FAIL(err, OC_USAGE, "an ensemble has at most %d teachers, not %lld",
                       OC_MAX_TEACHERS, (long long)n_teachers);
    double sum = 0;
    for (int64_t i = 0; i < n_teachers; i++)
        weights[i] = 1;
    if (rule == OC_RULE_WEIGHTS)
        OC_TRY(given_weights(given, n_teachers, weights, err));
    else if (rule == OC_RULE_AUROC)
        for (int64_t i = 0; i < n_teachers; i++)
            weights[i] = valid_auroc[i] > 0.5 ? valid_auroc[i] - 0.5 : 0; // NaN: 0
    for (int64_t i = 0; i < n_teachers; i++)
        sum += weights[i];
    if (!isfinite(sum) || (sum <= 0 && rule == OC_RULE_WEIGHTS))
        return OC_FAIL(err, OC_USAGE, "ensemble.weights must have a sum above 0");
    for (int64_t i = 0; i < n_teachers; i++)
        weights[i] = sum > 0 ? weights[i] / sum : 1.0 / (double)n_teachers;
    return OC_OK;
}

// log(exp(a) + exp(b)); -INFINITY is the neutral element.
static double log_add(double a, double b)
{
    double hi = OC_MAX(a, b), lo = OC_MIN(a, b);
    return isinf(hi) ? hi : hi + log1p(exp(lo - hi));
}

static double log_sigmoid(double z)
{
    return z < 0 ? z - log1p(exp(z)) : -log1p(exp(-z));
}

static double log_sum_exp(const float *z, int64_t K)
{
    double all = -(double)INFINITY;
    for (int64_t k = 0; k < K; k++)
        all = log_add(all, (double)z[k]);
    return all;
}

// One row of mean_probs, in logs so that no probability is ever rounded to 0.
static void mean_probs_row(const double *weights, const float *const *logits, int64_t n_teachers,
                           int64_t row, int64_t K, oc_task_kind kind, float *out)
{
    double all[OC_MAX_TEACHERS] = {0}; // log of each teacher's softmax denominator
    for (int64_t t = 0; t < n_teachers && kind == OC_TASK_SINGLE; t++)
        all[t] = log_sum_exp(logits[t] + row * K, K);
    for (int64_t k = 0; k < K; k++) {
        double yes = -(double)INFINITY, no = -(double)INFINITY;
        for (int64_t t = 0; t < n_teachers; t++) {
            double z = (double)logits[t][row * K + k], lw = log(weights[t]);
            if (weights[t] <= 0)
                continue;
            yes = log_add(yes, lw + (kind == OC_TASK_MULTI ? log_sigmoid(z) : z - all[t]));
            no = log_add(no, lw + log_sigmoid(-z));
        }
        out[k] = (float)(kind == OC_TASK_MULTI ? yes - no : yes);
    }
}

void oc_ensemble_combine(oc_rule rule, const double *weights, const float *const *logits,
                         int64_t n_teachers, int64_t n, int64_t K, oc_task_kind kind, float *out)
{
    OC_CHECK(n_teachers <= OC_MAX_TEACHERS);
    for (int64_t i = 0; i < n; i++) {
        if (rule == OC_RULE_MEAN_PROBS) {
            mean_probs_row(weights, logits, n_teachers, i, K, kind, out + i * K);
            continue;
        }
        for (int64_t k = i * K; k < (i + 1) * K; k++) {
            double s = 0;
            for (int64_t t = 0; t < n_teachers; t++)
                s += weights[t] * (double)logits[t][k];
            out[k] = (float)s;
        }
    }
}
