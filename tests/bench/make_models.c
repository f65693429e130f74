/*
 * tests/bench/make_models.c - what the model benchmark runs on, written once and kept.
 *
 *   DIR/NAME-f32, DIR/NAME-int8   model folders of published shapes with random weights
 *   DIR/notes.ids                 token ids of sampled real notes, a note a line, cut at 512
 * A vocabulary or notes that are not there: a made vocabulary, no notes.ids.
 * Usage: make_models DIR VOCAB.txt NOTES.csv [NAME...]   (all shapes without names)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/attr.h"
#include "core/base/file.h"
#include "core/compress/quantize.h"
#include "core/data/csv.h"
#include "core/kernels/kernels.h"
#include "tests/bench/shapes.h"

static oc_status load_vocab(const char *path, oc_vocab **out, oc_err *err)
{
    if (oc_path_exists(path))
        return oc_vocab_load(path, out, err);
    oc_buf b = {0};
    oc_buf_str(&b, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n");
    for (int i = 5; i < BENCH_V; i++)
        oc_buf_fmt(&b, "w%d\n", i);
    oc_status st = oc_buf_check(&b, err);
    if (st == OC_OK)
        st = oc_vocab_parse(b.data, b.len, "made vocabulary", out, err);
    oc_buf_release(&b);
    return st;
}

static oc_dims dims_of(const shape *s, int32_t V)
{
    oc_dims d = {.L = s->L,
                 .H = s->H,
                 .D = s->H / s->A,
                 .V = V,
                 .P = BENCH_P,
                 .S = 2,
                 .K = 2,
                 .eps = 1e-12f,
                 .act = OC_ACT_GELU,
                 .p_hidden = 0.1f,
                 .p_attn = 0.1f,
                 .p_cls = 0.1f};
    for (int32_t l = 0; l < s->L; l++) {
        d.A[l] = s->A;
        d.F[l] = s->F;
    }
    return d;
}

static void no_event(void *ctx, const oc_event *e)
{
    (void)ctx;
    (void)e;
}

static oc_status new_checkpoint(const shape *s, const char *vocab, oc_checkpoint **out, oc_err *err)
{
    oc_vocab *v = NULL;
    oc_tokenizer *tok = NULL;
    oc_model *m = NULL;
    OC_TRY(load_vocab(vocab, &v, err));
    oc_dims d = dims_of(s, oc_vocab_size(v));
    oc_status st = oc_tokenizer_new(v, true, &tok, err);
    if (st != OC_OK)
        oc_vocab_free(v);
    if (st == OC_OK)
        st = oc_model_new(&d, &m, err);
    if (st == OC_OK) {
        oc_model_init(m, 11);
        st = oc_checkpoint_new(m, tok, out, err);
    }
    if (st != OC_OK) {
        oc_tokenizer_free(tok);
        oc_model_free(m);
    }
    return st;
}

static oc_status make_model(const char *dir, const shape *s, const char *vocab, oc_err *err)
{
    char f32[OC_PATH_MAX], int8[OC_PATH_MAX], name[64];
    snprintf(name, sizeof name, "%s-f32", s->name);
    OC_TRY(oc_path_join(f32, dir, name, err));
    snprintf(name, sizeof name, "%s-int8", s->name);
    OC_TRY(oc_path_join(int8, dir, name, err));
    if (oc_path_is_dir(f32) && oc_path_is_dir(int8))
        return OC_OK;
    printf("making %s\n", s->name);
    oc_checkpoint *c = NULL;
    OC_TRY(new_checkpoint(s, vocab, &c, err));
    oc_job job = {.emit = no_event};
    oc_settings_init(&job.set);
    oc_quant_opts o = {.clip = OC_CLIP_MAX, .percentile = 100, .embeddings = true, .head = true};
    oc_status st = oc_checkpoint_save(c, f32, NULL, err);
    if (st == OC_OK)
        st = oc_quantize_model(&job, c->model, &o, s->name, err);
    if (st == OC_OK)
        st = oc_checkpoint_save(c, int8, NULL, err);
    oc_checkpoint_free(c);
    return st;
}

/* --- notes ------------------------------------------------------------------------------------- */

static void put_note(oc_buf *out, const oc_ids *ids)
{
    for (int64_t i = 0; i < ids->n; i++)
        oc_buf_fmt(out, "%s%d", i ? " " : "", ids->id[i]);
    oc_buf_ch(out, '\n');
}

/* Every `step`-th distinct text, so that all parts of the file are in the sample. */
static oc_status sample_notes(oc_csv *csv, const oc_tokenizer *tok, oc_buf *out, oc_err *err)
{
    enum { STEP = 37 };
    oc_csv_row row;
    int got, taken = 0, text = -1;
    oc_ids ids = {0};
    oc_status st = OC_OK;
    for (int64_t i = -1; taken < BENCH_NOTES; i++) {
        st = oc_csv_next(csv, &row, &got, err);
        if (st != OC_OK || !got)
            break;
        for (int64_t f = 0; i < 0 && f < row.n; f++)
            if (!strcmp(row.field[f], "transcription"))
                text = (int)f;
        if (text < 0) {
            st = OC_FAIL(err, OC_FORMAT, "the notes have no column 'transcription'");
            break;
        }
        if (i < 0 || i % STEP || row.n <= text || !row.field[text][0])
            continue;
        ids.n = 0;
        st = oc_encode(tok, row.field[text], strlen(row.field[text]), BENCH_P, &ids, NULL, err);
        if (st != OC_OK)
            break;
        put_note(out, &ids);
        taken++;
    }
    oc_ids_release(&ids);
    return st;
}

static oc_status make_notes(const char *dir, const char *vocab, const char *notes, oc_err *err)
{
    char path[OC_PATH_MAX];
    OC_TRY(oc_path_join(path, dir, "notes.ids", err));
    if (oc_path_exists(path) || !oc_path_exists(notes) || !oc_path_exists(vocab))
        return OC_OK;
    oc_vocab *v = NULL;
    oc_tokenizer *tok = NULL;
    oc_csv *csv = NULL;
    oc_buf out = {0};
    char *data;
    size_t n;
    OC_TRY(oc_vocab_load(vocab, &v, err));
    oc_status st = oc_tokenizer_new(v, true, &tok, err);
    if (st != OC_OK)
        oc_vocab_free(v);
    if (st == OC_OK)
        st = oc_file_read(notes, (size_t)1 << 30, &data, &n, err);
    if (st == OC_OK)
        st = oc_csv_new(data, n, notes, ',', &csv, err);
    if (st == OC_OK)
        st = sample_notes(csv, tok, &out, err);
    if (st == OC_OK)
        st = oc_buf_check(&out, err);
    if (st == OC_OK)
        st = oc_file_write(path, out.data, out.len, err);
    oc_buf_release(&out);
    oc_csv_free(csv);
    oc_tokenizer_free(tok);
    return st;
}

static bool wanted(const char *name, char **names, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(name, names[i]))
            return true;
    return n == 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: make_models DIR VOCAB.txt NOTES.csv [NAME...]\n");
        return 2;
    }
    oc_err err = {0};
    oc_status st = oc_kernels_select(&err);
    if (st == OC_OK)
        st = oc_mkdirs(argv[1], &err);
    for (int i = 0; st == OC_OK && i < OC_COUNT(shapes); i++)
        if (wanted(shapes[i].name, argv + 4, argc - 4))
            st = make_model(argv[1], &shapes[i], argv[2], &err);
    if (st == OC_OK)
        st = make_notes(argv[1], argv[2], argv[3], &err);
    if (st != OC_OK)
        fprintf(stderr, "make_models: %s\n", err.msg);
    return st == OC_OK ? 0 : 1;
}
