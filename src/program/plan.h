/* plan.h: a model's program for one batch size: a flat list of operations over planned buffers, and
 * where it stands.
 *
 * It lies in a block of the caller. What a step writes stays here until the update. */
#ifndef OFS_PLAN_H
#define OFS_PLAN_H

#include "build/build.h"
#include "program/model.h"

typedef struct ofs_sum ofs_sum;

struct ofs_plan {
  ofs_context context; /* first, so that a part that is given it has the plan */
  ofs_model *model;
  int kind;
  uint32_t batch, count;
  ofs_op *ops;
  uint32_t op_count, op, part;
  uint64_t saves; /* work that two threads save of a step */
  int running, complete;
  ofs_data data;
  ofs_batch at;
  double *rows;      /* (batch, outputs, 2): loss and correct of each sample */
  uint64_t *indices; /* (batch): which sample each row is */
  const real *outputs[OFS_MAX_OUTPUTS];
  ofs_update update; /* of the step at hand */
  ofs_sum *sums;     /* update.h; NULL: nothing is summed; sum_block: parameters a part */
  uint64_t sum_block;
  double penalty;
  real scale; /* of all gradients, to the global norm */
  /* the operations that predict come before the first, those that change the model from the second
   * on */
  uint32_t forward_ops, update_op;
  int tracing; /* guard.c */
  uint64_t checked;
  ofs_fault fault;
  ofs_totals totals;
  uint64_t buffer_bytes, live_bytes;
};

/* The plan of a part of one of its own operations. */
static inline const ofs_plan *ofs_plan_of(const ofs_context *ctx) { return (const ofs_plan *)ctx; }

#endif
