/* spec.c: turns the bytes of a spec into layers, or says exactly what is wrong with them.
 *
 * The bytes are hostile: nothing is read before its bounds are checked, and nothing leaves this file that the
 * schema's ranges do not allow. What depends on shapes is checked by each layer's shape function. */
#include "internal.h"

typedef struct reader {
  const uint8_t *at;
  size_t n, left;
} reader;

ofs_status ofs_refuse(ofs_error *err, ofs_status status, int32_t layer, int32_t field, ofs_reason why, double got,
                      double low, double high) {
  if (err) *err = (ofs_error){status, layer, field, (int32_t)why, got, low, high};
  return status;
}

static ofs_status truncated(ofs_error *err, const reader *r) {
  return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_BYTES, -1, OFS_WHY_TRUNCATED, (double)r->n, 0, 0);
}

static int take(reader *r, void *to, size_t n) {
  if (r->left < n) return 0;
  for (size_t i = 0; i < n; i++) ((uint8_t *)to)[i] = r->at[i];
  r->at += n;
  r->left -= n;
  return 1;
}

/* One value against its field's kind and range. */
static ofs_status check_value(const ofs_field *f, int32_t place, double v, ofs_error *err) {
  ofs_reason why = OFS_WHY_NONE;
  if (!(v - v == 0)) why = OFS_WHY_NOT_FINITE;
  else if (v < f->low || v > f->high) why = OFS_WHY_RANGE;
  else if (f->kind != OFS_KIND_number && v != (double)(int64_t)v) why = OFS_WHY_NOT_INTEGER;
  if (!why) return OFS_OK;
  return ofs_refuse(err, OFS_INVALID_SPEC, place, f->id, why, v, f->low, f->high);
}

static ofs_status read_field(reader *in, ofs_record *r, ofs_error *err) {
  uint8_t head[2];
  uint16_t count;
  if (!take(in, head, 2) || !take(in, &count, 2)) return truncated(err, in);
  const ofs_field *f = ofs_field_find(r->id, head[0]);
  if (!f || head[1] != 0)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->place, f ? f->id : -1, OFS_WHY_UNKNOWN, f ? head[1] : head[0], 0, 0);
  if (r->count[f->id]) return ofs_refuse(err, OFS_INVALID_SPEC, r->place, f->id, OFS_WHY_TWICE, 2, 1, 1);
  if (count < f->least || count > f->most)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->place, f->id, OFS_WHY_COUNT, count, f->least, f->most);
  for (uint32_t i = 0; i < count; i++) {
    if (!take(in, &r->v[f->id][i], 8)) return truncated(err, in);
    ofs_status s = check_value(f, r->place, r->v[f->id][i], err);
    if (s < 0) return s;
  }
  r->count[f->id] = count;
  if (f->spread)
    for (; r->count[f->id] < f->most; r->count[f->id]++) r->v[f->id][r->count[f->id]] = r->v[f->id][0];
  return OFS_OK;
}

/* Reads one record; fields that are absent get their defaults. */
static ofs_status read_record(reader *in, ofs_record *r, int32_t place, int group, ofs_error *err) {
  uint16_t head[2];
  *r = (ofs_record){.place = place};
  if (!take(in, head, 4)) return truncated(err, in);
  r->id = head[0];
  if (ofs_record_group(r->id) != group)
    return ofs_refuse(err, OFS_INVALID_SPEC, place, -1, OFS_WHY_UNKNOWN, r->id, 0, 0);
  for (uint32_t i = 0; i < head[1]; i++) {
    ofs_status s = read_field(in, r, err);
    if (s < 0) return s;
  }
  for (uint32_t i = 0; i < ofs_field_count; i++) {
    const ofs_field *f = &ofs_fields[i];
    if (f->record != r->id || r->count[f->id] || f->presence == OFS_IS_optional) continue;
    if (f->presence == OFS_IS_required)
      return ofs_refuse(err, OFS_INVALID_SPEC, place, f->id, OFS_WHY_MISSING, 0, f->low, f->high);
    for (uint32_t k = 0; k < (f->spread ? f->most : 1u); k++) r->v[f->id][r->count[f->id]++] = f->fallback;
  }
  return OFS_OK;
}

static ofs_status read_model(ofs_model *m, const ofs_record *r, ofs_error *err) {
  m->input.rank = r->count[OFS_MODEL_INPUT_SHAPE];
  double size = 1;
  for (uint32_t i = 0; i < m->input.rank; i++) {
    m->input.dims[i] = (uint32_t)r->v[OFS_MODEL_INPUT_SHAPE][i];
    size *= m->input.dims[i];
  }
  if (size > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->place, OFS_MODEL_INPUT_SHAPE, OFS_WHY_PRODUCT, size, 1, OFS_MAX_SAMPLE);
  m->input.size = (uint64_t)size;
  m->input_scale = (real)r->v[OFS_MODEL_INPUT_SCALE][0];
  m->input_offset = (real)r->v[OFS_MODEL_INPUT_OFFSET][0];
  uint64_t seed = (uint64_t)r->v[OFS_MODEL_SEED][0];
  m->key[0] = (uint32_t)seed;
  m->key[1] = (uint32_t)(seed >> 32);
  return OFS_OK;
}

/* The loss: the one given, or the one that the last layer asks for. Cross-entropies are computed from logits,
 * so they need the activation that makes probabilities of them. */
static ofs_status read_loss(ofs_model *m, const ofs_record *r, const ofs_layer *last, ofs_error *err) {
  uint32_t act = last->act;
  m->last_act = act;
  m->axis = last->out.dims[last->out.rank - 1];
  m->classes = act == OFS_ACT_SOFTMAX ? m->axis : act == OFS_ACT_SIGMOID ? (m->axis == 1 ? 2 : m->axis) : 0;
  if (act == OFS_ACT_SOFTMAX && m->axis == 1)
    return ofs_refuse(err, OFS_INVALID_SPEC, (int32_t)last->index, -1, OFS_WHY_OUTPUT, 1, 2, OFS_MAX_SAMPLE);
  m->targets = act == OFS_ACT_SOFTMAX || (act == OFS_ACT_SIGMOID && m->axis == 1)
                   ? (uint32_t)(last->out.size / m->axis)
                   : 0;
  m->loss = act == OFS_ACT_SOFTMAX ? OFS_LOSS_CATEGORICAL : act == OFS_ACT_SIGMOID ? OFS_LOSS_BINARY : OFS_LOSS_MSE;
  if (r->count[OFS_MODEL_LOSS]) m->loss = (uint32_t)r->v[OFS_MODEL_LOSS][0];
  int categorical = m->loss == OFS_LOSS_CATEGORICAL || m->loss == OFS_LOSS_SPARSE_CATEGORICAL;
  m->fused = categorical || m->loss == OFS_LOSS_BINARY;
  uint32_t needed = categorical ? OFS_ACT_SOFTMAX : OFS_ACT_SIGMOID;
  if (m->fused && act != needed)
    return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_MODEL, OFS_MODEL_LOSS, OFS_WHY_OUTPUT, act, needed, needed);
  return OFS_OK;
}

void ofs_add_weight(ofs_layer *l, uint32_t role, double init, uint32_t rank, const uint32_t *dims) {
  ofs_weight *w = &l->weights[l->weight_count++];
  *w = (ofs_weight){.role = role, .init = (uint32_t)init, .rank = rank};
  for (uint32_t i = 0; i < rank; i++) w->dims[i] = dims[i];
}

/* Lays the layer's tensors out behind those of the layers before it. */
static ofs_status place_weights(ofs_model *m, ofs_layer *l, ofs_error *err) {
  l->weights_at = l->kernel_at = m->parameters;
  for (uint32_t i = 0; i < l->weight_count; i++) {
    ofs_weight *w = &l->weights[i];
    double size = 1;
    for (uint32_t k = 0; k < w->rank; k++) size *= w->dims[k];
    if (size > (double)OFS_MAX_TENSOR)
      return ofs_refuse(err, OFS_INVALID_SPEC, (int32_t)l->index, -1, OFS_WHY_PRODUCT, size, 1, (double)OFS_MAX_TENSOR);
    w->size = (uint64_t)size;
    w->at = m->parameters;
    m->parameters += w->size;
    if (w->role == OFS_KERNEL) l->kernel_size = w->size;
    if (w->role == OFS_BIAS) l->bias_at = w->at, l->bias_size = w->size;
  }
  l->weights_size = m->parameters - l->weights_at;
  m->tensor_count += l->weight_count;
  return OFS_OK;
}

/* One layer: its shape function fills the rest. */
static ofs_status read_layer(ofs_model *m, ofs_layer *l, const ofs_shape *in, const ofs_record *r, ofs_error *err) {
  *l = (ofs_layer){.type = r->id, .index = (uint32_t)r->place, .in = *in};
  ofs_status s = ofs_layer_kind_of(r->id)->shape(l, r, err);
  if (s < 0) return s;
  double size = 1;
  for (uint32_t i = 0; i < l->out.rank; i++) size *= l->out.dims[i];
  if (size > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->place, -1, OFS_WHY_PRODUCT, size, 1, OFS_MAX_SAMPLE);
  l->out.size = (uint64_t)size;
  return place_weights(m, l, err);
}

ofs_status ofs_spec_read(ofs_model *m, ofs_layer *layers, const void *spec, size_t n, ofs_error *err) {
  reader in = {spec, n, n};
  ofs_record model, r;
  uint32_t head[2];
  if (!take(&in, head, 8)) return truncated(err, &in);
  if (head[0] != OFS_SPEC_MAGIC)
    return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_BYTES, -1, OFS_WHY_UNKNOWN, head[0], 0, 0);
  if (head[1] < 3 || head[1] > OFS_MAX_LAYERS + 2)
    return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_MODEL, -1, OFS_WHY_COUNT, (double)head[1] - 2, 1, OFS_MAX_LAYERS);
  m->layer_count = head[1] - 2;
  ofs_status s = read_record(&in, &model, OFS_IN_MODEL, 'm', err);
  if (s == OFS_OK) s = read_model(m, &model, err);
  if (s == OFS_OK) s = read_record(&in, &r, OFS_IN_OPTIMIZER, 'o', err);
  if (s == OFS_OK) s = ofs_optimizer_read(&m->optimizer, &r, err);
  if (s < 0) return s;
  ofs_layer l;
  ofs_shape shape = m->input;
  for (uint32_t i = 0; i < m->layer_count; i++) {
    s = read_record(&in, &r, (int32_t)i, 'l', err);
    if (s == OFS_OK) s = read_layer(m, &l, &shape, &r, err);
    if (s < 0) return s;
    shape = l.out;
    if (layers) layers[i] = l;
  }
  if (in.left) return truncated(err, &in);
  return read_loss(m, &model, &l, err);
}
