/* Lines of the log and marks on the charts. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "sessions/fold.h"

oc_status oc__grow_zeroed(void *p, size_t *cap, size_t need, size_t bytes, oc_err *err)
{
    size_t old = *cap;
    OC_TRY(oc_grow(p, cap, need, bytes, err));
    char *base;
    memcpy(&base, p, sizeof base);
    if (*cap > old)
        memset(base + old * bytes, 0, (*cap - old) * bytes);
    return OC_OK;
}

void oc__blank(oc_event_type t, void *payload, size_t bytes)
{
    int n;
    const oc_event_field *f = oc_event_fields(t, &n);
    memset(payload, 0, bytes);
    for (int i = 0; i < n; i++) {
        double nan_v = (double)NAN;
        if (f[i].kind == OC_FIELD_D)
            memcpy((char *)payload + ((size_t)f[i].offset - offsetof(oc_event, u)), &nan_v,
                   sizeof nan_v);
    }
}

oc_status oc__log_reserve(oc_state *s, oc_err *err)
{
    OC_TRY(oc_grow(&s->log, &s->cap_log, (size_t)s->n_log + 1, sizeof *s->log, err));
    return oc_grow(&s->marker, &s->cap_markers, (size_t)s->n_markers + 1, sizeof *s->marker, err);
}

/* vsnprintf cuts anywhere; what views show must end at a whole character. */
static void cut_at_character(char *text)
{
    size_t n = strlen(text);
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        if (((unsigned char)text[n - back] & 0xc0) == 0x80)
            continue;
        if (!oc_utf8_valid(text + n - back, back))
            text[n - back] = 0;
        return;
    }
}

void oc__log(oc_state *s, int64_t t_ms, const char *level, const char *fmt, ...)
{
    if (s->n_log == OC_LOG_LINES) {
        // An eighth at a time, so that a long log costs no move per line.
        int64_t drop = OC_LOG_LINES / 8;
        memmove(s->log, s->log + drop, (size_t)(s->n_log - drop) * sizeof *s->log);
        s->n_log -= drop;
    }
    oc_line *l = &s->log[s->n_log++];
    *l = (oc_line){.t_ms = t_ms};
    oc_strlcpy(l->level, level, sizeof l->level);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(l->text, sizeof l->text, fmt, ap);
    va_end(ap);
    cut_at_character(l->text);
}

void oc__mark(oc_state *s, int64_t t_ms, char kind, const char *run, double x, const char *fmt, ...)
{
    oc_marker *m = &s->marker[s->n_markers++];
    *m = (oc_marker){.x = x, .t_ms = t_ms, .kind = kind};
    oc_strlcpy(m->run, run, sizeof m->run);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(m->text, sizeof m->text, fmt, ap);
    va_end(ap);
    cut_at_character(m->text);
}
