/* partials.c: chunks of samples, and the sum of their partial gradients. */
#include "build/partials.h"

/* A chunk has so many rows of a layer's input. */
#define CHUNK_ROWS 4096u

/* Buffers of the sum; op->n: the cut of the chunks. */
enum { PARTIAL, GRADIENT };
enum { UNITS, BLOCK };

/* Sums the chunks that this batch has into dW, in order; a layer's tensors lie together. */
static void sum_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  uint64_t size = l->weights_size;
  const ofs_range r = ofs_range_of(op, part);
  uint64_t chunks = ((uint64_t)op->n[UNITS] * op->count + op->n[BLOCK] - 1) / op->n[BLOCK];
  ctx->kernels->sum_partials(ctx->gradient + l->weights_at + r.from, op->at[PARTIAL] + r.from, size,
                             (uint32_t)chunks, (uint32_t)(r.to - r.from));
}

void ofs_build_sum(ofs_builder *b, const ofs_layer *l, uint32_t partial, uint64_t units,
                   uint64_t block) {
  ofs_op *op = ofs_build_op(b, l, sum_part, partial, b->gradient, 0, 0);
  op->n[UNITS] = (uint32_t)units;
  op->n[BLOCK] = (uint32_t)block;
  double chunks = (double)((units * b->batch + block - 1) / block);
  ofs_cut(b, op, l->weights_size, 1, 8 * chunks, 16);
}

ofs_chunks ofs_build_chunks(ofs_builder *b, const ofs_layer *l, uint32_t positions) {
  uint32_t samples = positions > CHUNK_ROWS ? 1 : CHUNK_ROWS / positions;
  if (samples > b->batch) samples = b->batch;
  uint32_t chunks = (b->batch + samples - 1) / samples;
  return (ofs_chunks){samples, chunks > 1
                                   ? ofs_build_buffer(b, ofs_mul_sat(l->weights_size, chunks), 1)
                                   : 0};
}

void ofs_build_chunk_sum(ofs_builder *b, const ofs_layer *l, const ofs_chunks *c) {
  if (c->partial) ofs_build_sum(b, l, c->partial, 1, c->samples);
}
