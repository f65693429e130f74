#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "core/data/notes.h"
#include "core/engine/pipeline.h"

oc_status oc_pipeline_task(const oc_settings *s, oc_task *out, oc_err *err)
{
    oc_task t = {0};
    if (oc_task_preset(s->task, &t, NULL) != OC_OK) {
        // Any other table: the columns have to be said.
        t = (oc_task){
            .delimiter = ',', .text_column = "text", .label_column = "label", .id_column = "id"};
        oc_strlcpy(t.name, s->task, sizeof t.name);
    }
    if (*s->data_text)
        oc_strlcpy(t.text_column, s->data_text, sizeof t.text_column);
    if (*s->data_label)
        oc_strlcpy(t.label_column, s->data_label, sizeof t.label_column);
    if (*s->data_id)
        oc_strlcpy(t.id_column, s->data_id, sizeof t.id_column);
    if (!strcmp(s->task_kind, "single"))
        t.kind = OC_TASK_SINGLE;
    else if (!strcmp(s->task_kind, "multi"))
        t.kind = OC_TASK_MULTI;
    t.delimiter = s->data_delimiter[0];
    oc_status rc = OC_OK;
    if (*s->data_labels) {
        char path[OC_PATH_MAX];
        oc_strlist_release(&t.labels);
        rc = oc_path_join(path, s->data_dir, s->data_labels, err);
        if (rc == OC_OK)
            rc = oc_task_read_labels(&t, path, err);
    }
    if (rc != OC_OK) {
        oc_task_release(&t);
        return rc;
    }
    *out = t;
    return OC_OK;
}

static int64_t count_words(const char *s)
{
    int64_t n = 0;
    bool inside = false;
    for (; *s; s++) {
        bool blank = *s == ' ' || *s == '\n' || *s == '\t' || *s == '\r';
        n += !blank && !inside;
        inside = !blank;
    }
    return n;
}

static oc_status emit_split(oc_pipeline *p, oc_split split, oc_err *err)
{
    const oc_dataset *d = &p->data.split[split];
    oc_event e;
    oc_event_init(&e, OC_EV_data_T);
    oc_ev_data *v = &e.u.data;
    OC_EV_SET(v->task, p->task.name);
    OC_EV_SET(v->kind, p->task.kind == OC_TASK_MULTI ? "multi" : "single");
    OC_EV_SET(v->split, oc_split_name(split));
    v->rows = d->n;
    v->labels = p->task.labels.n;
    v->bad_rows = split == OC_SPLIT_TRAIN ? p->data.bad.n : 0;
    int64_t words = 0;
    for (int64_t i = 0; i < d->n; i++)
        words += count_words(d->text[i]);
    v->mean_words = d->n ? (double)words / (double)d->n : (double)NAN;
    int64_t *pos = oc_calloc((size_t)p->task.labels.n, sizeof *pos);
    if (!pos)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_dataset_counts(d, pos);
    // Binary: share of class 1. Multi-label: mean share over labels. More classes: the largest.
    double frac = 0;
    for (int64_t k = 0; k < p->task.labels.n; k++) {
        double f = d->n ? (double)pos[k] / (double)d->n : 0;
        if (p->task.kind == OC_TASK_MULTI)
            frac += f / (double)p->task.labels.n;
        else if (p->task.labels.n == 2)
            frac = f;
        else
            frac = OC_MAX(frac, f);
    }
    v->positive_frac = frac;
    oc_free(pos);
    oc_dataset_key(d, v->key);
    oc_job_emit(p->job, &e);
    return OC_OK;
}

static oc_status load(oc_pipeline *p, oc_err *err)
{
    const oc_settings *s = &p->job->set;
    if (!strcmp(s->data_source, "notes")) {
        oc_notes_opts o = {.task = s->task, .seed = (uint64_t)s->data_seed, .noise = s->data_noise};
        const int64_t rows[OC_N_SPLITS] = {s->data_rows_train, s->data_rows_valid,
                                           s->data_rows_test};
        oc_task_release(&p->task); // the notes bring their own
        return oc_notes_data(&o, rows, &p->task, &p->data, err);
    }
    oc_data_source src = {
        .dir = s->data_dir,
        .files = {s->data_train, s->data_valid, s->data_test},
        .file = s->data_file,
        .split_column = s->data_split_column,
        .test_every = s->data_test_every,
        .valid_frac = s->data_valid_frac,
        .seed = (uint64_t)s->data_seed,
        .skip_bad_rows = !strcmp(s->data_bad_rows, "skip"),
        .max_rows = s->data_max_rows,
        .need_labels = true,
    };
    return oc_data_load(&src, &p->task, &p->data, err);
}

static void emit_baseline(oc_pipeline *p, const char *name, const oc_metrics *m)
{
    oc_event e;
    oc_event_init(&e, OC_EV_baseline_T);
    OC_EV_SET(e.u.baseline.name, name);
    e.u.baseline.accuracy = m->accuracy;
    e.u.baseline.auroc = m->auroc_macro;
    e.u.baseline.auprc = m->auprc_macro;
    e.u.baseline.f1 = m->f1_macro;
    oc_job_emit(p->job, &e);
}

oc_status oc_pipeline_load_data(oc_pipeline *p, oc_err *err)
{
    OC_TRY(oc_pipeline_task(&p->job->set, &p->task, err));
    OC_TRY(load(p, err));
    if (p->data.split[OC_SPLIT_TEST].n == 0)
        return OC_FAIL(
            err, OC_FORMAT,
            "there are no test rows; set data.test, data.split_column or data.test_every");
    for (int i = 0; i < OC_N_SPLITS; i++)
        OC_TRY(emit_split(p, (oc_split)i, err));
    if (p->data.bad.n > 0)
        oc_job_alert(p->job, "warn", "%lld bad row%s skipped; the first: %s",
                     (long long)p->data.bad.n, p->data.bad.n == 1 ? " was" : "s were",
                     p->data.bad.first.n ? p->data.bad.first.item[0] : "?");
    for (int64_t i = 1; i < p->data.bad.first.n; i++)
        oc_job_log(p->job, "warn", "%s", p->data.bad.first.item[i]);
    oc_auroc_kind kind = !strcmp(p->job->set.eval_auroc, "ovo") ? OC_AUROC_OVO : OC_AUROC_OVR;
    oc_metrics m;
    OC_TRY(oc_baseline_majority(&p->data.split[OC_SPLIT_TRAIN], &p->data.split[OC_SPLIT_TEST], kind,
                                &m, err));
    emit_baseline(p, "majority", &m);
    OC_TRY(oc_baseline_naive_bayes(&p->data.split[OC_SPLIT_TRAIN], &p->data.split[OC_SPLIT_TEST],
                                   kind, &m, err));
    emit_baseline(p, "naive Bayes", &m);
    return OC_OK;
}
