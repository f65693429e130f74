/*
 * core/io/other_archs.h - architectures we know by name in order to say what a folder holds; private
 * to core/io.
 * Source: transformers, the model_type, class names and base_model_prefix of each model.
 */
#ifndef OC_IO_OTHER_ARCHS_H
#define OC_IO_OTHER_ARCHS_H

/* "a RoBERTa" for "roberta" or "RobertaForMaskedLM"; NULL when unknown. */
const char *oc__other_arch(const char *type_or_class);
/* The same by a tensor's name; NULL when it does not give an architecture away. */
const char *oc__other_arch_tensor(const char *name);

#endif
