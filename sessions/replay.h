/*
 * sessions/replay.h - a recorded session as a film: the same fold, at any speed, with seeking.
 * Seeking back folds again from the start (states are cheap next to training). A session that is
 * still being written can be followed: the film grows.
 */
#ifndef OC_SESSIONS_REPLAY_H
#define OC_SESSIONS_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "sessions/state.h"

typedef struct oc_replay oc_replay;
oc_status oc_replay_open(const char *session, oc_replay **out, oc_err *err) OC_NODISCARD;
void oc_replay_close(oc_replay *r);
const oc_state *oc_replay_state(const oc_replay *r);
int64_t oc_replay_count(const oc_replay *r); /* events in all */
int64_t oc_replay_at(const oc_replay *r);    /* events folded */
oc_status oc_replay_seek(oc_replay *r, int64_t to, oc_err *err) OC_NODISCARD;
/*
 * Take what was appended to the journal since it was read last; when the replay stood at the end,
 * these events are folded too, so that it stands at the new end. *added: events taken (also when an
 * error came later; those that are missing come with the next call). A last line that is not whole
 * yet waits for its rest.
 */
oc_status oc_replay_follow(oc_replay *r, int64_t *added, oc_err *err) OC_NODISCARD;
/* Next/previous marker or stage boundary from the current place. */
int64_t oc_replay_mark(const oc_replay *r, int direction);

/* Playing: speed 0.25..64 (1 = as recorded), pauses longer than a second are cut to one. */
void oc_replay_set_speed(oc_replay *r, double speed);
double oc_replay_speed(const oc_replay *r);
void oc_replay_set_playing(oc_replay *r, bool on);
bool oc_replay_playing(const oc_replay *r);
/* Advance by elapsed_ms of wall time; returns events folded. */
oc_status oc_replay_advance(oc_replay *r, double elapsed_ms, int64_t *folded,
                            oc_err *err) OC_NODISCARD;

#endif
