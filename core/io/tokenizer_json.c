/*
 * core/io/tokenizer_json.c - tokenizer.json of WordPiece type.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/str.h"
#include "core/io/tokenizer_parts.h"

#define MAX_TOKENS ((int64_t)1 << 21)

typedef struct reader {
    const oc_json *j, *tokens; // the file, model.vocab
    const char *what;
    const oc_vocab *beside;
    oc_err *err;
    const char **by_id; // owned [n]
    int64_t n;
} reader;

/* --- what it does to text --------------------------------------------------------------------- */

static const char *type_of(const oc_json *step)
{
    return oc_json_str(oc_json_get(step, "type"), oc_json_is_object(step) ? "(none)" : "null");
}

/* Files of older versions have no type here: it shows in what lies beside it. */
static const char *model_type(const oc_json *model)
{
    const char *type = oc_json_str(oc_json_get(model, "type"), NULL);
    if (type || !oc_json_is_object(model))
        return type ? type : "(none)";
    if (oc_json_get(model, "merges"))
        return "BPE";
    if (oc_json_is_array(oc_json_get(model, "vocab")))
        return "Unigram";
    return oc_json_get(model, "continuing_subword_prefix") ? "WordPiece" : "WordLevel";
}

static oc_status text_must_be(const reader *r, const oc_json *j, const char *key, const char *want)
{
    const char *s = oc_json_str(oc_json_get(j, key), "(none)");
    if (!strcmp(s, want))
        return OC_OK;
    return OC_FAIL(r->err, OC_UNSUPPORTED, "%s: model.%s is \"%.60s\"; only \"%s\" is supported",
                   r->what, key, s, want);
}

static oc_status read_model(reader *r)
{
    const oc_json *m = oc_json_get(r->j, "model");
    const char *type = model_type(m);
    if (strcmp(type, "WordPiece") != 0)
        return OC_FAIL(r->err, OC_UNSUPPORTED, "%s is of type %.60s; WordPiece was expected",
                       r->what, type);
    OC_TRY(text_must_be(r, m, "unk_token", oc__tok_special[1]));
    OC_TRY(text_must_be(r, m, "continuing_subword_prefix", "##"));
    const oc_json *most = oc_json_get(m, "max_input_chars_per_word");
    int64_t n;
    if (most && !oc_json_i64(most, 100, 100, &n))
        return OC_FAIL(r->err, OC_UNSUPPORTED,
                       "%s: model.max_input_chars_per_word is not 100, which alone is supported",
                       r->what);
    r->tokens = oc_json_get(m, "vocab");
    if (!oc_json_is_object(r->tokens))
        return OC_FAIL(r->err, OC_FORMAT,
                       "%s: model.vocab must be an object of tokens and their ids", r->what);
    return OC_OK;
}

/* The one step under `key`, by itself or as a Sequence of one. */
static oc_status only_step(const reader *r, const char *key, const char *list, const char *want,
                           const oc_json **out)
{
    const oc_json *s = oc_json_get(r->j, key);
    while (!strcmp(type_of(s), "Sequence")) {
        const oc_json *steps = oc_json_get(s, list);
        if (!oc_json_is_array(steps) || oc_json_count(steps) != 1)
            return OC_FAIL(r->err, OC_UNSUPPORTED,
                           "%s: %s is a Sequence of %lld steps; %s alone is supported", r->what,
                           key, (long long)oc_json_count(steps), want);
        s = oc_json_first(steps);
    }
    if (strcmp(type_of(s), want) != 0)
        return OC_FAIL(r->err, OC_UNSUPPORTED, "%s: %s is of type %.60s; %s was expected", r->what,
                       key, type_of(s), want);
    *out = s;
    return OC_OK;
}

static oc_status read_steps(const reader *r, oc__tok_json *t)
{
    const oc_json *s;
    OC_TRY(only_step(r, "normalizer", "normalizers", "BertNormalizer", &s));
    static const char *const must[] = {"clean_text", "handle_chinese_chars"};
    for (int i = 0; i < OC_COUNT(must); i++) {
        int v;
        OC_TRY(oc__tok_flag(s, r->what, must[i], &v, r->err));
        if (v == 0)
            return OC_FAIL(r->err, OC_UNSUPPORTED,
                           "%s: the normalizer's %s false is not supported; true was expected",
                           r->what, must[i]);
    }
    OC_TRY(oc__tok_flag(s, r->what, "lowercase", &t->lower_case, r->err));
    OC_TRY(oc__tok_flag(s, r->what, "strip_accents", &t->strip_accents, r->err));
    return only_step(r, "pre_tokenizer", "pretokenizers", "BertPreTokenizer", &s);
}

/* "[CLS]" of {"SpecialToken": {"id": "[CLS]"}}, "A" of {"Sequence": {"id": "A"}}; else "". */
static const char *piece(const oc_json *p, const char *kind)
{
    return oc_json_str(oc_json_get(oc_json_get(p, kind), "id"), "");
}

/* That it puts [CLS] before a text and [SEP] after it, as oc_encode does. */
static oc_status read_post(const reader *r, oc__tok_json *t)
{
    const oc_json *post = oc_json_get(r->j, "post_processor");
    const char *type = type_of(post), *cls, *sep, *text = "A";
    t->no_specials = !post || oc_json_is_null(post);
    if (t->no_specials)
        return OC_OK;
    if (!strcmp(type, "TemplateProcessing")) {
        const oc_json *single = oc_json_get(post, "single");
        bool three = oc_json_is_array(single) && oc_json_count(single) == 3;
        const oc_json *a = three ? oc_json_first(single) : NULL, *b = a ? oc_json_next(a) : NULL;
        cls = piece(a, "SpecialToken");
        text = piece(b, "Sequence");
        sep = piece(b ? oc_json_next(b) : NULL, "SpecialToken");
    } else if (!strcmp(type, "BertProcessing")) {
        cls = oc_json_str(oc_json_first(oc_json_get(post, "cls")), "");
        sep = oc_json_str(oc_json_first(oc_json_get(post, "sep")), "");
    } else {
        return OC_FAIL(r->err, OC_UNSUPPORTED,
                       "%s: post_processor is of type %.60s; TemplateProcessing was expected",
                       r->what, type);
    }
    if (strcmp(cls, "[CLS]") != 0 || strcmp(text, "A") != 0 || strcmp(sep, "[SEP]") != 0)
        return OC_FAIL(r->err, OC_UNSUPPORTED,
                       "%s: post_processor does not make [CLS] text [SEP] of a text, which alone "
                       "is supported",
                       r->what);
    return OC_OK;
}

/* --- its tokens ------------------------------------------------------------------------------- */

static oc_status bad_id(const reader *r, const char *token, const oc_json *id)
{
    char number[32] = "that is no number";
    if (oc_json_is_number(id))
        oc_fmt_f64(number, oc_json_num(id, 0));
    return OC_FAIL(r->err, OC_FORMAT,
                   "%s gives \"%.60s\" an id %s; 0 to %lld, each once, were expected", r->what,
                   token, number, (long long)r->n - 1);
}

static oc_status disagrees(const reader *r, const char *token, int64_t here, int32_t there)
{
    char line[32] = "no id";
    if (there >= 0)
        snprintf(line, sizeof line, "the id %d", (int)there);
    return OC_FAIL(r->err, OC_FORMAT,
                   "%s gives \"%.60s\" the id %lld, vocab.txt beside it %s; remove the file that "
                   "is not the model's",
                   r->what, token, (long long)here, line);
}

static oc_status put_token(reader *r, const char *token, const oc_json *id)
{
    int64_t i;
    if (!oc_json_i64(id, 0, r->beside ? INT32_MAX : r->n - 1, &i))
        return bad_id(r, token, id);
    if (r->beside) {
        int32_t there = oc_vocab_id(r->beside, token, strlen(token));
        return !*token || there == i ? OC_OK : disagrees(r, token, i, there);
    }
    if (r->by_id[i] && strcmp(r->by_id[i], token) != 0)
        return OC_FAIL(r->err, OC_FORMAT, "%s gives \"%.60s\" and \"%.60s\" the same id %lld",
                       r->what, r->by_id[i], token, (long long)i);
    if (strpbrk(token, "\r\n"))
        return OC_FAIL(r->err, OC_FORMAT, "%s: token %lld has a line break in it", r->what,
                       (long long)i);
    r->by_id[i] = token;
    return OC_OK;
}

/* BERT's own special tokens may be listed again, or only, here; *extra counts those. */
static oc_status check_added(const reader *r, const oc_json *list, int64_t *extra)
{
    bool seen[OC__TOK_SPECIALS] = {false};
    *extra = 0;
    if (list && !oc_json_is_null(list) && !oc_json_is_array(list))
        return OC_FAIL(r->err, OC_FORMAT, "%s: added_tokens must be a list", r->what);
    for (const oc_json *a = oc_json_first(list); a; a = oc_json_next(a)) {
        const char *token = oc_json_str(oc_json_get(a, "content"), NULL);
        if (!token)
            return OC_FAIL(r->err, OC_FORMAT,
                           "%s: each of added_tokens must be an object with \"content\" and \"id\"",
                           r->what);
        int k = oc__tok_special_of(token);
        if (k < 0)
            return oc__tok_refuse_added(r->what, token, r->err);
        if (seen[k])
            return OC_FAIL(r->err, OC_FORMAT, "%s: added_tokens has %s twice", r->what, token);
        seen[k] = true;
        const oc_json *id = oc_json_get(r->tokens, token);
        if (id && oc_json_num(id, -1) != oc_json_num(oc_json_get(a, "id"), -2))
            return OC_FAIL(r->err, OC_FORMAT,
                           "%s: added_tokens and model.vocab give %s different ids", r->what,
                           token);
        *extra += !id;
    }
    return OC_OK;
}

static oc_status put_tokens(reader *r, const oc_json *added)
{
    int64_t n_blank = 0;
    for (const oc_json *v = oc_json_first(r->tokens); v; v = oc_json_next(v)) {
        OC_TRY(put_token(r, oc_json_key(v), v));
        n_blank += !*oc_json_key(v);
    }
    for (const oc_json *a = oc_json_first(added); a; a = oc_json_next(a))
        OC_TRY(put_token(r, oc_json_str(oc_json_get(a, "content"), ""), oc_json_get(a, "id")));
    int64_t want = r->beside ? oc_vocab_size(r->beside) - oc_vocab_duplicates(r->beside) : 0;
    if (r->beside && r->n - n_blank != want)
        return OC_FAIL(r->err, OC_FORMAT,
                       "%s has %lld tokens, vocab.txt beside it %lld; remove the file that is not "
                       "the model's",
                       r->what, (long long)(r->n - n_blank), (long long)want);
    return OC_OK;
}

static oc_status make_vocab(const reader *r, oc_vocab **out)
{
    oc_buf b = {0};
    // A file with this name would lose it: vocab.txt may start with a byte order mark.
    if (!strncmp(r->by_id[0], "\xef\xbb\xbf", 3))
        return OC_FAIL(r->err, OC_FORMAT, "%s: token 0 starts with a byte order mark", r->what);
    for (int64_t i = 0; i < r->n; i++) {
        oc_buf_str(&b, r->by_id[i]);
        oc_buf_ch(&b, '\n');
    }
    oc_status rc = oc_buf_check(&b, r->err);
    if (rc == OC_OK)
        rc = oc_vocab_parse(oc_buf_cstr(&b), b.len, r->what, out, r->err);
    oc_buf_release(&b);
    return rc;
}

static oc_status read_tokens(reader *r, oc_vocab **out)
{
    const oc_json *added = oc_json_get(r->j, "added_tokens");
    int64_t extra;
    OC_TRY(check_added(r, added, &extra));
    r->n = oc_json_count(r->tokens) + extra;
    if (r->n < 1 || r->n > MAX_TOKENS)
        return OC_FAIL(r->err, OC_FORMAT, "%s has %lld tokens; 1 to %lld were expected", r->what,
                       (long long)r->n, (long long)MAX_TOKENS);
    if (r->beside)
        return put_tokens(r, added);
    r->by_id = oc_calloc((size_t)r->n, sizeof *r->by_id);
    if (!r->by_id)
        return OC_FAIL(r->err, OC_NOMEM, "out of memory reading %s", r->what);
    // As many tokens as ids, and no id twice: then every id has its token.
    oc_status rc = put_tokens(r, added);
    if (rc == OC_OK)
        rc = make_vocab(r, out);
    oc_free(r->by_id);
    return rc;
}

oc_status oc__tok_json_parse(const char *text, size_t n, const char *what, const oc_vocab *beside,
                             oc__tok_json *out, oc_err *err)
{
    oc_json *j;
    OC_TRY(oc_json_parse(text, n, what, &j, err));
    reader r = {.j = j, .what = what, .beside = beside, .err = err};
    oc__tok_json t = {0};
    oc_status rc = oc_json_is_object(j)
                       ? OC_OK
                       : OC_FAIL(err, OC_FORMAT, "%s: a JSON object was expected", what);
    if (rc == OC_OK)
        rc = read_model(&r);
    if (rc == OC_OK)
        rc = read_steps(&r, &t);
    if (rc == OC_OK)
        rc = read_post(&r, &t);
    if (rc == OC_OK)
        rc = read_tokens(&r, &t.vocab);
    oc_json_free(j);
    if (rc == OC_OK)
        *out = t;
    return rc;
}
