/*
 * tests/bench/bench_text.c - rate of WordPiece over real notes, one thread, uncased and cased.
 *
 * Bytes are those of the text column alone (1 MB = 10^6); every note is tokenized whole, into one
 * array of ids that is used again. A round runs every line once, so a slow moment of the machine
 * hits all lines alike; median and best over rounds after one that is not counted.
 * Usage: bench_text [ROUNDS]   (default 15); OC_SHARED_DATA names the folder of corpora.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/data/task.h"
#include "core/text/wordpiece.h"

enum { MAX_ROUNDS = 101 };

typedef struct corpus {
    const char *file, *text_column;
    oc_dataset d;
    double mb;
} corpus;

typedef struct line {
    corpus *notes;
    oc_tokenizer *tok;
    oc_encoder *encoder; /* owned */
    oc_ids ids;
    int64_t n_ids;
    double rate[MAX_ROUNDS]; /* MB/s */
} line;

static void must(oc_status rc, const oc_err *err)
{
    if (rc == OC_OK)
        return;
    fprintf(stderr, "bench_text: %s\n", err->msg);
    exit(1);
}

static const char *shared(const char *name)
{
    static char path[OC_PATH_MAX];
    const char *dir = getenv("OC_SHARED_DATA");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "../shared/data", name);
    if (!oc_path_exists(path)) {
        printf("skipped: %s is not here\n", path);
        exit(0);
    }
    return path;
}

static void corpus_load(corpus *c)
{
    oc_err err = {0};
    oc_task task = {.name = "text", .kind = OC_TASK_SINGLE, .delimiter = ','};
    snprintf(task.text_column, sizeof task.text_column, "%s", c->text_column);
    snprintf(task.label_column, sizeof task.label_column, "none");
    must(oc_strlist_add(&task.labels, "none", 4, &err), &err);
    must(oc_data_load_file(shared(c->file), &task, false, true, &c->d, NULL, &err), &err);
    oc_task_release(&task);
    for (int64_t i = 0; i < c->d.n; i++)
        c->mb += (double)strlen(c->d.text[i]) * 1e-6;
}

static oc_tokenizer *tokenizer(const char *vocab, bool lowercase)
{
    oc_err err = {0};
    oc_vocab *v;
    oc_tokenizer *t;
    must(oc_vocab_load(shared(vocab), &v, &err), &err);
    must(oc_tokenizer_new(v, lowercase, &t, &err), &err);
    return t;
}

static void line_round(line *l, int round)
{
    oc_err err = {0};
    int64_t t0 = oc_now_ns();
    l->n_ids = 0;
    for (int64_t i = 0; i < l->notes->d.n; i++) {
        const char *s = l->notes->d.text[i];
        l->ids.n = 0;
        must(oc_encoder_tokenize(l->encoder, s, strlen(s), &l->ids, &err), &err);
        l->n_ids += l->ids.n;
    }
    int64_t ns = oc_now_ns() - t0;
    if (round >= 0)
        l->rate[round] = l->notes->mb * 1e9 / (double)OC_MAX(ns, 1);
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 15;
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    static corpus notes[] = {
        {.file = "mtsamples/mtsamples_12_single_label.csv", .text_column = "text"},
        {.file = "mtsamples/mtsamples.csv", .text_column = "transcription"},
    };
    oc_tokenizer *tok[] = {tokenizer("bert-vocab/bert-base-uncased-vocab.txt", true),
                           tokenizer("bert-vocab/bert-base-cased-vocab.txt", false)};
    static line lines[4];
    for (int i = 0; i < 2; i++)
        corpus_load(&notes[i]);
    for (int i = 0; i < 4; i++) {
        oc_err err = {0};
        lines[i] = (line){.notes = &notes[i / 2], .tok = tok[i % 2]};
        must(oc_encoder_new(lines[i].tok, &lines[i].encoder, &err), &err);
    }
    for (int r = -1; r < rounds; r++)
        for (int i = 0; i < 4; i++)
            line_round(&lines[i], r);
    printf("WordPiece, 1 thread, median and best of %d rounds\n", rounds);
    for (int i = 0; i < 4; i++) {
        line *l = &lines[i];
        qsort(l->rate, (size_t)rounds, sizeof l->rate[0], by_value);
        printf("%-40s %-7s %8.2f MB %9lld ids %8.1f %8.1f  MB/s\n", l->notes->file,
               l->tok->lowercase ? "uncased" : "cased", l->notes->mb, (long long)l->n_ids,
               l->rate[rounds / 2], l->rate[rounds - 1]);
        oc_ids_release(&l->ids);
        oc_encoder_free(l->encoder);
    }
    for (int i = 0; i < 2; i++) {
        oc_dataset_release(&notes[i].d);
        oc_tokenizer_free(tok[i]);
    }
    return 0;
}
