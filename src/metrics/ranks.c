/* ranks.c: sorts the scores of metrics, and measures the areas below their curves.
 *
 * Each number of an output is ranked by itself, where asked for all are together too: a radix sort
 * from the lowest byte on, which keeps equal scores in the order of the batch, then one walk from
 * the highest score down. Everything is cut into slices by the caller. */
#include "metrics/metrics.h"

/* Phases: entries are written and their bytes counted; four times sorted by a byte; walked. */
enum { WRITE, SORT, WALK = SORT + 4, PHASES };
/* Work units of an entry in one phase, and entries that are done at once. */
#define ENTRY_WORK 80u
#define ENTRIES 512u

static uint32_t bits_of(float score) {
  uint32_t bits;
  __builtin_memcpy(&bits, &score, sizeof bits);
  return bits;
}

void ofs_metrics_unrank(ofs_metrics *all) {
  all->ranking = all->phase = 0;
  all->column = all->entry = 0;
}

static void begin_phase(ofs_metrics *all) {
  if (all->phase == WRITE)
    for (uint32_t i = 0; i < 4 * 256; i++) all->places[i / 256][i % 256] = 0;
  if (all->phase == SORT)
    for (uint32_t k = 0; k < 4; k++)
      for (uint64_t i = 0, sum = 0, n; i < 256; i++, sum += n) {
        n = all->places[k][i];
        all->places[k][i] = sum;
      }
  if (all->phase == WALK) {
    all->area = all->precisions = 0;
    for (uint32_t i = 0; i < 2; i++) all->above[i] = all->alike[i] = 0;
  }
}

static void write_entry(ofs_metrics *all, const metric *m, uint64_t i) {
  uint64_t axis = m->out->axis;
  int pooled = all->column == axis;
  const float *scores = scores_of(all, m) + (pooled ? i / axis : i) * (axis + 1);
  float score = scores[1 + (pooled ? i % axis : all->column)];
  uint32_t bits = bits_of(score) & 0x7fffffffu;
  for (uint32_t k = 0; k < 4; k++) all->places[k][bits >> 8 * k & 255]++;
  all->sorted[0][i] =
      (ofs_entry){__builtin_fabsf(score), bits_of(score) >> 31 ? -scores[0] : scores[0]};
}

static void sort_entry(ofs_metrics *all, uint64_t i) {
  uint32_t k = all->phase - SORT;
  const ofs_entry *e = &all->sorted[k % 2][i];
  all->sorted[(k + 1) % 2][all->places[k][bits_of(e->score) >> 8 * k & 255]++] = *e;
}

/* Adds scores that are alike to the curves. */
static void step_down(ofs_metrics *all) {
  double up = all->alike[0], down = all->alike[1];
  all->area += down * (all->above[0] + up / 2);
  all->above[0] += up, all->above[1] += down;
  if (up > 0) all->precisions += up * (all->above[0] / (all->above[0] + all->above[1]));
  all->alike[0] = all->alike[1] = 0;
}

static void walk_entry(ofs_metrics *all, uint64_t i, uint64_t n) {
  const ofs_entry *e = &all->sorted[0][n - 1 - i];
  if (i > 0 && e->score != e[1].score) step_down(all);
  if (e->weight < 0)
    all->alike[1] -= e->weight;
  else
    all->alike[0] += e->weight;
}

static void end_walk(ofs_metrics *all, const metric *m) {
  step_down(all);
  double up = all->above[0], down = all->above[1];
  double *to = all->ranked + m->ranked_at + RANKED * all->column;
  to[ROC] = up > 0 && down > 0 ? all->area / (up * down) : 0;
  to[PRECISIONS] = up > 0 ? all->precisions / up : 0;
  to[POSITIVE] = up, to[NEGATIVE] = down;
}

/* Goes on to the next phase, number or metric. */
static void next_phase(ofs_metrics *all, const metric *m) {
  all->entry = 0;
  if (++all->phase < PHASES) return;
  end_walk(all, m);
  all->phase = WRITE;
  uint64_t columns = m->out->axis + (m->pooled ? 1ull : 0);
  if (++all->column < columns) return;
  all->column = 0;
  all->ranking++;
}

ofs_status ofs_metrics_finish(ofs_metrics *all, uint64_t work, uint64_t *done) {
  uint64_t spent = 0;
  while (all->ranking < all->count) {
    const metric *m = &all->list[all->ranking];
    if (m->kind != SCORES || !m->own) {
      all->ranking++;
      continue;
    }
    if (spent && spent + ENTRIES * ENTRY_WORK > work) break;
    uint64_t n = (uint64_t)all->sums[m->at] * (all->column == m->out->axis ? m->out->axis : 1);
    uint64_t end = n - all->entry < ENTRIES ? n : all->entry + ENTRIES;
    if (all->entry == 0) begin_phase(all);
    spent += (end - all->entry + 8) * ENTRY_WORK;
    for (; all->entry < end; all->entry++) {
      if (all->phase == WRITE)
        write_entry(all, m, all->entry);
      else if (all->phase == WALK)
        walk_entry(all, all->entry, n);
      else
        sort_entry(all, all->entry);
    }
    if (end == n) next_phase(all, m);
  }
  if (done) *done = spent;
  return all->ranking < all->count ? OFS_MORE : OFS_OK;
}
