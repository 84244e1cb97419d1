/* depthwise.h: depthwise convolutions: each channel has filters of its own. */
#ifndef OFS_DEPTHWISE_H
#define OFS_DEPTHWISE_H

#include "build/build.h"

/* These emit y = act(x * kernel + bias), and its gradients. */
uint32_t ofs_build_depthwise(ofs_builder *b, ofs_layer *l, uint32_t x, uint32_t act);
uint32_t ofs_build_depthwise_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted);

#endif
