/*
 * tests/kernels/kernels_testing.h - what the kernel tests share: random data, sizes, buffers with
 * guards, and the list of ISAs this CPU can run.
 */
#ifndef OC_TESTS_KERNELS_TESTING_H
#define OC_TESTS_KERNELS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/kernels/kernels.h"

/* Row lengths around every vector width, and two of real models. */
#define KT_N_SIZES 18
extern const int64_t kt_sizes[KT_N_SIZES];

/* ISAs to hold against the reference; 0 when this CPU has none. */
int kt_others(const oc_kernels *out[OC_N_ISAS]);

/* Uniform in (-scale, scale); the same for the same seed. */
void kt_fill(float *p, int64_t n, uint64_t seed, float scale);
void kt_fill_s8(int8_t *p, int64_t n, uint64_t seed); /* -127..127 */

/*
 * n elements that start `shift` floats past an aligned address, with guard values on both sides.
 * kt_buf_check fails the test when a guard was touched.
 */
typedef struct kt_buf {
    float *p, *base;
    int64_t n, shift;
} kt_buf;
kt_buf kt_buf_new(int64_t n, int64_t shift);
void kt_buf_check(const kt_buf *b);
void kt_buf_free(kt_buf *b);

/* Same bits, or a failure that names the place. NaN equals NaN: its sign depends on the order in
 * which a compiler puts the operands. */
void kt_same_bits(const float *want, const float *got, int64_t n, const char *what, int64_t size);

#endif
