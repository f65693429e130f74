#include "core/io/weights_index.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"

#define MAX_FILES 1024

static bool is_plain_name(const char *s)
{
    return *s && !strchr(s, '/') && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

static oc_status add_entry(oc_windex *x, const oc_json *j, const char *what, oc_err *err)
{
    const char *file = oc_json_str(j, NULL), *tensor = oc_json_key(j);
    if (!file)
        return OC_FAIL(err, OC_FORMAT, "%.250s: tensor %.100s: a file name was expected", what,
                       tensor);
    if (!is_plain_name(file))
        return OC_FAIL(err, OC_FORMAT,
                       "%.250s: tensor %.100s: \"%.60s\" is no plain name of a file in its folder",
                       what, tensor, file);
    // Tensors of one file usually follow one another: the last file first.
    int32_t f = x->n_files - 1;
    while (f >= 0 && strcmp(x->file[f], file) != 0)
        f--;
    if (f < 0 && x->n_files == MAX_FILES)
        return OC_FAIL(err, OC_FORMAT, "%.250s names more than %d files", what, MAX_FILES);
    if (f < 0) {
        f = x->n_files++;
        x->file[f] = file;
    }
    x->entry[x->n++] = (oc_windex_entry){.tensor = tensor, .file = f};
    return OC_OK;
}

static int by_tensor(const void *a, const void *b)
{
    return strcmp(((const oc_windex_entry *)a)->tensor, ((const oc_windex_entry *)b)->tensor);
}

static oc_status read_map(oc_windex *x, const char *what, oc_err *err)
{
    const oc_json *map = oc_json_get(x->json, "weight_map");
    if (!oc_json_is_object(map) || oc_json_count(map) == 0)
        return OC_FAIL(err, OC_FORMAT,
                       "%.250s has no weight_map; {\"weight_map\": {tensor: file}} was expected",
                       what);
    x->entry = oc_calloc((size_t)oc_json_count(map), sizeof *x->entry);
    x->file = oc_calloc(MAX_FILES, sizeof *x->file);
    if (!x->entry || !x->file)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    for (const oc_json *j = oc_json_first(map); j; j = oc_json_next(j))
        OC_TRY(add_entry(x, j, what, err));
    qsort(x->entry, (size_t)x->n, sizeof *x->entry, by_tensor);
    return OC_OK;
}

oc_status oc_windex_parse(const char *text, size_t n, const char *what, oc_windex *out, oc_err *err)
{
    oc_windex x = {0};
    oc_status rc = oc_json_parse(text, n, what, &x.json, err);
    if (rc == OC_OK)
        rc = read_map(&x, what, err);
    if (rc == OC_OK)
        *out = x;
    else
        oc_windex_release(&x);
    return rc;
}

void oc_windex_release(oc_windex *x)
{
    oc_free(x->entry);
    oc_free(x->file);
    oc_json_free(x->json);
    *x = (oc_windex){0};
}

oc_windex_entry *oc_windex_find(const oc_windex *x, const char *tensor)
{
    int32_t lo = 0, hi = x->n;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        int c = strcmp(x->entry[mid].tensor, tensor);
        if (c == 0)
            return &x->entry[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
