/* scale.c: y = (x - mean) * scale + offset: rescaling, with numbers of the spec, and normalization,
 * which has a mean and a scale 1 / max(sqrt(variance), 1e-7) for each number of the last axis,
 * given and never trained (as Keras has them). */
#include "layers/scale.h"

#include "layers/kinds.h"

#define LEAST_DEVIATION 1e-7

/* l->v of rescaling; buffers; op->n: numbers of a row, 1 where a gradient is scaled. */
enum { SCALE, OFFSET };
enum { Y, X };
enum { COLUMNS, BACK };

static void scale_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  uint32_t columns = op->n[COLUMNS], back = op->n[BACK];
  const ofs_range r = ofs_range_of(op, part);
  for (size_t c = 0; c < columns; c++) {
    real mean = 0, scale = (real)l->v[SCALE], offset = back ? 0 : (real)l->v[OFFSET];
    if (l->type == OFS_NORMALIZATION) {
      double deviation = __builtin_sqrt((double)ctx->params[l->weights[1].at + c]);
      mean = back ? 0 : ctx->params[l->weights[0].at + c];
      scale = (real)(1 / (deviation > LEAST_DEVIATION ? deviation : LEAST_DEVIATION));
    }
    for (uint64_t i = r.from * columns + c; i < r.to * columns; i += columns)
      op->at[Y][i] = (op->at[X][i] - mean) * scale + offset;
  }
}

void ofs_build_scale(ofs_builder *b, const ofs_layer *l, uint32_t y, uint32_t x, int back) {
  ofs_op *op = ofs_build_op(b, l, scale_part, y, x, 0, 0);
  op->n[COLUMNS] = l->type == OFS_NORMALIZATION ? l->out.dims[l->out.rank - 1] : 1,
  op->n[BACK] = (uint32_t)back;
  ofs_cut(b, op, l->out.size / op->n[COLUMNS], 0, 8.0 * op->n[COLUMNS], 16);
}

static uint32_t scale_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t y = ofs_can_overwrite(b, l, 0) ? x : ofs_build_buffer(b, l->out.size, 0);
  ofs_build_scale(b, l, y, x, 0);
  return y;
}

static uint32_t scale_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  if (!wanted) return 0;
  uint32_t dx = ofs_writable_gradient(b, dy, l->out.size);
  ofs_build_scale(b, l, dx, dy, 1);
  return dx;
}

static ofs_status rescaling_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  (void)err;
  l->out = l->in;
  l->v[SCALE] = r->v[OFS_RESCALING_SCALE][0];
  l->v[OFFSET] = r->v[OFS_RESCALING_OFFSET][0];
  return OFS_OK;
}

static ofs_status normalization_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  static const double zeros = OFS_INIT_ZEROS;
  ofs_record begun = {.layer = r->layer, .v[0] = &zeros, .count[0] = 1};
  uint32_t n = l->in.dims[l->in.rank - 1];
  l->out = l->in;
  l->trains = 0;
  for (uint32_t k = 0; k < 2; k++) {
    uint32_t field = k ? OFS_NORMALIZATION_VARIANCE : OFS_NORMALIZATION_MEAN,
             count = r->count[field];
    if (count != 1 && count != n)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, (int32_t)field, OFS_WHY_COUNT, count, n,
                        n);
    ofs_weight *w = ofs_add_weight(l, &begun, k ? OFS_VARIANCE : OFS_MEAN, 0, 1, &n);
    w->given = r->v[field];
    w->given_count = count;
  }
  return OFS_OK;
}

const ofs_layer_kind ofs_rescaling_kind = {.shape = rescaling_shape,
                                           .forward = scale_forward,
                                           .backward = scale_backward,
                                           .masks = 1};
const ofs_layer_kind ofs_normalization_kind = {.shape = normalization_shape,
                                               .forward = scale_forward,
                                               .backward = scale_backward,
                                               .masks = 1};
