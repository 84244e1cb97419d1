/* test_control.c: schedules, early stopping, plateaus, targets and limits of a run: bytes that are
 * cut or wrong, decisions of short runs, states that come back. Longer runs, against Keras's rules
 * and the formulas restated, are in tests/js/control-core.test.js. */
#include "check.h"
#include "spec_writer.h"

/* Returns a control, NULL where its bytes are refused; free() it. */
static ofs_control *open_control(const void *bytes, size_t n, uint32_t monitors, ofs_error *err) {
  ofs_control *c = NULL;
  void *block = block_of(ofs_control_bytes());
  if (ofs_control_init(block, bytes, n, monitors, &c, err) == OFS_OK) return c;
  free(block);
  return NULL;
}

static ofs_control *open_records(const writer *w, uint32_t monitors) {
  return open_control(w->bytes, w->n, monitors, NULL);
}

/* Writes a control that looks at monitor 0. */
static void watch(writer *w, uint16_t id, int mode) {
  writer_record(w, id);
  FIELD(w, OFS_EARLY_STOPPING_MONITOR, 0);
  FIELD(w, OFS_EARLY_STOPPING_MODE, mode);
}

static uint32_t epoch_of(ofs_control *c, uint64_t epoch, double value, double *rate) {
  return ofs_control_epoch(c, epoch, &value, rate);
}

static void test_bytes(void) {
  writer w = {0};
  ofs_error err;
  watch(&w, OFS_EARLY_STOPPING, OFS_MODE_MIN);
  writer_record(&w, OFS_SCHEDULE_PIECEWISE);
  FIELD(&w, OFS_PIECEWISE_BOUNDARIES, 3, 7);
  FIELD(&w, OFS_PIECEWISE_VALUES, 1, 0.5, 0.25);
  for (size_t n = 0; n < w.n; n++) {
    void *exact = malloc(n + (n == 0));
    memcpy(exact, w.bytes, n);
    CHECK(!open_control(exact, n, 1, &err) && err.status == OFS_INVALID_SPEC);
    free(exact);
  }
  ofs_control *c = open_records(&w, 1);
  if (!CHECK(c != NULL)) return;
  const double expected[] = {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25};
  for (uint64_t i = 0; i < 10; i++) CHECK(ofs_control_rate(c, 9, i, 0) == expected[i]);
  free(c);
  CHECK(!open_control(w.bytes, w.n + 1, 1, &err) && err.reason == OFS_WHY_TRUNCATED);
  CHECK(!open_control(w.bytes, w.n, 0, &err) && err.reason == OFS_WHY_RANGE && err.layer == 0);
  w.bytes[0] ^= 1;
  CHECK(!open_control(w.bytes, w.n, 1, &err) && err.layer == OFS_IN_BYTES);
}

static int reason_of(const writer *w) {
  ofs_error err = {0};
  ofs_control *c = open_control(w->bytes, w->n, 1, &err);
  free(c);
  return c ? OFS_WHY_NONE : err.reason;
}

static void test_lists(void) {
  writer one = {0}, two = {0}, targets = {0}, beside = {0}, layer = {0};
  watch(&one, OFS_REDUCE_ON_PLATEAU, OFS_MODE_MIN);
  CHECK_INT(reason_of(&one), OFS_WHY_NONE);
  watch(&one, OFS_REDUCE_ON_PLATEAU, OFS_MODE_MIN);
  CHECK_INT(reason_of(&one), OFS_WHY_TWICE);
  writer_record(&two, OFS_SCHEDULE_CONSTANT);
  writer_record(&two, OFS_SCHEDULE_COSINE);
  FIELD(&two, OFS_COSINE_STEPS, 10);
  CHECK_INT(reason_of(&two), OFS_WHY_TWICE);
  watch(&beside, OFS_REDUCE_ON_PLATEAU, OFS_MODE_MIN);
  writer_record(&beside, OFS_SCHEDULE_CONSTANT);
  CHECK_INT(reason_of(&beside), OFS_WHY_CONFLICT);
  writer_record(&layer, OFS_FLATTEN);
  CHECK_INT(reason_of(&layer), OFS_WHY_UNKNOWN);
  for (int i = 0; i < 65; i++) {
    watch(&targets, OFS_UNTIL, OFS_MODE_MAX);
    FIELD(&targets, OFS_UNTIL_VALUE, i);
    CHECK_INT(reason_of(&targets), i < 64 ? OFS_WHY_NONE : OFS_WHY_COUNT);
  }
}

/* A spec has no records of a run. */
static void test_spec(void) {
  writer w = {0};
  ofs_error err;
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, 2);
  writer_record(&w, OFS_SGD);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, 1);
  writer_record(&w, OFS_SCHEDULE_CONSTANT);
  CHECK(!open_model(&w, &err) && err.reason == OFS_WHY_UNKNOWN);
}

static void test_stopping(void) {
  writer w = {0};
  watch(&w, OFS_EARLY_STOPPING, OFS_MODE_MAX);
  FIELD(&w, OFS_EARLY_STOPPING_PATIENCE, 2);
  FIELD(&w, OFS_EARLY_STOPPING_MIN_DELTA, -0.1);
  FIELD(&w, OFS_EARLY_STOPPING_START, 1);
  FIELD(&w, OFS_EARLY_STOPPING_RESTORE, 1);
  ofs_control *c = open_records(&w, 1);
  double rate = 0.5;
  uint64_t n;
  const double values[] = {9, 1, 1.05, 1.2, 1.3, NAN};
  const uint32_t bits[] = {0, OFS_KEEP_BEST, 0, OFS_KEEP_BEST, 0, OFS_STOP_EARLY};
  const double kept[] = {0, 2, 2, 4, 4, 4};
  for (uint64_t i = 0; i < 6; i++) {
    CHECK_INT(epoch_of(c, i + 1, values[i], &rate), bits[i]);
    CHECK(ofs_control_state(c, &n)[3] == kept[i] && rate == 0.5);
  }
  free(c);
}

static void test_plateau(void) {
  writer w = {0};
  watch(&w, OFS_REDUCE_ON_PLATEAU, OFS_MODE_MIN);
  FIELD(&w, OFS_REDUCE_PATIENCE, 1);
  FIELD(&w, OFS_REDUCE_FACTOR, 0.5);
  FIELD(&w, OFS_REDUCE_COOLDOWN, 2);
  FIELD(&w, OFS_REDUCE_MIN_RATE, 0.2);
  ofs_control *c = open_records(&w, 1);
  const double rates[] = {1, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2};
  double rate = 1;
  for (uint64_t i = 0; i < 9; i++) {
    CHECK_INT(epoch_of(c, i + 1, 3, &rate), 0);
    CHECK(rate == rates[i] && ofs_control_rate(c, 7, 3, i) == 7);
  }
  free(c);
}

static void test_state(void) {
  writer w = {0};
  watch(&w, OFS_EARLY_STOPPING, OFS_MODE_MIN);
  watch(&w, OFS_REDUCE_ON_PLATEAU, OFS_MODE_MIN);
  FIELD(&w, OFS_REDUCE_PATIENCE, 1);
  FIELD(&w, OFS_REDUCE_COOLDOWN, 3);
  ofs_control *c = open_records(&w, 1), *other = open_records(&w, 1);
  uint64_t n, again;
  double rate = 1, same = 1;
  for (uint64_t i = 0; i < 8; i++) {
    const double *state = ofs_control_state(c, &n);
    CHECK_INT(ofs_control_restore(other, state, n), OFS_OK);
    CHECK(memcmp(ofs_control_state(other, &again), state, n * sizeof *state) == 0 && again == n);
    double value = i == 2 ? 1 : 2;
    CHECK_INT(epoch_of(c, i + 1, value, &rate), epoch_of(other, i + 1, value, &same));
    CHECK(rate == same);
  }
  const double *state = ofs_control_state(c, &n);
  double bad[16];
  CHECK_INT(ofs_control_restore(other, state, n - 1), OFS_INVALID_DATA);
  CHECK_INT(ofs_control_restore(other, NULL, 0), OFS_INVALID_DATA);
  memcpy(bad, state, n * sizeof *bad);
  bad[n - 1] = -1;
  CHECK_INT(ofs_control_restore(other, bad, n), OFS_INVALID_DATA);
  free(c);
  free(other);
}

static void test_model_rate(void) {
  writer w = {0};
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, 2);
  writer_record(&w, OFS_ADAMW);
  FIELD(&w, OFS_ADAMW_WEIGHT_DECAY, 0.5);
  writer_record(&w, OFS_DENSE);
  FIELD(&w, OFS_DENSE_UNITS, 1);
  ofs_model *m = open_model(&w, NULL);
  double most = 0;
  const double rates[] = {0, 1e-300, 0.1, 4}, wrong[] = {-1e-9, NAN, INFINITY, 2e6, 5};
  for (int i = 0; i < 4; i++) CHECK_INT(ofs_model_set_learning_rate(m, rates[i], &most), OFS_OK);
  for (int i = 0; i < 5; i++)
    CHECK_INT(ofs_model_set_learning_rate(m, wrong[i], &most), OFS_INVALID_ARGUMENT);
  CHECK(most == 4);
  free(m);
}

int main(void) {
  test_bytes();
  test_lists();
  test_spec();
  test_stopping();
  test_plateau();
  test_state();
  test_model_rate();
  return check_report("control");
}
