/* maths.h: exp, log, tanh and their kin, the core's own, so that every target gives the same bits.
 *
 * Each function is written once, over four lanes without branches; the scalar one is a lane of it.
 * Lanes do not see each other. Argument reduction is exact, polynomials are minimax fits made for
 * this file, with coefficients rounded one after the other to float. Bounds of their errors, in
 * units of the last place, checked by tests/c/test_maths.c: exp, log 1; expm1, log1p, erf 1.5;
 * softplus 2; sigmoid, tanh 2.5. NaN gives NaN. An OFS_REAL_DOUBLE build has the C library's
 * functions instead. */
#ifndef OFS_MATHS_H
#define OFS_MATHS_H

#include "offstage.h"

/* Returns b^n, by squaring. */
static inline double ofs_powi(double b, uint64_t n) {
  double r = 1;
  for (; n > 0; n >>= 1) {
    if (n & 1) r *= b;
    b *= b;
  }
  return r;
}

/* ---- double, to about 1e-15: for sums of a whole batch, which are few ---- */

#define OFS_LN2 0.69314718055994530942
#define OFS_PI 3.14159265358979323846

/* log s: s = 2^e m, log m = 2 atanh((m - 1) / (m + 1)). */
static inline double ofs_log64(double s) {
  int e = 0;
  if (!(s > 0)) return s == 0 ? -__builtin_inf() : __builtin_nan("");
  if (s - s != 0) return s;
  for (; s > 1.4142135623730951; e++) s *= 0.5;
  for (; s < 0.70710678118654752; e--) s *= 2;
  double z = (s - 1) / (s + 1), z2 = z * z, sum = 0;
  for (int k = 21; k >= 1; k -= 2) sum = sum * z2 + 1.0 / k;
  return 2 * z * sum + e * OFS_LN2;
}

static inline double ofs_log1p64(double x) {
  return x < 1e-5 ? x - x * x / 2 + x * x * x / 3 : ofs_log64(1 + x);
}

/* e^x = 2^k e^r, |r| <= ln 2 / 2. */
static inline double ofs_exp64(double x) {
  if (!(x > -700)) return x <= -700 ? 0 : x;
  if (x > 700) return __builtin_inf();
  int k = (int)(x / OFS_LN2 + (x < 0 ? -0.5 : 0.5));
  /* ln 2 in two parts */
  double r = (x - k * 0.69314718036912381649) - k * 1.90821492927058770002e-10, sum = 1;
  for (int i = 14; i > 0; i--) sum = 1 + sum * r / i;
  return sum * ofs_powi(k < 0 ? 0.5 : 2, (uint64_t)(k < 0 ? -k : k));
}

/* b^x, b >= 0. */
static inline double ofs_pow64(double b, double x) {
  return x == 0 ? 1 : b == 0 ? 0 : ofs_exp64(x * ofs_log64(b));
}

/* ---- weights and activations ---- */

#ifdef OFS_REAL_DOUBLE

#include <math.h>

static inline double ofs_exp(double x) { return exp(x); }
static inline double ofs_expm1(double x) { return expm1(x); }
static inline double ofs_log(double x) { return log(x); }
static inline double ofs_log1p(double x) { return log1p(x); }
static inline double ofs_sigmoid(double x) {
  return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}
static inline double ofs_tanh(double x) { return tanh(x); }
static inline double ofs_erf(double x) { return erf(x); }
static inline double ofs_softplus(double x) { return (x <= 0 ? 0 : x) + log1p(exp(-fabs(x))); }
static inline double ofs_sqrt(double x) { return sqrt(x); }

#else

#include "base/simd.h"

#define OFS_LN2_HIGH 0x1.62e4p-1f   /* 15 bits: times an exponent it is exact */
#define OFS_LN2_LOW 0x1.7f7d1cp-20f /* ln 2 - OFS_LN2_HIGH */

/* 2^n, n in [-126, 127] */
OFS_INLINE ofs_f4 ofs_exp2i4(ofs_i4 n) { return (ofs_f4)(((ofs_u4)n + ofs_usplat4(127)) << 23); }

/* Returns p of e^x = 2^n (1 + p), in about [-0.3, 0.42]; |x| <= 104. n = round(x / ln 2) comes out
 * of the low bits of x / ln 2 + 1.5 * 2^23, without a conversion that a NaN could upset. */
OFS_INLINE ofs_f4 ofs_exp_reduced4(ofs_f4 x, ofs_i4 *n) {
  const ofs_f4 magic = ofs_splat4(0x1.8p23f);
  ofs_f4 t = x * ofs_splat4(0x1.715476p+0f) + magic;
  ofs_f4 k = t - magic;
  *n = (ofs_i4)((ofs_u4)t - (ofs_u4)magic);
  ofs_f4 r = (x - k * ofs_splat4(OFS_LN2_HIGH)) - k * ofs_splat4(OFS_LN2_LOW);
  /* e^r = 1 + r + r^2 q(r) on [-0.35, 0.35], to 5e-10 */
  ofs_f4 q = ofs_splat4(0x1.9e8b3ep-13f);
  q = q * r + ofs_splat4(0x1.6d4050p-10f);
  q = q * r + ofs_splat4(0x1.1112d0p-7f);
  q = q * r + ofs_splat4(0x1.5554f4p-5f);
  q = q * r + ofs_splat4(0x1.555554p-3f);
  q = q * r + ofs_splat4(0.5f);
  return r + (r * r) * q;
}

/* Clamps x to [low, high]; NaN stays. */
OFS_INLINE ofs_f4 ofs_clamp4(ofs_f4 x, float low, float high) {
  x = ofs_select4(x > ofs_splat4(high), ofs_splat4(high), x);
  return ofs_select4(x < ofs_splat4(low), ofs_splat4(low), x);
}

/* e^x. 2^n is applied in two halves, which reaches denormal results and infinity without a case of
 * their own. e^89 is infinite, e^-104 is 0. */
OFS_INLINE ofs_f4 ofs_exp4(ofs_f4 x) {
  ofs_i4 n;
  ofs_f4 p = ofs_exp_reduced4(ofs_clamp4(x, -104.0f, 89.0f), &n);
  ofs_i4 half = n >> 1;
  return ((ofs_splat4(1.0f) + p) * ofs_exp2i4(half)) * ofs_exp2i4(n - half);
}

/* Gives the bits of ofs_exp4 where |x| <= 80, at half the work for 2^n. */
OFS_INLINE ofs_f4 ofs_exp_near4(ofs_f4 x) {
  ofs_i4 n;
  ofs_f4 p = ofs_exp_reduced4(x, &n);
  return (ofs_splat4(1.0f) + p) * ofs_exp2i4(n);
}

/* e^x - 1 = 2 (s p + (s - 1/2)), s = 2^(n - 1): no cancellation near 0, where s is 1/2. Below -20
 * it is -1. */
OFS_INLINE ofs_f4 ofs_expm14(ofs_f4 x) {
  ofs_i4 n;
  ofs_f4 p = ofs_exp_reduced4(ofs_clamp4(x, -20.0f, 89.0f), &n);
  ofs_f4 s = ofs_exp2i4(n - 1);
  return ofs_splat4(2.0f) * (s * p + (s - ofs_splat4(0.5f)));
}

/* x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)). -inf at 0, NaN below. */
OFS_INLINE ofs_f4 ofs_log4(ofs_f4 x) {
  ofs_i4 tiny = x < ofs_splat4(0x1p-126f);
  ofs_u4 bits = (ofs_u4)ofs_select4(tiny, x * ofs_splat4(0x1p23f), x);
  ofs_i4 exponent = (ofs_i4)(bits - ofs_usplat4(0x3f3504f3u)) >> 23;
  ofs_f4 f = (ofs_f4)(bits - ((ofs_u4)exponent << 23)) - ofs_splat4(1.0f);
  ofs_f4 k = __builtin_convertvector(exponent, ofs_f4) -
             ofs_select4(tiny, ofs_splat4(23.0f), ofs_splat4(0.0f));
  /* log(1 + f) = f - f^2 / 2 + f^3 p(f), to 8e-10 */
  ofs_f4 p = ofs_splat4(0x1.16a744p-4f);
  p = p * f + ofs_splat4(-0x1.e02112p-4f);
  p = p * f + ofs_splat4(0x1.e6d1b8p-4f);
  p = p * f + ofs_splat4(-0x1.fbbf34p-4f);
  p = p * f + ofs_splat4(0x1.233318p-3f);
  p = p * f + ofs_splat4(-0x1.555fbep-3f);
  p = p * f + ofs_splat4(0x1.99a524p-3f);
  p = p * f + ofs_splat4(-0x1.fffff8p-3f);
  p = p * f + ofs_splat4(0x1.555546p-2f);
  ofs_f4 z = f * f;
  ofs_f4 low = (f * z) * p + k * ofs_splat4(OFS_LN2_LOW) - ofs_splat4(0.5f) * z;
  ofs_f4 r = k * ofs_splat4(OFS_LN2_HIGH) + (f + low);
  const ofs_f4 infinity = ofs_splat4(__builtin_inff());
  r = ofs_select4(x < infinity, r, x);
  ofs_f4 outside = ofs_select4(x == ofs_splat4(0.0f), -infinity, ofs_splat4(__builtin_nanf("")));
  return ofs_select4(x > ofs_splat4(0.0f), r, outside);
}

/* log1p is the log of the rounded 1 + x, plus what the rounding lost. */
OFS_INLINE ofs_f4 ofs_log1p4(ofs_f4 x) {
  ofs_f4 m = ofs_splat4(1.0f) + x;
  ofs_f4 lost = (x - (m - ofs_splat4(1.0f))) / m;
  ofs_i4 usable = (m > ofs_splat4(0.0f)) & (m < ofs_splat4(__builtin_inff()));
  return ofs_log4(m) + ofs_select4(usable, lost, ofs_splat4(0.0f));
}

/* 1 / (1 + e^-x), from e^-|x| so that neither end overflows. */
OFS_INLINE ofs_f4 ofs_sigmoid4(ofs_f4 x) {
  ofs_f4 e = ofs_exp4(-ofs_abs4(x));
  return ofs_select4(x < ofs_splat4(0.0f), e, ofs_splat4(1.0f)) / (ofs_splat4(1.0f) + e);
}

/* (e^2|x| - 1) / (e^2|x| + 1); from |x| = 10 on it is 1. */
OFS_INLINE ofs_f4 ofs_tanh4(ofs_f4 x) {
  ofs_f4 e = ofs_expm14(ofs_splat4(2.0f) * ofs_clamp4(ofs_abs4(x), 0.0f, 10.0f));
  return ofs_sign4(e / (e + ofs_splat4(2.0f)), x);
}

/* Up to 0.875 x + x p(x^2), to 9e-10; then 1 - e^-q(|x|), to 1e-10; from |x| = 4 on it is 1. */
OFS_INLINE ofs_f4 ofs_erf4(ofs_f4 x) {
  ofs_f4 t = ofs_clamp4(ofs_abs4(x), 0.0f, 4.0f), z = t * t;
  ofs_f4 p = ofs_splat4(0x1.4d2816p-14f);
  p = p * z + ofs_splat4(-0x1.a583bcp-11f);
  p = p * z + ofs_splat4(0x1.543f2ap-8f);
  p = p * z + ofs_splat4(-0x1.b80062p-6f);
  p = p * z + ofs_splat4(0x1.ce2d60p-4f);
  p = p * z + ofs_splat4(-0x1.812740p-2f);
  p = p * z + ofs_splat4(0x1.06eba8p-3f);
  ofs_f4 q = ofs_splat4(0x1.52e65cp-16f);
  q = q * t + ofs_splat4(-0x1.bcd4a8p-12f);
  q = q * t + ofs_splat4(0x1.0e24b2p-8f);
  q = q * t + ofs_splat4(-0x1.9978d2p-6f);
  q = q * t + ofs_splat4(0x1.bab8c6p-4f);
  q = q * t + ofs_splat4(0x1.445cbap-1f);
  q = q * t + ofs_splat4(0x1.212262p+0f);
  q = q * t + ofs_splat4(-0x1.4a680cp-13f);
  ofs_f4 far = ofs_splat4(1.0f) - ofs_exp_near4(-q);
  return ofs_sign4(ofs_select4(t < ofs_splat4(0.875f), t + t * p, far), x);
}

/* log(1 + e^x) = max(x, 0) + log1p(e^-|x|) */
OFS_INLINE ofs_f4 ofs_softplus4(ofs_f4 x) {
  ofs_f4 positive = ofs_select4(x <= ofs_splat4(0.0f), ofs_splat4(0.0f), x);
  return positive + ofs_log1p4(ofs_exp4(-ofs_abs4(x)));
}

static inline float ofs_exp(float x) { return ofs_exp4(ofs_splat4(x))[0]; }
static inline float ofs_expm1(float x) { return ofs_expm14(ofs_splat4(x))[0]; }
static inline float ofs_log(float x) { return ofs_log4(ofs_splat4(x))[0]; }
static inline float ofs_log1p(float x) { return ofs_log1p4(ofs_splat4(x))[0]; }
static inline float ofs_sigmoid(float x) { return ofs_sigmoid4(ofs_splat4(x))[0]; }
static inline float ofs_tanh(float x) { return ofs_tanh4(ofs_splat4(x))[0]; }
static inline float ofs_erf(float x) { return ofs_erf4(ofs_splat4(x))[0]; }
static inline float ofs_softplus(float x) { return ofs_softplus4(ofs_splat4(x))[0]; }
static inline float ofs_sqrt(float x) { return ofs_sqrt4(ofs_splat4(x))[0]; }

#endif
#endif
