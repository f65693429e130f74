/* Commands about settings, and help on them. */
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "sessions/workbench_parts.h"

/* "0..1", "true|false", "a|b|c", "text" */
static void range_of(const oc_setting *d, char *out, size_t n)
{
    switch (d->type) {
    case OC_SET_INT: snprintf(out, n, "whole number %.12g..%.12g", d->lo, d->hi); break;
    case OC_SET_REAL: snprintf(out, n, "number %.12g..%.12g", d->lo, d->hi); break;
    case OC_SET_FLAG: snprintf(out, n, "true|false"); break;
    case OC_SET_TEXT: snprintf(out, n, "text"); break;
    case OC_SET_WORD: snprintf(out, n, "%s", d->words); break;
    }
}

static const char *shown(const char *value)
{
    return *value ? value : "\"\"";
}

static void describe(const oc_settings *s, const oc_setting *d, oc_buf *out)
{
    char value[OC_TEXT_MAX], range[256];
    oc_settings_get(s, d, value);
    range_of(d, range, sizeof range);
    oc_buf_fmt(out, "%s = %s\n  %s (%s; default %s)\n", d->key, shown(value), d->help, range,
               shown(d->otherwise));
}

static oc_status current(const oc_workbench *w, oc_settings **out, oc_err *err)
{
    oc_settings *s = oc_alloc(sizeof *s);
    if (!s)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_workbench_settings(w, s);
    *out = s;
    return OC_OK;
}

static oc_status unknown(const char *key, oc_err *err)
{
    // The settings themselves know which key is near.
    oc_settings *s = oc_calloc(1, sizeof *s);
    if (!s)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_status rc = oc_settings_set(s, key, "", err);
    oc_free(s);
    return rc == OC_OK ? OC_USAGE : rc;
}

/* Value of several words, joined by blanks: set run.stages prune, recover */
static oc_status join(int argc, char **argv, char out[OC_TEXT_MAX], oc_err *err)
{
    oc_buf b = {0};
    for (int i = 0; i < argc; i++)
        oc_buf_fmt(&b, "%s%s", i ? " " : "", argv[i]);
    oc_status rc = oc_buf_check(&b, err);
    if (rc == OC_OK && b.len >= OC_TEXT_MAX)
        rc = OC_FAIL(err, OC_USAGE, "the value has %zu bytes; at most %d are kept", b.len,
                     OC_TEXT_MAX - 1);
    if (rc == OC_OK)
        strcpy(out, oc_buf_cstr(&b));
    oc_buf_release(&b);
    return rc;
}

static oc_status change(oc_workbench *w, const oc_setting *d, const char *value, oc_reply *reply,
                        oc_err *err)
{
    oc_settings *before, *after = NULL;
    OC_TRY(current(w, &before, err));
    oc_request r = {.kind = OC_REQ_SET};
    oc_strlcpy(r.key, d->key, sizeof r.key);
    oc_strlcpy(r.text, value, sizeof r.text);
    oc_status rc = oc_workbench_request(w, &r, err);
    if (rc == OC_OK)
        rc = current(w, &after, err);
    if (rc == OC_OK) {
        char a[OC_TEXT_MAX], b[OC_TEXT_MAX];
        oc_settings_get(before, d, a);
        oc_settings_get(after, d, b);
        oc_buf_fmt(&reply->text, "%s %s -> %s%s\n", d->key, shown(a), shown(b),
                   oc_workbench_busy(w) ? " at the next step" : "");
    }
    oc_free(before);
    oc_free(after);
    return rc;
}

oc_status oc__cmd_set(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    char key[64], value[OC_TEXT_MAX];
    char *equals = argc == 2 ? strchr(argv[1], '=') : NULL;
    snprintf(key, sizeof key, "%.*s", equals ? (int)(equals - argv[1]) : 63, argv[1]);
    const oc_setting *d = oc_setting_find(key);
    if (!d)
        return unknown(key, err);
    if (argc == 2 && !equals) {
        oc_settings *s;
        OC_TRY(current(w, &s, err));
        describe(s, d, &reply->text);
        oc_free(s);
        return OC_OK;
    }
    if (equals)
        OC_TRY(join(1, (char *[]){equals + 1}, value, err));
    else
        OC_TRY(join(argc - 2, argv + 2, value, err));
    return change(w, d, value, reply, err);
}

/* Settings whose key begins with prefix, by stage, a star where the default was left; returns how many. */
static int list_settings(const oc_settings *s, const char *prefix, oc_buf *out)
{
    const char *stage = "";
    int n = 0;
    oc_settings *defaults = oc_alloc(sizeof *defaults);
    if (!defaults) {
        out->failed = true;
        return 0;
    }
    oc_settings_init(defaults);
    for (int i = 0; i < oc_setting_count(); i++) {
        const oc_setting *d = oc_setting_at(i);
        if (!oc_str_starts(d->key, prefix))
            continue;
        if (strcmp(stage, d->stage) != 0)
            oc_buf_fmt(out, "%s%s\n", n ? "\n" : "", d->stage);
        stage = d->stage;
        char value[OC_TEXT_MAX], otherwise[OC_TEXT_MAX];
        oc_settings_get(s, d, value);
        oc_settings_get(defaults, d, otherwise);
        bool same = !strcmp(value, otherwise);
        oc_buf_fmt(out, " %c %-20s %-22s %s\n", same ? ' ' : '*', d->key, shown(value), d->help);
        n++;
    }
    oc_free(defaults);
    return n;
}

oc_status oc__cmd_show(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    const char *what = argc > 1 ? argv[1] : "";
    const oc_strlist *views = oc__screen_words(w, "view");
    if (*what && views && oc_strlist_find(views, what) >= 0)
        return oc__act(reply, OC_UI_VIEW, what, err);
    oc_settings *s;
    OC_TRY(current(w, &s, err));
    const oc_setting *exact = oc_setting_find(what);
    int n = 0;
    if (exact)
        describe(s, exact, &reply->text);
    else
        n = list_settings(s, what, &reply->text);
    oc_free(s);
    if (!exact && n == 0 && !reply->text.failed)
        return unknown(what, err);
    return OC_OK;
}

static void help_command(const oc_command *c, oc_buf *out)
{
    oc_buf_fmt(out, "%s%s%s\n  %s\n", c->name, *c->args ? " " : "", c->args, c->help);
}

oc_status oc__cmd_help(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    if (argc == 1) {
        for (int i = 0; i < oc_command_count(); i++) {
            const oc_command *c = oc_command_at(i);
            char usage[64];
            snprintf(usage, sizeof usage, "%s %s", c->name, c->args);
            oc_buf_fmt(&reply->text, "%-24s %s\n", usage, c->help);
        }
        oc_buf_str(&reply->text,
                   "commands on one line are separated by ';'; 'show' lists the settings\n");
        return oc__act(reply, OC_UI_HELP, "", err);
    }
    const oc_command *c = oc_command_find(argv[1]);
    const oc_setting *d = oc_setting_find(argv[1]);
    if (c)
        help_command(c, &reply->text);
    if (d) {
        oc_settings *s;
        OC_TRY(current(w, &s, err));
        describe(s, d, &reply->text);
        oc_free(s);
    }
    return c || d
               ? OC_OK
               : OC_FAIL(err, OC_USAGE,
                         "'%.60s' is neither a command nor a setting; 'help' and 'show' list them",
                         argv[1]);
}
