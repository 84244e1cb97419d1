/* control.h: what decides during a run: a schedule of learning rates, early stopping, the rate's
 * fall on a plateau, targets to reach, limits. */
#ifndef OFS_CONTROL_H
#define OFS_CONTROL_H

#include "offstage.h"
#include "spec/records.h"

/* A schedule has its record's numbers. */
typedef struct ofs_schedule {
  uint32_t type; /* 0: there is none */
  int has_start, per_epoch, flag;
  double start, steps, a, b, c, d; /* by type (schedule.c) */
  uint32_t bounds;
  double boundaries[OFS_BOUNDARIES], values[OFS_BOUNDARIES + 1];
} ofs_schedule;

/* Reads and checks a schedule's record. */
ofs_status ofs_schedule_read(ofs_schedule *s, const ofs_record *r, ofs_error *err);
/* Returns the rate of the update that follows `updates` others, after so many complete epochs;
 * `own` is the rate where the schedule has none to begin with. */
double ofs_schedule_rate(const ofs_schedule *s, double own, uint64_t updates, uint64_t epochs);

#endif
