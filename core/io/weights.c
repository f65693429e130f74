#include "core/io/weights.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/str.h"
#include "core/io/safetensors.h"
#include "core/io/sniff.h"
#include "core/io/torchbin.h"
#include "core/io/weights_index.h"

#define MAX_INDEX ((size_t)64 << 20)

/* One file: either st or tb. */
typedef struct part {
    char *name; // owned; base name
    oc_st *st;
    oc_tb *tb;
    int64_t bytes;
} part;

typedef struct place {
    const oc_tensor *t; // borrowed from the part
    int32_t part;
} place;

struct oc_weights {
    char path[OC_PATH_MAX];
    part *part;    // owned [n_parts]
    place *place;  // owned [n], file after file
    place *sorted; // owned [n], by name
    int32_t n_parts, n;
};

/* --- one file --------------------------------------------------------------------------------- */

static bool starts_like_torch(const char *path)
{
    unsigned char b[2] = {0, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd >= 0 ? read(fd, b, sizeof b) : -1;
    if (fd >= 0)
        close(fd);
    return n == sizeof b && (b[0] == 0x80 || (b[0] == 'P' && b[1] == 'K'));
}

static bool is_torch(const char *path)
{
    if (oc_str_ends(path, ".safetensors"))
        return false;
    return oc_str_ends(path, ".bin") || oc_str_ends(path, ".pt") || oc_str_ends(path, ".pth") ||
           starts_like_torch(path);
}

static int32_t part_count(const part *p)
{
    return p->st ? oc_st_count(p->st) : oc_tb_count(p->tb);
}

static const oc_tensor *part_at(const part *p, int32_t i)
{
    return p->st ? oc_st_at(p->st, i) : oc_tb_at(p->tb, i);
}

static oc_status open_part(oc_weights *w, const char *path, oc_err *err)
{
    part *p = &w->part[w->n_parts++];
    p->name = oc_strdup(oc_path_base(path));
    if (!p->name)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", path);
    OC_TRY(is_torch(path) ? oc_tb_open(path, &p->tb, err) : oc_st_open(path, &p->st, err));
    p->bytes = oc_file_bytes(path);
    return OC_OK;
}

static oc_status new_parts(oc_weights *w, int32_t n, oc_err *err)
{
    w->part = oc_calloc((size_t)n, sizeof *w->part);
    return w->part ? OC_OK : OC_FAIL(err, OC_NOMEM, "out of memory reading %s", w->path);
}

/* --- an index --------------------------------------------------------------------------------- */

/* Every tensor of the file is in the index, under this file. */
static oc_status check_part(const oc_weights *w, const oc_windex *x, int32_t i, oc_err *err)
{
    for (int32_t k = 0; k < part_count(&w->part[i]); k++) {
        const char *name = part_at(&w->part[i], k)->name;
        oc_windex_entry *e = oc_windex_find(x, name);
        if (!e)
            return OC_FAIL(err, OC_FORMAT, "%.200s: %.80s holds tensor %.100s, which is not in it",
                           w->path, w->part[i].name, name);
        if (e->file != i)
            return OC_FAIL(err, OC_FORMAT,
                           "%.200s says tensor %.100s is in %.60s, but it is in %.60s", w->path,
                           name, x->file[e->file], w->part[i].name);
        e->seen = true;
    }
    return OC_OK;
}

static oc_status check_all_seen(const oc_weights *w, const oc_windex *x, oc_err *err)
{
    for (int32_t i = 0; i < x->n; i++)
        if (!x->entry[i].seen)
            return OC_FAIL(err, OC_FORMAT,
                           "%.200s says tensor %.100s is in %.60s, but it is not there", w->path,
                           x->entry[i].tensor, x->file[x->entry[i].file]);
    return OC_OK;
}

static oc_status open_parts(oc_weights *w, const oc_windex *x, oc_err *err)
{
    char dir[OC_PATH_MAX], path[OC_PATH_MAX];
    oc_strlcpy(dir, w->path, sizeof dir);
    dir[oc_path_base(w->path) - w->path] = 0;
    OC_TRY(new_parts(w, x->n_files, err));
    for (int32_t i = 0; i < x->n_files; i++) {
        OC_TRY(oc_path_join(path, dir, x->file[i], err));
        if (!oc_path_is_there(path))
            return OC_FAIL(err, OC_IO, "%.250s names %.100s, which is not in its folder", w->path,
                           x->file[i]);
        OC_TRY(open_part(w, path, err));
        OC_TRY(check_part(w, x, i, err));
    }
    return check_all_seen(w, x, err);
}

static oc_status open_index(oc_weights *w, oc_err *err)
{
    char *text;
    size_t n;
    oc_windex x;
    OC_TRY(oc_file_read(w->path, MAX_INDEX, &text, &n, err));
    const char *other = oc_sniff(text, n);
    oc_status rc = other ? OC_FAIL(err, OC_FORMAT, "an index in JSON was expected, but %s is %s",
                                   w->path, other)
                         : oc_windex_parse(text, n, w->path, &x, err);
    oc_free(text);
    if (rc != OC_OK)
        return rc;
    rc = open_parts(w, &x, err);
    oc_windex_release(&x);
    return rc;
}

/* --- where they are --------------------------------------------------------------------------- */

static oc_status nothing_there(const char *dir, oc_err *err)
{
    static const char *const other[] = {"tf_model.h5", "flax_model.msgpack"};
    char path[OC_PATH_MAX];
    for (int i = 0; i < OC_COUNT(other); i++) {
        OC_TRY(oc_path_join(path, dir, other[i], err));
        if (oc_path_is_there(path))
            return OC_FAIL(err, OC_UNSUPPORTED,
                           "%.300s has its weights as %s only; load that in transformers (from_%s="
                           "True) and save_pretrained() it as safetensors",
                           dir, other[i], i == 0 ? "tf" : "flax");
    }
    return OC_FAIL(err, OC_IO,
                   "%.200s has no weights: looked for model.safetensors, "
                   "model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json",
                   dir);
}

static oc_status find(const char *path, char out[OC_PATH_MAX], oc_err *err)
{
    static const char *const name[] = {"model.safetensors", "model.safetensors.index.json",
                                       "pytorch_model.bin", "pytorch_model.bin.index.json"};
    if (!oc_path_is_dir(path))
        return oc_path_join(out, "", path, err);
    for (int i = 0; i < OC_COUNT(name); i++) {
        OC_TRY(oc_path_join(out, path, name[i], err));
        if (oc_path_is_there(out))
            return OC_OK;
    }
    return nothing_there(path, err);
}

/* --- all of them ------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const place *)a)->t->name, ((const place *)b)->t->name);
}

static oc_status list_all(oc_weights *w, oc_err *err)
{
    for (int32_t i = 0; i < w->n_parts; i++)
        w->n += part_count(&w->part[i]);
    w->place = oc_calloc((size_t)w->n, sizeof *w->place);
    w->sorted = oc_calloc((size_t)w->n, sizeof *w->sorted);
    if (!w->place || !w->sorted)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", w->path);
    int32_t at = 0;
    for (int32_t i = 0; i < w->n_parts; i++)
        for (int32_t k = 0; k < part_count(&w->part[i]); k++)
            w->place[at++] = (place){part_at(&w->part[i], k), i};
    memcpy(w->sorted, w->place, (size_t)w->n * sizeof *w->place);
    qsort(w->sorted, (size_t)w->n, sizeof *w->sorted, by_name);
    return OC_OK;
}

static oc_status open_all(oc_weights *w, oc_err *err)
{
    if (oc_str_ends(w->path, ".index.json")) {
        OC_TRY(open_index(w, err));
    } else {
        OC_TRY(new_parts(w, 1, err));
        OC_TRY(open_part(w, w->path, err));
    }
    return list_all(w, err);
}

oc_status oc_weights_open(const char *path, oc_weights **out, oc_err *err)
{
    oc_weights *w = oc_calloc(1, sizeof *w);
    if (!w)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", path);
    oc_status rc = find(path, w->path, err);
    if (rc == OC_OK)
        rc = open_all(w, err);
    if (rc == OC_OK)
        *out = w;
    else
        oc_weights_close(w);
    return rc;
}

void oc_weights_close(oc_weights *w)
{
    if (!w)
        return;
    for (int32_t i = 0; i < w->n_parts; i++) {
        oc_free(w->part[i].name);
        oc_st_close(w->part[i].st);
        oc_tb_close(w->part[i].tb);
    }
    oc_free(w->part);
    oc_free(w->place);
    oc_free(w->sorted);
    oc_free(w);
}

int32_t oc_weights_count(const oc_weights *w)
{
    return w->n;
}

const oc_tensor *oc_weights_at(const oc_weights *w, int32_t i)
{
    return w->place[i].t;
}

const oc_tensor *oc_weights_find(const oc_weights *w, const char *name)
{
    int32_t lo = 0, hi = w->n;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        int c = strcmp(w->sorted[mid].t->name, name);
        if (c == 0)
            return w->sorted[mid].t;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const char *oc_weights_file(const oc_weights *w, int32_t i)
{
    return w->part[w->place[i].part].name;
}

const char *oc_weights_format(const oc_weights *w, int32_t i)
{
    return w->part[w->place[i].part].st ? "safetensors" : "torch.save";
}

const char *oc_weights_path(const oc_weights *w)
{
    return w->path;
}

int64_t oc_weights_bytes(const oc_weights *w)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < w->n_parts; i++)
        sum += w->part[i].bytes;
    return sum;
}
