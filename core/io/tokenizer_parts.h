/*
 * core/io/tokenizer_parts.h - the JSON files of a tokenizer, one parser each; private to core/io.
 *
 * `what` names the file in messages. All return OC_OK, OC_NOMEM, OC_FORMAT, OC_UNSUPPORTED.
 */
#ifndef OC_IO_TOKENIZER_PARTS_H
#define OC_IO_TOKENIZER_PARTS_H

#include <stdbool.h>

#include "core/base/json.h"
#include "core/text/vocab.h"

/* The special tokens of BERT: [PAD] [UNK] [CLS] [SEP] [MASK]. */
enum { OC__TOK_SPECIALS = 5 };
extern const char *const oc__tok_special[OC__TOK_SPECIALS];
int oc__tok_special_of(const char *token); /* index above; -1 when it is none */

/* true 1, false 0, absent or null -1. */
oc_status oc__tok_flag(const oc_json *j, const char *what, const char *key, int *out,
                       oc_err *err) OC_NODISCARD;
/* A token that would have to be matched before WordPiece: OC_UNSUPPORTED. */
oc_status oc__tok_refuse_added(const char *what, const char *token, oc_err *err);

/* What tokenizer_config.json or special_tokens_map.json says. */
typedef struct oc__tok_config {
    int lower_case, strip_accents; /* 1, 0, -1: not said */
    int32_t max_len;               /* 0: not said, or no limit */
    int64_t id[OC__TOK_SPECIALS];  /* -1: not said */
    /* Name of a special token that is not BERT's; "" when it is, or not said. */
    char other[OC__TOK_SPECIALS][64];
} oc__tok_config;
oc_status oc__tok_config_parse(const char *text, size_t n, const char *what, oc__tok_config *out,
                               oc_err *err) OC_NODISCARD;
/* added_tokens.json: only BERT's own may be there. */
oc_status oc__tok_added_parse(const char *text, size_t n, const char *what,
                              int64_t id[OC__TOK_SPECIALS], oc_err *err) OC_NODISCARD;

/* What tokenizer.json says. */
typedef struct oc__tok_json {
    oc_vocab *vocab;               /* owned; NULL when `beside` was given */
    int lower_case, strip_accents; /* 1, 0, -1: not said */
    bool no_specials;              /* it would not add [CLS] and [SEP] itself */
} oc__tok_json;
/*
 *   beside  in  vocabulary it must agree with (vocab.txt's), or NULL: then it gives the vocabulary
 */
oc_status oc__tok_json_parse(const char *text, size_t n, const char *what, const oc_vocab *beside,
                             oc__tok_json *out, oc_err *err) OC_NODISCARD;

#endif
