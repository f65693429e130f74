/*
 * core/io/folder.h - writing a folder of files so that there always is a whole one.
 *
 * "<dir>.saving" is written and synced, an old <dir> is set aside as "<dir>.replaced", the new one
 * takes its name, the old one is removed. On failure nothing of the new one is left.
 * Threads: any.
 */
#ifndef OC_IO_FOLDER_H
#define OC_IO_FOLDER_H

#include "core/base/err.h"
#include "core/base/file.h"

#define OC_FOLDER_ASIDE ".replaced" /* the old folder while a new one takes its name */
#define OC_FOLDER_PATH  512         /* bytes of a folder's path, the NUL included */

typedef struct oc_folder {
    const char *what;         /* "a model", for messages */
    const char *const *names; /* NULL-terminated: the files it may hold */
    const char *marker;       /* an old folder is replaced only when it holds this one; NULL: any */
    /* Write and check the files in `dir`. */
    oc_status (*write)(void *ctx, const char *dir, oc_err *err);
    void *ctx;
} oc_folder;

/*
 * Write the folder. Only a folder that holds such files and nothing else (or nothing) is replaced.
 * Returns OC_OK, OC_IO, OC_NOMEM, OC_RANGE (path too long), OC_STATE (there is something else at
 * dir), and what f->write returns.
 */
oc_status oc_folder_write(const char *dir, const oc_folder *f, oc_err *err) OC_NODISCARD;
/* What oc_folder_write checks first: for work that should not be done in vain. */
oc_status oc_folder_check(const char *dir, const oc_folder *f, oc_err *err) OC_NODISCARD;
/*
 * Where the folder `dir` is to be read: there (without slashes at its end), or where it was set aside
 * when the program died just then. out: dir itself when there is neither, or no folder. OC_RANGE.
 */
oc_status oc_folder_find(const char *dir, char out[OC_PATH_MAX], oc_err *err) OC_NODISCARD;
/* `dir` without slashes at its end. */
oc_status oc_folder_path(const char *dir, char out[OC_FOLDER_PATH], oc_err *err) OC_NODISCARD;

#endif
