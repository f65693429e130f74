/* The reducer: what each event does to the state, and the curves' pyramid. */
#include "sessions/series.h"
#include "tests/journal/recorded.h"

static uint64_t rng = 88172645463325252u;
static uint64_t next_random(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng;
}

/* --- series ------------------------------------------------------------------------------------ */

static oc_range brute(const oc_series *s, int64_t i0, int64_t i1)
{
    oc_range r = {.lo = INFINITY, .hi = -INFINITY};
    for (int64_t i = i0; i < i1; i++) {
        if (!isfinite(s->y[i]))
            continue;
        r.lo = OC_MIN(r.lo, (float)s->y[i]);
        r.hi = OC_MAX(r.hi, (float)s->y[i]);
    }
    return r;
}

static void check_ranges(const oc_series *s, int n)
{
    for (int k = 0; k < n && s->n > 0; k++) {
        int64_t a = (int64_t)(next_random() % (uint64_t)s->n);
        int64_t b = a + (int64_t)(next_random() % (uint64_t)(s->n - a + 1));
        oc_range want = brute(s, a, b), got = oc_series_range(s, a, b);
        assert_true((got.lo > got.hi) == (want.lo > want.hi));
        if (want.lo <= want.hi) {
            assert_true(got.lo == want.lo);
            assert_true(got.hi == want.hi);
        }
    }
    oc_range all = oc_series_range(s, -5, s->n + 5), want = brute(s, 0, s->n);
    assert_true(all.lo == want.lo && all.hi == want.hi);
    assert_true(oc_series_range(s, 3, 3).lo > oc_series_range(s, 3, 3).hi);
}

static void add(oc_series *s, double x, double y)
{
    OK(oc_series_reserve(s, err));
    oc_series_push(s, x, y, 0);
}

static double random_y(void)
{
    uint64_t r = next_random();
    if (r % 50 == 0)
        return (double)NAN;
    if (r % 51 == 0)
        return (double)-INFINITY;
    return (double)(r % 100000) / 7 - 5000;
}

static void ranges_are_exact(void **state)
{
    (void)state;
    oc_series s = {0};
    int64_t bad = 0;
    for (int i = 1; i <= 40000; i++) {
        double y = random_y();
        bad += !isfinite(y);
        add(&s, i, y);
        if (i < 200 || i % 997 == 0 || (i & (i - 1)) == 0 || ((i - 1) & (i - 2)) == 0)
            check_ranges(&s, 20);
    }
    assert_int_equal(s.n_nonfinite, bad);
    check_ranges(&s, 3000);
    assert_non_null(s.level[10]);
    oc_series_release(&s);
}

static void ranges_after_cutting_and_growing(void **state)
{
    (void)state;
    oc_series s = {0};
    double x = 0;
    for (int round = 0; round < 300; round++) {
        int grow = (int)(next_random() % 700);
        for (int i = 0; i < grow; i++)
            add(&s, ++x, random_y());
        check_ranges(&s, 40);
        double to = round % 20 == 19 ? 0 : floor(x * (double)(next_random() % 1000) / 1000);
        oc_series_cut(&s, to);
        assert_int_equal(s.n, (int64_t)to);
        x = to;
        check_ranges(&s, 40);
        int64_t bad = 0;
        for (int64_t i = 0; i < s.n; i++)
            bad += !isfinite(s.y[i]);
        assert_int_equal(s.n_nonfinite, bad);
    }
    oc_series_release(&s);
}

static void lower_bound(void **state)
{
    (void)state;
    oc_series s = {0};
    assert_int_equal(oc_series_lower(&s, 1), 0);
    static const double xs[] = {1, 2, 2, 2, 5, 9};
    for (int i = 0; i < OC_COUNT(xs); i++)
        add(&s, xs[i], 0);
    assert_int_equal(oc_series_lower(&s, 0), 0);
    assert_int_equal(oc_series_lower(&s, 2), 1);
    assert_int_equal(oc_series_lower(&s, 2.5), 4);
    assert_int_equal(oc_series_lower(&s, 9), 5);
    assert_int_equal(oc_series_lower(&s, 10), 6);
    oc_series_release(&s);
}

static void huge_values_are_finite(void **state)
{
    (void)state;
    oc_series s = {0};
    add(&s, 1, 1e300);
    add(&s, 2, -1e300);
    oc_range r = oc_series_range(&s, 0, 2);
    assert_true(isfinite(r.lo) && isfinite(r.hi) && r.lo < 0 && r.hi > 0);
    assert_int_equal(s.n_nonfinite, 0);
    oc_series_release(&s);
}

/* --- reducer ----------------------------------------------------------------------------------- */

static void a_whole_run(void **state)
{
    (void)state;
    recording r = rec_whole("w");
    for (int i = 0; i < r.n; i++)
        r.e[i].seq = i + 1;
    oc_state *s = rec_fold(&r, r.n);
    assert_int_equal(s->n_events, r.n);
    assert_int_equal(s->last_seq, r.n);
    assert_int_equal(s->opened_ms, r.e[0].t_ms);
    assert_int_equal(s->last_ms, r.t_ms);
    assert_false(s->live);
    assert_int_equal(s->set.run_seed, 5);
    assert_true(s->set.prune_sparsity == 0.6);
    assert_string_equal(s->recipe, "demo");

    assert_int_equal(s->n_stages, 6);
    assert_string_equal(s->stage[0].status, "done");
    assert_string_equal(s->stage[0].run, "teacher-1");
    assert_true(s->stage[0].seconds == 1.5);
    assert_string_equal(s->stage[2].status, "waiting");
    assert_int_equal(s->i_stage, 1);

    assert_int_equal(s->n_runs, 2);
    const oc_run *t = oc_state_run(s, "teacher-1");
    assert_int_equal(t->curve[OC_CURVE_LOSS].n, 4);
    assert_int_equal(t->curve[OC_CURVE_SOFT].n, 0); // never was a soft term
    assert_int_equal(t->curve[OC_CURVE_HARD].n, 4);
    assert_true(t->best_auroc == 0.71);
    assert_int_equal(t->best_step, 4);
    assert_string_equal(t->status, "done");
    assert_string_equal(t->kind, "finetune");
    const oc_run *d = oc_state_run(s, "student");
    assert_int_equal(d->curve[OC_CURVE_LOSS].n, 2);
    assert_int_equal(d->curve[OC_CURVE_LOSS].n_nonfinite, 1);
    assert_int_equal(d->curve[OC_CURVE_HARD].n, 2); // NaN after the first is news
    assert_null(oc_state_run(s, "nobody"));

    assert_int_equal(s->n_markers, 3);
    assert_int_equal(s->marker[0].kind, 's');
    assert_string_equal(s->marker[0].text, "prune.sparsity 0.3 -> 0.6");
    assert_string_equal(s->marker[0].run, "student");
    assert_true(s->marker[0].x == 2);
    assert_int_equal(s->marker[1].kind, 'c');
    assert_int_equal(s->marker[2].kind, 'n');

    const oc_model_state *p = oc_state_model(s, "pruned"), *q = oc_state_model(s, "quantized");
    assert_int_equal(p->n_sparsity, 1);
    assert_int_equal(p->n_heads, 1);
    assert_int_equal(p->heads[0].n_kept, 4);
    assert_int_equal(p->n_ffn, 1);
    assert_false(p->has_cand);
    assert_int_equal(q->n_quant, 1);
    assert_int_equal(q->n_drift, 1);
    assert_true(q->has_cand);
    assert_int_equal(q->cand.bytes, 500000);
    assert_int_equal(s->n_latency, 2);
    assert_int_equal(s->n_baselines, 1);
    assert_int_equal(s->n_cache, 1);
    assert_int_equal(s->data[0].rows, 1600);
    assert_int_equal(s->data[1].rows, 0);
    assert_int_equal(s->data[2].rows, 1000);
    assert_string_equal(s->ensemble.rule, "mean_logits");
    assert_int_equal(s->ckpt.step, 2);
    assert_int_equal(s->n_alerts, 1);
    oc_state_free(s);
    rec_free(&r);
}

static oc_state *fold_all(recording *r)
{
    oc_state *s = rec_fold(r, r->n);
    rec_free(r);
    return s;
}

static void a_resumed_stage_cuts_its_curve(void **state)
{
    (void)state;
    recording r = {0};
    rec_run(&r, "x", "distill", false);
    rec_stage(&r, 0, "distill", "student", 100, 0);
    for (int i = 1; i <= 50; i++) {
        rec_step(&r, "student", i, 1.0 / i);
        if (i % 10 == 0)
            rec_eval(&r, "student", i, 0.6 + 0.005 * i, true);
    }
    rec_setting(&r, "distill.lr", "5e-05", "1e-05", "set", "student", 30);
    rec_setting(&r, "distill.lr", "1e-05", "2e-05", "set", "student", 45);
    rec_run(&r, "x", "distill", true);
    rec_stage(&r, 0, "distill", "student", 100, 40);
    oc_state *s = fold_all(&r);
    const oc_run *u = oc_state_run(s, "student");
    assert_int_equal(u->curve[OC_CURVE_LOSS].n, 40);
    assert_true(u->curve[OC_CURVE_LOSS].x[39] == 40);
    assert_int_equal(u->curve[OC_CURVE_VALID_AUROC].n, 4);
    assert_int_equal(u->step, 40);
    assert_int_equal(u->last.step, 40);
    assert_true(u->last.loss == 1.0 / 40);
    assert_true(fabs(u->best_auroc - 0.8) < 1e-12);
    assert_int_equal(u->best_step, 40);
    // The mark at 45 belongs to steps that never happened; the resumption is marked.
    assert_int_equal(s->n_markers, 2);
    assert_int_equal(s->marker[0].kind, 's');
    assert_true(s->marker[0].x == 30);
    assert_int_equal(s->marker[1].kind, 'r');
    assert_true(s->marker[1].x == 40);
    assert_true(s->set.distill_lr == 2e-5);
    oc_state_free(s);
}

static void a_stage_from_the_start_begins_a_new_curve(void **state)
{
    (void)state;
    recording r = {0};
    rec_stage(&r, 0, "distill", "student", 100, 0);
    rec_eval(&r, "student", 0, 0.5, true);
    for (int i = 1; i <= 30; i++)
        rec_step(&r, "student", i, 1);
    rec_setting(&r, "distill.lr", "5e-05", "1e-05", "set", "student", 10);
    rec_stage(&r, 0, "distill", "student", 100, 0);
    rec_step(&r, "student", 1, 7);
    oc_state *s = fold_all(&r);
    const oc_run *u = oc_state_run(s, "student");
    assert_int_equal(s->n_runs, 1);
    assert_int_equal(u->curve[OC_CURVE_LOSS].n, 1);
    assert_true(u->curve[OC_CURVE_LOSS].y[0] == 7);
    assert_int_equal(u->curve[OC_CURVE_VALID_AUROC].n, 0);
    assert_true(isnan(u->best_auroc));
    assert_int_equal(s->n_markers, 0);
    oc_state_free(s);
}

static void undo_goes_back(void **state)
{
    (void)state;
    recording r = {0};
    rec_stage(&r, 0, "distill", "student", 100, 0);
    for (int i = 1; i <= 20; i++)
        rec_step(&r, "student", i, i);
    rec_setting(&r, "prune.sparsity", "0.3", "0.6", "set", "student", 20);
    for (int i = 21; i <= 35; i++)
        rec_step(&r, "student", i, i);
    oc_ev_undo *u = &rec_add(&r, OC_EV_undo_T)->u.undo;
    OC_EV_SET(u->what, "prune.sparsity 0.6 -> 0.3");
    OC_EV_SET(u->run, "student");
    u->to_step = 20;
    rec_setting(&r, "prune.sparsity", "0.6", "0.3", "undo", "student", 20);
    rec_step(&r, "student", 21, 100);
    oc_state *s = fold_all(&r);
    const oc_series *loss = &oc_state_run(s, "student")->curve[OC_CURVE_LOSS];
    assert_int_equal(loss->n, 21);
    assert_true(loss->y[19] == 20 && loss->y[20] == 100);
    assert_int_equal(s->n_markers, 2);
    assert_int_equal(s->marker[1].kind, 'u');
    assert_string_equal(s->marker[1].text, "undo prune.sparsity 0.6 -> 0.3");
    assert_true(s->set.prune_sparsity == 0.3);
    oc_state_free(s);
}

static void a_pause_and_resume_is_marked(void **state)
{
    (void)state;
    recording r = {0};
    rec_stage(&r, 0, "distill", "student", 100, 0);
    for (int i = 1; i <= 12; i++)
        rec_step(&r, "student", i, i);
    static const char *const to[] = {"paused", "running"};
    for (int i = 0; i < 2; i++) {
        oc_ev_job *j = &rec_add(&r, OC_EV_job_T)->u.job;
        OC_EV_SET(j->state, to[i]);
        OC_EV_SET(j->what, "student");
        j->step = 10;
    }
    oc_state *s = fold_all(&r);
    assert_int_equal(oc_state_run(s, "student")->curve[OC_CURVE_LOSS].n, 10);
    assert_int_equal(s->n_markers, 1);
    assert_int_equal(s->marker[0].kind, 'r');
    oc_state_free(s);
}

/* The recipe says "finetune" once; each teacher comes with its own stage. */
static void stages_that_repeat(void **state)
{
    (void)state;
    recording r = {0};
    rec_run(&r, "x", "finetune,distill,evaluate", false);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "teacher-%d", i + 1);
        rec_stage(&r, i, "finetune", name, 10, 0);
        rec_stage_end(&r, i, "finetune", name, "done");
    }
    rec_stage(&r, 3, "distill", "student", 10, 0);
    oc_state *s = rec_fold(&r, r.n);
    static const char *const want[] = {"finetune teacher-1 done", "finetune teacher-2 done",
                                       "finetune teacher-3 done", "distill student running",
                                       "evaluate  waiting"};
    assert_int_equal(s->n_stages, OC_COUNT(want));
    for (int i = 0; i < OC_COUNT(want); i++) {
        char got[96];
        snprintf(got, sizeof got, "%s %s %s", s->stage[i].kind, s->stage[i].run,
                 s->stage[i].status);
        assert_string_equal(got, want[i]);
    }
    assert_int_equal(s->i_stage, 3);
    oc_state_free(s);

    // Continued in another process: kept ones are said without having begun.
    rec_run(&r, "x", "finetune,distill,evaluate", true);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "teacher-%d", i + 1);
        rec_stage_end(&r, i, "finetune", name, "kept");
    }
    rec_stage(&r, 3, "distill", "student", 10, 4);
    rec_stage_end(&r, 3, "distill", "student", "done");
    rec_stage(&r, 4, "evaluate", "", 0, 0);
    rec_stage_end(&r, 4, "evaluate", "", "failed");
    s = fold_all(&r);
    assert_int_equal(s->n_stages, 5);
    for (int i = 0; i < 3; i++)
        assert_string_equal(s->stage[i].status, "kept");
    assert_string_equal(s->stage[3].status, "done");
    assert_string_equal(s->stage[4].status, "failed");
    assert_string_equal(oc_state_run(s, "teacher-2")->status, "done");
    oc_state_free(s);
}

/* A journal without its run event (or with another order) still gives a list. */
static void stages_without_a_list(void **state)
{
    (void)state;
    recording r = {0};
    rec_stage_end(&r, 7, "bench", "", "done");
    rec_stage(&r, -3, "prune", "pruned", 0, 0);
    rec_stage(&r, 99, "prune", "pruned", 0, 0);
    oc_state *s = fold_all(&r);
    assert_int_equal(s->n_stages, 2);
    assert_string_equal(s->stage[0].kind, "bench");
    assert_string_equal(s->stage[1].status, "running");
    assert_int_equal(s->n_runs, 0); // prune trains nothing
    oc_state_free(s);
}

static void candidates_merge(void **state)
{
    (void)state;
    recording r = {0};
    rec_candidate(&r, "student", "distill", "fp32", 1000, 0.8, (double)NAN);
    oc_ev_candidate *c = &rec_add(&r, OC_EV_candidate_T)->u.candidate;
    OC_EV_SET(c->model, "student");
    c->median_ms = 3;
    c->p95_ms = 4;
    c->accuracy = 0.95;
    oc_state *s = fold_all(&r);
    assert_int_equal(s->n_models, 1);
    const oc_ev_candidate *k = &s->model[0].cand;
    assert_true(k->auroc == 0.8 && k->median_ms == 3 && k->p95_ms == 4 && k->accuracy == 0.95);
    assert_int_equal(k->bytes, 1000);
    assert_string_equal(k->stage, "distill");
    assert_string_equal(k->path, "models/student");
    oc_state_free(s);
}

static void the_newest_row_of_a_place_wins(void **state)
{
    (void)state;
    recording r = {0};
    for (int i = 0; i < 6; i++) {
        oc_ev_sparsity *p = &rec_add(&r, OC_EV_sparsity_T)->u.sparsity;
        OC_EV_SET(p->model, "pruned");
        OC_EV_SET(p->matrix, i % 2 ? "key" : "query");
        p->layer = i % 3;
        p->reached = i;
    }
    oc_ev_sparsity *p = &rec_add(&r, OC_EV_sparsity_T)->u.sparsity;
    OC_EV_SET(p->model, "pruned");
    OC_EV_SET(p->matrix, "key");
    p->layer = 1;
    p->reached = 42;
    rec_latency(&r, "a", 1, 5);
    rec_latency(&r, "a", 2, 4);
    rec_latency(&r, "a", 1, 3);
    oc_state *s = fold_all(&r);
    assert_int_equal(s->model[0].n_sparsity, 6);
    assert_true(s->model[0].sparsity[1].reached == 42);
    assert_int_equal(s->n_latency, 2);
    assert_true(s->latency[0].median_ms == 3);
    oc_state_free(s);
}

static void a_process_that_vanished(void **state)
{
    (void)state;
    recording r = {0};
    rec_session(&r, "x", false);
    rec_run(&r, "x", "distill,bench", false);
    rec_stage(&r, 0, "distill", "student", 100, 0);
    rec_step(&r, "student", 17, 1);
    oc_ev_job *j = &rec_add(&r, OC_EV_job_T)->u.job;
    OC_EV_SET(j->state, "running");
    j->step = -1;
    oc_state *s = rec_fold(&r, r.n);
    assert_true(s->live);
    assert_string_equal(s->stage[0].status, "running");
    oc_state_free(s);
    rec_session(&r, "x", true);
    s = fold_all(&r);
    assert_string_equal(s->stage[0].status, "stopped");
    assert_string_equal(s->stage[0].message, "interrupted at step 17; 'continue' takes it up");
    assert_string_equal(s->job.state, "stopped");
    assert_string_equal(oc_state_run(s, "student")->status, "stopped");
    oc_state_free(s);
}

static void the_log_is_bounded(void **state)
{
    (void)state;
    oc_state *s;
    OK(oc_state_new(&s, err));
    for (int i = 0; i < 3 * OC_LOG_LINES; i++) {
        oc_event e;
        oc_event_init(&e, OC_EV_log_T);
        snprintf(e.u.log.text, sizeof e.u.log.text, "line %d", i);
        OK(oc_state_fold(s, &e, err));
        assert_true(s->n_log <= OC_LOG_LINES);
        char want[32];
        snprintf(want, sizeof want, "line %d", i);
        assert_string_equal(s->log[s->n_log - 1].text, want);
    }
    assert_true(s->n_log > OC_LOG_LINES / 2);
    oc_state_free(s);
}

/* Long UTF-8 text is never cut inside a character. */
static void text_ends_at_a_character(void **state)
{
    (void)state;
    oc_event e;
    oc_event_init(&e, OC_EV_note_T);
    OC_EV_SET(e.u.note.run, "student");
    e.u.note.step = 1;
    for (int lead = 0; lead < 4; lead++) {
        char text[512];
        memset(text, 'a', sizeof text);
        for (int i = lead; i + 3 < 470; i += 3)
            memcpy(text + i, "\xe2\x86\x92", 3); // →
        text[470] = 0;
        OC_EV_SET(e.u.note.text, text);
        oc_state *s;
        OK(oc_state_new(&s, err));
        OK(oc_state_fold(s, &e, err));
        assert_true(oc_utf8_valid(s->marker[0].text, strlen(s->marker[0].text)));
        assert_true(strlen(s->marker[0].text) >= 125);
        assert_true(oc_utf8_valid(s->log[0].text, strlen(s->log[0].text)));
        oc_state_free(s);
    }
}

/* Every allocation of every event fails once: the state stays as it was. */
static void out_of_memory(void **state)
{
    (void)state;
    recording r = rec_whole("w");
    int failures = 0;
    oc_state *s;
    OK(oc_state_new(&s, err));
    for (int i = 0; i < r.n; i++) {
        uint64_t before = oc_state_hash(s);
        for (int64_t k = 1;; k++) {
            oc_err e = {0};
            oc_alloc_fail_at(k);
            oc_status rc = oc_state_fold(s, &r.e[i], &e);
            oc_alloc_fail_at(0);
            if (rc == OC_OK)
                break;
            assert_int_equal(rc, OC_NOMEM);
            if (oc_state_hash(s) != before)
                fail_msg("a failed %s event changed the state", oc_event_name(r.e[i].type));
            failures++;
        }
    }
    assert_true(failures > 20);
    oc_state *clean = rec_fold(&r, r.n);
    assert_true(oc_state_hash(clean) == oc_state_hash(s));
    oc_state_free(clean);
    oc_state_free(s);
    oc_alloc_fail_at(1);
    assert_int_equal(oc_state_new(&s, NULL), OC_NOMEM);
    oc_alloc_fail_at(0);
    rec_free(&r);
}

/* The hash sees every field of every event: change one, and it differs. */
static void the_hash_sees_every_field(void **state)
{
    (void)state;
    // What a fold may ignore: fields that no view shows.
    static const char *const unseen[] = {
        "command.source", "exit.",        "stage.index", "stage_end.index", "run.n_stages",
        "run.resumed",    "undo.path",    "eval.split",  "eval.auprc",      "eval.f1",
        "setting.old",    "setting.why",  "setting.run", "setting.step",    "eval.best",
        "note.step",      "undo.to_step", "undo.run",    "note.run"};
    recording r = rec_whole("w");
    int checked = 0;
    for (int i = 0; i < r.n; i++) {
        oc_state *a = rec_fold(&r, i + 1);
        int n;
        const oc_event_field *f = oc_event_fields(r.e[i].type, &n);
        for (int k = 0; k < n; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s.%s", oc_event_name(r.e[i].type), f[k].name);
            bool skip = false;
            for (int u = 0; u < OC_COUNT(unseen); u++)
                skip |= oc_str_starts(name, unseen[u]);
            if (skip)
                continue;
            oc_event was = r.e[i];
            char *at = (char *)&r.e[i] + f[k].offset;
            double real = 0.123;
            int64_t whole = 77;
            if (f[k].kind == OC_FIELD_S)
                oc_strlcpy(at, "other", (size_t)f[k].capacity);
            else if (f[k].kind == OC_FIELD_I)
                memcpy(at, &whole, sizeof whole);
            else if (f[k].kind == OC_FIELD_B)
                *at = !*at;
            else
                memcpy(at, &real, sizeof real);
            // A list shows its values only as far as its count goes.
            if (f[k].kind != OC_FIELD_V || was.u.ensemble.n_weights) {
                oc_state *b = rec_fold(&r, i + 1);
                if (oc_state_hash(a) == oc_state_hash(b))
                    fail_msg("event %d: the hash does not see %s", i, name);
                oc_state_free(b);
                checked++;
            }
            r.e[i] = was;
        }
        oc_state_free(a);
    }
    assert_true(checked > 150);
    rec_free(&r);
}

static void curve_names(void **state)
{
    (void)state;
    for (int c = 0; c < OC_N_CURVES; c++) {
        assert_non_null(oc_curve_name((oc_curve)c));
        assert_true(strlen(oc_curve_name((oc_curve)c)) > 1);
    }
    assert_string_equal(oc_curve_name(OC_CURVE_VALID_AUROC), "valid auroc");
    assert_string_equal(oc_curve_name(OC_N_CURVES), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_exact),
        cmocka_unit_test(ranges_after_cutting_and_growing),
        cmocka_unit_test(lower_bound),
        cmocka_unit_test(huge_values_are_finite),
        cmocka_unit_test(a_whole_run),
        cmocka_unit_test(a_resumed_stage_cuts_its_curve),
        cmocka_unit_test(a_stage_from_the_start_begins_a_new_curve),
        cmocka_unit_test(undo_goes_back),
        cmocka_unit_test(a_pause_and_resume_is_marked),
        cmocka_unit_test(stages_that_repeat),
        cmocka_unit_test(stages_without_a_list),
        cmocka_unit_test(candidates_merge),
        cmocka_unit_test(the_newest_row_of_a_place_wins),
        cmocka_unit_test(a_process_that_vanished),
        cmocka_unit_test(the_log_is_bounded),
        cmocka_unit_test(text_ends_at_a_character),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(the_hash_sees_every_field),
        cmocka_unit_test(curve_names),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
