#include "core/text/unicode.h"

#include <utf8proc.h>

#include "core/base/str.h"

static utf8proc_category_t category(uint32_t cp)
{
    return utf8proc_category((utf8proc_int32_t)cp);
}

bool oc_u_is_space(uint32_t cp)
{
    if (cp < 0x80)
        return cp == ' ' || cp == '\t' || cp == '\n' || cp == '\r';
    return category(cp) == UTF8PROC_CATEGORY_ZS;
}

bool oc_u_is_control(uint32_t cp)
{
    if (cp < 0x80)
        return cp == 0x7f || (cp < 0x20 && cp != '\t' && cp != '\n' && cp != '\r');
    utf8proc_category_t c = category(cp);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CS ||
           c == UTF8PROC_CATEGORY_CO || c == UTF8PROC_CATEGORY_CN;
}

bool oc_u_is_punct(uint32_t cp)
{
    // All of ASCII that is neither letter, digit nor blank counts, "$" and "+" included.
    if (cp < 0x80)
        return (cp >= 33 && cp <= 47) || (cp >= 58 && cp <= 64) || (cp >= 91 && cp <= 96) ||
               (cp >= 123 && cp <= 126);
    utf8proc_category_t c = category(cp);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

bool oc_u_is_cjk(uint32_t cp)
{
    static const uint32_t block[][2] = {
        {0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df}, {0x2a700, 0x2b73f},
        {0x2b740, 0x2b81f}, {0x2b820, 0x2ceaf}, {0xf900, 0xfaff},   {0x2f800, 0x2fa1f},
    };
    if (cp < 0x3400)
        return false;
    for (int i = 0; i < OC_COUNT(block); i++)
        if (cp >= block[i][0] && cp <= block[i][1])
            return true;
    return false;
}

bool oc_u_is_upper(uint32_t cp)
{
    if (cp < 0x80)
        return cp >= 'A' && cp <= 'Z';
    return category(cp) == UTF8PROC_CATEGORY_LU;
}

uint32_t oc_u_lower(uint32_t cp)
{
    if (cp < 0x80)
        return cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
}

/* --- lower-casing with the one rule that looks around: the Greek final sigma ------------------ */

#define CAPITAL_SIGMA 0x3a3u
#define SMALL_SIGMA   0x3c3u
#define FINAL_SIGMA   0x3c2u

/* Characters a search for the neighbouring letter passes over (Unicode property Case_Ignorable). */
static bool is_case_ignorable(uint32_t cp)
{
    static const uint16_t inside_words[] = {'\'',   '.',    ':',    0xb7,   0x387,  0x55f,
                                            0x5f4,  0x2018, 0x2019, 0x2024, 0x2027, 0xfe13,
                                            0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    for (int i = 0; i < OC_COUNT(inside_words); i++)
        if (cp == inside_words[i])
            return true;
    utf8proc_category_t c = category(cp);
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_ME || c == UTF8PROC_CATEGORY_CF ||
           c == UTF8PROC_CATEGORY_LM || c == UTF8PROC_CATEGORY_SK;
}

static bool is_cased(uint32_t cp)
{
    utf8proc_category_t c = category(cp);
    if (c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT)
        return true;
    utf8proc_int32_t i = (utf8proc_int32_t)cp;
    return cp == 0xaa || cp == 0xba || utf8proc_tolower(i) != i || utf8proc_toupper(i) != i;
}

static bool cased_before(const char *s, size_t at)
{
    while (at > 0) {
        size_t from = at - 1;
        while (from > 0 && at - from < 4 && ((unsigned char)s[from] & 0xc0) == 0x80)
            from--;
        uint32_t cp;
        oc_utf8_decode(s + from, at - from, &cp);
        if (!is_case_ignorable(cp))
            return is_cased(cp);
        at = from;
    }
    return false;
}

static bool cased_after(const char *s, size_t n, size_t at)
{
    while (at < n) {
        uint32_t cp;
        at += (size_t)oc_utf8_decode(s + at, n - at, &cp);
        if (!is_case_ignorable(cp))
            return is_cased(cp);
    }
    return false;
}

/* --- folding ---------------------------------------------------------------------------------- */

/*
 * NFD puts marks that follow a base character into the order of their combining class. Mn marks are
 * dropped, so only the others (few: tone marks, musical symbols) have to be held back and sorted.
 */
enum { MAX_HELD = 30 }; // more in a row are no text (Unicode's stream-safe limit)

typedef struct folder {
    oc_buf *out;
    int n;
    uint32_t held[MAX_HELD];
    utf8proc_propval_t ccc[MAX_HELD];
} folder;

static void release_held(folder *f)
{
    for (int i = 0; i < f->n; i++)
        oc_buf_utf8(f->out, f->held[i]);
    f->n = 0;
}

static void put_decomposed(folder *f, uint32_t cp)
{
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);
    bool dropped = p->category == UTF8PROC_CATEGORY_MN;
    if (p->combining_class == 0 || f->n == MAX_HELD)
        release_held(f);
    if (dropped)
        return;
    if (p->combining_class == 0) {
        oc_buf_utf8(f->out, cp);
        return;
    }
    int i = f->n++;
    for (; i > 0 && f->ccc[i - 1] > p->combining_class; i--) {
        f->held[i] = f->held[i - 1];
        f->ccc[i] = f->ccc[i - 1];
    }
    f->held[i] = cp;
    f->ccc[i] = p->combining_class;
}

static uint32_t lower(const char *s, size_t n, size_t at, size_t after, uint32_t cp)
{
    if (cp == CAPITAL_SIGMA)
        return cased_before(s, at) && !cased_after(s, n, after) ? FINAL_SIGMA : SMALL_SIGMA;
    return oc_u_lower(cp);
}

void oc_u_fold(const char *s, size_t n, oc_buf *out)
{
    enum { MAX_PARTS = 16 }; // the longest canonical decomposition has 4
    folder f = {.out = out};
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x80) {
            release_held(&f);
            oc_buf_ch(out, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
            i++;
            continue;
        }
        uint32_t cp;
        size_t after = i + (size_t)oc_utf8_decode(s + i, n - i, &cp);
        utf8proc_int32_t part[MAX_PARTS];
        int bound = 0;
        utf8proc_ssize_t k = utf8proc_decompose_char((utf8proc_int32_t)lower(s, n, i, after, cp),
                                                     part, MAX_PARTS, UTF8PROC_DECOMPOSE, &bound);
        for (utf8proc_ssize_t j = 0; j < k && j < MAX_PARTS; j++)
            put_decomposed(&f, (uint32_t)part[j]);
        i = after;
    }
    release_held(&f);
}

int oc_u_width(uint32_t cp)
{
    if (cp < 0x80)
        return cp >= 0x20 && cp != 0x7f;
    int w = utf8proc_charwidth((utf8proc_int32_t)cp);
    return w < 0 ? 0 : w > 2 ? 2 : w;
}
