#include "core/io/tokenizer_files.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/io/checkpoint_map.h"
#include "core/io/sniff.h"
#include "core/io/tokenizer_parts.h"

#define MAX_BYTES ((size_t)64 << 20)

enum {
    NEEDED = OC__TOK_SPECIALS - 1, // [MASK] need not be there
    PLAINLY_CASED = 100,           // entries with capitals, and one in 50 of all: no accident
    PLAINLY_TEXT = 1000            // entries with small letters and none with a capital: neither
};

enum { F_VOCAB, F_JSON, F_CONFIG, F_MAP, F_ADDED, N_FILES };
static const char *const file_name[N_FILES] = {OC__CKPT_VOCAB, "tokenizer.json", OC__CKPT_TOKENIZER,
                                               "special_tokens_map.json", "added_tokens.json"};

typedef struct reading {
    char path[N_FILES][OC_PATH_MAX];
    bool there[N_FILES];
    oc__tok_config config, map;
    int64_t added[OC__TOK_SPECIALS];
    oc__tok_json json;
    oc_vocab *vocab; // owned until the tokenizer takes it
    const oc_tokenizer_ask *ask;
    oc_tokenizer_files *out;
    oc_err *err;
} reading;

const char *oc_casing_from_text(oc_casing_from f)
{
    switch (f) {
    case OC_CASING_TOKENIZER_CONFIG: return OC__CKPT_TOKENIZER;
    case OC_CASING_TOKENIZER_JSON: return "tokenizer.json";
    case OC_CASING_CONFIG: return OC__CKPT_CONFIG;
    case OC_CASING_GUESSED: return "guessed from the vocabulary";
    case OC_CASING_MADE: return "made with the model";
    }
    return "unknown";
}

static oc_status remark(reading *r, const char *fmt, ...) OC_PRINTF(2, 3) OC_NODISCARD;
static oc_status remark(reading *r, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return oc_strlist_add(&r->out->remarks, text, strlen(text), r->err);
}

/* --- which files ------------------------------------------------------------------------------ */

static oc_status find_files(reading *r, const char *path)
{
    if (!oc_path_is_there(path))
        return OC_FAIL(r->err, OC_IO, "there is no model at %s", path);
    bool alone = !oc_path_is_dir(path);
    for (int i = 0; i < N_FILES && !alone; i++) {
        OC_TRY(oc_path_join(r->path[i], path, file_name[i], r->err));
        r->there[i] = oc_path_is_there(r->path[i]);
    }
    if (alone) {
        int i = oc_str_ends(path, ".json") ? F_JSON : F_VOCAB;
        OC_TRY(oc_path_join(r->path[i], "", path, r->err));
        r->there[i] = true;
    }
    if (r->there[F_VOCAB] || r->there[F_JSON])
        return OC_OK;
    return OC_FAIL(r->err, OC_IO,
                   "%s has neither vocab.txt nor tokenizer.json; a BERT model's folder with its "
                   "vocabulary was expected",
                   path);
}

static oc_status read_file(const reading *r, int i, char **text, size_t *n)
{
    OC_TRY(oc_file_read(r->path[i], MAX_BYTES, text, n, r->err));
    const char *other = oc_sniff(*text, *n);
    if (!other)
        return OC_OK;
    oc_free(*text);
    return OC_FAIL(r->err, OC_FORMAT, "%s is %s", r->path[i], other);
}

/* --- the vocabulary --------------------------------------------------------------------------- */

/* A blank last line is no token: no text ever has it. Its count. */
static int64_t drop_blank_end(const char *text, size_t *n)
{
    for (int64_t dropped = 0;; dropped++) {
        size_t k = *n;
        if (k == 0 || text[k - 1] != '\n')
            return dropped;
        k -= k > 1 && text[k - 2] == '\r' ? 2 : 1;
        if (k == 0 || text[k - 1] != '\n')
            return dropped;
        *n = k;
    }
}

static oc_status remark_lines(reading *r, int64_t blank_end)
{
    const oc_vocab *v = r->vocab;
    int64_t n_blank = 0, n_same = 0;
    int32_t blank = -1, same = -1, V = oc_vocab_size(v);
    for (int32_t id = 0; id < V && oc_vocab_duplicates(v) > 0; id++) {
        const char *t = oc_vocab_token(v, id);
        if (*t && oc_vocab_id(v, t, strlen(t)) == id)
            continue;
        *(*t ? &n_same : &n_blank) += 1;
        int32_t *first = *t ? &same : &blank;
        *first = *first < 0 ? id : *first;
    }
    if (blank < 0)
        blank = V;
    n_blank += blank_end;
    if (n_blank > 0)
        OC_TRY(remark(r, "vocab.txt has %lld blank line%s, the first is line %d",
                      (long long)n_blank, n_blank > 1 ? "s" : "", (int)blank + 1));
    if (n_same > 0)
        OC_TRY(remark(r,
                      "vocab.txt has %lld token%s more than once, the first is \"%.60s\" in line "
                      "%d; the last of equal lines gives the id",
                      (long long)n_same, n_same > 1 ? "s" : "", oc_vocab_token(v, same),
                      (int)same + 1));
    return OC_OK;
}

static oc_status read_vocab_txt(reading *r)
{
    char *text;
    size_t n;
    OC_TRY(read_file(r, F_VOCAB, &text, &n));
    int64_t blank_end = drop_blank_end(text, &n);
    oc_status rc = oc_vocab_parse(text, n, r->path[F_VOCAB], &r->vocab, r->err);
    oc_free(text);
    r->out->tokens_from = file_name[F_VOCAB];
    return rc == OC_OK ? remark_lines(r, blank_end) : rc;
}

static oc_status read_tokenizer_json(reading *r)
{
    char *text;
    size_t n;
    OC_TRY(read_file(r, F_JSON, &text, &n));
    oc_status rc = oc__tok_json_parse(text, n, r->path[F_JSON], r->vocab, &r->json, r->err);
    oc_free(text);
    if (rc != OC_OK)
        return rc;
    if (!r->vocab) {
        r->vocab = r->json.vocab;
        r->out->tokens_from = file_name[F_JSON];
    }
    return r->json.no_specials
               ? remark(r, "tokenizer.json adds no [CLS] and [SEP] of its own; they are added")
               : OC_OK;
}

/* Which special token has another name: the reason why the vocabulary lacks BERT's. */
static void note_names(const reading *r)
{
    const oc__tok_config *said[] = {&r->config, &r->map};
    static const int file[] = {F_CONFIG, F_MAP};
    for (int i = 0; i < OC_COUNT(file); i++) {
        for (int k = 0; k < NEEDED; k++) {
            if (!said[i]->other[k][0])
                continue;
            oc_err_note(r->err, "%s names \"%s\" where %s was expected", file_name[file[i]],
                        said[i]->other[k], oc__tok_special[k]);
            return;
        }
    }
}

static oc_status read_vocab(reading *r)
{
    oc_status rc = r->there[F_VOCAB] ? read_vocab_txt(r) : OC_OK;
    if (rc == OC_OK && r->there[F_JSON])
        rc = read_tokenizer_json(r);
    if (rc == OC_FORMAT)
        note_names(r);
    return rc;
}

/* Published models round vocab_size up to a multiple of 8 to 1024, a power of two. */
static bool is_rounded_up(int32_t n, int32_t V)
{
    int32_t unit = V & -V;
    return unit >= 8 && n < V && V - n < OC_MIN(unit, 1024);
}

static oc_status check_size(reading *r)
{
    int32_t n = oc_vocab_size(r->vocab), V = r->ask->V;
    const char *from = r->out->tokens_from;
    const char *path = r->path[r->there[F_VOCAB] ? F_VOCAB : F_JSON];
    if (V == 0 || n == V)
        return OC_OK;
    if (!is_rounded_up(n, V))
        return OC_FAIL(
            r->err, OC_FORMAT,
            "%s has %d entries, but the model's vocab_size is %d: it is not its vocabulary", path,
            (int)n, (int)V);
    return remark(r,
                  "%s has %d entries, the model's vocab_size is %d: the last %d rows of its word "
                  "embeddings are taken for padding",
                  from, (int)n, (int)V, (int)(V - n));
}

/* --- the special tokens ----------------------------------------------------------------------- */

static oc_status check_ids(const reading *r, int file, const int64_t id[OC__TOK_SPECIALS])
{
    for (int k = 0; k < OC__TOK_SPECIALS && r->there[file]; k++) {
        const char *token = oc__tok_special[k];
        int32_t have = oc_vocab_id(r->vocab, token, strlen(token));
        if (id[k] >= 0 && id[k] != have)
            return OC_FAIL(r->err, OC_FORMAT,
                           "%s gives %s the id %lld, but it is %d in %s (-1: not there)",
                           r->path[file], token, (long long)id[k], (int)have, r->out->tokens_from);
    }
    return OC_OK;
}

static oc_status remark_names(reading *r, int file, const oc__tok_config *c)
{
    for (int k = 0; k < NEEDED && r->there[file]; k++)
        if (c->other[k][0])
            OC_TRY(remark(r, "%s names \"%s\" where %s is expected; the vocabulary's %s is used",
                          file_name[file], c->other[k], oc__tok_special[k], oc__tok_special[k]));
    return OC_OK;
}

static oc_status check_specials(reading *r)
{
    OC_TRY(check_ids(r, F_CONFIG, r->config.id));
    OC_TRY(check_ids(r, F_MAP, r->map.id));
    OC_TRY(check_ids(r, F_ADDED, r->added));
    OC_TRY(remark_names(r, F_CONFIG, &r->config));
    return remark_names(r, F_MAP, &r->map);
}

/* --- casing ----------------------------------------------------------------------------------- */

static const char *casing(int lower)
{
    return lower ? "uncased" : "cased";
}

/* Entries with a small letter of ours. */
static int32_t n_small(const oc_vocab *v)
{
    int32_t n = 0;
    for (int32_t id = 0; id < oc_vocab_size(v); id++) {
        const char *t = oc_vocab_token(v, id);
        n += *t != '[' && strpbrk(t, "abcdefghijklmnopqrstuvwxyz") != NULL;
    }
    return n;
}

/* The first that says so, or the guess. */
static oc_status settle_casing(reading *r, int *lower)
{
    const struct {
        int says;
        oc_casing_from from;
    } source[] = {{r->config.lower_case, OC_CASING_TOKENIZER_CONFIG},
                  {r->json.lower_case, OC_CASING_TOKENIZER_JSON},
                  {r->ask->lower_case, OC_CASING_CONFIG}};
    int by = -1;
    for (int i = OC_COUNT(source); i-- > 0;)
        by = source[i].says >= 0 ? i : by;
    if (by < 0) {
        int32_t n = oc_vocab_n_upper(r->vocab);
        *lower = !oc_vocab_looks_cased(r->vocab);
        r->out->casing_from = OC_CASING_GUESSED;
        return remark(r,
                      "no file says whether it is cased; %d of the %d tokens have capitals, so "
                      "it is taken for %s",
                      (int)n, (int)oc_vocab_size(r->vocab), casing(*lower));
    }
    *lower = source[by].says;
    r->out->casing_from = source[by].from;
    for (int i = by + 1; i < OC_COUNT(source); i++)
        if (source[i].says >= 0 && source[i].says != *lower)
            OC_TRY(remark(r, "%s says it is %s, %s %s; %s is followed",
                          oc_casing_from_text(source[by].from), casing(*lower),
                          oc_casing_from_text(source[i].from), casing(source[i].says),
                          oc_casing_from_text(source[by].from)));
    return OC_OK;
}

/* Accents go where notes are lower-cased, and only there. */
static oc_status check_accents(const reading *r, int lower)
{
    int file = r->config.strip_accents >= 0 ? F_CONFIG : F_JSON;
    int strip = file == F_CONFIG ? r->config.strip_accents : r->json.strip_accents;
    if (strip < 0 || strip == lower)
        return OC_OK;
    return OC_FAIL(r->err, OC_UNSUPPORTED,
                   "%s: strip_accents %s with %s text is not supported; null was expected",
                   r->path[file], strip ? "true" : "false", casing(lower));
}

static oc_status check_casing(reading *r, int lower)
{
    int32_t n = oc_vocab_n_upper(r->vocab), V = oc_vocab_size(r->vocab);
    const char *from = oc_casing_from_text(r->out->casing_from);
    bool wrong = lower ? n >= PLAINLY_CASED && (int64_t)n * 50 >= V
                       : n == 0 && n_small(r->vocab) >= PLAINLY_TEXT;
    if (!wrong)
        return OC_OK;
    if (r->ask->lower_case == lower)
        return remark(r, "%d of the %d tokens have capitals, but %s says it is %s and is followed",
                      (int)n, (int)V, OC__CKPT_CONFIG, casing(lower));
    return OC_FAIL(r->err, OC_FORMAT,
                   "%s says it is %s, but %d of the %d tokens of %s have capitals: set "
                   "do_lower_case to %s in tokenizer_config.json (or, if it is meant, "
                   "\"optimclm\": {\"format\": 1, \"do_lower_case\": %s} in config.json)",
                   from, casing(lower), (int)n, (int)V,
                   r->path[r->there[F_VOCAB] ? F_VOCAB : F_JSON], lower ? "false" : "true",
                   lower ? "true" : "false");
}

/* --- all of it -------------------------------------------------------------------------------- */

static oc_status read_configs(reading *r)
{
    for (int f = F_CONFIG; f <= F_ADDED; f++) {
        char *text;
        size_t n;
        if (!r->there[f])
            continue;
        OC_TRY(read_file(r, f, &text, &n));
        oc_status rc = f == F_ADDED
                           ? oc__tok_added_parse(text, n, r->path[f], r->added, r->err)
                           : oc__tok_config_parse(text, n, r->path[f],
                                                  f == F_MAP ? &r->map : &r->config, r->err);
        oc_free(text);
        OC_TRY(rc);
    }
    return OC_OK;
}

static oc_status read_all(reading *r, const char *path)
{
    int lower;
    OC_TRY(find_files(r, path));
    OC_TRY(read_configs(r));
    OC_TRY(read_vocab(r));
    OC_TRY(check_size(r));
    OC_TRY(check_specials(r));
    OC_TRY(settle_casing(r, &lower));
    OC_TRY(check_accents(r, lower));
    OC_TRY(check_casing(r, lower));
    r->out->max_len = r->config.max_len;
    return oc_tokenizer_new(r->vocab, lower == 1, &r->out->tok, r->err);
}

oc_status oc_tokenizer_files_read(const char *path, const oc_tokenizer_ask *ask,
                                  oc_tokenizer_files *out, oc_err *err)
{
    reading *r = oc_calloc(1, sizeof *r);
    if (!r)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", path);
    oc_tokenizer_files f = {0};
    r->config.lower_case = r->config.strip_accents = -1;
    r->json.lower_case = r->json.strip_accents = -1;
    r->ask = ask;
    r->out = &f;
    r->err = err;
    oc_status rc = read_all(r, path);
    if (rc == OC_OK) {
        *out = f;
    } else {
        oc_vocab_free(r->vocab);
        oc_tokenizer_files_release(&f);
    }
    oc_free(r);
    return rc;
}

void oc_tokenizer_files_release(oc_tokenizer_files *f)
{
    oc_tokenizer_free(f->tok);
    oc_strlist_release(&f->remarks);
    *f = (oc_tokenizer_files){0};
}
