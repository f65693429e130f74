#include "core/base/hash.h"

#include <string.h>

#include <xxhash.h>

#include "core/base/alloc.h"

uint32_t oc_crc32c(uint32_t crc, const void *data, size_t n)
{
    // Reflected polynomial 0x82f63b78, half a byte at a time: journal lines are short.
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                       0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                       0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const unsigned char *p = data;
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

struct oc_hash {
    XXH3_state_t *state;
};

oc_hash *oc_hash_new(void)
{
    oc_hash *h = oc_calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->state = XXH3_createState();
    if (!h->state || XXH3_128bits_reset(h->state) != XXH_OK) {
        XXH3_freeState(h->state);
        oc_free(h);
        return NULL;
    }
    return h;
}

void oc_hash_add(oc_hash *h, const void *data, size_t n)
{
    if (n)
        (void)XXH3_128bits_update(h->state, data, n);
}

void oc_hash_str(oc_hash *h, const char *s)
{
    oc_hash_add(h, s, strlen(s) + 1);
}

void oc_hash_take(oc_hash *h, char out[33])
{
    static const char hex[] = "0123456789abcdef";
    XXH128_hash_t v = XXH3_128bits_digest(h->state);
    for (int i = 0; i < 16; i++) {
        out[i] = hex[v.high64 >> (60 - 4 * i) & 15];
        out[16 + i] = hex[v.low64 >> (60 - 4 * i) & 15];
    }
    out[32] = 0;
    XXH3_freeState(h->state);
    oc_free(h);
}

uint64_t oc_hash64(const void *data, size_t n)
{
    return XXH3_64bits(n ? data : "", n);
}
