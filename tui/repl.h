/*
 * tui/repl.h - the command line of the screen: readline without a terminal.
 *
 * Readline gets whole keys from a queue, edits its line, and never reads, writes, waits or catches
 * a signal. What it would show is drawn on the canvas: the line, the list of completions above
 * it, and the answers of earlier commands. The only file that knows readline. One per process
 * (readline is). Threads: the screen's.
 */
#ifndef OC_TUI_REPL_H
#define OC_TUI_REPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/str.h"
#include "views/canvas.h"

#define OC_REPL_HISTORY 2000
#define OC_REPL_SAID    500 /* lines of scrollback */

typedef struct oc_repl oc_repl;

/* Candidates for the word that ends at byte cursor: whole words, escaped as they must be typed;
 * *from: where the word starts. */
typedef oc_status (*oc_repl_complete_fn)(void *ctx, const char *line, int64_t cursor,
                                         oc_strlist *out, int64_t *from, oc_err *err);

/*
 * history: file to keep it in (made 0600 when missing, one line appended per command), or NULL.
 * A history that cannot be read or written is no error: the REPL works without.
 * OC_STATE: one is open already.
 */
oc_status oc_repl_open(oc_repl_complete_fn complete, void *ctx, const char *history, oc_repl **out,
                       oc_err *err) OC_NODISCARD;
void oc_repl_close(oc_repl *r);
/* $XDG_STATE_HOME/optimclm/history or ~/.local/state/...; makes the folder. OC_IO, OC_RANGE. */
oc_status oc_repl_history_path(char out[4096], oc_err *err) OC_NODISCARD;

/* The bytes of one whole key. */
void oc_repl_feed(oc_repl *r, const char *bytes, size_t n);
/* Pasted text: lines are joined with "; ", control characters dropped. */
void oc_repl_paste(oc_repl *r, const char *text, size_t n);
void oc_repl_set_line(oc_repl *r, const char *text); /* cursor at its end */
const char *oc_repl_line(const oc_repl *r);
void oc_repl_cancel(oc_repl *r); /* Ctrl-C: an empty line, out of searches and counts */
/* Escape, one level: false when there was nothing to leave (no list, no search). */
bool oc_repl_escape(oc_repl *r);
/* The next line that was entered, into `line`; false when none waits. */
bool oc_repl_take(oc_repl *r, oc_buf *line);
bool oc_repl_take_eof(oc_repl *r); /* Ctrl-D on an empty line, since the last call */

/* Text below earlier answers; split at newlines. */
void oc_repl_say(oc_repl *r, oc_style style, const char *text);
void oc_repl_said(const oc_repl *r, oc_buf *out); /* all of it, a line each */

/*
 * Draw line and answers into `rect` (the line is its last row) and the completions into `above`.
 *   cursor_x, cursor_y  out: canvas cell of the cursor; -1 when not focused or no room
 */
void oc_repl_draw(oc_repl *r, oc_canvas *c, oc_rect rect, oc_rect above, bool focused,
                  int32_t *cursor_x, int32_t *cursor_y);

#endif
