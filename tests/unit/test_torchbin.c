/*
 * tests/unit/test_torchbin.c - files PyTorch wrote (tests/torch) against what PyTorch says is in
 * them, damaged at every byte; and what we write, read by us and by PyTorch where it is here.
 */
#define _GNU_SOURCE // memmem
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/io/torchbin.h"
#include "tests/unit/folder_testing.h"

#define PYTHON "/usr/bin/python3"

static oc_err err;

static const char *fixture(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "tests/torch/%s", name);
    return path;
}

static oc_tb *open_ok(const char *path)
{
    oc_tb *tb = NULL;
    err = (oc_err){0};
    if (oc_tb_open(path, &tb, &err) != OC_OK)
        fail_msg("%s", err.msg);
    return tb;
}

static void refused(const char *path, oc_status want, const char *part)
{
    oc_tb *tb = NULL;
    err = (oc_err){0};
    oc_status rc = oc_tb_open(path, &tb, &err);
    if (rc != want || tb || !strstr(err.msg, part) || !strstr(err.msg, oc_path_base(path)))
        fail_msg("%s: status %d, \"%s\"; \"%s\" was expected", path, (int)rc, err.msg, part);
}

static void refused_bytes(const void *p, size_t n, oc_status want, const char *part)
{
    assert_int_equal(oc_file_write(in_folder("x.bin"), p, n, NULL), OC_OK);
    refused(in_folder("x.bin"), want, part);
}

static const oc_tensor *find(const oc_tb *tb, const char *name)
{
    for (int32_t i = 0; i < oc_tb_count(tb); i++)
        if (!strcmp(oc_tb_at(tb, i)->name, name))
            return oc_tb_at(tb, i);
    fail_msg("no tensor %s", name);
    return NULL;
}

/* --- what PyTorch wrote ----------------------------------------------------------------------- */

static void assert_shape(const oc_tensor *t, const char *shape)
{
    char text[128] = "";
    int64_t n = 1;
    for (int32_t d = 0; d < t->n_dims; d++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%lld", d ? "x" : "",
                 (long long)t->dim[d]);
        n *= t->dim[d];
    }
    assert_string_equal(text, shape);
    assert_int_equal(t->n, n);
    assert_int_equal(t->bytes, n * oc_dtype_bytes(t->dtype));
}

static void assert_hex(const oc_tensor *t, const char *hex)
{
    assert_int_equal(strlen(hex), 2 * t->bytes);
    for (int64_t i = 0; i < t->bytes; i++) {
        char pair[3];
        snprintf(pair, sizeof pair, "%02x", ((const unsigned char *)t->data)[i]);
        assert_memory_equal(pair, hex + 2 * i, 2);
    }
}

/* Each row of expected.csv: file,tensor,dtype,shape,bytes; rows of a file in its order. */
static void as_pytorch_says(void **state)
{
    (void)state;
    char *csv, *save = NULL;
    size_t n;
    oc_tb *tb = NULL;
    char last[64] = "";
    int32_t i = 0, n_files = 0;
    assert_int_equal(oc_file_read(fixture("expected.csv"), 1 << 20, &csv, &n, &err), OC_OK);
    strtok_r(csv, "\n", &save);
    for (char *line = strtok_r(NULL, "\n", &save); line; line = strtok_r(NULL, "\n", &save), i++) {
        char *f[5] = {line};
        for (int k = 1; k < 5; k++) {
            f[k] = strchr(f[k - 1], ',') + 1;
            f[k][-1] = 0;
        }
        if (strcmp(last, f[0]) != 0) {
            if (tb)
                assert_int_equal(oc_tb_count(tb), i);
            oc_tb_close(tb);
            tb = open_ok(fixture(f[0]));
            snprintf(last, sizeof last, "%s", f[0]);
            i = 0;
            n_files++;
        }
        assert_true(i < oc_tb_count(tb));
        const oc_tensor *t = oc_tb_at(tb, i);
        assert_string_equal(t->name, f[1]);
        assert_string_equal(oc_dtype_name(t->dtype), f[2]);
        assert_shape(t, f[3]);
        assert_hex(t, f[4]);
    }
    assert_int_equal(oc_tb_count(tb), i);
    oc_tb_close(tb);
    oc_tb_close(NULL);
    oc_free(csv);
    assert_int_equal(n_files, 20);
}

static void views_share(void **state)
{
    (void)state;
    static const char *const file[] = {"views-zip.bin", "views-legacy.bin"};
    for (int i = 0; i < 2; i++) {
        oc_tb *tb = open_ok(fixture(file[i]));
        assert_ptr_equal((const char *)find(tb, "whole")->data + 16, find(tb, "rows")->data);
        oc_tb_close(tb);
    }
}

static void files_refused(void **state)
{
    (void)state;
    refused(fixture("refused-quantized.bin"), OC_UNSUPPORTED, "quantized");
    refused(fixture("refused-sparse.bin"), OC_UNSUPPORTED, "sparse");
    refused(fixture("refused-complex.bin"), OC_UNSUPPORTED, "complex");
    refused(fixture("refused-module.bin"), OC_FORMAT, "asks for torch.nn.modules.linear.Linear");
    refused(fixture("refused-tensor.bin"), OC_FORMAT, "one tensor");
    refused(fixture("refused-empty.bin"), OC_FORMAT, "holds no tensors");
    refused(fixture("refused-script.bin"), OC_UNSUPPORTED, "TorchScript");
    refused(fixture("refused-big-endian.bin"), OC_UNSUPPORTED, "big-endian");
    refused(fixture("refused-bomb.bin"), OC_FORMAT, "64 times its own size");
    refused(folder, OC_IO, "folder");
    refused(in_folder("none"), OC_IO, "none");
    refused_bytes("", 0, OC_FORMAT, "0 bytes");
    refused_bytes("version https://git-lfs.github.com/spec/v1\n", 43, OC_FORMAT, "git lfs pull");
    refused_bytes("<!DOCTYPE html>", 15, OC_FORMAT, "web page");
    refused_bytes("PK\3\4 and no more", 16, OC_FORMAT, "zip archive");
    refused_bytes("\x80\2K\1.", 5, OC_FORMAT, "not one of torch.save");
    refused_bytes("\x80\2cos\nsystem\n.", 14, OC_FORMAT, "asks for os.system");
}

/* --- damaged ---------------------------------------------------------------------------------- */

static const char *const whole[] = {
    "state-zip.bin",        "state-legacy.bin",     "types-zip.bin",     "views-zip.bin",
    "views-legacy.bin",     "nested-zip.bin",       "nested-legacy.bin", "parameter-zip.bin",
    "protocol1-legacy.bin", "protocol4-legacy.bin", "deflated-zip.bin"};

/* A verdict about n bytes: tensors that can be read to their ends, or a sentence. */
static oc_status verdict(const unsigned char *p, size_t n)
{
    oc_tb *tb = NULL;
    unsigned x = 0;
    err = (oc_err){0};
    oc_status rc = oc_tb_parse(p, n, "x.bin", &tb, &err);
    if (rc != OC_OK) {
        assert_null(tb);
        assert_true(strstr(err.msg, "x.bin") || rc == OC_NOMEM);
        return rc;
    }
    for (int32_t i = 0; i < oc_tb_count(tb); i++)
        for (int64_t k = 0; k < oc_tb_at(tb, i)->bytes; k++)
            x += ((const unsigned char *)oc_tb_at(tb, i)->data)[k];
    assert_int_not_equal(x, 0xffffffff);
    oc_tb_close(tb);
    return rc;
}

static void every_truncation(void **state)
{
    (void)state;
    for (int i = 0; i < OC_COUNT(whole); i++) {
        char *data;
        size_t n;
        assert_int_equal(oc_file_read(fixture(whole[i]), 1 << 20, &data, &n, &err), OC_OK);
        assert_int_equal(verdict((unsigned char *)data, n), OC_OK);
        for (size_t k = 0; k < n; k++) {
            unsigned char *copy = oc_alloc(k); // exactly k bytes: sanitizers see a read past them
            memcpy(copy, data, k);
            assert_int_not_equal(verdict(copy, k), OC_OK);
            oc_free(copy);
        }
        oc_free(data);
    }
}

static void every_flip(void **state)
{
    (void)state;
    static const unsigned char flip[] = {0x01, 0x80, 0xff};
    for (int i = 0; i < OC_COUNT(whole); i++) {
        char *data;
        size_t n;
        int n_refused = 0;
        assert_int_equal(oc_file_read(fixture(whole[i]), 1 << 20, &data, &n, &err), OC_OK);
        for (size_t k = 0; k < n; k++)
            for (int f = 0; f < OC_COUNT(flip); f++) {
                data[k] = (char)((unsigned char)data[k] ^ flip[f]);
                n_refused += verdict((unsigned char *)data, n) != OC_OK;
                data[k] = (char)((unsigned char)data[k] ^ flip[f]);
            }
        assert_true(n_refused > 100);
        oc_free(data);
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static unsigned char numbers[256];

static int32_t some_tensors(oc_tensor *t)
{
    int32_t n = 0;
    for (int i = 0; i < 256; i++)
        numbers[i] = (unsigned char)(i % 50);
    for (int d = OC_DT_F64; d < OC_DT_OTHER; d++, n++)
        t[n] = (oc_tensor){.name = oc_dtype_name((oc_dtype)d),
                           .dtype = (oc_dtype)d,
                           .n_dims = 2,
                           .dim = {2, 3},
                           .n = 6,
                           .data = d == OC_DT_BOOL ? (const void *)"\1\0\1\1\0\0" : numbers,
                           .bytes = 6 * oc_dtype_bytes((oc_dtype)d)};
    t[n++] = (oc_tensor){.name = "\xc3\xa9.weight", .dtype = OC_DT_F32, .n_dims = 2, .dim = {0, 3}};
    t[n++] = (oc_tensor){.name = "scalar", .dtype = OC_DT_I64, .n = 1, .data = numbers, .bytes = 8};
    t[n++] = (oc_tensor){.name = "long",
                         .dtype = OC_DT_U8,
                         .n_dims = 1,
                         .dim = {256},
                         .n = 256,
                         .data = numbers,
                         .bytes = 256};
    return n;
}

static void round_trip(void **state)
{
    (void)state;
    oc_tensor t[16];
    int32_t n = some_tensors(t);
    char a[4096], *da, *db;
    size_t na, nb;
    int64_t bytes = 0;
    snprintf(a, sizeof a, "%s", in_folder("a.bin"));
    assert_int_equal(oc_tb_write(a, t, n, &bytes, &err), OC_OK);
    assert_int_equal(bytes, oc_file_bytes(a));
    assert_int_equal(oc_tb_write(in_folder("b.bin"), t, n, NULL, &err), OC_OK);
    assert_int_equal(oc_file_read(a, 1 << 20, &da, &na, &err), OC_OK);
    assert_int_equal(oc_file_read(in_folder("b.bin"), 1 << 20, &db, &nb, &err), OC_OK);
    assert_int_equal(na, nb);
    assert_memory_equal(da, db, na); // same tensors, same bytes, wherever they are written
    const char *at = memmem(da, na, numbers, 256);
    assert_non_null(at);
    assert_int_equal((at - da) % 64, 0);
    oc_free(da);
    oc_free(db);
    oc_tb *tb = open_ok(a);
    assert_int_equal(oc_tb_count(tb), n);
    for (int32_t i = 0; i < n; i++) {
        const oc_tensor *r = oc_tb_at(tb, i);
        assert_string_equal(r->name, t[i].name);
        assert_int_equal(r->dtype, t[i].dtype);
        assert_int_equal(r->n_dims, t[i].n_dims);
        assert_int_equal(r->bytes, t[i].bytes);
        if (r->bytes)
            assert_memory_equal(r->data, t[i].data, (size_t)r->bytes);
    }
    oc_tb_close(tb);
}

static void write_refusals(void **state)
{
    (void)state;
    oc_tensor t[2] = {{.name = "a", .dtype = OC_DT_OTHER}, {.name = "a", .dtype = OC_DT_F32}};
    assert_int_equal(oc_tb_write(in_folder("no.bin"), t, 1, NULL, NULL), OC_UNSUPPORTED);
    t[0].dtype = OC_DT_F32;
    t[0].n_dims = t[1].n_dims = 1;
    err = (oc_err){0};
    assert_int_equal(oc_tb_write(in_folder("no.bin"), t, 2, NULL, &err), OC_STATE);
    assert_non_null(strstr(err.msg, "tensor name a"));
    assert_false(oc_path_exists(in_folder("no.bin")));
    err = (oc_err){0};
    assert_int_equal(oc_tb_write(in_folder("no/such/x.bin"), t, 1, NULL, &err), OC_IO);
    assert_non_null(strstr(err.msg, "no/such/x.bin"));
    assert_true(oc_path_is_dir(folder));
}

/* What torch.load finds in the file, as lines "name dtype shape hex", and whether it is as said. */
static void pytorch_reads(void **state)
{
    (void)state;
    static const char script[] =
        "import sys, torch\n"
        "for safe in (False, True):\n"
        "    for k, t in torch.load(sys.argv[1], weights_only=safe).items():\n"
        "        flat = t.reshape(-1)\n"
        "        raw = flat.view(torch.int16) if t.dtype == torch.bfloat16 else flat\n"
        "        print(k.encode().hex(), str(t.dtype)[6:], tuple(t.shape), "
        "raw.numpy().tobytes().hex())\n";
    if (system(PYTHON " -c 'import torch' >/dev/null 2>&1") != 0) {
        printf("skipped: " PYTHON " has no torch\n");
        skip();
    }
    oc_tensor t[16];
    int32_t n = some_tensors(t);
    char file[4096], command[16384];
    snprintf(file, sizeof file, "%s", in_folder("torch.bin"));
    assert_int_equal(oc_tb_write(file, t, n, NULL, &err), OC_OK);
    assert_int_equal(oc_file_write(in_folder("x.py"), script, sizeof script - 1, &err), OC_OK);
    snprintf(command, sizeof command, PYTHON " %s %s", in_folder("x.py"), file);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    static const char *const types[] = {"float64", "float32", "float16", "bfloat16", "int64",
                                        "int32",   "int16",   "int8",    "uint8",    "bool"};
    int n_lines = 0;
    char line[4096];
    for (; fgets(line, sizeof line, p); n_lines++) {
        const oc_tensor *w = &t[n_lines % n];
        oc_buf want = {0};
        for (const char *c = w->name; *c; c++)
            oc_buf_fmt(&want, "%02x", (unsigned char)*c);
        oc_buf_fmt(&want, " %s (", types[w->dtype]);
        for (int32_t d = 0; d < w->n_dims; d++)
            oc_buf_fmt(&want, "%s%lld", d ? ", " : "", (long long)w->dim[d]);
        oc_buf_str(&want, w->n_dims == 1 ? ",) " : ") ");
        for (int64_t k = 0; k < w->bytes; k++)
            oc_buf_fmt(&want, "%02x", ((const unsigned char *)w->data)[k]);
        oc_buf_ch(&want, '\n');
        assert_string_equal(line, want.data);
        oc_buf_release(&want);
    }
    assert_int_equal(pclose(p), 0);
    assert_int_equal(n_lines, 2 * n);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void read_out_of_memory(void **state)
{
    (void)state;
    for (int i = 3; i < 7; i++) {
        const char *path = fixture(whole[i]);
        int64_t k = 1;
        for (;; k++) {
            oc_tb *tb = NULL;
            oc_err e = {0};
            oc_alloc_fail_at(k);
            oc_status rc = oc_tb_open(path, &tb, &e);
            oc_alloc_fail_at(0);
            if (rc == OC_OK) {
                oc_tb_close(tb);
                break;
            }
            assert_int_equal(rc, OC_NOMEM);
            assert_int_equal(e.status, OC_NOMEM);
            assert_null(tb);
        }
        assert_true(k > 20);
    }
}

static void write_out_of_memory(void **state)
{
    (void)state;
    oc_tensor t[16];
    int32_t n = some_tensors(t);
    const char *path = in_folder("oom.bin");
    int64_t k = 1;
    for (;; k++) {
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_tb_write(path, t, n, NULL, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK)
            break;
        assert_int_equal(rc, OC_NOMEM);
        assert_false(oc_path_exists(path));
    }
    assert_true(k > 3);
    oc_tb_close(open_ok(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pytorch_says),    cmocka_unit_test(views_share),
        cmocka_unit_test(files_refused),      cmocka_unit_test(every_truncation),
        cmocka_unit_test(every_flip),         cmocka_unit_test(round_trip),
        cmocka_unit_test(write_refusals),     cmocka_unit_test(pytorch_reads),
        cmocka_unit_test(read_out_of_memory), cmocka_unit_test(write_out_of_memory),
    };
    return cmocka_run_group_tests_name("torchbin", tests, make_folder, remove_folder);
}
