/* spec_writer.h: writes the bytes of a spec (their format stands at the head of src/spec/schema.h),
 * and opens models and plans from them for the tests, each in a block of its own of exactly the
 * size that was asked for. */
#ifndef SPEC_WRITER_H
#define SPEC_WRITER_H

#include <stdlib.h>
#include <string.h>

#include "offstage.h"
#include "spec/schema.h"

typedef struct writer {
  uint8_t bytes[1 << 16];
  size_t n, record; /* record: where the number of fields of the record being written stands */
} writer;

static inline void writer_put(writer *w, const void *from, size_t n) {
  memcpy(w->bytes + w->n, from, n);
  w->n += n;
}

/* Begins record `id`: the model first, then one optimizer, then the layers. */
static inline void writer_record(writer *w, uint16_t id) {
  uint32_t head[2] = {OFS_SPEC_MAGIC, 0};
  if (w->n == 0) writer_put(w, head, sizeof head);
  memcpy(head, w->bytes, sizeof head);
  head[1]++;
  memcpy(w->bytes, head, sizeof head);
  uint16_t none = 0;
  writer_put(w, &id, 2);
  w->record = w->n;
  writer_put(w, &none, 2);
}

static inline void writer_values(writer *w, uint8_t id, uint16_t count, const double *v) {
  uint16_t fields;
  memcpy(&fields, w->bytes + w->record, 2);
  fields++;
  memcpy(w->bytes + w->record, &fields, 2);
  const uint8_t head[2] = {id, 0};
  writer_put(w, head, 2);
  writer_put(w, &count, 2);
  writer_put(w, v, count * sizeof *v);
}

/* Writes a field with its values: FIELD(w, OFS_CONV2D_KERNEL_SIZE, 3, 2). */
#define FIELD(w, id, ...)                                                        \
  do {                                                                           \
    const double values_[] = {__VA_ARGS__};                                      \
    writer_values(w, id, (uint16_t)(sizeof values_ / sizeof *values_), values_); \
  } while (0)

/* Returns a block of at least one byte, aligned; the caller frees it. */
static inline void *block_of(uint64_t bytes) {
  return aligned_alloc(OFS_ALIGN, (size_t)(bytes + OFS_ALIGN - 1) / OFS_ALIGN * OFS_ALIGN);
}

/* Returns a model, NULL where the spec is refused. It stands at the head of its block: free()
 * it. */
static inline ofs_model *open_model(const writer *w, ofs_error *err) {
  uint64_t bytes;
  ofs_model *m;
  if (ofs_model_bytes(w->bytes, w->n, &bytes, err) < 0) return NULL;
  if (ofs_model_init(block_of(bytes), bytes, w->bytes, w->n, &m, err) < 0) return NULL;
  while (ofs_model_randomize(m, 1000) == OFS_MORE) continue;
  return m;
}

/* Returns a plan; free() it before its model. */
static inline ofs_plan *open_plan(ofs_model *m, int kind, uint32_t batch) {
  uint64_t bytes;
  ofs_plan *p;
  if (ofs_plan_bytes(m, kind, batch, &bytes, NULL) < 0) return NULL;
  if (ofs_plan_init(block_of(bytes), bytes, m, kind, batch, &p, NULL) < 0) return NULL;
  return p;
}

/* Runs one whole step over samples [first, first + count), in slices of `work`. */
static inline ofs_status run_step(ofs_plan *p, uint64_t first, uint32_t count, uint64_t work) {
  const ofs_batch at = {.first = first, .count = count};
  ofs_status s = ofs_step_begin(p, &at, NULL);
  if (s < 0) return s;
  do s = ofs_step_run(p, work, NULL);
  while (s == OFS_MORE);
  return s;
}

#endif
