/* recurrent.c: simpleRNN, lstm and gru over the time steps of a sample: x (B, T, K), y (B, U) or,
 * as sequences, (B, T, U).
 *
 * Everything inside is TIME-MAJOR: block t holds step t of all samples, so that the products of one
 * step have contiguous rows, and those of all steps together (x W, dx, dW, dU) are one product
 * each. A layer that goes backwards reverses the order of time on the way in. The recurrence is an
 * operation in waves of time steps (recurrence.c). With h_0 = 0 before the first step:
 *
 *     simple  h_t = act(x_t W + b + h_{t-1} U)
 *     lstm    z_t = x_t W + b + h_{t-1} U      dz from dh_t = dy_t + dz_{t+1} U^T
 *     gru     p_t = x_t W + b, q_t = h_{t-1} U + b'
 *             dp, dq from dh_t = dy_t + dh_{t+1} z_{t+1} + dq_{t+1} U^T
 *     gru with its reset first: z, r from x W + b + h U, g = t(x W + b + (r h) U)
 *     dW = x^T dz (dp)     dU = h_{t-1}^T dz (dq)     the cells themselves: kernels.h
 *
 * Gates lie i, f, c, o and z, r, h, as in Keras. Where a mask is 0, a step's states are those of
 * the step before (keras/src/backend: rnn), and so is its output; in a bidirectional layer the
 * output is 0. */
#include "layers/recurrent.h"

#include "base/copy.h"
#include "layers/activation.h"
#include "layers/dense.h"
#include "layers/kinds.h"

/* A product of one step has at least so many rows, where there are as many samples: few, so that
 * threads have blocks of samples to share; 16 and 32 are no faster (50 steps of 64 units 6.1 ms of
 * 6.1, of 512 units 343 ms of 339). */
#define LEAST_ROWS 8u

/* The records have the same fields. */
_Static_assert(OFS_LSTM_UNITS == OFS_GRU_UNITS && OFS_LSTM_ACTIVATION == OFS_GRU_ACTIVATION &&
                   OFS_LSTM_GATE_ACT == OFS_GRU_GATE_ACT && OFS_LSTM_USE_BIAS == OFS_GRU_USE_BIAS &&
                   OFS_LSTM_KERNEL_INIT == OFS_GRU_KERNEL_INIT &&
                   OFS_LSTM_RECURRENT_INIT == OFS_GRU_RECURRENT_INIT &&
                   OFS_LSTM_BIAS_INIT == OFS_GRU_BIAS_INIT &&
                   OFS_LSTM_RETURN_SEQUENCES == OFS_GRU_RETURN_SEQUENCES,
               "lstm and gru are read alike");
_Static_assert(OFS_RNN_UNITS == OFS_LSTM_UNITS && OFS_RNN_ACTIVATION == OFS_LSTM_ACTIVATION &&
                   OFS_RNN_USE_BIAS == OFS_LSTM_USE_BIAS &&
                   OFS_RNN_KERNEL_INIT == OFS_LSTM_KERNEL_INIT &&
                   OFS_RNN_RECURRENT_INIT == OFS_LSTM_RECURRENT_INIT &&
                   OFS_RNN_BIAS_INIT == OFS_LSTM_BIAS_INIT &&
                   OFS_RNN_RETURN_SEQUENCES == OFS_LSTM_RETURN_SEQUENCES &&
                   OFS_RNN_GO_BACKWARDS == OFS_LSTM_GO_BACKWARDS &&
                   OFS_GRU_GO_BACKWARDS == OFS_LSTM_GO_BACKWARDS,
               "simpleRNN and gru are read as lstm is");

static int is_lstm(const ofs_layer *l) { return l->type == OFS_LSTM; }

static ofs_status read_act(const ofs_record *r, uint32_t field, uint32_t *act, ofs_error *err) {
  *act = (uint32_t)r->v[field][0];
  if (ofs_act_fuses(*act)) return OFS_OK; /* there are gaps among the ids of gateActivation */
  return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, (int32_t)field, OFS_WHY_UNKNOWN, *act, 0, 0);
}

static void add_weights(ofs_layer *l, const ofs_record *r) {
  uint32_t u = l->units, n = gates_of(l) * u;
  ofs_add_weight(l, r, OFS_KERNEL, OFS_LSTM_KERNEL_INIT, 2, (const uint32_t[]){l->in.dims[1], n});
  ofs_add_weight(l, r, OFS_RECURRENT_KERNEL, OFS_LSTM_RECURRENT_INIT, 2, (const uint32_t[]){u, n});
  if (r->v[OFS_LSTM_USE_BIAS][0] == 0) return;
  if (ofs_has_q(l)) {
    ofs_add_weight(l, r, OFS_BIAS, OFS_LSTM_BIAS_INIT, 2, (const uint32_t[]){2, n});
    return;
  }
  ofs_add_weight(l, r, OFS_BIAS, OFS_LSTM_BIAS_INIT, 1, &n);
  if (is_lstm(l) && r->v[OFS_LSTM_UNIT_FORGET_BIAS][0] != 0)
    l->weights[2].ones_from = u, l->weights[2].ones_to = 2 * u;
}

static ofs_status recurrent_shape(ofs_layer *l, const ofs_record *r, ofs_error *err) {
  if (l->in.rank != 2) return ofs_refuse_rank(l, 0, 2, 2, err);
  ofs_status s = read_act(r, OFS_LSTM_ACTIVATION, &l->state_act, err);
  if (s == OFS_OK && l->type != OFS_SIMPLE_RNN)
    s = read_act(r, OFS_LSTM_GATE_ACT, &l->gate_act, err);
  if (s < 0) return s;
  l->n[RESET_FIRST] = l->type == OFS_GRU && r->v[OFS_GRU_RESET_AFTER][0] == 0;
  l->n[BACKWARDS] = (r->v[OFS_LSTM_GO_BACKWARDS][0] != 0) != (r->variant == 1);
  l->n[FLIPPED] = r->variant == 1;
  l->units = (uint32_t)r->v[OFS_LSTM_UNITS][0];
  l->sequences = r->v[OFS_LSTM_RETURN_SEQUENCES][0] != 0;
  double gates = (double)steps_of(l) * gates_of(l) * l->units;
  if (gates > OFS_MAX_SAMPLE)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_PRODUCT, gates, 1,
                      OFS_MAX_SAMPLE);
  l->out = (ofs_shape){.rank = 1, .dims = {l->units}};
  if (l->sequences) l->out = (ofs_shape){.rank = 2, .dims = {steps_of(l), l->units}};
  add_weights(l, r);
  return OFS_OK;
}

/* ---- time-major and back ---- */

/* Copies steps [from, to) of blocks of n numbers, from (samples, steps) to (steps, samples) or
 * back. op->n: n, steps, whether it is to time, how many steps of src to skip, whether the last
 * step comes first. A third buffer is a mask: where it is 0, nothing is copied. */
enum { TURN_N, TURN_STEPS, TURN_TO_TIME, TURN_SKIP, TURN_ROUND };
enum { TURN_TO, TURN_FROM, TURN_MASK }; /* buffers */

static void turn_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  (void)ctx;
  uint32_t n = op->n[TURN_N], steps = op->n[TURN_STEPS], samples = op->count;
  const ofs_range r = ofs_range_of(op, part);
  const real *src = op->at[TURN_FROM] + (size_t)op->n[TURN_SKIP] * samples * n;
  for (uint64_t t = r.from; t < r.to; t++)
    for (size_t s = 0; s < samples; s++) {
      const real *mask =
          op->at[TURN_MASK] ? op->at[TURN_MASK] + s * steps + input_step(op->layer, t) : NULL;
      size_t by_time = (t * samples + s) * n,
             by_sample = (s * steps + (op->n[TURN_ROUND] ? steps - 1 - t : t)) * n;
      if (mask && *mask == 0)
        ofs_zero(op->at[TURN_TO] + (op->n[TURN_TO_TIME] ? by_time : by_sample), n);
      else if (op->n[TURN_TO_TIME])
        ofs_copy(op->at[TURN_TO] + by_time, src + by_sample, n);
      else
        ofs_copy(op->at[TURN_TO] + by_sample, src + by_time, n);
    }
}

/* Returns 1 where the order must change: one sample's two orders are the same, unless time is
 * reversed. */
static int needs_turn(const ofs_builder *b, uint32_t round) { return b->batch > 1 || round; }

static ofs_op *emit_turn(ofs_builder *b, const ofs_layer *l, uint32_t dst, uint32_t src, uint32_t n,
                         int to_time, uint32_t skip, uint32_t round) {
  ofs_op *op = ofs_build_op(b, l, turn_part, dst, src, 0, 0);
  op->n[TURN_N] = n, op->n[TURN_STEPS] = steps_of(l), op->n[TURN_TO_TIME] = (uint32_t)to_time,
  op->n[TURN_SKIP] = skip;
  op->n[TURN_ROUND] = round;
  ofs_cut(b, op, steps_of(l), 1, (8.0 * n + 16) * b->batch, 1);
  return op;
}

static uint32_t time_major(ofs_builder *b, const ofs_layer *l, uint32_t src, uint32_t n,
                           uint32_t round) {
  if (!needs_turn(b, round)) return src;
  uint32_t dst = ofs_build_buffer(b, (uint64_t)steps_of(l) * n, 0);
  emit_turn(b, l, dst, src, n, 1, 0, round);
  return dst;
}

/* ---- the recurrence ---- */

enum { PANELS_OUT }; /* the buffer of panels, of U or U^T */

static void panels_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  uint32_t u = l->units;
  const ofs_range r = ofs_range_of(op, part);
  size_t panel = (size_t)u * OFS_PANEL;
  const real *w = ctx->params + l->weights[1].at;
  for (uint64_t i = r.from; i < r.to; i++) {
    uint64_t gate = i / panels_of(u), unit = i % panels_of(u) * OFS_PANEL;
    ctx->kernels->panels(op->at[PANELS_OUT] + i * panel, panel, w + gate * u + unit,
                         (size_t)gates_of(l) * u, u, ofs_min(OFS_PANEL, u - (uint32_t)unit));
  }
}

static uint32_t emit_panels(ofs_builder *b, const ofs_layer *l) {
  uint64_t count = gates_of(l) * panels_of(l->units);
  uint32_t panels = ofs_build_buffer(b, count * l->units * OFS_PANEL, 1);
  ofs_cut(b, ofs_build_op(b, l, panels_part, panels, 0, 0, 0), count, 1, 8.0 * l->units * OFS_PANEL,
          1);
  return panels;
}

/* Cuts a recurrence of `work` a sample and step. Short steps share a wave, as many as make a
 * part. */
static void cut_recurrence(const ofs_builder *b, ofs_op *op, double work) {
  const ofs_layer *l = op->layer;
  uint32_t steps = steps_of(l), units = l->units, wave = 1;
  uint32_t tiles =
      l->n[RESET_FIRST] ? 1 : (uint32_t)(ofs_min(b->batch, LEAST_ROWS) * work / OFS_PART_WORK) + 1;
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

/* Returns the numbers of a sample beside gates and states: lstm's c and a, gru's q or r h; of one
 * step where `steps` is 0. */
static uint64_t cells_of(const ofs_layer *l, uint64_t steps) {
  uint64_t u = l->units;
  if (is_lstm(l)) return steps ? (2 * steps + 1) * u : u;
  return (steps ? steps : 1) * (ofs_has_q(l) ? 3 * u : u);
}

static uint32_t recurrent_forward(ofs_builder *b, ofs_layer *l, uint32_t x) {
  uint32_t u = l->units, i = l->index, mask = ofs_mask(b, l, 0);
  uint64_t steps = steps_of(l), width = gates_of(l) * (uint64_t)u;
  int keeps = b->kind == OFS_TRAIN;
  b->aux[i] = time_major(b, l, x, l->in.dims[1], l->n[BACKWARDS]);
  uint32_t gates = ofs_build_buffer(b, steps * width, 0);
  const ofs_affine kernel = ofs_affine_of(l, 0, 0);
  ofs_build_affine(b, l, &kernel, gates, b->aux[i], 0);
  uint32_t h = ofs_build_buffer(b, (steps + l->sequences) * u, 0);
  uint32_t cells = ofs_build_buffer(b, cells_of(l, keeps ? steps : 0), 0);
  uint32_t panels = emit_panels(b, l), y = ofs_build_buffer(b, l->out.size, 0);
  ofs_op *op = ofs_build_op(b, l, ofs_recurrence_part, gates, h,
                            l->type == OFS_SIMPLE_RNN ? 0 : cells, panels);
  ofs_build_use(b, op, Y, l->sequences ? 0 : y);
  ofs_build_use(b, op, MASK, mask);
  op->n[KEEPS] = (uint32_t)keeps;
  cut_recurrence(b, op, 2.0 * u * (double)width + 600.0 * u);
  if (l->sequences) {
    op = emit_turn(b, l, y, h, u, 0, 1, l->n[FLIPPED]);
    ofs_build_use(b, op, TURN_MASK, l->side ? mask : 0);
    b->mask[i] = mask;
  }
  b->saved[i] = gates; /* h and cells come next */
  return y;
}

/* ---- backward ---- */

static void turned_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_layer *l = op->layer;
  uint32_t u = l->units, n = gates_of(l) * u;
  const ofs_range r = ofs_range_of(op, part);
  uint64_t last = r.to * OFS_PANEL < u ? r.to * OFS_PANEL : u;
  size_t panel = (size_t)n * OFS_PANEL;
  ctx->kernels->turned_panels(op->at[PANELS_OUT] + r.from * panel, panel,
                              ctx->params + l->weights[1].at + r.from * panel, n,
                              (uint32_t)(last - r.from * OFS_PANEL), n);
}

static uint32_t emit_turned(ofs_builder *b, const ofs_layer *l) {
  uint32_t n = gates_of(l) * l->units;
  uint32_t turned = ofs_build_buffer(b, panels_of(l->units) * OFS_PANEL * n, 1);
  ofs_cut(b, ofs_build_op(b, l, turned_part, turned, 0, 0, 0), panels_of(l->units), 1,
          8.0 * OFS_PANEL * n, 1);
  return turned;
}

/* Returns dy in a buffer of the layer's own, because the recurrence adds to it. */
static uint32_t time_gradient(ofs_builder *b, const ofs_layer *l, uint32_t dy) {
  uint32_t mask = l->sequences && l->side ? ofs_mask(b, l, 0) : 0;
  if (mask || (l->sequences && needs_turn(b, l->n[FLIPPED]))) {
    uint32_t dh = ofs_build_buffer(b, l->out.size, 0);
    ofs_build_use(b, emit_turn(b, l, dh, dy, l->units, 1, 0, l->n[FLIPPED]), TURN_MASK, mask);
    return dh;
  }
  uint32_t own = ofs_writable_gradient(b, dy, l->out.size);
  if (own != dy) ofs_build_copy(b, l, own, dy, l->out.size);
  return own;
}

static uint32_t recurrent_backward(ofs_builder *b, ofs_layer *l, uint32_t dy, int wanted) {
  uint32_t u = l->units, i = l->index, simple = l->type == OFS_SIMPLE_RNN;
  uint32_t gates = b->saved[i], h = gates + H, cells = gates + CELLS, turned = emit_turned(b, l);
  uint32_t dh = time_gradient(b, l, dy),
           dc = is_lstm(l) || l->n[RESET_FIRST] ? ofs_build_buffer(b, u, 0) : 0;
  ofs_op *op = ofs_build_op(b, l, ofs_recurrence_back_part, gates, h, simple ? 0 : cells, turned);
  ofs_build_use(b, op, DH, dh);
  ofs_build_use(b, op, DC, dc);
  ofs_build_use(b, op, MASK, ofs_mask(b, l, 0));
  cut_recurrence(b, op, 2.0 * u * gates_of(l) * u + 120.0 * u);
  const ofs_affine kernel = ofs_affine_of(l, 0, 0),
                   recurrent = ofs_affine_of(l, 1, ofs_has_q(l) ? 1 : -1);
  if (l->trains) {
    ofs_chunks c = ofs_build_chunks(b, l, kernel.positions);
    ofs_build_weight_gradient(b, l, &c, &kernel, b->aux[i], gates);
    ofs_build_weight_gradient(b, l, &c, &recurrent, h, ofs_has_q(l) ? cells : gates);
    ofs_build_chunk_sum(b, l, &c);
    if (l->n[RESET_FIRST]) {
      op = ofs_build_op(b, l, ofs_reset_gradient_part, gates, 0, cells, b->gradient);
      ofs_cut(b, op, u, 1, 2.0 * steps_of(l) * b->batch * u, 4);
    }
  }
  if (!wanted) return 0;
  uint32_t by_time = ofs_build_buffer(b, l->in.size, 0), dx = by_time;
  ofs_build_affine_back(b, l, &kernel, by_time, gates, 0);
  if (needs_turn(b, l->n[BACKWARDS]))
    emit_turn(b, l, dx = ofs_build_buffer(b, l->in.size, 0), by_time, l->in.dims[1], 0, 0,
              l->n[BACKWARDS]);
  return dx;
}

const ofs_layer_kind ofs_recurrent_kind = {.shape = recurrent_shape,
                                           .forward = recurrent_forward,
                                           .backward = recurrent_backward};
