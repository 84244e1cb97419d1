/* non-finite.test.js: a step whose loss or gradients are not finite changes nothing; the run fails,
 * or goes back to the best weights that it had, at half the learning rate. And what useEma leaves
 * in the weights. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createTrainer } from '../../web/index.js';
import {
  LINES,
  QUADRANTS,
  bitsOf,
  connectLocal,
  createManualHost,
  quadrants,
} from './session-client.js';

const X = quadrants(40).x;
/** A line through the points, which plain sgd finds with a small rate and leaves with a big one. */
const DATA = { x: X, y: Float32Array.from({ length: 40 }, (_, i) => 3 * X[2 * i] - X[2 * i + 1]) };
const START = { ...DATA, numEpochs: 30, batchSize: 10 };

/** A session with a model. @param {any} spec */
async function session(spec) {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', {
    ...spec,
    runtime: { variant: 'simd', threads: 1, notices: true },
  });
  return client;
}

/** @param {any} weights */
const isFinite = ({ weights }) =>
  weights.every((/** @type {any} */ { data }) => data.every(Number.isFinite));

/** @param {{ loss: number }} epoch */
const lossOf = ({ loss }) => loss;

test('a run fails with the layer and the step, and the model is what it was before that step', async () => {
  const wild = { ...LINES, learningRate: 50 };
  const client = await session(wild);
  const error = await client.ask('START_TRAINING', START).catch((/** @type {any} */ e) => e);
  assert.equal(error.code, 'NON_FINITE');
  assert.match(
    error.message,
    /^step \d+: the gradient of layer [01] \(dense\) is not finite, or 1e15 and more; /,
  );
  assert.equal(error.reply.type, 'TRAINING_ERROR');
  const { step } = await client.ask('GET_WEIGHTS');
  assert.equal(Number(/** @type {RegExpExecArray} */ (/\d+/.exec(error.message))[0]), step + 1);
  const left = await client.ask('GET_WEIGHTS');
  assert.ok(isFinite(left));
  const one = await session(wild); // which makes the steps that were made, and no more
  const { x, y } = { x: START.x, y: START.y };
  await one.ask('START_TRAINING', { x, y, batchSize: 10, numEpochs: 30 }).catch(() => {});
  assert.equal(bitsOf(await one.ask('GET_WEIGHTS')), bitsOf(left));
  assert.equal((await client.ask('PREDICT', { x: [0, 0] })).output.length, 1);
  await assert.rejects(client.ask('START_TRAINING', { ...START, resume: true }), {
    code: 'NON_FINITE',
  });
  assert.equal(
    bitsOf(await client.ask('GET_WEIGHTS')),
    bitsOf(left),
    'a run that is resumed comes to the same step',
  );
});

test('an output that is not finite is told with its layer', async () => {
  const client = await session({
    ...LINES,
    layers: [...LINES.layers, { type: 'dense', units: 1 }],
  });
  const { weights } = await client.ask('GET_WEIGHTS');
  weights[2].data.fill(3e38);
  weights[3].data.fill(3e38);
  await client.ask('SET_WEIGHTS', { weights });
  await assert.rejects(client.ask('START_TRAINING', START), {
    code: 'NON_FINITE',
    message: /^step 1: the output of layer 1 \(dense\) is not finite; /,
  });
});

test('rollback: the epoch begins anew with better weights at half the rate, to the bits of a run that began so', async () => {
  const client = await session({ ...LINES, learningRate: 6.4 });
  /** @type {any[]} */
  const told = [];
  const result = await client.ask(
    'START_TRAINING',
    { ...START, shuffle: false, nonFinite: 'rollback', progressHz: 1000 },
    (progress) => told.push(...progress.records),
  );
  const { rollbacks, learningRate, history, steps } = result;
  assert.ok(rollbacks > 0 && rollbacks < 20, `${rollbacks} rollbacks`);
  assert.equal(learningRate, 6.4 / 2 ** rollbacks);
  assert.equal(history.length, 30);
  assert.ok(steps < 120 && steps % 4 === 0);
  assert.ok(
    history.at(-1).loss < 0.05 &&
      history.every((/** @type {any} */ { loss }) => Number.isFinite(loss)),
  );
  const last = told.at(-1);
  assert.deepEqual(
    [last.rollbacks, last.learningRate, last.step],
    [rollbacks, learningRate, steps],
  );
  const notices = client.of('NOTICE').filter(({ kind }) => kind === 'warning');
  assert.equal(notices.length, rollbacks);
  assert.match(
    notices[0].message,
    /^step \d+: .* epoch \d begins anew with a learningRate of 3\.2 \(rollback 1\)$/,
  );
  const plain = await session({ ...LINES, learningRate });
  const epochs = steps / 4;
  const same = await plain.ask('START_TRAINING', { ...START, shuffle: false, numEpochs: epochs });
  assert.deepEqual(same.history.map(lossOf), history.slice(-epochs).map(lossOf));
  assert.equal(bitsOf(await plain.ask('GET_WEIGHTS')), bitsOf(await client.ask('GET_WEIGHTS')));
  assert.equal('rollbacks' in same, false);
  const { options } = result.run;
  assert.equal(options.nonFinite, 'rollback');
});

test('rollback helps nobody whose first step it is, and ends after twenty times', async () => {
  const x = Float32Array.from(DATA.x);
  x[39] = 1e30;
  for (const [batchSize, message] of /** @type {const} */ ([
    [40, /^step 1: .*help$/],
    [10, /^step 2: .* \(after 20 rollbacks, with a learningRate of 9\.5\d+e-10\)$/],
  ])) {
    const client = await session({ ...LINES, learningRate: 0.001 });
    const before = bitsOf(await client.ask('GET_WEIGHTS'));
    await assert.rejects(
      client.ask('START_TRAINING', {
        ...START,
        x,
        batchSize,
        shuffle: false,
        nonFinite: 'rollback',
      }),
      { code: 'NON_FINITE', message },
    );
    assert.ok(isFinite(await client.ask('GET_WEIGHTS')));
    if (batchSize === 40) assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), before);
    // the rate is a run's: the next one has the whole again
    const twin = await session({ ...LINES, learningRate: 0.001 });
    const weights = await client.ask('GET_WEIGHTS');
    await twin.ask('SET_WEIGHTS', { weights: weights.weights });
    for (const each of [client, twin])
      await each.ask('START_TRAINING', { ...START, numEpochs: 1, shuffle: false });
    assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), bitsOf(await twin.ask('GET_WEIGHTS')));
  }
});

/** Momentum makes it go wild late, within an epoch that is not the first. */
const LATE = { ...LINES, optimizer: { type: 'sgd', momentum: 0.95, learningRate: 1.2 } };

test('a run that goes back is resumed from every step to the same bits', async () => {
  const time = createManualHost();
  const client = connectLocal(time.host);
  client.ask('INIT_TRAINING', {
    ...LATE,
    runtime: { variant: 'simd', threads: 1, sliceWork: 1e9 },
  });
  while (client.of('MODEL_READY').length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    time.turn(100);
  }
  const start = { ...START, batchSize: 4, numEpochs: 12, nonFinite: 'rollback' };
  client.ask('START_TRAINING', { ...start, snapshotMs: 0 });
  client.ask('GET_WEIGHTS');
  for (let i = 0; i < 5; i++) time.turn(Infinity);
  assert.deepEqual(client.of('TRAINING_ERROR'), []);
  const [result, weights] = [client.of('TRAINING_COMPLETE')[0], client.of('WEIGHTS').at(-1)];
  client.ask('GET_WEIGHTS');
  time.turn(Infinity);
  const bits = bitsOf(client.of('WEIGHTS').at(-1));
  assert.ok(weights && result.rollbacks > 0);
  const snapshots = client.of('TRAINING_SNAPSHOT');
  assert.ok(snapshots.length > result.steps, 'steps that were made twice');
  assert.ok(snapshots.some(({ bytes }) => readSafetensors(bytes).has('rollback/dense/kernel')));
  for (const { bytes } of snapshots) {
    const other = connectLocal();
    await other.ask('LOAD_CHECKPOINT', { bytes });
    const resumed = await other.ask('START_TRAINING', { ...DATA, resume: true });
    assert.deepEqual(
      [resumed.rollbacks, resumed.learningRate, resumed.steps, resumed.history],
      [result.rollbacks, result.learningRate, result.steps, result.history],
    );
    assert.equal(bitsOf(await other.ask('GET_WEIGHTS')), bits);
    await assert.rejects(
      other.ask('START_TRAINING', { ...DATA, resume: true, nonFinite: 'error' }),
      { code: 'INVALID_OPTION', message: /nonFinite is error, but/ },
    );
  }
});

test('through the API: the option, the result, an event', async () => {
  const trainer = await createTrainer({ ...LINES, learningRate: 6.4 }, { mode: 'main' });
  const options = { epochs: 30, batchSize: 10 };
  await assert.rejects(
    async () => {
      await trainer.fit(DATA.x, DATA.y, options);
    },
    { code: 'NON_FINITE' },
  );
  await trainer.dispose();
  const again = await createTrainer({ ...LINES, learningRate: 6.4 }, { mode: 'main' });
  let warnings = 0;
  again.addEventListener('warning', () => warnings++);
  /** @type {any[]} */
  const told = [];
  const run = again.fit(DATA.x, DATA.y, { ...options, nonFinite: 'rollback', progressHz: 1000 });
  run.addEventListener('progress', ({ detail }) => told.push(detail));
  const { rollbacks = 0, learningRate } = await run;
  for (const [i, { rollbacks: count, step }] of told.entries()) {
    const before = told[i - 1] ?? { rollbacks: 0, step: 0 };
    assert.ok(
      count > before.rollbacks || (count === before.rollbacks && step >= before.step),
      'in the order in which they were made',
    );
  }
  assert.deepEqual(
    told.filter(({ kind }) => kind === 'epoch').map(({ epoch }) => epoch),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  assert.ok(rollbacks > 0 && warnings === rollbacks);
  assert.equal(learningRate, 6.4 / 2 ** rollbacks);
  assert.equal(again.runs[0].options.nonFinite, 'rollback');
  await assert.rejects(
    async () => {
      await again.fit(DATA.x, DATA.y, /** @type {any} */ ({ nonFinite: 'ignore' }));
    },
    { code: 'INVALID_OPTION', message: /nonFinite is 'ignore', expected 'error', 'rollback'/ },
  );
  await again.dispose();
});

test('useEma: at the end of a fit the weights are their averages, of a fit that was stopped they are not', async () => {
  const spec = {
    ...QUADRANTS,
    learningRate: undefined,
    optimizer: { type: 'adam', learningRate: 0.02, useEma: true, emaMomentum: 0.9 },
  };
  const data = quadrants(50);
  const client = await session(spec);
  await client.ask('START_TRAINING', { ...data, numEpochs: 2, batchSize: 8 });
  const averaged = await client.ask('GET_WEIGHTS');
  const { bytes } = await client.ask('SAVE_CHECKPOINT');
  const tensors = readSafetensors(bytes);
  for (const { name, data: values } of averaged.weights) {
    assert.deepEqual(tensors.get(`optimizer/${name}/average`), values);
    assert.ok(tensors.has(`optimizer/${name}/velocity`));
  }
  const plain = await session({ ...QUADRANTS });
  await plain.ask('START_TRAINING', { ...data, numEpochs: 2, batchSize: 8 });
  assert.notEqual(bitsOf(await plain.ask('GET_WEIGHTS')), bitsOf(averaged));
  const stopped = await session(spec);
  const run = stopped.ask(
    'START_TRAINING',
    { ...data, numEpochs: 100000, batchSize: 8, progressHz: 1000 },
    ({ step }) => step > 20 && stopped.ask('STOP_TRAINING'),
  );
  assert.equal((await run).reason, 'stopped');
  const left = readSafetensors((await stopped.ask('SAVE_CHECKPOINT')).bytes);
  assert.notDeepEqual(left.get('dense/kernel'), left.get('optimizer/dense/kernel/average'));
});

/** @param {Uint8Array} bytes @returns {Map<string, Float32Array>} */
function readSafetensors(bytes) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const { __metadata__: _, ...header } = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, 8 + length)),
  );
  const body = bytes.slice(8 + length).buffer;
  return new Map(
    Object.entries(header)
      .filter(([, { dtype }]) => dtype === 'F32')
      .map(
        ([
          name,
          {
            data_offsets: [begin, end],
          },
        ]) => [name, new Float32Array(body.slice(begin, end))],
      ),
  );
}
