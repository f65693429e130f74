#include "core/io/export_onnx_pb.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <onnx.pb-c.h>

#include "core/base/alloc.h"
#include "core/base/file.h"

#define PRODUCER "optimclm"

struct oc__ox {
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset, *opsets[1];
    size_t cap_node, cap_tensor, cap_input, cap_output;
    void **own; /* owned [n_own]: everything of the graph */
    size_t n_own, cap_own;
    bool failed;
};

/* protobuf-c's fields are not const; nothing is written through them. */
static char *text(const char *s)
{
    char *p;
    memcpy(&p, &s, sizeof p);
    return p;
}

oc_status oc__ox_new(oc__ox **out, oc_err *err)
{
    oc__ox *g = oc_calloc(1, sizeof *g);
    if (!g)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    onnx__model_proto__init(&g->model);
    onnx__graph_proto__init(&g->graph);
    onnx__operator_set_id_proto__init(&g->opset);
    g->model.has_ir_version = true;
    g->model.ir_version = OC__OX_IR;
    g->model.producer_name = text(PRODUCER);
    g->model.producer_version = text(OC_VERSION);
    g->model.graph = &g->graph;
    g->graph.name = text("optimclm");
    g->opset.domain = text("");
    g->opset.has_version = true;
    g->opset.version = OC__OX_OPSET;
    g->opsets[0] = &g->opset;
    g->model.n_opset_import = 1;
    g->model.opset_import = g->opsets;
    *out = g;
    return OC_OK;
}

void oc__ox_free(oc__ox *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_own; i++)
        oc_free(g->own[i]);
    oc_free(g->own);
    oc_free(g->graph.node);
    oc_free(g->graph.initializer);
    oc_free(g->graph.input);
    oc_free(g->graph.output);
    oc_free(g);
}

void *oc__ox_alloc(oc__ox *g, size_t bytes)
{
    void *p = NULL;
    if (!g->failed && oc_grow(&g->own, &g->cap_own, g->n_own + 1, sizeof *g->own, NULL) == OC_OK)
        p = oc_calloc(1, bytes);
    if (p)
        g->own[g->n_own++] = p;
    else
        g->failed = true;
    return p;
}

const char *oc__ox_name(oc__ox *g, const char *fmt, ...)
{
    char room[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(room, sizeof room, fmt, ap);
    va_end(ap);
    OC_CHECK(n >= 0 && n < (int)sizeof room);
    char *s = oc__ox_alloc(g, (size_t)n + 1);
    if (!s)
        return "";
    memcpy(s, room, (size_t)n);
    return s;
}

static char *copy(oc__ox *g, const char *s)
{
    return text(oc__ox_name(g, "%s", s));
}

/* Append to one of the graph's lists. */
static void append(oc__ox *g, void *list, size_t *n, size_t *cap, void *item)
{
    void **p;
    if (!item || oc_grow(list, cap, *n + 1, sizeof item, NULL) != OC_OK) {
        g->failed = true;
        return;
    }
    memcpy(&p, list, sizeof p);
    p[(*n)++] = item;
}

/* --- inputs and outputs ----------------------------------------------------------------------- */

static Onnx__TensorShapeProto *shape(oc__ox *g, int n, const oc__ox_dim *dim)
{
    Onnx__TensorShapeProto *s = oc__ox_alloc(g, sizeof *s);
    Onnx__TensorShapeProto__Dimension **list = oc__ox_alloc(g, (size_t)n * sizeof *list);
    for (int i = 0; i < n && list; i++) {
        Onnx__TensorShapeProto__Dimension *d = list[i] = oc__ox_alloc(g, sizeof *d);
        if (!d)
            return NULL;
        onnx__tensor_shape_proto__dimension__init(d);
        if (dim[i].param) {
            d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d->dim_param = copy(g, dim[i].param);
        } else {
            d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d->dim_value = dim[i].value;
        }
    }
    if (!s || !list)
        return NULL;
    onnx__tensor_shape_proto__init(s);
    s->n_dim = (size_t)n;
    s->dim = list;
    return s;
}

static Onnx__ValueInfoProto *value(oc__ox *g, const char *name, oc__ox_type t, int n,
                                   const oc__ox_dim *dim)
{
    Onnx__ValueInfoProto *v = oc__ox_alloc(g, sizeof *v);
    Onnx__TypeProto *type = oc__ox_alloc(g, sizeof *type);
    Onnx__TypeProto__Tensor *tensor = oc__ox_alloc(g, sizeof *tensor);
    if (!v || !type || !tensor)
        return NULL;
    onnx__value_info_proto__init(v);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = true;
    tensor->elem_type = (int32_t)t;
    tensor->shape = shape(g, n, dim);
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    v->name = copy(g, name);
    v->type = type;
    return tensor->shape ? v : NULL;
}

void oc__ox_input(oc__ox *g, const char *name, oc__ox_type t, int n, const oc__ox_dim *dim)
{
    append(g, &g->graph.input, &g->graph.n_input, &g->cap_input, value(g, name, t, n, dim));
}

void oc__ox_output(oc__ox *g, const char *name, oc__ox_type t, int n, const oc__ox_dim *dim)
{
    append(g, &g->graph.output, &g->graph.n_output, &g->cap_output, value(g, name, t, n, dim));
}

/* --- tensors ---------------------------------------------------------------------------------- */

static int64_t type_bytes(oc__ox_type t)
{
    switch (t) {
    case OC__OX_U8:
    case OC__OX_S8: return 1;
    case OC__OX_F32:
    case OC__OX_S32: return 4;
    case OC__OX_S64: return 8;
    }
    return 0;
}

const char *oc__ox_tensor(oc__ox *g, const char *name, oc__ox_type t, int n_dims,
                          const int64_t *dim, const void *data)
{
    Onnx__TensorProto *x = oc__ox_alloc(g, sizeof *x);
    int64_t *dims = oc__ox_alloc(g, (size_t)n_dims * sizeof *dims);
    if (!x || !dims || !data) {
        g->failed = true;
        return "";
    }
    int64_t bytes = type_bytes(t); // shapes come from a checked layout: cannot overflow
    for (int i = 0; i < n_dims; i++)
        bytes *= dims[i] = dim[i];
    onnx__tensor_proto__init(x);
    x->n_dims = (size_t)n_dims;
    x->dims = dims;
    x->has_data_type = true;
    x->data_type = (int32_t)t;
    x->name = copy(g, name);
    x->has_raw_data = true;
    x->raw_data.len = (size_t)bytes;
    memcpy(&x->raw_data.data, &data, sizeof data);
    append(g, &g->graph.initializer, &g->graph.n_initializer, &g->cap_tensor, x);
    return x->name;
}

const char *oc__ox_f32(oc__ox *g, const char *name, float v)
{
    float *p = oc__ox_alloc(g, sizeof *p);
    if (p)
        *p = v;
    return oc__ox_tensor(g, name, OC__OX_F32, 0, NULL, p);
}

const char *oc__ox_s64(oc__ox *g, const char *name, int n, const int64_t *v)
{
    int64_t *p = oc__ox_alloc(g, (size_t)n * sizeof *p), dim = n;
    if (p)
        memcpy(p, v, (size_t)n * sizeof *p);
    return oc__ox_tensor(g, name, OC__OX_S64, 1, &dim, p);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static Onnx__AttributeProto *attribute(oc__ox *g, const oc__ox_attr *a)
{
    Onnx__AttributeProto *p = oc__ox_alloc(g, sizeof *p);
    int64_t *ints = a->n > 0 ? oc__ox_alloc(g, (size_t)a->n * sizeof *ints) : NULL;
    if (!p || (a->n > 0 && !ints))
        return NULL;
    onnx__attribute_proto__init(p);
    p->name = copy(g, a->name);
    p->has_type = true;
    if (ints) {
        memcpy(ints, a->ints, (size_t)a->n * sizeof *ints);
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        p->n_ints = (size_t)a->n;
        p->ints = ints;
    } else if (a->is_float) {
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        p->has_f = true;
        p->f = a->f;
    } else {
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        p->has_i = true;
        p->i = a->i;
    }
    return p;
}

static void node_inputs(oc__ox *g, Onnx__NodeProto *p, const char *const *in)
{
    while (in[p->n_input])
        p->n_input++;
    p->input = oc__ox_alloc(g, p->n_input * sizeof *p->input);
    for (size_t i = 0; i < p->n_input && p->input; i++)
        p->input[i] = copy(g, in[i]);
}

void oc__ox_node(oc__ox *g, const char *op, const char *name, const char *const *in, int n_attr,
                 const oc__ox_attr *attr, int n_out, const char **out)
{
    for (int i = 0; i < n_out; i++)
        out[i] = i == 0 ? oc__ox_name(g, "%s", name) : oc__ox_name(g, "%s.%d", name, i);
    Onnx__NodeProto *p = oc__ox_alloc(g, sizeof *p);
    if (!p)
        return;
    onnx__node_proto__init(p);
    p->name = copy(g, name);
    p->op_type = copy(g, op);
    node_inputs(g, p, in);
    p->output = oc__ox_alloc(g, (size_t)n_out * sizeof *p->output);
    for (int i = 0; i < n_out && p->output; i++)
        p->output[i] = text(out[i]);
    p->n_output = (size_t)n_out;
    p->attribute = oc__ox_alloc(g, (size_t)n_attr * sizeof(Onnx__AttributeProto *));
    for (int i = 0; i < n_attr && p->attribute; i++)
        p->attribute[i] = attribute(g, &attr[i]);
    p->n_attribute = (size_t)n_attr;
    append(g, &g->graph.node, &g->graph.n_node, &g->cap_node, p);
}

/* --- the file --------------------------------------------------------------------------------- */

typedef struct sink {
    ProtobufCBuffer base;
    oc_writer *w;
    oc_buf small; /* what comes in pieces of a few bytes */
    oc_status rc;
    oc_err *err;
} sink;

static void flush(sink *s)
{
    if (s->rc == OC_OK)
        s->rc = oc_buf_check(&s->small, s->err);
    if (s->rc == OC_OK && s->small.len > 0)
        s->rc = oc_writer_put(s->w, s->small.data, s->small.len, s->err);
    oc_buf_clear(&s->small);
}

static void put(ProtobufCBuffer *base, size_t n, const uint8_t *data)
{
    sink *s = (sink *)base;
    if (s->small.len + n > 1 << 16)
        flush(s);
    if (n <= 1 << 16)
        oc_buf_add(&s->small, data, n);
    else if (s->rc == OC_OK)
        s->rc = oc_writer_put(s->w, data, n, s->err);
}

oc_status oc__ox_write(oc__ox *g, const char *path, int64_t *bytes, oc_err *err)
{
    if (g->failed)
        return OC_FAIL(err, OC_NOMEM, "out of memory writing %s", path);
    size_t n = onnx__model_proto__get_packed_size(&g->model);
    if (n > INT32_MAX)
        return OC_FAIL(err, OC_UNSUPPORTED,
                       "%s would have %lld bytes; an ONNX file has at most 2 GB", path,
                       (long long)n);
    sink s = {.base = {.append = put}, .err = err};
    OC_TRY(oc_writer_begin(path, &s.w, err));
    onnx__model_proto__pack_to_buffer(&g->model, &s.base);
    flush(&s);
    oc_buf_release(&s.small);
    if (s.rc != OC_OK) {
        oc_writer_abort(s.w);
        return s.rc;
    }
    OC_TRY(oc_writer_commit(s.w, err));
    *bytes = (int64_t)n;
    return OC_OK;
}

bool oc__ox_is_ours(const char *path)
{
    // ir_version and producer_name, fields 1 and 2, come first.
    static const char head[] = {8, OC__OX_IR, 18, sizeof PRODUCER - 1};
    oc_map m;
    if (oc_file_map(path, &m, NULL) != OC_OK)
        return false;
    bool ours = m.n > sizeof head + sizeof PRODUCER && !memcmp(m.data, head, sizeof head) &&
                !memcmp(m.data + sizeof head, PRODUCER, sizeof PRODUCER - 1);
    oc_file_unmap(&m);
    return ours;
}
