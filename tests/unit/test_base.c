/* core/base: errors, memory, buffers, strings, random numbers, parallel loops, checksums. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/hash.h"
#include "core/base/par.h"
#include "core/base/rng.h"
#include "core/base/str.h"

static void err_first_failure_wins(void **state)
{
    (void)state;
    oc_err e = {0};
    assert_int_equal(OC_FAIL(&e, OC_RANGE, "first %d", 1), OC_RANGE);
    assert_int_equal(OC_FAIL(&e, OC_IO, "second"), OC_IO);
    assert_int_equal(e.status, OC_RANGE);
    assert_string_equal(e.msg, "first 1");
    oc_err_note(&e, "while reading %s", "x.csv");
    assert_string_equal(e.msg, "while reading x.csv: first 1");
}

static void err_note_keeps_the_cause(void **state)
{
    (void)state;
    oc_err e = {0};
    char longer[700];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(OC_FAIL(&e, OC_IO, "the cause"), OC_IO);
    for (int i = 0; i < 5; i++)
        oc_err_note(&e, "%s", longer);
    assert_true(strlen(e.msg) < sizeof e.msg);
    assert_non_null(strstr(e.msg, "the cause"));
}

static void alloc_fails_on_demand(void **state)
{
    (void)state;
    oc_alloc_fail_at(2);
    void *a = oc_alloc(65), *b = oc_alloc(10), *c = oc_alloc(0);
    oc_alloc_fail_at(0);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    assert_int_equal((uintptr_t)a % 64, 0);
    assert_int_equal((uintptr_t)c % 16, 0);
    oc_free(a);
    oc_free(c);
    assert_null(oc_calloc(SIZE_MAX / 2, 4));
    size_t n;
    assert_int_equal(oc_size_mul(SIZE_MAX, 2, &n), OC_RANGE);
}

/* Around the size from which memory comes in huge pages, in places that were dirty before. */
static void large_memory_is_zeroed(void **state)
{
    (void)state;
    static const size_t sizes[] = {4194303, 4194304, 4194305, 6291456, 7000001};
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < OC_COUNT(sizes); i++) {
            unsigned char *p = oc_calloc(sizes[i], 1), *q = oc_alloc(sizes[i]);
            assert_non_null(p);
            assert_non_null(q);
            assert_int_equal(((uintptr_t)p | (uintptr_t)q) % 64, 0);
            for (size_t k = 0; k < sizes[i]; k++)
                if (p[k])
                    fail_msg("byte %zu of %zu is %d", k, sizes[i], p[k]);
            memset(p, 0xff, sizes[i]);
            memset(q, 0xff, sizes[i]);
            oc_free(p);
            oc_free(q);
        }
}

static void arena_plans_what_it_places(void **state)
{
    (void)state;
    oc_arena plan = OC_ARENA_PLAN;
    for (int i = 1; i < 50; i++)
        assert_null(OC_PUSH(&plan, float, i * 7));
    oc_arena a;
    assert_int_equal(oc_arena_init(&a, plan.used, NULL), OC_OK);
    float *last = NULL;
    for (int i = 1; i < 50; i++) {
        float *p = OC_PUSH(&a, float, i * 7);
        assert_int_equal((uintptr_t)p % 64, 0);
        assert_true(p > last);
        for (int k = 0; k < i * 7; k++)
            assert_true(p[k] == 0.0f);
        last = p;
    }
    assert_int_equal(a.used, plan.used);
    oc_arena_release(&a);
    oc_arena huge = OC_ARENA_PLAN;
    oc_arena_push(&huge, SIZE_MAX / 2, 8);
    oc_err e = {0};
    assert_int_equal(oc_arena_init(&a, huge.used, &e), OC_NOMEM);
}

static void buf_grows_and_remembers_failure(void **state)
{
    (void)state;
    oc_buf b = {0};
    assert_string_equal(oc_buf_cstr(&b), "");
    for (int i = 0; i < 1000; i++)
        oc_buf_fmt(&b, "%d,", i);
    assert_int_equal(oc_buf_check(&b, NULL), OC_OK);
    assert_int_equal(b.len, 3890);
    assert_int_equal(strlen(b.data), b.len);
    oc_buf_release(&b);
    oc_alloc_fail_at(1);
    oc_buf_str(&b, "lost");
    oc_alloc_fail_at(0);
    oc_buf_str(&b, "ignored");
    assert_int_equal(oc_buf_check(&b, NULL), OC_NOMEM);
    assert_null(oc_buf_take(&b));
    char *s = oc_buf_take(&b);
    assert_string_equal(s, "");
    oc_free(s);
}

static void numbers_parse_whole_or_not_at_all(void **state)
{
    (void)state;
    int64_t i;
    double d;
    bool b;
    assert_true(oc_parse_i64("-42", &i) && i == -42);
    assert_false(oc_parse_i64("42x", &i) || oc_parse_i64("", &i) || oc_parse_i64(" 1", &i) ||
                 oc_parse_i64("1e3", &i));
    assert_false(oc_parse_i64("99999999999999999999", &i));
    assert_true(oc_parse_f64("5e-05", &d) && d == 5e-05);
    assert_false(oc_parse_f64("0x10", &d) || oc_parse_f64("nan", &d) || oc_parse_f64("", &d) ||
                 oc_parse_f64("1,5", &d));
    assert_false(oc_parse_f64("1e999", &d));
    assert_true(oc_parse_f64("NaN", &d) && isnan(d));
    assert_true(oc_parse_bool("on", &b) && b);
    assert_true(oc_parse_bool("No", &b) && !b);
    assert_false(oc_parse_bool("maybe", &b));
}

static void doubles_are_written_shortest(void **state)
{
    (void)state;
    char t[32];
    oc_fmt_f64(t, 0.1);
    assert_string_equal(t, "0.1");
    oc_fmt_f64(t, 20);
    assert_string_equal(t, "20");
    oc_fmt_f64(t, 5e-5);
    assert_string_equal(t, "5e-05");
    oc_rng r;
    oc_rng_init(&r, 1, 2);
    for (int i = 0; i < 2000; i++) {
        double v = (oc_rng_f64(&r) - 0.5) * pow(10, (double)oc_rng_below(&r, 600) - 300), back;
        oc_fmt_f64(t, v);
        assert_true(oc_parse_f64(t, &back) && back == v);
    }
}

static void utf8_is_strict(void **state)
{
    (void)state;
    static const char *const good[] = {"", "abc", "\xc3\xa9", "\xe4\xb8\x96", "\xf0\x9f\x98\x80"};
    static const char *const wrong[] = {"\x80",     "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                        "\xe4\xb8", "\xff"};
    for (int i = 0; i < OC_COUNT(good); i++)
        assert_true(oc_utf8_valid(good[i], strlen(good[i])));
    for (int i = 0; i < OC_COUNT(wrong); i++)
        assert_false(oc_utf8_valid(wrong[i], strlen(wrong[i])));
    for (uint32_t cp = 1; cp < 0x110000; cp += 17) {
        if (cp >= 0xd800 && cp < 0xe000)
            continue;
        char s[4];
        uint32_t back;
        int n = oc_utf8_encode(cp, s);
        assert_int_equal(oc_utf8_decode(s, (size_t)n, &back), n);
        assert_int_equal(back, cp);
    }
    char cut[4];
    assert_string_equal(oc_strlcpy(cut, "a\xe4\xb8\x96z", sizeof cut), "a");
}

static void lists_and_nearest_words(void **state)
{
    (void)state;
    oc_strlist l = {0};
    assert_int_equal(oc_strlist_split(&l, " a, b c ,,d,", ',', NULL), OC_OK);
    assert_int_equal(l.n, 3);
    assert_string_equal(l.item[1], "b c");
    assert_int_equal(oc_strlist_find(&l, "d"), 2);
    assert_int_equal(oc_strlist_find(&l, "x"), -1);
    oc_strlist_release(&l);
    const char *words[] = {"prune.sparsity", "distill.lr", "run.seed"};
    assert_string_equal(oc_nearest("sparsty", words, 3), "prune.sparsity");
    assert_string_equal(oc_nearest("distil.lr", words, 3), "distill.lr");
    assert_null(oc_nearest("zzzzzz", words, 3));
}

static void sizes_and_times_are_readable(void **state)
{
    (void)state;
    char t[24];
    oc_fmt_bytes(t, 433253392);
    assert_string_equal(t, "433.3 MB");
    oc_fmt_bytes(t, 999);
    assert_string_equal(t, "999 B");
    oc_fmt_duration(t, 185);
    assert_string_equal(t, "3 m 05 s");
    oc_fmt_duration(t, (double)NAN);
    assert_string_equal(t, "?");
}

static void rng_is_fixed_and_fair(void **state)
{
    (void)state;
    oc_rng a, b, c;
    oc_rng_init(&a, 7, 1);
    oc_rng_init(&b, 7, 1);
    oc_rng_init(&c, 7, 2);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t x = oc_rng_u64(&a);
        assert_true(x == oc_rng_u64(&b));
        same += x == oc_rng_u64(&c);
    }
    assert_int_equal(same, 0);
    int count[5] = {0};
    double sum = 0, sum2 = 0;
    for (int i = 0; i < 50000; i++) {
        count[oc_rng_below(&a, 5)]++;
        double z = oc_rng_normal(&a);
        sum += z;
        sum2 += z * z;
    }
    for (int i = 0; i < 5; i++)
        assert_true(count[i] > 9600 && count[i] < 10400); // 4.5 sigma
    assert_true(fabs(sum / 50000) < 0.02 && fabs(sum2 / 50000 - 1) < 0.03);
}

typedef struct par_ctx {
    int32_t *out;
    int workers;
} par_ctx;

static void square(void *ctx, int64_t begin, int64_t end, int worker)
{
    par_ctx *p = ctx;
    assert_true(worker >= 0 && worker < p->workers);
    for (int64_t i = begin; i < end; i++)
        p->out[i] += (int32_t)(i * i % 1000);
}

static void par_for_visits_once(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 7, 64, 1000};
    for (int w = 1; w <= 3; w++) {
        oc_par_set_workers(w);
        for (int s = 0; s < OC_COUNT(sizes); s++) {
            int32_t out[1000] = {0};
            oc_par_for(sizes[s], 7, square, &(par_ctx){.out = out, .workers = w});
            for (int64_t i = 0; i < 1000; i++)
                assert_int_equal(out[i], i < sizes[s] ? i * i % 1000 : 0);
        }
    }
    oc_par_set_workers(0);
}

/* Rows of ten; each row is a loop of its own. */
static void square_rows(void *ctx, int64_t begin, int64_t end, int worker)
{
    const par_ctx *p = ctx;
    par_ctx row = {.workers = p->workers};
    assert_true(p->workers == 1 || oc_par_workers() == 1);
    (void)worker;
    for (int64_t r = begin; r < end; r++) {
        row.out = p->out + 10 * r;
        oc_par_for(10, 3, square, &row);
    }
}

static void *loops_of_another_thread(void *arg)
{
    par_ctx *p = arg;
    for (int i = 0; i < 2000; i++)
        oc_par_for(100, 7, square_rows, p);
    return NULL;
}

/* Loops inside pieces, two threads that both run loops, and workers asleep in between. */
static void par_for_nests_and_is_shared(void **state)
{
    (void)state;
    static int32_t mine[1000], theirs[1000];
    for (int w = 1; w <= 5; w += 2) {
        oc_par_set_workers(w);
        memset(mine, 0, sizeof mine);
        memset(theirs, 0, sizeof theirs);
        par_ctx other = {.out = theirs, .workers = w};
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, loops_of_another_thread, &other), 0);
        for (int i = 0; i < 2000; i++) {
            oc_par_for(100, 7, square_rows, &(par_ctx){.out = mine, .workers = w});
            if (i % 500 == 0)
                usleep(1000);
        }
        pthread_join(t, NULL);
        for (int64_t i = 0; i < 1000; i++) {
            assert_int_equal(mine[i], 2000 * (i % 10 * (i % 10)));
            assert_int_equal(theirs[i], mine[i]);
        }
    }
    oc_par_set_workers(0);
}

static void checksums_match_their_specs(void **state)
{
    (void)state;
    assert_int_equal(oc_crc32c(0, "123456789", 9), 0xe3069283); // RFC 3720 B.4
    unsigned char zeros[32] = {0};
    assert_int_equal(oc_crc32c(0, zeros, 32), 0x8a9136aa);
    assert_int_equal(oc_crc32c(oc_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
    char a[33], b[33];
    oc_hash *h = oc_hash_new();
    oc_hash_str(h, "ab");
    oc_hash_str(h, "c");
    oc_hash_take(h, a);
    h = oc_hash_new();
    oc_hash_str(h, "a");
    oc_hash_str(h, "bc");
    oc_hash_take(h, b);
    assert_int_equal(strlen(a), 32);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_first_failure_wins),
        cmocka_unit_test(err_note_keeps_the_cause),
        cmocka_unit_test(alloc_fails_on_demand),
        cmocka_unit_test(large_memory_is_zeroed),
        cmocka_unit_test(arena_plans_what_it_places),
        cmocka_unit_test(buf_grows_and_remembers_failure),
        cmocka_unit_test(numbers_parse_whole_or_not_at_all),
        cmocka_unit_test(doubles_are_written_shortest),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(lists_and_nearest_words),
        cmocka_unit_test(sizes_and_times_are_readable),
        cmocka_unit_test(rng_is_fixed_and_fair),
        cmocka_unit_test(par_for_visits_once),
        cmocka_unit_test(par_for_nests_and_is_shared),
        cmocka_unit_test(checksums_match_their_specs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
