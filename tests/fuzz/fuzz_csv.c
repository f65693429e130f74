/* core/data/csv, and tables read through it: any bytes, with a comma or a tab between fields. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"
#include "core/data/csv.h"
#include "core/data/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *own(const uint8_t *data, size_t size)
{
    char *copy = oc_alloc(size + 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    copy[size] = 0;
    return copy;
}

static void must(int ok)
{
    if (!ok)
        abort();
}

/* Fields are text, lines rise, and no more is read than there was. */
static void read_records(const uint8_t *data, size_t size, char delimiter)
{
    oc_csv *c = NULL;
    must(oc_csv_new(own(data, size), size, "f", delimiter, &c, NULL) == OC_OK);
    int64_t line = 0;
    size_t bytes = 0, records = 0;
    for (int got = 1; got;) {
        oc_csv_row row;
        oc_err e = {0};
        must(++records <= size + 1);
        if (oc_csv_next(c, &row, &got, &e) != OC_OK) {
            must(e.status == OC_FORMAT);
            continue;
        }
        if (!got)
            break;
        must(row.line > line && row.n > 0);
        line = row.line;
        for (int64_t i = 0; i < row.n; i++) {
            size_t n = strlen(row.field[i]);
            must(oc_utf8_valid(row.field[i], n));
            bytes += n + 1;
        }
    }
    must(bytes <= size + 1);
    oc_csv_free(c);
}

static void read_table(const uint8_t *data, size_t size, const char *name)
{
    oc_table_want want = {.text = "text",
                          .label = "label",
                          .id = "id",
                          .split = "",
                          .kind = OC_TASK_MULTI,
                          .delimiter = ','};
    oc_table *t = NULL;
    oc_err e = {0};
    if (oc_table_open_data(own(data, size), size, name, &want, &t, &e) != OC_OK)
        return;
    for (int got = 1; got;) {
        oc_table_row row;
        e = (oc_err){0};
        if (oc_table_next(t, &row, &got, &e) != OC_OK)
            must(e.status == OC_FORMAT && *e.msg);
    }
    oc_table_close(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_records(data, size, ',');
    read_records(data, size, '\t');
    read_table(data, size, "f.csv");
    read_table(data, size, "f.tsv");
    return 0;
}
