/* rows.h: four numbers of a row at a time, where the row's length is no multiple of four. */
#ifndef OFS_ROWS_H
#define OFS_ROWS_H

#include "base/simd.h"

/* The first n of four, 1 to 4; the rest of a loaded vector is 0. Not inlined: it would be most of
 * the code of those who use it. */
ofs_f4 ofs_load_some(const float *p, size_t n);
void ofs_store_some(float *p, ofs_f4 v, size_t n);

/* The first four of the n that are left, or all. */
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
