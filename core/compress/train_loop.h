/*
 * core/compress/train_loop.h - what the files of the training loop share (private to train*.c).
 *
 * Between two optimizer steps the state (oc_train_state) says everything: what is saved, restored
 * and resumed is that state, and order, dropout and schedule follow from it and the settings.
 */
#ifndef OC_COMPRESS_TRAIN_LOOP_H
#define OC_COMPRESS_TRAIN_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/compress/encode.h"
#include "core/compress/train.h"
#include "core/nn/bert.h"

// Settings as one step uses them.
typedef struct oc__step_settings {
    int64_t batch, accumulate, epochs, total, warmup;
    double lr, hard, soft, T, p;
} oc__step_settings;

typedef struct oc__loop {
    oc_job *job;
    const oc_train_spec *spec;
    oc_model *model; // borrowed from spec->ckpt
    int64_t K, n;
    bool multi;
    char key[33];
    uint64_t seed;           // of dropout and order
    oc_encoded train, valid; // owned
    oc_train_state s;        // owned slabs except w
    float *grad;             // owned [n_floats]
    oc_limits lim;
    oc_bert *bert; // owned
    int workers;
    oc_batcher batcher;                       // owned
    float *logits, *dz_hard, *dz_soft, *soft; // owned [max_B, K]
    int32_t *y;                               // owned [max_B]
    uint8_t *yk;                              // owned [max_B, K]
    float *class_weight;                      // owned [K]; NULL: none
    char class_weights[OC_WORD_MAX];          // setting class_weight was made from
    float *z_valid, *dz_valid;                // owned [valid.n, K]
    int64_t *order;                           // owned [n], for epoch order_epoch
    int64_t order_epoch;
    oc_job_hooks hooks;
    int64_t generation; // counts restores and changes of settings
    int64_t saved_ns, polled_ns;
    int64_t saved_step, saved_eval; // what <run>.safetensors holds; -1: nothing of ours
} oc__loop;

/* "finetune", "distill", "recover". */
const char *oc__phase_name(oc_phase p);

/* train_setup.c: everything before the first step, and its end. */
oc_status oc__loop_init(oc__loop *t, oc_err *err) OC_NODISCARD;
void oc__loop_release(oc__loop *t);
/* (Re)make what is as large as a batch; the setting may have grown. */
oc_status oc__fit_batch(oc__loop *t, int64_t batch, oc_err *err) OC_NODISCARD;
/* Follow train.class_weights. */
oc_status oc__class_weights(oc__loop *t, oc_err *err) OC_NODISCARD;

/* train_save.c: checkpoints of the loop, as hooks of oc_job_poll and on its own account. */
oc_status oc__loop_save(void *ctx, const char *reason, char *path, oc_err *err);
oc_status oc__loop_restore(void *ctx, const char *path, int64_t *step, oc_err *err);
/* After OC_CANCELLED: that status, once what there is has been saved. */
oc_status oc__loop_cancelled(oc__loop *t, oc_err *err) OC_NODISCARD;
void oc__mark_saved(oc__loop *t);

/* train_step.c */
oc_status oc__listen(oc__loop *t, oc_err *err) OC_NODISCARD;
/* One optimizer step; none when undo or a new setting came in its middle. */
oc_status oc__run_step(oc__loop *t, const oc__step_settings *c, oc_err *err) OC_NODISCARD;
/* OC_NUMERIC: what is not finite, where, and what to try. */
oc_status oc__not_finite(const oc__loop *t, const oc__step_settings *c, double lr, const char *what,
                         oc_err *err) OC_NODISCARD;
void oc__set_dropout(oc_dims *d, float p_hidden, float p_attn, float p_cls);

#endif
