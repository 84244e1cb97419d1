/* prelu.c: y = x where x > 0, else alpha x (He et al. 2015); alpha has the input's shape, with 1
 * for the shared axes.
 *
 *     dx = dy where x > 0, alpha dy where x < 0, 0 at 0 (as Keras has it)
 *     dalpha = sum of x dy where x < 0 */
#include "base/copy.h"
#include "build/partials.h"
#include "layers/kinds.h"
#include "layers/view.h"

static ofs_status prelu_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  uint32_t dims[OFS_MAX_RANK];
  l->out = l->in;
  for (uint32_t i = 0; i < l->in.rank; i++) dims[i] = l->in.dims[i];
  for (uint32_t i = 0; i < r->count[OFS_PRELU_SHARED_AXES]; i++) {
    double axis = r->v[OFS_PRELU_SHARED_AXES][i];
    if (axis > l->in.rank)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_PRELU_SHARED_AXES, OFS_WHY_RANGE, axis,
                        1, l->in.rank);
    dims[(uint32_t)axis - 1] = 1;
  }
  ofs_add_weight(l, r, OFS_ALPHA, OFS_PRELU_ALPHA_INIT, l->in.rank, dims);
  return OFS_OK;
}

static ofs_view view_of_alpha(const ofs_layer *l) {
  ofs_shape alpha = {.rank = l->out.rank};
  for (uint32_t i = 0; i < alpha.rank; i++) alpha.dims[i] = l->weights[0].dims[i];
  return ofs_view_of(&alpha, &l->out, 0);
}

/* These index the buffers: of y or dx; of the gradient of alpha. */
enum { Y, X, DY };
enum { PARTIAL, GRADIENT = 3 };

static void prelu_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  ofs_view v = view_of_alpha(op->layer);
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t row = r.from; row < r.to; row++) {
    const real *x = op->at[X] + row * v.last, *dy = op->at[DY] ? op->at[DY] + row * v.last : x;
    const real *alpha = ctx->params + op->layer->kernel_at + ofs_view_at(&v, row % v.rows);
    real *y = op->at[Y] + row * v.last, at_zero = op->at[DY] ? 0 : 1;
    for (uint32_t i = 0; i < v.last; i++, alpha += v.step)
      y[i] = x[i] > 0 ? dy[i] : x[i] < 0 ? *alpha * dy[i] : at_zero * dy[i];
  }
}

/* Computes the gradient of alpha of one chunk of samples. */
static void alpha_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  ofs_view v = view_of_alpha(l);
  const ofs_range r = ofs_range_of(op, part);
  real *d = op->at[PARTIAL] ? op->at[PARTIAL] + r.from / op->block * l->weights_size
                            : ctx->gradient + l->weights_at;
  ofs_zero(d, l->weights_size);
  for (uint64_t row = r.from * v.rows; row < r.to * v.rows; row++) {
    const real *x = op->at[X] + row * v.last, *dy = op->at[DY] + row * v.last;
    real *sum = d + ofs_view_at(&v, row % v.rows);
    for (uint32_t i = 0; i < v.last; i++, sum += v.step)
      if (!(x[i] >= 0)) *sum += x[i] * dy[i];
  }
}

static void emit(ofs_builder *b, const ofs_layer *l, uint32_t y, uint32_t x, uint32_t dy) {
  uint32_t last = l->out.dims[l->out.rank - 1];
  ofs_cut(b, ofs_build_op(b, l, prelu_part, y, x, dy, 0), l->out.size / last, 0, 12.0 * last + 32,
          1);
}

static uint32_t prelu_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t y = ofs_build_buffer(b, l->out.size, 0);
  emit(b, l, y, x, 0);
  return y;
}

static uint32_t prelu_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  uint32_t x = b->x[l->index];
  if (l->trains) {
    ofs_chunks c = ofs_build_chunks(b, l, (uint32_t)(l->out.size / l->out.dims[l->out.rank - 1]));
    ofs_op *op = ofs_build_op(b, l, alpha_part, c.partial, x, dy, 0);
    ofs_build_use(b, op, GRADIENT, b->gradient);
    op->units = 1, op->block = c.samples, op->unit_work = 12.0 * (double)l->out.size;
    ofs_build_chunk_sum(b, l, &c);
  }
  if (!wanted) return 0;
  uint32_t dx = ofs_writable_gradient(b, dy, l->out.size);
  emit(b, l, dx, x, dy);
  return dx;
}

const ofs_layer_kind ofs_prelu_kind = {.shape = prelu_shape,
                                       .forward = prelu_forward,
                                       .backward = prelu_backward,
                                       .masks = 1};
