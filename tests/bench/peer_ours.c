/*
 * tests/bench/peer_ours.c - our side of the model benchmark, in the peers' own protocol (core/measure/peer.h).
 *
 * Batches are packed: a note costs its own tokens, whatever LENGTH says of padding. The model
 * folders are MODEL-f32 and MODEL-int8.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/attr.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/par.h"
#include "core/io/checkpoint.h"
#include "core/kernels/kernels.h"
#include "core/nn/adamw.h"
#include "core/nn/bert.h"
#include "core/nn/loss.h"

enum { MAX_RUNS = 64, MAX_BATCH = 64, MAX_KEPT = 4 };

typedef struct request {
    char mode[16], variant[32], model[512], source[512];
    int threads, runs;
    int64_t count, batch, length;
} request;

/* Notes of a request, one after another, in the order they run. */
typedef struct notes {
    int64_t n, max_T;
    int32_t *ids;   /* owned */
    int64_t *start; /* owned [n+1] */
} notes;

/* A model, packed, and what training needs beside it. */
typedef struct kept {
    char key[640]; /* what it was made for; "" = free */
    oc_checkpoint *k;
    oc_bert *bert;
    float *grad, *m, *v; /* training only, [n_floats] */
    int64_t step;
    int64_t used;
} kept;

static kept slots[MAX_KEPT];

static void drop(kept *s)
{
    oc_bert_free(s->bert);
    oc_checkpoint_free(s->k);
    oc_free(s->grad);
    oc_free(s->m);
    oc_free(s->v);
    *s = (kept){0};
}

static void notes_release(notes *w)
{
    oc_free(w->ids);
    oc_free(w->start);
    *w = (notes){0};
}

/* --- what to run ------------------------------------------------------------------------------- */

/* Token i of note b, as every peer makes it. */
static int32_t made_id(int64_t b, int64_t i)
{
    return i == 0 ? 101 : (int32_t)(1000 + (b * 131 + i * 7919) % 29000);
}

static oc_status make_fixed(int64_t count, int64_t T, notes *w, oc_err *err)
{
    w->n = count;
    w->ids = oc_calloc((size_t)(count * T), sizeof *w->ids);
    w->start = oc_calloc((size_t)count + 1, sizeof *w->start);
    if (!w->ids || !w->start)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    for (int64_t b = 0; b < count; b++) {
        w->start[b + 1] = (b + 1) * T;
        for (int64_t i = 0; i < T; i++)
            w->ids[b * T + i] = made_id(b, i);
    }
    return OC_OK;
}

static oc_status parse_notes(const char *text, int64_t count, notes *w, oc_err *err)
{
    size_t cap_ids = 0, cap_start = 0, n_ids = 0;
    OC_TRY(oc_grow(&w->start, &cap_start, 1, sizeof *w->start, err));
    w->start[0] = 0;
    for (const char *p = text; *p && w->n < count; p++) {
        while (*p && *p != '\n') {
            char *end;
            long id = strtol(p, &end, 10);
            if (end == p)
                return OC_FAIL(err, OC_FORMAT, "the notes hold something else than token ids");
            OC_TRY(oc_grow(&w->ids, &cap_ids, n_ids + 1, sizeof *w->ids, err));
            w->ids[n_ids++] = (int32_t)id;
            p = end;
        }
        OC_TRY(oc_grow(&w->start, &cap_start, (size_t)w->n + 2, sizeof *w->start, err));
        w->start[++w->n] = (int64_t)n_ids;
        if (!*p)
            break;
    }
    return OC_OK;
}

static oc_status make_notes(const request *r, notes *w, oc_err *err)
{
    if (!strcmp(r->source, "fixed")) {
        OC_TRY(make_fixed(r->count, r->length, w, err));
    } else {
        char *text;
        size_t n;
        OC_TRY(oc_file_read(r->source, (size_t)1 << 28, &text, &n, err));
        oc_status st = parse_notes(text, r->count, w, err);
        oc_free(text);
        OC_TRY(st);
    }
    for (int64_t i = 0; i < w->n; i++)
        w->max_T = OC_MAX(w->max_T, w->start[i + 1] - w->start[i]);
    return w->n > 0 ? OC_OK : OC_FAIL(err, OC_FORMAT, "no notes");
}

/* --- the model --------------------------------------------------------------------------------- */

static oc_status make_training(kept *s, oc_err *err)
{
    size_t n = (size_t)s->k->model->layout.n_floats;
    s->grad = oc_calloc(n, sizeof *s->grad);
    s->m = oc_calloc(n, sizeof *s->m);
    s->v = oc_calloc(n, sizeof *s->v);
    return s->grad && s->m && s->v ? OC_OK : OC_FAIL(err, OC_NOMEM, "out of memory");
}

/* One packed network for each (model, threads, limits) of a row; the oldest makes room. */
static oc_status find_kept(const request *r, const notes *w, kept **out, oc_err *err)
{
    static int64_t clock;
    bool train = !strcmp(r->mode, "train");
    oc_limits lim = {.max_B = OC_MIN(r->batch, w->n), .max_T = w->max_T, .train = train};
    lim.max_N = lim.max_B * lim.max_T;
    char key[640], folder[560];
    snprintf(folder, sizeof folder, "%s-%s", r->model, r->variant);
    snprintf(key, sizeof key, "%s %d %d %lld %lld", folder, train, r->threads, (long long)lim.max_B,
             (long long)lim.max_T);
    kept *s = &slots[0];
    for (int i = 0; i < MAX_KEPT; i++) {
        if (!strcmp(slots[i].key, key)) {
            slots[i].used = ++clock;
            *out = &slots[i];
            return OC_OK;
        }
        if (slots[i].used < s->used)
            s = &slots[i];
    }
    drop(s);
    OC_TRY(oc_checkpoint_load(folder, 2, 1, &s->k, err));
    if (train)
        OC_TRY(oc_checkpoint_own(s->k, err)); // a borrowed model has no slab to train
    OC_TRY(oc_bert_new(s->k->model, &lim, &s->bert, err));
    if (train)
        OC_TRY(make_training(s, err));
    snprintf(s->key, sizeof s->key, "%s", key);
    s->used = ++clock;
    *out = s;
    return OC_OK;
}

/* --- a run ------------------------------------------------------------------------------------- */

static void learn(kept *s, const oc_batch *b, const oc_dropout *drop, float *logits)
{
    enum { K = 2 };
    static float dz[MAX_BATCH * K], teacher[MAX_BATCH * K];
    static int32_t y[MAX_BATCH];
    const oc_layout *lo = &s->k->model->layout;
    memset(dz, 0, sizeof dz);
    memset(s->grad, 0, (size_t)lo->n_floats * sizeof *s->grad);
    for (int64_t i = 0; i < b->B; i++) {
        y[i] = (int32_t)(i % K);
        teacher[i * K] = 0.5f;
        teacher[i * K + 1] = -0.5f;
    }
    oc_loss_ce(logits, y, NULL, b->B, K, 0.5, dz);
    oc_loss_kd(logits, teacher, 2, b->B, K, 0.5, dz);
    oc_bert_backward(s->bert, b, drop, dz, s->grad);
    double norm = oc_grad_norm(s->grad, lo->n_floats);
    oc_adamw o = {.lr = 5e-5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
    oc_adamw_step(&o, s->step, lo, s->k->model->slab, s->grad, norm > 1 ? 1 / (norm + 1e-6) : 1,
                  s->m, s->v, NULL);
}

/* All notes once; the logits of the first are left in `first`. */
static void run_once(const request *r, kept *s, const notes *w, float first[2])
{
    static int32_t start[MAX_BATCH + 1];
    static float logits[MAX_BATCH * 2];
    for (int64_t at = 0; at < w->n; at += r->batch) {
        int64_t B = OC_MIN(r->batch, w->n - at);
        for (int64_t i = 0; i <= B; i++)
            start[i] = (int32_t)(w->start[at + i] - w->start[at]);
        oc_batch b = {.B = B, .N = start[B], .start = start, .ids = w->ids + w->start[at]};
        oc_dropout mask = {.seed = 7, .step = (uint64_t)++s->step};
        oc_bert_forward(s->bert, &b, s->grad ? &mask : NULL, logits);
        if (at == 0)
            memcpy(first, logits, 2 * sizeof *first);
        if (s->grad)
            learn(s, &b, &mask, logits);
    }
}

static oc_status answer(const request *r, oc_buf *out, oc_err *err)
{
    notes w = {0};
    kept *s;
    float first[2] = {0};
    oc_par_set_workers(r->threads);
    oc_status st = make_notes(r, &w, err);
    if (st == OC_OK)
        st = find_kept(r, &w, &s, err);
    oc_buf_str(out, "ok");
    for (int i = 0; st == OC_OK && i < r->runs; i++) {
        int64_t from = oc_now_ns();
        run_once(r, s, &w, first);
        oc_buf_fmt(out, " %.6f", (double)(oc_now_ns() - from) * 1e-6);
    }
    oc_buf_fmt(out, " ; %.7g %.7g\n", (double)first[0], (double)first[1]);
    notes_release(&w);
    return st;
}

static bool parse(const char *line, request *r)
{
    long long count, batch, length;
    *r = (request){0};
    if (sscanf(line, "%15s %31s %511s %d %d %511s %lld %lld %lld", r->mode, r->variant, r->model,
               &r->threads, &r->runs, r->source, &count, &batch, &length) != 9)
        return false;
    r->count = count;
    r->batch = batch;
    r->length = length;
    return r->threads >= 1 && r->runs >= 1 && r->runs <= MAX_RUNS && count >= 1 && batch >= 1 &&
           batch <= MAX_BATCH && length >= 0;
}

static void serve(void *ctx)
{
    (void)ctx;
    oc_err err;
    char line[2048];
    while (fgets(line, sizeof line, stdin)) {
        request r;
        oc_buf out = {0};
        err = (oc_err){0};
        if (!parse(line, &r))
            printf("no not understood: %s", line);
        else if (answer(&r, &out, &err) == OC_OK)
            fputs(oc_buf_cstr(&out), stdout);
        else
            printf("no %s\n", err.msg);
        fflush(stdout);
        oc_buf_release(&out);
    }
}

int main(void)
{
    oc_err err = {0};
    if (oc_kernels_select(&err) != OC_OK) {
        printf("absent %s\n", err.msg);
        return 1;
    }
    printf("ready optimclm %s, %s kernels|infer-f32 f32|infer-int8 int8|train f32\n", OC_VERSION,
           oc_isa_name(oc_k->isa));
    fflush(stdout);
    oc_par_team(serve, NULL);
    for (int i = 0; i < MAX_KEPT; i++)
        drop(&slots[i]);
    return 0;
}
