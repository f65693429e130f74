/* Two sessions side by side: only what differs, and every candidate. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json.h"
#include "sessions/final_table.h"
#include "sessions/session.h"

/* Both sides of one comparison. */
typedef struct pair {
    const char *name[2];
    oc_state *s[2];
} pair;

static const oc_stage_state *stage_of(const oc_state *s, const oc_stage_state *like)
{
    for (int64_t i = 0; i < s->n_stages; i++)
        if (!strcmp(s->stage[i].kind, like->kind) && !strcmp(s->stage[i].run, like->run))
            return &s->stage[i];
    return NULL;
}

static const oc_model_state *candidate_of(const oc_state *s, const char *model)
{
    const oc_model_state *m = oc_state_model(s, model);
    return m && m->has_cand ? m : NULL;
}

/* --- text -------------------------------------------------------------------------------------- */

static const char *shown(const char *value)
{
    return *value ? value : "(empty)";
}

/* The values of setting i on both sides; false when they are the same. */
static bool differs(const pair *p, int i, char v[2][OC_TEXT_MAX])
{
    for (int k = 0; k < 2; k++)
        oc_settings_get(&p->s[k]->set, oc_setting_at(i), v[k]);
    return strcmp(v[0], v[1]) != 0;
}

static oc_status text_settings(const pair *p, oc_buf *out, oc_err *err)
{
    oc_grid g = {.n_cols = 3, .n_left = 3};
    for (int i = 0; i < oc_setting_count(); i++) {
        char v[2][OC_TEXT_MAX];
        if (!differs(p, i, v))
            continue;
        if (g.n == 0) {
            oc_grid_put(&g, 0, "setting");
            oc_grid_put(&g, 1, "A");
            oc_grid_put(&g, 2, "B");
        }
        oc_grid_put(&g, 0, "%s", oc_setting_at(i)->key);
        oc_grid_put(&g, 1, "%s", shown(v[0]));
        oc_grid_put(&g, 2, "%s", shown(v[1]));
    }
    if (g.n == 0)
        oc_buf_str(out, "settings: the same\n");
    return oc_grid_write(&g, 160, out, err);
}

static void put_stage(oc_grid *g, const pair *p, const oc_stage_state *like)
{
    oc_grid_put(g, 0, "%s", like->kind);
    oc_grid_put(g, 1, "%s", *like->run ? like->run : "-");
    for (int k = 0; k < 2; k++) {
        const oc_stage_state *x = stage_of(p->s[k], like);
        char took[24] = "-";
        if (x && x->seconds > 0)
            oc_fmt_duration(took, x->seconds);
        oc_grid_put(g, 2 + 2 * k, "%s", x ? x->status : "-");
        oc_grid_put(g, 3 + 2 * k, "%s", took);
    }
}

static oc_status text_stages(const pair *p, oc_buf *out, oc_err *err)
{
    static const char *const head[] = {"stage", "run", "status A", "time A", "status B", "time B"};
    oc_grid g = {.n_cols = OC_COUNT(head), .n_left = 3};
    for (int32_t c = 0; c < OC_COUNT(head); c++)
        oc_grid_put(&g, c, "%s", head[c]);
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < p->s[k]->n_stages; i++)
            if (k == 0 || !stage_of(p->s[0], &p->s[1]->stage[i]))
                put_stage(&g, p, &p->s[k]->stage[i]);
    return oc_grid_write(&g, 160, out, err);
}

static void put_candidate(oc_grid *g, const pair *p, const char *model)
{
    double auroc[2] = {(double)NAN, (double)NAN};
    oc_footprint f[2];
    oc_grid_put(g, 0, "%s", model);
    for (int k = 0; k < 2; k++) {
        const oc_model_state *m = candidate_of(p->s[k], model);
        f[k] = oc_footprint_of(p->s[k], model);
        char size[24] = "-";
        if (m && f[k].bytes > 0)
            oc_fmt_bytes(size, f[k].bytes);
        if (m)
            auroc[k] = m->cand.auroc;
        oc_grid_put(g, 1 + k, isfinite(auroc[k]) ? "%.4f" : "-", auroc[k]);
        oc_grid_put(g, 4 + k, "%s", size);
        oc_grid_put(g, 6 + k, m && isfinite(f[k].median_ms) ? "%.3f" : "-", f[k].median_ms);
    }
    oc_grid_put(g, 3, isfinite(auroc[1] - auroc[0]) ? "%+.4f" : "-", auroc[1] - auroc[0]);
}

static oc_status text_candidates(const pair *p, oc_buf *out, oc_err *err)
{
    static const char *const head[] = {"model",  "AUROC A", "AUROC B", "B - A",
                                       "size A", "size B",  "ms A",    "ms B"};
    oc_grid g = {.n_cols = OC_COUNT(head), .n_left = 1};
    for (int32_t c = 0; c < OC_COUNT(head); c++)
        oc_grid_put(&g, c, "%s", head[c]);
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < p->s[k]->n_models; i++)
            if (p->s[k]->model[i].has_cand &&
                (k == 0 || !candidate_of(p->s[0], p->s[1]->model[i].name)))
                put_candidate(&g, p, p->s[k]->model[i].name);
    return oc_grid_write(&g, 160, out, err);
}

static oc_status as_text(const pair *p, oc_buf *out, oc_err *err)
{
    oc_buf_fmt(out, "A = %s\nB = %s\n\n", p->name[0], p->name[1]);
    OC_TRY(text_settings(p, out, err));
    oc_buf_ch(out, '\n');
    OC_TRY(text_stages(p, out, err));
    oc_buf_ch(out, '\n');
    return text_candidates(p, out, err);
}

/* --- JSON -------------------------------------------------------------------------------------- */

static void json_stage(oc_jw *w, const oc_stage_state *x)
{
    if (!x) {
        oc_jw_null(w);
        return;
    }
    oc_jw_open(w, '{');
    oc_jw_kstr(w, "status", x->status);
    oc_jw_kf64(w, "seconds", x->seconds);
    oc_jw_close(w, '}');
}

static void json_candidate(oc_jw *w, const oc_state *s, const char *model)
{
    const oc_model_state *m = candidate_of(s, model);
    if (!m) {
        oc_jw_null(w);
        return;
    }
    oc_footprint f = oc_footprint_of(s, model);
    oc_jw_open(w, '{');
    oc_jw_kf64(w, "auroc_macro", m->cand.auroc);
    oc_jw_kf64(w, "accuracy", m->cand.accuracy);
    oc_jw_ki64(w, "bytes", f.bytes);
    oc_jw_kf64(w, "median_ms", f.median_ms);
    oc_jw_close(w, '}');
}

static void json_settings(oc_jw *w, const pair *p)
{
    for (int i = 0; i < oc_setting_count(); i++) {
        char v[2][OC_TEXT_MAX];
        if (!differs(p, i, v))
            continue;
        oc_jw_open(w, '{');
        oc_jw_kstr(w, "key", oc_setting_at(i)->key);
        oc_jw_kstr(w, "a", v[0]);
        oc_jw_kstr(w, "b", v[1]);
        oc_jw_close(w, '}');
    }
}

static void json_stages(oc_jw *w, const pair *p)
{
    for (int k = 0; k < 2; k++) {
        for (int64_t i = 0; i < p->s[k]->n_stages; i++) {
            const oc_stage_state *x = &p->s[k]->stage[i];
            if (k == 1 && stage_of(p->s[0], x))
                continue;
            oc_jw_open(w, '{');
            oc_jw_kstr(w, "kind", x->kind);
            oc_jw_kstr(w, "run", x->run);
            oc_jw_key(w, "a");
            json_stage(w, stage_of(p->s[0], x));
            oc_jw_key(w, "b");
            json_stage(w, stage_of(p->s[1], x));
            oc_jw_close(w, '}');
        }
    }
}

static void json_candidates(oc_jw *w, const pair *p)
{
    for (int k = 0; k < 2; k++) {
        for (int64_t i = 0; i < p->s[k]->n_models; i++) {
            const oc_model_state *m = &p->s[k]->model[i];
            if (!m->has_cand || (k == 1 && candidate_of(p->s[0], m->name)))
                continue;
            oc_jw_open(w, '{');
            oc_jw_kstr(w, "model", m->name);
            oc_jw_key(w, "a");
            json_candidate(w, p->s[0], m->name);
            oc_jw_key(w, "b");
            json_candidate(w, p->s[1], m->name);
            oc_jw_close(w, '}');
        }
    }
}

static void as_json(const pair *p, oc_buf *out)
{
    static const struct {
        const char *key;
        void (*put)(oc_jw *, const pair *);
    } part[] = {
        {"settings", json_settings}, {"stages", json_stages}, {"candidates", json_candidates}};
    oc_jw w = {.out = out, .indent = 2};
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "a", p->name[0]);
    oc_jw_kstr(&w, "b", p->name[1]);
    for (int i = 0; i < OC_COUNT(part); i++) {
        oc_jw_key(&w, part[i].key);
        oc_jw_open(&w, '[');
        part[i].put(&w, p);
        oc_jw_close(&w, ']');
    }
    oc_jw_close(&w, '}');
    oc_buf_ch(out, '\n');
}

oc_status oc_sessions_diff(const char *a, const char *b, bool json, oc_buf *out, oc_err *err)
{
    pair p = {.name = {a, b}};
    oc_status rc;
    OC_TRY_GOTO(out, rc, oc_session_load(a, &p.s[0], err));
    OC_TRY_GOTO(out, rc, oc_session_load(b, &p.s[1], err));
    if (json)
        as_json(&p, out);
    else
        OC_TRY_GOTO(out, rc, as_text(&p, out, err));
    rc = oc_buf_check(out, err);
out:
    oc_state_free(p.s[0]);
    oc_state_free(p.s[1]);
    return rc;
}
