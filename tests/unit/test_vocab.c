/*
 * tests/unit/test_vocab.c - reading, looking up, saving and learning vocabularies.
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
#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/text/vocab.h"
#include "core/text/wordpiece.h"

static oc_err err;
static char folder[] = "/tmp/oc-vocab-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return oc_remove_tree(folder, NULL) == OC_OK ? 0 : -1;
}

static const char *in_folder(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

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

#define SPECIALS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"

static oc_vocab *parse(const char *text)
{
    oc_vocab *v = NULL;
    err = (oc_err){0};
    assert_int_equal(oc_vocab_parse(text, strlen(text), "v.txt", &v, &err), OC_OK);
    return v;
}

static void assert_refused(const char *text, size_t n, const char *part)
{
    oc_vocab *v = NULL;
    err = (oc_err){0};
    assert_int_equal(oc_vocab_parse(text, n, "v.txt", &v, &err), OC_FORMAT);
    assert_null(v);
    if (!strstr(err.msg, part))
        fail_msg("\"%s\" is not in \"%s\"", part, err.msg);
    assert_non_null(strstr(err.msg, "v.txt"));
}

static void lines(void **state)
{
    (void)state;
    oc_vocab *v = parse("\xef\xbb\xbf[PAD]\r\n[UNK]\r\n[CLS]\n[SEP]\na\n##b\n\na\n\xc3\xa9\nlast");
    assert_int_equal(oc_vocab_size(v), 10);
    assert_int_equal(oc_vocab_duplicates(v), 2); // the blank line and the second "a"
    assert_int_equal(oc_vocab_id(v, "[PAD]", 5), 0);
    assert_int_equal(oc_vocab_id(v, "[UNK]", 5), 1);
    assert_int_equal(oc_vocab_id(v, "a", 1), 7); // the last of equal lines
    assert_int_equal(oc_vocab_id(v, "##b", 3), 5);
    assert_int_equal(oc_vocab_id(v, "\xc3\xa9", 2), 8);
    assert_int_equal(oc_vocab_id(v, "last", 4), 9);
    assert_int_equal(oc_vocab_id(v, "las", 3), -1);
    assert_int_equal(oc_vocab_id(v, "", 0), -1);
    assert_int_equal(oc_vocab_id(v, "b", 1), -1);
    assert_string_equal(oc_vocab_token(v, 7), "a");
    assert_string_equal(oc_vocab_token(v, 6), "");
    assert_string_equal(oc_vocab_token(v, -1), "");
    assert_string_equal(oc_vocab_token(v, 10), "");
    oc_special_ids s = oc_vocab_special(v);
    assert_int_equal(s.pad, 0);
    assert_int_equal(s.unk, 1);
    assert_int_equal(s.cls, 2);
    assert_int_equal(s.sep, 3);
    assert_int_equal(s.mask, -1);
    oc_vocab_free(v);
    oc_vocab_free(NULL);
}

static void refusals(void **state)
{
    (void)state;
    assert_refused("", 0, "is empty");
    assert_refused("\n\n\n", 3, "is empty");
    assert_refused("[PAD]\n[UNK]\n[CLS]\n", 18, "[SEP]");
    assert_refused("a\nb\n", 4, "[PAD]");
    assert_refused(SPECIALS "\xff\n", strlen(SPECIALS) + 2, "v.txt:5: invalid UTF-8");
    assert_refused(SPECIALS "a\0b\n", strlen(SPECIALS) + 4, "v.txt:5: a NUL byte");
    assert_refused(SPECIALS "a\rb\n", strlen(SPECIALS) + 4, "v.txt:5: a carriage return");
    oc_vocab *v = NULL;
    err = (oc_err){0};
    assert_int_equal(oc_vocab_load(in_folder("none.txt"), &v, &err), OC_IO);
    assert_non_null(strstr(err.msg, "none.txt"));
    err = (oc_err){0};
    assert_int_equal(oc_vocab_load(folder, &v, &err), OC_IO);
    assert_null(v);
    // One line more than the limit.
    size_t n = ((size_t)1 << 21) + 1;
    char *many = oc_alloc(2 * n);
    for (size_t i = 0; i < n; i++) {
        many[2 * i] = 'x';
        many[2 * i + 1] = '\n';
    }
    assert_refused(many, 2 * n, "2097153 lines");
    oc_free(many);
}

static void casing(void **state)
{
    (void)state;
    static const struct {
        const char *tokens;
        bool cased;
    } c[] = {
        {"a\n##b\n", false},
        {"[unused1]\n[MASK]\n", false},
        {"A\n", true},
        {"##nT\n", true},
        {"\xe2\x84\x9d\n", false} /* no small form */,
        {"\xc3\x89t\xc3\xa9\n", true},
        {"[\n]\n", false},
        {"[A\n", true},
    };
    for (int i = 0; i < OC_COUNT(c); i++) {
        char text[128];
        snprintf(text, sizeof text, SPECIALS "%s", c[i].tokens);
        oc_vocab *v = parse(text);
        assert_int_equal(oc_vocab_looks_cased(v), c[i].cased);
        assert_int_equal(oc_vocab_n_upper(v), c[i].cased);
        oc_vocab_free(v);
    }
}

static void save_dup_key(void **state)
{
    (void)state;
    oc_vocab *a = parse(SPECIALS "a\r\n##b\n\n\xc3\xa9"), *b, *c;
    char path[4096], ka[33], kb[33], kc[33];
    snprintf(path, sizeof path, "%s", in_folder("vocab.txt"));
    assert_int_equal(oc_vocab_save(a, path, &err), OC_OK);
    assert_int_equal(oc_vocab_load(path, &b, &err), OC_OK);
    assert_int_equal(oc_vocab_dup(a, &c, &err), OC_OK);
    oc_vocab_key(a, ka);
    oc_vocab_key(b, kb);
    oc_vocab_key(c, kc);
    assert_string_equal(ka, kb);
    assert_string_equal(ka, kc);
    assert_int_equal(oc_vocab_size(b), 8);
    assert_int_equal(oc_vocab_size(c), 8);
    assert_int_equal(oc_vocab_id(c, "\xc3\xa9", 2), 7);
    char *data;
    size_t n;
    assert_int_equal(oc_file_read(path, 1000, &data, &n, &err), OC_OK);
    assert_string_equal(data, SPECIALS "a\n##b\n\n\xc3\xa9\n");
    oc_free(data);
    oc_vocab_free(b);
    b = parse(SPECIALS "a\n##b\n\nz");
    oc_vocab_key(b, kb);
    assert_string_not_equal(ka, kb);
    oc_vocab_free(a);
    oc_vocab_free(b);
    oc_vocab_free(c);
}

static void bert_vocabularies(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        int32_t n;
        bool cased;
    } c[] = {{"bert-vocab/bert-base-uncased-vocab.txt", 30522, false},
             {"bert-vocab/bert-base-cased-vocab.txt", 28996, true}};
    for (int i = 0; i < 2; i++) {
        oc_vocab *v;
        assert_int_equal(oc_vocab_load(shared(c[i].file), &v, &err), OC_OK);
        assert_int_equal(oc_vocab_size(v), c[i].n);
        assert_int_equal(oc_vocab_looks_cased(v), c[i].cased);
        assert_int_equal(oc_vocab_duplicates(v), 0);
        oc_special_ids s = oc_vocab_special(v);
        assert_int_equal(s.pad, 0);
        assert_int_equal(s.unk, 100);
        assert_int_equal(s.cls, 101);
        assert_int_equal(s.sep, 102);
        assert_int_equal(s.mask, 103);
        for (int32_t id = 0; id < c[i].n; id++) {
            const char *t = oc_vocab_token(v, id);
            assert_int_equal(oc_vocab_id(v, t, strlen(t)), id);
        }
        oc_vocab_free(v);
    }
}

static void parse_out_of_memory(void **state)
{
    (void)state;
    static const char text[] = SPECIALS "a\n##b\nc\n";
    int64_t k = 1;
    for (;; k++) {
        oc_vocab *v = NULL;
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_vocab_parse(text, strlen(text), "v.txt", &v, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            oc_vocab_free(v);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(e.status, OC_NOMEM);
        assert_null(v);
    }
    assert_true(k >= 5);
}

/* --- learning --------------------------------------------------------------------------------- */

static oc_status learn(const char *const *texts, int64_t n, int32_t size, int32_t min_count,
                       oc_vocab **v)
{
    oc_vocab_learn_opts o = {.size = size, .min_count = min_count, .lowercase = true};
    err = (oc_err){0};
    *v = NULL;
    return oc_vocab_learn(texts, n, &o, v, &err);
}

/* Tokens from `from` on, joined by blanks. */
static const char *tokens_from(const oc_vocab *v, int32_t from)
{
    static char out[4096];
    out[0] = 0;
    for (int32_t i = from; i < oc_vocab_size(v); i++) {
        strcat(out, i > from ? " " : "");
        strcat(out, oc_vocab_token(v, i));
    }
    return out;
}

static void learn_small(void **state)
{
    (void)state;
    static const char *const texts[] = {"aaab aaab AAAB xy", "xy, c"};
    oc_vocab *v;
    // Characters in order, starts before continuations. No room for merges.
    assert_int_equal(learn(texts, 2, 12, 2, &v), OC_OK);
    assert_int_equal(oc_vocab_special(v).mask, 4);
    assert_string_equal(tokens_from(v, 0), "[PAD] [UNK] [CLS] [SEP] [MASK] , a c x ##a ##b ##y");
    oc_vocab_free(v);
    // Counts: a 3, ##a 6, ##b 3, x 2, ##y 2, "," 1, c 1; n = 18. Gains: (##a, ##b) 3 ln 3,
    // (a, ##a) 3 ln 3, (##a, ##a) 3 ln 1.5, (x, ##y) 2 ln 9 = 4.39 first. Then "a ##a" before
    // "##a ##b" by token order; then 3 ln(3*18/(3*3)) each for what is left.
    assert_int_equal(learn(texts, 2, 13, 2, &v), OC_OK);
    assert_string_equal(tokens_from(v, 12), "xy");
    oc_vocab_free(v);
    assert_int_equal(learn(texts, 2, 100, 2, &v), OC_OK);
    assert_string_equal(tokens_from(v, 12), "xy aa ##ab aaab");
    oc_vocab_free(v);
    // min_count keeps out what is seen once; at 3 "xy" (twice) is left alone.
    assert_int_equal(learn(texts, 2, 100, 3, &v), OC_OK);
    assert_string_equal(tokens_from(v, 12), "aa ##ab aaab");
    oc_vocab_free(v);
}

static void learn_refusals(void **state)
{
    (void)state;
    static const char *const none[] = {"", " \t"};
    static const char *const some[] = {"abcdef"};
    oc_vocab *v;
    assert_int_equal(learn(none, 2, 100, 2, &v), OC_RANGE);
    assert_non_null(strstr(err.msg, "no words"));
    assert_int_equal(learn(NULL, 0, 100, 2, &v), OC_RANGE);
    assert_int_equal(learn(some, 1, 10, 2, &v), OC_RANGE);
    assert_non_null(strstr(err.msg, "10 entries"));
    assert_non_null(strstr(err.msg, "6 characters"));
    assert_int_equal(learn(some, 1, 0, 2, &v), OC_RANGE);
    assert_int_equal(learn(some, 1, -5, 2, &v), OC_RANGE);
    assert_int_equal(learn(some, 1, 11, 2, &v), OC_OK);
    oc_vocab_free(v);
}

static void learn_leaves_out_the_rarest(void **state)
{
    (void)state;
    // 400 times "ab", once "qz": the four characters fit in 9 entries, in 8 and 7 "qz" goes.
    oc_buf b = {0};
    for (int i = 0; i < 400; i++)
        oc_buf_str(&b, "ab ");
    oc_buf_str(&b, "qz");
    const char *text = b.data;
    oc_vocab *v;
    assert_int_equal(learn(&text, 1, 8, 2, &v), OC_OK);
    assert_string_equal(tokens_from(v, 5), "a ##b ##z");
    oc_vocab_free(v);
    assert_int_equal(learn(&text, 1, 7, 2, &v), OC_OK);
    assert_string_equal(tokens_from(v, 5), "a ##b");
    oc_vocab_free(v);
    assert_int_equal(learn(&text, 1, 6, 2, &v), OC_RANGE);
    oc_buf_release(&b);
}

static void learn_odd_words(void **state)
{
    (void)state;
    // A run of one letter, a word too long to be tokenized, and bytes that are no text.
    char w[160];
    memset(w, 'k', sizeof w - 1);
    w[sizeof w - 1] = 0;
    const char *texts[] = {"mmmmmmmm mmmm mmm mm m", w, "\xff\xfe \xc3", "mmmmmmmm mmmm"};
    oc_vocab *v;
    assert_int_equal(learn(texts, 4, 60, 1, &v), OC_OK);
    assert_int_equal(oc_vocab_duplicates(v), 0);
    assert_true(oc_vocab_id(v, "mmmm", 4) > 0);
    oc_tokenizer *t;
    assert_int_equal(oc_tokenizer_new(v, true, &t, &err), OC_OK);
    oc_ids ids = {0};
    assert_int_equal(oc_tokenize(t, "mmmmmmmm mm", 11, &ids, &err), OC_OK);
    for (int64_t i = 0; i < ids.n; i++)
        assert_true(ids.id[i] > 4);
    oc_ids_release(&ids);
    oc_tokenizer_free(t);
}

/* Words made of syllables, some far more frequent than others. */
static char *make_text(size_t n_words)
{
    static const char *const part[] = {"ba",   "ke",   "mi",   "lo",   "su",
                                       "card", "neph", "itis", "osis", "ren"};
    oc_buf b = {0};
    uint32_t x = 7;
    for (size_t i = 0; i < n_words; i++) {
        for (int k = 0; k < 3; k++) {
            x = x * 1664525u + 1013904223u;
            uint32_t u = x >> 16 & 0xff, v = x >> 24;
            oc_buf_str(&b, part[(u * v >> 8) * 10 >> 8]);
        }
        oc_buf_ch(&b, ' ');
    }
    return oc_buf_take(&b);
}

static void learn_is_worth_it(void **state)
{
    (void)state;
    char *text = make_text(5000);
    const char *texts[] = {text};
    oc_vocab *v, *again;
    char ka[33], kb[33];
    assert_int_equal(learn(texts, 1, 200, 2, &v), OC_OK);
    assert_int_equal(learn(texts, 1, 200, 2, &again), OC_OK);
    oc_vocab_key(v, ka);
    oc_vocab_key(again, kb);
    assert_string_equal(ka, kb);
    assert_int_equal(oc_vocab_size(v), 200);
    assert_int_equal(oc_vocab_duplicates(v), 0);
    assert_false(oc_vocab_looks_cased(v));
    oc_tokenizer *t;
    assert_int_equal(oc_tokenizer_new(v, true, &t, &err), OC_OK);
    oc_ids ids = {0};
    assert_int_equal(oc_tokenize(t, text, strlen(text), &ids, &err), OC_OK);
    int64_t unk = 0;
    for (int64_t i = 0; i < ids.n; i++)
        unk += ids.id[i] == 1;
    assert_int_equal(unk, 0);
    // Measured 1.46 tokens a word of three syllables; characters alone would be about 9.
    assert_true(ids.n >= 5000 && ids.n < 5000 * 2);
    oc_ids_release(&ids);
    oc_tokenizer_free(t);
    oc_vocab_free(again);
    oc_free(text);
}

static void learn_out_of_memory(void **state)
{
    (void)state;
    static const char *const texts[] = {"aaab aaab caf\xc3\xa9 xy", "xy, c caf\xc3\xa9"};
    int64_t k = 1;
    for (;; k++) {
        oc_vocab_learn_opts o = {.size = 40, .min_count = 2, .lowercase = false};
        oc_vocab *v = NULL;
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_vocab_learn(texts, 2, &o, &v, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            oc_vocab_free(v);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(e.status, OC_NOMEM);
        assert_null(v);
    }
    assert_true(k > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(refusals),
        cmocka_unit_test(casing),
        cmocka_unit_test(save_dup_key),
        cmocka_unit_test(bert_vocabularies),
        cmocka_unit_test(parse_out_of_memory),
        cmocka_unit_test(learn_small),
        cmocka_unit_test(learn_refusals),
        cmocka_unit_test(learn_leaves_out_the_rarest),
        cmocka_unit_test(learn_odd_words),
        cmocka_unit_test(learn_is_worth_it),
        cmocka_unit_test(learn_out_of_memory),
    };
    return cmocka_run_group_tests_name("vocab", tests, make_folder, remove_folder);
}
