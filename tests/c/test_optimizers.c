/* test_optimizers.c: every optimizer, and what all of them share, against the formulas in double.
 *
 * What is expected is written here from Keras 3's keras/src/optimizers and from the papers, not
 * from the kernels. Each step is followed from the weights that the core had before it, with
 * moments of the test's own in double, so that only one step's rounding of the weights counts.
 * Gradients are those of a twin with the same weights and plain sgd, since a plan's own are scaled
 * and clipped in place. */
#include "program/plan.h"
#include "check.h"
#include "spec_writer.h"

#define UNITS 1201 /* so many that the passes have several parts, and parts several tensors */
#define IN 5
#define OUT 3
#define SAMPLES 8
#define STEPS 12
#define ALL (1ull << 60)
#define TENSORS 4

typedef struct option {
  int id;
  double v;
} option;

typedef struct rule {
  const char *name;
  int record;
  option options[7];
} rule;

static double option_of(const rule *r, int id, double fallback) {
  for (int i = 0; i < 7; i++)
    if (r->options[i].id == id && (i == 0 || r->options[i].id > 0)) return r->options[i].v;
  return fallback;
}

static uint32_t seed = 12345;
static float random_float(void) {
  seed = seed * 1664525u + 1013904223u;
  return (float)(int32_t)seed / 2147483648.0f;
}

/* ---- what Keras does ---- */

typedef struct state {
  size_t n;
  double *a, *b, *c, *sum, *mean, *g;
} state;

static double rate_of(const rule *r) {
  return option_of(r, OFS_SGD_LEARNING_RATE, r->record == OFS_SGD ? 0.01 : 0.001);
}

/* One weight's step, without what is common; t from 1. */
static double step_of(const rule *r, double w, double g, double *a, double *b, double *c,
                      double t) {
  double lr = rate_of(r), b1 = option_of(r, OFS_ADAM_BETA1, 0.9),
         eps = option_of(r, OFS_ADAM_EPSILON, 1e-7);
  double b2 = option_of(r, OFS_ADAM_BETA2, r->record == OFS_LION ? 0.99 : 0.999), rho, mom;
  switch (r->record) {
  case OFS_SGD:
    mom = option_of(r, OFS_SGD_MOMENTUM, 0);
    *a = *a * mom - g * lr;
    return mom == 0                                 ? w - g * lr
           : option_of(r, OFS_SGD_NESTEROV, 0) != 0 ? w + *a * mom - g * lr
                                                    : w + *a;
  case OFS_ADAM:
  case OFS_ADAMW:
    *a += (g - *a) * (1 - b1);
    *b += (g * g - *b) * (1 - b2);
    *c = fmax(*c, *b);
    return w -
           lr * (*a / (1 - pow(b1, t))) /
               (sqrt((option_of(r, OFS_ADAM_AMSGRAD, 0) != 0 ? *c : *b) / (1 - pow(b2, t))) + eps);
  case OFS_ADAMAX:
    *a += (g - *a) * (1 - b1);
    *b = fmax(b2 * *b, fabs(g));
    return w - lr * *a / ((1 - pow(b1, t)) * (*b + eps));
  case OFS_NADAM: {
    double u = b1 * (1 - 0.5 * pow(0.96, t)), next = b1 * (1 - 0.5 * pow(0.96, t + 1)), product = 1;
    for (double k = 1; k <= t; k++) product *= b1 * (1 - 0.5 * pow(0.96, k));
    *a += (g - *a) * (1 - b1);
    *b += (g * g - *b) * (1 - b2);
    double m = next * *a / (1 - product * next) + (1 - u) * g / (1 - product);
    return w - m * lr / (sqrt(*b / (1 - pow(b2, t))) + eps);
  }
  case OFS_RMSPROP: {
    rho = option_of(r, OFS_RMSPROP_RHO, 0.9), mom = option_of(r, OFS_RMSPROP_MOMENTUM, 0);
    *a = rho * *a + (1 - rho) * g * g;
    *c = rho * *c + (1 - rho) * g;
    double d =
        lr * g / sqrt((option_of(r, OFS_RMSPROP_CENTERED, 0) != 0 ? *a - *c * *c : *a) + eps);
    *b = mom * *b + d;
    return w - *b;
  }
  case OFS_ADAGRAD: *a += g * g; return w - lr * g / sqrt(*a + eps);
  case OFS_ADADELTA: {
    rho = option_of(r, OFS_ADADELTA_RHO, 0.95);
    *a = rho * *a + (1 - rho) * g * g;
    double d = -sqrt(*b + eps) * g / sqrt(*a + eps);
    *b = rho * *b + (1 - rho) * d * d;
    return w + lr * d;
  }
  default: { /* lion */
    double way = b1 * *a + (1 - b1) * g;
    *a = b2 * *a + (1 - b2) * g;
    return w - lr * ((way > 0) - (way < 0));
  }
  }
}

static void clip_norm(double *g, size_t n, double most) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += g[i] * g[i];
  for (size_t i = 0; i < n; i++) g[i] *= most / fmax(sqrt(sum), most);
}

/* One batch, the `step`th from 0, with gradient s->g: w becomes the new weights. */
static void batch_of(const rule *r, state *s, double *w, const size_t *ends, int step) {
  int every = (int)option_of(r, OFS_SGD_ACCUMULATION, 1), before = step / every;
  double value = option_of(r, OFS_SGD_CLIP_VALUE, 0), norm = option_of(r, OFS_SGD_CLIP_NORM, 0);
  double global = option_of(r, OFS_SGD_GLOBAL_CLIP_NORM, 0),
         keep = option_of(r, OFS_SGD_EMA_MOMENTUM, 0.99);
  double decay = option_of(r, OFS_SGD_WEIGHT_DECAY, r->record == OFS_ADAMW ? 0.004 : 0);
  for (size_t i = 0; i < s->n; i++) s->sum[i] += s->g[i];
  if ((step + 1) % every == 0) {
    for (size_t i = 0; i < s->n; i++) s->g[i] = s->sum[i] / every, s->sum[i] = 0;
    for (size_t k = 0, at = 0; norm > 0 && k < TENSORS; at = ends[k++])
      clip_norm(s->g + at, ends[k] - at, norm);
    if (global > 0) clip_norm(s->g, s->n, global);
    for (size_t i = 0; value > 0 && i < s->n; i++) s->g[i] = fmin(fmax(s->g[i], -value), value);
    for (size_t i = 0; i < s->n; i++) {
      w[i] -= w[i] * decay * rate_of(r);
      w[i] = step_of(r, w[i], s->g[i], &s->a[i], &s->b[i], &s->c[i], before + 1);
    }
  }
  if (option_of(r, OFS_SGD_USE_EMA, 0) == 0) return;
  double momentum = before ? keep : 0;
  int overwrite = (int)option_of(r, OFS_SGD_EMA_OVERWRITE, 0);
  for (size_t i = 0; i < s->n; i++) {
    s->mean[i] = momentum * s->mean[i] + (1 - momentum) * w[i];
    if (overwrite && (before + 1) % overwrite == 0) w[i] = s->mean[i];
  }
}

/* ---- the core ---- */

static void write_net(writer *w, const rule *r) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, IN);
  FIELD(w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
  writer_record(w, (uint16_t)r->record);
  for (int i = 0; i < 7; i++)
    if (i == 0 || r->options[i].id > 0) FIELD(w, (uint8_t)r->options[i].id, r->options[i].v);
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, UNITS);
  FIELD(w, OFS_DENSE_ACTIVATION, OFS_ACT_TANH);
  FIELD(w, OFS_DENSE_BIAS_INIT, OFS_INIT_RANDOM_UNIFORM);
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, OUT);
}

static float *weights(ofs_model *m) {
  ofs_tensor t;
  ofs_model_tensor(m, 0, &t);
  return t.data;
}

static float x[SAMPLES * IN], y[SAMPLES * OUT];

static ofs_plan *plan_with_data(ofs_model *m) {
  ofs_plan *p = open_plan(m, OFS_TRAIN, SAMPLES);
  const ofs_data data = {.x = x, .y = y, .x_type = OFS_F32, .y_type = OFS_F32, .n = SAMPLES};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  return p;
}

/* Where each of the tensors ends in the flat vector. */
static size_t tensor_ends(ofs_model *m, size_t ends[TENSORS]) {
  size_t n = 0;
  ofs_tensor t;
  for (uint32_t i = 0; i < TENSORS; i++) ofs_model_tensor(m, i, &t), ends[i] = n += t.size;
  return n;
}

/* What the core has of weight i is near what is wanted: its half ulp (with a decay: two), and of
 * the change, which is at most `scale`, the rounding of ten operations and of the moments
 * before. */
static int near(const rule *r, int step, size_t i, double got, double want, double before,
                double scale) {
  double tolerance = fabs(before) * 0x1p-22 + scale * 0x1p-18;
  return CHECK_MSG(fabs(got - want) <= tolerance,
                   "%s: step %d, weight %d of %.9g: %.9g, expected %.9g", r->name, step, (int)i,
                   before, got, want);
}

/* The size that a step may have: sgd's and what is scaled by past gradients have it from the
 * gradient. */
static double scale_of(const rule *r, double most) {
  double mom = option_of(r, r->record == OFS_SGD ? OFS_SGD_MOMENTUM : OFS_RMSPROP_MOMENTUM, 0);
  if (r->record == OFS_SGD) return rate_of(r) * most / (1 - mom);
  if (r->record == OFS_RMSPROP) return rate_of(r) * 30 / (1 - mom);
  return rate_of(r) * 10;
}

static void check_rule(const rule *r) {
  static writer w;
  static const rule plain = {"plain", OFS_SGD, {{OFS_SGD_LEARNING_RATE, 0.01}}};
  size_t ends[TENSORS];
  write_net(&w, r);
  ofs_model *m = open_model(&w, NULL);
  write_net(&w, &plain);
  ofs_model *twin = open_model(&w, NULL);
  if (!CHECK_MSG(m && twin, "%s: is refused", r->name)) return;
  ofs_plan *p = plan_with_data(m), *q = plan_with_data(twin);
  size_t n = tensor_ends(m, ends);
  double *all = calloc(7 * n, sizeof *all), *want = all + 6 * n, scale = 0;
  state s = {n, all, all + n, all + 2 * n, all + 3 * n, all + 4 * n, all + 5 * n};
  float *before = check_alloc(n * sizeof *before);
  for (size_t i = 0; r->record == OFS_ADAGRAD && i < n; i++)
    s.a[i] = option_of(r, OFS_ADAGRAD_INITIAL, 0.1);
  for (int step = 0; step < STEPS; step++) {
    double most = 0;
    memcpy(before, weights(m), n * sizeof *before);
    memcpy(weights(twin), before, n * sizeof *before);
    CHECK_INT(run_step(q, 0, SAMPLES, ALL), OFS_OK);
    CHECK_INT(run_step(p, 0, SAMPLES, step % 2 ? ALL : 1000), OFS_OK);
    for (size_t i = 0; i < n; i++) {
      s.g[i] = ofs_plan_gradient(q)[i], want[i] = before[i];
      most = fmax(most, fabs(s.g[i]));
    }
    batch_of(r, &s, want, ends, step);
    scale = fmax(scale, scale_of(r, most));
    for (size_t i = 0; i < n; i++)
      if (!near(r, step, i, weights(m)[i], want[i], before[i], scale)) break;
    /* the average itself is the last vector */
    if (step % 3 == 1 && option_of(r, OFS_SGD_USE_EMA, 0) != 0) {
      ofs_tensor t;
      ofs_model_tensor(m, 0, &t);
      uint32_t k = 0;
      while (k + 1 < OFS_MOMENTS && t.moment[k + 1]) k++;
      CHECK_STR(ofs_model_moment_name(m, k), "average");
      for (size_t i = 0; i < t.size; i++)
        if (!near(r, step, i, t.moment[k][i], s.mean[i], 1, scale)) break;
    }
  }
  free(all), free(before), free(p), free(q), free(m), free(twin);
}

#define CLIPPED \
  {OFS_SGD_LEARNING_RATE, 0.05}, { OFS_SGD_MOMENTUM, 0.9 }

static const rule rules[] = {
    {"sgd", OFS_SGD, {{OFS_SGD_LEARNING_RATE, 0.05}}},
    {"momentum", OFS_SGD, {{OFS_SGD_LEARNING_RATE, 0.02}, {OFS_SGD_MOMENTUM, 0.9}}},
    {"nesterov",
     OFS_SGD,
     {{OFS_SGD_LEARNING_RATE, 0.02}, {OFS_SGD_MOMENTUM, 0.9}, {OFS_SGD_NESTEROV, 1}}},
    {"adam", OFS_ADAM, {{OFS_ADAM_LEARNING_RATE, 0.01}}},
    {"adam, other betas",
     OFS_ADAM,
     {{0, 0.01}, {OFS_ADAM_BETA1, 0.5}, {OFS_ADAM_BETA2, 0.9}, {OFS_ADAM_EPSILON, 0.1}}},
    {"amsgrad",
     OFS_ADAM,
     {{OFS_ADAM_LEARNING_RATE, 0.1}, {OFS_ADAM_AMSGRAD, 1}, {OFS_ADAM_BETA2, 0.5}}},
    {"adamw", OFS_ADAMW, {{OFS_ADAMW_LEARNING_RATE, 0.01}}},
    {"adamw, amsgrad",
     OFS_ADAMW,
     {{0, 0.1}, {OFS_ADAMW_WEIGHT_DECAY, 0.3}, {OFS_ADAMW_AMSGRAD, 1}}},
    {"adam with decay", OFS_ADAM, {{OFS_ADAM_LEARNING_RATE, 0.01}, {OFS_ADAM_WEIGHT_DECAY, 5}}},
    {"adamax", OFS_ADAMAX, {{OFS_ADAMAX_LEARNING_RATE, 0.01}}},
    {"adamax, quick",
     OFS_ADAMAX,
     {{OFS_ADAMAX_LEARNING_RATE, 0.05}, {OFS_ADAMAX_BETA2, 0.3}, {OFS_ADAMAX_BETA1, 0.2}}},
    {"nadam", OFS_NADAM, {{OFS_NADAM_LEARNING_RATE, 0.01}}},
    {"nadam, other betas",
     OFS_NADAM,
     {{OFS_NADAM_LEARNING_RATE, 0.02}, {OFS_NADAM_BETA1, 0.99}, {OFS_NADAM_BETA2, 0.9}}},
    {"rmsprop", OFS_RMSPROP, {{OFS_RMSPROP_LEARNING_RATE, 0.01}}},
    {"rmsprop, momentum",
     OFS_RMSPROP,
     {{0, 0.01}, {OFS_RMSPROP_MOMENTUM, 0.8}, {OFS_RMSPROP_RHO, 0.5}}},
    {"rmsprop, centered",
     OFS_RMSPROP,
     {{0, 0.01}, {OFS_RMSPROP_CENTERED, 1}, {OFS_RMSPROP_EPSILON, 1e-3}}},
    {"rmsprop, both",
     OFS_RMSPROP,
     {{0, 0.01},
      {OFS_RMSPROP_CENTERED, 1},
      {OFS_RMSPROP_MOMENTUM, 0.5},
      {OFS_RMSPROP_EPSILON, 1e-3}}},
    {"adagrad", OFS_ADAGRAD, {{OFS_ADAGRAD_LEARNING_RATE, 0.05}}},
    {"adagrad from 0", OFS_ADAGRAD, {{OFS_ADAGRAD_LEARNING_RATE, 0.05}, {OFS_ADAGRAD_INITIAL, 0}}},
    {"adadelta", OFS_ADADELTA, {{OFS_ADADELTA_LEARNING_RATE, 1}}},
    {"adadelta, rho",
     OFS_ADADELTA,
     {{OFS_ADADELTA_LEARNING_RATE, 10}, {OFS_ADADELTA_RHO, 0.5}, {OFS_ADADELTA_EPSILON, 1e-6}}},
    {"lion", OFS_LION, {{OFS_LION_LEARNING_RATE, 0.01}}},
    {"lion with decay",
     OFS_LION,
     {{OFS_LION_LEARNING_RATE, 0.01}, {OFS_LION_WEIGHT_DECAY, 2}, {OFS_LION_BETA1, 0.5}}},
    /* what every optimizer has; where a value clips it clips some */
    {"sgd with decay", OFS_SGD, {{OFS_SGD_LEARNING_RATE, 0.05}, {OFS_SGD_WEIGHT_DECAY, 0.7}}},
    {"clipValue", OFS_SGD, {CLIPPED, {OFS_SGD_CLIP_VALUE, 0.01}}},
    {"clipNorm", OFS_SGD, {CLIPPED, {OFS_SGD_CLIP_NORM, 0.2}}},
    {"globalClipNorm", OFS_SGD, {CLIPPED, {OFS_SGD_GLOBAL_CLIP_NORM, 0.3}}},
    {"globalClipNorm out of reach", OFS_SGD, {CLIPPED, {OFS_SGD_GLOBAL_CLIP_NORM, 1e6}}},
    {"accumulation", OFS_ADAM, {{OFS_ADAM_LEARNING_RATE, 0.01}, {OFS_ADAM_ACCUMULATION, 3}}},
    {"accumulation, all else",
     OFS_ADAMW,
     {{0, 0.01},
      {OFS_ADAM_ACCUMULATION, 2},
      {OFS_ADAM_CLIP_NORM, 0.1},
      {OFS_ADAM_USE_EMA, 1},
      {OFS_ADAM_AMSGRAD, 1}}},
    {"average",
     OFS_SGD,
     {{OFS_SGD_LEARNING_RATE, 0.05}, {OFS_SGD_USE_EMA, 1}, {OFS_SGD_EMA_MOMENTUM, 0.5}}},
    {"average that overwrites",
     OFS_ADAM,
     {{0, 0.01}, {OFS_ADAM_USE_EMA, 1}, {OFS_ADAM_EMA_MOMENTUM, 0.5}, {OFS_ADAM_EMA_OVERWRITE, 3}}},
    {"five vectors",
     OFS_RMSPROP,
     {{0, 0.01},
      {OFS_RMSPROP_CENTERED, 1},
      {OFS_RMSPROP_MOMENTUM, 0.5},
      {OFS_RMSPROP_EPSILON, 1e-3},
      {OFS_RMSPROP_ACCUMULATION, 2},
      {OFS_RMSPROP_USE_EMA, 1},
      {OFS_RMSPROP_EMA_OVERWRITE, 2}}},
};

/* ---- what a layer says of its weights ---- */

#define L1 0.03
#define L2 0.07

/* conv2d (2 x 2, of 3 x 4 x 2), flatten, dense, dense: with penalties, or norms, or the second
 * layer frozen. */
enum { PENALTIES = 1, NORMS = 2, FROZEN = 4 };

static ofs_model *open_layers(int with) {
  static writer w;
  w.n = 0;
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, 3, 4, 2);
  writer_record(&w, OFS_ADAM);
  writer_record(&w, OFS_CONV2D);
  FIELD(&w, OFS_CONV2D_FILTERS, 70);
  FIELD(&w, OFS_CONV2D_KERNEL_SIZE, 2);
  FIELD(&w, OFS_CONV2D_BIAS_INIT, OFS_INIT_RANDOM_UNIFORM);
  if (with & PENALTIES) FIELD(&w, OFS_CONV2D_KERNEL_REG, L1, L2);
  if (with & PENALTIES) FIELD(&w, OFS_CONV2D_BIAS_REG, L1, 0);
  if (with & NORMS) FIELD(&w, OFS_CONV2D_KERNEL_NORM, 0.4, 0, 2);
  if (with & NORMS) FIELD(&w, OFS_CONV2D_BIAS_NORM, 0.05, 0);
  writer_record(&w, OFS_FLATTEN);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, 90);
  if (with & PENALTIES) FIELD(&w, OFS_DENSE_KERNEL_REG, 0, L2);
  if (with & NORMS) FIELD(&w, OFS_DENSE_KERNEL_NORM, 0.6, 1);
  if (with & FROZEN) FIELD(&w, OFS_LAYER_TRAINABLE, 0);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, OUT);
  if (with & NORMS) FIELD(&w, OFS_DENSE_KERNEL_NORM, 1, 0);
  return open_model(&w, NULL);
}

#define IMAGE 24
static float pixels[SAMPLES * IMAGE];

static ofs_plan *plan_of(ofs_model *m, int kind) {
  ofs_plan *p = open_plan(m, kind, SAMPLES);
  const ofs_data data = {.x = pixels, .y = y, .x_type = OFS_F32, .y_type = OFS_F32, .n = SAMPLES};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  return p;
}

static double loss_of(const ofs_plan *p) {
  ofs_totals t;
  ofs_step_totals(p, &t);
  return t.loss;
}

/* l1 and l2 of tensor i: conv2d's kernel and bias, dense's kernel. */
static void penalty_of(uint32_t i, double *l1, double *l2) {
  *l1 = i < 2 ? L1 : 0;
  *l2 = i == 0 || i == 2 ? L2 : 0;
}

/* The penalty is in the loss of training and of evaluation, once for each sample, and its gradient
 * in the gradient; what does not train has neither. */
static void test_penalties(int frozen) {
  ofs_model *m = open_layers(PENALTIES | frozen), *plain = open_layers(frozen);
  ofs_plan *p = plan_of(m, OFS_TRAIN), *q = plan_of(plain, OFS_TRAIN),
           *e = plan_of(m, OFS_EVALUATE);
  for (int step = 0; step < 3; step++) {
    double penalty = 0, slope_l1, slope_l2;
    ofs_tensor a, b;
    for (uint32_t i = 0; ofs_model_tensor(m, i, &a) == OFS_OK; i++) {
      ofs_model_tensor(plain, i, &b);
      memcpy(b.data, a.data, a.size * sizeof *a.data);
      penalty_of(i, &slope_l1, &slope_l2);
      for (uint64_t k = 0; a.trainable && k < a.size; k++)
        penalty += slope_l1 * fabs((double)a.data[k]) + slope_l2 * a.data[k] * a.data[k];
    }
    static float before[1 << 16];
    size_t n = 0;
    for (uint32_t i = 0; ofs_model_tensor(m, i, &a) == OFS_OK; i++)
      memcpy(before + n, a.data, a.size * sizeof *a.data), n += a.size;
    CHECK_INT(run_step(e, 0, SAMPLES, 1), OFS_OK);
    CHECK_INT(run_step(q, 0, SAMPLES, ALL), OFS_OK);
    CHECK_INT(run_step(p, 0, SAMPLES, 1), OFS_OK);
    CHECK_NEAR(loss_of(p), loss_of(q) + SAMPLES * penalty, 1e-12 * SAMPLES * penalty);
    CHECK(loss_of(e) == loss_of(p));
    CHECK(penalty > 0.1);
    n = 0;
    for (uint32_t i = 0; ofs_model_tensor(m, i, &a) == OFS_OK; n += a.size, i++) {
      penalty_of(i, &slope_l1, &slope_l2);
      for (uint64_t k = n; a.trainable && k < n + a.size; k++) {
        double w = before[k],
               want = ofs_plan_gradient(q)[k] + slope_l1 * ((w > 0) - (w < 0)) + 2 * slope_l2 * w;
        if (!CHECK_NEAR(ofs_plan_gradient(p)[k], want, 1e-6)) break;
      }
    }
  }
  free(p), free(q), free(e), free(m), free(plain);
}

/* After the update a column is scaled to its largest norm: Keras's formula, which takes a little of
 * the others too. */
static void test_norms(void) {
  static const double most[] = {0.4, 0.05, 0.6, 0, 1};
  static const uint32_t axis[] = {0, 0, 1, 0, 0}, last[] = {2, 0, 1, 0, 0};
  ofs_model *m = open_layers(NORMS), *plain = open_layers(0);
  ofs_plan *p = plan_of(m, OFS_TRAIN), *q = plan_of(plain, OFS_TRAIN);
  CHECK(run_step(p, 0, SAMPLES, 1) == OFS_OK && run_step(q, 0, SAMPLES, ALL) == OFS_OK);
  int scaled = 0, kept = 0;
  ofs_tensor a, b;
  for (uint32_t i = 0; ofs_model_tensor(m, i, &a) == OFS_OK; i++) {
    ofs_model_tensor(plain, i, &b);
    uint64_t inner = 1, n = 1;
    for (uint32_t d = i < 5 ? axis[i] : 0; d < a.rank; d++)
      *(d <= (i < 5 ? last[i] : 0) ? &n : &inner) *= a.dims[d];
    for (uint64_t k = 0; k < a.size; k++) {
      double sum = 0, factor = 1;
      for (uint64_t j = 0; j < n; j++)
        sum += pow(b.data[k / (n * inner) * n * inner + j * inner + k % inner], 2);
      if (i < 5 && most[i] > 0) factor = fmin(sqrt(sum), most[i]) / (1e-7 + sqrt(sum));
      scaled += factor < 0.999, kept += factor >= 0.999;
      if (!CHECK_NEAR(a.data[k], b.data[k] * factor, 2e-7 * fabs((double)b.data[k]))) break;
    }
  }
  CHECK(scaled > 500 && kept > 500);
  free(p), free(q), free(m), free(plain);
}

/* A frozen layer's weights stay, and there are no moments of them. */
static void test_frozen(void) {
  ofs_model *m = open_layers(FROZEN);
  ofs_plan *p = plan_of(m, OFS_TRAIN);
  static float before[6][1 << 16];
  ofs_tensor t;
  for (uint32_t i = 0; ofs_model_tensor(m, i, &t) == OFS_OK; i++)
    memcpy(before[i], t.data, t.size * sizeof *t.data);
  for (int step = 0; step < 3; step++) CHECK_INT(run_step(p, 0, SAMPLES, ALL), OFS_OK);
  for (uint32_t i = 0; ofs_model_tensor(m, i, &t) == OFS_OK; i++) {
    int frozen = i == 2 || i == 3;
    CHECK_INT(t.trainable, !frozen);
    CHECK((t.moment[0] == NULL) == frozen && (t.moment[1] == NULL) == frozen);
    CHECK((memcmp(before[i], t.data, t.size * sizeof *t.data) == 0) == frozen);
  }
  free(p), free(m);
}

/* A statistic goes towards what the batch had (here what stands in a bias's gradient), whatever the
 * optimizer, its clips and its decay. */
static void test_statistics(void) {
  static const rule r = {"",
                         OFS_SGD,
                         {{0, 0.5},
                          {OFS_SGD_CLIP_VALUE, 1e-6},
                          {OFS_SGD_WEIGHT_DECAY, 1},
                          {OFS_SGD_ACCUMULATION, 3}}};
  static writer w;
  write_net(&w, &r);
  ofs_model *m = open_model(&w, NULL);
  m->layers[0].weights[1].momentum = 0.75;
  ofs_plan *p = plan_with_data(m);
  ofs_tensor bias;
  ofs_model_tensor(m, 1, &bias);
  for (int step = 0; step < 4; step++) {
    float before[UNITS];
    memcpy(before, bias.data, sizeof before);
    CHECK_INT(run_step(p, 0, SAMPLES, ALL), OFS_OK);
    const float *g = ofs_plan_gradient(p) + IN * UNITS;
    for (int i = 0; i < UNITS; i++)
      if (!CHECK_NEAR(bias.data[i], 0.75 * before[i] + 0.25 * g[i], 1e-7)) break;
  }
  free(p), free(m);
}

/* ---- beside the formulas ---- */

static ofs_status read_rule(const rule *r, ofs_error *e) {
  static writer w;
  uint64_t bytes;
  write_net(&w, r);
  return ofs_model_bytes(w.bytes, w.n, &bytes, e);
}

static void test_refusals(void) {
  static const struct {
    rule r;
    int field, why;
    double high;
  } refused[] =
      {{{"", OFS_ADAM, {{0, 0.01}, {OFS_ADAM_CLIP_VALUE, 1}, {OFS_ADAM_CLIP_NORM, 1}}},
        OFS_ADAM_CLIP_NORM,
        OFS_WHY_CONFLICT,
        1},
       {{"", OFS_SGD, {{0, 0.01}, {OFS_SGD_CLIP_VALUE, 1}, {OFS_SGD_GLOBAL_CLIP_NORM, 1}}},
        OFS_SGD_GLOBAL_CLIP_NORM,
        OFS_WHY_CONFLICT,
        1},
       {{"", OFS_LION, {{0, 0.01}, {OFS_LION_CLIP_NORM, 1}, {OFS_LION_GLOBAL_CLIP_NORM, 1}}},
        OFS_LION_GLOBAL_CLIP_NORM,
        OFS_WHY_CONFLICT,
        1},
       {{"", OFS_SGD, {{0, 10}, {OFS_SGD_WEIGHT_DECAY, 0.25}}},
        OFS_SGD_WEIGHT_DECAY,
        OFS_WHY_RANGE,
        0.2},
       {{"", OFS_ADAM, {{0, 1e6}, {OFS_ADAM_EPSILON, 1e-11}}}, OFS_ADAM_EPSILON, OFS_WHY_RANGE, 1}};
  ofs_error e;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    CHECK_INT(read_rule(&refused[i].r, &e), OFS_INVALID_SPEC);
    CHECK_INT(e.layer, OFS_IN_OPTIMIZER);
    CHECK_INT(e.field, refused[i].field);
    CHECK_INT(e.reason, refused[i].why);
    CHECK_NEAR(e.high, refused[i].high, 1e-15);
  }
}

/* Names of the vectors that each keeps, in order. */
static void test_names(void) {
  static const struct {
    rule r;
    const char *names;
  } kept[] = {{{"", OFS_SGD, {{0, 1}}}, ""},
              {{"", OFS_SGD, {{0, 1}, {OFS_SGD_MOMENTUM, 0.5}}}, "momentum "},
              {{"", OFS_ADAM, {{0, 1}, {OFS_ADAM_AMSGRAD, 1}}}, "momentum velocity velocity_hat "},
              {{"", OFS_ADAMW, {{0, 1}}}, "momentum velocity "},
              {{"", OFS_NADAM, {{0, 1}}}, "momentum velocity "},
              {{"", OFS_ADAMAX, {{0, 1}}}, "momentum norm "},
              {{"", OFS_RMSPROP, {{0, 1}}}, "velocity "},
              {{"", OFS_RMSPROP, {{0, 1}, {OFS_RMSPROP_CENTERED, 1}}},
               "velocity average_gradient "},
              {{"", OFS_RMSPROP, {{0, 1}, {OFS_RMSPROP_CENTERED, 1}, {OFS_RMSPROP_MOMENTUM, 0.1}}},
               "velocity momentum average_gradient "},
              {{"", OFS_ADAGRAD, {{0, 1}}}, "accumulator "},
              {{"", OFS_ADADELTA, {{0, 1}, {OFS_ADADELTA_USE_EMA, 1}}},
               "accumulated_grad accumulated_delta_var average "},
              {{"", OFS_LION, {{0, 1}, {OFS_LION_ACCUMULATION, 2}}},
               "momentum gradient_accumulator "}};
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    static writer w;
    char names[128] = "";
    write_net(&w, &kept[i].r);
    ofs_model *m = open_model(&w, NULL);
    ofs_tensor t;
    ofs_model_tensor(m, TENSORS - 1, &t);
    uint32_t k = 0;
    for (; ofs_model_moment_name(m, k); k++) {
      strcat(strcat(names, ofs_model_moment_name(m, k)), " ");
      CHECK(t.moment[k] != NULL && (k == 0 || t.moment[k] >= t.moment[k - 1] + t.size));
      for (size_t j = 0; j < t.size; j++)
        CHECK(t.moment[k][j] == (kept[i].r.record == OFS_ADAGRAD ? 0.1f : 0));
    }
    for (; k < OFS_MOMENTS; k++) CHECK(t.moment[k] == NULL);
    CHECK_STR(names, kept[i].names);
    free(m);
  }
}

/* A model that is given another's weights, moments and step goes on as it does; nadam's product of
 * factors follows from the step. So does half the rate, where both have it. */
static void test_goes_on(void) {
  static const rule r = {"nadam",
                         OFS_NADAM,
                         {{0, 0.01}, {OFS_NADAM_ACCUMULATION, 2}, {OFS_NADAM_USE_EMA, 1}}};
  static writer w;
  write_net(&w, &r);
  ofs_model *one = open_model(&w, NULL), *two = open_model(&w, NULL);
  ofs_plan *p = plan_with_data(one), *q = plan_with_data(two);
  for (int step = 0; step < 7; step++) CHECK_INT(run_step(p, 0, SAMPLES, ALL), OFS_OK);
  for (uint32_t i = 0; i < TENSORS; i++) {
    ofs_tensor a, b;
    ofs_model_tensor(one, i, &a), ofs_model_tensor(two, i, &b);
    memcpy(b.data, a.data, a.size * sizeof *a.data);
    for (int k = 0; k < OFS_MOMENTS && a.moment[k]; k++)
      memcpy(b.moment[k], a.moment[k], a.size * sizeof *a.data);
  }
  ofs_model_set_step(two, 7);
  size_t ends[TENSORS], n = tensor_ends(one, ends);
  for (int step = 0; step < 6; step++) {
    if (step == 3) ofs_model_set_rate(one, 0.5), ofs_model_set_rate(two, 0.5);
    CHECK_INT(run_step(p, 0, SAMPLES, ALL), OFS_OK);
    CHECK_INT(run_step(q, 0, SAMPLES, 1), OFS_OK);
    CHECK(memcmp(weights(one), weights(two), n * sizeof(float)) == 0);
  }
  free(p), free(q), free(one), free(two);
}

/* sgd's step is as long as its rate says. */
static void test_rate(void) {
  static const rule r = {"sgd", OFS_SGD, {{OFS_SGD_LEARNING_RATE, 0.5}}},
                    quarter = {"sgd", OFS_SGD, {{0, 0.125}}};
  static writer w;
  write_net(&w, &r);
  ofs_model *one = open_model(&w, NULL);
  write_net(&w, &quarter);
  ofs_model *two = open_model(&w, NULL);
  ofs_plan *p = plan_with_data(one), *q = plan_with_data(two);
  ofs_model_set_rate(one, 0.25);
  for (int step = 0; step < 3; step++)
    CHECK(run_step(p, 0, SAMPLES, ALL) == OFS_OK && run_step(q, 0, SAMPLES, ALL) == OFS_OK);
  size_t ends[TENSORS];
  CHECK(memcmp(weights(one), weights(two), tensor_ends(one, ends) * sizeof(float)) == 0);
  free(p), free(q), free(one), free(two);
}

int main(void) {
  for (int i = 0; i < SAMPLES * IN; i++) x[i] = random_float();
  for (int i = 0; i < SAMPLES * OUT; i++) y[i] = random_float();
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) check_rule(&rules[i]);
  for (int i = 0; i < SAMPLES * IMAGE; i++) pixels[i] = random_float();
  test_penalties(0);
  test_penalties(FROZEN);
  test_norms();
  test_frozen();
  test_statistics();
  test_refusals();
  test_names();
  test_goes_on();
  test_rate();
  return check_report("optimizers");
}
