#include "views/draw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/str.h"

void oc_num_short(char out[16], double v)
{
    double a = fabs(v);
    if (isnan(v))
        snprintf(out, 16, "NaN");
    else if (isinf(v))
        snprintf(out, 16, v > 0 ? "inf" : "-inf");
    else if (a == 0)
        snprintf(out, 16, "0");
    else if (a < 0.0009995 || a >= 1e9)
        oc_num_exp(out, v, 2);
    else if (a >= 99995)
        oc_num_count(out, (int64_t)llround(v));
    else
        snprintf(out, 16,
                 a < 9.9995   ? "%.4f"
                 : a < 99.995 ? "%.2f"
                 : a < 999.95 ? "%.1f"
                              : "%.0f",
                 v);
}

void oc_num_score(char out[16], double v)
{
    snprintf(out, 16, isfinite(v) ? "%.3f" : "–", v);
}

void oc_num_ratio(char out[16], double v)
{
    if (!isfinite(v) || v <= 0)
        snprintf(out, 16, "–");
    else
        snprintf(out, 16, v < 9.995 ? "%.2fx" : v < 99.95 ? "%.1fx" : "%.0fx", v);
}

void oc_num_count(char out[16], int64_t v)
{
    static const char unit[] = " kMGT";
    double a = fabs((double)v);
    int u = 0;
    while (a >= 999.5 && u < 4) {
        a /= 1000;
        u++;
    }
    if (u == 0)
        snprintf(out, 16, "%d", (int)v);
    else
        snprintf(out, 16,
                 a < 9.995   ? "%s%.2f%c"
                 : a < 99.95 ? "%s%.1f%c"
                             : "%s%.0f%c",
                 v < 0 ? "-" : "", a, unit[u]);
}

void oc_num_ms(char out[16], double ms)
{
    if (!isfinite(ms) || ms < 0)
        snprintf(out, 16, "–");
    else if (ms >= 9999.5)
        snprintf(out, 16, "%.3gk", ms / 1000);
    else
        snprintf(out, 16, ms < 9.995 ? "%.2f" : ms < 99.95 ? "%.1f" : "%.0f", ms);
}

void oc_num_percent(char out[16], double share)
{
    double p = share * 100;
    if (!isfinite(p) || fabs(p) > 1e6)
        snprintf(out, 16, "–");
    else
        snprintf(out, 16,
                 p == 0 || fabs(p) >= 9.95 ? "%.0f %%"
                 : fabs(p) < 0.995         ? "%.2f %%"
                                           : "%.1f %%",
                 p);
}

void oc_num_bytes(char out[24], int64_t bytes)
{
    if (bytes < 1)
        snprintf(out, 24, "–");
    else
        oc_fmt_bytes(out, bytes);
}

void oc_num_clock(char out[16], int64_t t_ms, int32_t tz_s)
{
    int64_t s = t_ms / 1000 + tz_s;
    int day = (int)((s % 86400 + 86400) % 86400);
    snprintf(out, 16, "%02d:%02d:%02d", day / 3600, day / 60 % 60, day % 60);
}

void oc_text_right(oc_canvas *c, oc_rect r, int32_t x_end, int32_t y, oc_style st, const char *s)
{
    int32_t w = oc_text_width(s);
    oc_text(c, r, OC_MAX(x_end - w, 0), y, x_end, st, s);
}

/* The next line of at most w columns into line; where the text goes on. A long word is cut. */
static const char *next_line(const char *s, int32_t w, char line[256])
{
    size_t n = 0, brk = 0, len = strlen(s);
    int32_t at = 0;
    while (n < len && n < 250) {
        uint32_t cp;
        char one[8];
        int used = oc_utf8_decode(s + n, len - n, &cp);
        oc_strlcpy(one, s + n, OC_MIN((size_t)used + 1, sizeof one));
        at += oc_text_width(one);
        if (at > w && n > 0)
            break;
        n += (size_t)used;
        if (s[n] == ' ' || !s[n])
            brk = n;
    }
    n = brk ? brk : n;
    oc_strlcpy(line, s, n + 1);
    s += n;
    return s + strspn(s, " ");
}

int32_t oc_text_rows(const char *s, int32_t w)
{
    char line[256];
    int32_t rows = 0;
    while (*s && w > 0) {
        s = next_line(s, w, line);
        rows++;
    }
    return rows;
}

int32_t oc_text_wrapped(oc_canvas *c, oc_rect r, int32_t y, oc_style st, const char *s)
{
    char line[256];
    while (*s && r.w > 0) {
        s = next_line(s, r.w, line);
        oc_text(c, r, 0, y++, -1, st, line);
    }
    return y;
}

int32_t oc_text_keys(oc_canvas *c, oc_rect r, int32_t x, int32_t y, const char *keys)
{
    int32_t from = x;
    while (*keys) {
        char entry[64];
        const char *end = strstr(keys, "  ");
        size_t n = end ? (size_t)(end - keys) : strlen(keys);
        oc_strlcpy(entry, keys, OC_MIN(n + 1, sizeof entry));
        char *label = strchr(entry, ' ');
        if (label)
            *label++ = 0;
        int32_t w = oc_text_width(entry) + (label ? 1 + oc_text_width(label) : 0);
        if (x + w > r.w)
            break;
        int32_t k = oc_text(c, r, x, y, -1, OC_STYLE_KEY, entry);
        if (label)
            oc_text(c, r, x + k + 1, y, -1, OC_STYLE_TEXT, label);
        x += w + 2;
        keys += n;
        while (*keys == ' ')
            keys++;
    }
    return x - from;
}

void oc_draw_empty(oc_canvas *c, oc_rect r, const char *what, const char *how)
{
    if (r.w < 1 || r.h < 1)
        return;
    int32_t widest = OC_MAX(oc_text_width(what), oc_text_width(how)),
            used = OC_MIN(OC_MIN(widest, 56), OC_MAX(r.w - 2, 1));
    int32_t lines = oc_text_rows(what, used) + oc_text_rows(how, used);
    oc_rect in = {r.x + (r.w - used) / 2, r.y, used, r.h};
    int32_t y = OC_MAX((r.h - lines) / 2, 0);
    y = oc_text_wrapped(c, in, y, OC_STYLE_BOLD, what);
    oc_text_wrapped(c, in, y, OC_STYLE_DIM, how);
}

void oc_draw_bar(oc_canvas *c, oc_rect r, int32_t x, int32_t y, int32_t w, double share,
                 oc_style st, bool track)
{
    if (w < 1)
        return;
    if (!(share > 0))
        share = 0;
    share = OC_MIN(share, 1);
    int32_t eighths = (int32_t)floor(share * w * 8 + 0.5);
    if (share > 0 && eighths == 0)
        eighths = 1;
    for (int32_t i = 0; i < w; i++) {
        int32_t n = OC_MIN(OC_MAX(eighths - 8 * i, 0), 8);
        if (c->glyphs == OC_GLYPHS_ASCII)
            n = n >= 4 ? 8 : n > 0 && i == 0 ? 1 : 0;
        if (n == 8)
            oc_put(c, r, x + i, y, 0x2588, st);
        else if (n > 0)
            oc_put(c, r, x + i, y, (uint32_t)(0x2590 - n), st);
        else if (track)
            oc_put(c, r, x + i, y, 0x00B7, OC_STYLE_DIM);
    }
}

void oc_draw_spark(oc_canvas *c, oc_rect r, int32_t x, int32_t y, int32_t w, const oc_series *s,
                   oc_style st)
{
    if (w < 1 || s->n < 1)
        return;
    oc_range all = oc_series_range(s, 0, s->n);
    if (all.lo > all.hi)
        return;
    double span = (double)all.hi - (double)all.lo;
    int32_t cols = s->n < w ? (int32_t)s->n : w;
    for (int32_t i = 0; i < cols; i++) {
        oc_range b = oc_series_range(s, s->n * i / cols, s->n * (i + 1) / cols);
        if (b.lo > b.hi) {
            oc_put(c, r, x + i, y, 0x00D7, OC_STYLE_BAD);
            continue;
        }
        double t = span > 0 ? (((double)b.lo + (double)b.hi) / 2 - (double)all.lo) / span : 0.5;
        oc_put(c, r, x + i, y, (uint32_t)(0x2581 + (int)(t * 7 + 0.5)), st);
    }
}

int32_t oc_scroll_to(int32_t scroll, int32_t cursor, int32_t n, int32_t h)
{
    h = OC_MAX(h, 1);
    if (cursor < scroll)
        scroll = cursor;
    if (cursor >= scroll + h)
        scroll = cursor - h + 1;
    scroll = OC_MIN(scroll, n - h);
    return OC_MAX(scroll, 0);
}

char oc_letter(int64_t i)
{
    return i < 0 ? '?' : i < 26 ? (char)('A' + i) : (char)('a' + i % 26);
}

double oc_series_last(const oc_series *s)
{
    for (int64_t i = s->n - 1; i >= 0 && i > s->n - 1000; i--)
        if (isfinite(s->y[i]))
            return s->y[i];
    return (double)NAN;
}

double oc_run_rate(const oc_run *run)
{
    const oc_series *s = &run->curve[OC_CURVE_LOSS];
    int64_t from = OC_MAX(s->n - 50, 0), n = s->n;
    if (n < 2)
        return (double)NAN;
    // a pause or a reopened session inside the window would count as slow work: start after it
    double usual = (s->t[n - 1] - s->t[from]) / (double)(n - 1 - from);
    for (int64_t i = n - 1; i > from; i--)
        if (i < n - 1 && s->t[i] - s->t[i - 1] > 20 * usual + 1000) {
            from = i;
            break;
        }
    double ms = s->t[n - 1] - s->t[from], steps = s->x[n - 1] - s->x[from];
    return ms > 0 && steps > 0 ? steps / ms * 1000 : (double)NAN;
}

double oc_run_eta(const oc_state *s, const oc_run *run)
{
    if (strcmp(run->status, "running") != 0 || strcmp(s->job.state, "running") != 0)
        return (double)NAN;
    double rate = oc_run_rate(run);
    return run->steps > run->step ? (double)(run->steps - run->step) / rate : (double)NAN;
}

int64_t oc_run_index(const oc_state *s, const char *name)
{
    for (int64_t i = s->n_runs - 1; i >= 0 && name[0]; i--)
        if (strcmp(s->run[i].name, name) == 0)
            return i;
    return s->i_run >= 0 && s->i_run < s->n_runs ? s->i_run : s->n_runs - 1;
}

int64_t oc_model_index(const oc_state *s, const char *name, oc_model_has has)
{
    int64_t newest = -1;
    for (int64_t i = 0; i < s->n_models; i++) {
        if (!has(&s->model[i]))
            continue;
        if (strcmp(s->model[i].name, name) == 0)
            return i;
        newest = i;
    }
    return newest;
}

bool oc_model_step(const oc_state *s, char name[32], oc_model_has has, int dir)
{
    int64_t at = oc_model_index(s, name, has);
    if (at < 0)
        return false;
    for (int64_t k = 1; k <= s->n_models; k++) {
        int64_t i = (at + dir * k % s->n_models + s->n_models) % s->n_models;
        if (has(&s->model[i])) {
            oc_strlcpy(name, s->model[i].name, 32);
            return true;
        }
    }
    return true;
}

int32_t oc_model_tabs(const oc_state *s, int64_t chosen, oc_model_has has, oc_canvas *c, oc_rect r,
                      int32_t x, int32_t y)
{
    int32_t from = x, total = 0;
    for (int64_t i = 0; i < s->n_models; i++)
        if (has(&s->model[i]))
            total += oc_text_width(s->model[i].name) + 2;
    for (int64_t i = 0; i < s->n_models; i++) {
        if (!has(&s->model[i]) || (from + total > r.w && i != chosen))
            continue;
        bool on = i == chosen;
        char tab[40];
        snprintf(tab, sizeof tab, on ? "[%s]" : " %s ", s->model[i].name);
        x += oc_text(c, r, x, y, -1, on ? OC_STYLE_BOLD : OC_STYLE_DIM, tab);
    }
    return x - from;
}

int oc_matrix_order(const char *matrix)
{
    static const char *const order[] = {"word",    "pos",    "type",      "query",
                                        "key",     "value",  "attn.out",  "ffn.in",
                                        "ffn.out", "pooler", "classifier"};
    for (int i = 0; i < OC_COUNT(order); i++)
        if (strcmp(order[i], matrix) == 0)
            return i;
    return OC_COUNT(order);
}
