/* rows.c: the last one to three numbers of a row (rows.h). */
#include "kernels/rows.h"

#ifndef OFS_REAL_DOUBLE

ofs_f4 ofs_load_some(const float *p, size_t n) {
  return n == 4 ? ofs_load4(p) : ofs_load_part(p, n);
}

void ofs_store_some(float *p, ofs_f4 v, size_t n) {
  if (n == 4)
    ofs_store4(p, v);
  else
    ofs_store_part(p, v, n);
}

#endif
