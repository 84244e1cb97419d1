/* exports.c: the exports of the module, which JavaScript calls (wasm-build/exports.txt lists them),
 * and nothing else.
 *
 * Every parameter is an i32 or a double, so that no call needs a BigInt. A result that is a record
 * goes into an array of doubles that the caller names, one double a number, in the order of the
 * rows below. layouts() returns the same rows as text, so that JavaScript reads members by name;
 * step_run and step_totals, which every step calls, are read by position. */
#include "offstage.h"
#include "spec/schema.h"

/* The members of each record: a number, a list of n numbers, an address, a list of n addresses. */
#define ERROR \
  NUMBER(status) NUMBER(layer) NUMBER(field) NUMBER(reason) NUMBER(got) NUMBER(low) NUMBER(high)
#define FACTS NUMBER(parameters) NUMBER(trained) NUMBER(step)
#define LAYER NUMBER(parameters) NUMBER(rank) NUMBERS(dims, OFS_MAX_RANK)
#define TENSOR      \
  NUMBER(layer)     \
  NUMBER(role)      \
  NUMBER(side)      \
  NUMBER(trainable) \
  NUMBER(size) ADDRESS(data) NUMBER(rank) NUMBERS(dims, OFS_MAX_RANK) ADDRESSES(moment, OFS_MOMENTS)
#define INPUT NUMBER(size) NUMBER(at) NUMBER(below) NUMBER(rank) NUMBERS(dims, OFS_MAX_RANK)
#define OUTPUT    \
  NUMBER(layer)   \
  NUMBER(size)    \
  NUMBER(classes) \
  NUMBER(targets) \
  NUMBER(loss) NUMBER(weight) NUMBER(rank) NUMBERS(dims, OFS_MAX_RANK)
#define FAULT NUMBER(what) NUMBER(layer) NUMBER(step)
#define MEMORY NUMBER(buffers) NUMBER(live)
#define METRIC NUMBER(type) NUMBER(output) NUMBER(length) NUMBER(rank) NUMBER(direction)

#define TEXT(x) #x
#define NUMBER(member) " " #member
#define NUMBERS(member, n) " " #member "*" TEXT(n)
#define ADDRESS NUMBER
#define ADDRESSES NUMBERS
static const char layouts_text[] =
    "error" ERROR "\nfacts" FACTS "\nlayer" LAYER "\ntensor" TENSOR "\ninput" INPUT
    "\noutput" OUTPUT "\nfault" FAULT "\nmemory" MEMORY "\nmetric" METRIC;
#undef NUMBER
#undef NUMBERS
#undef ADDRESS
#undef ADDRESSES

/* From here on a row writes the members of `r` to `to`. */
#define NUMBER(member) *to++ = (double)r.member;
#define NUMBERS(member, n) \
  for (int k = 0; k < (n); k++) *to++ = (double)r.member[k];
#define ADDRESS(member) *to++ = (double)(uintptr_t)r.member;
#define ADDRESSES(member, n) \
  for (int k = 0; k < (n); k++) *to++ = (double)(uintptr_t)r.member[k];

const char *layouts(void) { return layouts_text; }

/* Writes a status and its error; a success has status 0. */
static ofs_status report(double *to, ofs_status s, const ofs_error *e) {
  ofs_error r = *e;
  r.status = s;
  ERROR;
  return s;
}

const char *schema(void) { return ofs_schema(); }
const void *schema_fields(void) { return &ofs_fields; }
const char *version(void) { return ofs_version(); }

double model_bytes(const void *spec, size_t n, double *err) {
  uint64_t bytes = 0;
  ofs_error e = {0};
  ofs_status s = report(err, ofs_model_bytes(spec, n, &bytes, &e), &e);
  return s < 0 ? s : (double)bytes;
}

double spec_fill(const void *spec, size_t n, void *out, double *err) {
  size_t bytes = 0;
  ofs_error e = {0};
  ofs_status s = report(err, ofs_spec_fill(spec, n, out, &bytes, &e), &e);
  return s < 0 ? s : (double)bytes;
}

ofs_model *model_init(void *mem, double bytes, const void *spec, size_t n, double *err) {
  ofs_model *m = NULL;
  ofs_error e = {0};
  ofs_status s = ofs_model_init(mem, (uint64_t)bytes, spec, n, &m, &e);
  return report(err, s, &e) < 0 ? NULL : m;
}

int model_randomize(ofs_model *m, double work) { return ofs_model_randomize(m, (uint64_t)work); }

void model_set_step(ofs_model *m, double step) { ofs_model_set_step(m, (uint64_t)step); }
void model_set_rate(ofs_model *m, double factor) { ofs_model_set_rate(m, factor); }
int model_set_learning_rate(ofs_model *m, double rate, double *most) {
  return ofs_model_set_learning_rate(m, rate, most);
}
const char *model_moment_name(const ofs_model *m, uint32_t k) {
  return ofs_model_moment_name(m, k);
}

void model_facts(const ofs_model *m, double *to) {
  ofs_model_facts r;
  ofs_model_get_facts(m, &r);
  FACTS;
}

int model_input(const ofs_model *m, uint32_t i, double *to) {
  ofs_input_info r;
  ofs_status s = ofs_model_input(m, i, &r);
  if (s == OFS_OK) {
    INPUT;
  }
  return s;
}

int model_output(const ofs_model *m, uint32_t i, double *to) {
  ofs_output_info r;
  ofs_status s = ofs_model_output(m, i, &r);
  if (s == OFS_OK) {
    OUTPUT;
  }
  return s;
}

uint32_t model_layers(const ofs_model *m) { return ofs_model_layers(m); }
uint32_t model_tensors(const ofs_model *m) { return ofs_model_tensors(m); }

int model_layer(const ofs_model *m, uint32_t i, double *to) {
  ofs_layer_info r;
  ofs_status s = ofs_model_layer(m, i, &r);
  if (s == OFS_OK) {
    LAYER;
  }
  return s;
}

int model_tensor(const ofs_model *m, uint32_t i, double *to) {
  ofs_tensor r;
  ofs_status s = ofs_model_tensor(m, i, &r);
  if (s == OFS_OK) {
    TENSOR;
  }
  return s;
}

/* A batch that no u32 holds is passed to the core as one that it refuses. */
static uint32_t batch_of(double batch) {
  return batch >= 0 && batch <= 4294967295.0 ? (uint32_t)batch : 0;
}

double plan_bytes(ofs_model *m, int kind, double batch, double *err) {
  uint64_t bytes = 0;
  ofs_error e = {0};
  ofs_status s = report(err, ofs_plan_bytes(m, kind, batch_of(batch), &bytes, &e), &e);
  return s < 0 ? s : (double)bytes;
}

ofs_plan *plan_init(void *mem, double bytes, ofs_model *m, int kind, double batch, double *err) {
  ofs_plan *p = NULL;
  ofs_error e = {0};
  ofs_status s = ofs_plan_init(mem, (uint64_t)bytes, m, kind, batch_of(batch), &p, &e);
  return report(err, s, &e) < 0 ? NULL : p;
}

int plan_set_data(ofs_plan *p, const void *x, uint32_t x_type, const void *y, uint32_t y_type,
                  uint32_t y_indices, const float *weights, const uint32_t *order, double n,
                  double *err) {
  const ofs_data d = {x, y, x_type, y_type, (uint64_t)n, y_indices, weights, order};
  ofs_error e = {0};
  return report(err, ofs_plan_set_data(p, &d, &e), &e);
}

double check_x(const ofs_model *m, const void *x, uint32_t type, double first, double n) {
  uint64_t where = 0;
  return ofs_check_x(m, x, type, (uint64_t)first, (uint64_t)n, &where) < 0 ? (double)where : -1;
}

double check_y(const ofs_model *m, const void *y, uint32_t type, uint32_t indices, double first,
               double n) {
  uint64_t where = 0;
  return ofs_check_y(m, y, type, indices, (uint64_t)first, (uint64_t)n, &where) < 0 ? (double)where
                                                                                    : -1;
}

double weigh(const ofs_model *m, float *weights, double n, const void *y, uint32_t y_type,
             const float *class_weights, double weighed) {
  uint64_t where = 0;
  return ofs_weigh(m, weights, (uint64_t)n, y, y_type, class_weights, (uint64_t)weighed, &where) < 0
             ? (double)where
             : -1;
}

void model_shuffled(const ofs_model *m, uint32_t *out, double first, double n, double of,
                    double epoch) {
  ofs_model_shuffled(m, out, (uint64_t)first, (uint64_t)n, (uint64_t)of, (uint64_t)epoch);
}

int step_begin(ofs_plan *p, double first, double count, double n, uint32_t shuffle, double epoch,
               double *err) {
  const ofs_batch at = {(uint64_t)first, (uint64_t)n, batch_of(count), shuffle, (uint64_t)epoch};
  ofs_error e = {0};
  return report(err, ofs_step_begin(p, &at, &e), &e);
}

int step_run(ofs_plan *p, double work, double *out) {
  uint64_t done = 0;
  ofs_status s = ofs_step_run(p, (uint64_t)work, &done);
  out[0] = (double)done;
  return s;
}

void step_fault(const ofs_plan *p, double *to) {
  ofs_fault r;
  ofs_step_fault(p, &r);
  FAULT;
}

int step_updating(const ofs_plan *p) { return ofs_step_updating(p); }
int step_discard(ofs_plan *p) { return ofs_step_discard(p); }

void step_totals(const ofs_plan *p, double *out) {
  ofs_totals t;
  ofs_step_totals(p, &t);
  out[0] = t.loss;
  out[1] = t.count;
  for (int k = 0; k < OFS_MAX_OUTPUTS; k++)
    out[2 + 2 * k] = t.losses[k], out[3 + 2 * k] = t.correct[k];
}

const ofs_real *plan_output(const ofs_plan *p, uint32_t i) { return ofs_plan_output(p, i); }

void plan_memory(const ofs_plan *p, double *to) {
  struct {
    uint64_t buffers, live;
  } r;
  ofs_plan_memory(p, &r.buffers, &r.live);
  MEMORY;
}

/* The state of an object, and back. */
#define STATE(object)                                                   \
  const double *object##_state(const ofs_##object *o, double *n) {      \
    uint64_t count;                                                     \
    const double *state = ofs_##object##_state(o, &count);              \
    n[0] = (double)count;                                               \
    return state;                                                       \
  }                                                                     \
  int object##_restore(ofs_##object *o, const double *from, double n) { \
    return ofs_##object##_restore(o, from, (uint64_t)n);                \
  }

size_t control_bytes(void) { return ofs_control_bytes(); }
ofs_control *control_init(void *mem, const void *spec, size_t n, uint32_t monitors, double *err) {
  ofs_control *control = NULL;
  ofs_error e = {0};
  ofs_status s = ofs_control_init(mem, spec, n, monitors, &control, &e);
  return report(err, s, &e) < 0 ? NULL : control;
}
double control_rate(const ofs_control *c, double own, double updates, double epochs) {
  return ofs_control_rate(c, own, (uint64_t)updates, (uint64_t)epochs);
}
int control_at_limit(const ofs_control *c, double steps, double seconds) {
  return ofs_control_at_limit(c, (uint64_t)steps, seconds);
}
uint32_t control_epoch(ofs_control *c, double epoch, const double *values, double *rate) {
  return ofs_control_epoch(c, (uint64_t)epoch, values, rate);
}
STATE(control)

double metrics_bytes(const ofs_model *m, const void *spec, size_t n, double samples, double *err) {
  uint64_t bytes = 0;
  ofs_error e = {0};
  ofs_status s = report(err, ofs_metrics_bytes(m, spec, n, (uint64_t)samples, &bytes, &e), &e);
  return s < 0 ? s : (double)bytes;
}

ofs_metrics *metrics_init(void *mem, double bytes, const ofs_model *m, const void *spec, size_t n,
                          double samples, double *err) {
  ofs_metrics *all = NULL;
  ofs_error e = {0};
  ofs_status s = ofs_metrics_init(mem, (uint64_t)bytes, m, spec, n, (uint64_t)samples, &all, &e);
  return report(err, s, &e) < 0 ? NULL : all;
}

void model_set_metrics(ofs_model *m, ofs_metrics *all) { ofs_model_set_metrics(m, all); }
void metrics_reset(ofs_metrics *all) { ofs_metrics_reset(all); }

int metrics_info(const ofs_metrics *all, uint32_t i, double *to) {
  ofs_metric_info r;
  ofs_status s = ofs_metrics_info(all, i, &r);
  if (s == OFS_OK) {
    METRIC;
  }
  return s;
}

int metrics_finish(ofs_metrics *all, double work, double *done) {
  uint64_t spent = 0;
  ofs_status s = ofs_metrics_finish(all, (uint64_t)work, &spent);
  *done = (double)spent;
  return s;
}

int metrics_result(const ofs_metrics *all, uint32_t i, double *to) {
  return ofs_metrics_result(all, i, to);
}

STATE(metrics)

#ifdef OFS_THREADS
size_t team_bytes(void) { return ofs_team_bytes(); }
ofs_team *team_init(void *mem) { return ofs_team_init(mem); }
void model_set_team(ofs_model *m, ofs_team *t) { ofs_model_set_team(m, t); }
int plan_shares(ofs_plan *p) { return ofs_plan_shares(p); }
void team_help(ofs_team *t) { ofs_team_help(t); }
uint32_t team_helpers(const ofs_team *t) { return ofs_team_helpers(t); }
uint32_t team_asleep(const ofs_team *t) { return ofs_team_asleep(t); }
void team_limit(ofs_team *t, uint32_t threads) { ofs_team_limit(t, threads); }
void team_lose(ofs_team *t) { ofs_team_lose(t); }
void team_begin(ofs_team *t) { ofs_team_begin(t); }
void team_end(ofs_team *t) { ofs_team_end(t); }
#endif
