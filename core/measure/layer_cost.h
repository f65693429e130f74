/*
 * core/measure/layer_cost.h - what each linear layer of a network costs here, in f32 and in int8.
 *
 * Products are timed as inference runs them: one note, one thread; queries, keys and values as one
 * product with each third padded to the kernel's tile; after the last attention one row, [CLS].
 * Int8 includes the quantizing of its input. Equal products are timed once, all of them in turns.
 * A product by itself has warmer caches than inside a network, so sums are a little low.
 * Threads: the engine thread.
 */
#ifndef OC_MEASURE_LAYER_COST_H
#define OC_MEASURE_LAYER_COST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/nn/dims.h"

typedef struct oc_layer_cost {
    int32_t layer;   /* -1: pooler and classifier */
    char matrix[16]; /* oc_kind_short(), or "qkv", "kv": several as one product */
    int64_t rows, out, in;
    double f32_ms, int8_ms; /* medians */
    int32_t runs;
} oc_layer_cost;

typedef struct oc_layer_costs {
    oc_layer_cost *cost; /* owned [n] */
    int32_t n;
} oc_layer_costs;

/* How long to measure, and who may end it. */
typedef struct oc_cost_opts {
    int32_t length;      /* tokens of the note, 1 to dims.P */
    bool bits7;          /* int8 of 7 bits */
    double budget_ms;    /* each product is timed five times at least */
    int (*stop)(void *); /* polled between products; non-zero: OC_CANCELLED; or NULL */
    void *ctx;
} oc_cost_opts;

/* Every product of a forward pass, in its order. OC_NOMEM, OC_RANGE, OC_CANCELLED. */
oc_status oc_layer_costs_measure(const oc_dims *d, const oc_cost_opts *o, oc_layer_costs *out,
                                 oc_err *err) OC_NODISCARD;
void oc_layer_costs_release(oc_layer_costs *c);

/* Is this parameter one of the product's matrices? */
bool oc_layer_cost_is_of(const oc_layer_cost *c, const oc_param *p);
/*
 * What the products of a matrix take together: query, key and value of a layer are one question,
 * since they are one product. 0 and 0 for what is no linear layer.
 */
typedef struct oc_cost_pair {
    double f32_ms, int8_ms;
} oc_cost_pair;
oc_cost_pair oc_layer_cost_of(const oc_layer_costs *c, oc_kind k, int32_t layer);
bool oc_int8_is_faster(const oc_layer_costs *c, oc_kind k, int32_t layer);

/*
 * The same for widths a layer could be pruned to, in up to eight even steps of the widest layer:
 * matrix "heads" (out = heads kept; the products around attention) and "ffn" (out = neurons kept,
 * whole tiles of the kernel but the first; both products). rows is the note's length, in is H.
 */
oc_status oc_width_costs_measure(const oc_dims *d, const oc_cost_opts *o, oc_layer_costs *out,
                                 oc_err *err) OC_NODISCARD;

#endif
