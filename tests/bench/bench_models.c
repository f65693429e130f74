/*
 * tests/bench/bench_models.c - our models against the peers that are installed, in one run.
 *
 * Every contestant is a process of its own (peers.h); they take turns, so that load on the machine
 * falls on all alike. A row is one model, precision, workload and number of threads; shown is the
 * median of each contestant, and how many times slower the best peer of the same precision is.
 * Without any peer our own figures are printed. The f32 contestants must agree on the logits.
 * Usage: bench_models --help
 */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/attr.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/par.h"
#include "core/base/str.h"
#include "core/kernels/kernels.h"
#include "core/measure/doctor.h"
#include "core/measure/latency.h"
#include "tests/bench/peers.h"
#include "tests/bench/shapes.h"

enum { MAX_PEERS = 3, MAX_CONTESTANTS = 16, MAX_TIMES = 2048, MIN_ROUNDS = 3, MAX_LIST = 8 };
#define SLOW        4
#define SETTLE_MS   40   /* between contestants: threads of the last one stop spinning */
#define TURN_MS     40.0 /* a turn repeats short runs up to this */
#define SAME_LOGITS 2e-3 /* f32: largest seen between any two is 3e-7 */
#define NOISY_FRAC  0.10 /* spread of ours or of the best peer beyond which a row is marked */

typedef struct options {
    const char *dir;
    oc_strlist models, parts, precisions;
    int64_t batch[MAX_LIST], length[MAX_LIST], threads[MAX_LIST];
    int n_batch, n_length, n_threads;
    int64_t notes;
    double seconds;
    bool json;
} options;

/* One peer's way of doing a row. */
typedef struct contestant {
    peer *p;
    const char *variant;
    double ms[MAX_TIMES];
    int n;
    double median, p25, p75, min;
    double logit[2];
    bool out; /* refused */
} contestant;

typedef struct row {
    const char *part, *precision; /* "fixed", "notes", "sorted", "train", "train-notes", "paper" */
    char model[256];              /* path without suffix */
    char peer_model[256];
    const char *label;
    char source[256];
    int64_t threads, count, batch, length;
} row;

typedef struct bench {
    options o;
    peer peer[MAX_PEERS]; /* ours first */
    int n_peers;
    contestant c[MAX_CONTESTANTS];
    int n;
    oc_jw json;
    oc_buf out;
    bool wrong;
} bench;

/* --- one row ----------------------------------------------------------------------------------- */

static void enter(bench *b, const row *r)
{
    char part[24];
    bool train = oc_str_starts(r->part, "train");
    snprintf(part, sizeof part, "%s%s", train ? "train" : "infer-", train ? "" : r->precision);
    b->n = 0;
    for (int p = 0; p < b->n_peers; p++)
        for (int v = 0; v < b->peer[p].n_variants && b->n < MAX_CONTESTANTS; v++)
            if (!strcmp(b->peer[p].variant[v].part, part))
                b->c[b->n++] =
                    (contestant){.p = &b->peer[p], .variant = b->peer[p].variant[v].variant};
}

/* A turn of a contestant: `skip` runs that are not counted, then `runs`. */
static void turn(contestant *c, const row *r, int skip, int runs)
{
    char request[1024];
    peer_reply reply;
    if (c->out)
        return;
    oc_sleep_ms(SETTLE_MS);
    snprintf(request, sizeof request, "%s %s %s %lld %d %s %lld %lld %lld",
             oc_str_starts(r->part, "train") ? "train" : "infer", c->variant,
             oc_str_starts(c->p->name, "optimclm") ? r->model : r->peer_model,
             (long long)r->threads, skip + runs, r->source, (long long)r->count,
             (long long)r->batch, (long long)r->length);
    if (!peer_ask(c->p, request, &reply)) {
        fprintf(stderr, "bench_models: %s %s: %s\n", c->p->name, c->variant, reply.reason);
        c->out = true;
        return;
    }
    memcpy(c->logit, reply.logit, sizeof c->logit);
    for (int i = skip; i < reply.n && c->n < MAX_TIMES; i++)
        c->ms[c->n++] = reply.ms[i];
}

static int runs_of(const contestant *c)
{
    double one = c->n > 0 ? c->ms[c->n - 1] : TURN_MS;
    return (int)OC_MAX(1, OC_MIN(16, TURN_MS / OC_MAX(one, 1e-3)));
}

static void measure(bench *b, const row *r)
{
    for (int i = 0; i < b->n; i++)
        turn(&b->c[i], r, 1, 1);
    int runs[MAX_CONTESTANTS];
    for (int i = 0; i < b->n; i++) {
        runs[i] = runs_of(&b->c[i]);
        b->c[i].n = 0;
    }
    int64_t from = oc_now_ns();
    for (int round = 0; round < MAX_TIMES / 16; round++) {
        double spent = (double)(oc_now_ns() - from) * 1e-9;
        // Three rounds at least, unless even these would take many times what was asked for.
        if (spent >= b->o.seconds &&
            (round >= MIN_ROUNDS || (round > 0 && spent > SLOW * b->o.seconds)))
            break;
        // Backwards every other time, so that none always follows the same one.
        for (int k = 0; k < b->n; k++) {
            int i = round % 2 ? b->n - 1 - k : k;
            turn(&b->c[i], r, runs[i] > 1 ? 1 : 0, runs[i]);
        }
    }
    for (int i = 0; i < b->n; i++) {
        contestant *c = &b->c[i];
        if (c->out || c->n == 0)
            continue;
        c->median = oc_median(c->ms, c->n);
        c->min = c->ms[0];
        c->p25 = oc_quantile_sorted(c->ms, c->n, 0.25);
        c->p75 = oc_quantile_sorted(c->ms, c->n, 0.75);
    }
}

static const contestant *best_peer(const bench *b)
{
    const contestant *best = NULL;
    for (int i = 0; i < b->n; i++)
        if (b->c[i].p != &b->peer[0] && !b->c[i].out && (!best || b->c[i].median < best->median))
            best = &b->c[i];
    return best;
}

/* Fastest run of any peer: on a busy machine the least disturbed runs tell more than medians. */
static double fastest_peer(const bench *b)
{
    double ms = 0;
    for (int i = 0; i < b->n; i++)
        if (b->c[i].p != &b->peer[0] && !b->c[i].out && (ms == 0 || b->c[i].min < ms))
            ms = b->c[i].min;
    return ms;
}

/* Best of a peer's variants, NULL when it has none in this row. */
static const contestant *best_of(const bench *b, const peer *p)
{
    const contestant *best = NULL;
    for (int i = 0; i < b->n; i++)
        if (b->c[i].p == p && !b->c[i].out && (!best || b->c[i].median < best->median))
            best = &b->c[i];
    return best;
}

static double spread(const contestant *c)
{
    return c && c->median > 0 ? (c->p75 - c->p25) / c->median : 0;
}

static void check_logits(bench *b, const row *r)
{
    if (oc_str_starts(r->part, "train") || !strcmp(r->part, "paper") ||
        strcmp(r->precision, "f32") != 0)
        return;
    for (int i = 1; i < b->n; i++) {
        for (int k = 0; k < 2; k++) {
            double d = b->c[i].logit[k] - b->c[0].logit[k];
            if (!b->c[i].out && !(d < SAME_LOGITS && d > -SAME_LOGITS)) {
                fprintf(stderr, "bench_models: %s: %s %s gives logit %g, ours is %g\n", r->label,
                        b->c[i].p->name, b->c[i].variant, b->c[i].logit[k], b->c[0].logit[k]);
                b->wrong = true;
            }
        }
    }
}

/* --- output ------------------------------------------------------------------------------------ */

static void put_json(bench *b, const row *r, const contestant *best, double frac)
{
    oc_jw *w = &b->json;
    oc_jw_open(w, '{');
    oc_jw_kstr(w, "part", r->part);
    oc_jw_kstr(w, "model", r->label);
    oc_jw_kstr(w, "precision", r->precision);
    oc_jw_ki64(w, "threads", r->threads);
    oc_jw_ki64(w, "notes", r->count);
    oc_jw_ki64(w, "batch", r->batch);
    oc_jw_ki64(w, "length", r->length);
    oc_jw_key(w, "contestants");
    oc_jw_open(w, '[');
    for (int i = 0; i < b->n; i++) {
        const contestant *c = &b->c[i];
        if (c->out)
            continue;
        oc_jw_open(w, '{');
        oc_jw_kstr(w, "name", c->p->name);
        oc_jw_kstr(w, "variant", c->variant);
        oc_jw_kf64(w, "median_ms", c->median);
        oc_jw_kf64(w, "min_ms", c->min);
        oc_jw_kf64(w, "p25_ms", c->p25);
        oc_jw_kf64(w, "p75_ms", c->p75);
        oc_jw_ki64(w, "runs", c->n);
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
    if (best) {
        oc_jw_kf64(w, "ratio", best->median / b->c[0].median);
        oc_jw_kf64(w, "ratio_of_fastest", fastest_peer(b) / b->c[0].min);
    }
    oc_jw_kf64(w, "spread", frac);
    oc_jw_close(w, '}');
}

static void put_row(bench *b, const row *r)
{
    const contestant *best = best_peer(b), *ours = &b->c[0];
    double frac = OC_MAX(spread(ours), spread(best));
    if (b->o.json) {
        put_json(b, r, best, frac);
        return;
    }
    printf("%-11s %-12s %-5s %3lld %5lld %6lld %10.3f", r->part, r->label, r->precision,
           (long long)r->threads, (long long)r->batch, (long long)r->length, ours->median);
    for (int p = 1; p < b->n_peers; p++) {
        const contestant *c = best_of(b, &b->peer[p]);
        if (c)
            printf(" %10.3f %-12s", c->median, c->variant);
        else
            printf(" %10s %-12s", "-", "");
    }
    if (best)
        printf(" %6.2fx %6.2fx", best->median / ours->median, fastest_peer(b) / ours->min);
    printf("  %4.1f%%%s\n", 100 * frac, frac > NOISY_FRAC ? " noisy" : "");
    fflush(stdout);
}

static void head(const bench *b)
{
    char cpu[160];
    oc_cpu_describe(cpu, sizeof cpu);
    printf("%s, %d cores; ms, medians of interleaved runs\n", cpu, oc_par_cores());
    for (int p = 0; p < b->n_peers; p++)
        printf("  %s%s%s\n", b->peer[p].name, b->peer[p].reason[0] ? ": not here: " : "",
               b->peer[p].reason);
    printf("%-11s %-12s %-5s %3s %5s %6s %10s", "part", "model", "prec", "thr", "batch", "length",
           "ours");
    for (int p = 1; p < b->n_peers; p++)
        printf(" %10.10s %-12s", b->peer[p].name, "");
    printf(" %7s %7s  %s\n", "ratio", "fastest", "spread");
}

static void run_row(bench *b, const row *r)
{
    enter(b, r);
    if (b->n == 0 || b->c[0].p != &b->peer[0])
        return;
    measure(b, r);
    if (b->c[0].out) {
        b->wrong = true;
        return;
    }
    check_logits(b, r);
    put_row(b, r);
}

/* --- all rows ---------------------------------------------------------------------------------- */

static bool part_on(const bench *b, const char *part)
{
    return oc_strlist_find(&b->o.parts, part) >= 0;
}

static bool start_row(const bench *b, const char *model, const char *part, row *r)
{
    *r = (row){.part = part, .precision = "f32", .label = model};
    snprintf(r->model, sizeof r->model, "%.150s/%s", b->o.dir, model);
    snprintf(r->peer_model, sizeof r->peer_model, "%s", r->model);
    snprintf(r->source, sizeof r->source, "%.200s/%s.ids", b->o.dir,
             strcmp(part, "sorted") ? "notes" : "sorted");
    return part_on(b, part);
}

static void fixed_rows(bench *b, const char *model)
{
    row r;
    if (!start_row(b, model, "fixed", &r))
        return;
    snprintf(r.source, sizeof r.source, "fixed");
    for (int64_t p = 0; p < b->o.precisions.n; p++)
        for (int i = 0; i < b->o.n_batch; i++)
            for (int l = 0; l < b->o.n_length; l++)
                for (int t = 0; t < b->o.n_threads; t++) {
                    r.precision = b->o.precisions.item[p];
                    r.threads = b->o.threads[t];
                    r.count = r.batch = b->o.batch[i];
                    r.length = b->o.length[l];
                    run_row(b, &r);
                }
}

/* Real lengths: peers pad each batch to its longest note, we pad nothing. */
static void note_rows(bench *b, const char *model, const char *part)
{
    row r;
    if (!start_row(b, model, part, &r) || !oc_path_exists(r.source))
        return;
    for (int64_t p = 0; p < b->o.precisions.n; p++)
        for (int t = 0; t < b->o.n_threads; t++) {
            r.precision = b->o.precisions.item[p];
            r.threads = b->o.threads[t];
            r.count = b->o.notes;
            r.batch = 8;
            run_row(b, &r);
        }
}

/* A step of distillation: forward, backward, clipping, AdamW. */
static void train_rows(bench *b, const char *model, const char *part)
{
    row r;
    if (!start_row(b, model, part, &r))
        return;
    r.count = r.batch = 16;
    if (!strcmp(part, "train")) {
        snprintf(r.source, sizeof r.source, "fixed");
        r.length = 128;
    } else if (!oc_path_exists(r.source)) {
        return;
    }
    for (int t = 0; t < b->o.n_threads; t++) {
        r.threads = b->o.threads[t];
        run_row(b, &r);
    }
}

/*
 * What the paper compared: the ensemble of two BERT-base models in PyTorch eager, every note padded
 * to 512 tokens, against the whole pipeline's result, here our TinyBERT-4L in INT8, unpadded; one
 * note at a time, one thread.
 */
static void paper_row(bench *b)
{
    row r;
    if (!start_row(b, "tinybert-4l", "paper", &r) || !oc_path_exists(r.source))
        return;
    snprintf(r.peer_model, sizeof r.peer_model, "%.100s/bert-base+%.100s/bert-base", b->o.dir,
             b->o.dir);
    r.precision = "int8";
    r.threads = r.batch = 1;
    r.count = 4;
    r.length = BENCH_P;
    run_row(b, &r);
}

static void all_rows(bench *b)
{
    for (int64_t m = 0; m < b->o.models.n; m++) {
        const char *model = b->o.models.item[m];
        fixed_rows(b, model);
        note_rows(b, model, "notes");
        note_rows(b, model, "sorted");
        train_rows(b, model, "train");
        train_rows(b, model, "train-notes");
    }
    paper_row(b);
}

/* --- the command line -------------------------------------------------------------------------- */

static const char help[] =
    "usage: bench_models --dir DIR [OPTIONS]      DIR: what make_models wrote\n"
    "  --parts fixed,notes,sorted,train,train-notes,paper   (fixed)\n"
    "  --models NAME,...  --precision f32,int8  --threads 1,2  --batch 1,8  --length 128,512\n"
    "  --notes N          real notes of the parts notes and sorted (64)\n"
    "  --seconds S        time for a row, all contestants together (4)\n"
    "  --json             one object on standard output\n"
    "Peers: python3 with torch (OC_BENCH_PYTHON), node with onnxruntime-node (OC_BENCH_NODE,\n"
    "NODE_PATH); what is not there is left out.\n";

static bool numbers(const char *text, int64_t *out, int *n)
{
    oc_strlist l = {0};
    bool ok = oc_strlist_split(&l, text, ',', NULL) == OC_OK && l.n >= 1 && l.n <= MAX_LIST;
    *n = 0;
    for (int64_t i = 0; ok && i < l.n; i++)
        ok = oc_parse_i64(l.item[i], &out[(*n)++]) && out[i] >= 1 && out[i] <= 512;
    oc_strlist_release(&l);
    return ok;
}

static bool words(const char *text, oc_strlist *out)
{
    oc_strlist_release(out);
    return oc_strlist_split(out, text, ',', NULL) == OC_OK;
}

static bool take(options *o, int code, const char *v)
{
    int n;
    switch (code) {
    case 'd': o->dir = v; return true;
    case 'm': return words(v, &o->models);
    case 'p': return words(v, &o->parts);
    case 'q': return words(v, &o->precisions);
    case 'b': return numbers(v, o->batch, &o->n_batch);
    case 'l': return numbers(v, o->length, &o->n_length);
    case 't': return numbers(v, o->threads, &o->n_threads);
    case 'n': return numbers(v, &o->notes, &n) && n == 1;
    case 's': return oc_parse_f64(v, &o->seconds) && o->seconds >= 0;
    case 'j': o->json = true; return true;
    default: return false;
    }
}

static bool parse(int argc, char **argv, options *o)
{
    static const struct option list[] = {
        {"dir", required_argument, NULL, 'd'},
        {"models", required_argument, NULL, 'm'},
        {"parts", required_argument, NULL, 'p'},
        {"precision", required_argument, NULL, 'q'},
        {"batch", required_argument, NULL, 'b'},
        {"length", required_argument, NULL, 'l'},
        {"threads", required_argument, NULL, 't'},
        {"notes", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    char cores[16];
    snprintf(cores, sizeof cores, oc_par_cores() > 1 ? "1,%d" : "%d", oc_par_cores());
    *o = (options){.seconds = 4, .notes = BENCH_NOTES};
    bool ok = words("bert-tiny,tinybert-4l,minilm-6l,bert-pkd-6l", &o->models) &&
              words("fixed", &o->parts) && words("f32,int8", &o->precisions) &&
              numbers("1,8", o->batch, &o->n_batch) &&
              numbers("128,512", o->length, &o->n_length) &&
              numbers(cores, o->threads, &o->n_threads);
    for (int code; ok && (code = getopt_long(argc, argv, "", list, NULL)) != -1;)
        ok = take(o, code, optarg);
    return ok && optind == argc && o->dir;
}

static const char *env_or(const char *name, const char *otherwise)
{
    const char *v = getenv(name);
    return v && *v ? v : otherwise;
}

/* The peers' scripts lie beside this file's source; ours beside this program. */
static void start_peers(bench *b, const char *self)
{
    char ours[512], torch[512], ort[512], log[512];
    const char *slash = strrchr(self, '/'), *src = env_or("OC_BENCH_SOURCE", "tests/bench");
    snprintf(ours, sizeof ours, "%.*speer_ours", slash ? (int)(slash - self) + 1 : 0, self);
    snprintf(torch, sizeof torch, "%.480s/peer_torch.py", src);
    snprintf(ort, sizeof ort, "%.480s/peer_ort.js", src);
    snprintf(log, sizeof log, "%.480s/peers.log", b->o.dir);
    const char *const o[] = {ours, NULL};
    const char *const t[] = {env_or("OC_BENCH_PYTHON", "python3"), torch, NULL};
    const char *const n[] = {env_or("OC_BENCH_NODE", "node"), ort, NULL};
    peer_start(&b->peer[b->n_peers++], "optimclm", o, log);
    peer_start(&b->peer[b->n_peers++], "PyTorch", t, log);
    peer_start(&b->peer[b->n_peers++], "ONNX Runtime", n, log);
}

static void json_head(bench *b)
{
    char cpu[160];
    oc_cpu_describe(cpu, sizeof cpu);
    b->json.out = &b->out;
    oc_jw_open(&b->json, '{');
    oc_jw_kstr(&b->json, "cpu", cpu);
    oc_jw_ki64(&b->json, "cores", oc_par_cores());
    oc_jw_key(&b->json, "peers");
    oc_jw_open(&b->json, '[');
    for (int p = 0; p < b->n_peers; p++)
        if (!b->peer[p].reason[0])
            oc_jw_str(&b->json, b->peer[p].name);
    oc_jw_close(&b->json, ']');
    oc_jw_key(&b->json, "rows");
    oc_jw_open(&b->json, '[');
}

/* On standard error: who else used the machine while the rows were measured. */
static void verdict(const bench *b, oc_watch *w)
{
    oc_machine m;
    oc_finding f[OC_MAX_FINDINGS];
    int32_t threads = 1;
    for (int i = 0; i < b->o.n_threads; i++)
        threads = OC_MAX(threads, (int32_t)b->o.threads[i]);
    oc_watch_end(w, &m);
    int n = oc_doctor(&m, threads, f);
    for (int i = 0; i < n; i++)
        if (f[i].spoils)
            fprintf(stderr, "bench_models: these times are disturbed: %s: %s\n", f[i].what,
                    f[i].todo);
}

int main(int argc, char **argv)
{
    static bench b;
    signal(SIGPIPE, SIG_IGN);
    if (!parse(argc, argv, &b.o)) {
        fputs(help, stderr);
        return 2;
    }
    start_peers(&b, argv[0]);
    if (b.peer[0].reason[0]) {
        fprintf(stderr, "bench_models: %s: %s\n", b.peer[0].name, b.peer[0].reason);
        return 1;
    }
    if (b.o.json)
        json_head(&b);
    else
        head(&b);
    oc_watch *watch = NULL;
    (void)!oc_watch_begin("", getpid(), &watch, NULL); // without it there is no verdict
    all_rows(&b);
    verdict(&b, watch);
    if (b.o.json) {
        oc_jw_close(&b.json, ']');
        oc_jw_close(&b.json, '}');
        puts(oc_buf_cstr(&b.out));
    }
    for (int p = 0; p < b.n_peers; p++)
        peer_stop(&b.peer[p]);
    oc_buf_release(&b.out);
    oc_strlist_release(&b.o.models);
    oc_strlist_release(&b.o.parts);
    oc_strlist_release(&b.o.precisions);
    return b.wrong ? 1 : 0;
}
