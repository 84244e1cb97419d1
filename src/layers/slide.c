/* slide.c: the sliding product, y[b, i, j, f] = act(sum x[b, i sh + u dh, j sw + v dw, c] W[u, v, c, f] + bias[f]) over an
 * image that has its padding, and its gradients; of groups each over its own channels c and filters f.
 *
 * No im2col: a window's row is contiguous in NHWC, so a row of output pixels is a matrix product whose `a`
 * is read from the image itself.
 *     dW  the same product turned round, over chunks of output rows whose partial sums are added in order
 *     dx  the same sliding product over dy, spread by the strides and padded, with W flipped and transposed */
#include "layers.h"

/* dW: chunks of output rows a batch, fewer of kernels with more numbers than BIG_KERNEL, whose tiles are many, so that
 * the partial sums of a chunk never take much memory; and the most pixels of one. */
#define CHUNKS 8u
#define BIG_KERNEL 65536u
#define CHUNK_PIXELS 16384u
/* Output pixels of one call of the kernel, where the rows are shorter: what a call costs is then little. */
#define CALL_PIXELS 128u

/* ---- the product ---- */

enum { COLUMNS, SEGMENT, ACT, BIAS }; /* op->n: filters of a tile, pixels of a unit; activation; 1: with the bias */

static void slide_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  const ofs_layer *l = op->layer;
  const real *params = p->model->params, *matrix = op->at[2] ? op->at[2] : params + l->kernel_at;
  uint64_t from, to;
  uint32_t tile, seg = op->n[SEGMENT], segs = (w->ow + seg - 1) / seg, together = w->dw == 1 && w->groups == 1;
  uint32_t c = w->c / w->groups, f = w->f / w->groups, act = op->n[ACT];
  ofs_part_range(p, op, part, &from, &to, &tile);
  uint32_t across = (f + op->n[COLUMNS] - 1) / op->n[COLUMNS], group = tile / across, first = tile % across * op->n[COLUMNS];
  uint32_t n0 = group * f + first;
  ofs_gemm g = {.ldc = w->f, .lda = (size_t)w->sw * w->c, .b = matrix + n0, .ldb = w->f,
                .bias = op->n[BIAS] ? params + l->bias_at + n0 : NULL,
                .n = ofs_min(op->n[COLUMNS], f - first), .k = together ? w->kw * c : c, .runs_y = w->kh,
                .runs_x = together ? 1 : w->kw, .step_y = (size_t)w->dh * w->w * w->c, .step_x = (size_t)w->dw * w->c};
  g.next_a = (size_t)w->sh * w->w * w->c;
  g.next_c = (size_t)w->ow * w->f;
  for (uint64_t u = from; u < to; u += g.more + 1) {
    uint64_t row = u / segs, sample = row / w->oh, oy = row % w->oh;
    uint32_t x0 = (uint32_t)(u % segs) * seg, rows = segs > 1 ? 1 : CALL_PIXELS / w->ow;
    if (rows > w->oh - oy) rows = (uint32_t)(w->oh - oy);
    if (rows > to - u) rows = (uint32_t)(to - u);
    g.more = rows > 1 ? rows - 1 : 0;
    g.m = ofs_min(seg, w->ow - x0);
    g.c = op->at[0] + (row * w->ow + x0) * w->f + n0;
    g.a = op->at[1] + ((sample * w->h + oy * w->sh) * w->w + (size_t)x0 * w->sw) * w->c + (size_t)group * c;
    p->model->kernels.gemm_nn(&g);
    if (act == OFS_ACT_LINEAR) continue;
    size_t pixels = (size_t)g.m * (g.more + 1); /* one after the other: with several rows, each is whole */
    if (g.n == w->f) p->model->kernels.act_forward(act, g.c, g.c, pixels * g.n);
    else
      for (size_t i = 0; i < pixels; i++) p->model->kernels.act_forward(act, g.c + i * w->f, g.c + i * w->f, g.n);
  }
}

void ofs_build_slide(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t y, uint32_t x, uint32_t matrix,
                     int bias, uint32_t act) {
  ofs_op *op = ofs_build_op(b, l, slide_part, y, x, matrix, 0);
  uint32_t c = w->c / w->groups, f = w->f / w->groups;
  double k = 2.0 * w->kh * w->kw * c;
  op->window = *w;
  op->n[ACT] = act;
  op->n[BIAS] = bias && l->bias_size;
  ofs_tile(w->ow, f, k, (double)b->batch * w->oh * w->groups, &op->n[SEGMENT], &op->n[COLUMNS]);
  uint32_t segs = (w->ow + op->n[SEGMENT] - 1) / op->n[SEGMENT];
  op->tiles = w->groups * ((f + op->n[COLUMNS] - 1) / op->n[COLUMNS]);
  ofs_cut(b, op, (uint64_t)w->oh * segs, 0, k * op->n[SEGMENT] * op->n[COLUMNS], 1);
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

/* How many rows that the bias is added to stand before row u of the chunks', of which a sample has `rows`. */
static uint64_t bias_row(const ofs_op *op, uint64_t u) {
  uint64_t all = op->n[BIAS_ROWS];
  return u / op->units * all + u % op->units * all / op->units;
}

static void weight_gradient_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const ofs_window *w = &op->window;
  uint64_t from, to, size = l->kernel_size + l->bias_size;
  uint32_t tile, run = op->n[RUN], nb = op->n[N_TILE], mb = op->n[M_TILE], c = w->c / w->groups, f = w->f / w->groups;
  ofs_part_range(p, op, part, &from, &to, &tile);
  uint32_t across = (f + nb - 1) / nb, down = (run + mb - 1) / mb, spots = w->kw * c / run, columns = across * w->groups;
  uint32_t group = tile % columns / across, n = tile % across * nb, n0 = group * f + n;
  uint32_t m0 = tile / columns % down * mb, spot = tile / columns / down;
  real *d = op->at[2] ? op->at[2] + from / op->block * size : p->gradient + l->kernel_at;
  ofs_gemm g = {.c = d + ((size_t)spot * run + m0) * w->f + n0, .ldc = w->f, .lda = (size_t)w->sw * w->c, .ldb = w->f,
                .m = ofs_min(mb, run - m0), .n = ofs_min(nb, f - n), .k = w->ow, .runs_x = 1,
                .step_y = (size_t)w->sh * w->w * w->c};
  size_t shift = ((size_t)(spot / spots) * w->dh * w->w + (size_t)(spot % spots) * w->dw) * w->c + (size_t)group * c + m0;
  for (uint64_t row = from; row < to; row += g.runs_y, g.accumulate = 1) {
    uint64_t sample = row / w->oh, oy = row % w->oh, left = w->oh - oy;
    g.runs_y = (uint32_t)(to - row < left ? to - row : left);
    g.a = op->at[0] + (sample * w->h + oy * w->sh) * w->w * w->c + shift;
    g.b = op->at[1] + row * w->ow * w->f + n0;
    p->model->kernels.gemm_tn(&g);
  }
  if (tile || !l->bias_size) return;
  uint64_t first = bias_row(op, from), pixels = (bias_row(op, to) - first) * op->n[BIAS_ROW];
  ofs_zero(d + l->kernel_size, l->bias_size);
  p->model->kernels.add_rows(d + l->kernel_size, op->at[4] + first * op->n[BIAS_ROW] * l->bias_size, (uint32_t)pixels,
                             (uint32_t)l->bias_size);
}

static uint64_t chunk_rows(const ofs_builder *b, const ofs_layer *l, const ofs_window *w) {
  uint64_t wanted = l->kernel_size > BIG_KERNEL ? (uint64_t)CHUNKS * BIG_KERNEL / l->kernel_size + 1 : CHUNKS;
  uint64_t rows = (uint64_t)b->batch * w->oh, block = (rows + wanted - 1) / wanted, most = CHUNK_PIXELS / w->ow;
  return block <= most ? block : most ? most : 1;
}

void ofs_build_slide_gradient(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x, uint32_t dy,
                              uint32_t bias) {
  uint64_t block = chunk_rows(b, l, w), chunks = ((uint64_t)b->batch * w->oh + block - 1) / block;
  uint32_t partial = chunks > 1 ? ofs_build_buffer(b, ofs_mul_sat(l->kernel_size + l->bias_size, chunks), 1) : 0;
  uint32_t c = w->c / w->groups, f = w->f / w->groups;
  ofs_op *op = ofs_build_op(b, l, weight_gradient_part, x, dy, partial, b->gradient);
  ofs_build_use(b, op, 4, bias);
  double pixels = 2.0 * (double)block * w->ow;
  op->window = *w;
  op->n[RUN] = w->dw == 1 && w->groups == 1 ? w->kw * c : c;
  op->n[BIAS_ROWS] = bias == dy ? w->oh : l->out.dims[0];
  op->n[BIAS_ROW] = bias == dy ? w->ow : l->out.dims[1];
  uint32_t spots = w->kh * (w->kw * c / op->n[RUN]);
  ofs_tile(op->n[RUN], f, pixels, (double)chunks * spots * w->groups, &op->n[M_TILE], &op->n[N_TILE]);
  op->units = w->oh;
  op->block = block;
  op->tiles = spots * w->groups * ((op->n[RUN] + op->n[M_TILE] - 1) / op->n[M_TILE]) *
              ((f + op->n[N_TILE] - 1) / op->n[N_TILE]);
  op->unit_work = 2.0 * w->ow * op->n[M_TILE] * op->n[N_TILE];
  if (partial) ofs_build_sum(b, l, partial, w->oh, block);
}

/* dW = the sum of the chunks that this batch has, in order; a layer's tensors lie together. */
static void sum_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  uint64_t from, to, size = l->weights_size;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  uint64_t chunks = ((uint64_t)op->n[0] * op->count + op->n[1] - 1) / op->n[1];
  p->model->kernels.sum_partials(p->gradient + l->weights_at + from, op->at[0] + from, size, (uint32_t)chunks,
                                 (uint32_t)(to - from));
}

void ofs_build_sum(ofs_builder *b, const ofs_layer *l, uint32_t partial, uint64_t units, uint64_t block) {
  ofs_op *op = ofs_build_op(b, l, sum_part, partial, b->gradient, 0, 0);
  op->n[0] = (uint32_t)units;
  op->n[1] = (uint32_t)block;
  double chunks = (double)((units * b->batch + block - 1) / block);
  ofs_cut(b, op, l->weights_size, 1, 8 * chunks, 16);
}

/* ---- input gradient ---- */

/* W (kh, kw, c, f) -> flipped in kh and kw, of each group transposed: (kh, kw, f, c) */
static void flip_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  uint32_t tile, c = w->c / w->groups, f = w->f / w->groups;
  uint64_t from, to, size = (uint64_t)c * w->f;
  ofs_part_range(p, op, part, &from, &to, &tile);
  for (uint64_t spot = from; spot < to; spot++)
    for (size_t k = 0; k < w->groups; k++)
      p->model->kernels.transpose(op->at[0] + ((uint64_t)w->kh * w->kw - 1 - spot) * size + k * c, w->c,
                                  p->model->params + op->layer->kernel_at + spot * size + k * f, w->f, c, f);
}

uint32_t ofs_build_flip(ofs_builder *b, const ofs_layer *l, const ofs_window *w) {
  uint32_t flipped = ofs_build_buffer(b, l->kernel_size, 1);
  ofs_op *op = ofs_build_op(b, l, flip_part, flipped, 0, 0, 0);
  op->window = *w;
  ofs_cut(b, op, (uint64_t)w->kh * w->kw, 1, 16.0 * w->c / w->groups * w->f, 1);
  return flipped;
}

/* Row oy of dy stands at oy sh + above of the spread one, its pixel ox at ox sw + before; zeros between. */
uint32_t ofs_build_slide_back(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t dy, int bias, uint32_t act) {
  ofs_window spread = {.h = w->h + (w->kh - 1) * w->dh, .w = w->w + (w->kw - 1) * w->dw, .c = w->f, .oh = w->oh, .ow = w->ow,
                       .sh = w->sh, .sw = w->sw, .top = (w->kh - 1) * w->dh - w->top, .left = (w->kw - 1) * w->dw - w->left};
  uint32_t x = ofs_build_placed(b, l, &spread, dy, 1), flipped = ofs_build_flip(b, l, w);
  uint32_t dx = ofs_build_buffer(b, (uint64_t)w->h * w->w * w->c, 0);
  ofs_window back = {.h = spread.h, .w = spread.w, .c = w->f, .oh = w->h, .ow = w->w, .f = w->c, .kh = w->kh, .kw = w->kw,
                     .sh = 1, .sw = 1, .dh = w->dh, .dw = w->dw, .groups = w->groups};
  ofs_build_slide(b, l, &back, dx, x, flipped, bias, act);
  return dx;
}
