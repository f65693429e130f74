/*
 * tests/unit/test_predict_ids.c - ready-made token ids, and what is wrong with them by line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/alloc.h"
#include "core/io/predict_ids.h"

static oc_err err;
static const oc_dims dims = {.V = 100, .P = 6, .S = 2};

static oc_id_notes parse(const char *text)
{
    oc_id_notes t;
    err = (oc_err){0};
    if (oc_id_notes_parse(text, strlen(text), "x.jsonl", &dims, &t, &err) != OC_OK)
        fail_msg("%s", err.msg);
    return t;
}

static void assert_refused(const char *text, const char *part)
{
    oc_id_notes t = {.n = 77};
    err = (oc_err){0};
    oc_status rc = oc_id_notes_parse(text, strlen(text), "x.jsonl", &dims, &t, &err);
    if (rc != OC_FORMAT || !strstr(err.msg, part))
        fail_msg("expected \"%s\", got %d \"%s\"", part, rc, err.msg);
    assert_int_equal(t.n, 77);
}

static void packed(void **state)
{
    (void)state;
    oc_id_notes t = parse(
        "{\"id\": \"n1\", \"input_ids\": [5, 99, 0]}\r\n"
        "\n"
        "{\"id\": -7, \"input_ids\": [1, 2], \"attention_mask\": [1, 0], \"token_type_ids\": [0, 1]}\n"
        " \t\n"
        "{\"input_ids\": [3, 3, 3, 3, 3, 3], \"attention_mask\": null, \"extra\": {}}");
    assert_int_equal(t.n, 3);
    assert_int_equal(t.N, 11);
    assert_int_equal(t.max_T, 6);
    static const int64_t start[] = {0, 3, 5, 11};
    static const int32_t ids[] = {5, 99, 0, 1, 2, 3, 3, 3, 3, 3, 3};
    static const int32_t types[] = {0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    static const uint8_t mask[] = {1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1};
    assert_memory_equal(t.start, start, sizeof start);
    assert_memory_equal(t.ids, ids, sizeof ids);
    assert_memory_equal(t.types, types, sizeof types);
    assert_memory_equal(t.mask, mask, sizeof mask);
    assert_true(t.any_type && t.any_masked);
    assert_string_equal(t.id.item[0], "n1");
    assert_string_equal(t.id.item[1], "-7");
    assert_string_equal(t.id.item[2], "5"); // its line
    oc_id_notes_release(&t);
    assert_null(t.ids);
    t = parse("{\"input_ids\": [1], \"attention_mask\": [1], \"token_type_ids\": [0]}\n");
    assert_false(t.any_type || t.any_masked);
    oc_id_notes_release(&t);
}

static void refusals(void **state)
{
    (void)state;
    assert_refused("", "x.jsonl holds no notes");
    assert_refused("\n \n", "x.jsonl holds no notes");
    assert_refused("{\"input_ids\": [1]}\n{", "x.jsonl:2");
    assert_refused("[1]", "x.jsonl:1: a JSON object was expected");
    assert_refused("\n{}", "x.jsonl:2: there is no \"input_ids\"");
    assert_refused("{\"input_ids\": null}", "x.jsonl:1: there is no \"input_ids\"");
    assert_refused("{\"input_ids\": \"1 2\"}", "x.jsonl:1: \"input_ids\" is no array");
    assert_refused("{\"input_ids\": []}", "x.jsonl:1: \"input_ids\" is empty");
    assert_refused("{\"input_ids\": [1,1,1,1,1,1,1]}",
                   "x.jsonl:1: \"input_ids\" has 7 entries; the model has 6");
    assert_refused("{\"input_ids\": [1, 100]}",
                   "x.jsonl:1: \"input_ids\" entry 2 is 100, expected a whole number from 0 to 99");
    assert_refused("{\"input_ids\": [-1]}", "entry 1 is -1");
    assert_refused("{\"input_ids\": [1.5]}", "entry 1 is 1.5");
    assert_refused("{\"input_ids\": [1e300]}", "entry 1 is 1");
    assert_refused("{\"input_ids\": [1, \"2\"]}", "entry 2 is no number");
    assert_refused("{\"input_ids\": [1, 2], \"attention_mask\": [1]}",
                   "x.jsonl:1: \"attention_mask\" has 1 entries, but \"input_ids\" has 2");
    assert_refused("{\"input_ids\": [1], \"token_type_ids\": [0, 0]}",
                   "\"token_type_ids\" has 2 entries");
    assert_refused("{\"input_ids\": [1], \"attention_mask\": [2]}",
                   "\"attention_mask\" entry 1 is 2");
    assert_refused("{\"input_ids\": [1], \"token_type_ids\": [2]}",
                   "\"token_type_ids\" entry 1 is 2");
    assert_refused("{\"input_ids\": [1, 2], \"attention_mask\": [0, 0]}",
                   "x.jsonl:1: \"attention_mask\" is all 0");
    assert_refused("{\"input_ids\": [1], \"attention_mask\": true}",
                   "\"attention_mask\" is no array");
    assert_refused("{\"id\": [1], \"input_ids\": [1]}", "x.jsonl:1: \"id\" is neither");
    assert_refused("{\"id\": 1.5, \"input_ids\": [1]}", "\"id\" is neither");
    oc_id_notes t;
    err = (oc_err){0};
    assert_int_equal(oc_id_notes_read("/nowhere/x.jsonl", &dims, &t, &err), OC_IO);
}

static void out_of_memory(void **state)
{
    (void)state;
    static const char text[] = "{\"id\": \"a\", \"input_ids\": [1, 2, 3]}\n{\"input_ids\": [4]}\n";
    int64_t k = 1;
    for (;; k++) {
        oc_id_notes t;
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_id_notes_parse(text, strlen(text), "x.jsonl", &dims, &t, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            oc_id_notes_release(&t);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(e.status, OC_NOMEM);
    }
    assert_true(k > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed),
        cmocka_unit_test(refusals),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("predict_ids", tests, NULL, NULL);
}
