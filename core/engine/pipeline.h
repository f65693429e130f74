/*
 * core/engine/pipeline.h - the stages of a run, in order, over one work folder.
 *
 *   models/teacher-1 ...  models/student  models/pruned  models/recovered  models/quantized
 *   ckpt/<run>.safetensors   training state, gone once the stage's model is saved
 *   cache/<key>.safetensors  teacher logits
 *   run.json                 number of the newest run
 *
 * A later run in the same folder keeps what is there: its models are named with a suffix ("pruned-2"),
 * and stages it leaves out are taken from the newest earlier model, so trade-offs are explored by
 * changing a setting and running again.
 */
#ifndef OC_ENGINE_PIPELINE_H
#define OC_ENGINE_PIPELINE_H

#include <stdbool.h>

#include "core/base/err.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "core/compress/encode.h"
#include "core/compress/teachers.h"
#include "core/data/task.h"
#include "core/engine/job.h"
#include "core/io/checkpoint.h"
#include "core/measure/metrics.h"

/*
 * Run the stages of job->set.run_stages; emits everything from the run event on. Keeps finished
 * stages of an interrupted run when `resume`. OC_CANCELLED after a cancel; other failures name
 * their cause and leave what was finished.
 */
oc_status oc_pipeline_run(oc_job *job, const char *recipe, bool resume, oc_err *err) OC_NODISCARD;

/* --- shared by pipeline.c, pipeline_data.c, pipeline_measure.c, pipeline_where.c ------------- */

/* What is known of a candidate, for the acceptance rules; NaN or -1 until measured. */
#define OC_MAX_MEASURED 64
typedef struct oc_measured {
    char name[32];
    double auroc, median_ms;
    int64_t bytes;
} oc_measured;

typedef struct oc_pipeline {
    oc_job *job;
    bool resume;
    int64_t run_no; /* 1 = first run in this folder */
    oc_strlist stages;
    int64_t i_stage; /* index of the next stage event */
    oc_task task;
    oc_data data;
    oc_strlist teacher; /* specifications */
    float *soft;        /* ensemble logits on train, owned; NULL without teachers */
    oc_shelf shelf;     /* lent to the job while the run lasts */
    oc_measured seen[OC_MAX_MEASURED];
    int32_t n_seen;
} oc_pipeline;

bool oc_pipeline_has(const oc_pipeline *p, const char *stage);
/* "student", or "student-2" in the second run. */
void oc_pipeline_name(const oc_pipeline *p, const char *base, char out[32]);
oc_status oc_pipeline_model_path(const oc_pipeline *p, const char *name, char out[OC_PATH_MAX],
                                 oc_err *err) OC_NODISCARD;
/* Newest existing model of that base name up to this run; false when there is none. */
bool oc_pipeline_find(const oc_pipeline *p, const char *base, char name[32],
                      char path[OC_PATH_MAX]);

/* pipeline_data.c: task and splits from the settings (events: data, baseline, alert for bad rows). */
oc_status oc_pipeline_load_data(oc_pipeline *p, oc_err *err) OC_NODISCARD;
oc_status oc_pipeline_task(const oc_settings *s, oc_task *out, oc_err *err) OC_NODISCARD;

/* pipeline_measure.c */
/* Test metrics of a model as a candidate event (n_boot 0: without interval). */
oc_status oc_pipeline_candidate(oc_pipeline *p, const oc_checkpoint *c, const char *name,
                                const char *stage, int64_t n_boot, oc_err *err) OC_NODISCARD;
/* Logits of all teachers on all splits (cached), their weights, p->soft, and the ensemble's candidate. */
oc_status oc_pipeline_ensemble(oc_pipeline *p, int64_t n_boot, oc_err *err) OC_NODISCARD;
oc_status oc_pipeline_evaluate(oc_pipeline *p, oc_err *err) OC_NODISCARD;
oc_status oc_pipeline_bench(oc_pipeline *p, oc_err *err) OC_NODISCARD;
/* The accept.* settings against what this run measured: an alert of level "accept" per rule not met. */
void oc_pipeline_accept(oc_pipeline *p);

/*
 * pipeline_where.c: what quant.where=faster leaves in f32, measured at the first of bench.length
 * (a cost event per product, a log event per matrix that is kept, or one that none is).
 *   keep  out  owned [layout.n]; NULL when the setting is all
 */
oc_status oc_pipeline_where(oc_pipeline *p, const oc_model *m, const char *name, bool **keep,
                            oc_err *err) OC_NODISCARD;

/* Folder of teacher i: its model of this session, or the folder it was given as. */
oc_status oc_pipeline_teacher_path(const oc_pipeline *p, int64_t i, char name[32],
                                   char path[OC_PATH_MAX], oc_err *err) OC_NODISCARD;

#endif
