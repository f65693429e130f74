/*
 * tests/fuzz/fuzz_index.c - any bytes as the index of a sharded checkpoint: a sentence, or plain
 * file names, each used, and tensors that are found.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/weights_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    oc_windex x;
    oc_err err = {0};
    if (oc_windex_parse((const char *)data, n, "x.index.json", &x, &err) != OC_OK) {
        if (!*err.msg)
            abort();
        return 0;
    }
    if (x.n < 1 || x.n_files < 1 || x.n_files > x.n)
        abort();
    for (int32_t i = 0; i < x.n_files; i++)
        if (!*x.file[i] || strchr(x.file[i], '/') || !strcmp(x.file[i], ".."))
            abort();
    for (int32_t i = 0; i < x.n; i++)
        if (oc_windex_find(&x, x.entry[i].tensor) != &x.entry[i] || x.entry[i].file >= x.n_files)
            abort();
    oc_windex_release(&x);
    return 0;
}
