/* test_gradients_conv.c: convolutions of every kind, pools and images: every gradient against central differences
 * (gradients.h), and every output against sums over the window as it is defined, written here once more. */
#include "gradients.h"

/* A layer's record in between: what stands before and behind it makes its input's gradient tell. */
typedef void (*layer_writer)(writer *w, const sliding *s);

static void begin_conv(writer *w, int h, int wide, int c) {
  net(w, h, wide, c, OFS_LOSS_MSE);
  conv(w, 4, &(sliding){.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = OFS_ACT_TANH, .bias = 1});
}

static void begin_sequence(writer *w, int steps, int c) {
  net(w, steps, c, 0, OFS_LOSS_MSE);
  dense(w, 4, OFS_ACT_TANH);
}

/* ---- pools ---- */

static void test_pools1d(void) {
  static const int sizes[] = {1, 2, 3, 5}, strides[] = {0, 1, 2, 4};
  writer w;
  for (int type = OFS_MAX_POOLING1D; type <= OFS_AVERAGE_POOLING1D; type++)
    for (int k = 0; k < 4; k++)
      for (int s = 0; s < 4; s++)
        for (int pad = 0; pad < 2; pad++) {
          begin_sequence(&w, 9, 2);
          writer_record(&w, (uint16_t)type);
          FIELD(&w, OFS_MAX_POOL1D_SIZE, sizes[k]);
          if (strides[s]) FIELD(&w, OFS_MAX_POOL1D_STRIDES, strides[s]);
          FIELD(&w, OFS_MAX_POOL1D_PADDING, pad);
          dense(&w, 2, OFS_ACT_LINEAR);
          check_net(&w, 3, 1, 0, LABEL("pool %d of %d, stride %d, padding %d", type, sizes[k], strides[s], pad));
        }
}

static void test_global_pools(void) {
  static const int types[] = {OFS_GLOBAL_MAX_POOLING2D, OFS_GLOBAL_AVERAGE_POOLING2D, OFS_GLOBAL_MAX_POOLING1D,
                              OFS_GLOBAL_AVERAGE_POOLING1D};
  writer w;
  for (int i = 0; i < 4; i++)
    for (int keep = 0; keep < 2; keep++)
      for (int times = 0; times < 2; times++) {
        if (i < 2 && times) continue;
        if (i < 2) begin_conv(&w, 5, 3, 2);
        else if (times) begin_conv(&w, 3, 5, 2), writer_record(&w, OFS_TIME_DISTRIBUTED);
        else begin_sequence(&w, 7, 2);
        writer_record(&w, (uint16_t)types[i]);
        FIELD(&w, OFS_GLOBAL_KEEP_DIMS, keep);
        dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, 3, 1, 0, LABEL("global pool %d, keepDims %d, distributed %d", types[i], keep, times));
      }
}

/* ---- images ---- */

/* What a net puts out for a batch of n, and its input: in blocks that the caller frees. */
static double *outputs_of(ofs_model *m, const float *x, uint32_t n) {
  ofs_plan *p = open_plan(m, OFS_PREDICT, n);
  const ofs_data data = {.x = x, .x_type = OFS_F32, .n = n};
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  CHECK_INT(run_step(p, 0, n, 1u << 30), OFS_OK);
  size_t size = n * (size_t)m->layers[m->layer_count - 1].shape.size * sizeof(double);
  double *y = check_alloc(size);
  memcpy(y, ofs_plan_output(p, 0), size);
  free(p);
  return y;
}

static double pixel(const float *x, int h, int wide, int c, int i, int j, int k) {
  return i < 0 || j < 0 || i >= h || j >= wide ? 0 : x[(i * wide + j) * c + k];
}

static double bilinear(const float *x, int h, int wide, int c, int s, int t, int i, int j, int k) {
  double y = (i + 0.5) / s - 0.5, z = (j + 0.5) / t - 0.5, sum = 0;
  for (int a = 0; a < h; a++)
    for (int b = 0; b < wide; b++) {
      double near_y = fmax(0, 1 - fabs(fmin(fmax(y, 0), h - 1) - a)), near_x = fmax(0, 1 - fabs(fmin(fmax(z, 0), wide - 1) - b));
      sum += near_y * near_x * pixel(x, h, wide, c, a, b, k);
    }
  return sum;
}

/* Of three numbers: how the layer is told (0 padding, 1 cropping, 2 nearest, 3 bilinear) and by how much. */
static void write_image(writer *w, int how, const double by[4]) {
  static const uint16_t types[] = {OFS_ZERO_PADDING2D, OFS_CROPPING2D, OFS_UP_SAMPLING2D, OFS_UP_SAMPLING2D};
  writer_record(w, types[how]);
  writer_values(w, OFS_ZERO_PADDING, how < 2 ? 4 : 2, by);
  if (how == 3) FIELD(w, OFS_UP_SAMPLING_INTERPOLATION, OFS_BILINEAR);
}

static void check_image(int h, int wide, int c, int how, const double by[4]) {
  writer w;
  net(&w, h, wide, c, OFS_LOSS_MSE);
  write_image(&w, how, by);
  ofs_model *m = open_model(&w, NULL);
  if (!CHECK(m != NULL)) return;
  const ofs_layer *l = &m->layers[0];
  float *x = make_x(m, 2);
  double *y = outputs_of(m, x, 2), worst = 0;
  int s = (int)by[0], t = (int)by[1], left = (int)by[2], oh = (int)l->out.dims[0], ow = (int)l->out.dims[1];
  CHECK_INT(oh, how == 0 ? h + s + t : how == 1 ? h - s - t : h * s);
  for (int b = 0; b < 2; b++)
    for (int i = 0; i < oh; i++)
      for (int j = 0; j < ow; j++)
        for (int k = 0; k < c; k++) {
          const float *at = x + b * h * wide * c;
          double want = how == 0 ? pixel(at, h, wide, c, i - s, j - left, k) : how == 1 ? pixel(at, h, wide, c, i + s, j + left, k)
                      : how == 2 ? pixel(at, h, wide, c, i / s, j / t, k) : bilinear(at, h, wide, c, s, t, i, j, k);
          worst = fmax(worst, fabs(y[((b * oh + i) * ow + j) * c + k] - want));
        }
  CHECK_MSG(worst < 1e-12, "image %d by %g %g %g %g: off by %g", how, by[0], by[1], by[2], by[3], worst);
  free(x), free(y), free(m);
}

static void test_images(void) {
  static const struct { int how; double by[4]; } cases[] = {
      {0, {1, 1, 1, 1}}, {0, {0, 2, 3, 0}}, {0, {0, 0, 0, 0}}, {1, {1, 1, 1, 1}}, {1, {0, 3, 2, 0}}, {1, {4, 0, 0, 0}},
      {2, {2, 2}},       {2, {1, 3}},       {2, {3, 2}},       {3, {2, 2}},       {3, {1, 4}},       {3, {3, 2}}, {3, {5, 1}}};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int times = 0; times < 2; times++) {
      for (int c = 1; c < 6; c += 2) check_image(5, 4, c, cases[i].how, cases[i].by);
      if (cases[i].how > 1) check_image(1, 2, 4, cases[i].how, cases[i].by);
      const double shape[] = {2, 5, 4, 2};
      begin(&w, times ? 4 : 3, times ? shape : shape + 1);
      FIELD(&w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
      writer_record(&w, OFS_SGD);
      dense(&w, times ? 4 : 3, OFS_ACT_TANH);
      if (times) writer_record(&w, OFS_TIME_DISTRIBUTED);
      write_image(&w, cases[i].how, cases[i].by);
      dense(&w, 2, OFS_ACT_LINEAR);
      check_net(&w, 3, 1, 0, LABEL("image case %d, distributed %d", (int)i, times));
    }
}

int main(void) {
  test_images();
  test_pools1d();
  test_global_pools();
  return check_report("gradients of convolutions");
}
