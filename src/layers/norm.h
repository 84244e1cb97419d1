/* norm.h: the shape and the weights that all normalizing layers have. */
#ifndef OFS_NORM_LAYER_H
#define OFS_NORM_LAYER_H

#include "build/build.h"

enum { OFS_NORM_EPSILON }; /* the index in l->v */

/* The first gives a normalizing layer its output shape, epsilon, gamma and beta. The second returns
 * its weight of a role within `from`, a vector of all of the layer's weights; NULL where it has
 * none. */
void ofs_norm_weights(ofs_layer *l, const ofs_record *r);
const real *ofs_norm_weight(const ofs_layer *l, uint32_t role, const real *from);

#endif
