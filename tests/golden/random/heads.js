/* heads.js: how a net drawn at random ends: losses with the activations and targets they take, and
 * what updates it. */
import { HIDDEN } from './layers.js';

/** [loss, activation, form of targets, least units] */
const HEADS = [
  [undefined, 'softmax', 'index', 2],
  [undefined, 'softmax', 'rows', 2],
  ['sparseCategoricalCrossentropy', 'softmax', 'index', 2],
  [{ type: 'categoricalCrossentropy', labelSmoothing: 0.1 }, 'softmax', 'rows', 2],
  [undefined, 'sigmoid', 'rows', 1],
  [{ type: 'binaryCrossentropy', labelSmoothing: 0.2 }, 'sigmoid', 'rows', 1],
  [undefined, 'linear', 'rows', 1],
  ['meanSquaredError', 'tanh', 'rows', 1],
  ['meanAbsoluteError', 'linear', 'rows', 1],
  ['meanAbsolutePercentageError', 'linear', 'rows', 1],
  ['meanSquaredLogarithmicError', 'softplus', 'rows', 1],
  [{ type: 'huber', delta: 0.5 }, 'linear', 'rows', 1],
  ['huber', 'swish', 'rows', 1],
  ['logCosh', 'linear', 'rows', 1],
  ['klDivergence', 'softmax', 'rows', 2],
  ['poisson', 'softplus', 'rows', 1],
  ['poisson', 'exponential', 'rows', 1],
  // All positive: a mean of signs cancels, and with it what is relative
  ['cosineSimilarity', 'softplus', 'rows', 3],
  ['hinge', 'tanh', 'rows', 1],
  ['squaredHinge', 'linear', 'rows', 1],
  ['categoricalHinge', 'linear', 'rows', 2],
  ['binaryFocalCrossentropy', 'sigmoid', 'rows', 1],
  [
    {
      type: 'binaryFocalCrossentropy',
      gamma: 1.5,
      applyClassBalancing: true,
      alpha: 0.4,
      labelSmoothing: 0.1,
    },
    'sigmoid',
    'rows',
    1,
  ],
  ['categoricalFocalCrossentropy', 'softmax', 'rows', 2],
  [
    { type: 'categoricalFocalCrossentropy', gamma: 3, alpha: 0.5, labelSmoothing: 0.1 },
    'softmax',
    'rows',
    2,
  ],
];

/** @param {import('./layers.js').Draw} d */
export function drawHead(d) {
  const [loss, activation, form, least] = d.pick(HEADS);
  return { loss, activation, form, units: d.between(least, 4) };
}

/**
 * The head's layers for a shape: mostly a dense, over the last axis.
 * @param {import('./layers.js').Draw} d
 */
export function headLayers(d, shape, { activation, units }) {
  const bias = d.chance(0.15) ? { useBias: false } : {};
  const dense = { type: 'dense', units, activation, ...bias };
  if (shape.length === 3 && d.chance(0.5))
    return [
      {
        type: 'conv2d',
        filters: units,
        kernelSize: d.between(1, 2),
        padding: 'same',
        activation,
        ...bias,
      },
    ];
  if (shape.length === 2 && d.chance(0.2)) return [{ type: 'timeDistributed', layer: dense }];
  if (d.chance(0.1) && activation === 'softmax')
    return [{ ...dense, activation: 'linear' }, { type: 'softmax' }];
  if (d.chance(0.1))
    return [
      { ...dense, activation: 'linear' },
      { type: 'activation', activation },
    ];
  return [dense];
}

/* Rates so small that ten steps do not leave the region where a rounding stays a rounding; losses
 * in percent have gradients a hundred times as large. */
const OPTIMIZERS = [
  { type: 'sgd', learningRate: 0.02 },
  { type: 'sgd', learningRate: 0.01, momentum: 0.9 },
  { type: 'sgd', learningRate: 0.01, momentum: 0.8, nesterov: true },
  { type: 'adam', learningRate: 0.002 },
  { type: 'adam', learningRate: 0.002, amsgrad: true, beta1: 0.8, beta2: 0.95 },
  { type: 'adamw', learningRate: 0.002 },
  { type: 'adamax', learningRate: 0.002 },
  { type: 'nadam', learningRate: 0.001 },
  { type: 'rmsprop', learningRate: 0.001 },
  { type: 'rmsprop', learningRate: 0.001, rho: 0.8, momentum: 0.5, centered: true },
  { type: 'adagrad', learningRate: 0.01 },
  { type: 'adadelta', learningRate: 0.5 },
  { type: 'lion', learningRate: 0.0005 },
];

const COMMON = [
  { weightDecay: 0.1 },
  { clipValue: 0.05 },
  { clipNorm: 0.2 },
  { globalClipNorm: 0.3 },
  { gradientAccumulationSteps: 3 },
  { useEma: true, emaMomentum: 0.8 },
  { useEma: true, emaMomentum: 0.9, emaOverwriteFrequency: 4 },
];

/* Steps of these are as long for a gradient of 1e-6 as for one of 1. A gradient that is 0 but for
 * rounding, as that of a bias in front of a batch's mean, or a sum of as many 1 as -1, would move a
 * weight as single precision likes. */
const KEEN = ['adam', 'adamw', 'adamax', 'nadam', 'lion'];
const cancels = (net) =>
  net.layers.some(({ type }) => type === 'batchNormalization') ||
  net.outputs.some(({ loss }) => ['meanAbsoluteError', 'categoricalHinge'].includes(loss));

/** @param {import('./layers.js').Draw} d @param {{ layers: any[], outputs: any[] }} net */
export function drawOptimizer(d, net) {
  const percent = net.outputs.some(({ loss }) => loss === 'meanAbsolutePercentageError');
  const { ...optimizer } = d.pick(
    cancels(net) ? OPTIMIZERS.filter(({ type }) => !KEEN.includes(type)) : OPTIMIZERS,
  );
  if (optimizer.type === 'sgd') optimizer.learningRate /= percent ? 100 : 1;
  if (d.chance(0.35)) Object.assign(optimizer, d.pick(COMMON));
  if (d.chance(0.3)) {
    const { learningRate, ...rest } = optimizer;
    return {
      optimizer: Object.keys(rest).length > 1 || d.chance(0.5) ? rest : rest.type,
      learningRate,
    };
  }
  return { optimizer };
}

/* ---- what weights may have of their own ---- */

const FAMILIES = {
  dense: ['kernel', 'bias'],
  conv1d: ['kernel', 'bias'],
  conv2d: ['kernel', 'bias'],
  conv2dTranspose: ['kernel', 'bias'],
  depthwiseConv2d: ['depthwise', 'bias'],
  separableConv2d: ['depthwise', 'pointwise', 'bias'],
  simpleRNN: ['kernel', 'recurrent', 'bias'],
  lstm: ['kernel', 'recurrent', 'bias'],
  gru: ['kernel', 'recurrent', 'bias'],
  multiHeadAttention: ['kernel', 'bias'],
  embedding: ['embeddings'],
  positionEmbedding: ['embeddings'],
  prelu: ['alpha'],
  batchNormalization: ['gamma', 'beta'],
  layerNormalization: ['gamma', 'beta'],
  groupNormalization: ['gamma', 'beta'],
};
const REGULARIZERS = ['l1', 'l2', 'l1l2', { l2: 0.03 }, { l1: 0.002, l2: 0.01 }];
const CONSTRAINTS = ['maxNorm', { maxNorm: 0.7 }, { maxNorm: 0.4, axis: 0 }];
const INITIALIZERS = [
  'glorotUniform',
  'heNormal',
  'leCunUniform',
  'orthogonal',
  { type: 'randomNormal', stddev: 0.2 },
  { type: 'varianceScaling', scale: 0.5, mode: 'fanAvg', distribution: 'uniform' },
  { type: 'truncatedNormal', stddev: 0.3 },
];

/**
 * Adds what is drawn to the fields of a layer, or of the layer within.
 * @param {import('./layers.js').Draw} d
 * @param {any} layer
 */
export function furnish(d, layer) {
  const inner = layer.layer ?? layer;
  for (const family of FAMILIES[inner.type] ?? []) {
    if (d.chance(0.06)) inner[`${family}Regularizer`] = d.pick(REGULARIZERS);
    if (d.chance(0.05)) inner[`${family}Constraint`] = d.pick(CONSTRAINTS);
    if (d.chance(0.06) && /kernel|embeddings|wise|recurrent/.test(family))
      inner[`${family}Initializer`] = d.pick(INITIALIZERS);
  }
  if (FAMILIES[inner.type] && d.chance(0.06)) layer.trainable = false;
  return layer;
}

/**
 * Types of which a second layer may have the weights of the first: an embedding only behind its own
 * indices.
 */
export const TIED = Object.keys(FAMILIES).filter(
  (type) => !['batchNormalization', 'embedding'].includes(type),
);

/**
 * A layer that has the weights of an earlier one.
 * @param {import('./layers.js').Draw} d
 * @param {any} layer
 * @param {string} owner
 */
export function tied(d, layer, owner) {
  const fields = Object.entries(layer).filter(
    ([field]) => !/(name|input|trainable|Regularizer|Constraint|Initializer)$/.test(field),
  );
  const copy = { ...Object.fromEntries(fields), tiedTo: owner };
  if (copy.activation && !['simpleRNN', 'lstm', 'gru'].includes(copy.type) && d.chance(0.5))
    copy.activation = d.pick(HIDDEN);
  return copy;
}
