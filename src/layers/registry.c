/* registry.c: the full set: the functions of every layer type, and the parts of compound layers. */
#include "layers/registry.h"

#include "layers/conv.h"
#include "layers/kinds.h"

const ofs_layer_kind *ofs_layer_kind_of(uint32_t type) {
  switch (type) {
  case OFS_DENSE: return &ofs_dense_kind;
  case OFS_CONV1D:
  case OFS_CONV2D:
  case OFS_DEPTHWISE_CONV2D:
  case OFS_SEPARABLE_CONV2D: return &ofs_conv2d_kind;
  case OFS_CONV2D_TRANSPOSE: return &ofs_transpose_kind;
  case OFS_MAX_POOLING1D:
  case OFS_MAX_POOLING2D:
  case OFS_AVERAGE_POOLING1D:
  case OFS_AVERAGE_POOLING2D: return &ofs_pool2d_kind;
  case OFS_GLOBAL_MAX_POOLING1D:
  case OFS_GLOBAL_MAX_POOLING2D:
  case OFS_GLOBAL_AVERAGE_POOLING1D:
  case OFS_GLOBAL_AVERAGE_POOLING2D: return &ofs_global_pool_kind;
  case OFS_ZERO_PADDING2D:
  case OFS_CROPPING2D: return &ofs_placed_kind;
  case OFS_UP_SAMPLING2D: return &ofs_upsample_kind;
  case OFS_FLATTEN: return &ofs_flatten_kind;
  case OFS_RESHAPE: return &ofs_reshape_kind;
  case OFS_SIMPLE_RNN:
  case OFS_LSTM:
  case OFS_GRU: return &ofs_recurrent_kind;
  case OFS_ADD:
  case OFS_SUBTRACT:
  case OFS_MULTIPLY:
  case OFS_AVERAGE:
  case OFS_MAXIMUM:
  case OFS_MINIMUM: return &ofs_join_kind;
  case OFS_CONCATENATE: return &ofs_concatenate_kind;
  case OFS_DOT: return &ofs_dot_kind;
  case OFS_REPEAT_VECTOR: return &ofs_repeat_vector_kind;
  case OFS_PERMUTE: return &ofs_permute_kind;
  case OFS_RESCALING: return &ofs_rescaling_kind;
  case OFS_NORMALIZATION: return &ofs_normalization_kind;
  case OFS_PRELU: return &ofs_prelu_kind;
  case OFS_SOFTMAX: return &ofs_softmax_kind;
  case OFS_DROPOUT:
  case OFS_SPATIAL_DROPOUT2D:
  case OFS_GAUSSIAN_NOISE: return &ofs_random_kind;
  case OFS_LAYER_NORMALIZATION:
  case OFS_GROUP_NORMALIZATION: return &ofs_norm_kind;
  case OFS_BATCH_NORMALIZATION: return &ofs_batch_norm_kind;
  case OFS_EMBEDDING: return &ofs_embedding_kind;
  case OFS_POSITION_EMBEDDING: return &ofs_position_kind;
  case OFS_MULTI_HEAD_ATTENTION: return &ofs_attention_kind;
  case OFS_ACTIVATION: return &ofs_activation_kind;
  default: return NULL;
  }
}

int ofs_layer_part(const ofs_record *r, uint32_t k, ofs_record *part) {
  if (r->id == OFS_CONV2D || r->id == OFS_SEPARABLE_CONV2D) return ofs_conv_part(r, k, part);
  *part = *r;
  return k == 0;
}
