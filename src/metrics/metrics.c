/* metrics.c: reads metrics from records, places their sums, and owns these as a state that can be
 * copied, reset and put back. */
#include "metrics/metrics.h"

#include "base/status.h"
#include "spec/records.h"

#define METRICS_MOST 64
#define CONFUSION_MOST 1024 /* classes */

/* ---- records ---- */

static uint32_t kind_of(const ofs_record *r) {
  switch (r->id) {
  case OFS_METRIC_PRECISION:
  case OFS_METRIC_RECALL:
  case OFS_METRIC_F1:
  case OFS_METRIC_F_BETA:
  case OFS_METRIC_SPECIFICITY:
  case OFS_METRIC_PER_CLASS:
  case OFS_METRIC_MEAN_IOU:
  case OFS_METRIC_MATTHEWS: return COUNTS;
  case OFS_METRIC_CONFUSION: return CONFUSION;
  case OFS_METRIC_R2:
  case OFS_METRIC_PEARSON: return MOMENTS;
  case OFS_METRIC_AUC: return r->count[OFS_AUC_THRESHOLDS] ? BINS : SCORES;
  default: return MEAN;
  }
}

/* Returns 1 where a metric has a meaning for an output. */
static int fits(const metric *m) {
  int softmax = m->out->act == OFS_ACT_SOFTMAX, sigmoid = m->out->act == OFS_ACT_SIGMOID;
  if (m->type == OFS_METRIC_TOP_K) return softmax;
  if (m->type == OFS_METRIC_BINARY) return sigmoid;
  if (m->type >= OFS_METRIC_CONFUSION && m->type <= OFS_METRIC_MATTHEWS)
    return softmax || (sigmoid && m->out->axis == 1);
  return m->kind == MEAN || m->kind == MOMENTS || softmax || sigmoid;
}

static ofs_status refuse_range(ofs_error *err, const ofs_record *r, int32_t field, double got,
                               double low, double high) {
  return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, field, OFS_WHY_RANGE, got, low, high);
}

/* Reads a metric but for where its sums are. */
static ofs_status read_metric(metric *m, const ofs_model *model, const ofs_record *r,
                              ofs_error *err) {
  uint32_t output = (uint32_t)r->v[OFS_ACCURACY_OUTPUT][0];
  if (output >= model->output_count)
    return refuse_range(err, r, OFS_ACCURACY_OUTPUT, output, 0, model->output_count - 1);
  const ofs_output *out = &model->outputs[output];
  uint64_t axis = out->axis, classes = axis == 1 ? 2 : axis;
  *m = (metric){.out = out, .type = r->id, .output = output, .kind = kind_of(r), .length = 1};
  if (!fits(m)) {
    uint32_t one = r->id == OFS_METRIC_BINARY ? OFS_ACT_SIGMOID : OFS_ACT_SOFTMAX;
    int both = r->id != OFS_METRIC_TOP_K && out->act != OFS_ACT_SIGMOID;
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_OUTPUT, out->act, one,
                      both ? OFS_ACT_SIGMOID : one);
  }
  int averages = m->kind == COUNTS || m->kind == BINS || m->kind == SCORES;
  m->threshold = ofs_record_number(r, OFS_PRECISION_THRESHOLD, 0.5);
  m->cut = out->act == OFS_ACT_SIGMOID || r->count[OFS_PRECISION_THRESHOLD];
  m->average = (uint32_t)ofs_record_number(r, OFS_PRECISION_AVERAGE, OFS_AVERAGE_MACRO);
  m->column = (int32_t)ofs_record_number(r, OFS_PRECISION_CLASS_INDEX, -1);
  m->beta = ofs_record_number(r, OFS_F_BETA_BETA, 1);
  m->k = (uint32_t)ofs_record_number(r, OFS_TOP_K_K, 0);
  m->curve = (uint32_t)ofs_record_number(r, OFS_AUC_CURVE, OFS_CURVE_ROC);
  m->bins = (uint64_t)ofs_record_number(r, OFS_AUC_THRESHOLDS, 1) - 1;
  if (m->column >= (int32_t)axis)
    return refuse_range(err, r, OFS_PRECISION_CLASS_INDEX, m->column, 0, (double)axis - 1);
  if (m->k > axis) return refuse_range(err, r, OFS_TOP_K_K, m->k, 1, (double)axis);
  if (averages && m->average == OFS_AVERAGE_NONE && m->column < 0) {
    m->length = (uint32_t)axis;
    m->rank = 1;
  }
  if (r->id == OFS_METRIC_PER_CLASS) m->length = (uint32_t)classes, m->rank = 1;
  if (r->id == OFS_METRIC_CONFUSION) m->length = (uint32_t)(classes * classes), m->rank = 2;
  int is_error = r->id >= OFS_METRIC_MSE && r->id <= OFS_METRIC_MAPE;
  m->direction = m->rank ? 0 : is_error ? -1 : 1; /* as the groups of the records have it */
  if (m->kind == CONFUSION && classes > CONFUSION_MOST)
    return ofs_refuse(err, OFS_INVALID_SPEC, r->layer, -1, OFS_WHY_COUNT, (double)classes, 2,
                      CONFUSION_MOST);
  m->size = m->kind == COUNTS      ? COUNTED * axis
            : m->kind == CONFUSION ? classes * classes
            : m->kind == MEAN      ? 2
            : m->kind == MOMENTS   ? 1 + MOMENTED * axis
            : m->kind == BINS      ? 2 * m->bins * axis
                                   : 1;
  return OFS_OK;
}

static uint32_t value_of(const metric *m) {
  return m->type == OFS_METRIC_RMSE ? OFS_METRIC_MSE : m->type;
}

/* Returns 1 where two metrics have the same sums. */
static int alike(const metric *a, const metric *b) {
  if (a->kind != b->kind || a->output != b->output || a->cut != b->cut) return 0;
  if (a->kind == MEAN && value_of(a) != value_of(b)) return 0;
  return a->threshold == b->threshold && a->k == b->k && a->bins == b->bins;
}

/* Work units of one number of a position, about 1 for 25 picoseconds. */
static uint64_t work_of(const metric *m) {
  static const uint16_t work[] =
      {[COUNTS] = 40, [CONFUSION] = 0, [MEAN] = 160, [MOMENTS] = 700, [BINS] = 240, [SCORES] = 80};
  return m->kind == COUNTS && m->cut ? 160 : work[m->kind];
}

/* Finds the sums of a metric: those of one before it, or new ones. */
static void place(ofs_metrics *all, metric *m, uint64_t room) {
  uint32_t k = m->output;
  int pooled = m->kind == SCORES && m->average == OFS_AVERAGE_MICRO && m->out->axis > 1;
  for (metric *other = all->list; other < m; other++)
    if (other->own && alike(other, m)) {
      other->pooled |= pooled;
      m->at = other->at;
      m->ranked_at = other->ranked_at;
      return;
    }
  m->own = 1;
  m->pooled = pooled;
  m->at = all->fixed;
  m->room = room;
  m->ranked_at = all->ranked_size;
  all->fixed = ofs_add_sat(all->fixed, m->size);
  if (m->kind == SCORES) all->ranked_size += RANKED * ((uint64_t)m->out->axis + 1);
  int by_class = m->type == OFS_METRIC_TOP_K || m->type == OFS_METRIC_ACCURACY ||
                 (m->kind == CONFUSION && m->out->axis > 1) || (m->kind == COUNTS && !m->cut);
  all->classes[k] |= m->kind != MOMENTS && (m->kind != MEAN || by_class);
  if (!by_class && !all->probable[k]) {
    all->probable[k] = 1;
    all->work[k] += (m->out->fused ? 800ull : 40ull) * m->out->axis;
    if (m->out->axis > all->row_size) all->row_size = m->out->axis;
  }
  if (!all->work[k]) all->work[k] = 2000;
  all->work[k] += work_of(m) * m->out->axis;
}

/* Reads all records; `list` has room for METRICS_MOST. */
static ofs_status read_all(ofs_metrics *all, metric *list, const ofs_model *model, const void *spec,
                           size_t n, uint64_t samples, ofs_error *err) {
  double values[OFS_RECORD_VALUES];
  ofs_reader in;
  ofs_record r;
  *all = (ofs_metrics){.list = list, .outputs = model->output_count, .fixed = model->output_count};
  ofs_status s = ofs_read_begin(&in, spec, n, values, err);
  if (s < 0) return s;
  if (in.records < 1 || in.records > METRICS_MOST)
    return ofs_refuse(err, OFS_INVALID_SPEC, OFS_IN_BYTES, -1, OFS_WHY_COUNT, in.records, 1,
                      METRICS_MOST);
  for (; in.records; all->count++) {
    metric *m = &list[all->count];
    s = ofs_read_record(&in, &r, (int32_t)all->count, 'e', err);
    if (s == OFS_OK) s = read_metric(m, model, &r, err);
    if (s < 0) return s;
    place(all, m, ofs_mul_sat(samples, model->layers[m->out->node].shape.size / m->out->axis));
  }
  if (in.left) return ofs_refuse_end(err, &in);
  all->size = all->begin = all->fixed;
  all->last = all->count;
  for (metric *m = list; m < list + all->count; m++) {
    if (m->kind != SCORES || !m->own) continue;
    all->last = (uint32_t)(m - list);
    all->begin = all->size;
    uint64_t entries = ofs_mul_sat(m->room, m->pooled ? m->out->axis : 1);
    m->scores_at = all->size;
    all->size = ofs_add_sat(all->size, score_doubles(m, m->room));
    if (entries > all->entries) all->entries = entries;
  }
  return OFS_OK;
}

/* ---- the block ---- */

/* Lays the object out from byte 0 on; *bytes becomes its size. */
static void lay_out(ofs_metrics *all, char *block, uint64_t *bytes) {
  uint64_t at = ofs_align(sizeof *all), scratch = ofs_mul_sat(all->entries, sizeof(ofs_entry));
  const uint64_t sizes[] = {all->count * sizeof(metric),
                            ofs_mul_sat(all->size, sizeof(double)),
                            all->row_size * sizeof(double),
                            all->ranked_size * sizeof(double),
                            scratch,
                            scratch};
  void *parts[6];
  for (uint32_t i = 0; i < 6; i++) {
    parts[i] = block ? block + at : NULL;
    at = ofs_add_sat(at, sizes[i] > UINT64_MAX - OFS_ALIGN ? UINT64_MAX : ofs_align(sizes[i]));
  }
  *bytes = at;
  if (!block) return;
  all->list = parts[0];
  all->sums = parts[1];
  all->row = parts[2];
  all->ranked = parts[3];
  all->sorted[0] = parts[4];
  all->sorted[1] = parts[5];
}

ofs_status ofs_metrics_bytes(const ofs_model *model, const void *spec, size_t n, uint64_t samples,
                             uint64_t *bytes, ofs_error *err) {
  ofs_metrics all;
  metric list[METRICS_MOST];
  ofs_status s = read_all(&all, list, model, spec, n, samples, err);
  if (s == OFS_OK) lay_out(&all, NULL, bytes);
  return s;
}

ofs_status ofs_metrics_init(void *mem, uint64_t bytes, const ofs_model *model, const void *spec,
                            size_t n, uint64_t samples, ofs_metrics **metrics, ofs_error *err) {
  ofs_metrics all;
  metric list[METRICS_MOST];
  uint64_t needed;
  ofs_status s = read_all(&all, list, model, spec, n, samples, err);
  if (s < 0) return s;
  lay_out(&all, NULL, &needed);
  if (bytes < needed)
    return ofs_refuse(err, OFS_OUT_OF_MEMORY, OFS_IN_BYTES, -1, OFS_WHY_BYTES, (double)bytes, 0,
                      (double)needed);
  lay_out(&all, mem, &needed);
  for (uint32_t i = 0; i < all.count; i++) all.list[i] = list[i];
  *(ofs_metrics *)mem = all;
  *metrics = mem;
  ofs_metrics_reset(mem);
  return OFS_OK;
}

uint32_t ofs_metrics_count(const ofs_metrics *all) { return all->count; }

ofs_status ofs_metrics_info(const ofs_metrics *all, uint32_t i, ofs_metric_info *info) {
  if (i >= all->count) return OFS_INVALID_ARGUMENT;
  const metric *m = &all->list[i];
  *info = (ofs_metric_info){m->type, m->output, m->length, m->rank, m->direction};
  return OFS_OK;
}

/* ---- the state ---- */

/* Returns how many doubles the state is: up to the last score there is. */
static uint64_t state_size(const ofs_metrics *all, const double *sums) {
  const metric *last = all->list + all->last;
  if (all->last == all->count) return all->begin;
  return all->begin + score_doubles(last, (uint64_t)sums[last->at]);
}

void ofs_metrics_reset(ofs_metrics *all) {
  for (uint64_t i = 0; i < all->begin; i++) all->sums[i] = 0;
  ofs_metrics_unrank(all);
}

const double *ofs_metrics_state(const ofs_metrics *all, uint64_t *n) {
  *n = state_size(all, all->sums);
  return all->sums;
}

/* Returns 1 where a sum may be below 0. */
static int is_signed(const metric *m, uint64_t i) {
  if (m->kind == MEAN) return i == 0 && m->type == OFS_METRIC_COSINE;
  if (m->kind != MOMENTS || i == 0) return 0;
  uint64_t k = (i - 1) % MOMENTED;
  return k == TARGET || k == GUESS || k == PRODUCTS;
}

static int is_sum(double v, int below_0) { return v - v == 0 && (v >= 0 || below_0); }

/* Returns 1 where these can be scores of n positions. */
static int are_scores(const metric *m, const float *v, uint64_t n) {
  for (uint64_t i = 0; i < n; i++, v += m->out->axis + 1) {
    if (!(v[0] > 0 && v[0] - v[0] == 0)) return 0;
    for (uint32_t k = 1; k <= m->out->axis; k++)
      if (!(v[k] >= -1 && v[k] <= 1)) return 0;
  }
  return 1;
}

ofs_status ofs_metrics_restore(ofs_metrics *all, const double *from, uint64_t n) {
  if (n < all->fixed || n > all->size) return OFS_INVALID_DATA;
  for (uint32_t k = 0; k < all->outputs; k++)
    if (!is_sum(from[k], 0)) return OFS_INVALID_DATA;
  for (const metric *m = all->list; m < all->list + all->count; m++) {
    if (!m->own) continue;
    for (uint64_t i = 0; i < m->size; i++)
      if (!is_sum(from[m->at + i], is_signed(m, i))) return OFS_INVALID_DATA;
    double held = from[m->at];
    if (m->kind == SCORES && !(held <= (double)m->room && held == __builtin_floor(held)))
      return OFS_INVALID_DATA;
  }
  if (state_size(all, from) != n) return OFS_INVALID_DATA;
  for (const metric *m = all->list; m < all->list + all->count; m++)
    if (m->kind == SCORES && m->own &&
        !are_scores(m, (const float *)(from + m->scores_at), (uint64_t)from[m->at]))
      return OFS_INVALID_DATA;
  ofs_metrics_reset(all);
  for (uint64_t i = 0; i < n; i++) all->sums[i] = from[i];
  return OFS_OK;
}
