/*
 * tests/views/fixture.h - a recorded session, built from events with fixed times and values.
 */
#ifndef OC_TESTS_VIEWS_FIXTURE_H
#define OC_TESTS_VIEWS_FIXTURE_H

#include "sessions/state.h"

typedef enum {
    FIXTURE_EMPTY,   /* opened, nothing ran */
    FIXTURE_DISTILL, /* in the middle of the student's training */
    FIXTURE_RECOVER, /* in the middle of recovery, a setting changed on the way */
    FIXTURE_DONE     /* everything measured */
} fixture_until;

oc_state *fixture(fixture_until until);
/* A run "long" of n steps whose loss is 1 except one spike of 50 at step `spike` (-1: none). */
oc_state *fixture_long(int64_t n, int64_t spike);
/* The same value on every machine: 0 <= v < 1. */
double fixture_noise(uint64_t i);

#endif
