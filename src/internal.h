/* internal.h: what the files of the core share: model, layer, operation, buffer, plan.
 *
 * Three layers of data: a MODEL owns parameters, moments and the step count; a PLAN owns the program (a flat
 * list of OPERATIONS) and its buffers for one batch size; both live in blocks of the caller. An operation is
 * cut into PARTS by shapes alone; parts of one operation (of one of its waves) are independent of each other, so
 * that they may be run in any order, in slices, or on several threads, to the same bits. */
#ifndef OFS_INTERNAL_H
#define OFS_INTERNAL_H

#include "kernels.h"
#include "offstage.h"
#include "random.h"
#include "schema.h"

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

typedef struct ofs_shape {
  uint32_t rank;
  uint32_t dims[OFS_MAX_RANK];
  uint64_t size;
} ofs_shape;

/* A window that slides over an image: convolution or pool. Input (h, w, c), output (oh, ow, f). */
typedef struct ofs_window {
  uint32_t h, w, c, oh, ow, f;
  uint32_t kh, kw, sh, sw, dh, dw;
  uint32_t top, left, bottom, right; /* padding */
} ofs_window;

/* One of a layer's parameter tensors. */
typedef struct ofs_weight {
  uint32_t role, init, rank, dims[OFS_MAX_RANK];
  uint64_t size, at;            /* at: in the flat parameter vector */
  uint32_t ones_from, ones_to; /* elements that begin as 1, whatever the initializer */
} ofs_weight;
#define OFS_LAYER_WEIGHTS 4

typedef struct ofs_layer {
  uint32_t type, act, index;
  ofs_shape in, out;
  /* contiguous in the flat parameter vector, in Keras's order, which is that of getWeights() */
  uint32_t weight_count;
  ofs_weight weights[OFS_LAYER_WEIGHTS];
  uint64_t weights_at, weights_size;
  /* of these the kernel, which is the first, and the bias; sizes 0 where there is none */
  uint64_t kernel_at, kernel_size, bias_at, bias_size;
  ofs_window window;
  double rate;
  uint32_t units, state_act, gate_act, sequences; /* recurrent layers */
} ofs_layer;

/* A record of the spec, decoded: every field of its schema present or defaulted (count 0: optional, absent). */
#define OFS_MAX_FIELDS 16
typedef struct ofs_record {
  uint32_t id;
  int32_t place; /* layer index, or OFS_IN_MODEL, OFS_IN_OPTIMIZER */
  uint16_t count[OFS_MAX_FIELDS];
  double v[OFS_MAX_FIELDS][OFS_MAX_RANK];
} ofs_record;

typedef struct ofs_op ofs_op;
typedef struct ofs_builder ofs_builder;

/* One layer type: how its record becomes a layer (shapes, parameters), and which operations it takes. */
typedef struct ofs_layer_kind {
  ofs_status (*shape)(ofs_layer *l, const ofs_record *r, ofs_error *err);
  /* input buffer -> output buffer */
  uint32_t (*forward)(ofs_builder *b, ofs_layer *l, uint32_t x);
  /* gradient of the output -> gradient of the input, 0 where !wanted; writes the layer's own gradients */
  uint32_t (*backward)(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted);
} ofs_layer_kind;

const ofs_layer_kind *ofs_layer_kind_of(uint32_t type);

enum { OFS_PHASE_GRADIENT, OFS_PHASE_UPDATE };
#define OFS_OP_BUFFERS 6

typedef void (*ofs_part_fn)(const ofs_plan *p, const ofs_op *op, uint32_t part);

struct ofs_op {
  ofs_part_fn run;
  const ofs_layer *layer;
  uint32_t phase;
  /* The cut: `units` things (a sample, or the whole where `fixed`), `block` of them a part, times `tiles`.
   * Parts of one wave are independent of each other; each wave needs the one before it. */
  uint64_t units, block;
  uint32_t fixed, tiles, waves;
  double unit_work;   /* floating point operations that one unit takes */
  uint32_t parts;     /* for the batch at hand */
  uint64_t part_work; /* what a full part takes, likewise */
  uint64_t lasting; /* bytes that it touches at most, of parameters and their kin */
  int shared;         /* its parts are worth sharing between threads, for the batch at hand */
  uint32_t buffer[OFS_OP_BUFFERS]; /* 0: none */
  real *at[OFS_OP_BUFFERS];        /* the same, resolved */
  uint32_t n[8];                   /* the operation's own sizes */
  ofs_window window;
};

typedef struct ofs_buffer {
  uint64_t bytes, offset;
  int fixed; /* the same for any number of samples */
  uint32_t first, last; /* operations that use it */
  uint32_t next;        /* in the list of those to place, or of those placed; 0 ends it */
} ofs_buffer;

/* What compiles a model into a program. Operations and buffers are collected in the model's scratch. */
struct ofs_builder {
  ofs_model *model;
  int kind;
  uint32_t batch;
  uint32_t phase;
  ofs_op *ops;
  ofs_buffer *buffers; /* index 0 is no buffer */
  uint32_t op_count, buffer_count;
  /* what a layer's backward needs of its forward, by layer index */
  uint32_t *x, *y, *aux, *held;
  uint32_t gradient, rows, indices;
};

/* Bounds on what one layer emits, forward and backward; the scratch is sized by them. */
#define OFS_LONG_OPS 8 /* the most operations that one long product is split into */
#define OFS_OPS_A_LAYER (2 * OFS_LONG_OPS + 14)
#define OFS_BUFFERS_A_LAYER 16
#define OFS_OPS_MORE 8

/* What the spec says of the optimizer, and what the model keeps for it. */
typedef struct ofs_optimizer {
  uint32_t type; /* the schema's record */
  double rate, momentum, beta1, beta2, epsilon, weight_decay;
  int nesterov;
  uint32_t moments;          /* vectors of `parameters` that it keeps, at most OFS_MOMENTS */
  real *moment[OFS_MOMENTS]; /* NULL from `moments` on */
} ofs_optimizer;

struct ofs_model {
  ofs_kernels kernels;
  uint32_t key[2];
  uint32_t layer_count, tensor_count;
  ofs_layer *layers;
  ofs_shape input;
  real input_scale, input_offset;
  uint32_t loss, fused; /* fused: the loss takes logits, the last activation is left out */
  uint32_t last_act, axis, classes, targets;
  ofs_optimizer optimizer;
  uint64_t parameters; /* of all layers */
  real *params;
  uint64_t step;
  uint32_t fill_tensor; /* where ofs_model_randomize goes on */
  uint64_t fill_at, fill_turn;
  ofs_team *team; /* who shares its steps; NULL: nobody */
  ofs_op *ops; /* the builder's scratch */
  ofs_buffer *buffers;
  uint32_t *links;
};

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
  double *rows;      /* (batch, 2): loss and correct of each sample */
  uint64_t *indices; /* (batch): which sample each row is */
  const real *output;
  ofs_update update; /* of the step at hand */
  ofs_totals totals;
};

/* ---- spec.c ---- */
ofs_status ofs_refuse(ofs_error *err, ofs_status status, int32_t layer, int32_t field, ofs_reason why, double got,
                      double low, double high);
/* Decodes and checks a spec into `m`; `layers` may be NULL (counts only). */
ofs_status ofs_spec_read(ofs_model *m, ofs_layer *layers, const void *spec, size_t n, ofs_error *err);
/* One parameter tensor more of the layer, for its shape function: the kernel first, in Keras's order. */
void ofs_add_weight(ofs_layer *l, uint32_t role, double init, uint32_t rank, const uint32_t *dims);

/* ---- plan.c: what layers call to emit ---- */
/* A buffer of `elements` reals a sample (`fixed`: in all). */
uint32_t ofs_build_buffer(ofs_builder *b, uint64_t elements, int fixed);
/* Appends an operation; `buffers` are read or written by it. Its cut and sizes are the caller's to set. */
ofs_op *ofs_build_op(ofs_builder *b, const ofs_layer *l, ofs_part_fn run, uint32_t b0, uint32_t b1, uint32_t b2,
                     uint32_t b3);
/* One more buffer that the operation just appended uses. */
void ofs_build_use(ofs_builder *b, ofs_op *op, uint32_t slot, uint32_t buffer);
/* Sets the cut: `units` (a sample, or fixed) of `work` each, in blocks that make parts of at most OFS_PART_WORK;
 * blocks are multiples of `multiple`. Work counts a part of one tile; op->tiles is the caller's, set before. */
void ofs_cut(const ofs_builder *b, ofs_op *op, uint64_t units, int fixed, double work, uint32_t multiple);
/* The units [*from, *to) of a part and its tile; waves count from the first part on, op->parts / op->waves each. */
void ofs_part_range(const ofs_plan *p, const ofs_op *op, uint32_t part, uint64_t *from, uint64_t *to, uint32_t *tile);

/* ---- program.c ---- */
/* Sets every operation's parts for a batch of `count` samples. */
void ofs_plan_cut(ofs_plan *p, uint32_t count);

/* ---- loss.c ---- */
uint32_t ofs_build_loss(ofs_builder *b, uint32_t prediction);
/* ---- dataset.c ---- */
uint32_t ofs_build_gather(ofs_builder *b);
/* ---- optimizer.c ---- */
ofs_status ofs_optimizer_read(ofs_optimizer *o, const ofs_record *r, ofs_error *err);
void ofs_build_update(ofs_builder *b);
void ofs_update_begin(ofs_plan *p);
/* Cuts (m, n), of which there are `times`, into tiles, so that `work` (for one element) times a tile's area is a
 * part. */
void ofs_tile(uint32_t m, uint32_t n, double work, double times, uint32_t *mb, uint32_t *nb);

static inline void ofs_zero(real *dst, size_t n) {
  for (size_t i = 0; i < n; i++) dst[i] = 0;
}
static inline void ofs_copy(real *restrict dst, const real *restrict src, size_t n) {
  for (size_t i = 0; i < n; i++) dst[i] = src[i];
}
static inline uint64_t ofs_add_sat(uint64_t a, uint64_t b) {
  return a > OFS_BYTES_MAX - b || b > OFS_BYTES_MAX ? OFS_BYTES_MAX : a + b;
}
static inline uint64_t ofs_mul_sat(uint64_t a, uint64_t b) {
  return b && a > OFS_BYTES_MAX / b ? OFS_BYTES_MAX : a * b;
}
static inline uint32_t ofs_min(uint32_t a, uint32_t b) { return a < b ? a : b; }

#endif
