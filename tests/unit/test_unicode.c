/*
 * tests/unit/test_unicode.c - character classes, folding and width.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/text/unicode.h"

static void ascii_classes(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x80; c++) {
        bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        bool control = (c < 0x20 || c == 0x7f) && !space;
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        assert_int_equal(oc_u_is_space(c), space);
        assert_int_equal(oc_u_is_control(c), control);
        assert_int_equal(oc_u_is_punct(c), !space && !control && !alnum);
        assert_int_equal(oc_u_is_upper(c), c >= 'A' && c <= 'Z');
        assert_int_equal(oc_u_lower(c), c >= 'A' && c <= 'Z' ? c + 32 : c);
        assert_false(oc_u_is_cjk(c));
    }
}

static void other_classes(void **state)
{
    (void)state;
    static const uint32_t spaces[] = {0xa0, 0x1680, 0x2000, 0x2009, 0x202f, 0x205f, 0x3000};
    static const uint32_t no_spaces[] = {0x85, 0x180e, 0x200b, 0x2028, 0x2029, 0xfeff};
    for (int i = 0; i < OC_COUNT(spaces); i++)
        assert_true(oc_u_is_space(spaces[i]));
    for (int i = 0; i < OC_COUNT(no_spaces); i++)
        assert_false(oc_u_is_space(no_spaces[i]));
    // Cc, Cf, Cs, Co, Cn
    static const uint32_t controls[] = {0x85,   0xad,   0x200d, 0xfeff,
                                        0xd800, 0xe000, 0x378,  0x10ffff};
    for (int i = 0; i < OC_COUNT(controls); i++)
        assert_true(oc_u_is_control(controls[i]));
    assert_false(oc_u_is_control(0xe9));
    assert_false(oc_u_is_control(0x2028));
    // Pd, Ps, Pi, Po, Pc; symbols and letters are none
    static const uint32_t puncts[] = {0x2014, 0x300c, 0x201c, 0xa7, 0x203f, 0xbf, 0x3002};
    static const uint32_t no_puncts[] = {0xb1, 0x20ac, 0xb0, 0x2192, 0xe9, 0x4e00, 0x1f600};
    for (int i = 0; i < OC_COUNT(puncts); i++)
        assert_true(oc_u_is_punct(puncts[i]));
    for (int i = 0; i < OC_COUNT(no_puncts); i++)
        assert_false(oc_u_is_punct(no_puncts[i]));
    assert_true(oc_u_is_upper(0xc9));
    assert_false(oc_u_is_upper(0xe9));
    assert_int_equal(oc_u_lower(0xc9), 0xe9);
    assert_int_equal(oc_u_lower(0x211d), 0x211d); // real numbers: upper-case without a small form
    assert_true(oc_u_is_upper(0x211d));
}

static void cjk_blocks(void **state)
{
    (void)state;
    static const uint32_t edge[][2] = {{0x4e00, 0x9fff},   {0x3400, 0x4dbf},   {0x20000, 0x2a6df},
                                       {0x2a700, 0x2b73f}, {0x2b740, 0x2b81f}, {0x2b820, 0x2ceaf},
                                       {0xf900, 0xfaff},   {0x2f800, 0x2fa1f}};
    for (int i = 0; i < OC_COUNT(edge); i++) {
        assert_true(oc_u_is_cjk(edge[i][0]));
        assert_true(oc_u_is_cjk(edge[i][1]));
    }
    static const uint32_t outside[] = {0x33ff,
                                       0x4dc0,
                                       0xa000,
                                       0xf8ff,
                                       0xfb00,
                                       0x1ffff,
                                       0x2a6e0,
                                       0x2ceb0,
                                       0x2f7ff,
                                       0x2fa20,
                                       0x3042 /* hiragana */,
                                       0xac00 /* hangul */};
    for (int i = 0; i < OC_COUNT(outside); i++)
        assert_false(oc_u_is_cjk(outside[i]));
}

static void assert_fold(const char *s, const char *want)
{
    oc_buf b = {0};
    oc_u_fold(s, strlen(s), &b);
    assert_string_equal(oc_buf_cstr(&b), want);
    oc_buf_release(&b);
}

static void folding(void **state)
{
    (void)state;
    assert_fold("", "");
    assert_fold("AbZ09 -", "abz09 -");
    assert_fold("\xc3\x89\xc3\xb1\xc3\x85", "ena");                      // É ñ Å
    assert_fold("e\xcc\x81\xcc\x82", "e");                               // stacked marks
    assert_fold("\xc4\xb0", "i");                                        // İ
    assert_fold("\xe1\xbb\xad\xe1\xbb\x87", "ue");                       // two marks in one letter
    assert_fold("\xe2\x84\xa6", "\xcf\x89");                             // ohm sign
    assert_fold("\xea\xb0\x81", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8"); // hangul falls apart
    assert_fold("\xc3\x9f", "\xc3\x9f");                                 // no full case folding
    assert_fold("\xef\xac\x81", "\xef\xac\x81");                         // no compatibility mapping
    // Final sigma: end of word, before and after what is passed over, alone, inside.
    assert_fold("\xce\x91\xce\xa3", "\xce\xb1\xcf\x82");
    assert_fold("\xce\xa3", "\xcf\x83");
    assert_fold("\xce\x91\xce\xa3\xce\x91", "\xce\xb1\xcf\x83\xce\xb1");
    assert_fold("\xce\x91'\xce\xa3.", "\xce\xb1'\xcf\x82.");
    assert_fold("\xce\x91\xce\xa3.\xce\x91", "\xce\xb1\xcf\x83.\xce\xb1");
    assert_fold("1\xce\xa3", "1\xcf\x83");
    // Marks that stay (Mc) come out in canonical order: U+1D165 (216) before U+302E (224).
    assert_fold("a\xe3\x80\xae\xf0\x9d\x85\xa5", "a\xf0\x9d\x85\xa5\xe3\x80\xae");
    assert_fold("\xff", "\xef\xbf\xbd");
}

static void fold_many_marks(void **state)
{
    (void)state;
    // More held-back marks than there is room for: order within the run is lost, nothing else is.
    oc_buf in = {0}, out = {0};
    oc_buf_str(&in, "a");
    for (int i = 0; i < 100; i++)
        oc_buf_str(&in, "\xe3\x80\xae");
    oc_buf_str(&in, "b");
    oc_u_fold(in.data, in.len, &out);
    assert_string_equal(out.data, in.data);
    oc_buf_release(&in);
    oc_buf_release(&out);
    // Memory that runs out is seen in the buffer.
    oc_alloc_fail_at(1);
    oc_u_fold("abc", 3, &out);
    oc_alloc_fail_at(0);
    assert_true(out.failed);
    oc_buf_release(&out);
}

static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x110010; cp++) {
        char s[4];
        size_t n = (size_t)oc_utf8_encode(cp, s);
        oc_buf b = {0};
        oc_u_fold(s, n, &b);
        assert_false(b.failed);
        assert_true(oc_utf8_valid(oc_buf_cstr(&b), b.len));
        assert_true(b.len <= 12 + 4);
        int w = oc_u_width(cp);
        assert_true(w >= 0 && w <= 2);
        // The classes exclude each other where BERT asks them in turn.
        assert_false(oc_u_is_control(cp) && oc_u_is_space(cp));
        assert_false(oc_u_is_control(cp) && oc_u_is_punct(cp));
        oc_buf_release(&b);
    }
}

static void width(void **state)
{
    (void)state;
    assert_int_equal(oc_u_width('a'), 1);
    assert_int_equal(oc_u_width(0), 0);
    assert_int_equal(oc_u_width('\n'), 0);
    assert_int_equal(oc_u_width(0x7f), 0);
    assert_int_equal(oc_u_width(0x301), 0);
    assert_int_equal(oc_u_width(0xe9), 1);
    assert_int_equal(oc_u_width(0x4e00), 2);
    assert_int_equal(oc_u_width(0x1f600), 2);
    assert_int_equal(oc_u_width(0x2588), 1);
    assert_int_equal(oc_u_width(0x28ff), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_classes),   cmocka_unit_test(other_classes),
        cmocka_unit_test(cjk_blocks),      cmocka_unit_test(folding),
        cmocka_unit_test(fold_many_marks), cmocka_unit_test(every_code_point),
        cmocka_unit_test(width),
    };
    return cmocka_run_group_tests_name("unicode", tests, NULL, NULL);
}
