/*
 * core/io/export_onnx.c - the network as an ONNX graph, each layer in its own shape.
 *
 * Written in the forms that ONNX Runtime recognizes and fuses: LayerNormalization after Add, Gelu
 * spelled by Erf, DynamicQuantizeLinear - MatMulInteger - Cast - Mul - Add, QuantizeLinear and
 * DequantizeLinear around MatMul. After the last attention only the [CLS] row goes on, as in
 * core/nn/bert.h.
 *
 * INT8 matrices are stored as S8 with zero point 0. Inputs are U8, since DynamicQuantizeLinear knows
 * nothing else; ONNX Runtime's U8 by S8 products add two in 16 bits on x86 CPUs without VNNI and
 * saturate there (255 * 127 * 2 > 32767) unless its session option session.x64quantprecision is 1 or
 * weights have 7 bits (quant.bits; 255 * 63 * 2 = 32130).
 * U8 weights around 128 would be exact without it, but take 2.4 times as long where there is VNNI
 * (AVX-VNNI, one thread, TinyBERT-4L-312 at 128 tokens: 9.3 ms against 3.8 ms, f32 9.5 ms).
 */
#include <math.h>
#include <string.h>

#include "core/io/export_onnx_pb.h"
#include "core/io/export_priv.h"

/* An input of matrix products, quantized once for all of them. */
typedef struct quantized {
    const char *x;                /* NULL: none yet */
    const char *q, *scale, *zero; /* u8, f32 scalar, u8 scalar */
    const char *back;             /* OC_ONNX_STATIC: the values that q stands for */
} quantized;

typedef struct net {
    oc__ox *g;
    const oc_model *m;
    oc_onnx_precision precision;
    const oc_input_range *range;
    quantized last;
    const char *mask; /* f32 [batch, 1, 1, sequence]: 0, or the lowest float where masked */
    const char *first, *second, *axis1; /* s64 [1]: 0, 1, 1 */
} net;

/* Names in a NULL-terminated list. */
#define IN(...)           \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }
/* The same in every node: one output. */
static const char *op(net *n, const char *type, const char *name, const char *const *in)
{
    const char *out;
    oc__ox_node(n->g, type, name, in, 0, NULL, 1, &out);
    return out;
}

static const char *op_int(net *n, const char *type, const char *name, const char *const *in,
                          const char *attr, int64_t i)
{
    const char *out;
    oc__ox_node(n->g, type, name, in, 1, &(oc__ox_attr){.name = attr, .i = i}, 1, &out);
    return out;
}

/* "<base>.<what>" */
static const char *sub(net *n, const char *base, const char *what)
{
    return oc__ox_name(n->g, "%s.%s", base, what);
}

/* --- tensors of the model --------------------------------------------------------------------- */

static const oc_param *param(const net *n, oc_kind k, int32_t l)
{
    return oc_layout_at(&n->m->layout, k, l);
}

static bool as_int8(const net *n, const oc_param *p)
{
    return n->precision != OC_ONNX_F32 && n->m->w[p - n->m->layout.param].q;
}

/* Bias or LayerNorm parameter, under its own name. */
static const char *vector(net *n, oc_kind k, int32_t l)
{
    const oc_param *p = param(n, k, l);
    return oc__ox_tensor(n->g, p->name, OC__OX_F32, 1, &p->rows, oc_model_at(n->m, k, l)->f32);
}

/* W [O,I] of a linear layer as f32 [I,O], which is how MatMul takes it. */
static const char *weight_f32(net *n, const oc_param *p)
{
    const oc_weight *w = &n->m->w[p - n->m->layout.param];
    int64_t dim[2] = {p->cols, p->rows};
    float *t = oc__ox_alloc(n->g, (size_t)p->n * sizeof *t);
    for (int64_t o = 0; t && o < p->rows; o++)
        for (int64_t i = 0; i < p->cols; i++)
            t[i * p->rows + o] =
                w->q ? w->scale[o] * (float)w->q[o * p->cols + i] : w->f32[o * p->cols + i];
    return oc__ox_tensor(n->g, sub(n, p->name, "T"), OC__OX_F32, 2, dim, t);
}

/* q [O,I] as s8 [I,O]. */
static const char *weight_s8(net *n, const oc_param *p)
{
    const oc_weight *w = &n->m->w[p - n->m->layout.param];
    int64_t dim[2] = {p->cols, p->rows};
    int8_t *t = oc__ox_alloc(n->g, (size_t)p->n);
    for (int64_t o = 0; t && o < p->rows; o++)
        for (int64_t i = 0; i < p->cols; i++)
            t[i * p->rows + o] = w->q[o * p->cols + i];
    return oc__ox_tensor(n->g, sub(n, p->name, "T"), OC__OX_S8, 2, dim, t);
}

static const char *weight_scale(net *n, const oc_param *p)
{
    return oc__ox_tensor(n->g, sub(n, p->name, "scale"), OC__OX_F32, 1, &p->rows,
                         n->m->w[p - n->m->layout.param].scale);
}

/* --- linear layers ---------------------------------------------------------------------------- */

static void quantize_dynamic(net *n, const char *x, const char *base)
{
    const char *out[3];
    oc__ox_node(n->g, "DynamicQuantizeLinear", sub(n, base, "input"), IN(x), 0, NULL, 3, out);
    n->last = (quantized){.x = x, .q = out[0], .scale = out[1], .zero = out[2]};
}

static void quantize_static(net *n, const char *x, const char *base, oc_input_range r)
{
    // Zero must be a value of its own: what is masked or padded stays nothing.
    float lo = fminf(r.lo, 0), hi = fmaxf(r.hi, 0);
    float scale = (hi - lo) / 255.0f;
    if (!(scale > 0))
        scale = 1;
    uint8_t *zero = oc__ox_alloc(n->g, 1);
    if (zero)
        *zero = (uint8_t)lrintf(fminf(255, fmaxf(0, -lo / scale)));
    quantized *q = &n->last;
    *q = (quantized){.x = x};
    q->scale = oc__ox_f32(n->g, sub(n, base, "input_scale"), scale);
    q->zero = oc__ox_tensor(n->g, sub(n, base, "input_zero"), OC__OX_U8, 0, NULL, zero);
    q->q = op(n, "QuantizeLinear", sub(n, base, "input"), IN(x, q->scale, q->zero));
    q->back = op(n, "DequantizeLinear", sub(n, base, "input_back"), IN(q->q, q->scale, q->zero));
}

/* x W^T from integers: DynamicQuantizeLinear's x, one scale for all of it. */
static const char *matmul_dynamic(net *n, const oc_param *p, const char *x, const char *base)
{
    if (n->last.x != x)
        quantize_dynamic(n, x, base);
    const quantized *q = &n->last;
    const char *scales = op(n, "Mul", sub(n, base, "scales"), IN(q->scale, weight_scale(n, p)));
    const char *s32 =
        op(n, "MatMulInteger", sub(n, base, "MatMulInteger"), IN(q->q, weight_s8(n, p), q->zero));
    const char *f32 = op_int(n, "Cast", sub(n, base, "Cast"), IN(s32), "to", OC__OX_F32);
    return op(n, "Mul", sub(n, base, "Mul"), IN(f32, scales));
}

static const char *matmul_static(net *n, const oc_param *p, const char *x, const char *base)
{
    if (n->last.x != x)
        quantize_static(n, x, base, n->range[p - n->m->layout.param]);
    const char *w = op_int(n, "DequantizeLinear", sub(n, base, "weight_back"),
                           IN(weight_s8(n, p), weight_scale(n, p)), "axis", 1);
    return op(n, "MatMul", sub(n, base, "MatMul"), IN(n->last.back, w));
}

/* y = x W^T + b; the bias follows its weight in the layout. */
static const char *linear(net *n, oc_kind k, int32_t l, const char *x)
{
    const oc_param *p = param(n, k, l);
    const char *base =
        oc__ox_name(n->g, "%.*s", (int)(strlen(p->name) - strlen(".weight")), p->name);
    const char *y;
    if (!as_int8(n, p))
        y = op(n, "MatMul", sub(n, base, "MatMul"), IN(x, weight_f32(n, p)));
    else if (n->precision == OC_ONNX_DYNAMIC)
        y = matmul_dynamic(n, p, x, base);
    else
        y = matmul_static(n, p, x, base);
    return op(n, "Add", base, IN(y, vector(n, (oc_kind)(k + 1), l)));
}

/* --- the rest of a layer ---------------------------------------------------------------------- */

static const char *layer_norm(net *n, oc_kind gain, int32_t l, const char *x)
{
    const oc_param *p = param(n, gain, l);
    oc__ox_attr attr[] = {{.name = "axis", .i = -1},
                          {.name = "epsilon", .is_float = true, .f = n->m->dims.eps}};
    const char *out,
        *base = oc__ox_name(n->g, "%.*s", (int)(strlen(p->name) - strlen(".weight")), p->name);
    oc__ox_node(n->g, "LayerNormalization", base,
                IN(x, vector(n, gain, l), vector(n, (oc_kind)(gain + 1), l)), 2, attr, 1, &out);
    return out;
}

static const char *number(net *n, const char *base, const char *what, double v)
{
    return oc__ox_f32(n->g, sub(n, base, what), (float)v);
}

static const char *gelu(net *n, const char *base, const char *x)
{
    const char *t = op(n, "Div", sub(n, base, "Div"), IN(x, number(n, base, "sqrt2", sqrt(2.0))));
    t = op(n, "Erf", sub(n, base, "Erf"), IN(t));
    t = op(n, "Add", sub(n, base, "Add"), IN(t, number(n, base, "one", 1)));
    t = op(n, "Mul", sub(n, base, "Mul"), IN(x, t));
    return op(n, "Mul", base, IN(t, number(n, base, "half", 0.5)));
}

/* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
static const char *gelu_new(net *n, const char *base, const char *x)
{
    const char *t = op(n, "Pow", sub(n, base, "Pow"), IN(x, number(n, base, "three", 3)));
    t = op(n, "Mul", sub(n, base, "Mul"), IN(t, number(n, base, "c", 0.044715)));
    t = op(n, "Add", sub(n, base, "Add"), IN(x, t));
    t = op(n, "Mul", sub(n, base, "Mul2"),
           IN(t, number(n, base, "s", 0.7978845608028654))); // sqrt(2/pi)
    t = op(n, "Tanh", sub(n, base, "Tanh"), IN(t));
    t = op(n, "Add", sub(n, base, "Add2"), IN(t, number(n, base, "one", 1)));
    const char *h = op(n, "Mul", sub(n, base, "Mul3"), IN(x, number(n, base, "half", 0.5)));
    return op(n, "Mul", base, IN(h, t));
}

static const char *activation(net *n, int32_t l, const char *x)
{
    const char *base = oc__ox_name(n->g, "layer.%d.act", (int)l);
    switch (n->m->dims.act) {
    case OC_ACT_GELU: return gelu(n, base, x);
    case OC_ACT_GELU_NEW: return gelu_new(n, base, x);
    case OC_ACT_RELU: break;
    }
    return op(n, "Relu", base, IN(x));
}

static const char *transpose(net *n, const char *name, const char *x, const int64_t *perm)
{
    const char *out;
    oc__ox_node(n->g, "Transpose", name, IN(x), 1,
                &(oc__ox_attr){.name = "perm", .n = 4, .ints = perm}, 1, &out);
    return out;
}

/* [batch, T, AD] -> [batch, A, T, D], or [batch, A, D, T] for keys. */
static const char *split_heads(net *n, const char *name, const char *x, const char *shape,
                               bool keys)
{
    static const int64_t rows[] = {0, 2, 1, 3}, columns[] = {0, 2, 3, 1};
    x = op(n, "Reshape", sub(n, name, "heads"), IN(x, shape));
    return transpose(n, name, x, keys ? columns : rows);
}

/* kv: the rows attended to; xq: the rows that attend. */
static const char *attention(net *n, int32_t l, const char *kv, const char *xq)
{
    static const int64_t back[] = {0, 2, 1, 3};
    const oc_dims *d = &n->m->dims;
    const char *base = oc__ox_name(n->g, "layer.%d.attention", (int)l);
    const char *heads = oc__ox_s64(n->g, sub(n, base, "heads"), 4,
                                   (const int64_t[]){0, 0, d->A[l], d->D}); // 0: as it is
    const char *joined = oc__ox_s64(n->g, sub(n, base, "joined"), 3,
                                    (const int64_t[]){0, 0, (int64_t)d->A[l] * d->D});
    const char *k = linear(n, OC_P_K_W, l, kv), *v = linear(n, OC_P_V_W, l, kv),
               *q = linear(n, OC_P_Q_W, l, xq);
    q = split_heads(n, sub(n, base, "q"), q, heads, false);
    k = split_heads(n, sub(n, base, "k"), k, heads, true);
    v = split_heads(n, sub(n, base, "v"), v, heads, false);
    const char *s = op(n, "MatMul", sub(n, base, "scores"), IN(q, k));
    s = op(n, "Div", sub(n, base, "scaled"), IN(s, number(n, base, "sqrt_d", sqrt(d->D))));
    s = op(n, "Add", sub(n, base, "masked"), IN(s, n->mask));
    s = op_int(n, "Softmax", sub(n, base, "probs"), IN(s), "axis", -1);
    const char *c = op(n, "MatMul", sub(n, base, "context"), IN(s, v));
    c = transpose(n, sub(n, base, "rows"), c, back);
    return op(n, "Reshape", base, IN(c, joined));
}

static const char *encoder_layer(net *n, int32_t l, const char *x)
{
    const char *base = oc__ox_name(n->g, "layer.%d", (int)l), *xq = x;
    if (l == n->m->dims.L - 1)
        xq = op(n, "Slice", sub(n, base, "cls"), IN(x, n->first, n->second, n->axis1));
    const char *y = linear(n, OC_P_O_W, l, attention(n, l, x, xq));
    y = op(n, "Add", sub(n, base, "add1"), IN(y, xq));
    y = layer_norm(n, OC_P_LN1_G, l, y);
    const char *u = activation(n, l, linear(n, OC_P_F1_W, l, y));
    u = linear(n, OC_P_F2_W, l, u);
    u = op(n, "Add", sub(n, base, "add2"), IN(u, y));
    return layer_norm(n, OC_P_LN2_G, l, u);
}

/* --- both ends -------------------------------------------------------------------------------- */

/* An embedding table, or its int8 rows and their scales [rows, 1]. */
typedef struct embedding {
    const char *w, *scale; /* scale NULL: w is f32 */
} embedding;

static embedding table(net *n, const oc_param *p)
{
    const oc_weight *w = &n->m->w[p - n->m->layout.param];
    int64_t dim[2] = {p->rows, p->cols}, one[2] = {p->rows, 1};
    if (as_int8(n, p))
        return (embedding){
            oc__ox_tensor(n->g, p->name, OC__OX_S8, 2, dim, w->q),
            oc__ox_tensor(n->g, sub(n, p->name, "scale"), OC__OX_F32, 2, one, w->scale)};
    const float *f = w->f32;
    if (!f) {
        float *made = oc__ox_alloc(n->g, (size_t)p->n * sizeof *made);
        if (made)
            oc__export_floats(n->m, (int32_t)(p - n->m->layout.param), made);
        f = made;
    }
    return (embedding){oc__ox_tensor(n->g, p->name, OC__OX_F32, 2, dim, f), NULL};
}

/* Rows chosen from a table: of `ids`, or (ids NULL) the first `count` of them. */
static const char *choose(net *n, const char *name, const char *from, const char *ids,
                          const char *count)
{
    return ids ? op(n, "Gather", name, IN(from, ids))
               : op(n, "Slice", name, IN(from, n->first, count, n->first));
}

static const char *embed(net *n, oc_kind k, const char *ids, const char *count)
{
    const oc_param *p = param(n, k, -1);
    const char *base = oc__ox_name(n->g, "embed.%s", oc_kind_short(k));
    embedding t = table(n, p);
    if (!t.scale)
        return choose(n, base, t.w, ids, count);
    // One scale a row: DequantizeLinear has no form for that after Gather.
    const char *q = choose(n, sub(n, base, "q"), t.w, ids, count);
    const char *s = choose(n, sub(n, base, "scale"), t.scale, ids, count);
    q = op_int(n, "Cast", sub(n, base, "Cast"), IN(q), "to", OC__OX_F32);
    return op(n, "Mul", base, IN(q, s));
}

static const char *embeddings(net *n)
{
    const char *shape = op(n, "Shape", "shape", IN("input_ids"));
    const char *T = op(n, "Slice", "length",
                       IN(shape, n->second, oc__ox_s64(n->g, "two", 1, (const int64_t[]){2})));
    const char *x = embed(n, OC_P_WORD, "input_ids", NULL);
    if (param(n, OC_P_TYPE, -1))
        x = op(n, "Add", "embed.add1", IN(x, embed(n, OC_P_TYPE, "token_type_ids", NULL)));
    x = op(n, "Add", "embed.add2", IN(x, embed(n, OC_P_POS, NULL, T)));
    return layer_norm(n, OC_P_EMB_LN_G, -1, x);
}

/* 0 where attended to, the lowest float where not: exp of it is 0 beside any score. */
static void make_mask(net *n)
{
    const char *axes = oc__ox_s64(n->g, "mask.axes", 2, (const int64_t[]){1, 2});
    const char *m = op(n, "Unsqueeze", "mask.wide", IN("attention_mask", axes));
    m = op_int(n, "Cast", "mask.f32", IN(m), "to", OC__OX_F32);
    m = op(n, "Sub", "mask.not", IN(number(n, "mask", "one", 1), m));
    n->mask = op(n, "Mul", "mask", IN(m, number(n, "mask", "lowest", (double)-__FLT_MAX__)));
}

static void ends(net *n)
{
    static const oc__ox_dim rows[] = {{.param = "batch"}, {.param = "sequence"}};
    oc__ox_input(n->g, "input_ids", OC__OX_S64, 2, rows);
    oc__ox_input(n->g, "attention_mask", OC__OX_S64, 2, rows);
    if (param(n, OC_P_TYPE, -1))
        oc__ox_input(n->g, "token_type_ids", OC__OX_S64, 2, rows);
    const oc__ox_dim out[] = {{.param = "batch"}, {.value = n->m->dims.K}};
    oc__ox_output(n->g, "logits", OC__OX_F32, 2, out);
}

static void build(net *n)
{
    ends(n);
    n->first = oc__ox_s64(n->g, "zero", 1, (const int64_t[]){0});
    n->second = n->axis1 = oc__ox_s64(n->g, "one", 1, (const int64_t[]){1});
    make_mask(n);
    const char *x = embeddings(n);
    for (int32_t l = 0; l < n->m->dims.L; l++)
        x = encoder_layer(n, l, x);
    x = op(n, "Squeeze", "cls", IN(x, n->axis1)); // [batch, 1, H] -> [batch, H]
    x = linear(n, OC_P_POOL_W, -1, x);
    x = op(n, oc__export_pool_relu(&n->m->dims) ? "Relu" : "Tanh", "pooled", IN(x));
    op(n, "Identity", "logits", IN(linear(n, OC_P_CLS_W, -1, x)));
}

/* --- the door --------------------------------------------------------------------------------- */

oc_status oc__export_onnx_check(const oc_checkpoint *c, const oc_export_opts *o, oc_err *err)
{
    const oc_model *m = c->model;
    bool any = false;
    int64_t bytes = 0;
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        any = any || (m->w[i].q && oc_kind_is_matrix(p->kind));
        bytes += p->n * (m->w[i].q && o->precision != OC_ONNX_F32 ? 1 : 4);
    }
    if (o->precision != OC_ONNX_F32 && !any)
        return OC_FAIL(err, OC_UNSUPPORTED,
                       "%s has no int8 weights, so it cannot be exported as %s; quantize it first "
                       "(optimclm quantize)",
                       *c->path ? c->path : "the model", oc_onnx_precision_name(o->precision));
    if (bytes > INT32_MAX)
        return OC_FAIL(err, OC_UNSUPPORTED,
                       "the weights have %lld bytes; an ONNX file has at most 2 GB",
                       (long long)bytes);
    return OC_OK;
}

oc_status oc__export_onnx_write(const oc_checkpoint *c, const oc_export_opts *o, const char *path,
                                int64_t *bytes, oc_err *err)
{
    net n = {.m = c->model, .precision = o->precision, .range = o->range};
    OC_TRY(oc__ox_new(&n.g, err));
    build(&n);
    oc_status rc = oc__ox_write(n.g, path, bytes, err);
    oc__ox_free(n.g);
    return rc;
}
