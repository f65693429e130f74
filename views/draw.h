/*
 * views/draw.h - small pieces that several views draw with: numbers as people read them, bars,
 * sparklines, wrapped text, empty states, filters.
 */
#ifndef OC_VIEWS_DRAW_H
#define OC_VIEWS_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/json.h"
#include "sessions/state.h"
#include "views/canvas.h"

#define OC_G_DASH 0x2013 /* what stands for "not known" */

/* Numbers. Not known (NaN) is an en dash unless said otherwise. */
void oc_num_short(char out[16],
                  double v); /* four digits: 0.4123 12.34 1.2e-05 34.1k; NaN, inf as words */
void oc_num_exp(char out[16], double v, int digits); /* 2.5e-5 */
void oc_num_score(char out[16], double v);           /* 0.873 */
void oc_num_ratio(char out[16], double v);           /* 2.34x 87.1x 154x */
void oc_num_count(char out[16], int64_t v);          /* 812 1.20k 66.9M */
void oc_num_ms(char out[16], double ms);             /* 0.83 12.4 381 1.25k (ms) */
void oc_num_percent(char out[16], double share);     /* 0.3 % 41 % */
void oc_num_bytes(char out[24], int64_t bytes);      /* 18.3 MB; unknown below 1 */
/* Time of day of a wall-clock millisecond, tz_s seconds east of UTC. */
void oc_num_clock(char out[16], int64_t t_ms, int32_t tz_s);

/* Text that ends at column x_end (exclusive). */
void oc_text_right(oc_canvas *c, oc_rect r, int32_t x_end, int32_t y, oc_style st, const char *s);
/* Words over several lines from row y; returns the row after the last. */
int32_t oc_text_wrapped(oc_canvas *c, oc_rect r, int32_t y, oc_style st, const char *s);
int32_t oc_text_rows(const char *s, int32_t w); /* how many it takes */
/* "key label  key label" of a view's footer: keys in their style; entries that do not fit are left out. */
int32_t oc_text_keys(oc_canvas *c, oc_rect r, int32_t x, int32_t y, const char *keys);
/* What is missing and what brings it, in the middle of r. */
void oc_draw_empty(oc_canvas *c, oc_rect r, const char *what, const char *how);
/* Horizontal bar of w columns, share 0..1 filled, eighths of a cell; the rest as a dotted track. */
void oc_draw_bar(oc_canvas *c, oc_rect r, int32_t x, int32_t y, int32_t w, double share,
                 oc_style st, bool track);
/* The newest part of a curve in w columns, one row. */
void oc_draw_spark(oc_canvas *c, oc_rect r, int32_t x, int32_t y, int32_t w, const oc_series *s,
                   oc_style st);
/* First row to show of n so that `cursor` is inside a window of h; keeps `scroll` when it can. */
int32_t oc_scroll_to(int32_t scroll, int32_t cursor, int32_t n, int32_t h);

/*
 * Filters: blank-separated patterns, all must match somewhere in the text, upper and lower case
 * alike. In a pattern ^ $ anchor, . is any character, * repeats; !pattern must not match.
 */
bool oc_filter_match(const char *filter, const char *text);

/* Letter of series i: A..Z, then a..z. */
char oc_letter(int64_t i);
/* Newest finite value of a curve; NaN when there is none. */
double oc_series_last(const oc_series *s);
/* Steps a second over the newest points of a run; NaN when unknown. */
double oc_run_rate(const oc_run *run);
/* Seconds until the run's planned end; NaN when unknown or not running. */
double oc_run_eta(const oc_state *s, const oc_run *run);
/* A run's place by name, "" or unknown: the newest. -1 when there is none. */
int64_t oc_run_index(const oc_state *s, const char *name);
/* A model's place by name among those for which has() is true, "" or unknown: the newest; -1. */
typedef bool (*oc_model_has)(const oc_model_state *m);
int64_t oc_model_index(const oc_state *s, const char *name, oc_model_has has);
/* Step through such models, dir -1 or +1; copies the name. False when there are none. */
bool oc_model_step(const oc_state *s, char name[32], oc_model_has has, int dir);
/* "A/B/C" as a chooser line: names of such models, the chosen one marked; returns columns. */
int32_t oc_model_tabs(const oc_state *s, int64_t chosen, oc_model_has has, oc_canvas *c, oc_rect r,
                      int32_t x, int32_t y);
/* Matrices in the network's order (query ... classifier); unknown ones last. */
int oc_matrix_order(const char *matrix);

/* JSON writer with NaN as the word, as all views use. */
static inline oc_jw oc_view_json(oc_buf *out)
{
    return (oc_jw){.out = out, .nonfinite_words = true};
}

#endif
