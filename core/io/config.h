/*
 * core/io/config.h - config.json in Hugging Face keys, and what we add to it.
 *
 * Ours lies under one key, "optimclm": {"format": 1, "head_size": D, "heads": [A per layer],
 * "ffn": [F per layer], "do_lower_case": bool, "max_len": n, "task": {...}, "quantized": {...}}.
 * DistilBERT's keys (dim, n_layers, n_heads, hidden_dim, activation, dropout, ...) are read and
 * written for DistilBERT. Which of the two it is, model_type says, else architectures, else the keys.
 * Missing keys of old configs take BERT's defaults (hidden_act gelu, layer_norm_eps 1e-12,
 * max_position_embeddings 512, type_vocab_size 2, dropout 0.1); pruned_heads are taken off heads.
 * Threads: any.
 */
#ifndef OC_IO_CONFIG_H
#define OC_IO_CONFIG_H

#include <stdbool.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/nn/dims.h"

typedef struct oc_config {
    oc_dims dims;      /* K from id2label / num_labels; 0 when neither is there */
    oc_strlist labels; /* id2label, else label2id, in order; may be empty */
    bool multi_label;  /* problem_type == "multi_label_classification" */
    int lower_case;    /* optimclm.do_lower_case: 1, 0, or -1 when not said */
    int32_t max_len;   /* tokens a note is cut at; 0 = P */
    char task[64];     /* name of the task it was trained for; "" */
    char text_column[64], label_column[64];
    int32_t pad_id; /* pad_token_id */
    int32_t n_q8;   /* tensors stored as int8; 0 = not quantized */
    bool bits7;     /* quantized.bits is 7: of those, matrices hold -63..63; else 8 */
    bool attn_s8;   /* quantized.attention is "int8": its products are; else f32 */
} oc_config;

/*
 * Returns OC_OK, OC_IO, OC_NOMEM, OC_FORMAT (bad JSON, or a key of a wrong type or range: named),
 * OC_UNSUPPORTED (another architecture, an activation we do not have: named).
 */
oc_status oc_config_read(const char *path, oc_config *out, oc_err *err) OC_NODISCARD;
oc_status oc_config_parse(const char *text, size_t n, const char *what, oc_config *out,
                          oc_err *err) OC_NODISCARD;
oc_status oc_config_write(const oc_config *c, const char *path, oc_err *err) OC_NODISCARD;
void oc_config_release(oc_config *c);
oc_status oc_config_dup(const oc_config *c, oc_config *out, oc_err *err) OC_NODISCARD;

#endif
