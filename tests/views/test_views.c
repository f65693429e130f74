/*
 * Every view: pictures against goldens, keys, JSON, purity. Goldens lie in tests/views/golden;
 * UPDATE_GOLDEN=1 writes them anew (make accept), to be read as a diff.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json.h"
#include "core/base/str.h"
#include "tests/views/fixture.h"
#include "views/view.h"

static const char *const glyph_name[] = {"braille", "block", "ascii"};
static const char *const color_name[] = {"none", "16", "256"};
static const struct {
    int32_t w, h;
} sizes[] = {{80, 24}, {120, 40}, {200, 60}, {40, 10}, {20, 6}, {1, 1}};
#define N_SIZES ((int)(sizeof sizes / sizeof *sizes))

/* --- goldens --------------------------------------------------------------------------------- */

static void read_file(const char *path, oc_buf *out)
{
    char part[4096];
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is missing: UPDATE_GOLDEN=1 writes it", path);
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
        oc_buf_add(out, part, n);
    fclose(f);
}

/* Last "=== ..." line before byte `at`: which picture differs. */
static void section_of(const char *text, size_t at, char out[80])
{
    const char *found = text;
    for (const char *p = strstr(text, "=== "); p && p <= text + at; p = strstr(p + 1, "=== "))
        found = p;
    size_t n = strcspn(found, "\n");
    n = n < 79 ? n : 79;
    memcpy(out, found, n);
    out[n] = 0;
}

static void golden(const char *name, const oc_buf *got)
{
    char path[128], section[80];
    oc_buf want = {0};
    snprintf(path, sizeof path, "tests/views/golden/%s", name);
    assert_false(got->failed);
    if (getenv("UPDATE_GOLDEN")) {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(got->data, 1, got->len, f), got->len);
        fclose(f);
        return;
    }
    read_file(path, &want);
    size_t at = 0, line_start = 0;
    while (at < want.len && at < got->len && want.data[at] == got->data[at]) {
        at++;
        if (want.data[at - 1] == '\n')
            line_start = at;
    }
    if (at < want.len || at < got->len) {
        section_of(oc_buf_cstr(&want), at, section);
        print_error(
            "%s, %s:\nwant: %.*s\ngot:  %.*s\n", path, section,
            (int)strcspn(oc_buf_cstr(&want) + line_start, "\n"), oc_buf_cstr(&want) + line_start,
            (int)strcspn(oc_buf_cstr(got) + line_start, "\n"), oc_buf_cstr(got) + line_start);
        oc_buf_release(&want);
        fail();
    }
    oc_buf_release(&want);
}

static void show(const oc_view *v, const oc_state *s, int32_t w, int32_t h, oc_glyphs g,
                 oc_colors k, void (*as)(const oc_canvas *, oc_buf *), oc_buf *out)
{
    oc_canvas c;
    oc_view_ui ui;
    oc_view_ui_init(&ui);
    ui.focused = true;
    assert_int_equal(oc_canvas_init(&c, w, h, g, k, NULL), OC_OK);
    oc_view_show(v, s, &ui, &c);
    as(&c, out);
    oc_canvas_release(&c);
}

static void test_view_goldens(void **state)
{
    oc_state *s = fixture(FIXTURE_DONE);
    (void)state;
    for (int v = 0; v < oc_view_count(); v++)
        for (int g = 0; g < 3; g++) {
            oc_buf out = {0};
            char name[64];
            for (int i = 0; i < N_SIZES; i++) {
                oc_buf full = {0};
                for (int k = 2; k >= 0; k--) {
                    oc_buf one = {0};
                    show(oc_view_at(v), s, sizes[i].w, sizes[i].h, (oc_glyphs)g, (oc_colors)k,
                         oc_canvas_text, &one);
                    oc_buf_fmt(&out, "=== %dx%d %s", (int)sizes[i].w, (int)sizes[i].h,
                               color_name[k]);
                    bool same = k < 2 && strcmp(oc_buf_cstr(&one), oc_buf_cstr(&full)) == 0;
                    oc_buf_str(&out, same ? " as above\n" : "\n");
                    if (!same) {
                        oc_buf_add(&out, one.data, one.len);
                        oc_buf_clear(&full);
                        oc_buf_add(&full, one.data, one.len);
                    }
                    oc_buf_release(&one);
                }
                oc_buf_release(&full);
            }
            snprintf(name, sizeof name, "%s-%s.txt", oc_view_at(v)->name, glyph_name[g]);
            golden(name, &out);
            oc_buf_release(&out);
        }
    oc_state_free(s);
}

static void test_empty_goldens(void **state)
{
    oc_state *s = fixture(FIXTURE_EMPTY);
    oc_buf out = {0};
    (void)state;
    for (int v = 0; v < 7; v++) { // settings and help are never empty
        oc_buf_fmt(&out, "=== %s 60x10\n", oc_view_at(v)->name);
        show(oc_view_at(v), s, 60, 10, OC_GLYPHS_BRAILLE, OC_COLORS_256, oc_canvas_text, &out);
    }
    golden("empty.txt", &out);
    oc_buf_release(&out);
    oc_state_free(s);
}

static void draw_screen(const oc_state *s, const oc_screen_ui *ui, int32_t w, int32_t h,
                        oc_glyphs g, oc_colors k, void (*as)(const oc_canvas *, oc_buf *),
                        oc_buf *out)
{
    oc_canvas c;
    assert_int_equal(oc_canvas_init(&c, w, h, g, k, NULL), OC_OK);
    oc_screen_draw(s, ui, &c, NULL);
    as(&c, out);
    oc_canvas_release(&c);
}

static void test_screen_goldens(void **state)
{
    static const char *const name[] = {"empty", "distill", "recover", "done"};
    (void)state;
    for (int f = 0; f < 4; f++) {
        oc_state *s = fixture((fixture_until)f);
        oc_buf out = {0};
        for (int i = 0; i < N_SIZES; i++) {
            oc_screen_ui ui;
            char file[64];
            oc_screen_ui_init(&ui);
            ui.view = f % 2;
            ui.repl_lines = 3;
            ui.message = f == 3 ? "saved as 20250301-1200-mortality" : "";
            ui.question = f == 2 ? "stop the job?" : "";
            oc_buf_fmt(&out, "=== %dx%d\n", (int)sizes[i].w, (int)sizes[i].h);
            draw_screen(s, &ui, sizes[i].w, sizes[i].h, OC_GLYPHS_BRAILLE, OC_COLORS_256,
                        oc_canvas_text, &out);
            snprintf(file, sizeof file, "screen-%s.txt", name[f]);
            if (i == N_SIZES - 1)
                golden(file, &out);
        }
        oc_buf_release(&out);
        oc_state_free(s);
    }
}

/* Colours and attributes of a few pictures. */
static void test_look_goldens(void **state)
{
    oc_state *s = fixture(FIXTURE_DONE);
    oc_buf out = {0};
    oc_screen_ui ui;
    (void)state;
    static const char *const views[] = {"loss", "sparsity", "quant", "latency", "tradeoff"};
    for (int i = 0; i < 5; i++)
        for (int k = 2; k >= 0; k--) {
            oc_buf_fmt(&out, "=== %s 60x12 %s\n", views[i], color_name[k]);
            show(oc_view_find(views[i]), s, 60, 12, OC_GLYPHS_BRAILLE, (oc_colors)k, oc_canvas_ansi,
                 &out);
        }
    golden("ansi.txt", &out);
    oc_buf_clear(&out);
    oc_screen_ui_init(&ui);
    for (int v = 0; v < oc_view_count(); v++) {
        ui.view = v;
        oc_buf_fmt(&out, "=== %s 80x24 styles\n", oc_view_at(v)->name);
        draw_screen(s, &ui, 80, 24, OC_GLYPHS_BRAILLE, OC_COLORS_256, oc_canvas_styles, &out);
    }
    golden("styles.txt", &out);
    oc_buf_release(&out);
    oc_state_free(s);
}

/* --- properties ------------------------------------------------------------------------------ */

static void test_table(void **state)
{
    static const char *const names[] = {"run",      "loss", "sparsity", "quant", "latency",
                                        "tradeoff", "log",  "settings", "help"};
    (void)state;
    assert_int_equal(oc_view_count(), 9);
    for (int i = 0; i < 9; i++) {
        assert_string_equal(oc_view_at(i)->name, names[i]);
        assert_int_equal(oc_view_at(i)->key, '1' + i);
        assert_int_equal(oc_view_index(names[i]), i);
    }
    assert_ptr_equal(oc_view_find("sp"), oc_view_at(2));
    assert_null(oc_view_find("l")); // loss, latency, log
    assert_null(oc_view_find(""));
    assert_null(oc_view_find("lossy"));
    assert_null(oc_view_at(-1));
    assert_null(oc_view_at(9));
}

/* A view draws inside its rect, only ASCII when asked, and the same picture twice. */
static void test_inside_ascii_pure(void **state)
{
    (void)state;
    for (int f = 0; f < 4; f++) {
        oc_state *s = fixture((fixture_until)f);
        for (int v = 0; v < oc_view_count(); v++)
            for (int32_t w = 0; w < 130; w += w < 20 ? 1 : 11)
                for (int32_t h = 0; h < 40; h += h < 12 ? 1 : 7) {
                    oc_canvas a, b;
                    oc_view_ui ui;
                    oc_view_ui_init(&ui);
                    ui.focused = h % 2;
                    assert_int_equal(
                        oc_canvas_init(&a, w + 4, h + 4, OC_GLYPHS_ASCII, (oc_colors)(w % 3), NULL),
                        OC_OK);
                    assert_int_equal(
                        oc_canvas_init(&b, w + 4, h + 4, OC_GLYPHS_ASCII, (oc_colors)(w % 3), NULL),
                        OC_OK);
                    oc_view_at(v)->draw(s, &ui, (oc_rect){2, 2, w, h}, &a);
                    oc_view_at(v)->draw(s, &ui, (oc_rect){2, 2, w, h}, &b);
                    assert_memory_equal(a.cell, b.cell,
                                        sizeof(oc_cell) * (size_t)(a.cols * a.rows));
                    for (int32_t y = 0; y < a.rows; y++)
                        for (int32_t x = 0; x < a.cols; x++) {
                            uint32_t g = oc_canvas_at(&a, x, y)->glyph;
                            bool in = x >= 2 && y >= 2 && x < 2 + w && y < 2 + h;
                            assert_true(in ? g >= 0x20 && g < 0x7F : g == ' ');
                        }
                    oc_canvas_release(&a);
                    oc_canvas_release(&b);
                }
        oc_state_free(s);
    }
}

/* Any keys in any order: no crash, nothing outside, commands only where they belong. */
static void test_keys_at_random(void **state)
{
    (void)state;
    static const uint32_t special[] = {OC_KEY_UP,    OC_KEY_DOWN, OC_KEY_LEFT,      OC_KEY_RIGHT,
                                       OC_KEY_PGUP,  OC_KEY_PGDN, OC_KEY_HOME,      OC_KEY_END,
                                       OC_KEY_ENTER, OC_KEY_ESC,  OC_KEY_BACKSPACE, 0xE9,
                                       0x4E16,       '/',         OC_KEY_F5,        OC_KEY_CTRL_C};
    for (int f = 0; f < 4; f++) {
        oc_state *s = fixture((fixture_until)f);
        for (int v = 0; v < oc_view_count(); v++) {
            oc_view_ui ui;
            oc_canvas c;
            oc_buf command = {0};
            oc_view_ui_init(&ui);
            ui.focused = true;
            assert_int_equal(oc_canvas_init(&c, 90, 22, OC_GLYPHS_BRAILLE, OC_COLORS_256, NULL),
                             OC_OK);
            for (uint64_t i = 0; i < 1500; i++) {
                double roll = fixture_noise(i * 9 + (uint64_t)v + (uint64_t)f * 31);
                uint32_t key = roll < 0.5 ? special[(int)(roll * 2 * 16)]
                                          : (uint32_t)(32 + (roll - 0.5) * 2 * 95);
                oc_view_at(v)->handle(&ui, s, key, &command);
                if (i % 7 == 0) {
                    oc_canvas_clear(&c);
                    oc_view_at(v)->draw(s, &ui, (oc_rect){0, 0, 90, 22}, &c);
                }
            }
            const char *want = v == 1 ? "=note " : v == 7 ? "=set " : NULL;
            if (command.len)
                assert_true(want && strncmp(oc_buf_cstr(&command), want, strlen(want)) == 0);
            oc_buf_release(&command);
            oc_canvas_release(&c);
        }
        oc_state_free(s);
    }
}

static bool press(const char *view, oc_view_ui *ui, const oc_state *s, uint32_t key)
{
    oc_buf command = {0};
    bool used = oc_view_find(view)->handle(ui, s, key, &command);
    oc_buf_release(&command);
    return used;
}

static void test_loss_keys(void **state)
{
    oc_state *s = fixture(FIXTURE_RECOVER);
    oc_view_ui ui;
    (void)state;
    oc_view_ui_init(&ui);
    ui.smooth = 0;
    const double cycle[] = {0.6, 0.9, 0.97, 0};
    for (int i = 0; i < 4; i++) {
        assert_true(press("loss", &ui, s, 's'));
        assert_true(ui.smooth == cycle[i]);
    }
    assert_true(press("loss", &ui, s, 'i') && ui.inspect);
    assert_true(ui.inspect_x == 130); // the newest point
    press("loss", &ui, s, OC_KEY_LEFT);
    assert_true(ui.inspect_x == 129);
    press("loss", &ui, s, OC_KEY_HOME);
    assert_true(ui.inspect_x == 1);
    press("loss", &ui, s, OC_KEY_LEFT);
    assert_true(ui.inspect_x == 1);
    press("loss", &ui, s, 'c'); // validations lie at steps 33, 66, 99
    press("loss", &ui, s, OC_KEY_RIGHT);
    assert_true(ui.inspect_x == 33);
    press("loss", &ui, s, OC_KEY_RIGHT);
    assert_true(ui.inspect_x == 66);
    press("loss", &ui, s, 'c');
    press("loss", &ui, s, 'c');
    press("loss", &ui, s, 'c');
    press("loss", &ui, s, '+');
    assert_true(ui.x1 - ui.x0 == 100 && ui.x0 >= 0 && ui.x0 <= 66 && ui.x1 >= 66);
    press("loss", &ui, s, '-');
    assert_true(ui.x0 == 0 && ui.x1 == 0);
    press("loss", &ui, s, 'x');
    assert_int_equal(ui.xaxis, OC_X_TOKENS);
    assert_true(press("loss", &ui, s, OC_KEY_ESC) && !ui.inspect);
    assert_false(press("loss", &ui, s, OC_KEY_ESC));
    press("loss", &ui, s, OC_KEY_UP);
    assert_string_equal(ui.run, "student");
    press("loss", &ui, s, 'p');
    press("loss", &ui, s, OC_KEY_UP);
    press("loss", &ui, s, 'p');
    assert_int_equal(ui.n_pinned, 2);
    press("loss", &ui, s, 'p');
    assert_int_equal(ui.n_pinned, 1);
    assert_string_equal(ui.pinned[0], "student");
    press("loss", &ui, s, 'b');
    assert_string_equal(ui.baseline, "teacher-2");
    press("loss", &ui, s, OC_KEY_DOWN);
    press("loss", &ui, s, OC_KEY_DOWN);
    assert_string_equal(ui.run, ""); // the newest one again: follows new runs
    oc_state_free(s);
}

static void test_commands(void **state)
{
    oc_state *s = fixture(FIXTURE_DONE);
    oc_view_ui ui;
    oc_buf command = {0};
    (void)state;
    oc_view_ui_init(&ui);
    assert_true(oc_view_find("settings")->handle(&ui, s, '/', &command));
    for (const char *p = "prune.spars"; *p; p++)
        oc_view_find("settings")->handle(&ui, s, (uint32_t)*p, &command);
    oc_view_find("settings")->handle(&ui, s, OC_KEY_ENTER, &command); // leaves the filter
    assert_int_equal(command.len, 0);
    oc_view_find("settings")->handle(&ui, s, OC_KEY_ENTER, &command);
    assert_string_equal(oc_buf_cstr(&command), "=set prune.sparsity ");
    oc_buf_clear(&command);
    assert_true(oc_view_find("loss")->handle(&ui, s, 'm', &command));
    assert_string_equal(oc_buf_cstr(&command), "=note ");
    oc_buf_release(&command);
    oc_state_free(s);
}

static bool shows_at(const char *view, const oc_state *s, const oc_view_ui *ui, int32_t cols,
                     int32_t rows, const char *what)
{
    oc_canvas c;
    oc_buf out = {0};
    assert_int_equal(oc_canvas_init(&c, cols, rows, OC_GLYPHS_BRAILLE, OC_COLORS_NONE, NULL),
                     OC_OK);
    oc_view_find(view)->draw(s, ui, (oc_rect){0, 0, cols, rows}, &c);
    oc_canvas_text(&c, &out);
    bool found = strstr(oc_buf_cstr(&out), what) != NULL;
    oc_buf_release(&out);
    oc_canvas_release(&c);
    return found;
}

static bool shows(const char *view, const oc_state *s, const oc_view_ui *ui, const char *what)
{
    return shows_at(view, s, ui, 120, 40, what);
}

/* What a small screen has no room for in one line is wrapped, or the less important is left out. */
static void test_small_screen(void **state)
{
    oc_state *s = fixture(FIXTURE_DONE);
    oc_view_ui ui;
    oc_screen_ui screen;
    oc_buf out = {0};
    (void)state;
    oc_view_ui_init(&ui);
    ui.metric = 1; // help of the loss view
    assert_true(shows_at("help", s, &ui, 80, 19, "throughput"));
    ui.scroll = 10000;
    assert_true(shows_at("help", s, &ui, 80, 19, "accept.faster"));
    assert_true(shows_at("help", s, &ui, 80, 19, "accept.auroc_drop"));
    oc_view_ui_init(&ui);
    ui.smooth = 0.97;
    assert_true(shows_at("loss", s, &ui, 80, 19, "smooth 0.97 twema"));
    oc_screen_ui_init(&screen);
    s->set.run_threads = 1; // more to the point than what the session was opened with
    draw_screen(s, &screen, 80, 24, OC_GLYPHS_BRAILLE, OC_COLORS_NONE, oc_canvas_text, &out);
    assert_non_null(strstr(oc_buf_cstr(&out), "1 thread"));
    assert_null(strstr(oc_buf_cstr(&out), "2 threads"));
    oc_buf_release(&out);
    oc_state_free(s);
}

static void test_what_is_shown(void **state)
{
    oc_state *s = fixture(FIXTURE_DONE), *other = fixture(FIXTURE_RECOVER);
    oc_view_ui ui;
    (void)state;
    oc_view_ui_init(&ui);
    ui.focused = true;
    oc_strlcpy(ui.run, "student", sizeof ui.run);
    assert_true(shows("loss", s, &ui, "×")); // the step that was no number
    assert_true(shows("loss", s, &ui, "1 x NaN"));
    assert_true(shows("loss", s, &ui, "smooth 0.9 twema"));
    ui.run[0] = 0;
    assert_true(shows("loss", s, &ui, "recovery is quick"));
    ui.inspect = true;
    ui.inspect_x = 60;
    assert_true(shows("loss", s, &ui, "recover.lr"));
    oc_view_ui_init(&ui);
    oc_strlcpy(ui.pinned[0], "student", sizeof ui.pinned[0]);
    ui.n_pinned = 1;
    assert_true(shows("loss", s, &ui, "A recover loss"));
    assert_true(shows("loss", s, &ui, "B student loss"));
    ui.compare[0] = other;
    oc_strlcpy(ui.compare_name[0], "before", sizeof ui.compare_name[0]);
    ui.n_compare = 1;
    assert_true(shows("loss", s, &ui, "before:recover loss"));
    assert_true(shows("tradeoff", s, &ui, "before:ensemble"));
    oc_view_ui_init(&ui);
    ui.focused = true;
    ui.cursor = 1;
    ui.cursor_x = 4;
    assert_true(shows("sparsity", s, &ui, "layer 1 ffn.in  asked 30 %  reached 5"));
    assert_true(shows("sparsity", s, &ui, "512→240"));
    press("sparsity", &ui, s, 'm');
    ui.cursor_x = 3;
    assert_true(shows("sparsity", s, &ui, "head 3: removed"));
    oc_view_ui_init(&ui);
    ui.cursor = 7;
    assert_true(shows("quant", s, &ui, "L1 query"));
    assert_true(shows("quant", s, &ui, "0.12 %")); // clipped
    assert_true(shows("latency", s, &ui, "20.1x"));
    oc_strlcpy(ui.baseline, "student", sizeof ui.baseline);
    assert_true(shows("latency", s, &ui, "3.32x"));
    assert_true(shows("tradeoff", s, &ui, "5.00x")); // 2.8 MB / 560 kB
    oc_view_ui_init(&ui);
    press("log", &ui, s, 'm');
    assert_true(shows("log", s, &ui, "not a number") && !shows("log", s, &ui, "begins"));
    oc_view_ui_init(&ui);
    oc_strlcpy(ui.filter, "prune", sizeof ui.filter);
    assert_true(shows("settings", s, &ui, "* prune.sparsity"));
    assert_false(shows("settings", s, &ui, "distill.lr"));
    assert_true(shows("help", s, &ui, "prune.heads"));
    oc_view_ui_init(&ui);
    assert_false(shows("run", s, &ui, "INT8 targets"));
    OC_EV_SET(s->cache[0].precision, "int8");
    assert_true(shows("run", s, &ui, "0.50  INT8 targets"));
    oc_state_free(s);
    oc_state_free(other);
}

static void test_json(void **state)
{
    oc_state *s = fixture(FIXTURE_DONE);
    oc_view_ui ui;
    (void)state;
    oc_view_ui_init(&ui);
    for (int v = 0; v < oc_view_count(); v++) {
        oc_buf out = {0};
        oc_json *j = NULL;
        oc_err err = {0};
        oc_view_at(v)->json(s, &ui, &out);
        if (oc_json_parse(out.data, out.len, oc_view_at(v)->name, &j, &err) != OC_OK)
            fail_msg("%s", err.msg);
        assert_string_equal(oc_json_str(oc_json_get(j, "view"), ""), oc_view_at(v)->name);
        oc_json_free(j);
        if (v == 1)
            assert_non_null(strstr(oc_buf_cstr(&out), "\"NaN\""));
        oc_buf_release(&out);
    }
    oc_state_free(s);
}

static void test_json_numbers(void **state)
{
    oc_state *s = fixture(FIXTURE_DONE);
    oc_view_ui ui;
    oc_buf out = {0};
    oc_json *j = NULL;
    (void)state;
    oc_view_ui_init(&ui);
    oc_view_find("loss")->json(s, &ui, &out);
    assert_int_equal(oc_json_parse(out.data, out.len, "loss", &j, NULL), OC_OK);
    const oc_json *curve = oc_json_first(oc_json_get(j, "curves"));
    for (; curve; curve = oc_json_next(curve))
        if (strcmp(oc_json_str(oc_json_get(curve, "run"), ""), "student") == 0 &&
            strcmp(oc_json_str(oc_json_get(curve, "name"), ""), "loss") == 0)
            break;
    assert_non_null(curve);
    assert_int_equal(oc_json_count(oc_json_get(curve, "x")), 600);
    assert_int_equal(oc_json_count(oc_json_get(curve, "y")), 600);
    oc_json_free(j);
    oc_buf_clear(&out);
    oc_view_find("tradeoff")->json(s, &ui, &out);
    assert_int_equal(oc_json_parse(out.data, out.len, "tradeoff", &j, NULL), OC_OK);
    int front = 0;
    for (const oc_json *c = oc_json_first(oc_json_get(j, "candidates")); c; c = oc_json_next(c))
        front += oc_json_bool(oc_json_get(c, "front"), false);
    assert_int_equal(front, 5); // all but teacher-1, which the student beats in both
    oc_json_free(j);
    oc_buf_release(&out);
    oc_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),          cmocka_unit_test(test_view_goldens),
        cmocka_unit_test(test_empty_goldens),  cmocka_unit_test(test_screen_goldens),
        cmocka_unit_test(test_look_goldens),   cmocka_unit_test(test_inside_ascii_pure),
        cmocka_unit_test(test_keys_at_random), cmocka_unit_test(test_loss_keys),
        cmocka_unit_test(test_commands),       cmocka_unit_test(test_what_is_shown),
        cmocka_unit_test(test_small_screen),   cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
