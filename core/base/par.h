/*
 * core/base/par.h - parallel loops over a pool of threads.
 *
 * Work is dealt in fixed pieces of `grain` iterations, so what a piece computes never depends on
 * how many threads run: results are the same bits for 1, 2, ... threads as long as each piece
 * writes its own output. Reductions: one slot per piece, summed in order by the caller.
 * A loop inside a piece runs on that piece's worker alone. A worker that is not there when a loop
 * begins (the machine has other work) is not waited for: its share is done by those who are.
 *
 * Not OpenMP: a team of its threads waits for the last of them at the end of every loop, so with
 * another program on one of two cores each loop lasted a time slice: 27 of them, one forward pass
 * of bert-tiny, took 108 ms instead of 0.6.
 * Threads: any, but one loop at a time goes to the pool; a second caller's runs on itself.
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

#endif
