/*
 * core/base/file.h - files: read whole, map, and write so that nothing is ever half there.
 *
 * Every file is written to a temporary name beside its target, synced, renamed, and the directory
 * synced; mode 0600. On failure the temporary is removed and the old file is as it was. A symbolic
 * link is followed; a device or a pipe (/dev/stdout) is written straight.
 */
#ifndef OC_BASE_FILE_H
#define OC_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

/*
 * Read a regular file. Refuses directories, FIFOs and files over max_bytes, by name.
 *   data  out  owned, oc_free(); NUL-terminated past n
 * Returns OC_OK, OC_IO, OC_NOMEM, OC_RANGE.
 */
oc_status oc_file_read(const char *path, size_t max_bytes, char **data, size_t *n,
                       oc_err *err) OC_NODISCARD;

/* Read-only map of a regular file; n = 0 gives data NULL. Release with oc_file_unmap. */
typedef struct oc_map {
    const unsigned char *data;
    size_t n;
} oc_map;
oc_status oc_file_map(const char *path, oc_map *out, oc_err *err) OC_NODISCARD;
void oc_file_unmap(oc_map *m);

/* Atomic write of a whole file. */
oc_status oc_file_write(const char *path, const void *data, size_t n, oc_err *err) OC_NODISCARD;

/* Atomic write in pieces: begin, put..., then commit or abort (both free w). */
typedef struct oc_writer oc_writer;
oc_status oc_writer_begin(const char *path, oc_writer **out, oc_err *err) OC_NODISCARD;
oc_status oc_writer_put(oc_writer *w, const void *data, size_t n, oc_err *err) OC_NODISCARD;
oc_status oc_writer_commit(oc_writer *w, oc_err *err) OC_NODISCARD;
void oc_writer_abort(oc_writer *w);

oc_status oc_mkdirs(const char *path, oc_err *err) OC_NODISCARD; /* 0700, parents too */
bool oc_path_exists(const char *path);
/* The same, or a link whose target is gone: opening it says what is wrong. */
bool oc_path_is_there(const char *path);
bool oc_path_is_dir(const char *path);
int64_t oc_file_bytes(const char *path); /* -1 when not a regular file */
int64_t oc_dir_bytes(const char *path);  /* regular files directly in it */
oc_status oc_remove_tree(const char *path, oc_err *err) OC_NODISCARD; /* absent is fine */
oc_status oc_rename(const char *from, const char *to, oc_err *err) OC_NODISCARD;
/* Names in a directory, sorted bytewise, without . and .. */
oc_status oc_dir_list(const char *path, oc_strlist *out, oc_err *err) OC_NODISCARD;
/* Free bytes for an unprivileged writer at path's file system; -1 unknown. */
int64_t oc_disk_free(const char *path);

#define OC_PATH_MAX 4096
/* out = a + "/" + b (or b when absolute or a is empty); OC_RANGE when longer than OC_PATH_MAX. */
oc_status oc_path_join(char out[OC_PATH_MAX], const char *a, const char *b,
                       oc_err *err) OC_NODISCARD;
const char *oc_path_base(const char *path); /* after the last '/' */

#endif
