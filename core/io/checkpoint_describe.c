/*
 * core/io/checkpoint_describe.c - what `inspect` says about a model.
 */
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/par.h"
#include "core/io/checkpoint.h"
#include "core/io/checkpoint_map.h"

typedef enum { BLOCK_EMBEDDINGS, BLOCK_ATTENTION, BLOCK_FFN, BLOCK_HEAD, N_BLOCKS } block;

typedef struct facts {
    const oc_checkpoint *c;
    const oc_weights *ws; // NULL: in no file yet
    oc_weights *opened;   // owned: ws, where the checkpoint has let go of it
    oc__ckpt_map map;     // src NULL without ws
    int64_t *zeros;       // owned [layout.n], of the layers' matrices
    oc_err bad;           // a weight that is no number
} facts;

/* Each block of the network with the LayerNorm at its end. */
static block block_of(oc_kind k)
{
    if (k <= OC_P_EMB_LN_B)
        return BLOCK_EMBEDDINGS;
    if (k <= OC_P_LN1_B)
        return BLOCK_ATTENTION;
    return k <= OC_P_LN2_B ? BLOCK_FFN : BLOCK_HEAD;
}

/* --- gathering -------------------------------------------------------------------------------- */

static bool of_layer(const oc_param *p)
{
    return p->layer >= 0 && oc_kind_is_matrix(p->kind);
}

static void count_zeros(void *ctx, int64_t begin, int64_t end, int worker)
{
    facts *f = ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        if (of_layer(&f->c->model->layout.param[i]))
            f->zeros[i] = oc_model_zeros(f->c->model, (int32_t)i);
}

static oc_status open_stored(facts *f, oc_err *err)
{
    const oc_checkpoint *c = f->c;
    char path[OC_PATH_MAX];
    f->ws = c->weights;
    if (!f->ws && c->file[0]) {
        OC_TRY(oc_path_join(path, c->path, c->file, err));
        OC_TRY(oc_weights_open(path, &f->opened, err));
        f->ws = f->opened;
    }
    if (!f->ws)
        return OC_OK;
    return oc__ckpt_map_make(f->ws, &c->model->layout, c->model->dims.arch, !c->head_missing,
                             &f->map, err);
}

static oc_status gather(facts *f, oc_err *err)
{
    const oc_model *m = f->c->model;
    OC_TRY(open_stored(f, err));
    f->zeros = oc_calloc((size_t)m->layout.n, sizeof *f->zeros);
    if (!f->zeros)
        return OC_FAIL(err, OC_NOMEM, "out of memory describing a model");
    oc_par_for(m->layout.n, 1, count_zeros, f);
    // To be said beside all the rest: the status is in f->bad.
    (void)!oc_model_check(m, &f->bad);
    return OC_OK;
}

static void release(facts *f)
{
    oc__ckpt_map_release(&f->map);
    oc_weights_close(f->opened);
    oc_free(f->zeros);
}

/* Bytes parameter i takes in the file. */
static int64_t stored_bytes(const facts *f, int32_t i)
{
    const oc__ckpt_source *s = f->map.src ? &f->map.src[i] : NULL;
    return s && s->w ? s->w->bytes + (s->scale ? s->scale->bytes : 0) : 0;
}

/* Of a weight, of those that its type in the file gives it. */
static int64_t bits_of(const facts *f, int32_t i)
{
    const oc_model *m = f->c->model;
    if (m->bits7 && m->w[i].q && oc_kind_is_matrix(m->layout.param[i].kind))
        return 7;
    const oc_tensor *t = f->map.src ? f->map.src[i].w : NULL;
    return 8 * oc_dtype_bytes(t ? t->dtype : m->w[i].q ? OC_DT_I8 : OC_DT_F32);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Bits per weight and share of zeros over the matrices of a layer. */
static void write_layer(oc_jw *w, const facts *f, int32_t l)
{
    const oc_model *m = f->c->model;
    int64_t n = 0, zeros = 0, bits = 0;
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        if (p->layer != l || !of_layer(p))
            continue;
        n += p->n;
        bits += p->n * bits_of(f, i);
        zeros += f->zeros[i];
    }
    oc_jw_open(w, '{');
    oc_jw_ki64(w, "heads", m->dims.A[l]);
    oc_jw_ki64(w, "ffn", m->dims.F[l]);
    oc_jw_kf64(w, "bits", (double)bits / (double)n);
    oc_jw_kf64(w, "sparsity", (double)zeros / (double)n);
    oc_jw_kstr(w, "attention", oc_model_attn_is_s8(m, l) ? "int8" : "f32");
    oc_jw_close(w, '}');
}

static void write_blocks(oc_jw *w, const facts *f)
{
    static const char *const name[N_BLOCKS] = {"embeddings", "attention", "ffn", "head"};
    const oc_model *m = f->c->model;
    int64_t params[N_BLOCKS] = {0}, bytes[N_BLOCKS] = {0};
    for (int32_t i = 0; i < m->layout.n; i++) {
        block b = block_of(m->layout.param[i].kind);
        params[b] += m->layout.param[i].n;
        bytes[b] += stored_bytes(f, i);
    }
    oc_jw_key(w, "blocks");
    oc_jw_open(w, '{');
    for (int b = 0; b < N_BLOCKS; b++) {
        oc_jw_key(w, name[b]);
        oc_jw_open(w, '{');
        oc_jw_ki64(w, "params", params[b]);
        oc_jw_ki64(w, "bytes", bytes[b]);
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, '}');
    oc_jw_kf64(w, "embedding_frac", (double)params[BLOCK_EMBEDDINGS] / (double)oc_model_params(m));
}

/* Name of the parameter a tensor is, or is the scale of; false: it is passed over. */
static bool parameter_of(const facts *f, const oc_tensor *t, char out[96])
{
    const oc_layout *lo = &f->c->model->layout;
    for (int32_t i = 0; i < lo->n; i++) {
        if (f->map.src[i].w == t)
            oc_strlcpy(out, lo->param[i].name, 96);
        else if (f->map.src[i].scale == t)
            oc__ckpt_scale_name(&lo->param[i], out);
        else
            continue;
        return true;
    }
    return false;
}

static bool write_tensor(oc_jw *w, const facts *f, int32_t i)
{
    const oc_tensor *t = oc_weights_at(f->ws, i);
    char name[96];
    oc_jw_open(w, '{');
    oc_jw_kstr(w, "name", t->name);
    oc_jw_kstr(w, "dtype", oc_dtype_name(t->dtype));
    oc_jw_key(w, "shape");
    oc_jw_open(w, '[');
    for (int32_t k = 0; k < t->n_dims; k++)
        oc_jw_i64(w, t->dim[k]);
    oc_jw_close(w, ']');
    oc_jw_ki64(w, "bytes", t->bytes);
    oc_jw_kstr(w, "file", oc_weights_file(f->ws, i));
    bool used = parameter_of(f, t, name);
    oc_jw_kstr(w, "parameter", used ? name : NULL);
    oc_jw_close(w, '}');
    return used;
}

static void write_tensors(oc_jw *w, const facts *f)
{
    int64_t n = 0, bytes = 0;
    oc_jw_key(w, "tensors");
    oc_jw_open(w, '[');
    for (int32_t i = 0; f->ws && i < oc_weights_count(f->ws); i++) {
        if (write_tensor(w, f, i))
            continue;
        n++;
        bytes += oc_weights_at(f->ws, i)->bytes;
    }
    oc_jw_close(w, ']');
    oc_jw_key(w, "passed_over");
    oc_jw_open(w, '{');
    oc_jw_ki64(w, "tensors", n);
    oc_jw_ki64(w, "bytes", bytes);
    oc_jw_close(w, '}');
}

/* Tensors of a file follow each other. */
static void write_weights_files(oc_jw *w, const oc_weights *ws)
{
    int32_t n = ws ? oc_weights_count(ws) : 0;
    for (int32_t i = 0, end; i < n; i = end) {
        int64_t bytes = 0;
        for (end = i; end < n && oc_weights_file(ws, end) == oc_weights_file(ws, i); end++)
            bytes += oc_weights_at(ws, end)->bytes;
        oc_jw_open(w, '{');
        oc_jw_kstr(w, "file", oc_weights_file(ws, i));
        oc_jw_kstr(w, "format", oc_weights_format(ws, i));
        oc_jw_ki64(w, "tensors", end - i);
        oc_jw_ki64(w, "bytes", bytes);
        oc_jw_close(w, '}');
    }
}

static void write_files(oc_jw *w, const facts *f)
{
    static const char *const tokenizer[] = {"vocab.txt", "tokenizer.json", "tokenizer_config.json",
                                            "special_tokens_map.json", "added_tokens.json"};
    const oc_checkpoint *c = f->c;
    char path[OC_PATH_MAX];
    oc_jw_key(w, "files");
    oc_jw_open(w, '{');
    oc_jw_key(w, "weights");
    oc_jw_open(w, '[');
    write_weights_files(w, f->ws);
    oc_jw_close(w, ']');
    oc_jw_kstr(w, "config", f->ws ? OC__CKPT_CONFIG : NULL);
    oc_jw_key(w, "tokenizer");
    oc_jw_open(w, '[');
    for (int i = 0; f->ws && i < OC_COUNT(tokenizer); i++)
        if (oc_path_join(path, c->path, tokenizer[i], NULL) == OC_OK && oc_path_is_there(path))
            oc_jw_str(w, tokenizer[i]);
    oc_jw_close(w, ']');
    oc_jw_kstr(w, "tokens", c->tokens_from);
    oc_jw_close(w, '}');
}

static void write_config(oc_jw *w, const facts *f)
{
    const oc_checkpoint *c = f->c;
    const oc_dims *d = &c->model->dims;
    oc_jw_kstr(w, "path", c->path);
    oc_jw_kstr(w, "architecture", oc_arch_class(d->arch));
    oc_jw_ki64(w, "hidden", d->H);
    oc_jw_ki64(w, "head_size", d->D);
    oc_jw_ki64(w, "vocab", d->V);
    oc_jw_ki64(w, "positions", d->P);
    oc_jw_ki64(w, "classes", d->K);
    oc_jw_key(w, "labels");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < c->config.labels.n; i++)
        oc_jw_str(w, c->config.labels.item[i]);
    oc_jw_close(w, ']');
    oc_jw_kbool(w, "multi_label", c->config.multi_label);
    oc_jw_kstr(w, "task", c->config.task);
    oc_jw_ki64(w, "max_len", c->config.max_len > 0 ? c->config.max_len : d->P);
    oc_jw_kstr(w, "casing", c->tok->lowercase ? "uncased" : "cased");
    oc_jw_kstr(w, "casing_from", oc_casing_from_text(c->casing_from));
    oc_jw_kbool(w, "head_missing", c->head_missing);
    oc_jw_key(w, "remarks");
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < c->remarks.n; i++)
        oc_jw_str(w, c->remarks.item[i]);
    if (f->bad.status != OC_OK)
        oc_jw_str(w, f->bad.msg);
    oc_jw_close(w, ']');
}

static void write_all(oc_jw *w, const facts *f)
{
    const oc_checkpoint *c = f->c;
    oc_jw_open(w, '{');
    write_config(w, f);
    write_files(w, f);
    oc_jw_ki64(w, "params", oc_model_params(c->model));
    oc_jw_ki64(w, "bytes", c->bytes);
    oc_jw_key(w, "layers");
    oc_jw_open(w, '[');
    for (int32_t l = 0; l < c->model->dims.L; l++)
        write_layer(w, f, l);
    oc_jw_close(w, ']');
    write_blocks(w, f);
    write_tensors(w, f);
    oc_jw_close(w, '}');
}

oc_status oc_checkpoint_describe(const oc_checkpoint *c, oc_buf *json, oc_err *err)
{
    facts f = {.c = c};
    oc_jw w = {.out = json};
    oc_status rc = gather(&f, err);
    if (rc == OC_OK) {
        write_all(&w, &f);
        rc = oc_buf_check(json, err);
    }
    release(&f);
    return rc;
}
