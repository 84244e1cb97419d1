/* partials.h: gradients of weights that are summed over chunks of a batch.
 *
 * Each chunk gives a partial gradient of all the layer's tensors; they are added up in the order of
 * the chunks, so that the sum is the same however threads shared the chunks. */
#ifndef OFS_PARTIALS_H
#define OFS_PARTIALS_H

#include "build/build.h"

/* A chunk has `samples`; the buffer `partial` has the gradients of all chunks (0: there is one
 * chunk, which writes to the gradient itself). */
typedef struct ofs_chunks {
  uint32_t samples, partial;
} ofs_chunks;
/* Chooses the chunks of a layer that has so many rows a sample. */
ofs_chunks ofs_build_chunks(ofs_builder *b, const ofs_layer *l, uint32_t positions);
/* Emits the sum of the chunks, after all of them. */
void ofs_build_chunk_sum(ofs_builder *b, const ofs_layer *l, const ofs_chunks *c);
/* Emits the sum of the layer's partial gradients, where chunks are `block` units of an operation of
 * `units` a sample. */
void ofs_build_sum(ofs_builder *b, const ofs_layer *l, uint32_t partial, uint64_t units,
                   uint64_t block);

#endif
