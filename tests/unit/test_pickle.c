/*
 * tests/unit/test_pickle.c - the unpickler: what it builds, what it refuses, and that it ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/io/pickle.h"

static oc_err err;

/* A string literal's bytes, without its NUL. */
#define P(s) (s), sizeof(s) - 1

static oc_pk *run_ok(const void *p, size_t n)
{
    oc_pk *pk = NULL;
    size_t used = 0;
    err = (oc_err){0};
    if (oc_pk_run(p, n, "x.bin", &used, &pk, &err) != OC_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(used, n);
    return pk;
}

static void refused(const void *p, size_t n, oc_status want, const char *part)
{
    oc_pk *pk = NULL;
    err = (oc_err){0};
    assert_int_equal(oc_pk_run(p, n, "x.bin", NULL, &pk, &err), want);
    assert_null(pk);
    if (!strstr(err.msg, part) || !strstr(err.msg, "x.bin"))
        fail_msg("\"%s\" is not in \"%s\"", part, err.msg);
}

static const oc_pk_value *root(const oc_pk *pk)
{
    return &pk->value[pk->root];
}

static void assert_int_value(const void *p, size_t n, int64_t want)
{
    oc_pk *pk = run_ok(p, n);
    assert_int_equal(root(pk)->kind, OC_PK_INT);
    assert_true(root(pk)->i == want);
    oc_pk_free(pk);
}

static void numbers(void **state)
{
    (void)state;
    assert_int_value(P("K\xff."), 255);
    assert_int_value(P("M\x01\x02."), 0x201);
    assert_int_value(P("J\xff\xff\xff\xff."), -1);
    assert_int_value(P("I-12\n."), -12);
    assert_int_value(P("L34L\n."), 34);
    assert_int_value(P("\x8a\0."), 0);
    assert_int_value(P("\x8a\1\xff."), -1);
    assert_int_value(P("\x8a\2\xff\0."), 255);
    assert_int_value(P("\x8a\x08\0\0\0\0\0\0\0\x80."), INT64_MIN);
    assert_int_value(P("\x8b\1\0\0\0\x80."), -128);
    oc_pk *pk = run_ok(P("\x8a\x09\0\0\0\0\0\0\0\x80\0."));
    assert_int_equal(root(pk)->kind, OC_PK_BIG);
    oc_pk_free(pk);
    pk = run_ok(P("G\x3f\xf8\0\0\0\0\0\0."));
    assert_true(root(pk)->f == 1.5);
    oc_pk_free(pk);
    pk = run_ok(P("F-0.25\n."));
    assert_true(root(pk)->f == -0.25);
    oc_pk_free(pk);
    pk = run_ok(P("I01\n."));
    assert_int_equal(root(pk)->kind, OC_PK_BOOL);
    assert_int_equal(root(pk)->i, 1);
    oc_pk_free(pk);
    refused(P("Ix\n."), OC_FORMAT, "number");
    refused(P("L99999999999999999999999999999999999999999L\n."), OC_FORMAT, "digits");
    refused(P("Fx\n."), OC_FORMAT, "number");
}

static void texts(void **state)
{
    (void)state;
    static const struct {
        const char *p;
        size_t n;
    } same[] = {{P("X\2\0\0\0ab.")}, {P("\x8c\2ab.")},    {P("\x8d\2\0\0\0\0\0\0\0ab.")},
                {P("U\2ab.")},       {P("T\2\0\0\0ab.")}, {P("S'ab'\n.")},
                {P("Vab\n.")}};
    for (int i = 0; i < OC_COUNT(same); i++) {
        oc_pk *pk = run_ok(same[i].p, same[i].n);
        assert_true(oc_pk_is(root(pk), "ab"));
        assert_false(oc_pk_is(root(pk), "abc"));
        oc_pk_free(pk);
    }
    oc_pk *pk = run_ok(P("C\2\xff\0."));
    assert_int_equal(root(pk)->kind, OC_PK_BYTES);
    oc_pk_free(pk);
    refused(P("X\1\0\0\0\xff."), OC_FORMAT, "not UTF-8");
    refused(P("S'a\\n'\n."), OC_FORMAT, "escapes");
    refused(P("Sab\n."), OC_FORMAT, "quoted");
    refused(P("X\xff\xff\xff\xff."), OC_FORMAT, "cut off");
    refused(P("\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), OC_FORMAT, "cut off");
}

static void containers(void **state)
{
    (void)state;
    oc_pk *pk = run_ok(P("\x80\2}q\0(X\1\0\0\0aK\1X\1\0\0\0b]q\1(K\2K\3eu."));
    assert_int_equal(root(pk)->kind, OC_PK_DICT);
    assert_int_equal(root(pk)->n, 4);
    const oc_pk_value *list = &pk->value[root(pk)->item[3]];
    assert_int_equal(list->kind, OC_PK_LIST);
    assert_int_equal(list->n, 2);
    assert_int_equal(pk->value[list->item[1]].i, 3);
    oc_pk_free(pk);
    pk = run_ok(P("\x8f(K\1K\2\x90."));
    assert_int_equal(root(pk)->kind, OC_PK_SET);
    assert_int_equal(root(pk)->n, 2);
    oc_pk_free(pk);
}

static void stack_rules(void **state)
{
    (void)state;
    refused(P("."), OC_FORMAT, "a value is missing");
    refused(P("0."), OC_FORMAT, "a value is missing");
    refused(P("t."), OC_FORMAT, "a mark is missing");
    refused(P("K\1(a."), OC_FORMAT, "a value is missing"); // not across a mark
    refused(P("K\1(\x85."), OC_FORMAT, "a value is missing");
    refused(P("}K\1s."), OC_FORMAT, "a value is missing");
    refused(P("}(K\1u."), OC_FORMAT, "a key without a value");
    refused(P("](K\1K\2u."), OC_FORMAT, "no dictionary");
    refused(P("}K\1a."), OC_FORMAT, "no list");
    refused(P("h\0."), OC_FORMAT, "never put");
    refused(P("K\1r\xff\xff\xff\xff."), OC_FORMAT, "memo entry");
    refused(P("K\1p-1\n."), OC_FORMAT, "number");
    refused(P(""), OC_FORMAT, "cut off");
    refused(P("\x80\6."), OC_FORMAT, "protocol is 6");
    refused(P("\xff."), OC_FORMAT, "no instruction");
    refused(P("\x95\xff\0\0\0\0\0\0\0."), OC_FORMAT, "cut off");
    oc_pk_free(run_ok(P("K\1(0.")));
    oc_pk_free(run_ok(P("K\1(K\2"
                        "1.")));
    oc_pk_free(run_ok(P("K\1"
                        "2\x86.")));
}

static void names_refused(void **state)
{
    (void)state;
    refused(P("cos\nsystem\n(X\2\0\0\0idtR."), OC_FORMAT, "asks for os.system; only tensors");
    refused(P("cposix\nsystem\n."), OC_FORMAT, "posix.system");
    refused(P("c__builtin__\neval\n."), OC_FORMAT, "__builtin__.eval");
    refused(P("\x80\4\x8c\2os\x8c\6system\x93."), OC_FORMAT, "os.system");
    refused(P("(X\2\0\0\0idios\nsystem\n."), OC_FORMAT, "os.system");
    refused(P("(icollections\nOrderedDict\n."), OC_FORMAT, "instruction 0x69");
    refused(P("c\x1b[2J\nx y\n."), OC_FORMAT, "?[2J.x?y"); // nothing of it reaches a terminal
    refused(P("ctorch._utils\n_rebuild_qtensor\n."), OC_UNSUPPORTED, "quantized");
    refused(P("ctorch._utils\n_rebuild_sparse_tensor\n."), OC_UNSUPPORTED, "sparse");
    refused(P("ctorch\nComplexFloatStorage\n."), OC_UNSUPPORTED, "complex");
    refused(P("ctorch\nload\n."), OC_FORMAT, "torch.load");
    refused(P("K\1K\2\x93."), OC_FORMAT, "a name was expected");
    refused(P("K\1)R."), OC_FORMAT, "no function");
    refused(P("ctorch\nFloatStorage\n)R."), OC_FORMAT, "torch.FloatStorage");
    refused(P("ccollections\nOrderedDict\n(K\1K\2tR."), OC_FORMAT, "collections.OrderedDict");
    refused(P("ctorch._utils\n_rebuild_tensor_v2\n)R."), OC_FORMAT, "_rebuild_tensor_v2");
    refused(P("ctorch._utils\n_rebuild_parameter\n(K\1tR."), OC_FORMAT, "_rebuild_parameter");
    refused(P("ctorch\nSize\n)R."), OC_FORMAT, "torch.Size");
    refused(P("]}b."), OC_FORMAT, "attributes");
    refused(P("K\1Q."), OC_FORMAT, "names a storage");
    refused(P("Pkey\n."), OC_FORMAT, "0x50");
    refused(P("\x82\1."), OC_FORMAT, "0x82");
}

#define STORAGE(n)                                     \
    "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" \
    "0X\3\0\0\0cpu" n "tQ"

static void tensors(void **state)
{
    (void)state;
    oc_pk *pk = run_ok(P(
        "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE("K\6") "K\1(K\2K\2tK\2K\1\x86\x89"
                                                              "ccollections\nOrderedDict\n)RtR."));
    assert_int_equal(root(pk)->kind, OC_PK_TENSOR);
    const oc_pk_tensor *t = root(pk)->tensor;
    assert_int_equal(t->n_dims, 2);
    assert_int_equal(t->offset, 1);
    assert_int_equal(t->dim[0], 2);
    assert_int_equal(t->stride[0], 2);
    const oc_pk_storage *s = pk->value[t->storage].storage;
    assert_int_equal(s->dtype, OC_DT_F32);
    assert_int_equal(s->n, 6);
    assert_memory_equal(s->key, "0", 1);
    oc_pk_free(pk);
#define TENSOR(rest) P("ctorch._utils\n_rebuild_tensor\n(" STORAGE("K\6") rest "tR.")
    refused(TENSOR("J\xff\xff\xff\xff(K\1t(K\1t"), OC_FORMAT, "in a way");
    refused(TENSOR("K\0(J\xff\xff\xff\xfft(K\1t"), OC_FORMAT, "in a way");
    refused(TENSOR("K\0(K\1t(K\1K\1t"), OC_FORMAT, "in a way");
    refused(TENSOR("K\0(K\1tN"), OC_FORMAT, "in a way");
    refused(TENSOR("K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t)"), OC_UNSUPPORTED, "9 dimensions");
    refused(P(STORAGE("J\xff\xff\xff\xff") "."), OC_FORMAT, "names a storage");
    refused(P(STORAGE("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f") "."), OC_FORMAT,
            "names a storage");
    refused(P(STORAGE("K\6(X\1\0\0\0vK\5K\2t") "."), OC_FORMAT, "names a storage");
    oc_pk_free(run_ok(P(STORAGE("K\6(X\1\0\0\0vK\5K\1t") ".")));
}

/* A list that holds itself, a dictionary that is its own value: freed, and nothing follows them. */
static void cycles(void **state)
{
    (void)state;
    oc_pk_free(run_ok(P("]q\0h\0a.")));
    oc_pk_free(run_ok(P("}q\0X\1\0\0\0ah\0s.")));
}

static void limits(void **state)
{
    (void)state;
    oc_buf b = {0};
    for (int i = 0; i < 5000; i++)
        oc_buf_ch(&b, '(');
    refused(b.data, b.len, OC_FORMAT, "nested deeper");
    oc_buf_clear(&b);
    for (int i = 0; i < 200000; i++)
        oc_buf_ch(&b, ']');
    for (int i = 0; i < 199999; i++)
        oc_buf_ch(&b, 'a');
    oc_buf_ch(&b, '.');
    oc_pk_free(run_ok(b.data, b.len)); // lists in lists: no recursion to run out of
    oc_buf_clear(&b);
    for (int i = 0; i < (1 << 22) + 1; i++)
        oc_buf_ch(&b, ')');
    refused(b.data, b.len, OC_FORMAT, "more than 4194304 values");
    oc_buf_clear(&b);
    oc_buf_ch(&b, 'N');
    for (int i = 0; i < 1 << 23; i++)
        oc_buf_str(&b, "20");
    refused(b.data, b.len, OC_FORMAT, "instructions");
    oc_buf_release(&b);
}

static void out_of_memory(void **state)
{
    (void)state;
    static const char p[] = "}q\0(X\1\0\0\0actorch._utils\n_rebuild_tensor\n(" STORAGE(
        "K\6") "K\1(K\2tK\2\x85tRX\1\0\0\0b](K\2K\3eX\1\0\0\0cccollections\nOrderedDict\n]K\1K\2\x86"
               "a\x85Ru.";
    int64_t k = 1;
    for (;; k++) {
        oc_pk *pk = NULL;
        oc_err e = {0};
        oc_alloc_fail_at(k);
        oc_status rc = oc_pk_run(p, sizeof p - 1, "x.bin", NULL, &pk, &e);
        oc_alloc_fail_at(0);
        if (rc == OC_OK) {
            oc_pk_free(pk);
            break;
        }
        assert_int_equal(rc, OC_NOMEM);
        assert_int_equal(e.status, OC_NOMEM);
        assert_null(pk);
    }
    assert_true(k > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),       cmocka_unit_test(texts),
        cmocka_unit_test(containers),    cmocka_unit_test(stack_rules),
        cmocka_unit_test(names_refused), cmocka_unit_test(tensors),
        cmocka_unit_test(cycles),        cmocka_unit_test(limits),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests_name("pickle", tests, NULL, NULL);
}
