/*
 * core/base/attr.h - compiler attributes under one set of names.
 */
#ifndef OC_BASE_ATTR_H
#define OC_BASE_ATTR_H

#define OC_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define OC_NODISCARD          __attribute__((warn_unused_result))
#define OC_NONNULL            __attribute__((nonnull))
#define OC_UNUSED             __attribute__((unused))
#define OC_NORETURN           __attribute__((noreturn))

#define OC_COUNT(a)  ((int)(sizeof(a) / sizeof((a)[0])))
#define OC_MIN(a, b) ((a) < (b) ? (a) : (b))
#define OC_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
