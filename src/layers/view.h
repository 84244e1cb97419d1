/* view.h: a tensor of one sample as another shape sees it: with axes that repeat themselves or
 * stand in another order. */
#ifndef OFS_VIEW_H
#define OFS_VIEW_H

#include "build/build.h"

typedef struct ofs_view {
  uint64_t rows, size; /* of a sample: rows of the other shape, numbers of the tensor */
  uint32_t last, step; /* numbers of a row; from one to the next in the tensor */
  uint32_t rank, dims[OFS_MAX_RANK], strides[OFS_MAX_RANK];
} ofs_view;

/* `in`, aligned with `out` at the last axis; where it has 1 or nothing, it repeats itself. mask:
 * both without their last axis. */
ofs_view ofs_view_of(const ofs_shape *in, const ofs_shape *out, int mask);
/* Where row `row` of a batch begins in the tensor. */
uint64_t ofs_view_at(const ofs_view *v, uint64_t row);
/* The gradient of input k, from one that has the output's shape: dx sums what the input repeats. */
uint32_t ofs_build_collected(ofs_builder *b, const ofs_layer *l, uint32_t k, uint32_t dy);

#endif
