/* depthwise.c: convolutions whose channels see only themselves: depthwise ones, and groups of one
 * channel. Output channel c m + k is filter k of channel c; where there are several (m > 1), each
 * channel is repeated first, so that the kernels know of one filter a channel only.
 *
 * Parts are output rows forward, input rows backward; the weight gradient is made from chunks of
 * output rows, whose partial sums, small beside the images, are added in order. The image is read
 * as it is: no padded copy. */
#include "layers/depthwise.h"

#include "base/copy.h"
#include "build/partials.h"
#include "layers/image.h"

/* There are at most so many chunks, so that their sums stay few. A product takes so much here
 * beside one of a matrix product: memory is the limit. */
#define CHUNKS 64u
#define TAP_WORK 4.0

enum { COLUMNS, ACT }; /* op->n: channels of a tile, activation */
/* These index the buffers: forward; of the gradient of the input; of the gradient of the
 * weights. */
enum { Y, X };
enum { DX, DY };
enum { WG_X, WG_DY, WG_PARTIAL };

/* Returns the geometry of channels [from, from + n), an operation's tile. */
static ofs_pool geometry(const ofs_op *op, uint32_t tile, uint32_t *from) {
  const ofs_window *w = &op->window;
  *from = tile * op->n[COLUMNS];
  return (ofs_pool){.h = w->h,
                    .w = w->w,
                    .c = w->f,
                    .oh = w->oh,
                    .ow = w->ow,
                    .ph = w->kh,
                    .pw = w->kw,
                    .sh = w->sh,
                    .sw = w->sw,
                    .top = (int32_t)w->top,
                    .left = (int32_t)w->left,
                    .dh = w->dh,
                    .dw = w->dw,
                    .n = ofs_min(op->n[COLUMNS], w->f - *from)};
}

static void forward_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  const ofs_layer *l = op->layer;
  const ofs_kernels *k = ctx->kernels;
  const real *params = ctx->params;
  uint32_t c0, act = op->n[ACT];
  const ofs_range r = ofs_range_of(op, part);
  ofs_pool g = geometry(op, r.tile, &c0);
  size_t x = (size_t)w->h * w->w * w->f, row = (size_t)w->ow * w->f;
  for (uint64_t u = r.from; u < r.to; u++) {
    uint32_t i = (uint32_t)(u % w->oh);
    real *y = op->at[Y] + u * row + c0;
    k->depth_forward(&g, y - i * row, op->at[X] + u / w->oh * x + c0, params + l->kernel_at + c0,
                     l->bias_size ? params + l->bias_at + c0 : NULL, i, i + 1);
    if (act == OFS_ACT_LINEAR) continue;
    if (g.n == w->f)
      k->act_forward(act, y, y, row);
    else
      for (size_t j = 0; j < row; j += w->f) k->act_forward(act, y + j, y + j, g.n);
  }
}

static void input_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  uint32_t c0;
  const ofs_range r = ofs_range_of(op, part);
  ofs_pool g = geometry(op, r.tile, &c0);
  for (uint64_t u = r.from, stop; u < r.to; u = stop) {
    uint64_t sample = u / w->h, first = sample * w->h;
    stop = r.to < first + w->h ? r.to : first + w->h;
    ctx->kernels->depth_backward(&g, op->at[DX] + first * w->w * w->f + c0,
                                 op->at[DY] + sample * w->oh * w->ow * w->f + c0,
                                 ctx->params + op->layer->kernel_at + c0, (uint32_t)(u - first),
                                 (uint32_t)(stop - first));
  }
}

static void weight_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  const ofs_layer *l = op->layer;
  uint32_t c0;
  const ofs_range r = ofs_range_of(op, part);
  ofs_pool g = geometry(op, r.tile, &c0);
  real *d = (op->at[WG_PARTIAL] ? op->at[WG_PARTIAL] + r.from / op->block * l->weights_size
                                : ctx->gradient + l->kernel_at) +
            c0;
  for (uint32_t k = 0; k < w->kh * w->kw; k++) ofs_zero(d + (size_t)k * w->f, g.n);
  for (uint64_t u = r.from, stop; u < r.to; u = stop) {
    uint64_t sample = u / w->oh, first = sample * w->oh;
    stop = r.to < first + w->oh ? r.to : first + w->oh;
    ctx->kernels->depth_weights(&g, d, op->at[WG_X] + sample * w->h * w->w * w->f + c0,
                                op->at[WG_DY] + first * w->ow * w->f + c0, (uint32_t)(u - first),
                                (uint32_t)(stop - first));
  }
  if (r.tile || !l->bias_size) return;
  ofs_zero(d + l->kernel_size, w->f);
  ctx->kernels->add_rows(d + l->kernel_size, op->at[WG_DY] + r.from * w->ow * w->f,
                         (uint32_t)((r.to - r.from) * w->ow), w->f);
}

/* Cuts an operation over `rows` a sample, of `work` for a channel of each. */
static void cut(const ofs_builder *b, ofs_op *op, const ofs_window *w, uint32_t rows, double work) {
  uint32_t one;
  op->window = *w;
  ofs_tile(1, w->f, work, (double)b->batch * rows, &one, &op->n[COLUMNS]);
  op->tiles = (w->f + op->n[COLUMNS] - 1) / op->n[COLUMNS];
  ofs_cut(b, op, rows, 0, work * op->n[COLUMNS], 1);
}

/* Returns a row of channels as an image of one, for repeating them. */
static ofs_window repeated(const ofs_window *w) {
  uint32_t m = w->f / w->c;
  return (ofs_window){
      .h = w->h * w->w, .w = w->c, .c = 1, .oh = w->h * w->w, .ow = w->f, .sh = 1, .sw = m};
}

uint32_t ofs_build_depthwise(ofs_builder *b, ofs_layer *l, uint32_t x, uint32_t act) {
  const ofs_window *w = &l->window, channels = repeated(w);
  if (w->f > w->c) x = ofs_build_upsample(b, l, &channels, x, 0, 0);
  b->saved[l->index] = x;
  uint32_t y = ofs_build_buffer(b, l->out.size, 0);
  ofs_op *op = ofs_build_op(b, l, forward_part, y, x, 0, 0);
  cut(b, op, w, w->oh, TAP_WORK * w->ow * w->kh * w->kw);
  op->n[ACT] = act;
  return y;
}

static void emit_weight_gradient(ofs_builder *b, ofs_layer *l, uint32_t dy) {
  const ofs_window *w = &l->window;
  double work = TAP_WORK * w->ow * w->kh * w->kw;
  uint64_t rows = (uint64_t)b->batch * w->oh, share = (uint64_t)(OFS_PART_WORK / (work * w->f)),
           eighth = (rows + 7) / 8;
  uint64_t block = (rows + CHUNKS - 1) / CHUNKS;
  if (block < share) block = share < eighth ? share : eighth;
  uint64_t chunks = (rows + block - 1) / block;
  uint32_t partial = chunks > 1 ? ofs_build_buffer(b, ofs_mul_sat(l->weights_size, chunks), 1) : 0,
           one;
  ofs_op *op =
      ofs_build_op(b, l, weight_gradient_part, b->saved[l->index], dy, partial, b->gradient);
  op->window = *w;
  ofs_tile(1, w->f, work * (double)block, (double)chunks, &one, &op->n[COLUMNS]);
  op->tiles = (w->f + op->n[COLUMNS] - 1) / op->n[COLUMNS];
  op->units = w->oh;
  op->block = block;
  op->unit_work = work * op->n[COLUMNS];
  if (partial) ofs_build_sum(b, l, partial, w->oh, block);
}

uint32_t ofs_build_depthwise_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  const ofs_window *w = &l->window, channels = repeated(w);
  if (l->trains) emit_weight_gradient(b, l, dy);
  if (!wanted) return 0;
  uint32_t dx = ofs_build_buffer(b, (uint64_t)w->h * w->w * w->f, 0);
  ofs_op *op = ofs_build_op(b, l, input_gradient_part, dx, dy, 0, 0);
  cut(b, op, w, w->h, TAP_WORK * w->w * w->kh * w->kw / (w->sh * w->sw));
  return w->f > w->c ? ofs_build_upsample(b, l, &channels, dx, 0, 1) : dx;
}
