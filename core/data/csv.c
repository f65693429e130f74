#include "core/data/csv.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"

struct oc_csv {
    char *data; /* owned [n+1] */
    size_t n, pos;
    int64_t line; /* of data[pos] */
    char *what;   /* owned */
    char delim;
    char **field; /* owned [cap] */
    size_t cap;
};

/* Where a record ends and whether it is well formed; found before a byte of it is changed. */
typedef struct scan {
    size_t end;        /* first byte after the record and its line end */
    int64_t lines;     /* line ends passed */
    const char *wrong; /* NULL when well formed */
    int64_t wrong_line;
} scan;

oc_status oc_csv_new(char *data, size_t n, const char *what, char delimiter, oc_csv **out,
                     oc_err *err)
{
    oc_csv *c = oc_calloc(1, sizeof *c);
    char *name = oc_strdup(what);
    if (!c || !name) {
        oc_free(c);
        oc_free(name);
        oc_free(data);
        return OC_FAIL(err, OC_NOMEM, "%s: out of memory", what);
    }
    *c = (oc_csv){.data = data, .n = n, .line = 1, .what = name, .delim = delimiter};
    if (n >= 3 && !memcmp(data, "\xef\xbb\xbf", 3))
        c->pos = 3;
    *out = c;
    return OC_OK;
}

void oc_csv_free(oc_csv *c)
{
    if (!c)
        return;
    oc_free(c->data);
    oc_free(c->what);
    oc_free(c->field);
    oc_free(c);
}

/* Bytes of the line end at data[i]: 0 none, 1 LF or CR, 2 CRLF. */
static size_t line_end(const oc_csv *c, size_t i)
{
    if (i >= c->n)
        return 0;
    if (c->data[i] == '\n')
        return 1;
    if (c->data[i] == '\r')
        return i + 1 < c->n && c->data[i + 1] == '\n' ? 2 : 1;
    return 0;
}

static size_t skip_line(const oc_csv *c, size_t i)
{
    while (i < c->n && !line_end(c, i))
        i++;
    return i + line_end(c, i);
}

static void scan_fail(scan *s, const char *wrong, int64_t line)
{
    if (!s->wrong) {
        s->wrong = wrong;
        s->wrong_line = line;
    }
}

/* data[i] is an opening quote: returns the index after the closing one, or n when there is none. */
static size_t scan_quoted(const oc_csv *c, size_t i, scan *s, int64_t *line, bool *closed)
{
    *closed = false;
    for (i++; i < c->n;) {
        size_t nl = line_end(c, i);
        if (nl) {
            *line += 1;
            i += nl;
        } else if (c->data[i] != '"') {
            if (!c->data[i])
                scan_fail(s, "a NUL byte", *line);
            i++;
        } else if (i + 1 < c->n && c->data[i + 1] == '"') {
            i += 2;
        } else {
            *closed = true;
            return i + 1;
        }
    }
    return i;
}

static scan scan_record(const oc_csv *c)
{
    scan s = {0};
    int64_t line = c->line;
    size_t i = c->pos;
    for (;;) {
        if (i < c->n && c->data[i] == '"') {
            int64_t opened = line;
            bool closed;
            i = scan_quoted(c, i, &s, &line, &closed);
            if (!closed) {
                // What follows may be sound lines: only the one the record starts on is given up.
                scan_fail(&s, "a quoted field that is never closed", opened);
                s.end = skip_line(c, c->pos);
                s.lines = 1;
                return s;
            }
            if (i < c->n && c->data[i] != c->delim && !line_end(c, i)) {
                scan_fail(&s, "bytes after a closing quote", line);
                s.end = skip_line(c, i);
                s.lines = line - c->line + 1;
                return s;
            }
        }
        for (; i < c->n && c->data[i] != c->delim && !line_end(c, i); i++)
            if (!c->data[i])
                scan_fail(&s, "a NUL byte", line);
        size_t nl = line_end(c, i);
        if (i >= c->n || nl) {
            s.end = i + nl;
            s.lines = line - c->line + (nl > 0);
            return s;
        }
        i++;
    }
}

/* First line of [from, end) that is not UTF-8; 0 when all of it is. */
static int64_t bad_utf8_line(const oc_csv *c, size_t from, size_t end)
{
    if (oc_utf8_valid(c->data + from, end - from))
        return 0;
    for (int64_t line = c->line;; line++) {
        size_t next = skip_line(c, from);
        if (next >= end || !oc_utf8_valid(c->data + from, next - from))
            return line;
        from = next;
    }
}

/* Move one field to where it starts, without its quotes; returns the index of what ended it. */
static size_t decode_field(oc_csv *c, size_t i, size_t *len)
{
    char *to = c->data + i;
    size_t k = 0;
    if (i < c->n && c->data[i] == '"') {
        for (i++;; i++) {
            if (c->data[i] == '"' && c->data[++i] != '"')
                break;
            to[k++] = c->data[i];
        }
    } else {
        while (i < c->n && c->data[i] != c->delim && !line_end(c, i)) {
            k++;
            i++;
        }
    }
    *len = k;
    return i;
}

static oc_status decode_record(oc_csv *c, size_t i, oc_csv_row *row, oc_err *err)
{
    row->n = 0;
    for (;;) {
        OC_TRY(oc_grow(&c->field, &c->cap, (size_t)row->n + 1, sizeof *c->field, err));
        size_t len;
        char *start = c->data + i;
        i = decode_field(c, i, &len);
        bool more = i < c->n && c->data[i] == c->delim;
        start[len] = 0; // on a quote, a delimiter, a line end or the last NUL
        c->field[row->n++] = start;
        if (!more)
            break;
        i++;
    }
    row->field = c->field;
    return OC_OK;
}

oc_status oc_csv_next(oc_csv *c, oc_csv_row *row, int *got, oc_err *err)
{
    for (size_t nl; (nl = line_end(c, c->pos)) > 0; c->pos += nl)
        c->line++;
    if (c->pos >= c->n) {
        *got = 0;
        return OC_OK;
    }
    scan s = scan_record(c);
    if (!s.wrong) {
        int64_t at = bad_utf8_line(c, c->pos, s.end);
        if (at)
            scan_fail(&s, "bytes that are not UTF-8", at);
    }
    size_t start = c->pos;
    int64_t line = c->line;
    oc_status st = OC_OK;
    oc_csv_row r = {.line = line};
    if (s.wrong)
        st = OC_FAIL(err, OC_FORMAT, "%s:%lld: %s", c->what, (long long)s.wrong_line, s.wrong);
    else
        st = decode_record(c, start, &r, err);
    c->pos = s.end;
    c->line += s.lines;
    if (st != OC_OK)
        return st;
    *row = r;
    *got = 1;
    return OC_OK;
}
