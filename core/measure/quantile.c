#include <math.h>
#include <stdlib.h>

#include "core/measure/latency.h"

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Linear between the two nearest, as numpy.quantile does by default. */
double oc_quantile_sorted(const double *x, int64_t n, double q)
{
    if (n < 1)
        return (double)NAN;
    double at = q * (double)(n - 1);
    int64_t i = (int64_t)at;
    if (i >= n - 1)
        return x[n - 1];
    return x[i] + (at - (double)i) * (x[i + 1] - x[i]);
}

double oc_median(double *x, int64_t n)
{
    qsort(x, n > 0 ? (size_t)n : 0, sizeof *x, by_double);
    return oc_quantile_sorted(x, n, 0.5);
}
