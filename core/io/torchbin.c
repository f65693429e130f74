#include "core/io/torchbin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "core/io/pickle.h"
#include "core/io/sniff.h"
#include "core/io/zip.h"

#define MAX_TENSORS 65536
#define MAX_PICKLE  ((int64_t)64 << 20)

struct oc_tb {
    oc_map map;   // of a legacy file: its storages are used where they lie
    oc_tensor *t; // owned [n]; names are owned too
    void **block; // owned [n_blocks], each: storages and tensors that were copied
    int32_t n;
    size_t n_blocks, cap_blocks;
};

/* One storage, however many of the pickle's values name it. */
typedef struct store {
    const oc_pk_storage *s; // borrowed from the pickle
    int64_t bytes;
    const unsigned char *data; // NULL until it was found
    bool wanted;
} store;

typedef struct reader {
    const unsigned char *p; // borrowed [n]
    size_t n;
    const char *what;
    oc_zip *zip;
    char folder[256];      // of the zip's records, with its '/'; may be empty
    unsigned char *pickle; // owned copy of data.pkl
    oc_pk *pk;
    store *store; // owned [n_stores], by key
    int32_t n_stores;
    int64_t budget; // bytes that may still be unpacked or copied
    oc_tb *tb;
} reader;

static oc_status out_of_memory(const reader *r, oc_err *err)
{
    return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", r->what);
}

/* Memory that lives as long as the file object. */
static oc_status new_block(reader *r, int64_t bytes, unsigned char **out, oc_err *err)
{
    if (bytes > r->budget)
        return OC_FAIL(err, OC_FORMAT,
                       "%.250s would unpack to more than 64 times its own size; it is refused",
                       r->what);
    oc_tb *tb = r->tb;
    OC_TRY(oc_grow(&tb->block, &tb->cap_blocks, tb->n_blocks + 1, sizeof *tb->block, err));
    *out = oc_alloc((size_t)bytes);
    if (!*out)
        return out_of_memory(r, err);
    tb->block[tb->n_blocks++] = *out;
    r->budget -= bytes;
    return OC_OK;
}

/* --- the dictionary --------------------------------------------------------------------------- */

static const oc_pk_value *at(const oc_pk *pk, oc_pk_ref ref)
{
    return &pk->value[ref];
}

static int32_t count_tensors(const oc_pk *pk, const oc_pk_value *dict)
{
    int32_t n = 0;
    for (int32_t i = 1; i < dict->n; i += 2)
        n += at(pk, dict->item[i])->kind == OC_PK_TENSOR;
    return n;
}

static const oc_pk_value *inner_dict(const oc_pk *pk, const oc_pk_value *dict)
{
    static const char *const name[] = {"state_dict", "model_state_dict", "model", "module"};
    for (int k = 0; k < OC_COUNT(name); k++)
        for (int32_t i = 0; i + 1 < dict->n; i += 2)
            if (oc_pk_is(at(pk, dict->item[i]), name[k]) &&
                at(pk, dict->item[i + 1])->kind == OC_PK_DICT)
                return at(pk, dict->item[i + 1]);
    return NULL;
}

/* The dictionary that holds tensors. Depth is bounded: a dictionary may hold itself. */
static oc_status find_dict(const reader *r, const oc_pk_value **out, oc_err *err)
{
    const oc_pk_value *d = at(r->pk, r->pk->root);
    if (d->kind == OC_PK_TENSOR)
        return OC_FAIL(err, OC_FORMAT,
                       "%.250s holds one tensor; a dictionary of named tensors was expected",
                       r->what);
    if (d->kind != OC_PK_DICT)
        return OC_FAIL(err, OC_FORMAT, "%.250s holds no dictionary; one of tensors was expected",
                       r->what);
    for (int depth = 0; d && depth < 4; depth++, d = inner_dict(r->pk, d))
        if (count_tensors(r->pk, d) > 0) {
            *out = d;
            return OC_OK;
        }
    return OC_FAIL(err, OC_FORMAT,
                   "%.250s holds no tensors, not even under state_dict, model_state_dict, model or "
                   "module",
                   r->what);
}

/* --- storages --------------------------------------------------------------------------------- */

static int compare_keys(const char *a, int32_t n_a, const char *b, int32_t n_b)
{
    int c = memcmp(a, b, (size_t)OC_MIN(n_a, n_b));
    return c ? c : (n_a > n_b) - (n_a < n_b);
}

static int by_key(const void *a, const void *b)
{
    const oc_pk_storage *x = ((const store *)a)->s, *y = ((const store *)b)->s;
    return compare_keys(x->key, x->n_key, y->key, y->n_key);
}

static store *find_store(const reader *r, const char *key, int32_t n_key)
{
    int32_t lo = 0, hi = r->n_stores;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        const oc_pk_storage *s = r->store[mid].s;
        int c = compare_keys(s->key, s->n_key, key, n_key);
        if (c == 0)
            return &r->store[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* One store for each key of the pickle's storages. */
static oc_status list_stores(reader *r, oc_err *err)
{
    int32_t n = 0;
    for (oc_pk_ref i = 0; i < r->pk->n; i++)
        n += at(r->pk, i)->kind == OC_PK_STORAGE;
    r->store = oc_calloc((size_t)n, sizeof *r->store);
    if (!r->store)
        return out_of_memory(r, err);
    n = 0;
    for (oc_pk_ref i = 0; i < r->pk->n; i++)
        if (at(r->pk, i)->kind == OC_PK_STORAGE) {
            const oc_pk_storage *s = at(r->pk, i)->storage;
            r->store[n++] = (store){.s = s, .bytes = s->n * oc_dtype_bytes(s->dtype)};
        }
    qsort(r->store, (size_t)n, sizeof *r->store, by_key);
    for (int32_t i = 0; i < n; i++) {
        store *last = r->n_stores ? &r->store[r->n_stores - 1] : NULL;
        if (!last || by_key(last, &r->store[i]) != 0)
            r->store[r->n_stores++] = r->store[i];
        else if (last->bytes != r->store[i].bytes)
            return OC_FAIL(err, OC_FORMAT, "%.250s: storage %.*s is once %lld and once %lld bytes",
                           r->what, OC_MIN(last->s->n_key, 60), last->s->key,
                           (long long)last->bytes, (long long)r->store[i].bytes);
    }
    return OC_OK;
}

static void mark_wanted(const reader *r, const oc_pk_value *dict)
{
    for (int32_t i = 1; i < dict->n; i += 2) {
        const oc_pk_value *v = at(r->pk, dict->item[i]);
        if (v->kind != OC_PK_TENSOR)
            continue;
        const oc_pk_storage *s = at(r->pk, v->tensor->storage)->storage;
        find_store(r, s->key, s->n_key)->wanted = true;
    }
}

static oc_status check_all_there(const reader *r, oc_err *err)
{
    for (int32_t i = 0; i < r->n_stores; i++)
        if (r->store[i].wanted && !r->store[i].data)
            return OC_FAIL(err, OC_FORMAT, "%.250s: storage %.*s is missing", r->what,
                           OC_MIN(r->store[i].s->n_key, 60), r->store[i].s->key);
    return OC_OK;
}

/* --- tensors ---------------------------------------------------------------------------------- */

/* Whether the elements lie in row-major order without gaps. */
static bool in_order(const oc_pk_tensor *t)
{
    int64_t stride = 1;
    for (int32_t d = t->n_dims - 1; d >= 0; d--) {
        if (t->dim[d] != 1 && t->stride[d] != stride)
            return false;
        stride *= t->dim[d];
    }
    return true;
}

/* Elements of the tensor, and of its storage from the first to past the last; false: past 2^63. */
static bool measure(const oc_pk_tensor *t, int64_t *n, int64_t *reach)
{
    *n = 1;
    *reach = t->offset;
    for (int32_t d = 0; d < t->n_dims; d++)
        if (t->dim[d] == 0) {
            *n = 0;
            return true;
        }
    for (int32_t d = 0; d < t->n_dims; d++) {
        int64_t far;
        if (__builtin_mul_overflow(*n, t->dim[d], n) ||
            __builtin_mul_overflow(t->dim[d] - 1, t->stride[d], &far) ||
            __builtin_add_overflow(*reach, far, reach))
            return false;
    }
    return !__builtin_add_overflow(*reach, 1, reach);
}

static void gather_row(unsigned char *dst, const unsigned char *src, int64_t n, int64_t stride,
                       size_t e)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(dst + (size_t)i * e, src + (size_t)(i * stride) * e, e);
}

/* Copy into row-major order, the last dimension in the inner loop. n_dims >= 1, no dimension 0. */
static void gather(unsigned char *dst, const unsigned char *src, const oc_pk_tensor *t, size_t e)
{
    int64_t index[OC_TENSOR_DIMS] = {0}, from = 0;
    int32_t last = t->n_dims - 1;
    for (;;) {
        gather_row(dst, src + (size_t)from * e, t->dim[last], t->stride[last], e);
        dst += (size_t)t->dim[last] * e;
        int32_t d = last - 1;
        for (; d >= 0; d--) {
            from += t->stride[d];
            if (++index[d] < t->dim[d])
                break;
            from -= t->stride[d] * t->dim[d];
            index[d] = 0;
        }
        if (d < 0)
            return;
    }
}

static oc_status place(reader *r, const oc_pk_tensor *p, oc_tensor *t, oc_err *err)
{
    const oc_pk_storage *s = at(r->pk, p->storage)->storage;
    int64_t reach, e = oc_dtype_bytes(s->dtype);
    t->dtype = s->dtype;
    t->n_dims = p->n_dims;
    memcpy(t->dim, p->dim, sizeof t->dim);
    if (!measure(p, &t->n, &reach) || (t->n > 0 && reach > s->view_n) || t->n > INT64_MAX / e)
        return OC_FAIL(err, OC_FORMAT,
                       "%.250s: tensor %.150s reaches outside its storage of %lld elements",
                       r->what, t->name, (long long)s->view_n);
    t->bytes = t->n * e;
    const unsigned char *data = find_store(r, s->key, s->n_key)->data;
    if (t->n == 0 || in_order(p)) {
        t->data = t->n ? data + (s->view_at + p->offset) * e : data;
        return OC_OK;
    }
    unsigned char *copy;
    OC_TRY(new_block(r, t->bytes, &copy, err));
    gather(copy, data + (s->view_at + p->offset) * e, p, (size_t)e);
    t->data = copy;
    return OC_OK;
}

static oc_status name_tensor(const reader *r, const oc_pk_value *key, oc_tensor *t, oc_err *err)
{
    if (key->kind != OC_PK_STR)
        return OC_FAIL(err, OC_FORMAT, "%.250s holds a tensor under a key that is no text",
                       r->what);
    if (key->n > 0 && memchr(key->s, 0, (size_t)key->n))
        return OC_FAIL(err, OC_FORMAT, "%.250s holds a tensor with a NUL in its name", r->what);
    t->name = oc_strndup(key->s, (size_t)key->n);
    return t->name ? OC_OK : out_of_memory(r, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static oc_status check_names(const reader *r, oc_err *err)
{
    const oc_tb *tb = r->tb;
    const char **name = oc_calloc((size_t)tb->n, sizeof *name);
    if (!name)
        return out_of_memory(r, err);
    for (int32_t i = 0; i < tb->n; i++)
        name[i] = tb->t[i].name;
    qsort(name, (size_t)tb->n, sizeof *name, by_name);
    oc_status rc = OC_OK;
    for (int32_t i = 1; i < tb->n && rc == OC_OK; i++)
        if (!strcmp(name[i], name[i - 1]))
            rc = OC_FAIL(err, OC_FORMAT, "%.250s holds tensor %.150s twice", r->what, name[i]);
    oc_free(name);
    return rc;
}

static oc_status place_all(reader *r, const oc_pk_value *dict, oc_err *err)
{
    int32_t n = count_tensors(r->pk, dict);
    if (n > MAX_TENSORS)
        return OC_FAIL(err, OC_FORMAT, "%.250s holds %d tensors; at most %d are read", r->what,
                       (int)n, MAX_TENSORS);
    r->tb->t = oc_calloc((size_t)n, sizeof *r->tb->t);
    if (!r->tb->t)
        return out_of_memory(r, err);
    for (int32_t i = 0; i + 1 < dict->n; i += 2) {
        const oc_pk_value *v = at(r->pk, dict->item[i + 1]);
        if (v->kind != OC_PK_TENSOR)
            continue;
        oc_tensor *t = &r->tb->t[r->tb->n++];
        OC_TRY(name_tensor(r, at(r->pk, dict->item[i]), t, err));
        OC_TRY(place(r, v->tensor, t, err));
    }
    return check_names(r, err);
}

/* --- the zip form ----------------------------------------------------------------------------- */

static int64_t record(const reader *r, const char *name)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s%s", r->folder, name);
    return n > 0 && (size_t)n < sizeof path ? oc_zip_find(r->zip, path) : -1;
}

/* The one folder all records lie in is named after the file that was saved: find its data.pkl. */
static oc_status find_folder(reader *r, oc_err *err)
{
    for (int64_t i = 0; i < oc_zip_count(r->zip); i++) {
        const char *name = oc_zip_name(r->zip, i);
        const char *base = name ? oc_path_base(name) : "";
        if (strcmp(base, "data.pkl") != 0 || (size_t)(base - name) >= sizeof r->folder)
            continue;
        snprintf(r->folder, sizeof r->folder, "%.*s", (int)(base - name), name);
        return OC_OK;
    }
    return OC_FAIL(err, OC_FORMAT,
                   "%.250s is a zip archive without data.pkl; one that torch.save wrote was "
                   "expected",
                   r->what);
}

static oc_status check_kind(const reader *r, oc_err *err)
{
    char order[8] = {0};
    int64_t bytes, i = record(r, "byteorder");
    if (record(r, "constants.pkl") >= 0)
        return OC_FAIL(err, OC_UNSUPPORTED,
                       "%.250s is a TorchScript archive (torch.jit.save); save the model's "
                       "state_dict with torch.save",
                       r->what);
    if (i < 0)
        return OC_OK;
    OC_TRY(oc_zip_bytes(r->zip, i, &bytes, err));
    if (bytes < (int64_t)sizeof order)
        OC_TRY(oc_zip_read(r->zip, i, order, bytes, err));
    if (!strcmp(order, "little"))
        return OC_OK;
    return OC_FAIL(err, OC_UNSUPPORTED,
                   "%.250s was written on a %s machine; little-endian files "
                   "are read",
                   r->what, !strcmp(order, "big") ? "big-endian" : "strange");
}

static oc_status run_zip_pickle(reader *r, oc_err *err)
{
    int64_t bytes, i = record(r, "data.pkl");
    OC_TRY(oc_zip_bytes(r->zip, i, &bytes, err));
    if (bytes > MAX_PICKLE || bytes > r->budget)
        return OC_FAIL(err, OC_FORMAT, "%.250s: its data.pkl has %lld bytes; at most %lld are read",
                       r->what, (long long)bytes, (long long)OC_MIN(MAX_PICKLE, r->budget));
    r->pickle = oc_alloc((size_t)bytes);
    if (!r->pickle)
        return out_of_memory(r, err);
    OC_TRY(oc_zip_read(r->zip, i, r->pickle, bytes, err));
    return oc_pk_run(r->pickle, (size_t)bytes, r->what, NULL, &r->pk, err);
}

static oc_status read_zip_store(reader *r, store *s, oc_err *err)
{
    char name[80];
    int64_t bytes;
    snprintf(name, sizeof name, "data/%.*s", OC_MIN(s->s->n_key, 64), s->s->key);
    int64_t i = record(r, name);
    if (i < 0)
        return OC_OK; // check_all_there says it
    OC_TRY(oc_zip_bytes(r->zip, i, &bytes, err));
    if (bytes != s->bytes)
        return OC_FAIL(err, OC_FORMAT,
                       "%.250s: record %s has %lld bytes, but the pickle claims %lld", r->what,
                       name, (long long)bytes, (long long)s->bytes);
    unsigned char *data;
    OC_TRY(new_block(r, bytes, &data, err));
    OC_TRY(oc_zip_read(r->zip, i, data, bytes, err));
    s->data = data;
    return OC_OK;
}

static oc_status read_zip(reader *r, const oc_pk_value **dict, oc_err *err)
{
    OC_TRY(oc_zip_open(r->p, r->n, r->what, &r->zip, err));
    OC_TRY(find_folder(r, err));
    OC_TRY(check_kind(r, err));
    OC_TRY(run_zip_pickle(r, err));
    OC_TRY(find_dict(r, dict, err));
    OC_TRY(list_stores(r, err));
    mark_wanted(r, *dict);
    for (int32_t i = 0; i < r->n_stores; i++)
        if (r->store[i].wanted)
            OC_TRY(read_zip_store(r, &r->store[i], err));
    return OC_OK;
}

/* --- the legacy form -------------------------------------------------------------------------- */

static oc_status next_pickle(const reader *r, size_t *from, oc_pk **out, oc_err *err)
{
    size_t used;
    OC_TRY(oc_pk_run(r->p + *from, r->n - *from, r->what, &used, out, err));
    *from += used;
    return OC_OK;
}

/* 0x1950a86a20f9469cfc6c, as protocols 2 and 0 write it. */
static bool is_magic(const oc_pk_value *v)
{
    return v->kind == OC_PK_BIG &&
           ((v->n == 10 && !memcmp(v->s, "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10)) ||
            (v->n == 24 && !memcmp(v->s, "119547037146038801333356", 24)));
}

static oc_status check_system(const reader *r, const oc_pk *pk, oc_err *err)
{
    const oc_pk_value *d = at(pk, pk->root);
    for (int32_t i = 0; d->kind == OC_PK_DICT && i + 1 < d->n; i += 2)
        if (oc_pk_is(at(pk, d->item[i]), "little_endian") && at(pk, d->item[i + 1])->i == 0)
            return OC_FAIL(err, OC_UNSUPPORTED,
                           "%.250s was written on a big-endian machine; little-endian files are "
                           "read",
                           r->what);
    return OC_OK;
}

/* Magic number, version 1001, system info. */
static oc_status read_legacy_head(const reader *r, size_t *from, oc_err *err)
{
    static const char *const part[] = {"magic number", "version", "system info"};
    for (int i = 0; i < OC_COUNT(part); i++) {
        oc_pk *pk;
        OC_TRY(next_pickle(r, from, &pk, err));
        const oc_pk_value *v = at(pk, pk->root);
        oc_status rc = OC_OK;
        if (i == 2)
            rc = check_system(r, pk, err);
        else if (i == 0 ? !is_magic(v) : v->kind != OC_PK_INT || v->i != 1001)
            rc = OC_FAIL(err, OC_FORMAT,
                         "%.250s is a pickle, but not one of torch.save: it has no %s of its own",
                         r->what, part[i]);
        oc_pk_free(pk);
        OC_TRY(rc);
    }
    return OC_OK;
}

/* One storage: i64 elements, then their bytes. */
static oc_status read_legacy_store(const reader *r, const oc_pk_value *key, size_t *from,
                                   oc_err *err)
{
    store *s = key->kind == OC_PK_STR ? find_store(r, key->s, key->n) : NULL;
    uint64_t n;
    if (!s)
        return OC_FAIL(err, OC_FORMAT, "%.250s lists a storage that its pickle does not name",
                       r->what);
    if (r->n - *from < sizeof n)
        return OC_FAIL(err, OC_FORMAT, "%.250s is cut off before storage %.*s", r->what,
                       OC_MIN(key->n, 60), key->s);
    memcpy(&n, r->p + *from, sizeof n);
    *from += sizeof n;
    if (n != (uint64_t)s->s->n)
        return OC_FAIL(
            err, OC_FORMAT, "%.250s: storage %.*s has %llu elements, but the pickle claims %lld",
            r->what, OC_MIN(key->n, 60), key->s, (unsigned long long)n, (long long)s->s->n);
    if ((uint64_t)s->bytes > r->n - *from)
        return OC_FAIL(err, OC_FORMAT,
                       "%.250s is cut off: storage %.*s has %lld bytes, but only %zu follow",
                       r->what, OC_MIN(key->n, 60), key->s, (long long)s->bytes, r->n - *from);
    s->data = r->p + *from;
    *from += (size_t)s->bytes;
    return OC_OK;
}

static oc_status read_legacy(reader *r, const oc_pk_value **dict, oc_err *err)
{
    size_t from = 0;
    oc_pk *keys;
    OC_TRY(read_legacy_head(r, &from, err));
    OC_TRY(next_pickle(r, &from, &r->pk, err));
    OC_TRY(find_dict(r, dict, err));
    OC_TRY(list_stores(r, err));
    mark_wanted(r, *dict);
    OC_TRY(next_pickle(r, &from, &keys, err));
    const oc_pk_value *list = at(keys, keys->root);
    oc_status rc = list->kind == OC_PK_LIST
                       ? OC_OK
                       : OC_FAIL(err, OC_FORMAT,
                                 "%.250s: a list of storages was expected after "
                                 "the pickle",
                                 r->what);
    for (int32_t i = 0; rc == OC_OK && i < list->n; i++)
        rc = read_legacy_store(r, at(keys, list->item[i]), &from, err);
    oc_pk_free(keys);
    return rc;
}

/* --- the file --------------------------------------------------------------------------------- */

static oc_status read_all(reader *r, oc_err *err)
{
    const oc_pk_value *dict;
    if (r->n >= 4 && !memcmp(r->p, "PK\003\004", 4)) {
        OC_TRY(read_zip(r, &dict, err));
    } else if (r->n >= 2 && (r->p[0] == 0x80 || r->p[0] == 'L')) {
        OC_TRY(read_legacy(r, &dict, err));
    } else {
        const char *other = oc_sniff(r->p, r->n);
        if (other)
            return OC_FAIL(err, OC_FORMAT, "a file of torch.save was expected, but %.250s is %s",
                           r->what, other);
        return OC_FAIL(err, OC_FORMAT,
                       "%.250s (%zu bytes) is no file of torch.save: neither a zip archive nor a "
                       "pickle",
                       r->what, r->n);
    }
    OC_TRY(check_all_there(r, err));
    return place_all(r, dict, err);
}

oc_status oc_tb_parse(const void *data, size_t n, const char *what, oc_tb **out, oc_err *err)
{
    reader r = {.p = data, .n = n, .what = what, .tb = oc_calloc(1, sizeof *r.tb)};
    if (!r.tb)
        return out_of_memory(&r, err);
    r.budget = n < (size_t)INT64_MAX / 128 ? (int64_t)n * 64 + (1 << 20) : INT64_MAX;
    oc_status rc = read_all(&r, err);
    oc_free(r.store);
    oc_pk_free(r.pk);
    oc_free(r.pickle);
    oc_zip_close(r.zip);
    if (rc == OC_OK)
        *out = r.tb;
    else
        oc_tb_close(r.tb);
    return rc;
}

oc_status oc_tb_open(const char *path, oc_tb **out, oc_err *err)
{
    oc_map map;
    oc_tb *tb;
    OC_TRY(oc_file_map(path, &map, err));
    oc_status rc = oc_tb_parse(map.data, map.n, path, &tb, err);
    // Tensors of a zip were unpacked; those of a legacy file lie in the map.
    bool zip = map.n >= 2 && map.data[0] == 'P';
    if (rc != OC_OK || zip)
        oc_file_unmap(&map);
    if (rc != OC_OK)
        return rc;
    tb->map = map;
    *out = tb;
    return OC_OK;
}

void oc_tb_close(oc_tb *tb)
{
    if (!tb)
        return;
    for (int32_t i = 0; i < tb->n; i++)
        oc_free((void *)(uintptr_t)tb->t[i].name);
    for (size_t i = 0; i < tb->n_blocks; i++)
        oc_free(tb->block[i]);
    oc_free(tb->block);
    oc_free(tb->t);
    oc_file_unmap(&tb->map);
    oc_free(tb);
}

int32_t oc_tb_count(const oc_tb *tb)
{
    return tb->n;
}

const oc_tensor *oc_tb_at(const oc_tb *tb, int32_t i)
{
    return &tb->t[i];
}
