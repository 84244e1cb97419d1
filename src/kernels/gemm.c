/* gemm.c: the matrix products, register-blocked.
 *
 * A tile of c stays in registers while k runs from first to last, so each element's additions come
 * in the order of the reference and the bits agree, whatever the blocking: between two blocks of k
 * a tile rests in c, exactly. Only the operands' shapes decide what is blocked or packed. Reads
 * never pass an end: columns beyond the last whole panel are packed with zeros beside them. */
#include "kernels/kernels.h"
#include "kernels/fast.h"

#ifndef OFS_REAL_DOUBLE

#include "base/simd.h"

/* A tile is TILE_M rows by one or two vectors. 4 x 8 takes 8 of 16 vector registers, plus 2 of b
 * and 1-4 of a. Without vectors 2 x 4 does the same for 16 scalar ones: 4 x 8 would live in
 * memory. */
#if defined(__SSE__) || defined(__wasm_simd128__) || defined(__ARM_NEON)
enum { TILE_M = 4, PANEL = 8 };
#else
enum { TILE_M = 2, PANEL = 4 };
#endif

/* Fused multiply-adds are half as many instructions and wait for each other: 8 sums are too few to
 * keep them busy. Plain products take HIGH_M rows at a time then. */
#if defined(OFS_RELAXED)
enum { HIGH_M = 6 };
#else
enum { HIGH_M = TILE_M };
#endif

/* A block has so many rows of b: a packed panel of them (8 KB) stays in the first-level cache, and
 * on the stack. */
enum { BLOCK_K = 256 };
/* A block has so many rows of a: 128 x BLOCK_K floats stay in the second level while the panels of
 * b pass. */
enum { BLOCK_M = 128 };
/* A transposed a is packed by blocks of TURNED_M x TURNED_K (32 KB, on the stack) where its rows
 * have at least LONG_ROW numbers, its columns LONG_COLUMN, and several panels of b use it: a column
 * of long rows shares a set of the first-level cache. */
enum { TURNED_M = 64, TURNED_K = 128, LONG_ROW = 128, LONG_COLUMN = 64 };

/* A panel is an ofs_gemm whose n is PANEL or 4, with `a` generalised to steps along m and k. */
typedef struct panel {
  const float *b, *bias;
  size_t ldb, ldc, step_m, step_k, step_y, step_x;
  size_t step_tile; /* distance in a between the rows of two tiles */
  uint32_t k, runs_y, runs_x;
  int accumulate;
} panel;

/* Computes c(rows, 4 * wide); rows, wide and plain (one run, b in a panel, a's k side by side) are
 * constants, so that this becomes straight code with an inner loop. */
OFS_INLINE void tile(const panel *p, float *c, const float *a, const int rows, const int wide,
                     const int plain) {
  const size_t ldc = p->ldc, ldb = plain ? PANEL : p->ldb, step_k = plain ? 1 : p->step_k,
               a1 = p->step_m;
  const size_t a2 = 2 * a1, a3 = 3 * a1, a4 = 4 * a1, a5 = 5 * a1;
  ofs_f4 u0 = ofs_splat4(0), u1 = u0, u2 = u0, u3 = u0, u4 = u0, u5 = u0, v0 = u0, v1 = u0, v2 = u0,
         v3 = u0, v4 = u0, v5 = u0;
  if (p->accumulate) {
    u0 = ofs_load4(c);
    if (wide > 1) v0 = ofs_load4(c + 4);
    if (rows > 1) u1 = ofs_load4(c + ldc);
    if (rows > 1 && wide > 1) v1 = ofs_load4(c + ldc + 4);
    if (rows > 2) u2 = ofs_load4(c + 2 * ldc);
    if (rows > 2 && wide > 1) v2 = ofs_load4(c + 2 * ldc + 4);
    if (rows > 3) u3 = ofs_load4(c + 3 * ldc);
    if (rows > 3 && wide > 1) v3 = ofs_load4(c + 3 * ldc + 4);
    if (rows > 4) u4 = ofs_load4(c + 4 * ldc);
    if (rows > 4 && wide > 1) v4 = ofs_load4(c + 4 * ldc + 4);
    if (rows > 5) u5 = ofs_load4(c + 5 * ldc);
    if (rows > 5 && wide > 1) v5 = ofs_load4(c + 5 * ldc + 4);
  } else if (p->bias) {
    u0 = u1 = u2 = u3 = u4 = u5 = ofs_load4(p->bias);
    if (wide > 1) v0 = v1 = v2 = v3 = v4 = v5 = ofs_load4(p->bias + 4);
  }
  const float *b = p->b;
  for (uint32_t ry = 0; ry < (plain ? 1 : p->runs_y); ry++) {
    const float *run = a + ry * p->step_y;
    for (uint32_t rx = 0; rx < (plain ? 1 : p->runs_x); rx++, run += p->step_x) {
      const float *s = run;
      for (uint32_t k = p->k; k > 0; k--, s += step_k, b += ldb) {
        ofs_f4 b0 = ofs_load4(b), b1 = b0, x = ofs_splat4(s[0]);
        if (wide > 1) b1 = ofs_load4(b + 4);
        u0 = ofs_madd4(u0, x, b0);
        if (wide > 1) v0 = ofs_madd4(v0, x, b1);
        if (rows > 1) x = ofs_splat4(s[a1]), u1 = ofs_madd4(u1, x, b0);
        if (rows > 1 && wide > 1) v1 = ofs_madd4(v1, x, b1);
        if (rows > 2) x = ofs_splat4(s[a2]), u2 = ofs_madd4(u2, x, b0);
        if (rows > 2 && wide > 1) v2 = ofs_madd4(v2, x, b1);
        if (rows > 3) x = ofs_splat4(s[a3]), u3 = ofs_madd4(u3, x, b0);
        if (rows > 3 && wide > 1) v3 = ofs_madd4(v3, x, b1);
        if (rows > 4) x = ofs_splat4(s[a4]), u4 = ofs_madd4(u4, x, b0);
        if (rows > 4 && wide > 1) v4 = ofs_madd4(v4, x, b1);
        if (rows > 5) x = ofs_splat4(s[a5]), u5 = ofs_madd4(u5, x, b0);
        if (rows > 5 && wide > 1) v5 = ofs_madd4(v5, x, b1);
      }
    }
  }
  ofs_store4(c, u0);
  if (wide > 1) ofs_store4(c + 4, v0);
  if (rows > 1) ofs_store4(c + ldc, u1);
  if (rows > 1 && wide > 1) ofs_store4(c + ldc + 4, v1);
  if (rows > 2) ofs_store4(c + 2 * ldc, u2);
  if (rows > 2 && wide > 1) ofs_store4(c + 2 * ldc + 4, v2);
  if (rows > 3) ofs_store4(c + 3 * ldc, u3);
  if (rows > 3 && wide > 1) ofs_store4(c + 3 * ldc + 4, v3);
  if (rows > 4) ofs_store4(c + 4 * ldc, u4);
  if (rows > 4 && wide > 1) ofs_store4(c + 4 * ldc + 4, v4);
  if (rows > 5) ofs_store4(c + 5 * ldc, u5);
  if (rows > 5 && wide > 1) ofs_store4(c + 5 * ldc + 4, v5);
}

OFS_INLINE void column(const panel *p, float *c, const float *a, uint32_t m, const int wide) {
  if ((int)HIGH_M > (int)TILE_M && wide > 1 && p->ldb == PANEL && p->step_k == 1 &&
      p->runs_y == 1 && p->runs_x == 1)
    for (; m >= HIGH_M; m -= HIGH_M, c += HIGH_M * p->ldc, a += HIGH_M * p->step_m)
      tile(p, c, a, HIGH_M, wide, 1);
  for (; m >= TILE_M; m -= TILE_M, c += TILE_M * p->ldc, a += p->step_tile)
    tile(p, c, a, TILE_M, wide, 0);
  if (TILE_M > 3 && m == 3) tile(p, c, a, 3, wide, 0);
  if (TILE_M > 2 && m == 2) tile(p, c, a, 2, wide, 0);
  if (m == 1) tile(p, c, a, 1, wide, 0);
}

/* Computes m rows of a panel of PANEL columns, or of 4. It is never inlined: one copy of the tiles
 * is enough. */
__attribute__((noinline)) static void tiles(const panel *p, float *c, const float *a, uint32_t m,
                                            uint32_t width) {
  if (PANEL > 4 && width > 4)
    column(p, c, a, m, 2);
  else
    column(p, c, a, m, 1);
}

/* Packs a block's rows of `width` columns of b, side by side, zeros up to `padded`. */
static void pack(float *packed, const ofs_gemm *g, const float *b, uint32_t width,
                 uint32_t padded) {
  size_t rows = (size_t)g->runs_y * g->runs_x * g->k;
  if (width == padded) {
    for (; rows > 0; rows--, packed += width, b += g->ldb)
      for (uint32_t i = 0; i < width; i += 4) ofs_store4(packed + i, ofs_load4(b + i));
    return;
  }
  for (; rows > 0; rows--, packed += padded, b += g->ldb)
    for (uint32_t i = 0; i < padded; i++) packed[i] = i < width ? b[i] : 0;
}

/* Computes the columns beyond the last whole panel: a row of tiles at a time goes through
 * `edge`. */
static void panel_edge(const panel *whole, float *c, const float *a, uint32_t m, uint32_t width,
                       uint32_t padded) {
  panel own = *whole, *p = &own;
  float edge[TILE_M * PANEL], bias[PANEL];
  size_t ldc = p->ldc;
  for (uint32_t i = 0; i < padded; i++) bias[i] = p->bias && i < width ? p->bias[i] : 0;
  p->bias = bias;
  p->ldc = padded;
  for (uint32_t i = 0; i < TILE_M * PANEL; i++) edge[i] = 0;
  for (uint32_t done = 0; done < m; done += TILE_M) {
    uint32_t rows = m - done < TILE_M ? m - done : TILE_M;
    float *at = c + done * ldc;
    if (p->accumulate)
      for (uint32_t r = 0; r < rows; r++)
        for (uint32_t i = 0; i < width; i++) edge[r * padded + i] = at[r * ldc + i];
    tiles(p, edge, a + done / TILE_M * p->step_tile, rows, padded);
    for (uint32_t r = 0; r < rows; r++)
      for (uint32_t i = 0; i < width; i++) at[r * ldc + i] = edge[r * padded + i];
  }
}

/* Computes a product whose runs have at most BLOCK_K rows of b in all. Packing a whole panel pays
 * where its rows lie on many pages and are used by several tiles. */
static void block(const ofs_gemm *g, size_t step_m, size_t step_k, size_t step_tile) {
  float packed[BLOCK_K * PANEL];
  for (uint32_t n = 0; n < g->n; n += PANEL) {
    uint32_t width = g->n - n < PANEL ? g->n - n : PANEL, padded = width > 4 ? PANEL : 4;
    panel p = {.b = g->panel ? g->b + n / OFS_PANEL * g->panel + n % OFS_PANEL : g->b + n,
               .bias = g->bias ? g->bias + n : NULL,
               .ldb = g->panel ? OFS_PANEL : g->ldb,
               .ldc = g->ldc,
               .step_m = step_m,
               .step_k = step_k,
               .step_tile = step_tile,
               .step_y = g->step_y,
               .step_x = g->step_x,
               .k = g->k,
               .runs_y = g->runs_y,
               .runs_x = g->runs_x,
               .accumulate = g->accumulate};
    if (!g->panel && (width < padded || (g->m * (g->more + 1) >= 4 * TILE_M && g->ldb > 64))) {
      pack(packed, g, p.b, width, padded);
      p.b = packed;
      p.ldb = padded;
    }
    for (size_t i = 0; i <= g->more; i++)
      if (width < padded)
        panel_edge(&p, g->c + i * g->next_c + n, g->a + i * g->next_a, g->m, width, padded);
      else
        tiles(&p, g->c + i * g->next_c + n, g->a + i * g->next_a, g->m, width);
  }
}

static uint32_t least(size_t a, size_t b) { return (uint32_t)(a < b ? a : b); }

/* Cuts the runs into blocks: several rows of runs, several runs, or a piece of one. */
static void blocks_of_k(const ofs_gemm *g, size_t step_m, size_t step_k) {
  size_t row = (size_t)g->runs_x * g->k;
  if (row * g->runs_y <= BLOCK_K) {
    block(g, step_m, step_k, TILE_M * step_m);
    return;
  }
  uint32_t ys = row <= BLOCK_K ? (uint32_t)(BLOCK_K / row) : 1;
  uint32_t xs = row <= BLOCK_K ? g->runs_x : g->k <= BLOCK_K ? BLOCK_K / g->k : 1;
  uint32_t ks = least(g->k, BLOCK_K);
  ofs_gemm part = *g;
  for (uint32_t y = 0; y < g->runs_y; y += ys)
    for (uint32_t x = 0; x < g->runs_x; x += xs)
      for (uint32_t k = 0; k < g->k; k += ks) {
        part.a = g->a + y * g->step_y + x * g->step_x + k * step_k;
        part.runs_y = least(g->runs_y - y, ys);
        part.runs_x = least(g->runs_x - x, xs);
        part.k = least(g->k - k, ks);
        block(&part, step_m, step_k, TILE_M * step_m);
        part.b += (size_t)part.runs_y * part.runs_x * part.k * (g->panel ? OFS_PANEL : g->ldb);
        part.accumulate = 1;
      }
}

/* Packs rows [0, m) of a transposed a (k, m), TILE_M side by side, tile after tile. */
static void turn(float *turned, const float *a, size_t lda, uint32_t m, uint32_t k) {
  for (uint32_t i = 0; i < m; i += TILE_M)
    for (uint32_t row = 0; row < k; row++, turned += TILE_M)
      if (TILE_M == 4 && m - i >= 4)
        ofs_store4(turned, ofs_load4(a + row * lda + i));
      else
        for (uint32_t r = 0; r < TILE_M && r < m - i; r++) turned[r] = a[row * lda + i + r];
}

/* Computes a plain product of a transposed a with long rows. */
static void turned_gemm(const ofs_gemm *g) {
  float turned[TURNED_M * TURNED_K];
  ofs_gemm part = *g;
  part.a = turned;
  for (uint32_t k = 0; k < g->k; k += TURNED_K)
    for (uint32_t m = 0; m < g->m; m += TURNED_M) {
      part.m = least(g->m - m, TURNED_M);
      part.k = least(g->k - k, TURNED_K);
      part.b = g->b + k * (g->panel ? OFS_PANEL : g->ldb);
      part.c = g->c + m * g->ldc;
      part.accumulate = g->accumulate || k > 0;
      turn(turned, g->a + k * g->lda + m, g->lda, part.m, part.k);
      block(&part, 1, TILE_M, (size_t)TILE_M * part.k);
    }
}

static void gemm(const ofs_gemm *g, size_t step_m, size_t step_k) {
  ofs_gemm part = *g;
  for (uint32_t m = 0; m < g->m; m += BLOCK_M) {
    part.a = g->a + m * step_m;
    part.c = g->c + m * g->ldc;
    part.m = least(g->m - m, BLOCK_M);
    blocks_of_k(&part, step_m, step_k);
  }
}

static void gemm_nn_f32(const ofs_gemm *g) { gemm(g, g->lda, 1); }
static void gemm_tn_f32(const ofs_gemm *g) {
  if (g->runs_y == 1 && g->runs_x == 1 && g->more == 0 && g->lda >= LONG_ROW &&
      g->k >= LONG_COLUMN && g->n >= 4 * PANEL)
    turned_gemm(g);
  else
    gemm(g, 1, g->lda);
}

void ofs_gemm_fill(ofs_kernels *k) {
  k->gemm_nn = gemm_nn_f32;
  k->gemm_tn = gemm_tn_f32;
}

#endif
