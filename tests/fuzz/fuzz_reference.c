/*
 * tests/fuzz/fuzz_reference.c - any bytes as a reference of another implementation: a sentence, or
 * notes the network can read and outputs that are there to their ends.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/io/reference.h"
#include "tests/fuzz/input_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const oc_dims dims = {.L = 1, .H = 2, .V = 10, .P = 4, .S = 2, .K = 2};

/* Every number of an output that verify would compare. */
static void use(const oc_reference *r)
{
    const oc_id_notes *t = &r->notes;
    if (t->n < 1 || t->start[0] != 0 || t->start[t->n] != t->N || t->max_T > dims.P)
        abort();
    for (int64_t b = 0; b < t->n; b++) {
        for (int64_t k = t->start[b]; k < t->start[b + 1]; k++) {
            if (t->ids[k] < 0 || t->ids[k] >= dims.V || t->mask[k] > 1)
                abort();
            for (int i = 0; i <= dims.L && t->mask[k]; i++)
                for (int h = 0; h < dims.H && r->x[i]; h++)
                    if (!isfinite(r->x[i][(r->row[b] + k - t->start[b]) * dims.H + h]))
                        abort();
        }
        for (int h = 0; h < dims.H && r->x[OC_REFERENCE_POOLED]; h++)
            if (!isfinite(r->x[OC_REFERENCE_POOLED][b * dims.H + h]))
                abort();
        for (int k = 0; k < dims.K && r->x[OC_REFERENCE_LOGITS]; k++)
            if (!isfinite(r->x[OC_REFERENCE_LOGITS][b * dims.K + k]))
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    oc_reference r = {0};
    oc_err err = {0};
    oc_status rc = oc_reference_open(input_file(data, n), &dims, &r, &err);
    if (rc == OC_OK)
        use(&r);
    else if (!*err.msg || r.st)
        abort();
    oc_reference_release(&r);
    return 0;
}
