#include "core/nn/adamw.h"

#include <math.h>

#include "core/base/attr.h"
#include "core/base/par.h"
#include "core/kernels/kernels.h"

#define PIECE 65536 /* floats dealt to a worker at once */

typedef struct step_job {
    const oc_layout *lo;
    float *w, *m, *v;
    const float *g;
    const uint8_t *keep;
    float gs, b1, b2, eps, c1, c2, decay;
} step_job;

/* The parameter that holds float `at` of the slab. */
static int32_t param_of(const oc_layout *lo, int64_t at)
{
    int32_t a = 0, b = lo->n - 1;
    while (a < b) {
        int32_t mid = a + (b - a + 1) / 2;
        if (lo->param[mid].offset <= at)
            a = mid;
        else
            b = mid - 1;
    }
    return a;
}

/* Floats [begin, end) of the slab, parameter by parameter: they differ in decay. */
static void step_piece(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const step_job *j = ctx;
    int32_t i = param_of(j->lo, begin);
    for (int64_t at = begin; at < end; i++) {
        const oc_param *p = &j->lo->param[i];
        int64_t n = OC_MIN(end, p->offset + p->n) - at;
        oc_k->adamw(j->w + at, j->g + at, j->m + at, j->v + at, n, j->gs, j->b1, j->b2, j->eps,
                    j->c1, j->c2, oc_kind_decays(p->kind) ? j->decay : 0.0f,
                    j->keep ? j->keep + at : NULL);
        at += n;
    }
}

void oc_adamw_step(const oc_adamw *o, int64_t t, const oc_layout *lo, float *w, const float *g,
                   double grad_scale, float *m, float *v, const uint8_t *keep)
{
    // w -= lr wd w;  w -= lr (m / (1 - b1^t)) / (sqrt(v) / sqrt(1 - b2^t) + eps)
    step_job j = {.lo = lo, .w = w, .m = m, .v = v, .g = g, .keep = keep};
    j.gs = (float)grad_scale;
    j.b1 = (float)o->beta1;
    j.b2 = (float)o->beta2;
    // The kernel's 1 - b is exact for the rounded b; a correction from the unrounded one would be
    // off by 5e-5 for 0.999 at the first step.
    double fix1 = 1.0 - pow((double)j.b1, (double)t), fix2 = 1.0 - pow((double)j.b2, (double)t);
    j.eps = (float)o->eps;
    j.c1 = (float)(o->lr / fix1);
    j.c2 = (float)(1.0 / sqrt(fix2));
    j.decay = (float)(o->lr * o->weight_decay);
    oc_par_for(lo->n_floats, PIECE, step_piece, &j);
}

#define NORM_SLOTS 256

typedef struct norm_job {
    const float *g;
    double slot[NORM_SLOTS];
    int64_t chunk;
} norm_job;

static void norm_piece(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    norm_job *j = ctx;
    j->slot[begin / j->chunk] = oc_k->sum_squares(j->g + begin, end - begin);
}

double oc_grad_norm(const float *g, int64_t n)
{
    norm_job j = {.g = g, .chunk = OC_MAX(4096, (n + NORM_SLOTS - 1) / NORM_SLOTS)};
    oc_par_for(n, j.chunk, norm_piece, &j);
    double sum = 0.0;
    for (int i = 0; i < NORM_SLOTS; i++)
        sum += j.slot[i];
    return sqrt(sum);
}

double oc_lr_factor(int64_t step, int64_t warmup, int64_t total)
{
    if (step < warmup)
        return (double)step / (double)warmup;
    if (step >= total)
        return 0.0;
    return (double)(total - step) / (double)OC_MAX(1, total - warmup);
}
