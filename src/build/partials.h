/* partials.h: gradients of weights that come from chunks of a batch.
 *
 * Each chunk gives a partial gradient of all the layer's tensors; they are added up in the order of
 * the chunks, so that the sum is the same however chunks were shared. */
#ifndef OFS_PARTIALS_H
#define OFS_PARTIALS_H

#include "build/build.h"

/* `samples` of a chunk; `partial` holds the gradients of more than one (0: there is one, which goes
 * straight to the gradient). */
typedef struct ofs_chunks {
  uint32_t samples, partial;
} ofs_chunks;
/* Chunks of a layer that has so many rows a sample. */
ofs_chunks ofs_build_chunks(ofs_builder *b, const ofs_layer *l, uint32_t positions);
/* Emits their sum, after all of them. */
void ofs_build_chunk_sum(ofs_builder *b, const ofs_layer *l, const ofs_chunks *c);
/* Emits the sum of the layer's partial gradients, where chunks are `block` units of an operation
 * that has `units` a sample. */
void ofs_build_sum(ofs_builder *b, const ofs_layer *l, uint32_t partial, uint64_t units,
                   uint64_t block);

#endif
