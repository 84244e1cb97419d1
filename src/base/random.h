/* random.h: the one generator of random numbers, Philox4x32-10 (Salmon, Moraes, Dror, Shaw,
 * "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011), and the distributions made of it. A
 * value depends on its key and counter alone, so any step, part or element can be made again in any
 * order. */
#ifndef OFS_RANDOM_H
#define OFS_RANDOM_H

#include <stdint.h>

/* A stream is word 2 of the counter. Layers use their index there, below all of these. */
#define OFS_STREAM_INIT 0x80000000u
#define OFS_STREAM_SHUFFLE 0xffffffffu

/* Writes to `out` Philox4x32-10 of `counter` under `key`. */
void ofs_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* Returns a number uniform in [0, 1), made of the 24 high bits of `word`. */
float ofs_uniform(uint32_t word);

/* Returns a standard normal number by Marsaglia's polar method, cut off at two deviations where
 * `cut`. Every second attempt takes one more block of words, for which word `which` of the counter
 * goes up by `by`. */
double ofs_normal(const uint32_t counter[4], int which, uint32_t by, const uint32_t key[2],
                  int cut);

/* Returns element p of a seeded permutation of [0, n), p < n, n <= 2^48: a Feistel network of six
 * rounds over the next power of two, at least 64, walked until it falls inside (Black & Rogaway
 * 2002). It has no state, and takes on average at most two walks, for n below 32 up to 64 / n. */
uint64_t ofs_permute(uint64_t p, uint64_t n, uint64_t epoch, const uint32_t key[2]);

#endif
