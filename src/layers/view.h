/* view.h: views of one sample's tensor in another shape: axes repeat or stand in another order. */
#ifndef OFS_VIEW_H
#define OFS_VIEW_H

#include "build/build.h"

typedef struct ofs_view {
  uint64_t rows, size; /* of a sample: rows in the other shape, numbers of the tensor */
  uint32_t last, step; /* numbers of a row; distance of two neighbours in the tensor */
  uint32_t rank, dims[OFS_MAX_RANK], strides[OFS_MAX_RANK];
} ofs_view;

/* Returns the view of `in` in the shape `out`, aligned at the last axis; axes of `in` that are 1 or
 * absent repeat. mask: both without their last axis. */
ofs_view ofs_view_of(const ofs_shape *in, const ofs_shape *out, int mask);
/* Returns the index in the tensor at which row `row` of a batch begins. */
uint64_t ofs_view_at(const ofs_view *v, uint64_t row);
/* Emits the gradient of input k from dy, which has the output's shape: it sums what the input
 * repeats. */
uint32_t ofs_build_collected(ofs_builder *b, const ofs_layer *l, uint32_t k, uint32_t dy);

#endif
