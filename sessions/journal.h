/*
 * sessions/journal.h - the append-only file of a session's events.
 *
 * events.jsonl: one event a line, [seq,t_ms,"type",{...},"crc32c"], crc32c (8 hex digits) over the
 * line up to the comma before it. Written with one write(2) per event, so a crash of ours loses
 * nothing; synced every two seconds and at checkpoints, alerts and exit, so a power cut loses at most
 * two seconds. Reading: a short or bad LAST line is "not yet written" (truncated away when the
 * journal is opened for appending); a bad line in the middle is counted and skipped. One writer: an
 * advisory lock on the file.
 */
#ifndef OC_SESSIONS_JOURNAL_H
#define OC_SESSIONS_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/engine/event.h"

typedef struct oc_journal oc_journal;

/* Open for appending (made when absent). OC_STATE when another process holds it (says its pid). */
oc_status oc_journal_open(const char *path, oc_journal **out, oc_err *err) OC_NODISCARD;
/* Sets e->seq. A full disk is OC_IO; the event is kept and written before the next one. */
oc_status oc_journal_append(oc_journal *j, oc_event *e, oc_err *err) OC_NODISCARD;
oc_status oc_journal_sync(oc_journal *j, oc_err *err) OC_NODISCARD; /* now */
void oc_journal_tick(oc_journal *j, int64_t now_ns); /* sync when two seconds are due */
/* Bytes that are not on disk yet because it was full. */
int64_t oc_journal_pending(const oc_journal *j);
int64_t oc_journal_last_seq(const oc_journal *j);
void oc_journal_close(oc_journal *j);

/* Is a process writing this journal now (it holds the lock)? False when there is no such file. */
bool oc_journal_locked(const char *path);

/* Reading, also of a journal that is still growing (call again after the end). */
typedef struct oc_reader oc_reader;
oc_status oc_reader_open(const char *path, oc_reader **out, oc_err *err) OC_NODISCARD;
/* *got false at the end (or a last line not yet whole). Bad lines are skipped and counted. */
oc_status oc_reader_next(oc_reader *r, oc_event *e, bool *got, oc_err *err) OC_NODISCARD;
int64_t oc_reader_bad(const oc_reader *r);    /* lines skipped */
int64_t oc_reader_offset(const oc_reader *r); /* bytes of whole records read */
void oc_reader_close(oc_reader *r);

#endif
