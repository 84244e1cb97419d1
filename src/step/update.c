/* update.c: the passes over the flat vectors of weights, gradients and moments, in parts.
 *
 * Before the update, where nothing of the model changes: regularizers are added to the gradient,
 * its bounds are looked at (guard.c), the mean of accumulated gradients is taken, and norms are
 * summed. Then the update: clipping, decay, the optimizer's step, the average of the weights; and
 * last the constraints. Parts are cut from the flat vector; what a part has of one weight tensor is
 * a piece. Sums over pieces run in double, in four lanes, and are added in the order of the parts,
 * so that their bits depend on shapes alone. */
#include "step/update.h"

#include "base/copy.h"

/* A piece goes through so many elements at once: they and their like stay in the nearest cache. */
#define BLOCK 2048

typedef struct piece {
  const ofs_slot *slot;
  uint32_t index;   /* of the slot */
  uint64_t from, n; /* in the flat vector */
} piece;

static int moves(const ofs_weight *w) { return w->momentum >= 0; }

/* Returns the first slot that ends behind element `at`. */
static uint32_t slot_at(const ofs_optimizer *o, uint64_t at) {
  uint32_t low = 0, high = o->slot_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const ofs_weight *w = o->slots[middle].weight;
    if (w->at + w->size > at)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

/* Visits the pieces of a part, one after the other, each in blocks. */
static void each_piece(const ofs_plan *p, const ofs_op *op, uint32_t part,
                       void (*visit)(const ofs_plan *p, uint32_t part, const piece *c)) {
  const ofs_optimizer *o = &p->model->optimizer;
  const ofs_range r = ofs_range_of(op, part);
  for (uint32_t i = slot_at(o, r.from); i < o->slot_count && o->slots[i].weight->at < r.to; i++) {
    const ofs_weight *w = o->slots[i].weight;
    uint64_t at = w->at > r.from ? w->at : r.from,
             end = w->at + w->size < r.to ? w->at + w->size : r.to;
    if (p->sums && op->phase == OFS_PHASE_GRADIENT) p->sums[part + i] = (ofs_sum){0, 0, 0};
    for (uint64_t n; at < end; at += n) {
      n = end - at < BLOCK ? end - at : BLOCK;
      visit(p, part, &(piece){&o->slots[i], i, at, n});
    }
  }
}

/* ---- before the update ---- */

static double sum_of(const real *x, uint64_t n, int squares) {
  double lane[4] = {0, 0, 0, 0};
  for (uint64_t i = 0; i < n; i += 4)
    for (uint64_t k = 0; k < 4 && i + k < n; k++) {
      double v = (double)x[i + k];
      lane[k] += squares ? v * v : v < 0 ? -v : v;
    }
  return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

/* Returns l1 sum |w| + l2 sum w^2, and adds its gradient to g where there is one. */
static double regularize(const ofs_weight *r, const real *w, real *g, uint64_t n) {
  real l1 = (real)r->l1, l2 = (real)(2 * r->l2);
  for (uint64_t i = 0; g && i < n; i++) g[i] += (w[i] > 0 ? l1 : w[i] < 0 ? -l1 : 0) + l2 * w[i];
  return (r->l1 > 0 ? r->l1 * sum_of(w, n, 0) : 0) + (r->l2 > 0 ? r->l2 * sum_of(w, n, 1) : 0);
}

static void prepare_piece(const ofs_plan *p, uint32_t part, const piece *c) {
  const ofs_model *m = p->model;
  const ofs_optimizer *o = &m->optimizer;
  const ofs_weight *w = c->slot->weight;
  real *g = p->context.gradient ? p->context.gradient + c->from : NULL;
  ofs_sum *sum = &p->sums[part + c->index];
  if ((w->l1 > 0 || w->l2 > 0) && !moves(w))
    sum->penalty += regularize(w, m->params + c->from, g, c->n);
  if (!g) return;
  if (!m->kernels.bounded(g, c->n, moves(w) ? (real)__builtin_inf() : (real)OFS_GRADIENT_LIMIT))
    sum->bad = 1;
  if (moves(w)) return;
  if (o->accumulator != OFS_NO_VECTOR && p->update.applies) {
    const real *before = o->moment[o->accumulator] + w->moment_at + (c->from - w->at);
    for (uint64_t i = 0; i < c->n; i++) g[i] = (g[i] + before[i]) / (real)o->accumulation;
  }
  if (o->clip_norm > 0 || o->global_clip_norm > 0) sum->squares += sum_of(g, c->n, 1);
}

static void prepare_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  each_piece(ofs_plan_of(ctx), op, part, prepare_piece);
}

void ofs_sums_of(const ofs_plan *p, uint32_t slot, uint32_t *from, uint32_t *to) {
  const ofs_weight *w = p->model->optimizer.slots[slot].weight;
  *from = (uint32_t)(w->at / p->sum_block);
  *to = (uint32_t)((w->at + w->size - 1) / p->sum_block);
}

/* Returns the sum of a slot's squares, in the order of the parts. */
static double squares_of(const ofs_plan *p, uint32_t slot) {
  uint32_t part, to;
  double sum = 0;
  for (ofs_sums_of(p, slot, &part, &to); part <= to; part++) sum += p->sums[part + slot].squares;
  return sum;
}

/* g * most / max(norm, most), as Keras has it. */
static real clip_scale(double most, double squares) {
  double norm = __builtin_sqrt(squares);
  return norm > most ? (real)(most / norm) : 1;
}

void ofs_update_sums(ofs_plan *p) {
  const ofs_optimizer *o = &p->model->optimizer;
  double squares = 0;
  p->penalty = 0;
  p->scale = 1;
  for (uint32_t i = 0; p->sums && i < o->slot_count; i++) {
    uint32_t part, to;
    for (ofs_sums_of(p, i, &part, &to); part <= to; part++) p->penalty += p->sums[part + i].penalty;
    squares += squares_of(p, i);
  }
  if (o->global_clip_norm > 0) p->scale = clip_scale(o->global_clip_norm, squares);
}

/* ---- the update ---- */

static void clip(const ofs_optimizer *o, real scale, real *g, uint64_t n) {
  real most = (real)o->clip_value;
  for (uint64_t i = 0; scale != 1 && i < n; i++) g[i] = g[i] * scale;
  for (uint64_t i = 0; most > 0 && i < n; i++)
    g[i] = g[i] > most ? most : g[i] < -most ? -most : g[i];
}

/* decay: w - (rate weightDecay) w, before the step (Loshchilov & Hutter 2019; Keras: of every
 * optimizer). */
static void apply(const ofs_plan *p, const piece *c, real *w, real *g, real *const *moment) {
  const ofs_model *m = p->model;
  const ofs_optimizer *o = &m->optimizer;
  const ofs_update *u = &p->update;
  real *sum = o->accumulator != OFS_NO_VECTOR ? moment[o->accumulator] : NULL;
  if (!u->applies) {
    for (uint64_t i = 0; i < c->n; i++) sum[i] += g[i];
    return;
  }
  clip(o, o->clip_norm > 0 ? clip_scale(o->clip_norm, squares_of(p, c->index)) : p->scale, g, c->n);
  for (uint64_t i = 0; u->decay > 0 && i < c->n; i++) w[i] = w[i] - u->decay * w[i];
  m->kernels.update(u, w, moment, g, c->n);
  if (sum) ofs_zero(sum, c->n);
}

/* The average of the weights (Polyak & Juditsky 1992): average = keep average + rest w, after every
 * batch; at first, and so for all batches of the first update, it is w. */
static void average(const ofs_update *u, real *mean, real *w, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    real x = u->keep * mean[i] + u->rest * w[i];
    mean[i] = x > -(real)OFS_LEAST_MOMENT && x < (real)OFS_LEAST_MOMENT ? 0 : x;
  }
  if (u->overwrites) ofs_copy(w, mean, n);
}

static void update_piece(const ofs_plan *p, uint32_t part, const piece *c) {
  const ofs_optimizer *o = &p->model->optimizer;
  const ofs_weight *weight = c->slot->weight;
  real *w = p->model->params + c->from, *g = p->context.gradient + c->from, *moment[OFS_MOMENTS];
  (void)part;
  if (moves(weight)) { /* g is the batch's statistic */
    real keep = (real)weight->momentum, rest = (real)(1 - weight->momentum);
    for (uint64_t i = 0; i < c->n; i++) w[i] = keep * w[i] + rest * g[i];
    return;
  }
  for (uint32_t k = 0; k < o->moments; k++)
    moment[k] = o->moment[k] + weight->moment_at + (c->from - weight->at);
  apply(p, c, w, g, moment);
  if (o->average != OFS_NO_VECTOR) average(&p->update, moment[o->average], w, c->n);
}

static void update_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  each_piece(ofs_plan_of(ctx), op, part, update_piece);
}

/* ---- constraints ---- */

/* Returns the number of columns of a weight that has a largest norm, 0 where it has none. A column
 * is `n` elements that differ in the axes norm_axis to norm_last only. Columns with the same axes
 * before lie side by side, the elements of one `inner` apart. */
static uint64_t columns_of(const ofs_weight *w, uint64_t *n, uint64_t *inner) {
  if (w->norm_most <= 0 || moves(w)) return 0;
  *n = *inner = 1;
  for (uint32_t k = w->norm_axis; k < w->rank; k++) *(k <= w->norm_last ? n : inner) *= w->dims[k];
  return w->size / *n;
}

/* `count` columns side by side, to a largest norm (Srivastava et al. 2014): Keras's w clip(norm, 0,
 * most) / (1e-7 + norm). */
#define COLUMNS 64
static void constrain(real *w, uint64_t n, uint64_t inner, uint64_t count, double most) {
  double sum[COLUMNS] = {0};
  for (uint64_t k = 0; k < n; k++)
    for (uint64_t i = 0; i < count; i++) sum[i] += (double)w[k * inner + i] * w[k * inner + i];
  for (uint64_t i = 0; i < count; i++) {
    double norm = __builtin_sqrt(sum[i]);
    sum[i] = (norm < most ? norm : most) / (1e-7 + norm);
  }
  for (uint64_t k = 0; k < n; k++)
    for (uint64_t i = 0; i < count; i++) w[k * inner + i] = w[k * inner + i] * (real)sum[i];
}

/* The units are columns, those of one weight after those of another. */
static void constrain_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_plan *p = ofs_plan_of(ctx);
  const ofs_optimizer *o = &p->model->optimizer;
  uint64_t first = 0, n, inner;
  const ofs_range r = ofs_range_of(op, part);
  for (uint32_t s = 0; s < o->slot_count && first < r.to; s++) {
    const ofs_weight *w = o->slots[s].weight;
    uint64_t columns = columns_of(w, &n, &inner),
             end = first + columns < r.to ? first + columns : r.to;
    for (uint64_t at = r.from > first ? r.from : first, count; at < end; at += count) {
      uint64_t column = at - first, side = column % inner;
      count = inner - side < end - at ? inner - side : end - at;
      if (count > COLUMNS) count = COLUMNS;
      constrain(p->model->params + w->at + column / inner * n * inner + side, n, inner, count,
                w->norm_most);
    }
    first += columns;
  }
}

/* ---- the program ---- */

/* Emits a pass over the flat vector, of `work` an element. */
static ofs_op *pass(ofs_builder *b, const ofs_model *m, ofs_part_fn run, double work) {
  ofs_op *op = ofs_build_op(b, NULL, run, b->gradient, b->sums, 0, 0);
  ofs_cut(b, op, m->parameters, 1, work, 16);
  return op;
}

static void build_constraints(ofs_builder *b, const ofs_optimizer *o) {
  uint64_t columns = 0, size = 0, n, inner;
  for (uint32_t s = 0; s < o->slot_count; s++) {
    uint64_t own = columns_of(o->slots[s].weight, &n, &inner);
    columns += own;
    size += own * n;
  }
  if (!columns) return;
  ofs_op *op = ofs_build_op(b, NULL, constrain_part, 0, 0, 0, 0);
  ofs_cut(b, op, columns, 1, 20.0 * (double)size / (double)columns, 16);
}

static int is_regularized(const ofs_optimizer *o) {
  for (uint32_t s = 0; s < o->slot_count; s++)
    if (o->slots[s].weight->l1 > 0 || o->slots[s].weight->l2 > 0) return 1;
  return 0;
}

void ofs_build_update(ofs_builder *b, const ofs_model *m) {
  if (b->kind != OFS_TRAIN && !is_regularized(&m->optimizer)) return;
  b->sums = ofs_build_buffer(b, 0, 1);
  const ofs_op *op = pass(b, m, prepare_part, 30);
  uint64_t records = (m->parameters + op->block - 1) / op->block + m->optimizer.slot_count;
  b->buffers[b->sums].bytes = ofs_align(records * sizeof(ofs_sum));
  b->sum_block = op->block;
  if (b->kind != OFS_TRAIN) return;
  b->phase = OFS_PHASE_UPDATE;
  pass(b, m, update_part, m->optimizer.type == OFS_SGD ? 40 : 120);
  build_constraints(b, &m->optimizer);
}
