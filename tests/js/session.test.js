/* session.test.js: runs, predictions, weights and states, over the wire, in this process and in a
 * worker. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import {
  IMAGES,
  QUADRANTS,
  VARIANTS,
  bitsOf,
  connectLocal,
  connectWorker,
  createManualHost,
  images,
  quadrants,
} from './session-client.js';

/** @type {{ close: () => Promise<void> }[]} */
const open = [];
after(() => Promise.all(open.map((client) => client.close())));

/** @param {any} spec @param {{ place?: 'worker' | 'main', runtime?: any, host?: any }} [how] */
async function start(spec, { place = 'main', runtime = {}, host } = {}) {
  const client = place === 'worker' ? connectWorker() : connectLocal(host);
  open.push(client);
  const ready = await client.ask('INIT_TRAINING', { ...spec, runtime: { place, ...runtime } });
  return { ...client, ready };
}

const PLACES = /** @type {const} */ (['main', 'worker']);

for (const place of PLACES)
  for (const variant of VARIANTS) {
    test(`learns what is not linear, ${place}, ${variant}`, async () => {
      const { ask, ready } = await start(QUADRANTS, { place, runtime: { variant } });
      assert.equal(ready.variant, variant);
      const { x, y } = quadrants(400);
      const result = await ask('START_TRAINING', { x, y, numEpochs: 40, validationSplit: 0.25 });
      assert.equal(result.reason, 'finished');
      assert.equal(result.history.length, 40);
      assert.deepEqual(Object.keys(result.history[0]), [
        'epoch',
        'loss',
        'accuracy',
        'valLoss',
        'valAccuracy',
        'learningRate',
      ]);
      const first = result.history[0];
      const last = result.history[39];
      assert.ok(last.loss < first.loss / 3, `${first.loss} -> ${last.loss}`);
      assert.ok(last.valAccuracy > 0.9, `${last.valAccuracy}`);
      const { output, index, label, confidence, single } = await ask('PREDICT', { x: [0.8, 0.7] });
      assert.equal(index, 1);
      assert.equal(label, '1');
      assert.equal(confidence, output[1]);
      assert.equal(single, true);
      assert.ok(Math.abs(output[0] + output[1] - 1) < 1e-6);
    });
  }

test('weights are equal to the last bit, wherever, however sliced, paused, asked meanwhile', async () => {
  const { x, y } = images(70);
  const options = { x, y, numEpochs: 2, batchSize: 16, validationSplit: 0.1 };
  const reference = await start(IMAGES);
  const history = (await reference.ask('START_TRAINING', options)).history;
  const bits = bitsOf(await reference.ask('GET_WEIGHTS'));
  assert.equal(new Set(bits.split('/')).size, 6, 'six tensors, none like another');

  for (const place of PLACES)
    for (const variant of VARIANTS)
      for (const sliceWork of [undefined, 1, 5000]) {
        const client = await start(IMAGES, { place, runtime: { variant, sliceWork } });
        const run = client.ask('START_TRAINING', options);
        await client.ask('PAUSE_TRAINING');
        await client.ask('PREDICT', { x: x.slice(0, 128) });
        await client.ask('EVALUATE_MODEL', { x, y });
        await client.ask('RESUME_TRAINING');
        client.ask('PREDICT', { x });
        const result = await run;
        assert.deepEqual(result.history, history, `${place} ${variant} ${sliceWork}`);
        assert.equal(
          bitsOf(await client.ask('GET_WEIGHTS')),
          bits,
          `${place} ${variant} ${sliceWork}`,
        );
        await client.close();
      }
});

test('a second fit goes on: weights, step and shuffle differ from a repetition of the first', async () => {
  const { x, y } = quadrants(64);
  const options = { x, y, numEpochs: 2, batchSize: 8 };
  const twice = await start(QUADRANTS);
  const one = await twice.ask('START_TRAINING', options);
  const two = await twice.ask('START_TRAINING', options);
  assert.deepEqual([one.steps, one.step, two.steps, two.step], [16, 16, 16, 32]);
  const once = await start(QUADRANTS);
  const whole = await once.ask('START_TRAINING', { ...options, numEpochs: 4 });
  assert.equal(
    bitsOf(await once.ask('GET_WEIGHTS')),
    bitsOf(await twice.ask('GET_WEIGHTS')),
    'two fits of two are one of four',
  );
  assert.deepEqual(
    [...one.history, ...two.history].map(({ loss }) => loss),
    whole.history.map((/** @type {any} */ h) => h.loss),
  );
});

test('the seed decides the weights', async () => {
  const bits = [];
  for (const seed of [0, 0, 1, 2 ** 40])
    bits.push(bitsOf(await (await start({ ...QUADRANTS, seed })).ask('GET_WEIGHTS')));
  assert.equal(bits[0], bits[1]);
  assert.equal(new Set(bits).size, 3);
  const { seed, ...rest } = QUADRANTS;
  assert.equal(
    bitsOf(await (await start(rest)).ask('GET_WEIGHTS')),
    bits[0],
    'seed 0 where none is given',
  );
});

test('validation takes the end of the data, rounded as Keras does, before any shuffling', async () => {
  const { x, y } = quadrants(10);
  for (const [split, trained] of [
    [0.25, 7],
    [0.1, 9],
    [0.99, 0],
    [0.5, 5],
    [0.05, 9],
  ]) {
    const client = await start(QUADRANTS);
    const run = client.ask('START_TRAINING', { x, y, validationSplit: split, batchSize: 1 });
    if (trained === 0) {
      await assert.rejects(run, { code: 'INVALID_OPTION', message: /leaves 0 samples to train/ });
      continue;
    }
    const result = await run;
    assert.equal(result.steps, trained);
    const tail = { x: x.slice(2 * trained), y: y.slice(trained), batchSize: 1 };
    const { loss, accuracy, samples } = await client.ask('EVALUATE_MODEL', tail);
    assert.deepEqual(
      [result.history[0].valLoss, result.history[0].valAccuracy, 10 - trained],
      [loss, accuracy, samples],
    );
  }
});

test('an epoch without shuffling has the mean loss of its batches, each before its own update', async () => {
  const { x, y } = quadrants(12);
  const client = await start({
    ...QUADRANTS,
    optimizer: { type: 'sgd', learningRate: 0.1 },
    learningRate: undefined,
  });
  let sum = 0;
  for (let at = 0; at < 12; at += 5) {
    const part = { x: x.slice(2 * at, 2 * at + 10), y: y.slice(at, at + 5) };
    sum += (await client.ask('EVALUATE_MODEL', part)).loss * part.y.length;
    await client.ask('START_TRAINING', { ...part, batchSize: 5, shuffle: false });
  }
  const whole = await start({
    ...QUADRANTS,
    optimizer: { type: 'sgd', learningRate: 0.1 },
    learningRate: undefined,
  });
  const { history, steps } = await whole.ask('START_TRAINING', {
    x,
    y,
    batchSize: 5,
    shuffle: false,
  });
  assert.equal(steps, 3);
  assert.ok(Math.abs(history[0].loss - sum / 12) < 1e-6);
  assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), bitsOf(await whole.ask('GET_WEIGHTS')));
});

test('predictions of one, of many, of one among many', async () => {
  const client = await start({ ...QUADRANTS, labels: ['no', 'yes'] });
  const { x } = quadrants(150);
  const many = await client.ask('PREDICT', { x });
  assert.equal(many.output.length, 300);
  assert.ok(
    many.index instanceof Int32Array &&
      many.confidence instanceof Float32Array &&
      Array.isArray(many.label),
  );
  assert.equal(many.single, false);
  for (const i of [0, 63, 64, 149]) {
    const one = await client.ask('PREDICT', { x: x.slice(2 * i, 2 * i + 2) });
    assert.deepEqual(
      one.output,
      many.output.slice(2 * i, 2 * i + 2),
      'the size of the batch changes no bit',
    );
    assert.deepEqual(
      [one.index, one.label, one.confidence],
      [many.index[i], many.label[i], many.confidence[i]],
    );
    assert.equal(one.label, ['no', 'yes'][one.index]);
    assert.equal(one.confidence, Math.max(...one.output));
  }
  const lone = await client.ask('PREDICT', { x: [[x[0], x[1]]] });
  assert.deepEqual([lone.single, lone.output.length, lone.index.length], [false, 2, 1]);
  const shaped = await client.ask('PREDICT', { x: { data: x.slice(0, 2), shape: [2] } });
  assert.deepEqual([shaped.single, shaped.index], [true, many.index[0]]);
});

test('one sigmoid unit has two classes, and a regression has none', async () => {
  const unit = await start({
    inputShape: [2],
    layers: [{ type: 'dense', units: 1, activation: 'sigmoid' }],
    labels: ['cold', 'hot'],
  });
  assert.equal(unit.ready.loss, 'binaryCrossentropy');
  await unit.ask('SET_WEIGHTS', {
    weights: [
      { shape: [2, 1], data: new Float32Array([2, 0]) },
      { shape: [1], data: [0] },
    ],
  });
  const high = await unit.ask('PREDICT', { x: [1, 0] });
  const low = await unit.ask('PREDICT', { x: [-1, 0] });
  const p = 1 / (1 + Math.exp(-2));
  assert.deepEqual([high.index, high.label, low.index, low.label], [1, 'hot', 0, 'cold']);
  assert.ok(Math.abs(high.confidence - p) < 1e-6 && Math.abs(low.confidence - p) < 1e-6);
  assert.equal(
    (await unit.ask('PREDICT', { x: [0, 0] })).index,
    0,
    'a half is not more than a half',
  );
  const { accuracy } = await unit.ask('EVALUATE_MODEL', {
    x: [
      [1, 0],
      [-1, 0],
    ],
    y: ['hot', 'hot'],
  });
  assert.equal(accuracy, 0.5);

  const line = await start({ inputShape: [1], layers: [{ type: 'dense', units: 1 }] });
  assert.deepEqual(
    [line.ready.loss, line.ready.classes, line.ready.metrics],
    ['meanSquaredError', 0, []],
  );
  assert.deepEqual(Object.keys(await line.ask('PREDICT', { x: [3] })), [
    'output',
    'single',
    'step',
  ]);
  assert.deepEqual(Object.keys(await line.ask('EVALUATE_MODEL', { x: [1, 2], y: [1, 2] })), [
    'loss',
    'samples',
    'step',
  ]);
});

test('stop between steps: the run completes first, later fits work, stopping again does nothing', async () => {
  for (const sliceWork of [1, undefined]) {
    const client = await start(IMAGES, { runtime: { sliceWork } });
    const { x, y } = images(64);
    const run = client.ask(
      'START_TRAINING',
      { x, y, numEpochs: 1e6, batchSize: 8, progressHz: 1000 },
      () => void client.ask('STOP_TRAINING'),
    );
    const result = await run;
    assert.equal(result.reason, 'stopped');
    assert.equal(result.epochs, result.history.length);
    const types = client.messages.map((message) => message.type);
    assert.ok(types.indexOf('TRAINING_STOPPED') > types.indexOf('TRAINING_COMPLETE'));
    assert.equal((await client.ask('GET_STATUS')).step, result.step);
    for (const type of ['STOP_TRAINING', 'PAUSE_TRAINING', 'RESUME_TRAINING']) {
      const { step } = result;
      assert.deepEqual(await client.ask(type), { state: 'ready', epoch: 0, batch: 0, step });
    }
    assert.equal((await client.ask('START_TRAINING', { x, y })).step, result.step + 2);
  }
});

test('what a run took is freed with it, and so is what a refused request took', async () => {
  const client = await start(QUADRANTS);
  const { x, y } = quadrants(300);
  const used = async () => (await client.ask('GET_STATUS')).usedBytes;
  const before = await used();
  const refused = (/** @type {string} */ type, /** @type {any} */ payload) =>
    assert.rejects(client.ask(type, payload));
  await client.ask('START_TRAINING', { x, y, validationSplit: 0.5 });
  await client.ask('EVALUATE_MODEL', { x, y });
  await client.ask('PREDICT', { x });
  const bad = x.slice();
  bad[77] = NaN;
  await refused('START_TRAINING', { x: bad, y });
  await refused('START_TRAINING', { x, y: y.map(() => 5) });
  await refused('START_TRAINING', { x, y: y.slice(1) });
  await refused('START_TRAINING', { x, y, validationSplit: 0.999 });
  await refused('START_TRAINING', { x, y: 'what' });
  await refused('EVALUATE_MODEL', { x: bad, y });
  await refused('EVALUATE_MODEL', { x });
  await refused('PREDICT', { x: bad });
  const run = client.ask('START_TRAINING', { x, y, numEpochs: 1e6 });
  await refused('START_TRAINING', { x, y });
  await client.ask('STOP_TRAINING');
  await run;
  assert.equal(await used(), before);
});

test('pause stands still between parts, resume goes on, and paused time does not count', async () => {
  const time = createManualHost();
  const client = await startManual(time, IMAGES, { sliceWork: 1 });
  const { x, y } = images(16);
  client.ask('START_TRAINING', { x, y, batchSize: 4, numEpochs: 2, progressHz: 1000 });
  time.turn(20);
  client.ask('PAUSE_TRAINING');
  while (client.of('TRAINING_PAUSED').length === 0) time.turn();
  time.turn(3);
  assert.equal(time.waiting, 0, 'nothing is scheduled');
  client.ask('GET_STATUS');
  const status = client.of('STATUS').at(-1);
  assert.equal(status.state, 'paused');
  time.ms += 1e6;
  client.ask('PAUSE_TRAINING');
  client.ask('PREDICT', { x: x.slice(0, 128) });
  while (client.of('PREDICTION_RESULT').length === 0) time.turn();
  client.ask('GET_STATUS');
  assert.equal(client.of('STATUS').at(-1).step, status.step);
  client.ask('RESUME_TRAINING');
  client.ask('RESUME_TRAINING');
  while (time.waiting > 0) {
    time.turn();
    time.ms += 1;
  }
  const [result] = client.of('TRAINING_COMPLETE');
  assert.ok(result.durationSeconds < 100, `${result.durationSeconds}`);
  for (const { elapsedSeconds } of client.of('TRAINING_PROGRESS')) assert.ok(elapsedSeconds < 100);
});

test('an idle session answers in the same turn; a busy one between two parts', async () => {
  const time = createManualHost();
  const client = await startManual(time, QUADRANTS);
  const count = () => client.of('PREDICTION_RESULT').length;
  client.ask('PREDICT', { x: [0.5, 0.5] });
  assert.equal(count(), 1);
  client.ask('GET_WEIGHTS');
  assert.equal(client.of('WEIGHTS').length, 1);

  const sliced = await startManual(time, IMAGES, { sliceWork: 1 });
  const { x, y } = images(16);
  sliced.ask('START_TRAINING', { x, y, numEpochs: 50 });
  time.turn(3);
  sliced.ask('PING');
  assert.equal(sliced.of('PONG').length, 1, 'PING never waits');
  sliced.ask('STOP_TRAINING');
  assert.equal(
    sliced.of('TRAINING_COMPLETE').length,
    1,
    'three parts into the first step there is no update to finish',
  );
  assert.equal(sliced.of('TRAINING_COMPLETE')[0].step, 0);
  assert.equal(sliced.of('TRAINING_STOPPED').length, 1);
});

test('an update is finished before anything looks at the weights', async () => {
  const time = createManualHost();
  // Enough weights for an update of many parts.
  const spec = {
    inputShape: [256],
    layers: [
      { type: 'dense', units: 512 },
      { type: 'dense', units: 2, activation: 'softmax' },
    ],
  };
  const x = new Float32Array(256 * 4).map((_, i) => Math.sin(i));
  const y = new Int32Array([0, 1, 1, 0]);
  const step = async (/** @type {number} */ steps) => {
    const client = connectLocal();
    await client.ask('INIT_TRAINING', spec);
    if (steps > 0) await client.ask('START_TRAINING', { x, y, batchSize: 4, numEpochs: steps });
    return bitsOf(await client.ask('GET_WEIGHTS'));
  };
  const whole = [await step(0), await step(1), await step(2)];
  let late = 0;
  for (let parts = 1; ; parts++) {
    const client = await startManual(time, spec, { sliceWork: 1 });
    client.ask('START_TRAINING', { x, y, batchSize: 4, numEpochs: 2 });
    time.turn(parts);
    if (client.of('TRAINING_COMPLETE').length > 0) break;
    client.ask('GET_WEIGHTS');
    const atOnce = client.of('WEIGHTS').length > 0;
    while (client.of('WEIGHTS').length === 0) time.turn();
    const [weights] = client.of('WEIGHTS');
    assert.equal(bitsOf(weights), whole[weights.step], `after ${parts} parts`);
    if (!atOnce) late++;
    client.ask('STOP_TRAINING');
    while (time.waiting > 0) time.turn();
    assert.equal(client.of('TRAINING_COMPLETE').length, 1);
  }
  assert.ok(late > 1, `weights were asked for within an update ${late} times`);
});

test('progress: every epoch, at most one batch a message, no more often than asked', async () => {
  const time = createManualHost();
  const client = await startManual(time, QUADRANTS, { sliceWork: 1 });
  const { x, y } = quadrants(40);
  client.ask('START_TRAINING', {
    x,
    y,
    numEpochs: 30,
    batchSize: 10,
    validationSplit: 0.5,
    progressHz: 5,
  });
  while (time.waiting > 0) {
    time.turn();
    time.ms += 1;
  }
  const messages = client.of('TRAINING_PROGRESS');
  const all = messages.flatMap((message) => message.records);
  const [result] = client.of('TRAINING_COMPLETE');
  assert.deepEqual(
    all.filter(({ kind }) => kind === 'epoch').map(({ epoch }) => epoch),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  for (const {
    records,
    memoryBytes,
    threads,
    stepBytes,
    liveBytes,
    stage,
    stageSeconds,
    totals,
    ...latest
  } of messages) {
    const { epoch, step } = latest;
    const done = records.at(-1).kind === 'epoch' ? epoch : epoch - 1;
    assert.deepEqual([totals.runs, totals.epochs, totals.steps], [1, done, step]);
    assert.ok(memoryBytes > stepBytes && stepBytes >= liveBytes && liveBytes > 0);
    assert.equal(threads, 1);
    assert.match(stage, /^(training|validating)$/);
    assert.ok(stageSeconds.training >= 0);
    assert.deepEqual(latest, records.at(-1));
    const kinds = records.map((/** @type {any} */ record) => record.kind);
    assert.ok(
      kinds.slice(0, -1).every((/** @type {string} */ kind) => kind === 'epoch'),
      'a batch record comes last',
    );
  }
  const times = messages.map(({ timestamp }) => timestamp);
  for (let i = 1; i < times.length - 1; i++)
    assert.ok(times[i] - times[i - 1] >= 200, `${times[i] - times[i - 1]} ms`);
  assert.ok(messages.length > 3 && times[0] >= 1e12);
  let before = 0;
  for (const record of all) {
    const {
      epoch,
      batch,
      step,
      percent,
      etaSeconds,
      elapsedSeconds,
      samplesPerSecond,
      totalEpochs,
      totalBatches,
      threadId,
    } = record;
    assert.deepEqual([totalEpochs, totalBatches, threadId], [30, 2, 7]);
    assert.equal(step, (epoch - 1) * 2 + batch);
    assert.equal(percent, (100 * step) / 60);
    assert.ok(percent > before && percent < 100 === (record !== all.at(-1)));
    before = percent;
    assert.ok(Math.abs(etaSeconds - (elapsedSeconds * (60 - step)) / step) < 1e-9);
    if (elapsedSeconds > 0)
      assert.ok(Math.abs(samplesPerSecond - (10 * step) / elapsedSeconds) < 1e-9);
    assert.equal('valLoss' in record, record.kind === 'epoch');
  }
  assert.deepEqual(
    all
      .filter(({ kind }) => kind === 'epoch')
      .map(({ epoch, loss, accuracy, valLoss, valAccuracy, learningRate }) => ({
        epoch,
        loss,
        accuracy,
        valLoss,
        valAccuracy,
        learningRate,
      })),
    result.history,
  );
});

test('the clock decides how long a slice is, and slower work shortens the next pieces', async () => {
  const time = createManualHost();
  const client = await startManual(time, QUADRANTS);
  const { x, y } = quadrants(4000);
  // Every reading finds half a millisecond gone: a slice of 2 ms ends after a few
  time.perReading = 0.5;
  client.ask('START_TRAINING', { x, y, numEpochs: 3 });
  let turns = 0;
  for (; time.waiting > 0; turns++) {
    const before = time.ms;
    time.turn();
    assert.ok(time.ms - before <= 6, `a slice of ${time.ms - before} ms`);
  }
  assert.ok(turns > 3);
  assert.equal(client.of('TRAINING_COMPLETE')[0].reason, 'finished');
});

test('a client that asks without end does not keep training from its turn', async () => {
  const time = createManualHost();
  const client = await startManual(time, QUADRANTS);
  const { x, y } = quadrants(4000);
  time.perReading = 0.5;
  client.ask('START_TRAINING', { x, y, numEpochs: 3 });
  for (let i = 0; i < 100; i++) {
    // And no turn of the queue between them
    client.ask(...(i % 2 ? ['PING'] : ['PREDICT', { x: [1, 1] }]));
  }
  client.ask('GET_STATUS');
  assert.ok(client.of('STATUS')[0].step > 10);
  assert.equal(client.of('PREDICTION_RESULT').length, 50);
});

test('weights go out and come back; what does not fit is refused and changes nothing', async () => {
  const client = await start(IMAGES);
  const { weights, step } = await client.ask('GET_WEIGHTS');
  assert.equal(step, 0);
  assert.deepEqual(
    weights.map((/** @type {any} */ w) => [w.name, w.shape]),
    [
      ['conv2d/kernel', [3, 3, 2, 5]],
      ['conv2d/bias', [5]],
      ['conv2d_1/kernel', [2, 3, 5, 4]],
      ['conv2d_1/bias', [4]],
      ['dense/kernel', [4, 3]],
      ['dense/bias', [3]],
    ].map(([name, shape], i) => [name, i === 4 ? weights[4].shape : shape]),
  );
  const bits = bitsOf({ weights });
  const change = (/** @type {(copy: any[]) => any} */ edit) => {
    const copy = weights.map((/** @type {any} */ w) => ({
      ...w,
      data: w.data.map((/** @type {number} */ v) => v + 1),
    }));
    return { weights: edit(copy) ?? copy };
  };
  const refused = (/** @type {any} */ payload, /** @type {RegExp} */ message) =>
    assert.rejects(client.ask('SET_WEIGHTS', payload), { code: 'INVALID_DATA', message });
  await refused(
    change((w) => w.slice(1)),
    /holds 5 tensors, expected 6/,
  );
  await refused(
    change((w) => void (w[5].shape = [4])),
    /weights\[5\] \(dense\/bias\) has shape \[4\], expected \[3\]/,
  );
  await refused(
    change((w) => void (w[5].shape = undefined)),
    /shape/,
  );
  await refused(
    change((w) => void (w[1].data = w[1].data.slice(1))),
    /4 elements, expected 5/,
  );
  await refused(
    change((w) => void (w[5].data[2] = Infinity)),
    /Infinity at 2/,
  );
  await refused(
    change((w) => void (w[5].data = [0, 1e39, 0])),
    /1e\+39/,
  );
  await refused(
    change((w) => void (w[0].data = new BigInt64Array(90))),
    /data/,
  );
  await refused(
    change((w) => void (w[0].data = 'abc')),
    /data/,
  );
  await refused({ weights: null }, /null/);
  await refused({}, /undefined/);
  assert.equal(bitsOf(await client.ask('GET_WEIGHTS')), bits);
  await client.ask(
    'SET_WEIGHTS',
    change((w) => w),
  );
  const after = await client.ask('GET_WEIGHTS');
  assert.equal(after.weights[5].data[0], weights[5].data[0] + 1);
  assert.equal((await client.ask('GET_STATUS')).state, 'ready');
});

test('large weights go out and in piece by piece, and nobody sees half of them', async () => {
  const time = createManualHost();
  const client = await startManual(
    time,
    { inputShape: [3000], layers: [{ type: 'dense', units: 100 }] },
    { sliceWork: 1 },
  );
  /** @param {string} type @param {any} [payload] */
  const ask = (type, payload) => {
    const before = time.turns;
    client.ask(type, payload);
    client.ask('PREDICT', { x: new Float32Array(3000).fill(1) });
    while (time.waiting > 0) time.turn();
    return time.turns - before;
  };
  assert.ok(ask('GET_WEIGHTS') >= 4, 'a turn for every 65,536 numbers');
  const { weights } = client.of('WEIGHTS')[0];
  assert.equal(weights[0].data.length, 300_000);
  weights[0].data.fill(1);
  assert.ok(ask('SET_WEIGHTS', { weights }) >= 4 + 18, 'checked, then written');
  assert.deepEqual(
    [...client.of('PREDICTION_RESULT')[1].output],
    Array(100).fill(3000),
    'the prediction waited for all of them',
  );
  ask('GET_WEIGHTS');
  assert.deepEqual(client.of('WEIGHTS')[1].weights, weights);
});

test('nothing overtakes SET_WEIGHTS that was sent after it', async () => {
  const time = createManualHost();
  const client = await startManual(time, QUADRANTS, { sliceWork: 1 });
  const { x, y } = quadrants(500);
  client.ask('GET_WEIGHTS');
  while (client.of('WEIGHTS').length === 0) time.turn();
  const { weights } = client.of('WEIGHTS')[0];
  for (const weight of weights) weight.data.fill(0);
  client.ask('EVALUATE_MODEL', { x, y });
  client.ask('PREDICT', { x: [1, 1] }); // overtakes the evaluation
  client.ask('SET_WEIGHTS', { weights });
  client.ask('PREDICT', { x: [1, 1] });
  client.ask('GET_WEIGHTS');
  while (time.waiting > 0) time.turn();
  const order = client.messages.map(({ type }) => type).slice(-5);
  assert.deepEqual(order, [
    'PREDICTION_RESULT',
    'EVALUATION_RESULT',
    'WEIGHTS_SET',
    'PREDICTION_RESULT',
    'WEIGHTS',
  ]);
  const [before, after] = client.of('PREDICTION_RESULT');
  assert.deepEqual(Array.from(after.output), [0.5, 0.5]);
  assert.notDeepEqual(before.output, after.output);
});

/**
 * A session whose turns the test takes itself: INIT goes through its promises by polling real
 * turns.
 * @param {ReturnType<typeof createManualHost>} time @param {any} spec @param {any} [runtime]
 */
async function startManual(time, spec, runtime) {
  const client = connectLocal(time.host);
  client.ask('INIT_TRAINING', { ...spec, runtime });
  while (client.messages.length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    time.turn(100);
  }
  assert.equal(client.messages[0].type, 'MODEL_READY', JSON.stringify(client.messages[0].payload));
  return client;
}
