#include "core/data/index.h"

#include <string.h>

#include "core/base/alloc.h"
#include "core/base/hash.h"

/* Slot that holds the word, or the free one it would go to. */
static size_t probe(const oc_index *ix, const char *word, size_t n)
{
    size_t at = (size_t)oc_hash64(word, n) & (ix->n_slots - 1);
    for (; ix->slot[at]; at = (at + 1) & (ix->n_slots - 1)) {
        const char *w = ix->words.item[ix->slot[at] - 1];
        if (!strncmp(w, word, n) && !w[n])
            break;
    }
    return at;
}

/* Keeps at least half of the slots free. */
static oc_status make_room(oc_index *ix, oc_err *err)
{
    if ((size_t)ix->words.n * 2 < ix->n_slots)
        return OC_OK;
    size_t n = ix->n_slots ? ix->n_slots * 2 : 64;
    int64_t *slot = oc_calloc(n, sizeof *slot);
    if (!slot)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %zu words", n / 2);
    oc_free(ix->slot);
    ix->slot = slot;
    ix->n_slots = n;
    for (int64_t i = 0; i < ix->words.n; i++)
        slot[probe(ix, ix->words.item[i], strlen(ix->words.item[i]))] = i + 1;
    return OC_OK;
}

oc_status oc_index_addn(oc_index *ix, const char *word, size_t n, int64_t *i, bool *added,
                        oc_err *err)
{
    OC_TRY(make_room(ix, err));
    size_t at = probe(ix, word, n);
    bool fresh = !ix->slot[at];
    if (fresh) {
        OC_TRY(oc_strlist_add(&ix->words, word, n, err));
        ix->slot[at] = ix->words.n;
    }
    *i = ix->slot[at] - 1;
    if (added)
        *added = fresh;
    return OC_OK;
}

oc_status oc_index_add(oc_index *ix, const char *word, int64_t *i, bool *added, oc_err *err)
{
    return oc_index_addn(ix, word, strlen(word), i, added, err);
}

int64_t oc_index_find(const oc_index *ix, const char *word, size_t n)
{
    return ix->n_slots ? ix->slot[probe(ix, word, n)] - 1 : -1;
}

void oc_index_release(oc_index *ix)
{
    oc_strlist_release(&ix->words);
    oc_free(ix->slot);
    *ix = (oc_index){0};
}
