#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "views/draw.h"
#include "views/plot.h"

oc_axis oc_axis_fit(double lo, double hi, bool log, double pad)
{
    if (!isfinite(lo) || !isfinite(hi) || lo > hi) {
        lo = log ? 0.1 : 0;
        hi = 1;
    }
    if (log) {
        hi = hi > 0 ? hi : 1;
        lo = lo > 0 ? lo : hi * 1e-4;
        lo = OC_MAX(lo, hi * 1e-12);
        if (hi / lo < 1.0001) {
            lo /= 1.5;
            hi *= 1.5;
        }
        double f = pow(hi / lo, pad);
        return (oc_axis){lo / f, hi * f, true};
    }
    double span = hi - lo, least = OC_MAX(fabs(hi), fabs(lo)) * 1e-6;
    if (span <= least) {
        double half = OC_MAX(fabs(hi) * 0.05, least > 0 ? least : 0.5);
        return (oc_axis){lo - half, hi + half, false};
    }
    oc_axis a = {lo - span * pad, hi + span * pad, false};
    if (lo >= 0 && a.lo < 0)
        a.lo = 0;
    return a;
}

double oc_axis_frac(const oc_axis *a, double v)
{
    if (!isfinite(v) || (a->log && v <= 0))
        return (double)NAN;
    if (a->log)
        return (log10(v) - log10(a->lo)) / (log10(a->hi) - log10(a->lo));
    return (v - a->lo) / (a->hi - a->lo);
}

double oc_axis_value(const oc_axis *a, double frac)
{
    if (a->log)
        return pow(10, log10(a->lo) + frac * (log10(a->hi) - log10(a->lo)));
    return a->lo + frac * (a->hi - a->lo);
}

static int linear_ticks(double lo, double hi, int max, double *tick)
{
    static const double nice[] = {1, 2, 5, 10};
    double raw = (hi - lo) / max, base = pow(10, floor(log10(raw))), step = base * 10;
    for (int i = 0; i < OC_COUNT(nice); i++) {
        double s = base * nice[i];
        if (floor(hi / s + 1e-9) - ceil(lo / s - 1e-9) + 1 <= max) {
            step = s;
            break;
        }
    }
    int n = 0;
    for (double k = ceil(lo / step - 1e-9); k * step <= hi + step * 1e-9 && n < max; k++) {
        double v = k == 0 ? 0 : k * step; // no minus zero
        if (n > 0 && v <= tick[n - 1])
            break; // a range too narrow for the digits of a double
        tick[n++] = v;
    }
    return n;
}

static int log_ticks(double lo, double hi, int max, double *tick)
{
    // 1-2-5 of every decade, else decades, else every 2nd, 3rd ... decade
    static const double fine[] = {1, 2, 5};
    int k0 = (int)floor(log10(lo) - 1e-9), k1 = (int)ceil(log10(hi) + 1e-9);
    for (int pass = 0; pass < 2; pass++) {
        for (int every = 1; every < 40; every++) {
            int n = 0;
            bool fits = true;
            for (int k = k0; k <= k1 && fits; k++)
                for (int i = 0; i < (pass == 0 ? 3 : 1) && fits; i++) {
                    double v = pow(10, k) * fine[i];
                    if (v < lo * (1 - 1e-9) || v > hi * (1 + 1e-9) || ((k % every) + every) % every)
                        continue;
                    fits = n < max;
                    if (fits)
                        tick[n++] = v;
                }
            if (fits && n > 0)
                return n;
            if (pass == 0)
                break;
        }
    }
    return 0;
}

int oc_axis_ticks(const oc_axis *a, int max, double tick[OC_TICKS])
{
    max = OC_MIN(OC_MAX(max, 2), OC_TICKS);
    if (!(a->hi > a->lo) || !isfinite(a->hi - a->lo))
        return 0;
    int n = a->log ? log_ticks(a->lo, a->hi, max, tick) : 0;
    return n >= 2 ? n : linear_ticks(a->lo, a->hi, max, tick);
}

/* 2e-05 -> 2e-5 */
void oc_num_exp(char out[16], double v, int digits)
{
    snprintf(out, 16, "%.*e", digits, v);
    char *e = strchr(out, 'e');
    if (!e || !e[1])
        return;
    char *from = e + 2;
    while (*from == '0' && from[1])
        from++;
    memmove(e[1] == '+' ? e + 1 : e + 2, from, strlen(from) + 1);
}

/* Number with `digits` after the point and a unit, trailing zeros kept so that labels line up. */
static void scaled(char out[16], double v, int digits, double unit, const char *suffix)
{
    snprintf(out, 16, "%.*f%s", OC_MIN(OC_MAX(digits, 0), 6), v / unit, v == 0 ? "" : suffix);
}

void oc_tick_label(char out[16], const double *tick, int n, int i)
{
    double v = tick[i], top = 0, step = 0;
    for (int k = 0; k < n; k++)
        top = OC_MAX(top, fabs(tick[k]));
    for (int k = 1; k < n; k++) {
        double d = fabs(tick[k] - tick[k - 1]);
        step = k == 1 || d < step ? d : step;
    }
    bool uneven = n > 2 && fabs((tick[n - 1] - tick[n - 2]) - (tick[1] - tick[0])) > step * 0.01;
    if (uneven || n < 2) { // a log axis: each label by itself
        double a = fabs(v);
        if (a >= 1e9 || (a > 0 && a < 0.001))
            oc_num_exp(out, v, 0);
        else
            snprintf(out, 16,
                     a >= 1e6   ? "%gM"
                     : a >= 1e3 ? "%gk"
                                : "%g",
                     a >= 1e6   ? v / 1e6
                     : a >= 1e3 ? v / 1e3
                                : v);
        return;
    }
    int digits = step > 0 ? (int)ceil(-log10(step) - 1e-9) : 0;
    if (top >= 1e6)
        scaled(out, v, digits + 6, 1e6, "M");
    else if (top >= 1e4)
        scaled(out, v, digits + 3, 1e3, "k");
    else if (top < 0.001 && v != 0)
        oc_num_exp(out, v, OC_MIN(OC_MAX((int)floor(log10(fabs(v))) + digits, 0), 2));
    else if (v == 0)
        snprintf(out, 16, "0");
    else
        scaled(out, v, digits, 1, "");
}
