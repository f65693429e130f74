/*
 * core/base/hash.h - checksums and content keys.
 */
#ifndef OC_BASE_HASH_H
#define OC_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: crc32c("123456789") = 0xe3069283. */
uint32_t oc_crc32c(uint32_t crc, const void *data, size_t n); /* start with crc = 0 */

/* 128-bit content key (XXH3, libxxhash), streaming, written as 32 hex digits. Not cryptographic. */
typedef struct oc_hash oc_hash;
oc_hash *oc_hash_new(void); /* NULL when out of memory */
void oc_hash_add(oc_hash *h, const void *data, size_t n);
void oc_hash_str(oc_hash *h, const char *s); /* with its NUL, so fields cannot run together */
void oc_hash_take(oc_hash *h, char out[33]); /* hex; frees h */
uint64_t oc_hash64(const void *data, size_t n);

#endif
