/* shape.c: flatten and reshape. They change how a sample is read, not its numbers: no operation, no buffer. */
#include "layers.h"

static ofs_status flatten_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  (void)r, (void)err;
  l->out = (ofs_shape){.rank = 1, .dims = {(uint32_t)l->in.size}};
  return OFS_OK;
}

static ofs_status reshape_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  double size = 1;
  l->out.rank = r->count[OFS_RESHAPE_TARGET_SHAPE];
  for (uint32_t i = 0; i < l->out.rank; i++) {
    l->out.dims[i] = (uint32_t)r->v[OFS_RESHAPE_TARGET_SHAPE][i];
    size *= l->out.dims[i];
  }
  if (size == (double)l->in.size) return OFS_OK;
  return ofs_refuse(err, OFS_INVALID_SPEC, r->place, OFS_RESHAPE_TARGET_SHAPE, OFS_WHY_PRODUCT, size,
                    (double)l->in.size, (double)l->in.size);
}

static uint32_t same_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  (void)b, (void)l;
  return x;
}

static uint32_t same_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  (void)b, (void)l;
  return wanted ? dy : 0;
}

const ofs_layer_kind ofs_flatten_kind = {.shape = flatten_shape, .forward = same_forward, .backward = same_backward};
const ofs_layer_kind ofs_reshape_kind = {.shape = reshape_shape, .forward = same_forward, .backward = same_backward};
