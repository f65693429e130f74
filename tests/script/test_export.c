/*
 * export MODEL hf|torch|onnx: what comes out computes what the model computes, in our own hands and in
 * those of its users: plain PyTorch of the stock layout, the onnx package, ONNX Runtime. Each peer
 * is a script of tests/interop; a peer that is not installed is said and skipped.
 *
 * PYTHON and NODE name the interpreters (/usr/bin/python3, node); node looks in NODE_PATH.
 */

#include "core/base/json.h"
#include "core/compress/quantize.h"
#include "core/io/export.h"
#include "tests/unit/compress_testing.h"

#include "tests/script/shell.h"

/* Largest |difference| of a logit. Observed: 3e-7. */
#define F32_BOUND 1e-4
/* The same of F16 weights. Observed: 7e-4. */
#define F16_BOUND 5e-3
/*
 * INT8, per unit of the largest |logit|: our activations have one scale a row, those of ONNX one a
 * tensor. Observed on these networks: as floats 0.020, dynamic 0.029, static 0.039 (minmax) and
 * 0.054 (percentile).
 */
#define INT8_BOUND 0.15

#define PEER_ABSENT 77

static char scripts[OC_PATH_MAX];

static bool there(const char *name)
{
    char path[OC_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return oc_path_exists(path);
}

/* --- models ------------------------------------------------------------------------------------ */

/* Every model, and whether the stock layout can hold it. */
static const struct {
    const char *name;
    bool stock, int8;
} models[] = {{"plain", true, false},   {"uneven", true, false}, {"narrow", false, false},
              {"distil", true, false},  {"int8", true, true},    {"int8-distil", true, true},
              {"int8-part", true, true}};

static oc_dims dims_of(const char *name)
{
    oc_dims d = small_dims(3, 32, 4, 64, 3);
    if (strcmp(name, "plain") != 0) {
        d.A[0] = 1, d.A[1] = 4, d.A[2] = 2;
        d.F[0] = 24, d.F[1] = 64, d.F[2] = 17;
    }
    if (!strcmp(name, "narrow"))
        d.D = 7;
    if (!strcmp(name, "uneven"))
        d.act = OC_ACT_GELU_NEW;
    if (!strcmp(name, "int8-part"))
        d.act = OC_ACT_RELU;
    if (strstr(name, "distil")) {
        d.arch = OC_ARCH_DISTILBERT;
        d.S = 0;
    }
    return d;
}

static void make_model(const char *name, bool int8)
{
    char path[OC_PATH_MAX];
    oc_dims d = dims_of(name);
    oc_checkpoint *c = checkpoint_new(&d, 11, 6.0f);
    // Biases and norms that are not 0 and 1 are seen when they are lost.
    oc_rng r;
    oc_rng_init(&r, 3, 0);
    for (int32_t i = 0; i < c->model->layout.n; i++) {
        const oc_param *p = &c->model->layout.param[i];
        for (int64_t k = 0; k < p->n && !oc_kind_decays(p->kind); k++)
            c->model->slab[p->offset + k] += 0.2f * (float)oc_rng_normal(&r);
    }
    bool whole = strcmp(name, "int8-part") != 0;
    oc_quant_opts o = {.embeddings = whole, .head = whole};
    o.bits7 = o.attn_s8 = !strcmp(name, "int8-distil");
    if (int8)
        OK(oc_quantize_model(NULL, c->model, &o, name, &err));
    snprintf(path, sizeof path, "%s/%s", dir, name);
    OK(oc_checkpoint_save(c, path, NULL, &err));
    oc_checkpoint_free(c);
}

/* Notes of 1 to 32 tokens, with masks, and with types where the network has them. */
static void make_inputs(void)
{
    static const int lengths[] = {1, 32, 7, 19, 2, 28};
    oc_buf ids = {0}, untyped = {0}, table = {0}, alike = {0};
    size_t line = 0;
    oc_rng r;
    int n_words;
    const char *const *word = neutral_words(&n_words);
    oc_rng_init(&r, 5, 0);
    for (int i = 0; i < OC_COUNT(lengths); i++) {
        static const char *const key[] = {"input_ids", "attention_mask", "token_type_ids"};
        for (int k = 0; k < 3; k++) {
            if (k == 2)
                oc_buf_fmt(&untyped, "%.*s}\n", (int)(ids.len - line), ids.data + line);
            oc_buf_fmt(&ids, "%s\"%s\": [", k ? ", " : "{", key[k]);
            for (int t = 0; t < lengths[i]; t++)
                oc_buf_fmt(&ids, "%s%d", t ? ", " : "",
                           k == 0   ? (int)oc_rng_below(&r, 33)
                           : k == 1 ? t == 0 || oc_rng_below(&r, 4) > 0
                                    : (int)oc_rng_below(&r, i % 2 ? 2 : 1));
            oc_buf_str(&ids, "]");
        }
        oc_buf_str(&ids, "}\n");
        line = ids.len;
    }
    // Notes to measure ranges on, and some of the same kind as ids: [CLS] words [SEP].
    oc_buf_str(&table, "text\n");
    for (int i = 0; i < 80; i++) {
        oc_buf *to = i < 60 ? &table : &alike;
        oc_buf_str(to, i < 60 ? "" : "{\"input_ids\": [2");
        for (int w = 2 + (int)oc_rng_below(&r, 20); w > 0; w--) {
            int k = (int)oc_rng_below(&r, (uint64_t)n_words);
            if (i < 60)
                oc_buf_fmt(to, "%s ", word[k]);
            else
                oc_buf_fmt(to, ", %d", 5 + k);
        }
        oc_buf_str(to, i < 60 ? "\n" : ", 3]}\n");
    }
    write_in_dir("alike.jsonl", alike.data);
    oc_buf_release(&alike);
    write_in_dir("ids.jsonl", ids.data);
    write_in_dir("untyped.jsonl", untyped.data);
    write_in_dir("notes.csv", table.data);
    oc_buf_release(&ids);
    oc_buf_release(&untyped);
    oc_buf_release(&table);
}

static int setup(void **state)
{
    (void)state;
    if (!realpath("tests/interop", scripts) || !shell_open() || select_kernels(state) != 0)
        return -1;
    snprintf(
        shell_first, sizeof shell_first,
        "I=%s PYTHON=${PYTHON:-/usr/bin/python3} NODE=${NODE:-node} && export OMP_NUM_THREADS=1",
        scripts);
    for (int i = 0; i < OC_COUNT(models); i++)
        make_model(models[i].name, models[i].int8);
    make_inputs();
    return 0;
}

/* --- comparing --------------------------------------------------------------------------------- */

enum { MAX_LOGITS = 128 };
typedef struct logits {
    int n;
    double z[MAX_LOGITS];
} logits;

/* A line a note: an array, or an object with "logits". */
static logits read_logits(const char *text)
{
    logits l = {0};
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t n = end ? (size_t)(end - text) : strlen(text);
        oc_json *j;
        OK(oc_json_parse(text, n, "logits", &j, &err));
        const oc_json *a = oc_json_is_array(j) ? j : oc_json_get(j, "logits");
        for (const oc_json *v = oc_json_first(a); v; v = oc_json_next(v)) {
            assert_true(l.n < MAX_LOGITS);
            l.z[l.n++] = oc_json_num(v, (double)NAN);
        }
        oc_json_free(j);
        text += n + (end != NULL);
    }
    assert_true(l.n > 0);
    return l;
}

static const char *inputs_of(const char *model)
{
    return strstr(model, "distil") ? "untyped.jsonl" : "ids.jsonl";
}

/* What we say. */
static logits ours(const char *folder, const char *inputs)
{
    result r = sh("$B predict %s --ids %s --json", folder, inputs);
    if (r.rc != 0)
        fail_msg("predict %s:\n%s", folder, r.err);
    logits l = read_logits(r.out);
    drop(&r);
    return l;
}

/* What a peer says; the test ends here when it is not installed. */
static logits theirs(result r)
{
    if (r.rc == PEER_ABSENT || r.rc == 127) {
        print_message("skipped: %s\n", r.err);
        drop(&r);
        skip();
    }
    if (r.rc != 0)
        fail_msg("the peer failed (%d):\n%s", r.rc, r.err);
    logits l = read_logits(r.out);
    drop(&r);
    return l;
}

static void near(const char *what, const logits *a, const logits *b, double bound, bool relative)
{
    double top = relative ? 0 : 1, diff = 0; // of relative: the largest logit alone
    assert_int_equal(a->n, b->n);
    for (int i = 0; i < a->n; i++) {
        top = fmax(top, fabs(a->z[i]));
        diff = fmax(diff, fabs(a->z[i] - b->z[i]));
    }
    if (getenv("OC_SHOW"))
        print_message("%s: %.3g of %.3g\n", what, diff, top);
    if (!(diff <= bound * top))
        fail_msg("%s: logits differ by %g; at most %g was expected", what, diff, bound * top);
}

/* --- hf ---------------------------------------------------------------------------------------- */

static void hf_computes_the_same(void **state)
{
    (void)state;
    need_binary();
    for (int i = 0; i < OC_COUNT(models); i++) {
        const char *name = models[i].name;
        char out[64];
        if (!models[i].stock)
            continue;
        snprintf(out, sizeof out, "hf-%s", name);
        done(sh("$B export %s hf %s", name, out));
        logits a = ours(name, inputs_of(name)), b = ours(out, inputs_of(name));
        near(out, &a, &b, models[i].int8 ? INT8_BOUND : F32_BOUND, models[i].int8);
        done(sh("grep -q '\"num_attention_heads\": 4\\|\"n_heads\": 4' %s/config.json", out));
        done(sh("! grep -q quantized %s/config.json", out)); // nor int8 attention
        // Its own export is the same file: there is nothing left to pad.
        done(sh("$B export %s hf again && cmp %s/model.safetensors again/model.safetensors", out,
                out));
        done(sh("$B export %s hf %s --dtype f16", name, out));
        logits c = ours(out, inputs_of(name));
        near("f16", &b, &c, F16_BOUND, false);
    }
}

static void padding_is_counted(void **state)
{
    (void)state;
    need_binary();
    result r = sh("$B export uneven hf counted --json");
    assert_int_equal(r.rc, 0);
    oc_json *j;
    OK(oc_json_parse(r.out, strlen(r.out), "report", &j, &err));
    oc_dims d = dims_of("uneven"), full = dims_of("plain");
    oc_layout a, b;
    OK(oc_layout_init(&a, &d, &err));
    OK(oc_layout_init(&b, &full, &err));
    NEAR(oc_json_num(oc_json_get(j, "params"), 0), a.n_floats, 0);
    NEAR(oc_json_num(oc_json_get(j, "padded"), 0), b.n_floats - a.n_floats, 0);
    char path[OC_PATH_MAX];
    snprintf(path, sizeof path, "%s/counted/model.safetensors", dir);
    NEAR(oc_json_num(oc_json_get(j, "bytes"), 0), oc_file_bytes(path), 0);
    oc_layout_release(&a);
    oc_layout_release(&b);
    oc_json_free(j);
    drop(&r);
}

static void stock_code_runs_hf(void **state)
{
    (void)state;
    need_binary();
    for (int i = 0; i < OC_COUNT(models); i++) {
        if (!models[i].stock)
            continue;
        done(sh("$B export %s hf stock", models[i].name));
        const char *name = models[i].name;
        logits a = ours("stock", inputs_of(name)),
               b = theirs(sh("$PYTHON $I/run_hf.py stock %s", inputs_of(name)));
        near(name, &a, &b, F32_BOUND, false);
    }
}

/* --- onnx -------------------------------------------------------------------------------------- */

static const char *const precisions[] = {
    "f32", "int8-dynamic", "int8-static --calibrate notes.csv",
    "int8-static --calibrate notes.csv --observer percentile --percentile 99.9"};

static void onnx_checks(void **state)
{
    (void)state;
    need_binary();
    for (int i = 0; i < OC_COUNT(models); i++) {
        for (int p = 0; p < (models[i].int8 ? OC_COUNT(precisions) : 1); p++) {
            done(sh("$B export %s onnx x.onnx --precision %s", models[i].name, precisions[p]));
            result r = sh("$PYTHON $I/check_onnx.py x.onnx");
            if (r.rc == PEER_ABSENT || r.rc == 127) {
                print_message("skipped: %s\n", r.err);
                drop(&r);
                skip();
            }
            assert_int_equal(!strstr(r.out, "token_type_ids"),
                             strstr(models[i].name, "distil") != 0);
            done(r);
        }
    }
}

static void torch_loads_torch(void **state)
{
    (void)state;
    need_binary();
    for (int i = 0; i < OC_COUNT(models); i++) {
        if (!models[i].stock)
            continue;
        const char *name = models[i].name;
        done(sh("$B export %s torch torch", name));
        logits a = ours("torch", inputs_of(name)),
               b = theirs(sh("$PYTHON $I/run_hf.py torch %s", inputs_of(name)));
        near(name, &a, &b, F32_BOUND, false);
        done(sh("$B export %s torch torch --dtype f16", name));
        b = theirs(sh("$PYTHON $I/run_hf.py torch %s", inputs_of(name)));
        near(name, &a, &b, F16_BOUND, false);
    }
}

static void onnx_runtime_runs(void **state)
{
    (void)state;
    need_binary();
    for (int i = 0; i < OC_COUNT(models); i++) {
        const char *name = models[i].name;
        for (int p = 0; p < (models[i].int8 ? OC_COUNT(precisions) : 1); p++) {
            char what[160];
            snprintf(what, sizeof what, "%s %s", models[i].name, precisions[p]);
            done(sh("$B export %s onnx x.onnx --precision %s", models[i].name, precisions[p]));
            // A range that was measured holds for notes of its kind.
            const char *in = strstr(precisions[p], "static") ? "alike.jsonl" : inputs_of(name);
            logits a = ours(name, in), b = theirs(sh("$NODE $I/run_onnx.js x.onnx %s", in));
            near(what, &a, &b, models[i].int8 ? INT8_BOUND : F32_BOUND, models[i].int8);
        }
    }
}

static void onnx_holds_real_shapes(void **state)
{
    (void)state;
    need_binary();
    // A folder, with what a tokenizer needs; the same bytes twice; int8 by itself where it is.
    done(sh("$B export int8 onnx folder && ls folder | tr '\\n' ' ' | grep -qx "
            "'config.json model.onnx optimclm_export.json special_tokens_map.json "
            "tokenizer_config.json vocab.txt '"));
    done(sh("$B export int8 onnx same.onnx && cmp same.onnx folder/model.onnx && grep -q "
            "int8-dynamic folder/optimclm_export.json"));
    done(sh("$B export uneven onnx u.onnx && $B export plain onnx p.onnx && "
            "[ $(stat -c %%s u.onnx) -lt $(stat -c %%s p.onnx) ]"));
    done(sh("$B export plain onnx u.onnx && cmp u.onnx p.onnx")); // ours: replaced
}

/* --- refusals ---------------------------------------------------------------------------------- */

static void options_that_do_not_fit(void **state)
{
    (void)state;
    need_binary();
    refused_in_one("export", sh("$B export plain gguf out"), 2, "unknown export format 'gguf'");
    refused_in_one("export", sh("$B export plain hf"), 2, "export takes");
    refused_in_one("export", sh("$B export plain hf out --precision f32"), 2,
                   "--precision is for onnx");
    refused_in_one("export", sh("$B export plain onnx out --dtype f16"), 2,
                   "--dtype is for hf and torch");
    refused_in_one("export", sh("$B export plain onnx out --precision int4"), 2, "one of f32");
    refused_in_one("export", sh("$B export int8 onnx out --precision int8-static"), 2,
                   "needs --calibrate");
    refused_in_one("export", sh("$B export int8 onnx out --calibrate notes.csv"), 2,
                   "int8-static only");
    refused_in_one("export", sh("$B export plain onnx out --precision int8-dynamic"), 1,
                   "no int8 weights");
    refused_in_one("export", sh("$B export narrow hf out"), 1,
                   "head_size 7 does not divide hidden_size 32");
    refused_in_one("export", sh("$B export nothing hf out"), 1, "nothing");
    refused_in_one("export", sh("$B export x csv out --precision f32"), 2, "for a model");
    write_in_dir("columns.csv", "a,b\n1,2\n");
    write_in_dir("empty.csv", "text\n");
    refused_in_one("export",
                   sh("$B export int8 onnx out --precision int8-static --calibrate columns.csv"), 1,
                   "text");
    refused_in_one("export",
                   sh("$B export int8 onnx out --precision int8-static --calibrate empty.csv"), 1,
                   "empty.csv");
    refused_in_one("export",
                   sh("$B export int8 onnx out --precision int8-static --calibrate none.csv"), 1,
                   "none.csv");
    assert_false(there("out"));
    assert_false(there("out.saving"));
}

static void places_that_do_not_fit(void **state)
{
    (void)state;
    need_binary();
    done(sh("mkdir theirs other && echo x >theirs/notes.txt && echo x >file && echo x >y.onnx && "
            "cp plain/* other"));
    refused_in_one("export", sh("$B export plain hf theirs"), 1, "holds notes.txt");
    refused_in_one("export", sh("$B export plain hf file"), 1, "file is a file");
    refused_in_one("export", sh("$B export plain onnx y.onnx"), 1, "no export of ours");
    refused_in_one("export", sh("$B export plain hf plain"), 1, "the model itself");
    refused_in_one("export", sh("$B export int8 hf other"), 1, "not an export we wrote");
    refused_in_one("export", sh("$B export plain hf /proc/nothing"), 1, "/proc");
    refused_in_one("export", sh("$B export plain onnx /proc/nothing.onnx"), 1, "/proc");
    refused_in_one("export", sh("$B export plain hf /dev/full"), 1, "/dev/full is a file");
    // A disk that is full, or as good: no file may grow past 4 KiB.
    refused_in_one("export", sh("trap '' XFSZ; ulimit -f 8; $B export plain hf full"), 1,
                   "cannot write");
    refused_in_one("export", sh("trap '' XFSZ; ulimit -f 8; $B export plain onnx full.onnx"), 1,
                   "cannot write");
    result r = sh("ls -d full* *.saving *.tmp-* 2>/dev/null; cat y.onnx; ls theirs");
    assert_string_equal(r.out, "x\nnotes.txt\n");
    drop(&r);
    r = sh("$B export plain hf out-full >/dev/full");
    assert_int_equal(r.rc, 1);
    assert_non_null(strstr(r.err, "standard output"));
    drop(&r);
}

/* Without a process between: whatever allocation fails, it is said and nothing is left. */
static void out_of_memory(void **state)
{
    (void)state;
    static const oc_export_format format[] = {OC_EXPORT_HF, OC_EXPORT_TORCH, OC_EXPORT_ONNX};
    char from[OC_PATH_MAX], out[OC_PATH_MAX], temp[OC_PATH_MAX];
    oc_checkpoint *c;
    snprintf(from, sizeof from, "%s/int8-distil", dir);
    OK(oc_checkpoint_load(from, 0, 0, &c, &err));
    for (int f = 0; f < OC_COUNT(format); f++) {
        oc_export_opts o = {.format = format[f], .precision = OC_ONNX_DYNAMIC};
        snprintf(out, sizeof out, "%s/oom-%d", dir, f);
        snprintf(temp, sizeof temp, "%s/oom-%d.saving", dir, f);
        oc_status rc = OC_NOMEM;
        // Each of the first, then some of those that are alike.
        for (int64_t n = 1; rc == OC_NOMEM; n += n < 100 ? 1 : 37) {
            err = (oc_err){0};
            oc_alloc_fail_at(n);
            rc = oc_export(c, &o, out, NULL, &err);
            oc_alloc_fail_at(0);
            assert_false(oc_path_exists(temp));
            assert_true(rc == OC_OK || !oc_path_exists(out));
        }
        assert_int_equal(rc, OC_OK);
    }
    oc_checkpoint_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hf_computes_the_same),   cmocka_unit_test(padding_is_counted),
        cmocka_unit_test(stock_code_runs_hf),     cmocka_unit_test(onnx_checks),
        cmocka_unit_test(torch_loads_torch),      cmocka_unit_test(onnx_runtime_runs),
        cmocka_unit_test(onnx_holds_real_shapes), cmocka_unit_test(options_that_do_not_fit),
        cmocka_unit_test(places_that_do_not_fit), cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, shell_close);
}
