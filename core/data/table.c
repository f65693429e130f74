#include "core/data/table.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/data/csv.h"

#define MAX_TABLE_FILE ((size_t)16 << 30)

enum { COL_TEXT, COL_LABEL, COL_ID, COL_SPLIT, N_COLS };

struct oc_table {
    oc_table_want want;
    const char *column[N_COLS]; /* borrowed names; "" = not wanted */
    char *name;                 /* owned */
    oc_strlist labels;          /* of the current row */
    /* csv, tsv */
    oc_csv *csv; /* owned; NULL for JSON lines */
    int64_t at[N_COLS], n_fields;
    /* JSON lines */
    char *data; /* owned */
    size_t n, pos;
    int64_t line;
    oc_json *doc;            /* owned: the current row */
    char number[N_COLS][32]; /* id or split given as a number */
};

void oc_show_value(char out[64], const char *value)
{
    size_t n = strlen(value);
    bool plain = n <= 40;
    for (size_t i = 0; i < n && plain; i++)
        plain = (unsigned char)value[i] >= ' ' && value[i] != 0x7f;
    if (plain)
        snprintf(out, 64, "'%s'", value);
    else
        snprintf(out, 64, "(a value of %zu bytes)", n);
}

/* Long paths would push the reason out of a message. */
static const char *name_of(const char *path)
{
    return strlen(path) <= 200 ? path : oc_path_base(path);
}

const char *oc_table_name(const oc_table *t)
{
    return t->name;
}

void oc_table_close(oc_table *t)
{
    if (!t)
        return;
    oc_csv_free(t->csv);
    oc_json_free(t->doc);
    oc_strlist_release(&t->labels);
    oc_free(t->data);
    oc_free(t->name);
    oc_free(t);
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path), k = strlen(suffix);
    return n > k && !strcasecmp(path + n - k, suffix);
}

/* A name worth showing in a list of columns; a file without a header shows the length instead. */
static void list_name(oc_buf *b, const char *name)
{
    char shown[64];
    oc_show_value(shown, name);
    if (b->len)
        oc_buf_str(b, ", ");
    if (*shown == '\'')
        oc_buf_add(b, shown + 1, strlen(shown) - 2);
    else
        oc_buf_str(b, shown);
}

static oc_status missing_column(const oc_table *t, int64_t line, const char *name,
                                const oc_buf *there, oc_err *err)
{
    return OC_FAIL(err, OC_FORMAT, "%s:%lld: no column '%s'; there are: %.240s", t->name,
                   (long long)line, name, oc_buf_cstr(there));
}

/* --- CSV ----------------------------------------------------------------------------------- */

static oc_status csv_missing(const oc_table *t, const oc_csv_row *head, int col, oc_err *err)
{
    oc_buf there = {0};
    for (int64_t i = 0; i < head->n; i++)
        list_name(&there, head->field[i]);
    oc_status st = missing_column(t, head->line, t->column[col], &there, err);
    oc_buf_release(&there);
    return st;
}

static oc_status csv_find(oc_table *t, const oc_csv_row *head, int col, oc_err *err)
{
    t->at[col] = -1;
    if (!*t->column[col])
        return OC_OK;
    for (int64_t i = 0; i < head->n; i++) {
        if (strcmp(head->field[i], t->column[col]) != 0)
            continue;
        if (t->at[col] >= 0)
            return OC_FAIL(err, OC_FORMAT, "%s:%lld: two columns are named '%s'", t->name,
                           (long long)head->line, t->column[col]);
        t->at[col] = i;
    }
    if (t->at[col] < 0 && col != COL_ID)
        return csv_missing(t, head, col, err);
    return OC_OK;
}

static oc_status csv_header(oc_table *t, oc_err *err)
{
    oc_csv_row head;
    int got = 0;
    OC_TRY(oc_csv_next(t->csv, &head, &got, err));
    if (!got)
        return OC_FAIL(err, OC_FORMAT, "%s: the file is empty", t->name);
    t->n_fields = head.n;
    for (int col = 0; col < N_COLS; col++)
        OC_TRY(csv_find(t, &head, col, err));
    return OC_OK;
}

static oc_status add_trimmed(oc_strlist *l, const char *s, oc_err *err)
{
    const char *end = s + strlen(s);
    while (isspace((unsigned char)*s))
        s++;
    while (end > s && isspace((unsigned char)end[-1]))
        end--;
    return end > s ? oc_strlist_add(l, s, (size_t)(end - s), err) : OC_OK;
}

static oc_status split_cell(oc_table *t, const char *cell, oc_err *err)
{
    if (t->want.kind == OC_TASK_MULTI)
        return oc_strlist_split(&t->labels, cell, t->want.delimiter, err);
    return add_trimmed(&t->labels, cell, err);
}

static const char *csv_field(const oc_table *t, const oc_csv_row *r, int col)
{
    return t->at[col] >= 0 ? r->field[t->at[col]] : "";
}

static oc_status csv_next(oc_table *t, oc_table_row *row, int *got, oc_err *err)
{
    oc_csv_row r;
    OC_TRY(oc_csv_next(t->csv, &r, got, err));
    if (!*got)
        return OC_OK;
    if (r.n != t->n_fields)
        return OC_FAIL(err, OC_FORMAT, "%s:%lld: %lld fields, the header has %lld", t->name,
                       (long long)r.line, (long long)r.n, (long long)t->n_fields);
    OC_TRY(split_cell(t, csv_field(t, &r, COL_LABEL), err));
    row->line = r.line;
    row->id = csv_field(t, &r, COL_ID);
    row->text = csv_field(t, &r, COL_TEXT);
    row->split = csv_field(t, &r, COL_SPLIT);
    return OC_OK;
}

/* --- JSON lines ---------------------------------------------------------------------------- */

static oc_status json_missing(const oc_table *t, int col, oc_err *err)
{
    oc_buf there = {0};
    for (const oc_json *c = oc_json_first(t->doc); c; c = oc_json_next(c))
        list_name(&there, oc_json_key(c));
    oc_status st = missing_column(t, t->line, t->column[col], &there, err);
    oc_buf_release(&there);
    return st;
}

static oc_status wrong_kind(const oc_table *t, int col, const char *wanted, oc_err *err)
{
    return OC_FAIL(err, OC_FORMAT, "%s:%lld: '%s' is not %s", t->name, (long long)t->line,
                   t->column[col], wanted);
}

/* A string, or a number as text: *out is borrowed. NULL when it is neither. */
static const char *scalar(const oc_json *v, char number[32])
{
    if (oc_json_is_string(v))
        return oc_json_str(v, "");
    if (!oc_json_is_number(v))
        return NULL;
    int64_t whole;
    if (oc_json_i64(v, -((int64_t)1 << 53), (int64_t)1 << 53, &whole))
        snprintf(number, 32, "%lld", (long long)whole);
    else
        oc_fmt_f64(number, oc_json_num(v, 0));
    return number;
}

static oc_status json_scalar(oc_table *t, int col, const char **out, oc_err *err)
{
    *out = "";
    if (!*t->column[col])
        return OC_OK;
    const oc_json *v = oc_json_get(t->doc, t->column[col]);
    if (!v || oc_json_is_null(v))
        return col == COL_ID ? OC_OK : json_missing(t, col, err);
    const char *s = scalar(v, t->number[col]);
    if (!s)
        return wrong_kind(t, col, "a string or a number", err);
    *out = s;
    return OC_OK;
}

static oc_status json_labels(oc_table *t, oc_err *err)
{
    if (!*t->column[COL_LABEL])
        return OC_OK;
    const oc_json *v = oc_json_get(t->doc, t->column[COL_LABEL]);
    if (!v)
        return json_missing(t, COL_LABEL, err);
    if (oc_json_is_null(v))
        return OC_OK;
    char number[32];
    if (!oc_json_is_array(v)) {
        const char *s = scalar(v, number);
        return s ? split_cell(t, s, err)
                 : wrong_kind(t, COL_LABEL, "a string, a number or an array of strings", err);
    }
    if (t->want.kind == OC_TASK_SINGLE)
        return wrong_kind(t, COL_LABEL, "one label (the task is single-label)", err);
    for (const oc_json *c = oc_json_first(v); c; c = oc_json_next(c)) {
        const char *s = scalar(c, number);
        if (!s)
            return wrong_kind(t, COL_LABEL, "an array of strings", err);
        OC_TRY(add_trimmed(&t->labels, s, err));
    }
    return OC_OK;
}

/* The parser counts lines from 1 inside the one it is given; the file's line takes their place. */
static oc_status json_parse_line(oc_table *t, const char *s, size_t n, oc_err *err)
{
    oc_err e = {0};
    oc_status st = oc_json_parse(s, n, "", &t->doc, &e);
    if (st == OC_OK || st != OC_FORMAT)
        return st == OC_OK ? st
                           : OC_FAIL(err, st, "%s:%lld: %s", t->name, (long long)t->line, e.msg);
    const char *msg = oc_str_starts(e.msg, ":1:") ? e.msg + 3 : e.msg;
    return OC_FAIL(err, OC_FORMAT, "%s:%lld:%s", t->name, (long long)t->line, msg);
}

static bool json_line(oc_table *t, size_t *begin, size_t *end)
{
    while (t->pos < t->n) {
        const char *s = t->data + t->pos, *nl = memchr(s, '\n', t->n - t->pos);
        size_t n = nl ? (size_t)(nl - s) : t->n - t->pos;
        *begin = t->pos;
        *end = t->pos + n;
        t->pos += n + (nl != NULL);
        t->line++;
        for (size_t i = *begin; i < *end; i++)
            if (!strchr(" \t\r", t->data[i]) || !t->data[i])
                return true;
    }
    return false;
}

static oc_status json_next(oc_table *t, oc_table_row *row, int *got, oc_err *err)
{
    oc_json_free(t->doc);
    t->doc = NULL;
    size_t begin, end;
    *got = json_line(t, &begin, &end);
    if (!*got)
        return OC_OK;
    if (memchr(t->data + begin, 0, end - begin))
        return OC_FAIL(err, OC_FORMAT, "%s:%lld: a NUL byte", t->name, (long long)t->line);
    OC_TRY(json_parse_line(t, t->data + begin, end - begin, err));
    if (!oc_json_is_object(t->doc))
        return OC_FAIL(err, OC_FORMAT, "%s:%lld: not a JSON object", t->name, (long long)t->line);
    OC_TRY(json_scalar(t, COL_TEXT, &row->text, err));
    OC_TRY(json_scalar(t, COL_ID, &row->id, err));
    OC_TRY(json_scalar(t, COL_SPLIT, &row->split, err));
    OC_TRY(json_labels(t, err));
    row->line = t->line;
    return OC_OK;
}

/* ------------------------------------------------------------------------------------------- */

static oc_status open_csv(oc_table *t, char *data, size_t n, char delimiter, oc_err *err)
{
    OC_TRY(oc_csv_new(data, n, t->name, delimiter, &t->csv, err));
    return csv_header(t, err);
}

static oc_status open_json(oc_table *t, char *data, size_t n, oc_err *err)
{
    t->data = data;
    t->n = n;
    t->pos = n >= 3 && !memcmp(data, "\xef\xbb\xbf", 3) ? 3 : 0;
    if (t->pos == n)
        return OC_FAIL(err, OC_FORMAT, "%s: the file is empty", t->name);
    return OC_OK;
}

typedef enum { AS_NONE, AS_CSV, AS_TSV, AS_JSON } format;

static format format_of(const char *path)
{
    if (has_suffix(path, ".jsonl") || has_suffix(path, ".ndjson"))
        return AS_JSON;
    return has_suffix(path, ".csv") ? AS_CSV : has_suffix(path, ".tsv") ? AS_TSV : AS_NONE;
}

oc_status oc_table_open(const char *path, const oc_table_want *want, oc_table **out, oc_err *err)
{
    if (format_of(path) == AS_NONE)
        return OC_FAIL(err, OC_UNSUPPORTED, "%s: a table is a .csv, .tsv, .jsonl or .ndjson file",
                       name_of(path));
    char *data = NULL;
    size_t n = 0;
    OC_TRY(oc_file_read(path, MAX_TABLE_FILE, &data, &n, err));
    return oc_table_open_data(data, n, path, want, out, err);
}

oc_status oc_table_open_data(char *data, size_t n, const char *path, const oc_table_want *want,
                             oc_table **out, oc_err *err)
{
    oc_table *t = oc_calloc(1, sizeof *t);
    char *name = oc_strdup(name_of(path));
    if (!t || !name) {
        oc_free(t);
        oc_free(name);
        oc_free(data);
        return OC_FAIL(err, OC_NOMEM, "%s: out of memory", name_of(path));
    }
    t->name = name;
    t->want = *want;
    t->column[COL_TEXT] = want->text;
    t->column[COL_LABEL] = want->label;
    t->column[COL_ID] = want->id;
    t->column[COL_SPLIT] = want->split;
    format f = format_of(path);
    oc_status st = f == AS_JSON ? open_json(t, data, n, err)
                                : open_csv(t, data, n, f == AS_TSV ? '\t' : ',', err);
    if (st != OC_OK) {
        oc_table_close(t);
        return st;
    }
    *out = t;
    return OC_OK;
}

oc_status oc_table_next(oc_table *t, oc_table_row *row, int *got, oc_err *err)
{
    for (int64_t i = 0; i < t->labels.n; i++)
        oc_free(t->labels.item[i]);
    t->labels.n = 0;
    oc_table_row r = {.id = "", .text = "", .split = "", .labels = &t->labels};
    OC_TRY(t->csv ? csv_next(t, &r, got, err) : json_next(t, &r, got, err));
    if (*got)
        *row = r;
    return OC_OK;
}
