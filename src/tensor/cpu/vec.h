/* vec.h - which instructions a function may use.
 *
 * A function marked LEVEL_... runs only after tensor_level() allowed it, so one
 * program serves every processor without compiler flags. */
#ifndef TENSOR_CPU_VEC_H
#define TENSOR_CPU_VEC_H

/* Before a loop over accumulators whose count is constant once inlined: they
 * only stay in registers when it is unrolled, and -O2 alone does not. */
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__) || defined(VEC_PLAIN_LOOPS)
#define UNROLL           /* checks on every access make unrolled code endless */
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#define LEVEL_AVX2 __attribute__((target("avx2,fma,f16c")))
#define LEVEL_AVX512 \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define INLINE_AVX2 static inline __attribute__((always_inline)) LEVEL_AVX2
#define INLINE_AVX512 static inline __attribute__((always_inline)) LEVEL_AVX512
#endif

#endif
