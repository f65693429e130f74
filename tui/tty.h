/*
 * tui/tty.h - the terminal as a file: raw mode, size, and writes that never block.
 *
 * The descriptor is an own, non-blocking opening of the terminal, so that O_NONBLOCK does not leak
 * into the shell that shares standard input and output. What the terminal cannot take at once waits
 * here; a frame is made only when nothing waits. Threads: the screen's.
 */
#ifndef OC_TUI_TTY_H
#define OC_TUI_TTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

typedef struct oc_tty oc_tty;

/* A terminal on both sides, TERM known and not dumb, and we are in its foreground? */
bool oc_tty_possible(oc_err *why);
oc_status oc_tty_open(oc_tty **out, oc_err *err) OC_NODISCARD; /* OC_IO; modes are left alone */
void oc_tty_close(oc_tty *t);                                  /* leaves first */

/*
 * enter: raw mode, bracketed paste and focus reports on, standard error caught, crash guard armed;
 *        when entered already: the modes once more.
 * leave: all of it back, and what was written to standard error meanwhile is shown.
 */
oc_status oc_tty_enter(oc_tty *t, oc_err *err) OC_NODISCARD;
void oc_tty_leave(oc_tty *t);
void oc_tty_mouse(oc_tty *t, bool on);
/* The terminal is gone: no more reads, writes or restoring. */
void oc_tty_forget(oc_tty *t);

int oc_tty_fd(const oc_tty *t);
void oc_tty_size(const oc_tty *t, int32_t *cols, int32_t *rows); /* at least 1x1 */
bool oc_tty_foreground(const oc_tty *t);

/* One write(2) when the terminal takes it; the rest is kept for oc_tty_flush. OC_IO: it is gone. */
oc_status oc_tty_write(oc_tty *t, const void *bytes, size_t n, oc_err *err) OC_NODISCARD;
oc_status oc_tty_flush(oc_tty *t, oc_err *err) OC_NODISCARD;
bool oc_tty_waiting(const oc_tty *t); /* bytes are kept: poll for POLLOUT */
bool oc_tty_ready(const oc_tty *t);   /* nothing kept and the terminal would take more */
/* Bytes read into buf; 0 none now; -1 the terminal is gone. */
int64_t oc_tty_read(oc_tty *t, void *buf, size_t n);

/* An unlinked file in memory (or in TMPDIR); -1 on failure. */
int oc_tty_scratch(const char *name);

#endif
