/* test_pool.c: max and average pools over many geometries: fast against reference to the last
 * bit, rows cut anywhere, and both against what pooling means.
 *
 * Backward is the transpose of forward (a max pool's choice held fixed): <y, dy> = <x, dx> for
 * every dy. The sums are of at most h w c products below 1 and as many additions of gradients; see
 * `bound`. */
#include "kernels/kernels.h"
#include "guarded.h"

static ofs_kernels fast, ref;

/* Output size and padding as Keras has them. 0 where a valid window does not fit. */
static uint32_t out_size(uint32_t size, uint32_t window, uint32_t stride, int same,
                         int32_t *before) {
  *before = 0;
  if (!same) return size < window ? 0 : (size - window) / stride + 1;
  uint32_t out = (size + stride - 1) / stride, covered = (out - 1) * stride + window;
  if (covered > size) *before = (int32_t)(covered - size) / 2;
  return out;
}

typedef struct images {
  guarded x, y, dy, dx;
} images;

static void check_meaning(const ofs_pool *p, const images *i, int max) {
  int right = 1;
  for (uint32_t oy = 0; oy < p->oh; oy++)
    for (uint32_t ox = 0; ox < p->ow; ox++)
      for (uint32_t c = 0; c < p->c; c++) {
        double best = -INFINITY, sum = 0, cells = 0, size = 0;
        for (int64_t ky = 0; ky < p->ph; ky++)
          for (int64_t kx = 0; kx < p->pw; kx++) {
            int64_t y = (int64_t)oy * p->sh - p->top + ky, x = (int64_t)ox * p->sw - p->left + kx;
            if (y < 0 || x < 0 || y >= p->h || x >= p->w) continue;
            double cell = i->x.data[(y * p->w + x) * p->c + c];
            best = fmax(best, cell), sum += cell, size += fabs(cell), cells++;
          }
        float got = i->y.data[(oy * p->ow + ox) * p->c + c];
        right &=
            max ? got == best : fabs(got - sum / cells) <= (cells + 1) * 0x1p-24 * size / cells;
      }
  CHECK_MSG(right, "%s pool %ux%ux%u by %ux%u stride %ux%u is wrong", max ? "max" : "average", p->h,
            p->w, p->c, p->ph, p->pw, p->sh, p->sw);
}

/* Each gradient is a sum of at most ph pw terms below 1, so it is off by less than (ph pw)^2 2^-24,
 * an average's terms by a rounding more; y is off by (ph pw + 1) 2^-24 at most. */
static void check_adjoint(const ofs_pool *p, const images *i) {
  double left = 0, right = 0, area = (double)p->ph * p->pw;
  double bound = 0x1p-24 * (area + 1) * ((double)i->x.n * area + (double)i->y.n);
  for (size_t j = 0; j < i->y.n; j++) left += (double)i->y.data[j] * i->dy.data[j];
  for (size_t j = 0; j < i->x.n; j++) right += (double)i->x.data[j] * i->dx.data[j];
  CHECK_NEAR(right, left, bound);
}

static void forward(const ofs_kernels *k, int max, const ofs_pool *p, const images *i,
                    uint32_t row0, uint32_t row1) {
  (max ? k->max_pool_forward : k->avg_pool_forward)(p, i->y.data, i->x.data, row0, row1);
}

static void backward(const ofs_kernels *k, int max, const ofs_pool *p, const images *i,
                     uint32_t row0, uint32_t row1) {
  if (max)
    k->max_pool_backward(p, i->dx.data, i->x.data, i->y.data, i->dy.data, row0, row1);
  else
    k->avg_pool_backward(p, i->dx.data, i->dy.data, row0, row1);
}

static images images_new(const ofs_pool *p, int placement, size_t offset) {
  size_t in = (size_t)p->h * p->w * p->c, out = (size_t)p->oh * p->ow * p->c;
  return (images){guard_new(in, placement, offset), guard_new(out, placement, offset + 1),
                  guard_new(out, placement, offset + 2), guard_new(in, placement, offset + 3)};
}

static void images_free(images *i) {
  guard_free(&i->x, "pool x"), guard_free(&i->y, "pool y"), guard_free(&i->dy, "pool dy"),
      guard_free(&i->dx, "pool dx");
}

/* The fast one in cuts, the reference in one go. Few distinct values, so that windows have ties. */
static void check_pool(const ofs_pool *p, int max, int placement, int finite) {
  images f = images_new(p, placement, p->c % 4), r = images_new(p, placement, 0);
  for (size_t i = 0; i < r.x.n; i++) r.x.data[i] = (float)(int)(random_word() % 7) / 4 - 0.75f;
  if (!finite && r.x.n)
    r.x.data[random_word() % r.x.n] = NAN, r.x.data[random_word() % r.x.n] = INFINITY;
  random_fill(r.dy.data, r.dy.n, 1);
  memcpy(f.x.data, r.x.data, r.x.n * 4);
  memcpy(f.dy.data, r.dy.data, r.dy.n * 4);
  uint32_t cut = random_word() % (p->oh + 1), from = random_word() % (p->h + 1),
           to = from + random_word() % (p->h + 1 - from);
  forward(&ref, max, p, &r, 0, p->oh);
  forward(&fast, max, p, &f, cut, p->oh), forward(&fast, max, p, &f, 0, cut);
  check_same(f.y.data, r.y.data, r.y.n, max ? "max pool" : "average pool");
  backward(&ref, max, p, &r, 0, p->h);
  backward(&fast, max, p, &f, from, to), backward(&fast, max, p, &f, to, p->h),
      backward(&fast, max, p, &f, 0, from);
  check_same(f.dx.data, r.dx.data, r.dx.n, max ? "max pool backward" : "average pool backward");
  /* the reference in cuts, too; and only the rows asked for are written */
  for (size_t i = 0; i < r.dx.n; i++) f.dx.data[i] = 5;
  backward(&ref, max, p, &f, from, to);
  size_t row = (size_t)p->w * p->c, before = 0;
  for (size_t i = 0; i < r.dx.n; i++)
    before += f.dx.data[i] == 5 && (i < from * row || i >= to * row);
  CHECK_INT(before, r.dx.n - (to - from) * row);
  check_same(f.dx.data + from * row, r.dx.data + from * row, (to - from) * row,
             "reference's backward in cuts");
  if (finite) check_meaning(p, &r, max), check_adjoint(p, &r);
  images_free(&f), images_free(&r);
}

static void test_geometries(void) {
  int turn = 0;
  for (uint32_t ph = 1; ph <= 3; ph++)
    for (uint32_t pw = 1; pw <= 3; pw++)
      for (uint32_t sh = 1; sh <= 4; sh++)
        for (uint32_t h = 1; h <= 7; h++)
          for (int same = 0; same < 2; same++) {
            uint32_t w = 1 + (h * 5 + pw) % 7, sw = 1 + (sh + pw) % 3, c = 1 + (uint32_t)turn % 10;
            ofs_pool p = {.h = h, .w = w, .c = c, .ph = ph, .pw = pw, .sh = sh, .sw = sw};
            p.oh = out_size(h, ph, sh, same, &p.top);
            p.ow = out_size(w, pw, sw, same, &p.left);
            if (p.oh == 0 || p.ow == 0) continue;
            for (int max = 0; max < 2; max++, turn++) {
              check_pool(&p, max, turn % GUARD_PLACEMENTS, 1);
              check_pool(&p, max, (turn + 1) % GUARD_PLACEMENTS, turn % 3 != 0);
            }
          }
}

static void test_first_largest(void) {
  ofs_pool p = {.h = 2, .w = 2, .c = 1, .oh = 1, .ow = 1, .ph = 2, .pw = 2, .sh = 2, .sw = 2};
  float x[4] = {1, 3, 3, 3}, y = 3, dy = 5, dx[4];
  const float want[4] = {0, 5, 0, 0};
  fast.max_pool_backward(&p, dx, x, &y, &dy, 0, 2);
  CHECK(memcmp(dx, want, sizeof dx) == 0);
  /* rows of the second part: the largest is in the first */
  fast.max_pool_backward(&p, dx, x, &y, &dy, 1, 2);
  CHECK(dx[2] == 0 && dx[3] == 0);
  /* padding is not counted by an average: the corner window of 'same' has 1 cell of 4 */
  ofs_pool q = {.h = 3, .w = 3, .c = 1, .oh = 2, .ow = 2, .ph = 2, .pw = 2, .sh = 2, .sw = 2};
  float in[9] = {1, 1, 1, 1, 1, 1, 1, 1, 7}, out[4];
  fast.avg_pool_forward(&q, out, in, 0, 2);
  CHECK(out[0] == 1 && out[1] == 1 && out[2] == 1 && out[3] == 7);
  float nan_in[4] = {1, NAN, 2, 3}, got;
  fast.max_pool_forward(&p, &got, nan_in, 0, 1);
  CHECK(isnan(got));
}

int main(void) {
  ofs_kernels_fill_ref(&ref);
  ofs_kernels_fill(&fast);
  test_geometries();
  test_first_largest();
  return check_report("pooling");
}
