#include "core/text/vocab.h"

#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/str.h"
#include "core/text/unicode.h"
#include "core/text/vocab_table.h"

#define MAX_LINES ((size_t)1 << 21)
#define MAX_BYTES ((size_t)1 << 30)

/* --- lines to tokens -------------------------------------------------------------------------- */

/* Next line of text[*i..n): its bytes without LF or CRLF; *i moves past it. */
static size_t take_line(const char *text, size_t n, size_t *i, const char **line)
{
    *line = text + *i;
    const char *end = memchr(*line, '\n', n - *i);
    size_t len = end ? (size_t)(end - *line) : n - *i;
    *i += len + (end != NULL);
    return len && (*line)[len - 1] == '\r' ? len - 1 : len;
}

static oc_status bad_line(const char *what, size_t i_line, const char *why, oc_err *err)
{
    return OC_FAIL(err, OC_FORMAT, "%s:%zu: %s; a vocabulary has one token a line", what,
                   i_line + 1, why);
}

/* Fill text and start; the room was counted before. */
static oc_status copy_lines(oc_vocab *v, const char *text, size_t n, const char *what, oc_err *err)
{
    size_t at = 0;
    for (size_t i = 0, k = 0; i < n; k++) {
        const char *line;
        size_t len = take_line(text, n, &i, &line);
        if (!oc_utf8_valid(line, len))
            return bad_line(what, k, "invalid UTF-8", err);
        if (memchr(line, 0, len))
            return bad_line(what, k, "a NUL byte", err);
        if (memchr(line, '\r', len))
            return bad_line(what, k, "a carriage return inside a line", err);
        memcpy(v->text + at, line, len);
        v->text[at + len] = 0;
        v->start[k] = (uint32_t)at;
        v->max_bytes = OC_MAX(v->max_bytes, len);
        at += len + 1;
    }
    v->start[v->V] = (uint32_t)at;
    return OC_OK;
}

static oc_status read_lines(oc_vocab *v, const char *text, size_t n, const char *what, oc_err *err)
{
    if (n > MAX_BYTES)
        return OC_FAIL(err, OC_FORMAT, "%s has %zu bytes: too large for a vocabulary", what, n);
    size_t n_lines = 0, longest = 0;
    for (size_t i = 0; i < n; n_lines++) {
        const char *line;
        size_t len = take_line(text, n, &i, &line);
        longest = OC_MAX(longest, len);
    }
    if (longest == 0)
        return OC_FAIL(err, OC_FORMAT,
                       "%s is empty; a vocabulary with one token a line was expected", what);
    if (n_lines > MAX_LINES)
        return OC_FAIL(err, OC_FORMAT, "%s has %zu lines; at most %zu are supported", what, n_lines,
                       MAX_LINES);
    v->V = (int32_t)n_lines;
    v->text = oc_alloc(n + 1 + n_lines);
    v->start = oc_calloc(n_lines + 1, sizeof *v->start);
    if (!v->text || !v->start)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    return copy_lines(v, text, n, what, err);
}

/* --- the table -------------------------------------------------------------------------------- */

static size_t token_bytes(const oc_vocab *v, int32_t id)
{
    return v->start[id + 1] - v->start[id] - 1;
}

static oc_status fill_table(oc_vocab *v, const char *what, oc_err *err)
{
    int bits = 4;
    while (((size_t)1 << bits) < 2 * (size_t)v->V)
        bits++;
    size_t n = (size_t)1 << bits;
    v->shift = 64 - bits;
    v->mask = (uint32_t)(n - 1);
    v->table = oc_calloc(n, sizeof *v->table);
    if (!v->table)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    for (size_t i = 0; i < n; i++)
        v->table[i].id = -1;
    for (int32_t id = 0; id < v->V; id++) {
        const char *s = v->text + v->start[id];
        size_t len = token_bytes(v, id);
        uint64_t h = oc__hash_bytes(OC__HASH_START, s, len);
        int32_t before = len > 0 ? oc__vocab_find(v, h, s, len, 0) : -1;
        v->n_dup += len == 0 || before >= 0;
        if (len == 0)
            continue;
        uint32_t i = (uint32_t)(h >> v->shift);
        while (v->table[i].id >= 0 && v->table[i].id != before)
            i = (i + 1) & v->mask;
        v->table[i] = (oc__vocab_slot){.tag = (uint32_t)h, .id = id};
    }
    return OC_OK;
}

static oc_status find_special(oc_vocab *v, const char *what, oc_err *err)
{
    static const char *const name[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    int32_t *to[] = {&v->special.pad, &v->special.unk, &v->special.cls, &v->special.sep,
                     &v->special.mask};
    for (int i = 0; i < OC_COUNT(name); i++) {
        *to[i] = oc_vocab_id(v, name[i], strlen(name[i]));
        if (*to[i] < 0 && to[i] != &v->special.mask)
            return OC_FAIL(err, OC_FORMAT,
                           "%s has no token %s among its %d; a BERT vocabulary was expected", what,
                           name[i], (int)v->V);
    }
    return OC_OK;
}

/*
 * A letter that lower-casing would change can never be looked up in an uncased vocabulary. Entries
 * in brackets ([PAD], [unused7]) and capitals without a small form (as for the real numbers) are in
 * uncased vocabularies too.
 */
static bool has_upper(const char *s, size_t n)
{
    if (n > 2 && s[0] == '[' && s[n - 1] == ']')
        return false;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        i += (size_t)oc_utf8_decode(s + i, n - i, &cp);
        if (oc_u_is_upper(cp) && oc_u_lower(cp) != cp)
            return true;
    }
    return false;
}

static void describe(oc_vocab *v)
{
    for (int32_t id = 0; id < v->V; id++)
        v->n_upper += has_upper(v->text + v->start[id], token_bytes(v, id));
}

static oc_status make_key(oc_vocab *v, oc_err *err)
{
    oc_hash *h = oc_hash_new();
    if (!h)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_hash_str(h, "vocab");
    oc_hash_add(h, v->text, v->start[v->V]);
    oc_hash_take(h, v->key);
    return OC_OK;
}

oc_status oc_vocab_parse(const char *text, size_t n, const char *what, oc_vocab **out, oc_err *err)
{
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        n -= 3;
    }
    oc_vocab *v = oc_calloc(1, sizeof *v);
    if (!v)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    oc_status rc;
    OC_TRY_GOTO(out, rc, read_lines(v, text, n, what, err));
    OC_TRY_GOTO(out, rc, fill_table(v, what, err));
    OC_TRY_GOTO(out, rc, find_special(v, what, err));
    OC_TRY_GOTO(out, rc, make_key(v, err));
    describe(v);
    *out = v;
    v = NULL;
out:
    oc_vocab_free(v);
    return rc;
}

oc_status oc_vocab_load(const char *path, oc_vocab **out, oc_err *err)
{
    oc_map map;
    OC_TRY(oc_file_map(path, &map, err));
    oc_status rc = oc_vocab_parse((const char *)map.data, map.n, path, out, err);
    oc_file_unmap(&map);
    return rc;
}

oc_status oc_vocab_dup(const oc_vocab *v, oc_vocab **out, oc_err *err)
{
    oc_vocab *d = oc_calloc(1, sizeof *d);
    if (!d)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    *d = *v;
    size_t n_slots = (size_t)v->mask + 1;
    d->text = oc_alloc(v->start[v->V]);
    d->start = oc_calloc((size_t)v->V + 1, sizeof *d->start);
    d->table = oc_calloc(n_slots, sizeof *d->table);
    if (!d->text || !d->start || !d->table) {
        oc_vocab_free(d);
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    }
    memcpy(d->text, v->text, v->start[v->V]);
    memcpy(d->start, v->start, ((size_t)v->V + 1) * sizeof *d->start);
    memcpy(d->table, v->table, n_slots * sizeof *d->table);
    *out = d;
    return OC_OK;
}

oc_status oc_vocab_save(const oc_vocab *v, const char *path, oc_err *err)
{
    oc_buf b = {0};
    for (int32_t id = 0; id < v->V; id++) {
        oc_buf_add(&b, v->text + v->start[id], token_bytes(v, id));
        oc_buf_ch(&b, '\n');
    }
    oc_status rc = oc_buf_check(&b, err);
    if (rc == OC_OK)
        rc = oc_file_write(path, b.data, b.len, err);
    oc_buf_release(&b);
    return rc;
}

void oc_vocab_free(oc_vocab *v)
{
    if (!v)
        return;
    oc_free(v->text);
    oc_free(v->start);
    oc_free(v->table);
    oc_free(v);
}

int32_t oc_vocab_size(const oc_vocab *v)
{
    return v->V;
}

int32_t oc_vocab_id(const oc_vocab *v, const char *s, size_t n)
{
    return oc__vocab_find(v, oc__hash_bytes(OC__HASH_START, s, n), s, n, 0);
}

const char *oc_vocab_token(const oc_vocab *v, int32_t id)
{
    return id >= 0 && id < v->V ? v->text + v->start[id] : "";
}

int32_t oc_vocab_duplicates(const oc_vocab *v)
{
    return v->n_dup;
}

oc_special_ids oc_vocab_special(const oc_vocab *v)
{
    return v->special;
}

int32_t oc_vocab_n_upper(const oc_vocab *v)
{
    return v->n_upper;
}

bool oc_vocab_looks_cased(const oc_vocab *v)
{
    return v->n_upper > 0;
}

void oc_vocab_key(const oc_vocab *v, char out[33])
{
    memcpy(out, v->key, sizeof v->key);
}
