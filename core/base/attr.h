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

/* Before a loop of a few rounds whose number is known: it vanishes at any -O level but 0. */
#if defined(__clang__)
#    define OC_UNROLL _Pragma("clang loop unroll(full)")
#else
#    define OC_UNROLL _Pragma("GCC unroll 16")
#endif

#define OC_COUNT(a)  ((int)(sizeof(a) / sizeof((a)[0])))
#define OC_MIN(a, b) ((a) < (b) ? (a) : (b))
#define OC_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
