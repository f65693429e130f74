/*
 * core/data/csv.h - RFC 4180 reader over a whole file in memory.
 *
 * Quoted fields may hold commas, quotes ("" for one), LF and CRLF; records end in LF, CRLF or CR;
 * a UTF-8 BOM is skipped; the last record need not end in a newline; empty lines between records
 * are passed over. Fields are decoded in place. A quote inside an unquoted field is a character.
 */
#ifndef OC_DATA_CSV_H
#define OC_DATA_CSV_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

typedef struct oc_csv oc_csv;

typedef struct oc_csv_row {
    int64_t line; /* 1-based line the record starts on */
    int64_t n;    /* fields */
    char **field; /* borrowed until the next call; NUL-terminated */
} oc_csv_row;

/*
 * Takes `data` [n+1 bytes, data[n] == 0], oc_free'd with the reader, or at once when this fails.
 * `what` is for messages.
 */
oc_status oc_csv_new(char *data, size_t n, const char *what, char delimiter, oc_csv **out,
                     oc_err *err) OC_NODISCARD;
void oc_csv_free(oc_csv *c);

/*
 * Next record. *got is 0 at the end of the file.
 * OC_FORMAT ("file:LINE: ...") for an unterminated quote, bytes after a closing quote, a NUL byte
 * or invalid UTF-8. A bad record is consumed: calling again goes on with the next line (after the
 * stray bytes; after the line the record starts on when a quote is never closed). OC_NOMEM.
 */
oc_status oc_csv_next(oc_csv *c, oc_csv_row *row, int *got, oc_err *err) OC_NODISCARD;

#endif
