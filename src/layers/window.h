/* window.h: the geometry of a window over an image, as a record describes it. */
#ifndef OFS_WINDOW_H
#define OFS_WINDOW_H

#include "build/layer.h"

/* Fills l->window for an input (H, W, C) or (W, C) from the fields size, strides (absent: the
 * size), padding and, of convolutions, dilation, whose ids follow each other from `size` on; and
 * l->out, with the input's channels. */
ofs_status ofs_window_shape(ofs_layer *l, const ofs_record *r, uint32_t size, ofs_error *err);
/* These are the two halves of it: all but padding and output; then l->out and the window with f
 * channels. */
ofs_status ofs_window_read(ofs_layer *l, const ofs_record *r, uint32_t size, ofs_error *err);
void ofs_window_out(ofs_layer *l, uint32_t f);

#endif
