/* test_spec.c: hostile specs, and blocks and batches that do not do.
 *
 * A refusal is checked member by member, and must leave its out-parameters as they were
 * (spec_checks.h). */
#include "spec_checks.h"

static void head(writer *w, int rank, double a, double b, double c) {
  const double shape[] = {a, b, c};
  w->n = 0;
  writer_record(w, OFS_MODEL);
  writer_values(w, OFS_MODEL_INPUT_SHAPE, (uint16_t)rank, shape);
  writer_record(w, OFS_SGD);
}

static void dense(writer *w, double units, double act) {
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, units);
  FIELD(w, OFS_DENSE_ACTIVATION, act);
}

/* The layers of a plain net, every kind of field. */
static void whole(writer *w) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 8, 8, 2);
  FIELD(w, OFS_MODEL_LOSS, OFS_LOSS_CATEGORICAL);
  FIELD(w, OFS_MODEL_INPUT_SCALE, 0.5);
  FIELD(w, OFS_MODEL_SEED, 9007199254740991);
  writer_record(w, OFS_ADAMW);
  FIELD(w, OFS_ADAMW_WEIGHT_DECAY, 0.01);
  writer_record(w, OFS_CONV2D);
  FIELD(w, OFS_CONV2D_FILTERS, 3);
  FIELD(w, OFS_CONV2D_KERNEL_SIZE, 3, 2);
  FIELD(w, OFS_CONV2D_PADDING, OFS_PAD_SAME);
  FIELD(w, OFS_CONV2D_ACTIVATION, OFS_ACT_SWISH);
  writer_record(w, OFS_MAX_POOLING2D);
  FIELD(w, OFS_MAX_POOL_SIZE, 2);
  FIELD(w, OFS_MAX_POOL_STRIDES, 1, 2);
  writer_record(w, OFS_AVERAGE_POOLING2D);
  FIELD(w, OFS_AVG_POOL_PADDING, OFS_PAD_SAME);
  writer_record(w, OFS_ACTIVATION);
  FIELD(w, OFS_ACTIVATION_ACTIVATION, OFS_ACT_GELU);
  writer_record(w, OFS_RESHAPE);
  FIELD(w, OFS_RESHAPE_TARGET_SHAPE, 4, 6);
  writer_record(w, OFS_DROPOUT);
  FIELD(w, OFS_DROPOUT_RATE, 0.25);
  writer_record(w, OFS_LSTM);
  FIELD(w, OFS_LSTM_UNITS, 3);
  FIELD(w, OFS_LSTM_ACTIVATION, OFS_GATE_SOFTPLUS);
  FIELD(w, OFS_LSTM_RETURN_SEQUENCES, 1);
  writer_record(w, OFS_GRU);
  FIELD(w, OFS_GRU_UNITS, 2);
  FIELD(w, OFS_GRU_RESET_AFTER, 1);
  writer_record(w, OFS_FLATTEN);
  dense(w, 4, OFS_ACT_SOFTMAX);
}

/* Two inputs, joins, masks, wrappers, tied weights, two outputs. */
static void graph(writer *w) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 4);
  writer_record(w, OFS_INPUT);
  FIELD(w, OFS_INPUT_SHAPE, 4, 3);
  writer_record(w, OFS_ADAM);
  FIELD(w, OFS_SGD_CLIP_NORM, 2);
  writer_record(w, OFS_EMBEDDING);
  FIELD(w, OFS_EMBEDDING_INPUT_DIM, 5);
  FIELD(w, OFS_EMBEDDING_OUTPUT_DIM, 3);
  FIELD(w, OFS_EMBEDDING_MASK_ZERO, 1);
  FIELD(w, OFS_LAYER_INPUT, -1);
  writer_record(w, OFS_MULTIPLY);
  FIELD(w, OFS_LAYER_INPUT, 0, -2);
  writer_record(w, OFS_BIDIRECTIONAL);
  FIELD(w, OFS_BIDIRECTIONAL_MERGE, OFS_MERGE_AVE);
  writer_record(w, OFS_GRU);
  FIELD(w, OFS_GRU_UNITS, 3);
  FIELD(w, OFS_GRU_RETURN_SEQUENCES, 1);
  writer_record(w, OFS_TIME_DISTRIBUTED);
  dense(w, 3, OFS_ACT_TANH);
  FIELD(w, OFS_DENSE_KERNEL_REG, 0.01, 0);
  dense(w, 3, OFS_ACT_HARD_SIGMOID);
  FIELD(w, OFS_LAYER_TIED_TO, 3);
  writer_record(w, OFS_CONCATENATE);
  FIELD(w, OFS_LAYER_INPUT, 4, 2, 1);
  FIELD(w, OFS_CONCATENATE_AXIS, 2);
  writer_record(w, OFS_PRELU);
  FIELD(w, OFS_PRELU_SHARED_AXES, 1);
  FIELD(w, OFS_LAYER_TRAINABLE, 0);
  writer_record(w, OFS_DOT);
  FIELD(w, OFS_LAYER_INPUT, 6, 6);
  writer_record(w, OFS_FLATTEN);
  dense(w, 1, OFS_ACT_SIGMOID);
  writer_record(w, OFS_OUTPUT);
  FIELD(w, OFS_OUTPUT_LAYER, 9);
  FIELD(w, OFS_OUTPUT_LOSS, OFS_LOSS_BINARY_FOCAL);
  FIELD(w, OFS_OUTPUT_GAMMA, 1);
  writer_record(w, OFS_OUTPUT);
  FIELD(w, OFS_OUTPUT_LAYER, 5);
  FIELD(w, OFS_OUTPUT_LOSS_WEIGHT, 0.5);
}

static void test_truncated(void (*write)(writer *w)) {
  static writer w;
  write(&w);
  accepted(&w, "the whole spec");
  CHECK_INT(use_when_small(w.bytes, w.n), 3);
  for (size_t n = 0; n < w.n; n++)
    refused_bytes(w.bytes, n,
                  (ofs_error){.layer = OFS_IN_BYTES,
                              .field = -1,
                              .reason = OFS_WHY_TRUNCATED,
                              .got = (double)n},
                  "a cut spec");
  w.bytes[w.n++] = 0;
  refused(&w, OFS_IN_BYTES, -1, OFS_WHY_TRUNCATED, (double)w.n, 0, 0, "a byte more");
}

static void test_flipped(void (*write)(writer *w)) {
  static writer w;
  write(&w);
  static const uint8_t masks[] = {0x01, 0x02, 0x08, 0x10, 0x40, 0x80, 0xff};
  int used = 0;
  for (size_t i = 0; i < w.n; i++) {
    const uint8_t was = w.bytes[i];
    for (size_t k = 0; k < sizeof masks; k++) {
      w.bytes[i] = was ^ masks[k];
      used += use_when_small(w.bytes, w.n);
    }
    w.bytes[i] = 0;
    used += use_when_small(w.bytes, w.n);
    w.bytes[i] = was;
  }
  CHECK_MSG(used > 300, "%d plans used: the flips do not get far", used);
}

static void test_random_bytes(void) {
  uint8_t bytes[256];
  for (int round = 0; round < 20000; round++) {
    size_t n = random_word() % sizeof bytes;
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)random_word();
    if (round % 2 && n >= 8) { /* past the head */
      const uint32_t start[] = {OFS_SPEC_MAGIC, 3 + random_word() % 4};
      memcpy(bytes, start, 8);
    }
    use_when_small(bytes, n);
  }
}

static void test_unknown(void) {
  static writer w;
  static const uint16_t layers[] = {OFS_MODEL,      OFS_SGD, OFS_ADAMW, OFS_DENSE - 1,
                                    OFS_COMMON - 1, 0x2000,  0xffff};
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    head(&w, 1, 4, 0, 0);
    dense(&w, 3, 0);
    writer_record(&w, layers[i]);
    refused(&w, 1, -1, OFS_WHY_UNKNOWN, layers[i], 0, 0, "a record that is no layer");
  }
  w.n = 0;
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, 4);
  writer_record(&w, OFS_DENSE);
  dense(&w, 3, 0);
  refused(&w, OFS_IN_OPTIMIZER, -1, OFS_WHY_UNKNOWN, OFS_DENSE, 0, 0, "a layer for an optimizer");
  w.n = 0;
  writer_record(&w, OFS_ADAM);
  writer_record(&w, OFS_ADAM);
  dense(&w, 3, 0);
  refused(&w, OFS_IN_MODEL, -1, OFS_WHY_UNKNOWN, OFS_ADAM, 0, 0, "an optimizer for a model");
  static const struct {
    uint16_t record;
    uint8_t field;
  } fields[] = {{OFS_FLATTEN, 0},
                {OFS_DENSE, 5},
                {OFS_DENSE, 255},
                {OFS_CONV2D, 10},
                {OFS_ACTIVATION, 16}};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    head(&w, 3, 8, 8, 2);
    writer_record(&w, fields[i].record);
    FIELD(&w, fields[i].field, 1);
    refused(&w, 0, -1, OFS_WHY_UNKNOWN, fields[i].field, 0, 0, "an unknown field");
  }
  head(&w, 1, 4, 0, 0);
  dense(&w, 3, 0);
  w.bytes[0] ^= 1;
  refused(&w, OFS_IN_BYTES, -1, OFS_WHY_UNKNOWN, OFS_SPEC_MAGIC ^ 1u, 0, 0, "another magic");
}

static void test_record_counts(void) {
  static writer w;
  static const uint32_t counts[] = {0, 1, 2, 3 * OFS_MAX_LAYERS + 1, 0x80000000u, 0xffffffffu};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    head(&w, 1, 4, 0, 0);
    dense(&w, 3, 0);
    memcpy(w.bytes + 4, &counts[i], 4);
    refused(&w, OFS_IN_MODEL, -1, OFS_WHY_COUNT, (double)counts[i] - 2, 1, OFS_MAX_LAYERS,
            "a number of layers");
  }
  head(&w, 1, 4, 0, 0);
  dense(&w, 3, 0);
  w.bytes[4] = 4; /* one more than there are */
  refused(&w, OFS_IN_BYTES, -1, OFS_WHY_TRUNCATED, (double)w.n, 0, 0, "a record too few");
  w.bytes[4] = 3;
  writer_record(&w, OFS_FLATTEN);
  w.bytes[4] = 3; /* one fewer */
  refused(&w, OFS_IN_BYTES, -1, OFS_WHY_TRUNCATED, (double)w.n, 0, 0, "a record too many");
}

/* ---- shapes ---- */

#define MOST_SAMPLE 2147483647.0

static void window(writer *w, uint16_t type, double kh, double kw, double dilation, double pad) {
  head(w, 3, 8, 10, 2);
  writer_record(w, type);
  if (type == OFS_CONV2D) {
    FIELD(w, OFS_CONV2D_FILTERS, 3);
    FIELD(w, OFS_CONV2D_KERNEL_SIZE, kh, kw);
    FIELD(w, OFS_CONV2D_DILATION_RATE, dilation);
    FIELD(w, OFS_CONV2D_PADDING, pad);
  } else {
    FIELD(w, OFS_MAX_POOL_SIZE, kh, kw);
    FIELD(w, OFS_MAX_POOL_PADDING, pad);
  }
}

static void test_windows(void) {
  static writer w;
  static const uint16_t types[] = {OFS_CONV2D, OFS_MAX_POOLING2D, OFS_AVERAGE_POOLING2D};
  for (int i = 0; i < 3; i++) {
    const int field = types[i] == OFS_CONV2D ? OFS_CONV2D_KERNEL_SIZE : OFS_MAX_POOL_SIZE;
    window(&w, types[i], 8, 10, 1, OFS_PAD_VALID);
    accepted(&w, "a window as big as its input");
    window(&w, types[i], 9, 10, 1, OFS_PAD_VALID);
    refused(&w, 0, field, OFS_WHY_WINDOW, 9, 1, 8, "a window too high");
    window(&w, types[i], 8, 11, 1, OFS_PAD_VALID);
    refused(&w, 0, field, OFS_WHY_WINDOW, 11, 1, 10, "a window too wide");
    window(&w, types[i], 65535, 65535, 1, OFS_PAD_VALID);
    refused(&w, 0, field, OFS_WHY_WINDOW, 65535, 1, 8, "the biggest window");
    window(&w, types[i], 9, 11, 1, OFS_PAD_SAME);
    accepted(&w, "a window over padding");
    for (int rank = 1; rank <= 2; rank++) {
      head(&w, rank, 8, 8, 0);
      writer_record(&w, types[i]);
      if (types[i] == OFS_CONV2D) {
        FIELD(&w, OFS_CONV2D_FILTERS, 3);
        FIELD(&w, OFS_CONV2D_KERNEL_SIZE, 3);
      }
      refused(&w, 0, -1, OFS_WHY_RANK, rank, 3, 3, "an input that is no image");
    }
  }
  window(&w, OFS_CONV2D, 3, 3, 4, OFS_PAD_VALID);
  refused(&w, 0, OFS_CONV2D_KERNEL_SIZE, OFS_WHY_WINDOW, 9, 1, 8, "a dilated window");
  window(&w, OFS_CONV2D, 65535, 65535, 65535, OFS_PAD_VALID);
  refused(&w, 0, OFS_CONV2D_KERNEL_SIZE, OFS_WHY_WINDOW, 65534.0 * 65535 + 1, 1, 8,
          "a window beyond 2^32");
  /* strides as wide: one output, all padding */
  window(&w, OFS_MAX_POOLING2D, 65535, 65535, 1, OFS_PAD_SAME);
  refused(&w, 0, -1, OFS_WHY_PRODUCT, 65535.0 * 65535 * 2, 1, MOST_SAMPLE,
          "padding beyond a sample");
  /* a layer that fits its input, behind one that does not give that input */
  window(&w, OFS_MAX_POOLING2D, 2, 2, 1, OFS_PAD_VALID);
  writer_record(&w, OFS_CONV2D);
  FIELD(&w, OFS_CONV2D_FILTERS, 1);
  FIELD(&w, OFS_CONV2D_KERNEL_SIZE, 5);
  refused(&w, 1, OFS_CONV2D_KERNEL_SIZE, OFS_WHY_WINDOW, 5, 1, 4, "a second window");
}

static void test_products(void) {
  static writer w;
  const double most = 16777216, all[] = {most, most, most, most, most, most};
  head(&w, 2, most, 127, 0);
  dense(&w, 127, 0);
  accepted(&w, "the biggest sample");
  head(&w, 2, most, 128, 0);
  dense(&w, 1, 0);
  refused(&w, OFS_IN_MODEL, OFS_MODEL_INPUT_SHAPE, OFS_WHY_PRODUCT, 0x1p31, 1, MOST_SAMPLE,
          "a sample of 2^31");
  head(&w, 2, 65536, 65536, 0); /* 2^32: nothing, to 32 bits */
  dense(&w, 1, 0);
  refused(&w, OFS_IN_MODEL, OFS_MODEL_INPUT_SHAPE, OFS_WHY_PRODUCT, 0x1p32, 1, MOST_SAMPLE,
          "a sample of 2^32");
  w.n = 0;
  writer_record(&w, OFS_MODEL);
  writer_values(&w, OFS_MODEL_INPUT_SHAPE, 6, all); /* 2^144: nothing, to 64 bits */
  writer_record(&w, OFS_SGD);
  dense(&w, 1, 0);
  refused(&w, OFS_IN_MODEL, OFS_MODEL_INPUT_SHAPE, OFS_WHY_PRODUCT, 0x1p144, 1, MOST_SAMPLE,
          "a sample of 2^144");
  head(&w, 2, 1048576, 4, 0);
  dense(&w, 4096, 0);
  refused(&w, 0, -1, OFS_WHY_PRODUCT, 0x1p32, 1, MOST_SAMPLE, "an output of 2^32");
  head(&w, 1, most, 0, 0);
  dense(&w, most, 0);
  refused(&w, 0, -1, OFS_WHY_PRODUCT, 0x1p48, 1, 0x1p44, "a kernel of 2^48");
  head(&w, 3, 1024, 1024, 1);
  writer_record(&w, OFS_CONV2D);
  FIELD(&w, OFS_CONV2D_FILTERS, 4096);
  FIELD(&w, OFS_CONV2D_KERNEL_SIZE, 1);
  refused(&w, 0, -1, OFS_WHY_PRODUCT, 0x1p32, 1, MOST_SAMPLE, "an image of 2^32");
  /* parameters of all layers: in 64 bits, and a layer of 2^44 is allowed */
  head(&w, 1, 4194304, 0, 0);
  for (int i = 0; i < OFS_MAX_LAYERS; i++) dense(&w, 4194304, 0);
  ofs_error e = {0};
  uint64_t bytes = 0;
  CHECK(read_spec(w.bytes, w.n, &bytes, &e) == OFS_OK);
  CHECK(bytes > OFS_MAX_LAYERS * (1ull << 44) * sizeof(ofs_real) && bytes < 1ull << 62);
}

static void test_reshape(void) {
  static writer w;
  const double most = 16777216, all[] = {most, most, most, most, most, most};
  head(&w, 3, 8, 8, 2);
  writer_record(&w, OFS_RESHAPE);
  FIELD(&w, OFS_RESHAPE_TARGET_SHAPE, 2, 2, 2, 2, 2, 4);
  accepted(&w, "a reshape of rank 6");
  head(&w, 3, 8, 8, 2);
  writer_record(&w, OFS_FLATTEN);
  writer_record(&w, OFS_RESHAPE);
  FIELD(&w, OFS_RESHAPE_TARGET_SHAPE, 127);
  refused(&w, 1, OFS_RESHAPE_TARGET_SHAPE, OFS_WHY_PRODUCT, 127, 128, 128,
          "a reshape that loses one");
  head(&w, 3, 8, 8, 2);
  writer_record(&w, OFS_RESHAPE);
  writer_values(&w, OFS_RESHAPE_TARGET_SHAPE, 6, all);
  refused(&w, 0, OFS_RESHAPE_TARGET_SHAPE, OFS_WHY_PRODUCT, 0x1p144, 128, 128,
          "a reshape to 2^144");
}

static void recurrent(writer *w, uint16_t type, double steps, double inputs, double units) {
  head(w, 2, steps, inputs, 0);
  writer_record(w, type);
  FIELD(w, OFS_LSTM_UNITS, units);
}

static void test_recurrent(void) {
  static writer w;
  for (uint16_t type = OFS_LSTM; type <= OFS_GRU; type++) {
    const double gates = type == OFS_LSTM ? 4 : 3;
    for (int rank = 1; rank <= 3; rank += 2) {
      head(&w, rank, 8, 8, 2);
      writer_record(&w, type);
      FIELD(&w, OFS_LSTM_UNITS, 3);
      refused(&w, 0, -1, OFS_WHY_RANK, rank, 2, 2, "an input without time steps");
    }
    static const uint8_t fields[] = {OFS_LSTM_ACTIVATION, OFS_LSTM_GATE_ACT};
    for (int i = 0; i < 2; i++) {
      recurrent(&w, type, 4, 2, 3);
      FIELD(&w, fields[i], OFS_ACT_GELU);
      refused(&w, 0, fields[i], OFS_WHY_UNKNOWN, OFS_ACT_GELU, 0, 0, "gelu in a cell");
      recurrent(&w, type, 4, 2, 3);
      FIELD(&w, fields[i], OFS_ACT_SOFTMAX);
      refused(&w, 0, fields[i], OFS_WHY_UNKNOWN, OFS_ACT_SOFTMAX, 0, 0, "softmax in a cell");
      recurrent(&w, type, 4, 2, 3);
      FIELD(&w, fields[i], OFS_ACT_MISH);
      refused(&w, 0, fields[i], OFS_WHY_RANGE, OFS_ACT_MISH, 0, OFS_GATE_LAST, "mish in a cell");
    }
    /* the gates of a sample are limited as a sample is, each kernel as a tensor is */
    recurrent(&w, type, 16777216, 1, 31);
    accepted(&w, "the longest sequence");
    recurrent(&w, type, 16777216, 1, 256);
    refused(&w, 0, -1, OFS_WHY_PRODUCT, 0x1p32 * gates, 1, MOST_SAMPLE, "gates of 2^32 and more");
    recurrent(&w, type, 1, 2, 16777216);
    refused(&w, 0, -1, OFS_WHY_PRODUCT, 0x1p48 * gates, 1, 0x1p44,
            "a recurrent kernel of 2^48 and more");
    recurrent(&w, type, 1, 16777216, 4194304);
    refused(&w, 0, -1, OFS_WHY_PRODUCT, 0x1p46 * gates, 1, 0x1p44, "a kernel of 2^46 and more");
    recurrent(&w, type, 1, 2, 1);
    dense(&w, 3, OFS_ACT_LINEAR);
    CHECK_INT(use_when_small(w.bytes, w.n), 3);
  }
}

/* Plans of long sequences for big batches: sizes add up or saturate, and never wrap. */
static void test_huge_sequences(void) {
  static writer w;
  for (uint16_t type = OFS_LSTM; type <= OFS_GRU; type++) {
    recurrent(&w, type, 16777216, 1, 31);
    FIELD(&w, OFS_LSTM_RETURN_SEQUENCES, 1);
    for (int i = 0; i < 9; i++) {
      writer_record(&w, type);
      FIELD(&w, OFS_LSTM_UNITS, 31);
      FIELD(&w, OFS_LSTM_RETURN_SEQUENCES, 1);
    }
    ofs_model *m = open_model(&w, NULL);
    if (!CHECK(m != NULL)) return;
    uint64_t bytes = 0, last = 0;
    for (uint32_t batch = 1; batch <= 1u << 24; batch *= 2, last = bytes) {
      CHECK_INT(ofs_plan_bytes(m, OFS_TRAIN, batch, &bytes, NULL), OFS_OK);
      const double least = 10.0 * 7 * 31 * 16777216 * sizeof(ofs_real) * batch;
      CHECK_MSG((bytes > last && (double)bytes >= least) || bytes >= 1ull << 62,
                "batch %u takes %g of %g", batch, (double)bytes, least);
    }
    free(m);
  }
}

/* ---- the loss and the last layer ---- */

static void loss_spec(writer *w, int loss, double units, int act) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 4);
  if (loss >= 0) FIELD(w, OFS_MODEL_LOSS, loss);
  writer_record(w, OFS_SGD);
  dense(w, units, act);
}

static void test_losses(void) {
  static writer w;
  for (int loss = OFS_LOSS_SPARSE_CATEGORICAL; loss <= OFS_LOSS_HUBER; loss++)
    for (int act = OFS_ACT_LINEAR; act <= OFS_ACT_SOFTMAX; act++) {
      loss_spec(&w, loss, 3, act);
      const int fits = loss <= OFS_LOSS_CATEGORICAL ? act == OFS_ACT_SOFTMAX
                       : loss == OFS_LOSS_BINARY    ? act == OFS_ACT_SIGMOID
                                                    : 1;
      const int needed = loss == OFS_LOSS_BINARY ? OFS_ACT_SIGMOID : OFS_ACT_SOFTMAX;
      if (fits)
        CHECK_INT(use_when_small(w.bytes, w.n), 3);
      else
        refused(&w, OFS_IN_MODEL, OFS_MODEL_LOSS, OFS_WHY_OUTPUT, act, needed, needed, "a loss");
    }
  /* what comes after the activation takes it away from the loss */
  loss_spec(&w, OFS_LOSS_CATEGORICAL, 3, OFS_ACT_SOFTMAX);
  writer_record(&w, OFS_FLATTEN);
  refused(&w, OFS_IN_MODEL, OFS_MODEL_LOSS, OFS_WHY_OUTPUT, OFS_ACT_LINEAR, OFS_ACT_SOFTMAX,
          OFS_ACT_SOFTMAX, "a softmax before the last layer");
  loss_spec(&w, OFS_LOSS_CATEGORICAL, 3, OFS_ACT_LINEAR);
  writer_record(&w, OFS_ACTIVATION);
  FIELD(&w, OFS_ACTIVATION_ACTIVATION, OFS_ACT_SOFTMAX);
  CHECK_INT(use_when_small(w.bytes, w.n), 3);
  for (int loss = -1; loss <= OFS_LOSS_HUBER; loss++) { /* a softmax of one is always 1 */
    loss_spec(&w, loss, 1, OFS_ACT_SOFTMAX);
    refused(&w, 0, -1, OFS_WHY_OUTPUT, 1, 2, MOST_SAMPLE, "a softmax of one");
  }
}

/* ---- blocks and batches ---- */

static void test_short_blocks(void) {
  static writer w;
  whole(&w);
  ofs_error e = {0};
  uint64_t bytes = 0;
  ofs_model_bytes(w.bytes, w.n, &bytes, NULL);
  void *block = block_of(bytes);
  ofs_model *m = NULL;
  for (uint64_t got = 0; got < bytes; got += got + 64 < bytes ? 64 : 1) {
    CHECK_INT(ofs_model_init(block, got, w.bytes, w.n, &m, &e), OFS_OUT_OF_MEMORY);
    CHECK(m == NULL && e.status == OFS_OUT_OF_MEMORY && e.layer == OFS_IN_MODEL && e.field == -1);
    CHECK(e.reason == OFS_WHY_BYTES && e.got == (double)got && e.high == (double)bytes);
  }
  CHECK_INT(ofs_model_init(block, bytes - 1, w.bytes, w.n, &m, NULL), OFS_OUT_OF_MEMORY);
  CHECK_INT(ofs_model_init(block, bytes, w.bytes, w.n, &m, &e), OFS_OK);
  while (ofs_model_randomize(m, 1) == OFS_MORE) continue;
  for (int kind = OFS_TRAIN; kind <= OFS_PREDICT; kind++) {
    uint64_t needed = 0;
    ofs_plan *p = NULL;
    CHECK_INT(ofs_plan_bytes(m, kind, 3, &needed, NULL), OFS_OK);
    void *scratch = block_of(needed);
    CHECK_INT(ofs_plan_init(scratch, needed - 1, m, kind, 3, &p, &e), OFS_OUT_OF_MEMORY);
    CHECK(p == NULL && e.status == OFS_OUT_OF_MEMORY && e.layer == OFS_IN_MODEL && e.field == -1);
    CHECK(e.reason == OFS_WHY_BYTES && e.got == (double)(needed - 1) && e.high == (double)needed);
    CHECK_INT(ofs_plan_init(scratch, 0, m, kind, 3, &p, NULL), OFS_OUT_OF_MEMORY);
    CHECK_INT(ofs_plan_init(scratch, needed, m, kind, 3, &p, &e), OFS_OK);
    static float x[3 * 128], y[3 * 4];
    const ofs_data data = {.x = x, .y = y, .x_type = OFS_F32, .y_type = OFS_F32, .n = 3};
    CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
    CHECK_INT(run_step(p, 0, 3, 1000), OFS_OK);
    free(scratch);
  }
  ofs_model_facts f;
  ofs_model_get_facts(m, &f);
  CHECK_INT(f.step, 1);
  free(block);
}

static void test_batches(void) {
  static writer w;
  ofs_error e = {0};
  whole(&w);
  ofs_model *m = open_model(&w, NULL);
  uint64_t bytes = UNTOUCHED, last = 0;
  static const uint32_t batches[] = {0, (1u << 24) + 1, 0x80000000u, 0xffffffffu};
  for (int i = 0; i < 4; i++) {
    CHECK_INT(ofs_plan_bytes(m, OFS_TRAIN, batches[i], &bytes, &e), OFS_INVALID_ARGUMENT);
    CHECK(bytes == UNTOUCHED && e.status == OFS_INVALID_ARGUMENT && e.reason == OFS_WHY_RANGE &&
          e.got == batches[i]);
    CHECK(e.low == 1 && e.high == 16777216 && e.layer == OFS_IN_MODEL && e.field == -1);
  }
  static const int kinds[] = {-1, 3, 2147483647};
  for (int i = 0; i < 3; i++) {
    CHECK_INT(ofs_plan_bytes(m, kinds[i], 1, &bytes, &e), OFS_INVALID_ARGUMENT);
    CHECK(bytes == UNTOUCHED && e.reason == OFS_WHY_RANGE && e.got == kinds[i] && e.low == 0 &&
          e.high == 2);
  }
  for (uint32_t batch = 1; batch <= 1u << 24; batch *= 2, last = bytes) {
    CHECK_INT(ofs_plan_bytes(m, OFS_TRAIN, batch, &bytes, &e), OFS_OK);
    CHECK_MSG(bytes > last && bytes > batch * 128ull * sizeof(ofs_real), "batch %u takes %g", batch,
              (double)bytes);
  }
  free(m);
}

/* Sixty tensors of 2^31 elements for each of 2^24 samples are more bytes than 64 bits count. */
static void test_huge_batches(void) {
  static writer w;
  ofs_error e = {0};
  head(&w, 2, 16777216, 127, 0);
  dense(&w, 127, OFS_ACT_GELU);
  for (int i = 0; i < 60; i++) {
    writer_record(&w, OFS_ACTIVATION);
    FIELD(&w, OFS_ACTIVATION_ACTIVATION, OFS_ACT_GELU);
  }
  ofs_model *m = open_model(&w, &e);
  if (!CHECK(m != NULL)) return;
  uint64_t bytes, last = 0;
  for (uint32_t batch = 1; batch <= 1u << 24; batch *= 2, last = bytes) {
    CHECK_INT(ofs_plan_bytes(m, OFS_TRAIN, batch, &bytes, &e), OFS_OK);
    const double least = 60.0 * 16777216 * 127 * sizeof(ofs_real) * batch;
    CHECK_MSG(bytes >= last && ((double)bytes >= least || bytes >= 1ull << 62),
              "batch %u takes %g of %g", batch, (double)bytes, least);
  }
  CHECK(last >= 1ull << 62);
  ofs_plan *p = NULL;
  void *block = block_of(MEGA);
  CHECK_INT(ofs_plan_init(block, MEGA, m, OFS_TRAIN, 1u << 24, &p, &e), OFS_OUT_OF_MEMORY);
  CHECK(p == NULL && e.reason == OFS_WHY_BYTES && e.got == MEGA && e.high >= 0x1p62);
  free(block), free(m);
}

/* As many layers as there may be, of a type that takes many operations, and of one that takes many
 * buffers. */
static void test_most_layers(void) {
  static writer w;
  for (int recurrent = 0; recurrent < 2; recurrent++) {
    head(&w, recurrent ? 2 : 3, 4, 4, 1);
    for (int i = 0; i < OFS_MAX_LAYERS; i++) {
      writer_record(&w, recurrent ? OFS_LSTM : OFS_CONV2D);
      FIELD(&w, OFS_CONV2D_FILTERS, recurrent ? 4 : 1);
      if (recurrent)
        FIELD(&w, OFS_LSTM_RETURN_SEQUENCES, 1);
      else
        FIELD(&w, OFS_CONV2D_KERNEL_SIZE, 1, 2);
      if (!recurrent) FIELD(&w, OFS_CONV2D_PADDING, OFS_PAD_SAME);
    }
    ofs_model *m = open_model(&w, NULL);
    if (!CHECK(m != NULL)) return;
    CHECK_INT(ofs_model_layers(m), OFS_MAX_LAYERS);
    CHECK_INT(ofs_model_tensors(m), (recurrent ? 3 : 2) * OFS_MAX_LAYERS);
    static float x[32], y[32];
    const ofs_data data = {.x = x, .y = y, .x_type = OFS_F32, .y_type = OFS_F32, .n = 2};
    ofs_plan *p = open_plan(m, OFS_TRAIN, 2);
    if (CHECK(p != NULL)) {
      CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
      CHECK_INT(run_step(p, 0, 2, 1u << 30), OFS_OK);
    }
    free(p), free(m);
  }
}

/* A record with as many values as one may have: a field more, or a default that is filled in, finds
 * no room. */
static void test_full_record(void) {
  static writer w;
  static double list[1024];
  for (int i = 0; i < 1024; i++) list[i] = 1;
  for (uint16_t inputs = 2; inputs <= 3; inputs++) {
    w.n = 0;
    writer_record(&w, OFS_MODEL);
    FIELD(&w, OFS_MODEL_INPUT_SHAPE, 1024);
    writer_record(&w, OFS_SGD), writer_record(&w, OFS_NORMALIZATION);
    writer_values(&w, OFS_NORMALIZATION_MEAN, 1024, list),
        writer_values(&w, OFS_NORMALIZATION_VARIANCE, 1024, list);
    writer_values(&w, OFS_LAYER_INPUT, inputs, list);
    if (inputs == 2)
      refused(&w, 0, OFS_LAYER_TRAINABLE, OFS_WHY_COUNT, 1, 1, 1, "a default without room");
    else
      refused(&w, 0, OFS_LAYER_INPUT, OFS_WHY_COUNT, inputs, 1, 16, "a field without room");
  }
}

static void test_initializer(void) {
  static writer w;
  head(&w, 1, 4, 0, 0);
  dense(&w, 3, OFS_ACT_LINEAR);
  FIELD(&w, OFS_DENSE_KERNEL_INIT, OFS_INIT_RANDOM_NORMAL, 0.5, 0.25);
  accepted(&w, "an initializer with its numbers");
}

/* A wrapper at the end wraps nothing. */
static void test_wrapper_alone(void) {
  static writer w;
  head(&w, 2, 4, 3, 0);
  writer_record(&w, OFS_TIME_DISTRIBUTED);
  refused(&w, 0, -1, OFS_WHY_COUNT, 0, 1, OFS_MAX_LAYERS, "a wrapper of nothing");
}

/* What is absent has Keras's defaults, one value for many stands as many times, and a pool's
 * strides are its size. */
static void test_filled(void) {
  static writer w, all, out;
  w.n = all.n = 0;
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_SEED, 7);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, 9, 8, 2);
  writer_record(&w, OFS_SGD);
  writer_record(&w, OFS_MAX_POOLING2D);
  FIELD(&w, OFS_MAX_POOL_SIZE, 3);
  writer_record(&w, OFS_AVERAGE_POOLING2D);
  FIELD(&w, OFS_AVG_POOL_SIZE, 2, 1);
  FIELD(&w, OFS_AVG_POOL_STRIDES, 1);
  writer_record(&w, OFS_TIME_DISTRIBUTED);
  FIELD(&w, OFS_LAYER_INPUT, 1);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_KERNEL_INIT, OFS_INIT_RANDOM_NORMAL, 0.5, 0.25);
  FIELD(&w, OFS_DENSE_BIAS_REG, 0, 0.125);
  FIELD(&w, OFS_DENSE_UNITS, 3);

  writer_record(&all, OFS_MODEL);
  FIELD(&all, OFS_MODEL_INPUT_SHAPE, 9, 8, 2);
  FIELD(&all, OFS_MODEL_INPUT_SCALE, 1);
  FIELD(&all, OFS_MODEL_INPUT_OFFSET, 0);
  FIELD(&all, OFS_MODEL_SEED, 7);
  writer_record(&all, OFS_SGD);
  FIELD(&all, OFS_SGD_LEARNING_RATE, 0.01);
  FIELD(&all, OFS_SGD_MOMENTUM, 0);
  FIELD(&all, OFS_SGD_NESTEROV, 0);
  FIELD(&all, OFS_SGD_WEIGHT_DECAY, 0);
  FIELD(&all, OFS_SGD_ACCUMULATION, 1);
  FIELD(&all, OFS_SGD_USE_EMA, 0);
  FIELD(&all, OFS_SGD_EMA_MOMENTUM, 0.99);
  writer_record(&all, OFS_MAX_POOLING2D);
  FIELD(&all, OFS_MAX_POOL_SIZE, 3, 3);
  FIELD(&all, OFS_MAX_POOL_STRIDES, 3, 3);
  FIELD(&all, OFS_MAX_POOL_PADDING, OFS_PAD_VALID);
  FIELD(&all, OFS_LAYER_TRAINABLE, 1);
  writer_record(&all, OFS_AVERAGE_POOLING2D);
  FIELD(&all, OFS_AVG_POOL_SIZE, 2, 1);
  FIELD(&all, OFS_AVG_POOL_STRIDES, 1, 1);
  FIELD(&all, OFS_AVG_POOL_PADDING, OFS_PAD_VALID);
  FIELD(&all, OFS_LAYER_TRAINABLE, 1);
  writer_record(&all, OFS_TIME_DISTRIBUTED);
  FIELD(&all, OFS_LAYER_INPUT, 1);
  FIELD(&all, OFS_LAYER_TRAINABLE, 1);
  writer_record(&all, OFS_DENSE);
  FIELD(&all, OFS_DENSE_UNITS, 3);
  FIELD(&all, OFS_DENSE_ACTIVATION, OFS_ACT_LINEAR);
  FIELD(&all, OFS_DENSE_USE_BIAS, 1);
  FIELD(&all, OFS_DENSE_KERNEL_INIT, OFS_INIT_RANDOM_NORMAL, 0.5, 0.25);
  FIELD(&all, OFS_DENSE_BIAS_INIT, OFS_INIT_ZEROS);
  FIELD(&all, OFS_DENSE_BIAS_REG, 0, 0.125);
  FIELD(&all, OFS_LAYER_TRAINABLE, 1);

  size_t bytes = 0, again = 0;
  ofs_error e = {0};
  memset(out.bytes, 0xa5, sizeof out.bytes);
  CHECK(ofs_spec_fill(w.bytes, w.n, NULL, &bytes, &e) == OFS_OK && bytes == all.n);
  CHECK(ofs_spec_fill(w.bytes, w.n, out.bytes, &again, &e) == OFS_OK && again == all.n);
  CHECK(!memcmp(out.bytes, all.bytes, all.n) && out.bytes[all.n] == 0xa5);
  CHECK(ofs_spec_fill(all.bytes, all.n, out.bytes, &again, &e) == OFS_OK &&
        !memcmp(out.bytes, all.bytes, all.n));
  /* an end between two records is missed too: their number comes first */
  for (size_t n = 0; n < w.n; n++)
    CHECK(ofs_spec_fill(w.bytes, n, out.bytes, &again, &e) == OFS_INVALID_SPEC &&
          e.layer == OFS_IN_BYTES);
}

int main(void) {
  test_full_record();
  test_filled();
  test_wrapper_alone();
  test_initializer();
  test_truncated(whole), test_truncated(graph);
  test_flipped(whole), test_flipped(graph);
  test_random_bytes();
  test_unknown();
  test_record_counts();
  test_windows();
  test_products();
  test_reshape();
  test_recurrent();
  test_huge_sequences();
  test_losses();
  test_short_blocks();
  test_batches();
  test_huge_batches();
  test_most_layers();
  return check_report("spec");
}
