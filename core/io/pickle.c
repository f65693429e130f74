#include "core/io/pickle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"

#define MAX_BYTES   ((size_t)64 << 20)
#define MAX_STEPS   ((int64_t)1 << 24)
#define MAX_VALUES  ((int32_t)1 << 22)
#define MAX_MEMO    ((int64_t)1 << 22)
#define MAX_TENSORS ((int32_t)1 << 18)
#define MAX_MARKS   ((size_t)4096)

typedef struct machine {
    const unsigned char *p; // borrowed [n]
    size_t n, at;
    oc_pk *pk;
    oc_pk_ref *stack; // owned
    size_t n_stack, cap_stack;
    size_t *mark; // owned; heights of the stack
    size_t n_marks, cap_marks;
    oc_pk_ref *memo; // owned; reference + 1, 0 where nothing was put
    size_t n_memo, cap_memo;
    int64_t n_put; // MEMOIZE numbers its entries by how many there are
    unsigned char op;
    size_t op_at;
    bool stopped;
    oc_err *err;
} machine;

// As OC_FAIL: the value is the status itself, so that the compiler sees the failing paths.
#define BROKEN(m, ...) (broken((m), __FILE__, __LINE__, __VA_ARGS__), OC_FORMAT)

static void OC_PRINTF(4, 5)
    broken(const machine *m, const char *file, int line, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    oc_fail(m->err, OC_FORMAT, 0, file, line, "%.250s: the pickle is broken at byte %zu: %s",
            m->pk->what, m->op_at, text);
}

/* --- values ----------------------------------------------------------------------------------- */

oc_status oc__pk_new(oc_pk *pk, oc_pk_kind kind, oc_pk_ref *out, oc_err *err)
{
    if (pk->n >= MAX_VALUES)
        return OC_FAIL(err, OC_FORMAT, "%.250s: the pickle holds more than %d values", pk->what,
                       (int)MAX_VALUES);
    if (kind == OC_PK_TENSOR && pk->n_tensors >= MAX_TENSORS)
        return OC_FAIL(err, OC_FORMAT, "%.250s: the pickle holds more than %d tensors", pk->what,
                       (int)MAX_TENSORS);
    OC_TRY(oc_grow(&pk->value, &pk->cap, (size_t)pk->n + 1, sizeof *pk->value, err));
    oc_pk_value v = {.kind = kind};
    if (kind == OC_PK_STORAGE && !(v.storage = oc_calloc(1, sizeof *v.storage)))
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", pk->what);
    if (kind == OC_PK_TENSOR && !(v.tensor = oc_calloc(1, sizeof *v.tensor)))
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", pk->what);
    pk->n_tensors += kind == OC_PK_TENSOR;
    pk->value[pk->n] = v;
    *out = pk->n++;
    return OC_OK;
}

oc_status oc__pk_push(oc_pk *pk, oc_pk_ref container, oc_pk_ref item, oc_err *err)
{
    oc_pk_value *c = &pk->value[container];
    OC_TRY(oc_grow(&c->item, &c->cap, (size_t)c->n + 1, sizeof *c->item, err));
    c->item[c->n++] = item;
    return OC_OK;
}

void oc_pk_free(oc_pk *pk)
{
    if (!pk)
        return;
    for (int32_t i = 0; i < pk->n; i++) {
        oc_pk_value *v = &pk->value[i];
        if (v->kind >= OC_PK_TUPLE && v->kind <= OC_PK_DICT)
            oc_free(v->item);
        else if (v->kind == OC_PK_STORAGE)
            oc_free(v->storage);
        else if (v->kind == OC_PK_TENSOR)
            oc_free(v->tensor);
    }
    oc_free(pk->value);
    oc_free(pk);
}

bool oc_pk_is(const oc_pk_value *v, const char *s)
{
    return v->kind == OC_PK_STR && (size_t)v->n == strlen(s) && !memcmp(v->s, s, (size_t)v->n);
}

/* --- bytes and stack -------------------------------------------------------------------------- */

/* The next k bytes. */
static oc_status take(machine *m, uint64_t k, const unsigned char **out)
{
    if (k > m->n - m->at)
        return BROKEN(m, "it is cut off");
    *out = m->p + m->at;
    m->at += (size_t)k;
    if (m->at > MAX_BYTES)
        return BROKEN(m, "it is longer than %zu bytes", MAX_BYTES);
    return OC_OK;
}

/* An unsigned little-endian number of k <= 8 bytes. */
static oc_status take_uint(machine *m, size_t k, uint64_t *out)
{
    const unsigned char *b;
    OC_TRY(take(m, k, &b));
    *out = 0;
    for (size_t i = 0; i < k; i++)
        *out |= (uint64_t)b[i] << 8 * i;
    return OC_OK;
}

/* A line without its end. */
static oc_status take_line(machine *m, oc__pk_text *out)
{
    const unsigned char *from = m->p + m->at;
    const unsigned char *end = memchr(from, '\n', OC_MIN(m->n - m->at, MAX_BYTES));
    if (!end)
        return BROKEN(m, "it is cut off");
    *out = (oc__pk_text){(const char *)from, (int32_t)(end - from)};
    return take(m, (uint64_t)(end - from) + 1, &from);
}

static oc_status push(machine *m, oc_pk_ref r)
{
    OC_TRY(oc_grow(&m->stack, &m->cap_stack, m->n_stack + 1, sizeof *m->stack, m->err));
    m->stack[m->n_stack++] = r;
    return OC_OK;
}

static oc_status push_new(machine *m, oc_pk_kind kind, oc_pk_value **v)
{
    oc_pk_ref r;
    OC_TRY(oc__pk_new(m->pk, kind, &r, m->err));
    *v = &m->pk->value[r];
    return push(m, r);
}

static oc_status push_int(machine *m, oc_pk_kind kind, int64_t i)
{
    oc_pk_value *v;
    OC_TRY(push_new(m, kind, &v));
    v->i = i;
    return OC_OK;
}

/* How many values lie above the last mark. */
static size_t above(const machine *m)
{
    return m->n_stack - (m->n_marks ? m->mark[m->n_marks - 1] : 0);
}

static oc_status pop(machine *m, oc_pk_ref *out)
{
    if (above(m) == 0)
        return BROKEN(m, "a value is missing");
    *out = m->stack[--m->n_stack];
    return OC_OK;
}

static oc_status top(const machine *m, oc_pk_ref *out)
{
    if (above(m) == 0)
        return BROKEN(m, "a value is missing");
    *out = m->stack[m->n_stack - 1];
    return OC_OK;
}

/* Drop the last mark: what lay above it is item[0..n), valid until the next push. */
static oc_status to_mark(machine *m, const oc_pk_ref **item, size_t *n)
{
    if (m->n_marks == 0)
        return BROKEN(m, "a mark is missing");
    *n = above(m);
    m->n_stack -= *n;
    m->n_marks--;
    *item = *n ? m->stack + m->n_stack : NULL;
    return OC_OK;
}

/* --- plain values ----------------------------------------------------------------------------- */

static oc_status op_proto(machine *m)
{
    uint64_t version;
    OC_TRY(take_uint(m, 1, &version));
    if (version > 5)
        return BROKEN(m, "its protocol is %d; 0 to 5 are known", (int)version);
    return OC_OK;
}

static oc_status op_frame(machine *m)
{
    uint64_t bytes;
    OC_TRY(take_uint(m, 8, &bytes));
    return bytes <= m->n - m->at ? OC_OK : BROKEN(m, "it is cut off");
}

static oc_status op_const(machine *m)
{
    if (m->op == 'N')
        return push_int(m, OC_PK_NONE, 0);
    return push_int(m, OC_PK_BOOL, m->op == 0x88);
}

static oc_status op_binint(machine *m)
{
    uint64_t i;
    OC_TRY(take_uint(m, m->op == 'J' ? 4 : m->op == 'M' ? 2 : 1, &i));
    return push_int(m, OC_PK_INT, m->op == 'J' ? (int64_t)(int32_t)(uint32_t)i : (int64_t)i);
}

static oc_status push_text(machine *m, oc_pk_kind kind, const char *s, uint64_t n)
{
    oc_pk_value *v;
    OC_TRY(push_new(m, kind, &v));
    v->s = s;
    v->n = (int32_t)n;
    return OC_OK;
}

/* LONG1, LONG4: little-endian two's complement of any width. */
static oc_status op_long(machine *m)
{
    uint64_t n, i = 0;
    const unsigned char *b;
    OC_TRY(take_uint(m, m->op == 0x8a ? 1 : 4, &n));
    OC_TRY(take(m, n, &b));
    if (n > 8)
        return push_text(m, OC_PK_BIG, (const char *)b, n);
    for (size_t k = 0; k < n; k++)
        i |= (uint64_t)b[k] << 8 * k;
    if (n > 0 && n < 8 && b[n - 1] & 0x80)
        i |= UINT64_MAX << 8 * n;
    int64_t value;
    memcpy(&value, &i, sizeof value);
    return push_int(m, OC_PK_INT, value);
}

/* INT, LONG: decimal lines; "00" and "01" are how old protocols write booleans. */
static oc_status op_decimal(machine *m)
{
    oc__pk_text line;
    int64_t i;
    char digits[32];
    OC_TRY(take_line(m, &line));
    if (m->op == 'I' && line.n == 2 && line.s[0] == '0' && (line.s[1] == '0' || line.s[1] == '1'))
        return push_int(m, OC_PK_BOOL, line.s[1] == '1');
    if (m->op == 'L' && line.n > 0 && line.s[line.n - 1] == 'L')
        line.n--;
    if (line.n == 0 || line.n >= (int32_t)sizeof digits)
        return BROKEN(m, "a number of %d digits", (int)line.n);
    memcpy(digits, line.s, (size_t)line.n);
    digits[line.n] = 0;
    if (oc_parse_i64(digits, &i))
        return push_int(m, OC_PK_INT, i);
    if (strspn(digits, "0123456789") != (size_t)line.n)
        return BROKEN(m, "a number was expected");
    return push_text(m, OC_PK_BIG, line.s, (uint64_t)line.n);
}

static oc_status op_float(machine *m)
{
    oc_pk_value *v;
    double f;
    if (m->op == 'G') {
        const unsigned char *b;
        uint64_t bits = 0;
        OC_TRY(take(m, 8, &b));
        for (int k = 0; k < 8; k++)
            bits = bits << 8 | b[k];
        memcpy(&f, &bits, sizeof f);
    } else {
        oc__pk_text line;
        char text[64];
        OC_TRY(take_line(m, &line));
        snprintf(text, sizeof text, "%.*s", (int)line.n, line.s);
        if (!oc_parse_f64(text, &f))
            return BROKEN(m, "a number was expected");
    }
    OC_TRY(push_new(m, OC_PK_FLOAT, &v));
    v->f = f;
    return OC_OK;
}

static oc_status push_str(machine *m, const char *s, uint64_t n)
{
    if (!oc_utf8_valid(s, (size_t)n))
        return BROKEN(m, "a text is not UTF-8");
    return push_text(m, OC_PK_STR, s, n);
}

static size_t length_bytes(unsigned char op)
{
    switch (op) {
    case 'U':
    case 'C':
    case 0x8c: return 1;
    case 0x8d:
    case 0x8e:
    case 0x96: return 8;
    default: return 4;
    }
}

/* Texts with their length before them; Python 2 wrote names as byte strings (U, T). */
static oc_status op_text(machine *m)
{
    uint64_t n;
    const unsigned char *b;
    OC_TRY(take_uint(m, length_bytes(m->op), &n));
    OC_TRY(take(m, n, &b));
    return push_str(m, (const char *)b, n);
}

static oc_status op_bytes(machine *m)
{
    uint64_t n;
    const unsigned char *b;
    OC_TRY(take_uint(m, length_bytes(m->op), &n));
    OC_TRY(take(m, n, &b));
    return push_int(m, OC_PK_BYTES, 0);
}

/* STRING ('quoted') and UNICODE lines of protocol 0, as long as nothing in them is escaped. */
static oc_status op_text_line(machine *m)
{
    oc__pk_text line;
    OC_TRY(take_line(m, &line));
    if (line.n > 0 && memchr(line.s, '\\', (size_t)line.n))
        return BROKEN(m, "escapes in texts of protocol 0 are not read");
    if (m->op == 'V')
        return push_str(m, line.s, (uint64_t)line.n);
    if (line.n < 2 || !memchr("'\"", line.s[0], 2) || line.s[line.n - 1] != line.s[0])
        return BROKEN(m, "a quoted text was expected");
    return push_str(m, line.s + 1, (uint64_t)line.n - 2);
}

/* --- stack and containers --------------------------------------------------------------------- */

static oc_status op_mark(machine *m)
{
    if (m->n_marks >= MAX_MARKS)
        return BROKEN(m, "it is nested deeper than %zu levels", MAX_MARKS);
    OC_TRY(oc_grow(&m->mark, &m->cap_marks, m->n_marks + 1, sizeof *m->mark, m->err));
    m->mark[m->n_marks++] = m->n_stack;
    return OC_OK;
}

static oc_status op_pop(machine *m)
{
    const oc_pk_ref *item;
    size_t n;
    oc_pk_ref r;
    // POP of a mark drops the mark.
    if (m->op == '1' || (above(m) == 0 && m->n_marks > 0))
        return to_mark(m, &item, &n);
    return pop(m, &r);
}

static oc_status op_dup(machine *m)
{
    oc_pk_ref r;
    OC_TRY(top(m, &r));
    return push(m, r);
}

static oc_status op_empty(machine *m)
{
    oc_pk_value *v;
    return push_new(m,
                    m->op == '}'   ? OC_PK_DICT
                    : m->op == ']' ? OC_PK_LIST
                    : m->op == ')' ? OC_PK_TUPLE
                                   : OC_PK_SET,
                    &v);
}

static oc_status add_all(machine *m, oc_pk_ref container, const oc_pk_ref *item, size_t n)
{
    if (m->pk->value[container].kind == OC_PK_DICT && n % 2 != 0)
        return BROKEN(m, "a key without a value");
    for (size_t i = 0; i < n; i++)
        OC_TRY(oc__pk_push(m->pk, container, item[i], m->err));
    return OC_OK;
}

/* TUPLE, LIST, DICT, FROZENSET: everything above the mark. */
static oc_status op_gather(machine *m)
{
    const oc_pk_ref *item;
    size_t n;
    oc_pk_ref r;
    OC_TRY(to_mark(m, &item, &n));
    OC_TRY(oc__pk_new(m->pk,
                      m->op == 't'   ? OC_PK_TUPLE
                      : m->op == 'l' ? OC_PK_LIST
                      : m->op == 'd' ? OC_PK_DICT
                                     : OC_PK_SET,
                      &r, m->err));
    OC_TRY(add_all(m, r, item, n));
    return push(m, r);
}

/* TUPLE1, TUPLE2, TUPLE3 */
static oc_status op_tuple(machine *m)
{
    size_t n = (size_t)(m->op - 0x84);
    oc_pk_ref r;
    if (above(m) < n)
        return BROKEN(m, "a value is missing");
    OC_TRY(oc__pk_new(m->pk, OC_PK_TUPLE, &r, m->err));
    m->n_stack -= n;
    OC_TRY(add_all(m, r, m->stack + m->n_stack, n));
    return push(m, r);
}

/* APPEND(S), SETITEM(S), ADDITEMS: into the container below. */
static oc_status op_fill(machine *m)
{
    oc_pk_kind want = m->op == 'a' || m->op == 'e'   ? OC_PK_LIST
                      : m->op == 's' || m->op == 'u' ? OC_PK_DICT
                                                     : OC_PK_SET;
    size_t n = m->op == 'a' ? 1 : 2;
    const oc_pk_ref *item;
    oc_pk_ref r;
    if (m->op == 'a' || m->op == 's') {
        if (above(m) < n)
            return BROKEN(m, "a value is missing");
        m->n_stack -= n;
        item = m->stack + m->n_stack;
    } else {
        OC_TRY(to_mark(m, &item, &n));
    }
    OC_TRY(top(m, &r));
    if (m->pk->value[r].kind != want)
        return BROKEN(m, "items are put into what is no %s",
                      want == OC_PK_LIST   ? "list"
                      : want == OC_PK_DICT ? "dictionary"
                                           : "set");
    return add_all(m, r, item, n);
}

/* --- memo ------------------------------------------------------------------------------------- */

static oc_status take_memo(machine *m, int64_t *i)
{
    uint64_t k;
    oc__pk_text line;
    char digits[24];
    if (m->op != 'p' && m->op != 'g') {
        OC_TRY(take_uint(m, m->op == 'q' || m->op == 'h' ? 1 : 4, &k));
        *i = (int64_t)k;
        return OC_OK;
    }
    OC_TRY(take_line(m, &line));
    snprintf(digits, sizeof digits, "%.*s", (int)line.n, line.s);
    return oc_parse_i64(digits, i) && *i >= 0 ? OC_OK : BROKEN(m, "a number was expected");
}

static oc_status op_put(machine *m)
{
    int64_t i = m->n_put;
    oc_pk_ref r;
    if (m->op != 0x94)
        OC_TRY(take_memo(m, &i));
    if (i >= MAX_MEMO)
        return BROKEN(m, "memo entry %lld; fewer than %lld are allowed", (long long)i,
                      (long long)MAX_MEMO);
    OC_TRY(top(m, &r));
    OC_TRY(oc_grow(&m->memo, &m->cap_memo, (size_t)i + 1, sizeof *m->memo, m->err));
    for (; m->n_memo <= (size_t)i; m->n_memo++)
        m->memo[m->n_memo] = 0;
    m->n_put += m->memo[i] == 0;
    m->memo[i] = r + 1;
    return OC_OK;
}

static oc_status op_get(machine *m)
{
    int64_t i;
    OC_TRY(take_memo(m, &i));
    if ((uint64_t)i >= m->n_memo || m->memo[i] == 0)
        return BROKEN(m, "memo entry %lld was never put there", (long long)i);
    return push(m, m->memo[i] - 1);
}

/* --- names and calls -------------------------------------------------------------------------- */

static oc_status push_global(machine *m, oc__pk_text module, oc__pk_text name)
{
    int64_t which;
    OC_TRY(oc__pk_global(m->pk, module, name, &which, m->err));
    return push_int(m, OC_PK_GLOBAL, which);
}

static oc_status op_global(machine *m)
{
    oc__pk_text module, name;
    OC_TRY(take_line(m, &module));
    OC_TRY(take_line(m, &name));
    return push_global(m, module, name);
}

static oc_status op_stack_global(machine *m)
{
    oc_pk_ref name, module;
    OC_TRY(pop(m, &name));
    OC_TRY(pop(m, &module));
    const oc_pk_value *a = &m->pk->value[module], *b = &m->pk->value[name];
    if (a->kind != OC_PK_STR || b->kind != OC_PK_STR)
        return BROKEN(m, "a name was expected");
    return push_global(m, (oc__pk_text){a->s, a->n}, (oc__pk_text){b->s, b->n});
}

/* REDUCE, NEWOBJ */
static oc_status op_call(machine *m)
{
    oc_pk_ref args, global, r;
    OC_TRY(pop(m, &args));
    OC_TRY(pop(m, &global));
    if (m->pk->value[global].kind != OC_PK_GLOBAL || m->pk->value[args].kind != OC_PK_TUPLE)
        return BROKEN(m, "a call of what is no function");
    OC_TRY(oc__pk_call(m->pk, global, args, &r, m->err));
    return push(m, r);
}

/* BUILD gives an object its attributes: a state_dict has _metadata, which no tensor needs. */
static oc_status op_build(machine *m)
{
    oc_pk_ref state, object;
    OC_TRY(pop(m, &state));
    OC_TRY(top(m, &object));
    if (m->pk->value[object].kind != OC_PK_DICT || m->pk->value[state].kind != OC_PK_DICT)
        return BROKEN(m, "attributes for what is no dictionary");
    return OC_OK;
}

static oc_status op_persistent(machine *m)
{
    oc_pk_ref id, r;
    OC_TRY(pop(m, &id));
    OC_TRY(oc__pk_persistent(m->pk, id, &r, m->err));
    return push(m, r);
}

static oc_status op_stop(machine *m)
{
    OC_TRY(pop(m, &m->pk->root));
    m->stopped = true;
    return OC_OK;
}

static oc_status op_refused(machine *m)
{
    if (m->op == 'i') // INST names what it wants
        OC_TRY(op_global(m));
    return BROKEN(m, "its instruction 0x%02x builds no tensors; only tensors are read", m->op);
}

/* --- the machine ------------------------------------------------------------------------------ */

typedef oc_status op_fn(machine *m);

// Opcodes by their bytes in pickletools.py; what is not here is no opcode.
static op_fn *const op_table[256] = {
    [0x80] = op_proto,    [0x95] = op_frame,   ['.'] = op_stop,          ['N'] = op_const,
    [0x88] = op_const,    [0x89] = op_const,   ['J'] = op_binint,        ['K'] = op_binint,
    ['M'] = op_binint,    [0x8a] = op_long,    [0x8b] = op_long,         ['I'] = op_decimal,
    ['L'] = op_decimal,   ['F'] = op_float,    ['G'] = op_float,         ['S'] = op_text_line,
    ['V'] = op_text_line, ['U'] = op_text,     ['T'] = op_text,          ['X'] = op_text,
    [0x8c] = op_text,     [0x8d] = op_text,    ['C'] = op_bytes,         ['B'] = op_bytes,
    [0x8e] = op_bytes,    [0x96] = op_bytes,   ['('] = op_mark,          ['0'] = op_pop,
    ['1'] = op_pop,       ['2'] = op_dup,      ['}'] = op_empty,         [']'] = op_empty,
    [')'] = op_empty,     [0x8f] = op_empty,   ['t'] = op_gather,        ['l'] = op_gather,
    ['d'] = op_gather,    [0x91] = op_gather,  [0x85] = op_tuple,        [0x86] = op_tuple,
    [0x87] = op_tuple,    ['a'] = op_fill,     ['e'] = op_fill,          ['s'] = op_fill,
    ['u'] = op_fill,      [0x90] = op_fill,    ['p'] = op_put,           ['q'] = op_put,
    ['r'] = op_put,       [0x94] = op_put,     ['g'] = op_get,           ['h'] = op_get,
    ['j'] = op_get,       ['c'] = op_global,   [0x93] = op_stack_global, ['R'] = op_call,
    [0x81] = op_call,     ['b'] = op_build,    ['Q'] = op_persistent,    ['P'] = op_refused,
    ['i'] = op_refused,   ['o'] = op_refused,  [0x92] = op_refused,      [0x82] = op_refused,
    [0x83] = op_refused,  [0x84] = op_refused, [0x97] = op_refused,      [0x98] = op_refused,
};

static oc_status run(machine *m)
{
    for (int64_t steps = 0; !m->stopped; steps++) {
        m->op_at = m->at;
        if (steps >= MAX_STEPS)
            return BROKEN(m, "it has more than %lld instructions", (long long)MAX_STEPS);
        const unsigned char *op;
        OC_TRY(take(m, 1, &op));
        m->op = *op;
        if (!op_table[m->op])
            return BROKEN(m, "0x%02x is no instruction", m->op);
        OC_TRY(op_table[m->op](m));
    }
    return OC_OK;
}

oc_status oc_pk_run(const void *p, size_t n, const char *what, size_t *used, oc_pk **out,
                    oc_err *err)
{
    oc_pk *pk = oc_calloc(1, sizeof *pk);
    if (!pk)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    pk->what = what;
    machine m = {.p = p, .n = n, .pk = pk, .err = err};
    oc_status rc = run(&m);
    oc_free(m.stack);
    oc_free(m.mark);
    oc_free(m.memo);
    if (rc != OC_OK) {
        oc_pk_free(pk);
        return rc;
    }
    if (used)
        *used = m.at;
    *out = pk;
    return OC_OK;
}
