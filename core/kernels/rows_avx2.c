/*
 * core/kernels/rows_avx2.c - row kernels on AVX2 and FMA.
 */
#include "core/kernels/tables.h"

#if OC__X86

#    include "core/kernels/vec_avx2.h"

#    define OC__K(op) oc_k_##op##_avx2
#    include "core/kernels/rows_8.h"

#endif
