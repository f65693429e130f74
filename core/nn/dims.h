/*
 * core/nn/dims.h - the letters, and the shape of a network.
 *
 *   B batch (notes)   T tokens of one note   N rows = sum of T over the batch
 *   H hidden   A heads   D head size   F FFN width   L layers   V vocabulary   P positions
 *   S token types (0 in DistilBERT)   K classes
 * Pruned models are ordinary models: A and F are per layer, D is one number for the whole network
 * (so A*D need not be H). Every layer keeps at least one head and one neuron.
 */
#ifndef OC_NN_DIMS_H
#define OC_NN_DIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

#define OC_MAX_LAYERS 48
#define OC_MAX_HEADS  64

typedef enum { OC_ACT_GELU, OC_ACT_GELU_NEW, OC_ACT_RELU } oc_act; /* gelu = exact erf */

/*
 * BERT, or DistilBERT: the same encoder without token types (S = 0) and without dropout after
 * attention, and with ReLU instead of tanh in the pooler, there called pre_classifier.
 * Source: Sanh et al. 2019; transformers modeling_distilbert.py.
 */
typedef enum { OC_ARCH_BERT, OC_ARCH_DISTILBERT, OC_N_ARCHS } oc_arch;
const char *oc_arch_title(oc_arch a); /* "BERT" */
const char *oc_arch_class(oc_arch a); /* "BertForSequenceClassification" */
const char *oc_arch_base(oc_arch a);  /* "bert.": what names of the encoder start with */

typedef struct oc_dims {
    oc_arch arch;
    int32_t L, H, D, V, P, S, K;
    int32_t A[OC_MAX_LAYERS]; /* heads of layer l */
    int32_t F[OC_MAX_LAYERS]; /* FFN width of layer l */
    float eps;                /* LayerNorm, 1e-12 */
    oc_act act;
    float p_hidden, p_attn, p_cls; /* dropout probabilities, used in training only */
} oc_dims;

/* OC_SHAPE naming the field that is out of range. */
oc_status oc_dims_check(const oc_dims *d, oc_err *err) OC_NODISCARD;

/*
 * What a tensor is: its name in BERT and in DistilBERT (NULL: it has none), its name in views, and
 * whether every layer has one.
 */
// clang-format off
#define OC_KIND_LIST(X) \
    X(WORD, "bert.embeddings.word_embeddings.weight", "distilbert.embeddings.word_embeddings.weight", "word", 0) \
    X(POS, "bert.embeddings.position_embeddings.weight", "distilbert.embeddings.position_embeddings.weight", "pos", 0) \
    X(TYPE, "bert.embeddings.token_type_embeddings.weight", NULL, "type", 0) \
    X(EMB_LN_G, "bert.embeddings.LayerNorm.weight", "distilbert.embeddings.LayerNorm.weight", "emb.ln.g", 0) \
    X(EMB_LN_B, "bert.embeddings.LayerNorm.bias", "distilbert.embeddings.LayerNorm.bias", "emb.ln.b", 0) \
    X(Q_W, "attention.self.query.weight", "attention.q_lin.weight", "query", 1) \
    X(Q_B, "attention.self.query.bias", "attention.q_lin.bias", "query.b", 1) \
    X(K_W, "attention.self.key.weight", "attention.k_lin.weight", "key", 1) \
    X(K_B, "attention.self.key.bias", "attention.k_lin.bias", "key.b", 1) \
    X(V_W, "attention.self.value.weight", "attention.v_lin.weight", "value", 1) \
    X(V_B, "attention.self.value.bias", "attention.v_lin.bias", "value.b", 1) \
    X(O_W, "attention.output.dense.weight", "attention.out_lin.weight", "attn.out", 1) \
    X(O_B, "attention.output.dense.bias", "attention.out_lin.bias", "attn.out.b", 1) \
    X(LN1_G, "attention.output.LayerNorm.weight", "sa_layer_norm.weight", "ln1.g", 1) \
    X(LN1_B, "attention.output.LayerNorm.bias", "sa_layer_norm.bias", "ln1.b", 1) \
    X(F1_W, "intermediate.dense.weight", "ffn.lin1.weight", "ffn.in", 1) \
    X(F1_B, "intermediate.dense.bias", "ffn.lin1.bias", "ffn.in.b", 1) \
    X(F2_W, "output.dense.weight", "ffn.lin2.weight", "ffn.out", 1) \
    X(F2_B, "output.dense.bias", "ffn.lin2.bias", "ffn.out.b", 1) \
    X(LN2_G, "output.LayerNorm.weight", "output_layer_norm.weight", "ln2.g", 1) \
    X(LN2_B, "output.LayerNorm.bias", "output_layer_norm.bias", "ln2.b", 1) \
    X(POOL_W, "bert.pooler.dense.weight", "pre_classifier.weight", "pooler", 0) \
    X(POOL_B, "bert.pooler.dense.bias", "pre_classifier.bias", "pooler.b", 0) \
    X(CLS_W, "classifier.weight", "classifier.weight", "classifier", 0) \
    X(CLS_B, "classifier.bias", "classifier.bias", "classifier.b", 0)
// clang-format on

typedef enum {
#define OC_X(id, bert, distilbert, brief, per_layer) OC_P_##id,
    OC_KIND_LIST(OC_X)
#undef OC_X
        OC_N_KINDS
} oc_kind;

bool oc_kind_per_layer(oc_kind k);
const char *oc_kind_short(oc_kind k); /* "query", "ffn.in", ... as views name them */
bool oc_kind_is_matrix(oc_kind k);    /* of a linear layer: can be pruned, has output channels */
bool oc_kind_is_embedding(oc_kind k); /* WORD POS TYPE */
bool oc_kind_decays(oc_kind k);       /* weight decay applies: not to biases and LayerNorm */

typedef struct oc_param {
    oc_kind kind;
    int32_t layer;      /* -1 outside layers */
    int64_t rows, cols; /* [rows, cols] row-major; biases and norms: rows = n, cols = 1 */
    int64_t n;          /* rows * cols */
    int64_t offset;     /* first float in a slab of all parameters */
    char name[80];      /* "bert.encoder.layer.3.attention.self.query.weight" */
} oc_param;

/* All parameters of a network in slab order: embeddings, layers, pooler, classifier. */
typedef struct oc_layout {
    int32_t n;
    int64_t n_floats;
    oc_param *param;                              /* owned [n] */
    int32_t index[OC_MAX_LAYERS + 1][OC_N_KINDS]; /* -1 = none; last row: outside layers */
} oc_layout;
oc_status oc_layout_init(oc_layout *lo, const oc_dims *d, oc_err *err) OC_NODISCARD;
void oc_layout_release(oc_layout *lo);
/* layer is ignored for kinds outside layers. NULL for what the network does not have. */
const oc_param *oc_layout_at(const oc_layout *lo, oc_kind k, int32_t layer);

#endif
