/* schema.h: the one table of what a spec may say.
 *
 * It owns the ids and names of layer types, optimizers, losses and enumerations; the ranges and
 * defaults of their fields are the rows of fields.def. The C checks read both as arrays; the
 * JavaScript encoder and the documentation read ofs_fields as it lies in memory, and the names as
 * the text that ofs_schema() returns. All are made from the same rows, so they cannot differ. Ids
 * are part of the format: never reused, never renumbered.
 *
 * The text is six lines, of words with a space before each: the version; (name, value) of
 * constants; (id, name) of reasons; (id, group, name) of records; (enumeration, id, name) of
 * values; (name, enumeration or nothing) of the fields in ofs_fields' order. A row of ofs_fields is
 * 32 bytes: u8 id, kind, least, spread, presence, an unused byte, u16 most (kinds and presences
 * count from 0 in the order given below), f64 low, high, default. Behind the last row there is u8
 * record for each: what records have alike has the same bytes in all of them, which gzip finds.
 *
 * The bytes of a spec, little-endian, no padding:
 *     u32 magic "OFS1" | u32 number of records | records
 *     record: u16 record id | u16 number of fields | fields
 *     field:  u8 field id | u8 zero | u16 count | count x f64 (enumerations by id, booleans 0 or 1)
 * The records are the model, which has the first input; further inputs; one optimizer; the layers;
 * outputs, where the last layer's is not the only one. A wrapper (bidirectional, timeDistributed)
 * stands before the layer that it wraps. Fields of the record `common` may stand in any layer (in a
 * wrapper, not in what it wraps, but for trainable). A list of controls has the same form, and
 * records of the groups schedule and decision only; so has a list of metrics, of the groups
 * evaluation-up, -down and -none. */
#ifndef OFS_SCHEMA_H
#define OFS_SCHEMA_H

#include <stdint.h>

#include "offstage.h"

#define OFS_SPEC_MAGIC 0x3153464fu

/* R(symbol, id, group, name): each row is a kind of record. */
#define OFS_RECORDS(R)                                                                       \
  R(MODEL, 0, "model", "model")                                                              \
  R(SGD, 16, "optimizer", "sgd")                                                             \
  R(ADAM, 17, "optimizer", "adam")                                                           \
  R(ADAMW, 18, "optimizer", "adamw")                                                         \
  R(ADAMAX, 19, "optimizer", "adamax")                                                       \
  R(NADAM, 20, "optimizer", "nadam")                                                         \
  R(RMSPROP, 21, "optimizer", "rmsprop")                                                     \
  R(ADAGRAD, 22, "optimizer", "adagrad")                                                     \
  R(ADADELTA, 23, "optimizer", "adadelta")                                                   \
  R(LION, 24, "optimizer", "lion")                                                           \
  R(DENSE, 32, "layer", "dense")                                                             \
  R(CONV2D, 33, "layer", "conv2d")                                                           \
  R(MAX_POOLING2D, 34, "layer", "maxPooling2d")                                              \
  R(AVERAGE_POOLING2D, 35, "layer", "averagePooling2d")                                      \
  R(FLATTEN, 36, "layer", "flatten")                                                         \
  R(RESHAPE, 37, "layer", "reshape")                                                         \
  R(DROPOUT, 38, "layer", "dropout")                                                         \
  R(ACTIVATION, 39, "layer", "activation")                                                   \
  R(LSTM, 40, "layer", "lstm")                                                               \
  R(GRU, 41, "layer", "gru")                                                                 \
  R(CONV1D, 42, "layer", "conv1d")                                                           \
  R(DEPTHWISE_CONV2D, 43, "layer", "depthwiseConv2d")                                        \
  R(SEPARABLE_CONV2D, 44, "layer", "separableConv2d")                                        \
  R(CONV2D_TRANSPOSE, 45, "layer", "conv2dTranspose")                                        \
  R(MAX_POOLING1D, 46, "layer", "maxPooling1d")                                              \
  R(AVERAGE_POOLING1D, 47, "layer", "averagePooling1d")                                      \
  R(GLOBAL_MAX_POOLING1D, 48, "layer", "globalMaxPooling1d")                                 \
  R(GLOBAL_AVERAGE_POOLING1D, 49, "layer", "globalAveragePooling1d")                         \
  R(GLOBAL_MAX_POOLING2D, 50, "layer", "globalMaxPooling2d")                                 \
  R(GLOBAL_AVERAGE_POOLING2D, 51, "layer", "globalAveragePooling2d")                         \
  R(UP_SAMPLING2D, 52, "layer", "upSampling2d")                                              \
  R(ZERO_PADDING2D, 53, "layer", "zeroPadding2d")                                            \
  R(CROPPING2D, 54, "layer", "cropping2d")                                                   \
  R(PERMUTE, 55, "layer", "permute")                                                         \
  R(REPEAT_VECTOR, 56, "layer", "repeatVector")                                              \
  R(RESCALING, 57, "layer", "rescaling")                                                     \
  R(NORMALIZATION, 58, "layer", "normalization")                                             \
  R(BATCH_NORMALIZATION, 59, "layer", "batchNormalization")                                  \
  R(LAYER_NORMALIZATION, 60, "layer", "layerNormalization")                                  \
  R(GROUP_NORMALIZATION, 61, "layer", "groupNormalization")                                  \
  R(EMBEDDING, 62, "layer", "embedding")                                                     \
  R(POSITION_EMBEDDING, 63, "layer", "positionEmbedding")                                    \
  R(SIMPLE_RNN, 64, "layer", "simpleRNN")                                                    \
  R(BIDIRECTIONAL, 65, "layer-wrapper", "bidirectional")                                     \
  R(TIME_DISTRIBUTED, 66, "layer-wrapper", "timeDistributed")                                \
  R(MULTI_HEAD_ATTENTION, 67, "layer", "multiHeadAttention")                                 \
  R(SPATIAL_DROPOUT2D, 68, "layer", "spatialDropout2d")                                      \
  R(GAUSSIAN_NOISE, 69, "layer", "gaussianNoise")                                            \
  R(SOFTMAX, 70, "layer", "softmax")                                                         \
  R(PRELU, 71, "layer", "prelu")                                                             \
  R(ADD, 72, "layer", "add")                                                                 \
  R(SUBTRACT, 73, "layer", "subtract")                                                       \
  R(MULTIPLY, 74, "layer", "multiply")                                                       \
  R(AVERAGE, 75, "layer", "average")                                                         \
  R(MAXIMUM, 76, "layer", "maximum")                                                         \
  R(MINIMUM, 77, "layer", "minimum")                                                         \
  R(CONCATENATE, 78, "layer", "concatenate")                                                 \
  R(DOT, 79, "layer", "dot")                                                                 \
  R(COMMON, 120, "common", "common")                                                         \
  R(INPUT, 121, "input", "input")                                                            \
  R(OUTPUT, 122, "result", "output")                                                         \
  /* options of initializers: the initializer's id + OFS_INIT_OPTIONS; no record in bytes */ \
  R(OPTIONS_RANDOM_UNIFORM, 136, "named", "randomUniform")                                   \
  R(OPTIONS_RANDOM_NORMAL, 137, "named", "randomNormal")                                     \
  R(OPTIONS_TRUNCATED_NORMAL, 138, "named", "truncatedNormal")                               \
  R(OPTIONS_ORTHOGONAL, 139, "named", "orthogonal")                                          \
  R(OPTIONS_IDENTITY, 140, "named", "identity")                                              \
  R(OPTIONS_VARIANCE_SCALING, 141, "named", "varianceScaling")                               \
  R(OPTIONS_CONSTANT, 142, "named", "constant")                                              \
  /* learning rates over a run, and what may end it: lists of their own (control.h) */       \
  R(SCHEDULE_CONSTANT, 160, "schedule", "constant")                                          \
  R(SCHEDULE_EXPONENTIAL, 161, "schedule", "exponential")                                    \
  R(SCHEDULE_PIECEWISE, 162, "schedule", "piecewise")                                        \
  R(SCHEDULE_POLYNOMIAL, 163, "schedule", "polynomial")                                      \
  R(SCHEDULE_INVERSE_TIME, 164, "schedule", "inverseTime")                                   \
  R(SCHEDULE_COSINE, 165, "schedule", "cosine")                                              \
  R(SCHEDULE_RESTARTS, 166, "schedule", "cosineRestarts")                                    \
  R(SCHEDULE_ONE_CYCLE, 167, "schedule", "oneCycle")                                         \
  R(EARLY_STOPPING, 176, "decision", "earlyStopping")                                        \
  R(REDUCE_ON_PLATEAU, 177, "decision", "reduceOnPlateau")                                   \
  R(UNTIL, 178, "decision", "until")                                                         \
  R(LIMITS, 179, "decision", "limits")                                                       \
  /* metrics (metrics.h): lists of their own; the group tells which way is better */         \
  R(METRIC_ACCURACY, 192, "evaluation-up", "accuracy")                                       \
  R(METRIC_BINARY, 193, "evaluation-up", "binaryAccuracy")                                   \
  R(METRIC_TOP_K, 194, "evaluation-up", "topKAccuracy")                                      \
  R(METRIC_PRECISION, 195, "evaluation-up", "precision")                                     \
  R(METRIC_RECALL, 196, "evaluation-up", "recall")                                           \
  R(METRIC_F1, 197, "evaluation-up", "f1")                                                   \
  R(METRIC_F_BETA, 198, "evaluation-up", "fBeta")                                            \
  R(METRIC_SPECIFICITY, 199, "evaluation-up", "specificity")                                 \
  R(METRIC_AUC, 200, "evaluation-up", "auc")                                                 \
  R(METRIC_CONFUSION, 201, "evaluation-none", "confusionMatrix")                             \
  R(METRIC_PER_CLASS, 202, "evaluation-none", "perClassAccuracy")                            \
  R(METRIC_MEAN_IOU, 203, "evaluation-up", "meanIoU")                                        \
  R(METRIC_MATTHEWS, 204, "evaluation-up", "matthews")                                       \
  R(METRIC_MSE, 205, "evaluation-down", "meanSquaredError")                                  \
  R(METRIC_RMSE, 206, "evaluation-down", "rootMeanSquaredError")                             \
  R(METRIC_MAE, 207, "evaluation-down", "meanAbsoluteError")                                 \
  R(METRIC_MAPE, 208, "evaluation-down", "meanAbsolutePercentageError")                      \
  R(METRIC_R2, 209, "evaluation-up", "r2")                                                   \
  R(METRIC_PEARSON, 210, "evaluation-up", "pearson")                                         \
  R(METRIC_COSINE, 211, "evaluation-up", "cosineSimilarity")
#define OFS_INIT_OPTIONS 128

/* V(enumeration, symbol, id, name): each row is a value of an enumeration. */
#define OFS_VALUES(V)                                                                              \
  V("activation", ACT_LINEAR, 0, "linear")                                                         \
  V("activation", ACT_RELU, 1, "relu")                                                             \
  V("activation", ACT_LEAKY_RELU, 2, "leakyRelu")                                                  \
  V("activation", ACT_ELU, 3, "elu")                                                               \
  V("activation", ACT_SELU, 4, "selu")                                                             \
  V("activation", ACT_GELU, 5, "gelu")                                                             \
  V("activation", ACT_SIGMOID, 6, "sigmoid")                                                       \
  V("activation", ACT_TANH, 7, "tanh")                                                             \
  V("activation", ACT_SOFTPLUS, 8, "softplus")                                                     \
  V("activation", ACT_SWISH, 9, "swish")                                                           \
  V("activation", ACT_SOFTMAX, 10, "softmax")                                                      \
  V("activation", ACT_RELU6, 11, "relu6")                                                          \
  V("activation", ACT_HARD_SIGMOID, 12, "hardSigmoid")                                             \
  V("activation", ACT_SOFTSIGN, 13, "softsign")                                                    \
  V("activation", ACT_EXPONENTIAL, 14, "exponential")                                              \
  V("activation", ACT_MISH, 15, "mish")                                                            \
  /* a recurrent layer takes those whose derivative follows from the output, under the same ids */ \
  V("gateActivation", GATE_LINEAR, 0, "linear")                                                    \
  V("gateActivation", GATE_RELU, 1, "relu")                                                        \
  V("gateActivation", GATE_LEAKY_RELU, 2, "leakyRelu")                                             \
  V("gateActivation", GATE_ELU, 3, "elu")                                                          \
  V("gateActivation", GATE_SELU, 4, "selu")                                                        \
  V("gateActivation", GATE_SIGMOID, 6, "sigmoid")                                                  \
  V("gateActivation", GATE_TANH, 7, "tanh")                                                        \
  V("gateActivation", GATE_SOFTPLUS, 8, "softplus")                                                \
  V("gateActivation", GATE_RELU6, 11, "relu6")                                                     \
  V("gateActivation", GATE_HARD_SIGMOID, 12, "hardSigmoid")                                        \
  V("gateActivation", GATE_SOFTSIGN, 13, "softsign")                                               \
  V("gateActivation", GATE_EXPONENTIAL, 14, "exponential")                                         \
  V("padding", PAD_VALID, 0, "valid")                                                              \
  V("padding", PAD_SAME, 1, "same")                                                                \
  V("padding", PAD_CAUSAL, 2, "causal") /* of conv1d: all of it before */                          \
  V("interpolation", NEAREST, 0, "nearest")                                                        \
  V("interpolation", BILINEAR, 1, "bilinear")                                                      \
  V("initializer", INIT_ZEROS, 0, "zeros")                                                         \
  V("initializer", INIT_ONES, 1, "ones")                                                           \
  V("initializer", INIT_GLOROT_UNIFORM, 2, "glorotUniform")                                        \
  V("initializer", INIT_GLOROT_NORMAL, 3, "glorotNormal")                                          \
  V("initializer", INIT_HE_UNIFORM, 4, "heUniform")                                                \
  V("initializer", INIT_HE_NORMAL, 5, "heNormal")                                                  \
  V("initializer", INIT_LECUN_UNIFORM, 6, "leCunUniform")                                          \
  V("initializer", INIT_LECUN_NORMAL, 7, "leCunNormal")                                            \
  V("initializer", INIT_RANDOM_UNIFORM, 8, "randomUniform")                                        \
  V("initializer", INIT_RANDOM_NORMAL, 9, "randomNormal")                                          \
  V("initializer", INIT_TRUNCATED_NORMAL, 10, "truncatedNormal")                                   \
  V("initializer", INIT_ORTHOGONAL, 11, "orthogonal")                                              \
  V("role", KERNEL, 0, "kernel")                                                                   \
  V("role", BIAS, 1, "bias")                                                                       \
  V("role", RECURRENT_KERNEL, 2, "recurrent_kernel")                                               \
  V("role", DEPTHWISE_KERNEL, 3, "depthwise_kernel")                                               \
  V("role", POINTWISE_KERNEL, 4, "pointwise_kernel")                                               \
  V("role", GAMMA, 5, "gamma")                                                                     \
  V("role", BETA, 6, "beta")                                                                       \
  V("role", MOVING_MEAN, 7, "moving_mean")                                                         \
  V("role", MOVING_VARIANCE, 8, "moving_variance")                                                 \
  V("role", EMBEDDINGS, 9, "embeddings")                                                           \
  V("role", ALPHA, 10, "alpha")                                                                    \
  V("role", QUERY_KERNEL, 11, "query_kernel")                                                      \
  V("role", QUERY_BIAS, 12, "query_bias")                                                          \
  V("role", KEY_KERNEL, 13, "key_kernel")                                                          \
  V("role", KEY_BIAS, 14, "key_bias")                                                              \
  V("role", VALUE_KERNEL, 15, "value_kernel")                                                      \
  V("role", VALUE_BIAS, 16, "value_bias")                                                          \
  V("role", OUTPUT_KERNEL, 17, "output_kernel")                                                    \
  V("role", OUTPUT_BIAS, 18, "output_bias")                                                        \
  V("role", MEAN, 19, "mean")                                                                      \
  V("role", VARIANCE, 20, "variance")                                                              \
  V("merge", MERGE_CONCAT, 0, "concat")                                                            \
  V("merge", MERGE_SUM, 1, "sum")                                                                  \
  V("merge", MERGE_MUL, 2, "mul")                                                                  \
  V("merge", MERGE_AVE, 3, "ave")                                                                  \
  V("initializer", INIT_IDENTITY, 12, "identity")                                                  \
  V("initializer", INIT_VARIANCE_SCALING, 13, "varianceScaling")                                   \
  V("initializer", INIT_CONSTANT, 14, "constant")                                                  \
  V("fanMode", FAN_IN, 0, "fanIn")                                                                 \
  V("fanMode", FAN_OUT, 1, "fanOut")                                                               \
  V("fanMode", FAN_AVG, 2, "fanAvg")                                                               \
  V("distribution", DISTRIBUTION_TRUNCATED, 0, "truncatedNormal")                                  \
  V("distribution", DISTRIBUTION_NORMAL, 1, "normal")                                              \
  V("distribution", DISTRIBUTION_UNIFORM, 2, "uniform")                                            \
  V("scheduleUnit", PER_STEP, 0, "step")                                                           \
  V("scheduleUnit", PER_EPOCH, 1, "epoch")                                                         \
  V("monitorMode", MODE_MIN, 0, "min")                                                             \
  V("monitorMode", MODE_MAX, 1, "max")                                                             \
  V("average", AVERAGE_MACRO, 0, "macro")                                                          \
  V("average", AVERAGE_MICRO, 1, "micro")                                                          \
  V("average", AVERAGE_WEIGHTED, 2, "weighted")                                                    \
  V("average", AVERAGE_NONE, 3, "none")                                                            \
  V("curve", CURVE_ROC, 0, "roc")                                                                  \
  V("curve", CURVE_PR, 1, "pr")                                                                    \
  V("loss", LOSS_SPARSE_CATEGORICAL, 0, "sparseCategoricalCrossentropy")                           \
  V("loss", LOSS_CATEGORICAL, 1, "categoricalCrossentropy")                                        \
  V("loss", LOSS_BINARY, 2, "binaryCrossentropy")                                                  \
  V("loss", LOSS_MSE, 3, "meanSquaredError")                                                       \
  V("loss", LOSS_MAE, 4, "meanAbsoluteError")                                                      \
  V("loss", LOSS_HUBER, 5, "huber")                                                                \
  V("loss", LOSS_MAPE, 6, "meanAbsolutePercentageError")                                           \
  V("loss", LOSS_MSLE, 7, "meanSquaredLogarithmicError")                                           \
  V("loss", LOSS_LOG_COSH, 8, "logCosh")                                                           \
  V("loss", LOSS_KL, 9, "klDivergence")                                                            \
  V("loss", LOSS_POISSON, 10, "poisson")                                                           \
  V("loss", LOSS_COSINE, 11, "cosineSimilarity")                                                   \
  V("loss", LOSS_HINGE, 12, "hinge")                                                               \
  V("loss", LOSS_SQUARED_HINGE, 13, "squaredHinge")                                                \
  V("loss", LOSS_CATEGORICAL_HINGE, 14, "categoricalHinge")                                        \
  V("loss", LOSS_BINARY_FOCAL, 15, "binaryFocalCrossentropy")                                      \
  V("loss", LOSS_CATEGORICAL_FOCAL, 16, "categoricalFocalCrossentropy")                            \
  /* the options that a loss takes: ids and names of the output record's fields */                 \
  V("categoricalCrossentropy", CATEGORICAL_SMOOTHING, 3, "labelSmoothing")                         \
  V("binaryCrossentropy", BINARY_SMOOTHING, 3, "labelSmoothing")                                   \
  V("huber", HUBER_DELTA, 4, "delta")                                                              \
  V("binaryFocalCrossentropy", BINARY_FOCAL_GAMMA, 5, "gamma")                                     \
  V("binaryFocalCrossentropy", BINARY_FOCAL_ALPHA, 6, "alpha")                                     \
  V("binaryFocalCrossentropy", BINARY_FOCAL_BALANCED, 7, "applyClassBalancing")                    \
  V("binaryFocalCrossentropy", BINARY_FOCAL_SMOOTHING, 3, "labelSmoothing")                        \
  V("categoricalFocalCrossentropy", CATEGORICAL_FOCAL_GAMMA, 5, "gamma")                           \
  V("categoricalFocalCrossentropy", CATEGORICAL_FOCAL_ALPHA, 6, "alpha")                           \
  V("categoricalFocalCrossentropy", CATEGORICAL_FOCAL_SMOOTHING, 3, "labelSmoothing")

/* The highest id that a spec may choose from each enumeration. */
#define OFS_ACT_LAST OFS_ACT_MISH
#define OFS_GATE_LAST OFS_GATE_EXPONENTIAL
#define OFS_LOSS_LAST OFS_LOSS_CATEGORICAL_FOCAL

/* OFS_MAX_VALUES is the most values of one field, OFS_RECORD_VALUES of one record. */
#define OFS_MAX_VALUES 1024
#define OFS_RECORD_VALUES 2050
/* Every field's id lies below OFS_MAX_FIELDS. */
#define OFS_MAX_FIELDS 40
/* An initializer takes at most so many numbers: the fields of its record of options, in their
 * order. */
#define OFS_INIT_VALUES 3
/* The most boundaries of a piecewise schedule, and numbers that controls may watch. */
#define OFS_BOUNDARIES 256
#define OFS_MONITORS 4096

#define OFS_RECORD_ENUM(symbol, id, group, name) OFS_##symbol = id,
enum { OFS_RECORDS(OFS_RECORD_ENUM) };
#undef OFS_RECORD_ENUM

#define OFS_VALUE_ENUM(enumeration, symbol, id, name) OFS_##symbol = id,
enum { OFS_VALUES(OFS_VALUE_ENUM) };
#undef OFS_VALUE_ENUM

#define FIELD(symbol, id, ...) OFS_##symbol = id,
enum {
#include "spec/fields.def"
};

enum { OFS_KIND_integer, OFS_KIND_number, OFS_KIND_boolean, OFS_KIND_enum, OFS_KIND_initializer };
enum { OFS_IS_required, OFS_IS_default, OFS_IS_optional, OFS_IS_like };

/* A field is a row of fields.def: kind is one of OFS_KIND_*, presence of OFS_IS_*; it has `least`
 * to `most` values from low to high, and `fallback` is its default. */
typedef struct ofs_field {
  uint8_t id, kind, least, spread, presence;
  uint16_t most;
  double low, high, fallback;
} ofs_field;

#define FIELD(...) +1
enum {
  OFS_FIELD_COUNT = 0
#include "spec/fields.def"
};

extern const struct ofs_fields {
  ofs_field row[OFS_FIELD_COUNT];
  uint8_t record[OFS_FIELD_COUNT];
} ofs_fields;

/* Returns the id of the record that a row belongs to. */
static inline uint32_t ofs_field_record(const ofs_field *row) {
  return ofs_fields.record[row - ofs_fields.row];
}

/* Returns the group of a record: 'm' model, 'i' input, 'o' optimizer, 'l' layer, 'r' result (an
 * output), 'c' common to all layers, 's' schedule, 'd' decision (a control), 'e' evaluation (a
 * metric), 0 where the id is not in the schema. */
int ofs_record_group(uint32_t record);
/* Returns the row of a record's field, NULL where there is none. */
const ofs_field *ofs_field_find(uint32_t record, uint32_t id);

#endif
