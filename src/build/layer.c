/* layer.c: the functions that shape functions call: weights, ranks, the last axis. */
#include "build/layer.h"

/* An axis of a weight; one that no weight has is the first beyond all, which is refused later. */
static uint32_t axis_of(double axis) {
  return (uint32_t)(axis < OFS_MAX_RANK ? axis : OFS_MAX_RANK);
}

ofs_weight *ofs_add_weight(ofs_layer *l, const ofs_record *r, uint32_t role, uint32_t field,
                           uint32_t rank, const uint32_t *dims) {
  ofs_weight *w = &l->weights[l->weight_count++];
  const double *init = r->v[field], *penalty = r->v[field + 10], *norm = r->v[field + 20];
  *w = (ofs_weight){.role = role,
                    .field = field,
                    .init = (uint32_t)init[0],
                    .rank = rank,
                    .momentum = -1,
                    .init_count = r->count[field] - 1u};
  for (uint32_t i = 0; i < w->init_count; i++) w->init_values[i] = init[1 + i];
  if (r->count[field + 10]) w->l1 = penalty[0], w->l2 = penalty[1];
  if (r->count[field + 20]) {
    w->norm_most = norm[0];
    w->norm_last = axis_of(norm[r->count[field + 20] - 1]);
    w->norm_axis = ofs_min(axis_of(norm[1]), w->norm_last);
  }
  for (uint32_t i = 0; i < rank; i++) w->dims[i] = dims[i];
  return w;
}

ofs_status ofs_refuse_rank(const ofs_layer *l, uint32_t which, uint32_t low, uint32_t high,
                           ofs_error *err) {
  return ofs_refuse(err, OFS_INVALID_SPEC, (int32_t)l->spec_index, -1, OFS_WHY_RANK,
                    l->ins[which].rank, low, high);
}

uint32_t ofs_channels(const ofs_layer *l) { return l->in.dims[l->in.rank - 1]; }
uint64_t ofs_positions(const ofs_layer *l) { return l->in.size / ofs_channels(l); }
