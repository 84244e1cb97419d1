/* schema.h: the one table of what a spec may say.
 *
 * It owns the ids, names, ranges and defaults of layer types, optimizers, losses and their fields. The C
 * checks read it as arrays; the JavaScript encoder and the documentation read ofs_fields as it lies in memory, and
 * what is not in there as the text that ofs_schema() returns. All are made from the macros below, so they cannot
 * differ. Ids are part of the format: never reused, never renumbered.
 *
 * The text is six lines, of words with a space before each: the version; (name, value) of constants; (id, name) of
 * reasons; (id, group, name) of records; (enumeration, id, name) of values; (name, enumeration or nothing) of the
 * fields in ofs_fields' order. A row of ofs_fields is 32 bytes: u8 id, kind, least, spread, presence, a byte of nothing,
 * u16 most (kinds and presences count from 0 in the order told below), f64 low, high, default. Behind the last row there
 * is u8 record for each: what records have alike has the same bytes in all of them, which gzip finds.
 *
 * The bytes of a spec, little-endian, no padding:
 *     u32 magic "OFS1" | u32 number of records | records
 *     record: u16 record id | u16 number of fields | fields
 *         the model, which has the first input; further inputs; one optimizer; the layers; outputs, where the last layer's is
 *         not the only one. A wrapper (bidirectional, timeDistributed) stands before the layer that it wraps. Fields of
 *         the record `common` may stand in any layer (in a wrapper, not in what it wraps, but for trainable).
 *     field:  u8 field id | u8 zero | u16 count | count x f64      (enumerations by id, booleans 0 or 1) */
#ifndef OFS_SCHEMA_H
#define OFS_SCHEMA_H

#include <stdint.h>

#define OFS_SPEC_MAGIC 0x3153464fu

/* R(symbol, id, group, name): what kinds of record there are */
#define OFS_RECORDS(R)                                     \
  R(MODEL, 0, "model", "model")                            \
  R(SGD, 16, "optimizer", "sgd")                           \
  R(ADAM, 17, "optimizer", "adam")                         \
  R(ADAMW, 18, "optimizer", "adamw")                       \
  R(ADAMAX, 19, "optimizer", "adamax")                     \
  R(NADAM, 20, "optimizer", "nadam")                       \
  R(RMSPROP, 21, "optimizer", "rmsprop")                   \
  R(ADAGRAD, 22, "optimizer", "adagrad")                   \
  R(ADADELTA, 23, "optimizer", "adadelta")                 \
  R(LION, 24, "optimizer", "lion")                         \
  R(DENSE, 32, "layer", "dense")                           \
  R(CONV2D, 33, "layer", "conv2d")                         \
  R(MAX_POOLING2D, 34, "layer", "maxPooling2d")            \
  R(AVERAGE_POOLING2D, 35, "layer", "averagePooling2d")    \
  R(FLATTEN, 36, "layer", "flatten")                       \
  R(RESHAPE, 37, "layer", "reshape")                       \
  R(DROPOUT, 38, "layer", "dropout")                       \
  R(ACTIVATION, 39, "layer", "activation")                 \
  R(LSTM, 40, "layer", "lstm")                             \
  R(GRU, 41, "layer", "gru")                               \
  R(CONV1D, 42, "layer", "conv1d")                         \
  R(DEPTHWISE_CONV2D, 43, "layer", "depthwiseConv2d")      \
  R(SEPARABLE_CONV2D, 44, "layer", "separableConv2d")      \
  R(CONV2D_TRANSPOSE, 45, "layer", "conv2dTranspose")      \
  R(MAX_POOLING1D, 46, "layer", "maxPooling1d")            \
  R(AVERAGE_POOLING1D, 47, "layer", "averagePooling1d")    \
  R(GLOBAL_MAX_POOLING1D, 48, "layer", "globalMaxPooling1d") \
  R(GLOBAL_AVERAGE_POOLING1D, 49, "layer", "globalAveragePooling1d") \
  R(GLOBAL_MAX_POOLING2D, 50, "layer", "globalMaxPooling2d") \
  R(GLOBAL_AVERAGE_POOLING2D, 51, "layer", "globalAveragePooling2d") \
  R(UP_SAMPLING2D, 52, "layer", "upSampling2d")            \
  R(ZERO_PADDING2D, 53, "layer", "zeroPadding2d")          \
  R(CROPPING2D, 54, "layer", "cropping2d")                 \
  R(PERMUTE, 55, "layer", "permute")                       \
  R(REPEAT_VECTOR, 56, "layer", "repeatVector")            \
  R(RESCALING, 57, "layer", "rescaling")                   \
  R(NORMALIZATION, 58, "layer", "normalization")           \
  R(BATCH_NORMALIZATION, 59, "layer", "batchNormalization") \
  R(LAYER_NORMALIZATION, 60, "layer", "layerNormalization") \
  R(GROUP_NORMALIZATION, 61, "layer", "groupNormalization") \
  R(EMBEDDING, 62, "layer", "embedding")                   \
  R(POSITION_EMBEDDING, 63, "layer", "positionEmbedding")  \
  R(SIMPLE_RNN, 64, "layer", "simpleRNN")                  \
  R(BIDIRECTIONAL, 65, "layer-wrapper", "bidirectional")   \
  R(TIME_DISTRIBUTED, 66, "layer-wrapper", "timeDistributed") \
  R(MULTI_HEAD_ATTENTION, 67, "layer", "multiHeadAttention") \
  R(SPATIAL_DROPOUT2D, 68, "layer", "spatialDropout2d")    \
  R(GAUSSIAN_NOISE, 69, "layer", "gaussianNoise")          \
  R(SOFTMAX, 70, "layer", "softmax")                       \
  R(PRELU, 71, "layer", "prelu")                           \
  R(ADD, 72, "layer", "add")                               \
  R(SUBTRACT, 73, "layer", "subtract")                     \
  R(MULTIPLY, 74, "layer", "multiply")                     \
  R(AVERAGE, 75, "layer", "average")                       \
  R(MAXIMUM, 76, "layer", "maximum")                       \
  R(MINIMUM, 77, "layer", "minimum")                       \
  R(CONCATENATE, 78, "layer", "concatenate")               \
  R(DOT, 79, "layer", "dot")                               \
  R(COMMON, 120, "common", "common")                       \
  R(INPUT, 121, "input", "input")                          \
  R(OUTPUT, 122, "result", "output")                       \
  /* what an initializer may be told: its own id and OFS_INIT_OPTIONS, never a record in bytes */ \
  R(OPTIONS_RANDOM_UNIFORM, 136, "named", "randomUniform") \
  R(OPTIONS_RANDOM_NORMAL, 137, "named", "randomNormal")   \
  R(OPTIONS_TRUNCATED_NORMAL, 138, "named", "truncatedNormal") \
  R(OPTIONS_ORTHOGONAL, 139, "named", "orthogonal")        \
  R(OPTIONS_IDENTITY, 140, "named", "identity")            \
  R(OPTIONS_VARIANCE_SCALING, 141, "named", "varianceScaling") \
  R(OPTIONS_CONSTANT, 142, "named", "constant")
#define OFS_INIT_OPTIONS 128

/* V(enumeration, symbol, id, name): the values of an enumeration */
#define OFS_VALUES(V)                                                              \
  V("activation", ACT_LINEAR, 0, "linear")                                         \
  V("activation", ACT_RELU, 1, "relu")                                             \
  V("activation", ACT_LEAKY_RELU, 2, "leakyRelu")                                  \
  V("activation", ACT_ELU, 3, "elu")                                               \
  V("activation", ACT_SELU, 4, "selu")                                             \
  V("activation", ACT_GELU, 5, "gelu")                                             \
  V("activation", ACT_SIGMOID, 6, "sigmoid")                                       \
  V("activation", ACT_TANH, 7, "tanh")                                             \
  V("activation", ACT_SOFTPLUS, 8, "softplus")                                     \
  V("activation", ACT_SWISH, 9, "swish")                                           \
  V("activation", ACT_SOFTMAX, 10, "softmax")                                      \
  V("activation", ACT_RELU6, 11, "relu6")                                          \
  V("activation", ACT_HARD_SIGMOID, 12, "hardSigmoid")                             \
  V("activation", ACT_SOFTSIGN, 13, "softsign")                                    \
  V("activation", ACT_EXPONENTIAL, 14, "exponential")                              \
  V("activation", ACT_MISH, 15, "mish")                                            \
  /* those of a recurrent layer: activations whose derivative follows from the output, under the same ids */ \
  V("gateActivation", GATE_LINEAR, 0, "linear")                                    \
  V("gateActivation", GATE_RELU, 1, "relu")                                        \
  V("gateActivation", GATE_LEAKY_RELU, 2, "leakyRelu")                             \
  V("gateActivation", GATE_ELU, 3, "elu")                                          \
  V("gateActivation", GATE_SELU, 4, "selu")                                        \
  V("gateActivation", GATE_SIGMOID, 6, "sigmoid")                                  \
  V("gateActivation", GATE_TANH, 7, "tanh")                                        \
  V("gateActivation", GATE_SOFTPLUS, 8, "softplus")                                \
  V("gateActivation", GATE_RELU6, 11, "relu6")                                     \
  V("gateActivation", GATE_HARD_SIGMOID, 12, "hardSigmoid")                        \
  V("gateActivation", GATE_SOFTSIGN, 13, "softsign")                               \
  V("gateActivation", GATE_EXPONENTIAL, 14, "exponential")                         \
  V("padding", PAD_VALID, 0, "valid")                                              \
  V("padding", PAD_SAME, 1, "same")                                                \
  V("padding", PAD_CAUSAL, 2, "causal") /* of conv1d: all of it before */          \
  V("interpolation", NEAREST, 0, "nearest")                                        \
  V("interpolation", BILINEAR, 1, "bilinear")                                      \
  V("initializer", INIT_ZEROS, 0, "zeros")                                         \
  V("initializer", INIT_ONES, 1, "ones")                                           \
  V("initializer", INIT_GLOROT_UNIFORM, 2, "glorotUniform")                        \
  V("initializer", INIT_GLOROT_NORMAL, 3, "glorotNormal")                          \
  V("initializer", INIT_HE_UNIFORM, 4, "heUniform")                                \
  V("initializer", INIT_HE_NORMAL, 5, "heNormal")                                  \
  V("initializer", INIT_LECUN_UNIFORM, 6, "leCunUniform")                          \
  V("initializer", INIT_LECUN_NORMAL, 7, "leCunNormal")                            \
  V("initializer", INIT_RANDOM_UNIFORM, 8, "randomUniform")                        \
  V("initializer", INIT_RANDOM_NORMAL, 9, "randomNormal")                          \
  V("initializer", INIT_TRUNCATED_NORMAL, 10, "truncatedNormal")                   \
  V("initializer", INIT_ORTHOGONAL, 11, "orthogonal")                              \
  V("role", KERNEL, 0, "kernel")                                                   \
  V("role", BIAS, 1, "bias")                                                       \
  V("role", RECURRENT_KERNEL, 2, "recurrent_kernel")                               \
  V("role", DEPTHWISE_KERNEL, 3, "depthwise_kernel")                               \
  V("role", POINTWISE_KERNEL, 4, "pointwise_kernel")                               \
  V("role", GAMMA, 5, "gamma")                                                     \
  V("role", BETA, 6, "beta")                                                       \
  V("role", MOVING_MEAN, 7, "moving_mean")                                         \
  V("role", MOVING_VARIANCE, 8, "moving_variance")                                 \
  V("role", EMBEDDINGS, 9, "embeddings")                                           \
  V("role", ALPHA, 10, "alpha")                                                    \
  V("role", QUERY_KERNEL, 11, "query_kernel")                                      \
  V("role", QUERY_BIAS, 12, "query_bias")                                          \
  V("role", KEY_KERNEL, 13, "key_kernel")                                          \
  V("role", KEY_BIAS, 14, "key_bias")                                              \
  V("role", VALUE_KERNEL, 15, "value_kernel")                                      \
  V("role", VALUE_BIAS, 16, "value_bias")                                          \
  V("role", OUTPUT_KERNEL, 17, "output_kernel")                                    \
  V("role", OUTPUT_BIAS, 18, "output_bias")                                        \
  V("role", MEAN, 19, "mean")                                                      \
  V("role", VARIANCE, 20, "variance")                                              \
  V("merge", MERGE_CONCAT, 0, "concat")                                            \
  V("merge", MERGE_SUM, 1, "sum")                                                  \
  V("merge", MERGE_MUL, 2, "mul")                                                  \
  V("merge", MERGE_AVE, 3, "ave")                                                  \
  V("initializer", INIT_IDENTITY, 12, "identity")                                  \
  V("initializer", INIT_VARIANCE_SCALING, 13, "varianceScaling")                   \
  V("initializer", INIT_CONSTANT, 14, "constant")                                  \
  V("fanMode", FAN_IN, 0, "fanIn")                                                 \
  V("fanMode", FAN_OUT, 1, "fanOut")                                               \
  V("fanMode", FAN_AVG, 2, "fanAvg")                                               \
  V("distribution", DISTRIBUTION_TRUNCATED, 0, "truncatedNormal")                  \
  V("distribution", DISTRIBUTION_NORMAL, 1, "normal")                              \
  V("distribution", DISTRIBUTION_UNIFORM, 2, "uniform")                            \
  V("loss", LOSS_SPARSE_CATEGORICAL, 0, "sparseCategoricalCrossentropy")           \
  V("loss", LOSS_CATEGORICAL, 1, "categoricalCrossentropy")                        \
  V("loss", LOSS_BINARY, 2, "binaryCrossentropy")                                  \
  V("loss", LOSS_MSE, 3, "meanSquaredError")                                       \
  V("loss", LOSS_MAE, 4, "meanAbsoluteError")                                      \
  V("loss", LOSS_HUBER, 5, "huber")                                                \
  V("loss", LOSS_MAPE, 6, "meanAbsolutePercentageError")                           \
  V("loss", LOSS_MSLE, 7, "meanSquaredLogarithmicError")                           \
  V("loss", LOSS_LOG_COSH, 8, "logCosh")                                           \
  V("loss", LOSS_KL, 9, "klDivergence")                                            \
  V("loss", LOSS_POISSON, 10, "poisson")                                           \
  V("loss", LOSS_COSINE, 11, "cosineSimilarity")                                   \
  V("loss", LOSS_HINGE, 12, "hinge")                                               \
  V("loss", LOSS_SQUARED_HINGE, 13, "squaredHinge")                                \
  V("loss", LOSS_CATEGORICAL_HINGE, 14, "categoricalHinge")                        \
  V("loss", LOSS_BINARY_FOCAL, 15, "binaryFocalCrossentropy")                      \
  V("loss", LOSS_CATEGORICAL_FOCAL, 16, "categoricalFocalCrossentropy")            \
  /* the options that a loss takes: ids and names of the output record's fields */  \
  V("categoricalCrossentropy", CATEGORICAL_SMOOTHING, 3, "labelSmoothing")         \
  V("binaryCrossentropy", BINARY_SMOOTHING, 3, "labelSmoothing")                   \
  V("huber", HUBER_DELTA, 4, "delta")                                              \
  V("binaryFocalCrossentropy", BINARY_FOCAL_GAMMA, 5, "gamma")                     \
  V("binaryFocalCrossentropy", BINARY_FOCAL_ALPHA, 6, "alpha")                     \
  V("binaryFocalCrossentropy", BINARY_FOCAL_BALANCED, 7, "applyClassBalancing")    \
  V("binaryFocalCrossentropy", BINARY_FOCAL_SMOOTHING, 3, "labelSmoothing")        \
  V("categoricalFocalCrossentropy", CATEGORICAL_FOCAL_GAMMA, 5, "gamma")           \
  V("categoricalFocalCrossentropy", CATEGORICAL_FOCAL_ALPHA, 6, "alpha")           \
  V("categoricalFocalCrossentropy", CATEGORICAL_FOCAL_SMOOTHING, 3, "labelSmoothing")

/* What every optimizer has, under the same ids. A clip that is absent does not clip; its three kinds exclude each
 * other. Updates above 1e31 could take a weight beyond what a float holds, so rates end at 1e6 (guard.c). */
#define OFS_EVERY_OPTIMIZER(F, R, rate, decay)                                                                \
  F(R, R##_LEARNING_RATE, 0, "learningRate", number, "", 1, 1, 0, 1e-12, 1e6, default, rate)                  \
  F(R, R##_WEIGHT_DECAY, 4, "weightDecay", number, "", 1, 1, 0, 0, 1e6, default, decay)                       \
  F(R, R##_CLIP_VALUE, 8, "clipValue", number, "", 1, 1, 0, 1e-30, 1e30, optional, 0)                         \
  F(R, R##_CLIP_NORM, 9, "clipNorm", number, "", 1, 1, 0, 1e-30, 1e30, optional, 0)                           \
  F(R, R##_GLOBAL_CLIP_NORM, 10, "globalClipNorm", number, "", 1, 1, 0, 1e-30, 1e30, optional, 0)             \
  F(R, R##_ACCUMULATION, 11, "gradientAccumulationSteps", integer, "", 1, 1, 0, 1, 1000000, default, 1)       \
  F(R, R##_USE_EMA, 12, "useEma", boolean, "", 1, 1, 0, 0, 1, default, 0)                                     \
  F(R, R##_EMA_MOMENTUM, 13, "emaMomentum", number, "", 1, 1, 0, 0, 1, default, 0.99)                         \
  F(R, R##_EMA_OVERWRITE, 14, "emaOverwriteFrequency", integer, "", 1, 1, 0, 1, 1000000000, optional, 0)

/* Those with a mean of gradients and one of their squares. */
#define OFS_ADAM_OPTIMIZER(F, R, decay)                                                                       \
  OFS_EVERY_OPTIMIZER(F, R, 0.001, decay)                                                                     \
  F(R, R##_BETA1, 1, "beta1", number, "", 1, 1, 0, 0, 0.999999, default, 0.9)                                 \
  F(R, R##_BETA2, 2, "beta2", number, "", 1, 1, 0, 0, 0.9999999, default, 0.999)                              \
  F(R, R##_EPSILON, 3, "epsilon", number, "", 1, 1, 0, 1e-12, 1, default, 1e-7)

#define OFS_OPTIMIZER_FIELDS(F)                                                                               \
  OFS_EVERY_OPTIMIZER(F, SGD, 0.01, 0)                                                                        \
  F(SGD, SGD_MOMENTUM, 1, "momentum", number, "", 1, 1, 0, 0, 0.999999, default, 0)                           \
  F(SGD, SGD_NESTEROV, 2, "nesterov", boolean, "", 1, 1, 0, 0, 1, default, 0)                                 \
  OFS_ADAM_OPTIMIZER(F, ADAM, 0)                                                                              \
  F(ADAM, ADAM_AMSGRAD, 5, "amsgrad", boolean, "", 1, 1, 0, 0, 1, default, 0)                                 \
  OFS_ADAM_OPTIMIZER(F, ADAMW, 0.004)                                                                         \
  F(ADAMW, ADAMW_AMSGRAD, 5, "amsgrad", boolean, "", 1, 1, 0, 0, 1, default, 0)                               \
  OFS_ADAM_OPTIMIZER(F, ADAMAX, 0)                                                                            \
  OFS_ADAM_OPTIMIZER(F, NADAM, 0)                                                                             \
  OFS_EVERY_OPTIMIZER(F, RMSPROP, 0.001, 0)                                                                   \
  F(RMSPROP, RMSPROP_MOMENTUM, 1, "momentum", number, "", 1, 1, 0, 0, 0.9999, default, 0)                     \
  F(RMSPROP, RMSPROP_RHO, 2, "rho", number, "", 1, 1, 0, 0, 0.999999, default, 0.9)                           \
  F(RMSPROP, RMSPROP_EPSILON, 3, "epsilon", number, "", 1, 1, 0, 1e-12, 1, default, 1e-7)                     \
  F(RMSPROP, RMSPROP_CENTERED, 5, "centered", boolean, "", 1, 1, 0, 0, 1, default, 0)                         \
  OFS_EVERY_OPTIMIZER(F, ADAGRAD, 0.001, 0)                                                                   \
  F(ADAGRAD, ADAGRAD_INITIAL, 1, "initialAccumulatorValue", number, "", 1, 1, 0, 0, 1e6, default, 0.1)        \
  F(ADAGRAD, ADAGRAD_EPSILON, 3, "epsilon", number, "", 1, 1, 0, 1e-12, 1, default, 1e-7)                     \
  OFS_EVERY_OPTIMIZER(F, ADADELTA, 0.001, 0)                                                                  \
  F(ADADELTA, ADADELTA_RHO, 2, "rho", number, "", 1, 1, 0, 0, 0.999999, default, 0.95)                        \
  F(ADADELTA, ADADELTA_EPSILON, 3, "epsilon", number, "", 1, 1, 0, 1e-12, 1, default, 1e-7)                   \
  OFS_EVERY_OPTIMIZER(F, LION, 0.001, 0)                                                                      \
  F(LION, LION_BETA1, 1, "beta1", number, "", 1, 1, 0, 0, 0.999999, default, 0.9)                             \
  F(LION, LION_BETA2, 2, "beta2", number, "", 1, 1, 0, 0, 0.9999999, default, 0.99)
/* The highest ids, of ranges. */
#define OFS_ACT_LAST 15
#define OFS_GATE_LAST 14
#define OFS_LOSS_LAST 16

/* What all convolutions have, and all pools, under the same ids; over one axis or two. */
#define OFS_CONV_FIELDS(F, record, symbol, axes, paddings)                                                             \
  F(record, symbol##_KERNEL_SIZE, 1, "kernelSize", integer, "", 1, axes, 1, 1, 65535, required, 0)                     \
  F(record, symbol##_STRIDES, 2, "strides", integer, "", 1, axes, 1, 1, 65535, default, 1)                             \
  F(record, symbol##_PADDING, 3, "padding", enum, "padding", 1, 1, 0, 0, paddings, default, 0)                         \
  F(record, symbol##_DILATION_RATE, 4, "dilationRate", integer, "", 1, axes, 1, 1, 65535, default, 1)                  \
  F(record, symbol##_ACTIVATION, 5, "activation", enum, "activation", 1, 1, 0, 0, OFS_ACT_LAST, default, 0)                      \
  F(record, symbol##_USE_BIAS, 6, "useBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                                   \
  OFS_WEIGHT_FIELDS(F, record, symbol##_BIAS, 8, 18, 28, "bias", 0)
#define OFS_POOL_FIELDS(F, record, symbol, axes)                                                                       \
  F(record, symbol##_SIZE, 0, "poolSize", integer, "", 1, axes, 1, 1, 65535, default, 2)                               \
  F(record, symbol##_STRIDES, 1, "strides", integer, "", 1, axes, 1, 1, 65535, optional, 0)                            \
  F(record, symbol##_PADDING, 2, "padding", enum, "padding", 1, 1, 0, 0, 1, default, 0)

/* The most values of one field, and of one record. */
#define OFS_MAX_VALUES 1024
#define OFS_RECORD_VALUES 2050
/* The ids of fields lie below this. */
#define OFS_MAX_FIELDS 40
/* Numbers that an initializer may be told: the fields of its record of options, in their order. */
#define OFS_INIT_VALUES 3

/* What one of a layer's weights may be told, by consecutive tens of ids: initializer at `id` (its own id, then its
 * numbers), regularizer [l1, l2] at id + 10, constraint [largest norm, axis, or the first and the last of some] at id + 20. */
#define OFS_WEIGHT_FIELDS(F, record, symbol, id, id10, id20, name, dflt)                                               \
  F(record, symbol##_INIT, id, name "Initializer", initializer, "initializer", 1, 4, 0, 0, 14, default, dflt)          \
  F(record, symbol##_REG, id10, name "Regularizer", number, "regularizer", 2, 2, 0, 0, 1e6, optional, 0)            \
  F(record, symbol##_NORM, id20, name "Constraint", number, "constraint", 2, 3, 0, 0, 1e30, optional, 0)

#define OFS_INIT_FIELDS(F)                                                                                             \
  F(OPTIONS_CONSTANT, INIT_VALUE, 0, "value", number, "", 1, 1, 0, -1e30, 1e30, default, 0)                            \
  F(OPTIONS_RANDOM_UNIFORM, INIT_MINVAL, 0, "minval", number, "", 1, 1, 0, -1e30, 1e30, default, -0.05)                \
  F(OPTIONS_RANDOM_UNIFORM, INIT_MAXVAL, 1, "maxval", number, "", 1, 1, 0, -1e30, 1e30, default, 0.05)                 \
  F(OPTIONS_RANDOM_NORMAL, INIT_MEAN, 0, "mean", number, "", 1, 1, 0, -1e30, 1e30, default, 0)                         \
  F(OPTIONS_RANDOM_NORMAL, INIT_STDDEV, 1, "stddev", number, "", 1, 1, 0, 0, 1e30, default, 0.05)                      \
  F(OPTIONS_TRUNCATED_NORMAL, INIT_CUT_MEAN, 0, "mean", number, "", 1, 1, 0, -1e30, 1e30, default, 0)                  \
  F(OPTIONS_TRUNCATED_NORMAL, INIT_CUT_STDDEV, 1, "stddev", number, "", 1, 1, 0, 0, 1e30, default, 0.05)               \
  F(OPTIONS_ORTHOGONAL, INIT_ORTHOGONAL_GAIN, 0, "gain", number, "", 1, 1, 0, -1e30, 1e30, default, 1)                 \
  F(OPTIONS_IDENTITY, INIT_IDENTITY_GAIN, 0, "gain", number, "", 1, 1, 0, -1e30, 1e30, default, 1)                     \
  F(OPTIONS_VARIANCE_SCALING, INIT_SCALE, 0, "scale", number, "", 1, 1, 0, 1e-30, 1e30, default, 1)                    \
  F(OPTIONS_VARIANCE_SCALING, INIT_MODE, 1, "mode", enum, "fanMode", 1, 1, 0, 0, 2, default, 0)                        \
  F(OPTIONS_VARIANCE_SCALING, INIT_DISTRIBUTION, 2, "distribution", enum, "distribution", 1, 1, 0, 0, 2, default, 0)

/* What the normalizing layers have alike. */
#define OFS_NORM_FIELDS(F, R)                                                                                 \
  F(R, R##_EPSILON, 0, "epsilon", number, "", 1, 1, 0, 1e-12, 1, default, 0.001)                              \
  F(R, R##_CENTER, 1, "center", boolean, "", 1, 1, 0, 0, 1, default, 1)                                       \
  F(R, R##_SCALE, 2, "scale", boolean, "", 1, 1, 0, 0, 1, default, 1)                                         \
  OFS_WEIGHT_FIELDS(F, R, R##_GAMMA, 4, 14, 24, "gamma", 1)                                                   \
  OFS_WEIGHT_FIELDS(F, R, R##_BETA, 5, 15, 25, "beta", 0)

#define OFS_SEQUENCE_FIELDS(F)                                                                                \
  OFS_NORM_FIELDS(F, LAYER_NORMALIZATION)                                                                     \
  OFS_NORM_FIELDS(F, GROUP_NORMALIZATION)                                                                     \
  F(GROUP_NORMALIZATION, GROUP_NORMALIZATION_GROUPS, 3, "groups", integer, "", 1, 1, 0, -1, 16777216, default, 32) \
  OFS_NORM_FIELDS(F, BATCH_NORMALIZATION)                                                                     \
  F(BATCH_NORMALIZATION, BATCH_NORMALIZATION_MOMENTUM, 3, "momentum", number, "", 1, 1, 0, 0, 1, default, 0.99) \
  F(BATCH_NORMALIZATION, BATCH_NORMALIZATION_MEAN_INIT, 6, "movingMeanInitializer", initializer, "initializer", 1, 4, 0, 0, 14, default, 0) \
  F(BATCH_NORMALIZATION, BATCH_NORMALIZATION_VARIANCE_INIT, 7, "movingVarianceInitializer", initializer, "initializer", 1, 4, 0, 0, 14, default, 1) \
  F(EMBEDDING, EMBEDDING_INPUT_DIM, 0, "inputDim", integer, "", 1, 1, 0, 1, 16777216, required, 0)            \
  F(EMBEDDING, EMBEDDING_OUTPUT_DIM, 1, "outputDim", integer, "", 1, 1, 0, 1, 16777216, required, 0)          \
  F(EMBEDDING, EMBEDDING_MASK_ZERO, 2, "maskZero", boolean, "", 1, 1, 0, 0, 1, default, 0)                    \
  OFS_WEIGHT_FIELDS(F, EMBEDDING, EMBEDDING_TABLE, 3, 13, 23, "embeddings", 8)                                \
  F(POSITION_EMBEDDING, POSITION_EMBEDDING_LENGTH, 0, "sequenceLength", integer, "", 1, 1, 0, 1, 16777216, required, 0) \
  OFS_WEIGHT_FIELDS(F, POSITION_EMBEDDING, POSITION_EMBEDDING_TABLE, 3, 13, 23, "embeddings", 2)              \
  F(MULTI_HEAD_ATTENTION, ATTENTION_HEADS, 0, "numHeads", integer, "", 1, 1, 0, 1, 65536, required, 0)        \
  F(MULTI_HEAD_ATTENTION, ATTENTION_KEY_DIM, 1, "keyDim", integer, "", 1, 1, 0, 1, 16777216, required, 0)     \
  F(MULTI_HEAD_ATTENTION, ATTENTION_VALUE_DIM, 2, "valueDim", integer, "", 1, 1, 0, 1, 16777216, optional, 0) \
  F(MULTI_HEAD_ATTENTION, ATTENTION_DROPOUT, 3, "dropout", number, "", 1, 1, 0, 0, 0.999999, default, 0)      \
  F(MULTI_HEAD_ATTENTION, ATTENTION_USE_BIAS, 4, "useBias", boolean, "", 1, 1, 0, 0, 1, default, 1)           \
  F(MULTI_HEAD_ATTENTION, ATTENTION_CAUSAL, 5, "useCausalMask", boolean, "", 1, 1, 0, 0, 1, default, 0)       \
  OFS_WEIGHT_FIELDS(F, MULTI_HEAD_ATTENTION, ATTENTION_KERNEL, 6, 16, 26, "kernel", 2)                        \
  OFS_WEIGHT_FIELDS(F, MULTI_HEAD_ATTENTION, ATTENTION_BIAS, 7, 17, 27, "bias", 0)

/* F(record, symbol, id, name, kind, enumeration, least, most, spread, low, high, presence, default)
 *   kind      integer | number | boolean | enum | initializer (an enum, then up to three numbers)
 *   least..most  how many values the field holds; spread 1: one value stands for `most` equal ones, else all are told
 *   presence  required | default | optional (absent has a meaning of its own, told in the documentation) */
#define OFS_FIELDS(F)                                                                                         \
  F(MODEL, MODEL_INPUT_SHAPE, 0, "inputShape", integer, "", 1, 6, 0, 1, 16777216, required, 0)                \
  F(MODEL, MODEL_LOSS, 1, "loss", enum, "loss", 1, 1, 0, 0, OFS_LOSS_LAST, optional, 0)                                   \
  F(MODEL, MODEL_INPUT_SCALE, 2, "inputScale", number, "", 1, 1, 0, -1e30, 1e30, default, 1)                  \
  F(MODEL, MODEL_INPUT_OFFSET, 3, "inputOffset", number, "", 1, 1, 0, -1e30, 1e30, default, 0)                \
  F(MODEL, MODEL_SEED, 4, "seed", integer, "", 1, 1, 0, 0, 9007199254740991, default, 0)                      \
  OFS_OPTIMIZER_FIELDS(F)                                                                                     \
  F(DENSE, DENSE_UNITS, 0, "units", integer, "", 1, 1, 0, 1, 16777216, required, 0)                           \
  F(DENSE, DENSE_ACTIVATION, 1, "activation", enum, "activation", 1, 1, 0, 0, OFS_ACT_LAST, default, 0)                 \
  F(DENSE, DENSE_USE_BIAS, 2, "useBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                              \
  OFS_WEIGHT_FIELDS(F, DENSE, DENSE_KERNEL, 3, 13, 23, "kernel", 2)                                         \
  OFS_WEIGHT_FIELDS(F, DENSE, DENSE_BIAS, 4, 14, 24, "bias", 0)                                             \
  OFS_CONV_FIELDS(F, CONV2D, CONV2D, 2, 1)                                                                    \
  F(CONV2D, CONV2D_FILTERS, 0, "filters", integer, "", 1, 1, 0, 1, 16777216, required, 0)                     \
  OFS_WEIGHT_FIELDS(F, CONV2D, CONV2D_KERNEL, 7, 17, 27, "kernel", 2)                                         \
  F(CONV2D, CONV2D_GROUPS, 9, "groups", integer, "", 1, 1, 0, 1, 16777216, default, 1)                        \
  OFS_CONV_FIELDS(F, CONV1D, CONV1D, 1, 2)                                                                    \
  F(CONV1D, CONV1D_FILTERS, 0, "filters", integer, "", 1, 1, 0, 1, 16777216, required, 0)                     \
  OFS_WEIGHT_FIELDS(F, CONV1D, CONV1D_KERNEL, 7, 17, 27, "kernel", 2)                                         \
  F(CONV1D, CONV1D_GROUPS, 9, "groups", integer, "", 1, 1, 0, 1, 16777216, default, 1)                        \
  OFS_CONV_FIELDS(F, DEPTHWISE_CONV2D, DEPTHWISE, 2, 1)                                                       \
  OFS_WEIGHT_FIELDS(F, DEPTHWISE_CONV2D, DEPTHWISE_KERNEL, 7, 17, 27, "depthwise", 2)                         \
  F(DEPTHWISE_CONV2D, DEPTHWISE_MULTIPLIER, 10, "depthMultiplier", integer, "", 1, 1, 0, 1, 65535, default, 1) \
  OFS_CONV_FIELDS(F, SEPARABLE_CONV2D, SEPARABLE, 2, 1)                                                       \
  F(SEPARABLE_CONV2D, SEPARABLE_FILTERS, 0, "filters", integer, "", 1, 1, 0, 1, 16777216, required, 0)        \
  OFS_WEIGHT_FIELDS(F, SEPARABLE_CONV2D, SEPARABLE_DEPTHWISE, 7, 17, 27, "depthwise", 2)                      \
  OFS_WEIGHT_FIELDS(F, SEPARABLE_CONV2D, SEPARABLE_POINTWISE, 9, 19, 29, "pointwise", 2)                      \
  F(SEPARABLE_CONV2D, SEPARABLE_MULTIPLIER, 10, "depthMultiplier", integer, "", 1, 1, 0, 1, 65535, default, 1) \
  OFS_CONV_FIELDS(F, CONV2D_TRANSPOSE, TRANSPOSE, 2, 1)                                                       \
  F(CONV2D_TRANSPOSE, TRANSPOSE_FILTERS, 0, "filters", integer, "", 1, 1, 0, 1, 16777216, required, 0)        \
  OFS_WEIGHT_FIELDS(F, CONV2D_TRANSPOSE, TRANSPOSE_KERNEL, 7, 17, 27, "kernel", 2)                            \
  F(CONV2D_TRANSPOSE, TRANSPOSE_OUTPUT_PADDING, 9, "outputPadding", integer, "", 1, 2, 1, 0, 65534, optional, 0) \
  OFS_POOL_FIELDS(F, MAX_POOLING2D, MAX_POOL, 2)                                                              \
  OFS_POOL_FIELDS(F, AVERAGE_POOLING2D, AVG_POOL, 2)                                                          \
  OFS_POOL_FIELDS(F, MAX_POOLING1D, MAX_POOL1D, 1)                                                            \
  OFS_POOL_FIELDS(F, AVERAGE_POOLING1D, AVG_POOL1D, 1)                                                        \
  F(GLOBAL_MAX_POOLING1D, GLOBAL_KEEP_DIMS, 0, "keepDims", boolean, "", 1, 1, 0, 0, 1, default, 0)            \
  F(GLOBAL_AVERAGE_POOLING1D, GLOBAL_AVG1D_KEEP_DIMS, 0, "keepDims", boolean, "", 1, 1, 0, 0, 1, default, 0)  \
  F(GLOBAL_MAX_POOLING2D, GLOBAL_MAX2D_KEEP_DIMS, 0, "keepDims", boolean, "", 1, 1, 0, 0, 1, default, 0)      \
  F(GLOBAL_AVERAGE_POOLING2D, GLOBAL_AVG2D_KEEP_DIMS, 0, "keepDims", boolean, "", 1, 1, 0, 0, 1, default, 0)  \
  F(UP_SAMPLING2D, UP_SAMPLING_SIZE, 0, "size", integer, "", 1, 2, 1, 1, 65535, default, 2)                   \
  F(UP_SAMPLING2D, UP_SAMPLING_INTERPOLATION, 1, "interpolation", enum, "interpolation", 1, 1, 0, 0, 1, default, 0) \
  /* top, bottom, left, right */                                                                              \
  F(ZERO_PADDING2D, ZERO_PADDING, 0, "padding", integer, "", 1, 4, 1, 0, 16777216, default, 1)                \
  F(CROPPING2D, CROPPING, 0, "cropping", integer, "", 1, 4, 1, 0, 16777216, default, 0)                       \
  F(RESHAPE, RESHAPE_TARGET_SHAPE, 0, "targetShape", integer, "", 1, 6, 0, -1, 16777216, required, 0)          \
  F(DROPOUT, DROPOUT_RATE, 0, "rate", number, "", 1, 1, 0, 0, 0.999999, required, 0)                          \
  F(ACTIVATION, ACTIVATION_ACTIVATION, 0, "activation", enum, "activation", 1, 1, 0, 0, OFS_ACT_LAST, required, 0)      \
  F(LSTM, LSTM_UNITS, 0, "units", integer, "", 1, 1, 0, 1, 16777216, required, 0)                             \
  F(LSTM, LSTM_ACTIVATION, 1, "activation", enum, "gateActivation", 1, 1, 0, 0, OFS_GATE_LAST, default, 7)                \
  F(LSTM, LSTM_GATE_ACT, 2, "recurrentActivation", enum, "gateActivation", 1, 1, 0, 0, OFS_GATE_LAST, default, 6)         \
  F(LSTM, LSTM_USE_BIAS, 3, "useBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                                \
  OFS_WEIGHT_FIELDS(F, LSTM, LSTM_KERNEL, 4, 14, 24, "kernel", 2)                                           \
  OFS_WEIGHT_FIELDS(F, LSTM, LSTM_RECURRENT, 5, 15, 25, "recurrent", 11)                                    \
  OFS_WEIGHT_FIELDS(F, LSTM, LSTM_BIAS, 6, 16, 26, "bias", 0)                                               \
  F(LSTM, LSTM_UNIT_FORGET_BIAS, 7, "unitForgetBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                 \
  F(LSTM, LSTM_RETURN_SEQUENCES, 8, "returnSequences", boolean, "", 1, 1, 0, 0, 1, default, 0)                \
  F(LSTM, LSTM_GO_BACKWARDS, 9, "goBackwards", boolean, "", 1, 1, 0, 0, 1, default, 0)                        \
  F(GRU, GRU_UNITS, 0, "units", integer, "", 1, 1, 0, 1, 16777216, required, 0)                               \
  F(GRU, GRU_ACTIVATION, 1, "activation", enum, "gateActivation", 1, 1, 0, 0, OFS_GATE_LAST, default, 7)                  \
  F(GRU, GRU_GATE_ACT, 2, "recurrentActivation", enum, "gateActivation", 1, 1, 0, 0, OFS_GATE_LAST, default, 6)           \
  F(GRU, GRU_USE_BIAS, 3, "useBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                                  \
  OFS_WEIGHT_FIELDS(F, GRU, GRU_KERNEL, 4, 14, 24, "kernel", 2)                                             \
  OFS_WEIGHT_FIELDS(F, GRU, GRU_RECURRENT, 5, 15, 25, "recurrent", 11)                                      \
  OFS_WEIGHT_FIELDS(F, GRU, GRU_BIAS, 6, 16, 26, "bias", 0)                                                 \
  F(GRU, GRU_RESET_AFTER, 7, "resetAfter", boolean, "", 1, 1, 0, 0, 1, default, 1)                            \
  F(GRU, GRU_RETURN_SEQUENCES, 8, "returnSequences", boolean, "", 1, 1, 0, 0, 1, default, 0)  \
  F(GRU, GRU_GO_BACKWARDS, 9, "goBackwards", boolean, "", 1, 1, 0, 0, 1, default, 0)                          \
  F(SIMPLE_RNN, RNN_UNITS, 0, "units", integer, "", 1, 1, 0, 1, 16777216, required, 0)                        \
  F(SIMPLE_RNN, RNN_ACTIVATION, 1, "activation", enum, "gateActivation", 1, 1, 0, 0, OFS_GATE_LAST, default, 7)           \
  F(SIMPLE_RNN, RNN_USE_BIAS, 3, "useBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                           \
  OFS_WEIGHT_FIELDS(F, SIMPLE_RNN, RNN_KERNEL, 4, 14, 24, "kernel", 2)                                        \
  OFS_WEIGHT_FIELDS(F, SIMPLE_RNN, RNN_RECURRENT, 5, 15, 25, "recurrent", 11)                                 \
  OFS_WEIGHT_FIELDS(F, SIMPLE_RNN, RNN_BIAS, 6, 16, 26, "bias", 0)                                            \
  F(SIMPLE_RNN, RNN_RETURN_SEQUENCES, 8, "returnSequences", boolean, "", 1, 1, 0, 0, 1, default, 0)           \
  F(SIMPLE_RNN, RNN_GO_BACKWARDS, 9, "goBackwards", boolean, "", 1, 1, 0, 0, 1, default, 0)                   \
  F(BIDIRECTIONAL, BIDIRECTIONAL_MERGE, 0, "mergeMode", enum, "merge", 1, 1, 0, 0, 3, default, 0)             \
  F(DOT, DOT_AXES, 0, "axes", integer, "", 1, 2, 1, -6, 6, default, -1)                                       \
  F(DOT, DOT_NORMALIZE, 1, "normalize", boolean, "", 1, 1, 0, 0, 1, default, 0)                               \
  F(PERMUTE, PERMUTE_DIMS, 0, "dims", integer, "", 1, 6, 0, 1, 6, required, 0)                                \
  F(REPEAT_VECTOR, REPEAT_VECTOR_N, 0, "n", integer, "", 1, 1, 0, 1, 16777216, required, 0)                   \
  F(RESCALING, RESCALING_SCALE, 0, "scale", number, "", 1, 1, 0, -1e30, 1e30, required, 0)                    \
  F(RESCALING, RESCALING_OFFSET, 1, "offset", number, "", 1, 1, 0, -1e30, 1e30, default, 0)                   \
  F(NORMALIZATION, NORMALIZATION_MEAN, 0, "mean", number, "", 1, 1024, 0, -1e30, 1e30, required, 0)           \
  F(NORMALIZATION, NORMALIZATION_VARIANCE, 1, "variance", number, "", 1, 1024, 0, 0, 1e30, required, 0)       \
  F(SPATIAL_DROPOUT2D, SPATIAL_DROPOUT_RATE, 0, "rate", number, "", 1, 1, 0, 0, 0.999999, required, 0)        \
  F(GAUSSIAN_NOISE, NOISE_STDDEV, 0, "stddev", number, "", 1, 1, 0, 0, 1, required, 0)                        \
  F(SOFTMAX, SOFTMAX_AXIS, 0, "axis", integer, "", 1, 1, 0, -6, 6, default, -1)                               \
  OFS_WEIGHT_FIELDS(F, PRELU, PRELU_ALPHA, 0, 10, 20, "alpha", 0)                                             \
  F(PRELU, PRELU_SHARED_AXES, 1, "sharedAxes", integer, "", 1, 6, 0, 1, 6, optional, 0)                       \
  OFS_SEQUENCE_FIELDS(F)                                                                                      \
  F(CONCATENATE, CONCATENATE_AXIS, 0, "axis", integer, "", 1, 1, 0, -6, 6, default, -1)                       \
  F(COMMON, LAYER_INPUT, 36, "input", integer, "", 1, 16, 0, -8, 1023, optional, 0)                           \
  F(COMMON, LAYER_TRAINABLE, 37, "trainable", boolean, "", 1, 1, 0, 0, 1, default, 1)                         \
  F(COMMON, LAYER_TIED_TO, 38, "tiedTo", integer, "", 1, 1, 0, 0, 1023, optional, 0)                          \
  F(INPUT, INPUT_SHAPE, 0, "shape", integer, "", 1, 6, 0, 1, 16777216, required, 0)                           \
  F(OUTPUT, OUTPUT_LAYER, 0, "layer", integer, "", 1, 1, 0, 0, 1023, required, 0)                             \
  F(OUTPUT, OUTPUT_LOSS, 1, "loss", enum, "loss", 1, 1, 0, 0, OFS_LOSS_LAST, optional, 0)                                 \
  F(OUTPUT, OUTPUT_LOSS_WEIGHT, 2, "lossWeight", number, "", 1, 1, 0, 0, 1e6, default, 1)                     \
  F(OUTPUT, OUTPUT_LABEL_SMOOTHING, 3, "labelSmoothing", number, "", 1, 1, 0, 0, 0.999999, default, 0)        \
  F(OUTPUT, OUTPUT_DELTA, 4, "delta", number, "", 1, 1, 0, 1e-6, 1e6, default, 1)                             \
  F(OUTPUT, OUTPUT_GAMMA, 5, "gamma", number, "", 1, 1, 0, 0, 100, default, 2)                                \
  F(OUTPUT, OUTPUT_ALPHA, 6, "alpha", number, "", 1, 1, 0, 0, 1, default, 0.25)                               \
  F(OUTPUT, OUTPUT_BALANCED, 7, "applyClassBalancing", boolean, "", 1, 1, 0, 0, 1, default, 0)                \
  OFS_INIT_FIELDS(F)

#define OFS_RECORD_ENUM(symbol, id, group, name) OFS_##symbol = id,
enum { OFS_RECORDS(OFS_RECORD_ENUM) };
#undef OFS_RECORD_ENUM

#define OFS_VALUE_ENUM(enumeration, symbol, id, name) OFS_##symbol = id,
enum { OFS_VALUES(OFS_VALUE_ENUM) };
#undef OFS_VALUE_ENUM

#define OFS_FIELD_ENUM(record, symbol, id, name, kind, enumeration, least, most, spread, low, high, presence, dflt) \
  OFS_##symbol = id,
enum { OFS_FIELDS(OFS_FIELD_ENUM) };
#undef OFS_FIELD_ENUM

enum { OFS_KIND_integer, OFS_KIND_number, OFS_KIND_boolean, OFS_KIND_enum, OFS_KIND_initializer };
enum { OFS_IS_required, OFS_IS_default, OFS_IS_optional };

typedef struct ofs_field {
  uint8_t id, kind, least, spread, presence;
  uint16_t most;
  double low, high, fallback;
} ofs_field;

#define OFS_ONE_MORE(record, symbol, id, name, kind, enumeration, least, most, spread, low, high, presence, dflt) +1
enum { OFS_FIELD_COUNT = 0 OFS_FIELDS(OFS_ONE_MORE) };
#undef OFS_ONE_MORE

extern const struct ofs_fields {
  ofs_field row[OFS_FIELD_COUNT];
  uint8_t record[OFS_FIELD_COUNT];
} ofs_fields;

/* The record that a row is of. */
static inline uint32_t ofs_field_record(const ofs_field *row) { return ofs_fields.record[row - ofs_fields.row]; }

/* 'm' model, 'i' input, 'o' optimizer, 'l' layer, 'r' result (an output), 'c' common to all layers, 0 where the id is not in the schema. */
int ofs_record_group(uint32_t record);
const ofs_field *ofs_field_find(uint32_t record, uint32_t id);

#endif
