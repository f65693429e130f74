/*
 * core/io/reference.h - what a network computes for some notes, layer by layer, in a safetensors file
 * beside the notes themselves: what `predict --ids --hidden` writes and `verify` reads. Any
 * implementation can write one.
 *
 *   input_ids       I64 or I32 [B,T]; or packed [N] beside start [B+1] (first row of note b; start[B] = N)
 *   attention_mask  the same shape, 1 = a token, 0 = padding; not there: all 1
 *   token_type_ids  the same shape; not there: all 0
 *   embeddings      [B,T,H] (packed: [N,H]); also named hidden_states.0
 *   layer.0 ...     the same; also hidden_states.1 ...; all L or none
 *   pooled          [B,H] the pooler's output; also pooler_output
 *   logits          [B,K]
 *
 * Outputs are F32, F16, BF16 or F64, and some output must be there. Rows where attention_mask is 0
 * hold anything. Other tensors are passed over.
 * Source: transformers modeling_outputs.py (hidden_states, pooler_output, logits).
 */
#ifndef OC_IO_REFERENCE_H
#define OC_IO_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/io/predict_ids.h"
#include "core/io/safetensors.h"
#include "core/nn/dims.h"
#include "core/nn/model.h"

/* --- reading ---------------------------------------------------------------------------------- */

enum { OC_REFERENCE_OUTPUTS = OC_MAX_LAYERS + 3 };

typedef struct oc_reference {
    oc_id_notes notes; /* as oc_batch wants them: without padding after the last token */
    int64_t *row;      /* owned [B] where note b begins in hidden states */
    /* Hidden states: 0 = embeddings, l + 1 = layer l, [rows,H]; then pooled [B,H] and logits [B,K]. */
    const float *x[OC_REFERENCE_OUTPUTS]; /* NULL: not in the file */
    float *own[OC_REFERENCE_OUTPUTS];     /* owned: x where the file's type had to be converted */
    oc_st *st;                            /* owned: what x is borrowed from */
} oc_reference;
/* Place of pooled and logits in x. */
enum { OC_REFERENCE_POOLED = OC_MAX_LAYERS + 1, OC_REFERENCE_LOGITS };

/*
 * Read and check against the network's dims (L, H, K, V, P, S).
 *   out  out  owned, oc_reference_release()
 * Returns OC_OK, OC_IO, OC_NOMEM, OC_FORMAT (no safetensors; no input_ids; no output; a shape that does not
 * fit the notes or the network; other layers than the network's; an id, type or mask out of range;
 * NaN or infinite numbers): file, tensor and place are named. Threads: any.
 */
oc_status oc_reference_open(const char *path, const oc_dims *d, oc_reference *out,
                            oc_err *err) OC_NODISCARD;
void oc_reference_release(oc_reference *r);

/* Name of output i: "embeddings", "layer.3", "pooled", "logits". */
void oc_reference_name(int32_t i, char out[32]);

/* --- writing ---------------------------------------------------------------------------------- */

/* Everything the network computes for the notes, padded to the longest with zeros. */
typedef struct oc_outputs {
    int64_t B, T;
    int32_t L, H, K;
    float *hidden; /* owned [L+1][B,T,H]; NULL when not asked for */
    float *pooled; /* owned [B,H] */
    float *logits; /* owned [B,K] */
} oc_outputs;

/* watch: NULL, nobody asks. OC_OK, OC_NOMEM, and as oc_id_notes_run. out: owned, oc_outputs_release(). */
oc_status oc_outputs_compute(const oc_model *m, const oc_id_notes *t, bool hidden,
                             const oc_notes_watch *watch, oc_outputs *out,
                             oc_err *err) OC_NODISCARD;
/* A reference, padded: input_ids, attention_mask and token_type_ids I64, outputs F32. hidden must be
 * there. OC_OK, OC_IO, OC_NOMEM. */
oc_status oc_outputs_write(const oc_outputs *o, const oc_id_notes *t, const char *path,
                           oc_err *err) OC_NODISCARD;
void oc_outputs_release(oc_outputs *o);

#endif
