/* dropout.c: inverted dropout (Srivastava et al. 2014): in training an element is zeroed with probability
 * `rate` and else scaled by 1 / (1 - rate); elsewhere the layer does nothing. The mask is not kept: it is a
 * function of (seed, step, layer, element), made again in the backward pass. */
#include "layers.h"

static ofs_status dropout_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  (void)err;
  l->out = l->in;
  l->rate = r->v[OFS_DROPOUT_RATE][0];
  return OFS_OK;
}

static void dropout_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_model *m = p->model;
  uint64_t from, to;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  double rate = op->layer->rate;
  m->kernels.dropout(op->at[0] + from, op->at[1] + from, from, to - from, (uint32_t)(rate * 4294967296.0),
                     (real)(1 / (1 - rate)), m->key, op->layer->index, (uint32_t)m->step);
}

static uint32_t dropout_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  if (b->kind != OFS_TRAIN || l->rate == 0) return x;
  uint32_t y = ofs_build_buffer(b, l->out.size, 0);
  ofs_cut(b, ofs_build_op(b, l, dropout_part, y, x, 0, 0), l->out.size, 0, 100, 16);
  return y;
}

static uint32_t dropout_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  if (!wanted) return 0;
  if (l->rate == 0) return dy;
  uint32_t dx = ofs_own(b, dy, l->out.size);
  ofs_cut(b, ofs_build_op(b, l, dropout_part, dx, dy, 0, 0), l->out.size, 0, 100, 16);
  return dx;
}

const ofs_layer_kind ofs_dropout_kind = {
    .shape = dropout_shape, .forward = dropout_forward, .backward = dropout_backward, .masks = 1};
