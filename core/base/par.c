/*
 * The workers sleep, or for a moment spin, until a loop is announced. Pieces are claimed from one
 * word, `ticket`: the loop's number and the next piece. So a claim that succeeds is a claim of the
 * loop whose description was read before it, and the caller knows which pieces someone else has:
 * it works on what is left and then waits for those only. A worker that another program keeps
 * from the processor holds up nothing that it has not begun.
 */
#ifdef __linux__
#    define _GNU_SOURCE // sched_getaffinity
#endif
#include "core/base/par.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/attr.h"
#include "core/base/err.h"

#define SPINS 2000 /* looks before sleeping: some tens of microseconds, longer than between loops */

static struct {
    // Description of the present loop; changed only while every piece of the last one is done.
    _Atomic(oc_par_fn) fn;
    _Atomic(void *) ctx;
    _Atomic int64_t n, grain;
    _Atomic uint32_t pieces;
    _Atomic int width; // workers that may take part

    _Atomic uint64_t ticket; // loop << 32 | next piece; next = pieces: nothing to claim
    _Atomic uint32_t done;   // pieces finished
    atomic_flag busy;        // a loop is on

    pthread_mutex_t lock; // only around the two conditions; nothing else is taken inside
    pthread_cond_t announced, finished;
    _Atomic int asleep;     // workers
    _Atomic bool caller_in; // the caller sleeps
    int made;               // workers made so far; of the caller that is busy
} pool = {.busy = ATOMIC_FLAG_INIT,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .announced = PTHREAD_COND_INITIALIZER,
          .finished = PTHREAD_COND_INITIALIZER};

static _Atomic int wanted; // workers; 0: not asked yet
static _Thread_local int self;
static _Thread_local bool inside; // a piece

int oc_par_cores(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return OC_MAX(1, CPU_COUNT(&set));
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int)OC_MIN(n, 1024);
}

static int at_start(void)
{
    const char *s = getenv("OMP_NUM_THREADS");
    long n = s ? strtol(s, NULL, 10) : 0;
    return n >= 1 ? (int)OC_MIN(n, 1024) : oc_par_cores();
}

int oc_par_workers(void)
{
    if (inside)
        return 1;
    int n = atomic_load(&wanted);
    if (n == 0)
        atomic_store(&wanted, n = at_start());
    return n;
}

void oc_par_set_workers(int n)
{
    atomic_store(&wanted, n >= 1 ? n : at_start());
}

/* Look i of a wait. Now and then the core goes to whoever else wants it, who may be the one that
 * is waited for. */
static inline void relax(int i)
{
    if (i % 64 == 63)
        sched_yield();
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void run_piece(oc_par_fn fn, void *ctx, int64_t n, int64_t grain, uint32_t p)
{
    int64_t begin = (int64_t)p * grain;
    fn(ctx, begin, OC_MIN(n, begin + grain), self);
}

/* Claim and run pieces of the loop that `ticket` shows until none is left; that ticket. */
static uint64_t take_part(void)
{
    uint64_t t = atomic_load(&pool.ticket);
    for (;;) {
        oc_par_fn fn = atomic_load(&pool.fn);
        void *ctx = atomic_load(&pool.ctx);
        int64_t n = atomic_load(&pool.n), grain = atomic_load(&pool.grain);
        uint32_t pieces = atomic_load(&pool.pieces);
        if (self >= atomic_load(&pool.width) || (uint32_t)t >= pieces)
            return t;
        if (!atomic_compare_exchange_weak(&pool.ticket, &t, t + 1))
            continue;
        inside = true;
        run_piece(fn, ctx, n, grain, (uint32_t)t);
        inside = false;
        if (atomic_fetch_add(&pool.done, 1) + 1 == pieces && atomic_load(&pool.caller_in)) {
            pthread_mutex_lock(&pool.lock);
            pthread_cond_signal(&pool.finished);
            pthread_mutex_unlock(&pool.lock);
        }
        t = atomic_load(&pool.ticket);
    }
}

static void *worker_main(void *arg)
{
    self = (int)(intptr_t)arg;
    for (uint64_t seen = 0;;) {
        for (int i = 0; i < SPINS && atomic_load(&pool.ticket) == seen; i++)
            relax(i);
        if (atomic_load(&pool.ticket) == seen) {
            pthread_mutex_lock(&pool.lock);
            atomic_fetch_add(&pool.asleep, 1);
            while (atomic_load(&pool.ticket) == seen)
                pthread_cond_wait(&pool.announced, &pool.lock);
            atomic_fetch_sub(&pool.asleep, 1);
            pthread_mutex_unlock(&pool.lock);
        }
        seen = take_part();
    }
    return NULL;
}

/* Have `width` workers, the caller among them, or as many as the system lets us. */
static void make_workers(int width)
{
    sigset_t all, old;
    if (pool.made + 1 >= width)
        return;
    sigfillset(&all); // signals are for those who wait for them
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (pool.made + 1 < width) {
        pthread_t t;
        if (pthread_create(&t, NULL, worker_main, (void *)(intptr_t)(pool.made + 1)) != 0)
            break;
        pthread_detach(t);
        pool.made++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void announce(oc_par_fn fn, void *ctx, int64_t n, int64_t grain, uint32_t pieces, int width)
{
    uint64_t loop = atomic_load(&pool.ticket) >> 32;
    // A loop's number between two: a worker that read some of the old and some of the new
    // description sees its claim fail.
    atomic_store(&pool.ticket, (loop + 1) << 32 | UINT32_MAX);
    atomic_store(&pool.fn, fn);
    atomic_store(&pool.ctx, ctx);
    atomic_store(&pool.n, n);
    atomic_store(&pool.grain, grain);
    atomic_store(&pool.pieces, pieces);
    atomic_store(&pool.width, width);
    atomic_store(&pool.done, 0);
    atomic_store(&pool.ticket, (loop + 2) << 32);
    if (atomic_load(&pool.asleep) > 0) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.announced);
        pthread_mutex_unlock(&pool.lock);
    }
}

static void wait_for_others(uint32_t pieces)
{
    for (int i = 0; i < SPINS && atomic_load(&pool.done) < pieces; i++)
        relax(i);
    if (atomic_load(&pool.done) == pieces)
        return;
    atomic_store(&pool.caller_in, true);
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.done) < pieces)
        pthread_cond_wait(&pool.finished, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    atomic_store(&pool.caller_in, false);
}

void oc_par_for(int64_t n, int64_t grain, oc_par_fn fn, void *ctx)
{
    if (n <= 0)
        return;
    OC_CHECK(n / grain < INT32_MAX);
    uint32_t pieces = (uint32_t)((n + grain - 1) / grain);
    int width = (int)OC_MIN((int64_t)oc_par_workers(), (int64_t)pieces);
    bool small = width == 1, was_inside = inside;
    if (small || atomic_flag_test_and_set(&pool.busy)) {
        inside = inside || !small; // the only piece may still have loops for all
        for (uint32_t p = 0; p < pieces; p++)
            run_piece(fn, ctx, n, grain, p);
        inside = was_inside;
        return;
    }
    make_workers(width);
    announce(fn, ctx, n, grain, pieces, width);
    take_part();
    wait_for_others(pieces);
    atomic_flag_clear(&pool.busy);
}
