/* A session's numbers for other programs. */
#include <math.h>
#include <string.h>

#include "core/base/json.h"
#include "sessions/journal.h"
#include "sessions/session.h"

typedef void (*put_event)(const oc_event *e, oc_buf *out);

static void csv_real(oc_buf *out, double v)
{
    char t[32];
    oc_fmt_f64(t, v);
    oc_buf_ch(out, ',');
    if (!isnan(v))
        oc_buf_str(out, t);
}

static const char csv_head[] =
    "t_ms,event,run,step,split,epoch,lr,loss,hard,soft,norm,norm_hard,norm_soft,tokens_s,tokens,"
    "auroc,accuracy,auprc,f1\n";

/* Names of runs hold no comma or quote by how they are made; a foreign journal's might. */
static void csv_word(oc_buf *out, const char *s)
{
    oc_buf_ch(out, ',');
    bool quote = strpbrk(s, ",\"\r\n") != NULL;
    if (quote)
        oc_buf_ch(out, '"');
    for (; *s; s++) {
        if (*s == '"')
            oc_buf_ch(out, '"');
        oc_buf_ch(out, *s);
    }
    if (quote)
        oc_buf_ch(out, '"');
}

static void put_csv(const oc_event *e, oc_buf *out)
{
    const oc_ev_step *s = &e->u.step;
    const oc_ev_eval *v = &e->u.eval;
    if (e->type == OC_EV_step_T) {
        oc_buf_fmt(out, "%lld,step", (long long)e->t_ms);
        csv_word(out, s->run);
        oc_buf_fmt(out, ",%lld,train", (long long)s->step);
        const double real[] = {s->epoch, s->lr,        s->loss,      s->hard,    s->soft,
                               s->norm,  s->norm_hard, s->norm_soft, s->tokens_s};
        for (int i = 0; i < OC_COUNT(real); i++)
            csv_real(out, real[i]);
        oc_buf_fmt(out, ",%lld,,,,\n", (long long)s->tokens);
    } else if (e->type == OC_EV_eval_T) {
        oc_buf_fmt(out, "%lld,eval", (long long)e->t_ms);
        csv_word(out, v->run);
        oc_buf_fmt(out, ",%lld", (long long)v->step);
        csv_word(out, v->split);
        oc_buf_str(out, ",,");
        csv_real(out, v->loss);
        oc_buf_str(out, ",,,,,,,");
        const double real[] = {v->auroc, v->accuracy, v->auprc, v->f1};
        for (int i = 0; i < OC_COUNT(real); i++)
            csv_real(out, real[i]);
        oc_buf_ch(out, '\n');
    }
}

/* {"seq": 1, "t_ms": 2, "event": "step", "data": {...}} */
static void put_jsonl(const oc_event *e, oc_buf *out)
{
    oc_buf line = {0};
    oc_event_encode(e, &line);
    const char *body = line.failed ? NULL : strchr(line.data, '{');
    if (body)
        oc_buf_fmt(out, "{\"seq\": %lld, \"t_ms\": %lld, \"event\": \"%s\", \"data\": %.*s}\n",
                   (long long)e->seq, (long long)e->t_ms, oc_event_name(e->type),
                   (int)(line.data + line.len - 1 - body), body);
    else
        out->failed = true;
    oc_buf_release(&line);
}

static oc_status each_event(const char *dir, put_event put, oc_writer *w, oc_err *err)
{
    char path[OC_PATH_MAX];
    oc_reader *r;
    OC_TRY(oc_session_journal(dir, path, err));
    OC_TRY(oc_reader_open(path, &r, err));
    oc_buf piece = {0};
    oc_status rc = OC_OK;
    for (bool got = true; rc == OC_OK && got;) {
        oc_event e;
        rc = oc_reader_next(r, &e, &got, err);
        if (rc == OC_OK && got)
            put(&e, &piece);
        if (rc == OC_OK && (piece.len > 1 << 16 || !got)) {
            rc = oc_buf_check(&piece, err);
            if (rc == OC_OK)
                rc = oc_writer_put(w, piece.data, piece.len, err);
            oc_buf_clear(&piece);
        }
    }
    oc_buf_release(&piece);
    oc_reader_close(r);
    return rc;
}

static oc_status folded(const char *dir, bool recipe, oc_writer *w, oc_err *err)
{
    oc_state *s;
    OC_TRY(oc_session_load(dir, &s, err));
    oc_buf text = {0};
    oc_status rc = OC_OK;
    if (recipe)
        oc_recipe_write(&s->set, true, &text);
    else
        rc = oc_final_table(s, true, &text, err);
    if (rc == OC_OK)
        rc = oc_buf_check(&text, err);
    if (rc == OC_OK)
        rc = oc_writer_put(w, text.data, text.len, err);
    oc_buf_release(&text);
    oc_state_free(s);
    return rc;
}

oc_status oc_session_export(const char *name, const char *format, const char *out_path, oc_err *err)
{
    static const char *const known[] = {"csv", "jsonl", "json", "recipe"};
    int kind = 0;
    while (kind < OC_COUNT(known) && strcmp(known[kind], format) != 0)
        kind++;
    if (kind == OC_COUNT(known))
        return OC_FAIL(err, OC_USAGE,
                       "unknown export format '%.40s'; it must be csv, jsonl, json or recipe",
                       format);
    char found[OC_PATH_MAX], dir[OC_PATH_MAX];
    OC_TRY(oc_session_path(name, true, found, err));
    // With a slash, so that it is read as a path wherever it came from.
    OC_TRY(oc_path_join(dir, strchr(found, '/') ? "" : ".", found, err));
    if (oc_path_is_dir(out_path))
        return OC_FAIL(err, OC_IO, "%s is a folder; name the file to write in it", out_path);
    oc_writer *w;
    OC_TRY(oc_writer_begin(out_path, &w, err));
    oc_status rc = kind == 0 ? oc_writer_put(w, csv_head, sizeof csv_head - 1, err) : OC_OK;
    if (rc == OC_OK)
        rc = kind < 2 ? each_event(dir, kind == 0 ? put_csv : put_jsonl, w, err)
                      : folded(dir, kind == 3, w, err);
    if (rc != OC_OK) {
        oc_writer_abort(w);
        return rc;
    }
    return oc_writer_commit(w, err);
}
