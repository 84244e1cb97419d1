/* numbers.h: the number type of the core, and sizes that saturate instead of wrapping.
 *
 * A size that no machine has is OFS_BYTES_MAX, and stays so whatever is added to it: it is refused
 * in one place, where it is compared with the bytes at hand. */
#ifndef OFS_NUMBERS_H
#define OFS_NUMBERS_H

#include "offstage.h"

typedef ofs_real real;

#define OFS_BYTES_MAX (1ull << 62)

static inline uint64_t ofs_add_sat(uint64_t a, uint64_t b) {
  return a > OFS_BYTES_MAX - b || b > OFS_BYTES_MAX ? OFS_BYTES_MAX : a + b;
}
static inline uint64_t ofs_mul_sat(uint64_t a, uint64_t b) {
  return b && a > OFS_BYTES_MAX / b ? OFS_BYTES_MAX : a * b;
}
/* Returns the next multiple of OFS_ALIGN. */
static inline uint64_t ofs_align(uint64_t bytes) {
  return (bytes + OFS_ALIGN - 1) & ~(uint64_t)(OFS_ALIGN - 1);
}
static inline uint32_t ofs_min(uint32_t a, uint32_t b) { return a < b ? a : b; }

#endif
