/*
 * tests/script/shell.h - running the program as a user types it: shell lines in a folder of the
 * test's own, their exit status and what they said. The binary comes from OC_BINARY.
 */
#ifndef OC_TESTS_SCRIPT_SHELL_H
#define OC_TESTS_SCRIPT_SHELL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/file.h"

static char dir[] = "/tmp/oc-script-XXXXXX";
static char binary[OC_PATH_MAX]; /* "" when there is none */
static char shell_first[OC_PATH_MAX + 256] =
    ":"; /* runs before each line: what a test exports besides */

typedef struct result {
    int rc;
    char *out, *err; /* owned */
} result;

static inline void in_dir(char path[OC_PATH_MAX], const char *name)
{
    snprintf(path, OC_PATH_MAX, "%s/%s", dir, name);
}

static inline char *slurp(const char *name)
{
    char path[OC_PATH_MAX], *text;
    size_t n;
    in_dir(path, name);
    assert_int_equal(oc_file_read(path, 1 << 26, &text, &n, NULL), OC_OK);
    return text;
}

/* Run a shell line in the test's folder; $B is the program. */
static inline result sh(const char *fmt, ...) OC_PRINTF(1, 2);
static inline result sh(const char *fmt, ...)
{
    char line[8192], all[24576];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    snprintf(all, sizeof all,
             "cd %s && B=%s && export B OPTIMCLM_SESSIONS=%s/sessions HOME=%s && %s && { %s; } "
             ">out.txt 2>err.txt </dev/null",
             dir, binary, dir, dir, shell_first, line);
    int st = system(all);
    return (result){.rc = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st),
                    .out = slurp("out.txt"),
                    .err = slurp("err.txt")};
}

static inline void drop(result *r)
{
    oc_free(r->out);
    oc_free(r->err);
}

static inline void done(result r)
{
    if (r.rc != 0)
        fail_msg("exit %d:\n%s", r.rc, r.err);
    drop(&r);
}

static inline void write_in_dir(const char *name, const char *text)
{
    char path[OC_PATH_MAX];
    in_dir(path, name);
    assert_int_equal(oc_file_write(path, text, strlen(text), NULL), OC_OK);
}

/* The exit status, and a sentence that holds the words. */
static inline void refused(result r, int rc, const char *words)
{
    if (r.rc != rc || !strstr(r.err, words))
        fail_msg("exit %d (expected %d), expected '%s' in:\n%s", r.rc, rc, words, r.err);
    if (strstr(r.err, "Sanitizer") || strstr(r.err, "core dumped"))
        fail_msg("crash:\n%s", r.err);
    drop(&r);
}

/* The same, and nothing but that one sentence. */
static inline void refused_in_one(const char *what, result r, int rc, const char *words)
{
    const char *line = strchr(r.err, '\n');
    if (r.rc != rc || !strstr(r.err, words))
        fail_msg("%s: exit %d (expected %d), expected '%s' in:\n%s", what, r.rc, rc, words, r.err);
    if (!line || line[1] || *r.out || strstr(r.err, "Sanitizer"))
        fail_msg("%s: more than one sentence:\n%s%s", what, r.out, r.err);
    drop(&r);
}

/* The test's folder and the program; false when there is no folder to be had. */
static inline bool shell_open(void)
{
    const char *b = getenv("OC_BINARY");
    if (!realpath(b ? b : "build/release/optimclm", binary))
        binary[0] = 0;
    return mkdtemp(dir) != NULL;
}

static inline void need_binary(void)
{
    if (!binary[0]) {
        print_message("skipped: no program at OC_BINARY\n");
        skip();
    }
}

static inline int shell_close(void **state)
{
    (void)state;
    return oc_remove_tree(dir, NULL) == OC_OK ? 0 : -1;
}

#endif
