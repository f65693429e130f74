#include "core/io/checkpoint.h"

#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/io/checkpoint_map.h"

const char *oc_casing_from_text(oc_casing_from f)
{
    switch (f) {
    case OC_CASING_TOKENIZER_CONFIG: return OC__CKPT_TOKENIZER;
    case OC_CASING_CONFIG: return OC__CKPT_CONFIG;
    case OC_CASING_GUESSED: return "guessed from " OC__CKPT_VOCAB;
    case OC_CASING_MADE: return "made with the model";
    }
    return "unknown";
}

/* --- where it is ------------------------------------------------------------------------------ */

typedef struct place {
    char dir[OC_PATH_MAX], weights[OC_PATH_MAX];
} place;

static oc_status no_weights(const char *dir, oc_err *err)
{
    static const char *const other[] = {"pytorch_model.bin", "model.safetensors.index.json",
                                        "tf_model.h5", "flax_model.msgpack"};
    char p[OC_PATH_MAX];
    for (int i = 0; i < OC_COUNT(other); i++) {
        OC_TRY(oc_path_join(p, dir, other[i], err));
        if (oc_path_exists(p))
            return OC_FAIL(err, OC_UNSUPPORTED,
                           "%s has %s but no " OC__CKPT_WEIGHTS
                           "; save the model as one safetensors file",
                           dir, other[i]);
    }
    return OC_FAIL(err, OC_IO, "%s has no " OC__CKPT_WEIGHTS "; a model folder was expected", dir);
}

static oc_status find_place(const char *path, place *at, oc_err *err)
{
    char aside[OC_PATH_MAX];
    if (strlen(path) + sizeof OC__CKPT_ASIDE > sizeof aside)
        return OC_FAIL(err, OC_RANGE, "the path is too long: %.80s...", path);
    oc_strlcpy(aside, path, sizeof aside);
    size_t n = strlen(aside);
    while (n > 1 && aside[n - 1] == '/')
        aside[--n] = 0;
    oc_strlcpy(at->dir, aside, sizeof at->dir);
    strcat(aside, OC__CKPT_ASIDE);
    if (!oc_path_exists(at->dir) && oc_path_is_dir(aside))
        oc_strlcpy(at->dir, aside, sizeof at->dir);
    if (oc_path_is_dir(at->dir)) {
        OC_TRY(oc_path_join(at->weights, at->dir, OC__CKPT_WEIGHTS, err));
        return oc_path_exists(at->weights) ? OC_OK : no_weights(at->dir, err);
    }
    if (!oc_path_exists(at->dir))
        return OC_FAIL(err, OC_IO, "there is no model at %s", path);
    oc_strlcpy(at->weights, at->dir, sizeof at->weights);
    char *slash = strrchr(at->dir, '/');
    if (!slash)
        oc_strlcpy(at->dir, ".", sizeof at->dir);
    else
        slash[slash == at->dir] = 0;
    return OC_OK;
}

/* --- its tokenizer ---------------------------------------------------------------------------- */

/* do_lower_case (-1: not said) and model_max_length (0: not said) of tokenizer_config.json. */
static oc_status read_tokenizer_config(const char *dir, int *lower, int64_t *max_len, oc_err *err)
{
    char path[OC_PATH_MAX];
    *lower = -1;
    *max_len = 0;
    OC_TRY(oc_path_join(path, dir, OC__CKPT_TOKENIZER, err));
    if (!oc_path_exists(path))
        return OC_OK;
    oc_json *j;
    OC_TRY(oc_json_read_file(path, (size_t)64 << 20, &j, err));
    const oc_json *l = oc_json_get(j, "do_lower_case");
    oc_status rc = OC_OK;
    if (!oc_json_is_object(j))
        rc = OC_FAIL(err, OC_FORMAT, "%s: a JSON object was expected", path);
    else if (oc_json_is_bool(l))
        *lower = oc_json_bool(l, false);
    else if (l && !oc_json_is_null(l))
        rc = OC_FAIL(err, OC_FORMAT, "%s: do_lower_case must be true or false", path);
    // "No limit" is written as a huge number there.
    if (!oc_json_i64(oc_json_get(j, "model_max_length"), 3, INT32_MAX, max_len))
        *max_len = 0;
    oc_json_free(j);
    return rc;
}

static oc_status read_tokenizer(oc_checkpoint *c, const char *dir, oc_err *err)
{
    char path[OC_PATH_MAX];
    int lower;
    int64_t max_len;
    OC_TRY(read_tokenizer_config(dir, &lower, &max_len, err));
    OC_TRY(oc_path_join(path, dir, OC__CKPT_VOCAB, err));
    oc_vocab *v;
    OC_TRY(oc_vocab_load(path, &v, err));
    oc_status rc = OC_OK;
    if (oc_vocab_size(v) != c->config.dims.V)
        rc =
            OC_FAIL(err, OC_FORMAT,
                    "%s has %d entries, but the model's vocab_size is %d: it is not its vocabulary",
                    path, (int)oc_vocab_size(v), (int)c->config.dims.V);
    c->casing_from = lower >= 0                  ? OC_CASING_TOKENIZER_CONFIG
                     : c->config.lower_case >= 0 ? OC_CASING_CONFIG
                                                 : OC_CASING_GUESSED;
    if (lower < 0)
        lower = c->config.lower_case >= 0 ? c->config.lower_case : !oc_vocab_looks_cased(v);
    if (rc == OC_OK)
        rc = oc_tokenizer_new(v, lower == 1, &c->tok, err);
    if (rc != OC_OK) {
        oc_vocab_free(v);
        return rc;
    }
    c->config.lower_case = lower;
    c->config.pad_id = oc_vocab_special(v).pad;
    if (c->config.max_len == 0 && max_len < c->config.dims.P)
        c->config.max_len = (int32_t)max_len;
    return OC_OK;
}

/* --- its weights ------------------------------------------------------------------------------ */

static oc_status read_q8(oc_model *m, int32_t i, const oc__ckpt_source *src, const char *what,
                         oc_err *err)
{
    const oc_param *p = &m->layout.param[i];
    int8_t *q = oc_alloc((size_t)p->n);
    float *scale = oc_calloc((size_t)p->rows, sizeof *scale);
    oc_status rc = q && scale ? OC_OK : OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    if (rc == OC_OK) {
        memcpy(q, src->w->data, (size_t)p->n);
        memcpy(scale, src->scale->data, (size_t)p->rows * sizeof *scale);
    }
    for (int64_t k = 0; k < p->n && rc == OC_OK; k++)
        if (q[k] == -128)
            rc = OC_FAIL(err, OC_FORMAT, "%s: tensor %s holds -128; -127 to 127 was expected", what,
                         src->w->name);
    for (int64_t k = 0; k < p->rows && rc == OC_OK; k++)
        if (!(isfinite(scale[k]) && scale[k] >= 0))
            rc = OC_FAIL(err, OC_FORMAT, "%s: tensor %s: entry %lld is no finite number >= 0", what,
                         src->scale->name, (long long)k);
    if (rc != OC_OK) {
        oc_free(q);
        oc_free(scale);
        return rc;
    }
    oc_model_set_q8(m, i, q, scale);
    return OC_OK;
}

static oc_status read_f32(oc_model *m, int32_t i, const oc_tensor *t, const char *what, oc_err *err)
{
    float *w = m->w[i].f32;
    int64_t n = m->layout.param[i].n;
    OC_TRY(oc_tensor_read_f32(t, w, err));
    float probe = 0; // NaN as soon as one entry is not finite
    for (int64_t k = 0; k < n; k++)
        probe += w[k] * 0.0f;
    if (isnan(probe))
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %s holds NaN or infinite numbers", what,
                       t->name);
    return OC_OK;
}

/* K, and whether a head has to be made. */
static oc_status settle_head(oc_checkpoint *c, const oc_st *st, const char *what, int32_t n_labels,
                             oc_err *err)
{
    const oc_tensor *w = oc__ckpt_find(st, "classifier.weight");
    oc_dims *d = &c->config.dims;
    c->head_missing = !w && !oc__ckpt_find(st, "classifier.bias") && n_labels > 0;
    if (c->head_missing) {
        if (c->config.labels.n != n_labels)
            oc_strlist_release(&c->config.labels);
        d->K = n_labels;
    } else if (d->K == 0 && w && w->n_dims == 2 && w->dim[0] >= 1 && w->dim[0] <= 65536) {
        d->K = (int32_t)w->dim[0];
    }
    if (d->K == 0 && !w)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: tensor classifier.weight is missing, and how many labels it should "
                       "have was not said",
                       what);
    return OC_OK;
}

static oc_status read_weights(oc_checkpoint *c, const oc_st *st, const char *what, uint64_t seed,
                              oc_err *err)
{
    // Map and check before the weights are allocated: what a config asks for may be absurd.
    oc_layout lo;
    OC_TRY(oc_layout_init(&lo, &c->config.dims, err));
    oc__ckpt_source *src = oc_calloc((size_t)lo.n, sizeof *src);
    oc_status rc = src ? oc__ckpt_map(st, what, &lo, !c->head_missing, src, err)
                       : OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    if (rc == OC_OK)
        rc = oc_model_new(&c->config.dims, &c->model, err);
    bool pooler = true;
    for (int32_t i = 0; i < lo.n && rc == OC_OK; i++) {
        if (src[i].scale)
            rc = read_q8(c->model, i, &src[i], what, err);
        else if (src[i].w)
            rc = read_f32(c->model, i, src[i].w, what, err);
        if (lo.param[i].kind == OC_P_POOL_W || lo.param[i].kind == OC_P_POOL_B)
            pooler = pooler && src[i].w;
        c->config.n_q8 += src[i].scale != NULL;
    }
    if (rc == OC_OK && c->head_missing)
        oc_model_init_head(c->model, !pooler, seed);
    oc_free(src);
    oc_layout_release(&lo);
    return rc;
}

static oc_status load_into(oc_checkpoint *c, const place *at, int32_t n_labels, uint64_t seed,
                           oc_err *err)
{
    char path[OC_PATH_MAX];
    if (strlen(at->dir) >= sizeof c->path)
        return OC_FAIL(err, OC_RANGE, "the path is too long: %.80s...", at->dir);
    oc_strlcpy(c->path, at->dir, sizeof c->path);
    OC_TRY(oc_path_join(path, at->dir, OC__CKPT_CONFIG, err));
    OC_TRY(oc_config_read(path, &c->config, err));
    c->config.n_q8 = 0;
    oc_st *st;
    OC_TRY(oc_st_open(at->weights, &st, err));
    c->bytes = oc_file_bytes(at->weights);
    oc_status rc = settle_head(c, st, at->weights, n_labels, err);
    if (rc == OC_OK)
        rc = read_weights(c, st, at->weights, seed, err);
    oc_st_close(st);
    return rc == OC_OK ? read_tokenizer(c, at->dir, err) : rc;
}

oc_status oc_checkpoint_load(const char *path, int32_t n_labels, uint64_t seed, oc_checkpoint **out,
                             oc_err *err)
{
    place at;
    OC_TRY(find_place(path, &at, err));
    oc_checkpoint *c = oc_calloc(1, sizeof *c);
    if (!c)
        return OC_FAIL(err, OC_NOMEM, "out of memory loading %s", path);
    oc_status rc = load_into(c, &at, n_labels, seed, err);
    if (rc == OC_OK)
        *out = c;
    else
        oc_checkpoint_free(c);
    return rc;
}

void oc_checkpoint_free(oc_checkpoint *c)
{
    if (!c)
        return;
    oc_config_release(&c->config);
    oc_model_free(c->model);
    oc_tokenizer_free(c->tok);
    oc_free(c);
}

/* --- made and copied -------------------------------------------------------------------------- */

oc_status oc_checkpoint_new(oc_model *model, oc_tokenizer *tok, oc_checkpoint **out, oc_err *err)
{
    if (oc_vocab_size(tok->vocab) != model->dims.V)
        return OC_FAIL(err, OC_SHAPE,
                       "the vocabulary has %d entries, but the model's vocab_size is %d",
                       (int)oc_vocab_size(tok->vocab), (int)model->dims.V);
    oc_checkpoint *c = oc_calloc(1, sizeof *c);
    if (!c)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a checkpoint");
    c->model = model;
    c->tok = tok;
    c->casing_from = OC_CASING_MADE;
    c->config.dims = model->dims;
    c->config.lower_case = tok->lowercase;
    c->config.pad_id = oc_vocab_special(tok->vocab).pad;
    *out = c;
    return OC_OK;
}

oc_status oc_checkpoint_dup(const oc_checkpoint *c, oc_checkpoint **out, oc_err *err)
{
    oc_checkpoint *d = oc_calloc(1, sizeof *d);
    if (!d)
        return OC_FAIL(err, OC_NOMEM, "out of memory copying a checkpoint");
    oc_status rc;
    d->casing_from = c->casing_from;
    d->head_missing = c->head_missing;
    memcpy(d->path, c->path, sizeof d->path);
    OC_TRY_GOTO(out, rc, oc_config_dup(&c->config, &d->config, err));
    OC_TRY_GOTO(out, rc, oc_model_dup(c->model, &d->model, err));
    OC_TRY_GOTO(out, rc, oc_tokenizer_dup(c->tok, &d->tok, err));
    *out = d;
    d = NULL;
out:
    oc_checkpoint_free(d);
    return rc;
}

/* --- its key ---------------------------------------------------------------------------------- */

/* Two chains of 64-bit hashes: a key of 128 bits that needs no memory, so it cannot fail. */
typedef struct chain {
    uint64_t h[2];
} chain;

static void chain_add(chain *c, const void *data, size_t n)
{
    uint64_t piece = oc_hash64(data, n);
    for (uint64_t half = 0; half < 2; half++) {
        uint64_t link[4] = {c->h[half], piece, n, half};
        c->h[half] = oc_hash64(link, sizeof link);
    }
}

static void chain_dims(chain *c, const oc_dims *d)
{
    int32_t head[] = {d->L, d->H, d->D, d->V, d->P, d->S, d->K, (int32_t)d->act, (int32_t)d->arch};
    chain_add(c, head, sizeof head);
    chain_add(c, d->A, (size_t)d->L * sizeof *d->A);
    chain_add(c, d->F, (size_t)d->L * sizeof *d->F);
    chain_add(c, &d->eps, sizeof d->eps);
}

void oc_checkpoint_key(const oc_checkpoint *c, char out[33])
{
    static const char hex[] = "0123456789abcdef";
    const oc_model *m = c->model;
    chain k = {{0, 0}};
    char tok[33];
    oc_tokenizer_key(c->tok, tok);
    chain_add(&k, tok, sizeof tok);
    chain_dims(&k, &m->dims);
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        if (m->w[i].q) {
            chain_add(&k, m->w[i].q, (size_t)p->n);
            chain_add(&k, m->w[i].scale, (size_t)p->rows * sizeof(float));
        } else {
            chain_add(&k, m->w[i].f32, (size_t)p->n * sizeof(float));
        }
    }
    for (int i = 0; i < 32; i++)
        out[i] = hex[k.h[i / 16] >> (60 - 4 * (i % 16)) & 15];
    out[32] = 0;
}
