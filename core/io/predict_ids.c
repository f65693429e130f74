#include "core/io/predict_ids.h"

#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"

/* --- one note --------------------------------------------------------------------------------- */

static oc_status check_range(const char *what, const char *key, const int64_t *x, int64_t T,
                             int64_t end, oc_err *err)
{
    for (int64_t i = 0; x && i < T; i++)
        if (x[i] < 0 || x[i] >= end)
            return OC_FAIL(err, OC_FORMAT,
                           "%s: \"%s\" entry %lld is %lld, expected a whole number from 0 to %lld",
                           what, key, (long long)i + 1, (long long)x[i], (long long)end - 1);
    return OC_OK;
}

static oc_status check_note(const oc_dims *d, int64_t T, const int64_t *ids, const int64_t *types,
                            const int64_t *mask, const char *what, oc_err *err)
{
    if (T < 1)
        return OC_FAIL(err, OC_FORMAT, "%s: \"input_ids\" is empty; at least one token is needed",
                       what);
    if (T > d->P)
        return OC_FAIL(err, OC_FORMAT,
                       "%s: \"input_ids\" has %lld entries; the model has %d positions", what,
                       (long long)T, (int)d->P);
    OC_TRY(check_range(what, "input_ids", ids, T, d->V, err));
    OC_TRY(check_range(what, "token_type_ids", types, T, OC_MAX(d->S, 1), err));
    OC_TRY(check_range(what, "attention_mask", mask, T, 2, err));
    bool some = !mask;
    for (int64_t i = 0; !some && i < T; i++)
        some = mask[i] != 0;
    return some ? OC_OK
                : OC_FAIL(err, OC_FORMAT,
                          "%s: \"attention_mask\" is all 0; a note needs a token to attend to",
                          what);
}

oc_status oc_id_notes_add(oc_id_notes *t, const oc_dims *d, int64_t T, const int64_t *ids,
                          const int64_t *types, const int64_t *mask, const char *what, oc_err *err)
{
    OC_TRY(check_note(d, T, ids, types, mask, what, err));
    size_t need = (size_t)(t->N + T);
    OC_TRY(oc_grow(&t->ids, &t->cap_ids, need, sizeof *t->ids, err));
    OC_TRY(oc_grow(&t->types, &t->cap_types, need, sizeof *t->types, err));
    OC_TRY(oc_grow(&t->mask, &t->cap_mask, need, sizeof *t->mask, err));
    OC_TRY(oc_grow(&t->start, &t->cap_start, (size_t)t->n + 2, sizeof *t->start, err));
    for (int64_t i = 0; i < T; i++) {
        t->ids[t->N + i] = (int32_t)ids[i];
        t->types[t->N + i] = types ? (int32_t)types[i] : 0;
        t->mask[t->N + i] = mask ? (uint8_t)mask[i] : 1;
        t->any_type = t->any_type || (types && types[i] != 0);
        t->any_masked = t->any_masked || (mask && mask[i] == 0);
    }
    t->start[t->n] = t->N;
    t->N += T;
    t->start[++t->n] = t->N;
    t->max_T = OC_MAX(t->max_T, T);
    return OC_OK;
}

/* --- lines of JSON ---------------------------------------------------------------------------- */

typedef struct line_at {
    const char *where; // "x.jsonl:7"
    const oc_dims *d;
    oc_err *err;
} line_at;

/* The array under `key`, NULL if absent; it must have n entries (n < 0: any number from 1 to P). */
static oc_status get_array(const line_at *at, const oc_json *j, const char *key, int64_t n,
                           const oc_json **out)
{
    const oc_json *a = oc_json_get(j, key);
    *out = NULL;
    if (!a || oc_json_is_null(a))
        return OC_OK;
    if (!oc_json_is_array(a))
        return OC_FAIL(at->err, OC_FORMAT, "%s: \"%s\" is no array of whole numbers", at->where,
                       key);
    int64_t have = oc_json_count(a);
    if (n >= 0 && have != n)
        return OC_FAIL(at->err, OC_FORMAT,
                       "%s: \"%s\" has %lld entries, but \"input_ids\" has %lld", at->where, key,
                       (long long)have, (long long)n);
    if (have == 0)
        return OC_FAIL(at->err, OC_FORMAT, "%s: \"%s\" is empty; at least one token is needed",
                       at->where, key);
    if (have > at->d->P)
        return OC_FAIL(at->err, OC_FORMAT,
                       "%s: \"%s\" has %lld entries; the model has %d positions", at->where, key,
                       (long long)have, (int)at->d->P);
    *out = a;
    return OC_OK;
}

/* The array as numbers into x [T]; x NULL for an array that is not there. */
static oc_status get_entries(const line_at *at, const oc_json *a, const char *key, int64_t *x)
{
    int64_t i = 0;
    for (const oc_json *v = oc_json_first(a); v; v = oc_json_next(v), i++) {
        if (oc_json_i64(v, INT64_MIN, INT64_MAX, &x[i]))
            continue;
        if (oc_json_is_number(v))
            return OC_FAIL(at->err, OC_FORMAT,
                           "%s: \"%s\" entry %lld is %.17g, expected a whole number", at->where,
                           key, (long long)i + 1, oc_json_num(v, 0));
        return OC_FAIL(at->err, OC_FORMAT, "%s: \"%s\" entry %lld is no number", at->where, key,
                       (long long)i + 1);
    }
    return OC_OK;
}

static oc_status add_rows(const line_at *at, const oc_json *j, oc_id_notes *t)
{
    static const char *const key[3] = {"input_ids", "token_type_ids", "attention_mask"};
    const oc_json *a[3];
    OC_TRY(get_array(at, j, key[0], -1, &a[0]));
    if (!a[0])
        return OC_FAIL(at->err, OC_FORMAT, "%s: there is no \"input_ids\"", at->where);
    int64_t T = oc_json_count(a[0]);
    for (int k = 1; k < 3; k++)
        OC_TRY(get_array(at, j, key[k], T, &a[k]));
    int64_t *x = oc_calloc((size_t)T * 3, sizeof *x);
    if (!x)
        return OC_FAIL(at->err, OC_NOMEM, "out of memory reading %s", at->where);
    oc_status rc = OC_OK;
    for (int k = 0; k < 3 && rc == OC_OK; k++)
        rc = get_entries(at, a[k], key[k], x + k * T);
    if (rc == OC_OK)
        rc = oc_id_notes_add(t, at->d, T, x, a[1] ? x + T : NULL, a[2] ? x + 2 * T : NULL,
                             at->where, at->err);
    oc_free(x);
    return rc;
}

static oc_status add_name(const line_at *at, const oc_json *j, int64_t line, oc_id_notes *t)
{
    const oc_json *id = oc_json_get(j, "id");
    char number[32];
    int64_t x = line;
    if (id && !oc_json_is_null(id) && !oc_json_is_string(id) &&
        !oc_json_i64(id, INT64_MIN, INT64_MAX, &x))
        return OC_FAIL(at->err, OC_FORMAT, "%s: \"id\" is neither a string nor a whole number",
                       at->where);
    snprintf(number, sizeof number, "%lld", (long long)x);
    const char *name = oc_json_str(id, number);
    return oc_strlist_add(&t->id, name, strlen(name), at->err);
}

static oc_status add_note(const char *s, size_t n, int64_t line, const char *where,
                          const oc_dims *d, oc_id_notes *t, oc_err *err)
{
    line_at at = {.where = where, .d = d, .err = err};
    oc_json *j;
    OC_TRY(oc_json_parse(s, n, where, &j, err));
    oc_status rc = OC_OK;
    if (!oc_json_is_object(j))
        rc = OC_FAIL(err, OC_FORMAT, "%s: a JSON object was expected", where);
    if (rc == OC_OK)
        rc = add_rows(&at, j, t);
    if (rc == OC_OK)
        rc = add_name(&at, j, line, t);
    oc_json_free(j);
    return rc;
}

static oc_status read_lines(const char *text, size_t n, const char *what, const oc_dims *d,
                            oc_id_notes *t, oc_err *err)
{
    int64_t line = 0;
    for (size_t i = 0; i < n;) {
        const char *s = text + i;
        const char *end = memchr(s, '\n', n - i);
        size_t len = end ? (size_t)(end - s) : n - i;
        i += len + (end != NULL);
        line++;
        size_t blank = 0;
        while (blank < len && memchr(" \t\r", s[blank], 3))
            blank++;
        if (blank == len)
            continue;
        char where[OC_PATH_MAX + 32];
        snprintf(where, sizeof where, "%.*s:%lld", OC_PATH_MAX, what, (long long)line);
        OC_TRY(add_note(s, len, line, where, d, t, err));
    }
    if (t->n == 0)
        return OC_FAIL(err, OC_FORMAT, "%s holds no notes; one JSON object a line was expected",
                       what);
    return OC_OK;
}

oc_status oc_id_notes_parse(const char *text, size_t n, const char *what, const oc_dims *d,
                            oc_id_notes *out, oc_err *err)
{
    oc_id_notes t = {0};
    oc_status rc = read_lines(text, n, what, d, &t, err);
    if (rc == OC_OK)
        *out = t;
    else
        oc_id_notes_release(&t);
    return rc;
}

oc_status oc_id_notes_read(const char *path, const oc_dims *d, oc_id_notes *out, oc_err *err)
{
    oc_map map;
    OC_TRY(oc_file_map(path, &map, err));
    oc_status rc = oc_id_notes_parse((const char *)map.data, map.n, path, d, out, err);
    oc_file_unmap(&map);
    return rc;
}

oc_status oc_id_notes_run(const oc_model *m, const oc_id_notes *t, bool keep_hidden,
                          const oc_notes_watch *watch, oc_id_notes_fn fn, void *ctx, oc_err *err)
{
    oc_limits lim = {.max_B = 1,
                     .max_N = t->max_T,
                     .max_T = t->max_T,
                     .keep_hidden = keep_hidden,
                     .watch = watch ? watch->packing : NULL};
    oc_bert *b;
    float *logits = oc_calloc((size_t)m->dims.K, sizeof *logits);
    if (!logits)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %d logits", m->dims.K);
    oc_status st = oc_bert_new(m, &lim, &b, err);
    if (st != OC_OK) {
        oc_free(logits);
        return st;
    }
    for (int64_t i = 0; i < t->n && st == OC_OK; i++) {
        int64_t at = t->start[i], n = t->start[i + 1] - at;
        const int32_t start[2] = {0, (int32_t)n};
        oc_batch batch = {.B = 1,
                          .N = n,
                          .start = start,
                          .ids = t->ids + at,
                          .types = t->types + at,
                          .mask = t->mask + at};
        st = oc_batch_check(&batch, &m->dims, &lim, err);
        if (st != OC_OK)
            break;
        oc_bert_forward(b, &batch, NULL, logits);
        st = fn(ctx, i, n, b, logits, err);
        if (watch && st == OC_OK)
            watch->fn(watch->ctx, i + 1, t->n);
    }
    oc_bert_free(b);
    oc_free(logits);
    return st;
}

void oc_id_notes_release(oc_id_notes *t)
{
    oc_free(t->start);
    oc_free(t->ids);
    oc_free(t->types);
    oc_free(t->mask);
    oc_strlist_release(&t->id);
    *t = (oc_id_notes){0};
}
