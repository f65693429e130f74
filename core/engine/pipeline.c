#include "core/engine/pipeline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "core/compress/encode.h"
#include "core/compress/prune.h"
#include "core/compress/quantize.h"
#include "core/compress/train.h"

bool oc_pipeline_has(const oc_pipeline *p, const char *stage)
{
    return oc_strlist_find(&p->stages, stage) >= 0;
}

void oc_pipeline_name(const oc_pipeline *p, const char *base, char out[32])
{
    if (p->run_no > 1)
        snprintf(out, 32, "%.16s-%d", base, (int)(p->run_no % 1000000));
    else
        oc_strlcpy(out, base, 32);
}

oc_status oc_pipeline_model_path(const oc_pipeline *p, const char *name, char out[OC_PATH_MAX],
                                 oc_err *err)
{
    char models[OC_PATH_MAX];
    OC_TRY(oc_path_join(models, p->job->workdir, "models", err));
    return oc_path_join(out, models, name, err);
}

bool oc_pipeline_find(const oc_pipeline *p, const char *base, char name[32], char path[OC_PATH_MAX])
{
    for (int64_t k = p->run_no; k >= 1; k--) {
        oc_pipeline q = {.job = p->job, .run_no = k};
        oc_pipeline_name(&q, base, name);
        if (oc_pipeline_model_path(&q, name, path, NULL) == OC_OK && oc_path_is_dir(path))
            return true;
    }
    return false;
}

/* --- stage events ------------------------------------------------------------------------------ */

static void stage_begin(oc_pipeline *p, const char *kind, const char *run)
{
    oc_event e;
    oc_event_init(&e, OC_EV_stage_T);
    e.u.stage.index = p->i_stage;
    OC_EV_SET(e.u.stage.kind, kind);
    OC_EV_SET(e.u.stage.run, run);
    oc_job_emit(p->job, &e);
}

static void stage_end(oc_pipeline *p, const char *kind, const char *run, const char *status,
                      const char *message, const char *path, double seconds)
{
    oc_event e;
    oc_event_init(&e, OC_EV_stage_end_T);
    e.u.stage_end.index = p->i_stage++;
    OC_EV_SET(e.u.stage_end.kind, kind);
    OC_EV_SET(e.u.stage_end.run, run);
    OC_EV_SET(e.u.stage_end.status, status);
    OC_EV_SET(e.u.stage_end.message, message);
    OC_EV_SET(e.u.stage_end.path, path);
    e.u.stage_end.seconds = seconds;
    oc_job_emit(p->job, &e);
}

/* A stage of any kind between its two events. `path`: its model, "" when it makes none. */
typedef oc_status (*stage_fn)(oc_pipeline *p, const char *run, const char *path, oc_err *err);

static oc_status run_stage(oc_pipeline *p, const char *kind, const char *run, bool makes_model,
                           bool trains, stage_fn fn, oc_err *err)
{
    char path[OC_PATH_MAX] = "";
    if (makes_model) {
        OC_TRY(oc_pipeline_model_path(p, run, path, err));
        if (p->resume && oc_path_is_dir(path)) {
            stage_begin(p, kind, run);
            stage_end(p, kind, run, "kept", "", path, 0);
            return OC_OK;
        }
    }
    // A training stage announces itself with its steps (core/compress/train.c).
    if (!trains)
        stage_begin(p, kind, run);
    int64_t t0 = oc_now_ns();
    oc_err inner = {0};
    oc_status rc = fn(p, run, path, &inner);
    double s = (double)(oc_now_ns() - t0) * 1e-9;
    if (rc == OC_OK) {
        stage_end(p, kind, run, "done", "", path, s);
        return OC_OK;
    }
    bool stopped = rc == OC_CANCELLED && oc_str_starts(inner.msg, "stopped");
    stage_end(p, kind, run,
              stopped              ? "stopped"
              : rc == OC_CANCELLED ? "cancelled"
                                   : "failed",
              inner.msg, "", s);
    if (err && err->status == OC_OK)
        *err = inner;
    return rc;
}

/* --- models ------------------------------------------------------------------------------------ */

static double mean_tokens(const oc_dataset *d, const oc_checkpoint *c, int64_t max_len,
                          double *cut_frac)
{
    oc_dataset head = *d;
    head.n = OC_MIN(d->n, 256);
    oc_encoded e = {0};
    double mean = (double)NAN;
    *cut_frac = (double)NAN;
    if (head.n > 0 && oc_encode_all(NULL, &head, c->tok, max_len, &e, NULL) == OC_OK) {
        mean = (double)e.start[e.n] / (double)e.n;
        *cut_frac = (double)e.n_cut / (double)e.n;
    }
    oc_encoded_release(&e);
    return mean;
}

static void emit_model(oc_pipeline *p, const oc_checkpoint *c, const char *name, int64_t bytes)
{
    oc_event e;
    oc_event_init(&e, OC_EV_model_T);
    oc_ev_model *m = &e.u.model;
    OC_EV_SET(m->model, name);
    OC_EV_SET(m->path, c->path);
    m->params = oc_model_params(c->model);
    m->bytes = bytes;
    m->layers = c->model->dims.L;
    m->hidden = c->model->dims.H;
    m->vocab = c->model->dims.V;
    OC_EV_SET(m->casing, c->tok->lowercase ? "uncased" : "cased");
    OC_EV_SET(m->casing_from, oc_casing_from_text(c->casing_from));
    m->mean_tokens = mean_tokens(&p->data.split[OC_SPLIT_TRAIN], c,
                                 oc_max_len(&c->config, p->job->set.train_max_len), &m->cut_frac);
    oc_job_emit(p->job, &e);
}

/* Save, and go on with what a reader of the folder gets: the model that is judged is the saved one. */
static oc_status save_and_reload(oc_pipeline *p, oc_checkpoint **c, const char *name,
                                 const char *path, oc_err *err)
{
    int64_t bytes;
    OC_TRY(oc_checkpoint_save(*c, path, &bytes, err));
    oc_checkpoint *back;
    OC_TRY(oc_checkpoint_load(path, 0, 0, &back, err));
    oc_checkpoint_free(*c);
    *c = back;
    emit_model(p, back, name, bytes);
    return OC_OK;
}

static oc_status train_model(oc_pipeline *p, oc_phase phase, const char *run, oc_checkpoint *c,
                             const float *soft, bool sparse, oc_err *err)
{
    oc_train_spec spec = {
        .phase = phase,
        .run = run,
        .stage_index = (int32_t)p->i_stage,
        .ckpt = c,
        .train = &p->data.split[OC_SPLIT_TRAIN],
        .valid = &p->data.split[OC_SPLIT_VALID],
        .soft = soft,
        .sparse = sparse,
        .resume = p->resume,
    };
    oc_train_result res;
    return oc_train(p->job, &spec, &res, err);
}

/* --- stages ------------------------------------------------------------------------------------ */

static oc_status finetune_teacher(oc_pipeline *p, const char *run, const char *path, oc_err *err)
{
    // "teacher-3" or "teacher-3-2": its place in the list.
    long long i = 0;
    sscanf(run, "teacher-%lld", &i);
    oc_checkpoint *c = NULL;
    oc_status rc;
    OC_TRY_GOTO(out, rc,
                oc_make_model(p->job, p->teacher.item[i - 1], &p->task,
                              &p->data.split[OC_SPLIT_TRAIN],
                              (uint64_t)p->job->set.run_seed * 1000 + (uint64_t)i, &c, err));
    emit_model(p, c, run, 0);
    OC_TRY_GOTO(out, rc, train_model(p, OC_PHASE_FINETUNE, run, c, NULL, false, err));
    OC_TRY_GOTO(out, rc, save_and_reload(p, &c, run, path, err));
    oc_train_forget(p->job, run);
    rc = oc_pipeline_candidate(p, c, run, "finetune", 0, err);
out:
    oc_checkpoint_free(c);
    return rc;
}

static oc_status run_finetune(oc_pipeline *p, oc_err *err)
{
    if (p->teacher.n == 0)
        return OC_FAIL(
            err, OC_USAGE,
            "teacher.models is empty; name the teachers: folders, or new:L2-H128-A2-F512");
    for (int64_t i = 0; i < p->teacher.n; i++) {
        bool is_new = oc_str_starts(p->teacher.item[i], "new:");
        if (!p->job->set.teacher_finetune && !is_new)
            continue;
        char base[32], run[32];
        snprintf(base, sizeof base, "teacher-%lld", (long long)i + 1);
        oc_pipeline_name(p, base, run);
        OC_TRY(run_stage(p, "finetune", run, true, true, finetune_teacher, err));
    }
    return OC_OK;
}

oc_status oc_pipeline_teacher_path(const oc_pipeline *p, int64_t i, char name[32],
                                   char path[OC_PATH_MAX], oc_err *err)
{
    char base[32];
    snprintf(base, sizeof base, "teacher-%lld", (long long)i + 1);
    const char *spec = p->teacher.item[i];
    bool is_new = oc_str_starts(spec, "new:");
    if ((is_new || p->job->set.teacher_finetune) && oc_pipeline_find(p, base, name, path))
        return OC_OK;
    if (is_new)
        return OC_FAIL(err, OC_STATE,
                       "teacher %lld (%s) has not been trained; put finetune into run.stages",
                       (long long)i + 1, spec);
    oc_strlcpy(name, base, 32);
    oc_strlcpy(path, spec, OC_PATH_MAX);
    return OC_OK;
}

/* The student before it learns. */
static oc_status make_student(oc_pipeline *p, oc_checkpoint **out, oc_err *err)
{
    const oc_settings *s = &p->job->set;
    if (strcmp(s->student_model, "teacher") != 0)
        return oc_make_model(p->job, s->student_model, &p->task, &p->data.split[OC_SPLIT_TRAIN],
                             (uint64_t)s->run_seed * 1000 + 999, out, err);
    char name[32], path[OC_PATH_MAX];
    OC_TRY(oc_pipeline_teacher_path(p, 0, name, path, err));
    oc_checkpoint *t;
    OC_TRY(oc_checkpoint_load(path, (int32_t)p->task.labels.n, 0, &t, err));
    oc_status rc = oc_make_student(t, (int32_t)s->student_n_layers,
                                   !strcmp(s->student_layers, "every"), out, err);
    oc_checkpoint_free(t);
    return rc;
}

static oc_status distill(oc_pipeline *p, const char *run, const char *path, oc_err *err)
{
    OC_TRY(oc_pipeline_ensemble(p, 0, err));
    oc_checkpoint *c = NULL;
    oc_status rc;
    OC_TRY_GOTO(out, rc, make_student(p, &c, err));
    emit_model(p, c, run, 0);
    OC_TRY_GOTO(out, rc, train_model(p, OC_PHASE_DISTILL, run, c, p->soft, false, err));
    OC_TRY_GOTO(out, rc, save_and_reload(p, &c, run, path, err));
    oc_train_forget(p->job, run);
    rc = oc_pipeline_candidate(p, c, run, "distill", 0, err);
out:
    oc_checkpoint_free(c);
    return rc;
}

/* The model a later stage starts from: the newest of `bases` (in order of preference), else run.model. */
static oc_status load_input(oc_pipeline *p, const char *const *bases, int n, oc_checkpoint **out,
                            oc_err *err)
{
    char name[32], path[OC_PATH_MAX];
    const char *given = p->job->set.run_model;
    // Models of this run come first, then what the user named, then earlier runs'.
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < n; i++) {
            oc_pipeline_name(p, bases[i], name);
            bool found = pass == 0 ? oc_pipeline_has(p, !strcmp(bases[i], "student")     ? "distill"
                                                        : !strcmp(bases[i], "pruned")    ? "prune"
                                                        : !strcmp(bases[i], "recovered") ? "recover"
                                                                                         : "")
                                   : oc_pipeline_find(p, bases[i], name, path);
            if (!found)
                continue;
            if (pass == 0)
                OC_TRY(oc_pipeline_model_path(p, name, path, err));
            return oc_checkpoint_load(path, (int32_t)p->task.labels.n, 0, out, err);
        }
        if (pass == 0 && *given) {
            OC_TRY(oc_checkpoint_load(given, (int32_t)p->task.labels.n, 0, out, err));
            oc_log_remarks(p->job, given, *out);
            return OC_OK;
        }
    }
    return OC_FAIL(
        err, OC_STATE,
        "there is no model to start from; set run.model to a model folder, or put distill into run.stages");
}

static oc_status check_labels(const oc_pipeline *p, const oc_checkpoint *c, oc_err *err)
{
    if (c->model->dims.K == p->task.labels.n)
        return OC_OK;
    return OC_FAIL(err, OC_SHAPE, "%s has %d labels, the task '%s' has %lld", c->path,
                   c->model->dims.K, p->task.name, (long long)p->task.labels.n);
}

static oc_status prune(oc_pipeline *p, const char *run, const char *path, oc_err *err)
{
    static const char *const from[] = {"student"};
    const oc_settings *s = &p->job->set;
    oc_checkpoint *c = NULL;
    oc_importance im = {0};
    oc_status rc;
    OC_TRY_GOTO(out, rc, load_input(p, from, 1, &c, err));
    OC_TRY_GOTO(out, rc, check_labels(p, c, err));
    bool global = !strcmp(s->prune_scope, "global");
    if (strcmp(s->prune_method, "magnitude") != 0) {
        OC_TRY_GOTO(out, rc,
                    oc_importance_measure(p->job, c, &p->data.split[OC_SPLIT_TRAIN], s->prune_notes,
                                          &im, err));
        OC_TRY_GOTO(out, rc,
                    oc_prune_structured(p->job, c, &im, s->prune_heads, s->prune_ffn, global,
                                        !strcmp(s->prune_align, "tile"), run, err));
    }
    if (strcmp(s->prune_method, "structured") != 0)
        OC_TRY_GOTO(
            out, rc,
            oc_prune_magnitude(p->job, c->model, s->prune_sparsity, global, run, NULL, err));
    else
        oc_report_sparsity(p->job, c->model, (double)NAN, run);
    OC_TRY_GOTO(out, rc, save_and_reload(p, &c, run, path, err));
    rc = oc_pipeline_candidate(p, c, run, "prune", 0, err);
out:
    oc_importance_release(&im);
    oc_checkpoint_free(c);
    return rc;
}

static oc_status recover(oc_pipeline *p, const char *run, const char *path, oc_err *err)
{
    static const char *const from[] = {"pruned", "student"};
    oc_checkpoint *c = NULL;
    oc_status rc;
    // Teachers still help after pruning, when there are any.
    if (!p->soft && p->teacher.n > 0)
        OC_TRY(oc_pipeline_ensemble(p, 0, err));
    OC_TRY_GOTO(out, rc, load_input(p, from, 2, &c, err));
    OC_TRY_GOTO(out, rc, check_labels(p, c, err));
    bool sparse = strcmp(p->job->set.prune_method, "structured") != 0;
    OC_TRY_GOTO(out, rc, train_model(p, OC_PHASE_RECOVER, run, c, p->soft, sparse, err));
    oc_report_sparsity(p->job, c->model, sparse ? p->job->set.prune_sparsity : (double)NAN, run);
    OC_TRY_GOTO(out, rc, save_and_reload(p, &c, run, path, err));
    oc_train_forget(p->job, run);
    rc = oc_pipeline_candidate(p, c, run, "recover", 0, err);
out:
    oc_checkpoint_free(c);
    return rc;
}

static oc_status quantize(oc_pipeline *p, const char *run, const char *path, oc_err *err)
{
    static const char *const from[] = {"recovered", "pruned", "student"};
    const oc_settings *s = &p->job->set;
    oc_checkpoint *c = NULL;
    oc_model *f32 = NULL;
    oc_encoded notes = {0};
    oc_quant_opts o;
    bool *keep = NULL;
    oc_status rc;
    OC_TRY_GOTO(out, rc, oc_quant_opts_from(s, &o, err));
    OC_TRY_GOTO(out, rc, load_input(p, from, 3, &c, err));
    OC_TRY_GOTO(out, rc, check_labels(p, c, err));
    if (!oc_model_is_f32(c->model)) {
        rc = OC_FAIL(err, OC_STATE, "%s is quantized already", c->path);
        goto out;
    }
    OC_TRY_GOTO(out, rc, oc_pipeline_where(p, c->model, run, &keep, err));
    o.keep = keep;
    OC_TRY_GOTO(out, rc, oc_model_dup(c->model, &f32, err));
    OC_TRY_GOTO(out, rc, oc_quantize_model(p->job, c->model, &o, run, err));
    OC_TRY_GOTO(out, rc, save_and_reload(p, &c, run, path, err));
    oc_report_sparsity(p->job, c->model, (double)NAN, run);
    oc_dataset calib = p->data.split[OC_SPLIT_VALID];
    calib.n = OC_MIN(calib.n, s->quant_notes);
    OC_TRY_GOTO(out, rc,
                oc_encode_all(p->job, &calib, c->tok, oc_max_len(&c->config, s->train_max_len),
                              &notes, err));
    OC_TRY_GOTO(out, rc,
                oc_quantize_drift(p->job, f32, c->model, &notes, s->quant_notes, run, err));
    rc = oc_pipeline_candidate(p, c, run, "quantize", 0, err);
out:
    oc_free(keep);
    oc_encoded_release(&notes);
    oc_model_free(f32);
    oc_checkpoint_free(c);
    return rc;
}

static oc_status evaluate(oc_pipeline *p, const char *run, const char *path, oc_err *err)
{
    (void)run;
    (void)path;
    return oc_pipeline_evaluate(p, err);
}

static oc_status bench(oc_pipeline *p, const char *run, const char *path, oc_err *err)
{
    (void)run;
    (void)path;
    return oc_pipeline_bench(p, err);
}

/* --- the run ----------------------------------------------------------------------------------- */

/* run.json: which run this is. A continued run keeps its number. */
static oc_status number_run(oc_pipeline *p, oc_err *err)
{
    char path[OC_PATH_MAX];
    OC_TRY(oc_mkdirs(p->job->workdir, err));
    OC_TRY(oc_path_join(path, p->job->workdir, "run.json", err));
    int64_t last = 0;
    if (oc_path_exists(path)) {
        oc_json *j;
        OC_TRY(oc_json_read_file(path, 1 << 16, &j, err));
        bool ok = oc_json_i64(oc_json_get(j, "run"), 1, 1 << 20, &last);
        oc_json_free(j);
        if (!ok)
            return OC_FAIL(err, OC_FORMAT, "%s: \"run\" must be a whole number from 1", path);
    }
    p->run_no = p->resume && last > 0 ? last : last + 1;
    char text[64];
    int n = snprintf(text, sizeof text, "{\"run\": %lld}\n", (long long)p->run_no);
    return oc_file_write(path, text, (size_t)n, err);
}

static void emit_run(oc_pipeline *p, const char *recipe)
{
    oc_event e;
    oc_event_init(&e, OC_EV_run_T);
    OC_EV_SET(e.u.run.recipe, recipe);
    OC_EV_SET(e.u.run.stages, p->job->set.run_stages);
    e.u.run.n_stages = p->stages.n;
    e.u.run.resumed = p->resume;
    oc_job_emit(p->job, &e);
}

static oc_status run_stages(oc_pipeline *p, oc_err *err)
{
    static const struct {
        const char *kind, *model;
        bool trains;
        stage_fn fn;
    } table[] = {
        {"distill", "student", true, distill},   {"prune", "pruned", false, prune},
        {"recover", "recovered", true, recover}, {"quantize", "quantized", false, quantize},
        {"evaluate", "", false, evaluate},       {"bench", "", false, bench},
    };
    if (oc_pipeline_has(p, "finetune"))
        OC_TRY(run_finetune(p, err));
    for (int i = 0; i < OC_COUNT(table); i++) {
        if (!oc_pipeline_has(p, table[i].kind))
            continue;
        char run[32];
        if (*table[i].model)
            oc_pipeline_name(p, table[i].model, run);
        else
            oc_strlcpy(run, table[i].kind, sizeof run);
        OC_TRY(oc_job_poll(p->job, NULL, err));
        OC_TRY(run_stage(p, table[i].kind, run, *table[i].model != 0, table[i].trains, table[i].fn,
                         err));
    }
    return OC_OK;
}

oc_status oc_pipeline_run(oc_job *job, const char *recipe, bool resume, oc_err *err)
{
    oc_pipeline p = {.job = job, .resume = resume};
    oc_status rc;
    job->shelf = &p.shelf;
    OC_TRY_GOTO(out, rc, oc_settings_check_run(&job->set, err));
    OC_TRY_GOTO(out, rc, number_run(&p, err));
    OC_TRY_GOTO(out, rc, oc_strlist_split(&p.stages, job->set.run_stages, ',', err));
    OC_TRY_GOTO(out, rc, oc_strlist_split(&p.teacher, job->set.teacher_models, ',', err));
    emit_run(&p, recipe);
    OC_TRY_GOTO(out, rc, oc_pipeline_load_data(&p, err));
    OC_TRY_GOTO(out, rc, run_stages(&p, err));
    oc_pipeline_accept(&p);
out:
    job->shelf = NULL;
    oc_shelf_release(&p.shelf);
    oc_free(p.soft);
    oc_task_release(&p.task);
    oc_data_release(&p.data);
    oc_strlist_release(&p.stages);
    oc_strlist_release(&p.teacher);
    return rc;
}
