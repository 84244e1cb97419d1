/* dot.c: products of two tensors of a sample over one axis of each: c_ij = sum_k a_ik b_jk, where
 * normalize a and b divided by their lengths along k first (Keras: by the root of at least 1e-14,
 * the square of its epsilon). */
#include "layers/kinds.h"

/* These are the axes of the product, whose sizes are l->n[I] to l->n[K]; behind them the distances
 * of an axis's numbers in a and in b, and whether these are normalized. */
enum { I, J, K, I_IN_A, K_IN_A, J_IN_B, K_IN_B, NORMALIZED };
/* Tensors. */
enum { A, B, C };
/* These index the buffers of a product and of a normalization; TENSOR the op->n of both. */
enum { TO, LEFT, RIGHT };
enum { Y, X, DY };
enum { TENSOR };
#define LEAST_SQUARE 1e-14

/* Returns the distance of a tensor's numbers along an axis; 0 where it has none. */
static size_t distance_of(const ofs_layer *l, int tensor, int axis) {
  if (tensor == C) return axis == I ? l->n[J] : axis == J;
  if (axis == K) return l->n[tensor == A ? K_IN_A : K_IN_B];
  return axis == (tensor == A ? I : J) ? l->n[tensor == A ? I_IN_A : J_IN_B] : 0;
}

static ofs_status dot_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  if (l->in_count != 2)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_LAYER_INPUT, OFS_WHY_COUNT, l->in_count,
                      2, 2);
  for (uint32_t k = 0; k < 2; k++) {
    const ofs_shape *in = &l->ins[k];
    double axis = r->v[OFS_DOT_AXES][k], rank = in->rank; /* Keras counts the samples as axis 0 */
    if (in->rank > 2) return ofs_refuse_rank(l, k, 1, 2, err);
    if (axis == 0 || axis > rank || axis < -rank)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_DOT_AXES, OFS_WHY_RANGE, axis,
                        axis < 0 ? -rank : 1, axis < 0 ? -1 : rank);
    uint32_t over = (uint32_t)(axis < 0 ? axis + rank : axis - 1),
             other = in->rank == 2 ? 1 - over : 0;
    l->n[k] = in->rank == 2 ? in->dims[other] : 1;
    l->n[k ? J_IN_B : I_IN_A] = in->rank == 2 && !other ? in->dims[1] : 1;
    l->n[k ? K_IN_B : K_IN_A] = in->rank == 2 && !over ? in->dims[1] : 1;
    if (in->rank == 2) l->out.dims[l->out.rank++] = l->n[k];
    if (k && in->dims[over] != l->n[K])
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_LAYER_INPUT, OFS_WHY_SHAPE,
                        in->dims[over], l->n[K], l->n[K]);
    l->n[K] = in->dims[over];
  }
  if (!l->out.rank) l->out = (ofs_shape){.rank = 1, .dims = {1}};
  l->n[NORMALIZED] = r->v[OFS_DOT_NORMALIZE][0] != 0;
  return OFS_OK;
}

/* Writes tensor op->n[TENSOR] of a, b, c from the two others, summed over the axis that it lacks;
 * by the sample. */
static void product_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  static const int without[] = {J, I, K};
  const ofs_layer *l = op->layer;
  int to = (int)op->n[TENSOR], left = to == A ? B : A, right = to == C ? B : C, sum = without[to],
      rows = sum == I ? J : I, columns = sum == K ? J : K;
  uint64_t sizes[] = {l->ins[0].size, l->ins[1].size, l->out.size};
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t s = r.from; s < r.to; s++)
    for (size_t i = 0; i < l->n[rows]; i++)
      for (size_t j = 0; j < l->n[columns]; j++) {
        const real *a = op->at[LEFT] + s * sizes[left] + i * distance_of(l, left, rows) +
                        j * distance_of(l, left, columns);
        const real *b = op->at[RIGHT] + s * sizes[right] + i * distance_of(l, right, rows) +
                        j * distance_of(l, right, columns);
        size_t next_a = distance_of(l, left, sum), next_b = distance_of(l, right, sum);
        double total = 0;
        for (size_t k = 0; k < l->n[sum]; k++, a += next_a, b += next_b)
          total += (double)*a * (double)*b;
        op->at[TO][s * sizes[to] + i * distance_of(l, to, rows) + j * distance_of(l, to, columns)] =
            (real)total;
      }
}

static void emit_product(ofs_builder *b, const ofs_layer *l, int to, uint32_t y, uint32_t left,
                         uint32_t right) {
  ofs_op *op = ofs_build_op(b, l, product_part, y, left, right, 0);
  op->n[TENSOR] = (uint32_t)to;
  ofs_cut(b, op, 1, 0, 8.0 * l->n[I] * l->n[J] * l->n[K], 1);
}

/* Normalizes input op->n[TENSOR]: y = x / |x|; with a gradient dy of y: y = (dy - u (dy u)) / |x|,
 * u = x / |x|. */
static void normalize_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  const ofs_layer *l = op->layer;
  int tensor = (int)op->n[TENSOR];
  uint64_t rows = l->n[tensor], n = l->n[K], size = rows * n;
  size_t next = distance_of(l, tensor, K), next_row = distance_of(l, tensor, tensor);
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t row = r.from; row < r.to; row++) {
    uint64_t at = row / rows * size + row % rows * next_row;
    const real *x = op->at[X] + at, *dy = op->at[DY] ? op->at[DY] + at : NULL;
    double square = 0, along = 0;
    for (size_t k = 0; k < n * next; k += next) {
      square += (double)x[k] * x[k];
      if (dy) along += (double)x[k] * dy[k];
    }
    double scale = 1 / __builtin_sqrt(square > LEAST_SQUARE ? square : LEAST_SQUARE);
    along = square > LEAST_SQUARE ? along / square : 0;
    for (size_t k = 0; k < n * next; k += next)
      op->at[Y][at + k] = (real)((dy ? dy[k] - along * x[k] : x[k]) * scale);
  }
}

static uint32_t normalized(ofs_builder *b, const ofs_layer *l, int tensor, uint32_t x,
                           uint32_t dy) {
  if (!l->n[NORMALIZED]) return dy ? dy : x;
  uint32_t y = dy ? dy : ofs_build_buffer(b, l->ins[tensor].size, 0);
  ofs_op *op = ofs_build_op(b, l, normalize_part, y, x, dy, 0);
  op->n[TENSOR] = (uint32_t)tensor;
  ofs_cut(b, op, l->n[tensor], 0, 12.0 * l->n[K] + 50, 1);
  return y;
}

static uint32_t dot_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t left = normalized(b, l, A, x, 0),
           right = normalized(b, l, B, ofs_input_buffer(b, l, 1), 0),
           y = ofs_build_buffer(b, l->out.size, 0);
  emit_product(b, l, C, y, left, right);
  b->saved[l->index] = left, b->aux[l->index] = right;
  return y;
}

static uint32_t dot_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  uint32_t dx[2] = {0, 0}, in[2] = {b->saved[l->index], b->aux[l->index]};
  for (int k = 0; k < 2; k++) {
    if (!(wanted >> k & 1)) continue;
    uint32_t d = ofs_build_buffer(b, l->ins[k].size, 0);
    emit_product(b, l, k, d, in[1 - k], dy);
    dx[k] = normalized(b, l, k, ofs_input_buffer(b, l, (uint32_t)k), d);
  }
  ofs_add_input_gradient(b, l, 1, dx[1]);
  return dx[0];
}

const ofs_layer_kind ofs_dot_kind = {.shape = dot_shape,
                                     .forward = dot_forward,
                                     .backward = dot_backward,
                                     .most_inputs = 2};
