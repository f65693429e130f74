/*
 * tui/cli_ids.h - predict on ready-made token ids, with every hidden state, so that anyone can
 * compare with another implementation.
 */
#ifndef OC_TUI_CLI_IDS_H
#define OC_TUI_CLI_IDS_H

#include "core/io/predict_ids.h"
#include "tui/cli.h"

typedef struct oc_predictions {
    int64_t n, K;
    const char *const *id; /* [n] */
    const float *logits;   /* [n,K] */
    bool multi;
    const oc_strlist *labels; /* may be NULL */
} oc_predictions;

/* One line per note: JSON with id, logits, probs; else the id and its probabilities. */
int oc_cli_write_rows(const oc_cli *c, const oc_predictions *p);

/* Progress lines while weights are packed and notes go through the network one by one. */
typedef struct oc_cli_passes {
    oc_cli_packing packing;
    oc_meter notes;
    oc_notes_watch watch; /* points to this */
} oc_cli_passes;
void oc_cli_passes_start(oc_cli_passes *n);

/*
 * predict MODEL --ids FILE.jsonl [--hidden OUT.safetensors]: logits on standard output; the file is a
 * reference (core/io/reference.h).
 */
int oc_cli_predict_ids(oc_cli *c);

#endif
