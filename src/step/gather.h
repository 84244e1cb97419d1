/* gather.h: the inputs of a batch. */
#ifndef OFS_GATHER_H
#define OFS_GATHER_H

#include "program/plan.h"

/* Fills b->inputs. */
void ofs_build_gather(ofs_builder *b, const ofs_model *m);

#endif
