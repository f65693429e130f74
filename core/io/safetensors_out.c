/*
 * core/io/safetensors_out.c - writing a safetensors file.
 *
 * Tensors of wider elements come first (otherwise in the order they were added), and the header is
 * padded with blanks to a multiple of 8 bytes: so every tensor is aligned for its elements when the
 * file is mapped. Nothing depends on time or place: same tensors, same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "core/io/safetensors.h"

typedef struct out_tensor {
    char *name; // owned
    oc_dtype dtype;
    int32_t n_dims;
    int64_t dim[OC_TENSOR_DIMS];
    const void *data; // borrowed
    int64_t bytes;
    int64_t order;
} out_tensor;

struct oc_st_out {
    oc_strlist keys, values;
    out_tensor *t; // owned [n]
    int64_t n;
    size_t cap;
};

oc_status oc_st_out_new(oc_st_out **out, oc_err *err)
{
    oc_st_out *o = oc_calloc(1, sizeof *o);
    if (!o)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    *out = o;
    return OC_OK;
}

oc_status oc_st_out_meta(oc_st_out *o, const char *key, const char *value, oc_err *err)
{
    int64_t have = oc_strlist_find(&o->keys, key);
    if (have >= 0) {
        char *d = oc_strdup(value);
        if (!d)
            return OC_FAIL(err, OC_NOMEM, "out of memory");
        oc_free(o->values.item[have]);
        o->values.item[have] = d;
        return OC_OK;
    }
    OC_TRY(oc_strlist_add(&o->values, value, strlen(value), err));
    oc_status rc = oc_strlist_add(&o->keys, key, strlen(key), err);
    if (rc != OC_OK)
        oc_free(o->values.item[--o->values.n]);
    return rc;
}

oc_status oc_st_out_add(oc_st_out *o, const char *name, oc_dtype dtype, int32_t n_dims,
                        const int64_t *dim, const void *data, oc_err *err)
{
    int64_t bytes = oc_dtype_bytes(dtype);
    if (bytes == 0)
        return OC_FAIL(err, OC_UNSUPPORTED, "tensor %.150s: its element type cannot be written",
                       name);
    if (n_dims < 0 || n_dims > OC_TENSOR_DIMS)
        return OC_FAIL(err, OC_SHAPE, "tensor %.150s has %d dimensions; at most %d can be written",
                       name, (int)n_dims, OC_TENSOR_DIMS);
    out_tensor t = {.dtype = dtype, .n_dims = n_dims, .data = data, .order = o->n};
    for (int32_t i = 0; i < n_dims; i++) {
        t.dim[i] = dim[i];
        if (dim[i] < 0 || __builtin_mul_overflow(bytes, dim[i], &bytes))
            return OC_FAIL(err, OC_SHAPE, "tensor %.150s: dimension %d is %lld", name, (int)i + 1,
                           (long long)dim[i]);
    }
    t.bytes = bytes;
    OC_TRY(oc_grow(&o->t, &o->cap, (size_t)o->n + 1, sizeof *o->t, err));
    t.name = oc_strdup(name);
    if (!t.name)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    o->t[o->n++] = t;
    return OC_OK;
}

void oc_st_out_free(oc_st_out *o)
{
    if (!o)
        return;
    for (int64_t i = 0; i < o->n; i++)
        oc_free(o->t[i].name);
    oc_free(o->t);
    oc_strlist_release(&o->keys);
    oc_strlist_release(&o->values);
    oc_free(o);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const out_tensor *)a)->name, ((const out_tensor *)b)->name);
}

static int by_width(const void *a, const void *b)
{
    const out_tensor *x = a, *y = b;
    int64_t wx = oc_dtype_bytes(x->dtype), wy = oc_dtype_bytes(y->dtype);
    return wx != wy ? (wx > wy ? -1 : 1) : x->order < y->order ? -1 : 1;
}

static oc_status sort_tensors(oc_st_out *o, oc_err *err)
{
    if (o->n < 1)
        return OC_OK;
    qsort(o->t, (size_t)o->n, sizeof *o->t, by_name);
    for (int64_t i = 0; i < o->n; i++) {
        const char *name = o->t[i].name;
        if ((i > 0 && !strcmp(name, o->t[i - 1].name)) || !strcmp(name, "__metadata__"))
            return OC_FAIL(err, OC_STATE, "tensor name %.150s is taken already", name);
    }
    qsort(o->t, (size_t)o->n, sizeof *o->t, by_width);
    return OC_OK;
}

static void write_tensor_info(oc_jw *w, const out_tensor *t, int64_t at)
{
    oc_jw_key(w, t->name);
    oc_jw_open(w, '{');
    oc_jw_kstr(w, "dtype", oc_dtype_name(t->dtype));
    oc_jw_key(w, "shape");
    oc_jw_open(w, '[');
    for (int32_t i = 0; i < t->n_dims; i++)
        oc_jw_i64(w, t->dim[i]);
    oc_jw_close(w, ']');
    oc_jw_key(w, "data_offsets");
    oc_jw_open(w, '[');
    oc_jw_i64(w, at);
    oc_jw_i64(w, at + t->bytes);
    oc_jw_close(w, ']');
    oc_jw_close(w, '}');
}

/* Length field and JSON header. */
static oc_status make_header(const oc_st_out *o, oc_buf *b, int64_t *data_bytes, oc_err *err)
{
    uint64_t n = 0;
    oc_buf_add(b, &n, sizeof n);
    oc_jw w = {.out = b};
    oc_jw_open(&w, '{');
    if (o->keys.n > 0) {
        oc_jw_key(&w, "__metadata__");
        oc_jw_open(&w, '{');
        for (int64_t i = 0; i < o->keys.n; i++)
            oc_jw_kstr(&w, o->keys.item[i], o->values.item[i]);
        oc_jw_close(&w, '}');
    }
    int64_t at = 0;
    for (int64_t i = 0; i < o->n; i++) {
        write_tensor_info(&w, &o->t[i], at);
        // Offsets past 2^53 could not be read back exactly.
        if (__builtin_add_overflow(at, o->t[i].bytes, &at) || at > (int64_t)1 << 53)
            return OC_FAIL(err, OC_SHAPE, "the tensors are too large for one file");
    }
    oc_jw_close(&w, '}');
    while (b->len % 8 != 0 && !b->failed)
        oc_buf_ch(b, ' ');
    OC_TRY(oc_buf_check(b, err));
    n = b->len - sizeof n;
    memcpy(b->data, &n, sizeof n);
    *data_bytes = at;
    return OC_OK;
}

oc_status oc_st_out_write(oc_st_out *o, const char *path, int64_t *bytes, oc_err *err)
{
    oc_buf header = {0};
    oc_writer *w = NULL;
    int64_t data_bytes = 0;
    oc_status rc;
    OC_TRY_GOTO(out, rc, sort_tensors(o, err));
    OC_TRY_GOTO(out, rc, make_header(o, &header, &data_bytes, err));
    OC_TRY_GOTO(out, rc, oc_writer_begin(path, &w, err));
    OC_TRY_GOTO(out, rc, oc_writer_put(w, header.data, header.len, err));
    for (int64_t i = 0; i < o->n; i++)
        if (o->t[i].bytes > 0)
            OC_TRY_GOTO(out, rc, oc_writer_put(w, o->t[i].data, (size_t)o->t[i].bytes, err));
    rc = oc_writer_commit(w, err);
    w = NULL;
    if (rc == OC_OK && bytes)
        *bytes = (int64_t)header.len + data_bytes;
out:
    if (w)
        oc_writer_abort(w);
    oc_buf_release(&header);
    return rc;
}
