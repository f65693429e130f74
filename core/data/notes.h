/*
 * core/data/notes.h - synthetic admission notes in the layout of the MIMIC-III tasks.
 *
 * A hidden patient (age, sex, severity, a set of conditions and treatments) is drawn first; text
 * and outcomes both follow from it, with noise, so that no classifier reaches AUROC 1 and a small
 * one loses something. Eight headed sections, always in order, joined by blank lines:
 * CHIEF COMPLAINT, PRESENT ILLNESS, MEDICAL HISTORY, MEDICATION ON ADMISSION, ALLERGIES, PHYSICAL
 * EXAM, FAMILY HISTORY, SOCIAL HISTORY ("HEADER: body"). Signal is spread over sections. About 10 %
 * of notes are mortality positive; lengths of stay are imbalanced over four classes; diagnosis and
 * procedure codes are ICD-9-shaped with long-tailed frequencies. Deterministic by (task, seed, i):
 * note i is the same however many are made. No real patient is behind any of it.
 */
#ifndef OC_DATA_NOTES_H
#define OC_DATA_NOTES_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/data/task.h"

typedef struct oc_notes_opts {
    const char *task; /* mortality | los | diagnoses | procedures */
    uint64_t seed;
    double noise; /* 0..1 label noise; 0.5 is the default difficulty */
} oc_notes_opts;

/*
 * Note i: its text and the label cell as the CSV column holds it ("1", "2", "401,428").
 * Appends to both buffers.
 */
oc_status oc_note_make(const oc_notes_opts *o, int64_t i, oc_buf *text, oc_buf *label,
                       oc_err *err) OC_NODISCARD;

/* The whole list of codes of a multi-label task, space-separated on one line; empty for others. */
oc_status oc_notes_label_list(const char *task, oc_buf *out, oc_err *err) OC_NODISCARD;

/* CSV as published: QUOTE_ALL, header "id,text,<label column>". `rows` notes from `first`. */
oc_status oc_notes_write_csv(const oc_notes_opts *o, int64_t first, int64_t rows, const char *path,
                             oc_err *err) OC_NODISCARD;

/* Straight into data sets: train, valid, test of the given sizes (notes 0.., then on). */
oc_status oc_notes_data(const oc_notes_opts *o, const int64_t rows[OC_N_SPLITS], oc_task *task,
                        oc_data *out, oc_err *err) OC_NODISCARD;

#endif
