/*
 * tests/bench/bench_models.c - our models against the peers that are installed, in one run.
 *
 * Every contestant is a process of its own (core/measure/peer.h); they take turns, so that load on
 * the machine falls on all alike. A row (results.h) is one model, precision, workload and number of
 * threads. Without any peer our own figures are printed. The f32 contestants must agree on the logits.
 * Rows can be gathered in a file by several runs, and printed as one table.
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
#include "core/base/par.h"
#include "core/base/str.h"
#include "core/kernels/kernels.h"
#include "core/measure/doctor.h"
#include "core/measure/latency.h"
#include "core/measure/peer.h"
#include "tests/bench/results.h"
#include "tests/bench/shapes.h"

enum {
    MAX_PEERS = 3,
    MAX_CONTESTANTS = RESULT_MAX_TIMES,
    MAX_TIMES = 2048,
    MIN_ROUNDS = 3,
    MAX_LIST = 8
};
#define SLOW      4
#define SETTLE_MS 40   /* between contestants: threads of the last one stop spinning */
#define TURN_MS   40.0 /* a turn repeats short runs up to this */
#define AWAKE_MS \
    60.0 /* not counted before that: a core that slept, or worked for others, is slow */
#define SAME_LOGITS 2e-3 /* f32: largest seen between any two is 3e-7 */
#define HOPELESS    3.0  /* times the best peer's first run: one run of a peer is then enough ... */
#define LONG_MS     500  /* ... when it is as long as this */

typedef struct options {
    const char *dir;
    oc_strlist models, parts, precisions;
    int64_t batch[MAX_LIST], length[MAX_LIST], threads[MAX_LIST];
    int n_batch, n_length, n_threads;
    int64_t notes;
    double seconds;
    bool json;
    const char *append; /* rows go to the end of this file; NULL: the table is printed */
    const char *print;  /* only print this file */
} options;

/* One peer's way of doing a row. */
typedef struct contestant {
    oc_peer *p;
    const char *variant;
    double ms[MAX_TIMES];
    int n;
    double logit[2];
    bool out;     /* refused */
    bool settled; /* so slow that its first run stands for all */
} contestant;

typedef struct row {
    const char *part, *precision; /* "fixed", "notes", "sorted", "train", "train-notes" */
    char model[256];              /* path without suffix */
    const char *label;
    char source[256];
    int64_t threads, count, batch, length;
} row;

typedef struct bench {
    options o;
    oc_peer peer[MAX_PEERS]; /* ours first */
    int n_peers;
    contestant c[MAX_CONTESTANTS];
    int n;
    results all;
    bool headed; /* the table's head is printed */
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
    oc_peer_reply reply;
    if (c->out || c->settled)
        return;
    oc_sleep_ms(SETTLE_MS);
    snprintf(request, sizeof request, "%s %s %s %lld %d %s %lld %lld %lld",
             oc_str_starts(r->part, "train") ? "train" : "infer", c->variant, r->model,
             (long long)r->threads, skip + runs, r->source, (long long)r->count,
             (long long)r->batch, (long long)r->length);
    if (!oc_peer_ask(c->p, request, &reply)) {
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

/* Runs of a turn that are not counted; of long ones each is mostly awake. */
static int skip_of(const contestant *c)
{
    double one = c->n > 0 ? c->ms[c->n - 1] : TURN_MS;
    return one > LONG_MS ? 0 : (int)OC_MAX(1, OC_MIN(48, AWAKE_MS / OC_MAX(one, 1e-3)));
}

/* A peer that needs seconds and is far behind another one cannot be the best: asked once. */
static void settle(bench *b)
{
    double best = 0;
    for (int i = 0; i < b->n; i++)
        if (b->c[i].p != &b->peer[0] && b->c[i].n > 0 && (best == 0 || b->c[i].ms[0] < best))
            best = b->c[i].ms[0];
    for (int i = 0; i < b->n; i++) {
        contestant *c = &b->c[i];
        c->settled =
            c->p != &b->peer[0] && c->n > 0 && c->ms[0] > LONG_MS && c->ms[0] > HOPELESS * best;
    }
}

/* One run of each, which says how many make a turn, and is not counted. */
static void warm_up(bench *b, const row *r, int runs[MAX_CONTESTANTS], int skip[MAX_CONTESTANTS])
{
    for (int i = 0; i < b->n; i++)
        turn(&b->c[i], r, 0, 1);
    settle(b);
    for (int i = 0; i < b->n; i++) {
        if (b->c[i].n > 0 && b->c[i].ms[0] < TURN_MS)
            turn(&b->c[i], r, 0, 1); // the first one of a short run is mostly first touch
        runs[i] = runs_of(&b->c[i]);
        skip[i] = skip_of(&b->c[i]);
        if (!b->c[i].settled)
            b->c[i].n = 0;
    }
}

static void measure(bench *b, const row *r)
{
    int runs[MAX_CONTESTANTS], skip[MAX_CONTESTANTS];
    warm_up(b, r, runs, skip);
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
            turn(&b->c[i], r, skip[i], runs[i]);
        }
    }
}

static void check_logits(bench *b, const row *r)
{
    if (oc_str_starts(r->part, "train") || strcmp(r->precision, "f32") != 0)
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

static void say(FILE *f, oc_buf *text)
{
    fputs(oc_buf_cstr(text), f);
    fflush(f);
    oc_buf_release(text);
}

static bool append(const char *path, const char *line)
{
    FILE *f = fopen(path, "a");
    bool ok = f && fputs(line, f) >= 0;
    ok = f && fclose(f) == 0 && ok;
    if (!ok)
        fprintf(stderr, "bench_models: cannot write to %s\n", path);
    return ok;
}

/* A row as it comes: to the file and, for who waits, to standard error; or the table's next line. */
static void put_row(bench *b, const result *r)
{
    oc_buf text = {0}, line = {0};
    b->wrong |= results_add(&b->all, r, NULL) != OC_OK;
    if (b->o.append || b->o.json)
        result_write(r, &line);
    if (b->o.append)
        b->wrong |= !append(b->o.append, oc_buf_cstr(&line));
    if (b->o.json) {
        say(stdout, &line);
    } else {
        if (!b->headed && !b->o.append)
            results_head(&b->all, &text);
        b->headed = true;
        results_row(&b->all, r, &text);
        say(b->o.append ? stderr : stdout, &text);
    }
    oc_buf_release(&line);
}

static void take_times(bench *b, result *out)
{
    for (int i = 0; i < b->n; i++) {
        contestant *c = &b->c[i];
        if (c->out || c->n == 0)
            continue;
        result_time *t = &out->t[out->n++];
        *t = (result_time){.median = oc_median(c->ms, c->n), .runs = c->n};
        t->p25 = oc_quantile_sorted(c->ms, c->n, 0.25);
        t->p75 = oc_quantile_sorted(c->ms, c->n, 0.75);
        oc_strlcpy(t->who, c->p->name, sizeof t->who);
        oc_strlcpy(t->variant, c->variant, sizeof t->variant);
    }
}

/* Who else used the machine since w. */
static void take_disturbance(oc_watch *w, int64_t threads, result *out)
{
    oc_machine m;
    oc_finding f[OC_MAX_FINDINGS];
    oc_watch_end(w, &m);
    int n = oc_doctor(&m, (int32_t)threads, f);
    for (int i = 0; i < n && !out->disturbed[0]; i++)
        if (f[i].spoils)
            oc_strlcpy(out->disturbed, f[i].what, sizeof out->disturbed);
}

static result result_of(bench *b, const row *r, oc_watch *w)
{
    result out = {.threads = r->threads, .batch = r->batch, .length = r->length, .notes = r->count};
    char cpu[160];
    oc_strlcpy(out.part, r->part, sizeof out.part);
    oc_strlcpy(out.model, r->label, sizeof out.model);
    oc_strlcpy(out.precision, r->precision, sizeof out.precision);
    oc_cpu_describe(cpu, sizeof cpu);
    snprintf(out.cpu, sizeof out.cpu, "%.130s, %d cores", cpu, oc_par_cores());
    take_disturbance(w, r->threads, &out);
    take_times(b, &out);
    return out;
}

static void run_row(bench *b, const row *r)
{
    enter(b, r);
    if (b->n == 0 || b->c[0].p != &b->peer[0])
        return;
    oc_watch *w = NULL;
    (void)!oc_watch_begin("", getpid(), &w, NULL); // without it there is no verdict
    measure(b, r);
    result done = result_of(b, r, w);
    if (b->c[0].out) {
        b->wrong = true;
        return;
    }
    check_logits(b, r);
    put_row(b, &done);
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
}

/* --- the command line -------------------------------------------------------------------------- */

static const char help[] =
    "usage: bench_models --dir DIR [OPTIONS]      DIR: what make_models wrote\n"
    "  --parts fixed,notes,sorted,train,train-notes   (fixed)\n"
    "  --models NAME,...  --precision f32,int8  --threads 1,2  --batch 1,8  --length 128,512\n"
    "  --notes N          real notes of the parts notes and sorted (64)\n"
    "  --seconds S        time for a row, all contestants together (4)\n"
    "  --json             rows as lines of JSON instead of a table\n"
    "  --append FILE      put the rows at the end of FILE, as lines of JSON\n"
    "  --print FILE       only print FILE's rows as one table; later rows replace earlier ones\n"
    "Peers: python3 with torch and onnxruntime (OC_BENCH_PYTHON), or for the latter node with\n"
    "onnxruntime-node (OC_BENCH_NODE, NODE_PATH); what is not there is left out.\n";

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
    case 'a': o->append = v; return true;
    case 'x': o->print = v; return true;
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
        {"append", required_argument, NULL, 'a'},
        {"print", required_argument, NULL, 'x'},
        {NULL, 0, NULL, 0},
    };
    char cores[16];
    snprintf(cores, sizeof cores, oc_par_cores() > 1 ? "1,%d" : "%d", oc_par_cores());
    *o = (options){.seconds = 4, .notes = BENCH_NOTES};
    bool ok = words("bert-tiny,tinybert-4l,minilm-6l,bert-pkd-6l,bert-base", &o->models) &&
              words("fixed", &o->parts) && words("f32,int8", &o->precisions) &&
              numbers("1,8", o->batch, &o->n_batch) &&
              numbers("128,512", o->length, &o->n_length) &&
              numbers(cores, o->threads, &o->n_threads);
    for (int code; ok && (code = getopt_long(argc, argv, "", list, NULL)) != -1;)
        ok = take(o, code, optarg);
    return ok && optind == argc && (o->dir || o->print);
}

static const char *env_or(const char *name, const char *otherwise)
{
    const char *v = getenv(name);
    return v && *v ? v : otherwise;
}

/* `script` lies beside this file's source. */
static void start_script(oc_peer *p, const char *name, const char *program, const char *script,
                         const char *log)
{
    char path[512];
    snprintf(path, sizeof path, "%.400s/%.100s", env_or("OC_BENCH_SOURCE", "tests/bench"), script);
    const char *const argv[] = {program, path, NULL};
    oc_peer_start(p, name, argv, log);
}

/* Python's or, where that does not load, Node's: the same library. */
static void start_ort(oc_peer *p, const char *log)
{
    char python[sizeof p->reason], both[sizeof p->reason];
    start_script(p, "ONNX Runtime", env_or("OC_BENCH_PYTHON", "python3"), "peer_ort.py", log);
    if (!p->reason[0])
        return;
    oc_strlcpy(python, p->reason, sizeof python);
    start_script(p, "ONNX Runtime", env_or("OC_BENCH_NODE", "node"), "peer_ort.js", log);
    if (!p->reason[0])
        return;
    snprintf(both, sizeof both, "%.90s; %.90s", python, p->reason);
    oc_strlcpy(p->reason, both, sizeof p->reason);
}

/* Ours lies beside this program. */
static void start_peers(bench *b, const char *self)
{
    char ours[512], log[512];
    const char *slash = strrchr(self, '/');
    snprintf(ours, sizeof ours, "%.*speer_ours", slash ? (int)(slash - self) + 1 : 0, self);
    snprintf(log, sizeof log, "%.480s/peers.log", b->o.dir);
    const char *const o[] = {ours, NULL};
    oc_peer_start(&b->peer[b->n_peers++], "optimclm", o, log);
    start_script(&b->peer[b->n_peers++], "PyTorch", env_or("OC_BENCH_PYTHON", "python3"),
                 "peer_torch.py", log);
    start_ort(&b->peer[b->n_peers++], log);
}

static int print_file(const options *o)
{
    results all = {0};
    oc_buf text = {0};
    oc_err err = {0};
    oc_status st = results_read(o->print, &all, &err);
    if (st == OC_OK)
        results_print(&all, &text);
    else
        fprintf(stderr, "bench_models: %s\n", err.msg);
    say(stdout, &text);
    results_release(&all);
    return st == OC_OK ? 0 : 1;
}

static int run(bench *b, const char *self)
{
    start_peers(b, self);
    if (b->peer[0].reason[0]) {
        fprintf(stderr, "bench_models: %s: %s\n", b->peer[0].name, b->peer[0].reason);
        return 1;
    }
    for (int p = 1; p < b->n_peers; p++)
        if (b->peer[p].reason[0])
            fprintf(stderr, "bench_models: %s is not here: %s\n", b->peer[p].name,
                    b->peer[p].reason);
    all_rows(b);
    if (!b->o.append && !b->o.json) {
        oc_buf text = {0};
        results_summary(&b->all, &text);
        say(stdout, &text);
    }
    for (int p = 0; p < b->n_peers; p++)
        oc_peer_stop(&b->peer[p]);
    return b->wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
    static bench b;
    signal(SIGPIPE, SIG_IGN);
    if (!parse(argc, argv, &b.o)) {
        fputs(help, stderr);
        return 2;
    }
    int rc = b.o.print ? print_file(&b.o) : run(&b, argv[0]);
    results_release(&b.all);
    oc_strlist_release(&b.o.models);
    oc_strlist_release(&b.o.parts);
    oc_strlist_release(&b.o.precisions);
    return rc;
}
