/* control.c: decides during a run, from the numbers that are measured after its epochs.
 *
 * Early stopping and the fall of the rate on a plateau are Keras 3.16's EarlyStopping and
 * ReduceLROnPlateau, their order of operations included: a first value always improves, NaN never
 * does later, and patience 0 is as patience 1. All that changes is `state`. */
#include "control/control.h"

#include "base/status.h"

/* Numbers of the state: whether there is a best value yet and it, epochs without a better one; the
 * epoch whose weights are kept, 0 for none; the same of the plateau, and epochs of its cooldown. */
enum { HAS, BEST, WAIT, KEPT, PLATEAU_HAS, PLATEAU_BEST, PLATEAU_WAIT, COOLDOWN, NUMBERS };

#define TARGETS 64

typedef struct watch {
  uint32_t monitor;
  double sign; /* times a value, more is better */
} watch;

typedef struct target {
  watch on;
  double value;
} target;

struct ofs_control {
  ofs_schedule schedule;
  int stops, reduces, restores, has_baseline;
  watch early, plateau;
  double patience, min_delta, baseline, from;
  double reduce_patience, reduce_delta, factor, cooldown, min_rate;
  uint32_t targets;
  target target[TARGETS];
  double max_steps, max_seconds; /* negative: none */
  double state[NUMBERS];
};

static ofs_status read_watch(watch *w, const ofs_record *r, uint32_t monitors, ofs_error *err) {
  double monitor = r->v[OFS_UNTIL_MONITOR][0];
  if (monitor >= monitors)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_UNTIL_MONITOR, OFS_WHY_RANGE, monitor, 0,
                      monitors - 1.0);
  *w = (watch){(uint32_t)monitor, r->v[OFS_UNTIL_MODE][0] == OFS_MODE_MAX ? 1 : -1};
  return OFS_OK;
}

static double magnitude(double x) { return x < 0 ? -x : x; }

static ofs_status read_control(ofs_control *c, const ofs_record *r, uint32_t monitors,
                               ofs_error *err) {
  watch w = {0, 0};
  int twice = 0;
  ofs_status s = OFS_OK;
  if (r->id != OFS_LIMITS) s = read_watch(&w, r, monitors, err);
  if (s < 0) return s;
  switch (r->id) {
  case OFS_EARLY_STOPPING:
    twice = c->stops;
    c->stops = 1;
    c->early = w;
    c->patience = r->v[OFS_EARLY_STOPPING_PATIENCE][0];
    c->min_delta = magnitude(r->v[OFS_EARLY_STOPPING_MIN_DELTA][0]);
    c->has_baseline = r->count[OFS_EARLY_STOPPING_BASELINE] > 0;
    if (c->has_baseline) c->baseline = r->v[OFS_EARLY_STOPPING_BASELINE][0];
    c->from = r->v[OFS_EARLY_STOPPING_START][0];
    c->restores = r->v[OFS_EARLY_STOPPING_RESTORE][0] != 0;
    break;
  case OFS_REDUCE_ON_PLATEAU:
    twice = c->reduces;
    c->reduces = 1;
    c->plateau = w;
    c->reduce_patience = r->v[OFS_REDUCE_PATIENCE][0];
    c->reduce_delta = magnitude(r->v[OFS_REDUCE_MIN_DELTA][0]);
    c->factor = r->v[OFS_REDUCE_FACTOR][0];
    c->cooldown = r->v[OFS_REDUCE_COOLDOWN][0];
    c->min_rate = r->v[OFS_REDUCE_MIN_RATE][0];
    break;
  case OFS_UNTIL:
    if (c->targets == TARGETS)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_COUNT, TARGETS + 1, 1,
                        TARGETS);
    c->target[c->targets++] = (target){w, r->v[OFS_UNTIL_VALUE][0]};
    break;
  default:
    twice = c->max_steps >= 0 || c->max_seconds >= 0;
    if (r->count[OFS_LIMITS_STEPS]) c->max_steps = r->v[OFS_LIMITS_STEPS][0];
    if (r->count[OFS_LIMITS_SECONDS]) c->max_seconds = r->v[OFS_LIMITS_SECONDS][0];
  }
  return twice ? ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_TWICE, 2, 1, 1) : OFS_OK;
}

size_t ofs_control_bytes(void) { return sizeof(ofs_control); }

ofs_status ofs_control_init(void *mem, const void *spec, size_t n, uint32_t monitors,
                            ofs_control **control, ofs_error *err) {
  double values[OFS_RECORD_VALUES];
  ofs_reader in;
  ofs_record r;
  ofs_control *c = mem;
  *c = (ofs_control){.max_steps = -1, .max_seconds = -1};
  ofs_status s = ofs_read_begin(&in, spec, n, values, err);
  for (int32_t i = 0; s == OFS_OK && in.records; i++) {
    int schedules = ofs_next_group(&in) == 's';
    s = ofs_read_record(&in, &r, i, schedules ? 's' : 'd', err);
    if (s < 0) break;
    if (schedules && c->schedule.type)
      return ofs_refuse(err, OFS_INVALID_SPEC, i, -1, OFS_WHY_TWICE, 2, 1, 1);
    s = schedules ? ofs_schedule_read(&c->schedule, &r, err) : read_control(c, &r, monitors, err);
    if (s == OFS_OK && c->schedule.type && c->reduces) /* each would undo the other's rate */
      return ofs_refuse(err, OFS_INVALID_SPEC, i, -1, OFS_WHY_CONFLICT, 2, 0, 1);
  }
  if (s == OFS_OK && in.left) s = ofs_refuse_end(err, &in);
  if (s == OFS_OK) *control = c;
  return s;
}

double ofs_control_rate(const ofs_control *c, double own, uint64_t updates, uint64_t epochs) {
  return c->schedule.type ? ofs_schedule_rate(&c->schedule, own, updates, epochs) : own;
}

int ofs_control_at_limit(const ofs_control *c, uint64_t steps, double seconds) {
  return (c->max_steps >= 0 && (double)steps >= c->max_steps) ||
         (c->max_seconds >= 0 && seconds >= c->max_seconds);
}

/* Says whether a value is better than another by more than `delta`; false for NaN. */
static int improves(const watch *w, double value, double than, double delta) {
  return w->sign * value - delta > w->sign * than;
}

/* Returns what early stopping decides after an epoch. */
static uint32_t stop_early(ofs_control *c, uint64_t epoch, double value) {
  double *s = c->state;
  if ((double)(epoch - 1) < c->from) return 0;
  s[WAIT]++;
  if (s[HAS] == 0 || improves(&c->early, value, s[BEST], c->min_delta)) {
    s[HAS] = 1;
    s[BEST] = value;
    if (c->restores) s[KEPT] = (double)epoch;
    if (!c->has_baseline || improves(&c->early, value, c->baseline, c->min_delta)) s[WAIT] = 0;
    return c->restores ? OFS_KEEP_BEST : 0;
  }
  return s[WAIT] >= c->patience && epoch > 1 ? OFS_STOP_EARLY : 0;
}

/* Returns the rate after an epoch. Rates are compared as Keras has them, as floats. */
static double reduce(ofs_control *c, double value, double rate) {
  double *s = c->state;
  if (s[COOLDOWN] > 0) {
    s[COOLDOWN]--;
    s[PLATEAU_WAIT] = 0;
  }
  if (s[PLATEAU_HAS] == 0 || improves(&c->plateau, value, s[PLATEAU_BEST], c->reduce_delta)) {
    s[PLATEAU_HAS] = 1;
    s[PLATEAU_BEST] = value;
    s[PLATEAU_WAIT] = 0;
    return rate;
  }
  if (s[COOLDOWN] > 0) return rate;
  s[PLATEAU_WAIT]++;
  if (s[PLATEAU_WAIT] < c->reduce_patience || !((float)rate > (float)c->min_rate)) return rate;
  s[COOLDOWN] = c->cooldown;
  s[PLATEAU_WAIT] = 0;
  return rate * c->factor > c->min_rate ? rate * c->factor : c->min_rate;
}

static int reached(const ofs_control *c, const double *values) {
  for (uint32_t i = 0; i < c->targets; i++) {
    const target *t = &c->target[i];
    if (!(t->on.sign * values[t->on.monitor] >= t->on.sign * t->value)) return 0;
  }
  return c->targets > 0;
}

uint32_t ofs_control_epoch(ofs_control *c, uint64_t epoch, const double *values, double *rate) {
  uint32_t decided = 0;
  if (c->reduces) *rate = reduce(c, values[c->plateau.monitor], *rate);
  if (c->stops) decided = stop_early(c, epoch, values[c->early.monitor]);
  return decided | (reached(c, values) ? OFS_STOP_REACHED : 0);
}

const double *ofs_control_state(const ofs_control *c, uint64_t *n) {
  *n = NUMBERS;
  return c->state;
}

ofs_status ofs_control_restore(ofs_control *c, const double *from, uint64_t n) {
  if (n != NUMBERS) return OFS_INVALID_DATA;
  for (uint32_t i = 0; i < NUMBERS; i++) {
    if (i == BEST || i == PLATEAU_BEST) continue; /* any number, as any was measured */
    int flag = i == HAS || i == PLATEAU_HAS;
    if (!(from[i] >= 0 && from[i] <= (flag ? 1 : 0x1p53) && from[i] == (double)(int64_t)from[i]))
      return OFS_INVALID_DATA;
  }
  if ((from[KEPT] > 0) != (c->restores && from[HAS] > 0)) return OFS_INVALID_DATA;
  for (uint32_t i = 0; i < NUMBERS; i++) c->state[i] = from[i];
  return OFS_OK;
}
