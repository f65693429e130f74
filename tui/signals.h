/*
 * tui/signals.h - signals as bytes in a pipe, and the terminal put right after a crash.
 *
 * The handlers of WINCH, TSTP, CONT, HUP, TERM and INT only note what came and wake the poll loop.
 * SEGV, BUS, FPE, ILL and ABRT restore the terminal with async-safe calls alone, say where the
 * session is, and end the process with the same signal, so that a core is still written.
 * One per process (signals are). Threads: the screen's; handlers may run on any.
 */
#ifndef OC_TUI_SIGNALS_H
#define OC_TUI_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "core/base/err.h"

enum {
    OC_SIG_WINCH = 1,
    OC_SIG_TSTP = 2,
    OC_SIG_CONT = 4,
    OC_SIG_HUP = 8,
    OC_SIG_TERM = 16,
    OC_SIG_INT = 32
};

/* Install the handlers; before newterm(), or curses installs its own. OC_IO, OC_STATE (open). */
oc_status oc_signals_open(oc_err *err) OC_NODISCARD;
void oc_signals_close(void); /* the handlers from before */
int oc_signals_fd(void);     /* readable when something came; -1 when closed */
unsigned oc_signals_take(void);

/* What turns off everything a screen may have turned on, in the order that is safe everywhere. */
extern const char oc_signals_sane[];

/*
 * From now on a crash or an exit() puts this terminal back.
 *   fd           the terminal
 *   before       its settings as they were
 *   err_fd, err_copy  where standard error went, and what was caught meanwhile (shown after a crash);
 *                     -1 when it was left alone
 */
void oc_signals_guard(int fd, const struct termios *before, int err_fd, int err_copy);
void oc_signals_unguard(void);
/* Told after a crash: "session NAME, event SEQ". Cheap: every frame may call it. */
void oc_signals_session(const char *name, int64_t last_seq);

/* Stop as Ctrl-Z does in a shell; returns after SIGCONT. */
void oc_signals_stop(void);
/*
 * Give the terminal back to the shell and go on in the background: stop, and have a helper process
 * continue us once the shell has taken over. Without a job-control shell it returns at once.
 */
void oc_signals_background(void);

#endif
