/* slide.h: the sliding product of an image and a kernel, both ways. */
#ifndef OFS_SLIDE_H
#define OFS_SLIDE_H

#include "build/build.h"

/* Emits y = act(x * matrix + the layer's bias), the sliding product of an image that has its
 * padding; matrix 0: the layer's kernel. */
void ofs_build_slide(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t y,
                     uint32_t x, uint32_t matrix, int bias, uint32_t act);
/* Emits that image from x, which has no padding; ofs_padded_window is the window over it. */
uint32_t ofs_build_padded(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x);
ofs_window ofs_padded_window(const ofs_window *w);
/* Emits dx of dy by the window (unpadded); then bias and activation, where a layer runs the product
 * the other way. */
uint32_t ofs_build_slide_back(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t dy,
                              int bias, uint32_t act);
/* Emits the kernel, flipped and transposed, which slides over dy. */
uint32_t ofs_build_flip(ofs_builder *b, const ofs_layer *l, const ofs_window *w);
/* Emits the layer's gradients from the padded image and dy; the gradient of the bias is the sum of
 * the buffer `bias`. */
void ofs_build_slide_gradient(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x,
                              uint32_t dy, uint32_t bias);

#endif
