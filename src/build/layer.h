/* layer.h: a layer of the network, as its shape function fills it and its operations read it.
 *
 * A model is a graph of NODES in the order of the spec, so that a node's inputs stand before it. A
 * layer of the spec is one node, or several (a separable convolution is two, a bidirectional layer
 * three). What a layer is owned by, and which other layers there are, no layer knows. */
#ifndef OFS_LAYER_H
#define OFS_LAYER_H

#include "base/numbers.h"
#include "base/status.h"
#include "spec/records.h"

/* The most elements of one sample's tensor, and of one parameter tensor. */
#define OFS_MAX_SAMPLE 2147483647.0
#define OFS_MAX_TENSOR (1ull << 44)
/* Nodes that the layers of a spec become, at most; inputs of a layer; its parameter tensors. */
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
  /* of channels, each of which is seen by its own filters; of what else slides 1 */
  uint32_t groups;
  uint32_t top, left, bottom, right; /* padding */
} ofs_window;

/* One of a layer's parameter tensors. */
typedef struct ofs_weight {
  uint32_t role, init, rank, dims[OFS_MAX_RANK];
  uint32_t field; /* its initializer's id */
  /* what the initializer is told; init_count of them were given */
  double init_values[OFS_INIT_VALUES];
  uint32_t init_count;
  /* its numbers, while a spec is read; then only that it has them from there */
  const double *given;
  uint32_t given_count;
  double l1, l2;    /* penalties: l1 sum |w| + l2 sum w^2 */
  double norm_most; /* the norm over axes norm_axis to norm_last stays below it; 0: no constraint */
  uint32_t norm_axis, norm_last;
  double momentum;             /* of a moving statistic; -1: not one */
  uint64_t size, at;           /* at: in the flat parameter vector */
  uint64_t moment_at;          /* where it trains: in the optimizer's vectors */
  uint32_t ones_from, ones_to; /* elements that begin as 1, whatever the initializer */
} ofs_weight;

typedef struct ofs_layer {
  uint32_t type, act;
  uint32_t index;      /* which node */
  uint32_t spec_index; /* which layer of the spec: what errors name */
  uint32_t side;       /* of a bidirectional layer: 1 forward, 2 backward */
  /* inputs: a node, or -1 - k: input k of the model */
  int32_t from[OFS_MAX_JOIN];
  uint32_t in_count;
  uint32_t readers;   /* nodes that read the output, as often as they do */
  uint32_t output;    /* 1 + which output of the model it is; 0: none */
  int logits;         /* the loss of that output takes what the activation is given */
  int trains;         /* its weights change */
  int needs_gradient; /* a gradient has to reach its output: it trains, or a node before it does */
  /* its weights are no tensors of the model: copies of tied ones, or numbers of the spec */
  int not_stored;
  uint32_t tied;  /* 1 + the node whose weights it has, in a copy that every step begins with */
  int transposed; /* the copy is transposed */
  /* Time distributed: the layer sees `times` samples, one behind the other, for each of the
   * model's. */
  uint32_t times;
  ofs_shape in, out; /* of one sample as the layer sees it; in: of the first input */
  ofs_shape ins[OFS_MAX_JOIN];
  ofs_shape shape; /* of the output as those who read it do */
  /* contiguous in the flat parameter vector, in Keras's order, which is that of getWeights() */
  uint32_t weight_count;
  ofs_weight weights[OFS_LAYER_WEIGHTS];
  uint64_t weights_at, weights_size;
  /* of these the kernel, which is the first, and the bias; sizes 0 where there is none */
  uint64_t kernel_at, kernel_size, bias_at, bias_size;
  ofs_window window;
  double rate;
  uint32_t units, state_act, gate_act, sequences; /* recurrent layers */
  uint32_t n[8];                                  /* a kind's own numbers */
  double v[4];
} ofs_layer;

typedef struct ofs_builder ofs_builder;

/* One layer type: how its record becomes a layer (shapes, parameters), and which operations it
 * takes. */
typedef struct ofs_layer_kind {
  ofs_status (*shape)(ofs_layer *l, const ofs_record *r, ofs_error *err);
  /* input buffer -> output buffer */
  uint32_t (*forward)(ofs_builder *b, ofs_layer *l, uint32_t x);
  /* Gradient of the output -> gradient of input 0, those of others by ofs_add_input_gradient(); of
   * what `wanted` has no bit i for, none (0). Where l->trains, writes the layer's own gradients,
   * every one of them. dy may be handed on as it is, but written over only by way of
   * ofs_writable_gradient(). */
  uint32_t (*backward)(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted);
  int masks;                       /* a mask of input 0 holds for the output too */
  uint32_t most_inputs;            /* 0: one */
  uint32_t more_ops, more_buffers; /* beyond OFS_OPS_A_LAYER, OFS_BUFFERS_A_LAYER, for each input */
} ofs_layer_kind;

/* ---- what a shape function calls ---- */

/* Adds one parameter tensor to the layer: the kernel first, in Keras's order. `field` is its
 * initializer's; regularizer and constraint have ids 10 and 20 above it. The result is the
 * layer's. */
ofs_weight *ofs_add_weight(ofs_layer *l, const ofs_record *r, uint32_t role, uint32_t field,
                           uint32_t rank, const uint32_t *dims);
/* Refuses input `which`, whose rank is not one of [low, high]. */
ofs_status ofs_refuse_rank(const ofs_layer *l, uint32_t which, uint32_t low, uint32_t high,
                           ofs_error *err);
/* The last axis of a layer's first input, and how often a sample has it. */
uint32_t ofs_channels(const ofs_layer *l);
uint64_t ofs_positions(const ofs_layer *l);

#endif
