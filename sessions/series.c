#include "sessions/series.h"

#include <float.h>
#include <math.h>

#include "core/base/alloc.h"

enum { BASE_SHIFT = 4 }; // 16 points in a bucket of level 0

static const oc_range nothing = {.lo = INFINITY, .hi = -INFINITY};

static int64_t bucket_points(int k)
{
    return (int64_t)1 << (k + BASE_SHIFT);
}

static void widen(oc_range *r, oc_range by)
{
    r->lo = OC_MIN(r->lo, by.lo);
    r->hi = OC_MAX(r->hi, by.hi);
}

/* A point as a range; empty when it is not finite. Doubles beyond float's range are its ends. */
static oc_range of_point(double y)
{
    if (!isfinite(y))
        return nothing;
    float f = y > (double)FLT_MAX ? FLT_MAX : y < (double)-FLT_MAX ? -FLT_MAX : (float)y;
    return (oc_range){f, f};
}

static oc_range of_points(const oc_series *s, int64_t i0, int64_t i1)
{
    oc_range r = nothing;
    for (int64_t i = i0; i < i1; i++)
        widen(&r, of_point(s->y[i]));
    return r;
}

/* Bucket j of level k from the level below (or the points), as far as there are points. */
static oc_range rebuilt(const oc_series *s, int k, int64_t j)
{
    int64_t begin = j * bucket_points(k), end = OC_MIN(s->n, begin + bucket_points(k));
    if (k == 0)
        return of_points(s, begin, end);
    oc_range r = nothing;
    int64_t below = bucket_points(k - 1);
    for (int64_t i = begin / below; i * below < end; i++)
        widen(&r, s->level[k - 1][i]);
    return r;
}

oc_status oc_series_reserve(oc_series *s, oc_err *err)
{
    size_t need = (size_t)s->n + 1;
    if (need > s->cap) {
        // The three arrays share one capacity, which moves only when all of them have grown.
        size_t cx = s->cap, cy = s->cap, ct = s->cap;
        OC_TRY(oc_grow(&s->x, &cx, need, sizeof *s->x, err));
        OC_TRY(oc_grow(&s->y, &cy, need, sizeof *s->y, err));
        OC_TRY(oc_grow(&s->t, &ct, need, sizeof *s->t, err));
        s->cap = cx;
    }
    for (int k = 0; k < OC_PYRAMID && s->n >= bucket_points(k); k++)
        OC_TRY(oc_grow(&s->level[k], &s->level_cap[k], (size_t)(s->n / bucket_points(k)) + 1,
                       sizeof **s->level, err));
    return OC_OK;
}

void oc_series_push(oc_series *s, double x, double y, double t)
{
    int64_t i = s->n++;
    s->x[i] = x;
    s->y[i] = y;
    s->t[i] = t;
    s->n_nonfinite += !isfinite(y);
    oc_range p = of_point(y);
    for (int k = 0; k < OC_PYRAMID && i >= bucket_points(k); k++) {
        int64_t j = i / bucket_points(k);
        if (i == bucket_points(k))
            s->level[k][0] = rebuilt(s, k, 0); // the level begins to exist with this point
        if (i % bucket_points(k) == 0)
            s->level[k][j] = p;
        else
            widen(&s->level[k][j], p);
    }
}

void oc_series_cut(oc_series *s, double last)
{
    int64_t n = s->n;
    while (n > 0 && s->x[n - 1] > last)
        s->n_nonfinite -= !isfinite(s->y[--n]);
    if (n == s->n)
        return;
    s->n = n;
    for (int k = 0; k < OC_PYRAMID && n > bucket_points(k); k++) {
        int64_t j = (n - 1) / bucket_points(k);
        s->level[k][j] = rebuilt(s, k, j);
    }
}

oc_range oc_series_range(const oc_series *s, int64_t i0, int64_t i1)
{
    i0 = OC_MAX(i0, 0);
    i1 = OC_MIN(i1, s->n);
    oc_range r = nothing;
    while (i0 < i1) {
        // The widest bucket that begins here and ends inside the question.
        int k = -1;
        while (k + 1 < OC_PYRAMID && s->n > bucket_points(k + 1) &&
               i0 % bucket_points(k + 1) == 0 && i0 + bucket_points(k + 1) <= i1)
            k++;
        if (k >= 0) {
            widen(&r, s->level[k][i0 / bucket_points(k)]);
            i0 += bucket_points(k);
        } else {
            widen(&r, of_point(s->y[i0++]));
        }
    }
    return r;
}

int64_t oc_series_lower(const oc_series *s, double x)
{
    int64_t lo = 0, hi = s->n;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (s->x[mid] < x)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void oc_series_release(oc_series *s)
{
    oc_free(s->x);
    oc_free(s->y);
    oc_free(s->t);
    for (int k = 0; k < OC_PYRAMID; k++)
        oc_free(s->level[k]);
    *s = (oc_series){0};
}
