/*
 * tests/grad/tiny.h - a network small enough to check every number of it, and a batch for it.
 *
 * Uneven on purpose: heads and FFN widths differ per layer, heads times head size is not the
 * hidden size, notes differ in length, one is a single token, some keys are masked.
 */
#ifndef OC_TESTS_TINY_H
#define OC_TESTS_TINY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "core/kernels/kernels.h"
#include "core/nn/bert.h"

#define TINY_B 4
#define TINY_N 22
#define TINY_T 9

static inline oc_dims tiny_dims(void)
{
    return (oc_dims){.L = 2,
                     .H = 12,
                     .D = 5,
                     .V = 20,
                     .P = 9,
                     .S = 2,
                     .K = 3,
                     .A = {3, 2},
                     .F = {10, 19},
                     .eps = 1e-12f,
                     .act = OC_ACT_GELU};
}

static inline oc_limits tiny_limits(bool train)
{
    return (oc_limits){.max_B = TINY_B, .max_N = TINY_N, .max_T = TINY_T, .train = train};
}

static inline oc_batch tiny_batch(void)
{
    static const int32_t start[TINY_B + 1] = {0, 9, 10, 15, 22};
    static const int32_t ids[TINY_N] = {2, 7, 7, 19, 0, 4,  11, 3,  3, 2, 2,
                                        5, 6, 7, 3,  2, 18, 17, 16, 7, 1, 3};
    static const int32_t types[TINY_N] = {0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0,
                                          0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
    static const uint8_t mask[TINY_N] = {1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1,
                                         1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0};
    return (oc_batch){
        .B = TINY_B, .N = TINY_N, .start = start, .ids = ids, .types = types, .mask = mask};
}

/* The same network as DistilBERT has it. */
static inline oc_dims tiny_distil_dims(void)
{
    oc_dims d = tiny_dims();
    d.arch = OC_ARCH_DISTILBERT;
    d.S = 0;
    return d;
}

/* f32 weights of a parameter, to be changed. */
static inline float *edit_at(oc_model *m, oc_kind k, int32_t layer)
{
    return oc_model_edit(m, m->layout.index[layer < 0 ? OC_MAX_LAYERS : layer][k]);
}

/* A model whose weights are large enough that every part of it matters. */
static inline oc_model *tiny_model(const oc_dims *d, uint64_t seed)
{
    oc_model *m;
    oc_err err = {0};
    assert_int_equal(oc_model_new(d, &m, &err), OC_OK);
    oc_rng r;
    oc_rng_init(&r, seed, 0);
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        bool gain = p->kind == OC_P_EMB_LN_G || p->kind == OC_P_LN1_G || p->kind == OC_P_LN2_G;
        for (int64_t j = 0; j < p->n; j++)
            oc_model_edit(m, i)[j] = (float)((gain ? 1.0 : 0.0) + 0.35 * oc_rng_normal(&r));
    }
    return m;
}

/* Quantize parameter i per row, as core/compress does with the plain maximum. */
static inline void tiny_quantize(oc_model *m, int32_t i)
{
    const oc_param *p = &m->layout.param[i];
    int8_t *q = oc_alloc((size_t)p->n);
    float *scale = oc_alloc((size_t)p->rows * sizeof *scale);
    assert_non_null(q);
    assert_non_null(scale);
    for (int64_t r = 0; r < p->rows; r++)
        oc_k->quantize_row(m->w[i].f32 + r * p->cols, p->cols, p->cols, q + r * p->cols, scale + r);
    oc_model_set_q8(m, i, q, scale);
}

#endif
