/*
 * tui/pace.h - when the next frame may be drawn.
 *
 * Data may redraw the screen `fps` times a second; a key at once. Over ssh the kernel and TCP hide
 * megabytes between us and the glass, so a frame there ends in a question (ESC[5n) and the next
 * waits for the answer, two seconds at most. A terminal that never answers is not asked again.
 */
#ifndef OC_TUI_PACE_H
#define OC_TUI_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define OC_PACE_ASK        "\033[5n"
#define OC_PACE_WAIT_NS    (2000 * 1000000LL)
#define OC_PACE_KEYS_AHEAD 4 /* unanswered frames that a key may still add to */

typedef struct oc_pace {
    int64_t interval_ns;
    int64_t last_ns; /* newest frame */
    bool asks, answered;
    int32_t open;     /* questions without an answer */
    int32_t silent;   /* waits that ran out in a row */
    int64_t asked_ns; /* newest question */
} oc_pace;

/* fps 0: 10, or 4 over ssh. */
void oc_pace_init(oc_pace *p, double fps, bool ssh);
/* Nanoseconds until a frame may be drawn; 0: now. key: it is the echo of a key. */
int64_t oc_pace_wait_ns(oc_pace *p, int64_t now_ns, bool key);
/* What to append to a frame: OC_PACE_ASK or NULL. */
const char *oc_pace_tail(const oc_pace *p);
void oc_pace_sent(oc_pace *p, int64_t now_ns, bool asked);
void oc_pace_answer(oc_pace *p);
/* Questions whose answer would still come after leaving. */
bool oc_pace_owed(const oc_pace *p);

#endif
