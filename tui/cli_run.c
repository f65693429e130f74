/*
 * tui/cli_run.c - commands that hold a workbench: open, -c, run, demo, single stages; on a screen, or
 * headless with progress lines.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "sessions/session.h"
#include "tui/cli.h"
#include "tui/recipes.h"
#include "tui/screen.h"

/* --- recipes ----------------------------------------------------------------------------------- */

const char *oc_cli_builtin_recipe(const char *name)
{
    for (const oc_builtin *b = oc_builtin_recipes; b->name; b++)
        if (!strcmp(b->name, name))
            return b->text;
    return NULL;
}

oc_status oc_cli_recipe(const char *name, oc_settings *s, oc_err *err)
{
    const char *text = oc_path_exists(name) ? NULL : oc_cli_builtin_recipe(name);
    if (text)
        return oc_recipe_parse(text, strlen(text), name, s, err);
    if (oc_path_exists(name))
        return oc_recipe_read(name, s, err);
    oc_buf names = {0};
    for (const oc_builtin *b = oc_builtin_recipes; b->name; b++)
        oc_buf_fmt(&names, " %s", b->name);
    oc_status st = OC_FAIL(err, OC_USAGE, "there is no recipe file '%s'; built-in ones are%s", name,
                           oc_buf_cstr(&names));
    oc_buf_release(&names);
    return st;
}

static oc_status apply_sets(const oc_strlist *sets, oc_settings *s, oc_err *err)
{
    for (int64_t i = 0; i < sets->n; i++) {
        const char *eq = strchr(sets->item[i], '=');
        if (!eq)
            return OC_FAIL(err, OC_USAGE,
                           "--set is '%s'; it must be KEY=VALUE, such as prune.sparsity=0.5",
                           sets->item[i]);
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)OC_MIN(eq - sets->item[i], 60), sets->item[i]);
        OC_TRY(oc_settings_set(s, key, eq + 1, err));
    }
    return OC_OK;
}

/* --- headless ---------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    // The second one means it.
    if (interrupted)
        _exit(OC_EXIT_INTERRUPTED);
    interrupted = 1;
}

static void catch_interrupts(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
}

/* What was said of the state so far, to print only what is new. */
typedef struct reporter {
    int64_t i_log, i_stage_shown, last_step_ns;
    int64_t n_stages_done;
    char last_run[32];
    int64_t last_step;
    int64_t last_eval;
} reporter;

static void report_stages(reporter *r, const oc_state *s)
{
    if (s->n_stages < r->n_stages_done)
        r->n_stages_done = r->i_stage_shown = 0;
    for (int64_t i = r->n_stages_done; i < s->n_stages; i++) {
        const oc_stage_state *st = &s->stage[i];
        char t[24], name[80];
        if (!*st->status || !strcmp(st->status, "waiting"))
            break;
        bool named = *st->run && strcmp(st->run, st->kind) != 0;
        snprintf(name, sizeof name, "%s%s%s", st->kind, named ? " " : "", named ? st->run : "");
        if (i >= r->i_stage_shown) {
            fprintf(stderr, "== stage %lld of %lld: %s\n", (long long)i + 1, (long long)s->n_stages,
                    name);
            r->i_stage_shown = i + 1;
        }
        if (!strcmp(st->status, "running"))
            break; // its end comes before the next one's beginning
        oc_fmt_duration(t, st->seconds);
        fprintf(stderr, "   %s: %s in %s\n", name, st->status, t);
        r->n_stages_done = i + 1;
    }
}

static void report_training(reporter *r, const oc_state *s)
{
    if (s->i_run < 0 || s->i_run >= s->n_runs)
        return;
    const oc_run *run = &s->run[s->i_run];
    const oc_series *auroc = &run->curve[OC_CURVE_VALID_AUROC];
    if (strcmp(run->name, r->last_run) != 0) {
        oc_strlcpy(r->last_run, run->name, sizeof r->last_run);
        r->last_eval = r->last_step = 0;
    }
    int64_t now = oc_now_ns();
    bool new_eval = auroc->n > r->last_eval;
    if (!new_eval && (run->step == r->last_step || now - r->last_step_ns < 2000000000))
        return;
    r->last_step_ns = now;
    r->last_step = run->step;
    double per_step =
        run->step > 0 ? (double)(run->last_ms - run->first_ms) * 1e-3 / (double)run->step : 0;
    char eta[24];
    oc_fmt_duration(eta, per_step * (double)(run->steps - run->step));
    fprintf(stderr, "   %s step %lld/%lld  loss %.4f  lr %.2g  %.0f tokens/s  %s left", run->name,
            (long long)run->step, (long long)run->steps, run->last.loss, run->last.lr,
            run->last.tokens_s, eta);
    if (new_eval) {
        r->last_eval = auroc->n;
        fprintf(stderr, "  valid AUROC %.4f", auroc->y[auroc->n - 1]);
    }
    fputc('\n', stderr);
}

static void report(reporter *r, const oc_state *s)
{
    for (; r->i_log < s->n_log; r->i_log++) {
        const oc_line *l = &s->log[r->i_log];
        // The end of a stage is reported below; its reason comes as the alert.
        if (strstr(l->text, " failed in "))
            continue;
        if (!strcmp(l->level, "warn") || !strcmp(l->level, "error") || !strcmp(l->level, "accept"))
            fprintf(stderr, "%s: %s\n", l->level, l->text);
    }
    report_stages(r, s);
    report_training(r, s);
}

/* Pump until the engine is idle. False when interrupted. */
static bool wait_idle(oc_workbench *w, reporter *r)
{
    while (oc_workbench_busy(w) && !interrupted) {
        struct pollfd p = {.fd = oc_workbench_fd(w), .events = POLLIN};
        if (poll(&p, 1, 500) < 0 && errno != EINTR)
            break;
        oc_workbench_pump(w);
        report(r, oc_workbench_state(w));
    }
    oc_workbench_drain(w);
    report(r, oc_workbench_state(w));
    return !interrupted;
}

/* Exit status from how the newest run ended. */
static int verdict(const oc_state *s)
{
    if (!strcmp(s->job.state, "cancelled") || !strcmp(s->job.state, "stopped"))
        return OC_EXIT_INTERRUPTED;
    if (!strcmp(s->job.state, "failed"))
        return OC_EXIT_FAILED;
    for (int64_t i = s->n_log - 1; i >= 0; i--)
        if (!strcmp(s->log[i].level, "accept"))
            return OC_EXIT_NOT_ACCEPTED;
    return OC_EXIT_DONE;
}

/* Close, and say how to come back if there is something to come back to. */
static void close_session(oc_workbench *w, const char *reason, int status)
{
    char name[256];
    bool kept = oc_workbench_kept(w, status);
    oc_strlcpy(name, oc_workbench_name(w), sizeof name);
    oc_workbench_close(w, reason, status);
    if (kept)
        fprintf(stderr, "session: %s  (open it with: optimclm %s)\n", name, name);
}

static int finish(oc_workbench *w, oc_cli *c, int rc, bool table)
{
    oc_buf out = {0};
    oc_err err = {0};
    const oc_state *s = oc_workbench_state(w);
    if (rc == OC_EXIT_DONE)
        rc = verdict(s);
    if (table && (rc == OC_EXIT_DONE || rc == OC_EXIT_NOT_ACCEPTED)) {
        if (oc_final_table(s, c->json, &out, &err) == OC_OK)
            (void)oc_cli_print(&out);
        else
            rc = oc_cli_fail(&err);
    }
    oc_buf_release(&out);
    char name[256];
    oc_strlcpy(name, oc_workbench_name(w), sizeof name);
    bool crashed = rc == OC_EXIT_INTERRUPTED;
    char reason[64];
    snprintf(reason, sizeof reason, "%s",
             rc == OC_EXIT_DONE ? "done"
             : crashed          ? "interrupted"
                                : "failed");
    if (interrupted)
        fputs("stopping: writing a checkpoint\n", stderr);
    close_session(w, reason, rc);
    if (crashed)
        fprintf(stderr, "go on with: optimclm -c continue --session %s\n", name);
    return rc;
}

static int headless(oc_workbench *w, oc_cli *c, const char *line)
{
    catch_interrupts();
    reporter r = {.i_log = oc_workbench_state(w)->n_log};
    oc_reply reply = {0};
    oc_err err = {0};
    if (oc_workbench_do(w, line, "cli", &reply, &err) != OC_OK) {
        int rc = oc_cli_fail(&err);
        oc_reply_release(&reply);
        return finish(w, c, rc, false);
    }
    oc_reply_release(&reply);
    wait_idle(w, &r);
    return finish(w, c, interrupted ? OC_EXIT_INTERRUPTED : OC_EXIT_DONE, true);
}

/* --- the screen -------------------------------------------------------------------------------- */

static int open_session(oc_cli *c, const char *name);

static int on_screen(oc_workbench *w, oc_cli *c, const char *line, bool demo)
{
    oc_screen_next next = {0};
    oc_screen_opts o = {.color = c->color,
                        .glyphs = c->glyphs,
                        .theme = c->theme,
                        .command = line,
                        .quit_when_done = demo,
                        .next = &next};
    bool detached = false;
    oc_err err = {0};
    oc_status st = oc_screen_run(w, &o, &detached, &err);
    int rc = st == OC_OK ? OC_EXIT_DONE : oc_cli_fail(&err);
    bool ran = line != NULL;
    const oc_state *s = oc_workbench_state(w);
    if (ran && rc == OC_EXIT_DONE && strcmp(s->job.state, "done") != 0) {
        // Left before the end: that was the user's choice, and nothing is lost.
        ran = false;
    }
    if (!ran) {
        close_session(w, detached ? "detached" : "quit", rc);
        return *next.open && rc == OC_EXIT_DONE ? open_session(c, next.open) : rc;
    }
    return finish(w, c, rc, true);
}

static bool wants_screen(const oc_cli *c)
{
    return !c->headless && !c->plain && !c->json && oc_screen_possible(NULL);
}

/* Open a session, with the words only this layer knows. */
static oc_status open_workbench(const char *name, const char *base, const oc_settings *set,
                                oc_workbench **out, oc_err *err)
{
    OC_TRY(oc_workbench_open(name, base, set, out, err));
    oc_strlist names = {0};
    oc_status st = OC_OK;
    for (const oc_builtin *b = oc_builtin_recipes; b->name && st == OC_OK; b++)
        st = oc_strlist_add(&names, b->name, strlen(b->name), err);
    if (st == OC_OK)
        st = oc_workbench_set_words(*out, "recipe", &names, err);
    oc_strlist_release(&names);
    if (st != OC_OK) {
        oc_workbench_close(*out, "failed", OC_EXIT_FAILED);
        return st;
    }
    oc_workbench_set_recipes(*out, oc_cli_recipe);
    return OC_OK;
}

static int start(oc_cli *c, const char *base, const oc_settings *set, const char *line, bool demo)
{
    oc_workbench *w;
    oc_err err = {0};
    if (open_workbench(c->session, base, set, &w, &err) != OC_OK)
        return oc_cli_fail(&err);
    return wants_screen(c) ? on_screen(w, c, line, demo) : headless(w, c, line);
}

/* --- commands ---------------------------------------------------------------------------------- */

/* An existing session, taken up where it was left. */
static int open_session(oc_cli *c, const char *name)
{
    oc_err err = {0};
    oc_workbench *w;
    char path[OC_PATH_MAX];
    oc_settings s;
    oc_settings_init(&s);
    if (oc_session_path(name, true, path, &err) != OC_OK ||
        open_workbench(name, NULL, &s, &w, &err) != OC_OK)
        return oc_cli_fail(&err);
    return on_screen(w, c, oc_workbench_unfinished(w) ? "continue" : NULL, false);
}

int oc_cli_open(oc_cli *c)
{
    oc_err err = {0};
    if (!oc_screen_possible(&err)) {
        fprintf(stderr, "optimclm: %s; use -c, run --headless or show instead (optimclm --help)\n",
                err.msg);
        return OC_EXIT_USAGE;
    }
    if (c->arg.n > 0)
        return open_session(c, c->arg.item[0]);
    oc_settings s;
    oc_settings_init(&s);
    oc_workbench *w;
    if (apply_sets(&c->set, &s, &err) != OC_OK ||
        open_workbench(c->session, NULL, &s, &w, &err) != OC_OK)
        return oc_cli_fail(&err);
    return on_screen(w, c, oc_workbench_unfinished(w) ? "continue" : NULL, false);
}

int oc_cli_do(oc_cli *c)
{
    oc_settings s;
    oc_settings_init(&s);
    oc_err err = {0};
    oc_workbench *w;
    if (apply_sets(&c->set, &s, &err) != OC_OK ||
        open_workbench(c->session, NULL, &s, &w, &err) != OC_OK)
        return oc_cli_fail(&err);
    catch_interrupts();
    reporter r = {.i_log = oc_workbench_state(w)->n_log};
    int rc = OC_EXIT_DONE;
    bool ran = false;
    // One command at a time, so that `set` after `run` waits for the run as a reader would expect.
    const char *rest = c->command;
    while (rest && *rest && rc == OC_EXIT_DONE && !interrupted) {
        oc_strlist words = {0};
        const char *next = NULL;
        const char *begin = rest;
        if (oc_command_split(begin, &words, &next, &err) != OC_OK) {
            oc_strlist_release(&words);
            rc = oc_cli_fail(&err);
            break;
        }
        oc_strlist_release(&words);
        size_t n = next ? (size_t)(next - begin) : strlen(begin);
        char *one = oc_strndup(begin, n);
        oc_reply reply = {0};
        if (!one || oc_workbench_do(w, one, "cli", &reply, &err) != OC_OK)
            rc = oc_cli_fail(&err);
        else if (oc_cli_print(&reply.text) != OC_EXIT_DONE)
            rc = OC_EXIT_FAILED;
        oc_free(one);
        oc_reply_release(&reply);
        if (rc == OC_EXIT_DONE && oc_workbench_busy(w)) {
            ran = true;
            wait_idle(w, &r);
        }
        rest = next;
    }
    oc_workbench_drain(w);
    return finish(w, c, interrupted ? OC_EXIT_INTERRUPTED : rc, ran);
}

static int run_recipe(oc_cli *c, const char *recipe, bool demo)
{
    oc_settings s;
    oc_settings_init(&s);
    oc_err err = {0};
    if (oc_cli_recipe(recipe, &s, &err) != OC_OK || apply_sets(&c->set, &s, &err) != OC_OK ||
        oc_settings_check_run(&s, &err) != OC_OK)
        return oc_cli_fail(&err);
    char base[64];
    oc_strlcpy(base, oc_path_base(recipe), sizeof base);
    if (oc_str_ends(base, ".json"))
        base[strlen(base) - 5] = 0;
    return start(c, base, &s, "run", demo);
}

int oc_cli_run(oc_cli *c)
{
    if (c->arg.n != 2)
        return oc_cli_usage(
            "run takes one recipe: a JSON file, or the name of a built-in one (optimclm run demo)");
    return run_recipe(c, c->arg.item[1], false);
}

int oc_cli_demo(oc_cli *c)
{
    if (c->arg.n != 1)
        return oc_cli_usage("demo takes no arguments; --set KEY=VALUE changes its settings");
    return run_recipe(c, "demo", true);
}

int oc_cli_stage(oc_cli *c)
{
    const char *stage = c->arg.item[0];
    if (c->arg.n < 2)
        return oc_cli_usage(
            "%s needs a model folder, and data by --set data.train=... (or --set data.source=notes)",
            stage);
    oc_settings s;
    oc_settings_init(&s);
    oc_err err = {0};
    bool teachers = !strcmp(stage, "finetune") || !strcmp(stage, "distill");
    oc_buf models = {0};
    for (int64_t i = 1; i < c->arg.n; i++)
        oc_buf_fmt(&models, "%s%s", i > 1 ? "," : "", c->arg.item[i]);
    char stages[64];
    snprintf(stages, sizeof stages, "%s%s,evaluate", stage,
             !strcmp(stage, "prune") ? ",recover" : "");
    oc_status st = OC_OK;
    if (!teachers && c->arg.n > 2)
        st = OC_FAIL(&err, OC_USAGE, "%s takes one model folder", stage);
    if (st == OC_OK)
        st = oc_settings_set(&s, "run.stages", stages, &err);
    if (st == OC_OK)
        st = oc_settings_set(&s, teachers ? "teacher.models" : "run.model", oc_buf_cstr(&models),
                             &err);
    if (st == OC_OK && !strcmp(stage, "distill"))
        st = oc_settings_set(&s, "teacher.finetune", "false", &err);
    if (st == OC_OK)
        st = apply_sets(&c->set, &s, &err);
    if (st == OC_OK)
        st = oc_settings_check_run(&s, &err);
    oc_buf_release(&models);
    return st == OC_OK ? start(c, stage, &s, "run", false) : oc_cli_fail(&err);
}
