/* random.c: Philox4x32-10 and the distributions made of it (random.h). It has no state: a value
 * depends on its key and counter alone. */
#include "base/random.h"

#include "base/maths.h"

void ofs_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
  uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xd2511f53u * x0, p1 = (uint64_t)0xcd9e8d57u * x2;
    x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
    x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
    x1 = (uint32_t)p1;
    x3 = (uint32_t)p0;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  out[0] = x0, out[1] = x1, out[2] = x2, out[3] = x3;
}

float ofs_uniform(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }

double ofs_normal(const uint32_t counter[4], int which, uint32_t by, const uint32_t key[2],
                  int cut) {
  uint32_t w[4], at[4] = {counter[0], counter[1], counter[2], counter[3]};
  for (uint32_t attempt = 0;; attempt++) {
    if (attempt % 2 == 0) {
      ofs_philox(w, at, key);
      at[which] += by;
    }
    double a = 2.0 * ofs_uniform(w[attempt % 2 * 2]) - 1,
           b = 2.0 * ofs_uniform(w[attempt % 2 * 2 + 1]) - 1;
    double s = a * a + b * b;
    if (s >= 1 || s == 0) continue;
    double z = a * __builtin_sqrt(-2 * (double)ofs_log((ofs_real)s) / s);
    if (!cut || (z > -2 && z < 2)) return z;
  }
}

/* This is the round function; a half is at most 24 bits, so the round's number fits above it. */
static uint32_t mix(uint32_t half, uint32_t round, uint64_t epoch, const uint32_t key[2]) {
  uint32_t counter[4] = {half | round << 24, (uint32_t)epoch, OFS_STREAM_SHUFFLE,
                         (uint32_t)(epoch >> 32)};
  uint32_t out[4];
  ofs_philox(out, counter, key);
  return out[0];
}

/* Below 64 the network is too small to be even: a chi-square test over positions sees it at n =
 * 5. */
enum { LEAST_BITS = 6 };

uint64_t ofs_permute(uint64_t p, uint64_t n, uint64_t epoch, const uint32_t key[2]) {
  unsigned bits = LEAST_BITS;
  while (bits < 48 && (n - 1) >> bits) bits++;
  unsigned low_bits = bits / 2, high_bits = bits - low_bits;
  uint32_t low_mask = (1u << low_bits) - 1, high_mask = (1u << high_bits) - 1;
  if (n <= 1) return 0;
  do {
    uint32_t low = (uint32_t)p & low_mask, high = (uint32_t)(p >> low_bits) & high_mask;
    for (uint32_t round = 0; round < 6; round += 2) {
      high ^= mix(low, round, epoch, key) & high_mask;
      low ^= mix(high, round + 1, epoch, key) & low_mask;
    }
    p = (uint64_t)high << low_bits | low;
  } while (p >= n);
  return p;
}
