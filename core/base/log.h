/*
 * core/base/log.h - diagnostics that are not events: one line each to a sink set once by main.
 * Default sink: none. Never note text. Threads: any.
 */
#ifndef OC_BASE_LOG_H
#define OC_BASE_LOG_H

#include "core/base/attr.h"

typedef enum { OC_LOG_DEBUG, OC_LOG_INFO, OC_LOG_WARN, OC_LOG_ERROR } oc_log_level;

typedef void (*oc_log_fn)(void *ctx, oc_log_level level, const char *line);
void oc_log_set(oc_log_fn fn, void *ctx); /* before threads start */
void oc_log(oc_log_level level, const char *fmt, ...) OC_PRINTF(2, 3);

#endif
