/*
 * core/text/vocab.h - a WordPiece vocabulary: vocab.txt, one token a line, line number = id.
 */
#ifndef OC_TEXT_VOCAB_H
#define OC_TEXT_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

typedef struct oc_vocab oc_vocab; /* immutable after construction; any thread */

/*
 * Load vocab.txt: LF or CRLF, UTF-8. [PAD] [UNK] [CLS] [SEP] must be there ([MASK] need not).
 *   out  out  owned, oc_vocab_free()
 * Returns OC_OK, OC_IO, OC_NOMEM, OC_FORMAT (empty, invalid UTF-8, a special token missing,
 * longer than 2^21 lines; duplicate and blank lines take an id and are counted; the last of
 * equal lines wins look-ups, as in the original's dictionary).
 */
oc_status oc_vocab_load(const char *path, oc_vocab **out, oc_err *err) OC_NODISCARD;
oc_status oc_vocab_parse(const char *text, size_t n, const char *what, oc_vocab **out,
                         oc_err *err) OC_NODISCARD;
oc_status oc_vocab_save(const oc_vocab *v, const char *path, oc_err *err) OC_NODISCARD;
oc_status oc_vocab_dup(const oc_vocab *v, oc_vocab **out, oc_err *err) OC_NODISCARD;
void oc_vocab_free(oc_vocab *v);

int32_t oc_vocab_size(const oc_vocab *v);                        /* V: number of ids */
int32_t oc_vocab_id(const oc_vocab *v, const char *s, size_t n); /* -1 when absent */
const char *oc_vocab_token(const oc_vocab *v, int32_t id);       /* borrowed */
int32_t oc_vocab_duplicates(const oc_vocab *v);                  /* duplicate or blank lines */

typedef struct oc_special_ids {
    int32_t pad, unk, cls, sep, mask; /* mask may be -1 */
} oc_special_ids;
oc_special_ids oc_vocab_special(const oc_vocab *v);

/* Ordinary entries that lower-casing would change; a vocabulary that has some looks cased. */
int32_t oc_vocab_n_upper(const oc_vocab *v);
bool oc_vocab_looks_cased(const oc_vocab *v);
/* Content key (32 hex digits) of the tokens in order. */
void oc_vocab_key(const oc_vocab *v, char out[33]);

/*
 * Learn a WordPiece vocabulary from texts: characters first, then the merge that raises the texts'
 * likelihood under a unigram model the most, count * log(count * n / (count of left * count of
 * right)), among pairs seen at least `min_count` times, until `size` entries or no merge gains.
 * Deterministic (ties by token order). Words come from the basic tokenizer.
 *   texts   in  [n] NUL-terminated
 * Returns OC_OK, OC_NOMEM, OC_RANGE (no words; size too small for the special tokens and the
 * characters; the rarest characters, at most 1 % of the text, are left out before that).
 * Source: Schuster and Nakajima 2012; Wu et al. 2016 (section 4.1).
 */
typedef struct oc_vocab_learn_opts {
    int32_t size;
    int32_t min_count; /* 2 */
    bool lowercase;
} oc_vocab_learn_opts;
oc_status oc_vocab_learn(const char *const *texts, int64_t n, const oc_vocab_learn_opts *o,
                         oc_vocab **out, oc_err *err) OC_NODISCARD;

#endif
