/* test_program.c: a step is the same however it is run: in one go, part by part, begun again after a discard, with
 * predictions in between; and only states between steps can be seen. Calls out of sequence get a status and change
 * nothing.
 *
 * "The same" is the same bits of every weight, output and total. */
#include "check.h"
#include "spec_writer.h"

#define ALL (1ull << 62) /* more work than any step has */

static uint32_t noise = 88172645u;

static uint32_t random_word(void) {
  noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
  return noise;
}

static float random_float(void) { return (float)(random_word() >> 8) / 8388608.0f - 1; }

static void conv(writer *w, int filters, int kernel, int stride, int pad, int act) {
  writer_record(w, OFS_CONV2D);
  FIELD(w, OFS_CONV2D_FILTERS, filters);
  FIELD(w, OFS_CONV2D_KERNEL_SIZE, kernel);
  FIELD(w, OFS_CONV2D_STRIDES, stride);
  FIELD(w, OFS_CONV2D_PADDING, pad);
  FIELD(w, OFS_CONV2D_ACTIVATION, act);
}

static void dense(writer *w, int units, int act) {
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, units);
  FIELD(w, OFS_DENSE_ACTIVATION, act);
}

static void dropout(writer *w, double rate) {
  writer_record(w, OFS_DROPOUT);
  FIELD(w, OFS_DROPOUT_RATE, rate);
}

static void activation(writer *w, int act) {
  writer_record(w, OFS_ACTIVATION);
  FIELD(w, OFS_ACTIVATION_ACTIVATION, act);
}

/* One of every layer, 14 x 14 x 2 to 5 classes, big enough that operations have several parts: dense 1024 alone has
 * 200,000 weights, an update in two parts. */
static void every_layer(writer *w, int optimizer) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 14, 14, 2);
  FIELD(w, OFS_MODEL_SEED, 4294967296.0 * 3 + 42);
  writer_record(w, (uint16_t)optimizer);
  FIELD(w, OFS_SGD_LEARNING_RATE, 0.003);
  if (optimizer == OFS_SGD) FIELD(w, OFS_SGD_MOMENTUM, 0.9);
  conv(w, 24, 3, 1, OFS_PAD_SAME, OFS_ACT_RELU);
  writer_record(w, OFS_MAX_POOLING2D);
  FIELD(w, OFS_MAX_POOL_SIZE, 3);
  FIELD(w, OFS_MAX_POOL_STRIDES, 2);
  conv(w, 20, 3, 2, OFS_PAD_SAME, OFS_ACT_GELU);
  dropout(w, 0.25);
  writer_record(w, OFS_AVERAGE_POOLING2D);
  FIELD(w, OFS_AVG_POOL_SIZE, 2, 1);
  conv(w, 32, 1, 1, OFS_PAD_VALID, OFS_ACT_SWISH);
  activation(w, OFS_ACT_ELU);
  writer_record(w, OFS_RESHAPE);
  FIELD(w, OFS_RESHAPE_TARGET_SHAPE, 3, 32);
  dense(w, 40, OFS_ACT_SOFTMAX);
  writer_record(w, OFS_FLATTEN);
  dense(w, 1024, OFS_ACT_TANH);
  dense(w, 200, OFS_ACT_SELU);
  dropout(w, 0.5);
  dense(w, 5, OFS_ACT_SOFTMAX);
}

#define SAMPLES 40
#define INPUTS (14 * 14 * 2)
#define BATCH 16

static float images[SAMPLES * INPUTS];
static int32_t labels[SAMPLES];
static const ofs_data data = {images, labels, OFS_F32, OFS_I32, SAMPLES};

static void make_data(void) {
  for (int i = 0; i < SAMPLES; i++) labels[i] = (int32_t)(random_word() % 5);
  for (int i = 0; i < SAMPLES * INPUTS; i++) images[i] = random_float() + (float)labels[i / INPUTS] * 0.3f;
}

/* ---- what is compared ---- */

static uint64_t parameters_of(const ofs_model *m) {
  ofs_model_facts f;
  ofs_model_get_facts(m, &f);
  return f.parameters;
}

static uint64_t step_of(const ofs_model *m) {
  ofs_model_facts f;
  ofs_model_get_facts(m, &f);
  return f.step;
}

/* All weights, in order; free() them. */
static float *weights_of(const ofs_model *m) {
  float *all = check_alloc(parameters_of(m) * sizeof *all), *to = all;
  for (uint32_t i = 0; i < ofs_model_tensors(m); i++) {
    ofs_tensor t;
    CHECK_INT(ofs_model_tensor(m, i, &t), OFS_OK);
    memcpy(to, t.data, t.size * sizeof *to);
    to += t.size;
  }
  CHECK_INT(to - all, parameters_of(m));
  return all;
}

static int same_weights(const ofs_model *m, const float *want) {
  float *got = weights_of(m);
  int same = memcmp(got, want, parameters_of(m) * sizeof *got) == 0;
  free(got);
  return same;
}

/* An epoch in batches of BATCH, the last one partial; work(i) units are asked for at the i-th call. */
typedef uint64_t (*slicing)(uint32_t call);

static uint64_t whole(uint32_t call) { return (void)call, ALL; }
static uint64_t parts(uint32_t call) { return (void)call, 1; }
static uint64_t nothing(uint32_t call) { return (void)call, 0; }
static uint64_t uneven(uint32_t call) { return call % 3 == 0 ? 1 : 1u << (call * 7 % 25); }

typedef struct trace {
  double loss, correct;
  uint64_t work, calls;
} trace;

static trace train_epoch(ofs_plan *p, uint64_t epoch, slicing work) {
  trace t = {0};
  for (uint64_t first = 0; first < SAMPLES; first += BATCH) {
    uint32_t left = (uint32_t)(SAMPLES - first);
    const ofs_batch at = {.first = first, .n = SAMPLES, .count = left < BATCH ? left : BATCH, .shuffle = 1, .epoch = epoch};
    CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_OK);
    ofs_status s = OFS_MORE;
    for (uint32_t call = 0; s == OFS_MORE; call++) {
      uint64_t asked = work(call), done = 0;
      s = ofs_step_run(p, asked, &done);
      CHECK(done > 0);
      t.work += done;
      t.calls++;
    }
    CHECK_INT(s, OFS_OK);
    ofs_totals totals;
    ofs_step_totals(p, &totals);
    CHECK_INT(totals.count, at.count);
    t.loss += totals.loss;
    t.correct += totals.correct;
  }
  return t;
}

static void test_slices(void) {
  static const slicing how[] = {whole, parts, nothing, uneven};
  static const int optimizers[] = {OFS_SGD, OFS_ADAM, OFS_ADAMW};
  static writer w;
  for (int o = 0; o < 3; o++) {
    float *want = NULL;
    trace first = {0};
    every_layer(&w, optimizers[o]);
    for (int k = 0; k < 4; k++) {
      ofs_model *m = open_model(&w, NULL);
      ofs_plan *p = open_plan(m, OFS_TRAIN, BATCH);
      CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
      trace t = {0};
      for (uint64_t epoch = 0; epoch < 2; epoch++) t = train_epoch(p, epoch, how[k]);
      CHECK_INT(step_of(m), 6);
      if (k == 0) {
        want = weights_of(m);
        first = t;
        CHECK_INT(t.calls, 3);
        CHECK(isfinite(t.loss) && t.loss > 0 && t.correct >= 0 && t.correct <= SAMPLES);
      } else {
        CHECK_MSG(same_weights(m, want), "optimizer %d, slicing %d: other weights", optimizers[o], k);
        CHECK(t.loss == first.loss && t.correct == first.correct && t.work == first.work);
        CHECK(t.calls > 3);
      }
      if (how[k] == parts) CHECK_MSG(t.calls > 3 * 50, "only %d parts", (int)t.calls);
      free(p), free(m);
    }
    free(want);
  }
}

/* ---- discarding ---- */

/* After every possible number of parts: the weights are those before, and the step done anew gives what it gives. */
static void test_discard(void) {
  static writer w;
  every_layer(&w, OFS_ADAM);
  ofs_model *m = open_model(&w, NULL);
  ofs_plan *p = open_plan(m, OFS_TRAIN, BATCH);
  CHECK_INT(ofs_step_discard(p), OFS_OK); /* of nothing: no effect */
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  CHECK_INT(run_step(p, 0, BATCH, ALL), OFS_OK);
  float *before = weights_of(m);
  ofs_model *twin = open_model(&w, NULL);
  ofs_plan *q = open_plan(twin, OFS_TRAIN, BATCH);
  CHECK_INT(ofs_plan_set_data(q, &data, NULL), OFS_OK);
  CHECK_INT(run_step(q, 0, BATCH, ALL), OFS_OK);
  CHECK_INT(run_step(q, BATCH, BATCH, ALL), OFS_OK);
  float *after = weights_of(twin);
  const ofs_batch at = {.first = BATCH, .count = BATCH};
  int tries = 0, ended = 0;
  while (!ended) {
    CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_OK);
    for (int part = 0; part < tries && !ended; part++) {
      CHECK_INT(ofs_step_run(p, 1, NULL), OFS_MORE);
      ended = ofs_step_updating(p);
    }
    if (ended) break;
    if (!CHECK(same_weights(m, before) && step_of(m) == 1)) break;
    if (tries % 2) CHECK_INT(ofs_step_discard(p), OFS_OK); /* else the next begin discards it */
    tries++;
  }
  CHECK_MSG(tries > 50, "%d parts before the update", tries);
  /* within the update: nothing can be dropped, and the weights are between two steps */
  ofs_error e;
  CHECK(!same_weights(m, before) && !same_weights(m, after));
  CHECK_INT(ofs_step_discard(p), OFS_INVALID_STATE);
  CHECK_INT(ofs_step_begin(p, &at, &e), OFS_INVALID_STATE);
  CHECK_INT(e.status, OFS_INVALID_STATE);
  CHECK_INT(ofs_plan_set_data(p, &data, &e), OFS_INVALID_STATE);
  CHECK_INT(step_of(m), 1);
  CHECK_INT(ofs_step_run(p, ALL, NULL), OFS_OK);
  CHECK(!ofs_step_updating(p) && same_weights(m, after) && step_of(m) == 2);
  CHECK_INT(ofs_step_discard(p), OFS_OK); /* a committed step stays */
  CHECK(same_weights(m, after));
  free(before), free(after), free(p), free(q), free(m), free(twin);
}

/* ---- predicting in between ---- */

static float *predict(ofs_plan *p) {
  float *y = check_alloc(SAMPLES * 5 * sizeof *y);
  CHECK_INT(run_step(p, 0, SAMPLES, 1000), OFS_OK);
  const float *at = ofs_plan_output(p);
  if (CHECK(at != NULL)) memcpy(y, at, SAMPLES * 5 * sizeof *y);
  return y;
}

static void test_predict_between(void) {
  static writer w;
  every_layer(&w, OFS_ADAM);
  ofs_model *m = open_model(&w, NULL), *alone = open_model(&w, NULL);
  ofs_plan *p = open_plan(m, OFS_TRAIN, BATCH), *only = open_plan(alone, OFS_TRAIN, BATCH);
  ofs_plan *q = open_plan(m, OFS_PREDICT, SAMPLES), *v = open_plan(m, OFS_EVALUATE, 7);
  const ofs_data unlabelled = {images, NULL, OFS_F32, OFS_NONE, SAMPLES};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  CHECK_INT(ofs_plan_set_data(only, &data, NULL), OFS_OK);
  CHECK_INT(ofs_plan_set_data(v, &data, NULL), OFS_OK);
  CHECK_INT(ofs_plan_set_data(q, &unlabelled, NULL), OFS_OK);
  float *before = predict(q);
  for (int i = 0; i < SAMPLES; i++) {
    double sum = 0;
    for (int k = 0; k < 5; k++) sum += before[i * 5 + k];
    CHECK_NEAR(sum, 1, 1e-6);
  }
  const ofs_batch at = {.count = BATCH};
  CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_OK);
  ofs_status s = OFS_MORE;
  for (int part = 0; s == OFS_MORE; part++) {
    if (part % 20 == 0 && !ofs_step_updating(p)) { /* a new plan too: measuring uses the model's scratch */
      float *y = predict(q);
      CHECK_MSG(memcmp(y, before, SAMPLES * 5 * sizeof *y) == 0, "a prediction after %d parts sees them", part);
      free(y);
      CHECK_INT(run_step(v, 3, 7, 1), OFS_OK);
      ofs_plan *another = open_plan(m, OFS_PREDICT, 1 + (uint32_t)part);
      free(another);
    }
    s = ofs_step_run(p, 1, NULL);
  }
  CHECK_INT(s, OFS_OK);
  float *y = predict(q);
  CHECK(memcmp(y, before, SAMPLES * 5 * sizeof *y) != 0);
  CHECK_INT(step_of(m), 1);
  CHECK_INT(run_step(only, 0, BATCH, ALL), OFS_OK); /* and the step does not notice */
  float *want = weights_of(alone);
  CHECK(same_weights(m, want));
  free(y), free(before), free(want), free(p), free(q), free(v), free(only), free(m), free(alone);
}

int main(void) {
  make_data();
  test_slices();
  test_discard();
  test_predict_between();
  return check_report("program");
}
