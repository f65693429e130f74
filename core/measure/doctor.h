/*
 * core/measure/doctor.h - what on this machine spoils a measurement, and what to do about it.
 *
 * Two snapshots of the kernel's counters, around a measurement or around half a second of doing
 * nothing, say who else used the CPUs and what the hypervisor took. What cannot be read is unknown
 * and says nothing.
 * Threads: any. Source: proc(5); Linux admin-guide cgroup-v2 (cpu.max), cpufreq, sysfs
 * devices/system/cpu/smt.
 */
#ifndef OC_MEASURE_DOCTOR_H
#define OC_MEASURE_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

/* Clock ticks of all CPUs together since boot. */
typedef struct oc_cpu_ticks {
    int64_t total, idle, steal; /* total without guest time, which is in user time already */
} oc_cpu_ticks;
/* First line of /proc/stat. False when it is none. */
bool oc_parse_proc_stat(const char *text, oc_cpu_ticks *out);

typedef struct oc_process_ticks {
    int64_t pid, parent;
    int64_t ticks; /* user and system */
    char name[32]; /* what a terminal cannot show is '?' */
} oc_process_ticks;
/* /proc/PID/stat; the name may hold blanks and brackets. False when it is malformed. */
bool oc_parse_pid_stat(const char *text, oc_process_ticks *out);

/* cpu.max of cgroup v2 ("max 100000" or "150000 100000"): CPUs allowed, 0 = no limit. */
bool oc_parse_cpu_max(const char *text, double *cpus);

typedef struct oc_machine {
    int32_t cores;   /* this process may use */
    double seconds;  /* between the two snapshots; 0 = no CPU counters here */
    double load;     /* load average of the last minute; -1 = unknown */
    double others;   /* CPUs that other processes kept busy; -1 = unknown */
    double steal;    /* share of all CPU time the hypervisor gave to others, 0..1 */
    char top[32];    /* busiest other process; "" = none stands out */
    double top_cpus; /* CPUs it kept busy */
    int64_t top_pid;
    double quota;      /* CPUs the cgroup allows; 0 = no limit or unknown */
    char governor[32]; /* of cpu0; "" = unknown */
    int turbo, smt;    /* 1 on, 0 off, -1 unknown */
} oc_machine;

/*
 * First snapshot.
 *   root  in   put before "/proc" and "/sys": "" but in tests
 *   self  in   this process; it and its descendants are not "others"
 *   out   out  owned, ended and freed by oc_watch_end
 */
typedef struct oc_watch oc_watch;
oc_status oc_watch_begin(const char *root, int64_t self, oc_watch **out, oc_err *err) OC_NODISCARD;
/* Second snapshot, and all that is known. Frees w (NULL: m says nothing). */
void oc_watch_end(oc_watch *w, oc_machine *m);

typedef struct oc_finding {
    bool spoils;    /* else worth knowing, not worth refusing a measurement */
    char what[160]; /* one sentence each, without the full stop */
    char todo[160];
} oc_finding;
enum { OC_MAX_FINDINGS = 10 };
/* What is off for a measurement with up to `threads` threads; returns how many. */
int oc_doctor(const oc_machine *m, int32_t threads, oc_finding out[OC_MAX_FINDINGS]);

#endif
