/* gather.h: the operations that copy a batch's samples from the data set into the program's
 * inputs. */
#ifndef OFS_GATHER_H
#define OFS_GATHER_H

#include "program/plan.h"

/* Emits the operations, and fills b->inputs with their buffers. */
void ofs_build_gather(ofs_builder *b, const ofs_model *m);

#endif
