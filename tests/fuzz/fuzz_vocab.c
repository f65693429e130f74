/*
 * tests/fuzz/fuzz_vocab.c - any bytes as vocab.txt; every token is found under its last line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(int ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    oc_vocab *v = NULL, *d = NULL;
    oc_err err = {0};
    if (oc_vocab_parse((const char *)data, n, "vocab.txt", &v, &err) != OC_OK) {
        require(*err.msg && !v);
        return 0;
    }
    require(oc_vocab_dup(v, &d, NULL) == OC_OK);
    int32_t lost = 0;
    for (int32_t id = 0; id < oc_vocab_size(v); id++) {
        const char *t = oc_vocab_token(d, id);
        int32_t found = oc_vocab_id(d, t, strlen(t));
        require(found >= id || (found < 0 && !*t));
        require(found < 0 || !strcmp(oc_vocab_token(v, found), t));
        lost += found != id;
    }
    require(lost == oc_vocab_duplicates(v));
    char a[33], b[33];
    oc_vocab_key(v, a);
    oc_vocab_key(d, b);
    require(!strcmp(a, b) && oc_vocab_looks_cased(v) == oc_vocab_looks_cased(d));
    oc_vocab_free(v);
    oc_vocab_free(d);
    return 0;
}
