/* scores.c: the kernels of attention's scores, four numbers of a row at a time, in the orders of
 * additions that kernels.h fixes. */
#include "kernels/kernels.h"
#include "kernels/fast.h"

#ifndef OFS_REAL_DOUBLE

#include "base/maths.h"
#include "kernels/rows.h"

/* Returns a mask of which of elements i .. i + 3 of a row count. */
OFS_INLINE ofs_i4 counts(uint32_t i, uint32_t cols, uint32_t seen, const float *mask) {
  const ofs_u4 lane = {0, 1, 2, 3};
  if (!mask && i + 4 <= seen) return (ofs_i4)ofs_usplat4(~0u);
  ofs_i4 which = (ofs_i4)(lane < ofs_usplat4(seen > i ? seen - i : 0));
  return mask ? which & (ofs_load_row(mask + i, cols - i) != ofs_splat4(0)) : which;
}

static void scores_forward_f32(float *x, uint32_t cols, uint32_t seen, const float *mask,
                               float scale) {
  const ofs_f4 zero = ofs_splat4(0);
  ofs_f4 best = ofs_splat4(-__builtin_inff()), lanes = zero;
  ofs_i4 any = (ofs_i4)zero;
  float greatest = best[0];
  if (seen > cols) seen = cols;
  for (uint32_t i = 0; i < seen; i += 4) {
    ofs_f4 v = ofs_load_row(x + i, cols - i);
    ofs_i4 here = counts(i, cols, seen, mask);
    best = ofs_select4(here & (v > best), v, best);
    any |= here;
  }
  for (int l = 0; l < 4; l++) greatest = best[l] > greatest ? best[l] : greatest;
  if (!(any[0] | any[1] | any[2] | any[3])) {
    for (uint32_t i = 0; i < cols; i++) x[i] = 1 / (float)cols;
    return;
  }
  for (uint32_t i = 0; i < seen; i += 4) {
    ofs_f4 e = ofs_exp4((ofs_load_row(x + i, cols - i) - ofs_splat4(greatest)) * ofs_splat4(scale));
    e = ofs_select4(counts(i, cols, seen, mask), e, zero);
    ofs_store_row(x + i, e, cols - i);
    lanes += e;
  }
  const ofs_f4 sum = ofs_splat4(ofs_sum4(lanes));
  for (uint32_t i = 0; i < cols; i += 4) {
    ofs_f4 v = i < seen ? ofs_select4(counts(i, cols, seen, mask),
                                      ofs_load_row(x + i, cols - i) / sum, zero)
                        : zero;
    ofs_store_row(x + i, v, cols - i);
  }
}

static void scores_backward_f32(float *p, const float *dropped, const float *dp, float sum,
                                uint32_t cols, uint32_t seen, const float *mask, float scale) {
  for (uint32_t i = 0; i < cols; i += 4) {
    const uint32_t left = cols - i;
    ofs_f4 d = (ofs_load_row(dropped + i, left) * ofs_load_row(dp + i, left) -
                ofs_load_row(p + i, left) * ofs_splat4(sum)) *
               ofs_splat4(scale);
    ofs_store_row(p + i, ofs_select4(counts(i, cols, seen, mask), d, ofs_splat4(0)), left);
  }
}

void ofs_scores_fill(ofs_kernels *k) {
  k->scores_forward = scores_forward_f32;
  k->scores_backward = scores_backward_f32;
}

#endif
