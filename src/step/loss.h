/* loss.h: the loss of an output, from the spec and over a batch. */
#ifndef OFS_LOSS_H
#define OFS_LOSS_H

#include "program/plan.h"

/* The loss of an output that knows its activation: the one that its record tells, or the one that
 * its layer asks for. Cross-entropies are computed from logits, so they need the activation that
 * makes probabilities of them. */
ofs_status ofs_loss_read(ofs_output *out, const ofs_record *r, ofs_error *err);
/* Emits the loss of output k of its prediction or logits; the gradient's buffer, 0 where the plan
 * does not train. */
uint32_t ofs_build_loss(ofs_builder *b, const ofs_model *m, uint32_t k, uint32_t prediction);

#endif
