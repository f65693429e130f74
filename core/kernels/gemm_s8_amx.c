/*
 * core/kernels/gemm_s8_amx.c - int8 products of more than one row on AMX tiles.
 *
 * A block is 32 rows x 32 columns. Tiles 0..3 are its sums, two by two of 16 x 16; tiles 4 and 5
 * hold 64 k of its rows, 6 and 7 of its columns: one step loads four tiles for four products of
 * 16*16*64. A block of K = 768 is 12 steps, so what surrounds them counts as much as they do:
 *   - sums become y while the products of the next block run, some rows behind each step: the tiles'
 *     unit and the vector units work at once (x1.15 to x1.25, GELU or not);
 *   - of rows and columns, one stays in L1 from block to block and the other passes. What passes is
 *     loaded with the hint that it is not needed again (tileloaddt1), or from K = 768 on each pushes
 *     the other out (x1.15 to x1.2);
 *   - a row tile of few k stays, and y is written along its rows (x1.2 to x1.3: y comes from L3 too,
 *     and the CPU fetches ahead along rows). Else a cut of a panel stays and row tiles pass, so
 *     weights, which a network has more of than L2 holds, are read once for all of them, and what
 *     follows is asked for in time (x1.2 to x1.5).
 * Against the bare products of registers with such numbers, 38 to 55 % are reached. Measured apart:
 * loads from L1 cost nothing, blocks with their sums stored 85 %, columns that pass from L2 75 %, y made
 * in L1 72 %, y written to L2 61 % (45 % where its rows do not begin at cache lines, as of N = 312).
 * Rows are copied first, to [tile][K/64][32 rows][64 k]; panels are [K/64][2][16 fours of k][16
 * columns][4 k] (tile_s8_amx.c), so that each tile is 1 KB in one piece.
 *
 * Range: tdpbssd adds without saturation: sums are exact for K <= 133,144. Tiles are configured when
 * a piece begins and released at its end, so no thread keeps their 8 KB of state alive.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_AMX

#    include <assert.h>

#    include "core/base/attr.h"
#    include "core/kernels/gemm_s8.h"
#    include "core/kernels/vec_avx512.h"
#    include "core/kernels/vec_math.h"

#    define INLINE __attribute__((always_inline)) static inline

enum {
    SIDE = 32,       /* rows and columns of a block */
    DEEP = 64,       /* k of a step */
    TILE = 1024,     /* bytes */
    LINE = 64,       /* bytes from row to row of a tile that is one piece */
    STEP = 2 * TILE, /* bytes of rows, or of columns, that a step takes */
    SHORT = 6,       /* steps: a row tile of so many stays in L1 while panels pass */
    CUT = 16,        /* steps at most of a panel that stays: 32 KB */
    MAX_TILES = 8,   /* of rows, that pass over it */
    ROWS_BYTES = 384 * 1024
};

static_assert(OC__AMX_QMR == SIDE && OC__AMX_QNR == SIDE && OC__AMX_QKR == DEEP, "as packed");

/* A block whose sums are whole and wait to become y. */
typedef struct waiting {
    const int32_t *sums; /* [32][32] */
    int64_t rows, cols;  /* of y */
    const float *xs, *scale, *bias;
    float *y;
    int64_t ldy;
    oc_epilogue act;
} waiting;

static inline int64_t div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

INLINE oc_vf same(oc_vf x)
{
    return x;
}

/* Rows [r, end) to y through act, a constant where it is inlined. Both halves of a row at once: two
 * chains of instructions, side by side. */
INLINE void rows_through(oc_vf (*act)(oc_vf), const waiting *w, int64_t r, int64_t end)
{
    const oc_vm m[2] = {vm_first(w->cols), vm_first(w->cols - 16)};
    oc_vf scale[2], bias[2], y[2];
    OC_UNROLL
    for (int v = 0; v < 2; v++) {
        scale[v] = v_load_m(m[v], w->scale + 16 * v);
        bias[v] = w->bias ? v_load_m(m[v], w->bias + 16 * v) : v_set(0.0f);
    }
    for (int64_t i = r; i < end; i++) {
        const oc_vf xs = v_set(w->xs[i]);
        OC_UNROLL
        for (int v = 0; v < 2; v++) {
            oc_vf sum = _mm512_cvtepi32_ps(_mm512_load_si512(w->sums + i * SIDE + 16 * v));
            y[v] = act(v_fma(sum, v_mul(xs, scale[v]), bias[v]));
        }
        v_store_m(m[0], w->y + i * w->ldy, y[0]);
        v_store_m(m[1], w->y + i * w->ldy + 16, y[1]);
    }
}

static void finish(const waiting *w, int64_t r, int64_t end)
{
    switch (w->act) {
    case OC_EPI_NONE: rows_through(same, w, r, end); break;
    case OC_EPI_GELU: rows_through(v_gelu, w, r, end); break;
    case OC_EPI_GELU_NEW: rows_through(v_gelu_new, w, r, end); break;
    case OC_EPI_RELU: rows_through(v_relu, w, r, end); break;
    case OC_EPI_TANH: rows_through(v_tanh, w, r, end); break;
    }
}

/* Steps of one block, of the k that its columns keep. */
typedef struct steps {
    int64_t n;
    const uint16_t *at;  /* [n] where its rows are, in steps; NULL: one after the other */
    const int8_t *a, *b; /* rows and columns, STEP bytes a step */
    bool low;            /* more than 16 rows */
    bool rows_stay;      /* in L1; else the columns do */
    int64_t ahead;       /* lines to ask for behind each step, from next on */
    const int8_t *next;
} steps;

/* What passes is loaded late: it comes from farther away. */
INLINE void step(bool rows_stay, bool low, const int8_t *a, const int8_t *b)
{
    if (rows_stay) {
        _tile_loadd(4, a, LINE);
        _tile_stream_loadd(6, b, LINE);
        _tile_dpbssd(0, 4, 6);
        _tile_stream_loadd(7, b + TILE, LINE);
        _tile_dpbssd(1, 4, 7);
        if (low) {
            _tile_loadd(5, a + TILE, LINE);
            _tile_dpbssd(2, 5, 6);
            _tile_dpbssd(3, 5, 7);
        }
    } else {
        _tile_stream_loadd(4, a, LINE);
        _tile_loadd(6, b, LINE);
        _tile_dpbssd(0, 4, 6);
        _tile_loadd(7, b + TILE, LINE);
        _tile_dpbssd(1, 4, 7);
        if (low) {
            _tile_stream_loadd(5, a + TILE, LINE);
            _tile_dpbssd(2, 5, 6);
            _tile_dpbssd(3, 5, 7);
        }
    }
}

/* All steps into tiles 0..3, and behind each its share of the rows of w. */
static void multiply(const steps *s, const waiting *w)
{
    const int8_t *next = s->next;
    int64_t done = 0, share = s->n > 0 ? div_up(w->rows, s->n) : 0;
    for (int64_t i = 0; i < s->n; i++) {
        step(s->rows_stay, s->low, s->a + (s->at ? s->at[i] : i) * STEP, s->b + i * STEP);
        for (int64_t line = 0; line < s->ahead; line++, next += LINE)
            _mm_prefetch(next, _MM_HINT_T1);
        if (done < w->rows) {
            int64_t end = OC_MIN(w->rows, done + share);
            finish(w, done, end);
            done = end;
        }
    }
    finish(w, done, w->rows);
}

static void begin_sums(const int32_t *sums, bool accumulate)
{
    const int64_t stride = SIDE * (int64_t)sizeof *sums;
    if (accumulate) {
        _tile_loadd(0, sums, stride);
        _tile_loadd(1, sums + 16, stride);
        _tile_loadd(2, sums + 16 * SIDE, stride);
        _tile_loadd(3, sums + 16 * SIDE + 16, stride);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
}

static void store_sums(int32_t *sums, bool low)
{
    const int64_t stride = SIDE * (int64_t)sizeof *sums;
    _tile_stored(0, sums, stride);
    _tile_stored(1, sums + 16, stride);
    if (low) {
        _tile_stored(2, sums + 16 * SIDE, stride);
        _tile_stored(3, sums + 16 * SIDE + 16, stride);
    }
}

/* What one worker works on: some row tiles of a product. */
typedef struct work {
    _Alignas(64) int8_t rows[ROWS_BYTES];
    _Alignas(64) int32_t sums[MAX_TILES][SIDE * SIDE];
    const oc_s8_product *p;
    int64_t m0, m1;
    int64_t n_steps, cut;
    bool whole; /* all k of the rows have room when prepared */
    bool rows_stay;
    waiting w;
} work;

/* Steps at[0..n), or the first n, of row tile t. Rows past the last hold anything: they reach no
 * other row. */
static void prepare(const work *g, int64_t t, const uint16_t *at, int64_t n, int8_t *dst)
{
    int64_t Kp = g->p->W->Kp, m0 = g->m0 + t * SIDE, rows = OC_MIN(SIDE, g->m1 - m0);
    const int8_t *x = g->p->xq + m0 * Kp;
    for (int64_t i = 0; i < n; i++, dst += STEP) {
        int64_t k = (at ? at[i] : i) * DEEP;
        __mmask64 have = Kp - k >= DEEP ? ~(__mmask64)0 : 0xffffffffU;
        for (int64_t m = 0; m < rows; m++)
            _mm512_store_si512(dst + m * DEEP, _mm512_maskz_loadu_epi8(have, x + m * Kp + k));
    }
    __asm__ volatile("" ::: "memory"); // compilers do not know that tile loads read it
}

/* Where row tile t has its sums: a place for all, near, unless they must last till the next cut. */
static int32_t *sums_of(work *g, int64_t t)
{
    return g->sums[g->cut < g->n_steps ? t : 0];
}

static waiting now_waiting(work *g, int64_t t, int64_t q)
{
    const oc_s8_product *p = g->p;
    int64_t m = g->m0 + t * SIDE, n = q * SIDE;
    return (waiting){.sums = sums_of(g, t),
                     .rows = OC_MIN(SIDE, g->m1 - m),
                     .cols = OC_MIN(SIDE, p->W->N - n),
                     .xs = p->xs + m,
                     .scale = p->W->scale + n,
                     .bias = p->bias ? p->bias + n : NULL,
                     .y = p->y + m * p->ldy + n,
                     .ldy = p->ldy,
                     .act = p->act};
}

/* Columns that stay: each of the row tiles asks for its share of what follows. Else the first tile
 * asks for all of it, and those after it find it in L2. */
static void ask_ahead(steps *k, const int8_t *next, int64_t n_tiles, int64_t t)
{
    int64_t shares = k->rows_stay ? 1 : n_tiles;
    bool asks = n_tiles > 1 && (t == 0 || !k->rows_stay);
    k->ahead = asks ? div_up(STEP / LINE, shares) : 0;
    k->next = next + t * k->ahead * k->n * LINE;
}

/* Row tile t of n_tiles x panel q x the cut at kept step s; after the last, its sums wait. */
static void multiply_block(work *g, int64_t n_tiles, int64_t t, int64_t q, int64_t s)
{
    const oc_s8_kept *kept = oc__s8_kept_of(g->p->W, q);
    bool last = s + g->cut >= kept->n;
    const int8_t *panel = oc__s8_panel(g->p->W, q);
    steps k = {.n = last ? kept->n - s : g->cut,
               .a = g->rows + (g->whole ? t * g->n_steps * STEP : 0),
               .b = panel + s * STEP,
               .at = g->whole ? kept->at + s : NULL,
               .low = g->m1 - g->m0 - t * SIDE > 16,
               .rows_stay = g->rows_stay};
    if (!g->whole)
        prepare(g, t, kept->at + s, k.n, g->rows);
    ask_ahead(&k, last ? panel + oc__s8_panel_bytes(g->p->W->K) : k.b + k.n * STEP, n_tiles, t);
    begin_sums(sums_of(g, t), s > 0);
    multiply(&k, &g->w);
    store_sums(sums_of(g, t), k.low);
    g->w.rows = 0;
    if (last)
        g->w = now_waiting(g, t, q);
}

/* Rows [m0, m1), not more than have room, x panels [q0, q1). */
static void multiply_rows(work *g, int64_t m0, int64_t m1, int64_t q0, int64_t q1)
{
    int64_t tiles = div_up(m1 - m0, SIDE);
    g->m0 = m0;
    g->m1 = m1;
    for (int64_t t = 0; g->whole && t < tiles; t++)
        prepare(g, t, NULL, g->n_steps, g->rows + t * g->n_steps * STEP);
    if (g->rows_stay) {
        for (int64_t t = 0; t < tiles; t++)
            for (int64_t q = q0; q < q1; q++)
                multiply_block(g, tiles, t, q, 0);
    } else {
        for (int64_t q = q0; q < q1; q++) {
            int64_t kept = OC_MAX(1, oc__s8_kept_of(g->p->W, q)->n);
            for (int64_t s = 0; s < kept; s += g->cut)
                for (int64_t t = 0; t < tiles; t++)
                    multiply_block(g, tiles, t, q, s);
        }
    }
    finish(&g->w, 0, g->w.rows);
    g->w.rows = 0;
}

void oc_k_gemm_s8_piece_amx(const oc_s8_product *p, int64_t m0, int64_t m1, int64_t q0, int64_t q1)
{
    work g;
    g.p = p;
    g.w = (waiting){.rows = 0};
    g.n_steps = div_up(p->W->K, DEEP);
    g.whole = g.n_steps * STEP <= ROWS_BYTES;
    g.rows_stay = g.n_steps <= SHORT || (g.whole && m1 - m0 <= SIDE);
    g.cut = g.rows_stay ? g.n_steps : div_up(g.n_steps, div_up(g.n_steps, CUT));
    int64_t tiles = div_up(m1 - m0, SIDE), room = ROWS_BYTES / (g.n_steps * STEP);
    int64_t blocks = div_up(tiles, OC_MIN(MAX_TILES, OC_MAX(1, room)));
    oc_k_begin_tiles_amx();
    for (int64_t i = 0; i < blocks; i++)
        multiply_rows(&g, m0 + tiles * i / blocks * SIDE,
                      OC_MIN(m1, m0 + tiles * (i + 1) / blocks * SIDE), q0, q1);
    oc_k_end_tiles_amx();
}

#endif
