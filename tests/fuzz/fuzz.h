/* fuzz.h: tools of the fuzz targets: bytes taken from an input, numbers that hurt, blocks of exact
 * size, and a check that ends the program.
 *
 * An input that is used up gives zeros, so that every input means something and the same input
 * always the same. */
#ifndef OFS_FUZZ_H
#define OFS_FUZZ_H

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "offstage.h"
#include "spec/schema.h"

/* Bigger blocks are not made: time goes into inputs, not into clearing memory. */
#define FUZZ_MOST_BYTES (4u << 20)

#define FUZZ_CHECK(condition)                                                        \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                       \
    }                                                                                \
  } while (0)

typedef struct fuzz_input {
  const uint8_t *at;
  size_t left;
} fuzz_input;

static inline void fuzz_take(fuzz_input *in, void *to, size_t n) {
  size_t some = n < in->left ? n : in->left;
  memset(to, 0, n);
  if (some) memcpy(to, in->at, some);
  in->at += some;
  in->left -= some;
}

static inline uint32_t fuzz_byte(fuzz_input *in) {
  uint8_t b;
  fuzz_take(in, &b, 1);
  return b;
}

/* Returns a number in [0, n). */
static inline uint32_t fuzz_below(fuzz_input *in, uint32_t n) { return fuzz_byte(in) % n; }

/* Returns a number that is small, at an edge, or anything. */
static inline uint64_t fuzz_count(fuzz_input *in) {
  static const uint64_t edges[] = {0,          1,          255,
                                   65536,      1u << 24,   (1u << 24) + 1,
                                   UINT32_MAX, 1ull << 32, 1ull << 48,
                                   1ull << 53, INT64_MAX,  UINT64_MAX};
  uint32_t how = fuzz_byte(in);
  uint64_t any;
  if (how < 160) return how % 10;
  if (how < 224) return edges[how % (sizeof edges / sizeof *edges)];
  fuzz_take(in, &any, sizeof any);
  return any;
}

static inline float fuzz_float(fuzz_input *in) {
  static const float edges[] = {0,       -0.0f,     1,         -1,     FLT_MAX, -FLT_MAX,
                                FLT_MIN, 0x1p-149f, 1e19f,     -1e19f, 88.8f,   -104.5f,
                                0x1p23f, INFINITY,  -INFINITY, NAN};
  uint32_t how = fuzz_byte(in);
  float any;
  if (how < 160) return ((float)how - 80) / 16;
  if (how < 240) return edges[how % 16];
  fuzz_take(in, &any, sizeof any);
  return any;
}

/* Returns a block of exactly so many bytes, aligned as the core wants it, between the red zones of
 * AddressSanitizer. */
static inline void *fuzz_block(uint64_t bytes) {
  FUZZ_CHECK(bytes <= FUZZ_MOST_BYTES && bytes % OFS_ALIGN == 0);
  void *block = aligned_alloc(OFS_ALIGN, (size_t)bytes);
  FUZZ_CHECK(block != NULL);
  memset(block, 0xa5, (size_t)bytes);
  return block;
}

#define FUZZ_ONE(symbol, id, name) +1
enum { FUZZ_REASONS = 0 OFS_REASONS(FUZZ_ONE) };

/* Checks that a function may return this status, and its error with it; returns 1 for a refusal. */
static inline int fuzz_refused(ofs_status s, const ofs_error *err) {
  FUZZ_CHECK(s == OFS_OK || (s < 0 && s >= OFS_INVALID_STATE));
  FUZZ_CHECK(s == OFS_OK ||
             (err->status == (int32_t)s && err->reason >= 0 && err->reason < FUZZ_REASONS));
  return s < 0;
}

#endif
