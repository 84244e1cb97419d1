/* block.c: a model's block: its size and its layout. */
#include "base/status.h"
#include "build/build.h"
#include "program/graph.h"

/* A layout has the offsets of the block's pieces, in order, each aligned. */
typedef struct layout {
  uint64_t layers, params, moment[OFS_MOMENTS], slots, ops, buffers, links, bytes;
} layout;

static uint64_t place(uint64_t *end, uint64_t count, uint64_t size) {
  uint64_t at = *end, bytes = ofs_mul_sat(count, size);
  *end = ofs_add_sat(at, ofs_add_sat(bytes, OFS_ALIGN - 1)) & ~(uint64_t)(OFS_ALIGN - 1);
  return at;
}

static layout model_layout(const ofs_model *m) {
  layout at;
  uint64_t end = 0, slots = m->layer_count;
  place(&end, 1, sizeof(ofs_model));
  at.layers = place(&end, slots, sizeof(ofs_layer));
  at.params = place(&end, m->parameters + m->tied, sizeof(real));
  for (uint32_t k = 0; k < m->optimizer.moments; k++)
    at.moment[k] = place(&end, m->trained, sizeof(real));
  at.slots = place(&end, m->tensor_count, sizeof(ofs_slot));
  at.ops = place(&end, slots * OFS_OPS_A_LAYER + m->more_ops + OFS_OPS_MORE, sizeof(ofs_op));
  at.buffers =
      place(&end, slots * OFS_BUFFERS_A_LAYER + m->more_buffers + OFS_OPS_MORE, sizeof(ofs_buffer));
  at.links = place(&end, slots * OFS_LINKS, sizeof(uint32_t));
  at.bytes = end;
  return at;
}

ofs_status ofs_model_bytes(const void *spec, size_t n, uint64_t *bytes, ofs_error *err) {
  ofs_model m = {0};
  ofs_status s = ofs_spec_read(&m, NULL, spec, n, err);
  if (s == OFS_OK) *bytes = model_layout(&m).bytes;
  return s;
}

ofs_status ofs_model_init(void *mem, uint64_t bytes, const void *spec, size_t n, ofs_model **model,
                          ofs_error *err) {
  ofs_model m = {0};
  ofs_status s = ofs_spec_read(&m, NULL, spec, n, err);
  if (s < 0) return s;
  layout at = model_layout(&m);
  if (bytes < at.bytes)
    return ofs_refuse(err, OFS_OUT_OF_MEMORY, OFS_IN_MODEL, -1, OFS_WHY_BYTES, (double)bytes, 0,
                      (double)at.bytes);
  char *block = mem;
  m.layers = (ofs_layer *)(block + at.layers);
  m.params = (real *)(block + at.params);
  m.ops = (ofs_op *)(block + at.ops);
  m.buffers = (ofs_buffer *)(block + at.buffers);
  m.links = (uint32_t *)(block + at.links);
  s = ofs_spec_read(&m, m.layers, spec, n, err);
  if (s < 0) return s;
  for (uint32_t k = 0; k < m.optimizer.moments; k++)
    m.optimizer.moment[k] = (real *)(block + at.moment[k]);
  m.optimizer.slots = (ofs_slot *)(block + at.slots);
  ofs_optimizer_lay(&m.optimizer, m.layers, m.layer_count);
  ofs_kernels_fill(&m.kernels);
  *model = mem;
  **model = m;
  return OFS_OK;
}
