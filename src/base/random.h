/* random.h: the one generator, Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers:
 * As Easy as 1, 2, 3", SC 2011), and what is made of it. A value depends on its key and counter
 * alone, so any step, part or element can be made again in any order. */
#ifndef OFS_RANDOM_H
#define OFS_RANDOM_H

#include <stdint.h>

/* Streams: word 2 of the counter. What is random in a layer uses the layer's index there, below all
 * of these. */
#define OFS_STREAM_INIT 0x80000000u
#define OFS_STREAM_SHUFFLE 0xffffffffu

/* out = Philox4x32-10 of counter under key. */
void ofs_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/* Uniform in [0, 1): the 24 high bits. */
float ofs_uniform(uint32_t word);

/* A standard normal by Marsaglia's polar method, cut off at two deviations where `cut`. Every
 * second attempt takes a block of words more, for which word `which` of the counter goes up by
 * `by`. */
double ofs_normal(const uint32_t counter[4], int which, uint32_t by, const uint32_t key[2],
                  int cut);

/* The p-th element of a seeded permutation of [0, n), p < n, n <= 2^48: a Feistel network of six
 * rounds over the next power of two, at least 64, walked until it falls inside (Black & Rogaway
 * 2002). No state; on average at most two walks, for n below 32 up to 64 / n. */
uint64_t ofs_permute(uint64_t p, uint64_t n, uint64_t epoch, const uint32_t key[2]);

#endif
