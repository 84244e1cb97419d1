/* view.c: operations that read a tensor through a view, and the layers that do nothing else:
 * repeatVector and permute. */
#include "layers/view.h"

#include "base/copy.h"
#include "layers/kinds.h"

ofs_view ofs_view_of(const ofs_shape *in, const ofs_shape *out, int mask) {
  ofs_view v = {.rank = out->rank, .size = 1, .rows = 1};
  for (uint32_t i = out->rank; i-- > 0;) {
    uint32_t back = out->rank - i, one = mask && back == 1;
    uint32_t n = !one && back <= in->rank ? in->dims[in->rank - back] : 1;
    v.dims[i] = one ? 1 : out->dims[i];
    v.strides[i] = n > 1 ? (uint32_t)v.size : 0;
    v.size *= n;
    if (back > 1) v.rows *= v.dims[i];
  }
  v.last = v.dims[v.rank - 1];
  v.step = v.strides[v.rank - 1];
  return v;
}

uint64_t ofs_view_at(const ofs_view *v, uint64_t row) {
  uint64_t at = row / v->rows * v->size;
  row %= v->rows;
  for (uint32_t i = v->rank - 1; i-- > 0; row /= v->dims[i]) at += row % v->dims[i] * v->strides[i];
  return at;
}

/* Returns the view of input k as the output sees it. Axis i of a permuted one is axis l->n[i] of
 * the input. */
static ofs_view view_of_input(const ofs_layer *l, uint32_t k) {
  ofs_view v = ofs_view_of(&l->ins[k], &l->out, 0);
  if (l->type != OFS_PERMUTE) return v;
  v.size = l->in.size;
  for (uint32_t i = 0; i < v.rank; i++) {
    v.strides[i] = 1;
    for (uint32_t j = l->n[i] + 1; j < v.rank; j++) v.strides[i] *= l->in.dims[j];
  }
  v.step = v.strides[v.rank - 1];
  return v;
}

/* Buffers; op->n: which input. */
enum { Y, X };
enum { DX, DY };
enum { INPUT };

/* Copies input 0 to y through its view. */
static void spread_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  ofs_view v = view_of_input(op->layer, 0);
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t row = r.from; row < r.to; row++) {
    real *y = op->at[Y] + row * v.last;
    const real *x = op->at[X] + ofs_view_at(&v, row);
    for (uint32_t i = 0; i < v.last; i++, x += v.step) y[i] = *x;
  }
}

/* Sums into dx all numbers of dy that show the same number of input op->n[INPUT]. */
static void collect_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  ofs_view v = view_of_input(op->layer, op->n[INPUT]);
  const ofs_range r = ofs_range_of(op, part);
  ofs_zero(op->at[DX] + r.from * v.size, (r.to - r.from) * v.size);
  for (uint64_t row = r.from * v.rows; row < r.to * v.rows; row++) {
    const real *dy = op->at[DY] + row * v.last;
    real *dx = op->at[DX] + ofs_view_at(&v, row);
    for (uint32_t i = 0; i < v.last; i++, dx += v.step) *dx += dy[i];
  }
}

static uint32_t collected(ofs_builder *b, const ofs_layer *l, uint32_t k, uint32_t dy) {
  uint32_t dx = ofs_build_buffer(b, l->ins[k].size, 0);
  ofs_op *op = ofs_build_op(b, l, collect_part, dx, dy, 0, 0);
  op->n[INPUT] = k;
  ofs_cut(b, op, 1, 0, 16.0 * (double)l->out.size, 1);
  return dx;
}

uint32_t ofs_build_collected(ofs_builder *b, const ofs_layer *l, uint32_t k, uint32_t dy) {
  return l->ins[k].size == l->out.size ? dy : collected(b, l, k, dy);
}

static uint32_t view_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t y = ofs_build_buffer(b, l->out.size, 0), last = l->out.dims[l->out.rank - 1];
  ofs_cut(b, ofs_build_op(b, l, spread_part, y, x, 0, 0), l->out.size / last, 0, 8.0 * last + 32,
          1);
  return y;
}

static uint32_t view_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  return wanted ? collected(b, l, 0, dy) : 0;
}

static ofs_status repeat_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  if (l->in.rank != 1) return ofs_refuse_rank(l, 0, 1, 1, err);
  l->out = (ofs_shape){.rank = 2, .dims = {(uint32_t)r->v[OFS_REPEAT_VECTOR_N][0], l->in.dims[0]}};
  return OFS_OK;
}

/* Reads the axes: dims has every axis once, from 1 on. */
static ofs_status permute_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  uint32_t seen = 0;
  l->out.rank = l->in.rank;
  if (r->count[OFS_PERMUTE_DIMS] != l->in.rank)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_PERMUTE_DIMS, OFS_WHY_COUNT,
                      r->count[OFS_PERMUTE_DIMS], l->in.rank, l->in.rank);
  for (uint32_t i = 0; i < l->in.rank; i++) {
    uint32_t axis = (uint32_t)r->v[OFS_PERMUTE_DIMS][i];
    if (axis > l->in.rank || seen >> axis & 1)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_PERMUTE_DIMS,
                        seen >> axis & 1 ? OFS_WHY_TWICE : OFS_WHY_RANGE, axis, 1, l->in.rank);
    seen |= 1u << axis;
    l->n[i] = axis - 1;
    l->out.dims[i] = l->in.dims[axis - 1];
  }
  return OFS_OK;
}

const ofs_layer_kind ofs_repeat_vector_kind = {.shape = repeat_shape,
                                               .forward = view_forward,
                                               .backward = view_backward};
const ofs_layer_kind ofs_permute_kind = {.shape = permute_shape,
                                         .forward = view_forward,
                                         .backward = view_backward};
