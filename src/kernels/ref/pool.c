/* pool.c: pooling of one image. */
#include "kernels/ref/ref.h"

/* A span is the part of a window, along one axis, inside the input: [from, to), and its start
 * unclipped. */
typedef struct span {
  uint32_t from, to;
} span;

static span window_span(uint32_t out, uint32_t stride, int32_t before, uint32_t window,
                        uint32_t size) {
  int64_t start = (int64_t)out * stride - before, end = start + window;
  if (start < 0) start = 0;
  if (end > size) end = size;
  if (end < start) end = start;
  return (span){(uint32_t)start, (uint32_t)end};
}

/* NaN wins, so that it is not lost. A window with no cell inside gives 0. */
static void max_pool_forward_ref(const ofs_pool *p, ofs_real *y, const ofs_real *x, uint32_t row0,
                                 uint32_t row1) {
  for (uint32_t oy = row0; oy < row1; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++) {
      span v = window_span(oy, p->sh, p->top, p->ph, p->h),
           u = window_span(ox, p->sw, p->left, p->pw, p->w);
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

/* Gives dy to the cell that gave y: the first equal to it in scan order; to none where y is NaN. */
static void max_pool_cell(const ofs_pool *p, ofs_real *dx, const ofs_real *x, ofs_real y,
                          ofs_real dy, span v, span u, uint32_t row0, uint32_t row1) {
  for (uint32_t iy = v.from; iy < v.to; iy++)
    for (uint32_t ix = u.from; ix < u.to; ix++) {
      size_t at = ((size_t)iy * p->w + ix) * p->c;
      if (x[at] != y) continue;
      if (iy >= row0 && iy < row1) dx[at] += dy;
      return;
    }
}

static void max_pool_backward_ref(const ofs_pool *p, ofs_real *dx, const ofs_real *x,
                                  const ofs_real *y, const ofs_real *dy, uint32_t row0,
                                  uint32_t row1) {
  size_t row = (size_t)p->w * p->c;
  for (size_t i = row0 * row; i < row1 * row; i++) dx[i] = 0;
  for (uint32_t oy = 0; oy < p->oh; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++) {
      span v = window_span(oy, p->sh, p->top, p->ph, p->h),
           u = window_span(ox, p->sw, p->left, p->pw, p->w);
      for (uint32_t c = 0; c < p->c; c++) {
        size_t o = ((size_t)oy * p->ow + ox) * p->c + c;
        max_pool_cell(p, dx + c, x + c, y[o], dy[o], v, u, row0, row1);
      }
    }
}

static void avg_pool_forward_ref(const ofs_pool *p, ofs_real *y, const ofs_real *x, uint32_t row0,
                                 uint32_t row1) {
  for (uint32_t oy = row0; oy < row1; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++) {
      span v = window_span(oy, p->sh, p->top, p->ph, p->h),
           u = window_span(ox, p->sw, p->left, p->pw, p->w);
      ofs_real cells = (ofs_real)(v.to - v.from) * (ofs_real)(u.to - u.from);
      for (uint32_t c = 0; c < p->c; c++) {
        ofs_real sum = 0;
        for (uint32_t iy = v.from; iy < v.to; iy++)
          for (uint32_t ix = u.from; ix < u.to; ix++) sum += x[((size_t)iy * p->w + ix) * p->c + c];
        y[((size_t)oy * p->ow + ox) * p->c + c] = cells > 0 ? sum / cells : 0;
      }
    }
}

static void avg_pool_backward_ref(const ofs_pool *p, ofs_real *dx, const ofs_real *dy,
                                  uint32_t row0, uint32_t row1) {
  size_t row = (size_t)p->w * p->c;
  for (size_t i = row0 * row; i < row1 * row; i++) dx[i] = 0;
  for (uint32_t oy = 0; oy < p->oh; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++) {
      span v = window_span(oy, p->sh, p->top, p->ph, p->h),
           u = window_span(ox, p->sw, p->left, p->pw, p->w);
      ofs_real cells = (ofs_real)(v.to - v.from) * (ofs_real)(u.to - u.from);
      for (uint32_t iy = v.from; iy < v.to; iy++) {
        if (iy < row0 || iy >= row1) continue;
        for (uint32_t ix = u.from; ix < u.to; ix++)
          for (uint32_t c = 0; c < p->c; c++)
            dx[((size_t)iy * p->w + ix) * p->c + c] +=
                dy[((size_t)oy * p->ow + ox) * p->c + c] / cells;
      }
    }
}

void ofs_pool_fill_ref(ofs_kernels *k) {
  k->max_pool_forward = max_pool_forward_ref;
  k->max_pool_backward = max_pool_backward_ref;
  k->avg_pool_forward = avg_pool_forward_ref;
  k->avg_pool_backward = avg_pool_backward_ref;
}
