/* optimizers.c: the steps of the optimizers: one pass over flat vectors, four elements at a time,
 * each element by itself in the order of operations of the reference. sgd and adam have loops of
 * their own; the others share one. */
#include "kernels/kernels.h"
#include "kernels/fast.h"

#ifndef OFS_REAL_DOUBLE

#include "spec/schema.h"
#include "base/simd.h"

#define MOST_MOMENTS 3

static void clean(float *moment, size_t n) {
  for (size_t i = 0; i < n; i += 4) {
    ofs_f4 x = ofs_load4(moment + i);
    ofs_store4(moment + i,
               ofs_select4(ofs_abs4(x) < ofs_splat4(OFS_LEAST_MOMENT), ofs_splat4(0), x));
  }
}

OFS_INLINE ofs_f4 greater(ofs_f4 a, ofs_f4 b) { return ofs_select4(a > b, a, b); }

OFS_INLINE void sgd(const ofs_update *u, float *w, float *a, const float *g, size_t n) {
  ofs_f4 rate = ofs_splat4(u->rate), momentum = ofs_splat4(u->momentum);
  for (size_t i = 0; i < n; i += 4) {
    ofs_f4 down = rate * ofs_load4(g + i), at = ofs_load4(w + i);
    if (a == NULL) {
      ofs_store4(w + i, at - down);
      continue;
    }
    ofs_f4 speed = momentum * ofs_load4(a + i) - down;
    ofs_store4(a + i, speed);
    ofs_store4(w + i, at + (u->nesterov ? momentum * speed - down : speed));
  }
}

/* c is NULL but for amsgrad. */
OFS_INLINE void adam(const ofs_update *u, float *w, float *a, float *b, float *c, const float *g,
                     size_t n) {
  for (size_t i = 0; i < n; i += 4) {
    ofs_f4 slope = ofs_load4(g + i);
    ofs_f4 mean = ofs_splat4(u->beta1) * ofs_load4(a + i) + ofs_splat4(u->rest1) * slope;
    ofs_f4 square =
        ofs_splat4(u->beta2) * ofs_load4(b + i) + (ofs_splat4(u->rest2) * slope) * slope;
    ofs_store4(a + i, mean);
    ofs_store4(b + i, square);
    if (c) ofs_store4(c + i, square = greater(ofs_load4(c + i), square));
    ofs_f4 root = ofs_sqrt4(square * ofs_splat4(u->correction2)) + ofs_splat4(u->epsilon);
    ofs_store4(w + i, ofs_load4(w + i) -
                          (ofs_splat4(u->rate) * (mean * ofs_splat4(u->correction1))) / root);
  }
}

/* Returns what four weights lose in a step, and changes x, their moments. */
OFS_INLINE ofs_f4 rare_step(const ofs_update *u, ofs_f4 x[MOST_MOMENTS], ofs_f4 g) {
  ofs_f4 rate = ofs_splat4(u->rate), beta1 = ofs_splat4(u->beta1), beta2 = ofs_splat4(u->beta2);
  ofs_f4 rest1 = ofs_splat4(u->rest1), rest2 = ofs_splat4(u->rest2),
         epsilon = ofs_splat4(u->epsilon);
  ofs_f4 zero = ofs_splat4(0), mean = beta1 * x[0] + rest1 * g,
         square = beta2 * x[0] + (rest2 * g) * g, d;
  switch (u->kind) {
  case OFS_NADAM:
    x[0] = mean;
    x[1] = beta2 * x[1] + (rest2 * g) * g;
    d = ofs_splat4(u->ahead) * mean + ofs_splat4(u->here) * g;
    return (rate * d) / (ofs_sqrt4(x[1] * ofs_splat4(u->correction2)) + epsilon);
  case OFS_ADAMAX:
    x[0] = mean;
    x[1] = greater(beta2 * x[1], ofs_abs4(g));
    return (rate * (mean * ofs_splat4(u->correction1))) / (x[1] + epsilon);
  case OFS_LION:
    x[0] = beta2 * x[0] + rest2 * g;
    return ofs_select4(mean > zero, rate, ofs_select4(mean < zero, -rate, zero));
  case OFS_ADAGRAD: x[0] = x[0] + g * g; return (rate * g) / ofs_sqrt4(x[0] + epsilon);
  case OFS_ADADELTA:
    x[0] = square;
    d = (ofs_sqrt4(x[1] + epsilon) * g) / ofs_sqrt4(square + epsilon);
    x[1] = beta2 * x[1] + (rest2 * d) * d;
    return rate * d;
  default: { /* rmsprop */
    ofs_f4 *c = &x[u->momentum > 0 ? 2 : 1];
    x[0] = square;
    if (u->centered) {
      *c = beta2 * *c + rest2 * g;
      square = greater(square - *c * *c, zero);
    }
    d = (rate * g) / ofs_sqrt4(square + epsilon);
    return u->momentum > 0 ? x[1] = ofs_splat4(u->momentum) * x[1] + d : d;
  }
  }
}

static void rare(const ofs_update *u, float *w, float *const *moment, const float *g, size_t n) {
  for (size_t i = 0; i < n; i += 4) {
    ofs_f4 x[MOST_MOMENTS] = {{0}};
    for (uint32_t k = 0; k < u->moments; k++) x[k] = ofs_load4(moment[k] + i);
    ofs_store4(w + i, ofs_load4(w + i) - rare_step(u, x, ofs_load4(g + i)));
    for (uint32_t k = 0; k < u->moments; k++) ofs_store4(moment[k] + i, x[k]);
  }
}

/* n is a multiple of 4. */
static void update_whole(const ofs_update *u, float *w, float *const *moment, const float *g,
                         size_t n) {
  const ofs_update own = *u; /* a copy that no store can change */
  for (uint32_t k = 0; u->clean && k < u->moments; k++) clean(moment[k], n);
  if (u->kind == OFS_SGD)
    sgd(&own, w, u->moments ? moment[0] : NULL, g, n);
  else if (u->kind == OFS_ADAM)
    adam(&own, w, moment[0], moment[1], u->moments > 2 ? moment[2] : NULL, g, n);
  else
    rare(&own, w, moment, g, n);
}

static void update_f32(const ofs_update *u, float *w, float *const *moment, const float *g,
                       size_t n) {
  size_t whole = n / 4 * 4;
  update_whole(u, w, moment, g, whole);
  if (whole == n) return;
  /* the last few, as a vector of their own */
  float last[MOST_MOMENTS + 2][4] = {{0}}, *const moments[MOST_MOMENTS] = {last[2], last[3],
                                                                           last[4]};
  for (size_t i = whole; i < n; i++) {
    last[0][i - whole] = w[i], last[1][i - whole] = g[i];
    for (uint32_t k = 0; k < u->moments; k++) moments[k][i - whole] = moment[k][i];
  }
  update_whole(u, last[0], moments, last[1], 4);
  for (size_t i = whole; i < n; i++) {
    w[i] = last[0][i - whole];
    for (uint32_t k = 0; k < u->moments; k++) moment[k][i] = moments[k][i - whole];
  }
}

static int bounded_f32(const float *x, size_t n, float limit) {
  ofs_i4 all = {-1, -1, -1, -1};
  for (size_t i = 0; i + 4 <= n; i += 4) all &= ofs_abs4(ofs_load4(x + i)) < ofs_splat4(limit);
  all &= ofs_abs4(ofs_load_part(x + n / 4 * 4, n % 4)) < ofs_splat4(limit);
  return (all[0] & all[1] & all[2] & all[3]) != 0;
}

void ofs_optimizers_fill(ofs_kernels *k) {
  k->update = update_f32;
  k->bounded = bounded_f32;
}

#endif
