/* gemm.c: matrix products, one accumulator an element, in the order of k. */
#include "kernels/ref/ref.h"

static ofs_real gemm_start(const ofs_gemm *g, size_t m, size_t n) {
  if (g->accumulate) return g->c[m * g->ldc + n];
  return g->bias ? g->bias[n] : 0;
}

/* step_m and step_k are the distances of two elements of a along m and along k. */
static void one_gemm_ref(const ofs_gemm *g, size_t step_m, size_t step_k) {
  for (size_t m = 0; m < g->m; m++) {
    for (size_t n = 0; n < g->n; n++) {
      ofs_real sum = gemm_start(g, m, n);
      const ofs_real *b = g->panel ? g->b + n / OFS_PANEL * g->panel + n % OFS_PANEL : g->b + n;
      size_t ldb = g->panel ? OFS_PANEL : g->ldb;
      for (size_t ry = 0; ry < g->runs_y; ry++)
        for (size_t rx = 0; rx < g->runs_x; rx++) {
          const ofs_real *a = g->a + m * step_m + ry * g->step_y + rx * g->step_x;
          for (size_t k = 0; k < g->k; k++, b += ldb) sum += a[k * step_k] * *b;
        }
      g->c[m * g->ldc + n] = sum;
    }
  }
}

static void gemm_ref(const ofs_gemm *g, size_t step_m, size_t step_k) {
  ofs_gemm one = *g;
  for (uint32_t i = 0; i <= g->more; i++, one.a += g->next_a, one.c += g->next_c)
    one_gemm_ref(&one, step_m, step_k);
}

static void gemm_nn_ref(const ofs_gemm *g) { gemm_ref(g, g->lda, 1); }
static void gemm_tn_ref(const ofs_gemm *g) { gemm_ref(g, 1, g->lda); }

void ofs_gemm_fill_ref(ofs_kernels *k) {
  k->gemm_nn = gemm_nn_ref;
  k->gemm_tn = gemm_tn_ref;
}
