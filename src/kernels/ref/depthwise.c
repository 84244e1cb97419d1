/* depthwise.c: depthwise convolutions: the sums as kernels.h writes them. */
#include "kernels/ref/ref.h"

/* Returns the input of tap u of output i, -1 outside. */
static int64_t input_of(uint32_t i, uint32_t s, uint32_t u, uint32_t d, int32_t before,
                        uint32_t limit) {
  int64_t at = (int64_t)i * s + (int64_t)u * d - before;
  return at < limit ? at : -1;
}

/* Returns the output whose tap u is input i, -1 where there is none. */
static int64_t output_of(uint32_t i, uint32_t s, uint32_t u, uint32_t d, int32_t before,
                         uint32_t limit) {
  int64_t at = (int64_t)i + before - (int64_t)u * d;
  return at >= 0 && at % s == 0 && at / s < limit ? at / s : -1;
}

static void depth_forward_ref(const ofs_pool *p, ofs_real *y, const ofs_real *x, const ofs_real *w,
                              const ofs_real *bias, uint32_t row0, uint32_t row1) {
  for (uint32_t i = row0; i < row1; i++)
    for (uint32_t j = 0; j < p->ow; j++)
      for (uint32_t k = 0; k < p->n; k++) {
        ofs_real sum = bias ? bias[k] : 0;
        for (uint32_t u = 0; u < p->ph; u++)
          for (uint32_t v = 0; v < p->pw; v++) {
            int64_t iy = input_of(i, p->sh, u, p->dh, p->top, p->h),
                    ix = input_of(j, p->sw, v, p->dw, p->left, p->w);
            if (iy >= 0 && ix >= 0)
              sum += x[(iy * p->w + ix) * p->c + k] * w[((size_t)u * p->pw + v) * p->c + k];
          }
        y[((size_t)i * p->ow + j) * p->c + k] = sum;
      }
}

static void depth_backward_ref(const ofs_pool *p, ofs_real *dx, const ofs_real *dy,
                               const ofs_real *w, uint32_t row0, uint32_t row1) {
  for (uint32_t i = row0; i < row1; i++)
    for (uint32_t j = 0; j < p->w; j++)
      for (uint32_t k = 0; k < p->n; k++) {
        ofs_real sum = 0;
        for (uint32_t u = 0; u < p->ph; u++)
          for (uint32_t v = 0; v < p->pw; v++) {
            int64_t oy = output_of(i, p->sh, u, p->dh, p->top, p->oh),
                    ox = output_of(j, p->sw, v, p->dw, p->left, p->ow);
            if (oy >= 0 && ox >= 0)
              sum += dy[(oy * p->ow + ox) * p->c + k] * w[((size_t)u * p->pw + v) * p->c + k];
          }
        dx[((size_t)i * p->w + j) * p->c + k] = sum;
      }
}

static void depth_weights_ref(const ofs_pool *p, ofs_real *dw, const ofs_real *x,
                              const ofs_real *dy, uint32_t row0, uint32_t row1) {
  for (uint32_t u = 0; u < p->ph; u++)
    for (uint32_t v = 0; v < p->pw; v++)
      for (uint32_t i = row0; i < row1; i++)
        for (uint32_t j = 0; j < p->ow; j++) {
          int64_t iy = input_of(i, p->sh, u, p->dh, p->top, p->h),
                  ix = input_of(j, p->sw, v, p->dw, p->left, p->w);
          if (iy < 0 || ix < 0) continue;
          for (uint32_t k = 0; k < p->n; k++)
            dw[((size_t)u * p->pw + v) * p->c + k] +=
                x[(iy * p->w + ix) * p->c + k] * dy[((size_t)i * p->ow + j) * p->c + k];
        }
}

void ofs_depthwise_fill_ref(ofs_kernels *k) {
  k->depth_forward = depth_forward_ref;
  k->depth_backward = depth_backward_ref;
  k->depth_weights = depth_weights_ref;
}
