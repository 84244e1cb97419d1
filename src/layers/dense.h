/* dense.h: the products of a dense layer, for all that have a kernel (K, N) over rows of
 * numbers. */
#ifndef OFS_DENSE_H
#define OFS_DENSE_H

#include "build/partials.h"

/* dense over the last axis; a convolution of 1 x 1 with stride 1 is one too. */
uint32_t ofs_build_dense(ofs_builder *b, ofs_layer *l, uint32_t x);
uint32_t ofs_build_dense_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted);

/* The products of a dense layer, for others that have a kernel (K, N) over rows of numbers: which
 * weight it is, 1 + which one is the bias (0: none) and the row of it, K and N, and how many rows a
 * sample has. */
typedef struct ofs_affine {
  uint32_t which, bias, row, k, n, positions;
} ofs_affine;
/* That of a weight (..., K, N) over the positions of the layer's input; row: of its bias, -1:
 * none. */
ofs_affine ofs_affine_of(const ofs_layer *l, uint32_t which, int row);
/* y = x W + b, then the layer's activation where `fuse`; dx = dy W^T, or that added to dx. */
void ofs_build_affine(ofs_builder *b, const ofs_layer *l, const ofs_affine *a, uint32_t y,
                      uint32_t x, int fuse);
void ofs_build_affine_back(ofs_builder *b, const ofs_layer *l, const ofs_affine *a, uint32_t dx,
                           uint32_t dy, int add);
/* dW = x^T dy, and the bias's row = the sum of dy. */
void ofs_build_weight_gradient(ofs_builder *b, const ofs_layer *l, const ofs_chunks *c,
                               const ofs_affine *a, uint32_t x, uint32_t dy);

#endif
