#include "core/engine/settings.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/str.h"

/* clang-format off */
#define AT(f) (int32_t)offsetof(oc_settings, f)
#define XI(f, key, d, lo, hi, st, help) {key, st, help, OC_SET_INT,  (double)(lo), (double)(hi), NULL, #d, AT(f)},
#define XR(f, key, d, lo, hi, st, help) {key, st, help, OC_SET_REAL, lo, hi, NULL, #d, AT(f)},
#define XF(f, key, d, st, help)         {key, st, help, OC_SET_FLAG, 0, 0, NULL, #d, AT(f)},
#define XT(f, key, d, st, help)         {key, st, help, OC_SET_TEXT, 0, 0, NULL, d, AT(f)},
#define XW(f, key, d, words, st, help)  {key, st, help, OC_SET_WORD, 0, 0, words, d, AT(f)},
/* clang-format on */
static const oc_setting table[] = {OC_SETTING_LIST(XI, XR, XF, XT, XW)};

int oc_setting_count(void)
{
    return OC_COUNT(table);
}
const oc_setting *oc_setting_at(int i)
{
    return &table[i];
}

const oc_setting *oc_setting_find(const char *key)
{
    for (int i = 0; i < OC_COUNT(table); i++)
        if (!strcmp(table[i].key, key))
            return &table[i];
    return NULL;
}

void oc_settings_init(oc_settings *s)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < OC_COUNT(table); i++)
        if (oc_settings_set(s, table[i].key, table[i].otherwise, NULL) != OC_OK)
            OC_BUG("a default lies outside its own range");
}

static oc_status unknown(const char *key, oc_err *err)
{
    const char *keys[OC_COUNT(table)];
    for (int i = 0; i < OC_COUNT(table); i++)
        keys[i] = table[i].key;
    const char *near = oc_nearest(key, keys, OC_COUNT(keys));
    return near ? OC_FAIL(err, OC_USAGE, "unknown setting '%.60s'; did you mean '%s'?", key, near)
                : OC_FAIL(err, OC_USAGE, "unknown setting '%.60s'; 'show' lists them all", key);
}

/* Is `value` one of the words in "a|b|c"? */
static bool is_word(const char *words, const char *value)
{
    size_t n = strlen(value);
    for (const char *w = words; *w;) {
        const char *end = strchr(w, '|');
        size_t k = end ? (size_t)(end - w) : strlen(w);
        if (k == n && memcmp(w, value, n) == 0)
            return true;
        w += k + (end != NULL);
    }
    return false;
}

static oc_status set_number(oc_settings *s, const oc_setting *d, const char *value, oc_err *err)
{
    double real = 0;
    int64_t whole = 0;
    bool ok = d->type == OC_SET_INT ? oc_parse_i64(value, &whole) : oc_parse_f64(value, &real);
    double v = d->type == OC_SET_INT ? (double)whole : real;
    if (!ok || !(v >= d->lo && v <= d->hi))
        return OC_FAIL(err, OC_USAGE, "%s is '%.60s'; it must be a %s from %.12g to %.12g", d->key,
                       value, d->type == OC_SET_INT ? "whole number" : "number", d->lo, d->hi);
    char *at = (char *)s + d->offset;
    if (d->type == OC_SET_INT)
        memcpy(at, &whole, sizeof whole);
    else
        memcpy(at, &real, sizeof real);
    return OC_OK;
}

oc_status oc_settings_set(oc_settings *s, const char *key, const char *value, oc_err *err)
{
    const oc_setting *d = oc_setting_find(key);
    if (!d)
        return unknown(key, err);
    char *at = (char *)s + d->offset;
    switch (d->type) {
    case OC_SET_INT:
    case OC_SET_REAL: return set_number(s, d, value, err);
    case OC_SET_FLAG: {
        bool v;
        if (!oc_parse_bool(value, &v))
            return OC_FAIL(err, OC_USAGE, "%s is '%.60s'; it must be true or false", key, value);
        memcpy(at, &v, sizeof v);
        return OC_OK;
    }
    case OC_SET_TEXT:
        if (strlen(value) >= OC_TEXT_MAX)
            return OC_FAIL(err, OC_USAGE, "%s is %zu bytes long; at most %d are kept", key,
                           strlen(value), OC_TEXT_MAX - 1);
        memmove(at, value, strlen(value) + 1);
        return OC_OK;
    case OC_SET_WORD:
        if (!is_word(d->words, value))
            return OC_FAIL(err, OC_USAGE, "%s is '%.60s'; it must be one of %s", key, value,
                           d->words);
        strcpy(at, value);
        return OC_OK;
    }
    return OC_OK;
}

void oc_settings_get(const oc_settings *s, const oc_setting *d, char out[OC_TEXT_MAX])
{
    const char *at = (const char *)s + d->offset;
    switch (d->type) {
    case OC_SET_INT:
        snprintf(out, OC_TEXT_MAX, "%lld", (long long)*(const int64_t *)(const void *)at);
        break;
    case OC_SET_REAL: {
        char t[32];
        oc_fmt_f64(t, *(const double *)(const void *)at);
        oc_strlcpy(out, t, OC_TEXT_MAX);
        break;
    }
    case OC_SET_FLAG:
        oc_strlcpy(out, *(const bool *)(const void *)at ? "true" : "false", OC_TEXT_MAX);
        break;
    case OC_SET_TEXT:
    case OC_SET_WORD: oc_strlcpy(out, at, OC_TEXT_MAX); break;
    }
}

static oc_status check_stages(const oc_settings *s, oc_err *err)
{
    static const char *const known[] = {"finetune", "distill",  "prune", "recover",
                                        "quantize", "evaluate", "bench"};
    oc_strlist l = {0};
    oc_status rc = oc_strlist_split(&l, s->run_stages, ',', err);
    int last = -1;
    for (int64_t i = 0; rc == OC_OK && i < l.n; i++) {
        int k = 0;
        while (k < OC_COUNT(known) && strcmp(known[k], l.item[i]) != 0)
            k++;
        if (k == OC_COUNT(known))
            rc = OC_FAIL(
                err, OC_USAGE,
                "run.stages has '%.40s'; stages are finetune, distill, prune, recover, quantize, evaluate, bench",
                l.item[i]);
        else if (k <= last)
            rc = OC_FAIL(
                err, OC_USAGE,
                "run.stages has '%s' after '%s'; stages run in the order finetune, distill, prune, recover, quantize, evaluate, bench",
                known[k], known[last]);
        last = k;
    }
    if (rc == OC_OK && l.n == 0)
        rc = OC_FAIL(err, OC_USAGE, "run.stages is empty; name at least one stage");
    oc_strlist_release(&l);
    return rc;
}

/* A list of whole numbers in [1, hi], such as bench.threads. */
static oc_status check_counts(const char *key, const char *text, int64_t hi, oc_err *err)
{
    oc_strlist l = {0};
    oc_status rc = oc_strlist_split(&l, text, ',', err);
    if (rc == OC_OK && l.n == 0)
        rc = OC_FAIL(err, OC_USAGE, "%s is empty; it is a list such as 1,2", key);
    for (int64_t i = 0; rc == OC_OK && i < l.n; i++) {
        int64_t v;
        if (!oc_parse_i64(l.item[i], &v) || v < 1 || v > hi)
            rc =
                OC_FAIL(err, OC_USAGE, "%s has '%.40s'; each must be a whole number from 1 to %lld",
                        key, l.item[i], (long long)hi);
    }
    oc_strlist_release(&l);
    return rc;
}

oc_status oc_settings_check(const oc_settings *s, oc_err *err)
{
    OC_TRY(check_stages(s, err));
    OC_TRY(check_counts("bench.threads", s->bench_threads, 1024, err));
    OC_TRY(check_counts("bench.batch", s->bench_batch, 4096, err));
    OC_TRY(check_counts("bench.length", s->bench_length, 4096, err));
    if (strlen(s->data_delimiter) != 1)
        return OC_FAIL(err, OC_USAGE, "data.delimiter is '%.20s'; it must be one character",
                       s->data_delimiter);
    if (!strcmp(s->ensemble_rule, "weights") && !*s->ensemble_weights)
        return OC_FAIL(
            err, OC_USAGE,
            "ensemble.rule is weights, but ensemble.weights is empty; give one weight per teacher, such as 0.6,0.4");
    if (s->distill_soft == 0 && s->distill_hard == 0)
        return OC_FAIL(err, OC_USAGE,
                       "distill.soft and distill.hard are both 0; there is nothing to minimize");
    return OC_OK;
}

oc_status oc_settings_check_run(const oc_settings *s, oc_err *err)
{
    OC_TRY(oc_settings_check(s, err));
    if (!strcmp(s->data_source, "files") && !*s->data_file && !*s->data_train)
        return OC_FAIL(
            err, OC_USAGE,
            "no data is named; set data.train (and data.test), or data.file, or data.source to notes for synthetic ones");
    return OC_OK;
}

/* A JSON value as the text oc_settings_set takes. Lists are joined with commas. */
static oc_status value_text(const oc_json *v, char out[OC_TEXT_MAX], const char *what,
                            const char *key, oc_err *err)
{
    if (oc_json_is_string(v)) {
        if (strlen(oc_json_str(v, "")) >= OC_TEXT_MAX)
            return OC_FAIL(err, OC_FORMAT, "%s: \"%s\" is longer than %d bytes", what, key,
                           OC_TEXT_MAX - 1);
        oc_strlcpy(out, oc_json_str(v, ""), OC_TEXT_MAX);
    } else if (oc_json_is_bool(v)) {
        strcpy(out, oc_json_bool(v, false) ? "true" : "false");
    } else if (oc_json_is_number(v)) {
        char t[32];
        oc_fmt_f64(t, oc_json_num(v, 0));
        int64_t whole;
        if (oc_json_i64(v, INT64_MIN, INT64_MAX, &whole))
            snprintf(t, sizeof t, "%lld", (long long)whole);
        oc_strlcpy(out, t, OC_TEXT_MAX);
    } else if (oc_json_is_array(v)) {
        size_t n = 0;
        for (const oc_json *i = oc_json_first(v); i; i = oc_json_next(i)) {
            char t[OC_TEXT_MAX];
            if (oc_json_is_array(i))
                return OC_FAIL(err, OC_FORMAT, "%s: \"%s\" is a list of lists", what, key);
            OC_TRY(value_text(i, t, what, key, err));
            if (n + strlen(t) + 2 > OC_TEXT_MAX)
                return OC_FAIL(err, OC_FORMAT, "%s: \"%s\" is longer than %d bytes", what, key,
                               OC_TEXT_MAX - 1);
            n += (size_t)snprintf(out + n, OC_TEXT_MAX - n, "%s%s", n ? "," : "", t);
        }
        out[n] = 0;
    } else {
        return OC_FAIL(err, OC_FORMAT,
                       "%s: \"%s\" must be a number, a string, true, false or a list", what, key);
    }
    return OC_OK;
}

static oc_status apply_recipe(const oc_json *j, const char *what, oc_settings *s, oc_err *err)
{
    if (!oc_json_is_object(j))
        return OC_FAIL(err, OC_FORMAT,
                       "%s: a recipe is a JSON object of settings, such as {\"distill.epochs\": 6}",
                       what);
    for (const oc_json *v = oc_json_first(j); v; v = oc_json_next(v)) {
        const char *key = oc_json_key(v);
        if (!strcmp(key, "name") || !strcmp(key, "description"))
            continue;
        char text[OC_TEXT_MAX] = "";
        OC_TRY(value_text(v, text, what, key, err));
        oc_err inner = {0};
        oc_status rc = oc_settings_set(s, key, text, &inner);
        if (rc != OC_OK)
            return OC_FAIL(err, rc, "%s: %s", what, inner.msg);
    }
    oc_err inner = {0};
    oc_status rc = oc_settings_check(s, &inner);
    return rc == OC_OK ? OC_OK : OC_FAIL(err, rc, "%s: %s", what, inner.msg);
}

oc_status oc_recipe_parse(const char *text, size_t n, const char *what, oc_settings *s, oc_err *err)
{
    oc_json *j;
    OC_TRY(oc_json_parse(text, n, what, &j, err));
    oc_settings *copy = oc_alloc(sizeof *copy);
    oc_status rc = copy ? OC_OK : OC_FAIL(err, OC_NOMEM, "out of memory");
    if (rc == OC_OK) {
        *copy = *s;
        rc = apply_recipe(j, what, copy, err);
        if (rc == OC_OK)
            *s = *copy;
    }
    oc_free(copy);
    oc_json_free(j);
    return rc;
}

oc_status oc_recipe_read(const char *path, oc_settings *s, oc_err *err)
{
    char *text;
    size_t n;
    OC_TRY(oc_file_read(path, 1 << 20, &text, &n, err));
    oc_status rc = oc_recipe_parse(text, n, path, s, err);
    oc_free(text);
    return rc;
}

void oc_recipe_write(const oc_settings *s, bool all, oc_buf *out)
{
    oc_jw w = {.out = out, .indent = 2};
    oc_jw_open(&w, '{');
    for (int i = 0; i < OC_COUNT(table); i++) {
        const oc_setting *d = &table[i];
        char text[OC_TEXT_MAX], norm[OC_TEXT_MAX] = "";
        oc_settings_get(s, d, text);
        oc_settings def = {0};
        if (oc_settings_set(&def, d->key, d->otherwise, NULL) == OC_OK)
            oc_settings_get(&def, d, norm);
        if (!all && !strcmp(text, norm))
            continue;
        oc_jw_key(&w, d->key);
        const char *at = (const char *)s + d->offset;
        if (d->type == OC_SET_INT)
            oc_jw_i64(&w, *(const int64_t *)(const void *)at);
        else if (d->type == OC_SET_REAL)
            oc_jw_f64(&w, *(const double *)(const void *)at);
        else if (d->type == OC_SET_FLAG)
            oc_jw_bool(&w, *(const bool *)(const void *)at);
        else
            oc_jw_str(&w, text);
    }
    oc_jw_close(&w, '}');
    oc_buf_ch(out, '\n');
}
