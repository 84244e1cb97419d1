/* workloads.mjs: the networks that figures are about, and data to feed them.
 *
 * W1 to W10 are sizes that web apps train: a tiny classifier of features, two dense ones, two image
 * nets, a head on top of an embedding, a recurrent one over 50 time steps, a big dense one, a stack
 * of MobileNet's blocks, a small GPT, a classifier of texts. All are classifiers with softmax and
 * cross-entropy. W3 is the digit network. FLOP are those of the products alone, forward and
 * backward, without the input gradient of the first layer that has one to skip, which nobody needs;
 * of causal attention those of what is not masked. Everything here runs in a page, in a worker and
 * in Node. */

import { createRandom } from './statistics.mjs';

const SEED = 20240601;
/** Batches of data that a workload trains on in turn. */
export const BATCHES = 8;

const dense = (/** @type {number} */ units, activation = 'relu') => ({
  type: 'dense',
  units,
  activation,
});
const conv = (/** @type {number} */ filters, /** @type {string} */ padding) => ({
  type: 'conv2d',
  filters,
  kernelSize: 3,
  padding,
  activation: 'relu',
});
const pool = () => ({ type: 'maxPooling2d', poolSize: 2 });
const flatten = () => ({ type: 'flatten' });
const norm = (activation = 'relu') => [
  { type: 'batchNormalization' },
  { type: 'activation', activation },
];
/**
 * Depthwise and pointwise, each with its normalisation (Howard et al. 2017).
 * @param {number} filters
 * @param {number} strides
 */
const mobile = (filters, strides) => [
  { type: 'depthwiseConv2d', kernelSize: 3, strides, padding: 'same', useBias: false },
  ...norm(),
  { type: 'conv2d', filters, kernelSize: 1, padding: 'same', useBias: false },
  ...norm(),
];
const GPT = { width: 128, heads: 4, context: 64, letters: 96, blocks: 4 };
/**
 * Layer norm before each part, causal attention, residuals (Radford et al. 2019).
 * @param {number} i
 */
const gptBlock = (i) => [
  { type: 'layerNormalization', input: `stream${i}`, name: `norm${i}` },
  {
    type: 'multiHeadAttention',
    numHeads: GPT.heads,
    keyDim: GPT.width / GPT.heads,
    useCausalMask: true,
    name: `attention${i}`,
  },
  { type: 'add', input: [`stream${i}`, `attention${i}`], name: `attended${i}` },
  { type: 'layerNormalization', name: `norm${i}b` },
  { type: 'dense', units: 4 * GPT.width, activation: 'gelu', name: `wide${i}` },
  { type: 'dense', units: GPT.width, name: `thought${i}` },
  { type: 'add', input: [`attended${i}`, `thought${i}`], name: `stream${i + 1}` },
];
const lstm = (/** @type {number} */ units) => ({ type: 'lstm', units });
const adam = { type: 'adam', learningRate: 0.001 };

/**
 * `share`: the part of the machine's GEMM peak that is aimed at, in percent, where there is a goal;
 * `ms`: what that is for a step on the kind of machine that the goals were set on, where the peak
 * is 43 GFLOP/s.
 * @typedef {object} Workload
 * @property {string} id
 * @property {string} name
 * @property {number} batch
 * @property {number} [share]
 * @property {number} [ms]
 * @property {number} [below]  x are indices below this
 * @property {{ inputShape: number[], layers: any[], optimizer: any, seed: number, inputScale?:
 *   number }} spec
 */

/** @type {Workload[]} */
export const WORKLOADS = [
  {
    id: 'W1',
    name: '24-64-32-5 MLP',
    batch: 16,
    share: 23,
    ms: 0.03,
    spec: {
      inputShape: [24],
      layers: [dense(64), dense(32), dense(5, 'softmax')],
      optimizer: adam,
      seed: SEED,
    },
  },
  {
    id: 'W2',
    name: '784-128-10 MLP',
    batch: 32,
    share: 74,
    ms: 0.4,
    spec: {
      inputShape: [784],
      layers: [dense(128), dense(10, 'softmax')],
      optimizer: adam,
      seed: SEED,
    },
  },
  {
    id: 'W3',
    name: 'digits: conv8, conv16',
    batch: 32,
    share: 55,
    ms: 1.4,
    spec: {
      inputShape: [28, 28, 1],
      layers: [
        conv(8, 'valid'),
        pool(),
        conv(16, 'valid'),
        pool(),
        flatten(),
        dense(10, 'softmax'),
      ],
      optimizer: adam,
      seed: SEED,
    },
  },
  {
    id: 'W4',
    name: '32x32x3: 2 conv32, 2 conv64',
    batch: 32,
    share: 80,
    ms: 95, // direct: 125
    spec: {
      inputShape: [32, 32, 3],
      layers: [
        conv(32, 'same'),
        conv(32, 'same'),
        pool(),
        conv(64, 'same'),
        conv(64, 'same'),
        pool(),
        flatten(),
        dense(256),
        dense(10, 'softmax'),
      ],
      optimizer: adam,
      seed: SEED,
    },
  },
  {
    id: 'W5',
    name: '1280-100-3 head',
    batch: 16,
    share: 58,
    ms: 0.32,
    spec: {
      inputShape: [1280],
      layers: [dense(100), dense(3, 'softmax')],
      optimizer: adam,
      seed: SEED,
    },
  },
  {
    id: 'W6',
    name: 'LSTM 64 over 50 x 16',
    batch: 32,
    share: 60,
    ms: 6.5,
    spec: {
      inputShape: [50, 16],
      layers: [lstm(64), dense(5, 'softmax')],
      optimizer: adam,
      seed: SEED,
    },
  },
  {
    id: 'W7',
    name: '1024-1024-1024-10 MLP',
    batch: 128,
    share: 90,
    ms: 34,
    spec: {
      inputShape: [1024],
      layers: [dense(1024), dense(1024), dense(10, 'softmax')],
      optimizer: { type: 'sgd', learningRate: 0.01 },
      seed: SEED,
    },
  },
  {
    id: 'W8',
    name: "32x32x3: five of MobileNet's blocks",
    batch: 32,
    spec: {
      inputShape: [32, 32, 3],
      layers: [
        { type: 'conv2d', filters: 16, kernelSize: 3, padding: 'same', useBias: false },
        ...norm(),
        ...mobile(32, 1),
        ...mobile(64, 2),
        ...mobile(64, 1),
        ...mobile(128, 2),
        ...mobile(128, 1),
        { type: 'globalAveragePooling2d' },
        dense(10, 'softmax'),
      ],
      optimizer: adam,
      seed: SEED,
    },
  },
  {
    id: 'W9',
    name: 'GPT: 4 layers, 4 heads, width 128, context 64',
    batch: 16,
    share: 60,
    ms: 200,
    below: GPT.letters,
    spec: {
      inputShape: [GPT.context],
      layers: [
        { type: 'embedding', inputDim: GPT.letters, outputDim: GPT.width, name: 'letters' },
        { type: 'positionEmbedding', sequenceLength: GPT.context, name: 'stream0' },
        ...Array.from({ length: GPT.blocks }, (_, i) => gptBlock(i)).flat(),
        { type: 'layerNormalization', name: 'last' },
        { ...dense(GPT.letters, 'softmax'), name: 'next' },
      ],
      optimizer: adam,
      seed: SEED,
    },
  },
  {
    id: 'W10',
    name: 'texts: 100 words of 5000, conv1d 64',
    batch: 32,
    below: 5000,
    spec: {
      inputShape: [100],
      layers: [
        { type: 'embedding', inputDim: 5000, outputDim: 32 },
        { type: 'conv1d', filters: 64, kernelSize: 5, activation: 'relu' },
        { type: 'globalMaxPooling1d' },
        dense(64),
        dense(2, 'softmax'),
      ],
      optimizer: adam,
      seed: SEED,
    },
  },
];

/** The digit network as an app would have it: bytes in, scaled by the core. */
export const DIGITS = Object.freeze({
  ...WORKLOADS[2].spec,
  inputScale: 1 / 255,
  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  seed: 42,
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
 * The data of a workload's batches: a class for a sample, or for each of its positions.
 * @param {Workload} workload
 */
export function dataOf({ spec, batch, below }) {
  const { shape } = measureLayers(spec)[spec.layers.length - 1];
  const [samples, inputs, classes] = [
    BATCHES * batch,
    product(spec.inputShape),
    shape[shape.length - 1],
  ];
  const targets = product(shape) / classes;
  const { x, y } = randomData(samples * targets, inputs / targets, classes);
  return {
    x: below ? x.map((v) => Math.floor(v * below)) : x,
    y,
    samples,
    inputs,
    classes,
    targets,
  };
}

/**
 * Bytes that look like digits to a network: strokes of one place a class on black ground, with
 * noise.
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
      for (let k = 0; k < 24; k++)
        x[i * 784 + (row + (k % 3)) * 28 + column + Math.floor(k / 3)] = 128 + 127 * random();
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
 * What a kernel is: its role, its shape in Keras's layout, how often one sample multiplies it;
 * `macs` where that is not all of it.
 */
/** @typedef {{ role?: string, shape: number[], times: number, macs?: number }} Kernel */

/**
 * Of a normalisation: weights that are no product's.
 * @param {number} channels
 * @param {string[]} roles
 */
const vectors = (channels, roles) =>
  roles.map((role) => ({
    role,
    shape: [channels],
    fill: role === 'gamma' || role === 'moving_variance' ? 1 : 0,
  }));

/**
 * @param {{ numHeads: number, keyDim: number, useCausalMask?: boolean }} layer
 * @param {number[]} input
 */
function measureAttention({ numHeads, keyDim, useCausalMask }, [steps, width]) {
  const into = ['query', 'key', 'value'].flatMap((name) => [
    { role: `${name}_kernel`, shape: [width, numHeads, keyDim], times: steps },
    { role: `${name}_bias`, shape: [numHeads, keyDim], fill: 0 },
  ]);
  const pairs = useCausalMask ? (steps * (steps + 1)) / 2 : steps * steps;
  return {
    shape: [steps, width],
    tensors: [
      ...into,
      { role: 'output_kernel', shape: [numHeads, keyDim, width], times: steps },
      { role: 'output_bias', shape: [width], fill: 0 },
    ],
    macs: 2 * pairs * numHeads * keyDim, // scores and what is taken by them
  };
}

/**
 * What one layer makes of its input: the shape of a sample, and its weights in Keras's order and
 * layouts; or, where all of these are kernels and one bias, just those; `macs` beside its kernels'.
 * @param {{ type: string, [field: string]: any }} layer
 * @param {number[]} input
 * @returns {{ shape: number[], kernels?: Kernel[], bias?: number, tensors?: { role: string, shape:
 *   number[], times?: number, fill?: number }[], macs?: number }}
 */
function measureLayer(layer, input) {
  const {
    type,
    units,
    filters,
    kernelSize,
    padding,
    poolSize,
    useBias = true,
    strides = 1,
  } = layer;
  const channels = input[input.length - 1];
  const places = () =>
    input.slice(0, -1).map((n) => Math.ceil(slide(n, kernelSize, padding) / strides));
  switch (type) {
    case 'dense': {
      const positions = input.slice(0, -1);
      return {
        shape: [...positions, units],
        kernels: [{ shape: [channels, units], times: product(positions) }],
        bias: units,
      };
    }
    case 'activation':
    case 'add':
      return { shape: input };
    case 'flatten':
      return { shape: [product(input)] };
    case 'globalAveragePooling2d':
    case 'globalMaxPooling1d':
      return { shape: [channels] };
    case 'maxPooling2d':
      return { shape: [...input.slice(0, 2).map((n) => Math.floor(n / poolSize)), channels] };
    case 'conv1d':
    case 'conv2d': {
      const kernel = [...input.slice(0, -1).map(() => kernelSize), channels, filters];
      return {
        shape: [...places(), filters],
        kernels: [{ shape: kernel, times: product(places()) }],
        bias: useBias ? filters : 0,
      };
    }
    case 'depthwiseConv2d': {
      const shape = [kernelSize, kernelSize, channels, 1];
      return {
        shape: [...places(), channels],
        kernels: [{ role: 'depthwise_kernel', shape, times: product(places()) }],
        bias: useBias ? channels : 0,
      };
    }
    case 'batchNormalization':
      return {
        shape: input,
        tensors: vectors(channels, ['gamma', 'beta', 'moving_mean', 'moving_variance']),
      };
    case 'layerNormalization':
      return { shape: input, tensors: vectors(channels, ['gamma', 'beta']) };
    case 'embedding':
      return {
        shape: [...input, layer.outputDim],
        tensors: [{ role: 'embeddings', shape: [layer.inputDim, layer.outputDim] }],
      };
    case 'positionEmbedding':
      return {
        shape: input,
        tensors: [{ role: 'embeddings', shape: [layer.sequenceLength, channels] }],
      };
    case 'multiHeadAttention':
      return measureAttention(/** @type {any} */ (layer), input);
    case 'lstm':
    case 'gru': {
      const columns = GATES[type] * units;
      return {
        shape: [units],
        kernels: [
          { shape: [channels, columns], times: input[0] },
          { shape: [units, columns], times: input[0] },
        ],
        bias: columns,
      };
    }
    default:
      throw new Error(`the bench does not know the layer ${type}`);
  }
}

/** @param {Workload['spec']} spec the layers with their shapes, from the first to the last */
export function measureLayers({ inputShape, layers }) {
  let last = inputShape;
  /** @type {Record<string, number[]>} */
  const named = {};
  return layers.map((layer) => {
    const input = layer.input ? named[[layer.input].flat()[0]] : last;
    const { kernels = [], bias = 0, macs = 0, ...rest } = measureLayer(layer, input);
    last = rest.shape;
    if (layer.name) named[layer.name] = last;
    return { layer, input, kernels, bias, macs, ...rest };
  });
}

/** FLOP of one training step. @param {Pick<Workload, 'spec' | 'batch'>} workload */
export function stepFlop({ spec, batch }) {
  let all = 0;
  let first = true;
  for (const { kernels, tensors, macs } of measureLayers(spec)) {
    all += 3 * macs;
    const products = tensors ? tensors.filter(({ times }) => times) : kernels;
    // A recurrent kernel needs the gradient of its input in the first layer too: the state.
    products.forEach(
      ({ shape, times = 0 }, i) => (all += product(shape) * times * (first && i === 0 ? 2 : 3)),
    );
    if (products.length || tensors?.some(({ role }) => role === 'embeddings')) first = false;
  }
  return 2 * all * batch;
}

/**
 * Weights to start from, the same for every contender: Glorot's range, biases 0; in Keras's order
 * and layouts.
 * @param {Workload['spec']} spec
 * @returns {{ name: string, shape: number[], data: Float32Array }[]}
 */
export function initialWeights(spec) {
  const random = createRandom(SEED + 1);
  const drawn = (/** @type {number[]} */ shape) => {
    const field = product(shape.slice(0, -2));
    const range = Math.sqrt(6 / (field * (shape[shape.length - 2] + shape[shape.length - 1])));
    return Float32Array.from({ length: product(shape) }, () => range * (2 * random() - 1));
  };
  return measureLayers(spec).flatMap(({ layer, kernels, bias, tensors }) => {
    const name = layer.name ?? layer.type;
    if (tensors) {
      return tensors.map(({ role, shape, fill }) => ({
        name: `${name}/${role}`,
        shape,
        data: fill === undefined ? drawn(shape) : new Float32Array(product(shape)).fill(fill),
      }));
    }
    const filled = kernels.map(({ shape, role = 'kernel' }, i) => ({
      name: `${name}/${i ? 'recurrent_kernel' : role}`,
      shape,
      data: drawn(shape),
    }));
    if (!bias) return filled;
    // That of the input's product, that of the state's
    const shape = layer.type === 'gru' ? [2, bias] : [bias];
    return [...filled, { name: `${name}/bias`, shape, data: new Float32Array(product(shape)) }];
  });
}

/** Batch `i` of data as rows of its own. @param {Workload} workload */
export function batchesOf(workload) {
  const { x, y, inputs, classes, targets } = dataOf(workload);
  const { batch } = workload;
  const rows = batch * targets;
  return {
    classes,
    targets,
    batches: Array.from({ length: BATCHES }, (_, i) => ({
      x: x.subarray(i * batch * inputs, (i + 1) * batch * inputs),
      oneHot: Float32Array.from(
        { length: rows * classes },
        (_, at) => +(y[i * rows + Math.floor(at / classes)] === at % classes),
      ),
    })),
  };
}
