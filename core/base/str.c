#include "core/base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"

char *oc_strlcpy(char *dst, const char *src, size_t dst_bytes)
{
    if (!dst_bytes)
        return dst;
    size_t n = strnlen(src, dst_bytes);
    if (n == dst_bytes) {
        n = dst_bytes - 1;
        while (n > 0 && ((unsigned char)src[n] & 0xc0) == 0x80)
            n--;
    }
    memmove(dst, src, n);
    dst[n] = 0;
    return dst;
}

bool oc_str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool oc_str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);
    return n >= k && memcmp(s + n - k, suffix, k) == 0;
}

bool oc_parse_i64(const char *s, int64_t *out)
{
    if (!*s || isspace((unsigned char)*s))
        return false;
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    if (*end || errno)
        return false;
    *out = v;
    return true;
}

/* strtod reads hexadecimal and words too; only decimal numbers, NaN and infinities are ours. */
static bool decimal_shape(const char *s)
{
    if (*s == '-' || *s == '+')
        s++;
    if (!strcmp(s, "NaN") || !strcmp(s, "Infinity"))
        return true;
    bool digit = false;
    for (; *s; s++) {
        if (isdigit((unsigned char)*s))
            digit = true;
        else if (!strchr(".eE+-", *s))
            return false;
    }
    return digit;
}

bool oc_parse_f64(const char *s, double *out)
{
    if (!decimal_shape(s))
        return false;
    char *end;
    errno = 0;
    double v = strtod(s, &end);
    if (*end || (errno == ERANGE && isinf(v)))
        return false;
    *out = v;
    return true;
}

bool oc_parse_bool(const char *s, bool *out)
{
    static const char *const yes[] = {"true", "on", "yes", "1"};
    static const char *const no[] = {"false", "off", "no", "0"};
    for (int i = 0; i < OC_COUNT(yes); i++) {
        if (!strcasecmp(s, yes[i]) || !strcasecmp(s, no[i])) {
            *out = !strcasecmp(s, yes[i]);
            return true;
        }
    }
    return false;
}

int oc_utf8_decode(const char *s, size_t n, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    int len = p[0] < 0x80                   ? 1
              : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
              : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
              : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                            : 0;
    *cp = 0xfffd;
    if (len == 0 || (size_t)len > n)
        return 1;
    if (len == 1) {
        *cp = p[0];
        return 1;
    }
    uint32_t v = p[0] & (0xffu >> (len + 1));
    for (int i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 1;
        v = v << 6 | (p[i] & 0x3f);
    }
    if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return 1;
    *cp = v;
    return len;
}

int oc_utf8_encode(uint32_t cp, char out[4])
{
    unsigned char *o = (unsigned char *)out;
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        cp = 0xfffd;
    if (cp < 0x80) {
        o[0] = (unsigned char)cp;
        return 1;
    }
    int len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = len - 1; i > 0; i--, cp >>= 6)
        o[i] = (unsigned char)(0x80 | (cp & 0x3f));
    static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    o[0] = (unsigned char)(lead[len] | cp);
    return len;
}

bool oc_utf8_valid(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        if ((unsigned char)s[i] < 0x80) {
            i++;
            continue;
        }
        uint32_t cp;
        int k = oc_utf8_decode(s + i, n - i, &cp);
        if (k == 1)
            return false;
        i += (size_t)k;
    }
    return true;
}

oc_status oc_strlist_add(oc_strlist *l, const char *s, size_t n, oc_err *err)
{
    OC_TRY(oc_grow(&l->item, &l->cap, (size_t)l->n + 1, sizeof *l->item, err));
    char *d = oc_strndup(s, n);
    if (!d)
        return OC_FAIL(err, OC_NOMEM, "out of memory (%zu bytes)", n);
    l->item[l->n++] = d;
    return OC_OK;
}

oc_status oc_strlist_split(oc_strlist *l, const char *s, char sep, oc_err *err)
{
    while (*s) {
        const char *end = strchr(s, sep);
        size_t n = end ? (size_t)(end - s) : strlen(s);
        const char *a = s, *b = s + n;
        while (a < b && isspace((unsigned char)*a))
            a++;
        while (b > a && isspace((unsigned char)b[-1]))
            b--;
        if (b > a)
            OC_TRY(oc_strlist_add(l, a, (size_t)(b - a), err));
        s += n + (end != NULL);
    }
    return OC_OK;
}

int64_t oc_strlist_find(const oc_strlist *l, const char *s)
{
    for (int64_t i = 0; i < l->n; i++)
        if (!strcmp(l->item[i], s))
            return i;
    return -1;
}

void oc_strlist_release(oc_strlist *l)
{
    for (int64_t i = 0; i < l->n; i++)
        oc_free(l->item[i]);
    oc_free(l->item);
    *l = (oc_strlist){0};
}

static int edit_distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    int row[MAX + 1];
    int na = (int)strnlen(a, MAX), nb = (int)strnlen(b, MAX);
    for (int j = 0; j <= nb; j++)
        row[j] = j;
    for (int i = 1; i <= na; i++) {
        int diag = row[0];
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            int up = row[j];
            int sub = diag + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            row[j] = OC_MIN(sub, 1 + OC_MIN(up, row[j - 1]));
            diag = up;
        }
    }
    return row[nb];
}

const char *oc_nearest(const char *word, const char *const *words, int n)
{
    const char *best = NULL;
    int best_d = (int)strlen(word) / 3 + 2;
    for (int i = 0; i < n; i++) {
        int d = edit_distance(word, words[i]);
        // "sparsity" should find "prune.sparsity"
        const char *dot = strrchr(words[i], '.');
        if (dot)
            d = OC_MIN(d, 1 + edit_distance(word, dot + 1));
        if (d < best_d) {
            best_d = d;
            best = words[i];
        }
    }
    return best;
}

void oc_fmt_bytes(char out[24], int64_t bytes)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    int u = 0;
    while (v >= 1000 && u < OC_COUNT(unit) - 1) {
        v /= 1000;
        u++;
    }
    snprintf(out, 24, u == 0 ? "%.0f %s" : v < 9.995 ? "%.2f %s" : "%.1f %s", v, unit[u]);
}

void oc_fmt_duration(char out[24], double seconds)
{
    if (!(seconds >= 0) || seconds > 1e9)
        snprintf(out, 24, "?");
    else if (seconds < 1)
        snprintf(out, 24, "%.0f ms", seconds * 1e3);
    else if (seconds < 60)
        snprintf(out, 24, "%.1f s", seconds);
    else if (seconds < 3600)
        snprintf(out, 24, "%d m %02d s", (int)seconds / 60, (int)seconds % 60);
    else
        snprintf(out, 24, "%d h %02d m", (int)seconds / 3600, (int)seconds / 60 % 60);
}

void oc_fmt_f64(char out[32], double v)
{
    if (isnan(v)) {
        strcpy(out, "NaN");
        return;
    }
    if (isinf(v)) {
        strcpy(out, v < 0 ? "-Infinity" : "Infinity");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, v);
        if (strtod(out, NULL) == v)
            break;
    }
    // 20, not 2e+01: people read these.
    if (strchr(out, 'e') && fabs(v) >= 1 && fabs(v) < 1e15)
        snprintf(out, 32, "%.0f", v);
}
