/* core/measure/doctor: what the kernel's files say, made-up ones, and the verdict on it. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/attr.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/measure/doctor.h"

static char root[128];

static void put(const char *path, const char *text)
{
    char full[256], dir[256];
    snprintf(full, sizeof full, "%s%s", root, path);
    snprintf(dir, sizeof dir, "%s", full);
    *strrchr(dir, '/') = 0;
    oc_err e = {0};
    if (oc_mkdirs(dir, &e) != OC_OK || oc_file_write(full, text, strlen(text), &e) != OC_OK)
        fail_msg("%s", e.msg);
}

static void process(int pid, const char *name, int parent, int user, int sys)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    snprintf(text, sizeof text, "%d (%s) R %d 1 1 0 -1 4194560 1 2 3 4 %d %d 0 0 20 0 1 0 5 6 7\n",
             pid, name, parent, user, sys);
    put(path, text);
}

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/oc_doctor.XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return oc_remove_tree(root, NULL) == OC_OK ? 0 : -1;
}

static void reads_the_cpu_line(void **state)
{
    (void)state;
    oc_cpu_ticks t;
    assert_true(oc_parse_proc_stat("cpu  10 20 30 400 50 6 7 8 99 99\ncpu0 1 2 3 4\n", &t));
    assert_int_equal(t.total, 10 + 20 + 30 + 400 + 50 + 6 + 7 + 8); // guests are in user time
    assert_int_equal(t.idle, 450);
    assert_int_equal(t.steal, 8);
    assert_true(oc_parse_proc_stat("cpu  1 2 3 4\n", &t)); // old kernels stop here
    assert_int_equal(t.steal, 0);
    const char *const bad[] = {"",
                               "cpu",
                               "cpu ",
                               "cpu  1 2 3",
                               "cpu0 1 2 3 4",
                               "cpu  1 -2 3 4",
                               "cpu  1 2 3 9223372036854775807",
                               "intr 1 2 3 4"};
    for (int i = 0; i < OC_COUNT(bad); i++)
        assert_false(oc_parse_proc_stat(bad[i], &t));
}

static void reads_a_process(void **state)
{
    (void)state;
    oc_process_ticks p;
    assert_true(oc_parse_pid_stat("42 (a b) (c) R 7 1 1 0 -1 4 1 2 3 4 100 23 0 0", &p));
    assert_int_equal(p.pid, 42);
    assert_int_equal(p.parent, 7);
    assert_int_equal(p.ticks, 123);
    assert_string_equal(p.name, "a b) (c");
    assert_true(oc_parse_pid_stat("42 (\033[2J\xff) R 7 1 1 0 -1 4 1 2 3 4 1 2 0 0", &p));
    assert_string_equal(p.name, "?[2J?"); // nothing a process calls itself reaches the terminal
    assert_true(oc_parse_pid_stat(
        "1 (0123456789012345678901234567890123456789) S 0 1 1 0 -1 4 1 2 3 4 0 0 0", &p));
    assert_int_equal(strlen(p.name), 31);
    const char *const bad[] = {"",
                               "42",
                               "42 (x",
                               "42 x) R 7 1 1 0 -1 4 1 2 3 4 1 2",
                               "42 (x) R 7 1 1 0 -1 4 1 2 3 4 1",
                               "42 (x) R 7 1 1 0 -1 4 1 2 3 4 1 -2",
                               "-1 (x) R 7 1 1 0 -1 4 1 2 3 4 1 2",
                               "(x) R 7 1 1 0 -1 4 1 2 3 4 1 2",
                               ")1 (x R 7 1 1 0 -1 4 1 2 3 4 1 2"};
    for (int i = 0; i < OC_COUNT(bad); i++)
        assert_false(oc_parse_pid_stat(bad[i], &p));
}

static void reads_a_quota(void **state)
{
    (void)state;
    double cpus = -1;
    assert_true(oc_parse_cpu_max("max 100000", &cpus) && cpus == 0);
    assert_true(oc_parse_cpu_max("150000 100000\n", &cpus) && cpus == 1.5);
    const char *const bad[] = {"", "max", "x 1", "100000", "0 100000", "-5 100000", "5 0"};
    for (int i = 0; i < OC_COUNT(bad); i++)
        assert_false(oc_parse_cpu_max(bad[i], &cpus));
}

static oc_machine watch(void (*meanwhile)(void))
{
    oc_watch *w;
    oc_machine m;
    oc_err e = {0};
    if (oc_watch_begin(root, 100, &w, &e) != OC_OK)
        fail_msg("%s", e.msg);
    meanwhile();
    oc_watch_end(w, &m);
    return m;
}

/* 200 ticks of two CPUs: one second of each. */
static void a_second_with_company(void)
{
    put("/proc/stat", "cpu  100 0 0 880 0 0 0 20\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5\n");
    process(100, "bench", 1, 60, 0);
    process(101, "peer", 100, 50, 0);        // a child of ours
    process(102, "worker", 101, 50, 0);      // and its child
    process(200, "make", 1, 10, 5);          // 15 ticks more than before
    process(201, "cc1) R 1 (", 200, 50, 10); // new
    process(300, "older", 1, 5, 0);          // its number was used by another before
}

static void sees_who_else_is_there(void **state)
{
    (void)state;
    put("/proc/stat", "cpu  0 0 0 800 0 0 0 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5\n");
    put("/proc/loadavg", "1.25 0.60 0.48 3/105 15798\n");
    put("/proc/self/cgroup", "0::/jobs/42\n");
    put("/sys/fs/cgroup/jobs/42/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/jobs/cpu.max", "50000 100000\n");
    put("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
    put("/sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
    put("/sys/devices/system/cpu/smt/active", "1\n");
    process(100, "bench", 1, 0, 0);
    process(200, "make", 1, 0, 0);
    process(300, "old", 1, 4000, 0);
    put("/proc/net", "no process");
    oc_machine m = watch(a_second_with_company);
    assert_true(m.load == 1.25);
    assert_true(m.others > 0.749 && m.others < 0.751); // 15 + 60 of 200 ticks on 2 CPUs
    assert_string_equal(m.top, "cc1) R 1 (");
    assert_int_equal(m.top_pid, 201);
    assert_true(m.top_cpus > 0.599 && m.top_cpus < 0.601);
    assert_true(m.steal > 0.099 && m.steal < 0.101);
    assert_true(m.quota == 0.5); // a parent's limit holds too
    assert_string_equal(m.governor, "powersave");
    assert_int_equal(m.turbo, 1);
    assert_int_equal(m.smt, 1);
    oc_finding f[OC_MAX_FINDINGS];
    m.cores = 2;
    int n = oc_doctor(&m, 3, f);
    assert_int_equal(n, 7);
    assert_non_null(strstr(f[0].what, "0.75 CPUs busy; the busiest is cc1) R 1 ( (process 201"));
    assert_non_null(strstr(f[1].what, "10.0 %"));
    assert_non_null(strstr(f[2].what, "3 threads share 2 cores"));
    assert_string_equal(f[2].todo, "use --threads 2 or fewer");
    assert_non_null(strstr(f[3].what, "allows 0.50 CPUs"));
    assert_non_null(strstr(f[4].what, "SMT"));
    assert_non_null(strstr(f[5].what, "powersave"));
    assert_non_null(strstr(f[6].what, "turbo"));
    for (int i = 0; i < n; i++) {
        assert_int_equal(f[i].spoils, i < 4);
        assert_true(f[i].todo[0]);
    }
}

static void nothing(void) {}

static void an_unknown_machine_says_nothing(void **state)
{
    (void)state;
    oc_machine m = watch(nothing);
    assert_true(m.load == -1 && m.others == -1 && m.seconds == 0 && m.quota == 0);
    assert_int_equal(m.turbo, -1);
    assert_int_equal(m.smt, -1);
    oc_finding f[OC_MAX_FINDINGS];
    assert_int_equal(oc_doctor(&m, 1, f), 0);
    oc_watch_end(NULL, &m);
    assert_int_equal(oc_doctor(&m, 1, f), 0);
    m.load = 100; // no processes to be seen: the load average has to do
    assert_int_equal(oc_doctor(&m, 1, f), 1);
    assert_true(f[0].spoils);
}

static void old_control_groups(void **state)
{
    (void)state;
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    assert_true(watch(nothing).quota == 0);
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n");
    assert_true(watch(nothing).quota == 2.5);
}

static void on_this_machine(void **state)
{
    (void)state;
    oc_watch *w;
    oc_machine m;
    if (!oc_path_exists("/proc/stat")) {
        print_message("no /proc here\n");
        skip();
    }
    assert_int_equal(oc_watch_begin("", getpid(), &w, NULL), OC_OK);
    oc_sleep_ms(30);
    oc_watch_end(w, &m);
    assert_true(m.cores >= 1 && m.seconds > 0.02 && m.others >= 0);
    assert_true(m.steal >= 0 && m.steal <= 1);
}

static void memory_running_out(void **state)
{
    (void)state;
    put("/proc/stat", "cpu  0 0 0 800 0 0 0 0\ncpu0 1 2 3 4\n");
    for (int pid = 1; pid < 40; pid++)
        process(pid, "x", 1, 1, 1);
    for (int at = 1;; at++) {
        oc_watch *w = NULL;
        oc_machine m;
        oc_alloc_fail_at(at);
        oc_status st = oc_watch_begin(root, 100, &w, NULL);
        if (st == OC_OK)
            oc_watch_end(w, &m); // cannot fail: it says less
        bool all = oc_alloc_count() < at;
        oc_alloc_fail_at(0);
        assert_true(st == OC_OK || st == OC_NOMEM);
        assert_true(all ? st == OC_OK : at < 5000);
        if (all)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_cpu_line),
        cmocka_unit_test(reads_a_process),
        cmocka_unit_test(reads_a_quota),
        cmocka_unit_test_setup_teardown(sees_who_else_is_there, make_root, remove_root),
        cmocka_unit_test_setup_teardown(an_unknown_machine_says_nothing, make_root, remove_root),
        cmocka_unit_test_setup_teardown(old_control_groups, make_root, remove_root),
        cmocka_unit_test(on_this_machine),
        cmocka_unit_test_setup_teardown(memory_running_out, make_root, remove_root),
    };
    return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
