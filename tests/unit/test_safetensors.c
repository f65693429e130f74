/*
 * tests/unit/test_safetensors.c - the reference reader's cases, every rule by name, and writing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/io/safetensors.h"
#include "tests/unit/folder_testing.h"

static oc_err err;

/* A file of header and `n_data` bytes of data: 0, 1, 2, ... */
static const char *make_file(const char *header, size_t n_data)
{
    oc_buf b = {0};
    uint64_t n = strlen(header);
    oc_buf_add(&b, &n, sizeof n);
    oc_buf_str(&b, header);
    for (size_t i = 0; i < n_data; i++)
        oc_buf_ch(&b, (char)i);
    const char *path = in_folder("x.safetensors");
    assert_int_equal(oc_file_write(path, b.data, b.len, NULL), OC_OK);
    oc_buf_release(&b);
    return path;
}

static oc_st *open_ok(const char *path)
{
    oc_st *st = NULL;
    err = (oc_err){0};
    if (oc_st_open(path, &st, &err) != OC_OK)
        fail_msg("%s", err.msg);
    return st;
}

static void assert_refused_file(const char *path, const char *part)
{
    oc_st *st = NULL;
    err = (oc_err){0};
    assert_int_equal(oc_st_open(path, &st, &err), OC_FORMAT);
    assert_null(st);
    if (!strstr(err.msg, part))
        fail_msg("\"%s\" is not in \"%s\"", part, err.msg);
    if (!strstr(err.msg, "x.safetensors"))
        fail_msg("no file name in \"%s\"", err.msg);
}

static void assert_refused(const char *header, size_t n_data, const char *part)
{
    assert_refused_file(make_file(header, n_data), part);
}

static void assert_refused_bytes(const void *bytes, size_t n, const char *part)
{
    assert_int_equal(oc_file_write(in_folder("x.safetensors"), bytes, n, NULL), OC_OK);
    assert_refused_file(in_folder("x.safetensors"), part);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void reference_cases(void **state)
{
    (void)state;
    char dir[4000], path[4200];
    const char *env = getenv("OC_SHARED_DATA");
    snprintf(dir, sizeof dir, "%s/safetensors-cases", env ? env : "../shared/data");
    snprintf(path, sizeof path, "%s/expected.csv", dir);
    if (!oc_path_exists(path)) {
        printf("skipped: %s is not here\n", path);
        skip();
    }
    char *csv;
    size_t n;
    int n_cases = 0, n_ok = 0;
    assert_int_equal(oc_file_read(path, 1 << 16, &csv, &n, &err), OC_OK);
    for (char *line = strtok(strchr(csv, '\n'), "\n"); line; line = strtok(NULL, "\n"), n_cases++) {
        char *verdict = strchr(line, ',');
        *verdict++ = 0;
        bool want_ok = !strncmp(verdict, "ok,", 3);
        snprintf(path, sizeof path, "%s/%s", dir, line);
        oc_st *st = NULL;
        err = (oc_err){0};
        oc_status rc = oc_st_open(path, &st, &err);
        if ((rc == OC_OK) != want_ok)
            fail_msg("%s: expected %s, got \"%s\"", line, verdict, rc == OC_OK ? "ok" : err.msg);
        assert_int_equal(rc, want_ok ? OC_OK : OC_FORMAT);
        if (!want_ok)
            assert_non_null(strstr(err.msg, line));
        n_ok += want_ok;
        oc_st_close(st);
    }
    oc_free(csv);
    assert_int_equal(n_cases, 15);
    assert_int_equal(n_ok, 5);
}

static void tensors(void **state)
{
    (void)state;
    oc_st *st = open_ok(
        make_file("{\"b\": {\"dtype\": \"I8\", \"shape\": [3], \"data_offsets\": [24, 27]}, "
                  "\"__metadata__\": {\"k\": \"v\", \"format\": \"pt\"}, "
                  "\"a.weight\": {\"dtype\": \"F32\", \"shape\": [2, 3], "
                  "\"data_offsets\": [0, 24], \"other\": 1}, "
                  "\"e\": {\"dtype\": \"F16\", \"shape\": [5, 0], \"data_offsets\": [27, 27]}, "
                  "\"s\": {\"dtype\": \"U8\", \"shape\": [], \"data_offsets\": [27, 28]}}",
                  28));
    assert_int_equal(oc_st_count(st), 4);
    static const char *const order[] = {"a.weight", "b", "e", "s"};
    for (int i = 0; i < 4; i++)
        assert_string_equal(oc_st_at(st, i)->name, order[i]);
    const oc_tensor *t = oc_st_find(st, "a.weight");
    assert_ptr_equal(t, oc_st_at(st, 0));
    assert_int_equal(t->dtype, OC_DT_F32);
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->dim[0], 2);
    assert_int_equal(t->dim[1], 3);
    assert_int_equal(t->n, 6);
    assert_int_equal(t->bytes, 24);
    t = oc_st_find(st, "b");
    assert_int_equal(((const unsigned char *)t->data)[0], 24);
    assert_int_equal(((const unsigned char *)t->data)[2], 26);
    assert_int_equal(oc_st_find(st, "e")->n, 0);
    assert_int_equal(oc_st_find(st, "s")->n, 1);
    assert_null(oc_st_find(st, "c"));
    assert_null(oc_st_find(st, "__metadata__"));
    assert_string_equal(oc_st_meta(st, "k"), "v");
    assert_null(oc_st_meta(st, "x"));
    oc_st_close(st);
    st = open_ok(make_file("{\"__metadata__\": null}", 0));
    assert_int_equal(oc_st_count(st), 0);
    assert_null(oc_st_meta(st, "k"));
    assert_null(oc_st_find(st, "k"));
    oc_st_close(st);
    oc_st_close(NULL);
}

#define T(name, dtype, shape, from, to)                                                        \
    "\"" name "\": {\"dtype\": \"" dtype "\", \"shape\": " shape ", \"data_offsets\": [" #from \
    ", " #to "]}"

static void header_rules(void **state)
{
    (void)state;
    assert_refused_bytes("", 0, "has 0 bytes");
    assert_refused_bytes("\1\0\0\0\0\0\0", 7, "has 7 bytes");
    assert_refused_bytes("\1\0\0\0\0\0\0\0", 8, "only 0 follow");
    assert_refused_bytes("\x01\xe1\xf5\x05\0\0\0\0{}", 10, "at most 100000000");
    assert_refused_bytes("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "at most 100000000");
    assert_refused("", 0, "not JSON");
    assert_refused("[]", 0, "no JSON object");
    assert_refused("{", 0, "not JSON");
    assert_refused("{}{}", 0, "not JSON");
    assert_refused("{\"a\xff\": 1}", 0, "invalid UTF-8");
    assert_refused("{\"__metadata__\": []}", 0, "__metadata__");
    assert_refused("{\"__metadata__\": {\"k\": 1}}", 0, "\"k\" is no string");
    assert_refused("{" T("a", "U8", "[1]", 0, 1) ", " T("a", "U8", "[1]", 0, 1) "}", 1, "twice");
    assert_refused("{\"a\": 3}", 0, "tensor a is no JSON object");
}

static void tensor_rules(void **state)
{
    (void)state;
    assert_refused("{\"a\": {\"shape\": [1], \"data_offsets\": [0, 1]}}", 1,
                   "tensor a has no dtype");
    assert_refused("{" T("a", "F33", "[1]", 0, 1) "}", 1, "unknown dtype \"F33\"");
    assert_refused("{\"a\": {\"dtype\": \"U8\", \"data_offsets\": [0, 1]}}", 1,
                   "tensor a has no shape");
    assert_refused("{" T("a", "U8", "[-1]", 0, 1) "}", 1, "dimension 1 is no whole number");
    assert_refused("{" T("a", "U8", "[1, 1.5]", 0, 1) "}", 1, "dimension 2 is no whole number");
    assert_refused("{" T("a", "U8", "[\"1\"]", 0, 1) "}", 1, "dimension 1 is no whole number");
    assert_refused("{" T("a", "U8", "[1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1, "9 dimensions");
    assert_refused("{" T("a", "U8", "[4294967296, 4294967296]", 0, 1) "}", 1, "more elements");
    assert_refused("{" T("a", "U8", "[18446744073709551616]", 0, 1) "}", 1, "more elements");
    assert_refused("{" T("a", "U8", "[0, 18446744073709551616]", 0, 0) "}", 0, "more elements");
    assert_refused("{" T("a", "F64", "[4503599627370496, 512]", 0, 1) "}", 1, "more bytes");
    assert_refused("{" T("a", "F32", "[2]", 0, 4) "}", 4,
                   "has 4 bytes, but its shape and dtype need 8");
    assert_refused("{" T("a", "F4", "[3]", 0, 1) "}", 1, "need 2");
    assert_refused("{\"a\": {\"dtype\": \"U8\", \"shape\": [1]}}", 1, "data_offsets");
    assert_refused("{\"a\": {\"dtype\": \"U8\", \"shape\": [1], \"data_offsets\": [0]}}", 1,
                   "data_offsets");
    assert_refused("{" T("a", "U8", "[1]", 1, 0) "}", 1, "data_offsets");
    assert_refused("{" T("a", "U8", "[1]", -1, 0) "}", 1, "data_offsets");
    assert_refused("{" T("a", "U8", "[1]", 0.5, 1.5) "}", 1, "data_offsets");
    assert_refused("{" T("a", "U8", "[4]", 0, 4) "}", 3, "only 3");
    assert_refused("{" T("a", "U8", "[1]", 0, 1) ", " T("b", "U8", "[1]", 2, 3) "}", 3,
                   "a hole before it");
    assert_refused("{" T("a", "U8", "[2]", 0, 2) ", " T("b", "U8", "[2]", 1, 3) "}", 3, "overlaps");
    assert_refused("{" T("a", "U8", "[1]", 1, 2) "}", 2, "a hole before it");
    assert_refused("{" T("a", "U8", "[1]", 0, 1) "}", 2, "1 bytes follow the last tensor");
    assert_refused("{}", 1, "1 bytes follow");
}

static void other_files(void **state)
{
    (void)state;
    static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    static const char html[] = "\n  <!DOCTYPE html>\n<html><body>404</body></html>";
    static const char html2[] = "<HTML><head>";
    static const char zip[] = "PK\003\004aaaaaaaaaaaaaaaa";
    assert_refused_bytes(lfs, sizeof lfs - 1, "Git LFS pointer");
    assert_refused_bytes(html, sizeof html - 1, "web page");
    assert_refused_bytes(html2, sizeof html2 - 1, "web page");
    assert_refused_bytes("<html", 5, "web page");
    assert_refused_bytes(zip, sizeof zip - 1, "zip archive");
    assert_refused_bytes("\x80\x02\x8a\nl\xfc\x9c\x46\xf9", 9, "pickle");
    // A header of 640 bytes starts like a pickle, and is none.
    char header[641];
    memset(header, ' ', 640);
    header[640] = 0;
    memcpy(header, "{}", 2);
    oc_st_close(open_ok(make_file(header, 0)));
    oc_st *st = NULL;
    err = (oc_err){0};
    assert_int_equal(oc_st_open(in_folder("none"), &st, &err), OC_IO);
    assert_non_null(strstr(err.msg, "none"));
    err = (oc_err){0};
    assert_int_equal(oc_st_open(folder, &st, &err), OC_IO);
}

static void every_truncation(void **state)
{
    (void)state;
    char *data;
    size_t n;
    make_file("{" T("a", "F32", "[2, 1]", 0, 8) ", " T("b", "I8", "[3]", 8, 11) "}", 11);
    assert_int_equal(oc_file_read(in_folder("x.safetensors"), 1000, &data, &n, &err), OC_OK);
    for (size_t k = 0; k < n; k++) {
        oc_st *st = NULL;
        assert_int_equal(oc_file_write(in_folder("x.safetensors"), data, k, NULL), OC_OK);
        assert_int_equal(oc_st_open(in_folder("x.safetensors"), &st, NULL), OC_FORMAT);
    }
    oc_free(data);
}

static void f32_values(void **state)
{
    (void)state;
    static const uint16_t f16[] = {0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001,
                                   0x03ff, 0x0400, 0x7c00, 0xfc00, 0x7e00};
    static const double f16_want[] = {0,
                                      -0.0,
                                      1,
                                      -2,
                                      65504,
                                      0x1p-24,
                                      0x3ffp-24,
                                      0x1p-14,
                                      (double)INFINITY,
                                      -(double)INFINITY,
                                      (double)NAN};
    static const uint16_t bf16[] = {0x3f80, 0xc000, 0x7f80, 0x0001, 0x4049};
    static const float bf16_want[] = {1, -2, INFINITY, 0x1p-133f, 3.140625f};
    static const double f64[] = {1.5, 0.1, 1e300};
    static const float f32[] = {1.25f, -3};
    oc_st_out *o;
    assert_int_equal(oc_st_out_new(&o, &err), OC_OK);
    assert_int_equal(oc_st_out_add(o, "f16", OC_DT_F16, 1, (int64_t[]){11}, f16, &err), OC_OK);
    assert_int_equal(oc_st_out_add(o, "bf16", OC_DT_BF16, 1, (int64_t[]){5}, bf16, &err), OC_OK);
    assert_int_equal(oc_st_out_add(o, "f64", OC_DT_F64, 1, (int64_t[]){3}, f64, &err), OC_OK);
    assert_int_equal(oc_st_out_add(o, "f32", OC_DT_F32, 1, (int64_t[]){2}, f32, &err), OC_OK);
    assert_int_equal(oc_st_out_add(o, "i8", OC_DT_I8, 1, (int64_t[]){1}, "x", &err), OC_OK);
    assert_int_equal(oc_st_out_write(o, in_folder("f.safetensors"), NULL, &err), OC_OK);
    oc_st_out_free(o);
    oc_st *st = open_ok(in_folder("f.safetensors"));
    float v[16];
    assert_int_equal(oc_tensor_read_f32(oc_st_find(st, "f16"), v, &err), OC_OK);
    for (int i = 0; i < 11; i++) {
        assert_true(isnan(f16_want[i]) ? isnan(v[i]) : (double)v[i] == f16_want[i]);
        assert_int_equal(signbit(v[i]) != 0, signbit(f16_want[i]) != 0);
    }
    assert_int_equal(oc_tensor_read_f32(oc_st_find(st, "bf16"), v, &err), OC_OK);
    assert_memory_equal(v, bf16_want, sizeof bf16_want);
    assert_int_equal(oc_tensor_read_f32(oc_st_find(st, "f64"), v, &err), OC_OK);
    assert_true(v[0] == 1.5f && v[1] == 0.1f && isinf(v[2]));
    assert_int_equal(oc_tensor_read_f32(oc_st_find(st, "f32"), v, &err), OC_OK);
    assert_memory_equal(v, f32, sizeof f32);
    assert_int_equal(oc_tensor_read_f32(oc_st_find(st, "i8"), v, &err), OC_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "i8"));
    assert_non_null(strstr(err.msg, "I8"));
    oc_st_close(st);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_some(const char *path, int64_t *bytes)
{
    static const int8_t q[5] = {-127, 0, 1, 2, 127};
    static const float w[6] = {0, 1, 2, 3, 4, 5};
    static const int64_t big[1] = {-1};
    oc_st_out *o;
    assert_int_equal(oc_st_out_new(&o, &err), OC_OK);
    assert_int_equal(oc_st_out_meta(o, "format", "np", &err), OC_OK);
    assert_int_equal(oc_st_out_meta(o, "format", "pt", &err), OC_OK);
    assert_int_equal(oc_st_out_add(o, "q\"\xc3\xa9", OC_DT_I8, 1, (int64_t[]){5}, q, &err), OC_OK);
    assert_int_equal(oc_st_out_add(o, "w", OC_DT_F32, 2, (int64_t[]){2, 3}, w, &err), OC_OK);
    assert_int_equal(oc_st_out_add(o, "none", OC_DT_F32, 2, (int64_t[]){0, 3}, NULL, &err), OC_OK);
    assert_int_equal(oc_st_out_add(o, "one", OC_DT_I64, 0, NULL, big, &err), OC_OK);
    assert_int_equal(oc_st_out_write(o, path, bytes, &err), OC_OK);
    oc_st_out_free(o);
}

static void round_trip(void **state)
{
    (void)state;
    int64_t bytes = 0, again = 0;
    char a[4096], b[4096];
    snprintf(a, sizeof a, "%s", in_folder("a.safetensors"));
    snprintf(b, sizeof b, "%s", in_folder("b.safetensors"));
    write_some(a, &bytes);
    write_some(b, &again);
    assert_int_equal(bytes, oc_file_bytes(a));
    assert_int_equal(bytes, again);
    char *da, *db;
    size_t na, nb;
    assert_int_equal(oc_file_read(a, 10000, &da, &na, &err), OC_OK);
    assert_int_equal(oc_file_read(b, 10000, &db, &nb, &err), OC_OK);
    assert_int_equal(na, nb);
    assert_memory_equal(da, db, na); // same tensors, same bytes
    uint64_t header;
    memcpy(&header, da, 8);
    assert_int_equal(header % 8, 0);
    oc_free(da);
    oc_free(db);
    oc_st *st = open_ok(a);
    assert_int_equal(oc_st_count(st), 4);
    assert_string_equal(oc_st_meta(st, "format"), "pt");
    for (int32_t i = 0; i < 4; i++) {
        const oc_tensor *t = oc_st_at(st, i);
        assert_int_equal((uintptr_t)t->data % (uintptr_t)oc_dtype_bytes(t->dtype), 0); // aligned
    }
    const oc_tensor *q = oc_st_find(st, "q\"\xc3\xa9");
    assert_non_null(q);
    assert_int_equal(((const int8_t *)q->data)[0], -127);
    assert_int_equal(((const int8_t *)q->data)[4], 127);
    assert_true(((const float *)oc_st_find(st, "w")->data)[5] == 5.0f);
    assert_int_equal(oc_st_find(st, "one")->n_dims, 0);
    oc_st_close(st);
}

static void write_refusals(void **state)
{
    (void)state;
    oc_st_out *o;
    float x[2] = {0, 0};
    assert_int_equal(oc_st_out_new(&o, &err), OC_OK);
    assert_int_equal(oc_st_out_add(o, "a", OC_DT_OTHER, 1, (int64_t[]){1}, x, NULL),
                     OC_UNSUPPORTED);
    assert_int_equal(oc_st_out_add(o, "a", OC_DT_F32, 9, (int64_t[9]){1}, x, NULL), OC_SHAPE);
    assert_int_equal(oc_st_out_add(o, "a", OC_DT_F32, 1, (int64_t[]){-1}, x, NULL), OC_SHAPE);
    assert_int_equal(oc_st_out_add(o, "a", OC_DT_F32, 2, (int64_t[]){INT64_MAX, 2}, x, NULL),
                     OC_SHAPE);
    assert_int_equal(oc_st_out_add(o, "a", OC_DT_F32, 1, (int64_t[]){1}, x, NULL), OC_OK);
    err = (oc_err){0};
    assert_int_equal(oc_st_out_write(o, in_folder("no/such/x"), NULL, &err), OC_IO);
    assert_non_null(strstr(err.msg, "no/such/x"));
    assert_int_equal(oc_st_out_add(o, "a", OC_DT_F32, 1, (int64_t[]){1}, x, NULL), OC_OK);
    err = (oc_err){0};
    assert_int_equal(oc_st_out_write(o, in_folder("dup"), NULL, &err), OC_STATE);
    assert_non_null(strstr(err.msg, "tensor name a"));
    assert_false(oc_path_exists(in_folder("dup")));
    oc_st_out_free(o);
    oc_st_out_free(NULL);
    assert_string_equal(oc_dtype_name(OC_DT_BF16), "BF16");
    assert_int_equal(oc_dtype_bytes(OC_DT_F64), 8);
    assert_int_equal(oc_dtype_bytes(OC_DT_OTHER), 0);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void read_out_of_memory(void **state)
{
    (void)state;
    const char *path =
        make_file("{\"__metadata__\": {\"k\": \"v\"}, " T("a", "F32", "[2, 1]", 0,
                                                          8) ", " T("b", "I8", "[3]", 8, 11) "}",
                  11);
    int64_t k = 1;
    for (;; k++) {
        oc_st *st = NULL;
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_st_open(path, &st, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            oc_st_close(st);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(e.status, OC_NOMEM);
        assert_null(st);
    }
    assert_true(k > 10);
}

static oc_status write_once(oc_err *e)
{
    oc_st_out *o = NULL;
    oc_status rc = oc_st_out_new(&o, e);
    if (rc == OC_OK)
        rc = oc_st_out_meta(o, "format", "pt", e);
    if (rc == OC_OK)
        rc = oc_st_out_meta(o, "format", "pt", e);
    if (rc == OC_OK)
        rc = oc_st_out_add(o, "a", OC_DT_U8, 1, (int64_t[]){3}, "abc", e);
    if (rc == OC_OK)
        rc = oc_st_out_write(o, in_folder("oom.safetensors"), NULL, e);
    oc_st_out_free(o);
    return rc;
}

static void write_out_of_memory(void **state)
{
    (void)state;
    int64_t k = 1;
    for (;; k++) {
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = write_once(&e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK)
            break;
        assert_int_equal(rc, OC_NOMEM);
        assert_false(oc_path_exists(in_folder("oom.safetensors")));
    }
    assert_true(k > 6);
    oc_st_close(open_ok(in_folder("oom.safetensors")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_cases),     cmocka_unit_test(tensors),
        cmocka_unit_test(header_rules),        cmocka_unit_test(tensor_rules),
        cmocka_unit_test(other_files),         cmocka_unit_test(every_truncation),
        cmocka_unit_test(f32_values),          cmocka_unit_test(round_trip),
        cmocka_unit_test(write_refusals),      cmocka_unit_test(read_out_of_memory),
        cmocka_unit_test(write_out_of_memory),
    };
    return cmocka_run_group_tests_name("safetensors", tests, make_folder, remove_folder);
}
