/*
 * core/base/par.h - parallel loops; the only file pair that knows OpenMP.
 *
 * Work is dealt in fixed pieces of `grain` iterations, so what a piece computes never depends on
 * how many threads run: results are the same bits for 1, 2, ... threads as long as each piece
 * writes its own output. Reductions: one slot per piece, summed in order by the caller.
 * Not nested: a piece must not call oc_par_for. Threads: the engine thread (or a main without one).
 */
#ifndef OC_BASE_PAR_H
#define OC_BASE_PAR_H

#include <stdint.h>

/* One piece: iterations [begin, end) of the loop; `worker` in 0..oc_par_workers()-1 picks scratch. */
typedef void (*oc_par_fn)(void *ctx, int64_t begin, int64_t end, int worker);

int oc_par_workers(void);       /* threads a loop may use now */
void oc_par_set_workers(int n); /* n < 1: OMP_NUM_THREADS or all cores */
int oc_par_cores(void);         /* cores of this machine the process may use */

/* Run fn over [0, n) in pieces of `grain` (>= 1); pieces are dealt statically or on demand. */
void oc_par_for(int64_t n, int64_t grain, oc_par_fn fn, void *ctx);

#endif
