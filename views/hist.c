#include "views/hist.h"

#include <math.h>
#include <stdio.h>

#include "core/base/attr.h"
#include "views/draw.h"

double oc_hist_total(const oc_hist *h)
{
    double sum = 0;
    for (int64_t i = 0; i < h->n; i++)
        sum += h->bins[i];
    return sum;
}

static double bin_middle(const oc_hist *h, int64_t i)
{
    return h->lo + (h->hi - h->lo) * ((double)i + 0.5) / (double)h->n;
}

double oc_hist_abs_quantile(const oc_hist *h, double q)
{
    double total = oc_hist_total(h), at = 0;
    // grow the interval around zero until it holds the share
    double top = OC_MAX(fabs(h->lo), fabs(h->hi));
    for (int step = 1; step <= 200 && total > 0; step++) {
        double limit = top * step / 200, sum = 0;
        for (int64_t i = 0; i < h->n; i++)
            if (fabs(bin_middle(h, i)) <= limit)
                sum += h->bins[i];
        at = limit;
        if (sum >= q * total)
            return at;
    }
    return total > 0 ? at : (double)NAN;
}

/* Count at column x of w: of the bin there, or of all that share the column. */
static double count_at(const oc_hist *h, int32_t x, int32_t w)
{
    double sum = 0;
    int64_t i0 = h->n * x / w, i1 = h->n * (x + 1) / w;
    for (int64_t i = i0; i < OC_MAX(i1, i0 + 1); i++)
        sum += h->bins[i];
    return w < h->n ? sum : h->bins[i0];
}

static double height(const oc_hist *h, double count)
{
    return h->log_count ? log10(1 + OC_MAX(count, 0)) : OC_MAX(count, 0);
}

static void draw_bars(const oc_hist *h, oc_canvas *c, oc_rect r, double top)
{
    for (int32_t x = 0; x < r.w; x++) {
        double count = count_at(h, x, r.w);
        int32_t eighths = top > 0 ? (int32_t)(height(h, count) / top * r.h * 8 + 0.5) : 0;
        if (count > 0 && eighths < 1)
            eighths = 1; // what is there must be seen
        for (int32_t y = 0; y < r.h; y++) {
            int32_t n = OC_MIN(OC_MAX(eighths - 8 * (r.h - 1 - y), 0), 8);
            if (n > 0)
                oc_put(c, r, x, y, (uint32_t)(0x2580 + n), h->style);
        }
    }
}

/* lo, 0 and hi under the axis line; marks as ^ on the line. */
static void x_axis(const oc_hist *h, oc_canvas *c, oc_rect r)
{
    int32_t width = r.w;
    char lo[16], hi[16];
    for (int32_t x = 0; x < width; x++)
        oc_put(c, r, x, 0, 0x2500, OC_STYLE_BORDER);
    for (int i = 0; i < h->n_marks; i++) {
        double t = (h->mark[i] - h->lo) / (h->hi - h->lo);
        if (t >= 0 && t <= 1)
            oc_put(c, r, (int32_t)(t * (width - 1) + 0.5), 0, 0x25B2, OC_STYLE_MARK);
    }
    if (r.h < 2)
        return;
    oc_num_exp(lo, h->lo, 1);
    oc_num_exp(hi, h->hi, 1);
    int32_t lo_w = oc_text(c, r, 0, 1, width, OC_STYLE_DIM, lo), hi_w = oc_text_width(hi);
    if (lo_w + hi_w + 1 <= width)
        oc_text_right(c, r, width, 1, OC_STYLE_DIM, hi);
    double zero = -h->lo / (h->hi - h->lo) * (width - 1);
    if (zero > lo_w + 1 && zero < width - hi_w - 2)
        oc_put(c, r, (int32_t)(zero + 0.5), 1, '0', OC_STYLE_DIM);
}

void oc_hist_draw(const oc_hist *h, oc_canvas *c, oc_rect r)
{
    if (h->n < 1 || r.w < 1 || r.h < 1 || !(h->hi > h->lo))
        return;
    int32_t below = r.h >= 4 ? 2 : 0;
    int32_t above = r.h >= 7 && r.w >= 20 ? 1 : 0;
    oc_rect plot = {r.x, r.y + above, r.w, r.h - below - above};
    double peak = 0;
    for (int32_t x = 0; x < r.w; x++)
        peak = OC_MAX(peak, count_at(h, x, r.w));
    draw_bars(h, c, plot, height(h, peak));
    if (below)
        x_axis(h, c, (oc_rect){r.x, plot.y + plot.h, r.w, below});
    if (above) {
        char count[16], text[48];
        oc_num_count(count, (int64_t)peak);
        snprintf(text, sizeof text, "highest bar %s%s", count, h->log_count ? ", log scale" : "");
        oc_text(c, r, 0, 0, -1, OC_STYLE_DIM, text);
    }
}
