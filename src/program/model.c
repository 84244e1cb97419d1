/* model.c: settings of a model between steps, and views of its layers, weights, inputs and
 * outputs. */
#include "program/model.h"

void ofs_model_set_step(ofs_model *m, uint64_t step) { m->step = step; }
void ofs_model_set_rate(ofs_model *m, double factor) { m->optimizer.rate_factor = factor; }
ofs_status ofs_model_set_learning_rate(ofs_model *m, double rate, double *most) {
  *most = ofs_optimizer_most(&m->optimizer);
  if (!(rate >= 0 && rate <= *most)) return OFS_INVALID_ARGUMENT;
  m->optimizer.rate = rate;
  return OFS_OK;
}
void ofs_model_set_metrics(ofs_model *m, ofs_metrics *metrics) { m->metrics = metrics; }
void ofs_model_set_team(ofs_model *m, ofs_team *t) { m->team = t; }

/* ---- views ---- */

uint32_t ofs_model_layers(const ofs_model *m) { return m->spec_layers; }
uint32_t ofs_model_tensors(const ofs_model *m) { return m->tensor_count; }

/* All nodes of the layer count; its output is that of the last one. */
ofs_status ofs_model_layer(const ofs_model *m, uint32_t i, ofs_layer_info *info) {
  if (i >= m->spec_layers) return OFS_INVALID_ARGUMENT;
  uint64_t parameters = 0;
  for (uint32_t k = 0; k < m->layer_count; k++) {
    const ofs_layer *l = &m->layers[k];
    if (l->spec_index != i) continue;
    if (!l->not_stored) parameters += l->weights_size;
    *info = (ofs_layer_info){.type = l->type, .rank = l->shape.rank, .parameters = parameters};
    for (uint32_t d = 0; d < l->shape.rank; d++) info->dims[d] = l->shape.dims[d];
  }
  return OFS_OK;
}

ofs_status ofs_model_tensor(const ofs_model *m, uint32_t i, ofs_tensor *t) {
  for (uint32_t k = 0; k < m->layer_count; k++) {
    const ofs_layer *l = &m->layers[k];
    if (l->not_stored) continue;
    if (i >= l->weight_count) {
      i -= l->weight_count;
      continue;
    }
    const ofs_weight *w = &l->weights[i];
    int learns = l->trains && w->momentum < 0;
    *t = (ofs_tensor){.layer = l->spec_index,
                      .role = w->role,
                      .side = l->side,
                      .trainable = learns,
                      .rank = w->rank,
                      .size = w->size,
                      .data = m->params + w->at};
    for (uint32_t d = 0; d < w->rank; d++) t->dims[d] = w->dims[d];
    for (uint32_t j = 0; learns && j < m->optimizer.moments; j++)
      t->moment[j] = m->optimizer.moment[j] + w->moment_at;
    return OFS_OK;
  }
  return OFS_INVALID_ARGUMENT;
}

ofs_status ofs_model_input(const ofs_model *m, uint32_t i, ofs_input_info *input) {
  if (i >= m->input_count) return OFS_INVALID_ARGUMENT;
  const ofs_input *in = &m->inputs[i];
  *input = (ofs_input_info){.rank = in->shape.rank,
                            .size = in->shape.size,
                            .at = in->at,
                            .below = in->below};
  for (uint32_t d = 0; d < in->shape.rank; d++) input->dims[d] = in->shape.dims[d];
  return OFS_OK;
}

ofs_status ofs_model_output(const ofs_model *m, uint32_t i, ofs_output_info *output) {
  if (i >= m->output_count) return OFS_INVALID_ARGUMENT;
  const ofs_output *out = &m->outputs[i];
  const ofs_layer *l = &m->layers[out->node];
  *output = (ofs_output_info){.layer = l->spec_index,
                              .rank = l->shape.rank,
                              .size = l->shape.size,
                              .classes = out->classes,
                              .targets = out->targets,
                              .loss = out->loss,
                              .weight = out->weight};
  for (uint32_t d = 0; d < l->shape.rank; d++) output->dims[d] = l->shape.dims[d];
  return OFS_OK;
}

void ofs_model_get_facts(const ofs_model *m, ofs_model_facts *f) {
  const ofs_output *out = &m->outputs[0];
  *f = (ofs_model_facts){.parameters = m->parameters,
                         .inputs = m->row,
                         .outputs = m->layers[out->node].shape.size,
                         .classes = out->classes,
                         .targets = out->targets,
                         .loss = out->loss,
                         .step = m->step,
                         .trained = m->trained,
                         .input_count = m->input_count,
                         .output_count = m->output_count};
}

const char *ofs_model_moment_name(const ofs_model *m, uint32_t k) {
  return ofs_moment_name(&m->optimizer, k);
}
