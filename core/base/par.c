#include "core/base/par.h"

#include <omp.h>

int oc_par_workers(void)
{
    return omp_get_max_threads();
}

int oc_par_cores(void)
{
    return omp_get_num_procs();
}

void oc_par_set_workers(int n)
{
    static int at_start; // OMP_NUM_THREADS or all cores
    if (!at_start)
        at_start = omp_get_max_threads();
    omp_set_num_threads(n >= 1 ? n : at_start);
}

void oc_par_for(int64_t n, int64_t grain, oc_par_fn fn, void *ctx)
{
    if (n <= 0)
        return;
    int64_t pieces = (n + grain - 1) / grain;
    if (pieces == 1 || omp_get_max_threads() == 1) {
        for (int64_t p = 0; p < pieces; p++)
            fn(ctx, p * grain, (p + 1) * grain < n ? (p + 1) * grain : n, 0);
        return;
    }
    // On demand: pieces differ in cost (notes of different lengths); which worker takes one does
    // not change what it computes.
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t p = 0; p < pieces; p++)
        fn(ctx, p * grain, (p + 1) * grain < n ? (p + 1) * grain : n, omp_get_thread_num());
}
