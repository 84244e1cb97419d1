/* optimizer.h: the optimizer of a model: the options of its record, its vectors, and the numbers of
 * each step. */
#ifndef OFS_OPTIMIZER_H
#define OFS_OPTIMIZER_H

#include "build/layer.h"
#include "kernels/kernels.h"

/* A slot is a weight tensor that an update changes: one that trains, or (it has no moments) a
 * statistic that moves. */
typedef struct ofs_slot {
  const ofs_layer *layer;
  const ofs_weight *weight;
} ofs_slot;

#define OFS_NO_VECTOR UINT32_MAX

/* An optimizer has the options of the spec's record and the vectors that the model keeps for it. */
typedef struct ofs_optimizer {
  uint32_t type; /* kind of its updates (ofs_update.kind) */
  int nesterov, centered, ema;
  double rate, rate_factor; /* the factor is the caller's (ofs_model_set_rate) */
  double momentum, beta1, beta2, epsilon, weight_decay;
  double initial;                                 /* initial value of the first moment */
  double clip_value, clip_norm, global_clip_norm; /* 0: none */
  double ema_momentum;
  /* batches an update; updates between two overwritings of the weights by their average, 0: none */
  uint64_t accumulation, overwrite;
  /* vectors that it keeps, at most OFS_MOMENTS: its `own`, then the sum of gradients and the
   * average of weights, where there are any (accumulator, average: their indices, else
   * OFS_NO_VECTOR) */
  uint32_t moments, own, accumulator, average;
  real *moment[OFS_MOMENTS]; /* NULL from `moments` on */
  uint32_t slot_count;
  ofs_slot *slots;     /* in the order of the flat vector */
  uint64_t warm_steps; /* nadam: U(t) (kernels.h) after so many updates */
  double warm_product;
} ofs_optimizer;

/* Reads and checks an optimizer's record. */
ofs_status ofs_optimizer_read(ofs_optimizer *o, const ofs_record *r, ofs_error *err);
/* Returns the greatest learning rate that its other options allow. */
double ofs_optimizer_most(const ofs_optimizer *o);
/* Lists the slots of a model's layers in o->slots. */
void ofs_optimizer_lay(ofs_optimizer *o, const ofs_layer *layers, uint32_t count);
/* Returns Keras's name of vector k; NULL where there are fewer. */
const char *ofs_moment_name(const ofs_optimizer *o, uint32_t k);
/* Sets elements [at, at + n) of a weight's moments to their initial values. */
void ofs_moments_reset(const ofs_optimizer *o, const ofs_layer *l, const ofs_weight *w, uint64_t at,
                       uint64_t n);
/* Returns the numbers of the update that follows `step` others. */
ofs_update ofs_update_numbers(ofs_optimizer *o, uint64_t step);

#endif
