/*
 * tests/unit/test_tokenizer_files.c - tokenizers as they are saved: what is read, what is told,
 * what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/io/tokenizer_files.h"
#include "tests/unit/folder_testing.h"

static oc_err err;

/* The folder with nothing in it. */
static void empty(void)
{
    assert_int_equal(oc_remove_tree(folder, &err), OC_OK);
    assert_int_equal(oc_mkdirs(folder, &err), OC_OK);
}

static void put_n(const char *name, const char *text, size_t n)
{
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void put(const char *name, const char *text)
{
    put_n(name, text, strlen(text));
}

static oc_tokenizer_files read_as(const char *path, int32_t V, int lower_case)
{
    oc_tokenizer_files f = {0};
    err = (oc_err){0};
    if (oc_tokenizer_files_read(path, &(oc_tokenizer_ask){.V = V, .lower_case = lower_case}, &f,
                                &err) != OC_OK)
        fail_msg("%s", err.msg);
    return f;
}

static oc_tokenizer_files read_folder(int32_t V)
{
    return read_as(folder, V, -1);
}

static void assert_refused_as(int32_t V, int lower_case, oc_status want, const char *part)
{
    oc_tokenizer_files f = {0};
    err = (oc_err){0};
    oc_tokenizer_ask ask = {.V = V, .lower_case = lower_case};
    oc_status rc = oc_tokenizer_files_read(folder, &ask, &f, &err);
    if (rc != want || !strstr(err.msg, part))
        fail_msg("expected %d with \"%s\", got %d \"%s\"", want, part, rc, err.msg);
    assert_null(f.tok);
    assert_int_equal(f.remarks.n, 0);
}

static void assert_refused(oc_status want, const char *part)
{
    assert_refused_as(0, -1, want, part);
}

static void assert_remark(const oc_tokenizer_files *f, const char *part)
{
    for (int64_t i = 0; i < f->remarks.n; i++)
        if (strstr(f->remarks.item[i], part))
            return;
    fail_msg("no remark has \"%s\"; the first of %d is \"%s\"", part, (int)f->remarks.n,
             f->remarks.n ? f->remarks.item[0] : "");
}

static void assert_tokens(const oc_tokenizer *t, const char *text, const char *want)
{
    oc_ids ids = {0};
    oc_buf got = {0};
    assert_int_equal(oc_tokenize(t, text, strlen(text), &ids, &err), OC_OK);
    for (int64_t i = 0; i < ids.n; i++)
        oc_buf_fmt(&got, "%s%s", i ? " " : "", oc_vocab_token(t->vocab, ids.id[i]));
    assert_string_equal(oc_buf_cstr(&got), want);
    oc_buf_release(&got);
    oc_ids_release(&ids);
}

#define SPECIALS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
#define VOCAB    SPECIALS "a\n##b\nc\n"
#define CONFIG   "tokenizer_config.json"
#define MAP      "special_tokens_map.json"
#define JSON     "tokenizer.json"

/* A tokenizer.json of 8 tokens, piece by piece. */
#define IDS                                                                             \
    "\"c\": 7, \"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, \"[MASK]\": 4, " \
    "\"a\": 5, \"##b\": 6"
#define MODEL(ids)                                                                        \
    "{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": " \
    "\"##\", \"max_input_chars_per_word\": 100, \"vocab\": {" ids "}}"
#define NORM(more) \
    "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true" more "}"
#define PRE "{\"type\": \"BertPreTokenizer\"}"
#define POST                                                                                  \
    "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\", " \
    "\"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\": "  \
    "{\"id\": \"[SEP]\", \"type_id\": 0}}], \"pair\": []}"
#define ADDED                                                                            \
    "[{\"id\": 0, \"content\": \"[PAD]\", \"special\": true}, {\"id\": 2, \"content\": " \
    "\"[CLS]\", \"special\": true}]"
#define LOWER ", \"strip_accents\": null, \"lowercase\": true"

static const char *json_of(const char *model, const char *norm, const char *pre, const char *post,
                           const char *added)
{
    static char text[8192];
    snprintf(text, sizeof text,
             "{\"version\": \"1.0\", \"truncation\": null, \"added_tokens\": %s, \"normalizer\": "
             "%s, \"pre_tokenizer\": %s, \"post_processor\": %s, \"decoder\": null, \"model\": %s}",
             added, norm, pre, post, model);
    return text;
}

static void put_json(const char *model, const char *norm, const char *pre, const char *post,
                     const char *added)
{
    put(JSON, json_of(model, norm, pre, post, added));
}

/* --- vocab.txt -------------------------------------------------------------------------------- */

static void vocab_lines(void **state)
{
    (void)state;
    static const char *const text[] = {VOCAB, "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\n[MASK]\r\na\r\n"
                                              "##b\r\nc"};
    char key[2][33];
    for (int i = 0; i < 2; i++) {
        empty();
        put("vocab.txt", text[i]);
        oc_tokenizer_files f = read_folder(8);
        assert_string_equal(f.tokens_from, "vocab.txt");
        assert_int_equal(f.casing_from, OC_CASING_GUESSED);
        assert_int_equal(f.max_len, 0);
        assert_int_equal(f.remarks.n, 1);
        assert_remark(&f, "0 of the 8 tokens have capitals, so it is taken for uncased");
        assert_tokens(f.tok, "AB c", "a ##b c");
        oc_tokenizer_key(f.tok, key[i]);
        oc_tokenizer_files_release(&f);
    }
    assert_string_equal(key[0], key[1]);
    // By itself as well.
    oc_tokenizer_files f = read_as(in_folder("vocab.txt"), 0, -1);
    assert_tokens(f.tok, "c", "c");
    oc_tokenizer_files_release(&f);
}

static void blank_and_duplicate_lines(void **state)
{
    (void)state;
    empty();
    put(CONFIG, "{\"do_lower_case\": true}");
    put("vocab.txt", SPECIALS "a\n\nb\na\n\nb\na\nc\n");
    oc_tokenizer_files f = read_folder(13);
    assert_int_equal(f.remarks.n, 2);
    assert_remark(&f, "vocab.txt has 2 blank lines, the first is line 7");
    assert_remark(&f, "vocab.txt has 3 tokens more than once, the first is \"a\" in line 6");
    assert_int_equal(oc_vocab_id(f.tok->vocab, "a", 1), 11);
    oc_tokenizer_files_release(&f);
    put("vocab.txt", SPECIALS "a\nb\nb\n");
    f = read_folder(8);
    assert_int_equal(f.remarks.n, 1);
    assert_remark(&f, "vocab.txt has 1 token more than once, the first is \"b\" in line 7");
    oc_tokenizer_files_release(&f);
    // At the end they are no tokens.
    put("vocab.txt", VOCAB "\r\n\n\n");
    f = read_folder(8);
    assert_int_equal(f.remarks.n, 1);
    assert_remark(&f, "vocab.txt has 3 blank lines, the first is line 9");
    assert_int_equal(oc_vocab_size(f.tok->vocab), 8);
    oc_tokenizer_files_release(&f);
    put("vocab.txt", "\n\n\r\n");
    assert_refused(OC_FORMAT, "vocab.txt is empty");
}

static void sizes(void **state)
{
    (void)state;
    empty();
    put("vocab.txt", VOCAB);
    static const struct {
        int32_t V;
        bool ok;
    } t[] = {{0, 1},  {7, 0},  {8, 1},    {9, 0},    {12, 0},   {16, 1},
             {24, 0}, {64, 1}, {1024, 1}, {2048, 0}, {30522, 0}};
    for (int i = 0; i < OC_COUNT(t); i++) {
        char words[80];
        if (!t[i].ok) {
            snprintf(words, sizeof words, "has 8 entries, but the model's vocab_size is %d",
                     (int)t[i].V);
            assert_refused_as(t[i].V, -1, OC_FORMAT, words);
            continue;
        }
        oc_tokenizer_files f = read_folder(t[i].V);
        snprintf(words, sizeof words, "vocab_size is %d: the last %d rows", (int)t[i].V,
                 (int)t[i].V - 8);
        if (t[i].V > 8)
            assert_remark(&f, words);
        assert_int_equal(f.remarks.n, 1 + (t[i].V > 8));
        oc_tokenizer_files_release(&f);
    }
}

/* --- tokenizer.json --------------------------------------------------------------------------- */

static void json_route(void **state)
{
    (void)state;
    empty();
    put("vocab.txt", VOCAB);
    oc_tokenizer_files a = read_folder(8);
    empty();
    put_json(MODEL(IDS), NORM(LOWER), PRE, POST, ADDED);
    oc_tokenizer_files b = read_folder(8);
    char ka[33], kb[33];
    oc_tokenizer_key(a.tok, ka);
    oc_tokenizer_key(b.tok, kb);
    assert_string_equal(ka, kb);
    assert_string_equal(b.tokens_from, JSON);
    assert_int_equal(b.casing_from, OC_CASING_TOKENIZER_JSON);
    assert_string_equal(oc_casing_from_text(b.casing_from), JSON);
    assert_int_equal(b.remarks.n, 0);
    oc_tokenizer_files_release(&a);
    oc_tokenizer_files_release(&b);
    b = read_as(in_folder(JSON), 0, -1);
    assert_true(b.tok->lowercase);
    oc_tokenizer_files_release(&b);
}

static void json_variants(void **state)
{
    (void)state;
    static const struct {
        const char *model, *norm, *pre, *post, *added;
        bool lower;
    } ok[] = {
        {MODEL(IDS), NORM(", \"lowercase\": false, \"strip_accents\": false"), PRE, POST, "[]", 0},
        {MODEL(IDS), NORM(", \"lowercase\": true, \"strip_accents\": true"), PRE, POST, "null", 1},
        {MODEL(IDS), "{\"type\": \"Sequence\", \"normalizers\": [" NORM(LOWER) "]}",
         "{\"type\": \"Sequence\", \"pretokenizers\": [" PRE "]}", POST, ADDED, 1},
        {MODEL(IDS), NORM(LOWER), PRE,
         "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3], \"cls\": [\"[CLS]\", 2]}", ADDED,
         1},
        {MODEL(IDS), NORM(LOWER), PRE, "null", ADDED, 1},
        // Without type and length, as older versions wrote it.
        {"{\"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\", \"vocab\": {" IDS "}}",
         NORM(LOWER), PRE, POST, ADDED, 1},
        // Special tokens that only added_tokens has.
        {MODEL("\"c\": 7, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, \"a\": 5, \"##b\": 6"),
         NORM(LOWER), PRE, POST,
         "[{\"id\": 0, \"content\": \"[PAD]\"}, {\"id\": 4, \"content\": \"[MASK]\"}]", 1},
        {MODEL(IDS), NORM(LOWER) ", \"other\": {\"x\": [1, 2.5]}", PRE, POST, ADDED, 1},
    };
    for (int i = 0; i < OC_COUNT(ok); i++) {
        empty();
        put_json(ok[i].model, ok[i].norm, ok[i].pre, ok[i].post, ok[i].added);
        oc_tokenizer_files f = read_folder(8);
        assert_int_equal(f.tok->lowercase, ok[i].lower);
        assert_tokens(f.tok, "ab c", "a ##b c");
        assert_int_equal(f.remarks.n, i == 4);
        if (i == 4)
            assert_remark(&f, "tokenizer.json adds no [CLS] and [SEP]");
        oc_tokenizer_files_release(&f);
    }
}

static void json_refused(void **state)
{
    (void)state;
    static const struct {
        const char *model, *norm, *pre, *post, *added;
        oc_status rc;
        const char *part;
    } t[] = {
        // NULL: as it should be.
        {"{\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}", 0, 0, 0, 0, OC_UNSUPPORTED,
         "tokenizer.json is of type BPE; WordPiece was expected"},
        {"{\"vocab\": {\"a\": 0}, \"merges\": []}", 0, 0, 0, 0, OC_UNSUPPORTED, "of type BPE"},
        {"{\"vocab\": [[\"a\", 0.5]]}", 0, 0, 0, 0, OC_UNSUPPORTED, "of type Unigram"},
        {"{\"vocab\": {\"a\": 0}}", 0, 0, 0, 0, OC_UNSUPPORTED, "of type WordLevel"},
        {"{\"type\": 5}", 0, 0, 0, 0, OC_UNSUPPORTED, "WordPiece was expected"},
        {"[]", 0, 0, 0, 0, OC_UNSUPPORTED, "of type (none)"},
        {"{\"type\": \"WordPiece\", \"unk_token\": \"<unk>\", \"vocab\": {}}", 0, 0, 0, 0,
         OC_UNSUPPORTED, "model.unk_token is \"<unk>\""},
        {"{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": "
         "\"@@\", \"vocab\": {}}",
         0, 0, 0, 0, OC_UNSUPPORTED, "continuing_subword_prefix is \"@@\""},
        {"{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": "
         "\"##\", \"max_input_chars_per_word\": 50, \"vocab\": {}}",
         0, 0, 0, 0, OC_UNSUPPORTED, "max_input_chars_per_word is not 100"},
        {"{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": "
         "\"##\", \"vocab\": [\"[PAD]\"]}",
         0, 0, 0, 0, OC_FORMAT, "model.vocab must be an object"},
        {MODEL(""), 0, 0, 0, "[]", OC_FORMAT, "has 0 tokens"},
        {MODEL(IDS ", \"d\": 9"), 0, 0, 0, 0, OC_FORMAT, "gives \"d\" an id 9; 0 to 8"},
        {MODEL(IDS ", \"d\": -1"), 0, 0, 0, 0, OC_FORMAT, "gives \"d\" an id -1"},
        {MODEL(IDS ", \"d\": 1e300"), 0, 0, 0, 0, OC_FORMAT, "gives \"d\" an id 1e+300"},
        {MODEL(IDS ", \"d\": 2.5"), 0, 0, 0, 0, OC_FORMAT, "gives \"d\" an id 2.5"},
        {MODEL(IDS ", \"d\": \"8\""), 0, 0, 0, 0, OC_FORMAT, "an id that is no number"},
        {MODEL(IDS ", \"d\": null"), 0, 0, 0, 0, OC_FORMAT, "an id that is no number"},
        {MODEL(IDS ", \"d\": 7"), 0, 0, 0, 0, OC_FORMAT, "\"c\" and \"d\" the same id 7"},
        {MODEL(IDS ", \"c\": 8"), 0, 0, 0, 0, OC_FORMAT, "the key \"c\" is there twice"},
        {MODEL(IDS ", \"d\\n\": 8"), 0, 0, 0, 0, OC_FORMAT, "token 8 has a line break"},
        {MODEL(IDS ", \"d\\u0000\": 8"), 0, 0, 0, 0, OC_FORMAT, "\\u0000"},
        {MODEL("\"\xef\xbb\xbf[PAD]\": 0"), 0, 0, 0, "[]", OC_FORMAT, "byte order mark"},
        {MODEL("\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2"), 0, 0, 0, "[]", OC_FORMAT,
         "tokenizer.json has no token [SEP] among its 3"},
        {0, "null", 0, 0, 0, OC_UNSUPPORTED,
         "normalizer is of type null; BertNormalizer was expected"},
        {0, "{\"type\": \"NFC\"}", 0, 0, 0, OC_UNSUPPORTED, "normalizer is of type NFC"},
        {0,
         "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFD\"}, {\"type\": "
         "\"Lowercase\"}]}",
         0, 0, 0, OC_UNSUPPORTED, "normalizer is a Sequence of 2 steps"},
        {0, "{\"type\": \"Sequence\"}", 0, 0, 0, OC_UNSUPPORTED, "a Sequence of 0 steps"},
        {0, NORM(", \"clean_text\": false"), 0, 0, 0, OC_FORMAT, "clean_text\" is there twice"},
        {0, "{\"type\": \"BertNormalizer\", \"clean_text\": false}", 0, 0, 0, OC_UNSUPPORTED,
         "clean_text false is not supported"},
        {0, "{\"type\": \"BertNormalizer\", \"handle_chinese_chars\": false}", 0, 0, 0,
         OC_UNSUPPORTED, "handle_chinese_chars false"},
        {0, NORM(", \"lowercase\": 1"), 0, 0, 0, OC_FORMAT, "lowercase must be true or false"},
        {0, NORM(", \"lowercase\": true, \"strip_accents\": false"), 0, 0, 0, OC_UNSUPPORTED,
         "strip_accents false with uncased text is not supported"},
        {0, NORM(", \"lowercase\": false, \"strip_accents\": true"), 0, 0, 0, OC_UNSUPPORTED,
         "strip_accents true with cased text is not supported"},
        {0, 0, "null", 0, 0, OC_UNSUPPORTED, "pre_tokenizer is of type null"},
        {0, 0, "{\"type\": \"Whitespace\"}", 0, 0, OC_UNSUPPORTED,
         "pre_tokenizer is of type Whitespace; BertPreTokenizer was expected"},
        {0, 0, 0, "{\"type\": \"RobertaProcessing\"}", 0, OC_UNSUPPORTED,
         "post_processor is of type RobertaProcessing"},
        {0, 0, 0,
         "{\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": "
         "\"A\"}}]}",
         0, OC_UNSUPPORTED, "does not make [CLS] text [SEP]"},
        {0, 0, 0,
         "{\"type\": \"BertProcessing\", \"sep\": [\"</s>\", 3], \"cls\": [\"[CLS]\", "
         "2]}",
         0, OC_UNSUPPORTED, "does not make [CLS] text [SEP]"},
        {0, 0, 0, 0, "{}", OC_FORMAT, "added_tokens must be a list"},
        {0, 0, 0, 0, "[7]", OC_FORMAT, "each of added_tokens"},
        {0, 0, 0, 0, "[{\"id\": 1, \"content\": 1}]", OC_FORMAT, "each of added_tokens"},
        {0, 0, 0, 0, "[{\"id\": 8, \"content\": \"<DEID>\"}]", OC_UNSUPPORTED,
         "adds the token \"<DEID>\""},
        {0, 0, 0, 0, "[{\"id\": 5, \"content\": \"[CLS]\"}]", OC_FORMAT,
         "give [CLS] different ids"},
        {0, 0, 0, 0, "[{\"id\": 2, \"content\": \"[CLS]\"}, {\"id\": 2, \"content\": \"[CLS]\"}]",
         OC_FORMAT, "has [CLS] twice"},
    };
    for (int i = 0; i < OC_COUNT(t); i++) {
        empty();
        put_json(t[i].model ? t[i].model : MODEL(IDS), t[i].norm ? t[i].norm : NORM(LOWER),
                 t[i].pre ? t[i].pre : PRE, t[i].post ? t[i].post : POST,
                 t[i].added ? t[i].added : ADDED);
        assert_refused(t[i].rc, t[i].part);
        assert_non_null(strstr(err.msg, JSON));
    }
}

static void json_beside_vocab(void **state)
{
    (void)state;
    empty();
    put("vocab.txt", VOCAB);
    put_json(MODEL(IDS), NORM(LOWER), PRE, POST, ADDED);
    oc_tokenizer_files f = read_folder(8);
    assert_string_equal(f.tokens_from, "vocab.txt");
    assert_int_equal(f.casing_from, OC_CASING_TOKENIZER_JSON);
    assert_int_equal(f.remarks.n, 0);
    oc_tokenizer_files_release(&f);
    put("vocab.txt", SPECIALS "a\nc\n##b\n");
    assert_refused(OC_FORMAT, "gives \"c\" the id 7, vocab.txt beside it the id 6");
    put("vocab.txt", SPECIALS "a\n##b\nC\n");
    assert_refused(OC_FORMAT, "gives \"c\" the id 7, vocab.txt beside it no id");
    put("vocab.txt", VOCAB "d\n");
    assert_refused(OC_FORMAT, "tokenizer.json has 8 tokens, vocab.txt beside it 9");
    // Repeated lines leave holes in tokenizer.json, which has the last of them.
    put("vocab.txt", SPECIALS "c\n##b\n\na\nc\n\n");
    put_json(MODEL("\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, \"[MASK]\": 4, "
                   "\"##b\": 6, \"\": 7, \"a\": 8, \"c\": 9"),
             NORM(LOWER), PRE, POST, ADDED);
    f = read_folder(10);
    assert_int_equal(f.remarks.n, 2);
    oc_tokenizer_files_release(&f);
    put_json("{\"type\": \"Unigram\"}", NORM(LOWER), PRE, POST, ADDED);
    assert_refused(OC_UNSUPPORTED, "of type Unigram");
}

/* --- tokenizer_config.json and the like ------------------------------------------------------- */

static void configs(void **state)
{
    (void)state;
    empty();
    put("vocab.txt", VOCAB);
    put(CONFIG,
        "{\"do_lower_case\": false, \"strip_accents\": null, \"tokenize_chinese_chars\": true, "
        "\"model_max_length\": 512, \"tokenizer_class\": \"BertTokenizerFast\", \"never_split\": "
        "[\"[UNK]\"], \"unk_token\": \"[UNK]\", \"cls_token\": {\"__type\": \"AddedToken\", "
        "\"content\": \"[CLS]\", \"lstrip\": false}, \"mask_token\": \"<mask>\", "
        "\"added_tokens_decoder\": {\"2\": {\"content\": \"[CLS]\"}, \"0\": {\"content\": "
        "\"[PAD]\"}}, \"additional_special_tokens\": [], \"extra_special_tokens\": {}}");
    put(MAP, "{\"cls_token\": \"[CLS]\", \"pad_token\": {\"content\": \"[PAD]\"}}");
    put("added_tokens.json", "{\"[MASK]\": 4}");
    oc_tokenizer_files f = read_folder(8);
    assert_int_equal(f.max_len, 512);
    assert_false(f.tok->lowercase);
    assert_int_equal(f.casing_from, OC_CASING_TOKENIZER_CONFIG);
    assert_int_equal(f.remarks.n, 0);
    oc_tokenizer_files_release(&f);
    put(CONFIG, "{\"model_max_length\": 1000000000000000019884624838656, \"cls_token\": \"<s>\"}");
    put(MAP, "{\"sep_token\": {\"content\": \"</s>\"}}");
    f = read_folder(8);
    assert_int_equal(f.max_len, 0);
    assert_remark(&f, "tokenizer_config.json names \"<s>\" where [CLS] is expected");
    assert_remark(&f, "special_tokens_map.json names \"</s>\" where [SEP] is expected");
    oc_tokenizer_files_release(&f);
    // Other names, and the vocabulary has no others.
    put("vocab.txt", "[PAD]\n[UNK]\n<s>\n</s>\na\n");
    assert_refused(OC_FORMAT, "tokenizer_config.json names \"<s>\" where [CLS] was expected");
    assert_non_null(strstr(err.msg, "has no token [CLS] among its 5"));
}

static void configs_refused(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text;
        oc_status rc;
        const char *part;
    } t[] = {
        {CONFIG, "[]", OC_FORMAT, "a JSON object was expected"},
        {CONFIG, "", OC_FORMAT, "not JSON"},
        {CONFIG, "{\"do_lower_case\": \"no\"}", OC_FORMAT, "do_lower_case must be true or false"},
        {CONFIG, "{\"strip_accents\": 0}", OC_FORMAT, "strip_accents must be true or false"},
        {CONFIG, "{\"do_lower_case\": true, \"strip_accents\": false}", OC_UNSUPPORTED,
         "tokenizer_config.json: strip_accents false with uncased text"},
        {CONFIG, "{\"tokenize_chinese_chars\": false}", OC_UNSUPPORTED,
         "tokenize_chinese_chars false is not supported"},
        {CONFIG, "{\"do_basic_tokenize\": false}", OC_UNSUPPORTED, "do_basic_tokenize false"},
        {CONFIG, "{\"never_split\": [\"HIV\"]}", OC_UNSUPPORTED, "adds the token \"HIV\""},
        {CONFIG, "{\"tokenizer_class\": \"RobertaTokenizer\"}", OC_UNSUPPORTED,
         "tokenizer_class \"RobertaTokenizer\" is not supported; BertTokenizer was expected"},
        {CONFIG, "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}", OC_UNSUPPORTED,
         "BertJapaneseTokenizer"},
        {CONFIG, "{\"tokenizer_class\": []}", OC_FORMAT, "tokenizer_class must be a string"},
        {CONFIG, "{\"cls_token\": 5}", OC_FORMAT, "cls_token must be a string or an object"},
        {CONFIG, "{\"cls_token\": {\"content\": null}}", OC_FORMAT, "cls_token must be a string"},
        {CONFIG, "{\"additional_special_tokens\": [\"<DEID>\"]}", OC_UNSUPPORTED, "\"<DEID>\""},
        {CONFIG, "{\"additional_special_tokens\": \"<DEID>\"}", OC_FORMAT, "must be a list"},
        {CONFIG, "{\"extra_special_tokens\": {\"image\": \"<image>\"}}", OC_UNSUPPORTED,
         "\"<image>\""},
        {CONFIG, "{\"added_tokens_decoder\": {\"8\": {\"content\": \"<DEID>\"}}}", OC_UNSUPPORTED,
         "\"<DEID>\""},
        {CONFIG, "{\"added_tokens_decoder\": {\"x\": {\"content\": \"[CLS]\"}}}", OC_FORMAT,
         "added_tokens_decoder \"x\""},
        {CONFIG, "{\"added_tokens_decoder\": []}", OC_FORMAT, "must be an object"},
        {CONFIG, "{\"added_tokens_decoder\": {\"5\": {\"content\": \"[CLS]\"}}}", OC_FORMAT,
         "gives [CLS] the id 5, but it is 2 in vocab.txt"},
        {CONFIG,
         "{\"added_tokens_decoder\": {\"2\": {\"content\": \"[CLS]\"}, \"3\": {\"content\": "
         "\"[CLS]\"}}}",
         OC_FORMAT, "gives [CLS] both the ids 2 and 3"},
        {MAP, "{\"unk_token\": [1]}", OC_FORMAT, "special_tokens_map.json: unk_token must be"},
        {MAP, "{\"additional_special_tokens\": [{\"content\": \"[E1]\"}]}", OC_UNSUPPORTED,
         "\"[E1]\""},
        {MAP, "7", OC_FORMAT, "special_tokens_map.json"},
        {"added_tokens.json", "{\"[E1]\": 8}", OC_UNSUPPORTED,
         "added_tokens.json adds the token \"[E1]\""},
        {"added_tokens.json", "{\"[CLS]\": 8}", OC_FORMAT, "gives [CLS] the id 8, but it is 2"},
        {"added_tokens.json", "{\"[CLS]\": \"2\"}", OC_FORMAT, "must have an id"},
        {"added_tokens.json", "{\"[CLS]\": -2}", OC_FORMAT, "must have an id"},
    };
    for (int i = 0; i < OC_COUNT(t); i++) {
        empty();
        put("vocab.txt", VOCAB);
        put(t[i].file, t[i].text);
        assert_refused(t[i].rc, t[i].part);
        assert_non_null(strstr(err.msg, t[i].file));
    }
}

/* --- casing ----------------------------------------------------------------------------------- */

static void casing_precedence(void **state)
{
    (void)state;
    static const char *const flag[] = {"false", "true"};
    for (int config = -1; config < 2; config++)
        for (int json = -1; json < 2; json++)
            for (int ask = -1; ask < 2; ask++) {
                char text[128];
                empty();
                put("vocab.txt", VOCAB);
                snprintf(text, sizeof text, "{\"do_lower_case\": %s}",
                         config < 0 ? "null" : flag[config]);
                put(CONFIG, text);
                snprintf(text, sizeof text, NORM(", \"lowercase\": %s"),
                         json < 0 ? "null" : flag[json]);
                put_json(MODEL(IDS), text, PRE, POST, ADDED);
                oc_tokenizer_files f = read_as(folder, 8, ask);
                int want = config >= 0 ? config : json >= 0 ? json : ask >= 0 ? ask : 1;
                assert_int_equal(f.tok->lowercase, want);
                assert_int_equal(f.casing_from, config >= 0 ? OC_CASING_TOKENIZER_CONFIG
                                                : json >= 0 ? OC_CASING_TOKENIZER_JSON
                                                : ask >= 0  ? OC_CASING_CONFIG
                                                            : OC_CASING_GUESSED);
                int64_t differ = (config == !want) + (json == !want) + (ask == !want);
                assert_int_equal(f.remarks.n, differ + (f.casing_from == OC_CASING_GUESSED));
                if (config == 1 && json == 0)
                    assert_remark(&f, "tokenizer_config.json says it is uncased, tokenizer.json "
                                      "cased; tokenizer_config.json is followed");
                if (json == 0 && ask == 1)
                    assert_remark(&f, config < 0 ? "tokenizer.json says it is cased, config.json "
                                                   "uncased; tokenizer.json is followed"
                                      : config   ? "tokenizer_config.json says it is uncased"
                                                 : "config.json uncased");
                oc_tokenizer_files_release(&f);
            }
}

/* vocab.txt with n_small small entries and n_upper with capitals. */
static void put_words(int n_small, int n_upper)
{
    oc_buf b = {0};
    oc_buf_str(&b, SPECIALS);
    for (int i = 0; i < n_small; i++)
        oc_buf_fmt(&b, "w%d\n", i);
    for (int i = 0; i < n_upper; i++)
        oc_buf_fmt(&b, "W%d\n", i);
    put_n("vocab.txt", b.data, b.len);
    oc_buf_release(&b);
}

static void casing_trap(void **state)
{
    (void)state;
    empty();
    // Cased words, but everything is to be lower-cased: what the field's defaults do.
    put(CONFIG, "{\"do_lower_case\": true}");
    put_words(4895, 100);
    assert_refused(OC_FORMAT, "tokenizer_config.json says it is uncased, but 100 of the 5000");
    assert_non_null(strstr(err.msg, "set do_lower_case to false in tokenizer_config.json"));
    assert_refused_as(0, 0, OC_FORMAT, "says it is uncased");
    oc_tokenizer_files f = read_as(folder, 5000, 1); // twice said is meant
    assert_true(f.tok->lowercase);
    assert_remark(&f, "100 of the 5000 tokens have capitals, but config.json says it is uncased");
    oc_tokenizer_files_release(&f);
    put_words(100, 99); // could be an accident
    f = read_folder(0);
    assert_int_equal(f.remarks.n, 0);
    oc_tokenizer_files_release(&f);
    put_words(4896, 100); // below one in 50
    f = read_folder(0);
    oc_tokenizer_files_release(&f);

    // The other way round: capitals would all be unknown words.
    put(CONFIG, "{\"do_lower_case\": false}");
    put_words(1000, 0);
    assert_refused(OC_FORMAT, "says it is cased, but 0 of the 1005 tokens");
    assert_non_null(strstr(err.msg, "set do_lower_case to true in tokenizer_config.json"));
    f = read_as(folder, 0, 0);
    assert_false(f.tok->lowercase);
    oc_tokenizer_files_release(&f);
    put_words(999, 0);
    f = read_folder(0);
    oc_tokenizer_files_release(&f);
    put_words(1000, 1);
    f = read_folder(0);
    oc_tokenizer_files_release(&f);
    // A guess follows the vocabulary, so it cannot be wrong by this rule.
    unlink(in_folder(CONFIG));
    put_words(1000, 1000);
    f = read_folder(0);
    assert_false(f.tok->lowercase);
    assert_remark(&f, "1000 of the 2005 tokens have capitals, so it is taken for cased");
    oc_tokenizer_files_release(&f);
}

/* --- the field's vocabularies ----------------------------------------------------------------- */

/* tokenizer.json of a vocab.txt, ids in an order of its own. */
static void put_json_of(const oc_vocab *v, bool lower)
{
    oc_buf b = {0}, model = {0}, all = {0};
    oc_jw w = {.out = &b};
    int32_t V = oc_vocab_size(v);
    oc_jw_open(&w, '{');
    for (int32_t i = 0; i < V; i++) {
        int32_t id = (int32_t)((int64_t)i * 7919 % V);
        oc_jw_ki64(&w, oc_vocab_token(v, id), id);
    }
    oc_jw_close(&w, '}');
    oc_buf_fmt(&model,
               "{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", "
               "\"continuing_subword_prefix\": \"##\", \"vocab\": %s}",
               b.data);
    oc_buf_fmt(&all,
               "{\"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": %s}, "
               "\"pre_tokenizer\": " PRE ", \"post_processor\": " POST ", \"model\": %s}",
               lower ? "true" : "false", model.data);
    assert_false(all.failed);
    put_n(JSON, all.data, all.len);
    oc_buf_release(&b);
    oc_buf_release(&model);
    oc_buf_release(&all);
}

static void routes_agree(void **state)
{
    (void)state;
    static const char *const file[] = {"bert-vocab/bert-base-cased-vocab.txt",
                                       "bert-vocab/bert-base-uncased-vocab.txt"};
    for (int lower = 0; lower < 2; lower++) {
        empty();
        oc_tokenizer_files a = read_as(shared(file[lower]), 0, -1);
        assert_int_equal(a.tok->lowercase, lower);
        put_json_of(a.tok->vocab, lower);
        oc_tokenizer_files b = read_folder(oc_vocab_size(a.tok->vocab));
        char ka[33], kb[33];
        oc_tokenizer_key(a.tok, ka);
        oc_tokenizer_key(b.tok, kb);
        assert_string_equal(ka, kb);
        assert_int_equal(b.remarks.n, 0);
        oc_tokenizer_files_release(&b);
        // Both beside each other, and with the casing that would ruin it.
        assert_int_equal(oc_vocab_save(a.tok->vocab, in_folder("vocab.txt"), &err), OC_OK);
        b = read_folder(oc_vocab_size(a.tok->vocab));
        assert_int_equal(b.remarks.n, 0);
        oc_tokenizer_files_release(&b);
        put(CONFIG, lower ? "{\"do_lower_case\": false}" : "{\"do_lower_case\": true}");
        assert_refused(OC_FORMAT, lower ? "says it is cased" : "says it is uncased");
        oc_tokenizer_files_release(&a);
    }
}

/* Recorded outputs, by way of tokenizer.json. */
static void recorded_questions(void **state)
{
    (void)state;
    empty();
    oc_tokenizer_files a = read_as(shared("bert-vocab/bert-base-uncased-vocab.txt"), 0, -1);
    put_json_of(a.tok->vocab, true);
    oc_tokenizer_files_release(&a);
    a = read_folder(30522);
    char *data;
    size_t n;
    assert_int_equal(oc_file_read(shared("wordpiece-vectors/squad-dev-questions-uncased.jsonl"),
                                  1 << 24, &data, &n, &err),
                     OC_OK);
    int n_lines = 0;
    for (char *s = data, *end; (end = strchr(s, '\n')) != NULL; s = end + 1, n_lines++) {
        oc_json *j;
        oc_ids ids = {0};
        assert_int_equal(oc_json_parse(s, (size_t)(end - s), "line", &j, &err), OC_OK);
        const char *text = oc_json_str(oc_json_get(j, "text"), "");
        assert_int_equal(oc_tokenize(a.tok, text, strlen(text), &ids, &err), OC_OK);
        int64_t i = 0;
        for (const oc_json *w = oc_json_first(oc_json_get(j, "ids")); w; w = oc_json_next(w), i++)
            assert_true(i < ids.n && ids.id[i] == (int32_t)oc_json_num(w, -1));
        assert_int_equal(i, ids.n);
        oc_ids_release(&ids);
        oc_json_free(j);
    }
    assert_int_equal(n_lines, 10570);
    oc_free(data);
    oc_tokenizer_files_release(&a);
}

/* --- hostile files ---------------------------------------------------------------------------- */

static void hostile(void **state)
{
    (void)state;
    static const char lfs[] =
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
        "size 231508\n";
    static const char html[] =
        "\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>";
    static const char *const names[] = {"vocab.txt", JSON, CONFIG, MAP, "added_tokens.json"};
    enum { DEEP = 1000000 };
    char *deep = oc_alloc(2 * DEEP);
    memset(deep, '[', DEEP);
    memset(deep + DEEP, ']', DEEP);
    for (int i = 0; i < OC_COUNT(names); i++) {
        const char *name = names[i];
        bool json = i > 0;
        empty();
        put("vocab.txt", VOCAB);
        put(name, lfs);
        assert_refused(OC_FORMAT, "is a Git LFS pointer, not the file itself");
        put(name, html);
        assert_refused(OC_FORMAT, "is a web page (HTML), not the file itself");
        put_n(name, "\0\0\0\0", 4);
        assert_refused(OC_FORMAT, json ? "not JSON" : "a NUL byte");
        put_n(name, "{\"a\0b\": 1}", 10);
        assert_refused(OC_FORMAT, json ? "control character" : "a NUL byte");
        put(name, "\xff\xfe{");
        assert_refused(OC_FORMAT, json ? "not JSON" : "invalid UTF-8");
        put(name, "");
        assert_refused(OC_FORMAT, json ? "not JSON" : "is empty");
        if (json) {
            put_n(name, deep, 2 * DEEP);
            assert_refused(OC_FORMAT, "nested deeper than 500");
        }
        unlink(in_folder(name));
        assert_int_equal(mkdir(in_folder(name), 0700), 0);
        assert_refused(OC_IO, "is a folder, expected a regular file");
        assert_int_equal(rmdir(in_folder(name)), 0);
        assert_int_equal(mkfifo(in_folder(name), 0600), 0);
        assert_refused(OC_IO, "is a pipe, expected a regular file");
        assert_non_null(strstr(err.msg, name));
        unlink(in_folder(name));
        int fd = open(in_folder(name), O_CREAT | O_WRONLY, 0600);
        assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
        close(fd);
        assert_refused(OC_RANGE, "at most 67108864 are expected");
    }
    oc_free(deep);
    empty();
    assert_refused(OC_IO, "has neither vocab.txt nor tokenizer.json");
    assert_int_equal(symlink("/nowhere/at/all", in_folder("vocab.txt")), 0);
    assert_refused(OC_IO, "vocab.txt: No such file");
    oc_tokenizer_files f;
    oc_tokenizer_ask ask = {.lower_case = -1};
    err = (oc_err){0};
    assert_int_equal(oc_tokenizer_files_read(in_folder("none"), &ask, &f, &err), OC_IO);
    assert_non_null(strstr(err.msg, "there is no model at"));
}

/* Sequences in sequences, as deep as JSON may be, and a list of one token a million times. */
static void hostile_json(void **state)
{
    (void)state;
    oc_buf b = {0};
    empty();
    for (int i = 0; i < 200; i++)
        oc_buf_str(&b, "{\"type\": \"Sequence\", \"normalizers\": [");
    oc_buf_str(&b, "{\"type\": \"NFKC\"}");
    for (int i = 0; i < 200; i++)
        oc_buf_str(&b, "]}");
    oc_buf all = {0};
    oc_buf_fmt(&all, "{\"model\": %s, \"normalizer\": %s}", MODEL(IDS), oc_buf_cstr(&b));
    put_n(JSON, all.data, all.len);
    assert_refused(OC_UNSUPPORTED, "normalizer is of type NFKC");
    oc_buf_clear(&all);
    oc_buf_fmt(&all,
               "{\"model\": %s, \"normalizer\": %s, \"pre_tokenizer\": %s, \"added_tokens\": [",
               MODEL(IDS), NORM(LOWER), PRE);
    for (int i = 0; i < 1000000; i++)
        oc_buf_str(&all, "{\"content\":\"[PAD]\",\"id\":0},");
    oc_buf_str(&all, "0]}");
    put_n(JSON, all.data, all.len);
    assert_refused(OC_FORMAT, "added_tokens has [PAD] twice");
    oc_buf_release(&all);
    oc_buf_release(&b);
}

static void out_of_memory(void **state)
{
    (void)state;
    for (int with_vocab = 0; with_vocab < 2; with_vocab++) {
        empty();
        if (with_vocab)
            put("vocab.txt", VOCAB "a\n\n");
        put_json(with_vocab ? MODEL("\"c\": 7, \"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, "
                                    "\"[SEP]\": 3, \"[MASK]\": 4, \"a\": 8, \"##b\": 6")
                            : MODEL(IDS),
                 NORM(LOWER), PRE, "null", ADDED);
        put(CONFIG, "{\"do_lower_case\": false, \"cls_token\": \"<s>\"}");
        put(MAP, "{\"sep_token\": \"</s>\"}");
        put("added_tokens.json", "{\"[MASK]\": 4}");
        for (int64_t k = 1;; k++) {
            oc_tokenizer_files f = {0};
            oc_tokenizer_ask ask = {.V = 32, .lower_case = 1};
            oc_err e = {0};
            oc_alloc_fail_at(k);
            oc_status rc = oc_tokenizer_files_read(folder, &ask, &f, &e);
            oc_alloc_fail_at(0);
            if (rc == OC_OK) {
                assert_int_equal(f.remarks.n, with_vocab ? 8 : 6);
                oc_tokenizer_files_release(&f);
                assert_true(k > 50);
                break;
            }
            if (rc != OC_NOMEM || e.status != OC_NOMEM)
                fail_msg("allocation %d: %s", (int)k, e.msg);
            assert_null(f.tok);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vocab_lines),
        cmocka_unit_test(blank_and_duplicate_lines),
        cmocka_unit_test(sizes),
        cmocka_unit_test(json_route),
        cmocka_unit_test(json_variants),
        cmocka_unit_test(json_refused),
        cmocka_unit_test(json_beside_vocab),
        cmocka_unit_test(configs),
        cmocka_unit_test(configs_refused),
        cmocka_unit_test(casing_precedence),
        cmocka_unit_test(casing_trap),
        cmocka_unit_test(hostile),
        cmocka_unit_test(hostile_json),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(routes_agree),
        cmocka_unit_test(recorded_questions),
    };
    return cmocka_run_group_tests_name("tokenizer_files", tests, make_folder, remove_folder);
}
