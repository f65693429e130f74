/* Commands that ask the engine for something. */
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "sessions/workbench_parts.h"

static oc_status ask(oc_workbench *w, oc_req_kind kind, const char *text, oc_err *err)
{
    oc_request r = {.kind = kind};
    oc_strlcpy(r.text, text, sizeof r.text);
    return oc_workbench_request(w, &r, err);
}

static oc_status must_run(const oc_workbench *w, oc_err *err)
{
    if (oc_workbench_busy(w))
        return OC_OK;
    return w->unfinished
               ? OC_FAIL(
                     err, OC_STATE,
                     "nothing is running; take up the unfinished run with 'continue', or start with 'run'")
               : OC_FAIL(err, OC_STATE, "nothing is running; start with 'run'");
}

/* "mtsamples" of "assets/recipes/mtsamples.json". */
static void recipe_name(const char *path, char out[128])
{
    oc_strlcpy(out, oc_path_base(path), 128);
    if (oc_str_ends(out, ".json"))
        out[strlen(out) - 5] = 0;
}

static const char *stages_of(const oc_workbench *w, char out[OC_TEXT_MAX])
{
    out[0] = 0;
    oc_settings *s = oc_alloc(sizeof *s);
    if (s) {
        oc_workbench_settings(w, s);
        oc_strlcpy(out, s->run_stages, OC_TEXT_MAX);
    }
    oc_free(s);
    return out;
}

static oc_status write_current_recipe(const oc_workbench *w, oc_err *err)
{
    oc_settings *s = oc_alloc(sizeof *s);
    if (!s)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_workbench_settings(w, s);
    oc_status rc = oc__write_recipe(w, s, err);
    oc_free(s);
    return rc;
}

oc_status oc__cmd_run(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    if (oc_workbench_busy(w))
        return OC_FAIL(err, OC_STATE, "a run is going on; 'cancel' it first, or 'pause' it");
    char name[128], stages[OC_TEXT_MAX];
    oc_strlcpy(name, *w->state->recipe ? w->state->recipe : w->base, sizeof name);
    if (argc > 1) {
        int n;
        recipe_name(argv[1], name);
        OC_TRY(oc__apply_recipe(w, argv[1], &n, err));
        oc_buf_fmt(&reply->text, "recipe %s: %d setting%s changed\n", name, n, n == 1 ? "" : "s");
    } else {
        OC_TRY(write_current_recipe(w, err));
    }
    OC_TRY(ask(w, OC_REQ_RUN, name, err));
    oc_buf_fmt(&reply->text, "running %s\n", stages_of(w, stages));
    return OC_OK;
}

oc_status oc__cmd_continue(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    (void)argv;
    if (oc_workbench_busy(w))
        return OC_FAIL(err, OC_STATE, "a run is going on; there is nothing to continue");
    if (!w->state->n_stages)
        return OC_FAIL(err, OC_STATE, "this session has no run to continue; start with 'run'");
    OC_TRY(ask(w, OC_REQ_CONTINUE, w->state->recipe, err));
    oc_buf_str(&reply->text, "continuing from the last checkpoint\n");
    return OC_OK;
}

static oc_status simple(oc_workbench *w, oc_req_kind kind, const char *said, oc_reply *reply,
                        oc_err *err)
{
    OC_TRY(must_run(w, err));
    OC_TRY(ask(w, kind, "", err));
    oc_buf_fmt(&reply->text, "%s\n", said);
    return OC_OK;
}

oc_status oc__cmd_pause(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    (void)argv;
    return simple(w, OC_REQ_PAUSE, "pausing at the next step; 'resume' goes on", reply, err);
}

oc_status oc__cmd_resume(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    (void)argv;
    return simple(w, OC_REQ_RESUME, "going on", reply, err);
}

oc_status oc__cmd_cancel(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    (void)argv;
    return simple(w, OC_REQ_CANCEL, "cancelling at the next step; 'continue' takes it up again",
                  reply, err);
}

oc_status oc__cmd_save(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    (void)argv;
    return simple(w, OC_REQ_SAVE, "a checkpoint is written at the next step", reply, err);
}

oc_status oc__cmd_undo(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)argc;
    (void)argv;
    OC_TRY(ask(w, OC_REQ_UNDO, "", err));
    oc_buf_str(&reply->text, oc_workbench_busy(w) ? "undoing the last change at the next step\n"
                                                  : "the last change of a setting is undone\n");
    return OC_OK;
}

oc_status oc__cmd_note(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    oc_buf text = {0};
    for (int i = 1; i < argc; i++)
        oc_buf_fmt(&text, "%s%s", i > 1 ? " " : "", argv[i]);
    oc_status rc = oc_buf_check(&text, err);
    if (rc == OC_OK && text.len >= OC_TEXT_MAX)
        rc = OC_FAIL(err, OC_USAGE,
                     "the note has %zu bytes; at most %d are kept, so make it two notes", text.len,
                     OC_TEXT_MAX - 1);
    if (rc == OC_OK)
        rc = ask(w, OC_REQ_NOTE, oc_buf_cstr(&text), err);
    if (rc == OC_OK)
        oc_buf_str(&reply->text, "noted\n");
    oc_buf_release(&text);
    return rc;
}

oc_status oc__cmd_quit(oc_workbench *w, int argc, char **argv, oc_reply *reply, oc_err *err)
{
    (void)w;
    (void)argc;
    (void)argv;
    return oc__act(reply, OC_UI_QUIT, "", err);
}
