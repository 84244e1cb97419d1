/* slide.c: the sliding product over an image that has its padding, and its gradients:
 *     y[b, i, j, f] = act(sum x[b, i sh + u dh, j sw + v dw, c] W[u, v, c, f] + bias[f])
 * A group of channels c has its own filters f.
 *
 * No im2col: a window's row is contiguous in NHWC, so a row of output pixels is a matrix product
 * whose `a` is read from the image itself.
 *     dW  is the same product transposed, over chunks of output rows whose partial sums are added
 *         in order
 *     dx  is the same sliding product over dy, padded, with W flipped and transposed: one for each
 *         phase of the strides, with the taps that meet it, which writes every stride-th pixel */
#include "layers/slide.h"

#include "base/copy.h"
#include "build/partials.h"
#include "layers/image.h"

/* dW is cut into so many chunks of output rows a batch, fewer of kernels with more numbers than
 * BIG_KERNEL, whose tiles are many, so that the partial sums of a chunk never take much memory; and
 * this is the most pixels of one. */
#define CHUNKS 8u
#define BIG_KERNEL 65536u
#define CHUNK_PIXELS 16384u
/* One call of the kernel has so many output pixels, where the rows are shorter: what a call costs
 * is then little. */
#define CALL_PIXELS 128u

/* ---- the product ---- */

/* These index op->n: filters of a tile, pixels of a unit; activation; 1: with the bias; padding of
 * dy and its size, of a backward product (0: of a forward one). */
enum { COLUMNS, SEGMENT, ACT, BIAS, ABOVE, BEFORE, PADDED_H, PADDED_W };
enum { Y, X, MATRIX }; /* buffers */

/* Along one axis every stride-th pixel of dx, a phase, is a sum over the same taps of the kernel,
 * tap0 + t step, from neighbours in dy that are `gap` apart; the last tap has the first one. */
typedef struct phase {
  uint32_t count, taps, tap0, step, gap;
  int64_t first; /* in dy, of pixel 0 */
} phase;

static phase phase_of(uint32_t at, uint32_t n, uint32_t s, uint32_t d, uint32_t before,
                      uint32_t k) {
  uint32_t a = s, b = d, t = 0;
  while (b) a %= b, t = a, a = b, b = t;
  phase p = {.count = (n - at - 1) / s + 1, .step = s / a, .gap = d / a};
  uint32_t most = ofs_min(k, p.step); /* the taps repeat from there on */
  for (t = 0; t < most && ((int64_t)at + before - (int64_t)t * d) % s; t++) continue;
  if (t == most) return p;
  p.tap0 = t;
  p.taps = (k - 1 - t) / p.step + 1;
  p.first = ((int64_t)at + before - (int64_t)t * d) / s - (int64_t)(p.taps - 1) * p.gap;
  return p;
}

static phase phase_down(const ofs_window *w, uint32_t at) {
  return phase_of(at, w->h, w->sh, w->dh, w->top, w->kh);
}
static phase phase_across(const ofs_window *w, uint32_t at) {
  return phase_of(at, w->w, w->sw, w->dw, w->left, w->kw);
}

/* Returns the taps of the phases before (y, x): where its block of the flipped kernel begins. */
static uint64_t taps_before(const ofs_window *w, uint32_t y, uint32_t x) {
  uint64_t rows = 0, columns = 0, all = 0;
  for (uint32_t i = 0; i < y; i++) rows += phase_down(w, i).taps;
  for (uint32_t i = 0; i < w->sw && i < w->w; i++) {
    if (i == x) columns = all;
    all += phase_across(w, i).taps;
  }
  return rows * all + phase_down(w, y).taps * columns;
}

static uint32_t phases(const ofs_window *w) { return ofs_min(w->sh, w->h) * ofs_min(w->sw, w->w); }

/* A view is one product over a whole image: its window, and the addresses of its numbers: of the
 * first row and pixel, and of the next. */
typedef struct view {
  ofs_window w;
  size_t a, b, c, pixel, row, sample;
} view;

static view view_of(const ofs_op *op, uint32_t at) {
  const ofs_window *w = &op->window;
  size_t row = (size_t)w->ow * w->f;
  if (!op->n[PADDED_H]) return (view){.w = *w, .pixel = w->f, .row = row, .sample = w->oh * row};
  uint32_t across = ofs_min(w->sw, w->w), y = at / across, x = at % across;
  phase v = phase_down(w, y), u = phase_across(w, x);
  row = (size_t)w->w * w->c;
  return (view){.w = {.h = op->n[PADDED_H],
                      .w = op->n[PADDED_W],
                      .c = w->f,
                      .oh = v.count,
                      .ow = u.count,
                      .f = w->c,
                      .kh = v.taps,
                      .kw = u.taps,
                      .sh = 1,
                      .sw = 1,
                      .dh = v.gap,
                      .dw = u.gap,
                      .groups = w->groups},
                .a =
                    (size_t)((v.first + op->n[ABOVE]) * op->n[PADDED_W] + u.first + op->n[BEFORE]) *
                    w->f,
                .b = taps_before(w, y, x) * (w->f / w->groups) * w->c,
                .c = y * row + (size_t)x * w->c,
                .pixel = (size_t)w->sw * w->c,
                .row = w->sh * row,
                .sample = w->h * row};
}

static void slide_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const real *params = ctx->params,
             *matrix = op->at[MATRIX] ? op->at[MATRIX] : params + l->kernel_at;
  uint32_t seg = op->n[SEGMENT], act = op->n[ACT];
  const ofs_range range = ofs_range_of(op, part);
  uint32_t some = op->n[PADDED_H] ? op->tiles / phases(&op->window) : op->tiles;
  /* the first phase is the longest */
  view v = view_of(op, range.tile / some), whole = view_of(op, 0);
  const ofs_window *w = &v.w;
  uint32_t segs = (whole.w.ow + seg - 1) / seg, down = whole.w.oh,
           together = w->dw == 1 && w->groups == 1;
  uint32_t c = w->c / w->groups, f = w->f / w->groups,
           across = (f + op->n[COLUMNS] - 1) / op->n[COLUMNS];
  uint32_t group = range.tile % some / across, first = range.tile % across * op->n[COLUMNS],
           n0 = group * f + first;
  ofs_gemm g = {.ldc = v.pixel,
                .lda = (size_t)w->sw * w->c,
                .b = matrix + v.b + n0,
                .ldb = w->f,
                .bias = op->n[BIAS] ? params + l->bias_at + n0 : NULL,
                .n = ofs_min(op->n[COLUMNS], f - first),
                .k = together ? w->kw * c : c,
                .runs_y = w->kh,
                .runs_x = together ? 1 : w->kw,
                .step_y = (size_t)w->dh * w->w * w->c,
                .step_x = (size_t)w->dw * w->c};
  g.next_a = (size_t)w->sh * w->w * w->c;
  g.next_c = v.row;
  for (uint64_t u = range.from; u < range.to; u += g.more + 1) {
    uint64_t sample = u / segs / down, oy = u / segs % down;
    uint32_t x0 = (uint32_t)(u % segs) * seg,
             rows = segs > 1 || w->ow == 0 ? 1 : CALL_PIXELS / w->ow;
    g.more = 0;
    if (oy >= w->oh || x0 >= w->ow) continue;
    if (rows > w->oh - oy) rows = (uint32_t)(w->oh - oy);
    if (rows > range.to - u) rows = (uint32_t)(range.to - u);
    g.more = rows > 1 ? rows - 1 : 0;
    g.m = ofs_min(seg, w->ow - x0);
    g.c = op->at[Y] + sample * v.sample + v.c + oy * v.row + x0 * v.pixel + n0;
    g.a = op->at[X] + ((sample * w->h + oy * w->sh) * w->w + (size_t)x0 * w->sw) * w->c + v.a +
          (size_t)group * c;
    ctx->kernels->gemm_nn(&g);
    for (uint32_t r = 0; r <= g.more && act != OFS_ACT_LINEAR; r++) {
      real *y = g.c + r * v.row;
      if (g.n == v.pixel)
        ctx->kernels->act_forward(act, y, y, (size_t)g.m * g.n);
      else
        for (size_t i = 0; i < g.m; i++)
          ctx->kernels->act_forward(act, y + i * v.pixel, y + i * v.pixel, g.n);
    }
  }
}

/* Cuts an operation over the outputs of a window, `times` of them. */
static void cut_slide(const ofs_builder *b, ofs_op *op, const ofs_window *w, uint32_t times) {
  uint32_t c = w->c / w->groups, f = w->f / w->groups;
  double k = 2.0 * w->kh * w->kw * c;
  ofs_tile(w->ow, f, k, (double)b->batch * w->oh * w->groups * times, &op->n[SEGMENT],
           &op->n[COLUMNS]);
  uint32_t segs = (w->ow + op->n[SEGMENT] - 1) / op->n[SEGMENT];
  op->tiles = times * w->groups * ((f + op->n[COLUMNS] - 1) / op->n[COLUMNS]);
  ofs_cut(b, op, (uint64_t)w->oh * segs, 0, k * op->n[SEGMENT] * op->n[COLUMNS], 1);
}

void ofs_build_slide(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t y,
                     uint32_t x, uint32_t matrix, int bias, uint32_t act) {
  ofs_op *op = ofs_build_op(b, l, slide_part, y, x, matrix, 0);
  op->window = *w;
  op->n[ACT] = act;
  op->n[BIAS] = bias && l->bias_size;
  cut_slide(b, op, w, 1);
}

ofs_window ofs_padded_window(const ofs_window *w) {
  ofs_window v = *w;
  v.h += w->top + w->bottom;
  v.w += w->left + w->right;
  return v;
}

uint32_t ofs_build_padded(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x) {
  if (!(w->top | w->bottom | w->left | w->right)) return x;
  ofs_window v = ofs_padded_window(w);
  v.oh = w->h, v.ow = w->w, v.sh = v.sw = 1;
  return ofs_build_placed(b, l, &v, x, 1);
}

/* ---- weight gradient ---- */

enum { M_TILE, N_TILE, RUN, BIAS_ROWS, BIAS_ROW };
enum { WG_X, WG_DY, WG_PARTIAL, WG_GRADIENT, WG_BIAS }; /* buffers */

/* Returns how many rows that the bias is added to stand before row u of the chunks', of which a
 * sample has `rows`. */
static uint64_t bias_row(const ofs_op *op, uint64_t u) {
  uint64_t all = op->n[BIAS_ROWS];
  return u / op->units * all + u % op->units * all / op->units;
}

static void weight_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const ofs_window *w = &op->window;
  uint64_t size = l->kernel_size + l->bias_size;
  uint32_t run = op->n[RUN], nb = op->n[N_TILE], mb = op->n[M_TILE], c = w->c / w->groups,
           f = w->f / w->groups;
  const ofs_range r = ofs_range_of(op, part);
  uint32_t across = (f + nb - 1) / nb, down = (run + mb - 1) / mb, spots = w->kw * c / run,
           columns = across * w->groups;
  uint32_t group = r.tile % columns / across, n = r.tile % across * nb, n0 = group * f + n;
  uint32_t m0 = r.tile / columns % down * mb, spot = r.tile / columns / down;
  real *d = op->at[WG_PARTIAL] ? op->at[WG_PARTIAL] + r.from / op->block * size
                               : ctx->gradient + l->kernel_at;
  ofs_gemm g = {.c = d + ((size_t)spot * run + m0) * w->f + n0,
                .ldc = w->f,
                .lda = (size_t)w->sw * w->c,
                .ldb = w->f,
                .m = ofs_min(mb, run - m0),
                .n = ofs_min(nb, f - n),
                .k = w->ow,
                .runs_x = 1,
                .step_y = (size_t)w->sh * w->w * w->c};
  size_t shift = ((size_t)(spot / spots) * w->dh * w->w + (size_t)(spot % spots) * w->dw) * w->c +
                 (size_t)group * c + m0;
  for (uint64_t row = r.from; row < r.to; row += g.runs_y, g.accumulate = 1) {
    uint64_t sample = row / w->oh, oy = row % w->oh, left = w->oh - oy;
    g.runs_y = (uint32_t)(r.to - row < left ? r.to - row : left);
    g.a = op->at[WG_X] + (sample * w->h + oy * w->sh) * w->w * w->c + shift;
    g.b = op->at[WG_DY] + row * w->ow * w->f + n0;
    ctx->kernels->gemm_tn(&g);
  }
  if (r.tile || !l->bias_size) return;
  uint64_t first = bias_row(op, r.from), pixels = (bias_row(op, r.to) - first) * op->n[BIAS_ROW];
  ofs_zero(d + l->kernel_size, l->bias_size);
  ctx->kernels->add_rows(d + l->kernel_size,
                         op->at[WG_BIAS] + first * op->n[BIAS_ROW] * l->bias_size, (uint32_t)pixels,
                         (uint32_t)l->bias_size);
}

static uint64_t chunk_rows(const ofs_builder *b, const ofs_layer *l, const ofs_window *w) {
  uint64_t wanted =
      l->kernel_size > BIG_KERNEL ? (uint64_t)CHUNKS * BIG_KERNEL / l->kernel_size + 1 : CHUNKS;
  uint64_t rows = (uint64_t)b->batch * w->oh, block = (rows + wanted - 1) / wanted,
           most = CHUNK_PIXELS / w->ow;
  return block <= most ? block : most ? most : 1;
}

void ofs_build_slide_gradient(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x,
                              uint32_t dy, uint32_t bias) {
  uint64_t block = chunk_rows(b, l, w), chunks = ((uint64_t)b->batch * w->oh + block - 1) / block;
  uint32_t partial =
      chunks > 1 ? ofs_build_buffer(b, ofs_mul_sat(l->kernel_size + l->bias_size, chunks), 1) : 0;
  uint32_t c = w->c / w->groups, f = w->f / w->groups;
  ofs_op *op = ofs_build_op(b, l, weight_gradient_part, x, dy, partial, b->gradient);
  ofs_build_use(b, op, WG_BIAS, bias);
  double pixels = 2.0 * (double)block * w->ow;
  op->window = *w;
  op->n[RUN] = w->dw == 1 && w->groups == 1 ? w->kw * c : c;
  op->n[BIAS_ROWS] = bias == dy ? w->oh : l->out.dims[0];
  op->n[BIAS_ROW] = bias == dy ? w->ow : l->out.dims[1];
  uint32_t spots = w->kh * (w->kw * c / op->n[RUN]);
  ofs_tile(op->n[RUN], f, pixels, (double)chunks * spots * w->groups, &op->n[M_TILE],
           &op->n[N_TILE]);
  op->units = w->oh;
  op->block = block;
  op->tiles = spots * w->groups * ((op->n[RUN] + op->n[M_TILE] - 1) / op->n[M_TILE]) *
              ((f + op->n[N_TILE] - 1) / op->n[N_TILE]);
  op->unit_work = 2.0 * w->ow * op->n[M_TILE] * op->n[N_TILE];
  if (partial) ofs_build_sum(b, l, partial, w->oh, block);
}

/* ---- input gradient ---- */

/* Returns the phase of row (or column) u of the kernel. */
static uint32_t phase_with(uint32_t u, uint32_t s, uint32_t d, uint32_t before) {
  int64_t at = ((int64_t)u * d - before) % s;
  return (uint32_t)(at < 0 ? at + s : at);
}

enum { FLIPPED }; /* the buffer */

/* Reorders W (kh, kw, c, f) by phases, each with its taps from the last to the first, of each group
 * transposed: (taps, f, c). */
static void flip_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  uint32_t c = w->c / w->groups, f = w->f / w->groups;
  uint64_t size = (uint64_t)c * w->f;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t spot = r.from; spot < r.to; spot++) {
    uint32_t i = (uint32_t)(spot / w->kw), j = (uint32_t)(spot % w->kw);
    uint32_t y = phase_with(i, w->sh, w->dh, w->top), x = phase_with(j, w->sw, w->dw, w->left);
    if (y >= w->h || x >= w->w) continue; /* it meets no pixel */
    phase v = phase_down(w, y), u = phase_across(w, x);
    uint64_t last = (uint64_t)v.taps * u.taps - 1,
             tap = (i - v.tap0) / v.step * u.taps + (j - u.tap0) / u.step;
    for (size_t k = 0; k < w->groups; k++)
      ctx->kernels->transpose(op->at[FLIPPED] + (taps_before(w, y, x) + last - tap) * size + k * c,
                              w->c, ctx->params + op->layer->kernel_at + spot * size + k * f, w->f,
                              c, f);
  }
}

uint32_t ofs_build_flip(ofs_builder *b, const ofs_layer *l, const ofs_window *w) {
  uint32_t flipped = ofs_build_buffer(b, l->kernel_size, 1);
  ofs_op *op = ofs_build_op(b, l, flip_part, flipped, 0, 0, 0);
  op->window = *w;
  ofs_cut(b, op, (uint64_t)w->kh * w->kw, 1, 16.0 * w->c / w->groups * w->f, 1);
  return flipped;
}

/* Returns how far phases reach before the first and beyond the last of dy. */
static uint32_t reach(phase (*of)(const ofs_window *, uint32_t), const ofs_window *w,
                      uint32_t count, uint32_t size, uint32_t *padded) {
  int64_t low = 0, high = size;
  for (uint32_t i = 0; i < count; i++) {
    phase p = of(w, i);
    int64_t end = p.first + p.count + (int64_t)(p.taps - 1) * p.gap;
    if (!p.taps) continue;
    if (p.first < low) low = p.first;
    if (end > high) high = end;
  }
  *padded = (uint32_t)(high - low);
  return (uint32_t)-low;
}

/* Strides of more phases than this are undone by zeros between the pixels of dy. */
#define MOST_PHASES 16u

uint32_t ofs_build_slide_back(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t dy,
                              int bias, uint32_t act) {
  ofs_window v = *w, pad = {.c = w->f, .sh = w->sh, .sw = w->sw, .oh = w->oh, .ow = w->ow};
  if (w->sh * w->sw > MOST_PHASES) {
    pad.h = v.oh = (w->oh - 1) * w->sh + 1, pad.w = v.ow = (w->ow - 1) * w->sw + 1, v.sh = v.sw = 1;
    dy = ofs_build_placed(b, l, &pad, dy, 1);
  }
  pad.oh = v.oh, pad.ow = v.ow, pad.sh = pad.sw = 1;
  pad.top = reach(phase_down, &v, ofs_min(v.sh, v.h), v.oh, &pad.h);
  pad.left = reach(phase_across, &v, ofs_min(v.sw, v.w), v.ow, &pad.w);
  uint32_t x = pad.h > v.oh || pad.w > v.ow ? ofs_build_placed(b, l, &pad, dy, 1) : dy,
           flipped = ofs_build_flip(b, l, &v);
  uint32_t dx = ofs_build_buffer(b, (uint64_t)w->h * w->w * w->c, 0);
  ofs_op *op = ofs_build_op(b, l, slide_part, dx, x, flipped, 0);
  op->window = v;
  op->n[ACT] = act;
  op->n[BIAS] = bias && l->bias_size;
  op->n[ABOVE] = pad.top, op->n[BEFORE] = pad.left, op->n[PADDED_H] = pad.h,
  op->n[PADDED_W] = pad.w;
  ofs_window most = view_of(op, 0).w; /* the biggest, but for its taps */
  most.kh = (v.kh - 1) / v.sh + 1, most.kw = (v.kw - 1) / v.sw + 1;
  cut_slide(b, op, &most, phases(&v));
  return dx;
}
