/*
 * core/text/vocab_table.h - the look-up table of a vocabulary; private to core/text.
 *
 * Longest-match search asks for every prefix of a word. The hash is therefore a running one: the
 * state after i bytes is the hash of the first i bytes, so one pass over a word gives the hashes of
 * all its prefixes, and the state after "##" starts the pass for a continuation. Open addressing,
 * at most half full; a slot carries 32 more bits of the hash, so a miss seldom looks at text.
 */
#ifndef OC_TEXT_VOCAB_TABLE_H
#define OC_TEXT_VOCAB_TABLE_H

#include <stdint.h>
#include <string.h>

#include "core/text/vocab.h"

typedef struct oc__vocab_slot {
    uint32_t tag;
    int32_t id; /* -1 = empty */
} oc__vocab_slot;

struct oc_vocab {
    char *text;            /* owned: the tokens, each NUL-terminated, in order of ids */
    uint32_t *start;       /* owned [V+1] offset of token i in text */
    oc__vocab_slot *table; /* owned [1 << (64 - shift)] */
    int shift;             /* slot of hash h = h >> shift */
    uint32_t mask;         /* slots - 1 */
    int32_t V;
    int32_t n_dup;
    size_t max_bytes; /* longest token */
    oc_special_ids special;
    int32_t n_upper; /* entries that lower-casing would change */
    char key[33];
};

#define OC__HASH_START 0x2545f4914f6cdd1du

static inline uint64_t oc__hash_step(uint64_t h, unsigned char c)
{
    return (h ^ c) * 0x9e3779b97f4a7c15u;
}

static inline uint64_t oc__hash_bytes(uint64_t h, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = oc__hash_step(h, (unsigned char)s[i]);
    return h;
}

/*
 * Id of the token "##" + s[0..n) (skip = 2) or s[0..n) (skip = 0) whose hash is h; -1 when absent.
 * The caller vouches that h stands for the "##" where skip is 2.
 */
static inline int32_t oc__vocab_find(const oc_vocab *v, uint64_t h, const char *s, size_t n,
                                     size_t skip)
{
    for (uint32_t i = (uint32_t)(h >> v->shift);; i = (i + 1) & v->mask) {
        oc__vocab_slot e = v->table[i];
        if (e.id < 0)
            return -1;
        if (e.tag != (uint32_t)h)
            continue;
        const char *t = v->text + v->start[e.id];
        if (v->start[e.id + 1] - v->start[e.id] - 1 == n + skip && !memcmp(t, "##", skip) &&
            !memcmp(t + skip, s, n))
            return e.id;
    }
}

#endif
