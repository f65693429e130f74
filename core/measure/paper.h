/*
 * core/measure/paper.h - the paper's comparison: one model against an ensemble of two BERT-base.
 *
 * The ensemble runs as published: f32, PyTorch eager, every note padded to 512 tokens, one note at
 * a time. The model runs as this program runs it: a note costs its own tokens. One thread each, in
 * turns. Padded, every note costs the ensemble the same, whatever it says, so it is given made
 * tokens: no note leaves this process. This program runs the ensemble too, padded likewise: so one
 * sees what of the ratio is the method's, and what that of a slow PyTorch.
 * Threads: the engine thread. Source: Hasan, Rahman and Mohammed, IJMI 2025.
 */
#ifndef OC_MEASURE_PAPER_H
#define OC_MEASURE_PAPER_H

#include "core/compress/encode.h"
#include "core/measure/peer.h"
#include "core/nn/model.h"

enum { OC_PAPER_TOKENS = 512, OC_PAPER_MAX_ROUNDS = 64 };

/* TinyBERT-4L-312 in INT8 with random weights, the student of the paper. V: entries, at least 1. */
oc_status oc_paper_student(int32_t V, oc_model **out, oc_err *err) OC_NODISCARD;
/* BERT-base in f32 with random weights: one half of the ensemble. */
oc_status oc_paper_teacher(oc_model **out, oc_err *err) OC_NODISCARD;

/* Median and middle half of the rounds, ms a note. */
typedef struct oc_paper_time {
    double ms, p25, p75;
} oc_paper_time;

typedef struct oc_paper {
    const oc_model *model;   /* in: borrowed; 512 positions at least */
    const oc_encoded *notes; /* in: borrowed; each at most 512 tokens */
    const oc_model *teacher; /* in: borrowed; run twice, by this program */
    oc_peer *peer;           /* in: PyTorch; NULL: it is not there */
    double budget_ms;        /* in: three rounds are run at least */
    int (*stop)(void *);     /* in: polled between notes; non-zero: OC_CANCELLED; or NULL */
    void *ctx;
    const oc_pack_watch *watch; /* in: borrowed; NULL: nobody asks */
    oc_paper_time ensemble;     /* out: by the peer; NaN without */
    oc_paper_time own;          /* out: the ensemble by this program */
    oc_paper_time on_notes;     /* out: the model on the notes, each at its own length */
    oc_paper_time full;         /* out: the model on 512 tokens */
    int32_t rounds;             /* out */
} oc_paper;

/* OC_NOMEM, OC_SHAPE, OC_CANCELLED, OC_STATE (the peer refused or died: its reason). */
oc_status oc_paper_measure(oc_paper *p, oc_err *err) OC_NODISCARD;
/* Widest middle half of the four, as a share of its median. */
double oc_paper_spread(const oc_paper *p);

#endif
