/* initial.c: initial weights, written in slices, each number a function of (seed, tensor, element).
 *
 * An orthogonal matrix comes by Gram and Schmidt's process from a matrix of normals (Saxe et al.
 * 2013): the Q of its QR decomposition with a positive diagonal in R, which is what Keras takes
 * too. Every vector goes through it twice, which is enough (Giraud, Langou, Rozloznik 2005). Sums
 * run in double, in four lanes, the same on every target. */
#include "base/random.h"
#include "program/model.h"

static void words(const ofs_model *m, uint32_t tensor, uint64_t i, uint32_t out[4]) {
  const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), OFS_STREAM_INIT | tensor, 0};
  ofs_philox(out, counter, m->key);
}

static double normal(const ofs_model *m, uint32_t tensor, uint64_t i, int cut) {
  const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), OFS_STREAM_INIT | tensor, 1};
  return ofs_normal(counter, 3, 1, m->key, cut);
}

/* This is the deviation of a normal that is cut off at two deviations. */
#define CUT_DEVIATION 0.87962566103423978

typedef struct filling {
  enum { FILL_CONSTANT, FILL_UNIFORM, FILL_NORMAL, FILL_CUT, FILL_DIAGONAL } how;
  double size;   /* half the width, the deviation, or the number on the diagonal */
  double middle; /* the constant, or the middle of the others */
} filling;

/* Returns the filling of Glorot & Bengio 2010, He et al. 2015, LeCun et al. 1998 and their like, as
 * Keras has them: the cut forms are widened to keep the variance, `scale` is divided by the fan
 * that `mode` names. */
static filling scaled(const ofs_weight *w, double scale, uint32_t mode, uint32_t distribution) {
  double in = (double)w->size, out = in;
  if (w->rank > 1) {
    in = (double)(w->size / w->dims[w->rank - 1]);
    out = (double)(w->size / w->dims[w->rank - 2]);
  }
  double fan = mode == OFS_FAN_IN ? in : mode == OFS_FAN_OUT ? out : (in + out) / 2;
  scale /= fan < 1 ? 1 : fan;
  if (distribution == OFS_DISTRIBUTION_UNIFORM)
    return (filling){FILL_UNIFORM, __builtin_sqrt(3 * scale), 0};
  if (distribution == OFS_DISTRIBUTION_NORMAL)
    return (filling){FILL_NORMAL, __builtin_sqrt(scale), 0};
  return (filling){FILL_CUT, __builtin_sqrt(scale) / CUT_DEVIATION, 0};
}

/* Returns option i of the initializer. */
static double option(const ofs_weight *w, uint32_t i, double otherwise) {
  return w->init_count > i ? w->init_values[i] : otherwise;
}

static filling filling_of(const ofs_weight *w) {
  double low = option(w, 0, -0.05), high = option(w, 1, 0.05);
  switch (w->init) {
  case OFS_INIT_ONES: return (filling){FILL_CONSTANT, 0, 1};
  case OFS_INIT_CONSTANT: return (filling){FILL_CONSTANT, 0, option(w, 0, 0)};
  case OFS_INIT_GLOROT_UNIFORM: return scaled(w, 1, OFS_FAN_AVG, OFS_DISTRIBUTION_UNIFORM);
  case OFS_INIT_GLOROT_NORMAL: return scaled(w, 1, OFS_FAN_AVG, OFS_DISTRIBUTION_TRUNCATED);
  case OFS_INIT_HE_UNIFORM: return scaled(w, 2, OFS_FAN_IN, OFS_DISTRIBUTION_UNIFORM);
  case OFS_INIT_HE_NORMAL: return scaled(w, 2, OFS_FAN_IN, OFS_DISTRIBUTION_TRUNCATED);
  case OFS_INIT_LECUN_UNIFORM: return scaled(w, 1, OFS_FAN_IN, OFS_DISTRIBUTION_UNIFORM);
  case OFS_INIT_LECUN_NORMAL: return scaled(w, 1, OFS_FAN_IN, OFS_DISTRIBUTION_TRUNCATED);
  case OFS_INIT_VARIANCE_SCALING:
    return scaled(w, option(w, 0, 1), (uint32_t)option(w, 1, OFS_FAN_IN),
                  (uint32_t)option(w, 2, OFS_DISTRIBUTION_TRUNCATED));
  case OFS_INIT_RANDOM_UNIFORM: return (filling){FILL_UNIFORM, (high - low) / 2, (high + low) / 2};
  case OFS_INIT_RANDOM_NORMAL: return (filling){FILL_NORMAL, option(w, 1, 0.05), option(w, 0, 0)};
  case OFS_INIT_TRUNCATED_NORMAL: return (filling){FILL_CUT, option(w, 1, 0.05), option(w, 0, 0)};
  case OFS_INIT_IDENTITY: return (filling){FILL_DIAGONAL, option(w, 0, 1), 0};
  default: return (filling){FILL_CONSTANT, 0, 0};
  }
}

/* Fills elements [from, from + n). */
static void fill(const ofs_model *m, uint32_t tensor, const ofs_weight *weight, real *to,
                 uint64_t from, uint64_t n) {
  filling f = filling_of(weight);
  uint32_t w[4];
  for (uint64_t i = from; i < from + n; i++) {
    double v = 0;
    if (f.how == FILL_UNIFORM && (i % 4 == 0 || i == from)) words(m, tensor, i / 4, w);
    if (f.how == FILL_UNIFORM)
      v = 2.0 * ofs_uniform(w[i % 4]) - 1;
    else if (f.how == FILL_DIAGONAL)
      v = i / weight->dims[1] == i % weight->dims[1];
    else if (f.how != FILL_CONSTANT)
      v = normal(m, tensor, i, f.how == FILL_CUT);
    to[i] = (real)(f.middle + v * f.size);
  }
}

/* ---- orthogonal matrices ---- */

/* A frame is a matrix (all axes but the last, the last) by the vectors of its shorter side, which
 * become orthonormal. */
typedef struct frame {
  real *at;
  uint64_t count, length, next_vector, next_element;
} frame;

static frame frame_of(const ofs_weight *w, real *at) {
  uint64_t columns = w->dims[w->rank - 1], rows = w->size / columns;
  return rows < columns ? (frame){at, rows, columns, columns, 1}
                        : (frame){at, columns, rows, 1, columns};
}

static double dot(const frame *f, const real *a, const real *b) {
  double lane[4] = {0, 0, 0, 0};
  for (uint64_t i = 0; i < f->length; i++)
    lane[i % 4] += (double)a[i * f->next_element] * b[i * f->next_element];
  return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

/* Computes v += s w. */
static void add_scaled(const frame *f, real *v, double s, const real *w) {
  for (uint64_t i = 0; i < f->length; i++)
    v[i * f->next_element] = (real)(v[i * f->next_element] + s * w[i * f->next_element]);
}

/* Does one turn of vector `row`, which takes 2 + 2 row of them: it is filled with normals, freed of
 * every vector before it, and again, and scaled to length `gain`. Those before it have that length
 * already: what is taken off is their part divided by its square, which is 1 at the usual gain. */
static void orthogonal_turn(const ofs_model *m, uint32_t tensor, const frame *f, uint64_t row,
                            uint64_t turn, double gain) {
  real *v = f->at + row * f->next_vector;
  if (turn == 0)
    for (uint64_t i = 0; i < f->length; i++)
      v[i * f->next_element] = (real)normal(m, tensor, row * f->length + i, 0);
  else if (turn <= 2 * row) {
    const real *w = f->at + (turn - 1) % row * f->next_vector;
    double square = gain * gain;
    if (square > 0) add_scaled(f, v, -dot(f, v, w) / square, w);
  } else {
    double length = __builtin_sqrt(dot(f, v, v));
    if (length > 0) add_scaled(f, v, gain / length - 1, v);
  }
}

/* ---- all of them ---- */

/* One weight takes so much work: about fifty operations of Philox, a log and a root; and so much in
 * a turn. */
#define FILL_WORK 64
#define TURN_WORK 8

/* Continues a tensor for about `work` units, at least a little; returns the units done. */
static uint64_t fill_some(ofs_model *m, const ofs_layer *l, const ofs_weight *w, uint64_t work) {
  uint64_t n = work / FILL_WORK + 1, at = m->fill_at;
  if (n > w->size - at) n = w->size - at;
  fill(m, m->fill_tensor, w, m->params + w->at, at, n);
  for (uint64_t i = at; i < at + n; i++)
    if (i >= w->ones_from && i < w->ones_to) m->params[w->at + i] = 1;
  ofs_moments_reset(&m->optimizer, l, w, at, n);
  m->fill_at += n;
  return n * FILL_WORK;
}

/* Does so by one turn; fill_at counts vectors that are done. */
static uint64_t orthogonalize_some(ofs_model *m, const ofs_layer *l, const ofs_weight *w) {
  frame f = frame_of(w, m->params + w->at);
  orthogonal_turn(m, m->fill_tensor, &f, m->fill_at, m->fill_turn, option(w, 0, 1));
  if (m->fill_turn++ == 0) {
    ofs_moments_reset(&m->optimizer, l, w, m->fill_at * f.length, f.length);
    return f.length * FILL_WORK;
  }
  if (m->fill_turn == 2 * m->fill_at + 2) m->fill_at++, m->fill_turn = 0;
  return f.length * TURN_WORK;
}

static uint64_t things_of(const ofs_weight *w) {
  return w->init == OFS_INIT_ORTHOGONAL ? frame_of(w, NULL).count : w->size;
}

static const ofs_weight *weight_at(const ofs_model *m, uint32_t i, const ofs_layer **layer) {
  const ofs_layer *l = m->layers;
  for (; l->not_stored || i >= l->weight_count; l++)
    if (!l->not_stored) i -= l->weight_count;
  *layer = l;
  return &l->weights[i];
}

ofs_status ofs_model_randomize(ofs_model *m, uint64_t work) {
  for (uint64_t spent = 0; m->fill_tensor < m->tensor_count;) {
    const ofs_layer *l;
    const ofs_weight *w = weight_at(m, m->fill_tensor, &l);
    if (spent && spent >= work) return OFS_MORE;
    uint64_t left = work - spent;
    spent +=
        w->init == OFS_INIT_ORTHOGONAL ? orthogonalize_some(m, l, w) : fill_some(m, l, w, left);
    if (m->fill_at < things_of(w)) continue;
    m->fill_tensor++;
    m->fill_at = 0;
  }
  return OFS_OK;
}
