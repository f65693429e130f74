#include "core/measure/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 8192 };

static void absent(oc_peer *p, const char *why)
{
    snprintf(p->reason, sizeof p->reason, "%.199s", why);
    oc_peer_stop(p);
}

static bool spawn(oc_peer *p, const char *const argv[], const char *log)
{
    int in[2], out[2];
    if (pipe(in) != 0)
        return false;
    if (pipe(out) != 0) {
        close(in[0]);
        close(in[1]);
        return false;
    }
    p->pid = fork();
    if (p->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        int err = open(log ? log : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (err >= 0)
            dup2(err, 2);
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        union {
            const char *const *c;
            char *const *v;
        } a = {.c = argv};
        execvp(argv[0], a.v);
        dprintf(1, "absent %s: %s\n", argv[0],
                strerror(errno)); // not what the parent's stdout holds
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    if (p->pid < 0) {
        p->pid = 0;
        close(in[1]);
        close(out[0]);
        return false;
    }
    p->to = fdopen(in[1], "w");
    p->from = fdopen(out[0], "r");
    return p->to && p->from;
}

static void take_variants(oc_peer *p, char *list)
{
    char *save = NULL;
    for (char *v = strtok_r(list, "|", &save); v; v = strtok_r(NULL, "|", &save)) {
        if (p->n_variants == OC_PEER_MAX_VARIANTS)
            return;
        if (sscanf(v, "%15s %31s", p->variant[p->n_variants].part,
                   p->variant[p->n_variants].variant) == 2)
            p->n_variants++;
    }
}

void oc_peer_start(oc_peer *p, const char *name, const char *const argv[], const char *log)
{
    char line[LINE];
    *p = (oc_peer){0};
    snprintf(p->name, sizeof p->name, "%s", name);
    if (!spawn(p, argv, log)) {
        absent(p, "it could not be started");
        return;
    }
    if (!fgets(line, sizeof line, p->from)) {
        absent(p, "it ended before it said anything");
        return;
    }
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "ready ", 6) != 0) {
        absent(p, strncmp(line, "absent ", 7) ? "it did not say that it is ready" : line + 7);
        return;
    }
    char *bar = strchr(line, '|');
    if (bar)
        *bar = 0;
    snprintf(p->name, sizeof p->name, "%.79s", line + 6);
    if (bar)
        take_variants(p, bar + 1);
}

void oc_peer_stop(oc_peer *p)
{
    if (p->to)
        fclose(p->to);
    if (p->from)
        fclose(p->from);
    p->to = p->from = NULL;
    if (p->pid > 0)
        waitpid(p->pid, NULL, 0);
    p->pid = 0;
}

static bool refuse(oc_peer_reply *r, const char *why)
{
    snprintf(r->reason, sizeof r->reason, "%.199s", why);
    return false;
}

bool oc_peer_ask(oc_peer *p, const char *request, oc_peer_reply *r)
{
    char line[LINE];
    *r = (oc_peer_reply){0};
    if (p->pid <= 0)
        return refuse(r, p->reason);
    fprintf(p->to, "%s\n", request);
    if (fflush(p->to) != 0 || !fgets(line, sizeof line, p->from)) {
        absent(p, "it died");
        return refuse(r, p->reason);
    }
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "ok", 2) != 0)
        return refuse(r, strncmp(line, "no ", 3) ? line : line + 3);
    char *at = line + 2, *end;
    for (double v = strtod(at, &end); end != at && r->n < OC_PEER_MAX_RUNS; v = strtod(at, &end)) {
        r->ms[r->n++] = v;
        at = end;
    }
    at += strcspn(at, ";");
    if (*at != ';' || sscanf(at + 1, "%lf %lf", &r->logit[0], &r->logit[1]) != 2 || r->n == 0)
        return refuse(r, "its answer was not understood");
    return true;
}
