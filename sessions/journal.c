#include "sessions/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/str.h"

enum { SYNC_NS = 2000000000, LOCK_TRIES = 20, LOCK_WAIT_MS = 10 };

struct oc_journal {
    int fd;
    char path[OC_PATH_MAX];
    int64_t seq;       /* of the newest record */
    oc_buf pending;    /* lines, or the rest of one, that the disk did not take yet */
    bool dirty;        /* written, not synced */
    int64_t synced_ns; /* last sync */
};

/* --- opening ----------------------------------------------------------------------------------- */

/* The process that last said it opened this journal, if it is still there; 0 when not known. */
static int64_t writer_pid(const char *path)
{
    oc_reader *r;
    if (oc_reader_open(path, &r, NULL) != OC_OK)
        return 0;
    int64_t pid = 0;
    oc_event e;
    for (bool got = true; got && oc_reader_next(r, &e, &got, NULL) == OC_OK;)
        if (got && e.type == OC_EV_session_T)
            pid = e.u.session.pid;
    oc_reader_close(r);
    return pid > 0 && pid < INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

static oc_status lock(int fd, const char *path, oc_err *err)
{
    // Someone may be asking whether we run (oc_journal_locked): that takes the lock for an instant.
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return OC_OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return OC_FAIL_SYS(err, OC_IO, "cannot lock %s: %s", path, strerror(errno));
        oc_sleep_ms(LOCK_WAIT_MS);
    }
    int64_t pid = writer_pid(path);
    char who[48] = "another process";
    if (pid)
        snprintf(who, sizeof who, "process %lld", (long long)pid);
    return OC_FAIL(
        err, OC_STATE,
        "the session is open in %s (%s is locked); close it there, or watch it with 'attach'", who,
        path);
}

bool oc_journal_locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return locked;
}

/* Find the newest whole record and cut off what a crash left behind it. */
static oc_status recover(oc_journal *j, oc_err *err)
{
    oc_reader *r;
    OC_TRY(oc_reader_open(j->path, &r, err));
    oc_event e;
    bool got = true;
    int64_t n = 0;
    oc_status rc = OC_OK;
    while (rc == OC_OK && got) {
        rc = oc_reader_next(r, &e, &got, err);
        if (rc == OC_OK && got) {
            j->seq = e.seq;
            n++;
        }
    }
    int64_t whole = oc_reader_offset(r), bad = oc_reader_bad(r);
    oc_reader_close(r);
    OC_TRY(rc);
    struct stat st;
    if (fstat(j->fd, &st) != 0)
        return OC_FAIL_SYS(err, OC_IO, "cannot look at %s: %s", j->path, strerror(errno));
    if (st.st_size == whole && !(bad && !n))
        return OC_OK;
    // A first record that was cut begins like one. Anything else is somebody's other file.
    char head = 0;
    if (n == 0 && (bad > 0 || pread(j->fd, &head, 1, 0) != 1 || head != '['))
        return OC_FAIL(err, OC_FORMAT, "%s is not a session journal: it has no readable record",
                       j->path);
    if (ftruncate(j->fd, (off_t)whole) != 0)
        return OC_FAIL_SYS(err, OC_IO, "cannot cut the unfinished last line of %s: %s", j->path,
                           strerror(errno));
    j->dirty = true;
    return OC_OK;
}

oc_status oc_journal_open(const char *path, oc_journal **out, oc_err *err)
{
    if (strlen(path) >= OC_PATH_MAX)
        return OC_FAIL(err, OC_RANGE, "the path is too long: %.80s...", path);
    oc_journal *j = oc_calloc(1, sizeof *j);
    if (!j)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    oc_strlcpy(j->path, path, sizeof j->path);
    oc_status rc = OC_OK;
    j->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
    if (j->fd < 0) {
        rc = OC_FAIL_SYS(err, OC_IO, "cannot open the journal %s: %s", path, strerror(errno));
        goto out;
    }
    struct stat st;
    if (fstat(j->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = OC_FAIL(err, OC_IO, "the journal %s is not a regular file", path);
        goto out;
    }
    OC_TRY_GOTO(out, rc, lock(j->fd, path, err));
    OC_TRY_GOTO(out, rc, recover(j, err));
    j->synced_ns = oc_now_ns();
    *out = j;
out:
    if (rc != OC_OK) {
        if (j->fd >= 0)
            close(j->fd);
        oc_free(j);
    }
    return rc;
}

/* --- writing ----------------------------------------------------------------------------------- */

/* Hand the pending bytes to the kernel; what it refuses stays pending (also half a line). */
static oc_status flush(oc_journal *j, oc_err *err)
{
    size_t done = 0;
    oc_status rc = OC_OK;
    while (done < j->pending.len) {
        ssize_t k = write(j->fd, j->pending.data + done, j->pending.len - done);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            if (k == 0)
                errno = ENOSPC;
            rc = OC_FAIL_SYS(err, OC_IO, "cannot write the journal %s: %s", j->path,
                             strerror(errno));
            break;
        }
        done += (size_t)k;
        j->dirty = true;
    }
    if (done == j->pending.len) {
        oc_buf_clear(&j->pending);
    } else if (done) {
        memmove(j->pending.data, j->pending.data + done, j->pending.len - done + 1);
        j->pending.len -= done;
    }
    return rc;
}

/* Events after which a power cut may lose nothing. */
static bool is_landmark(oc_event_type t)
{
    return t == OC_EV_ckpt_T || t == OC_EV_alert_T || t == OC_EV_exit_T || t == OC_EV_session_T;
}

oc_status oc_journal_append(oc_journal *j, oc_event *e, oc_err *err)
{
    oc_buf line = {0};
    e->seq = j->seq + 1;
    oc_event_encode(e, &line);
    oc_status rc = oc_buf_check(&line, err);
    if (rc == OC_OK) {
        line.data[--line.len] = 0; // the closing bracket comes after the checksum
        uint32_t crc = oc_crc32c(0, line.data, line.len);
        size_t before = j->pending.len;
        oc_buf_add(&j->pending, line.data, line.len);
        oc_buf_fmt(&j->pending, ",\"%08x\"]\n", (unsigned)crc);
        if (j->pending.failed) {
            j->pending.failed = false;
            j->pending.len = before;
            if (j->pending.data)
                j->pending.data[before] = 0;
            rc = OC_FAIL(err, OC_NOMEM, "out of memory: an event could not be journalled");
        }
    }
    oc_buf_release(&line);
    OC_TRY(rc);
    j->seq = e->seq;
    OC_TRY(flush(j, err));
    return is_landmark(e->type) ? oc_journal_sync(j, err) : OC_OK;
}

oc_status oc_journal_sync(oc_journal *j, oc_err *err)
{
    OC_TRY(flush(j, err));
    j->synced_ns = oc_now_ns();
    if (!j->dirty)
        return OC_OK;
    // EINVAL, EROFS: a file system that has no such thing as syncing.
    if (fdatasync(j->fd) != 0 && errno != EINVAL && errno != EROFS)
        return OC_FAIL_SYS(err, OC_IO, "cannot sync the journal %s: %s", j->path, strerror(errno));
    j->dirty = false;
    return OC_OK;
}

void oc_journal_tick(oc_journal *j, int64_t now_ns)
{
    if ((!j->dirty && !j->pending.len) || now_ns - j->synced_ns < SYNC_NS)
        return;
    oc_status rc = oc_journal_sync(j, NULL);
    (void)rc; // still full: tried again in two seconds, and told by the next append
    j->synced_ns = now_ns;
}

int64_t oc_journal_pending(const oc_journal *j)
{
    return (int64_t)j->pending.len;
}
int64_t oc_journal_last_seq(const oc_journal *j)
{
    return j->seq;
}

void oc_journal_close(oc_journal *j)
{
    if (!j)
        return;
    oc_status rc = oc_journal_sync(j, NULL);
    (void)rc; // what the disk refused is lost; a half line is cut off at the next open
    close(j->fd);
    oc_buf_release(&j->pending);
    oc_free(j);
}
