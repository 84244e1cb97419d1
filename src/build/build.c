/* build.c: buffers, operations and their cut, the readers of a buffer and the owners of a gradient
 * (build.h). */
#include "build/build.h"

#include "base/copy.h"

uint32_t ofs_build_buffer(ofs_builder *b, uint64_t elements, int fixed) {
  uint64_t n = fixed ? elements : ofs_mul_sat(elements, b->batch);
  uint64_t bytes =
      ofs_add_sat(ofs_mul_sat(n, sizeof(real)), OFS_ALIGN - 1) & ~(uint64_t)(OFS_ALIGN - 1);
  b->buffers[++b->buffer_count] = (ofs_buffer){.bytes = bytes, .fixed = fixed, .first = UINT32_MAX};
  return b->buffer_count;
}

static void use(ofs_builder *b, uint32_t buffer, uint32_t op) {
  ofs_buffer *u = &b->buffers[buffer];
  if (!buffer) return;
  if (u->first == UINT32_MAX) u->first = op;
  u->last = op;
}

ofs_op *ofs_build_op(ofs_builder *b, const ofs_layer *l, ofs_part_fn run, uint32_t b0, uint32_t b1,
                     uint32_t b2, uint32_t b3) {
  ofs_op *op = &b->ops[b->op_count];
  *op = (ofs_op){.run = run,
                 .layer = l,
                 .phase = b->phase,
                 .batch = b->batch,
                 .times = b->times,
                 .block = 1,
                 .tiles = 1,
                 .waves = 1,
                 .buffer = {b0, b1, b2, b3}};
  for (int i = 0; i < 4; i++) use(b, op->buffer[i], b->op_count);
  b->op_count++;
  return op;
}

void ofs_build_use(ofs_builder *b, ofs_op *op, uint32_t slot, uint32_t buffer) {
  op->buffer[slot] = buffer;
  use(b, buffer, b->op_count - 1);
}

/* Returns the work of a part of an operation that has `all`. */
static double part_share(double all, uint32_t least) {
  double share = all / OFS_PARTS_WANTED;
  return share > OFS_PART_WORK ? OFS_PART_WORK : share < least ? least : share;
}

void ofs_cut(const ofs_builder *b, ofs_op *op, uint64_t units, int fixed, double work,
             uint32_t multiple) {
  double block =
      part_share((double)units * (fixed ? 1 : b->batch) * op->tiles * work, OFS_PART_LEAST) /
      (work < 1 ? 1 : work);
  op->units = units;
  op->fixed = (uint32_t)fixed;
  op->block = block < multiple ? multiple : (uint64_t)block / multiple * multiple;
  op->unit_work = work;
}

ofs_range ofs_range_of(const ofs_op *op, uint32_t part) {
  uint64_t units = op->fixed ? op->units : op->units * op->count;
  part %= op->parts / op->waves;
  uint64_t from = part / op->tiles * op->block;
  return (ofs_range){from, from + op->block < units ? from + op->block : units, part % op->tiles};
}

void ofs_tile(uint32_t m, uint32_t n, double work, double times, uint32_t *mb, uint32_t *nb) {
  double most = part_share((double)m * n * work * times, OFS_TILE_LEAST);
  *mb = m;
  *nb = n;
  while ((double)*mb * *nb * work > most && (*nb > 16 || *mb > 4)) {
    if (*nb > 16 && (*nb >= *mb || *mb <= 4))
      *nb = (*nb / 2 + 7) / 8 * 8;
    else
      *mb = (*mb / 2 + 3) / 4 * 4;
  }
}

/* ---- readers of a buffer, owners of a gradient ---- */

static uint32_t output_of(const ofs_builder *b, int32_t from) {
  return from < 0 ? b->inputs[-1 - from] : b->y[from];
}

uint32_t ofs_input_buffer(const ofs_builder *b, const ofs_layer *l, uint32_t i) {
  return output_of(b, l->from[i]);
}

uint32_t ofs_mask(const ofs_builder *b, const ofs_layer *l, uint32_t i) {
  return l->from[i] < 0 ? 0 : b->mask[l->from[i]];
}

/* A mask has a number for each position; one of another shape says nothing here. */
uint32_t ofs_mask_of(const ofs_builder *b, const ofs_layer *l, uint32_t i, uint64_t positions) {
  uint32_t mask = ofs_mask(b, l, i);
  uint64_t bytes = (ofs_mul_sat(positions, b->batch) * sizeof(real) + OFS_ALIGN - 1) &
                   ~(uint64_t)(OFS_ALIGN - 1);
  return mask && b->buffers[mask].bytes == bytes ? mask : 0;
}

int ofs_can_overwrite(const ofs_builder *b, const ofs_layer *l, uint32_t i) {
  return b->kind != OFS_TRAIN && !b->buffers[ofs_input_buffer(b, l, i)].pending;
}

uint32_t ofs_writable_gradient(ofs_builder *b, uint32_t dy, uint64_t elements) {
  return b->buffers[dy].owners ? ofs_build_buffer(b, elements, 0) : dy;
}

/* These index the buffers of a sum or a copy; ADDS its op->n: 1 where there is a second term. */
enum { SUM, FIRST, SECOND };
enum { ADDS };

static void sum_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_range r = ofs_range_of(op, part);
  real *c = op->at[SUM];
  const real *a = op->at[FIRST], *other = op->at[SECOND], *low = other < a ? other : a;
  if (!op->n[ADDS])
    ofs_copy(c + r.from, a + r.from, r.to - r.from);
  else
    ctx->kernels->sum_partials(c + r.from, low + r.from, (size_t)((low == a ? other : a) - low), 2,
                               (uint32_t)(r.to - r.from));
}

void ofs_build_add(ofs_builder *b, const ofs_layer *l, uint32_t c, uint32_t a, uint32_t other,
                   uint64_t elements) {
  ofs_op *op = ofs_build_op(b, l, sum_part, c, a, other, 0);
  op->n[ADDS] = other > 0;
  ofs_cut(b, op, elements, 0, 8, 16);
}

void ofs_build_copy(ofs_builder *b, const ofs_layer *l, uint32_t y, uint32_t x, uint64_t elements) {
  ofs_build_add(b, l, y, x, 0, elements);
}

void ofs_add_gradient(ofs_builder *b, const ofs_layer *l, int32_t from, uint64_t elements,
                      uint32_t dx) {
  if (from < 0 || !dx) return;
  uint32_t *dy = &b->dy[from], sum = *dy;
  if (!sum) {
    *dy = dx;
    b->buffers[dx].owners++;
    return;
  }
  b->buffers[sum].owners--;
  /* the layer being built may still use the gradient it was given and the one it gives */
  int in_use = b->buffers[sum].owners || sum == dx || sum == b->turn;
  uint32_t to = in_use ? ofs_build_buffer(b, elements, 0) : sum;
  ofs_build_add(b, l, to, sum, dx, elements);
  b->buffers[to].owners++;
  *dy = to;
}

void ofs_add_input_gradient(ofs_builder *b, const ofs_layer *l, uint32_t i, uint32_t dx) {
  ofs_add_gradient(b, l, l->from[i], l->ins[i].size, dx);
}
