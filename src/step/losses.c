/* losses.c: the formulas of losses, by the position: n numbers along the last axis against targets
 * t.
 *
 * Cross-entropies take logits z (the last activation is left out of the program), all else takes
 * predictions p. All are Keras 3's (keras/src/losses/losses.py), but that those of logits need no
 * clipping of probabilities. Sums run in double, so that losses near zero keep their digits. s =
 * softmax(z) or sigmoid(z), e = 1e-7, mean and sum over the n:
 *
 *     categorical        sum t (log sum e^z - z)                  d = s sum t - t
 *     binary             mean(max(z, 0) - z t + log(1 + e^-|z|))  d = s - t
 *     focal              (Lin et al. 2017)
 *       categorical      sum -alpha t (1 - s)^gamma log s
 *       binary           mean of w m^gamma times the binary one, m = t (1 - s) + (1 - t) s;
 *                        where classes are balanced w = alpha t + (1 - alpha) (1 - t), else 1
 *     squared            mean (p - t)^2
 *     absolute           mean |p - t|
 *     percentage         mean 100 |p - t| / max(|t|, e)
 *     logarithmic        mean (log(max(p, e) + 1) - log(max(t, e) + 1))^2
 *     huber              mean of r^2 / 2 where |r| <= delta, else delta |r| - delta^2 / 2;
 *                        r = p - t
 *     log cosh           mean log cosh(p - t)
 *     poisson            mean(p - t log(p + e))
 *     divergence         sum t log(t / p), both clipped to [e, 1] (Kullback & Leibler 1951)
 *     cosine             -p t / (|p| |t|), lengths at least e
 *     hinge              mean max(1 - t p, 0)
 *     squared hinge      mean max(1 - t p, 0)^2
 *     categorical hinge  max(max((1 - t) p) - sum t p + 1, 0) */
#include "step/losses.h"

#include "base/maths.h"
#include "spec/schema.h"

#define EPSILON 1e-7

static double bigger(double a, double b) { return a >= b ? a : b; }
static double clipped(double v) { return v < EPSILON ? EPSILON : v > 1 ? 1 : v; }

/* ---- targets ---- */

static double label(const ofs_target *t, uint32_t i) {
  if (t->index < 0) return t->row[i];
  return t->sparse_one ? (double)t->index : (double)(t->index == (int64_t)i);
}

double ofs_wanted(const ofs_target *t, uint32_t i) { return label(t, i) * t->scale + t->shift; }

static uint32_t largest(const real *v, uint32_t n) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < n; i++)
    if (v[i] > v[best]) best = i;
  return best;
}

static uint32_t largest_target(const ofs_target *t, uint32_t n) {
  uint32_t best = 0;
  if (t->index >= 0) return (uint32_t)t->index;
  for (uint32_t i = 1; i < n; i++)
    if (t->row[i] > t->row[best]) best = i;
  return best;
}

/* ---- losses of logits ---- */

/* e^(z_i - z_top) */
static double share(const real *z, uint32_t i, uint32_t top) {
  return i == top ? 1.0 : (double)ofs_exp(z[i] - z[top]);
}

static double categorical(const real *z, const ofs_target *t, uint32_t n, real *d, double scale) {
  uint32_t top = largest(z, n);
  double rest = 0, mass = 0, loss = 0;
  for (uint32_t i = 0; i < n; i++)
    if (i != top) rest += ofs_exp(z[i] - z[top]);
  double log_sum = ofs_log1p64(rest);
  if (t->index >= 0 && t->shift == 0) {
    mass = 1;
    loss = log_sum + ((double)z[top] - (double)z[t->index]);
  } else
    for (uint32_t i = 0; i < n; i++) {
      double y = ofs_wanted(t, i);
      mass += y;
      loss += y * (log_sum + ((double)z[top] - (double)z[i]));
    }
  for (uint32_t i = 0; d && i < n; i++)
    d[i] = (real)((share(z, i, top) / (1 + rest) * mass - ofs_wanted(t, i)) * scale);
  return loss;
}

/* Returns the binary cross-entropy of logit z, and s and 1 - s, neither of which cancels. */
static double of_logit(double z, double y, double *s, double *other) {
  double tail = (double)ofs_exp((real)(z > 0 ? -z : z));
  *s = (z > 0 ? 1 : tail) / (1 + tail);
  *other = (z > 0 ? tail : 1) / (1 + tail);
  return (z > 0 ? z * (1 - y) : -z * y) + ofs_log1p64(tail);
}

static double binary(const ofs_output *out, const real *z, const ofs_target *t, uint32_t n, real *d,
                     double scale) {
  double loss = 0;
  for (uint32_t i = 0; i < n; i++) {
    double y = ofs_wanted(t, i), s, other, own = of_logit(z[i], y, &s, &other), slope = s - y;
    if (out->loss == OFS_LOSS_BINARY_FOCAL) {
      double m = y * other + (1 - y) * s, factor = ofs_pow64(m, out->gamma);
      double weight = out->balanced ? y * out->alpha + (1 - y) * (1 - out->alpha) : 1;
      double steep = m > 0 ? out->gamma * factor / m * ((1 - 2 * y) * s * other) : 0;
      slope = weight * (steep * own + factor * slope);
      own *= weight * factor;
    }
    loss += own;
    if (d) d[i] = (real)(slope * scale / n);
  }
  return loss / n;
}

/* d = g - s sum g, g = s times the derivative by s = -alpha t ((1 - s)^gamma - gamma s (1 -
 * s)^(gamma - 1) log s). */
static double categorical_focal(const ofs_output *out, const real *z, const ofs_target *t,
                                uint32_t n, real *d, double scale) {
  uint32_t top = largest(z, n);
  double rest = 0, loss = 0, sum = 0;
  for (uint32_t i = 0; i < n; i++)
    if (i != top) rest += ofs_exp(z[i] - z[top]);
  for (int pass = 0; pass < (d ? 2 : 1); pass++)
    for (uint32_t i = 0; i < n; i++) {
      double e = share(z, i, top), s = e / (1 + rest),
             other = (i == top ? rest : 1 + rest - e) / (1 + rest);
      double log_s = (double)z[i] - (double)z[top] - ofs_log1p64(rest),
             y = out->alpha * ofs_wanted(t, i), factor = ofs_pow64(other, out->gamma);
      double g = -y * (factor - (other > 0 ? out->gamma * s * factor / other * log_s : 0));
      if (pass)
        d[i] = (real)((g - s * sum) * scale);
      else
        loss -= y * factor * log_s, sum += g;
    }
  return loss;
}

/* ---- losses of predictions ---- */

static double element(const ofs_output *out, double p, double y, double *slope) {
  double r = p - y, size = r < 0 ? -r : r, sign = r > 0 ? 1 : r < 0 ? -1 : r, v;
  switch (out->loss) {
  case OFS_LOSS_MAE: *slope = sign; return size;
  case OFS_LOSS_MAPE:
    v = 100 / bigger(y < 0 ? -y : y, EPSILON);
    *slope = v * sign;
    return v * size;
  case OFS_LOSS_MSLE:
    v = ofs_log64(bigger(p, EPSILON) + 1) - ofs_log64(bigger(y, EPSILON) + 1);
    *slope = p < EPSILON ? 0 : 2 * v / (p + 1);
    return v * v;
  case OFS_LOSS_HUBER:
    *slope = size <= out->delta ? r : out->delta * sign;
    return size <= out->delta ? 0.5 * r * r : out->delta * (size - 0.5 * out->delta);
  case OFS_LOSS_LOG_COSH: /* |r| + log(1 + e^-2|r|) - log 2, which cancels near 0 */
    v = ofs_exp64(-2 * size);
    *slope = sign * (1 - v) / (1 + v);
    return size < 1e-3 ? r * r / 2 - r * r * r * r / 12 : size + ofs_log1p64(v) - OFS_LN2;
  case OFS_LOSS_KL:
    *slope = p < EPSILON || p > 1 ? 0 : -clipped(y) / p;
    return clipped(y) * ofs_log64(clipped(y) / clipped(p));
  case OFS_LOSS_POISSON: *slope = 1 - y / (p + EPSILON); return p - y * ofs_log64(p + EPSILON);
  case OFS_LOSS_HINGE:
    v = 1 - y * p;
    *slope = v < 0 ? 0 : -y;
    return v < 0 ? 0 : v;
  case OFS_LOSS_SQUARED_HINGE:
    v = 1 - y * p;
    *slope = v < 0 ? 0 : -2 * y * v;
    return v < 0 ? 0 : v * v;
  default: *slope = 2 * r; return r * r;
  }
}

/* The mean over the n elements; of the divergence their sum. */
static double distance(const ofs_output *out, const real *p, const ofs_target *t, uint32_t n,
                       real *d, double scale) {
  double sum = 0, slope, divisor = out->loss == OFS_LOSS_KL ? 1 : n;
  for (uint32_t i = 0; i < n; i++) {
    sum += element(out, p[i], ofs_wanted(t, i), &slope);
    if (d) d[i] = (real)(slope * scale / divisor);
  }
  return sum / divisor;
}

static double cosine(const real *p, const ofs_target *t, uint32_t n, real *d, double scale) {
  double pp = 0, yy = 0, py = 0, least = EPSILON * EPSILON;
  for (uint32_t i = 0; i < n; i++) {
    double v = p[i], y = ofs_wanted(t, i);
    pp += v * v, yy += y * y, py += v * y;
  }
  double lengths = __builtin_sqrt(bigger(pp, least)) * __builtin_sqrt(bigger(yy, least));
  for (uint32_t i = 0; d && i < n; i++)
    d[i] = (real)(((pp > least ? py / pp * (double)p[i] : 0) - ofs_wanted(t, i)) / lengths * scale);
  return -py / lengths;
}

/* Where several are the greatest, each takes its part of the gradient, as in TensorFlow's
 * reduce_max. */
static double categorical_hinge(const real *p, const ofs_target *t, uint32_t n, real *d,
                                double scale) {
  double own = 0, most = -__builtin_inf(), ties = 0;
  for (uint32_t i = 0; i < n; i++) {
    double y = ofs_wanted(t, i), other = (1 - y) * (double)p[i];
    own += y * (double)p[i];
    ties = other > most ? 1 : ties + (other == most);
    most = other > most ? other : most;
  }
  double v = most - own + 1;
  for (uint32_t i = 0; d && i < n; i++) {
    double y = ofs_wanted(t, i), first = (1 - y) * (double)p[i] == most ? (1 - y) / ties : 0;
    d[i] = (real)(v < 0 ? 0 : (first - y) * scale);
  }
  return v < 0 ? 0 : v;
}

double ofs_loss_at(const ofs_output *out, const real *z, const ofs_target *t, real *d,
                   double scale) {
  switch (out->loss) {
  case OFS_LOSS_SPARSE_CATEGORICAL:
  case OFS_LOSS_CATEGORICAL: return categorical(z, t, out->axis, d, scale);
  case OFS_LOSS_CATEGORICAL_FOCAL: return categorical_focal(out, z, t, out->axis, d, scale);
  case OFS_LOSS_BINARY:
  case OFS_LOSS_BINARY_FOCAL: return binary(out, z, t, out->axis, d, scale);
  case OFS_LOSS_COSINE: return cosine(z, t, out->axis, d, scale);
  case OFS_LOSS_CATEGORICAL_HINGE: return categorical_hinge(z, t, out->axis, d, scale);
  default: return distance(out, z, t, out->axis, d, scale);
  }
}

double ofs_correct_at(const ofs_output *out, const real *z, const ofs_target *t) {
  uint32_t n = out->axis;
  int is_binary = out->loss == OFS_LOSS_BINARY || out->loss == OFS_LOSS_BINARY_FOCAL;
  if (n > 1 && !is_binary) return largest(z, n) == largest_target(t, n);
  /* A logit's threshold is 0, where sigmoid is 0.5. */
  double threshold = out->fused ? 0 : 0.5, hits = 0;
  for (uint32_t i = 0; i < n; i++) hits += label(t, i) == (z[i] > threshold ? 1.0 : 0.0);
  return hits / n;
}
