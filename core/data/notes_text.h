/*
 * core/data/notes_text.h - a patient put into words. Private to core/data. Threads: any.
 */
#ifndef OC_DATA_NOTES_TEXT_H
#define OC_DATA_NOTES_TEXT_H

#include "core/base/buf.h"
#include "core/base/rng.h"
#include "core/data/notes_patient.h"

/* Appends the eight sections. The caller checks the buffer. */
void oc_note_text(const oc_patient *p, oc_rng *r, oc_buf *out);

#endif
