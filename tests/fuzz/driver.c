/*
 * tests/fuzz/driver.c - runs a fuzz target over files and folders given as arguments, so that its
 * corpus is a regression test without libFuzzer. Exit 1 when there was nothing to run.
 */
#include <stdint.h>
#include <stdio.h>

#include "core/base/alloc.h"
#include "core/base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int64_t n_run;

static int run_file(const char *path)
{
    oc_err err = {0};
    char *data;
    size_t n;
    if (oc_file_read(path, (size_t)1 << 26, &data, &n, &err) != OC_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    // A copy of exactly n bytes: a read past the end is then seen by the sanitizers.
    uint8_t *copy = oc_alloc(n);
    if (!copy) {
        fprintf(stderr, "out of memory\n");
        oc_free(data);
        return 1;
    }
    for (size_t i = 0; i < n; i++)
        copy[i] = (uint8_t)data[i];
    oc_free(data);
    fprintf(stderr, "%s (%zu bytes)\n", path, n);
    LLVMFuzzerTestOneInput(copy, n);
    oc_free(copy);
    n_run++;
    return 0;
}

static int run_path(const char *path)
{
    if (!oc_path_is_dir(path))
        return run_file(path);
    oc_strlist names = {0};
    oc_err err = {0};
    int rc = oc_dir_list(path, &names, &err) != OC_OK;
    if (rc)
        fprintf(stderr, "%s\n", err.msg);
    for (int64_t i = 0; i < names.n; i++) {
        char p[OC_PATH_MAX];
        rc |= oc_path_join(p, path, names.item[i], NULL) != OC_OK || run_path(p);
    }
    oc_strlist_release(&names);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = 0;
    for (int i = 1; i < argc; i++)
        rc |= run_path(argv[i]);
    printf("%lld inputs\n", (long long)n_run);
    return rc || n_run == 0;
}
