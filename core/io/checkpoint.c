#include "core/io/checkpoint.h"

#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/io/checkpoint_map.h"
#include "core/io/folder.h"

/* --- where it is ------------------------------------------------------------------------------ */

typedef struct place {
    char dir[OC_PATH_MAX], weights[OC_PATH_MAX]; /* weights: the folder, or a file in it */
} place;

static oc_status find_place(const char *path, place *at, oc_err *err)
{
    OC_TRY(oc_folder_find(path, at->dir, err));
    oc_strlcpy(at->weights, at->dir, sizeof at->weights);
    if (oc_path_is_dir(at->dir))
        return OC_OK;
    if (!oc_path_is_there(at->dir))
        return OC_FAIL(err, OC_IO, "there is no model at %s", path);
    char *slash = strrchr(at->dir, '/');
    if (!slash)
        oc_strlcpy(at->dir, ".", sizeof at->dir);
    else
        slash[slash == at->dir] = 0;
    return OC_OK;
}

/* --- its tokenizer ---------------------------------------------------------------------------- */

static oc_status read_tokenizer(oc_checkpoint *c, const char *dir, oc_err *err)
{
    oc_tokenizer_files f;
    oc_tokenizer_ask ask = {.V = c->config.dims.V, .lower_case = c->config.lower_case};
    OC_TRY(oc_tokenizer_files_read(dir, &ask, &f, err));
    c->tok = f.tok;
    f.tok = NULL;
    c->casing_from = f.casing_from;
    c->tokens_from = f.tokens_from;
    c->config.lower_case = c->tok->lowercase;
    c->config.pad_id = oc_vocab_special(c->tok->vocab).pad;
    if (c->config.max_len == 0 && f.max_len < c->config.dims.P)
        c->config.max_len = f.max_len;
    oc_status rc = OC_OK;
    for (int64_t i = 0; i < f.remarks.n && rc == OC_OK; i++)
        rc = oc_strlist_add(&c->remarks, f.remarks.item[i], strlen(f.remarks.item[i]), err);
    oc_tokenizer_files_release(&f);
    return rc;
}

/* --- all of it -------------------------------------------------------------------------------- */

static oc_status read_config(oc_checkpoint *c, const char *dir, oc_err *err)
{
    char path[OC_PATH_MAX];
    OC_TRY(oc_path_join(path, dir, OC__CKPT_CONFIG, err));
    if (!oc_path_is_there(path))
        return OC_FAIL(err, OC_IO,
                       "%s has weights (%s) but no " OC__CKPT_CONFIG
                       ", which says what network they are of",
                       dir, oc_weights_file(c->weights, 0));
    return oc_config_read(path, &c->config, err);
}

static oc_status load_into(oc_checkpoint *c, const place *at, int32_t n_labels, uint64_t seed,
                           oc_err *err)
{
    if (strlen(at->dir) >= sizeof c->path)
        return OC_FAIL(err, OC_RANGE, "the path is too long: %.80s...", at->dir);
    oc_strlcpy(c->path, at->dir, sizeof c->path);
    OC_TRY(oc_weights_open(at->weights, &c->weights, err));
    oc_strlcpy(c->file, oc_path_base(oc_weights_path(c->weights)), sizeof c->file);
    c->bytes = oc_weights_bytes(c->weights);
    OC_TRY(read_config(c, at->dir, err));
    OC_TRY(oc__ckpt_read_weights(c, n_labels, seed, err));
    return read_tokenizer(c, at->dir, err);
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
    oc_strlist_release(&c->remarks);
    oc_model_free(c->model);
    oc_weights_close(c->weights);
    oc_tokenizer_free(c->tok);
    oc_free(c);
}

oc_status oc_checkpoint_own(oc_checkpoint *c, oc_err *err)
{
    OC_TRY(oc_model_own(c->model, err));
    oc_weights_close(c->weights);
    c->weights = NULL;
    return OC_OK;
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

oc_status oc_checkpoint_with(const oc_checkpoint *c, oc_model *model, oc_checkpoint **out,
                             oc_err *err)
{
    oc_checkpoint *d = oc_calloc(1, sizeof *d);
    if (!d)
        return OC_FAIL(err, OC_NOMEM, "out of memory copying a checkpoint");
    oc_status rc;
    d->casing_from = c->casing_from;
    d->tokens_from = c->tokens_from;
    d->head_missing = c->head_missing;
    OC_TRY_GOTO(out, rc, oc_config_dup(&c->config, &d->config, err));
    for (int64_t i = 0; i < c->remarks.n; i++)
        OC_TRY_GOTO(
            out, rc,
            oc_strlist_add(&d->remarks, c->remarks.item[i], strlen(c->remarks.item[i]), err));
    OC_TRY_GOTO(out, rc, oc_tokenizer_dup(c->tok, &d->tok, err));
    d->model = model;
    d->config.dims = model->dims;
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
