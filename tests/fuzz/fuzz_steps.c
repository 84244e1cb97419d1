/* fuzz_steps.c: makes a small model that the schema allows, then calls in any order with data that
 * hurts, for libFuzzer.
 *
 * The input chooses the layers and their fields, the data, and which call comes next. Data that
 * ofs_check_x and ofs_check_y refuse is not passed on, as in a session; all other numbers are.
 * Every block is exactly as big as the core asked for. Whatever the order, a call ends with a
 * status and steps are counted. */
#include "../c/spec_writer.h"
#include "fuzz.h"

#define PLANS 3
#define MOST_CALLS 96
#define MOST_SAMPLES 9
#define MOST_WORK (1u << 24) /* of all steps of an input */

typedef struct state {
  ofs_model *model;
  ofs_model_facts facts;
  struct {
    ofs_plan *plan;
    int kind;
    uint32_t batch;
    void *x, *y;
    float *weights;
    uint64_t n;
  } open[PLANS];
  uint64_t work, step, outputs; /* outputs: numbers of a row of y */
  volatile ofs_real seen;       /* of predictions, so that they are read */
} state;

/* ---- the spec ---- */

static double field_value(fuzz_input *in, const ofs_field *f) {
  if (f->kind == OFS_KIND_integer && f->low < 0) return fuzz_below(in, 2) ? -1 : 1;
  static const double numbers[] = {0, 1, 0.5, 0.01, 1e-3, 1e-7, 0.9, 100, -1, 1e6, -1e30, 1e30};
  if (f->kind == OFS_KIND_number) {
    double v = numbers[fuzz_below(in, sizeof numbers / sizeof *numbers)];
    return v < f->low ? f->low : v > f->high ? f->high : v;
  }
  double most = f->high - f->low > 11 ? 4 : f->high - f->low + 1;
  return f->low + fuzz_below(in, (uint32_t)most);
}

/* Writes a record with its required fields, and some of the others. */
static void put_record(writer *w, fuzz_input *in, uint32_t id) {
  writer_record(w, (uint16_t)id);
  for (uint32_t i = 0; i < OFS_FIELD_COUNT; i++) {
    const ofs_field *f = &ofs_fields.row[i];
    double v[OFS_MAX_RANK];
    if (ofs_field_record(f) != id || (f->presence != OFS_IS_required && fuzz_below(in, 3)))
      continue;
    uint32_t count = f->least == f->most ? f->most : f->least + fuzz_below(in, 3);
    if (count > f->most) count = f->most;
    for (uint32_t k = 0; k < count; k++) v[k] = field_value(in, f);
    writer_values(w, f->id, (uint16_t)count, v);
  }
}

/* Writes a layer of any type, behind a wrapper or two, and its inputs: two or more of a join, now
 * and then one of others. */
static void put_layer(writer *w, fuzz_input *in, uint32_t layers, uint32_t inputs) {
  for (uint32_t depth = 0; depth < 4; depth++) {
    uint32_t id = OFS_DENSE + fuzz_byte(in) % (OFS_DOT - OFS_DENSE + 1), how = fuzz_byte(in);
    int join = id >= OFS_ADD || id == OFS_MULTI_HEAD_ATTENTION,
        first = layers < inputs && inputs > 1;
    double from[3];
    put_record(w, in, id);
    uint16_t count = (uint16_t)(join ? 2 + how % 7 / 6 : how % 5 == 0 || first);
    for (uint32_t k = 0; k < count; k++) {
      from[k] = first ? -1 - (double)layers : (double)fuzz_below(in, layers + inputs) - inputs;
      if (k && how % 2) from[k] = from[0];
    }
    if (count && !depth) writer_values(w, OFS_LAYER_INPUT, count, from);
    if (how > 240) FIELD(w, OFS_LAYER_TRAINABLE, how % 2);
    if (how > 250 && !depth) FIELD(w, OFS_LAYER_TIED_TO, how % (layers + 1));
    if (id != OFS_BIDIRECTIONAL && id != OFS_TIME_DISTRIBUTED) return;
  }
}

static ofs_model *make_model(fuzz_input *in) {
  static writer w;
  uint32_t inputs = 1 + fuzz_below(in, 8) / 6, layers = 1 + fuzz_below(in, 5),
           outputs = fuzz_below(in, 4);
  w.n = 0;
  put_record(&w, in, OFS_MODEL);
  for (uint32_t k = 1; k < inputs; k++) put_record(&w, in, OFS_INPUT);
  put_record(&w, in, OFS_SGD + fuzz_below(in, OFS_LION - OFS_SGD + 1));
  for (uint32_t i = 0; i < layers; i++) put_layer(&w, in, i, inputs);
  for (uint32_t i = layers; i-- > 0 && outputs > 1; outputs--) {
    writer_record(&w, OFS_OUTPUT);
    FIELD(&w, OFS_OUTPUT_LAYER, i);
    if (fuzz_below(in, 2)) FIELD(&w, OFS_OUTPUT_LOSS, fuzz_below(in, OFS_LOSS_LAST + 1));
    if (fuzz_below(in, 4) == 0) FIELD(&w, OFS_OUTPUT_LOSS_WEIGHT, fuzz_below(in, 3));
  }
  ofs_error err = {0};
  uint64_t bytes;
  ofs_model *m;
  if (fuzz_refused(ofs_model_bytes(w.bytes, w.n, &bytes, &err), &err) || bytes > FUZZ_MOST_BYTES)
    return NULL;
  void *block = fuzz_block(bytes);
  FUZZ_CHECK(ofs_model_init(block, bytes, w.bytes, w.n, &m, &err) == OFS_OK);
  while (ofs_model_randomize(m, 5000) == OFS_MORE) continue;
  return m;
}

/* ---- the calls ---- */

static void close_plan(state *s, uint32_t i) {
  free(s->open[i].plan);
  free(s->open[i].x);
  free(s->open[i].y);
  free(s->open[i].weights);
  memset(&s->open[i], 0, sizeof s->open[i]);
}

static void open_one(state *s, fuzz_input *in, uint32_t i) {
  int kind = (int)fuzz_below(in, 3);
  uint32_t batch = (uint32_t)fuzz_count(in);
  ofs_error err = {0};
  uint64_t bytes;
  close_plan(s, i);
  if (fuzz_refused(ofs_plan_bytes(s->model, kind, batch, &bytes, &err), &err) ||
      bytes > FUZZ_MOST_BYTES)
    return;
  void *block = fuzz_block(bytes);
  FUZZ_CHECK(ofs_plan_init(block, bytes, s->model, kind, batch, &s->open[i].plan, &err) == OFS_OK);
  s->open[i].kind = kind;
  s->open[i].batch = batch;
}

static void *fill_array(fuzz_input *in, uint32_t type, uint64_t count, uint32_t classes) {
  uint8_t *bytes = malloc(count * (type == OFS_U8 ? 1 : 4) + (count == 0));
  for (uint64_t i = 0; i < count; i++) {
    float f = type == OFS_F32 ? fuzz_float(in) : 0;
    int32_t index = type == OFS_I32 ? (int32_t)fuzz_count(in) : 0;
    if (type == OFS_I32 && classes && fuzz_below(in, 8))
      index = (int32_t)((uint32_t)index % classes);
    if (type == OFS_U8)
      bytes[i] = (uint8_t)fuzz_byte(in);
    else
      memcpy(bytes + 4 * i, type == OFS_F32 ? (void *)&f : (void *)&index, 4);
  }
  return bytes;
}

static void give_data(state *s, fuzz_input *in, uint32_t i) {
  ofs_plan *p = s->open[i].plan;
  uint64_t n = 1 + fuzz_below(in, MOST_SAMPLES), where = UINT64_MAX;
  uint32_t x_type = 1 + fuzz_below(in, 2), y_type = fuzz_below(in, 2) ? OFS_I32 : OFS_F32;
  uint64_t y_count = n * (y_type == OFS_I32 ? s->facts.targets : s->outputs),
           x_count = n * s->facts.inputs;
  void *x = fill_array(in, x_type, x_count, 0),
       *y = fill_array(in, y_type, y_count, s->facts.classes);
  int bad = ofs_check_x(s->model, x, x_type, 0, x_count, &where) < 0;
  FUZZ_CHECK(bad ? where < x_count : where == UINT64_MAX);
  if (!bad) bad = ofs_check_y(s->model, y, y_type, 0, 0, y_count, &where) < 0;
  FUZZ_CHECK(!bad || where < (x_count > y_count ? x_count : y_count));
  uint64_t any = UINT64_MAX; /* any bits of outputs, from any place in a row on */
  if (ofs_check_y(s->model, y, y_type, (uint32_t)(n * 2654435761u), n * 7, y_count, &any) ==
      OFS_INVALID_DATA)
    FUZZ_CHECK(any < y_count);
  ofs_error err = {0};
  float *weights = fuzz_below(in, 3) ? NULL : fill_array(in, OFS_F32, n, 0);
  if (weights && s->facts.output_count == 1 && s->facts.targets == 1) {
    float *classes = calloc(s->facts.classes, sizeof *classes);
    FUZZ_CHECK(classes);
    if (ofs_weigh(s->model, weights, n, y, y_type, classes, n / 2, &any) == OFS_INVALID_DATA)
      FUZZ_CHECK(any < n);
    free(classes);
  }
  const ofs_data d = {x, y, x_type, y_type, n, 0, weights, NULL};
  const ofs_data wrong =
      {x,    y,   fuzz_below(in, 2) ? 4 + (uint32_t)fuzz_count(in) % 1000 : OFS_NONE, y_type, n, 0,
       NULL, NULL};
  FUZZ_CHECK(ofs_plan_set_data(p, &wrong, &err) < 0);
  if (bad || fuzz_refused(ofs_plan_set_data(p, &d, &err), &err)) {
    free(x);
    free(y);
    free(weights);
    return;
  }
  free(s->open[i].x);
  free(s->open[i].y);
  free(s->open[i].weights);
  s->open[i].x = x;
  s->open[i].y = y;
  s->open[i].weights = weights;
  s->open[i].n = n;
}

static void begin(state *s, fuzz_input *in, uint32_t i) {
  ofs_error err = {0};
  uint64_t n = s->open[i].n;
  uint32_t sane = fuzz_below(in, 4);
  ofs_batch at = {.first = 0,
                  .n = n,
                  .count = (uint32_t)(n < s->open[i].batch ? n : s->open[i].batch)};
  if (!sane)
    at = (ofs_batch){.first = fuzz_count(in),
                     .n = fuzz_count(in),
                     .count = (uint32_t)fuzz_count(in)};
  at.shuffle = fuzz_below(in, 2);
  at.epoch = fuzz_count(in);
  ofs_status got = ofs_step_begin(s->open[i].plan, &at, &err);
  if (fuzz_refused(got, &err)) return;
  FUZZ_CHECK(n > 0 && at.count >= 1 && at.count <= s->open[i].batch && at.first + at.count <= n);
  FUZZ_CHECK(!ofs_step_updating(s->open[i].plan));
}

static void run_some(state *s, fuzz_input *in, uint32_t i) {
  uint64_t done = 0;
  ofs_plan *p = s->open[i].plan;
  uint64_t work = fuzz_below(in, 4) ? UINT64_MAX : fuzz_count(in);
  if (s->work > MOST_WORK) return;
  ofs_status got = ofs_step_run(p, work, &done);
  FUZZ_CHECK(got == OFS_OK || got == OFS_MORE || (got == OFS_INVALID_STATE && done == 0) ||
             (got == OFS_NON_FINITE && s->open[i].kind == OFS_TRAIN && !ofs_step_updating(p)));
  s->work += done;
  if (got != OFS_OK) return;
  ofs_totals t;
  ofs_step_totals(p, &t);
  FUZZ_CHECK(t.count >= 1 && t.count <= s->open[i].batch && !ofs_step_updating(p));
  s->step += s->open[i].kind == OFS_TRAIN;
  if (s->open[i].kind != OFS_PREDICT) return;
  ofs_output_info out;
  for (uint32_t o = 0; ofs_model_output(s->model, o, &out) == OFS_OK; o++) {
    const ofs_real *y = ofs_plan_output(p, o);
    FUZZ_CHECK(y != NULL);
    for (uint64_t k = 0; k < t.count * out.size; k++) s->seen += y[k];
  }
}

/* As SET_WEIGHTS does it: finite numbers, and never within an update. */
static void write_weights(state *s, fuzz_input *in) {
  for (uint32_t i = 0; i < PLANS; i++)
    if (s->open[i].plan && ofs_step_updating(s->open[i].plan)) return;
  ofs_tensor t;
  for (uint32_t i = 0; ofs_model_tensor(s->model, i, &t) == OFS_OK; i++)
    for (uint64_t k = 0, n = 1 + fuzz_below(in, 4); k < t.size && k < n; k++) {
      float v = fuzz_float(in);
      if (isfinite(v)) t.data[fuzz_byte(in) % t.size] = v;
    }
}

static void discard(state *s, uint32_t i) {
  ofs_plan *p = s->open[i].plan;
  int updating = ofs_step_updating(p);
  FUZZ_CHECK(ofs_step_discard(p) == (updating ? OFS_INVALID_STATE : OFS_OK));
  FUZZ_CHECK(updating || ofs_step_run(p, 1, NULL) == OFS_INVALID_STATE);
}

static void call(state *s, fuzz_input *in) {
  uint32_t what = fuzz_below(in, 16), i = fuzz_below(in, PLANS);
  if (what < 2 || !s->open[i].plan)
    open_one(s, in, i);
  else if (what < 5)
    give_data(s, in, i);
  else if (what < 8)
    begin(s, in, i);
  else if (what < 13)
    run_some(s, in, i);
  else if (what == 13)
    write_weights(s, in);
  else if (what == 14)
    discard(s, i);
  else
    FUZZ_CHECK(ofs_model_randomize(s->model, 1) == OFS_OK && ofs_plan_shares(s->open[i].plan) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  fuzz_input in = {data, n};
  state s = {.model = make_model(&in)};
  if (!s.model) return 0;
  ofs_model_get_facts(s.model, &s.facts);
  ofs_output_info out;
  for (uint32_t k = 0; ofs_model_output(s.model, k, &out) == OFS_OK; k++) s.outputs += out.size;
  for (int calls = 0; calls < MOST_CALLS && in.left > 0; calls++) call(&s, &in);
  ofs_model_facts facts;
  ofs_model_get_facts(s.model, &facts);
  FUZZ_CHECK(facts.step == s.step && facts.parameters == s.facts.parameters);
  for (uint32_t i = 0; i < PLANS; i++) close_plan(&s, i);
  free(s.model);
  return 0;
}
