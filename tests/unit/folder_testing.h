/*
 * tests/unit/folder_testing.h - a folder of the test's own, and shared data where it is there.
 */
#ifndef OC_TESTS_UNIT_FOLDER_TESTING_H
#define OC_TESTS_UNIT_FOLDER_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"

static char folder[64];

/* In memory where there is such a place: hundreds of saves, each synced a dozen times. */
static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/dev/shm/oc-unit-XXXXXX");
    if (mkdtemp(folder))
        return 0;
    strcpy(folder, "/tmp/oc-unit-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    return oc_remove_tree(folder, NULL) == OC_OK ? 0 : -1;
}

/* Valid until the fourth call after this one. */
static inline const char *in_folder(const char *name)
{
    static char path[4][4096];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* A file of the shared data; the test is skipped where it is not there. */
static inline const char *shared(const char *name)
{
    static char path[4096];
    const char *dir = getenv("OC_SHARED_DATA");
    snprintf(path, sizeof path, "%s/%s", dir ? dir : "../shared/data", name);
    if (!oc_path_exists(path)) {
        printf("skipped: %s is not here\n", path);
        skip();
    }
    return path;
}

#endif
