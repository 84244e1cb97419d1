/* test_random.c: the generator against published vectors, and the shuffle: a bijection for every
 * size, another one each epoch, and uniform as far as counting tells.
 *
 * A chi-square statistic X of k degrees of freedom exceeds k + 2 sqrt(k t) + 2 t, or stays below k
 * - 2 sqrt(k t), each with a probability of at most e^-t (Laurent & Massart 2000). Keys are fixed,
 * so a test gives the same answer each time; with T = 14 a right generator fails one in a million
 * of them. */
#include "base/random.h"
#include "check.h"

#define T 14.0

static const uint32_t key[2] = {0x12345678u, 0x9abcdef0u};

static void check_chi_square(double x, double k, const char *what) {
  double low = k - 2 * sqrt(k * T), high = k + 2 * sqrt(k * T) + 2 * T;
  CHECK_MSG(x >= low && x <= high, "%s: chi-square %.1f of %.0f degrees is not in [%.1f, %.1f]",
            what, x, k, low, high);
}

/* Known answers of Philox4x32-10 from the authors' Random123 distribution. */
static void test_known_answers(void) {
  static const uint32_t vectors[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u},
      {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu},
      {0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u,
       0x94fdccebu, 0x5001e420u, 0x24126ea1u},
  };
  for (int i = 0; i < 3; i++) {
    uint32_t out[4];
    ofs_philox(out, vectors[i], vectors[i] + 4);
    for (int j = 0; j < 4; j++)
      CHECK_MSG(out[j] == vectors[i][6 + j], "vector %d word %d is %08x, expected %08x", i, j,
                out[j], vectors[i][6 + j]);
  }
  uint32_t same[4] = {1, 2, 3, 4}, apart[4];
  ofs_philox(apart, same, key);
  ofs_philox(same, same, key); /* in place */
  CHECK(memcmp(apart, same, sizeof same) == 0);
}

static void test_uniform(void) {
  CHECK(ofs_uniform(0) == 0);
  CHECK(ofs_uniform(0xffffffffu) == 1 - 0x1p-24f);
  CHECK(ofs_uniform(0x80000000u) == 0.5f);
  enum { BINS = 64, DRAWS = 64000 };
  double bins[BINS] = {0}, sum = 0, x = 0;
  for (uint32_t i = 0; i < DRAWS / 4; i++) {
    uint32_t counter[4] = {i, 0, 3, 9}, word[4];
    ofs_philox(word, counter, key);
    for (int j = 0; j < 4; j++) {
      float u = ofs_uniform(word[j]);
      sum += u;
      bins[(int)(u * BINS)]++;
    }
  }
  for (int i = 0; i < BINS; i++)
    x += (bins[i] - DRAWS / BINS) * (bins[i] - DRAWS / BINS) / (DRAWS / BINS);
  check_chi_square(x, BINS - 1, "uniform");
  /* the mean of n draws has a standard deviation of 1 / sqrt(12 n); five of them: one in 1.7
   * million */
  CHECK_NEAR(sum / DRAWS, 0.5, 5 / sqrt(12.0 * DRAWS));
}

static void test_bijection(uint64_t n, uint64_t epoch) {
  unsigned char *seen = check_alloc(n);
  memset(seen, 0, n);
  uint64_t p = 0;
  for (; p < n; p++) {
    uint64_t q = ofs_permute(p, n, epoch, key);
    if (q >= n || seen[q]) break;
    seen[q] = 1;
  }
  CHECK_MSG(p == n, "permutation of %lu, epoch %lu: wrong at %lu", (unsigned long)n,
            (unsigned long)epoch, (unsigned long)p);
  free(seen);
}

static void test_bijections(void) {
  for (uint64_t n = 1; n <= 130; n++)
    for (uint64_t epoch = 1; epoch <= 3; epoch++) test_bijection(n, epoch);
  static const uint64_t sizes[] = {255, 256, 257, 1000, 1023, 1024, 1025, 8000, 60000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) test_bijection(sizes[i], 7);
  test_bijection(1000, 0xfedcba9876543210u);
}

/* Sizes too large to walk through: results are inside, and do not meet. */
static void test_large(void) {
  static const uint64_t sizes[] = {(1ull << 32) - 1, (1ull << 32) + 1, (1ull << 47) + 1,
                                   1ull << 48};
  for (int i = 0; i < 4; i++) {
    enum { DRAWS = 300 };
    uint64_t got[2 * DRAWS];
    int inside = 1, apart = 1, upper = 0;
    for (int p = 0; p < 2 * DRAWS; p++) {
      got[p] = ofs_permute(p < DRAWS ? (uint64_t)p : sizes[i] - 1 - (uint64_t)(p - DRAWS), sizes[i],
                           1, key);
      inside &= got[p] < sizes[i];
      upper += got[p] >= sizes[i] / 2;
      for (int q = 0; q < p; q++) apart &= got[q] != got[p];
    }
    CHECK(inside);
    CHECK(apart);
    /* a binomial of 600 halves: deviation 12.2, five of them */
    CHECK_MSG(abs(upper - DRAWS) < 62, "%d of %d in the upper half", upper, 2 * DRAWS);
  }
}

/* How often p goes to q over many epochs. Rows and columns each sum to the number of epochs, which
 * leaves (n - 1)^2 degrees of freedom; a cell's variance is E (1 - 1/n), hence the factor (n - 1) /
 * n. */
static void test_positions(uint32_t n, uint32_t epochs) {
  double *count = check_alloc(n * n * sizeof *count), x = 0, expected = (double)epochs / n;
  memset(count, 0, n * n * sizeof *count);
  for (uint32_t e = 1; e <= epochs; e++)
    for (uint32_t p = 0; p < n; p++) count[p * n + ofs_permute(p, n, e, key)]++;
  for (uint32_t i = 0; i < n * n; i++)
    x += (count[i] - expected) * (count[i] - expected) / expected;
  check_chi_square(x * (n - 1) / n, (double)(n - 1) * (n - 1), "positions");
  free(count);
}

/* Where neighbours 2p and 2p + 1 go together: n (n - 1) ordered pairs, equally likely. Pairs of one
 * epoch are nearly independent for the one pair that is counted here. */
static void test_neighbours(uint32_t n, uint32_t epochs) {
  double *count = check_alloc(n * n * sizeof *count), x = 0,
         expected = (double)epochs / (n * (n - 1));
  memset(count, 0, n * n * sizeof *count);
  for (uint32_t e = 1; e <= epochs; e++)
    count[ofs_permute(0, n, e, key) * n + ofs_permute(1, n, e, key)]++;
  for (uint32_t i = 0; i < n * n; i++)
    if (i % (n + 1) != 0) x += (count[i] - expected) * (count[i] - expected) / expected;
  check_chi_square(x, (double)n * (n - 1) - 1, "neighbours");
  free(count);
}

static void test_epochs_differ(void) {
  uint32_t other[2] = {key[0] ^ 1, key[1]};
  int by_epoch = 0, by_high_epoch = 0, by_key = 0;
  for (uint64_t p = 0; p < 1000; p++) {
    uint64_t q = ofs_permute(p, 1000, 1, key);
    CHECK(q == ofs_permute(p, 1000, 1, key));
    by_epoch += q == ofs_permute(p, 1000, 2, key);
    by_high_epoch += q == ofs_permute(p, 1000, 1 + (1ull << 32), key);
    by_key += q == ofs_permute(p, 1000, 1, other);
  }
  /* fixed points between two random permutations: Poisson with mean 1; 12 or more: below 1e-9 */
  CHECK_MSG(by_epoch < 12, "%d of 1000 alike in two epochs", by_epoch);
  CHECK_MSG(by_high_epoch < 12, "%d of 1000 alike in epochs 2^32 apart", by_high_epoch);
  CHECK_MSG(by_key < 12, "%d of 1000 alike under two keys", by_key);
}

int main(void) {
  test_known_answers();
  test_uniform();
  test_bijections();
  test_large();
  test_positions(2, 20000);
  test_positions(3, 20000);
  test_positions(5, 20000);
  test_positions(10, 10000);
  test_positions(64, 2000);
  test_positions(100, 3000);
  test_neighbours(10, 9000);
  test_neighbours(16, 12000);
  test_epochs_differ();
  return check_report("random");
}
