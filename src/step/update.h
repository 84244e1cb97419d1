/* update.h: the passes over the flat vectors of weights, gradients and moments. */
#ifndef OFS_UPDATE_H
#define OFS_UPDATE_H

#include "program/plan.h"

/* OFS_GRADIENT_LIMIT is the greatest gradient that an update accepts (guard.c). */
#define OFS_GRADIENT_LIMIT 1e15

/* A sum is what a part of the pass over the gradient found in a slot; it is the record [part +
 * slot] of p->sums. */
struct ofs_sum {
  double penalty, squares; /* the regularizers' loss; the sum of the gradient's squares */
  uint64_t bad; /* 1 where a gradient or statistic is one that no update may be made with */
};

/* Emits the passes over the gradient before the update, and those of the update. */
void ofs_build_update(ofs_builder *b, const ofs_model *m);
/* Finds the parts [*from, *to] whose records are those of a slot. */
void ofs_sums_of(const ofs_plan *p, uint32_t slot, uint32_t *from, uint32_t *to);
/* Sums the records after that pass: into the batch's penalty and the factor of the gradient. */
void ofs_update_sums(ofs_plan *p);

#endif
