#include "tui/cli.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/par.h"
#include "core/kernels/kernels.h"

/* clang-format off */
static const oc_cli_command commands[] = {
    {"demo", "", "the whole pipeline on built-in synthetic admission notes", "set session headless plain json color glyphs theme", oc_cli_demo, false},
    {"run", "RECIPE", "run a recipe: a JSON file, or the name of a built-in one", "set session headless plain json color glyphs theme", oc_cli_run, false},
    {"finetune", "MODEL...", "finetune teachers", "set session headless plain json color glyphs theme", oc_cli_stage, false},
    {"distill", "MODEL...", "distil an ensemble of finetuned teachers into a student", "set session headless plain json color glyphs theme", oc_cli_stage, false},
    {"prune", "MODEL", "prune a model and let it recover", "set session headless plain json color glyphs theme", oc_cli_stage, false},
    {"quantize", "MODEL", "quantize a model to INT8", "set session headless plain json color glyphs theme", oc_cli_stage, false},
    {"replay", "SESSION", "watch a recorded session again", "speed color glyphs theme", oc_cli_replay, false},
    {"attach", "SESSION", "watch a session that another process is running, read-only", "color glyphs theme", oc_cli_attach, false},
    {"show", "SESSION VIEW", "print a view: run loss sparsity quant latency tradeoff log settings", "size as color glyphs theme json", oc_cli_show, false},
    {"sessions", "", "list the sessions", "json", oc_cli_sessions, false},
    {"diff", "SESSION SESSION", "what differs between two sessions", "json", oc_cli_diff, false},
    {"export", "SESSION|MODEL FORMAT OUT", "write a session as csv, jsonl, json or recipe, or a model as hf, torch or onnx for other programs", "json precision dtype calibrate observer percentile text id max-len threads task", oc_cli_export, true},
    {"settings", "", "list every setting with its range and default", "json", oc_cli_settings, false},
    {"inspect", "MODEL", "architecture, casing, parameters, bytes, layers, and where each comes from", "json tensors", oc_cli_inspect, true},
    {"verify", "MODEL REFERENCE", "recompute the hidden states in a safetensors file and compare, layer by layer", "json tolerance", oc_cli_verify, true},
    {"tokenize", "MODEL [TEXT]", "WordPiece tokens and ids of TEXT, or of each line of standard input", "json", oc_cli_tokenize, false},
    {"predict", "MODEL [DATA]", "logits and probabilities of each note", "json ids hidden text label id max-len threads task", oc_cli_predict, true},
    {"eval", "MODEL DATA", "accuracy, macro AUROC with its interval, AUPRC, F1", "json set text label id max-len threads task", oc_cli_eval, true},
    {"bench", "[MODEL...]", "median and p95 latency by threads, batch and length; --layers: of each matrix; --paper: against the paper's ensemble; --doctor: what spoils timings here", "json threads batch length seconds doctor layers paper peer data text", oc_cli_bench, true},
    {"notes", "", "write synthetic admission notes in MIMIC-III layout", "task rows seed out first noise label-list", oc_cli_notes, false},
    {"manual", "PART", "the tables the man pages are made of", "", oc_cli_man, false},
};
/* clang-format on */

int oc_cli_count(void)
{
    return OC_COUNT(commands);
}
const oc_cli_command *oc_cli_at(int i)
{
    return &commands[i];
}

int oc_cli_fail(const oc_err *err)
{
    fprintf(stderr, "optimclm: %s\n", err->msg[0] ? err->msg : oc_status_text(err->status));
    return err->status == OC_USAGE       ? OC_EXIT_USAGE
           : err->status == OC_CANCELLED ? OC_EXIT_INTERRUPTED
                                         : OC_EXIT_FAILED;
}

int oc_cli_usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("optimclm: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return OC_EXIT_USAGE;
}

int oc_cli_print(const oc_buf *b)
{
    if (b->failed) {
        fputs("optimclm: out of memory\n", stderr);
        return OC_EXIT_FAILED;
    }
    if ((b->len > 0 && fwrite(b->data, 1, b->len, stdout) != b->len) || fflush(stdout) != 0) {
        // Whoever read us has seen enough.
        if (errno == EPIPE)
            return OC_EXIT_DONE;
        fprintf(stderr, "optimclm: cannot write to standard output: %s\n", strerror(errno));
        return OC_EXIT_FAILED;
    }
    return OC_EXIT_DONE;
}

static void print_help(void)
{
    oc_buf b = {0};
    oc_buf_str(
        &b,
        "optimclm " OC_VERSION
        ": make BERT-class clinical text classifiers small and fast, and watch it happen\n\n"
        "usage: optimclm [SESSION]                open or reopen a session in the workbench\n"
        "       optimclm -c 'CMD; CMD' [--session NAME]   run workbench commands without a screen\n");
    for (int i = 0; i < OC_COUNT(commands); i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].args);
        oc_buf_fmt(&b, "       optimclm %-24s %s\n", left, commands[i].help);
    }
    oc_buf_str(
        &b,
        "\noptions: --json --set KEY=VALUE --session NAME --headless --plain --size CxR --as text|ansi|svg|html|json\n"
        "         --speed X --color auto|never|16|256 --glyphs auto|braille|block|ascii --theme NAME\n"
        "`man optimclm` has the rest; `optimclm settings` lists what --set takes.\n"
        "Exit status: 0 done, 1 failed, 2 usage, 3 an acceptance rule was not met, 130 interrupted.\n");
    (void)oc_cli_print(&b);
    oc_buf_release(&b);
}

/* --- options ----------------------------------------------------------------------------------- */

enum {
    O_JSON = 1000,
    O_SET,
    O_SESSION,
    O_HEADLESS,
    O_PLAIN,
    O_SIZE,
    O_AS,
    O_SPEED,
    O_COLOR,
    O_GLYPHS,
    O_THEME,
    O_IDS,
    O_HIDDEN,
    O_OUT,
    O_LABEL_LIST,
    O_TASK,
    O_TEXT,
    O_LABEL,
    O_ID,
    O_THREADS,
    O_BATCH,
    O_LENGTH,
    O_ROWS,
    O_FIRST,
    O_SEED,
    O_MAX_LEN,
    O_NOISE,
    O_SECONDS,
    O_DOCTOR,
    O_TENSORS,
    O_TOLERANCE,
    O_LAYERS,
    O_PAPER,
    O_PEER,
    O_DATA,
    O_PRECISION,
    O_DTYPE,
    O_CALIBRATE,
    O_OBSERVER,
    O_PERCENTILE,
    O_HELP,
    O_VERSION
};

/* clang-format off */
static const struct option options[] = {
    {"json", no_argument, NULL, O_JSON}, {"set", required_argument, NULL, O_SET}, {"session", required_argument, NULL, O_SESSION},
    {"headless", no_argument, NULL, O_HEADLESS}, {"plain", no_argument, NULL, O_PLAIN}, {"size", required_argument, NULL, O_SIZE},
    {"as", required_argument, NULL, O_AS}, {"speed", required_argument, NULL, O_SPEED}, {"color", required_argument, NULL, O_COLOR},
    {"glyphs", required_argument, NULL, O_GLYPHS}, {"theme", required_argument, NULL, O_THEME}, {"ids", required_argument, NULL, O_IDS},
    {"hidden", required_argument, NULL, O_HIDDEN}, {"out", required_argument, NULL, O_OUT}, {"label-list", required_argument, NULL, O_LABEL_LIST},
    {"task", required_argument, NULL, O_TASK}, {"text", required_argument, NULL, O_TEXT}, {"label", required_argument, NULL, O_LABEL},
    {"id", required_argument, NULL, O_ID}, {"threads", required_argument, NULL, O_THREADS}, {"batch", required_argument, NULL, O_BATCH},
    {"length", required_argument, NULL, O_LENGTH}, {"rows", required_argument, NULL, O_ROWS}, {"first", required_argument, NULL, O_FIRST},
    {"seed", required_argument, NULL, O_SEED}, {"max-len", required_argument, NULL, O_MAX_LEN}, {"noise", required_argument, NULL, O_NOISE},
    {"seconds", required_argument, NULL, O_SECONDS}, {"precision", required_argument, NULL, O_PRECISION}, {"dtype", required_argument, NULL, O_DTYPE},
    {"calibrate", required_argument, NULL, O_CALIBRATE}, {"observer", required_argument, NULL, O_OBSERVER}, {"percentile", required_argument, NULL, O_PERCENTILE},
    {"doctor", no_argument, NULL, O_DOCTOR}, {"tensors", no_argument, NULL, O_TENSORS}, {"tolerance", required_argument, NULL, O_TOLERANCE},
    {"help", no_argument, NULL, O_HELP}, {"version", no_argument, NULL, O_VERSION},
    {"layers", no_argument, NULL, O_LAYERS}, {"paper", no_argument, NULL, O_PAPER}, {"peer", required_argument, NULL, O_PEER},
    {"data", required_argument, NULL, O_DATA},
    {NULL, 0, NULL, 0},
};
/* clang-format on */

static const char *option_name(int code)
{
    for (int i = 0; options[i].name; i++)
        if (options[i].val == code)
            return options[i].name;
    return "?";
}

static bool whole(int code, const char *s, int64_t lo, int64_t hi, int64_t *out)
{
    if (oc_parse_i64(s, out) && *out >= lo && *out <= hi)
        return true;
    oc_cli_usage("--%s is '%s'; it must be a whole number from %lld to %lld", option_name(code), s,
                 (long long)lo, (long long)hi);
    return false;
}

static bool real(int code, const char *s, double lo, double hi, double *out)
{
    if (oc_parse_f64(s, out) && *out >= lo && *out <= hi)
        return true;
    oc_cli_usage("--%s is '%s'; it must be a number from %g to %g", option_name(code), s, lo, hi);
    return false;
}

static bool word(int code, const char *s, const char *const *words, int n, const char **out)
{
    oc_buf all = {0};
    for (int i = 0; i < n; i++) {
        if (!strcmp(words[i], s)) {
            *out = s;
            oc_buf_release(&all);
            return true;
        }
        oc_buf_fmt(&all, "%s%s", i ? ", " : "", words[i]);
    }
    oc_cli_usage("--%s is '%s'; it must be one of %s", option_name(code), s, oc_buf_cstr(&all));
    oc_buf_release(&all);
    return false;
}

static bool size(const char *s, int64_t *cols, int64_t *rows)
{
    char a[16];
    const char *x = strchr(s, 'x');
    if (x && (size_t)(x - s) < sizeof a) {
        memcpy(a, s, (size_t)(x - s));
        a[x - s] = 0;
        if (oc_parse_i64(a, cols) && oc_parse_i64(x + 1, rows) && *cols >= 1 && *cols <= 2000 &&
            *rows >= 1 && *rows <= 1000)
            return true;
    }
    oc_cli_usage("--size is '%s'; it must be COLUMNSxROWS, such as 100x30", s);
    return false;
}

static bool take(oc_cli *c, int code, const char *v)
{
    static const char *const as[] = {"text", "ansi", "svg", "html", "json"};
    static const char *const colors[] = {"auto", "never", "16", "256"};
    static const char *const glyphs[] = {"auto", "braille", "block", "ascii"};
    static const char *const precisions[] = {"f32", "int8-dynamic", "int8-static"};
    static const char *const dtypes[] = {"f32", "f16"};
    static const char *const observers[] = {"minmax", "percentile"};
    switch (code) {
    case 'c': c->command = v; return true;
    case O_JSON: c->json = true; return true;
    case O_SET: return oc_strlist_add(&c->set, v, strlen(v), NULL) == OC_OK;
    case O_SESSION: c->session = v; return true;
    case O_HEADLESS: c->headless = true; return true;
    case O_PLAIN: c->plain = true; return true;
    case O_SIZE: return size(v, &c->cols, &c->rows_screen);
    case O_AS: return word(code, v, as, OC_COUNT(as), &c->as);
    case O_SPEED: return real(code, v, 0.25, 64, &c->speed);
    case O_COLOR: return word(code, v, colors, OC_COUNT(colors), &c->color);
    case O_GLYPHS: return word(code, v, glyphs, OC_COUNT(glyphs), &c->glyphs);
    case O_THEME: c->theme = v; return true;
    case O_IDS: c->ids = v; return true;
    case O_HIDDEN: c->hidden = v; return true;
    case O_OUT: c->out = v; return true;
    case O_LABEL_LIST: c->label_list = v; return true;
    case O_TASK: c->task = v; return true;
    case O_TEXT: c->text = v; return true;
    case O_LABEL: c->label = v; return true;
    case O_ID: c->id = v; return true;
    case O_THREADS: c->threads = v; return true;
    case O_BATCH: c->batch = v; return true;
    case O_LENGTH: c->length = v; return true;
    case O_ROWS: return whole(code, v, 1, 100000000, &c->rows);
    case O_FIRST: return whole(code, v, 0, INT64_MAX / 2, &c->first);
    case O_SEED: return whole(code, v, 0, 4294967295, &c->seed);
    case O_MAX_LEN: return whole(code, v, 3, 4096, &c->max_len);
    case O_NOISE: return real(code, v, 0, 1, &c->noise);
    case O_SECONDS: return real(code, v, 0.1, 3600, &c->seconds);
    case O_DOCTOR: c->doctor = true; return true;
    case O_TENSORS: c->tensors = true; return true;
    case O_TOLERANCE: return real(code, v, 0, 1e6, &c->tolerance);
    case O_LAYERS: c->layers = true; return true;
    case O_PAPER: c->paper = true; return true;
    case O_PEER: c->peer = v; return true;
    case O_DATA: c->data = v; return true;
    case O_PRECISION: return word(code, v, precisions, OC_COUNT(precisions), &c->precision);
    case O_DTYPE: return word(code, v, dtypes, OC_COUNT(dtypes), &c->dtype);
    case O_CALIBRATE: c->calibrate = v; return true;
    case O_OBSERVER: return word(code, v, observers, OC_COUNT(observers), &c->observer);
    case O_PERCENTILE: return real(code, v, 50, 100, &c->percentile);
    case O_HELP: c->help = true; return true;
    case O_VERSION: c->version = true; return true;
    default: return false;
    }
}

/* Does the command take the option? Options unknown to it are refused, not ignored. */
static bool takes(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0))
            return true;
    return false;
}

static int parse(int argc, char **argv, oc_cli *c, oc_strlist *given)
{
    opterr = 0;
    for (;;) {
        int index = -1;
        int at = optind;
        int code = getopt_long(argc, argv, ":c:", options, &index);
        if (code == -1)
            break;
        if (code == '?')
            return oc_cli_usage("unknown option '%s'; `optimclm --help` lists them",
                                argv[at < argc ? at : argc - 1]);
        if (code == ':')
            return oc_cli_usage("%s needs a value", argv[optind - 1]);
        if (!take(c, code, optarg))
            return OC_EXIT_USAGE;
        const char *name = code == 'c' ? "c" : option_name(code);
        if (oc_strlist_add(given, name, strlen(name), NULL) != OC_OK)
            return OC_EXIT_FAILED;
    }
    for (int i = optind; i < argc; i++)
        if (oc_strlist_add(&c->arg, argv[i], strlen(argv[i]), NULL) != OC_OK)
            return OC_EXIT_FAILED;
    return OC_EXIT_DONE;
}

static const oc_cli_command *find(const char *name)
{
    for (int i = 0; i < OC_COUNT(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static int check_options(const oc_strlist *given, const char *list, const char *what)
{
    for (int64_t i = 0; i < given->n; i++)
        if (!takes(list, given->item[i]))
            return oc_cli_usage("%s does not take --%s", what, given->item[i]);
    return OC_EXIT_DONE;
}

/* A command that computes on this thread has the workers standing by. */
typedef struct call {
    const oc_cli_command *command;
    oc_cli *cli;
    int rc;
} call;

static void run_call(void *ctx)
{
    call *k = ctx;
    k->rc = k->command->run(k->cli);
}

static int run_command(const oc_cli_command *command, oc_cli *c)
{
    call k = {.command = command, .cli = c};
    if (command->computes)
        oc_par_team(run_call, &k);
    else
        run_call(&k);
    return k.rc;
}

static int dispatch(oc_cli *c, const oc_strlist *given)
{
    int rc;
    if (c->command) {
        if (c->arg.n > 0)
            return oc_cli_usage("-c takes its commands in one argument; '%s' is left over",
                                c->arg.item[0]);
        rc = check_options(given, "c session json set plain headless", "-c");
        return rc ? rc : oc_cli_do(c);
    }
    const oc_cli_command *k = c->arg.n > 0 ? find(c->arg.item[0]) : NULL;
    if (k) {
        rc = check_options(given, k->options, k->name);
        return rc ? rc : run_command(k, c);
    }
    rc = check_options(given, "session color glyphs theme set", "optimclm [SESSION]");
    if (rc)
        return rc;
    if (c->arg.n > 1)
        return oc_cli_usage("unknown command '%s'; `optimclm --help` lists them", c->arg.item[0]);
    return oc_cli_open(c);
}

static void to_stderr(void *ctx, oc_log_level level, const char *line)
{
    (void)ctx;
    if (level == OC_LOG_ERROR)
        fprintf(stderr, "optimclm: %s\n", line);
}

int oc_cli_main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    oc_log_set(to_stderr, NULL);
    oc_cli c = {.speed = 1,
                .color = "auto",
                .glyphs = "auto",
                .rows = 1000,
                .seed = 7,
                .noise = 0.5,
                .seconds = 4,
                .tolerance = -1,
                .percentile = 99.99};
    oc_strlist given = {0};
    oc_err err = {0};
    int rc = parse(argc, argv, &c, &given);
    if (rc == OC_EXIT_DONE && c.help) {
        print_help();
    } else if (rc == OC_EXIT_DONE && c.version) {
        puts("optimclm " OC_VERSION);
    } else if (rc == OC_EXIT_DONE) {
        rc = oc_kernels_select(&err) == OC_OK ? dispatch(&c, &given) : oc_cli_fail(&err);
    }
    oc_strlist_release(&given);
    oc_strlist_release(&c.arg);
    oc_strlist_release(&c.set);
    return rc;
}

/* --- progress ---------------------------------------------------------------------------------- */

static bool line_open;

void oc_cli_progress_end(void)
{
    if (line_open)
        fputs("\r\033[K", stderr);
    line_open = false;
}

void oc_cli_progress(void *ctx, const oc_event *e)
{
    (void)ctx;
    static int64_t last_ns;
    if (e->type == OC_EV_alert_T) {
        oc_cli_progress_end();
        fprintf(stderr, "optimclm: %s\n", e->u.alert.text);
    }
    if (e->type != OC_EV_progress_T)
        return;
    const oc_ev_progress *p = &e->u.progress;
    bool tty = isatty(STDERR_FILENO);
    int64_t now = oc_now_ns();
    if (p->done < p->total && now - last_ns < (tty ? 200000000 : 5000000000))
        return;
    // Short work needs no line.
    if (last_ns == 0) {
        last_ns = now;
        return;
    }
    last_ns = now;
    char eta[24];
    oc_fmt_duration(eta, p->eta_s);
    fprintf(stderr, "%s%s: %lld of %lld %s, %.3g %s/s, %s left%s", tty ? "\r\033[K" : "", p->what,
            (long long)p->done, (long long)p->total, p->unit, p->rate, p->unit, eta,
            tty ? "" : "\n");
    line_open = tty;
}

void oc_cli_packing_start(oc_cli_packing *p)
{
    p->job = (oc_job){.emit = oc_cli_progress};
    oc_pack_meter_start(&p->meter, &p->job);
}
