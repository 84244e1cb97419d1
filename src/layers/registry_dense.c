/* registry_dense.c: the smallest set of layer types, in place of registry.c: what nets of dense layers are made of.
 *
 * It stands to the lean set as that one to the full set (see registry_lean.c): the same code, the same bits, any other type
 * refused. The kernels that are not here are functions that do nothing, because ofs_kernels_fill names them. */
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

void ofs_winograd_fill(ofs_kernels *k) { (void)k; }
void ofs_pooling_fill(ofs_kernels *k) { (void)k; }
void ofs_depthwise_fill(ofs_kernels *k) { (void)k; }
void ofs_gates_fill(ofs_kernels *k) { (void)k; }
void ofs_norm_fill(ofs_kernels *k) { (void)k; }
void ofs_scores_fill(ofs_kernels *k) { (void)k; }
