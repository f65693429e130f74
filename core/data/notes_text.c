#include "core/data/notes_text.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/attr.h"

typedef struct teller {
    const oc_patient *p;
    oc_rng *r;
    oc_buf *out;
    double words;   /* how much this one writes: 0.3 to 3.2 */
    const char *cc; /* the complaint, [cc_len] */
    int cc_len;
    size_t body; /* where the section's text starts */
} teller;

/* --- phrases ------------------------------------------------------------------------------- */

static bool chance(teller *t, double p)
{
    return oc_rng_f64(t->r) < p;
}

/* Something left out by those who write little. */
static bool maybe(teller *t, double p)
{
    return oc_rng_f64(t->r) < p * t->words;
}

static int between(teller *t, int lo, int hi)
{
    return lo + (int)oc_rng_below(t->r, (uint64_t)(hi - lo) + 1);
}

/* The k-th of the alternatives "a|b|c". */
static const char *alternative(const char *s, int k, int *n)
{
    for (; k > 0; k--)
        s = strchr(s, '|') + 1;
    *n = (int)strcspn(s, "|");
    return s;
}

static int alternatives(const char *s)
{
    int n = 1;
    for (; *s; s++)
        n += *s == '|';
    return n;
}

static const char *pick(teller *t, const char *s, int *n)
{
    return alternative(s, (int)oc_rng_below(t->r, (uint64_t)alternatives(s)), n);
}

static void put_pmh(teller *t);

static bool is_word(const char *w, int n, const char *key)
{
    return (int)strlen(key) == n && !memcmp(w, key, (size_t)n);
}

static void put_word(teller *t, const char *w, int n)
{
    static const struct {
        const char *key, *male, *female;
    } words[] = {{"he", "he", "she"},   {"He", "He", "She"},   {"him", "him", "her"},
                 {"his", "his", "her"}, {"His", "His", "Her"}, {"spouse", "wife", "husband"}};
    bool m = t->p->male;
    for (int i = 0; i < OC_COUNT(words); i++)
        if (is_word(w, n, words[i].key))
            oc_buf_str(t->out, m ? words[i].male : words[i].female);
    if (is_word(w, n, "age"))
        oc_buf_fmt(t->out, "%d", t->p->age);
    else if (is_word(w, n, "man"))
        oc_buf_str(t->out, chance(t, 0.6) ? (m ? "man" : "woman") : (m ? "male" : "female"));
    else if (is_word(w, n, "yr"))
        oc_buf_fmt(t->out, "%d", between(t, 1992, 2009));
    else if (is_word(w, n, "cc"))
        oc_buf_add(t->out, t->cc, (size_t)t->cc_len);
    else if (is_word(w, n, "pmh"))
        put_pmh(t);
}

/* "3-8" or "0.6-1.2". */
static void put_number(teller *t, const char *s, int n)
{
    char *end;
    double lo = strtod(s, &end), hi = strtod(end + 1, NULL);
    double v = lo + (hi - lo) * oc_rng_f64(t->r);
    if (memchr(s, '.', (size_t)n))
        oc_buf_fmt(t->out, "%.1f", v);
    else
        oc_buf_fmt(t->out, "%d", between(t, (int)lo, (int)hi));
}

static void put_phrase(teller *t, const char *s, int n)
{
    for (int i = 0; i < n; i++) {
        if (s[i] != '{') {
            oc_buf_ch(t->out, s[i]);
            continue;
        }
        int k = (int)strcspn(s + i + 1, "}");
        if (isdigit((unsigned char)s[i + 1]))
            put_number(t, s + i + 1, k);
        else
            put_word(t, s + i + 1, k);
        i += k + 1;
    }
}

static void space(teller *t)
{
    if (t->out->len > t->body)
        oc_buf_ch(t->out, ' ');
}

/* One of the alternatives, after a blank when something is there. */
static void say(teller *t, const char *phrases)
{
    int n;
    const char *s = pick(t, phrases, &n);
    space(t);
    put_phrase(t, s, n);
}

static void say_fmt(teller *t, const char *fmt, ...) OC_PRINTF(2, 3);
static void say_fmt(teller *t, const char *fmt, ...)
{
    char s[160];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s, sizeof s, fmt, ap);
    va_end(ap);
    space(t);
    oc_buf_str(t->out, s);
}

static void header(teller *t, const char *name)
{
    if (strcmp(name, "CHIEF COMPLAINT") != 0)
        oc_buf_str(t->out, "\n\n");
    oc_buf_str(t->out, name);
    oc_buf_str(t->out, ": ");
    t->body = t->out->len;
}

/* How ill the patient looks, 0 to 4: each look is a little wrong. */
static int look(teller *t, double wrong)
{
    double s = t->p->severity + wrong * oc_rng_normal(t->r);
    return s < -0.9 ? 0 : s < -0.1 ? 1 : s < 0.7 ? 2 : s < 1.5 ? 3 : 4;
}

static bool has(const teller *t, const char *code)
{
    int i = oc_notes_find_dx(code, (int)strlen(code));
    return i >= 0 && t->p->dx[i];
}

/* Lists of items "1. a 2. b" or "a, b". */
typedef struct list {
    bool numbered;
    int n;
} list;

static void item(teller *t, list *l)
{
    l->n++;
    if (l->numbered) {
        space(t);
        oc_buf_fmt(t->out, "%d. ", l->n);
    } else if (l->n > 1) {
        oc_buf_str(t->out, ", ");
    }
}

static void item_of(teller *t, list *l, const char *phrases)
{
    int n;
    const char *s = pick(t, phrases, &n);
    item(t, l);
    put_phrase(t, s, n);
}

/* --- present illness ----------------------------------------------------------------------- */

static void put_pmh(teller *t)
{
    int n = 0, most = between(t, 1, 4);
    const char *code[4];
    for (int i = 0; oc_notes_dx[i].code && n < most; i++)
        if (t->p->dx[i] && oc_notes_dx[i].flags & OC_DX_CHRONIC && chance(t, 0.6))
            code[n++] = oc_notes_dx[i].history;
    if (!n)
        oc_buf_str(t->out, "no significant past medical history");
    for (int i = 0; i < n; i++) {
        int k;
        const char *s = pick(t, code[i], &k);
        oc_buf_str(t->out, i == 0 ? "" : i == n - 1 ? " and " : ", ");
        put_phrase(t, s, k);
    }
}

static bool listed(const char *list_of, const char *s, int n)
{
    for (const char *at = list_of; *at;) {
        int k = (int)strcspn(at, ",");
        if (k == n && !memcmp(at, s, (size_t)n))
            return true;
        at += k + (at[k] == ',');
    }
    return false;
}

/* The problem's own symptoms are reported, others denied: the same words with another meaning. */
static void tell_symptoms(teller *t)
{
    const char *own = t->p->problem->symptoms;
    int n = 0;
    for (const char *s = own; *s;) {
        int k = (int)strcspn(s, ",");
        if (chance(t, 0.45)) {
            say_fmt(t, "%s%.*s", n == 0 ? (t->p->male ? "He reports " : "She reports ") : "and ", k,
                    s);
            n++;
        }
        s += k + (s[k] == ',');
    }
    if (n)
        oc_buf_ch(t->out, '.');
    int deny = between(t, 0, 2) + (int)(2 * t->words), all = alternatives(oc_notes_symptoms);
    int first = between(t, 0, all - 1), step = between(t, 1, 6);
    for (int i = 0, said = 0; i < deny && said < 6; i++) {
        int k;
        const char *s = alternative(oc_notes_symptoms, (first + i * step) % all, &k);
        if (listed(own, s, k))
            continue;
        if (!said)
            say(t, "Denies|{He} denies|No");
        else
            oc_buf_ch(t->out, ',');
        space(t);
        put_phrase(t, s, k);
        said++;
        if (i + 1 == deny || said == 6)
            oc_buf_ch(t->out, '.');
    }
}

static double near(teller *t, double mean, double spread)
{
    return mean + spread * oc_rng_normal(t->r);
}

typedef struct vitals {
    double temp;
    int hr, sbp, dbp, rr, sat;
} vitals;

static vitals draw_vitals(teller *t)
{
    double s = t->p->severity;
    bool ill = has(t, "038") || has(t, "486") || has(t, "682") || has(t, "998");
    vitals v = {.temp = near(t, ill ? 100.6 : 98.1, 0.9)};
    v.hr = (int)near(t, 84 + 9 * s + (has(t, "427") ? 16 : 0), 11);
    v.sbp = (int)near(t, 131 - 10 * s - (has(t, "785") ? 26 : 0) + (has(t, "401") ? 8 : 0), 15);
    v.dbp = (int)(0.45 * v.sbp + near(t, 14, 5));
    v.rr = (int)OC_MAX(10, near(t, 17.5 + 2.2 * s + (has(t, "518") ? 5 : 0), 2.4));
    v.sat = (int)OC_MIN(100, OC_MAX(70, near(t, 97 - 1.2 * s - (has(t, "518") ? 5 : 0), 1.6)));
    v.hr = OC_MAX(38, v.hr);
    v.sbp = OC_MAX(58, v.sbp);
    return v;
}

static void tell_vitals(teller *t, bool exam)
{
    vitals v = draw_vitals(t);
    const char *air = v.sat < 92       ? (chance(t, 0.5) ? "on 4L" : "NRB")
                      : chance(t, 0.6) ? "RA"
                                       : "on 2L";
    if (exam)
        say_fmt(t, "VS: T %.1f BP %d/%d HR %d RR %d O2 sat %d%% %s.", v.temp, v.sbp, v.dbp, v.hr,
                v.rr, v.sat, air);
    else if (chance(t, 0.5))
        say_fmt(t, "In the ED, initial vitals were T %.1f, HR %d, BP %d/%d, RR %d, %d%% %s.",
                v.temp, v.hr, v.sbp, v.dbp, v.rr, v.sat, air);
    else
        say_fmt(t,
                "On arrival temperature %.1f, blood pressure %d/%d, pulse %d, saturation %d%% %s.",
                v.temp, v.sbp, v.dbp, v.hr, v.sat, air);
}

/* One laboratory value; the numbers carry what the words do not say. */
static void lab(teller *t, list *l, const char *name, double mean, double spread, double least,
                int digits)
{
    if (!maybe(t, 0.5))
        return;
    if (l->n == 0) {
        say(t, "Labs notable for|Laboratory studies:");
        space(t);
    }
    item(t, l);
    oc_buf_fmt(t->out, "%s %.*f", name, digits, OC_MAX(least, near(t, mean, spread)));
}

static void tell_labs(teller *t)
{
    double s = t->p->severity;
    bool ill = has(t, "038") || has(t, "486") || has(t, "599") || has(t, "998");
    list l = {0};
    lab(t, &l, "lactate", 1.5 + exp(0.75 * s - 0.4), 0.35, 0.5, 1);
    lab(t, &l, "creatinine", 0.9 + (has(t, "584") ? 2.1 : 0) + (has(t, "585") ? 1.6 : 0), 0.25, 0.4,
        1);
    lab(t, &l, "WBC", 8.2 + (ill ? 7 : 0) + s, 2.2, 0.6, 1);
    lab(t, &l, "hematocrit", 39 - (has(t, "285") ? 11 : 0) - (has(t, "578") ? 3 : 0), 2.8, 15, 1);
    lab(t, &l, "sodium", has(t, "276") ? 127 : 138.5, 3, 104, 0);
    lab(t, &l, "platelets", 240 - (has(t, "571") ? 140 : 0) - 20 * s, 45, 9, 0);
    lab(t, &l, "INR", 1.15 + (has(t, "V586") ? 1.6 : 0) + (has(t, "571") ? 0.6 : 0), 0.15, 0.9, 1);
    lab(t, &l, "troponin", has(t, "410") ? 2.9 : 0.02, has(t, "410") ? 1.1 : 0.01, 0.01, 2);
    lab(t, &l, "albumin", 3.8 - 0.35 * s - (has(t, "571") ? 0.8 : 0), 0.3, 1.2, 1);
    if (l.n)
        oc_buf_ch(t->out, '.');
}

static void tell_stories(teller *t)
{
    for (int i = 0; oc_notes_dx[i].code; i++) {
        const oc_dx *d = &oc_notes_dx[i];
        if (t->p->dx[i] && d->story && maybe(t, d->flags & OC_DX_CHRONIC ? 0.12 : 0.55))
            say(t, d->story);
    }
}

static void tell_plans(teller *t)
{
    for (int i = 0; oc_notes_px[i].code; i++)
        if (t->p->px[i] && maybe(t, 0.7))
            say(t, oc_notes_px[i].plan);
}

static void present_illness(teller *t)
{
    header(t, "PRESENT ILLNESS");
    say(t, oc_notes_opening);
    int n = 1 + (t->words > 0.8) + (t->words > 1.7);
    for (int i = 0, last = -1; i < n; i++) {
        int all = alternatives(t->p->problem->story), k = between(t, 0, all - 1), len;
        if (k == last)
            continue;
        last = k;
        const char *s = alternative(t->p->problem->story, k, &len);
        space(t);
        put_phrase(t, s, len);
    }
    if (chance(t, 0.8))
        say(t, oc_notes_course[look(t, 0.35)]);
    tell_symptoms(t);
    if (maybe(t, 0.4))
        say(t, oc_notes_filler);
    tell_stories(t);
    if (maybe(t, 0.65))
        tell_vitals(t, false);
    if (maybe(t, 0.7))
        tell_labs(t);
    if (maybe(t, 0.6))
        say(t, t->p->problem->workup);
    if (maybe(t, 0.7))
        say(t, oc_notes_treatment[look(t, 0.4)]);
    tell_plans(t);
    for (int i = 0; i < 4 && maybe(t, 0.22); i++)
        say(t, oc_notes_filler);
    if (maybe(t, 0.55))
        say(t, oc_notes_destination[look(t, 0.4)]);
}

/* --- the other sections -------------------------------------------------------------------- */

static void medical_history(teller *t)
{
    header(t, "MEDICAL HISTORY");
    if (chance(t, 0.03))
        return;
    list l = {.numbered = chance(t, 0.4)};
    for (int i = 0; oc_notes_dx[i].code; i++) {
        const oc_dx *d = &oc_notes_dx[i];
        if (d->history && t->p->dx[i] && d->flags & OC_DX_CHRONIC && chance(t, 0.88))
            item_of(t, &l, d->history);
        else if (d->history && !t->p->dx[i] && !(d->flags & OC_DX_CHRONIC) && chance(t, 0.02))
            item_of(t, &l, d->history);
    }
    for (int i = 0; i < 3 && maybe(t, 0.35); i++)
        item_of(t, &l, oc_notes_surgeries);
    for (int i = 0; oc_notes_px[i].code; i++)
        if (oc_notes_px[i].past && !t->p->px[i] && maybe(t, 0.012))
            item_of(t, &l, oc_notes_px[i].past);
    if (!l.n)
        say(t, "None.|No significant past medical history.|Unremarkable.");
    else
        oc_buf_ch(t->out, '.');
    int prostate = oc_notes_find_dx("600", 3);
    for (int i = 0, k; i < 3 && maybe(t, 0.3); i++) {
        k = between(t, 0, oc_notes_n_dx() - 1);
        if (!t->p->dx[k] && oc_notes_dx[k].flags & OC_DX_CHRONIC && k != prostate)
            say_fmt(t, "%s %s.", i % 2 ? "Denies" : "No history of", oc_notes_dx[k].name);
    }
}

static void medication(teller *t)
{
    header(t, "MEDICATION ON ADMISSION");
    if (chance(t, 0.05))
        return;
    list l = {.numbered = chance(t, 0.55)};
    for (int i = 0; oc_notes_dx[i].code; i++)
        if (oc_notes_dx[i].drugs && t->p->dx[i] && oc_notes_dx[i].flags & OC_DX_CHRONIC &&
            chance(t, 0.66))
            item_of(t, &l, oc_notes_dx[i].drugs);
    for (int i = 0; i < 5 && maybe(t, 0.4); i++)
        item_of(t, &l, oc_notes_other_drugs);
    if (!l.n)
        say(t, "None.|No home medications.|Unknown.");
}

/* A finding of an illness the patient has, else what is normal or fits how ill the patient is. */
static void tell_system(teller *t, oc_sys sys, const char *name, const char *otherwise)
{
    const char *found[8];
    int n = 0;
    for (int i = 0; oc_notes_dx[i].code && n < 8; i++)
        if (t->p->dx[i] && oc_notes_dx[i].sys == sys && oc_notes_dx[i].exam && chance(t, 0.65))
            found[n++] = oc_notes_dx[i].exam;
    if (!n && !maybe(t, 0.75))
        return;
    say_fmt(t, "%s:", name);
    say(t, n ? found[between(t, 0, n - 1)] : otherwise);
    if (n > 1 && chance(t, 0.5)) {
        oc_buf_ch(t->out, ',');
        say(t, found[0]);
    }
    oc_buf_ch(t->out, '.');
}

static void physical_exam(teller *t)
{
    header(t, "PHYSICAL EXAM");
    if (chance(t, 0.03))
        return;
    if (maybe(t, 0.7))
        tell_vitals(t, true);
    if (chance(t, 0.8)) {
        say(t, "General:|GEN:|Gen:");
        say(t, oc_notes_appearance[look(t, 0.35)]);
        oc_buf_ch(t->out, '.');
    }
    if (maybe(t, 0.6))
        say(t, oc_notes_normal[OC_SYS_NONE]);
    tell_system(t, OC_SYS_NECK, "Neck", oc_notes_normal[OC_SYS_NECK]);
    tell_system(t, OC_SYS_HEART, "CV", oc_notes_normal[OC_SYS_HEART]);
    tell_system(t, OC_SYS_LUNG, "Lungs", oc_notes_normal[OC_SYS_LUNG]);
    tell_system(t, OC_SYS_ABDOMEN, "Abdomen", oc_notes_normal[OC_SYS_ABDOMEN]);
    tell_system(t, OC_SYS_LIMBS, "Ext", oc_notes_pulses[look(t, 0.5)]);
    tell_system(t, OC_SYS_NEURO, "Neuro", oc_notes_mental[look(t, 0.4)]);
    if (maybe(t, 0.4))
        tell_system(t, OC_SYS_SKIN, "Skin", oc_notes_normal[OC_SYS_SKIN]);
}

static void family_history(teller *t)
{
    header(t, "FAMILY HISTORY");
    if (chance(t, 0.14))
        return;
    int said = 0;
    for (int i = 0; oc_notes_dx[i].code && said < 3; i++) {
        const oc_dx *d = &oc_notes_dx[i];
        if (!(d->flags & OC_DX_FAMILY) || !maybe(t, t->p->dx[i] ? 0.10 : 0.05))
            continue;
        say(t, oc_notes_relatives);
        say_fmt(t, "%s.", d->name);
        said++;
    }
    if (!said || chance(t, 0.2))
        say(t, oc_notes_family_other);
}

static void social_history(teller *t)
{
    header(t, "SOCIAL HISTORY");
    if (chance(t, 0.06))
        return;
    say(t, oc_notes_living[t->p->living]);
    if (maybe(t, 0.5))
        say(t, oc_notes_work);
    if (maybe(t, 0.75))
        say(t, oc_notes_tobacco[t->p->tobacco]);
    if (maybe(t, 0.7))
        say(t, oc_notes_alcohol[t->p->alcohol]);
    if (maybe(t, 0.5))
        say(t, oc_notes_baseline[look(t, 0.5)]);
}

static void chief_complaint(teller *t)
{
    header(t, "CHIEF COMPLAINT");
    t->cc = pick(t, t->p->problem->complaint, &t->cc_len);
    if (chance(t, 0.02))
        return;
    oc_buf_ch(t->out, (char)toupper((unsigned char)t->cc[0]));
    oc_buf_add(t->out, t->cc + 1, (size_t)t->cc_len - 1);
    if (maybe(t, 0.15)) {
        oc_buf_ch(t->out, ',');
        say(t, oc_notes_symptoms);
    }
}

void oc_note_text(const oc_patient *p, oc_rng *r, oc_buf *out)
{
    teller t = {.p = p, .r = r, .out = out};
    t.words = OC_MAX(0.3, OC_MIN(3.2, 0.66 * exp(0.52 * oc_rng_normal(r))));
    chief_complaint(&t);
    present_illness(&t);
    medical_history(&t);
    medication(&t);
    header(&t, "ALLERGIES");
    if (chance(&t, 0.92))
        say(&t, oc_notes_allergies);
    physical_exam(&t);
    family_history(&t);
    social_history(&t);
}
