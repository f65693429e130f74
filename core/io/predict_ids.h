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
#include "core/nn/dims.h"

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

#endif
