/* guard.c: no step trains on what is not finite.
 *
 * Before the update of a step, its losses and gradients have been looked at: losses and statistics
 * must be finite, gradients below OFS_GRADIENT_LIMIT. Then no update makes a finite weight anything
 * else: 1e15^2 and sums of such squares stay below 3e38, a mean of gradients below the limit, and
 * each optimizer's step, with the ranges of schema.h, at most 1e31 < 2^103 (sgd: the rate, 1e6,
 * times 1e15 over 1 - momentum, 1e-6; adam and its kin: 1e15 times rate / epsilon, 1e16; rmsprop:
 * rate times 1e15 / sqrt(epsilon, 1e-12), over 1 - momentum, 1e-4; adagrad and lion: rate;
 * adadelta: below rate times 1e20). 2^103 is half of a unit in the last place of the greatest
 * float, which an addition of less leaves as it is. A decay takes at most twice the weight
 * (optimizer.c), a constraint makes it smaller, averages and statistics lie between finite numbers.
 *
 * Where a step is found to be bad, its forward operations are run again (they are deterministic,
 * and nothing was committed) and each layer's output is looked at as soon as it is there, before it
 * is overwritten: so the layer where it began is known by name. */
#include "step/guard.h"

#include "step/update.h"

static int finite(double x) { return x - x == 0; }

/* Returns the last slot with a bad gradient or statistic, the one nearest the loss; NULL where
 * there is none. */
static const ofs_slot *bad_slot(const ofs_plan *p) {
  const ofs_optimizer *o = &p->model->optimizer;
  for (uint32_t i = o->slot_count; i-- > 0;) {
    uint32_t part, to;
    for (ofs_sums_of(p, i, &part, &to); part <= to; part++)
      if (p->sums[part + i].bad) return &o->slots[i];
  }
  return NULL;
}

int ofs_guard_trips(ofs_plan *p) {
  const ofs_slot *slot = bad_slot(p);
  int loss = !finite(p->penalty);
  for (size_t i = 0; i < (size_t)p->count * p->model->output_count; i++)
    loss |= !finite(p->rows[2 * i]);
  if (!slot && !loss) return 0;
  p->fault = (ofs_fault){OFS_FAULT_LOSS, OFS_IN_MODEL, p->model->step + 1};
  if (!loss) {
    p->fault.what = slot->weight->momentum >= 0 ? OFS_FAULT_STATISTIC : OFS_FAULT_GRADIENT;
    p->fault.layer = (int32_t)slot->layer->spec_index;
  }
  p->tracing = 1;
  p->checked = 0;
  return 1;
}

ofs_status ofs_guard_look(ofs_plan *p, const ofs_op *op, uint64_t work) {
  if (!op->result) return OFS_OK;
  uint64_t all = op->layer->out.size * op->count,
           n = all - p->checked < work ? all - p->checked : work;
  if (!p->model->kernels.bounded(op->result_at + p->checked, n, (real)__builtin_inf())) {
    p->fault.what = OFS_FAULT_ACTIVATION;
    p->fault.layer = (int32_t)op->layer->spec_index;
    return OFS_NON_FINITE;
  }
  p->checked += n;
  if (p->checked < all) return OFS_MORE;
  p->checked = 0;
  return OFS_OK;
}

ofs_status ofs_guard_end(ofs_plan *p) {
  p->running = p->tracing = 0;
  return OFS_NON_FINITE;
}

void ofs_step_fault(const ofs_plan *p, ofs_fault *fault) { *fault = p->fault; }
