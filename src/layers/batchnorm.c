/* batchnorm.c: batch normalization over the last axis (Ioffe & Szegedy 2015): y = (x - mean) gamma
 * r + beta, r = 1 / sqrt(variance + epsilon).
 *
 * Where it trains, mean and (biased) variance are those of the batch over all other axes; they come
 * from chunks of ROWS positions, each with a mean and the sum of squares about it, put together in
 * order and in double. They go to the gradient in the places of the moving statistics, which the
 * update moves. Elsewhere the moving statistics are used. Where there is a mask only positions that
 * count make up the statistics, but all are normalized by them, as in Keras. */
#include "layers/kinds.h"
#include "layers/norm.h"

#define ROWS 128u

/* These are the rows of the buffer of statistics, a number of each channel; backward writes the
 * last two. */
enum { MEAN, SCALE, SHIFT, ROOT, BACK_SCALE, BACK_SHIFT, STATISTICS };

static ofs_status batch_norm_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  const uint32_t channels = ofs_channels(l);
  ofs_norm_weights(l, r);
  double momentum = r->v[OFS_BATCH_NORMALIZATION_MOMENTUM][0];
  ofs_add_weight(l, r, OFS_MOVING_MEAN, OFS_BATCH_NORMALIZATION_MEAN_INIT, 1, &channels)->momentum =
      momentum;
  ofs_add_weight(l, r, OFS_MOVING_VARIANCE, OFS_BATCH_NORMALIZATION_VARIANCE_INIT, 1, &channels)
      ->momentum = momentum;
  /* step by step, each step would have statistics of its own, all moving the same averages */
  if (l->times > 1 && l->trains)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_UNKNOWN, r->id, 0, 0);
  return OFS_OK;
}

static int is_of_batch(const ofs_builder *b, const ofs_layer *l) {
  return b->kind == OFS_TRAIN && l->trains;
}

/* A stretch is the rows of x that a part of so many units has. */
typedef struct stretch {
  uint64_t from;
  uint32_t rows, chunk;
} stretch;

static stretch stretch_of(const ofs_op *op, uint32_t part) {
  const ofs_range r = ofs_range_of(op, part);
  return (stretch){r.from, (uint32_t)(r.to - r.from), (uint32_t)(r.from / op->block)};
}

static const real *rows_of(const real *x, const stretch *s, size_t channels) {
  return x ? x + s->from * channels : NULL;
}

static void cut_chunks(const ofs_builder *b, ofs_op *op, double work) {
  op->units = ofs_positions(op->layer);
  op->block = ROWS;
  op->unit_work = work * ofs_channels(op->layer);
  (void)b;
}

static uint64_t chunks_of(const ofs_layer *l, uint64_t samples) {
  return (ofs_positions(l) * samples + ROWS - 1) / ROWS;
}

/* ---- statistics ---- */

/* These index the buffers of a chunk's share: mean, sum of squares about it, and number of rows
 * that count. */
enum { CHUNKS, X, MASK, STATS };

static void moments_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const uint32_t channels = ofs_channels(op->layer);
  const stretch s = stretch_of(op, part);
  const real *x = rows_of(op->at[X], &s, channels), *mask = rows_of(op->at[MASK], &s, 1);
  real *mean = op->at[CHUNKS] + s.chunk * (2 * (size_t)channels + 1), count = 0;
  for (uint32_t r = 0; r < s.rows; r++) count += !mask || mask[r] != 0;
  mean[2 * channels] = count;
  ctx->kernels->channel_sums(mean, NULL, x, NULL, NULL, mask, s.rows, channels);
  for (uint32_t c = 0; c < channels; c++) mean[c] = count > 0 ? mean[c] / count : 0;
  ctx->kernels->channel_sums(NULL, mean + channels, NULL, x, mean, mask, s.rows, channels);
}

/* Writes gamma r and beta of channel c. */
static void scale_channel(const ofs_context *ctx, const ofs_layer *l, real *stats, size_t c,
                          double mean, double variance) {
  const size_t channels = ofs_channels(l);
  const real *params = ctx->params + l->weights_at;
  const real *gamma = ofs_norm_weight(l, OFS_GAMMA, params),
             *beta = ofs_norm_weight(l, OFS_BETA, params);
  double root = 1 / __builtin_sqrt(variance + l->v[OFS_NORM_EPSILON]);
  stats[MEAN * channels + c] = (real)mean;
  stats[SCALE * channels + c] = (real)(gamma ? gamma[c] * root : root);
  stats[SHIFT * channels + c] = beta ? beta[c] : 0;
  stats[ROOT * channels + c] = (real)root;
}

static void statistics_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const size_t channels = ofs_channels(l), row = 2 * channels + 1;
  const uint64_t chunks = chunks_of(l, op->count);
  const stretch s = stretch_of(op, part);
  real *g = ctx->gradient + l->weights_at;
  for (size_t c = s.from; c < s.from + s.rows; c++) {
    double count = 0, sum = 0, squares = 0;
    const real *chunk = op->at[CHUNKS];
    for (uint64_t k = 0; k < chunks; k++) {
      count += chunk[k * row + 2 * channels];
      sum += (double)chunk[k * row + 2 * channels] * chunk[k * row + c];
    }
    if (count < 1) count = 1; /* all masked */
    double mean = sum / count;
    for (uint64_t k = 0; k < chunks; k++) {
      double off = chunk[k * row + c] - mean;
      squares += chunk[k * row + channels + c] + chunk[k * row + 2 * channels] * off * off;
    }
    scale_channel(ctx, l, op->at[STATS], c, mean, squares / count);
    ((real *)ofs_norm_weight(l, OFS_MOVING_MEAN, g))[c] = (real)mean;
    ((real *)ofs_norm_weight(l, OFS_MOVING_VARIANCE, g))[c] = (real)(squares / count);
  }
}

/* Writes them from the moving statistics. */
static void moved_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const real *params = ctx->params + op->layer->weights_at;
  const real *mean = ofs_norm_weight(op->layer, OFS_MOVING_MEAN, params);
  const real *variance = ofs_norm_weight(op->layer, OFS_MOVING_VARIANCE, params);
  const stretch s = stretch_of(op, part);
  for (size_t c = s.from; c < s.from + s.rows; c++)
    scale_channel(ctx, op->layer, op->at[STATS], c, mean[c], variance[c]);
}

/* ---- forward ---- */

enum { Y, STATS_OF = 2, DY, MASK_OF };

static void affine_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const uint32_t channels = ofs_channels(op->layer);
  const stretch s = stretch_of(op, part);
  const real *stats = op->at[STATS_OF];
  ctx->kernels->channel_affine(op->at[Y] + s.from * channels, rows_of(op->at[X], &s, channels),
                               stats + MEAN * channels, stats + SCALE * channels,
                               stats + SHIFT * channels, NULL, NULL, NULL, s.rows, channels);
}

static uint32_t batch_norm_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  const uint64_t channels = ofs_channels(l);
  uint32_t stats = ofs_build_buffer(b, STATISTICS * channels, 1),
           y = ofs_can_overwrite(b, l, 0) ? x : ofs_build_buffer(b, l->out.size, 0);
  b->saved[l->index] = stats;
  if (is_of_batch(b, l)) {
    uint64_t chunks = chunks_of(l, b->batch);
    uint32_t parts = ofs_build_buffer(b, ofs_mul_sat(chunks, 2 * channels + 1), 1);
    cut_chunks(b,
               ofs_build_op(b, l, moments_part, parts, x, ofs_mask_of(b, l, 0, ofs_positions(l)),
                            0),
               30);
    ofs_cut(b, ofs_build_op(b, l, statistics_part, parts, b->gradient, 0, stats), channels, 1,
            20.0 * (double)chunks + 100, 1);
  } else
    ofs_cut(b, ofs_build_op(b, l, moved_part, 0, 0, 0, stats), channels, 1, 100, 1);
  ofs_cut(b, ofs_build_op(b, l, affine_part, y, x, stats, 0), ofs_positions(l), 0,
          12.0 * (double)channels, 1);
  return y;
}

/* ---- backward ---- */

/* Computes a chunk's sums of dy and of dy (x - mean). */
static void sums_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const uint32_t channels = ofs_channels(op->layer);
  const stretch s = stretch_of(op, part);
  real *sums = op->at[CHUNKS] + s.chunk * 2 * (size_t)channels;
  ctx->kernels->channel_sums(sums, sums + channels, rows_of(op->at[DY], &s, channels),
                             rows_of(op->at[X], &s, channels), op->at[STATS_OF] + MEAN * channels,
                             NULL, s.rows, channels);
}

/* Computes dbeta, dgamma, and the factors of dx = gamma r (dy - dbeta / N - (x - mean) r dgamma /
 * N), whose last two terms are for positions that count. */
static void gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const size_t channels = ofs_channels(l);
  const uint64_t rows = ofs_positions(l) * op->count, chunks = chunks_of(l, op->count);
  const stretch s = stretch_of(op, part);
  const real *mask = op->at[MASK_OF];
  real *stats = op->at[STATS_OF], *g = ctx->gradient + l->weights_at,
       *gamma = (real *)ofs_norm_weight(l, OFS_GAMMA, g);
  real *beta = (real *)ofs_norm_weight(l, OFS_BETA, g);
  double count = mask ? 0 : (double)rows;
  for (uint64_t r = 0; mask && r < rows; r++) count += mask[r] != 0;
  if (count < 1) count = 1;
  for (size_t c = s.from; c < s.from + s.rows; c++) {
    double sum = 0, product = 0, root = stats[ROOT * channels + c],
           scale = stats[SCALE * channels + c];
    for (uint64_t k = 0; k < chunks; k++) {
      sum += op->at[CHUNKS][2 * k * channels + c];
      product += op->at[CHUNKS][(2 * k + 1) * channels + c];
    }
    if (beta) beta[c] = (real)sum;
    if (gamma) gamma[c] = (real)(product * root);
    stats[BACK_SCALE * channels + c] = (real)(-scale * root * root * product / count);
    stats[BACK_SHIFT * channels + c] = (real)(-scale * sum / count);
  }
}

/* op->n: 1 where the statistics are the batch's, and depend on x. */
static void input_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const uint32_t channels = ofs_channels(op->layer);
  const stretch s = stretch_of(op, part);
  const real *stats = op->at[STATS_OF];
  ctx->kernels->channel_affine(op->at[Y] + s.from * channels, rows_of(op->at[X], &s, channels),
                               stats + MEAN * channels, stats + BACK_SCALE * channels,
                               stats + BACK_SHIFT * channels, rows_of(op->at[DY], &s, channels),
                               stats + SCALE * channels, rows_of(op->at[MASK_OF], &s, 1), s.rows,
                               channels);
}

static uint32_t batch_norm_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  const uint64_t channels = ofs_channels(l), chunks = chunks_of(l, b->batch);
  uint32_t x = b->x[l->index], stats = b->saved[l->index],
           mask = ofs_mask_of(b, l, 0, ofs_positions(l));
  if (l->trains) {
    uint32_t parts = ofs_build_buffer(b, ofs_mul_sat(chunks, 2 * channels), 1);
    cut_chunks(b, ofs_build_op(b, l, sums_part, parts, x, stats, dy), 20);
    ofs_op *op = ofs_build_op(b, l, gradient_part, parts, b->gradient, stats, 0);
    ofs_build_use(b, op, MASK_OF, mask);
    ofs_cut(b, op, channels, 1, 20.0 * (double)chunks + 100, 1);
  }
  if (!wanted) return 0;
  uint32_t dx = ofs_writable_gradient(b, dy, l->in.size);
  ofs_op *op = ofs_build_op(b, l, input_gradient_part, dx, l->trains ? x : 0, stats, dy);
  ofs_build_use(b, op, MASK_OF, l->trains ? mask : 0);
  ofs_cut(b, op, ofs_positions(l), 0, 16.0 * (double)channels, 1);
  return dx;
}

const ofs_layer_kind ofs_batch_norm_kind = {.shape = batch_norm_shape,
                                            .forward = batch_norm_forward,
                                            .backward = batch_norm_backward,
                                            .masks = 1};
