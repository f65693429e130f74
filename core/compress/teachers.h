/*
 * core/compress/teachers.h - where models come from, and an ensemble with the memory of one.
 *
 * Teachers run one at a time over the data, each with its own tokenizer. Their logits are cached
 * on disk, keyed by model, tokenizer, length and data, and reused.
 */
#ifndef OC_COMPRESS_TEACHERS_H
#define OC_COMPRESS_TEACHERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/data/task.h"
#include "core/engine/job.h"
#include "core/io/checkpoint.h"

/*
 * A model from a specification: a folder, or "new:L4-H128-A4-F512[-cased|-uncased][-V4000]"
 * (uncased when not said; V: teacher.vocab). New ones get a vocabulary learned from the training
 * texts and random weights from (seed, index).
 *   task  labels and kind the classifier must have; a folder's classifier with another number of
 *         labels is an error naming both numbers; one without a classifier gets a fresh one (head_missing
 *         is set until it is trained)
 * OC_USAGE for a specification that is not understood. config: labels, columns, kind and length
 * are filled from the task.
 */
oc_status oc_make_model(oc_job *job, const char *spec, const oc_task *task, const oc_dataset *train,
                        uint64_t seed, oc_checkpoint **out, oc_err *err) OC_NODISCARD;

/* What there is to say of a loaded folder's weights (remarks), as log events. */
void oc_log_remarks(oc_job *job, const char *spec, const oc_checkpoint *c);

/*
 * A student cut from a teacher: `n_layers` of its layers, the first ones or every k-th (last
 * included), embeddings, pooler and classifier copied. Source: Sun et al. 2019 (BERT-PKD).
 */
oc_status oc_make_student(const oc_checkpoint *teacher, int32_t n_layers, bool every,
                          oc_checkpoint **out, oc_err *err) OC_NODISCARD;

/*
 * Logits of one model on one split through the cache (<workdir>/cache/<key>.safetensors). Emits a
 * cache event (rows from the cache, rows computed, bytes of the folder). An unreadable cache file is
 * a miss; one that cannot be written is an alert. OC_STATE for a model whose classifier was never
 * trained.
 *   int8        a copy whose encoder matrices are INT8, made in memory for the pass, answers; a model
 *               that is quantized already answers as it is
 *   logits  out  f32 [d->n,K], caller's
 */
oc_status oc_cached_logits(oc_job *job, const char *name, const oc_checkpoint *c, oc_split split,
                           const oc_dataset *d, bool int8, float *logits, oc_err *err) OC_NODISCARD;

#define OC_MAX_TEACHERS 64 /* of an ensemble (room in the ensemble event) */

typedef enum { OC_RULE_MEAN_LOGITS, OC_RULE_MEAN_PROBS, OC_RULE_WEIGHTS, OC_RULE_AUROC } oc_rule;
oc_status oc_rule_parse(const char *word, oc_rule *out, oc_err *err) OC_NODISCARD;

/*
 * weights f64 [n_teachers] summing to 1: equal, given ("0.7,0.3"), or by validation macro AUROC
 * (proportional to max(AUROC - 0.5, 0); equal when none is above chance).
 */
oc_status oc_ensemble_weights(oc_rule rule, const char *given, const double *valid_auroc,
                              int64_t n_teachers, double *weights, oc_err *err) OC_NODISCARD;
/*
 * out f32 [n,K]: weighted mean of logits; for mean_probs the log (logit, multi-label) of the mean
 * probability, so that softmax (sigmoid) of `out` is that mean.  logits: one [n,K] per teacher.
 */
void oc_ensemble_combine(oc_rule rule, const double *weights, const float *const *logits,
                         int64_t n_teachers, int64_t n, int64_t K, oc_task_kind kind, float *out);

#endif
