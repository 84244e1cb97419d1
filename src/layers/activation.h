/* activation.h: the activation that a layer carries. */
#ifndef OFS_ACTIVATION_LAYER_H
#define OFS_ACTIVATION_LAYER_H

#include "build/build.h"

/* Emits y = act(x), in place where the backward allows; softmax included. */
uint32_t ofs_build_act(ofs_builder *b, ofs_layer *l, uint32_t x);
/* Emits dx = dy * act', in place over dy. b->aux of the layer is the activation's input where it
 * needs it. */
uint32_t ofs_build_act_backward(ofs_builder *b, ofs_layer *l, uint32_t dy);
/* Returns 1 where the activation can be applied to a tile as it is produced: it is elementwise, and
 * its derivative follows from y alone. */
int ofs_act_fuses(uint32_t act);

/* Returns 1 where a loss takes this layer's logits, besides or in place of its output. */
int ofs_takes_logits(const ofs_builder *b, const ofs_layer *l);

#endif
