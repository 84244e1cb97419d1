/* ref.h: the reference kernels: every kernel in plain C, a file for each family under the name of
 * its fast twin.
 *
 * They are complete without the fast ones, which are tested against them. The order of additions is
 * as kernels.h fixes it. Clearness comes before speed: nothing is blocked and no vector type is
 * used, so that the same files serve the double build of the gradient proofs. */
#ifndef OFS_REF_H
#define OFS_REF_H

#include "kernels/kernels.h"

void ofs_gemm_fill_ref(ofs_kernels *k);
void ofs_winograd_fill_ref(ofs_kernels *k);
void ofs_elementwise_fill_ref(ofs_kernels *k);
void ofs_cells_fill_ref(ofs_kernels *k);
void ofs_pool_fill_ref(ofs_kernels *k);
void ofs_depthwise_fill_ref(ofs_kernels *k);
void ofs_norm_fill_ref(ofs_kernels *k);
void ofs_scores_fill_ref(ofs_kernels *k);
void ofs_optimizers_fill_ref(ofs_kernels *k);

/* These return an activation of one number and its derivative times dy: x is read where
 * OFS_ACT_OF_INPUT says so, y otherwise. */
ofs_real ofs_activate_ref(uint32_t act, ofs_real x);
ofs_real ofs_differentiate_ref(uint32_t act, ofs_real x, ofs_real y, ofs_real dy);

#endif
