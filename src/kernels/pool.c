/* pool.c: max and average pools, channels four at a time. One image a call; rows outside the input
 * are never read, only the rows asked for are written. Order of additions and of comparisons:
 * kernels.h. */
#include "kernels/kernels.h"
#include "kernels/fast.h"

#ifndef OFS_REAL_DOUBLE

#include "base/simd.h"

OFS_INLINE ofs_f4 load(const float *p, uint32_t n) {
  return n >= 4 ? ofs_load4(p) : ofs_load_part(p, n);
}
OFS_INLINE void store(float *p, ofs_f4 v, uint32_t n) {
  if (n >= 4)
    ofs_store4(p, v);
  else
    ofs_store_part(p, v, n);
}

/* This is the part of a window inside the input: rows [y0, y1), columns [x0, x1). */
typedef struct window {
  uint32_t y0, y1, x0, x1;
} window;

static void clip(uint32_t *from, uint32_t *to, uint32_t out, uint32_t stride, int32_t before,
                 uint32_t size, uint32_t limit) {
  int64_t start = (int64_t)out * stride - before, end = start + size;
  if (start < 0) start = 0;
  if (end > limit) end = limit;
  if (end < start) end = start;
  *from = (uint32_t)start;
  *to = (uint32_t)end;
}

static window window_at(const ofs_pool *p, uint32_t oy, uint32_t ox) {
  window w;
  clip(&w.y0, &w.y1, oy, p->sh, p->top, p->ph, p->h);
  clip(&w.x0, &w.x1, ox, p->sw, p->left, p->pw, p->w);
  return w;
}

static size_t cell(const ofs_pool *p, uint32_t y, uint32_t x) {
  return ((size_t)y * p->w + x) * p->c;
}

/* Finds the output rows [from, to) whose windows may touch input rows [row0, row1). */
static void touching(const ofs_pool *p, uint32_t row0, uint32_t row1, uint32_t *from,
                     uint32_t *to) {
  int64_t reach = (int64_t)row0 + p->top - p->ph; /* the last start that ends before row0 */
  int64_t first = reach < 0 ? 0 : reach / p->sh + 1;
  int64_t end = row1 == 0 ? 0 : ((int64_t)row1 - 1 + p->top) / p->sh + 1;
  *to = (uint32_t)(end > p->oh ? p->oh : end);
  *from = (uint32_t)(first > *to ? *to : first);
}

static void zero(float *p, size_t n) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) ofs_store4(p + i, ofs_splat4(0));
  for (; i < n; i++) p[i] = 0;
}

/* ---- max ---- */

OFS_INLINE ofs_f4 greater(ofs_f4 best, ofs_f4 v) {
  return ofs_select4((v > best) | (v != v), v, best);
}

OFS_INLINE void max_cells(const ofs_pool *p, float *y, const float *x, const window *w,
                          uint32_t n) {
  ofs_f4 best = ofs_splat4(0);
  int first = 1;
  for (uint32_t iy = w->y0; iy < w->y1; iy++)
    for (uint32_t ix = w->x0; ix < w->x1; ix++) {
      ofs_f4 v = load(x + cell(p, iy, ix), n);
      best = first ? v : greater(best, v);
      first = 0;
    }
  store(y, best, n);
}

/* The commonest pool is 2 x 2 by 2 without padding, of channels in fours. Output columns [0,
 * across) of output row oy have whole windows; the rest takes the general path. */
static uint32_t whole_pairs(const ofs_pool *p, uint32_t oy) {
  int pairs = p->ph == 2 && p->pw == 2 && p->sh == 2 && p->sw == 2 && p->top == 0 && p->left == 0 &&
              p->c % 4 == 0;
  return pairs && 2 * (uint64_t)oy + 2 <= p->h ? p->w / 2 : 0;
}

static void max_pairs(const ofs_pool *p, float *y, const float *x, uint32_t across) {
  size_t row = (size_t)p->w * p->c, c = p->c;
  for (; across > 0; across--, x += c)
    for (size_t end = c; end > 0; end -= 4, x += 4, y += 4)
      ofs_store4(y, greater(greater(greater(ofs_load4(x), ofs_load4(x + c)), ofs_load4(x + row)),
                            ofs_load4(x + row + c)));
}

static void max_pool_forward_f32(const ofs_pool *p, float *y, const float *x, uint32_t row0,
                                 uint32_t row1) {
  uint32_t whole = p->c / 4 * 4;
  for (uint32_t oy = row0; oy < row1; oy++) {
    uint32_t pairs = whole_pairs(p, oy);
    if (pairs) max_pairs(p, y + (size_t)oy * p->ow * p->c, x + cell(p, 2 * oy, 0), pairs);
    for (uint32_t ox = pairs; ox < p->ow; ox++) {
      window w = window_at(p, oy, ox);
      float *out = y + ((size_t)oy * p->ow + ox) * p->c;
      for (uint32_t c = 0; c < whole; c += 4) max_cells(p, out + c, x + c, &w, 4);
      if (whole < p->c) max_cells(p, out + whole, x + whole, &w, p->c - whole);
    }
  }
}

/* `open` marks the channels whose largest has not been met. The others add +0, which changes no
 * sum, since none here is -0. */
OFS_INLINE void max_give(const ofs_pool *p, float *dx, const float *x, const float *y,
                         const float *dy, const window *w, uint32_t row0, uint32_t row1,
                         uint32_t n) {
  ofs_f4 best = load(y, n), give = load(dy, n);
  ofs_i4 open = (ofs_i4)ofs_usplat4(0xffffffffu);
  uint32_t end = w->y1 < row1 ? w->y1 : row1;
  for (uint32_t iy = w->y0; iy < end; iy++)
    for (uint32_t ix = w->x0; ix < w->x1; ix++) {
      size_t at = cell(p, iy, ix);
      ofs_i4 hit = (load(x + at, n) == best) & open;
      open = open & ~hit;
      if (iy >= row0) store(dx + at, load(dx + at, n) + (ofs_f4)(hit & (ofs_i4)give), n);
    }
}

/* It adds to zero, like max_give, and so never leaves -0. */
OFS_INLINE ofs_i4 give_pair(float *dx, const float *x, ofs_f4 best, ofs_f4 give, ofs_i4 open) {
  ofs_i4 hit = (ofs_load4(x) == best) & open;
  ofs_store4(dx, ofs_splat4(0) + (ofs_f4)(hit & (ofs_i4)give));
  return open & ~hit;
}

static void max_pairs_back(const ofs_pool *p, float *dx, const float *x, const float *y,
                           const float *dy, uint32_t across) {
  size_t row = (size_t)p->w * p->c, c = p->c;
  for (; across > 0; across--, x += c, dx += c)
    for (size_t end = c; end > 0; end -= 4, x += 4, dx += 4, y += 4, dy += 4) {
      ofs_f4 best = ofs_load4(y), give = ofs_load4(dy);
      ofs_i4 open = give_pair(dx, x, best, give, (ofs_i4)ofs_usplat4(0xffffffffu));
      open = give_pair(dx + c, x + c, best, give, open);
      open = give_pair(dx + row, x + row, best, give, open);
      give_pair(dx + row + c, x + row + c, best, give, open);
    }
}

static void max_pool_backward_f32(const ofs_pool *p, float *dx, const float *x, const float *y,
                                  const float *dy, uint32_t row0, uint32_t row1) {
  uint32_t from, to, whole = p->c / 4 * 4;
  touching(p, row0, row1, &from, &to);
  zero(dx + cell(p, row0, 0), cell(p, row1, 0) - cell(p, row0, 0));
  for (uint32_t oy = from; oy < to; oy++) {
    uint32_t pairs =
        2 * (uint64_t)oy >= row0 && 2 * (uint64_t)oy + 2 <= row1 ? whole_pairs(p, oy) : 0;
    size_t line = (size_t)oy * p->ow * p->c, in = cell(p, 2 * oy, 0);
    if (pairs) max_pairs_back(p, dx + in, x + in, y + line, dy + line, pairs);
    for (uint32_t ox = pairs; ox < p->ow; ox++) {
      window w = window_at(p, oy, ox);
      size_t o = line + (size_t)ox * p->c;
      for (uint32_t c = 0; c < whole; c += 4)
        max_give(p, dx + c, x + c, y + o + c, dy + o + c, &w, row0, row1, 4);
      if (whole < p->c)
        max_give(p, dx + whole, x + whole, y + o + whole, dy + o + whole, &w, row0, row1,
                 p->c - whole);
    }
  }
}

/* ---- average ---- */

static float cells_of(const window *w) { return (float)(w->y1 - w->y0) * (float)(w->x1 - w->x0); }

OFS_INLINE void avg_cells(const ofs_pool *p, float *y, const float *x, const window *w, float cells,
                          uint32_t n) {
  ofs_f4 sum = ofs_splat4(0);
  for (uint32_t iy = w->y0; iy < w->y1; iy++)
    for (uint32_t ix = w->x0; ix < w->x1; ix++) sum += load(x + cell(p, iy, ix), n);
  store(y, cells > 0 ? sum / ofs_splat4(cells) : ofs_splat4(0), n);
}

static void avg_pool_forward_f32(const ofs_pool *p, float *y, const float *x, uint32_t row0,
                                 uint32_t row1) {
  uint32_t whole = p->c / 4 * 4;
  for (uint32_t oy = row0; oy < row1; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++) {
      window w = window_at(p, oy, ox);
      float cells = cells_of(&w), *out = y + ((size_t)oy * p->ow + ox) * p->c;
      for (uint32_t c = 0; c < whole; c += 4) avg_cells(p, out + c, x + c, &w, cells, 4);
      if (whole < p->c) avg_cells(p, out + whole, x + whole, &w, cells, p->c - whole);
    }
}

OFS_INLINE void avg_give(const ofs_pool *p, float *dx, const float *dy, const window *w,
                         float cells, uint32_t n) {
  ofs_f4 give = load(dy, n) / ofs_splat4(cells);
  for (uint32_t iy = w->y0; iy < w->y1; iy++)
    for (uint32_t ix = w->x0; ix < w->x1; ix++) {
      size_t at = cell(p, iy, ix);
      store(dx + at, load(dx + at, n) + give, n);
    }
}

static void avg_pool_backward_f32(const ofs_pool *p, float *dx, const float *dy, uint32_t row0,
                                  uint32_t row1) {
  uint32_t from, to, whole = p->c / 4 * 4;
  touching(p, row0, row1, &from, &to);
  zero(dx + cell(p, row0, 0), cell(p, row1, 0) - cell(p, row0, 0));
  for (uint32_t oy = from; oy < to; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++) {
      window w = window_at(p, oy, ox);
      float cells = cells_of(&w);
      const float *in = dy + ((size_t)oy * p->ow + ox) * p->c;
      if (w.y0 < row0) w.y0 = row0;
      if (w.y1 > row1) w.y1 = row1;
      for (uint32_t c = 0; c < whole; c += 4) avg_give(p, dx + c, in + c, &w, cells, 4);
      if (whole < p->c) avg_give(p, dx + whole, in + whole, &w, cells, p->c - whole);
    }
}

void ofs_pool_fill(ofs_kernels *k) {
  k->max_pool_forward = max_pool_forward_f32;
  k->max_pool_backward = max_pool_backward_f32;
  k->avg_pool_forward = avg_pool_forward_f32;
  k->avg_pool_backward = avg_pool_backward_f32;
}

#endif
