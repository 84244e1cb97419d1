/* test_cells.c: the cells of lstm and gru: fast against reference to the last bit at all widths up
 * to four vectors and more, between guard words, for part of a row and all of it, every activation;
 * and the reference against the formulas in double (their derivatives are proved in
 * test_gradients.c).
 *
 * U is 2^-24, half a unit in the last place of 1. */
#include "kernels/kernels.h"
#include "spec/schema.h"
#include "guarded.h"

#define U 0x1p-24
#define MOST 19
#define ROWS 3

static ofs_kernels fast, ref;

static const uint32_t acts[] = {OFS_ACT_LINEAR,       OFS_ACT_RELU,     OFS_ACT_LEAKY_RELU,
                                OFS_ACT_ELU,          OFS_ACT_SELU,     OFS_ACT_SIGMOID,
                                OFS_ACT_TANH,         OFS_ACT_SOFTPLUS, OFS_ACT_RELU6,
                                OFS_ACT_HARD_SIGMOID, OFS_ACT_SOFTSIGN, OFS_ACT_EXPONENTIAL};
enum { ACTS = sizeof acts / sizeof *acts };

/* Everything that a cell reads or writes, in blocks of their own that end with the last row's last
 * unit. */
enum { GATES, BEFORE, H, C, A, Q, DH, DC, DH_BEFORE, BLOCKS };

typedef struct bench {
  guarded block[BLOCKS];
  ofs_cell cell;
} bench;

static size_t block_size(int k, uint32_t gates, const ofs_cell *cell) {
  size_t wide = k == GATES || k == Q ? gates : 1, u = cell->units;
  return cell->rows && cell->n ? (cell->rows - 1) * wide * u + (wide - 1) * u + cell->n : 0;
}

static bench bench_new(const ofs_cell *like, uint32_t gates, int placement, uint32_t seed) {
  bench b = {.cell = *like};
  random_state = seed;
  for (int k = 0; k < BLOCKS; k++) {
    b.block[k] = guard_new(block_size(k, gates, like), placement, (size_t)k % 4);
    random_fill(b.block[k].data, b.block[k].n, 3);
  }
  b.cell.gates = b.block[GATES].data, b.cell.before = b.block[BEFORE].data,
  b.cell.h = b.block[H].data;
  b.cell.c = b.block[C].data, b.cell.a = b.block[A].data, b.cell.q = b.block[Q].data;
  b.cell.dh = b.block[DH].data, b.cell.dc = b.block[DC].data,
  b.cell.dh_before = b.block[DH_BEFORE].data;
  return b;
}

typedef void (*cell_fn)(const ofs_cell *);

static void check_cell(cell_fn f, cell_fn r, const ofs_cell *like, uint32_t gates, int place,
                       int in_place, const char *name) {
  bench x = bench_new(like, gates, place, 5), y = bench_new(like, gates, place, 5);
  if (in_place) { /* as predictions and gru's backward use them */
    x.cell.c = x.block[BEFORE].data, y.cell.c = y.block[BEFORE].data;
    x.cell.a = y.cell.a = NULL;
    x.cell.dh_before = x.cell.dh, y.cell.dh_before = y.cell.dh;
  }
  f(&x.cell), r(&y.cell);
  for (int k = 0; k < BLOCKS; k++) {
    check_same(x.block[k].data, y.block[k].data, y.block[k].n, name);
    guard_free(&x.block[k], name), guard_free(&y.block[k], name);
  }
}

static void test_same(void) {
  for (uint32_t n = 0; n <= MOST; n++)
    for (int placement = 0; placement < GUARD_PLACEMENTS; placement++)
      for (uint32_t k = 0; k < ACTS * ACTS; k++) {
        /* tanh with sigmoid: 6, 5 */
        if (n > 5 && k % ACTS != k / ACTS && k != 6 * ACTS + 5) continue;
        ofs_cell c = {.act = acts[k / ACTS],
                      .gate_act = acts[k % ACTS],
                      .rows = (n + k) % (ROWS + 1),
                      .n = n,
                      .units = n + k % 3,
                      .add = (int)(n % 2)};
        int in_place = k % 2 == 1;
        check_cell(fast.lstm_forward, ref.lstm_forward, &c, 4, placement, in_place, "lstm_forward");
        check_cell(fast.lstm_backward, ref.lstm_backward, &c, 4, placement, 0, "lstm_backward");
        check_cell(fast.gru_forward, ref.gru_forward, &c, 3, placement, in_place, "gru_forward");
        check_cell(fast.gru_backward, ref.gru_backward, &c, 3, placement, in_place && !c.add,
                   "gru_backward");
      }
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* Keras's formulas. tanh and sigmoid have 2.5 ulp (5 U each where they are at most 1) and a slope
 * of at most 1; what goes into the last of them is off by a few U of the terms' sum, which is at
 * most 4. */
static void test_formulas(void) {
  ofs_cell like = {.act = OFS_ACT_TANH,
                   .gate_act = OFS_ACT_SIGMOID,
                   .rows = ROWS,
                   .n = 7,
                   .units = 9};
  bench b = bench_new(&like, 4, GUARD_BOTH, 7), start = bench_new(&like, 4, GUARD_BOTH, 7);
  ref.lstm_forward(&b.cell);
  for (size_t r = 0; r < ROWS; r++)
    for (size_t k = 0; k < 7; k++) {
      const float *z = start.cell.gates + r * 36 + k;
      double i = sigmoid(z[0]), f = sigmoid(z[9]), g = tanh(z[18]), o = sigmoid(z[27]);
      double c = f * start.cell.before[r * 9 + k] + i * g;
      CHECK_NEAR(b.cell.c[r * 9 + k], c, 40 * U);
      CHECK_NEAR(b.cell.a[r * 9 + k], tanh(c), 50 * U);
      CHECK_NEAR(b.cell.h[r * 9 + k], o * tanh(c), 60 * U);
    }
  for (int k = 0; k < BLOCKS; k++)
    guard_free(&b.block[k], "lstm"), guard_free(&start.block[k], "lstm");
  b = bench_new(&like, 3, GUARD_BOTH, 8), start = bench_new(&like, 3, GUARD_BOTH, 8);
  ref.gru_forward(&b.cell);
  for (size_t r = 0; r < ROWS; r++)
    for (size_t k = 0; k < 7; k++) {
      const float *p = start.cell.gates + r * 27 + k, *q = start.cell.q + r * 27 + k;
      double z = sigmoid((double)p[0] + q[0]), reset = sigmoid((double)p[9] + q[9]),
             g = tanh(p[18] + reset * q[18]);
      CHECK_NEAR(b.cell.h[r * 9 + k], z * start.cell.before[r * 9 + k] + (1 - z) * g, 80 * U);
    }
  for (int k = 0; k < BLOCKS; k++)
    guard_free(&b.block[k], "gru"), guard_free(&start.block[k], "gru");
}

int main(void) {
  ofs_kernels_fill(&fast);
  ofs_kernels_fill_ref(&ref);
  test_same();
  test_formulas();
  return check_report("gates");
}
