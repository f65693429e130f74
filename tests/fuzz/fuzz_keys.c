/*
 * Fuzz target of the key parser. Each input is cut at every 0xFE byte: there the parser is fed what
 * came so far, asked for everything it has, and time moves on by what the byte after the cut says.
 * Whatever comes, every byte is consumed in the end, nothing is invented, and no read is out of bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tui/keys.h"

#define MS  1000000LL
#define CUT 0xfe

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Take what there is; returns the bytes that were accounted for. */
static size_t drain(oc_keys *k, int64_t now, unsigned *sum)
{
    oc_input in;
    size_t bytes = 0;
    while (oc_keys_next(k, now, &in)) {
        for (size_t i = 0; i < in.n_bytes; i++)
            *sum += (unsigned char)in.bytes[i];
        bytes += in.n_bytes;
        bool valid = in.kind <= OC_IN_REPLY && (in.kind != OC_IN_KEY || in.key <= OC_KEY_NONE) &&
                     in.x >= 0 && in.y >= 0 && in.mods <= 7 &&
                     (in.kind == OC_IN_PASTE || in.n_bytes > 0) && in.n_bytes <= OC_KEYS_PASTE_MAX;
        if (!valid)
            abort();
    }
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    oc_keys k = {0};
    int64_t now = 0;
    size_t fed = 0, got = 0;
    unsigned sum = 0;
    while (n > 0) {
        const uint8_t *cut = memchr(data, CUT, n);
        size_t part = cut ? (size_t)(cut - data) : n;
        oc_keys_feed(&k, data, part, now);
        fed += part;
        got += drain(&k, now, &sum);
        data += part;
        n -= part;
        if (n >= 2)
            now += data[1] * 8 * MS;
        data += OC_MIN(n, (size_t)2);
        n -= OC_MIN(n, (size_t)2);
        got += drain(&k, now, &sum);
    }
    for (int i = 0; oc_keys_wait_ns(&k, now) >= 0; i++) {
        now += oc_keys_wait_ns(&k, now);
        got += drain(&k, now, &sum);
        if (i > 4096 + 64) // each wait resolves at least one beginning
            abort();
    }
    if (got > fed || k.in.len != k.at)
        abort();
    oc_keys_release(&k);
    return (int)(sum & 0);
}
