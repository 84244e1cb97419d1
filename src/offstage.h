/* offstage.h: the only public header of the core.
 *
 * The core trains a neural network in memory that the caller hands in. It is freestanding: no malloc, no
 * files, no clock, no globals that change. Two models never share state; one model is used by one thread
 * at a time.
 *
 * The whole call sequence:
 *
 *     ofs_model_bytes(spec, n, &bytes, &err);              how much the model block takes
 *     ofs_model_init(block, bytes, spec, n, &model, &err); lays the model out in it
 *     while (ofs_model_randomize(model, work) == OFS_MORE) ;   initial weights, in slices
 *
 *     ofs_plan_bytes(model, OFS_TRAIN, batch, &bytes, &err);
 *     ofs_plan_init(block2, bytes, model, OFS_TRAIN, batch, &plan, &err);
 *     ofs_plan_set_data(plan, &data, &err);
 *     for each step:
 *         ofs_step_begin(plan, &batch, &err);
 *         while (ofs_step_run(plan, work, NULL) == OFS_MORE) ;
 *         ofs_step_totals(plan, &totals);
 *
 * Everything that returns ofs_status returns OFS_OK (0), OFS_MORE (1), or a negative status; results come
 * through out-parameters, which are written on success only. `err` may be NULL. Spec bytes, numbers and
 * data are hostile until checked: any content gets a status. Pointers are not checked.
 *
 * Alignment: every block handed in must be aligned to OFS_ALIGN bytes. Blocks stay the caller's; a model
 * is forgotten by reusing its block, after its plans. */
#ifndef OFFSTAGE_H
#define OFFSTAGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OFS_VERSION "0.1.0"
#define OFS_ALIGN 64
#define OFS_MAX_RANK 6
#define OFS_MAX_LAYERS 1024
#define OFS_MAX_INPUTS 8
#define OFS_MAX_OUTPUTS 8
#define OFS_MOMENTS 5

/* The element type of weights and activations: float. The gradient proofs build the same sources with
 * double (OFS_REAL_DOUBLE), reference kernels and the C library's maths. */
#ifdef OFS_REAL_DOUBLE
typedef double ofs_real;
#else
typedef float ofs_real;
#endif

typedef enum ofs_status {
  OFS_OK = 0,
  OFS_MORE = 1,           /* the work asked for is done, more remains */
  OFS_INVALID_SPEC = -1,
  OFS_INVALID_DATA = -2,
  OFS_INVALID_ARGUMENT = -3,
  OFS_OUT_OF_MEMORY = -4, /* the block is smaller than asked for: got, limit are bytes */
  OFS_INVALID_STATE = -5, /* a call out of sequence */
  OFS_THREAD_LOST = -6,   /* a helper ended with a part in hand: model and plans are lost */
  OFS_NON_FINITE = -7     /* the step's loss or a gradient is not finite: nothing of the model was changed (ofs_step_fault) */
} ofs_status;

/* Why a value was refused. `got` is the value; `low` and `high` bound what is allowed.
 *     range      outside [low, high]                   notInteger, notFinite
 *     missing    a required field is absent            twice      a field stands twice
 *     unknown    an id that is not in the schema       count      got values in a list of low to high
 *     rank       the layer's input has rank got where low to high is allowed
 *     window     a kernel or pool that reaches over got cells, in an input of high
 *     product    a shape's product got exceeds high, or (reshape) differs from it
 *     truncated  the bytes end, or go on, where they must not: got bytes
 *     conflict   two fields exclude each other         output     the loss does not go with the last layer
 *     bytes      a block of got bytes where high are needed
 *     divides    a number of parts, got, that does not divide high
 *     unused     a layer, or input got of the model, that leads to no output */
#define OFS_REASONS(R)                    \
  R(OFS_WHY_NONE, 0, "none")              \
  R(OFS_WHY_RANGE, 1, "range")            \
  R(OFS_WHY_NOT_INTEGER, 2, "notInteger") \
  R(OFS_WHY_NOT_FINITE, 3, "notFinite")   \
  R(OFS_WHY_MISSING, 4, "missing")        \
  R(OFS_WHY_TWICE, 5, "twice")            \
  R(OFS_WHY_UNKNOWN, 6, "unknown")        \
  R(OFS_WHY_COUNT, 7, "count")            \
  R(OFS_WHY_RANK, 8, "rank")              \
  R(OFS_WHY_WINDOW, 9, "window")          \
  R(OFS_WHY_PRODUCT, 10, "product")       \
  R(OFS_WHY_TRUNCATED, 11, "truncated")   \
  R(OFS_WHY_CONFLICT, 12, "conflict")     \
  R(OFS_WHY_OUTPUT, 13, "output")         \
  R(OFS_WHY_BYTES, 14, "bytes")           \
  R(OFS_WHY_UNUSED, 15, "unused")         \
  R(OFS_WHY_SHAPE, 16, "shape")           \
  R(OFS_WHY_DIVIDES, 17, "divides")       \
  R(OFS_WHY_INDICES, 18, "indices")

#define OFS_REASON_ENUM(symbol, id, name) symbol = id,
typedef enum ofs_reason { OFS_REASONS(OFS_REASON_ENUM) } ofs_reason;
#undef OFS_REASON_ENUM

/* Output k of the model is OFS_IN_OUTPUT - k. */
enum { OFS_IN_MODEL = -1, OFS_IN_OPTIMIZER = -2, OFS_IN_BYTES = -3, OFS_IN_OUTPUT = -16 };

typedef struct ofs_error {
  int32_t status; /* the ofs_status that was returned */
  int32_t layer;  /* index from 0, or OFS_IN_MODEL, OFS_IN_OPTIMIZER, OFS_IN_BYTES, OFS_IN_OUTPUT - k */
  int32_t field;  /* the field's id within its record of the schema, or -1 */
  int32_t reason; /* ofs_reason */
  double got, low, high;
} ofs_error;

/* A sentence for a status; never NULL, static storage. */
const char *ofs_strerror(int status);
const char *ofs_version(void);

/* The names of the schema (layer types, fields, enumerations) as text, static storage; the ranges and defaults of
 * fields are in ofs_fields. Form and layout of both: schema.h. */
const char *ofs_schema(void);

/* ---- model -------------------------------------------------------------------------------------- */

typedef struct ofs_model ofs_model;

/* A spec is the bytes that schema.h describes: a model record, an optimizer record, a record per layer. */
ofs_status ofs_model_bytes(const void *spec, size_t n, uint64_t *bytes, ofs_error *err);
ofs_status ofs_model_init(void *mem, uint64_t bytes, const void *spec, size_t n, ofs_model **model,
                          ofs_error *err);

/* Writes the same spec to `out` with each field told that has a value when it is absent, and each value of a list that one
 * value stands for. *bytes receives the length; `out` NULL asks for nothing else. */
ofs_status ofs_spec_fill(const void *spec, size_t n, void *out, size_t *bytes, ofs_error *err);

/* Writes the initial weights and zeroes the optimizer's moments, about `work` units a call; OFS_OK when all
 * are written. Nothing else may be done with the model before that. */
ofs_status ofs_model_randomize(ofs_model *model, uint64_t work);

typedef struct ofs_layer_info {
  uint32_t type; /* the schema's layer id */
  uint32_t rank; /* of one sample's output */
  uint32_t dims[OFS_MAX_RANK];
  uint64_t parameters;
} ofs_layer_info;

typedef struct ofs_tensor {
  uint32_t layer, role; /* role: the schema's id */
  uint32_t side;        /* of a bidirectional layer: 1 forward, 2 backward; else 0 */
  int trainable;
  uint32_t rank;
  uint32_t dims[OFS_MAX_RANK];
  uint64_t size;  /* elements */
  ofs_real *data; /* borrowed: valid as long as the model's block is */
  /* what the optimizer keeps for it, `size` elements each and borrowed likewise: its moments, the sum of accumulated
   * gradients, the average of the weights; NULL where it keeps less, and all NULL where the tensor does not train */
  ofs_real *moment[OFS_MOMENTS];
} ofs_tensor;

/* Keras's name of that vector ("momentum", "velocity", ..., "gradient_accumulator", "average"); NULL where the optimizer
 * keeps less. Static storage. */
const char *ofs_model_moment_name(const ofs_model *model, uint32_t k);

/* Learning rates are multiplied by `factor`, above 0 and up to 1, from the next step on. It is 1 at first. */
void ofs_model_set_rate(ofs_model *model, double factor);

/* Says how many updates a model has had whose weights and moments the caller has written through ofs_tensor, instead of
 * ofs_model_randomize: with these three it goes on where another model stood, to the same bits. */
void ofs_model_set_step(ofs_model *model, uint64_t step);

uint32_t ofs_model_layers(const ofs_model *model);
ofs_status ofs_model_layer(const ofs_model *model, uint32_t i, ofs_layer_info *info);
uint32_t ofs_model_tensors(const ofs_model *model);
ofs_status ofs_model_tensor(const ofs_model *model, uint32_t i, ofs_tensor *tensor);

typedef struct ofs_model_facts {
  uint64_t parameters; /* of all layers */
  uint64_t inputs;     /* elements of one sample's x, all inputs one behind the other */
  uint64_t outputs;    /* elements of one prediction; like the next three of the first output */
  uint32_t classes, targets, loss;
  uint64_t step;       /* updates since creation */
  uint64_t trained;    /* of the parameters, that learn */
  uint32_t input_count, output_count;
} ofs_model_facts;

typedef struct ofs_output_info {
  uint32_t layer, rank, dims[OFS_MAX_RANK];
  uint64_t size;    /* elements of one prediction */
  uint32_t classes; /* last axis of a classifier's output, 2 for one sigmoid unit; 0: not a classifier */
  uint32_t targets; /* class indices a sample where y is integer: size / last axis; 0: y has no integer form */
  uint32_t loss;    /* the schema's loss id, the default resolved */
  double weight;    /* of its loss in the sum of all */
} ofs_output_info;

typedef struct ofs_input_info {
  uint32_t rank, dims[OFS_MAX_RANK];
  uint64_t size, at; /* numbers [at, at + size) of a row of x */
  uint64_t below;    /* an embedding reads it: indices from 0 to below this; 0: none does */
} ofs_input_info;

void ofs_model_get_facts(const ofs_model *model, ofs_model_facts *facts);
ofs_status ofs_model_input(const ofs_model *model, uint32_t i, ofs_input_info *input);
ofs_status ofs_model_output(const ofs_model *model, uint32_t i, ofs_output_info *output);

/* ---- plan --------------------------------------------------------------------------------------- */

/* What a plan does with a batch: update the weights, measure loss and accuracy, or only predict. */
typedef enum ofs_kind { OFS_TRAIN = 0, OFS_EVALUATE = 1, OFS_PREDICT = 2 } ofs_kind;

typedef struct ofs_plan ofs_plan;

/* `batch`: the most samples of one step, 1 .. 2^24. Measuring uses scratch inside the model. */
ofs_status ofs_plan_bytes(ofs_model *model, int kind, uint32_t batch, uint64_t *bytes, ofs_error *err);
ofs_status ofs_plan_init(void *mem, uint64_t bytes, ofs_model *model, int kind, uint32_t batch,
                         ofs_plan **plan, ofs_error *err);

typedef enum ofs_type { OFS_NONE = 0, OFS_F32 = 1, OFS_U8 = 2, OFS_I32 = 3 } ofs_type;

/* A data set, borrowed while the plan uses it. x: (n, row) OFS_F32, or OFS_U8 that becomes x * inputScale +
 * inputOffset, but for indices. y of one output: OFS_I32 class indices (n, targets), or OFS_F32 rows (n, size); of
 * several: OFS_F32, a row has one output behind the other, output k in class indices where bit k of y_indices is set.
 * OFS_NONE for OFS_PREDICT. */
typedef struct ofs_data {
  const void *x, *y;
  uint32_t x_type, y_type;
  uint64_t n;
  uint32_t y_indices;
  const float *weights; /* n, of the samples in the loss; NULL: 1 each */
} ofs_data;

ofs_status ofs_plan_set_data(ofs_plan *plan, const ofs_data *data, ofs_error *err);

/* Looks for what a plan could not use in elements [first, first + n) of x, a whole number of rows before `first` or not:
 * NaN, infinity, and where an embedding reads, anything but its indices. *where is the first bad element's index from
 * `x` on, which points to element `first`. */
ofs_status ofs_check_x(const ofs_model *model, const void *x, uint32_t type, uint64_t first, uint64_t n, uint64_t *where);
/* The same in elements [first, first + n) of y, whose rows are as ofs_data has them: class indices outside
 * [0, classes), NaN and infinity. */
ofs_status ofs_check_y(const ofs_model *model, const void *y, uint32_t type, uint32_t indices, uint64_t first, uint64_t n,
                       uint64_t *where);

/* Looks for weights of samples that are not finite or below 0 in n of them, and multiplies the first `weighed` by the
 * weights of their classes (classes of them; NULL: none are multiplied). A sample's class is its index, the side of 0.5 of
 * a row of one number, else the largest of its row. `y` begins with the target of the first; of a model with one output,
 * of one class a sample. *where: the first bad one, before which all are multiplied. */
ofs_status ofs_weigh(const ofs_model *model, float *weights, uint64_t n, const void *y, uint32_t y_type,
                     const float *class_weights, uint64_t weighed, uint64_t *where);

/* One batch: positions [first, first + count) of an epoch over samples [0, n). With shuffle, position p
 * stands for sample permutation(p) of [0, n), keyed by (seed, epoch). */
typedef struct ofs_batch {
  uint64_t first, n;
  uint32_t count, shuffle;
  uint64_t epoch;
} ofs_batch;

/* Begins a step, discarding one that is under way (never within its update: OFS_INVALID_STATE). */
ofs_status ofs_step_begin(ofs_plan *plan, const ofs_batch *batch, ofs_error *err);

/* Does at least one part and at most about `work` units (one unit: the time of about one floating point operation,
 * so that what threads do side by side counts once); *done, where not NULL, receives the units done. OFS_OK: the
 * step is complete and, for OFS_TRAIN, committed to the model. OFS_MORE: parts remain. OFS_NON_FINITE: the step is over, and nothing
 * of the model has changed; another may begin. */
ofs_status ofs_step_run(ofs_plan *plan, uint64_t work, uint64_t *done);

/* Why a step ended with OFS_NON_FINITE. Its loss and all gradients are looked at before the update: those must be finite,
 * these below 1e15, so that no finite weight can become anything else. `layer` is where it began: the first whose output
 * is not finite (what: OFS_FAULT_ACTIVATION), else, of the loss, OFS_IN_MODEL, else the one nearest the loss whose
 * gradient or statistic it is. `step` counts from 1: the one that was not made. */
typedef enum ofs_culprit {
  OFS_FAULT_LOSS = 0,
  OFS_FAULT_GRADIENT = 1,
  OFS_FAULT_STATISTIC = 2,
  OFS_FAULT_ACTIVATION = 3
} ofs_culprit;

typedef struct ofs_fault {
  int32_t what;  /* ofs_culprit */
  int32_t layer; /* index from 0, or OFS_IN_MODEL */
  uint64_t step;
} ofs_fault;

void ofs_step_fault(const ofs_plan *plan, ofs_fault *fault);

/* 1 while an update is under way: the weights are then between two steps and must not be read. */
int ofs_step_updating(const ofs_plan *plan);

/* Drops what is not committed. OFS_INVALID_STATE within an update. */
ofs_status ofs_step_discard(ofs_plan *plan);

typedef struct ofs_totals {
  double loss;    /* sum over the batch's samples, taken with the weights the step started from; of all outputs, weighted */
  uint32_t count; /* samples */
  double losses[OFS_MAX_OUTPUTS];  /* of each output, not weighted */
  double correct[OFS_MAX_OUTPUTS]; /* correct predictions, in samples (one with several targets counts a fraction) */
} ofs_totals;

/* Of the last complete step. */
void ofs_step_totals(const ofs_plan *plan, ofs_totals *totals);

/* Output i of the last complete step, (count, size); borrowed until the next step. OFS_PREDICT only. */
const ofs_real *ofs_plan_output(const ofs_plan *plan, uint32_t i);

/* Bytes of the plan's buffers, and of those that are needed at one time at least, whatever the layout. */
void ofs_plan_memory(const ofs_plan *plan, uint64_t *buffers, uint64_t *live);

/* The gradient of the last OFS_TRAIN step, flat in tensor order; borrowed. For tests. */
const ofs_real *ofs_plan_gradient(const ofs_plan *plan);

/* ---- threads: builds with OFS_THREADS only ------------------------------------------------------- */

/* A team shares the steps of one model between the thread that calls ofs_step_run and helpers: threads of the
 * caller's making, each of which spends its life in ofs_team_help. They may come at any time, and a step uses those
 * that are there; results do not depend on how many.
 *
 *     ofs_team *team = ofs_team_init(block of ofs_team_bytes());
 *     ofs_model_set_team(model, team);
 *     in each helper: ofs_team_help(team);
 *     ofs_team_end(team), then wait for the helpers, before the block is reused */
typedef struct ofs_team ofs_team;

size_t ofs_team_bytes(void);
ofs_team *ofs_team_init(void *mem);

/* Between two calls of ofs_step_run; NULL: the model's steps are one thread's again. */
void ofs_model_set_team(ofs_model *model, ofs_team *team);

/* 1 where a second thread would make a step of this plan faster (told from the shapes), so that helpers are worth
 * making. */
int ofs_plan_shares(ofs_plan *plan);

/* A helper: reports in, computes when there is something to share, sleeps when there is not, returns after
 * ofs_team_end. Takes about as much stack as ofs_step_run. */
void ofs_team_help(ofs_team *team);
uint32_t ofs_team_helpers(const ofs_team *team); /* that have reported in */

/* Of a helper that ended otherwise: every step of the model is OFS_THREAD_LOST from here on. A helper that ends
 * without a word is noticed, with the same result, when a part that it had taken is 10 seconds late. */
void ofs_team_lose(ofs_team *team);
void ofs_team_end(ofs_team *team);

#ifdef __cplusplus
}
#endif
#endif
