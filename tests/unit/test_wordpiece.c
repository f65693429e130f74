/*
 * tests/unit/test_wordpiece.c - the tokenizer against recorded outputs, and its edges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/rng.h"
#include "core/text/wordpiece.h"

static oc_err err;

static const char *shared(const char *name)
{
    static char path[4096];
    const char *dir = getenv("OC_SHARED_DATA");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "../shared/data", name);
    if (!oc_path_exists(path)) {
        printf("skipped: %s is not here\n", path);
        skip();
    }
    return path;
}

static oc_tokenizer *load(const char *name, bool lowercase)
{
    oc_vocab *v;
    oc_tokenizer *t;
    err = (oc_err){0};
    assert_int_equal(oc_vocab_load(shared(name), &v, &err), OC_OK);
    assert_int_equal(oc_tokenizer_new(v, lowercase, &t, &err), OC_OK);
    return t;
}

static oc_tokenizer *small(const char *tokens, bool lowercase)
{
    oc_vocab *v;
    oc_tokenizer *t;
    err = (oc_err){0};
    assert_int_equal(oc_vocab_parse(tokens, strlen(tokens), "small", &v, &err), OC_OK);
    assert_int_equal(oc_tokenizer_new(v, lowercase, &t, &err), OC_OK);
    return t;
}

/* Words of text joined by '|'. */
static const char *basic(const char *text, size_t n, bool lowercase)
{
    static char out[4096];
    oc_buf b = {0};
    oc_basic_tokenize(text, n, lowercase, &b);
    assert_false(b.failed);
    assert_true(b.len < sizeof out);
    snprintf(out, sizeof out, "%s", oc_buf_cstr(&b));
    oc_buf_release(&b);
    size_t len = strlen(out);
    for (size_t i = 0; i < len; i++)
        if (out[i] == '\n')
            out[i] = i + 1 < len ? '|' : 0;
    return out;
}

static void assert_basic(const char *text, const char *uncased, const char *cased)
{
    assert_string_equal(basic(text, strlen(text), true), uncased);
    assert_string_equal(basic(text, strlen(text), false), cased);
}

static void assert_tokens(const oc_tokenizer *t, const char *text, const char *want)
{
    oc_ids ids = {0};
    oc_buf got = {0};
    assert_int_equal(oc_tokenize(t, text, strlen(text), &ids, &err), OC_OK);
    for (int64_t i = 0; i < ids.n; i++) {
        oc_buf_str(&got, i ? " " : "");
        oc_buf_str(&got, oc_vocab_token(t->vocab, ids.id[i]));
    }
    assert_string_equal(oc_buf_cstr(&got), want);
    oc_buf_release(&got);
    oc_ids_release(&ids);
}

/* --- recorded outputs ------------------------------------------------------------------------- */

static void check_case(const oc_tokenizer *t, const oc_json *line)
{
    const char *text = oc_json_str(oc_json_get(line, "text"), NULL);
    assert_non_null(text);
    oc_buf words = {0}, want = {0};
    oc_basic_tokenize(text, strlen(text), true, &words);
    for (const oc_json *w = oc_json_first(oc_json_get(line, "basic")); w; w = oc_json_next(w)) {
        oc_buf_str(&want, oc_json_str(w, "?"));
        oc_buf_ch(&want, '\n');
    }
    assert_string_equal(oc_buf_cstr(&words), oc_buf_cstr(&want));
    oc_buf_release(&words);
    oc_buf_release(&want);

    oc_ids ids = {0};
    assert_int_equal(oc_tokenize(t, text, strlen(text), &ids, &err), OC_OK);
    const oc_json *want_ids = oc_json_get(line, "ids"), *pieces = oc_json_get(line, "wordpiece");
    assert_int_equal(ids.n, oc_json_count(want_ids));
    assert_int_equal(ids.n, oc_json_count(pieces));
    const oc_json *p = oc_json_first(pieces);
    int64_t i = 0;
    for (const oc_json *w = oc_json_first(want_ids); w; w = oc_json_next(w), i++) {
        assert_int_equal(ids.id[i], (int)oc_json_num(w, -1));
        assert_string_equal(oc_vocab_token(t->vocab, ids.id[i]), oc_json_str(p, "?"));
        p = oc_json_next(p);
    }
    oc_ids_release(&ids);
}

static void squad_questions(void **state)
{
    (void)state;
    oc_tokenizer *t = load("bert-vocab/bert-base-uncased-vocab.txt", true);
    char *data;
    size_t n;
    assert_int_equal(oc_file_read(shared("wordpiece-vectors/squad-dev-questions-uncased.jsonl"),
                                  1 << 24, &data, &n, &err),
                     OC_OK);
    int n_lines = 0;
    for (char *s = data; *s; n_lines++) {
        char *end = strchr(s, '\n');
        oc_json *j;
        assert_int_equal(oc_json_parse(s, (size_t)(end - s), "line", &j, &err), OC_OK);
        check_case(t, j);
        oc_json_free(j);
        s = end + 1;
    }
    assert_int_equal(n_lines, 10570);
    oc_free(data);
    oc_tokenizer_free(t);
}

static void edge_cases(void **state)
{
    (void)state;
    static const char sep[] = "\n__ggml_vocab_test__\n";
    oc_tokenizer *t = load("bert-vocab/bert-base-uncased-vocab.txt", true);
    char *in, *out;
    size_t n_in, n_out;
    assert_int_equal(oc_file_read(shared("wordpiece-vectors/bert-uncased-edge-cases.inp"), 1 << 20,
                                  &in, &n_in, &err),
                     OC_OK);
    assert_int_equal(oc_file_read(shared("wordpiece-vectors/bert-uncased-edge-cases.out"), 1 << 20,
                                  &out, &n_out, &err),
                     OC_OK);
    int n_cases = 0;
    char *text = in, *want = out;
    for (char *end; (end = strstr(text, sep)) != NULL; n_cases++) {
        oc_ids ids = {0};
        assert_int_equal(oc_tokenize(t, text, (size_t)(end - text), &ids, &err), OC_OK);
        char *eol = strchr(want, '\n');
        *eol = 0;
        char *tok = strtok(want, " ");
        for (int64_t i = 0; i < ids.n; i++, tok = strtok(NULL, " ")) {
            assert_non_null(tok);
            assert_int_equal(ids.id[i], atoi(tok));
        }
        assert_null(tok);
        oc_ids_release(&ids);
        want = eol + 1;
        text = end + sizeof sep - 1;
    }
    // The last case is what follows the last separator: the empty text.
    oc_ids none = {0};
    assert_int_equal(oc_tokenize(t, text, strlen(text), &none, &err), OC_OK);
    assert_int_equal(none.n, 0);
    assert_int_equal(n_cases + 1, 47);
    assert_int_equal(*want, 0);
    oc_free(in);
    oc_free(out);
    oc_tokenizer_free(t);
}

/* --- rules, by hand --------------------------------------------------------------------------- */

static void basic_rules(void **state)
{
    (void)state;
    assert_basic("", "", "");
    assert_basic(" \t\n\r ", "", "");
    assert_basic("Hb 9.5 g/dL (low)", "hb|9|.|5|g|/|dl|(|low|)", "Hb|9|.|5|g|/|dL|(|low|)");
    assert_basic("[**2101-3-4**]", "[|*|*|2101|-|3|-|4|*|*|]", "[|*|*|2101|-|3|-|4|*|*|]");
    // Control characters vanish inside a word; NUL-like and replacement characters too.
    assert_basic("a\x01"
                 "b\x7f"
                 "c\xef\xbf\xbd"
                 "d",
                 "abcd", "abcd");
    assert_string_equal(basic("a\0b", 3, true), "ab");
    // Accents go only with lower-casing: Ménière, decomposed ó, İ.
    assert_basic("M\xc3\xa9ni\xc3\xa8re", "meniere", "M\xc3\xa9ni\xc3\xa8re");
    assert_basic("Co\xcc\x81rdoba", "cordoba", "Co\xcc\x81rdoba");
    assert_basic("\xc4\xb0stanbul", "istanbul", "\xc4\xb0stanbul");
    // Blanks: no-break space, ideographic space, line separator; zero-width joiner vanishes.
    assert_basic("a\xc2\xa0"
                 "b\xe3\x80\x80"
                 "c\xe2\x80\xa8"
                 "d\xe2\x80\x8d"
                 "e",
                 "a|b|c|de", "a|b|c|de");
    assert_basic("\xe6\x88\x91\xe6\x83\xb3"
                 "apple",
                 "\xe6\x88\x91|\xe6\x83\xb3|apple", "\xe6\x88\x91|\xe6\x83\xb3|apple");
    // Punctuation outside ASCII, and what becomes punctuation by folding (Greek question mark).
    assert_basic("a\xe2\x80\x94"
                 "b\xcd\xbe",
                 "a|\xe2\x80\x94|b|;", "a|\xe2\x80\x94|b|\xcd\xbe");
    // Symbols are no punctuation.
    assert_basic("5\xc2\xb5g \xc2\xb1"
                 "2",
                 "5\xc2\xb5g|\xc2\xb1"
                 "2",
                 "5\xc2\xb5g|\xc2\xb1"
                 "2");
    // Final sigma looks across apostrophes and stops at the token.
    assert_basic("\xce\x9f\xce\x94\xce\x9f\xce\xa3 \xce\xa3\xce\x91",
                 "\xce\xbf\xce\xb4\xce\xbf\xcf\x82|\xcf\x83\xce\xb1",
                 "\xce\x9f\xce\x94\xce\x9f\xce\xa3|\xce\xa3\xce\x91");
    assert_basic("\xce\x91\xce\xa3'\xce\x91", "\xce\xb1\xcf\x83|'|\xce\xb1",
                 "\xce\x91\xce\xa3|'|\xce\x91");
    // A word of nothing but marks is no word. Invalid bytes vanish.
    assert_basic("a \xcc\x81 b", "a|b", "a|\xcc\x81|b");
    assert_basic("a\xff\xc3(", "a|(", "a|(");
}

#define SMALL \
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\na\n##b\nX\nx\n,\n##,\n\xc3\xa9\ne\n"

static void pieces(void **state)
{
    (void)state;
    oc_tokenizer *t = small(SMALL, true);
    assert_tokens(t, "unaffable", "un ##aff ##able");
    assert_tokens(t, "UNaffable,unaff", "un ##aff ##able , un ##aff");
    assert_tokens(t, "unaffableX", "[UNK]"); // "##x" is missing: all of the word
    assert_tokens(t, "ab", "a ##b");
    assert_tokens(t, "b a", "[UNK] a");
    assert_tokens(t, "a,\xc3\xa9", "a , e");
    assert_tokens(t, "##b", "[UNK] [UNK] [UNK]");   // '#' is punctuation, "b" no token
    assert_tokens(t, "[SEP]", "[UNK] [UNK] [UNK]"); // no way to smuggle in a special token
    oc_tokenizer_free(t);
    t = small(SMALL, false);
    assert_tokens(t, "X x \xc3\xa9", "X x \xc3\xa9");
    assert_tokens(t, "UN", "[UNK]");
    oc_tokenizer_free(t);
}

static void long_words(void **state)
{
    (void)state;
    oc_tokenizer *t = small(SMALL "##a\n##\xc3\xa9\n", false);
    char w[1024];
    for (int high = 0; high < 2; high++) {
        for (size_t n = 99; n <= 102; n++) {
            const char *c = high ? "\xc3\xa9" : "a";
            w[0] = 0;
            for (size_t i = 0; i < n; i++)
                strcat(w, c);
            strcat(w, " a");
            oc_ids ids = {0};
            assert_int_equal(oc_tokenize(t, w, strlen(w), &ids, &err), OC_OK);
            assert_int_equal(ids.n, n <= 100 ? (int64_t)n + 1 : 2);
            assert_int_equal(ids.id[0], n <= 100 ? oc_vocab_id(t->vocab, c, strlen(c)) : 1);
            oc_ids_release(&ids);
        }
    }
    oc_tokenizer_free(t);
}

/*
 * The fast path for ASCII, with and without words met before, against the words of the slow one,
 * which knows nothing of bytes: it asks about one code point after the other.
 */
static void assert_same_paths(oc_encoder *e, const oc_tokenizer *t, const char *text, size_t n)
{
    oc_ids a = {0}, b = {0}, c = {0};
    oc_buf words = {0};
    assert_int_equal(oc_tokenize(t, text, n, &a, &err), OC_OK);
    assert_int_equal(oc_encoder_tokenize(e, text, n, &c, &err), OC_OK);
    oc_basic_tokenize(text, n, t->lowercase, &words);
    for (size_t i = 0; i < words.len;) {
        size_t len = (size_t)(strchr(words.data + i, '\n') - (words.data + i));
        // U+200D is dropped, but makes the word take the slow path.
        char w[4096];
        assert_true(len + 4 < sizeof w);
        snprintf(w, sizeof w, "%.*s\xe2\x80\x8d", (int)len, words.data + i);
        assert_int_equal(oc_tokenize(t, w, strlen(w), &b, &err), OC_OK);
        i += len + 1;
    }
    assert_int_equal(a.n, b.n);
    assert_int_equal(c.n, b.n);
    if (b.n > 0) {
        assert_memory_equal(a.id, b.id, (size_t)a.n * sizeof *a.id);
        assert_memory_equal(c.id, b.id, (size_t)a.n * sizeof *a.id);
    }
    oc_ids_release(&a);
    oc_ids_release(&b);
    oc_ids_release(&c);
    oc_buf_release(&words);
}

static const char *const vocabulary[] = {"bert-vocab/bert-base-cased-vocab.txt",
                                         "bert-vocab/bert-base-uncased-vocab.txt"};

static void fast_equals_slow(void **state)
{
    (void)state;
    for (int lowercase = 0; lowercase < 2; lowercase++) {
        oc_tokenizer *t = load(vocabulary[lowercase], lowercase);
        oc_encoder *e;
        char *data;
        size_t n;
        assert_int_equal(oc_encoder_new(t, &e, &err), OC_OK);
        assert_int_equal(oc_file_read(shared("mts-dialog/MTS-Dialog-ValidationSet.csv"), 1 << 24,
                                      &data, &n, &err),
                         OC_OK);
        char *s = data;
        for (char *end; (end = strchr(s, '\n')) != NULL; s = end + 1)
            assert_same_paths(e, t, s, (size_t)(end - s));
        oc_free(data);
        oc_encoder_free(e);
        oc_tokenizer_free(t);
    }
}

/* Syllables, so that words come again and fall apart into pieces; now and then anything at all. */
static void random_text(oc_rng *r, oc_buf *out)
{
    static const char *const part[] = {"an",
                                       "gi",
                                       "o",
                                       "THER",
                                       "card",
                                       "ia",
                                       "pneumo",
                                       "Hb",
                                       "7",
                                       "12",
                                       "x",
                                       " ",
                                       " ",
                                       " ",
                                       "  ",
                                       "\n",
                                       "\t",
                                       ". ",
                                       ", ",
                                       "-",
                                       "/",
                                       "(",
                                       "##",
                                       "_",
                                       "[",
                                       "@",
                                       "`",
                                       "{",
                                       "\x7f",
                                       "\1",
                                       "electroencephalogram"};
    static const char *const rare[] = {
        "\xc3\xa9",     "\xcc\x81",         "\xce\xa3", "\xe6\x88\x91", "\xc2\xa0", "\xe2\x80\xa8",
        "\xef\xbf\xbd", "\xf0\x9f\x98\x80", "\xff",     "\xe2\x80",     "\xc4\xb0"};
    oc_buf_clear(out);
    for (int64_t n = (int64_t)oc_rng_below(r, 60); n > 0; n--) {
        uint64_t kind = oc_rng_below(r, 40);
        if (kind == 0)
            oc_buf_str(out, rare[oc_rng_below(r, OC_COUNT(rare))]);
        else if (kind == 1)
            oc_buf_utf8(out, (uint32_t)oc_rng_below(r, oc_rng_below(r, 2) ? 0x3000 : 0x110000));
        else if (kind == 2)
            oc_buf_ch(out, (char)oc_rng_below(r, 256));
        else
            oc_buf_str(out, part[oc_rng_below(r, OC_COUNT(part))]);
    }
    assert_false(out->failed);
}

static void fast_equals_slow_on_anything(void **state)
{
    (void)state;
    for (int lowercase = 0; lowercase < 2; lowercase++) {
        oc_tokenizer *t = load(vocabulary[lowercase], lowercase);
        oc_rng r;
        oc_encoder *e;
        oc_buf text = {0};
        oc_rng_init(&r, 17, (uint64_t)lowercase);
        assert_int_equal(oc_encoder_new(t, &e, &err), OC_OK);
        for (int i = 0; i < 20000; i++) {
            random_text(&r, &text);
            assert_same_paths(e, t, oc_buf_cstr(&text), text.len);
        }
        oc_buf_release(&text);
        oc_encoder_free(e);
        oc_tokenizer_free(t);
    }
}

/* Lengths around what a key holds, at every distance from the end of the bytes. */
static void lengths_of_words(void **state)
{
    (void)state;
    oc_tokenizer *t = small(SMALL "##a\n##X\n##x\n", true);
    oc_encoder *e;
    assert_int_equal(oc_encoder_new(t, &e, &err), OC_OK);
    for (int round = 0; round < 2; round++) {
        for (size_t n = 1; n <= 34; n++) {
            for (size_t tail = 0; tail < 20; tail++) {
                char *s = oc_alloc(n + tail); // no more than that: a byte too far is an error
                memset(s, n % 2 ? 'a' : 'X', n);
                memset(s + n, tail % 2 ? ' ' : ',', tail);
                assert_same_paths(e, t, s, n + tail);
                oc_free(s);
            }
        }
    }
    oc_encoder_free(e);
    oc_tokenizer_free(t);
}

static void encoder_encodes(void **state)
{
    (void)state;
    oc_tokenizer *t = small(SMALL, true);
    oc_encoder *e;
    assert_int_equal(oc_encoder_new(t, &e, &err), OC_OK);
    static const char text[] = "unaffable a, ab UNAFFABLE a";
    for (int64_t max_len = 3; max_len < 16; max_len++) {
        oc_ids a = {0}, b = {0};
        int64_t full_a, full_b;
        for (int twice = 0; twice < 2; twice++) { // appends
            assert_int_equal(oc_encode(t, text, strlen(text), max_len, &a, &full_a, &err), OC_OK);
            assert_int_equal(oc_encoder_encode(e, text, strlen(text), max_len, &b, &full_b, &err),
                             OC_OK);
        }
        assert_int_equal(full_a, full_b);
        assert_int_equal(a.n, b.n);
        assert_memory_equal(a.id, b.id, (size_t)a.n * sizeof *a.id);
        oc_ids_release(&a);
        oc_ids_release(&b);
    }
    oc_encoder_free(e);
    oc_tokenizer_free(t);
}

static void encode(void **state)
{
    (void)state;
    oc_tokenizer *t = small(SMALL, true);
    static const char text[] = "unaffable a, ab";
    for (int64_t max_len = 3; max_len < 12; max_len++) {
        for (int want_full = 0; want_full < 2; want_full++) {
            oc_ids ids = {0};
            int64_t full = -1;
            assert_int_equal(
                oc_encode(t, text, strlen(text), max_len, &ids, want_full ? &full : NULL, &err),
                OC_OK);
            static const int32_t want[] = {2, 5, 6, 7, 8, 12, 8, 9, 3};
            int64_t n = max_len < 9 ? max_len : 9;
            assert_int_equal(ids.n, n);
            assert_memory_equal(ids.id, want, (size_t)(n - 1) * sizeof *want);
            assert_int_equal(ids.id[n - 1], 3);
            if (want_full)
                assert_int_equal(full, 9);
            oc_ids_release(&ids);
        }
    }
    oc_ids ids = {0};
    assert_int_equal(oc_encode(t, "", 0, 512, &ids, NULL, &err), OC_OK);
    assert_int_equal(oc_encode(t, "a", 1, 512, &ids, NULL, &err), OC_OK); // appends
    static const int32_t both[] = {2, 3, 2, 8, 3};
    assert_int_equal(ids.n, 5);
    assert_memory_equal(ids.id, both, sizeof both);
    assert_int_equal(oc_encode(t, "a", 1, 2, &ids, NULL, &err), OC_RANGE);
    assert_int_equal(ids.n, 5);
    oc_ids_release(&ids);
    oc_tokenizer_free(t);
}

static void keys(void **state)
{
    (void)state;
    oc_tokenizer *a = small(SMALL, true), *b = small(SMALL, false), *c = small(SMALL "z\n", true),
                 *d;
    char ka[33], kb[33], kc[33], kd[33];
    assert_int_equal(oc_tokenizer_dup(a, &d, &err), OC_OK);
    oc_tokenizer_key(a, ka);
    oc_tokenizer_key(b, kb);
    oc_tokenizer_key(c, kc);
    oc_tokenizer_key(d, kd);
    assert_int_equal(strlen(ka), 32);
    assert_int_equal(strspn(ka, "0123456789abcdef"), 32);
    assert_string_not_equal(ka, kb);
    assert_string_not_equal(ka, kc);
    assert_string_equal(ka, kd);
    assert_tokens(d, "unaffable", "un ##aff ##able");
    oc_tokenizer_free(a);
    oc_tokenizer_free(b);
    oc_tokenizer_free(c);
    oc_tokenizer_free(d);
}

static void out_of_memory(void **state)
{
    (void)state;
    oc_tokenizer *t = small(SMALL, true);
    static const char text[] =
        "unaffable caf\xc3\xa9 a, ab a a a a a a a a a a a a a a a a a a a a";
    for (int64_t k = 1;; k++) {
        oc_ids ids = {0};
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_encode(t, text, strlen(text), 512, &ids, NULL, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            assert_int_equal(ids.n, 30);
            oc_ids_release(&ids);
            assert_true(k > 3);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(e.status, OC_NOMEM);
        assert_int_equal(ids.n, 0);
        oc_ids_release(&ids);
    }
    oc_status rc = OC_NOMEM;
    for (int64_t k = 1; rc != OC_OK; k++) {
        oc_ids ids = {0};
        oc_encoder *enc = NULL;
        oc_err e = {0};
        oc_alloc_fail_at(k);
        rc = oc_encoder_new(t, &enc, &e);
        if (rc == OC_OK)
            rc = oc_encoder_encode(enc, text, strlen(text), 512, &ids, NULL, &e);
        oc_alloc_fail_at(0);
        assert_int_equal(e.status, rc);
        assert_int_equal(ids.n, rc == OC_OK ? 30 : 0);
        oc_ids_release(&ids);
        oc_encoder_free(enc);
    }
    oc_buf words = {0};
    oc_alloc_fail_at(2);
    oc_basic_tokenize("abc", 3, true, &words);
    oc_alloc_fail_at(0);
    assert_true(words.failed);
    oc_buf_release(&words);
    oc_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(basic_rules),
        cmocka_unit_test(pieces),
        cmocka_unit_test(long_words),
        cmocka_unit_test(encode),
        cmocka_unit_test(keys),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(squad_questions),
        cmocka_unit_test(edge_cases),
        cmocka_unit_test(fast_equals_slow),
        cmocka_unit_test(fast_equals_slow_on_anything),
        cmocka_unit_test(lengths_of_words),
        cmocka_unit_test(encoder_encodes),
    };
    return cmocka_run_group_tests_name("wordpiece", tests, NULL, NULL);
}
