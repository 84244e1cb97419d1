/* kinds.h: the layer types: one ofs_layer_kind each, defined beside its functions. */
#ifndef OFS_KINDS_H
#define OFS_KINDS_H

#include "build/build.h"

extern const ofs_layer_kind ofs_dense_kind, ofs_conv2d_kind, ofs_transpose_kind, ofs_pool2d_kind,
    ofs_global_pool_kind, ofs_placed_kind, ofs_upsample_kind, ofs_flatten_kind, ofs_reshape_kind,
    ofs_recurrent_kind, ofs_join_kind, ofs_concatenate_kind, ofs_dot_kind, ofs_repeat_vector_kind,
    ofs_permute_kind, ofs_rescaling_kind, ofs_normalization_kind, ofs_prelu_kind, ofs_softmax_kind,
    ofs_random_kind, ofs_norm_kind, ofs_batch_norm_kind, ofs_embedding_kind, ofs_position_kind,
    ofs_attention_kind, ofs_activation_kind;

#endif
