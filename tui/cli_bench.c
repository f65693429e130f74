/*
 * tui/cli_bench.c - bench: how long a forward pass takes, and whether this machine can say so.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/par.h"
#include "core/io/checkpoint.h"
#include "core/measure/doctor.h"
#include "core/measure/latency.h"
#include "core/measure/zeros.h"
#include "tui/cli.h"

enum { MAX_LIST = 16, MAX_MODELS = 32 };

static oc_status numbers(const char *option, const char *text, int64_t hi, int32_t *out, int *n,
                         oc_err *err)
{
    oc_strlist l = {0};
    oc_status st = oc_strlist_split(&l, text, ',', err);
    *n = 0;
    for (int64_t i = 0; st == OC_OK && i < l.n; i++) {
        int64_t v;
        if (!oc_parse_i64(l.item[i], &v) || v < 1 || v > hi || *n == MAX_LIST)
            st = OC_FAIL(err, OC_USAGE,
                         "--%s has '%s'; it is a list of at most %d whole numbers from 1 to %lld",
                         option, l.item[i], MAX_LIST, (long long)hi);
        else
            out[(*n)++] = (int32_t)v;
    }
    if (st == OC_OK && *n == 0)
        st = OC_FAIL(err, OC_USAGE, "--%s is empty; it is a list such as 1,2", option);
    oc_strlist_release(&l);
    return st;
}

typedef struct bench {
    oc_checkpoint *k[MAX_MODELS];
    const oc_model *model[MAX_MODELS];
    oc_zeros zeros[MAX_MODELS];
    int n_models;
    oc_latency_case *cases; /* owned */
    int *owner;             /* owned: model of each case */
    int n;
} bench;

static oc_status bench_plan(oc_cli *c, bench *b, oc_err *err)
{
    int32_t threads[MAX_LIST], batch[MAX_LIST], length[MAX_LIST];
    int nt, nb, nl;
    char cores[16];
    snprintf(cores, sizeof cores, oc_par_cores() > 1 ? "1,%d" : "%d", oc_par_cores());
    OC_TRY(numbers("threads", c->threads ? c->threads : cores, 1024, threads, &nt, err));
    OC_TRY(numbers("batch", c->batch ? c->batch : "1,8", 4096, batch, &nb, err));
    OC_TRY(numbers("length", c->length ? c->length : "128", 4096, length, &nl, err));
    int max = nt * nb * nl * b->n_models;
    b->cases = oc_calloc((size_t)max, sizeof *b->cases);
    b->owner = oc_calloc((size_t)max, sizeof *b->owner);
    if (!b->cases || !b->owner)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    for (int i = 0; i < nt * nb * nl; i++) {
        for (int m = 0; m < b->n_models; m++) {
            oc_latency_case *k = &b->cases[b->n];
            *k = (oc_latency_case){.models = &b->model[m],
                                   .n_models = 1,
                                   .threads = threads[i / (nb * nl)],
                                   .batch = batch[i / nl % nb],
                                   .length = length[i % nl]};
            if (k->length > b->model[m]->dims.P)
                return OC_FAIL(err, OC_USAGE, "--length has %d; %s has %d positions", k->length,
                               b->k[m]->path, b->model[m]->dims.P);
            b->owner[b->n++] = m;
        }
    }
    return OC_OK;
}

/* Fewer zeros than could pay are no news: int8 has some by rounding. */
static void print_zeros(const bench *b, oc_buf *out)
{
    for (int i = 0; i < b->n_models; i++) {
        const oc_zeros *z = &b->zeros[i];
        if (z->zero_frac < OC_ZEROS_PAY)
            continue;
        oc_buf_fmt(
            out,
            "%s: %.1f %% of the weights of its linear layers are zero, %.1f %% lie in blocks "
            "that the kernels leave out",
            b->k[i]->path, 100 * z->zero_frac, 100 * z->skip_frac);
        oc_buf_str(out, z->skip_frac < OC_ZEROS_PAY
                            ? ": the dense kernel runs, and these zeros buy no time here\n"
                            : "\n");
    }
}

static void json_zeros(const bench *b, oc_jw *w)
{
    oc_jw_key(w, "models");
    oc_jw_open(w, '[');
    for (int i = 0; i < b->n_models; i++) {
        oc_jw_open(w, '{');
        oc_jw_kstr(w, "model", b->k[i]->path);
        oc_jw_kf64(w, "zero_frac", b->zeros[i].zero_frac);
        oc_jw_kf64(w, "skip_frac", b->zeros[i].skip_frac);
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
}

static void bench_print(const oc_cli *c, const bench *b, oc_buf *out)
{
    oc_jw w = {.out = out};
    if (c->json) {
        oc_jw_open(&w, '{');
        oc_jw_key(&w, "rows");
        oc_jw_open(&w, '[');
    } else {
        oc_buf_fmt(out, "%-32s %-9s %7s %6s %7s %11s %11s %8s\n", "model", "precision", "threads",
                   "batch", "length", "median ms", "p95 ms", "to first");
    }
    for (int i = 0; i < b->n; i++) {
        const oc_latency_case *k = &b->cases[i];
        const char *name = b->k[b->owner[i]]->path;
        const char *precision = oc_model_is_f32(k->models[0]) ? "f32" : "int8";
        if (!c->json) {
            // Ratio to the first model under the same setting.
            const oc_latency_case *first = &b->cases[i - b->owner[i]];
            const char *shown = strlen(name) > 32 ? name + strlen(name) - 32 : name;
            oc_buf_fmt(out, "%-32s %-9s %7d %6d %7d %11.3f %11.3f %7.2fx\n", shown, precision,
                       k->threads, k->batch, k->length, k->median_ms, k->p95_ms,
                       first->median_ms / k->median_ms);
            continue;
        }
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "model", name);
        oc_jw_kstr(&w, "precision", precision);
        oc_jw_ki64(&w, "threads", k->threads);
        oc_jw_ki64(&w, "batch", k->batch);
        oc_jw_ki64(&w, "length", k->length);
        oc_jw_kf64(&w, "median_ms", k->median_ms);
        oc_jw_kf64(&w, "p95_ms", k->p95_ms);
        oc_jw_kf64(&w, "p25_ms", k->p25_ms);
        oc_jw_kf64(&w, "p75_ms", k->p75_ms);
        oc_jw_ki64(&w, "runs", k->n);
        oc_jw_close(&w, '}');
    }
    if (!c->json) {
        print_zeros(b, out);
        return;
    }
    oc_jw_close(&w, ']');
    json_zeros(b, &w);
    oc_jw_close(&w, '}');
    oc_buf_ch(out, '\n');
}

static int never(void *ctx)
{
    (void)ctx;
    return 0;
}

/* --- doctor ------------------------------------------------------------------------------------ */

static int32_t most_threads(const oc_cli *c)
{
    int32_t t[MAX_LIST], most = 1;
    int n = 0;
    if (!c->threads)
        return oc_par_cores();
    if (numbers("threads", c->threads, 1024, t, &n, NULL) != OC_OK)
        return 1; // refused elsewhere
    for (int i = 0; i < n; i++)
        most = OC_MAX(most, t[i]);
    return most;
}

static void doctor_json(const oc_machine *m, const oc_finding *f, int n, bool fine, oc_buf *out)
{
    oc_jw w = {.out = out};
    oc_jw_open(&w, '{');
    oc_jw_kbool(&w, "fine", fine);
    oc_jw_ki64(&w, "cores", m->cores);
    if (m->load >= 0)
        oc_jw_kf64(&w, "load_average", m->load);
    if (m->others >= 0)
        oc_jw_kf64(&w, "other_cpus", m->others);
    if (m->seconds > 0)
        oc_jw_kf64(&w, "steal_frac", m->steal);
    if (m->quota > 0)
        oc_jw_kf64(&w, "quota_cpus", m->quota);
    if (m->governor[0])
        oc_jw_kstr(&w, "governor", m->governor);
    if (m->turbo >= 0)
        oc_jw_kbool(&w, "turbo", m->turbo);
    if (m->smt >= 0)
        oc_jw_kbool(&w, "smt", m->smt);
    oc_jw_key(&w, "findings");
    oc_jw_open(&w, '[');
    for (int i = 0; i < n; i++) {
        oc_jw_open(&w, '{');
        oc_jw_kbool(&w, "spoils", f[i].spoils);
        oc_jw_kstr(&w, "what", f[i].what);
        oc_jw_kstr(&w, "todo", f[i].todo);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
    oc_buf_ch(out, '\n');
}

static bool spoilt(const oc_finding *f, int n)
{
    for (int i = 0; i < n; i++)
        if (f[i].spoils)
            return true;
    return false;
}

/* What half a second of doing nothing shows. */
static int doctor(const oc_cli *c)
{
    int32_t t[MAX_LIST];
    int n_threads;
    oc_err err = {0};
    oc_watch *w = NULL;
    if (c->threads && numbers("threads", c->threads, 1024, t, &n_threads, &err) != OC_OK)
        return oc_cli_fail(&err);
    if (oc_watch_begin("", getpid(), &w, &err) != OC_OK)
        return oc_cli_fail(&err);
    oc_sleep_ms(500);
    oc_machine m;
    oc_finding f[OC_MAX_FINDINGS];
    oc_watch_end(w, &m);
    int n = oc_doctor(&m, most_threads(c), f);
    bool fine = !spoilt(f, n);
    oc_buf out = {0};
    if (c->json) {
        doctor_json(&m, f, n, fine, &out);
    } else {
        for (int i = 0; i < n; i++)
            oc_buf_fmt(&out, "%s: %s: %s\n", f[i].spoils ? "spoils" : "note", f[i].what, f[i].todo);
        oc_buf_str(&out, fine ? "fine: nothing here spoils a measurement\n"
                              : "not fine: what is measured now is not to be trusted\n");
    }
    int rc = oc_cli_print(&out);
    oc_buf_release(&out);
    return rc != OC_EXIT_DONE || fine ? rc : OC_EXIT_NOT_ACCEPTED;
}

void oc_cli_disturbed(const oc_machine *m, int32_t threads, double spread)
{
    oc_finding f[OC_MAX_FINDINGS];
    int n = oc_doctor(m, threads, f);
    for (int i = 0; i < n; i++)
        if (f[i].spoils)
            fprintf(stderr, "optimclm: these times are disturbed: %s: %s\n", f[i].what, f[i].todo);
    if (spread > OC_LATENCY_NOISY)
        fprintf(stderr,
                "optimclm: the times of one row spread by %.0f %% (middle half of its runs): "
                "measure again with more --seconds, or see bench --doctor\n",
                100 * spread);
}

static double worst_spread(const bench *b)
{
    double worst = 0;
    for (int i = 0; i < b->n; i++)
        worst = OC_MAX(worst, oc_latency_spread(&b->cases[i]));
    return worst;
}

int oc_cli_bench(oc_cli *c)
{
    if (c->doctor)
        return c->arg.n == 1 ? doctor(c) : oc_cli_usage("bench --doctor takes no model folder");
    if (c->paper)
        return c->layers ? oc_cli_usage("bench takes --paper or --layers, not both")
                         : oc_cli_paper(c);
    if (c->peer || c->data || c->text)
        return oc_cli_usage("--peer, --data and --text belong to bench --paper");
    if (c->layers)
        return oc_cli_layers(c);
    if (c->arg.n < 2 || c->arg.n > MAX_MODELS + 1)
        return oc_cli_usage("bench takes one to %d model folders", MAX_MODELS);
    bench b = {0};
    oc_err err = {0};
    oc_status st = OC_OK;
    for (int64_t i = 1; st == OC_OK && i < c->arg.n; i++) {
        st = oc_cli_load(c->arg.item[i], 2, &b.k[b.n_models], &err);
        if (st == OC_OK) {
            b.model[b.n_models] = b.k[b.n_models]->model;
            b.n_models++;
        }
    }
    if (st == OC_OK)
        st = bench_plan(c, &b, &err);
    oc_watch *watch = NULL;
    oc_cli_packing packing;
    oc_cli_packing_start(&packing);
    if (st == OC_OK)
        st = oc_watch_begin("", getpid(), &watch, &err);
    if (st == OC_OK)
        st = oc_latency_measure(b.cases, b.n, c->seconds * 1000, never, NULL, &packing.meter.watch,
                                &err);
    oc_machine machine;
    oc_watch_end(watch, &machine);
    oc_cli_progress_end();
    for (int i = 0; st == OC_OK && i < b.n_models; i++)
        st = oc_zeros_measure(b.model[i], &b.zeros[i], &err);
    oc_buf out = {0};
    int rc;
    if (st == OC_OK) {
        bench_print(c, &b, &out);
        rc = oc_cli_print(&out);
        oc_cli_disturbed(&machine, most_threads(c), worst_spread(&b));
    } else {
        rc = oc_cli_fail(&err);
    }
    oc_buf_release(&out);
    for (int i = 0; i < b.n_models; i++)
        oc_checkpoint_free(b.k[i]);
    oc_free(b.cases);
    oc_free(b.owner);
    return rc;
}
