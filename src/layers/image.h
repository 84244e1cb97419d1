/* image.h: a small image in a big one, and one made bigger. */
#ifndef OFS_IMAGE_H
#define OFS_IMAGE_H

#include "build/build.h"

/* A small image (oh, ow, c) put into a big one (h, w, c), its pixel (i, j) at (i sh + top, j sw +
 * left) and zeros elsewhere; or taken out of it. The result is a buffer of its own. */
uint32_t ofs_build_placed(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x,
                          int embed);
/* A strided slice is a cropping2d whose record has strides too. */
#define OFS_SLICE_STRIDES 1
/* An image (h, w, c) made sh and sw times as big, or the gradient of that, likewise. */
uint32_t ofs_build_upsample(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x,
                            int bilinear, int back);

#endif
