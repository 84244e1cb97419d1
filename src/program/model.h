/* model.h: a model: its layers, inputs and outputs, its parameters, moments and step count.
 *
 * It lies in a block of the caller (block.c). Only an update changes its numbers, so that between
 * steps everybody sees the last update that was applied. */
#ifndef OFS_MODEL_H
#define OFS_MODEL_H

#include "build/op.h"
#include "step/losses.h"
#include "step/optimizer.h"

/* An input of the model is shape.size numbers from `at` on of each row of x. */
typedef struct ofs_input {
  ofs_shape shape;
  uint64_t at;
  int read; /* a layer reads it */
  /* where an embedding reads it: the bound of its indices, which are never scaled; else 0 */
  uint64_t below;
} ofs_input;

struct ofs_model {
  ofs_kernels kernels;
  uint32_t key[2];
  uint32_t layer_count, tensor_count; /* nodes; tensors, copies of tied ones not counted */
  uint32_t spec_layers;               /* layers of the spec */
  uint32_t more_ops, more_buffers;    /* room for nodes that emit many */
  ofs_layer *layers;
  uint32_t input_count, output_count;
  ofs_input inputs[OFS_MAX_INPUTS];
  ofs_output outputs[OFS_MAX_OUTPUTS];
  uint64_t row; /* numbers of a row of x, all inputs */
  real input_scale, input_offset;
  ofs_optimizer optimizer;
  uint64_t parameters; /* parameters of all layers */
  uint64_t tied;       /* numbers after these, of layers whose weights are not stored */
  uint64_t trained;    /* parameters that the optimizer changes */
  real *params;
  uint64_t step;
  uint32_t fill_tensor; /* position of ofs_model_randomize */
  uint64_t fill_at, fill_turn;
  ofs_metrics *metrics; /* those of the next plan; NULL: none */
  ofs_team *team;       /* the team that shares its steps; NULL: none */
  ofs_op *ops;          /* the builder's scratch */
  ofs_buffer *buffers;
  uint32_t *links;
};

#endif
