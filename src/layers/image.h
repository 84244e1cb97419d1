/* image.h: operations that place an image in a bigger one, take it out, or enlarge it. */
#ifndef OFS_IMAGE_H
#define OFS_IMAGE_H

#include "build/build.h"

/* Emits the copy of a small image (oh, ow, c) into a big one (h, w, c), its pixel (i, j) at (i sh +
 * top, j sw + left) and zeros elsewhere; or, where not `embed`, out of it. The result is a buffer
 * of its own. */
uint32_t ofs_build_placed(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x,
                          int embed);
/* A strided slice is a cropping2d whose record has strides too; this is the id of that field. */
#define OFS_SLICE_STRIDES 1
/* Emits an image (h, w, c) enlarged sh and sw times, or the gradient of that; the result is a
 * buffer of its own. */
uint32_t ofs_build_upsample(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t x,
                            int bilinear, int back);

#endif
