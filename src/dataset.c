/* dataset.c: from the caller's data set to a batch: which samples, and their x on the way into the program.
 * Checks of values that came from outside stand here too. */
#include "internal.h"

static uint64_t sample_at(const ofs_plan *p, uint64_t row) {
  uint64_t at = p->at.first + row;
  return p->at.shuffle ? ofs_permute(at, p->at.n, p->at.epoch, p->model->key) : at;
}

static void gather_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  uint64_t from, to, n = p->model->input.size;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  for (uint64_t row = from; row < to; row++) {
    uint64_t sample = sample_at(p, row);
    real *x = op->at[0] + row * n;
    p->indices[row] = sample;
    if (p->data.x_type == OFS_U8)
      p->model->kernels.scale_u8(x, (const uint8_t *)p->data.x + sample * n, p->model->input_scale,
                                 p->model->input_offset, n);
    else
      for (uint64_t i = 0; i < n; i++) x[i] = (real)((const float *)p->data.x)[sample * n + i];
  }
}

uint32_t ofs_build_gather(ofs_builder *b) {
  uint64_t n = b->model->input.size;
  uint32_t x = ofs_build_buffer(b, n, 0);
  ofs_op *op = ofs_build_op(b, NULL, gather_part, x, b->indices, 0, 0);
  ofs_cut(b, op, 1, 0, 12.0 * (double)n + 100, 1);
  return x;
}

ofs_status ofs_check_x(const void *x, uint32_t type, uint64_t n, uint64_t *where) {
  if (type == OFS_U8) return OFS_OK;
  const float *v = x;
  for (uint64_t i = 0; i < n; i++)
    if (!(v[i] - v[i] == 0)) {
      *where = i;
      return OFS_INVALID_DATA;
    }
  return OFS_OK;
}

ofs_status ofs_check_y(const ofs_model *m, const void *y, uint32_t type, uint64_t n, uint64_t *where) {
  if (type != OFS_I32) return ofs_check_x(y, type, n, where);
  const int32_t *v = y;
  for (uint64_t i = 0; i < n; i++)
    if (v[i] < 0 || (uint32_t)v[i] >= m->classes) {
      *where = i;
      return OFS_INVALID_DATA;
    }
  return OFS_OK;
}
