/* core/base/json: strict reading, exact writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/str.h"

static oc_status parse(const char *s, oc_err *err)
{
    oc_json *j;
    oc_status rc = oc_json_parse(s, strlen(s), "x.json", &j, err);
    if (rc == OC_OK)
        oc_json_free(j);
    return rc;
}

static void refuses_what_is_not_json(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "01",
                                      "+1",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "nul",
                                      "'a'",
                                      "\"a",
                                      "\"\t\"",
                                      "\"\\x\"",
                                      "[1] x",
                                      "{\"a\":1 \"b\":2}",
                                      "\"\\ud800\"",
                                      "\"\\u0000\"",
                                      "\"\xff\"",
                                      "NaN",
                                      "{\"a\":1,\"a\":2}"};
    for (int i = 0; i < OC_COUNT(bad); i++) {
        oc_err e = {0};
        assert_int_equal(parse(bad[i], &e), OC_FORMAT);
        assert_non_null(strstr(e.msg, "x.json"));
    }
    oc_json *j;
    assert_int_equal(oc_json_parse("[\"\\\0\"]", 6, "x.json", &j, NULL), OC_FORMAT);
    oc_err e = {0};
    assert_int_equal(parse("{\"a\": 1,\n \"b\": 2.}", &e), OC_FORMAT);
    assert_non_null(strstr(e.msg, "x.json:2:"));
}

static void duplicate_keys_in_large_objects(void **state)
{
    (void)state;
    oc_buf b = {0};
    oc_buf_ch(&b, '{');
    for (int i = 0; i < 500; i++)
        oc_buf_fmt(&b, "\"k%d\": %d,", i, i);
    oc_buf_str(&b, "\"k77\": 0}");
    oc_err e = {0};
    assert_int_equal(parse(b.data, &e), OC_FORMAT);
    assert_non_null(strstr(e.msg, "k77"));
    oc_buf_release(&b);
}

static void reads_values(void **state)
{
    (void)state;
    const char *s =
        "{\"n\": 3, \"f\": 2.5, \"s\": \"h\\u00e9\\n\", \"t\": true, \"z\": null, \"l\": [1, 2, 3]}";
    oc_json *j;
    assert_int_equal(oc_json_parse(s, strlen(s), "x", &j, NULL), OC_OK);
    int64_t n;
    assert_true(oc_json_i64(oc_json_get(j, "n"), 0, 10, &n) && n == 3);
    assert_false(oc_json_i64(oc_json_get(j, "n"), 0, 2, &n));
    assert_false(oc_json_i64(oc_json_get(j, "f"), 0, 10, &n));
    assert_true(oc_json_num(oc_json_get(j, "f"), 0) == 2.5);
    assert_string_equal(oc_json_str(oc_json_get(j, "s"), ""), "h\xc3\xa9\n");
    assert_true(oc_json_bool(oc_json_get(j, "t"), false));
    assert_true(oc_json_is_null(oc_json_get(j, "z")));
    assert_false(oc_json_is_null(oc_json_get(j, "absent")));
    assert_string_equal(oc_json_str(oc_json_get(j, "absent"), "no"), "no");
    assert_int_equal(oc_json_count(oc_json_get(j, "l")), 3);
    oc_json_free(j);
}

static void writes_what_it_reads(void **state)
{
    (void)state;
    oc_buf b = {0};
    oc_jw w = {.out = &b, .nonfinite_words = true};
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "s", "a\"b\\\n\x01\xff");
    oc_jw_kf64(&w, "x", 0.1);
    oc_jw_kf64(&w, "nan", 0.0 / 0.0);
    oc_jw_key(&w, "l");
    oc_jw_open(&w, '[');
    oc_jw_i64(&w, INT64_C(-9007199254740991));
    oc_jw_f32(&w, 0.1f);
    oc_jw_null(&w);
    oc_jw_close(&w, ']');
    oc_jw_kbool(&w, "b", false);
    oc_jw_close(&w, '}');
    assert_string_equal(
        b.data, "{\"s\": \"a\\\"b\\\\\\n\\u0001\xef\xbf\xbd\", \"x\": 0.1, \"nan\": \"NaN\", "
                "\"l\": [-9007199254740991, 0.1, null], \"b\": false}");
    assert_int_equal(parse(b.data, NULL), OC_OK);
    oc_buf_release(&b);
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    const char *s = "{\"a\": [1, {\"b\": \"text\"}], \"c\": \"more\"}";
    for (int64_t n = 1; n < 100; n++) {
        oc_err e = {0};
        oc_alloc_fail_at(n);
        oc_status rc = parse(s, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK)
            return;
        assert_int_equal(rc, OC_NOMEM);
    }
    fail_msg("never succeeded");
}

static void conformance_suite(void **state)
{
    (void)state;
    const char *shared = getenv("OC_SHARED_DATA");
    char dir[OC_PATH_MAX];
    assert_int_equal(
        oc_path_join(dir, shared ? shared : "../shared/data", "json-test-suite/test_parsing", NULL),
        OC_OK);
    oc_strlist names = {0};
    if (oc_dir_list(dir, &names, NULL) != OC_OK) {
        print_message("skipped: %s is not here\n", dir);
        skip();
    }
    int yes = 0, no = 0;
    for (int64_t i = 0; i < names.n; i++) {
        char path[OC_PATH_MAX];
        assert_int_equal(oc_path_join(path, dir, names.item[i], NULL), OC_OK);
        oc_json *j;
        oc_err e = {0};
        oc_status rc = oc_json_read_file(path, 1 << 20, &j, &e);
        if (rc == OC_OK)
            oc_json_free(j);
        // We refuse two things the grammar allows: repeated keys and NUL inside strings.
        bool stricter = strstr(names.item[i], "duplicated_key") ||
                        strstr(names.item[i], "null_escape") ||
                        strstr(names.item[i], "escaped_null") ||
                        strstr(names.item[i], "y_string_escaped_control") ||
                        strstr(names.item[i], "nonCharacterInUTF-8_U+FFFF");
        if (names.item[i][0] == 'y' && rc != OC_OK && !stricter)
            fail_msg("%s: %s", names.item[i], e.msg);
        if (names.item[i][0] == 'n' && rc == OC_OK)
            fail_msg("%s was accepted", names.item[i]);
        yes += names.item[i][0] == 'y';
        no += names.item[i][0] == 'n';
    }
    assert_int_equal(yes, 95);
    assert_int_equal(no, 188);
    oc_strlist_release(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_json),
        cmocka_unit_test(duplicate_keys_in_large_objects),
        cmocka_unit_test(reads_values),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(survives_every_failed_allocation),
        cmocka_unit_test(conformance_suite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
