/*
 * core/nn/bert.h - BERT and DistilBERT for sequence classification, forward and backward.
 *
 *   x0      = Dropout(LN(word[id] + pos[p] + type[t]))
 *   per l:  q,k,v = x W^T + b;  c = Dropout(softmax(q k^T / sqrt(D))) v   (per head, inside a note)
 *           y  = LN1(x + Dropout(c Wo^T + bo))
 *           x' = LN2(y + Dropout(act(y W1^T + b1) W2^T + b2))
 *   pooled  = tanh(x_L[CLS] Wp^T + bp);   logits = Dropout(pooled) Wc^T + bc
 *
 * DistilBERT has no type[t], no Dropout around c Wo^T + bo, and relu in place of tanh.
 *
 * A batch is packed: the rows of its notes follow each other without padding, so it costs its
 * tokens. Attention probabilities are never stored: backward makes them again from the row
 * maxima and sums (log-sum-exp) kept by forward, and dropout masks from (seed, counter). Keeping
 * them gains nothing even where memory is plenty, because writing and reading them costs what making
 * them again does (TinyBERT-4L, 16 notes, AVX-512, one thread: 1745 ms made again and 1772 ms kept,
 * in 500 MB, at the lengths of real notes; 420 and 425 ms at 128 tokens).
 * Quantized matrices run in the integer path (core/kernels/kernels.h), embeddings are gathered
 * from int8 rows. The same bits for any number of threads.
 * Threads: the engine thread (opens parallel loops).
 * Source: Devlin et al. 2019; transformers modeling_bert.py, modeling_distilbert.py; Dao et al. 2022 for recomputation.
 */
#ifndef OC_NN_BERT_H
#define OC_NN_BERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/nn/model.h"

typedef struct oc_batch {
    int64_t B;            /* notes */
    int64_t N;            /* rows of all notes */
    const int32_t *start; /* [B+1] first row of note b; start[B] = N */
    const int32_t *ids;   /* [N] 0..V-1 */
    const int32_t *types; /* [N] 0..S-1, or NULL: all 0; not read when S = 0 */
    const uint8_t *mask;  /* [N] 1 = attend to this row as a key, or NULL: all 1 */
} oc_batch;               /* position of a row = its index in its note */

/* Told how many layers are packed, from the engine thread: a large model on a cold disk takes a
 * while. */
typedef struct oc_pack_watch {
    void (*fn)(void *ctx, int32_t done, int32_t layers);
    void *ctx;
} oc_pack_watch;

typedef struct oc_limits {
    int64_t max_B, max_N, max_T; /* largest batch that will come */
    bool train;                  /* keep what backward needs */
    bool keep_hidden;            /* keep every layer's output (oc_bert_hidden) */
    const oc_pack_watch *watch;  /* borrowed for oc_bert_new; NULL: nobody asks */
} oc_limits;

/* Dropout of one step; NULL or p = 0 in dims: none. Same seed and step, same masks. */
typedef struct oc_dropout {
    uint64_t seed;
    uint64_t step;
} oc_dropout;

typedef struct oc_bert oc_bert; /* activations and packed weights for one model */

/* Bytes oc_bert_new will allocate (packed weights included); 0 for limits it refuses. */
size_t oc_bert_plan(const oc_model *m, const oc_limits *lim);

/*
 * Plan, place, and pack the weights when not training (in training they are packed each step).
 *   m    in   borrowed: must outlive the result; in training its weights may change between steps
 * Scratch is for the workers of now, or all cores when that is more: later loops may use fewer or
 * as many, not more.
 * Borrowed weights are looked at here (as oc_model_check does), and their pages touched for the
 * first time.
 * OC_NOMEM, OC_SHAPE (limits beyond P), OC_FORMAT (a weight that is no number), OC_UNSUPPORTED (training a quantized model).
 */
oc_status oc_bert_new(const oc_model *m, const oc_limits *lim, oc_bert **out,
                      oc_err *err) OC_NODISCARD;
void oc_bert_free(oc_bert *b);

/*
 * One batch through a model that is not needed again, or not yet: each layer is packed when the
 * batch meets it, in the memory of one layer, and looked at then. The same bits as oc_bert_forward.
 * For BERT-base in f32 and a short note half the time of packing it all, and a tenth of the memory.
 *   watch   borrowed for the call; NULL: nobody asks
 *   logits  out  f32 [B,K]
 * OC_OK, as oc_bert_new and oc_batch_check.
 */
oc_status oc_bert_once(const oc_model *m, const oc_batch *batch, const oc_pack_watch *watch,
                       float *logits, oc_err *err) OC_NODISCARD;

/* Check a batch once before use: lengths inside the limits, ids < V, types < S, some mask set. */
oc_status oc_batch_check(const oc_batch *batch, const oc_dims *d, const oc_limits *lim,
                         oc_err *err) OC_NODISCARD;

/* logits out f32 [B,K]. Cannot fail on a checked batch. */
void oc_bert_forward(oc_bert *b, const oc_batch *batch, const oc_dropout *drop, float *logits);

/*
 * After a forward in training mode with the same batch and dropout:
 *   dlogits in    f32 [B,K]
 *   grad    inout f32 [layout.n_floats], accumulated (+=)
 */
void oc_bert_backward(oc_bert *b, const oc_batch *batch, const oc_dropout *drop,
                      const float *dlogits, float *grad);

/*
 * Show what goes into each linear layer of every later forward, block by block in order, from the
 * engine thread (blocks then run on one worker); NULL switches it off.
 *   i_param  index of the layer's matrix in the layout
 *   x        f32 [n,I] its input, rows ld apart; borrowed for the call
 * After the last attention those are the [CLS] rows only, unless keep_hidden or train.
 */
typedef void (*oc_bert_observer)(void *ctx, int32_t i_param, const float *x, int64_t ld, int64_t n,
                                 int64_t I);
void oc_bert_observe(oc_bert *b, oc_bert_observer fn, void *ctx);

/*
 * Does this f32 matrix go to the matrix unit (x6 of oc_packed_f32), where there is one? What sees
 * only [CLS] rows, as a rule, does not: too few to pay for its wider weights. Even where all rows go
 * on (keep_hidden), so that logits are the same bits; and a quantized model's head gives the same
 * bits on every ISA.
 */
bool oc_bert_on_unit(const oc_dims *d, oc_kind kind, int32_t layer);

/* Hidden states of the last forward (keep_hidden): i = 0 embeddings, i = 1..L layer outputs. */
const float *oc_bert_hidden(const oc_bert *b, int32_t i); /* [N,H] */
const float *oc_bert_pooled(const oc_bert *b);            /* [B,H] */

#endif
