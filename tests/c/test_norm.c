/* test_norm.c: the kernels of normalization and of attention's scores: fast against reference to
 * the last bit, between guard words, in place and apart; and the reference against formulas in
 * double. U is 2^-24. */
#include "kernels/kernels.h"
#include "guarded.h"

#define U 0x1p-24
#define MOST 21

static ofs_kernels fast, ref;

/* Two buffers that begin alike. */
typedef struct pair {
  guarded fast, ref;
} pair;

static pair pair_new(size_t n, int placement, size_t offset) {
  pair p = {guard_new(n, placement, offset), guard_new(n, placement, offset)};
  random_fill(p.fast.data, n, 2);
  memcpy(p.ref.data, p.fast.data, n * 4);
  return p;
}

static void pair_check(pair *p, const char *what) {
  check_same(p->fast.data, p->ref.data, p->ref.n, what);
  guard_free(&p->fast, what);
  guard_free(&p->ref, what);
}

static guarded input(size_t n, int placement, size_t offset, float about) {
  guarded g = guard_new(n, placement, offset);
  random_fill(g.data, n, 1);
  for (size_t i = 0; i < n; i++) g.data[i] += about;
  return g;
}

/* Zeros and ones. */
static guarded mask_new(size_t n, int placement) {
  guarded g = guard_new(n, placement, 1);
  for (size_t i = 0; i < n; i++) g.data[i] = (float)(random_word() % 3 > 0);
  return g;
}

/* ---- sets of numbers ---- */

/* Mean and variance are means of N numbers, each lane of N / 4 terms: N / 4 + 4 roundings, of the
 * mean relative to the greatest |x|, which the difference from it takes over; a few more on the way
 * to y. */
static void check_exact(const ofs_norm *n, const char *what) {
  double mean = 0, variance = 0, count = (double)n->n * n->runs, greatest = 0,
         terms = count / 4 + 8;
  for (size_t run = 0; run < n->runs; run++)
    for (size_t i = 0; i < n->n; i++) {
      double x = n->x[run * n->stride + i];
      mean += x / count;
      greatest = fmax(greatest, fabs(x));
    }
  for (size_t run = 0; run < n->runs; run++)
    for (size_t i = 0; i < n->n; i++) variance += pow(n->x[run * n->stride + i] - mean, 2) / count;
  const double r = 1 / sqrt(variance + (double)n->epsilon);
  int right = 1;
  for (size_t run = 0; run < n->runs; run++)
    for (size_t i = 0; i < n->n; i++) {
      double u = (n->x[run * n->stride + i] - mean) * r, gamma = n->gamma ? n->gamma[i] : 1,
             beta = n->beta ? n->beta[i] : 0;
      double bound = fabs(gamma) * (terms * U * (greatest * r + fabs(u))) +
                     4 * U * (fabs(gamma * u) + fabs(beta));
      right &= fabs(n->y[run * n->stride + i] - (u * gamma + beta)) <= bound;
    }
  CHECK_MSG(right, "%s of %u x %u is wrong", what, n->runs, n->n);
}

static void norm_body(uint32_t width, uint32_t runs, size_t gap, int placement, int options) {
  const size_t stride = width + gap, size = (runs - 1) * stride + width;
  guarded x = input(size, placement, width % 4, 0.5f), dy = input(size, placement, 1, 0);
  guarded gamma = input(width, placement, 2, 1), beta = input(width, placement, 3, 0);
  pair y = pair_new(size, placement, 1), dx = pair_new(size, placement, 2),
       stats = pair_new(2, placement, 0);
  pair dgamma = pair_new(width, placement, 1), dbeta = pair_new(width, placement, 3);
  ofs_norm a = {.x = x.data,
                .n = width,
                .runs = runs,
                .stride = stride,
                .epsilon = 1e-3f,
                .gamma = options & 1 ? gamma.data : NULL,
                .beta = options & 2 ? beta.data : NULL},
           b = a;
  a.y = y.fast.data, a.stats = stats.fast.data, b.y = y.ref.data, b.stats = stats.ref.data;
  fast.norm_forward(&a), ref.norm_forward(&b);
  check_exact(&b, "a normalized set");
  for (int over = 0; over < 2; over++) { /* dx apart, then in place of dy */
    if (over) memcpy(dx.fast.data, dy.data, size * 4), memcpy(dx.ref.data, dy.data, size * 4);
    a.dy = over ? dx.fast.data : dy.data, b.dy = over ? dx.ref.data : dy.data;
    a.y = options & 4 ? dx.fast.data : NULL, b.y = options & 4 ? dx.ref.data : NULL;
    a.dgamma = options & 1 ? dgamma.fast.data : NULL,
    b.dgamma = options & 1 ? dgamma.ref.data : NULL;
    a.dbeta = options & 2 ? dbeta.fast.data : NULL, b.dbeta = options & 2 ? dbeta.ref.data : NULL;
    fast.norm_backward(&a), ref.norm_backward(&b);
    check_same(dx.fast.data, dx.ref.data, size, "dx");
  }
  pair_check(&y, "y"), pair_check(&dx, "dx in place"), pair_check(&stats, "statistics");
  pair_check(&dgamma, "dgamma"), pair_check(&dbeta, "dbeta");
  guard_free(&x, "x"), guard_free(&dy, "dy"), guard_free(&gamma, "gamma"),
      guard_free(&beta, "beta");
}

static void test_sets(void) {
  static const uint32_t runs[] = {1, 2, OFS_NORM_RUNS, 2 * OFS_NORM_RUNS + 3};
  for (uint32_t n = 1; n <= MOST; n++)
    for (int k = 0; k < 4; k++)
      for (int options = 0; options < 8; options++)
        norm_body(n, runs[k], k % 2 ? 5 : 0, (int)(n + (uint32_t)options) % 2, options);
  norm_body(1000, 1, 0, 0, 7);
}

/* ---- channels ---- */

static void channels_body(uint32_t rows, uint32_t cols, int placement, int masked) {
  const size_t size = (size_t)rows * cols;
  guarded x = input(size, placement, cols % 4, 3), u = input(size, placement, 1, 0),
          mask = mask_new(rows, placement);
  guarded mean = input(cols, placement, 2, 3), p = input(cols, placement, 1, 0),
          q = input(cols, placement, 3, 0), a = input(cols, placement, 0, 0);
  const float *m = masked ? mask.data : NULL;
  for (int which = 0; which < 4; which++) { /* sums alone, squares alone, both, both of squares */
    pair s = pair_new(cols, placement, 1), t = pair_new(cols, placement, 2);
    const float *from = which == 1 || which == 3 ? NULL : u.data;
    fast.channel_sums(which == 1 ? NULL : s.fast.data, which ? t.fast.data : NULL, from, x.data,
                      mean.data, m, rows, cols);
    ref.channel_sums(which == 1 ? NULL : s.ref.data, which ? t.ref.data : NULL, from, x.data,
                     mean.data, m, rows, cols);
    for (size_t c = 0; which == 2 && c < cols; c++) {
      double sum = 0, product = 0, size_of = 0;
      for (size_t r = 0; r < rows; r++) {
        if (m && m[r] == 0) continue;
        double v = (double)x.data[r * cols + c] - mean.data[c], w = u.data[r * cols + c];
        sum += w, product += w * v, size_of += fabs(w) * (1 + fabs(v));
      }
      CHECK_NEAR(s.ref.data[c], sum, (rows / 2.0 + 3) * U * size_of);
      CHECK_NEAR(t.ref.data[c], product, (rows / 2.0 + 5) * U * size_of);
    }
    pair_check(&s, "sums of channels"), pair_check(&t, "products of channels");
  }
  for (int which = 0; which < 3; which++) { /* forward, backward, frozen */
    pair y = pair_new(size, placement, 1);
    const float *from = which == 2 ? NULL : x.data, *z = which ? u.data : NULL;
    fast.channel_affine(y.fast.data, from, mean.data, p.data, q.data, z, a.data, m, rows, cols);
    ref.channel_affine(y.ref.data, from, mean.data, p.data, q.data, z, a.data, m, rows, cols);
    for (size_t i = 0; i < size; i++) {
      size_t c = i % cols;
      int has = which < 2 && !(m && m[i / cols] == 0);
      double v = has ? ((double)x.data[i] - mean.data[c]) * p.data[c] : 0, w = has ? q.data[c] : 0,
             d = z ? (double)z[i] * a.data[c] : 0;
      CHECK_NEAR(y.ref.data[i], v + w + d, 5 * U * (fabs(v) + fabs(w) + fabs(d)));
    }
    pair over = pair_new(size, placement, 2);
    memcpy(over.fast.data, x.data, size * 4), memcpy(over.ref.data, x.data, size * 4);
    fast.channel_affine(over.fast.data, which == 2 ? NULL : over.fast.data, mean.data, p.data,
                        q.data, which == 2 ? over.fast.data : z, a.data, m, rows, cols);
    ref.channel_affine(over.ref.data, which == 2 ? NULL : over.ref.data, mean.data, p.data, q.data,
                       which == 2 ? over.ref.data : z, a.data, m, rows, cols);
    pair_check(&y, "affine channels"), pair_check(&over, "affine channels in place");
  }
  guard_free(&x, "x"), guard_free(&u, "u"), guard_free(&mask, "mask"), guard_free(&mean, "mean");
  guard_free(&p, "p"), guard_free(&q, "q"), guard_free(&a, "a");
}

/* ---- scores ---- */

static int counts(size_t i, uint32_t seen, const float *mask) {
  return i < seen && !(mask && mask[i] == 0);
}

/* x - max and its scaling are rounded, which becomes an error of e^x; exp has 1 ulp, the sum cols /
 * 4 + 2 roundings. */
static void check_row(const float *x, const float *y, uint32_t cols, uint32_t seen,
                      const float *mask, double scale) {
  double greatest = -INFINITY, sum = 0;
  int right = 1, any = 0;
  for (size_t i = 0; i < cols; i++)
    if (counts(i, seen, mask)) any = 1, greatest = fmax(greatest, x[i]);
  for (size_t i = 0; i < cols; i++)
    if (counts(i, seen, mask)) sum += exp((x[i] - greatest) * scale);
  for (size_t i = 0; i < cols; i++) {
    double want = !any                    ? 1.0 / cols
                  : counts(i, seen, mask) ? exp((x[i] - greatest) * scale) / sum
                                          : 0;
    right &= fabs(y[i] - want) <=
             want * U * (any ? 2 * fabs(greatest - x[i]) * scale + 2 * 12 + cols / 4.0 + 8 : 1);
  }
  CHECK_MSG(right, "scores of %u, %u seen, are wrong", cols, seen);
}

static void scores_body(uint32_t cols, uint32_t seen, int placement, int masked) {
  guarded mask = mask_new(cols, placement), dropped = input(cols, placement, 1, 0),
          dp = input(cols, placement, 2, 0);
  const float *m = masked ? mask.data : NULL;
  pair x = pair_new(cols, placement, seen % 4);
  guarded before = guard_new(cols, placement, 0);
  memcpy(before.data, x.ref.data, cols * 4);
  fast.scores_forward(x.fast.data, cols, seen, m, 0.7f),
      ref.scores_forward(x.ref.data, cols, seen, m, 0.7f);
  check_row(before.data, x.ref.data, cols, seen, m, (double)0.7f);
  pair p = pair_new(cols, placement, 1), own = pair_new(cols, placement, 3);
  memcpy(before.data, p.ref.data, cols * 4);
  fast.scores_backward(p.fast.data, dropped.data, dp.data, 0.3f, cols, seen, m, 0.7f);
  ref.scores_backward(p.ref.data, dropped.data, dp.data, 0.3f, cols, seen, m, 0.7f);
  for (size_t i = 0; i < cols; i++) {
    double a = (double)dropped.data[i] * dp.data[i], b = (double)before.data[i] * 0.3f;
    CHECK_NEAR(p.ref.data[i], counts(i, seen, m) ? (a - b) * 0.7f : 0, 5 * U * (fabs(a) + fabs(b)));
  }
  fast.scores_backward(own.fast.data, own.fast.data, dp.data, 0.3f, cols, seen, m, 0.7f);
  ref.scores_backward(own.ref.data, own.ref.data, dp.data, 0.3f, cols, seen, m, 0.7f);
  pair_check(&x, "scores"), pair_check(&p, "gradient of scores"),
      pair_check(&own, "gradient of scores in place");
  guard_free(&mask, "mask"), guard_free(&dropped, "dropped"), guard_free(&dp, "dp"),
      guard_free(&before, "before");
}

/* A NaN that is seen is not lost, whether anything is greater or not; what is not seen does not
 * matter. */
static void test_nan_scores(void) {
  for (uint32_t at = 0; at < 9; at++)
    for (int all = 0; all < 2; all++) {
      float x[9], y[9];
      for (int i = 0; i < 9; i++) x[i] = all || (uint32_t)i == at ? NAN : (float)i;
      memcpy(y, x, sizeof x);
      fast.scores_forward(x, 9, 6, NULL, 1), ref.scores_forward(y, 9, 6, NULL, 1);
      check_same(x, y, 9, "scores with NaN");
      CHECK((all || at < 6) == (x[0] != x[0]));
      CHECK(x[6] == 0 && x[8] == 0);
    }
}

int main(void) {
  ofs_kernels_fill(&fast), ofs_kernels_fill_ref(&ref);
  test_sets();
  for (uint32_t rows = 0; rows <= 9; rows += 1 + rows / 3)
    for (uint32_t cols = 1; cols <= MOST; cols++)
      for (int k = 0; k < 4; k++) channels_body(rows, cols, k % 2, k / 2);
  for (uint32_t cols = 1; cols <= MOST; cols++)
    for (uint32_t seen = 0; seen <= cols + 3; seen++)
      for (int k = 0; k < 4; k++) scores_body(cols, seen, k % 2, k / 2);
  test_nan_scores();
  return check_report("kernels of normalization and attention");
}
