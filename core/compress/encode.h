/*
 * core/compress/encode.h - a data set as one model reads it: token ids, packed.
 *
 * Ids say what a note says. They are kept in memory only, on the shelf of one run, never on disk:
 * such a file would have to be kept as private as the notes themselves.
 */
#ifndef OC_COMPRESS_ENCODE_H
#define OC_COMPRESS_ENCODE_H

#include <stdint.h>

#include "core/base/err.h"
#include "core/data/task.h"
#include "core/engine/job.h"
#include "core/io/config.h"
#include "core/nn/bert.h"
#include "core/text/wordpiece.h"

typedef struct oc_encoded {
    int64_t n;      /* notes */
    int32_t *ids;   /* owned or shared; note i is ids[start[i] .. start[i+1]) */
    int64_t *start; /* owned or shared [n+1] */
    int64_t n_cut;  /* notes longer than max_len */
    int64_t max_T;
    int64_t *users; /* who shares ids and start; NULL: they are owned */
} oc_encoded;

/*
 * Tokenized sets that the stages of a run share, so that models with one tokenizer (teachers, the
 * student cut from one, every stage's input) read the same ids. By content: tokenizer, length, texts
 * and labels. Zero-initialize; the owner (the pipeline) lends it to its job and releases it when the
 * run ends. What was not used for longest goes first; one who still reads it keeps it alive.
 * Threads: the engine thread.
 */
enum { OC_SHELF_SETS = 16 };
#define OC_SHELF_BYTES ((int64_t)256 << 20) /* of all on the shelf; a larger set is not kept */
typedef struct oc_shelf {
    struct {
        char key[33];
        int64_t used; /* clock of the last use */
        oc_encoded e; /* users NULL: free place */
    } set[OC_SHELF_SETS];
    int64_t clock, bytes;
} oc_shelf;
void oc_shelf_release(oc_shelf *s);

/*
 * Tokenize every note, cut at max_len, or take them from job->shelf. Parallel over notes; progress
 * through job (may be NULL).
 */
oc_status oc_encode_all(oc_job *job, const oc_dataset *d, const oc_tokenizer *tok, int64_t max_len,
                        oc_encoded *out, oc_err *err) OC_NODISCARD;
void oc_encoded_release(oc_encoded *e);

/* Tokens a model cuts notes at: its config's, else `otherwise`; never more than it has positions. */
int64_t oc_max_len(const oc_config *c, int64_t otherwise);

/* A batch of chosen notes, packed into buffers kept between calls. */
typedef struct oc_batcher {
    int32_t *ids, *start; /* owned */
    size_t cap_ids, cap_start;
    oc_batch batch; /* borrows the buffers; valid until the next oc_batcher_fill */
} oc_batcher;
oc_status oc_batcher_fill(oc_batcher *b, const oc_encoded *e, const int64_t *note, int64_t n,
                          oc_err *err) OC_NODISCARD;
void oc_batcher_release(oc_batcher *b);

/* Packing as progress ("packing weights", layers) of a job that may be NULL; nothing is said of less
 * than a second. */
typedef struct oc_pack_meter {
    oc_meter meter;
    oc_pack_watch watch; /* for oc_limits and oc_bert_once; points to this meter */
} oc_pack_meter;
void oc_pack_meter_start(oc_pack_meter *p, oc_job *job);

/*
 * Make *b unless it is there; make it again when run.threads has grown past what it was made for
 * (a poll may do that). *workers: private, 0 at first. Packing is progress of the job.
 */
oc_status oc_bert_keep(oc_job *job, const oc_model *m, const oc_limits *lim, oc_bert **b,
                       int *workers, oc_err *err) OC_NODISCARD;

/*
 * A model that is asked several times, packed once. Zero-initialize; `lim` may say what the largest
 * batch will be, so that it need not be packed again when a larger one comes.
 * Where the first call is one batch it goes through oc_bert_once: it may be the only one, and a first
 * answer need not wait for packing.
 */
typedef struct oc_infer {
    oc_limits lim;
    int64_t calls;
    oc_bert *bert; /* owned; NULL until it pays */
    int workers;
} oc_infer;
oc_status oc_infer_run(oc_infer *in, oc_job *job, const oc_job_hooks *hooks, const oc_model *m,
                       const oc_encoded *e, int64_t max_tokens, const char *what, float *logits,
                       oc_err *err) OC_NODISCARD;
void oc_infer_release(oc_infer *in);

/*
 * Logits of every note, f32 [n,K] (caller's), in batches of at most `max_tokens` rows, notes
 * sorted by length inside (the result is in note order). Same bits for any batching.
 */
oc_status oc_infer_all(oc_job *job, const oc_model *m, const oc_encoded *e, int64_t max_tokens,
                       const char *what, float *logits, oc_err *err) OC_NODISCARD;
/* The same inside a training stage: hooks goes to oc_job_poll. what NULL: no progress events. */
oc_status oc_infer_hooked(oc_job *job, const oc_job_hooks *hooks, const oc_model *m,
                          const oc_encoded *e, int64_t max_tokens, const char *what, float *logits,
                          oc_err *err) OC_NODISCARD;
#define OC_INFER_TOKENS 2048 /* rows of a batch where nothing says otherwise */

#endif
