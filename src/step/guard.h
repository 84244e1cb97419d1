/* guard.h: looks for numbers that are not finite before a step is applied, and for their origin. */
#ifndef OFS_GUARD_H
#define OFS_GUARD_H

#include "program/plan.h"

/* Returns 1 where the step may not be applied; it then starts again, to find where the fault
 * began. */
int ofs_guard_trips(ofs_plan *p);
/* Checks about `work` elements of the output of the layer whose operation was run last in such a
 * replay. Returns OFS_OK where all of the output is finite, OFS_MORE where it is so far, or
 * OFS_NON_FINITE. */
ofs_status ofs_guard_look(ofs_plan *p, const ofs_op *op, uint64_t work);
/* Ends the step and fills p->fault. */
ofs_status ofs_guard_end(ofs_plan *p);

#endif
