/* tie.c: tied weights. A layer that has another's weights reads a copy of them, which every step
 * makes before anything else; its gradient is its own until it is added to theirs. So no layer
 * knows that it is tied.
 *
 * Each use moves a statistic in its turn, as Keras has it: w becomes keep w + rest a, then keep
 * (keep w + rest a) + rest b. One move by b + keep (a - w) comes to the same. */
#include "step/tie.h"

#include "base/copy.h"

/* Returns the rows and columns of the copy, which is transposed where the layer is `turned`. */
static void size_of(const ofs_layer *l, uint32_t *rows, uint32_t *columns) {
  *columns = l->transposed ? l->weights[0].dims[1] : 1;
  *rows = (uint32_t)(l->weights_size / *columns);
}

static const ofs_layer *owner_of(const ofs_plan *p, const ofs_op *op) {
  return &p->model->layers[op->layer->tied - 1];
}

static void copy_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_plan *p = ofs_plan_of(ctx);
  const ofs_layer *l = op->layer;
  uint32_t rows, columns;
  const ofs_range r = ofs_range_of(op, part);
  size_of(l, &rows, &columns);
  const real *w = p->model->params + owner_of(p, op)->weights_at;
  real *copy = p->model->params + l->weights_at;
  if (!l->transposed)
    ofs_copy(copy + r.from, w + r.from, r.to - r.from);
  else
    p->model->kernels.transpose(copy + r.from, columns, w + r.from * rows, rows,
                                (uint32_t)(r.to - r.from), rows);
}

/* Adds elements [from, to) of the layer's gradients, of weights that are not transposed. */
static void add_all(const ofs_plan *p, const ofs_layer *l, const ofs_layer *owner, uint64_t from,
                    uint64_t to) {
  const real *g = p->context.gradient + l->weights_at, *w = p->model->params + owner->weights_at;
  real *sum = p->context.gradient + owner->weights_at;
  for (uint32_t k = 0; k < l->weight_count; k++) {
    uint64_t at = l->weights[k].at - l->weights_at, end = at + l->weights[k].size;
    real keep = (real)l->weights[k].momentum;
    for (uint64_t i = at > from ? at : from; i < end && i < to; i++)
      sum[i] = keep < 0 ? sum[i] + g[i] : g[i] + keep * (sum[i] - w[i]);
  }
}

static void add_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_plan *p = ofs_plan_of(ctx);
  const ofs_layer *l = op->layer;
  uint32_t rows, columns;
  const ofs_range r = ofs_range_of(op, part);
  size_of(l, &rows, &columns);
  const real *g = p->context.gradient + l->weights_at;
  real *sum = p->context.gradient + owner_of(p, op)->weights_at;
  if (!l->transposed)
    add_all(p, l, owner_of(p, op), r.from, r.to);
  else
    for (uint64_t j = r.from; j < r.to; j++)
      for (uint32_t i = 0; i < rows; i++) sum[j * rows + i] += g[(uint64_t)i * columns + j];
}

static void emit(ofs_builder *b, const ofs_layer *l, ofs_part_fn run, uint32_t gradient) {
  uint32_t rows, columns;
  size_of(l, &rows, &columns);
  ofs_op *op = ofs_build_op(b, l, run, gradient, 0, 0, 0);
  if (l->transposed)
    ofs_cut(b, op, columns, 1, 16.0 * rows, 1);
  else
    ofs_cut(b, op, l->weights_size, 1, 8, 16);
}

void ofs_build_tied(ofs_builder *b, const ofs_model *m) {
  for (uint32_t i = 0; i < m->layer_count; i++)
    if (m->layers[i].tied && m->layers[i].weights_size) emit(b, &m->layers[i], copy_part, 0);
}

void ofs_build_tied_gradient(ofs_builder *b, const ofs_model *m) {
  for (uint32_t i = 0; i < m->layer_count; i++) {
    const ofs_layer *l = &m->layers[i];
    if (l->tied && l->weights_size && l->trains) emit(b, l, add_part, b->gradient);
  }
}
