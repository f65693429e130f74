/*
 * core/base/buf.h - a growing byte buffer, always NUL-terminated after `len`.
 *
 * Appends never return an error: the first failed allocation sets `failed` and later appends do
 * nothing, so that a writer checks once at its end (oc_buf_check). Zero-initialize: oc_buf b = {0}.
 */
#ifndef OC_BASE_BUF_H
#define OC_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

typedef struct oc_buf {
    char *data; /* owned; NULL until the first append */
    size_t len, cap;
    bool failed;
} oc_buf;

void oc_buf_add(oc_buf *b, const void *bytes, size_t n);
void oc_buf_str(oc_buf *b, const char *s);
void oc_buf_ch(oc_buf *b, char c);
void oc_buf_fmt(oc_buf *b, const char *fmt, ...) OC_PRINTF(2, 3);
void oc_buf_utf8(oc_buf *b, uint32_t codepoint);
void oc_buf_clear(oc_buf *b);             /* keeps the memory */
void oc_buf_release(oc_buf *b);           /* frees, back to {0} */
const char *oc_buf_cstr(const oc_buf *b); /* "" when empty; borrowed until the next append */
char *oc_buf_take(oc_buf *b);             /* caller owns (oc_free); NULL if failed */
oc_status oc_buf_check(const oc_buf *b,
                       oc_err *err) OC_NODISCARD; /* OC_NOMEM if an append failed */

#endif
