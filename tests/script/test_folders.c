/*
 * tests/script/test_folders.c - model folders as a user meets them, with the real program: described,
 * verified, and hostile ones refused in one sentence, in no time, with nothing changed on disk. The
 * binary comes from OC_BINARY.
 */

#include "core/base/json.h"
#include "tests/unit/compress_testing.h"

#include "tests/script/shell.h"

static oc_json *json_of(result r)
{
    oc_json *j;
    if (oc_json_parse(r.out, strlen(r.out), "stdout", &j, &err) != OC_OK)
        fail_msg("%s in:\n%s%s", err.msg, r.out, r.err);
    drop(&r);
    return j;
}

static int setup(void **state)
{
    (void)state;
    if (!shell_open() || oc_kernels_select(&err) != OC_OK)
        return -1;
    // Nothing here takes long: what hangs is ended.
    snprintf(shell_first, sizeof shell_first, "B='timeout 60 %s' OMP_NUM_THREADS=1", binary);
    char path[OC_PATH_MAX];
    oc_dims d = small_dims(3, 16, 2, 24, 2);
    d.F[2] = 20;
    oc_checkpoint *c = checkpoint_new(&d, 5, 6.0f);
    snprintf(path, sizeof path, "%s/good", dir);
    OK(oc_checkpoint_save(c, path, NULL, &err));
    oc_model_edit(c->model, c->model->layout.index[1][OC_P_F2_B])[3] += 0.5f;
    snprintf(path, sizeof path, "%s/changed", dir);
    OK(oc_checkpoint_save(c, path, NULL, &err));
    oc_checkpoint_free(c);
    static const char ids[] = "{\"input_ids\": [2, 7, 9, 3]}\n"
                              "{\"input_ids\": [2, 8, 0, 0], \"attention_mask\": [1, 1, 1, 0]}\n";
    snprintf(path, sizeof path, "%s/ids.jsonl", dir);
    OK(oc_file_write(path, ids, sizeof ids - 1, &err));
    return 0;
}

/* --- inspect and verify ----------------------------------------------------------------------- */

static void inspect_says_all(void **state)
{
    (void)state;
    need_binary();
    result r = sh("$B inspect good");
    assert_int_equal(r.rc, 0);
    assert_non_null(strstr(r.out, "model.safetensors (safetensors): 57 tensors, F32"));
    assert_non_null(strstr(r.out, "vocab.txt, tokenizer_config.json"));
    assert_non_null(strstr(r.out, "     0-1      2     24    32     0.000  f32\n"));
    assert_non_null(strstr(r.out, "       2      2     20    32     0.000  f32\n"));
    assert_null(strstr(r.out, "query"));
    for (const char *at = r.out, *end; (end = strchr(at, '\n')); at = end + 1)
        assert_true(end - at <= 80 || at == r.out); // a path may be long
    drop(&r);
    r = sh("$B inspect good --tensors");
    assert_non_null(strstr(r.out, "bert.encoder.layer.0.attention.self.query.weight"));
    drop(&r);
    // The same in half precision, as it is stored.
    done(sh("$B export good torch half --dtype f16"));
    oc_json *j = json_of(sh("$B inspect half --json"));
    const oc_json *t = oc_json_first(oc_json_get(j, "tensors"));
    assert_string_equal(oc_json_str(oc_json_get(t, "dtype"), ""), "F16");
    assert_string_equal(oc_json_str(oc_json_get(t, "file"), ""), "pytorch_model.bin");
    const oc_json *l = oc_json_first(oc_json_get(j, "layers"));
    assert_true(oc_json_num(oc_json_get(l, "bits"), 0) == 16);
    const oc_json *w = oc_json_first(oc_json_get(oc_json_get(j, "files"), "weights"));
    assert_string_equal(oc_json_str(oc_json_get(w, "format"), ""), "torch.save");
    oc_json_free(j);
    done(sh("rm -r half"));
    // A weight that is no number is said beside all the rest.
    done(
        sh("cp -r good nan && s=$(wc -c <nan/model.safetensors) && printf '\\377\\377\\377\\377' | "
           "dd of=nan/model.safetensors bs=1 seek=$((s-4)) conv=notrunc 2>/dev/null"));
    r = sh("$B inspect nan");
    assert_int_equal(r.rc, 0);
    assert_non_null(strstr(r.out, "holds NaN"));
    drop(&r);
    done(sh("rm -r nan"));
}

static void verify_finds_the_layer(void **state)
{
    (void)state;
    need_binary();
    done(sh("$B predict good --ids ids.jsonl --hidden ref.safetensors"));
    oc_json *j = json_of(sh("$B verify good ref.safetensors --tolerance 0 --json"));
    assert_true(oc_json_bool(oc_json_get(j, "within"), false));
    assert_true(oc_json_is_null(oc_json_get(j, "first_beyond")));
    assert_int_equal(oc_json_count(oc_json_get(j, "outputs")), 6);
    assert_true(oc_json_num(oc_json_get(j, "tokens"), 0) == 7);
    oc_json_free(j);
    result r = sh("$B verify changed ref.safetensors");
    assert_int_equal(r.rc, 3);
    assert_non_null(strstr(r.err, "layer.1 is the first output that differs by more than 0.0001"));
    assert_non_null(strstr(r.out, "beyond"));
    drop(&r);
    done(sh("$B verify changed ref.safetensors --tolerance 100"));
    refused_in_one("usage", sh("$B verify good"), 2, "verify takes");
    refused_in_one("no reference", sh("$B verify good nothing.safetensors"), 1,
                   "nothing.safetensors");
    refused_in_one("no inputs", sh("$B verify good good/model.safetensors"), 1,
                   "there is no input_ids");
    refused_in_one("a folder", sh("$B verify good good"), 1, "is a folder");
    done(sh("rm ref.safetensors"));
}

/* A crash between two renames left the folder aside: every command reads it there. */
static void set_aside(void **state)
{
    (void)state;
    need_binary();
    done(sh("cp -r good aside.replaced"));
    done(sh("$B inspect aside/"));
    done(sh("$B tokenize aside/ w1"));
    done(sh("$B tokenize aside w1 2>&1 >/dev/null | grep -q tokenizer_config.json"));
    done(sh("$B predict aside --ids ids.jsonl"));
    done(sh("$B export aside hf aside-hf && rm -r aside-hf aside.replaced"));
}

/* What there is to say of a teacher's files is in the journal, once. */
static void remarks_are_logged(void **state)
{
    (void)state;
    need_binary();
    done(sh(
        "cp -r good m && rm m/tokenizer_config.json && sed -i '/do_lower_case/d' m/config.json"));
    done(
        sh("$B distill m --json --session ./s --set teacher.finetune=false --set data.source=notes "
           "--set data.rows_train=32 --set data.rows_valid=16 --set data.rows_test=16 --set "
           "train.max_len=16 --set student.model=new:L1-H16-A2-F16 --set teacher.vocab=300 --set "
           "distill.epochs=1 --set eval.bootstrap=0"));
    result r = sh("grep -c 'no file says whether it is cased' s/events.jsonl");
    assert_string_equal(r.out, "1\n");
    drop(&r);
    done(sh("rm -r m s"));
}

/* --- hostile folders -------------------------------------------------------------------------- */

static const char *const files[] = {"model.safetensors", "config.json", "vocab.txt",
                                    "tokenizer_config.json"};

static const struct {
    const char *what, *make; /* shell; $F: the file */
    const char *words[4];    /* by file; the last given goes for the rest */
} in_place[] = {
    {"a link to itself", "ln -s ${F#m/} $F", {"symbolic links"}},
    {"a link to nothing", "ln -s gone $F", {"No such file"}},
    {"a pipe", "mkfifo $F", {"is a pipe"}},
    {"a folder", "mkdir $F", {"is a folder"}},
    {"an LFS pointer",
     "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:0\\nsize 12\\n' >$F",
     {"git lfs pull"}},
    {"a web page", "printf '<!DOCTYPE html><html></html>' >$F", {"web page"}},
    {"an empty file", ": >$F", {"has 0 bytes", "text ends", "is empty", "text ends"}},
};

static const struct {
    const char *what, *make, *words;
} whole[] = {
    {"a cut file", "head -c 9000 good/model.safetensors >m/model.safetensors", "cut off"},
    {"an index that leaves its folder",
     "rm m/model.safetensors && echo '{\"weight_map\": {\"a\": \"../../etc/passwd\"}}' "
     ">m/model.safetensors.index.json",
     "no plain name of a file"},
    {"an index with an absolute path",
     "rm m/model.safetensors && echo '{\"weight_map\": {\"a\": \"/etc/passwd\"}}' "
     ">m/model.safetensors.index.json",
     "no plain name of a file"},
    {"an index of a shard that is a pipe",
     "rm m/model.safetensors && echo '{\"weight_map\": {\"a\": \"s.safetensors\"}}' "
     ">m/model.safetensors.index.json && mkfifo m/s.safetensors",
     "is a pipe"},
    {"an index of a shard that was cut",
     "echo '{\"weight_map\": {\"a\": \"s.safetensors\"}}' >m/model.safetensors.index.json && head "
     "-c 9000 m/model.safetensors >m/s.safetensors && rm m/model.safetensors",
     "cut off"},
    {"2^60 elements",
     "printf '\\110\\0\\0\\0\\0\\0\\0\\0{\"a\":{\"dtype\":\"F32\",\"shape\":[1152921504606846976],"
     "\"data_offsets\":[0,4]}}abcd' >m/model.safetensors",
     "more elements than can be counted"},
    {"a header of 100 MB that is not there",
     "printf '\\000\\341\\365\\005\\0\\0\\0\\0{' >m/model.safetensors", "cut off"},
    {"a header above 100 MB", "printf '\\001\\341\\365\\005\\0\\0\\0\\0{' >m/model.safetensors",
     "at most 100000000 are allowed"},
    {"a header of 100 MB of brackets",
     "{ printf '\\000\\341\\365\\005\\0\\0\\0\\0'; head -c 100000000 /dev/zero | tr '\\0' '['; } "
     ">m/model.safetensors",
     "nested deeper"},
    {"48 layers of 65536",
     "sed -i '/\"optimclm\"/,$d; s/\"hidden_size\": .*/\"hidden_size\": 65536,/; "
     "s/\"num_hidden_layers\": .*/\"num_hidden_layers\": 48,/; s/\"num_attention_heads\": "
     ".*/\"num_attention_heads\": 64,/' m/config.json && echo '\"x\": 0}' >>m/config.json",
     "the config asks for"},
    {"a billion layers",
     "sed -i 's/\"num_hidden_layers\": .*/\"num_hidden_layers\": 1000000000,/' m/config.json",
     "num_hidden_layers must be"},
    {"a longer vocabulary", "echo more >>m/vocab.txt", "it is not its vocabulary"},
    {"a loop of folders", "rm -r m && ln -s m m", "symbolic links"},
    {"a pipe in place of the folder", "rm -r m && mkfifo m", "is a pipe"},
    {"an empty folder", "rm -r m && mkdir m", "has no weights"},
};

/* Every command that loads a model says the same and leaves the disk as it was. */
static void all_refuse(const char *what, const char *words)
{
    static const char *const command[] = {
        "inspect m",       "predict m --ids ids.jsonl", "verify m good/model.safetensors",
        "export m hf out", "bench m --seconds 0.1",     "eval m ids.jsonl"};
    result before = sh(
        "find . ! -path ./out.txt ! -path ./err.txt ! -name . -printf '%%p %%y %%s %%T@ %%l\\n' | sort");
    for (int i = 0; i < OC_COUNT(command); i++)
        refused_in_one(what, sh("$B %s", command[i]), 1, words);
    result after = sh(
        "find . ! -path ./out.txt ! -path ./err.txt ! -name . -printf '%%p %%y %%s %%T@ %%l\\n' | sort");
    assert_string_equal(before.out, after.out);
    drop(&before);
    drop(&after);
}

static void hostile_files(void **state)
{
    (void)state;
    need_binary();
    for (int i = 0; i < OC_COUNT(in_place); i++) {
        const char *words = NULL;
        for (int k = 0; k < OC_COUNT(files); k++) {
            char what[128];
            words = in_place[i].words[k] ? in_place[i].words[k] : words;
            snprintf(what, sizeof what, "%s as %s", in_place[i].what, files[k]);
            done(sh("rm -rf m && cp -r good m && F=m/%s && rm $F && %s", files[k],
                    in_place[i].make));
            all_refuse(what, words);
            if (k > 0) // tokenize needs no weights
                refused_in_one(what, sh("$B tokenize m w1"), 1, words);
        }
    }
}

static void hostile_folders(void **state)
{
    (void)state;
    need_binary();
    for (int i = 0; i < OC_COUNT(whole); i++) {
        done(sh("rm -rf m && cp -r good m && %s", whole[i].make));
        all_refuse(whole[i].what, whole[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inspect_says_all), cmocka_unit_test(verify_finds_the_layer),
        cmocka_unit_test(set_aside),        cmocka_unit_test(remarks_are_logged),
        cmocka_unit_test(hostile_files),    cmocka_unit_test(hostile_folders),
    };
    return cmocka_run_group_tests(tests, setup, shell_close);
}
