/*
 * core/compress/train.h - the one training loop: finetune, distil, recover.
 *
 * loss = hard * CE/BCE(labels) + soft * T^2 KL(teacher || student). Finetune has no soft term;
 * recovery keeps the distillation loss when teacher logits are given. AdamW, linear warm-up and
 * decay, clipping, accumulation, class weights, early stop on validation macro AUROC with the
 * best weights restored at the end. Each optimizer step is an event with each term's gradient norm
 * (measured on the logits' gradient of that term).
 * Order, dropout and initial weights depend on (seed, run, epoch, step) alone, so the same seed
 * gives the same bits for any thread count, and a resumed run ends where an uninterrupted one does.
 */
#ifndef OC_COMPRESS_TRAIN_H
#define OC_COMPRESS_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/data/task.h"
#include "core/engine/job.h"
#include "core/io/checkpoint.h"

typedef enum { OC_PHASE_FINETUNE, OC_PHASE_DISTILL, OC_PHASE_RECOVER } oc_phase;

typedef struct oc_train_spec {
    oc_phase phase;      /* which lr/epochs settings apply */
    const char *run;     /* "teacher-1", "student", "recover" */
    int32_t stage_index; /* of the stage event this emits */
    oc_checkpoint *ckpt; /* inout: trained in place, best weights at the end */
    const oc_dataset *train, *valid;
    const float *soft; /* teacher (ensemble) logits f32 [train->n,K], or NULL */
    bool sparse;       /* zeros of linear weights stay zero; prune.sparsity changes re-prune */
    bool resume;       /* continue from <workdir>/ckpt/<run>.safetensors when it is there */
} oc_train_spec;

typedef struct oc_train_result {
    int64_t steps;
    double best_auroc; /* on valid; NaN when it cannot be computed (one class only, no rows) */
    int64_t best_step; /* -1: never validated */
    bool stopped_early;
} oc_train_result;

/*
 * OC_CANCELLED after writing a checkpoint; OC_NUMERIC when the loss is not finite (names run, step,
 * lr and what to try; the weights of the last good checkpoint stay on disk).
 */
oc_status oc_train(oc_job *job, const oc_train_spec *spec, oc_train_result *out,
                   oc_err *err) OC_NODISCARD;

/* Bytes the stage will need (weights, gradients, moments, activations). */
int64_t oc_train_plan(const oc_job *job, const oc_model *m, int64_t max_T);

/*
 * The files of a run below <workdir>/ckpt/: <run>.safetensors, from which a stage resumes, and
 * <run>-step<n>.safetensors, written before a setting changed (the last OC_TRAIN_UNDOS are kept).
 * A finished stage forgets both: the saved model takes their place.
 */
#define OC_TRAIN_UNDOS 8
oc_status oc_train_path(const oc_job *job, const char *run, char out[512],
                        oc_err *err) OC_NODISCARD;
oc_status oc_train_undo_path(const oc_job *job, const char *run, int64_t step, char out[512],
                             oc_err *err) OC_NODISCARD;
/* Remove surplus undo files, those that lie after `step` first (their future was undone). */
void oc_train_trim_undo(const oc_job *job, const char *run, int64_t step);
void oc_train_forget(const oc_job *job, const char *run);
void oc_train_forget_undo(const oc_job *job, const char *run); /* the second kind only */

/*
 * The state of a training run on disk: weights, moments, best weights, counters; safetensors with
 * its counters in __metadata__. Atomic. Keyed to the data and settings it belongs to.
 */
typedef struct oc_train_state {
    int64_t step;       /* optimizer steps done */
    int64_t epoch, pos; /* whole epochs done, and notes of the present one */
    double best_auroc;  /* score of the best weights: macro AUROC, accuracy where that is NaN */
    bool best_is_auroc;
    int64_t best_step, bad_evals;
    int64_t eval_step; /* step of the last validation; -1: none yet */
    double sparsity;   /* prune.sparsity in force (sparse) */
    int64_t max_len;   /* tokens notes are cut at, and the seed: fixed when the run began */
    int64_t seed;
    float *w, *m, *v, *best; /* borrowed or owned by the loop, f32 [n_floats] */
    uint8_t *keep;           /* u8 [n_floats] or NULL: where 0, the weight stays 0 */
} oc_train_state;
oc_status oc_train_state_save(const oc_train_state *s, const oc_layout *lo, const char *run,
                              const char *key, const char *path, int64_t *bytes,
                              oc_err *err) OC_NODISCARD;
/* Only max_len and seed, which must be known before the data can be read as the run read it. */
oc_status oc_train_state_peek(const char *run, const char *path, int64_t *max_len, int64_t *seed,
                              oc_err *err) OC_NODISCARD;
/* OC_FORMAT when the file is of another run, shape or key; *s is then as it was. */
oc_status oc_train_state_load(oc_train_state *s, const oc_layout *lo, const char *run,
                              const char *key, const char *path, oc_err *err) OC_NODISCARD;

#endif
