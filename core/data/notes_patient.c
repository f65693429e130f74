#include "core/data/notes_patient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/rng.h"

/* Mean and spread of the raw scores over many patients, so that risk and stay are standardized. */
#define RISK_MEAN 0.8544
#define RISK_SD   1.2693
#define STAY_MEAN 1.1147
#define STAY_SD   1.1216

int oc_notes_n_dx(void)
{
    int n = 0;
    while (oc_notes_dx[n].code)
        n++;
    return n;
}

int oc_notes_n_px(void)
{
    int n = 0;
    while (oc_notes_px[n].code)
        n++;
    return n;
}

int oc_notes_find_dx(const char *code, int n)
{
    for (int i = 0; oc_notes_dx[i].code; i++)
        if ((int)strlen(oc_notes_dx[i].code) == n && !memcmp(oc_notes_dx[i].code, code, (size_t)n))
            return i;
    return -1;
}

static int find_px(const char *code, int n)
{
    for (int i = 0; oc_notes_px[i].code; i++)
        if ((int)strlen(oc_notes_px[i].code) == n && !memcmp(oc_notes_px[i].code, code, (size_t)n))
            return i;
    return -1;
}

static bool chance(oc_rng *r, double p)
{
    return oc_rng_f64(r) < p;
}

static const oc_problem *draw_problem(oc_rng *r)
{
    double total = 0;
    int n = 0;
    for (; oc_notes_problems[n].complaint; n++)
        total += oc_notes_problems[n].weight;
    double at = oc_rng_f64(r) * total;
    int i = 0;
    while (i < n - 1 && (at -= oc_notes_problems[i].weight) >= 0)
        i++;
    return &oc_notes_problems[i];
}

/* Illnesses of a blank-separated list of codes, each with chance p. */
static void bring(oc_patient *p, oc_rng *r, const char *codes, double share)
{
    for (const char *s = codes; *s;) {
        int n = (int)strcspn(s, " ");
        int i = oc_notes_find_dx(s, n);
        if (i >= 0 && chance(r, share))
            p->dx[i] = true;
        s += n + (s[n] == ' ');
    }
}

/* An acute illness also strikes the sicker; a chronic one the frail, who have more of all of them. */
static void draw_illnesses(oc_patient *p, oc_rng *r)
{
    double frailty = 0.45 * oc_rng_normal(r);
    for (int i = 0; oc_notes_dx[i].code; i++) {
        const oc_dx *d = &oc_notes_dx[i];
        double z = log(d->share / (1 - d->share)) + d->per_decade * (p->age - 62) / 10;
        z += d->flags & OC_DX_CHRONIC ? frailty : 0.7 * p->severity - 0.2;
        p->dx[i] = chance(r, 1 / (1 + exp(-z)));
        if ((!strcmp(d->code, "600") && !p->male) || (!strcmp(d->code, "174") && p->male))
            p->dx[i] = false;
    }
    bring(p, r, p->problem->surely, 0.93);
    bring(p, r, p->problem->often, 0.32);
}

/* Chance of a procedure from its reasons "410:.5 p960:.9", as if each acted alone. */
static double px_chance(const oc_patient *p, const oc_px *px)
{
    double not_done = 1 - px->share;
    for (const char *s = px->why; *s;) {
        bool of_px = *s == 'p';
        s += of_px;
        int n = (int)strcspn(s, ":");
        int i = of_px ? find_px(s, n) : oc_notes_find_dx(s, n);
        char *end;
        double share = strtod(s + n + 1, &end);
        if (i >= 0 && (of_px ? p->px[i] : p->dx[i]))
            not_done *= 1 - share;
        s = end + (*end == ' ');
    }
    return OC_MIN(0.97, (1 - not_done) * exp(px->severity * p->severity));
}

static void draw_habits(oc_patient *p, oc_rng *r)
{
    double u = oc_rng_f64(r);
    double home = 0.06 + (p->age > 75 ? 0.14 : 0) + (p->severity > 0.5 ? 0.08 : 0);
    p->living = u < home ? 2 : u < home + 0.27 ? 1 : 0;
    p->tobacco = (int)oc_rng_below(r, 3);
    if (p->dx[oc_notes_find_dx("496", 3)] && chance(r, 0.7))
        p->tobacco = 1 + (int)oc_rng_below(r, 2);
    p->alcohol = chance(r, 0.35);
    if (p->dx[oc_notes_find_dx("303", 3)] && chance(r, 0.75))
        p->alcohol = 2;
}

static void add_up(oc_patient *p)
{
    double risk = 0.95 * p->severity + 0.38 * (p->age - 64) / 17.0;
    double stay = 0.55 * p->severity + p->problem->stay;
    for (int i = 0; oc_notes_dx[i].code; i++) {
        risk += p->dx[i] ? 0.85 * oc_notes_dx[i].grave : 0;
        stay += p->dx[i] ? oc_notes_dx[i].stay : 0;
    }
    for (int i = 0; oc_notes_px[i].code; i++)
        stay += p->px[i] ? 0.8 * oc_notes_px[i].stay : 0;
    stay += p->living == 2 ? 0.35 : p->living == 1 ? 0.10 : 0;
    p->risk = (risk - RISK_MEAN) / RISK_SD;
    p->stay = (stay - STAY_MEAN) / STAY_SD;
}

void oc_patient_draw(oc_patient *p, uint64_t seed, int64_t i)
{
    oc_rng r;
    oc_rng_init(&r, seed, 4 * (uint64_t)i);
    memset(p, 0, sizeof *p);
    p->male = chance(&r, 0.55);
    double age = 65 + 16.5 * oc_rng_normal(&r);
    p->age = (int)OC_MAX(19, OC_MIN(96, age));
    p->problem = draw_problem(&r);
    p->severity = 0.9 * oc_rng_normal(&r) + 0.7 * p->problem->grave;
    draw_illnesses(p, &r);
    for (int k = 0; oc_notes_px[k].code; k++)
        p->px[k] = chance(&r, px_chance(p, &oc_notes_px[k]));
    draw_habits(p, &r);
    add_up(p);
}
