/* loss.c: losses, their gradients, and the count of correct predictions.
 *
 * Cross-entropies take logits z (the last activation is left out of the program), all else takes predictions.
 * A sample's loss is the mean over its outputs (categorical: over its positions along the other axes), the
 * batch's the mean over its samples, as Keras has it:
 *
 *     categorical   log sum e^z - sum t z         d = softmax(z) - t         (times sum t, where t does not sum to 1)
 *     binary        max(z, 0) - z t + log(1 + e^-|z|)     d = sigmoid(z) - t
 *     squared       (y - t)^2    absolute |y - t|    huber (delta 1) r^2 / 2 where |r| <= 1, else |r| - 1/2
 *
 * Sums run in double, sample by sample, so that losses near zero keep their digits. */
#include "internal.h"
#include "maths.h"

/* log(s), s in [1, 2^25], to about 1e-15: s = 2^e m, log m = 2 atanh((m - 1) / (m + 1)). */
static double log_of(double s) {
  int e = 0;
  while (s > 1.4142135623730951) s *= 0.5, e++;
  double z = (s - 1) / (s + 1), z2 = z * z, sum = 0;
  for (int k = 21; k >= 1; k -= 2) sum = sum * z2 + 1.0 / k;
  return 2 * z * sum + e * 0.69314718055994530942;
}

/* What one position is compared with: a class index, or a row of targets. */
typedef struct target {
  int64_t index; /* -1: a row */
  const float *row;
  int sparse_one; /* the index itself is the target of one sigmoid unit */
} target;

static double wanted(const target *t, uint32_t i) {
  if (t->index < 0) return t->row[i];
  return t->sparse_one ? (double)t->index : (double)(t->index == (int64_t)i);
}

static uint32_t largest(const real *v, uint32_t n) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < n; i++)
    if (v[i] > v[best]) best = i;
  return best;
}

static uint32_t largest_target(const target *t, uint32_t n) {
  uint32_t best = 0;
  if (t->index >= 0) return (uint32_t)t->index;
  for (uint32_t i = 1; i < n; i++)
    if (t->row[i] > t->row[best]) best = i;
  return best;
}

/* Loss of one position; where d is not NULL, its gradient times `scale`. */
static double categorical(const real *z, const target *t, uint32_t n, real *d, real scale) {
  uint32_t top = largest(z, n);
  double sum = 1, mass = 0, loss = 0;
  for (uint32_t i = 0; i < n; i++)
    if (i != top) sum += ofs_exp(z[i] - z[top]);
  double log_sum = log_of(sum);
  if (t->index >= 0) {
    mass = 1;
    loss = log_sum + ((double)z[top] - (double)z[t->index]);
  } else
    for (uint32_t i = 0; i < n; i++) {
      mass += t->row[i];
      loss += t->row[i] * (log_sum + ((double)z[top] - (double)z[i]));
    }
  for (uint32_t i = 0; d && i < n; i++) {
    double p = (i == top ? 1.0 : (double)ofs_exp(z[i] - z[top])) / sum;
    d[i] = (real)((p * mass - wanted(t, i)) * (double)scale);
  }
  return loss;
}

static double binary(const real *z, const target *t, uint32_t n, real *d, real scale) {
  double loss = 0;
  for (uint32_t i = 0; i < n; i++) {
    double v = z[i], y = wanted(t, i), tail = ofs_exp((real)(v > 0 ? -v : v));
    loss += (v > 0 ? v : 0) - v * y + log_of(1 + tail);
    if (d) d[i] = (real)(((v > 0 ? 1 : tail) / (1 + tail) - y) * (double)scale / n);
  }
  return loss / n;
}

static double distance(uint32_t loss, const real *p, const target *t, uint32_t n, real *d, real scale) {
  double sum = 0;
  for (uint32_t i = 0; i < n; i++) {
    double r = (double)p[i] - wanted(t, i), size = r < 0 ? -r : r, slope;
    if (loss == OFS_LOSS_MSE) sum += r * r, slope = 2 * r;
    else if (loss == OFS_LOSS_HUBER && size <= 1) sum += 0.5 * r * r, slope = r;
    else sum += loss == OFS_LOSS_HUBER ? size - 0.5 : size, slope = r > 0 ? 1 : r < 0 ? -1 : 0;
    if (d) d[i] = (real)(slope * (double)scale / n);
  }
  return sum / n;
}

/* Keras's "accuracy": one output, or a binary loss: each on its side of the threshold; else the largest. */
static double correct_share(const ofs_head *h, const real *p, const target *t, uint32_t n) {
  if (n > 1 && h->loss != OFS_LOSS_BINARY) return largest(p, n) == largest_target(t, n);
  double threshold = h->fused ? 0 : 0.5, hits = 0; /* of a logit: sigmoid(0) = 0.5 */
  for (uint32_t i = 0; i < n; i++) hits += wanted(t, i) == (p[i] > threshold ? 1.0 : 0.0);
  return hits / n;
}

/* Where output k begins in a row of y, and how many numbers it has there; a row's length. */
typedef struct span {
  uint64_t at, row;
} span;

static uint64_t width_of(const ofs_plan *p, uint32_t k) {
  const ofs_head *h = &p->model->heads[k];
  int indices = p->data.y_type == OFS_I32 || p->data.y_indices >> k & 1;
  return indices ? h->targets : p->model->layers[h->node].shape.size;
}

static span span_of(const ofs_plan *p, uint32_t k) {
  span s = {0, 0};
  for (uint32_t i = 0; i < p->model->head_count; i++) {
    if (i == k) s.at = s.row;
    s.row += width_of(p, i);
  }
  return s;
}

static target target_of(const ofs_plan *p, uint32_t k, const span *s, uint64_t sample, uint64_t position) {
  const ofs_head *h = &p->model->heads[k];
  uint64_t at = sample * s->row + s->at;
  if (p->data.y_type == OFS_I32) return (target){((const int32_t *)p->data.y)[at + position], NULL, h->axis == 1};
  const float *y = (const float *)p->data.y + at;
  if (p->data.y_indices >> k & 1) return (target){(int64_t)y[position], NULL, h->axis == 1};
  return (target){-1, y + position * h->axis, 0};
}

/* op->n: positions of a sample, which output. */
static void loss_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_model *m = p->model;
  uint32_t tile, k = op->n[1];
  const ofs_head *h = &m->heads[k];
  uint64_t from, to, positions = op->n[0], outputs = positions * h->axis;
  const span s = span_of(p, k);
  ofs_part_range(p, op, part, &from, &to, &tile);
  for (uint64_t row = from; row < to; row++) {
    double loss = 0, correct = 0, weight = p->data.weights ? p->data.weights[p->indices[row]] : 1;
    for (uint64_t i = 0; i < positions; i++) {
      const real *y = op->at[0] + row * outputs + i * h->axis;
      real *d = op->at[1] ? op->at[1] + row * outputs + i * h->axis : NULL;
      real scale = (real)(weight * h->weight / ((double)p->count * (double)positions));
      target t = target_of(p, k, &s, p->indices[row], i);
      if (h->loss == OFS_LOSS_BINARY) loss += binary(y, &t, h->axis, d, scale);
      else if (h->fused) loss += categorical(y, &t, h->axis, d, scale);
      else loss += distance(h->loss, y, &t, h->axis, d, scale);
      correct += correct_share(h, y, &t, h->axis);
    }
    double *totals = &p->rows[2 * (row * m->head_count + k)];
    totals[0] = weight * loss / (double)positions;
    totals[1] = correct / (double)positions;
  }
}

uint32_t ofs_build_loss(ofs_builder *b, uint32_t k, uint32_t prediction) {
  const ofs_model *m = b->model;
  uint64_t outputs = m->layers[m->heads[k].node].shape.size;
  uint32_t dy = b->kind == OFS_TRAIN ? ofs_build_buffer(b, outputs, 0) : 0;
  ofs_op *op = ofs_build_op(b, NULL, loss_part, prediction, dy, b->rows, b->indices);
  op->n[0] = (uint32_t)(outputs / m->heads[k].axis), op->n[1] = k;
  ofs_cut(b, op, 1, 0, 150.0 * (double)outputs, 1);
  return dy;
}
