/* test_metrics.c: metrics against plain restatements over the predictions of an OFS_PREDICT plan,
 * what counts (complete steps, weights, masks), states, refusals. */
#include "check.h"
#include "spec_writer.h"

#define SAMPLES 60
#define INPUTS 6
#define BATCH 16

static uint32_t seed = 1;
static float uniform(void) {
  seed = seed * 1664525u + 1013904223u;
  return (float)(seed >> 8) / 16777216.0f;
}

static float x[SAMPLES * INPUTS], weights[SAMPLES], rows[SAMPLES * 8];
static int32_t classes[SAMPLES * INPUTS];

static ofs_model *model_of(writer *w, int units, int act) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, INPUTS);
  writer_record(w, OFS_ADAM);
  FIELD(w, OFS_ADAM_LEARNING_RATE, 0.01);
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, units);
  FIELD(w, OFS_DENSE_ACTIVATION, act);
  return open_model(w, NULL);
}

static ofs_metrics *open_metrics(const ofs_model *m, const writer *w, ofs_error *err) {
  uint64_t bytes = 0;
  ofs_metrics *metrics = NULL;
  if (ofs_metrics_bytes(m, w->bytes, w->n, SAMPLES, &bytes, err) < 0) return NULL;
  CHECK_INT(ofs_metrics_init(block_of(bytes), bytes, m, w->bytes, w->n, SAMPLES, &metrics, err),
            OFS_OK);
  return metrics;
}

static double result(const ofs_metrics *metrics, uint32_t i) {
  ofs_metric_info info;
  double to = -9;
  CHECK_INT(ofs_metrics_info(metrics, i, &info), OFS_OK);
  CHECK_INT(info.length, 1);
  CHECK_INT(ofs_metrics_result(metrics, i, &to), OFS_OK);
  return to;
}

/* Evaluates all samples in batches, in slices of `work`. */
static void measure(ofs_model *m, ofs_metrics *metrics, const ofs_data *data, uint64_t work) {
  ofs_model_set_metrics(m, metrics);
  ofs_plan *p = open_plan(m, OFS_EVALUATE, BATCH);
  ofs_model_set_metrics(m, NULL);
  CHECK_INT(ofs_plan_set_data(p, data, NULL), OFS_OK);
  for (uint32_t at = 0; at < data->n; at += BATCH) {
    uint32_t left = (uint32_t)data->n - at;
    CHECK_INT(run_step(p, at, left < BATCH ? left : BATCH, work), OFS_OK);
  }
  free(p);
}

/* Returns all predictions; free() them. */
static float *predict(ofs_model *m, const ofs_data *data, uint64_t size) {
  float *all = check_alloc(data->n * size * sizeof *all);
  ofs_plan *p = open_plan(m, OFS_PREDICT, SAMPLES);
  CHECK_INT(ofs_plan_set_data(p, data, NULL), OFS_OK);
  CHECK_INT(run_step(p, 0, (uint32_t)data->n, UINT64_MAX), OFS_OK);
  memcpy(all, ofs_plan_output(p, 0), data->n * size * sizeof *all);
  free(p);
  return all;
}

static uint32_t largest(const float *v, uint32_t n) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < n; i++)
    if (v[i] > v[best]) best = i;
  return best;
}

static double over(double a, double b) { return b > 0 ? a / b : 0; }

/* Counts of one class, and what follows from them. */
typedef struct counts {
  double tp, fp, fn, tn;
} counts;

static void count(counts *c, int positive, int truly, double w) {
  *(truly ? positive ? &c->tp : &c->fn : positive ? &c->fp : &c->tn) += w;
}
static double precision(counts c) { return over(c.tp, c.tp + c.fp); }
static double recall(counts c) { return over(c.tp, c.tp + c.fn); }
static double f_beta(counts c, double b) {
  double p = precision(c), r = recall(c);
  return over((1 + b * b) * p * r, b * b * p + r);
}

#define CLASSES 4

static void test_classes(int weighted) {
  writer w;
  ofs_model *m = model_of(&w, CLASSES, OFS_ACT_SOFTMAX);
  /* class 3 is in no target */
  for (int i = 0; i < SAMPLES; i++) classes[i] = (int32_t)(uniform() * 3);
  const ofs_data data = {x, classes, OFS_F32, OFS_I32, SAMPLES, 0, weighted ? weights : NULL, NULL};
  w.n = 0;
  writer_record(&w, OFS_METRIC_ACCURACY);
  writer_record(&w, OFS_METRIC_PRECISION);
  writer_record(&w, OFS_METRIC_RECALL);
  FIELD(&w, OFS_RECALL_AVERAGE, OFS_AVERAGE_WEIGHTED);
  writer_record(&w, OFS_METRIC_F1);
  FIELD(&w, OFS_F1_AVERAGE, OFS_AVERAGE_MICRO);
  writer_record(&w, OFS_METRIC_F_BETA);
  FIELD(&w, OFS_F_BETA_BETA, 2);
  writer_record(&w, OFS_METRIC_SPECIFICITY);
  FIELD(&w, OFS_SPECIFICITY_CLASS_INDEX, 1);
  writer_record(&w, OFS_METRIC_TOP_K);
  FIELD(&w, OFS_TOP_K_K, 2);
  writer_record(&w, OFS_METRIC_MATTHEWS);
  writer_record(&w, OFS_METRIC_MEAN_IOU);
  writer_record(&w, OFS_METRIC_PRECISION);
  FIELD(&w, OFS_PRECISION_THRESHOLD, 0.3);
  FIELD(&w, OFS_PRECISION_AVERAGE, OFS_AVERAGE_MICRO);
  writer_record(&w, OFS_METRIC_CONFUSION);
  writer_record(&w, OFS_METRIC_PER_CLASS);
  writer_record(&w, OFS_METRIC_F1);
  FIELD(&w, OFS_F1_AVERAGE, OFS_AVERAGE_NONE);
  ofs_metrics *metrics = open_metrics(m, &w, NULL);
  measure(m, metrics, &data, UINT64_MAX);
  float *p = predict(m, &data, CLASSES);

  counts c[CLASSES] = {{0, 0, 0, 0}}, all = {0, 0, 0, 0}, above = {0, 0, 0, 0};
  double matrix[CLASSES][CLASSES] = {{0}}, total = 0, top = 0, right = 0;
  for (int i = 0; i < SAMPLES; i++) {
    double weight = weighted ? weights[i] : 1;
    const float *row = p + CLASSES * i;
    uint32_t best = largest(row, CLASSES), truth = (uint32_t)classes[i], higher = 0;
    total += weight;
    right += weight * (best == truth);
    matrix[truth][best] += weight;
    for (uint32_t k = 0; k < CLASSES; k++) {
      count(&c[k], k == best, k == truth, weight);
      count(&all, k == best, k == truth, weight);
      count(&above, row[k] > 0.3f, k == truth, weight);
      higher += row[k] > row[truth];
    }
    top += weight * (higher < 2);
  }
  double macro = 0, sum = 0, f2 = 0, iou = 0, seen = 0, chance = 0, t2 = 0, p2 = 0;
  double whole[CLASSES * CLASSES], per_class[CLASSES], f1[CLASSES];
  CHECK_INT(ofs_metrics_result(metrics, 10, whole), OFS_OK);
  CHECK_INT(ofs_metrics_result(metrics, 11, per_class), OFS_OK);
  CHECK_INT(ofs_metrics_result(metrics, 12, f1), OFS_OK);
  for (int k = 0; k < CLASSES; k++) {
    double support = c[k].tp + c[k].fn, guessed = c[k].tp + c[k].fp;
    macro += precision(c[k]) / CLASSES;
    f2 += f_beta(c[k], 2) / CLASSES;
    sum += support * recall(c[k]) / total;
    iou += over(c[k].tp, support + guessed - c[k].tp);
    seen += support + guessed > 0;
    chance += support * guessed, t2 += support * support, p2 += guessed * guessed;
    CHECK_NEAR(per_class[k], recall(c[k]), 1e-12);
    CHECK_NEAR(f1[k], f_beta(c[k], 1), 1e-12);
    for (int j = 0; j < CLASSES; j++) CHECK_NEAR(whole[CLASSES * k + j], matrix[k][j], 1e-12);
  }
  CHECK_NEAR(result(metrics, 0), right / total, 1e-12);
  CHECK_NEAR(result(metrics, 1), macro, 1e-12);
  CHECK_NEAR(result(metrics, 2), sum, 1e-12);
  CHECK_NEAR(result(metrics, 3), f_beta(all, 1), 1e-12);
  CHECK_NEAR(result(metrics, 4), f2, 1e-12);
  CHECK_NEAR(result(metrics, 5), over(c[1].tn, c[1].tn + c[1].fp), 1e-12);
  CHECK_NEAR(result(metrics, 6), top / total, 1e-12);
  double square = (total * total - t2) * (total * total - p2);
  CHECK_NEAR(result(metrics, 7), over(right * total - chance, sqrt(square)), 1e-9);
  CHECK_NEAR(result(metrics, 8), iou / seen, 1e-12);
  CHECK_NEAR(result(metrics, 9), precision(above), 1e-12);
  ofs_metric_info info;
  CHECK_INT(ofs_metrics_info(metrics, 10, &info), OFS_OK);
  CHECK_INT(info.type, OFS_METRIC_CONFUSION);
  CHECK_INT(info.length, CLASSES * CLASSES);
  CHECK_INT(info.direction, 0);
  CHECK_INT(ofs_metrics_info(metrics, 12, &info), OFS_OK);
  CHECK_INT(info.length, CLASSES);
  CHECK_INT(ofs_metrics_info(metrics, 1, &info), OFS_OK);
  CHECK_INT(info.direction, 1);
  free(p), free(metrics), free(m);
}

/* One sigmoid unit, or several labels: each number is above the threshold or not. */
static void test_labels(int units) {
  writer w;
  ofs_model *m = model_of(&w, units, OFS_ACT_SIGMOID);
  for (int i = 0; i < SAMPLES * units; i++) rows[i] = uniform() < 0.4f;
  const ofs_data data = {x, rows, OFS_F32, OFS_F32, SAMPLES, 0, NULL, NULL};
  w.n = 0;
  writer_record(&w, OFS_METRIC_PRECISION);
  writer_record(&w, OFS_METRIC_RECALL);
  FIELD(&w, OFS_RECALL_THRESHOLD, 0.6);
  writer_record(&w, OFS_METRIC_BINARY);
  FIELD(&w, OFS_BINARY_THRESHOLD, 0.6);
  if (units == 1) writer_record(&w, OFS_METRIC_MATTHEWS);
  ofs_metrics *metrics = open_metrics(m, &w, NULL);
  measure(m, metrics, &data, 1);
  float *p = predict(m, &data, (uint64_t)units);
  double want[2] = {0, 0}, right = 0;
  counts first = {0, 0, 0, 0};
  for (int k = 0; k < units; k++) {
    counts half = {0, 0, 0, 0}, more = {0, 0, 0, 0};
    for (int i = k; i < SAMPLES * units; i += units) {
      count(&half, p[i] > 0.5f, rows[i] > 0.5f, 1);
      count(&more, p[i] > 0.6f, rows[i] > 0.5f, 1);
    }
    if (k == 0) first = half;
    want[0] += precision(half) / units;
    want[1] += recall(more) / units;
    right += (more.tp + more.tn) / (SAMPLES * units);
  }
  CHECK_NEAR(result(metrics, 0), want[0], 1e-12);
  CHECK_NEAR(result(metrics, 1), want[1], 1e-12);
  CHECK_NEAR(result(metrics, 2), right, 1e-12);
  counts c = first;
  double root = sqrt((c.tp + c.fp) * (c.tp + c.fn) * (c.tn + c.fp) * (c.tn + c.fn));
  if (units == 1) CHECK_NEAR(result(metrics, 3), over(c.tp * c.tn - c.fp * c.fn, root), 1e-9);
  free(p), free(metrics), free(m);
}

static void test_numbers(int weighted) {
  enum { UNITS = 2 };
  writer w;
  ofs_model *m = model_of(&w, UNITS, OFS_ACT_LINEAR);
  /* far from 0, so that sums of squares would have no digits left */
  for (int i = 0; i < SAMPLES * UNITS; i++) rows[i] = 1000 + uniform();
  const ofs_data data = {x, rows, OFS_F32, OFS_F32, SAMPLES, 0, weighted ? weights : NULL, NULL};
  static const uint16_t types[] = {OFS_METRIC_MSE,   OFS_METRIC_RMSE, OFS_METRIC_MAE,
                                   OFS_METRIC_MAPE,  OFS_METRIC_R2,   OFS_METRIC_PEARSON,
                                   OFS_METRIC_COSINE};
  w.n = 0;
  for (int i = 0; i < 7; i++) writer_record(&w, types[i]);
  ofs_metrics *metrics = open_metrics(m, &w, NULL);
  measure(m, metrics, &data, 1000);
  float *p = predict(m, &data, UNITS);
  double total = 0, mse = 0, mae = 0, mape = 0, r2 = 0, pearson = 0, cosine = 0;
  for (int i = 0; i < SAMPLES; i++) {
    double weight = weighted ? weights[i] : 1, dot = 0, pp = 0, tt = 0;
    total += weight;
    for (int k = 0; k < UNITS; k++) {
      double t = rows[UNITS * i + k], g = p[UNITS * i + k];
      mse += weight * (t - g) * (t - g) / UNITS;
      mae += weight * fabs(t - g) / UNITS;
      mape += weight * 100 * fabs(t - g) / fabs(t) / UNITS;
      dot += t * g, pp += g * g, tt += t * t;
    }
    cosine += weight * dot / sqrt(pp * tt);
  }
  for (int k = 0; k < UNITS; k++) {
    double mt = 0, mp = 0, st = 0, sp = 0, cross = 0, errors = 0;
    for (int i = 0; i < SAMPLES; i++) {
      double share = (weighted ? weights[i] : 1) / total;
      mt += share * rows[UNITS * i + k], mp += share * p[UNITS * i + k];
    }
    for (int i = 0; i < SAMPLES; i++) {
      double weight = weighted ? weights[i] : 1, t = rows[UNITS * i + k], g = p[UNITS * i + k];
      st += weight * (t - mt) * (t - mt), sp += weight * (g - mp) * (g - mp);
      cross += weight * (t - mt) * (g - mp), errors += weight * (t - g) * (t - g);
    }
    r2 += (1 - errors / st) / UNITS;
    pearson += cross / sqrt(st * sp) / UNITS;
  }
  const double want[] = {mse / total, sqrt(mse / total), mae / total,   mape / total,
                         r2,          pearson,           cosine / total};
  for (uint32_t i = 0; i < 7; i++) {
    ofs_metric_info info;
    CHECK_NEAR(result(metrics, i), want[i], 1e-9 * fabs(want[i]) + 1e-9);
    CHECK_INT(ofs_metrics_info(metrics, i, &info), OFS_OK);
    CHECK_INT(info.direction, i < 4 ? -1 : 1);
  }
  free(p), free(metrics), free(m);
}

/* Positions whose mask is 0 do not count. */
static void test_masks(void) {
  writer w = {.n = 0};
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, INPUTS);
  writer_record(&w, OFS_SGD);
  writer_record(&w, OFS_EMBEDDING);
  FIELD(&w, OFS_EMBEDDING_INPUT_DIM, 5);
  FIELD(&w, OFS_EMBEDDING_OUTPUT_DIM, 4);
  FIELD(&w, OFS_EMBEDDING_MASK_ZERO, 1);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, 3);
  FIELD(&w, OFS_DENSE_ACTIVATION, OFS_ACT_SOFTMAX);
  ofs_model *m = open_model(&w, NULL);
  static float words[SAMPLES * INPUTS];
  double positions = 0, right = 0;
  for (int i = 0; i < SAMPLES * INPUTS; i++) {
    words[i] = (float)(int)(uniform() * 5);
    classes[i] = (int32_t)(uniform() * 3);
    positions += words[i] != 0;
  }
  const ofs_data data = {words, classes, OFS_F32, OFS_I32, SAMPLES, 0, NULL, NULL};
  w.n = 0;
  writer_record(&w, OFS_METRIC_ACCURACY);
  writer_record(&w, OFS_METRIC_CONFUSION);
  ofs_metrics *metrics = open_metrics(m, &w, NULL);
  measure(m, metrics, &data, UINT64_MAX);
  float *p = predict(m, &data, 3 * INPUTS);
  for (int i = 0; i < SAMPLES * INPUTS; i++)
    right += words[i] != 0 && largest(p + 3 * i, 3) == (uint32_t)classes[i];
  double matrix[9], sum = 0;
  CHECK_INT(ofs_metrics_result(metrics, 1, matrix), OFS_OK);
  for (int i = 0; i < 9; i++) sum += matrix[i];
  CHECK_NEAR(sum, positions, 0);
  CHECK_NEAR(result(metrics, 0), right / positions, 1e-12);
  free(p), free(metrics), free(m);
}

/* Returns Keras's AUC over n thresholds, as its confusion_metrics.py has it: every threshold's
 * counts, then the rule over them. */
static double keras_auc(const float *p, const int32_t *truly, uint32_t column, uint32_t n, int pr) {
  double tp[64], fp[64], up = 0, down = 0, sum = 0;
  for (uint32_t t = 0; t < n; t++) {
    float at = t == 0 ? -1e-7f : t == n - 1 ? 1 + 1e-7f : (float)((double)t / (n - 1));
    tp[t] = fp[t] = up = down = 0;
    for (uint32_t i = 0; i < SAMPLES; i++) {
      int high = truly[i] == (int32_t)column;
      *(high ? &up : &down) += weights[i];
      if (p[CLASSES * i + column] > at) *(high ? &tp[t] : &fp[t]) += weights[i];
    }
  }
  for (uint32_t t = 0; t + 1 < n; t++) {
    double dtp = tp[t] - tp[t + 1], before = tp[t] + fp[t], after = tp[t + 1] + fp[t + 1];
    double slope = over(dtp, before - after), start = tp[t + 1] - slope * after;
    double ratio = before > 0 && after > 0 ? before / after : 1;
    if (pr)
      sum += over(slope * (dtp + start * log(ratio)), up);
    else
      sum += (tp[t] + tp[t + 1]) / 2 / up * (fp[t] - fp[t + 1]) / down;
  }
  return sum;
}

static void finish(ofs_metrics *metrics, uint64_t work) {
  ofs_status s = OFS_MORE;
  uint64_t done = 0;
  while (s == OFS_MORE) {
    s = ofs_metrics_finish(metrics, work, &done);
    CHECK(s == OFS_OK || done > 0);
  }
  CHECK_INT(s, OFS_OK);
}

static void test_areas(void) {
  enum { EXACT_ROC, EXACT_PR, ROC_NONE, PR_NONE, TWO };
  writer w;
  ofs_model *m = model_of(&w, CLASSES, OFS_ACT_SOFTMAX);
  for (int i = 0; i < SAMPLES; i++) classes[i] = (int32_t)(uniform() * CLASSES);
  const ofs_data data = {x, classes, OFS_F32, OFS_I32, SAMPLES, 0, weights, NULL};
  w.n = 0;
  writer_record(&w, OFS_METRIC_AUC);
  writer_record(&w, OFS_METRIC_AUC);
  FIELD(&w, OFS_AUC_CURVE, OFS_CURVE_PR);
  for (int pr = 0; pr < 2; pr++) {
    writer_record(&w, OFS_METRIC_AUC);
    FIELD(&w, OFS_AUC_AVERAGE, OFS_AVERAGE_NONE);
    FIELD(&w, OFS_AUC_CURVE, pr);
    FIELD(&w, OFS_AUC_THRESHOLDS, 33);
  }
  writer_record(&w, OFS_METRIC_AUC);
  FIELD(&w, OFS_AUC_THRESHOLDS, 2);
  ofs_metrics *metrics = open_metrics(m, &w, NULL), *other = open_metrics(m, &w, NULL);
  measure(m, metrics, &data, UINT64_MAX);
  double none[2][CLASSES], roc = 0, to;
  CHECK_INT(ofs_metrics_result(metrics, EXACT_ROC, &to), OFS_INVALID_STATE);
  CHECK_INT(ofs_metrics_finish(metrics, 1, NULL), OFS_MORE);
  CHECK_INT(ofs_metrics_result(metrics, EXACT_PR, &to), OFS_INVALID_STATE);
  finish(metrics, 1);
  float *p = predict(m, &data, CLASSES);
  for (uint32_t pr = 0; pr < 2; pr++) {
    CHECK_INT(ofs_metrics_result(metrics, ROC_NONE + pr, none[pr]), OFS_OK);
    for (uint32_t k = 0; k < CLASSES; k++)
      CHECK_NEAR(none[pr][k], keras_auc(p, classes, k, 33, (int)pr), 1e-9);
  }
  for (uint32_t k = 0; k < CLASSES; k++) {
    double won = 0, pairs = 0;
    for (uint32_t i = 0; i < SAMPLES; i++)
      for (uint32_t j = 0; j < SAMPLES; j++) {
        if (classes[i] != (int32_t)k || classes[j] == (int32_t)k) continue;
        double a = p[CLASSES * i + k], b = p[CLASSES * j + k], weight = weights[i] * weights[j];
        won += weight * (a > b ? 1 : a == b ? 0.5 : 0);
        pairs += weight;
      }
    roc += won / pairs / CLASSES;
  }
  CHECK_NEAR(result(metrics, EXACT_ROC), roc, 1e-6);
  CHECK_NEAR(result(metrics, TWO), 0.5, 1e-12);
  /* whole, in slices, and of a state that was put back: the same bits */
  uint64_t n, at_most;
  const double *sums = ofs_metrics_state(metrics, &n);
  measure(m, other, &data, 1);
  finish(other, UINT64_MAX);
  const double *again = ofs_metrics_state(other, &at_most);
  CHECK_INT(n, at_most);
  CHECK(memcmp(sums, again, n * sizeof *sums) == 0);
  CHECK(result(metrics, EXACT_PR) == result(other, EXACT_PR));
  ofs_metrics_reset(other);
  uint64_t scores_begin;
  ofs_metrics_state(other, &scores_begin);
  CHECK(scores_begin < n);
  CHECK_INT(ofs_metrics_result(other, EXACT_ROC, &to), OFS_INVALID_STATE);
  finish(other, UINT64_MAX);
  CHECK_NEAR(result(other, EXACT_ROC), 0, 0);
  CHECK_INT(ofs_metrics_restore(other, sums, n), OFS_OK);
  CHECK_INT(ofs_metrics_result(other, EXACT_ROC, &to), OFS_INVALID_STATE);
  finish(other, 1);
  CHECK(result(metrics, EXACT_ROC) == result(other, EXACT_ROC));
  /* hostile: the number of positions, a weight, a score */
  double bad[512];
  CHECK(n < 512);
  const double held[] = {-1, 0.5, NAN, SAMPLES + 1, 1e300};
  for (uint32_t i = 0; i < 5; i++) {
    memcpy(bad, sums, n * sizeof *bad);
    bad[1] = held[i];
    CHECK_INT(ofs_metrics_restore(other, bad, n), OFS_INVALID_DATA);
  }
  const float scores[] = {-1.5f, 2, NAN, INFINITY}, no_weights[] = {0, -1, NAN, INFINITY};
  for (uint32_t i = 0; i < 8; i++) {
    memcpy(bad, sums, n * sizeof *bad);
    float *first = (float *)(bad + scores_begin);
    first[i < 4 ? 1 : 0] = i < 4 ? scores[i] : no_weights[i - 4];
    CHECK_INT(ofs_metrics_restore(other, bad, n), OFS_INVALID_DATA);
  }
  CHECK_INT(ofs_metrics_restore(other, sums, n + 1), OFS_INVALID_DATA);
  CHECK_INT(ofs_metrics_restore(other, sums, n - 1), OFS_INVALID_DATA);
  /* more samples than there is room for: no result is made up */
  measure(m, metrics, &data, UINT64_MAX);
  finish(metrics, UINT64_MAX);
  CHECK(isnan(result(metrics, EXACT_ROC)));
  CHECK_INT(ofs_metrics_result(metrics, PR_NONE, none[0]), OFS_OK);
  CHECK(isnan(none[0][CLASSES - 1]));
  free(p), free(metrics), free(other), free(m);
}

/* A prediction that is not finite makes results NaN, and no state that cannot be put back. */
static void test_not_finite(void) {
  static const uint16_t types[] = {OFS_METRIC_ACCURACY, OFS_METRIC_F1, OFS_METRIC_MSE,
                                   OFS_METRIC_R2, OFS_METRIC_AUC};
  writer w;
  ofs_model *m = model_of(&w, CLASSES, OFS_ACT_SOFTMAX);
  const ofs_data data = {x, classes, OFS_F32, OFS_I32, SAMPLES, 0, NULL, NULL};
  w.n = 0;
  for (int i = 0; i < 5; i++) writer_record(&w, types[i]);
  ofs_metrics *metrics = open_metrics(m, &w, NULL);
  ofs_tensor t;
  ofs_model_tensor(m, 0, &t);
  float kept = t.data[0];
  const float values[] = {NAN, INFINITY};
  for (int i = 0; i < 2; i++) {
    t.data[0] = values[i];
    measure(m, metrics, &data, UINT64_MAX);
    finish(metrics, UINT64_MAX);
    uint64_t n;
    const double *sums = ofs_metrics_state(metrics, &n);
    double copy[512];
    CHECK(n < 512);
    memcpy(copy, sums, n * sizeof *copy);
    for (uint32_t k = 0; k < 5; k++) CHECK(isnan(result(metrics, k)));
    CHECK_INT(ofs_metrics_restore(metrics, copy, n), OFS_OK);
    finish(metrics, UINT64_MAX);
    CHECK(isnan(result(metrics, 1)));
    ofs_metrics_reset(metrics);
  }
  t.data[0] = kept;
  measure(m, metrics, &data, UINT64_MAX);
  finish(metrics, UINT64_MAX);
  for (uint32_t k = 0; k < 5; k++) CHECK(isfinite(result(metrics, k)));
  free(metrics), free(m);
}

/* A step that has begun to add cannot be discarded, and no other begins before it is complete. */
static void test_between(void) {
  writer w;
  ofs_model *m = model_of(&w, CLASSES, OFS_ACT_SOFTMAX);
  const ofs_data data = {x, classes, OFS_F32, OFS_I32, SAMPLES, 0, NULL, NULL};
  w.n = 0;
  writer_record(&w, OFS_METRIC_MSE);
  ofs_metrics *metrics = open_metrics(m, &w, NULL);
  ofs_model_set_metrics(m, metrics);
  for (int kind = OFS_TRAIN; kind <= OFS_EVALUATE; kind++) {
    ofs_plan *p = open_plan(m, kind, SAMPLES);
    CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
    const ofs_batch at = {.count = SAMPLES, .n = SAMPLES};
    CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_OK);
    ofs_metrics_reset(metrics);
    uint64_t n, refused = 0;
    const double *sums = ofs_metrics_state(metrics, &n);
    while (ofs_step_run(p, 1, NULL) == OFS_MORE) {
      if (sums[2] > 0) {
        CHECK_INT(ofs_step_updating(p), 1);
        CHECK_INT(ofs_step_discard(p), OFS_INVALID_STATE);
        CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_INVALID_STATE);
        refused++;
      }
    }
    CHECK_MSG(refused > 0, "positions are added in one part");
    CHECK_NEAR(sums[2], SAMPLES, 0);
    CHECK_INT(ofs_step_updating(p), 0);
    free(p);
  }
  free(metrics), free(m);
}

/* A training step adds what evaluating before it adds, and only once it is complete; weights and
 * moments stay what they are without metrics. */
static void test_steps(void) {
  writer w, list = {.n = 0};
  ofs_model *m = model_of(&w, CLASSES, OFS_ACT_SOFTMAX),
            *plain = model_of(&w, CLASSES, OFS_ACT_SOFTMAX);
  const ofs_data data = {x, classes, OFS_F32, OFS_I32, SAMPLES, 0, weights, NULL};
  for (int i = 0; i < SAMPLES; i++) classes[i] = (int32_t)(uniform() * CLASSES);
  writer_record(&list, OFS_METRIC_CONFUSION);
  writer_record(&list, OFS_METRIC_MSE);
  writer_record(&list, OFS_METRIC_R2);
  writer_record(&list, OFS_METRIC_AUC);
  ofs_metrics *trained = open_metrics(m, &list, NULL), *before = open_metrics(m, &list, NULL),
              *copy = open_metrics(m, &list, NULL);
  uint64_t n, none;
  const double *sums = ofs_metrics_state(trained, &n), *same = ofs_metrics_state(before, &none);
  CHECK_INT(n, none);
  uint64_t bare = 0;
  CHECK_INT(ofs_plan_bytes(plain, OFS_TRAIN, BATCH, &bare, NULL), OFS_OK);
  ofs_plan *q = open_plan(plain, OFS_TRAIN, BATCH);
  ofs_model_set_metrics(m, trained);
  ofs_plan *p = open_plan(m, OFS_TRAIN, BATCH);
  ofs_model_set_metrics(m, before);
  ofs_plan *e = open_plan(m, OFS_EVALUATE, BATCH);
  ofs_model_set_metrics(m, NULL);
  uint64_t again = 0;
  CHECK_INT(ofs_plan_bytes(m, OFS_TRAIN, BATCH, &again, NULL), OFS_OK);
  CHECK_INT(again, bare);
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  CHECK_INT(ofs_plan_set_data(q, &data, NULL), OFS_OK);
  CHECK_INT(ofs_plan_set_data(e, &data, NULL), OFS_OK);
  for (uint32_t step = 0; step < 9; step++) {
    const ofs_batch at = {.first = step * 5, .count = 1 + step, .n = SAMPLES};
    CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_OK);
    CHECK_INT(ofs_step_run(p, 1, NULL), OFS_MORE);
    CHECK_INT(ofs_step_discard(p), OFS_OK);
    CHECK_MSG(memcmp(sums, same, n * sizeof *sums) == 0, "a discarded step counts");
    CHECK_INT(run_step(e, at.first, at.count, step % 2 ? 1 : UINT64_MAX), OFS_OK);
    CHECK_INT(run_step(p, at.first, at.count, step % 3 ? UINT64_MAX : 1), OFS_OK);
    CHECK_INT(run_step(q, at.first, at.count, UINT64_MAX), OFS_OK);
    ofs_metrics_state(trained, &n), ofs_metrics_state(before, &none);
    CHECK_INT(n, none);
    CHECK_MSG(memcmp(sums, same, n * sizeof *sums) == 0, "training and evaluating differ");
    CHECK_INT(ofs_metrics_restore(copy, sums, n), OFS_OK);
    finish(copy, 1), finish(trained, UINT64_MAX);
    for (uint32_t i = 1; i < 4; i++) CHECK_NEAR(result(copy, i), result(trained, i), 0);
  }
  ofs_tensor a, b;
  for (uint32_t i = 0; i < ofs_model_tensors(m); i++) {
    ofs_model_tensor(m, i, &a), ofs_model_tensor(plain, i, &b);
    CHECK(memcmp(a.data, b.data, a.size * sizeof *a.data) == 0);
  }
  ofs_model_tensor(m, 0, &a);
  float kept = a.data[0];
  a.data[0] = NAN;
  CHECK_INT(run_step(p, 0, 4, UINT64_MAX), OFS_NON_FINITE);
  a.data[0] = kept;
  CHECK_MSG(memcmp(sums, same, n * sizeof *sums) == 0, "a step that was not applied counts");
  double bad[256];
  CHECK(n < 256);
  memcpy(bad, sums, n * sizeof *bad);
  CHECK_INT(ofs_metrics_restore(copy, bad, n - 1), OFS_INVALID_DATA);
  bad[0] = -1;
  CHECK_INT(ofs_metrics_restore(copy, bad, n), OFS_INVALID_DATA);
  bad[0] = INFINITY;
  CHECK_INT(ofs_metrics_restore(copy, bad, n), OFS_INVALID_DATA);
  CHECK(memcmp(ofs_metrics_state(copy, &none), sums, n * sizeof *sums) == 0);
  ofs_metrics_reset(trained);
  ofs_metrics_state(trained, &n);
  for (uint64_t i = 0; i < n; i++) CHECK(sums[i] == 0);
  for (uint32_t i = 1; i < 3; i++) CHECK_NEAR(result(trained, i), 0, 0);
  free(p), free(q), free(e), free(trained), free(before), free(copy), free(m), free(plain);
}

static void refused(const ofs_model *m, const writer *w, int field, int why, int line) {
  ofs_error err = {0};
  uint64_t bytes = 77;
  ofs_status s = ofs_metrics_bytes(m, w->bytes, w->n, SAMPLES, &bytes, &err);
  CHECK_MSG(s == OFS_INVALID_SPEC && err.field == field && err.reason == why && bytes == 77,
            "line %d: status %d, field %d, reason %d", line, s, err.field, err.reason);
}

static void test_refusals(void) {
  writer w, spec;
  ofs_model *soft = model_of(&spec, CLASSES, OFS_ACT_SOFTMAX),
            *line = model_of(&w, 2, OFS_ACT_LINEAR);
#define REFUSED(m, record, field, value, at, why)         \
  do {                                                    \
    w.n = 0;                                              \
    writer_record(&w, record);                            \
    if ((field) >= 0) FIELD(&w, (uint8_t)(field), value); \
    refused(m, &w, at, why, __LINE__);                    \
  } while (0)
  REFUSED(line, OFS_METRIC_PRECISION, -1, 0, -1, OFS_WHY_OUTPUT);
  REFUSED(line, OFS_METRIC_CONFUSION, -1, 0, -1, OFS_WHY_OUTPUT);
  REFUSED(line, OFS_METRIC_TOP_K, -1, 0, -1, OFS_WHY_OUTPUT);
  REFUSED(line, OFS_METRIC_AUC, -1, 0, -1, OFS_WHY_OUTPUT);
  REFUSED(soft, OFS_METRIC_AUC, OFS_AUC_THRESHOLDS, 1, OFS_AUC_THRESHOLDS, OFS_WHY_RANGE);
  REFUSED(soft, OFS_METRIC_BINARY, -1, 0, -1, OFS_WHY_OUTPUT);
  REFUSED(soft, OFS_METRIC_TOP_K, OFS_TOP_K_K, 5, OFS_TOP_K_K, OFS_WHY_RANGE);
  REFUSED(soft, OFS_METRIC_R2, OFS_METRIC_R2_OUTPUT, 1, OFS_METRIC_R2_OUTPUT, OFS_WHY_RANGE);
  REFUSED(soft, OFS_METRIC_F1, OFS_F1_CLASS_INDEX, 4, OFS_F1_CLASS_INDEX, OFS_WHY_RANGE);
  REFUSED(soft, OFS_METRIC_F1, OFS_F1_AVERAGE, 4, OFS_F1_AVERAGE, OFS_WHY_RANGE);
  REFUSED(soft, OFS_METRIC_F_BETA, -1, 0, OFS_F_BETA_BETA, OFS_WHY_MISSING);
  REFUSED(soft, OFS_METRIC_F1, OFS_TOP_K_K, 4, -1, OFS_WHY_UNKNOWN);
  REFUSED(soft, OFS_DENSE, OFS_DENSE_UNITS, 4, -1, OFS_WHY_UNKNOWN);
  ofs_error err;
  uint64_t bytes = 0;
  w.n = 0;
  writer_record(&w, OFS_METRIC_F1);
  FIELD(&w, OFS_F1_THRESHOLD, 0.5);
  for (size_t n = 0; n < w.n; n++)
    CHECK_INT(ofs_metrics_bytes(soft, w.bytes, n, SAMPLES, &bytes, &err), OFS_INVALID_SPEC);
  CHECK_INT(ofs_metrics_bytes(soft, w.bytes, w.n + 1, SAMPLES, &bytes, &err), OFS_INVALID_SPEC);
  CHECK_INT(err.reason, OFS_WHY_TRUNCATED);
  CHECK_INT(ofs_metrics_bytes(soft, w.bytes, w.n, SAMPLES, &bytes, &err), OFS_OK);
  ofs_metrics *metrics = NULL;
  void *block = block_of(bytes);
  CHECK_INT(ofs_metrics_init(block, bytes - 1, soft, w.bytes, w.n, SAMPLES, &metrics, &err),
            OFS_OUT_OF_MEMORY);
  CHECK(metrics == NULL);
  CHECK_INT(ofs_metrics_init(block, bytes, soft, w.bytes, w.n, SAMPLES, &metrics, &err), OFS_OK);
  ofs_metric_info info;
  double to;
  CHECK_INT(ofs_metrics_count(metrics), 1);
  CHECK_INT(ofs_metrics_info(metrics, 1, &info), OFS_INVALID_ARGUMENT);
  CHECK_INT(ofs_metrics_result(metrics, 1, &to), OFS_INVALID_ARGUMENT);
  free(block);
  w.n = 0;
  for (int i = 0; i < 65; i++) writer_record(&w, OFS_METRIC_F1);
  refused(soft, &w, -1, OFS_WHY_COUNT, __LINE__);
  /* a metric in a model's spec */
  writer_record(&spec, OFS_METRIC_F1);
  CHECK_INT(ofs_model_bytes(spec.bytes, spec.n, &bytes, &err), OFS_INVALID_SPEC);
  free(soft), free(line);
}

int main(void) {
  for (int i = 0; i < SAMPLES * INPUTS; i++) x[i] = 4 * uniform() - 2;
  for (int i = 0; i < SAMPLES; i++) weights[i] = i % 7 ? 2 * uniform() : 0;
  for (int weighted = 0; weighted < 2; weighted++) {
    test_classes(weighted);
    test_numbers(weighted);
  }
  test_labels(1);
  test_labels(3);
  test_masks();
  test_areas();
  test_not_finite();
  test_between();
  test_steps();
  test_refusals();
  return check_report("metrics");
}
