/* metrics.h: the metrics of a model's outputs, summed over the batches of steps that completed.
 *
 * The object lies in a block of the caller. What changes in it is one run of doubles, which only
 * steps, a reset and a restore write; rows count in the order of the batch, so the sums do not
 * depend on threads or slices. All of it is finite: a position that cannot count is counted itself,
 * and makes results NaN. metrics.c reads records and owns the state, add.c adds rows, ranks.c sorts
 * scores, results.c makes results. */
#ifndef OFS_METRICS_H
#define OFS_METRICS_H

#include "program/plan.h"

/* What the sums of a metric are; w is a sample's weight:
 *     COUNTS     for each number of the output: w of true and false positives, of false and true
 *                negatives (of classes, true negatives are not counted: all others are)
 *     CONFUSION  w by true class (rows) and predicted class
 *     MEAN       the sum of w times a value of each position, the sum of w
 *     MOMENTS    the sum of w, then of each number of the output: mean and squared deviations of
 *                targets, the same of predictions, products of deviations, squared errors (West
 *                1979)
 *     BINS       for each number of the output: w of positives, then of negatives, whose score lies
 *                between two thresholds
 *     SCORES     how many positions there are; their scores lie behind all sums (scores_of) */
enum { COUNTS, CONFUSION, MEAN, MOMENTS, BINS, SCORES };
enum { TP, FP, FN, TN, COUNTED };
enum { TARGET, TARGET_SQUARES, GUESS, GUESS_SQUARES, PRODUCTS, ERRORS, MOMENTED };
/* What is known of the ranks of one number's scores. */
enum { ROC, PRECISIONS, POSITIVE, NEGATIVE, RANKED };

typedef struct metric {
  const ofs_output *out;
  uint32_t type, output, kind, average, k, length, rank, curve;
  int32_t direction, column; /* column: the only one that counts; -1: all */
  int cut;                   /* a number counts by itself: it is above the threshold or not */
  int own;                   /* no metric before it has the same sums */
  int pooled;                /* of scores: all numbers are ranked together too */
  double threshold, beta;
  uint64_t bins;            /* between thresholds */
  uint64_t at, size;        /* of its sums */
  uint64_t scores_at, room; /* of scores: doubles before them, positions at most */
  uint64_t ranked_at;       /* RANKED numbers for each number of the output, then for all */
} metric;

/* A score's weight is below 0 where it should have been low. */
typedef struct ofs_entry {
  float score, weight;
} ofs_entry;

struct ofs_metrics {
  uint32_t count, outputs;
  metric *list;
  /* of each output: work units of a position (0: it has no metric), whether it takes probabilities,
   * whether it takes classes */
  uint64_t work[OFS_MAX_OUTPUTS];
  int probable[OFS_MAX_OUTPUTS], classes[OFS_MAX_OUTPUTS];
  /* doubles before all scores, with them; before those of metric `last`, which have what is left
   * (last == count: there are none) */
  uint64_t fixed, size, begin;
  uint32_t last;
  double *sums; /* of each output, how many positions could not count; the metrics' */
  double *row;  /* probabilities of a position */
  double *ranked;
  uint64_t ranked_size, row_size;
  /* the ranking so far: number `column` of metric `ranking`, which is `count` when all are ranked;
   * entry `entry` of a phase */
  uint32_t ranking, phase;
  uint64_t column, entry, entries;
  ofs_entry *sorted[2];
  uint64_t places[4][256];
  double above[2], alike[2], area, precisions;
};

/* Returns a metric's scores: for each position its weight, then of each number of the output the
 * score, with its sign bit set where it should be low. */
static inline float *scores_of(const ofs_metrics *all, const metric *m) {
  return (float *)(all->sums + m->scores_at);
}
/* Returns how many doubles the scores of so many positions take. */
static inline uint64_t score_doubles(const metric *m, uint64_t positions) {
  uint64_t floats = ofs_mul_sat(positions, (uint64_t)m->out->axis + 1);
  return floats / 2 + floats % 2;
}

/* Returns the work units of the next part of a plan's metrics, 0 where all positions of its step
 * have been added. */
uint64_t ofs_metrics_next(ofs_plan *plan);
/* Adds them. */
void ofs_metrics_add(ofs_plan *plan);
/* Forgets ranks, which are no longer those of the scores. */
void ofs_metrics_unrank(ofs_metrics *metrics);

#endif
