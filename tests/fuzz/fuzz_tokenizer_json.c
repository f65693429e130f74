/*
 * tests/fuzz/fuzz_tokenizer_json.c - any bytes as tokenizer.json, tokenizer_config.json and
 * added_tokens.json: a sentence, or a vocabulary that holds together and values inside their bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/tokenizer_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(int ok)
{
    if (!ok)
        abort();
}

static void check_flag(int f)
{
    require(f >= -1 && f <= 1);
}

static void check_config(const char *text, size_t n)
{
    oc__tok_config c;
    oc_err err = {0};
    if (oc__tok_config_parse(text, n, "tokenizer_config.json", &c, &err) != OC_OK) {
        require(*err.msg != 0);
        return;
    }
    check_flag(c.lower_case);
    check_flag(c.strip_accents);
    require(c.max_len == 0 || c.max_len >= 3);
    for (int i = 0; i < OC__TOK_SPECIALS; i++)
        require(c.id[i] >= -1 && strlen(c.other[i]) < sizeof c.other[i]);
}

static void check_added(const char *text, size_t n)
{
    int64_t id[OC__TOK_SPECIALS];
    oc_err err = {0};
    if (oc__tok_added_parse(text, n, "added_tokens.json", id, &err) != OC_OK) {
        require(*err.msg != 0);
        return;
    }
    for (int i = 0; i < OC__TOK_SPECIALS; i++)
        require(id[i] >= -1 && id[i] <= INT32_MAX);
}

/* Each token is found under its id, and the file agrees with the vocabulary made from it. */
static void check_vocab(const oc_vocab *v, const char *text, size_t n)
{
    for (int32_t id = 0; id < oc_vocab_size(v); id++) {
        const char *t = oc_vocab_token(v, id);
        require(oc_vocab_id(v, t, strlen(t)) == (*t ? id : -1));
    }
    require(oc_vocab_duplicates(v) <= 1); // one may be blank
    oc__tok_json again;
    require(oc__tok_json_parse(text, n, "tokenizer.json", v, &again, NULL) == OC_OK);
    require(!again.vocab);
}

static void check_json(const char *text, size_t n)
{
    static const char other[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n\n##b\na\n";
    oc__tok_json t;
    oc_vocab *v;
    oc_err err = {0};
    require(oc_vocab_parse(other, sizeof other - 1, "vocab.txt", &v, NULL) == OC_OK);
    if (oc__tok_json_parse(text, n, "tokenizer.json", v, &t, &err) != OC_OK)
        require(*err.msg != 0);
    else
        require(!t.vocab);
    oc_vocab_free(v);
    err = (oc_err){0};
    if (oc__tok_json_parse(text, n, "tokenizer.json", NULL, &t, &err) != OC_OK) {
        require(*err.msg != 0);
        return;
    }
    check_flag(t.lower_case);
    check_flag(t.strip_accents);
    check_vocab(t.vocab, text, n);
    oc_vocab_free(t.vocab);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *text = (const char *)data;
    check_json(text, n);
    check_config(text, n);
    check_added(text, n);
    return 0;
}
