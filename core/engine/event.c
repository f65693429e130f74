#include "core/engine/event.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/str.h"

/* clang-format off */
#define FS(name, bytes) {#name, OC_FIELD_S, (int32_t)offsetof(oc_event, u.THIS.name), bytes, 0},
#define FI(name)        {#name, OC_FIELD_I, (int32_t)offsetof(oc_event, u.THIS.name), 0, 0},
#define FD(name)        {#name, OC_FIELD_D, (int32_t)offsetof(oc_event, u.THIS.name), 0, 0},
#define FB(name)        {#name, OC_FIELD_B, (int32_t)offsetof(oc_event, u.THIS.name), 0, 0},
#define FV(name, cap)   {#name, OC_FIELD_V, (int32_t)offsetof(oc_event, u.THIS.name), cap, (int32_t)offsetof(oc_event, u.THIS.n_##name)},

/* offsetof needs the type's own member: one line a type, checked against OC_EVENT_LIST below. */
#define THIS session
static const oc_event_field fields_session[] = {OC_EV_session(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS exit
static const oc_event_field fields_exit[] = {OC_EV_exit(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS command
static const oc_event_field fields_command[] = {OC_EV_command(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS setting
static const oc_event_field fields_setting[] = {OC_EV_setting(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS run
static const oc_event_field fields_run[] = {OC_EV_run(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS stage
static const oc_event_field fields_stage[] = {OC_EV_stage(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS stage_end
static const oc_event_field fields_stage_end[] = {OC_EV_stage_end(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS job
static const oc_event_field fields_job[] = {OC_EV_job(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS progress
static const oc_event_field fields_progress[] = {OC_EV_progress(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS data
static const oc_event_field fields_data[] = {OC_EV_data(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS model
static const oc_event_field fields_model[] = {OC_EV_model(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS step
static const oc_event_field fields_step[] = {OC_EV_step(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS eval
static const oc_event_field fields_eval[] = {OC_EV_eval(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS ckpt
static const oc_event_field fields_ckpt[] = {OC_EV_ckpt(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS cache
static const oc_event_field fields_cache[] = {OC_EV_cache(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS ensemble
static const oc_event_field fields_ensemble[] = {OC_EV_ensemble(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS sparsity
static const oc_event_field fields_sparsity[] = {OC_EV_sparsity(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS heads
static const oc_event_field fields_heads[] = {OC_EV_heads(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS ffn
static const oc_event_field fields_ffn[] = {OC_EV_ffn(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS quant
static const oc_event_field fields_quant[] = {OC_EV_quant(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS drift
static const oc_event_field fields_drift[] = {OC_EV_drift(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS cost
static const oc_event_field fields_cost[] = {OC_EV_cost(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS latency
static const oc_event_field fields_latency[] = {OC_EV_latency(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS baseline
static const oc_event_field fields_baseline[] = {OC_EV_baseline(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS candidate
static const oc_event_field fields_candidate[] = {OC_EV_candidate(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS undo
static const oc_event_field fields_undo[] = {OC_EV_undo(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS alert
static const oc_event_field fields_alert[] = {OC_EV_alert(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS note
static const oc_event_field fields_note[] = {OC_EV_note(FS, FI, FD, FB, FV)};
#undef THIS
#define THIS log
static const oc_event_field fields_log[] = {OC_EV_log(FS, FI, FD, FB, FV)};
#undef THIS

static const struct {
    const char *name;
    const oc_event_field *field;
    int n;
} types[OC_N_EVENTS] = {
#define OC_X(t) [OC_EV_##t##_T] = {#t, fields_##t, OC_COUNT(fields_##t)},
    OC_EVENT_LIST(OC_X)
#undef OC_X
};
/* clang-format on */

const char *oc_event_name(oc_event_type t)
{
    return (int)t >= 0 && t < OC_N_EVENTS ? types[t].name : "?";
}

const oc_event_field *oc_event_fields(oc_event_type t, int *n)
{
    *n = types[t].n;
    return types[t].field;
}

static void blank(oc_event *e, oc_event_type t)
{
    memset(e, 0, sizeof *e);
    e->type = t;
    for (int i = 0; i < types[t].n; i++) {
        const oc_event_field *f = &types[t].field[i];
        double nan_v = (double)NAN;
        if (f->kind == OC_FIELD_D)
            memcpy((char *)e + f->offset, &nan_v, sizeof nan_v);
    }
}

void oc_event_init(oc_event *e, oc_event_type t)
{
    blank(e, t);
    e->t_ms = oc_wall_ms();
}

static void encode_field(oc_jw *w, const oc_event *e, const oc_event_field *f)
{
    const char *at = (const char *)e + f->offset;
    oc_jw_key(w, f->name);
    switch (f->kind) {
    case OC_FIELD_S: oc_jw_strn(w, at, strnlen(at, (size_t)f->capacity)); break;
    case OC_FIELD_I: oc_jw_i64(w, *(const int64_t *)(const void *)at); break;
    case OC_FIELD_D: oc_jw_f64(w, *(const double *)(const void *)at); break;
    case OC_FIELD_B: oc_jw_bool(w, *(const bool *)(const void *)at); break;
    case OC_FIELD_V: {
        int64_t n = *(const int64_t *)(const void *)((const char *)e + f->n_offset);
        oc_jw_open(w, '[');
        for (int64_t i = 0; i < n && i < f->capacity; i++)
            oc_jw_f64(w, ((const double *)(const void *)at)[i]);
        oc_jw_close(w, ']');
        break;
    }
    }
}

void oc_event_encode(const oc_event *e, oc_buf *out)
{
    oc_jw w = {.out = out, .nonfinite_words = true};
    oc_jw_open(&w, '[');
    oc_jw_i64(&w, e->seq);
    oc_jw_i64(&w, e->t_ms);
    oc_jw_str(&w, types[e->type].name);
    oc_jw_open(&w, '{');
    for (int i = 0; i < types[e->type].n; i++)
        encode_field(&w, e, &types[e->type].field[i]);
    oc_jw_close(&w, '}');
    oc_jw_close(&w, ']');
}

/* A real: a number, or one of the words for what JSON cannot write. */
static bool read_real(const oc_json *j, double *out)
{
    if (oc_json_is_number(j)) {
        *out = oc_json_num(j, 0);
        return true;
    }
    const char *s = oc_json_str(j, "");
    return (!strcmp(s, "NaN") || !strcmp(s, "Infinity") || !strcmp(s, "-Infinity")) &&
           oc_parse_f64(s, out);
}

static bool decode_field(oc_event *e, const oc_event_field *f, const oc_json *j)
{
    char *at = (char *)e + f->offset;
    switch (f->kind) {
    case OC_FIELD_S:
        if (!oc_json_is_string(j))
            return false;
        oc_strlcpy(at, oc_json_str(j, ""), (size_t)f->capacity);
        return true;
    case OC_FIELD_I: {
        int64_t v;
        if (!oc_json_i64(j, INT64_MIN, INT64_MAX, &v))
            return false;
        memcpy(at, &v, sizeof v);
        return true;
    }
    case OC_FIELD_D: {
        double v;
        if (!read_real(j, &v))
            return false;
        memcpy(at, &v, sizeof v);
        return true;
    }
    case OC_FIELD_B: {
        bool v = oc_json_bool(j, false);
        memcpy(at, &v, sizeof v);
        return oc_json_is_bool(j);
    }
    case OC_FIELD_V: {
        if (!oc_json_is_array(j) || oc_json_count(j) > f->capacity)
            return false;
        int64_t n = 0;
        for (const oc_json *v = oc_json_first(j); v; v = oc_json_next(v), n++)
            if (!read_real(v, (double *)(void *)at + n))
                return false;
        memcpy((char *)e + f->n_offset, &n, sizeof n);
        return true;
    }
    }
    return false;
}

static oc_status decode(const oc_json *j, oc_event *out, oc_err *err)
{
    const oc_json *seq = oc_json_first(j);
    const oc_json *t = seq ? oc_json_next(seq) : NULL;
    const oc_json *name = t ? oc_json_next(t) : NULL;
    const oc_json *body = name ? oc_json_next(name) : NULL;
    int64_t seq_v, t_v;
    if (!oc_json_is_array(j) || !oc_json_i64(seq, 0, INT64_MAX, &seq_v) ||
        !oc_json_i64(t, 0, INT64_MAX, &t_v) || !oc_json_is_object(body))
        return OC_FAIL(err, OC_FORMAT, "an event is [seq, t_ms, \"type\", {...}]");
    int type = 0;
    while (type < OC_N_EVENTS && strcmp(types[type].name, oc_json_str(name, "")) != 0)
        type++;
    if (type == OC_N_EVENTS)
        return OC_FAIL(err, OC_FORMAT, "unknown event type '%.60s'", oc_json_str(name, "?"));
    blank(out, (oc_event_type)type);
    out->seq = seq_v;
    out->t_ms = t_v;
    for (int i = 0; i < types[type].n; i++) {
        const oc_event_field *f = &types[type].field[i];
        const oc_json *v = oc_json_get(body, f->name);
        if (v && !decode_field(out, f, v))
            return OC_FAIL(err, OC_FORMAT, "event %s: the field %s has the wrong kind",
                           types[type].name, f->name);
    }
    return OC_OK;
}

oc_status oc_event_decode(const char *line, size_t n, oc_event *out, oc_err *err)
{
    oc_json *j;
    OC_TRY(oc_json_parse(line, n, "event", &j, err));
    oc_event e;
    oc_status rc = decode(j, &e, err);
    oc_json_free(j);
    if (rc == OC_OK)
        *out = e;
    return rc;
}
