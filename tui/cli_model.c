/*
 * tui/cli_model.c - tokenize, notes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/data/notes.h"
#include "core/io/checkpoint.h"
#include "core/io/folder.h"
#include "tui/cli.h"

oc_status oc_cli_load(const char *path, int32_t n_labels, oc_checkpoint **out, oc_err *err)
{
    OC_TRY(oc_checkpoint_load(path, n_labels, 0, out, err));
    for (int64_t i = 0; i < (*out)->remarks.n; i++)
        fprintf(stderr, "optimclm: %s: %s\n", path, (*out)->remarks.item[i]);
    return OC_OK;
}

/* --- tokenize ---------------------------------------------------------------------------------- */

/* A model's folder, with or without weights, or a vocab.txt or tokenizer.json by itself. */
static oc_status open_tokenizer(const char *path, oc_tokenizer_files *f, oc_err *err)
{
    char at[OC_PATH_MAX], dir[OC_PATH_MAX];
    oc_tokenizer_ask ask = {.lower_case = -1};
    OC_TRY(oc_folder_find(path, dir, err));
    path = dir;
    if (oc_path_is_dir(path)) {
        OC_TRY(oc_path_join(at, path, "config.json", err));
        if (oc_path_is_there(at)) {
            oc_config c;
            OC_TRY(oc_config_read(at, &c, err));
            ask = (oc_tokenizer_ask){.V = c.dims.V, .lower_case = c.lower_case};
            oc_config_release(&c);
        }
    }
    return oc_tokenizer_files_read(path, &ask, f, err);
}

static const char *casing_of(const oc_tokenizer *t)
{
    return t->lowercase ? "uncased" : "cased";
}

static void say_where_from(const oc_tokenizer_files *f)
{
    fprintf(stderr, "tokens from %s; %s (%s)\n", f->tokens_from, casing_of(f->tok),
            oc_casing_from_text(f->casing_from));
    for (int64_t i = 0; i < f->remarks.n; i++)
        fprintf(stderr, "%s\n", f->remarks.item[i]);
}

static oc_status tokenize_one(const oc_tokenizer_files *f, const char *text, size_t n, bool json,
                              oc_buf *out, oc_err *err)
{
    const oc_tokenizer *t = f->tok;
    oc_ids ids = {0};
    OC_TRY(oc_tokenize(t, text, n, &ids, err));
    if (json) {
        oc_jw w = {.out = out};
        oc_jw_open(&w, '{');
        oc_jw_key(&w, "tokens");
        oc_jw_open(&w, '[');
        for (int64_t i = 0; i < ids.n; i++)
            oc_jw_str(&w, oc_vocab_token(t->vocab, ids.id[i]));
        oc_jw_close(&w, ']');
        oc_jw_key(&w, "ids");
        oc_jw_open(&w, '[');
        for (int64_t i = 0; i < ids.n; i++)
            oc_jw_i64(&w, ids.id[i]);
        oc_jw_close(&w, ']');
        oc_jw_kstr(&w, "casing", casing_of(t));
        oc_jw_kstr(&w, "casing_from", oc_casing_from_text(f->casing_from));
        oc_jw_close(&w, '}');
    } else {
        for (int64_t i = 0; i < ids.n; i++)
            oc_buf_fmt(out, "%s%s", i ? " " : "", oc_vocab_token(t->vocab, ids.id[i]));
        oc_buf_ch(out, '\n');
        for (int64_t i = 0; i < ids.n; i++)
            oc_buf_fmt(out, "%s%d", i ? " " : "", ids.id[i]);
    }
    oc_buf_ch(out, '\n');
    oc_ids_release(&ids);
    return oc_buf_check(out, err);
}

static oc_status tokenize_stdin(const oc_tokenizer_files *f, bool json, oc_buf *out, oc_err *err)
{
    char *line = NULL;
    size_t cap = 0;
    oc_status st = OC_OK;
    for (ssize_t n; st == OC_OK && (n = getline(&line, &cap, stdin)) >= 0;) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        st = tokenize_one(f, line, (size_t)n, json, out, err);
        if (st == OC_OK && oc_cli_print(out) != OC_EXIT_DONE)
            break;
        oc_buf_clear(out);
    }
    free(line);
    return st;
}

int oc_cli_tokenize(oc_cli *c)
{
    if (c->arg.n < 2)
        return oc_cli_usage(
            "tokenize takes a model folder, a vocab.txt or a tokenizer.json, and a text (or lines on standard input)");
    oc_err err = {0};
    oc_tokenizer_files f = {0};
    oc_buf out = {0}, text = {0};
    oc_status st = open_tokenizer(c->arg.item[1], &f, &err);
    if (st == OC_OK)
        say_where_from(&f);
    for (int64_t i = 2; i < c->arg.n; i++)
        oc_buf_fmt(&text, "%s%s", i > 2 ? " " : "", c->arg.item[i]);
    if (st == OC_OK)
        st = c->arg.n > 2 ? tokenize_one(&f, oc_buf_cstr(&text), text.len, c->json, &out, &err)
                          : tokenize_stdin(&f, c->json, &out, &err);
    int rc = st == OC_OK ? oc_cli_print(&out) : oc_cli_fail(&err);
    oc_buf_release(&out);
    oc_buf_release(&text);
    oc_tokenizer_files_release(&f);
    return rc;
}

/* --- notes ------------------------------------------------------------------------------------- */

int oc_cli_notes(oc_cli *c)
{
    if (c->arg.n != 1 || !c->out)
        return oc_cli_usage(
            "notes needs --out FILE.csv (and takes --task mortality|los|diagnoses|procedures --rows N --seed S)");
    oc_err err = {0};
    oc_notes_opts o = {
        .task = c->task ? c->task : "mortality", .seed = (uint64_t)c->seed, .noise = c->noise};
    oc_status st = oc_notes_write_csv(&o, c->first, c->rows, c->out, &err);
    if (st == OC_OK && c->label_list) {
        oc_buf list = {0};
        st = oc_notes_label_list(o.task, &list, &err);
        if (st == OC_OK && list.len == 0)
            st = OC_FAIL(
                &err, OC_USAGE,
                "the task '%s' has no code list; --label-list is for diagnoses and procedures",
                o.task);
        if (st == OC_OK)
            st = oc_file_write(c->label_list, list.data, list.len, &err);
        oc_buf_release(&list);
    }
    if (st != OC_OK)
        return oc_cli_fail(&err);
    fprintf(stderr, "%lld synthetic %s notes written to %s (seed %lld)\n", (long long)c->rows,
            o.task, c->out, (long long)c->seed);
    return OC_EXIT_DONE;
}
