/* test_conv.c: nets of convolutions, pools and images, trained a step with the fast kernels
 * and with the reference: loss and gradients to the last bit, in whole and in small slices of work.
 * So the layers give both the same to do, products of no terms included (a stride beyond the
 * kernel), and neither an order of its own. */
#include "program/plan.h"
#include "guarded.h"
#include "spec_writer.h"

typedef struct net {
  int type, filters, k, s, d, pad, parts;
} net;

static void write_net(writer *w, const net *n) {
  const double shape[] = {13, 14, 24};
  w->n = 0;
  writer_record(w, OFS_MODEL);
  writer_values(w, OFS_MODEL_INPUT_SHAPE, 3, shape);
  FIELD(w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
  writer_record(w, OFS_SGD);
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, 24);
  writer_record(w, (uint16_t)n->type);
  if (n->type != OFS_DEPTHWISE_CONV2D) FIELD(w, OFS_CONV2D_FILTERS, n->filters);
  FIELD(w, OFS_CONV2D_KERNEL_SIZE, n->k);
  FIELD(w, OFS_CONV2D_STRIDES, n->s);
  FIELD(w, OFS_CONV2D_DILATION_RATE, n->d);
  FIELD(w, OFS_CONV2D_PADDING, n->pad);
  FIELD(w, OFS_CONV2D_ACTIVATION, OFS_ACT_RELU);
  FIELD(w, OFS_CONV2D_BIAS_INIT, OFS_INIT_RANDOM_NORMAL);
  if (n->type == OFS_CONV2D)
    FIELD(w, OFS_CONV2D_GROUPS, n->parts);
  else if (n->type != OFS_CONV2D_TRANSPOSE)
    FIELD(w, OFS_DEPTHWISE_MULTIPLIER, n->parts);
  writer_record(w, OFS_UP_SAMPLING2D);
  FIELD(w, OFS_UP_SAMPLING_INTERPOLATION, n->pad);
  writer_record(w, n->pad ? OFS_GLOBAL_AVERAGE_POOLING2D : OFS_GLOBAL_MAX_POOLING2D);
}

static void check(const net *n) {
  static writer w;
  static float x[5 * 13 * 14 * 24], y[5 * 64];
  write_net(&w, n);
  ofs_model *m = open_model(&w, NULL);
  if (!CHECK_MSG(m != NULL, "layer %d is refused", n->type)) return;
  ofs_plan *p = open_plan(m, OFS_TRAIN, 5);
  random_fill(x, sizeof x / sizeof *x, 1), random_fill(y, sizeof y / sizeof *y, 1);
  const ofs_data data = {.x = x, .y = y, .x_type = OFS_F32, .y_type = OFS_F32, .n = 5};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  size_t size = m->parameters * sizeof(float);
  float *start = check_alloc(size), *want = check_alloc(size);
  memcpy(start, m->params, size);
  double loss = 0;
  for (int turn = 0; turn < 4; turn++) {
    ofs_totals t;
    memcpy(m->params, start, size);
    if (turn % 2)
      ofs_kernels_fill(&m->kernels);
    else
      ofs_kernels_fill_ref(&m->kernels);
    CHECK_INT(run_step(p, 0, turn < 2 ? 5 : 3, turn == 3 ? 1 : 1u << 30), OFS_OK);
    ofs_step_totals(p, &t);
    if (turn % 2)
      CHECK(t.loss == loss), check_same(ofs_plan_gradient(p), want, m->parameters, "gradients");
    loss = t.loss;
    memcpy(want, ofs_plan_gradient(p), size);
  }
  free(start), free(want), free(p), free(m);
}

int main(void) {
  static const int sizes[][3] = {{3, 1, 1}, {3, 2, 1}, {1, 2, 1}, {2, 3, 1},
                                 {3, 1, 2}, {4, 2, 2}, {2, 5, 1}};
  static const struct {
    int type, filters, parts;
  } layers[] = {{OFS_CONV2D, 20, 1},          {OFS_CONV2D, 24, 3},
                {OFS_CONV2D, 48, 24},         {OFS_DEPTHWISE_CONV2D, 0, 1},
                {OFS_DEPTHWISE_CONV2D, 0, 2}, {OFS_SEPARABLE_CONV2D, 10, 1},
                {OFS_CONV2D_TRANSPOSE, 9, 1}};
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
      for (int pad = 0; pad < 2; pad++)
        check(&(net){layers[i].type, layers[i].filters, sizes[k][0], sizes[k][1], sizes[k][2], pad,
                     layers[i].parts});
  return check_report("convolutions");
}
