/* Completion of a command line: what could stand where the cursor is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "sessions/session.h"
#include "sessions/workbench_parts.h"

typedef struct asked {
    const oc_workbench *w;    /* may be NULL */
    const char *prefix;       /* of the word, quotes and backslashes resolved */
    const oc_strlist *before; /* words in front of it */
    oc_strlist *out;
} asked;

/* A candidate as it must be typed: blanks, quotes, backslashes and semicolons escaped. */
static oc_status offer(const asked *a, const char *word, oc_err *err)
{
    if (!oc_str_starts(word, a->prefix))
        return OC_OK;
    oc_buf b = {0};
    for (const char *p = word; *p; p++) {
        if (strchr(" \t\\\"';", *p))
            oc_buf_ch(&b, '\\');
        oc_buf_ch(&b, *p);
    }
    oc_status rc = oc_buf_check(&b, err);
    if (rc == OC_OK && oc_strlist_find(a->out, oc_buf_cstr(&b)) < 0)
        rc = oc_strlist_add(a->out, oc_buf_cstr(&b), b.len, err);
    oc_buf_release(&b);
    return rc;
}

static oc_status offer_list(const asked *a, const oc_strlist *l, oc_err *err)
{
    for (int64_t i = 0; l && i < l->n; i++)
        OC_TRY(offer(a, l->item[i], err));
    return OC_OK;
}

/* "a|b|c", as far as n bytes of it. */
static oc_status offer_words(const asked *a, const char *words, size_t n, oc_err *err)
{
    const char *end = words + n;
    while (words < end) {
        const char *bar = memchr(words, '|', (size_t)(end - words));
        size_t k = bar ? (size_t)(bar - words) : (size_t)(end - words);
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)k, words);
        OC_TRY(offer(a, word, err));
        words += k + 1;
    }
    return OC_OK;
}

static oc_status offer_settings(const asked *a, oc_err *err)
{
    for (int i = 0; i < oc_setting_count(); i++)
        OC_TRY(offer(a, oc_setting_at(i)->key, err));
    return OC_OK;
}

static oc_status offer_commands(const asked *a, oc_err *err)
{
    for (int i = 0; i < oc_command_count(); i++)
        OC_TRY(offer(a, oc_command_at(i)->name, err));
    return OC_OK;
}

/* Files in the folder the prefix names; folders end in '/', so completion goes on inside. */
static oc_status offer_paths(const asked *a, oc_err *err)
{
    const char *slash = strrchr(a->prefix, '/');
    const char *leaf = slash ? slash + 1 : a->prefix;
    char dir[OC_PATH_MAX], full[OC_PATH_MAX], shown[OC_PATH_MAX + 1];
    size_t n_dir = (size_t)(leaf - a->prefix);
    if (n_dir >= sizeof dir)
        return OC_OK;
    memcpy(dir, a->prefix, n_dir);
    dir[n_dir] = 0;
    oc_strlist names = {0};
    // A folder that cannot be read has nothing to offer.
    oc_status rc = oc_dir_list(n_dir ? dir : ".", &names, NULL);
    for (int64_t i = 0; rc == OC_OK && i < names.n; i++) {
        const char *name = names.item[i];
        if ((*name == '.' && *leaf != '.') || !oc_str_starts(name, leaf) ||
            oc_path_join(full, n_dir ? dir : ".", name, NULL) != OC_OK ||
            n_dir + strlen(name) >= OC_PATH_MAX)
            continue;
        snprintf(shown, sizeof shown, "%s%s%s", dir, name, oc_path_is_dir(full) ? "/" : "");
        rc = offer(a, shown, err);
    }
    oc_strlist_release(&names);
    return rc == OC_NOMEM ? OC_FAIL(err, OC_NOMEM, "out of memory") : OC_OK;
}

static oc_status offer_sessions(const asked *a, oc_err *err)
{
    if (strchr(a->prefix, '/'))
        return offer_paths(a, err);
    oc_strlist names = {0};
    oc_status rc = oc_sessions_names(&names, NULL);
    if (rc == OC_OK)
        rc = offer_list(a, &names, err);
    oc_strlist_release(&names);
    return rc == OC_NOMEM ? OC_FAIL(err, OC_NOMEM, "out of memory") : OC_OK;
}

static oc_status offer_models(const asked *a, oc_err *err)
{
    for (int64_t i = 0; a->w && i < a->w->state->n_models; i++)
        OC_TRY(offer(a, a->w->state->model[i].name, err));
    return OC_OK;
}

/* Is the value of this setting a place on disk? */
static bool names_a_path(const char *key)
{
    static const char *const keys[] = {"run.model",   "data.dir",       "data.file",
                                       "data.train",  "data.valid",     "data.test",
                                       "data.labels", "teacher.models", "student.model"};
    for (int i = 0; i < OC_COUNT(keys); i++)
        if (!strcmp(keys[i], key))
            return true;
    return false;
}

static oc_status offer_values(const asked *a, oc_err *err)
{
    const oc_setting *d = a->before->n > 1 ? oc_setting_find(a->before->item[1]) : NULL;
    if (!d)
        return OC_OK;
    if (d->type == OC_SET_FLAG)
        return offer_words(a, "true|false", 10, err);
    if (d->type == OC_SET_WORD)
        return offer_words(a, d->words, strlen(d->words), err);
    if (names_a_path(d->key))
        OC_TRY(offer_paths(a, err));
    if (!strcmp(d->key, "bench.baseline"))
        OC_TRY(offer_models(a, err));
    // Numbers and text: as it is now, and as it was made.
    if (a->w) {
        oc_settings *s = oc_alloc(sizeof *s);
        char value[OC_TEXT_MAX];
        if (!s)
            return OC_FAIL(err, OC_NOMEM, "out of memory");
        oc_workbench_settings(a->w, s);
        oc_settings_get(s, d, value);
        oc_free(s);
        if (*value)
            OC_TRY(offer(a, value, err));
    }
    return *d->otherwise ? offer(a, d->otherwise, err) : OC_OK;
}

/* One kind of the `complete` column. */
static oc_status offer_kind(const asked *a, const char *kind, size_t n, oc_err *err)
{
    static const struct {
        const char *name;
        oc_status (*offer)(const asked *, oc_err *);
    } kinds[] = {{"setting", offer_settings}, {"value", offer_values}, {"session", offer_sessions},
                 {"path", offer_paths},       {"model", offer_models}, {"command", offer_commands}};
    if (*kind == '=')
        return offer_words(a, kind + 1, n - 1, err);
    for (int i = 0; i < OC_COUNT(kinds); i++)
        if (strlen(kinds[i].name) == n && !memcmp(kinds[i].name, kind, n))
            return kinds[i].offer(a, err);
    char what[16];
    snprintf(what, sizeof what, "%.*s", (int)n, kind);
    return offer_list(a, oc__screen_words(a->w, what), err);
}

/* The i-th word of `complete` (from 1), its kinds joined by '+'. */
static oc_status offer_argument(const asked *a, const char *complete, int64_t i, oc_err *err)
{
    for (; i > 1 && *complete; i--) {
        complete += strcspn(complete, " ");
        complete += strspn(complete, " ");
    }
    while (*complete && *complete != ' ') {
        size_t n = strcspn(complete, "+ ");
        OC_TRY(offer_kind(a, complete, n, err));
        complete += n;
        complete += *complete == '+';
    }
    return OC_OK;
}

/* Where the word under the cursor begins, and where its command does: as oc_command_split reads. */
static void locate(const char *text, int64_t *command, int64_t *word)
{
    char quote = 0;
    bool in_word = false;
    *command = *word = 0;
    int64_t i = 0;
    for (; text[i]; i++) {
        char c = text[i];
        bool blank = !quote && (c == ' ' || c == '\t' || c == '\r');
        bool ends = !quote && (c == ';' || c == '\n');
        if (blank || ends) {
            in_word = false;
            if (ends)
                *command = i + 1;
            continue;
        }
        if (!in_word)
            *word = i;
        in_word = true;
        if (quote ? c == quote : c == '"' || c == '\'')
            quote = quote ? 0 : c;
        else if (c == '\\' && quote != '\'' && text[i + 1])
            i++;
    }
    if (!in_word)
        *word = i;
}

/* The word as it would be read if it ended here; an open quote or a last backslash is forgiven. */
static oc_status resolve(const char *raw, oc_buf *out, oc_err *err)
{
    char quote = 0;
    for (const char *p = raw; *p; p++) {
        if (quote ? *p == quote : *p == '"' || *p == '\'')
            quote = quote ? 0 : *p;
        else if (*p == '\\' && quote != '\'') {
            if (p[1])
                oc_buf_ch(out, *++p);
        } else {
            oc_buf_ch(out, *p);
        }
    }
    return oc_buf_check(out, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static oc_status complete_text(const oc_workbench *w, char *text, oc_strlist *out, int64_t *from,
                               oc_err *err)
{
    int64_t command, word;
    locate(text, &command, &word);
    oc_buf prefix = {0};
    oc_strlist before = {0}, found = {0};
    oc_status rc;
    OC_TRY_GOTO(out, rc, resolve(text + word, &prefix, err));
    text[word] = 0;
    OC_TRY_GOTO(out, rc, oc_command_split(text + command, &before, NULL, err));
    asked a = {.w = w, .prefix = oc_buf_cstr(&prefix), .before = &before, .out = &found};
    const oc_command *c = before.n ? oc_command_find(before.item[0]) : NULL;
    if (!before.n)
        rc = offer_commands(&a, err);
    else if (c)
        rc = offer_argument(&a, c->complete, before.n, err);
    if (rc == OC_OK) {
        if (found.n > 1)
            qsort(found.item, (size_t)found.n, sizeof *found.item, by_name);
        *out = found;
        found = (oc_strlist){0};
        *from = word;
    }
out:
    oc_buf_release(&prefix);
    oc_strlist_release(&before);
    oc_strlist_release(&found);
    return rc;
}

oc_status oc_command_complete(const oc_workbench *w, const char *line, int64_t cursor,
                              oc_strlist *out, int64_t *from, oc_err *err)
{
    size_t n = strlen(line);
    if (cursor >= 0 && (size_t)cursor < n)
        n = (size_t)cursor;
    char *text = oc_strndup(line, n);
    if (!text)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_status rc = complete_text(w, text, out, from, err);
    oc_free(text);
    return rc;
}
