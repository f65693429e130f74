/*
 * tests/bench/shapes.h - the published shapes that benchmarks are made of.
 * Source: the config.json each is published with; weights are random, V is that of uncased BERT.
 */
#ifndef OC_BENCH_SHAPES_H
#define OC_BENCH_SHAPES_H

#include <stdint.h>

typedef struct shape {
    const char *name;
    int32_t L, H, A, F; /* layers, hidden, heads, FFN width */
} shape;

static const shape shapes[] = {
    {"bert-tiny", 2, 128, 2, 512},    {"tinybert-4l", 4, 312, 12, 1200},
    {"minilm-6l", 6, 384, 12, 1536},  {"bert-pkd-6l", 6, 768, 12, 3072},
    {"bert-base", 12, 768, 12, 3072},
};

#define BENCH_V     30522
#define BENCH_P     512
#define BENCH_NOTES 64 /* sampled real notes, where the texts are there */

#endif
