/* winograd.h: convolutions of 3 x 3 by Winograd's products: an image (h, w, c), padded by top and
 * left, becomes (oh, ow, f). */
#ifndef OFS_WINOGRAD_H
#define OFS_WINOGRAD_H

#include "build/build.h"

/* Returns 1 where the products can compute such a convolution and pay. */
int ofs_winograd_fits(const ofs_window *w);
/* Emits y = act(x * matrix + the layer's bias); matrix (3, 3, c, f) is a buffer, 0: the layer's
 * kernel. */
void ofs_build_winograd(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t y,
                        uint32_t x, uint32_t matrix, uint32_t act);
/* Emits the layer's gradients from its input and dy. */
void ofs_build_winograd_gradient(ofs_builder *b, const ofs_layer *l, uint32_t x, uint32_t dy);

#endif
