/*
 * core/base/err.h - how anything in optimclm fails.
 *
 * A fallible function returns oc_status and takes `oc_err *err` last (may be NULL). Results come
 * through out-parameters, written only on success. An oc_err is a plain value: no allocation, can
 * cross threads, goes into the journal, is shown as it is. It is untouched on success; the first
 * failure wins and outer layers may append where they were (oc_err_note).
 */
#ifndef OC_BASE_ERR_H
#define OC_BASE_ERR_H

#include "core/base/attr.h"

/* Add a status only when a caller would act differently on it. */
#define OC_STATUS_LIST(X)             \
    X(OK, "ok")                       \
    X(NOMEM, "out of memory")         \
    X(IO, "input/output error")       \
    X(FORMAT, "malformed input")      \
    X(SHAPE, "shapes do not fit")     \
    X(RANGE, "value out of range")    \
    X(UNSUPPORTED, "not supported")   \
    X(CANCELLED, "cancelled")         \
    X(STATE, "not possible now")      \
    X(NUMERIC, "not a finite number") \
    X(USAGE, "wrong usage")

typedef enum {
#define OC_X(name, text) OC_##name,
    OC_STATUS_LIST(OC_X)
#undef OC_X
} oc_status_code;

typedef oc_status_code oc_status;

typedef struct oc_err {
    oc_status status;
    int sys_errno;    /* errno of the failed call, 0 when none */
    const char *file; /* source file, for logs */
    int line;
    char msg[512]; /* one sentence: what happened, where (file, row, tensor), what was expected */
} oc_err;

/* Fixed text of a status, e.g. "malformed input". */
const char *oc_status_text(oc_status st);

/* Record a failure unless err is NULL or already holds one. */
void oc_fail(oc_err *err, oc_status st, int sys_errno, const char *file, int line, const char *fmt,
             ...) OC_PRINTF(6, 7);

/* Put "while ...: " context in front of an existing message. */
void oc_err_note(oc_err *err, const char *fmt, ...) OC_PRINTF(2, 3);

/* A broken assumption inside the program: logs and aborts. Never for file content, input or OOM. */
void oc_bug(const char *file, int line, const char *what) OC_NORETURN;

/* The value is the status itself, so that the compiler sees the failing paths. */
#define OC_FAIL(err, st, ...) (oc_fail((err), (st), 0, __FILE__, __LINE__, __VA_ARGS__), (st))
/* For a failed system call: keeps errno; write strerror(errno) into the message yourself. */
#define OC_FAIL_SYS(err, st, ...) \
    (oc_fail((err), (st), errno, __FILE__, __LINE__, __VA_ARGS__), (st))
#define OC_TRY(call)               \
    do {                           \
        oc_status oc_st_ = (call); \
        if (oc_st_ != OC_OK)       \
            return oc_st_;         \
    } while (0)
#define OC_TRY_GOTO(label, rc, call) \
    do {                             \
        (rc) = (call);               \
        if ((rc) != OC_OK)           \
            goto label;              \
    } while (0)
#define OC_BUG(what) oc_bug(__FILE__, __LINE__, (what))
#define OC_CHECK(cond)     \
    do {                   \
        if (!(cond))       \
            OC_BUG(#cond); \
    } while (0)

#endif
