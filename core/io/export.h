/*
 * core/io/export.h - a model for other programs: stock Hugging Face folders and ONNX.
 *
 * hf     config.json, model.safetensors (F32 or F16), vocab.txt, tokenizer_config.json,
 *        special_tokens_map.json: what BertForSequenceClassification (DistilBert...) and plain code
 *        of its layout load.
 *        INT8 tensors become floats; layers with fewer heads or a narrower FFN than the stock
 *        layout allows are padded with zeros, which changes no output: a head of zeros adds
 *        nothing, a neuron of zeros is act(0) = 0 times zeros.
 * torch  the same with pytorch_model.bin (torch.save) in place of model.safetensors.
 * onnx   model.onnx beside the same configuration and tokenizer files, or OUT itself when it ends
 *        in ".onnx". Every layer keeps its own shape.
 *        inputs  input_ids, attention_mask, token_type_ids (not DistilBERT)
 *                int64 [batch, sequence]
 *        output  logits  f32 [batch, K]
 *        Opset 17, IR version 8.
 *
 * Each folder also holds optimclm_export.json, which says what was exported from what; only a
 * folder with it is replaced by a later export. Written atomically (core/io/folder.h).
 * Threads: the engine thread (the network is run to compare).
 * Source: ONNX Operators.md and onnx.proto; transformers modeling_bert.py (names of tensors);
 * Optimum (names of inputs and outputs).
 */
#ifndef OC_IO_EXPORT_H
#define OC_IO_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/io/checkpoint.h"

typedef enum { OC_EXPORT_HF, OC_EXPORT_TORCH, OC_EXPORT_ONNX } oc_export_format;

/* Arithmetic of an ONNX graph. */
typedef enum {
    OC_ONNX_F32,
    OC_ONNX_DYNAMIC, /* int8 weights; inputs quantized by their range at run time, per tensor */
    OC_ONNX_STATIC   /* int8 weights; inputs quantized by a range measured before */
} oc_onnx_precision;

/* Range of the input of one matrix product (core/compress/calibrate.h measures it). */
typedef struct oc_input_range {
    float lo, hi;
} oc_input_range;

typedef struct oc_export_opts {
    oc_export_format format;
    bool f16; /* hf, torch: F16 tensors */
    oc_onnx_precision precision;
    const oc_input_range
        *range; /* OC_ONNX_STATIC: borrowed [layout.n], at the index of each matrix */
} oc_export_opts;

typedef struct oc_export_report {
    int64_t bytes_before;   /* of the model's weights file */
    int64_t bytes;          /* of the weights or ONNX file written */
    int64_t params, padded; /* weights that are the model's, and zeros added to them */
    float
        max_diff; /* hf, torch: largest difference of a logit, of the folder read back and run on random
                       notes, to the model's; int8 models: to the same weights as floats */
    float max_logit; /* largest |logit| there */
} oc_export_report;

/* "hf", "onnx", ...; false when it is none of ours. */
bool oc_export_format_find(const char *name, oc_export_format *out);
const char *oc_export_format_name(oc_export_format f);
const char *oc_onnx_precision_name(oc_onnx_precision p);
bool oc_onnx_precision_find(const char *name, oc_onnx_precision *out);

/*
 * That the model can be exported so, and that `out` may be written: everything that can be refused
 * before work begins.
 * Returns OC_OK, OC_UNSUPPORTED (hf, torch: head_size does not divide hidden_size, or a layer's heads are
 * wider than it; onnx: int8 of a model without int8 weights, more than the 2 GB of one file),
 * OC_FORMAT (weights that are not finite),
 * OC_STATE (there is something at `out` that is no export of ours, or the model itself), OC_RANGE,
 * OC_NOMEM, OC_IO.
 */
oc_status oc_export_check(const oc_checkpoint *c, const oc_export_opts *o, const char *out,
                          oc_err *err) OC_NODISCARD;

/*
 * Check, write, and (hf, torch) read back, run and compare before the folder takes its name.
 *   report  out  may be NULL
 * Returns what oc_export_check returns, OC_RANGE (F16: a weight beyond 65504), OC_NUMERIC (the
 * folder read back computes something else).
 */
oc_status oc_export(const oc_checkpoint *c, const oc_export_opts *o, const char *out,
                    oc_export_report *report, oc_err *err) OC_NODISCARD;

#endif
