/* team.h: a team of threads that share the parts of one job; team.c alone knows how.
 *
 * It adds to offstage.h what the caller of a job needs: to ask whether a region pays, and to open
 * it. Without OFS_THREADS there is nobody to share with, and the constants that stand for all this
 * leave nothing of it in a build. */
#ifndef OFS_TEAM_H
#define OFS_TEAM_H

#include "offstage.h"

/* A region must save at least so many work units: about 1.6 microseconds of one thread. It costs
 * 0.1 to 0.7. */
#define OFS_REGION_LEAST (1u << 16)
/* Sleeping helpers are woken where so many units are saved: rousing them takes the caller 5 to 10
 * microseconds, and them 80. Between two steps one wake serves a whole slice of steps; within one
 * it serves the rest of a region. */
#define OFS_WAKE_STEP (1u << 20)
#define OFS_WAKE_REGION (1u << 22)
/* A region has at most so many parts: its counter and its end share a word. */
#define OFS_REGION_PARTS (1u << 20)

/* Such a function does part `part` of a job. */
typedef void (*ofs_job_fn)(const void *job, uint32_t part);

#ifdef OFS_THREADS
/* Returns the work units that `threads` save where they share `parts` parts of `work` each. */
static inline uint64_t ofs_region_saves(uint32_t parts, uint64_t work, uint32_t threads) {
  return (parts - (parts + threads - 1) / threads) * work;
}
/* Returns the number of threads that compute at the moment: the caller and the helpers that have
 * reported in, as far as the limit allows. */
uint32_t ofs_team_threads(const ofs_team *t);
/* Wakes the helpers that sleep. */
void ofs_team_wake(ofs_team *t);
/* Runs parts [first, last) of a job, of about `work` units each, together with the helpers that are
 * awake; parts may run at the same time. Returns OFS_OK, or OFS_THREAD_LOST. */
ofs_status ofs_team_run(ofs_team *t, ofs_job_fn run, const void *job, uint32_t first, uint32_t last,
                        uint64_t work);
#else
#define ofs_region_saves(parts, work, threads) ((void)(work), 0u)
#define ofs_team_threads(t) ((void)(t), 1u)
#define ofs_team_wake(t) ((void)(t))
#define ofs_team_run(t, run, job, first, last, work) ((void)(t), (void)(run), OFS_OK)
#endif

#endif
