/*
 * core/kernels/tile_f32_avx2.c - f32 register tile on AVX2 and FMA.
 *
 * Twelve accumulators, two registers of B, one broadcast of A: fifteen of sixteen registers.
 */
#include "core/kernels/tables.h"

#if OC__X86

#    include "core/kernels/vec_avx2.h"

#    define OC__K(op) oc_k_##op##_avx2
#    include "core/kernels/tile_f32_8.h"

static_assert(MR == OC__AVX2_MR && NR == OC__AVX2_NR, "the tile of tables.h");

#endif
