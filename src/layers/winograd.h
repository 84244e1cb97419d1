/* winograd.h: convolutions of 3 x 3 by Winograd's products. */
#ifndef OFS_WINOGRAD_H
#define OFS_WINOGRAD_H

#include "build/build.h"

/* A convolution of 3 x 3 by Winograd's products, where ofs_winograd_fits: an image (h, w, c),
 * padded by top and left, becomes (oh, ow, f). */
int ofs_winograd_fits(const ofs_window *w);
/* y = x * matrix + the layer's bias, then act; matrix (3, 3, c, f) is a buffer, 0: the layer's
 * kernel. */
void ofs_build_winograd(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t y,
                        uint32_t x, uint32_t matrix, uint32_t act);
/* The layer's gradients from its input and dy. */
void ofs_build_winograd_gradient(ofs_builder *b, const ofs_layer *l, uint32_t x, uint32_t dy);

#endif
