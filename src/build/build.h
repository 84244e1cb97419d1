/* build.h: the builder: what a layer calls to put its operations into a program: buffers,
 * operations, their cut into parts, gradients.
 *
 * Operations and buffers are collected in the model's scratch, for one batch size; the operations
 * that use a buffer give its lifetime. Nothing here runs. */
#ifndef OFS_BUILD_H
#define OFS_BUILD_H

#include "build/op.h"

/* A part aims at so much work: about half a millisecond without SIMD. The unit is a floating point
 * operation of a matrix product; other work counts as the products that take its time. */
#define OFS_PART_WORK (1u << 22)
/* An operation is cut into OFS_PARTS_WANTED parts, so that threads have something to share, but not
 * into parts of less work than OFS_PART_LEAST; nor into tiles of less than OFS_TILE_LEAST, since
 * each tile of a product reads all of the other operand. */
#define OFS_PARTS_WANTED 8
#define OFS_PART_LEAST (1u << 17)
#define OFS_TILE_LEAST (1u << 19)

/* One layer emits at most so much, forward and backward; the scratch is sized by these bounds. */
#define OFS_LONG_OPS 8 /* the most operations that one long product is split into */
#define OFS_OPS_A_LAYER (2 * OFS_LONG_OPS + 20)
#define OFS_BUFFERS_A_LAYER 18
#define OFS_LINKS 8 /* numbers that the builder keeps of each node */
#define OFS_OPS_MORE (8 + 4 * (OFS_MAX_INPUTS + OFS_MAX_OUTPUTS))

/* A builder compiles a model into a program. Operations and buffers are collected in the model's
 * scratch. */
struct ofs_builder {
  int kind;
  /* samples as the node being built sees them: samples * times */
  uint32_t batch;
  uint32_t samples, times; /* the plan's samples; the node's ofs_layer.times */
  int too_many;            /* samples * times exceeds 32 bits */
  uint32_t phase;
  ofs_op *ops;
  ofs_buffer *buffers; /* index 0 is no buffer */
  uint32_t op_count, buffer_count;
  /* by node: buffers of its first input and its output; of what its backward needs of its forward;
   * of its mask (0: none), whose numbers are 0 where a position does not count; of its gradients:
   * by the output, and by the logits that a loss takes */
  uint32_t *x, *y, *aux, *saved, *mask, *dy, *logits, *dlogits;
  uint32_t inputs[OFS_MAX_INPUTS];
  /* in the backward pass: the gradient that the layer being built was given; 0 between two
   * layers */
  uint32_t turn;
  uint64_t live; /* bytes of buffers that are needed at one time */
  uint32_t gradient, rows, indices, sums;
  uint64_t sum_block;
  uint32_t forward_ops; /* operations that make the prediction */
};

/* Adds a buffer of `elements` reals a sample (`fixed`: in all) and returns its index. */
uint32_t ofs_build_buffer(ofs_builder *b, uint64_t elements, int fixed);
/* Appends an operation that reads or writes buffers b0 to b3 (0: none). The caller sets its cut and
 * sizes. */
ofs_op *ofs_build_op(ofs_builder *b, const ofs_layer *l, ofs_part_fn run, uint32_t b0, uint32_t b1,
                     uint32_t b2, uint32_t b3);
/* Returns the buffer that holds input i of a node. */
uint32_t ofs_input_buffer(const ofs_builder *b, const ofs_layer *l, uint32_t i);
/* Returns the buffer of the mask of input i of a node, 0 where it has none. */
uint32_t ofs_mask(const ofs_builder *b, const ofs_layer *l, uint32_t i);
/* Returns 1 where a forward operation may write over input i: no other node reads it, and no
 * backward. */
int ofs_can_overwrite(const ofs_builder *b, const ofs_layer *l, uint32_t i);
/* Gives the gradient of input i to the node it comes from; a model's own input ignores it. */
void ofs_add_input_gradient(ofs_builder *b, const ofs_layer *l, uint32_t i, uint32_t dx);
/* Returns the buffer to write a result of `elements` a sample to, in place of dy: dy itself, unless
 * another node reads it too. */
uint32_t ofs_writable_gradient(ofs_builder *b, uint32_t dy, uint64_t elements);
/* Emits y = x. */
void ofs_build_copy(ofs_builder *b, const ofs_layer *l, uint32_t y, uint32_t x, uint64_t elements);
/* Emits c = a + other; c may be either. */
void ofs_build_add(ofs_builder *b, const ofs_layer *l, uint32_t c, uint32_t a, uint32_t other,
                   uint64_t elements);
/* Adds a buffer, at `slot`, to those that the operation appended last uses. */
void ofs_build_use(ofs_builder *b, ofs_op *op, uint32_t slot, uint32_t buffer);
/* Cuts an operation of `units` (a sample, or `fixed` in all), each of `work`, into blocks that make
 * parts of at most OFS_PART_WORK; blocks are multiples of `multiple`. `work` counts a part of one
 * tile; the caller sets op->tiles before. */
void ofs_cut(const ofs_builder *b, ofs_op *op, uint64_t units, int fixed, double work,
             uint32_t multiple);
/* Cuts (m, n), of which there are `times`, into tiles of (*mb, *nb), so that `work` (for one
 * element) times a tile's area is a part. */
void ofs_tile(uint32_t m, uint32_t n, double work, double times, uint32_t *mb, uint32_t *nb);
/* Returns the mask of input i, where it has a number for each of so many positions; else 0. */
uint32_t ofs_mask_of(const ofs_builder *b, const ofs_layer *l, uint32_t i, uint64_t positions);
/* Adds `dx`, of `elements` a sample, to the gradient of the output of `from` (see ofs_layer). */
void ofs_add_gradient(ofs_builder *b, const ofs_layer *l, int32_t from, uint64_t elements,
                      uint32_t dx);

#endif
