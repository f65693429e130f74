/* core/measure/peer and paper: the pipe protocol with made peers, and what a comparison reports. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/par.h"
#include "core/kernels/kernels.h"
#include "core/measure/paper.h"

/* --- peers ------------------------------------------------------------------------------------- */

static void start(oc_peer *p, const char *script)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    oc_peer_start(p, "made", argv, NULL);
}

static void a_peer_says_what_it_can_do(void **state)
{
    (void)state;
    oc_peer p;
    start(&p,
          "echo 'ready Made 1.2|infer-f32 eager|infer-int8 fast|train eager|odd'; cat >/dev/null");
    assert_string_equal(p.name, "Made 1.2");
    assert_string_equal(p.reason, "");
    assert_int_equal(p.n_variants, 3); // a variant without a part is none
    assert_string_equal(p.variant[1].part, "infer-int8");
    assert_string_equal(p.variant[1].variant, "fast");
    oc_peer_stop(&p);
    oc_peer_stop(&p); // twice is fine
}

static void a_peer_that_is_not_there(void **state)
{
    (void)state;
    static const struct {
        const char *script, *reason;
    } made[] = {
        {"echo 'absent no such library'", "no such library"},
        {"exit 3", "it ended before it said anything"},
        {"echo hello; cat >/dev/null", "it did not say that it is ready"},
    };
    oc_peer p;
    oc_peer_reply r;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        start(&p, made[i].script);
        assert_string_equal(p.reason, made[i].reason);
        assert_string_equal(p.name, "made");
        assert_int_equal(p.pid, 0);
        assert_false(oc_peer_ask(&p, "infer", &r));
        assert_string_equal(r.reason, made[i].reason);
    }
    const char *const argv[] = {"/nowhere/at-all", NULL};
    oc_peer_start(&p, "none", argv, NULL);
    assert_string_equal(p.reason, "/nowhere/at-all: No such file or directory");
}

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *reason; /* NULL: it ran */
    } made[] = {
        {"ok 1.5 2.5 ; 0.25 -3", NULL},
        {"no such model", "such model"},
        {"ok ; 1 2", "its answer was not understood"},
        {"ok 1.5 2.5", "its answer was not understood"},
        {"ok 1.5 ; 1", "its answer was not understood"},
        {"something else", "something else"},
    };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        char script[256];
        oc_peer p;
        oc_peer_reply r;
        snprintf(script, sizeof script,
                 "echo 'ready M'; read a; [ \"$a\" = 'infer it' ] && echo '%s'; cat >/dev/null",
                 made[i].answer);
        start(&p, script);
        assert_int_equal(oc_peer_ask(&p, "infer it", &r), made[i].reason == NULL);
        if (made[i].reason) {
            assert_string_equal(r.reason, made[i].reason);
        } else {
            assert_int_equal(r.n, 2);
            assert_true(r.ms[0] == 1.5 && r.ms[1] == 2.5 && r.logit[0] == 0.25 && r.logit[1] == -3);
        }
        oc_peer_stop(&p);
    }
}

static void a_peer_that_dies(void **state)
{
    (void)state;
    oc_peer p;
    oc_peer_reply r;
    start(&p, "echo 'ready M'; read a; exit 1");
    assert_false(oc_peer_ask(&p, "infer", &r));
    assert_string_equal(r.reason, "it died");
    assert_false(oc_peer_ask(&p, "infer", &r)); // and stays so
    assert_string_equal(r.reason, "it died");
}

static void more_times_than_there_is_room(void **state)
{
    (void)state;
    oc_peer p;
    oc_peer_reply r;
    start(&p, "echo 'ready M'; read a; printf ok; i=0; while [ $i -lt 100 ]; do printf ' 1'; "
              "i=$((i+1)); done; echo ' ; 5 6'; cat >/dev/null");
    assert_true(oc_peer_ask(&p, "infer", &r));
    assert_int_equal(r.n, OC_PEER_MAX_RUNS);
    assert_true(r.logit[0] == 5 && r.logit[1] == 6);
    oc_peer_stop(&p);
}

/* --- the comparison ---------------------------------------------------------------------------- */

static oc_model *small_model(int32_t P)
{
    oc_dims d = {.L = 1, .H = 32, .D = 16, .V = 200, .P = P, .S = 2, .K = 2, .eps = 1e-12f};
    d.A[0] = 2;
    d.F[0] = 64;
    oc_model *m = NULL;
    assert_int_equal(oc_model_new(&d, &m, NULL), OC_OK);
    oc_model_init(m, 1);
    return m;
}

static int32_t ids[60];
static int64_t starts[4] = {0, 10, 12, 60};

static oc_paper comparison(const oc_model *m, const oc_encoded *e)
{
    for (int i = 0; i < 60; i++)
        ids[i] = i * 3;
    return (oc_paper){.model = m, .teacher = m, .notes = e};
}

static void compares_with_a_peer(void **state)
{
    (void)state;
    oc_model *m = small_model(512);
    oc_encoded e = {.n = 3, .ids = ids, .start = starts, .max_T = 48};
    oc_paper p = comparison(m, &e);
    oc_peer peer;
    // Times of the rounds; the first one is for warming up. It must be asked for what is compared.
    start(
        &peer,
        "echo 'ready M'; for t in 99000 1000 4000 2000; do read a; case $a in "
        "'infer eager new:L12-H768-A12-F3072-V30522+new:L12-H768-A12-F3072-V30522 1 1 fixed 1 1 512') "
        "echo \"ok $t ; 0 0\" ;; *) echo \"no $a\" ;; esac; done; cat >/dev/null");
    p.peer = &peer;
    oc_err err = {0};
    oc_par_set_workers(2);
    if (oc_paper_measure(&p, &err) != OC_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(oc_par_workers(), 2); // as it was
    assert_int_equal(p.rounds, 3);
    assert_true(p.ensemble.ms == 2000 && p.ensemble.p25 == 1500 && p.ensemble.p75 == 3000);
    assert_true(p.on_notes.ms > 0 && p.full.ms > 0 && p.own.ms > 0);
    assert_true(oc_paper_spread(&p) >= 0.75);
    oc_peer_stop(&peer);
    oc_model_free(m);
}

static void compares_without_one(void **state)
{
    (void)state;
    oc_model *m = small_model(512), *little = small_model(64);
    oc_encoded e = {.n = 3, .ids = ids, .start = starts, .max_T = 48};
    oc_paper p = comparison(m, &e);
    assert_int_equal(oc_paper_measure(&p, NULL), OC_OK);
    assert_true(isnan(p.ensemble.ms) && p.own.ms > 0 && isfinite(oc_paper_spread(&p)));
    p.budget_ms = 50;
    assert_int_equal(oc_paper_measure(&p, NULL), OC_OK);
    assert_true(p.rounds >= 3);

    oc_err err = {0};
    p.model = little;
    assert_int_equal(oc_paper_measure(&p, &err), OC_SHAPE);
    assert_non_null(strstr(err.msg, "64 positions"));
    p.model = m;
    e.max_T = 513;
    assert_int_equal(oc_paper_measure(&p, NULL), OC_SHAPE);
    e.max_T = 48;
    e.n = 0;
    assert_int_equal(oc_paper_measure(&p, NULL), OC_SHAPE);
    e.n = 3;
    oc_peer dead;
    start(&dead, "echo 'ready M'; read a; echo 'no memory'; cat >/dev/null");
    p.peer = &dead;
    err = (oc_err){0};
    assert_int_equal(oc_paper_measure(&p, &err), OC_STATE);
    assert_non_null(strstr(err.msg, "memory"));
    oc_peer_stop(&dead);
    oc_model_free(m);
    oc_model_free(little);
}

static int stop_after(void *ctx)
{
    return --*(int *)ctx < 0;
}

static void can_be_stopped(void **state)
{
    (void)state;
    oc_model *m = small_model(512);
    oc_encoded e = {.n = 3, .ids = ids, .start = starts, .max_T = 48};
    for (int polls = 0; polls < 12; polls++) {
        oc_paper p = comparison(m, &e);
        int left = polls;
        p.stop = stop_after;
        p.ctx = &left;
        assert_int_equal(oc_paper_measure(&p, NULL), OC_CANCELLED);
        assert_int_equal(left, -1);
    }
    oc_model_free(m);
}

static void the_student_is_that_of_the_paper(void **state)
{
    (void)state;
    oc_model *m;
    assert_int_equal(oc_paper_student(30522, &m, NULL), OC_OK);
    assert_int_equal(oc_model_params(m), 14350874); // 14.35 M, as published, with two labels
    assert_false(oc_model_is_f32(m));
    assert_non_null(oc_model_at(m, OC_P_WORD, -1)->q);
    oc_model_free(m);
}

static int begin(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    return oc_kernels_select(NULL) == OC_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_says_what_it_can_do),
        cmocka_unit_test(a_peer_that_is_not_there),
        cmocka_unit_test(answers),
        cmocka_unit_test(a_peer_that_dies),
        cmocka_unit_test(more_times_than_there_is_room),
        cmocka_unit_test(compares_with_a_peer),
        cmocka_unit_test(compares_without_one),
        cmocka_unit_test(can_be_stopped),
        cmocka_unit_test(the_student_is_that_of_the_paper),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
