/* test_spec.c: hostile specs, and blocks and batches that do not do.
 *
 * Specs are read from blocks of exactly their size and at odd addresses, so that the sanitizers see every byte read
 * past an end. A refusal is checked member by member, and must leave its out-parameters as they were. */
#include "check.h"
#include "spec_writer.h"

#define MEGA 1048576u
#define UNTOUCHED 0x5eed5eed5eedull

static uint32_t noise = 1;

/* 32-bit xorshift (Marsaglia 2003). */
static uint32_t random_word(void) {
  noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
  return noise;
}

/* ---- specs, read and refused ---- */

static ofs_status read_spec(const uint8_t *bytes, size_t n, uint64_t *size, ofs_error *err) {
  uint8_t *block = check_alloc(n + 1), *odd = block + 1;
  memcpy(odd, bytes, n);
  *size = UNTOUCHED;
  *err = (ofs_error){.status = OFS_OK};
  ofs_status s = ofs_model_bytes(odd, n, size, err);
  CHECK((s == OFS_OK) == (*size != UNTOUCHED));
  CHECK_INT(err->status, s);
  CHECK(s == OFS_OK || s == OFS_INVALID_SPEC);
  CHECK(ofs_model_bytes(odd, n, size, NULL) == s);
  free(block);
  return s;
}

static void accepted(const writer *w, const char *what) {
  ofs_error e = {0};
  uint64_t bytes;
  CHECK_MSG(read_spec(w->bytes, w->n, &bytes, &e) == OFS_OK, "%s is refused: reason %d, got %g", what, e.reason, e.got);
}

static void refused_bytes(const uint8_t *bytes, size_t n, ofs_error want, const char *what) {
  ofs_error e = {0};
  uint64_t size;
  if (!CHECK_MSG(read_spec(bytes, n, &size, &e) == OFS_INVALID_SPEC, "%s is accepted", what)) return;
  int same_got = e.got == want.got || (isnan(e.got) && isnan(want.got));
  CHECK_MSG(e.layer == want.layer && e.field == want.field && e.reason == want.reason && same_got &&
                e.low == want.low && e.high == want.high,
      "%s: layer %d field %d reason %d got %g in %g..%g, expected layer %d field %d reason %d got %g in %g..%g", what,
      e.layer, e.field, e.reason, e.got, e.low, e.high, want.layer, want.field, want.reason, want.got, want.low,
      want.high);
}

static void refused(
    const writer *w, int place, int field, int why, double got, double low, double high, const char *what) {
  refused_bytes(w->bytes, w->n, (ofs_error){OFS_INVALID_SPEC, place, field, why, got, low, high}, what);
}

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

/* Every layer type, every kind of field. */
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

/* An accepted spec must give a model, every kind of plan and a step; all of it where it is small. */
static int use_when_small(const uint8_t *bytes, size_t n) {
  ofs_error e = {0};
  uint64_t size;
  if (read_spec(bytes, n, &size, &e) < 0 || size > MEGA) return 0;
  void *block = block_of(size);
  ofs_model *m = NULL;
  if (!CHECK(ofs_model_init(block, size, bytes, n, &m, NULL) == OFS_OK)) return 0;
  while (ofs_model_randomize(m, 1u << 20) == OFS_MORE) continue;
  ofs_model_facts f;
  ofs_model_get_facts(m, &f);
  int used = 0;
  for (int kind = OFS_TRAIN; kind <= OFS_PREDICT; kind++) {
    uint64_t needed = 0;
    if (!CHECK(ofs_plan_bytes(m, kind, 2, &needed, NULL) == OFS_OK) || needed > MEGA) continue;
    void *scratch = block_of(needed);
    float *x = check_alloc(2 * f.inputs * sizeof(float)), *y = check_alloc(2 * f.outputs * sizeof(float));
    for (uint64_t i = 0; i < 2 * f.inputs; i++) x[i] = (float)(i % 7) / 7;
    for (uint64_t i = 0; i < 2 * f.outputs; i++) y[i] = (float)(i % 2);
    const ofs_data data = {.x = x, .y = y, .x_type = OFS_F32, .y_type = OFS_F32, .n = 2};
    ofs_plan *p = NULL;
    CHECK(ofs_plan_init(scratch, needed, m, kind, 2, &p, NULL) == OFS_OK);
    CHECK(ofs_plan_set_data(p, &data, NULL) == OFS_OK);
    for (uint32_t one = 0; one < 2; one++) {
      ofs_status s = run_step(p, one, 2 - one, one ? 1 : 100000);
      CHECK(s == OFS_OK || (kind == OFS_TRAIN && s == OFS_NON_FINITE));
    }
    free(scratch), free(x), free(y);
    used++;
  }
  free(block);
  return used;
}

static void test_truncated(void) {
  static writer w;
  whole(&w);
  accepted(&w, "the whole spec");
  CHECK_INT(use_when_small(w.bytes, w.n), 3);
  for (size_t n = 0; n < w.n; n++)
    refused_bytes(w.bytes, n,
        (ofs_error){.layer = OFS_IN_BYTES, .field = -1, .reason = OFS_WHY_TRUNCATED, .got = (double)n}, "a cut spec");
  w.bytes[w.n++] = 0;
  refused(&w, OFS_IN_BYTES, -1, OFS_WHY_TRUNCATED, (double)w.n, 0, 0, "a byte more");
}

static void test_flipped(void) {
  static writer w;
  whole(&w);
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

/* Well-formed records of random layers, most values allowed, some at the edges. */
static void test_random_layers(void) {
  static const double edges[] = {0, 1, 2, 3, 4, 5, 7, 8, 10, 11, 255, 65535, 65536, 16777216, -1, 0.5};
  static const double middle[] = {1, 2, 3, 4, 1, 0, 6};
  static writer w;
  int used = 0;
  for (int round = 0; round < 6000; round++) {
    uint32_t rank = 1 + random_word() % 4;
    const double shape[] = {1 + random_word() % 9, 1 + random_word() % 9, 1 + random_word() % 4, 2};
    w.n = 0;
    writer_record(&w, OFS_MODEL);
    writer_values(&w, OFS_MODEL_INPUT_SHAPE, (uint16_t)rank, shape);
    writer_record(&w, (uint16_t)(OFS_SGD + random_word() % 3));
    for (uint32_t layers = 1 + random_word() % 4; layers > 0; layers--) {
      uint16_t type = (uint16_t)(OFS_DENSE + random_word() % 10);
      writer_record(&w, type);
      for (uint32_t i = 0; i < ofs_field_count; i++) {
        const ofs_field *f = &ofs_fields[i];
        if (f->record != type || (f->presence != OFS_IS_required && random_word() % 2)) continue;
        double v[OFS_MAX_RANK];
        uint32_t most = f->kind == OFS_KIND_initializer && random_word() % 8 ? 1 : f->most; /* few take a number */
        uint16_t count = (uint16_t)(f->least + random_word() % (most - f->least + 1u));
        for (uint16_t k = 0; k < count; k++) {
          v[k] = random_word() % 40 ? middle[random_word() % 7] : edges[random_word() % 16];
          if (f->kind == OFS_KIND_boolean || (f->kind == OFS_KIND_enum && f->high == 1)) v[k] = random_word() % 2;
          if (type == OFS_DROPOUT) v[k] = random_word() % 4 * 0.3;
        }
        writer_values(&w, f->id, count, v);
      }
    }
    used += use_when_small(w.bytes, w.n);
  }
  CHECK_MSG(used > 2500, "%d plans used: the random layers do not get far", used);
}

/* ---- every field of the schema ---- */

static int place_of(uint32_t record) {
  int group = ofs_record_group(record);
  return group == 'm' ? OFS_IN_MODEL : group == 'o' ? OFS_IN_OPTIMIZER : 0;
}

static int is_recurrent(uint32_t record) { return record == OFS_LSTM || record == OFS_GRU; }

/* What a required field may hold, for an input of (8, 8, 2), or of (64, 2) where a layer wants steps. */
static void write_required(writer *w, uint32_t record, uint32_t but) {
  for (uint32_t i = 0; i < ofs_field_count; i++) {
    const ofs_field *f = &ofs_fields[i];
    if (f->record != record || f->id == but || f->presence != OFS_IS_required) continue;
    if (record == OFS_MODEL)
      FIELD(w, f->id, 8, 8, 2);
    else if (record == OFS_RESHAPE)
      FIELD(w, f->id, 128);
    else if (record == OFS_DROPOUT)
      FIELD(w, f->id, 0.5);
    else
      FIELD(w, f->id, 3);
  }
}

#define NONE 255u

/* A spec with one record of the field's type, without that field: what is written next belongs to it. The records
 * after it are the caller's (`spec_after`). */
static void spec_before(writer *w, const ofs_field *f) {
  const int place = place_of(f->record);
  w->n = 0;
  writer_record(w, OFS_MODEL);
  if (is_recurrent(f->record)) FIELD(w, OFS_MODEL_INPUT_SHAPE, 64, 2);
  else write_required(w, OFS_MODEL, place == OFS_IN_MODEL ? f->id : NONE);
  if (place == OFS_IN_MODEL) return;
  writer_record(w, place == OFS_IN_OPTIMIZER ? f->record : OFS_SGD);
  if (place == OFS_IN_OPTIMIZER) return;
  writer_record(w, f->record);
  write_required(w, f->record, f->id);
}

static void spec_after(writer *w, const ofs_field *f) {
  const int place = place_of(f->record);
  if (place == OFS_IN_MODEL) writer_record(w, OFS_SGD);
  if (place != 0) dense(w, 3, OFS_ACT_LINEAR);
}

static void field_values(writer *w, const ofs_field *f, uint16_t count, const double *v) {
  spec_before(w, f);
  writer_values(w, f->id, count, v);
  spec_after(w, f);
}

static void field_refused(const ofs_field *f, double v, int why) {
  static writer w;
  char what[96];
  snprintf(what, sizeof what, "record %u field %u of %g", f->record, f->id, v);
  static double list[OFS_MAX_VALUES];
  uint16_t most = f->kind == OFS_KIND_initializer ? 1 : f->most; /* what follows an initializer's id is any number */
  for (uint16_t count = f->least; count <= most; count++) { /* the value last, after ones that will do */
    for (uint16_t k = 0; k < count; k++) list[k] = k + 1 < count ? 1 : v;
    field_values(&w, f, count, list);
    refused(&w, place_of(f->record), f->id, why, v, f->low, f->high, what);
  }
}

/* A value on the bound is in range: only what it makes of the shapes may be refused. */
static void field_on_bound(const ofs_field *f, double v) {
  static writer w;
  ofs_error e = {0};
  uint64_t bytes;
  double list[OFS_MAX_VALUES];
  for (uint16_t k = 0; k < f->least; k++) list[k] = v;
  field_values(&w, f, f->least, list);
  if (read_spec(w.bytes, w.n, &bytes, &e) == OFS_OK) return;
  if (f->least == 2 && e.reason == OFS_WHY_RANGE && e.got == OFS_MAX_RANK) return; /* a constraint's axis */
  if (f->record == OFS_GRU && f->id == OFS_GRU_RESET_AFTER && v == 0) return; /* test_recurrent */
  if (e.layer == OFS_IN_OPTIMIZER && e.field == OFS_SGD_WEIGHT_DECAY) return;  /* by the rate: test_optimizers */
  if (e.layer == OFS_IN_OPTIMIZER && e.field == OFS_ADAM_EPSILON) return;
  CHECK_MSG(e.reason == OFS_WHY_WINDOW || e.reason == OFS_WHY_PRODUCT || e.reason == OFS_WHY_OUTPUT,
      "record %u field %u: its bound %g is refused for %d", f->record, f->id, v, e.reason);
}

static void check_field(const ofs_field *f) {
  static writer w;
  const int place = place_of(f->record);
  field_on_bound(f, f->low);
  field_on_bound(f, f->high);
  field_refused(f, nextafter(f->low, -HUGE_VAL), OFS_WHY_RANGE);
  field_refused(f, nextafter(f->high, HUGE_VAL), OFS_WHY_RANGE);
  field_refused(f, -1.7e308, OFS_WHY_RANGE);
  field_refused(f, NAN, OFS_WHY_NOT_FINITE);
  field_refused(f, HUGE_VAL, OFS_WHY_NOT_FINITE);
  field_refused(f, -HUGE_VAL, OFS_WHY_NOT_FINITE);
  if (f->kind != OFS_KIND_number) {
    field_refused(f, f->low - 1, OFS_WHY_RANGE);
    field_refused(f, f->low + 0.5, OFS_WHY_NOT_INTEGER);
    if (f->high < 9e15) field_refused(f, nextafter(f->high, 0), OFS_WHY_NOT_INTEGER);
  }
  spec_before(&w, f);
  spec_after(&w, f);
  if (f->presence == OFS_IS_required)
    refused(&w, place, f->id, OFS_WHY_MISSING, 0, f->low, f->high, "a missing field");
  else
    accepted(&w, "a spec without an optional field");
  static double ones[OFS_MAX_VALUES + 1], low[OFS_MAX_VALUES];
  for (int k = 0; k <= OFS_MAX_VALUES; k++) ones[k] = 1;
  spec_before(&w, f);
  for (int k = 0; k < OFS_MAX_VALUES; k++) low[k] = f->low;
  writer_values(&w, f->id, f->least, low);
  writer_values(&w, f->id, f->least, low);
  spec_after(&w, f);
  refused(&w, place, f->id, OFS_WHY_TWICE, 2, 1, 1, "a field twice");
  field_values(&w, f, 0, ones);
  refused(&w, place, f->id, OFS_WHY_COUNT, 0, f->least, f->most, "a field without values");
  field_values(&w, f, f->most + 1u, ones);
  refused(&w, place, f->id, OFS_WHY_COUNT, f->most + 1, f->least, f->most, "a field with a value too many");
  /* the zero after the id, which nothing may use yet */
  spec_before(&w, f);
  const size_t at = w.n;
  writer_values(&w, f->id, f->least, low);
  w.bytes[at + 1] = 7;
  spec_after(&w, f);
  refused(&w, place, f->id, OFS_WHY_UNKNOWN, 7, 0, 0, "a second byte of an id");
}

static void test_fields(void) {
  for (uint32_t i = 0; i < ofs_field_count; i++)
    if (ofs_fields[i].record <= OFS_GRU) check_field(&ofs_fields[i]);
  CHECK(ofs_field_count > 30);
}

static void test_unknown(void) {
  static writer w;
  static const uint16_t layers[] = {OFS_MODEL, OFS_SGD, OFS_ADAMW, OFS_DENSE - 1, OFS_COMMON - 1, 0x2000, 0xffff};
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
  } fields[] = {{OFS_FLATTEN, 0}, {OFS_DENSE, 5}, {OFS_DENSE, 255}, {OFS_CONV2D, 10}, {OFS_ACTIVATION, 16}};
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
    refused(&w, OFS_IN_MODEL, -1, OFS_WHY_COUNT, (double)counts[i] - 2, 1, OFS_MAX_LAYERS, "a number of layers");
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
  refused(&w, 0, OFS_CONV2D_KERNEL_SIZE, OFS_WHY_WINDOW, 65534.0 * 65535 + 1, 1, 8, "a window beyond 2^32");
  window(&w, OFS_MAX_POOLING2D, 65535, 65535, 1, OFS_PAD_SAME); /* strides as wide: one output, all padding */
  refused(&w, 0, -1, OFS_WHY_PRODUCT, 65535.0 * 65535 * 2, 1, MOST_SAMPLE, "padding beyond a sample");
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
  refused(&w, OFS_IN_MODEL, OFS_MODEL_INPUT_SHAPE, OFS_WHY_PRODUCT, 0x1p31, 1, MOST_SAMPLE, "a sample of 2^31");
  head(&w, 2, 65536, 65536, 0); /* 2^32: nothing, to 32 bits */
  dense(&w, 1, 0);
  refused(&w, OFS_IN_MODEL, OFS_MODEL_INPUT_SHAPE, OFS_WHY_PRODUCT, 0x1p32, 1, MOST_SAMPLE, "a sample of 2^32");
  w.n = 0;
  writer_record(&w, OFS_MODEL);
  writer_values(&w, OFS_MODEL_INPUT_SHAPE, 6, all); /* 2^144: nothing, to 64 bits */
  writer_record(&w, OFS_SGD);
  dense(&w, 1, 0);
  refused(&w, OFS_IN_MODEL, OFS_MODEL_INPUT_SHAPE, OFS_WHY_PRODUCT, 0x1p144, 1, MOST_SAMPLE, "a sample of 2^144");
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
  refused(&w, 1, OFS_RESHAPE_TARGET_SHAPE, OFS_WHY_PRODUCT, 127, 128, 128, "a reshape that loses one");
  head(&w, 3, 8, 8, 2);
  writer_record(&w, OFS_RESHAPE);
  writer_values(&w, OFS_RESHAPE_TARGET_SHAPE, 6, all);
  refused(&w, 0, OFS_RESHAPE_TARGET_SHAPE, OFS_WHY_PRODUCT, 0x1p144, 128, 128, "a reshape to 2^144");
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
      refused(&w, 0, fields[i], OFS_WHY_RANGE, OFS_ACT_SOFTMAX, 0, OFS_ACT_SOFTPLUS, "softmax in a cell");
    }
    /* the gates of a sample are limited as a sample is, each kernel as a tensor is */
    recurrent(&w, type, 16777216, 1, 31);
    accepted(&w, "the longest sequence");
    recurrent(&w, type, 16777216, 1, 256);
    refused(&w, 0, -1, OFS_WHY_PRODUCT, 0x1p32 * gates, 1, MOST_SAMPLE, "gates of 2^32 and more");
    recurrent(&w, type, 1, 2, 16777216);
    refused(&w, 0, -1, OFS_WHY_PRODUCT, 0x1p48 * gates, 1, 0x1p44, "a recurrent kernel of 2^48 and more");
    recurrent(&w, type, 1, 16777216, 4194304);
    refused(&w, 0, -1, OFS_WHY_PRODUCT, 0x1p46 * gates, 1, 0x1p44, "a kernel of 2^46 and more");
    recurrent(&w, type, 1, 2, 1);
    dense(&w, 3, OFS_ACT_LINEAR);
    CHECK_INT(use_when_small(w.bytes, w.n), 3);
  }
  recurrent(&w, OFS_GRU, 4, 2, 3);
  FIELD(&w, OFS_GRU_RESET_AFTER, 0);
  refused(&w, 0, OFS_GRU_RESET_AFTER, OFS_WHY_RANGE, 0, 1, 1, "a reset before the product");
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
      CHECK_MSG((bytes > last && (double)bytes >= least) || bytes >= 1ull << 62, "batch %u takes %g of %g", batch,
          (double)bytes, least);
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
  refused(&w, OFS_IN_MODEL, OFS_MODEL_LOSS, OFS_WHY_OUTPUT, OFS_ACT_LINEAR, OFS_ACT_SOFTMAX, OFS_ACT_SOFTMAX,
      "a softmax before the last layer");
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
    CHECK(bytes == UNTOUCHED && e.status == OFS_INVALID_ARGUMENT && e.reason == OFS_WHY_RANGE && e.got == batches[i]);
    CHECK(e.low == 1 && e.high == 16777216 && e.layer == OFS_IN_MODEL && e.field == -1);
  }
  static const int kinds[] = {-1, 3, 2147483647};
  for (int i = 0; i < 3; i++) {
    CHECK_INT(ofs_plan_bytes(m, kinds[i], 1, &bytes, &e), OFS_INVALID_ARGUMENT);
    CHECK(bytes == UNTOUCHED && e.reason == OFS_WHY_RANGE && e.got == kinds[i] && e.low == 0 && e.high == 2);
  }
  for (uint32_t batch = 1; batch <= 1u << 24; batch *= 2, last = bytes) {
    CHECK_INT(ofs_plan_bytes(m, OFS_TRAIN, batch, &bytes, &e), OFS_OK);
    CHECK_MSG(bytes > last && bytes > batch * 128ull * sizeof(ofs_real), "batch %u takes %g", batch, (double)bytes);
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
    CHECK_MSG(bytes >= last && ((double)bytes >= least || bytes >= 1ull << 62), "batch %u takes %g of %g", batch,
        (double)bytes, least);
  }
  CHECK(last >= 1ull << 62);
  ofs_plan *p = NULL;
  void *block = block_of(MEGA);
  CHECK_INT(ofs_plan_init(block, MEGA, m, OFS_TRAIN, 1u << 24, &p, &e), OFS_OUT_OF_MEMORY);
  CHECK(p == NULL && e.reason == OFS_WHY_BYTES && e.got == MEGA && e.high >= 0x1p62);
  free(block), free(m);
}

/* As many layers as there may be, of a type that takes many operations, and of one that takes many buffers. */
static void test_most_layers(void) {
  static writer w;
  for (int recurrent = 0; recurrent < 2; recurrent++) {
    head(&w, recurrent ? 2 : 3, 4, 4, 1);
    for (int i = 0; i < OFS_MAX_LAYERS; i++) {
      writer_record(&w, recurrent ? OFS_LSTM : OFS_CONV2D);
      FIELD(&w, OFS_CONV2D_FILTERS, recurrent ? 4 : 1);
      if (recurrent) FIELD(&w, OFS_LSTM_RETURN_SEQUENCES, 1);
      else FIELD(&w, OFS_CONV2D_KERNEL_SIZE, 1, 2);
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

int main(void) {
  test_truncated();
  test_flipped();
  test_random_bytes();
  test_random_layers();
  test_fields();
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
