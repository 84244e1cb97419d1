/* internal.h: what the files of the core share: model, layer, operation, buffer, plan.
 *
 * A model is a graph of NODES in the order of the spec, so that a node's inputs stand before it. A layer of the spec
 * is one node, or several (a separable convolution is two, a bidirectional layer three). Three layers of data: a MODEL owns parameters, moments and the step count; a PLAN owns the program (a flat
 * list of OPERATIONS) and its buffers for one batch size; both live in blocks of the caller. An operation is
 * cut into PARTS by shapes alone; parts of one operation (of one of its waves) are independent of each other, so
 * that they may be run in any order, in slices, or on several threads, to the same bits. */
#ifndef OFS_INTERNAL_H
#define OFS_INTERNAL_H

#include "kernels/kernels.h"
#include "offstage.h"
#include "base/random.h"
#include "spec/schema.h"

typedef ofs_real real;

/* Work that one part aims at: about half a millisecond without SIMD. The unit is a floating point operation of a
 * matrix product; what else there is counts as the products that take its time. */
#define OFS_PART_WORK (1u << 22)
/* An operation is cut into this many parts, so that threads have something to share, but not into parts of less
 * work than LEAST; nor into tiles of less, since each tile of a product reads all of the other operand. */
#define OFS_PARTS_WANTED 8
#define OFS_PART_LEAST (1u << 17)
#define OFS_TILE_LEAST (1u << 19)
/* The most elements of one sample's tensor, and of one parameter tensor. */
#define OFS_MAX_SAMPLE 2147483647.0
#define OFS_MAX_TENSOR (1ull << 44)
/* Bytes saturate here instead of wrapping. */
#define OFS_BYTES_MAX (1ull << 62)

/* Philox streams: word 2 of the counter. Dropout uses the layer's index there, below all of these. */
#define OFS_STREAM_INIT 0x80000000u

/* Nodes that the layers of a spec become, at most; inputs of a layer. */
#define OFS_MAX_NODES (2 * OFS_MAX_LAYERS)
#define OFS_MAX_JOIN 16

typedef struct ofs_shape {
  uint32_t rank;
  uint32_t dims[OFS_MAX_RANK];
  uint64_t size;
} ofs_shape;

/* A window that slides over an image: convolution or pool. Input (h, w, c), output (oh, ow, f). */
typedef struct ofs_window {
  uint32_t h, w, c, oh, ow, f;
  uint32_t kh, kw, sh, sw, dh, dw;
  uint32_t groups; /* of channels, each of which is seen by its own filters; of what else slides 1 */
  uint32_t top, left, bottom, right; /* padding */
} ofs_window;

/* One of a layer's parameter tensors. */
typedef struct ofs_weight {
  uint32_t role, init, rank, dims[OFS_MAX_RANK];
  uint32_t field; /* its initializer's id */
  double init_values[OFS_INIT_VALUES]; /* what the initializer is told; init_count of them were given */
  uint32_t init_count;
  const double *given; /* its numbers, while a spec is read; then only that it has them from there */
  uint32_t given_count;
  double l1, l2;                 /* penalties: l1 sum |w| + l2 sum w^2 */
  double norm_most;              /* the norm over axes norm_axis to norm_last stays below it; 0: no constraint */
  uint32_t norm_axis, norm_last;
  double momentum;               /* of a moving statistic; -1: not one */
  uint64_t size, at;             /* at: in the flat parameter vector */
  uint64_t moment_at;            /* where it trains: in the optimizer's vectors */
  uint32_t ones_from, ones_to;   /* elements that begin as 1, whatever the initializer */
} ofs_weight;
#define OFS_LAYER_WEIGHTS 8

typedef struct ofs_layer {
  uint32_t type, act;
  uint32_t index; /* which node */
  uint32_t place; /* which layer of the spec: what errors name */
  uint32_t side;  /* of a bidirectional layer: 1 forward, 2 backward */
  /* inputs: a node, or -1 - k: input k of the model */
  int32_t from[OFS_MAX_JOIN];
  uint32_t in_count;
  uint32_t readers; /* nodes that read the output, as often as they do */
  uint32_t head;    /* 1 + which output of the model it is; 0: none */
  int trains;       /* its weights change */
  int wants;        /* a gradient has to reach its output: it trains, or a node before it does */
  int apart;        /* its weights are no tensors of the model: copies of tied ones, or numbers of the spec */
  uint32_t tied;    /* 1 + the node whose weights it has, in a copy that every step begins with */
  int turned;       /* the copy is transposed */
  /* Time distributed: the layer sees `times` samples, one behind the other, for each of the model's. */
  uint32_t times;
  ofs_shape in, out; /* of one sample as the layer sees it; in: of the first input */
  ofs_shape ins[OFS_MAX_JOIN];
  ofs_shape shape;   /* of the output as those who read it do */
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

/* An input of the model: `size` numbers from `at` on of each row of x. */
typedef struct ofs_source {
  ofs_shape shape;
  uint64_t at;
  int read;       /* by a layer */
  uint64_t below; /* an embedding reads it: indices below this, never scaled; 0: none does */
} ofs_source;

/* An output of the model, its loss and what the loss is told. */
typedef struct ofs_head {
  uint32_t node;
  uint32_t loss, fused; /* fused: the loss takes logits */
  uint32_t act, axis, classes, targets;
  double weight, label_smoothing, delta, gamma, alpha, balanced;
} ofs_head;

/* A record of the spec, decoded: every field of its schema present or defaulted (count 0: optional, absent). */
#define OFS_MAX_FIELDS 40
typedef struct ofs_record {
  uint32_t id;
  int32_t place; /* layer index, or OFS_IN_MODEL, OFS_IN_OPTIMIZER */
  uint16_t count[OFS_MAX_FIELDS];
  const double *v[OFS_MAX_FIELDS];
  uint32_t variant; /* of a part of a compound layer: which; 0: a layer by itself */
} ofs_record;

typedef struct ofs_op ofs_op;
typedef struct ofs_builder ofs_builder;

/* One layer type: how its record becomes a layer (shapes, parameters), and which operations it takes. */
typedef struct ofs_layer_kind {
  ofs_status (*shape)(ofs_layer *l, const ofs_record *r, ofs_error *err);
  /* input buffer -> output buffer */
  uint32_t (*forward)(ofs_builder *b, ofs_layer *l, uint32_t x);
  /* Gradient of the output -> gradient of input 0, those of others by ofs_give(); of what `wanted` has no bit i for,
   * none (0). Where l->trains, writes the layer's own gradients, every one of them. dy may be handed on as it is, but
   * written over only by way of ofs_own(). */
  uint32_t (*backward)(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted);
  int masks;            /* a mask of input 0 holds for the output too */
  uint32_t most_inputs; /* 0: one */
  uint32_t more_ops, more_buffers; /* beyond OFS_OPS_A_LAYER, OFS_BUFFERS_A_LAYER, for each input */
} ofs_layer_kind;

const ofs_layer_kind *ofs_layer_kind_of(uint32_t type);

enum { OFS_PHASE_GRADIENT, OFS_PHASE_UPDATE };
#define OFS_OP_BUFFERS 7

typedef void (*ofs_part_fn)(const ofs_plan *p, const ofs_op *op, uint32_t part);

struct ofs_op {
  ofs_part_fn run;
  const ofs_layer *layer;
  uint32_t phase;
  /* The cut: `units` things (a sample, or the whole where `fixed`), `block` of them a part, times `tiles`.
   * Parts of one wave are independent of each other; each wave needs the one before it. */
  uint64_t units, block;
  uint32_t batch, count; /* samples as the layer sees them: the most, and those at hand */
  uint32_t times;
  uint32_t fixed, tiles, waves;
  double unit_work;   /* floating point operations that one unit takes */
  uint32_t parts;     /* for the batch at hand */
  uint64_t part_work; /* what a full part takes, likewise */
  int64_t alive;    /* bytes of buffers that it is the first to use, less those that the one before was the last to */
  uint64_t lasting; /* bytes that it touches at most, of parameters and their kin */
  int shared;         /* its parts are worth sharing between threads, for the batch at hand */
  uint32_t buffer[OFS_OP_BUFFERS]; /* 0: none */
  real *at[OFS_OP_BUFFERS];        /* the same, resolved */
  uint32_t n[8];                   /* the operation's own sizes */
  uint32_t result;                 /* of a layer's last operation forward: the buffer of its output */
  const real *result_at;
  ofs_window window;
};

typedef struct ofs_buffer {
  uint64_t bytes, offset;
  int fixed; /* the same for any number of samples */
  uint32_t first, last; /* operations that use it */
  uint32_t next;        /* in the list of those to place, or of those placed; 0 ends it */
  uint32_t pending;     /* readers of what it holds whose forward is not built yet */
  uint32_t owners;      /* nodes whose gradient it is going to be */
} ofs_buffer;

/* What compiles a model into a program. Operations and buffers are collected in the model's scratch. */
struct ofs_builder {
  ofs_model *model;
  int kind;
  uint32_t batch; /* samples as the node at hand sees them: the plan's, times those of a sample */
  uint32_t samples, times; /* of the plan; of the node at hand */
  int too_many;   /* more samples than can be counted */
  uint32_t phase;
  ofs_op *ops;
  ofs_buffer *buffers; /* index 0 is no buffer */
  uint32_t op_count, buffer_count;
  /* by node: its first input and output; what its backward needs of its forward; its mask (0: none), whose numbers are
   * 0 where a position does not count; its gradients: of the output, and of the logits that a loss takes */
  uint32_t *x, *y, *aux, *held, *mask, *dy, *logits, *dlogits;
  uint32_t inputs[OFS_MAX_INPUTS];
  uint32_t turn; /* on the way back: the gradient that the layer at hand was handed; 0 between two layers */
  uint64_t live; /* bytes of buffers that have to be there at one time */
  uint32_t gradient, rows, indices, sums;
  uint64_t sum_block;
  uint32_t forward_ops; /* those that make the prediction */
};

/* Bounds on what one layer emits, forward and backward; the scratch is sized by them. */
#define OFS_LONG_OPS 8 /* the most operations that one long product is split into */
#define OFS_OPS_A_LAYER (2 * OFS_LONG_OPS + 20)
#define OFS_BUFFERS_A_LAYER 18
#define OFS_LINKS 8 /* numbers that the builder keeps of each node */
#define OFS_OPS_MORE (8 + 4 * (OFS_MAX_INPUTS + OFS_MAX_OUTPUTS))

/* A weight tensor that an update changes: one that trains, or (no moments) a statistic that moves. */
typedef struct ofs_slot {
  const ofs_layer *layer;
  const ofs_weight *weight;
} ofs_slot;

#define OFS_NO_VECTOR UINT32_MAX

/* What the spec says of the optimizer, and what the model keeps for it. */
typedef struct ofs_optimizer {
  uint32_t type;                         /* of the update (ofs_update.kind) */
  int nesterov, centered, ema;
  double rate, rate_factor;              /* the factor is the caller's (ofs_model_set_rate) */
  double momentum, beta1, beta2, epsilon, weight_decay;
  double initial;                        /* of the first moment, where it does not begin at 0 */
  double clip_value, clip_norm, global_clip_norm; /* 0: none */
  double ema_momentum;
  uint64_t accumulation, overwrite;      /* batches an update; updates from one overwriting to the next, 0: never */
  /* vectors that it keeps, at most OFS_MOMENTS: its `own`, then the sum of gradients and the average of weights, where
   * there are any (accumulator, average: which, else OFS_NO_VECTOR) */
  uint32_t moments, own, accumulator, average;
  real *moment[OFS_MOMENTS];             /* NULL from `moments` on */
  uint32_t slot_count;
  ofs_slot *slots;                       /* in the order of the flat vector */
  uint64_t warm_steps;                   /* nadam: U(t) (kernels.h) after so many updates */
  double warm_product;
} ofs_optimizer;

struct ofs_model {
  ofs_kernels kernels;
  uint32_t key[2];
  uint32_t layer_count, tensor_count; /* nodes; tensors of their own */
  uint32_t place_count;               /* layers of the spec */
  uint32_t more_ops, more_buffers;    /* for nodes that take many */
  ofs_layer *layers;
  uint32_t input_count, head_count;
  ofs_source inputs[OFS_MAX_INPUTS];
  ofs_head heads[OFS_MAX_OUTPUTS];
  uint64_t row; /* numbers of one sample's x, all inputs */
  real input_scale, input_offset;
  ofs_optimizer optimizer;
  uint64_t parameters; /* of all layers */
  uint64_t tied;       /* numbers behind these, of layers that are `apart` */
  uint64_t trained;    /* parameters that the optimizer changes */
  real *params;
  uint64_t step;
  uint32_t fill_tensor; /* where ofs_model_randomize goes on */
  uint64_t fill_at, fill_turn;
  ofs_team *team; /* who shares its steps; NULL: nobody */
  ofs_op *ops; /* the builder's scratch */
  ofs_buffer *buffers;
  uint32_t *links;
};

/* What a part of the pass over the gradient found in a slot: the record [part + slot] of p->sums. */
typedef struct ofs_sum {
  double penalty, squares; /* of the regularizers; of the gradient */
  uint64_t bad;            /* it has a gradient or statistic that no update may be made with */
} ofs_sum;

struct ofs_plan {
  ofs_model *model;
  int kind;
  uint32_t batch, count;
  ofs_op *ops;
  uint32_t op_count, op, part;
  uint64_t saves; /* work that two threads save of a step */
  int running, complete;
  ofs_data data;
  ofs_batch at;
  real *gradient;
  double *rows;      /* (batch, outputs, 2): loss and correct of each sample */
  uint64_t *indices; /* (batch): which sample each row is */
  const real *outputs[OFS_MAX_OUTPUTS];
  ofs_update update; /* of the step at hand */
  ofs_sum *sums;     /* NULL: nothing is summed; sum_block: parameters a part */
  uint64_t sum_block;
  double penalty;
  real scale;        /* of all gradients, to the global norm */
  uint32_t forward_ops, update_op; /* the operations that predict come before the first, those that change the model from the second on */
  int tracing;       /* guard.c */
  uint64_t checked;
  ofs_fault fault;
  ofs_totals totals;
  uint64_t buffer_bytes, live_bytes;
};

/* ---- records.c ---- */
ofs_status ofs_refuse(ofs_error *err, ofs_status status, int32_t layer, int32_t field, ofs_reason why, double got,
                      double low, double high);
/* Decodes and checks a spec into `m`; `layers` may be NULL (counts only). */
ofs_status ofs_spec_read(ofs_model *m, ofs_layer *layers, const void *spec, size_t n, ofs_error *err);
/* One parameter tensor more of the layer, for its shape function: the kernel first, in Keras's order. `field` is its
 * initializer's; regularizer and constraint have ids 10 and 20 above it. The result is the layer's. */
ofs_weight *ofs_add_weight(ofs_layer *l, const ofs_record *r, uint32_t role, uint32_t field, uint32_t rank,
                           const uint32_t *dims);
/* A refusal for want of the right rank of input `which`. */
ofs_status ofs_refuse_rank(const ofs_layer *l, uint32_t which, uint32_t low, uint32_t high, ofs_error *err);

/* ---- compile.c: what layers call to emit ---- */
/* A buffer of `elements` reals a sample (`fixed`: in all). */
uint32_t ofs_build_buffer(ofs_builder *b, uint64_t elements, int fixed);
/* Appends an operation; `buffers` are read or written by it. Its cut and sizes are the caller's to set. */
ofs_op *ofs_build_op(ofs_builder *b, const ofs_layer *l, ofs_part_fn run, uint32_t b0, uint32_t b1, uint32_t b2,
                     uint32_t b3);
/* The buffer that holds input i of a node. */
uint32_t ofs_input(const ofs_builder *b, const ofs_layer *l, uint32_t i);
/* The mask of input i of a node, 0 where it has none. */
uint32_t ofs_mask(const ofs_builder *b, const ofs_layer *l, uint32_t i);
/* 1 where a forward may write over input i: nobody else reads it, now or on the way back. */
int ofs_sole(const ofs_builder *b, const ofs_layer *l, uint32_t i);
/* Hands a gradient of input i to the node it comes from; a model's own input has no use for it. */
void ofs_give(ofs_builder *b, const ofs_layer *l, uint32_t i, uint32_t dx);
/* The buffer to write a result of `elements` a sample to, in place of dy: dy itself, unless another node holds it. */
uint32_t ofs_own(ofs_builder *b, uint32_t dy, uint64_t elements);
/* y = x */
void ofs_build_copy(ofs_builder *b, const ofs_layer *l, uint32_t y, uint32_t x, uint64_t elements);
/* c = a + b; c may be either. */
void ofs_build_add(ofs_builder *b, const ofs_layer *l, uint32_t c, uint32_t a, uint32_t other, uint64_t elements);
/* One more buffer that the operation just appended uses. */
void ofs_build_use(ofs_builder *b, ofs_op *op, uint32_t slot, uint32_t buffer);
/* Sets the cut: `units` (a sample, or fixed) of `work` each, in blocks that make parts of at most OFS_PART_WORK;
 * blocks are multiples of `multiple`. Work counts a part of one tile; op->tiles is the caller's, set before. */
void ofs_cut(const ofs_builder *b, ofs_op *op, uint64_t units, int fixed, double work, uint32_t multiple);
/* The units [*from, *to) of a part and its tile; waves count from the first part on, op->parts / op->waves each. */
void ofs_part_range(const ofs_plan *p, const ofs_op *op, uint32_t part, uint64_t *from, uint64_t *to, uint32_t *tile);

/* ---- tie.c ---- */
/* Copies of tied weights, before anything reads them; their gradients, added to those of the weights. */
void ofs_build_tied(ofs_builder *b);
void ofs_build_tied_gradient(ofs_builder *b);

/* ---- run.c ---- */
/* Sets every operation's parts for a batch of `count` samples. */
void ofs_plan_cut(ofs_plan *p, uint32_t count);

/* ---- loss.c ---- */
/* The loss of an output that knows its activation: the one that its record tells, or the one that its layer asks for.
 * Cross-entropies are computed from logits, so they need the activation that makes probabilities of them. */
ofs_status ofs_loss_read(ofs_head *h, const ofs_record *r, ofs_error *err);
/* Emits the loss of output k of its prediction or logits; the gradient's buffer, 0 where the plan does not train. */
uint32_t ofs_build_loss(ofs_builder *b, uint32_t k, uint32_t prediction);
/* ---- gather.c ---- */
/* Fills b->inputs. */
void ofs_build_gather(ofs_builder *b);
/* ---- optimizer.c ---- */
ofs_status ofs_optimizer_read(ofs_optimizer *o, const ofs_record *r, ofs_error *err);
/* Lists the slots of a model whose layers are there, in o->slots. */
void ofs_optimizer_lay(ofs_model *m);
/* Elements [at, at + n) of a weight's moments as they begin. */
void ofs_moments_reset(const ofs_model *m, const ofs_layer *l, const ofs_weight *w, uint64_t at, uint64_t n);
/* This step's numbers. */
ofs_update ofs_update_numbers(ofs_model *m);
/* ---- update.c ---- */
/* Emits the passes over the gradient before the update, and those of the update. */
void ofs_build_update(ofs_builder *b);
/* The records of a slot are those of the parts [*from, *to]. */
void ofs_sums_of(const ofs_plan *p, uint32_t slot, uint32_t *from, uint32_t *to);
/* After that pass: the batch's penalty, and what the gradient is scaled by. */
void ofs_update_sums(ofs_plan *p);
/* ---- guard.c ---- */
#define OFS_GRADIENT_LIMIT 1e15
/* 1 where the step may not be applied; it then starts again, to find out where that began. */
int ofs_guard_trips(ofs_plan *p);
/* Of the operation that was run last, in such a replay: looks at about `work` elements of its layer's output. OFS_OK: they
 * are finite; OFS_MORE: so far; OFS_NON_FINITE. */
ofs_status ofs_guard_look(ofs_plan *p, const ofs_op *op, uint64_t work);
/* Ends the step, with p->fault. */
ofs_status ofs_guard_end(ofs_plan *p);
/* Cuts (m, n), of which there are `times`, into tiles, so that `work` (for one element) times a tile's area is a
 * part. */
void ofs_tile(uint32_t m, uint32_t n, double work, double times, uint32_t *mb, uint32_t *nb);

/* ---- copy.c ---- */
void ofs_zero(real *dst, size_t n);
void ofs_copy(real *restrict dst, const real *restrict src, size_t n);

static inline uint64_t ofs_add_sat(uint64_t a, uint64_t b) {
  return a > OFS_BYTES_MAX - b || b > OFS_BYTES_MAX ? OFS_BYTES_MAX : a + b;
}
static inline uint64_t ofs_mul_sat(uint64_t a, uint64_t b) {
  return b && a > OFS_BYTES_MAX / b ? OFS_BYTES_MAX : a * b;
}
static inline uint32_t ofs_min(uint32_t a, uint32_t b) { return a < b ? a : b; }

#endif
