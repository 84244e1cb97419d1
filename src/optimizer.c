/* optimizer.c: the update phase: one pass of the optimizer over the flat vectors of parameters, gradients and
 * moments, in parts. The formulas stand with the kernels (kernels.h). */
#include "internal.h"
#include "maths.h"

/* Steps from one cleaning of the moments to the next: as many as they may shrink without becoming denormal, at a cost
 * that does not show. */
#define CLEAN_STEPS 16

static void sgd_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  ofs_model *m = p->model;
  uint64_t from, to;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  m->kernels.sgd(&p->update, m->params + from, m->moment1 ? m->moment1 + from : NULL, p->gradient + from, to - from);
}

static void adam_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  ofs_model *m = p->model;
  uint64_t from, to;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  m->kernels.adam(&p->update, m->params + from, m->moment1 + from, m->moment2 + from, p->gradient + from, to - from);
}

void ofs_build_update(ofs_builder *b) {
  int sgd = b->model->optimizer == OFS_SGD;
  ofs_op *op = ofs_build_op(b, NULL, sgd ? sgd_part : adam_part, b->gradient, 0, 0, 0);
  ofs_cut(b, op, b->model->parameters, 1, sgd ? 40 : 120, 16);
}

void ofs_update_begin(ofs_plan *p) {
  const ofs_model *m = p->model;
  uint64_t t = m->step + 1;
  p->update = (ofs_update){.rate = (real)m->rate,
                           .momentum = (real)m->momentum,
                           .nesterov = m->nesterov,
                           .beta1 = (real)m->beta1,
                           .beta2 = (real)m->beta2,
                           .rest1 = (real)(1 - m->beta1),
                           .rest2 = (real)(1 - m->beta2),
                           .epsilon = (real)m->epsilon,
                           .clean = t % CLEAN_STEPS == 0,
                           .decay = (real)(m->rate * m->weight_decay)};
  if (m->optimizer == OFS_SGD) return;
  p->update.correction1 = (real)(1 / (1 - ofs_powi(m->beta1, t)));
  p->update.correction2 = (real)(1 / (1 - ofs_powi(m->beta2, t)));
}
