/* build.h: what a layer calls to put its operations into a program: buffers, operations, their cut,
 * gradients.
 *
 * Operations and buffers are collected in the model's scratch, for one batch size; which operations
 * use a buffer gives its lifetime. Nothing here runs. */
#ifndef OFS_BUILD_H
#define OFS_BUILD_H

#include "build/op.h"

/* Work that one part aims at: about half a millisecond without SIMD. The unit is a floating point
 * operation of a matrix product; what else there is counts as the products that take its time. */
#define OFS_PART_WORK (1u << 22)
/* An operation is cut into this many parts, so that threads have something to share, but not into
 * parts of less work than LEAST; nor into tiles of less, since each tile of a product reads all of
 * the other operand. */
#define OFS_PARTS_WANTED 8
#define OFS_PART_LEAST (1u << 17)
#define OFS_TILE_LEAST (1u << 19)

/* Bounds on what one layer emits, forward and backward; the scratch is sized by them. */
#define OFS_LONG_OPS 8 /* the most operations that one long product is split into */
#define OFS_OPS_A_LAYER (2 * OFS_LONG_OPS + 20)
#define OFS_BUFFERS_A_LAYER 18
#define OFS_LINKS 8 /* numbers that the builder keeps of each node */
#define OFS_OPS_MORE (8 + 4 * (OFS_MAX_INPUTS + OFS_MAX_OUTPUTS))

/* What compiles a model into a program. Operations and buffers are collected in the model's
 * scratch. */
struct ofs_builder {
  int kind;
  /* samples as the node at hand sees them: the plan's, times those of a sample */
  uint32_t batch;
  uint32_t samples, times; /* of the plan; of the node at hand */
  int too_many;            /* more samples than can be counted */
  uint32_t phase;
  ofs_op *ops;
  ofs_buffer *buffers; /* index 0 is no buffer */
  uint32_t op_count, buffer_count;
  /* by node: its first input and output; what its backward needs of its forward; its mask (0:
   * none), whose numbers are 0 where a position does not count; its gradients: of the output, and
   * of the logits that a loss takes */
  uint32_t *x, *y, *aux, *saved, *mask, *dy, *logits, *dlogits;
  uint32_t inputs[OFS_MAX_INPUTS];
  /* on the way back: the gradient that the layer at hand was handed; 0 between two layers */
  uint32_t turn;
  uint64_t live; /* bytes of buffers that have to be there at one time */
  uint32_t gradient, rows, indices, sums;
  uint64_t sum_block;
  uint32_t forward_ops; /* those that make the prediction */
};

/* A buffer of `elements` reals a sample (`fixed`: in all). */
uint32_t ofs_build_buffer(ofs_builder *b, uint64_t elements, int fixed);
/* Appends an operation; `buffers` are read or written by it. Its cut and sizes are the caller's to
 * set. */
ofs_op *ofs_build_op(ofs_builder *b, const ofs_layer *l, ofs_part_fn run, uint32_t b0, uint32_t b1,
                     uint32_t b2, uint32_t b3);
/* The buffer that holds input i of a node. */
uint32_t ofs_input_buffer(const ofs_builder *b, const ofs_layer *l, uint32_t i);
/* The mask of input i of a node, 0 where it has none. */
uint32_t ofs_mask(const ofs_builder *b, const ofs_layer *l, uint32_t i);
/* 1 where a forward may write over input i: nobody else reads it, now or on the way back. */
int ofs_can_overwrite(const ofs_builder *b, const ofs_layer *l, uint32_t i);
/* Hands a gradient of input i to the node it comes from; a model's own input has no use for it. */
void ofs_add_input_gradient(ofs_builder *b, const ofs_layer *l, uint32_t i, uint32_t dx);
/* The buffer to write a result of `elements` a sample to, in place of dy: dy itself, unless another
 * node holds it. */
uint32_t ofs_writable_gradient(ofs_builder *b, uint32_t dy, uint64_t elements);
/* y = x */
void ofs_build_copy(ofs_builder *b, const ofs_layer *l, uint32_t y, uint32_t x, uint64_t elements);
/* c = a + b; c may be either. */
void ofs_build_add(ofs_builder *b, const ofs_layer *l, uint32_t c, uint32_t a, uint32_t other,
                   uint64_t elements);
/* One more buffer that the operation just appended uses. */
void ofs_build_use(ofs_builder *b, ofs_op *op, uint32_t slot, uint32_t buffer);
/* Sets the cut: `units` (a sample, or fixed) of `work` each, in blocks that make parts of at most
 * OFS_PART_WORK; blocks are multiples of `multiple`. Work counts a part of one tile; op->tiles is
 * the caller's, set before. */
void ofs_cut(const ofs_builder *b, ofs_op *op, uint64_t units, int fixed, double work,
             uint32_t multiple);
/* Cuts (m, n), of which there are `times`, into tiles, so that `work` (for one element) times a
 * tile's area is a part. */
void ofs_tile(uint32_t m, uint32_t n, double work, double times, uint32_t *mb, uint32_t *nb);
/* The mask of input i, where it has a number for each of so many positions. */
uint32_t ofs_mask_of(const ofs_builder *b, const ofs_layer *l, uint32_t i, uint64_t positions);
/* `dx` is a gradient of what `from` (of ofs_layer) puts out, or another part of it; `elements` a
 * sample. */
void ofs_add_gradient(ofs_builder *b, const ofs_layer *l, int32_t from, uint64_t elements,
                      uint32_t dx);

#endif
