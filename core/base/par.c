/*
 * Workers are the threads of one OpenMP team that stands by while its first thread works
 * (oc_par_team). A loop is dealt from one counter: the caller draws pieces, and so does a task for
 * each other worker. A worker that comes late, because another program has its core, finds nothing
 * left and is not waited for: whoever is there has done its share. (The end of an OpenMP loop or
 * region waits for every thread of the team: with another program on one of two cores that was a
 * time slice for each loop.)
 */
#include "core/base/par.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/base/attr.h"

static _Atomic int wanted;          // workers; 0: not asked for yet
static _Thread_local bool in_team;  // this thread has a team standing by
static _Thread_local bool in_piece; // of a loop

int oc_par_cores(void)
{
    return omp_get_num_procs();
}

static int at_start(void)
{
    static _Atomic int n; // OMP_NUM_THREADS or all cores
    if (!atomic_load(&n))
        atomic_store(&n, omp_get_max_threads());
    return atomic_load(&n);
}

int oc_par_workers(void)
{
    int n = atomic_load(&wanted);
    return in_piece ? 1 : n ? n : at_start();
}

void oc_par_set_workers(int n)
{
    atomic_store(&wanted, n >= 1 ? n : at_start());
}

typedef struct loop {
    int64_t n, grain;
    oc_par_fn fn;
    void *ctx;
    _Atomic int64_t next; // piece
} loop;

/* What is drawn is decided by who is there; what a piece computes is not. */
static void draw(loop *l, int worker)
{
    in_piece = true;
    for (int64_t begin; (begin = atomic_fetch_add(&l->next, 1) * l->grain) < l->n;)
        l->fn(l->ctx, begin, OC_MIN(l->n, begin + l->grain), worker);
    in_piece = false;
}

static void deal(loop *l, int width)
{
#pragma omp taskgroup
    {
        for (int w = 1; w < width; w++) {
#pragma omp task firstprivate(w)
            draw(l, w);
        }
        draw(l, 0);
    }
}

void oc_par_for(int64_t n, int64_t grain, oc_par_fn fn, void *ctx)
{
    loop l = {.n = n, .grain = grain, .fn = fn, .ctx = ctx};
    int64_t pieces = n > 0 ? (n + grain - 1) / grain : 0;
    int width = (int)OC_MIN((int64_t)oc_par_workers(), pieces);
    if (width <= 1) {
        for (int64_t b = 0; b < n; b += grain) // the only piece may still have loops for all
            fn(ctx, b, OC_MIN(n, b + grain), 0);
    } else if (in_team) {
        deal(&l, width);
    } else {
#pragma omp parallel num_threads(width)
#pragma omp master
        deal(&l, width);
    }
}

void oc_par_team(void (*fn)(void *ctx), void *ctx)
{
    int threads = OC_MAX(at_start(), oc_par_cores());
#pragma omp parallel num_threads(threads)
#pragma omp master
    {
        in_team = true;
        fn(ctx);
        in_team = false;
    }
}
