/* norm.h: what the normalizing layers have alike. */
#ifndef OFS_NORM_LAYER_H
#define OFS_NORM_LAYER_H

#include "build/build.h"

enum { OFS_NORM_EPSILON }; /* l->v */

/* What normalizing layers have alike: their output, epsilon, gamma and beta; and one of their
 * weights in a vector of all of theirs, NULL where there is none. */
void ofs_norm_weights(ofs_layer *l, const ofs_record *r);
const real *ofs_norm_weight(const ofs_layer *l, uint32_t role, const real *from);

#endif
