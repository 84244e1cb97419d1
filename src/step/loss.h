/* loss.h: the loss of an output, from the spec and over a batch. */
#ifndef OFS_LOSS_H
#define OFS_LOSS_H

#include "program/plan.h"

/* Reads the loss of an output that knows its activation: the one in its record, or the one that
 * suits its layer. Cross-entropies are computed from logits, so they need the activation that makes
 * probabilities of them. */
ofs_status ofs_loss_read(ofs_output *out, const ofs_record *r, ofs_error *err);
/* A span is where output k begins in a row of y, and the row's length. */
typedef struct ofs_span {
  uint64_t at, row;
} ofs_span;

/* Returns the span of output k in the plan's data. */
ofs_span ofs_span_of(const ofs_plan *p, uint32_t k);
/* Returns a position's target as the data have it. */
ofs_target ofs_target_of(const ofs_plan *p, uint32_t k, const ofs_span *s, uint64_t sample,
                         uint64_t position);
/* Emits the loss of output k from its prediction or logits. Returns the buffer of the gradient, 0
 * where the plan does not train. */
uint32_t ofs_build_loss(ofs_builder *b, const ofs_model *m, uint32_t k, uint32_t prediction);

#endif
