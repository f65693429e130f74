/*
 * core/data/notes_patient.h - the hidden patient that both a synthetic note and its outcomes follow.
 * Private to core/data. Threads: any.
 */
#ifndef OC_DATA_NOTES_PATIENT_H
#define OC_DATA_NOTES_PATIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/data/notes_phrases.h"

#define OC_MAX_DX 96
#define OC_MAX_PX 64

typedef struct oc_patient {
    int age;
    bool male;
    double severity; /* about normal(0, 1) */
    const oc_problem *problem;
    bool dx[OC_MAX_DX], px[OC_MAX_PX]; /* same order as the tables */
    int living, tobacco, alcohol;      /* index into the phrase lists */
    double risk, stay;                 /* standardized: of death; of a long stay */
} oc_patient;

int oc_notes_n_dx(void);
int oc_notes_n_px(void);
int oc_notes_find_dx(const char *code, int n); /* first n bytes of code; -1 when absent */

void oc_patient_draw(oc_patient *p, uint64_t seed, int64_t i);

#endif
