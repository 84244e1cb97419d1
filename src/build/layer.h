/* layer.h: a layer of the network, as its shape function fills it and its operations read it.
 *
 * A model is a graph of NODES in the order of the spec, so that a node's inputs stand before it. A
 * layer of the spec is one node, or several (a separable convolution is two, a bidirectional layer
 * three). No layer knows what owns it, or which other layers there are. */
#ifndef OFS_LAYER_H
#define OFS_LAYER_H

#include "base/numbers.h"
#include "base/status.h"
#include "spec/records.h"

/* OFS_MAX_SAMPLE is the most elements of one sample's tensor, OFS_MAX_TENSOR of one parameter
 * tensor. */
#define OFS_MAX_SAMPLE 2147483647.0
#define OFS_MAX_TENSOR (1ull << 44)
/* The layers of a spec become at most OFS_MAX_NODES nodes; a node has at most OFS_MAX_JOIN inputs
 * and OFS_LAYER_WEIGHTS parameter tensors. */
#define OFS_MAX_NODES (2 * OFS_MAX_LAYERS)
#define OFS_MAX_JOIN 16
#define OFS_LAYER_WEIGHTS 8

typedef struct ofs_shape {
  uint32_t rank;
  uint32_t dims[OFS_MAX_RANK];
  uint64_t size;
} ofs_shape;

/* A window that slides over an image: convolution or pool. Input (h, w, c), output (oh, ow, f). */
typedef struct ofs_window {
  uint32_t h, w, c, oh, ow, f;
  uint32_t kh, kw, sh, sw, dh, dw;
  /* groups of channels, each of which has its own filters; 1 for all but convolutions */
  uint32_t groups;
  uint32_t top, left, bottom, right; /* padding */
} ofs_window;

/* A weight is one of a layer's parameter tensors. */
typedef struct ofs_weight {
  uint32_t role, init, rank, dims[OFS_MAX_RANK];
  uint32_t field; /* its initializer's id */
  /* the initializer's options; init_count of them were given */
  double init_values[OFS_INIT_VALUES];
  uint32_t init_count;
  /* its numbers where the spec gives them; valid while the spec is read, then only not NULL */
  const double *given;
  uint32_t given_count;
  double l1, l2;    /* penalties: l1 sum |w| + l2 sum w^2 */
  double norm_most; /* the norm over axes norm_axis to norm_last stays below it; 0: no constraint */
  uint32_t norm_axis, norm_last;
  double momentum;             /* momentum of a moving statistic; -1: not one */
  uint64_t size, at;           /* at: index in the flat parameter vector */
  uint64_t moment_at;          /* index in the optimizer's vectors, where it trains */
  uint32_t ones_from, ones_to; /* elements that begin as 1, whatever the initializer */
} ofs_weight;

typedef struct ofs_layer {
  uint32_t type, act;
  uint32_t index;      /* index of the node */
  uint32_t spec_index; /* index of the layer in the spec, which errors name */
  uint32_t side;       /* of a bidirectional layer: 1 forward, 2 backward */
  /* inputs: a node, or -1 - k: input k of the model */
  int32_t from[OFS_MAX_JOIN];
  uint32_t in_count;
  uint32_t readers;   /* reads of the output by other nodes */
  uint32_t output;    /* 1 + which output of the model it is; 0: none */
  int logits;         /* the loss of that output takes the activation's input */
  int trains;         /* its weights change */
  int needs_gradient; /* a gradient has to reach its output: it trains, or a node before it does */
  /* its weights are no tensors of the model: they are copies of tied ones, or numbers of the
   * spec */
  int not_stored;
  uint32_t tied;  /* 1 + the node whose weights it copies at the start of every step */
  int transposed; /* the copy is transposed */
  /* where it is time distributed: it sees `times` samples for each of the model's, one after the
   * other */
  uint32_t times;
  ofs_shape in, out; /* one sample as the layer sees it; in: the first input */
  ofs_shape ins[OFS_MAX_JOIN];
  ofs_shape shape; /* the output as the nodes that read it see it */
  /* its weights, contiguous in the flat parameter vector, in the order of Keras's get_weights */
  uint32_t weight_count;
  ofs_weight weights[OFS_LAYER_WEIGHTS];
  uint64_t weights_at, weights_size;
  /* two of these: the kernel, which is the first, and the bias; sizes are 0 where there is none */
  uint64_t kernel_at, kernel_size, bias_at, bias_size;
  ofs_window window;
  double rate;
  uint32_t units, state_act, gate_act, sequences; /* recurrent layers */
  uint32_t n[8];                                  /* numbers of the layer type's own */
  double v[4];
} ofs_layer;

typedef struct ofs_builder ofs_builder;

/* A layer kind is one layer type: how its record becomes a layer (shapes, parameters), and which
 * operations it takes. */
typedef struct ofs_layer_kind {
  ofs_status (*shape)(ofs_layer *l, const ofs_record *r, ofs_error *err);
  /* takes the input's buffer, returns the output's */
  uint32_t (*forward)(ofs_builder *b, ofs_layer *l, uint32_t x);
  /* takes the gradient of the output, returns that of input 0 and gives those of other inputs to
   * ofs_add_input_gradient(); an input whose bit in `wanted` is 0 gets none (0). Where l->trains,
   * it writes the layer's own gradients, every one of them. dy may be returned as it is, but
   * written over only by way of ofs_writable_gradient(). */
  uint32_t (*backward)(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted);
  int masks;                       /* the output has the mask of input 0 */
  uint32_t most_inputs;            /* 0: one */
  uint32_t more_ops, more_buffers; /* beyond OFS_OPS_A_LAYER, OFS_BUFFERS_A_LAYER, for each input */
} ofs_layer_kind;

/* ---- what a shape function calls ---- */

/* Adds one parameter tensor to the layer and returns it; it is the layer's. The kernel comes first,
 * in Keras's order. `field` is the id of its initializer; regularizer and constraint have ids 10
 * and 20 above it. */
ofs_weight *ofs_add_weight(ofs_layer *l, const ofs_record *r, uint32_t role, uint32_t field,
                           uint32_t rank, const uint32_t *dims);
/* Refuses input `which`, whose rank is not within [low, high]. */
ofs_status ofs_refuse_rank(const ofs_layer *l, uint32_t which, uint32_t low, uint32_t high,
                           ofs_error *err);
/* These return the last axis of a layer's first input, and how often a sample has it. */
uint32_t ofs_channels(const ofs_layer *l);
uint64_t ofs_positions(const ofs_layer *l);

#endif
