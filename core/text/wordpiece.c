#include "core/text/wordpiece.h"

#include <assert.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/hash.h"
#include "core/base/str.h"
#include "core/text/unicode.h"
#include "core/text/vocab_table.h"

/* Longer words are [UNK] (max_input_chars_per_word of the original). */
enum { MAX_CHARS = 100, MAX_BYTES = 4 * MAX_CHARS };

/* --- the basic tokenizer, for any text -------------------------------------------------------- */

/* Gets each word; false stops the scan. */
typedef bool (*word_fn)(void *ctx, const char *s, size_t n);

typedef struct scratch {
    oc_buf raw;    // characters since the last separator
    oc_buf folded; // the same lower-cased, without accents
} scratch;

static void scratch_release(scratch *sc)
{
    oc_buf_release(&sc->raw);
    oc_buf_release(&sc->folded);
}

/* Python's str.split(), which the original uses, splits on these two as well. */
static bool separates(uint32_t cp)
{
    return oc_u_is_space(cp) || cp == 0x2028 || cp == 0x2029;
}

/* Words of s, which holds no blanks: cut at punctuation, each mark a word. */
static bool split_punct(const char *s, size_t n, word_fn fn, void *ctx)
{
    size_t from = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t k = (size_t)oc_utf8_decode(s + i, n - i, &cp);
        if (oc_u_is_punct(cp)) {
            if (i > from && !fn(ctx, s + from, i - from))
                return false;
            if (!fn(ctx, s + i, k))
                return false;
            from = i + k;
        }
        i += k;
    }
    return from == n || fn(ctx, s + from, n - from);
}

static bool flush(scratch *sc, bool lowercase, word_fn fn, void *ctx)
{
    oc_buf *b = &sc->raw;
    if (sc->raw.len == 0 && !sc->raw.failed)
        return true;
    if (lowercase) {
        oc_buf_clear(&sc->folded);
        oc_u_fold(oc_buf_cstr(&sc->raw), sc->raw.len, &sc->folded);
        b = &sc->folded;
    }
    if (sc->raw.failed || b->failed)
        return false;
    bool ok = split_punct(oc_buf_cstr(b), b->len, fn, ctx);
    oc_buf_clear(&sc->raw);
    return ok;
}

/* Words of text, any bytes; false when fn said so or memory ran out. */
static bool scan(const char *text, size_t n, bool lowercase, scratch *sc, word_fn fn, void *ctx)
{
    oc_buf_clear(&sc->raw);
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t k = (size_t)oc_utf8_decode(text + i, n - i, &cp);
        bool dropped = cp == 0 || cp == 0xfffd || oc_u_is_control(cp);
        bool alone = !dropped && oc_u_is_cjk(cp);
        if ((alone || separates(cp)) && !flush(sc, lowercase, fn, ctx))
            return false;
        if (!dropped && !separates(cp))
            oc_buf_add(&sc->raw, text + i, k);
        if (alone && !flush(sc, lowercase, fn, ctx))
            return false;
        i += k;
    }
    return flush(sc, lowercase, fn, ctx);
}

static bool put_line(void *ctx, const char *s, size_t n)
{
    oc_buf *words = ctx;
    oc_buf_add(words, s, n);
    oc_buf_ch(words, '\n');
    return !words->failed;
}

void oc_basic_tokenize(const char *text, size_t n, bool lowercase, oc_buf *words)
{
    scratch sc = {0};
    if (!scan(text, n, lowercase, &sc, put_line, words))
        words->failed = true;
    scratch_release(&sc);
}

/* --- WordPiece of one word -------------------------------------------------------------------- */

/* A word met before. All zero: none. */
enum { MEMO_BITS = 13, MEMO_BYTES = 15, MEMO_IDS = 4 };
typedef struct memo {
    uint64_t key[2]; // the word's bytes, first byte lowest; top byte of the second: number of ids
    int32_t id[MEMO_IDS];
} memo;

/* Words whose keys fall together: the newest first, the one before it second. A cache line. */
typedef struct memo_set {
    memo way[2];
} memo_set;
static_assert(sizeof(memo_set) == 64, "a cache line");

/* What a byte is; a mark is a word of its own. */
enum { B_WORD, B_SPACE, B_MARK, B_OTHER };

struct oc_encoder {
    const oc_tokenizer *t; // borrowed
    const oc_vocab *v;     // t's
    memo_set *memo;        // owned [1 << MEMO_BITS]; NULL: every word is looked up
    oc_ids *ids;           // borrowed during a call
    int64_t stop;          // ids wanted at most
    oc_status rc;
    uint64_t hash_cont; // hash state after "##"
    scratch sc;
    unsigned char byte[256];
    uint64_t h[MAX_BYTES + 1]; // h[i] = hash of the first i bytes of the word at hand
};

/* Room for k more ids. */
static inline bool reserve(oc_encoder *e, size_t k)
{
    size_t need = (size_t)e->ids->n + k;
    if (need > e->ids->cap)
        e->rc = oc_grow(&e->ids->id, &e->ids->cap, need, sizeof *e->ids->id, NULL);
    return e->rc == OC_OK;
}

static inline bool put_id(oc_encoder *e, int32_t id)
{
    if (!reserve(e, 1))
        return false;
    e->ids->id[e->ids->n++] = id;
    return true;
}

/* Longest token that starts w[0..n), whose prefixes have hashes h; its bytes in *used. */
static int32_t longest(const oc_encoder *e, const char *w, size_t n, const uint64_t *h, size_t skip,
                       size_t *used)
{
    for (size_t k = OC_MIN(n, e->v->max_bytes); k > 0; k--) {
        int32_t id = oc__vocab_find(e->v, h[k], w, k, skip);
        if (id >= 0) {
            *used = k;
            return id;
        }
    }
    return -1;
}

/* Pieces of a word that is no token itself: the whole word is [UNK] when a piece has none. */
static bool put_pieces(oc_encoder *e, const char *w, size_t n)
{
    int64_t mark = e->ids->n;
    size_t used;
    int32_t id = longest(e, w, n, e->h, 0, &used);
    for (size_t i = 0; id >= 0;) {
        if (!put_id(e, id))
            return false;
        i += used;
        if (i == n)
            return true;
        uint64_t h[MAX_BYTES + 1];
        h[0] = e->hash_cont;
        size_t m = OC_MIN(n - i, e->v->max_bytes);
        for (size_t k = 0; k < m; k++)
            h[k + 1] = oc__hash_step(h[k], (unsigned char)w[i + k]);
        id = longest(e, w + i, m, h, 2, &used);
    }
    e->ids->n = mark;
    return put_id(e, e->v->special.unk);
}

/* A word_fn: a word as the basic tokenizer leaves it. */
static bool put_word(void *ctx, const char *s, size_t n)
{
    oc_encoder *e = ctx;
    size_t n_chars = 0;
    for (size_t i = 0; i < n && n_chars <= MAX_CHARS; i++)
        n_chars += ((unsigned char)s[i] & 0xc0) != 0x80;
    if (n_chars > MAX_CHARS)
        return put_id(e, e->v->special.unk);
    for (size_t i = 0; i < n; i++)
        e->h[i + 1] = oc__hash_step(e->h[i], (unsigned char)s[i]);
    int32_t id = oc__vocab_find(e->v, e->h[n], s, n, 0);
    return id >= 0 ? put_id(e, id) : put_pieces(e, s, n);
}

/* --- words of ASCII, eight bytes at a time ---------------------------------------------------- */

#define EVERY(byte) (0x0101010101010101u * (uint64_t)(byte))

static inline uint64_t first_byte_lowest(uint64_t x)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(x);
#else
    return x;
#endif
}

/*
 * Bit 7 of each byte of x that is an ASCII letter or digit. A byte below 0x80 plus 0x80 - c has bit
 * 7 when the byte is at least c, and no carry leaves it. *letters: the same for letters alone.
 */
static inline uint64_t word_bytes(uint64_t x, uint64_t *letters)
{
    uint64_t ascii = ~x & EVERY(0x80), y = x & EVERY(0x7f), low = y | EVERY(0x20);
    uint64_t digits = (y + EVERY(0x80 - '0')) & ~(y + EVERY(0x80 - ('9' + 1)));
    *letters = (low + EVERY(0x80 - 'a')) & ~(low + EVERY(0x80 - ('z' + 1))) & ascii;
    return *letters | (digits & ascii);
}

/* Bytes before the first one that `word` lacks. */
static inline unsigned leading(uint64_t word)
{
    uint64_t other = ~word & EVERY(0x80);
    return other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
}

static inline uint64_t keep_bytes(uint64_t x, unsigned n)
{
    return n < 8 ? x & (((uint64_t)1 << (8 * n)) - 1) : x;
}

/*
 * The word or mark at s, lower-cased as asked: its length, 16 for any that has more bytes than a key
 * holds.
 */
static inline unsigned take_word(const unsigned char *s, size_t left, bool lowercase,
                                 uint64_t key[2])
{
    uint64_t x[2] = {0}, letters[2];
    if (left >= sizeof x)
        memcpy(x, s, sizeof x);
    else
        memcpy(x, s, left);
    x[0] = first_byte_lowest(x[0]);
    x[1] = first_byte_lowest(x[1]);
    unsigned a = leading(word_bytes(x[0], &letters[0]));
    a += a == 0; // a mark
    unsigned b = leading(word_bytes(x[1], &letters[1]));
    b = a == 8 ? b : 0;
    // 0x80 >> 2 is the bit that tells small letters from capitals.
    key[0] = keep_bytes(lowercase ? x[0] | letters[0] >> 2 : x[0], a);
    key[1] = keep_bytes(lowercase ? x[1] | letters[1] >> 2 : x[1], b);
    return a + b;
}

static inline size_t place_of(const uint64_t key[2])
{
    return (size_t)(((key[1] * 0x9fb21c651e98df25u) ^ key[0]) * 0x9e3779b97f4a7c15u >>
                    (64 - MEMO_BITS));
}

/* A word of more than MEMO_BYTES; *used: its bytes. */
static bool put_long(oc_encoder *e, const unsigned char *s, size_t n, size_t *used)
{
    char w[MAX_CHARS] = {0};
    size_t len = 0;
    for (; len < n && e->byte[s[len]] == B_WORD; len++)
        if (len < MAX_CHARS)
            w[len] = (char)(e->t->lowercase ? oc_u_lower(s[len]) : s[len]);
    *used = len;
    return len > MAX_CHARS ? put_id(e, e->v->special.unk) : put_word(e, w, len);
}

static bool put_new(oc_encoder *e, const uint64_t key[2], unsigned n, memo_set *set)
{
    const uint64_t bytes[2] = {first_byte_lowest(key[0]), first_byte_lowest(key[1])};
    int64_t mark = e->ids->n;
    if (!put_word(e, (const char *)bytes, n))
        return false;
    uint64_t k = (uint64_t)(e->ids->n - mark);
    if (set && k <= MEMO_IDS) {
        set->way[1] = set->way[0];
        set->way[0].key[0] = key[0];
        set->way[0].key[1] = key[1] | k << 56;
        memcpy(set->way[0].id, e->ids->id + mark, (size_t)k * sizeof(int32_t));
    }
    return true;
}

static inline bool is_of(const memo *m, const uint64_t key[2])
{
    return ((m->key[0] ^ key[0]) | (m->key[1] ^ key[1]) << 8) == 0;
}

static inline bool put_short(oc_encoder *e, const uint64_t key[2], unsigned n)
{
    if (!e->memo)
        return put_new(e, key, n, NULL);
    memo_set *set = &e->memo[place_of(key)];
    const memo *m = &set->way[!is_of(&set->way[0], key)]; // no branch: nobody could foretell it
    if (!is_of(m, key))
        return put_new(e, key, n, set);
    if (!reserve(e, MEMO_IDS))
        return false;
    // All four, so that nothing depends on how many there are.
    memcpy(e->ids->id + e->ids->n, m->id, sizeof m->id);
    e->ids->n += (int64_t)(m->key[1] >> 56);
    return true;
}

/* --- texts ------------------------------------------------------------------------------------ */

/* What blanks enclose from s[from] on, anything in it; where it ends. */
static size_t put_any(oc_encoder *e, const char *s, size_t from, size_t n)
{
    size_t end = from;
    while (end < n && e->byte[(unsigned char)s[end]] != B_SPACE)
        end++;
    if (!scan(s + from, end - from, e->t->lowercase, &e->sc, put_word, e) && e->rc == OC_OK)
        e->rc = OC_NOMEM;
    return end;
}

/* At least `stop` ids when the text has so many; whole blank-separated pieces, so maybe more. */
static void put_text(oc_encoder *e, const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t from = 0;            // first byte after the last blank
    int64_t before = e->ids->n; // ids up to there
    bool lowercase = e->t->lowercase;
    for (size_t i = 0; i < n && before < e->stop && e->rc == OC_OK;) {
        unsigned char kind = e->byte[s[i]];
        if (kind == B_WORD || kind == B_MARK) {
            uint64_t key[2];
            size_t used = take_word(s + i, n - i, lowercase, key);
            if (used > MEMO_BYTES)
                put_long(e, s + i, n - i, &used);
            else
                put_short(e, key, (unsigned)used);
            i += used;
        } else if (kind == B_OTHER) { // folding looks at the whole of what blanks enclose
            e->ids->n = before;
            i = put_any(e, text, from, n);
        }
        // Most blanks come one at a time after a word: moved past without a branch.
        size_t blank = i < n && e->byte[s[i]] == B_SPACE;
        i += blank;
        from = blank ? i : from;
        before = blank ? e->ids->n : before;
    }
}

static void encoder_init(oc_encoder *e, const oc_tokenizer *t)
{
    e->t = t;
    e->v = t->vocab;
    e->memo = NULL;
    e->sc = (scratch){0};
    e->hash_cont = oc__hash_bytes(OC__HASH_START, "##", 2);
    e->h[0] = OC__HASH_START;
    memset(e->byte, B_OTHER, sizeof e->byte);
    for (uint32_t c = 0; c < 0x80; c++)
        if (!oc_u_is_control(c))
            e->byte[c] = oc_u_is_space(c) ? B_SPACE : oc_u_is_punct(c) ? B_MARK : B_WORD;
}

static oc_status tokenize(oc_encoder *e, const char *text, size_t n, int64_t stop, oc_ids *ids,
                          oc_err *err)
{
    int64_t mark = ids->n;
    e->ids = ids;
    e->stop = stop;
    e->rc = OC_OK;
    put_text(e, text, n);
    if (e->rc == OC_OK)
        return OC_OK;
    ids->n = mark;
    return OC_FAIL(err, e->rc, "out of memory tokenizing a text of %zu bytes", n);
}

static oc_status encode(oc_encoder *e, const char *text, size_t n, int64_t max_len, oc_ids *out,
                        int64_t *n_full, oc_err *err)
{
    if (max_len < 3)
        return OC_FAIL(err, OC_RANGE,
                       "a length of %lld tokens has no room for [CLS], [SEP] and text",
                       (long long)max_len);
    int64_t mark = out->n;
    OC_TRY(oc_grow(&out->id, &out->cap, (size_t)mark + 2, sizeof *out->id, err));
    out->id[out->n++] = e->v->special.cls;
    int64_t stop = n_full || max_len > INT64_MAX - mark ? INT64_MAX : mark + max_len - 1;
    oc_status rc = tokenize(e, text, n, stop, out, err);
    int64_t full = out->n - mark + 1;
    if (rc == OC_OK) {
        out->n = OC_MIN(out->n, mark + OC_MIN(max_len, full) - 1);
        rc = oc_grow(&out->id, &out->cap, (size_t)out->n + 1, sizeof *out->id, err);
    }
    if (rc != OC_OK) {
        out->n = mark;
        return rc;
    }
    out->id[out->n++] = e->v->special.sep;
    if (n_full)
        *n_full = full;
    return OC_OK;
}

oc_status oc_encoder_new(const oc_tokenizer *t, oc_encoder **out, oc_err *err)
{
    oc_encoder *e = oc_calloc(1, sizeof *e);
    memo_set *m = oc_calloc((size_t)1 << MEMO_BITS, sizeof *m);
    if (!e || !m) {
        oc_free(e);
        oc_free(m);
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    }
    encoder_init(e, t);
    e->memo = m;
    *out = e;
    return OC_OK;
}

void oc_encoder_free(oc_encoder *e)
{
    if (!e)
        return;
    scratch_release(&e->sc);
    oc_free(e->memo);
    oc_free(e);
}

oc_status oc_encoder_tokenize(oc_encoder *e, const char *text, size_t n, oc_ids *ids, oc_err *err)
{
    return tokenize(e, text, n, INT64_MAX, ids, err);
}

oc_status oc_encoder_encode(oc_encoder *e, const char *text, size_t n, int64_t max_len, oc_ids *out,
                            int64_t *n_full, oc_err *err)
{
    return encode(e, text, n, max_len, out, n_full, err);
}

oc_status oc_tokenize(const oc_tokenizer *t, const char *text, size_t n, oc_ids *ids, oc_err *err)
{
    oc_encoder e;
    encoder_init(&e, t);
    oc_status rc = tokenize(&e, text, n, INT64_MAX, ids, err);
    scratch_release(&e.sc);
    return rc;
}

oc_status oc_encode(const oc_tokenizer *t, const char *text, size_t n, int64_t max_len, oc_ids *out,
                    int64_t *n_full, oc_err *err)
{
    oc_encoder e;
    encoder_init(&e, t);
    oc_status rc = encode(&e, text, n, max_len, out, n_full, err);
    scratch_release(&e.sc);
    return rc;
}

void oc_ids_release(oc_ids *ids)
{
    oc_free(ids->id);
    *ids = (oc_ids){0};
}

/* --- the tokenizer ---------------------------------------------------------------------------- */

oc_status oc_tokenizer_new(oc_vocab *vocab, bool lowercase, oc_tokenizer **out, oc_err *err)
{
    oc_tokenizer *t = oc_calloc(1, sizeof *t);
    if (!t)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    *t = (oc_tokenizer){.vocab = vocab, .lowercase = lowercase};
    *out = t;
    return OC_OK;
}

oc_status oc_tokenizer_dup(const oc_tokenizer *t, oc_tokenizer **out, oc_err *err)
{
    oc_vocab *v;
    OC_TRY(oc_vocab_dup(t->vocab, &v, err));
    oc_status rc = oc_tokenizer_new(v, t->lowercase, out, err);
    if (rc != OC_OK)
        oc_vocab_free(v);
    return rc;
}

void oc_tokenizer_free(oc_tokenizer *t)
{
    if (!t)
        return;
    oc_vocab_free(t->vocab);
    oc_free(t);
}

void oc_tokenizer_key(const oc_tokenizer *t, char out[33])
{
    // Two 64-bit hashes of the vocabulary's key: needs no memory, so cannot fail.
    struct {
        char key[33];
        char lowercase, half;
    } k = {.lowercase = (char)t->lowercase};
    oc_vocab_key(t->vocab, k.key);
    static const char hex[] = "0123456789abcdef";
    for (int half = 0; half < 2; half++) {
        k.half = (char)half;
        uint64_t h = oc_hash64(&k, sizeof k);
        for (int i = 0; i < 16; i++)
            out[16 * half + i] = hex[h >> (60 - 4 * i) & 15];
    }
    out[32] = 0;
}
