/* norm.c: the kernels of normalization, four numbers of a row at a time, in the orders of additions
 * that kernels.h fixes.
 *
 * The last one to three numbers of a row are a vector filled up with zeros, which add nothing: no
 * lane of a sum is ever -0, because it began as 0. */
#include "kernels/kernels.h"
#include "kernels/fast.h"

#ifndef OFS_REAL_DOUBLE

#include "kernels/rows.h"

/* Clears the lanes of v that are no numbers of the row. */
OFS_INLINE ofs_f4 of_row(ofs_f4 v, size_t n) {
  const ofs_u4 lane = {0, 1, 2, 3};
  return n >= 4 ? v : ofs_select4((ofs_i4)(lane < ofs_usplat4((uint32_t)n)), v, ofs_splat4(0));
}

/* ---- sets of numbers ---- */

static int ends(const ofs_norm *n, uint32_t run) {
  return run % OFS_NORM_RUNS == OFS_NORM_RUNS - 1 || run + 1 == n->runs;
}

/* Returns the mean of x - about, or of its square. */
static double mean_of(const ofs_norm *n, float about, int squared) {
  const ofs_f4 middle = ofs_splat4(about);
  double sum = 0;
  ofs_f4 lanes = ofs_splat4(0);
  for (uint32_t run = 0; run < n->runs; run++) {
    const float *x = n->x + run * n->stride;
    for (size_t i = 0; i < n->n; i += 4) {
      ofs_f4 v = ofs_load_row(x + i, n->n - i) - middle;
      lanes += of_row(squared ? v * v : v, n->n - i);
    }
    if (!ends(n, run)) continue;
    sum += ofs_sum4(lanes);
    lanes = ofs_splat4(0);
  }
  return sum / ((double)n->n * n->runs);
}

static void norm_forward_f32(const ofs_norm *n) {
  const float mean = (float)mean_of(n, 0, 0),
              r = 1 / __builtin_sqrtf((float)mean_of(n, mean, 1) + n->epsilon);
  n->stats[0] = mean, n->stats[1] = r;
  for (uint32_t run = 0; run < n->runs; run++)
    for (size_t i = 0; i < n->n; i += 4) {
      size_t left = n->n - i, at = run * n->stride + i;
      ofs_f4 v = (ofs_load_row(n->x + at, left) - ofs_splat4(mean)) * ofs_splat4(r);
      if (n->gamma) v = v * ofs_load_row(n->gamma + i, left);
      if (n->beta) v = v + ofs_load_row(n->beta + i, left);
      ofs_store_row(n->y + at, v, left);
    }
}

static void norm_backward_f32(const ofs_norm *n) {
  const ofs_f4 mean = ofs_splat4(n->stats[0]), r = ofs_splat4(n->stats[1]);
  ofs_f4 plain = ofs_splat4(0), product = plain;
  double plains = 0, products = 0;
  for (uint32_t run = 0; run < n->runs; run++) {
    for (size_t i = 0; i < n->n; i += 4) {
      size_t left = n->n - i, at = run * n->stride + i;
      ofs_f4 d = ofs_load_row(n->dy + at, left), u = (ofs_load_row(n->x + at, left) - mean) * r;
      if (n->dgamma) ofs_store_row(n->dgamma + i, ofs_load_row(n->dgamma + i, left) + d * u, left);
      if (n->dbeta) ofs_store_row(n->dbeta + i, ofs_load_row(n->dbeta + i, left) + d, left);
      if (n->gamma) d = d * ofs_load_row(n->gamma + i, left);
      plain += d;
      product += of_row(d * u, left);
    }
    if (!ends(n, run)) continue;
    plains += ofs_sum4(plain), products += ofs_sum4(product);
    plain = product = ofs_splat4(0);
  }
  const double count = (double)n->n * n->runs;
  const ofs_f4 a = ofs_splat4((float)(plains / count)), b = ofs_splat4((float)(products / count));
  for (uint32_t run = 0; n->y && run < n->runs; run++)
    for (size_t i = 0; i < n->n; i += 4) {
      size_t left = n->n - i, at = run * n->stride + i;
      ofs_f4 d = ofs_load_row(n->dy + at, left), u = (ofs_load_row(n->x + at, left) - mean) * r;
      if (n->gamma) d = d * ofs_load_row(n->gamma + i, left);
      ofs_store_row(n->y + at, r * ((d - a) - u * b), left);
    }
}

/* ---- channels ---- */

/* Takes two vectors of columns at a time: a row's share of a line of the cache, and their eight
 * sums fill the registers. */
static void channel_sums_f32(float *sums, float *products, const float *u, const float *x,
                             const float *mean, const float *mask, uint32_t rows, uint32_t cols) {
  const ofs_f4 zero = ofs_splat4(0);
  for (size_t c = 0; c < cols; c += 8) {
    const size_t left = cols - c, second = left > 4 ? left - 4 : 0;
    ofs_f4 s0 = zero, s1 = zero, t0 = zero, t1 = zero, p0 = zero, p1 = zero, q0 = zero, q1 = zero,
           v0 = zero, v1 = zero;
    ofs_f4 m0 = products ? ofs_load_row(mean + c, left) : zero,
           m1 = products ? ofs_load_row(mean + c + 4, second) : zero;
    for (uint32_t r = 0; r < rows; r++) {
      const size_t at = r * (size_t)cols + c;
      if (mask && mask[r] == 0) continue;
      if (products)
        v0 = ofs_load_row(x + at, left) - m0, v1 = ofs_load_row(x + at + 4, second) - m1;
      ofs_f4 w0 = u ? ofs_load_row(u + at, left) : v0,
             w1 = u ? ofs_load_row(u + at + 4, second) : v1;
      if (r % 2 == 0)
        s0 += w0, s1 += w1, p0 += w0 * v0, p1 += w1 * v1;
      else
        t0 += w0, t1 += w1, q0 += w0 * v0, q1 += w1 * v1;
    }
    if (sums) ofs_store_row(sums + c, s0 + t0, left), ofs_store_row(sums + c + 4, s1 + t1, second);
    if (products)
      ofs_store_row(products + c, p0 + q0, left), ofs_store_row(products + c + 4, p1 + q1, second);
  }
}

static void channel_affine_f32(float *y, const float *x, const float *mean, const float *p,
                               const float *q, const float *z, const float *a, const float *mask,
                               uint32_t rows, uint32_t cols) {
  for (size_t r = 0; r < rows; r++) {
    const size_t at = r * cols;
    const int has = x && !(mask && mask[r] == 0);
    for (size_t c = 0; c < cols; c += 4) {
      const size_t left = cols - c;
      ofs_f4 v = ofs_splat4(0);
      if (has)
        v = (ofs_load_row(x + at + c, left) - ofs_load_row(mean + c, left)) *
                ofs_load_row(p + c, left) +
            ofs_load_row(q + c, left);
      if (z) v = v + ofs_load_row(z + at + c, left) * ofs_load_row(a + c, left);
      ofs_store_row(y + at + c, v, left);
    }
  }
}

void ofs_norm_fill(ofs_kernels *k) {
  k->norm_forward = norm_forward_f32;
  k->norm_backward = norm_backward_f32;
  k->channel_sums = channel_sums_f32;
  k->channel_affine = channel_affine_f32;
}

#endif
