/*
 * core/engine/engine.h - the one door: everything sessions and tui need to make things happen.
 *
 * One engine thread owns models and arenas and opens parallel loops. Requests go in through a
 * queue, immutable events come out through another; oc_engine_fd() is readable while events wait.
 * Signals are blocked in the engine thread. Lock order: requests before events; neither is held
 * while a stage computes.
 */
#ifndef OC_ENGINE_ENGINE_H
#define OC_ENGINE_ENGINE_H

#include <stdbool.h>

#include "core/base/err.h"
#include "core/engine/event.h"
#include "core/engine/settings.h"

typedef struct oc_engine oc_engine;

/* workdir: where models/, ckpt/ and cache/ are written; made when first needed. */
oc_status oc_engine_new(const char *workdir, const oc_settings *set, oc_engine **out,
                        oc_err *err) OC_NODISCARD;
/* Stops what runs after writing its checkpoint (its stage ends as "stopped"), and joins the thread.
 * Events can still be taken afterwards; requests are refused. */
void oc_engine_stop(oc_engine *e);
void oc_engine_free(oc_engine *e); /* stops first */

typedef enum {
    OC_REQ_RUN,      /* start the stages of run.stages; text: recipe name */
    OC_REQ_CONTINUE, /* the same, keeping stages whose output is there, from the last checkpoint */
    OC_REQ_PAUSE,
    OC_REQ_RESUME,
    OC_REQ_CANCEL,
    OC_REQ_SET,  /* key, text = value */
    OC_REQ_UNDO, /* last change of a setting, and training back to where it was made */
    OC_REQ_SAVE, /* checkpoint now */
    OC_REQ_NOTE  /* text: comes back as a note event at the current step */
} oc_req_kind;

typedef struct oc_request {
    oc_req_kind kind;
    char key[48];
    char text[OC_TEXT_MAX];
} oc_request;

/* Any thread. Checked before it is queued: OC_USAGE (bad setting), OC_STATE (nothing to pause, a
 * run is already going, nothing to undo, ...), with a sentence to show. */
oc_status oc_engine_request(oc_engine *e, const oc_request *r, oc_err *err) OC_NODISCARD;

int oc_engine_fd(const oc_engine *e);
bool oc_engine_take(oc_engine *e, oc_event *out); /* next event; false when none waits */
bool oc_engine_busy(const oc_engine *e);          /* a run is going on or queued */
/* Settings as last applied or accepted. */
void oc_engine_settings(const oc_engine *e, oc_settings *out);

#endif
