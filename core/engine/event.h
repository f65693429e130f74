/*
 * core/engine/event.h - everything that happens, as plain values.
 *
 * This table is the only place where event types and their fields are listed: the structs, the
 * journal's encoder and decoder (event.c) and optimclm-session(5) come from it. An oc_event owns
 * nothing and can be copied with =. Views may rely on nothing that is not here.
 *
 * Field kinds: S(name, bytes) text · I(name) whole number · D(name) real (NaN allowed: written as
 * the word "NaN") · B(name) flag · V(name, capacity) list of reals with its count in n_<name>.
 *
 * Layers are 0-based; -1 means outside the layers. `run` names a training curve ("teacher-1",
 * "student", "recover"); `model` names a candidate ("teacher-1", "ensemble", "student", "pruned",
 * "quantized"). `matrix` is oc_kind_short(): query key value attn.out ffn.in ffn.out word pooler...
 */
#ifndef OC_ENGINE_EVENT_H
#define OC_ENGINE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"

/* clang-format off */

/* A process opened the session (first line of a journal, and again at every reopen). */
#define OC_EV_session(S, I, D, B, V) S(name, 64) S(version, 32) S(build, 128) S(cpu, 128) S(isa, 16) I(threads) I(pid) B(reopened)
/* ... and left it: "done", "quit", "detached", "failed". */
#define OC_EV_exit(S, I, D, B, V)    S(reason, 64) I(status)
/* A command as typed, and where: "repl", "cli", "recipe", "replay". */
#define OC_EV_command(S, I, D, B, V) S(text, 480) S(source, 16)
/* A setting took a value. why: "recipe", "set", "undo". run/step: where training stood ("" / -1: not training). */
#define OC_EV_setting(S, I, D, B, V) S(key, 48) S(value, 400) S(old, 400) S(why, 16) S(run, 32) I(step)
/* The list of stages about to run, comma-joined; resumed: continues an earlier process's work. */
#define OC_EV_run(S, I, D, B, V)     S(recipe, 128) S(stages, 256) I(n_stages) B(resumed)
#define OC_EV_stage(S, I, D, B, V)   I(index) S(kind, 16) S(run, 32) I(steps) I(epochs) I(rows) I(plan_bytes) I(from_step)
/* status: "done", "failed", "cancelled" (by the user), "stopped" (the process left; `continue` takes it up),
 * "kept" (already done by an earlier process). */
#define OC_EV_stage_end(S, I, D, B, V) I(index) S(kind, 16) S(run, 32) S(status, 16) S(message, 512) S(path, 256) D(seconds)
/* What the engine thread is doing: "idle", "running", "paused", "stopping". */
#define OC_EV_job(S, I, D, B, V)     S(state, 16) S(what, 64) I(step)
/* Long work other than training steps. eta_s NaN when unknown. */
#define OC_EV_progress(S, I, D, B, V) S(what, 96) I(done) I(total) S(unit, 16) D(rate) D(eta_s)
#define OC_EV_data(S, I, D, B, V)    S(task, 64) S(kind, 16) S(split, 16) I(rows) I(labels) I(bad_rows) D(positive_frac) D(mean_words) S(key, 40)
#define OC_EV_model(S, I, D, B, V)   S(model, 32) S(path, 256) I(params) I(bytes) I(layers) I(hidden) I(vocab) S(casing, 16) S(casing_from, 48) D(mean_tokens) D(cut_frac)
/* One optimizer step. hard: CE/BCE on labels, soft: distillation term (both unweighted), loss: what is minimized; norms of the gradient. */
#define OC_EV_step(S, I, D, B, V)    S(run, 32) I(step) I(steps) D(epoch) D(lr) D(loss) D(hard) D(soft) D(norm) D(norm_hard) D(norm_soft) D(tokens_s) I(tokens)
#define OC_EV_eval(S, I, D, B, V)    S(run, 32) I(step) S(split, 16) D(loss) D(auroc) D(accuracy) D(auprc) D(f1) B(best)
/* reason: "timer", "setting", "stage", "save", "pause", "cancel". */
#define OC_EV_ckpt(S, I, D, B, V)    S(run, 32) I(step) S(path, 256) I(bytes) S(reason, 16)
/* A model's outputs on a split, from the cache or computed. precision: "f32", "int8" (distill.teacher_precision). */
#define OC_EV_cache(S, I, D, B, V)   S(model, 32) S(split, 16) I(hits) I(misses) I(bytes) S(precision, 16)
#define OC_EV_ensemble(S, I, D, B, V) S(rule, 16) I(teachers) V(weights, 64)
/* Asked and reached share of zeros of one matrix of one model. */
#define OC_EV_sparsity(S, I, D, B, V) S(model, 32) I(layer) S(matrix, 16) I(rows) I(cols) D(asked) D(reached)
/* Heads of a layer: kept[i] 1/0 and importance[i] for each head there was before. */
#define OC_EV_heads(S, I, D, B, V)   S(model, 32) I(layer) I(before) I(after) V(kept, 64) V(importance, 64)
#define OC_EV_ffn(S, I, D, B, V)     S(model, 32) I(layer) I(before) I(after) D(asked)
/* Rounding error of one quantized matrix: bins[i] counts w - w_q over [lo, hi); clipped: share of weights beyond the range. */
#define OC_EV_quant(S, I, D, B, V)   S(model, 32) I(layer) S(matrix, 16) I(bits) D(max_err) D(sqnr_db) D(clipped) D(zeros) D(scale_min) D(scale_max) D(lo) D(hi) V(bins, 41)
/* Error of a layer's output, quantized against f32, on the calibration notes (layer -1: embeddings, L: logits). */
#define OC_EV_drift(S, I, D, B, V)   S(model, 32) I(layer) D(sqnr_db) D(max_err)
/* What a product (a matrix, or "qkv", "kv") takes here in one forward pass, one thread; int8: it was quantized (quant.where). */
#define OC_EV_cost(S, I, D, B, V)    S(model, 32) I(layer) S(matrix, 16) I(rows) I(out) I(in) D(f32_ms) D(int8_ms) I(runs) B(int8)
#define OC_EV_latency(S, I, D, B, V) S(model, 32) S(precision, 16) I(threads) I(batch) I(length) D(median_ms) D(p95_ms) I(runs)
/* A level to compare with: "majority", "naive Bayes". */
#define OC_EV_baseline(S, I, D, B, V) S(name, 32) D(accuracy) D(auroc) D(auprc) D(f1)
/* One model with what was measured on the test split; NaN until it is. Sent again when more is known. */
#define OC_EV_candidate(S, I, D, B, V) S(model, 32) S(stage, 16) S(precision, 16) S(path, 256) I(params) I(bytes) I(n) D(accuracy) D(auroc) D(auroc_lo) D(auroc_hi) D(auprc) D(f1) D(median_ms) D(p95_ms)
#define OC_EV_undo(S, I, D, B, V)    S(what, 128) S(run, 32) I(to_step) S(path, 256)
/* level: "warn", "error", "accept" (an acceptance rule was not met). */
#define OC_EV_alert(S, I, D, B, V)   S(level, 8) S(text, 480)
#define OC_EV_note(S, I, D, B, V)    S(text, 480) S(run, 32) I(step)
#define OC_EV_log(S, I, D, B, V)     S(level, 8) S(text, 480)

#define OC_EVENT_LIST(X)                                                                           \
    X(session) X(exit) X(command) X(setting) X(run) X(stage) X(stage_end) X(job) X(progress)       \
    X(data) X(model) X(step) X(eval) X(ckpt) X(cache) X(ensemble) X(sparsity) X(heads) X(ffn)      \
    X(quant) X(drift) X(cost) X(latency) X(baseline) X(candidate) X(undo) X(alert) X(note) X(log)

#define OC_EVF_S(name, bytes) char name[bytes];
#define OC_EVF_I(name)        int64_t name;
#define OC_EVF_D(name)        double name;
#define OC_EVF_B(name)        bool name;
#define OC_EVF_V(name, cap)   int64_t n_##name; double name[cap];
#define OC_X(t) typedef struct oc_ev_##t { OC_EV_##t(OC_EVF_S, OC_EVF_I, OC_EVF_D, OC_EVF_B, OC_EVF_V) } oc_ev_##t;
OC_EVENT_LIST(OC_X)
#undef OC_X

typedef enum {
#define OC_X(t) OC_EV_##t##_T,
    OC_EVENT_LIST(OC_X)
#undef OC_X
    OC_N_EVENTS
} oc_event_type;

typedef struct oc_event {
    oc_event_type type;
    int64_t seq;  /* position in the journal, from 1; 0 until it is journalled */
    int64_t t_ms; /* wall clock, ms since 1970 UTC; set by oc_event_init */
    union {
#define OC_X(t) oc_ev_##t t;
        OC_EVENT_LIST(OC_X)
#undef OC_X
    } u;
} oc_event;
/* clang-format on */

/* Field table, for the encoder, the decoder and the man page. */
typedef enum { OC_FIELD_S, OC_FIELD_I, OC_FIELD_D, OC_FIELD_B, OC_FIELD_V } oc_field_kind;
typedef struct oc_event_field {
    const char *name;
    oc_field_kind kind;
    int32_t offset;   /* into oc_event */
    int32_t capacity; /* bytes of S, elements of V */
    int32_t n_offset; /* of the count, V only */
} oc_event_field;

const char *oc_event_name(oc_event_type t);
const oc_event_field *oc_event_fields(oc_event_type t, int *n);

/* Zeroed payload (reals NaN), type and time set. */
void oc_event_init(oc_event *e, oc_event_type t);
/* Copy text into an S field, cut at a UTF-8 boundary. */
#define OC_EV_SET(field, text) oc_strlcpy((field), (text), sizeof(field))

/*
 * The journal's form of an event, without newline and checksum: [seq,t_ms,"type",{...}].
 * Decoding refuses unknown types and fields of the wrong kind (OC_FORMAT); missing fields keep
 * their initial value, so that older journals stay readable. Encode(decode(x)) == x.
 */
void oc_event_encode(const oc_event *e, oc_buf *out);
oc_status oc_event_decode(const char *line, size_t n, oc_event *out, oc_err *err) OC_NODISCARD;

#endif
