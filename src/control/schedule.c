/* schedule.c: learning rates over a run: the formulas of Keras 3.16's schedules, in double, and of
 * PyTorch's OneCycleLR (Smith and Topin 2018; cosine annealing, the rate alone).
 *
 * s is the number of updates, or of epochs, that are complete, and N is decaySteps. */
#include "base/maths.h"
#include "base/status.h"
#include "control/control.h"

ofs_status ofs_schedule_read(ofs_schedule *s, const ofs_record *r, ofs_error *err) {
  *s = (ofs_schedule){.type = r->id, .per_epoch = r->v[OFS_CONSTANT_PER][0] == OFS_PER_EPOCH};
  s->steps = ofs_record_number(r, OFS_EXPONENTIAL_STEPS, 0);
  s->a = ofs_record_number(r, OFS_EXPONENTIAL_DECAY, 0);
  switch (r->id) {
  case OFS_SCHEDULE_PIECEWISE: {
    uint32_t n = r->count[OFS_PIECEWISE_BOUNDARIES];
    if (r->count[OFS_PIECEWISE_VALUES] != n + 1)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_PIECEWISE_VALUES, OFS_WHY_COUNT,
                        r->count[OFS_PIECEWISE_VALUES], n + 1, n + 1);
    for (uint32_t i = 0; i <= n; i++) s->values[i] = r->v[OFS_PIECEWISE_VALUES][i];
    for (uint32_t i = 0; i < n; i++) {
      s->boundaries[i] = r->v[OFS_PIECEWISE_BOUNDARIES][i];
      if (i > 0 && s->boundaries[i] <= s->boundaries[i - 1])
        return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_PIECEWISE_BOUNDARIES, OFS_WHY_RANGE,
                          s->boundaries[i], s->boundaries[i - 1] + 1, 9007199254740991.0);
    }
    s->bounds = n;
    return OFS_OK;
  }
  case OFS_SCHEDULE_EXPONENTIAL:
  case OFS_SCHEDULE_INVERSE_TIME: s->flag = r->v[OFS_EXPONENTIAL_STAIRCASE][0] != 0; break;
  case OFS_SCHEDULE_POLYNOMIAL:
    s->flag = r->v[OFS_POLYNOMIAL_CYCLE][0] != 0;
    s->b = r->v[OFS_POLYNOMIAL_POWER][0];
    break;
  case OFS_SCHEDULE_COSINE:
    s->b = ofs_record_number(r, OFS_COSINE_WARMUP_TARGET, -1);
    s->c = r->v[OFS_COSINE_WARMUP_STEPS][0];
    if (s->b >= 0 && s->c == 0)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_COSINE_WARMUP_STEPS, OFS_WHY_RANGE, 0,
                        1, 9007199254740991.0);
    break;
  case OFS_SCHEDULE_RESTARTS:
    s->b = r->v[OFS_RESTARTS_T_MUL][0];
    s->c = r->v[OFS_RESTARTS_M_MUL][0];
    break;
  case OFS_SCHEDULE_ONE_CYCLE:
    s->b = r->v[OFS_ONE_CYCLE_PCT][0];
    s->c = r->v[OFS_ONE_CYCLE_DIV][0];
    s->d = r->v[OFS_ONE_CYCLE_FINAL_DIV][0];
  }
  s->has_start = r->count[OFS_CONSTANT_LEARNING_RATE] > 0;
  s->start = ofs_record_number(r, OFS_CONSTANT_LEARNING_RATE, 0);
  return OFS_OK;
}
_Static_assert(OFS_EXPONENTIAL_STEPS == OFS_RESTARTS_STEPS &&
                   OFS_EXPONENTIAL_STEPS == OFS_ONE_CYCLE_STEPS &&
                   OFS_EXPONENTIAL_DECAY == OFS_POLYNOMIAL_END &&
                   OFS_EXPONENTIAL_DECAY == OFS_COSINE_ALPHA &&
                   OFS_EXPONENTIAL_DECAY == OFS_RESTARTS_ALPHA &&
                   OFS_EXPONENTIAL_DECAY == OFS_ONE_CYCLE_MAX &&
                   OFS_EXPONENTIAL_STAIRCASE == OFS_INVERSE_TIME_STAIRCASE &&
                   OFS_CONSTANT_PER == OFS_PIECEWISE_PER,
               "one reader for several records");

/* Returns (1 + cos(pi x)) / 2, x in [0, 1], as a square of a sine of at most pi / 4. */
static double half_cosine(double x) {
  double y = OFS_PI / 2 * (x < 0.5 ? x : 1 - x), y2 = y * y, sine = 1;
  for (int k = 16; k > 0; k -= 2) sine = 1 - sine * y2 / (k * (k + 1));
  sine *= y;
  return x < 0.5 ? 1 - sine * sine : sine * sine;
}

/* Returns x, x >= 0, without what is behind its point. */
static double whole(double x) { return x < 0x1p53 ? (double)(uint64_t)x : x; }

/* Returns a power that is finite, so that it times 0 is 0. */
static double bounded(double power) { return power < 1e290 ? power : 1e290; }

/* Returns where cycle i of SGDR begins: each lasts tMul (b) times the one before it. */
static double cycle_at(const ofs_schedule *s, double i) {
  return s->b == 1 ? s->steps * i : s->steps * (ofs_powi(s->b, (uint64_t)i) - 1) / (s->b - 1);
}

/* Returns the rate of SGDR (Loshchilov and Hutter 2016): cycle i lasts N tMul^i, and what decays in
 * it, all but alpha, is mMul^i of the first. */
static double restarts(const ofs_schedule *s, double start, double at) {
  double x = at / s->steps;
  double i = whole(s->b == 1 ? x : ofs_log64(1 + x * (s->b - 1)) / ofs_log64(s->b));
  if (i > 0 && cycle_at(s, i) > at) i--; /* a logarithm is not exact */
  if (cycle_at(s, i + 1) <= at) i++;
  double share = (at - cycle_at(s, i)) / (s->steps * ofs_powi(s->b, (uint64_t)i));
  double height = bounded(ofs_powi(s->c, (uint64_t)i));
  return start * ((1 - s->a) * height * half_cosine(share < 1 ? share : 1) + s->a);
}

static double one_cycle(const ofs_schedule *s, double start, double at) {
  double top = s->b * s->steps - 1, last = s->steps - 1;
  if (at > last) at = last;
  if (at <= top) return s->a + (start - s->a) * half_cosine(top > 0 ? at / top : 1);
  double end = start / s->d;
  return end + (s->a - end) * half_cosine((at - top) / (last - top));
}

double ofs_schedule_rate(const ofs_schedule *s, double own, uint64_t updates, uint64_t epochs) {
  double at = (double)(s->per_epoch ? epochs : updates), x = at / s->steps;
  double start = s->has_start ? s->start : own;
  switch (s->type) {
  case OFS_SCHEDULE_EXPONENTIAL: return start * bounded(ofs_pow64(s->a, s->flag ? whole(x) : x));
  case OFS_SCHEDULE_PIECEWISE: {
    uint32_t i = 0;
    while (i < s->bounds && at > s->boundaries[i]) i++;
    return s->values[i];
  }
  case OFS_SCHEDULE_POLYNOMIAL: {
    double cycles = s->flag && x > 1 ? whole(x) + (x > whole(x)) : 1;
    double rest = x < cycles ? 1 - x / cycles : 0;
    return (start - s->a) * ofs_pow64(rest, s->b) + s->a;
  }
  case OFS_SCHEDULE_INVERSE_TIME: return start / (1 + s->a * (s->flag ? whole(x) : x));
  case OFS_SCHEDULE_COSINE: {
    double top = s->b >= 0 ? s->b : start, bottom = s->b >= 0 ? start : 0;
    if (at < s->c) return (top - bottom) * at / s->c + bottom;
    x = (at - s->c) / s->steps;
    return top * ((1 - s->a) * half_cosine(x < 1 ? x : 1) + s->a);
  }
  case OFS_SCHEDULE_RESTARTS: return restarts(s, start, at);
  case OFS_SCHEDULE_ONE_CYCLE: return one_cycle(s, s->has_start ? start : s->a / s->c, at);
  default: return start; /* constant */
  }
}
