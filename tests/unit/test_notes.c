/* core/data/notes: the layout, the same note twice, and how hard the four tasks are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/data/notes.h"
#include "core/data/notes_patient.h"
#include "core/measure/metrics.h"

static const char *const headers[8] = {
    "CHIEF COMPLAINT: ", "PRESENT ILLNESS: ", "MEDICAL HISTORY: ", "MEDICATION ON ADMISSION: ",
    "ALLERGIES: ",       "PHYSICAL EXAM: ",   "FAMILY HISTORY: ",  "SOCIAL HISTORY: "};

typedef struct note {
    oc_buf text, label;
} note;

static note make(const char *task, uint64_t seed, double noise, int64_t i)
{
    note n = {0};
    oc_notes_opts o = {.task = task, .seed = seed, .noise = noise};
    oc_err e = {0};
    if (oc_note_make(&o, i, &n.text, &n.label, &e) != OC_OK)
        fail_msg("%s", e.msg);
    return n;
}

static void drop(note *n)
{
    oc_buf_release(&n->text);
    oc_buf_release(&n->label);
}

static int64_t words_of(const char *s)
{
    int64_t n = 0;
    for (int in = 0; *s; s++) {
        int letter = *s != ' ' && *s != '\n';
        n += letter && !in;
        in = letter;
    }
    return n;
}

static void eight_sections_in_order(void **state)
{
    (void)state;
    int blank[8] = {0};
    for (int i = 0; i < 500; i++) {
        note n = make("mortality", 3, 0.5, i);
        const char *s = n.text.data;
        for (int h = 0; h < 8; h++) {
            assert_int_equal(strncmp(s, headers[h], strlen(headers[h])), 0);
            s += strlen(headers[h]);
            size_t k = h < 7 ? (size_t)(strstr(s, "\n\n") - s) : strlen(s);
            assert_null(memchr(s, '\n', k)); // a body is one line
            assert_null(memchr(s, '{', k));
            assert_null(memchr(s, '|', k));
            blank[h] += k == 0;
            s += k + (h < 7 ? 2 : 0);
        }
        assert_int_equal(*s, 0);
        assert_null(strstr(n.text.data, "  "));
        assert_null(strstr(n.text.data, " ."));
        assert_null(strstr(n.text.data, ".."));
        assert_null(strstr(n.text.data, " ,"));
        drop(&n);
    }
    assert_int_equal(blank[1], 0);
    assert_in_range(blank[6], 30, 120); // family history, 14 %
    assert_in_range(blank[4], 10, 90);
}

static void length_varies_as_real_notes_do(void **state)
{
    (void)state;
    int64_t sum = 0, shortest = 1000, longest = 0, usual = 0;
    enum { N = 1000 };
    for (int i = 0; i < N; i++) {
        note n = make("los", 1, 0.5, i);
        int64_t w = words_of(n.text.data);
        sum += w;
        shortest = w < shortest ? w : shortest;
        longest = w > longest ? w : longest;
        usual += w >= 60 && w <= 300;
        drop(&n);
    }
    assert_in_range(sum / N, 120, 220);
    assert_in_range(shortest, 40, 100);
    assert_in_range(longest, 300, 800);
    assert_true(usual > 0.93 * N);
}

static void the_same_note_twice(void **state)
{
    (void)state;
    note a = make("mortality", 5, 0.5, 17), b = make("mortality", 5, 0.5, 17);
    assert_string_equal(a.text.data, b.text.data);
    assert_string_equal(a.label.data, b.label.data);
    // the tasks are about the same patients; noise touches the label only
    note c = make("diagnoses", 5, 0.1, 17);
    assert_string_equal(a.text.data, c.text.data);
    note d = make("mortality", 6, 0.5, 17), e = make("mortality", 5, 0.5, 18);
    assert_string_not_equal(a.text.data, d.text.data);
    assert_string_not_equal(a.text.data, e.text.data);
    drop(&a);
    drop(&b);
    drop(&c);
    drop(&d);
    drop(&e);
    // as a data set of any size
    oc_notes_opts o = {.task = "mortality", .seed = 5, .noise = 0.5};
    const int64_t few[] = {10, 5, 5}, more[] = {15, 20, 0};
    oc_task t;
    oc_data x, y;
    assert_int_equal(oc_notes_data(&o, few, &t, &x, NULL), OC_OK);
    oc_task_release(&t);
    assert_int_equal(oc_notes_data(&o, more, &t, &y, NULL), OC_OK);
    oc_task_release(&t);
    assert_string_equal(x.split[1].text[0], y.split[0].text[10]);
    assert_string_equal(x.split[2].id[4], y.split[1].id[4]);
    assert_string_equal(x.split[2].text[4], y.split[1].text[4]);
    assert_int_equal(x.split[2].label[4], y.split[1].label[4]);
    assert_int_equal(y.split[2].n, 0);
    oc_data_release(&x);
    oc_data_release(&y);
}

/* Every code a table mentions is one the tables have, and a procedure's reasons come before it. */
static void tables_fit_together(void **state)
{
    (void)state;
    int n_dx = oc_notes_n_dx(), n_px = oc_notes_n_px();
    assert_in_range(n_dx, 55, OC_MAX_DX);
    assert_in_range(n_px, 35, OC_MAX_PX);
    for (const oc_problem *p = oc_notes_problems; p->complaint; p++) {
        char codes[128];
        snprintf(codes, sizeof codes, "%s %s", p->surely, p->often);
        for (char *s = strtok(codes, " "); s; s = strtok(NULL, " "))
            if (oc_notes_find_dx(s, (int)strlen(s)) < 0)
                fail_msg("no illness %s (%s)", s, p->complaint);
    }
    for (int i = 0; i < n_px; i++) {
        char why[256];
        snprintf(why, sizeof why, "%s", oc_notes_px[i].why);
        for (char *s = strtok(why, " "); s; s = strtok(NULL, " ")) {
            char *colon = strchr(s, ':');
            assert_non_null(colon);
            *colon = 0;
            assert_true(atof(colon + 1) > 0 && atof(colon + 1) < 1);
            int found = *s == 'p' ? 0 : oc_notes_find_dx(s, (int)strlen(s)) >= 0;
            for (int k = 0; *s == 'p' && k < i; k++)
                found = found || !strcmp(oc_notes_px[k].code, s + 1);
            if (!found)
                fail_msg("procedure %s: no %s before it", oc_notes_px[i].code, s);
        }
    }
    for (int i = 0; i < n_dx; i++) {
        const oc_dx *d = &oc_notes_dx[i];
        size_t n = strlen(d->code);
        assert_int_equal(n, strchr("EV", d->code[0]) ? 4 : 3);
        assert_int_equal(oc_notes_find_dx(d->code, (int)n), i); // none twice
        assert_true(d->history || !(d->flags & OC_DX_CHRONIC));
        assert_true(d->share > 0 && d->share < 0.5);
    }
}

typedef struct level {
    oc_metrics m;
    int64_t K, count[OC_MAX_DX], n;
} level;

static level naive_bayes(const char *task, uint64_t seed, double noise)
{
    level l = {0};
    oc_notes_opts o = {.task = task, .seed = seed, .noise = noise};
    const int64_t rows[] = {2000, 0, 1000};
    oc_task t;
    oc_data d;
    oc_err e = {0};
    if (oc_notes_data(&o, rows, &t, &d, &e) != OC_OK)
        fail_msg("%s", e.msg);
    l.K = d.split[0].K;
    l.n = d.split[0].n;
    oc_dataset_counts(&d.split[0], l.count);
    assert_int_equal(oc_baseline_naive_bayes(&d.split[0], &d.split[2], OC_AUROC_OVO, &l.m, &e),
                     OC_OK);
    oc_data_release(&d);
    oc_task_release(&t);
    return l;
}

static void in_range(double x, double lo, double hi, const char *what)
{
    print_message("  %s %.3f\n", what, x);
    if (!(x >= lo && x <= hi))
        fail_msg("%s is %.3f, not in %.2f..%.2f", what, x, lo, hi);
}

static void mortality_is_neither_chance_nor_given_away(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        level l = naive_bayes("mortality", seed, 0.5);
        in_range((double)l.count[1] / (double)l.n, 0.08, 0.13, "share that dies");
        in_range(l.m.auroc_macro, 0.80, 0.90, "AUROC"); // 0.86 to 0.87
    }
    in_range(naive_bayes("mortality", 1, 0).m.auroc_macro, 0.90, 0.985, "AUROC without noise");
    in_range(naive_bayes("mortality", 1, 1).m.auroc_macro, 0.40, 0.60, "AUROC of noise alone");
}

static void length_of_stay_has_four_uneven_classes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        level l = naive_bayes("los", seed, 0.5);
        static const double share[4] = {0.13, 0.37, 0.31, 0.19};
        assert_int_equal(l.K, 4);
        for (int k = 0; k < 4; k++)
            in_range((double)l.count[k] / (double)l.n, share[k] - 0.04, share[k] + 0.04,
                     "share of a class");
        in_range(l.m.auroc_macro, 0.65, 0.82, "one-vs-one AUROC"); // 0.77 to 0.78
    }
}

static int falling(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

static void codes_have_a_long_tail(void **state)
{
    (void)state;
    static const char *const tasks[] = {"diagnoses", "procedures"};
    for (int i = 0; i < 2; i++) {
        level l = naive_bayes(tasks[i], 1, 0.5);
        in_range(l.m.auroc_macro, i ? 0.72 : 0.75, 0.90, tasks[i]); // 0.83, 0.76
        assert_int_equal(l.m.n_scored_labels, l.K);
        qsort(l.count, (size_t)l.K, sizeof *l.count, falling);
        assert_true(l.count[0] > (i ? 0.2 : 0.4) * (double)l.n);
        assert_true(l.count[l.K - 1] > 0 && l.count[l.K - 1] < 0.015 * (double)l.n);
        int64_t all = 0, top = 0;
        for (int64_t k = 0; k < l.K; k++) {
            all += l.count[k];
            top += k < l.K / 4 ? l.count[k] : 0;
        }
        in_range((double)top / (double)all, 0.5, 0.85, "share of the commonest quarter");
        in_range((double)all / (double)l.n, 2, 12, "codes a note");
    }
}

/* The words of an illness also stand in notes of patients who do not have it. */
static void denials_mislead_a_bag_of_words(void **state)
{
    (void)state;
    int denied = 0, unlike = 0, family = 0, dx = oc_notes_find_dx("250", 3);
    for (int i = 0; i < 1000; i++) {
        oc_patient p;
        oc_patient_draw(&p, 2, i);
        note n = make("diagnoses", 2, 0.5, i);
        denied += strstr(n.text.data, "Denies") || strstr(n.text.data, "denies");
        unlike += strstr(n.text.data, "diabetes") && !p.dx[dx];
        family += strstr(n.text.data, "with diabetes") && !p.dx[dx];
        drop(&n);
    }
    assert_in_range(denied, 400, 950);
    assert_in_range(unlike, 20, 300);
    assert_in_range(family, 5, 300);
}

static void label_lists(void **state)
{
    (void)state;
    oc_buf b = {0};
    assert_int_equal(oc_notes_label_list("mortality", &b, NULL), OC_OK);
    assert_int_equal(b.len, 0);
    assert_int_equal(oc_notes_label_list("diagnoses", &b, NULL), OC_OK);
    assert_int_equal(strncmp(b.data, "401 427 ", 8), 0);
    assert_non_null(strstr(b.data, " 038 "));
    assert_non_null(strstr(b.data, " V586 "));
    assert_null(strchr(b.data, '\n'));
    oc_buf_release(&b);
    oc_err e = {0};
    assert_int_equal(oc_notes_label_list("x", &b, &e), OC_RANGE);
    assert_non_null(strstr(e.msg, "'x'"));
    oc_notes_opts o = {.task = "weather"};
    assert_int_equal(oc_note_make(&o, 0, &b, &b, NULL), OC_RANGE);
    o = (oc_notes_opts){.task = "los", .noise = 1.5};
    assert_int_equal(oc_note_make(&o, 0, &b, &b, NULL), OC_RANGE);
    o.noise = (double)NAN;
    assert_int_equal(oc_note_make(&o, 0, &b, &b, NULL), OC_RANGE);
    o.noise = 0.5;
    assert_int_equal(oc_note_make(&o, -1, &b, &b, NULL), OC_RANGE);
    const int64_t none[] = {0, 1, 1};
    oc_task t;
    oc_data d;
    assert_int_equal(oc_notes_data(&o, none, &t, &d, NULL), OC_RANGE);
}

/* What is written is read back as the same data. */
static void csv_as_published(void **state)
{
    (void)state;
    char dir[] = "/tmp/oc-notes-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/n.csv", dir);
    static const char *const tasks[] = {"mortality", "los", "diagnoses", "procedures"};
    static const char *const heads[] = {
        "\"id\",\"text\",\"hospital_expire_flag\"\n\"100000\",\"CHIEF",
        "\"id\",\"text\",\"los_label\"\n", "\"id\",\"text\",\"short_codes\"\n",
        "\"id\",\"text\",\"short_codes\"\n"};
    for (int i = 0; i < 4; i++) {
        oc_notes_opts o = {.task = tasks[i], .seed = 8, .noise = 0.5};
        const int64_t rows[] = {60, 0, 0};
        oc_task made, read;
        oc_data d;
        oc_dataset back;
        oc_err e = {0};
        assert_int_equal(oc_notes_write_csv(&o, 0, 60, path, &e), OC_OK);
        char *bytes = NULL;
        size_t n = 0;
        assert_int_equal(oc_file_read(path, (size_t)1 << 30, &bytes, &n, NULL), OC_OK);
        assert_int_equal(strncmp(bytes, heads[i], strlen(heads[i])), 0);
        oc_free(bytes);
        assert_int_equal(oc_notes_data(&o, rows, &made, &d, NULL), OC_OK);
        assert_int_equal(oc_task_preset(tasks[i], &read, NULL), OC_OK);
        if (i >= 2) { // the list of codes, as such lists are published: one line
            oc_buf b = {0};
            char list[80];
            snprintf(list, sizeof list, "%s/codes.txt", dir);
            assert_int_equal(oc_notes_label_list(tasks[i], &b, NULL), OC_OK);
            assert_int_equal(oc_file_write(list, b.data, b.len, NULL), OC_OK);
            assert_int_equal(oc_task_read_labels(&read, list, NULL), OC_OK);
            oc_buf_release(&b);
        }
        if (oc_data_load_file(path, &read, true, false, &back, NULL, &e) != OC_OK)
            fail_msg("%s", e.msg);
        char a[33], b[33];
        oc_dataset_key(&d.split[0], a);
        oc_dataset_key(&back, b);
        assert_string_equal(a, b);
        assert_string_equal(back.id[59], "100059");
        oc_dataset_release(&back);
        oc_data_release(&d);
        oc_task_release(&made);
        oc_task_release(&read);
    }
    oc_notes_opts o = {.task = "los"};
    oc_err e = {0};
    assert_int_equal(oc_notes_write_csv(&o, 0, 0, path, NULL), OC_RANGE);
    assert_int_equal(oc_notes_write_csv(&o, 0, 5, "/nonexistent/n.csv", &e), OC_IO);
    assert_non_null(strstr(e.msg, "/nonexistent"));
    assert_int_equal(oc_remove_tree(dir, NULL), OC_OK);
}

static void memory_running_out(void **state)
{
    (void)state;
    for (int at = 1;; at++) {
        oc_notes_opts o = {.task = "diagnoses", .seed = 1, .noise = 0.5};
        const int64_t rows[] = {2, 1, 1};
        oc_task t = {0};
        oc_data d = {0};
        oc_alloc_fail_at(at);
        oc_status st = oc_notes_data(&o, rows, &t, &d, NULL);
        oc_alloc_fail_at(0);
        oc_data_release(&d);
        oc_task_release(&t);
        if (st == OC_OK) {
            assert_true(at > 80);
            return;
        }
        assert_int_equal(st, OC_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_sections_in_order),
        cmocka_unit_test(length_varies_as_real_notes_do),
        cmocka_unit_test(the_same_note_twice),
        cmocka_unit_test(tables_fit_together),
        cmocka_unit_test(mortality_is_neither_chance_nor_given_away),
        cmocka_unit_test(length_of_stay_has_four_uneven_classes),
        cmocka_unit_test(codes_have_a_long_tail),
        cmocka_unit_test(denials_mislead_a_bag_of_words),
        cmocka_unit_test(label_lists),
        cmocka_unit_test(csv_as_published),
        cmocka_unit_test(memory_running_out),
    };
    return cmocka_run_group_tests_name("notes", tests, NULL, NULL);
}
