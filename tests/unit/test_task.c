/* core/data/task, dataset, table, load: tables into labelled notes. */
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
#include "core/data/task.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/oc-task-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return oc_remove_tree(dir, NULL) == OC_OK ? 0 : -1;
}

static const char *put(const char *name, const char *content)
{
    static char path[OC_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(oc_file_write(path, content, strlen(content), NULL), OC_OK);
    return path;
}

static oc_task task_of(oc_task_kind kind)
{
    oc_task t = {.kind = kind, .delimiter = ','};
    strcpy(t.text_column, "text");
    strcpy(t.label_column, "label");
    strcpy(t.id_column, "id");
    return t;
}

static void add_label(oc_task *t, const char *s)
{
    assert_int_equal(oc_strlist_add(&t->labels, s, strlen(s), NULL), OC_OK);
}

/* Names of labels, joined. */
static const char *labels_of(const oc_task *t)
{
    static char s[512];
    size_t n = 0;
    s[0] = 0;
    for (int64_t i = 0; i < t->labels.n; i++)
        n += (size_t)snprintf(s + n, sizeof s - n, "%s%s", i ? " " : "", t->labels.item[i]);
    return s;
}

/* Rows as "id=text:classes" joined by blanks. */
static const char *rows_of(const oc_dataset *d)
{
    static char s[2048];
    size_t n = 0;
    s[0] = 0;
    for (int64_t i = 0; i < d->n; i++) {
        n += (size_t)snprintf(s + n, sizeof s - n, "%s%s=%s:", i ? " " : "", d->id[i], d->text[i]);
        if (d->kind == OC_TASK_SINGLE)
            n += (size_t)snprintf(s + n, sizeof s - n, "%d", (int)d->label[i]);
        for (int64_t k = 0; d->kind == OC_TASK_MULTI && k < d->K; k++)
            s[n++] = d->labels[i * d->K + k] ? '1' : '0';
        s[n] = 0;
    }
    return s;
}

static const char *fails(const oc_data_source *src, const oc_task *task, oc_status want)
{
    static oc_err e;
    e = (oc_err){0};
    oc_task t;
    assert_int_equal(oc_task_dup(task, &t, NULL), OC_OK);
    oc_data d = {0};
    assert_int_equal(oc_data_load(src, &t, &d, &e), want);
    assert_int_equal(e.status, want);
    assert_int_equal(d.split[0].n, 0);
    assert_int_equal(t.labels.n, task->labels.n);
    oc_task_release(&t);
    return e.msg;
}

#define HAS(text, part)                                       \
    do {                                                      \
        const char *has_ = (text);                            \
        if (!strstr(has_, (part)))                            \
            fail_msg("'%s' does not say '%s'", has_, (part)); \
    } while (0)

/* --- tasks --------------------------------------------------------------------------------- */

static void presets(void **state)
{
    (void)state;
    oc_task t;
    assert_int_equal(oc_task_preset("mortality", &t, NULL), OC_OK);
    assert_string_equal(t.label_column, "hospital_expire_flag");
    assert_string_equal(labels_of(&t), "0 1");
    assert_int_equal(t.kind, OC_TASK_SINGLE);
    oc_task copy;
    assert_int_equal(oc_task_dup(&t, &copy, NULL), OC_OK);
    oc_task_release(&t);
    assert_string_equal(labels_of(&copy), "0 1");
    assert_string_equal(copy.name, "mortality");
    oc_task_release(&copy);
    assert_int_equal(oc_task_preset("los", &t, NULL), OC_OK);
    assert_string_equal(t.label_column, "los_label");
    assert_string_equal(labels_of(&t), "0 1 2 3");
    oc_task_release(&t);
    static const char *const multi[] = {"diagnoses", "procedures"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(oc_task_preset(multi[i], &t, NULL), OC_OK);
        assert_string_equal(t.label_column, "short_codes");
        assert_int_equal(t.kind, OC_TASK_MULTI);
        assert_int_equal(t.delimiter, ',');
        assert_int_equal(t.labels.n, 0);
        oc_task_release(&t);
    }
    oc_err e = {0};
    assert_int_equal(oc_task_preset("weather", &t, &e), OC_RANGE);
    HAS(e.msg, "weather");
    HAS(e.msg, "procedures");
}

static void label_files(void **state)
{
    (void)state;
    oc_task t = task_of(OC_TASK_MULTI);
    oc_err e = {0};
    static const char *const same[] = {"401 038 V458 E888",
                                       "401 038 V458 E888\n",
                                       "401\n038\nV458\nE888\n",
                                       "401\r\n038\r\n\r\nV458\r\nE888",
                                       "401,038, V458 ,E888\n",
                                       ("\xef\xbb\xbf"
                                        "401\t038  V458 E888 \n"),
                                       " 401 \n038\nV458\n E888\n"};
    for (int i = 0; i < OC_COUNT(same); i++) {
        assert_int_equal(oc_task_read_labels(&t, put("l.txt", same[i]), &e), OC_OK);
        assert_string_equal(labels_of(&t), "401 038 V458 E888");
    }
    assert_int_equal(oc_task_read_labels(&t, put("l.txt", "Consult - History\nENT / Nose\n"), &e),
                     OC_OK);
    assert_string_equal(t.labels.item[0], "Consult - History");
    assert_int_equal(t.labels.n, 2);
    assert_int_equal(oc_task_read_labels(&t, put("l.txt", "a\nb\na\n"), &e), OC_FORMAT);
    HAS(e.msg, "'a' is there twice (entries 1 and 3)");
    HAS(e.msg, "l.txt");
    assert_int_equal(oc_task_read_labels(&t, put("l.txt", " \n\n"), NULL), OC_FORMAT);
    assert_int_equal(oc_task_read_labels(&t, put("l.txt", ""), NULL), OC_FORMAT);
    assert_int_equal(oc_task_read_labels(&t, put("l.txt", "a\xff b"), NULL), OC_FORMAT);
    assert_int_equal(oc_task_read_labels(&t, "/nonexistent/l.txt", NULL), OC_IO);
    assert_int_equal(t.labels.n, 2); // as it was
    oc_task_release(&t);
}

static void too_many_labels(void **state)
{
    (void)state;
    oc_buf b = {0}, rows = {0};
    oc_buf_str(&rows, "text,label\n");
    for (int i = 0; i <= OC_MAX_LABELS; i++) {
        oc_buf_fmt(&b, "c%d\n", i);
        oc_buf_fmt(&rows, "x,c%d\n", i);
    }
    oc_task t = task_of(OC_TASK_SINGLE);
    assert_int_equal(oc_task_read_labels(&t, put("l.txt", b.data), NULL), OC_RANGE);
    put("t.csv", rows.data);
    oc_data_source src = {.dir = dir, .file = "t.csv", .need_labels = true};
    HAS(fails(&src, &t, OC_RANGE),
        "t.csv:16386: more than 16384 different labels in column 'label'");
    oc_buf_release(&b);
    oc_buf_release(&rows);
}

/* --- data sets ----------------------------------------------------------------------------- */

static void datasets(void **state)
{
    (void)state;
    oc_dataset d = {.K = 3, .kind = OC_TASK_MULTI};
    const int32_t c[] = {2, 0};
    for (int i = 0; i < 200; i++)
        assert_int_equal(oc_dataset_add(&d, "a", "x", c, i % 3, NULL), OC_OK);
    int64_t pos[3];
    oc_dataset_counts(&d, pos);
    assert_int_equal(pos[0], 66);
    assert_int_equal(pos[1], 0);
    assert_int_equal(pos[2], 133);
    char key[33], other[33];
    oc_dataset_key(&d, key);
    oc_dataset_key(&d, other);
    assert_string_equal(key, other);
    assert_int_equal(strlen(key), 32);
    d.labels[1] = 1;
    oc_dataset_key(&d, other);
    assert_string_not_equal(key, other);
    d.labels[1] = 0;
    d.text[7][0] = 'y';
    oc_dataset_key(&d, other);
    assert_string_not_equal(key, other);
    d.text[7][0] = 'x';
    strcpy(d.id[3], "b"); // ids are no content
    oc_dataset_key(&d, other);
    assert_string_equal(key, other);
    const int32_t wrong = 3;
    oc_err e = {0};
    assert_int_equal(oc_dataset_add(&d, "a", "x", &wrong, 1, &e), OC_RANGE);
    assert_int_equal(d.n, 200);
    oc_dataset_release(&d);
    oc_dataset s = {.K = 2, .kind = OC_TASK_SINGLE};
    assert_int_equal(oc_dataset_add(&s, "a", "x", c, 2, NULL), OC_RANGE);
    assert_int_equal(oc_dataset_add(&s, "a", "x", NULL, 0, NULL), OC_OK);
    assert_int_equal(s.label[0], -1);
    oc_dataset_release(&s);
    assert_string_equal(oc_split_name(OC_SPLIT_VALID), "valid");
}

/* --- tables -------------------------------------------------------------------------------- */

static void split_column(void **state)
{
    (void)state;
    put("t.csv",
        "id,text,label,split\n7,a,no,train\n8,\"b\nb\",yes,Dev\n9,c,no,VAL\n10,d,yes,valid\n"
        "11,e,no,Validation\n12,f,yes, test \n,g,yes,TRAIN\n");
    oc_task t = task_of(OC_TASK_SINGLE);
    oc_data d = {0};
    oc_data_source src = {.dir = dir,
                          .file = "t.csv",
                          .split_column = "split",
                          .need_labels = true,
                          .valid_frac = 0.5,
                          .test_every = 2}; // neither applies here
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_string_equal(labels_of(&t), "no yes");
    assert_string_equal(rows_of(&d.split[0]), "7=a:0 7=g:1");
    assert_string_equal(rows_of(&d.split[1]), "8=b\nb:1 9=c:0 10=d:1 11=e:0");
    assert_string_equal(rows_of(&d.split[2]), "12=f:1");
    oc_data_release(&d);
    src.max_rows = 1;
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_string_equal(rows_of(&d.split[0]), "7=a:0");
    assert_int_equal(d.split[1].n, 1);
    oc_data_release(&d);
    put("t.csv", "id,text,label,split\n7,a,no,train\n8,b,yes,holdout\n");
    HAS(fails(&src, &t, OC_FORMAT), "t.csv:3: split 'holdout' is none of train");
    src.split_column = "part";
    HAS(fails(&src, &t, OC_FORMAT), "t.csv:1: no column 'part'; there are: id, text, label, split");
    oc_task_release(&t);
}

static void every_kth_row_is_test(void **state)
{
    (void)state;
    oc_buf b = {0};
    oc_buf_str(&b, "text,label\n");
    for (int i = 0; i < 1000; i++)
        oc_buf_fmt(&b, "t%d,%d\n", i, i % 2);
    put("t.csv", b.data);
    oc_buf_release(&b);
    oc_task t = task_of(OC_TASK_SINGLE);
    oc_data d = {0}, again = {0};
    oc_data_source src = {.dir = dir,
                          .file = "t.csv",
                          .test_every = 5,
                          .need_labels = true,
                          .valid_frac = 0.1,
                          .seed = 3};
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_int_equal(d.split[2].n, 200);
    assert_string_equal(d.split[2].text[0], "t4");
    assert_string_equal(d.split[2].text[199], "t999");
    assert_string_equal(d.split[2].id[0], "5"); // no id column: the row's number
    assert_in_range(d.split[1].n, 55, 105);
    assert_int_equal(d.split[0].n + d.split[1].n, 800);
    assert_int_equal(oc_data_load(&src, &t, &again, NULL), OC_OK);
    char key[33], other[33];
    oc_dataset_key(&d.split[1], key);
    oc_dataset_key(&again.split[1], other);
    assert_string_equal(key, other);
    oc_data_release(&again);
    src.seed = 4;
    assert_int_equal(oc_data_load(&src, &t, &again, NULL), OC_OK);
    oc_dataset_key(&again.split[1], other);
    assert_string_not_equal(key, other);
    oc_data_release(&again);
    src.valid_frac = 1e-9; // still one row, and never all of them
    assert_int_equal(oc_data_load(&src, &t, &again, NULL), OC_OK);
    assert_int_equal(again.split[1].n, 1);
    oc_data_release(&again);
    oc_data_release(&d);
    oc_task_release(&t);
}

static void files_by_split(void **state)
{
    (void)state;
    put("tr.csv", "text,label,id\na,10,x\nb,9,y\n");
    put("te1.csv", "id,text,label\np,c,9\n");
    put("te2.tsv", "label\ttext\n10\td,d\n");
    put("va.jsonl", "{\"text\":\"v\",\"label\":9,\"id\":3}\n");
    oc_task t = task_of(OC_TASK_SINGLE);
    oc_data d = {0};
    oc_data_source src = {
        .dir = dir, .files = {"tr.csv", "", "te1.csv, te2.tsv"}, .need_labels = true};
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_string_equal(labels_of(&t), "9 10"); // as numbers
    assert_string_equal(rows_of(&d.split[0]), "x=a:1 y=b:0");
    assert_int_equal(d.split[1].n, 0);
    assert_string_equal(rows_of(&d.split[2]), "p=c:0 2=d,d:1");
    oc_data_release(&d);
    src.files[OC_SPLIT_VALID] = "va.jsonl";
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_string_equal(rows_of(&d.split[1]), "3=v:0");
    oc_data_release(&d);
    src.file = "tr.csv";
    HAS(fails(&src, &t, OC_USAGE), "one of the two");
    oc_data_source none = {.dir = dir, .need_labels = true};
    HAS(fails(&none, &t, OC_USAGE), "no data file");
    none.files[OC_SPLIT_TEST] = "te1.csv";
    HAS(fails(&none, &t, OC_USAGE), "train");
    none.files[OC_SPLIT_TRAIN] = "gone.csv";
    HAS(fails(&none, &t, OC_IO), "gone.csv");
    none.files[OC_SPLIT_TRAIN] = "tr.xlsx";
    HAS(fails(&none, &t, OC_UNSUPPORTED), "tr.xlsx");
    none.files[OC_SPLIT_TRAIN] = "tr.csv";
    none.valid_frac = 1;
    HAS(fails(&none, &t, OC_RANGE), "[0, 1)");
    none.valid_frac = 0;
    none.test_every = 1;
    HAS(fails(&none, &t, OC_RANGE), "every 1-th row");
    oc_task_release(&t);
}

static void multi_labels_are_strings(void **state)
{
    (void)state;
    put("t.csv",
        "\"id\",\"text\",\"label\"\n\"1\",\"a\",\"038,401, E888\"\n\"2\",\"b\",\"\"\n\"3\",\"c\",\"38\"\n"
        "\"4\",\"d\",\"401,401,\"\n");
    oc_task t = task_of(OC_TASK_MULTI);
    oc_data d = {0};
    oc_data_source src = {.dir = dir, .file = "t.csv", .need_labels = true};
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_string_equal(labels_of(&t), "038 38 401 E888");
    assert_string_equal(rows_of(&d.split[0]), "1=a:1011 2=b:0000 3=c:0100 4=d:0010");
    oc_data_release(&d);
    oc_task_release(&t);

    t = task_of(OC_TASK_MULTI);
    add_label(&t, "401");
    add_label(&t, "038");
    add_label(&t, "E888");
    HAS(fails(&src, &t, OC_FORMAT), "t.csv:4: label '38' is not in the list of 3 labels");
    src.skip_bad_rows = true;
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_string_equal(labels_of(&t), "401 038 E888"); // the given order stays
    assert_string_equal(rows_of(&d.split[0]), "1=a:111 2=b:000 4=d:100");
    assert_int_equal(d.bad.n, 1);
    HAS(d.bad.first.item[0], "t.csv:4:");
    oc_data_release(&d);
    oc_task_release(&t);
    t = task_of(OC_TASK_MULTI);
    t.delimiter = ';';
    put("t.csv", "text,label\na,\"x;y, z\"\n");
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_string_equal(t.labels.item[1], "y, z");
    oc_data_release(&d);
    oc_task_release(&t);
}

static void labels_from_the_data_are_sorted(void **state)
{
    (void)state;
    oc_task t = task_of(OC_TASK_SINGLE);
    oc_data d = {0};
    oc_data_source src = {.dir = dir, .file = "t.csv", .need_labels = true};
    put("t.csv", "text,label\na,10\nb,9\nc,-2\nd,010\n");
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_string_equal(labels_of(&t), "-2 9 010 10");
    oc_data_release(&d);
    oc_task_release(&t);
    t = task_of(OC_TASK_SINGLE);
    put("t.csv", "text,label\na,10\nb,9\nc,V45\n");
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_string_equal(labels_of(&t), "10 9 V45");
    oc_data_release(&d);
    oc_task_release(&t);
    t = task_of(OC_TASK_SINGLE);
    put("t.csv", "text,label\na,1\nb,1\n");
    HAS(fails(&src, &t, OC_FORMAT), "every row has the same label in column 'label'");
    oc_task_release(&t);
    t = task_of(OC_TASK_MULTI);
    put("t.csv", "text,label\na,\nb,\" , \"\n");
    HAS(fails(&src, &t, OC_FORMAT), "column 'label' holds no label");
    oc_task_release(&t);
}

/* What is wrong, on which line, and what the two ways of taking it do. */
static void bad_rows(void **state)
{
    (void)state;
    oc_task t = task_of(OC_TASK_SINGLE);
    add_label(&t, "0");
    add_label(&t, "1");
    oc_data_source src = {.dir = dir, .file = "t.csv", .need_labels = true, .test_every = 3};
    put("t.csv",
        "id,text,label\n1,secret a,0\n2,secret b\n3,secret c,1\n4,\"secret d\" x,1\n5,secret e,\n"
        "6,secret f,2\n7,secret g,1\n8,secret h,secret h and much more of what was in the note\n");
    HAS(fails(&src, &t, OC_FORMAT), "t.csv:3: 2 fields, the header has 3");
    src.skip_bad_rows = true;
    oc_data d = {0};
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    // rows keep their place whatever is skipped: 2, 5, 8 would be test, and 3 (index 2) is
    assert_string_equal(rows_of(&d.split[0]), "1=secret a:0 7=secret g:1");
    assert_string_equal(rows_of(&d.split[2]), "3=secret c:1");
    assert_int_equal(d.bad.n, 5);
    assert_int_equal(d.bad.first.n, 5);
    HAS(d.bad.first.item[0], "t.csv:3: 2 fields");
    HAS(d.bad.first.item[1], "t.csv:5: bytes after a closing quote");
    HAS(d.bad.first.item[2], "t.csv:6: no label in column 'label'");
    HAS(d.bad.first.item[3], "t.csv:7: label '2' is not in the list");
    HAS(d.bad.first.item[4], "t.csv:9: label (a value of ");
    for (int64_t i = 0; i < d.bad.first.n; i++)
        assert_null(strstr(d.bad.first.item[i], "secret"));
    oc_data_release(&d);

    oc_buf b = {0};
    oc_buf_str(&b, "id,text,label\n1,x,0\n");
    for (int i = 0; i < 50; i++)
        oc_buf_str(&b, "2,x,7\n");
    put("t.csv", b.data);
    oc_buf_release(&b);
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_int_equal(d.bad.n, 50);
    assert_int_equal(d.bad.first.n, 32);
    oc_data_release(&d);
    put("t.csv", "id,text,label\n1,x,5\n2,x,7\n");
    HAS(fails(&src, &t, OC_FORMAT), "all 2 rows are bad; the first: ");
    oc_task_release(&t);
}

static void tables_without_what_is_needed(void **state)
{
    (void)state;
    oc_task t = task_of(OC_TASK_SINGLE);
    oc_data_source src = {.dir = dir, .file = "t.csv", .need_labels = true, .skip_bad_rows = true};
    put("t.csv", "");
    HAS(fails(&src, &t, OC_FORMAT), "t.csv: the file is empty");
    put("t.csv", "text,label\n");
    HAS(fails(&src, &t, OC_FORMAT), "t.csv: there is no row");
    put("t.csv", "note,label,id\na,1,2\n");
    HAS(fails(&src, &t, OC_FORMAT), "t.csv:1: no column 'text'; there are: note, label, id");
    put("t.csv", "text,y\na,1\n");
    HAS(fails(&src, &t, OC_FORMAT), "no column 'label'; there are: text, y");
    put("t.csv", "text,label,text\na,1,b\n");
    HAS(fails(&src, &t, OC_FORMAT), "two columns are named 'text'");
    // without a header the first line is a note, and must not be shown
    put("t.csv",
        "17,\"The secret patient is an 81 year old man with a secret, and more of them\",1\n");
    const char *msg = fails(&src, &t, OC_FORMAT);
    HAS(msg, "there are: 17, (a value of");
    assert_null(strstr(msg, "secret"));
    put("t.csv", "text,label,split\na,1,test\nb,0,test\n");
    src.split_column = "split";
    HAS(fails(&src, &t, OC_FORMAT), "the train split is empty: 2 rows went to other splits");
    t.text_column[0] = 0;
    HAS(fails(&src, &t, OC_USAGE), "text column has no name");
    oc_task_release(&t);
}

static void json_lines(void **state)
{
    (void)state;
    oc_task t = task_of(OC_TASK_MULTI);
    oc_data d = {0};
    oc_data_source src = {
        .dir = dir, .file = "t.jsonl", .need_labels = true, .split_column = "part"};
    put("t.jsonl",
        "\xef\xbb\xbf{\"id\": 12, \"text\": \"a\\nb\", \"label\": [\"038\", \"401\"], \"part\": \"train\"}\r\n"
        "\n"
        "{\"text\": \"c\", \"label\": \"401,V45\", \"part\": \"train\"}\n"
        "{\"text\": \"d\", \"label\": null, \"id\": \"z\", \"part\": \"test\"}\n"
        "{\"text\": \"e\", \"label\": 401, \"id\": null, \"part\": \"train\", \"more\": {}}");
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_string_equal(labels_of(&t), "038 401 V45");
    assert_string_equal(rows_of(&d.split[0]), "12=a\nb:110 2=c:011 4=e:010");
    assert_string_equal(rows_of(&d.split[2]), "z=d:000");
    oc_data_release(&d);
    oc_task_release(&t);

    t = task_of(OC_TASK_SINGLE);
    add_label(&t, "0");
    add_label(&t, "1");
    src.split_column = "";
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"{\"text\": \"secret\", \"label\": 1", "t.jsonl:3:"},
        {"[\"secret\"]", "t.jsonl:3: not a JSON object"},
        {"{\"txt\": \"secret\", \"label\": 1}",
         "t.jsonl:3: no column 'text'; there are: txt, label"},
        {"{\"text\": \"secret\"}", "t.jsonl:3: no column 'label'; there are: text"},
        {"{\"text\": [\"secret\"], \"label\": 1}", "t.jsonl:3: 'text' is not a string"},
        {"{\"text\": \"secret\", \"label\": true}", "t.jsonl:3: 'label' is not a string, a number"},
        {"{\"text\": \"secret\", \"label\": [1]}", "t.jsonl:3: 'label' is not one label"},
        {"{\"text\": \"secret\", \"label\": 1.5}", "t.jsonl:3: label '1.5' is not in the list"},
        {"{\"text\": \"secret\", \"label\": null}", "t.jsonl:3: no label"},
        {"{\"text\": \"\xff\", \"label\": 1}", "t.jsonl:3:"}};
    for (int i = 0; i < OC_COUNT(bad); i++) {
        char s[512];
        snprintf(s, sizeof s,
                 "\n{\"text\": \"a\", \"label\": 0}\n%s\n{\"text\": \"b\", \"label\": \"1\"}\n",
                 bad[i].line);
        put("t.jsonl", s);
        src.skip_bad_rows = false;
        const char *msg = fails(&src, &t, OC_FORMAT);
        HAS(msg, bad[i].says);
        assert_null(strstr(msg, "secret"));
        src.skip_bad_rows = true;
        assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
        assert_int_equal(d.bad.n, 1);
        assert_string_equal(rows_of(&d.split[0]), "1=a:0 3=b:1");
        oc_data_release(&d);
    }
    put("t.jsonl", "");
    HAS(fails(&src, &t, OC_FORMAT), "the file is empty");
    put("t.jsonl", "\n\n");
    HAS(fails(&src, &t, OC_FORMAT), "there is no row");
    oc_task_release(&t);
}

static void one_file(void **state)
{
    (void)state;
    oc_task t = task_of(OC_TASK_SINGLE);
    add_label(&t, "0");
    add_label(&t, "1");
    oc_dataset d = {0};
    oc_bad_rows bad = {0};
    const char *path = put("p.csv", "id,text\n5,a\n6\n7,b\n");
    oc_err e = {0};
    assert_int_equal(oc_data_load_file(path, &t, true, false, &d, &bad, &e), OC_FORMAT);
    HAS(e.msg, "no column 'label'");
    assert_int_equal(oc_data_load_file(path, &t, false, true, &d, &bad, NULL), OC_OK);
    assert_string_equal(rows_of(&d), "5=a:-1 7=b:-1");
    assert_int_equal(d.K, 2);
    assert_int_equal(bad.n, 1);
    oc_strlist_release(&bad.first);
    oc_dataset_release(&d);
    path = put("p.csv", "id,text,label\n5,a,what\n7,b,\n");
    assert_int_equal(oc_data_load_file(path, &t, false, false, &d, NULL, NULL), OC_OK);
    assert_string_equal(rows_of(&d), "5=a:-1 7=b:-1");
    oc_dataset_release(&d);
    path = put("p.csv", "id,text,label\n5,a,1\n7,,0\n");
    assert_int_equal(oc_data_load_file(path, &t, true, false, &d, NULL, NULL), OC_OK);
    assert_string_equal(rows_of(&d), "5=a:1 7=:0");
    oc_dataset_release(&d);
    oc_task_release(&t);
}

/* --- out of memory ------------------------------------------------------------------------- */

static oc_status load_all(const oc_data_source *src, oc_task_kind kind, oc_err *e)
{
    oc_task t = task_of(kind);
    oc_data d = {0};
    oc_status st = oc_data_load(src, &t, &d, e);
    oc_data_release(&d);
    oc_task_release(&t);
    return st;
}

static void memory_running_out(void **state)
{
    (void)state;
    put("t.csv", "id,text,label\n1,a,\"x,y\"\n2,b\n3,c,z\n4,d,\"y,z\"\n5,e,x\n");
    put("t.jsonl",
        "{\"text\":\"a\",\"label\":[\"x\",\"y\"]}\n{\"text\":1.5,\"label\":\"z\"}\n[]\n{\"text\":\"b\",\"label\":2}\n");
    for (int f = 0; f < 2; f++) {
        oc_data_source src = {.dir = dir,
                              .file = f ? "t.jsonl" : "t.csv",
                              .need_labels = true,
                              .skip_bad_rows = true,
                              .valid_frac = 0.3,
                              .test_every = 2};
        int at = 1;
        for (;; at++) {
            oc_err e = {0};
            oc_alloc_fail_at(at);
            oc_status st = load_all(&src, OC_TASK_MULTI, &e);
            oc_alloc_fail_at(0);
            if (st == OC_OK)
                break;
            assert_int_equal(st, OC_NOMEM);
            assert_int_equal(e.status, OC_NOMEM);
        }
        assert_true(at > 20);
    }
    const char *path = put("l.txt", "a\nb\nc\n");
    for (int at = 1;; at++) {
        oc_task t = task_of(OC_TASK_MULTI);
        oc_alloc_fail_at(at);
        oc_status st = oc_task_read_labels(&t, path, NULL);
        oc_alloc_fail_at(0);
        oc_task_release(&t);
        if (st == OC_OK)
            break;
        assert_int_equal(st, OC_NOMEM);
    }
}

/* --- the real tables ----------------------------------------------------------------------- */

static void published_tables(void **state)
{
    (void)state;
    const char *base = getenv("OC_SHARED_DATA");
    base = base ? base : "../shared/data";
    if (!oc_path_is_dir(base)) {
        print_message("skipped: %s is not there\n", base);
        skip();
    }
    char where[OC_PATH_MAX];
    oc_task t = task_of(OC_TASK_SINGLE);
    oc_data d = {0};
    snprintf(where, sizeof where, "%s/mtsamples", base);
    oc_data_source src = {.dir = where,
                          .file = "mtsamples_12_single_label.csv",
                          .split_column = "split",
                          .need_labels = true};
    assert_int_equal(oc_data_load(&src, &t, &d, NULL), OC_OK);
    assert_int_equal(t.labels.n, 12);
    assert_int_equal(d.split[0].n, 1089);
    assert_int_equal(d.split[1].n, 147);
    assert_int_equal(d.split[2].n, 164);
    oc_data_release(&d);
    oc_task_release(&t);

    t = task_of(OC_TASK_SINGLE);
    strcpy(t.text_column, "section_text");
    strcpy(t.label_column, "section_header");
    strcpy(t.id_column, "ID");
    snprintf(where, sizeof where, "%s/mts-dialog", base);
    oc_data_source dialog = {
        .dir = where,
        .need_labels = true,
        .files = {
            "MTS-Dialog-TrainingSet.csv", "MTS-Dialog-ValidationSet.csv",
            "MTS-Dialog-TestSet-1-MEDIQA-Chat-2023.csv,MTS-Dialog-TestSet-2-MEDIQA-Sum-2023.csv"}};
    assert_int_equal(oc_data_load(&dialog, &t, &d, NULL), OC_OK);
    assert_int_equal(t.labels.n, 20);
    assert_int_equal(d.split[0].n, 1201);
    assert_int_equal(d.split[1].n, 100);
    assert_int_equal(d.split[2].n, 400);
    assert_int_equal(d.bad.n, 0);
    oc_data_release(&d);
    oc_task_release(&t);

    t = task_of(OC_TASK_SINGLE);
    strcpy(t.text_column, "medical_abstract");
    strcpy(t.label_column, "condition_label");
    snprintf(where, sizeof where, "%s/medical-abstracts-tc", base);
    oc_data_source abstracts = {
        .dir = where, .file = "medical_tc_test.csv", .test_every = 5, .need_labels = true};
    assert_int_equal(oc_data_load(&abstracts, &t, &d, NULL), OC_OK);
    assert_int_equal(d.split[0].n, 2311);
    assert_int_equal(d.split[2].n, 577);
    int64_t a[5], b[5];
    oc_dataset_counts(&d.split[0], a);
    oc_dataset_counts(&d.split[2], b);
    static const int64_t all[5] = {633, 299, 385, 610, 961};
    for (int k = 0; k < 5; k++)
        assert_int_equal(a[k] + b[k], all[k]);
    oc_data_release(&d);
    oc_task_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets),
        cmocka_unit_test(label_files),
        cmocka_unit_test(too_many_labels),
        cmocka_unit_test(datasets),
        cmocka_unit_test(split_column),
        cmocka_unit_test(every_kth_row_is_test),
        cmocka_unit_test(files_by_split),
        cmocka_unit_test(multi_labels_are_strings),
        cmocka_unit_test(labels_from_the_data_are_sorted),
        cmocka_unit_test(bad_rows),
        cmocka_unit_test(tables_without_what_is_needed),
        cmocka_unit_test(json_lines),
        cmocka_unit_test(one_file),
        cmocka_unit_test(memory_running_out),
        cmocka_unit_test(published_tables),
    };
    return cmocka_run_group_tests_name("task", tests, make_dir, remove_dir);
}
