/*
 * core/kernels/tile_f32_neon.c - f32 register tile on NEON.
 *
 * Eight floats are two registers here: 24 accumulators, four registers of B and at least one of A,
 * whose elements are multiplied from their lane: 29 or more of 32.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_NEON

#    include "core/kernels/vec_neon.h"

#    define OC__K(op) oc_k_##op##_neon
#    include "core/kernels/tile_f32_8.h"

static_assert(MR == OC__NEON_MR && NR == OC__NEON_NR, "the tile of tables.h");

#endif
