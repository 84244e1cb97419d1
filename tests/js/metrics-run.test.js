/* metrics-run.test.js: worker/trainer/run/metrics.js: what `metrics` says, the names and directions
 * of records, results as fields of records, and refusals. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { worded } from '../../worker/spec/refused.js';
import { Metrics, directionsOf, readMetrics } from '../../worker/trainer/run/metrics.js';
import { open, put } from './metrics-setting.js';

const pump = /** @type {any} */ ({ chunk: 1, spend: () => true });

/** @param {Generator<void, any, void>} work */
function whole(work) {
  let turns = 0;
  for (;;) {
    const { done, value } = work.next();
    if (done) return { value, turns };
    turns++;
  }
}

const CLASSES = { inputShape: [3], layers: [{ type: 'dense', units: 3, activation: 'softmax' }] };
const TWO = {
  inputShape: [3],
  layers: [
    { type: 'dense', units: 2, activation: 'softmax', name: 'kind', input: 'input' },
    { type: 'dense', units: 1, name: 'age', input: 'input' },
  ],
  outputs: ['kind', 'age'],
};
const N = 12;
const x = Float32Array.from({ length: 3 * N }, (_, i) => Math.sin(i * i));

test('results are fields of records, by name; scores are sorted in slices', async () => {
  const { core, model, plan, epoch } = await open('simd', CLASSES, N);
  const { schema } = core;
  const asked = readMetrics(
    schema,
    [
      'accuracy',
      'f1',
      { type: 'f1', average: 'none', name: 'f1OfEach' },
      'confusionMatrix',
      { type: 'meanSquaredError', name: undefined },
      { type: 'auc', curve: 'pr', name: 'precisionRecall' },
      { type: 'accuracy', name: 'hits' },
    ],
    ['output'],
    'INVALID_SPEC',
  );
  assert.deepEqual(asked.accuracy, ['output']);
  assert.deepEqual(directionsOf(asked), {
    f1: 1,
    f1OfEach: 0,
    confusionMatrix: 0,
    meanSquaredError: -1,
    precisionRecall: 1,
    hits: 1,
  });
  const metrics = new Metrics(core, model, asked, N);
  const { F32, I32, EVALUATE } = schema.constants;
  const made = plan(EVALUATE, 5, metrics.address);
  const y = Int32Array.from({ length: N }, (_, i) => i % 3);
  core.planSetData(made, put(core, x), F32, put(core, y), I32, N);
  epoch(made, N, { batch: 5 });
  const { value, turns } = whole(metrics.results(pump));
  assert.ok(turns > 3);
  assert.deepEqual(
    Object.keys(value),
    asked.measures.map(({ name }) => name),
  );
  assert.ok(value.f1 > 0 && value.f1 <= 1);
  assert.ok(value.f1OfEach instanceof Float32Array && value.f1OfEach.length === 3);
  assert.equal(value.confusionMatrix.size, 3);
  assert.ok(value.confusionMatrix.counts instanceof Float64Array);
  assert.equal(
    value.confusionMatrix.counts.reduce((sum, n) => sum + n),
    N,
  );
  const { state } = metrics;
  metrics.reset();
  assert.equal(whole(metrics.results(pump)).value.f1, 0);
  metrics.restore(state);
  assert.throws(() => metrics.restore(state.map((v) => -v - 1)), { code: 'BAD_CHECKPOINT' });
  assert.deepEqual(whole(metrics.results(pump)).value, value);
  assert.deepEqual(Object.keys(whole(metrics.results(pump, 'val')).value).slice(0, 2), [
    'valF1',
    'valF1OfEach',
  ]);
  metrics.free();
});

test('of several outputs each has its own, and a list is meant for all', async () => {
  const { core, model, plan, epoch } = await open('simd', TWO, N);
  const { schema } = core;
  const outputs = ['kind', 'age'];
  const given = { age: ['meanAbsoluteError', 'r2'], kind: ['f1', 'accuracy'] };
  const asked = readMetrics(schema, given, outputs, 'INVALID_OPTION');
  assert.deepEqual(asked.accuracy, ['kind']);
  assert.deepEqual(directionsOf(asked), { 'kind.f1': 1, 'age.meanAbsoluteError': -1, 'age.r2': 1 });
  const metrics = new Metrics(core, model, asked, N);
  const { F32, EVALUATE } = schema.constants;
  const made = plan(EVALUATE, N, metrics.address);
  const y = Float32Array.from({ length: 2 * N }, (_, i) => (i % 2 ? i / 5 : (i / 2) % 2));
  core.planSetData(made, put(core, x), F32, put(core, y), F32, N, 1);
  epoch(made, N, { batch: N });
  const { value } = whole(metrics.results(pump, 'val'));
  assert.deepEqual(Object.keys(value), ['outputs']);
  assert.deepEqual(Object.keys(value.outputs.kind), ['valF1']);
  assert.deepEqual(Object.keys(value.outputs.age), ['valMeanAbsoluteError', 'valR2']);
  const all = readMetrics(schema, ['meanSquaredError'], outputs, 'INVALID_OPTION');
  assert.deepEqual(
    all.measures.map(({ key }) => key),
    ['kind.meanSquaredError', 'age.meanSquaredError'],
  );
  assert.throws(
    () => new Metrics(core, model, readMetrics(schema, ['f1'], outputs, 'INVALID_OPTION'), N),
    { code: 'INVALID_OPTION' },
  );
});

test('what cannot be read is refused, each with what was got and what is expected', async () => {
  const { core } = await open('simd', CLASSES, N);
  const types = /expected one of 'accuracy', 'binaryAccuracy', .*'cosineSimilarity'/;
  for (const [given, message, outputs = ['output']] of /** @type {[any, any, string[]?][]} */ ([
    ['f1', "metrics is 'f1', expected an array, or { name of an output: an array }"],
    [{ output: 'f1' }, "metrics.output is 'f1', expected an array"],
    [
      { kinds: [] },
      "metrics: 'kinds' is no output, expected one of 'kind'; did you mean 'kind'?",
      ['kind'],
    ],
    [['f1', 'f2'], types],
    [['F1'], /metrics\[0\] is 'F1', .*; did you mean 'f1'\?/],
    [[{ type: 'f11' }], /metrics\[0\]\.type is 'f11', .*; did you mean 'f1'\?/],
    [['rmse'], /; did you mean 'rootMeanSquaredError'\?/],
    [['AUROC'], /; did you mean 'auc'\?/],
    [['sensitivity'], /; did you mean 'recall'\?/],
    [[undefined], /metrics\[0\] is undefined, expected one of/],
    [
      [{ type: 'f1', averge: 'macro' }],
      /metrics\[0\]: unknown field 'averge', .*did you mean 'average'/,
    ],
    [[{ type: 'f1', average: 'mcro' }], /metrics\[0\]\.average is 'mcro', .*did you mean 'macro'/],
    [[{ type: 'f1', output: 0 }], /metrics\[0\]: unknown field 'output'/],
    [['fBeta'], 'metrics[0].beta is missing, expected a number from 0.000001 to 1000000'],
    [[{ type: 'topKAccuracy', k: 0 }], 'metrics[0].k is 0, expected an integer from 1 to 16777216'],
    [['f1', { type: 'f1', threshold: 0.3 }], /metrics\[1\] is called 'f1', as another one is: /],
    [['accuracy', { type: 'accuracy' }], /metrics\[1\] is called 'accuracy'/],
    [[{ type: 'f1', name: 'loss' }], /metrics\[0\]\.name is 'loss', expected 1 to 100 characters/],
    [[{ type: 'f1', name: 'valF1' }], /metrics\[0\]\.name is 'valF1'/],
    [[{ type: 'f1', name: 'a.b' }], /metrics\[0\]\.name is 'a\.b'/],
    [[{ type: 'f1', name: '' }], /metrics\[0\]\.name is ''/],
    [
      Array.from({ length: 65 }, (_, i) => ({ type: 'f1', name: `f${i}` })),
      'metrics holds 65 values of all outputs, expected at most 64',
    ],
  ])) {
    let refused;
    try {
      readMetrics(core.schema, given, outputs, 'INVALID_SPEC');
    } catch (error) {
      refused = await worded(error);
    }
    assert.equal(refused?.code, 'INVALID_SPEC');
    if (typeof message === 'string') assert.equal(refused.message, message);
    else assert.match(refused.message, message);
  }
  assert.throws(() => readMetrics(core.schema, ['F1'], ['output'], 'INVALID_OPTION'), {
    code: 'INVALID_OPTION',
    message: /did you mean 'f1'\?$/,
  });
  assert.deepEqual(readMetrics(core.schema, [], ['output'], 'INVALID_SPEC').measures, []);
});
