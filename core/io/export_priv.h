/*
 * core/io/export_priv.h - what the writers of core/io/export.h share; private to core/io.
 */
#ifndef OC_IO_EXPORT_PRIV_H
#define OC_IO_EXPORT_PRIV_H

#include "core/io/export.h"

#define OC__EXPORT_ONNX  "model.onnx"
#define OC__EXPORT_TORCH "pytorch_model.bin"

/* Parameter i as floats: dst f32 [n], rows of q times their scale. */
void oc__export_floats(const oc_model *m, int32_t i, float *dst);
/* Between encoder and classifier: relu (DistilBERT's pre_classifier) or tanh (BERT's pooler). */
bool oc__export_pool_relu(const oc_dims *d);

/* Stock shape a model is padded to. OC_UNSUPPORTED where there is none. */
oc_status oc__export_hf_dims(const oc_dims *d, oc_dims *out, oc_err *err) OC_NODISCARD;
/* Weights in the stock layout: model.safetensors or pytorch_model.bin in `dir`. */
oc_status oc__export_hf_weights(const oc_checkpoint *c, const oc_export_opts *o, const char *dir,
                                oc_export_report *r, oc_err *err) OC_NODISCARD;
/* Load the folder and run it beside the model; OC_NUMERIC when they differ. */
oc_status oc__export_hf_verify(const oc_checkpoint *c, const oc_export_opts *o, const char *dir,
                               oc_export_report *r, oc_err *err) OC_NODISCARD;

/* core/io/export_onnx.c */
oc_status oc__export_onnx_check(const oc_checkpoint *c, const oc_export_opts *o,
                                oc_err *err) OC_NODISCARD;
oc_status oc__export_onnx_write(const oc_checkpoint *c, const oc_export_opts *o, const char *path,
                                int64_t *bytes, oc_err *err) OC_NODISCARD;

#endif
