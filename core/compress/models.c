/*
 * core/compress/models.c - models from a specification: new ones, folders, cut from a teacher.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/compress/encode.h"
#include "core/compress/teachers.h"

#define POS_UNIT 64 // new models have a multiple of this many positions
#define NEW_FORM "new:L4-H128-A4-F512[-cased|-uncased][-V4000]"

/* --- "new:..." ------------------------------------------------------------------------------- */

typedef struct new_spec {
    int64_t L, H, A, F, V; // 0: not said
    bool cased, casing_said;
} new_spec;

static oc_status bad_spec(oc_err *err, const char *spec, const char *why)
{
    return OC_FAIL(err, OC_USAGE, "model '%.120s': %s; the form is " NEW_FORM, spec, why);
}

static oc_status take_number(const char *spec, const char *item, new_spec *s, oc_err *err)
{
    const struct {
        char letter;
        int64_t lo, hi, *at;
    } field[] = {{'L', 1, OC_MAX_LAYERS, &s->L},
                 {'H', 8, 8192, &s->H},
                 {'A', 1, OC_MAX_HEADS, &s->A},
                 {'F', 1, 65536, &s->F},
                 {'V', 64, 200000, &s->V}};
    char why[160];
    for (int i = 0; i < OC_COUNT(field); i++) {
        int64_t v;
        if (item[0] != field[i].letter)
            continue;
        if (*field[i].at) {
            snprintf(why, sizeof why, "%c is given twice", item[0]);
            return bad_spec(err, spec, why);
        }
        if (strspn(item + 1, "0123456789") != strlen(item + 1) || !oc_parse_i64(item + 1, &v) ||
            v < field[i].lo || v > field[i].hi) {
            snprintf(why, sizeof why,
                     "'%.40s' is not %c with a number from %" PRId64 " to %" PRId64, item, item[0],
                     field[i].lo, field[i].hi);
            return bad_spec(err, spec, why);
        }
        *field[i].at = v;
        return OC_OK;
    }
    snprintf(why, sizeof why, "'%.40s' is not understood", item);
    return bad_spec(err, spec, why);
}

static oc_status check_new(const char *spec, const new_spec *s, oc_err *err)
{
    char why[160];
    if (!s->L || !s->H || !s->A || !s->F) {
        snprintf(why, sizeof why, "%s is missing",
                 !s->L   ? "L (layers)"
                 : !s->H ? "H (hidden size)"
                 : !s->A ? "A (attention heads)"
                         : "F (FFN width)");
        return bad_spec(err, spec, why);
    }
    if (s->H % s->A != 0) {
        snprintf(why, sizeof why, "H %" PRId64 " cannot be divided by A %" PRId64, s->H, s->A);
        return bad_spec(err, spec, why);
    }
    return OC_OK;
}

static oc_status parse_new(const char *spec, new_spec *out, oc_err *err)
{
    new_spec s = {0};
    char text[160];
    const char *body = spec + strlen("new:");
    if (strlen(body) >= sizeof text)
        return bad_spec(err, spec, "it is too long");
    // By hand, not by oc_strlist_split: an empty item ("L4--H128") is an error here.
    for (const char *at = body, *dash;; at = dash + 1) {
        dash = strchr(at, '-');
        size_t n = dash ? (size_t)(dash - at) : strlen(at);
        memcpy(text, at, n);
        text[n] = '\0';
        if (!strcmp(text, "cased") || !strcmp(text, "uncased")) {
            if (s.casing_said)
                return bad_spec(err, spec, "casing is given twice");
            s.casing_said = true;
            s.cased = text[0] == 'c';
        } else {
            OC_TRY(take_number(spec, text, &s, err));
        }
        if (!dash)
            break;
    }
    OC_TRY(check_new(spec, &s, err));
    *out = s;
    return OC_OK;
}

static oc_status learn_tokenizer(oc_job *job, const new_spec *s, const oc_settings *set,
                                 const oc_dataset *train, oc_tokenizer **out, oc_err *err)
{
    oc_vocab *vocab = NULL;
    oc_vocab_learn_opts o = {.size = (int32_t)(s->V ? s->V : set->teacher_vocab),
                             .min_count = 2,
                             .lowercase = !s->cased};
    if (train->n == 0)
        return OC_FAIL(err, OC_FORMAT, "there are no training notes to learn a vocabulary from");
    OC_TRY(oc_job_poll(job, NULL, err));
    OC_TRY(oc_vocab_learn((const char *const *)train->text, train->n, &o, &vocab, err));
    oc_status rc = oc_tokenizer_new(vocab, !s->cased, out, err);
    if (rc != OC_OK)
        oc_vocab_free(vocab);
    return rc;
}

static oc_status make_new(oc_job *job, const char *spec, const oc_task *task,
                          const oc_dataset *train, const oc_settings *set, uint64_t seed,
                          oc_checkpoint **out, oc_err *err)
{
    new_spec s = {0};
    oc_tokenizer *tok = NULL;
    oc_model *m = NULL;
    OC_TRY(parse_new(spec, &s, err));
    OC_TRY(learn_tokenizer(job, &s, set, train, &tok, err));
    oc_dims d = {.L = (int32_t)s.L,
                 .H = (int32_t)s.H,
                 .D = (int32_t)(s.H / s.A),
                 .V = oc_vocab_size(tok->vocab),
                 .S = 2,
                 .K = (int32_t)task->labels.n,
                 .eps = 1e-12f,
                 .act = OC_ACT_GELU};
    d.P = (int32_t)((set->train_max_len + POS_UNIT - 1) / POS_UNIT * POS_UNIT);
    d.p_hidden = d.p_attn = d.p_cls = (float)set->train_dropout;
    for (int32_t l = 0; l < d.L; l++) {
        d.A[l] = (int32_t)s.A;
        d.F[l] = (int32_t)s.F;
    }
    oc_status rc = oc_dims_check(&d, err);
    if (rc == OC_OK)
        rc = oc_model_new(&d, &m, err);
    if (rc == OC_OK) {
        oc_model_init(m, seed);
        rc = oc_checkpoint_new(m, tok, out, err);
    }
    if (rc != OC_OK) {
        oc_model_free(m);
        oc_tokenizer_free(tok);
    }
    return rc;
}

/* --- folders --------------------------------------------------------------------------------- */

// "LABEL_0", "LABEL_1", ...: what Hugging Face writes when nobody named the classes.
static bool unnamed_labels(const oc_strlist *l)
{
    char name[32];
    for (int64_t i = 0; i < l->n; i++) {
        snprintf(name, sizeof name, "LABEL_%" PRId64, i);
        if (strcmp(l->item[i], name) != 0)
            return false;
    }
    return true;
}

static void compare_labels(oc_job *job, const char *spec, const oc_checkpoint *c,
                           const oc_task *task)
{
    const oc_strlist *l = &c->config.labels;
    if (c->head_missing || l->n != task->labels.n || unnamed_labels(l))
        return;
    for (int64_t i = 0; i < l->n; i++)
        if (strcmp(l->item[i], task->labels.item[i]) != 0) {
            oc_job_alert(
                job, "warn",
                "%.200s: its label %lld is '%.40s', the task's is '%.40s': outputs are matched by "
                "position, which is wrong if the order differs",
                spec, (long long)i, l->item[i], task->labels.item[i]);
            return;
        }
}

void oc_log_remarks(oc_job *job, const char *spec, const oc_checkpoint *c)
{
    for (int64_t i = 0; i < c->remarks.n; i++)
        oc_job_log(job, c->head_missing ? "warn" : "info", "%.200s: %s", spec, c->remarks.item[i]);
}

static oc_status load_folder(oc_job *job, const char *spec, const oc_task *task, uint64_t seed,
                             oc_checkpoint **out, oc_err *err)
{
    oc_checkpoint *c = NULL;
    OC_TRY(oc_checkpoint_load(spec, (int32_t)task->labels.n, seed, &c, err));
    if (c->model->dims.K != task->labels.n) {
        oc_status rc =
            OC_FAIL(err, OC_SHAPE, "the classifier in %.200s has %d labels, but task '%s' has %lld",
                    spec, c->model->dims.K, task->name, (long long)task->labels.n);
        oc_checkpoint_free(c);
        return rc;
    }
    oc_log_remarks(job, spec, c);
    compare_labels(job, spec, c, task);
    *out = c;
    return OC_OK;
}

static oc_status fill_config(oc_checkpoint *c, const oc_task *task, int64_t max_len, oc_err *err)
{
    oc_config *g = &c->config;
    oc_strlist_release(&g->labels);
    for (int64_t i = 0; i < task->labels.n; i++)
        OC_TRY(oc_strlist_add(&g->labels, task->labels.item[i], strlen(task->labels.item[i]), err));
    g->dims = c->model->dims;
    g->multi_label = task->kind == OC_TASK_MULTI;
    oc_strlcpy(g->task, task->name, sizeof g->task);
    oc_strlcpy(g->text_column, task->text_column, sizeof g->text_column);
    oc_strlcpy(g->label_column, task->label_column, sizeof g->label_column);
    g->max_len = (int32_t)oc_max_len(g, max_len);
    return OC_OK;
}

oc_status oc_make_model(oc_job *job, const char *spec, const oc_task *task, const oc_dataset *train,
                        uint64_t seed, oc_checkpoint **out, oc_err *err)
{
    oc_checkpoint *c = NULL;
    oc_settings *set = oc_alloc(sizeof *set);
    oc_status rc;
    if (!set)
        return OC_FAIL(err, OC_NOMEM, "out of memory");
    if (job)
        *set = job->set;
    else
        oc_settings_init(set);
    if (task->labels.n < 1)
        rc = OC_FAIL(err, OC_STATE, "task '%s' has no labels yet", task->name);
    else if (oc_str_starts(spec, "new:"))
        rc = make_new(job, spec, task, train, set, seed, &c, err);
    else
        rc = load_folder(job, spec, task, seed, &c, err);
    if (rc == OC_OK)
        rc = fill_config(c, task, set->train_max_len, err);
    if (rc == OC_OK)
        *out = c;
    else
        oc_checkpoint_free(c);
    oc_free(set);
    return rc;
}

/* --- a student from a teacher's layers ------------------------------------------------------- */

// Teacher layer that student layer l starts from; evenly spread and ending with the last one.
static int32_t teacher_layer(int32_t l, int32_t n, int32_t L, bool every)
{
    return every ? (int32_t)((int64_t)(l + 1) * L / n) - 1 : l;
}

static oc_status cut_model(const oc_model *from, int32_t n, bool every, oc_model **out, oc_err *err)
{
    oc_dims d = from->dims;
    d.L = n;
    memset(d.A, 0, sizeof d.A);
    memset(d.F, 0, sizeof d.F);
    for (int32_t l = 0; l < n; l++) {
        d.A[l] = from->dims.A[teacher_layer(l, n, from->dims.L, every)];
        d.F[l] = from->dims.F[teacher_layer(l, n, from->dims.L, every)];
    }
    oc_model *m = NULL;
    OC_TRY(oc_model_check(from, err));
    OC_TRY(oc_model_new(&d, &m, err));
    for (int32_t i = 0; i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        int32_t l = p->layer < 0 ? -1 : teacher_layer(p->layer, n, from->dims.L, every);
        const oc_param *q = oc_layout_at(&from->layout, p->kind, l);
        memcpy(m->slab + p->offset, from->w[q - from->layout.param].f32,
               (size_t)p->n * sizeof(float));
    }
    *out = m;
    return OC_OK;
}

oc_status oc_make_student(const oc_checkpoint *teacher, int32_t n_layers, bool every,
                          oc_checkpoint **out, oc_err *err)
{
    const oc_model *t = teacher->model;
    oc_model *m = NULL;
    if (n_layers < 1 || n_layers > t->dims.L)
        return OC_FAIL(
            err, OC_RANGE,
            "a student of %d layers cannot be cut from a teacher of %d (student.n_layers)",
            n_layers, t->dims.L);
    if (!oc_model_is_f32(t))
        return OC_FAIL(err, OC_UNSUPPORTED, "a student cannot be cut from a quantized teacher");
    OC_TRY(cut_model(t, n_layers, every, &m, err));
    oc_status rc = oc_checkpoint_with(teacher, m, out, err);
    if (rc != OC_OK)
        oc_model_free(m);
    return rc;
}
