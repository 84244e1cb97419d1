/* workloads.mjs: the networks that figures are about, and data to feed them.
 *
 * W1 to W7 are sizes that web apps train: a tiny classifier of features, two dense ones, two image nets, a head on
 * top of an embedding, a big dense one (W6 is recurrent: it needs a layer that is not there). All are classifiers
 * with softmax and cross-entropy. W3 is the digit network. FLOP are those of the products alone, forward and
 * backward, without the input gradient of the first layer, which nobody needs. */

import { createRandom } from './statistics.mjs';

const SEED = 20240601;
/** Batches of data that a workload trains on in turn. */
export const BATCHES = 8;

const dense = (/** @type {number} */ units, activation = 'relu') => ({ type: 'dense', units, activation });
const conv = (/** @type {number} */ filters, /** @type {string} */ padding) =>
  ({ type: 'conv2d', filters, kernelSize: 3, padding, activation: 'relu' });
const pool = () => ({ type: 'maxPooling2d', poolSize: 2 });
const flatten = () => ({ type: 'flatten' });
const adam = { type: 'adam', learningRate: 0.001 };

/**
 * `share`: the part of the machine's GEMM peak that is aimed at, in percent.
 * @typedef {object} Workload
 * @property {string} id
 * @property {string} name
 * @property {number} batch
 * @property {number} share
 * @property {{ inputShape: number[], layers: { type: string, [field: string]: any }[], optimizer: { type: string, learningRate: number }, seed: number, inputScale?: number }} spec
 */

/** @type {Workload[]} */
export const WORKLOADS = [
  {
    id: 'W1', name: '24-64-32-5 MLP', batch: 16, share: 23,
    spec: { inputShape: [24], layers: [dense(64), dense(32), dense(5, 'softmax')], optimizer: adam, seed: SEED },
  },
  {
    id: 'W2', name: '784-128-10 MLP', batch: 32, share: 74,
    spec: { inputShape: [784], layers: [dense(128), dense(10, 'softmax')], optimizer: adam, seed: SEED },
  },
  {
    id: 'W3', name: 'digits: conv8, conv16', batch: 32, share: 55,
    spec: {
      inputShape: [28, 28, 1],
      layers: [conv(8, 'valid'), pool(), conv(16, 'valid'), pool(), flatten(), dense(10, 'softmax')],
      optimizer: adam, seed: SEED,
    },
  },
  {
    id: 'W4', name: '32x32x3: 2 conv32, 2 conv64', batch: 32, share: 80,
    spec: {
      inputShape: [32, 32, 3],
      layers: [conv(32, 'same'), conv(32, 'same'), pool(), conv(64, 'same'), conv(64, 'same'), pool(), flatten(), dense(256), dense(10, 'softmax')],
      optimizer: adam, seed: SEED,
    },
  },
  {
    id: 'W5', name: '1280-100-3 head', batch: 16, share: 58,
    spec: { inputShape: [1280], layers: [dense(100), dense(3, 'softmax')], optimizer: adam, seed: SEED },
  },
  {
    id: 'W7', name: '1024-1024-1024-10 MLP', batch: 128, share: 90,
    spec: {
      inputShape: [1024], layers: [dense(1024), dense(1024), dense(10, 'softmax')],
      optimizer: { type: 'sgd', learningRate: 0.01 }, seed: SEED,
    },
  },
];

/** The digit network as an app would have it: bytes in, scaled by the core. */
export const DIGITS = Object.freeze({
  ...WORKLOADS[2].spec, inputScale: 1 / 255, loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'], seed: 42,
});

/**
 * Random samples and classes, the same in every run.
 * @param {number} samples @param {number} inputs @param {number} classes
 */
export function randomData(samples, inputs, classes) {
  const random = createRandom(SEED);
  return {
    x: Float32Array.from({ length: samples * inputs }, random),
    y: Int32Array.from({ length: samples }, () => Math.floor(random() * classes)),
  };
}

/**
 * Bytes that look like digits to a network: strokes of one place a class on black ground, with noise.
 * @param {number} samples
 */
export function digitLike(samples) {
  const random = createRandom(SEED);
  const x = new Uint8Array(samples * 784);
  const y = Int32Array.from({ length: samples }, (_, i) => (i * 7) % 10);
  for (let i = 0; i < samples; i++) {
    for (let stroke = 0; stroke < 4; stroke++) {
      const row = 4 + ((y[i] * 3 + stroke * 5) % 18);
      const column = 4 + ((y[i] * 5 + stroke * 7) % 12);
      for (let k = 0; k < 24; k++) x[i * 784 + (row + (k % 3)) * 28 + column + Math.floor(k / 3)] = 128 + 127 * random();
    }
  }
  return { x, y };
}

/**
 * FLOP of one training step.
 * @param {{ type: string, outputShape: number[], parameters: number, [field: string]: any }[]} layers as info has them
 * @param {number} batch
 */
export function stepFlop(layers, batch) {
  let macs = 0;
  let first = true;
  for (const { type, outputShape, parameters, useBias } of layers) {
    if (parameters === 0) continue;
    const channels = outputShape[outputShape.length - 1];
    const weights = parameters - (useBias === false ? 0 : channels);
    const places = type === 'conv2d' ? outputShape[0] * outputShape[1] : 1;
    macs += weights * places * (first ? 2 : 3);
    first = false;
  }
  return 2 * macs * batch;
}
