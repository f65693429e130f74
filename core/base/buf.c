#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"

/* Room for n more bytes and the NUL; false (and failed) when there is none. */
static bool reserve(oc_buf *b, size_t n)
{
    if (b->failed)
        return false;
    if (n > SIZE_MAX / 4 || oc_grow(&b->data, &b->cap, b->len + n + 1, 1, NULL) != OC_OK) {
        b->failed = true;
        return false;
    }
    return true;
}

void oc_buf_add(oc_buf *b, const void *bytes, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = 0;
}

void oc_buf_str(oc_buf *b, const char *s)
{
    oc_buf_add(b, s, strlen(s));
}

void oc_buf_ch(oc_buf *b, char c)
{
    oc_buf_add(b, &c, 1);
}

void oc_buf_fmt(oc_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !reserve(b, (size_t)n)) {
        b->failed = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void oc_buf_utf8(oc_buf *b, uint32_t codepoint)
{
    char s[4];
    oc_buf_add(b, s, (size_t)oc_utf8_encode(codepoint, s));
}

void oc_buf_clear(oc_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = 0;
}

void oc_buf_release(oc_buf *b)
{
    oc_free(b->data);
    *b = (oc_buf){0};
}

const char *oc_buf_cstr(const oc_buf *b)
{
    return b->data ? b->data : "";
}

char *oc_buf_take(oc_buf *b)
{
    char *p = NULL;
    if (!b->failed)
        p = b->data ? b->data : oc_strdup("");
    else
        oc_free(b->data);
    *b = (oc_buf){0};
    return p;
}

oc_status oc_buf_check(const oc_buf *b, oc_err *err)
{
    return b->failed ? OC_FAIL(err, OC_NOMEM, "out of memory (a text of %zu bytes)", b->len)
                     : OC_OK;
}
