/* optimizer.c: the optimizer of a model: its record read, the vectors that it keeps and which
 * weights have a place in them, and the numbers of each step's update. The formulas stand with the
 * kernels (kernels.h), the passes over weights and gradients in update.c. */
#include "step/optimizer.h"

#include "base/maths.h"

/* Moments are cleaned every so many steps: as many as they may shrink without becoming denormal, at
 * a cost that does not show. */
#define CLEAN_STEPS 16

/* ---- the record ---- */

/* This table has each optimizer's names (Keras's) of its own vectors, in the kernel's order; the
 * options below choose how many it has. */
static const struct {
  uint8_t type;
  const char *names[3];
} vectors[] = {
    {OFS_SGD, {"momentum"}},
    {OFS_ADAM, {"momentum", "velocity", "velocity_hat"}},
    {OFS_NADAM, {"momentum", "velocity"}},
    {OFS_ADAMAX, {"momentum", "norm"}},
    {OFS_RMSPROP, {"velocity", "momentum", "average_gradient"}},
    {OFS_ADAGRAD, {"accumulator"}},
    {OFS_ADADELTA, {"accumulated_grad", "accumulated_delta_var"}},
    {OFS_LION, {"momentum"}},
};

static void read_own(ofs_optimizer *o, const ofs_record *r) {
  o->own = 2;
  switch (r->id) {
  case OFS_SGD:
    o->momentum = r->v[OFS_SGD_MOMENTUM][0];
    o->nesterov = r->v[OFS_SGD_NESTEROV][0] != 0;
    o->own = o->momentum > 0;
    return;
  case OFS_RMSPROP:
    o->momentum = r->v[OFS_RMSPROP_MOMENTUM][0];
    o->centered = r->v[OFS_RMSPROP_CENTERED][0] != 0;
    o->own = 1 + (o->momentum > 0) + (uint32_t)o->centered; /* fall through */
  case OFS_ADADELTA:
    o->beta2 = r->v[OFS_RMSPROP_RHO][0];
    o->epsilon = r->v[OFS_RMSPROP_EPSILON][0];
    return;
  case OFS_ADAGRAD:
    o->initial = r->v[OFS_ADAGRAD_INITIAL][0];
    o->epsilon = r->v[OFS_ADAGRAD_EPSILON][0];
    o->own = 1;
    return;
  default:
    o->beta1 = r->v[OFS_ADAM_BETA1][0];
    o->beta2 = r->v[OFS_ADAM_BETA2][0];
    o->epsilon = ofs_record_number(r, OFS_ADAM_EPSILON, 0);
    if (r->id == OFS_ADAMW) o->type = OFS_ADAM;
    if (o->type == OFS_ADAM) o->own += r->v[OFS_ADAM_AMSGRAD][0] != 0;
    if (o->type == OFS_LION) o->own = 1;
  }
}
_Static_assert(OFS_RMSPROP_RHO == OFS_ADADELTA_RHO && OFS_RMSPROP_EPSILON == OFS_ADADELTA_EPSILON &&
                   OFS_ADAM_EPSILON == OFS_RMSPROP_EPSILON &&
                   OFS_ADAM_EPSILON == OFS_ADAGRAD_EPSILON &&
                   OFS_ADAM_AMSGRAD == OFS_ADAMW_AMSGRAD && OFS_ADAM_BETA1 == OFS_LION_BETA1 &&
                   OFS_ADAM_BETA2 == OFS_LION_BETA2,
               "one reader for several records");

#define STEP_LIMIT 1e16 /* of rate / epsilon, by which a gradient may be multiplied (guard.c) */

/* Refuses more than one kind of clipping, and a decay that makes weights grow: each step takes rate
 * * weightDecay of them. */
static ofs_status check(const ofs_optimizer *o, const ofs_record *r, ofs_error *err) {
  static const uint8_t clips[] = {OFS_SGD_CLIP_VALUE, OFS_SGD_CLIP_NORM, OFS_SGD_GLOBAL_CLIP_NORM};
  for (int i = 0, given = 0; i < 3; i++) {
    given += r->count[clips[i]];
    if (given > 1)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, clips[i], OFS_WHY_CONFLICT, given, 0, 1);
  }
  if (o->epsilon > 0 && o->rate > STEP_LIMIT * o->epsilon)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_ADAM_EPSILON, OFS_WHY_RANGE, o->epsilon,
                      o->rate / STEP_LIMIT, 1);
  if (o->rate * o->weight_decay <= 2) return OFS_OK;
  return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_SGD_WEIGHT_DECAY, OFS_WHY_RANGE,
                    o->weight_decay, 0, 2 / o->rate);
}

double ofs_optimizer_most(const ofs_optimizer *o) {
  double most = ofs_field_find(o->type, OFS_SGD_LEARNING_RATE)->high;
  if (o->epsilon > 0 && most > STEP_LIMIT * o->epsilon) most = STEP_LIMIT * o->epsilon;
  if (most * o->weight_decay > 2) most = 2 / o->weight_decay;
  return most;
}

ofs_status ofs_optimizer_read(ofs_optimizer *o, const ofs_record *r, ofs_error *err) {
  *o = (ofs_optimizer){.type = r->id,
                       .rate_factor = 1,
                       .accumulator = OFS_NO_VECTOR,
                       .average = OFS_NO_VECTOR};
  read_own(o, r);
  o->rate = r->v[OFS_SGD_LEARNING_RATE][0];
  o->weight_decay = r->v[OFS_SGD_WEIGHT_DECAY][0];
  o->clip_value = ofs_record_number(r, OFS_SGD_CLIP_VALUE, 0);
  o->clip_norm = ofs_record_number(r, OFS_SGD_CLIP_NORM, 0);
  o->global_clip_norm = ofs_record_number(r, OFS_SGD_GLOBAL_CLIP_NORM, 0);
  o->accumulation = (uint64_t)r->v[OFS_SGD_ACCUMULATION][0];
  o->ema = r->v[OFS_SGD_USE_EMA][0] != 0;
  o->ema_momentum = r->v[OFS_SGD_EMA_MOMENTUM][0];
  o->overwrite = (uint64_t)ofs_record_number(r, OFS_SGD_EMA_OVERWRITE, 0);
  o->moments = o->own;
  if (o->accumulation > 1) o->accumulator = o->moments++;
  if (o->ema) o->average = o->moments++;
  return check(o, r, err);
}

/* ---- the vectors ---- */

const char *ofs_moment_name(const ofs_optimizer *o, uint32_t k) {
  if (k >= o->moments) return NULL;
  if (k == o->accumulator) return "gradient_accumulator";
  if (k == o->average) return "average";
  if (o->type == OFS_RMSPROP && k == 1 && o->momentum == 0) k = 2;
  for (uint32_t i = 0;; i++)
    if (vectors[i].type == o->type) return vectors[i].names[k];
}

void ofs_optimizer_lay(ofs_optimizer *o, const ofs_layer *layers, uint32_t count) {
  o->slot_count = 0;
  for (uint32_t i = 0; i < count; i++) {
    const ofs_layer *l = &layers[i];
    for (uint32_t k = 0; !l->not_stored && l->trains && k < l->weight_count; k++)
      if (l->weights[k].size) o->slots[o->slot_count++] = (ofs_slot){l, &l->weights[k]};
  }
}

void ofs_moments_reset(const ofs_optimizer *o, const ofs_layer *l, const ofs_weight *w, uint64_t at,
                       uint64_t n) {
  if (!l->trains || w->momentum >= 0) return;
  for (uint32_t k = 0; k < o->moments; k++)
    for (uint64_t i = 0; i < n; i++) o->moment[k][w->moment_at + at + i] = k ? 0 : (real)o->initial;
}

/* ---- a step's numbers ---- */

/* Returns nadam's u(t). */
static double warm(const ofs_optimizer *o, uint64_t t) {
  return o->beta1 * (1 - 0.5 * ofs_powi(0.96, t));
}

/* U(t), one factor a step, and from the first one on where steps were set. From WARM on u(t) is
 * beta1. */
#define WARM 1024 /* 0.96^1024 is lost beside 1 */
static double warm_product(ofs_optimizer *o, uint64_t t) {
  uint64_t first = t < WARM ? t : WARM;
  if (first < o->warm_steps || o->warm_steps == 0) o->warm_steps = 0, o->warm_product = 1;
  while (o->warm_steps < first) o->warm_product *= warm(o, ++o->warm_steps);
  return o->warm_product * ofs_powi(o->beta1, t - first);
}

/* Updates are counted as Keras does: of accumulated batches the last one makes one, and the average
 * counts them as they were before. */
ofs_update ofs_update_numbers(ofs_optimizer *o, uint64_t step) {
  uint64_t before = step / o->accumulation, t = before + 1;
  double rate = o->rate * o->rate_factor, keep = before > 0 ? o->ema_momentum : 0;
  ofs_update u = {.kind = o->type,
                  .moments = o->own,
                  .nesterov = o->nesterov,
                  .centered = o->centered,
                  .clean = t % CLEAN_STEPS == 0,
                  .rate = (real)rate,
                  .momentum = (real)o->momentum,
                  .beta1 = (real)o->beta1,
                  .beta2 = (real)o->beta2,
                  .rest1 = (real)(1 - o->beta1),
                  .rest2 = (real)(1 - o->beta2),
                  .epsilon = (real)o->epsilon,
                  .decay = (real)(rate * o->weight_decay),
                  .keep = (real)keep,
                  .rest = (real)(1 - keep),
                  .applies = (step + 1) % o->accumulation == 0,
                  .overwrites = o->overwrite > 0 && t % o->overwrite == 0};
  u.correction1 = (real)(1 / (1 - ofs_powi(o->beta1, t)));
  u.correction2 = (real)(1 / (1 - ofs_powi(o->beta2, t)));
  if (o->type != OFS_NADAM) return u;
  double product = warm_product(o, t), next = warm(o, t + 1);
  u.here = (real)((1 - warm(o, t)) / (1 - product));
  u.ahead = (real)(next / (1 - product * next));
  return u;
}
