/* core/data/csv: RFC 4180 to the letter, bad records by line, and the real tables at hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/data/csv.h"

static oc_csv *open_n(const char *s, size_t n, char delimiter)
{
    char *copy = oc_alloc(n + 1);
    assert_non_null(copy);
    memcpy(copy, s, n);
    copy[n] = 0;
    oc_csv *c = NULL;
    assert_int_equal(oc_csv_new(copy, n, "t.csv", delimiter, &c, NULL), OC_OK);
    return c;
}

static oc_csv *open_text(const char *s)
{
    return open_n(s, strlen(s), ',');
}

/* All records as "line:field|field;..." and, for a bad one, "!message;". */
static const char *dump_csv(oc_csv *c)
{
    static oc_buf b;
    oc_buf_clear(&b);
    oc_buf_str(&b, "");
    for (;;) {
        oc_csv_row row;
        int got = -1;
        oc_err e = {0};
        if (oc_csv_next(c, &row, &got, &e) != OC_OK) {
            oc_buf_fmt(&b, "!%s;", e.msg);
            continue;
        }
        if (!got)
            break;
        oc_buf_fmt(&b, "%lld:", (long long)row.line);
        for (int64_t i = 0; i < row.n; i++)
            oc_buf_fmt(&b, "%s%s", i ? "|" : "", row.field[i]);
        oc_buf_ch(&b, ';');
    }
    oc_csv_free(c);
    static char out[4096];
    snprintf(out, sizeof out, "%s", oc_buf_cstr(&b));
    oc_buf_release(&b);
    return out;
}

#define READS(text, want) assert_string_equal(dump_csv(open_text(text)), want)

static void reads_plain_records(void **state)
{
    (void)state;
    READS("", "");
    READS("a", "1:a;");
    READS("a,b\n1,2\n", "1:a|b;2:1|2;");
    READS("a,b\r\n1,2\r\n", "1:a|b;2:1|2;");
    READS("a,b\r1,2\r", "1:a|b;2:1|2;");
    READS("a,b\n1,2", "1:a|b;2:1|2;");
    READS(",\n,", "1:|;2:|;");
    READS("a,,c,\n", "1:a||c|;");
    READS(" a , b \n", "1: a | b ;");
}

static void reads_quoted_fields(void **state)
{
    (void)state;
    READS("\"a\",\"b\"\n", "1:a|b;");
    READS("\"\"\n", "1:;");
    READS("\"\",\"\"", "1:|;");
    READS("\"a,b\",c\n", "1:a,b|c;");
    READS("\"say \"\"no\"\"\",\"\"\"\"\n", "1:say \"no\"|\";");
    READS("x,\"a\nb\"\ny,z\n", "1:x|a\nb;3:y|z;");
    READS("x,\"a\r\nb\"\r\ny,z\r\n", "1:x|a\r\nb;3:y|z;");
    READS("\"a\n\n\nb\"\n\"c\"", "1:a\n\n\nb;5:c;");
    // a quote inside an unquoted field is a character
    READS("5\" tall,b\n", "1:5\" tall|b;");
    READS(" \"a\",b\n", "1: \"a\"|b;");
}

static void passes_over_bom_and_empty_lines(void **state)
{
    (void)state;
    READS("\xef\xbb\xbf"
          "id,text\n1,x\n",
          "1:id|text;2:1|x;");
    READS("\xef\xbb\xbf\"id\",text\n", "1:id|text;");
    READS("\n\na,b\n\n1,2\n\n\r\n3,4\n\n", "3:a|b;5:1|2;8:3|4;");
    READS("\xef\xbb\xbf", "");
    assert_string_equal(dump_csv(open_n("a\tb,c\n\"d\te\"\tf\n", 14, '\t')), "1:a|b,c;2:d\te|f;");
}

static void bad_records_name_their_line_and_reading_goes_on(void **state)
{
    (void)state;
    READS("a,b\n\"x\"y,2\n3,4\n", "1:a|b;!t.csv:2: bytes after a closing quote;3:3|4;");
    READS("a,b\n\"x\n\"y,2\n3,4\n", "1:a|b;!t.csv:3: bytes after a closing quote;4:3|4;");
    READS("a,b\n1,\"open\n3,4\n", "1:a|b;!t.csv:2: a quoted field that is never closed;3:3|4;");
    READS("\"", "!t.csv:1: a quoted field that is never closed;");
    READS("a\n\"b\n\xff\"\nc\n", "1:a;!t.csv:3: bytes that are not UTF-8;4:c;");
    READS("a\nb\xc3\nc", "1:a;!t.csv:2: bytes that are not UTF-8;3:c;");
    assert_string_equal(dump_csv(open_n("a\nb\0c\nd\n", 8, ',')), "1:a;!t.csv:2: a NUL byte;3:d;");
    assert_string_equal(dump_csv(open_n("a\n\"\nb\0c\"\nd\n", 11, ',')),
                        "1:a;!t.csv:3: a NUL byte;4:d;");
}

static void no_message_holds_text(void **state)
{
    (void)state;
    const char *out = dump_csv(open_text("id,text\n1,\"secret\" secret\n2,\"secret"));
    assert_null(strstr(out, "secret"));
}

/* Cut anywhere, the reader ends, and what it reads before the cut is what it read before. */
static void survives_every_cut(void **state)
{
    (void)state;
    const char *s =
        "\xef\xbb\xbfid,\"te\"\"xt\"\r\n1,\"a\r\n\"\"b\"\"\"\r\n\"2\",caf\xc3\xa9\n\n3,\"\"\n";
    for (size_t n = 0; n <= strlen(s); n++) {
        const char *out = dump_csv(open_n(s, n, ','));
        if (n >= 17)
            assert_memory_equal(out, "1:id|te\"xt;", 11);
    }
}

static void memory_running_out(void **state)
{
    (void)state;
    for (int at = 1;; at++) {
        oc_err e = {0};
        char *copy = oc_strdup("a,b\n1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18\n");
        assert_non_null(copy);
        oc_csv *c = NULL;
        oc_alloc_fail_at(at);
        oc_status st = oc_csv_new(copy, strlen(copy), "t.csv", ',', &c, &e);
        oc_csv_row row;
        int got = 1;
        while (st == OC_OK && got)
            st = oc_csv_next(c, &row, &got, &e);
        oc_alloc_fail_at(0);
        oc_csv_free(c);
        if (st == OC_OK) {
            assert_true(at > 3);
            return;
        }
        assert_int_equal(st, OC_NOMEM);
        assert_int_equal(e.status, OC_NOMEM);
    }
}

/* --- real tables --------------------------------------------------------------------------- */

static const char *shared_file(const char *name)
{
    static char path[OC_PATH_MAX];
    const char *dir = getenv("OC_SHARED_DATA");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "../shared/data", name);
    return path;
}

/* Rows after the header, all of which must have its number of fields. */
static void expect_rows(const char *name, int64_t fields, int64_t rows)
{
    char *data = NULL;
    size_t n = 0;
    oc_csv *c = NULL;
    assert_int_equal(oc_file_read(shared_file(name), (size_t)1 << 30, &data, &n, NULL), OC_OK);
    assert_int_equal(oc_csv_new(data, n, name, ',', &c, NULL), OC_OK);
    int64_t seen = -1;
    for (int got = 1;; seen++) {
        oc_csv_row row;
        oc_err e = {0};
        oc_status st = oc_csv_next(c, &row, &got, &e);
        if (st != OC_OK)
            fail_msg("%s", e.msg);
        if (!got)
            break;
        assert_int_equal(row.n, fields);
    }
    oc_csv_free(c);
    assert_int_equal(seen, rows);
}

static void reads_published_tables(void **state)
{
    (void)state;
    if (!oc_path_exists(shared_file("mts-dialog/MTS-Dialog-TrainingSet.csv"))) {
        print_message("skipped: %s is not there\n", shared_file("mts-dialog"));
        skip();
    }
    expect_rows("mts-dialog/MTS-Dialog-TrainingSet.csv", 4, 1201);
    expect_rows("mts-dialog/MTS-Dialog-ValidationSet.csv", 4, 100);
    expect_rows("mts-dialog/MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv", 4, 200);
    expect_rows("mts-dialog/MTS-Dialog-TestSet-2-MEDIQA-Sum-2023.csv", 4, 200);
    expect_rows("mtsamples/mtsamples.csv", 8, 4999);
    expect_rows("mtsamples/mtsamples_12_single_label.csv", 4, 1400);
    expect_rows("medical-abstracts-tc/medical_tc_test.csv", 2, 2888);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_records),
        cmocka_unit_test(reads_quoted_fields),
        cmocka_unit_test(passes_over_bom_and_empty_lines),
        cmocka_unit_test(bad_records_name_their_line_and_reading_goes_on),
        cmocka_unit_test(no_message_holds_text),
        cmocka_unit_test(survives_every_cut),
        cmocka_unit_test(memory_running_out),
        cmocka_unit_test(reads_published_tables),
    };
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
