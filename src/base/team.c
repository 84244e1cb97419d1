/* team.c: one small fork-join team: pthreads natively, in wasm Workers over one shared memory.
 * Threads are the caller's to make; here they report in, share regions, sleep, and leave.
 *
 * A REGION is parts of one job, a share of them for each thread, always the same one, because what
 * a core wrote in one job lies in its cache for the next. A part is claimed by adding one to a
 * share's ticket, whose two halves are the next part and the end; who is through with its own share
 * goes on with the others'. The caller goes on once as many parts are done as there were, so nobody
 * ever waits for a helper that is late: it finds nothing left. What describes a region is written
 * while none of its parts can be claimed, and read by those only who claimed one.
 *
 * A helper has a SEAT for as long as it helps, the lowest that is free. Those whose seats are above
 * the caller's limit take no parts: they sleep until the limit is another one, and nothing that the
 * others do wakes them.
 *
 * Waiting is spinning for at most about 50 microseconds, then sleep on a word that changes. A
 * caller's sleep has an end, so that a helper that died with a part in hand gives a status and not
 * a deadlock. */
#ifndef __wasm__
#define _POSIX_C_SOURCE 200809L /* pthread_cond_timedwait, clock_gettime */
#include <pthread.h>
#include <time.h>
#endif

#include "base/team.h"

/* A thread looks so often at a word that nobody else writes: at most 50 microseconds, for one look
 * takes 0.43 to 0.67 ns in V8 (there is no clock here, and wasm has no pause). */
#define SPINS 75000
/* The caller naps so long while parts are missing, and gives the helper up after so many naps in a
 * row that bring nothing: 10 s. A part takes a millisecond. Naps are counted, because a machine
 * that was suspended has slept through one, not through all. */
#define NAP_NS 100000000ll
#define MOST_NAPS 100
#define FOREVER -1ll

/* There is a share for each thread: the caller, and a helper for each bit of `seats`. */
#define SHARES (1 + OFS_TEAM_HELPERS)

/* Words that different threads write at the same time lie in cache lines of their own. */
typedef struct ofs_share {
  _Alignas(64) uint64_t ticket; /* low half: the next part; high half: the end */
} ofs_share;

struct ofs_team {
  ofs_share shares[SHARES];
  _Alignas(64) uint32_t round; /* changes with every region, and to wake its sleepers */
  uint32_t used;               /* shares */
  ofs_job_fn run;
  const void *job;
  uint32_t first;
  _Alignas(64) uint32_t done;  /* parts of the region */
  uint32_t waiting;            /* the caller sleeps on `done` */
  _Alignas(64) uint64_t seats; /* a bit for each helper */
  uint32_t limit;              /* of threads that take parts */
  uint32_t gate;               /* changes with the limit, and to wake those above it */
  uint32_t sleepers, outside;  /* helpers that sleep: on `round`, on `gate` */
  uint32_t ended, lost;
#ifndef __wasm__
  pthread_mutex_t lock;
  pthread_cond_t changed;
#endif
};

/* These words are sequentially consistent: a thread that announces a sleep and then looks, and one
 * that writes and then looks for sleepers, must not miss each other. */
#define LOAD(word) __atomic_load_n(word, __ATOMIC_SEQ_CST)
#define STORE(word, value) __atomic_store_n(word, value, __ATOMIC_SEQ_CST)
#define ADD(word, value) __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST)

/* ---- sleeping while *word is `seen`, and waking the sleepers ---- */

#ifdef __wasm__

static void prepare(ofs_team *t) { (void)t; }
static void await(ofs_team *t, uint32_t *word, uint32_t seen, int64_t ns) {
  (void)t;
  __builtin_wasm_memory_atomic_wait32((int *)word, (int)seen, ns);
}
static void rouse(ofs_team *t, uint32_t *word) {
  (void)t;
  __builtin_wasm_memory_atomic_notify((int *)word, UINT32_MAX);
}

#else

static void prepare(ofs_team *t) {
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->changed, NULL);
}

static void await(ofs_team *t, uint32_t *word, uint32_t seen, int64_t ns) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_nsec += ns > 0 ? (long)ns : 0;
  end.tv_sec += end.tv_nsec / 1000000000, end.tv_nsec %= 1000000000;
  pthread_mutex_lock(&t->lock);
  for (int late = 0; !late && LOAD(word) == seen;)
    late = ns == FOREVER ? pthread_cond_wait(&t->changed, &t->lock)
                         : pthread_cond_timedwait(&t->changed, &t->lock, &end);
  pthread_mutex_unlock(&t->lock);
}

static void rouse(ofs_team *t, uint32_t *word) {
  (void)word;
  pthread_mutex_lock(&t->lock);
  pthread_cond_broadcast(&t->changed);
  pthread_mutex_unlock(&t->lock);
}

#endif

/* ---- a region ---- */

/* Runs the unclaimed parts of a share, and returns how many. */
static uint32_t run_share(ofs_team *t, ofs_share *s) {
  for (uint32_t count = 0;; count++) {
    uint64_t ticket = LOAD(&s->ticket);
    if ((uint32_t)ticket < ticket >> 32) ticket = ADD(&s->ticket, 1);
    if ((uint32_t)ticket >= ticket >> 32) return count;
    t->run(t->job, t->first + (uint32_t)ticket);
  }
}

/* Runs parts until none is left, those of thread `own` first, and returns how many. */
static uint32_t run_parts(ofs_team *t, uint32_t own) {
  uint32_t count = 0, used = LOAD(&t->used);
  for (uint32_t i = 0; i < used; i++) count += run_share(t, &t->shares[(own + i) % used]);
  return count;
}

/* Waits until `count` parts are done. */
static ofs_status join(ofs_team *t, uint32_t count) {
  for (int i = 0; i < SPINS; i++)
    if (LOAD(&t->done) == count) return OFS_OK;
  STORE(&t->waiting, 1);
  uint32_t seen = LOAD(&t->done);
  for (int naps = 0; seen != count && naps < MOST_NAPS && !LOAD(&t->lost);) {
    await(t, &t->done, seen, NAP_NS);
    uint32_t now = LOAD(&t->done);
    naps = now == seen ? naps + 1 : 0;
    seen = now;
  }
  STORE(&t->waiting, 0);
  if (seen == count) return OFS_OK;
  STORE(&t->lost, 1);
  return OFS_THREAD_LOST;
}

ofs_status ofs_team_run(ofs_team *t, ofs_job_fn run, const void *job, uint32_t first, uint32_t last,
                        uint64_t work) {
  uint32_t count = last - first;
  if (LOAD(&t->lost)) return OFS_THREAD_LOST;
  t->run = run;
  t->job = job;
  t->first = first;
  STORE(&t->done, 0);
  uint32_t threads = ofs_team_threads(t);
  STORE(&t->used, threads);
  for (uint64_t i = 0; i < threads; i++)
    STORE(&t->shares[i].ticket, count * (i + 1) / threads << 32 | count * i / threads);
  ADD(&t->round, 1);
  if (ofs_region_saves(count, work, threads) >= OFS_WAKE_REGION) ofs_team_wake(t);
  uint32_t own = run_parts(t, 0);
  if (ADD(&t->done, own) + own == count) return OFS_OK;
  return join(t, count);
}

uint32_t ofs_team_threads(const ofs_team *t) {
  if (!t) return 1;
  uint32_t limit = t->limit;
  uint64_t within = limit < SHARES ? ((uint64_t)1 << (limit - 1)) - 1 : UINT64_MAX;
  return 1 + (uint32_t)__builtin_popcountll(LOAD(&t->seats) & within);
}

void ofs_team_wake(ofs_team *t) {
  if (!LOAD(&t->sleepers)) return;
  ADD(&t->round, 1); /* a helper that is about to sleep does not */
  rouse(t, &t->round);
}

/* ---- helpers ---- */

/* Takes the lowest seat that is free, and returns its bit; 0: there is none. */
static uint64_t take_seat(ofs_team *t) {
  uint64_t seats = LOAD(&t->seats), free;
  do free = ~seats & (seats + 1);
  while (free && !__atomic_compare_exchange_n(&t->seats, &seats, seats | free, 0, __ATOMIC_SEQ_CST,
                                              __ATOMIC_SEQ_CST));
  return free;
}

/* Sleeps while *word is `seen`, possibly longer, as one of those that `count` counts. */
static void doze(ofs_team *t, uint32_t *word, uint32_t seen, uint32_t *count) {
  ADD(count, 1);
  await(t, word, seen, FOREVER);
  ADD(count, -1u);
}

void ofs_team_help(ofs_team *t) {
  uint64_t seat = take_seat(t);
  if (!seat) return;
  uint32_t own = 1 + (uint32_t)__builtin_ctzll(seat), seen = LOAD(&t->round);
  for (;;) {
    uint32_t gate = LOAD(&t->gate);
    if (LOAD(&t->ended)) break;
    if (own >= LOAD(&t->limit)) {
      doze(t, &t->gate, gate, &t->outside);
      continue;
    }
    for (int i = 0; i < SPINS && LOAD(&t->round) == seen; i++) continue;
    if (LOAD(&t->round) == seen) {
      doze(t, &t->round, seen, &t->sleepers);
      continue;
    }
    seen = LOAD(&t->round);
    uint32_t count = run_parts(t, own);
    if (!count) continue;
    ADD(&t->done, count);
    if (LOAD(&t->waiting)) rouse(t, &t->done);
  }
  __atomic_fetch_and(&t->seats, ~seat, __ATOMIC_SEQ_CST);
}

/* ---- a team's life ---- */

size_t ofs_team_bytes(void) { return sizeof(ofs_team); }

ofs_team *ofs_team_init(void *mem) {
  ofs_team *t = mem;
  *t = (ofs_team){.limit = SHARES};
  prepare(t);
  return t;
}

uint32_t ofs_team_helpers(const ofs_team *t) {
  return (uint32_t)__builtin_popcountll(LOAD(&t->seats));
}

uint32_t ofs_team_asleep(const ofs_team *t) { return LOAD(&t->sleepers) + LOAD(&t->outside); }

void ofs_team_limit(ofs_team *t, uint32_t threads) {
  STORE(&t->limit, threads > 1 ? threads : 1);
  ADD(&t->gate, 1);
  if (LOAD(&t->outside)) rouse(t, &t->gate);
}

void ofs_team_lose(ofs_team *t) {
  STORE(&t->lost, 1);
  rouse(t, &t->done);
}

void ofs_team_begin(ofs_team *t) { STORE(&t->ended, 0); }

void ofs_team_end(ofs_team *t) {
  STORE(&t->ended, 1);
  ADD(&t->round, 1);
  ADD(&t->gate, 1);
  rouse(t, &t->round);
  rouse(t, &t->gate);
}
