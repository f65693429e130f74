/*
 * tests/fuzz/fuzz_config.c - any bytes as config.json: a sentence, or numbers inside their bounds.
 */
#include <stdint.h>
#include <stdlib.h>

#include "core/io/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(int ok)
{
    if (!ok)
        abort();
}

static void check(const oc_config *c)
{
    const oc_dims *d = &c->dims;
    require(d->L >= 1 && d->L <= OC_MAX_LAYERS && d->H >= 1 && d->D >= 1 && d->V >= 1 &&
            d->P >= 1 && (d->arch == OC_ARCH_DISTILBERT ? d->S == 0 : d->S >= 1));
    for (int32_t l = 0; l < d->L; l++)
        require(d->A[l] >= 1 && d->A[l] <= OC_MAX_HEADS && d->F[l] >= 1);
    require(d->eps > 0 && d->p_hidden >= 0 && d->p_hidden < 1 && d->p_attn >= 0 && d->p_attn < 1);
    require(d->K >= 0 && (c->labels.n == 0 || c->labels.n == d->K));
    require(c->max_len >= 0 && c->max_len <= d->P);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    oc_config c, copy;
    oc_err err = {0};
    if (oc_config_parse((const char *)data, n, "config.json", &c, &err) != OC_OK) {
        require(*err.msg != 0);
        return 0;
    }
    check(&c);
    require(oc_config_dup(&c, &copy, NULL) == OC_OK);
    // What dims accept, the network's layout must be able to hold.
    if (c.dims.K > 0)
        require(oc_dims_check(&c.dims, NULL) == OC_OK);
    oc_config_release(&copy);
    oc_config_release(&c);
    return 0;
}
