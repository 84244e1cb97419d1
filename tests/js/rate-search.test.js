/* rate-search.test.js: findLearningRate: rates that rise, the losses that a run at those rates has,
 * and a model that is left as it was, whatever becomes of the search. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrainer } from '../../web/index.js';
import { BOTH, bitsOf, cloudSpec, clouds, everywhere, refused } from './api-setting.js';
import { withStrikes } from './recovery-setting.js';

const { x, y } = clouds(300);
const hex = (/** @type {Uint8Array} */ bytes) => Buffer.from(bytes).toString('hex');
const spec = () => ({
  ...cloudSpec(),
  layers: [
    { type: 'dense', units: 16, activation: 'relu' },
    { type: 'batchNormalization' },
    { type: 'dropout', rate: 0.2 },
    { type: 'dense', units: 3, activation: 'softmax' },
  ],
  optimizer: { type: 'nadam', useEma: true },
});

everywhere('the model, its run and its checkpoint are what they were', BOTH, async (make) => {
  const trainer = await make(spec());
  const best = { earlyStopping: { monitor: 'loss', patience: 2, restoreBest: true } };
  await trainer.fit(x, y, { epochs: 3, learningRate: 0.002, ...best });
  const before = hex(await trainer.save());
  const { rates, losses, suggestion } = await trainer.findLearningRate(x, y, { steps: 60, to: 10 });
  assert.equal(hex(await trainer.save()), before);
  assert.equal(rates.length, losses.length);
  assert.ok(rates.length > 20 && rates.length <= 60);
  rates.forEach((rate, i) => assert.equal(rate, Math.fround(1e-7 * 1e8 ** (i / 59))), 'rates');
  assert.ok(losses.every(Number.isFinite));
  assert.ok(suggestion === null || (suggestion > 1e-7 && suggestion < 10));
  const again = await trainer.findLearningRate(x, y, { steps: 60, to: 10 });
  assert.deepEqual(again.losses, losses);
  const other = await make(spec());
  await other.fit(x, y, { epochs: 3, learningRate: 0.002, ...best });
  await other.fit(x, y, { epochs: 4, resume: true });
  await trainer.fit(x, y, { epochs: 4, resume: true });
  assert.deepEqual(bitsOf(await trainer.getWeights()), bitsOf(await other.getWeights()));
});

everywhere('the losses are those of a run at these rates', BOTH, async (make) => {
  const searched = await make(cloudSpec());
  const { losses, rates } = await searched.findLearningRate(x, y, {
    from: 1e-4,
    to: 0.1,
    steps: 38,
    batchSize: 16,
  });
  assert.equal(losses.length, 38);
  const trained = await make(cloudSpec());
  const learningRate = /** @type {const} */ ({
    type: 'exponential',
    learningRate: 1e-4,
    decaySteps: 37,
    decayRate: 1000,
  });
  const run = trained.fit(x, y, {
    epochs: 2,
    batchSize: 16,
    maxSteps: 38,
    batchRecords: 'every',
    learningRate,
  });
  const told = [];
  run.addEventListener('batches', ({ detail: { rows, columns } }) => {
    for (let at = 0; at < rows.length; at += columns.length) {
      const row = [...rows.subarray(at, at + columns.length)];
      told.push([row[columns.indexOf('batchLoss')], row[columns.indexOf('learningRate')]]);
    }
  });
  await run;
  assert.deepEqual(
    told.map(([loss]) => Math.fround(loss)),
    [...losses],
  );
  assert.deepEqual(
    told.map(([, rate]) => Math.fround(rate)),
    [...rates],
  );
});

everywhere('an explosion ends it, and the suggestion trains', BOTH, async (make) => {
  const trainer = await make({ ...cloudSpec(), optimizer: 'sgd' });
  const found = await trainer.findLearningRate(x, y, { steps: 200, to: 1e6 });
  assert.ok(found.rates.length < 200, `${found.rates.length} of 200 steps`);
  assert.ok(found.suggestion > 1e-3 && found.suggestion < 10, `${found.suggestion}`);
  const { history } = await trainer.fit(x, y, { epochs: 8, learningRate: found.suggestion });
  assert.ok(history[7].loss < 0.7 * history[0].loss, `${history[0].loss}, ${history[7].loss}`);
});

everywhere('refusals, and what waits for it', BOTH, async (make) => {
  const trainer = await make(cloudSpec());
  const find = (options) => trainer.findLearningRate(x, y, options);
  await refused(find({ from: 1, to: 0.1 }), 'INVALID_OPTION', /from is 1, expected a number below/);
  await refused(find({ steps: 1 }), 'INVALID_OPTION', /steps is 1, expected an integer from 2/);
  await refused(find({ from: 0 }), 'INVALID_OPTION', /from is 0, expected a number from 1e-12/);
  await refused(find({ min: 0 }), 'INVALID_OPTION', /unknown field 'min'/);
  await refused(trainer.findLearningRate(x.subarray(1), y), 'INVALID_DATA', /x has/);
  const weights = bitsOf(await trainer.getWeights());
  const [, prediction, other] = await Promise.all([
    find({ steps: 50 }),
    trainer.predict(x.subarray(0, 6)),
    trainer.getWeights(),
  ]);
  assert.equal(prediction.step, 0);
  assert.deepEqual(bitsOf(other), weights);
  const run = trainer.fit(x, y, { epochs: 1000 });
  await refused(find(), 'BUSY', /a run is on/);
  await run.stop();
  const gone = new AbortController();
  const aborted = trainer.findLearningRate(x, y, { steps: 20000, signal: gone.signal });
  gone.abort();
  await refused(aborted, 'ABORTED', /aborted/);
  const step = trainer.status().step;
  assert.equal((await trainer.predict(x.subarray(0, 6))).step, step);
});

test('a worker that dies in the middle: the search is made in its place', async () => {
  const plain = await createTrainer(cloudSpec(), { mode: 'worker' });
  const want = await plain.findLearningRate(x, y, { steps: 3000, to: 1e-3 });
  await plain.dispose();
  await withStrikes([{ at: 'LEARNING_RATE_FOUND', before: true }], async (workers) => {
    const trainer = await createTrainer(cloudSpec(), { mode: 'worker', restart: { delay: 0 } });
    assert.deepEqual(await trainer.findLearningRate(x, y, { steps: 3000, to: 1e-3 }), want);
    assert.equal(workers.length, 2);
    await trainer.dispose();
  });
});

test('dispose ends it', async () => {
  for (const mode of /** @type {const} */ (['worker', 'main'])) {
    const trainer = await createTrainer(cloudSpec(), { mode });
    const search = trainer.findLearningRate(x, y, { steps: 1e6, to: 1e-6 });
    const ended = refused(search, 'DISPOSED', /disposed of/);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await trainer.dispose();
    await ended;
  }
});
