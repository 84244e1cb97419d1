/* copy.c: fills and copies arrays of numbers, by vectors. Nothing else may be here. */
#include "base/copy.h"

typedef uint32_t words __attribute__((vector_size(16), aligned(4), may_alias));
enum { STEP = sizeof(words) / sizeof(real) };

void ofs_zero(real *dst, size_t n) {
  for (; n >= STEP; n -= STEP, dst += STEP) *(words *)dst = (words){0, 0, 0, 0};
  for (; n > 0; n--) *dst++ = 0;
}

void ofs_copy(real *restrict dst, const real *restrict src, size_t n) {
  for (; n >= STEP; n -= STEP, dst += STEP, src += STEP) *(words *)dst = *(const words *)src;
  for (; n > 0; n--) *dst++ = *src++;
}
