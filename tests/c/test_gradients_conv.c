/* test_gradients_conv.c: convolutions of every kind, pools and images: every gradient against
 * central differences (gradients.h), and every output against sums over the window as it is
 * defined, written here once more. */
#include "gradients.h"

static void begin_conv(writer *w, int h, int wide, int c) {
  net(w, h, wide, c, OFS_LOSS_MSE);
  conv(w, 4,
       &(sliding){
           .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .act = OFS_ACT_TANH, .bias = 1});
}

static void begin_sequence(writer *w, int steps, int c) {
  net(w, steps, c, 0, OFS_LOSS_MSE);
  dense(w, 4, OFS_ACT_TANH);
}

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
          check_net(&w, 3, 1, 0,
                    LABEL("pool %d of %d, stride %d, padding %d", type, sizes[k], strides[s], pad));
        }
}

static void test_global_pools(void) {
  static const int types[] = {OFS_GLOBAL_MAX_POOLING2D, OFS_GLOBAL_AVERAGE_POOLING2D,
                              OFS_GLOBAL_MAX_POOLING1D, OFS_GLOBAL_AVERAGE_POOLING1D};
  writer w;
  for (int i = 0; i < 4; i++)
    for (int keep = 0; keep < 2; keep++)
      for (int times = 0; times < 2; times++) {
        if (i < 2 && times) continue;
        if (i < 2)
          begin_conv(&w, 5, 3, 2);
        else if (times)
          begin_conv(&w, 3, 5, 2), writer_record(&w, OFS_TIME_DISTRIBUTED);
        else
          begin_sequence(&w, 7, 2);
        writer_record(&w, (uint16_t)types[i]);
        FIELD(&w, OFS_GLOBAL_KEEP_DIMS, keep);
        dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, 3, 1, 0,
                  LABEL("global pool %d, keepDims %d, distributed %d", types[i], keep, times));
      }
}

/* Averages of the steps whose index is not 0, by themselves and distributed. */
static void test_masked_pools(void) {
  writer w;
  for (int times = 0; times < 2; times++)
    for (int keep = 0; keep < 2; keep++)
      for (int masks = 0; masks < 2; masks++) {
        if (times)
          net(&w, 3, 5, 0, OFS_LOSS_MSE);
        else
          net(&w, 5, 0, 0, OFS_LOSS_MSE);
        writer_record(&w, OFS_EMBEDDING);
        FIELD(&w, OFS_EMBEDDING_INPUT_DIM, 3);
        FIELD(&w, OFS_EMBEDDING_OUTPUT_DIM, 6);
        FIELD(&w, OFS_EMBEDDING_MASK_ZERO, masks);
        FIELD(&w, OFS_EMBEDDING_TABLE_INIT, OFS_INIT_RANDOM_UNIFORM, -1, 1);
        if (times) writer_record(&w, OFS_TIME_DISTRIBUTED);
        writer_record(&w, OFS_GLOBAL_AVERAGE_POOLING1D);
        FIELD(&w, OFS_GLOBAL_AVG1D_KEEP_DIMS, keep);
        ofs_model *m = open_model(&w, NULL);
        if (!CHECK(m != NULL)) return;
        float *x = make_x(m, 4);
        /* one valid step, then as they come, then none */
        for (int i = 0; i < 5; i++) x[i] = (float)(i % 3 / 2);
        for (int i = 0; i < 5; i++) x[(times ? 3 : 1) * 15 + i] = 0;
        double *y = outputs_of(m, x, 4), worst = 0;
        for (int s = 0; s < (times ? 12 : 4); s++)
          for (int k = 0; k < 6; k++) {
            double sum = 0, n = 0;
            for (int i = 0; i < 5; i++)
              if (!masks || x[s * 5 + i] != 0) sum += m->params[(int)x[s * 5 + i] * 6 + k], n++;
            worst = fmax(worst, fabs(y[s * 6 + k] - (n > 0 ? sum / n : 0)));
          }
        CHECK_MSG(worst < 1e-12, "average of masked steps: off by %g", worst);
        free(x), free(y), free(m);
        dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, 4, 1, 0,
                  LABEL("average of steps, masked %d, distributed %d, keepDims %d", masks, times,
                        keep));
      }
}

/* ---- images ---- */

static double pixel(const float *x, int h, int wide, int c, int i, int j, int k) {
  return i < 0 || j < 0 || i >= h || j >= wide ? 0 : x[(i * wide + j) * c + k];
}

static double bilinear(const float *x, int h, int wide, int c, int s, int t, int i, int j, int k) {
  double y = (i + 0.5) / s - 0.5, z = (j + 0.5) / t - 0.5, sum = 0;
  for (int a = 0; a < h; a++)
    for (int b = 0; b < wide; b++) {
      double near_y = fmax(0, 1 - fabs(fmin(fmax(y, 0), h - 1) - a)),
             near_x = fmax(0, 1 - fabs(fmin(fmax(z, 0), wide - 1) - b));
      sum += near_y * near_x * pixel(x, h, wide, c, a, b, k);
    }
  return sum;
}

/* Of three numbers: how the layer is told (0 padding, 1 cropping, 2 nearest, 3 bilinear) and by how
 * much. */
static void write_image(writer *w, int how, const double by[4]) {
  static const uint16_t types[] = {OFS_ZERO_PADDING2D, OFS_CROPPING2D, OFS_UP_SAMPLING2D,
                                   OFS_UP_SAMPLING2D};
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
  int s = (int)by[0], t = (int)by[1], left = (int)by[2], oh = (int)l->out.dims[0],
      ow = (int)l->out.dims[1];
  CHECK_INT(oh, how == 0 ? h + s + t : how == 1 ? h - s - t : h * s);
  for (int b = 0; b < 2; b++)
    for (int i = 0; i < oh; i++)
      for (int j = 0; j < ow; j++)
        for (int k = 0; k < c; k++) {
          const float *at = x + b * h * wide * c;
          double want = how == 0   ? pixel(at, h, wide, c, i - s, j - left, k)
                        : how == 1 ? pixel(at, h, wide, c, i + s, j + left, k)
                        : how == 2 ? pixel(at, h, wide, c, i / s, j / t, k)
                                   : bilinear(at, h, wide, c, s, t, i, j, k);
          worst = fmax(worst, fabs(y[((b * oh + i) * ow + j) * c + k] - want));
        }
  CHECK_MSG(worst < 1e-12, "image %d by %g %g %g %g: off by %g", how, by[0], by[1], by[2], by[3],
            worst);
  free(x), free(y), free(m);
}

static void test_images(void) {
  static const struct {
    int how;
    double by[4];
  } cases[] = {{0, {1, 1, 1, 1}}, {0, {0, 2, 3, 0}}, {0, {0, 0, 0, 0}}, {1, {1, 1, 1, 1}},
               {1, {0, 3, 2, 0}}, {1, {4, 0, 0, 0}}, {2, {2, 2}},       {2, {1, 3}},
               {2, {3, 2}},       {3, {2, 2}},       {3, {1, 4}},       {3, {3, 2}},
               {3, {5, 1}}};
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

/* ---- convolutions ---- */

typedef struct shape {
  /* parts: groups, or filters a channel */
  int type, filters, kh, kw, sh, sw, dh, dw, pad, act, bias, parts;
  int more[2]; /* outputPadding; -1: none */
} shape;

static void write_conv(writer *w, const shape *s) {
  int flat = s->type == OFS_CONV1D;
  const double k[] = {s->kh, s->kw}, strides[] = {s->sh, s->sw}, dilation[] = {s->dh, s->dw};
  writer_record(w, (uint16_t)s->type);
  if (s->type != OFS_DEPTHWISE_CONV2D) FIELD(w, OFS_CONV2D_FILTERS, s->filters);
  writer_values(w, OFS_CONV2D_KERNEL_SIZE, flat ? 1 : 2, k + flat);
  writer_values(w, OFS_CONV2D_STRIDES, flat ? 1 : 2, strides + flat);
  writer_values(w, OFS_CONV2D_DILATION_RATE, flat ? 1 : 2, dilation + flat);
  FIELD(w, OFS_CONV2D_PADDING, s->pad);
  FIELD(w, OFS_CONV2D_ACTIVATION, s->act);
  FIELD(w, OFS_CONV2D_USE_BIAS, s->bias);
  FIELD(w, OFS_CONV2D_BIAS_INIT, OFS_INIT_RANDOM_NORMAL, 0, 0.5);
  if (s->type == OFS_CONV1D || s->type == OFS_CONV2D)
    FIELD(w, OFS_CONV2D_GROUPS, s->parts);
  else if (s->type != OFS_CONV2D_TRANSPOSE)
    FIELD(w, OFS_DEPTHWISE_MULTIPLIER, s->parts);
  else if (s->more[0] >= 0)
    FIELD(w, OFS_TRANSPOSE_OUTPUT_PADDING, s->more[0], s->more[1]);
}

typedef struct image {
  int h, w, c;
  double *at;
} image;

static image image_new(int h, int w, int c) {
  size_t n = (size_t)h * w * c;
  image i = {h, w, c, check_alloc(n * sizeof(double))};
  for (size_t k = 0; k < n; k++) i.at[k] = 0;
  return i;
}

/* Keras: how many cells of padding stand before an axis, and how long the output is. */
static int axis_of(int in, int k, int s, int d, int pad, int *before) {
  int reach = (k - 1) * d + 1, out = (in + s - 1) / s, total = (out - 1) * s + reach - in;
  *before = pad == OFS_PAD_CAUSAL ? reach - 1 : pad && total > 0 ? total / 2 : 0;
  return pad ? out : (in - reach) / s + 1;
}

/* y = x * W, W (kh, kw, c / groups, f), group after group. */
static image convolve(image x, const real *weights, int f, int groups, const shape *s) {
  int top, left, oh = axis_of(x.h, s->kh, s->sh, s->dh, s->pad, &top),
                 ow = axis_of(x.w, s->kw, s->sw, s->dw, s->pad, &left);
  int cg = x.c / groups, fg = f / groups;
  image y = image_new(oh, ow, f);
  for (int i = 0; i < oh; i++)
    for (int j = 0; j < ow; j++)
      for (int o = 0; o < f; o++)
        for (int u = 0; u < s->kh; u++)
          for (int v = 0; v < s->kw; v++)
            for (int c = 0; c < cg; c++) {
              int iy = i * s->sh + u * s->dh - top, ix = j * s->sw + v * s->dw - left;
              if (iy < 0 || ix < 0 || iy >= x.h || ix >= x.w) continue;
              y.at[(i * ow + j) * f + o] += x.at[(iy * x.w + ix) * x.c + o / fg * cg + c] *
                                            weights[((u * s->kw + v) * cg + c) * f + o];
            }
  free(x.at);
  return y;
}

/* Keras 3 of one axis of a transposed convolution: its length, and where of the whole sum it
 * begins. */
static int transposed_axis(int in, int k, int s, int d, int pad, int more, int *begin) {
  int reach = (k - 1) * d + 1, cells;
  *begin = 0;
  if (!pad) return (in - 1) * s + reach + (more >= 0 ? more : reach > s ? 0 : s - reach);
  cells = more < 0 ? s + reach - 2 : reach + reach % 2 - 2 + more;
  int left = cells / 2 + cells % 2 < reach - 1 ? cells / 2 + cells % 2 : reach - 1;
  *begin = reach - 1 - left;
  return more < 0 ? in * s : (in - 1) * s + reach % 2 + more;
}

/* Every input pixel adds itself times W (kh, kw, f, c). */
static image transposed(image x, const real *weights, int f, const shape *s) {
  int top, left, oh = transposed_axis(x.h, s->kh, s->sh, s->dh, s->pad, s->more[0], &top);
  int ow = transposed_axis(x.w, s->kw, s->sw, s->dw, s->pad, s->more[1], &left);
  image y = image_new(oh, ow, f);
  for (int i = 0; i < x.h; i++)
    for (int j = 0; j < x.w; j++)
      for (int u = 0; u < s->kh; u++)
        for (int v = 0; v < s->kw; v++)
          for (int o = 0; o < f; o++)
            for (int c = 0; c < x.c; c++) {
              int oy = i * s->sh + u * s->dh - top, ox = j * s->sw + v * s->dw - left;
              if (oy < 0 || ox < 0 || oy >= oh || ox >= ow) continue;
              y.at[(oy * ow + ox) * f + o] +=
                  x.at[(i * x.w + j) * x.c + c] * weights[((u * s->kw + v) * f + o) * x.c + c];
            }
  free(x.at);
  return y;
}

/* The layer by itself, linear, against the sums above. */
static void check_sums(int h, int wide, int c, const shape *of, const char *name) {
  shape s = *of, point = {.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
  writer w;
  s.act = OFS_ACT_LINEAR;
  if (s.type == OFS_CONV1D)
    net(&w, wide, c, 0, OFS_LOSS_MSE);
  else
    net(&w, h, wide, c, OFS_LOSS_MSE);
  write_conv(&w, &s);
  ofs_model *m = open_model(&w, NULL);
  if (!CHECK_MSG(m != NULL, "%s: refused", name)) return;
  float *x = make_x(m, 2);
  double *y = outputs_of(m, x, 2), worst = 0;
  size_t size = m->layers[m->layer_count - 1].shape.size;
  for (int b = 0; b < 2; b++) {
    image i = image_new(h, wide, c);
    for (int k = 0; k < h * wide * c; k++) i.at[k] = x[b * h * wide * c + k];
    const real *weights = m->params;
    if (s.type == OFS_CONV2D_TRANSPOSE)
      i = transposed(i, weights, s.filters, &s), weights += s.kh * s.kw * c * s.filters;
    else if (s.type == OFS_CONV1D || s.type == OFS_CONV2D)
      i = convolve(i, weights, s.filters, s.parts, &s),
      weights += s.kh * s.kw * c / s.parts * s.filters;
    else
      i = convolve(i, weights, c * s.parts, c, &s), weights += s.kh * s.kw * c * s.parts;
    if (s.type == OFS_SEPARABLE_CONV2D)
      weights += i.c * s.filters, i = convolve(i, weights - i.c * s.filters, s.filters, 1, &point);
    if (!CHECK_MSG(size == (size_t)i.h * i.w * i.c, "%s: %d numbers, expected %d x %d x %d", name,
                   (int)size, i.h, i.w, i.c))
      break;
    for (size_t k = 0; k < size; k++)
      worst = fmax(worst, fabs(y[b * size + k] - (i.at[k] + (s.bias ? weights[k % i.c] : 0))));
    free(i.at);
  }
  CHECK_MSG(worst < 1e-12, "%s: off by %g", name, worst);
  free(x), free(y), free(m);
}

/* Behind a layer that learns, so that every gradient is proved; by itself, distributed over time,
 * or with weights that stay. */
enum { BY_ITSELF, DISTRIBUTED, FROZEN, WAYS };

static void check_shape(int h, int wide, int c, const shape *s, int way, uint32_t n) {
  static char name[160];
  const double dims[] = {2, h, wide, c};
  int flat = s->type == OFS_CONV1D, rank = flat ? 2 : 3;
  writer w;
  snprintf(name, sizeof name,
           "layer %d of %d x %d x %d: %d filters, %d x %d by %d %d, dilation %d %d, padding %d, "
           "parts %d, way %d",
           s->type, h, wide, c, s->filters, s->kh, s->kw, s->sh, s->sw, s->dh, s->dw, s->pad,
           s->parts, way);
  if (way == BY_ITSELF) check_sums(flat ? 1 : h, wide, c, s, name);
  begin(&w, way == DISTRIBUTED ? rank + 1 : rank,
        flat && way == DISTRIBUTED ? (const double[]){2, wide, c}
                                   : dims + 1 + flat - (way == DISTRIBUTED));
  FIELD(&w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
  writer_record(&w, OFS_SGD);
  dense(&w, c, OFS_ACT_TANH);
  if (way == DISTRIBUTED) writer_record(&w, OFS_TIME_DISTRIBUTED);
  write_conv(&w, s);
  if (way == FROZEN) FIELD(&w, OFS_LAYER_TRAINABLE, 0);
  check_net(&w, n, 1, 0, name);
}

static void test_shapes(void) {
  static const int kernels[][2] = {{3, 3}, {1, 1}, {2, 4}, {3, 1}},
                   strides[][2] = {{1, 1}, {2, 2}, {3, 2}, {5, 4}},
                   dilations[][2] = {{1, 1}, {2, 1}, {2, 3}};
  static const struct {
    int type, filters, parts, most_pad;
  } layers[] = {{OFS_CONV2D, 6, 3, 1},           {OFS_CONV2D, 6, 6, 1},
                {OFS_CONV2D, 12, 6, 1},          {OFS_DEPTHWISE_CONV2D, 0, 1, 1},
                {OFS_DEPTHWISE_CONV2D, 0, 3, 1}, {OFS_SEPARABLE_CONV2D, 4, 1, 1},
                {OFS_SEPARABLE_CONV2D, 5, 2, 1}, {OFS_CONV2D_TRANSPOSE, 3, 1, 1},
                {OFS_CONV1D, 4, 1, 2},           {OFS_CONV1D, 6, 2, 2},
                {OFS_CONV1D, 6, 6, 2},           {OFS_CONV2D, 5, 1, 1}};
  int turn = 0;
  probes = 40;
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
    for (int k = 0; k < 4; k++)
      for (int s = 0; s < 4; s++)
        for (int d = 0; d < 3; d++)
          for (int pad = 0; pad <= layers[i].most_pad; pad++, turn++) {
            const shape of = {.type = layers[i].type,
                              .filters = layers[i].filters,
                              .parts = layers[i].parts,
                              .kh = layers[i].type == OFS_CONV1D ? 1 : kernels[k][0],
                              .kw = kernels[k][1],
                              .sh = layers[i].type == OFS_CONV1D ? 1 : strides[s][0],
                              .sw = strides[s][1],
                              .dh = layers[i].type == OFS_CONV1D ? 1 : dilations[d][0],
                              .dw = dilations[d][1],
                              .pad = pad,
                              .act = OFS_ACT_SIGMOID,
                              .bias = turn % 3 > 0,
                              .more = {-1, -1}};
            check_shape(7, 10 + turn % 2, 6, &of, BY_ITSELF, 2 + (uint32_t)turn % 4);
            if (turn % 3 == 0) check_shape(6, 11, 6, &of, 1 + turn / 3 % 2, 3);
          }
  probes = 150;
}

static void test_output_padding(void) {
  for (int k = 1; k <= 5; k++)
    for (int s = 1; s <= 4; s++)
      for (int more = -1; more < s; more++)
        for (int pad = 0; pad < 2; pad++) {
          const shape of = {.type = OFS_CONV2D_TRANSPOSE,
                            .filters = 2,
                            .kh = k,
                            .kw = 3,
                            .sh = s,
                            .sw = 2,
                            .dh = 1,
                            .dw = 1,
                            .pad = pad,
                            .act = OFS_ACT_TANH,
                            .bias = 1,
                            .parts = 1,
                            .more = {more, more < 0 ? -1 : 1}};
          check_shape(4, 3, 2, &of, BY_ITSELF, 2);
        }
}

static void test_conv_activations(void) {
  static const int types[] = {OFS_CONV2D, OFS_DEPTHWISE_CONV2D, OFS_SEPARABLE_CONV2D,
                              OFS_CONV2D_TRANSPOSE, OFS_CONV1D};
  for (int i = 0; i < 5; i++)
    for (int act = OFS_ACT_LINEAR; act <= OFS_ACT_LAST; act++) {
      const shape of = {.type = types[i],
                        .filters = 4,
                        .kh = i == 4 ? 1 : 2,
                        .kw = 3,
                        .sh = 1,
                        .sw = 2,
                        .dh = 1,
                        .dw = 1,
                        .pad = i % 2,
                        .act = act,
                        .bias = 1,
                        .parts = types[i] == OFS_CONV2D || i == 4 ? 2 : 1,
                        .more = {-1, -1}};
      check_shape(4, 6, 4, &of, BY_ITSELF, 3);
    }
}

/* Big enough for several parts, tiles and chunks of each operation; channels beyond a vector. */
static void test_big(void) {
  static const shape cases[] = {{.type = OFS_DEPTHWISE_CONV2D,
                                 .kh = 3,
                                 .kw = 3,
                                 .sh = 2,
                                 .sw = 2,
                                 .dh = 1,
                                 .dw = 1,
                                 .pad = 1,
                                 .bias = 1,
                                 .parts = 1,
                                 .act = OFS_ACT_TANH},
                                {.type = OFS_CONV2D,
                                 .filters = 30,
                                 .kh = 3,
                                 .kw = 3,
                                 .sh = 1,
                                 .sw = 1,
                                 .dh = 1,
                                 .dw = 1,
                                 .pad = 1,
                                 .bias = 1,
                                 .parts = 3,
                                 .act = OFS_ACT_RELU},
                                {.type = OFS_CONV2D_TRANSPOSE,
                                 .filters = 7,
                                 .kh = 3,
                                 .kw = 3,
                                 .sh = 2,
                                 .sw = 2,
                                 .dh = 1,
                                 .dw = 1,
                                 .pad = 1,
                                 .bias = 1,
                                 .parts = 1,
                                 .more = {-1, -1}},
                                {.type = OFS_SEPARABLE_CONV2D,
                                 .filters = 9,
                                 .kh = 3,
                                 .kw = 3,
                                 .sh = 1,
                                 .sw = 1,
                                 .dh = 1,
                                 .dw = 1,
                                 .pad = 1,
                                 .bias = 1,
                                 .parts = 1}};
  probes = 12;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check_shape(13, 14, 15, &cases[i], BY_ITSELF, 9);
  probes = 150;
}

/* ---- refusals ---- */

static void refused(const writer *w, int field, int why, double got, double high,
                    const char *what) {
  ofs_error err = {0};
  ofs_model *m = open_model(w, &err);
  CHECK_MSG(m == NULL, "%s is accepted", what);
  CHECK_MSG(err.layer == 0 && err.field == field && err.reason == why && err.got == got &&
                err.high == high,
            "%s: layer %d field %d reason %d got %g high %g", what, err.layer, err.field,
            err.reason, err.got, err.high);
  free(m);
}

static void refused_conv(int h, int wide, int c, const shape *s, int field, int why, double got,
                         double high) {
  writer w;
  net(&w, h, wide, c, OFS_LOSS_MSE);
  write_conv(&w, s);
  refused(&w, field, why, got, high, "a convolution");
}

static void refused_layer(int h, int wide, int c, int type, int of, int count, const double *v,
                          int field, int why, double got, double high) {
  writer w;
  net(&w, h, wide, c, OFS_LOSS_MSE);
  writer_record(&w, (uint16_t)type);
  if (count) writer_values(&w, (uint8_t)of, (uint16_t)count, v);
  refused(&w, field, why, got, high, "a pool or image");
}

static void test_refusals(void) {
  shape s = {.type = OFS_CONV2D,
             .filters = 6,
             .kh = 3,
             .kw = 3,
             .sh = 1,
             .sw = 1,
             .dh = 1,
             .dw = 1,
             .parts = 4,
             .more = {-1, -1}};
  refused_conv(5, 5, 6, &s, OFS_CONV2D_GROUPS, OFS_WHY_DIVIDES, 4, 6);
  refused_conv(5, 5, 8, &s, OFS_CONV2D_GROUPS, OFS_WHY_DIVIDES, 4, 6);
  refused_conv(2, 5, 6,
               &(shape){.type = OFS_DEPTHWISE_CONV2D,
                        .kh = 3,
                        .kw = 1,
                        .sh = 1,
                        .sw = 1,
                        .dh = 1,
                        .dw = 1,
                        .parts = 1},
               OFS_CONV2D_KERNEL_SIZE, OFS_WHY_WINDOW, 3, 2);
  refused_conv(2, 5, 0,
               &(shape){.type = OFS_SEPARABLE_CONV2D,
                        .filters = 1,
                        .kh = 1,
                        .kw = 1,
                        .sh = 1,
                        .sw = 1,
                        .dh = 1,
                        .dw = 1,
                        .parts = 1},
               -1, OFS_WHY_RANK, 2, 3);
  refused_conv(5, 4, 0,
               &(shape){.type = OFS_CONV1D,
                        .filters = 2,
                        .kh = 1,
                        .kw = 3,
                        .sh = 1,
                        .sw = 1,
                        .dh = 1,
                        .dw = 3,
                        .parts = 1},
               OFS_CONV2D_KERNEL_SIZE, OFS_WHY_WINDOW, 7, 5);
  refused_conv(5, 4, 2,
               &(shape){.type = OFS_CONV1D,
                        .filters = 2,
                        .kh = 1,
                        .kw = 3,
                        .sh = 1,
                        .sw = 1,
                        .dh = 1,
                        .dw = 1,
                        .parts = 1},
               -1, OFS_WHY_RANK, 3, 2);
  s = (shape){.type = OFS_CONV2D_TRANSPOSE,
              .filters = 6,
              .kh = 2,
              .kw = 2,
              .sh = 2,
              .sw = 2,
              .dh = 1,
              .dw = 1,
              .pad = 1,
              .more = {0, 1}};
  refused_conv(1, 5, 6, &s, OFS_TRANSPOSE_OUTPUT_PADDING, OFS_WHY_PRODUCT, 0, OFS_MAX_SAMPLE);
  s.more[0] = 2;
  refused_conv(3, 5, 6, &s, OFS_TRANSPOSE_OUTPUT_PADDING, OFS_WHY_RANGE, 2, 1);
  const double four[] = {2, 3, 0, 0}, big[] = {65535, 65535};
  refused_layer(5, 5, 2, OFS_CROPPING2D, OFS_CROPPING, 4, four, OFS_CROPPING, OFS_WHY_WINDOW, 5, 4);
  refused_layer(5, 5, 2, OFS_CROPPING2D, OFS_CROPPING, 2, four, OFS_CROPPING, OFS_WHY_COUNT, 2, 4);
  refused_layer(5, 5, 0, OFS_ZERO_PADDING2D, 0, 0, four, -1, OFS_WHY_RANK, 2, 3);
  refused_layer(5, 5, 2, OFS_UP_SAMPLING2D, OFS_UP_SAMPLING_SIZE, 2, big, OFS_UP_SAMPLING_SIZE,
                OFS_WHY_PRODUCT, 65535.0 * 65535 * 50, OFS_MAX_SAMPLE);
  refused_layer(5, 5, 0, OFS_GLOBAL_MAX_POOLING2D, 0, 0, four, -1, OFS_WHY_RANK, 2, 3);
  refused_layer(5, 5, 2, OFS_GLOBAL_AVERAGE_POOLING1D, 0, 0, four, -1, OFS_WHY_RANK, 3, 2);
  refused_layer(5, 2, 0, OFS_MAX_POOLING1D, OFS_MAX_POOL1D_SIZE, 1, (const double[]){6},
                OFS_MAX_POOL1D_SIZE, OFS_WHY_WINDOW, 6, 5);
}

int main(void) {
  test_refusals();
  test_shapes();
  test_output_padding();
  test_conv_activations();
  test_big();
  test_images();
  test_pools1d();
  test_global_pools();
  test_masked_pools();
  return check_report("gradients of convolutions");
}
