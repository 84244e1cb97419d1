/* weights.h: the places of layers' tensors in the model's flat vector of parameters. */
#ifndef OFS_WEIGHTS_H
#define OFS_WEIGHTS_H

#include "program/model.h"

/* Checks the layer's tensors and places them after those of the layers before it. Tensors that are
 * not stored are placed among the copies, which lie after all `parameters` (the final count, where
 * layers are filled in). */
ofs_status ofs_place_weights(ofs_model *m, uint64_t parameters, ofs_layer *l, ofs_error *err);
/* Moves the places of the layer's tensors by so many numbers. */
void ofs_move_weights(ofs_layer *l, uint64_t by);

#endif
