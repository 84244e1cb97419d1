/* hostile.test.js: messages that nobody should send, one at a time, to a session in this process
 * and in a worker.
 *
 * Each is answered once, by an error with a code of the list, and the model behind it stays as it
 * is: it is asked for the same prediction after every message. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { MessageChannel } from 'node:worker_threads';

import { ERROR_CODES } from '../../worker/host/errors.js';
import { connectLocal, connectWorker } from './session-client.js';

/** @type {{ close: () => Promise<void> }[]} */
const open = [];
after(() => Promise.all(open.map((client) => client.close())));

const NET = {
  inputShape: [2],
  seed: 3,
  labels: ['a', 'b', 'c'],
  layers: [
    { type: 'dense', units: 4, activation: 'tanh' },
    { type: 'dense', units: 3, activation: 'softmax' },
  ],
};
const PLACES = { main: connectLocal, worker: connectWorker };
const LONG = 2 ** 32 - 1;

/** An array that is nothing but long. @param {number} length @param {any} [last] */
function hollow(length, last) {
  const list = /** @type {any[]} */ ([]);
  list.length = length;
  if (last !== undefined) list[length - 1] = last;
  return list;
}

/** @param {any} list @param {Record<string, any>} own */
const withOwn = (list, own) => Object.assign(list, own);

function cyclic() {
  const x = /** @type {any} */ ({ shape: [1] });
  x.data = x;
  return x;
}

/** @param {number} depth */
function nested(depth) {
  let list = /** @type {any} */ (1);
  for (let i = 0; i < depth; i++) list = [list];
  return list;
}

const unwritable = { toString: 1, valueOf: 1 }; // no string and no number can be made of it

/** What is no message at all. @type {Record<string, any>} */
const NO_MESSAGES = {
  null: null,
  'a number': 1,
  NaN,
  'a string': 'INIT_TRAINING',
  'a bigint': 2n ** 70n,
  'an array': [1],
  'a long array': hollow(LONG),
  'a map': new Map([['v', 1]]),
  'a set': new Set(['v']),
  'a date': new Date(NaN),
  'a view': new Uint8Array(9),
  'a buffer': new ArrayBuffer(8),
  'a shared buffer': new SharedArrayBuffer(8),
  'an error': new Error('e'),
  'a nest': nested(1000),
  'a cycle': cyclic(),
  'of no version': { id: 'a', type: 'PING' },
  'of version 2': { v: 2, id: 'a', type: 'PING' },
  'of version "1"': { v: '1', id: 'a', type: 'PING' },
  'of a version of objects': { v: [1], id: 'a', type: 'PING' },
  'of no type': { v: 1, id: 'a' },
  'without all': {},
  'without an id': { v: 1, type: 'PING' },
  'of a wrong bare type': { type: 'PING' },
};
for (const id of [NaN, Infinity, true, {}, [1], 1n, null, new Map(), unwritable, hollow(LONG)]) {
  NO_MESSAGES[`of id ${typeof id} ${Object.keys(NO_MESSAGES).length}`] = { v: 1, id, type: 'PING' };
}
for (const type of [
  '',
  'ping',
  'MODEL_READY',
  'constructor',
  '__proto__',
  'toString',
  7,
  ['PING'],
  {},
  unwritable,
  hollow(LONG),
  'x'.repeat(1e6),
]) {
  NO_MESSAGES[`of type ${typeof type} ${Object.keys(NO_MESSAGES).length}`] = {
    v: 1,
    id: 'a',
    type,
  };
}
for (const payload of [
  null,
  1,
  '',
  [],
  hollow(LONG),
  new Float32Array(1e6),
  new Map(),
  new Date(0),
  nested(100),
]) {
  NO_MESSAGES[`of payload ${typeof payload} ${Object.keys(NO_MESSAGES).length}`] = {
    v: 1,
    id: 'a',
    type: 'INIT_TRAINING',
    payload,
  };
  NO_MESSAGES[`of bare payload ${typeof payload} ${Object.keys(NO_MESSAGES).length}`] = {
    type: 'PREDICT',
    payload,
  };
}

/** Numbers where a count belongs. */
const NO_COUNTS = [
  0,
  -0,
  -1,
  -(2 ** 53),
  0.5,
  NaN,
  Infinity,
  -Infinity,
  2 ** 53,
  1e308,
  5e-324,
  '4',
  [[4]],
  true,
  null,
  4n,
  {},
  unwritable,
  hollow(LONG),
];
const shape = [2, 4];
const kernel = new Float32Array(8);
/** [type, payload]: what is a message, and asks for nothing that can be. @type {[string, any][]} */
const NO_REQUESTS = [
  ...NO_COUNTS.filter((n) => n !== null).flatMap(
    (n) =>
      /** @type {[string, any][]} */ ([
        ['START_TRAINING', { x: [[1, 2]], y: [0], numEpochs: n }],
        ['START_TRAINING', { x: [[1, 2]], y: [0], batchSize: n }],
        ['EVALUATE_MODEL', { x: [[1, 2]], y: [0], batchSize: n }],
        [
          'UPLOAD_DATA',
          { upload: 1, dtype: 'float32', total: n, offset: 0, bytes: new ArrayBuffer(8) },
        ],
        ['INIT_TRAINING', { ...NET, layers: [{ type: 'dense', units: n }] }],
        ['INIT_TRAINING', { ...NET, inputShape: [n] }],
        ['INIT_TRAINING', { ...NET, inputShape: n }],
      ]),
  ),
  ...[1, -1, 0.5, NaN, 2 ** 53, '0', 0n, {}, unwritable, hollow(LONG, 1), null].map(
    (offset) =>
      /** @type {[string, any]} */ ([
        'UPLOAD_DATA',
        { upload: 1, dtype: 'float32', total: 8, offset, bytes: new ArrayBuffer(8) },
      ]),
  ),
  ...['a', 0.5, NaN, 2 ** 53, 1n, null, {}, hollow(LONG)].map(
    (upload) =>
      /** @type {[string, any]} */ ([
        'UPLOAD_DATA',
        { upload, dtype: 'float32', total: 8, offset: 0, bytes: new ArrayBuffer(8) },
      ]),
  ),
  ...[new SharedArrayBuffer(8), new Uint8Array(8), [], 'x', null, new ArrayBuffer(9)].map(
    (bytes) =>
      /** @type {[string, any]} */ ([
        'UPLOAD_DATA',
        { upload: 1, dtype: 'float32', total: 8, offset: 0, bytes },
      ]),
  ),
  [
    'UPLOAD_DATA',
    { upload: 1, dtype: '__proto__', total: 8, offset: 0, bytes: new ArrayBuffer(8) },
  ],
  [
    'UPLOAD_DATA',
    { upload: 1, dtype: 'uint8', total: 2 ** 40, offset: 0, bytes: new ArrayBuffer(8) },
  ],
  ['DISCARD_DATA', { upload: 1, more: 1 }],
  ['DISCARD_DATA', {}],
  ['DISCARD_DATA', { upload: '1' }],
  ['PREDICT', { x: { upload: 99 } }],
  ['PREDICT', { x: withOwn([[1, 2]], { upload: 1 }) }],
  ...[
    undefined,
    null,
    1,
    'x',
    [],
    [[]],
    [[1]],
    [[1, 2, 3]],
    [[NaN, 1]],
    [[1, 1e308]],
    [[1, '2']],
    [[1, null]],
    [[1n, 2n]],
    hollow(2),
    hollow(LONG),
    hollow(2 ** 30, 1),
    [hollow(2)],
    [[1, 2], hollow(2)],
    nested(3),
    nested(2000),
    cyclic(),
    { data: [1, 2] },
    { shape: [1, 2] },
    { data: cyclic(), shape: [1] },
    { data: [1, 2], shape: hollow(LONG) },
    { data: [1, 2], shape: withOwn([3], { every: 1, slice: 1 }) },
    { data: [1, 2], shape: [2, 2 ** 53] },
    { data: [1, 2], shape: [-1, -2] },
    { data: [1, 2], shape: unwritable },
    { data: { data: [1, 2], shape: [2] }, shape: [2] },
    new BigInt64Array(3),
    new Float64Array([NaN, 1]),
    new Float32Array(0),
    new DataView(new ArrayBuffer(8)),
    new Map(),
    new Set([1, 2]),
    new Date(),
    /x/,
    new Error('e'),
    { inputs: {} },
    { ['__proto__x']: 1 },
    JSON.parse('{ "__proto__": [1, 2] }'),
    Array(1e5).fill([1]),
  ].map((x) => /** @type {[string, any]} */ (['PREDICT', { x }])),
  ...[
    undefined,
    null,
    3,
    'a',
    [],
    [0, 0],
    [3],
    [-1],
    [0.5],
    [2 ** 53],
    [NaN],
    ['d'],
    [null],
    hollow(1),
    hollow(LONG),
    [[0, 0]],
    [[0, 0, NaN]],
    new BigInt64Array([2n ** 40n]),
    withOwn([0, 1], { map: 1 }),
    cyclic(),
  ].map((y) => /** @type {[string, any]} */ (['EVALUATE_MODEL', { x: [[1, 2]], y }])),
  ...[
    undefined,
    {},
    [],
    hollow(4),
    hollow(LONG),
    [1, 2, 3, 4],
    [{ shape, data: kernel }],
    Array(4).fill({ shape, data: kernel }),
    Array(4).fill({ shape: hollow(2), data: kernel }),
    [{ shape, data: hollow(8) }, 0, 0, 0],
    [{ shape, data: hollow(LONG, 1) }, 0, 0, 0],
    [{ shape, data: withOwn(Array(8).fill(0), { every: 1, slice: 1 }) }, 0, 0, 0],
    [{ shape, data: new BigInt64Array(8) }, 0, 0, 0],
    [{ shape, data: new Float32Array(8).fill(NaN) }, 0, 0, 0],
    [{ shape, data: new Float64Array(8).fill(1e308) }, 0, 0, 0],
    [{ shape: withOwn([2, 4], { some: 1, length2: 1 }), data: kernel, more: 1 }, 0, 0, 0],
    cyclic(),
  ].map((weights) => /** @type {[string, any]} */ (['SET_WEIGHTS', { weights }])),
  ...[
    { layers: undefined },
    { layers: {} },
    { layers: [] },
    { layers: hollow(LONG) },
    { layers: hollow(3, NET.layers[0]) },
    { layers: Array(1e5).fill(NET.layers[0]) },
    { layers: withOwn([{ type: 'softmax' }], { some: 1, map: 1, entries: 1 }) },
    { layers: [cyclic()] },
    { layers: [{ type: unwritable }] },
    { layers: [{ type: ['dense'], units: 3 }] },
    {
      layers: [
        { type: 'dense', units: 2 ** 24 },
        { type: 'dense', units: 2 ** 24 },
      ],
    },
    { layers: [{ type: 'dense', units: 3, activation: '__proto__' }] },
    { layers: [{ type: 'dense', units: 3, ...JSON.parse('{ "__proto__": { "units": 4 } }') }] },
    { layers: [...NET.layers, { type: 'reshape', targetShape: hollow(LONG) }] },
    { inputShape: [2 ** 24, 2 ** 24] },
    { inputShape: hollow(LONG) },
    { inputShape: hollow(1) },
    { inputShape: withOwn([0.5], { every: 1 }) },
    { inputShape: new BigInt64Array(1) },
    { optimizer: 'constructor' },
    { optimizer: [] },
    { optimizer: { type: 'adam', learningRate: 1e308 } },
    { optimizer: { type: 'sgd', momentum: NaN } },
    { learningRate: -0 },
    { loss: unwritable },
    { loss: 'toString' },
    { metrics: hollow(LONG) },
    { metrics: ['accuracy', 'accuracy'] },
    { metrics: hollow(2, 'accuracy') },
    { metrics: withOwn([1], { forEach: 1 }) },
    { labels: hollow(LONG) },
    { labels: ['a', 'a', 'b'] },
    { labels: withOwn(['a'], { slice: 1, length2: 1 }) },
    { labels: Array.from({ length: 1e5 }, (_, i) => `${i}`) },
    { seed: 2 ** 53 },
    { seed: -1 },
    { seed: 1e308 },
    { inputScale: 1e308 },
    { inputOffset: NaN },
    { more: 1 },
    { ['constructor']: 1 },
    { runtime: null },
    { runtime: [] },
    { runtime: { threads: 2 ** 53 } },
    { runtime: { threads: -1 } },
    { runtime: { variant: '__proto__' } },
    { runtime: { sliceWork: 0 } },
    { runtime: { sliceWork: NaN } },
    { runtime: { place: unwritable } },
    { runtime: { assets: 'no:\u0000url' } },
    { runtime: { more: 1 } },
    { runtime: { share: {} } },
    { runtime: { share: new SharedArrayBuffer(256) } },
  ].map((change) => /** @type {[string, any]} */ (['INIT_TRAINING', { ...NET, ...change }])),
  ...[
    undefined,
    null,
    new Uint8Array(0),
    new Uint8Array(100),
    new ArrayBuffer(7),
    'x',
    hollow(LONG),
    new SharedArrayBuffer(64),
    cyclic(),
  ].map((bytes) => /** @type {[string, any]} */ (['LOAD_CHECKPOINT', { bytes }])),
  ...[
    null,
    1,
    [],
    hollow(LONG),
    cyclic(),
    {},
    new Float32Array(8),
    { x: [[1, 2]] },
    { x: [[1, 2]], y: [3] },
    { x: [[NaN, 1]], y: [0] },
    { x: [[1, 2]], y: [0], sampleWeight: [-1] },
    { x: { upload: 99 }, y: [0] },
    { x: { stored: true }, y: [0] },
    { x: hollow(2), y: hollow(LONG) },
  ].map(
    (validationData) =>
      /** @type {[string, any]} */ (['START_TRAINING', { x: [[1, 2]], y: [0], validationData }]),
  ),
  ['START_TRAINING', { x: [[1, 2]], y: [0], waits: 1 }],
  ['START_TRAINING', { x: [[1, 2]], y: [0], recovers: 1 }],
  ['START_TRAINING', { x: [[1, 2]], y: [0], batchRecords: 'toString' }],
  ['START_TRAINING', { x: [[1, 2]], y: [0], learningRate: NaN }],
  ['START_TRAINING', { x: [[1, 2]], y: [0], splitBy: 'constructor', validationSplit: 0.5 }],
  ['START_TRAINING', { x: [[1, 2]], y: [0], splitBy: 'random' }],
  ['STOP_TRAINING', { after: 'batch' }],
  ['CONTINUE_TRAINING', {}],
  ['CONTINUE_TRAINING', { epoch: 0 }],
  ['CONTINUE_TRAINING', { epoch: 1, stop: 1 }],
  ['CONTINUE_TRAINING', { epoch: 1, learningRate: NaN }],
  ['SET_RUN', { learningRate: '1' }],
  ['SET_RUN', { duty: 0 }],
  ['SET_RUN', { duty: NaN }],
  ['SET_RUN', { rate: 1 }],
  ['START_TRAINING', { trainingData: hollow(LONG) }],
  ['START_TRAINING', { trainingData: [{ grid: cyclic(), label: 0 }] }],
  ['START_TRAINING', { x: 1, trainingData: [] }],
  ['PREDICT', { x: [1, 2], more: 1 }],
  ['EVALUATE_MODEL', {}],
  ['SET_WEIGHTS', {}],
];

for (const [place, connect] of Object.entries(PLACES)) {
  /** A session with a model, and what its model says of a sample. */
  async function ready() {
    const client = connect();
    open.push(client);
    await client.ask('INIT_TRAINING', { ...NET, runtime: { variant: 'base' } });
    const sample = async () =>
      [...(await client.ask('PREDICT', { x: [0.5, -0.25] })).output].join();
    return { ...client, sample, before: await sample() };
  }

  test(`what is no message is answered by BAD_MESSAGE, ${place}`, async () => {
    const { send, ask, sample, before, messages } = await ready();
    send({}); // bare, and what reads it is here from its answer on
    while (messages.at(-1).type !== 'TRAINING_ERROR')
      await new Promise((resolve) => void setTimeout(resolve, 1));
    for (const [name, message] of Object.entries(NO_MESSAGES)) {
      const told = messages.length;
      send(message);
      await ask('PING');
      const answers = messages.slice(told, -1);
      const { type, payload } = answers[0] ?? {};
      assert.equal(answers.length, 1, `${name}: ${answers.length} answers`);
      assert.match(type, /^(ERROR|TRAINING_ERROR)$/, name);
      assert.equal(payload.code, 'BAD_MESSAGE', `${name}: ${payload.error}`);
      assert.ok(payload.error.length < 2000, name);
    }
    const { port1, port2 } = new MessageChannel();
    send({ v: 1, id: 'a', type: port2 }, [port2]); // cannot be sent back
    await ask('PING');
    assert.equal(messages.at(-2).payload.code, 'BAD_MESSAGE');
    const other = new MessageChannel();
    send({ v: 1, id: 'b', type: 'DISCARD_DATA', payload: { upload: other.port2 } }, [other.port2]);
    await ask('PING');
    assert.equal(messages.at(-2).payload.code, 'INVALID_OPTION');
    port1.close();
    other.port1.close();
    assert.equal(await sample(), before);
  });

  test(`requests that cannot be are refused with a code, and the model stays, ${place}`, async () => {
    const { ask, sample, before } = await ready();
    for (const [i, [type, payload]] of NO_REQUESTS.entries()) {
      const name = `${i}: ${type} ${inspect(payload, { depth: 4 })}`.slice(0, 200);
      const error = await ask(type, payload).then(
        () => null,
        (reason) => reason,
      );
      assert.ok(error, `${name} is accepted`);
      assert.ok(
        ERROR_CODES.includes(error.code) && error.code !== 'WORKER_LOST',
        `${name}: ${error.code} ${error.message}`,
      );
      assert.ok(error.message.length < 4000, `${name}: a message of ${error.message.length}`);
      assert.equal(await sample(), before, name);
    }
    const { usedBytes } = await ask('GET_STATUS');
    await ask('PREDICT', {
      x: [
        [1, 2],
        [3, 4],
      ],
    });
    assert.equal((await ask('GET_STATUS')).usedBytes, usedBytes);
  });

  test(`what structured clone does not take never leaves, ${place}`, async () => {
    const { send, sample, before, messages } = await ready();
    const told = messages.length;
    const gone = new Float32Array(2);
    structuredClone(gone, { transfer: [gone.buffer] });
    const bad = [
      {
        v: 1,
        id: 'a',
        type: 'PREDICT',
        payload: {
          get x() {
            throw new Error('a getter');
          },
        },
      },
      { v: 1, id: 'a', type: 'PREDICT', payload: { x: () => 1 } },
      { v: 1, id: 'a', type: 'PREDICT', payload: { x: gone } },
      { v: 1, id: Symbol('a'), type: 'PING' },
    ];
    for (const message of bad) assert.throws(() => send(message));
    assert.equal(await sample(), before);
    assert.equal(messages.length, told + 1);
  });

  test(`shared memory is read once: what is there when it is read is what counts, ${place}`, async () => {
    const { ask, sample, before } = await ready();
    const x = new Float32Array(new SharedArrayBuffer(8));
    x.set([0.5, -0.25]);
    assert.equal([...(await ask('PREDICT', { x })).output].join(), before);
    const { weights } = await ask('GET_WEIGHTS');
    const shared = weights.map((/** @type {any} */ weight) => {
      const data = new Float32Array(new SharedArrayBuffer(weight.data.byteLength));
      data.set(weight.data);
      return { ...weight, data };
    });
    await ask('SET_WEIGHTS', { weights: shared });
    assert.equal(await sample(), before);
  });

  test(`numbers as big as float32 has them train, or fail with a code, ${place}`, async () => {
    const client = connect();
    open.push(client);
    const { ask } = client;
    const most = 3.4028234e38;
    const acts = [
      'linear',
      'relu',
      'leakyRelu',
      'elu',
      'selu',
      'gelu',
      'sigmoid',
      'tanh',
      'softplus',
      'swish',
      'softmax',
    ];
    for (const activation of acts)
      for (const type of ['dense', 'lstm', 'gru', 'conv2d']) {
        const recurrent = type === 'lstm' || type === 'gru';
        if (recurrent && ['gelu', 'swish', 'softmax'].includes(activation)) continue;
        const inputShape = recurrent ? [2, 2] : type === 'conv2d' ? [2, 2, 1] : [4];
        const size = type === 'conv2d' ? { filters: 2, kernelSize: 2 } : { units: 2 };
        await ask('INIT_TRAINING', {
          inputShape,
          layers: [{ type, ...size, activation }],
          loss: 'meanSquaredError',
          optimizer: { type: 'sgd', learningRate: 1e6 },
          runtime: { place: 'main' },
        });
        const x = new Float32Array(16).map((_, i) => (i % 2 ? most : -most));
        const y =
          type === 'conv2d' || !recurrent
            ? new Float32Array(8).fill(most)
            : new Float32Array(8).fill(-most);
        const refused = (/** @type {any} */ error) => {
          const typed = ERROR_CODES.includes(error.code) && error.code !== 'WORKER_LOST';
          assert.ok(typed, `${type} ${activation}: ${error.message}`);
        };
        await ask('START_TRAINING', { x, y, numEpochs: 3, batchSize: 2, progressHz: 5e-324 }).catch(
          refused,
        );
        await ask('PREDICT', { x }).catch(refused);
        await ask('EVALUATE_MODEL', { x, y, batchSize: 2 ** 53 - 1 }).catch(refused);
      }
  });
}
