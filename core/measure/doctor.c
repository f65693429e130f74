#include "core/measure/doctor.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/par.h"
#include "core/base/str.h"

#define BUSY_CPUS     0.10 /* others' CPUs beyond which they are a disturbance */
#define STEAL_FRAC    0.01
#define LOAD_PER_CORE 0.50 /* where other processes cannot be seen */

typedef struct snapshot {
    bool ok;
    int64_t at_ns;
    oc_cpu_ticks cpu;
    oc_process_ticks *p; /* owned [n], by pid */
    size_t n, cap;
} snapshot;

struct oc_watch {
    char root[256];
    int64_t self;
    snapshot first;
};

/* --- parsers ----------------------------------------------------------------------------------- */

bool oc_parse_proc_stat(const char *text, oc_cpu_ticks *out)
{
    long long v[8] = {0};
    if (strncmp(text, "cpu ", 4) != 0)
        return false;
    int n = sscanf(text + 4, "%lld %lld %lld %lld %lld %lld %lld %lld", &v[0], &v[1], &v[2], &v[3],
                   &v[4], &v[5], &v[6], &v[7]);
    if (n < 4)
        return false;
    *out = (oc_cpu_ticks){.idle = v[3] + v[4], .steal = v[7]};
    for (int i = 0; i < 8; i++) {
        if (v[i] < 0 || v[i] > INT64_MAX / 16)
            return false;
        out->total += v[i];
    }
    return true;
}

bool oc_parse_pid_stat(const char *text, oc_process_ticks *out)
{
    char *end;
    long long pid = strtoll(text, &end, 10), parent, user, sys;
    // The name is between the first bracket and the last: it may hold both.
    const char *close = strrchr(text, ')');
    if (end == text || strncmp(end, " (", 2) != 0 || !close || close < end + 2)
        return false;
    if (sscanf(close + 1, " %*c %lld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &parent, &user,
               &sys) != 3)
        return false;
    if (pid < 0 || user < 0 || sys < 0 || user > INT64_MAX / 4 || sys > INT64_MAX / 4)
        return false;
    *out = (oc_process_ticks){.pid = pid, .parent = parent, .ticks = user + sys};
    size_t n = OC_MIN((size_t)(close - end - 2), sizeof out->name - 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)end[2 + i];
        out->name[i] = (char)(c >= 32 && c < 127 ? c : '?');
    }
    return true;
}

bool oc_parse_cpu_max(const char *text, double *cpus)
{
    long long quota, period;
    if (!strncmp(text, "max ", 4)) {
        *cpus = 0;
        return true;
    }
    if (sscanf(text, "%lld %lld", &quota, &period) != 2 || quota < 1 || period < 1)
        return false;
    *cpus = (double)quota / (double)period;
    return true;
}

/* --- reading ----------------------------------------------------------------------------------- */

/* Text of a small file under the root without its last newline; false when it cannot be read. */
static bool slurp(const char *root, const char *path, char *out, size_t size)
{
    char full[512];
    if (snprintf(full, sizeof full, "%s%s", root, path) >= (int)sizeof full)
        return false;
    // Not oc_file_read: files of /proc say that they have 0 bytes.
    FILE *f = fopen(full, "r");
    if (!f)
        return false;
    size_t n = fread(out, 1, size - 1, f);
    fclose(f);
    while (n > 0 && isspace((unsigned char)out[n - 1]))
        n--;
    out[n] = 0;
    return n > 0;
}

static oc_status read_processes(const char *root, snapshot *s, oc_err *err)
{
    char path[512], text[1024];
    oc_strlist names = {0};
    snprintf(path, sizeof path, "%s/proc", root);
    if (oc_dir_list(path, &names, NULL) != OC_OK)
        return OC_OK;
    oc_status st = OC_OK;
    for (int64_t i = 0; st == OC_OK && i < names.n; i++) {
        oc_process_ticks p;
        snprintf(path, sizeof path, "/proc/%.40s/stat", names.item[i]);
        if (!isdigit((unsigned char)names.item[i][0]) || !slurp(root, path, text, sizeof text) ||
            !oc_parse_pid_stat(text, &p))
            continue;
        st = oc_grow(&s->p, &s->cap, s->n + 1, sizeof *s->p, err);
        if (st == OC_OK)
            s->p[s->n++] = p;
    }
    oc_strlist_release(&names);
    return st;
}

static oc_status take(const char *root, snapshot *s, oc_err *err)
{
    char text[4096];
    *s = (snapshot){.at_ns = oc_now_ns()};
    s->ok = slurp(root, "/proc/stat", text, sizeof text) && oc_parse_proc_stat(text, &s->cpu);
    return read_processes(root, s, err);
}

static const oc_process_ticks *find(const snapshot *s, int64_t pid)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->p[i].pid == pid)
            return &s->p[i];
    return NULL;
}

/* Is pid this process or one of its descendants? Bounded: a list read while it changes may loop. */
static bool ours(const snapshot *s, const oc_process_ticks *p, int64_t self)
{
    for (int depth = 0; p && depth < 64; depth++) {
        if (p->pid == self)
            return true;
        p = p->parent > 0 ? find(s, p->parent) : NULL;
    }
    return false;
}

/* Ticks are turned into CPUs by what all CPUs ticked in the same time, so their length cancels. */
static void compare(const oc_watch *w, const snapshot *b, int64_t n_cpus, oc_machine *m)
{
    const snapshot *a = &w->first;
    int64_t total = b->cpu.total - a->cpu.total;
    if (!a->ok || !b->ok || total <= 0)
        return;
    m->seconds = (double)(b->at_ns - a->at_ns) * 1e-9;
    m->steal = (double)(b->cpu.steal - a->cpu.steal) / (double)total;
    m->others = 0;
    for (size_t i = 0; i < b->n; i++) {
        const oc_process_ticks *p = &b->p[i], *was = find(a, p->pid);
        int64_t ticks = p->ticks - (was ? was->ticks : 0);
        if (ticks <= 0 || ours(b, p, w->self))
            continue;
        double cpus = (double)ticks / (double)total * (double)n_cpus;
        m->others += cpus;
        if (cpus > m->top_cpus) {
            m->top_cpus = cpus;
            m->top_pid = p->pid;
            oc_strlcpy(m->top, p->name, sizeof m->top);
        }
    }
}

static int64_t count_cpus(const char *root)
{
    char *text = oc_alloc(1 << 16);
    int64_t n = 0;
    if (text && slurp(root, "/proc/stat", text, 1 << 16))
        for (const char *p = text; (p = strstr(p, "\ncpu")) != NULL; p += 4)
            n++;
    oc_free(text);
    return n > 0 ? n : 1;
}

static int flag(const char *root, const char *path, bool invert)
{
    char text[32];
    if (!slurp(root, path, text, sizeof text) || (text[0] != '0' && text[0] != '1'))
        return -1;
    return (text[0] == '1') != invert;
}

/* The tightest limit from this process's cgroup up; v2, else v1's. */
static double read_quota(const char *root)
{
    char group[512] = "", path[700], text[1024];
    double best = 0, cpus;
    if (slurp(root, "/proc/self/cgroup", text, sizeof text)) {
        const char *v2 = strstr(text, "0::");
        if (v2)
            snprintf(group, sizeof group, "%.*s", (int)strcspn(v2 + 3, "\n"), v2 + 3);
    }
    for (;;) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
        if (slurp(root, path, text, sizeof text) && oc_parse_cpu_max(text, &cpus) && cpus > 0 &&
            (best == 0 || cpus < best))
            best = cpus;
        char *slash = strrchr(group, '/');
        if (!slash)
            break;
        *slash = 0;
    }
    int64_t quota, period;
    char other[64];
    if (best == 0 && slurp(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", text, sizeof text) &&
        slurp(root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", other, sizeof other) &&
        oc_parse_i64(text, &quota) && oc_parse_i64(other, &period) && quota > 0 && period > 0)
        best = (double)quota / (double)period;
    return best;
}

oc_status oc_watch_begin(const char *root, int64_t self, oc_watch **out, oc_err *err)
{
    oc_watch *w = oc_calloc(1, sizeof *w);
    if (!w)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_strlcpy(w->root, root, sizeof w->root);
    w->self = self;
    oc_status st = take(root, &w->first, err);
    if (st != OC_OK) {
        oc_free(w->first.p);
        oc_free(w);
        return st;
    }
    *out = w;
    return OC_OK;
}

void oc_watch_end(oc_watch *w, oc_machine *m)
{
    char text[256];
    *m = (oc_machine){.cores = oc_par_cores(), .load = -1, .others = -1, .turbo = -1, .smt = -1};
    if (!w)
        return;
    snapshot second;
    if (take(w->root, &second, NULL) == OC_OK)
        compare(w, &second, count_cpus(w->root), m);
    if (slurp(w->root, "/proc/loadavg", text, sizeof text)) {
        text[strcspn(text, " ")] = 0;
        if (!oc_parse_f64(text, &m->load))
            m->load = -1;
    }
    m->quota = read_quota(w->root);
    if (slurp(w->root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text, sizeof text))
        oc_strlcpy(m->governor, text, sizeof m->governor);
    m->turbo = flag(w->root, "/sys/devices/system/cpu/intel_pstate/no_turbo", true);
    if (m->turbo < 0)
        m->turbo = flag(w->root, "/sys/devices/system/cpu/cpufreq/boost", false);
    m->smt = flag(w->root, "/sys/devices/system/cpu/smt/active", false);
    oc_free(second.p);
    oc_free(w->first.p);
    oc_free(w);
}

/* --- verdict ----------------------------------------------------------------------------------- */

typedef struct findings {
    oc_finding *f;
    int n;
} findings;

static OC_PRINTF(4, 5) void found(findings *out, bool spoils, const char *todo, const char *fmt,
                                  ...)
{
    oc_finding *f = &out->f[out->n++];
    va_list ap;
    f->spoils = spoils;
    va_start(ap, fmt);
    vsnprintf(f->what, sizeof f->what, fmt, ap);
    va_end(ap);
    oc_strlcpy(f->todo, todo, sizeof f->todo);
}

static void judge_load(const oc_machine *m, findings *out)
{
    if (m->others > BUSY_CPUS)
        found(out, true, "wait for it to end, or stop it",
              "other processes keep %.2f CPUs busy; the busiest is %s (process %lld, %.2f)",
              m->others, m->top, (long long)m->top_pid, m->top_cpus);
    // The load average lags a minute behind; where processes can be seen, they are the better proof.
    else if (m->others < 0 && m->load > LOAD_PER_CORE * m->cores)
        found(out, true, "wait until it is near 0", "the load average is %.2f", m->load);
    if (m->steal > STEAL_FRAC)
        found(out, true, "measure at another time or on a machine of your own",
              "the hypervisor gave %.1f %% of the CPU time to other guests", 100 * m->steal);
}

static void judge_cores(const oc_machine *m, int32_t threads, findings *out)
{
    char todo[160];
    if (threads > m->cores) {
        snprintf(todo, sizeof todo, "use --threads %d or fewer", m->cores);
        found(out, true, todo, "%d threads share %d core%s", threads, m->cores,
              m->cores == 1 ? "" : "s");
    }
    if (m->quota > 0 && m->quota < threads) {
        snprintf(todo, sizeof todo, "use --threads %d, or raise the limit (cpu.max)",
                 (int)OC_MAX(m->quota, 1.0));
        found(out, true, todo, "the control group allows %.2f CPUs, fewer than the %d threads",
              m->quota, threads);
    }
    if (m->smt == 1 && threads > m->cores / 2) {
        snprintf(todo, sizeof todo, "use --threads %d for one thread a core",
                 OC_MAX(m->cores / 2, 1));
        found(out, false, todo, "SMT is on: two of the %d threads may share a core", threads);
    }
}

int oc_doctor(const oc_machine *m, int32_t threads, oc_finding out[OC_MAX_FINDINGS])
{
    findings f = {.f = out};
    judge_load(m, &f);
    judge_cores(m, threads, &f);
    if (m->governor[0] && strcmp(m->governor, "performance") != 0)
        found(&f, false, "cpupower frequency-set -g performance",
              "the frequency governor is %s: short runs may meet a slow clock", m->governor);
    if (m->turbo == 1)
        found(&f, false, "compare ratios inside one run, or turn turbo off",
              "turbo is on: the clock depends on temperature and on busy cores");
    return f.n;
}
