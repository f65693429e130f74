#include "sessions/replay.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "sessions/journal.h"
#include "sessions/session.h"

enum { LONGEST_GAP_MS = 1000 };

/* Where an event lies in `bytes`: only as much of its union as its type uses. */
typedef struct frame {
    size_t offset;
    int64_t t_ms;
    bool mark; /* worth jumping to */
} frame;

struct oc_replay {
    char dir[OC_PATH_MAX];
    oc_state *state; /* owned: the first `at` events, folded */
    oc_buf bytes;    /* all events, packed */
    frame *frame;    /* owned [n] */
    size_t cap;
    int64_t n, at, n_bad;
    double speed, owed_ms; /* recorded time already due, not yet a whole gap */
    bool playing;
    oc_reader *in; /* owned: stands behind the last event taken, for oc_replay_follow */
    oc_event held; /* read, but there was no memory to keep it */
    bool holds;
};

static size_t payload_bytes(oc_event_type t)
{
    static const size_t bytes[OC_N_EVENTS] = {
#define OC_X(name) [OC_EV_##name##_T] = sizeof(oc_ev_##name),
        OC_EVENT_LIST(OC_X)
#undef OC_X
    };
    return offsetof(oc_event, u) + bytes[t];
}

/* Stage boundaries and whatever puts a mark on a chart. */
static bool is_mark(const oc_event *e)
{
    switch (e->type) {
    case OC_EV_run_T:
    case OC_EV_stage_T:
    case OC_EV_stage_end_T:
    case OC_EV_undo_T:
    case OC_EV_note_T:
    case OC_EV_alert_T: return true;
    case OC_EV_setting_T: return e->u.setting.run[0] != 0;
    case OC_EV_ckpt_T: return !strcmp(e->u.ckpt.reason, "save");
    case OC_EV_session_T: return e->u.session.reopened;
    case OC_EV_exit_T:
    case OC_EV_command_T:
    case OC_EV_job_T:
    case OC_EV_progress_T:
    case OC_EV_data_T:
    case OC_EV_model_T:
    case OC_EV_step_T:
    case OC_EV_eval_T:
    case OC_EV_cache_T:
    case OC_EV_ensemble_T:
    case OC_EV_sparsity_T:
    case OC_EV_heads_T:
    case OC_EV_ffn_T:
    case OC_EV_quant_T:
    case OC_EV_drift_T:
    case OC_EV_cost_T:
    case OC_EV_latency_T:
    case OC_EV_baseline_T:
    case OC_EV_candidate_T:
    case OC_EV_log_T:
    case OC_N_EVENTS: return false;
    }
    return false;
}

static oc_status push(oc_replay *r, const oc_event *e, oc_err *err)
{
    OC_TRY(oc_grow(&r->frame, &r->cap, (size_t)r->n + 1, sizeof *r->frame, err));
    size_t offset = r->bytes.len;
    oc_buf_add(&r->bytes, e, payload_bytes(e->type));
    oc_status rc = oc_buf_check(&r->bytes, err);
    r->bytes.failed = false; // what did not fit is tried again
    OC_TRY(rc);
    r->frame[r->n++] = (frame){.offset = offset, .t_ms = e->t_ms, .mark = is_mark(e)};
    return OC_OK;
}

/* Everything the journal has behind the last event taken. */
static oc_status take(oc_replay *r, oc_err *err)
{
    oc_status rc = OC_OK;
    while (rc == OC_OK) {
        if (!r->holds)
            rc = oc_reader_next(r->in, &r->held, &r->holds, err);
        if (rc != OC_OK || !r->holds)
            break;
        rc = push(r, &r->held, err);
        r->holds = rc != OC_OK;
    }
    r->n_bad = oc_reader_bad(r->in);
    return rc;
}

static oc_status load(oc_replay *r, oc_err *err)
{
    char path[OC_PATH_MAX];
    OC_TRY(oc_session_journal(r->dir, path, err));
    OC_TRY(oc_reader_open(path, &r->in, err));
    return take(r, err);
}

static oc_status blank_state(const oc_replay *r, oc_state **out, oc_err *err)
{
    OC_TRY(oc_state_new(out, err));
    oc_strlcpy((*out)->dir, r->dir, sizeof(*out)->dir);
    (*out)->n_bad = r->n_bad;
    return OC_OK;
}

oc_status oc_replay_open(const char *session, oc_replay **out, oc_err *err)
{
    oc_replay *r = oc_calloc(1, sizeof *r);
    if (!r)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    r->speed = 1;
    oc_status rc = oc_session_path(session, true, r->dir, err);
    if (rc == OC_OK)
        rc = load(r, err);
    if (rc == OC_OK)
        rc = blank_state(r, &r->state, err);
    if (rc != OC_OK) {
        oc_replay_close(r);
        return rc;
    }
    *out = r;
    return OC_OK;
}

void oc_replay_close(oc_replay *r)
{
    if (!r)
        return;
    oc_state_free(r->state);
    oc_reader_close(r->in);
    oc_buf_release(&r->bytes);
    oc_free(r->frame);
    oc_free(r);
}

const oc_state *oc_replay_state(const oc_replay *r)
{
    return r->state;
}
int64_t oc_replay_count(const oc_replay *r)
{
    return r->n;
}
int64_t oc_replay_at(const oc_replay *r)
{
    return r->at;
}

static oc_status fold_next(oc_replay *r, oc_err *err)
{
    const char *at = r->bytes.data + r->frame[r->at].offset;
    oc_event_type type;
    memcpy(&type, at + offsetof(oc_event, type), sizeof type);
    oc_event e;
    memcpy(&e, at, payload_bytes(type));
    OC_TRY(oc_state_fold(r->state, &e, err));
    r->at++;
    return OC_OK;
}

oc_status oc_replay_seek(oc_replay *r, int64_t to, oc_err *err)
{
    to = OC_MAX(0, OC_MIN(to, r->n));
    r->owed_ms = 0;
    if (to < r->at) {
        oc_state *fresh;
        OC_TRY(blank_state(r, &fresh, err));
        oc_state_free(r->state);
        r->state = fresh;
        r->at = 0;
    }
    while (r->at < to)
        OC_TRY(fold_next(r, err));
    return OC_OK;
}

oc_status oc_replay_follow(oc_replay *r, int64_t *added, oc_err *err)
{
    int64_t n = r->n;
    bool end = r->at == n;
    oc_status rc = take(r, err);
    *added = r->n - n;
    r->state->n_bad = r->n_bad;
    while (end && r->at < r->n) {
        oc_status folded = fold_next(r, rc == OC_OK ? err : NULL);
        if (folded != OC_OK)
            return rc == OC_OK ? folded : rc;
    }
    return rc;
}

int64_t oc_replay_mark(const oc_replay *r, int direction)
{
    // A place is "n events folded": the mark itself is the last of them.
    if (direction > 0) {
        for (int64_t i = r->at; i < r->n; i++)
            if (r->frame[i].mark)
                return i + 1;
        return r->n;
    }
    for (int64_t i = r->at - 2; i >= 0; i--)
        if (r->frame[i].mark)
            return i + 1;
    return 0;
}

void oc_replay_set_speed(oc_replay *r, double speed)
{
    r->speed = isnan(speed) ? 1 : OC_MAX(0.25, OC_MIN(speed, 64.0));
}
double oc_replay_speed(const oc_replay *r)
{
    return r->speed;
}
void oc_replay_set_playing(oc_replay *r, bool on)
{
    r->playing = on && r->at < r->n;
    r->owed_ms = 0;
}
bool oc_replay_playing(const oc_replay *r)
{
    return r->playing;
}

/* Recorded time between the event folded last and the next one. */
static double gap_ms(const oc_replay *r)
{
    if (r->at == 0)
        return 0;
    int64_t gap = r->frame[r->at].t_ms - r->frame[r->at - 1].t_ms;
    return (double)OC_MAX(0, OC_MIN(gap, LONGEST_GAP_MS)); // clocks may go back
}

oc_status oc_replay_advance(oc_replay *r, double elapsed_ms, int64_t *folded, oc_err *err)
{
    int64_t n = 0;
    oc_status rc = OC_OK;
    if (r->playing && elapsed_ms > 0)
        r->owed_ms += elapsed_ms * r->speed;
    while (r->playing && rc == OC_OK && r->at < r->n && gap_ms(r) <= r->owed_ms) {
        r->owed_ms -= gap_ms(r);
        rc = fold_next(r, err);
        n += rc == OC_OK;
    }
    if (r->at == r->n)
        r->playing = false;
    if (folded)
        *folded = n;
    return rc;
}
