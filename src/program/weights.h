/* weights.h: where a layer's tensors lie in the model's flat vector of parameters. */
#ifndef OFS_WEIGHTS_H
#define OFS_WEIGHTS_H

#include "program/model.h"

/* Checks the layer's tensors and lays them out behind those of the layers before it; where they are
 * none of the model's, among the copies, which lie behind all `parameters` (as they were counted,
 * where numbers are filled in). */
ofs_status ofs_place_weights(ofs_model *m, uint64_t parameters, ofs_layer *l, ofs_error *err);
/* Moves where the layer's tensors lie. */
void ofs_move_weights(ofs_layer *l, uint64_t by);

#endif
