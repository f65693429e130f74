#include "core/data/notes.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/data/notes_patient.h"
#include "core/data/notes_text.h"

typedef enum { T_MORTALITY, T_LOS, T_DIAGNOSES, T_PROCEDURES, N_TASKS } task_id;

/* Tenth of the mixed risk that dies; where the four lengths of stay part. */
#define RISK_CUT 1.26
static const double stay_cut[3] = {-1.109, -0.050, 0.835};

static oc_status find_task(const char *name, task_id *out, oc_err *err)
{
    static const char *const names[N_TASKS] = {"mortality", "los", "diagnoses", "procedures"};
    for (int i = 0; i < N_TASKS; i++) {
        if (name && !strcmp(name, names[i])) {
            *out = (task_id)i;
            return OC_OK;
        }
    }
    return OC_FAIL(err, OC_RANGE,
                   "no notes for task '%.40s': there are mortality, los, diagnoses and procedures",
                   name ? name : "");
}

/* What is seen of a score: all of it at noise 0, nothing at noise 1, of unit variance at any. */
static double blur(double score, double noise, oc_rng *r)
{
    double angle = pow(noise, 1.5) * 1.5707963267948966;
    return cos(angle) * score + sin(angle) * oc_rng_normal(r);
}

static void put_codes(task_id task, const oc_patient *p, const oc_patient *other, double noise,
                      oc_rng *r, oc_buf *out)
{
    bool dx = task == T_DIAGNOSES;
    int n = dx ? oc_notes_n_dx() : oc_notes_n_px(), said = 0;
    double swap = pow(noise, 2.5);
    for (int i = 0; i < n; i++) {
        // a code taken from another patient keeps its frequency and loses its meaning
        const oc_patient *from = oc_rng_f64(r) < swap ? other : p;
        if (!(dx ? from->dx[i] : from->px[i]))
            continue;
        if (said++)
            oc_buf_ch(out, ',');
        oc_buf_str(out, dx ? oc_notes_dx[i].code : oc_notes_px[i].code);
    }
}

static void put_label(const oc_notes_opts *o, task_id task, int64_t i, const oc_patient *p,
                      oc_buf *out)
{
    oc_rng r;
    oc_rng_init(&r, oc_rng_at(o->seed, (uint64_t)task + 1), 4 * (uint64_t)i + 2);
    if (task == T_MORTALITY) {
        oc_buf_ch(out, blur(p->risk, o->noise, &r) > RISK_CUT ? '1' : '0');
    } else if (task == T_LOS) {
        double stay = blur(p->stay, o->noise, &r);
        int k = 0;
        while (k < 3 && stay > stay_cut[k])
            k++;
        oc_buf_ch(out, (char)('0' + k));
    } else {
        oc_patient other;
        oc_patient_draw(&other, oc_rng_at(o->seed, 99), i);
        put_codes(task, p, &other, o->noise, &r, out);
    }
}

oc_status oc_note_make(const oc_notes_opts *o, int64_t i, oc_buf *text, oc_buf *label, oc_err *err)
{
    task_id task;
    OC_TRY(find_task(o->task, &task, err));
    if (!(o->noise >= 0 && o->noise <= 1))
        return OC_FAIL(err, OC_RANGE, "the noise of synthetic notes is %g, not in 0..1", o->noise);
    if (i < 0)
        return OC_FAIL(err, OC_RANGE, "there is no note %lld", (long long)i);
    oc_patient p;
    oc_patient_draw(&p, o->seed, i);
    oc_rng r;
    oc_rng_init(&r, o->seed, 4 * (uint64_t)i + 1);
    oc_note_text(&p, &r, text);
    put_label(o, task, i, &p, label);
    OC_TRY(oc_buf_check(text, err));
    return oc_buf_check(label, err);
}

oc_status oc_notes_label_list(const char *task, oc_buf *out, oc_err *err)
{
    task_id id;
    OC_TRY(find_task(task, &id, err));
    if (id == T_DIAGNOSES)
        for (int i = 0; oc_notes_dx[i].code; i++)
            oc_buf_fmt(out, "%s%s", i ? " " : "", oc_notes_dx[i].code);
    if (id == T_PROCEDURES)
        for (int i = 0; oc_notes_px[i].code; i++)
            oc_buf_fmt(out, "%s%s", i ? " " : "", oc_notes_px[i].code);
    return oc_buf_check(out, err);
}

/* --- files and data sets ------------------------------------------------------------------- */

static void put_quoted(oc_buf *b, const char *s)
{
    oc_buf_ch(b, '"');
    for (; *s; s++) {
        if (*s == '"')
            oc_buf_ch(b, '"');
        oc_buf_ch(b, *s);
    }
    oc_buf_ch(b, '"');
}

typedef struct note_bufs {
    oc_buf text, label, row;
} note_bufs;

static void release_bufs(note_bufs *b)
{
    oc_buf_release(&b->text);
    oc_buf_release(&b->label);
    oc_buf_release(&b->row);
}

static oc_status put_row(const oc_notes_opts *o, int64_t i, note_bufs *b, oc_writer *w, oc_err *err)
{
    oc_buf_clear(&b->text);
    oc_buf_clear(&b->label);
    oc_buf_clear(&b->row);
    OC_TRY(oc_note_make(o, i, &b->text, &b->label, err));
    oc_buf_fmt(&b->row, "\"%lld\",", (long long)(100000 + i));
    put_quoted(&b->row, oc_buf_cstr(&b->text));
    oc_buf_ch(&b->row, ',');
    put_quoted(&b->row, oc_buf_cstr(&b->label));
    oc_buf_ch(&b->row, '\n');
    OC_TRY(oc_buf_check(&b->row, err));
    return oc_writer_put(w, b->row.data, b->row.len, err);
}

oc_status oc_notes_write_csv(const oc_notes_opts *o, int64_t first, int64_t rows, const char *path,
                             oc_err *err)
{
    oc_task task = {0};
    OC_TRY(oc_task_preset(o->task, &task, err));
    char head[160];
    snprintf(head, sizeof head, "\"id\",\"text\",\"%s\"\n", task.label_column);
    oc_task_release(&task);
    if (rows < 1)
        return OC_FAIL(err, OC_RANGE, "%lld rows of notes: at least one is needed",
                       (long long)rows);
    oc_writer *w = NULL;
    note_bufs b = {0};
    OC_TRY(oc_writer_begin(path, &w, err));
    oc_status st = oc_writer_put(w, head, strlen(head), err);
    for (int64_t i = 0; i < rows && st == OC_OK; i++)
        st = put_row(o, first + i, &b, w, err);
    release_bufs(&b);
    if (st != OC_OK) {
        oc_writer_abort(w);
        return st;
    }
    return oc_writer_commit(w, err);
}

/* Labels of a note's cell as class numbers; a code is found by its place in the list. */
static int64_t parse_cell(const oc_task *task, const char *cell, int32_t classes[OC_MAX_DX])
{
    int64_t n = 0;
    for (const char *s = cell; *s;) {
        size_t k = strcspn(s, ",");
        for (int64_t c = 0; c < task->labels.n; c++)
            if (strlen(task->labels.item[c]) == k && !memcmp(task->labels.item[c], s, k))
                classes[n++] = (int32_t)c;
        s += k + (s[k] == ',');
    }
    return n;
}

static oc_status fill_split(const oc_notes_opts *o, const oc_task *task, int64_t first,
                            int64_t rows, oc_dataset *d, oc_err *err)
{
    note_bufs b = {0};
    oc_status st = OC_OK;
    for (int64_t i = first; i < first + rows && st == OC_OK; i++) {
        oc_buf_clear(&b.text);
        oc_buf_clear(&b.label);
        st = oc_note_make(o, i, &b.text, &b.label, err);
        if (st != OC_OK)
            break;
        int32_t classes[OC_MAX_DX];
        int64_t n = parse_cell(task, oc_buf_cstr(&b.label), classes);
        char id[32];
        snprintf(id, sizeof id, "%lld", (long long)(100000 + i));
        st = oc_dataset_add(d, id, oc_buf_cstr(&b.text), classes, n, err);
    }
    release_bufs(&b);
    return st;
}

static oc_status notes_task(const char *name, oc_task *out, oc_err *err)
{
    oc_task t = {0};
    oc_buf codes = {0};
    OC_TRY(oc_task_preset(name, &t, err));
    oc_status st = oc_notes_label_list(name, &codes, err);
    if (st == OC_OK)
        st = oc_strlist_split(&t.labels, oc_buf_cstr(&codes), ' ', err);
    oc_buf_release(&codes);
    if (st != OC_OK)
        oc_task_release(&t);
    else
        *out = t;
    return st;
}

oc_status oc_notes_data(const oc_notes_opts *o, const int64_t rows[OC_N_SPLITS], oc_task *task,
                        oc_data *out, oc_err *err)
{
    oc_task t = {0};
    oc_data d = {0};
    OC_TRY(notes_task(o->task, &t, err));
    oc_status st = rows[OC_SPLIT_TRAIN] > 0
                       ? OC_OK
                       : OC_FAIL(err, OC_RANGE, "no synthetic notes to train on were asked for");
    int64_t first = 0;
    for (int s = 0; s < OC_N_SPLITS && st == OC_OK; s++) {
        d.split[s] = (oc_dataset){.K = t.labels.n, .kind = t.kind};
        st = fill_split(o, &t, first, rows[s], &d.split[s], err);
        first += rows[s];
    }
    if (st != OC_OK) {
        oc_task_release(&t);
        oc_data_release(&d);
        return st;
    }
    *task = t;
    *out = d;
    return OC_OK;
}
