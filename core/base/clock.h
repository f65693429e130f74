/*
 * core/base/clock.h - time. Views never call this; events carry their times.
 */
#ifndef OC_BASE_CLOCK_H
#define OC_BASE_CLOCK_H

#include <stdint.h>

int64_t oc_now_ns(void);                        /* monotonic */
int64_t oc_wall_ms(void);                       /* since 1970-01-01 UTC */
void oc_fmt_utc(char out[24], int64_t wall_ms); /* "2025-03-01T12:30:05Z" */
void oc_sleep_ms(int64_t ms);

#endif
