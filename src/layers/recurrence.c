/* recurrence.c: the steps of recurrent layers, part by part, forward and backward.
 *
 * A part is a block of samples, or of some of their units (a wave then is one step, because the
 * next needs all units). A step that is masked carries its states on, and their gradients back; its
 * gates have none. Cells run over the rows between two masked ones, so that no kernel knows of
 * masks. */
#include "layers/recurrent.h"

#include "base/copy.h"

/* A stretch is the work of a part: samples [from, from + rows), units [unit, unit + n), steps
 * [first, last) in the order of time. */
typedef struct stretch {
  size_t from, unit;
  uint32_t rows, n, first, last;
} stretch;

static stretch stretch_of(const ofs_op *op, uint32_t part) {
  uint32_t wave = part / (op->parts / op->waves), steps = op->n[WAVE_STEPS],
           all = steps_of(op->layer);
  const ofs_range r = ofs_range_of(op, part);
  uint32_t unit = r.tile * op->n[TILE_UNITS], first = wave * steps;
  return (stretch){.from = r.from,
                   .unit = unit,
                   .rows = (uint32_t)(r.to - r.from),
                   .n = ofs_min(op->n[TILE_UNITS], op->layer->units - unit),
                   .first = first,
                   .last = all - first < steps ? all : first + steps};
}

/* Returns the stretch of a backward part, whose first wave is at the end of time. */
static stretch stretch_back(const ofs_op *op, uint32_t part) {
  stretch s = stretch_of(op, part);
  uint32_t first = s.first, steps = steps_of(op->layer);
  s.first = steps - s.last, s.last = steps - first;
  return s;
}

/* Returns where block t of `width` numbers a sample has the part's first sample. */
static size_t block_at(const ofs_op *op, const stretch *s, uint64_t t, uint32_t width) {
  return (t * op->count + s->from) * width;
}

/* These set and copy the part's units of `rows` rows. */
static void zero_rows(real *at, const stretch *s, uint32_t rows, uint32_t units) {
  for (size_t r = 0; r < rows; r++) ofs_zero(at + r * units, s->n);
}

static void copy_rows(real *to, const real *from, const stretch *s, uint32_t rows, uint32_t units) {
  for (size_t r = 0; r < rows; r++) ofs_copy(to + r * units, from + r * units, s->n);
}

static void add_rows(real *to, const real *from, const stretch *s, uint32_t rows, uint32_t units) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < s->n; i++) to[r * units + i] += from[r * units + i];
}

/* Returns how many rows from `row` on are all masked at step t, or all not. */
static uint32_t run_of(const ofs_op *op, const stretch *s, uint32_t t, uint32_t row, int *masked) {
  uint32_t end = row, steps = steps_of(op->layer);
  *masked = 0;
  if (!op->at[MASK]) return s->rows - row;
  const real *mask = op->at[MASK] + (s->from + row) * steps + input_step(op->layer, t);
  *masked = *mask == 0;
  while (end < s->rows && (*mask == 0) == *masked) end++, mask += steps;
  return end - row;
}

/* Computes c (rows, gates) += h U, or h U + the bias; the part's units of gates [gate, end), the
 * first k numbers of h. */
static void recur(const ofs_context *ctx, const ofs_layer *l, const stretch *s, real *c,
                  const real *h, uint32_t k, uint32_t gate, uint32_t end, const real *panels,
                  const real *bias, int accumulate) {
  uint32_t u = l->units;
  size_t panel = (size_t)u * OFS_PANEL;
  ofs_gemm g = {.lda = u,
                .ldc = (size_t)gates_of(l) * u,
                .a = h,
                .panel = panel,
                .m = s->rows,
                .n = s->n,
                .k = k,
                .runs_y = 1,
                .runs_x = 1,
                .accumulate = accumulate};
  for (; gate < end; gate++) {
    g.c = c + (size_t)gate * u + s->unit;
    g.b = panels + (gate * panels_of(u) + s->unit / OFS_PANEL) * panel;
    g.bias = bias ? bias + (size_t)gate * u + s->unit : NULL;
    ctx->kernels->gemm_nn(&g);
  }
}

/* Computes dh (rows, units) += dz U^T, the part's units; dz of gates [gate, end). */
static void recur_back(const ofs_context *ctx, const ofs_layer *l, const stretch *s, real *dh,
                       const real *dz, uint32_t gate, uint32_t end, const real *turned,
                       int accumulate) {
  uint32_t u = l->units, n = gates_of(l) * u;
  size_t panel = (size_t)n * OFS_PANEL, first = (size_t)gate * u;
  ofs_gemm g = {.c = dh + s->unit,
                .ldc = u,
                .a = dz + first,
                .lda = n,
                .b = turned + s->unit / OFS_PANEL * panel + first * OFS_PANEL,
                .panel = panel,
                .m = s->rows,
                .n = s->n,
                .k = (end - gate) * u,
                .runs_y = 1,
                .runs_x = 1,
                .accumulate = accumulate};
  ctx->kernels->gemm_nn(&g);
}

/* ---- a step, all rows of a run: forward ---- */

/* A step has the addresses of its numbers, from the part's first row on. */
typedef struct step {
  const ofs_layer *l;
  uint32_t t;
  real *gates, *h, *next, *cells, *c_next, *a; /* cells: lstm c before, gru q, or r h */
  real *dh, *dh_before, *dc;
  /* a cell's remains in dh would be taken for a masked row's gradient, which goes to the step
   * before */
  int clears;
} step;

/* Returns the numbers of a sample in a block of cells. */
static uint32_t cells_width(const ofs_layer *l) { return ofs_has_q(l) ? 3 * l->units : l->units; }

static step at_row(const step *p, size_t row) {
  size_t u = p->l->units;
  step q = *p;
  q.gates += row * gates_of(p->l) * u;
  if (q.cells) q.cells += row * cells_width(p->l);
  real **rows[] = {&q.h, &q.next, &q.c_next, &q.a, &q.dh, &q.dh_before, &q.dc};
  for (int i = 0; i < 7; i++)
    if (*rows[i]) *rows[i] += row * u;
  return q;
}

/* Such a function treats rows that are all masked, or none of them. */
typedef void (*cell_fn)(const ofs_context *ctx, const stretch *s, const step *at);

/* Calls `live` for each run of rows that are not masked, `masked` (NULL: nothing) for each of those
 * that are. */
static void each_run(const ofs_context *ctx, const ofs_op *op, const stretch *s, const step *at,
                     cell_fn live, cell_fn masked) {
  stretch run = *s;
  for (uint32_t row = 0; row < s->rows; row += run.rows) {
    int is_masked;
    run.rows = run_of(op, s, at->t, row, &is_masked);
    step here = at_row(at, row);
    cell_fn cell = is_masked ? masked : live;
    if (cell) cell(ctx, &run, &here);
  }
}

static real *at_unit(real *row, const stretch *s) { return row ? row + s->unit : NULL; }

/* Returns all that a cell of either kind may need. */
static ofs_cell cell_of(const stretch *s, const step *at) {
  const ofs_layer *l = at->l;
  return (ofs_cell){.act = l->state_act,
                    .gate_act = l->gate_act,
                    .rows = s->rows,
                    .n = s->n,
                    .units = l->units,
                    .gates = at_unit(at->gates, s),
                    .before = at_unit(l->type == OFS_LSTM ? at->cells : at->h, s),
                    .h = at_unit(at->next, s),
                    .c = at_unit(at->c_next, s),
                    .a = at_unit(at->a, s),
                    .q = at_unit(at->cells, s),
                    .dh = at_unit(at->dh, s),
                    .dc = at_unit(at->dc, s),
                    .dh_before = at_unit(at->dh_before, s),
                    .add = at->dh_before != at->dh};
}

static void lstm_cell(const ofs_context *ctx, const stretch *s, const step *at) {
  const ofs_cell cell = cell_of(s, at);
  ctx->kernels->lstm_forward(&cell);
}

static void gru_cell(const ofs_context *ctx, const stretch *s, const step *at) {
  const ofs_cell cell = cell_of(s, at);
  ctx->kernels->gru_forward(&cell);
}

/* Computes h = act(x W + b + h U); the gates keep it. */
static void simple_cell(const ofs_context *ctx, const stretch *s, const step *at) {
  uint32_t u = at->l->units;
  for (size_t r = 0; r < s->rows; r++) {
    real *z = at->gates + r * u + s->unit;
    ctx->kernels->act_forward(at->l->state_act, z, z, s->n);
    ofs_copy(at->next + r * u + s->unit, z, s->n);
  }
}

/* Computes gru with its reset before the product, after the products of z and r: g lacks (r h) U,
 * which needs r of all units; so a part has all units. */
static void reset_cell(const ofs_context *ctx, const stretch *s, const step *at) {
  uint32_t u = at->l->units;
  for (size_t r = 0; r < s->rows; r++) {
    real *z = at->gates + r * 3 * u, *reset = z + u;
    ctx->kernels->act_forward(at->l->gate_act, z, z, 2 * (size_t)u);
    for (size_t i = 0; i < u; i++) at->cells[r * u + i] = reset[i] * at->h[r * u + i];
  }
}

static void reset_state(const ofs_context *ctx, const stretch *s, const step *at) {
  uint32_t u = at->l->units;
  for (size_t r = 0; r < s->rows; r++) {
    real *z = at->gates + r * 3 * u, *g = z + 2 * (size_t)u;
    ctx->kernels->act_forward(at->l->state_act, g, g, u);
    for (size_t i = 0; i < u; i++)
      at->next[r * u + i] = z[i] * at->h[r * u + i] + (1 - z[i]) * g[i];
  }
}

/* Carries the state over a masked step. */
static void carry(const ofs_context *ctx, const stretch *s, const step *at) {
  (void)ctx;
  uint32_t u = at->l->units;
  copy_rows(at->next + s->unit, at->h + s->unit, s, s->rows, u);
  if (at->c_next && at->c_next != at->cells)
    copy_rows(at->c_next + s->unit, at->cells + s->unit, s, s->rows, u);
  if (at->l->n[RESET_FIRST]) zero_rows(at->cells, s, s->rows, u); /* no share in dU */
}

/* ---- a step: backward ---- */

/* Clears dh of rows that are not masked, so that it will have only the sum of products. */
static void leave_nothing(const stretch *s, const step *at) {
  if (at->clears) zero_rows(at->dh + s->unit, s, s->rows, at->l->units);
}

static void lstm_cell_back(const ofs_context *ctx, const stretch *s, const step *at) {
  const ofs_cell cell = cell_of(s, at);
  ctx->kernels->lstm_backward(&cell);
  leave_nothing(s, at);
}

/* The share of dh that goes straight through is written over dh where no step before has its
 * own. */
static void gru_cell_back(const ofs_context *ctx, const stretch *s, const step *at) {
  const ofs_cell cell = cell_of(s, at);
  ctx->kernels->gru_backward(&cell);
}

static void simple_cell_back(const ofs_context *ctx, const stretch *s, const step *at) {
  uint32_t u = at->l->units;
  for (size_t r = 0; r < s->rows; r++) {
    real *z = at->gates + r * u + s->unit;
    ctx->kernels->act_backward(at->l->state_act, z, NULL, z, at->dh + r * u + s->unit, s->n);
  }
  leave_nothing(s, at);
}

/* Computes dg = t'(g) (dh (1 - z)), dz = s'(z) (dh (h_before - g)); dh z goes straight through. */
static void reset_cell_back(const ofs_context *ctx, const stretch *s, const step *at) {
  uint32_t u = at->l->units;
  const ofs_kernels *k = ctx->kernels;
  for (size_t r = 0; r < s->rows; r++) {
    real *z = at->gates + r * 3 * u, *g = z + 2 * (size_t)u, *dh = at->dh + r * u,
         *before = at->dh_before + r * u;
    real *d = at->dc + r * u; /* of z first; it is written over below */
    int add = at->dh_before != at->dh;
    for (size_t i = 0; i < u; i++) {
      real slope = dh[i], through = slope * z[i];
      d[i] = slope * (at->h[r * u + i] - g[i]);
      real inner = slope * (1 - z[i]);
      if (add)
        before[i] += through;
      else
        before[i] = through;
      k->act_backward(at->l->state_act, &g[i], NULL, &g[i], &inner, 1);
    }
    k->act_backward(at->l->gate_act, z, NULL, z, d, u);
  }
}

/* Computes dr = s'(r) (d h_before) of the gradient d of r h; d r is another share of h_before's. */
static void reset_back(const ofs_context *ctx, const stretch *s, const step *at) {
  uint32_t u = at->l->units;
  for (size_t r = 0; r < s->rows; r++) {
    real *reset = at->gates + r * 3 * u + u, *d = at->dc + r * u, *before = at->dh_before + r * u;
    for (size_t i = 0; i < u; i++) {
      if (at->t) before[i] += d[i] * reset[i];
      d[i] *= at->h[r * u + i];
    }
    ctx->kernels->act_backward(at->l->gate_act, reset, NULL, reset, d, u);
  }
}

/* Clears the part's units in `width` blocks of `units` numbers of each row. */
static void zero_each(real *at, const stretch *s, uint32_t width, uint32_t units) {
  for (size_t i = 0; i < (size_t)s->rows * width; i++) ofs_zero(at + i * units + s->unit, s->n);
}

/* Treats a masked step: its gates have no gradient; dh goes to the step before, where that has its
 * own. */
static void pass_back(const ofs_context *ctx, const stretch *s, const step *at) {
  (void)ctx;
  uint32_t u = at->l->units;
  zero_each(at->gates, s, gates_of(at->l), u);
  if (ofs_has_q(at->l)) zero_each(at->cells, s, 3, u);
  if (at->l->n[RESET_FIRST]) zero_rows(at->dc, s, s->rows, u);
  if (at->dh_before != at->dh) add_rows(at->dh_before + s->unit, at->dh + s->unit, s, s->rows, u);
}

/* ---- the recurrences ---- */

/* A kind has its functions for one step, forward and backward. With the reset first there is more
 * to do once the product of r h, or its gradient, is there. */
typedef struct kind {
  cell_fn forward, forward_more, backward, backward_more;
} kind;

static const kind *kind_of(const ofs_layer *l) {
  static const kind simple = {simple_cell, NULL, simple_cell_back, NULL},
                    lstm = {lstm_cell, NULL, lstm_cell_back, NULL},
                    gru = {gru_cell, NULL, gru_cell_back, NULL},
                    reset_first = {reset_cell, reset_state, reset_cell_back, reset_back};
  return l->type == OFS_SIMPLE_RNN ? &simple
         : l->type == OFS_LSTM     ? &lstm
         : ofs_has_q(l)            ? &gru
                                   : &reset_first;
}

void ofs_recurrence_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const stretch s = stretch_of(op, part);
  const kind *cells = kind_of(l);
  uint32_t u = l->units, steps = steps_of(l), gates = gates_of(l), lstm = l->type == OFS_LSTM;
  uint64_t keeps = op->n[KEEPS];
  const real *bias = l->bias_size && ofs_has_q(l) ? ctx->params + l->bias_at + 3 * (size_t)u : NULL;
  for (uint32_t t = s.first; t < s.last; t++) {
    step at = {.l = l,
               .t = t,
               .gates = op->at[GATES] + block_at(op, &s, t, gates * u),
               .h = op->at[H] + block_at(op, &s, t, u)};
    at.next = op->at[Y] && t + 1 == steps ? op->at[Y] + s.from * u
                                          : op->at[H] + block_at(op, &s, t + 1, u);
    if (op->at[CELLS]) at.cells = op->at[CELLS] + block_at(op, &s, keeps * t, cells_width(l));
    if (lstm) at.c_next = op->at[CELLS] + block_at(op, &s, keeps * (t + 1), u);
    if (lstm && keeps) at.a = op->at[CELLS] + block_at(op, &s, (uint64_t)steps + 1 + t, u);
    if (t == 0) zero_rows(at.h + s.unit, &s, s.rows, u);
    if (t == 0 && lstm) zero_rows(at.cells + s.unit, &s, s.rows, u);
    /* h_0 is not read: other tiles of it may not be zero yet */
    if (ofs_has_q(l))
      recur(ctx, l, &s, at.cells, at.h, t ? u : 0, 0, 3, op->at[PANELS], bias, 0);
    else if (t)
      recur(ctx, l, &s, at.gates, at.h, u, 0, l->n[RESET_FIRST] ? 2 : gates, op->at[PANELS], NULL,
            1);
    each_run(ctx, op, &s, &at, cells->forward, carry);
    if (!cells->forward_more) continue;
    if (t) recur(ctx, l, &s, at.gates, at.cells, u, 2, 3, op->at[PANELS], NULL, 1);
    each_run(ctx, op, &s, &at, cells->forward_more, NULL);
  }
}

void ofs_recurrence_back_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const stretch s = stretch_back(op, part);
  const kind *cells = kind_of(l);
  uint32_t u = l->units, steps = steps_of(l), gates = gates_of(l), lstm = l->type == OFS_LSTM,
           gru = l->type == OFS_GRU;
  for (uint32_t t = s.last; t-- > s.first;) {
    step at = {.l = l,
               .t = t,
               .gates = op->at[GATES] + block_at(op, &s, t, gates * u),
               .h = op->at[H] + block_at(op, &s, t, u)};
    at.dh = op->at[DH] + block_at(op, &s, l->sequences ? t : 0, u);
    at.dh_before = l->sequences && t ? at.dh - (size_t)op->count * u : at.dh;
    at.clears = op->at[MASK] && !gru && at.dh_before == at.dh;
    if (op->at[DC]) at.dc = op->at[DC] + s.from * u;
    if (op->at[CELLS]) at.cells = op->at[CELLS] + block_at(op, &s, t, cells_width(l));
    if (lstm) at.a = op->at[CELLS] + block_at(op, &s, (uint64_t)steps + 1 + t, u);
    if (lstm && t + 1 == steps) zero_rows(at.dc + s.unit, &s, s.rows, u);
    const real *after = (ofs_has_q(l) ? at.cells : at.gates) + (size_t)op->count * gates * u;
    if (t + 1 < steps)
      recur_back(ctx, l, &s, at.dh, after, 0, l->n[RESET_FIRST] ? 2 : gates, op->at[TURNED],
                 gru || l->sequences || op->at[MASK]);
    each_run(ctx, op, &s, &at, cells->backward, pass_back);
    if (!cells->backward_more) continue;
    recur_back(ctx, l, &s, at.dc, at.gates, 2, 3, op->at[TURNED], 0);
    each_run(ctx, op, &s, &at, cells->backward_more, NULL);
  }
}

/* Computes the columns of dU that belong to g, where r h multiplies them: rows [from, to) of U. */
void ofs_reset_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  uint32_t u = l->units, n = 3 * u;
  const ofs_range r = ofs_range_of(op, part);
  ofs_gemm g = {.c = ctx->gradient + l->weights[1].at + r.from * n + 2 * (size_t)u,
                .ldc = n,
                .a = op->at[CELLS] + r.from,
                .lda = u,
                .b = op->at[GATES] + 2 * (size_t)u,
                .ldb = n,
                .m = (uint32_t)(r.to - r.from),
                .n = u,
                .k = steps_of(l) * op->count,
                .runs_y = 1,
                .runs_x = 1};
  ctx->kernels->gemm_tn(&g);
}
