/*
 * tests/fuzz/input_file.h - fuzzed bytes as a file, for what reads files only.
 */
#ifndef OC_TESTS_FUZZ_INPUT_FILE_H
#define OC_TESTS_FUZZ_INPUT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A file without a name, reachable through /proc. */
static const char *input_file(const uint8_t *data, size_t n)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        char memory[] = "/dev/shm/oc-fuzz-XXXXXX", disk[] = "/tmp/oc-fuzz-XXXXXX";
        fd = mkstemp(memory);
        bool in_memory = fd >= 0;
        if (!in_memory)
            fd = mkstemp(disk);
        if (fd < 0)
            abort();
        unlink(in_memory ? memory : disk);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
        abort();
    return path;
}

#endif
