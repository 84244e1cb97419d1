/* cells.c: the cells of recurrent layers. */
#include "kernels/ref/ref.h"

/* Returns dy times the derivative, from the output alone. */
static ofs_real back(uint32_t act, ofs_real y, ofs_real dy) {
  return ofs_differentiate_ref(act, 0, y, dy);
}

static void lstm_forward_ref(const ofs_cell *cell) {
  const size_t u = cell->units;
  for (size_t r = 0; r < cell->rows; r++)
    for (size_t k = r * u; k < r * u + cell->n; k++) {
      ofs_real *z = cell->gates + r * 3 * u + k, i = ofs_activate_ref(cell->gate_act, z[0]),
               f = ofs_activate_ref(cell->gate_act, z[u]);
      ofs_real g = ofs_activate_ref(cell->act, z[2 * u]),
               o = ofs_activate_ref(cell->gate_act, z[3 * u]);
      ofs_real c = f * cell->before[k] + i * g, a = ofs_activate_ref(cell->act, c);
      z[0] = i, z[u] = f, z[2 * u] = g, z[3 * u] = o;
      cell->c[k] = c;
      if (cell->a) cell->a[k] = a;
      cell->h[k] = o * a;
    }
}

static void lstm_backward_ref(const ofs_cell *cell) {
  const size_t u = cell->units;
  for (size_t r = 0; r < cell->rows; r++)
    for (size_t k = r * u; k < r * u + cell->n; k++) {
      ofs_real *z = cell->gates + r * 3 * u + k, i = z[0], f = z[u], g = z[2 * u], o = z[3 * u];
      ofs_real dh = cell->dh[k], a = cell->a[k], dc = cell->dc[k] + back(cell->act, a, dh * o);
      z[0] = back(cell->gate_act, i, dc * g);
      z[u] = back(cell->gate_act, f, dc * cell->before[k]);
      z[2 * u] = back(cell->act, g, dc * i);
      z[3 * u] = back(cell->gate_act, o, dh * a);
      cell->dc[k] = dc * f;
    }
}

static void gru_forward_ref(const ofs_cell *cell) {
  const size_t u = cell->units;
  for (size_t r = 0; r < cell->rows; r++)
    for (size_t k = r * u; k < r * u + cell->n; k++) {
      ofs_real *p = cell->gates + r * 2 * u + k, *q = cell->q + r * 2 * u + k;
      ofs_real z = ofs_activate_ref(cell->gate_act, p[0] + q[0]),
               reset = ofs_activate_ref(cell->gate_act, p[u] + q[u]);
      ofs_real g = ofs_activate_ref(cell->act, p[2 * u] + reset * q[2 * u]);
      p[0] = z, p[u] = reset, p[2 * u] = g;
      cell->h[k] = z * cell->before[k] + (1 - z) * g;
    }
}

static void gru_backward_ref(const ofs_cell *cell) {
  const size_t u = cell->units;
  for (size_t r = 0; r < cell->rows; r++)
    for (size_t k = r * u; k < r * u + cell->n; k++) {
      ofs_real *p = cell->gates + r * 2 * u + k, *q = cell->q + r * 2 * u + k;
      ofs_real z = p[0], reset = p[u], g = p[2 * u], dh = cell->dh[k];
      ofs_real dg = back(cell->act, g, dh * (1 - z)),
               dz = back(cell->gate_act, z, dh * (cell->before[k] - g));
      ofs_real dr = back(cell->gate_act, reset, dg * q[2 * u]);
      p[0] = q[0] = dz, p[u] = q[u] = dr, p[2 * u] = dg, q[2 * u] = dg * reset;
      cell->dh_before[k] = cell->add ? cell->dh_before[k] + dh * z : dh * z;
    }
}

void ofs_cells_fill_ref(ofs_kernels *k) {
  k->lstm_forward = lstm_forward_ref;
  k->lstm_backward = lstm_backward_ref;
  k->gru_forward = gru_forward_ref;
  k->gru_backward = gru_backward_ref;
}
