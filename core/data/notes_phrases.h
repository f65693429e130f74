/*
 * core/data/notes_phrases.h - what synthetic admission notes are put together from.
 *
 * Alternatives are separated by '|'. Inside a phrase {age} {man} {he} {He} {him} {his} {His}
 * {spouse} follow the patient, {yr} is a year gone by, {pmh} some illnesses, {cc} the complaint,
 * {3-8} a whole number and {0.6-1.2} a number with one decimal from that range.
 * Lists end with an entry whose first member is NULL. Invented; only the ICD-9 codes are real.
 */
#ifndef OC_DATA_NOTES_PHRASES_H
#define OC_DATA_NOTES_PHRASES_H

typedef enum {
    OC_SYS_NONE,
    OC_SYS_NECK,
    OC_SYS_HEART,
    OC_SYS_LUNG,
    OC_SYS_ABDOMEN,
    OC_SYS_LIMBS,
    OC_SYS_NEURO,
    OC_SYS_SKIN,
    OC_N_SYS
} oc_sys;

enum { OC_DX_CHRONIC = 1, OC_DX_FAMILY = 2, OC_DX_INFECTION = 4 };

/* An illness: what it is coded as, how common it is, what it does to the outlook, how it reads. */
typedef struct oc_dx {
    const char *code, *name;
    double share;       /* of patients of 62 without a reason to have it */
    double per_decade;  /* log odds for ten more years */
    double grave, stay; /* added to the risk of death and to the length of stay */
    unsigned flags;
    oc_sys sys;                                 /* where the exam shows it */
    const char *history, *story, *drugs, *exam; /* NULL: says nothing there */
} oc_dx;
extern const oc_dx oc_notes_dx[];

/* Why the patient came: brings some illnesses along. Codes are separated by blanks. */
typedef struct oc_problem {
    const char *complaint;
    double weight, grave, stay;
    const char *surely, *often; /* illnesses: nearly always; in two of five */
    const char *story, *symptoms, *workup;
} oc_problem;
extern const oc_problem oc_notes_problems[];

/* A procedure of this stay. why: "410:.5 p960:.9" chance given an illness or a procedure further up. */
typedef struct oc_px {
    const char *code;
    double share;    /* without a reason */
    double severity; /* chance grows by exp(severity * s) */
    double stay;
    const char *why, *plan; /* plan: read before it is done */
    const char *past;       /* reads alike, but was done in another year; NULL: none */
} oc_px;
extern const oc_px oc_notes_px[];

/* Plain lists, alternatives in one string; those with five entries go from well to gravely ill. */
extern const char *const oc_notes_opening;
extern const char *const oc_notes_appearance[5];
extern const char *const oc_notes_course[5];
extern const char *const oc_notes_treatment[5];
extern const char *const oc_notes_destination[5];
extern const char *const oc_notes_pulses[5];
extern const char *const oc_notes_mental[5];
extern const char *const oc_notes_baseline[5];
extern const char *const oc_notes_normal[OC_N_SYS];
extern const char *const oc_notes_symptoms;
extern const char *const oc_notes_surgeries;
extern const char *const oc_notes_other_drugs;
extern const char *const oc_notes_allergies;
extern const char *const oc_notes_relatives;
extern const char *const oc_notes_family_other;
extern const char *const oc_notes_living[3]; /* with family, alone, in a nursing home */
extern const char *const oc_notes_work;
extern const char *const oc_notes_tobacco[3]; /* never, former, current */
extern const char *const oc_notes_alcohol[3]; /* none, some, heavy */
extern const char *const oc_notes_filler;

#endif
