/* dialect.test.js: the bare form and the short layers, against the contract's sentences. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { expandShort, fromBare, toBare, unfold } from '../../worker/trainer/dialect.js';
import { isBare } from '../../worker/trainer/foreign.js';

const CONV = { type: 'conv', filterSize: 3, numFilters: 8, activation: 'relu' };
const OUT = { type: 'dense', units: 1, activation: 'sigmoid' };

test('bare is what has neither v nor id', () => {
  assert.ok(isBare({ type: 'DISPOSE' }));
  assert.ok(isBare({ type: 'NO_SUCH', payload: 1 }));
  for (const message of [
    { v: 1, type: 'DISPOSE' },
    { id: 0, type: 'DISPOSE' },
    null,
    'DISPOSE',
    [],
    undefined,
  ]) {
    assert.ok(!isBare(message), JSON.stringify(message));
  }
});

test('a short net becomes a canonical one: input, names, flatten, output and loss', () => {
  assert.deepEqual(
    expandShort({
      layers: [
        { ...CONV, id: 'c1' },
        { type: 'pool', poolSize: 2, poolingType: 'max', id: 'p1' },
        { type: 'conv', filterSize: 5, numFilters: 4 },
        { type: 'pool', poolSize: 2, poolingType: 'average' },
        { type: 'activation', func: 'tanh' },
        { type: 'dropout', rate: 0.25 },
        { type: 'dense', units: 32, activation: 'relu' },
      ],
      learningRate: 0.01,
    }),
    {
      inputShape: [28, 28, 3],
      layers: [
        { type: 'conv2d', kernelSize: 3, filters: 8, activation: 'relu' },
        { type: 'maxPooling2d', poolSize: 2 },
        { type: 'conv2d', kernelSize: 5, filters: 4 },
        { type: 'averagePooling2d', poolSize: 2 },
        { type: 'activation', activation: 'tanh' },
        { type: 'dropout', rate: 0.25 },
        { type: 'flatten' },
        { type: 'dense', units: 32, activation: 'relu' },
        OUT,
      ],
      loss: 'binaryCrossentropy',
      learningRate: 0.01,
    },
  );
});

test('flatten goes where it is absent only', () => {
  const types = (/** @type {any[]} */ layers) =>
    expandShort({ layers }).layers.map((/** @type {any} */ layer) => layer.type);
  assert.deepEqual(types([CONV]), ['conv2d', 'flatten', 'dense']);
  assert.deepEqual(types([CONV, { type: 'flatten' }]), ['conv2d', 'flatten', 'dense']);
  assert.deepEqual(types([CONV, { type: 'flatten' }, OUT]), ['conv2d', 'flatten', 'dense']);
  assert.deepEqual(types([CONV, OUT]), ['conv2d', 'flatten', 'dense']);
  assert.deepEqual(types([]), ['flatten', 'dense']);
  assert.deepEqual(types([{ type: 'reshape', targetShape: [2352] }, OUT]), ['reshape', 'dense']);
  assert.deepEqual(
    types([{ type: 'flatten' }, { type: 'reshape', targetShape: [28, 28, 3] }, CONV, OUT]),
    ['flatten', 'reshape', 'conv2d', 'flatten', 'dense'],
  );
});

test('an output of one unit stays as it is, whatever its activation, and brings no loss', () => {
  const linear = { type: 'dense', units: 1, activation: 'linear' };
  const built = expandShort({ layers: [{ type: 'flatten' }, linear] });
  assert.deepEqual(built.layers, [{ type: 'flatten' }, linear]);
  assert.equal(built.loss, undefined);
  const wide = expandShort({
    layers: [{ type: 'flatten' }, { type: 'dense', units: 10, activation: 'softmax' }],
  });
  assert.deepEqual(wide.layers.at(-1), OUT);
  assert.equal(wide.loss, 'binaryCrossentropy');
});

test('a canonical net in a bare message is left alone', () => {
  const spec = { inputShape: [4], layers: [{ type: 'dense', units: 3, activation: 'softmax' }] };
  assert.deepEqual(expandShort(spec), spec);
});

test('one short type or field makes a net short, and a given inputShape is kept', () => {
  for (const layer of [
    CONV,
    { type: 'pool', poolSize: 2 },
    { type: 'conv2d', filterSize: 3, filters: 2 },
    { type: 'activation', func: 'relu' },
    { type: 'dense', units: 5, id: 7 },
  ]) {
    const built = expandShort({ inputShape: [8, 8, 1], layers: [layer] });
    assert.deepEqual(built.inputShape, [8, 8, 1]);
    assert.deepEqual(built.layers.at(-1), OUT, layer.type);
  }
});

test('a short field beside its long form, and an unknown pooling, are refused', () => {
  const refused = (/** @type {any} */ layer, /** @type {RegExp} */ message) =>
    assert.throws(() => expandShort({ layers: [layer] }), { code: 'INVALID_SPEC', message });
  refused(
    { type: 'conv', filterSize: 3, kernelSize: 3, numFilters: 2 },
    /filterSize and kernelSize/,
  );
  refused(
    { type: 'pool', poolSize: 2, poolingType: 'median' },
    /poolingType is 'median'.*'max', 'average'/,
  );
});

test('what is no short net is not repaired: the encoder says what is wrong with it', () => {
  assert.deepEqual(expandShort({}), {});
  assert.deepEqual(expandShort({ layers: 'conv' }), { layers: 'conv' });
  assert.deepEqual(expandShort({ layers: [null] }).layers[0], null);
  assert.equal(expandShort({ layers: [{ type: 'conv', colour: 1 }] }).layers[0].colour, 1);
});

test('the five bare requests', () => {
  assert.deepEqual(fromBare({ type: 'STOP_TRAINING' }), { type: 'STOP_TRAINING', payload: {} });
  assert.deepEqual(fromBare({ type: 'DISPOSE', payload: undefined }), {
    type: 'DISPOSE',
    payload: {},
  });
  const data = [
    { id: 1, grid: [[[0]]], label: 1 },
    { grid: [[[1]]], label: 0 },
  ];
  assert.deepEqual(
    fromBare({ type: 'START_TRAINING', payload: { trainingData: data, numEpochs: 2 } }),
    {
      type: 'START_TRAINING',
      payload: { x: [[[[0]]], [[[1]]]], y: [1, 0], numEpochs: 2, returnWeights: true },
    },
  );
  assert.deepEqual(fromBare({ type: 'PREDICT', payload: { inputGrid: [[[2]]] } }), {
    type: 'PREDICT',
    payload: { x: [[[2]]] },
  });
  assert.deepEqual(
    fromBare({ type: 'INIT_TRAINING', payload: { inputShape: [1], layers: [OUT] } }).payload
      .metrics,
    ['accuracy'],
  );
  for (const type of ['GET_STATUS', 'PING', undefined, 'toString', 5]) {
    assert.throws(() => fromBare({ type }), { code: 'BAD_MESSAGE' });
  }
  assert.throws(() => fromBare({ type: 'PREDICT', payload: [1] }), { code: 'BAD_MESSAGE' });
});

test('trainingData and inputGrid say what is wrong with them', () => {
  const start = (/** @type {any} */ payload) => () => unfold('START_TRAINING', payload);
  assert.throws(start({ trainingData: [], x: [1] }), {
    code: 'INVALID_DATA',
    message: /x and trainingData/,
  });
  assert.throws(start({ trainingData: { grid: 1 } }), {
    code: 'INVALID_DATA',
    message: /trainingData is/,
  });
  assert.throws(start({ trainingData: [{ grid: [[[1]]], label: 1 }, 5] }), {
    code: 'INVALID_DATA',
    message: /trainingData\[1\] is 5/,
  });
  assert.throws(start({ trainingData: [{ grid: 1, lable: 1 }] }), {
    code: 'INVALID_DATA',
    message: /'lable'/,
  });
  assert.throws(() => unfold('PREDICT', { inputGrid: [1], x: [1] }), { code: 'INVALID_DATA' });
});

test('replies: refused and failed alike, one message an epoch, weights, and silence', () => {
  const error = { error: 'no', code: 'BUSY', request: 'START_TRAINING', stack: 'at' };
  const bare = [{ type: 'TRAINING_ERROR', payload: { error: 'no', code: 'BUSY' } }];
  assert.deepEqual(toBare('ERROR', error), bare);
  assert.deepEqual(toBare('TRAINING_ERROR', error), bare);
  const [one, two, batch] = [
    { kind: 'epoch', epoch: 1, accuracy: 0 },
    { kind: 'epoch', epoch: 2, accuracy: 1 },
    { kind: 'batch' },
  ];
  assert.deepEqual(toBare('TRAINING_PROGRESS', { ...batch, records: [one, two, batch] }), [
    { type: 'TRAINING_PROGRESS', payload: one },
    { type: 'TRAINING_PROGRESS', payload: two },
  ]);
  assert.deepEqual(toBare('TRAINING_COMPLETE', { reason: 'stopped', weights: [1] }), [
    { type: 'TRAINING_COMPLETE', payload: { reason: 'stopped', modelWeights: [1] } },
  ]);
  assert.deepEqual(toBare('TRAINING_STOPPED', {}), []);
  assert.deepEqual(toBare('DISPOSED', {}), [{ type: 'DISPOSED', payload: {} }]);
});

test('what is wrong with a spec is left for those who refuse it', () => {
  const hole = { layers: new Array(2 ** 32 - 1) };
  assert.equal(expandShort(hole), hole);
  const whole = {
    inputShape: [4],
    layers: [null, 5, { type: { toString: 1 } }, { type: '__proto__' }],
  };
  assert.equal(expandShort(whole), whole);
  assert.deepEqual(expandShort({ layers: [null], loss: 'huber' }), {
    inputShape: [28, 28, 3],
    layers: [null, { type: 'flatten' }, OUT],
    loss: 'huber',
  });
  assert.equal(expandShort({ layers: 5 }).layers, 5);
});

test('the bare form always has an accuracy to tell', () => {
  const metricsOf = (/** @type {any} */ metrics) =>
    fromBare({ type: 'INIT_TRAINING', payload: { layers: [], metrics } }).payload.metrics;
  assert.deepEqual([undefined, [], ['accuracy'], 'none'].map(metricsOf), [
    ['accuracy'],
    ['accuracy'],
    ['accuracy'],
    'none',
  ]);
});
