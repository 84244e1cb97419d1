/* embedding.c: rows of a table in place of indices; and a table of positions that is added to a
 * sequence.
 *
 * Indices are a model's input as it came, checked there: graph.c sees that nothing else feeds an
 * embedding. Gradients of a table are cut by its rows: a part adds up its rows' shares, samples in
 * order, so that no two parts meet. */
#include "base/copy.h"
#include "layers/kinds.h"

/* ---- embedding ---- */

enum { MASKED };     /* l->n: index 0 counts for nothing */
enum { Y, INDICES }; /* buffers */
enum { DY, INDICES_BACK };

static ofs_status embedding_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  const uint32_t dims[] = {(uint32_t)r->v[OFS_EMBEDDING_INPUT_DIM][0],
                           (uint32_t)r->v[OFS_EMBEDDING_OUTPUT_DIM][0]};
  if (l->in.rank == OFS_MAX_RANK) return ofs_refuse_rank(l, 0, 1, OFS_MAX_RANK - 1, err);
  l->out = l->in;
  l->out.dims[l->out.rank++] = dims[1];
  l->n[MASKED] = r->v[OFS_EMBEDDING_MASK_ZERO][0] != 0;
  ofs_add_weight(l, r, OFS_EMBEDDINGS, OFS_EMBEDDING_TABLE_INIT, 2, dims);
  return OFS_OK;
}

static void lookup_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const size_t width = l->weights[0].dims[1];
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t i = r.from; i < r.to; i++)
    ofs_copy(op->at[Y] + i * width, ctx->params + l->kernel_at + (size_t)op->at[INDICES][i] * width,
             width);
}

static uint32_t embedding_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t y = ofs_build_buffer(b, l->out.size, 0);
  ofs_cut(b, ofs_build_op(b, l, lookup_part, y, x, 0, 0), l->in.size, 0,
          8.0 * l->weights[0].dims[1] + 16, 1);
  /* nodes that have the mask read it, to the end */
  if (l->n[MASKED]) b->mask[l->index] = x, b->buffers[x].pending++;
  return y;
}

static void table_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const uint32_t width = l->weights[0].dims[1];
  const uint64_t count = l->in.size * op->count;
  const ofs_range r = ofs_range_of(op, part);
  real *g = ctx->gradient + l->kernel_at;
  ofs_zero(g + r.from * width, (r.to - r.from) * width);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t row = (uint64_t)op->at[INDICES_BACK][i];
    if (row >= r.from && row < r.to)
      ctx->kernels->add_rows(g + row * width, op->at[DY] + i * width, 1, width);
  }
}

static uint32_t embedding_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  (void)wanted; /* indices have no gradient */
  if (!l->trains) return 0;
  const double rows = l->weights[0].dims[0], width = l->weights[0].dims[1];
  ofs_op *op = ofs_build_op(b, l, table_gradient_part, dy, b->x[l->index], b->gradient, 0);
  ofs_cut(b, op, l->weights[0].dims[0], 1,
          8 * width + (8 * width + 40) * (double)l->in.size * b->batch / rows, 1);
  return 0;
}

const ofs_layer_kind ofs_embedding_kind = {.shape = embedding_shape,
                                           .forward = embedding_forward,
                                           .backward = embedding_backward};

/* ---- position embedding ---- */

enum { POSITIONS }; /* l->n */
enum { X = 1 };     /* a buffer, next to Y */

static ofs_status position_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  const double length = r->v[OFS_POSITION_EMBEDDING_LENGTH][0];
  if (l->in.rank < 2) return ofs_refuse_rank(l, 0, 2, OFS_MAX_RANK, err);
  const uint32_t *last = l->in.dims + l->in.rank - 2, dims[] = {(uint32_t)length, last[1]};
  if (last[0] > length)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_POSITION_EMBEDDING_LENGTH, OFS_WHY_RANGE,
                      length, last[0], 16777216);
  l->out = l->in;
  l->n[POSITIONS] = last[0];
  ofs_add_weight(l, r, OFS_EMBEDDINGS, OFS_POSITION_EMBEDDING_TABLE_INIT, 2, dims);
  return OFS_OK;
}

/* These return the sequences of a sample, and the numbers of one. */
static uint64_t length_of(const ofs_layer *l) {
  return (uint64_t)l->n[POSITIONS] * l->weights[0].dims[1];
}

/* Adds the table to sequences; a part is some of them. */
static void position_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const uint64_t length = length_of(op->layer);
  const real *table = ctx->params + op->layer->kernel_at;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t s = r.from; s < r.to; s++)
    for (uint64_t i = 0; i < length; i++)
      op->at[Y][s * length + i] = op->at[X][s * length + i] + table[i];
}

static uint32_t position_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  const uint64_t length = length_of(l);
  uint32_t y = ofs_can_overwrite(b, l, 0) ? x : ofs_build_buffer(b, l->out.size, 0);
  ofs_cut(b, ofs_build_op(b, l, position_part, y, x, 0, 0), l->in.size / length, 0,
          8.0 * (double)length, 1);
  return y;
}

/* Sums the gradient of the table; a part is some of its rows. */
static void position_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const uint64_t length = length_of(l), width = l->weights[0].dims[1],
                 sequences = l->in.size / length * op->count;
  const ofs_range r = ofs_range_of(op, part);
  real *g = ctx->gradient + l->kernel_at;
  ofs_zero(g + r.from * width, (r.to - r.from) * width);
  if (r.from >= l->n[POSITIONS]) return;
  const uint32_t n =
      (uint32_t)((r.to < l->n[POSITIONS] ? r.to : l->n[POSITIONS]) - r.from) * (uint32_t)width;
  for (uint64_t s = 0; s < sequences; s++)
    ctx->kernels->add_rows(g + r.from * width, op->at[DY] + s * length + r.from * width, 1, n);
}

static uint32_t position_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  const double sequences = (double)(l->in.size / length_of(l)) * b->batch;
  if (l->trains)
    ofs_cut(b, ofs_build_op(b, l, position_gradient_part, dy, b->gradient, 0, 0),
            l->weights[0].dims[0], 1, 8.0 * (sequences + 1) * l->weights[0].dims[1], 1);
  return wanted ? dy : 0;
}

const ofs_layer_kind ofs_position_kind = {.shape = position_shape,
                                          .forward = position_forward,
                                          .backward = position_backward,
                                          .masks = 1};
