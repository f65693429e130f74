/* Keys from bytes, however they are cut; frame pacing; the pager. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "tui/keys.h"
#include "tui/pace.h"
#include "tui/pager.h"

#define MS 1000000LL

/* One input as text: "a", "UP", "C+UP", "A+x", "mouse press 0 3,4", "paste [..]", ... */
static const char *key_name(uint32_t key)
{
    static const char *const names[] = {
        "UP",    "DOWN", "LEFT", "RIGHT",   "PGUP",      "PGDN",   "HOME",   "END",
        "ENTER", "ESC",  "TAB",  "BACKTAB", "BACKSPACE", "DELETE", "INSERT", "F1",
        "F2",    "F3",   "F4",   "F5",      "F6",        "F7",     "F8",     "F9",
        "F10",   "F11",  "F12",  "CTRL_C",  "CTRL_L",    "CTRL_Z", "NONE"};
    static char text[8];
    if (key >= OC_KEY_UP && key <= OC_KEY_NONE)
        return names[key - OC_KEY_UP];
    if (key < 0x20) {
        snprintf(text, sizeof text, "^%c", (char)(key ^ 0x40));
        return text;
    }
    text[oc_utf8_encode(key, text)] = '\0';
    return text;
}

static void describe(const oc_input *in, oc_buf *out)
{
    static const char *const acts[] = {"press", "release", "drag", "up", "down"};
    if (out->len)
        oc_buf_ch(out, ' ');
    if (in->kind == OC_IN_FOCUS)
        oc_buf_fmt(out, "focus%d", in->focus_in);
    else if (in->kind == OC_IN_REPLY)
        oc_buf_fmt(out, "reply%c%d", in->reply, (int)in->arg);
    else if (in->kind == OC_IN_PASTE)
        oc_buf_fmt(out, "paste[%.*s]%s", (int)in->n_bytes, in->bytes, in->cut ? "cut" : "");
    else if (in->kind == OC_IN_MOUSE)
        oc_buf_fmt(out, "%s%d@%d,%d", acts[in->act], in->button, (int)in->x, (int)in->y);
    if (in->kind != OC_IN_KEY && in->kind != OC_IN_MOUSE)
        return;
    if (in->kind == OC_IN_KEY)
        oc_buf_fmt(out, "%s%s%s%s", in->mods & OC_MOD_CTRL ? "C+" : "",
                   in->mods & OC_MOD_ALT ? "A+" : "", in->mods & OC_MOD_SHIFT ? "S+" : "",
                   key_name(in->key));
    else if (in->mods)
        oc_buf_fmt(out, "/%d", in->mods);
}

static void drain(oc_keys *k, int64_t now, oc_buf *out)
{
    oc_input in;
    while (oc_keys_next(k, now, &in))
        describe(&in, out);
}

/* Feed in two parts, `gap` apart, then wait until everything is resolved. */
static void check_split(const char *bytes, size_t n, size_t at, const char *want)
{
    oc_keys k = {0};
    oc_buf got = {0};
    int64_t now = 5 * MS;
    oc_keys_feed(&k, bytes, at, now);
    drain(&k, now, &got);
    now += MS;
    oc_keys_feed(&k, bytes + at, n - at, now);
    drain(&k, now, &got);
    for (int i = 0; i < 10; i++) {
        int64_t wait = oc_keys_wait_ns(&k, now);
        if (wait < 0)
            break;
        now += wait;
        drain(&k, now, &got);
    }
    assert_int_equal(oc_keys_wait_ns(&k, now), -1);
    if (strcmp(oc_buf_cstr(&got), want) != 0)
        fail_msg("cut at %d: got '%s', want '%s'", (int)at, oc_buf_cstr(&got), want);
    oc_buf_release(&got);
    oc_keys_release(&k);
}

static void check(const char *bytes, const char *want)
{
    for (size_t at = 0; at <= strlen(bytes); at++)
        check_split(bytes, strlen(bytes), at, want);
}

static void test_text(void **state)
{
    (void)state;
    check("a", "a");
    check("aZ9 ~", "a Z 9   ~");
    check("\xc3\xa9", "é");
    check("\xe4\xb8\x96\xe7\x95\x8c", "世 界");
    check("\xf0\x9f\x98\x80x", "😀 x");
    check("\x01\x12\x1f", "^A ^R ^_");
    check("\r\n\t\x7f\x08", "ENTER ENTER TAB BACKSPACE BACKSPACE");
    check("\x03\x0c\x1a", "CTRL_C CTRL_L CTRL_Z");
    check_split("\0", 1, 0, "^@");
    // What is no UTF-8: one replacement a byte, and what follows is not swallowed.
    check("\x80z", "\xef\xbf\xbd z");
    check("\xc3z", "\xef\xbf\xbd z");
    check("\xe4\xb8z", "\xef\xbf\xbd \xef\xbf\xbd z");
    check("\xc3", "\xef\xbf\xbd");
    check("\xff\xfe", "\xef\xbf\xbd \xef\xbf\xbd");
    check("\xc0\xaf", "\xef\xbf\xbd \xef\xbf\xbd");
}

static void test_sequences(void **state)
{
    (void)state;
    check("\033[A\033[B\033[C\033[D\033[H\033[F", "UP DOWN RIGHT LEFT HOME END");
    check("\033OA\033OB\033OC\033OD\033OH\033OF", "UP DOWN RIGHT LEFT HOME END");
    check("\033OP\033OQ\033OR\033OS", "F1 F2 F3 F4");
    check(
        "\033[11~\033[12~\033[13~\033[14~\033[15~\033[17~\033[18~\033[19~\033[20~\033[21~\033[23~\033[24~",
        "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12");
    check("\033[[A\033[[E", "F1 F5");
    check("\033[1~\033[2~\033[3~\033[4~\033[5~\033[6~\033[7~\033[8~",
          "HOME INSERT DELETE END PGUP PGDN HOME END");
    check("\033[Z\033[1;2A\033[1;5C\033[3;5~\033[1;3D\033[1;8B",
          "BACKTAB S+UP C+RIGHT C+DELETE A+LEFT C+A+S+DOWN");
    check("\033[1;2P\033[1;2R", "S+F1 S+F3");
    check("\033OM\033Oj\033Op\033Oy\033OI", "ENTER * 0 9 TAB");
    check("\033[99~\033[?1x\033[5;3y", "NONE reply"
                                       "x1"
                                       " replyy5");
    check("\033[q", "NONE");
    check("\033[97;5u\033[27;5;97~\033[233u\033[9;2u\033[13u\033[27u\033[99;5u",
          "^A ^A é BACKTAB ENTER ESC CTRL_C");
    check("\033[1114112u", "NONE");
    check("\033[97:65;2:1u", "S+a");
}

static void test_escape(void **state)
{
    (void)state;
    check("\033", "ESC");
    check("\033\033", "ESC ESC");
    check("\033\033[A", "ESC UP");
    check("\033[", "A+[");
    check("\033O", "A+O");
    check("\033]", "A+]");
    check("\033P", "A+P");
    check("\033q", "A+q");
    check("\033\xc3\xa9", "A+é");
    check("\033\r\033\x7f\033\t", "A+ENTER A+BACKSPACE A+TAB");
    check("\033O\033[A", "A+O UP");
    // A control byte breaks a sequence off; what it is stays whole.
    check("\033[1;\x03", "NONE CTRL_C");
    check("\033[12\033[A", "NONE UP");
    check("\033[1;5", "NONE");

    oc_keys k = {0};
    oc_input in;
    oc_keys_feed(&k, "\033", 1, 0);
    assert_false(oc_keys_next(&k, 24 * MS, &in));
    assert_int_equal(oc_keys_wait_ns(&k, 24 * MS), MS);
    assert_true(oc_keys_next(&k, 25 * MS, &in));
    assert_int_equal(in.key, OC_KEY_ESC);
    oc_keys_feed(&k, "\033[", 2, 0); // held longer: a slow line may have cut an arrow key
    assert_false(oc_keys_next(&k, 99 * MS, &in));
    oc_keys_feed(&k, "A", 1, 99 * MS);
    assert_true(oc_keys_next(&k, 99 * MS, &in));
    assert_int_equal(in.key, OC_KEY_UP);
    assert_int_equal(in.n_bytes, 3);
    assert_memory_equal(in.bytes, "\033[A", 3);
    oc_keys_release(&k);
}

static void test_mouse_focus_replies(void **state)
{
    (void)state;
    check("\033[<0;4;5M\033[<0;4;5m", "press0@3,4 release0@3,4");
    check("\033[<2;300;100M\033[<32;1;1M", "press2@299,99 drag0@0,0");
    check("\033[<64;10;10M\033[<65;10;10M", "up0@9,9 down1@9,9");
    check("\033[<16;1;1M", "press0@0,0/4");
    check("\033[<0;0;0M", "press0@0,0");
    check("\033[<;;M", "NONE");
    check("\033[M !!\033[M#!!", "press0@0,0 release3@0,0");
    check("\033[I\033[O", "focus1 focus0");
    check("\033[0n", "replyn0");
    check("\033[?2026;2$y\033[?62;22c\033[12;40R", "replyy2026 replyc62 replyR12");
    check("\033]11;rgb:00/00/00\007x", "reply]11 x");
    check("\033]11;rgb:00/00/00\033\\x", "reply]11 x");
    check("\033P1$r0m\033\\", "replyP1");
    check("\033]11;rgb\033[A", "reply]11 UP"); // broken off by a key
}

static void test_paste(void **state)
{
    (void)state;
    check("\033[200~two\nlines\033[201~q", "paste[two\nlines] q");
    check("\033[200~\033[201~", "paste[]");
    check("\033[200~a\033[Ab\033[20\033[201~", "paste[a\033[Ab\033[20]");
    check("\033[200~q\x03\033",
          "paste[q\x03]"); // no end: after a second of silence it is what came
    check("\033[201~", "NONE");

    oc_keys k = {0};
    oc_input in;
    static char big[OC_KEYS_PASTE_MAX + 100];
    memset(big, 'x', sizeof big);
    oc_keys_feed(&k, "\033[200~", 6, 0);
    for (size_t at = 0; at < sizeof big; at += 50) {
        oc_keys_feed(&k, big + at, OC_MIN(sizeof big - at, (size_t)50), 0);
        assert_false(oc_keys_next(&k, 0, &in));
        assert_true(k.in.len < 200); // a paste is not kept twice
    }
    oc_keys_feed(&k, "\033[201~", 6, 0);
    assert_true(oc_keys_next(&k, 0, &in));
    assert_int_equal(in.n_bytes, OC_KEYS_PASTE_MAX);
    assert_true(in.cut);
    oc_keys_feed(&k, "\033[200~y\033[201~", 13, 0);
    assert_true(oc_keys_next(&k, 0, &in));
    assert_int_equal(in.n_bytes, 1);
    assert_false(in.cut);
    oc_keys_release(&k);
}

static void test_endless(void **state)
{
    (void)state;
    oc_keys k = {0};
    oc_buf got = {0};
    char junk[5000];
    memset(junk, '1', sizeof junk);
    oc_keys_feed(&k, "\033[", 2, 0);
    oc_keys_feed(&k, junk, sizeof junk, 0);
    drain(&k, 0, &got); // a sequence of 5000 digits is none; the rest are keys
    assert_true(strncmp(oc_buf_cstr(&got), "NONE 1 1", 8) == 0);
    assert_int_equal(oc_keys_wait_ns(&k, 0), -1);
    oc_buf_clear(&got);
    oc_keys_feed(&k, "\033]", 2, 0);
    oc_keys_feed(&k, junk, sizeof junk, 0);
    drain(&k, 0, &got);
    assert_int_equal(oc_keys_wait_ns(&k, 0), -1);
    oc_buf_release(&got);
    oc_keys_release(&k);
}

static void test_no_memory(void **state)
{
    (void)state;
    const char *bytes = "\033[200~paste\033[201~abc\033[A";
    for (int64_t i = 1; i < 20; i++) {
        oc_keys k = {0};
        oc_input in;
        oc_alloc_fail_at(i);
        oc_keys_feed(&k, bytes, strlen(bytes), 0);
        while (oc_keys_next(&k, 5000 * MS, &in))
            assert_true(in.kind == OC_IN_KEY || in.kind == OC_IN_PASTE);
        bool all = oc_alloc_count() < i;
        oc_alloc_fail_at(0);
        oc_keys_feed(&k, "z", 1, 0); // and it goes on
        oc_buf got = {0};
        drain(&k, 5000 * MS, &got);
        assert_string_equal(oc_buf_cstr(&got), "z");
        oc_buf_release(&got);
        oc_keys_release(&k);
        if (all)
            return;
    }
    fail_msg("never enough memory");
}

static void test_pace(void **state)
{
    (void)state;
    oc_pace p;
    oc_pace_init(&p, 0, false);
    assert_int_equal(oc_pace_wait_ns(&p, 0, false), 0);
    assert_null(oc_pace_tail(&p));
    oc_pace_sent(&p, 1000 * MS, false);
    assert_int_equal(oc_pace_wait_ns(&p, 1030 * MS, false), 70 * MS); // 10 a second
    assert_int_equal(oc_pace_wait_ns(&p, 1030 * MS, true), 0);        // keys at once
    oc_pace_init(&p, 2, false);
    oc_pace_sent(&p, 0, false);
    assert_int_equal(oc_pace_wait_ns(&p, 0, false), 500 * MS);

    oc_pace_init(&p, 0, true); // over ssh: 4 a second, and the next waits for the answer
    assert_string_equal(oc_pace_tail(&p), "\033[5n");
    oc_pace_sent(&p, 0, true);
    assert_int_equal(oc_pace_wait_ns(&p, 300 * MS, false), 1700 * MS);
    assert_int_equal(oc_pace_wait_ns(&p, 300 * MS, true), 0);
    oc_pace_answer(&p);
    assert_int_equal(oc_pace_wait_ns(&p, 300 * MS, false), 0);
    assert_int_equal(oc_pace_wait_ns(&p, 100 * MS, false), 150 * MS);
    for (int i = 0; i < OC_PACE_KEYS_AHEAD; i++) {
        assert_int_equal(oc_pace_wait_ns(&p, 1000 * MS, true), 0);
        oc_pace_sent(&p, 1000 * MS, true);
    }
    assert_true(oc_pace_wait_ns(&p, 1000 * MS, true) >
                0); // nobody types into a stuck line for ever
    assert_true(oc_pace_owed(&p));
    assert_int_equal(oc_pace_wait_ns(&p, 3000 * MS, true), 0);
    assert_false(oc_pace_owed(&p));

    oc_pace_init(&p, 0, true); // one that never answers is asked twice
    for (int i = 0; i < 2; i++) {
        assert_non_null(oc_pace_tail(&p));
        oc_pace_sent(&p, i * 3000 * MS, true);
        assert_int_equal(oc_pace_wait_ns(&p, (i + 1) * 3000 * MS, false), 0);
    }
    assert_null(oc_pace_tail(&p));
}

static void test_pager(void **state)
{
    (void)state;
    oc_pager p = {0};
    oc_canvas c;
    oc_buf text = {0}, shown = {0};
    assert_int_equal(oc_canvas_init(&c, 40, 12, OC_GLYPHS_ASCII, OC_COLORS_NONE, NULL), OC_OK);
    for (int i = 1; i <= 30; i++)
        oc_buf_fmt(&text, "line %d\n", i);
    oc_pager_show(&p, "show", oc_buf_cstr(&text), false);
    assert_true(p.open);
    oc_rect area = {0, 0, 40, 12};
    oc_pager_draw(&p, &c, area);
    assert_int_equal(p.total, 30);
    assert_int_equal(p.page, 10);
    oc_pager_key(&p, OC_KEY_PGDN);
    assert_int_equal(p.top, 9);
    oc_pager_key(&p, 'G');
    assert_int_equal(p.top, 20);
    oc_pager_key(&p, OC_KEY_DOWN);
    assert_int_equal(p.top, 20);
    oc_canvas_clear(&c);
    oc_pager_draw(&p, &c, area);
    oc_canvas_text(&c, &shown);
    assert_non_null(strstr(oc_buf_cstr(&shown), "line 30"));
    assert_null(strstr(oc_buf_cstr(&shown), "line 20 "));
    assert_non_null(strstr(oc_buf_cstr(&shown), "21-30 of 30"));
    oc_pager_key(&p, OC_KEY_HOME);
    oc_pager_key(&p, OC_KEY_UP);
    assert_int_equal(p.top, 0);
    oc_pager_key(&p, OC_KEY_ESC);
    assert_false(p.open);
    // Wrapped at blanks, wide characters and tabs counted as they are shown; any size survives.
    oc_pager_show(
        &p, "t",
        "aaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbb\n\n\tx\n世世世世世世世世世世世世世世世世世世世世",
        true);
    oc_canvas_clear(&c);
    oc_pager_draw(&p, &c, area);
    assert_int_equal(p.total, 6);
    for (int32_t w = 0; w <= 40; w++)
        for (int32_t h = 0; h <= 12; h++)
            oc_pager_draw(&p, &c, (oc_rect){0, 0, w, h});
    oc_pager_release(&p);
    oc_canvas_release(&c);
    oc_buf_release(&text);
    oc_buf_release(&shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),      cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_escape),    cmocka_unit_test(test_mouse_focus_replies),
        cmocka_unit_test(test_paste),     cmocka_unit_test(test_endless),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_pace),
        cmocka_unit_test(test_pager),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
