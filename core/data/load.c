#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/data/index.h"
#include "core/data/table.h"
#include "core/data/task.h"

#define MAX_DESCRIBED 32

/* A row as read: the number of classes is not known before the last one. */
typedef struct staged {
    char *id, *text;     /* owned; NULL once moved on */
    int64_t first_label; /* into loader.pool */
    int32_t n_labels;
    oc_split split;
    int64_t index; /* of the row over all files of its split, bad ones counted */
} staged;

typedef struct loader {
    oc_table_want want;
    bool need_labels, skip, open_list; /* open_list: labels are those that come */
    oc_index labels;
    staged *row; /* owned [n] */
    size_t n, cap;
    int32_t *pool; /* owned [n_pool]: labels of all rows */
    size_t n_pool, pool_cap;
    int64_t index; /* of the next row */
    oc_bad_rows bad;
} loader;

static void loader_release(loader *L)
{
    for (size_t i = 0; i < L->n; i++) {
        oc_free(L->row[i].id);
        oc_free(L->row[i].text);
    }
    oc_free(L->row);
    oc_free(L->pool);
    oc_index_release(&L->labels);
    oc_strlist_release(&L->bad.first);
}

static oc_status loader_init(loader *L, const oc_task *task, const char *split_column,
                             bool need_labels, bool skip, oc_err *err)
{
    *L = (loader){.need_labels = need_labels, .skip = skip, .open_list = task->labels.n == 0};
    L->want = (oc_table_want){.text = task->text_column,
                              .label = need_labels ? task->label_column : "",
                              .id = task->id_column,
                              .split = split_column,
                              .kind = task->kind,
                              .delimiter = task->delimiter};
    if (!*task->text_column)
        return OC_FAIL(err, OC_USAGE, "the text column has no name");
    if (need_labels && !*task->label_column)
        return OC_FAIL(err, OC_USAGE, "the label column has no name");
    for (int64_t i = 0; i < task->labels.n; i++) {
        int64_t at;
        OC_TRY(oc_index_add(&L->labels, task->labels.item[i], &at, NULL, err));
    }
    return OC_OK;
}

/* --- one row ------------------------------------------------------------------------------- */

static oc_status parse_split(const char *s, const oc_table *t, int64_t line, oc_split *out,
                             oc_err *err)
{
    static const struct {
        const char *word;
        oc_split split;
    } words[] = {{"train", OC_SPLIT_TRAIN},      {"dev", OC_SPLIT_VALID},
                 {"val", OC_SPLIT_VALID},        {"valid", OC_SPLIT_VALID},
                 {"validation", OC_SPLIT_VALID}, {"test", OC_SPLIT_TEST}};
    s += strspn(s, " \t");
    size_t n = strlen(s);
    while (n && strchr(" \t", s[n - 1]))
        n--;
    for (int i = 0; i < OC_COUNT(words); i++) {
        if (strlen(words[i].word) == n && !strncasecmp(words[i].word, s, n)) {
            *out = words[i].split;
            return OC_OK;
        }
    }
    char shown[64];
    oc_show_value(shown, s);
    return OC_FAIL(err, OC_FORMAT,
                   "%s:%lld: split %s is none of train, dev, val, valid, validation, test",
                   oc_table_name(t), (long long)line, shown);
}

/* Appends the number of one label to the pool. */
static oc_status stage_label(loader *L, const oc_table *t, int64_t line, const char *label,
                             oc_err *err)
{
    int64_t at = oc_index_find(&L->labels, label, strlen(label));
    if (at < 0 && !L->open_list) {
        char shown[64];
        oc_show_value(shown, label);
        return OC_FAIL(err, OC_FORMAT, "%s:%lld: label %s is not in the list of %lld labels",
                       oc_table_name(t), (long long)line, shown, (long long)L->labels.words.n);
    }
    if (at < 0)
        OC_TRY(oc_index_add(&L->labels, label, &at, NULL, err));
    if (at >= OC_MAX_LABELS)
        return OC_FAIL(
            err, OC_RANGE,
            "%s:%lld: more than %d different labels in column '%s': is it the right one?",
            oc_table_name(t), (long long)line, OC_MAX_LABELS, L->want.label);
    OC_TRY(oc_grow(&L->pool, &L->pool_cap, L->n_pool + 1, sizeof *L->pool, err));
    L->pool[L->n_pool++] = (int32_t)at;
    return OC_OK;
}

static oc_status stage_labels(loader *L, const oc_table *t, const oc_table_row *r, staged *s,
                              oc_err *err)
{
    s->first_label = (int64_t)L->n_pool;
    if (!L->need_labels)
        return OC_OK;
    if (r->labels->n == 0 && L->want.kind == OC_TASK_SINGLE)
        return OC_FAIL(err, OC_FORMAT, "%s:%lld: no label in column '%s'", oc_table_name(t),
                       (long long)r->line, L->want.label);
    for (int64_t i = 0; i < r->labels->n; i++) {
        oc_status st = stage_label(L, t, r->line, r->labels->item[i], err);
        if (st != OC_OK) {
            L->n_pool = (size_t)s->first_label;
            return st;
        }
    }
    s->n_labels = (int32_t)r->labels->n;
    return OC_OK;
}

static oc_status stage_row(loader *L, const oc_table *t, const oc_table_row *r, oc_split split,
                           oc_err *err)
{
    staged s = {.split = split, .index = L->index};
    if (*L->want.split)
        OC_TRY(parse_split(r->split, t, r->line, &s.split, err));
    OC_TRY(stage_labels(L, t, r, &s, err));
    OC_TRY(oc_grow(&L->row, &L->cap, L->n + 1, sizeof *L->row, err));
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)L->index + 1);
    s.id = oc_strdup(*r->id ? r->id : number);
    s.text = oc_strdup(r->text);
    if (!s.id || !s.text) {
        oc_free(s.id);
        oc_free(s.text);
        return OC_FAIL(err, OC_NOMEM, "%s:%lld: out of memory", oc_table_name(t),
                       (long long)r->line);
    }
    L->row[L->n++] = s;
    return OC_OK;
}

/* --- files --------------------------------------------------------------------------------- */

static oc_status note_bad(loader *L, const oc_err *e, oc_err *err)
{
    L->bad.n++;
    if (L->bad.first.n >= MAX_DESCRIBED)
        return OC_OK;
    return oc_strlist_add(&L->bad.first, e->msg, strlen(e->msg), err);
}

static oc_status read_rows(loader *L, oc_table *t, oc_split split, oc_err *err)
{
    int64_t rows = 0;
    for (;; rows++, L->index++) {
        oc_err e = {0};
        oc_table_row r;
        int got = 1;
        oc_status st = oc_table_next(t, &r, &got, &e);
        if (st == OC_OK && !got)
            break;
        if (st == OC_OK)
            st = stage_row(L, t, &r, split, &e);
        if (st == OC_OK)
            continue;
        if (st != OC_FORMAT || !L->skip)
            return OC_FAIL(err, st, "%s", e.msg);
        OC_TRY(note_bad(L, &e, err));
    }
    if (rows == 0)
        return OC_FAIL(err, OC_FORMAT, "%s: there is no row in the file", oc_table_name(t));
    return OC_OK;
}

static oc_status read_file(loader *L, const char *path, oc_split split, oc_err *err)
{
    oc_table *t = NULL;
    OC_TRY(oc_table_open(path, &L->want, &t, err));
    oc_status st = read_rows(L, t, split, err);
    oc_table_close(t);
    return st;
}

/* A comma-separated list of files below dir, read one after another as if they were one. */
static oc_status read_list(loader *L, const char *dir, const char *list, oc_split split,
                           oc_err *err)
{
    oc_strlist files = {0};
    oc_status st = oc_strlist_split(&files, list, ',', err);
    L->index = 0;
    for (int64_t i = 0; i < files.n && st == OC_OK; i++) {
        char path[OC_PATH_MAX];
        st = oc_path_join(path, dir ? dir : "", files.item[i], err);
        if (st == OC_OK)
            st = read_file(L, path, split, err);
    }
    oc_strlist_release(&files);
    return st;
}

/* --- labels -------------------------------------------------------------------------------- */

typedef struct sortable {
    const char *s;
    int64_t value; /* when all are whole numbers */
    int64_t old;
} sortable;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sortable *)a)->s, ((const sortable *)b)->s);
}

static int by_value(const void *a, const void *b)
{
    const sortable *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return by_name(a, b);
}

/* Put the labels that came in order: new_of[old] and the names in *names. */
static oc_status sort_labels(const oc_strlist *l, int32_t *new_of, oc_strlist *names, oc_err *err)
{
    sortable *s = oc_calloc((size_t)l->n, sizeof *s);
    if (!s)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %lld labels", (long long)l->n);
    bool whole = true;
    for (int64_t i = 0; i < l->n; i++) {
        s[i] = (sortable){.s = l->item[i], .old = i};
        whole = oc_parse_i64(s[i].s, &s[i].value) && whole;
    }
    qsort(s, (size_t)l->n, sizeof *s, whole ? by_value : by_name);
    oc_status st = OC_OK;
    for (int64_t i = 0; i < l->n && st == OC_OK; i++) {
        new_of[s[i].old] = (int32_t)i;
        st = oc_strlist_add(names, s[i].s, strlen(s[i].s), err);
    }
    oc_free(s);
    return st;
}

/* With an open list: sort it and renumber the pool. *names is then the list; else left empty. */
static oc_status close_labels(loader *L, oc_strlist *names, oc_err *err)
{
    if (!L->open_list || !L->need_labels)
        return OC_OK;
    int64_t n = L->labels.words.n;
    if (n < 1)
        return OC_FAIL(err, OC_FORMAT, "column '%s' holds no label in any row", L->want.label);
    int32_t *new_of = oc_calloc((size_t)n, sizeof *new_of);
    if (!new_of)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %lld labels", (long long)n);
    oc_status st = sort_labels(&L->labels.words, new_of, names, err);
    for (size_t i = 0; i < L->n_pool && st == OC_OK; i++)
        L->pool[i] = new_of[L->pool[i]];
    oc_free(new_of);
    return st;
}

/* --- splits -------------------------------------------------------------------------------- */

static bool any_row(const loader *L, oc_split s)
{
    for (size_t i = 0; i < L->n; i++)
        if (L->row[i].split == s)
            return true;
    return false;
}

/*
 * Move about `frac` of the train rows to valid. A row goes by the hash of its index, so it goes the
 * same way whatever the other rows are; at least one goes, and at least one stays.
 */
static void draw_valid(loader *L, double frac, uint64_t seed)
{
    staged *least = NULL, *most = NULL;
    uint64_t low = UINT64_MAX, high = 0;
    size_t n = 0, moved = 0;
    for (size_t i = 0; i < L->n; i++) {
        staged *s = &L->row[i];
        if (s->split != OC_SPLIT_TRAIN)
            continue;
        uint64_t draw = oc_rng_at(seed, (uint64_t)s->index) >> 11;
        if (draw < low || !least) {
            low = draw;
            least = s;
        }
        if (draw >= high) {
            high = draw;
            most = s;
        }
        n++;
        if ((double)draw * 0x1p-53 < frac) {
            s->split = OC_SPLIT_VALID;
            moved++;
        }
    }
    if (n >= 2 && moved == 0)
        least->split = OC_SPLIT_VALID;
    else if (n >= 2 && moved == n)
        most->split = OC_SPLIT_TRAIN;
}

static void assign_splits(loader *L, const oc_data_source *src)
{
    if (!*L->want.split && src->test_every > 0 && *src->file)
        for (size_t i = 0; i < L->n; i++)
            if (L->row[i].index % src->test_every == src->test_every - 1)
                L->row[i].split = OC_SPLIT_TEST;
    if (src->valid_frac > 0 && !any_row(L, OC_SPLIT_VALID))
        draw_valid(L, src->valid_frac, src->seed);
}

/* Hand the staged rows over, at most max_rows (0: all) to each split. */
static oc_status build(loader *L, int64_t K, int64_t max_rows, oc_dataset out[OC_N_SPLITS],
                       oc_err *err)
{
    for (int s = 0; s < OC_N_SPLITS; s++)
        out[s] = (oc_dataset){.K = K, .kind = L->want.kind};
    for (size_t i = 0; i < L->n; i++) {
        staged *s = &L->row[i];
        oc_dataset *d = &out[s->split];
        if (max_rows <= 0 || d->n < max_rows)
            OC_TRY(oc_dataset_add(d, s->id, s->text, L->pool ? L->pool + s->first_label : NULL,
                                  s->n_labels, err));
        oc_free(s->id);
        oc_free(s->text);
        s->id = s->text = NULL;
    }
    return OC_OK;
}

static oc_status check_train(const loader *L, const oc_dataset *train, oc_err *err)
{
    if (train->n > 0)
        return OC_OK;
    if (L->n == 0 && L->bad.first.n > 0)
        return OC_FAIL(err, OC_FORMAT, "all %lld rows are bad; the first: %s", (long long)L->bad.n,
                       L->bad.first.item[0]);
    return OC_FAIL(err, OC_FORMAT, "the train split is empty: %lld rows went to other splits",
                   (long long)L->n);
}

/* Labels, splits and data sets from what was read; nothing is handed out on failure. */
static oc_status finish(loader *L, const oc_data_source *src, oc_task *task, oc_data *out,
                        oc_err *err)
{
    oc_strlist names = {0};
    oc_data d = {0};
    oc_status st = close_labels(L, &names, err);
    int64_t K = names.n ? names.n : task->labels.n;
    if (st == OC_OK && names.n == 1 && task->kind == OC_TASK_SINGLE && src)
        st = OC_FAIL(err, OC_FORMAT, "every row has the same label in column '%s'",
                     task->label_column);
    if (st == OC_OK && src)
        assign_splits(L, src);
    if (st == OC_OK)
        st = build(L, K, src ? src->max_rows : 0, d.split, err);
    if (st == OC_OK)
        st = check_train(L, &d.split[OC_SPLIT_TRAIN], err);
    if (st != OC_OK) {
        oc_strlist_release(&names);
        oc_data_release(&d);
        return st;
    }
    if (names.n) {
        oc_strlist_release(&task->labels);
        task->labels = names;
    }
    d.bad = L->bad;
    L->bad = (oc_bad_rows){0};
    *out = d;
    return OC_OK;
}

static bool given(const char *s)
{
    return s && *s;
}

static oc_status check_source(const oc_data_source *src, oc_err *err)
{
    bool by_split = false;
    for (int s = 0; s < OC_N_SPLITS; s++)
        by_split = by_split || given(src->files[s]);
    if (given(src->file) && by_split)
        return OC_FAIL(err, OC_USAGE,
                       "data is given both as one file and as files by split: use one of the two");
    if (!given(src->file) && !by_split)
        return OC_FAIL(err, OC_USAGE, "no data file is given");
    if (!given(src->file) && !given(src->files[OC_SPLIT_TRAIN]))
        return OC_FAIL(err, OC_USAGE, "no file is given for the train split");
    if (!(src->valid_frac >= 0 && src->valid_frac < 1))
        return OC_FAIL(err, OC_RANGE, "the share of rows for validation is %g, not in [0, 1)",
                       src->valid_frac);
    if (src->test_every < 0 || src->test_every == 1)
        return OC_FAIL(err, OC_RANGE, "every %lld-th row for the test leaves none to train on",
                       (long long)src->test_every);
    return OC_OK;
}

static oc_status read_source(loader *L, const oc_data_source *src, oc_err *err)
{
    if (given(src->file))
        return read_list(L, src->dir, src->file, OC_SPLIT_TRAIN, err);
    for (int s = 0; s < OC_N_SPLITS; s++)
        if (given(src->files[s]))
            OC_TRY(read_list(L, src->dir, src->files[s], (oc_split)s, err));
    return OC_OK;
}

oc_status oc_data_load(const oc_data_source *src, oc_task *task, oc_data *out, oc_err *err)
{
    OC_TRY(check_source(src, err));
    oc_data_source own = *src;
    own.file = src->file ? src->file : "";
    const char *column = *own.file && src->split_column ? src->split_column : "";
    loader L;
    oc_status st = loader_init(&L, task, column, src->need_labels, src->skip_bad_rows, err);
    if (st == OC_OK)
        st = read_source(&L, src, err);
    if (st == OC_OK)
        st = finish(&L, &own, task, out, err);
    loader_release(&L);
    return st;
}

oc_status oc_data_load_file(const char *path, oc_task *task, bool need_labels, bool skip_bad_rows,
                            oc_dataset *out, oc_bad_rows *bad, oc_err *err)
{
    loader L;
    oc_data d = {0};
    oc_status st = loader_init(&L, task, "", need_labels, skip_bad_rows, err);
    if (st == OC_OK)
        st = read_file(&L, path, OC_SPLIT_TRAIN, err);
    if (st == OC_OK)
        st = finish(&L, NULL, task, &d, err);
    loader_release(&L);
    if (st != OC_OK)
        return st;
    *out = d.split[OC_SPLIT_TRAIN];
    d.split[OC_SPLIT_TRAIN] = (oc_dataset){0};
    if (bad) {
        *bad = d.bad;
        d.bad = (oc_bad_rows){0};
    }
    oc_data_release(&d);
    return OC_OK;
}
