/* dropout.c: layers that are random in training and do nothing elsewhere. Their numbers are not
 * kept: they are a function of (seed, step, layer, element), made again in the backward pass where
 * it needs them.
 *
 *     dropout           an element is zeroed with probability `rate`, else scaled by 1 / (1 - rate)
 *                       (Srivastava et al. 2014)
 *     spatialDropout2d  the same of whole channels of a sample (Tompson et al. 2015)
 *     gaussianNoise     y = x + stddev z, z normal */
#include "base/random.h"
#include "layers/kinds.h"

static ofs_status random_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  _Static_assert(OFS_SPATIAL_DROPOUT_RATE == OFS_DROPOUT_RATE &&
                     OFS_NOISE_STDDEV == OFS_DROPOUT_RATE,
                 "one field");
  l->out = l->in;
  l->rate = r->v[OFS_DROPOUT_RATE][0];
  if (l->type == OFS_SPATIAL_DROPOUT2D && l->in.rank != 3) return ofs_refuse_rank(l, 0, 3, 3, err);
  return OFS_OK;
}

enum { Y, X }; /* buffers, either way */

static void drop(const ofs_context *ctx, const ofs_layer *l, real *y, const real *x, uint64_t from,
                 uint64_t n) {
  ctx->kernels->dropout(y, x, from, n, (uint32_t)(l->rate * 4294967296.0),
                        (real)(1 / (1 - l->rate)), ctx->key, l->index, (uint32_t)ctx->step);
}

static void dropout_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_range r = ofs_range_of(op, part);
  drop(ctx, op->layer, op->at[Y] + r.from, op->at[X] + r.from, r.from, r.to - r.from);
}

/* Drops channels of samples, in fours. */
static void channels_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  uint64_t n = l->out.size, channels = l->out.dims[2];
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t s = r.from; s < r.to; s++)
    for (uint64_t c = 0; c < channels; c += 4) {
      real factor[4] = {1, 1, 1, 1};
      drop(ctx, l, factor, factor, s * ((channels + 3) / 4 * 4) + c, 4);
      for (uint64_t i = s * n + c; i < (s + 1) * n; i += channels)
        for (uint64_t k = 0; k < 4 && c + k < channels; k++)
          op->at[Y][i + k] = op->at[X][i + k] * factor[k];
    }
}

static void noise_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t i = r.from; i < r.to; i++) {
    const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), op->layer->index,
                                 (uint32_t)ctx->step};
    op->at[Y][i] =
        (real)(op->at[X][i] + op->layer->rate * ofs_normal(counter, 1, 1u << 24, ctx->key, 0));
  }
}

static void emit(ofs_builder *b, const ofs_layer *l, uint32_t y, uint32_t x) {
  int channels = l->type == OFS_SPATIAL_DROPOUT2D, noise = l->type == OFS_GAUSSIAN_NOISE;
  ofs_op *op = ofs_build_op(b, l,
                            channels ? channels_part
                            : noise  ? noise_part
                                     : dropout_part,
                            y, x, 0, 0);
  if (channels)
    ofs_cut(b, op, 1, 0, 10.0 * (double)l->out.size, 1);
  else
    ofs_cut(b, op, l->out.size, 0, noise ? 600 : 100, 16);
}

static uint32_t random_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  if (b->kind != OFS_TRAIN || l->rate == 0) return x;
  uint32_t y = ofs_build_buffer(b, l->out.size, 0);
  emit(b, l, y, x);
  return y;
}

static uint32_t random_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  if (!wanted) return 0;
  if (l->rate == 0 || l->type == OFS_GAUSSIAN_NOISE) return dy;
  uint32_t dx = ofs_writable_gradient(b, dy, l->out.size);
  emit(b, l, dx, dy);
  return dx;
}

const ofs_layer_kind ofs_random_kind = {.shape = random_shape,
                                        .forward = random_forward,
                                        .backward = random_backward,
                                        .masks = 1};
