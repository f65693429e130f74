/*
 * core/io/checkpoint_save.c - writing a model folder so that there always is a whole one.
 */
#include <assert.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/io/checkpoint.h"
#include "core/io/checkpoint_map.h"
#include "core/io/folder.h"
#include "core/io/safetensors.h"

/* --- the files -------------------------------------------------------------------------------- */

static oc_status add_param(oc_st_out *o, const oc_param *p, const oc_weight *w, oc_err *err)
{
    int64_t dim[2] = {p->rows, p->cols};
    int32_t n_dims = oc_kind_is_matrix(p->kind) || oc_kind_is_embedding(p->kind) ? 2 : 1;
    if (!w->q)
        return oc_st_out_add(o, p->name, OC_DT_F32, n_dims, dim, w->f32, err);
    char scale[96];
    oc__ckpt_scale_name(p, scale);
    OC_TRY(oc_st_out_add(o, p->name, OC_DT_I8, n_dims, dim, w->q, err));
    return oc_st_out_add(o, scale, OC_DT_F32, 1, dim, w->scale, err);
}

static oc_status write_weights(const oc_model *m, const char *path, int64_t *bytes, oc_err *err)
{
    oc_st_out *o;
    OC_TRY(oc_st_out_new(&o, err));
    // Readers of the Hugging Face library ask for this.
    oc_status rc = oc_st_out_meta(o, "format", "pt", err);
    for (int32_t i = 0; i < m->layout.n && rc == OC_OK; i++)
        rc = add_param(o, &m->layout.param[i], &m->w[i], err);
    if (rc == OC_OK)
        rc = oc_st_out_write(o, path, bytes, err);
    oc_st_out_free(o);
    return rc;
}

oc_status oc__ckpt_write_tokenizer(const oc_checkpoint *c, const char *path, oc_err *err)
{
    oc_buf b = {0};
    oc_jw w = {.out = &b, .indent = 2};
    oc_special_ids s = oc_vocab_special(c->tok->vocab);
    oc_jw_open(&w, '{');
    oc_jw_kstr(&w, "tokenizer_class", "BertTokenizer");
    oc_jw_kbool(&w, "do_lower_case", c->tok->lowercase);
    oc_jw_ki64(&w, "model_max_length",
               c->config.max_len > 0 ? c->config.max_len : c->config.dims.P);
    oc_jw_kstr(&w, "pad_token", oc_vocab_token(c->tok->vocab, s.pad));
    oc_jw_kstr(&w, "unk_token", oc_vocab_token(c->tok->vocab, s.unk));
    oc_jw_kstr(&w, "cls_token", oc_vocab_token(c->tok->vocab, s.cls));
    oc_jw_kstr(&w, "sep_token", oc_vocab_token(c->tok->vocab, s.sep));
    if (s.mask >= 0)
        oc_jw_kstr(&w, "mask_token", oc_vocab_token(c->tok->vocab, s.mask));
    oc_jw_close(&w, '}');
    oc_buf_ch(&b, '\n');
    oc_status rc = oc_buf_check(&b, err);
    if (rc == OC_OK)
        rc = oc_file_write(path, b.data, b.len, err);
    oc_buf_release(&b);
    return rc;
}

static oc_status write_files(const oc_checkpoint *c, const char *dir, int64_t *bytes, oc_err *err)
{
    char path[OC_PATH_MAX];
    OC_TRY(oc_path_join(path, dir, OC__CKPT_WEIGHTS, err));
    OC_TRY(write_weights(c->model, path, bytes, err));
    OC_TRY(oc_path_join(path, dir, OC__CKPT_VOCAB, err));
    OC_TRY(oc_vocab_save(c->tok->vocab, path, err));
    OC_TRY(oc_path_join(path, dir, OC__CKPT_TOKENIZER, err));
    OC_TRY(oc__ckpt_write_tokenizer(c, path, err));
    OC_TRY(oc_path_join(path, dir, OC__CKPT_CONFIG, err));
    return oc_config_write(&c->config, path, err);
}

/* --- reading back ----------------------------------------------------------------------------- */

static bool same_dims(const oc_dims *a, const oc_dims *b)
{
    bool same = a->arch == b->arch && a->L == b->L && a->H == b->H && a->D == b->D &&
                a->V == b->V && a->P == b->P && a->S == b->S && a->K == b->K && a->act == b->act &&
                !memcmp(&a->eps, &b->eps, sizeof a->eps) &&
                !memcmp(&a->p_hidden, &b->p_hidden, sizeof a->p_hidden) &&
                !memcmp(&a->p_attn, &b->p_attn, sizeof a->p_attn) &&
                !memcmp(&a->p_cls, &b->p_cls, sizeof a->p_cls);
    return same && !memcmp(a->A, b->A, (size_t)a->L * sizeof *a->A) &&
           !memcmp(a->F, b->F, (size_t)a->L * sizeof *a->F);
}

static oc_status differs(const char *path, const char *what, oc_err *err)
{
    return OC_FAIL(err, OC_IO,
                   "%s was written, but %s reads back differently; nothing was replaced", path,
                   what);
}

static bool same_bits(const oc_param *p, const oc_weight *w, const oc__ckpt_source *src)
{
    if (w->q)
        return src->scale && !memcmp(src->w->data, w->q, (size_t)p->n) &&
               !memcmp(src->scale->data, w->scale, (size_t)p->rows * sizeof(float));
    return src->w->dtype == OC_DT_F32 &&
           !memcmp(src->w->data, w->f32, (size_t)p->n * sizeof(float));
}

static oc_status verify_weights(const oc_model *m, const char *path, oc_err *err)
{
    oc_weights *ws;
    oc__ckpt_map map;
    OC_TRY(oc_weights_open(path, &ws, err));
    oc_status rc = oc__ckpt_map_make(ws, &m->layout, m->dims.arch, true, &map, err);
    if (rc == OC_OK) {
        for (int32_t i = 0; i < m->layout.n && rc == OC_OK; i++)
            if (!same_bits(&m->layout.param[i], &m->w[i], &map.src[i]))
                rc = differs(path, m->layout.param[i].name, err);
        oc__ckpt_map_release(&map);
    }
    oc_weights_close(ws);
    return rc;
}

static oc_status verify_config(const oc_config *c, const char *path, oc_err *err)
{
    oc_config back;
    OC_TRY(oc_config_read(path, &back, err));
    bool same = same_dims(&back.dims, &c->dims) && back.multi_label == c->multi_label &&
                back.lower_case == c->lower_case && back.max_len == c->max_len &&
                back.pad_id == c->pad_id && back.bits7 == c->bits7 && back.attn_s8 == c->attn_s8 &&
                !strcmp(back.task, c->task) && !strcmp(back.text_column, c->text_column) &&
                !strcmp(back.label_column, c->label_column);
    for (int64_t i = 0; i < c->labels.n && same; i++)
        same = i < back.labels.n && !strcmp(back.labels.item[i], c->labels.item[i]);
    oc_config_release(&back);
    return same ? OC_OK : differs(path, "the configuration", err);
}

static oc_status verify_vocab(const oc_vocab *v, const char *path, oc_err *err)
{
    oc_vocab *back;
    char a[33], b[33];
    OC_TRY(oc_vocab_load(path, &back, err));
    oc_vocab_key(v, a);
    oc_vocab_key(back, b);
    oc_vocab_free(back);
    return strcmp(a, b) == 0 ? OC_OK : differs(path, "the vocabulary", err);
}

static oc_status verify(const oc_checkpoint *c, const char *dir, oc_err *err)
{
    char path[OC_PATH_MAX];
    OC_TRY(oc_path_join(path, dir, OC__CKPT_WEIGHTS, err));
    OC_TRY(verify_weights(c->model, path, err));
    OC_TRY(oc_path_join(path, dir, OC__CKPT_CONFIG, err));
    OC_TRY(verify_config(&c->config, path, err));
    OC_TRY(oc_path_join(path, dir, OC__CKPT_VOCAB, err));
    return verify_vocab(c->tok->vocab, path, err);
}

/* --- the folder ------------------------------------------------------------------------------- */

static oc_status follow_model(oc_checkpoint *c, oc_err *err)
{
    const oc_model *m = c->model;
    if (oc_vocab_size(c->tok->vocab) > m->dims.V)
        return OC_FAIL(err, OC_SHAPE,
                       "the vocabulary has %d entries, but the model's vocab_size is %d",
                       (int)oc_vocab_size(c->tok->vocab), (int)m->dims.V);
    if (c->config.labels.n > 0 && c->config.labels.n != m->dims.K)
        return OC_FAIL(err, OC_SHAPE, "there are %lld labels, but the model has %d classes",
                       (long long)c->config.labels.n, (int)m->dims.K);
    c->config.dims = m->dims;
    c->config.lower_case = c->tok->lowercase;
    c->config.n_q8 = 0;
    for (int32_t i = 0; i < m->layout.n; i++)
        c->config.n_q8 += m->w[i].q != NULL;
    c->config.bits7 = m->bits7 && c->config.n_q8 > 0;
    c->config.attn_s8 = m->attn_s8;
    return OC_OK;
}

typedef struct saving {
    const oc_checkpoint *c;
    int64_t bytes;
} saving;

static oc_status write_folder(void *ctx, const char *dir, oc_err *err)
{
    saving *s = ctx;
    OC_TRY(write_files(s->c, dir, &s->bytes, err));
    return verify(s->c, dir, err);
}

oc_status oc_checkpoint_save(oc_checkpoint *c, const char *dir, int64_t *bytes, oc_err *err)
{
    static const char *const names[] = {OC__CKPT_WEIGHTS, OC__CKPT_CONFIG, OC__CKPT_VOCAB,
                                        OC__CKPT_TOKENIZER, NULL};
    char to[sizeof c->path];
    static_assert(sizeof to >= OC_FOLDER_PATH, "any folder's path fits");
    saving s = {.c = c};
    OC_TRY(oc_folder_path(dir, to, err));
    OC_TRY(follow_model(c, err));
    OC_TRY(oc_folder_write(
        to, &(oc_folder){.what = "a model", .names = names, .write = write_folder, .ctx = &s},
        err));
    memcpy(c->path, to, sizeof to);
    oc_strlcpy(c->file, OC__CKPT_WEIGHTS, sizeof c->file);
    c->bytes = s.bytes;
    if (bytes)
        *bytes = s.bytes;
    return OC_OK;
}
