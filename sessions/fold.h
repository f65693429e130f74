/*
 * sessions/fold.h - parts of the reducer; private to sessions/state_*.c.
 *
 * Every event is folded in two moves: first all memory it may need is reserved (that may fail and
 * changes nothing anyone can see), then values are written (that cannot fail). So an event that
 * runs out of memory leaves the state as it was.
 */
#ifndef OC_SESSIONS_FOLD_H
#define OC_SESSIONS_FOLD_H

#include "sessions/state.h"

/* Like oc_grow, with the new elements zeroed. */
oc_status oc__grow_zeroed(void *p, size_t *cap, size_t need, size_t bytes,
                          oc_err *err) OC_NODISCARD;

/* A payload as oc_event_init leaves it: zeroed, reals NaN (and no clock is asked). */
void oc__blank(oc_event_type t, void *payload, size_t bytes);

/* state_log.c: room for one line and one marker, then writing them. */
oc_status oc__log_reserve(oc_state *s, oc_err *err) OC_NODISCARD;
void oc__log(oc_state *s, int64_t t_ms, const char *level, const char *fmt, ...) OC_PRINTF(4, 5);
void oc__mark(oc_state *s, int64_t t_ms, char kind, const char *run, double x, const char *fmt, ...)
    OC_PRINTF(6, 7);

/* state_run.c: curves. */
oc_status oc__fold_step(oc_state *s, const oc_ev_step *e, int64_t t_ms, oc_err *err) OC_NODISCARD;
oc_status oc__fold_eval(oc_state *s, const oc_ev_eval *e, int64_t t_ms, oc_err *err) OC_NODISCARD;
/* A training stage begins: a new run, or one that goes on at from_step (0: from its start). */
oc_status oc__run_begin(oc_state *s, const oc_ev_stage *e, int64_t t_ms, oc_err *err) OC_NODISCARD;
void oc__run_end(oc_state *s, const char *name, const char *status, int64_t t_ms);
/* Training went back: points and marks beyond `step` are gone. False when the run is unknown. */
bool oc__run_cut(oc_state *s, const char *name, int64_t step);

/* state_stage.c: the list of stages. */
oc_status oc__fold_run(oc_state *s, const oc_ev_run *e, oc_err *err) OC_NODISCARD;
oc_status oc__fold_stage(oc_state *s, const oc_ev_stage *e, int64_t t_ms, oc_err *err) OC_NODISCARD;
oc_status oc__fold_stage_end(oc_state *s, const oc_ev_stage_end *e, int64_t t_ms,
                             oc_err *err) OC_NODISCARD;
/* The process is gone: whatever was running is not any more. */
void oc__interrupt(oc_state *s);

/* state_model.c: what is known of each model. */
oc_status oc__fold_model(oc_state *s, const oc_ev_model *e, oc_err *err) OC_NODISCARD;
oc_status oc__fold_candidate(oc_state *s, const oc_ev_candidate *e, oc_err *err) OC_NODISCARD;
oc_status oc__fold_sparsity(oc_state *s, const oc_ev_sparsity *e, oc_err *err) OC_NODISCARD;
oc_status oc__fold_heads(oc_state *s, const oc_ev_heads *e, oc_err *err) OC_NODISCARD;
oc_status oc__fold_ffn(oc_state *s, const oc_ev_ffn *e, oc_err *err) OC_NODISCARD;
oc_status oc__fold_quant(oc_state *s, const oc_ev_quant *e, oc_err *err) OC_NODISCARD;
oc_status oc__fold_cost(oc_state *s, const oc_ev_cost *e, oc_err *err) OC_NODISCARD;
oc_status oc__fold_drift(oc_state *s, const oc_ev_drift *e, oc_err *err) OC_NODISCARD;

#endif
