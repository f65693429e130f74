/*
 * sessions/state.h - what is known, folded from events. Views draw it; nothing else changes it.
 *
 * oc_state_fold(state, event) is the only writer, so live, replay, attach and tests build the same
 * state from the same journal. Everything a state points to is owned by it. It never looks at
 * files, clocks or the engine. Threads: the one that owns the state.
 */
#ifndef OC_SESSIONS_STATE_H
#define OC_SESSIONS_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/engine/event.h"
#include "core/engine/settings.h"

/*
 * A curve: points in order of x. min/max pyramid: level k holds the extremes of 2^(k+4) points, so
 * a chart of any width reads O(columns) values and no spike is lost.
 */
typedef struct oc_range {
    float lo, hi; /* finite extremes; lo > hi when none */
} oc_range;
#define OC_PYRAMID 20
typedef struct oc_series {
    double *x; /* step */
    double *y; /* may be NaN or infinite */
    double *t; /* wall ms of the event */
    int64_t n;
    size_t cap;
    oc_range *level[OC_PYRAMID];
    size_t level_cap[OC_PYRAMID];
    int64_t n_nonfinite;
} oc_series;
/* Extremes of points [i0, i1) (finite ones). */
oc_range oc_series_range(const oc_series *s, int64_t i0, int64_t i1);
/* First point with x >= value. */
int64_t oc_series_lower(const oc_series *s, double x);

/* Curves of a training run. */
typedef enum {
    OC_CURVE_LOSS,
    OC_CURVE_HARD,
    OC_CURVE_SOFT,
    OC_CURVE_LR,
    OC_CURVE_NORM,
    OC_CURVE_NORM_HARD,
    OC_CURVE_NORM_SOFT,
    OC_CURVE_TOKENS_S,
    OC_CURVE_VALID_LOSS,
    OC_CURVE_VALID_AUROC,
    OC_CURVE_VALID_ACC,
    OC_N_CURVES
} oc_curve;
const char *
oc_curve_name(oc_curve c); /* "loss" "hard" "soft" "lr" "norm" ... "valid loss" "valid auroc" */

typedef struct oc_run {
    char name[32], kind[16]; /* "student", "distill" */
    oc_series curve[OC_N_CURVES];
    int64_t step, steps; /* done, planned */
    double epoch;
    int64_t epochs, rows, plan_bytes;
    char status[16]; /* "running" "done" "failed" "cancelled" "stopped" (its process ended) */
    int64_t first_ms, last_ms;
    double best_auroc; /* NaN before the first validation */
    int64_t best_step;
    oc_ev_step last; /* latest step event */
} oc_run;

/* A vertical mark on the charts of a run: a setting changed, a note, an undo, a resume. */
typedef struct oc_marker {
    char run[32];
    double x; /* step */
    int64_t t_ms;
    char kind;      /* 's' setting, 'n' note, 'u' undo, 'r' resumed, 'c' checkpoint asked for */
    char text[128]; /* "prune.sparsity 0.3 -> 0.6" */
} oc_marker;

typedef struct oc_stage_state {
    char kind[16], run[32],
        status[16]; /* "waiting" "running" "done" "kept" "failed" "cancelled" "stopped" */
    char message[256], path[256];
    int64_t started_ms;
    double seconds;
} oc_stage_state;

/* Per model: rows as they came, newest for a (layer, matrix) wins. */
typedef struct oc_model_state {
    char name[32];
    oc_ev_model info; /* path "" when unknown */
    bool has_info;
    oc_ev_candidate cand;
    bool has_cand;
    oc_ev_sparsity *sparsity;
    int64_t n_sparsity;
    size_t cap_sparsity;
    oc_ev_heads *heads;
    int64_t n_heads;
    size_t cap_heads;
    oc_ev_ffn *ffn;
    int64_t n_ffn;
    size_t cap_ffn;
    oc_ev_quant *quant;
    int64_t n_quant;
    size_t cap_quant;
    oc_ev_drift *drift;
    int64_t n_drift;
    size_t cap_drift;
    oc_ev_cost *cost;
    int64_t n_cost;
    size_t cap_cost;
} oc_model_state;

typedef struct oc_line { /* log, newest last */
    int64_t t_ms;
    char level[8]; /* info warn error note cmd */
    char text[480];
} oc_line;

#define OC_LOG_LINES 2000
typedef struct oc_state {
    char dir[4096]; /* folder it was read from, "" for none: a label, not content */
    oc_ev_session session;
    int64_t opened_ms, last_ms;        /* first and newest event */
    int64_t last_seq, n_events, n_bad; /* n_bad: journal lines that could not be read */
    bool live;                         /* opened and not yet left */
    oc_settings set;
    char recipe[128];
    oc_ev_job job;           /* state "" before any */
    oc_ev_progress progress; /* total 0 when none */
    oc_stage_state *stage;
    int64_t n_stages;
    size_t cap_stages;
    int64_t i_stage; /* -1 none */
    oc_run *run;
    int64_t n_runs;
    size_t cap_runs;
    int64_t i_run; /* newest; -1 */
    oc_marker *marker;
    int64_t n_markers;
    size_t cap_markers;
    oc_model_state *model;
    int64_t n_models;
    size_t cap_models;
    oc_ev_latency *latency;
    int64_t n_latency;
    size_t cap_latency;
    oc_ev_baseline *baseline;
    int64_t n_baselines;
    size_t cap_baselines;
    oc_ev_data data[3]; /* train valid test; rows 0 when unknown */
    oc_ev_cache *cache;
    int64_t n_cache;
    size_t cap_cache;
    oc_ev_ensemble ensemble;
    oc_ev_ckpt ckpt; /* newest; step -1 before any */
    oc_line *log;
    int64_t n_log;
    size_t cap_log; /* at most OC_LOG_LINES */
    int64_t n_alerts;
} oc_state;

oc_status oc_state_new(oc_state **out, oc_err *err) OC_NODISCARD;
void oc_state_free(oc_state *s);
/* OC_NOMEM leaves the state as it was before the event. A resumed stage (stage.from_step) cuts the
 * run's curves at that step; undo likewise. */
oc_status oc_state_fold(oc_state *s, const oc_event *e, oc_err *err) OC_NODISCARD;

const oc_run *oc_state_run(const oc_state *s, const char *name);           /* NULL when absent */
const oc_model_state *oc_state_model(const oc_state *s, const char *name); /* NULL when absent */
/* Content hash of all that views can see: replay(journal) must equal live. */
uint64_t oc_state_hash(const oc_state *s);

#endif
