/*
 * tests/bench/bench_kernels.c - rate of the matrix products and of the row kernels, per ISA.
 *
 * Medians over rounds; a round runs every line once, so a slow moment of the machine hits all
 * lines alike. A product counts 2 M N K operations; the attention lines include the packing of both
 * sides. Beside each product stands its share of what the multipliers alone do (peak.h): the best
 * single run over the best run of the peak's loop, both tried in every round, since on shared
 * machines either may run at half its rate for seconds.
 * OC_BENCH_THREADS=N: on N threads, and how many times the rate of one thread that is, beside the same
 * of the peak's loop: what this machine lets N threads do.
 * Usage: bench_kernels [ROUNDS [ISA [WORD]]]   (default 15, all ISAs, all lines; WORD: only lines
 * whose name contains it or whose shape starts with it)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/attr.h"
#include "core/base/clock.h"
#include "core/base/par.h"
#include "core/base/rng.h"
#include "core/kernels/gemm_tn.h"
#include "core/kernels/kernels.h"
#include "tests/bench/peak.h"

enum { MAX_LINES = 256, MAX_ROUNDS = 101, COLD_BYTES = 8 << 20 };

typedef struct line line;
struct line {
    oc_isa isa;
    const char *what;
    int64_t M, N, K;
    void (*run)(line *l);
    int64_t repeat; /* runs per round, so that a round of a line takes about a millisecond */
    double ops;     /* per run */
    float *a, *b, *c, *bias, *scratch;
    oc_packed_f32 pb;
    oc_packed_s8 pw;
    int8_t *q, *w, *panels;
    int64_t n_panels, turn;  /* panels: copies of the packed weights */
    double rate[MAX_ROUNDS]; /* 1e9 operations per second */
    double best, peak;       /* of single runs; of the multipliers, 0: not known */
    double scaling[MAX_ROUNDS], peak_scaling[MAX_ROUNDS]; /* times one thread */
};

static bool is_s8(const line *l)
{
    return strncmp(l->what, "s8", 2) == 0;
}

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "bench_kernels: out of memory\n");
        exit(1);
    }
    return p;
}

static float *random_floats(int64_t n, uint64_t seed)
{
    float *p = must(oc_alloc((size_t)n * sizeof *p));
    for (int64_t i = 0; i < n; i++)
        p[i] = (float)(int64_t)(oc_rng_at(seed, (uint64_t)i) >> 40) / 8388608.0f - 1.0f;
    return p;
}

static void run_forward(line *l)
{
    oc_gemm_f32(l->M, l->N, l->K, l->a, l->K, &l->pb, false, l->bias, OC_EPI_NONE, l->c, l->N,
                NULL);
}

/* Weights of which 60 % of all blocks of 32 x 32 were pruned; operations are counted as if dense. */
static void run_blocks(line *l)
{
    run_forward(l);
}

static void prune_blocks(float *w, int64_t N, int64_t K)
{
    for (int64_t n = 0; n < N; n++)
        for (int64_t k = 0; k < K; k++)
            if (oc_rng_at(7, (uint64_t)(n / 32 * 1000 + k / 32)) % 100 < 60)
                w[n * K + k] = 0.0f;
}

static void prune_s8(int8_t *w, int64_t N, int64_t K, int64_t deep)
{
    for (int64_t n = 0; n < N; n++)
        for (int64_t k = 0; k < K; k++)
            if (oc_rng_at(7, (uint64_t)(n / 32 * 1000 + k / deep)) % 100 < 60)
                w[n * K + k] = 0;
}

/* On the matrix unit, if there is one. */
static void run_x6(line *l)
{
    run_forward(l);
}

static void run_gelu(line *l)
{
    oc_gemm_f32(l->M, l->N, l->K, l->a, l->K, &l->pb, false, l->bias, OC_EPI_GELU, l->c, l->N,
                l->c);
}

/* M = outputs, N = inputs, K = rows: dW += dy^T x, as training does. */
static void run_weight_grad(line *l)
{
    oc_gemm_tn_f32(l->K, l->M, l->N, l->a, l->M, l->b, l->N, l->c, l->bias, l->scratch);
}

/* q k^T of one head: both with rows of length K in a matrix of stride 4 K. */
static void run_scores(line *l)
{
    oc_gemm_f32_serial(l->M, l->N, l->K, (oc_mat){l->a, 4 * l->K, 1}, (oc_mat){l->b, 1, 4 * l->K},
                       false, l->c, l->N, l->scratch);
}

/* p v of one head. */
static void run_context(line *l)
{
    oc_gemm_f32_serial(l->M, l->N, l->K, (oc_mat){l->a, l->K, 1}, (oc_mat){l->b, 4 * l->N, 1},
                       false, l->c, 4 * l->N, l->scratch);
}

/* p^T dc of one head. */
static void run_context_t(line *l)
{
    oc_gemm_f32_serial(l->M, l->N, l->K, (oc_mat){l->a, 1, l->M}, (oc_mat){l->b, 4 * l->N, 1},
                       false, l->c, 4 * l->N, l->scratch);
}

/* Quantization of the rows included, as a model needs it. */
static void run_s8(line *l)
{
    for (int64_t m = 0; m < l->M; m++)
        oc_k->quantize_row(l->a + m * l->K, l->K, l->pw.Kp, l->q + m * l->pw.Kp,
                           l->bias + l->N + m);
    oc_gemm_qd8_qc8w_f32(l->M, l->q, l->bias + l->N, &l->pw, l->bias, OC_EPI_NONE, l->c, l->N);
}

static void run_s8_only(line *l)
{
    oc_gemm_qd8_qc8w_f32(l->M, l->q, l->bias + l->N, &l->pw, l->bias, OC_EPI_NONE, l->c, l->N);
}

/* Weights of 7 bits, for which AVX2 has a shorter way. */
static void run_s8_7(line *l)
{
    run_s8_only(l);
}

static void run_s8_gelu(line *l)
{
    oc_gemm_qd8_qc8w_f32(l->M, l->q, l->bias + l->N, &l->pw, l->bias, OC_EPI_GELU, l->c, l->N);
}

/* Weights of which 60 % of all blocks of 32 x 32 (64 k x 32 columns: whole) were pruned. */
static void run_s8_blocks(line *l)
{
    run_s8_only(l);
}

static void run_s8_whole_blocks(line *l)
{
    run_s8_only(l);
}

/* As in a network: the weights of many layers, more than L2 holds, one after the other. */
static void run_s8_cold(line *l)
{
    int64_t bytes = (int64_t)oc_pack_s8_bytes(l->K, l->N);
    l->pw.panel = l->panels + l->turn++ % l->n_panels * bytes;
    run_s8_only(l);
}

/* Row kernels: M rows of N; operations = elements. */
static void run_row_gelu(line *l)
{
    for (int64_t m = 0; m < l->M; m++)
        oc_k->act_row(OC_EPI_GELU, l->a + m * l->N, l->N, l->c + m * l->N);
}

static void run_row_gelu_bwd(line *l)
{
    for (int64_t m = 0; m < l->M; m++)
        oc_k->act_bwd_row(OC_EPI_GELU, l->a + m * l->N, l->a + m * l->N, l->N, l->c + m * l->N);
}

static void run_row_softmax(line *l)
{
    for (int64_t m = 0; m < l->M; m++)
        oc_k->softmax_row(l->c + m * l->N, NULL, l->N, NULL);
}

static void run_row_softmax_s8(line *l)
{
    int8_t *hi = (int8_t *)l->c;
    for (int64_t m = 0; m < l->M; m++)
        oc_k->softmax_s8_row(l->a + m * l->N, NULL, l->N, l->N, hi, hi + l->N, l->bias);
}

static void run_row_layernorm(line *l)
{
    for (int64_t m = 0; m < l->M; m++)
        oc_k->layernorm_row(l->a + m * l->N, l->bias, l->bias, l->N, 1e-12f, l->c + m * l->N, NULL,
                            NULL);
}

static void run_row_quantize(line *l)
{
    for (int64_t m = 0; m < l->M; m++)
        oc_k->quantize_row(l->a + m * l->N, l->N, l->N, l->q, l->bias);
}

static void run_adamw(line *l)
{
    oc_k->adamw(l->c, l->a, l->b, l->bias, l->N, 1.0f, 0.9f, 0.999f, 1e-8f, 1e-3f, 1.0f, 1e-5f,
                NULL);
}

static void line_init(line *l)
{
    int64_t M = l->M, N = l->N, K = l->K, wide = OC_MAX(OC_MAX(M, N), K) * 4;
    oc_k = oc_kernels_for(l->isa);
    l->ops = K ? 2.0 * (double)M * (double)N * (double)K : (double)M * (double)N;
    l->a = random_floats(OC_MAX(M, 1) * wide, 1);
    l->b = random_floats(OC_MAX(M, 1) * wide + wide * K, 2);
    l->c = random_floats(OC_MAX(M, 1) * OC_MAX(N * 4, wide), 3);
    l->bias = random_floats(wide * 2 + M, 4);
    if (l->run == run_adamw)
        for (int64_t i = 0; i < N; i++)
            l->bias[i] = 1e-3f;
    l->scratch = must(oc_alloc(sizeof(float) * (size_t)(oc_par_workers() * oc_gemm_tn_floats() +
                                                        oc_gemm_serial_floats(M, N, K))));
    bool x6 = l->run == run_x6;
    float *fp = must(oc_alloc(sizeof(float) * (size_t)oc_pack_f32_floats(K, N, x6)));
    l->pb = (oc_packed_f32){.panel = fp, .K = K, .N = N, .x6 = x6};
    if (l->run == run_blocks)
        prune_blocks(l->b, N, K);
    oc_pack_f32((oc_mat){l->b, 1, K}, &l->pb);
    int64_t Kp = (OC_MAX(K, N) + 31) / 32 * 32;
    l->q = must(oc_alloc((size_t)(OC_MAX(M, 1) * Kp)));
    if (is_s8(l)) {
        int top = l->run == run_s8_7 ? 63 : 127;
        Kp = (K + 31) / 32 * 32;
        l->w = must(oc_alloc((size_t)(N * K)));
        for (int64_t i = 0; i < N * K; i++)
            l->w[i] = (int8_t)((int)(oc_rng_at(5, (uint64_t)i) % (2 * top + 1)) - top);
        if (l->run == run_s8_blocks || l->run == run_s8_whole_blocks)
            prune_s8(l->w, N, K, l->run == run_s8_blocks ? 32 : 64);
        bool bits7 = oc_s8_is_7_bits(l->w, N * K);
        int64_t bytes = (int64_t)oc_pack_s8_bytes(K, N);
        l->n_panels = l->run == run_s8_cold ? COLD_BYTES / bytes + 1 : 1;
        l->panels = must(oc_alloc((size_t)(l->n_panels * bytes)));
        for (int64_t i = 0; i < l->n_panels; i++)
            oc_pack_s8(l->w, K, N, bits7, l->panels + i * bytes);
        l->pw = (oc_packed_s8){l->panels, l->bias, K, N, Kp, bits7};
        run_s8(l);
    }
    l->repeat = 1;
    l->run(l);
    int64_t t = oc_now_ns();
    l->run(l);
    t = oc_now_ns() - t;
    l->repeat = OC_MAX(1, 2000000 / OC_MAX(t, 1));
}

/* What the multipliers do now. */
static double peak_of(const line *l)
{
    return l->K == 0 ? 0.0 : oc_peak_rate(oc_peak_of(l->isa, is_s8(l)));
}

static double rate(const line *l, int64_t ns)
{
    return l->ops / (double)OC_MAX(ns, 1);
}

/* Mean rate of some runs; l->best is kept up to date. */
static double timed(line *l)
{
    l->run(l); // caches hold this line's data
    int64_t start = oc_now_ns(), t = start;
    for (int64_t i = 0; i < l->repeat; i++) {
        l->run(l);
        int64_t now = oc_now_ns();
        l->best = OC_MAX(l->best, rate(l, now - t));
        t = now;
    }
    return rate(l, (t - start) / l->repeat);
}

static void line_round(line *l, int round)
{
    int threads = oc_par_workers();
    oc_k = oc_kernels_for(l->isa);
    double peak = peak_of(l);
    l->peak = OC_MAX(l->peak, peak);
    l->rate[round] = timed(l);
    if (threads == 1)
        return;
    double best = l->best;
    oc_par_set_workers(1);
    l->scaling[round] = l->rate[round] / timed(l);
    peak /= l->K ? peak_of(l) : 1.0;
    l->peak_scaling[round] = peak;
    oc_par_set_workers(threads);
    l->best = best;
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void line_print(line *l, int rounds)
{
    qsort(l->rate, (size_t)rounds, sizeof l->rate[0], by_value);
    qsort(l->scaling, (size_t)rounds, sizeof l->scaling[0], by_value);
    qsort(l->peak_scaling, (size_t)rounds, sizeof l->peak_scaling[0], by_value);
    char shape[48];
    if (l->K)
        snprintf(shape, sizeof shape, "%lldx%lldx%lld", (long long)l->M, (long long)l->N,
                 (long long)l->K);
    else
        snprintf(shape, sizeof shape, "%lldx%lld", (long long)l->M, (long long)l->N);
    printf("%-10s %-24s %-14s %8.2f %8.2f  %s", oc_isa_name(l->isa), l->what, shape,
           l->rate[rounds / 2], l->best,
           !l->K      ? "Gelem/s"
           : is_s8(l) ? "GOP/s"
                      : "GFLOP/s");
    if (l->peak > 0)
        printf("  %3.0f %%", 100.0 * l->best / l->peak);
    if (oc_par_workers() > 1)
        printf("  %.2fx of one thread", l->scaling[rounds / 2]);
    if (oc_par_workers() > 1 && l->peak > 0)
        printf(", the loop %.2fx", l->peak_scaling[rounds / 2]);
    printf("\n");
}

static line lines[MAX_LINES];
static int n_lines;
static const char *only_word = "";

static void add(oc_isa isa, const char *what, void (*run)(line *), int64_t M, int64_t N, int64_t K)
{
    char shape[64];
    snprintf(shape, sizeof shape, "%lldx%lldx%lld", (long long)M, (long long)N, (long long)K);
    bool wanted = strstr(what, only_word) || strncmp(shape, only_word, strlen(only_word)) == 0;
    if (n_lines < MAX_LINES && oc_kernels_for(isa) && wanted)
        lines[n_lines++] = (line){.isa = isa, .what = what, .M = M, .N = N, .K = K, .run = run};
}

static void add_all(oc_isa isa)
{
    add(isa, "f32 x W^T + b", run_forward, 128, 312, 312);
    add(isa, "f32 x W^T + b", run_forward, 512, 312, 312);
    add(isa, "f32 x W^T + b", run_forward, 512, 1200, 312);
    add(isa, "f32 x W^T + b", run_forward, 512, 768, 768);
    add(isa, "s8 quantize + product", run_s8, 128, 312, 312);
    add(isa, "s8 quantize + product", run_s8, 512, 312, 312);
    add(isa, "s8 quantize + product", run_s8, 512, 1200, 312);
    add(isa, "s8 quantize + product", run_s8, 512, 768, 768);
    if (isa == OC_ISA_REF)
        return;
    add(isa, "f32 x W^T + b", run_forward, 512, 312, 1200);
    add(isa, "f32 x W^T + b", run_forward, 128, 768, 768);
    add(isa, "f32 x W^T + b", run_forward, 128, 3072, 768);
    add(isa, "f32 x W^T + b", run_forward, 128, 768, 3072);
    add(isa, "f32 x W^T + b", run_forward, 1, 312, 312);
    add(isa, "f32 x W^T + b", run_forward, 2, 312, 312);
    add(isa, "f32 x W^T + b", run_forward, 3, 312, 312);
    add(isa, "f32 x W^T + b", run_forward, 8, 312, 312);
    add(isa, "f32 x W^T + b", run_forward, 1, 768, 768);
    add(isa, "f32 x W^T + b, gelu", run_gelu, 512, 1200, 312);
    for (int64_t m = 1; oc_kernels_for(isa) && oc_kernels_for(isa)->x6_tile && m <= 512; m *= 8) {
        int64_t rows = m == 64 ? 128 : m;
        add(isa, "f32 x6", run_x6, rows, 312, 312);
        add(isa, "f32 x6", run_x6, rows, 768, 768);
        add(isa, "f32 x6", run_x6, rows, 3072, 768);
        add(isa, "f32 x6", run_x6, rows, 768, 3072);
    }
    add(isa, "f32 60 % zero blocks", run_blocks, 128, 768, 768);
    add(isa, "f32 60 % zero blocks", run_blocks, 1, 768, 768);
    add(isa, "f32 dW += dy^T x", run_weight_grad, 312, 312, 128);
    add(isa, "f32 dW += dy^T x", run_weight_grad, 312, 312, 1024);
    add(isa, "f32 dW += dy^T x", run_weight_grad, 1200, 312, 1024);
    add(isa, "f32 dW += dy^T x", run_weight_grad, 768, 768, 1024);
    add(isa, "f32 q k^T", run_scores, 128, 128, 26);
    add(isa, "f32 q k^T", run_scores, 128, 128, 64);
    add(isa, "f32 q k^T", run_scores, 512, 512, 32);
    add(isa, "f32 p v", run_context, 128, 26, 128);
    add(isa, "f32 p v", run_context, 128, 64, 128);
    add(isa, "f32 p v", run_context, 512, 32, 512);
    add(isa, "f32 p^T dc", run_context_t, 128, 26, 128);
    add(isa, "f32 p^T dc", run_context_t, 512, 32, 512);
    add(isa, "s8 product", run_s8_only, 128, 312, 312);
    add(isa, "s8 product", run_s8_only, 512, 1200, 312);
    add(isa, "s8 product", run_s8_only, 512, 768, 768);
    add(isa, "s8 product", run_s8_only, 128, 768, 768);
    add(isa, "s8 product", run_s8_only, 128, 3072, 768);
    add(isa, "s8 product", run_s8_only, 128, 768, 3072);
    add(isa, "s8 product", run_s8_only, 512, 768, 3072);
    add(isa, "s8 product, gelu", run_s8_gelu, 128, 1200, 312);
    add(isa, "s8 product, gelu", run_s8_gelu, 128, 3072, 768);
    add(isa, "s8 60 % zero blocks", run_s8_blocks, 128, 768, 768);
    add(isa, "s8 60 % zero blocks", run_s8_blocks, 1, 768, 768);
    add(isa, "s8 60 % zero, 64 deep", run_s8_whole_blocks, 128, 768, 768);
    add(isa, "s8 60 % zero, 64 deep", run_s8_whole_blocks, 1, 768, 768);
    add(isa, "s8 60 % zero, 64 deep", run_s8_whole_blocks, 128, 768, 3072);
    add(isa, "s8 product, weights cold", run_s8_cold, 512, 1200, 312);
    add(isa, "s8 product, weights cold", run_s8_cold, 128, 768, 768);
    add(isa, "s8 product, weights cold", run_s8_cold, 128, 3072, 768);
    add(isa, "s8 product, weights cold", run_s8_cold, 128, 768, 3072);
    add(isa, "s8 product, weights cold", run_s8_cold, 512, 768, 768);
    add(isa, "s8 product, weights cold", run_s8_cold, 16, 768, 768);
    add(isa, "s8 product, weights cold", run_s8_cold, 128, 1024, 1024);
    add(isa, "s8 product", run_s8_only, 1, 312, 312);
    add(isa, "s8 product", run_s8_only, 2, 312, 312);
    add(isa, "s8 product", run_s8_only, 4, 312, 312);
    add(isa, "s8 product", run_s8_only, 8, 312, 312);
    add(isa, "s8 product", run_s8_only, 1, 768, 768);
    add(isa, "s8 product", run_s8_only, 16, 768, 768);
    add(isa, "s8 7-bit product", run_s8_7, 128, 768, 768);
    add(isa, "s8 7-bit product", run_s8_7, 512, 1200, 312);
    add(isa, "s8 7-bit product", run_s8_7, 128, 3072, 768);
    add(isa, "s8 7-bit product", run_s8_7, 1, 768, 768);
    add(isa, "gelu", run_row_gelu, 128, 1200, 0);
    add(isa, "gelu backward", run_row_gelu_bwd, 128, 1200, 0);
    add(isa, "softmax", run_row_softmax, 128, 128, 0);
    add(isa, "softmax", run_row_softmax, 64, 512, 0);
    add(isa, "softmax, shares in int8", run_row_softmax_s8, 64, 512, 0);
    add(isa, "layernorm", run_row_layernorm, 128, 312, 0);
    add(isa, "quantize", run_row_quantize, 128, 312, 0);
    add(isa, "adamw", run_adamw, 1, 100000, 0);
}

static int rounds = 15;

static void measure(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < n_lines; i++)
        line_init(&lines[i]);
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < n_lines; i++)
            line_round(&lines[i], r);
    for (int i = 0; i < n_lines; i++)
        line_print(&lines[i], rounds);
}

int main(int argc, char **argv)
{
    if (argc > 1 && atoi(argv[1]) > 0)
        rounds = OC_MIN(atoi(argv[1]), MAX_ROUNDS);
    const char *threads = getenv("OC_BENCH_THREADS");
    oc_par_set_workers(threads && atoi(threads) > 0 ? atoi(threads) : 1);
    char cpu[160];
    oc_cpu_describe(cpu, sizeof cpu);
    only_word = argc > 3 ? argv[3] : "";
    for (int isa = 0; isa < OC_N_ISAS; isa++)
        if (argc <= 2 || strcmp(argv[2], oc_isa_name((oc_isa)isa)) == 0)
            add_all((oc_isa)isa);
    printf("%s, %d thread(s), median of %d rounds, best run, its share of the peak\n", cpu,
           oc_par_workers(), rounds);
    oc_par_team(measure, NULL);
    return 0;
}
