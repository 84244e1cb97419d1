/* copy.h: fills and copies arrays of numbers. */
#ifndef OFS_COPY_H
#define OFS_COPY_H

#include "base/numbers.h"

void ofs_zero(real *dst, size_t n);
void ofs_copy(real *restrict dst, const real *restrict src, size_t n);

#endif
