/* test_gradients.c: every layer, activation and loss against central differences, in double.
 *
 * The core is built with OFS_REAL_DOUBLE: the same program, layers and losses, over the reference kernels. The
 * derivative is taken by the five-point rule, (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h, whose own error is about
 * h^4 / 30 of the fifth derivative plus 2^-52 |f| / h of rounding: below 1e-10 for 1e-5 <= h <= 1e-3 at losses about
 * one. So a gradient must agree to 1e-6 of its size and 1e-9 of rounding. Where a step crosses a kink (relu, a
 * maximum that changes hands) a smaller h has to agree instead; a wrong gradient agrees with none. */
#include "../../src/internal.h"
#include "check.h"
#include "spec_writer.h"

#ifndef OFS_REAL_DOUBLE
#error "the proof is in double: build with OFS_REAL_DOUBLE"
#endif

static uint32_t noise = 1;

/* Uniform in (-1, 1), never near 0: 32-bit xorshift (Marsaglia 2003). */
static float random_float(void) {
  noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
  float v = (float)(noise >> 8) / 8388608.0f - 1;
  return v < 0 ? v - 0.01f : v + 0.01f;
}

static void begin(writer *w, int rank, const double *shape) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  writer_values(w, OFS_MODEL_INPUT_SHAPE, (uint16_t)rank, shape);
  FIELD(w, OFS_MODEL_SEED, 7);
}

/* Begins a net of an input of up to three axes (0: absent), with a loss (-1: the default). */
static void net(writer *w, double a, double b, double c, int loss) {
  const double shape[] = {a, b, c};
  begin(w, c > 0 ? 3 : b > 0 ? 2 : 1, shape);
  if (loss >= 0) FIELD(w, OFS_MODEL_LOSS, loss);
  writer_record(w, OFS_SGD);
  FIELD(w, OFS_SGD_LEARNING_RATE, 1e-3);
}

static void dense(writer *w, int units, int act) {
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, units);
  FIELD(w, OFS_DENSE_ACTIVATION, act);
  FIELD(w, OFS_DENSE_BIAS_INIT, OFS_INIT_RANDOM_UNIFORM);
}

typedef struct sliding {
  int type, kh, kw, sh, sw, dh, dw, pad, act, bias;
} sliding;

static void conv(writer *w, int filters, const sliding *s) {
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

static void pool(writer *w, const sliding *s) {
  writer_record(w, (uint16_t)s->type);
  FIELD(w, OFS_MAX_POOL_SIZE, s->kh, s->kw);
  if (s->sh) FIELD(w, OFS_MAX_POOL_STRIDES, s->sh, s->sw);
  FIELD(w, OFS_MAX_POOL_PADDING, s->pad);
}

static void activation(writer *w, int act) {
  writer_record(w, OFS_ACTIVATION);
  FIELD(w, OFS_ACTIVATION_ACTIVATION, act);
}

typedef struct cells {
  int type, act, gate_act, bias, sequences;
} cells;

/* Biases of random numbers, and recurrent weights too big for the gates to be all alike. */
static void recurrent(writer *w, int units, const cells *c) {
  writer_record(w, (uint16_t)c->type);
  FIELD(w, OFS_LSTM_UNITS, units);
  FIELD(w, OFS_LSTM_ACTIVATION, c->act);
  FIELD(w, OFS_LSTM_GATE_ACT, c->gate_act);
  FIELD(w, OFS_LSTM_USE_BIAS, c->bias);
  FIELD(w, OFS_LSTM_BIAS_INIT, OFS_INIT_GLOROT_UNIFORM);
  FIELD(w, OFS_LSTM_RETURN_SEQUENCES, c->sequences);
}

/* The mean loss of the batch: by an evaluation, or, where dropout has to be the same, by the step done again. */
static double loss_of(ofs_plan *p, ofs_model *m, uint32_t n) {
  ofs_totals t;
  m->step = 0;
  run_step(p, 0, n, 1u << 30);
  ofs_step_totals(p, &t);
  return t.loss / n;
}

static double difference(ofs_plan *p, ofs_model *m, const real *start, uint64_t i, double h, uint32_t n) {
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

static void check_parameter(ofs_plan *p, ofs_model *m, const real *start, uint64_t i, double g, uint32_t n,
                            const char *name) {
  static const double steps[] = {1e-3, 1e-4, 1e-5, 1e-6};
  double d = 0;
  for (int k = 0; k < 4; k++) {
    d = difference(p, m, start, i, steps[k], n);
    if (fabs(d - g) <= 1e-6 * fabs(d) + 1e-9) break;
  }
  CHECK_MSG(fabs(d - g) <= 1e-6 * fabs(d) + 1e-9, "%s: parameter %d: gradient %.12g, difference %.12g", name, (int)i, g, d);
}

/* How many parameters of a net are checked, about. */
static uint64_t probes = 150;

/* Checks every parameter (of a big net: every few) of the net for a batch of n. rows: y as rows of targets. */
static void check_net(const writer *w, uint32_t n, int rows, int dropout, const char *name) {
  ofs_error err = {0};
  ofs_model *m = open_model(w, &err);
  if (!CHECK_MSG(m != NULL, "%s: refused, layer %d field %d reason %d", name, err.layer, err.field, err.reason)) return;
  ofs_model_facts f;
  ofs_model_get_facts(m, &f);
  ofs_plan *train = open_plan(m, OFS_TRAIN, n), *evaluate = open_plan(m, OFS_EVALUATE, n);
  size_t targets = rows ? f.outputs : f.targets;
  float *x = check_alloc(n * f.inputs * sizeof *x), *y = check_alloc(n * targets * sizeof *y);
  for (size_t i = 0; i < n * f.inputs; i++) x[i] = random_float();
  for (size_t i = 0; i < n * targets; i++)
    if (rows) y[i] = m->heads[0].fused ? (float)(i % 3 == 0) : random_float();
    else ((int32_t *)y)[i] = (int32_t)(i * 5 % f.classes);
  const ofs_data data = {x, y, OFS_F32, rows ? OFS_F32 : OFS_I32, n, 0, NULL};
  CHECK_INT(ofs_plan_set_data(train, &data, NULL), OFS_OK);
  CHECK_INT(ofs_plan_set_data(evaluate, &data, NULL), OFS_OK);
  real *start = check_alloc(m->parameters * sizeof *start), *g = check_alloc(m->parameters * sizeof *g);
  memcpy(start, m->params, m->parameters * sizeof *start);
  loss_of(train, m, n);
  memcpy(g, ofs_plan_gradient(train), m->parameters * sizeof *g);
  double size = 0;
  uint64_t stride = m->parameters / probes + 1;
  for (uint64_t i = 0; i < m->parameters; i += stride) {
    check_parameter(dropout ? train : evaluate, m, start, i, g[i], n, name);
    size += fabs(g[i]);
  }
  CHECK_MSG(size > 1e-6, "%s: every gradient is zero", name);
  free(start), free(g), free(x), free(y), free(train), free(evaluate), free(m);
}

static char label[160];
#define LABEL(...) (snprintf(label, sizeof label, __VA_ARGS__), label)

static void test_activations(void) {
  writer w;
  for (int act = OFS_ACT_LINEAR; act <= OFS_ACT_SOFTMAX; act++) {
    net(&w, 5, 0, 0, OFS_LOSS_MSE);
    dense(&w, 6, act), dense(&w, 4, act), dense(&w, 3, OFS_ACT_LINEAR);
    check_net(&w, 4, 1, 0, LABEL("dense, activation %d", act));
    net(&w, 5, 0, 0, OFS_LOSS_HUBER);
    dense(&w, 6, OFS_ACT_TANH), activation(&w, act), activation(&w, OFS_ACT_GELU), activation(&w, act), dense(&w, 3, act);
    check_net(&w, 4, 1, 0, LABEL("activation layers, activation %d", act));
    net(&w, 6, 5, 2, OFS_LOSS_MSE);
    conv(&w, 3, &(sliding){.kh = 3, .kw = 2, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pad = 1, .act = act, .bias = 1});
    conv(&w, 2, &(sliding){.kh = 2, .kw = 2, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = act, .bias = 1});
    check_net(&w, 3, 1, 0, LABEL("conv2d, activation %d", act));
  }
}

static void test_losses(void) {
  static const struct { int loss, act, rows; } cases[] = {
      {OFS_LOSS_SPARSE_CATEGORICAL, OFS_ACT_SOFTMAX, 0}, {OFS_LOSS_SPARSE_CATEGORICAL, OFS_ACT_SOFTMAX, 1},
      {OFS_LOSS_CATEGORICAL, OFS_ACT_SOFTMAX, 0},        {OFS_LOSS_CATEGORICAL, OFS_ACT_SOFTMAX, 1},
      {OFS_LOSS_BINARY, OFS_ACT_SIGMOID, 1},             {OFS_LOSS_MSE, OFS_ACT_LINEAR, 1},
      {OFS_LOSS_MAE, OFS_ACT_TANH, 1},                   {OFS_LOSS_HUBER, OFS_ACT_LINEAR, 1},
      {OFS_LOSS_MSE, OFS_ACT_SOFTMAX, 0},                {-1, OFS_ACT_SOFTMAX, 0},
      {-1, OFS_ACT_SIGMOID, 1},                          {-1, OFS_ACT_RELU, 1}};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    net(&w, 7, 0, 0, cases[i].loss);
    dense(&w, 5, OFS_ACT_RELU), dense(&w, 4, cases[i].act);
    check_net(&w, 5, cases[i].rows, 0, LABEL("loss case %d", (int)i));
    net(&w, 2, 3, 4, cases[i].loss); /* several positions a sample, the activation in a layer of its own */
    dense(&w, 5, OFS_ACT_SELU), dense(&w, 3, OFS_ACT_LINEAR), activation(&w, cases[i].act);
    check_net(&w, 3, cases[i].rows, 0, LABEL("loss case %d over positions", (int)i));
  }
  for (int rows = 0; rows < 2; rows++) { /* one sigmoid unit */
    net(&w, 4, 0, 0, OFS_LOSS_BINARY);
    dense(&w, 3, OFS_ACT_ELU), dense(&w, 1, OFS_ACT_SIGMOID);
    check_net(&w, 6, rows, 0, "one sigmoid unit");
    net(&w, 4, 0, 0, OFS_LOSS_MSE);
    dense(&w, 3, OFS_ACT_ELU), dense(&w, 1, OFS_ACT_SIGMOID);
    check_net(&w, 6, rows, 0, "one sigmoid unit, squared error");
  }
}

/* 3 x 3 over channels in fours goes by Winograd's products: odd sizes, one tile and many, several groups of tiles,
 * more channels than are at hand at a time (a part of the parameters then), first layer and second. */
static void test_winograd(void) {
  static const struct { int h, w, c, f1, f2; uint32_t n; } cases[] = {
      {4, 4, 8, 8, 8, 3}, {7, 6, 8, 12, 8, 2}, {6, 9, 12, 8, 16, 3}, {13, 14, 8, 8, 8, 9}, {5, 4, 8, 68, 72, 2}};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int pad = 0; pad < 2; pad++) {
      sliding s = {.kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pad = 1, .act = OFS_ACT_TANH, .bias = 1};
      net(&w, cases[i].h, cases[i].w, cases[i].c, OFS_LOSS_MSE);
      conv(&w, cases[i].f1, &s);
      s.pad = pad, s.bias = pad, s.act = OFS_ACT_GELU;
      conv(&w, cases[i].f2, &s);
      s.kh = s.kw = 1, s.act = OFS_ACT_LINEAR;
      conv(&w, 2, &s);
      check_net(&w, cases[i].n, 1, 0, LABEL("winograd %d x %d x %d, padding %d", cases[i].h, cases[i].w, cases[i].c, pad));
    }
}

/* A convolution between two others, so that all three gradients are proved. */
static void test_convolutions(void) {
  static const int kernels[][2] = {{1, 1}, {2, 2}, {3, 3}, {3, 2}, {1, 4}}, strides[][2] = {{1, 1}, {2, 2}, {1, 3}, {3, 1}},
                   dilations[][2] = {{1, 1}, {2, 2}, {1, 2}};
  writer w;
  for (int k = 0; k < 5; k++)
    for (int s = 0; s < 4; s++)
      for (int d = 0; d < 3; d++)
        for (int pad = 0; pad < 2; pad++) {
          const sliding first = {.kh = 2, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = OFS_ACT_TANH, .bias = d != 1};
          const sliding c = {.kh = kernels[k][0], .kw = kernels[k][1], .sh = strides[s][0], .sw = strides[s][1],
                             .dh = dilations[d][0], .dw = dilations[d][1], .pad = pad, .act = OFS_ACT_SIGMOID, .bias = s != 1};
          net(&w, 8, 9, 2, OFS_LOSS_MSE);
          conv(&w, 3, &first), conv(&w, 2, &c);
          check_net(&w, 2 + (uint32_t)(k + s) % 3 * 7, 1, 0,
                    LABEL("conv2d %d x %d, strides %d %d, dilation %d %d, padding %d", c.kh, c.kw, c.sh, c.sw, c.dh, c.dw, pad));
        }
}

static void test_pools(void) {
  static const int sizes[][2] = {{2, 2}, {3, 3}, {2, 3}, {1, 1}}, strides[][2] = {{0, 0}, {1, 1}, {2, 1}, {3, 4}};
  writer w;
  for (int type = OFS_MAX_POOLING2D; type <= OFS_AVERAGE_POOLING2D; type++)
    for (int k = 0; k < 4; k++)
      for (int s = 0; s < 4; s++)
        for (int pad = 0; pad < 2; pad++) {
          const sliding first = {.kh = 2, .kw = 2, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = OFS_ACT_RELU, .bias = 1};
          const sliding p = {.type = type, .kh = sizes[k][0], .kw = sizes[k][1], .sh = strides[s][0], .sw = strides[s][1],
                             .pad = pad};
          net(&w, 8, 7, 2, OFS_LOSS_MSE);
          conv(&w, 3, &first), pool(&w, &p), conv(&w, 2, &(sliding){.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .bias = 1});
          check_net(&w, 3, 1, 0, LABEL("pool %d of %d x %d, strides %d %d, padding %d", type, p.kh, p.kw, p.sh, p.sw, pad));
        }
}

static const int gate_acts[] = {OFS_ACT_LINEAR, OFS_ACT_RELU, OFS_ACT_LEAKY_RELU, OFS_ACT_ELU,
                                OFS_ACT_SELU,   OFS_ACT_SIGMOID, OFS_ACT_TANH,     OFS_ACT_SOFTPLUS};

/* Cells with every activation; then one layer between two others, so that all its gradients are proved: one step, odd
 * sizes, one sample and more than a block of them. */
static void test_recurrent(void) {
  static const struct { int steps, inputs, units; uint32_t n; } sizes[] = {
      {1, 3, 2, 1}, {1, 1, 1, 3}, {2, 1, 5, 1}, {5, 3, 4, 3}, {4, 5, 9, 17}, {7, 2, 1, 9}, {3, 4, 17, 8}};
  writer w;
  for (int type = OFS_LSTM; type <= OFS_GRU; type++) {
    for (int i = 0; i < 16; i++) {
      const cells c = {type, gate_acts[i % 8], gate_acts[(i * 3 + 1) % 8], 1, i / 8};
      net(&w, 4, 3, 0, OFS_LOSS_MSE);
      recurrent(&w, 5, &c), dense(&w, 2, OFS_ACT_LINEAR);
      check_net(&w, 3, 1, 0, LABEL("recurrent %d, activations %d and %d", type, c.act, c.gate_act));
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
      for (int k = 0; k < 4; k++) {
        const cells c = {type, OFS_ACT_TANH, OFS_ACT_SIGMOID, k / 2, k % 2};
        net(&w, sizes[i].steps, sizes[i].inputs, 0, OFS_LOSS_MSE);
        dense(&w, sizes[i].inputs, OFS_ACT_TANH), recurrent(&w, sizes[i].units, &c), dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, sizes[i].n, 1, 0, LABEL("recurrent %d, %d x %d, units %d, bias %d, sequences %d", type,
                  sizes[i].steps, sizes[i].inputs, sizes[i].units, c.bias, c.sequences));
      }
    for (int other = OFS_LSTM; other <= OFS_GRU; other++) { /* stacked, and a sequence as the prediction */
      const cells one = {type, OFS_ACT_TANH, OFS_ACT_SIGMOID, 1, 1}, two = {other, OFS_ACT_ELU, OFS_ACT_SIGMOID, 1, 0};
      net(&w, 6, 2, 0, -1);
      recurrent(&w, 4, &one), recurrent(&w, 3, &one), recurrent(&w, 3, &two), dense(&w, 3, OFS_ACT_SOFTMAX);
      check_net(&w, 5, 0, 0, LABEL("recurrent %d and %d, stacked", type, other));
      net(&w, 4, 2, 0, OFS_LOSS_HUBER);
      recurrent(&w, 3, &two), writer_record(&w, OFS_RESHAPE);
      FIELD(&w, OFS_RESHAPE_TARGET_SHAPE, 3, 1);
      recurrent(&w, 2, &one);
      check_net(&w, 4, 1, 0, LABEL("recurrent %d, a sequence as the prediction", type));
    }
    const cells c = {type, OFS_ACT_TANH, OFS_ACT_SIGMOID, 1, 0};
    net(&w, 40, 2, 0, OFS_LOSS_MSE); /* more than one chunk of the reduction over steps */
    recurrent(&w, 3, &c);
    check_net(&w, 110, 1, 0, LABEL("recurrent %d, chunks", type));
  }
}

/* Waves of one step with the units in tiles: a part of the parameters. */
static void test_wide_recurrent(void) {
  writer w;
  probes = 12;
  for (int type = OFS_LSTM; type <= OFS_GRU; type++)
    for (int sequences = 0; sequences < 2; sequences++) {
      const cells c = {type, OFS_ACT_TANH, OFS_ACT_SIGMOID, 1, sequences};
      net(&w, 3, 2, 0, OFS_LOSS_MSE);
      dense(&w, 2, OFS_ACT_TANH), recurrent(&w, 301, &c), dense(&w, 1, OFS_ACT_LINEAR);
      check_net(&w, 9, 1, 0, LABEL("recurrent %d, 301 units, sequences %d", type, sequences));
    }
  probes = 150;
}

/* Shapes that change, dropout, and more samples than one chunk of a reduction. */
static void test_rest(void) {
  writer w;
  net(&w, 6, 6, 1, OFS_LOSS_SPARSE_CATEGORICAL);
  conv(&w, 4, &(sliding){.kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = OFS_ACT_RELU, .bias = 1});
  writer_record(&w, OFS_RESHAPE);
  FIELD(&w, OFS_RESHAPE_TARGET_SHAPE, 8, 8);
  dense(&w, 5, OFS_ACT_SWISH);
  writer_record(&w, OFS_DROPOUT);
  FIELD(&w, OFS_DROPOUT_RATE, 0.4);
  writer_record(&w, OFS_FLATTEN);
  activation(&w, OFS_ACT_SOFTPLUS);
  writer_record(&w, OFS_DROPOUT);
  FIELD(&w, OFS_DROPOUT_RATE, 0.25);
  dense(&w, 4, OFS_ACT_SOFTMAX);
  check_net(&w, 5, 0, 1, "reshape, dropout, flatten");
  net(&w, 3, 0, 0, OFS_LOSS_MSE);
  writer_record(&w, OFS_DROPOUT);
  FIELD(&w, OFS_DROPOUT_RATE, 0.5);
  dense(&w, 3, OFS_ACT_TANH), dense(&w, 2, OFS_ACT_LINEAR);
  check_net(&w, 5000, 1, 1, "two chunks of a dense reduction");
}

int main(void) {
  test_activations();
  test_losses();
  test_winograd();
  test_convolutions();
  test_pools();
  test_recurrent();
  test_wide_recurrent();
  test_rest();
  return check_report("gradients");
}
