/* dense.h: the products of a dense layer, for every layer with a kernel (K, N) over rows of
 * numbers. */
#ifndef OFS_DENSE_H
#define OFS_DENSE_H

#include "build/partials.h"

/* These emit a dense layer over the last axis; a convolution of 1 x 1 with stride 1 is one too. */
uint32_t ofs_build_dense(ofs_builder *b, ofs_layer *l, uint32_t x);
uint32_t ofs_build_dense_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted);

/* An affine product is y = x W + b over rows of numbers, W (K, N): which weight W is; 1 + which one
 * is the bias (0: none), and its row; K and N; and how many rows a sample has. */
typedef struct ofs_affine {
  uint32_t which, bias, row, k, n, positions;
} ofs_affine;
/* Returns the product of a weight (..., K, N) over the positions of the layer's input; row: of its
 * bias, -1: none. */
ofs_affine ofs_affine_of(const ofs_layer *l, uint32_t which, int row);
/* These emit y = x W + b, then the layer's activation where `fuse`; and dx = dy W^T, or dx += dy
 * W^T where `add`. */
void ofs_build_affine(ofs_builder *b, const ofs_layer *l, const ofs_affine *a, uint32_t y,
                      uint32_t x, int fuse);
void ofs_build_affine_back(ofs_builder *b, const ofs_layer *l, const ofs_affine *a, uint32_t dx,
                           uint32_t dy, int add);
/* Emits dW = x^T dy, and the bias's row = the sum of dy. */
void ofs_build_weight_gradient(ofs_builder *b, const ofs_layer *l, const ofs_chunks *c,
                               const ofs_affine *a, uint32_t x, uint32_t dy);

#endif
