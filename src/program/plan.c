/* plan.c: the data set of a plan, and views of its last step's results. Nothing here runs. */
#include "program/plan.h"

#include "base/status.h"

ofs_status ofs_plan_set_data(ofs_plan *p, const ofs_data *d, ofs_error *err) {
  const ofs_model *m = p->model;
  if (p->running)
    return ofs_refuse(err, OFS_INVALID_STATE, OFS_IN_MODEL, -1, OFS_WHY_NONE, 0, 0, 0);
  int x = d->x_type == OFS_F32 || d->x_type == OFS_U8;
  int y = d->y_type == OFS_F32 || p->kind == OFS_PREDICT;
  if (d->y_type == OFS_I32 && m->output_count == 1 && m->outputs[0].targets) y = 1;
  for (uint32_t k = 0; k < m->output_count; k++)
    if (d->y_indices >> k & 1 && !m->outputs[k].targets) y = 0;
  if (d->y_indices >> m->output_count) y = 0;
  if (!x || !y)
    return ofs_refuse(err, OFS_INVALID_DATA, OFS_IN_MODEL, -1, OFS_WHY_RANGE,
                      x ? d->y_type : d->x_type, OFS_F32, OFS_I32);
  if (d->n < 1 || d->n > 1ull << 48)
    return ofs_refuse(err, OFS_INVALID_DATA, OFS_IN_MODEL, -1, OFS_WHY_RANGE, (double)d->n, 1,
                      (double)(1ull << 48));
  p->data = *d;
  p->complete = 0;
  return OFS_OK;
}

void ofs_step_totals(const ofs_plan *p, ofs_totals *t) { *t = p->totals; }
const ofs_real *ofs_plan_output(const ofs_plan *p, uint32_t i) {
  return p->kind == OFS_PREDICT && p->complete && i < p->model->output_count ? p->outputs[i] : NULL;
}
const ofs_real *ofs_plan_gradient(const ofs_plan *p) { return p->context.gradient; }

void ofs_plan_memory(const ofs_plan *p, uint64_t *buffers, uint64_t *live) {
  *buffers = p->buffer_bytes;
  *live = p->live_bytes;
}
