/* scale.h: a scale and an offset by numbers of the spec. */
#ifndef OFS_SCALE_H
#define OFS_SCALE_H

#include "build/build.h"

/* Emits y = (x - mean) * scale + offset by the layer's numbers (scale.c); where `back`, y = x *
 * scale. */
void ofs_build_scale(ofs_builder *b, const ofs_layer *l, uint32_t y, uint32_t x, int back);

#endif
