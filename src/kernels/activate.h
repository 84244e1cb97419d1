/* activate.h: activations and their derivatives over four lanes, for the files of fast kernels.
 *
 * `act` is a constant wherever these are used, so that only its own branch is compiled; or the
 * caller keeps all of them in one function that is never inlined. NaN fails the comparisons and so
 * remains. */
#ifndef OFS_ACTIVATE_H
#define OFS_ACTIVATE_H

#include <stddef.h>

#include "base/maths.h"
#include "spec/schema.h"

#ifndef OFS_REAL_DOUBLE

/* These are the kernels act_forward and act_backward, for a few numbers of another kernel. */
void ofs_act_forward(uint32_t act, float *y, const float *x, size_t n);
void ofs_act_backward(uint32_t act, float *dx, const float *x, const float *y, const float *dy,
                      size_t n);

#define SELU_SCALE 1.0507009873554804934f       /* Klambauer et al. 2017 */
#define SELU_SCALE_ALPHA 1.7580993408473768599f /* scale * alpha */
#define LEAK 0.3f                               /* Keras's default slope */
#define SQRT_HALF 0.70710678118654752440f
#define INV_SQRT_2PI 0.39894228040143267794f
#define SIXTH (1 / 6.0f)
#define MISH_MOST 20.0f /* beyond it tanh(softplus(x)) is 1 */

OFS_INLINE ofs_f4 ofs_activate4(uint32_t act, ofs_f4 x) {
  const ofs_f4 zero = ofs_splat4(0), one = ofs_splat4(1);
  switch (act) {
  case OFS_ACT_RELU: return ofs_select4(x <= zero, zero, x);
  case OFS_ACT_LEAKY_RELU: return ofs_select4(x <= zero, ofs_splat4(LEAK) * x, x);
  case OFS_ACT_ELU: return ofs_select4(x <= zero, ofs_expm14(x), x);
  case OFS_ACT_SELU:
    return ofs_select4(x <= zero, ofs_splat4(SELU_SCALE_ALPHA) * ofs_expm14(x),
                       ofs_splat4(SELU_SCALE) * x);
  case OFS_ACT_GELU: return (ofs_splat4(0.5f) * x) * (one + ofs_erf4(x * ofs_splat4(SQRT_HALF)));
  case OFS_ACT_SIGMOID: return ofs_sigmoid4(x);
  case OFS_ACT_TANH: return ofs_tanh4(x);
  case OFS_ACT_SOFTPLUS: return ofs_softplus4(x);
  case OFS_ACT_SWISH: return x * ofs_sigmoid4(x);
  case OFS_ACT_RELU6: return ofs_clamp4(x, 0, 6);
  case OFS_ACT_HARD_SIGMOID: return ofs_clamp4(x + ofs_splat4(3), 0, 6) * ofs_splat4(SIXTH);
  case OFS_ACT_SOFTSIGN: return x / (one + ofs_abs4(x));
  case OFS_ACT_EXPONENTIAL: return ofs_exp4(x);
  case OFS_ACT_MISH: {
    ofs_f4 e = ofs_exp4(ofs_clamp4(x, -104, MISH_MOST)), n = e * (e + ofs_splat4(2));
    return x * (n / (n + ofs_splat4(2)));
  }
  default: return x;
  }
}

/* Returns dy times the derivative. `at` is x where OFS_ACT_OF_INPUT says so, y for the others.
 * mish: tanh(softplus(x)) = n / (n + 2), n = e^x (e^x + 2). */
OFS_INLINE ofs_f4 ofs_differentiate4(uint32_t act, ofs_f4 at, ofs_f4 dy) {
  const ofs_f4 zero = ofs_splat4(0), one = ofs_splat4(1);
  ofs_f4 s;
  switch (act) {
  case OFS_ACT_RELU: return ofs_select4(at <= zero, zero, dy);
  case OFS_ACT_LEAKY_RELU: return ofs_select4(at <= zero, ofs_splat4(LEAK) * dy, dy);
  case OFS_ACT_ELU: return ofs_select4(at <= zero, (at + one) * dy, dy);
  case OFS_ACT_SELU:
    return ofs_select4(at <= zero, (at + ofs_splat4(SELU_SCALE_ALPHA)) * dy,
                       ofs_splat4(SELU_SCALE) * dy);
  case OFS_ACT_GELU:
    s = ofs_splat4(0.5f) * (one + ofs_erf4(at * ofs_splat4(SQRT_HALF)));
    return (s + at * (ofs_splat4(INV_SQRT_2PI) * ofs_exp4(ofs_splat4(-0.5f) * (at * at)))) * dy;
  case OFS_ACT_SIGMOID: return (at * (one - at)) * dy;
  case OFS_ACT_TANH: return (one - at * at) * dy;
  case OFS_ACT_SOFTPLUS: return -ofs_expm14(-at) * dy;
  case OFS_ACT_SWISH: s = ofs_sigmoid4(at); return (s + (at * s) * (one - s)) * dy;
  case OFS_ACT_RELU6: return ofs_select4((at <= zero) | (at >= ofs_splat4(6)), zero, dy);
  case OFS_ACT_HARD_SIGMOID:
    return ofs_select4((at <= zero) | (at >= one), zero, ofs_splat4(SIXTH) * dy);
  case OFS_ACT_SOFTSIGN: s = one - ofs_abs4(at); return (s * s) * dy;
  case OFS_ACT_EXPONENTIAL: return at * dy;
  case OFS_ACT_MISH: {
    ofs_f4 e = ofs_exp4(ofs_clamp4(at, -104, MISH_MOST)), n = e * (e + ofs_splat4(2)),
           m = n + ofs_splat4(2);
    return (n / m + at * (((ofs_splat4(4) * e) * (e + one)) / (m * m))) * dy;
  }
  default: return dy;
  }
}

#endif
#endif
