/*
 * tests/unit/test_config.c - config.json: Hugging Face's keys, ours, and whatever else lies there.
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
#include "core/io/config.h"

static oc_err err;
static char folder[] = "/tmp/oc-config-XXXXXX";

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

#define SIZES                                                                    \
    "\"hidden_size\": 8, \"num_hidden_layers\": 2, \"num_attention_heads\": 2, " \
    "\"intermediate_size\": 16, \"vocab_size\": 100"

static oc_config parse(const char *text)
{
    oc_config c;
    err = (oc_err){0};
    if (oc_config_parse(text, strlen(text), "config.json", &c, &err) != OC_OK)
        fail_msg("%s", err.msg);
    return c;
}

static void assert_refused(const char *text, oc_status want, const char *part)
{
    oc_config c = {.max_len = 77};
    err = (oc_err){0};
    oc_status rc = oc_config_parse(text, strlen(text), "config.json", &c, &err);
    if (rc != want || !strstr(err.msg, part) || !strstr(err.msg, "config.json"))
        fail_msg("expected %d with \"%s\", got %d \"%s\" for %s", want, part, rc, err.msg, text);
    assert_int_equal(c.max_len, 77); // written only on success
}

/* --- reading ---------------------------------------------------------------------------------- */

static void defaults(void **state)
{
    (void)state;
    oc_config c = parse("{" SIZES "}");
    assert_int_equal(c.dims.H, 8);
    assert_int_equal(c.dims.L, 2);
    assert_int_equal(c.dims.D, 4);
    assert_int_equal(c.dims.V, 100);
    assert_int_equal(c.dims.P, 512);
    assert_int_equal(c.dims.S, 2);
    assert_int_equal(c.dims.K, 0);
    for (int l = 0; l < 2; l++) {
        assert_int_equal(c.dims.A[l], 2);
        assert_int_equal(c.dims.F[l], 16);
    }
    assert_true(c.dims.eps == 1e-12f);
    assert_int_equal(c.dims.act, OC_ACT_GELU);
    assert_true(c.dims.p_hidden == 0.1f && c.dims.p_attn == 0.1f && c.dims.p_cls == 0.1f);
    assert_int_equal(c.lower_case, -1);
    assert_int_equal(c.max_len, 0);
    assert_false(c.multi_label);
    assert_int_equal(c.labels.n, 0);
    oc_config_release(&c);
}

static void hugging_face(void **state)
{
    (void)state;
    oc_config c = parse(
        "{" SIZES ", \"model_type\": \"bert\", \"architectures\": [\"BertModel\"], "
        "\"hidden_act\": \"gelu_new\", \"layer_norm_eps\": 1e-05, \"max_position_embeddings\": 64, "
        "\"type_vocab_size\": 1, \"hidden_dropout_prob\": 0.2, \"attention_probs_dropout_prob\": 0, "
        "\"classifier_dropout\": null, \"position_embedding_type\": \"absolute\", "
        "\"problem_type\": \"multi_label_classification\", \"pad_token_id\": 3, \"num_labels\": 9, "
        "\"id2label\": {\"1\": \"yes\", \"0\": \"no\", \"2\": 5}, \"pruned_heads\": {\"1\": [0]}}");
    assert_int_equal(c.dims.act, OC_ACT_GELU_NEW);
    assert_true(c.dims.eps == 1e-5f);
    assert_int_equal(c.dims.P, 64);
    assert_int_equal(c.dims.S, 1);
    assert_true(c.dims.p_hidden == 0.2f && c.dims.p_attn == 0.0f && c.dims.p_cls == 0.2f);
    assert_true(c.multi_label);
    assert_int_equal(c.pad_id, 3);
    assert_int_equal(c.dims.K, 3);
    assert_int_equal(c.labels.n, 3);
    assert_string_equal(c.labels.item[0], "no");
    assert_string_equal(c.labels.item[1], "yes");
    assert_string_equal(c.labels.item[2], "5");
    assert_int_equal(c.dims.A[0], 2);
    assert_int_equal(c.dims.A[1], 1);
    oc_config_release(&c);
    c = parse("{" SIZES
              ", \"num_labels\": 4, \"classifier_dropout\": 0.3, \"hidden_act\": \"relu\"}");
    assert_int_equal(c.dims.K, 4);
    assert_true(c.dims.p_cls == 0.3f);
    assert_int_equal(c.dims.act, OC_ACT_RELU);
    oc_config_release(&c);
}

#define DISTIL                                                                               \
    "\"dim\": 8, \"n_layers\": 2, \"n_heads\": 2, \"hidden_dim\": 16, \"vocab_size\": 100, " \
    "\"activation\": \"gelu\", \"sinusoidal_pos_embds\": true, \"tie_weights_\": true"

/* As distilbert-base-uncased says it, of 2019 (no model_type) and of today; labels by name only. */
static void distilbert(void **state)
{
    (void)state;
    oc_config c = parse("{" DISTIL "}");
    assert_int_equal(c.dims.arch, OC_ARCH_DISTILBERT);
    assert_int_equal(c.dims.S, 0);
    assert_true(c.dims.H == 8 && c.dims.L == 2 && c.dims.A[1] == 2 && c.dims.F[1] == 16);
    assert_true(c.dims.p_hidden == 0.1f && c.dims.p_attn == 0.1f && c.dims.p_cls == 0.2f);
    oc_config_release(&c);
    c = parse("{" DISTIL ", \"model_type\": \"distilbert\", \"dropout\": 0.3, "
              "\"attention_dropout\": 0, \"seq_classif_dropout\": 0.25, "
              "\"max_position_embeddings\": 64, \"label2id\": {\"yes\": 1, \"no\": 0}}");
    assert_true(c.dims.p_hidden == 0.3f && c.dims.p_attn == 0.0f && c.dims.p_cls == 0.25f);
    assert_int_equal(c.dims.P, 64);
    assert_int_equal(c.dims.K, 2);
    assert_string_equal(c.labels.item[0], "no");
    assert_string_equal(c.labels.item[1], "yes");
    // Written back under its own keys, and read again the same.
    oc_config back;
    char *text;
    size_t n;
    assert_int_equal(oc_config_write(&c, in_folder("d.json"), &err), OC_OK);
    assert_int_equal(oc_config_read(in_folder("d.json"), &back, &err), OC_OK);
    assert_memory_equal(&c.dims, &back.dims, sizeof c.dims);
    assert_int_equal(oc_file_read(in_folder("d.json"), 100000, &text, &n, &err), OC_OK);
    static const char *const must[] = {"\"DistilBertForSequenceClassification\"",
                                       "\"model_type\": \"distilbert\"",
                                       "\"dim\": 8",
                                       "\"n_layers\": 2",
                                       "\"n_heads\": 2",
                                       "\"hidden_dim\": 16",
                                       "\"activation\": \"gelu\"",
                                       "\"seq_classif_dropout\": 0.25",
                                       "\"optimclm\""};
    for (int i = 0; i < OC_COUNT(must); i++)
        if (!strstr(text, must[i]))
            fail_msg("no %s in %s", must[i], text);
    assert_null(strstr(text, "hidden_size"));
    assert_null(strstr(text, "type_vocab_size"));
    oc_free(text);
    oc_config_release(&back);
    oc_config_release(&c);
    assert_refused("{\"n_layers\": 1, \"dim\": 10, \"n_heads\": 3, \"hidden_dim\": 4, "
                   "\"vocab_size\": 9}",
                   OC_FORMAT, "dim 10 is no multiple of n_heads 3");
}

/* What published folders say: TinyBERT's junk keys, old configs without a type, an odd head size. */
static void published(void **state)
{
    (void)state;
    oc_config c =
        parse("{\"attention_probs_dropout_prob\": 0.1, \"cell\": {}, \"emb_size\": 312, "
              "\"hidden_act\": \"gelu\", \"hidden_dropout_prob\": 0.1, \"hidden_size\": 312, "
              "\"initializer_range\": 0.02, \"intermediate_size\": 1200, "
              "\"max_position_embeddings\": 512, \"num_attention_heads\": 12, "
              "\"num_hidden_layers\": 4, \"pre_trained\": \"\", \"structure\": [], "
              "\"type_vocab_size\": 2, \"vocab_size\": 30522}");
    assert_int_equal(c.dims.arch, OC_ARCH_BERT);
    assert_int_equal(c.dims.D, 26);
    assert_true(c.dims.eps == 1e-12f);
    oc_config_release(&c);
    c = parse("{\"hidden_size\": 128, \"hidden_act\": \"gelu\", \"initializer_range\": 0.02, "
              "\"vocab_size\": 30522, \"hidden_dropout_prob\": 0.1, \"num_attention_heads\": 2, "
              "\"type_vocab_size\": 2, \"max_position_embeddings\": 512, "
              "\"num_hidden_layers\": 2, \"intermediate_size\": 512, "
              "\"attention_probs_dropout_prob\": 0.1}");
    assert_int_equal(c.dims.arch, OC_ARCH_BERT);
    assert_int_equal(c.dims.D, 64);
    oc_config_release(&c);
}

static void ours(void **state)
{
    (void)state;
    oc_config c =
        parse("{\"hidden_size\": 8, \"num_hidden_layers\": 2, \"num_attention_heads\": 3, "
              "\"intermediate_size\": 16, \"vocab_size\": 100, \"optimclm\": {\"format\": 1, "
              "\"head_size\": 4, \"heads\": [1, 3], \"ffn\": [5, 16], \"do_lower_case\": false, "
              "\"max_len\": 128, \"task\": {\"name\": \"mortality\", \"text_column\": \"text\", "
              "\"label_column\": \"died\"}, \"quantized\": {\"tensors\": 7}}}");
    assert_int_equal(c.dims.D, 4); // 8 / 3 heads would not do
    assert_int_equal(c.dims.A[0], 1);
    assert_int_equal(c.dims.A[1], 3);
    assert_int_equal(c.dims.F[0], 5);
    assert_int_equal(c.dims.F[1], 16);
    assert_int_equal(c.lower_case, 0);
    assert_int_equal(c.max_len, 128);
    assert_int_equal(c.n_q8, 7);
    assert_false(c.bits7 || c.attn_s8);
    assert_string_equal(c.task, "mortality");
    assert_string_equal(c.text_column, "text");
    assert_string_equal(c.label_column, "died");
    oc_config_release(&c);
}

static void refusals(void **state)
{
    (void)state;
    assert_refused("", OC_FORMAT, "not JSON");
    assert_refused("[]", OC_FORMAT, "a JSON object was expected");
    assert_refused("3", OC_FORMAT, "a JSON object was expected");
    assert_refused("{\n  \"hidden_size\": 8,\n}", OC_FORMAT, "config.json:3:1");
    assert_refused("{}", OC_FORMAT, "hidden_size is missing");
    assert_refused("{\"hidden_size\": \"8\"}", OC_FORMAT,
                   "hidden_size must be a whole number from 1 to 65536");
    assert_refused("{\"hidden_size\": 0}", OC_FORMAT, "hidden_size");
    assert_refused("{\"hidden_size\": 8.5}", OC_FORMAT, "hidden_size");
    assert_refused("{\"hidden_size\": 1e300}", OC_FORMAT, "hidden_size");
    assert_refused("{\"hidden_size\": 8, \"num_hidden_layers\": 49}", OC_FORMAT,
                   "num_hidden_layers");
    assert_refused("{\"hidden_size\": 8, \"num_hidden_layers\": 1, \"num_attention_heads\": 65}",
                   OC_FORMAT, "num_attention_heads");
    assert_refused("{\"hidden_size\": 8, \"num_hidden_layers\": 1, \"num_attention_heads\": 3, "
                   "\"intermediate_size\": 1, \"vocab_size\": 9}",
                   OC_FORMAT, "no multiple");
    static const struct {
        const char *extra;
        oc_status rc;
        const char *part;
    } bad[] = {
        {"\"model_type\": \"distilbert\"", OC_FORMAT, "dim is missing"},
        {"\"model_type\": \"roberta\"", OC_UNSUPPORTED,
         "model_type \"roberta\" is a RoBERTa model; BERT and DistilBERT are supported"},
        {"\"model_type\": \"xlm-roberta\"", OC_UNSUPPORTED, "is an XLM-RoBERTa model"},
        {"\"model_type\": \"albert\"", OC_UNSUPPORTED, "is an ALBERT model"},
        {"\"model_type\": \"mobilebert\"", OC_UNSUPPORTED, "is a MobileBERT model"},
        {"\"model_type\": \"electra\"", OC_UNSUPPORTED, "is an ELECTRA model"},
        {"\"model_type\": \"deberta-v2\"", OC_UNSUPPORTED, "is a DeBERTa-v2 model"},
        {"\"model_type\": \"megatron-bert\"", OC_UNSUPPORTED, "is a Megatron-BERT (pre-LN) model"},
        {"\"model_type\": \"longformer\"", OC_UNSUPPORTED, "is a Longformer model"},
        {"\"model_type\": \"big_bird\"", OC_UNSUPPORTED, "is a BigBird model"},
        {"\"model_type\": \"xlnet\"", OC_UNSUPPORTED, "is an XLNet model"},
        {"\"model_type\": \"t5\"", OC_UNSUPPORTED, "is a T5 model"},
        {"\"model_type\": \"gpt2\"", OC_UNSUPPORTED, "is a GPT model"},
        {"\"model_type\": \"llama\"", OC_UNSUPPORTED, "is a Llama model"},
        {"\"model_type\": \"modernbert\"", OC_UNSUPPORTED, "is a ModernBERT model"},
        {"\"model_type\": \"quark\"", OC_UNSUPPORTED, "model_type \"quark\" is not known"},
        {"\"architectures\": [\"RobertaForMaskedLM\"]", OC_UNSUPPORTED,
         "architectures \"RobertaForMaskedLM\" is a RoBERTa model"},
        {"\"model_type\": 3", OC_FORMAT, "model_type must be a string"},
        {"\"architectures\": [\"GPT2Model\"]", OC_UNSUPPORTED, "GPT2Model"},
        {"\"position_embedding_type\": \"relative_key\"", OC_UNSUPPORTED, "relative_key"},
        {"\"is_decoder\": true", OC_UNSUPPORTED, "is_decoder"},
        {"\"is_decoder\": 1", OC_FORMAT, "is_decoder must be true or false"},
        {"\"optimclm\": {\"format\": 1, \"quantized\": {\"attention\": \"fp8\"}}", OC_UNSUPPORTED,
         "optimclm.quantized.attention \"fp8\" is not supported; f32 or int8 was expected"},
        {"\"optimclm\": {\"format\": 1, \"quantized\": {\"attention\": 8}}", OC_FORMAT,
         "optimclm.quantized.attention must be a string"},
        {"\"hidden_act\": \"swish\"", OC_UNSUPPORTED, "hidden_act \"swish\""},
        {"\"layer_norm_eps\": 0", OC_FORMAT, "layer_norm_eps"},
        {"\"layer_norm_eps\": \"x\"", OC_FORMAT, "layer_norm_eps"},
        {"\"hidden_dropout_prob\": 1", OC_FORMAT, "hidden_dropout_prob"},
        {"\"attention_probs_dropout_prob\": -0.1", OC_FORMAT, "attention_probs_dropout_prob"},
        {"\"max_position_embeddings\": -1", OC_FORMAT, "max_position_embeddings"},
        {"\"type_vocab_size\": [2]", OC_FORMAT, "type_vocab_size"},
        {"\"problem_type\": \"regression\"", OC_UNSUPPORTED, "regression"},
        {"\"num_labels\": 0", OC_FORMAT, "num_labels"},
        {"\"id2label\": {}", OC_FORMAT, "id2label"},
        {"\"id2label\": [\"a\"]", OC_FORMAT, "id2label"},
        {"\"id2label\": {\"0\": \"a\", \"2\": \"b\"}", OC_FORMAT, "id2label \"2\""},
        {"\"id2label\": {\"0\": \"a\", \"00\": \"b\"}", OC_FORMAT, "id2label \"00\""},
        {"\"id2label\": {\"0\": [1]}", OC_FORMAT, "id2label \"0\""},
        {"\"label2id\": {\"a\": 0, \"b\": 2}", OC_FORMAT, "label2id \"b\""},
        {"\"label2id\": {\"a\": 0, \"b\": 0}", OC_FORMAT, "label2id \"b\""},
        {"\"label2id\": {\"a\": \"0\"}", OC_FORMAT, "label2id \"a\""},
        {"\"pruned_heads\": {\"0\": [0, 1]}", OC_FORMAT, "leave it a head"},
        {"\"pruned_heads\": {\"9\": [0]}", OC_FORMAT, "pruned_heads \"9\""},
        {"\"pruned_heads\": []", OC_FORMAT, "pruned_heads"},
        {"\"optimclm\": 1", OC_FORMAT, "optimclm must be an object"},
        {"\"optimclm\": {}", OC_FORMAT, "optimclm.format is missing"},
        {"\"optimclm\": {\"format\": 2}", OC_UNSUPPORTED, "optimclm.format is 2"},
        {"\"optimclm\": {\"format\": 1, \"heads\": [1]}", OC_FORMAT, "optimclm.heads"},
        {"\"optimclm\": {\"format\": 1, \"heads\": [1, 0]}", OC_FORMAT, "optimclm.heads"},
        {"\"optimclm\": {\"format\": 1, \"ffn\": {\"0\": 1}}", OC_FORMAT, "optimclm.ffn"},
        {"\"optimclm\": {\"format\": 1, \"head_size\": 5000}", OC_FORMAT, "optimclm.head_size"},
        {"\"optimclm\": {\"format\": 1, \"max_len\": 513}", OC_FORMAT, "max_len is 513"},
        {"\"optimclm\": {\"format\": 1, \"do_lower_case\": \"yes\"}", OC_FORMAT,
         "optimclm.do_lower_case"},
        {"\"optimclm\": {\"format\": 1, \"task\": 3}", OC_FORMAT,
         "optimclm.task must be an object"},
        {"\"optimclm\": {\"format\": 1, \"quantized\": {\"bits\": 6}}", OC_FORMAT,
         "optimclm.quantized.bits must be a whole number from 7 to 8"},
        {"\"optimclm\": {\"format\": 1, \"quantized\": {\"bits\": \"7\"}}", OC_FORMAT,
         "optimclm.quantized.bits"},
        {"\"optimclm\": {\"format\": 1, \"quantized\": {\"bits\": 7.5}}", OC_FORMAT,
         "optimclm.quantized.bits"},
        {"\"optimclm\": {\"format\": 1, \"task\": {\"name\": 3}}", OC_FORMAT, "optimclm.task.name"},
    };
    for (int i = 0; i < OC_COUNT(bad); i++) {
        char text[1024];
        snprintf(text, sizeof text, "{" SIZES ", %s}", bad[i].extra);
        assert_refused(text, bad[i].rc, bad[i].part);
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static oc_config uneven(void)
{
    oc_config c = {
        .dims = {.L = 3,
                 .H = 12,
                 .D = 4,
                 .V = 50,
                 .P = 40,
                 .S = 2,
                 .K = 2,
                 .A = {1, 5, 2},
                 .F = {7, 1, 30},
                 .eps = 1e-12f,
                 .act = OC_ACT_GELU_NEW,
                 .p_hidden = 0.1f,
                 .p_attn = 0.0f,
                 .p_cls = 0.25f},
        .multi_label = true,
        .lower_case = 1,
        .max_len = 32,
        .task = "dx \"quoted\"",
        .text_column = "text",
        .label_column = "codes",
        .pad_id = 0,
        .n_q8 = 4,
        .bits7 = true,
        .attn_s8 = true,
    };
    assert_int_equal(oc_strlist_add(&c.labels, "0038", 4, NULL), OC_OK);
    assert_int_equal(oc_strlist_add(&c.labels, "h\xc3\xa9 \"x\"", 7, NULL), OC_OK);
    return c;
}

static void assert_same(const oc_config *a, const oc_config *b)
{
    assert_int_equal(a->dims.L, b->dims.L);
    assert_memory_equal(a->dims.A, b->dims.A, sizeof a->dims.A);
    assert_memory_equal(a->dims.F, b->dims.F, sizeof a->dims.F);
    assert_memory_equal(&a->dims, &b->dims, sizeof a->dims);
    assert_int_equal(a->multi_label, b->multi_label);
    assert_int_equal(a->lower_case, b->lower_case);
    assert_int_equal(a->max_len, b->max_len);
    assert_int_equal(a->pad_id, b->pad_id);
    assert_int_equal(a->n_q8, b->n_q8);
    assert_int_equal(a->bits7, b->bits7);
    assert_int_equal(a->attn_s8, b->attn_s8);
    assert_string_equal(a->task, b->task);
    assert_string_equal(a->text_column, b->text_column);
    assert_string_equal(a->label_column, b->label_column);
    assert_int_equal(a->labels.n, b->labels.n);
    for (int64_t i = 0; i < a->labels.n; i++)
        assert_string_equal(a->labels.item[i], b->labels.item[i]);
}

static void round_trip(void **state)
{
    (void)state;
    oc_config c = uneven(), back, copy;
    char path[4096];
    snprintf(path, sizeof path, "%s", in_folder("config.json"));
    assert_int_equal(oc_config_write(&c, path, &err), OC_OK);
    assert_int_equal(oc_config_read(path, &back, &err), OC_OK);
    assert_same(&c, &back);
    assert_int_equal(oc_config_dup(&c, &copy, &err), OC_OK);
    assert_same(&c, &copy);
    char *text;
    size_t n;
    assert_int_equal(oc_file_read(path, 100000, &text, &n, &err), OC_OK);
    static const char *const must[] = {
        "\"architectures\": [\n    \"BertForSequenceClassification\"\n  ]",
        "\"model_type\": \"bert\"",
        "\"hidden_size\": 12",
        "\"num_hidden_layers\": 3",
        "\"num_attention_heads\": 5",
        "\"intermediate_size\": 30",
        "\"vocab_size\": 50",
        "\"max_position_embeddings\": 40",
        "\"layer_norm_eps\": 1e-12",
        "\"problem_type\": \"multi_label_classification\"",
        "\"0\": \"0038\"",
        "\"0038\": 0",
        "\"format\": 1",
        "\"head_size\": 4",
        "\"do_lower_case\": true",
        "\"hidden_dropout_prob\": 0.1"};
    for (int i = 0; i < OC_COUNT(must); i++)
        if (!strstr(text, must[i]))
            fail_msg("no %s in %s", must[i], text);
    oc_free(text);
    oc_config_release(&back);
    oc_config_release(&copy);
    oc_config_release(&c);
    assert_int_equal(c.labels.n, 0);
}

static void many_and_equal_labels(void **state)
{
    (void)state;
    oc_config c = uneven(), back;
    oc_strlist_release(&c.labels);
    c.dims.K = 12345; // keys past 10000 must not become 1e+04
    assert_int_equal(oc_config_write(&c, in_folder("k.json"), &err), OC_OK);
    assert_int_equal(oc_config_read(in_folder("k.json"), &back, &err), OC_OK);
    assert_int_equal(back.dims.K, 12345);
    assert_string_equal(back.labels.item[10000], "LABEL_10000");
    oc_config_release(&back);
    c.dims.K = 2;
    assert_int_equal(oc_strlist_add(&c.labels, "a", 1, NULL), OC_OK);
    assert_int_equal(oc_strlist_add(&c.labels, "a", 1, NULL), OC_OK);
    assert_int_equal(oc_config_write(&c, in_folder("k.json"), &err), OC_OK);
    assert_int_equal(oc_config_read(in_folder("k.json"), &back, &err), OC_OK);
    assert_int_equal(back.labels.n, 2);
    oc_config_release(&back);
    oc_config_release(&c);
    err = (oc_err){0};
    c.dims.L = 1;
    assert_int_equal(oc_config_write(&c, in_folder("no/x.json"), &err), OC_IO);
    assert_int_equal(oc_config_read(in_folder("none.json"), &back, NULL), OC_IO);
}

/* --- anything at all -------------------------------------------------------------------------- */

static void json_test_suite(void **state)
{
    (void)state;
    char dir[4000], path[8200];
    const char *env = getenv("OC_SHARED_DATA");
    snprintf(dir, sizeof dir, "%s/json-test-suite/test_parsing", env ? env : "../shared/data");
    if (!oc_path_is_dir(dir)) {
        printf("skipped: %s is not here\n", dir);
        skip();
    }
    oc_strlist names = {0};
    assert_int_equal(oc_dir_list(dir, &names, &err), OC_OK);
    assert_int_equal(names.n, 318);
    for (int64_t i = 0; i < names.n; i++) {
        oc_config c;
        snprintf(path, sizeof path, "%s/%s", dir, names.item[i]);
        err = (oc_err){0};
        oc_status rc = oc_config_read(path, &c, &err);
        if (rc != OC_FORMAT || !*err.msg || !strstr(err.msg, names.item[i]))
            fail_msg("%s: %d \"%s\"", names.item[i], rc, err.msg);
    }
    oc_strlist_release(&names);
}

static void every_truncation(void **state)
{
    (void)state;
    oc_config c = uneven();
    assert_int_equal(oc_config_write(&c, in_folder("t.json"), &err), OC_OK);
    oc_config_release(&c);
    char *text;
    size_t n;
    assert_int_equal(oc_file_read(in_folder("t.json"), 100000, &text, &n, &err), OC_OK);
    for (size_t k = 0; k + 1 < n; k++) { // the last byte is the newline
        oc_status rc = oc_config_parse(text, k, "config.json", &c, NULL);
        assert_int_equal(rc, OC_FORMAT);
    }
    for (size_t k = 0; k < n; k++) { // one byte wrong: any verdict, no harm
        text[k] ^= 1;
        if (oc_config_parse(text, n, "config.json", &c, NULL) == OC_OK)
            oc_config_release(&c);
        text[k] ^= 1;
    }
    oc_free(text);
}

static void out_of_memory(void **state)
{
    (void)state;
    static const char text[] =
        "{" SIZES ", \"id2label\": {\"1\": \"yes\", \"0\": \"no\"}, \"optimclm\": "
        "{\"format\": 1, \"heads\": [1, 2]}}";
    int64_t k = 1;
    for (;; k++) {
        oc_config c;
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_config_parse(text, strlen(text), "config.json", &c, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            oc_config_release(&c);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(e.status, OC_NOMEM);
    }
    assert_true(k > 20);
    oc_config c = uneven();
    for (k = 1;; k++) {
        oc_config d;
        oc_alloc_fail_at(k);
        oc_status rc = oc_config_dup(&c, &d, NULL);
        oc_status rc2 = rc == OC_OK ? oc_config_write(&c, in_folder("oom.json"), NULL) : rc;
        oc_alloc_fail_at(0);
        if (rc == OC_OK)
            oc_config_release(&d);
        if (rc2 == OC_OK)
            break;
        assert_int_equal(rc2, OC_NOMEM);
    }
    assert_true(k > 5);
    oc_config_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(hugging_face),
        cmocka_unit_test(distilbert),
        cmocka_unit_test(published),
        cmocka_unit_test(ours),
        cmocka_unit_test(refusals),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(many_and_equal_labels),
        cmocka_unit_test(json_test_suite),
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("config", tests, make_folder, remove_folder);
}
