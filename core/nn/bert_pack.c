/*
 * core/nn/bert_pack.c - weights packed for the products, and looked at on the way.
 *
 * What this costs is memory traffic: BERT-base is 340 MB in f32, read once, written once. So one
 * parallel loop runs over all matrices of a layer, in pieces that stay in a worker's L2 between
 * being looked at (oc_model_sound) and being packed.
 */
#include <stdatomic.h>
#include <string.h>

#include "core/base/par.h"
#include "core/nn/bert_internal.h"

#define PIECE (1 << 16) /* entries of a piece, about */

enum { MAX_TASKS = 8 };

/* A matrix to be packed, or (lin NULL) a table that is only looked at. */
typedef struct task {
    const oc__linear *lin;
    int32_t param;
    int64_t rows, cols, step; /* step: rows of a piece, whole panels */
    int64_t first;            /* piece of the loop it begins with */
} task;

typedef struct tasks {
    const oc_model *m;
    bool look;
    _Atomic bool unsound;
    int n;
    task t[MAX_TASKS];
    int64_t pieces, entries;
} tasks;

/* Columns that are whole panels, on a matrix unit (32) and off it. */
static int64_t f32_unit(void)
{
    int64_t n = oc_k->nr;
    while (n % 32)
        n += oc_k->nr;
    return n;
}

static void add_task(tasks *s, const oc__linear *lin, int32_t param)
{
    const oc_param *p = &s->m->layout.param[param];
    task *t = &s->t[s->n++];
    int64_t unit = !lin ? 1 : lin->wq ? oc_k->qnr : f32_unit();
    int64_t step = OC_MAX(1, PIECE / OC_MAX(1, unit * p->cols)) * unit;
    *t = (task){lin, param, p->rows, p->cols, step, s->pieces};
    s->pieces += (p->rows + step - 1) / step;
    s->entries += p->n;
}

static bool is_7_bits(const oc__linear *lin)
{
    return lin->wq && oc_s8_is_7_bits(lin->wq, lin->I * lin->O);
}

static void add_linear(tasks *s, oc__linear *lin, bool bits7)
{
    lin->s8.bits7 = bits7;
    add_task(s, lin, lin->param);
}

static void add_alone(tasks *s, oc__linear *lin)
{
    add_linear(s, lin, is_7_bits(lin));
}

static void pack_rows(const oc__linear *lin, int64_t r0, int64_t n)
{
    if (lin->wq) {
        oc_pack_s8(lin->wq + r0 * lin->I, lin->I, n, lin->s8.bits7,
                   lin->s8.panel + oc_pack_s8_bytes(lin->I, r0));
        return;
    }
    oc_packed_f32 part = lin->f32;
    part.N = n;
    part.panel += oc_pack_f32_floats(lin->I, r0, part.x6);
    oc_pack_f32((oc_mat){lin->w + r0 * lin->I, 1, lin->I}, &part);
}

static void run_pieces(void *ctx, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    tasks *s = ctx;
    for (int64_t i = begin; i < end; i++) {
        int k = s->n - 1;
        while (i < s->t[k].first)
            k--;
        const task *t = &s->t[k];
        int64_t r0 = (i - t->first) * t->step, n = OC_MIN(t->step, t->rows - r0);
        if (s->look && !oc_model_sound(s->m, t->param, r0, n))
            atomic_store(&s->unsound, true);
        if (t->lin)
            pack_rows(t->lin, r0, n);
    }
}

static bool run_tasks(tasks *s)
{
    int64_t grain = s->entries < PIECE ? OC_MAX(1, s->pieces) : 1;
    oc_par_for(s->pieces, grain, run_pieces, s);
    return !atomic_load(&s->unsound);
}

/* What is multiplied as one is packed as one; biases and scales lie side by side. Padding stays what
 * the arena made it: 0. */
static void add_qkv(tasks *s, oc__layer *y)
{
    oc__linear *each[3] = {&y->q, &y->k, &y->v};
    bool bits7 = is_7_bits(each[0]) && is_7_bits(each[1]) && is_7_bits(each[2]);
    y->qkv.s8.bits7 = y->kv.s8.bits7 = bits7;
    for (int i = 0; i < 3; i++) {
        size_t bytes = (size_t)y->AD * sizeof(float);
        add_linear(s, each[i], bits7);
        memcpy(y->bias3 + i * y->W, each[i]->bias, bytes);
        if (each[i]->wq && y->scale3)
            memcpy(y->scale3 + i * y->W, each[i]->s8.scale, bytes);
    }
}

bool oc__pack_layer(oc_bert *b, int32_t l)
{
    tasks s = {.m = b->m, .look = !b->m->slab};
    if (l >= 0) {
        add_alone(&s, &b->layer[l].o);
        add_alone(&s, &b->layer[l].f1);
        add_alone(&s, &b->layer[l].f2);
    }
    if (l + 1 < b->m->dims.L) {
        add_qkv(&s, &b->layer[l + 1]);
    } else {
        add_alone(&s, &b->pool);
        add_alone(&s, &b->cls);
    }
    bool sound = run_tasks(&s);
    if (b->lim.watch)
        b->lim.watch->fn(b->lim.watch->ctx, l + 1, b->m->dims.L);
    return sound;
}

bool oc__look_at_rest(const oc_model *m)
{
    tasks s = {.m = m, .look = true};
    bool sound = true;
    for (int32_t i = 0; !m->slab && i < m->layout.n; i++) {
        const oc_param *p = &m->layout.param[i];
        if (oc_kind_is_embedding(p->kind))
            add_task(&s, NULL, i);
        else if (!oc_kind_is_matrix(p->kind))
            sound = sound && oc_model_sound(m, i, 0, p->rows);
    }
    return run_tasks(&s) && sound;
}
