/* test_gradients_small.c: layers that change how a sample is read, scale it, make noise or take a
 * slope, against central differences (gradients.h), and their outputs against plain loops. */
#include "gradients.h"

static void reshape(writer *w, int rank, const double *dims) {
  writer_record(w, OFS_RESHAPE);
  writer_values(w, OFS_RESHAPE_TARGET_SHAPE, (uint16_t)rank, dims);
}

/* dense, reshape to (a, b, c), a layer. */
static void before(writer *w, double a, double b, double c) {
  net(w, 5, 0, 0, OFS_LOSS_MSE);
  dense(w, (int)(a * b * c), OFS_ACT_TANH);
  reshape(w, 3, (const double[]){a, b, c});
}

static void after(writer *w) {
  writer_record(w, OFS_FLATTEN);
  dense(w, 2, OFS_ACT_LINEAR);
}

static void test_permute(void) {
  static const double orders[][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
                                     {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
  writer w;
  for (int k = 0; k < 6; k++) {
    before(&w, 2, 3, 4);
    writer_record(&w, OFS_PERMUTE);
    writer_values(&w, OFS_PERMUTE_DIMS, 3, orders[k]);
    after(&w);
    check_net(&w, 3, 1, 0, LABEL("permute %d", k));
  }
  before(&w, 4, 2, 3);
  writer_record(&w, OFS_TIME_DISTRIBUTED), writer_record(&w, OFS_PERMUTE);
  FIELD(&w, OFS_PERMUTE_DIMS, 2, 1);
  after(&w);
  check_net(&w, 3, 1, 0, "permute, time distributed");
}

static void test_repeat(void) {
  writer w;
  for (int n = 1; n < 5; n += 3)
    for (int units = 1; units < 8; units += 3) {
      net(&w, 5, 0, 0, OFS_LOSS_MSE);
      dense(&w, units, OFS_ACT_TANH);
      writer_record(&w, OFS_REPEAT_VECTOR);
      FIELD(&w, OFS_REPEAT_VECTOR_N, n);
      after(&w);
      check_net(&w, 3, 1, 0, LABEL("repeatVector of %d, %d times", units, n));
    }
}

static void test_scales(void) {
  writer w;
  for (int first = 0; first < 2; first++)
    for (int k = 0; k < 4; k++) {
      net(&w, 3, 5, 0, OFS_LOSS_MSE);
      if (!first) dense(&w, 5, OFS_ACT_TANH);
      writer_record(&w, k ? OFS_NORMALIZATION : OFS_RESCALING);
      if (k == 0) FIELD(&w, OFS_RESCALING_SCALE, -1.5);
      if (k == 0 && first) FIELD(&w, OFS_RESCALING_OFFSET, 0.25);
      if (k == 1)
        FIELD(&w, OFS_NORMALIZATION_MEAN, 0.5);
      else if (k)
        FIELD(&w, OFS_NORMALIZATION_MEAN, 0.5, -1, 0, 2, 0.125);
      if (k == 2)
        FIELD(&w, OFS_NORMALIZATION_VARIANCE, 4);
      else if (k)
        FIELD(&w, OFS_NORMALIZATION_VARIANCE, 0.5, 1, 2, 0.25, 3);
      dense(&w, 3, OFS_ACT_TANH);
      check_net(&w, 3, 1, 0, LABEL("scale %d, %s", k, first ? "of the input" : "behind a layer"));
    }
}

static void test_prelu(void) {
  static const double shared[][3] = {{0}, {1}, {2}, {3}, {1, 2}, {1, 3}, {1, 2, 3}};
  static const int counts[] = {0, 1, 1, 1, 2, 2, 3};
  writer w;
  for (int k = 0; k < 7; k++)
    for (int frozen = 0; frozen < 2; frozen++) {
      before(&w, 2, 3, 5);
      writer_record(&w, OFS_PRELU);
      FIELD(&w, OFS_PRELU_ALPHA_INIT, OFS_INIT_RANDOM_UNIFORM, -1, 1);
      if (counts[k]) writer_values(&w, OFS_PRELU_SHARED_AXES, (uint16_t)counts[k], shared[k]);
      FIELD(&w, OFS_LAYER_TRAINABLE, !frozen);
      after(&w);
      check_net(&w, 3, 1, 0, LABEL("prelu, sharing %d, frozen %d", k, frozen));
    }
  net(&w, 3, 0, 0, OFS_LOSS_MSE); /* more than a chunk of samples; of the input itself */
  writer_record(&w, OFS_PRELU);
  FIELD(&w, OFS_PRELU_ALPHA_INIT, OFS_INIT_RANDOM_UNIFORM);
  check_net(&w, 9000, 1, 0, "prelu, chunks");
  net(&w, 3, 4, 0, OFS_LOSS_MSE);
  dense(&w, 2, OFS_ACT_TANH), writer_record(&w, OFS_TIME_DISTRIBUTED), writer_record(&w, OFS_PRELU);
  FIELD(&w, OFS_PRELU_ALPHA_INIT, OFS_INIT_RANDOM_UNIFORM);
  check_net(&w, 4, 1, 0, "prelu, time distributed");
}

static void test_random(void) {
  static const int types[] = {OFS_DROPOUT, OFS_SPATIAL_DROPOUT2D, OFS_GAUSSIAN_NOISE};
  writer w;
  for (int k = 0; k < 3; k++)
    for (int rate = 0; rate < 3; rate++) {
      before(&w, 2, 3, 5);
      writer_record(&w, (uint16_t)types[k]);
      FIELD(&w, OFS_DROPOUT_RATE, rate * 0.3);
      after(&w);
      check_net(&w, 5, 1, 1, LABEL("random layer %d, rate %g", types[k], rate * 0.3));
    }
}

static void test_softmax(void) {
  writer w;
  for (int loss = OFS_LOSS_CATEGORICAL; loss <= OFS_LOSS_MSE;
       loss += OFS_LOSS_MSE - OFS_LOSS_CATEGORICAL) {
    net(&w, 2, 5, 0, loss);
    dense(&w, 3, OFS_ACT_TANH), writer_record(&w, OFS_SOFTMAX), dense(&w, 4, OFS_ACT_LINEAR),
        writer_record(&w, OFS_SOFTMAX);
    FIELD(&w, OFS_SOFTMAX_AXIS, loss == OFS_LOSS_MSE ? 2 : -1);
    check_net(&w, 3, 1, 0, LABEL("softmax layers, loss %d", loss));
  }
}

/* What the net gives for a sample. */
static const real *output_of(const writer *w, const float *x, uint64_t *size, int kind) {
  static real out[256];
  ofs_error err;
  ofs_model *m = open_model(w, &err);
  if (!CHECK_MSG(m != NULL, "refused: layer %d field %d reason %d", err.layer, err.field,
                 err.reason))
    return out;
  ofs_plan *p = open_plan(m, kind, 1);
  const ofs_data data = {x, NULL, OFS_F32, OFS_NONE, 1, 0, NULL, NULL};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  CHECK_INT(run_step(p, 0, 1, 1u << 30), OFS_OK);
  *size = m->layers[m->outputs[0].node].shape.size;
  memcpy(out, ofs_plan_output(p, 0), *size * sizeof *out);
  free(p), free(m);
  return out;
}

static void test_values(void) {
  static const float x[] = {0.5f, -1, 2, -0.25f, 3, 0};
  uint64_t n;
  writer w;
  net(&w, 2, 3, 0, -1);
  writer_record(&w, OFS_PERMUTE);
  FIELD(&w, OFS_PERMUTE_DIMS, 2, 1);
  const real *y = output_of(&w, x, &n, OFS_PREDICT);
  CHECK_INT(n, 6);
  for (int i = 0; i < 6; i++) CHECK(y[i] == x[i % 2 * 3 + i / 2]);
  net(&w, 6, 0, 0, -1);
  writer_record(&w, OFS_REPEAT_VECTOR);
  FIELD(&w, OFS_REPEAT_VECTOR_N, 3);
  y = output_of(&w, x, &n, OFS_PREDICT);
  CHECK_INT(n, 18);
  for (int i = 0; i < 18; i++) CHECK(y[i] == x[i % 6]);
  net(&w, 2, 3, 0, -1);
  writer_record(&w, OFS_NORMALIZATION);
  FIELD(&w, OFS_NORMALIZATION_MEAN, 1, 2, 3);
  FIELD(&w, OFS_NORMALIZATION_VARIANCE, 4, 0, 1e-20); /* below 1e-14 the deviation counts as 1e-7 */
  y = output_of(&w, x, &n, OFS_PREDICT);
  for (int i = 0; i < 6; i++) CHECK_NEAR(y[i], (x[i] - (i % 3 + 1)) / (i % 3 ? 1e-7 : 2), 1e-6);
  dense(&w, 2, OFS_ACT_LINEAR); /* whose kernel and bias are all that the model has for weights */
  ofs_model *m = open_model(&w, NULL);
  ofs_tensor t;
  CHECK_INT(ofs_model_tensors(m), 2);
  CHECK(ofs_model_tensor(m, 0, &t) == OFS_OK && t.role == OFS_KERNEL && t.layer == 1 &&
        t.size == 6);
  free(m);
  net(&w, 6, 0, 0, -1);
  writer_record(&w, OFS_RESCALING);
  FIELD(&w, OFS_RESCALING_SCALE, 2);
  FIELD(&w, OFS_RESCALING_OFFSET, -1);
  writer_record(&w, OFS_PRELU);
  FIELD(&w, OFS_PRELU_ALPHA_INIT, OFS_INIT_CONSTANT, 0.125);
  writer_record(&w, OFS_GAUSSIAN_NOISE);
  FIELD(&w, OFS_NOISE_STDDEV, 1);
  y = output_of(&w, x, &n, OFS_PREDICT);
  for (int i = 0; i < 6; i++)
    CHECK_NEAR(y[i], (2 * x[i] - 1) * (2 * x[i] - 1 > 0 ? 1 : 0.125), 1e-15);
}

/* In training: noise has its deviation and mean, a dropped channel is dropped as a whole. */
static void test_noise(void) {
  writer w;
  ofs_error err;
  const uint32_t n = 64;
  float *x = check_alloc(n * 64 * sizeof *x), *y = check_alloc(n * 64 * sizeof *y);
  for (uint32_t i = 0; i < n * 64; i++) x[i] = 1, y[i] = 0;
  for (int spatial = 0; spatial < 2; spatial++) {
    net(&w, 4, 2, 8, OFS_LOSS_MSE);
    writer_record(&w, spatial ? OFS_SPATIAL_DROPOUT2D : OFS_GAUSSIAN_NOISE);
    FIELD(&w, OFS_DROPOUT_RATE, 0.25);
    dense(&w, 8, OFS_ACT_LINEAR); /* keeps what it reads */
    ofs_model *m = open_model(&w, &err);
    ofs_plan *p = open_plan(m, OFS_TRAIN, n);
    const ofs_data data = {x, y, OFS_F32, OFS_F32, n, 0, NULL, NULL};
    CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
    CHECK_INT(run_step(p, 0, n, 1u << 30), OFS_OK);
    const real *out = NULL;
    for (uint32_t i = 0; i < p->op_count; i++)
      if (p->ops[i].layer == &m->layers[0] && !out) out = p->ops[i].at[0];
    double sum = 0, square = 0;
    for (uint32_t i = 0; i < n * 64; i++) {
      double v = out[i];
      if (spatial)
        CHECK_MSG(v == out[i / 64 * 64 + i % 8] && (v == 0 || fabs(v - 4 / 3.0) < 1e-12),
                  "element %d is %g", (int)i, v);
      sum += v, square += v * v;
    }
    double mean = sum / (n * 64), variance = square / (n * 64) - mean * mean;
    /* four deviations; of a channel: 4 * sqrt(1/3 / 512) */
    CHECK_NEAR(mean, 1, spatial ? 0.11 : 4 * 0.25 / 64);
    if (!spatial) CHECK_NEAR(sqrt(variance), 0.25, 4 * 0.25 / sqrt(2 * 4096));
    free(p), free(m);
  }
  free(x), free(y);
}

static void test_refusals(void) {
  static const struct {
    double dims[3];
    int count, reason;
  } orders[] = {{{1, 2}, 2, OFS_WHY_COUNT},
                {{1, 1, 2}, 3, OFS_WHY_TWICE},
                {{1, 2, 4}, 3, OFS_WHY_RANGE}};
  static const struct {
    double dims[3];
    int reason;
    double size;
  } shapes[] = {{{-1, 2, -1}, OFS_WHY_RANGE, 0},
                {{2, 0, 6}, OFS_WHY_RANGE, 0},
                {{-1, 5, 2}, OFS_WHY_PRODUCT, 0},
                {{-1, 25, 2}, OFS_WHY_PRODUCT, 0}};
  writer w;
  for (int k = 0; k < 3; k++) {
    before(&w, 2, 3, 4);
    writer_record(&w, OFS_PERMUTE);
    writer_values(&w, OFS_PERMUTE_DIMS, (uint16_t)orders[k].count, orders[k].dims);
    check_refused(&w, 2, OFS_PERMUTE_DIMS, orders[k].reason, "permute");
  }
  for (int k = 0; k < 4; k++) {
    net(&w, 24, 0, 0, -1);
    reshape(&w, 3, shapes[k].dims);
    check_refused(&w, 0, OFS_RESHAPE_TARGET_SHAPE, shapes[k].reason, "reshape");
  }
  for (int at = 0; at < 3; at++) {
    double dims[] = {2, 3, 4};
    dims[at] = -1;
    net(&w, 24, 0, 0, -1);
    reshape(&w, 3, dims);
    ofs_model *m = open_model(&w, NULL);
    CHECK_MSG(m && m->layers[0].out.dims[at] == (uint32_t)at + 2, "an open axis %d", at);
    free(m);
  }
  before(&w, 2, 3, 4);
  writer_record(&w, OFS_REPEAT_VECTOR);
  FIELD(&w, OFS_REPEAT_VECTOR_N, 2);
  check_refused(&w, 2, -1, OFS_WHY_RANK, "repeatVector of three axes");
  net(&w, 3, 4, 0, -1);
  writer_record(&w, OFS_SPATIAL_DROPOUT2D);
  FIELD(&w, OFS_DROPOUT_RATE, 0.5);
  check_refused(&w, 0, -1, OFS_WHY_RANK, "spatialDropout2d of two axes");
  net(&w, 3, 4, 0, -1);
  writer_record(&w, OFS_NORMALIZATION);
  FIELD(&w, OFS_NORMALIZATION_MEAN, 1);
  FIELD(&w, OFS_NORMALIZATION_VARIANCE, 1, 2, 3);
  check_refused(&w, 0, OFS_NORMALIZATION_VARIANCE, OFS_WHY_COUNT, "normalization by three of four");
  net(&w, 3, 4, 0, -1);
  writer_record(&w, OFS_PRELU);
  FIELD(&w, OFS_PRELU_SHARED_AXES, 1, 3);
  check_refused(&w, 0, OFS_PRELU_SHARED_AXES, OFS_WHY_RANGE, "prelu over a third axis of two");
  net(&w, 3, 4, 0, -1);
  writer_record(&w, OFS_SOFTMAX);
  FIELD(&w, OFS_SOFTMAX_AXIS, 1);
  check_refused(&w, 0, OFS_SOFTMAX_AXIS, OFS_WHY_RANGE, "softmax over the first of two axes");
}

int main(void) {
  test_permute();
  test_repeat();
  test_scales();
  test_prelu();
  test_random();
  test_softmax();
  test_values();
  test_noise();
  test_refusals();
  return check_report("gradients of small layers");
}
