/*
 * Any bytes as a journal: reading, folding and writing on. Whatever is read must survive being
 * written again, and appending behind it must give back every whole record and one more.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/str.h"
#include "sessions/journal.h"
#include "sessions/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char path[64];

static void remove_file(void)
{
    unlink(path);
}

static void put(const uint8_t *data, size_t n)
{
    if (!path[0]) {
        strcpy(path, "/dev/shm/oc-fuzz-journal-XXXXXX"); // memory: syncing costs nothing there
        int fd = mkstemp(path);
        if (fd < 0) {
            strcpy(path, "/tmp/oc-fuzz-journal-XXXXXX");
            fd = mkstemp(path);
        }
        if (fd < 0)
            abort();
        close(fd);
        atexit(remove_file);
    }
    int fd = open(path, O_WRONLY | O_TRUNC);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n)
        abort();
    close(fd);
}

/* Everything that is read off a state. */
static void look_at(const oc_state *s)
{
    char standing[96];
    (void)oc_state_hash(s);
    oc_session_standing(s, standing);
    oc_buf table = {0};
    if (oc_final_table(s, false, &table, NULL) != OC_OK ||
        oc_final_table(s, true, &table, NULL) != OC_OK)
        abort();
    oc_buf_release(&table);
    for (int64_t i = 0; i < s->n_runs; i++) {
        for (int c = 0; c < OC_N_CURVES; c++) {
            const oc_series *v = &s->run[i].curve[c];
            (void)oc_series_range(v, 0, v->n);
            for (int64_t k = 1; k < v->n; k++)
                if (v->x[k - 1] > v->x[k])
                    abort(); // a curve never runs backwards
        }
    }
}

/* The lines as events whatever their checksums say: damage alone would never get this deep. */
static void fold_unchecked(const uint8_t *data, size_t n)
{
    oc_state *s;
    if (oc_state_new(&s, NULL) != OC_OK)
        abort();
    const char *p = (const char *)data, *end = p + n;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t len = nl ? (size_t)(nl - p) : (size_t)(end - p);
        oc_buf line = {0};
        oc_event e;
        if (len > 12)
            oc_buf_add(&line, p, len - 12);
        oc_buf_ch(&line, ']');
        if (oc_event_decode(line.data, line.len, &e, NULL) == OC_OK &&
            oc_state_fold(s, &e, NULL) != OC_OK)
            abort();
        oc_buf_release(&line);
        p += len + 1;
    }
    look_at(s);
    oc_state_free(s);
}

/* Fold what can be read; returns the number of events and the bytes they lie in. */
static int64_t read_all(oc_state *s, int64_t *last_seq, int64_t *bad)
{
    oc_reader *r;
    if (oc_reader_open(path, &r, NULL) != OC_OK)
        abort();
    int64_t n = 0;
    for (bool got = true; got;) {
        oc_event e;
        if (oc_reader_next(r, &e, &got, NULL) != OC_OK)
            abort();
        if (!got)
            break;
        if (e.seq <= *last_seq)
            abort();
        *last_seq = e.seq;
        n++;
        oc_buf a = {0}, b = {0};
        oc_event again;
        oc_event_encode(&e, &a);
        if (oc_event_decode(a.data, a.len, &again, NULL) != OC_OK)
            abort();
        oc_event_encode(&again, &b);
        if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
            abort();
        oc_buf_release(&a);
        oc_buf_release(&b);
        if (oc_state_fold(s, &e, NULL) != OC_OK)
            abort();
    }
    *bad = oc_reader_bad(r);
    oc_reader_close(r);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fold_unchecked(data, n);
    put(data, n);
    int64_t seq = 0, bad = 0;
    oc_state *s;
    if (oc_state_new(&s, NULL) != OC_OK)
        abort();
    int64_t n_events = read_all(s, &seq, &bad);
    look_at(s);
    oc_state_free(s);

    oc_journal *j;
    if (oc_journal_open(path, &j, NULL) != OC_OK)
        return 0; // not a journal at all
    oc_event e;
    oc_event_init(&e, OC_EV_log_T);
    OC_EV_SET(e.u.log.text, "appended");
    if (oc_journal_append(j, &e, NULL) != OC_OK || e.seq != seq + 1)
        abort();
    oc_journal_close(j);
    if (oc_state_new(&s, NULL) != OC_OK)
        abort();
    int64_t seq2 = 0, bad2 = 0;
    if (read_all(s, &seq2, &bad2) != n_events + 1 || seq2 != seq + 1 || bad2 != bad)
        abort();
    oc_state_free(s);
    return 0;
}
