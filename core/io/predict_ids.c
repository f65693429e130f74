#include "core/io/predict_ids.h"

#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"

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

/* Entry i of the array `key`, a whole number from 0 to below `end`. */
static oc_status get_entry(const line_at *at, const oc_json *v, const char *key, int64_t i,
                           int64_t end, int64_t *out)
{
    if (oc_json_i64(v, 0, end - 1, out))
        return OC_OK;
    if (oc_json_is_number(v))
        return OC_FAIL(at->err, OC_FORMAT,
                       "%s: \"%s\" entry %lld is %.17g, expected a whole number from 0 to %lld",
                       at->where, key, (long long)i + 1, oc_json_num(v, 0), (long long)end - 1);
    return OC_FAIL(at->err, OC_FORMAT, "%s: \"%s\" entry %lld is no number", at->where, key,
                   (long long)i + 1);
}

static oc_status add_rows(const line_at *at, const oc_json *j, oc_id_notes *t)
{
    const oc_json *ids, *mask, *types;
    OC_TRY(get_array(at, j, "input_ids", -1, &ids));
    if (!ids)
        return OC_FAIL(at->err, OC_FORMAT, "%s: there is no \"input_ids\"", at->where);
    int64_t T = oc_json_count(ids), x;
    OC_TRY(get_array(at, j, "attention_mask", T, &mask));
    OC_TRY(get_array(at, j, "token_type_ids", T, &types));
    size_t need = (size_t)(t->N + T);
    OC_TRY(oc_grow(&t->ids, &t->cap_ids, need, sizeof *t->ids, at->err));
    OC_TRY(oc_grow(&t->types, &t->cap_types, need, sizeof *t->types, at->err));
    OC_TRY(oc_grow(&t->mask, &t->cap_mask, need, sizeof *t->mask, at->err));
    const oc_json *id = oc_json_first(ids), *m = oc_json_first(mask), *s = oc_json_first(types);
    int64_t seen = 0;
    for (int64_t i = 0; i < T; i++, id = oc_json_next(id)) {
        OC_TRY(get_entry(at, id, "input_ids", i, at->d->V, &x));
        t->ids[t->N + i] = (int32_t)x;
        x = 1;
        if (m)
            OC_TRY(get_entry(at, m, "attention_mask", i, 2, &x));
        t->mask[t->N + i] = (uint8_t)x;
        seen += x;
        x = 0;
        if (s)
            OC_TRY(get_entry(at, s, "token_type_ids", i, OC_MAX(at->d->S, 1), &x));
        t->types[t->N + i] = (int32_t)x;
        t->any_type = t->any_type || x != 0;
        m = m ? oc_json_next(m) : NULL;
        s = s ? oc_json_next(s) : NULL;
    }
    if (seen == 0)
        return OC_FAIL(at->err, OC_FORMAT,
                       "%s: \"attention_mask\" is all 0; a note needs a token to attend to",
                       at->where);
    t->any_masked = t->any_masked || seen < T;
    t->N += T;
    t->max_T = OC_MAX(t->max_T, T);
    return OC_OK;
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
    if (rc == OC_OK)
        rc = oc_grow(&t->start, &t->cap_start, (size_t)t->n + 2, sizeof *t->start, err);
    if (rc == OC_OK)
        t->start[++t->n] = t->N;
    oc_json_free(j);
    return rc;
}

static oc_status read_lines(const char *text, size_t n, const char *what, const oc_dims *d,
                            oc_id_notes *t, oc_err *err)
{
    int64_t line = 0;
    OC_TRY(oc_grow(&t->start, &t->cap_start, 1, sizeof *t->start, err));
    t->start[0] = 0;
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

void oc_id_notes_release(oc_id_notes *t)
{
    oc_free(t->start);
    oc_free(t->ids);
    oc_free(t->types);
    oc_free(t->mask);
    oc_strlist_release(&t->id);
    *t = (oc_id_notes){0};
}
