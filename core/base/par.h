/*
 * core/base/par.h - parallel loops; the only file pair that knows OpenMP.
 *
 * Work is dealt in fixed pieces of `grain` iterations, so what a piece computes never depends on
 * how many threads run: results are the same bits for 1, 2, ... threads as long as each piece
 * writes its own output. Reductions: one slot per piece, summed in order by the caller.
 * A loop inside a piece runs on that piece's worker alone.
 *
 * Inside oc_par_team a worker that does not come (another program has its core) is not waited for:
 * its share is done by those who are there. Outside, each loop gathers a team of its own and waits
 * for all of it, which costs some microseconds on an idle machine and time slices on a busy one.
 * Threads: any.
 */
#ifndef OC_BASE_PAR_H
#define OC_BASE_PAR_H

#include <stdint.h>

/* One piece: iterations [begin, end) of the loop; `worker`, less than oc_par_workers() outside the
 * loop, picks scratch. */
typedef void (*oc_par_fn)(void *ctx, int64_t begin, int64_t end, int worker);

int oc_par_workers(void);       /* threads a loop begun here and now may use; 1 inside a piece */
void oc_par_set_workers(int n); /* n < 1: OMP_NUM_THREADS or all cores */
int oc_par_cores(void);         /* cores of this machine the process may use */

/* Run fn over [0, n) in pieces of `grain` (>= 1); pieces are dealt on demand. */
void oc_par_for(int64_t n, int64_t grain, oc_par_fn fn, void *ctx);

/* Run fn on this thread, with workers standing by for the loops it will have. Not nested. */
void oc_par_team(void (*fn)(void *ctx), void *ctx);

#endif
