/* recurrent.c: lstm and gru over the time steps of a sample: x (B, T, K), y (B, U) or, as sequences, (B, T, U).
 *
 * Everything inside is TIME-MAJOR: block t holds step t of all samples, so that the products of one step have
 * contiguous rows, and those of all steps together (x W, dx, dW, dU) are one product each. The recurrence is an
 * operation in waves of time steps; a part of a wave is a block of samples, or, where U is large, of some units too
 * (a wave then is one step, because the next needs all units). With h_0 = 0 before the first step:
 *
 *     lstm  z_t = x_t W + b + h_{t-1} U      dz from dh_t = dy_t + dz_{t+1} U^T
 *     gru   p_t = x_t W + b, q_t = h_{t-1} U + b'    dp, dq from dh_t = dy_t + dh_{t+1} z_{t+1} + dq_{t+1} U^T
 *     dW = x^T dz (dp)     dU = h_{t-1}^T dz (dq)     the cells themselves: kernels.h
 *
 * Gates lie i, f, c, o and z, r, h, as in Keras; gru has its reset after the product. */
#include "layers.h"

/* Rows that a product of one step has at least, where there are as many samples: few, so that threads have blocks of
 * samples to share; 16 and 32 are no faster (50 steps of 64 units 6.1 ms of 6.1, of 512 units 343 ms of 339). */
#define LEAST_ROWS 8u

/* Both records have the same fields. */
_Static_assert(OFS_LSTM_UNITS == OFS_GRU_UNITS && OFS_LSTM_ACTIVATION == OFS_GRU_ACTIVATION &&
                   OFS_LSTM_GATE_ACT == OFS_GRU_GATE_ACT && OFS_LSTM_USE_BIAS == OFS_GRU_USE_BIAS &&
                   OFS_LSTM_KERNEL_INIT == OFS_GRU_KERNEL_INIT && OFS_LSTM_RECURRENT_INIT == OFS_GRU_RECURRENT_INIT &&
                   OFS_LSTM_BIAS_INIT == OFS_GRU_BIAS_INIT && OFS_LSTM_RETURN_SEQUENCES == OFS_GRU_RETURN_SEQUENCES,
               "lstm and gru are read alike");

static int is_lstm(const ofs_layer *l) { return l->type == OFS_LSTM; }
static uint32_t gates_of(const ofs_layer *l) { return is_lstm(l) ? 4 : 3; }
static uint32_t steps_of(const ofs_layer *l) { return l->in.dims[0]; }

static ofs_status read_act(const ofs_record *r, uint32_t field, uint32_t *act, ofs_error *err) {
  *act = (uint32_t)r->v[field][0];
  if (*act != OFS_ACT_GELU) return OFS_OK; /* a gap among the ids of gateActivation */
  return ofs_refuse(err, OFS_INVALID_SPEC, r->place, (int32_t)field, OFS_WHY_UNKNOWN, *act, 0, 0);
}

static void add_weights(ofs_layer *l, const ofs_record *r) {
  uint32_t u = l->units, n = gates_of(l) * u;
  ofs_add_weight(l, r, OFS_KERNEL, OFS_LSTM_KERNEL_INIT, 2, (const uint32_t[]){l->in.dims[1], n});
  ofs_add_weight(l, r, OFS_RECURRENT_KERNEL, OFS_LSTM_RECURRENT_INIT, 2, (const uint32_t[]){u, n});
  if (r->v[OFS_LSTM_USE_BIAS][0] == 0) return;
  if (!is_lstm(l)) {
    ofs_add_weight(l, r, OFS_BIAS, OFS_LSTM_BIAS_INIT, 2, (const uint32_t[]){2, n});
    return;
  }
  ofs_add_weight(l, r, OFS_BIAS, OFS_LSTM_BIAS_INIT, 1, &n);
  if (r->v[OFS_LSTM_UNIT_FORGET_BIAS][0] != 0) l->weights[2].ones_from = u, l->weights[2].ones_to = 2 * u;
}

static ofs_status recurrent_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  if (l->in.rank != 2) return ofs_refuse_rank(l, 0, 2, 2, err);
  ofs_status s = read_act(r, OFS_LSTM_ACTIVATION, &l->state_act, err);
  if (s == OFS_OK) s = read_act(r, OFS_LSTM_GATE_ACT, &l->gate_act, err);
  if (s < 0) return s;
  if (!is_lstm(l) && r->v[OFS_GRU_RESET_AFTER][0] == 0)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->place, OFS_GRU_RESET_AFTER, OFS_WHY_RANGE, 0, 1, 1);
  l->units = (uint32_t)r->v[OFS_LSTM_UNITS][0];
  l->sequences = r->v[OFS_LSTM_RETURN_SEQUENCES][0] != 0;
  double gates = (double)steps_of(l) * gates_of(l) * l->units;
  if (gates > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->place, -1, OFS_WHY_PRODUCT, gates, 1, OFS_MAX_SAMPLE);
  l->out = (ofs_shape){.rank = 1, .dims = {l->units}};
  if (l->sequences) l->out = (ofs_shape){.rank = 2, .dims = {steps_of(l), l->units}};
  add_weights(l, r);
  return OFS_OK;
}

/* ---- time-major and back ---- */

/* Steps [from, to) of blocks of n numbers, from (samples at hand, steps) to (steps, samples) or back; op->n: n, steps,
 * whether it is to time, how many steps of src to skip. */
enum { TURN_N, TURN_STEPS, TURN_TO_TIME, TURN_SKIP };

static void turn_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  uint64_t from, to;
  uint32_t tile, n = op->n[TURN_N], steps = op->n[TURN_STEPS], samples = op->count;
  ofs_part_range(p, op, part, &from, &to, &tile);
  const real *src = op->at[1] + (size_t)op->n[TURN_SKIP] * samples * n;
  for (uint64_t t = from; t < to; t++)
    for (size_t s = 0; s < samples; s++) {
      size_t by_time = (t * samples + s) * n, by_sample = (s * steps + t) * n;
      if (op->n[TURN_TO_TIME]) ofs_copy(op->at[0] + by_time, src + by_sample, n);
      else ofs_copy(op->at[0] + by_sample, src + by_time, n);
    }
}

/* One sample's two orders are the same. */
static int needs_turn(const ofs_builder *b) { return b->batch > 1; }

static void emit_turn(ofs_builder *b, const ofs_layer *l, uint32_t dst, uint32_t src, uint32_t n, int to_time,
                      uint32_t skip) {
  ofs_op *op = ofs_build_op(b, l, turn_part, dst, src, 0, 0);
  op->n[TURN_N] = n, op->n[TURN_STEPS] = steps_of(l), op->n[TURN_TO_TIME] = (uint32_t)to_time, op->n[TURN_SKIP] = skip;
  ofs_cut(b, op, steps_of(l), 1, (8.0 * n + 16) * b->batch, 1);
}

static uint32_t time_major(ofs_builder *b, const ofs_layer *l, uint32_t src, uint32_t n) {
  if (!needs_turn(b)) return src;
  uint32_t dst = ofs_build_buffer(b, (uint64_t)steps_of(l) * n, 0);
  emit_turn(b, l, dst, src, n, 1, 0);
  return dst;
}

/* ---- the recurrence ---- */

/* What a recurrence's operation is told, in op->n: units of a tile, time steps of a wave. */
enum { TILE_UNITS, WAVE_STEPS, KEEPS }; /* keeps: c, a and q of all steps, for the way back */

/* A part: samples [from, from + rows), units [unit, unit + n), steps [first, last) in the order of time. */
typedef struct stretch {
  size_t from, unit;
  uint32_t rows, n, first, last;
} stretch;

static stretch stretch_of(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  uint64_t from, to;
  uint32_t tile, wave = part / (op->parts / op->waves), steps = op->n[WAVE_STEPS], all = steps_of(op->layer);
  ofs_part_range(p, op, part, &from, &to, &tile);
  uint32_t unit = tile * op->n[TILE_UNITS], first = wave * steps;
  return (stretch){.from = from, .unit = unit, .rows = (uint32_t)(to - from),
                   .n = ofs_min(op->n[TILE_UNITS], op->layer->units - unit), .first = first,
                   .last = all - first < steps ? all : first + steps};
}

/* Where block t of `width` numbers a sample has the part's first sample. */
static size_t block_at(const ofs_op *op, const stretch *s, uint64_t t, uint32_t width) {
  return (t * op->count + s->from) * width;
}

static void zero_block(real *at, const stretch *s, uint32_t units) {
  for (size_t r = 0; r < s->rows; r++) ofs_zero(at + r * units, s->n);
}

static ofs_cell cell_of(const ofs_layer *l, const stretch *s) {
  return (ofs_cell){.act = l->state_act, .gate_act = l->gate_act, .rows = s->rows, .n = s->n, .units = l->units};
}

/* Panels of U, one gate after the other, so that any tile of units begins a panel. */
static uint64_t panels_of(uint32_t units) { return ((uint64_t)units + OFS_PANEL - 1) / OFS_PANEL; }

/* c (rows, gates) = h U + what is there, or + the bias; the part's units of each gate, the first k numbers of h. */
static void recur(const ofs_plan *p, const ofs_layer *l, const stretch *s, real *c, const real *h, uint32_t k,
                  const real *panels, const real *bias, int accumulate) {
  uint32_t u = l->units, gates = gates_of(l);
  size_t panel = (size_t)u * OFS_PANEL;
  ofs_gemm g = {.lda = u, .ldc = (size_t)gates * u, .a = h, .panel = panel, .m = s->rows, .n = s->n, .k = k,
                .runs_y = 1, .runs_x = 1, .accumulate = accumulate};
  for (size_t gate = 0; gate < gates; gate++) {
    g.c = c + gate * u + s->unit;
    g.b = panels + (gate * panels_of(u) + s->unit / OFS_PANEL) * panel;
    g.bias = bias ? bias + gate * u + s->unit : NULL;
    p->model->kernels.gemm_nn(&g);
  }
}

/* dh (rows, units) += dz U^T, the part's units. */
static void recur_back(const ofs_plan *p, const ofs_layer *l, const stretch *s, real *dh, const real *dz,
                       const real *turned, int accumulate) {
  uint32_t u = l->units, n = gates_of(l) * u;
  size_t panel = (size_t)n * OFS_PANEL;
  ofs_gemm g = {.c = dh + s->unit, .ldc = u, .a = dz, .lda = n, .b = turned + s->unit / OFS_PANEL * panel,
                .panel = panel, .m = s->rows, .n = s->n, .k = n, .runs_y = 1, .runs_x = 1, .accumulate = accumulate};
  p->model->kernels.gemm_nn(&g);
}

/* Buffers of the recurrence, forward: gates, h (block t: the state before step t), cells (lstm: c likewise, then the a
 * of every step; gru: q), panels of U, y (where the last state goes, unless y is made of all of h). */
enum { GATES, H, CELLS, PANELS, Y };

static void lstm_forward_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const stretch s = stretch_of(p, op, part);
  uint32_t u = l->units, steps = steps_of(l);
  uint64_t keeps = op->n[KEEPS];
  for (uint32_t t = s.first; t < s.last; t++) {
    real *gates = op->at[GATES] + block_at(op, &s, t, 4 * u), *h = op->at[H] + block_at(op, &s, t, u);
    real *c = op->at[CELLS] + block_at(op, &s, keeps * t, u) + s.unit;
    real *next = op->at[Y] && t + 1 == steps ? op->at[Y] + s.from * u : op->at[H] + block_at(op, &s, t + 1, u);
    if (t == 0) zero_block(h + s.unit, &s, u), zero_block(c, &s, u);
    else recur(p, l, &s, gates, h, u, op->at[PANELS], NULL, 1);
    ofs_cell cell = cell_of(l, &s);
    cell.gates = gates + s.unit;
    cell.before = c;
    cell.c = op->at[CELLS] + block_at(op, &s, keeps * (t + 1), u) + s.unit;
    cell.a = keeps ? op->at[CELLS] + block_at(op, &s, (uint64_t)steps + 1 + t, u) + s.unit : NULL;
    cell.h = next + s.unit;
    p->model->kernels.lstm_forward(&cell);
  }
}

static void gru_forward_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const stretch s = stretch_of(p, op, part);
  uint32_t u = l->units, steps = steps_of(l);
  const real *bias = l->bias_size ? p->model->params + l->bias_at + 3 * (size_t)u : NULL;
  for (uint32_t t = s.first; t < s.last; t++) {
    real *h = op->at[H] + block_at(op, &s, t, u);
    real *q = op->at[CELLS] + block_at(op, &s, (uint64_t)op->n[KEEPS] * t, 3 * u);
    real *next = op->at[Y] && t + 1 == steps ? op->at[Y] + s.from * u : op->at[H] + block_at(op, &s, t + 1, u);
    if (t == 0) zero_block(h + s.unit, &s, u);
    recur(p, l, &s, q, h, t ? u : 0, op->at[PANELS], bias, 0); /* other tiles of h_0 may not be zero yet */
    ofs_cell cell = cell_of(l, &s);
    cell.gates = op->at[GATES] + block_at(op, &s, t, 3 * u) + s.unit;
    cell.q = q + s.unit;
    cell.before = h + s.unit;
    cell.h = next + s.unit;
    p->model->kernels.gru_forward(&cell);
  }
}

static void panels_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  uint64_t from, to;
  uint32_t tile, u = l->units;
  ofs_part_range(p, op, part, &from, &to, &tile);
  size_t panel = (size_t)u * OFS_PANEL;
  const real *w = p->model->params + l->weights[1].at;
  for (uint64_t i = from; i < to; i++) {
    uint64_t gate = i / panels_of(u), unit = i % panels_of(u) * OFS_PANEL;
    p->model->kernels.panels(op->at[0] + i * panel, panel, w + gate * u + unit, (size_t)gates_of(l) * u, u,
                             ofs_min(OFS_PANEL, u - (uint32_t)unit));
  }
}

static uint32_t emit_panels(ofs_builder *b, const ofs_layer *l) {
  uint64_t count = gates_of(l) * panels_of(l->units);
  uint32_t panels = ofs_build_buffer(b, count * l->units * OFS_PANEL, 1);
  ofs_cut(b, ofs_build_op(b, l, panels_part, panels, 0, 0, 0), count, 1, 8.0 * l->units * OFS_PANEL, 1);
  return panels;
}

/* Cuts a recurrence whose `work` a sample takes for one step. Short steps share a wave, as many as make a part. */
static void cut_recurrence(const ofs_builder *b, ofs_op *op, double work) {
  const ofs_layer *l = op->layer;
  uint32_t steps = steps_of(l), units = l->units, wave = 1;
  uint32_t tiles = (uint32_t)(ofs_min(b->batch, LEAST_ROWS) * work / OFS_PART_WORK) + 1;
  if (tiles > 1) {
    units = ((units - 1) / tiles / OFS_PANEL + 1) * OFS_PANEL;
    op->tiles = (l->units - 1) / units + 1;
    work = work / l->units * units;
    ofs_cut(b, op, 1, 0, work, LEAST_ROWS);
  } else {
    ofs_cut(b, op, 1, 0, work * steps, LEAST_ROWS);
    double most = OFS_PART_WORK / ((op->block < b->batch ? (double)op->block : b->batch) * work);
    wave = most >= steps ? steps : most < 1 ? 1 : (uint32_t)most;
  }
  op->waves = (steps - 1) / wave + 1;
  wave = (steps - 1) / op->waves + 1;
  op->waves = (steps - 1) / wave + 1;
  op->unit_work = work * wave;
  op->n[TILE_UNITS] = units, op->n[WAVE_STEPS] = wave;
}

static uint32_t recurrent_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t u = l->units, i = l->index, lstm = (uint32_t)is_lstm(l);
  uint64_t steps = steps_of(l), width = gates_of(l) * (uint64_t)u;
  int keeps = b->kind == OFS_TRAIN;
  b->aux[i] = time_major(b, l, x, l->in.dims[1]);
  uint32_t gates = ofs_build_buffer(b, steps * width, 0);
  ofs_build_affine(b, l, gates, b->aux[i], 0);
  uint32_t h = ofs_build_buffer(b, (steps + l->sequences) * u, 0);
  uint32_t cells = ofs_build_buffer(b, lstm ? (keeps ? 2 * steps + 1 : 1) * u : (keeps ? steps : 1) * width, 0);
  uint32_t panels = emit_panels(b, l), y = ofs_build_buffer(b, l->out.size, 0);
  ofs_op *op = ofs_build_op(b, l, lstm ? lstm_forward_part : gru_forward_part, gates, h, cells, panels);
  ofs_build_use(b, op, Y, l->sequences ? 0 : y);
  op->n[KEEPS] = (uint32_t)keeps;
  cut_recurrence(b, op, 2.0 * u * (double)width + 600.0 * u);
  if (l->sequences) emit_turn(b, l, y, h, u, 0, 1);
  b->held[i] = gates; /* h and cells come next */
  return y;
}

/* ---- backward ---- */

/* Buffers: gates, which become their gradients; h; cells; U^T in panels; dh (of the last step, or time-major of all);
 * dc. The steps of a part run backwards, from its first wave at the end of time. */
enum { TURNED = 3, DH, DC };

static stretch stretch_back(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  stretch s = stretch_of(p, op, part);
  uint32_t first = s.first, steps = steps_of(op->layer);
  s.first = steps - s.last, s.last = steps - first;
  return s;
}

static void lstm_backward_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const stretch s = stretch_back(p, op, part);
  uint32_t u = l->units, steps = steps_of(l);
  real *dc = op->at[DC] + s.from * u + s.unit;
  for (uint32_t t = s.last; t-- > s.first;) {
    real *gates = op->at[GATES] + block_at(op, &s, t, 4 * u);
    real *dh = op->at[DH] + block_at(op, &s, l->sequences ? t : 0, u);
    if (t + 1 == steps) zero_block(dc, &s, u);
    else recur_back(p, l, &s, dh, gates + (size_t)op->count * 4 * u, op->at[TURNED], (int)l->sequences);
    ofs_cell cell = cell_of(l, &s);
    cell.gates = gates + s.unit;
    cell.before = op->at[CELLS] + block_at(op, &s, t, u) + s.unit;
    cell.a = op->at[CELLS] + block_at(op, &s, (uint64_t)steps + 1 + t, u) + s.unit;
    cell.dh = dh + s.unit;
    cell.dc = dc;
    p->model->kernels.lstm_backward(&cell);
  }
}

static void gru_backward_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  const stretch s = stretch_back(p, op, part);
  uint32_t u = l->units, steps = steps_of(l);
  for (uint32_t t = s.last; t-- > s.first;) {
    real *q = op->at[CELLS] + block_at(op, &s, t, 3 * u), *dh = op->at[DH] + block_at(op, &s, l->sequences ? t : 0, u);
    if (t + 1 < steps) recur_back(p, l, &s, dh, q + (size_t)op->count * 3 * u, op->at[TURNED], 1);
    ofs_cell cell = cell_of(l, &s);
    cell.gates = op->at[GATES] + block_at(op, &s, t, 3 * u) + s.unit;
    cell.q = q + s.unit;
    cell.before = op->at[H] + block_at(op, &s, t, u) + s.unit;
    cell.dh = dh + s.unit;
    /* nothing stands before the first step: there the share is written over what is read no more */
    cell.add = l->sequences && t > 0;
    cell.dh_before = cell.add ? cell.dh - (size_t)op->count * u : cell.dh;
    p->model->kernels.gru_backward(&cell);
  }
}

static void turned_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  uint64_t from, to;
  uint32_t tile, u = l->units, n = gates_of(l) * u;
  ofs_part_range(p, op, part, &from, &to, &tile);
  uint64_t last = to * OFS_PANEL < u ? to * OFS_PANEL : u;
  size_t panel = (size_t)n * OFS_PANEL;
  p->model->kernels.turned_panels(op->at[0] + from * panel, panel,
                                  p->model->params + l->weights[1].at + from * panel, n,
                                  (uint32_t)(last - from * OFS_PANEL), n);
}

static uint32_t emit_turned(ofs_builder *b, const ofs_layer *l) {
  uint32_t n = gates_of(l) * l->units;
  uint32_t turned = ofs_build_buffer(b, panels_of(l->units) * OFS_PANEL * n, 1);
  ofs_cut(b, ofs_build_op(b, l, turned_part, turned, 0, 0, 0), panels_of(l->units), 1, 8.0 * OFS_PANEL * n, 1);
  return turned;
}

/* dy in a buffer of the layer's own, because the recurrence adds to it. */
static uint32_t time_gradient(ofs_builder *b, const ofs_layer *l, uint32_t dy) {
  if (l->sequences && needs_turn(b)) return time_major(b, l, dy, l->units);
  uint32_t own = ofs_own(b, dy, l->out.size);
  if (own != dy) ofs_build_copy(b, l, own, dy, l->out.size);
  return own;
}

static uint32_t recurrent_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  uint32_t u = l->units, i = l->index, lstm = (uint32_t)is_lstm(l);
  uint32_t gates = b->held[i], h = gates + H, cells = gates + CELLS, turned = emit_turned(b, l);
  uint32_t dh = time_gradient(b, l, dy), dc = lstm ? ofs_build_buffer(b, u, 0) : 0;
  ofs_op *op = ofs_build_op(b, l, lstm ? lstm_backward_part : gru_backward_part, gates, h, cells, turned);
  ofs_build_use(b, op, DH, dh);
  ofs_build_use(b, op, DC, dc);
  cut_recurrence(b, op, 2.0 * u * gates_of(l) * u + 120.0 * u);
  if (l->trains) {
    ofs_chunks c = ofs_build_chunks(b, l);
    ofs_build_weight_gradient(b, l, &c, 0, 0, b->aux[i], gates);
    ofs_build_weight_gradient(b, l, &c, 1, lstm ? -1 : 1, h, lstm ? gates : cells);
    ofs_build_chunk_sum(b, l, &c);
  }
  if (!wanted) return 0;
  uint32_t by_time = ofs_build_affine_back(b, l, gates), dx = by_time;
  if (needs_turn(b)) emit_turn(b, l, dx = ofs_build_buffer(b, l->in.size, 0), by_time, l->in.dims[1], 0, 0);
  return dx;
}

const ofs_layer_kind ofs_recurrent_kind = {
    .shape = recurrent_shape, .forward = recurrent_forward, .backward = recurrent_backward};
