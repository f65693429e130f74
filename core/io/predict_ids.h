/*
 * core/io/predict_ids.h - ready-made token ids for `predict --ids`, so that any other program's
 * input can be run through ours.
 *
 * JSON lines, one note each: {"id": "n1", "input_ids": [101, 7592, 102], "attention_mask":
 * [1, 1, 1], "token_type_ids": [0, 0, 0]}. Only input_ids must be there; "id" is a string or a
 * whole number.
 * Blank lines are skipped. The notes are packed as oc_batch (core/nn/bert.h) wants them.
 */
#ifndef OC_IO_PREDICT_IDS_H
#define OC_IO_PREDICT_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/nn/bert.h"

typedef struct oc_id_notes {
    int64_t n;       /* notes */
    int64_t N;       /* rows of all notes */
    int64_t max_T;   /* longest note */
    int64_t *start;  /* owned [n+1] first row of note b; start[n] = N */
    int32_t *ids;    /* owned [N] 0..V-1 */
    int32_t *types;  /* owned [N] 0..S-1 */
    uint8_t *mask;   /* owned [N] 0 or 1, some 1 in each note */
    bool any_type;   /* some type is not 0 */
    bool any_masked; /* some mask is 0 */
    oc_strlist id;   /* "id" of each note, its line number when it has none */
    size_t cap_start, cap_ids, cap_types, cap_mask; /* private */
} oc_id_notes;

/*
 * Read and check against the network's dims (V, P, S).
 *   out  out  owned, oc_id_notes_release()
 * Returns OC_OK, OC_IO, OC_NOMEM, OC_FORMAT ("x.jsonl:7: ...": no JSON, a field of the wrong type,
 * arrays of different lengths, an id or type out of range, no ids, more than P, a mask that is all
 * 0, no notes at all).
 */
oc_status oc_id_notes_read(const char *path, const oc_dims *d, oc_id_notes *out,
                           oc_err *err) OC_NODISCARD;
oc_status oc_id_notes_parse(const char *text, size_t n, const char *what, const oc_dims *d,
                            oc_id_notes *out, oc_err *err) OC_NODISCARD;
void oc_id_notes_release(oc_id_notes *t);

/*
 * Append one note from arrays.
 *   ids    in  [T] 0..V-1
 *   types  in  [T] 0..S-1, or NULL: all 0
 *   mask   in  [T] 0 or 1, or NULL: all 1
 *   what   in  where the note stands ("ref.safetensors: note 2")
 * OC_OK, OC_NOMEM, OC_FORMAT (what oc_id_notes_read refuses).
 */
oc_status oc_id_notes_add(oc_id_notes *t, const oc_dims *d, int64_t T, const int64_t *ids,
                          const int64_t *types, const int64_t *mask, const char *what,
                          oc_err *err) OC_NODISCARD;

/* Told how many notes are done, from the engine thread. */
typedef struct oc_notes_watch {
    void (*fn)(void *ctx, int64_t done, int64_t notes);
    void *ctx;
    const oc_pack_watch *packing; /* before the first note; NULL: nobody asks */
} oc_notes_watch;

/*
 * Run the network on one note after the other: comparing wants exactness and little memory, not
 * speed.
 *   keep_hidden  whether oc_bert_hidden has every layer's output
 *   watch        NULL: nobody asks
 *   fn           called after each forward: note i of n rows; logits f32 [K]
 * Returns OC_OK, as oc_bert_new and oc_batch_check, and what fn returns. Threads: the engine thread.
 */
typedef oc_status (*oc_id_notes_fn)(void *ctx, int64_t i, int64_t n, const oc_bert *b,
                                    const float *logits, oc_err *err);
oc_status oc_id_notes_run(const oc_model *m, const oc_id_notes *t, bool keep_hidden,
                          const oc_notes_watch *watch, oc_id_notes_fn fn, void *ctx,
                          oc_err *err) OC_NODISCARD;

#endif
