/*
 * core/kernels/rows_neon.c - row kernels on NEON.
 */
#include "core/kernels/tables.h"

#ifdef OC_HAVE_NEON

#    include "core/kernels/vec_neon.h"

#    define OC__K(op) oc_k_##op##_neon
#    include "core/kernels/rows_8.h"

#endif
