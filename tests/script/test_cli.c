/*
 * The program as a user types it: exit statuses, messages, JSON, bad inputs, the same bits for any
 * thread count, and a run that was killed and resumed. The binary comes from OC_BINARY.
 */
#include <signal.h>

#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/str.h"
#include "tests/script/shell.h"

static const char tiny[] =
    "{\"task\": \"mortality\", \"data.source\": \"notes\", \"data.rows_train\": 96, \"data.rows_valid\": 48, \"data.rows_test\": 64,"
    "\"teacher.models\": [\"new:L2-H32-A2-F64-uncased\", \"new:L1-H32-A2-F64-cased\"], \"teacher.vocab\": 600,"
    "\"student.model\": \"new:L1-H32-A2-F64-uncased\", \"train.max_len\": 48, \"train.batch\": 16, \"train.patience\": 50,"
    "\"finetune.epochs\": 2, \"distill.epochs\": 3, \"recover.epochs\": 1, \"finetune.lr\": 0.001, \"distill.lr\": 0.001,"
    "\"run.checkpoint_s\": 0.1, \"eval.bootstrap\": 50, \"bench.seconds\": 0.3, \"bench.length\": \"32\", \"bench.threads\": \"1\"}";

static int setup(void **state)
{
    (void)state;
    if (!shell_open())
        return -1;
    write_in_dir("tiny.json", tiny);
    return 0;
}

/* One finished session that the tests below read: "base". */
static void ensure_base(void)
{
    need_binary();
    char path[OC_PATH_MAX];
    snprintf(path, sizeof path, "%s/sessions/base/models/quantized", dir);
    if (!oc_path_is_dir(path))
        done(sh("$B run tiny.json --session base --json"));
}

static void usage_is_two(void **state)
{
    (void)state;
    need_binary();
    refused(sh("$B frobnicate x"), 2, "unknown command 'frobnicate'");
    refused(sh("$B run"), 2, "run takes one recipe");
    refused(sh("$B run nothing.json"), 2, "nothing.json");
    refused(sh("$B run tiny.json --set prune.sparsty=1"), 2, "did you mean 'prune.sparsity'");
    refused(sh("$B run tiny.json --set prune.sparsity=2"), 2, "from 0 to 0.99");
    refused(sh("$B run tiny.json --set nothing"), 2, "KEY=VALUE");
    refused(sh("$B --nonsense"), 2, "--nonsense");
    refused(sh("$B inspect"), 2, "inspect takes");
    refused(sh("$B show x"), 2, "show takes");
    refused(sh("$B show x loss --size 10"), 2, "COLUMNSxROWS");
    refused(sh("$B sessions --size 10x10"), 2, "does not take --size");
    refused(sh("$B notes"), 2, "--out");
    refused(sh("$B -c 'set prune.sparsity banana'"), 2, "prune.sparsity");
    refused(sh("$B -c 'pause'"), 1, "nothing is running");
    result r = sh("$B --help");
    assert_int_equal(r.rc, 0);
    assert_non_null(strstr(r.out, "usage: optimclm"));
    drop(&r);
}

static oc_json *json_of(const char *text)
{
    oc_json *j;
    oc_err e = {0};
    if (oc_json_parse(text, strlen(text), "stdout", &j, &e) != OC_OK)
        fail_msg("%s in:\n%s", e.msg, text);
    return j;
}

static void refusals_leave_no_session(void **state)
{
    (void)state;
    need_binary();
    done(sh("$B sessions >before.txt"));
    refused(sh("$B -c frobnicate"), 2, "frobnicate");
    refused(sh("$B -c 'set prune.sparsity 7' --session bad-1"), 2, "prune.sparsity");
    refused(sh("$B prune m --set prune.heads=0.5 --headless --session bad-2"), 2,
            "no data is named");
    refused(
        sh("$B run tiny.json --headless --set data.source=files --set data.file=none.csv --session bad-3"),
        1, "none.csv");
    refused(sh("$B notes --task mortality --rows 10 --out /dev/full"), 1, "/dev/full");
    done(sh("$B sessions >after.txt; cmp before.txt after.txt && test ! -e sessions/bad-3"));
    // What was set on purpose is kept.
    done(sh(
        "$B -c 'set prune.sparsity 0.7' --session kept && test -e sessions/kept && rm -r sessions/kept"));
}

static void the_final_table(void **state)
{
    (void)state;
    ensure_base();
    result r = sh("$B show base run --size 80x24");
    assert_int_equal(r.rc, 0);
    drop(&r);
    r = sh("$B export base json base.json");
    assert_int_equal(r.rc, 0);
    drop(&r);
    char *text = slurp("base.json");
    oc_json *j = json_of(text);
    static const char *const want[] = {"teacher-1", "teacher-2", "ensemble", "student",
                                       "pruned",    "recovered", "quantized"};
    for (int i = 0; i < OC_COUNT(want); i++) {
        const oc_json *found = NULL;
        for (const oc_json *c = oc_json_first(oc_json_get(j, "candidates")); c; c = oc_json_next(c))
            if (!strcmp(oc_json_str(oc_json_get(c, "model"), ""), want[i]))
                found = c;
        if (!found)
            fail_msg("no candidate %s in:\n%s", want[i], text);
        double auroc = oc_json_num(oc_json_get(found, "auroc_macro"), -1);
        assert_true(auroc > 0.05 && auroc <= 1);
        assert_true(oc_json_num(oc_json_get(found, "bytes"), 0) > 10000);
        assert_true(oc_json_num(oc_json_get(found, "median_ms"), 0) > 0);
        assert_non_null(oc_json_get(found, "stage"));
        assert_non_null(oc_json_get(found, "path"));
    }
    oc_json_free(j);
    oc_free(text);
}

static void every_view_prints(void **state)
{
    (void)state;
    ensure_base();
    static const char *const view[] = {"run",     "loss",     "sparsity", "quant",
                                       "latency", "tradeoff", "log",      "settings"};
    static const char *const size[] = {"80x24", "120x40", "1x1"};
    for (int i = 0; i < OC_COUNT(view); i++) {
        for (int k = 0; k < OC_COUNT(size); k++)
            done(sh("$B show base %s --size %s", view[i], size[k]));
        result r = sh("$B show base %s --as json", view[i]);
        assert_int_equal(r.rc, 0);
        oc_json *j = json_of(r.out);
        assert_true(oc_json_is_object(j));
        oc_json_free(j);
        drop(&r);
    }
    done(sh("$B show base loss --as svg | grep -q '</svg>'"));
    refused(sh("$B show base nothing"), 2, "there is no view 'nothing'");
    refused(sh("$B show nowhere loss"), 1, "nowhere");
}

static void models_are_readable(void **state)
{
    (void)state;
    ensure_base();
    result r = sh("$B inspect sessions/base/models/quantized --json");
    assert_int_equal(r.rc, 0);
    oc_json *j = json_of(r.out);
    assert_int_equal(
        (int)oc_json_num(oc_json_get(oc_json_first(oc_json_get(j, "layers")), "bits"), 0), 8);
    assert_true(oc_json_num(oc_json_get(j, "params"), 0) > 1000);
    oc_json_free(j);
    drop(&r);
    done(sh("$B notes --rows 40 --seed 99 --out n.csv"));
    r = sh("$B eval sessions/base/models/student n.csv --json");
    assert_int_equal(r.rc, 0);
    j = json_of(r.out);
    assert_int_equal((int)oc_json_num(oc_json_get(j, "n"), 0), 40);
    assert_int_equal((int)oc_json_count(oc_json_get(j, "auroc_macro_ci")), 2);
    oc_json_free(j);
    drop(&r);
    r = sh("$B predict sessions/base/models/student n.csv --json | wc -l | tr -d ' \\n'");
    assert_string_equal(r.out, "40");
    drop(&r);
    r = sh("$B tokenize sessions/base/models/student 'the patient denies pain' --json");
    j = json_of(r.out);
    assert_int_equal(oc_json_count(oc_json_get(j, "tokens")), oc_json_count(oc_json_get(j, "ids")));
    assert_true(oc_json_count(oc_json_get(j, "ids")) >= 4);
    assert_string_equal(oc_json_str(oc_json_get(j, "casing"), ""), "uncased");
    assert_string_equal(oc_json_str(oc_json_get(j, "casing_from"), ""), "tokenizer_config.json");
    assert_non_null(strstr(r.err, "tokens from vocab.txt; uncased (tokenizer_config.json)"));
    oc_json_free(j);
    drop(&r);
    // A folder with nothing but a vocabulary, and a word of what was guessed.
    done(sh("mkdir -p bare && cp sessions/base/models/student/vocab.txt bare/"));
    r = sh("$B tokenize bare 'the patient'");
    assert_int_equal(r.rc, 0);
    assert_non_null(strstr(r.err, "so it is taken for uncased"));
    drop(&r);
    refused(sh("$B tokenize sessions 'the patient'"), 1, "neither vocab.txt nor tokenizer.json");
    r = sh(
        "$B bench sessions/base/models/student sessions/base/models/quantized --seconds 0.2 --threads 1 --batch 1 --length 16 --json");
    j = json_of(r.out);
    assert_int_equal(oc_json_count(oc_json_get(j, "rows")), 2);
    const oc_json *model = oc_json_first(oc_json_get(j, "models"));
    assert_true(oc_json_num(oc_json_get(model, "zero_frac"), -1) >= 0);
    assert_true(oc_json_num(oc_json_get(model, "skip_frac"), -1) >= 0);
    oc_json_free(j);
    drop(&r);
    r = sh("$B bench sessions/base/models/quantized --layers --seconds 0.2 --length 16 --json");
    j = json_of(r.out);
    assert_int_equal(oc_json_count(oc_json_get(j, "layers")), 5 + 2); // its one layer is the last
    assert_true(oc_json_count(oc_json_get(j, "widths")) >= 2);
    oc_json_free(j);
    drop(&r);
    refused(sh("$B bench sessions/base/models/quantized --layers --threads 2"), 2, "one thread");
    refused(sh("$B bench sessions/base/models/quantized --layers --length 5000"), 2, "--length");
    refused(sh("$B bench --peer x sessions/base/models/quantized"), 2, "bench --paper");
    refused(sh("$B bench --paper a b"), 2, "one model folder");
    refused(sh("$B bench --paper --peer ' '"), 2, "--peer is empty");
    refused(sh("$B bench --paper --peer '/nowhere/python3 x.py'"), 1, "No such file");
    refused(sh("$B bench --paper --data nothing.csv"), 1, "nothing.csv");
    // More threads than any machine has: always something to find.
    r = sh("$B bench --doctor --threads 1000 --json");
    assert_int_equal(r.rc, 3);
    j = json_of(r.out);
    assert_false(oc_json_bool(oc_json_get(j, "fine"), true));
    assert_true(oc_json_count(oc_json_get(j, "findings")) >= 1);
    oc_json_free(j);
    drop(&r);
    // Ready-made ids: the same logits with and without a padded tail, and every hidden state.
    write_in_dir(
        "ids.jsonl",
        "{\"id\": \"a\", \"input_ids\": [2, 5, 6, 3]}\n{\"id\": \"b\", \"input_ids\": [2, 5, 6, 3, 0, 0], \"attention_mask\": [1, 1, 1, 1, 0, 0]}\n");
    r = sh("$B predict sessions/base/models/student --ids ids.jsonl --hidden h.safetensors --json");
    if (r.rc != 0)
        fail_msg("%s", r.err);
    char *second = strchr(r.out, '\n');
    assert_non_null(second);
    char *la = strstr(r.out, "\"logits\""), *lb = strstr(second, "\"logits\"");
    assert_non_null(la);
    assert_non_null(lb);
    assert_int_equal(strncmp(la, lb, strcspn(la, "]")), 0);
    drop(&r);
    done(sh(
        "grep -q layer.0 h.safetensors && grep -q pooled h.safetensors && grep -q embeddings h.safetensors"));
}

static void bad_data_is_one_sentence(void **state)
{
    (void)state;
    ensure_base();
    write_in_dir("empty.csv", "");
    write_in_dir("columns.csv", "id,note,y\n1,hello,0\n");
    write_in_dir("label.csv", "id,text,hospital_expire_flag\n1,hello,0\n2,there,7\n");
    write_in_dir("quote.csv", "id,text,hospital_expire_flag\n1,\"hello,0\n");
    write_in_dir("short.csv", "id,text,hospital_expire_flag\n1,hello,0\n2,there\n");
    refused(sh("$B eval sessions/base/models/student empty.csv"), 1, "empty.csv");
    refused(sh("$B eval sessions/base/models/student columns.csv"), 1, "text");
    refused(sh("$B eval sessions/base/models/student label.csv"), 1, "label.csv:3");
    refused(sh("$B eval sessions/base/models/student quote.csv"), 1, "quote.csv:2");
    refused(sh("$B eval sessions/base/models/student short.csv"), 1, "short.csv:3");
    refused(sh("$B eval sessions/base/models/student nofile.csv"), 1, "nofile.csv");
    refused(
        sh("$B run tiny.json --json --set data.source=files --set data.train=columns.csv --set data.test=columns.csv"),
        1, "columns.csv");
    write_in_dir("ids.jsonl", "{\"input_ids\": [2, 99999999, 3]}\n");
    refused(sh("$B predict sessions/base/models/student --ids ids.jsonl"), 1, "ids.jsonl:1");
}

static void bad_models_are_one_sentence(void **state)
{
    (void)state;
    ensure_base();
    refused(sh("$B inspect nowhere"), 1, "nowhere");
    done(sh(
        "rm -rf m && cp -r sessions/base/models/student m && head -c 5000 m/model.safetensors > t && mv t m/model.safetensors"));
    refused(sh("$B inspect m"), 1, "model.safetensors");
    done(sh(
        "rm -rf m && cp -r sessions/base/models/student m && head -n -64 m/vocab.txt > t && mv t m/vocab.txt"));
    refused(sh("$B inspect m"), 1, "vocab");
    done(sh("rm -rf m && cp -r sessions/base/models/student m && echo '{' > m/config.json"));
    refused(sh("$B inspect m"), 1, "config.json");
    // A teacher with two labels for a task with four.
    refused(
        sh("$B distill sessions/base/models/teacher-1 --json --set task=los --set data.source=notes --set data.rows_train=64 --set train.max_len=48 "
           "--set student.model=new:L1-H32-A2-F64"),
        1, "2 labels");
}

static void bad_runs_are_one_sentence(void **state)
{
    (void)state;
    need_binary();
    // Weights near the largest float overflow in the first step.
    ensure_base();
    done(sh(
        "rm -rf m && cp -r sessions/base/models/teacher-1 m && s=$(wc -c < m/model.safetensors) && for i in 4 8 12 16 20 24 28 32; do "
        "printf '\\377\\377\\177\\177' | dd of=m/model.safetensors bs=1 seek=$((s-i)) conv=notrunc 2>/dev/null; done"));
    refused(
        sh("$B finetune m --json --session nan --set data.source=notes --set data.rows_train=64 --set train.max_len=48"),
        1, "not a finite number");
    if (geteuid() != 0)
        refused(sh("mkdir -p ro && chmod 500 ro && $B run tiny.json --json --session ro/x"), 1,
                "ro/x");
    refused(sh("$B run tiny.json --json --session /proc/nothing/x"), 1, "/proc/nothing");
    refused(sh("ulimit -f 200; trap '' XFSZ; $B run tiny.json --json --session full"), 1,
            "too large");
}

static char *hash_of(const char *session)
{
    result r =
        sh("cd sessions/%s/models && for m in */model.safetensors; do echo $m $(md5sum < $m); done",
           session);
    assert_int_equal(r.rc, 0);
    oc_free(r.err);
    return r.out;
}

static void same_bits_for_any_thread_count(void **state)
{
    (void)state;
    ensure_base();
    done(sh("OMP_NUM_THREADS=1 $B run tiny.json --session one --json"));
    done(sh("OMP_NUM_THREADS=2 $B run tiny.json --session two --json"));
    char *one = hash_of("one"), *two = hash_of("two");
    assert_true(strlen(one) > 6 * 32);
    assert_string_equal(one, two);
    oc_free(one);
    oc_free(two);
}

/* Kill at several moments, continue each time: the end is that of a run that was never stopped. */
static void killed_and_resumed(void **state)
{
    (void)state;
    ensure_base();
    done(sh(
        "$B run tiny.json --session whole --json --set distill.epochs=40 --set finetune.epochs=10"));
    result r = sh(
        "$B run tiny.json --session cut --json --set distill.epochs=40 --set finetune.epochs=10 & p=$!; sleep 0.6; kill -9 $p; wait $p");
    drop(&r);
    for (int i = 0; i < 3; i++) {
        r = sh("$B -c continue --session cut & p=$!; sleep 0.8; kill -9 $p 2>/dev/null; wait $p");
        drop(&r);
    }
    r = sh("$B -c continue --session cut");
    // By then it may have ended: then there is nothing to continue.
    if (r.rc != 0 && !strstr(r.err, "continue"))
        fail_msg("%s", r.err);
    drop(&r);
    char *whole = hash_of("whole"), *cut = hash_of("cut");
    assert_string_equal(whole, cut);
    oc_free(whole);
    oc_free(cut);
}

static void interrupt_keeps_the_checkpoint(void **state)
{
    (void)state;
    ensure_base();
    result r = sh(
        "$B run tiny.json --session intr --json --set distill.epochs=10000 --set train.patience=1000 & p=$!; sleep 2; kill -INT $p; wait $p");
    assert_int_equal(r.rc, 130);
    drop(&r);
    r = sh("$B sessions");
    assert_int_equal(r.rc, 0);
    assert_non_null(strstr(r.out, "intr"));
    drop(&r);
    r = sh("ls sessions/intr/ckpt");
    assert_non_null(strstr(r.out, ".safetensors"));
    drop(&r);
}

static void later_runs_add_candidates(void **state)
{
    (void)state;
    ensure_base();
    done(sh("cp -r sessions/base sessions/again"));
    done(sh(
        "$B -c 'set prune.sparsity 0.6; set run.stages prune,quantize,evaluate; run' --session again"));
    done(sh("test -d sessions/again/models/pruned-2 && test -d sessions/again/models/quantized-2"));
    result r = sh("$B inspect sessions/again/models/pruned-2");
    assert_non_null(strstr(r.out, "sparsity"));
    drop(&r);
    done(sh("$B diff base again | grep -q prune.sparsity"));
}

static void acceptance_is_three(void **state)
{
    (void)state;
    ensure_base();
    result r = sh("$B run tiny.json --session strict --json --set accept.smaller=100000");
    assert_int_equal(r.rc, 3);
    assert_non_null(strstr(r.err, "accept.smaller"));
    drop(&r);
}

static void man_pages_agree(void **state)
{
    (void)state;
    need_binary();
    char line[OC_PATH_MAX * 2];
    snprintf(line, sizeof line, "OC_BINARY=%s tests/man.sh check", binary);
    assert_int_equal(system(line), 0);
}

static void bundled_recipes_are_valid(void **state)
{
    (void)state;
    need_binary();
    oc_strlist names = {0};
    assert_int_equal(oc_dir_list("assets/recipes", &names, NULL), OC_OK);
    assert_true(names.n >= 4);
    char cwd[OC_PATH_MAX];
    assert_non_null(getcwd(cwd, sizeof cwd));
    for (int64_t i = 0; i < names.n; i++) {
        // Unusable data ends the run after the recipe was read and before anything is trained.
        result r = sh(
            "$B run %s/assets/recipes/%s --session r%lld --json --set data.source=files --set data.file= --set data.train=",
            cwd, names.item[i], (long long)i);
        if (r.rc != 2 && r.rc != 1)
            fail_msg("%s: exit %d\n%s", names.item[i], r.rc, r.err);
        if (!strstr(r.err, "no data is named"))
            fail_msg("%s: %s", names.item[i], r.err);
        drop(&r);
    }
    oc_strlist_release(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage_is_two),
        cmocka_unit_test(refusals_leave_no_session),
        cmocka_unit_test(the_final_table),
        cmocka_unit_test(every_view_prints),
        cmocka_unit_test(models_are_readable),
        cmocka_unit_test(bad_data_is_one_sentence),
        cmocka_unit_test(bad_models_are_one_sentence),
        cmocka_unit_test(bad_runs_are_one_sentence),
        cmocka_unit_test(same_bits_for_any_thread_count),
        cmocka_unit_test(killed_and_resumed),
        cmocka_unit_test(interrupt_keeps_the_checkpoint),
        cmocka_unit_test(later_runs_add_candidates),
        cmocka_unit_test(acceptance_is_three),
        cmocka_unit_test(man_pages_agree),
        cmocka_unit_test(bundled_recipes_are_valid),
    };
    return cmocka_run_group_tests(tests, setup, shell_close);
}
