/* The journal: what was written comes back, whatever happens to the file. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "tests/journal/recorded.h"

static char root[64], path[OC_PATH_MAX];

static int setup(void **state)
{
    (void)state;
    rec_temp(root);
    snprintf(path, sizeof path, "%s/events.jsonl", root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rec_remove(root);
    return 0;
}

/* An event as the text the journal keeps. */
static char *text_of(const oc_event *e)
{
    oc_buf b = {0};
    oc_event_encode(e, &b);
    char *s = oc_buf_take(&b);
    assert_non_null(s);
    return s;
}

typedef struct written {
    recording r;
    char **text;  /* of each event, with its number */
    int64_t *end; /* bytes of the file up to and with event i */
    char *file;
    size_t n;
} written;

static written write_whole(void)
{
    written w = {.r = rec_whole("whole")};
    rec_write(&w.r, root);
    OK(oc_file_read(path, 1 << 24, &w.file, &w.n, err));
    w.text = oc_calloc((size_t)w.r.n, sizeof *w.text);
    w.end = oc_calloc((size_t)w.r.n, sizeof *w.end);
    int64_t at = 0;
    for (int i = 0; i < w.r.n; i++) {
        w.text[i] = text_of(&w.r.e[i]);
        at = (int64_t)((const char *)memchr(w.file + at, '\n', w.n - (size_t)at) - w.file) + 1;
        w.end[i] = at;
    }
    assert_int_equal(at, w.n);
    return w;
}

static void written_free(written *w)
{
    for (int i = 0; i < w->r.n; i++)
        oc_free(w->text[i]);
    oc_free(w->text);
    oc_free(w->end);
    oc_free(w->file);
    rec_free(&w->r);
}

static void put_file(const char *data, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), (ssize_t)n);
    close(fd);
}

/* Read all; each event must be one of those written, in order, none twice. Returns how many. */
static int read_checked(const written *w, int64_t *offset, int64_t *bad)
{
    oc_reader *r;
    OK(oc_reader_open(path, &r, err));
    int n = 0, next = 0;
    for (bool got = true; got;) {
        oc_event e;
        OK(oc_reader_next(r, &e, &got, err));
        if (!got)
            break;
        char *t = text_of(&e);
        while (next < w->r.n && strcmp(t, w->text[next]) != 0)
            next++;
        assert_true(next < w->r.n); // never an event that was not written
        next++;
        n++;
        oc_free(t);
    }
    if (offset)
        *offset = oc_reader_offset(r);
    if (bad)
        *bad = oc_reader_bad(r);
    oc_reader_close(r);
    return n;
}

static void what_is_written_comes_back(void **state)
{
    (void)state;
    written w = write_whole();
    int64_t offset, bad;
    assert_int_equal(read_checked(&w, &offset, &bad), w.r.n);
    assert_int_equal(offset, w.n);
    assert_int_equal(bad, 0);
    for (int i = 0; i < w.r.n; i++)
        assert_int_equal(w.r.e[i].seq, i + 1);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    // Every event type is in the recording.
    bool seen[OC_N_EVENTS] = {false};
    for (int i = 0; i < w.r.n; i++)
        seen[w.r.e[i].type] = true;
    for (int t = 0; t < OC_N_EVENTS; t++)
        if (!seen[t])
            fail_msg("no %s event in the recording", oc_event_name((oc_event_type)t));
    written_free(&w);
}

/* The layout of a line is a promise to other programs. */
static void line_layout(void **state)
{
    (void)state;
    recording r = {0};
    rec_text(&r, OC_EV_log_T, "info", "a");
    rec_write(&r, root);
    char *file;
    size_t n;
    OK(oc_file_read(path, 1 << 20, &file, &n, err));
    const char *body = "[1, 1740832205000, \"log\", {\"level\": \"info\", \"text\": \"a\"}";
    char want[256];
    snprintf(want, sizeof want, "%s,\"%08x\"]\n", body, (unsigned)oc_crc32c(0, body, strlen(body)));
    assert_string_equal(file, want);
    oc_free(file);
    rec_free(&r);
}

static void cut_at_every_byte(void **state)
{
    (void)state;
    written w = write_whole();
    int whole = 0;
    for (size_t cut = 0; cut <= w.n; cut++) {
        while (whole < w.r.n && w.end[whole] <= (int64_t)cut)
            whole++;
        put_file(w.file, cut);
        int64_t offset, bad;
        assert_int_equal(read_checked(&w, &offset, &bad), whole);
        assert_int_equal(offset, whole ? w.end[whole - 1] : 0);
        assert_int_equal(bad, 0);
    }
    written_free(&w);
}

/* Opening for append cuts the torn line away and goes on with the next number. */
static void append_after_cut(void **state)
{
    (void)state;
    written w = write_whole();
    for (size_t cut = 0; cut <= w.n; cut += cut % 97 + 1) {
        int whole = 0;
        while (whole < w.r.n && w.end[whole] <= (int64_t)cut)
            whole++;
        put_file(w.file, cut);
        oc_journal *j;
        OK(oc_journal_open(path, &j, err));
        assert_int_equal(oc_journal_last_seq(j), whole);
        oc_event e;
        oc_event_init(&e, OC_EV_log_T);
        OC_EV_SET(e.u.log.text, "after the cut");
        OK(oc_journal_append(j, &e, err));
        assert_int_equal(e.seq, whole + 1);
        oc_journal_close(j);
        oc_reader *r;
        OK(oc_reader_open(path, &r, err));
        int n = 0;
        oc_event got_e = {0};
        for (bool got = true; got;) {
            oc_event x;
            OK(oc_reader_next(r, &x, &got, err));
            if (got) {
                got_e = x;
                n++;
            }
        }
        assert_int_equal(n, whole + 1);
        assert_string_equal(got_e.u.log.text, "after the cut");
        assert_int_equal(oc_reader_bad(r), 0);
        oc_reader_close(r);
    }
    written_free(&w);
}

/* One flipped bit costs at most the line it is in (two, when it joins them). */
static void flip_at_every_byte(void **state)
{
    (void)state;
    written w = write_whole();
    for (size_t i = 0; i < w.n; i++) {
        int bit = (int)(i * 7 % 8);
        char was = w.file[i];
        w.file[i] = (char)(was ^ (1 << bit));
        put_file(w.file, w.n);
        int hit = 0;
        while (w.end[hit] <= (int64_t)i)
            hit++;
        bool newline = was == '\n';
        int lost = newline && hit + 1 < w.r.n ? 2 : 1;
        int64_t bad;
        assert_int_equal(read_checked(&w, NULL, &bad), w.r.n - lost);
        // The last line is not counted: it may yet be being written.
        if (hit + 1 < w.r.n && !(newline && hit + 2 == w.r.n))
            assert_true(bad >= 1);
        w.file[i] = was;
    }
    written_free(&w);
}

/* All eight bits of one record in the middle, and its checksum's letters in the other case. */
static void every_bit_of_one_record(void **state)
{
    (void)state;
    written w = write_whole();
    for (int64_t i = w.end[9]; i < w.end[10] - 1; i++) {
        for (int bit = 0; bit < 8; bit++) {
            char was = w.file[i];
            w.file[i] = (char)(was ^ (1 << bit));
            put_file(w.file, w.n);
            assert_int_equal(read_checked(&w, NULL, NULL), w.r.n - 1);
            w.file[i] = was;
        }
    }
    written_free(&w);
}

static void repeated_and_foreign_lines_are_skipped(void **state)
{
    (void)state;
    written w = write_whole();
    oc_buf b = {0};
    oc_buf_add(&b, w.file, (size_t)w.end[4]);
    oc_buf_add(&b, w.file + w.end[1], (size_t)(w.end[4] - w.end[1])); // pasted again
    oc_buf_str(&b, "not json\n\n[1,2,3]\n{}\n");
    for (int i = 0; i < 300000; i++) // longer than any event
        oc_buf_ch(&b, 'x');
    oc_buf_ch(&b, '\n');
    oc_buf_add(&b, w.file + w.end[4], w.n - (size_t)w.end[4]);
    put_file(b.data, b.len);
    int64_t offset, bad;
    assert_int_equal(read_checked(&w, &offset, &bad), w.r.n);
    assert_int_equal(bad, 3 + 4 + 1);
    assert_int_equal(offset, b.len);
    oc_buf_release(&b);
    written_free(&w);
}

/* A long torn tail is cut off whole, not in its middle. */
static void long_torn_tail(void **state)
{
    (void)state;
    written w = write_whole();
    oc_buf b = {0};
    oc_buf_add(&b, w.file, w.n);
    for (int i = 0; i < 500000; i++)
        oc_buf_ch(&b, '[');
    put_file(b.data, b.len);
    oc_journal *j;
    OK(oc_journal_open(path, &j, err));
    oc_journal_close(j);
    assert_int_equal(oc_file_bytes(path), w.n);
    oc_buf_release(&b);
    written_free(&w);
}

static void a_file_that_is_no_journal_is_left_alone(void **state)
{
    (void)state;
    static const char *const other[] = {"{\"a\": 1}\n", "id,text\n1,2\n", "hello",
                                        "[1,2]\n[3,4]\n"};
    for (int i = 0; i < OC_COUNT(other); i++) {
        put_file(other[i], strlen(other[i]));
        oc_journal *j;
        oc_err e = {0};
        assert_int_equal(oc_journal_open(path, &j, &e), OC_FORMAT);
        assert_non_null(strstr(e.msg, "is not a session journal"));
        assert_int_equal(oc_file_bytes(path), strlen(other[i]));
    }
    oc_err e = {0};
    oc_journal *j;
    assert_int_equal(oc_journal_open(root, &j, &e), OC_IO);
    oc_reader *r;
    oc_err e2 = {0};
    assert_int_equal(oc_reader_open(root, &r, &e2), OC_IO);
    assert_non_null(strstr(e2.msg, "not a regular file"));
}

static void reading_while_it_grows(void **state)
{
    (void)state;
    written w = write_whole();
    put_file("", 0);
    oc_reader *r;
    OK(oc_reader_open(path, &r, err));
    int fd = open(path, O_WRONLY | O_APPEND);
    int n = 0;
    for (size_t at = 0; at < w.n;) {
        size_t piece = OC_MIN(at % 61 + 1, w.n - at);
        assert_int_equal(write(fd, w.file + at, piece), (ssize_t)piece);
        at += piece;
        for (bool got = true; got;) {
            oc_event e;
            OK(oc_reader_next(r, &e, &got, err));
            if (got) {
                char *t = text_of(&e);
                assert_string_equal(t, w.text[n++]);
                oc_free(t);
            }
        }
        int whole = 0;
        while (whole < w.r.n && w.end[whole] <= (int64_t)at)
            whole++;
        assert_int_equal(n, whole);
    }
    assert_int_equal(oc_reader_bad(r), 0);
    close(fd);
    oc_reader_close(r);
    written_free(&w);
}

/* A torn line seen by a reader, then cut off and replaced by the next writer. */
static void reader_survives_a_truncation(void **state)
{
    (void)state;
    written w = write_whole();
    put_file(w.file, (size_t)w.end[5] + 20);
    oc_reader *r;
    OK(oc_reader_open(path, &r, err));
    int n = 0;
    oc_event e;
    for (bool got = true; got; n += got)
        OK(oc_reader_next(r, &e, &got, err));
    assert_int_equal(n, 6);
    oc_journal *j;
    OK(oc_journal_open(path, &j, err));
    oc_event more;
    oc_event_init(&more, OC_EV_log_T);
    OC_EV_SET(more.u.log.text, "new");
    OK(oc_journal_append(j, &more, err));
    bool got;
    OK(oc_reader_next(r, &e, &got, err));
    assert_true(got);
    assert_int_equal(e.seq, 7);
    assert_string_equal(e.u.log.text, "new");
    oc_journal_close(j);
    oc_reader_close(r);
    written_free(&w);
}

static void two_writers_are_refused(void **state)
{
    (void)state;
    oc_journal *a, *b;
    OK(oc_journal_open(path, &a, err));
    recording r = {0};
    rec_session(&r, "x", false);
    r.e[0].u.session.pid = getpid();
    OK(oc_journal_append(a, &r.e[0], err));
    assert_true(oc_journal_locked(path));
    oc_err e = {0};
    assert_int_equal(oc_journal_open(path, &b, &e), OC_STATE);
    char who[40];
    snprintf(who, sizeof who, "open in process %ld ", (long)getpid());
    if (!strstr(e.msg, who) || !strstr(e.msg, path))
        fail_msg("the message should name process and file: %s", e.msg);
    oc_journal_close(a);
    assert_false(oc_journal_locked(path));
    OK(oc_journal_open(path, &b, err));
    oc_journal_close(b);
    rec_free(&r);
}

/* A killed writer's lock goes with it. */
static void killed_writer(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        oc_journal *j;
        if (oc_journal_open(path, &j, NULL) != OC_OK)
            _exit(1);
        oc_event e;
        oc_event_init(&e, OC_EV_session_T);
        e.u.session.pid = getpid();
        if (oc_journal_append(j, &e, NULL) != OC_OK || write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char c;
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_true(oc_journal_locked(path));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_false(oc_journal_locked(path));
    oc_journal *j;
    OK(oc_journal_open(path, &j, err));
    assert_int_equal(oc_journal_last_seq(j), 1);
    oc_journal_close(j);
    close(ready[0]);
    close(ready[1]);
}

/* A full disk: events wait in memory, and none is lost when there is room again. */
static void full_disk(void **state)
{
    (void)state;
    written w = write_whole();
    unlink(path);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit was, tight;
    getrlimit(RLIMIT_FSIZE, &was);
    for (rlim_t limit = 0; limit <= (rlim_t)w.n; limit += 211) {
        unlink(path);
        oc_journal *j;
        OK(oc_journal_open(path, &j, err));
        tight = was;
        tight.rlim_cur = limit;
        setrlimit(RLIMIT_FSIZE, &tight);
        int refused = 0;
        for (int i = 0; i < w.r.n; i++) {
            oc_err e = {0};
            oc_event ev = w.r.e[i];
            oc_status rc = oc_journal_append(j, &ev, &e);
            assert_true(rc == OC_OK || rc == OC_IO);
            assert_int_equal(ev.seq, i + 1);
            refused += rc == OC_IO;
            if (rc == OC_IO)
                assert_non_null(strstr(e.msg, path));
        }
        assert_int_equal(refused > 0, limit < (rlim_t)w.n);
        assert_int_equal(oc_journal_pending(j), (int64_t)w.n - (int64_t)OC_MIN((size_t)limit, w.n));
        // What is on disk by now is readable up to the last whole record.
        int whole = 0;
        while (whole < w.r.n && w.end[whole] <= (int64_t)limit)
            whole++;
        assert_int_equal(read_checked(&w, NULL, NULL), whole);
        setrlimit(RLIMIT_FSIZE, &was);
        oc_journal_tick(j, oc_now_ns() + 3000000000);
        assert_int_equal(oc_journal_pending(j), 0);
        oc_journal_close(j);
        int64_t bad;
        assert_int_equal(read_checked(&w, NULL, &bad), w.r.n);
        assert_int_equal(bad, 0);
    }
    signal(SIGXFSZ, SIG_DFL);
    written_free(&w);
}

static void out_of_memory(void **state)
{
    (void)state;
    written w = write_whole();
    for (int64_t k = 1;; k++) {
        oc_journal *j = NULL;
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_journal_open(path, &j, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            oc_journal_close(j);
            break;
        }
        // The parser below keeps its own heap; what fails in ours must be said to be memory.
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(oc_file_bytes(path), w.n); // nothing was cut for want of memory
    }
    oc_journal *j;
    OK(oc_journal_open(path, &j, err));
    for (int64_t k = 1;; k++) {
        oc_event e = w.r.e[0];
        oc_alloc_fail_at(k);
        oc_status rc = oc_journal_append(j, &e, NULL);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            assert_int_equal(e.seq, w.r.n + 1);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(oc_journal_last_seq(j), w.r.n);
    }
    oc_journal_close(j);
    written_free(&w);
}

/* Random damage of many kinds: no crash, no invented event. */
static void random_damage(void **state)
{
    (void)state;
    written w = write_whole();
    uint64_t x = 88172645463325252u;
    for (int round = 0; round < 400; round++) {
        char *copy = oc_alloc(w.n);
        memcpy(copy, w.file, w.n);
        for (int k = 0; k < 1 + round % 5; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            size_t at = (size_t)(x % w.n), len = (size_t)(x >> 32) % 40;
            for (size_t i = at; i < w.n && i < at + len; i++)
                copy[i] = (char)(x >> (i % 8 * 8));
        }
        put_file(copy, w.n - (size_t)(x % 100));
        assert_true(read_checked(&w, NULL, NULL) <= w.r.n);
        oc_free(copy);
    }
    written_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(line_layout, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(append_after_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(flip_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(every_bit_of_one_record, setup, teardown),
        cmocka_unit_test_setup_teardown(repeated_and_foreign_lines_are_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(long_torn_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_journal_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(reading_while_it_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(reader_survives_a_truncation, setup, teardown),
        cmocka_unit_test_setup_teardown(two_writers_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(out_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(random_damage, setup, teardown),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
