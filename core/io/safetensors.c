#include "core/io/safetensors.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/io/sniff.h"

#define MAX_HEADER ((uint64_t)100000000)

/* --- element types ---------------------------------------------------------------------------- */

/* Types of the format that no tensor of ours has; they are skipped over, so their size counts. */
static const struct {
    const char *name;
    int32_t bits;
} other_dtypes[] = {
    {"U64", 64},        {"U32", 32},    {"U16", 16},    {"C64", 64},
    {"F8_E4M3", 8},     {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
};

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct by_name_ref {
    const oc_tensor *t;
} by_name_ref;

struct oc_st {
    oc_map map;
    oc_json *header;    // owned: names point into it
    oc_tensor *t;       // owned [n], by offset
    by_name_ref *named; // owned [n], by name
    int32_t n;
};

/* Start and end of the tensor bytes in the file, and the header as JSON. */
static oc_status read_header(oc_st *st, const char *path, const unsigned char **data,
                             uint64_t *bytes, oc_err *err)
{
    const unsigned char *p = st->map.data;
    uint64_t size = st->map.n, n = 0;
    if (size >= 8)
        memcpy(&n, p, 8);
    // Whatever else the file may be, its first 8 bytes are no header length that fits into it.
    const char *other = size < 8 || n > size - 8 ? oc_sniff(p, st->map.n) : NULL;
    if (other)
        return OC_FAIL(err, OC_FORMAT, "a safetensors file was expected, but %s is %s", path,
                       other);
    if (size < 8)
        return OC_FAIL(err, OC_FORMAT,
                       "%s has %llu bytes; a safetensors file starts with 8 bytes of header length",
                       path, (unsigned long long)size);
    if (n > MAX_HEADER)
        return OC_FAIL(err, OC_FORMAT,
                       "%s says its header has %llu bytes; at most 100000000 are allowed (is it a "
                       "safetensors file?)",
                       path, (unsigned long long)n);
    if (n > size - 8)
        return OC_FAIL(
            err, OC_FORMAT,
            "%s says its header has %llu bytes, but only %llu follow: the file is cut off", path,
            (unsigned long long)n, (unsigned long long)(size - 8));
    char what[OC_PATH_MAX + 16];
    snprintf(what, sizeof what, "%.*s (header)", OC_PATH_MAX, path);
    OC_TRY(oc_json_parse((const char *)p + 8, (size_t)n, what, &st->header, err));
    if (!oc_json_is_object(st->header))
        return OC_FAIL(err, OC_FORMAT, "%s: the header is no JSON object", path);
    *data = p + 8 + n;
    *bytes = size - 8 - n;
    return OC_OK;
}

static oc_status check_meta(const oc_json *meta, const char *path, oc_err *err)
{
    if (oc_json_is_null(meta))
        return OC_OK;
    if (!oc_json_is_object(meta))
        return OC_FAIL(err, OC_FORMAT, "%s: __metadata__ is no JSON object", path);
    for (const oc_json *m = oc_json_first(meta); m; m = oc_json_next(m))
        if (!oc_json_is_string(m))
            return OC_FAIL(err, OC_FORMAT, "%s: __metadata__ \"%.80s\" is no string", path,
                           oc_json_key(m));
    return OC_OK;
}

static oc_status read_dtype(const oc_json *j, const char *path, oc_tensor *t, int32_t *bits,
                            oc_err *err)
{
    const char *name = oc_json_str(oc_json_get(j, "dtype"), NULL);
    if (!name)
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %.150s has no dtype", path, t->name);
    t->dtype = oc_dtype_find(name);
    *bits = (int32_t)oc_dtype_bytes(t->dtype) * 8;
    for (int i = 0; *bits == 0 && i < OC_COUNT(other_dtypes); i++)
        if (!strcmp(other_dtypes[i].name, name))
            *bits = other_dtypes[i].bits;
    if (*bits > 0)
        return OC_OK;
    return OC_FAIL(err, OC_FORMAT, "%s: tensor %.150s has the unknown dtype \"%.40s\"", path,
                   t->name, name);
}

static oc_status read_shape(const oc_json *j, const char *path, oc_tensor *t, oc_err *err)
{
    const oc_json *shape = oc_json_get(j, "shape");
    if (!oc_json_is_array(shape))
        return OC_FAIL(err, OC_FORMAT, "%s: tensor %.150s has no shape", path, t->name);
    if (oc_json_count(shape) > OC_TENSOR_DIMS)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: tensor %.150s has %lld dimensions; at most %d are supported", path,
                       t->name, (long long)oc_json_count(shape), OC_TENSOR_DIMS);
    t->n = 1;
    bool fits = true;
    for (const oc_json *d = oc_json_first(shape); d; d = oc_json_next(d)) {
        int64_t *dim = &t->dim[t->n_dims++];
        // Whole numbers a double cannot hold are past any file's size as well.
        if (!oc_json_i64(d, 0, INT64_MAX, dim)) {
            if (!oc_json_is_number(d) || oc_json_num(d, 0) < 0x1p53)
                return OC_FAIL(err, OC_FORMAT,
                               "%s: tensor %.150s: dimension %d is no whole number >= 0", path,
                               t->name, (int)t->n_dims);
            fits = false;
        }
        fits = fits && !__builtin_mul_overflow(t->n, *dim, &t->n);
    }
    if (!fits)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: tensor %.150s: its shape has more elements than can be counted", path,
                       t->name);
    return OC_OK;
}

static oc_status read_offsets(const oc_json *j, const char *path, const unsigned char *data,
                              uint64_t data_bytes, int32_t bits, oc_tensor *t, oc_err *err)
{
    const oc_json *o = oc_json_get(j, "data_offsets");
    int64_t from, to, want_bits;
    if (!oc_json_is_array(o) || oc_json_count(o) != 2 ||
        !oc_json_i64(oc_json_first(o), 0, INT64_MAX, &from) ||
        !oc_json_i64(oc_json_next(oc_json_first(o)), 0, INT64_MAX, &to) || from > to)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: tensor %.150s: data_offsets must be two whole numbers [begin, end]",
                       path, t->name);
    if (__builtin_mul_overflow(t->n, (int64_t)bits, &want_bits))
        return OC_FAIL(err, OC_FORMAT,
                       "%s: tensor %.150s: its shape has more bytes than can be counted", path,
                       t->name);
    if (want_bits % 8 != 0 || want_bits / 8 != to - from)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: tensor %.150s has %lld bytes, but its shape and dtype need %lld", path,
                       t->name, (long long)(to - from),
                       (long long)(want_bits / 8 + (want_bits % 8 != 0)));
    if ((uint64_t)to > data_bytes)
        return OC_FAIL(
            err, OC_FORMAT,
            "%s: tensor %.150s ends at byte %lld of the data, but there are only %llu: the file "
            "is cut off",
            path, t->name, (long long)to, (unsigned long long)data_bytes);
    t->data = data + from;
    t->bytes = to - from;
    return OC_OK;
}

static int by_offset(const void *a, const void *b)
{
    const oc_tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const by_name_ref *)a)->t->name, ((const by_name_ref *)b)->t->name);
}

/* By offset, each tensor starts where the one before it ends, and the last ends the file. */
static oc_status check_contiguous(const oc_st *st, const char *path, const unsigned char *data,
                                  uint64_t data_bytes, oc_err *err)
{
    int64_t at = 0;
    for (int32_t i = 0; i < st->n; i++) {
        const oc_tensor *t = &st->t[i];
        int64_t from = (const unsigned char *)t->data - data;
        if (from != at)
            return OC_FAIL(err, OC_FORMAT,
                           "%s: tensor %.150s starts at byte %lld of the data: %s, expected %lld",
                           path, t->name, (long long)from,
                           from > at ? "a hole before it" : "it overlaps another", (long long)at);
        at = from + t->bytes;
    }
    if ((uint64_t)at != data_bytes)
        return OC_FAIL(err, OC_FORMAT, "%s: %lld bytes follow the last tensor; none were expected",
                       path, (long long)(data_bytes - (uint64_t)at));
    return OC_OK;
}

static oc_status read_tensors(oc_st *st, const char *path, const unsigned char *data,
                              uint64_t data_bytes, oc_err *err)
{
    int64_t n = oc_json_count(st->header);
    st->t = oc_calloc((size_t)n, sizeof *st->t);
    st->named = oc_calloc((size_t)n, sizeof *st->named);
    if (!st->t || !st->named)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", path);
    for (const oc_json *j = oc_json_first(st->header); j; j = oc_json_next(j)) {
        if (!strcmp(oc_json_key(j), "__metadata__")) {
            OC_TRY(check_meta(j, path, err));
            continue;
        }
        oc_tensor *t = &st->t[st->n++];
        int32_t bits = 0;
        t->name = oc_json_key(j);
        if (!oc_json_is_object(j))
            return OC_FAIL(err, OC_FORMAT, "%s: tensor %.150s is no JSON object", path, t->name);
        OC_TRY(read_dtype(j, path, t, &bits, err));
        OC_TRY(read_shape(j, path, t, err));
        OC_TRY(read_offsets(j, path, data, data_bytes, bits, t, err));
    }
    qsort(st->t, (size_t)st->n, sizeof *st->t, by_offset);
    for (int32_t i = 0; i < st->n; i++)
        st->named[i].t = &st->t[i];
    qsort(st->named, (size_t)st->n, sizeof *st->named, by_name);
    return check_contiguous(st, path, data, data_bytes, err);
}

oc_status oc_st_open(const char *path, oc_st **out, oc_err *err)
{
    oc_st *st = oc_calloc(1, sizeof *st);
    if (!st)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", path);
    oc_status rc;
    const unsigned char *data = NULL;
    uint64_t bytes = 0;
    OC_TRY_GOTO(out, rc, oc_file_map(path, &st->map, err));
    OC_TRY_GOTO(out, rc, read_header(st, path, &data, &bytes, err));
    OC_TRY_GOTO(out, rc, read_tensors(st, path, data, bytes, err));
    *out = st;
    st = NULL;
out:
    oc_st_close(st);
    return rc;
}

void oc_st_close(oc_st *st)
{
    if (!st)
        return;
    oc_free(st->t);
    oc_free(st->named);
    oc_json_free(st->header);
    oc_file_unmap(&st->map);
    oc_free(st);
}

int32_t oc_st_count(const oc_st *st)
{
    return st->n;
}

const oc_tensor *oc_st_at(const oc_st *st, int32_t i)
{
    return &st->t[i];
}

const oc_tensor *oc_st_find(const oc_st *st, const char *name)
{
    int32_t lo = 0, hi = st->n;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        int c = strcmp(st->named[mid].t->name, name);
        if (c == 0)
            return st->named[mid].t;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const char *oc_st_meta(const oc_st *st, const char *key)
{
    return oc_json_str(oc_json_get(oc_json_get(st->header, "__metadata__"), key), NULL);
}
