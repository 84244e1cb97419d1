/* weights.c: the bounds of a layer's tensors, and their places (weights.h). */
#include "program/weights.h"

static ofs_status check_weight(const ofs_layer *l, const ofs_weight *w, double size,
                               ofs_error *err) {
  int32_t layer = (int32_t)l->spec_index, field = (int32_t)w->field;
  if (size > (double)OFS_MAX_TENSOR)
    return ofs_refuse(err, OFS_INVALID_SPEC, layer, -1, OFS_WHY_PRODUCT, size, 1,
                      (double)OFS_MAX_TENSOR);
  int matrix = w->init == OFS_INIT_ORTHOGONAL || w->init == OFS_INIT_IDENTITY;
  if (matrix &&
      (w->rank < 2 || w->role == OFS_BIAS || (w->init == OFS_INIT_IDENTITY && w->rank > 2)))
    return ofs_refuse(err, OFS_INVALID_SPEC, layer, field, OFS_WHY_RANGE, w->init, 0,
                      OFS_INIT_TRUNCATED_NORMAL);
  if (w->norm_most > 0 && w->norm_last >= w->rank)
    return ofs_refuse(err, OFS_INVALID_SPEC, layer, field + 20, OFS_WHY_RANGE, w->norm_last, 0,
                      w->rank - 1);
  return OFS_OK;
}

ofs_status ofs_place_weights(ofs_model *m, uint64_t parameters, ofs_layer *l, ofs_error *err) {
  l->not_stored = l->tied || (l->weight_count && l->weights[0].given);
  uint64_t *end = l->not_stored ? &m->tied : &m->parameters;
  l->weights_at = l->kernel_at = *end;
  for (uint32_t i = 0; i < l->weight_count; i++) {
    ofs_weight *w = &l->weights[i];
    double size = 1;
    for (uint32_t k = 0; k < w->rank; k++) size *= w->dims[k];
    ofs_status s = check_weight(l, w, size, err);
    if (s < 0) return s;
    w->size = (uint64_t)size;
    w->at = *end;
    *end += w->size;
    for (uint64_t k = 0; w->given && m->params && k < w->size; k++)
      m->params[parameters + w->at + k] = (real)w->given[k % w->given_count];
    if (i == 0) l->kernel_size = w->size;
    if (w->role == OFS_BIAS) l->bias_at = w->at, l->bias_size = w->size;
    if (l->not_stored || !l->trains || w->momentum >= 0) continue;
    w->moment_at = m->trained;
    m->trained += w->size;
  }
  l->weights_size = *end - l->weights_at;
  if (!l->not_stored) m->tensor_count += l->weight_count;
  return OFS_OK;
}

void ofs_move_weights(ofs_layer *l, uint64_t by) {
  l->weights_at += by;
  l->kernel_at += by;
  l->bias_at += by;
  for (uint32_t k = 0; k < l->weight_count; k++) l->weights[k].at += by;
}
