/*
 * tests/unit/compress_testing.h - what the tests of core/compress share: a small vocabulary, notes
 * whose class is written in them, small networks, and a job that records events and can be told
 * what to do at a poll.
 */
#ifndef OC_TESTS_COMPRESS_TESTING_H
#define OC_TESTS_COMPRESS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/par.h"
#include "core/base/rng.h"
#include "core/base/str.h"
#include "core/data/task.h"
#include "core/engine/job.h"
#include "core/io/checkpoint.h"
#include "core/kernels/kernels.h"

static oc_err err;

#define OK(call)                          \
    do {                                  \
        err = (oc_err){0};                \
        oc_status ok_st_ = (call);        \
        if (ok_st_ != OC_OK)              \
            print_error("%s\n", err.msg); \
        assert_int_equal(ok_st_, OC_OK);  \
    } while (0)
#define FAILS(status, part, call)                                                      \
    do {                                                                               \
        err = (oc_err){0};                                                             \
        assert_int_equal((call), (status));                                            \
        if (!strstr(err.msg, (part)))                                                  \
            fail_msg("message is \"%s\", expected it to say \"%s\"", err.msg, (part)); \
    } while (0)

#define NEAR(a, b, tolerance)                                              \
    do {                                                                   \
        double near_a_ = (double)(a), near_b_ = (double)(b);               \
        if (!(fabs(near_a_ - near_b_) <= (tolerance)))                     \
            fail_msg("%s is %.12g, expected %.12g", #a, near_a_, near_b_); \
    } while (0)

/* Group set-up: the kernels this machine would use; one thread where threads are not the question. */
static inline int select_kernels(void **state)
{
    (void)state;
    oc_par_set_workers(1);
    return oc_kernels_select(&err) == OC_OK ? 0 : -1;
}

/* --- a job --------------------------------------------------------------------------------- */

typedef struct recorder recorder;
struct recorder {
    oc_job job;
    oc_event *ev; /* owned */
    size_t n, cap;
    /* Called by every poll; may change job.set, call hooks, or end the job. */
    oc_status (*act)(recorder *r, const oc_job_hooks *hooks, oc_err *e);
    int64_t polls, at; /* counter, and whatever `act` wants */
    char path[512];
};

static inline void record(void *ctx, const oc_event *e)
{
    recorder *r = ctx;
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 256;
        r->ev = realloc(r->ev, r->cap * sizeof *r->ev);
        assert_non_null(r->ev);
    }
    r->ev[r->n++] = *e;
}

static inline oc_status on_poll(void *ctx, oc_job *job, const oc_job_hooks *hooks, oc_err *e)
{
    recorder *r = ctx;
    (void)job;
    r->polls++;
    return r->act ? r->act(r, hooks, e) : OC_OK;
}

static inline recorder *recorder_new(void)
{
    recorder *r = calloc(1, sizeof *r);
    char dir[] = "/tmp/oc-compress-XXXXXX";
    assert_non_null(r);
    assert_non_null(mkdtemp(dir));
    oc_settings_init(&r->job.set);
    oc_strlcpy(r->job.workdir, dir, sizeof r->job.workdir);
    r->job.ctx = r;
    r->job.emit = record;
    r->job.poll = on_poll;
    r->job.set.train_max_len = 24;
    r->job.set.train_dropout = 0.1;
    return r;
}

static inline void recorder_clear(recorder *r)
{
    r->n = 0;
    r->polls = 0;
    r->act = NULL;
}

static inline void recorder_free(recorder *r)
{
    assert_int_equal(oc_remove_tree(r->job.workdir, NULL), OC_OK);
    free(r->ev);
    free(r);
}

/* i-th event of a type; NULL when there are fewer. */
static inline const oc_event *event_at(const recorder *r, oc_event_type t, size_t i)
{
    for (size_t j = 0; j < r->n; j++)
        if (r->ev[j].type == t && i-- == 0)
            return &r->ev[j];
    return NULL;
}

static inline size_t event_count(const recorder *r, oc_event_type t)
{
    size_t n = 0;
    while (event_at(r, t, n))
        n++;
    return n;
}

/* --- data ---------------------------------------------------------------------------------- */

#define N_CLASSES_MAX 4

static inline const char *const *neutral_words(int *n)
{
    static const char *const w[] = {"patient", "the",  "was",   "seen", "with", "history",
                                    "of",      "and",  "no",    "on",   "exam", "daily",
                                    "mild",    "left", "right", "home"};
    *n = OC_COUNT(w);
    return w;
}

/* Words that speak for class k. */
static inline const char *const *class_words(int k)
{
    static const char *const w[N_CLASSES_MAX][3] = {{"stable", "walking", "well"},
                                                    {"septic", "shock", "intubated"},
                                                    {"cough", "wheeze", "asthma"},
                                                    {"fracture", "fall", "hip"}};
    return w[k];
}

static inline oc_tokenizer *tokenizer_new(void)
{
    oc_buf b = {0};
    oc_vocab *v;
    oc_tokenizer *t;
    int n;
    const char *const *neutral = neutral_words(&n);
    oc_buf_str(&b, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (int i = 0; i < n; i++)
        oc_buf_fmt(&b, "%s\n", neutral[i]);
    for (int k = 0; k < N_CLASSES_MAX; k++)
        for (int i = 0; i < 3; i++)
            oc_buf_fmt(&b, "%s\n", class_words(k)[i]);
    OK(oc_vocab_parse(b.data, b.len, "test vocabulary", &v, &err));
    OK(oc_tokenizer_new(v, true, &t, &err));
    oc_buf_release(&b);
    return t;
}

/* n notes of 4 to 16 words, two of them naming the class (single) or each label (multi). `noise`: share of wrong labels. */
static inline oc_dataset dataset_new(int64_t n, int64_t K, oc_task_kind kind, double noise,
                                     uint64_t seed)
{
    oc_dataset d = {.K = K, .kind = kind};
    oc_rng r;
    int n_words;
    const char *const *neutral = neutral_words(&n_words);
    oc_rng_init(&r, seed, 0);
    for (int64_t i = 0; i < n; i++) {
        oc_buf text = {0};
        char id[24];
        int32_t label[N_CLASSES_MAX];
        int64_t n_labels = 0;
        for (int32_t k = 0; k < K; k++)
            if (kind == OC_TASK_MULTI ? oc_rng_f64(&r) < 0.4
                                      : (n_labels == 0 && k == (int32_t)(i % K)))
                label[n_labels++] = k;
        for (int64_t w = 2 + (int64_t)oc_rng_below(&r, 8); w > 0; w--)
            oc_buf_fmt(&text, "%s ", neutral[oc_rng_below(&r, (uint64_t)n_words)]);
        for (int64_t l = 0; l < n_labels; l++)
            for (int j = 0; j < 2; j++)
                oc_buf_fmt(&text, "%s ", class_words(label[l])[oc_rng_below(&r, 3)]);
        for (int64_t w = (int64_t)oc_rng_below(&r, 4); w > 0; w--)
            oc_buf_fmt(&text, "%s ", neutral[oc_rng_below(&r, (uint64_t)n_words)]);
        if (kind == OC_TASK_SINGLE && oc_rng_f64(&r) < noise)
            label[0] = (int32_t)oc_rng_below(&r, (uint64_t)K);
        snprintf(id, sizeof id, "%d", (int)i);
        OK(oc_dataset_add(&d, id, text.data, label, n_labels, &err));
        oc_buf_release(&text);
    }
    return d;
}

static inline void task_init(oc_task *t, int64_t K, oc_task_kind kind)
{
    *t = (oc_task){.kind = kind, .delimiter = ','};
    oc_strlcpy(t->name, "toy", sizeof t->name);
    oc_strlcpy(t->text_column, "text", sizeof t->text_column);
    oc_strlcpy(t->label_column, "y", sizeof t->label_column);
    for (int64_t k = 0; k < K; k++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", (int)k);
        OK(oc_strlist_add(&t->labels, name, strlen(name), &err));
    }
}

/* --- networks ------------------------------------------------------------------------------ */

static inline oc_dims small_dims(int32_t L, int32_t H, int32_t A, int32_t F, int32_t K)
{
    oc_dims d = {.L = L,
                 .H = H,
                 .D = H / A,
                 .V = 33,
                 .P = 32,
                 .S = 2,
                 .K = K,
                 .eps = 1e-12f,
                 .act = OC_ACT_GELU};
    for (int32_t l = 0; l < L; l++) {
        d.A[l] = A;
        d.F[l] = F;
    }
    return d;
}

/* Prestate of a test that is run once more with DistilBERT. */
static int as_distilbert;

static inline void follow_arch(oc_dims *d, void **state)
{
    if (*state != &as_distilbert)
        return;
    d->arch = OC_ARCH_DISTILBERT;
    d->S = 0;
}

/* f32 weights of a parameter, to be changed. */
static inline float *edit_at(oc_model *m, oc_kind k, int32_t layer)
{
    return oc_model_edit(m, m->layout.index[layer < 0 ? OC_MAX_LAYERS : layer][k]);
}

/* Random weights, larger than BERT's start so that every unit matters. */
static inline oc_checkpoint *checkpoint_new(const oc_dims *d, uint64_t seed, float gain)
{
    oc_model *m;
    oc_checkpoint *c;
    OK(oc_model_new(d, &m, &err));
    oc_model_init(m, seed);
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        for (int64_t j = 0;
             j < p->n && (oc_kind_is_matrix(p->kind) || oc_kind_is_embedding(p->kind)); j++)
            m->slab[p->offset + j] *= gain;
    }
    OK(oc_checkpoint_new(m, tokenizer_new(), &c, &err));
    c->config.max_len = 24;
    return c;
}

/* Weights that another model of the same dims must have for its file to be the same. */
static inline void assert_same_weights(const oc_model *a, const oc_model *b)
{
    assert_int_equal(a->layout.n_floats, b->layout.n_floats);
    for (int32_t i = 0; i < a->layout.n; i++)
        assert_memory_equal(a->w[i].f32, b->w[i].f32, (size_t)a->layout.param[i].n * sizeof(float));
}

#endif
