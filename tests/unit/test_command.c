/* The command table, splitting and completion: what needs no session. */
#include <fcntl.h>
#include <sys/stat.h>

#include "sessions/workbench.h"
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

/* --- splitting --------------------------------------------------------------------------------- */

static void expect_split(const char *line, const char *joined, const char *rest)
{
    oc_strlist words = {0};
    const char *left;
    OK(oc_command_split(line, &words, &left, err));
    oc_buf b = {0};
    for (int64_t i = 0; i < words.n; i++)
        oc_buf_fmt(&b, "<%s>", words.item[i]);
    assert_string_equal(oc_buf_cstr(&b), joined);
    assert_string_equal(left, rest);
    oc_buf_release(&b);
    oc_strlist_release(&words);
}

static void splitting(void **state)
{
    (void)state;
    expect_split("", "", "");
    expect_split("   ", "", "");
    expect_split("set a b", "<set><a><b>", "");
    expect_split("  set\ta   b  ", "<set><a><b>", "");
    expect_split("set a b; run", "<set><a><b>", " run");
    expect_split("set a b\nrun", "<set><a><b>", "run");
    expect_split(";;x", "", ";x");
    expect_split("note 'it''s; \"here\"' b", "<note><its; \"here\"><b>", "");
    expect_split("note \"a 'b' \\\" c\"", "<note><a 'b' \" c>", "");
    expect_split("open my\\ name\\;x", "<open><my name;x>", "");
    expect_split("note 'back\\slash'", "<note><back\\slash>", "");
    expect_split("set data.delimiter ''", "<set><data.delimiter><>", "");
    expect_split("note caf\xc3\xa9", "<note><caf\xc3\xa9>", "");
    static const struct {
        const char *line, *msg;
    } bad[] = {{"note \"open", "a double quote is not closed"},
               {"note 'open; run", "a single quote is not closed"},
               {"note x\\", "nothing follows the backslash at the end"}};
    for (int i = 0; i < OC_COUNT(bad); i++) {
        oc_strlist words = {0};
        oc_err e = {0};
        assert_int_equal(oc_command_split(bad[i].line, &words, NULL, &e), OC_USAGE);
        assert_string_equal(e.msg, bad[i].msg);
        assert_int_equal(words.n, 0);
    }
}

static void splitting_without_memory(void **state)
{
    (void)state;
    for (int64_t k = 1;; k++) {
        oc_strlist words = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_command_split("set 'a b' \"c d e f\" g h i", &words, NULL, NULL);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            assert_int_equal(words.n, 6);
            oc_strlist_release(&words);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
    }
}

/* --- the table --------------------------------------------------------------------------------- */

static void every_command_is_described(void **state)
{
    (void)state;
    static const char *const asked[] = {
        "set",  "show",  "run",     "continue", "pause", "resume",   "cancel", "undo",
        "save", "open",  "compare", "export",   "note",  "sessions", "diff",   "candidates",
        "view", "theme", "glyphs",  "alert",    "help",  "quit"};
    for (int i = 0; i < OC_COUNT(asked); i++)
        if (!oc_command_find(asked[i]))
            fail_msg("no command %s", asked[i]);
    assert_null(oc_command_find("format-disk"));
    for (int i = 0; i < oc_command_count(); i++) {
        const oc_command *c = oc_command_at(i);
        assert_true(strlen(c->help) > 5 && strlen(c->help) < 100);
        assert_non_null(c->run);
        assert_ptr_equal(oc_command_find(c->name), c);
        // One completion word for each argument.
        int args = 0, kinds = 0;
        for (const char *p = c->args; *p; args++) {
            p += strcspn(p, " ");
            p += strspn(p, " ");
        }
        for (const char *p = c->complete; *p; kinds++) {
            p += strcspn(p, " ");
            p += strspn(p, " ");
        }
        assert_int_equal(kinds, args ? args : 1);
    }
}

/* --- completion -------------------------------------------------------------------------------- */

static char *completed(const char *line, int64_t cursor, int64_t *from)
{
    oc_strlist l = {0};
    OK(oc_command_complete(NULL, line, cursor, &l, from, err));
    oc_buf b = {0};
    oc_buf_str(&b, "");
    for (int64_t i = 0; i < l.n; i++)
        oc_buf_fmt(&b, "%s%s", i ? "|" : "", l.item[i]);
    oc_strlist_release(&l);
    return oc_buf_take(&b);
}

static void expect_completion(const char *line, const char *want, int64_t from)
{
    int64_t at = -1;
    char *got = completed(line, (int64_t)strlen(line), &at);
    if (strcmp(got, want) != 0 || at != from)
        fail_msg("'%s' completes to '%s' from %lld, not '%s' from %lld", line, got, (long long)at,
                 want, (long long)from);
    oc_free(got);
}

static void completion_of_words(void **state)
{
    (void)state;
    expect_completion("ca", "cancel|candidates", 0);
    expect_completion("set a b; can", "cancel|candidates", 9);
    expect_completion("set prune.s", "prune.scope|prune.sparsity", 4);
    expect_completion("set prune.method ", "both|magnitude|structured", 17);
    expect_completion("set prune.method st", "structured", 17);
    expect_completion("set quant.head ", "false|true", 15);
    expect_completion("set prune.sparsity ", "0.3", 19);
    expect_completion("set nothing.such ", "", 17);
    expect_completion("help quant.p", "quant.percentile", 5);
    expect_completion("help unt", "", 5);
    expect_completion("help un", "undo", 5);
    expect_completion("glyphs ", "ascii|auto|block|braille", 7);
    expect_completion("export j", "json|jsonl", 7);
    expect_completion("frobnicate x", "", 11);
    expect_completion("note any", "", 5);
    expect_completion("set \"prune.spar", "prune.sparsity", 4);
    // The cursor inside the line counts, not its end.
    int64_t from;
    char *got = completed("set prune.sp 0.5", 12, &from);
    assert_string_equal(got, "prune.sparsity");
    oc_free(got);
    got = completed("", 0, &from);
    assert_non_null(strstr(got, "candidates|"));
    assert_non_null(strstr(got, "|undo|view"));
    oc_free(got);
}

static void touch(const char *name)
{
    char p[256];
    snprintf(p, sizeof p, "%s/%s", root, name);
    OK(oc_file_write(p, "", 0, err));
}

static void completion_of_paths(void **state)
{
    (void)state;
    char p[256], line[300], want[600];
    snprintf(p, sizeof p, "%s/inner folder", root);
    OK(oc_mkdirs(p, err));
    touch("recipe.json");
    touch("reference.csv");
    touch(".hidden");
    snprintf(line, sizeof line, "run %s/re", root);
    snprintf(want, sizeof want, "%s/recipe.json|%s/reference.csv", root, root);
    expect_completion(line, want, 4);
    snprintf(line, sizeof line, "run %s/in", root);
    snprintf(want, sizeof want, "%s/inner\\ folder/", root);
    expect_completion(line, want, 4);
    // What was completed is read back as one word, and goes on.
    snprintf(p, sizeof p, "%s/inner folder/x.json", root);
    OK(oc_file_write(p, "", 0, err));
    snprintf(line, sizeof line, "run %s/inner\\ folder/", root);
    snprintf(want, sizeof want, "%s/inner\\ folder/x.json", root);
    expect_completion(line, want, 4);
    snprintf(line, sizeof line, "export csv %s/.h", root);
    snprintf(want, sizeof want, "%s/.hidden", root);
    expect_completion(line, want, 11);
    snprintf(line, sizeof line, "set data.file %s/ref", root);
    snprintf(want, sizeof want, "%s/reference.csv", root);
    expect_completion(line, want, 14);
    expect_completion("run /no/such/folder/", "", 4);
}

static void completion_of_sessions(void **state)
{
    (void)state;
    expect_completion("open ", "", 5); // none yet
    recording r = rec_whole("x");
    char dir[128];
    snprintf(dir, sizeof dir, "%s/20250301-1230-demo", root);
    rec_write(&r, dir);
    rec_free(&r);
    expect_completion("open 2025", "20250301-1230-demo", 5);
    expect_completion("diff 20250301-1230-demo 2", "20250301-1230-demo", 24);
    expect_completion("diff a b c", "", 9);
}

static void completion_without_memory(void **state)
{
    (void)state;
    static const char *const lines[] = {"", "set pr", "set prune.method ", "open ", "run /tmp/"};
    for (int i = 0; i < OC_COUNT(lines); i++) {
        for (int64_t k = 1;; k++) {
            oc_strlist l = {0};
            int64_t from;
            oc_alloc_fail_at(k);
            oc_status rc =
                oc_command_complete(NULL, lines[i], (int64_t)strlen(lines[i]), &l, &from, NULL);
            bool reached = oc_alloc_count() >= k;
            oc_alloc_fail_at(0);
            oc_strlist_release(&l);
            if (rc == OC_OK && !reached)
                break;
            assert_int_equal(rc, OC_NOMEM);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splitting),
        cmocka_unit_test(splitting_without_memory),
        cmocka_unit_test(every_command_is_described),
        cmocka_unit_test_setup_teardown(completion_of_words, setup, teardown),
        cmocka_unit_test_setup_teardown(completion_of_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(completion_of_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(completion_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
