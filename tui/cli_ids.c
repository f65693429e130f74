#include "tui/cli_ids.h"

#include "core/io/checkpoint.h"
#include "core/io/reference.h"

static void note_done(void *ctx, int64_t done, int64_t notes)
{
    oc_cli_passes *n = ctx;
    if (done == 1) {
        oc_meter_start(&n->notes, &n->packing.job, "the network", "notes", notes);
        n->notes.quiet_ns = 1000000000;
    }
    oc_meter_at(&n->notes, done);
}

void oc_cli_passes_start(oc_cli_passes *n)
{
    oc_cli_packing_start(&n->packing);
    n->watch = (oc_notes_watch){.fn = note_done, .ctx = n, .packing = &n->packing.meter.watch};
}

int oc_cli_predict_ids(oc_cli *c)
{
    oc_cli_passes progress;
    oc_cli_passes_start(&progress);
    oc_err err = {0};
    oc_checkpoint *k = NULL;
    oc_id_notes notes = {0};
    oc_outputs o = {0};
    int rc = OC_EXIT_DONE;
    oc_status st = oc_cli_load(c->arg.item[1], 0, &k, &err);
    if (st == OC_OK)
        st = oc_id_notes_read(c->ids, &k->model->dims, &notes, &err);
    if (st == OC_OK)
        st = oc_outputs_compute(k->model, &notes, c->hidden != NULL, &progress.watch, &o, &err);
    oc_cli_progress_end();
    if (st == OC_OK && c->hidden)
        st = oc_outputs_write(&o, &notes, c->hidden, &err);
    if (st == OC_OK) {
        oc_predictions p = {.n = o.B,
                            .K = o.K,
                            .id = (const char *const *)notes.id.item,
                            .logits = o.logits,
                            .multi = k->config.multi_label,
                            .labels = &k->config.labels};
        rc = oc_cli_write_rows(c, &p);
    } else {
        rc = oc_cli_fail(&err);
    }
    oc_outputs_release(&o);
    oc_id_notes_release(&notes);
    oc_checkpoint_free(k);
    return rc;
}
