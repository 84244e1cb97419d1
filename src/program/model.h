/* model.h: a model: its layers, what goes in and out of it, its parameters, moments and step count.
 *
 * It lies in a block of the caller (block.c). Only an update changes its numbers, so that between
 * steps everybody sees the last one that was applied. */
#ifndef OFS_MODEL_H
#define OFS_MODEL_H

#include "build/op.h"
#include "step/losses.h"
#include "step/optimizer.h"

/* An input of the model: `size` numbers from `at` on of each row of x. */
typedef struct ofs_input {
  ofs_shape shape;
  uint64_t at;
  int read;       /* by a layer */
  uint64_t below; /* an embedding reads it: indices below this, never scaled; 0: none does */
} ofs_input;

struct ofs_model {
  ofs_kernels kernels;
  uint32_t key[2];
  uint32_t layer_count, tensor_count; /* nodes; tensors of their own */
  uint32_t spec_layers;               /* layers of the spec */
  uint32_t more_ops, more_buffers;    /* for nodes that take many */
  ofs_layer *layers;
  uint32_t input_count, output_count;
  ofs_input inputs[OFS_MAX_INPUTS];
  ofs_output outputs[OFS_MAX_OUTPUTS];
  uint64_t row; /* numbers of one sample's x, all inputs */
  real input_scale, input_offset;
  ofs_optimizer optimizer;
  uint64_t parameters; /* of all layers */
  uint64_t tied;       /* numbers behind these, of layers whose weights are not stored */
  uint64_t trained;    /* parameters that the optimizer changes */
  real *params;
  uint64_t step;
  uint32_t fill_tensor; /* where ofs_model_randomize goes on */
  uint64_t fill_at, fill_turn;
  ofs_team *team; /* who shares its steps; NULL: nobody */
  ofs_op *ops;    /* the builder's scratch */
  ofs_buffer *buffers;
  uint32_t *links;
};

#endif
