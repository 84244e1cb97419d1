/* gradients.h: checks every gradient of a net against central differences, in double; and the
 * records of common layers.
 *
 * The core is built with OFS_REAL_DOUBLE: the same program, layers and losses, over the reference
 * kernels. The derivative is taken by the five-point rule, (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) /
 * 12 h, whose own error is about h^4 / 30 of the fifth derivative plus 2^-52 |f| / h of rounding:
 * below 1e-10 for 1e-5 <= h <= 1e-3 at losses about one. So a gradient must agree to 1e-6 of its
 * size and 1e-9 of rounding. Where a step crosses a kink (relu, a maximum that changes hands) a
 * smaller h has to agree instead; a wrong gradient agrees with none. */
#ifndef GRADIENTS_H
#define GRADIENTS_H

#include "program/plan.h"
#include "check.h"
#include "spec_writer.h"

#ifndef OFS_REAL_DOUBLE
#error "the proof is in double: build with OFS_REAL_DOUBLE"
#endif

static uint32_t noise = 1;

/* Returns a number uniform in (-1, 1), never near 0: 32-bit xorshift (Marsaglia 2003). */
static inline float random_float(void) {
  noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
  float v = (float)(noise >> 8) / 8388608.0f - 1;
  return v < 0 ? v - 0.01f : v + 0.01f;
}

static inline void begin(writer *w, int rank, const double *shape) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  writer_values(w, OFS_MODEL_INPUT_SHAPE, (uint16_t)rank, shape);
  FIELD(w, OFS_MODEL_SEED, 7);
}

/* Begins a net of an input of up to three axes (0: absent), with a loss (-1: the default). */
static inline void net(writer *w, double a, double b, double c, int loss) {
  const double shape[] = {a, b, c};
  begin(w, c > 0 ? 3 : b > 0 ? 2 : 1, shape);
  if (loss >= 0) FIELD(w, OFS_MODEL_LOSS, loss);
  writer_record(w, OFS_SGD);
  FIELD(w, OFS_SGD_LEARNING_RATE, 1e-3);
}

static inline void dense(writer *w, int units, int act) {
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, units);
  FIELD(w, OFS_DENSE_ACTIVATION, act);
  FIELD(w, OFS_DENSE_BIAS_INIT, OFS_INIT_RANDOM_UNIFORM);
}

typedef struct sliding {
  int type, kh, kw, sh, sw, dh, dw, pad, act, bias;
} sliding;

static inline void conv(writer *w, int filters, const sliding *s) {
  writer_record(w, OFS_CONV2D);
  FIELD(w, OFS_CONV2D_FILTERS, filters);
  FIELD(w, OFS_CONV2D_KERNEL_SIZE, s->kh, s->kw);
  FIELD(w, OFS_CONV2D_STRIDES, s->sh, s->sw);
  FIELD(w, OFS_CONV2D_DILATION_RATE, s->dh, s->dw);
  FIELD(w, OFS_CONV2D_PADDING, s->pad);
  FIELD(w, OFS_CONV2D_ACTIVATION, s->act);
  FIELD(w, OFS_CONV2D_USE_BIAS, s->bias);
  FIELD(w, OFS_CONV2D_BIAS_INIT, OFS_INIT_RANDOM_NORMAL);
}

static inline void pool(writer *w, const sliding *s) {
  writer_record(w, (uint16_t)s->type);
  FIELD(w, OFS_MAX_POOL_SIZE, s->kh, s->kw);
  if (s->sh) FIELD(w, OFS_MAX_POOL_STRIDES, s->sh, s->sw);
  FIELD(w, OFS_MAX_POOL_PADDING, s->pad);
}

static inline void activation(writer *w, int act) {
  writer_record(w, OFS_ACTIVATION);
  FIELD(w, OFS_ACTIVATION_ACTIVATION, act);
}

typedef struct cells {
  int type, act, gate_act, bias, sequences;
} cells;

/* Gives a recurrent layer random biases, and recurrent weights so big that its gates differ. */
static inline void recurrent(writer *w, int units, const cells *c) {
  writer_record(w, (uint16_t)c->type);
  FIELD(w, OFS_LSTM_UNITS, units);
  FIELD(w, OFS_LSTM_ACTIVATION, c->act);
  FIELD(w, OFS_LSTM_GATE_ACT, c->gate_act);
  FIELD(w, OFS_LSTM_USE_BIAS, c->bias);
  FIELD(w, OFS_LSTM_BIAS_INIT, OFS_INIT_GLOROT_UNIFORM);
  FIELD(w, OFS_LSTM_RETURN_SEQUENCES, c->sequences);
}

/* Returns the mean loss of the batch: by an evaluation, or, where dropout has to be the same, by
 * the step done again. */
static inline double loss_of(ofs_plan *p, ofs_model *m, uint32_t n) {
  ofs_totals t;
  m->step = 0;
  run_step(p, 0, n, 1u << 30);
  ofs_step_totals(p, &t);
  return t.loss / n;
}

static inline double difference(ofs_plan *p, ofs_model *m, const real *start, uint64_t i, double h,
                                uint32_t n) {
  static const double at[] = {1, -1, 2, -2}, weight[] = {8, -8, -1, 1};
  double sum = 0;
  for (int k = 0; k < 4; k++) {
    memcpy(m->params, start, m->parameters * sizeof *start);
    m->params[i] += at[k] * h;
    sum += weight[k] * loss_of(p, m, n);
  }
  memcpy(m->params, start, m->parameters * sizeof *start);
  return sum / (12 * h);
}

static inline void check_parameter(ofs_plan *p, ofs_model *m, const real *start, uint64_t i,
                                   double g, uint32_t n, const char *name) {
  static const double steps[] = {1e-3, 1e-4, 1e-5, 1e-6};
  double d = 0;
  for (int k = 0; k < 4; k++) {
    d = difference(p, m, start, i, steps[k], n);
    if (fabs(d - g) <= 1e-6 * fabs(d) + 1e-9) break;
  }
  CHECK_MSG(fabs(d - g) <= 1e-6 * fabs(d) + 1e-9,
            "%s: parameter %d: gradient %.12g, difference %.12g", name, (int)i, g, d);
}

/* Makes numbers for every input: indices where an embedding reads. */
static inline float *make_x(const ofs_model *m, uint32_t n) {
  float *x = check_alloc(n * m->row * sizeof *x);
  for (uint32_t r = 0; r < n; r++)
    for (uint32_t k = 0; k < m->input_count; k++) {
      const ofs_input *in = &m->inputs[k];
      for (uint64_t i = 0; i < in->shape.size; i++) {
        float v = random_float();
        x[r * m->row + in->at + i] =
            in->below ? (float)((uint64_t)(fabsf(v) * 4096) % in->below) : v;
      }
    }
  return x;
}

/* check_label gives element `at` of rows of targets; NULL: 0 or 1 for a loss of logits, else
 * anything. */
static float (*check_label)(uint64_t at);

/* Makes rows of targets, all outputs one after the other; or, of a single output, class indices. */
static inline float *make_y(const ofs_model *m, uint32_t n, int rows) {
  uint64_t width = 0;
  for (uint32_t k = 0; k < m->output_count; k++)
    width += rows || m->output_count > 1 ? m->layers[m->outputs[k].node].shape.size
                                         : m->outputs[k].targets;
  float *y = check_alloc(n * width * sizeof *y);
  uint64_t at = 0;
  for (uint32_t r = 0; r < n; r++)
    for (uint32_t k = 0; k < m->output_count; k++) {
      const ofs_output *h = &m->outputs[k];
      uint64_t size = rows || m->output_count > 1 ? m->layers[h->node].shape.size : h->targets;
      for (uint64_t i = 0; i < size; i++, at++)
        if (!rows && m->output_count == 1)
          ((int32_t *)y)[at] = (int32_t)(at * 5 % h->classes);
        else if (check_label)
          y[at] = check_label(at);
        else
          y[at] = h->fused ? (float)(at % 3 == 0) : random_float();
    }
  return y;
}

/* Weights of the samples in the loss; NULL: none. */
static const float *check_weights;

/* About so many parameters of a net are checked. */
static uint64_t probes = 150;

/* Returns 1 where the optimizer changes parameter i. */
static inline int learns(const ofs_model *m, uint64_t i) {
  for (uint32_t k = 0; k < m->layer_count; k++)
    for (uint32_t j = 0; j < m->layers[k].weight_count; j++) {
      const ofs_weight *w = &m->layers[k].weights[j];
      if (!m->layers[k].tied && i >= w->at && i < w->at + w->size)
        return m->layers[k].trains && w->momentum < 0;
    }
  return 0;
}

/* One net in so many is checked, by its number in the program: all of them where this is not told,
 * fewer where the same program runs once more and slowly (sanitizers, WASI). */
#ifndef CHECK_EVERY
#define CHECK_EVERY 1
#endif
static inline int is_checked(void) {
  static long nets;
  return nets++ % CHECK_EVERY == 0;
}

/* Checks every parameter (of a big net: every few) of the net for a batch of n. rows: y as rows of
 * targets. dropout: the loss is a training step's (random masks, statistics of the batch), else an
 * evaluation's. */
static inline void check_net(const writer *w, uint32_t n, int rows, int dropout, const char *name) {
  ofs_error err = {0};
  ofs_model *m = open_model(w, &err);
  if (!CHECK_MSG(m != NULL, "%s: refused, layer %d field %d reason %d", name, err.layer, err.field,
                 err.reason))
    return;
  float *x = make_x(m, n),
        *y = make_y(m, n, rows); // also where it is left out: the next net has the same numbers
  if (!is_checked()) {
    free(x), free(y), free(m);
    return;
  }
  ofs_plan *train = open_plan(m, OFS_TRAIN, n), *evaluate = open_plan(m, OFS_EVALUATE, n);
  const ofs_data data = {x, y, OFS_F32,       rows || m->output_count > 1 ? OFS_F32 : OFS_I32,
                         n, 0, check_weights, NULL};
  CHECK_INT(ofs_plan_set_data(train, &data, NULL), OFS_OK);
  CHECK_INT(ofs_plan_set_data(evaluate, &data, NULL), OFS_OK);
  real *start = check_alloc(m->parameters * sizeof *start),
       *g = check_alloc(m->parameters * sizeof *g);
  memcpy(start, m->params, m->parameters * sizeof *start);
  loss_of(train, m, n);
  memcpy(g, ofs_plan_gradient(train), m->parameters * sizeof *g);
  double size = 0;
  uint64_t stride = m->parameters / probes + 1;
  for (uint64_t i = 0; i < m->parameters; i += stride) {
    if (!learns(m, i)) continue;
    check_parameter(dropout ? train : evaluate, m, start, i, g[i], n, name);
    size += fabs(g[i]);
  }
  CHECK_MSG(size > 1e-6, "%s: every gradient is zero", name);
  free(start), free(g), free(x), free(y), free(train), free(evaluate), free(m);
}

/* The spec is refused, for this reason and at this place. */
static inline void check_refused(const writer *w, int layer, int field, int reason,
                                 const char *name) {
  ofs_error err = {0};
  uint64_t bytes;
  int status = ofs_model_bytes(w->bytes, w->n, &bytes, &err);
  CHECK_MSG(status == OFS_INVALID_SPEC && err.layer == layer && err.field == field &&
                err.reason == reason,
            "%s: status %d layer %d field %d reason %d", name, status, err.layer, err.field,
            err.reason);
}

static char label[160];
#define LABEL(...) (snprintf(label, sizeof label, __VA_ARGS__), label)

#endif
