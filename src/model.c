/* model.c: a model's block: how big it is, how it is laid out, its initial weights, and views of them. */
#include "internal.h"
#include "maths.h"

/* The block's pieces in order, each aligned. */
typedef struct layout {
  uint64_t layers, params, moment1, moment2, ops, buffers, links, bytes;
} layout;

static uint64_t place(uint64_t *end, uint64_t count, uint64_t size) {
  uint64_t at = *end, bytes = ofs_mul_sat(count, size);
  *end = ofs_add_sat(at, ofs_add_sat(bytes, OFS_ALIGN - 1)) & ~(uint64_t)(OFS_ALIGN - 1);
  return at;
}

static layout model_layout(const ofs_model *m) {
  layout at;
  uint64_t end = 0, slots = m->layer_count;
  place(&end, 1, sizeof(ofs_model));
  at.layers = place(&end, slots, sizeof(ofs_layer));
  at.params = place(&end, m->parameters, sizeof(real));
  at.moment1 = place(&end, m->moments > 0 ? m->parameters : 0, sizeof(real));
  at.moment2 = place(&end, m->moments > 1 ? m->parameters : 0, sizeof(real));
  at.ops = place(&end, slots * OFS_OPS_A_LAYER + OFS_OPS_MORE, sizeof(ofs_op));
  at.buffers = place(&end, slots * OFS_BUFFERS_A_LAYER + OFS_OPS_MORE, sizeof(ofs_buffer));
  at.links = place(&end, slots * 4, sizeof(uint32_t));
  at.bytes = end;
  return at;
}

ofs_status ofs_model_bytes(const void *spec, size_t n, uint64_t *bytes, ofs_error *err) {
  ofs_model m = {0};
  ofs_status s = ofs_spec_read(&m, NULL, spec, n, err);
  if (s == OFS_OK) *bytes = model_layout(&m).bytes;
  return s;
}

ofs_status ofs_model_init(void *mem, uint64_t bytes, const void *spec, size_t n, ofs_model **model, ofs_error *err) {
  ofs_model m = {0};
  ofs_status s = ofs_spec_read(&m, NULL, spec, n, err);
  if (s < 0) return s;
  layout at = model_layout(&m);
  if (bytes < at.bytes)
    return ofs_refuse(err, OFS_OUT_OF_MEMORY, OFS_IN_MODEL, -1, OFS_WHY_BYTES, (double)bytes, 0, (double)at.bytes);
  char *block = mem;
  m.layers = (ofs_layer *)(block + at.layers);
  m.params = (real *)(block + at.params);
  m.moment1 = m.moments > 0 ? (real *)(block + at.moment1) : NULL;
  m.moment2 = m.moments > 1 ? (real *)(block + at.moment2) : NULL;
  m.ops = (ofs_op *)(block + at.ops);
  m.buffers = (ofs_buffer *)(block + at.buffers);
  m.links = (uint32_t *)(block + at.links);
  m.parameters = 0;
  m.tensor_count = 0;
  s = ofs_spec_read(&m, m.layers, spec, n, err);
  if (s < 0) return s;
  ofs_kernels_fill(&m.kernels);
  *model = mem;
  **model = m;
  return OFS_OK;
}

/* ---- initial weights and moments ---- */

static void words(const ofs_model *m, uint32_t tensor, uint64_t i, uint32_t attempt, uint32_t out[4]) {
  const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), OFS_STREAM_INIT | tensor, attempt};
  ofs_philox(out, counter, m->key);
}

/* A standard normal, cut off at two deviations where `cut`: Marsaglia's polar method, a fresh block of words
 * for every second attempt. */
static double normal(const ofs_model *m, uint32_t tensor, uint64_t i, int cut) {
  uint32_t w[4];
  for (uint32_t attempt = 0;; attempt++) {
    if (attempt % 2 == 0) words(m, tensor, i, 1 + attempt / 2, w);
    double a = 2.0 * ofs_uniform(w[attempt % 2 * 2]) - 1, b = 2.0 * ofs_uniform(w[attempt % 2 * 2 + 1]) - 1;
    double s = a * a + b * b;
    if (s >= 1 || s == 0) continue;
    double z = a * __builtin_sqrt(-2 * (double)ofs_log((real)s) / s);
    if (!cut || (z > -2 && z < 2)) return z;
  }
}

/* The deviation of a normal that is cut off at two deviations. */
#define CUT_DEVIATION 0.87962566103423978

typedef struct filling {
  enum { FILL_CONSTANT, FILL_UNIFORM, FILL_NORMAL, FILL_CUT } how;
  double size; /* the constant, half the width, or the deviation */
} filling;

/* Glorot & Bengio 2010, He et al. 2015, LeCun et al. 1998, with Keras's conventions: the normal forms are cut
 * off at two deviations and widened to keep the variance. */
static filling filling_of(uint32_t init, double fan_in, double fan_out) {
  switch (init) {
    case OFS_INIT_ONES: return (filling){FILL_CONSTANT, 1};
    case OFS_INIT_GLOROT_UNIFORM: return (filling){FILL_UNIFORM, __builtin_sqrt(6 / (fan_in + fan_out))};
    case OFS_INIT_GLOROT_NORMAL: return (filling){FILL_CUT, __builtin_sqrt(2 / (fan_in + fan_out)) / CUT_DEVIATION};
    case OFS_INIT_HE_UNIFORM: return (filling){FILL_UNIFORM, __builtin_sqrt(6 / fan_in)};
    case OFS_INIT_HE_NORMAL: return (filling){FILL_CUT, __builtin_sqrt(2 / fan_in) / CUT_DEVIATION};
    case OFS_INIT_LECUN_UNIFORM: return (filling){FILL_UNIFORM, __builtin_sqrt(3 / fan_in)};
    case OFS_INIT_LECUN_NORMAL: return (filling){FILL_CUT, __builtin_sqrt(1 / fan_in) / CUT_DEVIATION};
    case OFS_INIT_RANDOM_UNIFORM: return (filling){FILL_UNIFORM, 0.05};
    case OFS_INIT_RANDOM_NORMAL: return (filling){FILL_NORMAL, 0.05};
    case OFS_INIT_TRUNCATED_NORMAL: return (filling){FILL_CUT, 0.05};
    default: return (filling){FILL_CONSTANT, 0};
  }
}

static void fill(const ofs_model *m, uint32_t tensor, const filling *f, real *to, uint64_t from, uint64_t n) {
  uint32_t w[4];
  for (uint64_t i = from; i < from + n; i++) {
    if (f->how == FILL_UNIFORM && (i % 4 == 0 || i == from)) words(m, tensor, i / 4, 0, w);
    to[i] = f->how == FILL_CONSTANT  ? (real)f->size
            : f->how == FILL_UNIFORM ? (real)((2.0 * ofs_uniform(w[i % 4]) - 1) * f->size)
                                     : (real)(normal(m, tensor, i, f->how == FILL_CUT) * f->size);
  }
}

/* Work of one weight: about fifty operations of Philox, a log and a root. */
#define FILL_WORK 64

ofs_status ofs_model_randomize(ofs_model *m, uint64_t work) {
  uint64_t budget = work / FILL_WORK + 1;
  while (m->fill_tensor < m->tensor_count) {
    ofs_tensor t;
    ofs_model_tensor(m, m->fill_tensor, &t);
    const ofs_layer *l = &m->layers[t.layer];
    int kernel = t.role == OFS_KERNEL;
    filling f = filling_of(kernel ? l->kernel_init : l->bias_init, kernel ? l->fan_in : (double)t.size,
                           kernel ? l->fan_out : (double)t.size);
    uint64_t n = t.size - m->fill_at < budget ? t.size - m->fill_at : budget;
    fill(m, m->fill_tensor, &f, t.data, m->fill_at, n);
    uint64_t at = (uint64_t)(t.data - m->params) + m->fill_at;
    if (m->moment1) ofs_zero(m->moment1 + at, n);
    if (m->moment2) ofs_zero(m->moment2 + at, n);
    m->fill_at += n;
    budget -= n;
    if (m->fill_at < t.size) return OFS_MORE;
    m->fill_tensor++;
    m->fill_at = 0;
  }
  return OFS_OK;
}

/* ---- views ---- */

uint32_t ofs_model_layers(const ofs_model *m) { return m->layer_count; }
uint32_t ofs_model_tensors(const ofs_model *m) { return m->tensor_count; }

ofs_status ofs_model_layer(const ofs_model *m, uint32_t i, ofs_layer_info *info) {
  if (i >= m->layer_count) return OFS_INVALID_ARGUMENT;
  const ofs_layer *l = &m->layers[i];
  *info = (ofs_layer_info){.type = l->type, .rank = l->out.rank, .parameters = l->kernel_size + l->bias_size};
  for (uint32_t d = 0; d < l->out.rank; d++) info->dims[d] = l->out.dims[d];
  return OFS_OK;
}

ofs_status ofs_model_tensor(const ofs_model *m, uint32_t i, ofs_tensor *t) {
  uint32_t seen = 0;
  for (uint32_t k = 0; k < m->layer_count; k++) {
    const ofs_layer *l = &m->layers[k];
    if (l->kernel_size && seen++ == i) {
      *t = (ofs_tensor){k, OFS_KERNEL, l->kernel_rank, {0}, l->kernel_size, m->params + l->kernel_at};
      for (uint32_t d = 0; d < l->kernel_rank; d++) t->dims[d] = l->kernel_dims[d];
      return OFS_OK;
    }
    if (l->bias_size && seen++ == i) {
      *t = (ofs_tensor){k, OFS_BIAS, 1, {(uint32_t)l->bias_size}, l->bias_size,
                        m->params + l->kernel_at + l->kernel_size};
      return OFS_OK;
    }
  }
  return OFS_INVALID_ARGUMENT;
}

void ofs_model_get_facts(const ofs_model *m, ofs_model_facts *f) {
  const ofs_layer *last = &m->layers[m->layer_count - 1];
  *f = (ofs_model_facts){m->parameters, m->input.size, last->out.size, m->classes, m->targets, m->loss, m->step};
}

const char *ofs_strerror(int status) {
  switch (status) {
    case OFS_OK: return "done";
    case OFS_MORE: return "more work remains";
    case OFS_INVALID_SPEC: return "the spec is not valid";
    case OFS_INVALID_DATA: return "the data do not fit the model";
    case OFS_INVALID_ARGUMENT: return "an argument is out of range";
    case OFS_OUT_OF_MEMORY: return "the block is too small";
    case OFS_INVALID_STATE: return "the call is out of sequence";
    case OFS_THREAD_LOST: return "a helper thread was lost";
    default: return "unknown status";
  }
}
