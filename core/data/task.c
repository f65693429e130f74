#include "core/data/task.h"

#include <ctype.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/data/index.h"

#define MAX_LABEL_FILE ((size_t)64 << 20)

/* The four outcome tasks, as their published tables name the columns. */
static const struct preset {
    const char *name, *label_column;
    oc_task_kind kind;
    int n_labels; /* classes "0", "1", ...; 0 = the codes come from a file or from the data */
} presets[] = {
    {"mortality", "hospital_expire_flag", OC_TASK_SINGLE, 2},
    {"los", "los_label", OC_TASK_SINGLE, 4},
    {"diagnoses", "short_codes", OC_TASK_MULTI, 0},
    {"procedures", "short_codes", OC_TASK_MULTI, 0},
};

oc_status oc_task_preset(const char *name, oc_task *out, oc_err *err)
{
    for (int i = 0; i < OC_COUNT(presets); i++) {
        const struct preset *p = &presets[i];
        if (strcmp(p->name, name) != 0)
            continue;
        oc_task t = {.kind = p->kind, .delimiter = ','};
        oc_strlcpy(t.name, name, sizeof t.name);
        oc_strlcpy(t.text_column, "text", sizeof t.text_column);
        oc_strlcpy(t.label_column, p->label_column, sizeof t.label_column);
        oc_strlcpy(t.id_column, "id", sizeof t.id_column);
        for (int k = 0; k < p->n_labels; k++) {
            char digit = (char)('0' + k);
            oc_status st = oc_strlist_add(&t.labels, &digit, 1, err);
            if (st != OC_OK) {
                oc_task_release(&t);
                return st;
            }
        }
        *out = t;
        return OC_OK;
    }
    return OC_FAIL(err, OC_RANGE,
                   "no built-in task '%.40s': there are mortality, los, diagnoses and procedures",
                   name);
}

void oc_task_release(oc_task *t)
{
    oc_strlist_release(&t->labels);
    *t = (oc_task){0};
}

oc_status oc_task_dup(const oc_task *t, oc_task *out, oc_err *err)
{
    oc_task copy = *t;
    copy.labels = (oc_strlist){0};
    for (int64_t i = 0; i < t->labels.n; i++) {
        const char *s = t->labels.item[i];
        oc_status st = oc_strlist_add(&copy.labels, s, strlen(s), err);
        if (st != OC_OK) {
            oc_task_release(&copy);
            return st;
        }
    }
    *out = copy;
    return OC_OK;
}

const char *oc_split_name(oc_split s)
{
    static const char *const name[OC_N_SPLITS] = {"train", "valid", "test"};
    OC_CHECK((unsigned)s < OC_N_SPLITS);
    return name[s];
}

static const char *not_blank(const char *s, const char *end)
{
    while (s < end && isspace((unsigned char)*s))
        s++;
    return s;
}

/* One label a line; names may hold spaces. Blank lines do not count. */
static oc_status labels_by_line(const char *s, const char *end, oc_strlist *out, oc_err *err)
{
    while ((s = not_blank(s, end)) < end) {
        const char *stop = s;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        const char *last = stop;
        while (isspace((unsigned char)last[-1]))
            last--;
        OC_TRY(oc_strlist_add(out, s, (size_t)(last - s), err));
        s = stop;
    }
    return OC_OK;
}

/* A single line is a list: at its commas when it has any, else at its blanks. */
static oc_status labels_in_line(const char *line, oc_strlist *out, oc_err *err)
{
    if (strchr(line, ','))
        return oc_strlist_split(out, line, ',', err);
    for (const char *s = line; *s;) {
        size_t n = strcspn(s, " \t");
        if (n)
            OC_TRY(oc_strlist_add(out, s, n, err));
        s += n + strspn(s + n, " \t");
    }
    return OC_OK;
}

static oc_status check_labels(const oc_strlist *l, const char *path, oc_err *err)
{
    if (l->n == 0)
        return OC_FAIL(err, OC_FORMAT, "%s: no labels in it", path);
    if (l->n > OC_MAX_LABELS)
        return OC_FAIL(err, OC_RANGE, "%s: %lld labels, at most %d are possible", path,
                       (long long)l->n, OC_MAX_LABELS);
    oc_index ix = {0};
    oc_status st = OC_OK;
    for (int64_t i = 0; i < l->n && st == OC_OK; i++) {
        int64_t at;
        bool added;
        st = oc_index_add(&ix, l->item[i], &at, &added, err);
        if (st == OC_OK && !added)
            st = OC_FAIL(err, OC_FORMAT, "%s: label '%.40s' is there twice (entries %lld and %lld)",
                         path, l->item[i], (long long)at + 1, (long long)i + 1);
    }
    oc_index_release(&ix);
    return st;
}

static oc_status parse_labels(const char *data, size_t n, const char *path, oc_strlist *out,
                              oc_err *err)
{
    if (!oc_utf8_valid(data, n) || memchr(data, 0, n))
        return OC_FAIL(err, OC_FORMAT, "%s: not a text file in UTF-8", path);
    const char *s = n >= 3 && !memcmp(data, "\xef\xbb\xbf", 3) ? data + 3 : data;
    oc_strlist lines = {0};
    oc_status st = labels_by_line(s, data + n, &lines, err);
    if (st == OC_OK && lines.n == 1) {
        st = labels_in_line(lines.item[0], out, err);
    } else if (st == OC_OK) {
        *out = lines;
        lines = (oc_strlist){0};
    }
    oc_strlist_release(&lines);
    return st == OC_OK ? check_labels(out, path, err) : st;
}

oc_status oc_task_read_labels(oc_task *t, const char *path, oc_err *err)
{
    char *data = NULL;
    size_t n = 0;
    OC_TRY(oc_file_read(path, MAX_LABEL_FILE, &data, &n, err));
    oc_strlist labels = {0};
    oc_status st = parse_labels(data, n, path, &labels, err);
    oc_free(data);
    if (st != OC_OK) {
        oc_strlist_release(&labels);
        return st;
    }
    oc_strlist_release(&t->labels);
    t->labels = labels;
    return OC_OK;
}
