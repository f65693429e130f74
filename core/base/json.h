/*
 * core/base/json.h - JSON in and out (RFC 8259), over cJSON; the only file pair that knows cJSON.
 *
 * Reading is strict where cJSON is lax: invalid UTF-8, numbers such as 01, +1, 2. or .5, control
 * characters in strings, unknown escapes, trailing bytes and duplicate keys are refused, with line
 * and column. Nesting deeper than 500 is refused.
 */
#ifndef OC_BASE_JSON_H
#define OC_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"

typedef struct cJSON oc_json; /* opaque here */

/*
 * Parse text[0..n). `what` names the source in messages ("config.json").
 *   out  out  owned by the caller, free with oc_json_free()
 * Returns OC_OK, OC_NOMEM, OC_FORMAT ("config.json:3:14: ...").
 */
oc_status oc_json_parse(const char *text, size_t n, const char *what, oc_json **out,
                        oc_err *err) OC_NODISCARD;
oc_status oc_json_read_file(const char *path, size_t max_bytes, oc_json **out,
                            oc_err *err) OC_NODISCARD;
void oc_json_free(oc_json *j);

/* Type and value. All accept NULL (absent). Strings are borrowed from j. */
bool oc_json_is_object(const oc_json *j);
bool oc_json_is_array(const oc_json *j);
bool oc_json_is_string(const oc_json *j);
bool oc_json_is_number(const oc_json *j);
bool oc_json_is_bool(const oc_json *j);
bool oc_json_is_null(const oc_json *j); /* JSON null, not absence */
const char *oc_json_str(const oc_json *j, const char *otherwise);
double oc_json_num(const oc_json *j, double otherwise);
bool oc_json_bool(const oc_json *j, bool otherwise);
/* Whole number inside [lo, hi]; false otherwise. */
bool oc_json_i64(const oc_json *j, int64_t lo, int64_t hi, int64_t *out);

const oc_json *oc_json_get(const oc_json *object, const char *key); /* NULL when absent */
const oc_json *oc_json_first(const oc_json *object_or_array);       /* first child or NULL */
const oc_json *oc_json_next(const oc_json *child);                  /* next sibling or NULL */
const char *oc_json_key(const oc_json *child);                      /* its key; "" in arrays */
int64_t oc_json_count(const oc_json *object_or_array);

/*
 * Writing: straight into a buffer, in order, no tree. Commas are placed by the writer.
 *   oc_jw w = {.out = &buf};  oc_jw_open(&w, '{');  oc_jw_key(&w, "n");  oc_jw_i64(&w, 3);
 *   oc_jw_close(&w, '}');
 * Non-finite numbers are written as null unless `nonfinite_words` asks for "NaN" / "Infinity" /
 * "-Infinity" strings. `indent` > 0 gives indented output, one item a line.
 */
typedef struct oc_jw {
    oc_buf *out;
    int indent;
    bool nonfinite_words;
    int depth; /* private */
    bool comma, after_key;
} oc_jw;
void oc_jw_open(oc_jw *w, char bracket);  /* '{' or '[' */
void oc_jw_close(oc_jw *w, char bracket); /* '}' or ']' */
void oc_jw_key(oc_jw *w, const char *key);
void oc_jw_str(oc_jw *w, const char *s); /* invalid UTF-8 becomes U+FFFD; NULL writes null */
void oc_jw_strn(oc_jw *w, const char *s, size_t n);
void oc_jw_f64(oc_jw *w, double v); /* shortest form that reads back equal */
void oc_jw_f32(oc_jw *w, float v);  /* shortest form that reads back equal as float */
void oc_jw_i64(oc_jw *w, int64_t v);
void oc_jw_bool(oc_jw *w, bool v);
void oc_jw_null(oc_jw *w);
/* key + value in one call */
void oc_jw_kstr(oc_jw *w, const char *key, const char *s);
void oc_jw_kf64(oc_jw *w, const char *key, double v);
void oc_jw_ki64(oc_jw *w, const char *key, int64_t v);
void oc_jw_kbool(oc_jw *w, const char *key, bool v);

#endif
