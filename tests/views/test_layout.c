/* Where things are: at every size all parts lie inside, none overlap, and drawing never crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/views/fixture.h"
#include "views/view.h"

static bool apart(oc_rect a, oc_rect b)
{
    if (a.w == 0 || a.h == 0 || b.w == 0 || b.h == 0)
        return true;
    return a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
}

static void check(const oc_screen_ui *ui, int32_t cols, int32_t rows)
{
    oc_screen_layout l;
    oc_rect part[4 + OC_N_VIEWS_MAX];
    int n = 0;
    oc_screen_arrange(ui, cols, rows, &l);
    part[n++] = l.header;
    part[n++] = l.message;
    part[n++] = l.repl;
    part[n++] = l.footer;
    for (int i = 0; i < OC_N_VIEWS_MAX; i++)
        if (l.tile[i].w > 0)
            part[n++] = l.tile[i];
    for (int i = 0; i < n; i++) {
        oc_rect r = part[i];
        if (r.x < 0 || r.y < 0 || r.w < 0 || r.h < 0 || r.x + r.w > cols || r.y + r.h > rows)
            fail_msg("%dx%d: part %d (%d,%d %dx%d) lies outside", (int)cols, (int)rows, i, (int)r.x,
                     (int)r.y, (int)r.w, (int)r.h);
        for (int k = 0; k < i; k++)
            if (!apart(r, part[k]))
                fail_msg("%dx%d: parts %d and %d overlap", (int)cols, (int)rows, k, i);
    }
    for (int i = 4; i < n; i++)
        assert_true(!apart(part[i], l.body) && part[i].y >= l.body.y &&
                    part[i].y + part[i].h <= l.body.y + l.body.h);
    if (rows >= 2)
        assert_true(l.repl.h >= 1 && l.repl.y + l.repl.h == rows && l.repl.w == cols);
    if (cols >= 40 &&
        rows >= 10) { // the focused view is always there, and everything of the body is used
        int view = ui->help ? 8 : ui->view;
        int32_t area = 0;
        assert_true(l.tile[view].w > 0 && l.tile[view].h > 0);
        for (int i = 4; i < n; i++)
            area += part[i].w * part[i].h;
        assert_int_equal(area, l.body.w * l.body.h);
    }
}

static void test_arrange_all_sizes(void **state)
{
    (void)state;
    for (int view = 0; view < oc_view_count(); view++)
        for (int variant = 0; variant < 4; variant++) {
            oc_screen_ui ui;
            oc_screen_ui_init(&ui);
            ui.view = view;
            ui.repl_lines = 1 + variant * 3;
            ui.zoomed = variant == 1;
            ui.help = variant == 2;
            ui.message = variant == 3 ? "saved" : "";
            ui.split = 0.2 + 0.2 * variant;
            for (int32_t cols = 1; cols <= 220; cols++)
                for (int32_t rows = 1; rows <= 70; rows++)
                    check(&ui, cols, rows);
        }
}

static void test_bounds(void **state)
{
    oc_screen_ui ui;
    oc_screen_layout l;
    (void)state;
    oc_screen_ui_init(&ui);
    ui.view = 99; // unknown: the first
    oc_screen_arrange(&ui, 80, 24, &l);
    assert_true(l.tile[0].w == 80);
    ui.view = 1;
    ui.split = 7;
    ui.message = ui.question = NULL;
    oc_screen_arrange(&ui, 120, 40, &l);
    assert_int_equal(l.tile[1].w, 60);
    assert_true(l.tile[0].w && l.tile[2].w && l.tile[3].w && l.tile[6].w);
    oc_screen_arrange(&ui, 200, 60, &l);
    for (int i = 0; i < 7; i++)
        assert_true(l.tile[i].w > 0);
    oc_screen_arrange(&ui, 0, 0, &l);
    assert_int_equal(l.body.w, 0);
}

/* A message must not move the tiles of a tiled screen: only the log strip gives way. */
static void test_message_moves_nothing(void **state)
{
    oc_screen_ui ui;
    oc_screen_layout without, with;
    (void)state;
    oc_screen_ui_init(&ui);
    for (int32_t cols = 100; cols <= 220; cols += 20)
        for (int32_t rows = 24; rows <= 70; rows++) {
            ui.message = "";
            oc_screen_arrange(&ui, cols, rows, &without);
            ui.message = "saved";
            oc_screen_arrange(&ui, cols, rows, &with);
            for (int i = 0; i < 6; i++)
                assert_memory_equal(&with.tile[i], &without.tile[i], sizeof(oc_rect));
            assert_int_equal(with.tile[6].h + 1, without.tile[6].h);
        }
}

static void draw_size(const oc_state *s, oc_screen_ui *ui, int32_t cols, int32_t rows, oc_glyphs g,
                      oc_colors k)
{
    oc_canvas c;
    oc_screen_layout l;
    assert_int_equal(oc_canvas_init(&c, cols, rows, g, k, NULL), OC_OK);
    oc_screen_draw(s, ui, &c, &l);
    // the REPL's rows belong to the caller
    for (int32_t y = l.repl.y; y < l.repl.y + l.repl.h; y++)
        for (int32_t x = 0; x < cols; x++)
            assert_int_equal(oc_canvas_at(&c, x, y)->glyph, ' ');
    oc_canvas_release(&c);
}

static void test_draw_all_sizes(void **state)
{
    oc_state *s[4];
    oc_screen_ui ui;
    (void)state;
    for (int i = 0; i < 4; i++)
        s[i] = fixture((fixture_until)i);
    oc_screen_ui_init(&ui);
    uint64_t n = 0;
    for (int32_t cols = 1; cols <= 220; cols++)
        for (int32_t rows = 1; rows <= 70; rows++, n++) {
            // every size once; states, views, glyphs and colours in turn
            if (cols > 44 && rows > 12 && (cols + rows) % 3)
                continue;
            ui.view = (int32_t)(n % (uint64_t)oc_view_count());
            ui.help = n % 11 == 0;
            ui.message = n % 5 == 0 ? "a message" : "";
            ui.question = n % 7 == 0 ? "stop the job?" : "";
            ui.replay = n % 3 == 0 ? "REPLAY 120/3402 x4 paused" : "";
            ui.repl_focused = n % 4 == 0;
            ui.repl_lines = (int32_t)(n % 9);
            draw_size(s[n / 3 % 4], &ui, cols, rows, (oc_glyphs)(n % 3), (oc_colors)(n / 2 % 3));
        }
    for (int i = 0; i < 4; i++)
        oc_state_free(s[i]);
}

static void row_text(const oc_canvas *c, int32_t y, char *out)
{
    oc_buf b = {0};
    oc_canvas_text(c, &b);
    const char *line = oc_buf_cstr(&b);
    while (y-- > 0)
        line = strchr(line, '\n') + 1;
    size_t n = strcspn(line, "\n");
    memcpy(out, line, n);
    out[n] = 0;
    oc_buf_release(&b);
}

static void test_header_and_small(void **state)
{
    oc_state *s = fixture(FIXTURE_DISTILL);
    oc_screen_ui ui;
    oc_canvas c;
    char line[1024];
    (void)state;
    oc_screen_ui_init(&ui);
    ui.replay = "REPLAY 3/9 x4";
    assert_int_equal(oc_canvas_init(&c, 80, 24, OC_GLYPHS_ASCII, OC_COLORS_NONE, NULL), OC_OK);
    oc_screen_draw(s, &ui, &c, NULL);
    row_text(&c, 0, line);
    assert_non_null(strstr(line, "* RUN"));
    assert_non_null(strstr(line, "REPLAY 3/9 x4"));
    assert_non_null(strstr(line, "step 380/600"));
    oc_canvas_release(&c);
    assert_int_equal(oc_canvas_init(&c, 30, 9, OC_GLYPHS_ASCII, OC_COLORS_NONE, NULL), OC_OK);
    oc_screen_draw(s, &ui, &c, NULL);
    row_text(&c, 3, line);
    assert_string_equal(line, "AUROC 0.8191");
    row_text(&c, 4, line);
    assert_string_equal(line, "need 40x10, have 30x9");
    oc_canvas_release(&c);
    oc_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrange_all_sizes),     cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_message_moves_nothing), cmocka_unit_test(test_draw_all_sizes),
        cmocka_unit_test(test_header_and_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
