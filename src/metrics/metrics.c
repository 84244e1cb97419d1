/* metrics.c: reads metrics from records, adds the rows of a step to their sums, and makes results
 * of the sums.
 *
 * The sums of a metric are of one of four kinds; w is a sample's weight, 0 / 0 is 0:
 *     COUNTS     for each number of the output: w of true and false positives, of false and true
 *                negatives
 *     CONFUSION  w by true class (rows) and predicted class
 *     MEAN       the sum of w times a value of each position, the sum of w
 *     MOMENTS    the sum of w, then of each number of the output: mean and squared deviations of
 *                targets, the same of predictions, products of deviations, squared errors (West
 *                1979)
 * Cross-entropies have logits, of which probabilities are made here, in double. */
#include "metrics/metrics.h"

#include "base/maths.h"
#include "base/status.h"
#include "spec/records.h"
#include "step/loss.h"

enum { COUNTS, CONFUSION, MEAN, MOMENTS };
enum { TP, FP, FN, TN, COUNTED };
enum { TARGET, TARGET_SQUARES, GUESS, GUESS_SQUARES, PRODUCTS, ERRORS, MOMENTED };

typedef struct metric {
  const ofs_output *out;
  uint32_t type, output, kind, average, k, length;
  int32_t direction, column; /* column: the only one that counts; -1: all */
  int cut;                   /* a number counts by itself: it is above the threshold or not */
  double threshold, beta;
  uint64_t at, size; /* of its sums */
} metric;

struct ofs_metrics {
  uint32_t count;
  uint64_t size;
  metric *list;
  double *sums;
};

/* ---- records ---- */

#define METRICS_MOST 64

static uint32_t kind_of(uint32_t type) {
  switch (type) {
  case OFS_METRIC_PRECISION:
  case OFS_METRIC_RECALL:
  case OFS_METRIC_F1:
  case OFS_METRIC_F_BETA:
  case OFS_METRIC_SPECIFICITY: return COUNTS;
  case OFS_METRIC_CONFUSION:
  case OFS_METRIC_PER_CLASS:
  case OFS_METRIC_MEAN_IOU:
  case OFS_METRIC_MATTHEWS: return CONFUSION;
  case OFS_METRIC_R2:
  case OFS_METRIC_PEARSON: return MOMENTS;
  default: return MEAN;
  }
}

static int is_error(uint32_t type) { return type >= OFS_METRIC_MSE && type <= OFS_METRIC_MAPE; }

/* Returns the classes that a confusion matrix of the output has. */
static uint32_t classes_of(const ofs_output *out) { return out->axis == 1 ? 2 : out->axis; }

static double option(const ofs_record *r, uint32_t id, double otherwise) {
  return r->count[id] ? r->v[id][0] : otherwise;
}

static ofs_status read_metric(metric *m, const ofs_model *model, const ofs_record *r,
                              ofs_error *err) {
  uint32_t output = (uint32_t)r->v[OFS_ACCURACY_OUTPUT][0];
  if (output >= model->output_count)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_ACCURACY_OUTPUT, OFS_WHY_RANGE, output,
                      0, model->output_count - 1);
  const ofs_output *out = &model->outputs[output];
  *m = (metric){.out = out, .type = r->id, .output = output, .kind = kind_of(r->id), .length = 1};
  int softmax = out->act == OFS_ACT_SOFTMAX, sigmoid = out->act == OFS_ACT_SIGMOID;
  int fits = 1;
  if (m->kind == COUNTS) fits = softmax || sigmoid;
  if (m->kind == CONFUSION) fits = softmax || (sigmoid && out->axis == 1);
  if (r->id == OFS_METRIC_TOP_K) fits = softmax;
  if (r->id == OFS_METRIC_BINARY) fits = sigmoid;
  if (!fits)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_OUTPUT, out->act,
                      r->id == OFS_METRIC_BINARY ? OFS_ACT_SIGMOID : OFS_ACT_SOFTMAX,
                      r->id == OFS_METRIC_BINARY ? OFS_ACT_SIGMOID : OFS_ACT_SOFTMAX);
  m->direction = m->kind == CONFUSION && r->id < OFS_METRIC_MEAN_IOU ? 0 : is_error(r->id) ? -1 : 1;
  m->threshold = option(r, OFS_PRECISION_THRESHOLD, 0.5);
  m->cut = sigmoid || r->count[OFS_PRECISION_THRESHOLD];
  m->average = (uint32_t)option(r, OFS_PRECISION_AVERAGE, OFS_AVERAGE_MACRO);
  m->column = (int32_t)option(r, OFS_PRECISION_CLASS_INDEX, -1);
  m->beta = option(r, OFS_F_BETA_BETA, 1);
  m->k = (uint32_t)option(r, OFS_TOP_K_K, 0);
  if (m->column >= (int32_t)out->axis)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_PRECISION_CLASS_INDEX, OFS_WHY_RANGE,
                      m->column, 0, out->axis - 1);
  if (m->k > out->axis)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_TOP_K_K, OFS_WHY_RANGE, m->k, 1,
                      out->axis);
  uint64_t classes = classes_of(out);
  if (m->kind == COUNTS && m->average == OFS_AVERAGE_NONE && m->column < 0) {
    m->length = out->axis;
    m->direction = 0;
  }
  if (r->id == OFS_METRIC_PER_CLASS) m->length = (uint32_t)classes;
  if (r->id == OFS_METRIC_CONFUSION) {
    if (classes > 4096)
      return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_RANGE, (double)classes, 2,
                        4096);
    m->length = (uint32_t)(classes * classes);
  }
  m->size = m->kind == COUNTS      ? (uint64_t)COUNTED * out->axis
            : m->kind == CONFUSION ? classes * classes
            : m->kind == MEAN      ? 2
                                   : 1 + (uint64_t)MOMENTED * out->axis;
  return OFS_OK;
}

/* Reads all records; `list` has room for METRICS_MOST. */
static ofs_status read_all(ofs_metrics *all, metric *list, const ofs_model *model, const void *spec,
                           size_t n, ofs_error *err) {
  double values[OFS_RECORD_VALUES];
  ofs_reader in;
  ofs_record r;
  *all = (ofs_metrics){.list = list};
  ofs_status s = ofs_read_begin(&in, spec, n, values, err);
  if (s < 0) return s;
  if (in.records < 1 || in.records > METRICS_MOST)
    return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_BYTES, -1, OFS_WHY_COUNT, in.records, 1,
                      METRICS_MOST);
  for (; in.records; all->count++) {
    metric *m = &list[all->count];
    s = ofs_read_record(&in, &r, (int32_t)all->count, 'e', err);
    if (s == OFS_OK) s = read_metric(m, model, &r, err);
    if (s < 0) return s;
    m->at = all->size;
    all->size = ofs_add_sat(all->size, m->size);
  }
  return in.left ? ofs_refuse_end(err, &in) : OFS_OK;
}

static uint64_t sums_at(const ofs_metrics *all) {
  return ofs_align(sizeof *all) + ofs_align(all->count * sizeof(metric));
}

ofs_status ofs_metrics_bytes(const ofs_model *model, const void *spec, size_t n, uint64_t *bytes,
                             ofs_error *err) {
  ofs_metrics all;
  metric list[METRICS_MOST];
  ofs_status s = read_all(&all, list, model, spec, n, err);
  if (s == OFS_OK) *bytes = ofs_add_sat(sums_at(&all), ofs_mul_sat(all.size, sizeof(double)));
  return s;
}

ofs_status ofs_metrics_init(void *mem, uint64_t bytes, const ofs_model *model, const void *spec,
                            size_t n, ofs_metrics **metrics, ofs_error *err) {
  ofs_metrics all;
  metric list[METRICS_MOST];
  ofs_status s = read_all(&all, list, model, spec, n, err);
  if (s < 0) return s;
  uint64_t needed = ofs_add_sat(sums_at(&all), ofs_mul_sat(all.size, sizeof(double)));
  if (bytes < needed)
    return ofs_refuse(err, OFS_OUT_OF_MEMORY, OFS_IN_BYTES, -1, OFS_WHY_BYTES, (double)bytes, 0,
                      (double)needed);
  char *block = mem;
  all.list = (metric *)(block + ofs_align(sizeof all));
  all.sums = (double *)(block + sums_at(&all));
  for (uint32_t i = 0; i < all.count; i++) all.list[i] = list[i];
  *(ofs_metrics *)mem = all;
  *metrics = mem;
  ofs_metrics_reset(mem);
  return OFS_OK;
}

/* ---- sums ---- */

/* A row is the numbers of one position, with what makes predictions of them. */
typedef struct row {
  const ofs_output *out;
  const real *z;
  double top, sum; /* of a softmax: its largest logit, and the sum of powers */
} row;

static uint32_t largest(const real *v, uint32_t n) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < n; i++)
    if (v[i] > v[best]) best = i;
  return best;
}

static row row_of(const ofs_output *out, const real *z) {
  row r = {out, z, 0, 0};
  if (!out->fused || out->act != OFS_ACT_SOFTMAX) return r;
  r.top = z[largest(z, out->axis)];
  for (uint32_t i = 0; i < out->axis; i++) r.sum += ofs_exp64(z[i] - r.top);
  return r;
}

/* Returns number i of the prediction. */
static double guess(const row *r, uint32_t i) {
  if (!r->out->fused) return r->z[i];
  if (r->out->act == OFS_ACT_SOFTMAX) return ofs_exp64(r->z[i] - r->top) / r->sum;
  double e = ofs_exp64(r->z[i] < 0 ? r->z[i] : -r->z[i]);
  return (r->z[i] < 0 ? e : 1) / (1 + e);
}

static uint32_t true_class(const ofs_target *t, uint32_t n) {
  if (n == 1) return ofs_wanted(t, 0) > 0.5;
  if (t->index >= 0) return (uint32_t)t->index;
  uint32_t best = 0;
  for (uint32_t i = 1; i < n; i++)
    if (t->row[i] > t->row[best]) best = i;
  return best;
}

/* Returns what a position adds to a mean. */
static double value_at(const metric *m, const row *r, const ofs_target *t) {
  uint32_t n = m->out->axis, above = 0;
  double sum = 0, pp = 0, tt = 0;
  if (m->type == OFS_METRIC_ACCURACY) return ofs_correct_at(m->out, r->z, t);
  if (m->type == OFS_METRIC_TOP_K) {
    const real z = r->z[true_class(t, n)];
    for (uint32_t i = 0; i < n; i++) above += r->z[i] > z;
    return above < m->k;
  }
  for (uint32_t i = 0; i < n; i++) {
    double p = guess(r, i), y = ofs_wanted(t, i), d = p < y ? y - p : p - y, size = y < 0 ? -y : y;
    pp += p * p, tt += y * y;
    switch (m->type) {
    case OFS_METRIC_BINARY: sum += (p > m->threshold) == (y > 0.5); break;
    case OFS_METRIC_COSINE: sum += p * y; break;
    case OFS_METRIC_MAE: sum += d; break;
    case OFS_METRIC_MAPE: sum += 100 * d / (size > 1e-7 ? size : 1e-7); break;
    default: sum += d * d;
    }
  }
  if (m->type != OFS_METRIC_COSINE) return sum / n;
  return pp > 0 && tt > 0 ? sum / (__builtin_sqrt(pp) * __builtin_sqrt(tt)) : 0;
}

static void add_counts(const metric *m, double *sums, const row *r, const ofs_target *t, double w) {
  uint32_t n = m->out->axis, best = m->cut ? 0 : largest(r->z, n), real_one = true_class(t, n);
  for (uint32_t i = 0; i < n; i++) {
    int positive = m->cut ? guess(r, i) > m->threshold : i == best;
    int truly = m->cut ? ofs_wanted(t, i) > 0.5 : i == real_one;
    sums[COUNTED * i + (truly ? positive ? TP : FN : positive ? FP : TN)] += w;
  }
}

static void add_moments(const metric *m, double *sums, const row *r, const ofs_target *t,
                        double w) {
  if (w <= 0) return;
  double part = w / (sums[0] += w);
  for (uint32_t i = 0; i < m->out->axis; i++) {
    double *s = sums + 1 + (uint64_t)MOMENTED * i, y = ofs_wanted(t, i), p = guess(r, i);
    double dy = y - s[TARGET], dp = p - s[GUESS];
    s[TARGET] += part * dy;
    s[GUESS] += part * dp;
    s[TARGET_SQUARES] += w * dy * (y - s[TARGET]);
    s[GUESS_SQUARES] += w * dp * (p - s[GUESS]);
    s[PRODUCTS] += w * dy * (p - s[GUESS]);
    s[ERRORS] += w * (y - p) * (y - p);
  }
}

static void add(const metric *m, double *sums, const row *r, const ofs_target *t, double w) {
  uint32_t n = m->out->axis;
  switch (m->kind) {
  case COUNTS: add_counts(m, sums, r, t, w); break;
  case CONFUSION: {
    uint32_t guessed = n == 1 ? guess(r, 0) > 0.5 : largest(r->z, n);
    sums[(uint64_t)true_class(t, n) * classes_of(m->out) + guessed] += w;
    break;
  }
  case MEAN:
    sums[0] += w * value_at(m, r, t);
    sums[1] += w;
    break;
  default: add_moments(m, sums, r, t, w);
  }
}

void ofs_metrics_add(const ofs_plan *p) {
  const ofs_metrics *all = p->metrics;
  for (uint32_t k = 0; k < p->model->output_count; k++) {
    const ofs_output *out = &p->model->outputs[k];
    const ofs_span s = ofs_span_of(p, k);
    uint64_t positions = p->model->layers[out->node].shape.size / out->axis;
    for (uint64_t i = 0; i < p->count * positions; i++) {
      if (p->masks[k] && p->masks[k][i] == 0) continue;
      uint64_t sample = p->indices[i / positions];
      const ofs_target t = ofs_target_of(p, k, &s, sample, i % positions);
      /* of data that ofs_check_y has not seen: no class */
      if (out->axis > 1 && t.index >= (int64_t)out->axis) continue;
      const row r = row_of(out, p->outputs[k] + i * out->axis);
      double w = p->data.weights ? p->data.weights[sample] : 1;
      for (uint32_t j = 0; j < all->count; j++)
        if (all->list[j].output == k) add(&all->list[j], all->sums + all->list[j].at, &r, &t, w);
    }
  }
}

void ofs_metrics_reset(ofs_metrics *all) {
  for (uint64_t i = 0; i < all->size; i++) all->sums[i] = 0;
}

/* ---- results ---- */

static double over(double a, double b) { return b > 0 ? a / b : 0; }

static double ratio(const metric *m, const double *s) {
  double squared = m->beta * m->beta, hits = (1 + squared) * s[TP];
  switch (m->type) {
  case OFS_METRIC_PRECISION: return over(s[TP], s[TP] + s[FP]);
  case OFS_METRIC_RECALL: return over(s[TP], s[TP] + s[FN]);
  case OFS_METRIC_SPECIFICITY: return over(s[TN], s[TN] + s[FP]);
  default: return over(hits, hits + squared * s[FN] + s[FP]);
  }
}

static void counts_result(const metric *m, const double *s, double *to) {
  uint32_t n = m->out->axis;
  double all[COUNTED] = {0}, sum = 0, support = 0;
  for (uint32_t i = 0; i < n; i++, s += COUNTED) {
    double share = m->average == OFS_AVERAGE_WEIGHTED ? s[TP] + s[FN] : 1, one = ratio(m, s);
    for (uint32_t k = 0; k < COUNTED; k++) all[k] += s[k];
    sum += share * one;
    support += share;
    if (m->length > 1) to[i] = one;
    if (m->column == (int32_t)i) *to = one;
  }
  if (m->length > 1 || m->column >= 0) return;
  *to = n == 1 || m->average == OFS_AVERAGE_MICRO ? ratio(m, all) : over(sum, support);
}

static void confusion_result(const metric *m, const double *s, double *to) {
  uint64_t n = classes_of(m->out);
  double total = 0, right = 0, chance = 0, rows = 0, columns = 0, shares = 0, seen = 0;
  for (uint64_t i = 0; i < n * n; i++) {
    if (m->type == OFS_METRIC_CONFUSION) to[i] = s[i];
    total += s[i];
  }
  if (m->type == OFS_METRIC_CONFUSION) return;
  for (uint64_t i = 0; i < n; i++) {
    double hit = s[i * n + i], of_row = 0, of_column = 0;
    for (uint64_t k = 0; k < n; k++) {
      of_row += s[i * n + k];
      of_column += s[k * n + i];
    }
    if (m->type == OFS_METRIC_PER_CLASS) to[i] = over(hit, of_row);
    right += hit;
    chance += of_row * of_column;
    rows += of_row * of_row;
    columns += of_column * of_column;
    shares += over(hit, of_row + of_column - hit);
    seen += of_row + of_column > 0;
  }
  double square = (total * total - rows) * (total * total - columns);
  if (m->type == OFS_METRIC_MEAN_IOU) *to = over(shares, seen);
  if (m->type == OFS_METRIC_MATTHEWS) *to = over(right * total - chance, __builtin_sqrt(square));
}

static double moments_result(const metric *m, const double *s) {
  double sum = 0;
  uint32_t n = m->out->axis;
  if (!(s[0] > 0)) return 0;
  for (uint32_t i = 0; i < n; i++) {
    const double *c = s + 1 + (uint64_t)MOMENTED * i;
    if (m->type == OFS_METRIC_PEARSON)
      sum +=
          over(c[PRODUCTS], __builtin_sqrt(c[TARGET_SQUARES]) * __builtin_sqrt(c[GUESS_SQUARES]));
    else if (c[TARGET_SQUARES] > 0)
      sum += 1 - c[ERRORS] / c[TARGET_SQUARES];
    else
      sum += c[ERRORS] == 0; /* scikit-learn's, of targets that are all the same */
  }
  return sum / n;
}

ofs_status ofs_metrics_result(const ofs_metrics *all, uint32_t i, double *to) {
  if (i >= all->count) return OFS_INVALID_ARGUMENT;
  const metric *m = &all->list[i];
  const double *s = all->sums + m->at;
  if (m->kind == COUNTS) counts_result(m, s, to);
  if (m->kind == CONFUSION) confusion_result(m, s, to);
  if (m->kind == MOMENTS) *to = moments_result(m, s);
  if (m->kind == MEAN) *to = over(s[0], s[1]);
  if (m->type == OFS_METRIC_RMSE) *to = __builtin_sqrt(*to);
  return OFS_OK;
}

uint32_t ofs_metrics_count(const ofs_metrics *all) { return all->count; }

ofs_status ofs_metrics_info(const ofs_metrics *all, uint32_t i, ofs_metric_info *info) {
  if (i >= all->count) return OFS_INVALID_ARGUMENT;
  const metric *m = &all->list[i];
  *info = (ofs_metric_info){m->type, m->output, m->length, m->direction};
  return OFS_OK;
}

/* ---- the state ---- */

const double *ofs_metrics_state(const ofs_metrics *all, uint64_t *n) {
  *n = all->size;
  return all->sums;
}

/* Returns 1 where a sum may be below 0. */
static int is_signed(const metric *m, uint64_t i) {
  if (m->kind == MEAN) return i == 0 && m->type == OFS_METRIC_COSINE;
  if (m->kind != MOMENTS || i == 0) return 0;
  uint64_t k = (i - 1) % MOMENTED;
  return k == TARGET || k == GUESS || k == PRODUCTS;
}

ofs_status ofs_metrics_restore(ofs_metrics *all, const double *from, uint64_t n) {
  if (n != all->size) return OFS_INVALID_DATA;
  for (uint32_t j = 0; j < all->count; j++) {
    const metric *m = &all->list[j];
    for (uint64_t i = 0; i < m->size; i++) {
      double v = from[m->at + i];
      if (!(v - v == 0) || (v < 0 && !is_signed(m, i))) return OFS_INVALID_DATA;
    }
  }
  for (uint64_t i = 0; i < n; i++) all->sums[i] = from[i];
  return OFS_OK;
}
