/* suspend-pump.test.js: what the pump makes of a clock that jumps, and how it rests, with a clock
 * of the test's own.
 *
 * Training is a generator that takes a set time for each piece, so every figure here is exact and
 * none depends on the machine. */
import assert from 'node:assert/strict';
import test from 'node:test';

import { LANES } from '../../worker/host/pump.js';
import { Scheduler } from '../../worker/host/scheduler.js';
import { createManualHost } from './manual-host.js';

/**
 * A pump that trains in pieces of `piece` ms, each a slice.
 * @param {{ piece?: number, duty?: number }} [setting]
 */
function training({ piece = 2, duty } = {}) {
  const time = createManualHost();
  const pump = new Scheduler(time.host).open();
  pump.configure({ sliceMs: 2, duty });
  const state = { trained: 0, paused: false, updating: false, urgent: false };
  /** @type {{ ms: number, at: number, counted: number }[]} */
  const gaps = [];
  pump.onGap = (gap) => void gaps.push(gap);
  const start = () =>
    pump.setBackground({
      work: (function* work() {
        for (;;) {
          time.ms += piece;
          state.trained += piece;
          if (pump.look()) yield;
        }
      })(),
      done: () => {},
      fail: assert.fail,
      updating: () => state.updating,
      paused: () => state.paused,
      urgent: () => state.urgent,
    });
  start();
  /** A job as PREDICT makes it. @returns {() => boolean} whether it is done */
  const ask = (lane = LANES.SHORT) => {
    let done = false;
    pump.add(lane, {
      work: (function* job() {})(),
      done: () => void (done = true),
      fail: assert.fail,
    });
    pump.runJobs();
    return () => done;
  };
  return { time, pump, state, gaps, start, ask };
}

test('a clock that jumps between two slices, or within one, is a gap; a second is none', () => {
  const { time, gaps, state } = training();
  time.turn(3);
  time.ms += 1000;
  time.turn(3);
  assert.deepEqual(gaps, []);
  const at = 1e12 + time.ms;
  time.ms += 60_000;
  time.turn(3);
  assert.deepEqual(gaps, [{ ms: 60_000, at, counted: 60_000 }]);
  const trained = state.trained;
  time.turn(10);
  assert.equal(state.trained - trained, 20, 'it goes on as before');
  assert.equal(gaps.length, 1, 'a gap is told once');
});

test('a jump in the middle of a slice is told before anything else is computed', () => {
  const time = createManualHost();
  const pump = new Scheduler(time.host).open();
  pump.configure({ sliceMs: 2 });
  /** @type {string[]} */
  const order = [];
  pump.onGap = ({ ms, counted }) => void order.push(`gap ${ms} ${counted}`);
  pump.setBackground({
    work: (function* work() {
      time.ms += 5000;
      const over = pump.spend(1e9);
      order.push(`computed, ${over ? 'slice over' : 'on'}`);
      yield;
      order.push('next');
    })(),
    done: () => {},
    fail: assert.fail,
    updating: () => false,
    paused: () => false,
  });
  const rate = pump.rate;
  time.turn();
  assert.deepEqual(order, ['gap 5000 5000', 'computed, slice over']);
  assert.equal(pump.rate, rate, 'the rate is that of the work, not of a sleeping machine');
  time.turn();
  assert.deepEqual(order.slice(2), ['next']);
});

test('a machine that sleeps may stop the monotonic clock: the wall clock tells', () => {
  const { time, gaps } = training();
  time.turn(3);
  const at = time.host.wall();
  time.slept += 3_600_000;
  time.turn(3);
  assert.deepEqual(gaps, [{ ms: 3_600_000, at, counted: 0 }]);
  // Frozen for ten seconds, and then asleep for an hour: both are of the gap, ten seconds were
  // counted.
  const next = time.host.wall();
  time.ms += 10_000;
  time.slept += 3_600_000;
  time.turn(3);
  assert.deepEqual(gaps[1], { ms: 3_610_000, at: next, counted: 10_000 });
  // A wall clock that is put back is no gap.
  time.slept -= 7_200_000;
  time.turn(3);
  assert.equal(gaps.length, 2);
});

test('no gap where nothing should have run: idle, paused, before a run', () => {
  const { time, pump, state, gaps, start, ask } = training();
  time.turn(2);
  state.paused = true;
  time.turn(2);
  time.ms += 60_000;
  time.slept += 60_000;
  ask(); // whatever resumes it comes as a message
  state.paused = false;
  pump.wake();
  time.turn(3);
  pump.setBackground(null);
  time.ms += 60_000;
  time.slept += 60_000;
  ask();
  time.ms += 60_000;
  start();
  time.turn(3);
  assert.deepEqual(gaps, []);
  time.ms += 60_000;
  ask(); // the first thing after a suspension may as well be a message
  assert.equal(gaps.length, 1);
});

for (const duty of [0.75, 0.5, 0.1, 0.01]) {
  test(`duty ${duty}: training computes for that share of the time, with few timers`, () => {
    const { time, state } = training({ duty });
    const end = 600_000;
    let timers = 0;
    while (time.ms < end) {
      if (time.waiting > 0) time.turn();
      else {
        assert.equal(time.timers.length, 1, 'it rests');
        timers++;
        time.ms = time.timers[0].due;
        time.fire();
      }
    }
    assert.ok(Math.abs(state.trained / end - duty) < 0.001, `${state.trained / end}`);
    assert.ok(timers <= end / 50, `${timers} timers`);
  });
}

test('duty: a timer that is late, as in a hidden tab, is made up for; an hour of sleep is not', () => {
  const { time, state, gaps } = training({ duty: 0.5 });
  const late = (/** @type {number} */ ms) => {
    while (time.waiting > 0) time.turn();
    time.ms = time.timers[0].due + ms;
    time.fire();
  };
  for (let rest = 0; rest < 200; rest++) late(900);
  assert.ok(Math.abs(state.trained / time.ms - 0.5) < 0.01, `${state.trained / time.ms}`);
  assert.deepEqual(gaps, [], 'a rest is no gap, nor is a timer that is a second late');
  const before = state.trained;
  late(3_600_000);
  assert.deepEqual(gaps.length, 0, 'not before it goes on');
  while (time.waiting > 0) time.turn();
  assert.deepEqual(
    gaps.map(({ ms }) => ms),
    [3_600_000],
  );
  assert.ok(state.trained - before < 2200, `it rests again after ${state.trained - before} ms`);
});

test('duty: whatever is asked while training rests is answered at once, and an update under way is finished for it', () => {
  const { time, state, ask } = training({ duty: 0.1 });
  while (time.waiting > 0) time.turn();
  const { trained } = state;
  for (const lane of Object.values(LANES)) assert.ok(ask(lane)(), `lane ${lane}`);
  assert.equal(state.trained, trained, 'training rests meanwhile');
  assert.equal(time.waiting, 0);

  state.updating = true;
  const done = ask();
  assert.ok(!done());
  time.turn();
  assert.ok(state.trained > trained, 'the update goes on although it is rest time');
  state.updating = false;
  time.turn();
  assert.ok(done());
  assert.equal(time.waiting, 0, 'and rests again');
});

test('duty: training that somebody waits for does not rest, nor owe', () => {
  const { time, state, start } = training({ duty: 0.1 });
  while (time.waiting > 0) time.turn();
  state.urgent = true;
  start(); // as a run that is stopped goes on to take its last checkpoint
  const { trained } = state;
  time.turn(1000);
  assert.equal(state.trained - trained, 2000);
  assert.equal(time.timers.length, 1, 'the one that was there');
  state.urgent = false;
  time.ms = Math.max(time.ms, time.timers[0].due);
  time.fire();
  const before = state.trained;
  while (time.waiting > 0) time.turn();
  assert.ok(state.trained > before);
  assert.ok(
    time.timers[0].due - time.ms < 1000,
    `the next rest is of ${time.timers[0].due - time.ms} ms`,
  );
});

test('duty: a slice in which the machine slept is not rested for', () => {
  const { time, pump } = training({ duty: 0.1 });
  pump.setBackground({
    work: (function* work() {
      time.ms += 3_600_000;
      pump.look();
      yield;
    })(),
    done: () => {},
    fail: assert.fail,
    updating: () => false,
    paused: () => false,
  });
  time.turn(2);
  assert.equal(time.timers.length, 0);
});

test('duty: a queue that lets no timer through cannot make a rest longer', () => {
  const { time, state, pump } = training({ duty: 0.5 });
  while (time.waiting > 0) time.turn();
  const { trained } = state;
  pump.breathe();
  assert.equal(state.trained, trained, 'it is rest time');
  time.ms = time.timers[0].due;
  pump.breathe();
  assert.ok(state.trained > trained);
  const timers = time.timers.length;
  time.fire(); // the timer comes at last: no harm
  time.turn(3);
  assert.ok(time.timers.length <= timers);
});

test('duty 1 asks for no timer', () => {
  const { time, state } = training();
  time.turn(10_000);
  assert.equal(state.trained, 20_000);
  assert.equal(time.timers.length, 0);
});
