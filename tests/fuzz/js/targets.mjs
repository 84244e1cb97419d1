/* targets.mjs: what is fuzzed: each decoder of worker/ with a few good inputs and the words that it
 * knows.
 *
 * A target's run() takes a value that came over a boundary, and does with it what the session does.
 * The core is a real one. Reading data stops after MOST_READ elements: what an array claims to hold
 * is not worth waiting for. */

import { readFileSync } from 'node:fs';
import { encodeCheckpoint, decodeCheckpoint } from '../../../worker/trainer/checkpoint.js';
import { Core } from '../../../worker/trainer/core.js';
import { crc32 } from '../../../worker/host/crc32.js';
import { copyElements } from '../../../worker/data/columns.js';
import { readFlat, readWeights, readX, readY } from '../../../worker/data/forms.js';
import { fromBare, unfold } from '../../../worker/trainer/dialect.js';
import { isBare, load as loadWire } from '../../../worker/trainer/foreign.js';
import { OffstageError, errorFromWire } from '../../../worker/host/errors.js';
import { describeLayer } from '../../../worker/spec/graph.js';
import { Model } from '../../../worker/trainer/model.js';
import { readRuntime } from '../../../worker/host/module.js';
import { openEnvelope } from '../../../worker/host/envelope.js';
import { REPLIES } from '../../../worker/protocol.js';
import { readBatchSize, readSettings } from '../../../worker/trainer/run/settings.js';
import { checkLabels, encodeSpec, readBuilt } from '../../../worker/spec/spec.js';
import { restoreState, saveState } from '../../../worker/trainer/snapshot.js';
import { Store } from '../../../worker/trainer/datasets.js';
import { getWeights, setWeights } from '../../../worker/trainer/weights.js';

const wasm = readFileSync(new URL('../../../wasm-build/dist/offstage.base.wasm', import.meta.url));
const core = await Core.create(await WebAssembly.compile(wasm));
const { schema } = core;
await loadWire({}, undefined); // which the session would have for such data
const drain = (/** @type {Iterable<any>} */ work) => [...work];
/** A pump that never asks to yield. */
const pump = /** @type {any} */ ({ look: () => false, spend: () => false, chunk: 1e9 });

const MOST_READ = 2 ** 20;
const SPEC_ROOM = 65536;
const SUM = '00000000'; // where a checksum will stand
const room = core.memory.alloc(SPEC_ROOM, 'a spec');

const IMAGES = {
  inputShape: [8, 8, 2],
  loss: 'sparseCategoricalCrossentropy',
  inputScale: 1 / 255,
  inputOffset: 0,
  seed: 7,
  metrics: ['accuracy'],
  labels: ['a', 'b', 'c'],
  optimizer: {
    type: 'adamw',
    learningRate: 0.1,
    beta1: 0.5,
    beta2: 0.9,
    epsilon: 1e-5,
    weightDecay: 0.1,
  },
  layers: [
    {
      type: 'conv2d',
      filters: 5,
      kernelSize: [3, 3],
      padding: 'same',
      activation: 'relu',
      useBias: false,
      strides: 1,
    },
    { type: 'maxPooling2d' },
    { type: 'averagePooling2d', poolSize: 2, strides: 1 },
    { type: 'activation', activation: 'gelu' },
    { type: 'dropout', rate: 0.2 },
    { type: 'flatten' },
    { type: 'dense', units: 3, activation: 'softmax' },
  ],
};
const SEQUENCES = {
  inputShape: [5, 3],
  optimizer: 'sgd',
  learningRate: 0.5,
  metrics: [],
  layers: [
    { type: 'lstm', units: 4, returnSequences: true },
    { type: 'gru', units: 2 },
    { type: 'reshape', targetShape: [2, 1] },
  ],
};
const SMALL = {
  inputShape: [2],
  layers: [{ type: 'dense', units: 3, activation: 'softmax' }],
  labels: ['a', 'b', 'c'],
};
const GRAPH = {
  inputShape: { a: [4, 3], b: [2] },
  lossWeights: { c: 2 },
  labels: { c: ['x', 'y'] },
  layers: [
    {
      type: 'bidirectional',
      name: 'r',
      input: 'a',
      mergeMode: 'sum',
      layer: { type: 'lstm', units: 3, kernelRegularizer: 'l1l2' },
    },
    {
      type: 'dense',
      input: ['b'],
      units: 3,
      kernelInitializer: { type: 'varianceScaling', scale: 2, mode: 'fanAvg' },
      kernelConstraint: { maxNorm: 1, axis: 0 },
      biasRegularizer: { l2: 0.1 },
      trainable: false,
    },
    { type: 'add', input: ['r', 'dense'] },
    { type: 'dense', name: 'c', units: 2, activation: 'softmax' },
    { type: 'dense', name: 'd', input: 'add', units: 1, tiedTo: 'dense' },
    {
      type: 'zeroPadding2d',
      padding: [
        [1, 2],
        [3, 4],
      ],
    },
    { type: 'timeDistributed', layer: { type: 'dense', units: 2 } },
  ],
  outputs: ['c', { name: 'd', loss: { type: 'huber', delta: 2 }, lossWeight: 0.5 }],
};
const SHORT = {
  layers: [
    { type: 'conv', id: 'c', filterSize: 3, numFilters: 4 },
    { type: 'pool', poolSize: 2, poolingType: 'average' },
    { type: 'activation', func: 'relu' },
    { type: 'flatten' },
    { type: 'dense', units: 1, activation: 'sigmoid' },
  ],
};

const specWords = [
  'inputShape',
  'layers',
  'loss',
  'optimizer',
  'learningRate',
  'metrics',
  'labels',
  'inputScale',
  'inputOffset',
  'seed',
  'type',
  'name',
  'input',
  'outputs',
  'lossWeights',
  'layer',
  'a',
  'b',
  'l1',
  'l2',
  'maxNorm',
  'axis',
  ...schema.records.flatMap((record) => [record.type, ...record.fields.map((field) => field.name)]),
  ...[...schema.enumerations.values()].flatMap((values) => [...values.keys()]),
  'accuracy',
];
const messageWords = [
  'v',
  'id',
  'type',
  'payload',
  'INIT_TRAINING',
  'UPLOAD_DATA',
  'DISCARD_DATA',
  'START_TRAINING',
  'STOP_TRAINING',
  'PAUSE_TRAINING',
  'RESUME_TRAINING',
  'CONTINUE_TRAINING',
  'SET_RUN',
  'PREDICT',
  'EVALUATE_MODEL',
  'GET_WEIGHTS',
  'SET_WEIGHTS',
  'SAVE_CHECKPOINT',
  'LOAD_CHECKPOINT',
  'GET_STATUS',
  'PING',
  'DISPOSE',
  'runtime',
  'variant',
  'threads',
  'deterministic',
  'assets',
  'place',
  'sliceWork',
  'duty',
  'notices',
  'debug',
  'build',
  'share',
  'x',
  'y',
  'trainingData',
  'inputGrid',
  'grid',
  'label',
  'numEpochs',
  'batchSize',
  'shuffle',
  'validationSplit',
  'splitBy',
  'validationData',
  'learningRate',
  'waits',
  'recovers',
  'epoch',
  'stop',
  'after',
  'batchRecords',
  'progressHz',
  'returnWeights',
  'resume',
  'otherData',
  'snapshotMs',
  'persist',
  'stored',
  'name',
  'keep',
  'folder',
  'upload',
  'weights',
  'bytes',
  'max',
  'average',
  'poolingType',
  'conv',
  'pool',
  'filterSize',
  'numFilters',
  'func',
  'layers',
  'inputShape',
  'units',
  'metrics',
  'loss',
];

/** @param {any} spec */
function runSpec(spec) {
  const encoded = encodeSpec(schema, spec);
  core.spec = encoded;
  if (encoded.bytes.length > SPEC_ROOM) return;
  core.write(room, encoded.bytes);
  core.modelBytes(room, encoded.bytes.length);
  const built = readBuilt(schema, encoded, core.specFill(room, encoded.bytes.length));
  encoded.layers.forEach((layer, i) => describeLayer(built, layer, encoded.names, i));
  checkLabels(encoded.labels[0], 3, '');
}

const FACTS = [
  facts([[2]], [{ shape: [3], classes: 3, targets: 1, labels: ['a', 'b', 'c'] }]),
  facts([[2, 2, 1]], [{ shape: [4, 2], classes: 2, targets: 4, labels: null }]),
  facts([[3]], [{ shape: [1], classes: 0, targets: 0, labels: null }]),
  facts(
    [[2], [1]],
    [
      { shape: [3], classes: 3, targets: 1, labels: ['a', 'b', 'c'] },
      { shape: [1], classes: 0, targets: 0, labels: null },
    ],
  ),
];

/**
 * @param {number[][]} inputs
 * @param {any[]} outputs
 * @returns {import('../../../worker/data/columns.js').DataFacts}
 */
function facts(inputs, outputs) {
  const size = (/** @type {number[]} */ shape) => shape.reduce((a, b) => a * b);
  return {
    inputs: inputs.map((shape, i) => ({
      name: ['input', 'b'][i],
      shape,
      size: size(shape),
      below: 0,
    })),
    outputs: outputs.map((output, i) => ({
      name: ['a', 'c'][i],
      size: size(output.shape),
      ...output,
    })),
    inputScale: 1,
    inputOffset: 0,
  };
}

/**
 * What #put and a slice of an upload do, a piece at a time.
 * @param {import('../../../worker/data/columns.js').Column} column
 */
function readAll(column) {
  const whole = Math.max(column.unit, Math.floor(16384 / column.unit) * column.unit);
  for (let at = 0; at < Math.min(column.length, MOST_READ); at += whole) {
    const count = Math.min(whole, column.length - at);
    if (count > MOST_READ) return;
    copyElements(column, at, count);
  }
}

/** @param {any} value */
function runData(value) {
  const { x, y, facts, n } =
    value !== null && typeof value === 'object' ? value : /** @type {any} */ ({});
  const known = FACTS[typeof facts === 'number' ? facts : 0] ?? FACTS[0];
  const samples = Number.isSafeInteger(n) && n > 0 ? n : 2;
  try {
    readAll(readX(x, known));
  } finally {
    readAll(readY(y, known, samples));
    const flat = readFlat(y, 'y');
    if (flat) readAll(flat);
    readAll(readWeights(y, samples));
  }
}

/** @param {any} message */
function runMessage(message) {
  const bare = isBare(message);
  const request = bare ? fromBare(message) : openEnvelope(message, Object.keys(REPLIES));
  const payload = bare ? request.payload : unfold(request.type, request.payload);
  errorFromWire(payload);
  if (request.type === 'INIT_TRAINING') {
    const { runtime, ...spec } = payload;
    readRuntime(runtime);
    encodeSpec(schema, spec);
  }
  if (request.type === 'START_TRAINING') readSettings(payload);
  if (request.type === 'EVALUATE_MODEL') readBatchSize(payload.batchSize);
}

/** A core that writes nowhere, with little memory. */
const smallCore = {
  schema,
  memory: {
    alloc(/** @type {number} */ bytes) {
      if (!(bytes <= 65536))
        throw new OffstageError('OUT_OF_MEMORY', `got ${bytes} bytes, expected up to 65536`);
      return 64;
    },
    free() {},
    buffer: () => new ArrayBuffer(131072),
  },
  write() {},
  checkX: () => -1,
  checkY: () => -1,
};

/** Slices of uploads, then what takes them. @param {any} value */
function runStore(value) {
  const store = new Store(/** @type {any} */ (smallCore), 0, FACTS[0]);
  const steps = Array.isArray(value) ? value : [value];
  for (let i = 0; i < Math.min(steps.length, 16); i++) {
    const step = steps[i];
    if (step?.take === 'x') store.takeX(step.data);
    else if (step?.take === 'y') store.takeY(step.data, 2);
    else if (step?.take === 'weights') store.takeWeights(step.data, 2);
    else if (step?.discard !== undefined) store.discard(step.discard);
    else store.receive(step);
  }
}

const model = new Model(core, SMALL);
drain(model.randomize(pump));

/** @param {any} value */
function runWeights(value) {
  drain(setWeights(pump, model, value));
  drain(getWeights(pump, model));
}

/** @param {Uint8Array} bytes  into the one model there is */
function load(bytes) {
  const read = decodeCheckpoint(bytes);
  encodeSpec(schema, read.about.spec);
  drain(restoreState(pump, model, read));
}

/**
 * The bytes of a checkpoint from its parts, with the right checksum and lengths, or as they are.
 * @param {any} value
 */
function runCheckpoint(value) {
  if (value instanceof Uint8Array) return load(value);
  const parts = value !== null && typeof value === 'object' ? value : {};
  const { metadata, offstage, entries, data } = /** @type {any} */ (parts);
  const json = (/** @type {any} */ part) =>
    JSON.stringify(part, (_, each) => (typeof each === 'bigint' ? `${each}` : each));
  let header = '{}';
  try {
    const inner = typeof offstage === 'string' ? offstage : json(offstage);
    header = json({ __metadata__: { checksum: SUM, offstage: inner, ...metadata }, ...entries });
  } catch {
    // a cycle, which no text holds
  }
  const text = new TextEncoder().encode(header);
  const tail = data instanceof Uint8Array ? data : new Uint8Array(0);
  const bytes = new Uint8Array(8 + text.length + tail.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(tail, 8 + text.length);
  const at = 8 + header.indexOf(SUM);
  if (at >= 8) {
    const sum = crc32(bytes.subarray(at + 8), crc32(bytes.subarray(0, at)));
    bytes.set(new TextEncoder().encode(sum.toString(16).padStart(8, '0')), at);
  }
  load(bytes);
}

const settings = { epochs: 3, batchSize: 2, shuffle: true, validationSplit: 0.25 };
const result = { epoch: 1, loss: 0.5, accuracy: 0.5, valLoss: 1, valAccuracy: 0 };
const run = {
  settings,
  samples: 8,
  epoch: 2,
  batch: 1,
  key: 1,
  steps: 4,
  trained: 8,
  elapsedMs: 5,
  ended: null,
  fingerprint: 'f',
};
const about = /** @type {any} */ ({
  format: 1,
  coreVersion: core.version(),
  spec: SMALL,
  step: 4,
  epochsBegun: 2,
  run: { ...run, totals: [1, 2, 3], history: [result] },
  runs: [
    {
      id: 1,
      startedAt: 1,
      endedAt: 2,
      reason: 'finished',
      options: settings,
      metrics: result,
      steps: 4,
    },
  ],
});
const f64 = (/** @type {number[]} */ ...values) => new Uint8Array(new Float64Array(values).buffer);

/** @param {Generator<any, Uint8Array>} work */
function finished(work) {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** @param {any} of */
function encoded(of) {
  const weights = [
    {
      name: 'dense/kernel',
      dtype: /** @type {const} */ ('F32'),
      shape: [2, 3],
      read: (/** @type {number} */ at, /** @type {number} */ n) => new Uint8Array(n),
    },
  ];
  return finished(encodeCheckpoint(pump, of, weights));
}

const parts = {
  metadata: {},
  offstage: { ...about, step: '4', epochsBegun: '2', run },
  entries: {
    'run/totals': { dtype: 'F64', shape: [3], data_offsets: [0, 24] },
    'history/loss': { dtype: 'F64', shape: [1], data_offsets: [24, 32] },
    'dense/kernel': { dtype: 'F32', shape: [2, 1], data_offsets: [32, 40] },
  },
  data: f64(1, 2, 3, 0.5, 0),
};

/** @type {import('./engine.mjs').Target[]} */
export const TARGETS = [
  { name: 'spec', run: runSpec, words: specWords, seeds: () => [IMAGES, SEQUENCES, SMALL, GRAPH] },
  {
    name: 'data',
    run: runData,
    words: ['x', 'y', 'n', 'facts', 'data', 'shape', 'inputs', 'outputs', 'input', 'a', 'b', 'c'],
    seeds: () => [
      { x: new Float32Array(4), y: [0, 2], facts: 0, n: 2 },
      {
        x: [
          [1, 2],
          [3, 4],
        ],
        y: ['a', 'c'],
        facts: 0,
        n: 2,
      },
      {
        x: { data: new Uint8Array(8), shape: [2, 2, 2, 1] },
        y: [
          [0, 1, 0, 1],
          [1, 1, 1, 1],
        ],
        facts: 1,
        n: 2,
      },
      { x: [new Float32Array(3), new Float32Array(3)], y: [[1], [2]], facts: 2, n: 2 },
      { x: new BigInt64Array(4), y: new BigInt64Array(2), facts: 0, n: 2 },
      { x: [[1, 2]], y: new Float32Array(6), facts: 0, n: 2 },
      {
        x: { inputs: { input: new Uint8Array(4), b: [0.5, 1] } },
        y: { outputs: { a: ['a', 'c'], c: [[1], [2]] } },
        facts: 3,
        n: 2,
      },
    ],
  },
  {
    name: 'message',
    run: runMessage,
    words: [...messageWords, 'dense', 'reshape', 'targetShape', 'flatten'],
    seeds: () => [
      {
        v: 1,
        id: 1,
        type: 'INIT_TRAINING',
        payload: {
          ...SMALL,
          runtime: {
            variant: 'base',
            threads: 1,
            sliceWork: 10,
            place: 'main',
            assets: 'http://a/',
          },
        },
      },
      { type: 'INIT_TRAINING', payload: SHORT },
      { type: 'PREDICT', payload: { inputGrid: [[[1, 2, 3]]] } },
      {
        type: 'START_TRAINING',
        payload: { trainingData: [{ id: 1, grid: [[[1]]], label: 0 }], numEpochs: 2 },
      },
      {
        v: 1,
        id: 'a',
        type: 'START_TRAINING',
        payload: {
          x: [1],
          y: [1],
          numEpochs: 2,
          batchSize: 3,
          shuffle: false,
          validationSplit: 0.5,
          progressHz: 5,
          returnWeights: true,
        },
      },
      { v: 1, id: 2, type: 'EVALUATE_MODEL', payload: { batchSize: 4 } },
      { v: 1, id: 3, type: 'PING' },
      { v: 1, id: 3, type: 'PREDICT', payload: { error: 'e', code: 'BUSY', stack: 's' } },
    ],
  },
  {
    name: 'store',
    run: runStore,
    words: [
      'upload',
      'dtype',
      'total',
      'offset',
      'bytes',
      'float32',
      'uint8',
      'int32',
      'take',
      'data',
      'x',
      'y',
      'weights',
      'indices',
      'discard',
    ],
    seeds: () => [
      [
        { upload: 1, dtype: 'float32', total: 16, offset: 0, bytes: new ArrayBuffer(8) },
        { upload: 1, dtype: 'float32', total: 16, offset: 8, bytes: new ArrayBuffer(8) },
        { take: 'x', data: { upload: 1 } },
        { upload: 2, dtype: 'int32', total: 8, offset: 0, bytes: new ArrayBuffer(8) },
        { take: 'y', data: { upload: 2 } },
      ],
      [
        { upload: 3, dtype: 'uint8', total: 4, offset: 0, bytes: new ArrayBuffer(4) },
        { discard: 3 },
        { take: 'x', data: [[1, 2]] },
      ],
    ],
  },
  {
    name: 'weights',
    run: runWeights,
    words: ['name', 'shape', 'data', 'weights'],
    seeds: () => [
      [
        { name: 'dense/kernel', shape: [2, 3], data: new Float32Array(6) },
        { shape: [3], data: [1, 2, 3] },
      ],
      [
        { shape: [2, 3], data: new Float64Array(6) },
        { shape: [3], data: new Int32Array(3) },
      ],
    ],
  },
  {
    name: 'checkpoint',
    run: runCheckpoint,
    words: [
      'metadata',
      'offstage',
      'entries',
      'data',
      'dtype',
      'shape',
      'data_offsets',
      'F32',
      'F64',
      'run',
      'runs',
      'format',
      'coreVersion',
      'spec',
      'step',
      'epochsBegun',
      'settings',
      'samples',
      'epoch',
      'batch',
      'key',
      'steps',
      'trained',
      'elapsedMs',
      'ended',
      'fingerprint',
      'run/totals',
      'history/loss',
      'history/accuracy',
      'history/valLoss',
      'history/valAccuracy',
      'finished',
      'stopped',
      'NaN',
      'Infinity',
      'metrics',
      'options',
      'id',
      'startedAt',
      'endedAt',
      'reason',
      'epochs',
      'batchSize',
      'shuffle',
      'validationSplit',
      'loss',
      'checksum',
      '__metadata__',
      '12',
      '0',
    ],
    seeds: () => [
      finished(saveState(pump, model)),
      encoded(about),
      encoded({ ...about, run: null, runs: [] }),
      parts,
      {
        ...parts,
        offstage: { ...parts.offstage, run: null },
        entries: {},
        data: new Uint8Array(0),
      },
    ],
  },
];
