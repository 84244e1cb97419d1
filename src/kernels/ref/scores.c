/* scores.c: attention's scores. */
#include "kernels/ref/ref.h"

#include "base/maths.h"

static int counts(size_t i, uint32_t seen, const ofs_real *mask) {
  return i < seen && !(mask && mask[i] == 0);
}

static void scores_forward_ref(ofs_real *x, uint32_t cols, uint32_t seen, const ofs_real *mask,
                               ofs_real scale) {
  ofs_real greatest = -(ofs_real)__builtin_inff(), lane[4] = {0, 0, 0, 0};
  int any = 0;
  for (size_t i = 0; i < cols; i++) {
    if (!counts(i, seen, mask)) continue;
    any = 1;
    greatest = x[i] > greatest ? x[i] : greatest;
  }
  for (size_t i = 0; i < cols; i++) {
    x[i] = counts(i, seen, mask) ? ofs_exp((x[i] - greatest) * scale) : 0;
    lane[i % 4] += x[i];
  }
  ofs_real sum = (lane[0] + lane[2]) + (lane[1] + lane[3]);
  for (size_t i = 0; i < cols; i++)
    x[i] = !any ? 1 / (ofs_real)cols : counts(i, seen, mask) ? x[i] / sum : 0;
}

static void scores_backward_ref(ofs_real *p, const ofs_real *dropped, const ofs_real *dp,
                                ofs_real sum, uint32_t cols, uint32_t seen, const ofs_real *mask,
                                ofs_real scale) {
  for (size_t i = 0; i < cols; i++)
    p[i] = counts(i, seen, mask) ? (dropped[i] * dp[i] - p[i] * sum) * scale : 0;
}

void ofs_scores_fill_ref(ofs_kernels *k) {
  k->scores_forward = scores_forward_ref;
  k->scores_backward = scores_backward_ref;
}
