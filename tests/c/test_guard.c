/* test_guard.c: a step whose loss or gradients are not finite ends before its update: it reports
 * where that began, and the model is unchanged. */
#include "check.h"
#include "spec_writer.h"

#define SAMPLES 6
#define ALL (1ull << 60)

static float x[SAMPLES * 16], y[SAMPLES * 3];
static uint32_t seed = 99;

static float random_float(void) {
  seed = seed * 1664525u + 1013904223u;
  return (float)(int32_t)seed / 2147483648.0f;
}

static void make_data(void) {
  for (int i = 0; i < SAMPLES * 16; i++) x[i] = random_float();
  for (int i = 0; i < SAMPLES * 3; i++) y[i] = random_float();
}

/* conv2d (relu), flatten, dense (tanh or as told), activation, dense: of a 4 x 4 image. */
enum { CONV, FLATTEN, DENSE, ACTIVATION, LAST, LAYERS };

static ofs_model *open_net(int optimizer, int act) {
  static writer w;
  w.n = 0;
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, 4, 4, 1);
  FIELD(&w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
  writer_record(&w, (uint16_t)optimizer);
  writer_record(&w, OFS_CONV2D);
  FIELD(&w, OFS_CONV2D_FILTERS, 5);
  FIELD(&w, OFS_CONV2D_KERNEL_SIZE, 3);
  FIELD(&w, OFS_CONV2D_ACTIVATION, OFS_ACT_RELU);
  writer_record(&w, OFS_FLATTEN);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, 7);
  FIELD(&w, OFS_DENSE_ACTIVATION, act);
  writer_record(&w, OFS_ACTIVATION);
  FIELD(&w, OFS_ACTIVATION_ACTIVATION, OFS_ACT_TANH);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, 3);
  return open_model(&w, NULL);
}

static ofs_plan *plan_with_data(ofs_model *m) {
  ofs_plan *p = open_plan(m, OFS_TRAIN, SAMPLES);
  const ofs_data data = {.x = x, .y = y, .x_type = OFS_F32, .y_type = OFS_F32, .n = SAMPLES};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  return p;
}

/* The kernel of a layer. */
static ofs_tensor kernel_of(ofs_model *m, uint32_t layer) {
  ofs_tensor t = {0};
  for (uint32_t i = 0;
       ofs_model_tensor(m, i, &t) == OFS_OK && (t.layer != layer || t.role != OFS_KERNEL);)
    i++;
  return t;
}

/* All weights and moments, one tensor after the other. */
static size_t copy_state(ofs_model *m, float *to) {
  size_t n = 0;
  ofs_tensor t;
  for (uint32_t i = 0; ofs_model_tensor(m, i, &t) == OFS_OK; i++)
    for (int k = -1; k < OFS_MOMENTS; k++) {
      const float *from = k < 0 ? t.data : t.moment[k];
      if (from) memcpy(to + n, from, t.size * sizeof *to), n += t.size;
    }
  return n;
}

#define STATE 4096

/* A step in slices of `work` trips with this fault, and changes nothing, bad numbers that stand in
 * the model included. */
static void trips(ofs_model *m, ofs_plan *p, uint64_t work, int what, int layer, const char *name) {
  static float before[STATE], after[STATE];
  ofs_model_facts f;
  ofs_fault fault = {-1, -1, 0};
  ofs_model_get_facts(m, &f);
  size_t n = copy_state(m, before);
  CHECK_MSG(run_step(p, 0, SAMPLES, work) == OFS_NON_FINITE, "%s: does not trip", name);
  ofs_step_fault(p, &fault);
  CHECK_MSG(fault.what == what && fault.layer == layer, "%s: what %d, layer %d", name, fault.what,
            fault.layer);
  CHECK_INT(fault.step, f.step + 1);
  CHECK(copy_state(m, after) == n && memcmp(before, after, n * sizeof *before) == 0);
  ofs_model_get_facts(m, &f);
  CHECK_INT(fault.step, f.step + 1);
  CHECK(!ofs_step_updating(p) && ofs_step_run(p, ALL, NULL) == OFS_INVALID_STATE);
}

static const uint64_t slices[] = {1, 1000, 300000, ALL};

/* An element of a kernel that is not finite, or so big that what it makes is not. */
static void test_activations(void) {
  static const struct {
    uint32_t layer;
    int act, began;
    float value;
    const char *name;
  } cases[] = {{CONV, OFS_ACT_TANH, CONV, NAN, "NaN in the convolution"},
               {CONV, OFS_ACT_TANH, CONV, INFINITY, "infinity in the convolution"},
               {DENSE, OFS_ACT_TANH, DENSE, NAN, "NaN in the dense layer"},
               {LAST, OFS_ACT_LINEAR, LAST, 3.4e38f, "a product that overflows"},
               {LAST, OFS_ACT_TANH, LAST, NAN, "NaN in the last layer"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t k = 0; k < sizeof slices / sizeof *slices; k++) {
      ofs_model *m = open_net(k % 2 ? OFS_ADAM : OFS_SGD, cases[i].act);
      ofs_plan *p = plan_with_data(m);
      ofs_tensor t = kernel_of(m, cases[i].layer);
      for (uint64_t j = 0; isfinite(cases[i].value) && j < t.size; j++) t.data[j] = cases[i].value;
      /* so that what comes to the last layer has one sign */
      ofs_tensor dense = kernel_of(m, DENSE);
      for (uint64_t j = 0; isfinite(cases[i].value) && j < dense.size; j++) dense.data[j] = 1;
      float was = t.data[t.size - 1];
      t.data[t.size - 1] = cases[i].value;
      trips(m, p, slices[k], OFS_FAULT_ACTIVATION, cases[i].began, cases[i].name);
      trips(m, p, slices[k], OFS_FAULT_ACTIVATION, cases[i].began, cases[i].name);
      t.data[t.size - 1] = was; /* the plan is usable again */
      for (uint64_t j = 0; isfinite(cases[i].value) && j < t.size; j++) t.data[j] = 0.01f;
      CHECK_INT(run_step(p, 0, SAMPLES, slices[k]), OFS_OK);
      free(p), free(m);
    }
}

/* Nor is anything wrong where what is not finite leads to nothing: tanh makes 1 of it, whose slope
 * is 0. */
static void test_harmless(void) {
  ofs_model *m = open_net(OFS_ADAM, OFS_ACT_LINEAR);
  ofs_plan *p = plan_with_data(m);
  ofs_tensor dense = kernel_of(m, DENSE), conv = kernel_of(m, CONV);
  for (uint64_t j = 0; j < conv.size; j++) conv.data[j] = 10;
  for (uint64_t j = 0; j < dense.size; j++) dense.data[j] = 3.4e38f;
  for (int j = 0; j < SAMPLES * 16; j++) x[j] = 1;
  CHECK_INT(run_step(p, 0, SAMPLES, ALL), OFS_OK);
  for (uint64_t j = 0; j < dense.size; j++) CHECK(isfinite(dense.data[j]));
  free(p), free(m);
  make_data();
}

/* All activations are finite: then it is the loss, or the last layer with a gradient that no moment
 * holds the square of. */
static void test_loss_and_gradients(void) {
  ofs_model *m = open_net(OFS_ADAM, OFS_ACT_TANH);
  ofs_plan *p = plan_with_data(m);
  y[4] = NAN;
  trips(m, p, ALL, OFS_FAULT_LOSS, OFS_IN_MODEL, "a target that is NaN");
  y[4] = 3e18f;
  trips(m, p, 1000, OFS_FAULT_GRADIENT, LAST, "a target out of reach");
  make_data();
  CHECK_INT(run_step(p, 0, SAMPLES, ALL), OFS_OK);
  free(p), free(m);
  /* the gradient of the last layer's weights is small where what it gets is: tanh(0) */
  m = open_net(OFS_SGD, OFS_ACT_LINEAR), p = plan_with_data(m);
  ofs_tensor last = kernel_of(m, LAST), dense = kernel_of(m, DENSE);
  for (uint64_t i = 0; i < dense.size; i++) dense.data[i] = 0;
  for (uint64_t i = 0; i < last.size; i++) last.data[i] = 1e20f;
  trips(m, p, ALL, OFS_FAULT_GRADIENT, DENSE, "a gradient that grows on its way back");
  free(p), free(m);
}

/* A variance that no float holds, of values that are: what is normalized by it is 0, and so is
 * every gradient. */
static void test_statistic(void) {
  static writer w;
  w.n = 0;
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, 16);
  FIELD(&w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
  writer_record(&w, OFS_ADAM);
  writer_record(&w, OFS_BATCH_NORMALIZATION);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, 3);
  ofs_model *m = open_model(&w, NULL);
  ofs_plan *p = plan_with_data(m);
  CHECK_INT(run_step(p, 0, SAMPLES, ALL), OFS_OK);
  for (int i = 0; i < SAMPLES * 16; i++) x[i] *= 1e25f;
  trips(m, p, ALL, OFS_FAULT_STATISTIC, 0, "a variance out of reach");
  make_data();
  CHECK_INT(run_step(p, 0, SAMPLES, ALL), OFS_OK);
  free(p), free(m);
}

/* The limit: a bias's gradient is 2 (prediction - y) / outputs, over all samples and exact here. */
static void test_limit(void) {
  static writer w;
  float one[1] = {0}, target[1] = {0};
  w.n = 0;
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, 1);
  writer_record(&w, OFS_SGD);
  FIELD(&w, OFS_SGD_LEARNING_RATE, 1e-12);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, 1);
  ofs_model *m = open_model(&w, NULL);
  ofs_plan *p = open_plan(m, OFS_TRAIN, 1);
  const ofs_data data = {.x = one, .y = target, .x_type = OFS_F32, .y_type = OFS_F32, .n = 1};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  target[0] = 0.5f * 1e15f;
  CHECK_INT(run_step(p, 0, 1, ALL), OFS_NON_FINITE);
  target[0] = nextafterf(target[0], 0);
  CHECK_INT(run_step(p, 0, 1, ALL), OFS_OK);
  free(p), free(m);
}

/* A run that goes wild ends so, sooner or later, and no weight is ever anything but finite. */
static void test_wild(void) {
  static const int optimizers[] = {OFS_SGD,      OFS_ADAM, OFS_ADAGRAD, OFS_RMSPROP,
                                   OFS_ADADELTA, OFS_LION, OFS_NADAM,   OFS_ADAMAX};
  for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) {
    static writer w;
    static float state[STATE];
    w.n = 0;
    writer_record(&w, OFS_MODEL);
    FIELD(&w, OFS_MODEL_INPUT_SHAPE, 16);
    FIELD(&w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
    writer_record(&w, (uint16_t)optimizers[i]);
    FIELD(&w, OFS_SGD_LEARNING_RATE, 1e6);
    for (int k = 0; k < 3; k++) {
      writer_record(&w, OFS_DENSE);
      FIELD(&w, OFS_DENSE_UNITS, 3);
      FIELD(&w, OFS_DENSE_ACTIVATION, OFS_ACT_LINEAR);
    }
    ofs_model *m = open_model(&w, NULL);
    ofs_plan *p = plan_with_data(m);
    ofs_status s = OFS_OK;
    int steps = 0;
    for (; s == OFS_OK && steps < 300; steps++) {
      s = run_step(p, 0, SAMPLES, ALL);
      for (size_t k = copy_state(m, state); k-- > 0;) CHECK(isfinite(state[k]));
    }
    CHECK_MSG(s == OFS_NON_FINITE || optimizers[i] == OFS_ADADELTA,
              "optimizer %d: %d after %d steps", optimizers[i], s, steps);
    free(p), free(m);
  }
}

/* Between the slices of a replay a step may be dropped, and evaluating is nobody's fault. */
static void test_discard(void) {
  ofs_model *m = open_net(OFS_ADAM, OFS_ACT_TANH);
  ofs_plan *p = plan_with_data(m), *q = open_plan(m, OFS_EVALUATE, SAMPLES);
  const ofs_data data = {.x = x, .y = y, .x_type = OFS_F32, .y_type = OFS_F32, .n = SAMPLES};
  CHECK_INT(ofs_plan_set_data(q, &data, NULL), OFS_OK);
  ofs_tensor t = kernel_of(m, LAST);
  float was = t.data[0];
  const ofs_batch at = {.count = SAMPLES};
  int calls = 0;
  t.data[0] = NAN;
  for (int left = 0; calls == 0 || left < calls; left++) {
    ofs_status s = OFS_MORE;
    CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_OK);
    for (int k = 0; s == OFS_MORE && (calls == 0 || k < left); k++) {
      s = ofs_step_run(p, 1, NULL);
      if (s < 0) calls = k + 1;
    }
    if (s == OFS_MORE) CHECK_INT(ofs_step_discard(p), OFS_OK);
  }
  CHECK(calls > 10);
  CHECK_INT(run_step(q, 0, SAMPLES, ALL), OFS_OK);
  t.data[0] = was;
  CHECK_INT(run_step(p, 0, SAMPLES, 1), OFS_OK);
  free(p), free(q), free(m);
}

int main(void) {
  make_data();
  test_activations();
  test_harmless();
  test_loss_and_gradients();
  test_statistic();
  test_limit();
  test_wild();
  test_discard();
  return check_report("guard");
}
