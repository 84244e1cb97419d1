/* layers.js: every layer with its options, in nets of one to three layers. */
import { FAR, conv, dense, flatten, net } from './net.js';

const said = (fields) => JSON.stringify(fields).slice(1, -1);
const SMALL = { samples: 6, ...FAR, learningRate: 0.005 };
/** Behind a layer that has a kernel, so that its input's gradient counts too. */
const plane = (layer, more) =>
  net(
    `${layer.type} ${said({ ...layer, type: undefined })}`,
    [7, 6, 4],
    [conv(4, 1, { activation: 'tanh' }), layer, flatten, dense(3, 'softmax')],
    { ...SMALL, ...more },
  );
const row = (layer, more) =>
  net(
    `${layer.type} ${said({ ...layer, type: undefined })}`,
    [6, 4],
    [dense(4, 'tanh'), layer, flatten, dense(3, 'softmax')],
    { ...SMALL, ...more },
  );
const vector = (layer, more) =>
  net(
    `${layer.type} ${said({ ...layer, type: undefined })} of vectors`,
    [7],
    [dense(6, 'tanh'), layer, flatten, dense(3, 'softmax')],
    { ...SMALL, ...more },
  );
const all = (type, list) => list.map((fields) => ({ type, ...fields }));

const kernels = [
  ...all('conv1d', [
    { filters: 5, kernelSize: 3 },
    { filters: 5, kernelSize: 3, padding: 'same', activation: 'gelu' },
    { filters: 5, kernelSize: [2], padding: 'causal' },
    { filters: 3, kernelSize: 3, padding: 'causal', dilationRate: 2 },
    { filters: 3, kernelSize: 2, strides: 2 },
    { filters: 3, kernelSize: 3, strides: 3, padding: 'same' },
    { filters: 3, kernelSize: 3, strides: 2, padding: 'causal' },
    { filters: 6, kernelSize: 2, groups: 2, useBias: false },
    { filters: 4, kernelSize: 1, groups: 4 },
    { filters: 3, kernelSize: 3, dilationRate: 2, padding: 'same' },
  ]).map((layer) => row(layer)),
  ...[
    ...all('conv2d', [
      { filters: 6, kernelSize: 3, groups: 2 },
      { filters: 4, kernelSize: [2, 3], groups: 4, padding: 'same' },
      { filters: 4, kernelSize: 3, groups: 2, strides: 2 },
      { filters: 4, kernelSize: 3, groups: 2, dilationRate: 2, padding: 'same' },
      { filters: 8, kernelSize: 1, groups: 2, useBias: false },
    ]),
    ...all('depthwiseConv2d', [
      { kernelSize: 3 },
      { kernelSize: 3, padding: 'same', activation: 'relu' },
      { kernelSize: [2, 3], depthMultiplier: 2 },
      { kernelSize: 3, strides: 2 },
      { kernelSize: [3, 2], strides: 2, padding: 'same', depthMultiplier: 3 },
      { kernelSize: 3, dilationRate: 2 },
      { kernelSize: 2, dilationRate: [1, 2], padding: 'same' },
      { kernelSize: 1, useBias: false },
      { kernelSize: 3, strides: [1, 2] },
    ]),
    ...all('separableConv2d', [
      { filters: 5, kernelSize: 3 },
      { filters: 3, kernelSize: [2, 3], padding: 'same', depthMultiplier: 2, activation: 'swish' },
      { filters: 3, kernelSize: 3, strides: 2, padding: 'same' },
      { filters: 3, kernelSize: 2, dilationRate: 2, useBias: false },
    ]),
    ...all('conv2dTranspose', [
      { filters: 3, kernelSize: 3 },
      { filters: 3, kernelSize: 3, padding: 'same' },
      { filters: 3, kernelSize: 3, strides: 2 },
      { filters: 3, kernelSize: 3, strides: 2, padding: 'same' },
      { filters: 3, kernelSize: 2, strides: 3, padding: 'same' },
      { filters: 3, kernelSize: 2, strides: 3 },
      { filters: 3, kernelSize: [2, 4], strides: [1, 2], padding: 'same', activation: 'relu' },
      { filters: 3, kernelSize: 3, strides: 2, outputPadding: 1 },
      { filters: 3, kernelSize: 3, strides: 2, padding: 'same', outputPadding: 1 },
      { filters: 3, kernelSize: 4, strides: 3, padding: 'same', outputPadding: [0, 2] },
      { filters: 3, kernelSize: 3, strides: 2, padding: 'same', outputPadding: 0 },
      { filters: 2, kernelSize: 2, dilationRate: 2 },
      { filters: 2, kernelSize: 3, dilationRate: [2, 1], padding: 'same' },
      { filters: 3, kernelSize: 2, useBias: false },
    ]),
  ].map((layer) => plane(layer)),
];

const windows = [
  {},
  { poolSize: 3, strides: 1 },
  { poolSize: 2, strides: 2, padding: 'same' },
  { poolSize: 3, strides: 2, padding: 'same' },
  { poolSize: [1] },
];
const pools = [
  ...['maxPooling1d', 'averagePooling1d']
    .flatMap((type) => all(type, windows))
    .map((layer) => row(layer)),
  ...['globalMaxPooling1d', 'globalAveragePooling1d']
    .flatMap((type) => all(type, [{}, { keepDims: true }]))
    .map((layer) => row(layer)),
  ...['globalMaxPooling2d', 'globalAveragePooling2d']
    .flatMap((type) => all(type, [{}, { keepDims: true }]))
    .map((layer) => plane(layer)),
];

const shapes = [
  ...[
    ...all('upSampling2d', [
      {},
      { size: 3 },
      { size: [1, 2] },
      { interpolation: 'bilinear' },
      { size: [3, 2], interpolation: 'bilinear' },
      { size: [2, 1], interpolation: 'bilinear' },
    ]),
    ...all('zeroPadding2d', [
      {},
      { padding: 2 },
      { padding: [1, 2] },
      {
        padding: [
          [1, 0],
          [2, 1],
        ],
      },
      { padding: 0 },
    ]),
    ...all('cropping2d', [
      {},
      { cropping: 1 },
      { cropping: [2, 1] },
      {
        cropping: [
          [1, 0],
          [0, 3],
        ],
      },
    ]),
    ...all('permute', [{ dims: [2, 1, 3] }, { dims: [3, 1, 2] }, { dims: [1, 2, 3] }]),
    ...all('reshape', [{ targetShape: [-1, 4] }, { targetShape: [6, -1] }, { targetShape: [-1] }]),
    ...all('spatialDropout2d', [{ rate: 0 }]),
  ].map((layer) => plane(layer)),
  row({ type: 'permute', dims: [2, 1] }),
  vector({ type: 'repeatVector', n: 3 }),
  ...all('rescaling', [{ scale: 2 }, { scale: -0.5, offset: 0.25 }]).map((layer) => vector(layer)),
  ...all('normalization', [
    { mean: 0.25, variance: 2 },
    { mean: [0.1, -0.2, 0.3, 0], variance: [1, 2, 0.25, 4] },
  ]).map((layer) => plane(layer)),
  net(
    'normalization of the input',
    [5],
    [
      { type: 'normalization', mean: [0.1, -0.2, 0.3, 0, 1], variance: [1, 2, 0.25, 4, 1] },
      dense(3, 'softmax'),
    ],
    FAR,
  ),
  ...all('gaussianNoise', [{ stddev: 0 }]).map((layer) => vector(layer)),
  ...all('softmax', [{}, { axis: -1 }]).map((layer) => row(layer)),
  net('softmax layer as the last', [5], [dense(6, 'tanh'), dense(4), { type: 'softmax' }], FAR),
];

const preluOf = [
  {},
  { sharedAxes: [1, 2] },
  { sharedAxes: [1] },
  { alphaInitializer: { type: 'constant', value: 0.25 } },
  { alphaRegularizer: 'l2' },
];
const NORMALIZATIONS = [
  {},
  { epsilon: 0.01 },
  { center: false },
  { scale: false },
  { center: false, scale: false, epsilon: 0.1 },
];
/* Normalized nets learn fast, and a loss that is all but gone has no digits left. */
const SLOW = { optimizer: 'sgd', learningRate: 0.01 };
const normalizations = [
  ...all('prelu', preluOf).map((layer) => plane(layer)),
  vector({ type: 'prelu' }),
  ...all('batchNormalization', [
    ...NORMALIZATIONS,
    { momentum: 0.5 },
    { momentum: 0, trainable: false },
  ]).map((layer) => plane(layer, SLOW)),
  vector({ type: 'batchNormalization', momentum: 0.8 }),
  row({ type: 'batchNormalization', momentum: 0.8, gammaRegularizer: 'l2', betaRegularizer: 'l1' }),
  ...['layerNormalization']
    .flatMap((type) => all(type, NORMALIZATIONS))
    .map((layer) => plane(layer, SLOW)),
  vector({ type: 'layerNormalization' }),
  ...all('groupNormalization', [
    { groups: 2 },
    { groups: 1 },
    { groups: 4, center: false },
    { groups: 2, scale: false, epsilon: 0.01 },
  ]).map((layer) => plane(layer, SLOW)),
  vector({ type: 'groupNormalization', groups: 1 }),
  net(
    'groupNormalization of 32 groups by default',
    [2, 3, 64],
    [{ type: 'groupNormalization' }, flatten, dense(3, 'softmax')],
    { samples: 5, ...SLOW, learningRate: 0.002 },
  ),
  net(
    'batchNormalization in a mobile block',
    [6, 6, 3],
    [
      conv(6, 1, { useBias: false }),
      { type: 'batchNormalization' },
      { type: 'activation', activation: 'relu6' },
      { type: 'depthwiseConv2d', kernelSize: 3, padding: 'same', useBias: false, strides: 2 },
      { type: 'batchNormalization', momentum: 0.9 },
      { type: 'activation', activation: 'relu6' },
      conv(4, 1, { useBias: false }),
      { type: 'batchNormalization' },
      { type: 'globalAveragePooling2d' },
      dense(3, 'softmax'),
    ],
    { samples: 8, ...FAR, learningRate: 0.01 },
  ),
];

const ofTime = (layer, more) =>
  net(
    `${layer.type} ${said({ ...layer, type: undefined })}`,
    [5, 3],
    [dense(4, 'tanh'), layer, dense(3, 'softmax')],
    { ...SMALL, ...more },
  );
const recurrent = [
  ...all('simpleRNN', [
    { units: 5 },
    { units: 4, returnSequences: true, activation: 'relu' },
    { units: 4, useBias: false, goBackwards: true },
  ]),
  ...['lstm', 'gru'].flatMap((type) =>
    all(type, [
      { units: 5, goBackwards: true },
      { units: 4, goBackwards: true, returnSequences: true },
    ]),
  ),
  ...all('gru', [
    { units: 5, resetAfter: false },
    { units: 4, resetAfter: false, useBias: false, returnSequences: true },
    { units: 4, resetAfter: false, goBackwards: true },
  ]),
  ...all('lstm', [{ units: 4, unitForgetBias: false }]),
  ...['simpleRNN', 'lstm', 'gru'].flatMap((type, i) =>
    ['concat', 'sum', 'mul', 'ave'].map((mergeMode, j) => ({
      type: 'bidirectional',
      mergeMode,
      layer: { type, units: 3, ...((i + j) % 2 && { returnSequences: true }) },
    })),
  ),
  {
    type: 'bidirectional',
    layer: { type: 'gru', units: 3, resetAfter: false, useBias: false, activation: 'softplus' },
  },
].map((layer) => ofTime(layer));

const attention = [
  ...all('multiHeadAttention', [
    { numHeads: 1, keyDim: 4 },
    { numHeads: 3, keyDim: 2 },
    { numHeads: 2, keyDim: 3, valueDim: 5 },
    { numHeads: 2, keyDim: 3, useBias: false },
    { numHeads: 2, keyDim: 2, useCausalMask: true, dropout: 0 },
  ]).map((layer) => row(layer)),
  ...all('positionEmbedding', [
    { sequenceLength: 6 },
    { sequenceLength: 9, embeddingsInitializer: 'randomNormal' },
  ]).map((layer) => row(layer)),
];

const inSteps = (layer, shape = [4, 5, 3]) =>
  net(
    `timeDistributed ${said(layer)}`,
    shape,
    [dense(4, 'tanh'), { type: 'timeDistributed', layer }, flatten, dense(3, 'softmax')],
    SMALL,
  );
const distributed = [
  inSteps({ type: 'dense', units: 3, activation: 'relu' }, [4, 5]),
  inSteps({ type: 'conv1d', filters: 3, kernelSize: 2, activation: 'tanh' }),
  inSteps({ type: 'conv2d', filters: 3, kernelSize: 2, strides: 2 }, [3, 4, 5, 2]),
  inSteps({ type: 'maxPooling2d' }, [3, 4, 5, 2]),
  inSteps({ type: 'flatten' }),
  inSteps({ type: 'lstm', units: 3 }),
  inSteps({ type: 'gru', units: 3, returnSequences: true }),
  inSteps({ type: 'bidirectional', layer: { type: 'simpleRNN', units: 2 } }),
  inSteps({ type: 'layerNormalization' }),
  inSteps({ type: 'groupNormalization', groups: 2 }),
  inSteps({ type: 'globalAveragePooling1d' }),
  inSteps({ type: 'prelu' }),
  inSteps({ type: 'multiHeadAttention', numHeads: 2, keyDim: 2 }),
  inSteps({ type: 'timeDistributed', layer: { type: 'dense', units: 2 } }),
  net(
    'timeDistributed, a class for every step',
    [4, 5],
    [{ type: 'timeDistributed', layer: { type: 'dense', units: 3, activation: 'softmax' } }],
    FAR,
  ),
];

const ranks = [
  [3, 4, 2, 2],
  [2, 3, 2, 2, 2],
].map((shape) =>
  net(
    `dense on the last axis of ${shape.length}`,
    shape,
    [dense(5, 'relu'), dense(2, 'tanh'), flatten, dense(3, 'softmax')],
    SMALL,
  ),
);

export const LAYERS = [
  ...kernels,
  ...pools,
  ...shapes,
  ...normalizations,
  ...recurrent,
  ...attention,
  ...distributed,
  ...ranks,
];
