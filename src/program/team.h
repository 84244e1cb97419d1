/* team.h: a team of threads that share the parts of one operation; team.c is the only file that knows how.
 *
 * What offstage.h does not tell: who runs a program asks here whether a region pays and opens it. Without OFS_THREADS
 * there is nobody to share with, and the constants that stand for all this leave nothing of it in a build. */
#ifndef OFS_POOL_H
#define OFS_POOL_H

#include "program/internal.h"

/* What a region must save at least, in work units: about 1.6 microseconds of one thread. It costs 0.1 to 0.7. */
#define OFS_REGION_LEAST (1u << 16)
/* What sharing must save in a whole step: about 100 microseconds. A step either shares whatever can be or nothing: one
 * operation that only the caller runs takes the samples of all threads out of their caches, which costs more than its
 * arithmetic (W3 with two threads: 1.05 times as fast with the large operations shared, 1.7 with all). */
#define OFS_PLAN_LEAST (1u << 22)
/* Work units that an operation must have for each byte of parameters and their kin. What another core wrote is fetched
 * from there line by line: 30 ns for one where the two are neighbours, 200 where they are not (both measured, on one
 * machine at different times: 3 ns a byte, of which half is the other's). Parameters are written anew in each step, by
 * other parts than read them, so they count in full, up to what a core's own cache holds (beyond that they lie with
 * nobody). Samples stay with the thread that has them in every operation. */
#define OFS_LASTING_WORK 40u
#define OFS_LASTING_MOST (1u << 20)
/* What must be saved for sleeping helpers to be woken: rousing them takes the caller 5 to 10 microseconds, and them
 * 80. Between two steps one wake serves a whole slice of steps; within one it serves what is left of a region. */
#define OFS_WAKE_STEP (1u << 20)
#define OFS_WAKE_REGION (1u << 22)
/* The most parts of a region: its counter and its end share a word. */
#define OFS_REGION_PARTS (1u << 20)

#ifdef OFS_THREADS
/* What `threads` save where `parts` parts of `work` each are shared. */
static inline uint64_t ofs_region_saves(uint32_t parts, uint64_t work, uint32_t threads) {
  return (parts - (parts + threads - 1) / threads) * work;
}
/* Whether sharing an operation pays, at its present cut. */
static inline int ofs_region_pays(const ofs_op *op) {
  uint64_t lasting = op->lasting < OFS_LASTING_MOST ? op->lasting : OFS_LASTING_MOST;
  return op->parts * op->part_work >= OFS_LASTING_WORK * lasting &&
         ofs_region_saves(op->parts / op->waves, op->part_work, 2) >= OFS_REGION_LEAST;
}
/* Threads that compute at the moment: the caller and the helpers that have reported in. */
uint32_t ofs_team_threads(const ofs_team *t);
/* Wakes the helpers that sleep. */
void ofs_team_wake(ofs_team *t);
/* Runs parts [first, last) of one wave, together with whoever is awake; OFS_OK, or OFS_THREAD_LOST. */
ofs_status ofs_team_run(ofs_team *t, const ofs_plan *p, const ofs_op *op, uint32_t first, uint32_t last);
#else
#define ofs_region_saves(parts, work, threads) ((void)(work), 0u)
#define ofs_region_pays(op) ((void)(op), 0)
#define ofs_team_threads(t) ((void)(t), 1u)
#define ofs_team_wake(t) ((void)(t))
#define ofs_team_run(t, p, op, first, last) ((void)(t), OFS_OK)
#endif

#endif
