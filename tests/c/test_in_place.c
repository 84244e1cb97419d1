/* test_in_place.c: evaluations and predictions, whose layers may write over what they read, agree
 * with training, where none does: numbers that a mask or a loss reads at the end are left alone. */
#include "check.h"
#include "spec_writer.h"

#define SAMPLES 6
#define STEPS 5

static void begin(writer *w, double size) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, size);
  writer_record(w, OFS_SGD);
}

static void outputs(writer *w, int first, int second) {
  for (int k = 0; k < 2; k++) {
    writer_record(w, OFS_OUTPUT);
    FIELD(w, OFS_OUTPUT_LAYER, k ? second : first);
  }
}

/* Indices that an embedding masks, and another layer may write over: a recurrent layer and a loss
 * still need the mask. */
static void masked(writer *w) {
  begin(w, STEPS);
  writer_record(w, OFS_EMBEDDING);
  FIELD(w, OFS_EMBEDDING_INPUT_DIM, 4);
  FIELD(w, OFS_EMBEDDING_OUTPUT_DIM, 3);
  FIELD(w, OFS_EMBEDDING_MASK_ZERO, 1);
  writer_record(w, OFS_RESCALING);
  FIELD(w, OFS_RESCALING_SCALE, 0.5);
  FIELD(w, OFS_RESCALING_OFFSET, 1);
  FIELD(w, OFS_LAYER_INPUT, -1);
  writer_record(w, OFS_GRU);
  FIELD(w, OFS_GRU_UNITS, 2);
  FIELD(w, OFS_GRU_RETURN_SEQUENCES, 1);
  FIELD(w, OFS_LAYER_INPUT, 0);
  outputs(w, 1, 2);
}

/* Logits that a loss takes, whose probabilities are read too, and which another layer may write
 * over. */
static void logits(writer *w) {
  begin(w, STEPS);
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, 3);
  writer_record(w, OFS_SOFTMAX);
  writer_record(w, OFS_ACTIVATION);
  FIELD(w, OFS_ACTIVATION_ACTIVATION, OFS_ACT_RELU);
  FIELD(w, OFS_LAYER_INPUT, 0);
  writer_record(w, OFS_ADD);
  FIELD(w, OFS_LAYER_INPUT, 1, 2);
  outputs(w, 1, 3);
}

static void totals_of(ofs_model *m, int kind, const ofs_data *data, ofs_totals *t) {
  ofs_plan *p = open_plan(m, kind, SAMPLES);
  CHECK_INT(ofs_plan_set_data(p, data, NULL), OFS_OK);
  CHECK_INT(run_step(p, 0, SAMPLES, 1u << 30), OFS_OK);
  ofs_step_totals(p, t);
  free(p);
}

static void test_net(void (*net)(writer *), const char *name) {
  static writer w;
  static float x[SAMPLES * STEPS], y[SAMPLES * STEPS * 8];
  for (int i = 0; i < SAMPLES * STEPS; i++) x[i] = (float)(i * 7 % 4);
  for (int i = 0; i < SAMPLES * STEPS * 8; i++) y[i] = (float)(i % 3 == 0);
  const ofs_data data = {x, y, OFS_F32, OFS_F32, SAMPLES, 0, NULL, NULL};
  ofs_error err = {0};
  ofs_totals trained, evaluated;
  net(&w);
  ofs_model *m = open_model(&w, &err);
  if (!CHECK_MSG(m != NULL, "%s: refused, layer %d reason %d", name, err.layer, err.reason)) return;
  totals_of(m, OFS_EVALUATE, &data, &evaluated);
  totals_of(m, OFS_TRAIN, &data, &trained);
  for (int k = 0; k < 2; k++)
    CHECK_MSG(evaluated.losses[k] == trained.losses[k],
              "%s: output %d evaluates to %.9g, trains at %.9g", name, k, evaluated.losses[k],
              trained.losses[k]);
  free(m);
}

int main(void) {
  test_net(masked, "mask");
  test_net(logits, "logits");
  return check_report("in place");
}
