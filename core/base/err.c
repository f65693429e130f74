#include "core/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/str.h"

const char *oc_status_text(oc_status st)
{
    static const char *const text[] = {
#define OC_X(name, words) words,
        OC_STATUS_LIST(OC_X)
#undef OC_X
    };
    return (int)st >= 0 && (int)st < OC_COUNT(text) ? text[st] : "unknown status";
}

void oc_fail(oc_err *err, oc_status st, int sys_errno, const char *file, int line, const char *fmt,
             ...)
{
    if (!err || err->status != OC_OK)
        return;
    err->status = st;
    err->sys_errno = sys_errno;
    err->file = file;
    err->line = line;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
}

void oc_err_note(oc_err *err, const char *fmt, ...)
{
    if (!err || err->status == OC_OK)
        return;
    char old[sizeof err->msg];
    memcpy(old, err->msg, sizeof old);
    char where[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(where, sizeof where, fmt, ap);
    va_end(ap);
    // The context comes first; what happened is the end of the sentence and must not be cut first.
    size_t n_old = strlen(old);
    size_t room = sizeof err->msg - 3;
    size_t n_where = OC_MIN(strlen(where), room - OC_MIN(room, n_old));
    if (n_where < OC_MIN(strlen(where), (size_t)8))
        return;
    memcpy(err->msg, where, n_where);
    memcpy(err->msg + n_where, ": ", 2);
    size_t n = OC_MIN(n_old, room - n_where);
    memcpy(err->msg + n_where + 2, old, n);
    err->msg[n_where + 2 + n] = 0;
}

void oc_bug(const char *file, int line, const char *what)
{
    oc_log(OC_LOG_ERROR, "bug at %s:%d: %s", file, line, what);
    abort();
}
