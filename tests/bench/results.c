#include "tests/bench/results.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/attr.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/str.h"

/* --- a row ------------------------------------------------------------------------------------- */

bool result_same(const result *a, const result *b)
{
    return !strcmp(a->part, b->part) && !strcmp(a->model, b->model) &&
           !strcmp(a->precision, b->precision) && a->threads == b->threads &&
           a->batch == b->batch && a->length == b->length && a->notes == b->notes;
}

static bool is_ours(const result_time *t)
{
    return oc_str_starts(t->who, "optimclm");
}

/* Best of one peer, or of all but ours (who NULL). */
static const result_time *best_of(const result *r, const char *who)
{
    const result_time *best = NULL;
    for (int i = 0; i < r->n; i++) {
        const result_time *t = &r->t[i];
        bool wanted = who ? !strcmp(t->who, who) : !is_ours(t);
        if (wanted && (!best || t->median < best->median))
            best = t;
    }
    return best;
}

const result_time *result_best_peer(const result *r)
{
    return best_of(r, NULL);
}

double result_ratio(const result *r)
{
    const result_time *best = result_best_peer(r);
    return best && r->t[0].median > 0 ? best->median / r->t[0].median : (double)NAN;
}

static double spread(const result_time *t)
{
    return t && t->median > 0 ? (t->p75 - t->p25) / t->median : 0;
}

double result_spread(const result *r)
{
    double ours = r->n > 0 ? spread(&r->t[0]) : 0, best = spread(result_best_peer(r));
    return OC_MAX(ours, best);
}

/* --- JSON -------------------------------------------------------------------------------------- */

void result_write(const result *r, oc_buf *out)
{
    oc_jw w = {.out = out};
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "part", r->part);
    oc_jw_kstr(&w, "model", r->model);
    oc_jw_kstr(&w, "precision", r->precision);
    oc_jw_ki64(&w, "threads", r->threads);
    oc_jw_ki64(&w, "batch", r->batch);
    oc_jw_ki64(&w, "length", r->length);
    oc_jw_ki64(&w, "notes", r->notes);
    oc_jw_kf64(&w, "ratio", result_ratio(r));
    oc_jw_kf64(&w, "spread", result_spread(r));
    oc_jw_kstr(&w, "disturbed", r->disturbed);
    oc_jw_kstr(&w, "cpu", r->cpu);
    oc_jw_key(&w, "times");
    oc_jw_open(&w, '[');
    for (int i = 0; i < r->n; i++) {
        const result_time *t = &r->t[i];
        oc_jw_open(&w, '{');
        oc_jw_kstr(&w, "who", t->who);
        oc_jw_kstr(&w, "variant", t->variant);
        oc_jw_kf64(&w, "median_ms", t->median);
        oc_jw_kf64(&w, "p25_ms", t->p25);
        oc_jw_kf64(&w, "p75_ms", t->p75);
        oc_jw_ki64(&w, "runs", t->runs);
        oc_jw_close(&w, '}');
    }
    oc_jw_close(&w, ']');
    oc_jw_close(&w, '}');
    oc_buf_ch(out, '\n');
}

#define TAKE(field, j, key) \
    oc_strlcpy((field), oc_json_str(oc_json_get((j), (key)), ""), sizeof(field))

static bool take_time(const oc_json *j, result_time *t)
{
    TAKE(t->who, j, "who");
    TAKE(t->variant, j, "variant");
    t->median = oc_json_num(oc_json_get(j, "median_ms"), 0);
    t->p25 = oc_json_num(oc_json_get(j, "p25_ms"), t->median);
    t->p75 = oc_json_num(oc_json_get(j, "p75_ms"), t->median);
    return t->who[0] && t->median > 0 && oc_json_i64(oc_json_get(j, "runs"), 1, 1 << 30, &t->runs);
}

static bool take_result(const oc_json *j, result *r)
{
    TAKE(r->part, j, "part");
    TAKE(r->model, j, "model");
    TAKE(r->precision, j, "precision");
    TAKE(r->disturbed, j, "disturbed");
    TAKE(r->cpu, j, "cpu");
    const int64_t most = 1 << 30;
    bool ok = r->part[0] && r->model[0] && r->precision[0] &&
              oc_json_i64(oc_json_get(j, "threads"), 1, most, &r->threads) &&
              oc_json_i64(oc_json_get(j, "batch"), 1, most, &r->batch) &&
              oc_json_i64(oc_json_get(j, "length"), 0, most, &r->length) &&
              oc_json_i64(oc_json_get(j, "notes"), 1, most, &r->notes);
    const oc_json *times = oc_json_get(j, "times");
    for (const oc_json *t = oc_json_first(times); ok && t; t = oc_json_next(t))
        ok = r->n < RESULT_MAX_TIMES && take_time(t, &r->t[r->n++]);
    return ok && r->n > 0 && is_ours(&r->t[0]);
}

oc_status result_parse(const char *line, size_t n, const char *what, result *out, oc_err *err)
{
    oc_json *j;
    OC_TRY(oc_json_parse(line, n, what, &j, err));
    *out = (result){0};
    bool ok = take_result(j, out);
    oc_json_free(j);
    return ok ? OC_OK : OC_FAIL(err, OC_FORMAT, "%s is no row of a benchmark", what);
}

/* --- all rows ---------------------------------------------------------------------------------- */

oc_status results_add(results *all, const result *r, oc_err *err)
{
    int64_t i = 0;
    while (i < all->n && !result_same(&all->r[i], r))
        i++;
    if (i == all->n) {
        OC_TRY(oc_grow(&all->r, &all->cap, (size_t)all->n + 1, sizeof *all->r, err));
        all->n++;
    }
    all->r[i] = *r;
    return OC_OK;
}

oc_status results_read(const char *path, results *out, oc_err *err)
{
    char *text, what[128];
    size_t n;
    OC_TRY(oc_file_read(path, (size_t)1 << 26, &text, &n, err));
    oc_status st = OC_OK;
    int line = 1;
    for (const char *p = text; st == OC_OK && *p; line++) {
        size_t len = strcspn(p, "\n");
        result r;
        snprintf(what, sizeof what, "%.100s:%d", oc_path_base(path), line);
        if (len > 0)
            st = result_parse(p, len, what, &r, err);
        if (len > 0 && st == OC_OK)
            st = results_add(out, &r, err);
        p += len + (p[len] == '\n');
    }
    oc_free(text);
    return st;
}

void results_release(results *all)
{
    oc_free(all->r);
    *all = (results){0};
}

static bool is_training(const result *r)
{
    return oc_str_starts(r->part, "train");
}

double results_mean(const results *all, const char *precision, bool training, int64_t *n)
{
    double sum = 0;
    *n = 0;
    for (int64_t i = 0; i < all->n; i++) {
        const result *r = &all->r[i];
        double ratio = result_ratio(r);
        if (is_training(r) != training || strcmp(r->precision, precision) != 0 || isnan(ratio))
            continue;
        sum += log(ratio);
        ++*n;
    }
    return *n > 0 ? exp(sum / (double)*n) : (double)NAN;
}

/* --- the table --------------------------------------------------------------------------------- */

/* Distinct names of ours or of peers, in the order they first occur. */
static int names(const results *all, bool ours, const char *out[RESULT_MAX_PEERS])
{
    int n = 0;
    for (int64_t i = 0; i < all->n; i++)
        for (int k = 0; k < all->r[i].n; k++) {
            const result_time *t = &all->r[i].t[k];
            int at = 0;
            while (at < n && strcmp(out[at], t->who) != 0)
                at++;
            if (is_ours(t) == ours && at == n && n < RESULT_MAX_PEERS)
                out[n++] = t->who;
        }
    return n;
}

void results_head(const results *all, oc_buf *out)
{
    const char *peer[RESULT_MAX_PEERS], *ours[RESULT_MAX_PEERS];
    int n = names(all, false, peer), n_ours = names(all, true, ours);
    if (all->n > 0)
        oc_buf_fmt(out, "%s; ms, medians of interleaved runs\n", all->r[0].cpu);
    for (int i = 0; i < n_ours; i++)
        oc_buf_fmt(out, "  ours: %s\n", ours[i]);
    for (int i = 0; i < n; i++)
        oc_buf_fmt(out, "  %s\n", peer[i]);
    oc_buf_fmt(out, "%-11s %-11s %-4s %3s %5s %6s %9s", "part", "model", "prec", "thr", "batch",
               "length", "ours");
    for (int i = 0; i < n; i++)
        oc_buf_fmt(out, " %9.9s %-11s", peer[i], "");
    oc_buf_fmt(out, " %7s %7s\n", "ratio", "spread");
}

void results_row(const results *all, const result *r, oc_buf *out)
{
    const char *peer[RESULT_MAX_PEERS];
    int n = names(all, false, peer);
    oc_buf_fmt(out, "%-11s %-11s %-4s %3lld %5lld ", r->part, r->model, r->precision,
               (long long)r->threads, (long long)r->batch);
    if (r->length > 0)
        oc_buf_fmt(out, "%6lld", (long long)r->length);
    else
        oc_buf_fmt(out, "%6s", "real");
    oc_buf_fmt(out, " %9.3f", r->t[0].median);
    for (int i = 0; i < n; i++) {
        const result_time *t = best_of(r, peer[i]);
        if (t)
            oc_buf_fmt(out, " %9.3f %-11s", t->median, t->variant);
        else
            oc_buf_fmt(out, " %9s %-11s", "-", "");
    }
    double ratio = result_ratio(r), wide = result_spread(r);
    if (isnan(ratio))
        oc_buf_fmt(out, " %7s", "-");
    else
        oc_buf_fmt(out, " %6.2fx", ratio);
    oc_buf_fmt(out, " %5.1f %%%s%s\n", 100 * wide, wide > RESULT_NOISY ? " noisy" : "",
               r->disturbed[0] ? " disturbed" : "");
}

static void below_one(const results *all, oc_buf *out)
{
    int64_t n = 0, compared = 0;
    for (int64_t i = 0; i < all->n; i++) {
        compared += !isnan(result_ratio(&all->r[i]));
        n += result_ratio(&all->r[i]) < 1;
    }
    if (compared == 0)
        return;
    oc_buf_fmt(out, "rows below 1: %lld of %lld\n", (long long)n, (long long)compared);
    for (int64_t i = 0; i < all->n; i++) {
        const result *r = &all->r[i];
        if (!(result_ratio(r) < 1))
            continue;
        oc_buf_fmt(out, "  %s %s %s, %lld thread%s, batch %lld, ", r->part, r->model, r->precision,
                   (long long)r->threads, r->threads == 1 ? "" : "s", (long long)r->batch);
        if (r->length > 0)
            oc_buf_fmt(out, "length %lld: ", (long long)r->length);
        else
            oc_buf_str(out, "real lengths: ");
        oc_buf_fmt(out, "%.2fx%s\n", result_ratio(r),
                   result_spread(r) > RESULT_NOISY || r->disturbed[0] ? " (not to be trusted)"
                                                                      : "");
    }
}

void results_summary(const results *all, oc_buf *out)
{
    static const struct {
        const char *precision, *title;
        bool training;
    } groups[] = {{"f32", "f32", false}, {"int8", "int8", false}, {"f32", "training", true}};
    int64_t noisy = 0, disturbed = 0, n;
    for (int64_t i = 0; i < all->n; i++) {
        noisy += result_spread(&all->r[i]) > RESULT_NOISY;
        disturbed += all->r[i].disturbed[0] != 0;
    }
    for (int g = 0; g < OC_COUNT(groups); g++) {
        double mean = results_mean(all, groups[g].precision, groups[g].training, &n);
        if (n > 0)
            oc_buf_fmt(out, "geometric mean of the ratios, %s: %.2fx over %lld row%s\n",
                       groups[g].title, mean, (long long)n, n == 1 ? "" : "s");
    }
    below_one(all, out);
    if (noisy + disturbed == 0)
        oc_buf_str(out, "no row is noisy\n");
    else
        oc_buf_fmt(
            out,
            "not to be trusted: %lld noisy rows (the middle half of the runs spreads by more "
            "than %.0f %%), %lld measured while the machine had other work\n",
            (long long)noisy, 100 * RESULT_NOISY, (long long)disturbed);
}

void results_print(const results *all, oc_buf *out)
{
    results_head(all, out);
    for (int64_t i = 0; i < all->n; i++)
        results_row(all, &all->r[i], out);
    results_summary(all, out);
}
