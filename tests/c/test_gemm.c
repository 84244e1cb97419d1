/* test_gemm.c: the matrix products: fast against reference to the last bit at every shape about the
 * tiles and the blocks, and the reference against sums in double.
 *
 * The double result is off by next to nothing, so the float one may differ by the errors of its own
 * k products and k additions: at most (k + 2) 2^-24 times the sum of magnitudes (Higham 2002,
 * 3.1). */
#include "kernels/kernels.h"
#include "guarded.h"

static ofs_kernels fast, ref;

enum { NN, TN };
enum { START_ZERO, START_BIAS, START_C, STARTS };

typedef struct shape {
  uint32_t m, n, k, runs_y, runs_x;
  size_t pad_a, pad_b, pad_c; /* how much wider than needed a row is */
  size_t step_y, step_x;
} shape;

static size_t b_rows(const shape *s) { return (size_t)s->runs_y * s->runs_x * s->k; }

/* Where `packed`, b (rows, n) with rows ldb apart becomes panels of OFS_PANEL columns with `gap`
 * floats between them. */
static guarded pack(const float *b, const shape *s, size_t ldb, size_t gap, size_t *panel) {
  size_t rows = b_rows(s), panels = ((size_t)s->n + OFS_PANEL - 1) / OFS_PANEL;
  *panel = rows * OFS_PANEL + gap;
  guarded packed = guard_new(panels && rows ? panels * *panel - gap : 0, GUARD_FLUSH, 1);
  for (size_t p = 0; rows && p < panels; p++)
    for (size_t r = 0; r < rows; r++)
      for (size_t i = 0; i < OFS_PANEL; i++) {
        size_t n = p * OFS_PANEL + i;
        packed.data[p * *panel + r * OFS_PANEL + i] = n < s->n ? b[r * ldb + n] : 0;
      }
  return packed;
}

/* How many floats of a are within reach. */
static size_t a_size(const shape *s, int kind, size_t lda) {
  if (b_rows(s) == 0 || s->m == 0) return 0;
  size_t rows = kind == NN ? s->m : s->k, width = kind == NN ? s->k : s->m;
  return (rows - 1) * lda + (s->runs_y - 1) * s->step_y + (s->runs_x - 1) * s->step_x + width;
}

static void check_double(const ofs_gemm *g, const shape *s, int kind, const float *start) {
  size_t step_m = kind == NN ? g->lda : 1, step_k = kind == NN ? 1 : g->lda;
  int right = 1;
  for (size_t m = 0; m < g->m; m++)
    for (size_t n = 0; n < g->n; n++) {
      double sum = g->accumulate ? start[m * g->ldc + n]
                   : g->bias     ? g->bias[n]
                                 : 0,
             size = fabs(sum);
      size_t row = 0;
      for (size_t ry = 0; ry < g->runs_y; ry++)
        for (size_t rx = 0; rx < g->runs_x; rx++)
          for (size_t k = 0; k < g->k; k++, row++) {
            double a = g->a[m * step_m + ry * g->step_y + rx * g->step_x + k * step_k];
            double product = a * g->b[row * g->ldb + n];
            sum += product;
            size += fabs(product);
          }
      right &= fabs(g->c[m * g->ldc + n] - sum) <= ((double)b_rows(s) + 2) * 0x1p-24 * size;
    }
  CHECK_MSG(right, "%s reference %u x %u x %u, runs %u x %u, is not the product",
            kind ? "tn" : "nn", g->m, g->n, g->k, g->runs_y, g->runs_x);
}

/* The same with b in panels, fast and reference. */
static void check_packed(const ofs_gemm *plain, const shape *s, int kind, const guarded *before,
                         const guarded *want) {
  ofs_gemm g = *plain;
  guarded got = guard_new(want->n, GUARD_BOTH, 2),
          packed = pack(plain->b, s, plain->ldb, 5, &g.panel);
  memcpy(got.data, before->data, want->n * 4);
  g.b = packed.data, g.c = got.data, g.ldb = 0;
  (kind == NN ? fast.gemm_nn : fast.gemm_tn)(&g);
  check_same(got.data, want->data, want->n, "product with packed b");
  memcpy(got.data, before->data, want->n * 4);
  (kind == NN ? ref.gemm_nn : ref.gemm_tn)(&g);
  check_same(got.data, want->data, want->n, "reference product with packed b");
  guard_free(&got, "packed"), guard_free(&packed, "packed");
}

static void check_shape(const shape *s, int kind, int start, int placement, size_t offset,
                        int in_double) {
  size_t lda = (kind == NN ? s->k : s->m) + s->pad_a, ldb = s->n + s->pad_b, ldc = s->n + s->pad_c;
  size_t b_size = b_rows(s) && s->n ? (b_rows(s) - 1) * ldb + s->n : 0;
  size_t c_size = s->m && s->n ? (s->m - 1) * ldc + s->n : 0;
  guarded a = guard_new(a_size(s, kind, lda), placement, offset),
          b = guard_new(b_size, placement, offset + 1);
  guarded bias = guard_new(s->n, placement, offset + 2),
          before = guard_new(c_size, placement, offset);
  guarded got = guard_new(c_size, placement, offset + 3),
          want = guard_new(c_size, placement, offset + 3);
  random_fill(a.data, a.n, 1);
  random_fill(bias.data, bias.n, 1);
  /* gaps between rows of b and c stay guard words: they must be neither used nor changed */
  for (size_t r = 0; b_size && r < b_rows(s); r++) random_fill(b.data + r * ldb, s->n, 1);
  for (size_t r = 0; c_size && r < s->m; r++) random_fill(before.data + r * ldc, s->n, 1);
  memcpy(got.data, before.data, c_size * 4);
  memcpy(want.data, before.data, c_size * 4);

  ofs_gemm g = {.c = want.data,
                .a = a.data,
                .b = b.data,
                .bias = start == START_BIAS ? bias.data : NULL,
                .lda = lda,
                .ldb = ldb,
                .ldc = ldc,
                .step_y = s->step_y,
                .step_x = s->step_x,
                .m = s->m,
                .n = s->n,
                .k = s->k,
                .runs_y = s->runs_y,
                .runs_x = s->runs_x,
                .accumulate = start == START_C};
  (kind == NN ? ref.gemm_nn : ref.gemm_tn)(&g);
  if (in_double) check_double(&g, s, kind, before.data);
  g.c = got.data;
  (kind == NN ? fast.gemm_nn : fast.gemm_tn)(&g);
  char what[128];
  snprintf(what, sizeof what, "%s %u x %u x %u, runs %u x %u, start %d", kind ? "tn" : "nn", s->m,
           s->n, s->k, s->runs_y, s->runs_x, start);
  check_same(got.data, want.data, c_size, what);
  check_packed(&g, s, kind, &before, &want);
  guard_free(&a, what), guard_free(&b, what), guard_free(&bias, what);
  guard_free(&before, what), guard_free(&got, what), guard_free(&want, what);
}

/* Every m and n up to two tiles and a bit. Windows overlap where the steps are smaller than k, as
 * those of a convolution do. */
static void test_tiles(void) {
  static const shape runs[] = {
      {.k = 0, .runs_y = 1, .runs_x = 1},
      {.k = 1, .runs_y = 1, .runs_x = 1},
      {.k = 5, .runs_y = 1, .runs_x = 1, .pad_a = 3, .pad_b = 5, .pad_c = 2},
      {.k = 3, .runs_y = 3, .runs_x = 1, .step_y = 7},
      {.k = 2, .runs_y = 2, .runs_x = 3, .step_y = 11, .step_x = 1, .pad_b = 70, .pad_c = 1},
      {.k = 4, .runs_y = 0, .runs_x = 2},
  };
  int turn = 0;
  for (uint32_t m = 0; m <= 10; m++)
    for (uint32_t n = 0; n <= 19; n++)
      for (size_t r = 0; r < sizeof runs / sizeof *runs; r++)
        for (int kind = NN; kind <= TN; kind++, turn++) {
          shape s = runs[r];
          s.m = m, s.n = n;
          for (int placement = 0; placement < GUARD_PLACEMENTS; placement++)
            check_shape(&s, kind, (turn + placement) % STARTS, placement, turn % 4,
                        placement == GUARD_BOTH);
        }
}

/* About the block of k (256 rows of b), the block of m (128) and the packing of panels (m from 16,
 * ldb from 65), and of a turned a: one run cut in pieces, several runs a block, several rows of
 * runs a block. */
static void test_blocks(void) {
  static const shape shapes[] = {
      {.m = 5, .n = 11, .k = 255, .runs_y = 1, .runs_x = 1},
      {.m = 5, .n = 11, .k = 256, .runs_y = 1, .runs_x = 1, .pad_b = 70},
      {.m = 5, .n = 11, .k = 257, .runs_y = 1, .runs_x = 1},
      {.m = 17, .n = 13, .k = 513, .runs_y = 1, .runs_x = 1, .pad_a = 1, .pad_b = 70, .pad_c = 3},
      {.m = 16,
       .n = 16,
       .k = 300,
       .runs_y = 2,
       .runs_x = 2,
       .step_y = 340,
       .step_x = 20,
       .pad_b = 50},
      {.m = 6, .n = 9, .k = 100, .runs_y = 4, .runs_x = 1, .step_y = 30},
      {.m = 6, .n = 9, .k = 100, .runs_y = 2, .runs_x = 5, .step_y = 50, .step_x = 7},
      {.m = 7,
       .n = 10,
       .k = 60,
       .runs_y = 3,
       .runs_x = 3,
       .step_y = 200,
       .step_x = 60,
       .pad_b = 56},
      {.m = 7, .n = 10, .k = 1, .runs_y = 40, .runs_x = 7, .step_y = 3, .step_x = 1},
      {.m = 127, .n = 9, .k = 3, .runs_y = 1, .runs_x = 1},
      {.m = 128, .n = 8, .k = 3, .runs_y = 1, .runs_x = 1, .pad_b = 60},
      {.m = 129, .n = 3, .k = 3, .runs_y = 2, .runs_x = 1, .step_y = 4},
      {.m = 261, .n = 12, .k = 260, .runs_y = 1, .runs_x = 1, .pad_b = 60, .pad_a = 4},
      /* a turned: rows from 129, columns from 64 */
      {.m = 67, .n = 33, .k = 64, .runs_y = 1, .runs_x = 1, .pad_a = 62},
      {.m = 130, .n = 45, .k = 129, .runs_y = 1, .runs_x = 1, .pad_c = 1},
      {.m = 63, .n = 32, .k = 257, .runs_y = 1, .runs_x = 1, .pad_a = 70, .pad_b = 33},
      {.m = 1, .n = 70, .k = 300, .runs_y = 1, .runs_x = 1},
      {.m = 70, .n = 1, .k = 300, .runs_y = 1, .runs_x = 1},
  };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int kind = NN; kind <= TN; kind++)
      for (int start = 0; start < STARTS; start++)
        for (int placement = 0; placement < GUARD_PLACEMENTS; placement++)
          check_shape(&shapes[i], kind, start, placement, (size_t)start, 1);
}

/* Several products of one b, by the fast kernel, the reference, and one call each. */
static void test_more(void) {
  for (uint32_t n = 1; n <= 17; n++)
    for (int kind = NN; kind <= TN; kind++)
      for (int packed = 0; packed < 2; packed++) {
        enum { M = 7, K = 5, MORE = 3, NEXT_A = 40 };
        const size_t ldc = n + 1, next_c = M * ldc + 2, size = MORE * next_c + M * ldc;
        const shape s = {.m = M, .n = n, .k = K, .runs_y = 1, .runs_x = 1};
        float a[MORE * NEXT_A + M * K], b[K * 90], bias[17];
        random_fill(a, sizeof a / 4, 1), random_fill(b, sizeof b / 4, 1), random_fill(bias, 17, 1);
        guarded all = guard_new(size, GUARD_BOTH, 1), one = guard_new(size, GUARD_BOTH, 1),
                want = guard_new(size, GUARD_BOTH, 1);
        ofs_gemm g = {.a = a,
                      .b = b,
                      .bias = bias,
                      .lda = kind == NN ? K : M,
                      .ldb = 90,
                      .ldc = ldc,
                      .m = M,
                      .n = n,
                      .k = K,
                      .runs_y = 1,
                      .runs_x = 1,
                      .more = MORE,
                      .next_a = NEXT_A,
                      .next_c = next_c,
                      .c = all.data};
        guarded panels = pack(b, &s, 90, 0, &g.panel);
        if (packed)
          g.b = panels.data;
        else
          g.panel = 0;
        (kind == NN ? fast.gemm_nn : fast.gemm_tn)(&g);
        g.c = want.data;
        (kind == NN ? ref.gemm_nn : ref.gemm_tn)(&g);
        g.more = 0;
        for (size_t i = 0; i <= MORE; i++) {
          g.a = a + i * NEXT_A, g.c = one.data + i * next_c;
          (kind == NN ? ref.gemm_nn : ref.gemm_tn)(&g);
        }
        check_same(all.data, one.data, size, "products of one b");
        check_same(want.data, one.data, size, "reference products of one b");
        guard_free(&all, "more"), guard_free(&one, "more"), guard_free(&want, "more"),
            guard_free(&panels, "more");
      }
}

/* A NaN or an infinity stays in its own row and column: padding by zeros must not spread it (0 x
 * inf). */
static void test_non_finite(void) {
  for (uint32_t n = 1; n <= 9; n++) {
    float a[5 * 3], b[3 * 9], got[5 * 9], want[5 * 9];
    random_fill(a, 15, 1);
    random_fill(b, 27, 1);
    a[2 * 3 + 1] = INFINITY;
    b[1 * n + n - 1] = NAN;
    ofs_gemm g = {.c = want,
                  .a = a,
                  .b = b,
                  .lda = 3,
                  .ldb = n,
                  .ldc = n,
                  .m = 5,
                  .n = n,
                  .k = 3,
                  .runs_y = 1,
                  .runs_x = 1};
    ref.gemm_nn(&g);
    g.c = got;
    fast.gemm_nn(&g);
    check_same(got, want, 5 * n, "product with infinity and NaN");
    int finite = 1;
    for (uint32_t m = 0; m < 5; m++)
      for (uint32_t i = 0; i + 1 < n; i++) finite &= m == 2 || isfinite(got[m * n + i]);
    CHECK(finite);
  }
}

int main(void) {
  ofs_kernels_fill_ref(&ref);
  ofs_kernels_fill(&fast);
  CHECK(fast.gemm_nn != ref.gemm_nn && fast.gemm_tn != ref.gemm_tn);
  test_tiles();
  test_blocks();
  test_more();
  test_non_finite();
  return check_report("gemm");
}
