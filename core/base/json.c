#include "core/base/json.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "core/base/alloc.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/str.h"

/*
 * cJSON reads more than JSON, so the text is checked against the grammar of RFC 8259 first; cJSON
 * then builds the tree from text known to be good.
 */
enum { MAX_DEPTH = 500 };

typedef struct scan {
    const char *s;
    size_t n, i;
    const char *why; /* what was wrong at i */
} scan;

static bool bad(scan *c, const char *why)
{
    if (!c->why)
        c->why = why;
    return false;
}

static void blanks(scan *c)
{
    size_t i = c->i;
    while (i < c->n && (c->s[i] == ' ' || c->s[i] == '\n' || c->s[i] == '\r' || c->s[i] == '\t'))
        i++;
    c->i = i;
}

static int peek(const scan *c)
{
    return c->i < c->n ? (unsigned char)c->s[c->i] : -1;
}

static bool is_digit(int ch)
{
    return ch >= '0' && ch <= '9';
}

static bool hex4(scan *c, uint32_t *v)
{
    *v = 0;
    for (int k = 0; k < 4; k++, c->i++) {
        int ch = peek(c);
        int d = is_digit(ch)             ? ch - '0'
                : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                         : -1;
        if (d < 0)
            return bad(c, "four hexadecimal digits expected after \\u");
        *v = *v << 4 | (uint32_t)d;
    }
    return true;
}

static bool escape(scan *c)
{
    c->i++;
    int ch = peek(c);
    if (ch != 'u') {
        if (ch <= 0 || !strchr("\"\\/bfnrt", ch))
            return bad(c, "unknown escape in a string");
        c->i++;
        return true;
    }
    c->i++;
    uint32_t v;
    if (!hex4(c, &v))
        return false;
    if (v >= 0xdc00 && v < 0xe000)
        return bad(c, "second half of a surrogate pair without the first");
    if (v >= 0xd800 && v < 0xdc00) {
        if (c->i + 1 >= c->n || c->s[c->i] != '\\' || c->s[c->i + 1] != 'u')
            return bad(c, "first half of a surrogate pair without the second");
        c->i += 2;
        if (!hex4(c, &v))
            return false;
        if (v < 0xdc00 || v >= 0xe000)
            return bad(c, "first half of a surrogate pair without the second");
    }
    // cJSON strings are C strings.
    return v != 0 || bad(c, "\\u0000 is not supported in strings");
}

static bool string(scan *c)
{
    c->i++;
    for (;;) {
        int ch = peek(c);
        if (ch < 0)
            return bad(c, "unterminated string");
        if (ch == '"') {
            c->i++;
            return true;
        }
        if (ch < 0x20)
            return bad(c, "control character in a string");
        if (ch == '\\') {
            if (!escape(c))
                return false;
        } else if (ch < 0x80) {
            c->i++;
        } else {
            uint32_t cp;
            int k = oc_utf8_decode(c->s + c->i, c->n - c->i, &cp);
            if (k == 1)
                return bad(c, "invalid UTF-8");
            c->i += (size_t)k;
        }
    }
}

static bool digits(scan *c)
{
    if (!is_digit(peek(c)))
        return bad(c, "digit expected");
    while (is_digit(peek(c)))
        c->i++;
    return true;
}

static bool number(scan *c)
{
    if (peek(c) == '-')
        c->i++;
    if (peek(c) == '0')
        c->i++;
    else if (!digits(c))
        return false;
    if (peek(c) == '.') {
        c->i++;
        if (!digits(c))
            return false;
    }
    if (peek(c) == 'e' || peek(c) == 'E') {
        c->i++;
        if (peek(c) == '+' || peek(c) == '-')
            c->i++;
        if (!digits(c))
            return false;
    }
    return !is_digit(peek(c)) || bad(c, "a number must not start with 0");
}

static bool word(scan *c, const char *w)
{
    size_t k = strlen(w);
    if (c->n - c->i < k || memcmp(c->s + c->i, w, k) != 0)
        return bad(c, "value expected");
    c->i += k;
    return true;
}

static bool value(scan *c, int depth);

static bool container(scan *c, int depth, char close)
{
    c->i++;
    blanks(c);
    if (peek(c) == close) {
        c->i++;
        return true;
    }
    for (;;) {
        blanks(c);
        if (close == '}') {
            if (peek(c) != '"')
                return bad(c, "key in quotes expected");
            if (!string(c))
                return false;
            blanks(c);
            if (peek(c) != ':')
                return bad(c, "':' expected");
            c->i++;
        }
        if (!value(c, depth + 1))
            return false;
        blanks(c);
        if (peek(c) == close) {
            c->i++;
            return true;
        }
        if (peek(c) != ',')
            return bad(c, close == '}' ? "',' or '}' expected" : "',' or ']' expected");
        c->i++;
    }
}

static bool value(scan *c, int depth)
{
    if (depth > MAX_DEPTH)
        return bad(c, "nested deeper than 500");
    blanks(c);
    int ch = peek(c);
    if (ch == '{' || ch == '[')
        return container(c, depth, ch == '{' ? '}' : ']');
    if (ch == '"')
        return string(c);
    if (ch == '-' || is_digit(ch))
        return number(c);
    if (ch == 't')
        return word(c, "true");
    if (ch == 'f')
        return word(c, "false");
    if (ch == 'n')
        return word(c, "null");
    return bad(c, c->i >= c->n ? "the text ends where a value is expected" : "value expected");
}

static oc_status at(const scan *c, const char *what, oc_err *err)
{
    int64_t line = 1, col = 1;
    for (size_t k = 0; k < c->i && k < c->n; k++) {
        col = c->s[k] == '\n' ? 1 : col + 1;
        line += c->s[k] == '\n';
    }
    return OC_FAIL(err, OC_FORMAT, "%s:%lld:%lld: not JSON: %s", what, (long long)line,
                   (long long)col, c->why);
}

static oc_status there_twice(const char *what, const char *key, oc_err *err)
{
    return OC_FAIL(err, OC_FORMAT, "%s: the key \"%.100s\" is there twice", what, key);
}

/* Duplicate keys make two readers disagree: refused. Hashed, since a vocabulary has 30,000 keys. */
static oc_status check_keys(const cJSON *j, const char *what, oc_err *err)
{
    for (const cJSON *a = j->child; a; a = a->next)
        if (a->child)
            OC_TRY(check_keys(a, what, err));
    size_t n = cJSON_IsObject(j) ? (size_t)cJSON_GetArraySize(j) : 0, slots = 4;
    if (n < 2)
        return OC_OK;
    while (slots < 2 * n)
        slots *= 2;
    const char **slot = oc_calloc(slots, sizeof *slot);
    if (!slot)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    oc_status rc = OC_OK;
    for (const cJSON *a = j->child; a && rc == OC_OK; a = a->next) {
        size_t i = oc_hash64(a->string, strlen(a->string)) & (slots - 1);
        for (; slot[i] && rc == OC_OK; i = (i + 1) & (slots - 1))
            if (!strcmp(slot[i], a->string))
                rc = there_twice(what, a->string, err);
        slot[i] = a->string;
    }
    oc_free(slot);
    return rc;
}

/* cJSON allocates through oc_alloc from the first call on. */
static void set_hooks(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = oc_alloc, .free_fn = oc_free});
}

oc_status oc_json_parse(const char *text, size_t n, const char *what, oc_json **out, oc_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_hooks);
    scan c = {.s = text, .n = n};
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        c.why = "a byte order mark comes first; save the file as UTF-8 without one";
        return at(&c, what, err);
    }
    bool ok = value(&c, 0);
    if (ok) {
        blanks(&c);
        if (c.i < n)
            ok = bad(&c, "something follows the value");
    }
    if (!ok)
        return at(&c, what, err);
    cJSON *j = cJSON_ParseWithLength(text, n);
    if (!j)
        return OC_FAIL(err, OC_NOMEM, "out of memory reading %s", what);
    oc_status rc = check_keys(j, what, err);
    if (rc != OC_OK) {
        cJSON_Delete(j);
        return rc;
    }
    *out = j;
    return OC_OK;
}

oc_status oc_json_read_file(const char *path, size_t max_bytes, oc_json **out, oc_err *err)
{
    char *text;
    size_t n;
    OC_TRY(oc_file_read(path, max_bytes, &text, &n, err));
    oc_status rc = oc_json_parse(text, n, path, out, err);
    oc_free(text);
    return rc;
}

void oc_json_free(oc_json *j)
{
    cJSON_Delete(j);
}

bool oc_json_is_object(const oc_json *j)
{
    return cJSON_IsObject(j);
}
bool oc_json_is_array(const oc_json *j)
{
    return cJSON_IsArray(j);
}
bool oc_json_is_string(const oc_json *j)
{
    return cJSON_IsString(j);
}
bool oc_json_is_number(const oc_json *j)
{
    return cJSON_IsNumber(j);
}
bool oc_json_is_bool(const oc_json *j)
{
    return cJSON_IsBool(j);
}
bool oc_json_is_null(const oc_json *j)
{
    return cJSON_IsNull(j);
}

const char *oc_json_str(const oc_json *j, const char *otherwise)
{
    return cJSON_IsString(j) ? j->valuestring : otherwise;
}

double oc_json_num(const oc_json *j, double otherwise)
{
    return cJSON_IsNumber(j) ? j->valuedouble : otherwise;
}

bool oc_json_bool(const oc_json *j, bool otherwise)
{
    return cJSON_IsBool(j) ? cJSON_IsTrue(j) : otherwise;
}

bool oc_json_i64(const oc_json *j, int64_t lo, int64_t hi, int64_t *out)
{
    if (!cJSON_IsNumber(j))
        return false;
    double v = j->valuedouble;
    // Beyond 2^53 a double no longer tells whole numbers apart.
    if (!(fabs(v) <= 9007199254740992.0) || v != floor(v) || v < (double)lo || v > (double)hi)
        return false;
    *out = (int64_t)v;
    return true;
}

const oc_json *oc_json_get(const oc_json *object, const char *key)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

const oc_json *oc_json_first(const oc_json *j)
{
    return j ? j->child : NULL;
}
const oc_json *oc_json_next(const oc_json *child)
{
    return child->next;
}
const char *oc_json_key(const oc_json *child)
{
    return child->string ? child->string : "";
}
int64_t oc_json_count(const oc_json *j)
{
    return j ? cJSON_GetArraySize(j) : 0;
}

/* Before any value or key: comma and, when indenting, a new line. */
static void lead(oc_jw *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->comma)
        oc_buf_ch(w->out, ',');
    if (w->indent > 0 && w->depth > 0) {
        oc_buf_ch(w->out, '\n');
        for (int i = 0; i < w->indent * w->depth; i++)
            oc_buf_ch(w->out, ' ');
    } else if (w->comma) {
        oc_buf_ch(w->out, ' ');
    }
    w->comma = true;
}

void oc_jw_open(oc_jw *w, char bracket)
{
    lead(w);
    oc_buf_ch(w->out, bracket);
    w->depth++;
    w->comma = false;
}

void oc_jw_close(oc_jw *w, char bracket)
{
    w->depth--;
    if (w->indent > 0 && w->comma) {
        oc_buf_ch(w->out, '\n');
        for (int i = 0; i < w->indent * w->depth; i++)
            oc_buf_ch(w->out, ' ');
    }
    oc_buf_ch(w->out, bracket);
    w->comma = true;
}

void oc_jw_key(oc_jw *w, const char *key)
{
    oc_jw_str(w, key);
    oc_buf_str(w->out, ": ");
    w->after_key = true;
}

void oc_jw_strn(oc_jw *w, const char *s, size_t n)
{
    lead(w);
    oc_buf *b = w->out;
    oc_buf_ch(b, '"');
    for (size_t i = 0; i < n;) {
        unsigned char ch = (unsigned char)s[i];
        if (ch >= 0x80) {
            uint32_t cp;
            i += (size_t)oc_utf8_decode(s + i, n - i, &cp);
            oc_buf_utf8(b, cp);
            continue;
        }
        if (ch == '"' || ch == '\\')
            oc_buf_fmt(b, "\\%c", ch);
        else if (ch == '\n')
            oc_buf_str(b, "\\n");
        else if (ch == '\t')
            oc_buf_str(b, "\\t");
        else if (ch < 0x20 || ch == 0x7f)
            oc_buf_fmt(b, "\\u%04x", ch);
        else
            oc_buf_ch(b, (char)ch);
        i++;
    }
    oc_buf_ch(b, '"');
}

void oc_jw_str(oc_jw *w, const char *s)
{
    if (s)
        oc_jw_strn(w, s, strlen(s));
    else
        oc_jw_null(w);
}

/* True when v was not finite and has been written. */
static bool nonfinite(oc_jw *w, double v)
{
    if (isfinite(v))
        return false;
    char t[32];
    oc_fmt_f64(t, v);
    if (w->nonfinite_words)
        oc_jw_str(w, t);
    else
        oc_jw_null(w);
    return true;
}

void oc_jw_f64(oc_jw *w, double v)
{
    if (nonfinite(w, v))
        return;
    char t[32];
    oc_fmt_f64(t, v);
    lead(w);
    oc_buf_str(w->out, t);
}

void oc_jw_f32(oc_jw *w, float v)
{
    if (nonfinite(w, (double)v))
        return;
    char t[32];
    for (int digits_n = 1; digits_n <= 9; digits_n++) {
        snprintf(t, sizeof t, "%.*g", digits_n, (double)v);
        if (strtof(t, NULL) == v)
            break;
    }
    lead(w);
    oc_buf_str(w->out, t);
}

void oc_jw_i64(oc_jw *w, int64_t v)
{
    lead(w);
    oc_buf_fmt(w->out, "%lld", (long long)v);
}

void oc_jw_bool(oc_jw *w, bool v)
{
    lead(w);
    oc_buf_str(w->out, v ? "true" : "false");
}

void oc_jw_null(oc_jw *w)
{
    lead(w);
    oc_buf_str(w->out, "null");
}

void oc_jw_kstr(oc_jw *w, const char *key, const char *s)
{
    oc_jw_key(w, key);
    oc_jw_str(w, s);
}

void oc_jw_kf64(oc_jw *w, const char *key, double v)
{
    oc_jw_key(w, key);
    oc_jw_f64(w, v);
}

void oc_jw_ki64(oc_jw *w, const char *key, int64_t v)
{
    oc_jw_key(w, key);
    oc_jw_i64(w, v);
}

void oc_jw_kbool(oc_jw *w, const char *key, bool v)
{
    oc_jw_key(w, key);
    oc_jw_bool(w, v);
}
