/* wasm2c_run.c: does what native_run.c does (its head has the input and the output) with the core's
 * wasm module, which wasm2c has translated to C: an engine for the tests that compare bits
 * (tests/bits) that shares no code with a browser's.
 *
 * Everything goes through the module's exports, as in worker/trainer/core.js; what they are handed
 * lies in the module's memory, block behind block. tests/bits/wasm2c.js compiles it, as a
 * little-endian machine's program. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "offstage.h"

#define DEMAND(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))

static void fail(const char *what, int line) {
  fprintf(stderr, "wasm2c_run.c:%d: not so: %s\n", line, what);
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

/* The members of a tensor's record that are read (exports.c), and room for any record. */
enum { TENSOR_SIZE = 4, TENSOR_DATA = 5, RECORD = 64 };
#define PAGE 65536

static Z_core_instance_t core;
static wasm_rt_memory_t *memory;
static uint32_t top;

/* Returns the address of a new block. */
static uint32_t place(double bytes) {
  uint64_t at = top, end = at + ((uint64_t)bytes + OFS_ALIGN - 1) / OFS_ALIGN * OFS_ALIGN;
  DEMAND(end <= UINT32_MAX);
  if (end > memory->size)
    DEMAND(wasm_rt_grow_memory(memory, (uint32_t)((end - memory->size + PAGE - 1) / PAGE)) !=
           UINT32_MAX);
  top = (uint32_t)end;
  return (uint32_t)at;
}

static uint32_t read_padded(double bytes) {
  size_t n = ((size_t)bytes + 7) / 8 * 8;
  uint32_t at = place((double)n);
  DEMAND(fread(memory->data + at, 1, n, stdin) == n);
  return at;
}

static double number_at(uint32_t record, int i) {
  double number;
  memcpy(&number, memory->data + record + 8 * i, sizeof number);
  return number;
}

/* The end of one epoch: its mean loss. Loss sums add up in the order of the steps, as in
 * worker/trainer/run/loop.js. */
static double train_epoch(uint32_t plan, const double *h, double epoch, uint32_t out) {
  double n = h[TRAINED], loss = 0;
  for (double first = 0; first < n; first += h[BATCH]) {
    double count = n - first < h[BATCH] ? n - first : h[BATCH];
    DEMAND(Z_coreZ_step_begin(&core, plan, first, count, n, h[SHUFFLE] != 0, epoch, out) == OFS_OK);
    uint32_t status;
    while ((status = Z_coreZ_step_run(&core, plan, h[WORK], out)) == OFS_MORE) continue;
    DEMAND(status == OFS_OK);
    Z_coreZ_step_totals(&core, plan, out);
    loss += number_at(out, 0);
  }
  return loss / n;
}

int main(void) {
  double h[HEADER];
  DEMAND(fread(h, sizeof h, 1, stdin) == 1);
  wasm_rt_init();
  Z_core_init_module();
  Z_core_instantiate(&core);
  memory = Z_coreZ_memory(&core);
  top = (*Z_coreZ___heap_base(&core) + OFS_ALIGN - 1) / OFS_ALIGN * OFS_ALIGN;
  uint32_t out = place(8 * RECORD), spec = read_padded(h[SPEC]), x = read_padded(h[X_BYTES]),
           y = read_padded(h[Y_BYTES]), n = (uint32_t)h[SPEC];

  double bytes = Z_coreZ_model_bytes(&core, spec, n, out);
  DEMAND(bytes > 0);
  uint32_t model = Z_coreZ_model_init(&core, place(bytes), bytes, spec, n, out);
  DEMAND(model);
  while (Z_coreZ_model_randomize(&core, model, h[WORK]) == OFS_MORE) continue;

  bytes = Z_coreZ_plan_bytes(&core, model, OFS_TRAIN, h[BATCH], out);
  DEMAND(bytes > 0);
  uint32_t plan = Z_coreZ_plan_init(&core, place(bytes), bytes, model, OFS_TRAIN, h[BATCH], out);
  DEMAND(plan);
  DEMAND(Z_coreZ_plan_set_data(&core, plan, x, (uint32_t)h[X_TYPE], y, (uint32_t)h[Y_TYPE], 0, 0, 0,
                               h[SAMPLES], out) == OFS_OK);

  for (double epoch = 0; epoch < h[EPOCHS]; epoch++) {
    double loss = train_epoch(plan, h, epoch, out);
    DEMAND(fwrite(&loss, sizeof loss, 1, stdout) == 1);
  }
  for (uint32_t i = 0; i < Z_coreZ_model_tensors(&core, model); i++) {
    DEMAND(Z_coreZ_model_tensor(&core, model, i, out) == OFS_OK);
    size_t size = (size_t)number_at(out, TENSOR_SIZE);
    DEMAND(fwrite(memory->data + (uint32_t)number_at(out, TENSOR_DATA), sizeof(float), size,
                  stdout) == size);
  }
  Z_core_free(&core);
  return 0;
}
