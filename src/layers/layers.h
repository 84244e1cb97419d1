/* layers.h: the layer types, one ofs_layer_kind each, and what several of them share. */
#ifndef OFS_LAYERS_H
#define OFS_LAYERS_H

#include "program/internal.h"

extern const ofs_layer_kind ofs_dense_kind, ofs_conv2d_kind, ofs_pool2d_kind, ofs_flatten_kind, ofs_reshape_kind,
    ofs_join_kind, ofs_concatenate_kind, ofs_dot_kind, ofs_repeat_vector_kind, ofs_permute_kind,
    ofs_rescaling_kind, ofs_normalization_kind, ofs_prelu_kind, ofs_softmax_kind, ofs_random_kind, ofs_activation_kind, ofs_recurrent_kind;

extern const ofs_layer_kind ofs_norm_kind, ofs_batch_norm_kind, ofs_embedding_kind, ofs_position_kind,
    ofs_attention_kind;

/* The last axis of a layer's first input, and how often a sample has it. */
uint32_t ofs_channels(const ofs_layer *l);
uint64_t ofs_positions(const ofs_layer *l);
/* The mask of input i, where it has a number for each of so many positions. */
uint32_t ofs_mask_of(const ofs_builder *b, const ofs_layer *l, uint32_t i, uint64_t positions);
/* What normalizing layers have alike: their output, epsilon (l->v[0]), gamma and beta; and one of their weights in a
 * vector of all of theirs, NULL where there is none. */
void ofs_norm_weights(ofs_layer *l, const ofs_record *r);
const real *ofs_norm_weight(const ofs_layer *l, uint32_t role, const real *from);

/* Emits y = act(x), in place where the backward allows; softmax included. */
uint32_t ofs_build_act(ofs_builder *b, ofs_layer *l, uint32_t x);
/* Emits dx = dy * act', in place over dy. b->aux of the layer is the activation's input where it needs it. */
uint32_t ofs_build_act_backward(ofs_builder *b, ofs_layer *l, uint32_t dy);
/* 1 where the activation can be applied to a tile as it is produced: elementwise, and undone from y alone. */
int ofs_act_fuses(uint32_t act);

/* Part k of a layer's record, as a record of its own; 0 where there are no more. Most layers are one part. */
int ofs_layer_part(const ofs_record *r, uint32_t k, ofs_record *part);

/* y = (x - mean) * scale + offset by the layer's numbers (scale.c); back: y = x * scale. */
void ofs_build_scale(ofs_builder *b, const ofs_layer *l, uint32_t y, uint32_t x, int back);

/* dense over the last axis; a convolution of 1 x 1 with stride 1 is one too. */
uint32_t ofs_build_dense(ofs_builder *b, ofs_layer *l, uint32_t x);
uint32_t ofs_build_dense_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted);

/* The products of a dense layer, for others that have a kernel (K, N) over rows of numbers: which weight it is, 1 + which
 * one is the bias (0: none) and the row of it, K and N, and how many rows a sample has. */
typedef struct ofs_affine {
  uint32_t which, bias, row, k, n, positions;
} ofs_affine;
/* That of a weight (..., K, N) over the positions of the layer's input; row: of its bias, -1: none. */
ofs_affine ofs_affine_of(const ofs_layer *l, uint32_t which, int row);
/* y = x W + b, then the layer's activation where `fuse`; dx = dy W^T, or that added to dx. */
void ofs_build_affine(ofs_builder *b, const ofs_layer *l, const ofs_affine *a, uint32_t y, uint32_t x, int fuse);
void ofs_build_affine_back(ofs_builder *b, const ofs_layer *l, const ofs_affine *a, uint32_t dx, uint32_t dy, int add);
/* Gradients of a layer's weights come from chunks of samples; `partial` holds those of more than one, all tensors of
 * the layer in each (0: there is one, which goes straight to the gradient). */
typedef struct ofs_chunks {
  uint32_t samples, partial;
} ofs_chunks;
ofs_chunks ofs_build_chunks(ofs_builder *b, const ofs_layer *l, uint32_t positions);
/* dW = x^T dy, and the bias's row = the sum of dy. */
void ofs_build_weight_gradient(ofs_builder *b, const ofs_layer *l, const ofs_chunks *c, const ofs_affine *a, uint32_t x,
                               uint32_t dy);
/* After all of them. */
void ofs_build_chunk_sum(ofs_builder *b, const ofs_layer *l, const ofs_chunks *c);

/* A convolution of 3 x 3 by Winograd's products, where ofs_winograd_fits: an image (h, w, c), padded by top and left,
 * becomes (oh, ow, f). */
int ofs_winograd_fits(const ofs_window *w);
/* y = x * matrix + the layer's bias, then act; matrix (3, 3, c, f) is a buffer, 0: the layer's kernel. */
void ofs_build_winograd(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t y, uint32_t x, uint32_t matrix,
                        uint32_t act);
/* The layer's gradients from its input and dy. */
void ofs_build_winograd_gradient(ofs_builder *b, const ofs_layer *l, uint32_t x, uint32_t dy);

extern const ofs_layer_kind ofs_global_pool_kind, ofs_placed_kind, ofs_upsample_kind, ofs_transpose_kind;

/* A small image (oh, ow, c) put into a big one (h, w, c), its pixel (i, j) at (i sh + top, j sw + left) and zeros elsewhere;
 * or taken out of it. The result is a buffer of its own. */
uint32_t ofs_build_placed(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x, int embed);
/* A strided slice is a cropping2d whose record has strides too. */
#define OFS_SLICE_STRIDES 1
/* An image (h, w, c) made sh and sw times as big, or the gradient of that, likewise. */
uint32_t ofs_build_upsample(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x, int bilinear, int back);

/* l->window of an input (H, W, C) or (W, C) by the fields size, strides (absent: the size), padding and, of convolutions,
 * dilation, which have ids one after the other from `size` on; l->out with the input's channels. */
ofs_status ofs_window_shape(ofs_layer *l, const ofs_record *r, uint32_t size, ofs_error *err);
/* The first half of it, all but padding and output; and the last: l->out and window with f channels. */
ofs_status ofs_window_read(ofs_layer *l, const ofs_record *r, uint32_t size, ofs_error *err);
void ofs_window_out(ofs_layer *l, uint32_t f);

/* Part k of a convolution's record, where it is several layers (see ofs_layer_part). */
int ofs_conv_part(const ofs_record *r, uint32_t k, ofs_record *part);

/* The sliding product of an image that has its padding: y = act(x * matrix + the layer's bias); matrix 0: its kernel. */
void ofs_build_slide(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t y, uint32_t x, uint32_t matrix,
                     int bias, uint32_t act);
/* What that image is made of, and the window over it. */
uint32_t ofs_build_padded(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x);
ofs_window ofs_padded_window(const ofs_window *w);
/* dx of dy by the window (unpadded); then bias and activation, where a layer runs the product the other way. */
uint32_t ofs_build_slide_back(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t dy, int bias, uint32_t act);
/* The kernel, flipped and transposed: what slides over dy. */
uint32_t ofs_build_flip(ofs_builder *b, const ofs_layer *l, const ofs_window *w);
/* The layer's gradients, from the padded image and dy; the bias's is the sum of `bias`. */
void ofs_build_slide_gradient(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x, uint32_t dy,
                              uint32_t bias);

/* Depthwise: y = act(x * kernel + bias), and back. */
uint32_t ofs_build_depthwise(ofs_builder *b, ofs_layer *l, uint32_t x, uint32_t act);
uint32_t ofs_build_depthwise_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted);

/* Emits the sum of the layer's partial gradients (all its tensors), `block` units of op's cut a chunk. */
void ofs_build_sum(ofs_builder *b, const ofs_layer *l, uint32_t partial, uint64_t units, uint64_t block);
/* 1 where a loss takes this layer's logits; and where nobody takes anything else, so that its activation is left out. */
int ofs_takes_logits(const ofs_builder *b, const ofs_layer *l);
int ofs_act_left_to_loss(const ofs_builder *b, const ofs_layer *l);

#endif
