/* winograd.c: Winograd's transforms, as the matrices of kernels.h have them. */
#include "kernels/ref/ref.h"

/* These compute B' d over four numbers a stride apart, in place; A m over two, A' m and G g
 * likewise. */
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
  ofs_real half = (ofs_real)0.5, g0 = g[0], g1 = g[s], g2 = g[2 * s], outer = half * (g0 + g2),
           inner = half * g1;
  g[s] = outer + inner, g[2 * s] = outer - inner, g[3 * s] = g2;
}

static void wino_g_back(ofs_real *u, size_t s) {
  ofs_real half = (ofs_real)0.5, u0 = u[0], u1 = u[s], u2 = u[2 * s], u3 = u[3 * s],
           sum = half * (u1 + u2);
  u[0] = u0 + sum, u[s] = half * (u1 - u2), u[2 * s] = sum + u3;
}

static void wino_filter_ref(ofs_real *u, const ofs_real *w, uint32_t c, uint32_t f, uint32_t row0,
                            uint32_t row1) {
  size_t panel = (size_t)c * OFS_PANEL, plane = ((size_t)f + OFS_PANEL - 1) / OFS_PANEL * panel,
         size = (size_t)c * f;
  for (size_t row = row0; row < row1; row++)
    for (size_t n = 0; n < (plane / panel) * OFS_PANEL; n++) {
      ofs_real g[16] = {0};
      for (size_t k = 0; n < f && k < 9; k++) g[k / 3 * 4 + k % 3] = w[k * size + row * f + n];
      for (size_t k = 0; k < 3; k++) wino_g(g + k, 4);
      for (size_t k = 0; k < 4; k++) wino_g(g + 4 * k, 1);
      for (size_t k = 0; k < 16; k++)
        u[k * plane + n / OFS_PANEL * panel + row * OFS_PANEL + n % OFS_PANEL] = g[k];
    }
}

/* Returns element (y, x) of channel k, zero outside. */
static ofs_real wino_at(const ofs_wino *g, const ofs_real *x, int64_t iy, int64_t ix, size_t k) {
  return iy < 0 || ix < 0 || iy >= g->h || ix >= g->w
             ? 0
             : x[((size_t)iy * g->w + (size_t)ix) * g->c + k];
}

static void wino_input_ref(const ofs_wino *g, ofs_real *v, const ofs_real *x, uint32_t ty,
                           uint32_t tx, uint32_t count) {
  for (size_t t = 0; t < count; t++)
    for (size_t k = 0; k < g->n; k++) {
      ofs_real d[16];
      for (int i = 0; i < 16; i++)
        d[i] = wino_at(g, x, 2 * (int64_t)ty - g->top + i / 4,
                       2 * ((int64_t)tx + (int64_t)t) - g->left + i % 4, k);
      for (int i = 0; i < 4; i++) wino_b(d + i, 4);
      for (int i = 0; i < 4; i++) wino_b(d + 4 * i, 1);
      for (size_t i = 0; i < 16; i++) v[i * g->plane + t * g->n + k] = d[i];
    }
}

static void wino_gradient_ref(const ofs_wino *g, ofs_real *v, const ofs_real *dy, uint32_t ty,
                              uint32_t tx, uint32_t count) {
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

static void wino_output_ref(const ofs_wino *g, ofs_real *y, const ofs_real *m, const ofs_real *bias,
                            uint32_t ty, uint32_t tx, uint32_t count) {
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

static void wino_weights_ref(ofs_real *dw, size_t stride_dw, const ofs_real *du, size_t stride_du,
                             size_t n) {
  for (size_t k = 0; k < n; k++) {
    ofs_real u[16];
    for (size_t i = 0; i < 16; i++) u[i] = du[i * stride_du + k];
    for (int i = 0; i < 4; i++) wino_g_back(u + i, 4);
    for (int i = 0; i < 3; i++) wino_g_back(u + 4 * i, 1);
    for (size_t i = 0; i < 9; i++) dw[i * stride_dw + k] = u[i / 3 * 4 + i % 3];
  }
}

void ofs_winograd_fill_ref(ofs_kernels *k) {
  k->wino_filter = wino_filter_ref;
  k->wino_input = wino_input_ref;
  k->wino_gradient = wino_gradient_ref;
  k->wino_output = wino_output_ref;
  k->wino_weights = wino_weights_ref;
}
