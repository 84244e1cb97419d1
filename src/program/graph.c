/* graph.c: makes of the records of a spec the nodes of a model: their inputs, shapes, weights,
 * which of them learn, and the model's inputs and outputs with their losses.
 *
 * A spec is read twice: once to count (layers NULL), once to fill. The shape functions decide all
 * that depends on a layer's type; what several layers make together (wrappers, parts of compound
 * layers, tied weights) is put together here. */
#include "program/graph.h"

#include "layers/registry.h"
#include "program/weights.h"
#include "step/loss.h"

/* Adds an input to the model. */
static ofs_status add_input(ofs_model *m, const ofs_record *r, uint32_t field, ofs_error *err) {
  if (m->input_count == OFS_MAX_INPUTS)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, field, OFS_WHY_COUNT, OFS_MAX_INPUTS + 1, 1,
                      OFS_MAX_INPUTS);
  ofs_input *in = &m->inputs[m->input_count];
  *in = (ofs_input){.shape = {.rank = r->count[field]}, .at = m->row};
  double size = 1;
  for (uint32_t i = 0; i < in->shape.rank; i++) {
    in->shape.dims[i] = (uint32_t)r->v[field][i];
    size *= in->shape.dims[i];
  }
  if (size + (double)m->row > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, (int32_t)field, OFS_WHY_PRODUCT, size, 1,
                      OFS_MAX_SAMPLE);
  in->shape.size = (uint64_t)size;
  m->row += in->shape.size;
  m->input_count++;
  return OFS_OK;
}

static ofs_status read_model(ofs_model *m, const ofs_record *r, ofs_error *err) {
  m->input_scale = (real)r->v[OFS_MODEL_INPUT_SCALE][0];
  m->input_offset = (real)r->v[OFS_MODEL_INPUT_OFFSET][0];
  uint64_t seed = (uint64_t)r->v[OFS_MODEL_SEED][0];
  m->key[0] = (uint32_t)seed;
  m->key[1] = (uint32_t)(seed >> 32);
  return add_input(m, r, OFS_MODEL_INPUT_SHAPE, err);
}

/* Reads the inputs after the first. */
static ofs_status read_inputs(ofs_model *m, ofs_reader *in, ofs_error *err) {
  ofs_record r;
  ofs_status s = OFS_OK;
  while (s == OFS_OK && ofs_next_group(in) == 'i') {
    s = ofs_read_record(in, &r, OFS_IN_MODEL, 'i', err);
    if (s == OFS_OK) s = add_input(m, &r, OFS_INPUT_SHAPE, err);
  }
  return s;
}

/* A known is what later nodes need of a node; there is one for each of OFS_MAX_NODES, so it is
 * small. */
typedef struct known {
  uint32_t dims[OFS_MAX_RANK];
  uint32_t hash; /* hash of its weights (weights_of) */
  uint16_t spec_index;
  uint8_t rank, type, act, weights;
  uint8_t output; /* 1 + which output of the model it is; 0: none */
  uint8_t source; /* 1 + the model's input whose numbers it passes on unchanged; 0: none */
  uint8_t trains, needs_gradient, tied, read;
} known;

/* A graph is the state of reading. last: the last node of each layer. */
typedef struct graph {
  ofs_model *m;
  ofs_layer *layers; /* NULL: counted only */
  known known[OFS_MAX_NODES];
  uint16_t last[OFS_MAX_LAYERS];
  uint64_t parameters; /* the final count, where layers are filled in */
} graph;

static uint64_t size_of(const uint32_t *dims, uint32_t rank) {
  uint64_t size = 1;
  for (uint32_t i = 0; i < rank; i++) size *= dims[i];
  return size;
}

/* Makes node `node` an output; the record has its loss. */
static ofs_status read_output(graph *g, const ofs_record *r, uint32_t node, ofs_error *err) {
  known *l = &g->known[node];
  ofs_output *out = &g->m->outputs[g->m->output_count++];
  if (l->output)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_OUTPUT_LAYER, OFS_WHY_TWICE, 2, 1, 1);
  l->output = (uint8_t)g->m->output_count;
  *out = (ofs_output){.node = node, .act = l->act, .axis = l->dims[l->rank - 1]};
  int softmax = l->act == OFS_ACT_SOFTMAX, sigmoid = l->act == OFS_ACT_SIGMOID;
  out->classes = softmax ? out->axis : sigmoid ? (out->axis == 1 ? 2 : out->axis) : 0;
  if (softmax && out->axis == 1)
    return ofs_refuse(err, OFS_INVALID_SPEC, l->spec_index, -1, OFS_WHY_OUTPUT, 1, 2,
                      OFS_MAX_SAMPLE);
  out->targets = softmax || (sigmoid && out->axis == 1)
                     ? (uint32_t)(size_of(l->dims, l->rank) / out->axis)
                     : 0;
  return ofs_loss_read(out, r, err);
}

/* ---- nodes ---- */

/* A wrapping is what wrappers say of the layer that they wrap. */
typedef struct wrapping {
  uint32_t axes; /* leading axes that it is distributed over */
  int both, merge, trains;
  uint32_t in_count;
  int32_t from[OFS_MAX_JOIN];
  uint32_t tied; /* 1 + a layer */
} wrapping;

/* Returns the shape of the output of `from`. */
static ofs_shape shape_of(const graph *g, int32_t from) {
  if (from < 0) return g->m->inputs[-1 - from].shape;
  const known *k = &g->known[from];
  ofs_shape s = {.rank = k->rank, .size = size_of(k->dims, k->rank)};
  for (uint32_t i = 0; i < s.rank; i++) s.dims[i] = k->dims[i];
  return s;
}

/* Reads the layer's inputs: as given, or the layer before it. */
static ofs_status read_inputs_of(const graph *g, wrapping *w, const ofs_record *r, ofs_error *err) {
  const ofs_model *m = g->m;
  w->in_count = r->count[OFS_LAYER_INPUT];
  for (uint32_t i = 0; i < w->in_count; i++) {
    double from = r->v[OFS_LAYER_INPUT][i];
    if (from < -(double)m->input_count || from >= r->layer)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_LAYER_INPUT, OFS_WHY_RANGE, from,
                        -(double)m->input_count, r->layer - 1);
    w->from[i] = from < 0 ? (int32_t)from : g->last[(uint32_t)from];
  }
  if (w->in_count) return OFS_OK;
  if (!r->layer && m->input_count > 1)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_LAYER_INPUT, OFS_WHY_MISSING, 0,
                      -(double)m->input_count, -1);
  w->in_count = 1;
  w->from[0] = r->layer ? g->last[r->layer - 1] : -1;
  return OFS_OK;
}

/* Removes the leading axes of an input of a time distributed layer. */
static ofs_status distribute(ofs_layer *l, uint32_t i, uint32_t axes, ofs_error *err) {
  ofs_shape *in = &l->ins[i];
  uint64_t times = 1;
  if (in->rank <= axes) return ofs_refuse_rank(l, i, axes + 1, OFS_MAX_RANK, err);
  for (uint32_t k = 0; k < axes; k++) times *= in->dims[k];
  if (i && times != l->times)
    return ofs_refuse(err, OFS_INVALID_SPEC, (int32_t)l->spec_index, OFS_LAYER_INPUT,
                      OFS_WHY_PRODUCT, (double)times, l->times, l->times);
  l->times = (uint32_t)times;
  in->rank -= axes;
  in->size /= times;
  for (uint32_t k = 0; k < in->rank; k++) in->dims[k] = in->dims[k + axes];
  return OFS_OK;
}

/* Puts the removed axes before those of out. */
static ofs_status outward(const graph *g, ofs_layer *l, uint32_t axes, ofs_error *err) {
  const ofs_shape in = shape_of(g, l->from[0]);
  double size = 1;
  for (uint32_t i = 0; i < l->out.rank; i++) size *= l->out.dims[i];
  l->out.size = size > OFS_MAX_SAMPLE ? 0 : (uint64_t)size;
  size *= l->times;
  if (size > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, (int32_t)l->spec_index, -1, OFS_WHY_PRODUCT, size, 1,
                      OFS_MAX_SAMPLE);
  if (l->out.rank + axes > OFS_MAX_RANK)
    return ofs_refuse(err, OFS_INVALID_SPEC, (int32_t)l->spec_index, -1, OFS_WHY_RANK,
                      l->out.rank + axes, 1, OFS_MAX_RANK);
  l->shape = (ofs_shape){.rank = l->out.rank + axes, .size = (uint64_t)size};
  for (uint32_t i = 0; i < l->shape.rank; i++)
    l->shape.dims[i] = i < axes ? in.dims[i] : l->out.dims[i - axes];
  return OFS_OK;
}

/* Returns a hash of the shapes of a layer's weights (FNV-1a over their axes), and of how its
 * statistics move. An embedding's table counts as its transpose, which is a dense layer's
 * kernel. */
static uint32_t weights_of(const ofs_layer *l) {
  uint32_t hash = 2166136261u;
  for (uint32_t i = 0; i < l->weight_count; i++) {
    const ofs_weight *w = &l->weights[i];
    for (uint32_t k = 0; k < w->rank; k++)
      hash = (hash ^ w->dims[l->type == OFS_EMBEDDING ? w->rank - 1 - k : k]) * 16777619u;
    if (w->momentum >= 0) hash = (hash ^ (uint32_t)(w->momentum * 4294967295.0)) * 16777619u;
  }
  return hash;
}

/* Checks that node `tied` can give the weights: it has the same type and shapes, or is an embedding
 * and gives them to a dense layer. */
static ofs_status tie(const graph *g, ofs_layer *l, ofs_error *err) {
  if (!l->tied) return OFS_OK;
  const known *owner = &g->known[l->tied - 1];
  l->trains = owner->trains;
  l->transposed = l->type == OFS_DENSE && owner->type == OFS_EMBEDDING;
  int same = (l->transposed || l->type == owner->type) && l->weight_count == owner->weights &&
             !owner->tied && weights_of(l) == owner->hash;
  if (same) return OFS_OK;
  return ofs_refuse(err, OFS_INVALID_SPEC, (int32_t)l->spec_index, OFS_LAYER_TIED_TO,
                    OFS_WHY_CONFLICT, owner->spec_index, 0, 0);
}

/* Returns 1 + the model's input whose numbers come from there unchanged; 0: none. */
static uint32_t source_of(const graph *g, int32_t from) {
  return from < 0 ? (uint32_t)-from : g->known[from].source;
}

static uint32_t hands_on(const graph *g, const ofs_layer *l) {
  return l->type == OFS_FLATTEN || l->type == OFS_RESHAPE ? source_of(g, l->from[0]) : 0;
}

/* Checks the input of an embedding: it reads indices, which only inputs of the model are checked
 * for. */
static ofs_status feed(graph *g, const ofs_layer *l, ofs_error *err) {
  uint32_t k = source_of(g, l->from[0]);
  if (l->type != OFS_EMBEDDING) return OFS_OK;
  if (!k)
    return ofs_refuse(err, OFS_INVALID_SPEC, (int32_t)l->spec_index, OFS_LAYER_INPUT,
                      OFS_WHY_INDICES, g->known[l->from[0]].spec_index, -(double)g->m->input_count,
                      -1);
  ofs_input *in = &g->m->inputs[k - 1];
  if (!in->below || in->below > l->weights[0].dims[0]) in->below = l->weights[0].dims[0];
  return OFS_OK;
}

/* Enters the node into the graph and into the nodes that it reads. */
static void enter(graph *g, ofs_layer *l) {
  l->needs_gradient = l->trains && l->weights_size;
  for (uint32_t i = 0; i < l->in_count; i++) {
    if (l->from[i] < 0) {
      g->m->inputs[-1 - l->from[i]].read = 1;
      continue;
    }
    known *k = &g->known[l->from[i]];
    l->needs_gradient |= k->needs_gradient;
    k->read = 1;
    if (g->layers) g->layers[l->from[i]].readers++;
  }
  known *own = &g->known[l->index];
  *own = (known){.hash = weights_of(l),
                 .spec_index = (uint16_t)l->spec_index,
                 .rank = (uint8_t)l->shape.rank,
                 .type = (uint8_t)l->type,
                 .act = (uint8_t)l->act,
                 .weights = (uint8_t)l->weight_count,
                 .source = (uint8_t)hands_on(g, l),
                 .trains = (uint8_t)l->trains,
                 .needs_gradient = (uint8_t)l->needs_gradient,
                 .tied = l->tied > 0};
  for (uint32_t i = 0; i < l->shape.rank; i++) own->dims[i] = l->shape.dims[i];
  if (g->layers) g->layers[l->index] = *l;
  g->m->layer_count++;
}

/* Adds one node; its shape function fills the rest. */
static ofs_status add_node(graph *g, const ofs_record *r, const wrapping *w, uint32_t side,
                           ofs_error *err) {
  ofs_model *m = g->m;
  const ofs_layer_kind *kind = ofs_layer_kind_of(r->id);
  ofs_layer l = {.type = r->id,
                 .index = m->layer_count,
                 .spec_index = (uint32_t)r->layer,
                 .side = side,
                 .times = 1,
                 .in_count = w->in_count,
                 .trains = w->trains,
                 .tied = w->tied};
  if (!kind || m->layer_count == OFS_MAX_NODES)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_UNKNOWN, r->id, 0, 0);
  uint32_t most = kind->most_inputs ? kind->most_inputs : 1;
  if (l.in_count > most)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_LAYER_INPUT, OFS_WHY_COUNT, l.in_count,
                      1, most);
  for (uint32_t i = 0; i < l.in_count; i++) {
    l.from[i] = w->from[i];
    l.ins[i] = shape_of(g, l.from[i]);
    ofs_status s = w->axes ? distribute(&l, i, w->axes, err) : OFS_OK;
    if (s < 0) return s;
  }
  l.in = l.ins[0];
  ofs_status s = kind->shape(&l, r, err);
  if (s == OFS_OK) s = feed(g, &l, err);
  if (s == OFS_OK) s = tie(g, &l, err);
  if (s == OFS_OK) s = ofs_place_weights(m, g->parameters, &l, err);
  if (s == OFS_OK) s = outward(g, &l, w->axes, err);
  if (s < 0) return s;
  m->more_ops += kind->more_ops * l.in_count;
  m->more_buffers += kind->more_buffers * l.in_count;
  enter(g, &l);
  return OFS_OK;
}

/* Adds the nodes of one layer's record: its parts, one after the other. */
static ofs_status add_parts(graph *g, const ofs_record *r, wrapping w, uint32_t side,
                            ofs_error *err) {
  ofs_record part;
  ofs_status s = OFS_OK;
  for (uint32_t k = 0; s == OFS_OK && ofs_layer_part(r, k, &part); k++) {
    s = add_node(g, &part, &w, side, err);
    w.in_count = 1;
    w.from[0] = (int32_t)g->m->layer_count - 1;
    if (w.tied) w.tied++;
  }
  return s;
}

/* Adds both directions of a bidirectional layer, and the layer that joins them. */
static ofs_status add_both(graph *g, ofs_record *r, wrapping w, ofs_error *err) {
  double backwards = r->id == OFS_SIMPLE_RNN || r->id == OFS_LSTM || r->id == OFS_GRU;
  if (!backwards)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_UNKNOWN, r->id, OFS_LSTM,
                      OFS_GRU);
  ofs_status s = add_node(g, r, &w, 1, err);
  int32_t first = (int32_t)g->m->layer_count - 1;
  if (w.tied) w.tied++;
  /* the second goes through time the other way; its sequence is returned in the input's order */
  r->variant = 1;
  if (s == OFS_OK) s = add_node(g, r, &w, 2, err);
  const uint16_t join[] = {OFS_CONCATENATE, OFS_ADD, OFS_MULTIPLY, OFS_AVERAGE};
  const double last_axis = -1;
  ofs_record both = {.id = join[w.merge], .layer = r->layer};
  both.v[OFS_CONCATENATE_AXIS] = &last_axis, both.count[OFS_CONCATENATE_AXIS] = 1;
  w.in_count = 2, w.from[0] = first, w.from[1] = first + 1, w.tied = 0;
  return s == OFS_OK ? add_node(g, &both, &w, 0, err) : s;
}

/* Reads one layer of the spec: wrappers, then the layer in them. */
static ofs_status read_layer(graph *g, ofs_reader *in, uint32_t index, ofs_error *err) {
  ofs_record r;
  wrapping w = {.trains = 1};
  for (int wrapped = 0;; wrapped = 1) {
    ofs_status s = ofs_read_record(in, &r, (int32_t)index, 'l', err);
    if (s < 0) return s;
    w.trains &= r.v[OFS_LAYER_TRAINABLE][0] != 0;
    if (wrapped && (r.count[OFS_LAYER_INPUT] || r.count[OFS_LAYER_TIED_TO]))
      return ofs_refuse(err, OFS_INVALID_SPEC, r.layer, OFS_LAYER_INPUT, OFS_WHY_CONFLICT, 1, 0, 0);
    if (!wrapped) s = read_inputs_of(g, &w, &r, err);
    if (s < 0) return s;
    if (r.count[OFS_LAYER_TIED_TO]) {
      double to = r.v[OFS_LAYER_TIED_TO][0];
      if (to >= index)
        return ofs_refuse(err, OFS_INVALID_SPEC, r.layer, OFS_LAYER_TIED_TO, OFS_WHY_RANGE, to, 0,
                          index - 1.0);
      w.tied = 1 + (to > 0 ? g->last[(uint32_t)to - 1] + 1u : 0);
    }
    if (r.id == OFS_TIME_DISTRIBUTED)
      w.axes++;
    else if (r.id == OFS_BIDIRECTIONAL && !w.both)
      w.both = 1, w.merge = (int)r.v[OFS_BIDIRECTIONAL_MERGE][0];
    else
      break;
  }
  ofs_status s = w.both ? add_both(g, &r, w, err) : add_parts(g, &r, w, 0, err);
  g->last[index] = (uint16_t)(g->m->layer_count - 1);
  return s;
}

/* ---- inputs and outputs ---- */

static ofs_status read_outputs(graph *g, ofs_reader *in, const ofs_record *model, ofs_error *err) {
  ofs_model *m = g->m;
  ofs_record r;
  if (ofs_next_group(in) == 'r' && model->count[OFS_MODEL_LOSS])
    return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_MODEL, OFS_MODEL_LOSS, OFS_WHY_CONFLICT, 2, 1,
                      1);
  while (ofs_next_group(in) == 'r') {
    ofs_status s = ofs_read_record(in, &r, OFS_IN_OUTPUT - (int32_t)m->output_count, 'r', err);
    if (s < 0) return s;
    double layer = r.v[OFS_OUTPUT_LAYER][0];
    if (layer >= m->spec_layers || m->output_count == OFS_MAX_OUTPUTS)
      return ofs_refuse(err, OFS_INVALID_SPEC, r.layer, OFS_OUTPUT_LAYER, OFS_WHY_RANGE, layer, 0,
                        m->spec_layers - 1.0);
    s = read_output(g, &r, g->last[(uint32_t)layer], err);
    if (s < 0) return s;
  }
  return m->output_count ? OFS_OK : read_output(g, model, m->layer_count - 1, err);
}

/* Checks that every layer and every input leads to an output. */
static ofs_status check_led(const graph *g, ofs_error *err) {
  const ofs_model *m = g->m;
  for (uint32_t i = 0; i < m->layer_count; i++)
    if (!g->known[i].read && !g->known[i].output)
      return ofs_refuse(err, OFS_INVALID_SPEC, g->known[i].spec_index, -1, OFS_WHY_UNUSED, 0, 1,
                        OFS_MAX_JOIN);
  for (uint32_t i = 0; i < m->input_count; i++)
    if (!m->inputs[i].read)
      return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_MODEL, -1, OFS_WHY_UNUSED, i, 0,
                        m->input_count - 1.0);
  return OFS_OK;
}

/* Fills in what is known only when all is read: which node is an output, and the places of weights
 * that are not stored. */
static void finish(const graph *g) {
  for (uint32_t i = 0; i < g->m->layer_count; i++) {
    ofs_layer *l = &g->layers[i];
    l->output = g->known[i].output;
    l->logits = l->output && g->m->outputs[l->output - 1].fused;
    if (l->not_stored) ofs_move_weights(l, g->m->parameters);
  }
}

ofs_status ofs_spec_read(ofs_model *m, ofs_layer *layers, const void *spec, size_t n,
                         ofs_error *err) {
  double values[OFS_RECORD_VALUES], loss;
  graph g;
  ofs_reader in;
  ofs_record model, r;
  g.m = m;
  g.layers = layers;
  g.parameters = m->parameters;
  m->layer_count = m->tensor_count = m->spec_layers = m->input_count = m->output_count =
      m->more_ops = m->more_buffers = 0;
  m->parameters = m->tied = m->trained = m->row = 0;
  ofs_status s = ofs_read_begin(&in, spec, n, values, err);
  if (s == OFS_OK && (in.records < 3 || in.records > 3 * OFS_MAX_LAYERS))
    return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_MODEL, -1, OFS_WHY_COUNT,
                      (double)in.records - 2, 1, OFS_MAX_LAYERS);
  if (s == OFS_OK) s = ofs_read_record(&in, &model, OFS_IN_MODEL, 'm', err);
  if (s == OFS_OK) s = read_model(m, &model, err);
  /* nothing else of the model's record is needed later */
  if (s == OFS_OK && model.count[OFS_MODEL_LOSS])
    loss = model.v[OFS_MODEL_LOSS][0], model.v[OFS_MODEL_LOSS] = &loss;
  if (s == OFS_OK) s = read_inputs(m, &in, err);
  if (s == OFS_OK) s = ofs_read_record(&in, &r, OFS_IN_OPTIMIZER, 'o', err);
  if (s == OFS_OK) s = ofs_optimizer_read(&m->optimizer, &r, err);
  while (s == OFS_OK && in.records && ofs_next_group(&in) != 'r') {
    if (m->spec_layers == OFS_MAX_LAYERS)
      return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_MODEL, -1, OFS_WHY_COUNT, OFS_MAX_LAYERS + 1,
                        1, OFS_MAX_LAYERS);
    s = read_layer(&g, &in, m->spec_layers, err);
    m->spec_layers++;
  }
  if (s == OFS_OK && !m->spec_layers)
    return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_MODEL, -1, OFS_WHY_COUNT, 0, 1, OFS_MAX_LAYERS);
  if (s == OFS_OK) s = read_outputs(&g, &in, &model, err);
  if (s == OFS_OK && (in.left || in.records)) return ofs_refuse_end(err, &in);
  if (s == OFS_OK) s = check_led(&g, err);
  if (s == OFS_OK && layers) finish(&g);
  return s;
}
