/* test_maths.c: the core's exp, log, tanh and kin: accuracy against the C library in double, edges,
 * and the same bits on every target.
 *
 * Inputs are every STRIDE-th bit pattern of all 2^32 floats (so every exponent, both signs,
 * denormals, NaNs) and hand-picked edges. An error is counted in units of the last place of the
 * exact result, denormal ones included; the bounds are those that maths.h states. The fingerprint
 * is over the bits of all results: it is one constant for native, wasm and wasm with SIMD, whatever
 * the compiler. */
#include "base/maths.h"
#include "check.h"

#define STRIDE 4001u

typedef struct function {
  const char *name;
  float (*scalar)(float);
  ofs_f4 (*vector)(ofs_f4);
  double (*exact)(double);
  double bound;         /* ulp */
  uint32_t fingerprint; /* FNV-1a of the results' bits */
} function;

static float exp_s(float x) { return ofs_exp(x); }
static float expm1_s(float x) { return ofs_expm1(x); }
static float log_s(float x) { return ofs_log(x); }
static float log1p_s(float x) { return ofs_log1p(x); }
static float sigmoid_s(float x) { return ofs_sigmoid(x); }
static float tanh_s(float x) { return ofs_tanh(x); }
static float erf_s(float x) { return ofs_erf(x); }
static float softplus_s(float x) { return ofs_softplus(x); }
static float sqrt_s(float x) { return ofs_sqrt(x); }

static ofs_f4 exp_v(ofs_f4 x) { return ofs_exp4(x); }
static ofs_f4 expm1_v(ofs_f4 x) { return ofs_expm14(x); }
static ofs_f4 log_v(ofs_f4 x) { return ofs_log4(x); }
static ofs_f4 log1p_v(ofs_f4 x) { return ofs_log1p4(x); }
static ofs_f4 sigmoid_v(ofs_f4 x) { return ofs_sigmoid4(x); }
static ofs_f4 tanh_v(ofs_f4 x) { return ofs_tanh4(x); }
static ofs_f4 erf_v(ofs_f4 x) { return ofs_erf4(x); }
static ofs_f4 softplus_v(ofs_f4 x) { return ofs_softplus4(x); }
static ofs_f4 sqrt_v(ofs_f4 x) { return ofs_sqrt4(x); }

static double sigmoid_exact(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double softplus_exact(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

static const function functions[] = {
    {"exp", exp_s, exp_v, exp, 1, 0xa3b82c09u},
    {"expm1", expm1_s, expm1_v, expm1, 1.5, 0x6e6a8e33u},
    {"log", log_s, log_v, log, 1, 0xaad0f236u},
    {"log1p", log1p_s, log1p_v, log1p, 1.5, 0xa81600e4u},
    {"sigmoid", sigmoid_s, sigmoid_v, sigmoid_exact, 2.5, 0x56225756u},
    {"tanh", tanh_s, tanh_v, tanh, 2.5, 0x5e867345u},
    {"erf", erf_s, erf_v, erf, 1.5, 0xf32f0a01u},
    {"softplus", softplus_s, softplus_v, softplus_exact, 2, 0x3babe7e6u},
    {"sqrt", sqrt_s, sqrt_v, sqrt, 0.5, 0x360c0f2fu},
};

static uint32_t bits_of(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return x == x ? u : 0x7fc00000u; /* which NaN it is, nobody promises */
}

static float float_of(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}

/* |got - want| in units of the last place of `want`. Beyond the largest float by less than half a
 * unit, want would round to it: there infinity is no error, and the other way round. */
static double ulps(float got, double want) {
  if (want != want) return got != got ? 0 : INFINITY;
  if (got != got) return INFINITY;
  if (isinf(want) || fabs(want) >= 0x1.ffffffp127)
    return isinf(got) && (got > 0) == (want > 0) ? 0 : INFINITY;
  if (isinf(got)) return INFINITY;
  int e;
  frexp(want, &e); /* |want| in [2^(e-1), 2^e) */
  if (want == 0 || e < -125) e = -125;
  return fabs((double)got - want) / ldexp(1, e - 24);
}

static void test_accuracy(const function *f) {
  double worst = 0;
  float worst_at = 0;
  uint32_t hash = 2166136261u;
  for (uint64_t u = 0; u < 0x100000000u; u += STRIDE) {
    float x = float_of((uint32_t)u), y = f->scalar(x);
    double error = ulps(y, f->exact(x));
    if (!(error <= worst)) worst = error, worst_at = x;
    hash = (hash ^ bits_of(y)) * 16777619u;
  }
  CHECK_MSG(worst <= f->bound, "%s: error %.3f ulp at %a, bound %.1f", f->name, worst, worst_at,
            f->bound);
  CHECK_MSG(hash == f->fingerprint, "%s: fingerprint is %08x, expected %08x", f->name, hash,
            f->fingerprint);
  printf("  %-9s %.3f ulp at %a\n", f->name, worst, worst_at);
}

/* Edges of the reductions and of the results' range, and what lies beside them. */
static const float edges[] = {
    0.0f,
    -0.0f,
    0x1p-149f,
    -0x1p-149f,
    0x1p-126f,
    -0x1p-126f,
    0x1.fffffcp-127f,
    0x1p-30f,
    -0x1p-30f,
    0x1p-12f,
    -0x1p-12f,
    0.34657f,
    -0.34657f,
    0.5f,
    -0.5f,
    0.70710677f,
    0.7071068f,
    0.875f,
    -0.875f,
    0.99999994f,
    1.0f,
    1.0000001f,
    -1.0f,
    -0.99999994f,
    1.4142135f,
    1.4142137f,
    2.0f,
    4.0f,
    -4.0f,
    9.999999f,
    10.0f,
    -10.0f,
    10.000001f,
    20.0f,
    -20.0f,
    87.33654f,
    -87.33654f,
    -87.4f,
    88.0f,
    88.72283f,
    88.72284f,
    89.0f,
    -88.72284f,
    -89.0f,
    -103.97208f,
    -103.97209f,
    -104.0f,
    -104.5f,
    105.0f,
    1e4f,
    -1e4f,
    1e10f,
    -1e10f,
    16777216.0f,
    -16777216.0f,
    0x1.fffffep127f,
    -0x1.fffffep127f,
    INFINITY,
    -INFINITY,
};

static void test_edges(const function *f) {
  for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
    float at[3] = {edges[i], nextafterf(edges[i], INFINITY), nextafterf(edges[i], -INFINITY)};
    for (int j = 0; j < 3; j++) {
      float got = f->scalar(at[j]);
      double want = f->exact(at[j]);
      CHECK_MSG(ulps(got, want) <= f->bound, "%s(%a) is %a, expected %a", f->name, at[j], got,
                want);
    }
  }
  CHECK_MSG(isnan(f->scalar(NAN)), "%s(NaN) is not NaN", f->name);
  CHECK_MSG(isnan(f->scalar(-NAN)), "%s(-NaN) is not NaN", f->name);
}

/* A lane's result does not depend on the lane or on its neighbours. */
static void test_lanes(const function *f) {
  const size_t n = sizeof edges / sizeof *edges;
  for (size_t i = 0; i < n; i++) {
    ofs_f4 x = {edges[i], edges[(i + 7) % n], float_of(0x7fc00001u), edges[(i * 5 + 3) % n]};
    ofs_f4 y = f->vector(x), turned = f->vector((ofs_f4){x[3], x[2], x[1], x[0]});
    for (int l = 0; l < 4; l++) {
      CHECK_MSG(bits_of(y[l]) == bits_of(f->scalar(x[l])), "%s: lane %d differs at %a", f->name, l,
                x[l]);
      CHECK_MSG(bits_of(y[l]) == bits_of(turned[3 - l]), "%s: lane %d sees its neighbours at %a",
                f->name, l, x[l]);
    }
  }
}

/* What the layers rely on: bounds that rounding must not break, and exact symmetry. */
static void test_shape(void) {
  int bounded = 1, odd = 1, whole = 1;
  for (uint64_t u = 0; u < 0x7f800000u; u += STRIDE) {
    float x = float_of((uint32_t)u), s = ofs_sigmoid(x), t = ofs_sigmoid(-x);
    bounded &= s >= 0.5f && s <= 1 && t >= 0 && t <= 0.5f && ofs_tanh(x) <= 1 && ofs_erf(x) <= 1 &&
               ofs_exp(-x) <= 1;
    odd &= ofs_tanh(-x) == -ofs_tanh(x) && ofs_erf(-x) == -ofs_erf(x);
    whole &= ofs_softplus(x) >= x && ofs_softplus(-x) >= 0 && ofs_expm1(-x) >= -1;
  }
  CHECK(bounded);
  CHECK(odd);
  CHECK(whole);
  CHECK(ofs_exp(0) == 1 && ofs_log(1) == 0 && ofs_sigmoid(0) == 0.5f && ofs_tanh(0) == 0 &&
        ofs_erf(0) == 0);
  CHECK(signbit(ofs_tanh(-0.0f)) && signbit(ofs_erf(-0.0f)));
}

static void test_powi(void) {
  CHECK(ofs_powi(0.9, 0) == 1 && ofs_powi(0, 0) == 1);
  CHECK(ofs_powi(0, 5) == 0);
  CHECK(ofs_powi(-2, 3) == -8);
  CHECK(ofs_powi(2, 62) == 0x1p62);
  CHECK(ofs_powi(0.5, ~0ull) == 0);
  static const double bases[] = {0.9, 0.999, 0.9999999, 1.0000001};
  /* A product of k factors, each rounded: at most 2 log2 n + 1 roundings of 2^-53 on the way, those
   * of the squares doubled with every further squaring: together below 2 n 2^-53. */
  for (size_t i = 0; i < 4; i++)
    for (uint64_t n = 1; n <= 1000000; n = n * 3 + 1) {
      double want = pow(bases[i], (double)n);
      CHECK_NEAR(ofs_powi(bases[i], n), want, want * (2 * (double)n + 2) * 0x1p-53);
    }
}

int main(void) {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    test_accuracy(&functions[i]);
    test_edges(&functions[i]);
    test_lanes(&functions[i]);
  }
  test_shape();
  test_powi();
  return check_report("maths");
}
