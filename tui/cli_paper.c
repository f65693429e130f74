/*
 * tui/cli_paper.c - bench --paper: one model against the paper's ensemble, as one ratio.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/data/notes.h"
#include "core/kernels/kernels.h"
#include "core/measure/doctor.h"
#include "core/measure/paper.h"
#include "tui/cli.h"

enum { SAMPLE = 64, TEXTS = 1000, V_BERT = 30522 };
#define TEACHERS  "two BERT-base, f32, every note padded to 512 tokens"
#define PEER_FILE "tests/bench/peer_torch.py"

typedef struct comparison {
    oc_checkpoint *k;   /* MODEL; NULL: none was named */
    oc_model *student;  /* made where none was named */
    oc_model *teacher;  /* one half of the ensemble, run twice */
    oc_dataset texts;   /* what a vocabulary is learned from */
    oc_tokenizer *made; /* learned where there is no MODEL */
    oc_dataset sample;  /* borrows its texts */
    oc_encoded notes;
    oc_peer peer;
    oc_paper p;
    const char *of; /* "synthetic admission notes", or the table */
} comparison;

static void release(comparison *x)
{
    oc_checkpoint_free(x->k);
    oc_model_free(x->student);
    oc_model_free(x->teacher);
    oc_tokenizer_free(x->made);
    oc_encoded_release(&x->notes);
    oc_free(x->sample.text);
    oc_dataset_release(&x->texts);
    oc_peer_stop(&x->peer);
}

/* --- notes ------------------------------------------------------------------------------------- */

static oc_status make_texts(oc_dataset *out, oc_err *err)
{
    oc_notes_opts o = {.task = "mortality", .seed = 7, .noise = 0.5};
    oc_buf text = {0}, label = {0};
    oc_status st = OC_OK;
    *out = (oc_dataset){.K = 2, .kind = OC_TASK_SINGLE};
    for (int64_t i = 0; st == OC_OK && i < TEXTS; i++) {
        oc_buf_clear(&text);
        oc_buf_clear(&label);
        st = oc_note_make(&o, i, &text, &label, err);
        if (st == OC_OK)
            st = oc_dataset_add(out, "", oc_buf_cstr(&text), NULL, 0, err);
    }
    oc_buf_release(&text);
    oc_buf_release(&label);
    return st;
}

static oc_status read_texts(const oc_cli *c, oc_dataset *out, oc_err *err)
{
    oc_task t = {.delimiter = ','};
    oc_strlcpy(t.text_column, c->text ? c->text : "text", sizeof t.text_column);
    oc_status st = oc_data_load_file(c->data, &t, false, true, out, NULL, err);
    oc_task_release(&t);
    return st;
}

/* Every k-th text, so that all parts of a table are in it. */
static oc_status take_sample(comparison *x, oc_err *err)
{
    int64_t n = OC_MIN(x->texts.n, SAMPLE);
    x->sample = (oc_dataset){.n = n, .K = 2, .kind = OC_TASK_SINGLE};
    x->sample.text = oc_calloc((size_t)n, sizeof *x->sample.text);
    if (!x->sample.text)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    for (int64_t i = 0; i < n; i++)
        x->sample.text[i] = x->texts.text[i * x->texts.n / n];
    return OC_OK;
}

static oc_status learn_tokenizer(comparison *x, oc_err *err)
{
    oc_vocab_learn_opts o = {.size = V_BERT, .min_count = 2, .lowercase = true};
    oc_vocab *v;
    union {
        char **own;
        const char *const *text;
    } list = {.own = x->texts.text};
    OC_TRY(oc_vocab_learn(list.text, OC_MIN(x->texts.n, TEXTS), &o, &v, err));
    oc_status st = oc_tokenizer_new(v, true, &x->made, err);
    if (st != OC_OK)
        oc_vocab_free(v);
    return st;
}

static oc_status prepare_notes(const oc_cli *c, comparison *x, oc_err *err)
{
    x->of = c->data ? c->data : "synthetic admission notes";
    OC_TRY(c->data ? read_texts(c, &x->texts, err) : make_texts(&x->texts, err));
    OC_TRY(take_sample(x, err));
    if (!x->k)
        OC_TRY(learn_tokenizer(x, err));
    return oc_encode_all(NULL, &x->sample, x->k ? x->k->tok : x->made, OC_PAPER_TOKENS, &x->notes,
                         err);
}

/* --- the peer ---------------------------------------------------------------------------------- */

/* The source tree this program was built in, when it lies there: TREE/build/MODE/optimclm. */
static bool tree_peer(char out[OC_PATH_MAX])
{
    char self[OC_PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return false;
    self[n] = 0;
    for (int up = 0; up < 3; up++) {
        char *slash = strrchr(self, '/');
        if (!slash)
            return false;
        *slash = 0;
    }
    return oc_path_join(out, self, PEER_FILE, NULL) == OC_OK && oc_path_exists(out);
}

/* --peer, which must be there; else the source tree's own PyTorch peer, if it is. */
static oc_status find_peer(const oc_cli *c, comparison *x, oc_err *err)
{
    char path[OC_PATH_MAX];
    const char *python = getenv("OC_BENCH_PYTHON");
    oc_strlist words = {0};
    if (c->peer) {
        enum { MAX_WORDS = 16 };
        const char *argv[MAX_WORDS + 1] = {0};
        OC_TRY(oc_strlist_split(&words, c->peer, ' ', err));
        for (int64_t i = 0; i < words.n && i < MAX_WORDS; i++)
            argv[i] = words.item[i];
        if (argv[0])
            oc_peer_start(&x->peer, c->peer, argv, NULL);
        oc_status st =
            !argv[0] ? OC_FAIL(err, OC_USAGE, "--peer is empty; it is a command")
            : x->peer.reason[0]
                ? OC_FAIL(err, OC_STATE, "the peer '%s' is not there: %s", c->peer, x->peer.reason)
                : OC_OK;
        oc_strlist_release(&words);
        return st;
    }
    if (!tree_peer(path)) {
        snprintf(x->peer.reason, sizeof x->peer.reason, "%s",
                 "name its program with --peer, or run this from a source tree's build folder");
        return OC_OK;
    }
    const char *const argv[] = {python && *python ? python : "python3", path, NULL};
    oc_peer_start(&x->peer, "PyTorch", argv, NULL);
    return OC_OK;
}

/* --- output ------------------------------------------------------------------------------------ */

static double mean_tokens(const oc_encoded *e)
{
    return (double)e->start[e->n] / (double)e->n;
}

static void put_time(oc_jw *w, const char *key, oc_paper_time t)
{
    oc_jw_key(w, key);
    oc_jw_open(w, '{');
    oc_jw_kf64(w, "median_ms", t.ms);
    oc_jw_kf64(w, "p25_ms", t.p25);
    oc_jw_kf64(w, "p75_ms", t.p75);
    oc_jw_close(w, '}');
}

static void print_json(const comparison *x, const char *model, oc_buf *out)
{
    const oc_paper *p = &x->p;
    oc_jw w = {.out = out};
    char cpu[160];
    oc_cpu_describe(cpu, sizeof cpu);
    oc_jw_open(&w, '{');
    oc_jw_kf64(&w, "ratio", p->ensemble.ms / p->on_notes.ms);
    oc_jw_kf64(&w, "ratio_512", p->ensemble.ms / p->full.ms);
    oc_jw_kf64(&w, "own_ratio", p->own.ms / p->on_notes.ms);
    oc_jw_kf64(&w, "own_ratio_512", p->own.ms / p->full.ms);
    oc_jw_key(&w, "peer");
    oc_jw_str(&w, p->peer ? p->peer->name : NULL);
    oc_jw_kstr(&w, "model", model);
    oc_jw_kstr(&w, "kernels", oc_isa_name(oc_k->isa));
    oc_jw_kstr(&w, "cpu", cpu);
    oc_jw_ki64(&w, "threads", 1);
    oc_jw_ki64(&w, "notes", x->notes.n);
    oc_jw_kf64(&w, "mean_tokens", mean_tokens(&x->notes));
    oc_jw_ki64(&w, "cut", x->notes.n_cut);
    if (p->peer)
        put_time(&w, "ensemble", p->ensemble);
    put_time(&w, "own_ensemble", p->own);
    put_time(&w, "model_notes", p->on_notes);
    put_time(&w, "model_512", p->full);
    oc_jw_ki64(&w, "rounds", p->rounds);
    oc_jw_close(&w, '}');
    oc_buf_ch(out, '\n');
}

static void print_line(oc_buf *out, oc_paper_time t, const char *what)
{
    oc_buf_fmt(out, "%11.3f  %9.3f .. %-9.3f  %s\n", t.ms, t.p25, t.p75, what);
}

static void print_ratio(oc_buf *out, const oc_paper *p, oc_paper_time t, const char *against)
{
    oc_buf_fmt(out, "ratio %.1fx on these notes, %.1fx at 512 tokens: against %s\n",
               t.ms / p->on_notes.ms, t.ms / p->full.ms, against);
}

static void print_text(const comparison *x, const char *model, oc_buf *out)
{
    const oc_paper *p = &x->p;
    char cpu[160], what[400];
    oc_cpu_describe(cpu, sizeof cpu);
    oc_buf_fmt(out, "%s, %s kernels, one thread, one note at a time, medians of %d rounds\n", cpu,
               oc_isa_name(oc_k->isa), p->rounds);
    oc_buf_fmt(out, "%11s  %-22s\n", "ms a note", "middle half of rounds");
    if (p->peer) {
        snprintf(what, sizeof what, "%s eager: " TEACHERS, p->peer->name);
        print_line(out, p->ensemble, what);
    }
    print_line(out, p->own, "optimclm: " TEACHERS);
    snprintf(what, sizeof what,
             "optimclm: %.100s, %lld notes of %.80s: %.0f tokens on average, %lld cut at 512",
             model, (long long)x->notes.n, x->of, mean_tokens(&x->notes),
             (long long)x->notes.n_cut);
    print_line(out, p->on_notes, what);
    snprintf(what, sizeof what, "optimclm: %.100s, 512 tokens", model);
    print_line(out, p->full, what);
    if (p->peer)
        print_ratio(out, p, p->ensemble, p->peer->name);
    print_ratio(out, p, p->own,
                "the same ensemble run by optimclm (not the paper's: it is faster)");
}

/* --- the command ------------------------------------------------------------------------------- */

static oc_status prepare(const oc_cli *c, comparison *x, oc_err *err)
{
    if (c->arg.n > 1)
        OC_TRY(oc_cli_load(c->arg.item[1], 2, &x->k, err));
    else
        OC_TRY(oc_paper_student(V_BERT, &x->student, err));
    OC_TRY(prepare_notes(c, x, err));
    OC_TRY(find_peer(c, x, err));
    if (x->peer.reason[0])
        fprintf(stderr, "optimclm: no PyTorch to compare with: %s\n", x->peer.reason);
    OC_TRY(oc_paper_teacher(&x->teacher, err));
    x->p = (oc_paper){.model = x->k ? x->k->model : x->student,
                      .notes = &x->notes,
                      .teacher = x->teacher,
                      .peer = x->peer.reason[0] ? NULL : &x->peer,
                      .budget_ms = c->seconds * 1000};
    return OC_OK;
}

static oc_status compare(comparison *x, oc_err *err)
{
    oc_watch *w = NULL;
    OC_TRY(oc_watch_begin("", getpid(), &w, err));
    oc_cli_packing packing;
    oc_cli_packing_start(&packing);
    x->p.watch = &packing.meter.watch;
    oc_status st = oc_paper_measure(&x->p, err);
    oc_cli_progress_end();
    oc_machine m;
    oc_watch_end(w, &m);
    if (st == OC_OK)
        oc_cli_disturbed(&m, 1, oc_paper_spread(&x->p));
    return st;
}

int oc_cli_paper(oc_cli *c)
{
    if (c->arg.n > 2)
        return oc_cli_usage(
            "bench --paper takes one model folder, or none: then TinyBERT-4L-312 in "
            "INT8 with random weights");
    comparison x = {0};
    oc_err err = {0};
    oc_buf out = {0};
    oc_status st = prepare(c, &x, &err);
    if (st == OC_OK)
        st = compare(&x, &err);
    int rc;
    if (st == OC_OK) {
        const char *model = x.k ? x.k->path : "TinyBERT-4L-312, INT8, random weights";
        if (c->json)
            print_json(&x, model, &out);
        else
            print_text(&x, model, &out);
        rc = oc_cli_print(&out);
    } else {
        rc = oc_cli_fail(&err);
    }
    oc_buf_release(&out);
    release(&x);
    return rc;
}
