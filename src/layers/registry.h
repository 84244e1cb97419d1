/* registry.h: the table of layer types, and of layers that consist of several parts. Builds choose
 * one of its implementations: all layers, or a set of them. */
#ifndef OFS_REGISTRY_H
#define OFS_REGISTRY_H

#include "build/layer.h"

/* Returns the functions of a layer type; NULL where this build has none of that id. */
const ofs_layer_kind *ofs_layer_kind_of(uint32_t type);
/* Writes part k of a layer's record, as a record of its own, and returns 1; 0 where there are no
 * more. Most layers are one part. */
int ofs_layer_part(const ofs_record *r, uint32_t k, ofs_record *part);

#endif
