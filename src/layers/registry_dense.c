/* registry_dense.c: the smallest set, in place of registry.c and kernels/fast.c: the layer types of
 * nets of dense layers. It stands to the lean set as that one to the full set (registry_lean.c). */
#include "layers/registry.h"

#include "kernels/fast.h"
#include "layers/kinds.h"

const ofs_layer_kind *ofs_layer_kind_of(uint32_t type) {
  switch (type) {
  case OFS_DENSE: return &ofs_dense_kind;
  case OFS_FLATTEN: return &ofs_flatten_kind;
  case OFS_RESHAPE: return &ofs_reshape_kind;
  case OFS_DROPOUT:
  case OFS_SPATIAL_DROPOUT2D:
  case OFS_GAUSSIAN_NOISE: return &ofs_random_kind;
  case OFS_SOFTMAX: return &ofs_softmax_kind;
  case OFS_ACTIVATION: return &ofs_activation_kind;
  default: return NULL;
  }
}

int ofs_layer_part(const ofs_record *r, uint32_t k, ofs_record *part) {
  *part = *r;
  return k == 0;
}

void ofs_kernels_fill(ofs_kernels *k) {
  ofs_gemm_fill(k);
  ofs_optimizers_fill(k);
  ofs_elementwise_fill(k);
}
