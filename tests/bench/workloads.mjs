/* workloads.mjs: the networks that figures are about, and data to feed them.
 *
 * W1 to W7 are sizes that web apps train: a tiny classifier of features, two dense ones, two image nets, a head on
 * top of an embedding, a recurrent one over 50 time steps, a big dense one. All are classifiers with softmax and
 * cross-entropy. W3 is the digit network. FLOP are those of the products alone, forward and backward, without the
 * input gradient of the first layer, which nobody needs. Everything here runs in a page, in a worker and in Node. */

import { createRandom } from './statistics.mjs';

const SEED = 20240601;
/** Batches of data that a workload trains on in turn. */
export const BATCHES = 8;

const dense = (/** @type {number} */ units, activation = 'relu') => ({ type: 'dense', units, activation });
const conv = (/** @type {number} */ filters, /** @type {string} */ padding) =>
  ({ type: 'conv2d', filters, kernelSize: 3, padding, activation: 'relu' });
const pool = () => ({ type: 'maxPooling2d', poolSize: 2 });
const flatten = () => ({ type: 'flatten' });
const lstm = (/** @type {number} */ units) => ({ type: 'lstm', units });
const adam = { type: 'adam', learningRate: 0.001 };

/**
 * `share`: the part of the machine's GEMM peak that is aimed at, in percent; `ms`: what that is for a step on the kind
 * of machine that the goals were set on, where the peak is 43 GFLOP/s.
 * @typedef {object} Workload
 * @property {string} id
 * @property {string} name
 * @property {number} batch
 * @property {number} share
 * @property {number} ms
 * @property {{ inputShape: number[], layers: { type: string, [field: string]: any }[], optimizer: { type: string, learningRate: number }, seed: number, inputScale?: number }} spec
 */

/** @type {Workload[]} */
export const WORKLOADS = [
  {
    id: 'W1', name: '24-64-32-5 MLP', batch: 16, share: 23, ms: 0.03,
    spec: { inputShape: [24], layers: [dense(64), dense(32), dense(5, 'softmax')], optimizer: adam, seed: SEED },
  },
  {
    id: 'W2', name: '784-128-10 MLP', batch: 32, share: 74, ms: 0.4,
    spec: { inputShape: [784], layers: [dense(128), dense(10, 'softmax')], optimizer: adam, seed: SEED },
  },
  {
    id: 'W3', name: 'digits: conv8, conv16', batch: 32, share: 55, ms: 1.4,
    spec: {
      inputShape: [28, 28, 1],
      layers: [conv(8, 'valid'), pool(), conv(16, 'valid'), pool(), flatten(), dense(10, 'softmax')],
      optimizer: adam, seed: SEED,
    },
  },
  {
    id: 'W4', name: '32x32x3: 2 conv32, 2 conv64', batch: 32, share: 80, ms: 95, // direct: 125
    spec: {
      inputShape: [32, 32, 3],
      layers: [conv(32, 'same'), conv(32, 'same'), pool(), conv(64, 'same'), conv(64, 'same'), pool(), flatten(), dense(256), dense(10, 'softmax')],
      optimizer: adam, seed: SEED,
    },
  },
  {
    id: 'W5', name: '1280-100-3 head', batch: 16, share: 58, ms: 0.32,
    spec: { inputShape: [1280], layers: [dense(100), dense(3, 'softmax')], optimizer: adam, seed: SEED },
  },
  {
    id: 'W6', name: 'LSTM 64 over 50 x 16', batch: 32, share: 60, ms: 6.5,
    spec: { inputShape: [50, 16], layers: [lstm(64), dense(5, 'softmax')], optimizer: adam, seed: SEED },
  },
  {
    id: 'W7', name: '1024-1024-1024-10 MLP', batch: 128, share: 90, ms: 34,
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

/** Gates of a recurrent layer: its kernels hold one block of columns for each. */
const GATES = /** @type {Record<string, number>} */ ({ lstm: 4, gru: 3 });

/** @param {number} size @param {number} kernel @param {string} padding */
const slide = (size, kernel, padding) => (padding === 'same' ? size : size - kernel + 1);
const product = (/** @type {number[]} */ numbers) => numbers.reduce((all, n) => all * n, 1);

/**
 * What one layer makes of its input: the shape of a sample, its kernels in Keras's layout with how often each is
 * multiplied for one sample, and the length of its bias.
 * @param {{ type: string, [field: string]: any }} layer
 * @param {number[]} input
 * @returns {{ shape: number[], kernels: { shape: number[], times: number }[], bias: number }}
 */
function measureLayer({ type, units, filters, kernelSize, padding, poolSize }, input) {
  const channels = input[input.length - 1];
  if (type === 'dense') return { shape: [units], kernels: [{ shape: [channels, units], times: 1 }], bias: units };
  if (type === 'activation') return { shape: input, kernels: [], bias: 0 };
  if (type === 'flatten') return { shape: [product(input)], kernels: [], bias: 0 };
  if (type === 'maxPooling2d') return { shape: [...input.slice(0, 2).map((n) => Math.floor(n / poolSize)), channels], kernels: [], bias: 0 };
  if (type === 'conv2d') {
    const places = input.slice(0, 2).map((n) => slide(n, kernelSize, padding));
    return { shape: [...places, filters], kernels: [{ shape: [kernelSize, kernelSize, channels, filters], times: product(places) }], bias: filters };
  }
  const columns = GATES[type] * units;
  if (!columns) throw new Error(`the bench does not know the layer ${type}`);
  return { shape: [units], kernels: [{ shape: [channels, columns], times: input[0] }, { shape: [units, columns], times: input[0] }], bias: columns };
}

/** @param {Workload['spec']} spec the layers with their shapes, from the first to the last */
export function measureLayers({ inputShape, layers }) {
  let shape = inputShape;
  return layers.map((layer) => {
    const measured = { layer, input: shape, ...measureLayer(layer, shape) };
    shape = measured.shape;
    return measured;
  });
}

/** FLOP of one training step. @param {Pick<Workload, 'spec' | 'batch'>} workload */
export function stepFlop({ spec, batch }) {
  let macs = 0;
  let first = true;
  for (const { kernels } of measureLayers(spec)) {
    // A recurrent kernel needs the gradient of its input in the first layer too: the state.
    kernels.forEach(({ shape, times }, i) => (macs += product(shape) * times * (first && i === 0 ? 2 : 3)));
    if (kernels.length) first = false;
  }
  return 2 * macs * batch;
}

/**
 * Weights to start from, the same for every contender: Glorot's range, biases 0; in Keras's order and layouts.
 * @param {Workload['spec']} spec
 * @returns {{ name: string, shape: number[], data: Float32Array }[]}
 */
export function initialWeights(spec) {
  const random = createRandom(SEED + 1);
  return measureLayers(spec).flatMap(({ layer, kernels, bias }) => {
    const filled = kernels.map(({ shape }, i) => {
      const field = product(shape.slice(0, -2));
      const range = Math.sqrt(6 / (field * (shape[shape.length - 2] + shape[shape.length - 1])));
      return { name: `${layer.type}/${i ? 'recurrent_kernel' : 'kernel'}`, shape, data: Float32Array.from({ length: product(shape) }, () => range * (2 * random() - 1)) };
    });
    if (!bias) return filled;
    const shape = layer.type === 'gru' ? [2, bias] : [bias]; // that of the input's product, that of the state's
    return [...filled, { name: `${layer.type}/bias`, shape, data: new Float32Array(product(shape)) }];
  });
}

/** Batch `i` of data as rows of its own. @param {Workload} workload */
export function batchesOf({ spec, batch }) {
  const inputs = product(spec.inputShape);
  const { shape: [classes] } = measureLayers(spec)[spec.layers.length - 1];
  const { x, y } = randomData(BATCHES * batch, inputs, classes);
  return {
    classes,
    batches: Array.from({ length: BATCHES }, (_, i) => ({
      x: x.subarray(i * batch * inputs, (i + 1) * batch * inputs),
      oneHot: Float32Array.from({ length: batch * classes }, (_, at) => +(y[i * batch + Math.floor(at / classes)] === at % classes)),
    })),
  };
}
