/* test_gradients_losses.c: every loss with its options, of weighted samples and masked positions,
 * against central differences (gradients.h), and its value against Keras's formula, written here
 * once more as Keras has it. */
#include "gradients.h"

typedef struct options {
  double smoothing, delta, gamma, alpha, balanced;
} options;
#define USUAL \
  { 0, 1, 2, 0.25, 0 }

/* How targets look. */
enum { ANY, TWO, SIGNS, POSITIVE, SHARES };

typedef struct loss_case {
  int loss, act, labels, indices;
  options o;
} loss_case;

static const loss_case cases[] =
    {{OFS_LOSS_SPARSE_CATEGORICAL, OFS_ACT_SOFTMAX, SHARES, 1, USUAL},
     {OFS_LOSS_CATEGORICAL, OFS_ACT_SOFTMAX, SHARES, 1, USUAL},
     {OFS_LOSS_CATEGORICAL, OFS_ACT_SOFTMAX, TWO, 1, {0.1, 1, 2, 0.25, 0}},
     {OFS_LOSS_BINARY, OFS_ACT_SIGMOID, SHARES, 0, USUAL},
     {OFS_LOSS_BINARY, OFS_ACT_SIGMOID, TWO, 0, {0.3, 1, 2, 0.25, 0}},
     {OFS_LOSS_MSE, OFS_ACT_LINEAR, ANY, 0, USUAL},
     {OFS_LOSS_MSE, OFS_ACT_SOFTMAX, TWO, 1, USUAL},
     {OFS_LOSS_MAE, OFS_ACT_TANH, ANY, 0, USUAL},
     {OFS_LOSS_HUBER, OFS_ACT_LINEAR, ANY, 0, USUAL},
     {OFS_LOSS_HUBER, OFS_ACT_LINEAR, ANY, 0, {0, 0.25, 2, 0.25, 0}},
     {OFS_LOSS_MAPE, OFS_ACT_LINEAR, ANY, 0, USUAL},
     {OFS_LOSS_MSLE, OFS_ACT_SOFTPLUS, POSITIVE, 0, USUAL},
     {OFS_LOSS_MSLE, OFS_ACT_LINEAR, ANY, 0, USUAL}, /* below epsilon on both sides */
     {OFS_LOSS_LOG_COSH, OFS_ACT_LINEAR, ANY, 0, USUAL},
     {OFS_LOSS_KL, OFS_ACT_SOFTMAX, SHARES, 1, USUAL},
     {OFS_LOSS_KL, OFS_ACT_SOFTPLUS, SHARES, 0, USUAL}, /* above 1 too */
     {OFS_LOSS_POISSON, OFS_ACT_EXPONENTIAL, POSITIVE, 0, USUAL},
     {OFS_LOSS_COSINE, OFS_ACT_LINEAR, ANY, 0, USUAL},
     {OFS_LOSS_COSINE, OFS_ACT_SIGMOID, POSITIVE, 0, USUAL},
     {OFS_LOSS_HINGE, OFS_ACT_TANH, SIGNS, 0, USUAL},
     {OFS_LOSS_HINGE, OFS_ACT_LINEAR, TWO, 0, USUAL},
     {OFS_LOSS_HINGE, OFS_ACT_SOFTMAX, TWO, 1, USUAL},
     {OFS_LOSS_SQUARED_HINGE, OFS_ACT_LINEAR, SIGNS, 0, USUAL},
     {OFS_LOSS_SQUARED_HINGE, OFS_ACT_TANH, ANY, 0, USUAL},
     {OFS_LOSS_CATEGORICAL_HINGE, OFS_ACT_LINEAR, TWO, 0, USUAL},
     {OFS_LOSS_CATEGORICAL_HINGE, OFS_ACT_SOFTMAX, SHARES, 1, USUAL},
     {OFS_LOSS_BINARY_FOCAL, OFS_ACT_SIGMOID, TWO, 0, USUAL},
     {OFS_LOSS_BINARY_FOCAL, OFS_ACT_SIGMOID, SHARES, 0, {0.2, 1, 3.5, 0.25, 0}},
     {OFS_LOSS_BINARY_FOCAL, OFS_ACT_SIGMOID, TWO, 0, {0.1, 1, 1, 0.7, 1}},
     {OFS_LOSS_BINARY_FOCAL, OFS_ACT_SIGMOID, TWO, 0, {0, 1, 0.5, 0.3, 1}},
     {OFS_LOSS_BINARY_FOCAL, OFS_ACT_SIGMOID, TWO, 0, {0, 1, 0, 0.25, 0}},
     {OFS_LOSS_CATEGORICAL_FOCAL, OFS_ACT_SOFTMAX, TWO, 1, USUAL},
     {OFS_LOSS_CATEGORICAL_FOCAL, OFS_ACT_SOFTMAX, SHARES, 1, {0.1, 1, 0.5, 1, 0}},
     {OFS_LOSS_CATEGORICAL_FOCAL, OFS_ACT_SOFTMAX, TWO, 1, {0, 1, 0, 0.6, 0}}};
enum { CASES = sizeof cases / sizeof *cases };

/* What the output's record says, the options where they are not the usual ones. */
static void output(writer *w, int layer, const loss_case *c, double weight) {
  const options usual = USUAL;
  writer_record(w, OFS_OUTPUT);
  FIELD(w, OFS_OUTPUT_LAYER, layer);
  FIELD(w, OFS_OUTPUT_LOSS, c->loss);
  FIELD(w, OFS_OUTPUT_LOSS_WEIGHT, weight);
  if (c->o.smoothing != usual.smoothing) FIELD(w, OFS_OUTPUT_LABEL_SMOOTHING, c->o.smoothing);
  if (c->o.delta != usual.delta) FIELD(w, OFS_OUTPUT_DELTA, c->o.delta);
  if (c->o.gamma != usual.gamma) FIELD(w, OFS_OUTPUT_GAMMA, c->o.gamma);
  if (c->o.alpha != usual.alpha) FIELD(w, OFS_OUTPUT_ALPHA, c->o.alpha);
  if (c->o.balanced != usual.balanced) FIELD(w, OFS_OUTPUT_BALANCED, c->o.balanced);
}

static int labels;
static float label_at(uint64_t at) {
  float v = random_float();
  switch (labels) {
  case TWO: return (float)(at % 3 == 0);
  case SIGNS: return v < 0 ? -1 : 1;
  case POSITIVE: return 3 * fabsf(v);
  case SHARES: return fabsf(v) / 2;
  default: return 2 * v;
  }
}

/* ---- against differences ---- */

static void test_gradients(void) {
  static const float weights[] = {0.5f, 2, 0, 1.25f, 3};
  writer w;
  for (int i = 0; i < CASES; i++)
    for (int indices = 0; indices <= cases[i].indices; indices++)
      for (int weighted = 0; weighted < 2; weighted++) {
        labels = cases[i].labels;
        check_weights = weighted ? weights : NULL;
        net(&w, 7, 0, 0, -1);
        dense(&w, 5, OFS_ACT_TANH), dense(&w, 4, cases[i].act), output(&w, 1, &cases[i], 1);
        check_net(&w, 5, !indices, 0,
                  LABEL("loss case %d, indices %d, weighted %d", i, indices, weighted));
        /* several positions a sample, the activation in a layer of its own, a weight */
        net(&w, 2, 3, 4, -1);
        dense(&w, 5, OFS_ACT_SELU), dense(&w, 3, OFS_ACT_LINEAR), activation(&w, cases[i].act);
        output(&w, 2, &cases[i], 2.5);
        check_net(&w, 3, !indices, 0,
                  LABEL("loss case %d over positions, indices %d, weighted %d", i, indices,
                        weighted));
        if (cases[i].act == OFS_ACT_SOFTMAX || indices) continue;
        net(&w, 3, 0, 0, -1); /* one number */
        dense(&w, 3, OFS_ACT_ELU), dense(&w, 1, cases[i].act), output(&w, 1, &cases[i], 1);
        if (cases[i].loss != OFS_LOSS_COSINE)
          check_net(&w, 4, 1, 0, LABEL("loss case %d of one number", i));
      }
  check_weights = NULL;
}

static void masked_net(writer *w, const loss_case *c, int mask) {
  net(w, 6, 0, 0, -1);
  writer_record(w, OFS_EMBEDDING);
  FIELD(w, OFS_EMBEDDING_INPUT_DIM, 3);
  FIELD(w, OFS_EMBEDDING_OUTPUT_DIM, 4);
  FIELD(w, OFS_EMBEDDING_MASK_ZERO, mask);
  dense(w, 5, OFS_ACT_TANH), dense(w, 4, c->act), output(w, 2, c, 1);
}

static void test_masked(void) {
  static const float weights[] = {0.5f, 2, 0, 1.25f, 3};
  writer w;
  for (int i = 0; i < CASES; i++)
    for (int weighted = 0; weighted < 2; weighted++) {
      labels = cases[i].labels;
      check_weights = weighted ? weights : NULL;
      masked_net(&w, &cases[i], 1);
      check_net(&w, 5, 1, 0, LABEL("loss case %d, masked, weighted %d", i, weighted));
    }
  check_weights = NULL;
}

/* ---- against formulas ---- */

static double clip(double v) { return fmin(fmax(v, 1e-7), 1); }

/* Of n numbers p, probabilities where the loss is one of these. two: labels of a hinge are 0 and
 * 1. */
static double formula(const loss_case *c, const double *p, const double *t, int n, int two) {
  double sum = 0, pp = 0, tt = 0, pos = 0, neg = -1e300;
  const options *o = &c->o;
  for (int i = 0; i < n; i++) {
    double y = t[i], q = p[i], r = q - y, bce;
    pp += q * q, tt += y * y, pos += y * q, neg = fmax(neg, (1 - y) * q);
    switch (c->loss) {
    case OFS_LOSS_SPARSE_CATEGORICAL:
    case OFS_LOSS_CATEGORICAL: sum -= (y * (1 - o->smoothing) + o->smoothing / n) * log(q); break;
    case OFS_LOSS_CATEGORICAL_FOCAL:
      sum -= (y * (1 - o->smoothing) + o->smoothing / n) * log(q) * pow(1 - q, o->gamma) * o->alpha;
      break;
    case OFS_LOSS_BINARY:
    case OFS_LOSS_BINARY_FOCAL:
      y = y * (1 - o->smoothing) + 0.5 * o->smoothing;
      bce = -(y * log(q) + (1 - y) * log(1 - q));
      if (c->loss == OFS_LOSS_BINARY_FOCAL) bce *= pow(1 - (y * q + (1 - y) * (1 - q)), o->gamma);
      if (o->balanced != 0) bce *= y * o->alpha + (1 - y) * (1 - o->alpha);
      sum += bce / n;
      break;
    case OFS_LOSS_MSE: sum += r * r / n; break;
    case OFS_LOSS_MAE: sum += fabs(r) / n; break;
    case OFS_LOSS_HUBER:
      sum += (fabs(r) <= o->delta ? r * r / 2 : o->delta * fabs(r) - o->delta * o->delta / 2) / n;
      break;
    case OFS_LOSS_MAPE: sum += 100 * fabs(r / fmax(fabs(y), 1e-7)) / n; break;
    case OFS_LOSS_MSLE: sum += pow(log(fmax(q, 1e-7) + 1) - log(fmax(y, 1e-7) + 1), 2) / n; break;
    case OFS_LOSS_LOG_COSH: sum += log(cosh(r)) / n; break;
    case OFS_LOSS_KL: sum += clip(y) * log(clip(y) / clip(q)); break;
    case OFS_LOSS_POISSON: sum += (q - y * log(q + 1e-7)) / n; break;
    case OFS_LOSS_HINGE: sum += fmax(1 - (two ? 2 * y - 1 : y) * q, 0) / n; break;
    case OFS_LOSS_SQUARED_HINGE: sum += pow(fmax(1 - (two ? 2 * y - 1 : y) * q, 0), 2) / n; break;
    default: break;
    }
  }
  if (c->loss == OFS_LOSS_COSINE) return -pos / (sqrt(fmax(pp, 1e-14)) * sqrt(fmax(tt, 1e-14)));
  if (c->loss == OFS_LOSS_CATEGORICAL_HINGE) return fmax(neg - pos + 1, 0);
  return sum;
}

/* One evaluated batch: what the model predicts, by a plan of its own. */
typedef struct evaluation {
  ofs_model *m;
  ofs_totals totals;
  double *p;
} evaluation;

static evaluation evaluate(const writer *w, const ofs_data *data) {
  ofs_error err = {0};
  evaluation e = {.m = open_model(w, &err)};
  CHECK_MSG(e.m != NULL, "refused: layer %d field %d reason %d", err.layer, err.field, err.reason);
  uint32_t n = (uint32_t)data->n;
  for (int kind = OFS_EVALUATE; kind <= OFS_PREDICT; kind++) {
    ofs_plan *p = open_plan(e.m, kind, n);
    CHECK_INT(ofs_plan_set_data(p, data, NULL), OFS_OK);
    CHECK_INT(run_step(p, 0, n, 1u << 30), OFS_OK);
    uint64_t size = n * e.m->layers[e.m->outputs[0].node].shape.size;
    if (kind == OFS_EVALUATE)
      ofs_step_totals(p, &e.totals);
    else
      memcpy(e.p = check_alloc(size * sizeof *e.p), ofs_plan_output(p, 0), size * sizeof *e.p);
    free(p);
  }
  return e;
}

/* Batches of 4 samples of 3 positions, of predictions of every size. */
static void test_values(void) {
  static const float weights[] = {0.5f, 2, 0, 1.25f};
  writer w;
  for (int i = 0; i < CASES; i++)
    for (int axis = cases[i].act == OFS_ACT_SOFTMAX ? 2 : 1; axis < 6; axis++)
      for (int size = 0; size < 3; size++) {
        const loss_case *c = &cases[i];
        const double sizes[] = {1e-4, 1, 4};
        uint32_t n = 4, positions = 3;
        float x[60], y[60];
        labels = c->labels;
        for (uint32_t k = 0; k < n * positions * (uint32_t)axis; k++)
          x[k] = (float)(sizes[size] * random_float()), y[k] = label_at(k);
        net(&w, positions, axis, 0, -1);
        activation(&w, c->act), output(&w, 0, c, 1);
        const ofs_data data = {x, y, OFS_F32, OFS_F32, n, 0, size ? weights : NULL, NULL};
        evaluation e = evaluate(&w, &data);
        double want = 0, part[8];
        for (uint32_t k = 0; k < n * positions; k++) {
          for (int j = 0; j < axis; j++) part[j] = y[k * (uint32_t)axis + (uint32_t)j];
          want += (size ? weights[k / positions] : 1) *
                  formula(c, e.p + k * (uint32_t)axis, part, axis, labels == TWO) / positions;
        }
        CHECK_MSG(fabs(e.totals.loss - want) <= 1e-12 * (fabs(want) + 1),
                  "loss case %d of %d, size %g: %.17g, expected %.17g", i, axis, sizes[size],
                  e.totals.loss, want);
        free(e.p), free(e.m);
      }
}

/* Class indices give what their rows of 0 and 1 give. */
static void test_indices(void) {
  writer w;
  for (int i = 0; i < CASES; i++) {
    if (!cases[i].indices) continue;
    float x[4 * 3 * 5], y[4 * 3 * 5];
    int32_t index[4 * 3];
    for (int k = 0; k < 60; k++) x[k] = random_float(), y[k] = 0;
    for (int k = 0; k < 12; k++) y[5 * k + (index[k] = k * 7 % 5)] = 1;
    net(&w, 3, 5, 0, -1);
    activation(&w, OFS_ACT_SOFTMAX), output(&w, 0, &cases[i], 1);
    const ofs_data rows = {x, y, OFS_F32, OFS_F32, 4, 0, NULL, NULL},
                   indices = {x, index, OFS_F32, OFS_I32, 4, 0, NULL, NULL};
    evaluation a = evaluate(&w, &rows), b = evaluate(&w, &indices);
    CHECK_NEAR(a.totals.loss, b.totals.loss, 1e-14);
    CHECK(a.totals.correct[0] == b.totals.correct[0]);
    free(a.p), free(a.m), free(b.p), free(b.m);
  }
}

/* Masked positions count neither in the loss nor in the share of what is right; where none is left
 * both are 0. */
static void test_masks(void) {
  static const float weights[] = {0.5f, 2, 0, 1.25f};
  writer w;
  for (int i = 0; i < CASES; i++)
    for (int left = 0; left < 3; left++) {
      const loss_case *c = &cases[i];
      float x[24], y[96];
      double want = 0, right = 0, valid = 0, part[4];
      labels = c->labels;
      for (int k = 0; k < 24; k++)
        x[k] = (float)(left == 0 ? 0 : left == 1 ? k * 5 % 3 : 1 + k % 2);
      for (int k = 0; k < 96; k++) y[k] = label_at((uint64_t)k);
      masked_net(&w, c, 1);
      const ofs_data data = {x, y, OFS_F32, OFS_F32, 4, 0, weights, NULL};
      evaluation e = evaluate(&w, &data);
      for (int k = 0; k < 24; k++) {
        if (x[k] == 0) continue;
        int best = 0, wanted = 0;
        for (int j = 0; j < 4; j++) {
          part[j] = y[4 * k + j];
          best = e.p[4 * k + j] > e.p[4 * k + best] ? j : best;
          wanted = part[j] > part[wanted] ? j : wanted;
        }
        int binary = c->loss == OFS_LOSS_BINARY || c->loss == OFS_LOSS_BINARY_FOCAL;
        for (int j = 0; j < 4 && binary; j++) right += (part[j] == (e.p[4 * k + j] > 0.5)) / 4.0;
        want += weights[k / 6] * formula(c, e.p + 4 * k, part, 4, labels == TWO);
        right += !binary && best == wanted, valid++;
      }
      CHECK_NEAR(e.totals.loss, valid > 0 ? want / valid * 4 : 0, 1e-12 * (fabs(want) + 1));
      CHECK_NEAR(e.totals.correct[0], valid > 0 ? right / valid * 4 : 0, 1e-12);
      free(e.p), free(e.m);
    }
}

/* Losses of logits stay finite and right at the ends, where probabilities are 0 and 1 in any
 * precision. */
static void test_ends(void) {
  writer w;
  for (int i = 0; i < CASES; i++) {
    const loss_case *c = &cases[i];
    if (c->act != OFS_ACT_SIGMOID && c->act != OFS_ACT_SOFTMAX) continue;
    for (int right = 0; right < 2; right++) {
      const float x[] = {2000, -2000}, y[] = {(float)right, (float)!right};
      net(&w, 2, 0, 0, -1);
      activation(&w, c->act), output(&w, 0, c, 1);
      const ofs_data data = {x, y, OFS_F32, OFS_F32, 1, 0, NULL, NULL};
      evaluation e = evaluate(&w, &data);
      CHECK_MSG(e.totals.loss - e.totals.loss == 0, "loss case %d at the ends is %g", i,
                e.totals.loss);
      if (right && c->o.smoothing == 0 && e.m->outputs[0].fused) CHECK_NEAR(e.totals.loss, 0, 0);
      if (c->loss == OFS_LOSS_CATEGORICAL && !right && c->o.smoothing == 0)
        CHECK_NEAR(e.totals.loss, 4000, 1e-9);
      free(e.p), free(e.m);
    }
  }
}

/* Two outputs, their weights, and what each has by itself. */
static void test_outputs(void) {
  writer w;
  const float x[] = {1, -2, 0.5f, 3, 2, 1}, y[] = {1, 0, 0.5f, 2, 0, 1, 1, -1, 0.25f, 0.75f, 3, 2};
  const loss_case one = {OFS_LOSS_CATEGORICAL, OFS_ACT_SOFTMAX, TWO, 1, USUAL},
                  two = {OFS_LOSS_HUBER, OFS_ACT_LINEAR, ANY, 0, USUAL};
  net(&w, 2, 0, 0, -1);
  activation(&w, OFS_ACT_SOFTMAX), activation(&w, OFS_ACT_TANH);
  FIELD(&w, OFS_LAYER_INPUT, -1);
  output(&w, 0, &one, 0.25), output(&w, 1, &two, 3);
  const ofs_data data = {x, y, OFS_F32, OFS_F32, 3, 0, NULL, NULL};
  evaluation e = evaluate(&w, &data);
  double want[2] = {0, 0};
  for (int k = 0; k < 3; k++) {
    double p[2] = {exp(x[2 * k]), exp(x[2 * k + 1])}, sum = p[0] + p[1],
           q[2] = {tanh(x[2 * k]), tanh(x[2 * k + 1])};
    p[0] /= sum, p[1] /= sum;
    const double t[2] = {y[4 * k], y[4 * k + 1]}, u[2] = {y[4 * k + 2], y[4 * k + 3]};
    want[0] += formula(&one, p, t, 2, 0), want[1] += formula(&two, q, u, 2, 0);
  }
  CHECK_NEAR(e.totals.losses[0], want[0], 1e-12);
  CHECK_NEAR(e.totals.losses[1], want[1], 1e-12);
  CHECK_NEAR(e.totals.loss, 0.25 * want[0] + 3 * want[1], 1e-12);
  free(e.p), free(e.m);
}

/* Losses of logits want their activation; an option is refused where the loss does not take it. */
static void test_refusals(void) {
  static const uint8_t fields[] = {OFS_OUTPUT_LABEL_SMOOTHING, OFS_OUTPUT_DELTA, OFS_OUTPUT_GAMMA,
                                   OFS_OUTPUT_ALPHA, OFS_OUTPUT_BALANCED};
  static const char *const taken[] = {"", "s", "s", "", "", "d", "",     "",   "",
                                      "", "",  "",  "", "", "",  "sgab", "sga"};
  writer w;
  ofs_error err;
  for (int loss = 0; loss <= OFS_LOSS_LAST; loss++)
    for (int act = 0; act <= OFS_ACT_LAST; act++) {
      int categorical = loss <= OFS_LOSS_CATEGORICAL || loss == OFS_LOSS_CATEGORICAL_FOCAL;
      int binary = loss == OFS_LOSS_BINARY || loss == OFS_LOSS_BINARY_FOCAL;
      net(&w, 4, 0, 0, loss);
      dense(&w, 3, act);
      ofs_model *m = open_model(&w, &err);
      int fits = categorical ? act == OFS_ACT_SOFTMAX : binary ? act == OFS_ACT_SIGMOID : 1;
      CHECK_MSG((m != NULL) == fits, "loss %d of activation %d", loss, act);
      if (!m)
        CHECK_MSG(err.layer == OFS_IN_MODEL && err.field == OFS_MODEL_LOSS &&
                      err.reason == OFS_WHY_OUTPUT,
                  "loss %d", loss);
      free(m);
      for (int f = 0; f < 5 && fits; f++) {
        net(&w, 4, 0, 0, -1);
        dense(&w, 3, act);
        writer_record(&w, OFS_OUTPUT);
        FIELD(&w, OFS_OUTPUT_LAYER, 0);
        FIELD(&w, OFS_OUTPUT_LOSS, loss);
        FIELD(&w, fields[f], f == 4 ? 1 : 0.5);
        m = open_model(&w, &err);
        CHECK_MSG((m != NULL) == (strchr(taken[loss], "sdgab"[f]) != NULL), "loss %d, option %d",
                  loss, f);
        if (!m)
          CHECK_MSG(err.layer == OFS_IN_OUTPUT && err.field == fields[f] &&
                        err.reason == OFS_WHY_CONFLICT,
                    "loss %d", loss);
        free(m);
      }
    }
}

int main(void) {
  check_label = label_at;
  test_gradients();
  test_masked();
  test_values();
  test_indices();
  test_masks();
  test_ends();
  test_outputs();
  test_refusals();
  return check_report("gradients of losses");
}
