/* spec_checks.h: reads specs in blocks of exactly their size and at odd addresses, so that the
 * sanitizers see every byte read past an end; checks refusals member by member; and uses what is
 * accepted. */
#ifndef SPEC_CHECKS_H
#define SPEC_CHECKS_H

#include "check.h"
#include "spec_writer.h"

#define MEGA 1048576u
#define UNTOUCHED 0x5eed5eed5eedull

static uint32_t noise = 1;

/* 32-bit xorshift (Marsaglia 2003). */
static inline uint32_t random_word(void) {
  noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
  return noise;
}

/* ---- specs, read and refused ---- */

static inline ofs_status read_spec(const uint8_t *bytes, size_t n, uint64_t *size, ofs_error *err) {
  uint8_t *block = check_alloc(n + 1), *odd = block + 1;
  memcpy(odd, bytes, n);
  *size = UNTOUCHED;
  *err = (ofs_error){.status = OFS_OK};
  ofs_status s = ofs_model_bytes(odd, n, size, err);
  CHECK((s == OFS_OK) == (*size != UNTOUCHED));
  CHECK_INT(err->status, s);
  CHECK(s == OFS_OK || s == OFS_INVALID_SPEC);
  CHECK(ofs_model_bytes(odd, n, size, NULL) == s);
  free(block);
  return s;
}

static inline void accepted(const writer *w, const char *what) {
  ofs_error e = {0};
  uint64_t bytes;
  CHECK_MSG(read_spec(w->bytes, w->n, &bytes, &e) == OFS_OK, "%s is refused: reason %d, got %g",
            what, e.reason, e.got);
}

static inline void refused_bytes(const uint8_t *bytes, size_t n, ofs_error want, const char *what) {
  ofs_error e = {0};
  uint64_t size;
  if (!CHECK_MSG(read_spec(bytes, n, &size, &e) == OFS_INVALID_SPEC, "%s is accepted", what))
    return;
  int same_got = e.got == want.got || (isnan(e.got) && isnan(want.got));
  CHECK_MSG(e.layer == want.layer && e.field == want.field && e.reason == want.reason && same_got &&
                e.low == want.low && e.high == want.high,
            "%s: layer %d field %d reason %d got %g in %g..%g, expected layer %d field %d reason "
            "%d got %g in %g..%g",
            what, e.layer, e.field, e.reason, e.got, e.low, e.high, want.layer, want.field,
            want.reason, want.got, want.low, want.high);
}

static inline void refused(const writer *w, int place, int field, int why, double got, double low,
                           double high, const char *what) {
  refused_bytes(w->bytes, w->n, (ofs_error){OFS_INVALID_SPEC, place, field, why, got, low, high},
                what);
}

/* Makes numbers for so many samples that ofs_check_x accepts: indices where an embedding reads. */
static inline float *fitting_x(const ofs_model *m, uint64_t n) {
  float *x = check_alloc(n * sizeof(float));
  uint64_t where;
  for (uint64_t i = 0; i < n; i++) x[i] = (float)(i % 7) / 7;
  while (ofs_check_x(m, x, OFS_F32, 0, n, &where) < 0) x[where] = 0;
  return x;
}

/* An accepted spec must give a model, every kind of plan and a step; all of it where it is
 * small. */
static inline int use_when_small(const uint8_t *bytes, size_t n) {
  ofs_error e = {0};
  uint64_t size;
  if (read_spec(bytes, n, &size, &e) < 0 || size > MEGA) return 0;
  void *block = block_of(size);
  ofs_model *m = NULL;
  if (!CHECK(ofs_model_init(block, size, bytes, n, &m, NULL) == OFS_OK)) return 0;
  while (ofs_model_randomize(m, 1u << 20) == OFS_MORE) continue;
  ofs_model_facts f;
  ofs_model_get_facts(m, &f);
  int used = 0;
  for (int kind = OFS_TRAIN; kind <= OFS_PREDICT; kind++) {
    uint64_t needed = 0;
    if (!CHECK(ofs_plan_bytes(m, kind, 2, &needed, NULL) == OFS_OK) || needed > MEGA) continue;
    void *scratch = block_of(needed);
    uint64_t outputs = 0;
    ofs_output_info o;
    for (uint32_t i = 0; ofs_model_output(m, i, &o) == OFS_OK; i++) outputs += o.size;
    float *x = fitting_x(m, 2 * f.inputs), *y = check_alloc(2 * outputs * sizeof(float));
    for (uint64_t i = 0; i < 2 * outputs; i++) y[i] = (float)(i % 2);
    const ofs_data data = {.x = x, .y = y, .x_type = OFS_F32, .y_type = OFS_F32, .n = 2};
    ofs_plan *p = NULL;
    CHECK(ofs_plan_init(scratch, needed, m, kind, 2, &p, NULL) == OFS_OK);
    CHECK(ofs_plan_set_data(p, &data, NULL) == OFS_OK);
    for (uint32_t one = 0; one < 2; one++) {
      ofs_status s = run_step(p, one, 2 - one, one ? 1 : 100000);
      CHECK(s == OFS_OK || (kind == OFS_TRAIN && s == OFS_NON_FINITE));
    }
    free(scratch), free(x), free(y);
    used++;
  }
  free(block);
  return used;
}

#endif
