/* elementwise.c: the kernels that go over vectors: activations, softmax, dropout, scaling, sums of
 * rows and of partial results, transposition. */
#include "kernels/ref/ref.h"

#include "base/maths.h"
#include "base/random.h"
#include "spec/schema.h"

static void transpose_ref(ofs_real *dst, size_t ldd, const ofs_real *src, size_t lds, uint32_t rows,
                          uint32_t cols) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < cols; j++) dst[j * ldd + i] = src[i * lds + j];
}

static void panels_ref(ofs_real *dst, size_t panel, const ofs_real *src, size_t lds, uint32_t rows,
                       uint32_t cols) {
  for (size_t i = 0; i < ((size_t)cols + OFS_PANEL - 1) / OFS_PANEL * OFS_PANEL; i++)
    for (size_t j = 0; j < rows; j++)
      dst[i / OFS_PANEL * panel + j * OFS_PANEL + i % OFS_PANEL] = i < cols ? src[j * lds + i] : 0;
}

static void turned_panels_ref(ofs_real *dst, size_t panel, const ofs_real *src, size_t lds,
                              uint32_t rows, uint32_t cols) {
  for (size_t i = 0; i < ((size_t)rows + OFS_PANEL - 1) / OFS_PANEL * OFS_PANEL; i++)
    for (size_t j = 0; j < cols; j++)
      dst[i / OFS_PANEL * panel + j * OFS_PANEL + i % OFS_PANEL] = i < rows ? src[i * lds + j] : 0;
}

static void add_rows_ref(ofs_real *dst, const ofs_real *src, uint32_t rows, uint32_t cols) {
  for (size_t i = 0; i < cols; i++) {
    ofs_real sum = dst[i], lost = 0;
    for (size_t r = 0; r < rows; r++) {
      ofs_real y = src[r * cols + i] - lost, next = sum + y;
      lost = (next - sum) - y;
      sum = next;
    }
    dst[i] = sum;
  }
}

static void sum_partials_ref(ofs_real *dst, const ofs_real *src, size_t stride, uint32_t count,
                             uint32_t n) {
  for (size_t i = 0; i < n; i++) {
    ofs_real sum = src[i];
    for (size_t p = 1; p < count; p++) sum += src[p * stride + i];
    dst[i] = sum;
  }
}

static void add_scaled_ref(ofs_real *dst, const ofs_real *src, ofs_real scale, size_t n) {
  for (size_t i = 0; i < n; i++) dst[i] += src[i] * scale;
}

static void scale_u8_ref(ofs_real *y, const uint8_t *x, ofs_real scale, ofs_real offset, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = (ofs_real)x[i] * scale + offset;
}

/* ---- activations ---- */

#define SELU_SCALE ((ofs_real)1.0507009873554804934)       /* Klambauer et al. 2017 */
#define SELU_SCALE_ALPHA ((ofs_real)1.7580993408473768599) /* scale * alpha */
#define LEAK ((ofs_real)0.3)                               /* Keras's default slope */
#define SQRT_HALF ((ofs_real)0.70710678118654752440)
#define INV_SQRT_2PI ((ofs_real)0.39894228040143267794)
#define SIXTH (1 / (ofs_real)6)

static ofs_real clamp(ofs_real x, ofs_real low, ofs_real high) {
  return x > high ? high : x < low ? low : x;
}

/* NaN fails the comparison and so remains. */
ofs_real ofs_activate_ref(uint32_t act, ofs_real x) {
  switch (act) {
  case OFS_ACT_RELU: return x <= 0 ? 0 : x;
  case OFS_ACT_LEAKY_RELU: return x <= 0 ? LEAK * x : x;
  case OFS_ACT_ELU: return x <= 0 ? ofs_expm1(x) : x;
  case OFS_ACT_SELU: return x <= 0 ? SELU_SCALE_ALPHA * ofs_expm1(x) : SELU_SCALE * x;
  case OFS_ACT_GELU: return ((ofs_real)0.5 * x) * (1 + ofs_erf(x * SQRT_HALF));
  case OFS_ACT_SIGMOID: return ofs_sigmoid(x);
  case OFS_ACT_TANH: return ofs_tanh(x);
  case OFS_ACT_SOFTPLUS: return ofs_softplus(x);
  case OFS_ACT_SWISH: return x * ofs_sigmoid(x);
  case OFS_ACT_RELU6: return clamp(x, 0, 6);
  case OFS_ACT_HARD_SIGMOID: return clamp(x + 3, 0, 6) * SIXTH;
  case OFS_ACT_SOFTSIGN: return x / (1 + (x < 0 ? -x : x));
  case OFS_ACT_EXPONENTIAL: return ofs_exp(x);
  case OFS_ACT_MISH: {
    ofs_real e = ofs_exp(clamp(x, -104, 20)), n = e * (e + 2);
    return x * (n / (n + 2));
  }
  default: return x;
  }
}

/* The derivative times dy. softplus: sigmoid(x) = 1 - e^-y. gelu: Phi(x) + x phi(x). */
ofs_real ofs_differentiate_ref(uint32_t act, ofs_real x, ofs_real y, ofs_real dy) {
  ofs_real s;
  switch (act) {
  case OFS_ACT_RELU: return y <= 0 ? 0 : dy;
  case OFS_ACT_LEAKY_RELU: return y <= 0 ? LEAK * dy : dy;
  case OFS_ACT_ELU: return y <= 0 ? (y + 1) * dy : dy;
  case OFS_ACT_SELU: return y <= 0 ? (y + SELU_SCALE_ALPHA) * dy : SELU_SCALE * dy;
  case OFS_ACT_GELU:
    s = (ofs_real)0.5 * (1 + ofs_erf(x * SQRT_HALF));
    return (s + x * (INV_SQRT_2PI * ofs_exp((ofs_real)-0.5 * (x * x)))) * dy;
  case OFS_ACT_SIGMOID: return (y * (1 - y)) * dy;
  case OFS_ACT_TANH: return (1 - y * y) * dy;
  case OFS_ACT_SOFTPLUS: return -ofs_expm1(-y) * dy;
  case OFS_ACT_SWISH: s = ofs_sigmoid(x); return (s + (x * s) * (1 - s)) * dy;
  case OFS_ACT_RELU6: return y <= 0 || y >= 6 ? 0 : dy;
  case OFS_ACT_HARD_SIGMOID: return y <= 0 || y >= 1 ? 0 : SIXTH * dy;
  case OFS_ACT_SOFTSIGN: s = 1 - (y < 0 ? -y : y); return (s * s) * dy;
  case OFS_ACT_EXPONENTIAL: return y * dy;
  case OFS_ACT_MISH: {
    ofs_real e = ofs_exp(clamp(x, -104, 20)), n = e * (e + 2), m = n + 2;
    return (n / m + x * (((4 * e) * (e + 1)) / (m * m))) * dy;
  }
  default: return dy;
  }
}

static void act_forward_ref(uint32_t act, ofs_real *y, const ofs_real *x, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = ofs_activate_ref(act, x[i]);
}

static void act_backward_ref(uint32_t act, ofs_real *dx, const ofs_real *x, const ofs_real *y,
                             const ofs_real *dy, size_t n) {
  int needs_x = OFS_ACT_OF_INPUT(act);
  for (size_t i = 0; i < n; i++)
    dx[i] = ofs_differentiate_ref(act, needs_x ? x[i] : 0, needs_x ? 0 : y[i], dy[i]);
}

/* ---- softmax ---- */

/* The greatest element is subtracted, so no exponential overflows and their sum is at least 1. */
static void softmax_forward_ref(ofs_real *y, const ofs_real *x, uint32_t rows, uint32_t cols) {
  for (; rows > 0; rows--, x += cols, y += cols) {
    ofs_real greatest = x[0], lane[4] = {0, 0, 0, 0};
    for (size_t i = 1; i < cols; i++) greatest = x[i] > greatest ? x[i] : greatest;
    for (size_t i = 0; i < cols; i++) {
      y[i] = ofs_exp(x[i] - greatest);
      lane[i % 4] += y[i];
    }
    ofs_real sum = (lane[0] + lane[2]) + (lane[1] + lane[3]);
    for (size_t i = 0; i < cols; i++) y[i] = y[i] / sum;
  }
}

static void softmax_backward_ref(ofs_real *dx, const ofs_real *y, const ofs_real *dy, uint32_t rows,
                                 uint32_t cols) {
  for (; rows > 0; rows--, dx += cols, y += cols, dy += cols) {
    ofs_real lane[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < cols; i++) lane[i % 4] += dy[i] * y[i];
    ofs_real sum = (lane[0] + lane[2]) + (lane[1] + lane[3]);
    for (size_t i = 0; i < cols; i++) dx[i] = y[i] * (dy[i] - sum);
  }
}

/* ---- dropout ---- */

static void dropout_ref(ofs_real *y, const ofs_real *x, uint64_t first, size_t n,
                        uint32_t threshold, ofs_real scale, const uint32_t key[2], uint32_t layer,
                        uint32_t step) {
  for (size_t i = 0; i < n; i++) {
    uint64_t e = first + i;
    uint32_t counter[4] = {(uint32_t)(e / 4), (uint32_t)(e / 4 >> 32), layer, step}, word[4];
    ofs_philox(word, counter, key);
    y[i] = word[e % 4] >= threshold ? x[i] * scale : 0;
  }
}

void ofs_elementwise_fill_ref(ofs_kernels *k) {
  k->transpose = transpose_ref;
  k->panels = panels_ref;
  k->turned_panels = turned_panels_ref;
  k->add_rows = add_rows_ref;
  k->sum_partials = sum_partials_ref;
  k->add_scaled = add_scaled_ref;
  k->scale_u8 = scale_u8_ref;
  k->act_forward = act_forward_ref;
  k->act_backward = act_backward_ref;
  k->softmax_forward = softmax_forward_ref;
  k->softmax_backward = softmax_backward_ref;
  k->dropout = dropout_ref;
}
