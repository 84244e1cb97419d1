/* pool.c: max and average pools, over an image (H, W, C), a sequence (W, C), which is an image of
 * height 1, or all of either. Cut into output rows forward and input rows backward, so that parts
 * never write the same cell even where windows overlap. The average of all of a masked sequence is
 * that of its valid steps: a product with 1 / their number. */
#include "layers/kinds.h"
#include "layers/window.h"

enum { LARGEST }; /* l->n: 1 of a max pool */
/* Buffers, forward and backward; AT_X, AT_Y: of a max pool. */
enum { Y, X };
enum { DX, DY, AT_X, AT_Y };

static ofs_status pool_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  l->n[LARGEST] = l->type == OFS_MAX_POOLING1D || l->type == OFS_MAX_POOLING2D;
  return ofs_window_shape(l, r, OFS_MAX_POOL_SIZE, err);
}

static ofs_status global_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  uint32_t rank =
      l->type == OFS_GLOBAL_MAX_POOLING1D || l->type == OFS_GLOBAL_AVERAGE_POOLING1D ? 2 : 3;
  if (l->in.rank != rank) return ofs_refuse_rank(l, 0, rank, rank, err);
  l->n[LARGEST] = l->type == OFS_GLOBAL_MAX_POOLING1D || l->type == OFS_GLOBAL_MAX_POOLING2D;
  uint32_t h = rank == 3 ? l->in.dims[0] : 1, w = l->in.dims[rank - 2], c = l->in.dims[rank - 1];
  l->window = (ofs_window){
      .h = h, .w = w, .c = c, .oh = 1, .ow = 1, .f = c, .kh = h, .kw = w, .sh = h, .sw = w};
  l->out = (ofs_shape){.rank = 1, .dims = {c}};
  if (r->v[OFS_GLOBAL_KEEP_DIMS][0] != 0) ofs_window_out(l, c);
  return OFS_OK;
}

static ofs_pool pool_of(const ofs_window *w) {
  return (ofs_pool){.h = w->h,
                    .w = w->w,
                    .c = w->c,
                    .oh = w->oh,
                    .ow = w->ow,
                    .ph = w->kh,
                    .pw = w->kw,
                    .sh = w->sh,
                    .sw = w->sw,
                    .top = (int32_t)w->top,
                    .left = (int32_t)w->left};
}

static void forward_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const ofs_kernels *k = ctx->kernels;
  ofs_pool g = pool_of(&l->window);
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t u = r.from, stop; u < r.to; u = stop) {
    uint64_t sample = u / g.oh, end = (sample + 1) * g.oh;
    stop = r.to < end ? r.to : end;
    real *y = op->at[Y] + sample * l->out.size;
    const real *x = op->at[X] + sample * l->in.size;
    uint32_t row0 = (uint32_t)(u - sample * g.oh), row1 = (uint32_t)(stop - sample * g.oh);
    if (l->n[LARGEST])
      k->max_pool_forward(&g, y, x, row0, row1);
    else
      k->avg_pool_forward(&g, y, x, row0, row1);
  }
}

static void backward_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const ofs_kernels *k = ctx->kernels;
  ofs_pool g = pool_of(&l->window);
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t u = r.from, stop; u < r.to; u = stop) {
    uint64_t sample = u / g.h, end = (sample + 1) * g.h, in = sample * l->in.size,
             out = sample * l->out.size;
    stop = r.to < end ? r.to : end;
    uint32_t row0 = (uint32_t)(u - sample * g.h), row1 = (uint32_t)(stop - sample * g.h);
    if (l->n[LARGEST])
      k->max_pool_backward(&g, op->at[DX] + in, op->at[AT_X] + in, op->at[AT_Y] + out,
                           op->at[DY] + out, row0, row1);
    else
      k->avg_pool_backward(&g, op->at[DX] + in, op->at[DY] + out, row0, row1);
  }
}

static uint32_t pool_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t y = ofs_build_buffer(b, l->out.size, 0);
  const ofs_window *w = &l->window;
  ofs_cut(b, ofs_build_op(b, l, forward_part, y, x, 0, 0), w->oh, 0,
          25.0 * w->ow * w->kh * w->kw * w->c, 1);
  return y;
}

static uint32_t pool_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  if (!wanted) return 0;
  const ofs_window *w = &l->window;
  uint32_t dx = ofs_build_buffer(b, l->in.size, 0);
  int largest = (int)l->n[LARGEST];
  ofs_op *op = ofs_build_op(b, l, backward_part, dx, dy, largest ? b->x[l->index] : 0,
                            largest ? b->y[l->index] : 0);
  double windows = (double)w->kh / w->sh + 1;
  ofs_cut(b, op, w->h, 0, 16.0 * windows * w->ow * w->kw * w->c, 1);
  return dx;
}

const ofs_layer_kind ofs_pool2d_kind = {.shape = pool_shape,
                                        .forward = pool_forward,
                                        .backward = pool_backward};

/* ---- averages of masked sequences ---- */

/* Buffers: a result, what it is made of, shares or a mask; op->n: 1 on the way back. */
enum { TO, FROM, SHARES };
enum { BACK };

/* Writes what a step of each sample counts for: 1 / n of the valid ones, 0 of the others. */
static void shares_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  uint32_t w = op->layer->window.w;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t u = r.from; u < r.to; u++) {
    real *share = op->at[TO] + u * w, valid = 0;
    const real *mask = op->at[FROM] + u * w;
    for (uint32_t i = 0; i < w; i++) valid += mask[i] != 0;
    for (uint32_t i = 0; i < w; i++) share[i] = mask[i] != 0 ? 1 / valid : 0;
  }
}

/* Computes y (1, C) = shares (1, W) x (W, C), or back: dx (W, C) = shares (W, 1) dy (1, C). */
static void masked_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->layer->window;
  uint32_t back = op->n[BACK], rows = back ? w->w : 1, terms = back ? 1 : w->w;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t u = r.from; u < r.to; u++) {
    ofs_gemm g = {.c = op->at[TO] + u * rows * w->c,
                  .ldc = w->c,
                  .a = op->at[SHARES] + u * w->w,
                  .lda = terms,
                  .b = op->at[FROM] + u * terms * w->c,
                  .ldb = w->c,
                  .m = rows,
                  .n = w->c,
                  .k = terms,
                  .runs_y = 1,
                  .runs_x = 1};
    ctx->kernels->gemm_nn(&g);
  }
}

static uint32_t emit_masked(ofs_builder *b, const ofs_layer *l, uint32_t x, int back) {
  uint32_t y = ofs_build_buffer(b, back ? l->in.size : l->out.size, 0);
  ofs_op *op = ofs_build_op(b, l, masked_part, y, x, b->saved[l->index], 0);
  op->n[BACK] = (uint32_t)back;
  ofs_cut(b, op, 1, 0, 4.0 * (double)l->in.size, 1);
  return y;
}

static uint32_t global_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t mask = l->type == OFS_GLOBAL_AVERAGE_POOLING1D ? ofs_mask_of(b, l, 0, l->window.w) : 0;
  if (!mask) return pool_forward(b, l, x);
  uint32_t shares = b->saved[l->index] = ofs_build_buffer(b, l->window.w, 0);
  ofs_cut(b, ofs_build_op(b, l, shares_part, shares, mask, 0, 0), 1, 0, 20.0 * l->window.w, 1);
  return emit_masked(b, l, x, 0);
}

static uint32_t global_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  if (!b->saved[l->index]) return pool_backward(b, l, dy, wanted);
  return wanted ? emit_masked(b, l, dy, 1) : 0;
}

const ofs_layer_kind ofs_global_pool_kind = {.shape = global_shape,
                                             .forward = global_forward,
                                             .backward = global_backward};
