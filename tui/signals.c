#include "tui/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/str.h"

const char oc_signals_sane[] = "\033[?2026l\033[?1006l\033[?1002l\033[?1004l\033[?2004l\033[0m"
                               "\033[?7h\033[?1l\033>\033[r\033[?25h\033[?1049l";

#define N_SIGNALS 6
#define N_CRASHES 5
static const struct {
    int sig;
    unsigned bit;
} watched[N_SIGNALS] = {
    {SIGWINCH, OC_SIG_WINCH}, {SIGTSTP, OC_SIG_TSTP}, {SIGCONT, OC_SIG_CONT},
    {SIGHUP, OC_SIG_HUP},     {SIGTERM, OC_SIG_TERM}, {SIGINT, OC_SIG_INT},
};
static const int crashes[N_CRASHES] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/* Handlers can only reach static storage: this is the one state of the file. */
static struct {
    bool open;
    int pipe[2];
    volatile sig_atomic_t came[N_SIGNALS];
    struct sigaction before[N_SIGNALS], before_crash[N_CRASHES];
    stack_t stack, stack_before;
    bool at_exit;
    volatile sig_atomic_t guarded;
    int fd, err_fd, err_copy;
    struct termios term;
    char name[128];
    volatile int64_t seq;
} sg = {.pipe = {-1, -1}};

static void on_signal(int sig)
{
    int saved = errno;
    for (int i = 0; i < N_SIGNALS; i++)
        if (watched[i].sig == sig)
            sg.came[i] = 1;
    ssize_t n = write(sg.pipe[1], "", 1); // a full pipe wakes just as well
    (void)n;
    errno = saved;
}

/* Everything below restore() is async-safe. */
static void put(int fd, const char *s, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, s, n);
        if (w <= 0)
            return;
        s += w;
        n -= (size_t)w;
    }
}

static void restore(void)
{
    if (!sg.guarded)
        return;
    sg.guarded = 0;
    sigset_t ttou, old; // in the background tcsetattr would stop us
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &old);
    int flags = fcntl(sg.fd, F_GETFL);
    if (flags >= 0)
        fcntl(sg.fd, F_SETFL, flags & ~O_NONBLOCK);
    put(sg.fd, oc_signals_sane, sizeof oc_signals_sane - 1);
    tcflush(sg.fd, TCIFLUSH);
    tcsetattr(sg.fd, TCSANOW, &sg.term);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (sg.err_fd >= 0) {
        char block[1024];
        dup2(sg.err_fd, STDERR_FILENO);
        off_t at = 0;
        ssize_t n;
        while (at < 65536 && (n = pread(sg.err_copy, block, sizeof block, at)) > 0) {
            put(STDERR_FILENO, block, (size_t)n);
            at += n;
        }
    }
}

static void put_str(const char *s)
{
    put(STDERR_FILENO, s, strlen(s));
}

static void put_int(int64_t v)
{
    char digits[24];
    int n = 0;
    do {
        digits[sizeof digits - 1 - (size_t)n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    put(STDERR_FILENO, digits + sizeof digits - n, (size_t)n);
}

static void on_crash(int sig)
{
    bool was_guarded = sg.guarded;
    restore();
    if (was_guarded) {
        put_str("optimclm: crashed (signal ");
        put_int(sig);
        put_str(")");
        if (sg.name[0]) {
            put_str("; session ");
            put_str(sg.name);
            put_str(" is kept up to event ");
            put_int(sg.seq);
        }
        put_str("\n");
    }
    raise(sig); // SA_RESETHAND: now with its own meaning
}

static void on_exit_restore(void)
{
    restore();
}

static void install_crash_handlers(void)
{
    size_t bytes = OC_MAX((size_t)SIGSTKSZ, (size_t)65536);
    sg.stack.ss_sp = oc_alloc(bytes);
    sg.stack.ss_size = bytes;
    int on_stack = 0;
    if (sg.stack.ss_sp && sigaltstack(&sg.stack, &sg.stack_before) == 0)
        on_stack = SA_ONSTACK; // a stack overflow has no other place left
    struct sigaction sa = {0};
    sa.sa_handler = on_crash;
    sigemptyset(&sa.sa_mask);
    sa.sa_flags = (int)((unsigned)SA_RESETHAND | (unsigned)on_stack);
    for (int i = 0; i < N_CRASHES; i++)
        sigaction(crashes[i], &sa, &sg.before_crash[i]);
}

oc_status oc_signals_open(oc_err *err)
{
    if (sg.open)
        return OC_FAIL(err, OC_STATE, "signals are already watched");
    if (pipe(sg.pipe) != 0)
        return OC_FAIL_SYS(err, OC_IO, "cannot make a pipe for signals: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        fcntl(sg.pipe[i], F_SETFL, O_NONBLOCK);
        fcntl(sg.pipe[i], F_SETFD, FD_CLOEXEC);
    }
    struct sigaction sa = {0};
    sa.sa_handler = on_signal;
    sa.sa_flags = SA_RESTART;
    sigemptyset(&sa.sa_mask);
    for (int i = 0; i < N_SIGNALS; i++) {
        sg.came[i] = 0;
        sigaction(watched[i].sig, &sa, &sg.before[i]);
    }
    install_crash_handlers();
    if (!sg.at_exit)
        sg.at_exit = atexit(on_exit_restore) == 0;
    sg.open = true;
    return OC_OK;
}

void oc_signals_close(void)
{
    if (!sg.open)
        return;
    for (int i = 0; i < N_SIGNALS; i++)
        sigaction(watched[i].sig, &sg.before[i], NULL);
    for (int i = 0; i < N_CRASHES; i++)
        sigaction(crashes[i], &sg.before_crash[i], NULL);
    if (sg.stack.ss_sp) {
        stack_t off = {.ss_flags = SS_DISABLE};
        sigaltstack((sg.stack_before.ss_flags & SS_DISABLE) ? &off : &sg.stack_before, NULL);
        oc_free(sg.stack.ss_sp);
        sg.stack.ss_sp = NULL;
    }
    for (int i = 0; i < 2; i++) {
        close(sg.pipe[i]);
        sg.pipe[i] = -1;
    }
    sg.open = false;
}

int oc_signals_fd(void)
{
    return sg.pipe[0];
}

unsigned oc_signals_take(void)
{
    char sink[64];
    while (read(sg.pipe[0], sink, sizeof sink) > 0)
        continue;
    unsigned bits = 0;
    for (int i = 0; i < N_SIGNALS; i++) {
        if (sg.came[i]) {
            sg.came[i] = 0;
            bits |= watched[i].bit;
        }
    }
    return bits;
}

void oc_signals_guard(int fd, const struct termios *before, int err_fd, int err_copy)
{
    sg.guarded = 0;
    sg.fd = fd;
    sg.term = *before;
    sg.err_fd = err_fd;
    sg.err_copy = err_copy;
    sg.guarded = 1;
}

void oc_signals_unguard(void)
{
    sg.guarded = 0;
}

void oc_signals_session(const char *name, int64_t last_seq)
{
    if (strncmp(sg.name, name, sizeof sg.name - 1) != 0)
        oc_strlcpy(sg.name, name, sizeof sg.name);
    sg.seq = last_seq;
}

/* Stop the whole job, as the terminal driver would. */
static void stop_job(void)
{
    struct sigaction dfl = {0}, mine;
    dfl.sa_handler = SIG_DFL;
    sigemptyset(&dfl.sa_mask);
    sigaction(SIGTSTP, &dfl, &mine);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &set, &old);
    kill(0, SIGTSTP);
    // The signal may be taken by another thread: give it the moment it needs.
    struct timespec ts = {.tv_nsec = 20 * 1000000L};
    nanosleep(&ts, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    sigaction(SIGTSTP, &mine, NULL);
}

void oc_signals_stop(void)
{
    stop_job();
}

void oc_signals_background(void)
{
    pid_t group = getpgrp();
    pid_t first = fork();
    if (first < 0)
        return;
    if (first == 0) {  // only async-safe calls: other threads held who knows which locks
        setpgid(0, 0); // outside of what is about to stop
        if (fork() == 0) {
            struct timespec ts = {.tv_nsec = 300 * 1000000L};
            nanosleep(&ts, NULL);
            kill(-group, SIGCONT);
        }
        _exit(0);
    }
    while (waitpid(first, NULL, 0) < 0 && errno == EINTR)
        continue;
    stop_job();
}
