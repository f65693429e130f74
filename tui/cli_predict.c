/*
 * tui/cli_predict.c - predict, eval: a model over a table, without a session.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/par.h"
#include "core/compress/encode.h"
#include "core/engine/pipeline.h"
#include "core/io/checkpoint.h"
#include "core/measure/metrics.h"
#include "core/nn/loss.h"
#include "tui/cli.h"
#include "tui/cli_ids.h"

oc_status oc_cli_task(const oc_cli *c, const oc_checkpoint *k, oc_task *out, oc_err *err)
{
    const oc_config *f = &k->config;
    if (oc_task_preset(c->task ? c->task : f->task, out, NULL) != OC_OK) {
        *out = (oc_task){
            .text_column = "text", .label_column = "label", .id_column = "id", .delimiter = ','};
        oc_strlcpy(out->name, c->task ? c->task : *f->task ? f->task : "labels", sizeof out->name);
    }
    out->kind = f->multi_label ? OC_TASK_MULTI : OC_TASK_SINGLE;
    const char *text = c->text ? c->text : f->text_column;
    const char *label = c->label ? c->label : f->label_column;
    if (*text)
        oc_strlcpy(out->text_column, text, sizeof out->text_column);
    if (*label)
        oc_strlcpy(out->label_column, label, sizeof out->label_column);
    if (c->id)
        oc_strlcpy(out->id_column, c->id, sizeof out->id_column);
    oc_strlist_release(&out->labels);
    for (int64_t i = 0; i < f->labels.n; i++)
        OC_TRY(oc_strlist_add(&out->labels, f->labels.item[i], strlen(f->labels.item[i]), err));
    for (int64_t i = f->labels.n; i < k->model->dims.K; i++) {
        char name[24];
        int n = snprintf(name, sizeof name, "%lld", (long long)i);
        OC_TRY(oc_strlist_add(&out->labels, name, (size_t)n, err));
    }
    return OC_OK;
}

oc_status oc_cli_threads(const oc_cli *c, oc_err *err)
{
    int64_t n = 0;
    if (c->threads && (!oc_parse_i64(c->threads, &n) || n < 1 || n > 1024))
        return OC_FAIL(err, OC_USAGE, "--threads is '%s'; it must be a whole number from 1 to 1024",
                       c->threads);
    oc_par_set_workers((int)n);
    return OC_OK;
}

/* Model and table; a stretch of rows is read at a time, so lines come early and memory stays small. */
typedef struct scored {
    oc_cli *c;
    oc_checkpoint *k;
    oc_task task;
    oc_dataset data;
    int64_t max_len;
    oc_job job;
    oc_meter meter; /* over all rows */
    int64_t first;  /* row the stretch at hand starts with */
    oc_infer infer;
} scored;

/* Rows of a stretch: enough to sort by length inside. What prints as it goes answers the first note
 * by itself, and then more and more. */
enum { NEXT_ROWS = 16, MOST_ROWS = 512, BATCH_TOKENS = 8192 };

static void scored_release(scored *s)
{
    oc_infer_release(&s->infer);
    oc_dataset_release(&s->data);
    oc_task_release(&s->task);
    oc_checkpoint_free(s->k);
}

static oc_status open_scored(oc_cli *c, bool need_labels, scored *s, oc_err *err)
{
    s->c = c;
    OC_TRY(oc_cli_threads(c, err));
    OC_TRY(oc_cli_load(c->arg.item[1], 0, &s->k, err));
    OC_TRY(oc_cli_task(c, s->k, &s->task, err));
    OC_TRY(oc_data_load_file(c->arg.item[2], &s->task, need_labels, false, &s->data, NULL, err));
    if (s->task.labels.n != s->k->model->dims.K)
        return OC_FAIL(err, OC_SHAPE, "%s has labels beyond the %d of %s", c->arg.item[2],
                       s->k->model->dims.K, c->arg.item[1]);
    s->max_len = c->max_len             ? c->max_len
                 : s->k->config.max_len ? s->k->config.max_len
                                        : s->k->model->dims.P;
    if (s->max_len > s->k->model->dims.P)
        return OC_FAIL(err, OC_USAGE, "--max-len is %lld; %s has %d positions",
                       (long long)s->max_len, c->arg.item[1], s->k->model->dims.P);
    return OC_OK;
}

/* A stretch's progress as that of the whole; tokenizing is too short to tell of. */
static void stretch_progress(void *ctx, const oc_event *e)
{
    scored *s = ctx;
    if (e->type == OC_EV_progress_T && !strcmp(e->u.progress.what, "tokenize"))
        return;
    if (e->type == OC_EV_progress_T && !strcmp(e->u.progress.what, s->meter.what))
        oc_meter_at(&s->meter, s->first + e->u.progress.done);
    else
        oc_cli_progress(NULL, e);
}

/* Logits of rows first .. first + n. */
static oc_status score_rows(scored *s, int64_t n, float *logits, oc_err *err)
{
    oc_encoded e = {0};
    oc_dataset rows = {
        .n = n, .text = s->data.text + s->first, .K = s->data.K, .kind = s->data.kind};
    OC_TRY(oc_encode_all(&s->job, &rows, s->k->tok, s->max_len, &e, err));
    oc_status st = oc_infer_run(&s->infer, &s->job, NULL, s->k->model, &e, BATCH_TOKENS,
                                s->meter.what, logits, err);
    oc_encoded_release(&e);
    return st;
}

/* What is done with the logits f32 [n,K] of rows first .. first + n; false ends it without error. */
typedef bool (*rows_fn)(scored *s, int64_t n, const float *logits, void *ctx);

static oc_status score(scored *s, int64_t first_rows, rows_fn fn, void *ctx, oc_err *err)
{
    oc_job line = {.emit = oc_cli_progress};
    size_t K = (size_t)s->k->model->dims.K;
    float *logits = oc_calloc((size_t)OC_MIN(s->data.n, MOST_ROWS) * K, sizeof *logits);
    if (!logits)
        return OC_FAIL(err, OC_NOMEM, "out of memory for the logits of %d notes", MOST_ROWS);
    s->job = (oc_job){.emit = stretch_progress, .ctx = s};
    oc_settings_init(&s->job.set);
    oc_meter_start(&s->meter, &line, "predicting", "notes", s->data.n);
    oc_status st = OC_OK;
    int64_t rows = first_rows;
    s->infer.lim = (oc_limits){.max_B = OC_MIN(s->data.n, MOST_ROWS),
                               .max_N = OC_MAX(BATCH_TOKENS, s->max_len),
                               .max_T = s->max_len};
    for (int64_t n; st == OC_OK && s->first < s->data.n; s->first += n) {
        n = OC_MIN(rows, s->data.n - s->first);
        st = score_rows(s, n, logits, err);
        if (st == OC_OK && !fn(s, n, logits, ctx))
            break;
        rows = OC_MIN(OC_MAX(2 * rows, NEXT_ROWS), MOST_ROWS);
    }
    oc_cli_progress_end();
    oc_free(logits);
    return st;
}

static void write_floats(oc_jw *w, const char *key, const float *v, int64_t n)
{
    oc_jw_key(w, key);
    oc_jw_open(w, '[');
    for (int64_t i = 0; i < n; i++)
        oc_jw_f32(w, v[i]);
    oc_jw_close(w, ']');
}

int oc_cli_write_rows(const oc_cli *c, const oc_predictions *p)
{
    oc_buf out = {0};
    float *probs = oc_calloc((size_t)OC_MAX(p->K, 1), sizeof *probs);
    int rc = probs ? OC_EXIT_DONE : OC_EXIT_FAILED;
    for (int64_t i = 0; i < p->n && rc == OC_EXIT_DONE; i++) {
        const float *z = p->logits + i * p->K;
        if (p->multi)
            oc_sigmoid_rows(z, 1, p->K, probs);
        else
            oc_softmax_rows(z, 1, p->K, probs);
        if (c->json) {
            oc_jw w = {.out = &out};
            oc_jw_open(&w, '{');
            oc_jw_kstr(&w, "id", p->id[i]);
            write_floats(&w, "logits", z, p->K);
            write_floats(&w, "probs", probs, p->K);
            oc_jw_close(&w, '}');
        } else {
            oc_buf_str(&out, p->id[i]);
            for (int64_t k = 0; k < p->K; k++)
                if (p->K <= 8 || probs[k] >= 0.5f)
                    oc_buf_fmt(&out, "  %s %.4f",
                               p->labels && k < p->labels->n ? p->labels->item[k] : "?",
                               (double)probs[k]);
        }
        oc_buf_ch(&out, '\n');
        if (out.len > 1 << 16 || i == p->n - 1) {
            rc = oc_cli_print(&out);
            oc_buf_clear(&out);
        }
    }
    oc_free(probs);
    oc_buf_release(&out);
    return rc;
}

static bool print_rows(scored *s, int64_t n, const float *logits, void *ctx)
{
    int *rc = ctx;
    oc_predictions p = {.n = n,
                        .K = s->k->model->dims.K,
                        .id = (const char *const *)s->data.id + s->first,
                        .logits = logits,
                        .multi = s->k->config.multi_label,
                        .labels = &s->task.labels};
    oc_cli_progress_end();
    *rc = oc_cli_write_rows(s->c, &p);
    return *rc == OC_EXIT_DONE && !ferror(stdout); // who read us may have seen enough
}

int oc_cli_predict(oc_cli *c)
{
    if (c->ids)
        return c->arg.n == 2 ? oc_cli_predict_ids(c)
                             : oc_cli_usage("predict --ids takes one model folder and no table");
    if (c->hidden)
        return oc_cli_usage("--hidden needs --ids FILE.jsonl");
    if (c->arg.n != 3)
        return oc_cli_usage(
            "predict takes a model folder and a table of notes (CSV or JSONL), or --ids FILE.jsonl");
    scored s = {0};
    oc_err err = {0};
    int rc = OC_EXIT_DONE;
    oc_status st = open_scored(c, false, &s, &err);
    if (st == OC_OK)
        st = score(&s, 1, print_rows, &rc, &err);
    if (st != OC_OK)
        rc = oc_cli_fail(&err);
    scored_release(&s);
    return rc;
}

/* --- eval -------------------------------------------------------------------------------------- */

static void print_metrics(const oc_cli *c, const scored *s, const oc_metrics *m, oc_buf *out)
{
    if (!c->json) {
        oc_buf_fmt(out, "task %s, %lld notes, %d labels\n", s->task.name, (long long)m->n,
                   s->k->model->dims.K);
        oc_buf_fmt(
            out,
            "accuracy     %.4f\nmacro AUROC  %.4f  [%.4f, %.4f]\nmacro AUPRC  %.4f\nmacro F1     %.4f\n",
            m->accuracy, m->auroc_macro, m->auroc_lo, m->auroc_hi, m->auprc_macro, m->f1_macro);
        return;
    }
    oc_jw w = {.out = out};
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "task", s->task.name);
    oc_jw_ki64(&w, "n", m->n);
    oc_jw_kf64(&w, "accuracy", m->accuracy);
    oc_jw_kf64(&w, "auroc_macro", m->auroc_macro);
    oc_jw_key(&w, "auroc_macro_ci");
    oc_jw_open(&w, '[');
    oc_jw_f64(&w, m->auroc_lo);
    oc_jw_f64(&w, m->auroc_hi);
    oc_jw_close(&w, ']');
    oc_jw_kf64(&w, "auprc_macro", m->auprc_macro);
    oc_jw_kf64(&w, "f1_macro", m->f1_macro);
    oc_jw_close(&w, '}');
    oc_buf_ch(out, '\n');
}

static bool keep_rows(scored *s, int64_t n, const float *logits, void *ctx)
{
    float *all = ctx;
    size_t K = (size_t)s->k->model->dims.K;
    memcpy(all + (size_t)s->first * K, logits, (size_t)n * K * sizeof *all);
    return true;
}

/* Metrics of the whole table. */
static oc_status judge(scored *s, const oc_settings *set, oc_metrics *m, oc_err *err)
{
    float *p = oc_calloc((size_t)(s->data.n * s->k->model->dims.K), sizeof *p);
    if (!p)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %lld notes", (long long)s->data.n);
    oc_status st = score(s, MOST_ROWS, keep_rows, p, err);
    if (st == OC_OK) {
        if (s->data.kind == OC_TASK_MULTI)
            oc_sigmoid_rows(p, s->data.n, s->data.K, p);
        else
            oc_softmax_rows(p, s->data.n, s->data.K, p);
        oc_auroc_kind kind = !strcmp(set->eval_auroc, "ovo") ? OC_AUROC_OVO : OC_AUROC_OVR;
        st = oc_metrics_compute(&s->data, p, kind, set->eval_bootstrap, (uint64_t)set->run_seed, m,
                                err);
    }
    oc_free(p);
    return st;
}

int oc_cli_eval(oc_cli *c)
{
    if (c->arg.n != 3)
        return oc_cli_usage("eval takes a model folder and a labelled table (CSV or JSONL)");
    oc_settings set;
    oc_settings_init(&set);
    scored s = {0};
    oc_err err = {0};
    oc_status st = OC_OK;
    for (int64_t i = 0; st == OC_OK && i < c->set.n; i++) {
        // Only eval.bootstrap and eval.auroc matter here, but all are checked.
        char key[64];
        const char *eq = strchr(c->set.item[i], '=');
        snprintf(key, sizeof key, "%.*s", eq ? (int)OC_MIN(eq - c->set.item[i], 60) : 0,
                 c->set.item[i]);
        st = eq ? oc_settings_set(&set, key, eq + 1, &err)
                : OC_FAIL(&err, OC_USAGE, "--set is '%s'; it must be KEY=VALUE", c->set.item[i]);
    }
    if (st == OC_OK)
        st = open_scored(c, true, &s, &err);
    oc_metrics m;
    if (st == OC_OK)
        st = judge(&s, &set, &m, &err);
    oc_buf out = {0};
    int rc;
    if (st == OC_OK) {
        print_metrics(c, &s, &m, &out);
        rc = oc_cli_print(&out);
    } else {
        rc = oc_cli_fail(&err);
    }
    oc_buf_release(&out);
    scored_release(&s);
    return rc;
}
