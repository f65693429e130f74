/*
 * tui/cli_inspect.c - inspect.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/io/checkpoint.h"
#include "tui/cli.h"

static double num(const oc_json *j, const char *key)
{
    return oc_json_num(oc_json_get(j, key), 0);
}

static const char *str(const oc_json *j, const char *key)
{
    return oc_json_str(oc_json_get(j, key), "");
}

/* "a, b, c" of an array of strings. */
static void put_list(oc_buf *out, const oc_json *list)
{
    for (const oc_json *i = oc_json_first(list); i; i = oc_json_next(i))
        oc_buf_fmt(out, "%s%s", i == oc_json_first(list) ? "" : ", ", oc_json_str(i, ""));
}

/* Words from column `at` on, broken before column 80. */
static void put_wrapped(oc_buf *out, const char *s, int at)
{
    enum { WIDTH = 80 };
    int col = at;
    while (*s) {
        int n = (int)strcspn(s, " ");
        if (col > at && col + 1 + n > WIDTH) {
            oc_buf_fmt(out, "\n%*s", at, "");
            col = at;
        } else if (col > at) {
            oc_buf_ch(out, ' ');
            col++;
        }
        oc_buf_add(out, s, (size_t)n);
        col += n;
        s += n;
        s += strspn(s, " ");
    }
    oc_buf_ch(out, '\n');
}

typedef struct stored {
    const char *dtype;
    double bytes;
} stored;

static int by_bytes(const void *a, const void *b)
{
    double x = ((const stored *)a)->bytes, y = ((const stored *)b)->bytes;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The types parameters are stored as, most bytes first: "F16", "I8, F32". */
static void put_dtypes(oc_buf *out, const oc_json *j)
{
    stored s[16] = {{0}};
    int n = 0;
    for (const oc_json *t = oc_json_first(oc_json_get(j, "tensors")); t; t = oc_json_next(t)) {
        int i = 0;
        if (oc_json_is_null(oc_json_get(t, "parameter")))
            continue;
        while (i < n && strcmp(s[i].dtype, str(t, "dtype")) != 0)
            i++;
        if (i == OC_COUNT(s))
            continue;
        if (i == n)
            s[n++] = (stored){.dtype = str(t, "dtype")};
        s[i].bytes += num(t, "bytes");
    }
    qsort(s, (size_t)n, sizeof *s, by_bytes);
    for (int i = 0; i < n; i++)
        oc_buf_fmt(out, "%s%s", i ? ", " : "", s[i].dtype);
}

static void put_sources(oc_buf *out, const oc_json *j)
{
    const oc_json *files = oc_json_get(j, "files"), *w = oc_json_get(files, "weights");
    double tensors = 0;
    char size[24];
    for (const oc_json *f = oc_json_first(w); f; f = oc_json_next(f))
        tensors += num(f, "tensors");
    oc_fmt_bytes(size, (int64_t)num(j, "bytes"));
    oc_buf_fmt(out, "  weights     %s", str(oc_json_first(w), "file"));
    if (oc_json_count(w) > 1)
        oc_buf_fmt(out, " and %lld more", (long long)oc_json_count(w) - 1);
    oc_buf_fmt(out, " (%s): %.0f tensors, ", str(oc_json_first(w), "format"), tensors);
    put_dtypes(out, j);
    oc_buf_fmt(out, ", %s\n  config      %s\n  tokenizer   ", size, str(files, "config"));
    put_list(out, oc_json_get(files, "tokenizer"));
    oc_buf_fmt(out, "\n  casing      %s (%s)\n", str(j, "casing"), str(j, "casing_from"));
    const oc_json *over = oc_json_get(j, "passed_over");
    oc_fmt_bytes(size, (int64_t)num(over, "bytes"));
    if (num(over, "tensors") > 0)
        oc_buf_fmt(out, "  passed over %.0f tensors, %s\n", num(over, "tensors"), size);
}

static void put_blocks(oc_buf *out, const oc_json *j)
{
    const oc_json *blocks = oc_json_get(j, "blocks");
    double params = num(j, "params"), bytes = 0;
    char size[24];
    for (const oc_json *b = oc_json_first(blocks); b; b = oc_json_next(b))
        bytes += num(b, "bytes");
    oc_buf_str(out, "\n  block         parameters   share       bytes   share\n");
    for (const oc_json *b = oc_json_first(blocks); b; b = oc_json_next(b)) {
        oc_fmt_bytes(size, (int64_t)num(b, "bytes"));
        oc_buf_fmt(out, "  %-12s %11.0f  %5.1f%%  %10s  %5.1f%%\n", oc_json_key(b),
                   num(b, "params"), 100 * num(b, "params") / params, size,
                   bytes > 0 ? 100 * num(b, "bytes") / bytes : 0.0);
    }
    oc_fmt_bytes(size, (int64_t)bytes);
    oc_buf_fmt(out, "  %-12s %11.0f          %10s\n", "all", params, size);
}

static void put_layer(oc_buf *out, int first, int last, const char *text)
{
    char range[32];
    snprintf(range, sizeof range, first == last ? "%d" : "%d-%d", first, last);
    oc_buf_fmt(out, "  %6s  %s\n", range, text);
}

/* Layers that read the same are one line. */
static void put_layers(oc_buf *out, const oc_json *j)
{
    char text[64], last[64] = "";
    int l = 0, first = 0;
    oc_buf_str(out, "\n  layers  heads    ffn  bits  sparsity  attention\n");
    for (const oc_json *b = oc_json_first(oc_json_get(j, "layers")); b; b = oc_json_next(b), l++) {
        snprintf(text, sizeof text, "%5.0f  %5.0f  %4.0f  %8.3f  %s", num(b, "heads"),
                 num(b, "ffn"), num(b, "bits"), num(b, "sparsity"), str(b, "attention"));
        if (l > 0 && strcmp(text, last) != 0) {
            put_layer(out, first, l - 1, last);
            first = l;
        }
        memcpy(last, text, sizeof last);
    }
    put_layer(out, first, l - 1, last);
}

static void put_tensors(oc_buf *out, const oc_json *j)
{
    const oc_json *list = oc_json_get(j, "tensors");
    bool many = oc_json_count(oc_json_get(oc_json_get(j, "files"), "weights")) > 1;
    int width = 0;
    for (const oc_json *t = oc_json_first(list); t; t = oc_json_next(t))
        width = OC_MAX(width, (int)strlen(str(t, "name")));
    oc_buf_ch(out, '\n');
    for (const oc_json *t = oc_json_first(list); t; t = oc_json_next(t)) {
        oc_buf shape = {0};
        char size[24];
        for (const oc_json *d = oc_json_first(oc_json_get(t, "shape")); d; d = oc_json_next(d))
            oc_buf_fmt(&shape, "%s%.0f", shape.len ? "x" : "", oc_json_num(d, 0));
        oc_fmt_bytes(size, (int64_t)num(t, "bytes"));
        oc_buf_fmt(out, "%-*s %-4s %-9s %8s", width, str(t, "name"), str(t, "dtype"),
                   oc_buf_cstr(&shape), size);
        if (many)
            oc_buf_fmt(out, "  %s", str(t, "file"));
        oc_buf_str(out, oc_json_is_null(oc_json_get(t, "parameter")) ? "  (passed over)\n" : "\n");
        oc_buf_release(&shape);
    }
}

static void put_text(const oc_checkpoint *k, const oc_json *j, bool tensors, oc_buf *out)
{
    const oc_dims *d = &k->model->dims;
    oc_buf labels = {0};
    oc_buf_fmt(out, "%s\n", k->path);
    oc_buf_fmt(out, "  %s: %d layers, hidden %d, heads of %d\n", oc_arch_class(d->arch), d->L, d->H,
               d->D);
    oc_buf_fmt(out, "  vocabulary %d, %d positions, %d labels%s\n", d->V, d->P, d->K,
               k->config.multi_label ? " (multi-label)" : "");
    put_list(&labels, oc_json_get(j, "labels"));
    enum { FEW = 300 }; // a code list of a thousand is for --json
    if (labels.len > 0 && labels.len <= FEW) {
        oc_buf_str(out, "  labels      ");
        put_wrapped(out, oc_buf_cstr(&labels), 14);
    }
    put_sources(out, j);
    for (const oc_json *r = oc_json_first(oc_json_get(j, "remarks")); r; r = oc_json_next(r)) {
        oc_buf_str(out, "  note        ");
        put_wrapped(out, oc_json_str(r, ""), 14);
    }
    put_blocks(out, j);
    put_layers(out, j);
    if (tensors)
        put_tensors(out, j);
    oc_buf_release(&labels);
}

int oc_cli_inspect(oc_cli *c)
{
    if (c->arg.n != 2)
        return oc_cli_usage("inspect takes one model folder");
    oc_err err = {0};
    oc_checkpoint *k = NULL;
    oc_buf json = {0}, out = {0};
    oc_json *j = NULL;
    oc_status st = oc_checkpoint_load(c->arg.item[1], 2, 0, &k, &err);
    if (st == OC_OK)
        st = oc_checkpoint_describe(k, &json, &err);
    if (st == OC_OK && !c->json)
        st = oc_json_parse(json.data, json.len, "description", &j, &err);
    int rc;
    if (st != OC_OK) {
        rc = oc_cli_fail(&err);
    } else if (c->json) {
        oc_buf_ch(&json, '\n');
        rc = oc_cli_print(&json);
    } else {
        put_text(k, j, c->tensors, &out);
        rc = oc_cli_print(&out);
    }
    oc_json_free(j);
    oc_buf_release(&json);
    oc_buf_release(&out);
    oc_checkpoint_free(k);
    return rc;
}
