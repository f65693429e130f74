/* core/data/table over JSON lines: any bytes, for a single-label and a multi-label task. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/data/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int ok)
{
    if (!ok)
        abort();
}

static void read_table(const uint8_t *data, size_t size, oc_task_kind kind)
{
    oc_table_want want = {.text = "text",
                          .label = "label",
                          .id = "id",
                          .split = "split",
                          .kind = kind,
                          .delimiter = ','};
    char *copy = oc_alloc(size + 1);
    must(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    copy[size] = 0;
    oc_table *t = NULL;
    oc_err e = {0};
    if (oc_table_open_data(copy, size, "f.jsonl", &want, &t, &e) != OC_OK)
        return;
    size_t rows = 0;
    for (int got = 1; got;) {
        oc_table_row row;
        e = (oc_err){0};
        must(++rows <= size + 1);
        if (oc_table_next(t, &row, &got, &e) != OC_OK) {
            must(e.status == OC_FORMAT && oc_str_starts(e.msg, "f.jsonl:"));
            continue;
        }
        if (got)
            must(oc_utf8_valid(row.text, strlen(row.text)) && row.line > 0 &&
                 (kind == OC_TASK_MULTI || row.labels->n <= 1));
    }
    oc_table_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_table(data, size, OC_TASK_SINGLE);
    read_table(data, size, OC_TASK_MULTI);
    return 0;
}
