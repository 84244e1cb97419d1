/* test_training.c: what training means, against formulas written here anew, in double: updates by
 * each optimizer, losses and accuracy, the scaling of uint8 data, initial weights; and that a net
 * learns.
 *
 * The gradient itself is proved in test_gradients.c; here it is taken as given. */
#include "program/plan.h"
#include "check.h"
#include "spec_writer.h"

#define ALL (1ull << 62)

static uint32_t noise = 521288629u;

static float random_float(void) {
  noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
  return (float)(noise >> 8) / 8388608.0f - 1;
}

static void model_record(writer *w, int rank, double a, double b, double c, int loss) {
  const double shape[] = {a, b, c};
  w->n = 0;
  writer_record(w, OFS_MODEL);
  writer_values(w, OFS_MODEL_INPUT_SHAPE, (uint16_t)rank, shape);
  FIELD(w, OFS_MODEL_SEED, 11);
  if (loss >= 0) FIELD(w, OFS_MODEL_LOSS, loss);
}

static void dense(writer *w, int units, int act) {
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, units);
  FIELD(w, OFS_DENSE_ACTIVATION, act);
}

static void activation(writer *w, int act) {
  writer_record(w, OFS_ACTIVATION);
  FIELD(w, OFS_ACTIVATION_ACTIVATION, act);
}

static float *weights(const ofs_model *m) {
  ofs_tensor t;
  CHECK_INT(ofs_model_tensor(m, 0, &t), OFS_OK);
  return t.data; /* kernel and bias of all layers lie one after another */
}

/* ---- optimizers ---- */

typedef struct rule {
  int record;
  double rate, momentum, nesterov, beta1, beta2, epsilon, decay;
} rule;

/* One update as the papers have it: w, and the moments a and b, in place. t counts from 1. */
static double update(const rule *r, double w, double g, double *a, double *b, int t) {
  if (r->record == OFS_SGD) { /* Sutskever et al. 2013, as Keras has it */
    *a = r->momentum * *a - r->rate * g;
    return r->nesterov != 0 ? w + r->momentum * *a - r->rate * g : w + *a;
  }
  /* Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2 with the schedule 1 */
  *a = r->beta1 * *a + (1 - r->beta1) * g;
  *b = r->beta2 * *b + (1 - r->beta2) * g * g;
  double m = *a / (1 - pow(r->beta1, t)), v = *b / (1 - pow(r->beta2, t));
  return w - r->rate * r->decay * w - r->rate * m / (sqrt(v) + r->epsilon);
}

static void write_rule(writer *w, const rule *r) {
  writer_record(w, (uint16_t)r->record);
  FIELD(w, OFS_SGD_LEARNING_RATE, r->rate);
  if (r->record == OFS_SGD) {
    FIELD(w, OFS_SGD_MOMENTUM, r->momentum);
    FIELD(w, OFS_SGD_NESTEROV, r->nesterov);
    return;
  }
  FIELD(w, OFS_ADAM_BETA1, r->beta1);
  FIELD(w, OFS_ADAM_BETA2, r->beta2);
  FIELD(w, OFS_ADAM_EPSILON, r->epsilon);
  if (r->record == OFS_ADAMW) FIELD(w, OFS_ADAMW_WEIGHT_DECAY, r->decay);
}

#define UNITS 37 /* a width that no vector divides */
#define STEPS 30

/* Each step is followed from the weights it started with, so only one step's rounding counts: the
 * new weight's half ulp, 2^-24 |w| (adamw: twice), and of the change a few 2^-24 for each of its
 * ten operations and the moments' own history. A moment forgets at its rate, so its error stays
 * below that of 1 / (1 - beta) sums of terms at most as big as the biggest so far; the change's
 * size is at most about `scale`, and 2^-19 of it is allowed. */
static void check_rule(const rule *r, const char *name) {
  static writer w;
  model_record(&w, 1, 5, 0, 0, OFS_LOSS_MSE);
  write_rule(&w, r);
  dense(&w, UNITS, OFS_ACT_TANH);
  dense(&w, 3, OFS_ACT_LINEAR);
  ofs_model *m = open_model(&w, NULL);
  ofs_plan *p = open_plan(m, OFS_TRAIN, 8);
  ofs_model_facts f;
  ofs_model_get_facts(m, &f);
  float x[8 * 5], y[8 * 3];
  for (int i = 0; i < 40; i++) x[i] = random_float();
  for (int i = 0; i < 24; i++) y[i] = random_float();
  const ofs_data data = {x, y, OFS_F32, OFS_F32, 8, 0, NULL, NULL};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  size_t n = f.parameters;
  double *a = calloc(n, sizeof *a), *b = calloc(n, sizeof *b), scale = 0;
  float *before = check_alloc(n * sizeof *before);
  for (int t = 1; t <= STEPS; t++) {
    memcpy(before, weights(m), n * sizeof *before);
    CHECK_INT(run_step(p, 0, 8, ALL), OFS_OK);
    const float *g = ofs_plan_gradient(p);
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)g[i]));
    scale = fmax(scale, r->record == OFS_SGD ? r->rate * most / (1 - r->momentum) : r->rate * 3);
    for (size_t i = 0; i < n; i++) {
      double want = update(r, before[i], g[i], &a[i], &b[i], t), got = weights(m)[i];
      double tolerance = fabs((double)before[i]) * 0x1p-23 + scale * 0x1p-19;
      if (!CHECK_MSG(fabs(got - want) <= tolerance,
                     "%s: step %d, weight %d of %.9g: %.9g, expected %.9g", name, t, (int)i,
                     (double)before[i], got, want))
        break;
    }
  }
  free(a), free(b), free(before), free(p), free(m);
}

static void test_optimizers(void) {
  static const struct {
    rule r;
    const char *name;
  } rules[] = {{{OFS_SGD, 0.05, 0, 0, 0, 0, 0, 0}, "sgd"},
               {{OFS_SGD, 0.05, 0, 1, 0, 0, 0, 0}, "nesterov without momentum"},
               {{OFS_SGD, 0.02, 0.9, 0, 0, 0, 0, 0}, "momentum"},
               {{OFS_SGD, 0.02, 0.9, 1, 0, 0, 0, 0}, "nesterov"},
               {{OFS_ADAM, 0.001, 0, 0, 0.9, 0.999, 1e-7, 0}, "adam"},
               {{OFS_ADAM, 0.01, 0, 0, 0, 0, 1e-3, 0}, "adam without memory"},
               {{OFS_ADAM, 0.01, 0, 0, 0.5, 0.9, 0.1, 0}, "adam, big epsilon"},
               {{OFS_ADAMW, 0.001, 0, 0, 0.9, 0.999, 1e-7, 0.004}, "adamw"},
               {{OFS_ADAMW, 0.01, 0, 0, 0.8, 0.99, 1e-7, 5}, "adamw, big decay"},
               {{OFS_ADAMW, 0.01, 0, 0, 0.9, 0.999, 1e-7, 0}, "adamw without decay"}};
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) check_rule(&rules[i].r, rules[i].name);
}

/* Moments outlive a plan, and steps count on: two plans in turn do what one does. */
static void test_two_plans(void) {
  static writer w;
  const rule r = {OFS_ADAM, 0.01, 0, 0, 0.9, 0.999, 1e-7, 0};
  float x[8 * 5], y[8 * 3];
  for (int i = 0; i < 40; i++) x[i] = random_float();
  for (int i = 0; i < 24; i++) y[i] = random_float();
  const ofs_data data = {x, y, OFS_F32, OFS_F32, 8, 0, NULL, NULL};
  model_record(&w, 1, 5, 0, 0, OFS_LOSS_MSE);
  write_rule(&w, &r);
  dense(&w, 3, OFS_ACT_TANH);
  ofs_model *one = open_model(&w, NULL), *two = open_model(&w, NULL);
  ofs_plan *p = open_plan(one, OFS_TRAIN, 8);
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  for (int i = 0; i < 6; i++) {
    CHECK_INT(run_step(p, 0, 8, ALL), OFS_OK);
    ofs_plan *q = open_plan(two, OFS_TRAIN, 8);
    CHECK_INT(ofs_plan_set_data(q, &data, NULL), OFS_OK);
    CHECK_INT(run_step(q, 0, 8, 1), OFS_OK);
    free(q);
    CHECK(memcmp(weights(one), weights(two), 18 * sizeof(float)) == 0);
  }
  ofs_model_facts f;
  ofs_model_get_facts(two, &f);
  CHECK_INT(f.step, 6);
  free(p), free(one), free(two);
}

/* ---- losses and accuracy ---- */

typedef struct ending {
  int loss, act, outputs, positions, sparse;
} ending;

/* A sample's loss and correct share from its prediction p and its targets, as Keras defines
 * them. */
static void judge(const ending *e, const float *p, const float *rows, const int32_t *index,
                  double *loss, double *correct) {
  *loss = *correct = 0;
  for (int k = 0; k < e->positions; k++, p += e->outputs) {
    int n = e->outputs, best = 0, target = 0, hits = 0;
    double sum = 0;
    for (int i = 0; i < n; i++) {
      double t = !e->sparse ? rows[k * n + i]
                 : n == 1   ? index[k]
                            : index[k] == i,
             y = p[i], d = fabs(y - t);
      if (e->loss <= OFS_LOSS_CATEGORICAL)
        sum -= t * log(y);
      else if (e->loss == OFS_LOSS_BINARY)
        sum -= (t * log(y) + (1 - t) * log(1 - y)) / n;
      else if (e->loss == OFS_LOSS_MSE)
        sum += d * d / n;
      else if (e->loss == OFS_LOSS_MAE)
        sum += d / n;
      else
        sum += (d <= 1 ? d * d / 2 : d - 0.5) / n;
      if (p[i] > p[best]) best = i;
      if (e->sparse ? index[k] == i : rows[k * n + i] > rows[k * n + target]) target = i;
      /* Keras: the prediction has its threshold, the target is taken as it is */
      hits += t == (y > 0.5);
    }
    *loss += sum / e->positions;
    *correct +=
        (n == 1 || e->loss == OFS_LOSS_BINARY ? (double)hits / n : best == target) / e->positions;
  }
}

#define SAMPLES 50

/* Predictions of float weights lose a cross-entropy some digits near 0 and 1; the weights here keep
 * p within about [0.01, 0.99], where a float's half ulp is 1e-7 of the logarithm, so 1e-5 of the
 * sum is wide. */
static void check_ending(const ending *e, const char *name) {
  static writer w;
  float x[SAMPLES * 12], y[SAMPLES * 12];
  int32_t index[SAMPLES * 4] = {0};
  model_record(&w, 2, e->positions, 3, 0, e->loss);
  writer_record(&w, OFS_SGD);
  dense(&w, e->outputs, e->act);
  ofs_model *m = open_model(&w, NULL);
  if (!CHECK_MSG(m != NULL, "%s is refused", name)) return;
  ofs_plan *p = open_plan(m, OFS_PREDICT, SAMPLES), *q = open_plan(m, OFS_EVALUATE, SAMPLES);
  ofs_plan *train = open_plan(m, OFS_TRAIN, SAMPLES);
  int row = e->positions * e->outputs, one_hot = e->act == OFS_ACT_SOFTMAX;
  for (int i = 0; i < SAMPLES * e->positions * 3; i++) x[i] = random_float();
  for (int i = 0; i < SAMPLES * e->positions; i++) {
    int binary = i % 2 || e->act == OFS_ACT_SIGMOID;
    index[i] = (int32_t)(fabsf(random_float()) * (float)(e->outputs == 1 ? 2 : e->outputs));
    for (int k = 0; k < e->outputs; k++)
      y[i * e->outputs + k] = one_hot  ? (float)(index[i] == k)
                              : binary ? (float)(random_float() > 0)
                                       : random_float() * 2;
  }
  const ofs_data data = {x,       e->sparse ? (void *)index : (void *)y,
                         OFS_F32, e->sparse ? OFS_I32 : OFS_F32,
                         SAMPLES, 0,
                         NULL,    NULL};
  ofs_plan *all[] = {p, q, train};
  for (int i = 0; i < 3; i++) {
    CHECK_INT(ofs_plan_set_data(all[i], &data, NULL), OFS_OK);
    CHECK_INT(run_step(all[i], 0, SAMPLES, 100), OFS_OK);
  }
  double loss = 0, correct = 0, l, c;
  for (int i = 0; i < SAMPLES; i++) {
    judge(e, ofs_plan_output(p, 0) + i * row, y + i * row, index + i * e->positions, &l, &c);
    loss += l, correct += c;
  }
  ofs_totals t, u;
  ofs_step_totals(q, &t), ofs_step_totals(train, &u);
  CHECK_MSG(fabs(t.loss - loss) <= 1e-5 * loss, "%s: loss %.9g, expected %.9g", name, t.loss, loss);
  CHECK_MSG(fabs(t.correct[0] - correct) <= 1e-9 * SAMPLES, "%s: correct %.9g, expected %.9g", name,
            t.correct[0], correct);
  CHECK_INT(t.count, SAMPLES);
  CHECK_MSG(u.loss == t.loss && u.correct[0] == t.correct[0],
            "%s: the training step counts otherwise", name);
  for (int i = 0; i < 3; i++) free(all[i]);
  free(m);
}

static void test_endings(void) {
  for (int positions = 1; positions <= 4; positions += 3)
    for (int loss = OFS_LOSS_SPARSE_CATEGORICAL; loss <= OFS_LOSS_HUBER; loss++)
      for (int outputs = 1; outputs <= 3; outputs++)
        for (int sparse = 0; sparse < 2; sparse++) {
          static const int acts[] = {OFS_ACT_LINEAR, OFS_ACT_SIGMOID, OFS_ACT_SOFTMAX};
          for (int a = 0; a < 3; a++) {
            int act = acts[a];
            if (act == OFS_ACT_SOFTMAX ? outputs == 1 : loss <= OFS_LOSS_CATEGORICAL) continue;
            if (loss == OFS_LOSS_BINARY && act != OFS_ACT_SIGMOID) continue;
            if (sparse && !(act == OFS_ACT_SOFTMAX || (act == OFS_ACT_SIGMOID && outputs == 1)))
              continue;
            char name[120];
            snprintf(name, sizeof name, "loss %d, activation %d, %d outputs, %d positions, %s",
                     loss, act, outputs, positions, sparse ? "indices" : "rows");
            check_ending(&(ending){loss, act, outputs, positions, sparse}, name);
          }
        }
}

/* Logits far from each other, as a net that is sure has them: the loss is their difference, and
 * never infinite. */
static void test_sure(void) {
  static const float big[] = {100, 1000, 30000};
  static writer w;
  for (int k = 0; k < 3; k++)
    for (int binary = 0; binary < 2; binary++) {
      model_record(&w, 1, 2, 0, 0, binary ? OFS_LOSS_BINARY : OFS_LOSS_SPARSE_CATEGORICAL);
      writer_record(&w, OFS_SGD);
      if (binary)
        dense(&w, 1, OFS_ACT_SIGMOID);
      else
        activation(&w, OFS_ACT_SOFTMAX);
      ofs_model *m = open_model(&w, NULL);
      ofs_plan *p = open_plan(m, OFS_EVALUATE, 2);
      if (binary) weights(m)[0] = 1, weights(m)[1] = 0, weights(m)[2] = 0;
      const float x[] = {binary ? -big[k] : big[k], 0, binary ? -big[k] : big[k], 0};
      const int32_t y[] = {0, 1};
      const ofs_data data = {x, y, OFS_F32, OFS_I32, 2, 0, NULL, NULL};
      CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
      CHECK_INT(run_step(p, 0, 2, ALL), OFS_OK);
      ofs_totals t;
      ofs_step_totals(p, &t);
      CHECK_NEAR(t.loss, big[k], 1e-5);
      CHECK(t.correct[0] == 1);
      free(p), free(m);
    }
}

/* ---- uint8 ---- */

static void test_uint8(void) {
  static const double scales[][2] = {{1, 0},       {1.0 / 255, 0}, {2.0 / 255, -1},
                                     {-0.1, 12.7}, {0, 3},         {1e30, -1e30}};
  static writer w;
  static uint8_t bytes[4 * 257];
  static float x[4 * 257];
  for (int i = 0; i < 4 * 257; i++)
    bytes[i] = (uint8_t)(i < 256 ? i : (int)(random_float() * 128) + 128);
  for (int s = 0; s < 6; s++) {
    for (int i = 0; i < 4 * 257; i++) { /* in float, rounded after each operation */
      float product = (float)bytes[i] * (float)scales[s][0];
      x[i] = product + (float)scales[s][1];
    }
    model_record(&w, 1, 257, 0, 0, -1);
    FIELD(&w, OFS_MODEL_INPUT_SCALE, scales[s][0]);
    FIELD(&w, OFS_MODEL_INPUT_OFFSET, scales[s][1]);
    writer_record(&w, OFS_SGD);
    writer_record(&w, OFS_FLATTEN);
    ofs_model *m = open_model(&w, NULL);
    ofs_plan *p = open_plan(m, OFS_PREDICT, 4);
    const ofs_data small = {bytes, NULL, OFS_U8, OFS_NONE, 4, 0, NULL, NULL},
                   wide = {x, NULL, OFS_F32, OFS_NONE, 4, 0, NULL, NULL};
    CHECK_INT(ofs_plan_set_data(p, &small, NULL), OFS_OK);
    CHECK_INT(run_step(p, 0, 4, 1), OFS_OK);
    CHECK(memcmp(ofs_plan_output(p, 0), x, sizeof x) == 0);
    CHECK_INT(ofs_plan_set_data(p, &wide, NULL), OFS_OK); /* floats are not scaled */
    CHECK(ofs_plan_output(p, 0) == NULL);                 /* the last output was of other data */
    CHECK_INT(run_step(p, 0, 4, 1), OFS_OK);
    CHECK(memcmp(ofs_plan_output(p, 0), x, sizeof x) == 0);
    free(p), free(m);
  }
}

/* ---- initial weights ---- */

/* Mean and deviation of n draws stray by deviation / sqrt(n) and deviation / sqrt(2 n); six of them
 * are allowed, which one draw in 10^8 exceeds, and the seed is fixed. */
static void check_draws(const float *v, size_t n, double deviation, double limit,
                        const char *name) {
  double sum = 0, squares = 0, most = 0;
  for (size_t i = 0; i < n; i++)
    sum += v[i], squares += (double)v[i] * v[i], most = fmax(most, fabs((double)v[i]));
  CHECK_MSG(fabs(sum / n) <= 6 * deviation / sqrt((double)n), "%s: mean %g", name, sum / n);
  CHECK_MSG(fabs(sqrt(squares / n) - deviation) <= 6 * deviation / sqrt(2.0 * n),
            "%s: deviation %g, expected %g", name, sqrt(squares / n), deviation);
  CHECK_MSG(most <= limit * (1 + 1e-6) && most >= limit * 0.97, "%s: at most %g, expected %g", name,
            most, limit);
}

/* Glorot & Bengio 2010, He et al. 2015, LeCun et al. 1998; the normal ones are cut at two
 * deviations of what is drawn, which is wide enough to leave the variance; random ones as Keras has
 * them: 0.05. */
static void test_initializers(void) {
  const double in = 3 * 3 * 30, out = 3 * 3 * 60, cut = 0.87962566103423978, third = sqrt(3);
  const struct {
    int init;
    double deviation, times;
  } kinds[] = {{OFS_INIT_GLOROT_UNIFORM, sqrt(2 / (in + out)), third},
               {OFS_INIT_GLOROT_NORMAL, sqrt(2 / (in + out)), 2 / cut},
               {OFS_INIT_HE_UNIFORM, sqrt(2 / in), third},
               {OFS_INIT_HE_NORMAL, sqrt(2 / in), 2 / cut},
               {OFS_INIT_LECUN_UNIFORM, sqrt(1 / in), third},
               {OFS_INIT_LECUN_NORMAL, sqrt(1 / in), 2 / cut},
               {OFS_INIT_RANDOM_UNIFORM, 0.05 / third, third},
               {OFS_INIT_TRUNCATED_NORMAL, 0.05 * cut, 2 / cut}};
  static writer w;
  for (int i = 0; i < 8; i++) {
    model_record(&w, 3, 4, 4, 30, -1);
    writer_record(&w, OFS_SGD);
    writer_record(&w, OFS_CONV2D);
    FIELD(&w, OFS_CONV2D_FILTERS, 60);
    FIELD(&w, OFS_CONV2D_KERNEL_SIZE, 3);
    FIELD(&w, OFS_CONV2D_KERNEL_INIT, kinds[i].init);
    FIELD(&w, OFS_CONV2D_BIAS_INIT, OFS_INIT_ONES);
    ofs_model *m = open_model(&w, NULL);
    char name[40];
    snprintf(name, sizeof name, "initializer %d", kinds[i].init);
    check_draws(weights(m), 9 * 30 * 60, kinds[i].deviation, kinds[i].deviation * kinds[i].times,
                name);
    for (int k = 0; k < 60; k++) CHECK(weights(m)[9 * 30 * 60 + k] == 1);
    free(m);
  }
  /* a normal has no limit; five deviations are about right for 20,000 */
  model_record(&w, 1, 100, 0, 0, -1);
  writer_record(&w, OFS_SGD);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, 200);
  FIELD(&w, OFS_DENSE_KERNEL_INIT, OFS_INIT_RANDOM_NORMAL);
  ofs_model *m = open_model(&w, NULL);
  double most = 0;
  for (int i = 0; i < 20000; i++) most = fmax(most, fabs((double)weights(m)[i]));
  check_draws(weights(m), 20000, 0.05, most, "randomNormal");
  CHECK(most > 0.05 * 3.5 && most < 0.05 * 6);
  for (int k = 0; k < 200; k++) CHECK(weights(m)[20000 + k] == 0);
  free(m);
}

/* Opens a dense of (rows, columns) whose kernel has this initializer, with its options. */
static ofs_model *open_kernel(int rows, int columns, uint16_t count, const double *initializer) {
  static writer w;
  model_record(&w, 1, rows, 0, 0, -1);
  writer_record(&w, OFS_ADAM);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, columns);
  writer_values(&w, OFS_DENSE_KERNEL_INIT, count, initializer);
  return open_model(&w, NULL);
}

/* Does so for a kernel of (100, 200), and checks what is drawn, its middle taken off. */
static void check_options(double deviation, double middle, double limit, uint16_t count,
                          const double *initializer, const char *name) {
  static float v[100 * 200];
  ofs_model *m = open_kernel(100, 200, count, initializer);
  for (int i = 0; i < 20000; i++) v[i] = (float)(weights(m)[i] - middle);
  if (limit == 0) /* a normal: five deviations are about right for 20,000 */
    for (int i = 0; i < 20000; i++) limit = fmax(limit, fabs((double)v[i]));
  CHECK_MSG(limit > deviation && limit < 6 * deviation, "%s: at most %g", name, limit);
  check_draws(v, 20000, deviation, limit, name);
  free(m);
}

/* Each option of each initializer, away from its default, as Keras 3 has it. */
static void test_initializer_options(void) {
  const double cut = 0.87962566103423978, third = sqrt(3);
  check_options(2.5 / third, 0.5, 2.5, 3, (double[]){OFS_INIT_RANDOM_UNIFORM, -2, 3}, "-2 to 3");
  check_options(0.5 / third, 7.5, 0.5, 3, (double[]){OFS_INIT_RANDOM_UNIFORM, 7, 8}, "7 to 8");
  check_options(0.2, 3, 0, 3, (double[]){OFS_INIT_RANDOM_NORMAL, 3, 0.2}, "normal 3, 0.2");
  check_options(2 * cut, -1, 4, 3, (double[]){OFS_INIT_TRUNCATED_NORMAL, -1, 2}, "cut -1, 2");
  const double fans[] = {[OFS_FAN_IN] = 100, [OFS_FAN_OUT] = 200, [OFS_FAN_AVG] = 150};
  for (int mode = 0; mode < 3; mode++)
    for (int k = 0; k < 2; k++) {
      const double scale = k ? 3 : 0.25, d = sqrt(scale / fans[mode]);
      char name[60];
      snprintf(name, sizeof name, "varianceScaling %g by fan %d", scale, mode);
      check_options(d, 0, d * third, 4,
                    (double[]){OFS_INIT_VARIANCE_SCALING, scale, mode, OFS_DISTRIBUTION_UNIFORM},
                    name);
      check_options(d, 0, 0, 4,
                    (double[]){OFS_INIT_VARIANCE_SCALING, scale, mode, OFS_DISTRIBUTION_NORMAL},
                    name);
      check_options(d, 0, d * 2 / cut, 4,
                    (double[]){OFS_INIT_VARIANCE_SCALING, scale, mode, OFS_DISTRIBUTION_TRUNCATED},
                    name);
    }
  ofs_model *m = open_kernel(9, 7, 2, (double[]){OFS_INIT_CONSTANT, -7.5});
  for (int i = 0; i < 63; i++) CHECK(weights(m)[i] == -7.5f);
  free(m);
  for (int side = 0; side < 2; side++) {
    const int rows = side ? 9 : 7, columns = side ? 7 : 9;
    m = open_kernel(rows, columns, 2, (double[]){OFS_INIT_IDENTITY, -1.5});
    for (int i = 0; i < 63; i++)
      CHECK(weights(m)[i] == (i / columns == i % columns ? -1.5f : 0.0f));
    free(m);
  }
}

/* The shorter side's vectors of (rows, columns) are orthogonal, and as long as the gain: q[i] .
 * q[j] is 0, or its square where i is j. A vector is rounded with each vector before it, twice, by
 * half an ulp of itself: some 2 * sqrt(2 * count) times 2^-24 in a scalar product of two unit
 * vectors, five times that at the most. */
static void check_orthogonal(const float *q, size_t rows, size_t columns, double gain,
                             const char *name) {
  size_t count = rows < columns ? rows : columns, length = rows < columns ? columns : rows;
  size_t next = rows < columns ? columns : 1, step = rows < columns ? 1 : columns;
  double worst = 0, positive = 0, square = gain * gain;
  for (size_t i = 0; i < count; i++)
    for (size_t j = 0; j <= i; j++) {
      double sum = 0;
      for (size_t k = 0; k < length; k++)
        sum += (double)q[i * next + k * step] * q[j * next + k * step];
      worst = fmax(worst, fabs(sum - (i == j ? square : 0)));
    }
  CHECK_MSG(worst <= square * 10 * sqrt(2.0 * (double)count) * 0x1p-24, "%s: off by %g", name,
            worst);
  if (gain == 0) return;
  for (size_t i = 0; i < rows * columns; i++) positive += q[i] > 0;
  double all = (double)(rows * columns); /* signs are even, but for five deviations */
  CHECK_MSG(fabs(positive - all / 2) <= 2.5 * sqrt(all), "%s: %g of %g are positive", name,
            positive, all);
}

static void test_orthogonal(void) {
  static const struct {
    int rows, columns;
  } sizes[] = {{1, 1}, {5, 1}, {1, 7}, {6, 6}, {64, 64}, {90, 31}, {31, 90}};
  const double gains[] = {1, sqrt(2), 2, 5.0 / 3, 0.5, 1e-3, 1e6, -1.5, 0};
  char name[80];
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (size_t k = 0; k <= sizeof gains / sizeof *gains; k++) {
      const double gain = k ? gains[k - 1] : 1, given[] = {OFS_INIT_ORTHOGONAL, gain};
      ofs_model *m = open_kernel(sizes[i].rows, sizes[i].columns, k ? 2 : 1, given);
      snprintf(name, sizeof name, "orthogonal %d x %d, gain %g", sizes[i].rows, sizes[i].columns,
               gain);
      check_orthogonal(weights(m), (size_t)sizes[i].rows, (size_t)sizes[i].columns, gain, name);
      free(m);
    }
}

/* Keras's tensors, in its order: kernel, recurrent kernel (orthogonal), bias (zeros, forget gates
 * at 1). */
static void test_recurrent_weights(void) {
  enum { IN = 5, STATE = 24 };
  static writer w;
  for (int type = OFS_LSTM; type <= OFS_GRU; type++)
    for (int forget = 0; forget < 2; forget++) {
      const uint32_t n = (type == OFS_LSTM ? 4 : 3) * STATE, rows = type == OFS_LSTM ? 1 : 2;
      model_record(&w, 2, 4, IN, 0, -1);
      writer_record(&w, OFS_ADAM);
      writer_record(&w, (uint16_t)type);
      FIELD(&w, OFS_LSTM_UNITS, STATE);
      if (type == OFS_LSTM && !forget) FIELD(&w, OFS_LSTM_UNIT_FORGET_BIAS, 0);
      ofs_model *m = open_model(&w, NULL);
      ofs_tensor kernel, recurrent, bias;
      CHECK_INT(ofs_model_tensors(m), 3);
      CHECK_INT(ofs_model_tensor(m, 0, &kernel), OFS_OK);
      CHECK_INT(ofs_model_tensor(m, 1, &recurrent), OFS_OK);
      CHECK_INT(ofs_model_tensor(m, 2, &bias), OFS_OK);
      CHECK_INT(ofs_model_tensor(m, 3, &bias), OFS_INVALID_ARGUMENT);
      CHECK(kernel.role == OFS_KERNEL && kernel.rank == 2 && kernel.dims[0] == IN &&
            kernel.dims[1] == n);
      CHECK(recurrent.role == OFS_RECURRENT_KERNEL && recurrent.rank == 2 &&
            recurrent.dims[0] == STATE && recurrent.dims[1] == n);
      CHECK(bias.role == OFS_BIAS && bias.rank == rows && bias.dims[rows - 1] == n &&
            bias.size == rows * n);
      CHECK(recurrent.data == kernel.data + kernel.size &&
            bias.data == recurrent.data + recurrent.size);
      check_draws(kernel.data, kernel.size, sqrt(2.0 / (IN + n)), sqrt(6.0 / (IN + n)),
                  "a recurrent layer's kernel");
      check_orthogonal(recurrent.data, STATE, n, 1, "a recurrent kernel");
      for (uint32_t i = 0; i < bias.size; i++)
        CHECK(bias.data[i] == (type == OFS_LSTM && forget && i / STATE == 1 ? 1 : 0));
      ofs_layer_info info;
      CHECK_INT(ofs_model_layer(m, 0, &info), OFS_OK);
      CHECK_INT(info.parameters, kernel.size + recurrent.size + bias.size);
      free(m);
    }
}

/* Slices make no difference, seeds do, and no two tensors are alike. */
static void test_seeds(void) {
  static writer w;
  static const double seeds[] = {0, 1, 4294967296.0, 9007199254740991.0};
  float *first[4];
  for (int s = 0; s < 4; s++) {
    w.n = 0;
    writer_record(&w, OFS_MODEL);
    FIELD(&w, OFS_MODEL_INPUT_SHAPE, 20);
    FIELD(&w, OFS_MODEL_SEED, seeds[s]);
    writer_record(&w, OFS_ADAM);
    for (int i = 0; i < 3; i++) {
      writer_record(&w, OFS_DENSE);
      FIELD(&w, OFS_DENSE_UNITS, 20);
      FIELD(&w, OFS_DENSE_USE_BIAS, 0);
      FIELD(&w, OFS_DENSE_KERNEL_INIT,
            i < 2   ? OFS_INIT_GLOROT_UNIFORM
            : s % 2 ? OFS_INIT_HE_NORMAL
                    : OFS_INIT_ORTHOGONAL);
    }
    first[s] = check_alloc(1200 * sizeof(float));
    for (uint64_t work = 1; work < ALL; work *= 1000) {
      uint64_t bytes = 0;
      ofs_model *m;
      CHECK_INT(ofs_model_bytes(w.bytes, w.n, &bytes, NULL), OFS_OK);
      void *block = block_of(bytes);
      memset(block, 0xa5, bytes);
      CHECK_INT(ofs_model_init(block, bytes, w.bytes, w.n, &m, NULL), OFS_OK);
      int calls = 1;
      while (ofs_model_randomize(m, work) == OFS_MORE) calls++;
      CHECK(work > 1 ? calls < 1200 : calls > 1000);
      for (int k = 0; k < 1200; k++)
        CHECK(m->optimizer.moment[0][k] == 0 && m->optimizer.moment[1][k] == 0);
      if (work == 1) memcpy(first[s], weights(m), 1200 * sizeof(float));
      CHECK(memcmp(first[s], weights(m), 1200 * sizeof(float)) == 0);
      free(block);
    }
    CHECK(memcmp(first[s], first[s] + 400, 400 * sizeof(float)) != 0);
    for (int k = 0; k < s; k++) CHECK(memcmp(first[s], first[k], 1200 * sizeof(float)) != 0);
  }
  for (int s = 0; s < 4; s++) free(first[s]);
}

/* ---- learning ---- */

/* Three clouds in the plane: the loss of every fifth epoch is below the one before, and in the end
 * all are right. */
static void check_learning(int optimizer, double rate) {
  static writer w;
  float x[90 * 2];
  int32_t y[90];
  for (int i = 0; i < 90; i++) {
    y[i] = i % 3;
    x[2 * i] = cosf((float)y[i] * 2.0944f) * 2 + random_float() * 0.8f;
    x[2 * i + 1] = sinf((float)y[i] * 2.0944f) * 2 + random_float() * 0.8f;
  }
  model_record(&w, 1, 2, 0, 0, OFS_LOSS_SPARSE_CATEGORICAL);
  writer_record(&w, (uint16_t)optimizer);
  FIELD(&w, OFS_SGD_LEARNING_RATE, rate);
  dense(&w, 16, OFS_ACT_RELU);
  dense(&w, 3, OFS_ACT_SOFTMAX);
  ofs_model *m = open_model(&w, NULL);
  ofs_plan *p = open_plan(m, OFS_TRAIN, 16);
  const ofs_data data = {x, y, OFS_F32, OFS_I32, 90, 0, NULL, NULL};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  double last = 1e9, correct = 0;
  for (uint64_t epoch = 0; epoch < 30; epoch++) {
    double loss = 0;
    correct = 0;
    for (uint32_t first = 0; first < 90; first += 16) {
      const ofs_batch at = {.first = first,
                            .n = 90,
                            .count = first < 80 ? 16 : 10,
                            .shuffle = 1,
                            .epoch = epoch};
      ofs_totals t;
      CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_OK);
      CHECK_INT(ofs_step_run(p, ALL, NULL), OFS_OK);
      ofs_step_totals(p, &t);
      loss += t.loss, correct += t.correct[0];
    }
    if (epoch % 5 || epoch == 0) continue;
    CHECK_MSG(loss < last, "optimizer %d, epoch %d: loss %g after %g", optimizer, (int)epoch,
              loss / 90, last / 90);
    last = loss;
  }
  CHECK_MSG(correct == 90, "optimizer %d: %g of 90 are right", optimizer, correct);
  free(p), free(m);
}

int main(void) {
  test_optimizers();
  test_two_plans();
  test_endings();
  test_sure();
  test_uint8();
  test_initializers();
  test_initializer_options();
  test_orthogonal();
  test_recurrent_weights();
  test_seeds();
  check_learning(OFS_SGD, 0.1);
  check_learning(OFS_ADAM, 0.02);
  check_learning(OFS_ADAMW, 0.02);
  return check_report("training");
}
