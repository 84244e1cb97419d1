/* attention.c: multi-head attention (Vaswani et al. 2017): q = x W_q + b_q, k and v likewise, of
 * each head p = softmax(q k^T / sqrt(keyDim)), and y = (the heads' p v) W_o + b_o.
 *
 * Inputs are query, value and key; fewer stand for those that are missing. The projections are
 * dense products over positions. Scores are (B, heads, T, S) and stay for the backward pass, where
 * their gradients take their place:
 *     dp = do v^T    ds = p (dp - sum(dp p)) / sqrt(keyDim), where sum(dp p) = sum(do o)
 *     dq = ds k      dk = ds^T q      dv = p^T do
 * Parts are blocks of queries (or of keys) of one head and sample. Under a causal mask alone,
 * blocks of BLOCK keys that no query of a block sees are left out. Masks of the inputs work as in
 * Keras 3: a query sees a key where both count; a query that sees none attends to all alike. */
#include "layers/dense.h"
#include "layers/kinds.h"

/* So many keys are transposed at a time, and so much of their length: both lie on the stack. */
#define BLOCK 32u
#define TURNED 64u
/* The gradients of so many queries' scores are computed at a time. */
#define QUERIES 64u

enum { HEADS, KEY_DIM, VALUE_DIM, CAUSAL, BIASED }; /* l->n */
enum { SCALE };                                     /* l->v: of scores */

static uint32_t value_input(const ofs_layer *l) { return l->in_count > 1; }
static uint32_t key_input(const ofs_layer *l) { return l->in_count > 2 ? 2 : value_input(l); }
static uint32_t queries_of(const ofs_layer *l) { return l->in.dims[0]; }
static uint32_t keys_of(const ofs_layer *l) { return l->ins[value_input(l)].dims[0]; }

static void add_projection(ofs_layer *l, const ofs_record *r, uint32_t role, uint32_t a, uint32_t b,
                           uint32_t c) {
  const uint32_t dims[] = {a, b, c}, whole = role == OFS_OUTPUT_KERNEL;
  ofs_add_weight(l, r, role, OFS_ATTENTION_KERNEL_INIT, 3, dims);
  if (l->n[BIASED])
    ofs_add_weight(l, r, role + 1, OFS_ATTENTION_BIAS_INIT, whole ? 1 : 2, dims + 1 + whole);
}
_Static_assert(OFS_QUERY_BIAS == OFS_QUERY_KERNEL + 1 && OFS_KEY_BIAS == OFS_KEY_KERNEL + 1 &&
                   OFS_VALUE_BIAS == OFS_VALUE_KERNEL + 1 &&
                   OFS_OUTPUT_BIAS == OFS_OUTPUT_KERNEL + 1,
               "a bias is next to its kernel");

static ofs_status attention_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  for (uint32_t i = 0; i < l->in_count; i++)
    if (l->ins[i].rank != 2) return ofs_refuse_rank(l, i, 2, 2, err);
  const uint32_t keys = l->ins[key_input(l)].dims[0];
  if (keys != keys_of(l))
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_LAYER_INPUT, OFS_WHY_SHAPE, keys,
                      keys_of(l), keys_of(l));
  const double heads = r->v[OFS_ATTENTION_HEADS][0], k = r->v[OFS_ATTENTION_KEY_DIM][0];
  const double v = ofs_record_number(r, OFS_ATTENTION_VALUE_DIM, k);
  const double queries = queries_of(l), most = queries > keys ? queries : keys,
               wide = k > v ? k : v;
  const double largest = heads * (queries * keys > most * wide ? queries * keys : most * wide);
  if (largest > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, OFS_ATTENTION_HEADS, OFS_WHY_PRODUCT,
                      largest, 1, OFS_MAX_SAMPLE);
  l->out = l->in;
  l->rate = r->v[OFS_ATTENTION_DROPOUT][0];
  l->v[SCALE] = 1 / __builtin_sqrt(k);
  const uint32_t h = l->n[HEADS] = (uint32_t)heads, kd = l->n[KEY_DIM] = (uint32_t)k,
                 vd = l->n[VALUE_DIM] = (uint32_t)v;
  l->n[CAUSAL] = r->v[OFS_ATTENTION_CAUSAL][0] != 0;
  l->n[BIASED] = r->v[OFS_ATTENTION_USE_BIAS][0] != 0;
  add_projection(l, r, OFS_QUERY_KERNEL, l->in.dims[1], h, kd);
  add_projection(l, r, OFS_KEY_KERNEL, l->ins[key_input(l)].dims[1], h, kd);
  add_projection(l, r, OFS_VALUE_KERNEL, l->ins[value_input(l)].dims[1], h, vd);
  add_projection(l, r, OFS_OUTPUT_KERNEL, h, vd, l->in.dims[1]);
  return OFS_OK;
}

/* ---- projections ---- */

enum { QUERY, KEY, VALUE, OUTPUT };

static ofs_affine projection(const ofs_layer *l, uint32_t j) {
  const uint32_t which = j << l->n[BIASED], *dims = l->weights[which].dims, whole = j == OUTPUT;
  return (ofs_affine){.which = which,
                      .bias = l->n[BIASED] ? which + 2 : 0,
                      .k = whole ? dims[0] * dims[1] : dims[0],
                      .n = whole ? dims[2] : dims[1] * dims[2],
                      .positions = j == KEY || j == VALUE ? keys_of(l) : queries_of(l)};
}

static uint32_t input_of(const ofs_layer *l, uint32_t j) {
  return j == QUERY ? 0 : j == KEY ? key_input(l) : value_input(l);
}

static uint64_t size_of(const ofs_affine *a) { return (uint64_t)a->positions * a->n; }

static uint32_t project(ofs_builder *b, const ofs_layer *l, uint32_t j, uint32_t x) {
  const ofs_affine a = projection(l, j);
  uint32_t y = ofs_build_buffer(b, size_of(&a), 0);
  ofs_build_affine(b, l, &a, y, x, 0);
  return y;
}

/* ---- scores: (T, S) of one head ---- */

/* These index op->n of all operations below: rows of a part; whether blocks are left out; the width
 * of a head in the other operand. */
enum { ROWS, SKIPS, WIDTH };

/* A piece is the work of a part: a head of samples [from, to), rows [first, last) of its (T, S), or
 * of its transposed (S, T). */
typedef struct piece {
  uint64_t from, to;
  uint32_t head, first, last;
} piece;

static piece piece_of(const ofs_op *op, uint32_t part, uint32_t rows) {
  const ofs_range r = ofs_range_of(op, part);
  uint32_t blocks = (rows - 1) / op->n[ROWS] + 1, first = r.tile % blocks * op->n[ROWS];
  return (piece){r.from, r.to, r.tile / blocks, first,
                 rows - first < op->n[ROWS] ? rows : first + op->n[ROWS]};
}

/* Cuts an operation of `rows` rows, each of which takes `work`. */
static void cut(const ofs_builder *b, ofs_op *op, uint32_t rows, double work) {
  const double most = OFS_PART_WORK / work;
  uint32_t block = most >= rows ? rows : most < BLOCK ? BLOCK : (uint32_t)most / BLOCK * BLOCK;
  op->n[ROWS] = ofs_min(block, rows);
  op->tiles = op->layer->n[HEADS] * ((rows - 1) / op->n[ROWS] + 1);
  ofs_cut(b, op, 1, 0, work * op->n[ROWS], 1);
}

/* These return the head's numbers of a sample in (B, rows, heads, width), and its scores. */
static real *head_at(real *x, const ofs_layer *l, uint64_t sample, const piece *c, uint32_t rows,
                     uint32_t width) {
  return x + ((sample * rows) * l->n[HEADS] + c->head) * width;
}
static real *scores_at(real *p, const ofs_layer *l, uint64_t sample, const piece *c) {
  return p + (sample * l->n[HEADS] + c->head) * queries_of(l) * keys_of(l);
}

/* Returns the mask of a sample: a number for each query, then one for each key. */
static const real *visible_at(const real *visible, const ofs_layer *l, uint64_t sample) {
  return visible ? visible + sample * ((uint64_t)queries_of(l) + keys_of(l)) : NULL;
}

/* Returns how many keys query t sees, masked keys included. */
static uint32_t seen_by(const ofs_layer *l, uint32_t t, const real *visible) {
  if (visible && visible[t] == 0) return 0;
  return l->n[CAUSAL] ? ofs_min(t + 1, keys_of(l)) : keys_of(l);
}

/* Computes c (rows, n) = a b^T; a (rows, k), b (n, k), n at most BLOCK; rows of a and b lie lda and
 * ldb apart. */
static void turned_product(const ofs_context *ctx, real *c, size_t ldc, const real *a, size_t lda,
                           const real *b, size_t ldb, uint32_t rows, uint32_t n, uint32_t k) {
  real turned[TURNED * BLOCK];
  for (uint32_t k0 = 0; k0 < k; k0 += TURNED) {
    const uint32_t length = ofs_min(TURNED, k - k0);
    ofs_gemm g = {.c = c,
                  .ldc = ldc,
                  .a = a + k0,
                  .lda = lda,
                  .b = turned,
                  .panel = (size_t)length * OFS_PANEL,
                  .m = rows,
                  .n = n,
                  .k = length,
                  .runs_y = 1,
                  .runs_x = 1,
                  .accumulate = k0 > 0};
    ctx->kernels->turned_panels(turned, g.panel, b + k0, ldb, n, length);
    ctx->kernels->gemm_nn(&g);
  }
}

/* These index the buffers of p = softmax(q k^T scale). */
enum { P, Q, K, VISIBLE };

static void scores_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const uint32_t queries = queries_of(l), keys = keys_of(l), k = l->n[KEY_DIM];
  const size_t ld = (size_t)l->n[HEADS] * k;
  const piece c = piece_of(op, part, queries);
  for (uint64_t s = c.from; s < c.to; s++) {
    const real *q = head_at(op->at[Q], l, s, &c, queries, k),
               *key = head_at(op->at[K], l, s, &c, keys, k);
    const real *visible = visible_at(op->at[VISIBLE], l, s);
    real *scores = scores_at(op->at[P], l, s, &c);
    for (uint32_t s0 = 0; s0 < keys; s0 += BLOCK) {
      const uint32_t first = op->n[SKIPS] && s0 > c.first ? s0 : c.first;
      if (first < c.last)
        turned_product(ctx, scores + (size_t)first * keys + s0, keys, q + first * ld, ld,
                       key + s0 * ld, ld, c.last - first, ofs_min(BLOCK, keys - s0), k);
    }
    for (uint32_t t = c.first; t < c.last; t++)
      ctx->kernels->scores_forward(scores + (size_t)t * keys, keys, seen_by(l, t, visible),
                                   visible ? visible + queries : NULL, (real)l->v[SCALE]);
  }
}

static real dot(const real *a, const real *b, uint32_t n) {
  double sum = 0;
  for (uint32_t i = 0; i < n; i++) sum += (double)a[i] * b[i];
  return (real)sum;
}

/* These index the buffers of ds, written over p; DROPPED: p after dropout; O: the heads'
 * outputs. */
enum { DROPPED = 1, DO, V, O, VISIBLE_BACK };

static void scores_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const uint32_t queries = queries_of(l), keys = keys_of(l), v = l->n[VALUE_DIM];
  const size_t ld = (size_t)l->n[HEADS] * v;
  const piece c = piece_of(op, part, queries);
  real dp[QUERIES * BLOCK], sum[QUERIES];
  for (uint64_t s = c.from; s < c.to; s++) {
    const real *d = head_at(op->at[DO], l, s, &c, queries, v),
               *value = head_at(op->at[V], l, s, &c, keys, v);
    const real *o = head_at(op->at[O], l, s, &c, queries, v),
               *visible = visible_at(op->at[VISIBLE_BACK], l, s);
    real *scores = scores_at(op->at[P], l, s, &c), *dropped = scores_at(op->at[DROPPED], l, s, &c);
    for (uint32_t t0 = c.first, end; t0 < c.last; t0 = end) {
      end = ofs_min(t0 + QUERIES, c.last);
      for (uint32_t t = t0; t < end; t++) sum[t - t0] = dot(d + t * ld, o + t * ld, v);
      for (uint32_t s0 = 0; s0 < keys; s0 += BLOCK) {
        const uint32_t n = ofs_min(BLOCK, keys - s0), first = op->n[SKIPS] && s0 > t0 ? s0 : t0;
        if (first >= end) break;
        turned_product(ctx, dp, BLOCK, d + first * ld, ld, value + s0 * ld, ld, end - first, n, v);
        for (uint32_t t = first; t < end; t++) {
          const size_t at = (size_t)t * keys + s0;
          const uint32_t seen = seen_by(l, t, visible);
          ctx->kernels->scores_backward(scores + at, dropped + at, dp + (size_t)(t - first) * BLOCK,
                                        sum[t - t0], n, seen > s0 ? seen - s0 : 0,
                                        visible ? visible + queries + s0 : NULL, (real)l->v[SCALE]);
        }
      }
    }
  }
}

/* These index the buffers of products with scores, or of dropout: the result, scores, the other
 * operand. */
enum { Y, M, X };

/* Computes y (T, width) = m x, x (S, width). */
static void combine_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const uint32_t queries = queries_of(l), keys = keys_of(l), width = op->n[WIDTH];
  const size_t ld = (size_t)l->n[HEADS] * width;
  const piece c = piece_of(op, part, queries);
  for (uint64_t s = c.from; s < c.to; s++)
    for (uint32_t t = c.first; t < c.last; t += BLOCK) {
      ofs_gemm g = {.c = head_at(op->at[Y], l, s, &c, queries, width) + t * ld,
                    .ldc = ld,
                    .a = scores_at(op->at[M], l, s, &c) + (size_t)t * keys,
                    .lda = keys,
                    .b = head_at(op->at[X], l, s, &c, keys, width),
                    .ldb = ld,
                    .m = ofs_min(BLOCK, c.last - t),
                    .n = width,
                    .k = keys,
                    .runs_y = 1,
                    .runs_x = 1};
      if (op->n[SKIPS]) g.k = ofs_min(keys, t + g.m);
      ctx->kernels->gemm_nn(&g);
    }
}

/* Computes y (S, width) = m^T x, x (T, width). */
static void spread_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const uint32_t queries = queries_of(l), keys = keys_of(l), width = op->n[WIDTH];
  const size_t ld = (size_t)l->n[HEADS] * width;
  const piece c = piece_of(op, part, keys);
  for (uint64_t s = c.from; s < c.to; s++)
    for (uint32_t k = c.first; k < c.last; k += BLOCK) {
      const uint32_t first = op->n[SKIPS] ? ofs_min(k, queries) : 0;
      ofs_gemm g = {.c = head_at(op->at[Y], l, s, &c, keys, width) + k * ld,
                    .ldc = ld,
                    .a = scores_at(op->at[M], l, s, &c) + (size_t)first * keys + k,
                    .lda = keys,
                    .b = head_at(op->at[X], l, s, &c, queries, width) + first * ld,
                    .ldb = ld,
                    .m = ofs_min(BLOCK, c.last - k),
                    .n = width,
                    .k = queries - first,
                    .runs_y = 1,
                    .runs_x = 1};
      ctx->kernels->gemm_tn(&g);
    }
}

/* Drops scores by the row, each row with random words from a multiple of four on. */
static void dropout_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const uint64_t keys = keys_of(l), padded = (keys + 3) / 4 * 4;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t row = r.from; row < r.to; row++)
    ctx->kernels->dropout(op->at[Y] + row * keys, op->at[M] + row * keys, row * padded, keys,
                          (uint32_t)(l->rate * 4294967296.0), (real)(1 / (1 - l->rate)), ctx->key,
                          l->index, (uint32_t)ctx->step);
}

/* ---- masks ---- */

/* These index the buffers: the mask of queries and keys; the masks of query, value and key. */
enum { SEEN, QUERY_MASK, VALUE_MASK, KEY_MASK };

static void visible_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  const uint64_t queries = queries_of(op->layer), keys = keys_of(op->layer);
  const real *query = op->at[QUERY_MASK], *value = op->at[VALUE_MASK], *key = op->at[KEY_MASK];
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t s = r.from; s < r.to; s++) {
    real *y = op->at[SEEN] + s * (queries + keys);
    for (uint64_t t = 0; t < queries; t++) y[t] = !query || query[s * queries + t] != 0;
    for (uint64_t t = 0; t < keys; t++)
      y[queries + t] = !((value && value[s * keys + t] == 0) || (key && key[s * keys + t] == 0));
  }
}

static uint32_t emit_visible(ofs_builder *b, const ofs_layer *l) {
  const uint64_t queries = queries_of(l), keys = keys_of(l);
  uint32_t query = ofs_mask_of(b, l, 0, queries), value = ofs_mask_of(b, l, value_input(l), keys);
  uint32_t key = l->in_count > 2 ? ofs_mask_of(b, l, 2, keys) : 0;
  if (!query && !value && !key) return 0;
  uint32_t visible = ofs_build_buffer(b, queries + keys, 0);
  ofs_cut(b, ofs_build_op(b, l, visible_part, visible, query, value, key), 1, 0,
          20.0 * (double)(queries + keys), 1);
  return visible;
}

/* ---- the layer ---- */

/* Emits an operation over scores; work: floating point operations of one query and key. */
static ofs_op *emit(ofs_builder *b, const ofs_layer *l, ofs_part_fn run, uint32_t y, uint32_t m,
                    uint32_t x, uint32_t x2, uint32_t rows, double work) {
  ofs_op *op = ofs_build_op(b, l, run, y, m, x, x2);
  op->n[SKIPS] = l->n[CAUSAL] && !b->aux[l->index];
  cut(b, op, rows, work * ((double)queries_of(l) * keys_of(l) / rows));
  return op;
}

static void emit_product(ofs_builder *b, const ofs_layer *l, ofs_part_fn run, uint32_t y,
                         uint32_t m, uint32_t x, uint32_t rows, uint32_t width) {
  emit(b, l, run, y, m, x, 0, rows, 2.0 * width)->n[WIDTH] = width;
}

/* The forward pass saves q, and next to it k, v, scores, scores after dropout (where there is none:
 * unused), and the heads' outputs. */
enum { SAVED_Q, SAVED_K, SAVED_V, SAVED_SCORES, SAVED_DROPPED, SAVED_HEADS };

static uint32_t attention_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  const uint32_t queries = queries_of(l), keys = keys_of(l),
                 drops = b->kind == OFS_TRAIN && l->rate > 0;
  const uint64_t scores = (uint64_t)l->n[HEADS] * queries * keys;
  const uint32_t visible = b->aux[l->index] = emit_visible(b, l);
  const uint32_t q = b->saved[l->index] = project(b, l, QUERY, x);
  const uint32_t k = project(b, l, KEY, ofs_input_buffer(b, l, key_input(l))),
                 v = project(b, l, VALUE, ofs_input_buffer(b, l, value_input(l)));
  uint32_t p = ofs_build_buffer(b, scores, 0), dropped = ofs_build_buffer(b, drops ? scores : 0, 0);
  emit(b, l, scores_part, p, q, k, visible, queries, 2.0 * l->n[KEY_DIM] + 60);
  if (drops)
    ofs_cut(b, ofs_build_op(b, l, dropout_part, dropped, p, 0, 0), (uint64_t)l->n[HEADS] * queries,
            0, 100.0 * keys, 1);
  const uint32_t heads = ofs_build_buffer(b, (uint64_t)queries * l->n[HEADS] * l->n[VALUE_DIM], 0);
  emit_product(b, l, combine_part, heads, drops ? dropped : p, v, queries, l->n[VALUE_DIM]);
  return project(b, l, OUTPUT, heads);
}

/* Emits dq, dk and dv from the gradient of the heads' outputs. */
static void emit_gradients(ofs_builder *b, const ofs_layer *l, uint32_t dheads, uint32_t d[3]) {
  const uint32_t queries = queries_of(l), keys = keys_of(l), at = b->saved[l->index],
                 p = at + SAVED_SCORES;
  const uint32_t dropped = l->rate > 0 ? at + SAVED_DROPPED : p, k = l->n[KEY_DIM],
                 v = l->n[VALUE_DIM];
  for (uint32_t j = 0; j < 3; j++) {
    const ofs_affine a = projection(l, j);
    d[j] = ofs_build_buffer(b, size_of(&a), 0);
  }
  emit_product(b, l, spread_part, d[VALUE], dropped, dheads, keys, v);
  ofs_op *op =
      emit(b, l, scores_gradient_part, p, dropped, dheads, at + SAVED_V, queries, 2.0 * v + 20);
  ofs_build_use(b, op, O, at + SAVED_HEADS);
  ofs_build_use(b, op, VISIBLE_BACK, b->aux[l->index]);
  emit_product(b, l, combine_part, d[QUERY], p, at + SAVED_K, queries, k);
  emit_product(b, l, spread_part, d[KEY], p, at + SAVED_Q, keys, k);
}

static uint32_t attention_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  uint32_t d[3], dx[3] = {0}, at = b->saved[l->index];
  const ofs_affine out = projection(l, OUTPUT);
  uint32_t dheads = ofs_build_buffer(b, (uint64_t)out.positions * out.k, 0);
  ofs_build_affine_back(b, l, &out, dheads, dy, 0);
  emit_gradients(b, l, dheads, d);
  ofs_chunks c = {0};
  if (l->trains) {
    c = ofs_build_chunks(b, l, queries_of(l) > keys_of(l) ? queries_of(l) : keys_of(l));
    ofs_build_weight_gradient(b, l, &c, &out, at + SAVED_HEADS, dy);
  }
  for (uint32_t j = 0; j < 3; j++) {
    const ofs_affine a = projection(l, j);
    uint32_t i = input_of(l, j), first = 0;
    if (l->trains) ofs_build_weight_gradient(b, l, &c, &a, ofs_input_buffer(b, l, i), d[j]);
    while (l->from[first] != l->from[i]) first++; /* one input twice: both gradients go there */
    if (!(wanted >> first & 1)) continue;
    const int add = dx[first] > 0;
    if (!add) dx[first] = ofs_build_buffer(b, (uint64_t)a.positions * a.k, 0);
    ofs_build_affine_back(b, l, &a, dx[first], d[j], add);
  }
  if (l->trains) ofs_build_chunk_sum(b, l, &c);
  for (uint32_t i = 1; i < l->in_count; i++) ofs_add_input_gradient(b, l, i, dx[i]);
  return dx[0];
}

const ofs_layer_kind ofs_attention_kind = {.shape = attention_shape,
                                           .forward = attention_forward,
                                           .backward = attention_backward,
                                           .masks = 1,
                                           .most_inputs = 3,
                                           .more_ops = 8 * OFS_LONG_OPS,
                                           .more_buffers = 16};
