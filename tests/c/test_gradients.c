/* test_gradients.c: the layers that a plain net is made of, every activation and loss against
 * central differences (gradients.h). */
#include "gradients.h"

static void test_activations(void) {
  writer w;
  for (int act = OFS_ACT_LINEAR; act <= OFS_ACT_LAST; act++) {
    net(&w, 5, 0, 0, OFS_LOSS_MSE);
    dense(&w, 6, act), dense(&w, 4, act), dense(&w, 3, OFS_ACT_LINEAR);
    check_net(&w, 4, 1, 0, LABEL("dense, activation %d", act));
    net(&w, 5, 0, 0, OFS_LOSS_HUBER);
    dense(&w, 6, OFS_ACT_TANH), activation(&w, act), activation(&w, OFS_ACT_GELU),
        activation(&w, act), dense(&w, 3, act);
    check_net(&w, 4, 1, 0, LABEL("activation layers, activation %d", act));
    net(&w, 6, 5, 2, OFS_LOSS_MSE);
    conv(&w, 3,
         &(sliding){.kh = 3,
                    .kw = 2,
                    .sh = 1,
                    .sw = 1,
                    .dh = 1,
                    .dw = 1,
                    .pad = 1,
                    .act = act,
                    .bias = 1});
    conv(&w, 2,
         &(sliding){.kh = 2, .kw = 2, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = act, .bias = 1});
    check_net(&w, 3, 1, 0, LABEL("conv2d, activation %d", act));
  }
}

static void test_losses(void) {
  static const struct {
    int loss, act, rows;
  } cases[] = {{OFS_LOSS_SPARSE_CATEGORICAL, OFS_ACT_SOFTMAX, 0},
               {OFS_LOSS_SPARSE_CATEGORICAL, OFS_ACT_SOFTMAX, 1},
               {OFS_LOSS_CATEGORICAL, OFS_ACT_SOFTMAX, 0},
               {OFS_LOSS_CATEGORICAL, OFS_ACT_SOFTMAX, 1},
               {OFS_LOSS_BINARY, OFS_ACT_SIGMOID, 1},
               {OFS_LOSS_MSE, OFS_ACT_LINEAR, 1},
               {OFS_LOSS_MAE, OFS_ACT_TANH, 1},
               {OFS_LOSS_HUBER, OFS_ACT_LINEAR, 1},
               {OFS_LOSS_MSE, OFS_ACT_SOFTMAX, 0},
               {-1, OFS_ACT_SOFTMAX, 0},
               {-1, OFS_ACT_SIGMOID, 1},
               {-1, OFS_ACT_RELU, 1}};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    net(&w, 7, 0, 0, cases[i].loss);
    dense(&w, 5, OFS_ACT_RELU), dense(&w, 4, cases[i].act);
    check_net(&w, 5, cases[i].rows, 0, LABEL("loss case %d", (int)i));
    /* several positions a sample, the activation in a layer of its own */
    net(&w, 2, 3, 4, cases[i].loss);
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

/* 3 x 3 over channels in fours goes by Winograd's products: odd sizes, one tile and many, several
 * groups of tiles, more channels than are at hand at a time (a part of the parameters then), first
 * layer and second. */
static void test_winograd(void) {
  static const struct {
    int h, w, c, f1, f2;
    uint32_t n;
  } cases[] = {{4, 4, 8, 8, 8, 3},
               {7, 6, 8, 12, 8, 2},
               {6, 9, 12, 8, 16, 3},
               {13, 14, 8, 8, 8, 9},
               {5, 4, 8, 68, 72, 2}};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int pad = 0; pad < 2; pad++) {
      sliding s = {.kh = 3,
                   .kw = 3,
                   .sh = 1,
                   .sw = 1,
                   .dh = 1,
                   .dw = 1,
                   .pad = 1,
                   .act = OFS_ACT_TANH,
                   .bias = 1};
      net(&w, cases[i].h, cases[i].w, cases[i].c, OFS_LOSS_MSE);
      conv(&w, cases[i].f1, &s);
      s.pad = pad, s.bias = pad, s.act = OFS_ACT_GELU;
      conv(&w, cases[i].f2, &s);
      s.kh = s.kw = 1, s.act = OFS_ACT_LINEAR;
      conv(&w, 2, &s);
      check_net(&w, cases[i].n, 1, 0,
                LABEL("winograd %d x %d x %d, padding %d", cases[i].h, cases[i].w, cases[i].c,
                      pad));
    }
}

/* A convolution between two others, so that all three gradients are proved. */
static void test_convolutions(void) {
  static const int kernels[][2] = {{1, 1}, {2, 2}, {3, 3}, {3, 2}, {1, 4}},
                   strides[][2] = {{1, 1}, {2, 2}, {1, 3}, {3, 1}},
                   dilations[][2] = {{1, 1}, {2, 2}, {1, 2}};
  writer w;
  for (int k = 0; k < 5; k++)
    for (int s = 0; s < 4; s++)
      for (int d = 0; d < 3; d++)
        for (int pad = 0; pad < 2; pad++) {
          const sliding first = {.kh = 2,
                                 .kw = 1,
                                 .sh = 1,
                                 .sw = 1,
                                 .dh = 1,
                                 .dw = 1,
                                 .act = OFS_ACT_TANH,
                                 .bias = d != 1};
          const sliding c = {.kh = kernels[k][0],
                             .kw = kernels[k][1],
                             .sh = strides[s][0],
                             .sw = strides[s][1],
                             .dh = dilations[d][0],
                             .dw = dilations[d][1],
                             .pad = pad,
                             .act = OFS_ACT_SIGMOID,
                             .bias = s != 1};
          net(&w, 8, 9, 2, OFS_LOSS_MSE);
          conv(&w, 3, &first), conv(&w, 2, &c);
          check_net(&w, 2 + (uint32_t)(k + s) % 3 * 7, 1, 0,
                    LABEL("conv2d %d x %d, strides %d %d, dilation %d %d, padding %d", c.kh, c.kw,
                          c.sh, c.sw, c.dh, c.dw, pad));
        }
}

static void test_pools(void) {
  static const int sizes[][2] = {{2, 2}, {3, 3}, {2, 3}, {1, 1}},
                   strides[][2] = {{0, 0}, {1, 1}, {2, 1}, {3, 4}};
  writer w;
  for (int type = OFS_MAX_POOLING2D; type <= OFS_AVERAGE_POOLING2D; type++)
    for (int k = 0; k < 4; k++)
      for (int s = 0; s < 4; s++)
        for (int pad = 0; pad < 2; pad++) {
          const sliding first = {
              .kh = 2, .kw = 2, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = OFS_ACT_RELU, .bias = 1};
          const sliding p = {.type = type,
                             .kh = sizes[k][0],
                             .kw = sizes[k][1],
                             .sh = strides[s][0],
                             .sw = strides[s][1],
                             .pad = pad};
          net(&w, 8, 7, 2, OFS_LOSS_MSE);
          conv(&w, 3, &first), pool(&w, &p),
              conv(&w, 2,
                   &(sliding){.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .bias = 1});
          check_net(&w, 3, 1, 0,
                    LABEL("pool %d of %d x %d, strides %d %d, padding %d", type, p.kh, p.kw, p.sh,
                          p.sw, pad));
        }
}

static const int gate_acts[] = {OFS_ACT_LINEAR,       OFS_ACT_RELU,     OFS_ACT_LEAKY_RELU,
                                OFS_ACT_ELU,          OFS_ACT_SELU,     OFS_ACT_SIGMOID,
                                OFS_ACT_TANH,         OFS_ACT_SOFTPLUS, OFS_ACT_RELU6,
                                OFS_ACT_HARD_SIGMOID, OFS_ACT_SOFTSIGN, OFS_ACT_EXPONENTIAL};
enum { GATE_ACTS = sizeof gate_acts / sizeof *gate_acts };

/* Cells with every activation; then one layer between two others, so that all its gradients are
 * proved: one step, odd sizes, one sample and more than a block of them. */
static void test_recurrent(void) {
  static const struct {
    int steps, inputs, units;
    uint32_t n;
  } sizes[] = {{1, 3, 2, 1},  {1, 1, 1, 3}, {2, 1, 5, 1}, {5, 3, 4, 3},
               {4, 5, 9, 17}, {7, 2, 1, 9}, {3, 4, 17, 8}};
  writer w;
  for (int type = OFS_LSTM; type <= OFS_GRU; type++) {
    for (int i = 0; i < 2 * GATE_ACTS; i++) {
      const cells c = {type, gate_acts[i % GATE_ACTS], gate_acts[(i * 5 + 1) % GATE_ACTS], 1,
                       i / GATE_ACTS};
      net(&w, 4, 3, 0, OFS_LOSS_MSE);
      recurrent(&w, 5, &c), dense(&w, 2, OFS_ACT_LINEAR);
      check_net(&w, 3, 1, 0, LABEL("recurrent %d, activations %d and %d", type, c.act, c.gate_act));
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
      for (int k = 0; k < 4; k++) {
        const cells c = {type, OFS_ACT_TANH, OFS_ACT_SIGMOID, k / 2, k % 2};
        net(&w, sizes[i].steps, sizes[i].inputs, 0, OFS_LOSS_MSE);
        dense(&w, sizes[i].inputs, OFS_ACT_TANH), recurrent(&w, sizes[i].units, &c),
            dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, sizes[i].n, 1, 0,
                  LABEL("recurrent %d, %d x %d, units %d, bias %d, sequences %d", type,
                        sizes[i].steps, sizes[i].inputs, sizes[i].units, c.bias, c.sequences));
      }
    /* stacked, and a sequence as the prediction */
    for (int other = OFS_LSTM; other <= OFS_GRU; other++) {
      const cells one = {type, OFS_ACT_TANH, OFS_ACT_SIGMOID, 1, 1},
                  two = {other, OFS_ACT_ELU, OFS_ACT_SIGMOID, 1, 0};
      net(&w, 6, 2, 0, -1);
      recurrent(&w, 4, &one), recurrent(&w, 3, &one), recurrent(&w, 3, &two),
          dense(&w, 3, OFS_ACT_SOFTMAX);
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
  conv(&w, 4,
       &(sliding){
           .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = OFS_ACT_RELU, .bias = 1});
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
