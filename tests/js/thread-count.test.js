/* thread-count.test.js: how many threads compute, decided from what steps take: here they take what
 * the test says, so that nothing depends on the machine. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ThreadCount } from '../../worker/host/thread-count.js';

const SAMPLES = 32;

/**
 * Trains with steps of stepMs(threads) each, with all helpers there.
 * @param {(threads: number, ms: number) => number} stepMs  ms: trained so far
 * @param {{ most?: number }} [setting]
 */
function training(stepMs, { most = 2 } = {}) {
  const state = { most, ms: 0, lost: 0, steps: 0, /** @type {number[][]} */ changes: [] };
  /** Ms with each number. @type {number[]} */ let spent = [];
  const count = new ThreadCount(() => state.most);
  count.begin(SAMPLES);
  let last = 0;
  /** Trains for so long. @param {number} ms */
  const run = (ms) => {
    spent = [];
    for (const end = state.ms + ms; state.ms < end; state.steps++) {
      const threads = Math.min(count.count, state.most);
      if (threads !== last) state.changes.push([Math.round(state.ms), (last = threads)]);
      const taken = stepMs(threads, state.ms);
      let best = Infinity;
      for (let n = 1; n <= state.most; n++) best = Math.min(best, stepMs(n, state.ms));
      state.lost += taken - best;
      state.ms += taken;
      spent[threads] = (spent[threads] ?? 0) + taken;
      count.stepTook(SAMPLES, taken);
    }
    return count.count;
  };
  /** With how many it trained longest, in so many ms. @param {number} ms */
  const mostly = (ms) => {
    run(ms);
    return spent.indexOf(Math.max(...spent.filter((each) => each)));
  };
  return { state, count, run, mostly };
}

/** Idle cores: each thread takes its part. @param {number} threads */
const idle = (threads) => 10 / threads + 0.5;
/** Two threads on a core and a half: they wait for each other. @param {number} threads */
const busy = (threads) => (threads > 1 ? 22 : 12);

/** A random number from -1 to 1, always the same ones. @param {number} seed */
function noise(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

test('all compute from the first step on, and go on where that pays', () => {
  const { state, run } = training(idle);
  assert.equal(run(60_000), 2);
  assert.equal(state.changes[0][1], 2);
  assert.ok(state.lost < 0.02 * state.ms, `${state.lost} of ${state.ms} ms are lost`);
});

test('helpers that do not pay are left within a quarter of a second, and tried again with growing pauses', () => {
  const { state, run } = training(busy);
  assert.equal(run(250), 1);
  assert.equal(run(120_000), 1);
  const tries = state.changes.filter(([ms, threads]) => threads === 2 && ms > 250);
  const pauses = tries
    .slice(1)
    .map(([ms], i) => ms - tries[i][0])
    .filter((ms) => ms > 500);
  assert.ok(pauses.length >= 4 && pauses.length <= 8, `${pauses}`);
  for (let i = 1; i < pauses.length; i++)
    assert.ok(pauses[i] > 1.3 * pauses[i - 1] || pauses[i] >= 60_000, `${pauses}`);
  assert.ok(state.lost < 0.025 * state.ms, `${state.lost} of ${state.ms} ms are lost`);
});

test('they come back when the machine is idle again, which one thread alone cannot see', () => {
  const { state, run } = training((threads, ms) => (ms < 5000 ? busy : idle)(threads));
  run(5000);
  const { length } = state.changes;
  assert.equal(run(5000), 2, JSON.stringify(state.changes));
  assert.ok(state.changes.length > length);
});

test('a pace that plainly changes ends a pause at once', () => {
  const { state, run } = training((threads, ms) => (ms < 100_000 ? idle : busy)(threads));
  assert.equal(run(100_000), 2);
  assert.equal(run(800), 1, JSON.stringify(state.changes.slice(-5)));
});

test('paces that change all the time cost little all the same', () => {
  const phase = (/** @type {number} */ ms) => (Math.floor(ms / 400) % 2 ? 1 : 2);
  const { state, run } = training((threads, ms) => idle(threads) * phase(ms));
  run(60_000);
  assert.ok(state.lost < 0.06 * state.ms, `${state.lost} of ${state.ms} ms are lost`);
});

test('noise does not decide: equal times change nothing for long, unequal ones are told apart', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = noise(seed);
    /* a preemption of 4 ms in about every fourth step */
    const shaken = (/** @type {number} */ ms) =>
      ms * (1 + 0.05 * random()) + (random() > 0.5 ? 4 : 0);
    for (const [of, want] of /** @type {const} */ ([
      [(/** @type {number} */ threads) => 8 / threads + 1, 2],
      [(/** @type {number} */ threads) => 5 + 5 * threads, 1],
    ])) {
      let best = 0;
      const { state, run } = training((threads) => shaken(of(threads)));
      run(2000);
      for (let i = 0; i < 100; i++) best += run(100) === want ? 1 : 0;
      assert.ok(best > 85, `seed ${seed}: ${best} of 100, ${JSON.stringify(state.changes)}`);
    }
  }
});

test('of many threads the number in between is found, from above and from below', () => {
  /* beyond five they wait for each other */
  const crowded = (/** @type {number} */ n) =>
    12 / Math.min(n, 5) + 0.2 * n + 2 * Math.max(0, n - 5);
  const { run, mostly } = training(crowded, { most: 8 });
  run(2000);
  assert.equal(mostly(5000), 4);
  const later = training((n, ms) => (ms < 3000 ? 5 + n : crowded(n)), { most: 8 });
  assert.equal(later.mostly(3000), 1);
  later.run(10_000);
  assert.equal(later.mostly(5000), 4);
});

test('one alone is tried where a few less are no better than all', () => {
  const { run } = training((n) => (n > 1 ? 30 : 10), { most: 8 });
  assert.equal(run(2500), 1);
});

test('steps of seconds are windows of their own', () => {
  const { state, run } = training((n) => 100 * busy(n));
  run(60_000);
  assert.ok(state.steps > 35, `${state.steps} steps`);
  assert.equal(run(1), 1);
});

test('helpers that come later, or may not compute any more, change the number at once', () => {
  const { state, count, run } = training(idle, { most: 1 });
  assert.equal(run(1000), 1);
  state.most = 4;
  assert.equal(run(35), 4);
  state.most = 2;
  run(60);
  assert.ok(count.count <= 2);
  assert.equal(run(5000), 2);
});

test('another batch size is measured anew, the same one is not', () => {
  const { state, count, run } = training(busy);
  run(2500);
  const changes = state.changes.length;
  count.begin(SAMPLES);
  run(500);
  assert.equal(state.changes.length, changes, 'it knows');
  count.begin(4 * SAMPLES);
  run(100);
  assert.equal(state.changes[changes]?.[1], 2, 'all of them have their chance again');
});

test('batch sizes in turn cost no more than one of them, however short each is', () => {
  for (const ms of [20, 50, 100, 300, 1000]) {
    for (const [of, most] of /** @type {const} */ ([
      [busy, 2],
      [idle, 8],
    ])) {
      const { state, count, run } = training(of, { most });
      for (let turn = 0; state.ms < 60_000; turn++) {
        count.begin(turn % 2 ? SAMPLES : 4 * SAMPLES);
        run(ms);
      }
      const { lost, ms: all } = state;
      assert.ok(lost < 0.03 * all, `turns of ${ms} ms: ${lost} of ${all} ms are lost`);
    }
  }
});

test('what is found out for steps of one kind is not taken for those of another', () => {
  const { count, run } = training(busy);
  assert.equal(run(2500), 1);
  assert.equal(count.begin(SAMPLES, 1), true);
  assert.equal(count.count, 2);
  assert.equal(count.begin(SAMPLES, 1), false);
  assert.equal(count.begin(SAMPLES), true);
  assert.equal(count.count, 1);
});

test('threads that may compute and then may not, again and again, cost little', () => {
  for (const ms of [500, 1500, 4000]) {
    for (const of of [idle, (/** @type {number} */ n) => 6 + 2 * n]) {
      const { state, run } = training(of, { most: 7 });
      for (let turn = 0; state.ms < 120_000; turn++) {
        state.most = turn % 2 ? 3 : 7;
        run(ms);
      }
      const { lost, ms: all } = state;
      assert.ok(lost < 0.03 * all, `turns of ${ms} ms: ${lost} of ${all} ms are lost`);
    }
  }
});

test('one step that took long for another reason, whenever it was, makes no pause long', () => {
  for (let at = 30; at < 1500; at += 30) {
    const { state, count, run } = training((n, ms) => (ms < 60_000 ? busy : idle)(n));
    run(at);
    count.stepTook(SAMPLES, 20_000); // an evaluation between two steps, say
    run(60_000 + 70_000 - state.ms);
    assert.equal(count.count, 2, `after ${at} ms`);
  }
});

test('time that stands still decides nothing', () => {
  const count = new ThreadCount(() => 2);
  count.begin(SAMPLES);
  for (let i = 0; i < 1e5; i++) assert.equal(count.stepTook(SAMPLES, 0), false);
  assert.equal(count.count, Infinity);
});
