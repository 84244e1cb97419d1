/* test_run.c: a step is the same however it is run: in one go, part by part, begun again after
 * a discard, with predictions in between; and only states between steps can be seen. Calls out of
 * sequence get a status and change nothing.
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

/* One of every layer, 14 x 14 x 2 to 5 classes, big enough that operations have several parts:
 * dense 1024 alone has 200,000 weights, an update in two parts. */
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
static const ofs_data data = {images, labels, OFS_F32, OFS_I32, SAMPLES, 0, NULL, NULL};

static void make_data(void) {
  for (int i = 0; i < SAMPLES; i++) labels[i] = (int32_t)(random_word() % 5);
  for (int i = 0; i < SAMPLES * INPUTS; i++)
    images[i] = random_float() + (float)labels[i / INPUTS] * 0.3f;
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

/* An epoch in batches of BATCH, the last one partial; work(i) units are asked for at the i-th
 * call. */
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
    const uint32_t count = left < BATCH ? left : BATCH;
    const ofs_batch at = {.first = first,
                          .n = SAMPLES,
                          .count = count,
                          .shuffle = 1,
                          .epoch = epoch};
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
    t.correct += totals.correct[0];
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
        CHECK_MSG(same_weights(m, want), "optimizer %d, slicing %d: other weights", optimizers[o],
                  k);
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

/* After every possible number of parts: the weights are those before, and the step done anew gives
 * what it gives. */
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
  const float *at = ofs_plan_output(p, 0);
  if (CHECK(at != NULL)) memcpy(y, at, SAMPLES * 5 * sizeof *y);
  return y;
}

static void test_predict_between(void) {
  static writer w;
  every_layer(&w, OFS_ADAM);
  ofs_model *m = open_model(&w, NULL), *alone = open_model(&w, NULL);
  ofs_plan *p = open_plan(m, OFS_TRAIN, BATCH), *only = open_plan(alone, OFS_TRAIN, BATCH);
  ofs_plan *q = open_plan(m, OFS_PREDICT, SAMPLES), *v = open_plan(m, OFS_EVALUATE, 7);
  const ofs_data unlabelled = {images, NULL, OFS_F32, OFS_NONE, SAMPLES, 0, NULL, NULL};
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
    /* a new plan too: measuring uses the model's scratch */
    if (part % 20 == 0 && !ofs_step_updating(p)) {
      float *y = predict(q);
      CHECK_MSG(memcmp(y, before, SAMPLES * 5 * sizeof *y) == 0,
                "a prediction after %d parts sees them", part);
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

/* With an order, a batch has the samples of these positions, shuffled or not: it is as if they lay
 * so. What is shuffled are positions, and the permutation that is told is the one. */
static void test_order(void) {
  enum { EPOCH = 3, HELD = 5, TRAINED = SAMPLES - HELD };
  static writer w;
  static float x[SAMPLES * INPUTS];
  int32_t y[SAMPLES];
  uint32_t order[SAMPLES], shuffled[SAMPLES];
  uint8_t seen[SAMPLES] = {0};
  every_layer(&w, OFS_ADAM);
  ofs_model *m = open_model(&w, NULL), *alone = open_model(&w, NULL);
  ofs_model_shuffled(m, order, 0, 7, SAMPLES, (1ull << 53) - 1);
  ofs_model_shuffled(m, order + 7, 7, SAMPLES - 7, SAMPLES, (1ull << 53) - 1);
  ofs_model_shuffled(m, shuffled, 0, SAMPLES, SAMPLES, EPOCH);
  CHECK(memcmp(order, shuffled, sizeof order) != 0);
  for (int i = 0; i < SAMPLES; i++) {
    CHECK(order[i] < SAMPLES);
    seen[order[i]]++;
    y[i] = labels[order[i]];
    memcpy(x + i * INPUTS, images + order[i] * INPUTS, INPUTS * sizeof *x);
  }
  for (int i = 0; i < SAMPLES; i++) CHECK_INT(seen[i], 1);
  const ofs_data ordered = {images, labels, OFS_F32, OFS_I32, SAMPLES, 0, NULL, order},
                 moved = {x, y, OFS_F32, OFS_I32, SAMPLES, 0, NULL, NULL};
  for (uint32_t shuffle = 0; shuffle < 2; shuffle++) {
    ofs_plan *p = open_plan(m, OFS_TRAIN, BATCH), *q = open_plan(alone, OFS_TRAIN, BATCH);
    CHECK_INT(ofs_plan_set_data(p, &ordered, NULL), OFS_OK);
    CHECK_INT(ofs_plan_set_data(q, &moved, NULL), OFS_OK);
    for (uint32_t first = 0; first < TRAINED; first += BATCH) {
      const uint32_t count = TRAINED - first < BATCH ? TRAINED - first : BATCH;
      const ofs_batch at = {first, TRAINED, count, shuffle, EPOCH};
      CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_OK);
      CHECK_INT(ofs_step_begin(q, &at, NULL), OFS_OK);
      CHECK_INT(ofs_step_run(p, ALL, NULL), OFS_OK);
      CHECK_INT(ofs_step_run(q, ALL, NULL), OFS_OK);
    }
    float *want = weights_of(alone);
    CHECK(same_weights(m, want));
    free(want), free(p), free(q);
  }
  free(m), free(alone);
}

/* ---- batches ---- */

/* A last batch that is smaller than the plan's takes only its own samples: the plan's totals and
 * outputs are those of a plan made for that size, whatever the samples before it left behind. */
static void test_partial(void) {
  static writer w;
  every_layer(&w, OFS_SGD);
  ofs_model *m = open_model(&w, NULL);
  ofs_plan *big = open_plan(m, OFS_EVALUATE, BATCH),
           *predict_big = open_plan(m, OFS_PREDICT, BATCH);
  CHECK_INT(ofs_plan_set_data(big, &data, NULL), OFS_OK);
  CHECK_INT(ofs_plan_set_data(predict_big, &data, NULL), OFS_OK);
  CHECK(run_step(big, 0, BATCH, ALL) == OFS_OK && run_step(predict_big, 0, BATCH, ALL) == OFS_OK);
  for (uint32_t count = 1; count <= BATCH; count += 3) {
    ofs_plan *small = open_plan(m, OFS_EVALUATE, count),
             *predict_small = open_plan(m, OFS_PREDICT, count);
    CHECK_INT(ofs_plan_set_data(small, &data, NULL), OFS_OK);
    CHECK_INT(ofs_plan_set_data(predict_small, &data, NULL), OFS_OK);
    CHECK(run_step(big, SAMPLES - count, count, 1) == OFS_OK &&
          run_step(small, SAMPLES - count, count, ALL) == OFS_OK);
    ofs_totals a, b;
    ofs_step_totals(big, &a), ofs_step_totals(small, &b);
    CHECK(a.count == count && b.count == count && a.loss == b.loss && a.correct[0] == b.correct[0]);
    CHECK_INT(run_step(predict_big, SAMPLES - count, count, 1), OFS_OK);
    CHECK_INT(run_step(predict_small, SAMPLES - count, count, ALL), OFS_OK);
    CHECK(memcmp(ofs_plan_output(predict_big, 0), ofs_plan_output(predict_small, 0),
                 count * 5 * sizeof(float)) == 0);
    free(small), free(predict_small);
  }
  free(big), free(predict_big), free(m);
}

/* A net that hands its one input on: what is predicted tells which samples were taken. */
static ofs_plan *identity(writer *w, ofs_model **m, uint32_t batch, double seed) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 1);
  FIELD(w, OFS_MODEL_SEED, seed);
  writer_record(w, OFS_SGD);
  writer_record(w, OFS_FLATTEN);
  *m = open_model(w, NULL);
  return open_plan(*m, OFS_PREDICT, batch);
}

static void order(double seed, uint64_t epoch, uint32_t n, uint32_t shuffle, uint32_t *to) {
  static writer w;
  static float x[2000];
  const uint32_t batch = 7;
  ofs_model *m;
  ofs_plan *p = identity(&w, &m, batch, seed);
  for (uint32_t i = 0; i < 2000; i++) x[i] = (float)i;
  /* beyond n: the part held out for validation */
  const ofs_data numbers = {x, NULL, OFS_F32, OFS_NONE, 2000, 0, NULL, NULL};
  CHECK_INT(ofs_plan_set_data(p, &numbers, NULL), OFS_OK);
  for (uint32_t first = 0; first < n; first += batch) {
    const uint32_t count = n - first < batch ? n - first : batch;
    const ofs_batch at = {.first = first,
                          .n = n,
                          .count = count,
                          .shuffle = shuffle,
                          .epoch = epoch};
    CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_OK);
    CHECK_INT(ofs_step_run(p, ALL, NULL), OFS_OK);
    for (uint32_t i = 0; i < at.count; i++) to[first + i] = (uint32_t)ofs_plan_output(p, 0)[i];
  }
  free(p), free(m);
}

static void test_shuffle(void) {
  static const uint32_t sizes[] = {1, 2, 3, 6, 7, 8, 63, 64, 65, 1000, 1024, 1900};
  static uint32_t a[2000], b[2000], seen[2000];
  for (int s = 0; s < 12; s++) {
    uint32_t n = sizes[s];
    order(5, 0, n, 0, a);
    for (uint32_t i = 0; i < n; i++) CHECK(a[i] == i);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
      order(5, epoch, n, 1, a);
      memset(seen, 0, sizeof seen);
      for (uint32_t i = 0; i < n; i++)
        if (CHECK(a[i] < n)) seen[a[i]]++;
      for (uint32_t i = 0; i < n; i++) CHECK(seen[i] == 1);
      order(5, epoch, n, 1, b);
      CHECK(memcmp(a, b, n * sizeof *a) == 0);
      if (n < 60) continue; /* two orders of few samples may well be the same */
      order(6, epoch, n, 1, b);
      CHECK(memcmp(a, b, n * sizeof *a) != 0);
      order(5, epoch + 1, n, 1, b);
      CHECK(memcmp(a, b, n * sizeof *a) != 0);
      order(5 + 4294967296.0, epoch, n, 1, b); /* the seed's high word counts */
      CHECK(memcmp(a, b, n * sizeof *a) != 0);
    }
  }
}

/* ---- calls out of sequence, arguments out of range ---- */

static void refused_data(ofs_plan *p, ofs_data d, int line, double got, double low, double high) {
  ofs_error e = {0};
  ofs_status s = ofs_plan_set_data(p, &d, &e);
  check_that(s == OFS_INVALID_DATA && e.status == s && e.reason == OFS_WHY_RANGE && e.got == got &&
                 e.low == low && e.high == high && e.layer == OFS_IN_MODEL && e.field == -1,
             __FILE__, line, "status %d reason %d got %g low %g high %g", s, e.reason, e.got, e.low,
             e.high);
}

static void refused_batch(ofs_plan *p, ofs_batch at, int line, double got, double high) {
  ofs_error e = {0};
  ofs_status s = ofs_step_begin(p, &at, &e);
  check_that(s == OFS_INVALID_ARGUMENT && e.status == s && e.reason == OFS_WHY_RANGE &&
                 e.got == got && e.low == 1 && e.high == high,
             __FILE__, line, "status %d reason %d got %g high %g", s, e.reason, e.got, e.high);
  CHECK_INT(ofs_step_run(p, 1, NULL), OFS_INVALID_STATE);
}

static void test_data(void) {
  static writer w;
  every_layer(&w, OFS_SGD);
  ofs_model *m = open_model(&w, NULL);
  ofs_plan *p = open_plan(m, OFS_TRAIN, BATCH), *q = open_plan(m, OFS_PREDICT, BATCH);
  const ofs_data unlabelled = {images, NULL, OFS_F32, OFS_NONE, SAMPLES, 0, NULL, NULL};
  ofs_data d = data;
  const uint32_t strange[] = {OFS_NONE, OFS_I32, 4, 0xffffffffu};
  for (int i = 0; i < 4; i++) {
    d.x_type = strange[i];
    refused_data(p, d, __LINE__, strange[i], OFS_F32, OFS_I32);
    d = data;
    if (strange[i] != OFS_I32)
      d.y_type = strange[i], refused_data(p, d, __LINE__, strange[i], OFS_F32, OFS_I32);
    d = data;
  }
  d.y_type = OFS_U8, refused_data(p, d, __LINE__, OFS_U8, OFS_F32, OFS_I32);
  d = data, d.n = 0, refused_data(p, d, __LINE__, 0, 1, 0x1p48);
  d = data, d.n = (1ull << 48) + 1, refused_data(p, d, __LINE__, 0x1p48 + 1, 1, 0x1p48);
  d = data, d.n = UINT64_MAX, refused_data(p, d, __LINE__, 0x1p64, 1, 0x1p48);
  ofs_error e;
  const ofs_batch at = {.count = 1};
  CHECK_INT(ofs_step_begin(p, &at, &e), OFS_INVALID_STATE); /* none of them was kept */
  CHECK_INT(e.status, OFS_INVALID_STATE);
  CHECK_INT(ofs_step_run(p, 1, NULL), OFS_INVALID_STATE);
  CHECK(!ofs_step_updating(p) && ofs_plan_output(q, 0) == NULL && ofs_plan_output(p, 0) == NULL);
  CHECK_INT(ofs_plan_set_data(q, &unlabelled, NULL), OFS_OK);
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  CHECK_INT(run_step(p, 0, 1, ALL), OFS_OK);
  free(p), free(q), free(m);

  w.n = 0; /* a model without classes has no integer targets */
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, 4);
  writer_record(&w, OFS_SGD);
  dense(&w, 3, OFS_ACT_LINEAR);
  m = open_model(&w, NULL);
  p = open_plan(m, OFS_EVALUATE, 1);
  refused_data(p, data, __LINE__, OFS_I32, OFS_F32, OFS_I32);
  free(p), free(m);
}

static void test_batches(void) {
  static writer w;
  every_layer(&w, OFS_SGD);
  ofs_model *m = open_model(&w, NULL);
  ofs_plan *p = open_plan(m, OFS_TRAIN, BATCH);
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  float *before = weights_of(m);
  refused_batch(p, (ofs_batch){.count = 0}, __LINE__, 0, BATCH);
  refused_batch(p, (ofs_batch){.count = BATCH + 1}, __LINE__, BATCH + 1, BATCH);
  refused_batch(p, (ofs_batch){.count = 0xffffffffu}, __LINE__, 4294967295.0, BATCH);
  refused_batch(p, (ofs_batch){.count = 2, .first = SAMPLES - 1}, __LINE__, SAMPLES + 1, SAMPLES);
  refused_batch(p, (ofs_batch){.count = 1, .first = SAMPLES}, __LINE__, SAMPLES + 1, SAMPLES);
  refused_batch(p, (ofs_batch){.count = 1, .first = UINT64_MAX}, __LINE__, 0x1p64, SAMPLES);
  refused_batch(p, (ofs_batch){.count = 1, .n = SAMPLES + 1}, __LINE__, SAMPLES + 1, SAMPLES);
  for (uint32_t shuffle = 1; shuffle < 3; shuffle++) {
    refused_batch(p, (ofs_batch){.count = 1, .n = SAMPLES + 1, .shuffle = shuffle}, __LINE__,
                  SAMPLES + 1, SAMPLES);
    refused_batch(p, (ofs_batch){.count = 1, .n = 0, .shuffle = shuffle}, __LINE__, 1, 0);
    refused_batch(p, (ofs_batch){.count = 5, .first = 6, .n = 10, .shuffle = shuffle}, __LINE__, 11,
                  10);
  }
  CHECK(same_weights(m, before) && step_of(m) == 0);
  CHECK_INT(ofs_step_begin(p, &(ofs_batch){.count = 2}, NULL), OFS_OK);
  CHECK_INT(ofs_step_run(p, 1, NULL), OFS_MORE);
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_INVALID_STATE);
  CHECK_INT(ofs_step_begin(p, &(ofs_batch){.count = 0}, NULL), OFS_INVALID_ARGUMENT);
  CHECK_INT(ofs_step_discard(p), OFS_OK);
  CHECK_INT(ofs_step_run(p, 1, NULL), OFS_INVALID_STATE);
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  CHECK_INT(run_step(p, 0, BATCH, ALL), OFS_OK);
  CHECK_INT(ofs_step_run(p, 1, NULL), OFS_INVALID_STATE);
  CHECK(!same_weights(m, before) && step_of(m) == 1);
  ofs_tensor t;
  ofs_layer_info l;
  CHECK_INT(ofs_model_tensor(m, ofs_model_tensors(m), &t), OFS_INVALID_ARGUMENT);
  CHECK_INT(ofs_model_tensor(m, 0xffffffffu, &t), OFS_INVALID_ARGUMENT);
  CHECK_INT(ofs_model_layer(m, ofs_model_layers(m), &l), OFS_INVALID_ARGUMENT);
  for (int s = -8; s <= 8; s++) CHECK(ofs_strerror(s) != NULL && strlen(ofs_strerror(s)) > 3);
  free(before), free(p), free(m);
}

static void test_checks(void) {
  static writer w;
  every_layer(&w, OFS_SGD);
  ofs_model *m = open_model(&w, NULL);
  float x[9] = {0, -0.0f, 1e38f, -1e-45f, 3, 4, 5, 6, 7};
  int32_t y[5] = {0, 1, 2, 3, 4};
  uint64_t where = 99;
  CHECK(ofs_check_x(m, x, OFS_F32, 0, 9, &where) == OFS_OK &&
        ofs_check_y(m, y, OFS_I32, 0, 0, 5, &where) == OFS_OK && where == 99);
  const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
  for (uint64_t i = 0; i < 9; i++)
    for (int k = 0; k < 4; k++) {
      float was = x[i];
      x[i] = bad[k];
      CHECK(ofs_check_x(m, x, OFS_F32, 0, 9, &where) == OFS_INVALID_DATA && where == i);
      CHECK(ofs_check_y(m, x, OFS_F32, 0, 0, 9, &where) == OFS_INVALID_DATA && where == i);
      if (i > 0) CHECK(ofs_check_x(m, x, OFS_F32, 0, i, &where) == OFS_OK);
      CHECK(ofs_check_x(m, x, OFS_U8, 0, 9 * sizeof *x, &where) == OFS_OK); /* any byte will do */
      x[i] = was;
    }
  const int32_t out[] = {5, -1, INT32_MAX, INT32_MIN};
  for (uint64_t i = 0; i < 5; i++)
    for (int k = 0; k < 4; k++) {
      y[i] = out[k];
      CHECK(ofs_check_y(m, y, OFS_I32, 0, 0, 5, &where) == OFS_INVALID_DATA && where == i);
      y[i] = 0;
    }
  free(m);
}

/* Rows of three outputs: 3 classes at each of 2 positions, 2 numbers, 2 classes by one unit. */
static void three_outputs(writer *w) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 2, 4);
  writer_record(w, OFS_SGD);
  dense(w, 3, OFS_ACT_SOFTMAX);
  writer_record(w, OFS_FLATTEN);
  dense(w, 2, OFS_ACT_LINEAR);
  dense(w, 1, OFS_ACT_SIGMOID);
  const int layers[] = {0, 2, 3};
  for (int k = 0; k < 3; k++) {
    writer_record(w, OFS_OUTPUT);
    FIELD(w, OFS_OUTPUT_LAYER, layers[k]);
  }
}

/* Every element of three rows is made bad in turn: of indices whatever is none, of numbers what is
 * not finite. */
static void test_rows(void) {
  static writer w;
  three_outputs(&w);
  ofs_model *m = open_model(&w, NULL);
  if (!CHECK(m != NULL)) return;
  const int sizes[] = {6, 2, 1}, targets[] = {2, 0, 1};
  const float classes[] = {3, 0, 2};
  for (uint32_t bits = 0; bits < 8; bits++) {
    if (bits & 2) continue; /* the second has no classes */
    float y[27], below[27];
    uint64_t n = 0, row = 0, where = 99;
    for (int sample = 0; sample < 3; sample++)
      for (int k = 0; k < 3; k++)
        for (int i = 0; i < (bits >> k & 1 ? targets[k] : sizes[k]); i++) {
          below[n] = bits >> k & 1 ? classes[k] : 0;
          y[n++] = bits >> k & 1 ? classes[k] - 1 : -2.5f;
        }
    row = n / 3;
    CHECK(ofs_check_y(m, y, OFS_F32, bits, 0, n, &where) == OFS_OK && where == 99);
    for (uint64_t i = 0; i < n; i++) {
      const float was = y[i], bad[] = {NAN, INFINITY, below[i] > 0 ? below[i] : -INFINITY,
                                       below[i] > 0 ? 0.5f : NAN, below[i] > 0 ? -1 : NAN};
      for (int k = 0; k < 5; k++) {
        y[i] = bad[k];
        CHECK(ofs_check_y(m, y, OFS_F32, bits, 0, n, &where) == OFS_INVALID_DATA && where == i);
        for (uint64_t from = 0; from <= i; from++) { /* from anywhere within a row */
          CHECK(ofs_check_y(m, y + from, OFS_F32, bits, from, n - from, &where) ==
                    OFS_INVALID_DATA &&
                where == i - from);
          CHECK(ofs_check_y(m, y + from, OFS_F32, bits, from + 7 * row, i - from, &where) ==
                OFS_OK);
        }
      }
      y[i] = was;
    }
  }
  free(m);
}

/* A model without classes has no place for an index. */
static void test_no_indices(void) {
  static writer w;
  w.n = 0;
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, 2);
  writer_record(&w, OFS_SGD);
  dense(&w, 2, OFS_ACT_LINEAR);
  ofs_model *m = open_model(&w, NULL);
  const int32_t y[] = {0, 0};
  uint64_t where = 99;
  CHECK(ofs_check_y(m, y, OFS_I32, 0, 0, 0, &where) == OFS_OK && where == 99);
  CHECK(ofs_check_y(m, y, OFS_I32, 0, 1, 2, &where) == OFS_INVALID_DATA && where == 0);
  free(m);
}

/* Three classes, by index and by row; one unit; and weights that are none. */
static void test_weigh(void) {
  static writer w;
  const float rows[] = {0, 1, 0, 0.5f, 0.5f, 0, 0.25f, 0.25f, 0.5f, -3, -2, -1, 1, 1, 1};
  const int32_t indices[] = {1, 0, 2, 2, 0};
  const float one[] = {0.5f, 0.75f, 0, 1, 0.25f}, table[] = {2, 3, 0.1f};
  const int of_rows[] = {1, 0, 2, 2, 0}, of_one[] = {0, 1, 0, 1, 0};
  for (int units = 3; units >= 1; units -= 2) {
    w.n = 0;
    writer_record(&w, OFS_MODEL);
    FIELD(&w, OFS_MODEL_INPUT_SHAPE, 2);
    writer_record(&w, OFS_SGD);
    dense(&w, units, units == 3 ? OFS_ACT_SOFTMAX : OFS_ACT_SIGMOID);
    ofs_model *m = open_model(&w, NULL);
    for (int kind = 0; kind < 2; kind++) { /* rows, then indices */
      const int *of = units == 3 ? of_rows : of_one;
      const void *y = !kind ? (units == 3 ? (const void *)rows : one) : indices;
      for (uint64_t weighed = 0; weighed < 7 && (units == 3 || !kind); weighed++) {
        float weights[] = {0, 0.3f, 1, -0.0f, 1e30f};
        uint64_t where = 99;
        CHECK(ofs_weigh(m, weights, 5, y, kind ? OFS_I32 : OFS_F32, table, weighed, &where) ==
                  OFS_OK &&
              where == 99);
        for (uint64_t i = 0; i < 5; i++) {
          const float given[] = {0, 0.3f, 1, -0.0f, 1e30f};
          CHECK(weights[i] == (i < weighed ? given[i] * table[of[i]] : given[i]));
        }
      }
    }
    const float bad[] = {NAN, INFINITY, -1e-30f};
    for (uint64_t i = 0; i < 5; i++)
      for (int k = 0; k < 3; k++) {
        float weights[] = {1, 1, 1, 1, 1};
        uint64_t where = 99;
        weights[i] = bad[k];
        CHECK(ofs_weigh(m, weights, 5, one, OFS_F32, NULL, 5, &where) == OFS_INVALID_DATA &&
              where == i);
        CHECK(ofs_weigh(m, weights, i, one, OFS_F32, NULL, 5, &where) == OFS_OK);
      }
    const int32_t none[] = {0, 3, -1}; /* of no class: no weight is read for it */
    float weights[] = {1, 1, 1};
    uint64_t where = 99;
    CHECK(ofs_weigh(m, weights, 3, none, OFS_I32, table, 3, &where) == OFS_INVALID_DATA &&
          where == 1);
    CHECK(ofs_weigh(m, weights, 1, none + 2, OFS_I32, table, 1, &where) == OFS_INVALID_DATA &&
          where == 0);
    free(m);
  }
}

int main(void) {
  make_data();
  test_slices();
  test_discard();
  test_predict_between();
  test_order();
  test_partial();
  test_shuffle();
  test_data();
  test_batches();
  test_checks();
  test_rows();
  test_no_indices();
  test_weigh();
  return check_report("program");
}
