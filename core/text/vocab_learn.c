/*
 * core/text/vocab_learn.c - learning a WordPiece vocabulary.
 *
 * The texts become a list of distinct words with their counts, each a row of symbols: its first
 * character, then "##" and a character. A merge rewrites only the words that hold the pair, adjusts
 * the counts of the pairs beside it, and then the scores of all pairs of the symbols whose count
 * has changed. Candidates lie in a heap that knows where each pair is, so a merge costs what it
 * touches and nothing is counted twice.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/hash.h"
#include "core/base/str.h"
#include "core/text/vocab.h"
#include "core/text/wordpiece.h"

enum { MAX_WORD = 100 }; // longer words are [UNK] whatever the vocabulary

static const char *const specials[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

/* --- strings to numbers ----------------------------------------------------------------------- */

typedef struct names {
    char *text; // owned: the strings, NUL-terminated
    size_t text_n, text_cap;
    size_t *at;     // owned [n] offset in text
    int64_t *count; // owned [n]
    int32_t n;
    size_t cap_at, cap_count;
    int32_t *slot; // owned [mask + 1], -1 = empty
    size_t mask;
} names;

static void names_release(names *t)
{
    oc_free(t->text);
    oc_free(t->at);
    oc_free(t->count);
    oc_free(t->slot);
    *t = (names){0};
}

/* Twice the slots, or the first `least` of them, all empty, where n entries fill more than half. */
static oc_status more_slots(int32_t **slot, size_t *mask, int64_t n, size_t least, bool *grown,
                            oc_err *err)
{
    *grown = !*slot || (size_t)n * 2 > *mask;
    if (!*grown)
        return OC_OK;
    size_t slots = *slot ? 2 * (*mask + 1) : least;
    int32_t *more = oc_alloc(slots * sizeof *more);
    if (!more)
        return OC_FAIL(err, OC_NOMEM, "out of memory learning a vocabulary");
    memset(more, -1, slots * sizeof *more);
    oc_free(*slot);
    *slot = more;
    *mask = slots - 1;
    return OC_OK;
}

/* Entry k goes into the first empty slot from i on. */
static void put_slot(int32_t *slot, size_t mask, size_t i, int32_t k)
{
    while (slot[i & mask] >= 0)
        i++;
    slot[i & mask] = k;
}

static const char *name_of(const names *t, int32_t i)
{
    return t->text + t->at[i];
}

static oc_status names_rehash(names *t, oc_err *err)
{
    bool grown;
    OC_TRY(more_slots(&t->slot, &t->mask, t->n, 1024, &grown, err));
    for (int32_t k = 0; grown && k < t->n; k++)
        put_slot(t->slot, t->mask, oc_hash64(name_of(t, k), strlen(name_of(t, k))), k);
    return OC_OK;
}

/* Number of s[0..n), a new one with count 0 when it was not there. */
static oc_status names_add(names *t, const char *s, size_t n, int32_t *out, oc_err *err)
{
    OC_TRY(names_rehash(t, err));
    size_t i = oc_hash64(s, n) & t->mask;
    for (; t->slot[i] >= 0; i = (i + 1) & t->mask) {
        const char *have = name_of(t, t->slot[i]);
        if (!strncmp(have, s, n) && !have[n]) {
            *out = t->slot[i];
            return OC_OK;
        }
    }
    if (t->n == INT32_MAX)
        return OC_FAIL(err, OC_RANGE, "the texts hold too many different words");
    size_t k = (size_t)t->n;
    OC_TRY(oc_grow(&t->text, &t->text_cap, t->text_n + n + 1, 1, err));
    OC_TRY(oc_grow(&t->at, &t->cap_at, k + 1, sizeof *t->at, err));
    OC_TRY(oc_grow(&t->count, &t->cap_count, k + 1, sizeof *t->count, err));
    memcpy(t->text + t->text_n, s, n);
    t->text[t->text_n + n] = 0;
    t->at[k] = t->text_n;
    t->count[k] = 0;
    t->text_n += n + 1;
    t->slot[i] = t->n;
    *out = t->n++;
    return OC_OK;
}

/* --- pairs ------------------------------------------------------------------------------------ */

typedef struct list {
    int32_t *item; // owned [n]
    int32_t n;
    size_t cap;
} list;

static oc_status list_add(list *l, int32_t v, oc_err *err)
{
    OC_TRY(oc_grow(&l->item, &l->cap, (size_t)l->n + 1, sizeof *l->item, err));
    l->item[l->n++] = v;
    return OC_OK;
}

typedef struct pair {
    int32_t left, right;
    int64_t count;
    double score;
    int32_t heap;   // place in the heap; -1 = not there
    bool listed[2]; // in the list of its left and of its right symbol
    bool dirty;
    list words; // owned: words that hold it, or held it
} pair;

typedef struct learner {
    const oc_vocab_learn_opts *o;
    names words, symbols;
    int32_t *row;   // owned: symbols of all words
    size_t *row_at; // owned [words.n]
    int32_t *row_n; // owned [words.n] symbols of word i now
    pair *pairs;    // owned [n_pairs]
    int32_t n_pairs;
    size_t cap_pairs;
    int32_t *slot; // owned: (left, right) -> pair
    size_t mask;
    list *of_symbol; // owned [cap_of]: pairs of symbol i
    size_t cap_of;
    list heap, dirty;
    double n_symbols; // characters of all words
} learner;

static void learner_release(learner *t)
{
    names_release(&t->words);
    names_release(&t->symbols);
    oc_free(t->row);
    oc_free(t->row_at);
    oc_free(t->row_n);
    for (int32_t i = 0; i < t->n_pairs; i++)
        oc_free(t->pairs[i].words.item);
    oc_free(t->pairs);
    oc_free(t->slot);
    for (size_t i = 0; i < t->cap_of; i++)
        oc_free(t->of_symbol[i].item);
    oc_free(t->of_symbol);
    oc_free(t->heap.item);
    oc_free(t->dirty.item);
}

static size_t pair_slot(int32_t left, int32_t right, size_t mask)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 29) & mask;
}

static oc_status pairs_rehash(learner *t, oc_err *err)
{
    bool grown;
    OC_TRY(more_slots(&t->slot, &t->mask, t->n_pairs, 4096, &grown, err));
    for (int32_t k = 0; grown && k < t->n_pairs; k++)
        put_slot(t->slot, t->mask, pair_slot(t->pairs[k].left, t->pairs[k].right, t->mask), k);
    return OC_OK;
}

static oc_status find_pair(learner *t, int32_t left, int32_t right, int32_t *out, oc_err *err)
{
    OC_TRY(pairs_rehash(t, err));
    size_t i = pair_slot(left, right, t->mask);
    for (; t->slot[i] >= 0; i = (i + 1) & t->mask) {
        const pair *p = &t->pairs[t->slot[i]];
        if (p->left == left && p->right == right) {
            *out = t->slot[i];
            return OC_OK;
        }
    }
    OC_TRY(oc_grow(&t->pairs, &t->cap_pairs, (size_t)t->n_pairs + 1, sizeof *t->pairs, err));
    t->pairs[t->n_pairs] = (pair){.left = left, .right = right, .heap = -1};
    t->slot[i] = t->n_pairs;
    *out = t->n_pairs++;
    return OC_OK;
}

static oc_status mark_dirty(learner *t, int32_t i, oc_err *err)
{
    if (t->pairs[i].dirty)
        return OC_OK;
    t->pairs[i].dirty = true;
    return list_add(&t->dirty, i, err);
}

static oc_status symbol_lists(learner *t, int32_t n, oc_err *err)
{
    size_t old = t->cap_of;
    OC_TRY(oc_grow(&t->of_symbol, &t->cap_of, (size_t)n, sizeof *t->of_symbol, err));
    if (t->cap_of > old)
        memset(t->of_symbol + old, 0, (t->cap_of - old) * sizeof *t->of_symbol);
    return OC_OK;
}

/* The pair occurs `by` times more (or less) in word w. */
static oc_status count_pair(learner *t, int32_t left, int32_t right, int64_t by, int32_t w,
                            oc_err *err)
{
    int32_t i;
    OC_TRY(find_pair(t, left, right, &i, err));
    pair *p = &t->pairs[i];
    p->count += by;
    if (by > 0 && (p->words.n == 0 || p->words.item[p->words.n - 1] != w))
        OC_TRY(list_add(&p->words, w, err));
    for (int side = 0; side < 2 && by > 0; side++) {
        int32_t s = side ? right : left;
        if (p->listed[side])
            continue;
        OC_TRY(symbol_lists(t, s + 1, err));
        OC_TRY(list_add(&t->of_symbol[s], i, err));
        p->listed[side] = true;
    }
    return mark_dirty(t, i, err);
}

/* --- the heap: best score first, ties by the tokens' order ------------------------------------ */

static bool better(const learner *t, int32_t a, int32_t b)
{
    const pair *p = &t->pairs[a], *q = &t->pairs[b];
    if (p->score > q->score || p->score < q->score)
        return p->score > q->score;
    return p->left != q->left ? p->left < q->left : p->right < q->right;
}

static void heap_put(learner *t, int32_t at, int32_t i)
{
    t->heap.item[at] = i;
    t->pairs[i].heap = at;
}

static void heap_fix(learner *t, int32_t at)
{
    int32_t i = t->heap.item[at];
    for (; at > 0 && better(t, i, t->heap.item[(at - 1) / 2]); at = (at - 1) / 2)
        heap_put(t, at, t->heap.item[(at - 1) / 2]);
    for (;;) {
        int64_t kid = 2 * (int64_t)at + 1;
        if (kid >= t->heap.n)
            break;
        if (kid + 1 < t->heap.n && better(t, t->heap.item[kid + 1], t->heap.item[kid]))
            kid++;
        if (!better(t, t->heap.item[kid], i))
            break;
        heap_put(t, at, t->heap.item[kid]);
        at = (int32_t)kid;
    }
    heap_put(t, at, i);
}

static void heap_remove(learner *t, int32_t i)
{
    int32_t at = t->pairs[i].heap;
    int32_t last = t->heap.item[--t->heap.n];
    t->pairs[i].heap = -1;
    if (last != i) {
        heap_put(t, at, last);
        heap_fix(t, at);
    }
}

/*
 * A unigram model of the texts gives a symbol the probability count / n. Writing a pair as one
 * symbol changes the log-likelihood, to first order, by count * log(count * n / (left * right)).
 */
static double gain(const learner *t, const pair *p)
{
    double left = (double)t->symbols.count[p->left], right = (double)t->symbols.count[p->right];
    return (double)p->count * log((double)p->count * t->n_symbols / (left * right));
}

static oc_status refresh(learner *t, int32_t i, oc_err *err)
{
    pair *p = &t->pairs[i];
    p->dirty = false;
    p->score = p->count < OC_MAX(t->o->min_count, 1) ? 0 : gain(t, p);
    if (!(p->score > 0)) {
        if (p->heap >= 0)
            heap_remove(t, i);
        return OC_OK;
    }
    if (p->heap < 0) {
        p->heap = t->heap.n;
        OC_TRY(list_add(&t->heap, i, err));
    }
    heap_fix(t, p->heap);
    return OC_OK;
}

static oc_status refresh_dirty(learner *t, oc_err *err)
{
    for (int32_t k = 0; k < t->dirty.n; k++)
        OC_TRY(refresh(t, t->dirty.item[k], err));
    t->dirty.n = 0;
    return OC_OK;
}

/* All pairs of a symbol whose count has changed. Pairs that became too rare leave its list. */
static oc_status touch_symbol(learner *t, int32_t s, oc_err *err)
{
    if ((size_t)s >= t->cap_of)
        return OC_OK;
    list *l = &t->of_symbol[s];
    int32_t keep = 0;
    for (int32_t k = 0; k < l->n; k++) {
        int32_t i = l->item[k];
        pair *p = &t->pairs[i];
        if (p->count < OC_MAX(t->o->min_count, 1) && p->heap < 0) {
            p->listed[0] = p->listed[0] && p->left != s;
            p->listed[1] = p->listed[1] && p->right != s;
            continue;
        }
        OC_TRY(mark_dirty(t, i, err));
        l->item[keep++] = i;
    }
    l->n = keep;
    return OC_OK;
}

/* --- merging ---------------------------------------------------------------------------------- */

/* Replace left right by `made` in word w and move the counts of the pairs around them. */
static oc_status merge_in_word(learner *t, int32_t w, int32_t left, int32_t right, int32_t made,
                               oc_err *err)
{
    int32_t *a = t->row + t->row_at[w];
    int32_t n = t->row_n[w], m = 0;
    int64_t count = t->words.count[w];
    int32_t b[MAX_WORD];
    bool gone[MAX_WORD + 1] = {false}, fresh[MAX_WORD + 1] = {false}; // symbols of a, of b
    for (int32_t i = 0; i < n; m++) {
        bool both = i + 1 < n && a[i] == left && a[i + 1] == right;
        b[m] = both ? made : a[i];
        fresh[m] = both;
        if (both)
            gone[i] = gone[i + 1] = true;
        i += both ? 2 : 1;
    }
    if (m == n)
        return OC_OK;
    for (int32_t i = 0; i + 1 < n; i++)
        if (gone[i] || gone[i + 1])
            OC_TRY(count_pair(t, a[i], a[i + 1], -count, w, err));
    for (int32_t i = 0; i + 1 < m; i++)
        if (fresh[i] || fresh[i + 1])
            OC_TRY(count_pair(t, b[i], b[i + 1], count, w, err));
    memcpy(a, b, (size_t)m * sizeof *a);
    t->row_n[w] = m;
    t->symbols.count[left] -= (n - m) * count;
    t->symbols.count[right] -= (n - m) * count;
    t->symbols.count[made] += (n - m) * count;
    return OC_OK;
}

/* Name of the merged symbol: the left one, then the right one without its "##". */
static oc_status merged_symbol(learner *t, int32_t left, int32_t right, int32_t *made, oc_err *err)
{
    const char *l = name_of(&t->symbols, left), *r = name_of(&t->symbols, right) + 2;
    oc_buf b = {0};
    oc_buf_str(&b, l);
    oc_buf_str(&b, r);
    oc_status rc = oc_buf_check(&b, err);
    if (rc == OC_OK)
        rc = names_add(&t->symbols, b.data, b.len, made, err);
    oc_buf_release(&b);
    return rc;
}

static oc_status merge_best(learner *t, oc_err *err)
{
    int32_t i = t->heap.item[0];
    int32_t left = t->pairs[i].left, right = t->pairs[i].right, made;
    OC_TRY(merged_symbol(t, left, right, &made, err));
    list words = t->pairs[i].words;
    t->pairs[i].words = (list){0};
    oc_status rc = OC_OK;
    for (int32_t k = 0; k < words.n && rc == OC_OK; k++)
        rc = merge_in_word(t, words.item[k], left, right, made, err);
    oc_free(words.item);
    OC_TRY(rc);
    OC_TRY(touch_symbol(t, left, err));
    OC_TRY(touch_symbol(t, right, err));
    OC_TRY(touch_symbol(t, made, err));
    return refresh_dirty(t, err);
}

/* --- from texts to rows of symbols ------------------------------------------------------------ */

static oc_status count_words(learner *t, const char *const *texts, int64_t n, oc_err *err)
{
    oc_buf b = {0};
    oc_status rc = OC_OK;
    for (int64_t i = 0; i < n && rc == OC_OK; i++) {
        oc_buf_clear(&b);
        oc_basic_tokenize(texts[i], strlen(texts[i]), t->o->lowercase, &b);
        rc = oc_buf_check(&b, err);
        for (size_t at = 0; at < b.len && rc == OC_OK;) {
            const char *w = b.data + at;
            size_t len = (size_t)(strchr(w, '\n') - w);
            int32_t k;
            rc = names_add(&t->words, w, len, &k, err);
            if (rc == OC_OK)
                t->words.count[k]++;
            at += len + 1;
        }
    }
    oc_buf_release(&b);
    if (rc == OC_OK && t->words.n == 0)
        rc = OC_FAIL(err, OC_RANGE, "the texts hold no words to learn a vocabulary from");
    return rc;
}

/* Symbol of the character at s, "##" before it unless it is the first; -1 in *out when unknown. */
static oc_status char_symbol(names *symbols, const char *s, size_t k, bool first, bool add,
                             int32_t *out, oc_err *err)
{
    char name[8] = "##";
    size_t n = first ? 0 : 2;
    memcpy(name + n, s, k);
    n += k;
    if (add)
        return names_add(symbols, name, n, out, err);
    *out = -1;
    size_t i = oc_hash64(name, n) & symbols->mask;
    for (; symbols->slot[i] >= 0; i = (i + 1) & symbols->mask) {
        const char *have = name_of(symbols, symbols->slot[i]);
        if (!strncmp(have, name, n) && !have[n])
            *out = symbols->slot[i];
    }
    return OC_OK;
}

static oc_status count_chars(const learner *t, names *chars, oc_err *err)
{
    for (int32_t w = 0; w < t->words.n; w++) {
        const char *s = name_of(&t->words, w);
        size_t n = strlen(s);
        for (size_t i = 0; i < n;) {
            uint32_t cp;
            size_t k = (size_t)oc_utf8_decode(s + i, n - i, &cp);
            int32_t sym;
            OC_TRY(char_symbol(chars, s + i, k, i == 0, true, &sym, err));
            chars->count[sym] += t->words.count[w];
            i += k;
        }
    }
    return OC_OK;
}

typedef struct ranked {
    const char *name;
    int64_t count;
} ranked;

static int by_count(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->name, y->name);
}

/* Starts before continuations, then by character. */
static int by_name(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    bool cx = oc_str_starts(x->name, "##"), cy = oc_str_starts(y->name, "##");
    return cx != cy ? (cx ? 1 : -1) : strcmp(x->name, y->name);
}

/* The most frequent characters there is room for; the rest may be one in a hundred at most. */
static oc_status take_chars(learner *t, const names *chars, ranked *r, oc_err *err)
{
    int64_t room = t->o->size - OC_COUNT(specials), total = 0, kept = 0;
    int32_t n = (int32_t)OC_MIN(OC_MAX(room, 0), chars->n);
    for (int32_t i = 0; i < chars->n; i++) {
        r[i] = (ranked){name_of(chars, i), chars->count[i]};
        total += r[i].count;
    }
    qsort(r, (size_t)chars->n, sizeof *r, by_count);
    for (int32_t i = 0; i < n; i++)
        kept += r[i].count;
    if (kept < total - total / 100)
        return OC_FAIL(
            err, OC_RANGE,
            "a vocabulary of %d entries is too small: %d special tokens and %d characters "
            "come before the first merge",
            (int)t->o->size, OC_COUNT(specials), (int)chars->n);
    qsort(r, (size_t)n, sizeof *r, by_name);
    for (int32_t i = 0, sym; i < n; i++)
        OC_TRY(names_add(&t->symbols, r[i].name, strlen(r[i].name), &sym, err));
    return OC_OK;
}

static oc_status choose_alphabet(learner *t, oc_err *err)
{
    names chars = {0};
    oc_status rc = count_chars(t, &chars, err);
    ranked *r = rc == OC_OK ? oc_calloc((size_t)chars.n, sizeof *r) : NULL;
    if (rc == OC_OK && !r)
        rc = OC_FAIL(err, OC_NOMEM, "out of memory learning a vocabulary");
    if (rc == OC_OK)
        rc = take_chars(t, &chars, r, err);
    oc_free(r);
    names_release(&chars);
    return rc;
}

/* Row of word w at t->row + at; 0 symbols when a character is not in the alphabet. */
static oc_status spell(learner *t, int32_t w, size_t at, oc_err *err)
{
    const char *s = name_of(&t->words, w);
    size_t n = strlen(s);
    int32_t m = 0;
    for (size_t i = 0; i < n; m++) {
        uint32_t cp;
        size_t k = (size_t)oc_utf8_decode(s + i, n - i, &cp);
        int32_t sym;
        if (m == MAX_WORD)
            return OC_OK;
        OC_TRY(char_symbol(&t->symbols, s + i, k, i == 0, false, &sym, err));
        if (sym < 0)
            return OC_OK;
        t->row[at + (size_t)m] = sym;
        i += k;
    }
    t->row_n[w] = m;
    return OC_OK;
}

static oc_status spell_words(learner *t, oc_err *err)
{
    t->row = oc_calloc(t->words.text_n, sizeof *t->row); // a symbol takes a byte at least
    t->row_at = oc_calloc((size_t)t->words.n, sizeof *t->row_at);
    t->row_n = oc_calloc((size_t)t->words.n, sizeof *t->row_n);
    if (!t->row || !t->row_at || !t->row_n)
        return OC_FAIL(err, OC_NOMEM, "out of memory learning a vocabulary");
    for (int32_t w = 0; w < t->words.n; w++) {
        t->row_at[w] = t->words.at[w];
        OC_TRY(spell(t, w, t->row_at[w], err));
        const int32_t *a = t->row + t->row_at[w];
        for (int32_t i = 0; i < t->row_n[w]; i++)
            t->symbols.count[a[i]] += t->words.count[w];
        t->n_symbols += (double)t->row_n[w] * (double)t->words.count[w];
        for (int32_t i = 0; i + 1 < t->row_n[w]; i++)
            OC_TRY(count_pair(t, a[i], a[i + 1], t->words.count[w], w, err));
    }
    return refresh_dirty(t, err);
}

/* --- the vocabulary --------------------------------------------------------------------------- */

static oc_status make_vocab(const learner *t, oc_vocab **out, oc_err *err)
{
    oc_buf b = {0};
    for (int i = 0; i < OC_COUNT(specials); i++) {
        oc_buf_str(&b, specials[i]);
        oc_buf_ch(&b, '\n');
    }
    for (int32_t i = 0; i < t->symbols.n; i++) {
        oc_buf_str(&b, name_of(&t->symbols, i));
        oc_buf_ch(&b, '\n');
    }
    oc_status rc = oc_buf_check(&b, err);
    if (rc == OC_OK)
        rc = oc_vocab_parse(b.data, b.len, "the learned vocabulary", out, err);
    oc_buf_release(&b);
    return rc;
}

oc_status oc_vocab_learn(const char *const *texts, int64_t n, const oc_vocab_learn_opts *o,
                         oc_vocab **out, oc_err *err)
{
    learner t = {.o = o};
    oc_status rc;
    OC_TRY_GOTO(out, rc, count_words(&t, texts, n, err));
    OC_TRY_GOTO(out, rc, choose_alphabet(&t, err));
    OC_TRY_GOTO(out, rc, spell_words(&t, err));
    while (t.symbols.n < o->size - OC_COUNT(specials) && t.heap.n > 0)
        OC_TRY_GOTO(out, rc, merge_best(&t, err));
    rc = make_vocab(&t, out, err);
out:
    learner_release(&t);
    return rc;
}
