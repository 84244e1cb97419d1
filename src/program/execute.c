/* execute.c: runs a plan's program by parts.
 *
 * The program counter is (operation, part). What a step writes stays in the plan until the update
 * phase; the model changes only there, and the step counts once its last part is done. Where
 * threads save time by sharing parts of one operation they do (team.h); the order of parts
 * changes no result. Before the update the guard looks at the step (guard.c); where it trips,
 * the operations that predict are run again instead, and it checks their outputs. */
#include "base/status.h"
#include "base/team.h"
#include "metrics/metrics.h"
#include "program/plan.h"
#include "step/guard.h"
#include "step/update.h"

/* Sharing must save so much in a whole step: about 100 microseconds. A step either shares whatever
 * can be or nothing: one operation that only the caller runs takes the samples of all threads out
 * of their caches, which costs more than its arithmetic (W3 with two threads: 1.05 times as fast
 * with the large operations shared, 1.7 with all). */
#define OFS_PLAN_LEAST (1u << 22)
/* Work units that an operation must have for each byte of parameters and their kin. What another
 * core wrote is fetched from there line by line: 30 ns for one where the two are neighbours, 200
 * where they are not (both measured, on one machine at different times: 3 ns a byte, of which half
 * is the other's). Parameters are written anew in each step, by other parts than read them, so they
 * count in full, up to what a core's own cache holds (beyond that they lie with nobody). Samples
 * stay with the thread that has them in every operation. */
#define OFS_LASTING_WORK 40u
#define OFS_LASTING_MOST (1u << 20)

/* Returns 1 where sharing an operation pays, at its present cut. */
static int region_pays(const ofs_op *op) {
  uint64_t lasting = op->lasting < OFS_LASTING_MOST ? op->lasting : OFS_LASTING_MOST;
  return op->parts * op->part_work >= OFS_LASTING_WORK * lasting &&
         ofs_region_saves(op->parts / op->waves, op->part_work, 2) >= OFS_REGION_LEAST;
}

/* Sets every operation's parts for a batch of `count` samples. */
static void cut_for(ofs_plan *p, uint32_t count) {
  if (p->count == count) return;
  p->count = count;
  p->saves = 0;
  for (uint32_t i = 0; i < p->op_count; i++) {
    ofs_op *op = &p->ops[i];
    op->count = count * op->times;
    uint64_t units = op->fixed ? op->units : op->units * op->count;
    op->parts = (uint32_t)((units + op->block - 1) / op->block) * op->tiles * op->waves;
    op->part_work = (uint64_t)((double)(units < op->block ? units : op->block) * op->unit_work) + 1;
    op->shared = region_pays(op);
    if (op->shared)
      p->saves += op->waves * ofs_region_saves(op->parts / op->waves, op->part_work, 2);
  }
  if (p->saves >= OFS_PLAN_LEAST) return;
  p->saves = 0;
  for (uint32_t i = 0; i < p->op_count; i++) p->ops[i].shared = 0;
}

int ofs_plan_shares(ofs_plan *p) {
  if (!p->count) cut_for(p, p->batch);
  return p->saves > 0;
}

ofs_status ofs_step_begin(ofs_plan *p, const ofs_batch *at, ofs_error *err) {
  if (ofs_step_updating(p) || !p->data.x)
    return ofs_refuse(err, OFS_INVALID_STATE, OFS_IN_MODEL, -1, OFS_WHY_NONE, 0, 0, 0);
  if (at->count < 1 || at->count > p->batch)
    return ofs_refuse(err, OFS_INVALID_ARGUMENT, OFS_IN_MODEL, -1, OFS_WHY_RANGE, at->count, 1,
                      p->batch);
  if (at->n > p->data.n)
    return ofs_refuse(err, OFS_INVALID_ARGUMENT, OFS_IN_MODEL, -1, OFS_WHY_RANGE, (double)at->n, 1,
                      (double)p->data.n);
  uint64_t n = at->shuffle ? at->n : p->data.n;
  if (at->first > n || at->count > n - at->first)
    return ofs_refuse(err, OFS_INVALID_ARGUMENT, OFS_IN_MODEL, -1, OFS_WHY_RANGE,
                      (double)at->first + at->count, 1, (double)n);
  p->at = *at;
  cut_for(p, at->count);
  p->op = p->part = p->measuring = 0;
  p->measured = 0;
  p->running = 1;
  p->complete = p->tracing = 0;
  p->context.step = p->model->step;
  if (p->kind == OFS_TRAIN) p->update = ofs_update_numbers(&p->model->optimizer, p->model->step);
  return OFS_OK;
}

/* Completes the step. The sums run in the order of samples, whatever the parts were. */
static void complete(ofs_plan *p) {
  p->running = 0;
  p->complete = 1;
  p->totals = (ofs_totals){.count = p->count};
  uint32_t outputs = p->kind == OFS_PREDICT ? 0 : p->model->output_count;
  for (uint32_t k = 0; k < outputs; k++) {
    for (uint32_t i = 0; i < p->count; i++) {
      p->totals.losses[k] += p->rows[2 * (outputs * (size_t)i + k)];
      p->totals.correct[k] += p->rows[2 * (outputs * (size_t)i + k) + 1];
    }
    p->totals.loss += p->model->outputs[k].weight * p->totals.losses[k];
  }
  if (p->kind == OFS_EVALUATE) ofs_update_sums(p);
  if (p->kind != OFS_PREDICT) p->totals.loss += p->penalty * p->count;
  if (p->kind == OFS_TRAIN) p->model->step++;
}

/* Returns how many parts of the operation to run next, `threads` of them at a time: as many of this
 * wave as `work` units allow, where that pays, else 1. The end of a budget never leaves a thread
 * without a part. */
static uint32_t parts_at_once(const ofs_plan *p, const ofs_op *op, uint64_t work,
                              uint32_t threads) {
  uint32_t wave = op->parts / op->waves, left = wave - p->part % wave;
  uint64_t rounds = work < op->part_work ? 1 : work / op->part_work;
  uint32_t parts = rounds < left && rounds * threads < left ? (uint32_t)rounds * threads : left;
  if (parts > OFS_REGION_PARTS) parts = OFS_REGION_PARTS;
  return ofs_region_saves(parts, op->part_work, threads) < OFS_REGION_LEAST ? 1 : parts;
}

/* Runs part `part` of the plan's current operation, for a team. */
static void run_part(const void *job, uint32_t part) {
  const ofs_plan *p = job;
  p->ops[p->op].run(&p->context, &p->ops[p->op], part);
}

ofs_status ofs_step_run(ofs_plan *p, uint64_t work, uint64_t *done) {
  if (!p->running) return OFS_INVALID_STATE;
  uint64_t spent = 0;
  ofs_status s = OFS_OK;
  uint32_t threads = ofs_team_threads(p->model->team);
  if (threads > 1 && p->saves && work >= OFS_WAKE_STEP) ofs_team_wake(p->model->team);
  for (; p->op < p->op_count; p->op++, p->part = 0) {
    if (p->tracing && p->op == p->forward_ops) break;
    if (p->op == p->update_op && p->part == 0 && p->kind == OFS_TRAIN) {
      ofs_update_sums(p);
      if (ofs_guard_trips(p)) p->op = 0;
    }
    const ofs_op *op = &p->ops[p->op];
    for (uint32_t parts = 1; p->part < op->parts; p->part += parts) {
      if (spent && spent + op->part_work > work) {
        if (done) *done = spent;
        return OFS_MORE;
      }
      if (threads > 1 && op->shared)
        parts = parts_at_once(p, op, work > spent ? work - spent : 0, threads);
      if (parts == 1)
        op->run(&p->context, op, p->part);
      else
        s = ofs_team_run(p->model->team, run_part, p, p->part, p->part + parts, op->part_work);
      if (s < 0) return s;
      spent += (parts + threads - 1) / threads * op->part_work;
    }
    for (s = OFS_OK; p->tracing && (s = ofs_guard_look(p, op, OFS_PART_LEAST)) == OFS_MORE;
         spent += OFS_PART_LEAST)
      if (spent > work) {
        if (done) *done = spent;
        return OFS_MORE;
      }
    if (s < 0) break;
  }
  for (uint64_t next; !p->tracing && (next = ofs_metrics_next(p)) > 0; spent += next) {
    if (spent && spent + next > work) {
      if (done) *done = spent;
      return OFS_MORE;
    }
    ofs_metrics_add(p);
  }
  if (done) *done = spent;
  if (p->tracing) return ofs_guard_end(p);
  complete(p);
  return OFS_OK;
}

int ofs_step_updating(const ofs_plan *p) {
  if (p->running && (p->measuring || p->measured)) return 1;
  if (!p->running || p->kind != OFS_TRAIN) return 0;
  if (p->op >= p->op_count) return 1;
  const ofs_op *op = &p->ops[p->op];
  /* before the first part of the first update nothing has been changed */
  int first = !p->op || p->ops[p->op - 1].phase != OFS_PHASE_UPDATE;
  return op->phase == OFS_PHASE_UPDATE && !(first && p->part == 0);
}

ofs_status ofs_step_discard(ofs_plan *p) {
  if (ofs_step_updating(p)) return OFS_INVALID_STATE;
  p->running = 0;
  return OFS_OK;
}
