/* elementwise.c: the kernels that go over vectors: activations, softmax, dropout, scaling, sums of
 * rows and of partial results, transposition.
 *
 * Four elements at a time, the last one to three in a vector filled up with zeros; no element sees
 * another but in the sums, whose four lanes kernels.h fixes. */
#include "kernels/activate.h"
#include "kernels/kernels.h"
#include "kernels/fast.h"
#include "base/random.h"

#ifndef OFS_REAL_DOUBLE

/* ---- activations ---- */

/* Lengths are multiples of 4 from here to the two kernels, which put the last one to three elements
 * into a vector of their own: so every activation is compiled once. */
OFS_INLINE void forward(uint32_t act, float *y, const float *x, size_t n) {
  for (size_t i = 0; i < n; i += 4) ofs_store4(y + i, ofs_activate4(act, ofs_load4(x + i)));
}

OFS_INLINE void backward(uint32_t act, float *dx, const float *at, const float *dy, size_t n) {
  for (size_t i = 0; i < n; i += 4)
    ofs_store4(dx + i, ofs_differentiate4(act, ofs_load4(at + i), ofs_load4(dy + i)));
}

static void forward_of(uint32_t act, float *y, const float *x, size_t n) {
  switch (act) {
  case OFS_ACT_RELU: forward(OFS_ACT_RELU, y, x, n); break;
  case OFS_ACT_LEAKY_RELU: forward(OFS_ACT_LEAKY_RELU, y, x, n); break;
  case OFS_ACT_ELU: forward(OFS_ACT_ELU, y, x, n); break;
  case OFS_ACT_SELU: forward(OFS_ACT_SELU, y, x, n); break;
  case OFS_ACT_GELU: forward(OFS_ACT_GELU, y, x, n); break;
  case OFS_ACT_SIGMOID: forward(OFS_ACT_SIGMOID, y, x, n); break;
  case OFS_ACT_TANH: forward(OFS_ACT_TANH, y, x, n); break;
  case OFS_ACT_SOFTPLUS: forward(OFS_ACT_SOFTPLUS, y, x, n); break;
  case OFS_ACT_SWISH: forward(OFS_ACT_SWISH, y, x, n); break;
  case OFS_ACT_RELU6: forward(OFS_ACT_RELU6, y, x, n); break;
  case OFS_ACT_HARD_SIGMOID: forward(OFS_ACT_HARD_SIGMOID, y, x, n); break;
  case OFS_ACT_SOFTSIGN: forward(OFS_ACT_SOFTSIGN, y, x, n); break;
  case OFS_ACT_EXPONENTIAL: forward(OFS_ACT_EXPONENTIAL, y, x, n); break;
  case OFS_ACT_MISH: forward(OFS_ACT_MISH, y, x, n); break;
  default: forward(OFS_ACT_LINEAR, y, x, n); break;
  }
}

static void backward_of(uint32_t act, float *dx, const float *at, const float *dy, size_t n) {
  switch (act) {
  case OFS_ACT_RELU: backward(OFS_ACT_RELU, dx, at, dy, n); break;
  case OFS_ACT_LEAKY_RELU: backward(OFS_ACT_LEAKY_RELU, dx, at, dy, n); break;
  case OFS_ACT_ELU: backward(OFS_ACT_ELU, dx, at, dy, n); break;
  case OFS_ACT_SELU: backward(OFS_ACT_SELU, dx, at, dy, n); break;
  case OFS_ACT_GELU: backward(OFS_ACT_GELU, dx, at, dy, n); break;
  case OFS_ACT_SIGMOID: backward(OFS_ACT_SIGMOID, dx, at, dy, n); break;
  case OFS_ACT_TANH: backward(OFS_ACT_TANH, dx, at, dy, n); break;
  case OFS_ACT_SOFTPLUS: backward(OFS_ACT_SOFTPLUS, dx, at, dy, n); break;
  case OFS_ACT_SWISH: backward(OFS_ACT_SWISH, dx, at, dy, n); break;
  case OFS_ACT_RELU6: backward(OFS_ACT_RELU6, dx, at, dy, n); break;
  case OFS_ACT_HARD_SIGMOID: backward(OFS_ACT_HARD_SIGMOID, dx, at, dy, n); break;
  case OFS_ACT_SOFTSIGN: backward(OFS_ACT_SOFTSIGN, dx, at, dy, n); break;
  case OFS_ACT_EXPONENTIAL: backward(OFS_ACT_EXPONENTIAL, dx, at, dy, n); break;
  case OFS_ACT_MISH: backward(OFS_ACT_MISH, dx, at, dy, n); break;
  default: forward(OFS_ACT_LINEAR, dx, dy, n); break;
  }
}

void ofs_act_forward(uint32_t act, float *y, const float *x, size_t n) {
  size_t rest = n % 4, whole = n - rest;
  float last[4];
  forward_of(act, y, x, whole);
  if (rest == 0) return;
  ofs_store4(last, ofs_load_part(x + whole, rest));
  forward_of(act, last, last, 4);
  ofs_store_part(y + whole, ofs_load4(last), rest);
}

void ofs_act_backward(uint32_t act, float *dx, const float *x, const float *y, const float *dy,
                      size_t n) {
  const float *at = OFS_ACT_OF_INPUT(act) ? x : y;
  size_t rest = n % 4, whole = n - rest;
  float last[4], last_at[4];
  backward_of(act, dx, at, dy, whole);
  if (rest == 0) return;
  ofs_store4(last, ofs_load_part(dy + whole, rest));
  ofs_store4(last_at, ofs_load_part(at + whole, rest));
  backward_of(act, last, last_at, last, 4);
  ofs_store_part(dx + whole, ofs_load4(last), rest);
}

/* ---- softmax ---- */

/* Returns the greatest of n numbers. The order of comparisons does not matter: a NaN makes the
 * whole row NaN, and the two zeros give the same exponentials. */
static float greatest_of(const float *x, uint32_t n) {
  float greatest = x[0];
  uint32_t i = 0;
  if (n >= 4) {
    ofs_f4 best = ofs_load4(x);
    for (i = 4; i + 4 <= n; i += 4) {
      ofs_f4 v = ofs_load4(x + i);
      best = ofs_select4(v > best, v, best);
    }
    for (int l = 0; l < 4; l++) greatest = best[l] > greatest ? best[l] : greatest;
  }
  for (; i < n; i++) greatest = x[i] > greatest ? x[i] : greatest;
  return greatest;
}

/* Sets the lanes beyond n to -0, which leaves any sum as it is. */
OFS_INLINE ofs_f4 first_lanes(ofs_f4 v, uint32_t n) {
  const ofs_u4 lane = {0, 1, 2, 3};
  return ofs_select4((ofs_i4)(lane < ofs_usplat4(n)), v, ofs_splat4(-0.0f));
}

static void softmax_forward_f32(float *y, const float *x, uint32_t rows, uint32_t cols) {
  uint32_t whole = cols / 4 * 4, rest = cols - whole;
  for (; rows > 0; rows--, x += cols, y += cols) {
    ofs_f4 greatest = ofs_splat4(greatest_of(x, cols)), lanes = ofs_splat4(0);
    for (uint32_t i = 0; i < whole; i += 4) {
      ofs_f4 e = ofs_exp4(ofs_load4(x + i) - greatest);
      ofs_store4(y + i, e);
      lanes += e;
    }
    if (rest) {
      ofs_f4 e = ofs_exp4(ofs_load_part(x + whole, rest) - greatest);
      ofs_store_part(y + whole, e, rest);
      lanes += first_lanes(e, rest);
    }
    ofs_f4 sum = ofs_splat4(ofs_sum4(lanes));
    for (uint32_t i = 0; i < whole; i += 4) ofs_store4(y + i, ofs_load4(y + i) / sum);
    if (rest) ofs_store_part(y + whole, ofs_load_part(y + whole, rest) / sum, rest);
  }
}

static void softmax_backward_f32(float *dx, const float *y, const float *dy, uint32_t rows,
                                 uint32_t cols) {
  uint32_t whole = cols / 4 * 4, rest = cols - whole;
  for (; rows > 0; rows--, dx += cols, y += cols, dy += cols) {
    ofs_f4 lanes = ofs_splat4(0);
    for (uint32_t i = 0; i < whole; i += 4) lanes += ofs_load4(dy + i) * ofs_load4(y + i);
    if (rest)
      lanes += first_lanes(ofs_load_part(dy + whole, rest) * ofs_load_part(y + whole, rest), rest);
    ofs_f4 sum = ofs_splat4(ofs_sum4(lanes));
    for (uint32_t i = 0; i < whole; i += 4)
      ofs_store4(dx + i, ofs_load4(y + i) * (ofs_load4(dy + i) - sum));
    if (rest) {
      ofs_f4 d = ofs_load_part(y + whole, rest) * (ofs_load_part(dy + whole, rest) - sum);
      ofs_store_part(dx + whole, d, rest);
    }
  }
}

/* ---- sums, scaling, transposition ---- */

/* Returns a + v, and in *lost what rounding took from it, which the next sum gets back. */
OFS_INLINE ofs_f4 add_compensated(ofs_f4 a, ofs_f4 v, ofs_f4 *lost) {
  ofs_f4 y = v - *lost, sum = a + y;
  *lost = (sum - a) - y;
  return sum;
}

static void add_rows_f32(float *dst, const float *src, uint32_t rows, uint32_t cols) {
  uint32_t i = 0;
  for (; i + 8 <= cols; i += 8) {
    ofs_f4 a = ofs_load4(dst + i), b = ofs_load4(dst + i + 4), lost_a = ofs_splat4(0),
           lost_b = lost_a;
    const float *s = src + i;
    for (uint32_t r = 0; r < rows; r++, s += cols) {
      a = add_compensated(a, ofs_load4(s), &lost_a);
      b = add_compensated(b, ofs_load4(s + 4), &lost_b);
    }
    ofs_store4(dst + i, a);
    ofs_store4(dst + i + 4, b);
  }
  for (; i < cols; i += 4) {
    uint32_t n = cols - i < 4 ? cols - i : 4;
    ofs_f4 a = n == 4 ? ofs_load4(dst + i) : ofs_load_part(dst + i, n), lost = ofs_splat4(0);
    const float *s = src + i;
    for (uint32_t r = 0; r < rows; r++, s += cols)
      a = add_compensated(a, n == 4 ? ofs_load4(s) : ofs_load_part(s, n), &lost);
    if (n == 4)
      ofs_store4(dst + i, a);
    else
      ofs_store_part(dst + i, a, n);
  }
}

static void sum_partials_f32(float *dst, const float *src, size_t stride, uint32_t count,
                             uint32_t n) {
  uint32_t i = 0;
  for (; i + 4 <= n; i += 4) {
    ofs_f4 sum = ofs_load4(src + i);
    for (size_t p = 1; p < count; p++) sum += ofs_load4(src + p * stride + i);
    ofs_store4(dst + i, sum);
  }
  for (; i < n; i++) {
    float sum = src[i];
    for (size_t p = 1; p < count; p++) sum += src[p * stride + i];
    dst[i] = sum;
  }
}

static void add_scaled_f32(float *dst, const float *src, float scale, size_t n) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4)
    ofs_store4(dst + i, ofs_madd4(ofs_load4(dst + i), ofs_load4(src + i), ofs_splat4(scale)));
  for (; i < n; i++) dst[i] += src[i] * scale;
}

static void scale_u8_f32(float *y, const uint8_t *x, float scale, float offset, size_t n) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    ofs_f4 v = {(float)x[i], (float)x[i + 1], (float)x[i + 2], (float)x[i + 3]};
    ofs_store4(y + i, v * ofs_splat4(scale) + ofs_splat4(offset));
  }
  for (; i < n; i++) y[i] = (float)x[i] * scale + offset;
}

/* Transposes squares of four by four, so that both sides are read and written by vectors. */
static void transpose_f32(float *dst, size_t ldd, const float *src, size_t lds, uint32_t rows,
                          uint32_t cols) {
  uint32_t i = 0, whole = cols / 4 * 4;
  for (; i + 4 <= rows; i += 4) {
    const float *s = src + i * lds;
    for (uint32_t j = 0; j < whole; j += 4) {
      ofs_f4 a = ofs_load4(s + j), b = ofs_load4(s + lds + j);
      ofs_f4 c = ofs_load4(s + 2 * lds + j), d = ofs_load4(s + 3 * lds + j);
      for (int l = 0; l < 4; l++)
        ofs_store4(dst + (j + l) * ldd + i, (ofs_f4){a[l], b[l], c[l], d[l]});
    }
    for (uint32_t j = whole; j < cols; j++)
      for (uint32_t l = 0; l < 4; l++) dst[j * ldd + i + l] = s[l * lds + j];
  }
  for (; i < rows; i++)
    for (uint32_t j = 0; j < cols; j++) dst[j * ldd + i] = src[i * lds + j];
}

/* Goes row by row, so that src is read as it lies. */
static void panels_f32(float *dst, size_t panel, const float *src, size_t lds, uint32_t rows,
                       uint32_t cols) {
  uint32_t whole = cols / OFS_PANEL * OFS_PANEL;
  for (; rows > 0; rows--, src += lds, dst += OFS_PANEL) {
    float *to = dst;
    for (uint32_t i = 0; i < whole; i += OFS_PANEL, to += panel) {
      ofs_store4(to, ofs_load4(src + i));
      ofs_store4(to + 4, ofs_load4(src + i + 4));
    }
    for (uint32_t i = whole; whole < cols && i < whole + OFS_PANEL; i++)
      to[i - whole] = i < cols ? src[i] : 0;
  }
}

/* Writes one panel of eight whole columns. */
static void turned_panel(float *dst, const float *src, size_t lds, uint32_t cols) {
  uint32_t j = 0;
  for (; j + 4 <= cols; j += 4)
    for (int half = 0; half < 2; half++) {
      const float *s = src + 4 * half * lds + j;
      ofs_f4 a = ofs_load4(s), b = ofs_load4(s + lds), c = ofs_load4(s + 2 * lds),
             d = ofs_load4(s + 3 * lds);
      for (int l = 0; l < 4; l++)
        ofs_store4(dst + (j + l) * OFS_PANEL + 4 * half, (ofs_f4){a[l], b[l], c[l], d[l]});
    }
  for (; j < cols; j++)
    for (size_t i = 0; i < OFS_PANEL; i++) dst[j * OFS_PANEL + i] = src[i * lds + j];
}

static void turned_panels_f32(float *dst, size_t panel, const float *src, size_t lds, uint32_t rows,
                              uint32_t cols) {
  for (; rows >= OFS_PANEL; rows -= OFS_PANEL, src += OFS_PANEL * lds, dst += panel)
    turned_panel(dst, src, lds, cols);
  for (size_t j = 0; rows > 0 && j < cols; j++)
    for (size_t i = 0; i < OFS_PANEL; i++) *dst++ = i < rows ? src[i * lds + j] : 0;
}

/* ---- dropout ---- */

static void dropout_f32(float *y, const float *x, uint64_t first, size_t n, uint32_t threshold,
                        float scale, const uint32_t key[2], uint32_t layer, uint32_t step) {
  const ofs_f4 factor = ofs_splat4(scale), zero = ofs_splat4(0);
  for (uint64_t quad = first / 4; n > 0; quad++) {
    uint32_t counter[4] = {(uint32_t)quad, (uint32_t)(quad >> 32), layer, step}, word[4];
    size_t now = n < 4 ? n : 4;
    ofs_philox(word, counter, key);
    ofs_i4 keep = (ofs_i4)((ofs_u4){word[0], word[1], word[2], word[3]} >= ofs_usplat4(threshold));
    if (now == 4)
      ofs_store4(y, ofs_select4(keep, ofs_load4(x) * factor, zero));
    else
      ofs_store_part(y, ofs_select4(keep, ofs_load_part(x, now) * factor, zero), now);
    y += now, x += now, n -= now;
  }
}

void ofs_elementwise_fill(ofs_kernels *k) {
  k->transpose = transpose_f32;
  k->panels = panels_f32;
  k->turned_panels = turned_panels_f32;
  k->add_rows = add_rows_f32;
  k->sum_partials = sum_partials_f32;
  k->add_scaled = add_scaled_f32;
  k->scale_u8 = scale_u8_f32;
  k->act_forward = ofs_act_forward;
  k->act_backward = ofs_act_backward;
  k->softmax_forward = softmax_forward_f32;
  k->softmax_backward = softmax_backward_f32;
  k->dropout = dropout_f32;
}

#endif
