/* fuzz_spec.c: reads any bytes as a spec, from ofs_model_bytes to ofs_plan_init, for libFuzzer.
 *
 * An input is 8 bytes that choose a kind and a batch, then the spec. The spec lies in a block of
 * exactly its size, model and plan in blocks of exactly the size that the core asked for: one byte
 * less is refused. A mutator that knows where records, fields and numbers begin does half of the
 * mutations. */
#include "fuzz.h"

/* More weights than this are not written: an orthogonal matrix takes the square of its side. */
#define MOST_WEIGHTS 4096

static void look_at_model(const ofs_model *m) {
  ofs_model_facts facts;
  ofs_model_get_facts(m, &facts);
  uint64_t parameters = 0, elements = 0, row = 0;
  for (uint32_t i = 0; i < ofs_model_layers(m); i++) {
    ofs_layer_info l;
    FUZZ_CHECK(ofs_model_layer(m, i, &l) == OFS_OK && l.rank >= 1 && l.rank <= OFS_MAX_RANK);
    parameters += l.parameters;
    elements = 1;
    for (uint32_t d = 0; d < l.rank; d++) elements *= l.dims[d];
    FUZZ_CHECK(elements >= 1);
  }
  ofs_input_info in;
  ofs_output_info out;
  for (uint32_t i = 0; ofs_model_input(m, i, &in) == OFS_OK; row += in.size, i++)
    FUZZ_CHECK(in.at == row && in.rank >= 1);
  for (uint32_t i = 0; i < facts.output_count; i++) {
    FUZZ_CHECK(ofs_model_output(m, i, &out) == OFS_OK && out.layer < ofs_model_layers(m) &&
               out.size >= 1);
    FUZZ_CHECK(i || out.size == facts.outputs);
  }
  FUZZ_CHECK(ofs_model_output(m, facts.output_count, &out) == OFS_INVALID_ARGUMENT &&
             facts.output_count >= 1);
  FUZZ_CHECK(parameters == facts.parameters && row == facts.inputs && row >= 1);
  for (uint32_t i = 0; i < ofs_model_tensors(m); i++) {
    ofs_tensor t;
    FUZZ_CHECK(ofs_model_tensor(m, i, &t) == OFS_OK && t.rank <= OFS_MAX_RANK &&
               t.size <= parameters);
    parameters -= t.size;
  }
  ofs_tensor none;
  ofs_layer_info no_layer;
  FUZZ_CHECK(parameters == 0 &&
             ofs_model_tensor(m, ofs_model_tensors(m), &none) == OFS_INVALID_ARGUMENT);
  FUZZ_CHECK(ofs_model_layer(m, ofs_model_layers(m), &no_layer) == OFS_INVALID_ARGUMENT);
}

static void try_plan(ofs_model *m, int kind, uint32_t batch) {
  ofs_error err = {0};
  uint64_t bytes, again;
  ofs_plan *p = NULL;
  if (fuzz_refused(ofs_plan_bytes(m, kind, batch, &bytes, &err), &err)) {
    FUZZ_CHECK(ofs_plan_init(NULL, 0, m, kind, batch, &p, &err) < 0 && !p);
    return;
  }
  FUZZ_CHECK(ofs_plan_bytes(m, kind, batch, &again, NULL) == OFS_OK && again == bytes && bytes > 0);
  if (bytes > FUZZ_MOST_BYTES) return;
  void *block = fuzz_block(bytes);
  FUZZ_CHECK(ofs_plan_init(block, bytes - 1, m, kind, batch, &p, &err) == OFS_OUT_OF_MEMORY && !p);
  FUZZ_CHECK(err.reason == OFS_WHY_BYTES && err.high == (double)bytes);
  FUZZ_CHECK(ofs_plan_init(block, bytes, m, kind, batch, &p, &err) == OFS_OK && p);
  FUZZ_CHECK(ofs_step_run(p, 1, NULL) == OFS_INVALID_STATE && !ofs_step_updating(p));
  ofs_plan_shares(p);
  free(block);
}

/* Filled in, it is the spec of the same model, and has nothing left to fill in. */
static void try_fill(const uint8_t *spec, size_t n, uint64_t bytes) {
  size_t length, again;
  uint64_t filled;
  FUZZ_CHECK(ofs_spec_fill(spec, n, NULL, &length, NULL) == OFS_OK && length >= n);
  uint8_t *whole = malloc(length), *twice = malloc(length);
  FUZZ_CHECK(whole && twice);
  FUZZ_CHECK(ofs_spec_fill(spec, n, whole, &again, NULL) == OFS_OK && again == length);
  FUZZ_CHECK(ofs_model_bytes(whole, length, &filled, NULL) == OFS_OK && filled == bytes);
  FUZZ_CHECK(ofs_spec_fill(whole, length, twice, &again, NULL) == OFS_OK && again == length);
  FUZZ_CHECK(!memcmp(whole, twice, length));
  free(whole);
  free(twice);
}

static void try_spec(const uint8_t *spec, size_t n, int kind, uint32_t batch, uint64_t work) {
  ofs_error err = {0};
  uint64_t bytes = 0;
  ofs_model *m = NULL;
  if (fuzz_refused(ofs_model_bytes(spec, n, &bytes, &err), &err)) {
    FUZZ_CHECK(ofs_model_init(NULL, 0, spec, n, &m, NULL) == (ofs_status)err.status && !m &&
               bytes == 0);
    return;
  }
  FUZZ_CHECK(bytes > 0 && bytes <= 1ull << 62);
  try_fill(spec, n, bytes);
  if (bytes > FUZZ_MOST_BYTES) return;
  void *block = fuzz_block(bytes);
  FUZZ_CHECK(ofs_model_init(block, bytes - 1, spec, n, &m, &err) == OFS_OUT_OF_MEMORY && !m);
  FUZZ_CHECK(ofs_model_init(block, bytes, spec, n, &m, &err) == OFS_OK && m);
  look_at_model(m);
  ofs_model_facts facts;
  ofs_model_get_facts(m, &facts);
  if (facts.parameters <= MOST_WEIGHTS)
    while (ofs_model_randomize(m, work) == OFS_MORE) continue;
  try_plan(m, kind, batch);
  free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  fuzz_input in = {data, n};
  int kind = (int)fuzz_below(&in, 5) - 1;
  uint32_t batch, work = fuzz_byte(&in);
  fuzz_take(&in, &batch, 4);
  if (batch & 1) batch = batch >> 1 & 63;
  fuzz_below(&in, 1), fuzz_below(&in, 1);
  uint8_t *spec = malloc(in.left ? in.left : 1);
  if (in.left) memcpy(spec, in.at, in.left);
  try_spec(spec, in.left, kind, batch, work * work);
  free(spec);
  return 0;
}

/* ---- the mutator ---- */

#define HEAD 8 /* kind and batch */
#define MOST_PLACES 512

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed);

/* Places are where records, fields and numbers of a spec begin, as far as its form is right. */
typedef struct places {
  size_t records[MOST_PLACES], fields[MOST_PLACES], values[MOST_PLACES];
  uint32_t record_count, field_count, value_count;
} places;

static uint16_t u16_at(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }

static void find_places(places *p, const uint8_t *data, size_t n) {
  p->record_count = p->field_count = p->value_count = 0;
  for (size_t at = HEAD + 8; at + 4 <= n && p->record_count < MOST_PLACES;) {
    uint32_t fields = u16_at(data + at + 2);
    p->records[p->record_count++] = at;
    at += 4;
    for (; fields > 0 && at + 4 <= n && p->field_count < MOST_PLACES; fields--) {
      uint32_t count = u16_at(data + at + 2);
      p->fields[p->field_count++] = at;
      at += 4;
      for (; count > 0 && at + 8 <= n && p->value_count < MOST_PLACES; count--, at += 8)
        p->values[p->value_count++] = at;
    }
  }
}

static uint32_t state;
static uint32_t random_below(uint32_t n) {
  state ^= state << 13, state ^= state >> 17, state ^= state << 5;
  return state % n;
}

static double value_to_try(void) {
  static const double edges[] = {0,
                                 1,
                                 2,
                                 3,
                                 4,
                                 5,
                                 7,
                                 8,
                                 9,
                                 10,
                                 11,
                                 16,
                                 28,
                                 33,
                                 64,
                                 127,
                                 1024,
                                 65535,
                                 65536,
                                 16777216,
                                 16777217,
                                 2147483647,
                                 4294967295.0,
                                 9007199254740991.0,
                                 9007199254740992.0,
                                 -1,
                                 0.5,
                                 0.9,
                                 1e-12,
                                 1e-7,
                                 1e6,
                                 1e30,
                                 -1e30,
                                 1e308,
                                 -0.0,
                                 NAN,
                                 INFINITY};
  return random_below(4) ? random_below(12) : edges[random_below(sizeof edges / sizeof *edges)];
}

/* Inserts records [from, to) once more, at `to`. */
static size_t repeat(uint8_t *data, size_t n, size_t most, size_t from, size_t to,
                     size_t count_at) {
  size_t more = to - from;
  if (n + more > most) return n;
  memmove(data + to + more, data + to, n - to);
  memcpy(data + to, data + from, more);
  data[count_at]++;
  return n + more;
}

static size_t drop(uint8_t *data, size_t n, size_t from, size_t to, size_t count_at) {
  memmove(data + from, data + to, n - to);
  data[count_at]--;
  return n - (to - from);
}

static size_t put(uint8_t *to, size_t at, const void *from, size_t n) {
  memcpy(to + at, from, n);
  return at + n;
}

/* Writes a layer, wrapper, input or output with its required fields, and now and then an optional
 * one or its inputs. */
static size_t fresh_record(uint8_t *to) {
  uint16_t id = (uint16_t)(random_below(8)   ? 32 + random_below(OFS_DOT - 31)
                           : random_below(2) ? OFS_INPUT
                                             : OFS_OUTPUT),
           fields = 0;
  size_t at = 4;
  for (uint32_t i = 0; i < OFS_FIELD_COUNT && at < 200; i++) {
    const ofs_field *f = &ofs_fields.row[i];
    int common = ofs_field_record(f) == OFS_COMMON && id < OFS_COMMON;
    if ((ofs_field_record(f) != id && !common) ||
        (f->presence != OFS_IS_required && random_below(common ? 3 : 6)))
      continue;
    uint16_t count = (uint16_t)(f->least + (f->most > f->least ? random_below(2) : 0));
    const uint8_t head[] = {f->id, 0};
    at = put(to, at, head, 2);
    at = put(to, at, &count, 2);
    for (; count > 0; count--) {
      double v =
          common && f->id == OFS_LAYER_INPUT ? (double)random_below(5) - 2 : 1 + random_below(4);
      v = v < f->low ? f->low : v > f->high ? f->high : v;
      at = put(to, at, &v, 8);
    }
    fields++;
  }
  put(to, 0, &id, 2);
  put(to, 2, &fields, 2);
  return at;
}

static size_t insert(uint8_t *data, size_t n, size_t most, size_t at, size_t count_at) {
  uint8_t record[512];
  size_t more = fresh_record(record);
  if (n + more > most) return n;
  memmove(data + at + more, data + at, n - at);
  memcpy(data + at, record, more);
  data[count_at]++;
  return n + more;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t most, unsigned int seed) {
  static places p;
  state = seed | 1;
  find_places(&p, data, n);
  if (p.record_count < 2 || !p.value_count || random_below(2))
    return LLVMFuzzerMutate(data, n, most);
  size_t count_at = HEAD + 4;
  uint32_t i = random_below(p.record_count), f = random_below(p.field_count);
  size_t next = i + 1 < p.record_count ? p.records[i + 1] : n;
  switch (random_below(10)) {
  case 0: return repeat(data, n, most, p.records[i], next, count_at);
  case 1: return drop(data, n, p.records[i], next, count_at);
  case 2: data[p.records[i]] = (uint8_t)(32 + random_below(OFS_DOT - 31)); return n;
  case 3:
    data[p.fields[f]] = (uint8_t)(random_below(4) ? random_below(10) : random_below(40));
    return n;
  case 4: data[p.fields[f] + 2] = (uint8_t)random_below(8); return n;
  case 5:
  case 6: return insert(data, n, most, next, count_at);
  default: {
    double v = value_to_try();
    memcpy(data + p.values[random_below(p.value_count)], &v, sizeof v);
    return n;
  }
  }
}
