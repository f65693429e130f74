/*
 * core/text/unicode.h - the character questions BERT asks, answered by utf8proc.
 * Source: google-research/bert tokenization.py (_is_whitespace, _is_control, _is_punctuation,
 * _is_chinese_char, _run_strip_accents).
 */
#ifndef OC_TEXT_UNICODE_H
#define OC_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

bool oc_u_is_space(uint32_t cp);   /* space \t \n \r, category Zs */
bool oc_u_is_control(uint32_t cp); /* categories C*, except \t \n \r */
bool oc_u_is_punct(uint32_t cp);   /* ASCII 33-47 58-64 91-96 123-126, categories P* */
bool oc_u_is_cjk(uint32_t cp);     /* the CJK blocks BERT splits on */
bool oc_u_is_upper(uint32_t cp);
uint32_t oc_u_lower(uint32_t cp); /* simple mapping; cp itself when it has none */

/* Append s lower-cased, NFD-normalized, without combining marks (Mn). */
void oc_u_fold(const char *s, size_t n, oc_buf *out);

/* Columns a code point takes on a terminal: 0, 1 or 2. */
int oc_u_width(uint32_t cp);

#endif
