/*
 * core/base/str.h - small string and number helpers. Nothing here depends on the locale.
 */
#ifndef OC_BASE_STR_H
#define OC_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"

/* Copy with truncation at a UTF-8 boundary; always terminated. Returns dst. */
char *oc_strlcpy(char *dst, const char *src, size_t dst_bytes);

bool oc_str_starts(const char *s, const char *prefix);
bool oc_str_ends(const char *s, const char *suffix);

/* Whole string must be the number; false otherwise (range included). Decimal point is '.'. */
bool oc_parse_i64(const char *s, int64_t *out);
bool oc_parse_f64(const char *s, double *out);
bool oc_parse_bool(const char *s, bool *out); /* true false on off yes no 1 0 */

/* One code point at s[0..n): bytes used (1..4), *cp; malformed gives 1 byte and U+FFFD. n >= 1. */
int oc_utf8_decode(const char *s, size_t n, uint32_t *cp);
int oc_utf8_encode(uint32_t cp, char out[4]);
bool oc_utf8_valid(const char *s, size_t n);

/* A list "a,b,c" of trimmed, non-empty items. Owned by the caller. */
typedef struct oc_strlist {
    char **item; /* owned [n] */
    int64_t n;
    size_t cap;
} oc_strlist;
oc_status oc_strlist_add(oc_strlist *l, const char *s, size_t n, oc_err *err) OC_NODISCARD;
oc_status oc_strlist_split(oc_strlist *l, const char *s, char sep, oc_err *err) OC_NODISCARD;
int64_t oc_strlist_find(const oc_strlist *l, const char *s); /* -1 when absent */
void oc_strlist_release(oc_strlist *l);

/* Nearest of `n` words by edit distance, for "did you mean"; NULL when none is near. */
const char *oc_nearest(const char *word, const char *const *words, int n);

/* "1.5 kB", "433.3 MB": decimal units, as sizes are stated everywhere. */
void oc_fmt_bytes(char out[24], int64_t bytes);
/* "850 ms", "12.4 s", "3 m 05 s", "2 h 10 m". */
void oc_fmt_duration(char out[24], double seconds);
/* Shortest decimal that reads back as the same double ("0.1"); "NaN", "Infinity" as words. */
void oc_fmt_f64(char out[32], double v);

#endif
