/*
 * tests/bench/peak.h - what this CPU's multipliers do when nothing else is asked of them: loops over
 * registers alone, the most a matrix product of that kind could reach.
 *
 * Written in assembly so that no flag is needed and nothing is moved or merged. Twelve independent
 * sums cover the latency of two units. Call only what the CPU has.
 */
#ifndef OC_TESTS_BENCH_PEAK_H
#define OC_TESTS_BENCH_PEAK_H

#include <stdint.h>

#include "core/base/clock.h"
#include "core/base/par.h"
#include "core/kernels/kernels.h"

typedef struct oc_peak {
    void (*loop)(int64_t rounds);
    double ops; /* of a round */
} oc_peak;

#if defined(__x86_64__)

/* n rounds of twelve instructions each: operands "x, y, sum". */
#    define OC_PEAK_LOOP(name, insn, r)                                                          \
        static inline void name(int64_t n)                                                       \
        {                                                                                        \
            __asm__ volatile("vzeroall\n1:\n\t" insn " " r "14, " r "15, " r "0\n\t" insn " " r  \
                             "14, " r "15, " r "1\n\t" insn " " r "14, " r "15, " r "2\n\t" insn \
                             " " r "14, " r "15, " r "3\n\t" insn " " r "14, " r "15, " r        \
                             "4\n\t" insn " " r "14, " r "15, " r "5\n\t" insn " " r "14, " r    \
                             "15, " r "6\n\t" insn " " r "14, " r "15, " r "7\n\t" insn " " r    \
                             "14, " r "15, " r "8\n\t" insn " " r "14, " r "15, " r "9\n\t" insn \
                             " " r "14, " r "15, " r "10\n\t" insn " " r "14, " r "15, " r       \
                             "11\n\tdec %0\n\tjnz 1b\n\tvzeroupper"                              \
                             : "+r"(n)                                                           \
                             :                                                                   \
                             : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",     \
                               "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",       \
                               "xmm14", "xmm15", "xmm12", "xmm13", "xmm14", "xmm15");            \
        }
OC_PEAK_LOOP(oc_peak_fma_256, "vfmadd231ps", "%%ymm")
OC_PEAK_LOOP(oc_peak_fma_512, "vfmadd231ps", "%%zmm")
OC_PEAK_LOOP(oc_peak_dp_512, "vpdpbusd", "%%zmm")
#    ifdef OC_HAVE_AVXVNNI
OC_PEAK_LOOP(oc_peak_dp_256, "%{vex%} vpdpbusd", "%%ymm")
#    endif
#    undef OC_PEAK_LOOP

/* Four rounds of: multiply pairs of bytes, add pairs of words, add to a sum. A product of signed
 * bytes needs one instruction more, to move the sign: on CPUs with three vector ports that alone
 * takes its limit to about 80 % of this (measured 144 of 175 GOP/s). */
static inline void oc_peak_madd_256(int64_t n)
{
    __asm__ volatile(
        "vzeroall\n1:\n\t"
        "vpmaddubsw %%ymm14, %%ymm15, %%ymm4\n\tvpmaddubsw %%ymm14, %%ymm15, %%ymm5\n\t"
        "vpmaddubsw %%ymm14, %%ymm15, %%ymm6\n\tvpmaddubsw %%ymm14, %%ymm15, %%ymm7\n\t"
        "vpmaddwd %%ymm4, %%ymm13, %%ymm8\n\tvpmaddwd %%ymm5, %%ymm13, %%ymm9\n\t"
        "vpmaddwd %%ymm6, %%ymm13, %%ymm10\n\tvpmaddwd %%ymm7, %%ymm13, %%ymm11\n\t"
        "vpaddd %%ymm8, %%ymm0, %%ymm0\n\tvpaddd %%ymm9, %%ymm1, %%ymm1\n\t"
        "vpaddd %%ymm10, %%ymm2, %%ymm2\n\tvpaddd %%ymm11, %%ymm3, %%ymm3\n\t"
        "dec %0\n\tjnz 1b\n\tvzeroupper"
        : "+r"(n)
        :
        : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
          "xmm10", "xmm11");
}

/* Four tile products a round, of numbers of all sizes: tiles of zeros go through a quarter faster,
 * since the clock falls with the work done (measured 6.0 against 4.7 TOP/s). */
static inline void oc_peak_amx(int64_t n)
{
    uint8_t tile[1024];
    for (int i = 0; i < 1024; i++)
        tile[i] = (uint8_t)(i * 101 + i / 64 * 29);
    __asm__ volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\t"
                     "tilezero %%tmm3\n\ttileloadd (%1,%2,1), %%tmm4\n\ttileloadd (%1,%2,1), "
                     "%%tmm5\n\ttileloadd (%1,%2,1), %%tmm6\n\ttileloadd (%1,%2,1), %%tmm7\n"
                     "1:\n\ttdpbssd %%tmm6, %%tmm4, %%tmm0\n\ttdpbssd %%tmm7, %%tmm4, %%tmm1\n\t"
                     "tdpbssd %%tmm6, %%tmm5, %%tmm2\n\ttdpbssd %%tmm7, %%tmm5, %%tmm3\n\t"
                     "dec %0\n\tjnz 1b"
                     : "+r"(n)
                     : "r"(tile), "r"((int64_t)64)
                     : "cc", "memory");
}

/* The loop of an ISA's f32 or int8 products; loop NULL: it has none. */
static inline oc_peak oc_peak_of(oc_isa isa, bool s8)
{
    if (!s8) {
        if (isa == OC_ISA_AVX2 || isa == OC_ISA_AVXVNNI)
            return (oc_peak){oc_peak_fma_256, 12 * 16};
        return isa >= OC_ISA_AVX512VNNI ? (oc_peak){oc_peak_fma_512, 12 * 32} : (oc_peak){0};
    }
    if (isa == OC_ISA_AVX2)
        return (oc_peak){oc_peak_madd_256, 4 * 64};
#    ifdef OC_HAVE_AVXVNNI
    if (isa == OC_ISA_AVXVNNI)
        return (oc_peak){oc_peak_dp_256, 12 * 64};
#    endif
    if (isa == OC_ISA_AMX)
        return (oc_peak){oc_peak_amx, 4 * 32768};
    return isa == OC_ISA_AVX512VNNI ? (oc_peak){oc_peak_dp_512, 12 * 128} : (oc_peak){0};
}

#else

static inline oc_peak oc_peak_of(oc_isa isa, bool s8)
{
    (void)isa;
    (void)s8;
    return (oc_peak){0};
}

#endif

enum { OC_PEAK_ROUNDS = 20000 };

static inline void oc_peak_piece(void *ctx, int64_t begin, int64_t end, int worker)
{
    const oc_peak *p = ctx;
    (void)worker;
    if (oc_k->begin_tiles)
        oc_k->begin_tiles();
    p->loop(OC_PEAK_ROUNDS * (end - begin));
    if (oc_k->end_tiles)
        oc_k->end_tiles();
}

/* 1e9 operations per second of all workers at once (a multiply-add counts two), best of three short
 * runs; 0 where there is no loop. oc_k: a table of that ISA. */
static inline double oc_peak_rate(oc_peak p)
{
    double best = 0.0;
    const int workers = oc_par_workers();
    for (int i = 0; p.loop && i < 3; i++) {
        int64_t t = oc_now_ns();
        oc_par_for(workers, 1, oc_peak_piece, &p);
        t = oc_now_ns() - t;
        double rate = p.ops * OC_PEAK_ROUNDS * workers / (double)(t > 0 ? t : 1);
        best = rate > best ? rate : best;
    }
    return best;
}

#endif
