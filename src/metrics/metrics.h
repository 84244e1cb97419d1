/* metrics.h: the metrics of a model's outputs, summed over the batches of steps that completed.
 *
 * The object lies in a block of the caller. What changes in it is one run of doubles, which only a
 * completed step, a reset and a restore write; rows count in the order of the batch, so the sums do
 * not depend on threads or slices. */
#ifndef OFS_METRICS_H
#define OFS_METRICS_H

#include "program/plan.h"

/* Adds the rows of the plan's step, which is complete, to the plan's metrics. */
void ofs_metrics_add(const ofs_plan *plan);

#endif
