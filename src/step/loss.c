/* loss.c: chooses an output's loss, and makes of the losses of positions (losses.c) the loss of a
 * batch, its gradient, and the count of correct predictions.
 *
 * The batch's loss is the mean over the positions of all its samples whose mask is not 0; a
 * sample's weight multiplies its losses, and the divisor stays the count (Keras 3:
 * sum_over_batch_size, apply_mask). */
#include "step/loss.h"

#include "base/copy.h"
#include "step/losses.h"

/* ---- the spec ---- */

static int is_categorical(uint32_t loss) {
  return loss == OFS_LOSS_CATEGORICAL || loss == OFS_LOSS_SPARSE_CATEGORICAL ||
         loss == OFS_LOSS_CATEGORICAL_FOCAL;
}
static int is_binary(uint32_t loss) {
  return loss == OFS_LOSS_BINARY || loss == OFS_LOSS_BINARY_FOCAL;
}
static int is_focal(uint32_t loss) {
  return loss == OFS_LOSS_BINARY_FOCAL || loss == OFS_LOSS_CATEGORICAL_FOCAL;
}
static int is_hinge(uint32_t loss) {
  return loss == OFS_LOSS_HINGE || loss == OFS_LOSS_SQUARED_HINGE;
}

static int takes(uint32_t loss, uint32_t option) {
  switch (option) {
  case OFS_OUTPUT_LABEL_SMOOTHING:
    return loss == OFS_LOSS_CATEGORICAL || loss == OFS_LOSS_BINARY || is_focal(loss);
  case OFS_OUTPUT_DELTA: return loss == OFS_LOSS_HUBER;
  case OFS_OUTPUT_BALANCED: return loss == OFS_LOSS_BINARY_FOCAL;
  default: return is_focal(loss);
  }
}

ofs_status ofs_loss_read(ofs_output *out, const ofs_record *r, ofs_error *err) {
  uint32_t field = r->id == OFS_OUTPUT ? OFS_OUTPUT_LOSS : OFS_MODEL_LOSS, act = out->act;
  out->loss = act == OFS_ACT_SOFTMAX   ? OFS_LOSS_CATEGORICAL
              : act == OFS_ACT_SIGMOID ? OFS_LOSS_BINARY
                                       : OFS_LOSS_MSE;
  if (r->count[field]) out->loss = (uint32_t)r->v[field][0];
  out->fused = is_categorical(out->loss) || is_binary(out->loss);
  uint32_t needed = is_binary(out->loss) ? OFS_ACT_SIGMOID : OFS_ACT_SOFTMAX;
  if (out->fused && act != needed)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, (int32_t)field, OFS_WHY_OUTPUT, act, needed,
                      needed);
  double *const option[] = {&out->label_smoothing, &out->delta, &out->gamma, &out->alpha,
                            &out->balanced};
  for (uint32_t i = 0; i < 5; i++) {
    uint32_t id = OFS_OUTPUT_LABEL_SMOOTHING + i;
    double otherwise = ofs_field_find(OFS_OUTPUT, id)->fallback;
    *option[i] = r->id == OFS_OUTPUT ? r->v[id][0] : otherwise;
    if (*option[i] != otherwise && !takes(out->loss, id))
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, (int32_t)id, OFS_WHY_CONFLICT, *option[i],
                        otherwise, otherwise);
  }
  out->weight = r->id == OFS_OUTPUT ? r->v[OFS_OUTPUT_LOSS_WEIGHT][0] : 1;
  return OFS_OK;
}

/* ---- the targets of a batch ---- */

static int has_indices(const ofs_plan *p, uint32_t k) {
  return p->data.y_type == OFS_I32 || p->data.y_indices >> k & 1;
}

ofs_span ofs_span_of(const ofs_plan *p, uint32_t k) {
  const ofs_model *m = p->model;
  ofs_span s = {0, 0};
  for (uint32_t i = 0; i < m->output_count; i++) {
    if (i == k) s.at = s.row;
    s.row += has_indices(p, i) ? m->outputs[i].targets : m->layers[m->outputs[i].node].shape.size;
  }
  return s;
}

ofs_target ofs_target_of(const ofs_plan *p, uint32_t k, const ofs_span *s, uint64_t sample,
                         uint64_t position) {
  const ofs_output *out = &p->model->outputs[k];
  uint64_t at = sample * s->row + s->at;
  ofs_target t = {.index = -1, .sparse_one = out->axis == 1, .scale = 1};
  if (p->data.y_type == OFS_I32)
    t.index = ((const int32_t *)p->data.y)[at + position];
  else if (has_indices(p, k))
    t.index = (int64_t)((const float *)p->data.y)[at + position];
  else
    t.row = (const float *)p->data.y + at + position * out->axis;
  return t;
}

/* ---- operations ---- */

/* Smooths labels (Szegedy et al. 2016): those of classes towards 1 / n, single ones towards 1 /
 * 2. */
static void transform(const ofs_output *out, ofs_target *t, int labels_of_two) {
  t->scale = 1 - out->label_smoothing;
  t->shift = out->label_smoothing / (is_categorical(out->loss) ? out->axis : 2);
  if (labels_of_two) t->scale = 2, t->shift = -1;
}

enum { POSITIONS, OUTPUT };
/* Buffers; FACTS: of the batch, how many positions count, and whether a hinge's labels are all 0 or
 * 1. */
enum { PREDICTION, GRADIENT, ROWS, INDICES, FACTS, MASK };

static void facts_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_plan *p = ofs_plan_of(ctx);
  (void)part;
  uint32_t k = op->n[OUTPUT], axis = p->model->outputs[k].axis;
  uint64_t positions = op->n[POSITIONS];
  const ofs_span s = ofs_span_of(p, k);
  real valid = 0, two = is_hinge(p->model->outputs[k].loss);
  for (uint64_t row = 0; row < p->count; row++)
    for (uint64_t i = 0; i < positions; i++) {
      valid += !op->at[MASK] || op->at[MASK][row * positions + i] != 0;
      ofs_target t = ofs_target_of(p, k, &s, p->indices[row], i);
      for (uint32_t j = 0; j < axis && two != 0; j++)
        if (ofs_wanted(&t, j) != 0 && ofs_wanted(&t, j) != 1) two = 0;
    }
  op->at[FACTS][0] = valid;
  op->at[FACTS][1] = two;
}

static void loss_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_plan *p = ofs_plan_of(ctx);
  const ofs_model *m = p->model;
  uint32_t k = op->n[OUTPUT];
  const ofs_output *out = &m->outputs[k];
  const real *facts = op->at[FACTS], *mask = op->at[MASK];
  uint64_t positions = op->n[POSITIONS];
  const ofs_span s = ofs_span_of(p, k);
  double valid = facts ? (double)facts[0] : (double)p->count * (double)positions;
  /* the share of a position in its sample's part of the sum */
  double of_sample = valid > 0 ? p->count / valid : 0;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t row = r.from; row < r.to; row++) {
    double loss = 0, correct = 0, weight = p->data.weights ? p->data.weights[p->indices[row]] : 1;
    for (uint64_t i = 0; i < positions; i++) {
      uint64_t at = (row * positions + i) * out->axis;
      real *d = op->at[GRADIENT] ? op->at[GRADIENT] + at : NULL;
      if (mask && mask[row * positions + i] == 0) {
        if (d) ofs_zero(d, out->axis);
        continue;
      }
      ofs_target t = ofs_target_of(p, k, &s, p->indices[row], i);
      correct += ofs_correct_at(out, op->at[PREDICTION] + at, &t);
      transform(out, &t, facts && facts[1] != 0);
      loss += ofs_loss_at(out, op->at[PREDICTION] + at, &t, d, weight * out->weight / valid);
    }
    double *totals = &p->rows[2 * (row * m->output_count + k)];
    totals[0] = weight * loss * of_sample;
    totals[1] = correct * of_sample;
  }
}

uint32_t ofs_build_loss(ofs_builder *b, const ofs_model *m, uint32_t k, uint32_t prediction) {
  const ofs_output *out = &m->outputs[k];
  uint64_t outputs = m->layers[out->node].shape.size;
  uint32_t dy = b->kind == OFS_TRAIN ? ofs_build_buffer(b, outputs, 0) : 0,
           mask = b->mask[out->node];
  uint32_t facts = mask || is_hinge(out->loss) ? ofs_build_buffer(b, 2, 1) : 0;
  for (int last = !facts; last < 2; last++) {
    ofs_op *op = ofs_build_op(b, NULL, last ? loss_part : facts_part, last ? prediction : 0,
                              last ? dy : 0, last ? b->rows : 0, b->indices);
    ofs_build_use(b, op, FACTS, facts);
    ofs_build_use(b, op, MASK, mask);
    op->n[POSITIONS] = (uint32_t)(outputs / out->axis), op->n[OUTPUT] = k;
    if (last)
      ofs_cut(b, op, 1, 0, 150.0 * (double)outputs, 1);
    else
      ofs_cut(b, op, 1, 1, 8.0 * (double)outputs * b->batch, 1);
  }
  return dy;
}
