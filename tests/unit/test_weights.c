/*
 * tests/unit/test_weights.c - where weights lie: search order, sharded checkpoints, and what else
 * is found in their place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/io/safetensors.h"
#include "core/io/torchbin.h"
#include "core/io/weights.h"
#include "core/io/weights_index.h"

static oc_err err;
static char folder[] = "/tmp/oc-w-XXXXXX";
static const float numbers[4] = {1, 2, 3, 4};

static int make_folder(void **state)
{
    (void)state;
    return mkdir(folder, 0700);
}

static int remove_folder(void **state)
{
    (void)state;
    return oc_remove_tree(folder, NULL) == OC_OK ? 0 : -1;
}

static const char *in_folder(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    assert_int_equal(oc_file_write(in_folder(name), text, strlen(text), NULL), OC_OK);
}

/* A file of tensors `a` and, unless NULL, `b`: safetensors or torch by its name. */
static void put_tensors(const char *file, const char *a, const char *b)
{
    oc_tensor t[2];
    for (int i = 0; i < 2; i++)
        t[i] = (oc_tensor){.name = i ? b : a,
                           .dtype = OC_DT_F32,
                           .n_dims = 1,
                           .dim = {2},
                           .n = 2,
                           .data = numbers + 2 * i,
                           .bytes = 8};
    if (strstr(file, ".bin")) {
        assert_int_equal(oc_tb_write(in_folder(file), t, b ? 2 : 1, NULL, &err), OC_OK);
        return;
    }
    oc_st_out *o;
    assert_int_equal(oc_st_out_new(&o, &err), OC_OK);
    for (int i = 0; i < (b ? 2 : 1); i++)
        assert_int_equal(oc_st_out_add(o, t[i].name, OC_DT_F32, 1, t[i].dim, t[i].data, &err),
                         OC_OK);
    assert_int_equal(oc_st_out_write(o, in_folder(file), NULL, &err), OC_OK);
    oc_st_out_free(o);
}

static oc_weights *open_ok(const char *path)
{
    oc_weights *w = NULL;
    err = (oc_err){0};
    if (oc_weights_open(path, &w, &err) != OC_OK)
        fail_msg("%s", err.msg);
    return w;
}

static void refused(const char *path, oc_status want, const char *part)
{
    oc_weights *w = NULL;
    err = (oc_err){0};
    oc_status rc = oc_weights_open(path, &w, &err);
    if (rc != want || w || !strstr(err.msg, part))
        fail_msg("status %d, \"%s\"; \"%s\" was expected", (int)rc, err.msg, part);
}

static void assert_from(const char *path, const char *file, const char *tensor)
{
    oc_weights *w = open_ok(path);
    assert_string_equal(oc_path_base(oc_weights_path(w)), file);
    assert_non_null(oc_weights_find(w, tensor));
    assert_null(oc_weights_find(w, "none"));
    oc_weights_close(w);
}

static void search_order(void **state)
{
    (void)state;
    refused(folder, OC_IO, "looked for model.safetensors");
    put("flax_model.msgpack", "x");
    refused(folder, OC_UNSUPPORTED, "from_flax=True");
    put("tf_model.h5", "x");
    refused(folder, OC_UNSUPPORTED, "from_tf=True");
    put_tensors("part.bin", "d", NULL);
    put("pytorch_model.bin.index.json", "{\"weight_map\": {\"d\": \"part.bin\"}}");
    assert_from(folder, "pytorch_model.bin.index.json", "d");
    put_tensors("pytorch_model.bin", "c", NULL);
    assert_from(folder, "pytorch_model.bin", "c");
    put_tensors("part.safetensors", "b", NULL);
    put("model.safetensors.index.json", "{\"weight_map\": {\"b\": \"part.safetensors\"}}");
    assert_from(folder, "model.safetensors.index.json", "b");
    put_tensors("model.safetensors", "a", NULL);
    assert_from(folder, "model.safetensors", "a");
    // A file is taken as it is.
    assert_from(in_folder("pytorch_model.bin"), "pytorch_model.bin", "c");
    assert_from(in_folder("pytorch_model.bin.index.json"), "pytorch_model.bin.index.json", "d");
    assert_int_equal(rename(in_folder("pytorch_model.bin"), "/tmp/oc-w-no-ending"), 0);
    assert_from("/tmp/oc-w-no-ending", "oc-w-no-ending", "c");
    unlink("/tmp/oc-w-no-ending");
    refused(in_folder("none"), OC_IO, "none");
}

static void sharded(const char *one, const char *two, const char *index)
{
    char text[512];
    put_tensors(one, "z", "a");
    put_tensors(two, "m", NULL);
    snprintf(text, sizeof text,
             "{\"metadata\": {\"total_size\": 24}, \"weight_map\": {\"a\": \"%s\", \"m\": \"%s\", "
             "\"z\": \"%s\"}}",
             one, two, one);
    put(index, text);
    oc_weights *w = open_ok(folder);
    assert_int_equal(oc_weights_count(w), 3);
    assert_string_equal(oc_path_base(oc_weights_path(w)), index);
    int64_t bytes = oc_file_bytes(in_folder(one));
    bytes += oc_file_bytes(in_folder(two));
    assert_int_equal(oc_weights_bytes(w), bytes);
    for (int32_t i = 0; i < 3; i++) {
        const oc_tensor *t = oc_weights_at(w, i);
        assert_ptr_equal(oc_weights_find(w, t->name), t);
        assert_string_equal(oc_weights_file(w, i), !strcmp(t->name, "m") ? two : one);
    }
    assert_memory_equal(oc_weights_find(w, "a")->data, numbers + 2, 8);
    oc_weights_close(w);
    oc_weights_close(NULL);
}

static void shards(void **state)
{
    (void)state;
    sharded("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
            "pytorch_model.bin.index.json");
    sharded("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
            "model.safetensors.index.json");
}

static void index_refused(const char *text, oc_status want, const char *part)
{
    put("model.safetensors.index.json", text);
    refused(folder, want, part);
    assert_non_null(strstr(err.msg, "model.safetensors.index.json"));
}

static void index_rules(void **state)
{
    (void)state;
    put_tensors("x.safetensors", "a", "b");
    put_tensors("y.safetensors", "c", NULL);
    index_refused("", OC_FORMAT, "JSON");
    index_refused("[]", OC_FORMAT, "no weight_map");
    index_refused("{\"weight_map\": {}}", OC_FORMAT, "no weight_map");
    index_refused("{\"weight_map\": {\"a\": 1}}", OC_FORMAT, "file name");
    index_refused("{\"weight_map\": {\"a\": \"../x.safetensors\"}}", OC_FORMAT, "no plain name");
    index_refused("{\"weight_map\": {\"a\": \"/etc/passwd\"}}", OC_FORMAT, "no plain name");
    index_refused("{\"weight_map\": {\"a\": \"..\"}}", OC_FORMAT, "no plain name");
    index_refused("{\"weight_map\": {\"a\": \"\"}}", OC_FORMAT, "no plain name");
    index_refused("{\"weight_map\": {\"a\": \"no.safetensors\"}}", OC_IO,
                  "names no.safetensors, which is not in its folder");
    index_refused("{\"weight_map\": {\"a\": \"x.safetensors\"}}", OC_FORMAT, "holds tensor b");
    index_refused("{\"weight_map\": {\"a\": \"x.safetensors\", \"b\": \"x.safetensors\", "
                  "\"d\": \"x.safetensors\"}}",
                  OC_FORMAT, "tensor d is in x.safetensors, but it is not there");
    index_refused("{\"weight_map\": {\"a\": \"x.safetensors\", \"b\": \"y.safetensors\", "
                  "\"c\": \"y.safetensors\"}}",
                  OC_FORMAT, "says tensor b is in y.safetensors, but it is in x.safetensors");
    index_refused("version https://git-lfs.github.com/spec/v1\n", OC_FORMAT, "git lfs pull");
    index_refused("<!doctype html>", OC_FORMAT, "web page");
}

static void other_files(void **state)
{
    (void)state;
    put("model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
    refused(folder, OC_FORMAT, "git lfs pull");
    unlink(in_folder("model.safetensors"));
    put("pytorch_model.bin", "version https://git-lfs.github.com/spec/v1\n");
    refused(folder, OC_FORMAT, "git lfs pull");
    put("pytorch_model.bin", "<html>");
    refused(folder, OC_FORMAT, "web page");
    unlink(in_folder("pytorch_model.bin"));
    assert_int_equal(mkfifo(in_folder("pytorch_model.bin"), 0600), 0);
    refused(folder, OC_IO, "is a pipe");
    assert_int_equal(mkdir(in_folder("model.safetensors"), 0700), 0);
    refused(folder, OC_IO, "is a folder");
    rmdir(in_folder("model.safetensors"));
    assert_int_equal(symlink("../blobs/gone", in_folder("model.safetensors")), 0);
    refused(folder, OC_IO, "cannot open");
}

static void out_of_memory(void **state)
{
    (void)state;
    put_tensors("x.safetensors", "a", "b");
    put_tensors("y.bin", "c", NULL);
    put("model.safetensors.index.json",
        "{\"weight_map\": {\"a\": \"x.safetensors\", \"b\": \"x.safetensors\", \"c\": "
        "\"y.bin\"}}");
    int64_t k = 1;
    for (;; k++) {
        oc_weights *w = NULL;
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_weights_open(folder, &w, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            oc_weights_close(w);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(e.status, OC_NOMEM);
        assert_null(w);
    }
    assert_true(k > 20);
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(search_order), IN_FOLDER(shards),        IN_FOLDER(index_rules),
        IN_FOLDER(other_files),  IN_FOLDER(out_of_memory),
    };
    if (!mkdtemp(folder))
        return 1;
    rmdir(folder);
    return cmocka_run_group_tests_name("weights", tests, NULL, NULL);
}
