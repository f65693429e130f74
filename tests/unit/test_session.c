/* Sessions on disk: names, lists, differences, exports, final tables. */
#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/json.h"
#include "sessions/final_table.h"
#include "tests/journal/recorded.h"

static char root[64];

static int setup(void **state)
{
    (void)state;
    rec_temp(root);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    rec_remove(root);
    return 0;
}

static void session_at(recording *r, const char *name)
{
    char dir[128];
    snprintf(dir, sizeof dir, "%s/%s", root, name);
    rec_write(r, dir);
    rec_free(r);
}

static oc_json *parse(oc_buf *b)
{
    oc_json *j;
    OK(oc_json_parse(b->data, b->len, "output", &j, err));
    return j;
}

/* --- names ------------------------------------------------------------------------------------- */

static void where_sessions_live(void **state)
{
    (void)state;
    char out[OC_PATH_MAX];
    OK(oc_sessions_root(out, err));
    assert_string_equal(out, root);
    unsetenv("OPTIMCLM_SESSIONS");
    setenv("XDG_STATE_HOME", "/x/state", 1);
    OK(oc_sessions_root(out, err));
    assert_string_equal(out, "/x/state/optimclm/sessions");
    setenv("XDG_STATE_HOME", "relative", 1); // to be ignored
    setenv("HOME", "/home/me", 1);
    OK(oc_sessions_root(out, err));
    assert_string_equal(out, "/home/me/.local/state/optimclm/sessions");
    unsetenv("XDG_STATE_HOME");
    setenv("OPTIMCLM_SESSIONS", root, 1);
}

static void paths_of_sessions(void **state)
{
    (void)state;
    char out[OC_PATH_MAX], want[OC_PATH_MAX];
    OK(oc_session_path("mine", false, out, err));
    snprintf(want, sizeof want, "%s/mine", root);
    assert_string_equal(out, want);
    OK(oc_session_path("/some/where/", false, out, err));
    assert_string_equal(out, "/some/where");
    OK(oc_session_path("./here", false, out, err));
    assert_string_equal(out, "./here");
    static const char *const bad[] = {"", ".", "..", "a\nb", "a\x01"};
    for (int i = 0; i < OC_COUNT(bad); i++)
        assert_int_equal(oc_session_path(bad[i], false, out, NULL), OC_USAGE);
    oc_err e = {0};
    assert_int_equal(oc_session_path("mine", true, out, &e), OC_IO);
    assert_string_equal(e.msg, "there is no session 'mine'; 'sessions' lists those there are");
    recording r = rec_whole("x");
    session_at(&r, "20250301-1230-mortality");
    e = (oc_err){0};
    assert_int_equal(oc_session_path("mortality", true, out, &e), OC_IO);
    assert_string_equal(e.msg,
                        "there is no session 'mortality'; did you mean '20250301-1230-mortality'?");
    e = (oc_err){0};
    assert_int_equal(oc_session_path("20250301-1230-mortalty", true, out, &e), OC_IO);
    assert_non_null(strstr(e.msg, "did you mean '20250301-1230-mortality'?"));
    e = (oc_err){0};
    assert_int_equal(oc_session_path(root, true, out, &e), OC_IO);
    assert_non_null(strstr(e.msg, "it has no events.jsonl"));
    OK(oc_session_path("20250301-1230-mortality", true, out, err));
}

static void fresh_names(void **state)
{
    (void)state;
    char a[128], b[128], dir[OC_PATH_MAX];
    OK(oc_session_fresh_name("demo run/x", a, err));
    assert_int_equal(strlen(a), strlen("20250301-1230-demo-run-x"));
    assert_string_equal(a + 13, "-demo-run-x");
    assert_int_equal(a[8], '-');
    // Taken: the next one is numbered (the minute may turn in between).
    OK(oc_session_path(a, false, dir, err));
    OK(oc_mkdirs(dir, err));
    OK(oc_session_fresh_name("demo run/x", b, err));
    assert_string_not_equal(a, b);
    if (!strncmp(a, b, 13))
        assert_string_equal(b + 13, "-demo-run-x-2");
}

/* --- loading and standing ---------------------------------------------------------------------- */

static void crashed_sessions(void **state)
{
    (void)state;
    recording r = rec_whole("gone");
    r.n -= 1; // without its exit
    session_at(&r, "gone");
    oc_state *s;
    OK(oc_session_load("gone", &s, err));
    assert_true(s->live);
    assert_true(oc_session_crashed(s));
    // Someone holds the lock: it runs.
    char path[256];
    snprintf(path, sizeof path, "%s/gone/events.jsonl", root);
    oc_journal *j;
    OK(oc_journal_open(path, &j, err));
    assert_false(oc_session_crashed(s));
    assert_true(oc_session_running("gone"));
    oc_journal_close(j);
    assert_true(oc_session_crashed(s));
    assert_false(oc_session_running("gone"));
    assert_false(oc_session_running("no such session"));
    // Without its folder only the process number is left to go by.
    s->dir[0] = 0;
    assert_true(oc_session_crashed(s));
    s->session.pid = getpid();
    assert_false(oc_session_crashed(s));
    oc_state_free(s);
    r = rec_whole("left");
    session_at(&r, "left");
    OK(oc_session_load("left", &s, err));
    assert_false(oc_session_crashed(s));
    oc_state_free(s);
}

static void expect_standing(recording *r, const char *name, const char *want)
{
    char got[96];
    oc_state *s;
    session_at(r, name);
    OK(oc_session_load(name, &s, err));
    oc_session_standing(s, got);
    assert_string_equal(got, want);
    oc_state_free(s);
}

static void where_a_session_stands(void **state)
{
    (void)state;
    recording r = {0};
    rec_session(&r, "a", false);
    rec_run(&r, "x", "distill", false);
    rec_stage(&r, 0, "distill", "student", 100, 0);
    rec_step(&r, "student", 120, 1);
    expect_standing(&r, "a", "CRASHED at step 120");

    rec_session(&r, "b", false);
    rec_run(&r, "x", "distill", false);
    rec_stage(&r, 0, "distill", "student", 100, 0);
    rec_stage_end(&r, 0, "distill", "student", "done");
    rec_add(&r, OC_EV_exit_T);
    expect_standing(&r, "b", "done");

    rec_session(&r, "c", false);
    rec_run(&r, "x", "distill,bench", false);
    rec_stage(&r, 0, "distill", "student", 100, 0);
    rec_stage_end(&r, 0, "distill", "student", "failed");
    rec_add(&r, OC_EV_exit_T);
    expect_standing(&r, "c", "failed in distill");

    rec_session(&r, "d", false);
    rec_add(&r, OC_EV_exit_T);
    expect_standing(&r, "d", "empty");

    rec_session(&r, "e", false);
    rec_run(&r, "x", "distill", false);
    rec_stage(&r, 0, "distill", "student", 100, 0);
    rec_step(&r, "student", 7, 1);
    rec_add(&r, OC_EV_exit_T);
    expect_standing(&r, "e", "stopped at step 7");
}

static void lists(void **state)
{
    (void)state;
    oc_buf out = {0};
    OK(oc_sessions_list(false, &out, err));
    assert_string_equal(out.data, "no sessions yet; 'optimclm demo' makes one\n");
    oc_buf_clear(&out);
    OK(oc_sessions_list(true, &out, err));
    assert_string_equal(out.data, "[]\n");
    recording r = rec_whole("one");
    session_at(&r, "one");
    r = rec_whole("two");
    r.n = 4;
    session_at(&r, "two");
    char broken[128];
    snprintf(broken, sizeof broken, "%s/zzz/events.jsonl", root);
    OK(oc_mkdirs(broken, err)); // a folder where the journal should be
    oc_buf_clear(&out);
    OK(oc_sessions_list(false, &out, err));
    assert_non_null(strstr(out.data, "one"));
    assert_non_null(strstr(out.data, "0.7200"));
    assert_non_null(strstr(out.data, "500.0 kB"));
    assert_non_null(strstr(out.data, "CRASHED"));
    assert_non_null(strstr(out.data, "unreadable"));
    oc_buf_clear(&out);
    OK(oc_sessions_list(true, &out, err));
    oc_json *j = parse(&out);
    assert_int_equal(oc_json_count(j), 3);
    const oc_json *one = oc_json_first(j);
    assert_string_equal(oc_json_str(oc_json_get(one, "name"), ""), "one");
    assert_string_equal(oc_json_str(oc_json_get(one, "recipe"), ""), "demo");
    assert_true(oc_json_num(oc_json_get(one, "best_auroc"), 0) == 0.72);
    assert_int_equal((int)oc_json_num(oc_json_get(one, "bytes"), 0), 500000);
    const oc_json *two = oc_json_next(one);
    assert_true(oc_json_bool(oc_json_get(two, "crashed"), false));
    assert_true(oc_json_is_null(oc_json_get(two, "best_auroc")));
    oc_json_free(j);
    oc_buf_release(&out);
}

/* --- final table ------------------------------------------------------------------------------- */

static oc_state *measured(void)
{
    recording r = {0};
    rec_session(&r, "mine", false);
    rec_data(&r, "train", 1600);
    rec_data(&r, "valid", 300);
    rec_data(&r, "test", 1000);
    rec_candidate(&r, "teacher-1", "finetune", "fp32", 8000000, 0.85, 18);
    rec_candidate(&r, "teacher-2", "finetune", "fp32", 4000000, 0.83, 9);
    rec_candidate(&r, "ensemble", "ensemble", "fp32", 0, 0.87, 26);
    rec_candidate(&r, "student", "distill", "fp32", 3000000, 0.86, (double)NAN);
    rec_candidate(&r, "quantized", "quantize", "int8", 100000, 0.855, 0.5);
    rec_latency(&r, "ensemble", 1, 27);
    rec_latency(&r, "ensemble", 2, 14);
    rec_latency(&r, "quantized", 2, 0.2);
    rec_latency(&r, "quantized", 1, 0.27);
    oc_ev_baseline *b = &rec_add(&r, OC_EV_baseline_T)->u.baseline;
    OC_EV_SET(b->name, "naive Bayes");
    b->accuracy = 0.78;
    b->auroc = 0.7;
    b->f1 = 0.4;
    oc_state *s = rec_fold(&r, r.n);
    rec_free(&r);
    return s;
}

static void footprints(void **state)
{
    (void)state;
    oc_state *s = measured();
    oc_footprint e = oc_footprint_of(s, "ensemble"), q = oc_footprint_of(s, "quantized"),
                 t = oc_footprint_of(s, "student");
    assert_int_equal(e.bytes, 12000000); // its teachers together
    assert_true(e.median_ms == 27);      // measured as one, at the first setting
    assert_true(q.median_ms == 0.27);
    assert_true(fabs(oc_times_smaller(e, q) - 120) < 1e-9);
    assert_true(fabs(oc_times_faster(e, q) - 100) < 1e-9);
    assert_true(isnan(oc_times_faster(e, t)));
    OK(oc_settings_set(&s->set, "bench.length", "512", err)); // not what was timed
    assert_true(oc_footprint_of(s, "quantized").median_ms == 0.27);
    assert_true(isnan(oc_times_smaller(e, oc_footprint_of(s, "nobody"))));
    oc_state_free(s);
}

static void final_table_text(void **state)
{
    (void)state;
    oc_state *s = measured();
    oc_buf out = {0};
    OK(oc_final_table(s, false, &out, err));
    int lines = 0, first_col = -1;
    for (const char *p = out.data; *p; lines++) {
        size_t n = strcspn(p, "\n");
        if (n > 110)
            fail_msg("a line is %zu wide: %.*s", n, (int)n, p);
        if (lines == 0)
            first_col = (int)(strstr(p, "faster") - p) + 6;
        p += n + (p[n] == '\n');
    }
    assert_true(lines >= 10);
    assert_true(first_col > 60);
    assert_non_null(strstr(out.data, "0.8550 [0.835-0.875]"));
    assert_non_null(strstr(out.data, "120.0x"));
    assert_non_null(strstr(out.data, "100.0x"));
    assert_non_null(strstr(out.data, "naive Bayes"));
    assert_non_null(strstr(out.data, "ratios: ensemble (12.0 MB, 27.000 ms) divided by the model"));
    assert_non_null(strstr(out.data, "latency: median at 1 thread, batch 1, 128 tokens"));
    assert_non_null(
        strstr(out.data,
               "data: 1600 train, 300 valid, 1000 test notes, task mortality (single), 2 labels"));
    const char *row = strstr(out.data, "student");
    assert_non_null(strstr(row, " -"));
    oc_buf_release(&out);
    oc_state_free(s);
    OK(oc_state_new(&s, err));
    OK(oc_final_table(s, false, &out, err));
    assert_string_equal(out.data, "no candidates yet; 'run' makes them\n");
    oc_buf_release(&out);
    oc_state_free(s);
}

static void a_wide_table_is_cut(void **state)
{
    (void)state;
    recording r = {0};
    for (int i = 0; i < 3; i++)
        rec_candidate(&r, "a-very-long-model-name-of-31-ch", "quantize-stage1", "int8-mixed-with",
                      999999999999, 0.9, 123456.789);
    oc_state *s = rec_fold(&r, r.n);
    oc_buf out = {0};
    OK(oc_final_table(s, false, &out, err));
    for (const char *p = out.data; *p;) {
        size_t n = strcspn(p, "\n");
        assert_true(n <= 110);
        p += n + (p[n] == '\n');
    }
    oc_buf_release(&out);
    oc_state_free(s);
    rec_free(&r);
}

static void final_table_json(void **state)
{
    (void)state;
    oc_state *s = measured();
    oc_buf out = {0};
    OK(oc_final_table(s, true, &out, err));
    oc_json *j = parse(&out);
    assert_string_equal(oc_json_str(oc_json_get(j, "session"), ""), "mine");
    assert_string_equal(oc_json_str(oc_json_get(j, "task"), ""), "mortality");
    const oc_json *c = oc_json_get(j, "candidates");
    assert_int_equal(oc_json_count(c), 5);
    const oc_json *q = oc_json_first(c);
    while (strcmp(oc_json_str(oc_json_get(q, "model"), ""), "quantized") != 0)
        q = oc_json_next(q);
    static const char *const keys[] = {"stage",       "model",          "precision", "accuracy",
                                       "auroc_macro", "auroc_macro_ci", "params",    "auprc_macro",
                                       "f1_macro",    "bytes",          "median_ms", "p95_ms",
                                       "path",        "smaller",        "faster"};
    assert_int_equal(oc_json_count(q), OC_COUNT(keys));
    for (int i = 0; i < OC_COUNT(keys); i++)
        assert_non_null(oc_json_get(q, keys[i]));
    assert_true(oc_json_num(oc_json_get(q, "auroc_macro"), 0) == 0.855);
    assert_int_equal(oc_json_count(oc_json_get(q, "auroc_macro_ci")), 2);
    assert_true(oc_json_num(oc_json_get(q, "smaller"), 0) == 120);
    assert_int_equal((int)oc_json_num(oc_json_get(q, "bytes"), 0), 100000);
    assert_string_equal(oc_json_str(oc_json_get(q, "path"), ""), "models/quantized");
    const oc_json *student = oc_json_next(oc_json_next(oc_json_next(oc_json_first(c))));
    assert_true(oc_json_is_null(oc_json_get(student, "median_ms")));
    assert_true(oc_json_is_null(oc_json_get(student, "faster")));
    const oc_json *b = oc_json_first(oc_json_get(j, "baselines"));
    assert_string_equal(oc_json_str(oc_json_get(b, "name"), ""), "naive Bayes");
    assert_true(oc_json_num(oc_json_get(b, "f1_macro"), 0) == 0.4);
    oc_json_free(j);
    oc_buf_release(&out);
    oc_state_free(s);
}

/* --- differences and exports ------------------------------------------------------------------- */

static void differences(void **state)
{
    (void)state;
    recording r = rec_whole("a");
    session_at(&r, "a");
    r = rec_whole("b");
    rec_setting(&r, "run.seed", "5", "9", "set", "", -1);
    rec_candidate(&r, "quantized", "quantize", "int8", 250000, 0.74, 0.25);
    rec_candidate(&r, "pruned", "prune", "fp32", 900000, 0.73, 2);
    session_at(&r, "b");
    oc_buf out = {0};
    OK(oc_sessions_diff("a", "b", false, &out, err));
    assert_non_null(strstr(out.data, "run.seed"));
    assert_null(strstr(out.data, "prune.sparsity ")); // the same in both
    assert_non_null(strstr(out.data, "+0.0400"));
    assert_non_null(strstr(out.data, "250.0 kB"));
    oc_buf_clear(&out);
    OK(oc_sessions_diff("a", "b", true, &out, err));
    oc_json *j = parse(&out);
    const oc_json *set = oc_json_get(j, "settings");
    assert_int_equal(oc_json_count(set), 1);
    assert_string_equal(oc_json_str(oc_json_get(oc_json_first(set), "key"), ""), "run.seed");
    assert_string_equal(oc_json_str(oc_json_get(oc_json_first(set), "b"), ""), "9");
    assert_int_equal(oc_json_count(oc_json_get(j, "stages")), 6);
    assert_int_equal(oc_json_count(oc_json_get(j, "candidates")), 3);
    oc_json_free(j);
    oc_buf_clear(&out);
    OK(oc_sessions_diff("a", "a", false, &out, err));
    assert_non_null(strstr(out.data, "settings: the same"));
    oc_err e = {0};
    assert_int_equal(oc_sessions_diff("a", "c", false, &out, &e), OC_IO);
    oc_buf_release(&out);
}

static char *exported(const char *format)
{
    char to[128], *text;
    size_t n;
    snprintf(to, sizeof to, "%s/out.%s", root, format);
    OK(oc_session_export("a", format, to, err));
    OK(oc_file_read(to, 1 << 24, &text, &n, err));
    struct stat st;
    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    return text;
}

static void exports(void **state)
{
    (void)state;
    recording r = rec_whole("a");
    int n_events = r.n;
    session_at(&r, "a");
    char *t = exported("csv");
    int lines = 0;
    for (const char *p = t; *p; lines++) {
        size_t n = strcspn(p, "\n");
        int commas = 0;
        for (size_t i = 0; i < n; i++)
            commas += p[i] == ',';
        assert_int_equal(commas, 18);
        p += n + 1;
    }
    assert_int_equal(lines, 1 + 6 + 1); // head, steps, evaluation
    assert_non_null(strstr(t, ",step,teacher-1,1,train,0.02,5e-05,0.6"));
    assert_non_null(strstr(t, ",eval,teacher-1,4,valid,,,0.5,,,,,,,,0.71,0.75,,"));
    oc_free(t);

    t = exported("jsonl");
    lines = 0;
    for (char *p = t; *p; lines++) {
        size_t n = strcspn(p, "\n");
        oc_json *j;
        OK(oc_json_parse(p, n, "line", &j, err));
        assert_int_equal((int)oc_json_num(oc_json_get(j, "seq"), 0), lines + 1);
        assert_true(oc_json_is_object(oc_json_get(j, "data")));
        assert_non_null(oc_json_str(oc_json_get(j, "event"), NULL));
        oc_json_free(j);
        p += n + 1;
    }
    assert_int_equal(lines, n_events);
    oc_free(t);

    t = exported("json");
    assert_non_null(strstr(t, "\"auroc_macro\": 0.7"));
    oc_free(t);

    t = exported("recipe");
    oc_settings s;
    oc_settings_init(&s);
    OK(oc_recipe_parse(t, strlen(t), "recipe", &s, err));
    assert_int_equal(s.run_seed, 5);
    oc_free(t);

    oc_err e = {0};
    assert_int_equal(oc_session_export("a", "xml", "/tmp/x", &e), OC_USAGE);
    assert_string_equal(e.msg,
                        "unknown export format 'xml'; it must be csv, jsonl, json or recipe");
    e = (oc_err){0};
    assert_int_equal(oc_session_export("a", "csv", root, &e), OC_IO);
    assert_non_null(strstr(e.msg, "is a folder"));
    e = (oc_err){0};
    assert_int_equal(oc_session_export("a", "csv", "/no/such/folder/x.csv", &e), OC_IO);
    assert_non_null(strstr(e.msg, "/no/such/folder/x.csv"));
    assert_int_equal(oc_session_export("nobody", "csv", "/tmp/x", NULL), OC_IO);
}

static oc_status list_text(oc_buf *b)
{
    return oc_sessions_list(false, b, NULL);
}
static oc_status list_json(oc_buf *b)
{
    return oc_sessions_list(true, b, NULL);
}
static oc_status diff_text(oc_buf *b)
{
    return oc_sessions_diff("a", "b", false, b, NULL);
}
static oc_status diff_json(oc_buf *b)
{
    return oc_sessions_diff("a", "b", true, b, NULL);
}
static oc_status export_jsonl(oc_buf *b)
{
    (void)b;
    char to[128];
    snprintf(to, sizeof to, "%s/o", root);
    return oc_session_export("a", "jsonl", to, NULL);
}
static oc_status export_json(oc_buf *b)
{
    (void)b;
    char to[128];
    snprintf(to, sizeof to, "%s/o", root);
    return oc_session_export("a", "json", to, NULL);
}

static void out_of_memory(void **state)
{
    (void)state;
    recording r = rec_whole("a");
    session_at(&r, "a");
    r = rec_whole("b");
    session_at(&r, "b");
    oc_status (*const fn[])(oc_buf *) = {list_text, list_json,    diff_text,
                                         diff_json, export_jsonl, export_json};
    for (int f = 0; f < OC_COUNT(fn); f++) {
        int64_t k = 1;
        for (;; k += 1 + k / 50) {
            oc_buf out = {0};
            oc_alloc_fail_at(k);
            oc_status rc = fn[f](&out);
            bool reached = oc_alloc_count() >= k;
            oc_alloc_fail_at(0);
            oc_buf_release(&out);
            if (rc == OC_OK && !reached)
                break;
            // Some failures only make a guess poorer; none may look like another error.
            assert_true(rc == OC_NOMEM || rc == OC_OK);
        }
        assert_true(k > 5);
    }
    char path[128];
    snprintf(path, sizeof path, "%s/o", root);
    OK(oc_session_export("a", "json", path, err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(where_sessions_live, setup, teardown),
        cmocka_unit_test_setup_teardown(paths_of_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(fresh_names, setup, teardown),
        cmocka_unit_test_setup_teardown(crashed_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(where_a_session_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(lists, setup, teardown),
        cmocka_unit_test_setup_teardown(footprints, setup, teardown),
        cmocka_unit_test_setup_teardown(final_table_text, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wide_table_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(final_table_json, setup, teardown),
        cmocka_unit_test_setup_teardown(differences, setup, teardown),
        cmocka_unit_test_setup_teardown(exports, setup, teardown),
        cmocka_unit_test_setup_teardown(out_of_memory, setup, teardown),
    };
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
