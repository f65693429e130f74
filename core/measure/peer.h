/*
 * core/measure/peer.h - programs that are timed against each other, driven by pipes.
 *
 * A peer is a process that reads one request a line and answers each with one line:
 *   at start  "ready NAME VERSION|PART VARIANT|PART VARIANT..." or "absent REASON"
 *             PART is infer-f32, infer-int8 or train
 *   request   "MODE VARIANT MODEL THREADS RUNS SOURCE COUNT BATCH LENGTH"
 *             MODE infer or train; MODEL a path to which the peer adds -f32, -int8 or -onnx,
 *             or "new:L2-H128-A4-F512-V30522": random weights of that shape, 512 positions, 2 labels
 *             (f32 inference); "A+B": both, one after the other; SOURCE "fixed": COUNT notes of
 *             LENGTH made tokens, else a file of token ids, a note a line, of which the first COUNT
 *             are run, each batch padded to its longest note and to LENGTH at least (0: no more)
 *   answer    "ok MS... ; LOGIT LOGIT" with the time of each run and the first note's logits, or
 *             "no REASON"
 * A run is all COUNT notes once, in batches of BATCH. The peer measures its own time, so pipes
 * and loading are not in it. Only one peer works at any time. Who writes to one that died gets
 * SIGPIPE, unless that is ignored.
 */
#ifndef OC_MEASURE_PEER_H
#define OC_MEASURE_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { OC_PEER_MAX_VARIANTS = 16, OC_PEER_MAX_RUNS = 64 };

typedef struct oc_peer {
    char name[80];    /* "PyTorch 1.13.0" */
    char reason[200]; /* why it is absent; "" when it is there */
    struct {
        char part[16], variant[32];
    } variant[OC_PEER_MAX_VARIANTS];
    int n_variants;
    pid_t pid; /* 0 = absent */
    FILE *to, *from;
} oc_peer;

/*
 * Start argv[0] with argv; what it writes to standard error goes to the end of the file `log`
 * (NULL: nowhere).
 * Never fails: p->reason says why it is absent.
 */
void oc_peer_start(oc_peer *p, const char *name, const char *const argv[], const char *log);
void oc_peer_stop(oc_peer *p);

typedef struct oc_peer_reply {
    double ms[OC_PEER_MAX_RUNS];
    int n;
    double logit[2];
    char reason[200]; /* "" when it ran */
} oc_peer_reply;
/* False when the peer refused or died; r->reason says why. */
bool oc_peer_ask(oc_peer *p, const char *request, oc_peer_reply *r);

#endif
