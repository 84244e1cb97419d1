/* model.c: a model's block: how big it is, how it is laid out, and views of its weights. */
#include "program/internal.h"

/* The block's pieces in order, each aligned. */
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
  for (uint32_t k = 0; k < m->optimizer.moments; k++) at.moment[k] = place(&end, m->trained, sizeof(real));
  at.slots = place(&end, m->tensor_count, sizeof(ofs_slot));
  at.ops = place(&end, slots * OFS_OPS_A_LAYER + m->more_ops + OFS_OPS_MORE, sizeof(ofs_op));
  at.buffers = place(&end, slots * OFS_BUFFERS_A_LAYER + m->more_buffers + OFS_OPS_MORE, sizeof(ofs_buffer));
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
  m.ops = (ofs_op *)(block + at.ops);
  m.buffers = (ofs_buffer *)(block + at.buffers);
  m.links = (uint32_t *)(block + at.links);
  s = ofs_spec_read(&m, m.layers, spec, n, err);
  if (s < 0) return s;
  for (uint32_t k = 0; k < m.optimizer.moments; k++) m.optimizer.moment[k] = (real *)(block + at.moment[k]);
  m.optimizer.slots = (ofs_slot *)(block + at.slots);
  ofs_optimizer_lay(&m);
  ofs_kernels_fill(&m.kernels);
  *model = mem;
  **model = m;
  return OFS_OK;
}

void ofs_model_set_step(ofs_model *m, uint64_t step) { m->step = step; }

/* ---- views ---- */

uint32_t ofs_model_layers(const ofs_model *m) { return m->place_count; }
uint32_t ofs_model_tensors(const ofs_model *m) { return m->tensor_count; }

/* All nodes of the layer count; the last one's output is its. */
ofs_status ofs_model_layer(const ofs_model *m, uint32_t i, ofs_layer_info *info) {
  if (i >= m->place_count) return OFS_INVALID_ARGUMENT;
  uint64_t parameters = 0;
  for (uint32_t k = 0; k < m->layer_count; k++) {
    const ofs_layer *l = &m->layers[k];
    if (l->place != i) continue;
    if (!l->apart) parameters += l->weights_size;
    *info = (ofs_layer_info){.type = l->type, .rank = l->shape.rank, .parameters = parameters};
    for (uint32_t d = 0; d < l->shape.rank; d++) info->dims[d] = l->shape.dims[d];
  }
  return OFS_OK;
}

ofs_status ofs_model_tensor(const ofs_model *m, uint32_t i, ofs_tensor *t) {
  for (uint32_t k = 0; k < m->layer_count; k++) {
    const ofs_layer *l = &m->layers[k];
    if (l->apart) continue;
    if (i >= l->weight_count) {
      i -= l->weight_count;
      continue;
    }
    const ofs_weight *w = &l->weights[i];
    int learns = l->trains && w->momentum < 0;
    *t = (ofs_tensor){.layer = l->place, .role = w->role, .side = l->side, .trainable = learns, .rank = w->rank,
                      .size = w->size, .data = m->params + w->at};
    for (uint32_t d = 0; d < w->rank; d++) t->dims[d] = w->dims[d];
    for (uint32_t j = 0; learns && j < m->optimizer.moments; j++) t->moment[j] = m->optimizer.moment[j] + w->moment_at;
    return OFS_OK;
  }
  return OFS_INVALID_ARGUMENT;
}

ofs_status ofs_model_input(const ofs_model *m, uint32_t i, ofs_input_info *input) {
  if (i >= m->input_count) return OFS_INVALID_ARGUMENT;
  const ofs_source *in = &m->inputs[i];
  *input = (ofs_input_info){.rank = in->shape.rank, .size = in->shape.size, .at = in->at, .below = in->below};
  for (uint32_t d = 0; d < in->shape.rank; d++) input->dims[d] = in->shape.dims[d];
  return OFS_OK;
}

ofs_status ofs_model_output(const ofs_model *m, uint32_t i, ofs_output_info *output) {
  if (i >= m->head_count) return OFS_INVALID_ARGUMENT;
  const ofs_head *h = &m->heads[i];
  const ofs_layer *l = &m->layers[h->node];
  *output = (ofs_output_info){.layer = l->place, .rank = l->shape.rank, .size = l->shape.size, .classes = h->classes,
                              .targets = h->targets, .loss = h->loss, .weight = h->weight};
  for (uint32_t d = 0; d < l->shape.rank; d++) output->dims[d] = l->shape.dims[d];
  return OFS_OK;
}

void ofs_model_get_facts(const ofs_model *m, ofs_model_facts *f) {
  const ofs_head *h = &m->heads[0];
  *f = (ofs_model_facts){.parameters = m->parameters, .inputs = m->row, .outputs = m->layers[h->node].shape.size,
                         .classes = h->classes, .targets = h->targets, .loss = h->loss, .step = m->step,
                         .trained = m->trained, .input_count = m->input_count, .output_count = m->head_count};
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
    case OFS_NON_FINITE: return "a loss or gradient is not finite";
    default: return "unknown status";
  }
}
