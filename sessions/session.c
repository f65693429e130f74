#include "sessions/session.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "sessions/journal.h"

oc_status oc_sessions_root(char out[OC_PATH_MAX], oc_err *err)
{
    const char *own = getenv("OPTIMCLM_SESSIONS");
    if (own && *own)
        return oc_path_join(out, "", own, err);
    const char *state = getenv("XDG_STATE_HOME");
    if (state && *state == '/') // the XDG rules: a relative path there is to be ignored
        return oc_path_join(out, state, "optimclm/sessions", err);
    const char *home = getenv("HOME");
    if (!home || !*home) {
        const struct passwd *pw = getpwuid(getuid());
        home = pw ? pw->pw_dir : NULL;
    }
    if (!home || !*home)
        return OC_FAIL(err, OC_IO,
                       "no home folder is known; say in OPTIMCLM_SESSIONS where sessions are kept");
    return oc_path_join(out, home, ".local/state/optimclm/sessions", err);
}

oc_status oc_session_journal(const char *dir, char out[OC_PATH_MAX], oc_err *err)
{
    return oc_path_join(out, dir, "events.jsonl", err);
}

static bool has_journal(const char *dir)
{
    char p[OC_PATH_MAX];
    return oc_session_journal(dir, p, NULL) == OC_OK && oc_path_exists(p);
}

oc_status oc_sessions_names(oc_strlist *out, oc_err *err)
{
    char root[OC_PATH_MAX];
    OC_TRY(oc_sessions_root(root, err));
    if (!oc_path_is_dir(root))
        return OC_OK;
    oc_strlist all = {0};
    oc_status rc = oc_dir_list(root, &all, err);
    for (int64_t i = 0; rc == OC_OK && i < all.n; i++) {
        char dir[OC_PATH_MAX];
        if (oc_path_join(dir, root, all.item[i], NULL) == OC_OK && has_journal(dir))
            rc = oc_strlist_add(out, all.item[i], strlen(all.item[i]), err);
    }
    oc_strlist_release(&all);
    return rc;
}

/* A name someone may have meant: one that contains it (the newest), else the nearest spelling. */
static const char *meant(const oc_strlist *names, const char *name)
{
    for (int64_t i = names->n - 1; i >= 0; i--)
        if (strstr(names->item[i], name))
            return names->item[i];
    return names->n
               ? oc_nearest(name, (const char *const *)names->item, (int)OC_MIN(names->n, 10000))
               : NULL;
}

static oc_status not_there(const char *name, const char *dir, oc_err *err)
{
    if (strchr(name, '/'))
        return OC_FAIL(err, OC_IO, "%s is no session: it has no events.jsonl", dir);
    oc_strlist names = {0};
    oc_status rc = oc_sessions_names(&names, err);
    if (rc == OC_OK) {
        const char *near = meant(&names, name);
        rc = near ? OC_FAIL(err, OC_IO, "there is no session '%.100s'; did you mean '%s'?", name,
                            near)
                  : OC_FAIL(err, OC_IO,
                            "there is no session '%.100s'; 'sessions' lists those there are", name);
    }
    oc_strlist_release(&names);
    return rc;
}

oc_status oc_session_path(const char *name, bool must_exist, char out[OC_PATH_MAX], oc_err *err)
{
    if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
        return OC_FAIL(err, OC_USAGE,
                       "'%s' cannot name a session; use letters, digits, '-', '_' and '.'", name);
    for (const char *p = name; *p; p++)
        if (iscntrl((unsigned char)*p))
            return OC_FAIL(err, OC_USAGE, "a session's name cannot hold control characters");
    char dir[OC_PATH_MAX];
    if (strchr(name, '/')) {
        OC_TRY(oc_path_join(dir, "", name, err));
    } else {
        char root[OC_PATH_MAX];
        OC_TRY(oc_sessions_root(root, err));
        OC_TRY(oc_path_join(dir, root, name, err));
    }
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        dir[--n] = 0;
    if (must_exist && !has_journal(dir))
        return not_there(name, dir, err);
    memcpy(out, dir, n + 1);
    return OC_OK;
}

oc_status oc_session_fresh_name(const char *base, char out[128], oc_err *err)
{
    char utc[24], clean[64];
    oc_fmt_utc(utc, oc_wall_ms()); // 2025-03-01T12:30:05Z
    size_t n = 0;
    for (const char *p = base; *p && n + 1 < sizeof clean; p++)
        clean[n++] = isalnum((unsigned char)*p) || strchr("._-", *p) ? *p : '-';
    clean[n] = 0;
    for (int i = 1; i < 10000; i++) {
        char name[128], dir[OC_PATH_MAX], suffix[16] = "";
        if (i > 1)
            snprintf(suffix, sizeof suffix, "-%d", i);
        snprintf(name, sizeof name, "%.4s%.2s%.2s-%.2s%.2s-%s%s", utc, utc + 5, utc + 8, utc + 11,
                 utc + 14, *clean ? clean : "session", suffix);
        OC_TRY(oc_session_path(name, false, dir, err));
        if (!oc_path_exists(dir)) {
            strcpy(out, name);
            return OC_OK;
        }
    }
    return OC_FAIL(err, OC_IO,
                   "no free session name is left for this minute; name it with --session");
}

oc_status oc_session_load(const char *name, oc_state **out, oc_err *err)
{
    char dir[OC_PATH_MAX], path[OC_PATH_MAX];
    OC_TRY(oc_session_path(name, true, dir, err));
    OC_TRY(oc_session_journal(dir, path, err));
    oc_reader *r = NULL;
    oc_state *s = NULL;
    oc_status rc;
    OC_TRY_GOTO(out, rc, oc_reader_open(path, &r, err));
    OC_TRY_GOTO(out, rc, oc_state_new(&s, err));
    oc_strlcpy(s->dir, dir, sizeof s->dir);
    for (bool got = true; got;) {
        oc_event e;
        OC_TRY_GOTO(out, rc, oc_reader_next(r, &e, &got, err));
        if (got)
            OC_TRY_GOTO(out, rc, oc_state_fold(s, &e, err));
    }
    s->n_bad = oc_reader_bad(r);
    *out = s;
    s = NULL;
out:
    oc_reader_close(r);
    oc_state_free(s);
    return rc;
}

bool oc_session_running(const char *name)
{
    char dir[OC_PATH_MAX], path[OC_PATH_MAX];
    return oc_session_path(name, false, dir, NULL) == OC_OK &&
           oc_session_journal(dir, path, NULL) == OC_OK && oc_journal_locked(path);
}

bool oc_session_crashed(const oc_state *s)
{
    if (!s->live)
        return false;
    // The lock is the sure sign: it goes with its process, whatever ended it, on any machine.
    char path[OC_PATH_MAX];
    if (s->dir[0] && oc_session_journal(s->dir, path, NULL) == OC_OK && oc_path_exists(path))
        return !oc_journal_locked(path);
    int64_t pid = s->session.pid;
    return pid <= 0 || pid > INT32_MAX || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

/* The run that was training last, as " at step 120". */
static void at_step(const oc_state *s, char out[32])
{
    out[0] = 0;
    if (s->i_run >= 0 && s->run[s->i_run].step > 0 && strcmp(s->run[s->i_run].status, "done") != 0)
        snprintf(out, 32, " at step %lld", (long long)s->run[s->i_run].step);
}

static bool all_done(const oc_state *s)
{
    for (int64_t i = 0; i < s->n_stages; i++)
        if (strcmp(s->stage[i].status, "done") != 0 && strcmp(s->stage[i].status, "kept") != 0)
            return false;
    return s->n_stages > 0;
}

void oc_session_standing(const oc_state *s, char out[96])
{
    char step[32];
    at_step(s, step);
    const oc_stage_state *g = NULL;
    for (int64_t i = 0; i < s->n_stages; i++)
        if (!strcmp(s->stage[i].status, "failed"))
            g = &s->stage[i];
    if (oc_session_crashed(s) && !all_done(s) && s->n_stages)
        snprintf(out, 96, "CRASHED%s", step);
    else if (s->live && !oc_session_crashed(s) && !strcmp(s->job.state, "running"))
        snprintf(out, 96, "RUNNING%s", step);
    else if (s->live && !oc_session_crashed(s) && !strcmp(s->job.state, "paused"))
        snprintf(out, 96, "paused%s", step);
    else if (all_done(s))
        snprintf(out, 96, "done");
    else if (g)
        snprintf(out, 96, "failed in %s", g->kind);
    else if (s->n_stages && !strcmp(s->job.state, "cancelled"))
        snprintf(out, 96, "cancelled%s", step);
    else if (s->n_stages)
        snprintf(out, 96, "stopped%s", step);
    else
        snprintf(out, 96, "%s", oc_session_crashed(s) ? "CRASHED" : s->live ? "open" : "empty");
}
