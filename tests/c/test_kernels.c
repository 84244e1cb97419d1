/* test_kernels.c: every kernel but the products: fast against reference to the last bit at all
 * sizes up to two vectors and more, between guard words, in place and apart; and the reference
 * against formulas in double.
 *
 * U is 2^-24, half a unit in the last place of 1. Tolerances are counts of roundings on the way, as
 * told beside each; the errors of the maths functions are those of maths.h. */
#include "kernels/kernels.h"
#include "base/random.h"
#include "spec/schema.h"
#include "guarded.h"

#define U 0x1p-24
#define MOST 37

static ofs_kernels fast, ref;

/* A pair of outputs that begin alike, one for each version. */
typedef struct pair {
  guarded fast, ref;
} pair;

static pair pair_new(const float *start, size_t n, int placement, size_t offset) {
  pair p = {guard_new(n, placement, offset), guard_new(n, placement, offset)};
  if (start) memcpy(p.fast.data, start, n * 4), memcpy(p.ref.data, start, n * 4);
  return p;
}

static void pair_check(pair *p, const char *what) {
  check_same(p->fast.data, p->ref.data, p->ref.n, what);
  guard_free(&p->fast, what);
  guard_free(&p->ref, what);
}

static guarded input(size_t n, int placement, size_t offset, float scale) {
  guarded g = guard_new(n, placement, offset);
  random_fill(g.data, n, scale);
  return g;
}

/* Calls `body(n, placement, offset)` for all lengths, both placements and several alignments. */
static void at_all_sizes(void (*body)(size_t, int, size_t)) {
  for (size_t n = 0; n <= MOST; n++)
    for (int placement = 0; placement < GUARD_PLACEMENTS; placement++)
      body(n, placement, (n + (size_t)placement) % 4);
}

/* ---- activations ---- */

static const uint32_t acts[] = {OFS_ACT_LINEAR,   OFS_ACT_RELU,        OFS_ACT_LEAKY_RELU,
                                OFS_ACT_ELU,      OFS_ACT_SELU,        OFS_ACT_GELU,
                                OFS_ACT_SIGMOID,  OFS_ACT_TANH,        OFS_ACT_SOFTPLUS,
                                OFS_ACT_SWISH,    OFS_ACT_RELU6,       OFS_ACT_HARD_SIGMOID,
                                OFS_ACT_SOFTSIGN, OFS_ACT_EXPONENTIAL, OFS_ACT_MISH};
enum { ACTS = sizeof acts / sizeof *acts };
_Static_assert(ACTS == OFS_ACT_LAST,
               "each activation but softmax: one without a formula would be linear, in silence");

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* Formulas of kernels.h and their derivatives by x. */
static void exact_act(uint32_t act, double x, double *y, double *slope) {
  const double scale = 1.0507009873554804934193349852946, alpha = 1.6732632423543772848170429916717;
  const double phi = exp(-x * x / 2) / sqrt(2 * acos(-1)), big_phi = (1 + erf(x / sqrt(2))) / 2,
               s = sigmoid(x);
  double t;
  switch (act) {
  case OFS_ACT_RELU: *y = x > 0 ? x : 0, *slope = x > 0; break;
  case OFS_ACT_LEAKY_RELU: *y = x > 0 ? x : 0.3 * x, *slope = x > 0 ? 1 : 0.3; break;
  case OFS_ACT_ELU: *y = x > 0 ? x : expm1(x), *slope = x > 0 ? 1 : exp(x); break;
  case OFS_ACT_SELU:
    *y = scale * (x > 0 ? x : alpha * expm1(x)), *slope = scale * (x > 0 ? 1 : alpha * exp(x));
    break;
  case OFS_ACT_GELU: *y = x * big_phi, *slope = big_phi + x * phi; break;
  case OFS_ACT_SIGMOID: *y = s, *slope = s * (1 - s); break;
  case OFS_ACT_TANH: *y = tanh(x), *slope = 1 - *y * *y; break;
  case OFS_ACT_SOFTPLUS: *y = log1p(exp(x)), *slope = s; break;
  case OFS_ACT_SWISH: *y = x * s, *slope = s + x * s * (1 - s); break;
  case OFS_ACT_RELU6: *y = fmin(fmax(x, 0), 6), *slope = x > 0 && x < 6; break;
  case OFS_ACT_HARD_SIGMOID:
    *y = fmin(fmax(x + 3, 0), 6) / 6, *slope = x > -3 && x < 3 ? 1 / 6.0 : 0;
    break;
  case OFS_ACT_SOFTSIGN:
    *y = x / (1 + fabs(x)), *slope = 1 / ((1 + fabs(x)) * (1 + fabs(x)));
    break;
  case OFS_ACT_EXPONENTIAL: *y = *slope = exp(x); break;
  case OFS_ACT_MISH: t = tanh(log1p(exp(x))), *y = x * t, *slope = t + x * (1 - t * t) * s; break;
  default: *y = x, *slope = 1; break;
  }
}

/* Forward: a function within 2.5 ulp (5 U) and at most two roundings; gelu loses against |x|, for 1
 * + erf cancels below 0; mish is a quotient of sums and products, of six roundings more. Backward:
 * sums of two terms of at most 1 (times 1 + |x|), each within 8 U, times dy. */
static void check_act_exact(uint32_t act) {
  int right = 1;
  for (int i = -2000; i <= 2000; i++) {
    float x = (float)i * 0.0101f, y, dx, dy = random_float();
    double want, slope;
    exact_act(act, x, &want, &slope);
    ref.act_forward(act, &y, &x, 1);
    right &= fabs(y - want) <= (act == OFS_ACT_MISH ? 12 : 8) * U *
                                   (fabs(want) + (act == OFS_ACT_GELU ? fabs(x) : 0));
    ref.act_backward(act, &dx, &x, &y, &dy, 1);
    if (x != 0)
      right &= fabs(dx - slope * dy) <= 16 * U * (1 + fabs(x)) * fmax(fabs(slope), 1) * fabs(dy);
    if (!right) {
      CHECK_MSG(0, "activation %u at %g: %.9g, expected %.9g; slope %.9g, expected %.9g", act, x, y,
                want, dx / dy, slope);
      return;
    }
  }
  CHECK(right);
}

/* Values at which a kernel may branch, and the non-finite ones. */
static void sprinkle(float *x, size_t n) {
  static const float special[] = {0.0f,    -0.0f, INFINITY, -INFINITY, NAN,    1e-40f,
                                  -1e-40f, 100,   -100,     3e38f,     -3e38f, 20};
  for (size_t i = 0; i < n; i++)
    if (random_word() % 3 == 0) x[i] = special[random_word() % (sizeof special / sizeof *special)];
}

static void act_body(size_t n, int placement, size_t offset) {
  for (int a = 0; a < ACTS; a++)
    for (int special = 0; special < 2; special++) {
      guarded x = input(n, placement, offset, 6), dy = input(n, placement, offset + 1, 1);
      if (special) sprinkle(x.data, n);
      pair y = pair_new(NULL, n, placement, offset), in = pair_new(x.data, n, placement, offset);
      fast.act_forward(acts[a], y.fast.data, x.data, n),
          ref.act_forward(acts[a], y.ref.data, x.data, n);
      fast.act_forward(acts[a], in.fast.data, in.fast.data, n),
          ref.act_forward(acts[a], in.ref.data, in.ref.data, n);
      check_same(in.fast.data, y.fast.data, n, "activation in place");

      pair dx = pair_new(NULL, n, placement, offset + 2),
           over = pair_new(dy.data, n, placement, offset);
      const int needs_x = OFS_ACT_OF_INPUT(acts[a]);
      /* the one that is not read may be anything */
      const float *xs = needs_x ? x.data : NULL, *ys = needs_x ? NULL : y.ref.data;
      fast.act_backward(acts[a], dx.fast.data, xs, ys, dy.data, n);
      ref.act_backward(acts[a], dx.ref.data, xs, ys, dy.data, n);
      fast.act_backward(acts[a], over.fast.data, xs, ys, over.fast.data, n);
      ref.act_backward(acts[a], over.ref.data, xs, ys, over.ref.data, n);
      check_same(over.fast.data, dx.fast.data, n, "activation's backward in place");
      int kept = 1;
      for (size_t i = 0; i < n; i++)
        kept &= x.data[i] == x.data[i] || y.fast.data[i] != y.fast.data[i];
      CHECK_MSG(kept, "activation %u loses a NaN", acts[a]);
      pair_check(&y, "activation"), pair_check(&in, "activation"), pair_check(&dx, "backward"),
          pair_check(&over, "backward");
      guard_free(&x, "activation x"), guard_free(&dy, "activation dy");
    }
}

/* ---- softmax ---- */

/* x - max is rounded (U |x - max|, which becomes a relative error of e^x), exp has 1 ulp (2 U), the
 * sum of cols terms cols / 4 + 2 roundings, the quotient one. */
static void check_softmax_exact(const float *x, const float *y, uint32_t cols) {
  double greatest = -INFINITY, sum = 0;
  int right = 1;
  for (uint32_t i = 0; i < cols; i++) greatest = fmax(greatest, x[i]);
  for (uint32_t i = 0; i < cols; i++) sum += exp(x[i] - greatest);
  for (uint32_t i = 0; i < cols; i++) {
    double want = exp(x[i] - greatest) / sum;
    right &= fabs(y[i] - want) <= want * U * (2 * (greatest - x[i]) + 2 * 12 + cols / 4.0 + 8);
  }
  CHECK_MSG(right, "softmax of %u is wrong", cols);
}

static void test_softmax(void) {
  for (uint32_t cols = 1; cols <= 21; cols++)
    for (int placement = 0; placement < GUARD_PLACEMENTS; placement++)
      for (int special = 0; special < 2; special++) {
        const uint32_t rows = 3;
        size_t n = rows * cols;
        guarded x = input(n, placement, cols % 4, 12), dy = input(n, placement, 1, 1);
        if (special) sprinkle(x.data, n);
        pair y = pair_new(NULL, n, placement, 2), in = pair_new(x.data, n, placement, 0);
        fast.softmax_forward(y.fast.data, x.data, rows, cols),
            ref.softmax_forward(y.ref.data, x.data, rows, cols);
        fast.softmax_forward(in.fast.data, in.fast.data, rows, cols),
            ref.softmax_forward(in.ref.data, in.ref.data, rows, cols);
        check_same(in.fast.data, y.fast.data, n, "softmax in place");
        if (!special)
          for (uint32_t r = 0; r < rows; r++)
            check_softmax_exact(x.data + r * cols, y.ref.data + r * cols, cols);

        pair dx = pair_new(NULL, n, placement, 3), over = pair_new(dy.data, n, placement, 3);
        fast.softmax_backward(dx.fast.data, y.ref.data, dy.data, rows, cols);
        ref.softmax_backward(dx.ref.data, y.ref.data, dy.data, rows, cols);
        fast.softmax_backward(over.fast.data, y.ref.data, over.fast.data, rows, cols);
        ref.softmax_backward(over.ref.data, y.ref.data, over.ref.data, rows, cols);
        check_same(over.fast.data, dx.fast.data, n, "softmax's backward in place");
        /* y is a softmax within (24 + cols / 4 + 8) U, |dy| <= 1: so is the sum, and each of the
         * products */
        for (uint32_t r = 0; r < rows && !special; r++) {
          double sum = 0;
          const float *ys = y.ref.data + r * cols, *dys = dy.data + r * cols;
          for (uint32_t i = 0; i < cols; i++) sum += (double)ys[i] * dys[i];
          for (uint32_t i = 0; i < cols; i++)
            CHECK_NEAR(dx.ref.data[r * cols + i], ys[i] * (dys[i] - sum),
                       U * (8 + cols / 4.0) * ys[i] * 2);
        }
        pair_check(&y, "softmax"), pair_check(&in, "softmax");
        pair_check(&dx, "softmax backward"), pair_check(&over, "softmax backward");
        guard_free(&x, "softmax x"), guard_free(&dy, "softmax dy");
      }
  float big[3] = {3e38f, -3e38f, 3e38f}, y[3];
  ref.softmax_forward(y, big, 1, 3);
  CHECK(y[0] == 0.5f && y[1] == 0 && y[2] == 0.5f);
}

/* ---- sums, scaling, transposition ---- */

static void test_add_rows(void) {
  for (uint32_t cols = 0; cols <= 27; cols++)
    for (uint32_t rows = 0; rows <= 5; rows++)
      for (int placement = 0; placement < GUARD_PLACEMENTS; placement++) {
        guarded src = input(rows * cols, placement, rows % 4, 1),
                start = input(cols, GUARD_BOTH, 0, 1);
        pair dst = pair_new(start.data, cols, placement, cols % 4);
        fast.add_rows(dst.fast.data, src.data, rows, cols),
            ref.add_rows(dst.ref.data, src.data, rows, cols);
        for (uint32_t i = 0; i < cols; i++) {
          double sum = start.data[i], size = fabs(sum);
          for (uint32_t r = 0; r < rows; r++)
            sum += src.data[r * cols + i], size += fabs(src.data[r * cols + i]);
          CHECK_NEAR(dst.ref.data[i], sum, rows * U * size);
        }
        pair_check(&dst, "add_rows");
        guard_free(&src, "add_rows src"), guard_free(&start, "add_rows start");
      }
}

static void test_sum_partials(void) {
  for (uint32_t n = 0; n <= 11; n++)
    for (uint32_t count = 1; count <= 6; count++)
      for (int placement = 0; placement < GUARD_PLACEMENTS; placement++) {
        size_t stride = n + count % 3, size = n ? (count - 1) * stride + n : 0;
        guarded src = input(size, placement, n % 4, 1);
        pair dst = pair_new(NULL, n, placement, 1), in = pair_new(src.data, size, placement, 2);
        fast.sum_partials(dst.fast.data, src.data, stride, count, n);
        ref.sum_partials(dst.ref.data, src.data, stride, count, n);
        fast.sum_partials(in.fast.data, in.fast.data, stride, count, n);
        ref.sum_partials(in.ref.data, in.ref.data, stride, count, n);
        check_same(in.fast.data, dst.ref.data, n, "sum_partials in place");
        for (uint32_t i = 0; i < n; i++) {
          double sum = 0;
          for (uint32_t p = 0; p < count; p++) sum += src.data[p * stride + i];
          CHECK_NEAR(dst.ref.data[i], sum, count * U * count); /* |terms| below 1 */
        }
        pair_check(&dst, "sum_partials"), pair_check(&in, "sum_partials"),
            guard_free(&src, "sum_partials src");
      }
}

static void scale_body(size_t n, int placement, size_t offset) {
  uint8_t *x = check_alloc(n); /* flush: a read beyond is seen by AddressSanitizer */
  for (size_t i = 0; i < n; i++) x[i] = (uint8_t)(i == 0 ? 255 : random_word());
  pair y = pair_new(NULL, n, placement, offset);
  fast.scale_u8(y.fast.data, x, 1 / 127.5f, -1, n), ref.scale_u8(y.ref.data, x, 1 / 127.5f, -1, n);
  for (size_t i = 0; i < n; i++) CHECK_NEAR(y.ref.data[i], x[i] / 127.5 - 1, 4 * U * 2);
  pair_check(&y, "scale_u8");
  free(x);
}

/* Without a gradient a moment shrinks by its beta; one below 2^-100 is gone at a cleaning, and only
 * then. */
static void test_cleaning(void) {
  const float before[] = {0x1p-99f, -0x1p-99f, 0x1p-101f, -0x1p-101f, 0x1p-126f,
                          1,        0,         0x1p-140f, 0x1.8p-100f};
  enum { N = sizeof before / sizeof *before };
  for (int cleaning = 0; cleaning < 2; cleaning++)
    for (int adam = 0; adam < 2; adam++)
      for (size_t n = 1; n <= N; n++) {
        float w[2][N] = {{0}}, m[2][N], v[2][N], g[N] = {0};
        const ofs_update u = {.kind = adam ? OFS_ADAM : OFS_SGD,
                              .moments = 1 + (uint32_t)adam,
                              .rate = 1,
                              .momentum = 0.5f,
                              .beta1 = 0.5f,
                              .beta2 = 0.5f,
                              .rest1 = 0.5f,
                              .rest2 = 0.5f,
                              .epsilon = 1,
                              .correction1 = 1,
                              .correction2 = 1,
                              .clean = cleaning};
        for (int k = 0; k < 2; k++) {
          float *const moments[] = {m[k], v[k]};
          memcpy(m[k], before, sizeof before), memcpy(v[k], before, sizeof before);
          for (size_t j = 0; j < n; j++) v[k][j] = fabsf(v[k][j]);
          (k ? &fast : &ref)->update(&u, w[k], moments, g, n);
          for (size_t j = 0; j < n; j++) {
            float left = cleaning && fabsf(before[j]) < 0x1p-100f ? 0 : before[j] / 2;
            CHECK(m[k][j] == left);
            if (adam) CHECK(v[k][j] == fabsf(left));
          }
          for (size_t j = n; j < N; j++) CHECK(m[k][j] == before[j]);
        }
        check_same(w[0], w[1], n, "weights after a cleaning");
      }
}

static void test_panels(void) {
  for (uint32_t rows = 0; rows <= 19; rows++)
    for (uint32_t cols = 0; cols <= 19; cols++)
      for (int turned = 0; turned < 2; turned++) {
        uint32_t long_side = turned ? cols : rows, wide = turned ? rows : cols,
                 panels = (wide + OFS_PANEL - 1) / OFS_PANEL;
        size_t lds = cols + rows % 3, panel = (size_t)long_side * OFS_PANEL + rows % 2,
               size = panels * panel;
        guarded src = guard_new(rows ? (rows - 1) * lds + cols : 0, GUARD_FLUSH, 1);
        guarded got = guard_new(size, GUARD_BOTH, 1), want = guard_new(size, GUARD_BOTH, 1);
        for (size_t r = 0; r < rows; r++) random_fill(src.data + r * lds, cols, 1);
        (turned ? fast.turned_panels : fast.panels)(got.data, panel, src.data, lds, rows, cols);
        (turned ? ref.turned_panels : ref.panels)(want.data, panel, src.data, lds, rows, cols);
        check_same(got.data, want.data, size, "panels");
        int right = 1;
        for (size_t i = 0; i < wide; i++)
          for (size_t j = 0; j < long_side; j++)
            right &= got.data[i / OFS_PANEL * panel + j * OFS_PANEL + i % OFS_PANEL] ==
                     src.data[turned ? i * lds + j : j * lds + i];
        CHECK_MSG(right, "panels of %u x %u, turned %d", rows, cols, turned);
        guard_free(&src, "panels"), guard_free(&got, "panels"), guard_free(&want, "panels");
      }
}

static void add_scaled_body(size_t n, int placement, size_t offset) {
  guarded src = input(n, placement, offset, 1), start = input(n, placement, 1, 1);
  pair dst = pair_new(start.data, n, placement, offset + 1);
  fast.add_scaled(dst.fast.data, src.data, 0.3f, n);
  ref.add_scaled(dst.ref.data, src.data, 0.3f, n);
  for (size_t i = 0; i < n; i++)
    CHECK_NEAR(dst.ref.data[i], start.data[i] + (double)0.3f * src.data[i], 3 * U);
  pair_check(&dst, "add_scaled"), guard_free(&src, "add_scaled src"),
      guard_free(&start, "add_scaled start");
}

static void test_transpose(void) {
  for (uint32_t rows = 0; rows <= 10; rows++)
    for (uint32_t cols = 0; cols <= 10; cols++)
      for (int placement = 0; placement < GUARD_PLACEMENTS; placement++) {
        size_t lds = cols + rows % 3, ldd = rows + cols % 4, none = rows == 0 || cols == 0;
        guarded src = input(none ? 0 : (rows - 1) * lds + cols, placement, rows % 4, 1);
        size_t size = none ? 0 : (cols - 1) * ldd + rows;
        pair dst = pair_new(NULL, size, placement, cols % 4);
        for (size_t i = 0; i < size; i++) dst.fast.data[i] = dst.ref.data[i] = -7; /* gaps stay */
        fast.transpose(dst.fast.data, ldd, src.data, lds, rows, cols);
        ref.transpose(dst.ref.data, ldd, src.data, lds, rows, cols);
        int right = 1;
        for (size_t i = 0; i < size; i++)
          right &= dst.ref.data[i] == (i % ldd < rows ? src.data[i % ldd * lds + i / ldd] : -7);
        CHECK_MSG(right, "transpose of %u x %u", rows, cols);
        pair_check(&dst, "transpose"), guard_free(&src, "transpose src");
      }
}

/* ---- dropout ---- */

static const uint32_t key[2] = {77, 0xdeadbeefu};

static void dropout_body(size_t n, int placement, size_t offset) {
  static const uint64_t firsts[] = {0, 4, (1ull << 34) - 8, (1ull << 34) + 12};
  for (int f = 0; f < 4; f++) {
    guarded x = input(n, placement, offset, 1);
    pair y = pair_new(NULL, n, placement, offset), in = pair_new(x.data, n, placement, offset);
    const uint32_t threshold = 0x40000000u;
    fast.dropout(y.fast.data, x.data, firsts[f], n, threshold, 4 / 3.f, key, 3, 9);
    ref.dropout(y.ref.data, x.data, firsts[f], n, threshold, 4 / 3.f, key, 3, 9);
    fast.dropout(in.fast.data, in.fast.data, firsts[f], n, threshold, 4 / 3.f, key, 3, 9);
    ref.dropout(in.ref.data, in.ref.data, firsts[f], n, threshold, 4 / 3.f, key, 3, 9);
    for (size_t i = 0; i < n; i++) {
      uint64_t e = firsts[f] + i;
      uint32_t counter[4] = {(uint32_t)(e >> 2), (uint32_t)(e >> 34), 3, 9}, word[4];
      ofs_philox(word, counter, key);
      CHECK(y.ref.data[i] == (word[e & 3] < threshold ? 0 : x.data[i] * (4 / 3.f)));
    }
    check_same(in.fast.data, y.fast.data, n, "dropout in place");
    pair_check(&y, "dropout"), pair_check(&in, "dropout"), guard_free(&x, "dropout x");
  }
}

static void test_dropout_rate(void) {
  enum { N = 40000 };
  float *x = check_alloc(N * sizeof *x), *y = check_alloc(N * sizeof *y);
  for (int i = 0; i < N; i++) x[i] = 1;
  fast.dropout(y, x, 0, N, 0x40000000u, 1, key, 0, 1);
  int kept = 0;
  for (int i = 0; i < N; i++) kept += y[i] == 1;
  /* binomial (40000, 3/4): mean 30000, deviation 86.6; five of them */
  CHECK_MSG(abs(kept - 30000) <= 433, "%d of 40000 kept at rate 1/4", kept);
  fast.dropout(y, x, 0, N, 0, 1, key, 0, 1);
  CHECK(memcmp(x, y, N * sizeof *x) == 0);
  /* a word that equals the threshold is kept, the least that does not is dropped */
  const uint32_t counter[4] = {0, 0, 0, 1};
  uint32_t word[4];
  ofs_philox(word, counter, key);
  fast.dropout(y, x, 0, 4, word[0], 1, key, 0, 1);
  CHECK(y[0] == 1);
  fast.dropout(y, x, 0, 4, word[0] + 1, 1, key, 0, 1);
  CHECK(y[0] == 0);
  free(x), free(y);
}

/* ---- updates ---- */

/* The fast kernels against the reference; what both compute is checked by test_optimizers.c. */
static void update_body(size_t n, int placement, size_t offset) {
  static const ofs_update updates[] = {
      {.kind = OFS_SGD},
      {.kind = OFS_SGD, .moments = 1, .momentum = 0.9f},
      {.kind = OFS_SGD, .moments = 1, .momentum = 0.9f, .nesterov = 1, .clean = 1},
      {.kind = OFS_ADAM, .moments = 2},
      {.kind = OFS_ADAM, .moments = 3, .clean = 1},
      {.kind = OFS_NADAM, .moments = 2},
      {.kind = OFS_ADAMAX, .moments = 2},
      {.kind = OFS_RMSPROP, .moments = 1},
      {.kind = OFS_RMSPROP, .moments = 2, .momentum = 0.9f},
      {.kind = OFS_RMSPROP, .moments = 2, .centered = 1},
      {.kind = OFS_RMSPROP, .moments = 3, .momentum = 0.9f, .centered = 1, .clean = 1},
      {.kind = OFS_ADAGRAD, .moments = 1},
      {.kind = OFS_ADADELTA, .moments = 2},
      {.kind = OFS_LION, .moments = 1},
  };
  for (size_t i = 0; i < sizeof updates / sizeof *updates; i++) {
    ofs_update u = updates[i];
    u.rate = 0.1f, u.beta1 = 0.9f, u.beta2 = 0.999f, u.rest1 = 0.1f, u.rest2 = 0.001f,
    u.epsilon = 1e-7f;
    u.correction1 = 1.5f, u.correction2 = 30, u.ahead = 0.7f, u.here = 0.4f;
    guarded g = input(n, placement, offset, 1), w0 = input(n, placement, 1, 1);
    if (n > 2) g.data[1] = 0;
    pair w = pair_new(w0.data, n, placement, offset), m[3];
    for (int k = 0; k < 3; k++) {
      guarded start = input(n, placement, 2, 1);
      /* squares are the first or the second; a square of a mean below a mean of squares, and
       * above */
      for (size_t j = 0; j < n; j++)
        start.data[j] = j == 1 ? 0 : k < 2 && i > 2 ? fabsf(start.data[j]) : start.data[j];
      m[k] = pair_new(start.data, n, placement, offset);
      guard_free(&start, "moment");
    }
    float *const of_fast[] = {m[0].fast.data, m[1].fast.data, m[2].fast.data};
    float *const of_ref[] = {m[0].ref.data, m[1].ref.data, m[2].ref.data};
    fast.update(&u, w.fast.data, of_fast, g.data, n);
    ref.update(&u, w.ref.data, of_ref, g.data, n);
    for (size_t j = 0; j < n; j++)
      CHECK_MSG(isfinite(w.ref.data[j]), "update %d: %g", (int)i, (double)w.ref.data[j]);
    pair_check(&w, "update w");
    for (int k = 0; k < 3; k++) pair_check(&m[k], "update of a moment");
    guard_free(&g, "update g"), guard_free(&w0, "w0");
  }
}

/* One bad number anywhere is seen, whatever is beside it; the limit itself is one. */
static void bounded_body(size_t n, int placement, size_t offset) {
  const float bad[] = {NAN, -NAN, INFINITY, -INFINITY, 2, -2, 3};
  guarded x = input(n, placement, offset, 1);
  CHECK(fast.bounded(x.data, n, 2) && ref.bounded(x.data, n, 2));
  for (size_t j = 0; j < n; j++)
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
      float was = x.data[j];
      x.data[j] = bad[k];
      CHECK(!fast.bounded(x.data, n, 2) && !ref.bounded(x.data, n, 2));
      CHECK(fast.bounded(x.data, n, INFINITY) == k > 3 &&
            ref.bounded(x.data, n, INFINITY) == k > 3);
      x.data[j] = was;
    }
  guard_free(&x, "bounded");
}

/* ofs_kernels_fill sets every pointer, to another function than the reference. */
static void test_complete(void) {
  enum { POINTERS = sizeof(ofs_kernels) / sizeof(void (*)(void)) };
  void (*a[POINTERS])(void), (*b[POINTERS])(void);
  memset(&fast, 0, sizeof fast);
  memset(&ref, 0, sizeof ref);
  ofs_kernels_fill(&fast);
  ofs_kernels_fill_ref(&ref);
  memcpy(a, &fast, sizeof a);
  memcpy(b, &ref, sizeof b);
  for (int i = 0; i < POINTERS; i++) CHECK_MSG(a[i] && b[i] && a[i] != b[i], "kernel %d", i);
}

int main(void) {
  test_complete();
  for (int a = 0; a < ACTS; a++) check_act_exact(acts[a]);
  at_all_sizes(act_body);
  test_softmax();
  test_add_rows();
  test_sum_partials();
  at_all_sizes(add_scaled_body);
  at_all_sizes(scale_body);
  test_transpose();
  test_panels();
  test_cleaning();
  at_all_sizes(dropout_body);
  test_dropout_rate();
  at_all_sizes(update_body);
  at_all_sizes(bounded_body);
  return check_report("kernels");
}
