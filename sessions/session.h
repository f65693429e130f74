/*
 * sessions/session.h - named folders: events.jsonl, recipe.json, models/, ckpt/, cache/.
 *
 * They live under $OPTIMCLM_SESSIONS, else $XDG_STATE_HOME/optimclm/sessions, else
 * ~/.local/state/optimclm/sessions. A session is named by its folder name, or by a path that
 * contains a '/'.
 */
#ifndef OC_SESSIONS_SESSION_H
#define OC_SESSIONS_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/file.h"
#include "sessions/state.h"

oc_status oc_sessions_root(char out[OC_PATH_MAX], oc_err *err) OC_NODISCARD;
/* Folder of a session by name or path; with must_exist, OC_IO with the nearest name. */
oc_status oc_session_path(const char *name, bool must_exist, char out[OC_PATH_MAX],
                          oc_err *err) OC_NODISCARD;
/* A fresh name "20250301-1230-<base>" that is not taken yet. */
oc_status oc_session_fresh_name(const char *base, char out[128], oc_err *err) OC_NODISCARD;

/* The journal of a session's folder. */
oc_status oc_session_journal(const char *dir, char out[OC_PATH_MAX], oc_err *err) OC_NODISCARD;
/* Names of all sessions under the root, sorted (none when there is no root yet). */
oc_status oc_sessions_names(oc_strlist *out, oc_err *err) OC_NODISCARD;
/* Is a process writing this session now? */
bool oc_session_running(const char *name);

/* Read a session's whole journal into a state. */
oc_status oc_session_load(const char *name, oc_state **out, oc_err *err) OC_NODISCARD;

/* Table of all sessions (or a JSON array): name, when, recipe, where it stands (RUNNING, CRASHED at
 * step n, done), best AUROC, size. */
oc_status oc_sessions_list(bool json, oc_buf *out, oc_err *err) OC_NODISCARD;
/* What differs between two sessions: settings, stages, candidates (as a table or JSON). */
oc_status oc_sessions_diff(const char *a, const char *b, bool json, oc_buf *out,
                           oc_err *err) OC_NODISCARD;
/* Export: format csv (every step and eval), jsonl (events), json (final table), recipe. */
oc_status oc_session_export(const char *name, const char *format, const char *out_path,
                            oc_err *err) OC_NODISCARD;

/* The final table of a run: text (with ratios to the baseline, levels) or the JSON the man page
 * documents: {"candidates": [{"stage","model","auroc_macro","bytes","median_ms","path",...}], ...}. */
oc_status oc_final_table(const oc_state *s, bool json, oc_buf *out, oc_err *err) OC_NODISCARD;

/* Where a session stands, for people: "running", "paused at step 12", "CRASHED at step 120",
 * "done", "failed in distill", "cancelled", "open", "empty". */
void oc_session_standing(const oc_state *s, char out[96]);

/* Did the newest process leave it unfinished (no exit event, and not running now)? */
bool oc_session_crashed(const oc_state *s);

#endif
