/*
 * core/io/zip.h - zip archives in and out, over libzip; the only file pair that knows it.
 */
#ifndef OC_IO_ZIP_H
#define OC_IO_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

typedef struct oc_zip oc_zip;

/*
 * An archive in memory.
 *   data  in   [n] borrowed until oc_zip_close;  what  in  names it in messages, borrowed too
 *   out   out  owned; unset on failure
 * Returns OC_OK, OC_NOMEM, OC_FORMAT. One thread at a time.
 */
oc_status oc_zip_open(const void *data, size_t n, const char *what, oc_zip **out,
                      oc_err *err) OC_NODISCARD;
void oc_zip_close(oc_zip *z);
int64_t oc_zip_count(const oc_zip *z);
const char *oc_zip_name(const oc_zip *z, int64_t i);    /* NULL when it cannot be shown */
int64_t oc_zip_find(const oc_zip *z, const char *name); /* -1 when absent */

/*
 * Bytes of entry i once unpacked, as the archive says. Refused when that cannot be true: more than
 * the archive holds (stored) or than deflate can make of it (1 : 1032).
 * Returns OC_OK, OC_FORMAT, OC_UNSUPPORTED (encrypted, or packed by another method than deflate).
 */
oc_status oc_zip_bytes(const oc_zip *z, int64_t i, int64_t *bytes, oc_err *err) OC_NODISCARD;
/* Unpack entry i, checksum compared, into dst [bytes], which is oc_zip_bytes. OC_OK, OC_FORMAT. */
oc_status oc_zip_read(const oc_zip *z, int64_t i, void *dst, int64_t bytes,
                      oc_err *err) OC_NODISCARD;

typedef struct oc_zip_out oc_zip_out;

/* Begin an archive that takes the name `path` when it is done. OC_OK, OC_IO, OC_NOMEM, OC_RANGE. */
oc_status oc_zip_out_begin(const char *path, oc_zip_out **out, oc_err *err) OC_NODISCARD;
/*
 * Add an entry, stored as it is; its bytes will start at a multiple of 64 in the file.
 *   data  in  [n] borrowed until commit
 */
oc_status oc_zip_out_add(oc_zip_out *z, const char *name, const void *data, size_t n,
                         oc_err *err) OC_NODISCARD;
/* Write, sync and name the file; frees z. Same entries, same bytes. OC_OK, OC_IO, OC_NOMEM. */
oc_status oc_zip_out_commit(oc_zip_out *z, int64_t *bytes, oc_err *err) OC_NODISCARD;
void oc_zip_out_abort(oc_zip_out *z);

#endif
