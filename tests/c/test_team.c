/* test_team.c: threads change nothing but the time: every part of a region is run once, what one
 * region wrote the next one sees, and whole trainings have the same bits for any number of helpers,
 * sliced anywhere, with helpers that come late. A helper that ends within a part gives a status.
 * ThreadSanitizer watches all of it (OFS_TSAN). */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "base/team.h"
#include "check.h"
#include "spec_writer.h"

#define ALL (1ull << 62) /* more work than any step has */
#define MOST_HELPERS 7

static uint32_t noise = 2463534242u;

static uint32_t random_word(void) {
  noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
  return noise;
}

static float random_float(void) { return (float)(random_word() >> 8) / 8388608.0f - 1; }

/* ---- a team with its threads ---- */

typedef struct crew {
  ofs_team *team;
  pthread_t threads[MOST_HELPERS];
  int count;
} crew;

static _Thread_local int is_helper;

static void *help(void *team) {
  is_helper = 1;
  ofs_team_help(team);
  return NULL;
}

static crew crew_open(void) { return (crew){.team = ofs_team_init(block_of(ofs_team_bytes()))}; }

static void crew_grow(crew *c, int helpers) {
  for (; c->count < helpers; c->count++)
    CHECK_INT(pthread_create(&c->threads[c->count], NULL, help, c->team), 0);
}

static void crew_wait(const crew *c) {
  while (ofs_team_helpers(c->team) < (uint32_t)c->count) continue;
}

static void crew_close(crew *c) {
  ofs_team_end(c->team);
  for (int i = 0; i < c->count; i++) CHECK_INT(pthread_join(c->threads[i], NULL), 0);
  CHECK_INT(ofs_team_helpers(c->team), 0);
  free(c->team);
}

/* ---- regions ---- */

#define MOST_PARTS 40

/* Parts of region r write r's values, each from what all parts of region r - 1 wrote: wrong, or
 * seen as a race, where a region begins before the one before it has ended. */
static struct {
  uint32_t runs[MOST_PARTS], parts, first;
  uint64_t values[2][MOST_PARTS];
  uint64_t takers; /* a bit for each thread that took a part */
  int region, spin;
} board;

static _Thread_local uint64_t own_bit; /* 0: this thread has taken no part yet */
static uint32_t bits_given;

static void region_part(const void *job, uint32_t part) {
  (void)job;
  if (!own_bit) own_bit = (uint64_t)1 << __atomic_fetch_add(&bits_given, 1, __ATOMIC_RELAXED) % 64;
  __atomic_fetch_or(&board.takers, own_bit, __ATOMIC_RELAXED);
  uint64_t sum = part;
  const uint64_t *before = board.values[(board.region + 1) % 2];
  for (int i = 0; i < MOST_PARTS; i++) sum = sum * 31 + before[i];
  for (int i = 0; i < board.spin; i++) __atomic_signal_fence(__ATOMIC_SEQ_CST);
  board.values[board.region % 2][part - board.first] = sum;
  board.runs[part - board.first]++;
}

/* The values after `regions` random regions, shared by 1 + helpers threads. */
static uint64_t run_regions(int helpers, int regions, uint32_t part_work) {
  crew c = crew_open();
  noise = 1234567;
  memset(&board, 0, sizeof board);
  for (int r = 0; r < regions; r++) {
    /* the others come when much has been done */
    if (r == regions / 3) crew_grow(&c, (helpers + 1) / 2);
    if (r == regions / 2) crew_grow(&c, helpers);
    board.region = r;
    board.parts = 2 + random_word() % (MOST_PARTS - 1);
    board.first = random_word() % 100;
    board.spin = (int)(random_word() % 8 ? random_word() % 50 : random_word() % 20000);
    memset(board.runs, 0, sizeof board.runs);
    if (r % 1000 == 999) ofs_team_wake(c.team);
    CHECK_INT(ofs_team_run(c.team, region_part, &board, board.first, board.first + board.parts,
                           part_work),
              OFS_OK);
    for (uint32_t i = 0; i < MOST_PARTS; i++)
      if (!CHECK_MSG(board.runs[i] == (i < board.parts), "region %d, part %u: run %u times", r, i,
                     board.runs[i]))
        break;
  }
  crew_wait(&c);
  crew_close(&c);
  uint64_t sum = 0;
  for (int i = 0; i < MOST_PARTS; i++) sum = sum * 31 + board.values[0][i] + board.values[1][i];
  return sum;
}

static void test_regions(void) {
  const uint64_t want = run_regions(0, 3000, 1);
  for (int helpers = 1; helpers <= MOST_HELPERS; helpers += helpers < 3 ? 1 : 2) {
    CHECK(run_regions(helpers, 3000, 1) == want);               /* who sleeps is left asleep */
    CHECK(run_regions(helpers, 3000, OFS_WAKE_REGION) == want); /* who sleeps is woken */
  }
}

/* ---- a limit, which may change between any two regions ---- */

/* Waits until no more than `awake` helpers are. One that is counted as asleep may still find that
 * its word has changed, and be awake for a moment: how many sleep is waited for, never checked. But
 * it looks at the limit before it takes a part. */
static void until_asleep(const crew *c, uint32_t awake) {
  while (ofs_team_asleep(c->team) + awake < (uint32_t)c->count) continue;
}

/* Runs a region of `parts` parts, each of them once. */
static void run_limited(const crew *c, int region, uint32_t parts) {
  board.region = region;
  board.parts = parts;
  board.first = 0;
  memset(board.runs, 0, sizeof board.runs);
  CHECK_INT(ofs_team_run(c->team, region_part, &board, 0, parts, OFS_WAKE_REGION), OFS_OK);
  for (uint32_t i = 0; i < MOST_PARTS; i++) CHECK_INT(board.runs[i], i < parts);
}

static void test_limits(void) {
  crew c = crew_open();
  memset(&board, 0, sizeof board);
  ofs_team_limit(c.team, 2); /* before any helper is there */
  crew_grow(&c, MOST_HELPERS);
  crew_wait(&c);
  CHECK_INT(ofs_team_threads(c.team), 2);
  own_bit = bits_given = 0; /* no thread of this crew has a bit */
  for (uint32_t limit = 1; limit <= MOST_HELPERS + 2; limit++) {
    const uint32_t want = limit <= MOST_HELPERS ? limit : MOST_HELPERS + 1;
    ofs_team_limit(c.team, limit);
    CHECK_INT(ofs_team_threads(c.team), want);
    until_asleep(&c, 0); /* nobody spins for long where nothing is to be done */
    board.takers = 0;
    for (int r = 0; r < 100; r++) {
      run_limited(&c, r, MOST_PARTS);
      until_asleep(&c, want - 1); /* those above the limit are not woken for good */
    }
    CHECK((uint32_t)__builtin_popcountll(board.takers) <= want);
  }
  for (int r = 0; r < 3000; r++) { /* at every region another one, 0 as 1 */
    ofs_team_limit(c.team, random_word() % (MOST_HELPERS + 3));
    run_limited(&c, r, 2 + random_word() % (MOST_PARTS - 1));
  }
  ofs_team_limit(c.team, UINT32_MAX);
  CHECK_INT(ofs_team_threads(c.team), MOST_HELPERS + 1);
  ofs_team_limit(c.team, 1);
  until_asleep(&c, 0);
  crew_close(&c); /* they leave out of their sleep */
}

static void test_seats(void) {
  ofs_team *team = ofs_team_init(block_of(ofs_team_bytes()));
  pthread_t threads[OFS_TEAM_HELPERS], more;
  for (int i = 0; i < OFS_TEAM_HELPERS; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, help, team), 0);
  while (ofs_team_helpers(team) < OFS_TEAM_HELPERS) continue;
  CHECK_INT(pthread_create(&more, NULL, help, team), 0);
  CHECK_INT(pthread_join(more, NULL), 0); /* there is no seat: it returns */
  CHECK_INT(ofs_team_threads(team), OFS_TEAM_HELPERS + 1);
  ofs_team_limit(team, OFS_TEAM_HELPERS);
  CHECK_INT(ofs_team_threads(team), OFS_TEAM_HELPERS);
  ofs_team_end(team);
  for (int i = 0; i < OFS_TEAM_HELPERS; i++) CHECK_INT(pthread_join(threads[i], NULL), 0);
  CHECK_INT(ofs_team_helpers(team), 0);
  free(team);
}

static void test_saving(void) {
  CHECK_INT(ofs_region_saves(1, 100, 2), 0);
  CHECK_INT(ofs_region_saves(2, 100, 2), 100);
  CHECK_INT(ofs_region_saves(3, 100, 2), 100);
  CHECK_INT(ofs_region_saves(8, 100, 3), 500);
  CHECK_INT(ofs_region_saves(8, 100, 1), 0);
}

static void test_lives(void) {
  for (int i = 0; i < 200; i++) { /* ended before, while and after its helpers report in */
    crew c = crew_open();
    crew_grow(&c, i % 4);
    if (i % 2) crew_wait(&c);
    crew_close(&c);
  }
}

/* ---- helpers that are lent from one team to another ---- */

static ofs_team *lenders[2];
static int lender; /* which team has the helpers; -1: they end */

static void *help_in_turn(void *unused) {
  (void)unused;
  for (int t; (t = __atomic_load_n(&lender, __ATOMIC_SEQ_CST)) >= 0;) ofs_team_help(lenders[t]);
  return NULL;
}

/* The values after regions of two teams in turn, which share so many helpers. */
static uint64_t run_lent(int helpers, int turns) {
  pthread_t threads[MOST_HELPERS];
  noise = 7654321;
  memset(&board, 0, sizeof board);
  for (int t = 0; t < 2; t++) lenders[t] = ofs_team_init(block_of(ofs_team_bytes()));
  ofs_team_end(lenders[1]);
  lender = 0;
  for (int i = 0; i < helpers; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, help_in_turn, NULL), 0);
  for (int turn = 0, r = 0; turn < turns; turn++) {
    const int to = turn % 2;
    if (turn > 0) {
      ofs_team_end(lenders[1 - to]);
      ofs_team_begin(lenders[to]);
      __atomic_store_n(&lender, to, __ATOMIC_SEQ_CST);
    }
    for (uint32_t regions = random_word() % 6; regions > 0; regions--, r++) {
      board.region = r;
      board.parts = 2 + random_word() % (MOST_PARTS - 1);
      board.spin = (int)(random_word() % 2000);
      memset(board.runs, 0, sizeof board.runs);
      CHECK_INT(ofs_team_run(lenders[to], region_part, &board, 0, board.parts, 1), OFS_OK);
      for (uint32_t i = 0; i < MOST_PARTS; i++) CHECK_INT(board.runs[i], i < board.parts);
    }
  }
  __atomic_store_n(&lender, -1, __ATOMIC_SEQ_CST);
  for (int t = 0; t < 2; t++) ofs_team_end(lenders[t]);
  for (int i = 0; i < helpers; i++) CHECK_INT(pthread_join(threads[i], NULL), 0);
  for (int t = 0; t < 2; t++) {
    CHECK_INT(ofs_team_helpers(lenders[t]), 0);
    free(lenders[t]);
  }
  uint64_t sum = 0;
  for (int i = 0; i < MOST_PARTS; i++) sum = sum * 31 + board.values[0][i] + board.values[1][i];
  return sum;
}

static void test_lending(void) {
  const uint64_t want = run_lent(0, 400);
  for (int helpers = 1; helpers <= 3; helpers++) CHECK(run_lent(helpers, 400) == want);
}

/* ---- trainings ---- */

#define SAMPLES 50
#define BATCH 16
#define MOST_INPUTS 1200

static float inputs[SAMPLES * MOST_INPUTS];
static int32_t labels[SAMPLES];
static const ofs_data data = {inputs, labels, OFS_F32, OFS_I32, SAMPLES, 0, NULL, NULL};

static void conv(writer *w, int filters, int kernel, int stride, int pad, int act) {
  writer_record(w, OFS_CONV2D);
  FIELD(w, OFS_CONV2D_FILTERS, filters);
  FIELD(w, OFS_CONV2D_KERNEL_SIZE, kernel);
  FIELD(w, OFS_CONV2D_STRIDES, stride);
  FIELD(w, OFS_CONV2D_PADDING, pad);
  FIELD(w, OFS_CONV2D_ACTIVATION, act);
}

static void dense(writer *w, int units, int act) {
  writer_record(w, OFS_DENSE);
  FIELD(w, OFS_DENSE_UNITS, units);
  FIELD(w, OFS_DENSE_ACTIVATION, act);
}

static void begin(writer *w) {
  w->n = 0;
  writer_record(w, OFS_MODEL);
  FIELD(w, OFS_MODEL_SEED, 77);
}

static void images(writer *w) {
  begin(w);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 20, 20, 3);
  writer_record(w, OFS_ADAM);
  conv(w, 24, 3, 1, OFS_PAD_SAME, OFS_ACT_RELU);
  writer_record(w, OFS_MAX_POOLING2D);
  conv(w, 40, 3, 1, OFS_PAD_SAME, OFS_ACT_GELU);
  conv(w, 20, 3, 2, OFS_PAD_VALID, OFS_ACT_LINEAR);
  writer_record(w, OFS_DROPOUT);
  FIELD(w, OFS_DROPOUT_RATE, 0.25);
  writer_record(w, OFS_FLATTEN);
  dense(w, 300, OFS_ACT_TANH);
  dense(w, 5, OFS_ACT_SOFTMAX);
}

static void wide(writer *w) {
  begin(w);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 700);
  writer_record(w, OFS_SGD);
  FIELD(w, OFS_SGD_MOMENTUM, 0.9);
  dense(w, 512, OFS_ACT_RELU);
  dense(w, 512, OFS_ACT_SELU);
  dense(w, 5, OFS_ACT_SOFTMAX);
}

static void rows(writer *w) {
  begin(w);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 40, 30);
  writer_record(w, OFS_ADAMW); /* with all that is summed over parts */
  FIELD(w, OFS_ADAMW_GLOBAL_CLIP_NORM, 0.01);
  FIELD(w, OFS_ADAMW_ACCUMULATION, 2);
  FIELD(w, OFS_ADAMW_USE_EMA, 1);
  FIELD(w, OFS_ADAMW_EMA_OVERWRITE, 2);
  dense(w, 128, OFS_ACT_SWISH);
  FIELD(w, OFS_DENSE_KERNEL_REG, 0.01, 0.02);
  FIELD(w, OFS_DENSE_KERNEL_NORM, 0.7, 0);
  dense(w, 96, OFS_ACT_SOFTMAX);
  writer_record(w, OFS_FLATTEN);
  dense(w, 5, OFS_ACT_SOFTMAX);
}

/* Waves: of several steps in blocks of samples, and of one with the units cut as well. */
static void steps(writer *w) {
  begin(w);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 6, 12);
  writer_record(w, OFS_ADAM);
  writer_record(w, OFS_GRU);
  FIELD(w, OFS_GRU_UNITS, 24);
  FIELD(w, OFS_GRU_RETURN_SEQUENCES, 1);
  writer_record(w, OFS_LSTM);
  FIELD(w, OFS_LSTM_UNITS, 230);
  dense(w, 5, OFS_ACT_SOFTMAX);
}

/* Attention and all normalizations. */
static void sentences(writer *w) {
  begin(w);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 40, 30);
  writer_record(w, OFS_ADAM);
  dense(w, 64, OFS_ACT_GELU);
  writer_record(w, OFS_POSITION_EMBEDDING);
  FIELD(w, OFS_POSITION_EMBEDDING_LENGTH, 50);
  for (int causal = 0; causal < 2; causal++) {
    writer_record(w, OFS_MULTI_HEAD_ATTENTION);
    FIELD(w, OFS_ATTENTION_HEADS, 4);
    FIELD(w, OFS_ATTENTION_KEY_DIM, 24);
    FIELD(w, OFS_ATTENTION_CAUSAL, causal);
    FIELD(w, OFS_ATTENTION_DROPOUT, 0.2);
    writer_record(w, OFS_LAYER_NORMALIZATION);
  }
  writer_record(w, OFS_BATCH_NORMALIZATION);
  dense(w, 48, OFS_ACT_RELU);
  writer_record(w, OFS_GROUP_NORMALIZATION);
  FIELD(w, OFS_GROUP_NORMALIZATION_GROUPS, 8);
  writer_record(w, OFS_FLATTEN);
  dense(w, 5, OFS_ACT_SOFTMAX);
}

static void tiny(writer *w) {
  begin(w);
  FIELD(w, OFS_MODEL_INPUT_SHAPE, 12);
  writer_record(w, OFS_ADAM);
  dense(w, 16, OFS_ACT_RELU);
  dense(w, 5, OFS_ACT_SOFTMAX);
}

typedef enum slicing { WHOLE, PARTS, RANDOM } slicing;

static uint64_t work_of(slicing how) {
  if (how == WHOLE) return ALL;
  return how == PARTS ? 1 : 1ull << random_word() % 26;
}

typedef struct result {
  double loss;
  uint64_t hash; /* FNV-1a of every bit of the weights */
  uint64_t sums; /* likewise, of metrics over both epochs */
} result;

#define HASH_BASIS 14695981039346656037ull

static uint64_t hash_on(uint64_t hash, const void *from, uint64_t n) {
  const unsigned char *bytes = from;
  for (uint64_t k = 0; k < n; k++) hash = (hash ^ bytes[k]) * 1099511628211ull;
  return hash;
}

static uint64_t hash_of(const ofs_model *m) {
  uint64_t hash = HASH_BASIS;
  for (uint32_t i = 0; i < ofs_model_tensors(m); i++) {
    ofs_tensor t;
    CHECK_INT(ofs_model_tensor(m, i, &t), OFS_OK);
    hash = hash_on(hash, t.data, t.size * sizeof *t.data);
  }
  return hash;
}

/* Returns metrics of every kind of sums, with room for two epochs. */
static ofs_metrics *open_metrics(const ofs_model *m) {
  static const uint16_t types[] = {OFS_METRIC_ACCURACY, OFS_METRIC_F1, OFS_METRIC_CONFUSION,
                                   OFS_METRIC_R2, OFS_METRIC_AUC};
  static writer w;
  w.n = 0;
  for (int i = 0; i < 5; i++) writer_record(&w, types[i]);
  FIELD(&w, OFS_AUC_THRESHOLDS, 20);
  writer_record(&w, OFS_METRIC_AUC);
  uint64_t bytes = 0;
  ofs_metrics *metrics = NULL;
  CHECK_INT(ofs_metrics_bytes(m, w.bytes, w.n, 2 * SAMPLES, &bytes, NULL), OFS_OK);
  CHECK_INT(ofs_metrics_init(block_of(bytes), bytes, m, w.bytes, w.n, 2 * SAMPLES, &metrics, NULL),
            OFS_OK);
  return metrics;
}

/* How helpers come: all before the first step; one more with every step; or all, and another limit
 * before every slice. */
typedef enum coming { AT_ONCE, LATE, LIMITED } coming;

/* Two epochs, the last batch partial. */
static result train(void (*net)(writer *), int helpers, slicing how, coming late) {
  static writer w;
  net(&w);
  result r = {0, 0, 0};
  ofs_model *m = open_model(&w, NULL);
  ofs_metrics *metrics = open_metrics(m);
  ofs_model_set_metrics(m, metrics);
  ofs_plan *p = open_plan(m, OFS_TRAIN, BATCH);
  CHECK_INT(ofs_plan_set_data(p, &data, NULL), OFS_OK);
  /* of wide, every step changes too many weights */
  CHECK_INT(ofs_plan_shares(p), net == images || net == rows || net == steps || net == sentences);
  crew c = crew_open();
  if (helpers) ofs_model_set_team(m, c.team);
  for (uint64_t epoch = 0; epoch < 2; epoch++)
    for (uint64_t first = 0; first < SAMPLES; first += BATCH) {
      crew_grow(&c, late == LATE && c.count < helpers ? c.count + 1 : helpers);
      if (late != LATE) crew_wait(&c);
      ofs_batch at = {.first = first, .n = SAMPLES, .count = BATCH, .shuffle = 1, .epoch = epoch};
      if (SAMPLES - first < BATCH) at.count = (uint32_t)(SAMPLES - first);
      CHECK_INT(ofs_step_begin(p, &at, NULL), OFS_OK);
      ofs_status s;
      do {
        if (late == LIMITED) ofs_team_limit(c.team, random_word() % (uint32_t)(helpers + 2));
        s = ofs_step_run(p, work_of(how), NULL);
      } while (s == OFS_MORE);
      CHECK_INT(s, OFS_OK);
      ofs_totals t;
      ofs_step_totals(p, &t);
      r.loss += t.loss;
    }
  crew_close(&c);
  r.hash = hash_of(m);
  uint64_t n;
  const double *sums = ofs_metrics_state(metrics, &n);
  r.sums = hash_on(HASH_BASIS, sums, n * sizeof *sums);
  free(p), free(metrics), free(m);
  return r;
}

static void test_trainings(void) {
  static void (*const nets[])(writer *) = {images, wide, rows, steps, sentences, tiny};
  static const int counts[] = {1, 2, 3, 7};
  for (int i = 0; i < SAMPLES; i++) labels[i] = (int32_t)(random_word() % 5);
  for (int i = 0; i < SAMPLES * MOST_INPUTS; i++) inputs[i] = random_float();
  for (int net = 0; net < 6; net++) {
    const result want = train(nets[net], 0, WHOLE, 0);
    CHECK(isfinite(want.loss) && want.loss > 0);
    for (int k = 0; k < 4; k++)
      for (slicing how = WHOLE; how <= RANDOM; how++) {
        const result got = train(nets[net], counts[k], how, (coming)((k + (int)how) % 3));
        CHECK_MSG(got.hash == want.hash && got.loss == want.loss && got.sums == want.sums,
                  "net %d, %d threads, slicing %d: other bits", net, counts[k] + 1, how);
      }
  }
}

/* ---- helpers that end with a part in hand ---- */

static struct {
  ofs_team *told; /* NULL: the helper ends without a word */
  int taken;
} ending;

/* The caller's part lasts until the helper has the other one. */
static void ending_part(const void *job, uint32_t part) {
  (void)job, (void)part;
  while (!is_helper && !__atomic_load_n(&ending.taken, __ATOMIC_SEQ_CST)) continue;
  if (!is_helper) return;
  __atomic_store_n(&ending.taken, 1, __ATOMIC_SEQ_CST);
  if (ending.told) ofs_team_lose(ending.told);
  pthread_exit(NULL);
}

static void test_lost(void) {
  for (int tells = 0; tells < 2; tells++) {
    crew c = crew_open();
    crew_grow(&c, 1);
    crew_wait(&c);
    ending.told = tells ? c.team : NULL;
    ending.taken = 0;
    CHECK_INT(ofs_team_run(c.team, ending_part, &ending, 0, 2, OFS_WAKE_REGION), OFS_THREAD_LOST);
    /* and stays so */
    CHECK_INT(ofs_team_run(c.team, ending_part, &ending, 0, 2, OFS_WAKE_REGION), OFS_THREAD_LOST);
    CHECK_INT(pthread_join(c.threads[0], NULL), 0);
    free(c.team);
  }
}

int main(void) {
  test_saving();
  test_regions();
  test_limits();
  test_seats();
  test_lives();
  test_lending();
  test_trainings();
  test_lost();
  return check_report("team");
}
