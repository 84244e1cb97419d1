/* offstage.h: the only public header of the core.
 *
 * The core trains a neural network in memory that the caller hands in. It is freestanding: no
 * malloc, no files, no clock, no globals that change. Two models never share state; one model is
 * used by one thread at a time.
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
 * Everything that returns ofs_status returns OFS_OK (0), OFS_MORE (1), or a negative status;
 * results come through out-parameters, which are written on success only. `err` may be NULL. Spec
 * bytes, numbers and data are hostile until checked: any content gets a status. Pointers are not
 * checked.
 *
 * Alignment: every block handed in must be aligned to OFS_ALIGN bytes. Blocks stay the caller's; a
 * model is forgotten by reusing its block, after its plans. */
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

/* ofs_real is the element type of weights and activations: float. The gradient proofs build the
 * same sources with double (OFS_REAL_DOUBLE), reference kernels and the C library's maths. */
#ifdef OFS_REAL_DOUBLE
typedef double ofs_real;
#else
typedef float ofs_real;
#endif

typedef enum ofs_status {
  OFS_OK = 0,
  OFS_MORE = 1, /* the requested work is done, more remains */
  OFS_INVALID_SPEC = -1,
  OFS_INVALID_DATA = -2,
  OFS_INVALID_ARGUMENT = -3,
  OFS_OUT_OF_MEMORY = -4, /* the block is too small: got and high are bytes */
  OFS_INVALID_STATE = -5, /* a call out of sequence */
  OFS_THREAD_LOST = -6,   /* a helper ended within a part: model and plans are lost */
  /* the step's loss or a gradient is not finite: the model is unchanged (ofs_step_fault) */
  OFS_NON_FINITE = -7
} ofs_status;

/* A reason says why a value was refused. `got` is the value; `low` and `high` bound what is
 * allowed.
 *     range       the value is outside [low, high]
 *     notInteger  the value has a fraction
 *     notFinite   the value is NaN or infinite
 *     missing     a required field is absent
 *     twice       a field stands twice
 *     unknown     an id is not in the schema
 *     count       a list has got values where low to high are allowed
 *     rank        the layer's input has rank got where low to high is allowed
 *     window      a kernel or pool reaches over got cells, in an input of high
 *     product     a shape's product got exceeds high, or (reshape) differs from it
 *     truncated   the bytes end, or go on, where they must not: got bytes
 *     conflict    two fields exclude each other
 *     output      the loss does not go with the last layer
 *     bytes       a block has got bytes where high are needed
 *     unused      a layer, or input got of the model, leads to no output
 *     shape       two inputs have shapes that do not fit each other
 *     divides     a number of parts, got, does not divide high
 *     indices     an embedding reads layer got where it needs the indices of an input */
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

/* These stand in ofs_error.layer where no layer is to blame. Output k of the model is OFS_IN_OUTPUT
 * - k. */
enum { OFS_IN_MODEL = -1, OFS_IN_OPTIMIZER = -2, OFS_IN_BYTES = -3, OFS_IN_OUTPUT = -16 };

typedef struct ofs_error {
  int32_t status; /* the ofs_status that was returned */
  /* index from 0, or OFS_IN_MODEL, OFS_IN_OPTIMIZER, OFS_IN_BYTES, OFS_IN_OUTPUT - k */
  int32_t layer;
  int32_t field;  /* the field's id within its record of the schema, or -1 */
  int32_t reason; /* ofs_reason */
  double got, low, high;
} ofs_error;

/* Returns a sentence for a status: static storage, never NULL. */
const char *ofs_strerror(int status);
/* Returns OFS_VERSION as it was when the core was built: static storage. */
const char *ofs_version(void);

/* Returns the names of the schema (layer types, fields, enumerations) as text: static storage. The
 * ranges and defaults of fields are in ofs_fields. schema.h describes the form of both. */
const char *ofs_schema(void);

/* ---- model ---- */

typedef struct ofs_model ofs_model;

/* Returns in *bytes the size of the block that a model of this spec needs. `spec` is n bytes in the
 * form that schema.h describes: a model record, an optimizer record, a record per layer. No call
 * keeps a pointer to it. */
ofs_status ofs_model_bytes(const void *spec, size_t n, uint64_t *bytes, ofs_error *err);
/* Makes a model of the spec in `mem`, which stays the caller's, is aligned to OFS_ALIGN and has at
 * least ofs_model_bytes bytes. Its weights are not written yet. */
ofs_status ofs_model_init(void *mem, uint64_t bytes, const void *spec, size_t n, ofs_model **model,
                          ofs_error *err);

/* Writes the same spec to `out` with the default of every absent field, and with each value of a
 * list that one value stands for. *bytes receives the length in bytes; where `out` is NULL nothing
 * else is done. `out` is the caller's and holds at least that many bytes. */
ofs_status ofs_spec_fill(const void *spec, size_t n, void *out, size_t *bytes, ofs_error *err);

/* Writes the initial weights and zeroes the optimizer's moments, about `work` units a call (units
 * as in ofs_step_run). Returns OFS_OK when all are written, OFS_MORE before; the model may not be
 * used for anything else before that. */
ofs_status ofs_model_randomize(ofs_model *model, uint64_t work);

typedef struct ofs_layer_info {
  uint32_t type; /* the schema's layer id */
  uint32_t rank; /* of one sample's output, batch not counted */
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
  /* the optimizer's vectors for it, `size` elements each and borrowed likewise: its moments, the
   * sum of accumulated gradients, the average of the weights; NULL where it keeps fewer, and all
   * NULL where the tensor does not train */
  ofs_real *moment[OFS_MOMENTS];
} ofs_tensor;

/* Returns Keras's name of moment[k] ("momentum", "velocity", ..., "gradient_accumulator",
 * "average"), static storage; NULL where the optimizer keeps fewer vectors. */
const char *ofs_model_moment_name(const ofs_model *model, uint32_t k);

/* Multiplies the spec's learning rate by `factor`, in [0, 1], from the next step on. It is 1 at
 * first, and calls do not add up. */
void ofs_model_set_rate(ofs_model *model, double factor);

/* Sets the learning rate from the next step on, in place of the spec's; the factor above stays.
 * *most is the greatest that the optimizer takes, with its epsilon and weight decay; above it,
 * below 0 or NaN: OFS_INVALID_ARGUMENT, and nothing is changed. */
ofs_status ofs_model_set_learning_rate(ofs_model *model, double rate, double *most);

/* Sets how many updates the model has had. It is for a caller who has written weights and moments
 * through ofs_tensor in place of ofs_model_randomize: with these three the model goes on where
 * another one stood, to the same bits. */
void ofs_model_set_step(ofs_model *model, uint64_t step);

/* Returns the number of layers of the spec. */
uint32_t ofs_model_layers(const ofs_model *model);
/* Describes layer i of the spec; OFS_INVALID_ARGUMENT where there is none. */
ofs_status ofs_model_layer(const ofs_model *model, uint32_t i, ofs_layer_info *info);
/* Returns the number of tensors, those that do not train included. */
uint32_t ofs_model_tensors(const ofs_model *model);
/* Describes tensor i, in the order of Keras's get_weights; OFS_INVALID_ARGUMENT where there is
 * none. */
ofs_status ofs_model_tensor(const ofs_model *model, uint32_t i, ofs_tensor *tensor);

typedef struct ofs_model_facts {
  uint64_t parameters; /* of all layers */
  uint64_t inputs;     /* elements of one sample's x, all inputs one after the other */
  uint64_t outputs;    /* elements of one prediction of the first output, as the next three */
  uint32_t classes, targets, loss;
  uint64_t step;    /* updates since creation */
  uint64_t trained; /* parameters that learn */
  uint32_t input_count, output_count;
} ofs_model_facts;

typedef struct ofs_output_info {
  uint32_t layer, rank, dims[OFS_MAX_RANK];
  uint64_t size; /* elements of one prediction */
  /* last axis of a classifier's output, 2 for one sigmoid unit; 0: not a classifier */
  uint32_t classes;
  /* class indices of a sample where y is integer: size / last axis; 0: y has no integer form */
  uint32_t targets;
  uint32_t loss; /* the schema's loss id, the default resolved */
  double weight; /* factor of its loss in the sum of all */
} ofs_output_info;

typedef struct ofs_input_info {
  uint32_t rank, dims[OFS_MAX_RANK];
  uint64_t size, at; /* numbers [at, at + size) of a row of x */
  uint64_t below;    /* where an embedding reads it: the bound of its indices, [0, below); else 0 */
} ofs_input_info;

/* Writes the sizes of a model and its step count. */
void ofs_model_get_facts(const ofs_model *model, ofs_model_facts *facts);
/* Describes input i; OFS_INVALID_ARGUMENT where there is none. */
ofs_status ofs_model_input(const ofs_model *model, uint32_t i, ofs_input_info *input);
/* Describes output i; OFS_INVALID_ARGUMENT where there is none. */
ofs_status ofs_model_output(const ofs_model *model, uint32_t i, ofs_output_info *output);

/* ---- control ---- */

/* What decides during a run: a schedule of learning rates, early stopping, the rate's fall on a
 * plateau, targets, limits. It knows no model: the caller asks for the rate before a step, tells
 * what was measured after an epoch, and does what is decided. */
typedef struct ofs_control ofs_control;

/* Returns the size of its block. */
size_t ofs_control_bytes(void);
/* Makes a control in `mem`, which stays the caller's and is aligned to OFS_ALIGN, of a list of
 * records (schema.h: schedules, at most one; decisions). `monitors` is how many numbers the caller
 * has after an epoch. A schedule beside reduceOnPlateau: OFS_WHY_CONFLICT. */
ofs_status ofs_control_init(void *mem, const void *spec, size_t n, uint32_t monitors,
                            ofs_control **control, ofs_error *err);
/* Returns the learning rate of the update that follows `updates` others of the run, after `epochs`
 * complete ones: the schedule's, which begins at its own rate or at `own`; without one `own`. It
 * may be more than the optimizer takes. */
double ofs_control_rate(const ofs_control *control, double own, uint64_t updates, uint64_t epochs);
/* Says whether a run of so many steps, which took so long, is at one of its limits. */
int ofs_control_at_limit(const ofs_control *control, uint64_t steps, double seconds);

/* What was decided after an epoch: the model's weights are to be kept as the best; the run is to
 * end because it no longer improves; because every target is reached. */
enum { OFS_KEEP_BEST = 1, OFS_STOP_EARLY = 2, OFS_STOP_REACHED = 4 };
/* Decides after an epoch, counted from 1: `values` are the monitors'. *rate is the learning rate,
 * which a plateau makes less. */
uint32_t ofs_control_epoch(ofs_control *control, uint64_t epoch, const double *values,
                           double *rate);
/* Returns the numbers that decisions depend on, *n, for a checkpoint; borrowed. Number 3 is the
 * epoch whose weights are the best, 0 where none are kept. */
const double *ofs_control_state(const ofs_control *control, uint64_t *n);
/* Sets them. OFS_INVALID_DATA where they cannot be those of this control; then nothing is
 * changed. */
ofs_status ofs_control_restore(ofs_control *control, const double *from, uint64_t n);

/* ---- metrics ---- */

/* Metrics are sums over the batches of plans' steps, and results made of the sums at any time
 * between two steps. `spec` is n bytes in the form of a spec whose records are metrics, 1 to 64,
 * which the calls do not keep. In errors `layer` is the record's index.
 *
 * `samples` is how many are added between two resets at most: an exact auc holds all scores.
 *
 *     ofs_metrics_bytes(model, spec, n, samples, &bytes, &err);
 *     ofs_metrics_init(block, bytes, model, spec, n, samples, &metrics, &err);
 *     ofs_model_set_metrics(model, metrics);  then ofs_plan_bytes, ofs_plan_init
 *     each epoch: ofs_metrics_reset(metrics); the steps; ofs_metrics_finish until it is OFS_OK;
 *     ofs_metrics_result(metrics, i, to); */
typedef struct ofs_metrics ofs_metrics;

/* Returns in *bytes the size of the block that these metrics need. */
ofs_status ofs_metrics_bytes(const ofs_model *model, const void *spec, size_t n, uint64_t samples,
                             uint64_t *bytes, ofs_error *err);
/* Makes metrics of the model's outputs in `mem`, which stays the caller's, is aligned to OFS_ALIGN
 * and has at least ofs_metrics_bytes bytes. OFS_WHY_OUTPUT: the metric has no meaning there. */
ofs_status ofs_metrics_init(void *mem, uint64_t bytes, const ofs_model *model, const void *spec,
                            size_t n, uint64_t samples, ofs_metrics **metrics, ofs_error *err);
/* Makes plans that train or evaluate, of ofs_plan_bytes and ofs_plan_init from here on, add each
 * step that completes to these metrics, which must outlive them; NULL: to none. A step that is
 * discarded or OFS_NON_FINITE adds nothing; one that has begun to add cannot be discarded. */
void ofs_model_set_metrics(ofs_model *model, ofs_metrics *metrics);
/* Sets all sums to 0. */
void ofs_metrics_reset(ofs_metrics *metrics);

typedef struct ofs_metric_info {
  uint32_t type;     /* the schema's record id */
  uint32_t output;   /* index of the model's output */
  uint32_t length;   /* numbers of its result */
  uint32_t rank;     /* 0: one number; 1: one of each class; 2: a square of these, rows true */
  int32_t direction; /* 1: more is better; -1: less is; 0: neither */
} ofs_metric_info;

/* Returns the number of metrics, which have the order of their records. */
uint32_t ofs_metrics_count(const ofs_metrics *metrics);
/* Describes metric i; OFS_INVALID_ARGUMENT where there is none. */
ofs_status ofs_metrics_info(const ofs_metrics *metrics, uint32_t i, ofs_metric_info *info);
/* Sorts the scores that metrics hold, once all is added and before results are asked for, with
 * about `work` units in this call (done: how many it took, or NULL). OFS_MORE: some remain. */
ofs_status ofs_metrics_finish(ofs_metrics *metrics, uint64_t work, uint64_t *done);
/* Writes the result of metric i, of what was added since the last reset: info.length numbers, all
 * of them NaN where a prediction was not finite, or where more samples came than there was room
 * for. OFS_INVALID_STATE: its scores are not sorted. */
ofs_status ofs_metrics_result(const ofs_metrics *metrics, uint32_t i, double *to);
/* Returns the sums, *n numbers, for a checkpoint; borrowed. */
const double *ofs_metrics_state(const ofs_metrics *metrics, uint64_t *n);
/* Sets the sums to n numbers that ofs_metrics_state had. OFS_INVALID_DATA where they cannot be
 * sums of these metrics; then nothing is changed. */
ofs_status ofs_metrics_restore(ofs_metrics *metrics, const double *from, uint64_t n);

/* ---- plan ---- */

/* A plan of a kind does this with a batch: update the weights, measure loss and accuracy, or only
 * predict. */
typedef enum ofs_kind { OFS_TRAIN = 0, OFS_EVALUATE = 1, OFS_PREDICT = 2 } ofs_kind;

typedef struct ofs_plan ofs_plan;

/* Returns in *bytes the size of the block that a plan needs. `batch` is the most samples of one
 * step, 1 to 2^24. This call and the next one write to scratch inside the model. */
ofs_status ofs_plan_bytes(ofs_model *model, int kind, uint32_t batch, uint64_t *bytes,
                          ofs_error *err);
/* Makes a plan in `mem`, which stays the caller's, is aligned to OFS_ALIGN and has at least
 * ofs_plan_bytes bytes. The model must outlive it. */
ofs_status ofs_plan_init(void *mem, uint64_t bytes, ofs_model *model, int kind, uint32_t batch,
                         ofs_plan **plan, ofs_error *err);

typedef enum ofs_type { OFS_NONE = 0, OFS_F32 = 1, OFS_U8 = 2, OFS_I32 = 3 } ofs_type;

/* A data set is borrowed while the plan uses it. x is (n, row), OFS_F32, or OFS_U8 that becomes x *
 * inputScale + inputOffset (indices are not scaled). y of one output is OFS_I32 class indices (n,
 * targets), or OFS_F32 rows (n, size). y of several outputs is OFS_F32: a row has one output after
 * the other, output k as class indices where bit k of y_indices is set. OFS_PREDICT takes
 * OFS_NONE. */
typedef struct ofs_data {
  const void *x, *y;
  uint32_t x_type, y_type;
  uint64_t n;
  uint32_t y_indices;
  const float *weights;  /* n factors of the samples in the loss; NULL: 1 each */
  const uint32_t *order; /* n, each below n: position p stands for sample order[p]; NULL: p */
} ofs_data;

/* Gives the plan its data set, which must stay until it is replaced; between two steps only. Types
 * are checked here, values by ofs_check_x and ofs_check_y. */
ofs_status ofs_plan_set_data(ofs_plan *plan, const ofs_data *data, ofs_error *err);

/* Looks for values that a plan could not use in elements [first, first + n) of x: NaN, infinity,
 * and where an embedding reads, anything but its indices. `x` points to element `first`, which need
 * not begin a row. Returns OFS_INVALID_DATA where there is one, and in *where the index of the
 * first, from `x` on. */
ofs_status ofs_check_x(const ofs_model *model, const void *x, uint32_t type, uint64_t first,
                       uint64_t n, uint64_t *where);
/* Does the same for elements [first, first + n) of y, whose rows are as ofs_data has them: it looks
 * for class indices outside [0, classes), NaN and infinity. */
ofs_status ofs_check_y(const ofs_model *model, const void *y, uint32_t type, uint32_t indices,
                       uint64_t first, uint64_t n, uint64_t *where);

/* Checks n weights of samples and multiplies the first `weighed` of them by the weights of their
 * classes. Returns OFS_INVALID_DATA where a weight is not finite or below 0, or a class is out of
 * range, and in *where the index of the first such sample, before which all are multiplied.
 * `class_weights` has a number for each class; NULL: none are multiplied. `y` begins with the first
 * sample's target, of a model with one output and one class a sample; the class is an index, the
 * side of 0.5 of a row of one number, else the largest of its row. `weights` is changed in
 * place. */
ofs_status ofs_weigh(const ofs_model *model, float *weights, uint64_t n, const void *y,
                     uint32_t y_type, const float *class_weights, uint64_t weighed,
                     uint64_t *where);

/* A batch is positions [first, first + count) of an epoch over samples [0, n). With shuffle,
 * position p of the epoch is position permutation(p) of [0, n), keyed by (seed, epoch). */
typedef struct ofs_batch {
  uint64_t first, n;
  uint32_t count, shuffle;
  uint64_t epoch;
} ofs_batch;

/* Writes elements [first, first + n) of a permutation of [0, of), of <= 2^32, to `out`: that of
 * (seed, epoch), as a batch with shuffle has it. An epoch from 2^53 - 1 on is none of training. */
void ofs_model_shuffled(const ofs_model *model, uint32_t *out, uint64_t first, uint64_t n,
                        uint64_t of, uint64_t epoch);

/* Begins a step, discarding one that is under way; within that one's update it returns
 * OFS_INVALID_STATE. */
ofs_status ofs_step_begin(ofs_plan *plan, const ofs_batch *batch, ofs_error *err);

/* Runs at least one part of the step and at most about `work` units. A unit is the time of about
 * one floating point operation, so work that threads do side by side counts once. *done, where
 * `done` is not NULL, receives the units done. Returns
 *     OFS_OK          the step is complete and, for OFS_TRAIN, committed to the model
 *     OFS_MORE        parts remain
 *     OFS_NON_FINITE  the step is over, the model is unchanged, and another step may begin */
ofs_status ofs_step_run(ofs_plan *plan, uint64_t work, uint64_t *done);

/* A culprit says why a step ended with OFS_NON_FINITE. Before the update the loss and all gradients
 * are checked: they must be finite, gradients also below 1e15, so that no finite weight can become
 * anything else. `layer` is where the fault began: the first whose output is not finite
 * (OFS_FAULT_ACTIVATION); else OFS_IN_MODEL, for the loss; else the layer nearest the loss whose
 * gradient or statistic it is. `step` counts from 1 and is the step that was not applied. */
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

/* Writes why the last step ended with OFS_NON_FINITE. */
void ofs_step_fault(const ofs_plan *plan, ofs_fault *fault);

/* Returns 1 while an update is under way: the weights are then between two steps and must not be
 * read. */
int ofs_step_updating(const ofs_plan *plan);

/* Discards the step that is under way, if any; within its update it returns OFS_INVALID_STATE. */
ofs_status ofs_step_discard(ofs_plan *plan);

typedef struct ofs_totals {
  /* sum over the batch's samples and over all outputs, weighted, with the weights that the step
   * started from */
  double loss;
  uint32_t count;                 /* samples */
  double losses[OFS_MAX_OUTPUTS]; /* each output's loss, not weighted */
  /* correct predictions of each output, in samples (one with several targets counts a fraction) */
  double correct[OFS_MAX_OUTPUTS];
} ofs_totals;

/* Writes the totals of the last complete step. */
void ofs_step_totals(const ofs_plan *plan, ofs_totals *totals);

/* Returns output i of the last complete step of an OFS_PREDICT plan, (count, size); borrowed until
 * the next step. */
const ofs_real *ofs_plan_output(const ofs_plan *plan, uint32_t i);

/* Returns the bytes of the plan's buffers, and the bytes that its steps need at one time at least,
 * whatever the layout. */
void ofs_plan_memory(const ofs_plan *plan, uint64_t *buffers, uint64_t *live);

/* Returns the gradient of the last OFS_TRAIN step, flat in the order of the tensors; borrowed. It
 * is for tests. */
const ofs_real *ofs_plan_gradient(const ofs_plan *plan);

/* ---- threads: builds with OFS_THREADS only ---- */

/* A team shares the steps of one model between the thread that calls ofs_step_run and helpers:
 * threads of the caller's making, each of which spends its life in ofs_team_help. They may come at
 * any time, and a step uses those that are there; results do not depend on how many.
 *
 *     ofs_team *team = ofs_team_init(block of ofs_team_bytes());
 *     ofs_model_set_team(model, team);
 *     in each helper: ofs_team_help(team);
 *     ofs_team_end(team), then wait for the helpers, before the block is reused
 *
 * Helpers may be lent from one team to another: those that left at ofs_team_end() may come back
 * after ofs_team_begin(). */
typedef struct ofs_team ofs_team;

/* Returns the size of a team's block in bytes. */
size_t ofs_team_bytes(void);
/* Makes a team in `mem`, which stays the caller's and is aligned to OFS_ALIGN. */
ofs_team *ofs_team_init(void *mem);

/* Gives the model a team that shares its steps; NULL: its steps are one thread's again. It may be
 * called between two calls of ofs_step_run only. */
void ofs_model_set_team(ofs_model *model, ofs_team *team);

/* Returns 1 where a second thread would make a step of this plan faster (judged from the shapes),
 * so that helpers are worth starting. */
int ofs_plan_shares(ofs_plan *plan);

/* Helpers of a team at most. */
#define OFS_TEAM_HELPERS 64

/* Is the life of a helper: it reports in, computes when there is something to share, sleeps when
 * there is not, and returns after ofs_team_end, or at once where OFS_TEAM_HELPERS are there. It
 * takes about as much stack as ofs_step_run. */
void ofs_team_help(ofs_team *team);
/* Returns the number of helpers that have reported in. */
uint32_t ofs_team_helpers(const ofs_team *team);
/* Returns the number of those that sleep: a helper that waits spins for 50 microseconds first. */
uint32_t ofs_team_asleep(const ofs_team *team);
/* Lets so many threads at most share steps from here on, the caller of ofs_step_run included, from
 * 1 up; without it all do. The others sleep. It may be called between two calls of ofs_step_run
 * only. */
void ofs_team_limit(ofs_team *team, uint32_t threads);

/* Reports that a helper ended otherwise: from here on every step of the model is OFS_THREAD_LOST. A
 * helper that ends without a report is noticed, with the same result, when a part that it had taken
 * is 10 seconds late. */
void ofs_team_lose(ofs_team *team);
/* Makes all helpers leave, and sends away those that come later; it returns at once. */
void ofs_team_end(ofs_team *team);
/* Lets helpers stay again after ofs_team_end, also one that has not left yet. */
void ofs_team_begin(ofs_team *team);

#ifdef __cplusplus
}
#endif
#endif
