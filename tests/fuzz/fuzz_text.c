/*
 * tests/fuzz/fuzz_text.c - any bytes as a note. First byte: 1 = lower-case, 2 = learn a vocabulary
 * from it. The ids of a text are those of its words, whichever path computes them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/text/wordpiece.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(int ok)
{
    if (!ok)
        abort();
}

static oc_tokenizer *fixed(bool lowercase)
{
    static const char tokens[] =
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nab\nA\n##a\n##b\n##c\n##ab\n,\n-\n1\n##1\n\xc3\xa9\n##\xc3\xa9\n"
        "e\n##e\n\xe6\x88\x91\n\xce\xb1\n##\xcf\x82\n##\xcf\x83\nabc\n##abc\n##A\n";
    static oc_tokenizer *made[2];
    oc_vocab *v;
    if (!made[lowercase]) {
        require(oc_vocab_parse(tokens, sizeof tokens - 1, "fixed", &v, NULL) == OC_OK);
        require(oc_tokenizer_new(v, lowercase, &made[lowercase], NULL) == OC_OK);
    }
    return made[lowercase];
}

/* Each word alone, made to take the path for any text by a character that vanishes. */
static void ids_of_words(const oc_tokenizer *t, const oc_buf *words, oc_ids *ids)
{
    oc_buf w = {0};
    for (size_t i = 0; i < words->len;) {
        const char *end = strchr(words->data + i, '\n');
        require(end != NULL);
        size_t len = (size_t)(end - (words->data + i));
        require(len > 0);
        oc_buf_clear(&w);
        oc_buf_add(&w, words->data + i, len);
        oc_buf_str(&w, "\xe2\x80\x8d");
        require(oc_tokenize(t, w.data, w.len, ids, NULL) == OC_OK);
        i += len + 1;
    }
    oc_buf_release(&w);
}

/* An encoder that has met words of earlier inputs gives the same. */
static void require_same_again(const oc_tokenizer *t, bool lowercase, const char *text, size_t n,
                               const oc_ids *want)
{
    static oc_encoder *kept[2];
    oc_ids got = {0};
    if (!kept[lowercase])
        require(oc_encoder_new(t, &kept[lowercase], NULL) == OC_OK);
    require(oc_encoder_tokenize(kept[lowercase], text, n, &got, NULL) == OC_OK);
    require(got.n == want->n &&
            (got.n == 0 || !memcmp(got.id, want->id, (size_t)got.n * sizeof *got.id)));
    oc_ids_release(&got);
}

static void learn(const char *text, bool lowercase)
{
    oc_vocab_learn_opts o = {.size = 64, .min_count = 1, .lowercase = lowercase};
    oc_vocab *v = NULL;
    oc_err err = {0};
    if (oc_vocab_learn(&text, 1, &o, &v, &err) == OC_OK)
        require(oc_vocab_size(v) <= 64 && oc_vocab_duplicates(v) == 0);
    else
        require(err.status == OC_RANGE && *err.msg && !v);
    oc_vocab_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1)
        return 0;
    bool lowercase = data[0] & 1;
    const char *text = (const char *)data + 1;
    n--;
    oc_tokenizer *t = fixed(lowercase);
    oc_buf words = {0};
    oc_ids a = {0}, b = {0}, c = {0};
    oc_basic_tokenize(text, n, lowercase, &words);
    require(!words.failed);
    require(oc_tokenize(t, text, n, &a, NULL) == OC_OK);
    ids_of_words(t, &words, &b);
    require(a.n == b.n && (a.n == 0 || !memcmp(a.id, b.id, (size_t)a.n * sizeof *a.id)));
    require_same_again(t, lowercase, text, n, &a);
    for (int64_t i = 0; i < a.n; i++)
        require(a.id[i] >= 1 && a.id[i] < oc_vocab_size(t->vocab));
    require(oc_encode(t, text, n, 7, &c, NULL, NULL) == OC_OK);
    require(c.n == (a.n < 5 ? a.n + 2 : 7) && c.id[0] == 2 && c.id[c.n - 1] == 3);
    if (data[0] & 2) {
        char *s = oc_strndup(text, n);
        require(s != NULL);
        learn(s, lowercase);
        oc_free(s);
    }
    oc_buf_release(&words);
    oc_ids_release(&a);
    oc_ids_release(&b);
    oc_ids_release(&c);
    return 0;
}
