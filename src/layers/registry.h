/* registry.h: which layer types there are, and which layers are made of several. */
#ifndef OFS_REGISTRY_H
#define OFS_REGISTRY_H

#include "build/layer.h"

/* The functions of a layer type; NULL where there is none of that id. */
const ofs_layer_kind *ofs_layer_kind_of(uint32_t type);
/* Part k of a layer's record, as a record of its own; 0 where there are no more. Most layers are
 * one part. */
int ofs_layer_part(const ofs_record *r, uint32_t k, ofs_record *part);

#endif
