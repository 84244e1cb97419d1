/* winograd.c: the transforms of Winograd's F(2 x 2, 3 x 3), channels four at a time (kernels.h has
 * the formulas).
 *
 * A tile's pixels are read through their addresses, and those outside the image lie in a row of
 * zeros, so that every tile takes the same straight code. Reads and writes never pass an image's
 * end. */
#include "kernels/kernels.h"
#include "kernels/fast.h"

#ifndef OFS_REAL_DOUBLE

#include "base/simd.h"

typedef struct four {
  ofs_f4 a, b, c, d;
} four;

OFS_INLINE four load_four(const float *p, size_t stride) {
  return (four){ofs_load4(p), ofs_load4(p + stride), ofs_load4(p + 2 * stride),
                ofs_load4(p + 3 * stride)};
}
OFS_INLINE void store_four(float *p, size_t stride, four v) {
  ofs_store4(p, v.a);
  ofs_store4(p + stride, v.b);
  ofs_store4(p + 2 * stride, v.c);
  ofs_store4(p + 3 * stride, v.d);
}
OFS_INLINE four times_b(four d) { return (four){d.a - d.c, d.b + d.c, d.c - d.b, d.b - d.d}; }
OFS_INLINE four times_a(ofs_f4 d0, ofs_f4 d1) { return (four){d0, d0 + d1, d0 - d1, -d1}; }
OFS_INLINE four times_g(ofs_f4 g0, ofs_f4 g1, ofs_f4 g2) {
  ofs_f4 half = ofs_splat4(0.5f), outer = half * (g0 + g2), inner = half * g1;
  return (four){g0, outer + inner, outer - inner, g2};
}
OFS_INLINE ofs_f4 first_of_a(four m) { return (m.a + m.b) + m.c; }
OFS_INLINE ofs_f4 second_of_a(four m) { return (m.b - m.c) - m.d; }

/* ---- filters ---- */

static void wino_filter_f32(float *u, const float *w, uint32_t c, uint32_t f, uint32_t row0,
                            uint32_t row1) {
  size_t panel = (size_t)c * OFS_PANEL, plane = ((size_t)f + OFS_PANEL - 1) / OFS_PANEL * panel,
         size = (size_t)c * f;
  for (size_t row = row0; row < row1; row++)
    for (size_t n = 0; n < plane / panel * OFS_PANEL; n += 4) {
      ofs_f4 g[9];
      for (size_t k = 0; k < 9; k++) {
        const float *at = w + k * size + row * f + n;
        g[k] = n + 4 <= f ? ofs_load4(at) : n < f ? ofs_load_part(at, f - n) : ofs_splat4(0);
      }
      four x = times_g(g[0], g[3], g[6]), y = times_g(g[1], g[4], g[7]),
           z = times_g(g[2], g[5], g[8]);
      float *to = u + n / OFS_PANEL * panel + row * OFS_PANEL + n % OFS_PANEL;
      store_four(to, plane, times_g(x.a, y.a, z.a));
      store_four(to + 4 * plane, plane, times_g(x.b, y.b, z.b));
      store_four(to + 8 * plane, plane, times_g(x.c, y.c, z.c));
      store_four(to + 12 * plane, plane, times_g(x.d, y.d, z.d));
    }
}

/* ---- tiles ---- */

/* This row stands for pixels outside an image: as long as the channels that are read at a time. */
enum { CHANNELS = 64 };
static const float zeros[CHANNELS];

/* Reads the input of a tile from its 16 pixels' addresses, in the order of rows. */
OFS_INLINE four input_column(const float *const *at, size_t k) {
  return times_b((four){ofs_load4(at[0] + k), ofs_load4(at[4] + k), ofs_load4(at[8] + k),
                        ofs_load4(at[12] + k)});
}

OFS_INLINE void input_tile(float *v, size_t plane, const float *const at[16], uint32_t n) {
  for (uint32_t k = 0; k < n; k += 4, v += 4) {
    four p = input_column(at, k), q = input_column(at + 1, k), r = input_column(at + 2, k),
         s = input_column(at + 3, k);
    store_four(v, plane, times_b((four){p.a, q.a, r.a, s.a}));
    store_four(v + 4 * plane, plane, times_b((four){p.b, q.b, r.b, s.b}));
    store_four(v + 8 * plane, plane, times_b((four){p.c, q.c, r.c, s.c}));
    store_four(v + 12 * plane, plane, times_b((four){p.d, q.d, r.d, s.d}));
  }
}

static void wino_input_f32(const ofs_wino *g, float *v, const float *x, uint32_t ty, uint32_t tx,
                           uint32_t count) {
  int64_t top = 2 * (int64_t)ty - g->top, left = 2 * (int64_t)tx - g->left;
  const float *at[16];
  for (; count > 0; count--, left += 2, v += g->n) {
    for (int i = 0; i < 16; i++) {
      int64_t iy = top + i / 4, ix = left + i % 4;
      int inside = iy >= 0 && iy < g->h && ix >= 0 && ix < g->w;
      at[i] = inside ? x + ((size_t)iy * g->w + (size_t)ix) * g->c : zeros;
    }
    input_tile(v, g->plane, at, g->n);
  }
}

OFS_INLINE void gradient_tile(float *v, size_t plane, const float *const at[4], uint32_t n) {
  for (uint32_t k = 0; k < n; k += 4, v += 4) {
    four p = times_a(ofs_load4(at[0] + k), ofs_load4(at[2] + k)),
         q = times_a(ofs_load4(at[1] + k), ofs_load4(at[3] + k));
    store_four(v, plane, times_a(p.a, q.a));
    store_four(v + 4 * plane, plane, times_a(p.b, q.b));
    store_four(v + 8 * plane, plane, times_a(p.c, q.c));
    store_four(v + 12 * plane, plane, times_a(p.d, q.d));
  }
}

static void wino_gradient_f32(const ofs_wino *g, float *v, const float *dy, uint32_t ty,
                              uint32_t tx, uint32_t count) {
  size_t row = (size_t)g->w * g->c;
  const float *from = dy + 2 * ty * row + 2 * (size_t)tx * g->c;
  int below = 2 * ty + 1 < g->h;
  for (uint32_t x = 2 * tx; count > 0; count--, x += 2, from += 2 * (size_t)g->c, v += g->n) {
    int beside = x + 1 < g->w;
    const float *const at[4] = {from, beside ? from + g->c : zeros, below ? from + row : zeros,
                                below && beside ? from + row + g->c : zeros};
    gradient_tile(v, g->plane, at, g->n);
  }
}

static void wino_output_f32(const ofs_wino *g, float *y, const float *m, const float *bias,
                            uint32_t ty, uint32_t tx, uint32_t count) {
  size_t row = (size_t)g->w * g->c, pixel = g->c, plane = g->plane;
  int below = 2 * ty + 1 < g->h;
  y += 2 * (size_t)ty * row + 2 * (size_t)tx * pixel;
  for (uint32_t t = 0; t < count; t++, m += g->n, y += 2 * pixel) {
    int beside = 2 * (tx + t) + 1 < g->w;
    for (uint32_t k = 0; k < g->n; k += 4) {
      ofs_f4 start = bias ? ofs_load4(bias + k) : ofs_splat4(0);
      four p = load_four(m + k, 4 * plane), q = load_four(m + k + plane, 4 * plane);
      four r = load_four(m + k + 2 * plane, 4 * plane), s = load_four(m + k + 3 * plane, 4 * plane);
      four upper = {first_of_a(p), first_of_a(q), first_of_a(r), first_of_a(s)};
      four lower = {second_of_a(p), second_of_a(q), second_of_a(r), second_of_a(s)};
      ofs_store4(y + k, first_of_a(upper) + start);
      if (beside) ofs_store4(y + k + pixel, second_of_a(upper) + start);
      if (below) ofs_store4(y + k + row, first_of_a(lower) + start);
      if (below && beside) ofs_store4(y + k + row + pixel, second_of_a(lower) + start);
    }
  }
}

/* ---- weight gradients ---- */

OFS_INLINE void store_three(float *p, size_t stride, four u) {
  ofs_f4 half = ofs_splat4(0.5f), sum = half * (u.b + u.c);
  ofs_store4(p, u.a + sum);
  ofs_store4(p + stride, half * (u.b - u.c));
  ofs_store4(p + 2 * stride, sum + u.d);
}

static void wino_weights_f32(float *dw, size_t stride_dw, const float *du, size_t stride_du,
                             size_t n) {
  for (size_t k = 0; k < n; k += 4) {
    ofs_f4 g[3][4], half = ofs_splat4(0.5f);
    for (size_t i = 0; i < 4; i++) {
      four u = load_four(du + i * stride_du + k, 4 * stride_du);
      ofs_f4 sum = half * (u.b + u.c);
      g[0][i] = u.a + sum, g[1][i] = half * (u.b - u.c), g[2][i] = sum + u.d;
    }
    for (size_t i = 0; i < 3; i++)
      store_three(dw + 3 * i * stride_dw + k, stride_dw,
                  (four){g[i][0], g[i][1], g[i][2], g[i][3]});
  }
}

void ofs_winograd_fill(ofs_kernels *k) {
  k->wino_filter = wino_filter_f32;
  k->wino_input = wino_input_f32;
  k->wino_gradient = wino_gradient_f32;
  k->wino_output = wino_output_f32;
  k->wino_weights = wino_weights_f32;
}

#endif
