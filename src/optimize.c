/* optimize.c: the update of parameters and moments: one pass over flat vectors, four elements at a time, each
 * element by itself in the order of operations of the reference. */
#include "kernels.h"
#include "kernels_fast.h"

#ifndef OFS_REAL_DOUBLE

#include "simd.h"

OFS_INLINE ofs_f4 load(const float *p, size_t n) { return n >= 4 ? ofs_load4(p) : ofs_load_part(p, n); }
OFS_INLINE void store(float *p, ofs_f4 v, size_t n) {
  if (n >= 4)
    ofs_store4(p, v);
  else
    ofs_store_part(p, v, n);
}

static void clean(float *moment, size_t n) {
  for (size_t i = 0; i < n; i += 4) {
    ofs_f4 x = load(moment + i, n - i);
    store(moment + i, ofs_select4(ofs_abs4(x) < ofs_splat4(OFS_LEAST_MOMENT), ofs_splat4(0), x), n - i);
  }
}

/* One vector, or the last 1 to 3 elements. */
OFS_INLINE void sgd_step(const ofs_update *u, float *w, float *v, const float *g, size_t n) {
  ofs_f4 down = ofs_splat4(u->rate) * load(g, n), at = load(w, n);
  if (v == NULL) {
    store(w, at - down, n);
    return;
  }
  ofs_f4 momentum = ofs_splat4(u->momentum);
  ofs_f4 speed = momentum * load(v, n) - down;
  store(v, speed, n);
  store(w, at + (u->nesterov ? momentum * speed - down : speed), n);
}

static void sgd_f32(const ofs_update *u, float *w, float *v, const float *g, size_t n) {
  size_t whole = n / 4 * 4;
  const ofs_update own = *u;
  if (u->clean && v != NULL) clean(v, n);
  for (size_t i = 0; i < whole; i += 4) sgd_step(&own, w + i, v ? v + i : NULL, g + i, 4);
  if (whole < n) sgd_step(&own, w + whole, v ? v + whole : NULL, g + whole, n - whole);
}

OFS_INLINE void adam_step(const ofs_update *u, float *w, float *m, float *v, const float *g, size_t n) {
  ofs_f4 beta1 = ofs_splat4(u->beta1), beta2 = ofs_splat4(u->beta2);
  ofs_f4 rest1 = ofs_splat4(u->rest1), rest2 = ofs_splat4(u->rest2);
  ofs_f4 slope = load(g, n), at = load(w, n);
  ofs_f4 mean = beta1 * load(m, n) + rest1 * slope;
  ofs_f4 square = beta2 * load(v, n) + (rest2 * slope) * slope;
  store(m, mean, n);
  store(v, square, n);
  if (u->decay > 0) at = at - ofs_splat4(u->decay) * at;
  ofs_f4 root = ofs_sqrt4(square * ofs_splat4(u->correction2)) + ofs_splat4(u->epsilon);
  store(w, at - (ofs_splat4(u->rate) * (mean * ofs_splat4(u->correction1))) / root, n);
}

static void adam_f32(const ofs_update *u, float *w, float *m, float *v, const float *g, size_t n) {
  size_t whole = n / 4 * 4;
  const ofs_update own = *u;
  if (u->clean) clean(m, n), clean(v, n);
  for (size_t i = 0; i < whole; i += 4) adam_step(&own, w + i, m + i, v + i, g + i, 4);
  if (whole < n) adam_step(&own, w + whole, m + whole, v + whole, g + whole, n - whole);
}

void ofs_optimize_fill(ofs_kernels *k) {
  k->sgd = sgd_f32;
  k->adam = adam_f32;
}

#endif
