/* core/base/file: whole reads, maps, and writes that leave nothing half there. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/file.h"

static char dir[] = "/tmp/oc-file-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[OC_PATH_MAX];
    assert_int_equal(oc_path_join(path, dir, name, NULL), OC_OK);
    return path;
}

static void round_trip(void **state)
{
    (void)state;
    char *data;
    size_t n;
    assert_int_equal(oc_file_write(in_dir("a"), "hello", 5, NULL), OC_OK);
    assert_int_equal(oc_file_read(in_dir("a"), 100, &data, &n, NULL), OC_OK);
    assert_int_equal(n, 5);
    assert_string_equal(data, "hello");
    oc_free(data);
    struct stat st;
    assert_int_equal(stat(in_dir("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    oc_map m;
    assert_int_equal(oc_file_map(in_dir("a"), &m, NULL), OC_OK);
    assert_memory_equal(m.data, "hello", 5);
    oc_file_unmap(&m);
}

static void refuses_what_is_not_a_file(void **state)
{
    (void)state;
    char *data;
    size_t n;
    oc_err e = {0};
    assert_int_equal(oc_file_read(dir, 100, &data, &n, &e), OC_IO);
    assert_non_null(strstr(e.msg, "folder"));
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    e = (oc_err){0};
    assert_int_equal(oc_file_read(in_dir("fifo"), 100, &data, &n, &e), OC_IO);
    assert_non_null(strstr(e.msg, "pipe"));
    e = (oc_err){0};
    assert_int_equal(oc_file_read(in_dir("none"), 100, &data, &n, &e), OC_IO);
    assert_non_null(strstr(e.msg, "none"));
    assert_int_equal(oc_file_write(in_dir("big"), "0123456789", 10, NULL), OC_OK);
    e = (oc_err){0};
    assert_int_equal(oc_file_read(in_dir("big"), 9, &data, &n, &e), OC_RANGE);
    assert_non_null(strstr(e.msg, "big"));
}

static int64_t entries(void)
{
    oc_strlist l = {0};
    assert_int_equal(oc_dir_list(dir, &l, NULL), OC_OK);
    int64_t n = l.n;
    oc_strlist_release(&l);
    return n;
}

static void full_disk_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(oc_file_write(in_dir("keep"), "old", 3, NULL), OC_OK);
    int64_t before = entries();
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 1000, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    char big[4096] = {0};
    oc_err e = {0};
    oc_status rc = oc_file_write(in_dir("keep"), big, sizeof big, &e);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(rc, OC_IO);
    assert_non_null(strstr(e.msg, "keep"));
    assert_int_equal(entries(), before);
    assert_int_equal(oc_file_bytes(in_dir("keep")), 3);
}

static void abort_removes_the_temporary(void **state)
{
    (void)state;
    int64_t before = entries();
    oc_writer *w;
    assert_int_equal(oc_writer_begin(in_dir("never"), &w, NULL), OC_OK);
    assert_int_equal(oc_writer_put(w, "x", 1, NULL), OC_OK);
    oc_writer_abort(w);
    assert_int_equal(entries(), before);
}

static void folders(void **state)
{
    (void)state;
    assert_int_equal(oc_mkdirs(in_dir("x/y/z"), NULL), OC_OK);
    assert_int_equal(oc_mkdirs(in_dir("x/y/z"), NULL), OC_OK);
    assert_int_equal(oc_file_write(in_dir("x/y/f"), "12345", 5, NULL), OC_OK);
    assert_int_equal(oc_dir_bytes(in_dir("x/y")), 5);
    oc_err e = {0};
    assert_int_equal(oc_mkdirs(in_dir("x/y/f"), &e), OC_IO);
    assert_int_equal(oc_remove_tree(in_dir("x"), NULL), OC_OK);
    assert_false(oc_path_exists(in_dir("x")));
    assert_int_equal(oc_remove_tree(in_dir("x"), NULL), OC_OK);
    char p[OC_PATH_MAX];
    assert_int_equal(oc_path_join(p, "a/", "b", NULL), OC_OK);
    assert_string_equal(p, "a/b");
    assert_int_equal(oc_path_join(p, "a", "/b", NULL), OC_OK);
    assert_string_equal(p, "/b");
    assert_string_equal(oc_path_base("a/b/c"), "c");
}

static void devices_pipes_and_links(void **state)
{
    (void)state;
    char text[8] = "", target[OC_PATH_MAX];
    struct stat st;
    int64_t before = entries();
    assert_int_equal(oc_file_write("/dev/null", "x", 1, NULL), OC_OK);
    assert_true(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
    oc_err e = {0};
    assert_int_equal(oc_file_write("/dev/full", "x", 1, &e), OC_IO);
    assert_non_null(strstr(e.msg, "/dev/full"));
    assert_true(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode));
    assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
    int fd = open(in_dir("pipe"), O_RDWR);
    assert_int_equal(oc_file_write(in_dir("pipe"), "abc", 3, NULL), OC_OK);
    assert_int_equal(read(fd, text, sizeof text), 3);
    close(fd);
    unlink(in_dir("pipe"));
    snprintf(target, sizeof target, "%s", in_dir("target"));
    assert_int_equal(oc_file_write(target, "old", 3, NULL), OC_OK);
    assert_int_equal(symlink("target", in_dir("link")), 0);
    assert_int_equal(oc_file_write(in_dir("link"), "longer", 6, NULL), OC_OK);
    assert_true(lstat(in_dir("link"), &st) == 0 && S_ISLNK(st.st_mode));
    assert_int_equal(oc_file_bytes(target), 6);
    unlink(in_dir("link"));
    unlink(target);
    e = (oc_err){0};
    assert_int_equal(oc_file_write(dir, "x", 1, &e), OC_IO);
    assert_non_null(strstr(e.msg, "folder"));
    assert_int_equal(entries(), before);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return oc_remove_tree(dir, NULL) == OC_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(refuses_what_is_not_a_file),
        cmocka_unit_test(full_disk_changes_nothing),
        cmocka_unit_test(abort_removes_the_temporary),
        cmocka_unit_test(folders),
        cmocka_unit_test(devices_pipes_and_links),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
