/*
 * core/engine/settings.h - every setting, once: key, type, range, default, help, stage.
 *
 * From this table come the REPL's `set` and its completion, the recipe check, the settings view
 * and the man page. A recipe is a JSON object of keys to values. Values are shown and journalled
 * as text.
 *
 *   INT (field, "key", default, lo, hi, stage, "help")       int64_t
 *   REAL(field, "key", default, lo, hi, stage, "help")       double
 *   FLAG(field, "key", default, stage, "help")               bool
 *   TEXT(field, "key", "default", stage, "help")             char[400]
 *   WORD(field, "key", "default", "a|b|c", stage, "help")    char[24], one of the words
 * stage: what the setting belongs to (views group by it). All may be set at any time; a running
 * stage reads those it uses at its next step, others when their stage starts.
 */
#ifndef OC_ENGINE_SETTINGS_H
#define OC_ENGINE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/json.h"

/* clang-format off */
#define OC_SETTING_LIST(INT, REAL, FLAG, TEXT, WORD)                                                                    \
  TEXT(run_stages,      "run.stages", "finetune,distill,prune,recover,quantize,evaluate,bench", "run", "stages to run, in order, comma-separated") \
  INT (run_seed,        "run.seed", 1, 0, 4294967295, "run", "seed of weights, order, dropout and bootstrap")           \
  INT (run_threads,     "run.threads", 0, 0, 1024, "run", "worker threads; 0 = OMP_NUM_THREADS or all cores")           \
  TEXT(run_model,       "run.model", "", "run", "model folder a run without finetune/distill starts from")              \
  REAL(run_checkpoint_s, "run.checkpoint_s", 20, 0.1, 86400, "run", "seconds between checkpoints of a training stage")  \
  TEXT(task,            "task", "mortality", "data", "mortality, los, diagnoses, procedures, or any name for another table") \
  WORD(task_kind,       "task.kind", "auto", "auto|single|multi", "data", "one class per note, or any subset of labels") \
  WORD(data_source,     "data.source", "files", "files|notes", "data", "tables on disk, or built-in synthetic notes")   \
  TEXT(data_dir,        "data.dir", "", "data", "folder the data files are in")                                         \
  TEXT(data_file,       "data.file", "", "data", "one table for all splits")                                            \
  TEXT(data_train,      "data.train", "", "data", "training table(s), comma-separated")                                 \
  TEXT(data_valid,      "data.valid", "", "data", "validation table(s)")                                                \
  TEXT(data_test,       "data.test", "", "data", "test table(s)")                                                       \
  TEXT(data_split_column, "data.split_column", "", "data", "column that says train, valid or test")                    \
  INT (data_test_every, "data.test_every", 0, 0, 1000, "data", "without splits: every k-th row is test")                \
  REAL(data_valid_frac, "data.valid_frac", 0.1, 0.01, 0.5, "data", "share of training rows used as validation when there are none") \
  TEXT(data_text,       "data.text", "", "data", "column of the note text (default: the task's)")                       \
  TEXT(data_label,      "data.label", "", "data", "column of the label (default: the task's)")                          \
  TEXT(data_id,         "data.id", "", "data", "column of the note id (default: id, or the row number)")                \
  TEXT(data_delimiter,  "data.delimiter", ",", "data", "between the labels of a multi-label cell")                      \
  TEXT(data_labels,     "data.labels", "", "data", "label list: a file; default: from the data")                        \
  WORD(data_bad_rows,   "data.bad_rows", "error", "error|skip", "data", "stop at a bad row, or count and list them")    \
  INT (data_max_rows,   "data.max_rows", 0, 0, 100000000, "data", "use at most this many rows of each split; 0 = all")  \
  INT (data_rows_train, "data.rows_train", 1600, 16, 10000000, "data", "synthetic notes for training")                  \
  INT (data_rows_valid, "data.rows_valid", 300, 16, 10000000, "data", "synthetic notes for validation")                 \
  INT (data_rows_test,  "data.rows_test", 1000, 16, 10000000, "data", "synthetic notes for testing")                    \
  REAL(data_noise,      "data.noise", 0.5, 0, 1, "data", "label noise of synthetic notes")                              \
  INT (data_seed,       "data.seed", 7, 0, 4294967295, "data", "seed of synthetic notes and of the validation draw")    \
  TEXT(teacher_models,  "teacher.models", "", "teacher", "teachers: folders or new:L4-H128-A4-F512[-cased|-uncased][-V4000], comma-separated") \
  FLAG(teacher_finetune, "teacher.finetune", true, "teacher", "finetune the teachers; off: they are classifiers already") \
  INT (teacher_vocab,   "teacher.vocab", 4000, 64, 200000, "teacher", "entries of a vocabulary learned for new models")  \
  WORD(ensemble_rule,   "ensemble.rule", "mean_logits", "mean_logits|mean_probs|weights|auroc", "teacher", "how teachers are combined") \
  TEXT(ensemble_weights, "ensemble.weights", "", "teacher", "one weight per teacher, comma-separated (rule weights)")   \
  TEXT(student_model,   "student.model", "teacher", "student", "teacher (cut from the first one), a folder, or new:...") \
  WORD(student_layers,  "student.layers", "every", "first|every", "student", "which teacher layers the student takes")  \
  INT (student_n_layers, "student.n_layers", 2, 1, 48, "student", "layers of a student cut from the teacher")           \
  INT (train_max_len,   "train.max_len", 128, 8, 4096, "train", "tokens a note is cut at")                              \
  INT (train_batch,     "train.batch", 16, 1, 4096, "train", "notes per batch")                                         \
  INT (train_accumulate, "train.accumulate", 1, 1, 1024, "train", "batches per optimizer step")                         \
  REAL(train_warmup,    "train.warmup", 0.1, 0, 1, "train", "share of steps with rising learning rate")                 \
  REAL(train_weight_decay, "train.weight_decay", 0.01, 0, 1, "train", "AdamW weight decay")                            \
  REAL(train_clip,      "train.clip", 1.0, 0, 1000, "train", "gradient norm limit; 0 = none")                           \
  REAL(train_dropout,   "train.dropout", 0.1, 0, 0.9, "train", "dropout probability while training")                    \
  WORD(train_class_weights, "train.class_weights", "none", "none|balanced", "train", "weigh classes by inverse frequency") \
  INT (train_eval_every, "train.eval_every", 0, 0, 1000000, "train", "steps between validations; 0 = each epoch")       \
  INT (train_patience,  "train.patience", 3, 1, 1000, "train", "validations without gain before a stage stops")         \
  REAL(train_min_delta, "train.min_delta", 0.0001, 0, 1, "train", "gain in validation AUROC that counts")               \
  INT (train_max_steps, "train.max_steps", 0, 0, 100000000, "train", "stop a training stage after this many steps; 0 = none") \
  REAL(finetune_lr,     "finetune.lr", 5e-5, 1e-9, 1, "finetune", "peak learning rate of teachers")                     \
  INT (finetune_epochs, "finetune.epochs", 4, 1, 10000, "finetune", "epochs of teachers")                               \
  REAL(distill_lr,      "distill.lr", 5e-5, 1e-9, 1, "distill", "peak learning rate of the student")                    \
  INT (distill_epochs,  "distill.epochs", 6, 1, 10000, "distill", "epochs of the student")                              \
  REAL(distill_temperature, "distill.temperature", 2, 0.1, 100, "distill", "temperature T of the soft targets")         \
  REAL(distill_soft,    "distill.soft", 1, 0, 1000, "distill", "weight of the T^2 KL term")                             \
  REAL(distill_hard,    "distill.hard", 1, 0, 1000, "distill", "weight of the cross entropy on labels")                 \
  WORD(distill_teacher_precision, "distill.teacher_precision", "f32", "f32|int8", "distill", "precision of the teachers while they give the soft targets") \
  WORD(prune_method,    "prune.method", "both", "structured|magnitude|both", "prune", "remove heads and neurons, zero weights, or both") \
  WORD(prune_scope,     "prune.scope", "global", "global|layer", "prune", "rank over the whole network or inside each layer") \
  REAL(prune_sparsity,  "prune.sparsity", 0.3, 0, 0.99, "prune", "share of linear weights set to zero")                 \
  REAL(prune_heads,     "prune.heads", 0.25, 0, 0.95, "prune", "share of attention heads removed")                      \
  REAL(prune_ffn,       "prune.ffn", 0.5, 0, 0.99, "prune", "share of FFN neurons removed")                             \
  WORD(prune_align,     "prune.align", "tile", "none|tile", "prune", "FFN widths in whole tiles of 32 that no kernel wastes (layers of 512 neurons and more)") \
  INT (prune_notes,     "prune.notes", 256, 1, 1000000, "prune", "notes used to estimate importance")                   \
  REAL(recover_lr,      "recover.lr", 5e-5, 1e-9, 1, "recover", "peak learning rate after pruning")                     \
  INT (recover_epochs,  "recover.epochs", 2, 1, 10000, "recover", "epochs after pruning")                               \
  INT (quant_bits,      "quant.bits", 8, 7, 8, "quantize", "bits of INT8 matrices; 7 is less exact, and faster on CPUs with AVX2 but no VNNI; embeddings keep 8") \
  WORD(quant_clip,      "quant.clip", "max", "max|percentile|mse", "quantize", "observer that sets the range of each output channel") \
  REAL(quant_percentile, "quant.percentile", 99.9, 50, 100, "quantize", "percentile of |w| kept (clip percentile)")     \
  WORD(quant_where,     "quant.where", "all", "all|faster", "quantize", "quantize all matrices, or only those where INT8 is faster on this machine") \
  WORD(quant_attention, "quant.attention", "f32", "f32|int8", "quantize", "products of attention in all layers but the last; int8 pays with long notes on CPUs with VNNI or AMX, and is less exact") \
  FLAG(quant_embeddings, "quant.embeddings", true, "quantize", "INT8 embedding rows")                                   \
  FLAG(quant_head,      "quant.head", true, "quantize", "INT8 pooler and classifier")                                   \
  INT (quant_notes,     "quant.notes", 64, 1, 1000000, "quantize", "calibration notes for the error of layer outputs")  \
  INT (eval_bootstrap,  "eval.bootstrap", 1000, 0, 1000000, "evaluate", "bootstrap resamples; 0 = no interval")         \
  WORD(eval_auroc,      "eval.auroc", "ovr", "ovr|ovo", "evaluate", "macro AUROC one-vs-rest, or one-vs-one as the paper") \
  TEXT(bench_threads,   "bench.threads", "1,2", "bench", "thread counts, comma-separated")                              \
  TEXT(bench_batch,     "bench.batch", "1", "bench", "batch sizes")                                                     \
  TEXT(bench_length,    "bench.length", "128", "bench", "lengths in tokens")                                            \
  REAL(bench_seconds,   "bench.seconds", 4, 0.1, 3600, "bench", "time for all measurements together")                   \
  TEXT(bench_baseline,  "bench.baseline", "ensemble", "bench", "model the ratios are against")                          \
  REAL(accept_auroc_drop, "accept.auroc_drop", 1, 0, 1, "accept", "largest loss of macro AUROC against the baseline; 1 = off") \
  REAL(accept_smaller,  "accept.smaller", 0, 0, 1e6, "accept", "least size ratio baseline / final; 0 = off")            \
  REAL(accept_faster,   "accept.faster", 0, 0, 1e6, "accept", "least latency ratio baseline / final; 0 = off")
/* clang-format on */

#define OC_TEXT_MAX 400
#define OC_WORD_MAX 24

typedef struct oc_settings {
#define OC_XI(f, key, d, lo, hi, st, help) int64_t f;
#define OC_XR(f, key, d, lo, hi, st, help) double f;
#define OC_XF(f, key, d, st, help)         bool f;
#define OC_XT(f, key, d, st, help)         char f[OC_TEXT_MAX];
#define OC_XW(f, key, d, words, st, help)  char f[OC_WORD_MAX];
    OC_SETTING_LIST(OC_XI, OC_XR, OC_XF, OC_XT, OC_XW)
#undef OC_XI
#undef OC_XR
#undef OC_XF
#undef OC_XT
#undef OC_XW
} oc_settings;

typedef enum { OC_SET_INT, OC_SET_REAL, OC_SET_FLAG, OC_SET_TEXT, OC_SET_WORD } oc_setting_type;
typedef struct oc_setting {
    const char *key, *stage, *help;
    oc_setting_type type;
    double lo, hi;         /* INT, REAL */
    const char *words;     /* WORD: "a|b|c" */
    const char *otherwise; /* default, as text */
    int32_t offset;
} oc_setting;

int oc_setting_count(void);
const oc_setting *oc_setting_at(int i);
const oc_setting *oc_setting_find(const char *key); /* NULL when unknown */

void oc_settings_init(oc_settings *s); /* defaults */
/* OC_USAGE: "unknown setting 'x.y'; did you mean ...", or what values the key takes. */
oc_status oc_settings_set(oc_settings *s, const char *key, const char *value,
                          oc_err *err) OC_NODISCARD;
/* Value as text, the form oc_settings_set reads back to the same value. */
void oc_settings_get(const oc_settings *s, const oc_setting *d, char out[OC_TEXT_MAX]);
/* Rules between settings (weights sum, stages known, ...): OC_USAGE. */
oc_status oc_settings_check(const oc_settings *s, oc_err *err) OC_NODISCARD;
/* The same, and that a run has data to work on: OC_USAGE. */
oc_status oc_settings_check_run(const oc_settings *s, oc_err *err) OC_NODISCARD;

/* A recipe file over defaults. Unknown keys and wrong types name file and key. "name" and
 * "description" are allowed besides settings. */
oc_status oc_recipe_read(const char *path, oc_settings *s, oc_err *err) OC_NODISCARD;
oc_status oc_recipe_parse(const char *text, size_t n, const char *what, oc_settings *s,
                          oc_err *err) OC_NODISCARD;
/* Keys that differ from their defaults (or all), as a recipe. */
void oc_recipe_write(const oc_settings *s, bool all, oc_buf *out);

#endif
