/* pool.c: maxPooling2d and averagePooling2d; (H, W, C) -> (OH, OW, C). Cut into output rows forward and input
 * rows backward, so that parts never write the same cell even where windows overlap. */
#include "layers.h"

static ofs_status pool_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  static const ofs_window_fields largest = {OFS_MAX_POOL_SIZE, OFS_MAX_POOL_STRIDES, OFS_MAX_POOL_PADDING, -1};
  static const ofs_window_fields average = {OFS_AVG_POOL_SIZE, OFS_AVG_POOL_STRIDES, OFS_AVG_POOL_PADDING, -1};
  return ofs_window_shape(l, r, l->type == OFS_MAX_POOLING2D ? &largest : &average, err);
}

static ofs_pool pool_of(const ofs_window *w) {
  return (ofs_pool){.h = w->h, .w = w->w, .c = w->c, .oh = w->oh, .ow = w->ow, .ph = w->kh, .pw = w->kw, .sh = w->sh,
                    .sw = w->sw, .top = (int32_t)w->top, .left = (int32_t)w->left};
}

static void forward_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const ofs_kernels *k = &p->model->kernels;
  ofs_pool g = pool_of(&l->window);
  uint64_t from, to;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  for (uint64_t u = from, stop; u < to; u = stop) {
    uint64_t sample = u / g.oh, end = (sample + 1) * g.oh;
    stop = to < end ? to : end;
    real *y = op->at[0] + sample * l->out.size;
    const real *x = op->at[1] + sample * l->in.size;
    uint32_t row0 = (uint32_t)(u - sample * g.oh), row1 = (uint32_t)(stop - sample * g.oh);
    if (l->type == OFS_MAX_POOLING2D) k->max_pool_forward(&g, y, x, row0, row1);
    else k->avg_pool_forward(&g, y, x, row0, row1);
  }
}

static void backward_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const ofs_kernels *k = &p->model->kernels;
  ofs_pool g = pool_of(&l->window);
  uint64_t from, to;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  for (uint64_t u = from, stop; u < to; u = stop) {
    uint64_t sample = u / g.h, end = (sample + 1) * g.h, in = sample * l->in.size, out = sample * l->out.size;
    stop = to < end ? to : end;
    uint32_t row0 = (uint32_t)(u - sample * g.h), row1 = (uint32_t)(stop - sample * g.h);
    if (l->type == OFS_MAX_POOLING2D)
      k->max_pool_backward(&g, op->at[0] + in, op->at[2] + in, op->at[3] + out, op->at[1] + out, row0, row1);
    else k->avg_pool_backward(&g, op->at[0] + in, op->at[1] + out, row0, row1);
  }
}

static uint32_t pool_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t y = ofs_build_buffer(b, l->out.size, 0);
  const ofs_window *w = &l->window;
  ofs_cut(b, ofs_build_op(b, l, forward_part, y, x, 0, 0), w->oh, 0, 25.0 * w->ow * w->kh * w->kw * w->c, 1);
  return y;
}

static uint32_t pool_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  if (!wanted) return 0;
  const ofs_window *w = &l->window;
  uint32_t dx = ofs_build_buffer(b, l->in.size, 0);
  int largest = l->type == OFS_MAX_POOLING2D;
  ofs_op *op = ofs_build_op(b, l, backward_part, dx, dy, largest ? b->x[l->index] : 0, largest ? b->y[l->index] : 0);
  double windows = (double)w->kh / w->sh + 1;
  ofs_cut(b, op, w->h, 0, 16.0 * windows * w->ow * w->kw * w->c, 1);
  return dx;
}

const ofs_layer_kind ofs_pool2d_kind = {.shape = pool_shape, .forward = pool_forward, .backward = pool_backward};
