/* test_norm_outputs.c: the outputs of normalization, embeddings and attention, and the moves of
 * statistics, against their formulas written down plainly, in double: agreement to 1e-10. */
#include "gradients.h"

#define MANY 4096

/* What a net of its inputs, an optimizer and layers puts out for x (n rows). */
static real *outputs_of(const writer *w, ofs_model **model, const float *x, uint32_t n) {
  ofs_error err = {0};
  ofs_model *m = *model = open_model(w, &err);
  if (!CHECK_MSG(m != NULL, "refused, layer %d field %d reason %d", err.layer, err.field,
                 err.reason))
    exit(1);
  ofs_plan *p = open_plan(m, OFS_PREDICT, n);
  const ofs_data data = {x, NULL, OFS_F32, OFS_NONE, n, 0, NULL, NULL};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  run_step(p, 0, n, 1000);
  uint64_t size = n * m->layers[m->outputs[0].node].shape.size;
  real *y = check_alloc(size * sizeof *y);
  memcpy(y, ofs_plan_output(p, 0), size * sizeof *y);
  free(p);
  return y;
}

static const real *weight(const ofs_model *m, uint32_t layer, uint32_t role) {
  for (uint32_t i = 0; i < m->layers[layer].weight_count; i++)
    if (m->layers[layer].weights[i].role == role) return m->params + m->layers[layer].weights[i].at;
  return NULL;
}

static void compare(const real *y, const double *want, uint64_t n, const char *name) {
  double worst = 0;
  for (uint64_t i = 0; i < n; i++) worst = fmax(worst, fabs(y[i] - want[i]));
  CHECK_MSG(worst <= 1e-10, "%s: off by %g", name, worst);
}

static void begin_net(writer *w, int rank, const double *shape) {
  begin(w, rank, shape);
  FIELD(w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
  writer_record(w, OFS_SGD);
  FIELD(w, OFS_SGD_LEARNING_RATE, 1e-12);
}

static float *fill(uint64_t n) {
  float *x = check_alloc(n * sizeof *x);
  for (uint64_t i = 0; i < n; i++) x[i] = random_float();
  return x;
}

/* ---- normalization ---- */

/* y of numbers x[at[0..n)], of channels c[0..n). */
static void normalize(double *y, const float *x, const uint32_t *at, const uint32_t *c, uint32_t n,
                      double epsilon, const real *gamma, const real *beta) {
  double mean = 0, variance = 0;
  for (uint32_t i = 0; i < n; i++) mean += (double)x[at[i]] / n;
  for (uint32_t i = 0; i < n; i++) variance += (x[at[i]] - mean) * (x[at[i]] - mean) / n;
  for (uint32_t i = 0; i < n; i++)
    y[at[i]] = (x[at[i]] - mean) / sqrt(variance + epsilon) * gamma[c[i]] + beta[c[i]];
}

/* groups 0: layer normalization. */
static void test_sets(uint32_t rows, uint32_t channels, int groups) {
  const double shape[] = {rows, channels};
  static double want[MANY];
  static uint32_t at[MANY], c[MANY];
  const uint32_t n = 3, of_group = groups ? channels / (groups < 0 ? channels : (uint32_t)groups)
                                          : channels;
  writer w;
  ofs_model *m;
  begin_net(&w, 2, shape);
  writer_record(&w, groups ? OFS_GROUP_NORMALIZATION : OFS_LAYER_NORMALIZATION);
  if (groups) FIELD(&w, OFS_GROUP_NORMALIZATION_GROUPS, groups);
  FIELD(&w, OFS_LAYER_NORMALIZATION_GAMMA_INIT, OFS_INIT_RANDOM_UNIFORM, -1, 1);
  FIELD(&w, OFS_LAYER_NORMALIZATION_BETA_INIT, OFS_INIT_RANDOM_UNIFORM, -1, 1);
  float *x = fill(n * rows * channels);
  real *y = outputs_of(&w, &m, x, n);
  for (uint32_t s = 0; s < n; s++)
    for (uint32_t g = 0; g < channels / of_group; g++)
      for (uint32_t first = 0; first < rows; first += groups ? rows : 1) {
        uint32_t count = 0;
        for (uint32_t r = first; r < (groups ? rows : first + 1); r++)
          for (uint32_t k = g * of_group; k < (g + 1) * of_group; k++)
            at[count] = (s * rows + r) * channels + k, c[count++] = k;
        normalize(want, x, at, c, count, 0.001, weight(m, 0, OFS_GAMMA), weight(m, 0, OFS_BETA));
      }
  compare(y, want, n * rows * channels,
          LABEL("norm of %u x %u, groups %d", rows, channels, groups));
  free(x), free(y), free(m);
}

/* A step moves the statistics by the batch's own (of masked ones, those that count); a prediction
 * then uses them. */
static void test_batch(uint32_t rows, uint32_t channels, uint32_t n, int masked, int frozen) {
  const double shape[] = {rows, channels};
  writer w;
  ofs_model *m;
  begin_net(&w, masked ? 1 : 2, shape);
  if (masked) {
    writer_record(&w, OFS_EMBEDDING);
    FIELD(&w, OFS_EMBEDDING_INPUT_DIM, 4);
    FIELD(&w, OFS_EMBEDDING_OUTPUT_DIM, channels);
    FIELD(&w, OFS_EMBEDDING_MASK_ZERO, 1);
  }
  writer_record(&w, OFS_BATCH_NORMALIZATION);
  FIELD(&w, OFS_BATCH_NORMALIZATION_MOMENTUM, 0.8);
  FIELD(&w, OFS_BATCH_NORMALIZATION_MEAN_INIT, OFS_INIT_CONSTANT, 0.25);
  if (frozen) FIELD(&w, OFS_LAYER_TRAINABLE, 0);
  const uint64_t size = (uint64_t)n * rows * channels, row = masked ? rows : rows * channels;
  float *x = fill(n * row), *target = fill(size);
  for (uint64_t i = 0; masked && i < n * row; i++) x[i] = (float)((int)(fabsf(x[i]) * 64) % 4);
  free(outputs_of(&w, &m, x, n));
  ofs_plan *p = open_plan(m, OFS_TRAIN, n + 2);
  const ofs_data data = {x, target, OFS_F32, OFS_F32, n, 0, NULL, NULL};
  const uint32_t layer = (uint32_t)masked;
  const real *mean = weight(m, layer, OFS_MOVING_MEAN),
             *variance = weight(m, layer, OFS_MOVING_VARIANCE);
  const real *table = masked ? weight(m, 0, OFS_EMBEDDINGS) : NULL;
  double *want = check_alloc(2 * channels * sizeof *want), now[2],
         *got = check_alloc(2 * channels * sizeof *got);
  for (uint32_t c = 0; c < channels; c++) {
    double sum = 0, square = 0, count = 0;
    for (uint32_t pass = 0; pass < 2; pass++)
      for (uint64_t r = 0; r < (uint64_t)n * rows; r++) {
        double v = masked ? table[(uint64_t)x[r] * channels + c] : x[r * channels + c];
        if (masked && x[r] == 0) continue;
        if (!pass)
          sum += v, count++;
        else
          square += (v - sum / count) * (v - sum / count);
      }
    now[0] = mean[c], now[1] = variance[c];
    want[c] = frozen ? now[0] : 0.8 * now[0] + 0.2 * (sum / count);
    want[channels + c] = frozen ? now[1] : 0.8 * now[1] + 0.2 * (square / count);
  }
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  run_step(p, 0, n, 5000);
  for (uint32_t c = 0; c < channels; c++) got[c] = mean[c], got[channels + c] = variance[c];
  compare(got, want, 2 * channels,
          LABEL("statistics of %u rows, %u channels, masked %d, frozen %d", n * rows, channels,
                masked, frozen));
  free(p);
  p = open_plan(m, OFS_PREDICT, n);
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  run_step(p, 0, n, 5000);
  const real *gamma = weight(m, layer, OFS_GAMMA), *beta = weight(m, layer, OFS_BETA),
             *y = ofs_plan_output(p, 0);
  double worst = 0;
  for (uint64_t i = 0; i < size; i++) {
    uint64_t c = i % channels, r = i / channels;
    double v = masked ? table[(uint64_t)x[r] * channels + c] : x[i];
    worst =
        fmax(worst, fabs(y[i] - ((v - mean[c]) / sqrt(variance[c] + 0.001) * gamma[c] + beta[c])));
  }
  CHECK_MSG(worst <= 1e-10, "prediction after a step: off by %g", worst);
  free(p), free(x), free(target), free(want), free(got), free(m);
}

/* Two layers with one mean: each moves it, one after the other. */
static void test_tied(void) {
  writer w;
  ofs_model *m;
  const float x[] = {1, 5, 3, 7}, y[4] = {0};
  const double shape[] = {2};
  begin_net(&w, 1, shape);
  for (int i = 0; i < 3; i++) {
    writer_record(&w, OFS_BATCH_NORMALIZATION);
    FIELD(&w, OFS_BATCH_NORMALIZATION_MOMENTUM, 0.75);
    FIELD(&w, OFS_LAYER_NORMALIZATION_BETA_INIT, OFS_INIT_CONSTANT, 2);
    if (i) FIELD(&w, OFS_LAYER_TIED_TO, 0);
  }
  free(outputs_of(&w, &m, x, 2));
  ofs_plan *p = open_plan(m, OFS_TRAIN, 2);
  const ofs_data data = {x, y, OFS_F32, OFS_F32, 2, 0, NULL, NULL};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  run_step(p, 0, 2, 5000);
  const double means[][3] = {{2, 2, 2}, {6, 2, 2}};
  const double u = 1 / 1.001, v = u / (u + 0.001), variances[] = {1, u, v};
  for (int c = 0; c < 2; c++) {
    double mean = 0, variance = 1;
    for (int i = 0; i < 3; i++)
      mean = 0.75 * mean + 0.25 * means[c][i], variance = 0.75 * variance + 0.25 * variances[i];
    CHECK_NEAR(weight(m, 0, OFS_MOVING_MEAN)[c], mean, 1e-10);
    CHECK_NEAR(weight(m, 0, OFS_MOVING_VARIANCE)[c], variance, 1e-10);
  }
  free(p), free(m);
}

/* ---- attention ---- */

typedef struct attends {
  uint32_t steps, keys, width, heads, key, value;
  int bias, causal, query_mask, key_mask;
} attends;

/* x (index's row of the table) times kernel (D, heads, size) of one head, plus bias; number i of
 * it. */
static double projected(const real *x, uint32_t width, const real *kernel, const real *bias,
                        const attends *a, uint32_t head, uint32_t size, uint32_t i) {
  double sum = bias ? bias[head * size + i] : 0;
  for (uint32_t d = 0; d < width; d++) sum += x[d] * kernel[(d * a->heads + head) * size + i];
  return sum;
}

static void attend(double *want, const ofs_model *m, const attends *a, const float *query,
                   const float *keys) {
  static double o[MANY], score[MANY];
  const real *tables[] = {weight(m, 0, OFS_EMBEDDINGS), weight(m, 1, OFS_EMBEDDINGS)};
#define W(role) weight(m, 2, OFS_##role)
  const uint32_t other = a->width + 1;
  for (uint32_t t = 0; t < a->steps; t++) {
    const real *q = tables[0] + (uint32_t)query[t] * a->width;
    for (uint32_t h = 0; h < a->heads; h++) {
      double greatest = -INFINITY, sum = 0;
      int any = 0;
      for (uint32_t s = 0; s < a->keys; s++) {
        const real *k = tables[1] + (uint32_t)keys[s] * other;
        int sees = !(a->causal && s > t) && !(a->query_mask && query[t] == 0) &&
                   !(a->key_mask && keys[s] == 0);
        score[s] = 0;
        for (uint32_t i = 0; i < a->key; i++)
          score[s] += projected(q, a->width, W(QUERY_KERNEL), W(QUERY_BIAS), a, h, a->key, i) *
                      projected(k, other, W(KEY_KERNEL), W(KEY_BIAS), a, h, a->key, i) /
                      sqrt(a->key);
        if (!sees)
          score[s] = -INFINITY;
        else
          any = 1, greatest = fmax(greatest, score[s]);
      }
      for (uint32_t s = 0; s < a->keys; s++) sum += score[s] = any ? exp(score[s] - greatest) : 1;
      for (uint32_t i = 0; i < a->value; i++) {
        o[h * a->value + i] = 0;
        for (uint32_t s = 0; s < a->keys; s++)
          o[h * a->value + i] += score[s] / sum *
                                 projected(tables[1] + (uint32_t)keys[s] * other, other,
                                           W(VALUE_KERNEL), W(VALUE_BIAS), a, h, a->value, i);
      }
    }
    for (uint32_t d = 0; d < a->width; d++) {
      want[t * a->width + d] = a->bias ? W(OUTPUT_BIAS)[d] : 0;
      for (uint32_t i = 0; i < a->heads * a->value; i++)
        want[t * a->width + d] += o[i] * W(OUTPUT_KERNEL)[i * a->width + d];
    }
  }
#undef W
}

static void table(writer *w, uint32_t width, int masks, int input) {
  writer_record(w, OFS_EMBEDDING);
  FIELD(w, OFS_EMBEDDING_INPUT_DIM, 6);
  FIELD(w, OFS_EMBEDDING_OUTPUT_DIM, width);
  FIELD(w, OFS_EMBEDDING_MASK_ZERO, masks);
  FIELD(w, OFS_EMBEDDING_TABLE_INIT, OFS_INIT_RANDOM_UNIFORM, -2, 2);
  FIELD(w, OFS_LAYER_INPUT, input);
}

/* Query and value from tables of their own. */
static void test_attention(const attends *a) {
  static double want[MANY];
  const uint32_t n = 3, row = a->steps + a->keys;
  const double steps = a->steps, keys = a->keys;
  writer w;
  ofs_model *m;
  begin(&w, 1, &steps);
  FIELD(&w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
  writer_record(&w, OFS_INPUT);
  FIELD(&w, OFS_INPUT_SHAPE, keys);
  writer_record(&w, OFS_SGD);
  table(&w, a->width, a->query_mask, -1), table(&w, a->width + 1, a->key_mask, -2);
  writer_record(&w, OFS_MULTI_HEAD_ATTENTION);
  FIELD(&w, OFS_LAYER_INPUT, 0, 1);
  FIELD(&w, OFS_ATTENTION_HEADS, a->heads);
  FIELD(&w, OFS_ATTENTION_KEY_DIM, a->key);
  FIELD(&w, OFS_ATTENTION_VALUE_DIM, a->value);
  FIELD(&w, OFS_ATTENTION_USE_BIAS, a->bias);
  FIELD(&w, OFS_ATTENTION_CAUSAL, a->causal);
  FIELD(&w, OFS_ATTENTION_DROPOUT, 0.5); /* in training only */
  FIELD(&w, OFS_ATTENTION_BIAS_INIT, OFS_INIT_RANDOM_UNIFORM, -1, 1);
  float *x = fill(n * row);
  for (uint32_t i = 0; i < n * row; i++) x[i] = (float)((int)(fabsf(x[i]) * 600) % 6);
  real *y = outputs_of(&w, &m, x, n);
  for (uint32_t s = 0; s < n; s++)
    attend(want + s * a->steps * a->width, m, a, x + s * row, x + s * row + a->steps);
  compare(y, want, n * a->steps * a->width,
          LABEL("attention of %u and %u, causal %d, masks %d %d", a->steps, a->keys, a->causal,
                a->query_mask, a->key_mask));
  free(x), free(y), free(m);
}

/* ---- refusals ---- */

static void test_refusals(void) {
  writer w;
  for (int groups = 0; groups < 8; groups += 4) {
    net(&w, 2, 6, 0, OFS_LOSS_MSE);
    writer_record(&w, OFS_GROUP_NORMALIZATION);
    FIELD(&w, OFS_GROUP_NORMALIZATION_GROUPS, groups);
    check_refused(&w, 0, OFS_GROUP_NORMALIZATION_GROUPS, OFS_WHY_DIVIDES,
                  "groups that do not divide");
  }
  net(&w, 3, 4, 0, OFS_LOSS_MSE);
  writer_record(&w, OFS_TIME_DISTRIBUTED), writer_record(&w, OFS_BATCH_NORMALIZATION);
  check_refused(&w, 0, -1, OFS_WHY_UNKNOWN, "statistics step by step");
  net(&w, 3, 0, 0, OFS_LOSS_MSE);
  dense(&w, 4, OFS_ACT_RELU), table(&w, 2, 0, 0);
  check_refused(&w, 1, OFS_LAYER_INPUT, OFS_WHY_INDICES, "an embedding of what a layer puts out");
  net(&w, 4, 3, 0, OFS_LOSS_MSE);
  writer_record(&w, OFS_POSITION_EMBEDDING);
  FIELD(&w, OFS_POSITION_EMBEDDING_LENGTH, 3);
  check_refused(&w, 0, OFS_POSITION_EMBEDDING_LENGTH, OFS_WHY_RANGE,
                "a sequence longer than the table");
  net(&w, 4, 0, 0, OFS_LOSS_MSE);
  writer_record(&w, OFS_MULTI_HEAD_ATTENTION);
  FIELD(&w, OFS_ATTENTION_HEADS, 2);
  FIELD(&w, OFS_ATTENTION_KEY_DIM, 2);
  check_refused(&w, 0, -1, OFS_WHY_RANK, "attention without steps");
  net(&w, 4, 3, 0, OFS_LOSS_MSE);
  dense(&w, 2, OFS_ACT_LINEAR), writer_record(&w, OFS_FLATTEN), dense(&w, 4, OFS_ACT_LINEAR);
  writer_record(&w, OFS_RESHAPE);
  FIELD(&w, OFS_RESHAPE_TARGET_SHAPE, 2, 2);
  writer_record(&w, OFS_MULTI_HEAD_ATTENTION);
  FIELD(&w, OFS_ATTENTION_HEADS, 2);
  FIELD(&w, OFS_ATTENTION_KEY_DIM, 2);
  FIELD(&w, OFS_LAYER_INPUT, 0, 0, 3);
  check_refused(&w, 4, OFS_LAYER_INPUT, OFS_WHY_SHAPE, "more values than keys");
}

int main(void) {
  test_sets(1, 1, 0), test_sets(5, 7, 0), test_sets(3, 130, 0), test_sets(4, 6, 3),
      test_sets(70, 6, 2), test_sets(9, 5, -1);
  for (int frozen = 0; frozen < 2; frozen++)
    for (int masked = 0; masked < 2; masked++)
      test_batch(1, 3, 7, masked, frozen), test_batch(50, 5, 9, masked, frozen),
          test_batch(3, 9, 2, masked, frozen);
  test_tied();
  for (int i = 0; i < 16; i++) {
    const int causal = i & 1, query = i >> 1 & 1, key = i >> 2 & 1, bias = i >> 3;
    test_attention(&(attends){1, 1, 2, 1, 1, 1, bias, causal, query, key});
    test_attention(&(attends){5, 7, 3, 2, 3, 4, bias, causal, query, key});
    test_attention(&(attends){40, 35, 4, 3, 2, 5, bias, causal, query, key});
    test_attention(&(attends){3, 66, 2, 1, 70, 3, bias, causal, query, key});
  }
  test_refusals();
  return check_report("outputs of normalization and attention");
}
