#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/io/torchbin.h"
#include "core/io/zip.h"

static const char *storage_type(oc_dtype t)
{
    switch (t) {
    case OC_DT_F64: return "DoubleStorage";
    case OC_DT_F32: return "FloatStorage";
    case OC_DT_F16: return "HalfStorage";
    case OC_DT_BF16: return "BFloat16Storage";
    case OC_DT_I64: return "LongStorage";
    case OC_DT_I32: return "IntStorage";
    case OC_DT_I16: return "ShortStorage";
    case OC_DT_I8: return "CharStorage";
    case OC_DT_U8: return "ByteStorage";
    case OC_DT_BOOL: return "BoolStorage";
    case OC_DT_OTHER: break;
    }
    return NULL;
}

/* --- its pickle, protocol 2 ------------------------------------------------------------------- */

/* Opcodes and operands by their names in pickletools.py. */
static void put_int(oc_buf *b, int64_t i)
{
    if (i >= 0 && i < 256) {
        oc_buf_ch(b, 'K'); // BININT1
        oc_buf_ch(b, (char)i);
    } else if (i >= 0 && i <= INT32_MAX) {
        oc_buf_ch(b, 'J'); // BININT
        oc_buf_add(b, &i, 4);
    } else {
        oc_buf_add(b, "\x8a\x08", 2); // LONG1 of 8 bytes
        oc_buf_add(b, &i, 8);
    }
}

static void put_text(oc_buf *b, const char *s)
{
    uint32_t n = (uint32_t)strlen(s);
    oc_buf_ch(b, 'X'); // BINUNICODE
    oc_buf_add(b, &n, 4);
    oc_buf_add(b, s, n);
}

static void put_ints(oc_buf *b, const int64_t *v, int32_t n)
{
    oc_buf_ch(b, '('); // MARK ... TUPLE
    for (int32_t i = 0; i < n; i++)
        put_int(b, v[i]);
    oc_buf_ch(b, 't');
}

/* OrderedDict() */
static void put_dict(oc_buf *b)
{
    oc_buf_str(b, "ccollections\nOrderedDict\n)R");
}

/* _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()) */
static void put_tensor(oc_buf *b, const oc_tensor *t, int32_t key)
{
    char name[16];
    int64_t stride[OC_TENSOR_DIMS], step = 1;
    for (int32_t d = t->n_dims - 1; d >= 0; d--) {
        stride[d] = step;
        step *= t->dim[d] > 1 ? t->dim[d] : 1; // as PyTorch: an empty dimension counts as one
    }
    snprintf(name, sizeof name, "%d", (int)key);
    oc_buf_str(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
    put_text(b, "storage");
    oc_buf_fmt(b, "ctorch\n%s\n", storage_type(t->dtype));
    put_text(b, name);
    put_text(b, "cpu");
    put_int(b, t->n);
    oc_buf_str(b, "tQ"); // TUPLE, BINPERSID
    put_int(b, 0);
    put_ints(b, t->dim, t->n_dims);
    put_ints(b, stride, t->n_dims);
    oc_buf_ch(b, (char)0x89); // NEWFALSE
    put_dict(b);
    oc_buf_str(b, "tR"); // TUPLE, REDUCE
}

static oc_status make_pickle(const oc_tensor *t, int32_t n, oc_buf *b, oc_err *err)
{
    oc_buf_add(b, "\x80\x02", 2);
    put_dict(b);
    oc_buf_ch(b, '(');
    for (int32_t i = 0; i < n; i++) {
        put_text(b, t[i].name);
        put_tensor(b, &t[i], i);
    }
    oc_buf_str(b, "u."); // SETITEMS, STOP
    return oc_buf_check(b, err);
}

/* --- the file --------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static oc_status check(const char *path, const oc_tensor *t, int32_t n, oc_err *err)
{
    for (int32_t i = 0; i < n; i++)
        if (!storage_type(t[i].dtype))
            return OC_FAIL(err, OC_UNSUPPORTED,
                           "cannot write %s: tensor %.150s is of a type PyTorch does not have",
                           path, t[i].name);
    const char **name = oc_calloc((size_t)n, sizeof *name);
    if (!name)
        return OC_FAIL(err, OC_NOMEM, "out of memory writing %s", path);
    for (int32_t i = 0; i < n; i++)
        name[i] = t[i].name;
    qsort(name, (size_t)n, sizeof *name, by_name);
    oc_status rc = OC_OK;
    for (int32_t i = 1; i < n && rc == OC_OK; i++)
        if (!strcmp(name[i], name[i - 1]))
            rc = OC_FAIL(err, OC_STATE, "cannot write %s: tensor name %.150s is there twice", path,
                         name[i]);
    oc_free(name);
    return rc;
}

static oc_status add_records(oc_zip_out *z, const oc_buf *pickle, const oc_tensor *t, int32_t n,
                             oc_err *err)
{
    char name[40];
    OC_TRY(oc_zip_out_add(z, "archive/data.pkl", pickle->data, pickle->len, err));
    OC_TRY(oc_zip_out_add(z, "archive/byteorder", "little", 6, err));
    for (int32_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "archive/data/%d", (int)i);
        OC_TRY(oc_zip_out_add(z, name, t[i].data, (size_t)t[i].bytes, err));
    }
    return oc_zip_out_add(z, "archive/version", "3\n", 2, err);
}

oc_status oc_tb_write(const char *path, const oc_tensor *t, int32_t n, int64_t *bytes, oc_err *err)
{
    oc_buf pickle = {0};
    oc_zip_out *z = NULL;
    oc_status rc;
    OC_TRY(check(path, t, n, err));
    OC_TRY_GOTO(out, rc, make_pickle(t, n, &pickle, err));
    OC_TRY_GOTO(out, rc, oc_zip_out_begin(path, &z, err));
    OC_TRY_GOTO(out, rc, add_records(z, &pickle, t, n, err));
    rc = oc_zip_out_commit(z, bytes, err);
    z = NULL;
out:
    oc_zip_out_abort(z);
    oc_buf_release(&pickle);
    return rc;
}
