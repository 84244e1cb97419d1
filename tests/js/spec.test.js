/* spec.test.js: the encoder's bytes against a schema of the test's own, the sentences of refusals,
 * and, over the wire, every kind of bad spec against the schema that the core really has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { OffstageError } from '../../worker/host/errors.js';
import { describeLayer } from '../../worker/spec/graph.js';
import { explain } from '../../worker/spec/refusal.js';
import { readSchema } from '../../worker/spec/schema.js';
import { encodeSpec, readBuilt } from '../../worker/spec/spec.js';
import { readMetrics } from '../../worker/trainer/run/metrics.js';
import { QUADRANTS, connectLocal, quadrants } from './session-client.js';

/**
 * @param {number} record
 * @param {number} id
 * @param {string} name
 * @param {Record<string, any>} rest
 */
const field = (record, id, name, rest) => ({
  record,
  id,
  name,
  kind: 0,
  enumeration: '',
  least: 1,
  most: 1,
  spread: 0,
  presence: 1,
  low: 1,
  high: 100,
  default: 0,
  ...rest,
});
const FIELDS = [
  field(0, 0, 'inputShape', { most: 6, presence: 0 }),
  field(0, 4, 'seed', { low: 0 }),
  field(17, 0, 'learningRate', { kind: 1, low: 1e-12, high: 10, default: 0.001 }),
  field(34, 0, 'poolSize', { most: 2, spread: 1, default: 2 }),
  field(34, 1, 'strides', { most: 2, spread: 1, presence: 2 }),
  field(34, 2, 'padding', { kind: 3, enumeration: 'padding', low: 0, high: 1 }),
  field(34, 7, 'loud', { kind: 2, low: 0, high: 1, default: 1 }),
  field(120, 36, 'input', { most: 3, presence: 2, low: -8, high: 1023 }),
  field(120, 37, 'trainable', { kind: 2, low: 0, high: 1, default: 1 }),
  field(121, 0, 'shape', { most: 6, presence: 0 }),
  field(122, 0, 'layer', { presence: 0, low: 0 }),
  field(122, 1, 'loss', { kind: 3, enumeration: 'loss', presence: 2 }),
  field(122, 2, 'lossWeight', { kind: 1, low: 0, default: 1 }),
];
const TABLE = new DataView(new ArrayBuffer(33 * FIELDS.length));
FIELDS.forEach((f, i) => {
  [f.id, f.kind, f.least, f.spread, f.presence].forEach((value, k) =>
    TABLE.setUint8(32 * i + k, value),
  );
  TABLE.setUint8(32 * FIELDS.length + i, f.record);
  TABLE.setUint16(32 * i + 6, f.most, true);
  [f.low, f.high, f.default].forEach((value, k) =>
    TABLE.setFloat64(32 * i + 8 + 8 * k, value, true),
  );
});
const SCHEMA = readSchema(
  [
    '9.9.9',
    ' SPEC_MAGIC 827541071 IN_MODEL -1 IN_OPTIMIZER -2 IN_OUTPUT -16 MAX_LAYERS 1024 ' +
      'INVALID_SPEC -1 INVALID_DATA -2 INVALID_ARGUMENT -3 OUT_OF_MEMORY -4',
    ' 1 range 9 window 7 count',
    ' 0 model model 17 optimizer adam 34 layer pool9 36 layer flatten 66 layer-wrapper around 120 common common 121 input input 122 result output',
    ' padding 0 valid padding 1 same loss 0 near',
    FIELDS.map(({ name, enumeration }) => ` ${name} ${enumeration}`).join(''),
  ].join('\n'),
  TABLE,
);
const SPEC = {
  layers: [{ type: 'pool9', loud: false, padding: 'same', poolSize: [3, 2] }, { type: 'flatten' }],
  inputShape: [8, 9],
  learningRate: 0.5,
};

/** @param {any} spec @param {RegExp} message */
function refused(spec, message) {
  assert.throws(
    () => encodeSpec(SCHEMA, spec),
    (error) =>
      error instanceof OffstageError &&
      error.code === 'INVALID_SPEC' &&
      (assert.match(error.message, message), true),
  );
}

test('the bytes: magic, count, records in order, fields in schema order, numbers as doubles', () => {
  const { bytes } = encodeSpec(SCHEMA, SPEC);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const u16 = () => view.getUint16((at += 2) - 2, true);
  const u32 = () => view.getUint32((at += 4) - 4, true);
  const readField = () => {
    const id = view.getUint8(at);
    assert.equal(view.getUint8(at + 1), 0);
    at += 2;
    const numbers = Array.from({ length: u16() }, () => view.getFloat64((at += 8) - 8, true));
    return [id, ...numbers];
  };
  assert.equal(String.fromCharCode(...bytes.slice(0, 4)), 'OFS1');
  u32();
  assert.equal(u32(), 4);
  const records = Array.from({ length: 4 }, () => ({
    id: u16(),
    fields: Array.from({ length: u16() }, readField),
  }));
  assert.equal(at, bytes.length);
  assert.deepEqual(records, [
    { id: 0, fields: [[0, 8, 9]] },
    { id: 17, fields: [[0, 0.5]] },
    {
      id: 34,
      fields: [
        [0, 3, 2],
        [2, 1],
        [7, 0],
      ],
    },
    { id: 36, fields: [] },
  ]);
});

test('unknown names and wrong types are refused, with what was got and what is allowed', () => {
  const layer = (/** @type {any} */ layer) => ({ ...SPEC, layers: [{ type: 'flatten' }, layer] });
  refused(null, /the spec is null/);
  refused([], /the spec is \[\]/);
  refused({ ...SPEC, colour: 1 }, /unknown field 'colour'.*'inputShape'/);
  refused({ ...SPEC, layers: undefined }, /layers is missing/);
  refused({ ...SPEC, layers: { length: 1 } }, /layers is \{ length \}/);
  refused({ ...SPEC, layers: new Array(1) }, /layer 0 is undefined/);
  refused(
    { ...SPEC, inputShape: undefined },
    /inputShape is missing, expected an array of 1 to 6 integers from 1 to 100/,
  );
  refused(
    { layers: [{ type: 'dense', units: 1, inputShape: [3] }] },
    /inputShape stands in layer 0, expected it beside layers/,
  );
  refused({ ...SPEC, inputShape: 8 }, /inputShape is 8, expected an array/);
  refused({ ...SPEC, inputShape: null }, /inputShape is null, expected an array/);
  refused(
    { ...SPEC, inputShape: new Array(2) },
    /inputShape is \[undefined, undefined\], 2 values/,
  );
  refused({ ...SPEC, inputShape: new DataView(new ArrayBuffer(2)) }, /inputShape is DataView/);
  refused({ ...SPEC, inputShape: [] }, /0 values/);
  refused({ ...SPEC, inputShape: [1, 1, 1, 1, 1, 1, 1] }, /7 values/);
  refused({ ...SPEC, inputShape: [8, '9'] }, /inputShape is \[8, '9'\]/);
  refused({ ...SPEC, seed: '5' }, /seed is '5', expected an integer from 0 to 100/);
  refused({ ...SPEC, seed: 5n }, /seed is 5n/);
  refused({ ...SPEC, seed: null }, /seed is null/);
  refused(layer(null), /layer 1 is null/);
  refused(layer('flatten'), /layer 1 is 'flatten'/);
  refused(layer({}), /layer 1: type is missing, expected one of 'pool9', 'flatten'/);
  refused(layer({ type: 'dens' }), /layer 1: type 'dens' is unknown/);
  refused(layer({ type: 'adam' }), /type 'adam' is unknown/);
  refused(
    layer({ type: 'flatten', units: 1 }),
    /layer 1 \(flatten\): unknown field 'units', expected one of 'name', 'input', 'trainable'/,
  );
  refused(
    layer({ type: 'pool9', poolSise: 1 }),
    /unknown field 'poolSise', expected one of 'name', 'poolSize', 'strides'/,
  );
  refused(
    layer({ type: 'pool9', padding: 'smae' }),
    /padding is 'smae', expected one of 'valid', 'same'/,
  );
  refused(layer({ type: 'pool9', padding: 1 }), /padding is 1/);
  refused(layer({ type: 'pool9', loud: 1 }), /loud is 1, expected true or false/);
  refused(
    layer({ type: 'pool9', poolSize: [2, 2, 2] }),
    /3 values: expected an integer or an array of 2 integers/,
  );
  refused(layer({ type: 'pool9', poolSize: '2' }), /poolSize is '2'/);
});

test('optimizers, metrics and labels', () => {
  const rate = (/** @type {any} */ spec) => {
    const { bytes } = encodeSpec(SCHEMA, { ...SPEC, learningRate: undefined, ...spec });
    return Array.from(bytes);
  };
  assert.deepEqual(rate({ optimizer: 'adam' }), rate({}));
  assert.deepEqual(
    rate({ optimizer: { type: 'adam', learningRate: 2 } }),
    rate({ learningRate: 2 }),
  );
  refused(
    { ...SPEC, optimizer: { type: 'adam', learningRate: 0.5 } },
    /learningRate is given twice, 0.5 and 0.5/,
  );
  refused(
    { ...SPEC, optimizer: 'adm' },
    /optimizer: type 'adm' is unknown, expected one of 'adam'/,
  );
  refused({ ...SPEC, optimizer: {} }, /optimizer: type is missing/);
  refused({ ...SPEC, optimizer: null }, /optimizer is null/);
  refused({ ...SPEC, optimizer: 5 }, /optimizer is 5/);
  refused(
    { ...SPEC, optimizer: { type: 'adam', beta9: 1 } },
    /optimizer \(adam\): unknown field 'beta9'/,
  );
  refused({ ...SPEC, learningRate: '1' }, /optimizer \(adam\): learningRate is '1'/);
  for (const [metrics, message] of /** @type {[any, RegExp][]} */ ([
    ['accuracy', /metrics is 'accuracy'/],
    [['f2'], /metrics\[0\] is 'f2', expected one of/],
  ])) {
    assert.throws(() => readMetrics(SCHEMA, metrics, ['output'], 'INVALID_SPEC'), {
      code: 'INVALID_SPEC',
      message,
    });
  }
  refused({ ...SPEC, labels: 'ab' }, /labels is 'ab'/);
  refused({ ...SPEC, labels: ['a', 1] }, /labels\[1\] is 1/);
  refused({ ...SPEC, labels: ['a', 'a'] }, /labels\[1\] is 'a' a second time/);
});

/**
 * What is told of layers where the core fills them in like these.
 * @param {any[]} layers @param {any[]} filled
 */
function built(layers, filled) {
  const spec = encodeSpec(SCHEMA, { ...SPEC, layers });
  const { bytes } = encodeSpec(SCHEMA, { ...SPEC, seed: 0, layers: filled });
  const told = readBuilt(SCHEMA, spec, bytes);
  assert.deepEqual(told.get(spec.model), { inputShape: [8, 9], seed: 0 });
  assert.deepEqual(told.get(spec.optimizer), { learningRate: 0.5 });
  return spec.layers.map((part, i) => describeLayer(told, part, spec.names, i));
}

test('layers as built: names and inputs, and what the core filled in', () => {
  const whole = {
    type: 'pool9',
    poolSize: [3, 3],
    strides: [3, 3],
    padding: 'valid',
    loud: true,
    trainable: true,
  };
  const [pool, flatten] = built(
    [{ type: 'pool9', poolSize: 3 }, { type: 'flatten' }],
    [whole, { type: 'flatten', trainable: true }],
  );
  assert.deepEqual(pool, { ...whole, name: 'pool9', input: 'input' });
  assert.deepEqual(flatten, { type: 'flatten', name: 'flatten', input: 'pool9', trainable: true });
});

test("C's refusals in words", () => {
  const spec = encodeSpec(SCHEMA, SPEC);
  const say = (/** @type {any} */ refusal) =>
    explain(SCHEMA, spec, {
      status: -1,
      layer: -1,
      field: -1,
      reason: 1,
      got: 0,
      low: 0,
      high: 0,
      ...refusal,
    });
  assert.equal(
    say({ layer: 0, field: 0, got: 0, low: 1, high: 100 }).message,
    'layer 0 (pool9): poolSize is 0 in [3, 2], expected an integer from 1 to 100',
  );
  assert.equal(
    say({ layer: -2, field: 0, got: -1, low: 1e-12, high: 10 }).message,
    'optimizer (adam): learningRate is -1, expected a number from 1e-12 to 10',
  );
  assert.match(
    say({ layer: 0, field: 0, reason: 9, got: 9, low: 1, high: 8 }).message,
    /layer 0 \(pool9\): poolSize reaches over 9/,
  );
  assert.match(
    say({ reason: 7, got: 0, low: 1, high: 1024 }).message,
    /^layers holds 0 values, expected 1 to 1024$/,
  );
  assert.match(say({ reason: 99, layer: 5, got: 3 }).message, /layer 5: is refused \(reason 99\)/);
  assert.match(
    say({ layer: 0, field: 2, got: 7 }).message,
    /padding is 'padding 7', expected another one/,
  );
  assert.match(say({ reason: 99, layer: -16 }).message, /^output 'flatten': is refused/);
  assert.equal(say({}).code, 'INVALID_SPEC');
  assert.equal(say({ status: -4 }).code, 'OUT_OF_MEMORY');
  assert.equal(say({ status: -2 }).code, 'INVALID_DATA');
  assert.equal(say({ status: -5 }).code, 'WORKER_LOST');
});

const DENSE = { type: 'dense', units: 3, activation: 'softmax' };
/** What is wrong, the spec, and what the message must name. @type {[string, any, RegExp][]} */
const BAD = [
  ['no layers', { layers: [] }, /layers holds 0 values, expected 1 to/],
  [
    'units of none',
    { layers: [{ type: 'dense', units: 0 }] },
    /layer 0 \(dense\): units is 0, expected an integer from 1 to/,
  ],
  [
    'units of a fraction',
    { layers: [{ type: 'dense', units: 2.5 }] },
    /units is 2.5, expected an integer/,
  ],
  [
    'units of NaN',
    { layers: [{ type: 'dense', units: NaN }] },
    /units is NaN, expected a finite number/,
  ],
  ['no units', { layers: [{ type: 'dense' }] }, /layer 0 \(dense\): units is missing/],
  [
    'an unknown activation',
    { layers: [{ type: 'dense', units: 1, activation: 'rleu' }] },
    /activation is 'rleu', expected one of .*'relu'/,
  ],
  [
    'an unknown initializer',
    { layers: [{ type: 'dense', units: 1, kernelInitializer: 'x' }] },
    /kernelInitializer is 'x'/,
  ],
  [
    'an input axis of none',
    { inputShape: [0] },
    /inputShape is 0 in \[0\]|inputShape is 0, expected/,
  ],
  ['a negative axis', { inputShape: [-3] }, /inputShape is -3/],
  ['an input without axes', { inputShape: [] }, /inputShape is \[\], 0 values/],
  ['an input too large', { inputShape: [65536, 65536] }, /inputShape makes 4294967296 elements/],
  [
    'a window larger than its input',
    { inputShape: [4, 4, 1], layers: [{ type: 'conv2d', filters: 1, kernelSize: 5 }] },
    /layer 0 \(conv2d\): kernelSize reaches over 5/,
  ],
  [
    'a pool on a vector',
    { layers: [{ type: 'maxPooling2d' }] },
    /layer 0 \(maxPooling2d\): its input has 1 dimensions, expected 3/,
  ],
  [
    'a stride of none',
    { inputShape: [4, 4, 1], layers: [{ type: 'maxPooling2d', strides: 0 }] },
    /strides is 0/,
  ],
  [
    'an unknown padding',
    { inputShape: [4, 4, 1], layers: [{ type: 'maxPooling2d', padding: 'full' }] },
    /padding is 'full'/,
  ],
  [
    'a reshape to another size',
    { layers: [{ type: 'reshape', targetShape: [3] }] },
    /layer 0 \(reshape\): targetShape makes 3 elements.*expected 2/,
  ],
  [
    'an lstm without time steps',
    { layers: [{ type: 'lstm', units: 3 }] },
    /layer 0 \(lstm\): its input has 1 dimensions, expected 2/,
  ],
  [
    'gelu in a cell',
    { inputShape: [4, 2], layers: [{ type: 'lstm', units: 3, activation: 'gelu' }] },
    /layer 0 \(lstm\): activation is 'gelu', expected one of 'linear', .*'softplus'/,
  ],
  [
    'softmax for gates',
    { inputShape: [4, 2], layers: [{ type: 'gru', units: 3, recurrentActivation: 'softmax' }] },
    /recurrentActivation is 'softmax', expected one of/,
  ],
  [
    'a forget bias of a gru',
    { inputShape: [4, 2], layers: [{ type: 'gru', units: 3, unitForgetBias: true }] },
    /layer 0 \(gru\): unknown field 'unitForgetBias'/,
  ],
  [
    'gates of more than a sample',
    { inputShape: [16777216, 2], layers: [{ type: 'lstm', units: 64 }] },
    /layer 0 \(lstm\): its shape makes 4294967296 elements/,
  ],
  [
    'a bias that is orthogonal',
    { layers: [{ ...DENSE, biasInitializer: 'orthogonal' }] },
    /layer 0 \(dense\): biasInitializer is 'orthogonal', expected another one/,
  ],
  [
    'a rate of one',
    { layers: [{ type: 'dropout', rate: 1 }] },
    /layer 0 \(dropout\): rate is 1, expected a number from 0 to/,
  ],
  ['a loss that is not', { loss: 'crossentropy' }, /loss is 'crossentropy', expected one of/],
  [
    'a loss for another output',
    { layers: [{ type: 'dense', units: 3 }], loss: 'categoricalCrossentropy' },
    /loss is 'categoricalCrossentropy', expected a last layer with activation 'softmax', got 'linear'/,
  ],
  [
    'a binary loss on softmax',
    { loss: 'binaryCrossentropy' },
    /expected a last layer with activation 'sigmoid', got 'softmax'/,
  ],
  [
    'softmax over one',
    { layers: [{ ...DENSE, units: 1 }] },
    /layer 0 \(dense\): has 1 output on its last axis, expected at least 2/,
  ],
  [
    'a learning rate of zero',
    { learningRate: 0 },
    /optimizer \(adam\): learningRate is 0, expected a number from/,
  ],
  ['a negative learning rate', { learningRate: -0.1 }, /learningRate is -0.1/],
  ['an infinite learning rate', { learningRate: Infinity }, /learningRate is Infinity/],
  [
    'a learning rate twice',
    { learningRate: 1, optimizer: { type: 'sgd', learningRate: 1 } },
    /twice/,
  ],
  [
    'an option of another optimizer',
    { optimizer: { type: 'sgd', beta1: 0.9 } },
    /optimizer \(sgd\): unknown field 'beta1'/,
  ],
  ['a momentum above one', { optimizer: { type: 'sgd', momentum: 1.5 } }, /momentum is 1.5/],
  ['a negative seed', { seed: -1 }, /seed is -1/],
  ['a fractional seed', { seed: 0.5 }, /seed is 0.5, expected an integer/],
  ['a seed beyond integers', { seed: 2 ** 53 }, /seed is 9007199254740992/],
  ['an unknown metric', { metrics: ['auk'] }, /metrics\[0\] is 'auk'/],
  ['too few labels', { labels: ['a', 'b'] }, /labels holds 2 names, expected 3/],
  [
    'labels for a regression',
    { layers: [{ type: 'dense', units: 3 }], labels: ['a', 'b', 'c'] },
    /no classifier/,
  ],
  [
    'three labels for one unit',
    { layers: [{ type: 'dense', units: 1, activation: 'sigmoid' }], labels: ['a', 'b', 'c'] },
    /expected 2/,
  ],
  ['a scale that is no number', { inputScale: 'big' }, /inputScale is 'big'/],
  ['an infinite offset', { inputOffset: Infinity }, /inputOffset is Infinity/],
  ['an unknown field', { learningrate: 1 }, /unknown field 'learningrate'/],
];

test('every bad spec is refused with its place, and the model before it stays', async () => {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', QUADRANTS);
  const before = await client.ask('PREDICT', { x: [0.3, 0.4] });
  for (const [what, change, message] of BAD) {
    const spec = { inputShape: [2], layers: [DENSE], ...change };
    await assert.rejects(
      client.ask('INIT_TRAINING', spec),
      (/** @type {any} */ error) => {
        assert.equal(error.code, 'INVALID_SPEC', what);
        assert.match(error.message, message, what);
        assert.equal(error.reply.type, 'ERROR');
        assert.equal(error.reply.payload.request, 'INIT_TRAINING');
        return true;
      },
      what,
    );
  }
  assert.deepEqual(await client.ask('PREDICT', { x: [0.3, 0.4] }), before);
  const { x, y } = quadrants(20);
  assert.equal((await client.ask('START_TRAINING', { x, y })).step, 1);
});

test('what does not fit in memory is told at INIT or at START, with the size', async () => {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', QUADRANTS);
  const wide = { type: 'dense', units: 40000 };
  const huge = { inputShape: [40000], layers: [wide, DENSE] };
  await assert.rejects(client.ask('INIT_TRAINING', huge), {
    code: 'OUT_OF_MEMORY',
    message: /the model needs \d+\.\d GiB \(\d+ bytes\)/,
  });
  assert.equal((await client.ask('PREDICT', { x: [1, 2] })).output.length, 2);

  await client.ask('INIT_TRAINING', {
    inputShape: [64, 64, 1],
    layers: [{ type: 'conv2d', filters: 256, kernelSize: 1 }, { type: 'flatten' }, DENSE],
  });
  const before = (await client.ask('GET_STATUS')).usedBytes;
  const x = new Uint8Array(4096 * 4000);
  const y = new Int32Array(4000);
  await assert.rejects(client.ask('START_TRAINING', { x, y, batchSize: 4000 }), {
    code: 'OUT_OF_MEMORY',
    message: /training with batches of 4000 needs \d+\.\d GiB/,
  });
  assert.equal((await client.ask('GET_STATUS')).usedBytes, before, 'the data were given back');
  assert.equal(
    (await client.ask('START_TRAINING', { x: x.slice(0, 4096), y: y.slice(0, 1) })).step,
    1,
  );
});

test('a runtime with a mistake is refused, and leaves the model', async () => {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', QUADRANTS);
  /** @type {[any, RegExp][]} */
  const bad = [
    [{ variant: 'mmx' }, /variant is 'mmx', expected one of 'base', 'simd'/],
    [{ threads: -1 }, /threads is -1/],
    [{ threads: 65 }, /threads is 65, expected 'auto' or an integer from 0 to 64/],
    [{ threads: 1.5 }, /threads is 1.5/],
    [{ deterministic: 1 }, /deterministic is 1/],
    [{ assets: 5 }, /assets is 5/],
    [{ place: 'moon' }, /place is 'moon'/],
    [{ sliceWork: 0 }, /sliceWork is 0/],
    [{ speed: 1 }, /unknown field 'speed'/],
    [null, /runtime is null/],
  ];
  for (const [runtime, message] of bad) {
    await assert.rejects(client.ask('INIT_TRAINING', { ...QUADRANTS, runtime }), {
      code: 'INVALID_OPTION',
      message,
    });
  }
  await assert.rejects(
    client.ask('INIT_TRAINING', {
      ...QUADRANTS,
      runtime: { assets: 'file:///no/such/folder', threads: 1 },
    }),
    { code: 'UNSUPPORTED', message: /no\/such\/folder\/wasm-build\/dist\/offstage\.simd\.wasm/ },
  );
  assert.equal((await client.ask('GET_STATUS')).state, 'ready');
});
