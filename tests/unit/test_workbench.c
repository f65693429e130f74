/* The workbench on the real engine: open, command, run, reopen, continue. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/clock.h"
#include "sessions/replay.h"
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

/* The smallest pipeline that still is one. */
static const char *const tiny[][2] = {
    {"data.source", "notes"},
    {"data.rows_train", "96"},
    {"data.rows_valid", "48"},
    {"data.rows_test", "64"},
    {"teacher.models", "new:L2-H32-A2-F64-V400"},
    {"student.n_layers", "1"},
    {"train.max_len", "32"},
    {"finetune.epochs", "2"},
    {"distill.epochs", "2"},
    {"recover.epochs", "1"},
    {"prune.notes", "32"},
    {"quant.notes", "16"},
    {"eval.bootstrap", "20"},
    {"bench.seconds", "0.2"},
    {"bench.threads", "1"},
    {"bench.length", "32"},
    {"run.threads", "1"},
};

static oc_settings *tiny_settings(void)
{
    oc_settings *s = oc_alloc(sizeof *s);
    oc_settings_init(s);
    for (int i = 0; i < OC_COUNT(tiny); i++)
        OK(oc_settings_set(s, tiny[i][0], tiny[i][1], err));
    return s;
}

static oc_workbench *open_tiny(const char *name)
{
    oc_settings *s = tiny_settings();
    oc_workbench *w;
    OK(oc_workbench_open(name, "tiny", s, &w, err));
    oc_free(s);
    return w;
}

/* Run a line; its text is returned (to be freed). */
static char *say(oc_workbench *w, const char *line)
{
    oc_reply r = {0};
    oc_err e = {0};
    if (oc_workbench_do(w, line, "cli", &r, &e) != OC_OK)
        fail_msg("'%s': %s", line, e.msg);
    char *text = oc_strdup(oc_buf_cstr(&r.text));
    oc_reply_release(&r);
    return text;
}

static void said(oc_workbench *w, const char *line, const char *want)
{
    char *got = say(w, line);
    if (!strstr(got, want))
        fail_msg("'%s' said '%s', without '%s'", line, got, want);
    oc_free(got);
}

static void refused(oc_workbench *w, const char *line, oc_status status, const char *want)
{
    oc_reply r = {0};
    oc_err e = {0};
    assert_int_equal(oc_workbench_do(w, line, "cli", &r, &e), status);
    if (!strstr(e.msg, want))
        fail_msg("'%s' was refused with '%s', without '%s'", line, e.msg, want);
    oc_reply_release(&r);
}

/* What the journal of a session folds to must be what the live session knew. */
static void replay_equals(const char *name, uint64_t live)
{
    oc_replay *p;
    OK(oc_replay_open(name, &p, err));
    OK(oc_replay_seek(p, oc_replay_count(p), err));
    assert_true(oc_state_hash(oc_replay_state(p)) == live);
    oc_replay_close(p);
}

/* --- opening ----------------------------------------------------------------------------------- */

static void a_fresh_session(void **state)
{
    (void)state;
    oc_workbench *w = open_tiny("mine");
    assert_string_equal(oc_workbench_name(w), "mine");
    char want[128];
    snprintf(want, sizeof want, "%s/mine", root);
    assert_string_equal(oc_workbench_dir(w), want);
    const oc_state *s = oc_workbench_state(w);
    assert_true(s->live);
    assert_int_equal(s->session.pid, getpid());
    assert_false(s->session.reopened);
    assert_true(strlen(s->session.cpu) > 0 && strlen(s->session.isa) > 0 && s->session.threads > 0);
    assert_string_equal(s->set.data_source, "notes"); // known by journalled events
    assert_int_equal(s->n_events, 1 + OC_COUNT(tiny));
    assert_false(oc_workbench_busy(w));
    assert_false(oc_workbench_unfinished(w));
    char path[256];
    snprintf(path, sizeof path, "%s/recipe.json", want);
    oc_settings *r = oc_alloc(sizeof *r);
    oc_settings_init(r);
    OK(oc_recipe_read(path, r, err));
    assert_int_equal(r->data_rows_train, 96);
    oc_free(r);
    struct stat st;
    assert_int_equal(stat(want, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    // A second process may not have it too.
    oc_workbench *other;
    oc_err e = {0};
    assert_int_equal(oc_workbench_open("mine", NULL, NULL, &other, &e), OC_STATE);
    assert_non_null(strstr(e.msg, "is open in process"));
    oc_workbench_close(w, "quit", 0);
    oc_state *left;
    OK(oc_session_load("mine", &left, err));
    assert_false(left->live);
    oc_state_free(left);
}

static void a_session_without_a_name(void **state)
{
    (void)state;
    oc_workbench *a, *b;
    OK(oc_workbench_open(NULL, "demo", NULL, &a, err));
    OK(oc_workbench_open(NULL, "demo", NULL, &b, err));
    assert_non_null(strstr(oc_workbench_name(a), "-demo"));
    assert_string_not_equal(oc_workbench_name(a), oc_workbench_name(b));
    oc_workbench_close(a, "quit", 0);
    oc_workbench_close(b, "quit", 0);
}

static void places_that_cannot_be_used(void **state)
{
    (void)state;
    char path[256];
    oc_workbench *w;
    oc_err e = {0};
    snprintf(path, sizeof path, "%s/file", root);
    OK(oc_file_write(path, "x", 1, err));
    assert_int_equal(oc_workbench_open(path, NULL, NULL, &w, &e), OC_IO);
    assert_non_null(strstr(e.msg, path));
    e = (oc_err){0};
    snprintf(path, sizeof path, "%s/file/below", root);
    assert_int_equal(oc_workbench_open(path, NULL, NULL, &w, &e), OC_IO);
    e = (oc_err){0};
    assert_int_equal(oc_workbench_open("/proc/nothing/here", NULL, NULL, &w, &e), OC_IO);
    assert_non_null(strstr(e.msg, "/proc/nothing"));
    assert_int_equal(oc_workbench_open("..", NULL, NULL, &w, NULL), OC_USAGE);
}

static void out_of_memory_when_opening(void **state)
{
    (void)state;
    for (int64_t k = 1;; k++) {
        oc_workbench *w = NULL;
        char name[32];
        snprintf(name, sizeof name, "oom-%d", (int)k);
        oc_alloc_fail_at(k);
        oc_status rc = oc_workbench_open(name, NULL, NULL, &w, NULL);
        bool reached = oc_alloc_count() >= k;
        oc_alloc_fail_at(0);
        if (w)
            oc_workbench_close(w, "quit", 0);
        if (rc == OC_OK && !reached)
            break;
        assert_true(rc == OC_OK || rc == OC_NOMEM);
        char dir[128];
        snprintf(dir, sizeof dir, "%s/%s", root, name);
        if (rc != OC_OK && oc_path_exists(dir))
            fail_msg("a session that could not be opened left %s behind (allocation %d)", dir,
                     (int)k);
    }
}

/* --- commands without a run -------------------------------------------------------------------- */

static void settings_by_command(void **state)
{
    (void)state;
    oc_workbench *w = open_tiny("mine");
    said(w, "set prune.sparsity 0.6", "prune.sparsity 0.3 -> 0.6\n");
    assert_true(oc_workbench_state(w)->set.prune_sparsity == 0.6);
    said(
        w, "set prune.sparsity",
        "prune.sparsity = 0.6\n  share of linear weights set to zero (number 0..0.99; default 0.3)");
    said(w, "set prune.sparsity=0.5; show prune.sparsity", "prune.sparsity = 0.5");
    said(w, "set run.stages prune, recover", "-> prune, recover");
    said(w, "set data.dir '/a b'", "-> /a b");
    said(w, "set data.dir ''", "/a b -> \"\"");
    said(w, "show prune", "* prune.sparsity       0.5");
    said(w, "show finetune", "  finetune.lr          5e-05"); // no star: it is the default
    said(w, "show", "accept.faster");
    refused(w, "set prune.sparsty 0.5", OC_USAGE, "did you mean 'prune.sparsity'?");
    refused(w, "set prune.sparsity 7", OC_USAGE, "it must be a number from 0 to 0.99");
    refused(w, "set prune.method none", OC_USAGE, "it must be one of structured|magnitude|both");
    refused(w, "show nothing.like", OC_USAGE, "unknown setting 'nothing.like'");
    said(w, "undo", "undone");
    said(w, "set data.dir", "data.dir = /a b");
    oc_settings *now = oc_alloc(sizeof *now);
    oc_workbench_settings(w, now);
    assert_string_equal(now->data_dir, "/a b");
    oc_free(now);
    uint64_t hash = 0;
    oc_workbench_close(w, "quit", 0);
    oc_state *s;
    OK(oc_session_load("mine", &s, err));
    assert_string_equal(s->set.data_dir, "/a b");
    assert_true(s->set.prune_sparsity == 0.5);
    hash = oc_state_hash(s);
    oc_state_free(s);
    replay_equals("mine", hash);
    // Reopened: it is as it was left, whatever settings are offered.
    w = open_tiny("mine");
    assert_true(oc_workbench_state(w)->session.reopened);
    assert_string_equal(oc_workbench_state(w)->set.data_dir, "/a b");
    said(w, "set prune.sparsity", "= 0.5");
    oc_workbench_close(w, "quit", 0);
}

static void what_is_refused(void **state)
{
    (void)state;
    oc_workbench *w = open_tiny("mine");
    int64_t before = oc_workbench_state(w)->n_events;
    refused(w, "pausee", OC_USAGE, "unknown command 'pausee'; did you mean 'pause'?");
    refused(w, "xyzzyplugh", OC_USAGE, "'help' lists them");
    refused(w, "view", OC_USAGE, "usage: view NAME (go to a view)");
    refused(w, "diff a", OC_USAGE, "usage: diff A B");
    refused(w, "quit now", OC_USAGE, "usage: quit");
    refused(w, "set prune.sparsity 0.9; frobnicate", OC_USAGE, "unknown command");
    refused(w, "note 'open", OC_USAGE, "quote is not closed");
    // Nothing of a line with a mistake in it was done.
    assert_int_equal(oc_workbench_state(w)->n_events, before);
    static const char *const idle[] = {"pause", "resume", "cancel", "save"};
    for (int i = 0; i < OC_COUNT(idle); i++)
        refused(w, idle[i], OC_STATE, "nothing is running; start with 'run'");
    refused(w, "continue", OC_STATE, "this session has no run to continue; start with 'run'");
    refused(w, "undo", OC_STATE, "nothing to undo");
    refused(w, "open mine", OC_USAGE, "is the session that is open");
    refused(w, "open nobody", OC_IO, "there is no session 'nobody'");
    refused(w, "compare nobody", OC_IO, "there is no session 'nobody'");
    refused(w, "run /no/such.json", OC_IO, "/no/such.json");
    refused(w, "export png x", OC_USAGE, "it must be csv, jsonl, json or recipe");
    refused(w, "glyphs sixel", OC_USAGE, "there are auto, braille, block, ascii");
    refused(w, "help nothing", OC_USAGE, "neither a command nor a setting");
    // The command and why it failed are in the log.
    const oc_state *s = oc_workbench_state(w);
    assert_string_equal(s->log[s->n_log - 2].level, "cmd");
    assert_string_equal(s->log[s->n_log - 2].text, "help nothing");
    assert_string_equal(s->log[s->n_log - 1].level, "error");
    said(w, "alert", "nothing is running; start with 'run'");
    char bad[256];
    snprintf(bad, sizeof bad, "%s/bad.json", root);
    OK(oc_file_write(bad, "{\"prune.sparsity\": 2}", 21, err));
    char line[300];
    snprintf(line, sizeof line, "run %s", bad);
    refused(w, line, OC_USAGE, bad);
    oc_workbench_close(w, "quit", 0);
}

static oc_reply reply_to(oc_workbench *w, const char *line)
{
    oc_reply r = {0};
    OK(oc_workbench_do(w, line, "repl", &r, err));
    return r;
}

static void what_the_screen_is_told(void **state)
{
    (void)state;
    recording rec = rec_whole("other");
    char dir[128];
    snprintf(dir, sizeof dir, "%s/other", root);
    rec_write(&rec, dir);
    rec_free(&rec);
    oc_workbench *w = open_tiny("mine");
    oc_strlist views = {0};
    OK(oc_strlist_split(&views, "run,loss,quant,help", ',', err));
    OK(oc_workbench_set_words(w, "view", &views, err));
    oc_strlist_release(&views);
    assert_int_equal(oc_workbench_set_words(w, "glue", &views, NULL), OC_USAGE);
    OK(oc_strlist_split(&views, "demo,mtsamples", ',', err));
    OK(oc_workbench_set_words(w, "recipe", &views, err));
    oc_strlist_release(&views);
    static const struct {
        const char *line;
        oc_ui_action action;
        const char *arg;
    } want[] = {
        {"view loss", OC_UI_VIEW, "loss"},
        {"show quant", OC_UI_VIEW, "quant"},
        {"theme any", OC_UI_THEME, "any"},
        {"glyphs ascii", OC_UI_GLYPHS, "ascii"},
        {"open other", OC_UI_OPEN, "other"},
        {"compare other", OC_UI_COMPARE, "other"},
        {"replay other", OC_UI_REPLAY, "other"},
        {"help", OC_UI_HELP, ""},
        {"sessions", OC_UI_NONE, ""},
        {"quit; run", OC_UI_QUIT, ""},
    };
    for (int i = 0; i < OC_COUNT(want); i++) {
        oc_reply r = reply_to(w, want[i].line);
        assert_int_equal(r.action, want[i].action);
        assert_string_equal(r.arg, want[i].arg);
        oc_reply_release(&r);
    }
    assert_false(oc_workbench_busy(w)); // nothing behind quit is done
    refused(w, "view heatmap", OC_USAGE,
            "there is no view 'heatmap'; there are run, loss, quant, help");
    said(w, "show quant.", "quant.clip");
    said(w, "help set", "set KEY [VALUE...]");
    said(w, "help prune.heads", "share of attention heads removed");
    said(w, "sessions", "other");
    said(w, "diff mine other", "run.seed");
    said(w, "candidates", "no candidates yet");
    said(w, "alert", "there is no view 'heatmap'");
    said(w, "note the patient file is\\; new", "noted");
    const oc_state *s = oc_workbench_state(w);
    assert_string_equal(s->log[s->n_log - 1].level, "note");
    assert_string_equal(s->log[s->n_log - 1].text, "the patient file is; new");
    char line[300];
    snprintf(line, sizeof line, "export jsonl %s/out.jsonl", root);
    said(w, line, "written");
    oc_strlist l = {0};
    int64_t from;
    OK(oc_command_complete(w, "view ", 5, &l, &from, err));
    assert_int_equal(l.n, 4);
    oc_strlist_release(&l);
    OK(oc_command_complete(w, "run mts", 7, &l, &from, err));
    assert_true(oc_strlist_find(&l, "mtsamples") >= 0);
    oc_strlist_release(&l);
    OK(oc_command_complete(w, "show quant", 10, &l, &from, err));
    assert_true(oc_strlist_find(&l, "quant") >= 0 && oc_strlist_find(&l, "quant.clip") >= 0);
    oc_strlist_release(&l);
    oc_workbench_close(w, "quit", 0);
}

/* Text that is no UTF-8 and numbers beyond JSON's must not make replay differ from live. */
static void odd_events_replay_the_same(void **state)
{
    (void)state;
    oc_workbench *w = open_tiny("odd");
    oc_event e;
    oc_event_init(&e, OC_EV_log_T);
    OC_EV_SET(e.u.log.text, "bad \xff\xfe byte \xe2\x86 and \x01 control");
    oc_workbench_emit(w, &e);
    oc_event_init(&e, OC_EV_model_T);
    OC_EV_SET(e.u.model.model, "m");
    e.u.model.params = INT64_MAX;
    e.u.model.mean_tokens = -(double)INFINITY;
    oc_workbench_emit(w, &e);
    oc_event_init(&e, OC_EV_heads_T);
    OC_EV_SET(e.u.heads.model, "m");
    e.u.heads.n_kept = 1000;
    oc_workbench_emit(w, &e);
    oc_event_init(&e, OC_EV_step_T);
    OC_EV_SET(e.u.step.run, "r");
    e.u.step.step = 1;
    e.u.step.loss = -(double)NAN;
    e.u.step.lr = 0.1 + 0.2;
    e.u.step.norm = -0.0;
    e.u.step.hard = 5e-324;
    oc_workbench_emit(w, &e);
    uint64_t live = oc_state_hash(oc_workbench_state(w));
    replay_equals("odd", live);
    oc_workbench_close(w, "quit", 0);
}

/* --- a full disk ------------------------------------------------------------------------------- */

static void a_full_disk_is_told_once(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    oc_workbench *w = open_tiny("full");
    char path[256];
    snprintf(path, sizeof path, "%s/full/events.jsonl", root);
    struct rlimit was, tight;
    getrlimit(RLIMIT_FSIZE, &was);
    tight = was;
    tight.rlim_cur = (rlim_t)oc_file_bytes(path) + 10;
    setrlimit(RLIMIT_FSIZE, &tight);
    for (int i = 0; i < 5; i++) {
        oc_event e;
        oc_event_init(&e, OC_EV_log_T);
        snprintf(e.u.log.text, sizeof e.u.log.text, "during %d", i);
        oc_workbench_emit(w, &e);
    }
    const oc_state *s = oc_workbench_state(w);
    assert_int_equal(s->n_alerts, 1);
    int told = 0;
    for (int64_t i = 0; i < s->n_log; i++)
        told += strstr(s->log[i].text, "cannot write the journal") != NULL &&
                strstr(s->log[i].text, "the run goes on") != NULL;
    assert_int_equal(told, 1);
    setrlimit(RLIMIT_FSIZE, &was);
    oc_event e;
    oc_event_init(&e, OC_EV_log_T);
    OC_EV_SET(e.u.log.text, "after");
    oc_workbench_emit(w, &e);
    assert_string_equal(s->log[s->n_log - 1].text,
                        "the journal is written again; nothing was lost");
    uint64_t live = oc_state_hash(s);
    replay_equals("full", live);
    oc_workbench_close(w, "quit", 0);
    signal(SIGXFSZ, SIG_DFL);
}

/* --- runs -------------------------------------------------------------------------------------- */

static void wait_done(oc_workbench *w)
{
    assert_true(oc_workbench_wait(w, 120000));
    if (oc_workbench_state(w)->n_alerts) {
        char *told = say(w, "alert");
        fail_msg("the run gave alerts: %s", told);
    }
}

static void a_whole_tiny_run(void **state)
{
    (void)state;
    oc_workbench *w = open_tiny("run");
    said(w, "set bench.length 4000", "bench.length 32 -> 4000"); // more than any model reads
    said(w, "run", "running finetune,distill,prune");
    assert_true(oc_workbench_busy(w));
    refused(w, "run", OC_STATE, "a run is going on");
    refused(w, "continue", OC_STATE, "a run is going on");
    assert_true(oc_workbench_wait(w, 120000));
    const oc_state *s = oc_workbench_state(w);
    assert_string_equal(s->job.state, "done");
    for (int64_t i = 0; i < s->n_stages; i++)
        if (strcmp(s->stage[i].status, "done") != 0)
            fail_msg("stage %s %s is %s", s->stage[i].kind, s->stage[i].run, s->stage[i].status);
    assert_int_equal(s->n_stages, 7);
    assert_string_equal(s->recipe, "tiny"); // also when the session has a name of its own
    assert_true(isfinite(oc_state_model(s, "ensemble")->cand.median_ms)); // of one teacher, too
    assert_false(oc_workbench_unfinished(w));
    static const char *const models[] = {"teacher-1", "ensemble", "student", "quantized"};
    for (int i = 0; i < OC_COUNT(models); i++) {
        const oc_model_state *m = oc_state_model(s, models[i]);
        if (!m || !m->has_cand)
            fail_msg("no candidate %s", models[i]);
        if (!isfinite(m->cand.auroc) || m->cand.auroc < 0 || m->cand.auroc > 1)
            fail_msg("%s has no AUROC", models[i]);
    }
    assert_true(oc_state_run(s, "student")->curve[OC_CURVE_LOSS].n >= 6);
    assert_true(oc_state_run(s, "student")->curve[OC_CURVE_SOFT].n >= 6);
    assert_true(oc_state_run(s, "student")->curve[OC_CURVE_VALID_AUROC].n >= 1);
    said(w, "alert", "bench.length is 4000, but the models read at most 64 tokens: timed at 64");
    assert_int_equal(s->n_alerts, 1);
    char *table = say(w, "candidates");
    if (!strstr(table, "quantized") || !strstr(table, "int8") ||
        !strstr(table, "ratios: ensemble") || !strstr(table, "1 thread, batch 1, 64 tokens"))
        fail_msg("the final table is\n%s", table);
    oc_free(table);
    oc_buf json = {0};
    OK(oc_final_table(s, true, &json, err));
    assert_non_null(strstr(json.data, "\"model\": \"quantized\""));
    assert_null(strstr(json.data, "\"smaller\": null, \"faster\": null}\n  ],"));
    oc_buf_release(&json);
    uint64_t live = oc_state_hash(s);
    replay_equals("run", live);
    oc_workbench_close(w, "done", 0);
}

static void set_and_undo_during_a_run(void **state)
{
    (void)state;
    oc_workbench *w = open_tiny("live");
    said(w, "set finetune.epochs 400; set train.patience 1000; set run.stages finetune; run",
         "running finetune");
    const oc_state *s = oc_workbench_state(w);
    for (int i = 0;
         i < 2000 && (!oc_state_run(s, "teacher-1") || oc_state_run(s, "teacher-1")->step < 10);
         i++) {
        oc_workbench_pump(w);
        oc_sleep_ms(5);
    }
    said(w, "set finetune.lr 1e-4", "finetune.lr 5e-05 -> 0.0001 at the next step");
    for (int i = 0; i < 2000 && s->n_markers == 0; i++) {
        oc_workbench_pump(w);
        oc_sleep_ms(5);
    }
    assert_int_equal(s->marker[0].kind, 's');
    assert_string_equal(s->marker[0].run, "teacher-1");
    assert_true(s->marker[0].x >= 10);
    double at = s->marker[0].x;
    said(w, "note here", "noted");
    said(w, "save", "checkpoint");
    said(w, "undo", "undoing");
    for (int i = 0; i < 2000 && s->set.finetune_lr > 6e-5; i++) {
        oc_workbench_pump(w);
        oc_sleep_ms(5);
    }
    bool undone = false;
    for (int64_t i = 0; i < s->n_markers; i++)
        undone |= s->marker[i].kind == 'u' && s->marker[i].x == at;
    assert_true(undone);
    said(w, "pause", "pausing");
    for (int i = 0; i < 2000 && strcmp(s->job.state, "paused") != 0; i++) {
        oc_workbench_pump(w);
        oc_sleep_ms(5);
    }
    assert_string_equal(s->job.state, "paused");
    refused(w, "pause", OC_STATE, "paused already");
    said(w, "resume", "going on");
    said(w, "cancel", "cancelling");
    assert_true(oc_workbench_wait(w, 20000));
    assert_string_equal(s->job.state, "cancelled");
    assert_false(oc_workbench_unfinished(w)); // it was asked for
    replay_equals("live", oc_state_hash(s));
    oc_workbench_close(w, "quit", 0);
    w = open_tiny("live");
    assert_false(oc_workbench_unfinished(w));
    oc_workbench_close(w, "quit", 0);
}

static void left_and_continued(void **state)
{
    (void)state;
    oc_workbench *w = open_tiny("left");
    oc_free(say(
        w,
        "set finetune.epochs 40; set train.patience 1000; set run.stages finetune,distill,evaluate; run"));
    const oc_state *s = oc_workbench_state(w);
    for (int i = 0;
         i < 2000 && (!oc_state_run(s, "teacher-1") || oc_state_run(s, "teacher-1")->step < 8);
         i++) {
        oc_workbench_pump(w);
        oc_sleep_ms(2);
    }
    oc_workbench_close(w, "quit", 0); // in the middle
    w = open_tiny("left");
    s = oc_workbench_state(w);
    assert_true(oc_workbench_unfinished(w));
    int64_t was = oc_state_run(s, "teacher-1")->step;
    assert_true(was >= 8);
    refused(w, "pause", OC_STATE, "take up the unfinished run with 'continue'");
    said(w, "continue", "continuing");
    assert_false(oc_workbench_unfinished(w));
    wait_done(w);
    assert_string_equal(s->job.state, "done");
    bool resumed = false;
    for (int64_t i = 0; i < s->n_markers; i++)
        resumed |= s->marker[i].kind == 'r';
    assert_true(resumed);
    const oc_series *loss = &oc_state_run(s, "teacher-1")->curve[OC_CURVE_LOSS];
    for (int64_t i = 0; i < loss->n; i++)
        assert_true(loss->x[i] == (double)(i + 1)); // every step once, without a gap
    replay_equals("left", oc_state_hash(s));
    oc_workbench_close(w, "quit", 0);
}

static void a_recipe(void **state)
{
    (void)state;
    oc_settings *s = tiny_settings();
    OK(oc_settings_set(s, "run.stages", "finetune,evaluate", err));
    OK(oc_settings_set(s, "run.seed", "42", err));
    OK(oc_settings_set(s, "distill.teacher_precision", "int8", err));
    oc_buf b = {0};
    oc_recipe_write(s, false, &b);
    oc_free(s);
    char path[256], line[300];
    snprintf(path, sizeof path, "%s/little.json", root);
    OK(oc_file_write(path, b.data, b.len, err));
    oc_buf_release(&b);
    oc_workbench *w;
    OK(oc_workbench_open("r", NULL, NULL, &w, err));
    oc_free(say(w, "set prune.sparsity 0.9"));
    snprintf(line, sizeof line, "run %s", path);
    said(w, line, "recipe little: 21 settings changed\nrunning finetune,evaluate\n");
    wait_done(w);
    const oc_state *st = oc_workbench_state(w);
    assert_string_equal(st->recipe, "little");
    assert_int_equal(st->set.run_seed, 42);
    assert_true(st->set.prune_sparsity == 0.3); // a recipe says everything
    // The targets are INT8; what the teachers are judged by is not.
    assert_int_equal(st->n_cache, 3);
    for (int64_t i = 0; i < st->n_cache; i++)
        assert_string_equal(st->cache[i].precision,
                            strcmp(st->cache[i].split, "train") ? "f32" : "int8");
    oc_workbench_close(w, "quit", 0);
    // Each setting is journalled with where it came from.
    oc_reader *r;
    snprintf(path, sizeof path, "%s/r/events.jsonl", root);
    OK(oc_reader_open(path, &r, err));
    int by_recipe = 0, by_hand = 0;
    for (bool got = true; got;) {
        oc_event e;
        OK(oc_reader_next(r, &e, &got, err));
        if (got && e.type == OC_EV_setting_T) {
            by_recipe += !strcmp(e.u.setting.why, "recipe");
            by_hand += !strcmp(e.u.setting.why, "set");
        }
    }
    oc_reader_close(r);
    assert_int_equal(by_recipe, 21);
    assert_int_equal(by_hand, 1);
}

static oc_status builtin(const char *name, oc_settings *s, oc_err *err)
{
    if (strcmp(name, "in-the-program") != 0)
        return OC_FAIL(err, OC_USAGE, "there is no recipe '%s'", name);
    static const char text[] = "{\"run.seed\": 77, \"data.file\": \"/no/such.csv\"}";
    return oc_recipe_parse(text, sizeof text - 1, name, s, err);
}

static void a_recipe_of_the_program(void **state)
{
    (void)state;
    oc_workbench *w;
    OK(oc_workbench_open(NULL, "demo", NULL, &w, err));
    oc_workbench_set_recipes(w, builtin);
    refused(w, "run other", OC_USAGE, "there is no recipe 'other'");
    said(w, "run in-the-program", "recipe in-the-program: 2 settings changed");
    assert_true(oc_workbench_wait(w, 20000));
    assert_string_equal(oc_workbench_state(w)->recipe, "in-the-program");
    assert_int_equal(oc_workbench_state(w)->set.run_seed, 77);
    oc_workbench_close(w, "failed", 1);
    // A session named after a recipe runs under its name.
    OK(oc_workbench_open(NULL, "demo", NULL, &w, err));
    oc_free(say(w, "set data.file /no/such.csv; run"));
    assert_true(oc_workbench_wait(w, 20000));
    assert_string_equal(oc_workbench_state(w)->recipe, "demo");
    oc_workbench_close(w, "failed", 1);
}

static void a_session_by_path(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/deep/er/mine", root);
    oc_workbench *w = open_tiny(path);
    assert_string_equal(oc_workbench_name(w), path); // what opens it again
    assert_string_equal(oc_workbench_state(w)->session.name, "mine");
    oc_workbench_close(w, "quit", 0);
    w = open_tiny(path);
    assert_true(oc_workbench_state(w)->session.reopened);
    oc_workbench_close(w, "quit", 0);
}

static void a_run_that_fails(void **state)
{
    (void)state;
    oc_workbench *w = open_tiny("fail");
    oc_free(say(w, "set data.source files; set data.file /no/such/table.csv; run"));
    assert_true(oc_workbench_wait(w, 20000));
    const oc_state *s = oc_workbench_state(w);
    assert_string_equal(s->job.state, "failed");
    said(w, "alert", "/no/such/table.csv");
    oc_workbench_close(w, "failed", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_fresh_session, setup, teardown),
        cmocka_unit_test_setup_teardown(a_session_without_a_name, setup, teardown),
        cmocka_unit_test_setup_teardown(places_that_cannot_be_used, setup, teardown),
        cmocka_unit_test_setup_teardown(out_of_memory_when_opening, setup, teardown),
        cmocka_unit_test_setup_teardown(settings_by_command, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_screen_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(odd_events_replay_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_whole_tiny_run, setup, teardown),
        cmocka_unit_test_setup_teardown(set_and_undo_during_a_run, setup, teardown),
        cmocka_unit_test_setup_teardown(left_and_continued, setup, teardown),
        cmocka_unit_test_setup_teardown(a_recipe, setup, teardown),
        cmocka_unit_test_setup_teardown(a_recipe_of_the_program, setup, teardown),
        cmocka_unit_test_setup_teardown(a_session_by_path, setup, teardown),
        cmocka_unit_test_setup_teardown(a_run_that_fails, setup, teardown),
    };
    return cmocka_run_group_tests_name("workbench", tests, NULL, NULL);
}
