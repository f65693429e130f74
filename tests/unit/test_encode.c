/*
 * tests/unit/test_encode.c - tokenizing whole data sets, packing, inference in batches.
 */
#include "tests/unit/compress_testing.h"

#include "core/compress/encode.h"

static void check_encoding(const oc_dataset *d, const oc_tokenizer *tok, int64_t max_len,
                           const oc_encoded *e)
{
    int64_t n_cut = 0, longest = 0;
    assert_int_equal(e->n, d->n);
    assert_int_equal(e->start[0], 0);
    for (int64_t i = 0; i < d->n; i++) {
        oc_ids one = {0};
        int64_t n_full;
        OK(oc_encode(tok, d->text[i], strlen(d->text[i]), max_len, &one, &n_full, &err));
        assert_int_equal(e->start[i + 1] - e->start[i], one.n);
        assert_memory_equal(e->ids + e->start[i], one.id, (size_t)one.n * sizeof(int32_t));
        n_cut += n_full > max_len;
        longest = OC_MAX(longest, one.n);
        oc_ids_release(&one);
    }
    assert_int_equal(e->n_cut, n_cut);
    assert_int_equal(e->max_T, longest);
}

/* Every size around the pieces the work is dealt in; with one and two threads. */
static void test_same_as_one_by_one(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 7, 8, 9, 255, 256, 257, 300};
    oc_tokenizer *tok = tokenizer_new();
    for (int workers = 1; workers <= 2; workers++) {
        oc_par_set_workers(workers);
        for (int i = 0; i < OC_COUNT(sizes); i++) {
            oc_dataset d = dataset_new(sizes[i], 2, OC_TASK_SINGLE, 0, 3);
            oc_encoded e;
            OK(oc_encode_all(NULL, &d, tok, 9, &e, &err));
            check_encoding(&d, tok, 9, &e);
            oc_encoded_release(&e);
            oc_dataset_release(&d);
        }
    }
    oc_par_set_workers(1);
    oc_tokenizer_free(tok);
}

static oc_status cancel_at(recorder *r, const oc_job_hooks *hooks, oc_err *e)
{
    (void)hooks;
    return r->polls > r->at ? OC_FAIL(e, OC_CANCELLED, "cancelled") : OC_OK;
}

static void test_listens_and_reports(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_tokenizer *tok = tokenizer_new();
    oc_dataset d = dataset_new(600, 2, OC_TASK_SINGLE, 0, 3);
    oc_encoded e = {.n = -5};
    OK(oc_encode_all(&r->job, &d, tok, 24, &e, &err));
    const oc_event *last = event_at(r, OC_EV_progress_T, event_count(r, OC_EV_progress_T) - 1);
    assert_string_equal(last->u.progress.what, "tokenize");
    assert_int_equal(last->u.progress.done, 600);
    assert_int_equal(last->u.progress.total, 600);
    oc_encoded_release(&e);
    e.n = -5;
    r->act = cancel_at;
    r->at = r->polls + 1;
    FAILS(OC_CANCELLED, "cancelled", oc_encode_all(&r->job, &d, tok, 24, &e, &err));
    assert_int_equal(e.n, -5); // written only on success
    oc_dataset_release(&d);
    oc_tokenizer_free(tok);
    recorder_free(r);
}

static void test_bad_length(void **state)
{
    (void)state;
    oc_tokenizer *tok = tokenizer_new();
    oc_dataset d = dataset_new(3, 2, OC_TASK_SINGLE, 0, 3);
    oc_encoded e;
    FAILS(OC_RANGE, "2 tokens", oc_encode_all(NULL, &d, tok, 2, &e, &err));
    oc_dataset_release(&d);
    oc_tokenizer_free(tok);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    oc_tokenizer *tok = tokenizer_new();
    oc_dataset d = dataset_new(20, 2, OC_TASK_SINGLE, 0, 3);
    oc_encoded e;
    int64_t i = 0;
    oc_status rc = OC_NOMEM;
    while (rc != OC_OK) {
        err = (oc_err){0};
        oc_alloc_fail_at(++i);
        rc = oc_encode_all(NULL, &d, tok, 24, &e, &err);
        oc_alloc_fail_at(0);
        assert_true(rc == OC_OK || (rc == OC_NOMEM && err.msg[0]));
        assert_true(i < 1000);
    }
    assert_true(i > 3);
    oc_encoded_release(&e);
    oc_dataset_release(&d);
    oc_tokenizer_free(tok);
}

/* Same tokenizer, length and notes: the same ids, once. Anything else: its own. */
static void test_shelf_shares(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_shelf shelf = {0};
    oc_tokenizer *tok = tokenizer_new(), *twin = tokenizer_new();
    oc_dataset d = dataset_new(40, 2, OC_TASK_SINGLE, 0, 3),
               other = dataset_new(40, 2, OC_TASK_SINGLE, 0, 4);
    oc_encoded a, b, c, longer, without;
    r->job.shelf = &shelf;
    OK(oc_encode_all(&r->job, &d, tok, 9, &a, &err));
    OK(oc_encode_all(&r->job, &d, twin, 9, &b, &err)); // by content
    assert_ptr_equal(a.ids, b.ids);
    assert_int_equal(event_count(r, OC_EV_progress_T), 1); // tokenized once
    OK(oc_encode_all(&r->job, &d, tok, 10, &longer, &err));
    OK(oc_encode_all(&r->job, &other, tok, 9, &c, &err));
    assert_ptr_not_equal(a.ids, longer.ids);
    assert_ptr_not_equal(a.ids, c.ids);
    check_encoding(&other, tok, 9, &c);
    check_encoding(&d, tok, 10, &longer);
    oc_encoded_release(&a);
    check_encoding(&d, tok, 9, &b); // a's release left it alone
    OK(oc_encode_all(NULL, &d, tok, 9, &without, &err));
    assert_null(without.users);
    assert_memory_equal(without.ids, b.ids, (size_t)b.start[b.n] * sizeof(int32_t));
    oc_shelf_release(&shelf);
    assert_int_equal(shelf.bytes, 0);
    check_encoding(&d, tok, 9, &b); // nor did the shelf's
    oc_encoded_release(&without);
    oc_encoded_release(&b);
    oc_encoded_release(&c);
    oc_encoded_release(&longer);
    oc_dataset_release(&d);
    oc_dataset_release(&other);
    oc_tokenizer_free(tok);
    oc_tokenizer_free(twin);
    recorder_free(r);
}

/* More sets than places: what was not used for longest goes. */
static void test_shelf_is_bounded(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_shelf shelf = {0};
    oc_tokenizer *tok = tokenizer_new();
    oc_dataset d = dataset_new(20, 2, OC_TASK_SINGLE, 0, 3);
    oc_encoded e, first;
    r->job.shelf = &shelf;
    OK(oc_encode_all(&r->job, &d, tok, 3, &first, &err));
    for (int64_t len = 4; len < 4 + 2 * OC_SHELF_SETS; len++) {
        OK(oc_encode_all(&r->job, &d, tok, len, &e, &err));
        oc_encoded_release(&e);
        OK(oc_encode_all(&r->job, &d, tok, 3, &e, &err)); // used all the time: stays
        assert_ptr_equal(e.ids, first.ids);
        oc_encoded_release(&e);
    }
    int64_t before = event_count(r, OC_EV_progress_T);
    OK(oc_encode_all(&r->job, &d, tok, 4, &e, &err)); // gone, so made again
    assert_int_equal(event_count(r, OC_EV_progress_T), before + 1);
    oc_encoded_release(&e);
    int64_t bytes = 0;
    for (int i = 0; i < OC_SHELF_SETS; i++)
        bytes +=
            shelf.set[i].e.start[20] * (int64_t)sizeof(int32_t) + 21 * (int64_t)sizeof(int64_t);
    assert_int_equal(shelf.bytes, bytes);
    oc_encoded_release(&first);
    oc_shelf_release(&shelf);
    assert_int_equal(shelf.bytes, 0);
    oc_dataset_release(&d);
    oc_tokenizer_free(tok);
    recorder_free(r);
}

static void test_shelf_out_of_memory(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_tokenizer *tok = tokenizer_new();
    oc_dataset d = dataset_new(20, 2, OC_TASK_SINGLE, 0, 3);
    oc_status rc = OC_NOMEM;
    for (int64_t i = 1; rc != OC_OK || i < 40; i++) {
        oc_shelf shelf = {0};
        oc_encoded e;
        r->job.shelf = &shelf;
        err = (oc_err){0};
        oc_alloc_fail_at(i);
        rc = oc_encode_all(&r->job, &d, tok, 24, &e, &err);
        oc_alloc_fail_at(0);
        assert_true(rc == OC_OK || (rc == OC_NOMEM && err.msg[0]));
        oc_shelf_release(&shelf);
        if (rc == OC_OK) {
            check_encoding(&d, tok, 24, &e);
            oc_encoded_release(&e);
        }
    }
    oc_dataset_release(&d);
    oc_tokenizer_free(tok);
    recorder_free(r);
}

static void test_batcher(void **state)
{
    (void)state;
    int32_t ids[] = {1, 2, 3, 4, 5, 6};
    int64_t start[] = {0, 1, 4, 6};
    oc_encoded e = {.n = 3, .ids = ids, .start = start};
    oc_batcher b = {0};
    const int64_t note[] = {2, 0, 1};
    OK(oc_batcher_fill(&b, &e, note, 3, &err));
    assert_int_equal(b.batch.B, 3);
    assert_int_equal(b.batch.N, 6);
    static const int32_t want[] = {5, 6, 1, 2, 3, 4}, from[] = {0, 2, 3, 6};
    assert_memory_equal(b.batch.ids, want, sizeof want);
    assert_memory_equal(b.batch.start, from, sizeof from);
    OK(oc_batcher_fill(&b, &e, note + 1, 1, &err)); // smaller, in the same buffers
    assert_int_equal(b.batch.N, 1);
    assert_int_equal(b.batch.ids[0], 1);
    assert_null(b.batch.types);
    oc_batcher_release(&b);
}

/* The same bits whatever the batches and the threads. */
static void test_inference_does_not_depend_on_batching(void **state)
{
    (void)state;
    oc_dims dims = small_dims(2, 16, 2, 32, 3);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 20);
    oc_dataset d = dataset_new(70, 3, OC_TASK_SINGLE, 0, 4);
    oc_encoded e;
    float one[70 * 3], other[70 * 3];
    OK(oc_encode_all(NULL, &d, c->tok, 24, &e, &err));
    OK(oc_infer_all(NULL, c->model, &e, 1, "read", one, &err)); // a note at a time
    double spread = 0;
    for (int i = 0; i < 70 * 3; i++)
        spread = fmax(spread, fabs((double)one[i] - (double)one[i % 3]));
    assert_true(spread > 0.01);
    static const int64_t tokens[] = {17, 100, 100000};
    for (int workers = 1; workers <= 2; workers++) {
        oc_par_set_workers(workers);
        for (int i = 0; i < OC_COUNT(tokens); i++) {
            memset(other, 0xff, sizeof other);
            OK(oc_infer_all(NULL, c->model, &e, tokens[i], "read", other, &err));
            assert_memory_equal(one, other, sizeof one);
        }
    }
    oc_par_set_workers(1);
    // ... and note i's logits are its own, alone in a batch.
    const int64_t note = 41;
    oc_batcher b = {0};
    oc_bert *bert;
    oc_limits lim = {.max_B = 1, .max_N = e.max_T, .max_T = e.max_T};
    OK(oc_batcher_fill(&b, &e, &note, 1, &err));
    OK(oc_bert_new(c->model, &lim, &bert, &err));
    oc_bert_forward(bert, &b.batch, NULL, other);
    assert_memory_equal(other, one + note * 3, 3 * sizeof(float));
    oc_bert_free(bert);
    oc_batcher_release(&b);
    oc_encoded_release(&e);
    oc_dataset_release(&d);
    oc_checkpoint_free(c);
}

/* The first note by itself leaves nothing packed; then one packing serves what `lim` foresaw. */
static void test_inference_packs_once(void **state)
{
    (void)state;
    oc_dims dims = small_dims(2, 16, 2, 32, 3);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 20);
    oc_dataset d = dataset_new(40, 3, OC_TASK_SINGLE, 0, 4);
    oc_encoded e;
    float want[40 * 3], z[40 * 3];
    OK(oc_encode_all(NULL, &d, c->tok, 24, &e, &err));
    OK(oc_infer_all(NULL, c->model, &e, 1, "read", want, &err));
    oc_infer k = {.lim = {.max_B = 40, .max_N = 1000, .max_T = 24}};
    oc_encoded first = {.n = 1, .ids = e.ids, .start = e.start};
    OK(oc_infer_run(&k, NULL, NULL, c->model, &first, 1000, "read", z, &err));
    assert_memory_equal(z, want, 3 * sizeof *z);
    assert_null(k.bert);
    first.n = 2;
    OK(oc_infer_run(&k, NULL, NULL, c->model, &first, 1000, "read", z, &err));
    assert_memory_equal(z, want, 6 * sizeof *z);
    const oc_bert *packed = k.bert;
    assert_non_null(packed);
    OK(oc_infer_run(&k, NULL, NULL, c->model, &e, 1000, "read", z, &err));
    assert_memory_equal(z, want, sizeof z);
    assert_ptr_equal(k.bert, packed);
    oc_infer_release(&k);
    // What nobody foresaw is packed for when it comes.
    k = (oc_infer){0};
    first.n = 3;
    OK(oc_infer_run(&k, NULL, NULL, c->model, &first, 1, "read", z, &err));
    assert_int_equal(k.lim.max_B, 1);
    OK(oc_infer_run(&k, NULL, NULL, c->model, &e, 1000, "read", z, &err));
    assert_memory_equal(z, want, sizeof z);
    assert_int_equal(k.lim.max_B, 40);
    oc_infer_release(&k);
    oc_encoded_release(&e);
    oc_dataset_release(&d);
    oc_checkpoint_free(c);
}

/* Packing is progress where it takes long, and nothing where it does not. */
static void test_packing_is_progress(void **state)
{
    (void)state;
    recorder *r = recorder_new();
    oc_dims dims = small_dims(3, 16, 2, 32, 3);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 20);
    const int32_t start[2] = {0, 1}, ids[1] = {2};
    const oc_batch note = {.B = 1, .N = 1, .start = start, .ids = ids};
    float z[3];
    for (int slow = 0; slow < 2; slow++) {
        oc_pack_meter p;
        oc_pack_meter_start(&p, &r->job);
        if (slow)
            p.meter.started_ns -= 2000000000;
        OK(oc_bert_once(c->model, &note, &p.watch, z, &err));
        assert_int_equal(event_count(r, OC_EV_progress_T) > 0, slow);
    }
    const oc_event *last = event_at(r, OC_EV_progress_T, event_count(r, OC_EV_progress_T) - 1);
    assert_string_equal(last->u.progress.what, "packing weights");
    assert_string_equal(last->u.progress.unit, "layers");
    assert_int_equal(last->u.progress.done, 3);
    assert_int_equal(last->u.progress.total, 3);
    oc_checkpoint_free(c);
    recorder_free(r);
}

static void test_inference_of_nothing(void **state)
{
    (void)state;
    oc_dims dims = small_dims(1, 8, 1, 8, 2);
    oc_checkpoint *c = checkpoint_new(&dims, 5, 1);
    oc_encoded e = {0};
    float z = 7;
    OK(oc_infer_all(NULL, c->model, &e, 100, "read", &z, &err));
    assert_true(z == 7.0f);
    oc_checkpoint_free(c);
}

static void test_max_len(void **state)
{
    (void)state;
    oc_config c = {.max_len = 64, .dims = {.P = 128}};
    assert_int_equal(oc_max_len(&c, 100), 64);
    c.max_len = 0;
    assert_int_equal(oc_max_len(&c, 100), 100);
    assert_int_equal(oc_max_len(&c, 500), 128);
    c.max_len = 512;
    assert_int_equal(oc_max_len(&c, 100), 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_one_by_one),
        cmocka_unit_test(test_listens_and_reports),
        cmocka_unit_test(test_bad_length),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_shelf_shares),
        cmocka_unit_test(test_shelf_is_bounded),
        cmocka_unit_test(test_shelf_out_of_memory),
        cmocka_unit_test(test_batcher),
        cmocka_unit_test(test_inference_does_not_depend_on_batching),
        cmocka_unit_test(test_inference_packs_once),
        cmocka_unit_test(test_packing_is_progress),
        cmocka_unit_test(test_inference_of_nothing),
        cmocka_unit_test(test_max_len),
    };
    return cmocka_run_group_tests(tests, select_kernels, NULL);
}
