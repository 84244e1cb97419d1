/* compile.c: compiles a model into a program for one batch size, and lays its buffers out.
 *
 * Layers emit operations over numbered buffers; which operations use a buffer gives its lifetime;
 * buffers whose lifetimes do not meet share memory. Everything is collected in the model's scratch,
 * measured, and copied into the plan's block, so measuring and building cannot disagree. */
#include "base/status.h"
#include "layers/registry.h"
#include "program/layout.h"
#include "program/plan.h"
#include "step/gather.h"
#include "step/loss.h"
#include "step/tie.h"
#include "step/update.h"

/* ---- the program: gather, forward, losses, backward, update ---- */

/* Makes the builder count samples as the layer sees them; NULL: as the model does. */
static void see(ofs_builder *b, const ofs_layer *l) {
  uint64_t batch = (uint64_t)b->samples * (l ? l->times : 1);
  b->too_many |= batch > INT32_MAX;
  b->times = l ? l->times : 1;
  b->batch = b->too_many ? b->samples : (uint32_t)batch;
}

static void build_forward(ofs_builder *b, const ofs_model *m) {
  ofs_build_gather(b, m);
  ofs_build_tied(b, m);
  for (uint32_t i = 0; i < m->layer_count; i++)
    for (uint32_t k = 0; k < m->layers[i].in_count; k++)
      if (m->layers[i].from[k] < 0) b->buffers[ofs_input_buffer(b, &m->layers[i], k)].pending++;
  for (uint32_t i = 0; i < m->layer_count; i++) {
    ofs_layer *l = &m->layers[i];
    const ofs_layer_kind *kind = ofs_layer_kind_of(l->type);
    for (uint32_t k = 0; k < l->in_count; k++) b->buffers[ofs_input_buffer(b, l, k)].pending--;
    see(b, l);
    b->x[i] = ofs_input_buffer(b, l, 0);
    uint32_t before = b->op_count;
    b->y[i] = kind->forward(b, l, b->x[i]);
    if (b->op_count > before) b->ops[b->op_count - 1].result = b->y[i];
    if (kind->masks && !b->mask[i]) b->mask[i] = ofs_mask(b, l, 0);
    b->buffers[b->y[i]].pending += l->readers + (l->output > 0);
  }
  see(b, NULL);
}

/* Emits the losses of all outputs; a plan that trains gets their gradients. */
static void build_losses(ofs_builder *b, const ofs_model *m) {
  for (uint32_t k = 0; k < m->output_count; k++) {
    uint32_t i = m->outputs[k].node;
    const ofs_layer *l = &m->layers[i];
    uint32_t dy = ofs_build_loss(b, m, k, b->logits[i] ? b->logits[i] : b->y[i]);
    if (b->kind != OFS_TRAIN) continue;
    if (l->logits && l->readers)
      b->dlogits[i] = dy;
    else
      ofs_add_gradient(b, NULL, (int32_t)i, l->shape.size, dy);
  }
}

static void build_backward(ofs_builder *b, const ofs_model *m) {
  for (uint32_t i = m->layer_count; i-- > 0;) {
    ofs_layer *l = &m->layers[i];
    uint32_t dy = b->dy[i];
    int wanted = 0;
    if (!l->needs_gradient || !dy) continue;
    for (uint32_t k = 0; k < l->in_count; k++)
      if (l->from[k] >= 0 && m->layers[l->from[k]].needs_gradient) wanted |= 1 << k;
    b->buffers[dy].owners--;
    see(b, l);
    b->turn = dy;
    uint32_t dx = ofs_layer_kind_of(l->type)->backward(b, l, dy, wanted);
    b->turn = 0;
    if (wanted & 1) ofs_add_input_gradient(b, l, 0, dx);
  }
  see(b, NULL);
  ofs_build_tied_gradient(b, m);
}

static void lasts(ofs_buffer *u) {
  u->first = 0;
  u->last = UINT32_MAX;
}

static void begin(ofs_builder *b, const ofs_model *m, int kind, uint32_t batch) {
  *b = (ofs_builder){.kind = kind, .samples = batch, .ops = m->ops, .buffers = m->buffers};
  uint32_t **link[] = {&b->x, &b->y, &b->aux, &b->saved, &b->mask, &b->dy, &b->logits, &b->dlogits};
  for (uint32_t i = 0; i < OFS_LINKS; i++) *link[i] = m->links + (size_t)i * m->layer_count;
  for (size_t i = 0; i < (size_t)OFS_LINKS * m->layer_count; i++) m->links[i] = 0;
  _Static_assert(sizeof link / sizeof *link == OFS_LINKS, "as many as there is room for");
  see(b, NULL);
  b->buffers[0] = (ofs_buffer){0};
}

/* Returns the buffer that callers or metrics read of output k between steps, 0 where none do. */
static uint32_t kept(const ofs_builder *b, const ofs_model *m, uint32_t k) {
  uint32_t i = m->outputs[k].node;
  if (b->kind == OFS_PREDICT) return b->y[i];
  if (!m->metrics) return 0;
  return b->logits[i] ? b->logits[i] : b->y[i];
}
/* Returns the buffer of its mask, 0 where there is none or nobody reads it. */
static uint32_t kept_mask(const ofs_builder *b, const ofs_model *m, uint32_t k) {
  return b->kind == OFS_PREDICT || !m->metrics ? 0 : b->mask[m->outputs[k].node];
}

static void build(ofs_builder *b, const ofs_model *m, int kind, uint32_t batch) {
  begin(b, m, kind, batch);
  uint64_t words = (sizeof(double) + sizeof(real) - 1) / sizeof(real);
  b->rows = ofs_build_buffer(b, 2 * words * m->output_count, 0);
  b->indices = ofs_build_buffer(b, words, 0);
  b->gradient = kind == OFS_TRAIN ? ofs_build_buffer(b, m->parameters + m->tied, 1) : 0;
  build_forward(b, m);
  b->forward_ops = b->op_count;
  if (kind != OFS_PREDICT) build_losses(b, m);
  if (kind == OFS_TRAIN) build_backward(b, m);
  if (kind != OFS_PREDICT) ofs_build_update(b, m);
  /* these live as long as the plan: callers read them between steps */
  const uint32_t own[] = {b->rows, b->indices, b->gradient, b->sums};
  for (uint32_t i = 0; i < 4; i++)
    if (own[i]) lasts(&b->buffers[own[i]]);
  for (uint32_t k = 0; k < m->output_count; k++) {
    if (kept(b, m, k)) lasts(&b->buffers[kept(b, m, k)]);
    if (kept_mask(b, m, k)) lasts(&b->buffers[kept_mask(b, m, k)]);
  }
}

/* Counts the bytes that an operation reads or writes at most, samples left out: its fixed buffers,
 * and the parameters of its layer or (an update) of all. */
static void count_bytes(const ofs_builder *b, const ofs_model *m, ofs_op *op) {
  uint64_t own = (op->layer ? op->layer->weights_size : m->parameters) * sizeof(real);
  op->lasting = op->phase == OFS_PHASE_UPDATE ? own * (1 + m->optimizer.moments)
                : op->layer                   ? own
                                              : 0;
  for (int k = 0; k < OFS_OP_BUFFERS; k++) {
    const ofs_buffer *u = &b->buffers[op->buffer[k]];
    if (op->buffer[k] && op->buffer[k] == b->gradient)
      op->lasting += own;
    else if (u->fixed)
      op->lasting += u->bytes;
  }
}

static uint64_t head_bytes(const ofs_builder *b) {
  return ofs_align(sizeof(ofs_plan)) + ofs_align(b->op_count * sizeof(ofs_op));
}

/* Returns 1 where parts do not count in 32 bits. */
static int too_many_parts(const ofs_op *op) {
  double units = (double)op->units * (op->fixed ? 1 : op->batch), block = (double)op->block;
  return (units / block + 1) * op->tiles * op->waves > INT32_MAX ||
         block > (op->layer ? UINT32_MAX : 1e18);
}

static ofs_status measure(ofs_builder *b, const ofs_model *m, int kind, uint32_t batch,
                          uint64_t *bytes, ofs_error *err) {
  if (kind < OFS_TRAIN || kind > OFS_PREDICT)
    return ofs_refuse(err, OFS_INVALID_ARGUMENT, OFS_IN_MODEL, -1, OFS_WHY_RANGE, kind, OFS_TRAIN,
                      OFS_PREDICT);
  if (batch < 1 || batch > 1u << 24)
    return ofs_refuse(err, OFS_INVALID_ARGUMENT, OFS_IN_MODEL, -1, OFS_WHY_RANGE, batch, 1,
                      1u << 24);
  build(b, m, kind, batch);
  *bytes = ofs_add_sat(head_bytes(b), ofs_place_buffers(b));
  if (b->too_many) *bytes = OFS_BYTES_MAX;
  for (uint32_t i = 0; i < b->op_count; i++)
    if (too_many_parts(&b->ops[i])) *bytes = OFS_BYTES_MAX; /* which no machine has */
  return OFS_OK;
}

ofs_status ofs_plan_bytes(ofs_model *m, int kind, uint32_t batch, uint64_t *bytes, ofs_error *err) {
  ofs_builder b;
  return measure(&b, m, kind, batch, bytes, err);
}

ofs_status ofs_plan_init(void *mem, uint64_t bytes, ofs_model *m, int kind, uint32_t batch,
                         ofs_plan **plan, ofs_error *err) {
  ofs_builder b;
  uint64_t needed;
  ofs_status s = measure(&b, m, kind, batch, &needed, err);
  if (s < 0) return s;
  if (bytes < needed)
    return ofs_refuse(err, OFS_OUT_OF_MEMORY, OFS_IN_MODEL, -1, OFS_WHY_BYTES, (double)bytes, 0,
                      (double)needed);
  char *block = mem, *data = block + head_bytes(&b);
  ofs_plan *p = mem;
  *p = (ofs_plan){.context = {.kernels = &m->kernels, .params = m->params, .key = m->key},
                  .model = m,
                  .kind = kind,
                  .batch = batch,
                  .op_count = b.op_count,
                  .forward_ops = b.forward_ops,
                  .sum_block = b.sum_block};
  while (p->update_op < b.op_count && b.ops[p->update_op].phase == OFS_PHASE_GRADIENT)
    p->update_op++;
  p->ops = (ofs_op *)(block + ofs_align(sizeof(ofs_plan)));
  for (uint32_t i = 0; i < b.op_count; i++) {
    p->ops[i] = b.ops[i];
    count_bytes(&b, m, &p->ops[i]);
    for (int k = 0; k < OFS_OP_BUFFERS; k++)
      if (b.ops[i].buffer[k])
        p->ops[i].at[k] = (real *)(data + b.buffers[b.ops[i].buffer[k]].offset);
    p->ops[i].result_at = (const real *)(data + b.buffers[b.ops[i].result].offset);
  }
  p->rows = (double *)(data + b.buffers[b.rows].offset);
  p->indices = (uint64_t *)(data + b.buffers[b.indices].offset);
  p->context.gradient = b.gradient ? (real *)(data + b.buffers[b.gradient].offset) : NULL;
  p->sums = b.sums ? (ofs_sum *)(data + b.buffers[b.sums].offset) : NULL;
  p->metrics = kind == OFS_PREDICT ? NULL : m->metrics;
  for (uint32_t k = 0; k < m->output_count; k++) {
    uint32_t output = kept(&b, m, k), mask = kept_mask(&b, m, k);
    if (output) p->outputs[k] = (real *)(data + b.buffers[output].offset);
    if (mask) p->masks[k] = (real *)(data + b.buffers[mask].offset);
  }
  p->buffer_bytes = needed - head_bytes(&b);
  p->live_bytes = b.live;
  *plan = p;
  return OFS_OK;
}
