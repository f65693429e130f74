/*
 * core/data/table.h - rows of a .csv, .tsv, .jsonl or .ndjson file, only the columns that matter.
 * Private to core/data. Threads: one at a time.
 */
#ifndef OC_DATA_TABLE_H
#define OC_DATA_TABLE_H

#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"
#include "core/data/task.h"

typedef struct oc_table oc_table;

/* Column names; "" where nothing is wanted. All borrowed while the table is open. */
typedef struct oc_table_want {
    const char *text, *label, *id, *split;
    oc_task_kind kind; /* multi: a cell is split at `delimiter` */
    char delimiter;
} oc_table_want;

typedef struct oc_table_row {
    int64_t line;                  /* 1-based, where it starts */
    const char *id, *text, *split; /* borrowed until the next call; id "" when there is none */
    const oc_strlist *labels;      /* borrowed until the next call; trimmed, empty ones dropped */
} oc_table_row;

/*
 * Open and read the header. OC_IO, OC_NOMEM, OC_UNSUPPORTED (another kind of file), OC_FORMAT
 * (empty, or a wanted column other than id is missing: names the columns there are).
 */
oc_status oc_table_open(const char *path, const oc_table_want *want, oc_table **out,
                        oc_err *err) OC_NODISCARD;
/* The same over bytes in memory (data[n] == 0), which are taken, also on failure; path names them. */
oc_status oc_table_open_data(char *data, size_t n, const char *path, const oc_table_want *want,
                             oc_table **out, oc_err *err) OC_NODISCARD;
void oc_table_close(oc_table *t);

/* Next row; *got 0 at the end. OC_FORMAT: a bad row, "file:LINE: ...", and reading may go on. */
oc_status oc_table_next(oc_table *t, oc_table_row *row, int *got, oc_err *err) OC_NODISCARD;

const char *oc_table_name(const oc_table *t); /* as messages name the file */

/* A short value in quotes, or only how long it is: what a long cell says is nobody's business. */
void oc_show_value(char out[64], const char *value);

#endif
