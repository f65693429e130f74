/*
 * core/data/task.h - what is predicted, and the labelled notes it is learned from.
 *
 * Task kinds: single (one class of K per note; two classes make a binary task) and multi (any
 * subset of K labels). The four tasks of the paper are presets (oc_task_preset) over the columns of
 * bvanaken/clinical-outcome-prediction; any other table works the same way.
 */
#ifndef OC_DATA_TASK_H
#define OC_DATA_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define OC_MAX_LABELS 16384

typedef enum { OC_TASK_SINGLE, OC_TASK_MULTI } oc_task_kind;

typedef struct oc_task {
    char name[64]; /* "mortality", ...; free text otherwise */
    oc_task_kind kind;
    char text_column[64];
    char label_column[64];
    char id_column[64]; /* "" or absent in the file: row number is the id */
    char delimiter;     /* between labels of a multi-label cell, ',' */
    oc_strlist labels;  /* names of the K classes, in logit order */
} oc_task;

/*
 * Fill columns, kind and labels of a built-in task: mortality, los, diagnoses, procedures.
 * Columns: hospital_expire_flag; los_label; short_codes; short_codes. Labels of the first two are
 * fixed ("0","1" and "0".."3"); code lists come from a file or from the data.
 * OC_RANGE for another name.
 */
oc_status oc_task_preset(const char *name, oc_task *out, oc_err *err) OC_NODISCARD;
void oc_task_release(oc_task *t);
oc_status oc_task_dup(const oc_task *t, oc_task *out, oc_err *err) OC_NODISCARD;

/* Label list file: one a line, or one line separated by spaces or commas (as the MIMIC lists are). */
oc_status oc_task_read_labels(oc_task *t, const char *path, oc_err *err) OC_NODISCARD;

typedef enum { OC_SPLIT_TRAIN, OC_SPLIT_VALID, OC_SPLIT_TEST, OC_N_SPLITS } oc_split;
const char *oc_split_name(oc_split s); /* "train" "valid" "test" */

/* Notes with their labels; text is private (never logged). */
typedef struct oc_dataset {
    int64_t n;
    size_t cap;
    char **id;       /* owned [n] */
    char **text;     /* owned [n] */
    int32_t *label;  /* single: owned [n] class index; NULL for multi */
    uint8_t *labels; /* multi: owned [n*K] 0/1; NULL for single */
    int64_t K;
    oc_task_kind kind;
} oc_dataset;
void oc_dataset_release(oc_dataset *d);
/* n_classes 0: no label (single: class -1). K and kind are set before the first row. OC_RANGE. */
oc_status oc_dataset_add(oc_dataset *d, const char *id, const char *text, const int32_t *classes,
                         int64_t n_classes, oc_err *err) OC_NODISCARD;
/* Content key: texts and labels in order. */
void oc_dataset_key(const oc_dataset *d, char out[33]);
/* positives[K]: rows per class or label. */
void oc_dataset_counts(const oc_dataset *d, int64_t *positives);

/* Where the rows come from. Paths are joined with `dir`; lists are comma-separated. */
typedef struct oc_data_source {
    const char *dir;
    const char *files[OC_N_SPLITS]; /* by file; "" when not given */
    const char *file;               /* one file for all splits ("" when split by files) */
    const char *split_column; /* column holding train / dev|val|valid|validation / test; "" none */
    int64_t test_every;       /* k > 0 and no split column: rows with index % k == k-1 are test */
    double valid_frac;        /* valid rows taken from train when no valid split is given */
    uint64_t seed;            /* of that draw */
    bool skip_bad_rows;       /* data.bad_rows=skip */
    int64_t max_rows;         /* per split; 0 = all */
    bool need_labels;         /* false: predict on unlabelled rows */
} oc_data_source;

/* Bad rows found when skipping (first 32 are described). */
typedef struct oc_bad_rows {
    int64_t n;
    oc_strlist first; /* "notes.csv:17: label 'x' is not in the list ..." */
} oc_bad_rows;

typedef struct oc_data {
    oc_dataset split[OC_N_SPLITS];
    oc_bad_rows bad;
} oc_data;
void oc_data_release(oc_data *d);

/*
 * Load a table: .csv (or .tsv) by oc_csv, .jsonl/.ndjson by lines of JSON objects (label: string,
 * number or, for multi, array of strings; or a delimited string). When task->labels is empty it is
 * filled from all rows read (sorted; numerically when all are whole numbers). When the kind is
 * single and a label is unknown, or the text or label column is missing, or a row has another
 * number of fields than the header: an error naming file and line (what columns there are, for a
 * missing column). Empty files, files without rows, an empty train split: OC_FORMAT. OC_USAGE when
 * no file is named, or both kinds are. Bad rows that are skipped keep their index, so the rest of
 * the rows go to the same splits; max_rows keeps the first of each split. Without an id column the
 * 1-based number of the row is its id. Multi: an unknown code makes its row a bad one. Messages hold
 * no text: of a long or many-lined cell only the length.
 *   task  inout
 *   out   out    owned, oc_data_release()
 */
oc_status oc_data_load(const oc_data_source *src, oc_task *task, oc_data *out,
                       oc_err *err) OC_NODISCARD;

/* One file as one data set (predict, eval): same rules, all rows. */
oc_status oc_data_load_file(const char *path, oc_task *task, bool need_labels, bool skip_bad_rows,
                            oc_dataset *out, oc_bad_rows *bad, oc_err *err) OC_NODISCARD;

#endif
