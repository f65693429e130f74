/*
 * core/text/wordpiece.h - BERT's tokenizer: basic tokenizer, then greedy longest-match WordPiece.
 * Source: google-research/bert tokenization.py (BasicTokenizer, WordpieceTokenizer, words over 100
 * characters are [UNK]). Exact: checked against recorded outputs.
 */
#ifndef OC_TEXT_WORDPIECE_H
#define OC_TEXT_WORDPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/text/vocab.h"

typedef struct oc_tokenizer {
    oc_vocab *vocab; /* owned */
    bool lowercase;  /* lower-case and strip accents before splitting */
} oc_tokenizer;

/* Takes the vocabulary, on success only. */
oc_status oc_tokenizer_new(oc_vocab *vocab, bool lowercase, oc_tokenizer **out,
                           oc_err *err) OC_NODISCARD;
oc_status oc_tokenizer_dup(const oc_tokenizer *t, oc_tokenizer **out, oc_err *err) OC_NODISCARD;
void oc_tokenizer_free(oc_tokenizer *t);

/* Words after the basic tokenizer, each followed by '\n'. */
void oc_basic_tokenize(const char *text, size_t n, bool lowercase, oc_buf *words);

/*
 * WordPiece ids of a text, without [CLS] and [SEP]. Appends to *ids.
 *   ids  inout  owned by the caller, oc_free()
 */
typedef struct oc_ids {
    int32_t *id; /* owned [n] */
    int64_t n;
    size_t cap;
} oc_ids;
oc_status oc_tokenize(const oc_tokenizer *t, const char *text, size_t n, oc_ids *ids,
                      oc_err *err) OC_NODISCARD;
void oc_ids_release(oc_ids *ids);

/*
 * What a model reads: [CLS] ids... [SEP], cut so that the whole is at most max_len (>= 3). Appends.
 * Without n_full only as much of the text is read as max_len needs.
 *   n_full  out  length before cutting, specials included (may be NULL)
 */
oc_status oc_encode(const oc_tokenizer *t, const char *text, size_t n, int64_t max_len, oc_ids *out,
                    int64_t *n_full, oc_err *err) OC_NODISCARD;

/*
 * What one thread keeps while it reads many texts: the short words it has met, with their ids
 * (512 KB, never more: a word that falls on two others' place takes the older one's), and scratch.
 * Gives the same
 * ids as oc_tokenize and oc_encode, several times faster. Borrows the tokenizer. One thread at a
 * time; threads share a tokenizer, each with an encoder of its own.
 */
typedef struct oc_encoder oc_encoder;
oc_status oc_encoder_new(const oc_tokenizer *t, oc_encoder **out, oc_err *err) OC_NODISCARD;
void oc_encoder_free(oc_encoder *e);
oc_status oc_encoder_tokenize(oc_encoder *e, const char *text, size_t n, oc_ids *ids,
                              oc_err *err) OC_NODISCARD;
oc_status oc_encoder_encode(oc_encoder *e, const char *text, size_t n, int64_t max_len, oc_ids *out,
                            int64_t *n_full, oc_err *err) OC_NODISCARD;

/* Content key of vocabulary and casing together. */
void oc_tokenizer_key(const oc_tokenizer *t, char out[33]);

#endif
