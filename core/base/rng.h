/*
 * core/base/rng.h - random numbers without hidden state.
 *
 * Two forms. A stream (oc_rng) for sequential draws: shuffles, initial weights, synthetic notes.
 * And a counter form (oc_rng_at) for draws made in parallel: the value depends only on
 * (seed, counter), so dropout masks are the same for any thread count, can be made again in the
 * backward pass, and need nothing in a checkpoint but the step.
 * Source: Steele et al. 2014 (SplitMix64 finalizer); Blackman and Vigna 2018 (xoshiro256**).
 */
#ifndef OC_BASE_RNG_H
#define OC_BASE_RNG_H

#include <stdint.h>

typedef struct oc_rng {
    uint64_t s[4];
} oc_rng;

void oc_rng_init(oc_rng *r, uint64_t seed, uint64_t stream); /* streams are independent */
uint64_t oc_rng_u64(oc_rng *r);
uint64_t oc_rng_below(oc_rng *r, uint64_t n); /* uniform in [0, n), unbiased; n >= 1 */
double oc_rng_f64(oc_rng *r);                 /* uniform in [0, 1) */
double oc_rng_normal(oc_rng *r);              /* mean 0, variance 1 */
void oc_rng_shuffle(oc_rng *r, int64_t *index, int64_t n);

static inline uint64_t oc_mix64(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 64 random bits for (seed, counter). */
static inline uint64_t oc_rng_at(uint64_t seed, uint64_t counter)
{
    return oc_mix64(oc_mix64(seed) ^ (counter * 0xd1342543de82ef95u));
}

#endif
