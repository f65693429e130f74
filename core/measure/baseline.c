#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/data/index.h"
#include "core/measure/metrics.h"

static oc_status check_pair(const oc_dataset *train, const oc_dataset *test, oc_err *err)
{
    if (train->K != test->K || train->kind != test->kind)
        return OC_FAIL(err, OC_SHAPE,
                       "train and test are of different tasks (%lld and %lld labels)",
                       (long long)train->K, (long long)test->K);
    if (train->n < 1)
        return OC_FAIL(err, OC_RANGE, "no rows to learn a baseline from");
    return OC_OK;
}

static float *new_probs(const oc_dataset *test, oc_err *err)
{
    size_t n;
    float *p =
        oc_size_mul((size_t)test->n, (size_t)test->K, &n) == OC_OK ? oc_calloc(n, sizeof *p) : NULL;
    if (!p)
        (void)OC_FAIL(err, OC_NOMEM, "out of memory for %lld rows of probabilities",
                      (long long)test->n);
    return p;
}

oc_status oc_baseline_majority(const oc_dataset *train, const oc_dataset *test, oc_auroc_kind kind,
                               oc_metrics *out, oc_err *err)
{
    OC_TRY(check_pair(train, test, err));
    float *probs = new_probs(test, err);
    int64_t *count = oc_calloc((size_t)train->K, sizeof *count);
    oc_status st = probs && count ? OC_OK : OC_FAIL(err, OC_NOMEM, "out of memory");
    if (st == OC_OK) {
        oc_dataset_counts(train, count);
        for (int64_t i = 0; i < test->n; i++)
            for (int64_t k = 0; k < test->K; k++)
                probs[i * test->K + k] = (float)((double)count[k] / (double)train->n);
        st = oc_metrics_compute(test, probs, kind, 0, 0, out, err);
    }
    oc_free(count);
    oc_free(probs);
    return st;
}

/* --- naive Bayes --------------------------------------------------------------------------- */

/* Notes as counted words: note i holds entries [start[i], start[i+1]). */
typedef struct bag {
    int64_t *start;        /* owned [n+1] */
    int32_t *word, *times; /* owned [start[n]] */
    size_t n_entries, word_cap, times_cap;
} bag;

static void bag_release(bag *b)
{
    oc_free(b->start);
    oc_free(b->word);
    oc_free(b->times);
}

/* English function words, sorted: they tell styles apart, hardly ever classes. */
// clang-format off
static const char *const function_words[] = {
    "a", "about", "above", "after", "again", "against", "all", "am", "an", "and", "any", "are",
    "as", "at", "be", "because", "been", "before", "being", "below", "between", "both", "but",
    "by", "can", "could", "did", "do", "does", "doing", "down", "during", "each", "few", "for",
    "from", "further", "had", "has", "have", "having", "he", "her", "here", "hers", "him",
    "himself", "his", "how", "i", "if", "in", "into", "is", "it", "its", "itself", "just", "me",
    "more", "most", "my", "no", "nor", "not", "now", "of", "off", "on", "once", "only", "or",
    "other", "our", "out", "over", "own", "s", "same", "she", "should", "so", "some", "such",
    "t", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "through", "to", "too", "under", "until", "up", "very", "was", "we", "were", "what",
    "when", "where", "which", "while", "who", "whom", "why", "will", "with", "would", "you",
    "your",
};
// clang-format on

static int by_word(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_function_word(const char *w)
{
    return bsearch(&w, function_words, sizeof function_words / sizeof *function_words,
                   sizeof *function_words, by_word) != NULL;
}

/* Words are runs of letters, digits and bytes beyond ASCII. */
static bool in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80);
}

static oc_status bag_add(bag *b, int64_t from, int32_t word, int32_t *at, oc_err *err)
{
    // at[word] is where this note counts the word, when it lies in this note
    int64_t i = at[word];
    if (i >= from && i < (int64_t)b->n_entries && b->word[i] == word) {
        b->times[i]++;
        return OC_OK;
    }
    OC_TRY(oc_grow(&b->word, &b->word_cap, b->n_entries + 1, sizeof *b->word, err));
    OC_TRY(oc_grow(&b->times, &b->times_cap, b->n_entries + 1, sizeof *b->times, err));
    if (b->n_entries >= INT32_MAX)
        return OC_FAIL(err, OC_RANGE, "too much text for the naive Bayes baseline");
    at[word] = (int32_t)b->n_entries;
    b->word[b->n_entries] = word;
    b->times[b->n_entries++] = 1;
    return OC_OK;
}

typedef struct counter {
    oc_index vocab;
    int32_t *at; /* owned [at_cap], see bag_add */
    size_t at_cap;
    bool learn; /* new words join the vocabulary; otherwise they are passed over */
} counter;

static oc_status count_word(counter *c, bag *b, int64_t from, const char *s, size_t n, oc_err *err)
{
    char lower[64];
    n = OC_MIN(n, sizeof lower - 1);
    for (size_t i = 0; i < n; i++)
        lower[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i];
    lower[n] = 0;
    if (is_function_word(lower))
        return OC_OK;
    int64_t word = oc_index_find(&c->vocab, lower, n);
    if (word < 0 && !c->learn)
        return OC_OK;
    if (word < 0) {
        OC_TRY(oc_index_addn(&c->vocab, lower, n, &word, NULL, err));
        OC_TRY(oc_grow(&c->at, &c->at_cap, (size_t)word + 1, sizeof *c->at, err));
        c->at[word] = -1;
    }
    return bag_add(b, from, (int32_t)word, c->at, err);
}

static oc_status count_note(counter *c, bag *b, const char *text, oc_err *err)
{
    int64_t from = (int64_t)b->n_entries;
    for (const char *s = text; *s;) {
        if (!in_word(*s)) {
            s++;
            continue;
        }
        const char *end = s;
        while (in_word(*end))
            end++;
        OC_TRY(count_word(c, b, from, s, (size_t)(end - s), err));
        s = end;
    }
    return OC_OK;
}

static oc_status bag_fill(bag *b, const oc_dataset *d, counter *c, oc_err *err)
{
    b->start = oc_calloc((size_t)d->n + 1, sizeof *b->start);
    if (!b->start)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %lld notes", (long long)d->n);
    for (size_t i = 0; i < (size_t)c->vocab.words.n; i++)
        c->at[i] = -1;
    for (int64_t i = 0; i < d->n; i++) {
        OC_TRY(count_note(c, b, d->text[i], err));
        b->start[i + 1] = (int64_t)b->n_entries;
    }
    return OC_OK;
}

static bool has_label(const oc_dataset *d, int64_t i, int64_t k)
{
    return d->kind == OC_TASK_SINGLE ? d->label[i] == k : d->labels[i * d->K + k] != 0;
}

typedef struct bayes {
    const oc_dataset *train, *test;
    bag learn, score;
    int64_t V, total; /* words in the vocabulary; in all training notes */
    double *all, *in; /* owned [V]: counts in all notes, and in those of one class */
    double *w;        /* owned [V]: what one occurrence adds */
    double *z;        /* owned [test n * K]: log odds, or log joint probabilities */
} bayes;

/* Counts of the training notes of class k into b->in; returns their words. */
static double count_class(bayes *b, int64_t k, int64_t *notes)
{
    double words = 0;
    *notes = 0;
    memset(b->in, 0, (size_t)b->V * sizeof *b->in);
    for (int64_t i = 0; i < b->train->n; i++) {
        if (!has_label(b->train, i, k))
            continue;
        ++*notes;
        for (int64_t e = b->learn.start[i]; e < b->learn.start[i + 1]; e++) {
            b->in[b->learn.word[e]] += b->learn.times[e];
            words += b->learn.times[e];
        }
    }
    return words;
}

static void score_class(bayes *b, int64_t k, double prior)
{
    for (int64_t i = 0; i < b->test->n; i++) {
        double z = prior;
        for (int64_t e = b->score.start[i]; e < b->score.start[i + 1]; e++)
            z += b->score.times[e] * b->w[b->score.word[e]];
        b->z[i * b->test->K + k] = z;
    }
}

/* log P(k) + sum log P(word | k), add-one smoothed. A class without notes can not be said. */
static void bayes_class(bayes *b, int64_t k)
{
    int64_t notes;
    double words = count_class(b, k, &notes);
    for (int64_t v = 0; v < b->V; v++)
        b->w[v] = log((b->in[v] + 1) / (words + (double)b->V));
    score_class(b, k, notes ? log((double)notes / (double)b->train->n) : -1e30);
}

/* The same for "has the label" against "has it not", as one difference. Both sides count one more
 * note, so that a label nobody or everybody has does not give an infinity. */
static void bayes_label(bayes *b, int64_t k)
{
    int64_t notes;
    double words = count_class(b, k, &notes), rest = (double)b->total - words, V = (double)b->V;
    for (int64_t v = 0; v < b->V; v++)
        b->w[v] = log((b->in[v] + 1) / (words + V)) - log((b->all[v] - b->in[v] + 1) / (rest + V));
    score_class(b, k, log((double)(notes + 1) / (double)(b->train->n - notes + 1)));
}

/* Joint log probabilities of one row to log odds of each class against the others together. */
static void to_log_odds(double *z, int64_t K)
{
    int64_t best = 0, second = -1;
    for (int64_t k = 1; k < K; k++) {
        if (z[k] > z[best]) {
            second = best;
            best = k;
        } else if (second < 0 || z[k] > z[second]) {
            second = k;
        }
    }
    double top = z[best], next = second >= 0 ? z[second] : top - 1e30, sum = 0, others = 0;
    for (int64_t k = 0; k < K; k++) {
        sum += exp(z[k] - top);
        others += k == best ? 0 : exp(z[k] - next);
    }
    // both sums of others are at least 1: the best is in one, the second best in the other
    for (int64_t k = 0; k < K; k++)
        z[k] = k == best ? top - next - log(OC_MAX(others, 1))
                         : z[k] - top - log(OC_MAX(sum - exp(z[k] - top), 1));
}

/*
 * Naive Bayes is so sure of itself that its posteriors round to 0 and 1 in f32 and ranks are lost.
 * x / (1 + |x|) keeps order, sign and distance for any log odds; 0.5 stays 0.5.
 */
static float squash(double odds)
{
    return (float)(0.5 + 0.5 * odds / (1 + fabs(odds)));
}

static oc_status bayes_learn(bayes *b, oc_err *err)
{
    counter c = {.learn = true};
    oc_status st = bag_fill(&b->learn, b->train, &c, err);
    c.learn = false;
    if (st == OC_OK)
        st = bag_fill(&b->score, b->test, &c, err);
    b->V = c.vocab.words.n;
    oc_index_release(&c.vocab);
    oc_free(c.at);
    OC_TRY(st);
    size_t V = (size_t)OC_MAX(b->V, 1);
    b->all = oc_calloc(V, sizeof *b->all);
    b->in = oc_calloc(V, sizeof *b->in);
    b->w = oc_calloc(V, sizeof *b->w);
    b->z = oc_calloc((size_t)b->test->n * (size_t)b->test->K, sizeof *b->z);
    if (!b->all || !b->in || !b->w || !b->z)
        return OC_FAIL(err, OC_NOMEM, "out of memory for %lld words", (long long)b->V);
    for (size_t e = 0; e < b->learn.n_entries; e++) {
        b->all[b->learn.word[e]] += b->learn.times[e];
        b->total += b->learn.times[e];
    }
    return OC_OK;
}

static void bayes_probs(bayes *b, float *probs)
{
    int64_t K = b->test->K;
    bool single = b->test->kind == OC_TASK_SINGLE;
    for (int64_t k = 0; k < K; k++) {
        if (single)
            bayes_class(b, k);
        else
            bayes_label(b, k);
    }
    for (int64_t i = 0; i < b->test->n; i++) {
        if (single)
            to_log_odds(b->z + i * K, K);
        for (int64_t k = 0; k < K; k++)
            probs[i * K + k] = squash(b->z[i * K + k]);
    }
}

oc_status oc_baseline_naive_bayes(const oc_dataset *train, const oc_dataset *test,
                                  oc_auroc_kind kind, oc_metrics *out, oc_err *err)
{
    OC_TRY(check_pair(train, test, err));
    bayes b = {.train = train, .test = test};
    float *probs = new_probs(test, err);
    oc_status st = probs ? bayes_learn(&b, err) : OC_NOMEM;
    if (st == OC_OK) {
        bayes_probs(&b, probs);
        st = oc_metrics_compute(test, probs, kind, 0, 0, out, err);
    }
    bag_release(&b.learn);
    bag_release(&b.score);
    oc_free(b.all);
    oc_free(b.in);
    oc_free(b.w);
    oc_free(b.z);
    oc_free(probs);
    return st;
}
