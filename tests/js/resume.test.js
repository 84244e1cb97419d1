/* resume.test.js: a run that was interrupted goes on to the bits of one that was not, from any
 * step, in any place; and what cannot go on is refused. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { PROBLEMS, dataOf } from '../bits/problems.js';
import {
  QUADRANTS,
  bitsOf,
  connectLocal,
  connectWorker,
  createManualHost,
  everyStep,
  quadrants,
} from './session-client.js';

/** @type {{ close: () => Promise<void> }[]} */
const open = [];
after(() => Promise.all(open.map((client) => client.close())));

/** @param {'main' | 'worker'} [place] */
function connect(place = 'main') {
  const client = place === 'worker' ? connectWorker() : connectLocal();
  open.push(client);
  return client;
}

const HOW = [
  { place: /** @type {const} */ ('main'), runtime: { variant: 'base' } },
  { place: /** @type {const} */ ('main'), runtime: { variant: 'simd', threads: 1, sliceWork: 1 } },
  { place: /** @type {const} */ ('worker'), runtime: { variant: 'simd-mt', threads: 2 } },
  { place: /** @type {const} */ ('worker'), runtime: { variant: 'simd', threads: 1 } },
];

/** What tells one result from another but the time it took. @param {any} result */
const told = ({ reason, history, epochs, steps, step }) => ({
  reason,
  history,
  epochs,
  steps,
  step,
});

for (const [name, problem] of Object.entries(PROBLEMS)) {
  test(`${name}: from every step, in another place each time, to the same bits`, async () => {
    const data = dataOf(problem);
    const { snapshots, result, bits } = await everyStep(problem.spec, {
      ...data,
      ...problem.settings,
    });
    assert.ok(
      snapshots.length >= result.steps,
      `${snapshots.length} checkpoints of ${result.steps} steps`,
    );
    const clients = HOW.map(({ place }) => connect(place));
    for (const [i, { bytes, step }] of snapshots.entries()) {
      const { runtime } = HOW[i % HOW.length];
      const client = clients[i % HOW.length];
      const loaded = await client.ask('LOAD_CHECKPOINT', { bytes, runtime });
      assert.equal(loaded.step, step);
      assert.equal(loaded.variant, runtime.variant);
      assert.equal(loaded.run.ended, i === snapshots.length - 1 ? 'finished' : null);
      const resumed = await client.ask('START_TRAINING', {
        ...data,
        ...problem.settings,
        resume: true,
      });
      assert.deepEqual(told(resumed), told(result), `from step ${step}`);
      assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), bits, `from step ${step}`);
      assert.equal(resumed.run.id, 1, 'it is the same run');
    }
  });
}

const DATA = quadrants(50);
const SETTINGS = { numEpochs: 3, batchSize: 8, validationSplit: 0.2 };
const whole = everyStep(QUADRANTS, { ...DATA, ...SETTINGS });

/** A session with a run that was interrupted after its eighth step, of which an epoch has five. */
async function interrupted() {
  const { snapshots } = await whole;
  const client = connect();
  const { bytes } = snapshots.find((/** @type {any} */ { step }) => step === 8);
  const loaded = await client.ask('LOAD_CHECKPOINT', { bytes: bytes.slice() });
  return { ...client, loaded };
}

test('a checkpoint tells where its run stands', async () => {
  const { loaded } = await interrupted();
  const { history } = (await whole).result;
  assert.deepEqual(loaded.run, {
    settings: { epochs: 3, batchSize: 8, shuffle: true, validationSplit: 0.2 },
    samples: 50,
    epoch: 2,
    batch: 3,
    steps: 8,
    ended: null,
    history: history.slice(0, 1),
    data: null,
  });
  assert.equal(loaded.runs.length, 1);
  const { startedAt, ...record } = loaded.runs[0];
  assert.deepEqual(record, {
    id: 1,
    endedAt: null,
    reason: null,
    options: loaded.run.settings,
    metrics: history[0],
    steps: 8,
  });
});

test("settings that are left out are the run's own; others are refused", async () => {
  const { ask } = await interrupted();
  const other = [{ batchSize: 9 }, { shuffle: false }, { validationSplit: 0.3 }, { numEpochs: 1 }];
  for (const change of other) {
    await assert.rejects(ask('START_TRAINING', { ...DATA, ...SETTINGS, ...change, resume: true }), {
      code: 'INVALID_OPTION',
      message: new RegExp(Object.keys(change)[0]),
    });
  }
  assert.deepEqual(
    told(await ask('START_TRAINING', { ...DATA, resume: true })),
    told((await whole).result),
  );
  assert.equal(bitsOf(await ask('GET_WEIGHTS')), (await whole).bits);
});

test('more epochs may follow, after an interruption and after the end', async () => {
  const longer = await everyStep(QUADRANTS, { ...DATA, ...SETTINGS, numEpochs: 5 });
  const { ask } = await interrupted();
  await ask('START_TRAINING', { ...DATA, resume: true, numEpochs: 4 });
  const finished = await ask('START_TRAINING', { ...DATA, resume: true, numEpochs: 4 });
  assert.deepEqual(
    [finished.reason, finished.epochs],
    ['finished', 4],
    'a finished run has its result',
  );
  assert.deepEqual(
    told(await ask('START_TRAINING', { ...DATA, resume: true, numEpochs: 5 })),
    told(longer.result),
  );
  assert.equal(bitsOf(await ask('GET_WEIGHTS')), longer.bits);
  await assert.rejects(ask('START_TRAINING', { ...DATA, resume: true, numEpochs: 4 }), {
    code: 'INVALID_OPTION',
    message: /epoch 5/,
  });
});

test('a run that was stopped goes on in its own session', async () => {
  const client = connect();
  await client.ask('INIT_TRAINING', { ...QUADRANTS, runtime: { sliceWork: 1 } });
  const run = client.ask('START_TRAINING', { ...DATA, ...SETTINGS });
  while ((await client.ask('GET_STATUS')).step < 7)
    await new Promise((resolve) => setImmediate(resolve));
  await client.ask('STOP_TRAINING');
  assert.equal((await run).reason, 'stopped');
  assert.deepEqual(
    told(await client.ask('START_TRAINING', { ...DATA, resume: true })),
    told((await whole).result),
  );
  assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), (await whole).bits);
});

test('a run that is to go on and is stopped before it does stands where it stood', async () => {
  const { ask } = await interrupted();
  const run = ask('START_TRAINING', { ...DATA, resume: true });
  await ask('STOP_TRAINING');
  assert.deepEqual(told(await run), {
    reason: 'stopped',
    history: (await whole).result.history.slice(0, 1),
    epochs: 1,
    steps: 8,
    step: 8,
  });
  await ask('START_TRAINING', { ...DATA, resume: true });
  assert.equal(bitsOf(await ask('GET_WEIGHTS')), (await whole).bits);
});

test('other data are refused, unless told otherwise; the epoch then begins anew', async () => {
  const { ask } = await interrupted();
  const x = DATA.x.slice();
  x[7] += 1e-6;
  const y = DATA.y.slice();
  y[0] = 1 - y[0];
  const fewer = { x: DATA.x.slice(0, 80), y: DATA.y.slice(0, 40) };
  for (const data of [
    { x, y: DATA.y },
    { x: DATA.x, y },
    { x: Float64Array.from(x), y: DATA.y },
    fewer,
  ]) {
    const run = ask('START_TRAINING', { ...data, resume: true });
    await assert.rejects(run, {
      code: 'INVALID_DATA',
      message: /not those that the run began with/,
    });
  }
  const same = { x: Float64Array.from(DATA.x), y: [...DATA.y] };
  assert.equal((await ask('GET_STATUS')).step, 8);
  const result = await ask('START_TRAINING', { ...fewer, resume: true, otherData: true });
  assert.deepEqual(
    [result.steps, result.epochs],
    [8 + 4 + 4, 3],
    'of 32 samples an epoch has four steps',
  );
  const again = await interrupted();
  assert.deepEqual(
    told(await again.ask('START_TRAINING', { ...same, resume: true })),
    told((await whole).result),
    'the same numbers in another form',
  );
});

test('a run that has ended and is resumed with other data, fewer or more, can be saved', async () => {
  const client = connect();
  await client.ask('INIT_TRAINING', QUADRANTS);
  const { history } = await client.ask('START_TRAINING', { ...DATA, numEpochs: 2 });
  for (const samples of [32, 5 * 32]) {
    const others = quadrants(samples);
    const result = await client.ask('START_TRAINING', { ...others, resume: true, otherData: true });
    assert.deepEqual([result.reason, result.history], ['finished', history]);
    const { bytes } = await client.ask('SAVE_CHECKPOINT');
    const { run } = await client.ask('LOAD_CHECKPOINT', { bytes });
    assert.deepEqual([run.samples, run.epoch], [samples, 2]);
    assert.equal(
      (await client.ask('START_TRAINING', { ...others, resume: true, numEpochs: 3 })).epochs,
      3,
    );
    await client.ask('LOAD_CHECKPOINT', { bytes });
  }
});

test('there is nothing to resume: before a run, and after SET_WEIGHTS', async () => {
  const client = connect();
  await client.ask('INIT_TRAINING', QUADRANTS);
  const nothing = { code: 'INVALID_OPTION', message: /no run to go on with/ };
  await assert.rejects(client.ask('START_TRAINING', { ...DATA, resume: true }), nothing);
  await client.ask('START_TRAINING', { ...DATA });
  await client.ask(
    'SET_WEIGHTS',
    await client.ask('GET_WEIGHTS').then(({ weights }) => ({ weights })),
  );
  await assert.rejects(client.ask('START_TRAINING', { ...DATA, resume: true }), nothing);
});

test('a run whose losses are not all finite is saved and resumed like any other', async () => {
  const spec = {
    ...QUADRANTS,
    optimizer: 'sgd',
    learningRate: 0.01,
    loss: 'meanSquaredError',
    layers: [
      { type: 'dense', units: 3, kernelInitializer: 'ones' },
      { type: 'dense', units: 1 },
    ],
  };
  // of the samples that are held out, the last: its prediction is infinite
  const start = {
    x: DATA.x.map((value, i) => (i < DATA.x.length - 2 ? value : 3e38)),
    y: Float32Array.from(DATA.y),
    numEpochs: 4,
    batchSize: 8,
    validationSplit: 0.2,
  };
  const { snapshots, result, bits } = await everyStep(spec, start);
  assert.ok(
    result.history.some((/** @type {any} */ { valLoss }) => !Number.isFinite(valLoss)),
    'it is so',
  );
  for (const { bytes } of snapshots) {
    const client = connect();
    await client.ask('LOAD_CHECKPOINT', { bytes });
    const resumed = await client.ask('START_TRAINING', { ...start, resume: true });
    assert.deepEqual(told(resumed), told(result));
    assert.deepEqual(resumed.run.metrics, result.run.metrics);
    assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), bits);
  }
});

test('SAVE_CHECKPOINT at any moment changes no bit, and what it gave goes on to the same ones', async () => {
  const client = connect();
  await client.ask('INIT_TRAINING', { ...QUADRANTS, runtime: { sliceWork: 1 } });
  const run = client.ask('START_TRAINING', { ...DATA, ...SETTINGS });
  const saved = [];
  for (let state = 'training'; state === 'training'; state = (await client.ask('GET_STATUS')).state)
    saved.push(await client.ask('SAVE_CHECKPOINT'));
  assert.deepEqual(told(await run), told((await whole).result));
  assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), (await whole).bits);
  assert.ok(new Set(saved.map(({ step }) => step)).size > 3, 'at several steps');
  for (const { bytes, step } of saved) {
    const other = connect();
    const loaded = await other.ask('LOAD_CHECKPOINT', { bytes });
    assert.equal(loaded.step, step);
    if (!loaded.run) continue; // before the data had been looked at there was no run
    await other.ask('START_TRAINING', { ...DATA, resume: true });
    assert.equal(bitsOf(await other.ask('GET_WEIGHTS')), (await whole).bits, `from step ${step}`);
  }
});

test('SAVE_CHECKPOINT right behind START has the run, unless that stands still or is refused', async () => {
  const client = connect();
  await client.ask('INIT_TRAINING', { ...QUADRANTS, runtime: { sliceWork: 1 } });
  client.ask('START_TRAINING', { ...DATA, ...SETTINGS });
  const { bytes, step } = await client.ask('SAVE_CHECKPOINT');
  assert.equal(step, 0);
  await client.ask('STOP_TRAINING');
  const refused = client.ask('START_TRAINING', { x: DATA.x, y: DATA.y.map(() => 7) });
  const saved = client.ask('SAVE_CHECKPOINT');
  await assert.rejects(refused, { code: 'INVALID_DATA' });
  await saved;
  client.ask('START_TRAINING', { ...DATA, ...SETTINGS });
  client.ask('PAUSE_TRAINING');
  await client.ask('SAVE_CHECKPOINT');
  const other = connect();
  assert.equal((await other.ask('LOAD_CHECKPOINT', { bytes })).run.ended, null);
  assert.deepEqual(
    told(await other.ask('START_TRAINING', { ...DATA, resume: true })),
    told((await whole).result),
  );
});

test('checkpoints cost one part in a hundred of the time, however often they are asked for', async () => {
  const time = createManualHost();
  const client = connectLocal(time.host);
  client.ask('INIT_TRAINING', { ...QUADRANTS, runtime: { variant: 'simd', threads: 1 } });
  while (client.of('MODEL_READY').length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    time.turn(100);
  }
  time.perReading = 0.25; // a reading of the clock takes the time that work takes
  client.ask('START_TRAINING', { ...DATA, batchSize: 8, numEpochs: 20_000, snapshotMs: 0 });
  for (let i = 0; i < 4000 && time.waiting > 0; i++) time.turn();
  client.ask('GET_STATUS');
  const { training, saving } = client.of('STATUS')[0].stageSeconds;
  assert.ok(client.of('TRAINING_SNAPSHOT').length > 3);
  // Half of what the stage counts here are its own readings of the clock, which take no time
  // elsewhere.
  assert.ok(saving > 0 && saving / (training + saving) < 0.02, `${saving} s of ${training} s`);
});
