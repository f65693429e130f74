#include "core/text/wordpiece.h"

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

/* --- WordPiece -------------------------------------------------------------------------------- */

/* What a byte is to the fast path; a byte of a word is its (lower-cased) self. */
enum { B_SPACE, B_DROP, B_PUNCT, B_HIGH, B_FIRST_OF_WORD = 0x20 };

typedef struct run {
    const oc_vocab *v;
    bool lowercase;
    oc_ids *ids;
    int64_t stop;       // ids wanted at most
    uint64_t hash_cont; // hash state after "##"
    scratch sc;
    bool full; // reached `stop`
    oc_status rc;
    unsigned char byte[256];
    uint64_t h[MAX_BYTES + 1]; // h[i] = hash of the first i bytes of the word at hand
    char w[MAX_BYTES];
} run;

static void run_init(run *r, const oc_tokenizer *t, oc_ids *ids, int64_t stop)
{
    r->v = t->vocab;
    r->lowercase = t->lowercase;
    r->ids = ids;
    r->stop = stop;
    r->hash_cont = oc__hash_bytes(OC__HASH_START, "##", 2);
    r->sc = (scratch){0};
    r->rc = OC_OK;
    r->h[0] = OC__HASH_START;
    for (uint32_t c = 0; c < 0x80; c++)
        r->byte[c] = oc_u_is_space(c)     ? B_SPACE
                     : oc_u_is_control(c) ? B_DROP
                     : oc_u_is_punct(c)   ? B_PUNCT
                     : t->lowercase       ? (unsigned char)oc_u_lower(c)
                                          : (unsigned char)c;
    memset(r->byte + 0x80, B_HIGH, 0x80);
}

/* Room for k more ids. */
static inline bool reserve(run *r, size_t k)
{
    size_t need = (size_t)r->ids->n + k;
    if (need > r->ids->cap)
        r->rc = oc_grow(&r->ids->id, &r->ids->cap, need, sizeof *r->ids->id, NULL);
    return r->rc == OC_OK;
}

static inline bool put_id(run *r, int32_t id)
{
    if (!reserve(r, 1))
        return false;
    r->ids->id[r->ids->n++] = id;
    return true;
}

/* Longest token that starts w[0..n), whose prefixes have hashes h; its bytes in *used. */
static int32_t longest(const run *r, const char *w, size_t n, const uint64_t *h, size_t skip,
                       size_t *used)
{
    for (size_t k = OC_MIN(n, r->v->max_bytes); k > 0; k--) {
        int32_t id = oc__vocab_find(r->v, h[k], w, k, skip);
        if (id >= 0) {
            *used = k;
            return id;
        }
    }
    return -1;
}

/* Pieces of a word that is no token itself: the whole word is [UNK] when a piece has none. */
static bool put_pieces(run *r, const char *w, size_t n)
{
    int64_t mark = r->ids->n;
    size_t used;
    int32_t id = longest(r, w, n, r->h, 0, &used);
    for (size_t i = 0; id >= 0;) {
        if (!put_id(r, id))
            return false;
        i += used;
        if (i == n)
            return true;
        uint64_t h[MAX_BYTES + 1];
        h[0] = r->hash_cont;
        size_t m = OC_MIN(n - i, r->v->max_bytes);
        for (size_t k = 0; k < m; k++)
            h[k + 1] = oc__hash_step(h[k], (unsigned char)w[i + k]);
        id = longest(r, w + i, m, h, 2, &used);
    }
    r->ids->n = mark;
    return put_id(r, r->v->special.unk);
}

/* r->h holds the hashes of w's prefixes. */
static inline bool put_hashed(run *r, const char *w, size_t n)
{
    int32_t id = oc__vocab_find(r->v, r->h[n], w, n, 0);
    return id >= 0 ? put_id(r, id) : put_pieces(r, w, n);
}

static bool put_word(void *ctx, const char *s, size_t n)
{
    run *r = ctx;
    size_t n_chars = 0;
    for (size_t i = 0; i < n && n_chars <= MAX_CHARS; i++)
        n_chars += ((unsigned char)s[i] & 0xc0) != 0x80;
    if (n_chars > MAX_CHARS)
        return put_id(r, r->v->special.unk);
    for (size_t i = 0; i < n; i++)
        r->h[i + 1] = oc__hash_step(r->h[i], (unsigned char)s[i]);
    return put_hashed(r, s, n);
}

/*
 * Ids of the ASCII text up to the next blank. *used: bytes taken. False when a byte >= 0x80 comes
 * before the blank (folding looks at the whole of what blanks enclose) or memory ran out.
 */
static bool put_ascii(run *r, const unsigned char *s, size_t n, size_t *used)
{
    size_t len = 0, i = 0;
    for (; i < n; i++) {
        unsigned char b = r->byte[s[i]];
        if (b >= B_FIRST_OF_WORD) {
            if (len < MAX_CHARS) {
                r->w[len] = (char)b;
                r->h[len + 1] = oc__hash_step(r->h[len], b);
            }
            len++;
            continue;
        }
        if (b == B_DROP)
            continue;
        if (b == B_HIGH)
            return false;
        if (len > 0) {
            if (!(len > MAX_CHARS ? put_id(r, r->v->special.unk) : put_hashed(r, r->w, len)))
                return false;
            len = 0;
        }
        if (b == B_SPACE)
            break;
        r->h[1] = oc__hash_step(r->h[0], s[i]);
        if (!put_hashed(r, (const char *)s + i, 1))
            return false;
    }
    *used = i;
    if (len == 0)
        return true;
    return len > MAX_CHARS ? put_id(r, r->v->special.unk) : put_hashed(r, r->w, len);
}

static void run_text(run *r, const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < n && r->rc == OC_OK;) {
        if (r->byte[s[i]] == B_SPACE) {
            i++;
            continue;
        }
        if (r->ids->n >= r->stop)
            break;
        int64_t mark = r->ids->n;
        size_t used = 0;
        if (!put_ascii(r, s + i, n - i, &used) && r->rc == OC_OK) {
            r->ids->n = mark;
            used = 1;
            while (i + used < n && r->byte[s[i + used]] != B_SPACE)
                used++;
            if (!scan(text + i, used, r->lowercase, &r->sc, put_word, r))
                r->rc = OC_NOMEM;
        }
        i += used;
    }
}

/* At least `stop` ids when the text has so many; whole blank-separated pieces, so maybe more. */
static oc_status tokenize(const oc_tokenizer *t, const char *text, size_t n, int64_t stop,
                          oc_ids *ids, oc_err *err)
{
    run r;
    int64_t mark = ids->n;
    run_init(&r, t, ids, stop);
    run_text(&r, text, n);
    scratch_release(&r.sc);
    if (r.rc == OC_OK)
        return OC_OK;
    ids->n = mark;
    return OC_FAIL(err, r.rc, "out of memory tokenizing a text of %zu bytes", n);
}

oc_status oc_tokenize(const oc_tokenizer *t, const char *text, size_t n, oc_ids *ids, oc_err *err)
{
    return tokenize(t, text, n, INT64_MAX, ids, err);
}

oc_status oc_encode(const oc_tokenizer *t, const char *text, size_t n, int64_t max_len, oc_ids *out,
                    int64_t *n_full, oc_err *err)
{
    if (max_len < 3)
        return OC_FAIL(err, OC_RANGE,
                       "a length of %lld tokens has no room for [CLS], [SEP] and text",
                       (long long)max_len);
    int64_t mark = out->n;
    OC_TRY(oc_grow(&out->id, &out->cap, (size_t)mark + 2, sizeof *out->id, err));
    out->id[out->n++] = t->vocab->special.cls;
    int64_t stop = n_full || max_len > INT64_MAX - mark ? INT64_MAX : mark + max_len - 1;
    oc_status rc = tokenize(t, text, n, stop, out, err);
    int64_t full = out->n - mark + 1;
    if (rc == OC_OK) {
        out->n = OC_MIN(out->n, mark + OC_MIN(max_len, full) - 1);
        rc = oc_grow(&out->id, &out->cap, (size_t)out->n + 1, sizeof *out->id, err);
    }
    if (rc != OC_OK) {
        out->n = mark;
        return rc;
    }
    out->id[out->n++] = t->vocab->special.sep;
    if (n_full)
        *n_full = full;
    return OC_OK;
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
