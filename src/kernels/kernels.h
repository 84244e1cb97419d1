/* kernels.h: the loops that do the arithmetic, as one struct of pointers.
 *
 * ofs_kernels_fill_ref() fills it with plain C; ofs_kernels_fill() overwrites what has a fast
 * version, written once with vector extensions (simd.h). Kernels know shapes and pointers, nothing
 * of models. They allocate nothing, keep no state, and read and write only what their contract
 * names (never past an end).
 *
 * Bits: every kernel's order of additions is part of its contract, the same in the reference and
 * the fast version, so the two agree to the last bit. Matrix products add in the order of k, one
 * accumulator an element. Sums over a row have four logical lanes, element i in lane i % 4, added
 * (0 + 2) + (1 + 3). */
#ifndef OFS_KERNELS_H
#define OFS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "offstage.h"

/* A product of matrices whose `a` may be a window of an image, so that a convolution needs no
 * im2col. The reduction runs over ry < runs_y, rx < runs_x, i < k, in this order; row r of b is the
 * running count.
 *     nn: c[m, n] = start + sum a[m * lda + ry * step_y + rx * step_x + i] * b[r * ldb + n]
 *     tn: c[m, n] = start + sum a[i * lda + ry * step_y + rx * step_x + m] * b[r * ldb + n]
 * start is c itself where `accumulate`, else bias[n] where bias is not NULL, else 0. Where `panel`
 * is not 0, b lies in panels of OFS_PANEL columns, and ldb is not used: column n of row r is b[n /
 * OFS_PANEL * panel + r * OFS_PANEL + n % OFS_PANEL], zeros beyond the last column. In nn, m are
 * output pixels of one image row and k is the contiguous window row. tn is the weight gradient: i
 * walks the pixels of one image row. A plain product has runs_y = runs_x = 1. */
#define OFS_PANEL 8
typedef struct ofs_gemm {
  ofs_real *c;
  const ofs_real *a, *b, *bias;
  size_t lda, ldb, ldc, panel;
  size_t step_y, step_x;
  uint32_t m, n, k;
  uint32_t runs_y, runs_x;
  int accumulate;
  /* so many further products have the same b, each its a and c next_a and next_c further on */
  uint32_t more;
  size_t next_a, next_c;
} ofs_gemm;

/* The geometry of a pool or a depthwise convolution: NHWC, one image. A window may begin outside
 * the input (padding). */
typedef struct ofs_pool {
  uint32_t h, w, c;  /* input */
  uint32_t oh, ow;   /* output */
  uint32_t ph, pw;   /* window */
  uint32_t sh, sw;   /* strides */
  int32_t top, left; /* padding before */
  /* of depthwise only: dilation, and channels at hand; pointers are to the first of them */
  uint32_t dh, dw, n;
} ofs_pool;

#define OFS_LEAST_MOMENT 0x1p-100f /* with beta1 = 0.5, 26 steps above the first denormal */

/* The numbers of one update, with those of its step resolved. */
typedef struct ofs_update {
  uint32_t kind;          /* OFS_SGD, OFS_ADAM, ...: the schema's record; adamw's is OFS_ADAM */
  uint32_t moments;       /* vectors that the kernel has beside the weights */
  int nesterov, centered; /* sgd; rmsprop */
  int clean;              /* true every few steps: it costs a pass over the moments */
  ofs_real rate;          /* learning rate */
  ofs_real momentum;      /* sgd, rmsprop */
  ofs_real beta1, beta2;  /* beta2 is also the rho of rmsprop and adadelta */
  ofs_real rest1, rest2;  /* 1 - beta1, 1 - beta2, rounded once: 1 - (float)0.999 is off by 1e-5 */
  ofs_real epsilon;
  ofs_real correction1, correction2; /* 1 / (1 - beta1^t), 1 / (1 - beta2^t) */
  ofs_real ahead, here;              /* nadam: what the mean and the gradient count */
  /* the numbers that the other passes of an update take (update.c) */
  ofs_real decay;          /* rate * weightDecay */
  ofs_real keep, rest;     /* of the average of the weights, and of the weights in it */
  int applies, overwrites; /* the weights change in this step; the average takes their place */
} ofs_update;

/* Winograd's minimal filtering is F(2 x 2, 3 x 3) (Lavin & Gray 2016): of an image (h, w, c) in
 * NHWC, tile (ty, tx) is the 4 x 4 input d that starts at row 2 ty - top, column 2 tx - left (zeros
 * outside the image), or the 2 x 2 output.
 *     B' = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]
 *     G  = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1]
 *     A' = [1 1 1 0; 0 1 -1 -1]
 *     y  = A' ((G g G') o (B' d B)) A       dg = G' ((B' d B) o (A dy A')) G
 * A transformed tile is 16 numbers a channel, one in each of 16 planes. Sums come in the order of
 * the matrices' columns, down the rows of a tile first, then across. */
typedef struct ofs_wino {
  uint32_t h, w, c;
  int32_t top, left;
  /* channels at hand, a multiple of 4, at most 64; pointers to images are to the first of them */
  uint32_t n;
  /* between two planes of transformed tiles; a tile's n numbers follow the last one's */
  size_t plane;
} ofs_wino;

/* A cell is one time step of a recurrent layer: `rows` samples, `n` of its units. Pointers are to
 * the first of these; gates of a row lie `units` apart, one after the other, all else is (rows,
 * units). Sums and products are as written, from the left; s is `gate_act`, t is `act`, s'(y) v and
 * t'(y) v are act_backward's, from the output. */
typedef struct ofs_cell {
  uint32_t act, gate_act; /* schema.h's ids of gateActivation */
  uint32_t rows, n;
  size_t units;
  ofs_real *gates;        /* lstm: i, f, g, o; gru: z, r, g */
  const ofs_real *before; /* the step before: lstm its c, gru its h */
  ofs_real *h, *c, *a;    /* c, a: lstm only; a may be NULL, c may be `before` */
  ofs_real *q;            /* gru: h_before U + its bias, laid out as gates are */
  ofs_real *dh, *dc;      /* dc: lstm only */
  /* gru: the share of dh that goes straight through, added where `add`, else written; may be dh */
  ofs_real *dh_before;
  int add;
} ofs_cell;

/* An ofs_norm is one set of numbers that are normalised together: `runs` runs of n, `stride` apart.
 * gamma and beta (n) are those of a run. */
typedef struct ofs_norm {
  ofs_real *y; /* forward: the result; backward: dx, which may be dy; NULL: not wanted */
  const ofs_real *x, *dy;
  const ofs_real *gamma, *beta; /* NULL: 1, 0 */
  ofs_real *dgamma, *dbeta;     /* backward: added to; NULL: not wanted */
  /* the mean and 1 / sqrt(variance + epsilon): forward writes them, backward reads */
  ofs_real *stats;
  uint32_t n, runs;
  size_t stride;
  ofs_real epsilon;
} ofs_norm;
#define OFS_NORM_RUNS 64 /* runs whose sum is one of floats; more are added up in double */

/* 1 for the activations whose derivative does not follow from their output. */
#define OFS_ACT_OF_INPUT(act) \
  ((act) == OFS_ACT_GELU || (act) == OFS_ACT_SWISH || (act) == OFS_ACT_MISH)

typedef struct ofs_kernels {
  void (*gemm_nn)(const ofs_gemm *g);
  void (*gemm_tn)(const ofs_gemm *g);
  /* wino_filter makes rows [row0, row1) of u = G w G', w (3, 3, c, f): 16 planes of panels (see
   * ofs_gemm), c * OFS_PANEL apart. */
  void (*wino_filter)(ofs_real *u, const ofs_real *w, uint32_t c, uint32_t f, uint32_t row0,
                      uint32_t row1);
  /* These transform tiles (ty, tx .. tx + count - 1). input: v = B' d B. gradient: v = A dy A'.
   * output: y = A' m A + bias (NULL: 0), as far as the tile lies inside the image. */
  void (*wino_input)(const ofs_wino *g, ofs_real *v, const ofs_real *x, uint32_t ty, uint32_t tx,
                     uint32_t count);
  void (*wino_gradient)(const ofs_wino *g, ofs_real *v, const ofs_real *dy, uint32_t ty,
                        uint32_t tx, uint32_t count);
  void (*wino_output)(const ofs_wino *g, ofs_real *y, const ofs_real *m, const ofs_real *bias,
                      uint32_t ty, uint32_t tx, uint32_t count);
  /* dw[9][stride_dw] = G' (du[16][stride_du]) G, n numbers of each, n a multiple of 4. */
  void (*wino_weights)(ofs_real *dw, size_t stride_dw, const ofs_real *du, size_t stride_du,
                       size_t n);

  /* dst[j * ldd + i] = src[i * lds + j] for i < rows, j < cols */
  void (*transpose)(ofs_real *dst, size_t ldd, const ofs_real *src, size_t lds, uint32_t rows,
                    uint32_t cols);
  /* These write panels (see ofs_gemm), `panel` apart, whose columns beyond the last are zero.
   * panels: of src (rows, cols) as it is. turned_panels: of the transposed src, so that column i of
   * row j is src[i * lds + j]. */
  void (*panels)(ofs_real *dst, size_t panel, const ofs_real *src, size_t lds, uint32_t rows,
                 uint32_t cols);
  void (*turned_panels)(ofs_real *dst, size_t panel, const ofs_real *src, size_t lds, uint32_t rows,
                        uint32_t cols);
  /* add_rows adds the rows of src (rows, cols) to dst (cols), in the order of rows, with what
   * rounding takes given to the next (Kahan 1965): y = v - lost, s = sum + y, lost = (s - sum) - y.
   * Gradients of biases are such sums, and where as many +c as -c meet, as after an absolute error,
   * nothing may be left: Adam divides by its size whatever is. */
  void (*add_rows)(ofs_real *dst, const ofs_real *src, uint32_t rows, uint32_t cols);
  /* dst[i] = (((src[i] + src[stride + i]) + src[2 * stride + i]) + ...), `count` terms; dst may be
   * src */
  void (*sum_partials)(ofs_real *dst, const ofs_real *src, size_t stride, uint32_t count,
                       uint32_t n);

  /* dst[i] += src[i] * scale */
  void (*add_scaled)(ofs_real *dst, const ofs_real *src, ofs_real scale, size_t n);
  /* y[i] = x[i] * scale + offset */
  void (*scale_u8)(ofs_real *y, const uint8_t *x, ofs_real scale, ofs_real offset, size_t n);

  /* The activations have schema.h's ids (softmax excepted). y may be x; in backward dx may be dy,
   * and `x` (the activation's input) is read where OFS_ACT_OF_INPUT says so, `y` for all others.
   *     relu         max(x, 0)                leakyRelu    x or 0.3 x
   *     elu          x or e^x - 1             selu         s * (x or a (e^x - 1))
   *     sigmoid      1 / (1 + e^-x)           gelu         x (1 + erf(x / sqrt 2)) / 2
   *     softplus     log(1 + e^x)             swish        x sigmoid(x)
   *     relu6        min(relu(x), 6)          hardSigmoid  relu6(x + 3) / 6
   *     softsign     x / (1 + |x|)            exponential  e^x
   *     mish         x tanh(softplus(x)) (Misra 2019) */
  void (*act_forward)(uint32_t act, ofs_real *y, const ofs_real *x, size_t n);
  void (*act_backward)(uint32_t act, ofs_real *dx, const ofs_real *x, const ofs_real *y,
                       const ofs_real *dy, size_t n);
  /* y (rows, cols) = softmax over cols; y may be x. dx = y * (dy - sum(dy * y)); dx may be dy */
  void (*softmax_forward)(ofs_real *y, const ofs_real *x, uint32_t rows, uint32_t cols);
  void (*softmax_backward)(ofs_real *dx, const ofs_real *y, const ofs_real *dy, uint32_t rows,
                           uint32_t cols);

  /* The cells are those of Hochreiter & Schmidhuber 1997 and Gers et al. 2000, and of Cho et al.
   * 2014 with the reset after the product. Forward takes what the products have given in `gates`
   * and leaves the gates there; backward leaves their gradients.
   *     lstm  c = f c_before + i g      a = t(c)                  h = o a
   *           dc' = dc + t'(a) (dh o)   do = s'(o) (dh a)         df = s'(f) (dc' c_before)
   *           di = s'(i) (dc' g)        dg = t'(g) (dc' i)        dc = dc' f
   *     gru   z = s(z + q_z)            r = s(r + q_r)            g = t(g + r q_g)
   *           h = z h_before + (1 - z) g
   *           dg = t'(g) (dh (1 - z))   dz = s'(z) (dh (h_before - g))
   *           dr = s'(r) (dg q_g)       dh_before = dh z
   *           q becomes the gradient of the recurrent product: dz, dr, dg r */
  void (*lstm_forward)(const ofs_cell *cell);
  void (*lstm_backward)(const ofs_cell *cell);
  void (*gru_forward)(const ofs_cell *cell);
  void (*gru_backward)(const ofs_cell *cell);

  /* Pooling works on one image, all channels. Forward writes output rows [row0, row1) of y.
   * Backward writes input rows [row0, row1) of dx (zero first, then what every window that touches
   * them gives, in scan order of the windows): max gives dy to the first largest of the whole
   * window in scan order; average divides by the window's cells that lie inside the input, as Keras
   * does. */
  void (*max_pool_forward)(const ofs_pool *p, ofs_real *y, const ofs_real *x, uint32_t row0,
                           uint32_t row1);
  void (*max_pool_backward)(const ofs_pool *p, ofs_real *dx, const ofs_real *x, const ofs_real *y,
                            const ofs_real *dy, uint32_t row0, uint32_t row1);
  void (*avg_pool_forward)(const ofs_pool *p, ofs_real *y, const ofs_real *x, uint32_t row0,
                           uint32_t row1);
  void (*avg_pool_backward)(const ofs_pool *p, ofs_real *dx, const ofs_real *dy, uint32_t row0,
                            uint32_t row1);

  /* A depthwise convolution works on one image, with w (ph, pw, c) and a bias that may be NULL; i,
   * u run down, j, v across, k is a channel. Cells outside the image are left out; sums are in the
   * order of u, then v, those of the weights in the order of i, then j.
   *     y[i, j, k] = bias[k] + sum of x[i sh + u dh - top, j sw + v dw - left, k] w[u, v, k]
   *     depth_forward   writes rows i of y, [row0, row1)
   *     depth_backward  writes rows [row0, row1) of dx
   *     depth_weights   adds to dw[u, v, k] what rows [row0, row1) of dy give */
  void (*depth_forward)(const ofs_pool *p, ofs_real *y, const ofs_real *x, const ofs_real *w,
                        const ofs_real *bias, uint32_t row0, uint32_t row1);
  void (*depth_backward)(const ofs_pool *p, ofs_real *dx, const ofs_real *dy, const ofs_real *w,
                         uint32_t row0, uint32_t row1);
  void (*depth_weights)(const ofs_pool *p, ofs_real *dw, const ofs_real *x, const ofs_real *dy,
                        uint32_t row0, uint32_t row1);

  /* Dropout treats elements [first, first + n) of a whole batch; first and (but for the batch's
   * end) n are multiples of 4. Element e is kept where word e % 4 of philox(key; e / 4, e / 4 >>
   * 32, layer, step) is at least `threshold`; kept values are scaled by `scale`. Pointers are to
   * element `first`. Backward is the same call on dy. y may be x. */
  void (*dropout)(ofs_real *y, const ofs_real *x, uint64_t first, size_t n, uint32_t threshold,
                  ofs_real scale, const uint32_t key[2], uint32_t layer, uint32_t step);

  /* An update is one step of an optimizer over n weights w with gradient g; a, b, c are its moments
   * (moment[0], ...), in the order in which they are named here. Each is as Keras 3
   * (keras/src/optimizers) writes it; where PyTorch differs, a line says so.
   *   sgd (Sutskever et al. 2013)
   *       momentum 0: w -= rate g; else a = momentum a - rate g, w += a, or with nesterov
   *       w += momentum a - rate g. PyTorch leaves the rate out of a.
   *   adam (Kingma & Ba 2015)
   *       a = b1 a + rest1 g; b = b2 b + rest2 g g;
   *       w -= rate (a correction1) / (sqrt(b correction2) + epsilon).
   *       Keras adds its epsilon before the correction; this is PyTorch's and TensorFlow.js's.
   *   amsgrad (Reddi et al. 2018)
   *       adam with three moments: c = max(c, b) stands for b below the line.
   *   adamw (Loshchilov & Hutter 2019)
   *       adam after a decay of the weights (update.c), which every optimizer may have.
   *   nadam (Dozat 2016)
   *       a, b as adam; w -= rate (ahead a + here g) / (sqrt(b correction2) + epsilon), where
   *       with u(t) = b1 (1 - 0.96^t / 2) and U(t) = u(1) ... u(t)
   *       ahead = u(t + 1) / (1 - U(t + 1)), here = (1 - u(t)) / (1 - U(t)).
   *       PyTorch: 0.96^(0.004 t), and 1 - u(t) over 1 - U(t) likewise.
   *   adamax (Kingma & Ba 2015)
   *       a as adam; b = max(b2 b, |g|); w -= rate (a correction1) / (b + epsilon).
   *       PyTorch: max(b2 b, |g| + epsilon) and nothing below the line.
   *   rmsprop (Hinton 2012)
   *       a = b2 a + rest2 g g; d = rate g / sqrt(a + epsilon); w -= d.
   *       centered: c = b2 c + rest2 g, and max(a - c c, 0) for a.
   *       With momentum b = momentum b + d, w -= b.
   *       A moment that is not in use has no vector: centered without momentum has c as its second.
   *       Keras has no max: a - c c, rounded, may lie below -epsilon. PyTorch: sqrt(a) + epsilon.
   *   adagrad (Duchi et al. 2011)
   *       a += g g; w -= rate g / sqrt(a + epsilon). PyTorch: sqrt(a) + epsilon.
   *   adadelta (Zeiler 2012)
   *       a = b2 a + rest2 g g; d = sqrt(b + epsilon) g / sqrt(a + epsilon);
   *       b = b2 b + rest2 d d; w -= rate d
   *   lion (Chen et al. 2023)
   *       w -= rate sign(b1 a + rest1 g); a = b2 a + rest2 g
   * Where u->clean, moments smaller than OFS_LEAST_MOMENT are set to 0 first: the moments of a unit
   * that learns no more would shrink to denormal numbers and stay, and on these some processors
   * take a hundred times as long. */
  void (*update)(const ofs_update *u, ofs_real *w, ofs_real *const *moment, const ofs_real *g,
                 size_t n);
  /* 1 where all |x| < limit, else (also where one is NaN) 0. */
  int (*bounded)(const ofs_real *x, size_t n, ofs_real limit);

  /* Layer and group normalization (Ba et al. 2016; Wu & He 2018) make u = (x - mean) r, where r = 1
   * / sqrt(variance + epsilon) and the variance is that of x - mean over all N = n * runs numbers.
   * Element i of a run is in lane i % 4, through OFS_NORM_RUNS runs; mean and r are rounded once.
   *     forward   y = u gamma + beta
   *     backward  g = dy gamma      dx = r ((g - sum g / N) - u (sum g u / N))
   *               dgamma += dy u    dbeta += dy */
  void (*norm_forward)(const ofs_norm *norm);
  void (*norm_backward)(const ofs_norm *norm);
  /* channel_sums adds up the rows of (rows, cols), column by column, row r in lane r % 2, lanes
   * added 0 + 1; rows whose mask is 0 are left out (mask NULL: none is). v = x - mean; u NULL: u is
   * v.
   *     sums (NULL: not wanted) = sum u      products (NULL: not wanted) = sum u v */
  void (*channel_sums)(ofs_real *sums, ofs_real *products, const ofs_real *u, const ofs_real *x,
                       const ofs_real *mean, const ofs_real *mask, uint32_t rows, uint32_t cols);
  /* y = ((x - mean) p + q) + z a, column by column; without the first term where x is NULL or a
   * row's mask is 0, without the second where z is NULL. y may be x or z. */
  void (*channel_affine)(ofs_real *y, const ofs_real *x, const ofs_real *mean, const ofs_real *p,
                         const ofs_real *q, const ofs_real *z, const ofs_real *a,
                         const ofs_real *mask, uint32_t rows, uint32_t cols);

  /* These work on one query's row of attention's scores; an element counts where it is one of the
   * first `seen` and its mask (NULL: none) is not 0. Element i is in lane i % 4. forward: x becomes
   * the softmax of scale x over the elements that count, 0 elsewhere; 1 / cols everywhere where
   * none does. backward: p becomes (dropped dp - p sum) scale where it counts, 0 elsewhere. */
  void (*scores_forward)(ofs_real *x, uint32_t cols, uint32_t seen, const ofs_real *mask,
                         ofs_real scale);
  void (*scores_backward)(ofs_real *p, const ofs_real *dropped, const ofs_real *dp, ofs_real sum,
                          uint32_t cols, uint32_t seen, const ofs_real *mask, ofs_real scale);
} ofs_kernels;

/* These set every pointer: to the reference kernels, or to the fast ones. */
void ofs_kernels_fill_ref(ofs_kernels *k);
void ofs_kernels_fill(ofs_kernels *k);

#endif
