/* The grid of cells: clipping, wide glyphs, substitutes, and the ways to show it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "views/canvas.h"
#include "views/draw.h"

static oc_canvas make(int32_t w, int32_t h, oc_glyphs g, oc_colors k)
{
    oc_canvas c;
    assert_int_equal(oc_canvas_init(&c, w, h, g, k, NULL), OC_OK);
    return c;
}

static void assert_text(const oc_canvas *c, const char *want)
{
    oc_buf b = {0};
    oc_canvas_text(c, &b);
    assert_string_equal(oc_buf_cstr(&b), want);
    oc_buf_release(&b);
}

static void test_init(void **state)
{
    oc_canvas c;
    oc_err err = {0};
    (void)state;
    assert_int_equal(oc_canvas_init(&c, 0, 5, OC_GLYPHS_ASCII, OC_COLORS_16, &err), OC_RANGE);
    assert_non_null(strstr(err.msg, "0 x 5"));
    err = (oc_err){0};
    assert_int_equal(oc_canvas_init(&c, 5000, 5, OC_GLYPHS_ASCII, OC_COLORS_16, &err), OC_RANGE);
    oc_alloc_fail_at(1);
    assert_int_equal(oc_canvas_init(&c, 8, 5, OC_GLYPHS_ASCII, OC_COLORS_16, NULL), OC_NOMEM);
    oc_alloc_fail_at(0);
    c = make(1, 1, OC_GLYPHS_ASCII, OC_COLORS_16);
    assert_null(oc_canvas_at(&c, 1, 0));
    assert_null(oc_canvas_at(&c, 0, -1));
    assert_text(&c, "\n");
    oc_canvas_release(&c);
    assert_null(c.cell);
}

static void test_clip(void **state)
{
    oc_canvas c = make(6, 3, OC_GLYPHS_BRAILLE, OC_COLORS_256);
    oc_rect r = {2, 1, 3, 1};
    (void)state;
    for (int32_t y = -2; y < 5; y++)
        for (int32_t x = -3; x < 9; x++)
            oc_put(&c, r, x, y, 'x', OC_STYLE_TEXT);
    assert_text(&c, "\n  xxx\n\n");
    oc_canvas_clear(&c);
    oc_put(&c, (oc_rect){4, 0, 99, 99}, 5, 0, 'x', OC_STYLE_TEXT); // rect larger than the canvas
    oc_fill(&c, (oc_rect){5, 2, 99, 99}, '#', OC_STYLE_TEXT);
    assert_text(&c, "\n\n     #\n");
    oc_canvas_release(&c);
}

static void test_text_cut(void **state)
{
    oc_canvas c = make(10, 5, OC_GLYPHS_BRAILLE, OC_COLORS_256);
    oc_rect all = {0, 0, 10, 5};
    (void)state;
    assert_int_equal(oc_text(&c, all, 0, 0, -1, OC_STYLE_TEXT, "exactly 10"), 10);
    assert_int_equal(oc_text(&c, all, 0, 1, -1, OC_STYLE_TEXT, "eleven char"), 10);
    assert_int_equal(oc_text(&c, all, 0, 2, 4, OC_STYLE_TEXT, "abcdef"), 4);
    assert_int_equal(oc_text(&c, all, 8, 3, -1, OC_STYLE_TEXT, "abc"), 2);
    assert_int_equal(oc_text(&c, all, 12, 3, -1, OC_STYLE_TEXT, "abc"), 0);
    assert_int_equal(oc_textf(&c, all, 0, 4, -1, OC_STYLE_TEXT, "%s=%d", "n", 42), 4);
    assert_text(&c, "exactly 10\neleven ch…\nabc…\n        a…\nn=42\n");
    oc_canvas_release(&c);
}

static void test_wide(void **state)
{
    oc_canvas c = make(5, 2, OC_GLYPHS_BRAILLE, OC_COLORS_256);
    oc_rect all = {0, 0, 5, 2};
    (void)state;
    assert_int_equal(oc_text_width("世界a"), 5);
    assert_int_equal(oc_text(&c, all, 0, 0, -1, OC_STYLE_TEXT, "世界a"), 5);
    assert_int_equal(oc_canvas_at(&c, 1, 0)->glyph, 0);
    oc_put(&c, all, 1, 0, 'x', OC_STYLE_TEXT); // right half of the first: its left half goes
    assert_int_equal(oc_canvas_at(&c, 0, 0)->glyph, ' ');
    oc_put(&c, all, 2, 0, 'y', OC_STYLE_TEXT); // left half of the second: its right half goes
    assert_int_equal(oc_canvas_at(&c, 3, 0)->glyph, ' ');
    oc_text(&c, all, 0, 1, 4, OC_STYLE_TEXT, "a世界"); // the wide one that does not fit is left out
    assert_text(&c, " xy a\na世…\n");
    oc_put(&c, all, 4, 1, 0x4E16, OC_STYLE_TEXT); // no room for its second half
    assert_int_equal(oc_canvas_at(&c, 4, 1)->glyph, ' ');
    oc_canvas_release(&c);
}

static void test_hostile_text(void **state)
{
    oc_canvas c = make(12, 2, OC_GLYPHS_BRAILLE, OC_COLORS_256);
    oc_rect all = {0, 0, 12, 2};
    (void)state;
    oc_text(&c, all, 0, 0, -1, OC_STYLE_TEXT, "a\033[31m\tb\x7f\xff");
    for (int32_t x = 0; x < 12; x++) {
        uint32_t g = oc_canvas_at(&c, x, 0)->glyph;
        assert_true(g >= 0x20 && g != 0x7F && (g < 0x80 || g >= 0xA0));
    }
    oc_text(&c, all, 0, 1, -1, OC_STYLE_TEXT,
            "\xC2\x9B"
            "31m"); // C1 control sequence introducer
    assert_int_equal(oc_canvas_at(&c, 0, 1)->glyph, '?');
    oc_canvas_release(&c);
}

static void test_ascii(void **state)
{
    oc_canvas c = make(12, 4, OC_GLYPHS_ASCII, OC_COLORS_NONE);
    (void)state;
    oc_rect in = oc_box(&c, (oc_rect){0, 0, 12, 4}, "Tüt", true);
    assert_int_equal(in.x, 1);
    assert_int_equal(in.w, 10);
    oc_text(&c, in, 0, 0, -1, OC_STYLE_TEXT, "→ é ● … 世");
    assert_text(&c, "+= T?t ====+\n|> ? * ~ ??|\n|          |\n+==========+\n");
    oc_canvas_release(&c);
}

static void test_box(void **state)
{
    oc_canvas c = make(12, 3, OC_GLYPHS_BRAILLE, OC_COLORS_256);
    (void)state;
    oc_box(&c, (oc_rect){0, 0, 12, 3}, "Long title here", false);
    assert_text(&c, "┌─ Long… ──┐\n│          │\n└──────────┘\n");
    oc_rect none = oc_box(&c, (oc_rect){0, 0, 1, 3}, "x", false);
    assert_int_equal(none.w, 0);
    oc_rect inset = oc_rect_inset((oc_rect){0, 0, 3, 3}, 2, 2);
    assert_int_equal(inset.w, 0);
    oc_canvas_release(&c);
}

static void test_ansi(void **state)
{
    oc_canvas c = make(6, 1, OC_GLYPHS_BRAILLE, OC_COLORS_256);
    oc_rect all = {0, 0, 6, 1};
    oc_buf b = {0};
    (void)state;
    oc_put(&c, all, 0, 0, 'a', OC_STYLE_TEXT);
    oc_put(&c, all, 1, 0, 'b', OC_STYLE_S0);
    oc_put(&c, all, 2, 0, 'c', OC_STYLE_S0);
    oc_put_ramp(&c, all, 3, 0, 'd', OC_STYLE_TEXT, OC_RAMP_NONE, 15);
    oc_canvas_ansi(&c, &b);
    assert_string_equal(oc_buf_cstr(&b), "a\033[0;38;5;214mbc\033[0;38;5;16;48;5;226md\033[0m\n");
    oc_buf_clear(&b);
    c.colors = OC_COLORS_16;
    oc_canvas_ansi(&c, &b);
    assert_string_equal(oc_buf_cstr(&b), "a\033[0;33mbc\033[0md\n");
    oc_buf_clear(&b);
    c.colors = OC_COLORS_NONE;
    oc_canvas_ansi(&c, &b);
    assert_string_equal(oc_buf_cstr(&b), "a\033[0;1mbc\033[0md\n");
    oc_buf_clear(&b);
    oc_canvas_styles(&c, &b);
    assert_string_equal(oc_buf_cstr(&b), ".ttf\n");
    oc_buf_release(&b);
    oc_canvas_release(&c);
}

static void test_svg_html(void **state)
{
    oc_canvas c = make(6, 1, OC_GLYPHS_BRAILLE, OC_COLORS_256);
    oc_rect all = {0, 0, 6, 1};
    oc_buf b = {0};
    (void)state;
    oc_text(&c, all, 0, 0, -1, OC_STYLE_BOLD, "<&>");
    oc_put(&c, all, 3, 0, 0x2801, OC_STYLE_S0);
    oc_put(&c, all, 4, 0, 0x2584, OC_STYLE_S1);
    oc_put(&c, all, 5, 0, 0x253C, OC_STYLE_BORDER);
    oc_canvas_svg(&c, &b);
    assert_non_null(strstr(oc_buf_cstr(&b), "&lt;&amp;&gt;</text>"));
    assert_null(strstr(oc_buf_cstr(&b), "⠁")); // drawn as a dot, not as a glyph
    assert_non_null(strstr(oc_buf_cstr(&b), "fill=\"#ffaf00\""));
    assert_non_null(strstr(oc_buf_cstr(&b), "</svg>\n"));
    oc_buf_clear(&b);
    oc_canvas_html(&c, &b);
    assert_non_null(strstr(oc_buf_cstr(&b), "&lt;&amp;&gt;"));
    assert_non_null(strstr(oc_buf_cstr(&b), "color:#ffaf00"));
    oc_buf_release(&b);
    oc_canvas_release(&c);
}

/* CIE L* of a palette entry. */
static double lightness(int index)
{
    uint8_t rgb[3];
    double lin[3];
    oc_color_rgb(index, rgb);
    for (int i = 0; i < 3; i++) {
        double v = rgb[i] / 255.0;
        lin[i] = v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
    }
    double y = 0.2126 * lin[0] + 0.7152 * lin[1] + 0.0722 * lin[2];
    return y > 0.008856 ? 116 * cbrt(y) - 16 : 903.3 * y;
}

static void test_themes(void **state)
{
    static const char *const names[] = {"default", "light", "mono", "colorblind"};
    (void)state;
    assert_null(oc_theme_find("none"));
    assert_null(oc_theme_at(oc_theme_count()));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const oc_theme *t = oc_theme_find(names[i]);
        assert_non_null(t);
        for (int k = 1; k < OC_RAMP_STEPS; k++)
            assert_true(lightness(t->ramp[k]) > lightness(t->ramp[k - 1]));
        for (int st = 0; st < OC_N_STYLES; st++) {
            oc_cell cell = {.glyph = 'x',
                            .style = (uint8_t)st,
                            .ramp_fg = OC_RAMP_NONE,
                            .ramp_bg = OC_RAMP_NONE};
            oc_look none = oc_theme_look(t, OC_COLORS_NONE, &cell),
                    few = oc_theme_look(t, OC_COLORS_16, &cell);
            assert_true(none.fg == -1 && none.bg == -1);
            assert_true(few.fg < 16 && few.bg < 16);
            if (strcmp(names[i], "light") != 0)
                assert_true(few.fg != 4); // dark blue cannot be read on black
        }
    }
    // bad and good differ by more than colour
    oc_cell good = {.style = OC_STYLE_GOOD}, bad = {.style = OC_STYLE_BAD};
    oc_look g = oc_theme_look(NULL, OC_COLORS_NONE, &good),
            b = oc_theme_look(NULL, OC_COLORS_NONE, &bad);
    assert_true(g.underline != b.underline);
}

static void test_numbers(void **state)
{
    char s[24];
    (void)state;
    const struct {
        double v;
        const char *text;
    } of[] = {{0.41234, "0.4123"},  {12.345, "12.35"},           {0, "0"},
              {(double)NAN, "NaN"}, {-(double)INFINITY, "-inf"}, {2.5e-5, "2.50e-5"},
              {123456, "123k"},     {9.99999, "10.00"},          {-0.5, "-0.5000"},
              {1e-300, "1.00e-300"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        oc_num_short(s, of[i].v);
        assert_string_equal(s, of[i].text);
    }
    oc_num_count(s, 999);
    assert_string_equal(s, "999");
    oc_num_count(s, 66900000);
    assert_string_equal(s, "66.9M");
    oc_num_ratio(s, 22.88);
    assert_string_equal(s, "22.9x");
    oc_num_ratio(s, (double)NAN);
    assert_string_equal(s, "–");
    oc_num_percent(s, 0.0012);
    assert_string_equal(s, "0.12 %");
    oc_num_clock(s, INT64_C(1740830400000) + 61000, 3600);
    assert_string_equal(s, "13:01:01");
    oc_num_clock(s, -1000, 0);
    assert_string_equal(s, "23:59:59");
}

static void test_filter(void **state)
{
    (void)state;
    assert_true(oc_filter_match("", "anything"));
    assert_true(oc_filter_match("prune", "set prune.sparsity"));
    assert_true(oc_filter_match("PRUNE", "set prune.sparsity"));
    assert_false(oc_filter_match("^prune", "set prune.sparsity"));
    assert_true(oc_filter_match("^set sity$", "set prune.sparsity"));
    assert_false(oc_filter_match("set$", "set prune.sparsity"));
    assert_true(oc_filter_match("p.*y", "set prune.sparsity"));
    assert_true(oc_filter_match("pru*ne", "prne"));
    assert_false(oc_filter_match("prune !sparsity", "set prune.sparsity"));
    assert_true(oc_filter_match("prune !heads", "set prune.sparsity"));
    assert_true(oc_filter_match("^$", ""));
    assert_true(oc_filter_match("x* y", "y"));
    // a pattern that makes backtracking matchers take for ever
    char text[480];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_false(oc_filter_match("a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void test_wrap(void **state)
{
    oc_canvas c = make(10, 6, OC_GLYPHS_BRAILLE, OC_COLORS_256);
    (void)state;
    assert_int_equal(oc_text_rows("one two three four", 10), 2);
    assert_int_equal(oc_text_rows("", 10), 0);
    assert_int_equal(oc_text_wrapped(&c, (oc_rect){0, 0, 9, 6}, 1, OC_STYLE_TEXT,
                                     "one two three abcdefghijklmno"),
                     5);
    assert_text(&c, "\none two\nthree\nabcdefghi\njklmno\n\n");
    oc_canvas_release(&c);
}

static void test_bar(void **state)
{
    oc_canvas c = make(4, 4, OC_GLYPHS_BLOCK, OC_COLORS_256);
    oc_rect all = {0, 0, 4, 4};
    (void)state;
    oc_draw_bar(&c, all, 0, 0, 4, 0.5, OC_STYLE_S0, true);
    oc_draw_bar(&c, all, 0, 1, 4, 0.001, OC_STYLE_S0, false); // something is not nothing
    oc_draw_bar(&c, all, 0, 2, 4, 9, OC_STYLE_S0, false);
    oc_draw_bar(&c, all, 0, 3, 4, (double)NAN, OC_STYLE_S0, false);
    assert_text(&c, "██··\n▏\n████\n\n");
    oc_canvas_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init),         cmocka_unit_test(test_clip),
        cmocka_unit_test(test_text_cut),     cmocka_unit_test(test_wide),
        cmocka_unit_test(test_hostile_text), cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_box),          cmocka_unit_test(test_ansi),
        cmocka_unit_test(test_svg_html),     cmocka_unit_test(test_themes),
        cmocka_unit_test(test_numbers),      cmocka_unit_test(test_filter),
        cmocka_unit_test(test_wrap),         cmocka_unit_test(test_bar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
