/* simd.h: the vector type of the fast kernels: four floats, and the few operations the language
 * lacks.
 *
 * It uses GCC's and Clang's vector extensions, so one source becomes SSE, wasm SIMD128, or plain
 * scalar code (the base wasm variant), with the same operations in the same order and hence the
 * same bits. Vectors have 128 bits only: wider ones would cut sums differently. An OFS_REAL_DOUBLE
 * build does not include it. */
#ifndef OFS_SIMD_H
#define OFS_SIMD_H

#include <stddef.h>
#include <stdint.h>

typedef float ofs_f4 __attribute__((vector_size(16)));
typedef uint32_t ofs_u4 __attribute__((vector_size(16)));
typedef int32_t ofs_i4 __attribute__((vector_size(16)));
/* ofs_f4_memory is an ofs_f4 in memory, at any float's address. */
typedef float ofs_f4_memory __attribute__((vector_size(16), aligned(4), may_alias));

#define OFS_INLINE static inline __attribute__((always_inline, unused))

OFS_INLINE ofs_f4 ofs_load4(const float *p) { return *(const ofs_f4_memory *)p; }
OFS_INLINE void ofs_store4(float *p, ofs_f4 v) { *(ofs_f4_memory *)p = v; }
OFS_INLINE ofs_f4 ofs_splat4(float x) { return (ofs_f4){x, x, x, x}; }
OFS_INLINE ofs_u4 ofs_usplat4(uint32_t x) { return (ofs_u4){x, x, x, x}; }

/* These load and store the first n < 4 elements; the rest of a loaded vector is zero. */
OFS_INLINE ofs_f4 ofs_load_part(const float *p, size_t n) {
  return (ofs_f4){n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, 0};
}
OFS_INLINE void ofs_store_part(float *p, ofs_f4 v, size_t n) {
  if (n > 0) p[0] = v[0];
  if (n > 1) p[1] = v[1];
  if (n > 2) p[2] = v[2];
}

/* Returns a where the mask's lane is all ones, b where it is zero. Comparisons give such masks. */
OFS_INLINE ofs_f4 ofs_select4(ofs_i4 mask, ofs_f4 a, ofs_f4 b) {
  return (ofs_f4)((mask & (ofs_i4)a) | (~mask & (ofs_i4)b));
}
OFS_INLINE ofs_f4 ofs_abs4(ofs_f4 x) { return (ofs_f4)((ofs_u4)x & ofs_usplat4(0x7fffffffu)); }
/* Returns |x| with the sign of `sign`; x is not negative. */
OFS_INLINE ofs_f4 ofs_sign4(ofs_f4 x, ofs_f4 sign) {
  return (ofs_f4)((ofs_u4)x | ((ofs_u4)sign & ofs_usplat4(0x80000000u)));
}

/* The square root is correctly rounded, as IEEE 754 demands, on every target. */
OFS_INLINE ofs_f4 ofs_sqrt4(ofs_f4 x) {
#if defined(__SSE__)
  return (ofs_f4)__builtin_ia32_sqrtps(x);
#elif defined(__wasm_simd128__)
  return (ofs_f4)__builtin_wasm_sqrt_f32x4(x);
#else
  return (ofs_f4){__builtin_sqrtf(x[0]), __builtin_sqrtf(x[1]), __builtin_sqrtf(x[2]),
                  __builtin_sqrtf(x[3])};
#endif
}

/* Returns acc + a * b: the product is rounded, then the sum. In a relaxed variant an engine may
 * round once (a fused multiply-add) or twice, as its processor likes: it is the only operation
 * whose bits differ between machines. */
OFS_INLINE ofs_f4 ofs_madd4(ofs_f4 acc, ofs_f4 a, ofs_f4 b) {
#if defined(OFS_RELAXED)
  return (ofs_f4)__builtin_wasm_relaxed_madd_f32x4(a, b, acc);
#else
  return acc + a * b;
#endif
}

/* Returns the sum of the four lanes, in the order that kernels.h fixes. */
OFS_INLINE float ofs_sum4(ofs_f4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }

#endif
