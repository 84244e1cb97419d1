/* norm.c: layer and group normalization: each sample by itself, in sets of numbers that have one
 * mean and one variance.
 *
 * Layer normalization is over the last axis (a set is a position, one run), group normalization
 * over all positions and the channels of a group (a set has a run for each position). gamma and
 * beta are those of the channels. One pass backward gives dx and, over chunks of sets, dgamma and
 * dbeta, which are added up in order. */
#include "layers/norm.h"

#include "base/copy.h"
#include "build/partials.h"
#include "layers/kinds.h"

_Static_assert(OFS_LAYER_NORMALIZATION_EPSILON == OFS_BATCH_NORMALIZATION_EPSILON &&
                   OFS_LAYER_NORMALIZATION_CENTER == OFS_GROUP_NORMALIZATION_CENTER &&
                   OFS_LAYER_NORMALIZATION_GAMMA_INIT == OFS_BATCH_NORMALIZATION_GAMMA_INIT,
               "the normalizing layers are read alike");

void ofs_norm_weights(ofs_layer *l, const ofs_record *r) {
  const uint32_t channels = ofs_channels(l);
  l->out = l->in;
  l->v[OFS_NORM_EPSILON] = r->v[OFS_LAYER_NORMALIZATION_EPSILON][0];
  if (r->v[OFS_LAYER_NORMALIZATION_SCALE][0] != 0)
    ofs_add_weight(l, r, OFS_GAMMA, OFS_LAYER_NORMALIZATION_GAMMA_INIT, 1, &channels);
  if (r->v[OFS_LAYER_NORMALIZATION_CENTER][0] != 0)
    ofs_add_weight(l, r, OFS_BETA, OFS_LAYER_NORMALIZATION_BETA_INIT, 1, &channels);
}

const real *ofs_norm_weight(const ofs_layer *l, uint32_t role, const real *from) {
  for (uint32_t i = 0; i < l->weight_count; i++)
    if (l->weights[i].role == role) return from + (l->weights[i].at - l->weights_at);
  return NULL;
}

enum { GROUPS }; /* l->n: of a sample's channels; 0 where each position is by itself */

static ofs_status norm_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  ofs_norm_weights(l, r);
  if (r->id == OFS_LAYER_NORMALIZATION) return OFS_OK;
  double groups = r->v[OFS_GROUP_NORMALIZATION_GROUPS][0], channels = ofs_channels(l);
  if (groups < 0) groups = channels;
  if (groups < 1 || groups > channels || ofs_channels(l) % (uint32_t)groups)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_GROUP_NORMALIZATION_GROUPS,
                      OFS_WHY_DIVIDES, groups, 1, channels);
  l->n[GROUPS] = (uint32_t)groups;
  return OFS_OK;
}

static uint64_t sets_of(const ofs_layer *l) {
  return l->n[GROUPS] ? l->n[GROUPS] : ofs_positions(l);
}

/* Returns where set u of the batch begins in x, and its channels. */
static size_t begin_set(const ofs_layer *l, uint64_t u, ofs_norm *n, size_t *channel) {
  const uint32_t groups = l->n[GROUPS], channels = ofs_channels(l);
  n->n = groups ? channels / groups : channels;
  n->runs = groups ? (uint32_t)ofs_positions(l) : 1;
  n->stride = channels;
  n->epsilon = (real)l->v[OFS_NORM_EPSILON];
  *channel = groups ? u % groups * n->n : 0;
  return groups ? u / groups * l->in.size + *channel : u * channels;
}

static const real *at_channel(const real *weights, size_t channel) {
  return weights ? weights + channel : NULL;
}

/* These index the buffers: y, x, stats; backward: dx, x, stats, dy, partial gradients, the
 * gradient. */
enum { Y, X, STATS, DY, PARTIAL };

static void forward_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const real *params = ctx->params + l->weights_at;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t u = r.from; u < r.to; u++) {
    ofs_norm n = {0};
    size_t channel, at = begin_set(l, u, &n, &channel);
    n.x = op->at[X] + at, n.y = op->at[Y] + at, n.stats = op->at[STATS] + 2 * u;
    n.gamma = at_channel(ofs_norm_weight(l, OFS_GAMMA, params), channel);
    n.beta = at_channel(ofs_norm_weight(l, OFS_BETA, params), channel);
    ctx->kernels->norm_forward(&n);
  }
}

/* Cuts an operation. Forward takes the time of sixty operations a number, backward of ninety. */
static void cut(const ofs_builder *b, ofs_op *op, double work) {
  const uint64_t sets = sets_of(op->layer);
  ofs_cut(b, op, sets, 0, work * ((double)op->layer->in.size / (double)sets), 1);
}

static uint32_t norm_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t y = ofs_can_overwrite(b, l, 0) ? x : ofs_build_buffer(b, l->out.size, 0);
  b->saved[l->index] = ofs_build_buffer(b, 2 * sets_of(l), 0);
  cut(b, ofs_build_op(b, l, forward_part, y, x, b->saved[l->index], 0), 60);
  return y;
}

static void backward_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const real *params = ctx->params + l->weights_at;
  const ofs_range r = ofs_range_of(op, part);
  real *d = op->at[PARTIAL] ? op->at[PARTIAL] + r.from / op->block * l->weights_size
                            : ctx->gradient + l->weights_at;
  if (l->trains) ofs_zero(d, l->weights_size);
  for (uint64_t u = r.from; u < r.to; u++) {
    ofs_norm n = {0};
    size_t channel, at = begin_set(l, u, &n, &channel);
    n.x = op->at[X] + at, n.dy = op->at[DY] + at, n.stats = op->at[STATS] + 2 * u;
    n.y = op->at[Y] ? op->at[Y] + at : NULL;
    n.gamma = at_channel(ofs_norm_weight(l, OFS_GAMMA, params), channel);
    if (l->trains) {
      n.dgamma = (real *)at_channel(ofs_norm_weight(l, OFS_GAMMA, d), channel);
      n.dbeta = (real *)at_channel(ofs_norm_weight(l, OFS_BETA, d), channel);
    }
    ctx->kernels->norm_backward(&n);
  }
}

static uint32_t norm_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  const int learns = l->trains && l->weights_size;
  uint32_t dx = wanted ? ofs_writable_gradient(b, dy, l->in.size) : 0;
  if (!dx && !learns) return 0;
  ofs_op *op = ofs_build_op(b, l, backward_part, dx, b->x[l->index], b->saved[l->index], dy);
  cut(b, op, 90);
  const uint64_t units = op->units, block = op->block,
                 chunks = (units * b->batch + block - 1) / block;
  if (!learns || chunks == 1) return dx;
  uint32_t partial = ofs_build_buffer(b, ofs_mul_sat(l->weights_size, chunks), 1);
  ofs_build_use(b, op, PARTIAL, partial);
  ofs_build_sum(b, l, partial, units, block);
  return dx;
}

const ofs_layer_kind ofs_norm_kind = {.shape = norm_shape,
                                      .forward = norm_forward,
                                      .backward = norm_backward,
                                      .masks = 1};
