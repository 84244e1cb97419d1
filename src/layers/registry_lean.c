/* registry_lean.c: the lean set, in place of registry.c and kernels/fast.c: the layer types that
 * nets of pictures and of numbers are made of, and their kernels.
 *
 * Its layers are made by the same code as in the full set, to the same bits; any other type is
 * refused as unknown, after which the session takes the full set. */
#include "layers/registry.h"

#include "kernels/fast.h"
#include "layers/conv.h"
#include "layers/depthwise.h"
#include "layers/kinds.h"

const ofs_layer_kind *ofs_layer_kind_of(uint32_t type) {
  switch (type) {
  case OFS_DENSE: return &ofs_dense_kind;
  case OFS_CONV1D:
  case OFS_CONV2D: return &ofs_conv2d_kind;
  case OFS_MAX_POOLING1D:
  case OFS_MAX_POOLING2D:
  case OFS_AVERAGE_POOLING1D:
  case OFS_AVERAGE_POOLING2D: return &ofs_pool2d_kind;
  case OFS_GLOBAL_MAX_POOLING1D:
  case OFS_GLOBAL_MAX_POOLING2D:
  case OFS_GLOBAL_AVERAGE_POOLING1D:
  case OFS_GLOBAL_AVERAGE_POOLING2D: return &ofs_global_pool_kind;
  case OFS_ZERO_PADDING2D:
  case OFS_CROPPING2D: return &ofs_placed_kind;
  case OFS_FLATTEN: return &ofs_flatten_kind;
  case OFS_RESHAPE: return &ofs_reshape_kind;
  case OFS_DROPOUT:
  case OFS_SPATIAL_DROPOUT2D:
  case OFS_GAUSSIAN_NOISE: return &ofs_random_kind;
  case OFS_RESCALING: return &ofs_rescaling_kind;
  case OFS_SOFTMAX: return &ofs_softmax_kind;
  case OFS_ACTIVATION: return &ofs_activation_kind;
  default: return NULL;
  }
}

int ofs_layer_part(const ofs_record *r, uint32_t k, ofs_record *part) {
  int convolves = r->id == OFS_CONV1D || r->id == OFS_CONV2D, more = ofs_conv_part(r, k, part);
  /* which is not here */
  if (convolves && r->v[OFS_CONV2D_GROUPS][0] != 1) part->id = OFS_DEPTHWISE_CONV2D;
  return more;
}

void ofs_kernels_fill(ofs_kernels *k) {
  ofs_gemm_fill(k);
  ofs_winograd_fill(k);
  ofs_pool_fill(k);
  ofs_optimizers_fill(k);
  ofs_elementwise_fill(k);
}

/* conv.c names them; no convolution comes to them. */
uint32_t ofs_build_depthwise(ofs_builder *b, ofs_layer *l, uint32_t x, uint32_t act) {
  (void)b, (void)l, (void)act;
  return x;
}

uint32_t ofs_build_depthwise_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  (void)b, (void)l, (void)wanted;
  return dy;
}
