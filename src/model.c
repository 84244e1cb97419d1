/* model.c: a model's block: how big it is, how it is laid out, and views of its weights. */
#include "internal.h"

/* The block's pieces in order, each aligned. */
typedef struct layout {
  uint64_t layers, params, moment[OFS_MOMENTS], ops, buffers, links, bytes;
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
  at.params = place(&end, m->parameters, sizeof(real));
  for (uint32_t k = 0; k < m->optimizer.moments; k++) at.moment[k] = place(&end, m->parameters, sizeof(real));
  at.ops = place(&end, slots * OFS_OPS_A_LAYER + OFS_OPS_MORE, sizeof(ofs_op));
  at.buffers = place(&end, slots * OFS_BUFFERS_A_LAYER + OFS_OPS_MORE, sizeof(ofs_buffer));
  at.links = place(&end, slots * 4, sizeof(uint32_t));
  at.bytes = end;
  return at;
}

ofs_status ofs_model_bytes(const void *spec, size_t n, uint64_t *bytes, ofs_error *err) {
  ofs_model m = {0};
  ofs_status s = ofs_spec_read(&m, NULL, spec, n, err);
  if (s == OFS_OK) *bytes = model_layout(&m).bytes;
  return s;
}

ofs_status ofs_model_init(void *mem, uint64_t bytes, const void *spec, size_t n, ofs_model **model, ofs_error *err) {
  ofs_model m = {0};
  ofs_status s = ofs_spec_read(&m, NULL, spec, n, err);
  if (s < 0) return s;
  layout at = model_layout(&m);
  if (bytes < at.bytes)
    return ofs_refuse(err, OFS_OUT_OF_MEMORY, OFS_IN_MODEL, -1, OFS_WHY_BYTES, (double)bytes, 0, (double)at.bytes);
  char *block = mem;
  m.layers = (ofs_layer *)(block + at.layers);
  m.params = (real *)(block + at.params);
  for (uint32_t k = 0; k < m.optimizer.moments; k++) m.optimizer.moment[k] = (real *)(block + at.moment[k]);
  m.ops = (ofs_op *)(block + at.ops);
  m.buffers = (ofs_buffer *)(block + at.buffers);
  m.links = (uint32_t *)(block + at.links);
  m.parameters = 0;
  m.tensor_count = 0;
  s = ofs_spec_read(&m, m.layers, spec, n, err);
  if (s < 0) return s;
  ofs_kernels_fill(&m.kernels);
  *model = mem;
  **model = m;
  return OFS_OK;
}

void ofs_model_set_step(ofs_model *m, uint64_t step) { m->step = step; }

/* ---- views ---- */

uint32_t ofs_model_layers(const ofs_model *m) { return m->layer_count; }
uint32_t ofs_model_tensors(const ofs_model *m) { return m->tensor_count; }

ofs_status ofs_model_layer(const ofs_model *m, uint32_t i, ofs_layer_info *info) {
  if (i >= m->layer_count) return OFS_INVALID_ARGUMENT;
  const ofs_layer *l = &m->layers[i];
  *info = (ofs_layer_info){.type = l->type, .rank = l->out.rank, .parameters = l->weights_size};
  for (uint32_t d = 0; d < l->out.rank; d++) info->dims[d] = l->out.dims[d];
  return OFS_OK;
}

ofs_status ofs_model_tensor(const ofs_model *m, uint32_t i, ofs_tensor *t) {
  for (uint32_t k = 0; k < m->layer_count; i -= m->layers[k++].weight_count) {
    if (i >= m->layers[k].weight_count) continue;
    const ofs_weight *w = &m->layers[k].weights[i];
    *t = (ofs_tensor){k, w->role, w->rank, {0}, w->size, m->params + w->at, {NULL}};
    for (uint32_t d = 0; d < w->rank; d++) t->dims[d] = w->dims[d];
    for (uint32_t j = 0; j < m->optimizer.moments; j++) t->moment[j] = m->optimizer.moment[j] + w->at;
    return OFS_OK;
  }
  return OFS_INVALID_ARGUMENT;
}

void ofs_model_get_facts(const ofs_model *m, ofs_model_facts *f) {
  const ofs_layer *last = &m->layers[m->layer_count - 1];
  *f = (ofs_model_facts){m->parameters, m->input.size, last->out.size, m->classes, m->targets, m->loss, m->step};
}

const char *ofs_strerror(int status) {
  switch (status) {
    case OFS_OK: return "done";
    case OFS_MORE: return "more work remains";
    case OFS_INVALID_SPEC: return "the spec is not valid";
    case OFS_INVALID_DATA: return "the data do not fit the model";
    case OFS_INVALID_ARGUMENT: return "an argument is out of range";
    case OFS_OUT_OF_MEMORY: return "the block is too small";
    case OFS_INVALID_STATE: return "the call is out of sequence";
    case OFS_THREAD_LOST: return "a helper thread was lost";
    default: return "unknown status";
  }
}
