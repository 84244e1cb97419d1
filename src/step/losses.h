/* losses.h: the loss of one position and its gradient; loss.c sums them over a batch. */
#ifndef OFS_LOSSES_H
#define OFS_LOSSES_H

#include "base/numbers.h"

/* An output of the model has a loss and the options of that loss. */
typedef struct ofs_output {
  uint32_t node;
  uint32_t loss, fused; /* fused: the loss takes logits */
  uint32_t act, axis, classes, targets;
  double weight, label_smoothing, delta, gamma, alpha, balanced;
} ofs_output;

/* A target is what one position is compared with: a class index, or a row of numbers t, each of
 * which becomes scale t + shift (label smoothing, labels of a hinge). */
typedef struct ofs_target {
  int64_t index; /* -1: a row */
  const float *row;
  int sparse_one; /* the index itself is the target of one sigmoid unit */
  double scale, shift;
} ofs_target;

double ofs_wanted(const ofs_target *t, uint32_t i);
/* Returns the loss of the numbers z along the last axis: logits where out->fused, else predictions.
 * d, where not NULL, receives the gradient times `scale`. */
double ofs_loss_at(const ofs_output *out, const real *z, const ofs_target *t, real *d,
                   double scale);
/* Returns Keras's "accuracy" of one position. With one output or a binary loss each number must be
 * on its target's side of the threshold; else the largest must be the target's largest. */
double ofs_correct_at(const ofs_output *out, const real *z, const ofs_target *t);

#endif
