#include <string.h>

#include "core/base/str.h"
#include "core/io/pickle.h"

/* --- the names that are known ----------------------------------------------------------------- */

typedef enum { IS_DICT, IS_SIZE, IS_BYTES, IS_STORAGE, IS_TENSOR, IS_PARAMETER } meaning;

static const struct {
    const char *module, *name;
    meaning is;
    oc_dtype dtype; // of a storage
} known[] = {
    {"collections", "OrderedDict", IS_DICT, OC_DT_OTHER},
    {"torch", "Size", IS_SIZE, OC_DT_OTHER},
    // Protocol 2 has no opcode for bytes: it asks for a text to be encoded.
    {"_codecs", "encode", IS_BYTES, OC_DT_OTHER},
    {"torch._utils", "_rebuild_tensor", IS_TENSOR, OC_DT_OTHER},
    {"torch._utils", "_rebuild_tensor_v2", IS_TENSOR, OC_DT_OTHER},
    {"torch._utils", "_rebuild_parameter", IS_PARAMETER, OC_DT_OTHER},
    {"torch._utils", "_rebuild_parameter_with_state", IS_PARAMETER, OC_DT_OTHER},
    {"torch", "DoubleStorage", IS_STORAGE, OC_DT_F64},
    {"torch", "FloatStorage", IS_STORAGE, OC_DT_F32},
    {"torch", "HalfStorage", IS_STORAGE, OC_DT_F16},
    {"torch", "BFloat16Storage", IS_STORAGE, OC_DT_BF16},
    {"torch", "LongStorage", IS_STORAGE, OC_DT_I64},
    {"torch", "IntStorage", IS_STORAGE, OC_DT_I32},
    {"torch", "ShortStorage", IS_STORAGE, OC_DT_I16},
    {"torch", "CharStorage", IS_STORAGE, OC_DT_I8},
    {"torch", "ByteStorage", IS_STORAGE, OC_DT_U8},
    {"torch", "BoolStorage", IS_STORAGE, OC_DT_BOOL},
    {"torch", "UntypedStorage", IS_STORAGE, OC_DT_U8},
    {"torch.storage", "UntypedStorage", IS_STORAGE, OC_DT_U8},
};

/* Tensors of other kinds: not hostile, only not read here. */
static const struct {
    const char *module, *start, *what;
} other_tensors[] = {
    {"torch._utils", "_rebuild_qtensor", "a quantized tensor"},
    {"torch._utils", "_rebuild_sparse", "a sparse tensor"},
    {"torch._utils", "_rebuild_meta", "a tensor without data (device meta)"},
    {"torch._utils", "_rebuild_", "a tensor of a kind that is not read"},
    {"torch", "QInt", "a quantized tensor"},
    {"torch", "QUInt", "a quantized tensor"},
    {"torch", "Complex", "a complex tensor"},
};

static bool same(oc__pk_text t, const char *s)
{
    return (size_t)t.n == strlen(s) && !memcmp(t.s, s, (size_t)t.n);
}

/* A name from the file as it may be shown on a terminal. */
static const char *shown(oc__pk_text t, char out[64])
{
    int32_t n = OC_MIN(t.n, 63);
    for (int32_t i = 0; i < n; i++)
        out[i] = t.s[i] > ' ' && t.s[i] < 127 ? t.s[i] : '?';
    out[n] = 0;
    return out;
}

oc_status oc__pk_global(const oc_pk *pk, oc__pk_text module, oc__pk_text name, int64_t *out,
                        oc_err *err)
{
    char a[64], b[64];
    for (int i = 0; i < OC_COUNT(known); i++)
        if (same(module, known[i].module) && same(name, known[i].name)) {
            *out = i;
            return OC_OK;
        }
    for (int i = 0; i < OC_COUNT(other_tensors); i++) {
        size_t n = strlen(other_tensors[i].start);
        if (same(module, other_tensors[i].module) && (size_t)name.n >= n &&
            !memcmp(name.s, other_tensors[i].start, n))
            return OC_FAIL(err, OC_UNSUPPORTED, "%.250s holds %s (%s.%s); dense tensors are read",
                           pk->what, other_tensors[i].what, shown(module, a), shown(name, b));
    }
    return OC_FAIL(err, OC_FORMAT, "%.250s asks for %s.%s; only tensors are read", pk->what,
                   shown(module, a), shown(name, b));
}

/* --- calls ------------------------------------------------------------------------------------ */

static oc_status bad_call(const oc_pk *pk, int64_t which, oc_err *err)
{
    return OC_FAIL(err, OC_FORMAT, "%.250s calls %s.%s in a way that PyTorch does not", pk->what,
                   known[which].module, known[which].name);
}

static bool is_list(const oc_pk_value *v)
{
    return v->kind == OC_PK_TUPLE || v->kind == OC_PK_LIST;
}

/* OrderedDict(): empty, or, as Python 2 wrote it, from a list of pairs. */
static oc_status make_dict(oc_pk *pk, int64_t which, oc_pk_ref args, oc_pk_ref *out, oc_err *err)
{
    OC_TRY(oc__pk_new(pk, OC_PK_DICT, out, err));
    const oc_pk_value *a = &pk->value[args];
    const oc_pk_value *pairs = a->n == 1 ? &pk->value[a->item[0]] : NULL;
    if (a->n > 1 || (pairs && !is_list(pairs)))
        return bad_call(pk, which, err);
    for (int32_t i = 0; pairs && i < pairs->n; i++) {
        const oc_pk_value *pair = &pk->value[pairs->item[i]];
        if (!is_list(pair) || pair->n != 2)
            return bad_call(pk, which, err);
        OC_TRY(oc__pk_push(pk, *out, pair->item[0], err));
        OC_TRY(oc__pk_push(pk, *out, pair->item[1], err));
    }
    return OC_OK;
}

/* A tuple of n whole numbers >= 0. */
static bool read_ints(const oc_pk *pk, const oc_pk_value *v, int32_t n, int64_t *out)
{
    if (!is_list(v) || v->n != n)
        return false;
    for (int32_t i = 0; i < n; i++) {
        const oc_pk_value *x = &pk->value[v->item[i]];
        if (x->kind != OC_PK_INT || x->i < 0)
            return false;
        out[i] = x->i;
    }
    return true;
}

/* (storage, offset, shape, strides[, requires_grad, hooks[, metadata]]) */
static oc_status make_tensor(oc_pk *pk, int64_t which, oc_pk_ref args, oc_pk_ref *out, oc_err *err)
{
    OC_TRY(oc__pk_new(pk, OC_PK_TENSOR, out, err));
    const oc_pk_value *a = &pk->value[args];
    oc_pk_tensor *t = pk->value[*out].tensor;
    if (a->n < 4 || a->n > 7 || pk->value[a->item[0]].kind != OC_PK_STORAGE ||
        pk->value[a->item[1]].kind != OC_PK_INT || pk->value[a->item[1]].i < 0 ||
        !is_list(&pk->value[a->item[2]]))
        return bad_call(pk, which, err);
    const oc_pk_value *shape = &pk->value[a->item[2]], *strides = &pk->value[a->item[3]];
    if (shape->n > OC_TENSOR_DIMS)
        return OC_FAIL(err, OC_UNSUPPORTED,
                       "%.250s holds a tensor of %d dimensions; at most %d are supported", pk->what,
                       (int)shape->n, OC_TENSOR_DIMS);
    t->storage = a->item[0];
    t->offset = pk->value[a->item[1]].i;
    t->n_dims = shape->n;
    if (!read_ints(pk, shape, shape->n, t->dim) || !read_ints(pk, strides, shape->n, t->stride))
        return bad_call(pk, which, err);
    return OC_OK;
}

oc_status oc__pk_call(oc_pk *pk, oc_pk_ref global, oc_pk_ref args, oc_pk_ref *out, oc_err *err)
{
    int64_t which = pk->value[global].i;
    const oc_pk_value *a = &pk->value[args];
    switch (known[which].is) {
    case IS_DICT: return make_dict(pk, which, args, out, err);
    case IS_TENSOR: return make_tensor(pk, which, args, out, err);
    case IS_BYTES: return oc__pk_new(pk, OC_PK_BYTES, out, err);
    case IS_SIZE:
        if (a->n != 1 || !is_list(&pk->value[a->item[0]]))
            break;
        *out = a->item[0];
        return OC_OK;
    case IS_PARAMETER: // the tensor it wraps
        if (a->n < 1 || pk->value[a->item[0]].kind != OC_PK_TENSOR)
            break;
        *out = a->item[0];
        return OC_OK;
    case IS_STORAGE: break;
    }
    return bad_call(pk, which, err);
}

/* --- storages --------------------------------------------------------------------------------- */

/* None, or (key, offset, elements) of a view: the legacy form names them. */
static bool read_view(const oc_pk *pk, const oc_pk_value *v, oc_pk_storage *s)
{
    s->view_n = s->n;
    if (v->kind == OC_PK_NONE)
        return true;
    if (v->kind != OC_PK_TUPLE || v->n != 3 || pk->value[v->item[1]].kind != OC_PK_INT ||
        pk->value[v->item[2]].kind != OC_PK_INT)
        return false;
    s->view_at = pk->value[v->item[1]].i;
    s->view_n = pk->value[v->item[2]].i;
    return s->view_at >= 0 && s->view_n >= 0 && s->view_at <= s->n &&
           s->view_n <= s->n - s->view_at;
}

static bool read_storage(const oc_pk *pk, const oc_pk_value *id, oc_pk_storage *s)
{
    if (id->kind != OC_PK_TUPLE || id->n < 5 || id->n > 6 ||
        !oc_pk_is(&pk->value[id->item[0]], "storage"))
        return false;
    const oc_pk_value *type = &pk->value[id->item[1]], *key = &pk->value[id->item[2]],
                      *n = &pk->value[id->item[4]];
    if (type->kind != OC_PK_GLOBAL || known[type->i].is != IS_STORAGE || key->kind != OC_PK_STR ||
        n->kind != OC_PK_INT || n->i < 0 || n->i > INT64_MAX / 8)
        return false;
    *s = (oc_pk_storage){
        .key = key->s, .n_key = key->n, .dtype = known[type->i].dtype, .n = n->i, .view_n = n->i};
    return id->n == 5 || read_view(pk, &pk->value[id->item[5]], s);
}

oc_status oc__pk_persistent(oc_pk *pk, oc_pk_ref id, oc_pk_ref *out, oc_err *err)
{
    OC_TRY(oc__pk_new(pk, OC_PK_STORAGE, out, err));
    if (!read_storage(pk, &pk->value[id], pk->value[*out].storage))
        return OC_FAIL(err, OC_FORMAT,
                       "%.250s names a storage in a way that PyTorch does not: (\"storage\", type, "
                       "key, location, elements) was expected",
                       pk->what);
    return OC_OK;
}
