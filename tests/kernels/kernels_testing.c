#include "tests/kernels/kernels_testing.h"

#include <math.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/rng.h"

enum { GUARD = 32 };
static const float guard_value = -7.25e33f;

const int64_t kt_sizes[KT_N_SIZES] = {0,  1,  2,  3,  5,  7,  8,   15,  16,
                                      17, 31, 33, 63, 64, 65, 127, 200, 312};

int kt_others(const oc_kernels *out[OC_N_ISAS])
{
    int n = 0;
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        if (isa != OC_ISA_REF && k)
            out[n++] = k;
    }
    if (n == 0)
        print_message("this CPU has no ISA beside ref: nothing to compare\n");
    return n;
}

void kt_fill(float *p, int64_t n, uint64_t seed, float scale)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t r = (uint32_t)(oc_rng_at(seed, (uint64_t)i) >> 40); // 24 bits
        p[i] = ((float)r / 8388608.0f - 1.0f) * scale;
    }
}

void kt_fill_s8(int8_t *p, int64_t n, uint64_t seed)
{
    for (int64_t i = 0; i < n; i++)
        p[i] = (int8_t)((int)(oc_rng_at(seed, (uint64_t)i) % 255) - 127);
}

kt_buf kt_buf_new(int64_t n, int64_t shift)
{
    kt_buf b = {.n = n, .shift = shift};
    b.base = oc_alloc((size_t)(n + shift + 2 * GUARD) * sizeof(float));
    assert_non_null(b.base);
    for (int64_t i = 0; i < n + shift + 2 * GUARD; i++)
        b.base[i] = guard_value;
    b.p = b.base + GUARD + shift;
    return b;
}

void kt_buf_check(const kt_buf *b)
{
    for (int64_t i = 0; i < GUARD + b->shift; i++)
        if (memcmp(&b->base[i], &guard_value, sizeof(float)) != 0)
            fail_msg("written %lld floats before a row of %lld", (long long)(GUARD + b->shift - i),
                     (long long)b->n);
    for (int64_t i = 0; i < GUARD; i++)
        if (memcmp(&b->p[b->n + i], &guard_value, sizeof(float)) != 0)
            fail_msg("written %lld floats past a row of %lld", (long long)i + 1, (long long)b->n);
}

void kt_buf_free(kt_buf *b)
{
    kt_buf_check(b);
    oc_free(b->base);
}

void kt_same_bits(const float *want, const float *got, int64_t n, const char *what, int64_t size)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&want[i], &got[i], sizeof(float)) != 0 && !(isnan(want[i]) && isnan(got[i])))
            fail_msg("%s, size %lld, element %lld: reference %a, here %a", what, (long long)size,
                     (long long)i, (double)want[i], (double)got[i]);
}
