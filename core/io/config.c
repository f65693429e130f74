#include "core/io/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/io/other_archs.h"
#include "core/io/sniff.h"

#define MAX_BYTES ((size_t)64 << 20)

/* Bounds of what is read; core/nn checks its own again. */
enum {
    MAX_H = 65536,
    MAX_D = 1024,
    MAX_F = 131072,
    MAX_V = 1 << 24,
    MAX_P = 1 << 20,
    MAX_S = 65536,
    MAX_K = 65536
};

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct reader {
    const oc_json *j; // the object at hand
    const char *what; // file
    const char *in;   // "" or "optimclm."
    oc_err *err;
} reader;

/* Value of a key; JSON null counts as absent, as in Python. */
static const oc_json *key_of(const reader *r, const char *key)
{
    const oc_json *v = oc_json_get(r->j, key);
    return oc_json_is_null(v) ? NULL : v;
}

static oc_status bad_int(const reader *r, const char *key, int64_t lo, int64_t hi)
{
    return OC_FAIL(r->err, OC_FORMAT, "%s: %s%s must be a whole number from %lld to %lld", r->what,
                   r->in, key, (long long)lo, (long long)hi);
}

static oc_status read_int(const reader *r, const char *key, int32_t lo, int32_t hi, int32_t *out)
{
    const oc_json *v = key_of(r, key);
    int64_t x;
    if (!v)
        return OC_FAIL(r->err, OC_FORMAT, "%s: %s%s is missing", r->what, r->in, key);
    if (!oc_json_i64(v, lo, hi, &x))
        return bad_int(r, key, lo, hi);
    *out = (int32_t)x;
    return OC_OK;
}

/* *out stays as it is when the key is absent. */
static oc_status read_int_opt(const reader *r, const char *key, int32_t lo, int32_t hi,
                              int32_t *out)
{
    return key_of(r, key) ? read_int(r, key, lo, hi, out) : OC_OK;
}

static oc_status read_prob(const reader *r, const char *key, float *out)
{
    const oc_json *v = key_of(r, key);
    if (!v)
        return OC_OK;
    double x = oc_json_num(v, -1);
    if (!(x >= 0 && (float)x < 1.0f))
        return OC_FAIL(r->err, OC_FORMAT, "%s: %s%s must be a number from 0 to below 1", r->what,
                       r->in, key);
    *out = (float)x;
    return OC_OK;
}

static oc_status read_bool(const reader *r, const char *key, bool *out)
{
    const oc_json *v = key_of(r, key);
    if (v && !oc_json_is_bool(v))
        return OC_FAIL(r->err, OC_FORMAT, "%s: %s%s must be true or false", r->what, r->in, key);
    *out = oc_json_bool(v, *out);
    return OC_OK;
}

static oc_status read_text(const reader *r, const char *key, char *out, size_t bytes)
{
    const oc_json *v = key_of(r, key);
    if (v && !oc_json_is_string(v))
        return OC_FAIL(r->err, OC_FORMAT, "%s: %s%s must be a string", r->what, r->in, key);
    oc_strlcpy(out, oc_json_str(v, ""), bytes);
    return OC_OK;
}

/* NULL when absent. */
static oc_status sub_object(const reader *r, const char *key, const oc_json **out)
{
    *out = key_of(r, key);
    if (*out && !oc_json_is_object(*out))
        return OC_FAIL(r->err, OC_FORMAT, "%s: %s%s must be an object", r->what, r->in, key);
    return OC_OK;
}

static oc_status unsupported(const reader *r, const char *key, const char *value,
                             const char *expected)
{
    return OC_FAIL(r->err, OC_UNSUPPORTED, "%s: %s \"%.60s\" is not supported; %s was expected",
                   r->what, key, value, expected);
}

/* Where an architecture keeps what we need. */
typedef struct arch_keys {
    const char *type, *class_start; /* model_type; what its classes in "architectures" begin with */
    const char *hidden, *layers, *heads, *ffn, *act, *p_hidden, *p_attn, *p_cls;
} arch_keys;

static const arch_keys keys_of[OC_N_ARCHS] = {
    [OC_ARCH_BERT] = {"bert", "Bert", "hidden_size", "num_hidden_layers", "num_attention_heads",
                      "intermediate_size", "hidden_act", "hidden_dropout_prob",
                      "attention_probs_dropout_prob", "classifier_dropout"},
    [OC_ARCH_DISTILBERT] = {"distilbert", "DistilBert", "dim", "n_layers", "n_heads", "hidden_dim",
                            "activation", "dropout", "attention_dropout", "seq_classif_dropout"},
};

/* model_type, else the class, else (configs of 2018 and 2019 have neither) the keys themselves. */
static oc_status read_arch(const reader *r, oc_arch *out)
{
    char type[64];
    const char *class = oc_json_str(oc_json_first(key_of(r, "architectures")), "");
    OC_TRY(read_text(r, "model_type", type, sizeof type));
    for (int a = 0; a < OC_N_ARCHS; a++) {
        const arch_keys *k = &keys_of[a];
        if (*type
                ? !strcmp(type, k->type)
                : (*class ? oc_str_starts(class, k->class_start) : key_of(r, k->layers) != NULL)) {
            *out = (oc_arch)a;
            return OC_OK;
        }
    }
    const char *key = *type ? "model_type" : "architectures", *said = *type ? type : class;
    const char *title = oc__other_arch(said);
    if (title)
        return OC_FAIL(r->err, OC_UNSUPPORTED,
                       "%s: %s \"%.60s\" is %s model; BERT and DistilBERT are supported", r->what,
                       key, said, title);
    if (*said)
        return OC_FAIL(r->err, OC_UNSUPPORTED,
                       "%s: %s \"%.60s\" is not known; BERT and DistilBERT are supported", r->what,
                       key, said);
    *out = OC_ARCH_BERT; // what is missing is then named
    return OC_OK;
}

/* That it is an encoder as this program computes it. */
static oc_status check_family(const reader *r)
{
    char pos[64];
    bool decoder = false;
    OC_TRY(read_text(r, "position_embedding_type", pos, sizeof pos));
    if (*pos && strcmp(pos, "absolute") != 0)
        return unsupported(r, "position_embedding_type", pos, "\"absolute\"");
    OC_TRY(read_bool(r, "is_decoder", &decoder));
    return decoder ? unsupported(r, "is_decoder", "true", "an encoder") : OC_OK;
}

static oc_status read_act(const reader *r, const char *key, oc_act *out)
{
    static const struct {
        const char *name;
        oc_act act;
    } known[] = {{"gelu", OC_ACT_GELU},          {"gelu_python", OC_ACT_GELU},
                 {"gelu_new", OC_ACT_GELU_NEW},  {"gelu_pytorch_tanh", OC_ACT_GELU_NEW},
                 {"gelu_fast", OC_ACT_GELU_NEW}, {"relu", OC_ACT_RELU}};
    char name[64];
    OC_TRY(read_text(r, key, name, sizeof name));
    for (int i = 0; i < OC_COUNT(known); i++) {
        if (!strcmp(*name ? name : "gelu", known[i].name)) {
            *out = known[i].act;
            return OC_OK;
        }
    }
    return unsupported(r, key, name, "gelu, gelu_new or relu");
}

static oc_status read_eps(const reader *r, float *out)
{
    const oc_json *v = key_of(r, "layer_norm_eps");
    if (!v)
        return OC_OK;
    double x = oc_json_num(v, -1);
    if (!((float)x > 0.0f && (float)x < 1.0f))
        return OC_FAIL(r->err, OC_FORMAT, "%s: layer_norm_eps must be a number above 0 and below 1",
                       r->what);
    *out = (float)x;
    return OC_OK;
}

/* {"3": [0, 7]}: heads 0 and 7 of layer 3 are not in the file. */
static oc_status read_pruned_heads(const reader *r, oc_dims *d)
{
    const oc_json *p = key_of(r, "pruned_heads");
    if (p && !oc_json_is_object(p))
        return OC_FAIL(r->err, OC_FORMAT, "%s: pruned_heads must be an object", r->what);
    for (const oc_json *l = oc_json_first(p); l; l = oc_json_next(l)) {
        int64_t layer;
        if (!oc_parse_i64(oc_json_key(l), &layer) || layer < 0 || layer >= d->L ||
            !oc_json_is_array(l) || oc_json_count(l) >= d->A[layer])
            return OC_FAIL(
                r->err, OC_FORMAT,
                "%s: pruned_heads \"%.20s\" must name a layer below %d and leave it a head",
                r->what, oc_json_key(l), (int)d->L);
        d->A[layer] -= (int32_t)oc_json_count(l);
    }
    return OC_OK;
}

static oc_status read_hf_dims(const reader *r, oc_dims *d)
{
    const arch_keys *k = &keys_of[d->arch];
    bool distil = d->arch == OC_ARCH_DISTILBERT;
    int32_t heads, ffn;
    OC_TRY(read_int(r, k->hidden, 1, MAX_H, &d->H));
    OC_TRY(read_int(r, k->layers, 1, OC_MAX_LAYERS, &d->L));
    OC_TRY(read_int(r, k->heads, 1, OC_MAX_HEADS, &heads));
    OC_TRY(read_int(r, k->ffn, 1, MAX_F, &ffn));
    OC_TRY(read_int(r, "vocab_size", 1, MAX_V, &d->V));
    OC_TRY(read_int_opt(r, "max_position_embeddings", 1, MAX_P, &d->P));
    d->S = distil ? 0 : 2;
    if (!distil)
        OC_TRY(read_int_opt(r, "type_vocab_size", 1, MAX_S, &d->S));
    OC_TRY(read_act(r, k->act, &d->act));
    OC_TRY(read_eps(r, &d->eps));
    OC_TRY(read_prob(r, k->p_hidden, &d->p_hidden));
    OC_TRY(read_prob(r, k->p_attn, &d->p_attn));
    d->p_cls = distil ? 0.2f : d->p_hidden;
    OC_TRY(read_prob(r, k->p_cls, &d->p_cls));
    d->D = d->H % heads == 0 ? d->H / heads : 0;
    for (int32_t l = 0; l < d->L; l++) {
        d->A[l] = heads;
        d->F[l] = ffn;
    }
    return read_pruned_heads(r, d);
}

/* One number per layer. */
static oc_status read_per_layer(const reader *r, const char *key, int32_t L, int32_t hi,
                                int32_t *out)
{
    const oc_json *a = key_of(r, key);
    if (!a)
        return OC_OK;
    if (!oc_json_is_array(a) || oc_json_count(a) != L)
        return OC_FAIL(r->err, OC_FORMAT, "%s: %s%s must list one number for each of the %d layers",
                       r->what, r->in, key, (int)L);
    for (const oc_json *v = oc_json_first(a); v; v = oc_json_next(v)) {
        int64_t x;
        if (!oc_json_i64(v, 1, hi, &x))
            return bad_int(r, key, 1, hi);
        *out++ = (int32_t)x;
    }
    return OC_OK;
}

static oc_status read_ours(const reader *top, oc_config *c)
{
    const oc_json *ours;
    OC_TRY(sub_object(top, "optimclm", &ours));
    if (!ours)
        return OC_OK;
    reader r = {.j = ours, .what = top->what, .in = "optimclm.", .err = top->err};
    int32_t format;
    OC_TRY(read_int(&r, "format", 1, INT32_MAX, &format));
    if (format != 1)
        return OC_FAIL(r.err, OC_UNSUPPORTED,
                       "%s: optimclm.format is %d, of a newer program; 1 was expected", r.what,
                       (int)format);
    OC_TRY(read_int_opt(&r, "head_size", 1, MAX_D, &c->dims.D));
    OC_TRY(read_per_layer(&r, "heads", c->dims.L, OC_MAX_HEADS, c->dims.A));
    OC_TRY(read_per_layer(&r, "ffn", c->dims.L, MAX_F, c->dims.F));
    OC_TRY(read_int_opt(&r, "max_len", 0, MAX_P, &c->max_len));
    if (key_of(&r, "do_lower_case")) {
        bool lower = false;
        OC_TRY(read_bool(&r, "do_lower_case", &lower));
        c->lower_case = lower;
    }
    reader t = {.what = r.what, .in = "optimclm.task.", .err = r.err};
    OC_TRY(sub_object(&r, "task", &t.j));
    OC_TRY(read_text(&t, "name", c->task, sizeof c->task));
    OC_TRY(read_text(&t, "text_column", c->text_column, sizeof c->text_column));
    OC_TRY(read_text(&t, "label_column", c->label_column, sizeof c->label_column));
    reader q = {.what = r.what, .in = "optimclm.quantized.", .err = r.err};
    OC_TRY(sub_object(&r, "quantized", &q.j));
    int32_t bits = 8;
    OC_TRY(read_int_opt(&q, "tensors", 0, INT32_MAX, &c->n_q8));
    OC_TRY(read_int_opt(&q, "bits", 7, 8, &bits));
    c->bits7 = bits == 7;
    char attention[64];
    OC_TRY(read_text(&q, "attention", attention, sizeof attention));
    c->attn_s8 = strcmp(attention, "int8") == 0;
    if (!c->attn_s8 && *attention && strcmp(attention, "f32") != 0)
        return unsupported(&q, "optimclm.quantized.attention", attention, "f32 or int8");
    return OC_OK;
}

/* A label that is a number counts as its digits. */
static oc_status add_label(oc_config *c, const oc_json *v, oc_err *err)
{
    char number[32];
    int64_t whole;
    if (oc_json_i64(v, INT64_MIN, INT64_MAX, &whole))
        snprintf(number, sizeof number, "%lld", (long long)whole);
    else
        oc_fmt_f64(number, oc_json_num(v, 0));
    const char *label = oc_json_str(v, number);
    return oc_strlist_add(&c->labels, label, strlen(label), err);
}

/*
 * id2label {"0": "no", "1": "yes"} or label2id {"no": 0, "yes": 1}, in any order; its size is K.
 */
static oc_status read_labels(const reader *r, oc_config *c)
{
    const oc_json *map = key_of(r, "id2label");
    const char *key = map ? "id2label" : "label2id";
    bool by_name = !map;
    map = key_of(r, key);
    if (!map)
        return read_int_opt(r, "num_labels", 1, MAX_K, &c->dims.K);
    int64_t n = oc_json_count(map);
    if (!oc_json_is_object(map) || n < 1 || n > MAX_K)
        return OC_FAIL(r->err, OC_FORMAT, "%s: %s must be an object of 1 to %d labels", r->what,
                       key, MAX_K);
    const oc_json **by_id = oc_calloc((size_t)n, sizeof *by_id);
    if (!by_id)
        return OC_FAIL(r->err, OC_NOMEM, "out of memory reading %s", r->what);
    oc_status rc = OC_OK;
    for (const oc_json *v = oc_json_first(map); v && rc == OC_OK; v = oc_json_next(v)) {
        int64_t id = -1;
        bool ok = by_name ? oc_json_i64(v, 0, n - 1, &id)
                          : oc_parse_i64(oc_json_key(v), &id) &&
                                (oc_json_is_string(v) || oc_json_is_number(v));
        if (!ok || id < 0 || id >= n || by_id[id])
            rc = OC_FAIL(r->err, OC_FORMAT,
                         "%s: %s \"%.40s\": expected the numbers 0 to %lld, each with a label",
                         r->what, key, oc_json_key(v), (long long)(n - 1));
        else
            by_id[id] = v;
    }
    for (int64_t i = 0; i < n && rc == OC_OK; i++)
        rc = by_name ? oc_strlist_add(&c->labels, oc_json_key(by_id[i]),
                                      strlen(oc_json_key(by_id[i])), r->err)
                     : add_label(c, by_id[i], r->err);
    oc_free(by_id);
    c->dims.K = (int32_t)n;
    return rc;
}

static oc_status read_problem(const reader *r, oc_config *c)
{
    char type[64];
    OC_TRY(read_text(r, "problem_type", type, sizeof type));
    c->multi_label = !strcmp(type, "multi_label_classification");
    if (*type && !c->multi_label && strcmp(type, "single_label_classification") != 0)
        return unsupported(r, "problem_type", type,
                           "single_label_classification or multi_label_classification");
    return OC_OK;
}

static oc_status read_all(const reader *r, oc_config *c)
{
    if (!oc_json_is_object(r->j))
        return OC_FAIL(r->err, OC_FORMAT, "%s: a JSON object was expected", r->what);
    OC_TRY(read_arch(r, &c->dims.arch));
    OC_TRY(check_family(r));
    OC_TRY(read_hf_dims(r, &c->dims));
    OC_TRY(read_labels(r, c));
    OC_TRY(read_problem(r, c));
    OC_TRY(read_int_opt(r, "pad_token_id", 0, MAX_V, &c->pad_id));
    OC_TRY(read_ours(r, c));
    if (c->dims.D == 0)
        return OC_FAIL(r->err, OC_FORMAT, "%s: %s %d is no multiple of %s %d", r->what,
                       keys_of[c->dims.arch].hidden, (int)c->dims.H, keys_of[c->dims.arch].heads,
                       (int)c->dims.A[0]);
    if (c->max_len > c->dims.P)
        return OC_FAIL(r->err, OC_FORMAT,
                       "%s: optimclm.max_len is %d, but max_position_embeddings is %d", r->what,
                       (int)c->max_len, (int)c->dims.P);
    return OC_OK;
}

oc_status oc_config_parse(const char *text, size_t n, const char *what, oc_config *out, oc_err *err)
{
    oc_json *j;
    OC_TRY(oc_json_parse(text, n, what, &j, err));
    oc_config c = {
        .dims = {.P = 512, .eps = 1e-12f, .p_hidden = 0.1f, .p_attn = 0.1f},
        .lower_case = -1,
    };
    oc_status rc = read_all(&(reader){.j = j, .what = what, .in = "", .err = err}, &c);
    oc_json_free(j);
    if (rc == OC_OK)
        *out = c;
    else
        oc_config_release(&c);
    return rc;
}

oc_status oc_config_read(const char *path, oc_config *out, oc_err *err)
{
    char *text;
    size_t n;
    OC_TRY(oc_file_read(path, MAX_BYTES, &text, &n, err));
    const char *other = oc_sniff(text, n);
    oc_status rc = other ? OC_FAIL(err, OC_FORMAT, "%s is %s", path, other)
                         : oc_config_parse(text, n, path, out, err);
    oc_free(text);
    return rc;
}

void oc_config_release(oc_config *c)
{
    oc_strlist_release(&c->labels);
}

oc_status oc_config_dup(const oc_config *c, oc_config *out, oc_err *err)
{
    oc_config d = *c;
    d.labels = (oc_strlist){0};
    for (int64_t i = 0; i < c->labels.n; i++) {
        oc_status rc = oc_strlist_add(&d.labels, c->labels.item[i], strlen(c->labels.item[i]), err);
        if (rc != OC_OK) {
            oc_config_release(&d);
            return rc;
        }
    }
    *out = d;
    return OC_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Label i, or "LABEL_i" as Hugging Face names what has no name. */
static const char *label_text(const oc_config *c, int32_t i, char room[32])
{
    if (i < c->labels.n)
        return c->labels.item[i];
    snprintf(room, 32, "LABEL_%d", (int)i);
    return room;
}

static oc_status labels_unique(const oc_config *c, bool *unique, oc_err *err)
{
    const char **s = oc_calloc((size_t)c->labels.n, sizeof *s);
    if (!s)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    for (int64_t i = 0; i < c->labels.n; i++)
        s[i] = c->labels.item[i];
    qsort(s, (size_t)c->labels.n, sizeof *s, by_text);
    *unique = true;
    for (int64_t i = 1; i < c->labels.n; i++)
        *unique = *unique && strcmp(s[i - 1], s[i]) != 0;
    oc_free(s);
    return OC_OK;
}

static void write_labels(oc_jw *w, const oc_config *c, bool unique)
{
    char room[32], key[32];
    oc_jw_key(w, "id2label");
    oc_jw_open(w, '{');
    for (int32_t i = 0; i < c->dims.K; i++) {
        snprintf(key, sizeof key, "%d", (int)i);
        oc_jw_kstr(w, key, label_text(c, i, room));
    }
    oc_jw_close(w, '}');
    if (!unique)
        return; // two keys alike would make it no JSON we read
    oc_jw_key(w, "label2id");
    oc_jw_open(w, '{');
    for (int32_t i = 0; i < c->dims.K; i++)
        oc_jw_ki64(w, label_text(c, i, room), i);
    oc_jw_close(w, '}');
}

static void write_list(oc_jw *w, const char *key, const int32_t *v, int32_t n)
{
    oc_jw_key(w, key);
    oc_jw_open(w, '[');
    for (int32_t i = 0; i < n; i++)
        oc_jw_i64(w, v[i]);
    oc_jw_close(w, ']');
}

static void write_kf32(oc_jw *w, const char *key, float v)
{
    oc_jw_key(w, key);
    oc_jw_f32(w, v);
}

static void write_ours(oc_jw *w, const oc_config *c)
{
    oc_jw_key(w, "optimclm");
    oc_jw_open(w, '{');
    oc_jw_ki64(w, "format", 1);
    oc_jw_ki64(w, "head_size", c->dims.D);
    write_list(w, "heads", c->dims.A, c->dims.L);
    write_list(w, "ffn", c->dims.F, c->dims.L);
    if (c->lower_case >= 0)
        oc_jw_kbool(w, "do_lower_case", c->lower_case == 1);
    oc_jw_ki64(w, "max_len", c->max_len);
    if (*c->task || *c->text_column || *c->label_column) {
        oc_jw_key(w, "task");
        oc_jw_open(w, '{');
        oc_jw_kstr(w, "name", c->task);
        oc_jw_kstr(w, "text_column", c->text_column);
        oc_jw_kstr(w, "label_column", c->label_column);
        oc_jw_close(w, '}');
    }
    if (c->n_q8 > 0 || c->attn_s8) {
        oc_jw_key(w, "quantized");
        oc_jw_open(w, '{');
        oc_jw_ki64(w, "tensors", c->n_q8);
        oc_jw_ki64(w, "bits", c->bits7 ? 7 : 8);
        oc_jw_kstr(w, "weights",
                   c->bits7 ? "int8, one scale per row, symmetric, -63..63; embeddings -127..127"
                            : "int8, one scale per row, symmetric, -127..127");
        oc_jw_kstr(w, "activations", "int8, one scale per row, at run time");
        oc_jw_kstr(w, "attention", c->attn_s8 ? "int8" : "f32");
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, '}');
}

static void write_all(oc_jw *w, const oc_config *c, bool unique)
{
    static const char *const act[] = {"gelu", "gelu_new", "relu"};
    const oc_dims *d = &c->dims;
    const arch_keys *k = &keys_of[d->arch];
    int32_t A = d->A[0], F = d->F[0];
    for (int32_t l = 1; l < d->L; l++) {
        A = OC_MAX(A, d->A[l]);
        F = OC_MAX(F, d->F[l]);
    }
    oc_jw_open(w, '{');
    oc_jw_key(w, "architectures");
    oc_jw_open(w, '[');
    oc_jw_str(w, oc_arch_class(d->arch));
    oc_jw_close(w, ']');
    oc_jw_kstr(w, "model_type", k->type);
    oc_jw_ki64(w, "vocab_size", d->V);
    oc_jw_ki64(w, k->hidden, d->H);
    oc_jw_ki64(w, k->layers, d->L);
    oc_jw_ki64(w, k->heads, A); // of the widest layer; each layer's is under optimclm
    oc_jw_ki64(w, k->ffn, F);
    oc_jw_kstr(w, k->act, act[d->act]);
    write_kf32(w, "layer_norm_eps", d->eps);
    oc_jw_ki64(w, "max_position_embeddings", d->P);
    if (d->arch == OC_ARCH_DISTILBERT) {
        oc_jw_kbool(w, "sinusoidal_pos_embds", false); // positions are stored, and read as they are
    } else {
        oc_jw_ki64(w, "type_vocab_size", d->S);
        oc_jw_kstr(w, "position_embedding_type", "absolute");
    }
    write_kf32(w, k->p_hidden, d->p_hidden);
    write_kf32(w, k->p_attn, d->p_attn);
    write_kf32(w, k->p_cls, d->p_cls);
    oc_jw_ki64(w, "pad_token_id", c->pad_id);
    oc_jw_kstr(w, "problem_type",
               c->multi_label ? "multi_label_classification" : "single_label_classification");
    if (d->K > 0)
        write_labels(w, c, unique);
    write_ours(w, c);
    oc_jw_close(w, '}');
}

oc_status oc_config_write(const oc_config *c, const char *path, oc_err *err)
{
    oc_buf b = {0};
    bool unique;
    OC_TRY(labels_unique(c, &unique, err));
    oc_jw w = {.out = &b, .indent = 2};
    write_all(&w, c, unique);
    oc_buf_ch(&b, '\n');
    oc_status rc = oc_buf_check(&b, err);
    if (rc == OC_OK)
        rc = oc_file_write(path, b.data, b.len, err);
    oc_buf_release(&b);
    return rc;
}
