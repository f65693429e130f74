/*
 * core/nn/bert_internal.h - what bert_plan, bert_fwd, bert_bwd, attention and dropout share.
 *
 * All but attention works row by row. So a layer is two parallel loops: attention (over notes, heads
 * and blocks of queries), and a chain over blocks of rows, which takes a block from the context to
 * the queries, keys and values of the next layer while it lies in the worker's caches:
 *
 *   [embed -> x -> qkv]  then per layer  [qkv -> c]  [c -> s1 -> y -> u, g -> s2 -> out = x -> qkv]
 *
 *   x, s1, y, s2, out [R,H]   u, g [R,F]   qkv [N,3W]   c [R,AD]
 *
 * R = rows that go on after attention: N, or B in the last layer, where the pooler reads only the
 * [CLS] rows. W = AD rounded up to the products' tile: queries, keys and values lie side by side,
 *
 *   qkv row:  q [AD] pad [W-AD] | k [AD] pad | v [AD] pad
 *
 * and are one product, with weights packed side by side too.
 *
 * In training every layer owns its buffers, since backward reads them all. In inference all layers
 * share x and qkv (rows as wide as the widest layer's), c lies over q, and the rest is scratch of
 * one block per worker.
 */
#ifndef OC_NN_BERT_INTERNAL_H
#define OC_NN_BERT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/attr.h"
#include "core/kernels/kernels.h"
#include "core/nn/bert.h"

/* Where a dropout mask is used; part of its counter. */
typedef enum {
    OC__SITE_EMB,
    OC__SITE_ATTN,
    OC__SITE_ATTN_OUT,
    OC__SITE_FFN_OUT,
    OC__SITE_CLS,
    OC__N_SITES
} oc__site;

/* One dropout layer at one step. */
typedef struct oc__drop {
    uint64_t key; /* of (seed, step, layer, site) */
    uint32_t off; /* of 65536 equally likely draws, how many drop; 0: no dropout */
    float scale;  /* 65536 / (65536 - off) */
} oc__drop;

/* Words of randomness for a row of n elements: four draws a word. */
static inline int64_t oc__drop_words(int64_t n)
{
    return (n + 3) / 4;
}
oc__drop oc__drop_at(const oc_dropout *d, float p, int32_t layer, oc__site site);
/* m[i] = 0 or scale for the n elements whose randomness starts at `word`. */
void oc__drop_mask(const oc__drop *d, int64_t word, int64_t n, float *m);
/* y[i] = m[i] * x[i]; may alias. */
void oc__drop_row(const oc__drop *d, int64_t word, int64_t n, const float *x, float *y);

/* A linear layer y = x W^T + b, W [O,I], ready to be multiplied. */
typedef struct oc__linear {
    const float *w; /* f32 [O,I] of the model, NULL when quantized or when it stands for several */
    const float *bias; /* [O] */
    const int8_t *wq;  /* s8 [O,I] of the model, NULL likewise */
    int64_t I, O;
    oc_packed_f32 f32; /* of W^T; where layers are packed when met, they share a place per role */
    oc_packed_s8 s8;   /* panel NULL: the layer is f32 */
    int32_t param;     /* index in the layout: where its gradient goes */
    int32_t param_bias;
} oc__linear;

typedef struct oc__layer {
    int32_t A;
    int64_t AD, F;
    int64_t W, ld, ld_c;           /* columns of q, k or v; row strides of qkv and of c */
    oc__linear q, k, v, o, f1, f2; /* O of q, k and v is AD */
    oc__linear qkv, kv;            /* q, k, v and k, v as one, where all are f32 or all s8 */
    bool together;                 /* they are */
    float *bias3, *scale3;         /* [3W] of qkv */
    const float *ln1_g, *ln1_b, *ln2_g, *ln2_b;

    float *x;            /* [N,H] input of the layer */
    float *xr;           /* [R,H] its rows that go on; x itself unless only [CLS] rows do */
    float *qx, *kx, *vx; /* [N,3W] at the columns of q, k, v; [CLS] rows only: q is [B,W] apart */
    int64_t ld_q;        /* row stride of qx: ld, or W where only [CLS] rows go on */
    float *c;            /* [R,AD] context */
    float *out;          /* [R,H] after LN2 */

    /* Training only; scratch of a block in inference. */
    float *s1, *y;        /* [R,H] before and after LN1 */
    float *u, *g;         /* [R,F] before and after the activation */
    float *s2;            /* [R,H] before LN2 */
    float *lse;           /* [R,A] log-sum-exp of the scores */
    float *mean1, *rstd1; /* [R] of LN1, LN2 */
    float *mean2, *rstd2;
} oc__layer;

/* What one worker keeps of a block of rows. */
typedef struct oc__block {
    float *s, *y, *g; /* inference: [OC__BLOCK_ROWS] x H, H, F; u lies under g, s2 under s1 */
    int8_t *xq;       /* the present input of a product, quantized: [OC__BLOCK_ROWS, Kp] */
    float *xs;        /* [OC__BLOCK_ROWS] its scales */
} oc__block;

struct oc_bert {
    const oc_model *m; /* borrowed */
    oc_limits lim;
    oc_arena arena;
    bool far;      /* its weights come from memory for every batch */
    int workers;   /* the scratch below is for this many */
    bool cls_only; /* after the last attention only the [CLS] rows go on */
    bool when_met; /* layers are packed by forward, each into the place of the one before */
    oc_epilogue act, pool_act;
    oc_bert_observer observe; /* NULL: nobody looks */
    void *observe_ctx;

    oc__layer layer[OC_MAX_LAYERS];
    oc__linear pool, cls;
    const float *emb_g, *emb_b;
    float *e, *mean0, *rstd0;    /* [N,H], [N], [N]: embeddings before their LN (training) */
    float *cls_rows;             /* [B,H] what the pooler reads */
    float *pooled, *pooled_drop; /* [B,H] */

    oc__block *block;    /* [workers] */
    float *attn_scratch; /* [workers][attn_floats] */
    int64_t attn_floats;

    /* when_met: packed weights of the layer at hand, by role; qkv's are three matrices. */
    char *pack_qkv, *pack_o, *pack_f1, *pack_f2;

    /* Backward. */
    float *pack;       /* one packed matrix at a time */
    float *tn_scratch; /* [workers][oc_gemm_tn_floats()] */
    float *d;          /* [N,H] gradient of a layer's output, then of its input */
    float *d_cls;      /* [B,H] the same where only the [CLS] rows go on */
    float *d_drop;     /* [N,H] after a dropout mask */
    float *d_wide;     /* [N, max(F, AD)] gradient of g, u, c, q */
    float *d_k, *d_v;  /* [N,AD] */
    float *d_pool;     /* [B,H] */
    float *ln_part;    /* [chunks of N][2H] partial sums of the LayerNorm gradients */
};

/* Rows of a block: some tiles, so that weights are read few times, and its rows stay in L2. */
#define OC__BLOCK_ROWS 128

/* Dropout between the attention's output and its residual; DistilBERT has none there. */
static inline float oc__p_attn_out(const oc_dims *d)
{
    return d->arch == OC_ARCH_DISTILBERT ? 0.0f : d->p_hidden;
}

/* Rows of one piece of a parallel loop over rows. */
#define OC__ROW_GRAIN 16

/* Rows that go on after the attention of layer l. */
static inline bool oc__is_cls(const oc_bert *b, int32_t l)
{
    return b->cls_only && l == b->m->dims.L - 1;
}

/* The rows of a batch at some point of the network: all N, or the [CLS] row of each note. */
typedef struct oc__rows {
    int64_t n;
    const int32_t *at; /* row i of the buffer is row at[i] of the batch; NULL: i */
} oc__rows;
static inline oc__rows oc__rows_of(const oc_bert *b, const oc_batch *batch, int32_t l)
{
    if (oc__is_cls(b, l))
        return (oc__rows){batch->B, batch->start};
    return (oc__rows){batch->N, NULL};
}
static inline int64_t oc__row_at(const oc__rows *r, int64_t i)
{
    return r->at ? r->at[i] : i;
}

/* Pack what the rows of layer l meet after attention: its matrices, then those that make q, k, v of
 * the next, or the pooler and classifier. l = -1: what the embeddings meet. Borrowed weights are
 * looked at on the way; false: one is no number (oc_model_check says which). */
bool oc__pack_layer(oc_bert *b, int32_t l) OC_NODISCARD;
/* The same for what is not packed: embeddings, biases, norms. */
bool oc__look_at_rest(const oc_model *m) OC_NODISCARD;

/* oc_bert_forward; false as oc__pack_layer where weights are packed when met. */
bool oc__forward(oc_bert *b, const oc_batch *batch, const oc_dropout *drop, float *logits);

/* One head of one note. */
typedef struct oc__head {
    int64_t a, T, D;
    int64_t ld, ld_q, ld_c; /* row strides of k and v, of q, of c */
    int64_t k0;             /* first row of the note: keys, values */
    int64_t q0, n_q;        /* first query row in its buffer, query rows */
    float scale;            /* 1 / sqrt(D) */
    const uint8_t *mask;    /* [T] or NULL */
    const float *q, *k, *v; /* at the note's first row, at the head's first column */
    float *c;               /* likewise; may be q */
    oc_arena scratch;       /* the worker's, nothing used */
} oc__head;

/* The same with int8 products (attention_s8.c), as oc_model_attn_is_s8 says; no training. */
int64_t oc__attn_s8_floats(int64_t T, int64_t D);                   /* scratch of one worker */
void oc__attn_s8_head(const oc__head *h, int64_t from, int64_t to); /* query rows [from, to) */

/* Attention of one layer over a batch (attention.c). */
int64_t oc__attn_floats(int64_t T, int64_t D, bool train); /* scratch of one worker */
void oc__attn_forward(oc_bert *b, int32_t l, const oc_batch *batch, const oc_dropout *drop);
/*
 *   dc  inout  f32 [R,AD] gradient of c, overwritten by that of q
 *   dk, dv  out f32 [N,AD]
 */
void oc__attn_backward(oc_bert *b, int32_t l, const oc_batch *batch, const oc_dropout *drop,
                       float *dc, float *dk, float *dv);

#endif
