/*
 * The real program in a real terminal (tmux): opening, typing, views, resizing, signals, crashes,
 * detaching, hanging up, replaying, attaching. What the views draw is the goldens' business; here
 * only that the right things are on the screen, and that the terminal is always given back whole.
 */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/file.h"

#define PATIENCE_MS 20000 /* for a loaded machine; what is waited for usually comes at once */
#define FLAGS       "alt=#{alternate_on} cursor=#{cursor_flag} mouse=#{mouse_any_flag}"

static char folder[] = "/tmp/optimclm-tmux-XXXXXX";
static char binary[4096];
static const char *missing; /* why nothing can be tested */
static char seen[1 << 16];

/* Output of a shell command, in `seen`; its exit status. */
static int sh(const char *fmt, ...) OC_PRINTF(1, 2);
static int sh(const char *fmt, ...)
{
    char command[8192];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    FILE *p = popen(command, "r");
    if (!p)
        return -1;
    size_t n = fread(seen, 1, sizeof seen - 1, p);
    seen[n] = '\0';
    int rc = pclose(p);
    return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

/* Each terminal has a server of its own: one that is still ending cannot take the next one along. */
static int server;
#define TMUX "TMUX_TMPDIR=%s tmux -L s%d -f /dev/null "
#define HERE folder, server

static void stop_tmux(void)
{
    sh(TMUX "kill-server 2>/dev/null", HERE);
    for (int i = 0; i < 100 && sh(TMUX "list-sessions 2>/dev/null", HERE) == 0; i++)
        oc_sleep_ms(20);
}

/* A shell in one more terminal; `go ARGS` starts the program and leaves its pid in a file. */
static void one_more_shell(int cols, int rows, const char *env)
{
    server++;
    int rc = sh(
        TMUX
        "new-session -d -x %d -y %d 'env -u SSH_CONNECTION -u NO_COLOR -u TMUX HOME=%s XDG_STATE_HOME=%s "
        "LC_ALL=C.UTF-8 TZ=UTC INPUTRC=/dev/null OMP_NUM_THREADS=1 PS1=\"ready> \" PATH=%s:$PATH %s sh -i' "
        "\\; set -g status off \\; set -g focus-events on 2>&1",
        HERE, cols, rows, folder, folder, folder, env);
    if (rc != 0)
        fail_msg("tmux does not start: %s", seen);
}

/* The same, in the place of the terminal used so far. */
static void start_shell(int cols, int rows, const char *env)
{
    stop_tmux();
    one_more_shell(cols, rows, env);
}

static const char *look(void)
{
    sh(TMUX "capture-pane -p", HERE);
    return seen;
}

static void wait_for(const char *text)
{
    int64_t until = oc_wall_ms() + PATIENCE_MS;
    while (!strstr(look(), text)) {
        if (oc_wall_ms() > until)
            fail_msg("'%s' does not appear on the screen:\n%s", text, look());
        oc_sleep_ms(20);
    }
}

static void wait_gone(const char *text)
{
    int64_t until = oc_wall_ms() + PATIENCE_MS;
    while (strstr(look(), text)) {
        if (oc_wall_ms() > until)
            fail_msg("'%s' stays on the screen:\n%s", text, look());
        oc_sleep_ms(20);
    }
}

static void wait_flags(const char *want)
{
    int64_t until = oc_wall_ms() + PATIENCE_MS;
    do {
        oc_sleep_ms(20);
        sh(TMUX "display -p '" FLAGS "'", HERE);
        seen[strcspn(seen, "\n")] = '\0';
    } while (strcmp(seen, want) != 0 && oc_wall_ms() < until);
    assert_string_equal(seen, want);
}

static void type(const char *text)
{
    sh(TMUX "send-keys -l -- \"%s\"", HERE, text);
}
static void press(const char *keys)
{
    sh(TMUX "send-keys %s", HERE, keys);
}
static void resize(int cols, int rows)
{
    sh(TMUX "resize-window -x %d -y %d", HERE, cols, rows);
}

/* Start the program in the shell. */
static void go(const char *args)
{
    char line[512];
    wait_for("ready>");
    snprintf(line, sizeof line, "clear; go %s; echo \\\"rc=\\$?\\\"", args);
    type(line);
    press("Enter");
}

static long program(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/pid", folder);
    FILE *f = fopen(path, "r");
    long pid = 0;
    if (f && fscanf(f, "%ld", &pid) != 1)
        pid = 0;
    if (f)
        fclose(f);
    assert_true(pid > 1);
    return pid;
}

/* A zombie of a dead parent counts as gone. */
static bool alive(long pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return kill((pid_t)pid, 0) == 0 && !oc_path_exists("/proc/self/stat");
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    fclose(f);
    return state != 'Z';
}

static void wait_dead(long pid)
{
    int64_t until = oc_wall_ms() + PATIENCE_MS;
    while (alive(pid)) {
        if (oc_wall_ms() > until) {
            kill((pid_t)pid, SIGKILL);
            fail_msg("process %ld does not end", pid);
        }
        oc_sleep_ms(20);
    }
}

/* A tiny job on synthetic notes: thousands of steps a second, and yet hours of them. */
#define RECIPE                                                                                    \
    "{\"data.source\": \"notes\", \"data.rows_train\": 2000, \"data.rows_valid\": 16, "           \
    "\"data.rows_test\": 16, \"teacher.models\": \"new:L1-H16-A2-F16\", \"teacher.vocab\": 300, " \
    "\"train.max_len\": 16, \"train.batch\": 8, \"train.eval_every\": 1000000, "                  \
    "\"finetune.epochs\": 10000, \"run.stages\": \"finetune\""

#define SANE "alt=0 cursor=1 mouse=0"

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[4200];
    oc_err err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (oc_file_write(path, text, strlen(text), &err) != OC_OK)
        fail_msg("%s", err.msg);
    chmod(path, mode);
}

static int setup(void **state)
{
    (void)state;
    const char *name = getenv("OC_BINARY");
    name = name ? name : "build/release/optimclm";
    if (!mkdtemp(folder))
        return -1;
    if (!realpath(name, binary))
        missing = "skipped: the program is not built (OC_BINARY)";
    else if (sh("command -v tmux") != 0)
        missing = "skipped: tmux is not installed";
    if (missing)
        return 0;
    char script[4300];
    snprintf(script, sizeof script, "#!/bin/sh\necho $$ >%s/pid\nexec %s \"$@\"\n", folder, binary);
    write_file("go", script, 0700);
    write_file("endless.json", RECIPE "}", 0600);
    write_file("short.json", RECIPE ", \"train.max_steps\": 20000}", 0600);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (!missing)
        stop_tmux();
    return oc_remove_tree(folder, NULL) == OC_OK ? 0 : -1;
}

static void need(void)
{
    if (missing) {
        print_message("%s\n", missing);
        skip();
    }
}

/* An idle session: the REPL with completion, views, help, glyphs, answers, quitting. */
static void test_idle(void **state)
{
    (void)state;
    need();
    start_shell(80, 24, "");
    go("--session idle");
    wait_for("IDLE");
    wait_for("1[Run]");
    wait_flags("alt=1 cursor=0 mouse=0");
    press(":");
    type("se");
    press("Tab");
    wait_for("sessions"); // the list: set, sessions
    type("t prune.sp");
    press("Tab");
    wait_for("> set prune.sparsity");
    wait_flags("alt=1 cursor=1 mouse=0");
    type("0.6");
    press("Enter");
    wait_for("prune.sparsity 0.3 -> 0.6");
    type("set prune.sparsity 7");
    press("Enter");
    wait_for("0.99"); // refused, with the range
    type("abc");
    press("C-c");
    wait_gone("> abc");
    press("C-r");
    type("set prune.sparsity 0.6");
    wait_for("reverse-i-search");
    press("C-c");
    wait_gone("reverse-i-search");
    press("Up");
    wait_for("> set prune.sparsity 7");
    press("C-u");
    type("nötö 世界");
    wait_for("> nötö 世界");
    press("C-u");
    type("help");
    press("Enter");
    wait_for("Esc closes"); // a long answer
    press("Escape");
    wait_gone("Esc closes");
    press("Escape");
    wait_for(": to type a command");
    press("2");
    wait_for("2[Loss]");
    press("Tab");
    wait_for("3[Sparsity]");
    press("BTab");
    wait_for("2[Loss]");
    press("?");
    wait_gone("2[Loss]");
    press("Escape");
    wait_for("2[Loss]");
    press("T");
    wait_for("glyphs: block");
    press("T");
    wait_for("glyphs: ascii");
    press("t");
    wait_for("theme ");
    press("Z");
    wait_for("FROZEN");
    press("Z");
    wait_gone("FROZEN");
    press("m");
    wait_for("> note");
    type("seen by the test");
    press("Enter");
    wait_for("seen by the test");
    press("Escape");
    oc_sleep_ms(60); // an Escape and a key within 25 ms would be Alt-q
    press("q");
    wait_for("rc=0");
    wait_flags(SANE);
    assert_non_null(strstr(look(), "idle"));
}

/* Bracketed paste: lines become one, nothing runs by itself. */
static void test_paste(void **state)
{
    (void)state;
    need();
    start_shell(80, 24, "");
    go("--session paste");
    wait_for("IDLE");
    sh("printf 'set run.seed 5\\nset run.threads 2\\n' | " TMUX "load-buffer -", HERE);
    sh(TMUX "paste-buffer -p", HERE);
    wait_for("> set run.seed 5; set run.threads 2");
    assert_null(strstr(look(), "1 -> 5"));
    press("Enter");
    wait_for("1 -> 5");
    type("quit");
    press("Enter");
    wait_for("rc=0");
    wait_flags(SANE);
}

/* A job: live header, settings, zoom, pause, freeze, a storm of resizes, Ctrl-C, quitting. */
static void test_job(void **state)
{
    (void)state;
    need();
    char args[200];
    start_shell(120, 40, "");
    snprintf(args, sizeof args, "run %s/endless.json --session job", folder);
    go(args);
    wait_for("RUN");
    wait_for("step ");
    wait_for("4 Quant"); // tiles
    press(":");
    type("set prune.sparsity 0.6");
    press("Enter");
    wait_for("prune.sparsity 0.3 -> 0.6");
    press("Escape");
    oc_sleep_ms(60);
    press("2");
    press("Enter");
    wait_gone("4 Quant ─");
    press("Escape");
    wait_for("4 Quant ─");
    for (int i = 0; i < 20; i++)
        resize(20 + 9 * i, 2 + 3 * i);
    resize(1, 1);
    resize(80, 24);
    wait_for("2[Loss]");
    wait_for("RUN");
    resize(30, 8);
    wait_for("need 40x10, have 30x8");
    resize(120, 40);
    wait_for("4 Quant ─");
    press("P");
    wait_for("PAUSED");
    press("P");
    wait_for("● RUN");
    press("q");
    wait_for("a job is running: d detach");
    press("x"); // no answer
    press("c");
    wait_gone("a job is running: d detach");
    press("C-c");
    wait_for("press Ctrl-C again");
    press("C-c");
    wait_for("CANCELLED");
    press("C-l");
    wait_for("CANCELLED");
    press("q");
    wait_for("rc=");
    wait_flags(SANE);
}

/* The answer `s`: the job is stopped after a checkpoint, then the screen goes. */
static void test_quit_and_stop(void **state)
{
    (void)state;
    need();
    char args[200];
    start_shell(80, 24, "SSH_CONNECTION=1"); // and paced by the terminal's answers
    snprintf(args, sizeof args, "run %s/endless.json --session stop", folder);
    go(args);
    wait_for("RUN");
    wait_for("step ");
    press("q");
    wait_for("a job is running: d detach");
    press("s");
    wait_for("rc=");
    wait_flags(SANE);
    oc_sleep_ms(100);
    assert_null(strstr(look(), "[0n")); // no answer of the terminal is left for the shell
    assert_null(strstr(look(), "0n"));
}

static void test_crash(void **state)
{
    (void)state;
    need();
    static const struct {
        int sig;
        const char *text;
    } crashes[] = {{SIGSEGV, "crashed (signal 11)"}, {SIGABRT, "crashed (signal 6)"}};
    for (int i = 0; i < OC_COUNT(crashes); i++) {
        start_shell(80, 24, "");
        go("--session crash");
        wait_for("IDLE");
        press("M");
        wait_flags("alt=1 cursor=0 mouse=1");
        kill((pid_t)program(), crashes[i].sig);
        wait_for(crashes[i].text);
        wait_for("session crash is kept up to event");
        wait_flags(SANE);
        wait_for("rc=");
        type("echo the shell reads lines"); // canonical mode and echo are back
        wait_for("ready> echo the shell reads lines");
        press("Enter");
        wait_for("\nthe shell reads lines");
    }
}

static void test_terminated(void **state)
{
    (void)state;
    need();
    start_shell(80, 24, "");
    go("--session term");
    wait_for("IDLE");
    kill((pid_t)program(), SIGTERM);
    wait_for("rc=");
    wait_flags(SANE);
}

/* Ctrl-Z, bg, fg, as with any program. */
static void test_suspend(void **state)
{
    (void)state;
    need();
    start_shell(80, 24, "");
    go("--session suspend");
    wait_for("IDLE");
    press("C-z");
    wait_for("ready>");
    wait_flags(SANE);
    assert_true(alive(program()));
    type("clear; fg");
    press("Enter");
    wait_for("IDLE");
    wait_flags("alt=1 cursor=0 mouse=0");
    press("C-z");
    wait_for("ready>");
    type("clear; bg");
    press("Enter");
    oc_sleep_ms(300);
    wait_flags(SANE); // in the background it leaves the terminal alone
    type("clear; fg");
    press("Enter");
    wait_for("IDLE");
    press("q");
    wait_for("ready>");
    wait_flags(SANE);
}

/* The answer `d`: the shell comes back, the job goes on, an interrupt ends it. */
static void test_detach(void **state)
{
    (void)state;
    need();
    char args[200];
    start_shell(80, 24, "");
    snprintf(args, sizeof args, "run %s/endless.json --session detach", folder);
    go(args);
    wait_for("step ");
    press("q");
    wait_for("a job is running: d detach");
    press("d");
    wait_for("optimclm attach detach");
    wait_flags(SANE);
    long pid = program();
    wait_for("ready>");
    type("echo mine again");
    press("Enter");
    wait_for("\nmine again");
    assert_true(alive(pid));
    kill((pid_t)pid, SIGINT);
    wait_dead(pid);
}

/* The terminal goes away: the job runs to its end, then the program ends by itself. */
static void test_hangup(void **state)
{
    (void)state;
    need();
    char args[200], path[200];
    start_shell(80, 24, "");
    snprintf(args, sizeof args, "run %s/short.json --session hangup", folder);
    go(args);
    wait_for("step ");
    long pid = program();
    stop_tmux();
    wait_dead(pid);
    snprintf(path, sizeof path, "%s/optimclm/sessions/hangup/events.jsonl", folder);
    char *journal = NULL;
    size_t n = 0;
    assert_int_equal(oc_file_read(path, 1 << 26, &journal, &n, NULL), OC_OK);
    assert_non_null(
        strstr(journal, "\"step\": 20000")); // the last step, long after the terminal went
    assert_non_null(strstr(journal, "\"exit\", {\"reason\": \"done\""));
    oc_free(journal);
}

/* A recorded session as a film: the one that was just hung up. */
static void test_replay(void **state)
{
    (void)state;
    need();
    start_shell(100, 30, "");
    go("replay hangup");
    wait_for("REPLAY ");
    press("Space");
    press("G");
    wait_for(" end");
    press("g");
    wait_for("REPLAY 0/");
    press("]");
    wait_for("REPLAY 1/");
    wait_for("paused");
    press("'{'");
    press(".");
    wait_for("x2");
    press(",");
    press(",");
    wait_for("x0.5");
    press(":");
    wait_for("takes no commands");
    press("q");
    wait_for("rc=0");
    wait_flags(SANE);
}

/* The step in the header, -1 when none is shown. */
static long step_shown(void)
{
    const char *at = strstr(look(), "step ");
    return at && isdigit((unsigned char)at[5]) ? strtol(at + 5, NULL, 10) : -1;
}

static void wait_step_after(long step)
{
    int64_t until = oc_wall_ms() + PATIENCE_MS;
    while (step_shown() <= step) {
        if (oc_wall_ms() > until)
            fail_msg("the steps stand still at %ld:\n%s", step, look());
        oc_sleep_ms(20);
    }
}

/* A job in one terminal, watched from a second one: it moves, takes no commands, and goes on. */
static void test_attach(void **state)
{
    (void)state;
    need();
    char args[200];
    start_shell(120, 30, "");
    snprintf(args, sizeof args, "run %s/endless.json --session watched", folder);
    go(args);
    wait_for("step ");
    long job = program();
    one_more_shell(120, 30, "");
    go("attach watched");
    wait_for("ATTACHED, read-only");
    wait_step_after(0);
    for (int i = 0; i < 3; i++)
        wait_step_after(step_shown());
    press("["); // stepping back holds the picture, while the journal grows
    wait_for("read-only, paused at ");
    long held = step_shown();
    oc_sleep_ms(1200);
    assert_int_equal(step_shown(), held);
    assert_non_null(strstr(look(), "read-only, paused at "));
    press("G");
    wait_gone("paused at ");
    wait_step_after(held);
    press("Space"); // at the end it holds as well
    wait_for("read-only, paused at ");
    press("Space");
    wait_gone("paused at ");
    press(":");
    wait_for("attached read-only: commands go where the session is open");
    press("P");
    press("q");
    wait_for("rc=0");
    wait_flags(SANE);
    assert_true(alive(job));
    type("clear");
    press("Enter");
    go("attach watched");
    wait_for("ATTACHED, read-only");
    wait_step_after(held); // P has not paused it
    kill((pid_t)job, SIGTERM);
    wait_for("read-only: the session has ended");
    wait_dead(job);
    press("q");
    wait_for("rc=0");
    type("clear; go attach nothing");
    press("Enter");
    wait_for("there is no session 'nothing'");
    assert_int_equal(
        sh("HOME=%s XDG_STATE_HOME=%s %s attach watched 2>&1 </dev/null", folder, folder, binary),
        2);
    assert_non_null(strstr(seen, "no screen"));
    stop_tmux();
    server--; // the job's terminal
    stop_tmux();
    server++;
}

/* Where no screen is possible it says so in one sentence, and touches nothing. */
static void test_refused(void **state)
{
    (void)state;
    need();
    start_shell(80, 24, "TERM=dumb");
    go("--session no");
    wait_for("TERM is dumb");
    wait_for("rc=2");
    start_shell(80, 24, "TERM=no-such-terminal");
    go("--session no");
    wait_for("'no-such-terminal' is not known");
    wait_for("rc=2");
    assert_int_equal(
        sh("HOME=%s XDG_STATE_HOME=%s %s --session no 2>&1 </dev/null", folder, folder, binary), 2);
    assert_non_null(strstr(seen, "no screen"));
}

/* Does captured text set a colour? 39 and 49, the terminal's own, are none. */
static bool coloured(const char *s)
{
    while ((s = strstr(s, "\033["))) {
        s += 2;
        while (isdigit((unsigned char)*s) || *s == ';') {
            long n = strtol(s, NULL, 10);
            if ((n >= 30 && n <= 48 && n != 39) || n >= 90)
                return true;
            s += strcspn(s, ";m");
            s += *s == ';';
        }
    }
    return false;
}

/* Other terminals and no UTF-8: the text is there, and nothing is left behind. */
static void test_terminals(void **state)
{
    (void)state;
    need();
    static const char *const envs[] = {"TERM=vt100 LC_ALL=C", "TERM=linux",
                                       "TERM=xterm NO_COLOR=1"};
    for (int i = 0; i < OC_COUNT(envs); i++) {
        start_shell(80, 24, envs[i]);
        go("--session kinds");
        wait_for("IDLE");
        press(":");
        type("set run.seed 9");
        wait_for("> set run.seed 9");
        if (strstr(envs[i], "NO_COLOR")) {
            sh(TMUX "capture-pane -p -e", HERE);
            assert_false(coloured(seen));
        }
        press("C-u");
        type("quit");
        press("Enter");
        wait_for("rc=0");
        sh(TMUX "display -p '" FLAGS "'", HERE);
        assert_non_null(strstr(seen, "alt=0 cursor=1"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),      cmocka_unit_test(test_paste),
        cmocka_unit_test(test_job),       cmocka_unit_test(test_quit_and_stop),
        cmocka_unit_test(test_crash),     cmocka_unit_test(test_terminated),
        cmocka_unit_test(test_suspend),   cmocka_unit_test(test_detach),
        cmocka_unit_test(test_hangup),    cmocka_unit_test(test_replay),
        cmocka_unit_test(test_attach),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_terminals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
