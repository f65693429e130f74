/*
 * The filters of log, settings and help: a pattern is a row of places, each a character that may
 * repeat; the set of places reached so far is one 64-bit word, so no pattern takes long.
 */
#include <ctype.h>
#include <string.h>

#include "views/draw.h"

#define MAX_PLACES 63

typedef struct pattern {
    char ch[MAX_PLACES];
    uint64_t star; /* bit i: place i may be passed over or repeated */
    int n;
    bool from_start, to_end;
} pattern;

static void compile(pattern *p, const char *s, size_t n)
{
    *p = (pattern){0};
    if (n && s[0] == '^') {
        p->from_start = true;
        s++;
        n--;
    }
    if (n && s[n - 1] == '$') {
        p->to_end = true;
        n--;
    }
    for (size_t i = 0; i < n && p->n < MAX_PLACES; i++) {
        if (s[i] == '*' && p->n > 0)
            p->star |= UINT64_C(1) << (p->n - 1);
        else
            p->ch[p->n++] = (char)tolower((unsigned char)s[i]);
    }
}

/* Places reachable without reading: a starred place may be passed over. */
static uint64_t closure(const pattern *p, uint64_t set)
{
    for (int i = 0; i < p->n; i++)
        if (set >> i & 1 && p->star >> i & 1)
            set |= UINT64_C(1) << (i + 1);
    return set;
}

static bool found(const pattern *p, const char *s)
{
    uint64_t goal = UINT64_C(1) << p->n, set = closure(p, 1);
    for (;; s++) {
        if (set & goal && (!p->to_end || !*s))
            return true;
        if (!*s)
            return false;
        uint64_t next = p->from_start ? 0 : 1;
        for (int i = 0; i < p->n; i++)
            if (set >> i & 1 && (p->ch[i] == '.' || p->ch[i] == (char)tolower((unsigned char)*s)))
                next |= UINT64_C(1) << (p->star >> i & 1 ? i : i + 1);
        set = closure(p, next);
    }
}

bool oc_filter_match(const char *filter, const char *text)
{
    while (*filter) {
        filter += strspn(filter, " ");
        size_t n = strcspn(filter, " ");
        bool inverted = n > 1 && filter[0] == '!';
        pattern p;
        compile(&p, filter + inverted, n - inverted);
        if (n && found(&p, text) == inverted)
            return false;
        filter += n;
    }
    return true;
}
