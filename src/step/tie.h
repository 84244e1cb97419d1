/* tie.h: tied weights, which several layers share. */
#ifndef OFS_TIE_H
#define OFS_TIE_H

#include "program/plan.h"

/* Emits copies of tied weights, before any operation reads them. */
void ofs_build_tied(ofs_builder *b, const ofs_model *m);
/* Emits the addition of the copies' gradients to those of the weights. */
void ofs_build_tied_gradient(ofs_builder *b, const ofs_model *m);

#endif
