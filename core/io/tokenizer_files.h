/*
 * core/io/tokenizer_files.h - the tokenizer of a model folder, in the files the field saves.
 *
 *   vocab.txt                one token a line, line number = id; LF or CRLF
 *   tokenizer.json           {"model": {"type": "WordPiece", "vocab": {token: id}, "unk_token",
 *                             "continuing_subword_prefix", "max_input_chars_per_word"},
 *                             "normalizer": {"type": "BertNormalizer", "lowercase",
 *                             "strip_accents", "handle_chinese_chars", "clean_text"},
 *                             "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor",
 *                             "added_tokens": [{"id", "content"}]}; a Sequence of one counts as it
 *   tokenizer_config.json    do_lower_case, strip_accents, tokenize_chinese_chars,
 *                            model_max_length, tokenizer_class, special tokens by name
 *   special_tokens_map.json  special tokens by name: a string or {"content": string}
 *   added_tokens.json        {token: id}
 *
 * vocab.txt gives the tokens, else tokenizer.json; where both are there they must agree. Every file
 * that is there is read and checked; the others need not be. What oc_tokenizer does not do exactly
 * is refused by name: another model than WordPiece, other normalizers, accents stripped without
 * lower-casing or kept with it, CJK left whole, tokens matched before WordPiece.
 *
 * Casing: tokenizer_config.json, else tokenizer.json, else config.json (optimclm.do_lower_case),
 * else guessed from the vocabulary. A vocabulary that plainly contradicts it is refused, unless
 * optimclm.do_lower_case says the same: a cased vocabulary fed lower-cased text loads and runs, and
 * costs accuracy in silence.
 * Source: huggingface/transformers tokenization_bert.py, huggingface/tokenizers (names of keys);
 * their defaults are not followed where they lower-case for cased vocabularies.
 */
#ifndef OC_IO_TOKENIZER_FILES_H
#define OC_IO_TOKENIZER_FILES_H

#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/text/wordpiece.h"

typedef enum {
    OC_CASING_TOKENIZER_CONFIG,
    OC_CASING_TOKENIZER_JSON,
    OC_CASING_CONFIG,
    OC_CASING_GUESSED,
    OC_CASING_MADE
} oc_casing_from;
/* "tokenizer_config.json", "guessed from the vocabulary", ... */
const char *oc_casing_from_text(oc_casing_from f);

/* What config.json says. */
typedef struct oc_tokenizer_ask {
    int32_t V;      /* rows of the embedding table; 0 = not known */
    int lower_case; /* optimclm.do_lower_case: 1, 0, or -1 when not said */
} oc_tokenizer_ask;

typedef struct oc_tokenizer_files {
    oc_tokenizer *tok; /* owned; set to NULL when taken */
    oc_casing_from casing_from;
    const char *tokens_from; /* "vocab.txt" or "tokenizer.json"; static */
    int32_t max_len;         /* model_max_length; 0 = not said, or no limit */
    oc_strlist remarks;      /* what a user should know, one sentence each */
} oc_tokenizer_files;

/*
 * Read the tokenizer at `path`: a folder, or one vocab.txt or tokenizer.json (name ends in .json)
 * by itself.
 * The vocabulary may be smaller than V where V is it rounded up to a multiple of 8 (a power of two,
 * up to 1024), as published models have it: that, duplicate and blank lines, a guessed casing and
 * files that disagree are remarks.
 *   out  out  oc_tokenizer_files_release(); unset on failure
 * Returns OC_OK, OC_IO (neither file is there, or is no regular file), OC_NOMEM, OC_RANGE (a file or
 * path too long), OC_FORMAT (a broken file, a vocabulary of another size or casing), OC_UNSUPPORTED
 * (a tokenizer we do not have: named). Threads: any.
 */
oc_status oc_tokenizer_files_read(const char *path, const oc_tokenizer_ask *ask,
                                  oc_tokenizer_files *out, oc_err *err) OC_NODISCARD;
void oc_tokenizer_files_release(oc_tokenizer_files *f);

#endif
