/* optimizers.c: one step of each optimizer, and the bound of gradients. */
#include "kernels/ref/ref.h"

#include "base/maths.h"
#include "spec/schema.h"

static void clean(ofs_real *moment, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (moment[i] > -OFS_LEAST_MOMENT && moment[i] < OFS_LEAST_MOMENT) moment[i] = 0;
}

static ofs_real greater(ofs_real a, ofs_real b) { return a > b ? a : b; }

/* Returns w minus a step of the optimizers that have a mean of gradients: sgd, adam, nadam,
 * adamax. */
static ofs_real descend(const ofs_update *u, ofs_real w, ofs_real *const *moment, size_t i,
                        ofs_real g) {
  ofs_real *a = u->moments > 0 ? &moment[0][i] : NULL, *b = u->moments > 1 ? &moment[1][i] : NULL;
  if (u->kind == OFS_SGD) {
    ofs_real down = u->rate * g;
    if (a == NULL) return w - down;
    *a = u->momentum * *a - down;
    return w + (u->nesterov ? u->momentum * *a - down : *a);
  }
  *a = u->beta1 * *a + u->rest1 * g;
  if (u->kind == OFS_ADAMAX) {
    *b = greater(u->beta2 * *b, g < 0 ? -g : g);
    return w - (u->rate * (*a * u->correction1)) / (*b + u->epsilon);
  }
  *b = u->beta2 * *b + (u->rest2 * g) * g;
  ofs_real square = *b,
           mean = u->kind == OFS_NADAM ? u->ahead * *a + u->here * g : *a * u->correction1;
  if (u->moments > 2) square = moment[2][i] = greater(moment[2][i], square);
  return w - (u->rate * mean) / (ofs_sqrt(square * u->correction2) + u->epsilon);
}

/* Does so for those that scale each gradient by its past, and for lion. */
static ofs_real scale_down(const ofs_update *u, ofs_real w, ofs_real *const *moment, size_t i,
                           ofs_real g) {
  ofs_real *a = &moment[0][i], *b = u->moments > 1 ? &moment[1][i] : NULL;
  if (u->kind == OFS_LION) {
    ofs_real way = u->beta1 * *a + u->rest1 * g;
    *a = u->beta2 * *a + u->rest2 * g;
    return w - (way > 0 ? u->rate : way < 0 ? -u->rate : 0);
  }
  if (u->kind == OFS_ADAGRAD) {
    *a = *a + g * g;
    return w - (u->rate * g) / ofs_sqrt(*a + u->epsilon);
  }
  *a = u->beta2 * *a + (u->rest2 * g) * g;
  if (u->kind == OFS_ADADELTA) {
    ofs_real d = (ofs_sqrt(*b + u->epsilon) * g) / ofs_sqrt(*a + u->epsilon);
    *b = u->beta2 * *b + (u->rest2 * d) * d;
    return w - u->rate * d;
  }
  ofs_real square = *a;
  if (u->centered) {
    ofs_real *c = &moment[u->moments - 1][i];
    *c = u->beta2 * *c + u->rest2 * g;
    square = greater(square - *c * *c, 0);
  }
  ofs_real d = (u->rate * g) / ofs_sqrt(square + u->epsilon);
  if (u->momentum > 0) d = *b = u->momentum * *b + d;
  return w - d;
}

static void update_ref(const ofs_update *u, ofs_real *w, ofs_real *const *moment, const ofs_real *g,
                       size_t n) {
  int mean =
      u->kind == OFS_SGD || u->kind == OFS_ADAM || u->kind == OFS_NADAM || u->kind == OFS_ADAMAX;
  for (uint32_t k = 0; u->clean && k < u->moments; k++) clean(moment[k], n);
  for (size_t i = 0; i < n; i++) w[i] = (mean ? descend : scale_down)(u, w[i], moment, i, g[i]);
}

static int bounded_ref(const ofs_real *x, size_t n, ofs_real limit) {
  for (size_t i = 0; i < n; i++)
    if (!(x[i] > -limit && x[i] < limit)) return 0;
  return 1;
}

void ofs_optimizers_fill_ref(ofs_kernels *k) {
  k->update = update_ref;
  k->bounded = bounded_ref;
}
