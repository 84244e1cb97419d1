/* training.js: losses with their options, optimizers with what they have in common, what weights
 * have of their own, weights of samples. */
import { FAR, conv, dense, flatten, net } from './net.js';

const said = (value) => JSON.stringify(value);

const losses = [
  ['meanAbsolutePercentageError', 'linear', 0.0005],
  ['meanSquaredLogarithmicError', 'softplus'],
  ['meanSquaredLogarithmicError', 'exponential'],
  ['logCosh', 'linear'],
  ['logCosh', 'tanh'],
  ['klDivergence', 'softmax'],
  ['klDivergence', 'sigmoid'],
  ['poisson', 'softplus'],
  ['poisson', 'exponential'],
  ['cosineSimilarity', 'softplus'],
  ['hinge', 'tanh'],
  ['hinge', 'linear'],
  ['squaredHinge', 'tanh'],
  ['squaredHinge', 'linear'],
  ['categoricalHinge', 'linear'],
  ['categoricalHinge', 'softmax'],
  [{ type: 'huber', delta: 0.3 }, 'linear'],
  [{ type: 'huber', delta: 2 }, 'tanh'],
  [{ type: 'categoricalCrossentropy', labelSmoothing: 0.1 }, 'softmax'],
  [{ type: 'binaryCrossentropy', labelSmoothing: 0.3 }, 'sigmoid'],
  ['binaryFocalCrossentropy', 'sigmoid'],
  [{ type: 'binaryFocalCrossentropy', gamma: 1, alpha: 0.6, applyClassBalancing: true }, 'sigmoid'],
  [{ type: 'binaryFocalCrossentropy', gamma: 3, labelSmoothing: 0.2 }, 'sigmoid'],
  [{ type: 'binaryFocalCrossentropy', gamma: 0 }, 'sigmoid'],
  ['categoricalFocalCrossentropy', 'softmax'],
  [{ type: 'categoricalFocalCrossentropy', gamma: 0.5, alpha: 1, labelSmoothing: 0.1 }, 'softmax'],
].flatMap(([loss, activation, learningRate = 0.05]) => [
  net(`${said(loss)} of ${activation}`, [6], [dense(8, 'elu'), dense(4, activation)], {
    loss,
    y: 'rows',
    samples: 15,
    optimizer: 'sgd',
    learningRate,
  }),
  net(
    `${said(loss)} of ${activation}, in every position`,
    [3, 5],
    [dense(6, 'tanh'), dense(3, activation)],
    { loss, y: 'rows', samples: 5, optimizer: 'sgd', learningRate },
  ),
]);

const body = [dense(10, 'tanh'), dense(4, 'softmax')];
const ofOptimizer = (optimizer, learningRate) =>
  net(`optimizer ${said(optimizer)} ${learningRate ?? ''}`, [8], body, {
    optimizer,
    ...(learningRate && { learningRate }),
    samples: 20,
  });
const optimizers = [
  ['adamax'],
  ['nadam'],
  ['rmsprop'],
  ['adagrad'],
  ['adadelta'],
  ['lion'],
  ['adamax', 0.01],
  ['nadam', 0.005],
  ['rmsprop', 0.005],
  ['adagrad', 0.05],
  ['adadelta', 1],
  ['lion', 0.002],
  [{ type: 'adam', amsgrad: true, beta1: 0.5, beta2: 0.6 }, 0.005],
  [{ type: 'adamw', amsgrad: true }, 0.005],
  [{ type: 'adamax', beta1: 0.8, beta2: 0.9, epsilon: 1e-5 }, 0.005],
  [{ type: 'nadam', beta1: 0.8, beta2: 0.9, epsilon: 1e-5 }, 0.005],
  [{ type: 'rmsprop', rho: 0.7, momentum: 0.6 }, 0.002],
  [{ type: 'rmsprop', centered: true }, 0.002],
  [{ type: 'rmsprop', centered: true, momentum: 0.5, epsilon: 1e-4 }, 0.002],
  [{ type: 'adagrad', initialAccumulatorValue: 0, epsilon: 1e-3 }, 0.02],
  [{ type: 'adagrad', initialAccumulatorValue: 1 }, 0.05],
  [{ type: 'adadelta', rho: 0.8, epsilon: 1e-5 }, 1],
  [{ type: 'lion', beta1: 0.7, beta2: 0.9 }, 0.001],
].map(([optimizer, learningRate]) => ofOptimizer(optimizer, learningRate));

const TYPES = [
  'sgd',
  { type: 'sgd', momentum: 0.9, nesterov: true },
  'adam',
  'adamw',
  'adamax',
  'nadam',
  'rmsprop',
  'adagrad',
  'adadelta',
  'lion',
];
const RATE = { sgd: 0.05, adagrad: 0.02, adadelta: 1, lion: 0.001 };
const COMMON = [
  { weightDecay: 0.2 },
  { clipValue: 0.01 },
  { clipNorm: 0.1 },
  { globalClipNorm: 0.15 },
  { gradientAccumulationSteps: 3 },
  { useEma: true, emaMomentum: 0.7 },
  { useEma: true, emaOverwriteFrequency: 3 },
  { weightDecay: 0.1, clipNorm: 0.2, gradientAccumulationSteps: 2 },
  { useEma: true, emaMomentum: 0.6, gradientAccumulationSteps: 2 },
  { useEma: true, emaOverwriteFrequency: 2, gradientAccumulationSteps: 3 },
];
const common = COMMON.flatMap((fields) =>
  TYPES.map((given) => {
    const optimizer =
      typeof given === 'string' ? { type: given, ...fields } : { ...given, ...fields };
    return ofOptimizer(optimizer, RATE[optimizer.type] ?? 0.003);
  }),
);

const OWN = [
  { kernelRegularizer: 'l1' },
  { kernelRegularizer: 'l2', biasRegularizer: 'l1' },
  { kernelRegularizer: 'l1l2' },
  { kernelRegularizer: { l1: 0.02 } },
  { biasRegularizer: { l1: 0.01, l2: 0.05 } },
  { kernelConstraint: 'maxNorm' },
  { kernelConstraint: { maxNorm: 0.5 } },
  { kernelConstraint: { maxNorm: 0.6, axis: 1 }, biasConstraint: { maxNorm: 0.2 } },
  { kernelConstraint: { maxNorm: 0.3, axis: 1 }, kernelRegularizer: 'l2' },
  { kernelInitializer: { type: 'constant', value: 0.1 }, biasInitializer: 'ones' },
  { kernelInitializer: { type: 'identity', gain: 0.5 } },
  { kernelInitializer: { type: 'orthogonal', gain: 0.7 } },
  {
    kernelInitializer: {
      type: 'varianceScaling',
      scale: 2,
      mode: 'fanOut',
      distribution: 'normal',
    },
  },
  { kernelInitializer: { type: 'randomUniform', minval: -0.3, maxval: 0.4 } },
  { kernelInitializer: { type: 'truncatedNormal', mean: 0.1, stddev: 0.2 } },
];
const own = [
  ...OWN.map((fields) =>
    net(`dense ${said(fields)}`, [6], [dense(5, 'tanh', fields), dense(3, 'softmax')], FAR),
  ),
  ...OWN.slice(0, 9)
    .filter((_, i) => i % 2)
    .map((fields) =>
      net(
        `conv2d ${said(fields)}`,
        [5, 5, 2],
        [conv(3, 2, { activation: 'tanh', ...fields }), flatten, dense(3, 'softmax')],
        { samples: 6, ...FAR },
      ),
    ),
  ...['lstm', 'gru', 'simpleRNN'].map((type) =>
    net(
      `${type} with penalties and constraints`,
      [5, 3],
      [
        {
          type,
          units: 4,
          kernelRegularizer: 'l2',
          recurrentRegularizer: { l1: 0.003 },
          biasRegularizer: 'l2',
          kernelConstraint: { maxNorm: 0.6 },
          recurrentConstraint: { maxNorm: 0.8 },
        },
        dense(3, 'softmax'),
      ],
      { samples: 6, ...FAR },
    ),
  ),
  net(
    'separableConv2d with penalties and constraints',
    [5, 5, 2],
    [
      {
        type: 'separableConv2d',
        filters: 3,
        kernelSize: 2,
        depthwiseRegularizer: 'l1',
        pointwiseRegularizer: 'l2',
        depthwiseConstraint: { maxNorm: 0.4 },
        pointwiseConstraint: { maxNorm: 0.5, axis: 2 },
      },
      flatten,
      dense(3, 'softmax'),
    ],
    { samples: 6, ...FAR },
  ),
  net(
    'multiHeadAttention with penalties and constraints',
    [5, 4],
    [
      {
        type: 'multiHeadAttention',
        numHeads: 2,
        keyDim: 2,
        kernelRegularizer: 'l2',
        biasRegularizer: 'l1',
        kernelConstraint: { maxNorm: 0.5 },
      },
      flatten,
      dense(3, 'softmax'),
    ],
    { samples: 6, ...FAR },
  ),
  net(
    'penalties under the wrappers',
    [4, 5, 3],
    [
      {
        type: 'timeDistributed',
        layer: { type: 'conv1d', filters: 3, kernelSize: 2, kernelRegularizer: 'l2' },
      },
      { type: 'timeDistributed', layer: { type: 'flatten' } },
      {
        type: 'bidirectional',
        layer: {
          type: 'gru',
          units: 3,
          recurrentRegularizer: 'l2',
          kernelConstraint: { maxNorm: 0.5 },
        },
      },
      dense(3, 'softmax'),
    ],
    { samples: 6, ...FAR, learningRate: 0.03 },
  ),
];

/* Every weight of every layer with a start, a penalty and a norm of its own. */
const WEIGHTS = [
  [[6], { type: 'dense', units: 5 }, ['kernel', 'bias']],
  [[5, 4], { type: 'conv1d', filters: 3, kernelSize: 2 }, ['kernel', 'bias']],
  [[5, 4, 4], { type: 'conv2d', filters: 4, kernelSize: 2, groups: 2 }, ['kernel', 'bias']],
  [[5, 4, 3], { type: 'conv2dTranspose', filters: 2, kernelSize: 2 }, ['kernel', 'bias']],
  [[5, 4, 3], { type: 'depthwiseConv2d', kernelSize: 2 }, ['depthwise', 'bias']],
  [
    [5, 4, 3],
    { type: 'separableConv2d', filters: 2, kernelSize: 2 },
    ['depthwise', 'pointwise', 'bias'],
  ],
  ...['simpleRNN', 'lstm', 'gru'].map((type) => [
    [5, 3],
    { type, units: 4, ...(type === 'lstm' && { unitForgetBias: false }) },
    ['kernel', 'recurrent', 'bias'],
  ]),
  [[5, 4], { type: 'multiHeadAttention', numHeads: 2, keyDim: 2 }, ['kernel', 'bias']],
  [[5, 4], { type: 'positionEmbedding', sequenceLength: 6 }, ['embeddings']],
  [[5, 4], { type: 'prelu' }, ['alpha']],
  ...['batchNormalization', 'layerNormalization', 'groupNormalization'].map((type) => [
    [5, 6],
    {
      type,
      ...(type === 'groupNormalization' && { groups: 2 }),
      ...(type === 'batchNormalization' && {
        movingMeanInitializer: 'ones',
        movingVarianceInitializer: { type: 'constant', value: 2 },
      }),
    },
    ['gamma', 'beta'],
  ]),
];
const ofWeights = WEIGHTS.map(([shape, layer, families]) => {
  const fields = families.flatMap((family, i) => [
    [`${family}Initializer`, { type: 'randomUniform', minval: -0.5, maxval: 0.7 }],
    [`${family}Regularizer`, { l1: 0.004 * (i + 1), l2: 0.01 }],
    [`${family}Constraint`, { maxNorm: 0.8 - 0.1 * i }],
  ]);
  return net(
    `${layer.type}, all of its weights with penalties and norms`,
    shape,
    [{ ...layer, ...Object.fromEntries(fields) }, flatten, dense(3, 'softmax')],
    { samples: 6, optimizer: 'sgd', learningRate: 0.03 },
  );
});
const axes = [
  [0, 1],
  [0, 1, 2],
  [1, 2],
].map((axis) =>
  net(
    `a norm over axes ${axis}`,
    [5, 5, 2],
    [
      conv(3, 2, { activation: 'tanh', kernelConstraint: { maxNorm: 0.6, axis } }),
      flatten,
      dense(3, 'softmax'),
    ],
    { samples: 6, ...FAR },
  ),
);

const weighted = [
  net('weighted samples', [6], [dense(8, 'relu'), dense(3, 'softmax')], { ...FAR, weighted: true }),
  net('weighted samples, rows in every position', [3, 4], [dense(5, 'tanh'), dense(2)], {
    ...FAR,
    weighted: true,
    y: 'rows',
  }),
  net(
    'weighted samples, two outputs',
    [6],
    [
      dense(8, 'tanh', { name: 'body' }),
      dense(3, 'softmax', { name: 'kind' }),
      { ...dense(2), name: 'place', input: 'body' },
    ],
    {
      ...FAR,
      outputs: ['kind', { name: 'place', lossWeight: 0.5 }],
      y: { kind: 'index', place: 'rows' },
      weighted: true,
    },
  ),
  net('weighted classes', [6], [dense(8, 'relu'), dense(3, 'softmax')], {
    ...FAR,
    weighted: 'classes',
  }),
];

export const TRAINING = [
  ...losses,
  ...optimizers,
  ...common,
  ...own,
  ...ofWeights,
  ...axes,
  ...weighted,
];
