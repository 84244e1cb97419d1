/* guarded.h: float buffers between guard words, for tests of kernels.
 *
 * Two placements: with guard words on both sides, which a write beyond an end destroys on any
 * target; and flush with the end of its malloc block, where AddressSanitizer sees even a read.
 * Guard words are NaNs, so a value read from one shows in the result. */
#ifndef OFS_GUARDED_H
#define OFS_GUARDED_H

#include <stdint.h>

#include "check.h"

#define GUARD_WORD 0x7fa5a5a5u
#define GUARD_BACK 9

enum { GUARD_BOTH, GUARD_FLUSH, GUARD_PLACEMENTS };

typedef struct guarded {
  float *data;
  size_t n, front, back;
  uint32_t *block;
} guarded;

static void guard_fill(uint32_t *p, size_t n) {
  while (n > 0) p[--n] = GUARD_WORD;
}

/* Makes n floats, all guard words; `offset` moves them by so many floats off malloc's alignment. */
CHECK_UNUSED static guarded guard_new(size_t n, int placement, size_t offset) {
  guarded g = {.n = n, .front = 4 + offset, .back = placement == GUARD_FLUSH ? 0 : GUARD_BACK};
  size_t all = g.front + n + g.back;
  g.block = check_alloc(all * 4);
  guard_fill(g.block, all);
  g.data = (float *)(void *)(g.block + g.front);
  return g;
}

/* Checks the guards and frees the block. */
CHECK_UNUSED static void guard_free(guarded *g, const char *what) {
  size_t broken = 0;
  for (size_t i = 0; i < g->front; i++) broken += g->block[i] != GUARD_WORD;
  for (size_t i = 0; i < g->back; i++) broken += g->block[g->front + g->n + i] != GUARD_WORD;
  CHECK_MSG(broken == 0, "%s: wrote over %lu guard words", what, (unsigned long)broken);
  free(g->block);
}

/* ---- numbers ---- */

static uint32_t random_state = 1;

static uint32_t random_word(void) {
  random_state = random_state * 1664525u + 1013904223u;
  return random_state >> 8 ^ random_state << 13;
}

/* Returns a number in (-1, 1), with all 24 bits of precision in use. */
CHECK_UNUSED static float random_float(void) {
  return ((float)(random_word() >> 8) + 0.5f) * 0x1p-23f - 1;
}

CHECK_UNUSED static void random_fill(float *p, size_t n, float scale) {
  for (size_t i = 0; i < n; i++) p[i] = random_float() * scale;
}

/* Returns the first index at which the bits differ; two NaNs are alike (no rule says which NaN). */
CHECK_UNUSED static size_t first_difference(const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i++) {
    uint32_t u, v;
    memcpy(&u, a + i, 4);
    memcpy(&v, b + i, 4);
    if (u != v && !(a[i] != a[i] && b[i] != b[i])) return i;
  }
  return n;
}

CHECK_UNUSED static int check_same(const float *got, const float *want, size_t n,
                                   const char *what) {
  size_t i = first_difference(got, want, n);
  if (i == n) return CHECK_MSG(1, "%s", what);
  return CHECK_MSG(0, "%s: element %lu is %a, expected %a", what, (unsigned long)i, (double)got[i],
                   (double)want[i]);
}

#endif
