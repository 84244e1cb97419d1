/* rows.h: four numbers of a row at a time, where the row's length is no multiple of four. */
#ifndef OFS_ROWS_H
#define OFS_ROWS_H

#include "base/simd.h"

/* These load and store the first n of four numbers, 1 <= n <= 4; the rest of a loaded vector is 0.
 * They are not inlined: they would be most of the code of their callers. */
ofs_f4 ofs_load_some(const float *p, size_t n);
void ofs_store_some(float *p, ofs_f4 v, size_t n);

/* These load and store the first four of the n numbers that are left, or all where there are
 * fewer. */
OFS_INLINE ofs_f4 ofs_load_row(const float *p, size_t n) {
  return n >= 4 ? ofs_load4(p) : ofs_load_some(p, n);
}
OFS_INLINE void ofs_store_row(float *p, ofs_f4 v, size_t n) {
  if (n >= 4)
    ofs_store4(p, v);
  else
    ofs_store_some(p, v, n);
}

#endif
