/* core/engine/settings and event: the tables, recipes, and the journal's form of an event. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/base/str.h"
#include "core/engine/event.h"
#include "core/engine/settings.h"

static void every_setting_round_trips(void **state)
{
    (void)state;
    oc_settings a, b;
    oc_settings_init(&a);
    oc_settings_init(&b);
    for (int i = 0; i < oc_setting_count(); i++) {
        const oc_setting *d = oc_setting_at(i);
        char text[OC_TEXT_MAX], again[OC_TEXT_MAX];
        oc_settings_get(&a, d, text);
        assert_int_equal(oc_settings_set(&b, d->key, text, NULL), OC_OK);
        oc_settings_get(&b, d, again);
        assert_string_equal(text, again);
        assert_ptr_equal(oc_setting_find(d->key), d);
        assert_true(strlen(d->help) > 5 && strlen(d->stage) > 2);
    }
    assert_int_equal(oc_settings_check(&a, NULL), OC_OK);
}

static void bad_values_say_what_is_taken(void **state)
{
    (void)state;
    static const char *const bad[][3] = {
        {"prune.sparsity", "1.5", "from 0 to 0.99"},
        {"train.batch", "2.5", "whole number"},
        {"train.batch", "", "whole number"},
        {"quant.clip", "median", "max|percentile|mse"},
        {"teacher.finetune", "perhaps", "true or false"},
        {"prune.sparsty", "1", "did you mean 'prune.sparsity'"},
        {"zzz", "1", "unknown setting"},
        {"prune.sparsity", "NaN", "from 0"},
    };
    oc_settings s, before;
    oc_settings_init(&s);
    before = s;
    for (int i = 0; i < OC_COUNT(bad); i++) {
        oc_err e = {0};
        assert_int_equal(oc_settings_set(&s, bad[i][0], bad[i][1], &e), OC_USAGE);
        assert_non_null(strstr(e.msg, bad[i][2]));
        assert_memory_equal(&s, &before, sizeof s);
    }
}

static void rules_between_settings(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"run.stages", "distill,finetune"},
        {"run.stages", "sleep"},
        {"run.stages", ""},
        {"bench.threads", "0"},
        {"bench.length", "x"},
        {"data.delimiter", ""},
        {"ensemble.rule", "weights"},
    };
    for (int i = 0; i < OC_COUNT(bad); i++) {
        oc_settings s;
        oc_settings_init(&s);
        assert_int_equal(oc_settings_set(&s, bad[i][0], bad[i][1], NULL), OC_OK);
        oc_err e = {0};
        assert_int_equal(oc_settings_check(&s, &e), OC_USAGE);
        assert_non_null(strstr(e.msg, bad[i][0]));
    }
}

static void recipes(void **state)
{
    (void)state;
    oc_settings s, back;
    oc_settings_init(&s);
    const char *r =
        "{\"name\": \"x\", \"prune.sparsity\": 0.5, \"run.stages\": [\"prune\", \"bench\"], \"quant.head\": false, \"task\": \"los\"}";
    assert_int_equal(oc_recipe_parse(r, strlen(r), "r.json", &s, NULL), OC_OK);
    assert_true(s.prune_sparsity == 0.5);
    assert_string_equal(s.run_stages, "prune,bench");
    assert_false(s.quant_head);
    oc_buf b = {0};
    oc_recipe_write(&s, false, &b);
    assert_null(strstr(b.data, "distill.lr"));
    oc_settings_init(&back);
    assert_int_equal(oc_recipe_parse(b.data, b.len, "b.json", &back, NULL), OC_OK);
    assert_memory_equal(&s, &back, sizeof s);
    oc_buf_clear(&b);
    oc_recipe_write(&s, true, &b);
    assert_int_equal(oc_recipe_parse(b.data, b.len, "all.json", &back, NULL), OC_OK);
    oc_buf_release(&b);

    oc_settings before = s;
    static const char *const bad[][2] = {{"{\"prune.sparsity\": 2}", "prune.sparsity"},
                                         {"{\"x\": 1}", "unknown setting"},
                                         {"[]", "object"},
                                         {"{\"task\": {}}", "task"},
                                         {"{\"run.stages\": \"x\"}", "run.stages"}};
    for (int i = 0; i < OC_COUNT(bad); i++) {
        oc_err e = {0};
        assert_int_not_equal(oc_recipe_parse(bad[i][0], strlen(bad[i][0]), "bad.json", &s, &e),
                             OC_OK);
        assert_non_null(strstr(e.msg, "bad.json"));
        assert_non_null(strstr(e.msg, bad[i][1]));
        assert_memory_equal(&s, &before, sizeof s);
    }
}

/* Fill every field with something telling. */
static void fill(oc_event *e, oc_rng *r)
{
    int n;
    const oc_event_field *f = oc_event_fields(e->type, &n);
    for (int i = 0; i < n; i++) {
        char *at = (char *)e + f[i].offset;
        double d = (double)oc_rng_below(r, 4) == 0 ? (double)NAN : (oc_rng_f64(r) - 0.5) * 1e6;
        int64_t whole = (int64_t)oc_rng_below(r, 1u << 30) - 5;
        bool flag = oc_rng_below(r, 2) == 1;
        switch (f[i].kind) {
        case OC_FIELD_S:
            oc_strlcpy(at, "a \"b\" \xc3\xa9 \\ \n and more text", (size_t)f[i].capacity);
            break;
        case OC_FIELD_I: memcpy(at, &whole, sizeof whole); break;
        case OC_FIELD_D: memcpy(at, &d, sizeof d); break;
        case OC_FIELD_B: memcpy(at, &flag, sizeof flag); break;
        case OC_FIELD_V: {
            int64_t k = (int64_t)oc_rng_below(r, (uint64_t)f[i].capacity + 1);
            for (int64_t j = 0; j < k; j++)
                ((double *)(void *)at)[j] = j == 2 ? (double)INFINITY : oc_rng_f64(r);
            memcpy((char *)e + f[i].n_offset, &k, sizeof k);
            break;
        }
        }
    }
}

static void every_event_round_trips(void **state)
{
    (void)state;
    oc_rng r;
    oc_rng_init(&r, 3, 3);
    oc_buf a = {0}, b = {0};
    for (int t = 0; t < OC_N_EVENTS; t++) {
        for (int k = 0; k < 20; k++) {
            oc_event e, back;
            oc_event_init(&e, (oc_event_type)t);
            fill(&e, &r);
            e.seq = k + 1;
            oc_buf_clear(&a);
            oc_buf_clear(&b);
            oc_event_encode(&e, &a);
            assert_null(strchr(a.data, '\n'));
            assert_int_equal(oc_event_decode(a.data, a.len, &back, NULL), OC_OK);
            oc_event_encode(&back, &b);
            assert_string_equal(a.data, b.data);
            assert_int_equal(back.type, t);
            assert_int_equal(back.seq, e.seq);
        }
    }
    oc_buf_release(&a);
    oc_buf_release(&b);
}

static void decoding_is_strict_but_forgives_absence(void **state)
{
    (void)state;
    oc_event e;
    const char *ok = "[4, 1000, \"step\", {\"run\": \"student\", \"loss\": 0.5}]";
    assert_int_equal(oc_event_decode(ok, strlen(ok), &e, NULL), OC_OK);
    assert_true(e.u.step.loss == 0.5 && isnan(e.u.step.lr) && e.u.step.step == 0);
    static const char *const bad[] = {"[4, 1000, \"nothing\", {}]",
                                      "[4, 1000, \"step\", {\"loss\": \"x\"}]",
                                      "[4, 1000, \"step\"]",
                                      "{}",
                                      "[4, 1000, \"step\", {\"run\": 3}]",
                                      "[-1, 0, \"step\", {}]"};
    for (int i = 0; i < OC_COUNT(bad); i++)
        assert_int_equal(oc_event_decode(bad[i], strlen(bad[i]), &e, NULL), OC_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_round_trips),
        cmocka_unit_test(bad_values_say_what_is_taken),
        cmocka_unit_test(rules_between_settings),
        cmocka_unit_test(recipes),
        cmocka_unit_test(every_event_round_trips),
        cmocka_unit_test(decoding_is_strict_but_forgives_absence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
