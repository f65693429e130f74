/* All sessions at a glance. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "sessions/session.h"

typedef struct row {
    char when[24], recipe[128], standing[96], best_model[32], last_model[32];
    double best_auroc;
    int64_t bytes; /* of the newest candidate; 0 unknown */
    bool running, crashed;
} row;

static void summarize(const oc_state *s, row *r)
{
    *r = (row){.best_auroc = (double)NAN};
    oc_fmt_utc(r->when, s->last_ms);
    oc_strlcpy(r->recipe, s->recipe, sizeof r->recipe);
    oc_session_standing(s, r->standing);
    r->crashed = oc_session_crashed(s);
    r->running = s->live && !r->crashed;
    for (int64_t i = 0; i < s->n_models; i++) {
        const oc_ev_candidate *c = &s->model[i].cand;
        if (!s->model[i].has_cand)
            continue;
        if (isfinite(c->auroc) && !(c->auroc <= r->best_auroc)) {
            r->best_auroc = c->auroc;
            oc_strlcpy(r->best_model, s->model[i].name, sizeof r->best_model);
        }
        if (c->bytes > 0) {
            r->bytes = c->bytes;
            oc_strlcpy(r->last_model, s->model[i].name, sizeof r->last_model);
        }
    }
}

/* A line fits 80 columns unless the name or where it stands is long. */
static void text_row(oc_buf *out, int name_wide, const char *name, const row *r)
{
    char auroc[16] = "-", size[24] = "-", when[17];
    if (isfinite(r->best_auroc))
        snprintf(auroc, sizeof auroc, "%.4f", r->best_auroc);
    if (r->bytes > 0)
        oc_fmt_bytes(size, r->bytes);
    oc_strlcpy(when, r->when, sizeof when);
    when[strcspn(when, "T")] = ' ';
    oc_buf_fmt(out, "%-*.60s  %-16s  %6s  %8s  %s%s%s%s\n", name_wide, name, when, auroc, size,
               r->standing, *r->recipe ? " (" : "", r->recipe, *r->recipe ? ")" : "");
}

static void json_row(oc_jw *w, const char *name, const row *r)
{
    oc_jw_open(w, '{');
    oc_jw_kstr(w, "name", name);
    oc_jw_kstr(w, "when", r->when);
    oc_jw_kstr(w, "recipe", r->recipe);
    oc_jw_kstr(w, "standing", r->standing);
    oc_jw_kbool(w, "running", r->running);
    oc_jw_kbool(w, "crashed", r->crashed);
    oc_jw_kf64(w, "best_auroc", r->best_auroc);
    oc_jw_kstr(w, "best_model", *r->best_model ? r->best_model : NULL);
    oc_jw_key(w, "bytes");
    if (r->bytes > 0)
        oc_jw_i64(w, r->bytes);
    else
        oc_jw_null(w);
    oc_jw_close(w, '}');
}

/* A session that cannot be read is a row that says so, not the end of the list. */
static oc_status one(const char *name, row *r, oc_err *err)
{
    oc_state *s = NULL;
    oc_err inner = {0};
    oc_status rc = oc_session_load(name, &s, &inner);
    if (rc == OC_NOMEM)
        return OC_FAIL(err, rc, "%s", inner.msg);
    if (rc == OC_OK) {
        summarize(s, r);
    } else {
        *r = (row){.best_auroc = (double)NAN};
        oc_strlcpy(r->when, "?", sizeof r->when);
        oc_strlcpy(r->standing, "unreadable", sizeof r->standing);
    }
    oc_state_free(s);
    return OC_OK;
}

oc_status oc_sessions_list(bool json, oc_buf *out, oc_err *err)
{
    oc_strlist names = {0};
    oc_jw w = {.out = out, .indent = 2};
    oc_status rc = oc_sessions_names(&names, err);
    if (json)
        oc_jw_open(&w, '[');
    else if (rc == OC_OK && names.n == 0)
        oc_buf_str(out, "no sessions yet; 'optimclm demo' makes one\n");
    int wide = (int)strlen("session");
    for (int64_t i = 0; rc == OC_OK && i < names.n; i++)
        wide = OC_MAX(wide, OC_MIN((int)strlen(names.item[i]), 60));
    if (rc == OC_OK && !json && names.n > 0)
        oc_buf_fmt(out, "%-*s  %-16s  %6s  %8s  %s\n", wide, "session", "last event, UTC", "AUROC",
                   "size", "stands (recipe)");
    for (int64_t i = 0; rc == OC_OK && i < names.n; i++) {
        row r;
        rc = one(names.item[i], &r, err);
        if (rc == OC_OK && json)
            json_row(&w, names.item[i], &r);
        else if (rc == OC_OK)
            text_row(out, wide, names.item[i], &r);
    }
    if (json) {
        oc_jw_close(&w, ']');
        oc_buf_ch(out, '\n');
    }
    oc_strlist_release(&names);
    return rc == OC_OK ? oc_buf_check(out, err) : rc;
}
