/* optimizer.c: the update phase: one pass of the optimizer over the flat vectors of parameters, gradients and
 * moments, in parts. The formulas stand with the kernels (kernels.h). */
#include "internal.h"
#include "maths.h"

/* Steps from one cleaning of the moments to the next: as many as they may shrink without becoming denormal, at a cost
 * that does not show. */
#define CLEAN_STEPS 16

ofs_status ofs_optimizer_read(ofs_optimizer *o, const ofs_record *r, ofs_error *err) {
  (void)err;
  o->type = r->id;
  if (r->id == OFS_SGD) {
    o->rate = r->v[OFS_SGD_LEARNING_RATE][0];
    o->momentum = r->v[OFS_SGD_MOMENTUM][0];
    o->nesterov = r->v[OFS_SGD_NESTEROV][0] != 0;
    o->moments = o->momentum > 0;
    return OFS_OK;
  }
  o->rate = r->v[OFS_ADAM_LEARNING_RATE][0];
  o->beta1 = r->v[OFS_ADAM_BETA1][0];
  o->beta2 = r->v[OFS_ADAM_BETA2][0];
  o->epsilon = r->v[OFS_ADAM_EPSILON][0];
  o->weight_decay = r->id == OFS_ADAMW ? r->v[OFS_ADAMW_WEIGHT_DECAY][0] : 0;
  o->moments = 2;
  return OFS_OK;
}
_Static_assert(OFS_ADAM_LEARNING_RATE == OFS_ADAMW_LEARNING_RATE && OFS_ADAM_BETA1 == OFS_ADAMW_BETA1 &&
                   OFS_ADAM_BETA2 == OFS_ADAMW_BETA2 && OFS_ADAM_EPSILON == OFS_ADAMW_EPSILON,
               "adamw is adam with one field more");

static void sgd_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  ofs_model *m = p->model;
  uint64_t from, to;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  real *v = m->optimizer.moments ? m->optimizer.moment[0] + op->moment_from + from : NULL;
  m->kernels.sgd(&p->update, m->params + op->from + from, v, p->gradient + op->from + from, to - from);
}

static void adam_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  ofs_model *m = p->model;
  uint64_t from, to;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  real *const *moment = m->optimizer.moment;
  uint64_t at = op->moment_from + from;
  m->kernels.adam(&p->update, m->params + op->from + from, moment[0] + at, moment[1] + at, p->gradient + op->from + from,
                  to - from);
}

void ofs_build_update(ofs_builder *b) {
  const ofs_model *m = b->model;
  int sgd = m->optimizer.type == OFS_SGD;
  ofs_op *op = NULL;
  for (uint32_t i = 0; i < m->layer_count; i++)
    for (uint32_t k = 0; k < m->layers[i].weight_count; k++) {
      const ofs_weight *w = &m->layers[i].weights[k];
      if (m->layers[i].tied || !m->layers[i].trains || w->momentum >= 0) continue;
      uint64_t before = op && op->from + op->units == w->at ? op->units : 0;
      if (!before) {
        op = ofs_build_op(b, NULL, sgd ? sgd_part : adam_part, b->gradient, 0, 0, 0);
        op->from = w->at, op->moment_from = w->moment_at;
      }
      ofs_cut(b, op, before + w->size, 1, sgd ? 40 : 120, 16);
    }
}

void ofs_update_begin(ofs_plan *p) {
  const ofs_optimizer *o = &p->model->optimizer;
  uint64_t t = p->model->step + 1;
  p->update = (ofs_update){.rate = (real)o->rate,
                           .momentum = (real)o->momentum,
                           .nesterov = o->nesterov,
                           .beta1 = (real)o->beta1,
                           .beta2 = (real)o->beta2,
                           .rest1 = (real)(1 - o->beta1),
                           .rest2 = (real)(1 - o->beta2),
                           .epsilon = (real)o->epsilon,
                           .clean = t % CLEAN_STEPS == 0,
                           .decay = (real)(o->rate * o->weight_decay)};
  if (o->type == OFS_SGD) return;
  p->update.correction1 = (real)(1 / (1 - ofs_powi(o->beta1, t)));
  p->update.correction2 = (real)(1 / (1 - ofs_powi(o->beta2, t)));
}
