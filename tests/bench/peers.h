/*
 * tests/bench/peers.h - programs that are timed against each other, driven by pipes.
 *
 * A peer is a process that reads one request a line and answers each with one line:
 *   at start  "ready NAME VERSION|PART VARIANT|PART VARIANT..." or "absent REASON"
 *             PART is infer-f32, infer-int8 or train
 *   request   "MODE VARIANT MODEL THREADS RUNS SOURCE COUNT BATCH LENGTH"
 *             MODE infer or train; MODEL a path to which the peer adds -f32, -int8 or -onnx,
 *             "A+B": both, one after the other; SOURCE "fixed": COUNT notes of LENGTH made tokens,
 *             else a file of token ids, a note a line, of which the first COUNT are run, each
 *             batch padded to its longest note and to LENGTH at least (0: no more)
 *   answer    "ok MS... ; LOGIT LOGIT" with the time of each run and the first note's logits, or
 *             "no REASON"
 * A run is all COUNT notes once, in batches of BATCH. The peer measures its own time, so pipes
 * and loading are not in it. Only one peer works at any time.
 */
#ifndef OC_BENCH_PEERS_H
#define OC_BENCH_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { PEER_MAX_VARIANTS = 16, PEER_MAX_RUNS = 64 };

typedef struct peer {
    char name[80];    /* "PyTorch 1.13.0" */
    char reason[200]; /* why it is absent; "" when it is there */
    struct {
        char part[16], variant[32];
    } variant[PEER_MAX_VARIANTS];
    int n_variants;
    pid_t pid; /* 0 = absent */
    FILE *to, *from;
} peer;

/*
 * Start argv[0] with argv; what it writes to standard error goes to the end of the file `log`.
 * Never fails: p->reason says why it is absent.
 */
void peer_start(peer *p, const char *name, const char *const argv[], const char *log);
void peer_stop(peer *p);

typedef struct peer_reply {
    double ms[PEER_MAX_RUNS];
    int n;
    double logit[2];
    char reason[200]; /* "" when it ran */
} peer_reply;
/* False when the peer refused or died; r->reason says why. */
bool peer_ask(peer *p, const char *request, peer_reply *r);

#endif
