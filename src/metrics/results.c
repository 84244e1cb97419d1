/* results.c: makes the results of metrics of their sums. 0 / 0 is 0. */
#include "base/maths.h"
#include "metrics/metrics.h"

static double over(double a, double b) { return b > 0 ? a / b : 0; }
static double at_least_0(double v) { return v > 0 ? v : 0; }

/* ---- counts ---- */

static double ratio(const metric *m, const double *s) {
  double squared = m->beta * m->beta, hits = (1 + squared) * s[TP];
  switch (m->type) {
  case OFS_METRIC_PRECISION: return over(s[TP], s[TP] + s[FP]);
  case OFS_METRIC_RECALL: return over(s[TP], s[TP] + s[FN]);
  case OFS_METRIC_SPECIFICITY: return over(s[TN], s[TN] + s[FP]);
  default: return over(hits, hits + squared * s[FN] + s[FP]);
  }
}

static void counts_result(const metric *m, const double *sums, double *to) {
  size_t n = m->out->axis;
  double all[COUNTED] = {0}, sum = 0, support = 0, total = 0;
  for (size_t i = 0; i < n; i++) total += sums[COUNTED * i + TP] + sums[COUNTED * i + FN];
  for (size_t i = 0; i < n; i++, sums += COUNTED) {
    double s[COUNTED] = {sums[TP], sums[FP], sums[FN], sums[TN]}, truly = s[TP] + s[FN];
    if (!m->cut) s[TN] = at_least_0(total - truly - s[FP]);
    double share = m->average == OFS_AVERAGE_WEIGHTED ? truly : 1, one = ratio(m, s);
    for (uint32_t k = 0; k < COUNTED; k++) all[k] += s[k];
    sum += share * one;
    support += share;
    if (m->rank) to[i] = one;
    if (m->column == (int32_t)i) *to = one;
  }
  if (m->rank || m->column >= 0) return;
  *to = n == 1 || m->average == OFS_AVERAGE_MICRO ? ratio(m, all) : over(sum, support);
}

/* Makes what all classes have together; one unit has two. */
static void classes_result(const metric *m, const double *sums, double *to) {
  size_t n = m->out->axis;
  const double two[2 * COUNTED] = {sums[TN], sums[FN], sums[FP], sums[TP],
                                   sums[TP], sums[FP], sums[FN], sums[TN]};
  const double *s = n == 1 ? two : sums;
  if (n == 1) n = 2;
  double total = 0, right = 0, chance = 0, rows = 0, columns = 0, shares = 0, seen = 0;
  for (size_t i = 0; i < n; i++, s += COUNTED) {
    double of_row = s[TP] + s[FN], of_column = s[TP] + s[FP];
    if (m->type == OFS_METRIC_PER_CLASS) to[i] = over(s[TP], of_row);
    total += of_row;
    right += s[TP];
    chance += of_row * of_column;
    rows += of_row * of_row;
    columns += of_column * of_column;
    shares += over(s[TP], of_row + s[FP]);
    seen += of_row + s[FP] > 0;
  }
  double square = (total * total - rows) * (total * total - columns);
  if (m->type == OFS_METRIC_MEAN_IOU) *to = over(shares, seen);
  if (m->type == OFS_METRIC_MATTHEWS) *to = over(right * total - chance, __builtin_sqrt(square));
}

/* ---- moments ---- */

static double moments_result(const metric *m, const double *s) {
  double sum = 0;
  uint32_t n = m->out->axis;
  if (!(s[0] > 0)) return 0;
  const double *c = s + 1;
  for (uint32_t i = 0; i < n; i++, c += MOMENTED) {
    double lengths = __builtin_sqrt(c[TARGET_SQUARES]) * __builtin_sqrt(c[GUESS_SQUARES]);
    if (m->type == OFS_METRIC_PEARSON)
      sum += over(c[PRODUCTS], lengths);
    else if (c[TARGET_SQUARES] > 0)
      sum += 1 - c[ERRORS] / c[TARGET_SQUARES];
    else
      sum += c[ERRORS] == 0; /* scikit-learn's, of targets that are all the same */
  }
  return sum / n;
}

/* ---- areas ---- */

/* Returns the area below the curve of bins, from the highest score down. Precision over recall is
 * interpolated as Keras does (Davis and Goadrich 2006). */
static double binned_area(const metric *m, const double *up, const double *down, size_t step,
                          double positive, double negative) {
  double tp = 0, fp = 0, area = 0;
  for (size_t i = m->bins; i-- > 0;) {
    double more_tp = 0, more_fp = 0;
    for (size_t k = 0; k < (step ? m->out->axis : 1ull); k++) {
      more_tp += up[k * step + i];
      more_fp += down[k * step + i];
    }
    double more = more_tp + more_fp, before = tp + fp;
    if (m->curve == OFS_CURVE_ROC)
      area += more_fp * (tp + more_tp / 2);
    else {
      double slope = over(more_tp, more), start = tp - slope * before;
      double grown = before > 0 && more > 0 ? ofs_log64((before + more) / before) : 0;
      area += slope * (more_tp + start * grown);
    }
    tp += more_tp, fp += more_fp;
  }
  return over(area, m->curve == OFS_CURVE_ROC ? positive * negative : positive);
}

/* Makes the facts of one number's scores, or of all together (column: the number of numbers). */
static double area_of(const ofs_metrics *all, const metric *m, size_t column, double *positive,
                      double *negative) {
  if (m->kind == SCORES) {
    const double *facts = all->ranked + m->ranked_at + RANKED * column;
    *positive = facts[POSITIVE];
    *negative = facts[NEGATIVE];
    return facts[m->curve == OFS_CURVE_ROC ? ROC : PRECISIONS];
  }
  size_t n = m->out->axis, bins = m->bins, pooled = column == n;
  const double *up = all->sums + m->at + (pooled ? 0 : 2 * bins * column);
  *positive = *negative = 0;
  for (size_t k = 0; k < (pooled ? n : 1); k++)
    for (size_t i = 0; i < bins; i++) {
      *positive += up[2 * bins * k + i];
      *negative += up[2 * bins * k + bins + i];
    }
  return binned_area(m, up, up + bins, pooled ? 2 * bins : 0, *positive, *negative);
}

/* A number of which all scores should be high, or all low, has no curve, and counts in no mean. */
static void area_result(const ofs_metrics *all, const metric *m, double *to) {
  size_t n = m->out->axis;
  double sum = 0, shares = 0, positive, negative;
  if (n > 1 && m->average == OFS_AVERAGE_MICRO) {
    *to = area_of(all, m, n, &positive, &negative);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    double area = area_of(all, m, i, &positive, &negative);
    int has = positive > 0 && (negative > 0 || m->curve == OFS_CURVE_PR);
    double share = !has ? 0 : m->average == OFS_AVERAGE_WEIGHTED ? positive : 1;
    if (m->rank) to[i] = area;
    sum += share * area;
    shares += share;
  }
  if (!m->rank) *to = over(sum, shares);
}

ofs_status ofs_metrics_result(const ofs_metrics *all, uint32_t i, double *to) {
  if (i >= all->count) return OFS_INVALID_ARGUMENT;
  const metric *m = &all->list[i];
  const double *s = all->sums + m->at;
  if (m->kind == SCORES && all->ranking < all->count) return OFS_INVALID_STATE;
  switch (m->kind) {
  case COUNTS: (m->type < OFS_METRIC_CONFUSION ? counts_result : classes_result)(m, s, to); break;
  case CONFUSION:
    for (size_t k = 0; k < m->length; k++) to[k] = s[k];
    break;
  case MOMENTS: *to = moments_result(m, s); break;
  case MEAN: *to = over(s[0], s[1]); break;
  default: area_result(all, m, to);
  }
  if (m->type == OFS_METRIC_RMSE) *to = __builtin_sqrt(*to);
  for (uint32_t k = 0; all->sums[m->output] > 0 && k < m->length; k++) to[k] = __builtin_nan("");
  return OFS_OK;
}
