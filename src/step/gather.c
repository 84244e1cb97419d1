/* gather.c: copies a batch from the caller's data set into the program: which samples, and their x.
 * Checks of values that came from outside are here too. */
#include "step/gather.h"

#include "base/random.h"

static uint64_t sample_at(const ofs_plan *p, uint64_t row) {
  uint64_t at = p->at.first + row;
  if (p->at.shuffle) at = ofs_permute(at, p->at.n, p->at.epoch, p->model->key);
  return p->data.order ? p->data.order[at] : at;
}

void ofs_model_shuffled(const ofs_model *m, uint32_t *out, uint64_t first, uint64_t n, uint64_t of,
                        uint64_t epoch) {
  for (uint64_t i = 0; i < n; i++) out[i] = (uint32_t)ofs_permute(first + i, of, epoch, m->key);
}

/* These index the operation's buffers: an input's rows; the index of each row's sample, which the
 * operation of the first input writes. INPUT indexes its op->n: the input. */
enum { X, INDICES };
enum { INPUT };

static void gather_part(const ofs_context *ctx, const ofs_op *op, uint32_t part) {
  const ofs_plan *p = ofs_plan_of(ctx);
  const ofs_model *m = p->model;
  const ofs_input *in = &m->inputs[op->n[INPUT]];
  uint64_t n = in->shape.size;
  const ofs_range r = ofs_range_of(op, part);
  for (uint64_t row = r.from; row < r.to; row++) {
    uint64_t sample = sample_at(p, row), at = sample * m->row + in->at;
    real *x = op->at[X] + row * n;
    if (!op->n[INPUT]) p->indices[row] = sample;
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
    op->n[INPUT] = k;
    ofs_cut(b, op, 1, 0, 12.0 * (double)n + 100, 1);
  }
}

/* A reach is a run of numbers of one kind: its length from an element of a row on, and the bound of
 * its indices, 0 where any finite number will do. */
typedef struct reach {
  uint64_t n, below;
} reach;

/* Returns the reach from element `at` of a row of x: an embedding reads indices. */
static reach reach_of_x(const ofs_model *m, uint32_t indices, uint64_t at) {
  (void)indices;
  const ofs_input *in = m->inputs;
  while (at >= in->at + in->shape.size) in++;
  return (reach){in->at + in->shape.size - at, in->below};
}

static uint64_t width_of(const ofs_model *m, uint32_t k, uint32_t indices) {
  return indices >> k & 1 ? m->outputs[k].targets : m->layers[m->outputs[k].node].shape.size;
}

/* Returns the reach from element `at` of a row of y: output k has class indices where bit k of
 * `indices` is set. */
static reach reach_of_y(const ofs_model *m, uint32_t indices, uint64_t at) {
  uint32_t k = 0;
  for (; at >= width_of(m, k, indices); k++) at -= width_of(m, k, indices);
  return (reach){width_of(m, k, indices) - at, indices >> k & 1 ? m->outputs[k].classes : 0};
}

static int is_good(double v, uint64_t below) {
  if (!below) return v - v == 0;
  return v >= 0 && v < (double)below && v == (double)(uint64_t)v;
}

static double number_at(const void *numbers, uint32_t type, uint64_t i) {
  if (type == OFS_U8) return ((const uint8_t *)numbers)[i];
  return type == OFS_I32 ? ((const int32_t *)numbers)[i] : (double)((const float *)numbers)[i];
}

/* Checks elements [first, first + n) of rows, the first of which `numbers` points to. */
static ofs_status check(const ofs_model *m, const void *numbers, uint32_t type, uint64_t row,
                        reach (*reach_of)(const ofs_model *, uint32_t, uint64_t), uint32_t indices,
                        uint64_t first, uint64_t n, uint64_t *where) {
  for (uint64_t i = 0, stop; i < n; i = stop) {
    reach r = reach_of(m, indices, (first + i) % row);
    stop = n - i < r.n ? n : i + r.n;
    if (type == OFS_U8 && (!r.below || r.below > UINT8_MAX)) continue;
    for (uint64_t k = i; k < stop; k++) {
      if (is_good(number_at(numbers, type, k), r.below)) continue;
      *where = k;
      return OFS_INVALID_DATA;
    }
  }
  return OFS_OK;
}

ofs_status ofs_check_x(const ofs_model *m, const void *x, uint32_t type, uint64_t first, uint64_t n,
                       uint64_t *where) {
  return check(m, x, type, m->row, reach_of_x, 0, first, n, where);
}

ofs_status ofs_check_y(const ofs_model *m, const void *y, uint32_t type, uint32_t indices,
                       uint64_t first, uint64_t n, uint64_t *where) {
  uint64_t row = 0;
  if (type == OFS_I32) indices = UINT32_MAX;
  for (uint32_t k = 0; k < m->output_count; k++) row += width_of(m, k, indices);
  if (row || !n) return check(m, y, type, row, reach_of_y, indices, first, n, where);
  *where = 0; /* no output has class indices */
  return OFS_INVALID_DATA;
}

/* Returns the class that a sample's target names: an index, the side of 0.5 of one number, else the
 * largest of a row. */
static uint32_t class_of(const ofs_output *h, uint64_t width, const void *y, uint32_t type,
                         uint64_t sample) {
  if (type == OFS_I32) return (uint32_t)((const int32_t *)y)[sample * h->targets];
  const float *row = (const float *)y + sample * width;
  uint32_t largest = 0;
  if (width == 1) return row[0] > 0.5f;
  for (uint32_t k = 1; k < width; k++)
    if (row[k] > row[largest]) largest = k;
  return largest;
}

ofs_status ofs_weigh(const ofs_model *m, float *weights, uint64_t n, const void *y, uint32_t y_type,
                     const float *class_weights, uint64_t weighed, uint64_t *where) {
  const ofs_output *h = &m->outputs[0];
  uint64_t width = m->layers[h->node].shape.size;
  for (uint64_t i = 0; i < n; i++) {
    int classed = class_weights && i < weighed;
    uint32_t class = classed ? class_of(h, width, y, y_type, i) : 0;
    if (!is_good(weights[i], 0) || weights[i] < 0 || (classed && class >= h->classes)) {
      *where = i;
      return OFS_INVALID_DATA;
    }
    if (classed) weights[i] *= class_weights[class];
  }
  return OFS_OK;
}
