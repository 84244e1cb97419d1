/* problems.js: what is trained for its bits: networks with every layer and data from a seed, the
 * same in Node and in a page. Small, but of many parts, and with batches that do not divide the
 * data. Pages load it: no imports of Node's. */
import { numbers } from '../numbers.js';

const PICTURES = {
  spec: {
    inputShape: [11, 10, 3],
    layers: [
      { type: 'conv2d', filters: 7, kernelSize: 3, padding: 'same', activation: 'leakyRelu' },
      { type: 'maxPooling2d', poolSize: 2 },
      {
        type: 'conv2d',
        filters: 9,
        kernelSize: [2, 3],
        strides: [1, 2],
        activation: 'gelu',
        kernelInitializer: 'heNormal',
      },
      { type: 'averagePooling2d', poolSize: [3, 1], strides: 1, padding: 'same' },
      { type: 'activation', activation: 'softplus' },
      { type: 'dropout', rate: 0.3 },
      { type: 'flatten' },
      { type: 'reshape', targetShape: [6, 12] },
      { type: 'dense', units: 10, activation: 'selu' },
      { type: 'flatten' },
      { type: 'dense', units: 17, activation: 'swish' },
      { type: 'dense', units: 5, activation: 'softmax' },
    ],
    optimizer: { type: 'adamw', learningRate: 0.01, weightDecay: 0.01 },
    inputScale: 1 / 255,
    inputOffset: -0.5,
    seed: 2 ** 40 + 7,
  },
  settings: { numEpochs: 2, batchSize: 16, shuffle: true, validationSplit: 0.2 },
  samples: 70,
  bytes: true,
};

const NUMBERS = {
  spec: {
    inputShape: [23],
    layers: [
      { type: 'dense', units: 33, activation: 'tanh' },
      { type: 'dense', units: 70, activation: 'elu', useBias: false },
      { type: 'dropout', rate: 0.1 },
      { type: 'dense', units: 18, activation: 'sigmoid', kernelInitializer: 'leCunUniform' },
      { type: 'dense', units: 3 },
    ],
    loss: 'huber',
    optimizer: { type: 'sgd', learningRate: 0.05, momentum: 0.9, nesterov: true },
    seed: 5,
  },
  settings: { numEpochs: 3, batchSize: 32, shuffle: true },
  samples: 75,
};

const YES_OR_NO = {
  spec: {
    inputShape: [9, 9, 1],
    layers: [
      {
        type: 'conv2d',
        filters: 4,
        kernelSize: 3,
        dilationRate: 2,
        activation: 'relu',
        useBias: false,
      },
      { type: 'flatten' },
      { type: 'dense', units: 1, activation: 'sigmoid' },
    ],
    optimizer: 'adam',
    learningRate: 0.02,
  },
  settings: { numEpochs: 2, batchSize: 7, shuffle: false },
  samples: 30,
};

/* Big enough that threads have parts to share in every kind of operation; the others are not. From
 * 24 to 72 channels go Winograd's products, their weight gradient in two waves. */
const SHARED = {
  spec: {
    inputShape: [21, 22, 3],
    layers: [
      { type: 'conv2d', filters: 24, kernelSize: 3, padding: 'same', activation: 'relu' },
      { type: 'maxPooling2d', poolSize: 2 },
      { type: 'conv2d', filters: 72, kernelSize: 3, padding: 'same', activation: 'tanh' },
      { type: 'conv2d', filters: 33, kernelSize: 3, activation: 'gelu' },
      { type: 'conv2d', filters: 20, kernelSize: [2, 3], strides: 2, padding: 'same' },
      { type: 'dropout', rate: 0.25 },
      { type: 'flatten' },
      { type: 'dense', units: 260, activation: 'tanh' },
      { type: 'dense', units: 7, activation: 'softmax' },
    ],
    optimizer: 'adam',
    seed: 11,
  },
  settings: { numEpochs: 2, batchSize: 16, shuffle: true },
  samples: 40,
};

/* Over time, with every kind of cell; odd sizes. */
const SEQUENCES = {
  spec: {
    inputShape: [13, 5],
    layers: [
      { type: 'lstm', units: 9, returnSequences: true },
      {
        type: 'gru',
        units: 11,
        returnSequences: true,
        activation: 'selu',
        recurrentActivation: 'softplus',
      },
      { type: 'lstm', units: 7, useBias: false, recurrentInitializer: 'glorotNormal' },
      { type: 'dense', units: 4, activation: 'softmax' },
    ],
    optimizer: 'adam',
    seed: 9,
  },
  settings: { numEpochs: 2, batchSize: 12, shuffle: true },
  samples: 32,
};

/* Wide enough for steps to be shared, and for the units of the second layer to be cut as well. */
const SHARED_STEPS = {
  spec: {
    inputShape: [5, 20],
    layers: [
      { type: 'gru', units: 40, returnSequences: true },
      { type: 'lstm', units: 220 },
      { type: 'dense', units: 3, activation: 'softmax' },
    ],
    optimizer: { type: 'sgd', learningRate: 0.05 },
    seed: 13,
  },
  settings: { numEpochs: 2, batchSize: 20, shuffle: true },
  samples: 30,
};

/* What image nets are made of now: branches that join, every kind of convolution and normalisation,
 * noise, and all that only moves pixels. `wide` gives threads parts to share. @param {number} wide
 */
const image = (wide) => ({
  spec: {
    inputShape: [12, 14, 3],
    layers: [
      { type: 'rescaling', scale: 1.5, offset: 0.25 },
      {
        type: 'conv2d',
        filters: 8 * wide,
        kernelSize: 3,
        padding: 'same',
        useBias: false,
        kernelRegularizer: 'l2',
      },
      { type: 'batchNormalization', momentum: 0.8 },
      { type: 'activation', activation: 'relu6', name: 'stem' },
      {
        type: 'depthwiseConv2d',
        kernelSize: 3,
        padding: 'same',
        depthMultiplier: 2,
        activation: 'mish',
      },
      { type: 'groupNormalization', groups: 4 },
      { type: 'conv2d', filters: 8 * wide, kernelSize: 1, groups: 4, name: 'left' },
      {
        type: 'separableConv2d',
        filters: 8 * wide,
        kernelSize: [3, 5],
        padding: 'same',
        input: 'stem',
      },
      { type: 'spatialDropout2d', rate: 0.2 },
      { type: 'prelu', sharedAxes: [1, 2], name: 'right' },
      { type: 'add', input: ['left', 'right', 'stem'] },
      { type: 'gaussianNoise', stddev: 0.1 },
      { type: 'averagePooling2d', name: 'small' },
      {
        type: 'zeroPadding2d',
        padding: [
          [1, 0],
          [0, 2],
        ],
      },
      {
        type: 'cropping2d',
        cropping: [
          [1, 0],
          [0, 2],
        ],
      },
      {
        type: 'conv2dTranspose',
        filters: 4 * wide,
        kernelSize: 3,
        strides: 2,
        padding: 'same',
        activation: 'hardSigmoid',
      },
      { type: 'upSampling2d', size: [1, 2], interpolation: 'bilinear' },
      { type: 'conv2d', filters: 6, kernelSize: 3, strides: [2, 4], padding: 'same', name: 'back' },
      { type: 'concatenate', input: ['small', 'back'] },
      { type: 'layerNormalization' },
      { type: 'globalAveragePooling2d' },
      { type: 'dense', units: 5, activation: 'softmax', kernelConstraint: 'maxNorm' },
    ],
    optimizer: { type: 'rmsprop', momentum: 0.9, centered: true, clipNorm: 0.5 },
    learningRate: 0.002,
    seed: 17,
  },
  settings: { numEpochs: 2, batchSize: 12, shuffle: true, validationSplit: 0.1 },
  samples: 40,
});

/* What reads: indices, masks, both directions, attention, tied weights. @param {number} width
 * @param {number} steps */
const text = (width, steps) => ({
  spec: {
    inputShape: [steps],
    layers: [
      { type: 'embedding', inputDim: 11, outputDim: width, maskZero: true, name: 'table' },
      { type: 'positionEmbedding', sequenceLength: steps + 3, name: 'placed' },
      {
        type: 'multiHeadAttention',
        numHeads: 2,
        keyDim: width / 2,
        useCausalMask: true,
        dropout: 0.1,
        name: 'seen',
      },
      { type: 'add', input: ['placed', 'seen'] },
      { type: 'layerNormalization' },
      {
        type: 'bidirectional',
        layer: { type: 'gru', units: 7, resetAfter: false, returnSequences: true },
        mergeMode: 'ave',
      },
      {
        type: 'bidirectional',
        layer: { type: 'simpleRNN', units: width / 2, returnSequences: true },
      },
      { type: 'timeDistributed', layer: { type: 'dense', units: width, activation: 'tanh' } },
      { type: 'lstm', units: width, goBackwards: true, returnSequences: true },
      { type: 'dense', units: 11, tiedTo: 'table', useBias: false, activation: 'softmax' },
    ],
    optimizer: { type: 'nadam', globalClipNorm: 1, gradientAccumulationSteps: 2 },
    seed: 19,
  },
  settings: { numEpochs: 2, batchSize: 10, shuffle: true },
  samples: 30,
  below: 11,
});

/** @type {Record<string, any>} */
export const PROBLEMS = {
  pictures: PICTURES,
  numbers: NUMBERS,
  'yes or no': YES_OR_NO,
  shared: SHARED,
  sequences: SEQUENCES,
  'shared steps': SHARED_STEPS,
  image: image(1),
  'shared image': image(6),
  text: text(8, 9),
  'shared text': text(64, 24),
};
/** Of which threads have something to do. */
export const isShared = (/** @type {string} */ problem) => problem.startsWith('shared');
/** Of which they have nothing to do; of 'image' they may. */
export const isSmall = (/** @type {string} */ problem) => !isShared(problem) && problem !== 'image';

/**
 * What a problem is trained with: each deterministic variant, and those with threads on as many as
 * may tell.
 * @param {string} problem @param {boolean} alone  on a page's thread, which has no helpers
 * @returns {{ variant: string, threads: number }[]}
 */
export function enginesOf(problem, alone) {
  const counts = alone ? [1] : isShared(problem) ? [1, 2, 3, 4] : [2];
  return [
    { variant: 'base', threads: 1 },
    { variant: 'simd', threads: 1 },
    ...counts.map((threads) => ({ variant: 'simd-mt', threads })),
  ];
}

/**
 * @param {{ spec: any, samples: number, bytes?: boolean, below?: number }} problem below: x are
 *   indices
 */
export function dataOf({ spec, samples, bytes, below }) {
  const next = numbers(samples);
  const inputs = spec.inputShape.reduce(
    (/** @type {number} */ a, /** @type {number} */ b) => a * b,
    1,
  );
  const x = bytes ? new Uint8Array(samples * inputs) : new Float32Array(samples * inputs);
  for (let i = 0; i < x.length; i++)
    x[i] = bytes ? Math.floor(256 * next()) : below ? Math.floor(below * next()) : 4 * next() - 2;
  const { units, activation } = spec.layers[spec.layers.length - 1];
  if (activation === undefined)
    return { x, y: Float32Array.from({ length: samples * units }, () => 6 * next() - 3) };
  const targets = below ? inputs : 1; // a text has a class for each of its places
  return {
    x,
    y: Int32Array.from({ length: samples * targets }, () =>
      Math.floor(Math.max(units, 2) * next()),
    ),
  };
}
