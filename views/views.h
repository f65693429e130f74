/*
 * views/views.h - the functions behind the view table, one file per view.
 */
#ifndef OC_VIEWS_VIEWS_H
#define OC_VIEWS_VIEWS_H

#include "views/view.h"

/* name, title, key, footer keys */
#define OC_VIEW_LIST(X)                                                                         \
    X(run, "Run", '1', "arrows scroll")                                                         \
    X(loss, "Loss", '2', "s smooth  y log  c curves  x axis  i inspect  + zoom  p pin  b base") \
    X(sparsity, "Sparsity", '3', "m weights/heads  n model  arrows cell")                       \
    X(quant, "Quant", '4', "arrows matrix  y log-count  n model")                               \
    X(latency, "Latency", '5', "b baseline  y log  arrows row  o order")                        \
    X(tradeoff, "Trade-off", '6', "m size/latency  arrows point  b baseline")                   \
    X(log, "Log", '7', "/ filter  m kind  g G ends  arrows scroll")                             \
    X(settings, "Settings", '8', "Enter change  / filter  m changed  arrows row")               \
    X(help, "Help", '9', "/ filter  arrows scroll")

#define OC_X(id, title, digit, keys)                                                          \
    void oc__##id##_draw(const oc_state *s, const oc_view_ui *ui, oc_rect r, oc_canvas *c);   \
    bool oc__##id##_handle(oc_view_ui *ui, const oc_state *s, uint32_t key, oc_buf *command); \
    void oc__##id##_json(const oc_state *s, const oc_view_ui *ui, oc_buf *out);
OC_VIEW_LIST(OC_X)
#undef OC_X

/*
 * Keys that lists share: arrows, pages, ends move the cursor over n rows; hjkl too. True when used.
 *   page  rows of a page
 */
bool oc__list_key(int32_t *cursor, int32_t n, int32_t page, uint32_t key);
/* Typing into the filter after '/': true when used. Enter and Esc leave it, Esc empties it. */
bool oc__filter_key(oc_view_ui *ui, uint32_t key);
/* "/text_" while typing, "/text" when set, drawn dim at x; returns columns. */
int32_t oc__filter_text(const oc_view_ui *ui, oc_canvas *c, oc_rect r, int32_t x, int32_t y);

/* Candidates with AUROC, size and latency, ratios to the baseline; rows it wants at most. */
int32_t oc__candidates_rows(const oc_state *s);
void oc__candidates_draw(const oc_state *s, const oc_view_ui *ui, oc_canvas *c, oc_rect r);

#endif
