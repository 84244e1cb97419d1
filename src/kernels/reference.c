/* reference.c: every kernel in plain C: complete without the fast ones, and what they are tested against.
 *
 * Order of additions as kernels.h fixes it. Here clearness comes before speed; nothing is blocked and no
 * vector type is used, so the same file serves the double build of the gradient proofs. */
#include "kernels/kernels.h"
#include "base/maths.h"
#include "base/random.h"
#include "spec/schema.h"

/* ---- products ---- */

static ofs_real gemm_start(const ofs_gemm *g, size_t m, size_t n) {
  if (g->accumulate) return g->c[m * g->ldc + n];
  return g->bias ? g->bias[n] : 0;
}

/* step_m, step_k: how far apart two elements of a lie along m and along k */
static void one_gemm_ref(const ofs_gemm *g, size_t step_m, size_t step_k) {
  for (size_t m = 0; m < g->m; m++) {
    for (size_t n = 0; n < g->n; n++) {
      ofs_real sum = gemm_start(g, m, n);
      const ofs_real *b = g->panel ? g->b + n / OFS_PANEL * g->panel + n % OFS_PANEL : g->b + n;
      size_t ldb = g->panel ? OFS_PANEL : g->ldb;
      for (size_t ry = 0; ry < g->runs_y; ry++)
        for (size_t rx = 0; rx < g->runs_x; rx++) {
          const ofs_real *a = g->a + m * step_m + ry * g->step_y + rx * g->step_x;
          for (size_t k = 0; k < g->k; k++, b += ldb) sum += a[k * step_k] * *b;
        }
      g->c[m * g->ldc + n] = sum;
    }
  }
}

static void gemm_ref(const ofs_gemm *g, size_t step_m, size_t step_k) {
  ofs_gemm one = *g;
  for (uint32_t i = 0; i <= g->more; i++, one.a += g->next_a, one.c += g->next_c) one_gemm_ref(&one, step_m, step_k);
}

static void gemm_nn_ref(const ofs_gemm *g) { gemm_ref(g, g->lda, 1); }
static void gemm_tn_ref(const ofs_gemm *g) { gemm_ref(g, 1, g->lda); }

/* ---- Winograd ---- */

/* B' d over four numbers a stride apart, in place; then A m over two, A' m and G g likewise. */
static void wino_b(ofs_real *d, size_t s) {
  ofs_real d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s];
  d[0] = d0 - d2, d[s] = d1 + d2, d[2 * s] = d2 - d1, d[3 * s] = d1 - d3;
}

static void wino_a(ofs_real *d, size_t s) {
  ofs_real d0 = d[0], d1 = d[s];
  d[s] = d0 + d1, d[2 * s] = d0 - d1, d[3 * s] = -d1;
}

static void wino_a_back(ofs_real *m, size_t s) {
  ofs_real m0 = m[0], m1 = m[s], m2 = m[2 * s], m3 = m[3 * s];
  m[0] = (m0 + m1) + m2, m[s] = (m1 - m2) - m3;
}

static void wino_g(ofs_real *g, size_t s) {
  ofs_real half = (ofs_real)0.5, g0 = g[0], g1 = g[s], g2 = g[2 * s], outer = half * (g0 + g2), inner = half * g1;
  g[s] = outer + inner, g[2 * s] = outer - inner, g[3 * s] = g2;
}

static void wino_g_back(ofs_real *u, size_t s) {
  ofs_real half = (ofs_real)0.5, u0 = u[0], u1 = u[s], u2 = u[2 * s], u3 = u[3 * s], sum = half * (u1 + u2);
  u[0] = u0 + sum, u[s] = half * (u1 - u2), u[2 * s] = sum + u3;
}

static void wino_filter_ref(ofs_real *u, const ofs_real *w, uint32_t c, uint32_t f, uint32_t row0, uint32_t row1) {
  size_t panel = (size_t)c * OFS_PANEL, plane = ((size_t)f + OFS_PANEL - 1) / OFS_PANEL * panel, size = (size_t)c * f;
  for (size_t row = row0; row < row1; row++)
    for (size_t n = 0; n < (plane / panel) * OFS_PANEL; n++) {
      ofs_real g[16] = {0};
      for (size_t k = 0; n < f && k < 9; k++) g[k / 3 * 4 + k % 3] = w[k * size + row * f + n];
      for (size_t k = 0; k < 3; k++) wino_g(g + k, 4);
      for (size_t k = 0; k < 4; k++) wino_g(g + 4 * k, 1);
      for (size_t k = 0; k < 16; k++) u[k * plane + n / OFS_PANEL * panel + row * OFS_PANEL + n % OFS_PANEL] = g[k];
    }
}

/* Element (y, x) of channel k, zero outside. */
static ofs_real wino_at(const ofs_wino *g, const ofs_real *x, int64_t iy, int64_t ix, size_t k) {
  return iy < 0 || ix < 0 || iy >= g->h || ix >= g->w ? 0 : x[((size_t)iy * g->w + (size_t)ix) * g->c + k];
}

static void wino_input_ref(const ofs_wino *g, ofs_real *v, const ofs_real *x, uint32_t ty, uint32_t tx, uint32_t count) {
  for (size_t t = 0; t < count; t++)
    for (size_t k = 0; k < g->n; k++) {
      ofs_real d[16];
      for (int i = 0; i < 16; i++)
        d[i] = wino_at(g, x, 2 * (int64_t)ty - g->top + i / 4, 2 * ((int64_t)tx + (int64_t)t) - g->left + i % 4, k);
      for (int i = 0; i < 4; i++) wino_b(d + i, 4);
      for (int i = 0; i < 4; i++) wino_b(d + 4 * i, 1);
      for (size_t i = 0; i < 16; i++) v[i * g->plane + t * g->n + k] = d[i];
    }
}

static void wino_gradient_ref(const ofs_wino *g, ofs_real *v, const ofs_real *dy, uint32_t ty, uint32_t tx,
                              uint32_t count) {
  for (size_t t = 0; t < count; t++)
    for (size_t k = 0; k < g->n; k++) {
      ofs_real d[16];
      for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
          d[4 * i + j] = wino_at(g, dy, 2 * (int64_t)ty + i, 2 * ((int64_t)tx + (int64_t)t) + j, k);
      for (int i = 0; i < 2; i++) wino_a(d + i, 4);
      for (int i = 0; i < 4; i++) wino_a(d + 4 * i, 1);
      for (size_t i = 0; i < 16; i++) v[i * g->plane + t * g->n + k] = d[i];
    }
}

static void wino_output_ref(const ofs_wino *g, ofs_real *y, const ofs_real *m, const ofs_real *bias, uint32_t ty,
                            uint32_t tx, uint32_t count) {
  for (size_t t = 0; t < count; t++)
    for (size_t k = 0; k < g->n; k++) {
      ofs_real d[16];
      for (size_t i = 0; i < 16; i++) d[i] = m[i * g->plane + t * g->n + k];
      for (int i = 0; i < 4; i++) wino_a_back(d + i, 4);
      for (int i = 0; i < 2; i++) wino_a_back(d + 4 * i, 1);
      for (size_t i = 0; i < 4; i++) {
        size_t oy = 2 * (size_t)ty + i / 2, ox = 2 * (tx + t) + i % 2;
        if (oy >= g->h || ox >= g->w) continue;
        y[(oy * g->w + ox) * g->c + k] = d[i / 2 * 4 + i % 2] + (bias ? bias[k] : 0);
      }
    }
}

static void wino_weights_ref(ofs_real *dw, size_t stride_dw, const ofs_real *du, size_t stride_du, size_t n) {
  for (size_t k = 0; k < n; k++) {
    ofs_real u[16];
    for (size_t i = 0; i < 16; i++) u[i] = du[i * stride_du + k];
    for (int i = 0; i < 4; i++) wino_g_back(u + i, 4);
    for (int i = 0; i < 3; i++) wino_g_back(u + 4 * i, 1);
    for (size_t i = 0; i < 9; i++) dw[i * stride_dw + k] = u[i / 3 * 4 + i % 3];
  }
}

static void transpose_ref(ofs_real *dst, size_t ldd, const ofs_real *src, size_t lds, uint32_t rows, uint32_t cols) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < cols; j++) dst[j * ldd + i] = src[i * lds + j];
}

static void panels_ref(ofs_real *dst, size_t panel, const ofs_real *src, size_t lds, uint32_t rows, uint32_t cols) {
  for (size_t i = 0; i < ((size_t)cols + OFS_PANEL - 1) / OFS_PANEL * OFS_PANEL; i++)
    for (size_t j = 0; j < rows; j++)
      dst[i / OFS_PANEL * panel + j * OFS_PANEL + i % OFS_PANEL] = i < cols ? src[j * lds + i] : 0;
}

static void turned_panels_ref(ofs_real *dst, size_t panel, const ofs_real *src, size_t lds, uint32_t rows, uint32_t cols) {
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

static void sum_partials_ref(ofs_real *dst, const ofs_real *src, size_t stride, uint32_t count, uint32_t n) {
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

static ofs_real clamp(ofs_real x, ofs_real low, ofs_real high) { return x > high ? high : x < low ? low : x; }

/* NaN fails the comparison and so goes through. */
static ofs_real activate(uint32_t act, ofs_real x) {
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
static ofs_real differentiate(uint32_t act, ofs_real x, ofs_real y, ofs_real dy) {
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
  for (size_t i = 0; i < n; i++) y[i] = activate(act, x[i]);
}

static void act_backward_ref(
    uint32_t act, ofs_real *dx, const ofs_real *x, const ofs_real *y, const ofs_real *dy, size_t n) {
  int needs_x = OFS_ACT_OF_INPUT(act);
  for (size_t i = 0; i < n; i++) dx[i] = differentiate(act, needs_x ? x[i] : 0, needs_x ? 0 : y[i], dy[i]);
}

/* ---- recurrent cells ---- */

/* From the output alone. */
static ofs_real back(uint32_t act, ofs_real y, ofs_real dy) { return differentiate(act, 0, y, dy); }

static void lstm_forward_ref(const ofs_cell *cell) {
  const size_t u = cell->units;
  for (size_t r = 0; r < cell->rows; r++)
    for (size_t k = r * u; k < r * u + cell->n; k++) {
      ofs_real *z = cell->gates + r * 3 * u + k, i = activate(cell->gate_act, z[0]), f = activate(cell->gate_act, z[u]);
      ofs_real g = activate(cell->act, z[2 * u]), o = activate(cell->gate_act, z[3 * u]);
      ofs_real c = f * cell->before[k] + i * g, a = activate(cell->act, c);
      z[0] = i, z[u] = f, z[2 * u] = g, z[3 * u] = o;
      cell->c[k] = c;
      if (cell->a) cell->a[k] = a;
      cell->h[k] = o * a;
    }
}

static void lstm_backward_ref(const ofs_cell *cell) {
  const size_t u = cell->units;
  for (size_t r = 0; r < cell->rows; r++)
    for (size_t k = r * u; k < r * u + cell->n; k++) {
      ofs_real *z = cell->gates + r * 3 * u + k, i = z[0], f = z[u], g = z[2 * u], o = z[3 * u];
      ofs_real dh = cell->dh[k], a = cell->a[k], dc = cell->dc[k] + back(cell->act, a, dh * o);
      z[0] = back(cell->gate_act, i, dc * g);
      z[u] = back(cell->gate_act, f, dc * cell->before[k]);
      z[2 * u] = back(cell->act, g, dc * i);
      z[3 * u] = back(cell->gate_act, o, dh * a);
      cell->dc[k] = dc * f;
    }
}

static void gru_forward_ref(const ofs_cell *cell) {
  const size_t u = cell->units;
  for (size_t r = 0; r < cell->rows; r++)
    for (size_t k = r * u; k < r * u + cell->n; k++) {
      ofs_real *p = cell->gates + r * 2 * u + k, *q = cell->q + r * 2 * u + k;
      ofs_real z = activate(cell->gate_act, p[0] + q[0]), reset = activate(cell->gate_act, p[u] + q[u]);
      ofs_real g = activate(cell->act, p[2 * u] + reset * q[2 * u]);
      p[0] = z, p[u] = reset, p[2 * u] = g;
      cell->h[k] = z * cell->before[k] + (1 - z) * g;
    }
}

static void gru_backward_ref(const ofs_cell *cell) {
  const size_t u = cell->units;
  for (size_t r = 0; r < cell->rows; r++)
    for (size_t k = r * u; k < r * u + cell->n; k++) {
      ofs_real *p = cell->gates + r * 2 * u + k, *q = cell->q + r * 2 * u + k;
      ofs_real z = p[0], reset = p[u], g = p[2 * u], dh = cell->dh[k];
      ofs_real dg = back(cell->act, g, dh * (1 - z)), dz = back(cell->gate_act, z, dh * (cell->before[k] - g));
      ofs_real dr = back(cell->gate_act, reset, dg * q[2 * u]);
      p[0] = q[0] = dz, p[u] = q[u] = dr, p[2 * u] = dg, q[2 * u] = dg * reset;
      cell->dh_before[k] = cell->add ? cell->dh_before[k] + dh * z : dh * z;
    }
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

static void softmax_backward_ref(ofs_real *dx, const ofs_real *y, const ofs_real *dy, uint32_t rows, uint32_t cols) {
  for (; rows > 0; rows--, dx += cols, y += cols, dy += cols) {
    ofs_real lane[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < cols; i++) lane[i % 4] += dy[i] * y[i];
    ofs_real sum = (lane[0] + lane[2]) + (lane[1] + lane[3]);
    for (size_t i = 0; i < cols; i++) dx[i] = y[i] * (dy[i] - sum);
  }
}

/* ---- pooling ---- */

/* The part of a window, along one axis, that lies inside the input: [from, to), and its start unclipped. */
typedef struct span {
  uint32_t from, to;
} span;

static span window_span(uint32_t out, uint32_t stride, int32_t before, uint32_t window, uint32_t size) {
  int64_t start = (int64_t)out * stride - before, end = start + window;
  if (start < 0) start = 0;
  if (end > size) end = size;
  if (end < start) end = start;
  return (span){(uint32_t)start, (uint32_t)end};
}

/* NaN wins, so that it is not lost. A window with no cell inside gives 0. */
static void max_pool_forward_ref(const ofs_pool *p, ofs_real *y, const ofs_real *x, uint32_t row0, uint32_t row1) {
  for (uint32_t oy = row0; oy < row1; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++) {
      span v = window_span(oy, p->sh, p->top, p->ph, p->h), u = window_span(ox, p->sw, p->left, p->pw, p->w);
      for (uint32_t c = 0; c < p->c; c++) {
        ofs_real best = 0;
        for (uint32_t iy = v.from; iy < v.to; iy++)
          for (uint32_t ix = u.from; ix < u.to; ix++) {
            ofs_real cell = x[((size_t)iy * p->w + ix) * p->c + c];
            int first = iy == v.from && ix == u.from;
            if (first || cell > best || cell != cell) best = cell;
          }
        y[((size_t)oy * p->ow + ox) * p->c + c] = best;
      }
    }
}

/* The cell that gave y: the first equal to it in scan order. None where y is NaN. */
static void max_pool_cell(const ofs_pool *p, ofs_real *dx, const ofs_real *x, ofs_real y, ofs_real dy, span v, span u,
    uint32_t row0, uint32_t row1) {
  for (uint32_t iy = v.from; iy < v.to; iy++)
    for (uint32_t ix = u.from; ix < u.to; ix++) {
      size_t at = ((size_t)iy * p->w + ix) * p->c;
      if (x[at] != y) continue;
      if (iy >= row0 && iy < row1) dx[at] += dy;
      return;
    }
}

static void max_pool_backward_ref(const ofs_pool *p, ofs_real *dx, const ofs_real *x, const ofs_real *y,
    const ofs_real *dy, uint32_t row0, uint32_t row1) {
  size_t row = (size_t)p->w * p->c;
  for (size_t i = row0 * row; i < row1 * row; i++) dx[i] = 0;
  for (uint32_t oy = 0; oy < p->oh; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++) {
      span v = window_span(oy, p->sh, p->top, p->ph, p->h), u = window_span(ox, p->sw, p->left, p->pw, p->w);
      for (uint32_t c = 0; c < p->c; c++) {
        size_t o = ((size_t)oy * p->ow + ox) * p->c + c;
        max_pool_cell(p, dx + c, x + c, y[o], dy[o], v, u, row0, row1);
      }
    }
}

static void avg_pool_forward_ref(const ofs_pool *p, ofs_real *y, const ofs_real *x, uint32_t row0, uint32_t row1) {
  for (uint32_t oy = row0; oy < row1; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++) {
      span v = window_span(oy, p->sh, p->top, p->ph, p->h), u = window_span(ox, p->sw, p->left, p->pw, p->w);
      ofs_real cells = (ofs_real)(v.to - v.from) * (ofs_real)(u.to - u.from);
      for (uint32_t c = 0; c < p->c; c++) {
        ofs_real sum = 0;
        for (uint32_t iy = v.from; iy < v.to; iy++)
          for (uint32_t ix = u.from; ix < u.to; ix++) sum += x[((size_t)iy * p->w + ix) * p->c + c];
        y[((size_t)oy * p->ow + ox) * p->c + c] = cells > 0 ? sum / cells : 0;
      }
    }
}

static void avg_pool_backward_ref(const ofs_pool *p, ofs_real *dx, const ofs_real *dy, uint32_t row0, uint32_t row1) {
  size_t row = (size_t)p->w * p->c;
  for (size_t i = row0 * row; i < row1 * row; i++) dx[i] = 0;
  for (uint32_t oy = 0; oy < p->oh; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++) {
      span v = window_span(oy, p->sh, p->top, p->ph, p->h), u = window_span(ox, p->sw, p->left, p->pw, p->w);
      ofs_real cells = (ofs_real)(v.to - v.from) * (ofs_real)(u.to - u.from);
      for (uint32_t iy = v.from; iy < v.to; iy++) {
        if (iy < row0 || iy >= row1) continue;
        for (uint32_t ix = u.from; ix < u.to; ix++)
          for (uint32_t c = 0; c < p->c; c++)
            dx[((size_t)iy * p->w + ix) * p->c + c] += dy[((size_t)oy * p->ow + ox) * p->c + c] / cells;
      }
    }
}

/* ---- dropout and updates ---- */

static void dropout_ref(ofs_real *y, const ofs_real *x, uint64_t first, size_t n, uint32_t threshold, ofs_real scale,
    const uint32_t key[2], uint32_t layer, uint32_t step) {
  for (size_t i = 0; i < n; i++) {
    uint64_t e = first + i;
    uint32_t counter[4] = {(uint32_t)(e / 4), (uint32_t)(e / 4 >> 32), layer, step}, word[4];
    ofs_philox(word, counter, key);
    y[i] = word[e % 4] >= threshold ? x[i] * scale : 0;
  }
}

static void clean(ofs_real *moment, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (moment[i] > -OFS_LEAST_MOMENT && moment[i] < OFS_LEAST_MOMENT) moment[i] = 0;
}

static ofs_real greater(ofs_real a, ofs_real b) { return a > b ? a : b; }

/* w minus a step of sgd, or of adam, nadam and adamax: those with a mean of gradients. */
static ofs_real descend(const ofs_update *u, ofs_real w, ofs_real *const *moment, size_t i, ofs_real g) {
  ofs_real *a = u->moments > 0 ? &moment[0][i] : NULL, *b = u->moments > 1 ? &moment[1][i] : NULL;
  if (u->kind == OFS_SGD) {
    ofs_real down = u->rate * g;
    if (a == NULL) return w - down;
    *a = u->momentum * *a - down;
    return w + (u->nesterov ? u->momentum * *a - down : *a);
  }
  *a = u->beta1 * *a + u->rest1 * g;
  if (u->kind == OFS_ADAMAX) {
    *b = greater(u->beta2 * *b, g < 0 ? -g : g);
    return w - (u->rate * (*a * u->correction1)) / (*b + u->epsilon);
  }
  *b = u->beta2 * *b + (u->rest2 * g) * g;
  ofs_real square = *b, mean = u->kind == OFS_NADAM ? u->ahead * *a + u->here * g : *a * u->correction1;
  if (u->moments > 2) square = moment[2][i] = greater(moment[2][i], square);
  return w - (u->rate * mean) / (ofs_sqrt(square * u->correction2) + u->epsilon);
}

/* The same of those that scale each gradient by what it has been, and of lion. */
static ofs_real scale_down(const ofs_update *u, ofs_real w, ofs_real *const *moment, size_t i, ofs_real g) {
  ofs_real *a = &moment[0][i], *b = u->moments > 1 ? &moment[1][i] : NULL;
  if (u->kind == OFS_LION) {
    ofs_real way = u->beta1 * *a + u->rest1 * g;
    *a = u->beta2 * *a + u->rest2 * g;
    return w - (way > 0 ? u->rate : way < 0 ? -u->rate : 0);
  }
  if (u->kind == OFS_ADAGRAD) {
    *a = *a + g * g;
    return w - (u->rate * g) / ofs_sqrt(*a + u->epsilon);
  }
  *a = u->beta2 * *a + (u->rest2 * g) * g;
  if (u->kind == OFS_ADADELTA) {
    ofs_real d = (ofs_sqrt(*b + u->epsilon) * g) / ofs_sqrt(*a + u->epsilon);
    *b = u->beta2 * *b + (u->rest2 * d) * d;
    return w - u->rate * d;
  }
  ofs_real square = *a;
  if (u->centered) {
    ofs_real *c = &moment[u->moments - 1][i];
    *c = u->beta2 * *c + u->rest2 * g;
    square = greater(square - *c * *c, 0);
  }
  ofs_real d = (u->rate * g) / ofs_sqrt(square + u->epsilon);
  if (u->momentum > 0) d = *b = u->momentum * *b + d;
  return w - d;
}

static void update_ref(const ofs_update *u, ofs_real *w, ofs_real *const *moment, const ofs_real *g, size_t n) {
  int mean = u->kind == OFS_SGD || u->kind == OFS_ADAM || u->kind == OFS_NADAM || u->kind == OFS_ADAMAX;
  for (uint32_t k = 0; u->clean && k < u->moments; k++) clean(moment[k], n);
  for (size_t i = 0; i < n; i++) w[i] = (mean ? descend : scale_down)(u, w[i], moment, i, g[i]);
}

static int bounded_ref(const ofs_real *x, size_t n, ofs_real limit) {
  for (size_t i = 0; i < n; i++)
    if (!(x[i] > -limit && x[i] < limit)) return 0;
  return 1;
}

void ofs_kernels_fill_ref(ofs_kernels *k) {
  *k = (ofs_kernels){
      .gemm_nn = gemm_nn_ref,
      .gemm_tn = gemm_tn_ref,
      .wino_filter = wino_filter_ref,
      .wino_input = wino_input_ref,
      .wino_gradient = wino_gradient_ref,
      .wino_output = wino_output_ref,
      .wino_weights = wino_weights_ref,
      .transpose = transpose_ref,
      .panels = panels_ref,
      .turned_panels = turned_panels_ref,
      .add_rows = add_rows_ref,
      .sum_partials = sum_partials_ref,
      .add_scaled = add_scaled_ref,
      .scale_u8 = scale_u8_ref,
      .act_forward = act_forward_ref,
      .act_backward = act_backward_ref,
      .lstm_forward = lstm_forward_ref,
      .lstm_backward = lstm_backward_ref,
      .gru_forward = gru_forward_ref,
      .gru_backward = gru_backward_ref,
      .softmax_forward = softmax_forward_ref,
      .softmax_backward = softmax_backward_ref,
      .max_pool_forward = max_pool_forward_ref,
      .max_pool_backward = max_pool_backward_ref,
      .avg_pool_forward = avg_pool_forward_ref,
      .avg_pool_backward = avg_pool_backward_ref,
      .dropout = dropout_ref,
      .update = update_ref,
      .bounded = bounded_ref,
  };
  ofs_norm_fill_ref(k);
  ofs_depthwise_fill_ref(k);
}

#ifdef OFS_REAL_DOUBLE
void ofs_kernels_fill(ofs_kernels *k) { ofs_kernels_fill_ref(k); }
#endif
