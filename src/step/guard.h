/* guard.h: looks for what is not finite before a step is applied. */
#ifndef OFS_GUARD_H
#define OFS_GUARD_H

#include "program/plan.h"

/* 1 where the step may not be applied; it then starts again, to find out where that began. */
int ofs_guard_trips(ofs_plan *p);
/* Of the operation that was run last, in such a replay: looks at about `work` elements of its
 * layer's output. OFS_OK: they are finite; OFS_MORE: so far; OFS_NON_FINITE. */
ofs_status ofs_guard_look(ofs_plan *p, const ofs_op *op, uint64_t work);
/* Ends the step, with p->fault. */
ofs_status ofs_guard_end(ofs_plan *p);

#endif
