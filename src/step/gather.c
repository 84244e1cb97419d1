/* gather.c: from the caller's data set to a batch: which samples, and their x on the way into the program.
 * Checks of values that came from outside stand here too. */
#include "step/gather.h"

#include "base/random.h"

static uint64_t sample_at(const ofs_plan *p, uint64_t row) {
  uint64_t at = p->at.first + row;
  return p->at.shuffle ? ofs_permute(at, p->at.n, p->at.epoch, p->model->key) : at;
}

/* op->n[0]: which input. The first says which samples the batch has. */
static void gather_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_plan *p = ofs_plan_of(ctx);
  const ofs_model *m = p->model;
  const ofs_input *in = &m->inputs[op->n[0]];
  uint64_t n = in->shape.size;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t row = r.from; row < r.to; row++) {
    uint64_t sample = sample_at(p, row), at = sample * m->row + in->at;
    real *x = op->at[0] + row * n;
    if (!op->n[0]) p->indices[row] = sample;
    if (p->data.x_type == OFS_U8)
      m->kernels.scale_u8(x, (const uint8_t *)p->data.x + at, in->below ? 1 : m->input_scale,
                          in->below ? 0 : m->input_offset, n);
    else
      for (uint64_t i = 0; i < n; i++) x[i] = (real)((const float *)p->data.x)[at + i];
  }
}

void ofs_build_gather(ofs_builder *b, const ofs_model *m) {
  for (uint32_t k = 0; k < m->input_count; k++) {
    uint64_t n = m->inputs[k].shape.size;
    b->inputs[k] = ofs_build_buffer(b, n, 0);
    ofs_op *op = ofs_build_op(b, NULL, gather_part, b->inputs[k], b->indices, 0, 0);
    op->n[0] = k;
    ofs_cut(b, op, 1, 0, 12.0 * (double)n + 100, 1);
  }
}

/* How far from element `at` of a row the numbers are of one kind: `below` is 0 or what an embedding's indices stay below. */
static uint64_t reach_of(const ofs_model *m, uint64_t at, uint64_t *below) {
  const ofs_input *in = m->inputs;
  while (at >= in->at + in->shape.size) in++;
  *below = in->below;
  return in->at + in->shape.size - at;
}

static int is_good(double v, uint64_t below) {
  if (!below) return v - v == 0;
  return v >= 0 && v < (double)below && v == (double)(uint64_t)v;
}

ofs_status ofs_check_x(const ofs_model *m, const void *x, uint32_t type, uint64_t first, uint64_t n, uint64_t *where) {
  for (uint64_t i = 0, stop; i < n; i = stop) {
    uint64_t below, reach = reach_of(m, (first + i) % m->row, &below);
    stop = n - i < reach ? n : i + reach;
    if (type == OFS_U8 && (!below || below > UINT8_MAX)) continue;
    for (uint64_t k = i; k < stop; k++) {
      if (is_good(type == OFS_U8 ? ((const uint8_t *)x)[k] : ((const float *)x)[k], below)) continue;
      *where = k;
      return OFS_INVALID_DATA;
    }
  }
  return OFS_OK;
}

ofs_status ofs_check_y(const ofs_model *m, uint32_t output, const void *y, uint32_t type, uint64_t n, uint64_t *where) {
  if (output >= m->output_count) return OFS_INVALID_ARGUMENT;
  for (uint64_t i = 0; i < n; i++) {
    int good = type == OFS_I32 ? (uint32_t)((const int32_t *)y)[i] < m->outputs[output].classes
                               : is_good(((const float *)y)[i], 0);
    if (good) continue;
    *where = i;
    return OFS_INVALID_DATA;
  }
  return OFS_OK;
}
