#include "tui/pace.h"

#include <stddef.h>

#include "core/base/attr.h"

void oc_pace_init(oc_pace *p, double fps, bool ssh)
{
    double rate = fps > 0 ? OC_MAX(0.1, OC_MIN(fps, 60.0)) : ssh ? 4.0 : 10.0;
    *p = (oc_pace){.interval_ns = (int64_t)(1e9 / rate), .last_ns = INT64_MIN / 2, .asks = ssh};
}

int64_t oc_pace_wait_ns(oc_pace *p, int64_t now_ns, bool key)
{
    if (p->open > 0 && now_ns - p->asked_ns >= OC_PACE_WAIT_NS) {
        p->open = 0;
        p->silent++;
        if (!p->answered && p->silent >= 2)
            p->asks = false;
    }
    int64_t wait = 0;
    if (p->open > (key ? OC_PACE_KEYS_AHEAD - 1 : 0))
        wait = p->asked_ns + OC_PACE_WAIT_NS - now_ns;
    if (!key)
        wait = OC_MAX(wait, p->last_ns + p->interval_ns - now_ns);
    return OC_MAX(wait, 0);
}

const char *oc_pace_tail(const oc_pace *p)
{
    return p->asks ? OC_PACE_ASK : NULL;
}

void oc_pace_sent(oc_pace *p, int64_t now_ns, bool asked)
{
    p->last_ns = now_ns;
    if (asked) {
        p->open++;
        p->asked_ns = now_ns;
    }
}

void oc_pace_answer(oc_pace *p)
{
    p->answered = true;
    p->silent = 0;
    p->open = OC_MAX(0, p->open - 1);
}

bool oc_pace_owed(const oc_pace *p)
{
    return p->open > 0 && p->answered;
}
