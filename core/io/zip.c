#include "core/io/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "core/base/alloc.h"
#include "core/base/file.h"

/* --- reading ---------------------------------------------------------------------------------- */

struct oc_zip {
    zip_t *za;
    const char *what;
    size_t n;
};

oc_status oc_zip_open(const void *data, size_t n, const char *what, oc_zip **out, oc_err *err)
{
    zip_error_t ze;
    zip_error_init(&ze);
    oc_zip *z = oc_calloc(1, sizeof *z);
    zip_source_t *src = z ? zip_source_buffer_create(data, n, 0, &ze) : NULL;
    zip_t *za = src ? zip_open_from_source(src, ZIP_RDONLY, &ze) : NULL;
    if (za) {
        *z = (oc_zip){.za = za, .what = what, .n = n};
        *out = z;
        zip_error_fini(&ze);
        return OC_OK;
    }
    zip_source_free(src);
    oc_status rc = !z || zip_error_code_zip(&ze) == ZIP_ER_MEMORY
                       ? OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what)
                       : OC_FAIL(err, OC_FORMAT,
                                 "%.250s starts like a zip archive, but cannot be read as one: %s "
                                 "(is it cut off?)",
                                 what, zip_error_strerror(&ze));
    zip_error_fini(&ze);
    oc_free(z);
    return rc;
}

void oc_zip_close(oc_zip *z)
{
    if (!z)
        return;
    zip_discard(z->za);
    oc_free(z);
}

int64_t oc_zip_count(const oc_zip *z)
{
    return zip_get_num_entries(z->za, 0);
}

const char *oc_zip_name(const oc_zip *z, int64_t i)
{
    return zip_get_name(z->za, (zip_uint64_t)i, ZIP_FL_ENC_GUESS);
}

int64_t oc_zip_find(const oc_zip *z, const char *name)
{
    return zip_name_locate(z->za, name, ZIP_FL_ENC_GUESS);
}

oc_status oc_zip_bytes(const oc_zip *z, int64_t i, int64_t *bytes, oc_err *err)
{
    zip_stat_t st;
    zip_stat_init(&st);
    const zip_uint64_t need = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(z->za, (zip_uint64_t)i, 0, &st) != 0 || (st.valid & need) != need)
        return OC_FAIL(err, OC_FORMAT, "%.250s: record %lld cannot be read: %s", z->what,
                       (long long)i, zip_strerror(z->za));
    if (st.valid & ZIP_STAT_ENCRYPTION_METHOD && st.encryption_method != ZIP_EM_NONE)
        return OC_FAIL(err, OC_UNSUPPORTED, "%.250s: record %.100s is encrypted", z->what, st.name);
    if (st.comp_method != ZIP_CM_STORE && st.comp_method != ZIP_CM_DEFLATE)
        return OC_FAIL(err, OC_UNSUPPORTED,
                       "%.250s: record %.100s is packed by method %d; stored and deflated are read",
                       z->what, st.name, (int)st.comp_method);
    bool stored = st.comp_method == ZIP_CM_STORE;
    if (st.comp_size > z->n || (stored && st.size != st.comp_size) ||
        st.size / 1032 > st.comp_size + 1)
        return OC_FAIL(err, OC_FORMAT,
                       "%.250s: record %.100s claims %llu bytes, which the %llu it has in the file "
                       "cannot be",
                       z->what, st.name, (unsigned long long)st.size,
                       (unsigned long long)st.comp_size);
    *bytes = (int64_t)st.size;
    return OC_OK;
}

oc_status oc_zip_read(const oc_zip *z, int64_t i, void *dst, int64_t bytes, oc_err *err)
{
    zip_file_t *f = zip_fopen_index(z->za, (zip_uint64_t)i, 0);
    if (!f)
        return OC_FAIL(err, OC_FORMAT, "%.250s: record %lld cannot be read: %s", z->what,
                       (long long)i, zip_strerror(z->za));
    int64_t have = 0, k = 1;
    while (have < bytes && k > 0) {
        k = zip_fread(f, (char *)dst + have, (zip_uint64_t)(bytes - have));
        have += k > 0 ? k : 0;
    }
    char past; // the checksum is compared when the end is read
    if (have == bytes)
        k = zip_fread(f, &past, 1);
    oc_status rc = OC_OK;
    if (k != 0 || have != bytes)
        rc = OC_FAIL(err, OC_FORMAT, "%.250s: record %lld of %lld bytes is damaged: %s", z->what,
                     (long long)i, (long long)bytes,
                     k < 0   ? zip_file_strerror(f)
                     : k > 0 ? "more follow"
                             : "it ends early");
    zip_fclose(f);
    return rc;
}

/* --- writing ---------------------------------------------------------------------------------- */

#define ALIGN        64
#define LOCAL_HEADER 30
#define FIELD_HEADER 4
#define FIELD_ID     0x4246 /* "FB": the padding PyTorch uses */

struct oc_zip_out {
    zip_t *za;
    uint64_t at; // where the next local header will be
    char path[OC_PATH_MAX], temp[OC_PATH_MAX];
};

oc_status oc_zip_out_begin(const char *path, oc_zip_out **out, oc_err *err)
{
    static _Atomic unsigned n_temp;
    int code = 0;
    if (strlen(path) > OC_PATH_MAX - 40)
        return OC_FAIL(err, OC_RANGE, "the path is too long: %.80s...", path);
    oc_zip_out *z = oc_calloc(1, sizeof *z);
    if (!z)
        return OC_FAIL(err, OC_NOMEM, "out of memory writing %s", path);
    snprintf(z->path, sizeof z->path, "%.*s", OC_PATH_MAX - 40, path);
    snprintf(z->temp, sizeof z->temp, "%.*s.tmp-%ld-z%u", OC_PATH_MAX - 40, path, (long)getpid(),
             atomic_fetch_add(&n_temp, 1));
    // libzip keeps the mode of a file that is there: so ours is there first, for its owner alone.
    int fd = open(z->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        oc_status rc = OC_FAIL_SYS(err, OC_IO, "cannot write %s: %s", path, strerror(errno));
        oc_free(z);
        return rc;
    }
    close(fd);
    z->za = zip_open(z->temp, ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (!z->za) {
        unlink(z->temp);
        oc_free(z);
        return OC_FAIL(err, OC_IO, "cannot write %s: libzip error %d", path, code);
    }
    *out = z;
    return OC_OK;
}

static oc_status failed(const oc_zip_out *z, oc_err *err)
{
    zip_error_t *ze = zip_get_error(z->za);
    return OC_FAIL(err, zip_error_code_zip(ze) == ZIP_ER_MEMORY ? OC_NOMEM : OC_IO,
                   "cannot write %s: %s", z->path, zip_error_strerror(ze));
}

oc_status oc_zip_out_add(oc_zip_out *z, const char *name, const void *data, size_t n, oc_err *err)
{
    static const zip_uint8_t pad[ALIGN];
    zip_source_t *src = zip_source_buffer(z->za, data, n, 0);
    if (!src)
        return failed(z, err);
    zip_int64_t i = zip_file_add(z->za, name, src, ZIP_FL_ENC_UTF_8);
    if (i < 0) {
        zip_source_free(src);
        return failed(z, err);
    }
    uint64_t field = z->at + LOCAL_HEADER + strlen(name);
    if (n >= UINT32_MAX) // libzip adds both sizes in a zip64 field
        field += FIELD_HEADER + 16;
    zip_uint16_t n_pad = (zip_uint16_t)(ALIGN - 1 - (field + FIELD_HEADER + ALIGN - 1) % ALIGN);
    z->at = field + FIELD_HEADER + n_pad + n;
    // The time of a file that says nothing: 1980-01-01.
    if (zip_set_file_compression(z->za, (zip_uint64_t)i, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(z->za, (zip_uint64_t)i, 0, 1 << 5 | 1, 0) != 0 ||
        zip_file_extra_field_set(z->za, (zip_uint64_t)i, FIELD_ID, ZIP_EXTRA_FIELD_NEW, pad, n_pad,
                                 ZIP_FL_LOCAL) != 0)
        return failed(z, err);
    return OC_OK;
}

static oc_status sync_file(const char *path, const char *shown, oc_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    oc_status rc = OC_OK;
    if (fd < 0 || fsync(fd) != 0)
        rc = OC_FAIL_SYS(err, OC_IO, "cannot write %s: %s", shown, strerror(errno));
    if (fd >= 0)
        close(fd);
    return rc;
}

oc_status oc_zip_out_commit(oc_zip_out *z, int64_t *bytes, oc_err *err)
{
    if (zip_close(z->za) != 0) {
        oc_status rc = failed(z, err);
        oc_zip_out_abort(z);
        return rc;
    }
    z->za = NULL;
    oc_status rc = sync_file(z->temp, z->path, err);
    if (rc == OC_OK)
        rc = oc_rename(z->temp, z->path, err);
    if (rc == OC_OK && bytes)
        *bytes = oc_file_bytes(z->path);
    oc_zip_out_abort(z); // what is left of it: nothing has the temporary name any more
    return rc;
}

void oc_zip_out_abort(oc_zip_out *z)
{
    if (!z)
        return;
    if (z->za)
        zip_discard(z->za);
    unlink(z->temp);
    oc_free(z);
}
