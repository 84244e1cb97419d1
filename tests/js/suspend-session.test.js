/* suspend-session.test.js: what a session tells of a suspension, and that its figures leave it out;
 * that a session with a duty rests, answers all the same, and comes to the same bits. Time is the
 * test's own. */
import assert from 'node:assert/strict';
import test from 'node:test';

import { load } from '../../worker/trainer/foreign.js';
import { QUADRANTS, bitsOf, connectLocal, createManualHost, quadrants } from './session-client.js';

await load({}, undefined); // what reads nested arrays, which is here from then on: in the same turn

const HOUR = 3_600_000;

/** A session whose slices are of so many units of work. @param {any} runtime */
async function begin(runtime) {
  const time = createManualHost();
  const client = connectLocal(time.host);
  const ready = client.ask('INIT_TRAINING', {
    ...QUADRANTS,
    runtime: { sliceWork: 1, ...runtime },
  });
  let settled = false;
  ready.finally(() => (settled = true)).catch(() => {});
  while (!settled) {
    // the wasm is compiled in turns of the real event loop
    time.turn();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ready;
  return { time, client };
}

/** Trains, a millisecond a slice; `meddle` is called after so many slices. */
function train({ time, client }, { meddle = () => {}, after = 30, ...options } = {}) {
  client.ask('START_TRAINING', {
    ...quadrants(60),
    numEpochs: 4,
    batchSize: 10,
    validationSplit: 0.2,
    progressHz: 1000,
    ...options,
  });
  for (let turns = 0; client.of('TRAINING_COMPLETE').length === 0; turns++) {
    if (turns === after) meddle();
    if (time.waiting > 0) time.turn();
    else time.fire();
    time.ms += 1;
  }
  return client.of('TRAINING_COMPLETE')[0];
}

/** The weights' bits. */
function weightsOf({ time, client }) {
  client.ask('GET_WEIGHTS');
  while (client.of('WEIGHTS').length === 0) time.turn();
  return bitsOf(client.of('WEIGHTS')[0]);
}

const figures = (client) =>
  client
    .of('TRAINING_PROGRESS')
    .map(({ etaSeconds, elapsedSeconds, samplesPerSecond, stageSeconds }) => ({
      etaSeconds,
      elapsedSeconds,
      samplesPerSecond,
      stageSeconds,
    }));

for (const [name, sleep] of Object.entries({
  'the clock goes on': (time) => void (time.ms += HOUR),
  "the clock stands still, but for the wall's": (time) => void (time.slept += HOUR),
})) {
  test(`an hour of suspension is told, and left out of every figure: ${name}`, async () => {
    const [usual, suspended, silent] = await Promise.all([{}, { notices: true }, {}].map(begin));
    const result = train(usual);
    let at;
    const slept = train(suspended, {
      meddle: () => {
        at = suspended.time.host.wall();
        sleep(suspended.time);
      },
    });
    const gaps = suspended.client.of('NOTICE').filter(({ kind }) => kind === 'gap');
    assert.equal(gaps.length, 1);
    const [{ at: from, ms }] = gaps;
    assert.ok(Math.abs(from - at) <= 1 && Math.abs(ms - HOUR) <= 1, `${from - at} ${ms}`);
    /* A slice is a millisecond, and what the clock stood at within it is not known. */
    const close = (a, b, what) =>
      assert.ok(Math.abs(a - b) <= 0.002 + 0.05 * Math.abs(b), `${what}: ${a} and ${b}`);
    const [wanted, got] = [figures(usual.client), figures(suspended.client)];
    assert.equal(got.length, wanted.length);
    got.forEach(({ etaSeconds, elapsedSeconds, samplesPerSecond, stageSeconds }, i) => {
      close(elapsedSeconds, wanted[i].elapsedSeconds, 'elapsed');
      close(etaSeconds, wanted[i].etaSeconds, 'eta');
      if (elapsedSeconds > 0.02)
        close(samplesPerSecond, wanted[i].samplesPerSecond, 'samples per second');
      close(stageSeconds.training, wanted[i].stageSeconds.training, 'stage');
    });
    close(slept.durationSeconds, result.durationSeconds, 'duration');
    assert.deepEqual(slept.history, result.history);
    train(silent, { meddle: () => sleep(silent.time) });
    assert.equal(silent.client.of('NOTICE').length, 0, 'who did not ask is told nothing');
    const [bits, ...others] = [usual, suspended, silent].map(weightsOf);
    for (const other of others) assert.equal(other, bits);
  });
}

test('a pause is no suspension', async () => {
  const session = await begin({ notices: true });
  const { time, client } = session;
  const result = train(session, {
    meddle: () => {
      client.ask('PAUSE_TRAINING');
      while (client.of('TRAINING_PAUSED').length === 0) time.turn();
      time.ms += HOUR;
      time.slept += HOUR;
      client.ask('RESUME_TRAINING');
    },
  });
  assert.deepEqual(
    client.of('NOTICE').filter(({ kind }) => kind === 'gap'),
    [],
  );
  assert.ok(result.durationSeconds < 60, `${result.durationSeconds}`);
  assert.ok(result.stageSeconds.training < 60, `${result.stageSeconds.training}`);
});

test('a run that is stopped while it is paused does not count the pause', async () => {
  const session = await begin({});
  const { time, client } = session;
  const result = train(session, {
    numEpochs: 1e6,
    meddle: () => {
      client.ask('PAUSE_TRAINING');
      while (client.of('TRAINING_PAUSED').length === 0) time.turn();
      time.ms += HOUR;
      client.ask('STOP_TRAINING');
    },
  });
  assert.equal(result.reason, 'stopped');
  assert.ok(
    result.durationSeconds < 60 && result.stageSeconds.training < 60,
    JSON.stringify(result),
  );
});

test('a run with a duty comes to the same bits, in so much more time', async () => {
  const [whole, half] = await Promise.all([{}, { duty: 0.5 }].map(begin));
  /* A slice takes what the clock counts within it. */
  for (const { time } of [whole, half]) time.perReading = 0.25;
  const [a, b] = [train(whole, { numEpochs: 40 }), train(half, { numEpochs: 40 })];
  assert.deepEqual(b.history, a.history);
  assert.equal(b.steps, a.steps);
  assert.ok(
    b.durationSeconds > 1.2 * a.durationSeconds,
    `${b.durationSeconds} s for ${a.durationSeconds}`,
  );
  assert.equal(weightsOf(half), weightsOf(whole));
});

/** A session in the middle of a rest. @param {any} [options] */
async function resting(options) {
  const session = await begin({ duty: 0.01 });
  const { time, client } = session;
  time.perReading = 0.5;
  client.ask('START_TRAINING', { ...quadrants(60), numEpochs: 1e6, batchSize: 10, ...options });
  while (time.waiting > 0 || client.of('TRAINING_PROGRESS').length === 0) {
    if (time.waiting > 0) time.turn();
    else {
      time.ms += 10_000;
      time.fire();
    }
  }
  assert.ok(time.timers.length > 0, 'it rests');
  return session;
}

test('no answer waits for a rest to end: not one timer fires in this test once training rests', async () => {
  const { time, client } = await resting({ snapshotMs: 0 });
  const settle = () => {
    while (time.waiting > 0) time.turn();
  };
  const { x, y } = quadrants(40);
  for (const [type, payload, reply] of [
    ['PREDICT', { x: [0.5, 0.5] }, 'PREDICTION_RESULT'],
    ['PREDICT', { x }, 'PREDICTION_RESULT'],
    ['EVALUATE_MODEL', { x, y }, 'EVALUATION_RESULT'],
    ['GET_WEIGHTS', {}, 'WEIGHTS'],
    ['SAVE_CHECKPOINT', {}, 'CHECKPOINT'],
    ['GET_STATUS', {}, 'STATUS'],
    ['PING', {}, 'PONG'],
    ['PAUSE_TRAINING', {}, 'TRAINING_PAUSED'],
    ['RESUME_TRAINING', {}, 'TRAINING_RESUMED'],
    ['STOP_TRAINING', {}, 'TRAINING_STOPPED'],
  ]) {
    const before = client.of(reply).length;
    client.ask(type, payload);
    settle();
    assert.equal(client.of(reply).length, before + 1, type);
  }
  assert.equal(client.of('TRAINING_COMPLETE')[0].reason, 'stopped');
  assert.equal(
    client.of('TRAINING_SNAPSHOT').at(-1).step,
    client.of('TRAINING_COMPLETE')[0].step,
    'with its last checkpoint',
  );
  /* The rest that was owed goes on; what is wrong with the next data is told nevertheless. */
  client.ask('START_TRAINING', { x: new Float32Array([0, NaN]), y: [1] });
  settle();
  assert.equal(client.of('ERROR').at(-1).code, 'INVALID_DATA');
});

test('duty is above 0 and up to 1', async () => {
  for (const duty of [0, -1, 1.01, NaN, Infinity, '1', null]) {
    const client = connectLocal(createManualHost().host);
    await assert.rejects(client.ask('INIT_TRAINING', { ...QUADRANTS, runtime: { duty } }), {
      code: 'INVALID_OPTION',
      message: /duty/,
    });
  }
});

test('a machine that sleeps at any reading of the clock, right before a run begins too, makes no time negative', async () => {
  for (let at = 1; at <= 24; at++) {
    const one = await begin({ notices: true });
    const { now } = one.time.host;
    let readings = 0;
    one.time.host.now = () => {
      if (++readings === at) one.time.ms += HOUR;
      return now();
    };
    const { durationSeconds } = train(one);
    assert.ok(durationSeconds >= 0, `${durationSeconds} s, reading ${at}`);
    for (const { elapsedSeconds } of figures(one.client))
      assert.ok(elapsedSeconds >= 0, `${elapsedSeconds} s, reading ${at}`);
  }
});
