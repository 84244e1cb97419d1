/* add.c: adds the positions of a step to the sums of its plan's metrics, one after the other in the
 * order of the batch.
 *
 * Losses that take logits have none of the predictions, which are made of them here, in double. */
#include "base/maths.h"
#include "metrics/metrics.h"
#include "step/loss.h"

/* Work units of a part. */
#define ADD_WORK (1u << 17)

/* A row is the numbers of one position, with what metrics compare. */
typedef struct row {
  const ofs_output *out;
  const real *z;
  const double *p; /* predictions */
  ofs_target t;
  uint32_t best, truth; /* classes */
  double w;
} row;

static uint32_t largest(const real *v, uint32_t n) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < n; i++)
    if (v[i] > v[best]) best = i;
  return best;
}

/* Makes the predictions of a row. */
static void predict(const ofs_output *out, const real *z, double *p) {
  uint32_t n = out->axis;
  int softmax = out->act == OFS_ACT_SOFTMAX;
  double sum = 0, top = softmax ? z[largest(z, n)] : 0;
  for (uint32_t i = 0; i < n; i++) {
    p[i] = z[i];
    if (!out->fused) continue;
    double e = ofs_exp64(softmax ? z[i] - top : z[i] < 0 ? z[i] : -z[i]);
    p[i] = softmax ? e : (z[i] < 0 ? e : 1) / (1 + e);
    sum += e;
  }
  for (uint32_t i = 0; out->fused && softmax && i < n; i++) p[i] /= sum;
}

static uint32_t true_class(const ofs_target *t, uint32_t n) {
  if (n == 1) return ofs_wanted(t, 0) > 0.5;
  if (t->index >= 0) return (uint32_t)t->index;
  uint32_t best = 0;
  for (uint32_t i = 1; i < n; i++)
    if (t->row[i] > t->row[best]) best = i;
  return best;
}

/* Returns 1 where number i should be high. */
static int is_high(const row *r, uint32_t i) {
  int by_class = r->out->act == OFS_ACT_SOFTMAX && r->out->axis > 1;
  return by_class ? i == r->truth : ofs_wanted(&r->t, i) > 0.5;
}

/* Returns what a position adds to a mean. */
static double value_at(const metric *m, const row *r) {
  uint32_t n = r->out->axis, above = 0;
  double sum = 0, pp = 0, tt = 0;
  if (m->type == OFS_METRIC_ACCURACY) return ofs_correct_at(r->out, r->z, &r->t);
  if (m->type == OFS_METRIC_TOP_K) {
    for (uint32_t i = 0; i < n; i++) above += r->z[i] > r->z[r->truth];
    return above < m->k;
  }
  for (uint32_t i = 0; i < n; i++) {
    double p = r->p[i], y = ofs_wanted(&r->t, i), d = p < y ? y - p : p - y;
    double size = y < 0 ? -y : y;
    switch (m->type) {
    case OFS_METRIC_BINARY: sum += (p > m->threshold) == (y > 0.5); break;
    case OFS_METRIC_COSINE: sum += p * y, pp += p * p, tt += y * y; break;
    case OFS_METRIC_MAE: sum += d; break;
    case OFS_METRIC_MAPE: sum += 100 * d / (size > 1e-7 ? size : 1e-7); break;
    default: sum += d * d;
    }
  }
  if (m->type != OFS_METRIC_COSINE) return sum / n;
  return pp > 0 && tt > 0 ? sum / (__builtin_sqrt(pp) * __builtin_sqrt(tt)) : 0;
}

static void add_counts(const metric *m, double *sums, const row *r) {
  if (!m->cut) {
    int hit = r->best == r->truth;
    sums[COUNTED * (size_t)r->truth + (hit ? TP : FN)] += r->w;
    if (!hit) sums[COUNTED * (size_t)r->best + FP] += r->w;
    return;
  }
  for (uint32_t i = 0; i < r->out->axis; i++, sums += COUNTED) {
    int positive = r->p[i] > m->threshold;
    sums[is_high(r, i) ? positive ? TP : FN : positive ? FP : TN] += r->w;
  }
}

static void add_moments(double *sums, const row *r) {
  double part = r->w / (sums[0] += r->w), rest = (1 - part) * r->w; /* no square below 0 */
  double *s = sums + 1;
  for (uint32_t i = 0; i < r->out->axis; i++, s += MOMENTED) {
    double y = ofs_wanted(&r->t, i), p = r->p[i], dy = y - s[TARGET], dp = p - s[GUESS];
    s[TARGET] += part * dy;
    s[GUESS] += part * dp;
    s[TARGET_SQUARES] += rest * dy * dy;
    s[GUESS_SQUARES] += rest * dp * dp;
    s[PRODUCTS] += rest * dy * dp;
    s[ERRORS] += r->w * (y - p) * (y - p);
  }
}

/* Returns a score, which rounding may have taken a little beyond 1. */
static float score(const row *r, uint32_t i) { return r->p[i] < 1 ? (float)r->p[i] : 1; }

/* Puts scores between thresholds i / bins as Keras does, in float: above the lower one, up to the
 * upper one. */
static void add_bins(const metric *m, double *sums, const row *r) {
  for (uint32_t i = 0; i < r->out->axis; i++, sums += 2 * m->bins) {
    float at = score(r, i) * (float)m->bins;
    size_t bin = at > 0 ? (size_t)at : 0;
    bin -= bin > 0 && (float)bin == at;
    sums[(is_high(r, i) ? 0 : m->bins) + bin] += r->w;
  }
}

static void add_scores(const metric *m, ofs_metrics *all, const row *r) {
  size_t held = (size_t)all->sums[m->at];
  float *to = scores_of(all, m) + held * ((size_t)r->out->axis + 1);
  *to++ = (float)r->w;
  for (uint32_t i = 0; i < r->out->axis; i++) to[i] = is_high(r, i) ? score(r, i) : -score(r, i);
  if ((held + 1) % 2 && r->out->axis % 2 == 0) to[r->out->axis] = 0; /* the rest of a double */
  all->sums[m->at] = (double)(held + 1);
}

static void add(const metric *m, ofs_metrics *all, const row *r) {
  double *sums = all->sums + m->at;
  switch (m->kind) {
  case COUNTS: add_counts(m, sums, r); break;
  case CONFUSION: {
    size_t classes = r->out->axis == 1 ? 2 : r->out->axis;
    sums[r->truth * classes + r->best] += r->w;
    break;
  }
  case MEAN:
    sums[0] += r->w * value_at(m, r);
    sums[1] += r->w;
    break;
  case MOMENTS: add_moments(sums, r); break;
  case BINS: add_bins(m, sums, r); break;
  default: add_scores(m, all, r);
  }
}

/* Returns 1 where a position can be measured: all its numbers are finite, and there is room for its
 * scores. Data that ofs_check_y has not seen may be no numbers, or no class. */
static int counts(const ofs_metrics *all, uint32_t k, const row *r) {
  uint32_t n = r->out->axis;
  if (!r->t.row && (r->t.index < 0 || (n > 1 && r->t.index >= (int64_t)n))) return 0;
  int finite = r->w > 0 && r->w - r->w == 0;
  for (uint32_t i = 0; i < n; i++) {
    finite &= r->z[i] - r->z[i] == 0;
    if (r->t.row) finite &= r->t.row[i] - r->t.row[i] == 0;
  }
  for (const metric *m = all->list; m < all->list + all->count; m++)
    if (m->kind == SCORES && m->own && m->output == k && !(all->sums[m->at] < (double)m->room))
      return 0;
  return finite;
}

static void add_position(const ofs_plan *p, uint32_t k, size_t i, size_t positions,
                         const ofs_span *s) {
  ofs_metrics *all = p->metrics;
  const ofs_output *out = &p->model->outputs[k];
  size_t sample = p->indices[i / positions];
  double w = p->data.weights ? p->data.weights[sample] : 1;
  if ((p->masks[k] && p->masks[k][i] == 0) || w == 0) return;
  row r = {.out = out, .z = p->outputs[k] + i * out->axis, .p = all->row, .w = w};
  r.t = ofs_target_of(p, k, s, sample, i % positions);
  if (!counts(all, k, &r)) {
    all->sums[k]++;
    return;
  }
  if (all->probable[k]) predict(out, r.z, all->row);
  if (all->classes[k]) {
    r.truth = true_class(&r.t, out->axis);
    r.best = out->axis > 1 ? largest(r.z, out->axis) : all->probable[k] && r.p[0] > 0.5;
  }
  for (const metric *m = all->list; m < all->list + all->count; m++)
    if (m->own && m->output == k) add(m, all, &r);
}

static size_t positions_of(const ofs_plan *p, uint32_t k) {
  return p->model->layers[p->model->outputs[k].node].shape.size / p->model->outputs[k].axis;
}

/* Returns how many positions of the plan's present output are left, at most a part. */
static size_t next_positions(const ofs_plan *p) {
  size_t unit = p->metrics->work[p->measuring];
  size_t left = p->count * positions_of(p, p->measuring) - p->measured;
  size_t most = unit < ADD_WORK ? ADD_WORK / (unit ? unit : 1) : 1;
  return unit ? (left < most ? left : most) : 0;
}

uint64_t ofs_metrics_next(ofs_plan *p) {
  if (!p->metrics) return 0;
  for (; p->measuring < p->metrics->outputs; p->measuring++, p->measured = 0)
    if (next_positions(p)) return next_positions(p) * p->metrics->work[p->measuring];
  return 0;
}

void ofs_metrics_add(ofs_plan *p) {
  size_t positions = positions_of(p, p->measuring), end = p->measured + next_positions(p);
  const ofs_span s = ofs_span_of(p, p->measuring);
  ofs_metrics_unrank(p->metrics);
  for (; p->measured < end; p->measured++)
    add_position(p, p->measuring, p->measured, positions, &s);
}
