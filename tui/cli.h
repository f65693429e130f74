/*
 * tui/cli.h - the command line: options, commands, exit statuses.
 *
 * Results go to standard output, progress and messages to standard error. Exit: 0 done, 1 failed,
 * 2 usage, 3 an acceptance rule was not met, 130 interrupted.
 */
#ifndef OC_TUI_CLI_H
#define OC_TUI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/str.h"
#include "core/compress/encode.h"
#include "core/data/task.h"
#include "core/engine/event.h"
#include "core/engine/settings.h"
#include "core/io/checkpoint.h"
#include "core/measure/doctor.h"
#include "sessions/workbench.h"

typedef struct oc_cli {
    oc_strlist arg;      /* words that are no options; arg[0] is the command */
    oc_strlist set;      /* --set K=V */
    const char *command; /* -c */
    const char *session;
    bool json, headless, plain, help, version, doctor, tensors, paper, layers;
    int64_t cols, rows_screen; /* --size */
    const char *as;            /* text ansi svg html json */
    double speed;
    const char *color, *glyphs, *theme;
    const char *ids, *hidden, *out, *label_list, *task, *text, *label, *id, *threads, *batch,
        *length;
    int64_t rows, first, seed, max_len;
    double noise, seconds, tolerance; /* tolerance < 0: not said */
    const char *precision, *dtype, *calibrate, *observer, *peer, *data;
    double percentile;
} oc_cli;

enum {
    OC_EXIT_DONE,
    OC_EXIT_FAILED,
    OC_EXIT_USAGE,
    OC_EXIT_NOT_ACCEPTED,
    OC_EXIT_INTERRUPTED = 130
};

/* The command line's own table: usage, help and the man page come from it. */
typedef struct oc_cli_command {
    const char *name, *args, *help;
    const char *options; /* the options it takes, blank-separated: "json set session" */
    int (*run)(oc_cli *c);
    bool computes; /* on this thread: with workers standing by */
} oc_cli_command;
int oc_cli_count(void);
const oc_cli_command *oc_cli_at(int i);

int oc_cli_main(int argc, char **argv);

/* Message of a failure on standard error, and the exit status that goes with it. */
int oc_cli_fail(const oc_err *err);
int oc_cli_usage(const char *fmt, ...) OC_PRINTF(1, 2);
/* Write a buffer to standard output; a closed pipe ends quietly, a full disk is an error. */
int oc_cli_print(const oc_buf *b);

/* cli_run.c */
int oc_cli_open(oc_cli *c); /* optimclm [SESSION] */
int oc_cli_do(oc_cli *c);   /* -c */
int oc_cli_run(oc_cli *c);  /* run RECIPE */
int oc_cli_demo(oc_cli *c);
int oc_cli_stage(oc_cli *c); /* finetune, distill, prune, quantize MODEL */
/* cli_session.c */
int oc_cli_show(oc_cli *c);
int oc_cli_replay(oc_cli *c);
int oc_cli_attach(oc_cli *c);
int oc_cli_sessions(oc_cli *c);
int oc_cli_diff(oc_cli *c);
int oc_cli_settings(oc_cli *c);
/* cli_inspect.c */
int oc_cli_inspect(oc_cli *c);
/* cli_verify.c */
int oc_cli_verify(oc_cli *c);
/* cli_model.c */
int oc_cli_tokenize(oc_cli *c);
int oc_cli_notes(oc_cli *c);
/* cli_export.c */
int oc_cli_export(oc_cli *c);
/* cli_predict.c */
int oc_cli_predict(oc_cli *c);
int oc_cli_eval(oc_cli *c);
/* The task a model was trained for, with what the command line says instead. out: owned. */
oc_status oc_cli_task(const oc_cli *c, const oc_checkpoint *k, oc_task *out,
                      oc_err *err) OC_NODISCARD;
/* As many workers as --threads says; all cores when it does not. */
oc_status oc_cli_threads(const oc_cli *c, oc_err *err) OC_NODISCARD;
/* cli_bench.c */
int oc_cli_bench(oc_cli *c);
/* What disturbed a measurement with up to `threads` threads, and how far the times of its widest row
 * spread, on standard error; nothing when nothing did. */
void oc_cli_disturbed(const oc_machine *m, int32_t threads, double spread);
int oc_cli_paper(oc_cli *c);  /* cli_paper.c: bench --paper */
int oc_cli_layers(oc_cli *c); /* cli_layers.c: bench MODEL --layers */
/* cli_man.c */
int oc_cli_man(oc_cli *c); /* manual PART: the tables as roff, for man/ */

/* oc_checkpoint_load, and what there is to say of the weights on standard error. */
oc_status oc_cli_load(const char *path, int32_t n_labels, oc_checkpoint **out,
                      oc_err *err) OC_NODISCARD;

/* Progress of one-shot commands on standard error: one line rewritten on a terminal, whole lines
 * every few seconds elsewhere. Used as an oc_job's emit. */
void oc_cli_progress(void *ctx, const oc_event *e);
void oc_cli_progress_end(void);
/* The same while weights are packed, of a command without an engine: give meter.watch to what packs. */
typedef struct oc_cli_packing {
    oc_job job;
    oc_pack_meter meter;
} oc_cli_packing;
void oc_cli_packing_start(oc_cli_packing *p); /* p stays where it is */

/* A recipe by path, or by the name of a built-in one ("demo"). */
oc_status oc_cli_recipe(const char *name, oc_settings *s, oc_err *err) OC_NODISCARD;
const char *oc_cli_builtin_recipe(const char *name); /* text, NULL when there is none */

#endif
