/* fuzz_control.c: reads any bytes as a list of controls and has it decide over a run of any
 * numbers, for libFuzzer.
 *
 * An input is how many numbers are watched, how long the list is, the list, and then epochs. The
 * list lies in a block of exactly its size. Whatever is measured: rates are numbers, only what was
 * asked for is decided, and from a state that is restored the same is decided. */
#include "fuzz.h"

#define MOST_MONITORS 4

static double fuzz_double(fuzz_input *in) {
  double any;
  if (fuzz_byte(in) & 7) return (double)fuzz_float(in);
  fuzz_take(in, &any, sizeof any);
  return any;
}

static ofs_control *open_control(const void *spec, size_t n, uint32_t monitors) {
  ofs_error err = {0};
  ofs_control *c = NULL;
  void *block = fuzz_block((ofs_control_bytes() + OFS_ALIGN - 1) / OFS_ALIGN * OFS_ALIGN);
  if (!fuzz_refused(ofs_control_init(block, spec, n, monitors, &c, &err), &err)) return c;
  FUZZ_CHECK(c == NULL);
  free(block);
  return NULL;
}

/* Any state is refused, and changes nothing, or is the control's. */
static void try_state(ofs_control *c, fuzz_input *in) {
  uint64_t n, m;
  const double *state = ofs_control_state(c, &n);
  double was[32], any[32];
  FUZZ_CHECK(n <= 32);
  memcpy(was, state, n * sizeof *was);
  memcpy(any, state, n * sizeof *any);
  any[fuzz_below(in, (uint32_t)n)] = fuzz_double(in);
  ofs_status s = ofs_control_restore(c, any, n - fuzz_below(in, 16) / 15);
  const double *then = ofs_control_state(c, &m);
  FUZZ_CHECK(m == n && !memcmp(then, s == OFS_OK ? any : was, n * sizeof *was));
  FUZZ_CHECK(ofs_control_restore(c, was, n) == OFS_OK);
}

static void decide(ofs_control *c, ofs_control *other, uint32_t monitors, fuzz_input *in) {
  double rate = 0.5, same = rate, values[MOST_MONITORS];
  uint64_t n;
  for (uint64_t epoch = 1; epoch < 100 && in->left > 0; epoch++) {
    double own = fabs(fuzz_double(in));
    uint64_t steps = fuzz_count(in) >> 11; /* below 2^53 */
    if (own <= 1e6) FUZZ_CHECK(ofs_control_rate(c, own, steps, epoch) >= 0);
    ofs_control_at_limit(c, steps, own);
    for (uint32_t i = 0; i < monitors; i++) values[i] = fuzz_double(in);
    if (fuzz_below(in, 4) == 0) try_state(c, in);
    const double *state = ofs_control_state(c, &n);
    FUZZ_CHECK(ofs_control_restore(other, state, n) == OFS_OK);
    uint32_t decided = ofs_control_epoch(c, epoch, values, &rate);
    FUZZ_CHECK(ofs_control_epoch(other, epoch, values, &same) == decided && rate == same);
    FUZZ_CHECK(decided <= (OFS_KEEP_BEST | OFS_STOP_EARLY | OFS_STOP_REACHED) && rate >= 0);
    FUZZ_CHECK(!(decided & OFS_KEEP_BEST) || ofs_control_state(c, &n)[3] == (double)epoch);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_input in = {data, size};
  uint16_t n;
  uint32_t monitors = fuzz_below(&in, MOST_MONITORS + 1);
  fuzz_take(&in, &n, 2);
  if (n > in.left) n = (uint16_t)in.left;
  uint8_t *spec = malloc(n ? n : 1);
  FUZZ_CHECK(spec != NULL);
  fuzz_take(&in, spec, n);
  ofs_control *c = open_control(spec, n, monitors), *other = open_control(spec, n, monitors);
  free(spec);
  FUZZ_CHECK((c != NULL) == (other != NULL));
  if (c) decide(c, other, monitors, &in);
  free(c);
  free(other);
  return 0;
}
