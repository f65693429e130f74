#ifndef _GNU_SOURCE
#    define _GNU_SOURCE // memfd_create
#endif
#include "tui/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "tui/signals.h"

#define ENTER_MODES "\033[?2004h\033[?1004h"
#define MOUSE_ON    "\033[?1002h\033[?1006h"
#define MOUSE_OFF   "\033[?1006l\033[?1002l"
#define LEAVE_MODES "\033[?2026l" MOUSE_OFF "\033[?1004l\033[?2004l\033[0m\033[?25h"

struct oc_tty {
    int in, out; /* the same descriptor when it could be opened anew */
    bool own;    /* ours to close */
    bool entered, gone;
    struct termios before, raw;
    int err_fd, err_copy; /* standard error as it was, and what is caught; -1 */
    oc_buf kept;          /* not yet written */
    size_t kept_at;
};

bool oc_tty_possible(oc_err *why)
{
    const char *term = getenv("TERM");
    bool in = isatty(STDIN_FILENO), out = isatty(STDOUT_FILENO);
    if (!in || !out) {
        (void)OC_FAIL(why, OC_UNSUPPORTED, "no screen: standard %s is no terminal",
                      in ? "output" : "input");
        return false;
    }
    if (!term || !*term || strcmp(term, "dumb") == 0) {
        (void)OC_FAIL(why, OC_UNSUPPORTED, "no screen: TERM is %s",
                      term && *term ? "dumb" : "not set");
        return false;
    }
    pid_t front = tcgetpgrp(STDIN_FILENO);
    if (front > 0 && front != getpgrp()) {
        (void)OC_FAIL(why, OC_UNSUPPORTED, "no screen: started in the background");
        return false;
    }
    return true;
}

int oc_tty_scratch(const char *name)
{
#ifdef __linux__
    int mem = memfd_create(name, MFD_CLOEXEC);
    if (mem >= 0)
        return mem;
#endif
    char path[512];
    const char *dir = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/optimclm-%s-XXXXXX", dir && *dir ? dir : "/tmp", name);
    int fd = mkstemp(path);
    if (fd >= 0) {
        unlink(path);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

oc_status oc_tty_open(oc_tty **out, oc_err *err)
{
    oc_tty *t = oc_calloc(1, sizeof *t);
    if (!t)
        return OC_FAIL(err, OC_NOMEM, "out of memory while opening the terminal");
    t->err_fd = t->err_copy = -1;
    const char *name = ttyname(STDOUT_FILENO);
    t->in = name ? open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC) : -1;
    t->own = t->in >= 0;
    t->out = t->own ? t->in : STDOUT_FILENO;
    if (!t->own) // another user's terminal (su): share what was given, guarded by poll
        t->in = STDIN_FILENO;
    if (tcgetattr(t->in, &t->before) != 0) {
        oc_status st =
            OC_FAIL_SYS(err, OC_IO, "cannot read the terminal's settings: %s", strerror(errno));
        oc_tty_close(t);
        return st;
    }
    *out = t;
    return OC_OK;
}

void oc_tty_close(oc_tty *t)
{
    if (!t)
        return;
    oc_tty_leave(t);
    if (t->own)
        close(t->in);
    oc_buf_release(&t->kept);
    oc_free(t);
}

/* Stray messages of libraries would tear the picture: they are caught and shown afterwards. */
static void catch_stderr(oc_tty *t)
{
    if (!isatty(STDERR_FILENO))
        return;
    t->err_copy = oc_tty_scratch("stderr");
    t->err_fd = t->err_copy >= 0 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) : -1;
    if (t->err_fd < 0 || dup2(t->err_copy, STDERR_FILENO) < 0) {
        if (t->err_copy >= 0)
            close(t->err_copy);
        if (t->err_fd >= 0)
            close(t->err_fd);
        t->err_fd = t->err_copy = -1;
    }
}

static void release_stderr(oc_tty *t, bool show)
{
    if (t->err_fd < 0)
        return;
    dup2(t->err_fd, STDERR_FILENO);
    char block[1024];
    ssize_t n;
    for (off_t at = 0; show && at < 65536; at += n) {
        n = pread(t->err_copy, block, sizeof block, at);
        if (n <= 0 || write(STDERR_FILENO, block, (size_t)n) != n)
            break;
    }
    close(t->err_fd);
    close(t->err_copy);
    t->err_fd = t->err_copy = -1;
}

/* tcsetattr from the background would stop us. */
static int set_modes(int fd, int when, const struct termios *m)
{
    sigset_t ttou, old;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &old);
    int rc = tcsetattr(fd, when, m);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

static oc_status set_raw(oc_tty *t, oc_err *err)
{
    if (set_modes(t->in, TCSADRAIN, &t->raw) != 0)
        return OC_FAIL_SYS(err, OC_IO, "cannot set the terminal to raw mode: %s", strerror(errno));
    return oc_tty_write(t, ENTER_MODES, sizeof ENTER_MODES - 1, err);
}

oc_status oc_tty_enter(oc_tty *t, oc_err *err)
{
    if (t->gone)
        return OC_OK;
    if (t->entered) // after SIGSTOP a shell may have changed it
        return set_raw(t, err);
    if (tcgetattr(t->in, &t->before) != 0)
        return OC_FAIL_SYS(err, OC_IO, "cannot read the terminal's settings: %s", strerror(errno));
    struct termios raw = t->before;
    raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag &= ~(tcflag_t)OPOST;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cflag = (raw.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    t->raw = raw;
    catch_stderr(t);
    oc_signals_guard(t->out, &t->before, t->err_fd, t->err_copy);
    t->entered = true;
    oc_status st = set_raw(t, err);
    if (st != OC_OK)
        oc_tty_leave(t);
    return st;
}

/* Last bytes before leaving: wait a little for a slow terminal, but not for a dead one. */
static void write_out(oc_tty *t, const char *s, size_t n)
{
    for (int tries = 0; n > 0 && tries < 20; tries++) {
        struct pollfd p = {.fd = t->out, .events = POLLOUT};
        if (poll(&p, 1, 50) > 0 && (p.revents & (POLLERR | POLLHUP)))
            return;
        ssize_t w = write(t->out, s, n);
        if (w < 0 && errno != EAGAIN && errno != EINTR)
            return;
        s += w > 0 ? w : 0;
        n -= w > 0 ? (size_t)w : 0;
    }
}

void oc_tty_leave(oc_tty *t)
{
    if (!t->entered)
        return;
    t->entered = false;
    if (!t->gone) {
        write_out(t, oc_buf_cstr(&t->kept) + t->kept_at, t->kept.len - t->kept_at);
        write_out(t, LEAVE_MODES, sizeof LEAVE_MODES - 1); // curses has left the other screen
        set_modes(t->in, TCSAFLUSH, &t->before);
    }
    oc_buf_clear(&t->kept);
    t->kept_at = 0;
    oc_signals_unguard();
    release_stderr(t, !t->gone);
}

void oc_tty_forget(oc_tty *t)
{
    t->gone = true;
    oc_signals_unguard();
}

void oc_tty_mouse(oc_tty *t, bool on)
{
    // Failing here is failing at the next frame; that one reports it.
    oc_status st = on ? oc_tty_write(t, MOUSE_ON, sizeof MOUSE_ON - 1, NULL)
                      : oc_tty_write(t, MOUSE_OFF, sizeof MOUSE_OFF - 1, NULL);
    (void)st;
}

int oc_tty_fd(const oc_tty *t)
{
    return t->in;
}

void oc_tty_size(const oc_tty *t, int32_t *cols, int32_t *rows)
{
    struct winsize ws;
    *cols = 80;
    *rows = 24;
    if (ioctl(t->out, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0 && ws.ws_row > 0) {
        *cols = OC_MIN(ws.ws_col, 1000);
        *rows = OC_MIN(ws.ws_row, 500);
    }
}

bool oc_tty_foreground(const oc_tty *t)
{
    pid_t front = tcgetpgrp(t->in);
    return front < 0 || front == getpgrp();
}

bool oc_tty_waiting(const oc_tty *t)
{
    return t->kept.len > t->kept_at;
}

bool oc_tty_ready(const oc_tty *t)
{
    struct pollfd p = {.fd = t->out, .events = POLLOUT};
    return !oc_tty_waiting(t) && poll(&p, 1, 0) > 0 && (p.revents & POLLOUT);
}

oc_status oc_tty_flush(oc_tty *t, oc_err *err)
{
    size_t n = t->kept.len - t->kept_at;
    if (n == 0 || t->gone)
        return OC_OK;
    ssize_t w = write(t->out, t->kept.data + t->kept_at, n);
    if (w < 0 && errno != EAGAIN && errno != EINTR)
        return OC_FAIL_SYS(err, OC_IO, "cannot write to the terminal: %s", strerror(errno));
    t->kept_at += w > 0 ? (size_t)w : 0;
    if (t->kept_at == t->kept.len) {
        oc_buf_clear(&t->kept);
        t->kept_at = 0;
    }
    return OC_OK;
}

oc_status oc_tty_write(oc_tty *t, const void *bytes, size_t n, oc_err *err)
{
    if (t->gone)
        return OC_OK;
    oc_buf_add(&t->kept, bytes, n);
    if (t->kept.failed) {
        oc_buf_release(&t->kept);
        t->kept_at = 0;
        return OC_FAIL(err, OC_NOMEM, "out of memory while writing to the terminal");
    }
    return oc_tty_flush(t, err);
}

int64_t oc_tty_read(oc_tty *t, void *buf, size_t n)
{
    if (t->gone)
        return -1;
    if (!t->own) {
        struct pollfd p = {.fd = t->in, .events = POLLIN};
        if (poll(&p, 1, 0) <= 0)
            return 0;
    }
    ssize_t got = read(t->in, buf, n);
    if (got > 0)
        return got;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}
