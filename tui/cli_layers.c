/*
 * tui/cli_layers.c - bench MODEL --layers: where the time of a forward pass goes, matrix by matrix.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/json.h"
#include "core/compress/prune.h"
#include "core/kernels/kernels.h"
#include "core/measure/latency.h"
#include "core/measure/layer_cost.h"
#include "tui/cli.h"

typedef struct table {
    oc_checkpoint *k;
    int32_t length;
    oc_latency_case forward;
    oc_layer_costs layers, widths; /* owned */
} table;

/* Is the product quantized in this model? */
static bool is_int8(const table *t, const oc_layer_cost *c)
{
    const oc_model *m = t->k->model;
    for (int32_t i = 0; i < m->layout.n; i++)
        if (m->w[i].q && oc_layer_cost_is_of(c, &m->layout.param[i]))
            return true;
    return false;
}

/* Of the forward pass, in the precision this model has it in. */
static double share(const table *t, const oc_layer_cost *c)
{
    return (is_int8(t, c) ? c->int8_ms : c->f32_ms) / t->forward.median_ms;
}

static void json_costs(oc_jw *w, const char *key, const table *t, const oc_layer_costs *l,
                       bool width)
{
    oc_jw_key(w, key);
    oc_jw_open(w, '[');
    for (int32_t i = 0; i < l->n; i++) {
        const oc_layer_cost *c = &l->cost[i];
        oc_jw_open(w, '{');
        if (!width)
            oc_jw_ki64(w, "layer", c->layer);
        oc_jw_kstr(w, "matrix", c->matrix);
        oc_jw_ki64(w, "rows", c->rows);
        oc_jw_ki64(w, "out", c->out);
        oc_jw_ki64(w, "in", c->in);
        oc_jw_kf64(w, "f32_ms", c->f32_ms);
        oc_jw_kf64(w, "int8_ms", c->int8_ms);
        oc_jw_ki64(w, "runs", c->runs);
        if (!width) {
            oc_jw_kstr(w, "precision", is_int8(t, c) ? "int8" : "f32");
            oc_jw_kf64(w, "share", share(t, c));
        }
        oc_jw_close(w, '}');
    }
    oc_jw_close(w, ']');
}

static void print_json(const table *t, oc_buf *out)
{
    oc_jw w = {.out = out};
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "model", t->k->path);
    oc_jw_kstr(&w, "kernels", oc_isa_name(oc_k->isa));
    oc_jw_ki64(&w, "length", t->length);
    oc_jw_ki64(&w, "threads", 1);
    oc_jw_kf64(&w, "forward_ms", t->forward.median_ms);
    oc_jw_ki64(&w, "tile_f32", oc_k->nr);
    oc_jw_ki64(&w, "tile_int8", oc_k->qnr);
    json_costs(&w, "layers", t, &t->layers, false);
    json_costs(&w, "widths", t, &t->widths, true);
    oc_jw_close(&w, '}');
    oc_buf_ch(out, '\n');
}

static void print_layers(const table *t, oc_buf *out)
{
    double all = 0;
    oc_buf_fmt(out, "%5s %-11s %5s %5s %5s %10s %10s %8s %7s\n", "layer", "matrix", "rows", "out",
               "in", "f32 ms", "int8 ms", "int8 is", "share");
    for (int32_t i = 0; i < t->layers.n; i++) {
        const oc_layer_cost *c = &t->layers.cost[i];
        char layer[16] = "";
        if (c->layer >= 0)
            snprintf(layer, sizeof layer, "%d", c->layer);
        all += share(t, c);
        oc_buf_fmt(out, "%5s %-11s %5lld %5lld %5lld %10.4f %10.4f %7.2fx %5.1f %% %s\n", layer,
                   c->matrix, (long long)c->rows, (long long)c->out, (long long)c->in, c->f32_ms,
                   c->int8_ms, c->f32_ms / c->int8_ms, 100 * share(t, c),
                   is_int8(t, c) ? "int8" : "f32");
    }
    oc_buf_fmt(out,
               "%-17s %52.1f %% of the forward pass, the rest is attention, norms and embeddings\n",
               "all products", 100 * all);
}

static void print_widths(const table *t, oc_buf *out)
{
    oc_buf_fmt(out,
               "\nwidths a layer could be pruned to (the kernels' tiles: %d columns in f32, %d in "
               "int8; prune.align=tile: FFN widths in %ds, from %d neurons on)\n"
               "%-6s %6s %10s %10s\n",
               oc_k->nr, oc_k->qnr, OC_PRUNE_TILE, OC_PRUNE_TILED, "part", "width", "f32 ms",
               "int8 ms");
    for (int32_t i = 0; i < t->widths.n; i++) {
        const oc_layer_cost *c = &t->widths.cost[i];
        oc_buf_fmt(out, "%-6s %6lld %10.4f %10.4f\n", c->matrix, (long long)c->out, c->f32_ms,
                   c->int8_ms);
    }
}

static void print_text(const table *t, oc_buf *out)
{
    oc_buf_fmt(out, "%s: %d tokens, one thread, %s kernels; forward pass %.3f ms\n", t->k->path,
               t->length, oc_isa_name(oc_k->isa), t->forward.median_ms);
    print_layers(t, out);
    print_widths(t, out);
}

static oc_status measure(const oc_cli *c, table *t, oc_err *err)
{
    int64_t length = 128;
    int32_t P = t->k->model->dims.P;
    if (c->length && (!oc_parse_i64(c->length, &length) || length < 1 || length > P))
        return OC_FAIL(err, OC_USAGE,
                       "--length is '%s'; with --layers it is one number from 1 to %d", c->length,
                       P);
    t->length = (int32_t)OC_MIN(length, P);
    const oc_model *const one[] = {t->k->model};
    double third = c->seconds * 1000 / 3;
    oc_cost_opts o = {.length = t->length, .bits7 = t->k->model->bits7, .budget_ms = third};
    t->forward = (oc_latency_case){
        .models = one, .n_models = 1, .threads = 1, .batch = 1, .length = t->length};
    oc_cli_packing packing;
    oc_cli_packing_start(&packing);
    oc_status st = oc_latency_measure(&t->forward, 1, third, NULL, NULL, &packing.meter.watch, err);
    oc_cli_progress_end();
    OC_TRY(st);
    OC_TRY(oc_layer_costs_measure(&t->k->model->dims, &o, &t->layers, err));
    return oc_width_costs_measure(&t->k->model->dims, &o, &t->widths, err);
}

int oc_cli_layers(oc_cli *c)
{
    if (c->arg.n != 2 || c->threads || c->batch)
        return oc_cli_usage("bench --layers takes one model folder, and no --threads or --batch: "
                            "one note on one thread is measured");
    table t = {0};
    oc_err err = {0};
    oc_buf out = {0};
    oc_watch *w = NULL;
    oc_machine machine;
    oc_status st = oc_cli_load(c->arg.item[1], 2, &t.k, &err);
    if (st == OC_OK)
        st = oc_watch_begin("", getpid(), &w, &err);
    if (st == OC_OK)
        st = measure(c, &t, &err);
    oc_watch_end(w, &machine);
    int rc;
    if (st == OC_OK) {
        if (c->json)
            print_json(&t, &out);
        else
            print_text(&t, &out);
        rc = oc_cli_print(&out);
        oc_cli_disturbed(&machine, 1, oc_latency_spread(&t.forward));
    } else {
        rc = oc_cli_fail(&err);
    }
    oc_buf_release(&out);
    oc_layer_costs_release(&t.layers);
    oc_layer_costs_release(&t.widths);
    oc_checkpoint_free(t.k);
    return rc;
}
