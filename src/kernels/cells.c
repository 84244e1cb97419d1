/* cells.c: the cells of recurrent layers (kernels.h has their formulas), four units at a time.
 *
 * tanh with sigmoid gates, the commonest choice, is compiled as one straight loop; other
 * activations, and the last one to three units of a row, go through functions that know all of
 * them. No unit sees another. */
#include "kernels/activate.h"
#include "kernels/kernels.h"
#include "kernels/fast.h"
#include "kernels/rows.h"

#ifndef OFS_REAL_DOUBLE

static ofs_f4 any_act(uint32_t act, ofs_f4 x) {
  float v[4];
  ofs_store4(v, x);
  ofs_act_forward(act, v, v, 4);
  return ofs_load4(v);
}
static ofs_f4 any_back(uint32_t act, ofs_f4 y, ofs_f4 dy) {
  float v[4], d[4];
  ofs_store4(v, y);
  ofs_store4(d, dy);
  ofs_act_backward(act, d, NULL, v, d, 4);
  return ofs_load4(d);
}

/* `usual` is a constant: 1 where a cell has tanh with sigmoid gates. */
OFS_INLINE ofs_f4 state_act(const ofs_cell *cell, ofs_f4 x, int usual) {
  return usual ? ofs_tanh4(x) : any_act(cell->act, x);
}
OFS_INLINE ofs_f4 gate_act(const ofs_cell *cell, ofs_f4 x, int usual) {
  return usual ? ofs_sigmoid4(x) : any_act(cell->gate_act, x);
}
OFS_INLINE ofs_f4 state_back(const ofs_cell *cell, ofs_f4 y, ofs_f4 dy, int usual) {
  return usual ? ofs_differentiate4(OFS_ACT_TANH, y, dy) : any_back(cell->act, y, dy);
}
OFS_INLINE ofs_f4 gate_back(const ofs_cell *cell, ofs_f4 y, ofs_f4 dy, int usual) {
  return usual ? ofs_differentiate4(OFS_ACT_SIGMOID, y, dy) : any_back(cell->gate_act, y, dy);
}

/* These load and store the first `lanes` elements, 1 to 4; a constant 4 in the straight loops. */
OFS_INLINE ofs_f4 load(const float *p, size_t lanes, int usual) {
  return usual ? ofs_load4(p) : ofs_load_some(p, lanes);
}
OFS_INLINE void store(float *p, ofs_f4 v, size_t lanes, int usual) {
  if (usual)
    ofs_store4(p, v);
  else
    ofs_store_some(p, v, lanes);
}

/* The four functions below compute `lanes` units of a row: `z` is their first gate, `k` their index
 * in all else. */
OFS_INLINE void lstm_forward_lanes(const ofs_cell *cell, float *z, size_t k, size_t lanes,
                                   int usual) {
  const size_t u = cell->units;
  ofs_f4 i = gate_act(cell, load(z, lanes, usual), usual),
         f = gate_act(cell, load(z + u, lanes, usual), usual);
  ofs_f4 g = state_act(cell, load(z + 2 * u, lanes, usual), usual),
         o = gate_act(cell, load(z + 3 * u, lanes, usual), usual);
  ofs_f4 c = f * load(cell->before + k, lanes, usual) + i * g, a = state_act(cell, c, usual);
  store(z, i, lanes, usual);
  store(z + u, f, lanes, usual);
  store(z + 2 * u, g, lanes, usual);
  store(z + 3 * u, o, lanes, usual);
  store(cell->c + k, c, lanes, usual);
  if (cell->a) store(cell->a + k, a, lanes, usual);
  store(cell->h + k, o * a, lanes, usual);
}

OFS_INLINE void lstm_backward_lanes(const ofs_cell *cell, float *z, size_t k, size_t lanes,
                                    int usual) {
  const size_t u = cell->units;
  ofs_f4 i = load(z, lanes, usual), f = load(z + u, lanes, usual),
         g = load(z + 2 * u, lanes, usual), o = load(z + 3 * u, lanes, usual);
  ofs_f4 dh = load(cell->dh + k, lanes, usual), a = load(cell->a + k, lanes, usual),
         before = load(cell->before + k, lanes, usual);
  ofs_f4 dc = load(cell->dc + k, lanes, usual) + state_back(cell, a, dh * o, usual);
  store(z, gate_back(cell, i, dc * g, usual), lanes, usual);
  store(z + u, gate_back(cell, f, dc * before, usual), lanes, usual);
  store(z + 2 * u, state_back(cell, g, dc * i, usual), lanes, usual);
  store(z + 3 * u, gate_back(cell, o, dh * a, usual), lanes, usual);
  store(cell->dc + k, dc * f, lanes, usual);
}

OFS_INLINE void gru_forward_lanes(const ofs_cell *cell, float *p, float *q, size_t k, size_t lanes,
                                  int usual) {
  const size_t u = cell->units;
  ofs_f4 z = gate_act(cell, load(p, lanes, usual) + load(q, lanes, usual), usual);
  ofs_f4 r = gate_act(cell, load(p + u, lanes, usual) + load(q + u, lanes, usual), usual);
  ofs_f4 g =
      state_act(cell, load(p + 2 * u, lanes, usual) + r * load(q + 2 * u, lanes, usual), usual);
  store(p, z, lanes, usual);
  store(p + u, r, lanes, usual);
  store(p + 2 * u, g, lanes, usual);
  store(cell->h + k, z * load(cell->before + k, lanes, usual) + (ofs_splat4(1) - z) * g, lanes,
        usual);
}

OFS_INLINE void gru_backward_lanes(const ofs_cell *cell, float *p, float *q, size_t k, size_t lanes,
                                   int usual) {
  const size_t u = cell->units;
  ofs_f4 z = load(p, lanes, usual), r = load(p + u, lanes, usual),
         g = load(p + 2 * u, lanes, usual), dh = load(cell->dh + k, lanes, usual);
  ofs_f4 dg = state_back(cell, g, dh * (ofs_splat4(1) - z), usual);
  ofs_f4 dz = gate_back(cell, z, dh * (load(cell->before + k, lanes, usual) - g), usual);
  ofs_f4 dr = gate_back(cell, r, dg * load(q + 2 * u, lanes, usual), usual), through = dh * z;
  store(p, dz, lanes, usual);
  store(p + u, dr, lanes, usual);
  store(p + 2 * u, dg, lanes, usual);
  store(q, dz, lanes, usual);
  store(q + u, dr, lanes, usual);
  store(q + 2 * u, dg * r, lanes, usual);
  if (cell->add) through = load(cell->dh_before + k, lanes, usual) + through;
  store(cell->dh_before + k, through, lanes, usual);
}

static int is_usual(const ofs_cell *cell) {
  return cell->act == OFS_ACT_TANH && cell->gate_act == OFS_ACT_SIGMOID;
}

static size_t lanes_left(const ofs_cell *cell, size_t k) {
  return cell->n - k < 4 ? cell->n - k : 4;
}

static void lstm_forward_f32(const ofs_cell *cell) {
  const size_t u = cell->units, whole = is_usual(cell) ? cell->n / 4 * 4 : 0;
  for (size_t r = 0; r < cell->rows; r++) {
    float *z = cell->gates + r * 4 * u;
    for (size_t k = 0; k < whole; k += 4) lstm_forward_lanes(cell, z + k, r * u + k, 4, 1);
    for (size_t k = whole; k < cell->n; k += 4)
      lstm_forward_lanes(cell, z + k, r * u + k, lanes_left(cell, k), 0);
  }
}

static void lstm_backward_f32(const ofs_cell *cell) {
  const size_t u = cell->units, whole = is_usual(cell) ? cell->n / 4 * 4 : 0;
  for (size_t r = 0; r < cell->rows; r++) {
    float *z = cell->gates + r * 4 * u;
    for (size_t k = 0; k < whole; k += 4) lstm_backward_lanes(cell, z + k, r * u + k, 4, 1);
    for (size_t k = whole; k < cell->n; k += 4)
      lstm_backward_lanes(cell, z + k, r * u + k, lanes_left(cell, k), 0);
  }
}

static void gru_forward_f32(const ofs_cell *cell) {
  const size_t u = cell->units, whole = is_usual(cell) ? cell->n / 4 * 4 : 0;
  for (size_t r = 0; r < cell->rows; r++) {
    float *p = cell->gates + r * 3 * u, *q = cell->q + r * 3 * u;
    for (size_t k = 0; k < whole; k += 4) gru_forward_lanes(cell, p + k, q + k, r * u + k, 4, 1);
    for (size_t k = whole; k < cell->n; k += 4)
      gru_forward_lanes(cell, p + k, q + k, r * u + k, lanes_left(cell, k), 0);
  }
}

static void gru_backward_f32(const ofs_cell *cell) {
  const size_t u = cell->units, whole = is_usual(cell) ? cell->n / 4 * 4 : 0;
  for (size_t r = 0; r < cell->rows; r++) {
    float *p = cell->gates + r * 3 * u, *q = cell->q + r * 3 * u;
    for (size_t k = 0; k < whole; k += 4) gru_backward_lanes(cell, p + k, q + k, r * u + k, 4, 1);
    for (size_t k = whole; k < cell->n; k += 4)
      gru_backward_lanes(cell, p + k, q + k, r * u + k, lanes_left(cell, k), 0);
  }
}

void ofs_cells_fill(ofs_kernels *k) {
  k->lstm_forward = lstm_forward_f32;
  k->lstm_backward = lstm_backward_f32;
  k->gru_forward = gru_forward_f32;
  k->gru_backward = gru_backward_f32;
}

#endif
