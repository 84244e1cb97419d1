/* update.h: the passes over the flat vectors of weights, gradients and moments. */
#ifndef OFS_UPDATE_H
#define OFS_UPDATE_H

#include "program/plan.h"

/* The greatest gradient that an update is made with (guard.c). */
#define OFS_GRADIENT_LIMIT 1e15

/* What a part of the pass over the gradient found in a slot: the record [part + slot] of
 * p->sums. */
struct ofs_sum {
  double penalty, squares; /* of the regularizers; of the gradient */
  uint64_t bad;            /* it has a gradient or statistic that no update may be made with */
};

/* Emits the passes over the gradient before the update, and those of the update. */
void ofs_build_update(ofs_builder *b, const ofs_model *m);
/* The records of a slot are those of the parts [*from, *to]. */
void ofs_sums_of(const ofs_plan *p, uint32_t slot, uint32_t *from, uint32_t *to);
/* After that pass: the batch's penalty, and what the gradient is scaled by. */
void ofs_update_sums(ofs_plan *p);

#endif
