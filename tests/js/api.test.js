/* api.test.js: training, predicting and steering through the public API, in every place and
 * variant. Expectations come from the problems (they are separable, so they must be learned) and
 * from the contract, never from the implementation's own figures; between places only equal bits
 * will do. */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { createTrainer, OffstageError } from '../../web/index.js';
import {
  BOTH,
  PLACES,
  barSpec,
  bars,
  bitsOf,
  cloudSpec,
  clouds,
  everywhere,
  until,
} from './api-setting.js';

everywhere('a separable problem is learned', PLACES, async (make, t, place) => {
  const { x, y } = clouds(300);
  const held = clouds(90, { seed: 5 });
  const trainer = await make(cloudSpec());
  assert.equal(trainer.info.mode, place.mode);
  assert.equal(trainer.info.variant, place.variant);
  const result = await trainer.fit(x, y, { epochs: 20 });
  assert.equal(result.reason, 'finished');
  assert.equal(result.epochs, 20);
  assert.equal(result.steps, 20 * Math.ceil(300 / 32));
  assert.deepEqual(
    result.history.map(({ epoch }) => epoch),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  assert.ok(result.history[19].loss < result.history[0].loss / 3);
  assert.ok(result.history[19].accuracy > 0.97);
  const { loss, accuracy, samples } = await trainer.evaluate(held.x, held.y);
  assert.ok(accuracy > 0.97 && loss < 0.3, `held out: accuracy ${accuracy}, loss ${loss}`);
  assert.equal(samples, 90);

  const { output, index, label, confidence } = await trainer.predict(held.x);
  assert.ok(
    output instanceof Float32Array &&
      index instanceof Int32Array &&
      confidence instanceof Float32Array,
  );
  assert.equal(output.length, 90 * 3);
  let correct = 0;
  for (let i = 0; i < 90; i++) {
    const row = [...output.subarray(3 * i, 3 * i + 3)];
    assert.ok(Math.abs(row[0] + row[1] + row[2] - 1) < 1e-5);
    assert.equal(index[i], row.indexOf(Math.max(...row)));
    assert.equal(label[i], ['red', 'green', 'blue'][index[i]]);
    assert.equal(confidence[i], row[index[i]]);
    if (index[i] === held.y[i]) correct++;
  }
  assert.ok(Math.abs(correct / 90 - accuracy) < 1e-6);

  const one = await trainer.predict(held.x.subarray(6, 12));
  assert.deepEqual([...one.output], [...output.subarray(3, 6)]);
  assert.equal(one.index, index[1]);
  assert.equal(one.label, label[1]);
  assert.equal(one.confidence, confidence[1]);
});

test('the same bits in every place and variant', async () => {
  const { x, y } = bars(130);
  const seen = [];
  for (const place of PLACES) {
    const trainer = await createTrainer(barSpec(), place);
    const result = await trainer.fit(x, y, { epochs: 3, batchSize: 16, validationSplit: 0.2 });
    const prediction = await trainer.predict(x.subarray(0, 64 * 5));
    seen.push({
      weights: bitsOf(await trainer.getWeights()),
      history: result.history,
      output: [...prediction.output],
    });
    await trainer.dispose();
  }
  for (const other of seen.slice(1)) assert.deepEqual(other, seen[0]);
  assert.ok(
    seen[0].history.every(
      ({ loss, valLoss, valAccuracy }) => loss > 0 && valLoss > 0 && valAccuracy >= 0,
    ),
  );
});

everywhere('pauses, predictions and slices change no bit', BOTH, async (make) => {
  const { x, y } = bars(200);
  const options = { epochs: 4, batchSize: 8 };
  const calm = await make(barSpec());
  await calm.fit(x, y, options);
  const disturbed = await make(barSpec());
  const run = disturbed.fit(x, y, { ...options, progressHz: 1000 });
  for await (const record of run) {
    if (record.kind === 'batch') continue;
    await run.pause();
    await disturbed.predict(x.subarray(0, 64));
    await disturbed.evaluate(x, y);
    await run.resume();
  }
  assert.equal((await run).reason, 'finished');
  assert.deepEqual(bitsOf(await disturbed.getWeights()), bitsOf(await calm.getWeights()));
});

everywhere('predictions, evaluations and weights are served while training', BOTH, async (make) => {
  const { x, y } = clouds(300);
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, { epochs: 1e6 });
  for await (const record of run) {
    assert.ok(record.epoch >= 1);
    break; // leaving early only stops listening
  }
  assert.equal(trainer.status().state, 'training');
  const before = await trainer.getWeights();
  const { output } = await trainer.predict(x.subarray(0, 6));
  assert.ok(Math.abs(output[0] + output[1] + output[2] - 1) < 1e-5);
  const { accuracy } = await trainer.evaluate(x, y);
  assert.ok(accuracy >= 0 && accuracy <= 1);
  const same = bitsOf(before); // training goes on: the weights change sooner or later
  while (isDeepStrictEqual(bitsOf(await trainer.getWeights()), same));
  assert.equal(trainer.status().state, 'training');
  await run.stop();
  assert.equal((await run).reason, 'stopped');
  assert.equal(trainer.status().state, 'ready');
});

everywhere('pause stands still, resume goes on, stop ends', BOTH, async (make) => {
  const { x, y } = clouds(300);
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, { epochs: 1e6 });
  await run.pause();
  assert.equal(trainer.status().state, 'paused');
  const standing = bitsOf(await trainer.getWeights());
  for (let turn = 0; turn < 20; turn++) await trainer.predict(x.subarray(0, 6));
  assert.deepEqual(bitsOf(await trainer.getWeights()), standing);
  await run.resume();
  assert.equal(trainer.status().state, 'training');
  let now = standing;
  while (now.join() === standing.join()) now = bitsOf(await trainer.getWeights());
  await run.pause();
  await run.stop(); // out of a pause, too
  const result = await run;
  assert.equal(result.reason, 'stopped');
  assert.equal(result.history.length, result.epochs);
  await run.pause();
  await run.resume();
  await run.stop();
  const after = bitsOf(await trainer.getWeights());
  assert.deepEqual(bitsOf(await trainer.getWeights()), after);
});

everywhere('a second fit goes on with weights, moments and step', BOTH, async (make) => {
  const { x, y } = clouds(96);
  const trainer = await make(cloudSpec());
  const first = await trainer.fit(x, y, { epochs: 3 });
  const second = await trainer.fit(x, y, { epochs: 2 });
  assert.equal(first.step, 9);
  assert.equal(second.steps, 6);
  assert.equal(second.step, 15);
  assert.equal(trainer.status().step, 15);
  assert.ok(second.history[0].loss < first.history[0].loss);
});

everywhere('weights can be read and put back', BOTH, async (make) => {
  const { x, y } = bars(64);
  const trainer = await make(barSpec());
  await trainer.fit(x, y, { epochs: 2 });
  const weights = await trainer.getWeights();
  assert.deepEqual(
    weights.map(({ name, shape }) => [name, shape]),
    [
      ['conv2d/kernel', [3, 3, 1, 5]],
      ['conv2d/bias', [5]],
      ['conv2d_1/kernel', [3, 2, 5, 4]],
      ['conv2d_1/bias', [4]],
      ['dense/kernel', [8, 3]],
      ['dense/bias', [3]],
    ],
  );
  assert.equal(
    trainer.info.parameters,
    weights.reduce((sum, { data }) => sum + data.length, 0),
  );
  const picture = x.subarray(0, 64);
  const expected = await trainer.predict(picture);
  const other = await make({ ...barSpec(), seed: 3 });
  assert.notDeepEqual(await other.predict(picture), expected);
  const joined = new Float32Array(1000); // views of a larger buffer are what they show, no more
  let end = 0;
  const views = weights.map(({ shape, data }) => {
    joined.set(data, end);
    end += data.length;
    return { shape, data: joined.subarray(end - data.length, end) };
  });
  await other.setWeights(views);
  assert.deepEqual(bitsOf(await other.getWeights()), bitsOf(weights));
  assert.deepEqual(await other.predict(picture), { ...expected, step: 0 });
  weights[0].data.fill(0); // what was given out is nobody else's
  assert.deepEqual(await trainer.predict(picture), expected);
});

everywhere('every epoch reaches events and iterations', BOTH, async (make) => {
  const { x, y } = clouds(96);
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, { epochs: 40, validationSplit: 0.25, progressHz: 2 });
  const heard = [];
  run.addEventListener('progress', ({ detail }) => heard.push(detail));
  const iterated = [];
  for await (const record of run) iterated.push(record);
  const { history } = await run.result;
  for (const records of [heard, iterated]) {
    const epochs = records.filter(({ kind }) => kind === 'epoch');
    assert.deepEqual(
      epochs.map(({ epoch, loss, accuracy, valLoss, valAccuracy, learningRate }) => ({
        epoch,
        loss,
        accuracy,
        valLoss,
        valAccuracy,
        learningRate,
      })),
      history,
    );
    assert.deepEqual(
      epochs.map(({ epoch }) => epoch),
      history.map((_, i) => i + 1),
    );
    assert.deepEqual(
      epochs.map(({ step }) => step),
      history.map((_, i) => 3 * (i + 1)),
    );
    const percents = records.map(({ percent }) => percent);
    assert.deepEqual(
      percents,
      [...percents].sort((a, b) => a - b),
    );
    assert.equal(percents.at(-1), 100);
    assert.ok(
      records.every(
        (r) => r.totalEpochs === 40 && r.totalBatches === 3 && r.batch >= 1 && r.batch <= 3,
      ),
    );
    assert.ok(
      records.every((r) => r.elapsedSeconds >= 0 && r.etaSeconds >= 0 && r.timestamp > 1.6e12),
    );
  }
  for await (const record of run) assert.fail(`an ended run tells nothing more: ${record}`);
});

everywhere('a slow iteration misses no epoch', BOTH, async (make) => {
  const { x, y } = clouds(48);
  const trainer = await make(cloudSpec());
  const run = trainer.fit(x, y, { epochs: 30, progressHz: 1000 });
  const epochs = [];
  for await (const { kind, epoch } of run) {
    if (kind === 'epoch') epochs.push(epoch);
    if (epochs.length === 1) await run.result;
  }
  assert.deepEqual(
    epochs,
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
});

everywhere('info and status are plain objects', BOTH, async (make, t, { mode }) => {
  const trainer = await make(barSpec());
  const { info } = trainer;
  assert.equal(info.mode, mode);
  assert.equal(info.reason, null);
  assert.equal(
    info.threads,
    mode === 'main' ? 1 : Math.min(8, Math.max(1, availableParallelism() - 1)),
  );
  assert.equal(info.variant, info.threads > 1 ? 'simd-mt' : 'simd');
  assert.ok(info.startupMs > 0 && info.memoryBytes > 0);
  assert.deepEqual(info.inputShape, [8, 8, 1]);
  assert.deepEqual(info.outputShape, [3]);
  assert.equal(info.classes, 3);
  assert.equal(info.seed, 42);
  assert.equal(info.layers.length, 7);
  assert.deepEqual(
    info.layers.map(({ outputShape }) => outputShape),
    [[8, 8, 5], [4, 4, 5], [2, 3, 4], [1, 2, 4], [8], [8], [3]],
  );
  assert.equal(Object.getPrototypeOf(info), Object.prototype);
  assert.deepEqual(structuredClone(info), info);
  const status = trainer.status();
  assert.equal(Object.getPrototypeOf(status), Object.prototype);
  assert.equal(status.state, 'ready');
  assert.equal(status.step, 0);
  assert.ok(status.lastBeat <= Date.now() && status.memory > 0);
});

everywhere('threads and relaxed SIMD are asked for by options', BOTH, async (make, t, { mode }) => {
  const { info } = await make(cloudSpec(), { threads: 3 });
  assert.deepEqual([info.variant, info.threads], mode === 'main' ? ['simd', 1] : ['simd-mt', 3]);
  if (mode === 'main') assert.match(info.reason, /^one thread computes, not 3: /);
  else assert.equal(info.reason, null);
  for (const threads of [0, 1]) {
    const { info: one } = await make(cloudSpec(), { threads });
    assert.deepEqual([one.variant, one.threads, one.reason], ['simd', 1, null]);
  }
  const { info: free } = await make(cloudSpec(), { threads: 1, deterministic: false });
  assert.equal(
    free.variant,
    free.reason === null ? 'relaxed' : 'simd',
    'one of the two, as the engine has it',
  );
  if (free.reason !== null) assert.match(free.reason, /relaxed SIMD/);
});

test('a run is a promise of its result', async () => {
  const { x, y } = clouds(48);
  const trainer = await createTrainer(cloudSpec(), { mode: 'main' });
  const run = trainer.fit(x, y);
  assert.equal(typeof run.then, 'function');
  let ended = 0;
  const [a, b, c, d] = await Promise.all([
    run,
    run.result,
    run.then((result) => result),
    run.finally(() => ended++),
  ]);
  assert.equal(a, b);
  assert.equal(a, c);
  assert.equal(a, d);
  assert.equal(ended, 1);
  assert.equal(
    await (async () => run)(),
    a,
    'an async function that returns a run yields its result',
  );
  const failed = trainer.fit(x, 'nonsense');
  assert.ok((await failed.catch((error) => error)) instanceof OffstageError);
  await trainer.dispose();
});

test('a regression with the defaults, and one sigmoid unit', async () => {
  const next = Array.from({ length: 64 }, (_, i) => i / 32 - 1);
  const line = await createTrainer(
    { inputShape: [1], layers: [{ type: 'dense', units: 1 }], learningRate: 0.05 },
    { mode: 'main' },
  );
  assert.deepEqual(line.info.metrics, []);
  const { history } = await line.fit(
    next.map((v) => [v]),
    next.map((v) => [3 * v - 1]),
    { epochs: 200 },
  );
  assert.ok(history.at(-1).loss < 1e-3);
  assert.equal('accuracy' in history[0], false);
  const prediction = await line.predict([0.5]);
  assert.ok(Math.abs(prediction.output[0] - 0.5) < 0.1);
  assert.equal(prediction.index, undefined);
  await line.dispose();

  const sign = await createTrainer(
    {
      inputShape: [1],
      layers: [{ type: 'dense', units: 1, activation: 'sigmoid' }],
      labels: ['minus', 'plus'],
      learningRate: 0.1,
    },
    { mode: 'main' },
  );
  await sign.fit(
    next.map((v) => [v]),
    next.map((v) => (v > 0 ? 'plus' : 'minus')),
    { epochs: 50 },
  );
  const minus = await sign.predict([-0.9]);
  assert.deepEqual([minus.index, minus.label], [0, 'minus']);
  assert.ok(Math.abs(minus.confidence - (1 - minus.output[0])) < 1e-6);
  const plus = await sign.predict([0.9]);
  assert.deepEqual([plus.index, plus.label], [1, 'plus']);
  assert.equal(plus.confidence, plus.output[0]);
  await sign.dispose();
});

test('two trainers do not know each other', async () => {
  const { x, y } = clouds(96);
  const trainers = await Promise.all(
    ['worker', 'main', 'main'].map((mode) => createTrainer(cloudSpec(), { mode })),
  );
  const runs = trainers.map((trainer) => ({ run: trainer.fit(x, y, { epochs: 5 }) }));
  await until(() => true);
  await Promise.all(runs.map(({ run }) => run));
  const [a, b, c] = await Promise.all(trainers.map((trainer) => trainer.getWeights().then(bitsOf)));
  assert.deepEqual(b, a);
  assert.deepEqual(c, a);
  await Promise.all(trainers.map((trainer) => trainer.dispose()));
});
