/* metrics-core.test.js: metrics through the core's exports: results against restatements over the
 * predictions, the same bits in all variants that must agree, and sums that come back. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadModule } from '../../worker/host/module.js';
import { OffstageError } from '../../worker/host/errors.js';
import { readFields, recordNamed, toNumbers } from '../../worker/spec/fields.js';
import { encodeSpec } from '../../worker/spec/spec.js';
import { Core } from '../../worker/trainer/core.js';

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

/** The bytes of a list of metrics. @param {Core} core @param {any[]} list */
function bytesOf({ schema }, list) {
  const bytes = new Uint8Array(8192);
  const view = new DataView(bytes.buffer);
  let at = 8;
  view.setUint32(0, schema.constants.SPEC_MAGIC, true);
  view.setUint32(4, list.length, true);
  for (const { type, ...options } of list) {
    const record = recordNamed(schema, 'evaluation', type, 'a metric');
    const values = readFields(schema, record.fields, options, 'a metric');
    const fields = record.fields.filter(({ name }) => values[name] !== undefined);
    view.setUint16(at, record.id, true);
    view.setUint16(at + 2, fields.length, true);
    at += 4;
    for (const field of fields) {
      const numbers = toNumbers(schema, field, values[field.name]);
      view.setUint16(at, field.id, true);
      view.setUint16(at + 2, numbers.length, true);
      numbers.forEach((number, i) => view.setFloat64(at + 4 + 8 * i, number, true));
      at += 4 + 8 * numbers.length;
    }
  }
  return bytes.subarray(0, at);
}

/** @param {Core} core @param {ArrayBufferView} data */
function put(core, data) {
  const at = core.memory.alloc(data.byteLength, 'test data');
  core.write(at, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return at;
}

/** A model whose plans can be opened. @param {any} variant */
async function open(variant) {
  const core = await Core.create(await loadModule(variant));
  core.spec = encodeSpec(core.schema, SPEC);
  const { bytes } = core.spec;
  const spec = put(core, bytes);
  const size = core.modelBytes(spec, bytes.length);
  const model = core.modelInit(core.memory.alloc(size, 'a model'), size, spec, bytes.length);
  while (core.modelRandomize(model, 1e6)) continue;
  const data = [put(core, x), put(core, y)];
  const plan = (/** @type {number} */ kind) => {
    const room = core.planBytes(model, kind, 16);
    const made = core.planInit(core.memory.alloc(room, 'a plan'), room, model, kind, 16);
    core.planSetData(made, data[0], core.schema.constants.F32, data[1], typeOf(core), SAMPLES);
    return made;
  };
  const metrics = (/** @type {any[]} */ list) => {
    const records = bytesOf(core, list);
    const from = put(core, records);
    const room = core.metricsBytes(model, from, records.length);
    const block = core.memory.alloc(room, 'metrics');
    return core.metricsInit(block, room, model, from, records.length);
  };
  const epoch = (
    /** @type {number} */ made,
    work = 1e9,
    each = (/** @type {number} */ _) => {},
  ) => {
    for (let at = 0; at < SAMPLES; at += 16) {
      core.stepBegin(made, at, Math.min(16, SAMPLES - at), SAMPLES, 0, 0);
      while (core.stepRun(made, work)) continue;
      each(at);
    }
  };
  return { core, model, plan, metrics, epoch };
}
/** @param {Core} core */
const typeOf = (core) => core.schema.constants.I32;

const LIST = [
  { type: 'confusionMatrix' },
  { type: 'f1', average: 'weighted' },
  { type: 'topKAccuracy', k: 2 },
  { type: 'meanSquaredError' },
  { type: 'r2' },
  { type: 'precision', average: 'none' },
];

test('results are those of the predictions', async () => {
  const { core, model, plan, metrics, epoch } = await open('simd');
  const { PREDICT, EVALUATE } = core.schema.constants;
  const all = metrics(LIST);
  core.modelSetMetrics(model, all);
  const made = plan(EVALUATE);
  core.modelSetMetrics(model, 0);
  epoch(made);
  /** @type {number[]} */ const p = [];
  const predicts = plan(PREDICT);
  epoch(predicts, 1e9, (at) => {
    p.push(...core.floats(core.planOutput(predicts), CLASSES * Math.min(16, SAMPLES - at)));
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
  assert.deepEqual(core.metricsResult(all, 0), matrix);
  assert.ok(Math.abs(core.metricsResult(all, 2)[0] - top) < 1e-12);
  assert.ok(Math.abs(core.metricsResult(all, 3)[0] - squares) < 1e-6);
  const precision = Array.from({ length: CLASSES }, (_, k) => {
    const guessed = [0, 1, 2].reduce((sum, row) => sum + matrix[row * CLASSES + k], 0);
    return guessed ? matrix[k * CLASSES + k] / guessed : 0;
  });
  assert.deepEqual([...core.metricsResult(all, 5)], precision);
  assert.equal(core.metricsInfo(all, 0).direction, 0);
  assert.equal(core.metricsInfo(all, 1).direction, 1);
  assert.equal(core.metricsInfo(all, 3).direction, -1);
  assert.equal(core.metricsInfo(all, 5).length, CLASSES);
  assert.throws(() => core.metricsInfo(all, LIST.length), OffstageError);
});

test('sums have the same bits in base and simd, whole and in slices, and come back', async () => {
  /** @type {Float64Array[]} */ const states = [];
  for (const [variant, work] of /** @type {[string, number][]} */ ([
    ['base', 1e9],
    ['simd', 1e9],
    ['simd', 1],
  ])) {
    const { core, model, plan, metrics, epoch } = await open(variant);
    const all = metrics(LIST);
    const copy = metrics(LIST);
    core.modelSetMetrics(model, all);
    const made = plan(core.schema.constants.TRAIN);
    epoch(made, work, () => {
      const sums = core.metricsState(all);
      core.metricsRestore(copy, sums);
      assert.deepEqual(core.metricsState(copy), sums);
    });
    states.push(core.metricsState(all));
    const bad = core.metricsState(all).fill(NaN);
    assert.throws(() => core.metricsRestore(copy, bad), OffstageError);
    core.metricsReset(all);
    assert.ok(core.metricsState(all).every((v) => v === 0));
  }
  assert.deepEqual(states[1], states[0]);
  assert.deepEqual(states[2], states[0]);
});

test('a metric that the output does not take is refused', async () => {
  const { metrics } = await open('simd');
  assert.throws(() => metrics([{ type: 'binaryAccuracy' }]), OffstageError);
  assert.throws(() => metrics([{ type: 'topKAccuracy', k: 4 }]), OffstageError);
  assert.throws(() => metrics([{ type: 'f1', averge: 'macro' }]), OffstageError);
});
