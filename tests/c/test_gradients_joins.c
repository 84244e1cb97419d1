/* test_gradients_joins.c: layers that join several tensors against central differences
 * (gradients.h), and what they give against the same in plain loops. */
#include "gradients.h"

static const int types[] = {OFS_ADD,     OFS_SUBTRACT, OFS_MULTIPLY,
                            OFS_AVERAGE, OFS_MAXIMUM,  OFS_MINIMUM};

static void reads(writer *w, int count, const double *from) {
  writer_values(w, OFS_LAYER_INPUT, (uint16_t)count, from);
}

/* A dense layer over an input of the model, with a shape of its own. */
static void branch(writer *w, double from, int units, int rank, const double *shape) {
  dense(w, units, OFS_ACT_TANH), reads(w, 1, &from);
  writer_record(w, OFS_RESHAPE);
  writer_values(w, OFS_RESHAPE_TARGET_SHAPE, (uint16_t)rank, shape);
}

typedef struct tensor {
  int rank;
  double dims[4];
} tensor;

static int size_of(const tensor *t) {
  int n = 1;
  for (int i = 0; i < t->rank; i++) n *= (int)t->dims[i];
  return n;
}

/* Every input comes from a dense layer of its own over the same numbers; layer 2 k + 1 is input
 * k. */
static void inputs(writer *w, int count, const tensor *t) {
  net(w, 5, 0, 0, OFS_LOSS_MSE);
  for (int k = 0; k < count; k++) branch(w, -1, size_of(&t[k]), t[k].rank, t[k].dims);
}

static void join(writer *w, int type, int count) {
  double from[OFS_MAX_JOIN];
  for (int k = 0; k < count; k++) from[k] = 2 * k + 1;
  writer_record(w, (uint16_t)type);
  reads(w, count, from);
}

static void end(writer *w) {
  writer_record(w, OFS_FLATTEN);
  dense(w, 2, OFS_ACT_LINEAR);
}

/* Equal shapes, every kind of axis that repeats, one tensor of fewer axes than another. */
static void test_elementwise(void) {
  static const tensor cases[][3] = {{{1, {7}}, {1, {7}}, {1, {7}}},
                                    {{3, {2, 3, 4}}, {3, {2, 3, 4}}, {3, {2, 3, 4}}},
                                    {{3, {2, 3, 4}}, {3, {1, 1, 4}}, {3, {2, 3, 1}}},
                                    {{3, {1, 1, 3}}, {3, {3, 2, 3}}, {3, {3, 1, 1}}},
                                    {{2, {3, 1}}, {2, {1, 4}}, {2, {3, 4}}},
                                    {{1, {4}}, {3, {2, 2, 4}}, {2, {2, 1}}},
                                    {{1, {1}}, {2, {3, 2}}, {4, {2, 1, 3, 2}}}};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int k = 0; k < 6; k++)
      for (int count = 2; count <= (types[k] == OFS_SUBTRACT ? 2 : 3); count++) {
        inputs(&w, count, cases[i]);
        join(&w, types[k], count), end(&w);
        check_net(&w, 3, 1, 0, LABEL("join %d of %d, case %d", types[k], count, (int)i));
      }
}

/* The same node twice or more, an input of the model among the inputs, as many as there may be, a
 * part frozen. */
static void test_wiring(void) {
  writer w;
  for (int k = 0; k < 7; k++) {
    int type = k < 6 ? types[k] : OFS_CONCATENATE, most = type == OFS_SUBTRACT ? 2 : OFS_MAX_JOIN;
    double from[OFS_MAX_JOIN];
    net(&w, 4, 0, 0, OFS_LOSS_MSE);
    dense(&w, 4, OFS_ACT_TANH), dense(&w, 4, OFS_ACT_SIGMOID);
    for (int i = 0; i < most; i++) from[i] = i % 3 == 2 ? -1 : i % 3;
    writer_record(&w, (uint16_t)type), reads(&w, most, from);
    dense(&w, 3, OFS_ACT_LINEAR);
    check_net(&w, 4, 1, 0, LABEL("join %d of %d", type, most));
    net(&w, 4, 0, 0, OFS_LOSS_MSE);
    dense(&w, 4, OFS_ACT_TANH);
    writer_record(&w, (uint16_t)type), reads(&w, 2, (double[]){0, 0});
    dense(&w, 3, OFS_ACT_TANH);
    check_net(&w, 4, 1, 0, LABEL("join %d of one node twice", type));
    net(&w, 4, 0, 0, OFS_LOSS_MSE);
    dense(&w, 4, OFS_ACT_TANH), dense(&w, 4, OFS_ACT_TANH);
    FIELD(&w, OFS_LAYER_TRAINABLE, 0);
    FIELD(&w, OFS_LAYER_INPUT, -1);
    writer_record(&w, (uint16_t)type), reads(&w, 2, (double[]){1, 0});
    dense(&w, 4, OFS_ACT_TANH);
    /* a residual: what is read is read again */
    writer_record(&w, (uint16_t)type), reads(&w, 2, (double[]){3, 2});
    if (type == OFS_CONCATENATE) dense(&w, 2, OFS_ACT_LINEAR);
    check_net(&w, 5, 1, 0, LABEL("join %d, frozen and residual", type));
    net(&w, 3, 2, 4, OFS_LOSS_MSE);
    dense(&w, 4, OFS_ACT_TANH), dense(&w, 4, OFS_ACT_TANH);
    writer_record(&w, OFS_TIME_DISTRIBUTED), reads(&w, 2, (double[]){0, 1});
    writer_record(&w, (uint16_t)type);
    if (type == OFS_CONCATENATE) FIELD(&w, OFS_CONCATENATE_AXIS, 1);
    dense(&w, 2, OFS_ACT_LINEAR);
    check_net(&w, 3, 1, 0, LABEL("join %d, time distributed", type));
  }
}

static void test_concatenate(void) {
  static const struct {
    int axis;
    tensor t[3];
  } cases[] = {{-1, {{1, {3}}, {1, {1}}, {1, {4}}}},
               {1, {{1, {2}}, {1, {5}}, {1, {1}}}},
               {1, {{3, {2, 2, 3}}, {3, {1, 2, 3}}, {3, {4, 2, 3}}}},
               {2, {{3, {2, 2, 3}}, {3, {2, 1, 3}}, {3, {2, 3, 3}}}},
               {-1, {{3, {2, 2, 3}}, {3, {2, 2, 1}}, {3, {2, 2, 2}}}},
               {-3, {{3, {1, 2, 2}}, {3, {2, 2, 2}}, {3, {1, 2, 2}}}}};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int count = 2; count <= 3; count++) {
      inputs(&w, count, cases[i].t);
      join(&w, OFS_CONCATENATE, count);
      FIELD(&w, OFS_CONCATENATE_AXIS, cases[i].axis);
      end(&w);
      check_net(&w, 3, 1, 0,
                LABEL("concatenate %d over axis %d, case %d", count, cases[i].axis, (int)i));
    }
}

/* One axis or two, either of them, of each; lengths taken out, and one that is zero. */
static void test_dot(void) {
  static const struct {
    tensor a, b;
    double axes[2];
    int count;
  } cases[] = {{{1, {4}}, {1, {4}}, {-1}, 1},         {{1, {1}}, {1, {1}}, {1}, 1},
               {{2, {3, 4}}, {2, {2, 4}}, {-1}, 1},   {{2, {4, 3}}, {2, {4, 2}}, {1}, 1},
               {{2, {3, 4}}, {2, {4, 2}}, {2, 1}, 2}, {{2, {4, 3}}, {2, {2, 4}}, {-2, -1}, 2},
               {{1, {4}}, {2, {3, 4}}, {-1}, 1},      {{2, {4, 3}}, {1, {4}}, {1}, 1},
               {{2, {3, 4}}, {1, {4}}, {2, 1}, 2}};
  writer w;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int normalize = 0; normalize < 2; normalize++) {
      inputs(&w, 2, (const tensor[]){cases[i].a, cases[i].b});
      join(&w, OFS_DOT, 2);
      writer_values(&w, OFS_DOT_AXES, (uint16_t)cases[i].count, cases[i].axes);
      FIELD(&w, OFS_DOT_NORMALIZE, normalize);
      end(&w);
      check_net(&w, 3, 1, 0, LABEL("dot, case %d, normalize %d", (int)i, normalize));
      if (cases[i].count == 2 || cases[i].a.rank != cases[i].b.rank) continue;
      net(&w, 3, 2, 0, OFS_LOSS_MSE); /* of one node with itself */
      dense(&w, 4, OFS_ACT_TANH);
      writer_record(&w, OFS_DOT), reads(&w, 2, (double[]){0, 0});
      writer_values(&w, OFS_DOT_AXES, 1, cases[i].axes);
      FIELD(&w, OFS_DOT_NORMALIZE, normalize);
      end(&w);
      check_net(&w, 3, 1, 0,
                LABEL("dot with itself, axis %g, normalize %d", cases[i].axes[0], normalize));
    }
}

/* Of an input of the model, three words. */
static void embedding(writer *w, int from, int width, int mask) {
  writer_record(w, OFS_EMBEDDING);
  FIELD(w, OFS_EMBEDDING_INPUT_DIM, 3);
  FIELD(w, OFS_EMBEDDING_OUTPUT_DIM, width);
  FIELD(w, OFS_EMBEDDING_MASK_ZERO, mask);
  FIELD(w, OFS_LAYER_INPUT, from);
}

/* Every choice of inputs with a mask: what is masked in one, in both, in none; into the loss, and
 * past it where a layer drops it. */
static void test_masks(void) {
  writer w;
  for (int k = 0; k < 8; k++)
    for (int masked = 0; masked < 8; masked++)
      for (int kept = 0; kept < 2; kept++) {
        const int type = k < 6 ? types[k] : OFS_CONCATENATE, most = type == OFS_SUBTRACT ? 2 : 3;
        net(&w, 5, 0, 0, OFS_LOSS_MSE);
        for (int i = 0; i < most; i++) embedding(&w, -1, 4, masked >> i & 1);
        writer_record(&w, (uint16_t)type), reads(&w, most, (double[]){0, 1, 2});
        if (k == 7) FIELD(&w, OFS_CONCATENATE_AXIS, 1);
        if (!kept) writer_record(&w, OFS_FLATTEN);
        dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, 3, 1, 0, LABEL("join %d, masks %d, kept %d", k, masked, kept));
      }
}

/* Two inputs of the model with masks of their own, against Keras 3's rules
 * (keras/src/layers/merging) in plain loops. */
static void test_mask_values(void) {
  static const float x[] = {1, 0, 0, 2, 2, 0, 1, 0};
  writer w;
  for (int k = 0; k < 8; k++)
    for (int masked = 0; masked < 4; masked++) {
      const int type = k < 6 ? types[k] : OFS_CONCATENATE;
      const double four = 4;
      begin(&w, 1, &four);
      writer_record(&w, OFS_INPUT);
      FIELD(&w, OFS_INPUT_SHAPE, 4);
      writer_record(&w, OFS_SGD);
      embedding(&w, -1, 3, masked & 1), embedding(&w, -2, 3, masked >> 1);
      writer_record(&w, (uint16_t)type), reads(&w, 2, (double[]){0, 1});
      if (k == 7) FIELD(&w, OFS_CONCATENATE_AXIS, 1);
      ofs_model *m = open_model(&w, NULL);
      ofs_plan *p = open_plan(m, OFS_PREDICT, 1), *e = open_plan(m, OFS_EVALUATE, 1);
      const real *a = m->params, *b = a + 9;
      const float zeros[24] = {0};
      const ofs_data data = {x, zeros, OFS_F32, OFS_F32, 1, 0, NULL, NULL};
      double loss = 0, valid = 0;
      CHECK(ofs_plan_set_data(p, &data, NULL) == OFS_OK &&
            ofs_plan_set_data(e, &data, NULL) == OFS_OK);
      CHECK(run_step(p, 0, 1, 1u << 30) == OFS_OK && run_step(e, 0, 1, 1u << 30) == OFS_OK);
      const real *y = ofs_plan_output(p, 0);
      uint32_t width = k == 6 ? 6 : 3, rows = k == 7 ? 8 : 4;
      for (uint32_t t = 0; t < rows; t++) {
        int va = !(masked & 1) || x[t % 4] != 0, vb = !(masked & 2) || x[4 + t % 4] != 0;
        int holds = k == 7 ? (t < 4 ? va : vb) : masked != 3 && k < 6 ? 1 : va || vb;
        valid += holds;
        for (uint32_t i = 0; i < width; i++) {
          double u = a[(int)x[t % 4] * 3 + (int)i % 3], v = b[(int)x[4 + t % 4] * 3 + (int)i % 3],
                 want;
          if (k >= 6)
            want = k == 6 ? (i < 3 ? u : v) : t < 4 ? u : v;
          else if (k == 0 || k == 1 || k == 3)
            want = k == 0 ? u + v : k == 1 ? u - v : (u + v) / 2;
          else if (va && vb)
            want = k == 2 ? u * v : k == 4 ? fmax(u, v) : fmin(u, v);
          else
            want = va ? u : vb ? v : k == 2 ? 0 : u;
          CHECK_NEAR(y[t * width + i], want, 0);
          loss += holds * want * want / width;
        }
      }
      ofs_totals totals;
      ofs_step_totals(e, &totals);
      CHECK_NEAR(totals.loss, loss / valid, 1e-15);
      free(p), free(e), free(m);
    }
}

/* Shapes that do not fit, and numbers of inputs that there may not be. */
static void test_refusals(void) {
  static const tensor wrong[][2] = {{{1, {3}}, {1, {4}}},
                                    {{2, {2, 3}}, {2, {3, 2}}},
                                    {{2, {4, 1}}, {3, {4, 2, 1}}}};
  writer w;
  ofs_error err;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    inputs(&w, 2, wrong[i]);
    join(&w, i == 2 ? OFS_CONCATENATE : OFS_ADD, 2);
    CHECK(open_model(&w, &err) == NULL);
    CHECK_INT(err.layer, 4);
    CHECK_INT(err.reason, i == 2 ? OFS_WHY_RANK : OFS_WHY_SHAPE);
  }
  for (int k = 0; k < 7; k++) {
    net(&w, 4, 0, 0, OFS_LOSS_MSE);
    writer_record(&w, (uint16_t)(k < 6 ? types[k] : OFS_CONCATENATE));
    CHECK(open_model(&w, &err) == NULL && err.reason == OFS_WHY_COUNT &&
          err.field == OFS_LAYER_INPUT);
  }
  for (int axis = -3; axis <= 3; axis++) {
    net(&w, 4, 3, 0, OFS_LOSS_MSE);
    writer_record(&w, OFS_CONCATENATE), reads(&w, 2, (double[]){-1, -1});
    FIELD(&w, OFS_CONCATENATE_AXIS, axis);
    ofs_model *m = open_model(&w, &err);
    CHECK_MSG((m != NULL) == (axis != 0 && axis >= -2 && axis <= 2),
              "concatenate over axis %d of two", axis);
    free(m);
  }
  net(&w, 4, 0, 0, OFS_LOSS_MSE);
  writer_record(&w, OFS_SUBTRACT), reads(&w, 3, (double[]){-1, -1, -1});
  CHECK(open_model(&w, &err) == NULL && err.reason == OFS_WHY_COUNT);
}

/* A join's gradient is held by one of its inputs too, which another join has handed it: neither may
 * spoil the other's. */
static void test_two_hands(void) {
  static writer w;
  for (int one = 0; one < 6; one++)
    for (int two = 0; two < 6; two++)
      for (int order = 0; order < 4; order++) {
        net(&w, 4, 0, 0, OFS_LOSS_MSE);
        dense(&w, 3, OFS_ACT_TANH);
        dense(&w, 3, OFS_ACT_TANH), reads(&w, 1, (const double[]){-1});
        writer_record(&w, (uint16_t)types[one]),
            reads(&w, 2, order & 1 ? (const double[]){1, 0} : (const double[]){0, 1});
        writer_record(&w, (uint16_t)types[two]),
            reads(&w, 2, order & 2 ? (const double[]){2, 0} : (const double[]){0, 2});
        dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, 3, 1, 0,
                  LABEL("joins %d and %d, a gradient in two hands, order %d", types[one],
                        types[two], order));
      }
}

int main(void) {
  test_two_hands();
  test_elementwise();
  test_wiring();
  test_concatenate();
  test_dot();
  test_masks();
  test_mask_values();
  test_refusals();
  return check_report("gradients of joins");
}
