/* The command line: readline fed from a queue, drawn on a canvas. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "tui/repl.h"

static const char *const words[] = {"set",         "sessions",     "show", "prune.sparsity",
                                    "prune.scope", "élan\\ vital", "data/"};
static int asked;

static oc_status complete(void *ctx, const char *line, int64_t cursor, oc_strlist *out,
                          int64_t *from, oc_err *err)
{
    (void)ctx;
    asked++;
    *from = cursor;
    while (*from > 0 && line[*from - 1] != ' ')
        --*from;
    for (int i = 0; i < OC_COUNT(words); i++)
        if (strncmp(words[i], line + *from, (size_t)(cursor - *from)) == 0)
            OC_TRY(oc_strlist_add(out, words[i], strlen(words[i]), err));
    return OC_OK;
}

static oc_repl *fresh(const char *history)
{
    oc_repl *r = NULL;
    oc_err err = {0};
    if (oc_repl_open(complete, NULL, history, &r, &err) != OC_OK)
        fail_msg("%s", err.msg);
    return r;
}

/* Each UTF-8 character and each escape sequence is one key. */
static void type(oc_repl *r, const char *s)
{
    while (*s) {
        size_t n = 1;
        if (*s == '\033')
            n = s[1] == '[' ? 2 + strcspn(s + 2, "ABCDHF~") + 1 : 2;
        else
            while (((unsigned char)s[n] & 0xc0) == 0x80)
                n++;
        oc_repl_feed(r, s, n);
        s += n;
    }
}

static void expect_line(oc_repl *r, const char *want)
{
    oc_buf line = {0};
    assert_true(oc_repl_take(r, &line));
    assert_string_equal(oc_buf_cstr(&line), want);
    oc_buf_release(&line);
}

/* Text of the canvas after drawing, REPL rows at its bottom. */
static char *drawn(oc_repl *r, int32_t cols, int32_t rows, int32_t repl_rows, bool focused,
                   int32_t *cx, int32_t *cy)
{
    oc_canvas c;
    oc_buf out = {0};
    assert_int_equal(oc_canvas_init(&c, cols, rows, OC_GLYPHS_BRAILLE, OC_COLORS_NONE, NULL),
                     OC_OK);
    oc_repl_draw(r, &c, (oc_rect){0, rows - repl_rows, cols, repl_rows},
                 (oc_rect){0, 0, cols, rows - repl_rows}, focused, cx, cy);
    oc_canvas_text(&c, &out);
    oc_canvas_release(&c);
    return oc_buf_take(&out);
}

static void expect_drawn(oc_repl *r, const char *want, int32_t want_x)
{
    int32_t cx, cy;
    char *text = drawn(r, 40, 10, 1, true, &cx, &cy);
    char *last = text + strlen(text);
    while (last > text && last[-1] == '\n')
        *--last = '\0';
    last = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
    assert_string_equal(last, want);
    assert_int_equal(cx, want_x);
    assert_int_equal(cy, 9);
    oc_free(text);
}

static void test_editing(void **state)
{
    (void)state;
    oc_repl *r = fresh(NULL);
    type(r, "sex\x7ft a.b 0.5\r");
    expect_line(r, "set a.b 0.5");
    type(r, ":note a: b\r"); // the colon that opens a prompt, at one that is open
    expect_line(r, "note a: b");
    type(r, "héllo 世界\x01>\r"); // Ctrl-A
    expect_line(r, ">héllo 世界");
    type(r, "one two\033b\033[D\033[3~X\r"); // Alt-b, left, delete
    expect_line(r, "oneXtwo");
    type(r, "abc\x15"
            "d\x16\x01"
            "e\r"); // kill line; quoted insert takes the next key
    expect_line(r, "d\x01"
                   "e");
    assert_false(oc_repl_take_eof(r));
    type(r, "\x04");
    assert_true(oc_repl_take_eof(r));
    assert_false(oc_repl_take_eof(r));
    type(r, "a\rb\r"); // both are kept in order
    expect_line(r, "a");
    expect_line(r, "b");
    oc_buf none = {0};
    assert_false(oc_repl_take(r, &none));
    oc_repl_close(r);
}

static void test_cancel_and_set(void **state)
{
    (void)state;
    oc_repl *r = fresh(NULL);
    type(r, "half a line");
    oc_repl_cancel(r);
    assert_string_equal(oc_repl_line(r), "");
    type(r, "set\r");
    expect_line(r, "set");
    type(r, "\x12se"); // searching
    expect_drawn(r, "(reverse-i-search)`se': set", 24);
    oc_repl_cancel(r);
    expect_drawn(r, ">", 2);
    type(r, "\x12se");
    assert_true(oc_repl_escape(r));
    assert_false(oc_repl_escape(r));
    assert_string_equal(oc_repl_line(r), "");
    oc_repl_set_line(r, "note ");
    type(r, "x\r");
    expect_line(r, "note x");
    type(r, "\0334"); // a count is pending
    oc_repl_cancel(r);
    type(r, "z\r");
    expect_line(r, "z");
    type(r, "junk");
    oc_repl_close(r);
    r = fresh(NULL); // a closed line leaves nothing behind
    assert_string_equal(oc_repl_line(r), "");
    oc_repl_close(r);
}

static void test_completion(void **state)
{
    (void)state;
    int32_t cx, cy;
    oc_repl *r = fresh(NULL);
    type(r, "sh\t");
    assert_string_equal(oc_repl_line(r), "show ");
    type(r, "prune.s\t"); // two: nothing to add, both shown
    assert_string_equal(oc_repl_line(r), "show prune.s");
    char *text = drawn(r, 60, 12, 2, true, &cx, &cy);
    assert_non_null(strstr(text, "prune.sparsity"));
    assert_non_null(strstr(text, "prune.scope"));
    oc_free(text);
    text = drawn(r, 60, 12, 2, false, &cx, &cy);
    assert_null(strstr(text, "prune.scope"));
    assert_int_equal(cx, -1);
    oc_free(text);
    for (int32_t w = 1; w < 30; w++) // any size survives
        for (int32_t h = 1; h < 6; h++)
            oc_free(drawn(r, w, h + 1, h, true, &cx, &cy));
    assert_true(oc_repl_escape(r)); // closes the list, keeps the line
    assert_false(oc_repl_escape(r));
    assert_string_equal(oc_repl_line(r), "show prune.s");
    type(r, "p\t");
    assert_string_equal(oc_repl_line(r), "show prune.sparsity ");
    type(r, "\x15pru\t");
    assert_string_equal(oc_repl_line(r), "prune.s");
    type(r, "\x15é\t");
    assert_string_equal(oc_repl_line(r), "élan\\ vital ");
    type(r, "\x15"
            "da\t"); // a folder: completion goes on inside
    assert_string_equal(oc_repl_line(r), "data/");
    type(r, "\x15nothing\t");
    assert_string_equal(oc_repl_line(r), "nothing");
    type(r, "\x15se x\x01\033[C\033[C\t"); // inside the line: no blank is added
    assert_string_equal(oc_repl_line(r), "se x");
    type(r, "t\t");
    assert_string_equal(oc_repl_line(r), "set x");
    assert_true(asked > 5);
    oc_repl_close(r);
}

static void test_paste(void **state)
{
    (void)state;
    oc_repl *r = fresh(NULL);
    static const struct {
        const char *in, *want;
    } cases[] = {
        {"set a 1", "set a 1"},
        {"set a 1\n", "set a 1"},
        {"set a 1\nset b 2\n", "set a 1; set b 2"},
        {"\r\n\r\n  set a 1  \r\n\r\n\tset b 2", "set a 1; set b 2"},
        {"a\033[31mb\007c", "a[31mbc"},
        {"é\n世", "é; 世"},
        {"\n\n", ""},
    };
    for (int i = 0; i < OC_COUNT(cases); i++) {
        oc_repl_cancel(r);
        oc_repl_paste(r, cases[i].in, strlen(cases[i].in));
        assert_string_equal(oc_repl_line(r), cases[i].want);
    }
    oc_buf none = {0};
    assert_false(oc_repl_take(r, &none)); // pasting never runs anything
    oc_repl_close(r);
}

static void test_drawing(void **state)
{
    (void)state;
    int32_t cx, cy;
    oc_repl *r = fresh(NULL);
    expect_drawn(r, ">", 2);
    type(r, "a世é\x16\x01");
    expect_drawn(r, "> a世é^A", 8);
    type(r, "\033[D\033[D\033[D");
    expect_drawn(r, "> a世é^A", 3);
    oc_repl_cancel(r);
    for (int i = 0; i < 10; i++)
        type(r, "0123456789");
    char *text = drawn(r, 40, 4, 1, true, &cx, &cy); // scrolled, the cursor is in the row
    assert_true(cx >= 20 && cx < 40);
    oc_free(text);
    type(r, "\x01");
    expect_drawn(r, "> 01234567890123456789012345678901234567", 2);
    oc_repl_cancel(r);
    oc_repl_say(r, OC_STYLE_TEXT, "first\nsecond\n");
    oc_repl_say(r, OC_STYLE_BAD, "third");
    text = drawn(r, 40, 6, 3, true, &cx, &cy);
    assert_null(strstr(text, "first"));
    assert_non_null(strstr(text, "second\nthird\n>"));
    oc_free(text);
    for (int i = 0; i < OC_REPL_SAID + 10; i++) {
        char line[32];
        snprintf(line, sizeof line, "line %d", i);
        oc_repl_say(r, OC_STYLE_TEXT, line);
    }
    oc_buf said = {0};
    oc_repl_said(r, &said);
    assert_true(strncmp(oc_buf_cstr(&said), "line 10\n", 8) == 0);
    assert_non_null(strstr(oc_buf_cstr(&said), "line 509\n"));
    oc_buf_release(&said);
    oc_repl_close(r);
}

static char folder[] = "/tmp/optimclm-repl-XXXXXX";

static void test_history(void **state)
{
    (void)state;
    char path[4096];
    oc_err err = {0};
    setenv("XDG_STATE_HOME", folder, 1);
    assert_int_equal(oc_repl_history_path(path, &err), OC_OK);
    assert_non_null(strstr(path, "/optimclm/history"));
    oc_repl *r = fresh(path);
    type(r, "one\rtwo\rone\rone\r secret\r\r");
    oc_buf line = {0};
    while (oc_repl_take(r, &line))
        continue;
    type(r, "\033[A");
    assert_string_equal(oc_repl_line(r), "one");
    type(r, "\033[A");
    assert_string_equal(oc_repl_line(r), "two");
    type(r, "\033[A"); // "one" is there once
    assert_string_equal(oc_repl_line(r), "two");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    oc_repl_close(r);
    char *data = NULL;
    size_t n;
    assert_int_equal(oc_file_read(path, 1000, &data, &n, &err), OC_OK);
    assert_string_equal(data, "one\ntwo\none\n");
    oc_free(data);

    FILE *f = fopen(path, "a"); // another instance wrote meanwhile, and far too much
    for (int i = 0; i < 5000; i++)
        fprintf(f, "cmd %d\n", i % 4500);
    fclose(f);
    r = fresh(path);
    type(r, "\033[A");
    assert_string_equal(oc_repl_line(r), "cmd 499");
    type(r, "\x12"
            "cmd 3000");
    assert_string_equal(oc_repl_line(r), "cmd 3000");
    type(r, "\r");
    expect_line(r, "cmd 3000");
    oc_repl_close(r);
    assert_int_equal(oc_file_read(path, 1000000, &data, &n, &err), OC_OK);
    int lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += data[i] == '\n';
    assert_int_equal(lines, OC_REPL_HISTORY + 1);
    assert_string_equal(data + n - 9, "cmd 3000\n");
    oc_free(data);
    oc_buf_release(&line);

    r = fresh(folder); // a folder is no history: the command line works without
    type(r, "x\r");
    expect_line(r, "x");
    oc_repl_close(r);
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", folder, 1);
    assert_int_equal(oc_repl_history_path(path, &err), OC_OK);
    assert_non_null(strstr(path, "/.local/state/optimclm/history"));
    unsetenv("HOME");
    assert_int_equal(oc_repl_history_path(path, &err), OC_IO);
}

static void test_one_only(void **state)
{
    (void)state;
    oc_err err = {0};
    oc_repl *r = fresh(NULL), *second = NULL;
    assert_int_equal(oc_repl_open(complete, NULL, NULL, &second, &err), OC_STATE);
    oc_repl_close(r);
    for (int64_t i = 1; i < 20; i++) { // out of memory at every point of opening
        oc_alloc_fail_at(i);
        oc_err e = {0};
        oc_status st = oc_repl_open(complete, NULL, "/dev/null", &r, &e);
        oc_alloc_fail_at(0);
        if (st == OC_OK) {
            oc_repl_close(r);
            return;
        }
    }
    fail_msg("never enough memory");
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    setenv("INPUTRC", "/dev/null", 1);
    if (!mkdtemp(folder))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_editing),    cmocka_unit_test(test_cancel_and_set),
        cmocka_unit_test(test_completion), cmocka_unit_test(test_paste),
        cmocka_unit_test(test_drawing),    cmocka_unit_test(test_history),
        cmocka_unit_test(test_one_only),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    if (oc_remove_tree(folder, NULL) != OC_OK)
        return 1;
    return rc;
}
