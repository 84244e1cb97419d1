/* test_depthwise.c: the depthwise kernels over many geometries: fast against reference to the last
 * bit, rows cut anywhere, channels at hand fewer than there are; and the reference against what
 * they mean.
 *
 * All three come from the trilinear form sum of dy y: <y, dy> = <x, dx> = <w, dw>, sums of at most
 * oh ow n ph pw products below 1, each of which is part of a sum of at most max(ph pw, oh ow) terms
 * and its roundings. */
#include "kernels/kernels.h"
#include "guarded.h"

static ofs_kernels fast, ref;

static uint32_t out_size(uint32_t size, uint32_t k, uint32_t s, uint32_t d, int same,
                         int32_t *before) {
  uint32_t reach = (k - 1) * d + 1;
  *before = 0;
  if (!same) return size < reach ? 0 : (size - reach) / s + 1;
  uint32_t out = (size + s - 1) / s, covered = (out - 1) * s + reach;
  if (covered > size) *before = (int32_t)(covered - size) / 2;
  return out;
}

static double dot(const guarded *a, const guarded *b) {
  double sum = 0;
  for (size_t i = 0; i < a->n; i++)
    if (a->data[i] == a->data[i] && b->data[i] == b->data[i])
      sum += (double)a->data[i] * b->data[i];
  return sum;
}

/* Numbers of the n channels at hand of c; the others stay NaN. */
static guarded numbers(size_t pixels, const ofs_pool *p, int placement) {
  guarded g = guard_new(pixels * p->c, placement, p->c % 4);
  for (size_t i = 0; i < pixels; i++) random_fill(g.data + i * p->c, p->n, 1);
  return g;
}

static guarded nothing(const guarded *like, int placement) {
  return guard_new(like->n, placement, 1);
}

static void finish(guarded *got, guarded *want, const char *what) {
  check_same(got->data, want->data, want->n, what);
  guard_free(got, what);
}

static void check_geometry(const ofs_pool *p, int placement) {
  size_t in = (size_t)p->h * p->w, out = (size_t)p->oh * p->ow, spots = (size_t)p->ph * p->pw;
  guarded x = numbers(in, p, placement), dy = numbers(out, p, placement),
          w = numbers(spots, p, placement);
  guarded bias = numbers(1, p, placement);
  uint32_t cut = random_word() % (p->oh + 1), from = random_word() % (p->h + 1);
  guarded y[2] = {nothing(&dy, placement), nothing(&dy, placement)},
          dx[2] = {nothing(&x, placement), nothing(&x, placement)};
  guarded dw[2] = {numbers(spots, p, placement), numbers(spots, p, placement)};
  memcpy(dw[0].data, dw[1].data, dw[0].n * 4);
  for (int with = 0; with < 2; with++) {
    const float *b = with ? NULL : bias.data;
    ref.depth_forward(p, y[1].data, x.data, w.data, b, 0, p->oh);
    fast.depth_forward(p, y[0].data, x.data, w.data, b, cut, p->oh);
    fast.depth_forward(p, y[0].data, x.data, w.data, b, 0, cut);
    check_same(y[0].data, y[1].data, y[1].n, "depthwise forward");
  }
  ref.depth_backward(p, dx[1].data, dy.data, w.data, 0, p->h);
  fast.depth_backward(p, dx[0].data, dy.data, w.data, 0, from);
  fast.depth_backward(p, dx[0].data, dy.data, w.data, from, p->h);
  ref.depth_weights(p, dw[1].data, x.data, dy.data, 0, p->oh);
  fast.depth_weights(p, dw[0].data, x.data, dy.data, 0, cut);
  fast.depth_weights(p, dw[0].data, x.data, dy.data, cut, p->oh);
  check_same(dw[0].data, dw[1].data, dw[1].n, "depthwise weights");
  for (size_t i = 0; i < dw[1].n; i++) dw[1].data[i] = 0;
  ref.depth_weights(p, dw[1].data, x.data, dy.data, 0, p->oh);
  double terms = (double)(spots > out ? spots : out) + 2,
         bound = 0x1p-24 * terms * (double)(out * p->n * spots);
  CHECK_NEAR(dot(&x, &dx[1]), dot(&y[1], &dy), bound);
  CHECK_NEAR(dot(&w, &dw[1]), dot(&y[1], &dy), bound);
  finish(&dx[0], &dx[1], "depthwise backward"), guard_free(&dx[1], "dx");
  guard_free(&y[0], "y"), guard_free(&y[1], "y"), guard_free(&dw[0], "dw"),
      guard_free(&dw[1], "dw");
  guard_free(&x, "x"), guard_free(&dy, "dy"), guard_free(&w, "w"), guard_free(&bias, "bias");
}

static void test_geometries(void) {
  uint32_t turn = 0;
  for (uint32_t ph = 1; ph <= 4; ph++)
    for (uint32_t s = 1; s <= 4; s++)
      for (uint32_t d = 1; d <= 4; d++)
        for (uint32_t h = 1; h <= 12; h += 1 + h / 4)
          for (int same = 0; same < 2; same++, turn++) {
            uint32_t pw = 1 + (ph + turn) % 5, sw = 1 + (s + turn / 3) % 3, dw = 1 + (d * turn) % 3,
                     c = 1 + turn * 5 % 37;
            ofs_pool p = {.h = h,
                          .w = 1 + (h * 7 + turn) % 19,
                          .c = c,
                          .ph = ph,
                          .pw = pw,
                          .sh = s,
                          .sw = sw,
                          .dh = d,
                          .dw = dw,
                          .n = turn % 2 ? c : 1 + (turn / 2) % c};
            p.oh = out_size(h, ph, s, d, same, &p.top);
            p.ow = out_size(p.w, pw, sw, dw, same, &p.left);
            if (p.oh && p.ow) check_geometry(&p, (int)turn % GUARD_PLACEMENTS);
          }
}

int main(void) {
  ofs_kernels_fill_ref(&ref);
  ofs_kernels_fill(&fast);
  test_geometries();
  return check_report("depthwise");
}
