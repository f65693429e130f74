/*
 * core/io/checkpoint_describe.c - what `inspect` says about a model.
 */
#include <string.h>

#include "core/base/json.h"
#include "core/io/checkpoint.h"
#include "core/io/checkpoint_map.h"

typedef enum { BLOCK_EMBEDDINGS, BLOCK_ATTENTION, BLOCK_FFN, BLOCK_HEAD, N_BLOCKS } block;

/* Each block of the network with the LayerNorm at its end. */
static block block_of(oc_kind k)
{
    if (k <= OC_P_EMB_LN_B)
        return BLOCK_EMBEDDINGS;
    if (k <= OC_P_LN1_B)
        return BLOCK_ATTENTION;
    return k <= OC_P_LN2_B ? BLOCK_FFN : BLOCK_HEAD;
}

/* Bytes a parameter takes in the file. */
static int64_t stored_bytes(const oc_param *p, const oc_weight *w)
{
    return w->q ? p->n + p->rows * (int64_t)sizeof(float) : p->n * (int64_t)sizeof(float);
}

/* Bits per weight and share of zeros over the matrices of a layer. */
static void write_layer(oc_jw *w, const oc_model *m, int32_t l)
{
    int64_t n = 0, zeros = 0, bits = 0;
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        if (p->layer != l || !oc_kind_is_matrix(p->kind))
            continue;
        n += p->n;
        bits += p->n * (m->w[i].q ? 8 : 32);
        zeros += oc_model_zeros(m, i);
    }
    oc_jw_open(w, '{');
    oc_jw_ki64(w, "heads", m->dims.A[l]);
    oc_jw_ki64(w, "ffn", m->dims.F[l]);
    oc_jw_kf64(w, "bits", (double)bits / (double)n);
    oc_jw_kf64(w, "sparsity", (double)zeros / (double)n);
    oc_jw_close(w, '}');
}

static void write_blocks(oc_jw *w, const oc_model *m)
{
    static const char *const name[N_BLOCKS] = {"embeddings", "attention", "ffn", "head"};
    int64_t params[N_BLOCKS] = {0}, bytes[N_BLOCKS] = {0};
    for (int32_t i = 0; i < m->layout.n; i++) {
        block b = block_of(m->layout.param[i].kind);
        params[b] += m->layout.param[i].n;
        bytes[b] += stored_bytes(&m->layout.param[i], &m->w[i]);
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
}

static void write_tensor(oc_jw *w, const char *name, oc_dtype t, int64_t rows, int64_t cols)
{
    oc_jw_open(w, '{');
    oc_jw_kstr(w, "name", name);
    oc_jw_kstr(w, "dtype", oc_dtype_name(t));
    oc_jw_key(w, "shape");
    oc_jw_open(w, '[');
    oc_jw_i64(w, rows);
    if (cols > 0)
        oc_jw_i64(w, cols);
    oc_jw_close(w, ']');
    oc_jw_ki64(w, "bytes", rows * (cols > 0 ? cols : 1) * oc_dtype_bytes(t));
    oc_jw_close(w, '}');
}

static void write_tensors(oc_jw *w, const oc_model *m)
{
    oc_jw_key(w, "tensors");
    oc_jw_open(w, '[');
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        bool matrix = oc_kind_is_matrix(p->kind) || oc_kind_is_embedding(p->kind);
        write_tensor(w, p->name, m->w[i].q ? OC_DT_I8 : OC_DT_F32, p->rows, matrix ? p->cols : 0);
        if (m->w[i].q) {
            char scale[96];
            oc__ckpt_scale_name(p, scale);
            write_tensor(w, scale, OC_DT_F32, p->rows, 0);
        }
    }
    oc_jw_close(w, ']');
}

static void write_config(oc_jw *w, const oc_checkpoint *c)
{
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
    oc_jw_close(w, ']');
}

oc_status oc_checkpoint_describe(const oc_checkpoint *c, oc_buf *json, oc_err *err)
{
    oc_jw w = {.out = json};
    oc_jw_open(&w, '{');
    write_config(&w, c);
    oc_jw_ki64(&w, "params", oc_model_params(c->model));
    oc_jw_ki64(&w, "bytes", c->bytes);
    oc_jw_key(&w, "layers");
    oc_jw_open(&w, '[');
    for (int32_t l = 0; l < c->model->dims.L; l++)
        write_layer(&w, c->model, l);
    oc_jw_close(&w, ']');
    write_blocks(&w, c->model);
    write_tensors(&w, c->model);
    oc_jw_close(&w, '}');
    return oc_buf_check(json, err);
}
