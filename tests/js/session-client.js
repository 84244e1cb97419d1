/* session-client.js: the client end of the wire, for tests: a session in this process or in a
 * worker thread.
 *
 * It keeps every message that came, and answers ask() by id. In this process messages are cloned
 * and buffers transferred as between threads, synchronously, so that a test sees what was answered
 * in the same turn; time can be the test's own. */
import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';

import { errorFromWire } from '../../worker/host/errors.js';
import { createSession } from '../../worker/trainer/service.js';
import { createHost } from '../../worker/host/clock.js';

import { createManualHost } from './manual-host.js';

export { createManualHost };

const ERRORS = ['ERROR', 'TRAINING_ERROR'];
const MORE_TO_COME = ['TRAINING_PROGRESS', 'TRAINING_SNAPSHOT', 'EPOCH_ENDED'];

export const VARIANTS = ['base', 'simd'];

/** @param {(message: any, transfer: any[]) => void} send */
function createClient(send) {
  /** @type {any[]} */
  const messages = [];
  const waiting = new Map();
  let lastId = 0;
  return {
    messages,
    /** @param {any} message */
    receive(message) {
      messages.push(message);
      const entry = waiting.get(message?.id);
      if (!entry) return;
      if (MORE_TO_COME.includes(message.type)) return void entry.progress?.(message.payload);
      waiting.delete(message.id);
      if (ERRORS.includes(message.type))
        entry.reject(Object.assign(errorFromWire(message.payload), { reply: message }));
      else entry.resolve(message.payload);
    },
    /** @param {any} message @param {any[]} [transfer]  any message at all */
    send: (message, transfer = []) => send(message, transfer),
    /**
     * @param {string} type
     * @param {any} [payload]
     * @param {(progress: any) => void} [progress]
     * @returns {Promise<any>}
     */
    ask(type, payload, progress) {
      const id = ++lastId;
      const reply = new Promise((resolve, reject) =>
        waiting.set(id, { resolve, reject, progress }),
      );
      reply.catch(() => {}); // a test may look at the messages instead
      send({ v: 1, id, type, payload }, []);
      return reply;
    },
    /** @param {string} type */
    of: (type) =>
      messages.filter((message) => message.type === type).map((message) => message.payload),
  };
}

/** @param {import('../../worker/host/clock.js').Host} [host] */
export function connectLocal(host = createHost(0)) {
  /** @type {import('../../worker/protocol.js').Endpoint} */
  const endpoint = {
    postMessage: (message, transfer) => client.receive(structuredClone(message, { transfer })),
    onmessage: null,
  };
  const client = createClient((message, transfer) =>
    endpoint.onmessage?.({ data: structuredClone(message, { transfer }) }),
  );
  createSession(endpoint, host);
  return { ...client, close: async () => {} };
}

export function connectWorker() {
  const worker = new Worker(new URL('../../worker/worker.js', import.meta.url));
  const client = createClient((message, transfer) => worker.postMessage(message, transfer));
  worker.on('message', client.receive);
  return { ...client, close: async () => void (await worker.terminate()) };
}

/**
 * A checkpoint after every step of a run, and how the run ended. Time stands still, so that none
 * costs anything.
 * @param {any} spec @param {any} start
 * @param {(client: any) => (told: any) => void} [hears]  what comes of the run
 */
export async function everyStep(spec, start, hears = () => () => {}) {
  const time = createManualHost();
  const client = connectLocal(time.host);
  client.ask('INIT_TRAINING', {
    ...spec,
    runtime: { variant: 'simd', threads: 1, sliceWork: 1e9 },
  });
  while (client.of('MODEL_READY').length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(client.of('ERROR'), []);
    time.turn(100);
  }
  client.ask('START_TRAINING', { ...start, snapshotMs: 0 }, hears(client));
  time.turn(Infinity);
  client.ask('GET_WEIGHTS');
  time.turn(Infinity);
  const [[result], [weights], snapshots] = [
    'TRAINING_COMPLETE',
    'WEIGHTS',
    'TRAINING_SNAPSHOT',
  ].map((type) => client.of(type));
  return { snapshots, result, bits: bitsOf(weights) };
}

/**
 * Points in the plane, class 1 where x0 * x1 > 0: what a line cannot tell apart.
 * @param {number} n
 */
export function quadrants(n) {
  const x = new Float32Array(2 * n);
  const y = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    x[2 * i] = ((i * 37) % 101) / 50 - 1;
    x[2 * i + 1] = ((i * 59) % 103) / 51 - 1;
    y[i] = x[2 * i] * x[2 * i + 1] > 0 ? 1 : 0;
  }
  return { x, y };
}

export const QUADRANTS = Object.freeze({
  inputShape: [2],
  layers: [
    { type: 'dense', units: 16, activation: 'tanh' },
    { type: 'dense', units: 2, activation: 'softmax' },
  ],
  optimizer: 'adam',
  learningRate: 0.02,
  seed: 42,
});

/** Finds a line with a small rate, and leaves it with a big one. */
export const LINES = Object.freeze({
  inputShape: [2],
  layers: [
    { type: 'dense', units: 4 },
    { type: 'dense', units: 1 },
  ],
  loss: 'meanSquaredError',
  optimizer: 'sgd',
  seed: 3,
});

/** One of each kind of layer, on images of 8 x 8 with two channels, bytes. */
export const IMAGES = Object.freeze({
  inputShape: [8, 8, 2],
  layers: [
    { type: 'conv2d', filters: 5, kernelSize: 3, padding: 'same', activation: 'relu' },
    { type: 'maxPooling2d' },
    { type: 'conv2d', filters: 4, kernelSize: [2, 3], strides: [1, 2] },
    { type: 'activation', activation: 'gelu' },
    { type: 'averagePooling2d', poolSize: [3, 1], strides: 1 },
    { type: 'dropout', rate: 0.2 },
    { type: 'flatten' },
    { type: 'dense', units: 3, activation: 'softmax' },
  ],
  inputScale: 1 / 255,
  seed: 7,
});

/** @param {number} n */
export function images(n) {
  const x = new Uint8Array(n * 128);
  const y = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    y[i] = (i * 5) % 3;
    for (let k = 0; k < 128; k++)
      x[i * 128 + k] = ((i * 31 + k * 17) % 90) + (k % 3 === y[i] ? 120 : 0);
  }
  return { x, y };
}

/** @param {{ weights: { data: Float32Array }[] }} reply  every bit of the weights */
export function bitsOf({ weights }) {
  return weights
    .map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'))
    .join('/');
}
