/* test_winograd.c: Winograd's F(2 x 2, 3 x 3): each transform fast against reference to the last
 * bit, about every edge of an image; and the whole of it against plain sums in double, within its
 * error bound.
 *
 * Bounds, with u = 2^-24 and d, g, e the largest magnitudes of input, kernel and output gradient: a
 * transformed input is at most 4 d (2 additions), a kernel 9/4 g (4), a gradient 4 e (2). Of C
 * channels an output adds 9 of the 16 sums, each at most C 9 d g (1 multiplication, C additions),
 * in 4 additions: (C + 11) u 81 C d g. Of T tiles a weight's gradient adds 16 sums times at most 4
 * in all, each at most T 16 d e, in 4 additions: (T + 9) u 64 T d e. One more u is for the second
 * order. */
#include "kernels/kernels.h"
#include "guarded.h"

static ofs_kernels fast, ref;

static void test_filter(void) {
  for (uint32_t c = 1; c <= 9; c += 4)
    for (uint32_t f = 1; f <= 20; f++) {
      size_t plane = (f + OFS_PANEL - 1) / OFS_PANEL * (size_t)c * OFS_PANEL;
      guarded w = guard_new(9 * (size_t)c * f, GUARD_FLUSH, f % 4),
              got = guard_new(16 * plane, GUARD_BOTH, 1);
      guarded want = guard_new(16 * plane, GUARD_BOTH, 1);
      random_fill(w.data, w.n, 1);
      fast.wino_filter(got.data, w.data, c, f, 0, c / 2);
      fast.wino_filter(got.data, w.data, c, f, c / 2, c);
      ref.wino_filter(want.data, w.data, c, f, 0, c);
      check_same(got.data, want.data, want.n, "filter");
      guard_free(&w, "filter"), guard_free(&got, "filter"), guard_free(&want, "filter");
    }
}

typedef void (*transform)(const ofs_wino *g, float *v, const float *x, uint32_t ty, uint32_t tx,
                          uint32_t count);

static void check_transform(transform a, transform b, const ofs_wino *g, uint32_t ty, uint32_t tx,
                            uint32_t count, int placement) {
  guarded x = guard_new((size_t)g->h * g->w * g->c, placement, g->n % 3),
          got = guard_new(16 * g->plane, GUARD_BOTH, 3);
  guarded want = guard_new(16 * g->plane, GUARD_BOTH, 3);
  random_fill(x.data, x.n, 1);
  ofs_wino at = *g;
  size_t skip = g->c - g->n; /* the last channels */
  a(&at, got.data, x.data + skip, ty, tx, count);
  b(&at, want.data, x.data + skip, ty, tx, count);
  check_same(got.data, want.data, want.n, "tiles");
  guard_free(&x, "tiles"), guard_free(&got, "tiles"), guard_free(&want, "tiles");
}

static void check_output(const ofs_wino *g, uint32_t ty, uint32_t tx, uint32_t count, int bias) {
  size_t size = (size_t)g->h * g->w * g->c, skip = g->c - g->n;
  guarded m = guard_new(15 * g->plane + count * g->n, GUARD_FLUSH, 1),
          b = guard_new(g->n, GUARD_FLUSH, 2);
  guarded got = guard_new(size, GUARD_BOTH, 1), want = guard_new(size, GUARD_BOTH, 1);
  random_fill(m.data, m.n, 1);
  random_fill(b.data, b.n, 1);
  fast.wino_output(g, got.data + skip, m.data, bias ? b.data : NULL, ty, tx, count);
  ref.wino_output(g, want.data + skip, m.data, bias ? b.data : NULL, ty, tx, count);
  check_same(got.data, want.data, size, "output");
  guard_free(&m, "output"), guard_free(&b, "output"), guard_free(&got, "output"),
      guard_free(&want, "output");
}

/* Every row and run of tiles of small images, padded and not. */
static void test_tiles(void) {
  for (uint32_t h = 1; h <= 6; h++)
    for (uint32_t w = 1; w <= 7; w++)
      for (uint32_t turn = 0; turn < 3; turn++) {
        uint32_t n = 4 + 4 * turn, down = (h + 1) / 2, across = (w + 1) / 2;
        ofs_wino g = {.h = h, .w = w, .c = n + 4 * (turn == 1), .n = n};
        for (uint32_t ty = 0; ty < down; ty++)
          for (uint32_t tx = 0; tx < across; tx++) {
            uint32_t count = across - tx;
            g.plane = (size_t)count * n + 5;
            for (g.top = 0; g.top < 3; g.top++) {
              g.left = (int32_t)((uint32_t)g.top + turn) % 3;
              check_transform(fast.wino_input, ref.wino_input, &g, ty, tx, count,
                              (int)turn % GUARD_PLACEMENTS);
            }
            check_transform(fast.wino_gradient, ref.wino_gradient, &g, ty, tx, count,
                            (int)turn % GUARD_PLACEMENTS);
            check_output(&g, ty, tx, count, turn == 2);
          }
      }
}

static void test_weights(void) {
  for (size_t n = 4; n <= 24; n += 4) {
    guarded u = guard_new(16 * (n + 3), GUARD_FLUSH, 1),
            got = guard_new(9 * (n + 1), GUARD_BOTH, 1);
    guarded want = guard_new(9 * (n + 1), GUARD_BOTH, 1);
    random_fill(u.data, u.n, 1);
    fast.wino_weights(got.data, n + 1, u.data, n + 3, n);
    ref.wino_weights(want.data, n + 1, u.data, n + 3, n);
    check_same(got.data, want.data, want.n, "weights");
    guard_free(&u, "weights"), guard_free(&got, "weights"), guard_free(&want, "weights");
  }
}

/* ---- the whole, against sums in double ---- */

enum {
  H = 6,
  W = 5,
  C = 12,
  F = 8,
  OH = 6,
  OW = 5,
  DOWN = 3,
  ACROSS = 3,
  TILES = 9,
  PANELS = C * OFS_PANEL
};

static float x[H * W * C], k[9 * C * F], bias[F], y[OH * OW * F];
static float v[16 * TILES * C], u[16 * PANELS], m[16 * TILES * F], e[16 * TILES * F],
    du[16 * C * F], dk[9 * C * F];

static double at(const float *image, int i, int j, int channels, int channel) {
  return i < 0 || j < 0 || i >= H || j >= W ? 0 : image[(i * W + j) * channels + channel];
}

static void products(float *c, const float *a, const float *b, int kind, ofs_gemm g, size_t next_c,
                     size_t next_a, size_t next_b) {
  for (size_t i = 0; i < 16; i++) {
    g.c = c + i * next_c, g.a = a + i * next_a, g.b = b + i * next_b, g.runs_y = g.runs_x = 1;
    (kind ? fast.gemm_tn : fast.gemm_nn)(&g);
  }
}

static void transform_all(const ofs_wino *g, transform run, float *to, const float *from) {
  for (uint32_t ty = 0; ty < DOWN; ty++) run(g, to + ty * ACROSS * g->n, from, ty, 0, ACROSS);
}

static void test_convolution(int magnitude) {
  const double unit = 0x1p-24, d = ldexp(1, magnitude);
  random_fill(x, H * W * C, (float)d), random_fill(k, 9 * C * F, 1), random_fill(bias, F, 1);
  const ofs_wino in = {.h = H, .w = W, .c = C, .top = 1, .left = 1, .n = C, .plane = TILES * C};
  const ofs_wino out = {.h = OH, .w = OW, .c = F, .n = F, .plane = TILES * F};
  transform_all(&in, fast.wino_input, v, x);
  fast.wino_filter(u, k, C, F, 0, C);
  products(m, v, u, 0, (ofs_gemm){.lda = C, .ldc = F, .panel = PANELS, .m = TILES, .n = F, .k = C},
           TILES * F, TILES * C, PANELS);
  for (uint32_t ty = 0; ty < DOWN; ty++)
    fast.wino_output(&out, y, m + ty * ACROSS * F, bias, ty, 0, ACROSS);
  double worst = 0, most = (C + 12) * unit * 81 * C * d + unit * (81 * C * d + 1);
  for (int i = 0; i < OH; i++)
    for (int j = 0; j < OW; j++)
      for (int f = 0; f < F; f++) {
        double sum = bias[f];
        for (int t = 0; t < 9; t++)
          for (int c = 0; c < C; c++)
            sum += at(x, i + t / 3 - 1, j + t % 3 - 1, C, c) * k[(t * C + c) * F + f];
        worst = fmax(worst, fabs(y[(i * OW + j) * F + f] - sum));
      }
  CHECK_MSG(worst <= most && worst > 0, "convolution off by %g, at most %g allowed", worst, most);

  random_fill(y, OH * OW * F, 1); /* dy */
  transform_all(&out, fast.wino_gradient, e, y);
  products(du, v, e, 1, (ofs_gemm){.lda = C, .ldb = F, .ldc = F, .m = C, .n = F, .k = TILES}, C * F,
           TILES * C, TILES * F);
  fast.wino_weights(dk, C * F, du, C * F, C * F);
  worst = 0, most = (TILES + 10) * unit * 64 * TILES * d;
  for (int t = 0; t < 9; t++)
    for (int c = 0; c < C; c++)
      for (int f = 0; f < F; f++) {
        double sum = 0;
        for (int i = 0; i < OH; i++)
          for (int j = 0; j < OW; j++)
            sum += at(x, i + t / 3 - 1, j + t % 3 - 1, C, c) * at(y, i, j, F, f);
        worst = fmax(worst, fabs(dk[(t * C + c) * F + f] - sum));
      }
  CHECK_MSG(worst <= most && worst > 0, "weight gradient off by %g, at most %g allowed", worst,
            most);
}

int main(void) {
  ofs_kernels_fill_ref(&ref);
  ofs_kernels_fill(&fast);
  CHECK(fast.wino_input != ref.wino_input && fast.wino_output != ref.wino_output);
  test_filter();
  test_tiles();
  test_weights();
  for (int magnitude = -20; magnitude <= 20; magnitude += 10) test_convolution(magnitude);
  return check_report("winograd");
}
