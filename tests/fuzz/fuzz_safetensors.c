/*
 * tests/fuzz/fuzz_safetensors.c - any bytes as a safetensors file: a verdict, and then every tensor
 * lies inside the file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/io/safetensors.h"
#include "tests/fuzz/input_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void use(const oc_st *st, size_t n)
{
    int64_t sum = 0;
    unsigned x = 0;
    for (int32_t i = 0; i < oc_st_count(st); i++) {
        const oc_tensor *t = oc_st_at(st, i);
        if (oc_st_find(st, t->name) != t)
            abort();
        for (int64_t k = 0; k < t->bytes; k++)
            x += ((const unsigned char *)t->data)[k];
        float *f = oc_alloc((size_t)t->n * sizeof *f);
        if (f && t->n <= (int64_t)n)
            (void)!oc_tensor_read_f32(t, f, NULL);
        oc_free(f);
        sum += t->bytes;
    }
    if (sum > (int64_t)n || x == 0xffffffff)
        abort();
    (void)oc_st_meta(st, "format");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    oc_st *st = NULL;
    oc_err err = {0};
    oc_status rc = oc_st_open(input_file(data, n), &st, &err);
    if (rc == OC_OK)
        use(st, n);
    else if (!*err.msg || st)
        abort();
    oc_st_close(st);
    return 0;
}
