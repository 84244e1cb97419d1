/* winograd.c: convolutions of 3 x 3 with stride 1 by Winograd's F(2 x 2, 3 x 3): 16 products of
 * small matrices in place of a sliding one, with 4 / 9 of its multiplications (formulas:
 * kernels.h).
 *
 * A part takes groups of tiles: their transforms stay on the stack, in the second-level cache, and
 * are used up before the next group's are made. The image is read as it is: no padded copy. Whether
 * a layer comes here depends on its shapes alone (ofs_winograd_fits).
 *
 * Error: with u = 2^-24, C channels and largest magnitudes d, g of input and kernel, an output
 * differs from the exact one by at most (C + 12) u 81 C d g, against (9 C + 1) u 9 C d g of the
 * plain sum; derived in tests/c/test_winograd.c, which checks it. */
#include "layers/winograd.h"

#include "base/copy.h"

/* So many channels of the input and of the output are taken at a time. A group has so many numbers
 * in a plane; the gap between two planes keeps them from sharing a set of the first-level cache. */
#define CHANNELS 64u
#define GROUP 1024u
#define GAP 16u
#define PLANES 16u
/* The weight gradient's sums are cut into at least so many shares: blocks of CHANNELS x CHANNELS
 * times chunks of tiles. */
#define SHARES 8u

int ofs_winograd_fits(const ofs_window *w) {
  int plain = w->groups == 1 && w->kh == 3 && w->kw == 3 && w->sh == 1 && w->sw == 1 &&
              w->dh == 1 && w->dw == 1;
  return plain && w->c % 4 == 0 && w->f % 4 == 0 && w->c >= 8 && w->f >= 8 && w->oh > 1 &&
         w->ow > 1;
}

typedef struct grid {
  uint32_t down, across; /* tiles of an image */
} grid;

static grid grid_of(const ofs_window *w) { return (grid){(w->oh + 1) / 2, (w->ow + 1) / 2}; }

static uint32_t group_of(const ofs_window *w) {
  uint32_t c = ofs_min(w->c, CHANNELS), f = ofs_min(w->f, CHANNELS);
  return GROUP / (c > f ? c : f);
}

/* ---- filters: U = G W G' ---- */

enum { FILTER, MATRIX }; /* buffers; without MATRIX it is the layer's kernel */

static void filter_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const real *w = op->at[MATRIX] ? op->at[MATRIX] : ctx->params + op->layer->kernel_at;
  const ofs_range r = ofs_range_of(op, part);
  ctx->kernels->wino_filter(op->at[FILTER], w, op->window.c, op->window.f, (uint32_t)r.from,
                            (uint32_t)r.to);
}

/* ---- products ---- */

enum { Y, X, U };   /* buffers */
enum { ACT, BIAS }; /* op->n; BIAS: 1 where there is one */

typedef void (*transform)(const ofs_wino *g, real *v, const real *x, uint32_t ty, uint32_t tx,
                          uint32_t count);

/* Transforms tiles [first, first + count) of a batch of images, in runs of one row of tiles. */
static void transform_tiles(const ofs_wino *g, grid tiles, transform run, real *v, const real *x,
                            uint64_t first, uint32_t count) {
  for (uint32_t done = 0, now; done < count; done += now) {
    uint64_t row = (first + done) / tiles.across;
    uint32_t tx = (uint32_t)((first + done) % tiles.across);
    now = ofs_min(count - done, tiles.across - tx);
    run(g, v + (size_t)done * g->n, x + row / tiles.down * g->h * g->w * g->c,
        (uint32_t)(row % tiles.down), tx, now);
  }
}

static void output_tiles(const ofs_context *ctx, const ofs_op *op, const ofs_wino *g, grid tiles,
                         real *y, const real *m, const real *bias, uint64_t first, uint32_t count) {
  const ofs_kernels *k = ctx->kernels;
  for (uint32_t done = 0, now; done < count; done += now) {
    uint64_t row = (first + done) / tiles.across;
    uint32_t ty = (uint32_t)(row % tiles.down), tx = (uint32_t)((first + done) % tiles.across),
             act = op->n[ACT];
    now = ofs_min(count - done, tiles.across - tx);
    real *image = y + row / tiles.down * g->h * g->w * g->c;
    k->wino_output(g, image, m + (size_t)done * g->n, bias, ty, tx, now);
    if (act == OFS_ACT_LINEAR) continue;
    uint32_t pixels = ofs_min(2 * now, g->w - 2 * tx);
    for (uint32_t i = 2 * ty; i < 2 * ty + 2 && i < g->h; i++) {
      real *at = image + ((size_t)i * g->w + 2 * tx) * g->c;
      if (g->n == g->c)
        k->act_forward(act, at, at, (size_t)pixels * g->c);
      else
        for (uint32_t j = 0; j < pixels; j++)
          k->act_forward(act, at + (size_t)j * g->c, at + (size_t)j * g->c, g->n);
    }
  }
}

/* Computes some groups of tiles, CHANNELS of the output. */
static void product_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  const ofs_kernels *k = ctx->kernels;
  const ofs_layer *l = op->layer;
  real v[PLANES * (GROUP + GAP)], m[PLANES * (GROUP + GAP)];
  uint32_t group = group_of(w);
  const ofs_range r = ofs_range_of(op, part);
  uint32_t f0 = r.tile * CHANNELS;
  ofs_wino in = {.h = w->h,
                 .w = w->w,
                 .c = w->c,
                 .top = (int32_t)w->top,
                 .left = (int32_t)w->left,
                 .plane = GROUP + GAP};
  ofs_wino out = {.h = w->oh,
                  .w = w->ow,
                  .c = w->f,
                  .n = ofs_min(w->f - f0, CHANNELS),
                  .plane = GROUP + GAP};
  size_t panel = (size_t)w->c * OFS_PANEL,
         plane = ((size_t)w->f + OFS_PANEL - 1) / OFS_PANEL * panel;
  const real *bias = op->n[BIAS] ? ctx->params + l->kernel_at + l->kernel_size + f0 : NULL;
  for (uint64_t t = r.from; t < r.to; t += group) {
    uint32_t count = r.to - t < group ? (uint32_t)(r.to - t) : group;
    for (uint32_t c0 = 0; c0 < w->c; c0 += CHANNELS) {
      in.n = ofs_min(w->c - c0, CHANNELS);
      transform_tiles(&in, grid_of(w), k->wino_input, v, op->at[X] + c0, t, count);
      for (size_t i = 0; i < PLANES; i++) {
        ofs_gemm g = {.c = m + i * out.plane,
                      .ldc = out.n,
                      .a = v + i * in.plane,
                      .lda = in.n,
                      .panel = panel,
                      .b = op->at[U] + i * plane + f0 / OFS_PANEL * panel + (size_t)c0 * OFS_PANEL,
                      .m = count,
                      .n = out.n,
                      .k = in.n,
                      .runs_y = 1,
                      .runs_x = 1,
                      .accumulate = c0 > 0};
        k->gemm_nn(&g);
      }
    }
    output_tiles(ctx, op, &out, grid_of(w), op->at[Y] + f0, m, bias, t, count);
  }
}

/* The transforms of a tile's numbers take the time of so many products. */
#define TRANSFORM_WORK 60.0

void ofs_build_winograd(ofs_builder *b, const ofs_layer *l, const ofs_window *w, uint32_t y,
                        uint32_t x, uint32_t matrix, uint32_t act) {
  uint64_t columns = ((uint64_t)w->f + OFS_PANEL - 1) / OFS_PANEL * OFS_PANEL;
  uint32_t filter = ofs_build_buffer(b, PLANES * columns * w->c, 1);
  ofs_op *op = ofs_build_op(b, l, filter_part, filter, matrix, 0, 0);
  op->window = *w;
  ofs_cut(b, op, w->c, 1, 64.0 * w->f, 1);
  op = ofs_build_op(b, l, product_part, y, x, filter, 0);
  op->window = *w;
  op->n[ACT] = act;
  op->n[BIAS] = !matrix && l->bias_size;
  op->tiles = (w->f + CHANNELS - 1) / CHANNELS;
  grid tiles = grid_of(w);
  double f = ofs_min(w->f, CHANNELS);
  double work = 2.0 * PLANES * w->c * f + TRANSFORM_WORK * (w->c + f);
  uint32_t group = group_of(w);
  while (group > 4 && work * group > OFS_PART_WORK) group /= 2;
  ofs_cut(b, op, (uint64_t)tiles.down * tiles.across, 0, work, group);
}

/* ---- weight gradients ---- */

enum { WG_X, WG_DY, WG_SUMS }; /* buffers of the sums */
enum { F_TILES, REACH }; /* their op->n: tiles of filters, tiles of an image that a wave goes on */
enum { SUMS };           /* the buffer of what ends them */
enum { TILES, BLOCK };   /* its op->n: tiles of an image, of a chunk */

/* Sums over a wave of a chunk of tiles, for CHANNELS of input and output. Plane (1, 1) of a
 * transformed dy is the sum of its four pixels, which is added to the bias's gradient. */
static void weight_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_window *w = &op->window;
  const ofs_kernels *k = ctx->kernels;
  real v[PLANES * (GROUP + GAP)], d[PLANES * (GROUP + GAP)];
  grid tiles = grid_of(w);
  uint64_t size = (uint64_t)w->c * w->f;
  uint32_t group = group_of(w), wave = part / (op->parts / op->waves);
  ofs_range r = ofs_range_of(op, part);
  real *sums = op->at[WG_SUMS] + r.from / op->block * (PLANES * size + w->f);
  r.from += (uint64_t)wave * op->n[REACH];
  if (r.from + op->n[REACH] < r.to) r.to = r.from + op->n[REACH];
  uint32_t c0 = r.tile / op->n[F_TILES] * CHANNELS, f0 = r.tile % op->n[F_TILES] * CHANNELS;
  ofs_wino in = {.h = w->h,
                 .w = w->w,
                 .c = w->c,
                 .top = (int32_t)w->top,
                 .left = (int32_t)w->left,
                 .n = ofs_min(w->c - c0, CHANNELS),
                 .plane = GROUP + GAP};
  ofs_wino out = {.h = w->oh,
                  .w = w->ow,
                  .c = w->f,
                  .n = ofs_min(w->f - f0, CHANNELS),
                  .plane = GROUP + GAP};
  int begun = wave > 0;
  if (!c0 && !begun) ofs_zero(sums + PLANES * size + f0, out.n);
  for (uint64_t t = r.from; t < r.to; t += group, begun = 1) {
    uint32_t count = r.to - t < group ? (uint32_t)(r.to - t) : group;
    transform_tiles(&in, tiles, k->wino_input, v, op->at[WG_X] + c0, t, count);
    transform_tiles(&out, tiles, k->wino_gradient, d, op->at[WG_DY] + f0, t, count);
    for (size_t i = 0; i < PLANES; i++) {
      ofs_gemm g = {.c = sums + i * size + (size_t)c0 * w->f + f0,
                    .ldc = w->f,
                    .a = v + i * in.plane,
                    .lda = in.n,
                    .b = d + i * out.plane,
                    .ldb = out.n,
                    .m = in.n,
                    .n = out.n,
                    .k = count,
                    .runs_y = 1,
                    .runs_x = 1,
                    .accumulate = begun};
      k->gemm_tn(&g);
    }
    if (!c0) k->add_rows(sums + PLANES * size + f0, d + 5 * out.plane, count, out.n);
  }
}

/* Computes dW = G' (sum of the chunks that this batch has, in order) G; the first part sums the
 * bias's as well. */
static void finish_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const ofs_kernels *k = ctx->kernels;
  uint64_t plane = (uint64_t)op->window.c * op->window.f, stride = PLANES * plane + op->window.f;
  const ofs_range r = ofs_range_of(op, part);
  uint32_t chunks =
      (uint32_t)(((uint64_t)op->n[TILES] * op->count + op->n[BLOCK] - 1) / op->n[BLOCK]);
  real *sums = op->at[SUMS], *d = ctx->gradient + l->kernel_at;
  for (size_t i = 0; i < PLANES; i++)
    k->sum_partials(sums + i * plane + r.from, sums + i * plane + r.from, stride, chunks,
                    (uint32_t)(r.to - r.from));
  k->wino_weights(d + r.from, plane, sums + r.from, plane, r.to - r.from);
  if (!r.from && l->bias_size)
    k->sum_partials(d + l->kernel_size, sums + PLANES * plane, stride, chunks, op->window.f);
}

void ofs_build_winograd_gradient(ofs_builder *b, const ofs_layer *l, uint32_t x, uint32_t dy) {
  const ofs_window *w = &l->window;
  grid tiles = grid_of(w);
  uint32_t blocks = ((w->f + CHANNELS - 1) / CHANNELS) * ((w->c + CHANNELS - 1) / CHANNELS),
           shares = (SHARES - 1) / blocks + 1;
  uint64_t all = (uint64_t)tiles.down * tiles.across * b->batch,
           block = (all + shares - 1) / shares;
  uint64_t chunks = (all + block - 1) / block, size = (uint64_t)w->c * w->f;
  double c = ofs_min(w->c, CHANNELS), f = ofs_min(w->f, CHANNELS);
  double work = 2.0 * PLANES * c * f + TRANSFORM_WORK * (c + f);
  uint32_t sums = ofs_build_buffer(b, ofs_mul_sat(ofs_add_sat(PLANES * size, w->f), chunks), 1);
  ofs_op *op = ofs_build_op(b, l, weight_part, x, dy, sums, 0);
  op->window = *w;
  op->n[F_TILES] = (w->f + CHANNELS - 1) / CHANNELS;
  op->n[REACH] = (uint32_t)(OFS_PART_WORK / work / group_of(w) + 1) * group_of(w);
  op->units = (uint64_t)tiles.down * tiles.across;
  op->block = block;
  op->tiles = blocks;
  op->waves = (uint32_t)((block + op->n[REACH] - 1) / op->n[REACH]);
  op->unit_work = work / op->waves;
  op = ofs_build_op(b, l, finish_part, sums, b->gradient, 0, 0);
  op->window = *w;
  op->n[TILES] = tiles.down * tiles.across;
  op->n[BLOCK] = (uint32_t)block;
  ofs_cut(b, op, size, 1, PLANES * 8.0 * (double)chunks, 16);
}
