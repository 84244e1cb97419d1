/* conv.h: convolutions that consist of several layers. */
#ifndef OFS_CONV_H
#define OFS_CONV_H

#include "build/layer.h"

/* Writes part k of a convolution's record, where it is several layers (see ofs_layer_part). */
int ofs_conv_part(const ofs_record *r, uint32_t k, ofs_record *part);

#endif
