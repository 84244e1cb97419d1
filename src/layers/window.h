/* window.h: the geometry of a window over an image. */
#ifndef OFS_WINDOW_H
#define OFS_WINDOW_H

#include "build/layer.h"

/* l->window of an input (H, W, C) or (W, C) by the fields size, strides (absent: the size), padding
 * and, of convolutions, dilation, which have ids one after the other from `size` on; l->out with
 * the input's channels. */
ofs_status ofs_window_shape(ofs_layer *l, const ofs_record *r, uint32_t size, ofs_error *err);
/* The first half of it, all but padding and output; and the last: l->out and window with f
 * channels. */
ofs_status ofs_window_read(ofs_layer *l, const ofs_record *r, uint32_t size, ofs_error *err);
void ofs_window_out(ofs_layer *l, uint32_t f);

#endif
