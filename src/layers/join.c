/* join.c: layers that make one tensor of several: add, subtract, multiply, average, maximum,
 * minimum, and concatenate.
 *
 * Shapes are equal, or aligned at the last axis with axes of 1 that repeat themselves. More than
 * two inputs are joined one after the other. A mask of the output holds where that of any input
 * does; where an input has none, the output has none. Of two positions of which one is masked,
 * multiply, maximum and minimum take the other (Keras 3's merge layers). */
#include "base/copy.h"
#include "layers/kinds.h"
#include "layers/scale.h"
#include "layers/view.h"

/* ---- two at a time ---- */

/* These index op->n: the input that is joined to those before it; how; whether they are masks; with
 * dy, whose gradient it is; whether the result is scaled by l->v[SCALE]. */
enum { INPUT, TYPE, OF_MASKS, SIDE, SCALED };
enum { SCALE };
/* These index the buffers. */
enum { Y, FIRST, SECOND, FIRST_MASK, SECOND_MASK, DY };

static real joined(uint32_t type, real a, real b) {
  switch (type) {
  case OFS_SUBTRACT: return a - b;
  case OFS_MULTIPLY: return a * b;
  case OFS_MAXIMUM: return a >= b ? a : b;
  case OFS_MINIMUM: return a <= b ? a : b;
  default: return a + b;
  }
}

/* Returns the share of dy that goes to a (side 0) or b. Of two that are equal the first is the
 * maximum. */
static real undone(uint32_t type, uint32_t side, real a, real b, real dy) {
  if (type == OFS_MULTIPLY) return dy * (side ? a : b);
  uint32_t first = type == OFS_MAXIMUM ? a >= b : a <= b;
  return first != side ? dy : 0;
}

/* Returns bit 0 where a row takes a, bit 1 where it takes b. */
static uint32_t taken(const ofs_op *op, uint64_t row_a, uint64_t row_b) {
  uint32_t a = !op->at[FIRST_MASK] || op->at[FIRST_MASK][row_a] != 0,
           b = !op->at[SECOND_MASK] || op->at[SECOND_MASK][row_b] != 0;
  return a || b || op->n[TYPE] == OFS_MULTIPLY ? a + 2 * b : 1;
}

/* With dy, y is the gradient of `side`, in the shape of the output. */
static void pair_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  const ofs_layer *l = op->layer;
  uint32_t type = op->n[TYPE], k = op->n[INPUT], bit = op->n[SIDE] + 1;
  ofs_view va = ofs_view_of(k == 1 ? &l->ins[0] : &l->out, &l->out, (int)op->n[OF_MASKS]);
  ofs_view vb = ofs_view_of(&l->ins[k], &l->out, (int)op->n[OF_MASKS]);
  real scale = op->n[SCALED] ? (real)l->v[SCALE] : 1;
  uint64_t all = va.rows * va.last;
  const ofs_range r = ofs_range_of(op, part);
  int flat = va.size == all && vb.size == all && !op->at[FIRST_MASK] && !op->at[SECOND_MASK];
  for (uint64_t row = r.from, rows = flat ? r.to - r.from : 1; row < r.to; row += rows) {
    uint64_t at_a = ofs_view_at(&va, row), at_b = ofs_view_at(&vb, row);
    const real *a = op->at[FIRST] + at_a, *b = op->at[SECOND] + at_b;
    uint32_t take = taken(op, va.step ? at_a / va.last : at_a, vb.step ? at_b / vb.last : at_b),
             step_a = flat ? 1 : va.step, step_b = flat ? 1 : vb.step;
    real *y = op->at[Y] + row * va.last;
    const real *dy = op->at[DY] ? op->at[DY] + row * va.last : NULL;
    for (uint64_t i = 0; i < rows * va.last; i++, a += step_a, b += step_b)
      if (dy)
        y[i] = take == 3 ? undone(type, op->n[SIDE], *a, *b, dy[i]) : take == bit ? dy[i] : 0;
      else
        y[i] = take == 3 ? joined(type, *a, *b) * scale : take == 1 ? *a : take == 2 ? *b : 0;
  }
}

static ofs_op *emit_pair(ofs_builder *b, const ofs_layer *l, uint32_t k, uint32_t type, uint32_t y,
                         uint32_t first, uint32_t second) {
  uint32_t last = l->out.dims[l->out.rank - 1];
  ofs_op *op = ofs_build_op(b, l, pair_part, y, first, second, 0);
  op->n[INPUT] = k, op->n[TYPE] = type;
  ofs_cut(b, op, l->out.size / last, 0, 16.0 * last + 32, 1);
  return op;
}

/* ---- masks ---- */

static uint64_t rows_of(const ofs_shape *s) { return s->size / s->dims[s->rank - 1]; }

/* Returns the mask of inputs 0 .. k together: 0 where one has none, that of one where it is all of
 * theirs, else a new one; new ones follow each other from b->aux on. */
static uint32_t mask_of(const ofs_builder *b, const ofs_layer *l, uint32_t k) {
  uint32_t mask = ofs_mask(b, l, 0);
  for (uint32_t i = 1; i <= k && mask; i++) {
    uint32_t other = ofs_mask(b, l, i);
    int whole = rows_of(&l->ins[0]) == rows_of(&l->out) && rows_of(&l->ins[i]) == rows_of(&l->out);
    if (!other)
      mask = 0;
    else if (other != mask || !whole)
      mask = b->aux[l->index] + i - 1;
  }
  return mask;
}

/* Makes buffers for them, and those that are needed. */
static void emit_masks(ofs_builder *b, const ofs_layer *l) {
  for (uint32_t k = 1; k < l->in_count && ofs_mask(b, l, 0); k++) {
    uint32_t own = ofs_build_buffer(b, rows_of(&l->out), 0);
    if (k == 1) b->aux[l->index] = own;
  }
  for (uint32_t k = 1; k < l->in_count; k++) {
    uint32_t own = b->aux[l->index] + k - 1;
    if (!mask_of(b, l, k) || mask_of(b, l, k) != own) continue;
    emit_pair(b, l, k, OFS_MAXIMUM, own, mask_of(b, l, k - 1), ofs_mask(b, l, k))->n[OF_MASKS] = 1;
  }
  b->mask[l->index] = mask_of(b, l, l->in_count - 1);
}

/* ---- elementwise joins ---- */

static ofs_status refuse_axis(const ofs_layer *l, double got, double wanted, ofs_error *err) {
  return ofs_refuse(err, OFS_INVALID_SPEC, (int32_t)l->spec_index, OFS_LAYER_INPUT, OFS_WHY_SHAPE,
                    got, wanted, wanted);
}

static ofs_status check_inputs(const ofs_layer *l, uint32_t most, ofs_error *err) {
  if (l->in_count >= 2 && l->in_count <= most) return OFS_OK;
  return ofs_refuse(err, OFS_INVALID_SPEC, (int32_t)l->spec_index, OFS_LAYER_INPUT, OFS_WHY_COUNT,
                    l->in_count, 2, most);
}

static ofs_status join_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  (void)r;
  ofs_status s = check_inputs(l, l->type == OFS_SUBTRACT ? 2 : OFS_MAX_JOIN, err);
  if (s < 0) return s;
  l->v[SCALE] = l->type == OFS_SUBTRACT ? -1 : 1.0 / l->in_count;
  for (uint32_t k = 0; k < l->in_count; k++)
    if (l->ins[k].rank > l->out.rank) l->out.rank = l->ins[k].rank;
  for (uint32_t back = 1; back <= l->out.rank; back++) {
    uint32_t *n = &l->out.dims[l->out.rank - back];
    *n = 1;
    for (uint32_t k = 0; k < l->in_count; k++) {
      uint32_t own = back <= l->ins[k].rank ? l->ins[k].dims[l->ins[k].rank - back] : 1;
      if (*n == 1) *n = own;
      if (own != 1 && own != *n) return refuse_axis(l, own, *n, err);
    }
  }
  return OFS_OK;
}

/* Returns 1 where the backward pass reads the inputs. */
static int is_kept(const ofs_layer *l) {
  return l->type == OFS_MULTIPLY || l->type == OFS_MAXIMUM || l->type == OFS_MINIMUM;
}

static void use_masks(ofs_builder *b, const ofs_layer *l, ofs_op *op, uint32_t k) {
  ofs_build_use(b, op, FIRST_MASK, mask_of(b, l, k - 1));
  ofs_build_use(b, op, SECOND_MASK, ofs_mask(b, l, k));
}

static uint32_t join_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t last = l->in_count - 1, keeps = b->kind == OFS_TRAIN && is_kept(l),
           y = ofs_build_buffer(b, l->out.size, 0);
  for (uint32_t k = 1; k < last && keeps; k++) ofs_build_buffer(b, l->out.size, 0);
  b->saved[l->index] = y;
  emit_masks(b, l);
  for (uint32_t k = 1; k <= last; k++, y += k <= last && keeps) {
    uint32_t first = k == 1 ? x : y - keeps, second = ofs_input_buffer(b, l, k),
             scaled = l->type == OFS_AVERAGE && k == last;
    if (l->type == OFS_ADD && l->ins[0].size == l->out.size && l->ins[k].size == l->out.size)
      ofs_build_add(b, l, y, first, second, l->out.size);
    else {
      ofs_op *op = emit_pair(b, l, k, l->type, y, first, second);
      op->n[SCALED] = scaled;
      if (is_kept(l)) use_masks(b, l, op, k);
    }
  }
  return y;
}

static uint32_t scaled(ofs_builder *b, const ofs_layer *l, uint32_t dy, uint32_t to) {
  ofs_build_scale(b, l, to, dy, 1);
  return to;
}

/* Backward of sums and their like: every input has dy, or dy times a number. */
static uint32_t sum_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  uint32_t other = dy;
  if (l->type == OFS_AVERAGE)
    other = dy = scaled(b, l, dy, ofs_writable_gradient(b, dy, l->out.size));
  if (l->type == OFS_SUBTRACT && wanted & 2)
    other = scaled(b, l, dy, ofs_build_buffer(b, l->out.size, 0));
  for (uint32_t k = 1; k < l->in_count; k++)
    if (wanted >> k & 1) ofs_add_input_gradient(b, l, k, ofs_build_collected(b, l, k, other));
  return wanted & 1 ? ofs_build_collected(b, l, 0, dy) : 0;
}

/* Goes backwards through the intermediate results: of each the share of its last input, then of the
 * result before it. */
static uint32_t join_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  if (!is_kept(l)) return sum_backward(b, l, dy, wanted);
  for (uint32_t k = l->in_count - 1; k > 0; k--)
    for (uint32_t side = 2; side-- > 0;) {
      int needed = side ? wanted >> k & 1 : wanted & ((1 << k) - 1);
      if (!needed) continue;
      uint32_t dx =
          side ? ofs_build_buffer(b, l->out.size, 0) : ofs_writable_gradient(b, dy, l->out.size);
      uint32_t first = k == 1 ? b->x[l->index] : b->saved[l->index] + k - 2;
      ofs_op *op = emit_pair(b, l, k, l->type, dx, first, ofs_input_buffer(b, l, k));
      op->n[SIDE] = side;
      use_masks(b, l, op, k);
      ofs_build_use(b, op, DY, dy);
      if (side)
        ofs_add_input_gradient(b, l, k, ofs_build_collected(b, l, k, dx));
      else
        dy = dx;
    }
  return wanted & 1 ? ofs_build_collected(b, l, 0, dy) : 0;
}

/* ---- concatenate ---- */

enum { AXIS }; /* l->n */

static ofs_status concatenate_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  ofs_status s = check_inputs(l, OFS_MAX_JOIN, err);
  /* Keras counts the samples as axis 0 */
  double axis = r->v[OFS_CONCATENATE_AXIS][0], rank = l->in.rank, sum = 0;
  if (s < 0) return s;
  if (axis == 0 || axis > rank || axis < -rank)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_CONCATENATE_AXIS, OFS_WHY_RANGE, axis,
                      axis < 0 ? -rank : 1, axis < 0 ? -1 : rank);
  l->n[AXIS] = (uint32_t)(axis < 0 ? axis + rank : axis - 1);
  l->out = l->in;
  for (uint32_t k = 0; k < l->in_count; k++) {
    if (l->ins[k].rank != l->in.rank) return ofs_refuse_rank(l, k, l->in.rank, l->in.rank, err);
    for (uint32_t i = 0; i < l->in.rank; i++)
      if (i != l->n[AXIS] && l->ins[k].dims[i] != l->in.dims[i])
        return refuse_axis(l, l->ins[k].dims[i], l->in.dims[i], err);
    sum += l->ins[k].dims[l->n[AXIS]];
  }
  if (sum > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_PRODUCT, sum, 1, OFS_MAX_SAMPLE);
  l->out.dims[l->n[AXIS]] = (uint32_t)sum;
  return OFS_OK;
}

/* These index the buffers; op->n: the distance of rows and their beginning, of either; numbers of a
 * row. Without FROM the rows are ones. */
enum { TO, FROM };
enum { TO_ROW, TO_AT, FROM_ROW, FROM_AT, RUN };

static void copy_rows_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t row = r.from; row < r.to; row++) {
    real *y = op->at[TO] + row * op->n[TO_ROW] + op->n[TO_AT];
    if (op->at[FROM])
      ofs_copy(y, op->at[FROM] + row * op->n[FROM_ROW] + op->n[FROM_AT], op->n[RUN]);
    else
      for (uint32_t i = 0; i < op->n[RUN]; i++) y[i] = 1;
  }
}

/* Emits the copy of input k's rows into the whole, or (`back`) out of it; where `mask`, of masks,
 * which have no last axis. */
static void emit_rows(ofs_builder *b, const ofs_layer *l, uint32_t k, uint32_t to, uint32_t from,
                      int back, int mask) {
  uint64_t ahead = 0, inner = 1, rows = 1;
  for (uint32_t i = 0; i < l->out.rank - (uint32_t)mask; i++)
    if (i > l->n[AXIS])
      inner *= l->out.dims[i];
    else if (i < l->n[AXIS])
      rows *= l->out.dims[i];
  for (uint32_t i = 0; i < k; i++) ahead += l->ins[i].dims[l->n[AXIS]] * inner;
  uint32_t whole = (uint32_t)(l->out.dims[l->n[AXIS]] * inner),
           own = (uint32_t)(l->ins[k].dims[l->n[AXIS]] * inner);
  ofs_op *op = ofs_build_op(b, l, copy_rows_part, to, from, 0, 0);
  op->n[TO_ROW] = back ? own : whole, op->n[FROM_ROW] = back ? whole : own, op->n[RUN] = own;
  op->n[back ? FROM_AT : TO_AT] = (uint32_t)ahead;
  ofs_cut(b, op, rows, 0, 4.0 * own + 16, 1);
}

static uint32_t concatenate_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t y = ofs_build_buffer(b, l->out.size, 0), masks = 0, mask = 0;
  for (uint32_t k = 0; k < l->in_count; k++) {
    emit_rows(b, l, k, y, k ? ofs_input_buffer(b, l, k) : x, 0, 0);
    masks |= ofs_mask(b, l, k);
  }
  if (l->n[AXIS] == l->out.rank - 1)
    emit_masks(b, l);
  else if (masks) {
    b->mask[l->index] = mask = ofs_build_buffer(b, rows_of(&l->out), 0);
    for (uint32_t k = 0; k < l->in_count; k++) emit_rows(b, l, k, mask, ofs_mask(b, l, k), 0, 1);
  }
  return y;
}

static uint32_t concatenate_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  uint32_t first = 0;
  for (uint32_t k = l->in_count; k-- > 0;) {
    if (!(wanted >> k & 1)) continue;
    uint32_t dx = ofs_build_buffer(b, l->ins[k].size, 0);
    emit_rows(b, l, k, dx, dy, 1, 0);
    if (k)
      ofs_add_input_gradient(b, l, k, dx);
    else
      first = dx;
  }
  return first;
}

/* For each input: a result or copy, a mask, two gradients, one that is collected, one that is added
 * to another. */
#define OPS_AN_INPUT 6
#define BUFFERS_AN_INPUT 5

const ofs_layer_kind ofs_join_kind = {.shape = join_shape,
                                      .forward = join_forward,
                                      .backward = join_backward,
                                      .most_inputs = OFS_MAX_JOIN,
                                      .more_ops = OPS_AN_INPUT,
                                      .more_buffers = BUFFERS_AN_INPUT};
const ofs_layer_kind ofs_concatenate_kind = {.shape = concatenate_shape,
                                             .forward = concatenate_forward,
                                             .backward = concatenate_backward,
                                             .most_inputs = OFS_MAX_JOIN,
                                             .more_ops = OPS_AN_INPUT,
                                             .more_buffers = BUFFERS_AN_INPUT};
