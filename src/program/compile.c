/* compile.c: compiles a model into a program for one batch size, and lays its buffers out.
 *
 * Layers emit operations over numbered buffers; which operations use a buffer gives its lifetime; buffers
 * whose lifetimes do not meet share memory. Everything is collected in the model's scratch, measured, and
 * copied into the plan's block, so measuring and building cannot disagree. */
#include "layers/layers.h"

uint32_t ofs_build_buffer(ofs_builder *b, uint64_t elements, int fixed) {
  uint64_t n = fixed ? elements : ofs_mul_sat(elements, b->batch);
  uint64_t bytes = ofs_add_sat(ofs_mul_sat(n, sizeof(real)), OFS_ALIGN - 1) & ~(uint64_t)(OFS_ALIGN - 1);
  b->buffers[++b->buffer_count] = (ofs_buffer){.bytes = bytes, .fixed = fixed, .first = UINT32_MAX};
  return b->buffer_count;
}

static void use(ofs_builder *b, uint32_t buffer, uint32_t op) {
  ofs_buffer *u = &b->buffers[buffer];
  if (!buffer) return;
  if (u->first == UINT32_MAX) u->first = op;
  u->last = op;
}

ofs_op *ofs_build_op(ofs_builder *b, const ofs_layer *l, ofs_part_fn run, uint32_t b0, uint32_t b1, uint32_t b2,
                     uint32_t b3) {
  ofs_op *op = &b->ops[b->op_count];
  *op = (ofs_op){.run = run, .layer = l, .phase = b->phase, .batch = b->batch, .times = b->times, .block = 1, .tiles = 1, .waves = 1, .buffer = {b0, b1, b2, b3}};
  for (int i = 0; i < 4; i++) use(b, op->buffer[i], b->op_count);
  b->op_count++;
  return op;
}

void ofs_build_use(ofs_builder *b, ofs_op *op, uint32_t slot, uint32_t buffer) {
  op->buffer[slot] = buffer;
  use(b, buffer, b->op_count - 1);
}

/* The work of a part, of an operation that has `all`. */
static double part_share(double all, uint32_t least) {
  double share = all / OFS_PARTS_WANTED;
  return share > OFS_PART_WORK ? OFS_PART_WORK : share < least ? least : share;
}

void ofs_cut(const ofs_builder *b, ofs_op *op, uint64_t units, int fixed, double work, uint32_t multiple) {
  double block = part_share((double)units * (fixed ? 1 : b->batch) * op->tiles * work, OFS_PART_LEAST) / (work < 1 ? 1 : work);
  op->units = units;
  op->fixed = (uint32_t)fixed;
  op->block = block < multiple ? multiple : (uint64_t)block / multiple * multiple;
  op->unit_work = work;
}

void ofs_part_range(const ofs_plan *p, const ofs_op *op, uint32_t part, uint64_t *from, uint64_t *to,
                    uint32_t *tile) {
  (void)p;
  uint64_t units = op->fixed ? op->units : op->units * op->count;
  part %= op->parts / op->waves;
  *tile = part % op->tiles;
  *from = part / op->tiles * op->block;
  *to = *from + op->block < units ? *from + op->block : units;
}

void ofs_tile(uint32_t m, uint32_t n, double work, double times, uint32_t *mb, uint32_t *nb) {
  double most = part_share((double)m * n * work * times, OFS_TILE_LEAST);
  *mb = m;
  *nb = n;
  while ((double)*mb * *nb * work > most && (*nb > 16 || *mb > 4)) {
    if (*nb > 16 && (*nb >= *mb || *mb <= 4)) *nb = (*nb / 2 + 7) / 8 * 8;
    else *mb = (*mb / 2 + 3) / 4 * 4;
  }
}

/* ---- who reads a buffer, whose gradient it is ---- */

static uint32_t output_of(const ofs_builder *b, int32_t from) { return from < 0 ? b->inputs[-1 - from] : b->y[from]; }

uint32_t ofs_input(const ofs_builder *b, const ofs_layer *l, uint32_t i) { return output_of(b, l->from[i]); }

uint32_t ofs_mask(const ofs_builder *b, const ofs_layer *l, uint32_t i) { return l->from[i] < 0 ? 0 : b->mask[l->from[i]]; }

int ofs_sole(const ofs_builder *b, const ofs_layer *l, uint32_t i) {
  return b->kind != OFS_TRAIN && !b->buffers[ofs_input(b, l, i)].pending;
}

uint32_t ofs_own(ofs_builder *b, uint32_t dy, uint64_t elements) {
  return b->buffers[dy].owners ? ofs_build_buffer(b, elements, 0) : dy;
}

/* op->n: 1 where b is added. */
static void sum_part(const ofs_plan *p, const ofs_op *op, uint32_t part) {
  uint64_t from, to;
  uint32_t tile;
  ofs_part_range(p, op, part, &from, &to, &tile);
  real *c = op->at[0];
  const real *a = op->at[1], *other = op->at[2], *low = other < a ? other : a;
  if (!op->n[0]) ofs_copy(c + from, a + from, to - from);
  else p->model->kernels.sum_partials(c + from, low + from, (size_t)((low == a ? other : a) - low), 2, (uint32_t)(to - from));
}

void ofs_build_add(ofs_builder *b, const ofs_layer *l, uint32_t c, uint32_t a, uint32_t other, uint64_t elements) {
  ofs_op *op = ofs_build_op(b, l, sum_part, c, a, other, 0);
  op->n[0] = other > 0;
  ofs_cut(b, op, elements, 0, 8, 16);
}

void ofs_build_copy(ofs_builder *b, const ofs_layer *l, uint32_t y, uint32_t x, uint64_t elements) {
  ofs_build_add(b, l, y, x, 0, elements);
}

/* `dx` is a gradient of what `from` puts out, or another part of it. */
static void give(ofs_builder *b, const ofs_layer *l, int32_t from, uint64_t elements, uint32_t dx) {
  if (from < 0 || !dx) return;
  uint32_t *dy = &b->dy[from], sum = *dy;
  if (!sum) {
    *dy = dx;
    b->buffers[dx].owners++;
    return;
  }
  b->buffers[sum].owners--;
  /* the layer whose turn it is may go on to use what it was handed, and what it gives */
  int held = b->buffers[sum].owners || sum == dx || sum == b->turn;
  uint32_t to = held ? ofs_build_buffer(b, elements, 0) : sum;
  ofs_build_add(b, l, to, sum, dx, elements);
  b->buffers[to].owners++;
  *dy = to;
}

void ofs_give(ofs_builder *b, const ofs_layer *l, uint32_t i, uint32_t dx) { give(b, l, l->from[i], l->ins[i].size, dx); }

/* ---- the program: gather, forward, losses, backward, update ---- */

/* The builder counts samples as the layer sees them; NULL: as the model does. */
static void see(ofs_builder *b, const ofs_layer *l) {
  uint64_t batch = (uint64_t)b->samples * (l ? l->times : 1);
  b->too_many |= batch > INT32_MAX;
  b->times = l ? l->times : 1;
  b->batch = b->too_many ? b->samples : (uint32_t)batch;
}

static void build_forward(ofs_builder *b) {
  const ofs_model *m = b->model;
  ofs_build_gather(b);
  ofs_build_tied(b);
  for (uint32_t i = 0; i < m->layer_count; i++)
    for (uint32_t k = 0; k < m->layers[i].in_count; k++)
      if (m->layers[i].from[k] < 0) b->buffers[ofs_input(b, &m->layers[i], k)].pending++;
  for (uint32_t i = 0; i < m->layer_count; i++) {
    ofs_layer *l = &m->layers[i];
    const ofs_layer_kind *kind = ofs_layer_kind_of(l->type);
    for (uint32_t k = 0; k < l->in_count; k++) b->buffers[ofs_input(b, l, k)].pending--;
    see(b, l);
    b->x[i] = ofs_input(b, l, 0);
    uint32_t before = b->op_count;
    b->y[i] = kind->forward(b, l, b->x[i]);
    if (b->op_count > before) b->ops[b->op_count - 1].result = b->y[i];
    if (kind->masks && !b->mask[i]) b->mask[i] = ofs_mask(b, l, 0);
    b->buffers[b->y[i]].pending += l->readers + (l->head > 0);
  }
  see(b, NULL);
}

/* The losses of all outputs, of which a plan that trains gets the gradients. */
static void build_losses(ofs_builder *b) {
  const ofs_model *m = b->model;
  for (uint32_t k = 0; k < m->head_count; k++) {
    uint32_t i = m->heads[k].node;
    const ofs_layer *l = &m->layers[i];
    uint32_t dy = ofs_build_loss(b, k, b->logits[i] ? b->logits[i] : b->y[i]);
    if (b->kind != OFS_TRAIN) continue;
    if (ofs_takes_logits(b, l) && l->readers) b->dlogits[i] = dy;
    else give(b, NULL, (int32_t)i, l->shape.size, dy);
  }
}

static void build_backward(ofs_builder *b) {
  const ofs_model *m = b->model;
  for (uint32_t i = m->layer_count; i-- > 0;) {
    ofs_layer *l = &m->layers[i];
    uint32_t dy = b->dy[i];
    int wanted = 0;
    if (!l->wants || !dy) continue;
    for (uint32_t k = 0; k < l->in_count; k++)
      if (l->from[k] >= 0 && m->layers[l->from[k]].wants) wanted |= 1 << k;
    b->buffers[dy].owners--;
    see(b, l);
    b->turn = dy;
    uint32_t dx = ofs_layer_kind_of(l->type)->backward(b, l, dy, wanted);
    b->turn = 0;
    if (wanted & 1) ofs_give(b, l, 0, dx);
  }
  see(b, NULL);
  ofs_build_tied_gradient(b);
}

static void lasts(ofs_buffer *u) {
  u->first = 0;
  u->last = UINT32_MAX;
}

static void begin(ofs_builder *b, ofs_model *m, int kind, uint32_t batch) {
  *b = (ofs_builder){.model = m, .kind = kind, .samples = batch, .ops = m->ops, .buffers = m->buffers};
  uint32_t **link[] = {&b->x, &b->y, &b->aux, &b->held, &b->mask, &b->dy, &b->logits, &b->dlogits};
  for (uint32_t i = 0; i < OFS_LINKS; i++) *link[i] = m->links + (size_t)i * m->layer_count;
  for (size_t i = 0; i < (size_t)OFS_LINKS * m->layer_count; i++) m->links[i] = 0;
  _Static_assert(sizeof link / sizeof *link == OFS_LINKS, "as many as there is room for");
  see(b, NULL);
  b->buffers[0] = (ofs_buffer){0};
}

static void build(ofs_builder *b, ofs_model *m, int kind, uint32_t batch) {
  begin(b, m, kind, batch);
  uint64_t words = (sizeof(double) + sizeof(real) - 1) / sizeof(real);
  b->rows = ofs_build_buffer(b, 2 * words * m->head_count, 0);
  b->indices = ofs_build_buffer(b, words, 0);
  b->gradient = kind == OFS_TRAIN ? ofs_build_buffer(b, m->parameters + m->tied, 1) : 0;
  build_forward(b);
  b->forward_ops = b->op_count;
  if (kind != OFS_PREDICT) build_losses(b);
  if (kind == OFS_TRAIN) build_backward(b);
  if (kind != OFS_PREDICT) ofs_build_update(b);
  /* these live as long as the plan: they are read between steps */
  const uint32_t own[] = {b->rows, b->indices, b->gradient, b->sums};
  for (uint32_t i = 0; i < 4; i++)
    if (own[i]) lasts(&b->buffers[own[i]]);
  for (uint32_t i = 0; kind == OFS_PREDICT && i < m->head_count; i++) lasts(&b->buffers[b->y[m->heads[i].node]]);
}

/* What is placed first: the biggest; what takes most memory for longest; the longest; of those about as big (to a power
 * of two) the earliest, or what ends last. */
enum { BY_SIZE, BY_AREA, BY_LENGTH, BY_START, BY_END, ORDERS };

static double rank_of(const ofs_buffer *u, int order) {
  double bytes = (double)u->bytes, length = (double)u->last - u->first + 1;
  double class = (63 - __builtin_clzll(u->bytes | 1)) * 1e10;
  return order == BY_AREA ? bytes * length : order == BY_LENGTH ? length : order == BY_START ? class - u->first
       : order == BY_END ? class + u->last : bytes;
}

/* Joins two lists of buffers, each in order; of two that are alike, that of `a` comes first. */
static uint32_t merge(ofs_buffer *all, uint32_t a, uint32_t b, int order) {
  uint32_t head, *end = &head;
  while (a && b) {
    uint32_t *from = rank_of(&all[b], order) > rank_of(&all[a], order) ? &b : &a;
    *end = *from;
    end = &all[*from].next;
    *from = *end;
  }
  *end = a ? a : b;
  return head;
}

/* The list of buffers [i, i + count), in order. */
static uint32_t sorted(ofs_buffer *all, uint32_t i, uint32_t count, int order) {
  all[i].next = 0;
  if (count == 1) return i;
  uint32_t half = count / 2;
  return merge(all, sorted(all, i, half, order), sorted(all, i + half, count - half, order), order);
}

/* Puts buffer i into the lowest place beside those of the list whose lifetimes meet its own, and into the list, which
 * goes by offsets. */
static void place(ofs_buffer *all, uint32_t *lowest, uint32_t i) {
  ofs_buffer *b = &all[i];
  uint32_t *link = lowest;
  b->offset = 0;
  for (uint32_t k = *lowest; k; k = all[k].next) {
    const ofs_buffer *o = &all[k];
    if (o->offset >= b->offset + b->bytes) break;
    if (o->last < b->first || o->first > b->last) continue;
    if (o->offset + o->bytes <= b->offset) continue;
    b->offset = o->offset + o->bytes;
    link = &all[k].next;
  }
  while (*link && all[*link].offset < b->offset) link = &all[*link].next;
  b->next = *link;
  *link = i;
}

/* Places one after the other in an order (Pisarchyk & Lee 2020). Returns the end. */
static uint64_t place_all(ofs_buffer *all, uint32_t count, int order) {
  uint64_t end = 0;
  uint32_t lowest = 0;
  for (uint32_t i = sorted(all, 1, count, order), next; i; i = next) {
    next = all[i].next;
    all[i].offset = 0;
    if (all[i].first == UINT32_MAX) continue; /* nobody uses it */
    place(all, &lowest, i);
    uint64_t stop = ofs_add_sat(all[i].offset, all[i].bytes);
    if (stop >= OFS_BYTES_MAX) return OFS_BYTES_MAX;
    if (stop > end) end = stop;
  }
  return end;
}

/* What is alive at one operation, at most. */
static uint64_t live_bytes(const ofs_builder *b) {
  int64_t now = 0, most = 0;
  for (uint32_t i = 1; i <= b->buffer_count; i++) {
    const ofs_buffer *u = &b->buffers[i];
    if (u->first == UINT32_MAX) continue;
    b->ops[u->first].alive += (int64_t)u->bytes;
    if (u->last < b->op_count - 1) b->ops[u->last + 1].alive -= (int64_t)u->bytes;
  }
  for (uint32_t i = 0; i < b->op_count; i++) {
    now += b->ops[i].alive;
    if (now > most) most = now;
  }
  return (uint64_t)most;
}

/* Places the buffers in the order that takes least: the biggest first, unless that takes much more than has to be there
 * at one time. */
static uint64_t place_buffers(ofs_builder *b) {
  uint64_t least = place_all(b->buffers, b->buffer_count, BY_SIZE), end = least;
  int best = BY_SIZE;
  if (least >= OFS_BYTES_MAX) return least;
  b->live = live_bytes(b);
  for (int order = BY_SIZE + 1; order < ORDERS && least > b->live + b->live / 32; order++) {
    end = place_all(b->buffers, b->buffer_count, order);
    if (end < least) least = end, best = order;
  }
  return end == least ? least : place_all(b->buffers, b->buffer_count, best);
}

/* What an operation reads or writes, at most, but for samples: its fixed buffers, and the parameters of its layer or (an
 * update) of all. */
static void count_bytes(const ofs_builder *b, ofs_op *op) {
  const ofs_model *m = b->model;
  uint64_t own = (op->layer ? op->layer->weights_size : m->parameters) * sizeof(real);
  op->lasting = op->phase == OFS_PHASE_UPDATE ? own * (1 + m->optimizer.moments) : op->layer ? own : 0;
  for (int k = 0; k < OFS_OP_BUFFERS; k++) {
    const ofs_buffer *u = &b->buffers[op->buffer[k]];
    if (op->buffer[k] && op->buffer[k] == b->gradient) op->lasting += own;
    else if (u->fixed) op->lasting += u->bytes;
  }
}

void ofs_plan_memory(const ofs_plan *p, uint64_t *buffers, uint64_t *live) {
  *buffers = p->buffer_bytes;
  *live = p->live_bytes;
}

static uint64_t head_bytes(const ofs_builder *b) {
  uint64_t n = (sizeof(ofs_plan) + OFS_ALIGN - 1) & ~(uint64_t)(OFS_ALIGN - 1);
  return n + ((b->op_count * sizeof(ofs_op) + OFS_ALIGN - 1) & ~(uint64_t)(OFS_ALIGN - 1));
}

/* Parts are counted in 32 bits. */
static int too_many_parts(const ofs_op *op) {
  double units = (double)op->units * (op->fixed ? 1 : op->batch), block = (double)op->block;
  return (units / block + 1) * op->tiles * op->waves > INT32_MAX || block > (op->layer ? UINT32_MAX : 1e18);
}

static ofs_status measure(ofs_builder *b, ofs_model *m, int kind, uint32_t batch, uint64_t *bytes, ofs_error *err) {
  if (kind < OFS_TRAIN || kind > OFS_PREDICT)
    return ofs_refuse(err, OFS_INVALID_ARGUMENT, OFS_IN_MODEL, -1, OFS_WHY_RANGE, kind, OFS_TRAIN, OFS_PREDICT);
  if (batch < 1 || batch > 1u << 24)
    return ofs_refuse(err, OFS_INVALID_ARGUMENT, OFS_IN_MODEL, -1, OFS_WHY_RANGE, batch, 1, 1u << 24);
  build(b, m, kind, batch);
  *bytes = ofs_add_sat(head_bytes(b), place_buffers(b));
  if (b->too_many) *bytes = OFS_BYTES_MAX;
  for (uint32_t i = 0; i < b->op_count; i++)
    if (too_many_parts(&b->ops[i])) *bytes = OFS_BYTES_MAX; /* which nobody has */
  return OFS_OK;
}

ofs_status ofs_plan_bytes(ofs_model *m, int kind, uint32_t batch, uint64_t *bytes, ofs_error *err) {
  ofs_builder b;
  return measure(&b, m, kind, batch, bytes, err);
}

ofs_status ofs_plan_init(void *mem, uint64_t bytes, ofs_model *m, int kind, uint32_t batch, ofs_plan **plan,
                         ofs_error *err) {
  ofs_builder b;
  uint64_t needed;
  ofs_status s = measure(&b, m, kind, batch, &needed, err);
  if (s < 0) return s;
  if (bytes < needed)
    return ofs_refuse(err, OFS_OUT_OF_MEMORY, OFS_IN_MODEL, -1, OFS_WHY_BYTES, (double)bytes, 0, (double)needed);
  char *block = mem, *data = block + head_bytes(&b);
  ofs_plan *p = mem;
  *p = (ofs_plan){.model = m, .kind = kind, .batch = batch, .op_count = b.op_count,
                  .forward_ops = b.forward_ops, .sum_block = b.sum_block};
  while (p->update_op < b.op_count && b.ops[p->update_op].phase == OFS_PHASE_GRADIENT) p->update_op++;
  p->ops = (ofs_op *)(block + ((sizeof(ofs_plan) + OFS_ALIGN - 1) & ~(size_t)(OFS_ALIGN - 1)));
  for (uint32_t i = 0; i < b.op_count; i++) {
    p->ops[i] = b.ops[i];
    count_bytes(&b, &p->ops[i]);
    for (int k = 0; k < OFS_OP_BUFFERS; k++)
      if (b.ops[i].buffer[k]) p->ops[i].at[k] = (real *)(data + b.buffers[b.ops[i].buffer[k]].offset);
    p->ops[i].result_at = (const real *)(data + b.buffers[b.ops[i].result].offset);
  }
  p->rows = (double *)(data + b.buffers[b.rows].offset);
  p->indices = (uint64_t *)(data + b.buffers[b.indices].offset);
  p->gradient = b.gradient ? (real *)(data + b.buffers[b.gradient].offset) : NULL;
  p->sums = b.sums ? (ofs_sum *)(data + b.buffers[b.sums].offset) : NULL;
  for (uint32_t i = 0; kind == OFS_PREDICT && i < m->head_count; i++)
    p->outputs[i] = (real *)(data + b.buffers[b.y[m->heads[i].node]].offset);
  p->buffer_bytes = needed - head_bytes(&b);
  p->live_bytes = b.live;
  *plan = p;
  return OFS_OK;
}
