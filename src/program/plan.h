/* plan.h: a plan: a model's program for one batch size, which is a flat list of operations over
 * placed buffers, and the position of its step.
 *
 * It lies in a block of the caller. Results of a step stay here until the update. */
#ifndef OFS_PLAN_H
#define OFS_PLAN_H

#include "build/build.h"
#include "program/model.h"

typedef struct ofs_sum ofs_sum;

struct ofs_plan {
  ofs_context context; /* first, so that ofs_plan_of finds the plan of a context */
  ofs_model *model;
  int kind;
  uint32_t batch, count;
  ofs_op *ops;
  uint32_t op_count, op, part;
  uint64_t saves; /* work units of a step that two threads save */
  int running, complete;
  ofs_data data;
  ofs_batch at;
  double *rows;      /* (batch, outputs, 2): loss and correct of each sample */
  uint64_t *indices; /* (batch): the sample of each row */
  /* what a plan keeps until its next step: predictions, of a plan with metrics those that its
   * losses take, and the masks of these (NULL: all positions count) */
  const real *outputs[OFS_MAX_OUTPUTS], *masks[OFS_MAX_OUTPUTS];
  ofs_metrics *metrics; /* NULL: none */
  uint32_t measuring;   /* the output that is added to them, and how many positions have been */
  uint64_t measured;
  ofs_update update; /* numbers of this step */
  ofs_sum *sums; /* records of update.h; NULL: nothing is summed; sum_block: parameters a part */
  uint64_t sum_block;
  double penalty;
  real scale; /* factor of all gradients, for the global norm */
  /* operations before forward_ops predict, those from update_op on change the model */
  uint32_t forward_ops, update_op;
  int tracing; /* a replay looks for the origin of a fault (guard.c) */
  uint64_t checked;
  ofs_fault fault;
  ofs_totals totals;
  uint64_t buffer_bytes, live_bytes;
};

/* Returns the plan that a context begins; for the parts of its own operations. */
static inline const ofs_plan *ofs_plan_of(const ofs_context *ctx) { return (const ofs_plan *)ctx; }

#endif
