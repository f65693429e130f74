/*
 * core/compress/train_state.c - a training run on disk: save, load, name, forget.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/str.h"
#include "core/compress/train.h"
#include "core/io/safetensors.h"

#define STATE_FORMAT "optimclm-train-1"

/* --- names ----------------------------------------------------------------------------------- */

static oc_status state_path(const oc_job *job, const char *name, char out[512], oc_err *err)
{
    int n = snprintf(out, 512, "%s/ckpt/%s.safetensors", job->workdir, name);
    if (n < 0 || n >= 512)
        return OC_FAIL(err, OC_RANGE,
                       "the path %.120s.../ckpt/%s.safetensors is longer than 511 bytes",
                       job->workdir, name);
    return OC_OK;
}

oc_status oc_train_path(const oc_job *job, const char *run, char out[512], oc_err *err)
{
    return state_path(job, run, out, err);
}

oc_status oc_train_undo_path(const oc_job *job, const char *run, int64_t step, char out[512],
                             oc_err *err)
{
    char name[96];
    snprintf(name, sizeof name, "%.63s-step%" PRId64, run, step);
    return state_path(job, name, out, err);
}

// Step of "<run>-step<n>.safetensors", -1 for any other name.
static int64_t undo_step(const char *name, const char *run)
{
    char digits[32];
    int64_t step;
    size_t n = strlen(run), head = strlen("-step"), tail = strlen(".safetensors");
    if (!oc_str_starts(name, run) || !oc_str_starts(name + n, "-step"))
        return -1;
    const char *at = name + n + head;
    size_t len = strlen(at);
    if (len <= tail || len - tail >= sizeof digits || strcmp(at + len - tail, ".safetensors") != 0)
        return -1;
    memcpy(digits, at, len - tail);
    digits[len - tail] = '\0';
    if (strspn(digits, "0123456789") != len - tail || !oc_parse_i64(digits, &step))
        return -1;
    return step;
}

static oc_status list_ckpt(const oc_job *job, char dir[OC_PATH_MAX], oc_strlist *names)
{
    OC_TRY(oc_path_join(dir, job->workdir, "ckpt", NULL));
    return oc_path_is_dir(dir) ? oc_dir_list(dir, names, NULL) : OC_STATE;
}

// The undo file to drop next, or -1 when there are few enough.
static int64_t surplus(const oc_strlist *names, const char *run, int64_t now)
{
    int64_t n = 0, oldest = INT64_MAX, ahead = -1;
    for (int64_t i = 0; i < names->n; i++) {
        int64_t step = undo_step(names->item[i], run);
        if (step < 0)
            continue;
        n++;
        oldest = OC_MIN(oldest, step);
        ahead = step > now ? OC_MAX(ahead, step) : ahead;
    }
    if (n <= OC_TRAIN_UNDOS)
        return -1;
    return ahead >= 0 ? ahead : oldest;
}

void oc_train_trim_undo(const oc_job *job, const char *run, int64_t step)
{
    for (;;) {
        char dir[OC_PATH_MAX], path[512];
        oc_strlist names = {0};
        int64_t drop = -1;
        if (list_ckpt(job, dir, &names) == OC_OK)
            drop = surplus(&names, run, step);
        oc_strlist_release(&names);
        if (drop < 0 || oc_train_undo_path(job, run, drop, path, NULL) != OC_OK ||
            unlink(path) != 0)
            return;
    }
}

void oc_train_forget_undo(const oc_job *job, const char *run)
{
    char dir[OC_PATH_MAX], path[512];
    oc_strlist names = {0};
    if (list_ckpt(job, dir, &names) == OC_OK)
        for (int64_t i = 0; i < names.n; i++) {
            int64_t step = undo_step(names.item[i], run);
            if (step >= 0 && oc_train_undo_path(job, run, step, path, NULL) == OC_OK)
                (void)unlink(path);
        }
    oc_strlist_release(&names);
}

void oc_train_forget(const oc_job *job, const char *run)
{
    char path[512];
    if (oc_train_path(job, run, path, NULL) == OC_OK)
        (void)unlink(path);
    oc_train_forget_undo(job, run);
}

/* --- save ------------------------------------------------------------------------------------ */

// Names and shapes of all parameters: slabs of different networks never match.
static oc_status layout_key(const oc_layout *lo, char out[33], oc_err *err)
{
    oc_hash *h = oc_hash_new();
    if (!h)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a content key");
    for (int32_t i = 0; i < lo->n; i++) {
        const oc_param *p = &lo->param[i];
        int64_t shape[3] = {p->rows, p->cols, p->offset};
        oc_hash_str(h, p->name);
        oc_hash_add(h, shape, sizeof shape);
    }
    oc_hash_take(h, out);
    return OC_OK;
}

static oc_status put_i64(oc_st_out *o, const char *key, int64_t v, oc_err *err)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, v);
    return oc_st_out_meta(o, key, text, err);
}

static oc_status put_f64(oc_st_out *o, const char *key, double v, oc_err *err)
{
    char text[32];
    oc_fmt_f64(text, v);
    return oc_st_out_meta(o, key, text, err);
}

static oc_status put_counters(oc_st_out *o, const oc_train_state *s, oc_err *err)
{
    OC_TRY(put_i64(o, "step", s->step, err));
    OC_TRY(put_i64(o, "epoch", s->epoch, err));
    OC_TRY(put_i64(o, "pos", s->pos, err));
    OC_TRY(put_f64(o, "best_score", s->best_auroc, err));
    OC_TRY(put_i64(o, "best_is_auroc", s->best_is_auroc, err));
    OC_TRY(put_i64(o, "best_step", s->best_step, err));
    OC_TRY(put_i64(o, "bad_evals", s->bad_evals, err));
    OC_TRY(put_i64(o, "eval_step", s->eval_step, err));
    OC_TRY(put_i64(o, "max_len", s->max_len, err));
    OC_TRY(put_i64(o, "seed", s->seed, err));
    return put_f64(o, "sparsity", s->sparsity, err);
}

static oc_status put_all(oc_st_out *o, const oc_train_state *s, const oc_layout *lo,
                         const char *run, const char *key, oc_err *err)
{
    char shape[33];
    const int64_t dim[1] = {lo->n_floats};
    OC_TRY(layout_key(lo, shape, err));
    OC_TRY(oc_st_out_meta(o, "format", STATE_FORMAT, err));
    OC_TRY(oc_st_out_meta(o, "run", run, err));
    OC_TRY(oc_st_out_meta(o, "key", key, err));
    OC_TRY(oc_st_out_meta(o, "shape", shape, err));
    OC_TRY(put_counters(o, s, err));
    OC_TRY(oc_st_out_add(o, "w", OC_DT_F32, 1, dim, s->w, err));
    OC_TRY(oc_st_out_add(o, "m", OC_DT_F32, 1, dim, s->m, err));
    OC_TRY(oc_st_out_add(o, "v", OC_DT_F32, 1, dim, s->v, err));
    if (s->best_step >= 0)
        OC_TRY(oc_st_out_add(o, "best", OC_DT_F32, 1, dim, s->best, err));
    if (s->keep)
        OC_TRY(oc_st_out_add(o, "keep", OC_DT_U8, 1, dim, s->keep, err));
    return OC_OK;
}

oc_status oc_train_state_save(const oc_train_state *s, const oc_layout *lo, const char *run,
                              const char *key, const char *path, int64_t *bytes, oc_err *err)
{
    oc_st_out *o = NULL;
    oc_status rc = oc_st_out_new(&o, err);
    if (rc == OC_OK)
        rc = put_all(o, s, lo, run, key, err);
    if (rc == OC_OK)
        rc = oc_st_out_write(o, path, bytes, err);
    oc_st_out_free(o);
    return rc;
}

/* --- load ------------------------------------------------------------------------------------ */

static oc_status expect_text(const oc_st *st, const char *key, const char *want, const char *why,
                             const char *path, oc_err *err)
{
    const char *got = oc_st_meta(st, key);
    if (!got || strcmp(got, want) != 0)
        return OC_FAIL(err, OC_FORMAT, "%s: %s (its %s is '%.60s', expected '%.60s')", path, why,
                       key, got ? got : "absent", want);
    return OC_OK;
}

static oc_status get_i64(const oc_st *st, const char *key, int64_t lo, int64_t *out,
                         const char *path, oc_err *err)
{
    const char *text = oc_st_meta(st, key);
    if (!text || !oc_parse_i64(text, out) || *out < lo)
        return OC_FAIL(err, OC_FORMAT, "%s: counter '%s' is '%.40s', expected a whole number", path,
                       key, text ? text : "absent");
    return OC_OK;
}

static oc_status get_f64(const oc_st *st, const char *key, double *out, const char *path,
                         oc_err *err)
{
    const char *text = oc_st_meta(st, key);
    if (text && !strcmp(text, "NaN"))
        *out = (double)NAN;
    else if (!text || !oc_parse_f64(text, out))
        return OC_FAIL(err, OC_FORMAT, "%s: counter '%s' is '%.40s', expected a number", path, key,
                       text ? text : "absent");
    return OC_OK;
}

static oc_status get_counters(const oc_st *st, oc_train_state *s, const char *path, oc_err *err)
{
    int64_t is_auroc;
    OC_TRY(get_i64(st, "step", 0, &s->step, path, err));
    OC_TRY(get_i64(st, "epoch", 0, &s->epoch, path, err));
    OC_TRY(get_i64(st, "pos", 0, &s->pos, path, err));
    OC_TRY(get_f64(st, "best_score", &s->best_auroc, path, err));
    OC_TRY(get_i64(st, "best_is_auroc", 0, &is_auroc, path, err));
    OC_TRY(get_i64(st, "best_step", -1, &s->best_step, path, err));
    OC_TRY(get_i64(st, "bad_evals", 0, &s->bad_evals, path, err));
    OC_TRY(get_i64(st, "eval_step", -1, &s->eval_step, path, err));
    OC_TRY(get_i64(st, "max_len", 3, &s->max_len, path, err));
    OC_TRY(get_i64(st, "seed", 0, &s->seed, path, err));
    s->best_is_auroc = is_auroc != 0;
    return get_f64(st, "sparsity", &s->sparsity, path, err);
}

// A tensor of the right type and length, or an error; absent is fine when dst is not wanted.
static oc_status find_slab(const oc_st *st, const char *name, oc_dtype type, int64_t n,
                           const void **out, const char *path, oc_err *err)
{
    const oc_tensor *t = oc_st_find(st, name);
    if (!t)
        return OC_FAIL(err, OC_FORMAT, "%s: tensor '%s' is missing", path, name);
    if (t->dtype != type || t->n != n)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: tensor '%s' is %s with %lld entries, expected %s with %lld", path, name,
                       oc_dtype_name(t->dtype), (long long)t->n, oc_dtype_name(type), (long long)n);
    *out = t->data;
    return OC_OK;
}

// Everything is looked at before anything is copied: a bad file leaves the run as it was.
static oc_status take_all(const oc_st *st, oc_train_state *s, const oc_layout *lo, const char *path,
                          oc_err *err)
{
    const void *w, *m, *v, *best = NULL, *keep = NULL;
    size_t bytes = (size_t)lo->n_floats * sizeof(float);
    oc_train_state t = *s;
    OC_TRY(get_counters(st, &t, path, err));
    OC_TRY(find_slab(st, "w", OC_DT_F32, lo->n_floats, &w, path, err));
    OC_TRY(find_slab(st, "m", OC_DT_F32, lo->n_floats, &m, path, err));
    OC_TRY(find_slab(st, "v", OC_DT_F32, lo->n_floats, &v, path, err));
    if (t.best_step >= 0)
        OC_TRY(find_slab(st, "best", OC_DT_F32, lo->n_floats, &best, path, err));
    if (s->keep)
        OC_TRY(find_slab(st, "keep", OC_DT_U8, lo->n_floats, &keep, path, err));
    *s = t;
    memcpy(s->w, w, bytes);
    memcpy(s->m, m, bytes);
    memcpy(s->v, v, bytes);
    if (best)
        memcpy(s->best, best, bytes);
    if (keep)
        memcpy(s->keep, keep, (size_t)lo->n_floats);
    return OC_OK;
}

static oc_status expect_run(const oc_st *st, const char *run, const char *path, oc_err *err)
{
    OC_TRY(expect_text(st, "format", STATE_FORMAT, "not a training checkpoint", path, err));
    return expect_text(st, "run", run, "this is the checkpoint of another run", path, err);
}

oc_status oc_train_state_peek(const char *run, const char *path, int64_t *max_len, int64_t *seed,
                              oc_err *err)
{
    oc_st *st = NULL;
    int64_t cut, s;
    OC_TRY(oc_st_open(path, &st, err));
    oc_status rc = expect_run(st, run, path, err);
    if (rc == OC_OK)
        rc = get_i64(st, "max_len", 3, &cut, path, err);
    if (rc == OC_OK)
        rc = get_i64(st, "seed", 0, &s, path, err);
    if (rc == OC_OK) {
        *max_len = cut;
        *seed = s;
    }
    oc_st_close(st);
    return rc;
}

oc_status oc_train_state_load(oc_train_state *s, const oc_layout *lo, const char *run,
                              const char *key, const char *path, oc_err *err)
{
    char shape[33];
    oc_st *st = NULL;
    OC_TRY(layout_key(lo, shape, err));
    OC_TRY(oc_st_open(path, &st, err));
    oc_status rc = expect_run(st, run, path, err);
    if (rc == OC_OK)
        rc = expect_text(st, "shape", shape, "the network has another shape", path, err);
    if (rc == OC_OK)
        rc = expect_text(st, "key", key, "it belongs to other data or settings", path, err);
    if (rc == OC_OK)
        rc = take_all(st, s, lo, path, err);
    oc_st_close(st);
    return rc;
}
