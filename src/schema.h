/* schema.h: the one table of what a spec may say.
 *
 * It owns the ids, names, ranges and defaults of layer types, optimizers, losses and their fields. The C
 * checks read it as arrays; the JavaScript encoder and the documentation read ofs_fields as it lies in memory, and
 * what is not in there as the text that ofs_schema() returns. All are made from the macros below, so they cannot
 * differ. Ids are part of the format: never reused, never renumbered.
 *
 * The text is six lines, of words with a space before each: the version; (name, value) of constants; (id, name) of
 * reasons; (id, group, name) of records; (enumeration, id, name) of values; (name, enumeration or nothing) of the
 * fields in ofs_fields' order. An entry of ofs_fields is 32 bytes: u8 record, id, kind, least, most, spread, presence
 * (kinds and presences count from 0 in the order told below), a byte of nothing, f64 low, high, default.
 *
 * The bytes of a spec, little-endian, no padding:
 *     u32 magic "OFS1" | u32 number of records | records
 *     record: u16 record id | u16 number of fields | fields        (model, one optimizer, then the layers)
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
  R(DENSE, 32, "layer", "dense")                           \
  R(CONV2D, 33, "layer", "conv2d")                         \
  R(MAX_POOLING2D, 34, "layer", "maxPooling2d")            \
  R(AVERAGE_POOLING2D, 35, "layer", "averagePooling2d")    \
  R(FLATTEN, 36, "layer", "flatten")                       \
  R(RESHAPE, 37, "layer", "reshape")                       \
  R(DROPOUT, 38, "layer", "dropout")                       \
  R(ACTIVATION, 39, "layer", "activation")                 \
  R(LSTM, 40, "layer", "lstm")                             \
  R(GRU, 41, "layer", "gru")

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
  /* those of a recurrent layer: activations whose derivative follows from the output, under the same ids */ \
  V("gateActivation", GATE_LINEAR, 0, "linear")                                    \
  V("gateActivation", GATE_RELU, 1, "relu")                                        \
  V("gateActivation", GATE_LEAKY_RELU, 2, "leakyRelu")                             \
  V("gateActivation", GATE_ELU, 3, "elu")                                          \
  V("gateActivation", GATE_SELU, 4, "selu")                                        \
  V("gateActivation", GATE_SIGMOID, 6, "sigmoid")                                  \
  V("gateActivation", GATE_TANH, 7, "tanh")                                        \
  V("gateActivation", GATE_SOFTPLUS, 8, "softplus")                                \
  V("padding", PAD_VALID, 0, "valid")                                              \
  V("padding", PAD_SAME, 1, "same")                                                \
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
  V("loss", LOSS_SPARSE_CATEGORICAL, 0, "sparseCategoricalCrossentropy")           \
  V("loss", LOSS_CATEGORICAL, 1, "categoricalCrossentropy")                        \
  V("loss", LOSS_BINARY, 2, "binaryCrossentropy")                                  \
  V("loss", LOSS_MSE, 3, "meanSquaredError")                                       \
  V("loss", LOSS_MAE, 4, "meanAbsoluteError")                                      \
  V("loss", LOSS_HUBER, 5, "huber")

/* F(record, symbol, id, name, kind, enumeration, least, most, spread, low, high, presence, default)
 *   kind      integer | number | boolean | enum
 *   least..most  how many values the field holds; spread 1: one value stands for `most` equal ones
 *   presence  required | default | optional (absent has a meaning of its own, told in the documentation) */
#define OFS_FIELDS(F)                                                                                         \
  F(MODEL, MODEL_INPUT_SHAPE, 0, "inputShape", integer, "", 1, 6, 0, 1, 16777216, required, 0)                \
  F(MODEL, MODEL_LOSS, 1, "loss", enum, "loss", 1, 1, 0, 0, 5, optional, 0)                                   \
  F(MODEL, MODEL_INPUT_SCALE, 2, "inputScale", number, "", 1, 1, 0, -1e30, 1e30, default, 1)                  \
  F(MODEL, MODEL_INPUT_OFFSET, 3, "inputOffset", number, "", 1, 1, 0, -1e30, 1e30, default, 0)                \
  F(MODEL, MODEL_SEED, 4, "seed", integer, "", 1, 1, 0, 0, 9007199254740991, default, 0)                      \
  F(SGD, SGD_LEARNING_RATE, 0, "learningRate", number, "", 1, 1, 0, 1e-12, 1e6, default, 0.01)                \
  F(SGD, SGD_MOMENTUM, 1, "momentum", number, "", 1, 1, 0, 0, 0.999999, default, 0)                           \
  F(SGD, SGD_NESTEROV, 2, "nesterov", boolean, "", 1, 1, 0, 0, 1, default, 0)                                 \
  F(ADAM, ADAM_LEARNING_RATE, 0, "learningRate", number, "", 1, 1, 0, 1e-12, 1e6, default, 0.001)             \
  F(ADAM, ADAM_BETA1, 1, "beta1", number, "", 1, 1, 0, 0, 0.999999, default, 0.9)                             \
  F(ADAM, ADAM_BETA2, 2, "beta2", number, "", 1, 1, 0, 0, 0.9999999, default, 0.999)                          \
  F(ADAM, ADAM_EPSILON, 3, "epsilon", number, "", 1, 1, 0, 1e-12, 1, default, 1e-7)                           \
  F(ADAMW, ADAMW_LEARNING_RATE, 0, "learningRate", number, "", 1, 1, 0, 1e-12, 1e6, default, 0.001)           \
  F(ADAMW, ADAMW_BETA1, 1, "beta1", number, "", 1, 1, 0, 0, 0.999999, default, 0.9)                           \
  F(ADAMW, ADAMW_BETA2, 2, "beta2", number, "", 1, 1, 0, 0, 0.9999999, default, 0.999)                        \
  F(ADAMW, ADAMW_EPSILON, 3, "epsilon", number, "", 1, 1, 0, 1e-12, 1, default, 1e-7)                         \
  F(ADAMW, ADAMW_WEIGHT_DECAY, 4, "weightDecay", number, "", 1, 1, 0, 0, 1e6, default, 0.004)                 \
  F(DENSE, DENSE_UNITS, 0, "units", integer, "", 1, 1, 0, 1, 16777216, required, 0)                           \
  F(DENSE, DENSE_ACTIVATION, 1, "activation", enum, "activation", 1, 1, 0, 0, 10, default, 0)                 \
  F(DENSE, DENSE_USE_BIAS, 2, "useBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                              \
  F(DENSE, DENSE_KERNEL_INIT, 3, "kernelInitializer", enum, "initializer", 1, 1, 0, 0, 11, default, 2)        \
  F(DENSE, DENSE_BIAS_INIT, 4, "biasInitializer", enum, "initializer", 1, 1, 0, 0, 10, default, 0)            \
  F(CONV2D, CONV2D_FILTERS, 0, "filters", integer, "", 1, 1, 0, 1, 16777216, required, 0)                     \
  F(CONV2D, CONV2D_KERNEL_SIZE, 1, "kernelSize", integer, "", 1, 2, 1, 1, 65535, required, 0)                 \
  F(CONV2D, CONV2D_STRIDES, 2, "strides", integer, "", 1, 2, 1, 1, 65535, default, 1)                         \
  F(CONV2D, CONV2D_PADDING, 3, "padding", enum, "padding", 1, 1, 0, 0, 1, default, 0)                         \
  F(CONV2D, CONV2D_DILATION_RATE, 4, "dilationRate", integer, "", 1, 2, 1, 1, 65535, default, 1)              \
  F(CONV2D, CONV2D_ACTIVATION, 5, "activation", enum, "activation", 1, 1, 0, 0, 10, default, 0)               \
  F(CONV2D, CONV2D_USE_BIAS, 6, "useBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                            \
  F(CONV2D, CONV2D_KERNEL_INIT, 7, "kernelInitializer", enum, "initializer", 1, 1, 0, 0, 11, default, 2)      \
  F(CONV2D, CONV2D_BIAS_INIT, 8, "biasInitializer", enum, "initializer", 1, 1, 0, 0, 10, default, 0)          \
  F(MAX_POOLING2D, MAX_POOL_SIZE, 0, "poolSize", integer, "", 1, 2, 1, 1, 65535, default, 2)                  \
  F(MAX_POOLING2D, MAX_POOL_STRIDES, 1, "strides", integer, "", 1, 2, 1, 1, 65535, optional, 0)               \
  F(MAX_POOLING2D, MAX_POOL_PADDING, 2, "padding", enum, "padding", 1, 1, 0, 0, 1, default, 0)                \
  F(AVERAGE_POOLING2D, AVG_POOL_SIZE, 0, "poolSize", integer, "", 1, 2, 1, 1, 65535, default, 2)              \
  F(AVERAGE_POOLING2D, AVG_POOL_STRIDES, 1, "strides", integer, "", 1, 2, 1, 1, 65535, optional, 0)           \
  F(AVERAGE_POOLING2D, AVG_POOL_PADDING, 2, "padding", enum, "padding", 1, 1, 0, 0, 1, default, 0)            \
  F(RESHAPE, RESHAPE_TARGET_SHAPE, 0, "targetShape", integer, "", 1, 6, 0, 1, 16777216, required, 0)          \
  F(DROPOUT, DROPOUT_RATE, 0, "rate", number, "", 1, 1, 0, 0, 0.999999, required, 0)                          \
  F(ACTIVATION, ACTIVATION_ACTIVATION, 0, "activation", enum, "activation", 1, 1, 0, 0, 10, required, 0)      \
  F(LSTM, LSTM_UNITS, 0, "units", integer, "", 1, 1, 0, 1, 16777216, required, 0)                             \
  F(LSTM, LSTM_ACTIVATION, 1, "activation", enum, "gateActivation", 1, 1, 0, 0, 8, default, 7)                \
  F(LSTM, LSTM_GATE_ACT, 2, "recurrentActivation", enum, "gateActivation", 1, 1, 0, 0, 8, default, 6)         \
  F(LSTM, LSTM_USE_BIAS, 3, "useBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                                \
  F(LSTM, LSTM_KERNEL_INIT, 4, "kernelInitializer", enum, "initializer", 1, 1, 0, 0, 11, default, 2)          \
  F(LSTM, LSTM_RECURRENT_INIT, 5, "recurrentInitializer", enum, "initializer", 1, 1, 0, 0, 11, default, 11)   \
  F(LSTM, LSTM_BIAS_INIT, 6, "biasInitializer", enum, "initializer", 1, 1, 0, 0, 10, default, 0)              \
  F(LSTM, LSTM_UNIT_FORGET_BIAS, 7, "unitForgetBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                 \
  F(LSTM, LSTM_RETURN_SEQUENCES, 8, "returnSequences", boolean, "", 1, 1, 0, 0, 1, default, 0)                \
  F(GRU, GRU_UNITS, 0, "units", integer, "", 1, 1, 0, 1, 16777216, required, 0)                               \
  F(GRU, GRU_ACTIVATION, 1, "activation", enum, "gateActivation", 1, 1, 0, 0, 8, default, 7)                  \
  F(GRU, GRU_GATE_ACT, 2, "recurrentActivation", enum, "gateActivation", 1, 1, 0, 0, 8, default, 6)           \
  F(GRU, GRU_USE_BIAS, 3, "useBias", boolean, "", 1, 1, 0, 0, 1, default, 1)                                  \
  F(GRU, GRU_KERNEL_INIT, 4, "kernelInitializer", enum, "initializer", 1, 1, 0, 0, 11, default, 2)            \
  F(GRU, GRU_RECURRENT_INIT, 5, "recurrentInitializer", enum, "initializer", 1, 1, 0, 0, 11, default, 11)     \
  F(GRU, GRU_BIAS_INIT, 6, "biasInitializer", enum, "initializer", 1, 1, 0, 0, 10, default, 0)                \
  F(GRU, GRU_RESET_AFTER, 7, "resetAfter", boolean, "", 1, 1, 0, 0, 1, default, 1)                            \
  F(GRU, GRU_RETURN_SEQUENCES, 8, "returnSequences", boolean, "", 1, 1, 0, 0, 1, default, 0)

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

enum { OFS_KIND_integer, OFS_KIND_number, OFS_KIND_boolean, OFS_KIND_enum };
enum { OFS_IS_required, OFS_IS_default, OFS_IS_optional };

typedef struct ofs_field {
  uint8_t record, id, kind, least, most, spread, presence;
  double low, high, fallback;
} ofs_field;

extern const ofs_field ofs_fields[];
extern const uint32_t ofs_field_count;

/* 'm' model, 'o' optimizer, 'l' layer, 0 where the id is not in the schema. */
int ofs_record_group(uint32_t record);
const ofs_field *ofs_field_find(uint32_t record, uint32_t id);

#endif
