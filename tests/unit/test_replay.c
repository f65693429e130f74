/* Replay: any place equals folding up to it; time, speed, marks; following a growing journal. */
#include "sessions/replay.h"
#include "tests/journal/recorded.h"

static char root[64];

static int setup(void **state)
{
    (void)state;
    rec_temp(root);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    rec_remove(root);
    return 0;
}

static void rec_append(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "ab");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static recording write_session(void)
{
    char dir[128];
    recording r = rec_whole("film");
    snprintf(dir, sizeof dir, "%s/film", root);
    rec_write(&r, dir);
    return r;
}

static void any_place_equals_folding(void **state)
{
    (void)state;
    recording r = write_session();
    oc_replay *p;
    OK(oc_replay_open("film", &p, err));
    assert_int_equal(oc_replay_count(p), r.n);
    assert_int_equal(oc_replay_at(p), 0);
    uint64_t x = 1;
    for (int round = 0; round < 3 * r.n; round++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        int to = round <= r.n ? round : (int)((x >> 33) % (uint64_t)(r.n + 1));
        OK(oc_replay_seek(p, to, err));
        assert_int_equal(oc_replay_at(p), to);
        oc_state *s = rec_fold(&r, to);
        if (oc_state_hash(s) != oc_state_hash(oc_replay_state(p)))
            fail_msg("the state after %d events differs", to);
        oc_state_free(s);
    }
    OK(oc_replay_seek(p, -5, err));
    assert_int_equal(oc_replay_at(p), 0);
    OK(oc_replay_seek(p, 1 << 30, err));
    assert_int_equal(oc_replay_at(p), r.n);
    oc_replay_close(p);
    // The whole film is the session as it is loaded.
    oc_state *s, *live = rec_fold(&r, r.n);
    OK(oc_session_load("film", &s, err));
    assert_true(oc_state_hash(s) == oc_state_hash(live));
    oc_state_free(s);
    oc_state_free(live);
    rec_free(&r);
}

static void marks(void **state)
{
    (void)state;
    recording r = write_session();
    oc_replay *p;
    OK(oc_replay_open("film", &p, err));
    int64_t place[64];
    int n = 0;
    for (int64_t at = 0; at < r.n;) {
        at = oc_replay_mark(p, 1);
        OK(oc_replay_seek(p, at, err));
        place[n++] = at;
    }
    // run, stage, stage_end, stage, setting, ckpt, note, stage_end, undo, alert, then the end
    assert_int_equal(n, 11);
    for (int i = 0; i + 1 < n; i++)
        assert_true(place[i] < place[i + 1]);
    assert_int_equal(r.e[place[0] - 1].type, OC_EV_run_T);
    assert_int_equal(r.e[place[4] - 1].type, OC_EV_setting_T);
    for (int i = n - 2; i >= 0; i--) {
        int64_t at = oc_replay_mark(p, -1);
        assert_int_equal(at, place[i]);
        OK(oc_replay_seek(p, at, err));
    }
    assert_int_equal(oc_replay_mark(p, -1), 0);
    oc_replay_close(p);
    rec_free(&r);
}

static void playing(void **state)
{
    (void)state;
    recording r = {0};
    for (int i = 0; i < 10; i++)
        rec_text(&r, OC_EV_log_T, "info", "x"); // one every 100 ms
    for (int i = 5; i < 10; i++)
        r.e[i].t_ms += 3600 * 1000; // an hour of nothing
    char dir[128];
    snprintf(dir, sizeof dir, "%s/t", root);
    rec_write(&r, dir);
    oc_replay *p;
    OK(oc_replay_open("t", &p, err));
    int64_t n;
    OK(oc_replay_advance(p, 1000, &n, err));
    assert_int_equal(n, 0); // not playing
    oc_replay_set_playing(p, true);
    assert_true(oc_replay_playing(p));
    OK(oc_replay_advance(p, 1, &n, err));
    assert_int_equal(n, 1); // the first is due at once
    OK(oc_replay_advance(p, 98, &n, err));
    assert_int_equal(n, 0);
    OK(oc_replay_advance(p, 1, &n, err));
    assert_int_equal(n, 1);
    oc_replay_set_speed(p, 4);
    OK(oc_replay_advance(p, 50, &n, err));
    assert_int_equal(n, 2);
    OK(oc_replay_advance(p, 25, &n, err));
    assert_int_equal(n, 1);
    // The hour is cut to one second: 250 ms at speed 4.
    OK(oc_replay_advance(p, 249, &n, err));
    assert_int_equal(n, 0);
    OK(oc_replay_advance(p, 1, &n, err));
    assert_int_equal(n, 1);
    OK(oc_replay_advance(p, 1e6, &n, err));
    assert_int_equal(n, 4);
    assert_false(oc_replay_playing(p)); // the end
    oc_replay_set_playing(p, true);
    assert_false(oc_replay_playing(p));
    oc_replay_close(p);
    rec_free(&r);
}

static void speeds(void **state)
{
    (void)state;
    recording r = write_session();
    oc_replay *p;
    OK(oc_replay_open("film", &p, err));
    assert_true(oc_replay_speed(p) == 1);
    oc_replay_set_speed(p, 1000);
    assert_true(oc_replay_speed(p) == 64);
    oc_replay_set_speed(p, 0);
    assert_true(oc_replay_speed(p) == 0.25);
    oc_replay_set_speed(p, (double)NAN);
    assert_true(oc_replay_speed(p) == 1);
    oc_replay_close(p);
    rec_free(&r);
}

static void bad_lines_and_missing_sessions(void **state)
{
    (void)state;
    oc_replay *p;
    oc_err e = {0};
    assert_int_equal(oc_replay_open("nothing", &p, &e), OC_IO);
    assert_non_null(strstr(e.msg, "there is no session 'nothing'"));
    recording r = write_session();
    char path[256], *file;
    size_t n;
    snprintf(path, sizeof path, "%s/film/events.jsonl", root);
    OK(oc_file_read(path, 1 << 24, &file, &n, err));
    ((char *)strstr(file, "\"job\""))[1] = 'J';
    OK(oc_file_write(path, file, n, err));
    oc_free(file);
    OK(oc_replay_open("film", &p, err));
    assert_int_equal(oc_replay_count(p), r.n - 1);
    assert_int_equal(oc_replay_state(p)->n_bad, 1);
    oc_replay_close(p);
    rec_free(&r);
}

static void out_of_memory(void **state)
{
    (void)state;
    recording r = write_session();
    for (int64_t k = 1;; k++) {
        oc_replay *p = NULL;
        oc_alloc_fail_at(k);
        oc_status rc = oc_replay_open("film", &p, NULL);
        if (rc == OC_OK)
            rc = oc_replay_seek(p, r.n, NULL);
        oc_alloc_fail_at(0);
        if (p) {
            OK(oc_replay_seek(p, r.n, err));
            oc_state *s = rec_fold(&r, r.n);
            assert_true(oc_state_hash(s) == oc_state_hash(oc_replay_state(p)));
            oc_state_free(s);
        }
        oc_replay_close(p);
        if (rc == OC_OK)
            break;
        assert_int_equal(rc, OC_NOMEM);
    }
    rec_free(&r);
}

/* A journal that grows under the replay, its last line only in part at first. */
static void following(void **state)
{
    (void)state;
    recording r = write_session();
    char path[256], *file;
    size_t n;
    snprintf(path, sizeof path, "%s/film/events.jsonl", root);
    OK(oc_file_read(path, 1 << 24, &file, &n, err));
    size_t line[256] = {0}; // where each line ends
    int lines = 0;
    for (size_t i = 0; i < n; i++)
        if (file[i] == '\n')
            line[++lines] = i + 1;
    assert_int_equal(lines, r.n);
    OK(oc_file_write(path, file, line[2], err));
    oc_replay *p;
    int64_t added = 77;
    OK(oc_replay_open("film", &p, err));
    OK(oc_replay_follow(p, &added, err));
    assert_int_equal(added, 0);
    // Not at the end: counted, not folded.
    rec_append(path, file + line[2], line[4] - line[2]);
    OK(oc_replay_seek(p, 1, err));
    OK(oc_replay_follow(p, &added, err));
    assert_int_equal(added, 2);
    assert_int_equal(oc_replay_at(p), 1);
    assert_int_equal(oc_replay_count(p), 4);
    OK(oc_replay_seek(p, 4, err));
    // At the end: each event the moment its line is whole, and not before.
    for (int i = 4; i < r.n; i++) {
        size_t half = line[i] + (line[i + 1] - line[i]) / 2;
        rec_append(path, file + line[i], half - line[i]);
        OK(oc_replay_follow(p, &added, err));
        assert_int_equal(added, 0);
        assert_int_equal(oc_replay_at(p), i);
        rec_append(path, file + half, line[i + 1] - half);
        OK(oc_replay_follow(p, &added, err));
        assert_int_equal(added, 1);
        assert_int_equal(oc_replay_at(p), i + 1);
        oc_state *s = rec_fold(&r, i + 1);
        assert_true(oc_state_hash(s) == oc_state_hash(oc_replay_state(p)));
        oc_state_free(s);
    }
    // What came by following can be sought like the rest.
    OK(oc_replay_seek(p, 3, err));
    oc_state *s = rec_fold(&r, 3);
    assert_true(oc_state_hash(s) == oc_state_hash(oc_replay_state(p)));
    oc_state_free(s);
    oc_replay_close(p);
    oc_free(file);
    rec_free(&r);
}

/* A crash leaves half a line; the next process cuts it off and writes others in its place. */
static void following_over_a_crash(void **state)
{
    (void)state;
    recording r = write_session(), more = {0};
    char path[256], dir[128];
    snprintf(dir, sizeof dir, "%s/film", root);
    snprintf(path, sizeof path, "%s/events.jsonl", dir);
    oc_replay *p;
    int64_t added;
    OK(oc_replay_open("film", &p, err));
    OK(oc_replay_seek(p, r.n, err));
    rec_append(path, "[999,17408322", 13);
    OK(oc_replay_follow(p, &added, err));
    assert_int_equal(added, 0);
    rec_session(&more, "film", true);
    rec_text(&more, OC_EV_log_T, "info", "after the crash");
    rec_write(&more, dir);
    OK(oc_replay_follow(p, &added, err));
    assert_int_equal(added, 2);
    assert_int_equal(oc_replay_at(p), r.n + 2);
    assert_int_equal(oc_replay_state(p)->last_seq, r.n + 2);
    assert_int_equal(oc_replay_state(p)->n_bad, 0);
    // A bad line is counted once something follows it.
    rec_append(path, "[1,2,\"bad\"]\n", 12);
    OK(oc_replay_follow(p, &added, err));
    assert_int_equal(added, 0);
    assert_int_equal(oc_replay_state(p)->n_bad, 0);
    rec_append(path, "[", 1);
    OK(oc_replay_follow(p, &added, err));
    assert_int_equal(added, 0);
    assert_int_equal(oc_replay_state(p)->n_bad, 1);
    oc_replay_close(p);
    rec_free(&more);
    rec_free(&r);
}

/* Whatever allocation fails, no event is lost or taken twice. */
static void following_without_memory(void **state)
{
    (void)state;
    enum { MORE = 60 };
    recording r = write_session(), more = {0};
    char path[256], dir[128], *file;
    size_t n, n_before;
    snprintf(dir, sizeof dir, "%s/film", root);
    snprintf(path, sizeof path, "%s/events.jsonl", dir);
    OK(oc_file_read(path, 1 << 24, &file, &n_before, err));
    oc_free(file);
    for (int i = 0; i < MORE; i++)
        rec_text(&more, OC_EV_log_T, "info", "a line that makes the buffers grow");
    rec_write(&more, dir);
    OK(oc_file_read(path, 1 << 24, &file, &n, err));
    oc_state *whole;
    OK(oc_session_load("film", &whole, err));
    oc_status rc = OC_NOMEM;
    for (int64_t k = 1; rc != OC_OK; k++) {
        oc_replay *p;
        int64_t first = 0, rest = 0;
        OK(oc_file_write(path, file, n_before, err));
        OK(oc_replay_open("film", &p, err));
        OK(oc_replay_seek(p, r.n, err));
        rec_append(path, file + n_before, n - n_before);
        oc_alloc_fail_at(k);
        rc = oc_replay_follow(p, &first, NULL);
        oc_alloc_fail_at(0);
        assert_true(rc == OC_OK || rc == OC_NOMEM);
        OK(oc_replay_follow(p, &rest, err));
        assert_int_equal(first + rest, MORE);
        assert_int_equal(oc_replay_count(p), r.n + MORE);
        OK(oc_replay_seek(p, r.n + MORE, err));
        assert_true(oc_state_hash(whole) == oc_state_hash(oc_replay_state(p)));
        oc_replay_close(p);
    }
    oc_state_free(whole);
    oc_free(file);
    rec_free(&more);
    rec_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_place_equals_folding, setup, teardown),
        cmocka_unit_test_setup_teardown(marks, setup, teardown),
        cmocka_unit_test_setup_teardown(playing, setup, teardown),
        cmocka_unit_test_setup_teardown(speeds, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_lines_and_missing_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(out_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(following, setup, teardown),
        cmocka_unit_test_setup_teardown(following_over_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(following_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
