/* shape.c: flatten and reshape. They change how a sample is read, not its numbers: no operation, no
 * buffer. */
#include "layers/kinds.h"

static ofs_status flatten_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  (void)r, (void)err;
  l->out = (ofs_shape){.rank = 1, .dims = {(uint32_t)l->in.size}};
  return OFS_OK;
}

static ofs_status reshape_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  const double *dims = r->v[OFS_RESHAPE_TARGET_SHAPE];
  double size = 1;
  uint32_t open = OFS_MAX_RANK; /* the axis of -1 */
  l->out.rank = r->count[OFS_RESHAPE_TARGET_SHAPE];
  for (uint32_t i = 0; i < l->out.rank; i++) {
    if (dims[i] == 0 || (dims[i] < 0 && open < OFS_MAX_RANK))
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_RESHAPE_TARGET_SHAPE, OFS_WHY_RANGE,
                        dims[i], 1, 16777216);
    if (dims[i] < 0)
      open = i;
    else
      l->out.dims[i] = (uint32_t)dims[i], size *= dims[i];
  }
  if (open < OFS_MAX_RANK) {
    uint64_t rest = size <= (double)l->in.size ? l->in.size / (uint64_t)size : 1;
    l->out.dims[open] = (uint32_t)rest;
    size *= (double)rest;
  }
  if (size == (double)l->in.size) return OFS_OK;
  return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_RESHAPE_TARGET_SHAPE, OFS_WHY_PRODUCT,
                    size, (double)l->in.size, (double)l->in.size);
}

static uint32_t same_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  (void)b, (void)l;
  return x;
}

static uint32_t same_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  (void)b, (void)l;
  return wanted ? dy : 0;
}

const ofs_layer_kind ofs_flatten_kind = {.shape = flatten_shape,
                                         .forward = same_forward,
                                         .backward = same_backward};
const ofs_layer_kind ofs_reshape_kind = {.shape = reshape_shape,
                                         .forward = same_forward,
                                         .backward = same_backward};
