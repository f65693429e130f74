/*
 * tests/fuzz/fuzz_torchbin.c - any bytes as a file of torch.save, either form: a sentence, or tensors
 * that can be read to their ends.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/io/torchbin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    oc_tb *tb = NULL;
    oc_err err = {0};
    oc_status rc = oc_tb_parse(data, n, "x.bin", &tb, &err);
    if (rc != OC_OK) {
        if (!*err.msg || tb)
            abort();
        return 0;
    }
    unsigned x = 0;
    if (oc_tb_count(tb) < 1)
        abort();
    for (int32_t i = 0; i < oc_tb_count(tb); i++) {
        const oc_tensor *t = oc_tb_at(tb, i);
        if (!t->name || t->bytes != t->n * oc_dtype_bytes(t->dtype))
            abort();
        for (int64_t k = 0; k < t->bytes; k++)
            x += ((const unsigned char *)t->data)[k];
    }
    if (x == 0xffffffff)
        abort();
    oc_tb_close(tb);
    return 0;
}
