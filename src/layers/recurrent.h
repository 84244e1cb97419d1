/* recurrent.h: the recurrence of a recurrent layer: recurrent.c emits it, recurrence.c computes
 * it. */
#ifndef OFS_RECURRENT_H
#define OFS_RECURRENT_H

#include "build/build.h"

/* These index a recurrent layer's l->n: it goes through time from the end; its sequence is returned
 * in the opposite order to the one computed; gru's reset comes before the product. */
enum { BACKWARDS, FLIPPED, RESET_FIRST };

/* These index the buffers of the recurrence. Forward: gates, h (block t: the state before step t),
 * cells (lstm: c likewise, then the a of every step; gru: q, or with the reset first r h), panels
 * of U, y (the last state, unless y is made of all of h). Backward: gates, which become their
 * gradients; h; cells; U^T in panels; dh (of the last step, or time-major of all); dc (gru with the
 * reset first: the gradient of r h). MASK is 0 where a step does not count. */
enum { GATES, H, CELLS, PANELS, Y, MASK = 6, TURNED = 3, DH, DC };

/* These index the recurrence's op->n: units of a tile; time steps of a wave; whether c, a, q and r
 * h of all steps are kept for the backward pass. */
enum { TILE_UNITS, WAVE_STEPS, KEEPS };

static inline uint32_t gates_of(const ofs_layer *l) {
  return l->type == OFS_LSTM ? 4 : l->type == OFS_GRU ? 3 : 1;
}
static inline uint32_t steps_of(const ofs_layer *l) { return l->in.dims[0]; }
/* Returns 1 for a gru with its reset after the product, which keeps that product as q. */
static inline int ofs_has_q(const ofs_layer *l) { return l->type == OFS_GRU && !l->n[RESET_FIRST]; }
/* Returns the panels of one gate of U. Gates lie one after the other, so that any tile of units
 * begins a panel. */
static inline uint64_t panels_of(uint32_t units) {
  return ((uint64_t)units + OFS_PANEL - 1) / OFS_PANEL;
}
/* Returns the input's step that step t of the recurrence reads. */
static inline uint64_t input_step(const ofs_layer *l, uint64_t t) {
  return l->n[BACKWARDS] ? steps_of(l) - 1 - t : t;
}

/* These compute the recurrence of a layer, forward and backward, and the share of dU that a gru
 * with its reset first adds. */
void ofs_recurrence_part(const ofs_context *ctx, const ofs_op *op, uint32_t part);
void ofs_recurrence_back_part(const ofs_context *ctx, const ofs_op *op, uint32_t part);
void ofs_reset_gradient_part(const ofs_context *ctx, const ofs_op *op, uint32_t part);

#endif
