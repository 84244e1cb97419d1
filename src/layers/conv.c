/* conv.c: conv2d, y[b, i, j, f] = act(sum x[b, i sh + u dh - top, j sw + v dw - left, c] W[u, v, c, f] + bias[f]).
 *
 * No im2col: a window's row is contiguous in NHWC, so a row of output pixels is a matrix product whose `a`
 * is read from the image itself. Padding is made once, as a padded copy of the input.
 *     dW  the same product turned round, over chunks of output rows whose partial sums are added in order
 *     dx  the same sliding product over dy, spread by the strides and padded, with W flipped and transposed
 * A kernel of 1 x 1 with stride 1 is a dense layer over the pixels, and takes its path. */
#include "layers.h"

/* dW: chunks of output rows a batch, fewer of kernels with more numbers than BIG_KERNEL, whose tiles are many, so that
 * the partial sums of a chunk never take much memory; and the most pixels of one. */
#define CHUNKS 8u
#define BIG_KERNEL 65536u
#define CHUNK_PIXELS 16384u

static ofs_status conv_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  ofs_status s = ofs_window_shape(l, r, OFS_CONV2D_KERNEL_SIZE, err);
  if (s < 0) return s;
  ofs_window *w = &l->window;
  w->f = (uint32_t)r->v[OFS_CONV2D_FILTERS][0];
  l->out.dims[2] = w->f;
  l->act = (uint32_t)r->v[OFS_CONV2D_ACTIVATION][0];
  ofs_add_weight(l, r, OFS_KERNEL, OFS_CONV2D_KERNEL_INIT, 4, (const uint32_t[]){w->kh, w->kw, w->c, w->f});
  if (r->v[OFS_CONV2D_USE_BIAS][0] != 0) ofs_add_weight(l, r, OFS_BIAS, OFS_CONV2D_BIAS_INIT, 1, &w->f);
  double spread = ((double)w->h + (double)(w->kh - 1) * w->dh) * ((double)w->w + (double)(w->kw - 1) * w->dw) * w->f;
  if (spread > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->place, -1, OFS_WHY_PRODUCT, spread, 1, OFS_MAX_SAMPLE);
  return OFS_OK;
}

static int is_dense(const ofs_window *w) {
  return w->kh == 1 && w->kw == 1 && w->sh == 1 && w->sw == 1;
}

/* ---- the sliding product: (h, w, c) -> (oh, ow, f), no padding ---- */

enum { COLUMNS, SEGMENT }; /* op->n: filters of a tile, pixels of a unit */
/* Output pixels of one call of the kernel, where the rows are shorter: what a call costs is then little. */
#define CALL_PIXELS 128u

static void slide(const ofs_plan *p, const ofs_op *op, uint32_t part, const real *matrix, const real *bias,
                  uint32_t act) {
  const ofs_window *w = &op->window;
  uint64_t from, to;
  uint32_t tile, seg = op->n[SEGMENT], segs = (w->ow + seg - 1) / seg, together = w->dw == 1;
  ofs_part_range(p, op, part, &from, &to, &tile);
  uint32_t n0 = tile * op->n[COLUMNS];
  ofs_gemm g = {.ldc = w->f, .lda = (size_t)w->sw * w->c, .b = matrix + n0, .ldb = w->f, .bias = bias ? bias + n0 : NULL,
                .n = ofs_min(op->n[COLUMNS], w->f - n0), .k = together ? w->kw * w->c : w->c, .runs_y = w->kh,
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
    g.a = op->at[1] + ((sample * w->h + oy * w->sh) * w->w + (size_t)x0 * w->sw) * w->c;
    p->model->kernels.gemm_nn(&g);
    if (act == OFS_ACT_LINEAR) continue;
    size_t pixels = (size_t)g.m * (g.more + 1); /* one after the other: with several rows, each is whole */
    if (g.n == w->f) p->model->kernels.act_forward(act, g.c, g.c, pixels * g.n);
    else
      for (size_t i = 0; i < pixels; i++) p->model->kernels.act_forward(act, g.c + i * w->f, g.c + i * w->f, g.n);
  }
}

static void cut_slide(const ofs_builder *b, ofs_op *op) {
  const ofs_window *w = &op->window;
  double k = 2.0 * w->kh * w->kw * w->c;
  ofs_tile(w->ow, w->f, k, (double)b->batch * w->oh, &op->n[SEGMENT], &op->n[COLUMNS]);
  uint32_t segs = (w->ow + op->n[SEGMENT] - 1) / op->n[SEGMENT];
  op->tiles = (w->f + op->n[COLUMNS] - 1) / op->n[COLUMNS];
  ofs_cut(b, op, (uint64_t)w->oh * segs, 0, k * op->n[SEGMENT] * op->n[COLUMNS], 1);
}

/* ---- forward ---- */

static void pad_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  uint32_t tile, hp = w->h + w->top + w->bottom, wp = w->w + w->left + w->right;
  uint64_t from, to;
  ofs_part_range(p, op, part, &from, &to, &tile);
  for (uint64_t u = from; u < to; u++) {
    real *row = op->at[0] + u * wp * w->c;
    uint64_t sample = u / hp, y = u % hp;
    if (y < w->top || y >= w->top + w->h) {
      ofs_zero(row, (size_t)wp * w->c);
      continue;
    }
    ofs_zero(row, (size_t)w->left * w->c);
    ofs_copy(row + (size_t)w->left * w->c, op->at[1] + (sample * w->h + y - w->top) * w->w * w->c, (size_t)w->w * w->c);
    ofs_zero(row + (size_t)(w->left + w->w) * w->c, (size_t)w->right * w->c);
  }
}

static uint32_t emit_pad(ofs_builder *b, const ofs_layer *l, uint32_t x) {
  const ofs_window *w = &l->window;
  if (!(w->top | w->bottom | w->left | w->right)) return x;
  uint64_t rows = (uint64_t)w->h + w->top + w->bottom, row = ((uint64_t)w->w + w->left + w->right) * w->c;
  uint32_t padded = ofs_build_buffer(b, rows * row, 0);
  ofs_op *op = ofs_build_op(b, l, pad_part, padded, x, 0, 0);
  op->window = *w;
  ofs_cut(b, op, rows, 0, 10.0 * (double)row, 1);
  return padded;
}

static void forward_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const real *w = p->model->params + l->kernel_at;
  slide(p, op, part, w, l->bias_size ? w + l->kernel_size : NULL, op->n[2]);
}

/* The window over the padded input. */
static ofs_window padded_window(const ofs_window *w) {
  ofs_window v = *w;
  v.h += w->top + w->bottom;
  v.w += w->left + w->right;
  return v;
}

static uint32_t conv_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  if (is_dense(&l->window)) return ofs_build_dense(b, l, x);
  int fuse = ofs_act_fuses(l->act) && !ofs_takes_logits(b, l);
  uint32_t act = fuse ? l->act : OFS_ACT_LINEAR;
  if (ofs_winograd_fits(&l->window)) {
    uint32_t y = ofs_build_buffer(b, l->out.size, 0);
    ofs_build_winograd(b, l, &l->window, y, x, 0, act);
    return fuse ? y : ofs_build_act(b, l, y);
  }
  uint32_t padded = emit_pad(b, l, x), y = ofs_build_buffer(b, l->out.size, 0);
  b->held[l->index] = padded;
  ofs_op *op = ofs_build_op(b, l, forward_part, y, padded, 0, 0);
  op->window = padded_window(&l->window);
  cut_slide(b, op);
  op->n[2] = act;
  return fuse ? y : ofs_build_act(b, l, y);
}

/* ---- weight gradient ---- */

enum { M_TILE, N_TILE, RUN };

static void weight_gradient_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const ofs_window *w = &op->window;
  uint64_t from, to, size = l->kernel_size + l->bias_size;
  uint32_t tile, run = op->n[RUN], nb = op->n[N_TILE], mb = op->n[M_TILE];
  ofs_part_range(p, op, part, &from, &to, &tile);
  uint32_t across = (w->f + nb - 1) / nb, down = (run + mb - 1) / mb, spots = w->kw * w->c / run;
  uint32_t n0 = tile % across * nb, m0 = tile / across % down * mb, spot = tile / across / down;
  real *d = op->at[2] ? op->at[2] + from / op->block * size : p->gradient + l->kernel_at;
  ofs_gemm g = {.c = d + ((size_t)spot * run + m0) * w->f + n0, .ldc = w->f, .lda = (size_t)w->sw * w->c, .ldb = w->f,
                .m = ofs_min(mb, run - m0), .n = ofs_min(nb, w->f - n0), .k = w->ow, .runs_x = 1,
                .step_y = (size_t)w->sh * w->w * w->c};
  size_t shift = ((size_t)(spot / spots) * w->dh * w->w + (size_t)(spot % spots) * w->dw) * w->c + m0;
  for (uint64_t row = from; row < to; row += g.runs_y, g.accumulate = 1) {
    uint64_t sample = row / w->oh, oy = row % w->oh, left = w->oh - oy;
    g.runs_y = (uint32_t)(to - row < left ? to - row : left);
    g.a = op->at[0] + (sample * w->h + oy * w->sh) * w->w * w->c + shift;
    g.b = op->at[1] + row * w->ow * w->f + n0;
    p->model->kernels.gemm_tn(&g);
  }
  if (tile || !l->bias_size) return;
  ofs_zero(d + l->kernel_size, l->bias_size);
  p->model->kernels.add_rows(d + l->kernel_size, op->at[1] + from * w->ow * w->f, (uint32_t)((to - from) * w->ow), w->f);
}

static void emit_weight_gradient(ofs_builder *b, ofs_layer *l, uint32_t dy) {
  ofs_window w = padded_window(&l->window);
  uint64_t wanted = l->kernel_size > BIG_KERNEL ? (uint64_t)CHUNKS * BIG_KERNEL / l->kernel_size + 1 : CHUNKS;
  uint64_t rows = (uint64_t)b->batch * w.oh, block = (rows + wanted - 1) / wanted, most = CHUNK_PIXELS / w.ow;
  if (block > most) block = most ? most : 1;
  uint64_t chunks = (rows + block - 1) / block, size = l->kernel_size + l->bias_size;
  uint32_t partial = chunks > 1 ? ofs_build_buffer(b, ofs_mul_sat(size, chunks), 1) : 0;
  ofs_op *op = ofs_build_op(b, l, weight_gradient_part, b->held[l->index], dy, partial, b->gradient);
  double pixels = 2.0 * (double)block * w.ow;
  op->window = w;
  op->n[RUN] = w.dw == 1 ? w.kw * w.c : w.c;
  ofs_tile(op->n[RUN], w.f, pixels, (double)chunks * w.kh * (w.kw * w.c / op->n[RUN]), &op->n[M_TILE], &op->n[N_TILE]);
  op->units = w.oh;
  op->block = block;
  op->tiles = w.kh * (w.kw * w.c / op->n[RUN]) * ((op->n[RUN] + op->n[M_TILE] - 1) / op->n[M_TILE]) *
              ((w.f + op->n[N_TILE] - 1) / op->n[N_TILE]);
  op->unit_work = 2.0 * w.ow * op->n[M_TILE] * op->n[N_TILE];
  if (partial) ofs_build_sum(b, l, partial, w.oh, block);
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

/* Row j of the spread dy: row oy of dy stands at oy sh + before, its pixel ox at ox sw + before; zeros between. */
static void spread_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window; /* the layer's own */
  uint32_t tile, hd = w->h + (w->kh - 1) * w->dh, wd = w->w + (w->kw - 1) * w->dw;
  uint32_t above = (w->kh - 1) * w->dh - w->top, before = (w->kw - 1) * w->dw - w->left;
  uint64_t from, to;
  ofs_part_range(p, op, part, &from, &to, &tile);
  for (uint64_t u = from; u < to; u++) {
    real *row = op->at[0] + u * wd * w->f;
    uint64_t sample = u / hd, j = u % hd;
    ofs_zero(row, (size_t)wd * w->f);
    if (j < above || (j - above) % w->sh || (j - above) / w->sh >= w->oh) continue;
    const real *dy = op->at[1] + (sample * w->oh + (j - above) / w->sh) * w->ow * w->f;
    for (uint32_t x = 0; x < w->ow; x++)
      ofs_copy(row + ((size_t)x * w->sw + before) * w->f, dy + (size_t)x * w->f, w->f);
  }
}

/* W (kh, kw, c, f) -> flipped in kh and kw, (kh, kw, f, c) */
static void flip_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  uint64_t from, to, size = (uint64_t)w->c * w->f;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  for (uint64_t spot = from; spot < to; spot++)
    p->model->kernels.transpose(op->at[0] + ((uint64_t)w->kh * w->kw - 1 - spot) * size, w->c,
                                p->model->params + op->layer->kernel_at + spot * size, w->f, w->c, w->f);
}

static void input_gradient_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  slide(p, op, part, op->at[2], NULL, OFS_ACT_LINEAR);
}

static uint32_t emit_flip(ofs_builder *b, const ofs_layer *l) {
  const ofs_window *w = &l->window;
  uint32_t flipped = ofs_build_buffer(b, l->kernel_size, 1);
  ofs_op *op = ofs_build_op(b, l, flip_part, flipped, 0, 0, 0);
  op->window = *w;
  ofs_cut(b, op, (uint64_t)w->kh * w->kw, 1, 16.0 * w->c * w->f, 1);
  return flipped;
}

static uint32_t emit_winograd_input_gradient(ofs_builder *b, ofs_layer *l, uint32_t dy) {
  const ofs_window *w = &l->window;
  ofs_window back = {.h = w->oh, .w = w->ow, .c = w->f, .oh = w->h, .ow = w->w, .f = w->c, .top = 2 - w->top,
                     .left = 2 - w->left};
  uint32_t dx = ofs_build_buffer(b, l->in.size, 0);
  ofs_build_winograd(b, l, &back, dx, dy, emit_flip(b, l), OFS_ACT_LINEAR);
  return dx;
}

static uint32_t emit_input_gradient(ofs_builder *b, ofs_layer *l, uint32_t dy) {
  const ofs_window *w = &l->window;
  uint64_t rows = (uint64_t)w->h + (uint64_t)(w->kh - 1) * w->dh;
  uint64_t row = ((uint64_t)w->w + (uint64_t)(w->kw - 1) * w->dw) * w->f;
  uint32_t spread = ofs_build_buffer(b, rows * row, 0), flipped = emit_flip(b, l);
  uint32_t dx = ofs_build_buffer(b, l->in.size, 0);
  ofs_op *op = ofs_build_op(b, l, spread_part, spread, dy, 0, 0);
  op->window = *w;
  ofs_cut(b, op, rows, 0, 10.0 * (double)row, 1);
  op = ofs_build_op(b, l, input_gradient_part, dx, spread, flipped, 0);
  op->window = (ofs_window){.h = (uint32_t)rows, .w = (uint32_t)(row / w->f), .c = w->f, .oh = w->h, .ow = w->w,
                            .f = w->c, .kh = w->kh, .kw = w->kw, .sh = 1, .sw = 1, .dh = w->dh, .dw = w->dw};
  cut_slide(b, op);
  return dx;
}

static uint32_t conv_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  if (is_dense(&l->window)) return ofs_build_dense_backward(b, l, dy, wanted);
  dy = ofs_build_act_backward(b, l, dy);
  if (ofs_winograd_fits(&l->window)) {
    if (l->trains) ofs_build_winograd_gradient(b, l, b->x[l->index], dy);
    return wanted ? emit_winograd_input_gradient(b, l, dy) : 0;
  }
  if (l->trains) emit_weight_gradient(b, l, dy);
  return wanted ? emit_input_gradient(b, l, dy) : 0;
}

const ofs_layer_kind ofs_conv2d_kind = {.shape = conv_shape, .forward = conv_forward, .backward = conv_backward};
