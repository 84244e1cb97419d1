/* protocol.test.js: envelopes, states, the bare form, uploads and data in every form, over the
 * wire. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { REPLIES } from '../../worker/protocol.js';
import {
  QUADRANTS,
  bitsOf,
  connectLocal,
  connectWorker,
  createManualHost,
  quadrants,
} from './session-client.js';

/** @param {any} [spec] */
async function ready(spec = QUADRANTS) {
  const client = connectLocal();
  await client.ask('INIT_TRAINING', spec);
  return client;
}

test('a bad envelope is answered by BAD_MESSAGE, with its id where it has one', async () => {
  const client = await ready();
  /** @type {[any, any][]} message, id of the reply */
  const bad = [
    [null, null],
    [5, null],
    ['PING', null],
    [[], null],
    [new Uint8Array(2), undefined],
    [{ v: 2, id: 7, type: 'PING' }, 7],
    [{ v: '1', id: 7, type: 'PING' }, 7],
    [{ id: 7, type: 'PING' }, 7],
    [{ v: 1, type: 'PING' }, null],
    [{ v: 1, id: null, type: 'PING' }, null],
    [{ v: 1, id: NaN, type: 'PING' }, null],
    [{ v: 1, id: {}, type: 'PING' }, null],
    [{ v: 1, id: 'a', type: 'PONG' }, 'a'],
    [{ v: 1, id: 'a' }, 'a'],
    [{ v: 1, id: 'a', type: 'toString' }, 'a'],
    [{ v: 1, id: 'a', type: 'PING', payload: null }, 'a'],
    [{ v: 1, id: 'a', type: 'PING', payload: 'x' }, 'a'],
    [{ v: 1, id: 'a', type: 'PING', payload: [] }, 'a'],
  ];
  for (const [message, id] of bad) {
    const before = client.messages.length;
    client.send(message);
    assert.equal(client.messages.length, before + 1, JSON.stringify(message));
    const reply = client.messages[before];
    if (id === undefined) continue; // an object without v and id: bare, and refused in its way
    assert.deepEqual(
      [reply.v, reply.id, reply.type, reply.payload.code],
      [1, id, 'ERROR', 'BAD_MESSAGE'],
      JSON.stringify(message),
    );
    assert.ok(reply.payload.error.length > 10);
  }
  assert.deepEqual(await client.ask('PING'), { received: 20 });
});

test('every reply carries its request id and type; ids may be strings and come again later', async () => {
  const client = await ready();
  for (const id of ['a', 0, -1.5, 'a']) client.send({ v: 1, id, type: 'PING' });
  assert.deepEqual(
    client.messages.slice(1),
    ['a', 0, -1.5, 'a'].map((id, i) => ({
      v: 1,
      id,
      type: 'PONG',
      payload: { received: 2 + i },
    })),
  );
});

test('the id of a pending request is not taken twice', async () => {
  const time = createManualHost();
  const client = connectLocal(time.host);
  client.send({ v: 1, id: 1, type: 'INIT_TRAINING', payload: QUADRANTS });
  client.send({ v: 1, id: 1, type: 'PING' });
  assert.deepEqual(
    [client.messages[0].type, client.messages[0].payload.code],
    ['ERROR', 'BAD_MESSAGE'],
  );
  while (client.messages.length < 2) {
    await new Promise((resolve) => setImmediate(resolve));
    time.turn();
  }
  assert.equal(client.messages[1].type, 'MODEL_READY', 'the first one is answered all the same');
});

test('before a model and after DISPOSE there is little to ask; a new INIT brings it back', async () => {
  const client = connectLocal();
  const { x, y } = quadrants(8);
  const payloads = /** @type {Record<string, any>} */ ({
    START_TRAINING: { x, y },
    EVALUATE_MODEL: { x, y },
    PREDICT: { x },
    SET_WEIGHTS: { weights: [] },
    DISCARD_DATA: { upload: 1 },
    UPLOAD_DATA: { upload: 1, dtype: 'float32', total: 4, offset: 0, bytes: new ArrayBuffer(4) },
  });
  const always = [
    'INIT_TRAINING',
    'GET_STATUS',
    'PING',
    'DISPOSE',
    'SAVE_CHECKPOINT',
    'LOAD_CHECKPOINT',
  ];
  const rest = Object.keys(REPLIES).filter((type) => !always.includes(type));
  for (const type of rest)
    await assert.rejects(
      client.ask(type, payloads[type]),
      { code: 'BAD_MESSAGE', message: /no model: INIT_TRAINING first/ },
      type,
    );
  assert.equal((await client.ask('GET_STATUS')).state, 'empty');
  await client.ask('INIT_TRAINING', QUADRANTS);
  assert.deepEqual(await client.ask('DISPOSE'), {});
  for (const type of rest)
    await assert.rejects(client.ask(type, payloads[type]), { code: 'DISPOSED' }, type);
  assert.deepEqual(await client.ask('DISPOSE'), {});
  await client.ask('INIT_TRAINING', QUADRANTS);
  assert.equal((await client.ask('START_TRAINING', { x, y })).step, 1);
  assert.equal((await client.ask('SAVE_CHECKPOINT')).step, 1);
  await assert.rejects(client.ask('LOAD_CHECKPOINT'), {
    code: 'BAD_CHECKPOINT',
    message: /bytes is undefined/,
  });
});

test('requests sent before MODEL_READY wait for it, in order', async () => {
  const client = connectLocal();
  const { x, y } = quadrants(40);
  client.ask('INIT_TRAINING', QUADRANTS);
  const run = client.ask('START_TRAINING', { x, y, numEpochs: 1e6 });
  client.ask('PING');
  const stopped = client.ask('STOP_TRAINING');
  client.ask('INIT_TRAINING', { ...QUADRANTS, seed: 5 });
  const late = client.ask('GET_STATUS');
  const predicted = client.ask('PREDICT', { x: [1, 1] });
  assert.equal((await run).reason, 'stopped');
  await stopped;
  await predicted;
  await late;
  assert.deepEqual(
    client.messages.map(({ type }) => type),
    [
      'PONG',
      'STATUS',
      'MODEL_READY',
      'TRAINING_COMPLETE',
      'TRAINING_STOPPED',
      'MODEL_READY',
      'PREDICTION_RESULT',
    ],
  );
});

test('DISPOSE ends a run as stopped and everything else with DISPOSED, also while a model is being built', async () => {
  const time = createManualHost();
  const client = connectLocal(time.host);
  const first = client.ask('INIT_TRAINING', { ...QUADRANTS, runtime: { sliceWork: 1 } });
  await Promise.all([first, pump(time, () => client.of('MODEL_READY').length)]);
  const { x, y } = quadrants(40);
  const run = client.ask('START_TRAINING', { x, y, numEpochs: 9 });
  time.turn(30);
  const evaluation = client.ask('EVALUATE_MODEL', { x, y });
  const disposed = client.ask('DISPOSE');
  await pump(time, () => client.of('DISPOSED').length);
  assert.equal((await run).reason, 'stopped');
  await assert.rejects(evaluation, { code: 'DISPOSED' });
  await disposed;
  assert.equal(client.messages.at(-1).type, 'DISPOSED');

  const init = client.ask('INIT_TRAINING', QUADRANTS);
  const predict = client.ask('PREDICT', { x: [1, 1] });
  await client.ask('DISPOSE');
  await assert.rejects(init, { code: 'DISPOSED' });
  await assert.rejects(predict, { code: 'DISPOSED' });
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  time.turn(100);
  assert.equal(client.of('MODEL_READY').length, 1);
  assert.equal((await client.ask('GET_STATUS')).state, 'empty');
});

test('while a run is on: START, INIT and SET_WEIGHTS are BUSY, reading is served', async () => {
  const client = await ready();
  const { x, y } = quadrants(100);
  const run = client.ask('START_TRAINING', { x, y, numEpochs: 1e6 });
  await assert.rejects(client.ask('START_TRAINING', { x, y }), { code: 'BUSY' });
  await assert.rejects(client.ask('INIT_TRAINING', QUADRANTS), { code: 'BUSY' });
  const { weights } = await client.ask('GET_WEIGHTS');
  await assert.rejects(client.ask('SET_WEIGHTS', { weights }), { code: 'BUSY' });
  assert.equal((await client.ask('EVALUATE_MODEL', { x, y })).samples, 100);
  assert.equal((await client.ask('PREDICT', { x })).index.length, 100);
  assert.equal((await client.ask('GET_STATUS')).state, 'training');
  await client.ask('PAUSE_TRAINING');
  await assert.rejects(client.ask('START_TRAINING', { x, y }), { code: 'BUSY' });
  assert.equal((await client.ask('STOP_TRAINING')).state, 'ready');
  assert.equal((await run).reason, 'stopped');
});

const NAN = new Float32Array([1, 2, 3, NaN]);
/** @type {[string, any, string, RegExp][]} what, payload of START_TRAINING, code, message */
const BAD_STARTS = [
  ['no x', { y: [1] }, 'INVALID_DATA', /x is missing/],
  ['no y', { x: [1, 2] }, 'INVALID_DATA', /y is missing/],
  ['x of null', { x: null, y: [1] }, 'INVALID_DATA', /x is null/],
  ['x empty', { x: [], y: [] }, 'INVALID_DATA', /x is empty/],
  ['x empty, typed', { x: new Float32Array(0), y: [] }, 'INVALID_DATA', /x has 0 elements/],
  ['x a string', { x: 'data', y: [1] }, 'INVALID_DATA', /x is 'data'/],
  ['x a buffer', { x: new ArrayBuffer(8), y: [1] }, 'INVALID_DATA', /x is an ArrayBuffer/],
  ['x a view', { x: new DataView(new ArrayBuffer(8)), y: [1] }, 'INVALID_DATA', /x is DataView/],
  [
    'x several inputs',
    { x: { inputs: { a: [1] } }, y: [1] },
    'INVALID_DATA',
    /x.inputs: unknown field 'a', expected one of 'input'/,
  ],
  [
    'x not divisible',
    { x: new Float32Array(5), y: [0, 1] },
    'INVALID_DATA',
    /x has 5 elements, expected a multiple of 2/,
  ],
  ['x ragged', { x: [[1, 2], [3]], y: [0, 1] }, 'INVALID_DATA', /x\[1\] has length 1, expected 2/],
  [
    'x ragged deeper',
    {
      x: [
        [1, 2],
        [3, [4]],
      ],
      y: [0, 1],
    },
    'INVALID_DATA',
    /x\[1\]\[1\] is \[4\], expected a number/,
  ],
  [
    'x with a hole',
    {
      x: [
        [1, 2],
        [3, undefined],
      ],
      y: [0, 1],
    },
    'INVALID_DATA',
    /x\[1\]\[1\] is undefined/,
  ],
  [
    'x with a row of none',
    { x: [[1, 2], null], y: [0, 1] },
    'INVALID_DATA',
    /x\[1\] is null, expected an array of 2/,
  ],
  ['x of strings', { x: [['a', 'b']], y: [0] }, 'INVALID_DATA', /x holds strings/],
  [
    'x of another shape',
    { x: [[1, 2, 3]], y: [0] },
    'INVALID_DATA',
    /x has shape \[1, 3\], expected \[n, 2\]/,
  ],
  ['x shape without data', { x: { shape: [1, 2] }, y: [0] }, 'INVALID_DATA', /x\.data is missing/],
  [
    'x shape of another size',
    { x: { data: new Float32Array(4), shape: [3, 2] }, y: [0] },
    'INVALID_DATA',
    /x.data has 4 elements, expected 6/,
  ],
  [
    'x shape of nonsense',
    { x: { data: new Float32Array(4), shape: [2, -2] }, y: [0] },
    'INVALID_DATA',
    /x.shape is \[2, -2\]/,
  ],
  [
    'x field unknown',
    { x: { data: new Float32Array(2), shape: [1, 2], dtype: 1 }, y: [0] },
    'INVALID_DATA',
    /unknown field 'dtype'/,
  ],
  ['x with NaN', { x: NAN, y: [0, 1] }, 'INVALID_DATA', /x holds NaN in sample 1, element 1/],
  [
    'x with infinity',
    {
      x: [
        [1, 2],
        [-Infinity, 0],
      ],
      y: [0, 1],
    },
    'INVALID_DATA',
    /x holds -Infinity in sample 1, element 0/,
  ],
  ['x beyond float32', { x: [[1e39, 0]], y: [0] }, 'INVALID_DATA', /x holds Infinity in sample 0/],
  [
    'y of another length',
    { x: new Float32Array(8), y: [0, 1, 1] },
    'INVALID_DATA',
    /y has 3 elements for 4 samples, expected 4 class indices/,
  ],
  [
    'y an index too large',
    { x: new Float32Array(8), y: [0, 1, 2, 0] },
    'INVALID_DATA',
    /class index of sample 2 is 2, expected an integer from 0 to 1/,
  ],
  [
    'y negative',
    { x: new Float32Array(4), y: new Int8Array([0, -1]) },
    'INVALID_DATA',
    /sample 1 is -1/,
  ],
  ['y fractional', { x: new Float32Array(4), y: [0, 0.5] }, 'INVALID_DATA', /sample 1 is 0.5/],
  ['y NaN', { x: new Float32Array(4), y: [NaN, 1] }, 'INVALID_DATA', /sample 0 is NaN/],
  [
    'y beyond 32 bits',
    { x: new Float32Array(4), y: [2 ** 32, 1] },
    'INVALID_DATA',
    /sample 0 is 4294967296/,
  ],
  [
    'y one-hot with NaN',
    {
      x: new Float32Array(4),
      y: [
        [0, 1],
        [NaN, 0],
      ],
    },
    'INVALID_DATA',
    /y holds NaN in sample 1, element 0/,
  ],
  [
    'y one-hot too wide',
    {
      x: new Float32Array(4),
      y: [
        [0, 1, 0],
        [1, 0, 0],
      ],
    },
    'INVALID_DATA',
    /y has shape \[2, 3\] for 2 samples, expected \[2, 2\]/,
  ],
  [
    'y names without labels',
    { x: new Float32Array(4), y: ['a', 'b'] },
    'INVALID_DATA',
    /no labels/,
  ],
  [
    'y mixed',
    { x: new Float32Array(4), y: [0, 'b'] },
    'INVALID_DATA',
    /y\[1\] is 'b', expected a number/,
  ],
  [
    'y floats as indices',
    { x: new Float32Array(4), y: new Float32Array([0, 1]) },
    'INVALID_DATA',
    /y has 2 elements for 2 samples, expected 4/,
  ],
  [
    'epochs of none',
    { numEpochs: 0 },
    'INVALID_OPTION',
    /numEpochs \(epochs\) is 0, expected a positive integer/,
  ],
  ['epochs of a fraction', { numEpochs: 1.5 }, 'INVALID_OPTION', /is 1.5/],
  ['epochs as text', { numEpochs: '3' }, 'INVALID_OPTION', /is '3'/],
  ['epochs without end', { numEpochs: Infinity }, 'INVALID_OPTION', /is Infinity/],
  ['a batch of none', { batchSize: 0 }, 'INVALID_OPTION', /batchSize is 0/],
  ['a negative batch', { batchSize: -4 }, 'INVALID_OPTION', /batchSize is -4/],
  [
    'a split of one',
    { validationSplit: 1 },
    'INVALID_OPTION',
    /validationSplit is 1, expected a number from 0 to below 1/,
  ],
  ['a negative split', { validationSplit: -0.1 }, 'INVALID_OPTION', /validationSplit is -0.1/],
  ['a split of NaN', { validationSplit: NaN }, 'INVALID_OPTION', /NaN/],
  [
    'a split too small',
    { validationSplit: 1e-20 },
    'INVALID_OPTION',
    /leaves 4 samples to train and 0 to validate/,
  ],
  ['shuffle as a number', { shuffle: 1 }, 'INVALID_OPTION', /shuffle is 1/],
  ['progress never', { progressHz: 0 }, 'INVALID_OPTION', /progressHz is 0/],
  ['an unknown option', { epochs: 3 }, 'INVALID_OPTION', /unknown field 'epochs'/],
];

test('a START that cannot be is refused at once by ERROR, and the session goes on', async () => {
  const client = await ready();
  const used = (await client.ask('GET_STATUS')).usedBytes;
  const good = { x: new Float32Array(8), y: [0, 1, 1, 0] };
  for (const [what, change, code, message] of BAD_STARTS) {
    const payload = 'x' in change || 'y' in change ? change : { ...good, ...change };
    await assert.rejects(
      client.ask('START_TRAINING', payload),
      (/** @type {any} */ error) => {
        assert.equal(error.code, code, `${what}: ${error.message}`);
        assert.match(error.message, message, what);
        assert.deepEqual(
          [error.reply.type, error.reply.payload.request],
          ['ERROR', 'START_TRAINING'],
          what,
        );
        return true;
      },
      what,
    );
  }
  assert.equal((await client.ask('GET_STATUS')).usedBytes, used);
  assert.equal((await client.ask('START_TRAINING', good)).step, 1);
});

test('other requests refuse what they do not know', async () => {
  const client = await ready();
  const { x, y } = quadrants(4);
  await assert.rejects(client.ask('PREDICT', { x, y }), {
    code: 'INVALID_OPTION',
    message: /unknown field 'y'/,
  });
  await assert.rejects(client.ask('PREDICT', {}), {
    code: 'INVALID_DATA',
    message: /x is missing/,
  });
  await assert.rejects(client.ask('PREDICT', { x: [NaN, 0] }), {
    code: 'INVALID_DATA',
    message: /NaN in sample 0, element 0/,
  });
  await assert.rejects(client.ask('PREDICT', { x: new Float32Array(3) }), { code: 'INVALID_DATA' });
  await assert.rejects(client.ask('EVALUATE_MODEL', { x, y, batchSize: 0 }), {
    code: 'INVALID_OPTION',
  });
  await assert.rejects(client.ask('EVALUATE_MODEL', { x, y, verbose: 1 }), {
    code: 'INVALID_OPTION',
  });
  await assert.rejects(client.ask('SET_WEIGHTS', { weight: [] }), { code: 'INVALID_OPTION' });
  await assert.rejects(client.ask('DISCARD_DATA', { id: 1 }), { code: 'INVALID_OPTION' });
  assert.equal((await client.ask('EVALUATE_MODEL', { x, y })).samples, 4);
});

test('every form of the same data trains to the same bits', async () => {
  const { x, y } = quadrants(24);
  const rows = Array.from({ length: 24 }, (_, i) => [x[2 * i], x[2 * i + 1]]);
  const oneHot = Array.from(y, (k) => [1 - k, k]);
  const xs = /** @type {Record<string, any>} */ ({
    typed: x,
    nested: rows,
    flat: Array.from(x),
    double: Float64Array.from(x),
    rows: rows.map((row) => Float32Array.from(row)),
    shaped: { data: x, shape: [24, 2] },
    list: { data: Array.from(x), shape: [24, 2] },
    view: new Float32Array([9, ...x, 9]).subarray(1, 49),
  });
  const ys = /** @type {Record<string, any>} */ ({
    typed: y,
    list: Array.from(y),
    bytes: Uint8Array.from(y),
    big: BigInt64Array.from(y, BigInt),
    names: Array.from(y, (k) => 'ab'[k]),
    oneHot,
    flat: Float32Array.from(oneHot.flat()),
    shaped: { data: Float64Array.from(oneHot.flat()), shape: [24, 2] },
    column: { data: y, shape: [24] },
  });
  const bits = async (/** @type {any} */ data) => {
    const client = await ready({ ...QUADRANTS, labels: ['a', 'b'] });
    await client.ask('START_TRAINING', { ...data, batchSize: 7, numEpochs: 2 });
    return bitsOf(await client.ask('GET_WEIGHTS'));
  };
  const expected = await bits({ x, y });
  for (const [form, other] of Object.entries(xs))
    assert.equal(await bits({ x: other, y }), expected, `x ${form}`);
  for (const [form, other] of Object.entries(ys))
    assert.equal(await bits({ x, y: other }), expected, `y ${form}`);
});

test('several targets a sample: indices and rows by shape, and an index for each', async () => {
  const client = await ready({
    inputShape: [3, 2],
    layers: [{ type: 'dense', units: 4, activation: 'softmax' }],
    labels: ['a', 'b', 'c', 'd'],
  });
  const x = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
  const indices = [
    [0, 1, 2],
    [3, 2, 1],
  ];
  const loss = async (/** @type {any} */ y) => (await client.ask('EVALUATE_MODEL', { x, y })).loss;
  const expected = await loss(indices);
  const rows = indices.map((row) => row.map((k) => [0, 1, 2, 3].map((i) => (i === k ? 1 : 0))));
  for (const y of [
    indices.flat(),
    Int32Array.from(indices.flat()),
    rows,
    Float32Array.from(rows.flat(2)),
    indices.map((row) => row.map((k) => 'abcd'[k])),
    { data: Uint8Array.from(indices.flat()), shape: [2, 3] },
  ]) {
    assert.ok(Math.abs((await loss(y)) - expected) < 1e-6);
  }
  await assert.rejects(client.ask('EVALUATE_MODEL', { x, y: [0, 1] }), {
    message: /y has 2 elements for 2 samples, expected 6 class indices/,
  });
  await assert.rejects(
    client.ask('EVALUATE_MODEL', {
      x,
      y: [
        [0, 1, 2],
        [3, 2, 4],
      ],
    }),
    { message: /sample 1, position 2 is 4/ },
  );
  const { output, index, label, confidence, single } = await client.ask('PREDICT', {
    x: x.slice(0, 6),
  });
  assert.deepEqual(
    [output.length, index.length, label.length, confidence.length, single],
    [12, 3, 3, 3, true],
  );
  for (let t = 0; t < 3; t++) {
    const part = Array.from(output.slice(4 * t, 4 * t + 4));
    assert.deepEqual(
      [index[t], label[t], confidence[t]],
      [part.indexOf(Math.max(...part)), 'abcd'[index[t]], Math.max(...part)],
    );
  }
  const nested = await client.ask('PREDICT', {
    x: [
      [x[0], x[1]],
      [x[2], x[3]],
      [x[4], x[5]],
    ],
  });
  assert.deepEqual([nested.single, nested.output], [true, output]);
});

test('several sigmoid units answer for themselves: y is rows only', async () => {
  const client = await ready({
    inputShape: [2],
    layers: [{ type: 'dense', units: 3, activation: 'sigmoid' }],
  });
  const x = [
    [1, 2],
    [3, 4],
  ];
  const { loss, accuracy } = await client.ask('EVALUATE_MODEL', {
    x,
    y: [
      [1, 1, 0],
      [0, 1, 0],
    ],
  });
  assert.ok(loss > 0 && accuracy >= 0 && accuracy <= 1);
  await assert.rejects(client.ask('EVALUATE_MODEL', { x, y: [0, 1] }), {
    code: 'INVALID_DATA',
    message: /y has 2 elements for 2 samples, expected 6/,
  });
});

test('uint8 stays uint8 and is scaled; any other kind is not', async () => {
  const client = await ready({
    inputShape: [2],
    layers: [{ type: 'dense', units: 1 }],
    inputScale: 0.5,
    inputOffset: -1,
  });
  await client.ask('SET_WEIGHTS', {
    weights: [
      { shape: [2, 1], data: [1, 10] },
      { shape: [1], data: [0] },
    ],
  });
  const out = async (/** @type {any} */ x) => (await client.ask('PREDICT', { x })).output[0];
  const scaled = 1 * (4 * 0.5 - 1) + 10 * (6 * 0.5 - 1);
  for (const Type of [Uint8Array, Uint8ClampedArray])
    assert.equal(await out(new Type([4, 6])), scaled);
  assert.equal(await out([[new Uint8Array([4, 6])]].flat()), scaled);
  for (const x of [
    [4, 6],
    new Int16Array([4, 6]),
    new Float32Array([4, 6]),
    { data: new Uint16Array([4, 6]), shape: [2] },
  ]) {
    assert.equal(await out(x), 64);
  }
});

test('uploads: slices in order, used by the request that names them, and freed with it', async () => {
  const client = await ready();
  const used = async () => (await client.ask('GET_STATUS')).usedBytes;
  const before = await used();
  const { x, y } = quadrants(100);
  const upload = async (
    /** @type {number} */ id,
    /** @type {Float32Array | Int32Array} */ array,
    slice = 333,
  ) => {
    const dtype = array instanceof Float32Array ? 'float32' : 'int32';
    const bytes = new Uint8Array(array.buffer.slice(0));
    for (let at = 0; at < bytes.length; at += slice) {
      const part = bytes.slice(at, at + slice).buffer;
      const length = part.byteLength;
      const { received, bytes: back } = await client.ask('UPLOAD_DATA', {
        upload: id,
        dtype,
        total: bytes.length,
        offset: at,
        bytes: part,
      });
      assert.equal(received, Math.min(bytes.length, at + slice));
      assert.equal(
        back?.byteLength,
        received < bytes.length ? length : undefined,
        'the buffer comes back for the next slice',
      );
    }
  };
  const inline = await ready();
  const expected = await inline.ask('START_TRAINING', { x, y });
  await upload(1, x);
  await upload(2, y);
  const result = await client.ask('START_TRAINING', { x: { upload: 1 }, y: { upload: 2 } });
  assert.deepEqual(result.history, expected.history);
  assert.equal(await used(), before);
  await assert.rejects(client.ask('PREDICT', { x: { upload: 1 } }), {
    code: 'INVALID_DATA',
    message: /upload 1, which is not here/,
  });

  await upload(3, x);
  assert.deepEqual(
    (await client.ask('PREDICT', { x: { upload: 3 } })).output,
    (await inline.ask('PREDICT', { x })).output,
  );
  await upload(4, x);
  await upload(5, y);
  await assert.rejects(
    client.ask('START_TRAINING', { x: { upload: 4 }, y: { upload: 5 }, numEpochs: 0 }),
    { code: 'INVALID_OPTION' },
  );
  assert.equal(await used(), before, 'freed where the request fails');
  await upload(6, x);
  await upload(7, y);
  await assert.rejects(client.ask('EVALUATE_MODEL', { x: { upload: 6 }, y: { upload: 6 } }), {
    code: 'INVALID_DATA',
  });
  await client.ask('DISCARD_DATA', { upload: 7 });
  await client.ask('DISCARD_DATA', { upload: 7 });
  assert.equal(await used(), before);

  const slice = (/** @type {any} */ change) =>
    client.ask('UPLOAD_DATA', {
      upload: 9,
      dtype: 'float32',
      total: 16,
      offset: 0,
      bytes: new ArrayBuffer(8),
      ...change,
    });
  /** @type {[any, RegExp][]} */
  const bad = [
    [{ upload: 'x' }, /upload is 'x'/],
    [{ dtype: 'float64' }, /dtype is 'float64'/],
    [{ total: 0 }, /total is 0/],
    [{ total: 15 }, /total is 15/],
    [{ bytes: new Uint8Array(8) }, /bytes is/],
    [{ offset: 4 }, /expected them from 0/],
    [{ bytes: new ArrayBuffer(20) }, /up to 16/],
    [{ extra: 1 }, /unknown field 'extra'/],
  ];
  for (const [change, message] of bad)
    await assert.rejects(slice(change), { code: 'INVALID_DATA', message });
  assert.equal(await used(), before);
  await slice({});
  await assert.rejects(slice({}), { message: /expected them from 8 on/ });
  await assert.rejects(slice({ offset: 8, dtype: 'int32' }), {
    message: /began with 16 bytes of float32/,
  });
  await assert.rejects(client.ask('PREDICT', { x: { upload: 9 } }), {
    message: /only 8 of 16 bytes are here/,
  });
  await assert.rejects(slice({ upload: 10, total: 2 ** 40 }), {
    code: 'OUT_OF_MEMORY',
    message: /1.0 TiB/,
  });
  assert.equal(await used(), before);
});

const GRID = (/** @type {number} */ value) =>
  Array.from({ length: 28 }, () => Array.from({ length: 28 }, () => [value, 0, 1 - value]));

for (const connect of [connectLocal, connectWorker]) {
  test(`the bare form, ${connect.name}: a page that speaks the older dialect works as it is`, async () => {
    const client = connect();
    const until = async (/** @type {string} */ type, count = 1) => {
      while (client.of(type).length < count) await new Promise((resolve) => setTimeout(resolve, 1));
      return client.of(type)[count - 1];
    };
    client.send({ type: 'PREDICT', payload: { inputGrid: GRID(0) } });
    assert.equal((await until('TRAINING_ERROR')).code, 'BAD_MESSAGE');
    client.send({
      type: 'INIT_TRAINING',
      payload: {
        layers: [
          { type: 'conv', id: '1', filterSize: 3, numFilters: 4, activation: 'relu' },
          { type: 'pool', id: '2', poolSize: 2, poolingType: 'max' },
          { type: 'dense', id: '3', units: 8, activation: 'relu' },
        ],
        learningRate: 0.01,
      },
    });
    const ready = await until('MODEL_READY');
    assert.deepEqual(
      ready.layers.map((/** @type {any} */ layer) => layer.type),
      ['conv2d', 'maxPooling2d', 'flatten', 'dense', 'dense'],
    );
    assert.deepEqual(
      [ready.inputShape, ready.loss, ready.classes],
      [[28, 28, 3], 'binaryCrossentropy', 2],
    );
    const trainingData = [0.1, 0.9, 0.2, 0.8, 0, 1].map((value, id) => ({
      id,
      grid: GRID(value),
      label: value > 0.5 ? 1 : 0,
    }));
    client.send({ type: 'START_TRAINING', payload: { trainingData, numEpochs: 15, batchSize: 2 } });
    const result = await until('TRAINING_COMPLETE');
    const epochs = client.of('TRAINING_PROGRESS');
    assert.deepEqual(
      epochs.map(({ epoch }) => epoch),
      Array.from({ length: 15 }, (_, i) => i + 1),
    );
    for (const record of epochs)
      assert.ok(record.accuracy >= 0 && record.accuracy <= 1 && !('records' in record));
    assert.equal(result.reason, 'finished');
    assert.deepEqual(
      result.modelWeights.map((/** @type {any} */ w) => w.name),
      [
        'conv2d/kernel',
        'conv2d/bias',
        'dense/kernel',
        'dense/bias',
        'dense_1/kernel',
        'dense_1/bias',
      ],
    );
    assert.ok(result.modelWeights[0].data instanceof Float32Array);
    client.send({ type: 'PREDICT', payload: { inputGrid: GRID(1) } });
    const prediction = await until('PREDICTION_RESULT');
    assert.deepEqual([prediction.index, prediction.label, 'single' in prediction], [1, '1', false]);

    client.send({ type: 'START_TRAINING', payload: { trainingData, numEpochs: 1e6 } });
    client.send({ type: 'START_TRAINING', payload: { trainingData } });
    assert.equal((await until('TRAINING_ERROR', 2)).code, 'BUSY');
    client.send({ type: 'STOP_TRAINING' });
    assert.equal((await until('TRAINING_COMPLETE', 2)).reason, 'stopped');
    client.send({
      type: 'INIT_TRAINING',
      payload: { layers: [{ type: 'conv', filterSize: 99, numFilters: 1 }] },
    });
    assert.equal((await until('TRAINING_ERROR', 3)).code, 'INVALID_SPEC');
    client.send({ type: 'PREDICT', payload: { inputGrid: GRID(0) } });
    await until('PREDICTION_RESULT', 2);
    client.send({ type: 'DISPOSE' });
    await until('DISPOSED');
    for (const message of client.messages)
      assert.deepEqual(Object.keys(message).sort(), ['payload', 'type']);
    assert.equal(client.of('TRAINING_ERROR').length, 3);
    await client.close();
  });
}

test('a trap of the core fails what is pending, and INIT makes a new one', async (t) => {
  const { instantiate } = WebAssembly;
  let fuse = Infinity;
  t.mock.method(
    WebAssembly,
    'instantiate',
    async (/** @type {any} */ module, /** @type {any} */ imports) => {
      const real = /** @type {any} */ (await instantiate(module, imports));
      const exports = { ...real.exports };
      exports.step_run = (/** @type {any[]} */ ...args) => {
        if (--fuse < 0) throw new WebAssembly.RuntimeError('unreachable');
        return real.exports.step_run(...args);
      };
      return { exports };
    },
  );
  const { x, y } = quadrants(40);
  for (const where of ['run', 'predict']) {
    fuse = Infinity;
    const client = connectLocal();
    await client.ask('INIT_TRAINING', QUADRANTS);
    fuse = where === 'run' ? 20 : 0;
    const run = client.ask('START_TRAINING', { x, y, numEpochs: 100 });
    if (where === 'predict')
      await assert.rejects(client.ask('PREDICT', { x: [0, 1] }), {
        code: 'WORKER_LOST',
        message: /the core trapped: unreachable/,
      });
    await assert.rejects(
      run,
      (/** @type {any} */ error) =>
        error.code === 'WORKER_LOST' && error.reply.type === 'TRAINING_ERROR',
    );
    await assert.rejects(client.ask('GET_WEIGHTS'), {
      code: 'WORKER_LOST',
      message: /the core trapped/,
    });
    assert.equal((await client.ask('GET_STATUS')).state, 'empty');
    fuse = Infinity;
    await client.ask('INIT_TRAINING', QUADRANTS);
    assert.equal((await client.ask('START_TRAINING', { x, y })).reason, 'finished');
  }
});

test('worker.js names every file of the session, so that no browser finds them level by level', () => {
  const folder = new URL('../../worker/', import.meta.url).href;
  const filesIn = (/** @type {string} */ name) =>
    [
      ...readFileSync(new URL(name, folder), 'utf8').matchAll(
        /^(?:import|export)[^;]*?'(\.\.?\/.+?\.js)';/gm,
      ),
    ].map(([, file]) => new URL(file, new URL(name, folder)).href.slice(folder.length));
  const reached = new Set(['trainer/service.js', 'host/clock.js']);
  for (const name of reached) for (const file of filesIn(name)) reached.add(file);
  assert.deepEqual(filesIn('worker.js').sort(), [...reached].sort());
});

test('no reply is a view of wasm memory, and what is large is transferred', async () => {
  /** @type {[any, any[]][]} */
  const posted = [];
  const { createSession } = await import('../../worker/trainer/service.js');
  const { createHost } = await import('../../worker/host/clock.js');
  const endpoint = /** @type {any} */ ({
    postMessage: (/** @type {any} */ message, /** @type {any[]} */ transfer) =>
      posted.push([message, transfer]),
    onmessage: null,
  });
  createSession(endpoint, createHost(0));
  const ask = async (/** @type {string} */ type, /** @type {any} */ payload) => {
    const before = posted.length;
    endpoint.onmessage({ data: { v: 1, id: before, type, payload } });
    while (posted.length === before) await new Promise((resolve) => setImmediate(resolve));
    return posted[before];
  };
  await ask('INIT_TRAINING', QUADRANTS);
  const [{ payload }, transfer] = await ask('PREDICT', { x: quadrants(9).x });
  for (const array of [payload.output, payload.index, payload.confidence]) {
    assert.equal(array.buffer.byteLength, array.byteLength);
    assert.ok(transfer.includes(array.buffer));
  }
  const [weights, moved] = await ask('GET_WEIGHTS', {});
  for (const { data } of weights.payload.weights)
    assert.ok(data.buffer.byteLength === data.byteLength && moved.includes(data.buffer));
});

/** @param {ReturnType<typeof createManualHost>} time @param {() => any} until */
async function pump(time, until) {
  while (!until()) {
    await new Promise((resolve) => setImmediate(resolve));
    time.turn();
  }
}
