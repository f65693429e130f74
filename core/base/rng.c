#include "core/base/rng.h"

#include <math.h>

void oc_rng_init(oc_rng *r, uint64_t seed, uint64_t stream)
{
    for (uint64_t i = 0; i < 4; i++)
        r->s[i] = oc_rng_at(oc_mix64(seed) ^ stream, i);
}

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t oc_rng_u64(oc_rng *r)
{
    uint64_t *s = r->s;
    uint64_t out = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

uint64_t oc_rng_below(oc_rng *r, uint64_t n)
{
    // Draws above the largest multiple of n would favour small values.
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t x;
    do
        x = oc_rng_u64(r);
    while (x >= limit);
    return x % n;
}

double oc_rng_f64(oc_rng *r)
{
    return (double)(oc_rng_u64(r) >> 11) * 0x1p-53;
}

double oc_rng_normal(oc_rng *r)
{
    // Box and Muller 1958, one of the pair: no state to keep.
    double u = 1.0 - oc_rng_f64(r);
    double v = oc_rng_f64(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void oc_rng_shuffle(oc_rng *r, int64_t *index, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)oc_rng_below(r, (uint64_t)i + 1);
        int64_t t = index[i];
        index[i] = index[j];
        index[j] = t;
    }
}
