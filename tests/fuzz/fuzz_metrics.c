/* fuzz_metrics.c: makes metrics of any records for one of a few models, then steps, results and
 * states in any order, for libFuzzer.
 *
 * The input chooses the model, the records, the data and which call comes next. States that come
 * back are the object's own, which must be taken and give the same results, or spoiled, which may
 * be taken. Data that ofs_check_y refuses is not passed on; predictions need not be finite. Every
 * block is exactly as big as the core asked for. */
#include "../c/spec_writer.h"
#include "fuzz.h"

#define SAMPLES 9
#define MOST_INPUTS 4
#define MOST_CALLS 40
#define MOST_NUMBERS 4096 /* of a result or a state */

static void put_dense(writer *w, uint32_t units, uint32_t act) {
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, units);
  FIELD(w, OFS_DENSE_ACTIVATION, act);
}

static ofs_model *make_model(fuzz_input *in) {
  static const uint8_t acts[] = {OFS_ACT_SOFTMAX, OFS_ACT_SIGMOID, OFS_ACT_LINEAR};
  static writer w;
  uint32_t how = fuzz_byte(in), act = acts[how % 3], sequence = how / 3 % 3 == 0, two = how > 200;
  w.n = 0;
  writer_record(&w, OFS_MODEL);
  FIELD(&w, OFS_MODEL_INPUT_SHAPE, MOST_INPUTS);
  /* a loss that takes predictions */
  if (!two && how % 7 == 0) FIELD(&w, OFS_MODEL_LOSS, OFS_LOSS_MSE);
  writer_record(&w, OFS_SGD);
  if (sequence) {
    writer_record(&w, OFS_EMBEDDING);
    FIELD(&w, OFS_EMBEDDING_INPUT_DIM, 3);
    FIELD(&w, OFS_EMBEDDING_OUTPUT_DIM, 2);
    FIELD(&w, OFS_EMBEDDING_MASK_ZERO, 1);
  }
  put_dense(&w, act == OFS_ACT_SOFTMAX ? 2 + how / 9 % 3 : 1 + how / 9 % 3, act);
  if (two) {
    put_dense(&w, 2, OFS_ACT_SOFTMAX);
    for (uint32_t k = 0; k < 2; k++) {
      writer_record(&w, OFS_OUTPUT);
      FIELD(&w, OFS_OUTPUT_LAYER, k + sequence);
    }
  }
  return open_model(&w, NULL);
}

/* Writes a metric with any of its fields. */
static void put_metric(writer *w, fuzz_input *in) {
  static const double numbers[] = {0, 1, 2, 3, 0.5, 0.01, 1e-7, 33, 10000, -1, 1e6, -1e30};
  uint32_t id = OFS_METRIC_ACCURACY + fuzz_below(in, OFS_METRIC_COSINE - OFS_METRIC_ACCURACY + 1);
  writer_record(w, (uint16_t)id);
  for (uint32_t i = 0; i < OFS_FIELD_COUNT; i++) {
    const ofs_field *f = &ofs_fields.row[i];
    if (ofs_field_record(f) != id || (f->presence != OFS_IS_required && fuzz_below(in, 3)))
      continue;
    double v = numbers[fuzz_below(in, sizeof numbers / sizeof *numbers)];
    if (fuzz_below(in, 16)) v = v < f->low ? f->low : v > f->high ? f->high : v;
    FIELD(w, f->id, v);
  }
}

static ofs_metrics *make_metrics(fuzz_input *in, const ofs_model *m) {
  static writer w;
  uint64_t samples = fuzz_below(in, 4) ? 2 * SAMPLES : fuzz_count(in), bytes = 0;
  ofs_error err = {0};
  ofs_metrics *metrics = NULL;
  w.n = 0;
  for (uint32_t left = 1 + fuzz_below(in, 6); left > 0; left--) put_metric(&w, in);
  if (fuzz_below(in, 16) == 0) w.bytes[fuzz_byte(in) % w.n] ^= (uint8_t)fuzz_byte(in);
  if (fuzz_below(in, 16) == 0) w.n -= fuzz_byte(in) % w.n;
  if (fuzz_refused(ofs_metrics_bytes(m, w.bytes, w.n, samples, &bytes, &err), &err)) {
    FUZZ_CHECK(ofs_metrics_init(NULL, 0, m, w.bytes, w.n, samples, &metrics, &err) < 0);
    return NULL;
  }
  if (bytes > FUZZ_MOST_BYTES) return NULL;
  void *block = fuzz_block(bytes);
  FUZZ_CHECK(ofs_metrics_init(block, bytes - 1, m, w.bytes, w.n, samples, &metrics, &err) ==
             OFS_OUT_OF_MEMORY);
  FUZZ_CHECK(ofs_metrics_init(block, bytes, m, w.bytes, w.n, samples, &metrics, &err) == OFS_OK);
  return metrics;
}

/* Returns the results of all metrics, one after the other, at most MOST_NUMBERS. */
static uint64_t results_of(ofs_metrics *all, fuzz_input *in, double *to) {
  uint64_t n = 0, done = 0;
  for (ofs_status s = OFS_MORE; s == OFS_MORE;) {
    s = ofs_metrics_finish(all, fuzz_count(in), &done);
    FUZZ_CHECK(s == OFS_OK || (s == OFS_MORE && done > 0));
  }
  for (uint32_t i = 0; i < ofs_metrics_count(all); i++) {
    ofs_metric_info info;
    FUZZ_CHECK(ofs_metrics_info(all, i, &info) == OFS_OK && info.length >= 1 && info.rank <= 2);
    FUZZ_CHECK(n + info.length <= MOST_NUMBERS);
    FUZZ_CHECK(ofs_metrics_result(all, i, to + n) == OFS_OK);
    n += info.length;
  }
  return n;
}

/* Puts a state back, its own or a spoiled one. */
static void try_state(ofs_metrics *all, fuzz_input *in) {
  static double kept[MOST_NUMBERS], before[MOST_NUMBERS], after[MOST_NUMBERS];
  uint64_t n;
  const double *sums = ofs_metrics_state(all, &n);
  if (n > MOST_NUMBERS) return;
  memcpy(kept, sums, n * sizeof *kept);
  uint64_t length = results_of(all, in, before);
  if (fuzz_below(in, 3) == 0) ofs_metrics_reset(all);
  FUZZ_CHECK(ofs_metrics_restore(all, kept, n) == OFS_OK);
  FUZZ_CHECK(results_of(all, in, after) == length);
  for (uint64_t i = 0; i < length; i++)
    FUZZ_CHECK(before[i] == after[i] || (before[i] != before[i] && after[i] != after[i]));
  for (uint32_t times = 1 + fuzz_below(in, 3); times > 0; times--) {
    double spoiled = fuzz_float(in);
    if (fuzz_below(in, 2)) fuzz_take(in, &spoiled, sizeof spoiled);
    kept[fuzz_byte(in) % n] = spoiled;
  }
  if (fuzz_below(in, 8) == 0) n = fuzz_count(in) % (n + 1);
  ofs_status s = ofs_metrics_restore(all, kept, n);
  FUZZ_CHECK(s == OFS_OK || s == OFS_INVALID_DATA);
  results_of(all, in, after);
}

static void give_data(fuzz_input *in, const ofs_model *m, ofs_plan *p, float *x, void *y,
                      float *weights) {
  ofs_model_facts facts;
  ofs_model_get_facts(m, &facts);
  ofs_output_info out;
  uint64_t row = 0, where;
  for (uint32_t k = 0; ofs_model_output(m, k, &out) == OFS_OK; k++) row += out.size;
  uint32_t indices = facts.output_count == 1 && fuzz_below(in, 2);
  for (int i = 0; i < SAMPLES * MOST_INPUTS; i++) x[i] = (float)fuzz_below(in, 3);
  for (int i = 0; i < SAMPLES; i++) weights[i] = fuzz_float(in);
  uint64_t numbers = SAMPLES * (indices ? facts.targets : row);
  for (uint64_t i = 0; i < numbers; i++) {
    int32_t index = (int32_t)fuzz_below(in, 4);
    float number = fuzz_below(in, 4) ? (float)(index & 1) : fuzz_float(in);
    memcpy((char *)y + 4 * i, indices ? (void *)&index : (void *)&number, 4);
  }
  uint32_t type = indices ? OFS_I32 : OFS_F32;
  if (ofs_check_y(m, y, type, 0, 0, numbers, &where) < 0) memset(y, 0, 4 * numbers);
  const ofs_data d = {x, y, OFS_F32, type, SAMPLES, 0, fuzz_below(in, 2) ? weights : NULL, NULL};
  ofs_error err = {0};
  fuzz_refused(ofs_plan_set_data(p, &d, &err), &err);
}

static void run(fuzz_input *in, ofs_model *m, ofs_metrics *metrics, ofs_plan *p) {
  static double results[MOST_NUMBERS];
  static float x[SAMPLES * MOST_INPUTS], y[SAMPLES * MOST_INPUTS * 8], weights[SAMPLES];
  give_data(in, m, p, x, y, weights);
  for (uint32_t call = 0; call < MOST_CALLS && in->left; call++) {
    ofs_error err = {0};
    ofs_tensor t;
    ofs_batch at = {.first = fuzz_below(in, SAMPLES), .n = SAMPLES, .count = 1};
    switch (fuzz_below(in, 8)) {
    case 0: ofs_metrics_reset(metrics); break;
    case 1: results_of(metrics, in, results); break;
    case 2: try_state(metrics, in); break;
    case 3: ofs_step_discard(p); break;
    case 4:
      ofs_model_tensor(m, 0, &t);
      t.data[fuzz_byte(in) % t.size] = fuzz_float(in);
      break;
    default:
      at.count += (uint32_t)(SAMPLES - at.first - 1);
      fuzz_refused(ofs_step_begin(p, &at, &err), &err);
      for (ofs_status s = OFS_MORE; s == OFS_MORE && fuzz_below(in, 64);)
        s = ofs_step_run(p, fuzz_below(in, 2) ? UINT64_MAX : 1, NULL);
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  fuzz_input in = {data, n};
  ofs_model *m = make_model(&in);
  FUZZ_CHECK(m);
  ofs_metrics *metrics = make_metrics(&in, m);
  if (metrics) {
    ofs_model_set_metrics(m, metrics);
    ofs_plan *p = open_plan(m, (int)fuzz_below(&in, 2), SAMPLES);
    FUZZ_CHECK(p);
    run(&in, m, metrics, p);
    free(p);
  }
  free(metrics);
  free(m);
  return 0;
}
