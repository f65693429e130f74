/*
 * tui/screen_curses.h - canvas to terminal: curses works out what changed, nothing else.
 *
 * Curses is output-only. It writes into a file in memory, and each frame goes from there to the
 * terminal in one write(2), wrapped in synchronized output: no tearing, and nothing of it blocks.
 * The only file that knows curses. One per process (curses is). Threads: the screen's.
 */
#ifndef OC_TUI_SCREEN_CURSES_H
#define OC_TUI_SCREEN_CURSES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "tui/tty.h"
#include "views/canvas.h"

typedef struct oc_term oc_term;

/* Does the terminal database know TERM, and can it move a cursor? Says why not. */
bool oc_term_known(const char *name, oc_err *why);

/*
 * color: "auto" (NO_COLOR, then what the terminal has), "never", "16", "256".
 * The tty must have been entered. OC_UNSUPPORTED: the terminal is not known; OC_IO, OC_NOMEM.
 */
oc_status oc_term_open(oc_tty *tty, const char *color, oc_term **out, oc_err *err) OC_NODISCARD;
void oc_term_close(oc_term *t);

oc_colors oc_term_colors(const oc_term *t);
/* "braille", "block", "ascii", or what fits the locale and terminal ("auto" and NULL). */
oc_glyphs oc_term_glyphs(const char *wish);

void oc_term_resize(oc_term *t, int32_t cols, int32_t rows);
void oc_term_repaint(oc_term *t); /* the next frame draws every cell */

/*
 * Show the canvas. Nothing is written when nothing changed.
 *   cursor_x, cursor_y  where the cursor blinks; -1: hidden
 *   tail                bytes sent behind the frame in the same write; NULL none
 *   *sent               out: bytes of this frame
 */
oc_status oc_term_frame(oc_term *t, const oc_canvas *c, const oc_theme *theme, int32_t cursor_x,
                        int32_t cursor_y, const char *tail, size_t *sent, oc_err *err) OC_NODISCARD;
/* Back to the shell's screen; the next frame comes again to ours, whole. */
void oc_term_suspend(oc_term *t);

#endif
