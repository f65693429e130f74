/*
 * core/kernels/select.c - which table of kernels this CPU gets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#    include <cpuid.h>
#endif
#if defined(__linux__)
#    include <sys/syscall.h>
#    include <unistd.h>
#endif
#if defined(OC_HAVE_NEON) && defined(__linux__)
#    include <sys/auxv.h>
#endif

#include "core/kernels/tables.h"

static const oc_kernels table_ref = OC__KERNEL_TABLE(ref, REF, .gemm_f32_few = NULL);
#if OC__X86
static const oc_kernels table_avx2 =
    OC__KERNEL_TABLE(avx2, AVX2, OC__KERNEL_FEW(avx2), OC__KERNEL_S8_7(avx2));
#endif
#ifdef OC_HAVE_AVXVNNI
static const oc_kernels table_avxvnni =
    OC__KERNEL_TABLE_S8(avxvnni, AVXVNNI, avx2, AVX2, OC__KERNEL_FEW(avx2));
#endif
#ifdef OC_HAVE_AVX512VNNI
static const oc_kernels table_avx512vnni =
    OC__KERNEL_TABLE(avx512vnni, AVX512VNNI, OC__KERNEL_FEW(avx512vnni));
#endif
#ifdef OC_HAVE_AMX
static const oc_kernels table_amx = OC__KERNEL_TABLE_S8(
    amx, AMX, avx512vnni, AVX512VNNI, OC__KERNEL_FEW(avx512vnni),
    .gemm_s8_piece = oc_k_gemm_s8_piece_amx, .begin_tiles = oc_k_begin_tiles_amx,
    .end_tiles = oc_k_end_tiles_amx, .x6_split_rows = oc_k_x6_split_rows_amx,
    .x6_split_columns = oc_k_x6_split_columns_amx, .x6_tile = oc_k_x6_tile_amx);
#endif
#ifdef OC_HAVE_NEON
static const oc_kernels table_neon = OC__KERNEL_TABLE(neon, NEON, OC__KERNEL_FEW(neon));
#endif

const oc_kernels *oc_k;

static const char *const isa_names[OC_N_ISAS] = {
    [OC_ISA_REF] = "ref",         [OC_ISA_AVX2] = "avx2",
    [OC_ISA_AVXVNNI] = "avxvnni", [OC_ISA_AVX512VNNI] = "avx512vnni",
    [OC_ISA_AMX] = "amx",         [OC_ISA_NEON] = "neon"};

const char *oc_isa_name(oc_isa isa)
{
    return (unsigned)isa < OC_N_ISAS ? isa_names[isa] : "?";
}

#if OC__X86
/* Looks at the CPU and at whether the system keeps the wide registers. */
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avxvnni(void)
{
    unsigned a, b, c, d;
    return has_avx2() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && a >= 1 &&
           __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1U << 4));
}
#endif

#ifdef OC_HAVE_AVX512VNNI
/* What FLAGS_avx512vnni of the Makefile lets the compiler use. */
static bool has_avx512vnni(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
}
#endif

#if defined(OC_HAVE_AMX) && defined(__linux__)
/* The CPU has it and the system lets this process keep tiles: Linux wants to be asked, once. */
static bool has_amx(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; // ARCH_REQ_XCOMP_PERM
    unsigned a, b, c, d;
    if (!has_avx512vnni() || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return false;
    bool tiles = d & (1U << 24), int8 = d & (1U << 25), bf16 = d & (1U << 22);
    return tiles && int8 && bf16 && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#elif defined(OC_HAVE_AMX)
static bool has_amx(void)
{
    return false;
}
#endif

#if defined(OC_HAVE_NEON) && defined(__linux__)
/* Dot products of bytes; whatever else FLAGS_neon lets the compiler use is older than these. */
static bool has_neon(void)
{
    return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
}
#elif defined(OC_HAVE_NEON)
static bool has_neon(void)
{
    return false;
}
#endif

const oc_kernels *oc_kernels_for(oc_isa isa)
{
    if (isa == OC_ISA_REF)
        return &table_ref;
#if OC__X86
    if (isa == OC_ISA_AVX2 && has_avx2())
        return &table_avx2;
#endif
#ifdef OC_HAVE_AVXVNNI
    if (isa == OC_ISA_AVXVNNI && has_avxvnni())
        return &table_avxvnni;
#endif
#ifdef OC_HAVE_AVX512VNNI
    if (isa == OC_ISA_AVX512VNNI && has_avx512vnni())
        return &table_avx512vnni;
#endif
#ifdef OC_HAVE_AMX
    if (isa == OC_ISA_AMX && has_amx())
        return &table_amx;
#endif
#ifdef OC_HAVE_NEON
    if (isa == OC_ISA_NEON && has_neon())
        return &table_neon;
#endif
    return NULL;
}

oc_status oc_kernels_select(oc_err *err)
{
    const char *wish = getenv("OPTIMCLM_ISA");
    if (!wish || !*wish) {
        for (int isa = OC_N_ISAS - 1; isa >= 0; isa--) {
            const oc_kernels *k = oc_kernels_for((oc_isa)isa);
            if (k) {
                oc_k = k;
                return OC_OK;
            }
        }
    }
    for (int isa = 0; wish && isa < OC_N_ISAS; isa++) {
        if (strcmp(wish, isa_names[isa]) != 0)
            continue;
        const oc_kernels *k = oc_kernels_for((oc_isa)isa);
        if (!k)
            return OC_FAIL(err, OC_UNSUPPORTED, "OPTIMCLM_ISA=%s: this CPU cannot run it", wish);
        oc_k = k;
        return OC_OK;
    }
    char known[64] = "";
    for (int isa = 0; isa < OC_N_ISAS; isa++) {
        size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, "%s%s", isa ? ", " : "", isa_names[isa]);
    }
    return OC_FAIL(err, OC_UNSUPPORTED, "OPTIMCLM_ISA=%s: unknown, expected one of %s", wish,
                   known);
}

#if OC__X86

/* The 48 bytes of the CPU's own name, blanks trimmed. */
static void cpu_brand(char out[49])
{
    unsigned r[12] = {0};
    if ((unsigned)__get_cpuid_max(0x80000000U, NULL) >= 0x80000004U)
        for (unsigned i = 0; i < 3; i++)
            __get_cpuid(0x80000002U + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
    char raw[49] = {0};
    memcpy(raw, r, 48);
    const char *s = raw + strspn(raw, " ");
    size_t n = strlen(s);
    while (n > 0 && s[n - 1] == ' ')
        n--;
    snprintf(out, 49, "%.*s", (int)n, n ? s : "");
}

void oc_cpu_describe(char *out, size_t n)
{
    char brand[49], flags[96] = "";
    cpu_brand(brand);
    const struct {
        const char *name;
        bool has;
    } f[] = {
        {"avx2", __builtin_cpu_supports("avx2")},
        {"fma", __builtin_cpu_supports("fma")},
        {"avx_vnni", has_avxvnni()},
        {"avx512f", __builtin_cpu_supports("avx512f")},
        {"avx512_vnni", __builtin_cpu_supports("avx512vnni")},
        {"amx_int8", oc_kernels_for(OC_ISA_AMX) != NULL},
    };
    size_t at = 0;
    for (size_t i = 0; i < sizeof f / sizeof f[0]; i++)
        if (f[i].has)
            at += (size_t)snprintf(flags + at, sizeof flags - at, "%s%s", at ? " " : "", f[i].name);
    snprintf(out, n, "%s (%s)", brand[0] ? brand : "x86-64 CPU", at ? flags : "no avx2");
}

#else

void oc_cpu_describe(char *out, size_t n)
{
#    if defined(__aarch64__)
    snprintf(out, n, "64-bit ARM CPU (%s)",
             oc_kernels_for(OC_ISA_NEON) ? "asimddp" : "reference kernels");
#    else
    snprintf(out, n, "CPU (reference kernels)");
#    endif
}

#endif
