#include "core/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/alloc.h"

/* Open for reading what is a regular file; a FIFO must not block us, a directory must say so. */
static oc_status open_regular(const char *path, int *fd, int64_t *bytes, oc_err *err)
{
    int f = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f < 0)
        return OC_FAIL_SYS(err, OC_IO, "cannot open %s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(f, &st) != 0) {
        oc_status rc = OC_FAIL_SYS(err, OC_IO, "cannot look at %s: %s", path, strerror(errno));
        close(f);
        return rc;
    }
    if (!S_ISREG(st.st_mode)) {
        close(f);
        return OC_FAIL(err, OC_IO, "%s is a %s, expected a regular file", path,
                       S_ISDIR(st.st_mode)    ? "folder"
                       : S_ISFIFO(st.st_mode) ? "pipe"
                                              : "special file");
    }
    *fd = f;
    *bytes = (int64_t)st.st_size;
    return OC_OK;
}

oc_status oc_file_read(const char *path, size_t max_bytes, char **data, size_t *n, oc_err *err)
{
    int fd;
    int64_t bytes;
    OC_TRY(open_regular(path, &fd, &bytes, err));
    oc_status rc = OC_OK;
    char *p = NULL;
    if ((uint64_t)bytes > max_bytes) {
        rc = OC_FAIL(err, OC_RANGE, "%s has %lld bytes, at most %zu are expected", path,
                     (long long)bytes, max_bytes);
        goto out;
    }
    p = oc_alloc((size_t)bytes + 1);
    if (!p) {
        rc =
            OC_FAIL(err, OC_NOMEM, "out of memory reading %s (%lld bytes)", path, (long long)bytes);
        goto out;
    }
    size_t have = 0;
    while (have < (size_t)bytes) {
        ssize_t k = read(fd, p + have, (size_t)bytes - have);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0) {
            rc = OC_FAIL_SYS(err, OC_IO, "cannot read %s: %s", path, strerror(errno));
            goto out;
        }
        if (k == 0)
            break;
        have += (size_t)k;
    }
    p[have] = 0;
    *data = p;
    *n = have;
    p = NULL;
out:
    oc_free(p);
    close(fd);
    return rc;
}

oc_status oc_file_map(const char *path, oc_map *out, oc_err *err)
{
    int fd;
    int64_t bytes;
    OC_TRY(open_regular(path, &fd, &bytes, err));
    void *p = NULL;
    if (bytes > 0) {
        p = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            oc_status rc = OC_FAIL_SYS(err, OC_IO, "cannot map %s: %s", path, strerror(errno));
            close(fd);
            return rc;
        }
    }
    close(fd);
    *out = (oc_map){.data = p, .n = (size_t)bytes};
    return OC_OK;
}

void oc_file_unmap(oc_map *m)
{
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->n);
    *m = (oc_map){0};
}

struct oc_writer {
    int fd;
    char path[OC_PATH_MAX]; // where links lead
    char temp[OC_PATH_MAX]; // "": the target is no file (a device, a pipe) and is written straight
};

static oc_status sync_parent(const char *path, oc_err *err)
{
    char dir[OC_PATH_MAX];
    oc_strlcpy(dir, path, sizeof dir);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = 0;
    int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // Some file systems refuse to sync a folder (EINVAL): the rename is then as durable as it gets.
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) {
        oc_status rc =
            OC_FAIL_SYS(err, OC_IO, "cannot sync the folder of %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return rc;
    }
    close(fd);
    return OC_OK;
}

/* What is written to, and whether it is a file (or nothing yet) that a rename can replace. */
static oc_status find_target(const char *path, char out[OC_PATH_MAX], bool *is_file, oc_err *err)
{
    struct stat st;
    *is_file = true;
    oc_strlcpy(out, path, OC_PATH_MAX);
    if (stat(path, &st) != 0)
        return OC_OK;
    if (S_ISDIR(st.st_mode))
        return OC_FAIL(err, OC_IO, "cannot write %s: it is a folder", path);
    *is_file = S_ISREG(st.st_mode);
    char *real = *is_file ? realpath(path, NULL) : NULL;
    if (real && strlen(real) < OC_PATH_MAX - 40)
        oc_strlcpy(out, real, OC_PATH_MAX);
    free(real);
    return OC_OK;
}

oc_status oc_writer_begin(const char *path, oc_writer **out, oc_err *err)
{
    static _Atomic unsigned n_temp;
    bool is_file = true;
    if (strlen(path) > OC_PATH_MAX - 40)
        return OC_FAIL(err, OC_RANGE, "the path is too long: %.80s...", path);
    oc_writer *w = oc_calloc(1, sizeof *w);
    if (!w)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_status rc = find_target(path, w->path, &is_file, err);
    if (rc == OC_OK && is_file) {
        snprintf(w->temp, sizeof w->temp, "%.*s.tmp-%ld-%u", OC_PATH_MAX - 40, w->path,
                 (long)getpid(), atomic_fetch_add(&n_temp, 1));
        w->fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    } else if (rc == OC_OK) {
        w->fd = open(w->path, O_WRONLY | O_CLOEXEC);
    }
    if (rc == OC_OK && w->fd < 0)
        rc = OC_FAIL_SYS(err, OC_IO, "cannot write %s: %s", path, strerror(errno));
    if (rc != OC_OK) {
        oc_free(w);
        return rc;
    }
    *out = w;
    return OC_OK;
}

oc_status oc_writer_put(oc_writer *w, const void *data, size_t n, oc_err *err)
{
    const char *p = data;
    while (n > 0) {
        ssize_t k = write(w->fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return OC_FAIL_SYS(err, OC_IO, "cannot write %s: %s", w->path, strerror(errno));
        p += k;
        n -= (size_t)k;
    }
    return OC_OK;
}

void oc_writer_abort(oc_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (*w->temp)
        unlink(w->temp);
    oc_free(w);
}

oc_status oc_writer_commit(oc_writer *w, oc_err *err)
{
    oc_status rc = OC_OK;
    if (*w->temp && fsync(w->fd) != 0)
        rc = OC_FAIL_SYS(err, OC_IO, "cannot write %s: %s", w->path, strerror(errno));
    if (close(w->fd) != 0 && rc == OC_OK)
        rc = OC_FAIL_SYS(err, OC_IO, "cannot write %s: %s", w->path, strerror(errno));
    w->fd = -1;
    if (rc == OC_OK && *w->temp && rename(w->temp, w->path) != 0)
        rc = OC_FAIL_SYS(err, OC_IO, "cannot name %s: %s", w->path, strerror(errno));
    if (rc != OC_OK) {
        oc_writer_abort(w);
        return rc;
    }
    if (*w->temp)
        rc = sync_parent(w->path, err);
    oc_free(w);
    return rc;
}

oc_status oc_file_write(const char *path, const void *data, size_t n, oc_err *err)
{
    oc_writer *w;
    OC_TRY(oc_writer_begin(path, &w, err));
    oc_status rc = oc_writer_put(w, data, n, err);
    if (rc != OC_OK) {
        oc_writer_abort(w);
        return rc;
    }
    return oc_writer_commit(w, err);
}

oc_status oc_mkdirs(const char *path, oc_err *err)
{
    char p[OC_PATH_MAX];
    if (strlen(path) >= sizeof p)
        return OC_FAIL(err, OC_RANGE, "the path is too long: %.80s...", path);
    strcpy(p, path);
    for (char *s = p + 1;; s++) {
        if (*s != '/' && *s)
            continue;
        char c = *s;
        *s = 0;
        if (mkdir(p, 0700) != 0 && errno != EEXIST)
            return OC_FAIL_SYS(err, OC_IO, "cannot make the folder %s: %s", p, strerror(errno));
        *s = c;
        if (!c)
            break;
    }
    if (!oc_path_is_dir(path))
        return OC_FAIL(err, OC_IO, "cannot make the folder %s: something else has that name", path);
    return OC_OK;
}

bool oc_path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool oc_path_is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool oc_path_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int64_t oc_file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
}

int64_t oc_dir_bytes(const char *path)
{
    oc_strlist names = {0};
    int64_t sum = 0;
    if (oc_dir_list(path, &names, NULL) == OC_OK) {
        for (int64_t i = 0; i < names.n; i++) {
            char p[OC_PATH_MAX];
            int64_t n = oc_path_join(p, path, names.item[i], NULL) == OC_OK ? oc_file_bytes(p) : -1;
            sum += n > 0 ? n : 0;
        }
    }
    oc_strlist_release(&names);
    return sum;
}

oc_status oc_remove_tree(const char *path, oc_err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT
                   ? OC_OK
                   : OC_FAIL_SYS(err, OC_IO, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        if (unlink(path) != 0)
            return OC_FAIL_SYS(err, OC_IO, "cannot remove %s: %s", path, strerror(errno));
        return OC_OK;
    }
    oc_strlist names = {0};
    oc_status rc = oc_dir_list(path, &names, err);
    for (int64_t i = 0; rc == OC_OK && i < names.n; i++) {
        char p[OC_PATH_MAX];
        rc = oc_path_join(p, path, names.item[i], err);
        if (rc == OC_OK)
            rc = oc_remove_tree(p, err);
    }
    oc_strlist_release(&names);
    if (rc == OC_OK && rmdir(path) != 0)
        rc = OC_FAIL_SYS(err, OC_IO, "cannot remove %s: %s", path, strerror(errno));
    return rc;
}

oc_status oc_rename(const char *from, const char *to, oc_err *err)
{
    if (rename(from, to) != 0)
        return OC_FAIL_SYS(err, OC_IO, "cannot rename %s to %s: %s", from, to, strerror(errno));
    return sync_parent(to, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

oc_status oc_dir_list(const char *path, oc_strlist *out, oc_err *err)
{
    DIR *d = opendir(path);
    if (!d)
        return OC_FAIL_SYS(err, OC_IO, "cannot read the folder %s: %s", path, strerror(errno));
    oc_status rc = OC_OK;
    for (struct dirent *e; rc == OC_OK && (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = oc_strlist_add(out, e->d_name, strlen(e->d_name), err);
    }
    closedir(d);
    if (rc != OC_OK)
        oc_strlist_release(out);
    else if (out->n > 1)
        qsort(out->item, (size_t)out->n, sizeof *out->item, by_name);
    return rc;
}

int64_t oc_disk_free(const char *path)
{
    struct statvfs v;
    return statvfs(path, &v) == 0 ? (int64_t)v.f_bavail * (int64_t)v.f_frsize : -1;
}

oc_status oc_path_join(char out[OC_PATH_MAX], const char *a, const char *b, oc_err *err)
{
    bool alone = b[0] == '/' || !*a;
    int n = alone ? snprintf(out, OC_PATH_MAX, "%s", b)
                  : snprintf(out, OC_PATH_MAX, "%s%s%s", a, oc_str_ends(a, "/") ? "" : "/", b);
    if (n < 0 || n >= OC_PATH_MAX)
        return OC_FAIL(err, OC_RANGE, "the path is too long: %.60s/%.60s...", a, b);
    return OC_OK;
}

const char *oc_path_base(const char *path)
{
    const char *s = strrchr(path, '/');
    return s ? s + 1 : path;
}
