/* fast.c: all fast kernels together. */
#include "kernels/fast.h"

#ifndef OFS_REAL_DOUBLE

void ofs_kernels_fill(ofs_kernels *k) {
  ofs_gemm_fill(k);
  ofs_winograd_fill(k);
  ofs_pooling_fill(k);
  ofs_depthwise_fill(k);
  ofs_optimize_fill(k);
  ofs_gates_fill(k);
  ofs_norm_fill(k);
  ofs_scores_fill(k);
  ofs_elementwise_fill(k);
}

#endif
