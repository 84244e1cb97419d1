/* metrics-core.test.js: metrics through the core's exports: the same bits in all variants that must
 * agree and for any number of slices, sums that come back, refusals in words. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { OffstageError } from '../../worker/host/errors.js';
import { worded } from '../../worker/spec/refused.js';
import { open, put } from './metrics-setting.js';

const SAMPLES = 40;
const CLASSES = 3;
const SPEC = {
  inputShape: [4],
  layers: [
    { type: 'dense', units: 5, activation: 'tanh' },
    { type: 'dense', units: CLASSES, activation: 'softmax' },
  ],
  seed: 4,
};
const x = Float32Array.from({ length: SAMPLES * 4 }, (_, i) => Math.sin(i * i) * 2);
const y = Int32Array.from({ length: SAMPLES }, (_, i) => (i * 7 + (i >> 2)) % CLASSES);

const LIST = [
  { type: 'confusionMatrix' },
  { type: 'f1', average: 'weighted' },
  { type: 'topKAccuracy', k: 2 },
  { type: 'meanSquaredError' },
  { type: 'r2' },
  { type: 'precision', average: 'none' },
  { type: 'auc' },
  { type: 'auc', curve: 'pr', average: 'micro' },
  { type: 'auc', thresholds: 50, average: 'none' },
];

/** @param {any} variant */
async function opened(variant) {
  const setting = await open(variant, SPEC, SAMPLES);
  const { F32, I32 } = setting.core.schema.constants;
  const data = [put(setting.core, x), put(setting.core, y)];
  const plan = (/** @type {number} */ kind, metrics = 0) => {
    const made = setting.plan(kind, 16, metrics);
    setting.core.planSetData(made, data[0], F32, data[1], I32, SAMPLES);
    return made;
  };
  return { ...setting, plan };
}

test('results are those of the predictions', async () => {
  const { core, plan, metrics, epoch, results } = await opened('simd');
  const { PREDICT, EVALUATE } = core.schema.constants;
  const all = metrics(LIST);
  epoch(plan(EVALUATE, all), SAMPLES);
  /** @type {number[]} */ const p = [];
  const predicts = plan(PREDICT);
  epoch(predicts, SAMPLES, {
    each: (at) => {
      p.push(...core.floats(core.planOutput(predicts), CLASSES * Math.min(16, SAMPLES - at)));
    },
  });
  const matrix = new Float64Array(CLASSES * CLASSES);
  let top = 0;
  let squares = 0;
  y.forEach((truth, i) => {
    const row = p.slice(CLASSES * i, CLASSES * (i + 1));
    matrix[truth * CLASSES + row.indexOf(Math.max(...row))]++;
    top += row.filter((v) => v > row[truth]).length < 2 ? 1 / SAMPLES : 0;
    row.forEach((v, k) => (squares += (v - +(k === truth)) ** 2 / (SAMPLES * CLASSES)));
  });
  const got = results(all, LIST.length);
  assert.deepEqual(got[0], matrix);
  assert.ok(Math.abs(got[2][0] - top) < 1e-12);
  assert.ok(Math.abs(got[3][0] - squares) < 1e-6);
  const precision = Array.from({ length: CLASSES }, (_, k) => {
    const guessed = [0, 1, 2].reduce((sum, row) => sum + matrix[row * CLASSES + k], 0);
    return guessed ? matrix[k * CLASSES + k] / guessed : 0;
  });
  assert.deepEqual([...got[5]], precision);
  const told = LIST.map((_, i) => core.metricsInfo(all, i));
  assert.deepEqual(
    told.map(({ direction, rank, length }) => [direction, rank, length]),
    [
      [0, 2, 9],
      [1, 0, 1],
      [1, 0, 1],
      [-1, 0, 1],
      [1, 0, 1],
      [0, 1, 3],
      [1, 0, 1],
      [1, 0, 1],
      [0, 1, 3],
    ],
  );
  assert.throws(() => core.metricsInfo(all, LIST.length), OffstageError);
});

test('the schema tells which way a metric is better', async () => {
  const { core } = await opened('simd');
  const seen = new Set();
  const of = (/** @type {string} */ group) =>
    core.schema.records.filter((r) => r.group === group).map(({ type }) => type);
  assert.deepEqual(of('evaluation-down'), [
    'meanSquaredError',
    'rootMeanSquaredError',
    'meanAbsoluteError',
    'meanAbsolutePercentageError',
  ]);
  assert.deepEqual(of('evaluation-none'), ['confusionMatrix', 'perClassAccuracy']);
  assert.equal(of('evaluation-up').length, 14);
  /* and so does the core */
  for (const [activation, units] of /** @type {[string, number][]} */ ([
    ['softmax', 5],
    ['sigmoid', 1],
    ['linear', 2],
  ])) {
    const spec = { inputShape: [2], layers: [{ type: 'dense', units, activation }] };
    const setting = await open('simd', spec, SAMPLES);
    for (const { type, id, group } of core.schema.records) {
      if (!group.startsWith('evaluation')) continue;
      let made;
      try {
        made = setting.metrics([{ type, ...(type === 'fBeta' && { beta: 2 }) }]);
      } catch {
        continue; // not of this output
      }
      const told = setting.core.metricsInfo(made, 0);
      const direction = { 1: 'up', '-1': 'down', 0: 'none' }[told.direction];
      assert.deepEqual([told.type, `evaluation-${direction}`], [id, group]);
      seen.add(type);
    }
  }
  assert.equal(seen.size, 20);
});

test('sums and results have the same bits in base and simd, whole and in slices, and come back', async () => {
  /** @type {[Float64Array, Float64Array[]][]} */ const states = [];
  for (const [variant, work] of /** @type {[string, number][]} */ ([
    ['base', 1e9],
    ['simd', 1e9],
    ['simd', 1],
  ])) {
    const { core, plan, metrics, epoch, results } = await opened(variant);
    const all = metrics(LIST);
    const copy = metrics(LIST);
    epoch(plan(core.schema.constants.TRAIN, all), SAMPLES, {
      work,
      each: () => {
        const sums = core.metricsState(all);
        assert.ok(core.metricsRestore(copy, sums));
        assert.deepEqual(core.metricsState(copy), sums);
        assert.deepEqual(results(copy, LIST.length, 1), results(all, LIST.length));
      },
    });
    states.push([core.metricsState(all), results(all, LIST.length, work)]);
    const bad = core.metricsState(all).fill(NaN);
    assert.equal(core.metricsRestore(copy, bad), false);
    assert.equal(core.metricsRestore(copy, bad.subarray(0, 0)), false);
    core.metricsReset(all);
    assert.ok(core.metricsState(all).every((v) => v === 0));
  }
  assert.deepEqual(states[1], states[0]);
  assert.deepEqual(states[2], states[0]);
});

test('a metric that the output does not take is refused in words', async () => {
  const { metrics } = await opened('simd');
  const line = await open(
    'simd',
    { inputShape: [2], layers: [{ type: 'dense', units: 2 }] },
    SAMPLES,
  );
  const accuracy = { type: 'accuracy' };
  for (const [make, list, message] of /** @type {[any, any[], string][]} */ ([
    [
      metrics,
      [accuracy, { type: 'binaryAccuracy' }],
      "metrics[1] (binaryAccuracy): its output's layer has activation 'softmax', expected 'sigmoid'",
    ],
    [
      line.metrics,
      [{ type: 'auc' }],
      "metrics[0] (auc): its output's layer has activation 'linear', expected 'softmax' or 'sigmoid'",
    ],
    [
      metrics,
      [{ type: 'topKAccuracy', k: 4 }],
      'metrics[0] (topKAccuracy): k is 4, expected an integer from 1 to 3',
    ],
    [
      metrics,
      [accuracy, { type: 'f1', classIndex: 3 }],
      'metrics[1] (f1): classIndex is 3, expected an integer from 0 to 2',
    ],
    [
      metrics,
      [{ type: 'fBeta', beta: 0 }],
      'metrics[0] (fBeta): beta is 0, expected a number from 0.000001 to 1000000',
    ],
  ])) {
    let refused;
    try {
      make(list);
    } catch (error) {
      refused = await worded(error);
    }
    assert.equal(refused?.code, 'INVALID_SPEC');
    assert.equal(refused.message, message);
  }
});
