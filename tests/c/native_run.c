/* native_run.c: trains what standard input describes and writes the final weights to standard
 * output: the native end of the tests that compare bits (tests/bits). No test itself; anything
 * unexpected ends it with status 1.
 *
 * Input: f64 x 12 {spec bytes, samples, samples to train, x type, x bytes, y type, y bytes, epochs,
 * batch, shuffle, work a call, 0}, then the spec, x and y, each padded with zeros to a multiple of
 * 8 bytes. Output: an f64 a epoch, its mean loss, then every tensor's elements in order. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "offstage.h"

#define DEMAND(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))

static void fail(const char *what, int line) {
  fprintf(stderr, "native_run.c:%d: not so: %s\n", line, what);
  exit(1);
}

enum {
  SPEC,
  SAMPLES,
  TRAINED,
  X_TYPE,
  X_BYTES,
  Y_TYPE,
  Y_BYTES,
  EPOCHS,
  BATCH,
  SHUFFLE,
  WORK,
  HEADER = 12
};

static void *aligned(uint64_t bytes) {
  uint64_t whole = (bytes + OFS_ALIGN - 1) / OFS_ALIGN * OFS_ALIGN;
  void *block = aligned_alloc(OFS_ALIGN, whole ? whole : OFS_ALIGN);
  DEMAND(block);
  return block;
}

static void *read_padded(double bytes) {
  size_t n = ((size_t)bytes + 7) / 8 * 8;
  void *to = aligned(n);
  DEMAND(fread(to, 1, n, stdin) == n);
  return to;
}

/* The end of one epoch: its mean loss. Loss sums add up in the order of the steps, as in
 * worker/trainer/run/loop.js. */
static double train_epoch(ofs_plan *plan, const double *h, uint64_t epoch) {
  uint64_t n = (uint64_t)h[TRAINED], size = (uint64_t)h[BATCH];
  double loss = 0;
  for (uint64_t first = 0; first < n; first += size) {
    ofs_batch at = {.first = first, .n = n, .shuffle = h[SHUFFLE] != 0, .epoch = epoch};
    at.count = (uint32_t)(n - first < size ? n - first : size);
    DEMAND(ofs_step_begin(plan, &at, NULL) == OFS_OK);
    ofs_status status;
    while ((status = ofs_step_run(plan, (uint64_t)h[WORK], NULL)) == OFS_MORE) continue;
    DEMAND(status == OFS_OK);
    ofs_totals totals;
    ofs_step_totals(plan, &totals);
    loss += totals.loss;
  }
  return loss / (double)n;
}

int main(void) {
  double h[HEADER];
  DEMAND(fread(h, sizeof h, 1, stdin) == 1);
  void *spec = read_padded(h[SPEC]), *x = read_padded(h[X_BYTES]), *y = read_padded(h[Y_BYTES]);

  uint64_t bytes;
  ofs_model *model;
  DEMAND(ofs_model_bytes(spec, (size_t)h[SPEC], &bytes, NULL) == OFS_OK);
  void *model_block = aligned(bytes);
  DEMAND(ofs_model_init(model_block, bytes, spec, (size_t)h[SPEC], &model, NULL) == OFS_OK);
  while (ofs_model_randomize(model, (uint64_t)h[WORK]) == OFS_MORE) continue;

  ofs_plan *plan;
  DEMAND(ofs_plan_bytes(model, OFS_TRAIN, (uint32_t)h[BATCH], &bytes, NULL) == OFS_OK);
  void *plan_block = aligned(bytes);
  DEMAND(ofs_plan_init(plan_block, bytes, model, OFS_TRAIN, (uint32_t)h[BATCH], &plan, NULL) ==
         OFS_OK);
  ofs_data data = {x,    y,   (uint32_t)h[X_TYPE], (uint32_t)h[Y_TYPE], (uint64_t)h[SAMPLES], 0,
                   NULL, NULL};
  DEMAND(ofs_plan_set_data(plan, &data, NULL) == OFS_OK);

  for (uint64_t epoch = 0; epoch < (uint64_t)h[EPOCHS]; epoch++) {
    double loss = train_epoch(plan, h, epoch);
    DEMAND(fwrite(&loss, sizeof loss, 1, stdout) == 1);
  }
  for (uint32_t i = 0; i < ofs_model_tensors(model); i++) {
    ofs_tensor t;
    DEMAND(ofs_model_tensor(model, i, &t) == OFS_OK);
    DEMAND(fwrite(t.data, sizeof *t.data, (size_t)t.size, stdout) == t.size);
  }
  free(plan_block), free(model_block), free(spec), free(x), free(y);
  return 0;
}
