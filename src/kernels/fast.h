/* fast.h: the functions by which the files of fast kernels hand them to ofs_kernels_fill. Together
 * they set every pointer, so that a program which never asks for the reference kernels does not
 * carry them. */
#ifndef OFS_KERNELS_FAST_H
#define OFS_KERNELS_FAST_H

#include "kernels/kernels.h"

void ofs_gemm_fill(ofs_kernels *k);
void ofs_winograd_fill(ofs_kernels *k);
void ofs_pool_fill(ofs_kernels *k);
void ofs_depthwise_fill(ofs_kernels *k);
void ofs_optimizers_fill(ofs_kernels *k);
void ofs_cells_fill(ofs_kernels *k);
void ofs_norm_fill(ofs_kernels *k);
void ofs_scores_fill(ofs_kernels *k);
void ofs_elementwise_fill(ofs_kernels *k);

#endif
