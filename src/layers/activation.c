/* activation.c: the activation layer, and the activations that dense and conv2d carry.
 *
 * Most derivatives follow from the output alone, so the activation overwrites its input; some need
 * the input again and keep it. The last activation is left out where the loss takes logits. */
#include "layers/activation.h"

#include "layers/kinds.h"

int ofs_act_fuses(uint32_t act) { return !OFS_ACT_OF_INPUT(act) && act != OFS_ACT_SOFTMAX; }

int ofs_takes_logits(const ofs_builder *b, const ofs_layer *l) {
  return b->kind != OFS_PREDICT && l->logits;
}

/* Returns 1 where the loss alone reads the layer, so that the activation is left out. */
static int left_to_loss(const ofs_builder *b, const ofs_layer *l) {
  return ofs_takes_logits(b, l) && !l->readers;
}

/* Returns the work of one number: relu and its like take a tenth of an exponential. */
static double act_work(uint32_t act) {
  return act == OFS_ACT_RELU || act == OFS_ACT_LEAKY_RELU ? 10 : 100;
}

/* These index the buffers: forward; backward, where one of x and y is there. COLUMNS indexes
 * softmax's op->n: numbers of a row. */
enum { Y, X };
enum { DX, AT_X, AT_Y, DY };
enum { COLUMNS };

static void act_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_range r = ofs_range_of(op, part);
  ctx->kernels->act_forward(op->layer->act, op->at[Y] + r.from, op->at[X] + r.from, r.to - r.from);
}

static void act_backward_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_range r = ofs_range_of(op, part);
  const real *x = op->at[AT_X] ? op->at[AT_X] + r.from : NULL,
             *y = op->at[AT_Y] ? op->at[AT_Y] + r.from : NULL;
  ctx->kernels->act_backward(op->layer->act, op->at[DX] + r.from, x, y, op->at[DY] + r.from,
                             r.to - r.from);
}

static void softmax_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  uint32_t n = op->n[COLUMNS];
  const ofs_range r = ofs_range_of(op, part);
  ctx->kernels->softmax_forward(op->at[Y] + r.from * n, op->at[X] + r.from * n,
                                (uint32_t)(r.to - r.from), n);
}

static void softmax_backward_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  uint32_t n = op->n[COLUMNS];
  const ofs_range r = ofs_range_of(op, part);
  ctx->kernels->softmax_backward(op->at[DX] + r.from * n, op->at[AT_Y] + r.from * n,
                                 op->at[DY] + r.from * n, (uint32_t)(r.to - r.from), n);
}

static void cut_softmax(const ofs_builder *b, ofs_op *op, const ofs_layer *l, double work) {
  op->n[COLUMNS] = l->out.dims[l->out.rank - 1];
  ofs_cut(b, op, l->out.size / op->n[COLUMNS], 0, work * op->n[COLUMNS], 1);
}

uint32_t ofs_build_act(ofs_builder *b, ofs_layer *l, uint32_t x) {
  if (l->act == OFS_ACT_LINEAR || left_to_loss(b, l)) return x;
  /* an activation layer may not overwrite what another node reads, and no layer the logits that a
   * loss takes */
  int copies =
      (b->kind == OFS_TRAIN && OFS_ACT_OF_INPUT(l->act)) ||
      ((l->type == OFS_ACTIVATION || l->type == OFS_SOFTMAX) && !ofs_can_overwrite(b, l, 0));
  if (ofs_takes_logits(b, l)) copies = 1, b->logits[l->index] = x, b->buffers[x].pending++;
  uint32_t y = copies ? ofs_build_buffer(b, l->out.size, 0) : x;
  if (l->act == OFS_ACT_SOFTMAX)
    cut_softmax(b, ofs_build_op(b, l, softmax_part, y, x, 0, 0), l, 100);
  else
    ofs_cut(b, ofs_build_op(b, l, act_part, y, x, 0, 0), l->out.size, 0, act_work(l->act), 16);
  b->aux[l->index] = x;
  return y;
}

uint32_t ofs_build_act_backward(ofs_builder *b, ofs_layer *l, uint32_t dy) {
  if (l->act == OFS_ACT_LINEAR || left_to_loss(b, l)) return dy;
  uint32_t y = b->y[l->index], dx = ofs_writable_gradient(b, dy, l->out.size);
  int input = OFS_ACT_OF_INPUT(l->act);
  if (l->act == OFS_ACT_SOFTMAX)
    cut_softmax(b, ofs_build_op(b, l, softmax_backward_part, dx, 0, y, dy), l, 20);
  else
    ofs_cut(b,
            ofs_build_op(b, l, act_backward_part, dx, input ? b->aux[l->index] : 0, input ? 0 : y,
                         dy),
            l->out.size, 0, input ? 140 : 10, 16);
  uint32_t logits = b->dlogits[l->index];
  if (logits) ofs_build_add(b, l, dx, dx, logits, l->out.size);
  return dx;
}

static ofs_status activation_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  (void)err;
  l->out = l->in;
  l->act = (uint32_t)r->v[OFS_ACTIVATION_ACTIVATION][0];
  return OFS_OK;
}

/* Reads the softmax layer, an activation over the last axis: Keras's axis counts the samples as
 * axis 0. */
static ofs_status softmax_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  double axis = r->v[OFS_SOFTMAX_AXIS][0];
  l->out = l->in;
  l->act = OFS_ACT_SOFTMAX;
  if (axis == -1 || axis == l->in.rank) return OFS_OK;
  return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_SOFTMAX_AXIS, OFS_WHY_RANGE, axis, -1, -1);
}

static uint32_t activation_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  return wanted ? ofs_build_act_backward(b, l, dy) : 0;
}

const ofs_layer_kind ofs_activation_kind = {.shape = activation_shape,
                                            .forward = ofs_build_act,
                                            .backward = activation_backward,
                                            .masks = 1};
const ofs_layer_kind ofs_softmax_kind = {.shape = softmax_shape,
                                         .forward = ofs_build_act,
                                         .backward = activation_backward,
                                         .masks = 1};
