/*
 * Reading a journal, also while it grows. The file is read in pieces; a line that is not whole, or
 * bad and the last one, is given back to the file: the next call reads it again from its offset.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/str.h"
#include "sessions/journal.h"

/* The longest event is a few kB; a longer line than LONGEST is no event and is not held in memory. */
enum { PIECE = 1 << 16, LONGEST = 1 << 17, CRC_TAIL = 12 }; // CRC_TAIL: ,"0123abcd"]

struct oc_reader {
    int fd;
    char path[OC_PATH_MAX];
    char *buf; /* owned [LONGEST + 2 * PIECE]: a line short of LONGEST, and two pieces read on */
    size_t begin, end; /* bytes at hand: buf[begin, end) */
    int64_t offset;    /* in the file, of buf[begin] */
    int64_t whole;     /* in the file, behind the last whole line taken */
    int64_t last_seq, n_bad;
    bool skipping; /* inside a line that is too long */
};

oc_status oc_reader_open(const char *path, oc_reader **out, oc_err *err)
{
    if (strlen(path) >= OC_PATH_MAX)
        return OC_FAIL(err, OC_RANGE, "the path is too long: %.80s...", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return OC_FAIL_SYS(err, OC_IO, "cannot open the journal %s: %s", path, strerror(errno));
    struct stat st;
    oc_reader *r = NULL;
    oc_status rc = OC_OK;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = OC_FAIL(err, OC_IO, "the journal %s is not a regular file", path);
        goto out;
    }
    r = oc_calloc(1, sizeof *r);
    if (r)
        r->buf = oc_alloc(LONGEST + 2 * PIECE);
    if (!r || !r->buf) {
        rc = OC_FAIL(err, OC_NOMEM, "out of memory reading %s", path);
        goto out;
    }
    r->fd = fd;
    oc_strlcpy(r->path, path, sizeof r->path);
    *out = r;
    return OC_OK;
out:
    close(fd);
    oc_free(r);
    return rc;
}

void oc_reader_close(oc_reader *r)
{
    if (!r)
        return;
    close(r->fd);
    oc_free(r->buf);
    oc_free(r);
}

int64_t oc_reader_bad(const oc_reader *r)
{
    return r->n_bad;
}
int64_t oc_reader_offset(const oc_reader *r)
{
    return r->whole;
}

/* More bytes behind those at hand; *n = 0 at the end of the file. */
static oc_status fill(oc_reader *r, size_t *n, oc_err *err)
{
    if (r->begin > 0) {
        memmove(r->buf, r->buf + r->begin, r->end - r->begin);
        r->end -= r->begin;
        r->begin = 0;
    }
    ssize_t k;
    do
        k = pread(r->fd, r->buf + r->end, PIECE, (off_t)(r->offset + (int64_t)r->end));
    while (k < 0 && errno == EINTR);
    if (k < 0)
        return OC_FAIL_SYS(err, OC_IO, "cannot read the journal %s: %s", r->path, strerror(errno));
    r->end += (size_t)k;
    *n = (size_t)k;
    return OC_OK;
}

static void consume(oc_reader *r, size_t n)
{
    r->begin += n;
    r->offset += (int64_t)n;
}

static void consume_line(oc_reader *r, size_t n)
{
    consume(r, n + 1);
    r->whole = r->offset;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The checksum at the end of a line, and the line without it. */
static bool checksum_holds(const char *line, size_t n)
{
    if (n < CRC_TAIL || memcmp(line + n - CRC_TAIL, ",\"", 2) != 0 ||
        memcmp(line + n - 2, "\"]", 2) != 0)
        return false;
    uint32_t want = 0;
    for (size_t i = n - CRC_TAIL + 2; i < n - 2; i++) {
        int v = hex(line[i]);
        if (v < 0)
            return false;
        want = want << 4 | (uint32_t)v;
    }
    return oc_crc32c(0, line, n - CRC_TAIL) == want;
}

/* OC_OK with *good false: not a record. Only running out of memory is an error. */
static oc_status parse(const oc_reader *r, char *line, size_t n, oc_event *e, bool *good,
                       oc_err *err)
{
    *good = false;
    if (!checksum_holds(line, n))
        return OC_OK;
    size_t body = n - CRC_TAIL;
    char keep = line[body];
    line[body] = ']';
    oc_err inner = {0};
    oc_event got;
    oc_status rc = oc_event_decode(line, body + 1, &got, &inner);
    line[body] = keep;
    if (rc == OC_NOMEM)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", r->path);
    // Numbers only rise: a line seen before, or pasted in, is not the next event.
    if (rc == OC_OK && got.seq > r->last_seq) {
        *e = got;
        *good = true;
    }
    return OC_OK;
}

/* The next line: *n bytes at buf[begin], newline not counted. *got false: no whole line yet. */
static oc_status next_line(oc_reader *r, size_t *n, bool *got, oc_err *err)
{
    size_t seen = 0; // bytes at hand without a newline
    for (;;) {
        const char *nl = r->end > r->begin + seen
                             ? memchr(r->buf + r->begin + seen, '\n', r->end - r->begin - seen)
                             : NULL;
        if (nl && r->skipping) {
            consume_line(r, (size_t)(nl - (r->buf + r->begin)));
            r->skipping = false;
            r->n_bad++;
            seen = 0;
            continue;
        }
        if (nl) {
            *n = (size_t)(nl - (r->buf + r->begin));
            *got = true;
            return OC_OK;
        }
        seen = r->end - r->begin;
        if (seen >= LONGEST) {
            r->skipping = true;
            consume(r, seen);
            seen = 0;
        }
        size_t more;
        OC_TRY(fill(r, &more, err));
        if (more == 0) {
            *got = false;
            return OC_OK;
        }
    }
}

/* Does anything follow the line of n bytes at buf[begin]? */
static oc_status is_last(oc_reader *r, size_t n, bool *last, oc_err *err)
{
    size_t more = 0;
    if (r->begin + n + 1 == r->end)
        OC_TRY(fill(r, &more, err));
    *last = r->begin + n + 1 == r->end;
    return OC_OK;
}

oc_status oc_reader_next(oc_reader *r, oc_event *e, bool *got, oc_err *err)
{
    for (;;) {
        size_t n = 0;
        bool line = false, good = false, last = false;
        OC_TRY(next_line(r, &n, &line, err));
        if (!line)
            break;
        OC_TRY(parse(r, r->buf + r->begin, n, e, &good, err));
        if (good) {
            r->last_seq = e->seq;
            consume_line(r, n);
            *got = true;
            return OC_OK;
        }
        OC_TRY(is_last(r, n, &last, err));
        if (last)
            break;
        r->n_bad++;
        consume_line(r, n);
    }
    // Not yet written, as far as we can tell: look at the same place again next time.
    r->begin = r->end = 0;
    r->offset = r->whole;
    r->skipping = false;
    *got = false;
    return OC_OK;
}
