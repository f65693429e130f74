/*
 * core/compress/encode.c - tokenizing in parallel, packing, and inference in batches.
 */
#include "core/compress/encode.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/hash.h"
#include "core/base/par.h"
#include "core/base/str.h"

/* --- tokenizing ------------------------------------------------------------------------------ */

// A round is what is dealt to the workers between two polls; a piece is what one worker takes.
#define PIECE_NOTES  8
#define ROUND_PIECES 32
#define ROUND_NOTES  (PIECE_NOTES * ROUND_PIECES)

typedef struct piece {
    oc_ids ids; // ids of its notes, one after another
    int64_t len[PIECE_NOTES];
    int64_t n_cut;
    oc_status st;
    oc_err err;
} piece;

typedef struct encode_round {
    const oc_dataset *d;
    const oc_tokenizer *tok;
    int64_t max_len, first, n; // notes first .. first + n
    piece *pieces;             // [ROUND_PIECES]
    oc_encoder **encoder;      // owned [n_encoders]: a worker's own; NULL until it has work
    int n_encoders;
} encode_round;

// Reading one token past max_len tells whether the note is longer, without reading all of it.
static oc_status encode_note(const encode_round *r, oc_encoder *e, piece *p, int64_t slot,
                             const char *text)
{
    int64_t mark = p->ids.n;
    OC_TRY(oc_encoder_encode(e, text, strlen(text), r->max_len + 1, &p->ids, NULL, &p->err));
    if (p->ids.n - mark > r->max_len) {
        p->ids.n--;
        p->ids.id[p->ids.n - 1] = p->ids.id[p->ids.n];
        p->n_cut++;
    }
    p->len[slot] = p->ids.n - mark;
    return OC_OK;
}

static void encode_pieces(void *ctx, int64_t begin, int64_t end, int worker)
{
    encode_round *r = ctx;
    oc_encoder **e = &r->encoder[worker];
    for (int64_t i = begin; i < end; i++) {
        piece *p = &r->pieces[i];
        p->ids.n = 0;
        p->n_cut = 0;
        p->st = *e ? OC_OK : oc_encoder_new(r->tok, e, &p->err);
        for (int64_t s = 0; s < PIECE_NOTES && i * PIECE_NOTES + s < r->n && p->st == OC_OK; s++)
            p->st = encode_note(r, *e, p, s, r->d->text[r->first + i * PIECE_NOTES + s]);
    }
}

// Pieces are appended in note order, so the result does not depend on who did which.
static oc_status take_round(const encode_round *r, oc_encoded *e, size_t *cap, oc_err *err)
{
    for (int64_t done = 0; done < r->n; done += PIECE_NOTES) {
        const piece *p = &r->pieces[done / PIECE_NOTES];
        if (p->st != OC_OK) {
            if (err && err->status == OC_OK)
                *err = p->err;
            return p->st;
        }
        int64_t at = e->start[r->first + done];
        OC_TRY(oc_grow(&e->ids, cap, (size_t)(at + p->ids.n), sizeof(int32_t), err));
        memcpy(e->ids + at, p->ids.id, (size_t)p->ids.n * sizeof(int32_t));
        e->n_cut += p->n_cut;
        for (int64_t s = 0; s < PIECE_NOTES && done + s < r->n; s++) {
            e->start[r->first + done + s + 1] = at += p->len[s];
            e->max_T = OC_MAX(e->max_T, p->len[s]);
        }
    }
    return OC_OK;
}

// A poll may raise the number of workers.
static oc_status seat_workers(encode_round *r, oc_err *err)
{
    int n = oc_par_workers();
    if (n <= r->n_encoders)
        return OC_OK;
    oc_encoder **more = oc_calloc((size_t)n, sizeof(oc_encoder *));
    if (!more)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %d workers", n);
    for (int i = 0; i < r->n_encoders; i++)
        more[i] = r->encoder[i];
    oc_free(r->encoder);
    r->encoder = more;
    r->n_encoders = n;
    return OC_OK;
}

static oc_status encode_rounds(oc_job *job, encode_round *r, oc_encoded *e, oc_err *err)
{
    size_t cap = 0;
    oc_meter meter;
    oc_meter_start(&meter, job, "tokenize", "notes", r->d->n);
    for (int64_t i = 0; i < r->d->n; i += ROUND_NOTES) {
        OC_TRY(oc_job_poll(job, NULL, err));
        OC_TRY(seat_workers(r, err));
        r->first = i;
        r->n = OC_MIN(ROUND_NOTES, r->d->n - i);
        oc_par_for((r->n + PIECE_NOTES - 1) / PIECE_NOTES, 1, encode_pieces, r);
        OC_TRY(take_round(r, e, &cap, err));
        oc_meter_at(&meter, i + r->n);
    }
    return OC_OK;
}

static oc_status encode_all(oc_job *job, const oc_dataset *d, const oc_tokenizer *tok,
                            int64_t max_len, oc_encoded *out, oc_err *err)
{
    oc_status rc = OC_OK;
    oc_encoded e = {.n = d->n};
    encode_round r = {.d = d, .tok = tok, .max_len = max_len};
    e.start = oc_calloc((size_t)d->n + 1, sizeof(int64_t));
    r.pieces = oc_calloc(ROUND_PIECES, sizeof(piece));
    if (!e.start || !r.pieces)
        rc = OC_FAIL(err, OC_NOMEM, "out of memory for %lld notes", (long long)d->n);
    else
        rc = encode_rounds(job, &r, &e, err);
    for (int i = 0; r.pieces && i < ROUND_PIECES; i++)
        oc_ids_release(&r.pieces[i].ids);
    for (int i = 0; i < r.n_encoders; i++)
        oc_encoder_free(r.encoder[i]);
    oc_free(r.encoder);
    oc_free(r.pieces);
    if (rc == OC_OK)
        *out = e;
    else
        oc_encoded_release(&e);
    return rc;
}

void oc_encoded_release(oc_encoded *e)
{
    if (!e->users || --*e->users == 0) {
        oc_free(e->ids);
        oc_free(e->start);
        oc_free(e->users);
    }
    *e = (oc_encoded){0};
}

/* --- the shelf ------------------------------------------------------------------------------- */

static int64_t encoded_bytes(const oc_encoded *e)
{
    return e->start[e->n] * (int64_t)sizeof(int32_t) + (e->n + 1) * (int64_t)sizeof(int64_t);
}

static void shelf_drop(oc_shelf *s, int i)
{
    s->bytes -= encoded_bytes(&s->set[i].e);
    oc_encoded_release(&s->set[i].e);
}

void oc_shelf_release(oc_shelf *s)
{
    for (int i = 0; i < OC_SHELF_SETS; i++)
        if (s->set[i].e.users)
            shelf_drop(s, i);
}

static bool shelf_take(oc_shelf *s, const char *key, oc_encoded *out)
{
    for (int i = 0; i < OC_SHELF_SETS; i++) {
        if (!s->set[i].e.users || strcmp(s->set[i].key, key) != 0)
            continue;
        s->set[i].used = ++s->clock;
        *out = s->set[i].e;
        ++*out->users;
        return true;
    }
    return false;
}

static int shelf_oldest(const oc_shelf *s)
{
    int oldest = -1;
    for (int i = 0; i < OC_SHELF_SETS; i++)
        if (s->set[i].e.users && (oldest < 0 || s->set[i].used < s->set[oldest].used))
            oldest = i;
    return oldest;
}

// Without memory for the count the set stays its caller's alone.
static void shelf_put(oc_shelf *s, const char *key, oc_encoded *e)
{
    int64_t bytes = encoded_bytes(e);
    if (bytes > OC_SHELF_BYTES || !(e->users = oc_calloc(1, sizeof *e->users)))
        return;
    while (s->bytes + bytes > OC_SHELF_BYTES)
        shelf_drop(s, shelf_oldest(s));
    int i = 0;
    while (i < OC_SHELF_SETS && s->set[i].e.users)
        i++;
    if (i == OC_SHELF_SETS)
        shelf_drop(s, i = shelf_oldest(s));
    *e->users = 2; // the shelf and the caller
    s->set[i].e = *e;
    s->set[i].used = ++s->clock;
    s->bytes += bytes;
    oc_strlcpy(s->set[i].key, key, sizeof s->set[i].key);
}

static oc_status shelf_key(const oc_dataset *d, const oc_tokenizer *tok, int64_t max_len,
                           char key[33], oc_err *err)
{
    char part[33];
    oc_hash *h = oc_hash_new();
    if (!h)
        return OC_FAIL(err, OC_NOMEM, "out of memory for a content key");
    oc_tokenizer_key(tok, part);
    oc_hash_str(h, part);
    oc_dataset_key(d, part);
    oc_hash_str(h, part);
    oc_hash_add(h, &max_len, sizeof max_len);
    oc_hash_take(h, key);
    return OC_OK;
}

oc_status oc_encode_all(oc_job *job, const oc_dataset *d, const oc_tokenizer *tok, int64_t max_len,
                        oc_encoded *out, oc_err *err)
{
    if (max_len < 3 || max_len == INT64_MAX)
        return OC_FAIL(err, OC_RANGE, "notes cannot be cut at %lld tokens: at least 3 are needed",
                       (long long)max_len);
    if (!job || !job->shelf)
        return encode_all(job, d, tok, max_len, out, err);
    char key[33];
    OC_TRY(shelf_key(d, tok, max_len, key, err));
    if (shelf_take(job->shelf, key, out))
        return OC_OK;
    OC_TRY(encode_all(job, d, tok, max_len, out, err));
    shelf_put(job->shelf, key, out);
    return OC_OK;
}

/* --- lengths --------------------------------------------------------------------------------- */

int64_t oc_max_len(const oc_config *c, int64_t otherwise)
{
    return OC_MIN(c->max_len > 0 ? c->max_len : otherwise, (int64_t)c->dims.P);
}

/* --- packing --------------------------------------------------------------------------------- */

oc_status oc_batcher_fill(oc_batcher *b, const oc_encoded *e, const int64_t *note, int64_t n,
                          oc_err *err)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < n; i++)
        rows += e->start[note[i] + 1] - e->start[note[i]];
    if (rows > INT32_MAX)
        return OC_FAIL(err, OC_RANGE, "a batch of %lld notes has %lld tokens, more than %d",
                       (long long)n, (long long)rows, INT32_MAX);
    OC_TRY(oc_grow(&b->ids, &b->cap_ids, (size_t)rows, sizeof(int32_t), err));
    OC_TRY(oc_grow(&b->start, &b->cap_start, (size_t)n + 1, sizeof(int32_t), err));
    b->start[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t from = e->start[note[i]], len = e->start[note[i] + 1] - from;
        memcpy(b->ids + b->start[i], e->ids + from, (size_t)len * sizeof(int32_t));
        b->start[i + 1] = b->start[i] + (int32_t)len;
    }
    b->batch = (oc_batch){.B = n, .N = rows, .start = b->start, .ids = b->ids};
    return OC_OK;
}

void oc_batcher_release(oc_batcher *b)
{
    oc_free(b->ids);
    oc_free(b->start);
    *b = (oc_batcher){0};
}

static void packed(void *ctx, int32_t done, int32_t layers)
{
    oc_meter *m = ctx;
    m->total = layers;
    oc_meter_at(m, done);
}

void oc_pack_meter_start(oc_pack_meter *p, oc_job *job)
{
    oc_meter_start(&p->meter, job, "packing weights", "layers", 0);
    p->meter.quiet_ns = 1000000000;
    p->watch = (oc_pack_watch){.fn = packed, .ctx = &p->meter};
}

oc_status oc_bert_keep(oc_job *job, const oc_model *m, const oc_limits *lim, oc_bert **b,
                       int *workers, oc_err *err)
{
    if (*b && oc_par_workers() <= *workers)
        return OC_OK;
    oc_bert_free(*b);
    *b = NULL;
    *workers = OC_MAX(oc_par_workers(), oc_par_cores());
    oc_pack_meter p;
    oc_limits watched = *lim;
    oc_pack_meter_start(&p, job);
    watched.watch = &p.watch;
    return oc_bert_new(m, &watched, b, err);
}

/* --- inference ------------------------------------------------------------------------------- */

typedef struct by_length {
    int64_t len, note;
} by_length;

static int compare_length(const void *a, const void *b)
{
    const by_length *x = a, *y = b;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->note < y->note ? -1 : x->note > y->note;
}

typedef struct inference {
    const oc_encoded *e;
    int64_t max_tokens;
    by_length *sorted; // owned [n]
    int64_t *note;     // owned [n] notes by length
    float *logits;     // owned [max_B, K]
    oc_limits lim;
    int64_t batches;
    oc_batcher batcher;
} inference;

// End of the batch that starts at i: as many notes as fit, but at least one.
static int64_t batch_end(const inference *in, int64_t i)
{
    int64_t rows = in->sorted[i].len, end = i + 1;
    while (end < in->e->n && rows + in->sorted[end].len <= in->max_tokens)
        rows += in->sorted[end++].len;
    return end;
}

static void find_limits(inference *in)
{
    for (int64_t i = 0, end; i < in->e->n; i = end) {
        int64_t rows = 0;
        end = batch_end(in, i);
        in->batches++;
        for (int64_t j = i; j < end; j++)
            rows += in->sorted[j].len;
        in->lim.max_B = OC_MAX(in->lim.max_B, end - i);
        in->lim.max_N = OC_MAX(in->lim.max_N, rows);
        in->lim.max_T = OC_MAX(in->lim.max_T, in->sorted[end - 1].len);
    }
}

static oc_status inference_init(inference *in, const oc_model *m, oc_err *err)
{
    size_t n = (size_t)in->e->n;
    in->sorted = oc_calloc(n, sizeof(by_length));
    in->note = oc_calloc(n, sizeof(int64_t));
    if (!in->sorted || !in->note)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %lld notes", (long long)in->e->n);
    for (int64_t i = 0; i < in->e->n; i++)
        in->sorted[i] = (by_length){.len = in->e->start[i + 1] - in->e->start[i], .note = i};
    qsort(in->sorted, n, sizeof(by_length), compare_length);
    for (int64_t i = 0; i < in->e->n; i++)
        in->note[i] = in->sorted[i].note;
    find_limits(in);
    in->logits = oc_calloc((size_t)in->lim.max_B * (size_t)m->dims.K, sizeof(float));
    if (!in->logits)
        return OC_FAIL(err, OC_NOMEM, "out of memory for the logits of %lld notes",
                       (long long)in->lim.max_B);
    return OC_OK;
}

/* Room for these batches, too. */
static void widen(oc_infer *k, const oc_limits *lim)
{
    if (lim->max_B <= k->lim.max_B && lim->max_N <= k->lim.max_N && lim->max_T <= k->lim.max_T)
        return;
    k->lim.max_B = OC_MAX(k->lim.max_B, lim->max_B);
    k->lim.max_N = OC_MAX(k->lim.max_N, lim->max_N);
    k->lim.max_T = OC_MAX(k->lim.max_T, lim->max_T);
    oc_infer_release(k);
}

static oc_status one_batch(const inference *in, oc_infer *k, oc_job *job, const oc_model *m,
                           oc_err *err)
{
    if (!k->bert && k->calls == 1 && in->batches == 1) {
        oc_pack_meter p;
        oc_pack_meter_start(&p, job);
        return oc_bert_once(m, &in->batcher.batch, &p.watch, in->logits, err);
    }
    OC_TRY(oc_bert_keep(job, m, &k->lim, &k->bert, &k->workers, err));
    OC_TRY(oc_batch_check(&in->batcher.batch, &m->dims, &k->lim, err));
    oc_bert_forward(k->bert, &in->batcher.batch, NULL, in->logits);
    return OC_OK;
}

static oc_status inference_run(inference *in, oc_infer *k, oc_job *job, const oc_job_hooks *hooks,
                               const oc_model *m, const char *what, float *logits, oc_err *err)
{
    int64_t K = m->dims.K;
    oc_meter meter;
    if (what)
        oc_meter_start(&meter, job, what, "notes", in->e->n);
    for (int64_t i = 0, end; i < in->e->n; i = end) {
        OC_TRY(oc_job_poll(job, hooks, err));
        end = batch_end(in, i);
        OC_TRY(oc_batcher_fill(&in->batcher, in->e, in->note + i, end - i, err));
        OC_TRY(one_batch(in, k, job, m, err));
        for (int64_t j = i; j < end; j++)
            memcpy(logits + in->note[j] * K, in->logits + (j - i) * K, (size_t)K * sizeof(float));
        if (what)
            oc_meter_at(&meter, end);
    }
    return OC_OK;
}

oc_status oc_infer_run(oc_infer *k, oc_job *job, const oc_job_hooks *hooks, const oc_model *m,
                       const oc_encoded *e, int64_t max_tokens, const char *what, float *logits,
                       oc_err *err)
{
    if (e->n == 0)
        return OC_OK;
    inference in = {.e = e, .max_tokens = max_tokens};
    oc_status rc = inference_init(&in, m, err);
    k->calls++;
    widen(k, &in.lim);
    if (rc == OC_OK)
        rc = inference_run(&in, k, job, hooks, m, what, logits, err);
    oc_batcher_release(&in.batcher);
    oc_free(in.logits);
    oc_free(in.note);
    oc_free(in.sorted);
    return rc;
}

void oc_infer_release(oc_infer *k)
{
    oc_bert_free(k->bert);
    k->bert = NULL;
}

oc_status oc_infer_hooked(oc_job *job, const oc_job_hooks *hooks, const oc_model *m,
                          const oc_encoded *e, int64_t max_tokens, const char *what, float *logits,
                          oc_err *err)
{
    oc_infer k = {0};
    oc_status rc = oc_infer_run(&k, job, hooks, m, e, max_tokens, what, logits, err);
    oc_infer_release(&k);
    return rc;
}

oc_status oc_infer_all(oc_job *job, const oc_model *m, const oc_encoded *e, int64_t max_tokens,
                       const char *what, float *logits, oc_err *err)
{
    return oc_infer_hooked(job, NULL, m, e, max_tokens, what, logits, err);
}
