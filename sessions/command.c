/* The command table, splitting lines into words, and running them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "sessions/workbench_parts.h"

/* In `complete`, "a+b" offers both kinds and "=x|y" these very words. */
/* clang-format off */
static const oc_command table[] = {
    {"set", "KEY [VALUE...]", "setting value", "change a setting, also while a run goes on; without a value, show it", oc__cmd_set},
    {"show", "[KEY|VIEW]", "setting+view", "list settings (all, or those that begin with KEY), or go to a view", oc__cmd_show},
    {"run", "[RECIPE]", "recipe+path", "start the stages of run.stages; with a recipe, take its settings first", oc__cmd_run},
    {"continue", "", "none", "take up the run that was left, from its last checkpoint", oc__cmd_continue},
    {"pause", "", "none", "hold the run at its next step (a checkpoint is written)", oc__cmd_pause},
    {"resume", "", "none", "go on after a pause", oc__cmd_resume},
    {"cancel", "", "none", "end the run at its next step (a checkpoint is written)", oc__cmd_cancel},
    {"undo", "", "none", "take back the last change of a setting, and the training done since", oc__cmd_undo},
    {"save", "", "none", "write a checkpoint now", oc__cmd_save},
    {"note", "TEXT...", "none", "write a note into the session, at the current step", oc__cmd_note},
    {"candidates", "", "none", "the final table: every model with its quality, size and speed", oc__cmd_candidates},
    {"view", "NAME", "view", "go to a view", oc__cmd_view},
    {"open", "SESSION", "session", "leave this session and open another", oc__cmd_open},
    {"compare", "SESSION", "session", "draw another session beside this one", oc__cmd_compare},
    {"replay", "[SESSION]", "session", "watch a recorded session again (this one when none is named)", oc__cmd_replay},
    {"sessions", "", "none", "list all sessions", oc__cmd_sessions},
    {"diff", "A B", "session session", "what differs between two sessions", oc__cmd_diff},
    {"export", "FORMAT PATH", "=csv|jsonl|json|recipe path", "write this session's steps (csv), events (jsonl), final table (json) or settings (recipe)", oc__cmd_export},
    {"alert", "", "none", "list the warnings and errors so far", oc__cmd_alert},
    {"theme", "NAME", "theme", "change the colours", oc__cmd_theme},
    {"glyphs", "SET", "=auto|braille|block|ascii", "draw with braille, block or plain ASCII characters", oc__cmd_glyphs},
    {"help", "[COMMAND|SETTING]", "command+setting", "say what a command or a setting does", oc__cmd_help},
    {"quit", "", "none", "leave; a run that goes on is stopped with a checkpoint", oc__cmd_quit},
};
/* clang-format on */

int oc_command_count(void)
{
    return OC_COUNT(table);
}
const oc_command *oc_command_at(int i)
{
    return &table[i];
}

const oc_command *oc_command_find(const char *name)
{
    for (int i = 0; i < OC_COUNT(table); i++)
        if (!strcmp(table[i].name, name))
            return &table[i];
    return NULL;
}

void oc_reply_release(oc_reply *r)
{
    oc_buf_release(&r->text);
    *r = (oc_reply){0};
}

oc_status oc__act(oc_reply *reply, oc_ui_action action, const char *arg, oc_err *err)
{
    if (strlen(arg) >= sizeof reply->arg)
        return OC_FAIL(err, OC_RANGE, "'%.60s...' is too long; at most %zu bytes are taken", arg,
                       sizeof reply->arg - 1);
    reply->action = action;
    strcpy(reply->arg, arg);
    return OC_OK;
}

/* --- splitting --------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}
static bool ends_command(char c)
{
    return c == ';' || c == '\n' || !c;
}

/* One word at *p into `word`; stops at a blank or the end of the command. */
static oc_status read_word(const char **p, oc_buf *word, oc_err *err)
{
    char quote = 0;
    for (;; ++*p) {
        char c = **p;
        if (!c && quote)
            return OC_FAIL(err, OC_USAGE, "a %s quote is not closed",
                           quote == '"' ? "double" : "single");
        if (!quote && (is_blank(c) || ends_command(c)))
            return OC_OK;
        if (quote ? c == quote : c == '"' || c == '\'') {
            quote = quote ? 0 : c;
        } else if (c == '\\' && quote != '\'') {
            c = *++*p;
            if (!c)
                return OC_FAIL(err, OC_USAGE, "nothing follows the backslash at the end");
            oc_buf_ch(word, c);
        } else {
            oc_buf_ch(word, c);
        }
    }
}

oc_status oc_command_split(const char *line, oc_strlist *words, const char **rest, oc_err *err)
{
    oc_strlist l = {0};
    oc_buf word = {0};
    oc_status rc = OC_OK;
    const char *p = line;
    for (;;) {
        while (is_blank(*p))
            p++;
        if (ends_command(*p))
            break;
        oc_buf_clear(&word);
        OC_TRY_GOTO(out, rc, read_word(&p, &word, err));
        OC_TRY_GOTO(out, rc, oc_buf_check(&word, err));
        OC_TRY_GOTO(out, rc, oc_strlist_add(&l, oc_buf_cstr(&word), word.len, err));
    }
    *words = l;
    l = (oc_strlist){0};
    if (rest)
        *rest = *p ? p + 1 : p;
out:
    oc_buf_release(&word);
    oc_strlist_release(&l);
    return rc;
}

/* --- running ----------------------------------------------------------------------------------- */

/* How many arguments "KEY [VALUE...]" takes: at least *lo, at most *hi (-1: any number). */
static void count_args(const char *args, int *lo, int *hi)
{
    *lo = *hi = 0;
    for (const char *p = args; *p;) {
        size_t n = strcspn(p, " ");
        *lo += *p != '[';
        *hi += *hi >= 0;
        if (n >= 3 && strstr(p, "...") && strstr(p, "...") < p + n)
            *hi = -1;
        p += n;
        p += strspn(p, " ");
    }
}

static oc_status find_command(const oc_strlist *words, const oc_command **out, oc_err *err)
{
    const oc_command *c = oc_command_find(words->item[0]);
    if (!c) {
        const char *names[OC_COUNT(table)];
        for (int i = 0; i < OC_COUNT(table); i++)
            names[i] = table[i].name;
        const char *near = oc_nearest(words->item[0], names, OC_COUNT(table));
        return near ? OC_FAIL(err, OC_USAGE, "unknown command '%.60s'; did you mean '%s'?",
                              words->item[0], near)
                    : OC_FAIL(err, OC_USAGE, "unknown command '%.60s'; 'help' lists them",
                              words->item[0]);
    }
    int lo, hi;
    int64_t n = words->n - 1;
    count_args(c->args, &lo, &hi);
    if (n < lo || (hi >= 0 && n > hi))
        return OC_FAIL(err, OC_USAGE, "usage: %s%s%s (%s)", c->name, *c->args ? " " : "", c->args,
                       c->help);
    *out = c;
    return OC_OK;
}

/* The whole line is looked at before anything in it is done. */
static oc_status check_line(const char *line, oc_err *err)
{
    for (const char *p = line; *p;) {
        oc_strlist words = {0};
        const oc_command *c;
        OC_TRY(oc_command_split(p, &words, &p, err));
        oc_status rc = words.n ? find_command(&words, &c, err) : OC_OK;
        oc_strlist_release(&words);
        OC_TRY(rc);
    }
    return OC_OK;
}

static void journal_command(oc_workbench *w, const char *text, size_t n, const char *source)
{
    while (n && (is_blank(text[n - 1]) || ends_command(text[n - 1])))
        n--;
    while (n && is_blank(*text)) {
        text++;
        n--;
    }
    oc_event e;
    oc_event_init(&e, OC_EV_command_T);
    char *copy = oc_strndup(text, n);
    OC_EV_SET(e.u.command.text, copy ? copy : "(out of memory)");
    oc_free(copy);
    OC_EV_SET(e.u.command.source, source ? source : "");
    oc_workbench_emit(w, &e);
}

static void journal_failure(oc_workbench *w, const char *what)
{
    oc_event e;
    oc_event_init(&e, OC_EV_log_T);
    OC_EV_SET(e.u.log.level, "error");
    OC_EV_SET(e.u.log.text, what);
    oc_workbench_emit(w, &e);
}

static oc_status do_one(oc_workbench *w, const oc_strlist *words, oc_reply *reply, oc_err *err)
{
    const oc_command *c;
    OC_TRY(find_command(words, &c, err));
    oc_err inner = {0};
    oc_status rc = c->run(w, (int)words->n, words->item, reply, &inner);
    if (rc == OC_OK)
        rc = oc_buf_check(&reply->text, &inner);
    if (rc != OC_OK) {
        journal_failure(w, inner.msg);
        if (err && err->status == OC_OK)
            *err = inner;
    }
    return rc;
}

oc_status oc_workbench_do(oc_workbench *w, const char *line, const char *source, oc_reply *reply,
                          oc_err *err)
{
    OC_TRY(check_line(line, err));
    for (const char *p = line; *p && reply->action != OC_UI_QUIT;) {
        const char *begin = p;
        oc_strlist words = {0};
        oc_status rc = oc_command_split(begin, &words, &p, err);
        if (rc == OC_OK && words.n) {
            journal_command(w, begin, (size_t)(p - begin), source);
            rc = do_one(w, &words, reply, err);
        }
        oc_strlist_release(&words);
        OC_TRY(rc);
    }
    return OC_OK;
}
