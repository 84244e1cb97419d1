/* test_spec_graphs.c: well-formed records of random layers, inputs and outputs, in random graphs,
 * most values allowed, some at the edges: each is refused, or gives a model whose plans all run. */
#include "spec_checks.h"

static double one_of(const double *v, uint32_t n) { return v[random_word() % n]; }
#define ONE_OF(...) \
  one_of((const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static double value_of(const ofs_field *f) {
  if (random_word() % 60 == 0)
    return ONE_OF(0, 1, 2, 3, 4, 5, 7, 8, 10, 11, 255, 65535, 65536, 16777216, -1, 0.5);
  if (f->kind == OFS_KIND_boolean) return random_word() % 2;
  if (f->kind == OFS_KIND_enum || f->kind == OFS_KIND_initializer)
    return f->low + random_word() % (uint32_t)(f->high - f->low + 1);
  if (f->kind == OFS_KIND_integer)
    return f->low < 0 ? ONE_OF(-1, 1, 2, -2) : ONE_OF(1, 1, 2, 2, 3, 4);
  return f->high <= 1 ? ONE_OF(0, 0.25, 0.5) : ONE_OF(0.01, 0.5, 1, 2);
}

/* A record with its required fields, and some of the others. */
static void put_record(writer *w, uint32_t id, uint32_t optional) {
  writer_record(w, (uint16_t)id);
  for (uint32_t i = 0; i < OFS_FIELD_COUNT; i++) {
    const ofs_field *f = &ofs_fields.row[i];
    double v[OFS_MAX_RANK];
    if (ofs_field_record(f) != id ||
        (f->presence != OFS_IS_required && random_word() % 100 >= optional))
      continue;
    uint32_t most = f->kind == OFS_KIND_initializer ? 1
                    : f->most < OFS_MAX_RANK        ? f->most
                                                    : OFS_MAX_RANK;
    uint32_t count = f->least + random_word() % (most - f->least + 1);
    for (uint32_t k = 0; k < count; k++) v[k] = value_of(f);
    writer_values(w, f->id, (uint16_t)count, v);
  }
}

/* Where things are read from: now and then from nowhere. */
static void put_input(writer *w, int layers, int inputs, uint32_t count) {
  double from[4];
  for (uint32_t k = 0; k < count; k++) {
    int at = (int)(random_word() % (uint32_t)(layers + inputs)) - inputs;
    from[k] = random_word() % 80 ? at : (double)layers + random_word() % 3;
    if (k && random_word() % 2) from[k] = from[0]; /* which fits more often */
  }
  writer_values(w, OFS_LAYER_INPUT, (uint16_t)count, from);
}

static void put_layer(writer *w, int layers, int inputs) {
  uint32_t id = OFS_DENSE + random_word() % (OFS_DOT - OFS_DENSE + 1);
  put_record(w, id, 25);
  if (random_word() % 12 == 0) FIELD(w, OFS_LAYER_TRAINABLE, random_word() % 2);
  if (random_word() % 30 == 0) FIELD(w, OFS_LAYER_TIED_TO, random_word() % (uint32_t)(layers + 1));
  int join = id >= OFS_ADD || id == OFS_MULTI_HEAD_ATTENTION, first = layers < inputs && inputs > 1;
  if (join)
    put_input(w, layers, inputs, 2 + random_word() % 10 / 9);
  else if (first)
    FIELD(w, OFS_LAYER_INPUT, -1 - layers);
  else if (random_word() % 6 == 0)
    put_input(w, layers, inputs, 1);
  for (uint32_t depth = 0; id == OFS_BIDIRECTIONAL || id == OFS_TIME_DISTRIBUTED; depth++) {
    id = id == OFS_BIDIRECTIONAL && random_word() % 8
             ? (uint32_t)ONE_OF(OFS_LSTM, OFS_GRU, OFS_SIMPLE_RNN)
         : depth < 3 ? OFS_DENSE + random_word() % (OFS_DOT - OFS_DENSE + 1)
                     : OFS_DENSE;
    put_record(w, id, 25);
  }
}

static void put_graph(writer *w) {
  int inputs = random_word() % 4 ? 1 : 1 + (int)(random_word() % 3),
      layers = 1 + (int)(random_word() % 5);
  if (layers < inputs) layers = inputs;
  const double shape[] = {2 + random_word() % 7, 2 + random_word() % 3, 1 + random_word() % 4, 2};
  uint32_t rank = 1 + random_word() % 3 + random_word() % 12 / 11;
  w->n = 0;
  for (int k = 0; k < inputs; k++) {
    writer_record(w, k ? OFS_INPUT : OFS_MODEL);
    writer_values(w, OFS_INPUT_SHAPE, (uint16_t)rank, shape);
  }
  put_record(w, OFS_SGD + random_word() % (OFS_LION - OFS_SGD + 1), 10);
  for (int i = 0; i < layers; i++) put_layer(w, i, inputs);
  for (int i = layers - 1, outputs = random_word() % 3 ? 0 : 1 + (int)(random_word() % 3);
       outputs > 0 && i >= 0; i--, outputs--) {
    writer_record(w, OFS_OUTPUT);
    FIELD(w, OFS_OUTPUT_LAYER, i);
    if (random_word() % 2) FIELD(w, OFS_OUTPUT_LOSS, random_word() % (OFS_LOSS_LAST + 1));
  }
}

/* The types of the layers of a spec that was accepted. */
static void count_types(const writer *w, int *seen) {
  uint16_t head[2];
  for (size_t at = 8; at + 4 <= w->n;) {
    memcpy(head, w->bytes + at, 4);
    seen[head[0]]++;
    at += 4;
    for (uint16_t count; head[1] > 0; head[1]--, at += 4 + 8u * count)
      memcpy(&count, w->bytes + at + 2, 2);
  }
}

int main(void) {
  static writer w;
  static int seen[256];
  int used = 0;
  for (int round = 0; round < 80000; round++) {
    put_graph(&w);
    int plans = use_when_small(w.bytes, w.n);
    if (plans) count_types(&w, seen);
    used += plans > 0;
  }
  CHECK_MSG(used > 6000, "%d graphs used: they do not get far", used);
  for (uint32_t id = OFS_DENSE; id <= OFS_DOT; id++)
    CHECK_MSG(seen[id] > 10, "layer %d was in %d graphs that run", (int)id, seen[id]);
  return check_report("spec graphs");
}
