/* depthwise.c: the kernels of depthwise convolutions: vectors over channels, two pixels of sixteen
 * channels at a time.
 *
 * Along each axis the taps of an output are a row of inputs in equal steps: forward those that its
 * window covers; backward, of every stride-th pixel (a phase), those whose windows cover it. So all
 * three walk alike. Taps outside the image are left out, which pixels near an edge, and channels
 * beyond the last whole vector, go through one by one. */
#include "kernels/kernels.h"
#include "kernels/fast.h"

#ifndef OFS_REAL_DOUBLE

#include "base/simd.h"

OFS_INLINE ofs_f4 load(const float *p, uint32_t lanes) {
  return lanes == 4 ? ofs_load4(p) : ofs_load_part(p, lanes);
}
OFS_INLINE void store(float *p, ofs_f4 v, uint32_t lanes) {
  if (lanes == 4)
    ofs_store4(p, v);
  else
    ofs_store_part(p, v, lanes);
}

/* Tap t of output q is input first + q step + t tap, with row tap0 + t tap_step of the kernel. */
typedef struct axis {
  int64_t first, step, tap;
  int64_t lowest, highest; /* least and greatest of t tap */
  uint32_t taps, tap0, tap_step, limit;
} axis;

static axis axis_of(axis a) {
  int64_t reach = a.taps ? (int64_t)(a.taps - 1) * a.tap : 0;
  a.lowest = reach < 0 ? reach : 0;
  a.highest = reach > 0 ? reach : 0;
  return a;
}

static axis forward_axis(uint32_t s, uint32_t d, int32_t before, uint32_t k, uint32_t limit) {
  return axis_of(
      (axis){.first = -before, .step = s, .tap = d, .taps = k, .tap_step = 1, .limit = limit});
}

/* Returns the axis of pixels phase, phase + s, ... of the input. */
static axis backward_axis(uint32_t phase, uint32_t s, uint32_t d, int32_t before, uint32_t k,
                          uint32_t limit) {
  uint32_t a = s, b = d, t = 0;
  while (b) a %= b, t = a, a = b, b = t;
  int64_t at = (int64_t)phase + before;
  for (t = 0; t < k && (at - (int64_t)t * d) % s; t++) continue;
  if (t == k) return axis_of((axis){.step = 1, .tap = 1, .limit = limit});
  return axis_of((axis){.first = (at - (int64_t)t * d) / s,
                        .step = 1,
                        .tap = -(int64_t)(d / a),
                        .taps = (k - 1 - t) / (s / a) + 1,
                        .tap0 = t,
                        .tap_step = s / a,
                        .limit = limit});
}

/* Returns 1 where outputs q and `last` have all their taps inside. */
static int whole(const axis *a, uint32_t q, uint32_t last) {
  return a->first + q * a->step + a->lowest >= 0 &&
         a->first + last * a->step + a->highest < a->limit;
}

/* Finds the taps [*from, *to) of output q that lie inside, and returns the input they start at. */
static int64_t clip(const axis *a, uint32_t q, uint32_t *from, uint32_t *to) {
  int64_t p = a->first + q * a->step, end = (int64_t)a->limit - 1, t0 = 0, t1 = 0,
          e = a->tap < 0 ? -a->tap : a->tap;
  int64_t near = a->tap < 0 ? end - p : p, far = end - near; /* computed as if taps went upwards */
  if (near < 0) t0 = (e - 1 - near) / e;
  if (far >= 0) t1 = far / e + 1;
  if (t1 > a->taps) t1 = a->taps;
  if (t0 > t1) t0 = t1;
  *from = (uint32_t)t0;
  *to = (uint32_t)t1;
  return p + t0 * a->tap;
}

/* A walk has the distances between taps of a row and rows of them, in x and w; between pixels in x
 * and y. */
typedef struct walk {
  int64_t x_row, x_col, x_next, y_next;
  size_t w_row, w_col;
  uint32_t rows, cols, n;
} walk;

/* So many pixels and vectors go at a time where all taps are inside: a line of the cache, so that
 * it is done with when it is left: channels apart by a power of two share few sets. */
enum { PIXELS = 2, VECTORS = 4 };

OFS_INLINE void block_of_sums(const walk *g, float *y, const float *x, const float *w,
                              const float *bias, int pixels) {
  ofs_f4 a0 = ofs_splat4(0), a1 = a0, a2 = a0, a3 = a0;
  if (bias)
    a0 = ofs_load4(bias), a1 = ofs_load4(bias + 4), a2 = ofs_load4(bias + 8),
    a3 = ofs_load4(bias + 12);
  ofs_f4 b0 = a0, b1 = a1, b2 = a2, b3 = a3;
  for (uint32_t r = g->rows; r > 0; r--, x += g->x_row, w += g->w_row) {
    const float *tap = x, *f = w;
    for (uint32_t v = g->cols; v > 0; v--, tap += g->x_col, f += g->w_col) {
      const float *next = tap + g->x_next;
      ofs_f4 factor = ofs_load4(f);
      a0 = ofs_madd4(a0, ofs_load4(tap), factor);
      if (pixels > 1) b0 = ofs_madd4(b0, ofs_load4(next), factor);
      factor = ofs_load4(f + 4);
      a1 = ofs_madd4(a1, ofs_load4(tap + 4), factor);
      if (pixels > 1) b1 = ofs_madd4(b1, ofs_load4(next + 4), factor);
      factor = ofs_load4(f + 8);
      a2 = ofs_madd4(a2, ofs_load4(tap + 8), factor);
      if (pixels > 1) b2 = ofs_madd4(b2, ofs_load4(next + 8), factor);
      factor = ofs_load4(f + 12);
      a3 = ofs_madd4(a3, ofs_load4(tap + 12), factor);
      if (pixels > 1) b3 = ofs_madd4(b3, ofs_load4(next + 12), factor);
    }
  }
  ofs_store4(y, a0), ofs_store4(y + 4, a1), ofs_store4(y + 8, a2), ofs_store4(y + 12, a3);
  if (pixels == 1) return;
  y += g->y_next;
  ofs_store4(y, b0), ofs_store4(y + 4, b1), ofs_store4(y + 8, b2), ofs_store4(y + 12, b3);
}

OFS_INLINE void block_of_products(const walk *g, const float *y, const float *x, float *w,
                                  int pixels) {
  ofs_f4 a0 = ofs_load4(y), a1 = ofs_load4(y + 4), a2 = ofs_load4(y + 8), a3 = ofs_load4(y + 12);
  ofs_f4 b0 = a0, b1 = a1, b2 = a2, b3 = a3;
  if (pixels > 1)
    y += g->y_next, b0 = ofs_load4(y), b1 = ofs_load4(y + 4), b2 = ofs_load4(y + 8),
                    b3 = ofs_load4(y + 12);
  for (uint32_t r = g->rows; r > 0; r--, x += g->x_row, w += g->w_row) {
    const float *tap = x;
    float *f = w;
    for (uint32_t v = g->cols; v > 0; v--, tap += g->x_col, f += g->w_col) {
      ofs_f4 f0 = ofs_madd4(ofs_load4(f), ofs_load4(tap), a0),
             f1 = ofs_madd4(ofs_load4(f + 4), ofs_load4(tap + 4), a1);
      ofs_f4 f2 = ofs_madd4(ofs_load4(f + 8), ofs_load4(tap + 8), a2),
             f3 = ofs_madd4(ofs_load4(f + 12), ofs_load4(tap + 12), a3);
      if (pixels > 1) {
        const float *next = tap + g->x_next;
        f0 = ofs_madd4(f0, ofs_load4(next), b0), f1 = ofs_madd4(f1, ofs_load4(next + 4), b1);
        f2 = ofs_madd4(f2, ofs_load4(next + 8), b2), f3 = ofs_madd4(f3, ofs_load4(next + 12), b3);
      }
      ofs_store4(f, f0), ofs_store4(f + 4, f1), ofs_store4(f + 8, f2), ofs_store4(f + 12, f3);
    }
  }
}

/* A walk makes y from x and w, or w from x and y. */
enum { SUMS, PRODUCTS };

/* These compute one vector of one pixel. */
static void sums(const walk *g, float *y, const float *x, const float *w, const float *bias,
                 uint32_t lanes) {
  ofs_f4 a = bias ? load(bias, lanes) : ofs_splat4(0);
  for (uint32_t r = 0; r < g->rows; r++)
    for (uint32_t v = 0; v < g->cols; v++)
      a = ofs_madd4(a, load(x + r * g->x_row + v * g->x_col, lanes),
                    load(w + r * g->w_row + v * g->w_col, lanes));
  store(y, a, lanes);
}

static void products(const walk *g, const float *y, const float *x, float *w, uint32_t lanes) {
  for (uint32_t r = 0; r < g->rows; r++)
    for (uint32_t v = 0; v < g->cols; v++) {
      float *f = w + r * g->w_row + v * g->w_col;
      store(f,
            ofs_madd4(load(f, lanes), load(x + r * g->x_row + v * g->x_col, lanes), load(y, lanes)),
            lanes);
    }
}

/* Computes `pixels` neighbours, all channels. */
static void pixels(const walk *g, int what, float *y, const float *x, float *w, const float *bias,
                   uint32_t pixels) {
  uint32_t k = 0;
  for (; k + 4 * VECTORS <= g->n; k += 4 * VECTORS) {
    const float *start = bias ? bias + k : NULL;
    if (what == SUMS && pixels > 1)
      block_of_sums(g, y + k, x + k, w + k, start, PIXELS);
    else if (what == SUMS)
      block_of_sums(g, y + k, x + k, w + k, start, 1);
    else if (pixels > 1)
      block_of_products(g, y + k, x + k, w + k, PIXELS);
    else
      block_of_products(g, y + k, x + k, w + k, 1);
  }
  for (uint32_t lanes; k < g->n; k += lanes) {
    lanes = g->n - k < 4 ? g->n - k : 4;
    for (uint32_t q = 0; q < pixels; q++)
      if (what == SUMS)
        sums(g, y + k + q * g->y_next, x + k + q * g->x_next, w + k, bias ? bias + k : NULL, lanes);
      else
        products(g, y + k + q * g->y_next, x + k + q * g->x_next, w + k, lanes);
  }
}

/* Computes outputs 0 .. count - 1 of a row, of which g has the rows of taps; y, x, w are its
 * starts. */
static void line(walk *g, int what, const axis *across, uint32_t count, uint32_t c, float *y,
                 const float *x, float *w, const float *bias) {
  g->x_next = across->step * c;
  g->x_col = across->tap * c;
  g->w_col = (size_t)across->tap_step * c;
  for (uint32_t q = 0, last; q < count; q = last) {
    uint32_t v0 = 0, v1 = across->taps;
    int64_t at = across->first + q * across->step;
    for (last = q; last < count && last < q + PIXELS && whole(across, q, last); last++) continue;
    if (last == q) at = clip(across, q, &v0, &v1), last++;
    g->cols = v1 - v0;
    pixels(g, what, y + q * g->y_next, x + at * c,
           w + (across->tap0 + (size_t)v0 * across->tap_step) * c, bias, last - q);
  }
}

static void depth_rows(const ofs_pool *p, int what, float *y, const float *x, float *w,
                       const float *bias, uint32_t row0, uint32_t row1) {
  axis across = forward_axis(p->sw, p->dw, p->left, p->pw, p->w),
       down = forward_axis(p->sh, p->dh, p->top, p->ph, p->h);
  for (uint32_t row = row0; row < row1; row++) {
    uint32_t u0, u1;
    int64_t at = clip(&down, row, &u0, &u1), x_row = (int64_t)p->w * p->c;
    walk g = {.x_row = down.tap * x_row,
              .y_next = p->c,
              .w_row = (size_t)p->pw * p->c,
              .rows = u1 - u0,
              .n = p->n};
    line(&g, what, &across, p->ow, p->c, y + (size_t)row * p->ow * p->c, x + at * x_row,
         w + u0 * g.w_row, bias);
  }
}

static void depth_forward_f32(const ofs_pool *p, float *y, const float *x, const float *w,
                              const float *bias, uint32_t row0, uint32_t row1) {
  depth_rows(p, SUMS, y, x, (float *)w, bias, row0, row1);
}

static void depth_weights_f32(const ofs_pool *p, float *dw, const float *x, const float *dy,
                              uint32_t row0, uint32_t row1) {
  depth_rows(p, PRODUCTS, (float *)dy, x, dw, NULL, row0, row1);
}

static void depth_backward_f32(const ofs_pool *p, float *dx, const float *dy, const float *w,
                               uint32_t row0, uint32_t row1) {
  int64_t dy_row = (int64_t)p->ow * p->c;
  for (uint32_t row = row0; row < row1; row++) {
    axis down = backward_axis(row % p->sh, p->sh, p->dh, p->top, p->ph, p->oh);
    uint32_t u0, u1;
    int64_t at = clip(&down, row / p->sh, &u0, &u1);
    for (uint32_t phase = 0; phase < p->sw && phase < p->w; phase++) {
      axis across = backward_axis(phase, p->sw, p->dw, p->left, p->pw, p->ow);
      walk g = {.x_row = down.tap * dy_row,
                .y_next = (int64_t)p->sw * p->c,
                .rows = u1 - u0,
                .n = p->n,
                .w_row = (size_t)down.tap_step * p->pw * p->c};
      line(&g, SUMS, &across, (p->w - phase - 1) / p->sw + 1, p->c,
           dx + ((size_t)row * p->w + phase) * p->c, dy + at * dy_row,
           (float *)w + (down.tap0 + (size_t)u0 * down.tap_step) * p->pw * p->c, NULL);
    }
  }
}

void ofs_depthwise_fill(ofs_kernels *k) {
  k->depth_forward = depth_forward_f32;
  k->depth_backward = depth_backward_f32;
  k->depth_weights = depth_weights_f32;
}

#endif
