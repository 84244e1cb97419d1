/* dense.c: y = act(x W + b) over the last axis; x (B, P, K), W (K, N), y (B, P, N).
 *
 *     dW = x^T dy     db = sum of dy over B, P     dx = dy W^T
 *
 * Forward and dx are cut into tiles of output rows and columns, dW into tiles of W. A reduction
 * longer than one part allows becomes several operations (forward, dx: in the order of k, so the
 * sums are those of one) or chunks of samples whose partial sums are added in order (dW). */
#include "layers/dense.h"

#include "base/copy.h"
#include "layers/activation.h"
#include "layers/kinds.h"

/* This is the longest stretch of k in one operation: a tile of 4 x 16 is then a part. */
#define LONGEST_K 32768u
/* A tile has so many rows where there are as many: the panels of b that a product packs then serve
 * a whole batch. */
#define TILE_ROWS 128u
/* A tile of dW has few rows, so that the part of x that a product transposes serves many columns
 * (64 take a tenth longer for 1024 x 128 by 1024 x 512). Longer rows of dy than PACK_FROM are
 * packed for all tiles. */
#define TILE_K 32u
#define PACK_FROM 64u

static ofs_status dense_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  (void)err;
  uint32_t k = l->in.dims[l->in.rank - 1], n = (uint32_t)r->v[OFS_DENSE_UNITS][0];
  l->act = (uint32_t)r->v[OFS_DENSE_ACTIVATION][0];
  l->out = l->in;
  l->out.dims[l->out.rank - 1] = n;
  ofs_add_weight(l, r, OFS_KERNEL, OFS_DENSE_KERNEL_INIT, 2, (const uint32_t[]){k, n});
  if (r->v[OFS_DENSE_USE_BIAS][0] != 0) ofs_add_weight(l, r, OFS_BIAS, OFS_DENSE_BIAS_INIT, 1, &n);
  return OFS_OK;
}

/* K of a kernel of 1 x 1 is its channels. */
ofs_affine ofs_affine_of(const ofs_layer *l, uint32_t which, int row) {
  const ofs_weight *w = &l->weights[which];
  ofs_affine a =
      {which, 0, 0, w->dims[w->rank - 2], w->dims[w->rank - 1], (uint32_t)ofs_positions(l)};
  for (uint32_t i = 0; row >= 0 && i < l->weight_count; i++)
    if (l->weights[i].role == OFS_BIAS) a.bias = i + 1, a.row = (uint32_t)row;
  return a;
}

/* These index a product's op->n: its stretch of k, the cut of c, what is done with c, weight and
 * bias. */
enum { K0, K1, K_ALL, N_ALL, N_TILE, THEN, WHICH, BIAS };
/* These index its buffers: MATRIX is b, where b is no weight. */
enum { C, A, MATRIX };
enum { FUSE = 1, ADD = 2 }; /* then: the activation is applied; c is added to */

/* Computes c (rows, N) = a (rows, K) b (K, N), rows and columns of one part, k of one operation; b
 * as it is, or in panels. */
static void product_tile(const ofs_context *ctx, const ofs_op *op, uint32_t part, const real *b,
                         int panels, const real *bias) {
  const ofs_range r = ofs_range_of(op, part);
  uint32_t n0 = r.tile * op->n[N_TILE], n = ofs_min(op->n[N_TILE], op->n[N_ALL] - n0),
           ldc = op->n[N_ALL];
  ofs_gemm g = {.c = op->at[C] + r.from * ldc + n0,
                .ldc = ldc,
                .a = op->at[A] + r.from * op->n[K_ALL] + op->n[K0],
                .lda = op->n[K_ALL],
                .b = b + (size_t)op->n[K0] * ldc + n0,
                .ldb = ldc,
                .bias = bias ? bias + n0 : NULL,
                .m = (uint32_t)(r.to - r.from),
                .n = n,
                .k = op->n[K1] - op->n[K0],
                .runs_y = 1,
                .runs_x = 1,
                .accumulate = op->n[K0] > 0 || op->n[THEN] & ADD};
  if (panels) {
    g.panel = (size_t)op->n[K_ALL] * OFS_PANEL;
    g.b = b + n0 / OFS_PANEL * g.panel + (size_t)op->n[K0] * OFS_PANEL;
  }
  ctx->kernels->gemm_nn(&g);
  if (!(op->n[THEN] & FUSE) || op->n[K1] != op->n[K_ALL]) return;
  for (uint32_t i = 0; i < g.m; i++)
    ctx->kernels->act_forward(op->layer->act, g.c + (size_t)i * ldc, g.c + (size_t)i * ldc, n);
}

static void forward_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_weight *w = op->layer->weights;
  const real *params = ctx->params;
  product_tile(ctx, op, part, params + w[op->n[WHICH]].at, 0,
               op->n[BIAS] ? params + w[op->n[BIAS] - 1].at : NULL);
}

static void input_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  product_tile(ctx, op, part, op->at[MATRIX], 1, NULL);
}

/* Emits c = a b over rows of `positions` a sample, in as many operations as k needs. */
static void emit_product(ofs_builder *b, const ofs_layer *l, ofs_part_fn run, const ofs_affine *t,
                         uint32_t c, uint32_t a, uint32_t matrix, uint32_t then) {
  const uint32_t k = matrix ? t->n : t->k, n = matrix ? t->k : t->n;
  const uint64_t all_rows = (uint64_t)t->positions * b->batch;
  uint32_t m = all_rows < TILE_ROWS ? (uint32_t)all_rows : TILE_ROWS;
  uint32_t stretch = (k - 1) / OFS_LONG_OPS + 1;
  if (stretch < LONGEST_K) stretch = LONGEST_K;
  for (uint32_t k0 = 0; k0 < k; k0 += stretch) {
    ofs_op *op = ofs_build_op(b, l, run, c, a, matrix, 0);
    uint32_t k1 = k - k0 < stretch ? k : k0 + stretch, rows, columns;
    ofs_tile(m, n, 2.0 * (k1 - k0), (double)all_rows / m, &rows, &columns);
    op->n[K0] = k0, op->n[K1] = k1, op->n[K_ALL] = k, op->n[N_ALL] = n, op->n[N_TILE] = columns;
    op->n[THEN] = then, op->n[WHICH] = t->which, op->n[BIAS] = t->bias;
    op->tiles = (n + columns - 1) / columns;
    ofs_cut(b, op, t->positions, 0, 2.0 * (k1 - k0) * columns, 4);
    if (k - k0 <= stretch) break;
  }
}

void ofs_build_affine(ofs_builder *b, const ofs_layer *l, const ofs_affine *a, uint32_t y,
                      uint32_t x, int fuse) {
  emit_product(b, l, forward_part, a, y, x, 0, fuse ? FUSE : 0);
}

uint32_t ofs_build_dense(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t y = ofs_build_buffer(b, l->out.size, 0);
  int fuse = ofs_act_fuses(l->act) && l->act != OFS_ACT_LINEAR && !ofs_takes_logits(b, l);
  const ofs_affine a = ofs_affine_of(l, 0, 0);
  ofs_build_affine(b, l, &a, y, x, fuse);
  return fuse ? y : ofs_build_act(b, l, y);
}

/* These index the buffers of panels of dy or of W^T; op->n: columns of a row of dy and its rows a
 * sample; K, N and which weight. */
enum { PANELS, ROWS };
enum { COLUMNS, POSITIONS };
enum { TURNED_K, TURNED_N, TURNED_WHICH };

/* Writes dy in panels, which the tiles of dW share; rows of samples [from, to). */
static void panels_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  uint32_t n = op->n[COLUMNS], positions = op->n[POSITIONS];
  const ofs_range r = ofs_range_of(op, part);
  size_t first = (size_t)r.from * positions, panel = (size_t)op->batch * positions * OFS_PANEL;
  ctx->kernels->panels(op->at[PANELS] + first * OFS_PANEL, panel, op->at[ROWS] + first * n, n,
                       (uint32_t)((r.to - r.from) * positions), n);
}

static uint32_t emit_panels(ofs_builder *b, const ofs_layer *l, uint32_t dy, uint32_t n,
                            uint32_t positions) {
  uint64_t columns = ((uint64_t)n + OFS_PANEL - 1) / OFS_PANEL * OFS_PANEL;
  uint32_t panels = ofs_build_buffer(b, columns * positions, 0);
  ofs_op *op = ofs_build_op(b, l, panels_part, panels, dy, 0, 0);
  op->n[COLUMNS] = n, op->n[POSITIONS] = positions;
  ofs_cut(b, op, 1, 0, 8.0 * n * positions, 1);
  return panels;
}

/* These index a weight gradient's op->n: W (K, N) in tiles, rows of a sample, which weight, which
 * bias and row of it. */
enum { WG_X, WG_DY, WG_PARTIAL, WG_PANELS }; /* its buffers */
enum { WG_K, WG_N, WG_K_TILE, WG_N_TILE, WG_POSITIONS, WG_WHICH, WG_BIAS, WG_ROW };

/* Computes dW of one chunk of samples, one tile of W; the chunk's first tile adds up db. */
static void weight_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  uint32_t k = op->n[WG_K], n = op->n[WG_N], kb = op->n[WG_K_TILE], nb = op->n[WG_N_TILE];
  uint64_t positions = op->n[WG_POSITIONS];
  const ofs_range r = ofs_range_of(op, part);
  uint32_t across = (n + nb - 1) / nb, k0 = r.tile / across * kb, n0 = r.tile % across * nb;
  uint32_t rows = (uint32_t)((r.to - r.from) * positions);
  real *all = op->at[WG_PARTIAL] ? op->at[WG_PARTIAL] + r.from / op->block * l->weights_size
                                 : ctx->gradient + l->weights_at;
  real *d = all + (l->weights[op->n[WG_WHICH]].at - l->weights_at);
  const real *x = op->at[WG_X] + r.from * positions * k,
             *dy = op->at[WG_DY] + r.from * positions * n;
  size_t panel = (size_t)op->batch * positions * OFS_PANEL;
  ofs_gemm g = {.c = d + (size_t)k0 * n + n0,
                .ldc = n,
                .a = x + k0,
                .lda = k,
                .b = dy + n0,
                .ldb = n,
                .m = ofs_min(kb, k - k0),
                .n = ofs_min(nb, n - n0),
                .k = rows,
                .runs_y = 1,
                .runs_x = 1};
  if (op->at[WG_PANELS])
    g.panel = panel,
    g.b = op->at[WG_PANELS] + n0 / OFS_PANEL * panel + r.from * positions * OFS_PANEL;
  ctx->kernels->gemm_tn(&g);
  if (r.tile || !op->n[WG_BIAS]) return;
  real *bias =
      all + (l->weights[op->n[WG_BIAS] - 1].at - l->weights_at) + (size_t)op->n[WG_ROW] * n;
  ofs_zero(bias, n);
  ctx->kernels->add_rows(bias, dy, rows, n);
}

void ofs_build_weight_gradient(ofs_builder *b, const ofs_layer *l, const ofs_chunks *c,
                               const ofs_affine *a, uint32_t x, uint32_t dy) {
  uint32_t k = a->k, n = a->n, positions = a->positions, kb, nb;
  uint32_t chunks = (b->batch + c->samples - 1) / c->samples;
  double rows = (double)c->samples * positions;
  ofs_tile(ofs_min(k, TILE_K), n, 2 * rows, (double)chunks * k / ofs_min(k, TILE_K), &kb, &nb);
  uint32_t panels = n > PACK_FROM && kb < k ? emit_panels(b, l, dy, n, positions) : 0;
  ofs_op *op = ofs_build_op(b, l, weight_gradient_part, x, dy, c->partial, panels);
  op->n[WG_K] = k, op->n[WG_N] = n, op->n[WG_K_TILE] = kb, op->n[WG_N_TILE] = nb;
  op->n[WG_POSITIONS] = positions, op->n[WG_WHICH] = a->which, op->n[WG_BIAS] = a->bias,
  op->n[WG_ROW] = a->row;
  op->units = 1;
  op->block = c->samples;
  op->tiles = ((k + kb - 1) / kb) * ((n + nb - 1) / nb);
  op->unit_work = 2.0 * positions * kb * nb;
}

/* Writes panels [from, to) of W^T. */
static void turned_panels_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  uint32_t k = op->n[TURNED_K], n = op->n[TURNED_N];
  const ofs_range r = ofs_range_of(op, part);
  uint64_t last = r.to * OFS_PANEL < k ? r.to * OFS_PANEL : k;
  size_t panel = (size_t)n * OFS_PANEL;
  ctx->kernels->turned_panels(op->at[PANELS] + r.from * panel, panel,
                              ctx->params + op->layer->weights[op->n[TURNED_WHICH]].at +
                                  r.from * panel,
                              n, (uint32_t)(last - r.from * OFS_PANEL), n);
}

void ofs_build_affine_back(ofs_builder *b, const ofs_layer *l, const ofs_affine *a, uint32_t dx,
                           uint32_t dy, int add) {
  const uint64_t panels = ((uint64_t)a->k + OFS_PANEL - 1) / OFS_PANEL;
  uint32_t turned = ofs_build_buffer(b, panels * OFS_PANEL * a->n, 1);
  ofs_op *op = ofs_build_op(b, l, turned_panels_part, turned, 0, 0, 0);
  op->n[TURNED_K] = a->k, op->n[TURNED_N] = a->n, op->n[TURNED_WHICH] = a->which;
  ofs_cut(b, op, panels, 1, 8.0 * OFS_PANEL * a->n, 1);
  emit_product(b, l, input_gradient_part, a, dx, dy, turned, add ? ADD : 0);
}

uint32_t ofs_build_dense_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  const ofs_affine a = ofs_affine_of(l, 0, 0);
  dy = ofs_build_act_backward(b, l, dy);
  if (l->trains) {
    ofs_chunks c = ofs_build_chunks(b, l, a.positions);
    ofs_build_weight_gradient(b, l, &c, &a, b->x[l->index], dy);
    ofs_build_chunk_sum(b, l, &c);
  }
  if (!wanted) return 0;
  uint32_t dx = ofs_build_buffer(b, l->in.size, 0);
  ofs_build_affine_back(b, l, &a, dx, dy, 0);
  return dx;
}

const ofs_layer_kind ofs_dense_kind = {.shape = dense_shape,
                                       .forward = ofs_build_dense,
                                       .backward = ofs_build_dense_backward,
                                       .masks = 1};
