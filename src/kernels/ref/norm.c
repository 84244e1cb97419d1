/* norm.c: normalization. */
#include "kernels/ref/ref.h"

#include "base/maths.h"

/* A total is the sum of one set: four lanes, and what they had before. */
typedef struct total {
  double before;
  ofs_real lane[4];
} total;

static void end_runs(total *t) {
  t->before += (t->lane[0] + t->lane[2]) + (t->lane[1] + t->lane[3]);
  for (int i = 0; i < 4; i++) t->lane[i] = 0;
}

static int ends(const ofs_norm *n, uint32_t run) {
  return run % OFS_NORM_RUNS == OFS_NORM_RUNS - 1 || run + 1 == n->runs;
}

/* Returns the sum of x - mean, or of its square, over N. */
static double mean_of(const ofs_norm *n, ofs_real mean, int squared) {
  total t = {0};
  for (uint32_t run = 0; run < n->runs; run++) {
    for (size_t i = 0; i < n->n; i++) {
      ofs_real v = n->x[run * n->stride + i] - mean;
      t.lane[i % 4] += squared ? v * v : v;
    }
    if (ends(n, run)) end_runs(&t);
  }
  return t.before / ((double)n->n * n->runs);
}

static void norm_forward_ref(const ofs_norm *n) {
  ofs_real mean = (ofs_real)mean_of(n, 0, 0);
  ofs_real r = 1 / ofs_sqrt((ofs_real)mean_of(n, mean, 1) + n->epsilon);
  n->stats[0] = mean, n->stats[1] = r;
  for (uint32_t run = 0; run < n->runs; run++)
    for (size_t i = 0; i < n->n; i++) {
      ofs_real v = (n->x[run * n->stride + i] - mean) * r;
      if (n->gamma) v = v * n->gamma[i];
      n->y[run * n->stride + i] = n->beta ? v + n->beta[i] : v;
    }
}

static void norm_backward_ref(const ofs_norm *n) {
  ofs_real mean = n->stats[0], r = n->stats[1];
  total plain = {0}, product = {0};
  for (uint32_t run = 0; run < n->runs; run++) {
    for (size_t i = 0; i < n->n; i++) {
      ofs_real d = n->dy[run * n->stride + i], u = (n->x[run * n->stride + i] - mean) * r;
      if (n->dgamma) n->dgamma[i] += d * u;
      if (n->dbeta) n->dbeta[i] += d;
      if (n->gamma) d = d * n->gamma[i];
      plain.lane[i % 4] += d;
      product.lane[i % 4] += d * u;
    }
    if (ends(n, run)) end_runs(&plain), end_runs(&product);
  }
  double count = (double)n->n * n->runs;
  ofs_real a = (ofs_real)(plain.before / count), b = (ofs_real)(product.before / count);
  for (uint32_t run = 0; n->y && run < n->runs; run++)
    for (size_t i = 0; i < n->n; i++) {
      ofs_real d = n->dy[run * n->stride + i], u = (n->x[run * n->stride + i] - mean) * r;
      if (n->gamma) d = d * n->gamma[i];
      n->y[run * n->stride + i] = r * ((d - a) - u * b);
    }
}

static void channel_sums_ref(ofs_real *sums, ofs_real *products, const ofs_real *u,
                             const ofs_real *x, const ofs_real *mean, const ofs_real *mask,
                             uint32_t rows, uint32_t cols) {
  for (size_t c = 0; c < cols; c++) {
    ofs_real sum[2] = {0, 0}, product[2] = {0, 0};
    for (size_t r = 0; r < rows; r++) {
      if (mask && mask[r] == 0) continue;
      ofs_real v = products ? x[r * cols + c] - mean[c] : 0, w = u ? u[r * cols + c] : v;
      sum[r % 2] += w;
      product[r % 2] += w * v;
    }
    if (sums) sums[c] = sum[0] + sum[1];
    if (products) products[c] = product[0] + product[1];
  }
}

static void channel_affine_ref(ofs_real *y, const ofs_real *x, const ofs_real *mean,
                               const ofs_real *p, const ofs_real *q, const ofs_real *z,
                               const ofs_real *a, const ofs_real *mask, uint32_t rows,
                               uint32_t cols) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < cols; c++) {
      ofs_real v = 0, w = z ? z[r * cols + c] * a[c] : 0;
      if (x && !(mask && mask[r] == 0)) v = (x[r * cols + c] - mean[c]) * p[c] + q[c];
      y[r * cols + c] = z ? v + w : v;
    }
}

void ofs_norm_fill_ref(ofs_kernels *k) {
  k->norm_forward = norm_forward_ref;
  k->norm_backward = norm_backward_ref;
  k->channel_sums = channel_sums_ref;
  k->channel_affine = channel_affine_ref;
}
