/* Axes, curves, histograms, heat: what must be seen is seen, and cost grows with columns only. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sessions/series.h"
#include "tests/views/fixture.h"
#include "views/chart.h"
#include "views/heat.h"
#include "views/hist.h"
#include "views/plot.h"

static void labels(double lo, double hi, bool log, int max, char *out)
{
    double tick[OC_TICKS];
    oc_axis a = {lo, hi, log};
    int n = oc_axis_ticks(&a, max, tick);
    out[0] = 0;
    for (int i = 0; i < n; i++) {
        char label[16];
        oc_tick_label(label, tick, n, i);
        strcat(strcat(out, i ? " " : ""), label);
    }
}

static void test_ticks(void **state)
{
    (void)state;
    const struct {
        double lo, hi;
        bool log;
        int max;
        const char *want;
    } of[] = {
        {0, 1, false, 6, "0 0.2 0.4 0.6 0.8 1.0"},
        {0, 1, false, 3, "0 0.5 1.0"},
        {0.31, 0.47, false, 4, "0.35 0.40 0.45"},
        {0, 40000, false, 5, "0 10k 20k 30k 40k"},
        {0, 2.5e6, false, 4, "0 1M 2M"},
        {0, 5e-5, false, 6, "0 1e-5 2e-5 3e-5 4e-5 5e-5"},
        {-1, 1, false, 3, "-1 0 1"},
        {0.01, 100, true, 6, "0.01 0.1 1 10 100"},
        {1, 10, true, 4, "1 2 5 10"},
        {1e-8, 1e8, true, 5, "1e-6 0.001 1 1k 1M"},
        {99990, 100010, false, 3, "99.99k 100.00k 100.01k"},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char got[256];
        labels(of[i].lo, of[i].hi, of[i].log, of[i].max, got);
        assert_string_equal(got, of[i].want);
    }
}

static void test_tick_count(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        double tick[OC_TICKS], lo = (fixture_noise((uint64_t)i) - 0.5) * pow(10, i % 19 - 9);
        oc_axis a = {lo, lo + fixture_noise((uint64_t)i + 5000) * pow(10, i % 23 - 11), false};
        int max = 2 + i % 20, n = oc_axis_ticks(&a, max, tick);
        if (a.hi - a.lo < fabs(a.lo) * 1e-9)
            continue; // too narrow for exact ticks; it only must not crash
        assert_true(n >= 0 && n <= max);
        for (int k = 0; k < n; k++) {
            assert_true(tick[k] >= a.lo - (a.hi - a.lo) * 1e-6 &&
                        tick[k] <= a.hi + (a.hi - a.lo) * 1e-6);
            assert_true(k == 0 || tick[k] > tick[k - 1]);
        }
    }
}

static void test_axis_fit(void **state)
{
    (void)state;
    oc_axis a = oc_axis_fit((double)NAN, 3, false, 0.05);
    assert_true(a.lo == 0 - 0.0 && a.hi > 1);
    a = oc_axis_fit(5, 5, false, 0.05);
    assert_true(a.lo < 5 && a.hi > 5);
    a = oc_axis_fit(0, 0, false, 0.05);
    assert_true(a.lo < a.hi);
    a = oc_axis_fit(0, 10, false, 0.1);
    assert_true(a.lo == 0 && a.hi == 11); // never below zero for what cannot be negative
    a = oc_axis_fit(-5, 100, true, 0);
    assert_true(a.lo > 0 && fabs(a.hi - 100) < 1e-9);
    assert_true(fabs(oc_axis_frac(&a, oc_axis_value(&a, 0.3)) - 0.3) < 1e-12);
    assert_true(isnan(oc_axis_frac(&a, 0)) && isnan(oc_axis_frac(&a, -1)));
}

/* A curve of n points: 1 everywhere but one spike. */
static oc_series spiky(int64_t n, int64_t spike, double height)
{
    oc_series s = {0};
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(oc_series_reserve(&s, NULL), OC_OK);
        oc_series_push(&s, (double)i, i == spike ? height : 1, (double)i);
    }
    return s;
}

typedef struct picture {
    oc_canvas c;
    oc_plot p;
    int64_t bad;
} picture;

static picture draw(const oc_series *s, int32_t w, int32_t h, oc_glyphs g, oc_plot_pen pen,
                    double top)
{
    picture pic;
    int32_t end_y;
    oc_plot_src src = {.s = s, .x_scale = 1};
    oc_axis x = {0, (double)OC_MAX(s->n - 1, 1), false}, y = {0, top, false};
    assert_int_equal(oc_canvas_init(&pic.c, w, h, g, OC_COLORS_256, NULL), OC_OK);
    oc_plot_begin(&pic.p, &pic.c, (oc_rect){0, 0, w, h}, x, y, "steps");
    pic.bad = oc_plot_curve(&pic.p, &src, &pen, &end_y);
    return pic;
}

/* Something is drawn in the upper rows of the plot, in the column of the spike or beside it. */
static bool seen_at_top(picture *pic, double frac)
{
    int32_t col = (int32_t)(frac * (pic->p.area.w - 1) + 0.5);
    for (int32_t x = col - 1; x <= col + 1; x++) {
        oc_cell *cell = oc_canvas_at(&pic->c, pic->p.area.x + x, pic->p.area.y);
        if (cell && x >= 0 && x < pic->p.area.w && cell->glyph != ' ' && cell->glyph != 0x2800)
            return true;
    }
    return false;
}

static void test_spikes_are_seen(void **state)
{
    (void)state;
    static const int64_t sizes[] = {10, 100, 1000, 30000, 200000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int at = 0; at < 5; at++) {
            int64_t n = sizes[k], spike = (n - 1) * at / 4;
            oc_series s = spiky(n, spike, 50);
            for (int variant = 0; variant < 24; variant++) {
                oc_plot_pen pen = {.style = OC_STYLE_S0,
                                   .smooth = variant / 3 % 2 ? 0.97 : 0,
                                   .kind = (oc_smooth)(variant / 12),
                                   .sparing = variant / 6 % 2};
                picture pic =
                    draw(&s, 30 + 17 * (variant % 5), 12, (oc_glyphs)(variant % 3), pen, 50);
                if (!seen_at_top(&pic, (double)spike / (double)(n - 1)))
                    fail_msg("spike at %lld of %lld is not drawn (variant %d)", (long long)spike,
                             (long long)n, variant);
                oc_canvas_release(&pic.c);
            }
            oc_series_release(&s);
        }
}

static void test_cost_is_columns(void **state)
{
    (void)state;
    oc_series small = spiky(100000, 77, 9), large = spiky(1000000, 77777, 9);
    for (int kind = 0; kind < OC_N_SMOOTH; kind++) {
        oc_plot_pen pen = {.style = OC_STYLE_S0, .smooth = 0.9, .kind = (oc_smooth)kind};
        picture a = draw(&small, 120, 20, OC_GLYPHS_BRAILLE, pen, 10);
        picture b = draw(&large, 120, 20, OC_GLYPHS_BRAILLE, pen, 10);
        // ten times the points may not cost more: EMA, the dearest, reads 192 points a dot column
        assert_true(b.p.reads <= a.p.reads * 11 / 10);
        assert_true(b.p.reads <= (int64_t)b.p.pw * 220);
        oc_canvas_release(&a.c);
        oc_canvas_release(&b.c);
    }
    oc_plot_pen raw = {.style = OC_STYLE_S0};
    picture c = draw(&large, 120, 20, OC_GLYPHS_BRAILLE, raw, 10);
    assert_true(c.p.reads <= (int64_t)c.p.pw * 3);
    oc_canvas_release(&c.c);
    oc_series_release(&small);
    oc_series_release(&large);
}

static void test_nonfinite(void **state)
{
    (void)state;
    oc_series s = {0};
    for (int i = 0; i < 100; i++) {
        assert_int_equal(oc_series_reserve(&s, NULL), OC_OK);
        double y = i == 50 ? (double)NAN : i == 75 ? (double)INFINITY : i >= 90 ? (double)NAN : 1;
        oc_series_push(&s, i, y, i);
    }
    oc_plot_pen pen = {.style = OC_STYLE_S0, .smooth = 0.6};
    picture pic = draw(&s, 60, 10, OC_GLYPHS_BRAILLE, pen, 2);
    assert_int_equal(pic.bad, 12);
    int crosses = 0;
    for (int32_t x = 0; x < 60; x++)
        crosses += oc_canvas_at(&pic.c, x, 0)->glyph == 0x00D7;
    assert_in_range(crosses, 3, 10);
    oc_canvas_release(&pic.c);
    oc_series_release(&s);
}

static void test_smoothing_values(void **state)
{
    (void)state;
    oc_series s = {0};
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(oc_series_reserve(&s, NULL), OC_OK);
        oc_series_push(&s, i, i % 2 ? 2 : 0, i); // mean 1
    }
    oc_plot_src src = {.s = &s, .x_scale = 1};
    oc_axis x = {0, 999, false};
    for (int kind = 0; kind < OC_N_SMOOTH; kind++) {
        oc_plot_pen pen = {.smooth = 0.97, .kind = (oc_smooth)kind};
        double v = oc_src_smoothed(&src, &x, &pen, 998);
        if (kind == OC_SMOOTH_MEDIAN)
            assert_true(v == 0 || v == 2 || v == 1);
        else
            assert_true(fabs(v - 1) < 0.1);
    }
    oc_plot_pen raw = {.smooth = 0};
    assert_true(oc_src_smoothed(&src, &x, &raw, 501) == 2);
    assert_true(oc_src_smoothed(&src, &x, &raw, 501.5) == 2);
    assert_true(isnan(oc_src_smoothed(&src, &x, &raw, -1)));
    // a constant stays itself from the first point on: no pull to zero
    oc_series one = spiky(50, -1, 0);
    src.s = &one;
    oc_plot_pen pen = {.smooth = 0.97};
    assert_true(fabs(oc_src_smoothed(&src, &x, &pen, 0) - 1) < 1e-12);
    assert_true(fabs(oc_src_smoothed(&src, &x, &pen, 49) - 1) < 1e-12);
    oc_series_release(&one);
    oc_series_release(&s);
}

static void test_all_rect_sizes(void **state)
{
    (void)state;
    oc_state *s = fixture(FIXTURE_RECOVER);
    oc_view_ui ui;
    oc_view_ui_init(&ui);
    for (int32_t w = 0; w < 60; w++)
        for (int32_t h = 0; h < 20; h++) {
            oc_canvas c;
            oc_chart ch = {0};
            assert_int_equal(
                oc_canvas_init(&c, 64, 24, (oc_glyphs)((w + h) % 3), OC_COLORS_256, NULL), OC_OK);
            oc_fill(&c, (oc_rect){0, 0, 64, 24}, '#', OC_STYLE_TEXT);
            oc_chart_add(&ch, s, oc_state_run(s, "student"), OC_CURVE_LOSS, "loss", OC_X_STEP);
            ui.log_x = w % 2;
            ui.log_y = h % 2;
            ui.inspect = w % 3 == 0;
            ui.inspect_x = 100;
            oc_chart_draw(&ch, s, &ui, (oc_rect){2, 2, w, h}, &c);
            for (int32_t y = 0; y < 24; y++)
                for (int32_t x = 0; x < 64; x++)
                    if (x < 2 || y < 2 || x >= 2 + w || y >= 2 + h)
                        assert_int_equal(oc_canvas_at(&c, x, y)->glyph, '#');
            oc_canvas_release(&c);
        }
    oc_state_free(s);
}

/* Zoomed between two far points, the line between them is still there and at the right height. */
static void test_zoomed_between_points(void **state)
{
    (void)state;
    oc_series s = {0};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(oc_series_reserve(&s, NULL), OC_OK);
        oc_series_push(&s, i * 1000, i * 1000, i);
    }
    oc_canvas c;
    oc_plot p;
    int32_t end_y;
    oc_plot_src src = {.s = &s, .x_scale = 1};
    assert_int_equal(oc_canvas_init(&c, 10, 2, OC_GLYPHS_BRAILLE, OC_COLORS_256, NULL), OC_OK);
    oc_plot_begin(&p, &c, (oc_rect){0, 0, 10, 2}, (oc_axis){400, 1100, false},
                  (oc_axis){0, 2000, false}, "");
    oc_plot_curve(&p, &src, &(oc_plot_pen){.style = OC_STYLE_S0}, &end_y);
    int32_t px, py;
    assert_true(oc_plot_px(&p, 1000, &px) && oc_plot_py(&p, 1000, &py));
    assert_true(oc_canvas_at(&c, px / 2, py / 4)->glyph > 0x2800);
    int drawn = 0;
    for (int32_t x = 0; x < 10; x++)
        drawn += oc_canvas_at(&c, x, 0)->glyph > 0x2800 || oc_canvas_at(&c, x, 1)->glyph > 0x2800;
    assert_int_equal(drawn, 10);
    oc_canvas_release(&c);
    oc_series_release(&s);
}

static void assert_text(const oc_canvas *c, const char *want)
{
    oc_buf b = {0};
    oc_canvas_text(c, &b);
    assert_string_equal(oc_buf_cstr(&b), want);
    oc_buf_release(&b);
}

static void test_exact_glyphs(void **state)
{
    (void)state;
    static const char *const want[] = {"  ⡠⠊\n⡠⠊\n", "  ▄▀\n▄▀\n", "  ,'\n.\"\n"};
    for (int g = 0; g < 3; g++) {
        oc_canvas c;
        oc_plot p;
        assert_int_equal(oc_canvas_init(&c, 4, 2, (oc_glyphs)g, OC_COLORS_256, NULL), OC_OK);
        oc_plot_begin(&p, &c, (oc_rect){0, 0, 4, 2}, (oc_axis){0, 1, false}, (oc_axis){0, 1, false},
                      "");
        oc_plot_line(&p, 0, p.ph - 1, p.pw - 1, 0, OC_STYLE_S0);
        assert_text(&c, want[g]);
        oc_plot_line(&p, -1000000, 0, 1000000, 0,
                     OC_STYLE_S1); // far ends are clipped, not drawn round
        for (int32_t x = 0; x < 4; x++)
            assert_int_equal(oc_canvas_at(&c, x, 0)->style, OC_STYLE_S1);
        oc_canvas_release(&c);
    }
}

static void test_hist(void **state)
{
    (void)state;
    const double bins[4] = {0, 8, 1, 1000};
    oc_canvas c;
    oc_hist h = {.bins = bins, .n = 4, .lo = -1, .hi = 1, .style = OC_STYLE_S0};
    assert_int_equal(oc_canvas_init(&c, 8, 2, OC_GLYPHS_BLOCK, OC_COLORS_256, NULL), OC_OK);
    oc_hist_draw(&h, &c, (oc_rect){0, 0, 8, 2});
    assert_text(&c, "      ██\n  ▁▁▁▁██\n"); // rare bins are not nothing
    assert_true(oc_hist_total(&h) == 1009);
    const double even[4] = {10, 40, 40, 10};
    h.bins = even;
    assert_true(fabs(oc_hist_abs_quantile(&h, 0.8) - 0.25) < 0.02);
    assert_true(fabs(oc_hist_abs_quantile(&h, 0.99) - 0.75) < 0.02);
    oc_canvas_release(&c);
}

static double heat_value(const void *data, int32_t row, int32_t col)
{
    (void)data;
    return row == 1 && col == 1 ? (double)NAN : (row * 2 + col) / 5.0;
}

static void heat_row(const void *data, int32_t row, char out[OC_HEAT_LABEL])
{
    (void)data;
    snprintf(out, OC_HEAT_LABEL, "L%d", (int)row);
}

static void heat_col(const void *data, int32_t col, int32_t width, char out[OC_HEAT_LABEL])
{
    (void)data;
    (void)width;
    snprintf(out, OC_HEAT_LABEL, "%c", 'a' + (int)col);
}

static void test_heat(void **state)
{
    (void)state;
    oc_canvas c;
    oc_heat h = {.n_rows = 3,
                 .n_cols = 2,
                 .value = heat_value,
                 .row_label = heat_row,
                 .col_label = heat_col,
                 .lo = 0,
                 .hi = 1,
                 .cur_row = -1,
                 .cur_col = -1,
                 .max_cell = 8};
    assert_int_equal(oc_canvas_init(&c, 13, 4, OC_GLYPHS_ASCII, OC_COLORS_NONE, NULL), OC_OK);
    assert_int_equal(oc_heat_draw(&h, &c, (oc_rect){0, 0, 13, 4}), 4);
    assert_text(&c, "     a    b\nL0 . .00: .20\nL1 = .40\nL2 % .80@ 1.0\n");
    oc_canvas_release(&c);
    // colours: the ramp rises with the value, and the scale is fixed, not stretched to the data
    assert_int_equal(oc_canvas_init(&c, 13, 4, OC_GLYPHS_BRAILLE, OC_COLORS_256, NULL), OC_OK);
    oc_heat_draw(&h, &c, (oc_rect){0, 0, 13, 4});
    assert_int_equal(oc_canvas_at(&c, 4, 1)->ramp_bg, 0);
    assert_int_equal(oc_canvas_at(&c, 4, 2)->ramp_bg, 6);
    assert_int_equal(oc_canvas_at(&c, 12, 3)->ramp_bg, 15);
    oc_canvas_release(&c);
    // more layers than lines: two to a line
    h.n_rows = 6;
    h.cur_row = 5;
    h.cur_col = 0;
    assert_int_equal(oc_canvas_init(&c, 13, 4, OC_GLYPHS_BRAILLE, OC_COLORS_256, NULL), OC_OK);
    assert_int_equal(oc_heat_draw(&h, &c, (oc_rect){0, 0, 13, 4}), 4);
    assert_int_equal(oc_canvas_at(&c, 10, 1)->glyph, 0x2580);
    oc_canvas_release(&c);
    // without colour it scrolls to the cursor instead
    assert_int_equal(oc_canvas_init(&c, 13, 4, OC_GLYPHS_ASCII, OC_COLORS_NONE, NULL), OC_OK);
    oc_heat_draw(&h, &c, (oc_rect){0, 0, 13, 4});
    assert_int_equal(oc_canvas_at(&c, 1, 3)->glyph, '5');
    oc_canvas_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_tick_count),
        cmocka_unit_test(test_axis_fit),
        cmocka_unit_test(test_spikes_are_seen),
        cmocka_unit_test(test_cost_is_columns),
        cmocka_unit_test(test_nonfinite),
        cmocka_unit_test(test_smoothing_values),
        cmocka_unit_test(test_all_rect_sizes),
        cmocka_unit_test(test_zoomed_between_points),
        cmocka_unit_test(test_exact_glyphs),
        cmocka_unit_test(test_hist),
        cmocka_unit_test(test_heat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
