/* ref.c: all reference kernels together. */
#include "kernels/ref/ref.h"

void ofs_kernels_fill_ref(ofs_kernels *k) {
  ofs_gemm_fill_ref(k);
  ofs_winograd_fill_ref(k);
  ofs_elementwise_fill_ref(k);
  ofs_cells_fill_ref(k);
  ofs_pool_fill_ref(k);
  ofs_depthwise_fill_ref(k);
  ofs_norm_fill_ref(k);
  ofs_scores_fill_ref(k);
  ofs_optimizers_fill_ref(k);
}

#ifdef OFS_REAL_DOUBLE
void ofs_kernels_fill(ofs_kernels *k) { ofs_kernels_fill_ref(k); }
#endif
