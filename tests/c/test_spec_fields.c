/* test_spec_fields.c: every field of every record that the schema has: its bounds, numbers beyond
 * them and between them, how many there are, the field left out and given twice. */
#include "spec_checks.h"

/* An input for the layer: the first of these that a record of required fields alone can read. */
static const struct {
  int rank;
  double dims[3];
} inputs[] = {{3, {8, 8, 32}}, {2, {64, 32}}, {1, {64}}, {1, {2}}};
enum { INPUTS = sizeof inputs / sizeof *inputs };

static int is_join(uint32_t record) { return record >= OFS_ADD && record <= OFS_DOT; }

#define NONE 255u

/* Stands for the field that is looked at where a record is to have none, or one of those common to
 * all layers. */
static const ofs_field no_field = {.id = NONE};
static uint32_t no_field_record;

static uint32_t record_of(const ofs_field *f) {
  return f == &no_field ? no_field_record : ofs_field_record(f);
}

static int group_of(const ofs_field *f) { return ofs_record_group(record_of(f)); }

static int place_of(const ofs_field *f) {
  switch (group_of(f)) {
  case 'm':
  case 'i': return OFS_IN_MODEL;
  case 'o': return OFS_IN_OPTIMIZER;
  case 'r': return OFS_IN_OUTPUT;
  default: return record_of(f) == OFS_COMMON; /* in a second layer */
  }
}

/* What required fields may hold for input k. */
static void write_required(writer *w, uint32_t record, uint32_t but, int k) {
  for (uint32_t i = 0; i < OFS_FIELD_COUNT; i++) {
    const ofs_field *f = &ofs_fields.row[i];
    if (record_of(f) != record || f->id == but || f->presence != OFS_IS_required) continue;
    if (record == OFS_MODEL || record == OFS_INPUT)
      writer_values(w, f->id, (uint16_t)inputs[k].rank, inputs[k].dims);
    else if (record == OFS_RESHAPE)
      FIELD(w, f->id, -1);
    else if (record == OFS_PERMUTE)
      writer_values(w, f->id, (uint16_t)inputs[k].rank,
                    (const double[]){2, inputs[k].rank == 2 ? 1 : 3, 1});
    else if (record == OFS_OUTPUT)
      FIELD(w, f->id, 0);
    else if (record == OFS_POSITION_EMBEDDING)
      FIELD(w, f->id, 64);
    else
      FIELD(w, f->id, f->high < 3 ? f->high / 2 : 3);
  }
}

static void dense(writer *w) {
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, 3);
}

/* A spec with one record of the field's type, without that field: what is written next belongs to
 * it. The records after it are `spec_after`'s. */
static void spec_before(writer *w, const ofs_field *f, int k) {
  int group = group_of(f);
  w->n = 0;
  writer_record(w, OFS_MODEL);
  write_required(w, OFS_MODEL, group == 'm' ? f->id : NONE, k);
  if (group == 'm') return;
  if (group == 'i') {
    writer_record(w, OFS_INPUT);
    write_required(w, OFS_INPUT, f->id, k);
    return;
  }
  writer_record(w, group == 'o' ? record_of(f) : OFS_SGD);
  if (group == 'o') return;
  if (group == 'r' || group == 'c') dense(w);
  if (group == 'c')
    dense(w);
  else
    writer_record(w, record_of(f));
  write_required(w, record_of(f), f->id, k);
  if (is_join(record_of(f))) FIELD(w, OFS_LAYER_INPUT, -1, -1);
}

static void spec_after(writer *w, const ofs_field *f) {
  int group = group_of(f);
  if (group == 'm' || group == 'i') writer_record(w, OFS_SGD);
  if (group == 'm' || group == 'o' || record_of(f) == OFS_TIME_DISTRIBUTED) dense(w);
  if (record_of(f) == OFS_BIDIRECTIONAL)
    writer_record(w, OFS_LSTM), write_required(w, OFS_LSTM, NONE, 0);
  if (group != 'i') return;
  for (int i = 1; i <= 2; i++) {
    writer_record(w, OFS_FLATTEN);
    FIELD(w, OFS_LAYER_INPUT, -i);
  }
  writer_record(w, OFS_CONCATENATE);
  FIELD(w, OFS_LAYER_INPUT, 0, 1);
}

/* Which input fits; -1 where the core has no such layer. */
static int input_of(const ofs_field *f) {
  static writer w;
  ofs_error e = {0};
  uint64_t bytes;
  no_field_record = record_of(f);
  for (int k = 0; k < INPUTS; k++) {
    spec_before(&w, &no_field, k);
    spec_after(&w, &no_field);
    if (read_spec(w.bytes, w.n, &bytes, &e) == OFS_OK) return k;
    if (e.reason == OFS_WHY_UNKNOWN && e.got == record_of(f)) return -1;
  }
  CHECK_MSG(0, "record %u: no input fits it: layer %d field %d reason %d", record_of(f), e.layer,
            e.field, e.reason);
  return -1;
}

static void field_values(writer *w, const ofs_field *f, int k, uint16_t count, const double *v) {
  spec_before(w, f, k);
  writer_values(w, f->id, count, v);
  spec_after(w, f);
}

static void field_refused(const ofs_field *f, int k, double v, int why) {
  static writer w;
  char what[96];
  snprintf(what, sizeof what, "record %u field %u of %g", record_of(f), f->id, v);
  static double list[OFS_MAX_VALUES];
  /* what follows an initializer's id is its record's */
  uint16_t most = f->kind == OFS_KIND_initializer ? 1 : f->most;
  for (uint16_t count = f->least; count <= most;
       count = count < 8 || count == most ? count + 1 : most) {
    if (f->spread && count > 1 && count < f->most) continue; /* one value or all */
    /* the value last, after ones that will do */
    for (uint16_t i = 0; i < count; i++) list[i] = i + 1 < count ? 1 : v;
    field_values(&w, f, k, count, list);
    refused(&w, place_of(f), f->id, why, v, f->low, f->high, what);
  }
}

/* A value on the bound is in range: only what it makes of the rest may be refused. */
static void field_on_bound(const ofs_field *f, int k, double v) {
  static writer w;
  ofs_error e = {0};
  uint64_t bytes;
  double list[OFS_MAX_VALUES];
  for (uint16_t i = 0; i < f->least; i++) list[i] = v;
  field_values(&w, f, k, f->least, list);
  if (read_spec(w.bytes, w.n, &bytes, &e) == OFS_OK) return;
  int by_range = e.field == f->id && e.layer == place_of(f) && e.low == f->low && e.high == f->high;
  CHECK_MSG(!(by_range && (e.reason == OFS_WHY_RANGE || e.reason == OFS_WHY_NOT_INTEGER)) &&
                e.reason != OFS_WHY_NOT_FINITE && e.reason != OFS_WHY_TRUNCATED,
            "record %u field %u: its bound %g is refused for %d", record_of(f), f->id, v, e.reason);
}

static void check_bounds(const ofs_field *f, int k) {
  field_on_bound(f, k, f->low);
  field_on_bound(f, k, f->high);
  field_refused(f, k, nextafter(f->low, -HUGE_VAL), OFS_WHY_RANGE);
  field_refused(f, k, nextafter(f->high, HUGE_VAL), OFS_WHY_RANGE);
  field_refused(f, k, -1.7e308, OFS_WHY_RANGE);
  field_refused(f, k, NAN, OFS_WHY_NOT_FINITE);
  field_refused(f, k, HUGE_VAL, OFS_WHY_NOT_FINITE);
  field_refused(f, k, -HUGE_VAL, OFS_WHY_NOT_FINITE);
  if (f->kind == OFS_KIND_number) return;
  field_refused(f, k, f->low - 1, OFS_WHY_RANGE);
  field_refused(f, k, f->low + 0.5, OFS_WHY_NOT_INTEGER);
  if (f->high < 9e15) field_refused(f, k, nextafter(f->high, 0), OFS_WHY_NOT_INTEGER);
}

static void check_field(const ofs_field *f) {
  static writer w;
  static double ones[OFS_MAX_VALUES + 1], low[OFS_MAX_VALUES];
  int place = place_of(f), k = input_of(f);
  if (k < 0) return;
  check_bounds(f, k);
  spec_before(&w, f, k);
  spec_after(&w, f);
  if (f->presence == OFS_IS_required)
    refused(&w, place, f->id, OFS_WHY_MISSING, 0, f->low, f->high, "a missing field");
  else
    accepted(&w, "a spec without an optional field");
  for (int i = 0; i <= OFS_MAX_VALUES; i++) ones[i] = 1;
  for (int i = 0; i < OFS_MAX_VALUES; i++) low[i] = f->low;
  spec_before(&w, f, k);
  writer_values(&w, f->id, f->least, low);
  writer_values(&w, f->id, f->least, low);
  spec_after(&w, f);
  refused(&w, place, f->id, OFS_WHY_TWICE, 2, 1, 1, "a field twice");
  field_values(&w, f, k, 0, ones);
  refused(&w, place, f->id, OFS_WHY_COUNT, 0, f->least, f->most, "a field without values");
  field_values(&w, f, k, f->most + 1u, ones);
  refused(&w, place, f->id, OFS_WHY_COUNT, f->most + 1, f->least, f->most,
          "a field with a value too many");
  /* the zero after the id, which nothing may use yet */
  spec_before(&w, f, k);
  const size_t at = w.n;
  writer_values(&w, f->id, f->least, low);
  w.bytes[at + 1] = 7;
  spec_after(&w, f);
  refused(&w, place, f->id, OFS_WHY_UNKNOWN, 7, 0, 0, "a second byte of an id");
}

/* Of every layer the common fields too, which belong to no record of their own. */
static void check_common(uint32_t record) {
  static writer w;
  const ofs_field *f = &no_field;
  no_field_record = record;
  int k = input_of(f);
  if (k < 0) return;
  for (int twice = 1; twice < 3; twice++) {
    spec_before(&w, f, k);
    for (int i = 0; i < twice; i++) FIELD(&w, OFS_LAYER_TRAINABLE, 0);
    spec_after(&w, f);
    if (twice == 1)
      accepted(&w, "a frozen layer");
    else
      refused(&w, 0, OFS_LAYER_TRAINABLE, OFS_WHY_TWICE, 2, 1, 1, "a common field twice");
  }
  spec_before(&w, f, k);
  if (!is_join(record)) {
    FIELD(&w, OFS_LAYER_INPUT, 0);
    spec_after(&w, f);
    refused(&w, 0, OFS_LAYER_INPUT, OFS_WHY_RANGE, 0, -1, -1, "a layer that reads itself");
  }
  spec_before(&w, f, k);
  FIELD(&w, OFS_LAYER_TIED_TO, 0);
  spec_after(&w, f);
  refused(&w, 0, OFS_LAYER_TIED_TO, OFS_WHY_RANGE, 0, 0, -1, "a layer that is tied to itself");
}

int main(void) {
  uint32_t checked = 0;
  for (uint32_t i = 0; i < OFS_FIELD_COUNT; i++) {
    /* what an initializer is told stands in no record: test_spec */
    if (group_of(&ofs_fields.row[i]) == 'n') continue;
    check_field(&ofs_fields.row[i]);
    checked++;
  }
  CHECK(checked > 100);
  for (uint32_t record = OFS_DENSE; record <= OFS_DOT; record++)
    if (ofs_record_group(record) == 'l') check_common(record);
  return check_report("spec fields");
}
