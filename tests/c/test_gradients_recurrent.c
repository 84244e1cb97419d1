/* test_gradients_recurrent.c: recurrent layers in full against central differences (gradients.h):
 * every kind, through time from either end, gru with either reset, masked steps, both directions at
 * once, time distributed, frozen. */
#include "gradients.h"

/* The kinds that are told apart here: gru twice. */
enum { SIMPLE, LSTM, GRU, GRU_RESET_FIRST, KINDS };
static const uint16_t record_of[] = {OFS_SIMPLE_RNN, OFS_LSTM, OFS_GRU, OFS_GRU};

typedef struct rnn {
  int kind, units, sequences, backwards, act, bias;
} rnn;

/* Recurrent weights and biases are too big for the gates to be all alike. */
static void fields(writer *w, const rnn *r) {
  FIELD(w, OFS_LSTM_UNITS, r->units);
  FIELD(w, OFS_LSTM_ACTIVATION, r->act);
  FIELD(w, OFS_LSTM_USE_BIAS, r->bias);
  FIELD(w, OFS_LSTM_BIAS_INIT, OFS_INIT_GLOROT_UNIFORM);
  FIELD(w, OFS_LSTM_RETURN_SEQUENCES, r->sequences);
  FIELD(w, OFS_LSTM_GO_BACKWARDS, r->backwards);
  if (r->kind == GRU_RESET_FIRST) FIELD(w, OFS_GRU_RESET_AFTER, 0);
}

static void layer(writer *w, const rnn *r) {
  writer_record(w, record_of[r->kind]);
  fields(w, r);
}

static void test_kinds(void) {
  static const int acts[] = {OFS_ACT_TANH, OFS_ACT_LINEAR, OFS_ACT_SIGMOID, OFS_ACT_ELU,
                             OFS_ACT_SOFTPLUS};
  static const struct {
    int steps, inputs, units;
    uint32_t n;
  } sizes[] = {{1, 3, 2, 1}, {2, 1, 5, 1}, {5, 3, 4, 3}, {4, 5, 9, 17}, {3, 4, 17, 8}};
  static writer w;
  for (int kind = 0; kind < KINDS; kind++)
    for (int i = 0; i < 5; i++)
      for (int k = 0; k < 8; k++) {
        const rnn r = {kind, sizes[i].units, k & 1, k >> 1 & 1, acts[i], k >> 2};
        net(&w, sizes[i].steps, sizes[i].inputs, 0, OFS_LOSS_MSE);
        dense(&w, sizes[i].inputs, OFS_ACT_TANH), layer(&w, &r), dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, sizes[i].n, 1, 0,
                  LABEL("kind %d, %d x %d, units %d, sequences %d, backwards %d, bias %d", kind,
                        sizes[i].steps, sizes[i].inputs, sizes[i].units, r.sequences, r.backwards,
                        r.bias));
      }
}

/* More samples than a block, more than one chunk of the reduction over steps. */
static void test_many(void) {
  static writer w;
  for (int kind = 0; kind < KINDS; kind++) {
    const rnn r = {kind, 3, 0, 1, OFS_ACT_TANH, 1};
    net(&w, 40, 2, 0, OFS_LOSS_MSE);
    layer(&w, &r);
    check_net(&w, 110, 1, 0, LABEL("kind %d, chunks", kind));
  }
}

/* Samples of 3 sequences. */
static void test_distributed(void) {
  static writer w;
  for (int kind = 0; kind < KINDS; kind++)
    for (int sequences = 0; sequences < 2; sequences++) {
      const rnn r = {kind, 3, sequences, sequences, OFS_ACT_TANH, 1};
      net(&w, 3, 4, 2, OFS_LOSS_MSE);
      dense(&w, 2, OFS_ACT_TANH);
      writer_record(&w, OFS_TIME_DISTRIBUTED);
      layer(&w, &r);
      check_net(&w, 5, 1, 0, LABEL("kind %d, time distributed, sequences %d", kind, sequences));
    }
}

static void test_both(void) {
  static writer w;
  for (int kind = 0; kind < KINDS; kind++)
    for (int merge = OFS_MERGE_CONCAT; merge <= OFS_MERGE_AVE; merge++)
      for (int sequences = 0; sequences < 2; sequences++) {
        const rnn r = {kind, 3, sequences, merge == OFS_MERGE_SUM, OFS_ACT_TANH, 1};
        net(&w, 4, 2, 0, OFS_LOSS_MSE);
        dense(&w, 2, OFS_ACT_TANH);
        writer_record(&w, OFS_BIDIRECTIONAL);
        FIELD(&w, OFS_BIDIRECTIONAL_MERGE, merge);
        layer(&w, &r);
        dense(&w, 2, OFS_ACT_LINEAR);
        check_net(&w, 4, 1, 0,
                  LABEL("kind %d, bidirectional, merge %d, sequences %d", kind, merge, sequences));
      }
}

/* Nothing of a frozen layer moves, and what stands before it learns. */
static void test_frozen(void) {
  static writer w;
  for (int kind = 0; kind < KINDS; kind++) {
    const rnn r = {kind, 3, 0, 0, OFS_ACT_TANH, 1};
    net(&w, 4, 2, 0, OFS_LOSS_MSE);
    dense(&w, 2, OFS_ACT_TANH), layer(&w, &r);
    FIELD(&w, OFS_LAYER_TRAINABLE, 0);
    dense(&w, 2, OFS_ACT_LINEAR);
    check_net(&w, 4, 1, 0, LABEL("kind %d, frozen", kind));
  }
}

/* Indices, of which 0 is masked, at the front, in the middle and at the end of a sample. */
static void test_masked(void) {
  static writer w;
  for (int kind = 0; kind < KINDS; kind++)
    for (int k = 0; k < 8; k++) {
      const rnn r = {kind, 4, k & 1, k >> 1 & 1, OFS_ACT_TANH, 1};
      net(&w, 6, 0, 0, OFS_LOSS_MSE);
      writer_record(&w, OFS_EMBEDDING);
      FIELD(&w, OFS_EMBEDDING_INPUT_DIM, 3);
      FIELD(&w, OFS_EMBEDDING_OUTPUT_DIM, 3);
      FIELD(&w, OFS_EMBEDDING_MASK_ZERO, 1);
      if (k >> 2) writer_record(&w, OFS_BIDIRECTIONAL);
      layer(&w, &r);
      if (r.sequences) writer_record(&w, OFS_FLATTEN); /* what stands at a masked step is seen */
      dense(&w, 2, OFS_ACT_LINEAR);
      check_net(&w, 9, 1, 0,
                LABEL("kind %d, masked, sequences %d, backwards %d, bidirectional %d", kind,
                      r.sequences, r.backwards, k >> 2));
      if (!r.sequences) continue;
      const rnn last = {kind, 3, 0, 0, OFS_ACT_TANH, 1}; /* hands the mask on */
      w.n = 0;
      net(&w, 6, 0, 0, OFS_LOSS_MSE);
      writer_record(&w, OFS_EMBEDDING);
      FIELD(&w, OFS_EMBEDDING_INPUT_DIM, 3);
      FIELD(&w, OFS_EMBEDDING_OUTPUT_DIM, 3);
      FIELD(&w, OFS_EMBEDDING_MASK_ZERO, 1);
      layer(&w, &r), layer(&w, &last);
      check_net(&w, 9, 1, 0, LABEL("kind %d, masked, stacked, backwards %d", kind, r.backwards));
    }
}

/* A state over masked steps is the state without them. */
static void test_skipped(void) {
  static writer w;
  for (int kind = 0; kind < KINDS; kind++)
    for (int backwards = 0; backwards < 2; backwards++) {
      double with[4], without[4];
      for (int masked = 0; masked < 2; masked++) {
        const rnn r = {kind, 4, 0, backwards, OFS_ACT_TANH, 1};
        net(&w, masked ? 7 : 3, 0, 0, OFS_LOSS_MSE);
        writer_record(&w, OFS_EMBEDDING);
        FIELD(&w, OFS_EMBEDDING_INPUT_DIM, 4);
        FIELD(&w, OFS_EMBEDDING_OUTPUT_DIM, 3);
        FIELD(&w, OFS_EMBEDDING_MASK_ZERO, 1);
        layer(&w, &r);
        ofs_model *m = open_model(&w, NULL);
        ofs_plan *p = open_plan(m, OFS_PREDICT, 2);
        const float some[] = {0, 2, 0, 0, 1, 3, 0}, all[] = {2, 1, 3}, *x = masked ? some : all;
        const ofs_data data = {.x = x, .x_type = OFS_F32, .n = 1};
        CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
        CHECK_INT(run_step(p, 0, 1, 1u << 30), OFS_OK);
        memcpy(masked ? with : without, ofs_plan_output(p, 0), sizeof with);
        free(p), free(m);
      }
      for (int i = 0; i < 4; i++)
        CHECK_MSG(with[i] == without[i], "kind %d: unit %d is %g, without the masked steps %g",
                  kind, i, with[i], without[i]);
    }
}

int main(void) {
  test_masked();
  test_skipped();
  test_kinds();
  test_many();
  test_distributed();
  test_frozen();
  test_both();
  return check_report("gradients of recurrent layers");
}
