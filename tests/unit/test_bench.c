/* tests/bench/results: ratios, means, the file between slices, and the table of the benchmark. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "tests/bench/results.h"

/* A row: ours, then up to two peers; 0 = none. */
static result row(const char *part, const char *precision, double ours, double torch, double ort)
{
    result r = {.threads = 1, .batch = 8, .length = 128, .notes = 8};
    static const char *const who[] = {"optimclm 0.1, ref kernels", "PyTorch 1", "ONNX Runtime 2"};
    double ms[] = {ours, torch, ort};
    oc_strlcpy(r.part, part, sizeof r.part);
    oc_strlcpy(r.model, "bert-tiny", sizeof r.model);
    oc_strlcpy(r.precision, precision, sizeof r.precision);
    oc_strlcpy(r.cpu, "a CPU", sizeof r.cpu);
    for (int i = 0; i < 3; i++)
        if (ms[i] > 0) {
            result_time *t = &r.t[r.n++];
            *t = (result_time){.median = ms[i], .p25 = ms[i], .p75 = ms[i], .runs = 5};
            oc_strlcpy(t->who, who[i], sizeof t->who);
            oc_strlcpy(t->variant, i ? "plain" : "ours", sizeof t->variant);
        }
    return r;
}

static void ratios_are_of_medians(void **state)
{
    (void)state;
    result r = row("fixed", "f32", 10, 40, 15);
    assert_string_equal(result_best_peer(&r)->who, "ONNX Runtime 2");
    assert_true(result_ratio(&r) == 1.5);
    r.t[3] = r.t[1]; // another variant of PyTorch is the best of all
    r.t[3].median = 5;
    r.n = 4;
    assert_true(result_ratio(&r) == 0.5);
    r = row("fixed", "f32", 10, 0, 0);
    assert_null(result_best_peer(&r));
    assert_true(isnan(result_ratio(&r)));
}

static void spread_is_that_of_ours_or_of_the_best_peer(void **state)
{
    (void)state;
    result r = row("fixed", "f32", 10, 40, 15);
    assert_true(result_spread(&r) == 0);
    r.t[1].p75 = 80; // a slow peer's noise does not matter
    assert_true(result_spread(&r) == 0);
    r.t[2].p75 = 16.5;
    assert_true(fabs(result_spread(&r) - 0.1) < 1e-12);
    r.t[0].p25 = 8;
    assert_true(fabs(result_spread(&r) - 0.2) < 1e-12);
}

static void add(results *all, result r)
{
    assert_int_equal(results_add(all, &r, NULL), OC_OK);
}

static void means_are_geometric(void **state)
{
    (void)state;
    results all = {0};
    int64_t n;
    assert_true(isnan(results_mean(&all, "f32", false, &n)));
    assert_int_equal(n, 0);
    add(&all, row("fixed", "f32", 10, 0, 40)); // 4
    add(&all, row("notes", "f32", 10, 0, 10)); // 1
    add(&all, row("fixed", "int8", 10, 0, 5)); // 0.5
    add(&all, row("train", "f32", 10, 30, 0)); // 3
    add(&all, row("sorted", "f32", 10, 0, 0)); // no peer: not in it
    assert_true(fabs(results_mean(&all, "f32", false, &n) - 2) < 1e-12);
    assert_int_equal(n, 2);
    assert_true(fabs(results_mean(&all, "int8", false, &n) - 0.5) < 1e-12);
    assert_true(fabs(results_mean(&all, "f32", true, &n) - 3) < 1e-12);
    assert_int_equal(n, 1);
    results_release(&all);
}

static void rows_survive_the_file(void **state)
{
    (void)state;
    result r = row("fixed", "f32", 0.1, 1.0 / 3, 7), back;
    r.t[0].p25 = 0.09;
    oc_strlcpy(r.disturbed, "other \"processes\"", sizeof r.disturbed);
    oc_buf line = {0};
    result_write(&r, &line);
    assert_int_equal(line.data[line.len - 1], '\n');
    assert_int_equal(result_parse(line.data, line.len - 1, "x", &back, NULL), OC_OK);
    assert_memory_equal(&r, &back, sizeof r);
    oc_buf_release(&line);
}

static void what_is_no_row(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "[1]",
        "{\"part\":\"fixed\"",
        "{\"part\":\"p\",\"model\":\"m\",\"precision\":\"f32\",\"threads\":1,\"batch\":1,\"length\":1,\"notes\":1,\"times\":[]}",
        "{\"part\":\"p\",\"model\":\"m\",\"precision\":\"f32\",\"threads\":1,\"batch\":1,\"length\":1,\"notes\":1,"
        "\"times\":[{\"who\":\"optimclm\",\"median_ms\":-1,\"runs\":1}]}",
        "{\"part\":\"p\",\"model\":\"m\",\"precision\":\"f32\",\"threads\":1,\"batch\":1,\"length\":1,\"notes\":1,"
        "\"times\":[{\"who\":\"PyTorch\",\"median_ms\":1,\"runs\":1}]}",
        "{\"part\":\"p\",\"model\":\"m\",\"precision\":\"f32\",\"threads\":0,\"batch\":1,\"length\":1,\"notes\":1,"
        "\"times\":[{\"who\":\"optimclm\",\"median_ms\":1,\"runs\":1}]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        result r;
        oc_err e = {0};
        assert_int_equal(result_parse(bad[i], strlen(bad[i]), "rows:7", &r, &e), OC_FORMAT);
        assert_non_null(strstr(e.msg, "rows:7"));
    }
}

/* Slices append; a row measured again takes the older one's place. */
static void a_file_of_slices(void **state)
{
    (void)state;
    char path[] = "/tmp/oc-rows-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    oc_buf text = {0};
    result a = row("fixed", "f32", 10, 0, 5), b = row("fixed", "int8", 10, 0, 20);
    result_write(&a, &text);
    result_write(&b, &text);
    oc_buf_ch(&text, '\n'); // an empty line is nothing
    a.t[1].median = 40;
    result_write(&a, &text);
    assert_int_equal(oc_file_write(path, text.data, text.len, NULL), OC_OK);
    results all = {0};
    assert_int_equal(results_read(path, &all, NULL), OC_OK);
    assert_int_equal(all.n, 2);
    assert_true(result_ratio(&all.r[0]) == 4 && result_ratio(&all.r[1]) == 2);
    results_release(&all);

    oc_buf_str(&text, "{\"part\":");
    assert_int_equal(oc_file_write(path, text.data, text.len, NULL), OC_OK);
    oc_err e = {0};
    assert_int_equal(results_read(path, &all, &e), OC_FORMAT);
    assert_non_null(strstr(e.msg, ":5"));
    results_release(&all);
    oc_buf_release(&text);
    unlink(path);
}

static void the_table(void **state)
{
    (void)state;
    results all = {0};
    oc_buf out = {0};
    result noisy = row("fixed", "int8", 10, 0, 5);
    noisy.t[0].p75 = 12;
    add(&all, row("fixed", "f32", 10, 40, 15));
    add(&all, noisy);
    result real = row("notes", "f32", 10, 0, 9);
    real.length = 0;
    oc_strlcpy(real.disturbed, "other processes keep 1.00 CPUs busy", sizeof real.disturbed);
    add(&all, real);
    results_print(&all, &out);
    static const char want[] =
        "a CPU; ms, medians of interleaved runs\n"
        "  ours: optimclm 0.1, ref kernels\n"
        "  PyTorch 1\n"
        "  ONNX Runtime 2\n"
        "part        model       prec thr batch length      ours PyTorch 1             ONNX Runt               ratio  spread\n"
        "fixed       bert-tiny   f32    1     8    128    10.000    40.000 plain          15.000 plain         1.50x   0.0 %\n"
        "fixed       bert-tiny   int8   1     8    128    10.000         -                 5.000 plain         0.50x  20.0 % noisy\n"
        "notes       bert-tiny   f32    1     8   real    10.000         -                 9.000 plain         0.90x   0.0 % disturbed\n"
        "geometric mean of the ratios, f32: 1.16x over 2 rows\n"
        "geometric mean of the ratios, int8: 0.50x over 1 row\n"
        "rows below 1: 2 of 3\n"
        "  fixed bert-tiny int8, 1 thread, batch 8, length 128: 0.50x (not to be trusted)\n"
        "  notes bert-tiny f32, 1 thread, batch 8, real lengths: 0.90x (not to be trusted)\n"
        "not to be trusted: 1 noisy rows (the middle half of the runs spreads by more than 10 %), 1 measured while the machine had other work\n";
    assert_string_equal(oc_buf_cstr(&out), want);
    oc_buf_release(&out);
    results_release(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ratios_are_of_medians),
        cmocka_unit_test(spread_is_that_of_ours_or_of_the_best_peer),
        cmocka_unit_test(means_are_geometric),
        cmocka_unit_test(rows_survive_the_file),
        cmocka_unit_test(what_is_no_row),
        cmocka_unit_test(a_file_of_slices),
        cmocka_unit_test(the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
