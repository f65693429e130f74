/*
 * core/io/tokenizer_config.c - tokenizer_config.json, special_tokens_map.json, added_tokens.json.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"
#include "core/io/tokenizer_parts.h"

const char *const oc__tok_special[OC__TOK_SPECIALS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                                       "[MASK]"};

int oc__tok_special_of(const char *token)
{
    for (int i = 0; i < OC__TOK_SPECIALS; i++)
        if (!strcmp(token, oc__tok_special[i]))
            return i;
    return -1;
}

oc_status oc__tok_flag(const oc_json *j, const char *what, const char *key, int *out, oc_err *err)
{
    const oc_json *v = oc_json_get(j, key);
    if (v && !oc_json_is_null(v) && !oc_json_is_bool(v))
        return OC_FAIL(err, OC_FORMAT, "%s: %s must be true or false", what, key);
    *out = oc_json_is_bool(v) ? oc_json_bool(v, false) : -1;
    return OC_OK;
}

oc_status oc__tok_refuse_added(const char *what, const char *token, oc_err *err)
{
    return OC_FAIL(err, OC_UNSUPPORTED,
                   "%s adds the token \"%.60s\", to be matched before WordPiece; only [PAD], "
                   "[UNK], [CLS], [SEP] and [MASK] are supported",
                   what, token);
}

static oc_status read_object(const char *text, size_t n, const char *what, oc_json **out,
                             oc_err *err)
{
    OC_TRY(oc_json_parse(text, n, what, out, err));
    if (oc_json_is_object(*out))
        return OC_OK;
    oc_json_free(*out);
    return OC_FAIL(err, OC_FORMAT, "%s: a JSON object was expected", what);
}

/* --- special and added tokens ----------------------------------------------------------------- */

/* A string, or an AddedToken object with its "content"; NULL when it is neither. */
static const char *token_text(const oc_json *v)
{
    return oc_json_str(oc_json_is_object(v) ? oc_json_get(v, "content") : v, NULL);
}

static oc_status bad_token(const char *what, const char *key, oc_err *err)
{
    return OC_FAIL(err, OC_FORMAT, "%s: %.60s must be a string or an object with \"content\"", what,
                   key);
}

static oc_status read_names(const oc_json *j, const char *what, oc__tok_config *c, oc_err *err)
{
    static const char *const key[OC__TOK_SPECIALS] = {"pad_token", "unk_token", "cls_token",
                                                      "sep_token", "mask_token"};
    for (int i = 0; i < OC__TOK_SPECIALS; i++) {
        const oc_json *v = oc_json_get(j, key[i]);
        if (!v || oc_json_is_null(v))
            continue;
        const char *name = token_text(v);
        if (!name)
            return bad_token(what, key[i], err);
        if (strcmp(name, oc__tok_special[i]) != 0)
            oc_strlcpy(c->other[i], name, sizeof c->other[i]);
    }
    return OC_OK;
}

/* Lists of tokens to be found whole in a text; an object lists its values. */
static oc_status read_list(const oc_json *j, const char *what, const char *key, oc_err *err)
{
    const oc_json *list = oc_json_get(j, key);
    if (list && !oc_json_is_null(list) && !oc_json_is_array(list) && !oc_json_is_object(list))
        return OC_FAIL(err, OC_FORMAT, "%s: %s must be a list of tokens", what, key);
    for (const oc_json *v = oc_json_first(list); v; v = oc_json_next(v)) {
        const char *token = token_text(v);
        if (!token)
            return bad_token(what, key, err);
        if (oc__tok_special_of(token) < 0)
            return oc__tok_refuse_added(what, token, err);
    }
    return OC_OK;
}

static oc_status set_id(int64_t id[OC__TOK_SPECIALS], const char *what, const char *token,
                        int64_t to, oc_err *err)
{
    int i = oc__tok_special_of(token);
    if (i < 0)
        return oc__tok_refuse_added(what, token, err);
    if (id[i] >= 0 && id[i] != to)
        return OC_FAIL(err, OC_FORMAT, "%s gives %s both the ids %lld and %lld", what, token,
                       (long long)id[i], (long long)to);
    id[i] = to;
    return OC_OK;
}

/* added_tokens_decoder: {"101": {"content": "[CLS]", ...}}. */
static oc_status read_decoder(const oc_json *j, const char *what, oc__tok_config *c, oc_err *err)
{
    const oc_json *d = oc_json_get(j, "added_tokens_decoder");
    if (d && !oc_json_is_null(d) && !oc_json_is_object(d))
        return OC_FAIL(err, OC_FORMAT, "%s: added_tokens_decoder must be an object", what);
    for (const oc_json *v = oc_json_first(d); v; v = oc_json_next(v)) {
        int64_t id;
        const char *token = token_text(v);
        if (!token || !oc_parse_i64(oc_json_key(v), &id) || id < 0)
            return OC_FAIL(err, OC_FORMAT,
                           "%s: added_tokens_decoder \"%.40s\": an id with an object that has "
                           "\"content\" was expected",
                           what, oc_json_key(v));
        OC_TRY(set_id(c->id, what, token, id, err));
    }
    return OC_OK;
}

oc_status oc__tok_added_parse(const char *text, size_t n, const char *what,
                              int64_t id[OC__TOK_SPECIALS], oc_err *err)
{
    oc_json *j;
    OC_TRY(read_object(text, n, what, &j, err));
    oc_status rc = OC_OK;
    for (int i = 0; i < OC__TOK_SPECIALS; i++)
        id[i] = -1;
    for (const oc_json *v = oc_json_first(j); v && rc == OC_OK; v = oc_json_next(v)) {
        int64_t to;
        if (!oc_json_i64(v, 0, INT32_MAX, &to))
            rc = OC_FAIL(err, OC_FORMAT, "%s: \"%.60s\" must have an id, a whole number >= 0", what,
                         oc_json_key(v));
        else
            rc = set_id(id, what, oc_json_key(v), to, err);
    }
    oc_json_free(j);
    return rc;
}

/* --- how text is read ------------------------------------------------------------------------- */

/* WordPiece over BERT's basic tokenizer, under the names it has there. */
static oc_status check_class(const oc_json *j, const char *what, oc_err *err)
{
    static const char *const known[] = {
        "BertTokenizer",     "DistilBertTokenizer",  "ElectraTokenizer",    "MobileBertTokenizer",
        "ConvBertTokenizer", "SqueezeBertTokenizer", "PreTrainedTokenizer", "TokenizersBackend",
    };
    const oc_json *v = oc_json_get(j, "tokenizer_class");
    if (!v || oc_json_is_null(v))
        return OC_OK;
    const char *name = oc_json_str(v, NULL);
    if (!name)
        return OC_FAIL(err, OC_FORMAT, "%s: tokenizer_class must be a string", what);
    for (int i = 0; i < OC_COUNT(known); i++) {
        size_t k = strlen(known[i]);
        if (!strncmp(name, known[i], k) && (!name[k] || !strcmp(name + k, "Fast")))
            return OC_OK;
    }
    return OC_FAIL(err, OC_UNSUPPORTED,
                   "%s: tokenizer_class \"%.60s\" is not supported; BertTokenizer was expected",
                   what, name);
}

static oc_status must_be_true(const oc_json *j, const char *what, const char *key, oc_err *err)
{
    int v;
    OC_TRY(oc__tok_flag(j, what, key, &v, err));
    return v ? OC_OK
             : OC_FAIL(err, OC_UNSUPPORTED, "%s: %s false is not supported; true was expected",
                       what, key);
}

static oc_status read_config(const oc_json *j, const char *what, oc__tok_config *c, oc_err *err)
{
    OC_TRY(check_class(j, what, err));
    OC_TRY(oc__tok_flag(j, what, "do_lower_case", &c->lower_case, err));
    OC_TRY(oc__tok_flag(j, what, "strip_accents", &c->strip_accents, err));
    OC_TRY(must_be_true(j, what, "tokenize_chinese_chars", err));
    OC_TRY(must_be_true(j, what, "do_basic_tokenize", err));
    OC_TRY(must_be_true(j, what, "clean_text", err));
    OC_TRY(read_names(j, what, c, err));
    OC_TRY(read_list(j, what, "additional_special_tokens", err));
    OC_TRY(read_list(j, what, "extra_special_tokens", err));
    OC_TRY(read_list(j, what, "never_split", err));
    OC_TRY(read_decoder(j, what, c, err));
    // "No limit" is written as a huge number there.
    int64_t max_len;
    if (oc_json_i64(oc_json_get(j, "model_max_length"), 3, INT32_MAX, &max_len))
        c->max_len = (int32_t)max_len;
    return OC_OK;
}

oc_status oc__tok_config_parse(const char *text, size_t n, const char *what, oc__tok_config *out,
                               oc_err *err)
{
    oc_json *j;
    OC_TRY(read_object(text, n, what, &j, err));
    oc__tok_config c = {.id = {-1, -1, -1, -1, -1}};
    oc_status rc = read_config(j, what, &c, err);
    oc_json_free(j);
    if (rc == OC_OK)
        *out = c;
    return rc;
}
