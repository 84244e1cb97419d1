/* lists.js: nets of the commonest layers: dense, conv2d, pools, and lstm and gru over every step.
 */
import { ACTIVATIONS, FAR, conv, dense, flatten, net } from './net.js';

const activations = ACTIVATIONS.map((activation) =>
  net(
    `${activation} in dense and conv2d`,
    [6, 5, 2],
    [conv(4, 3, { activation }), flatten, dense(9, activation), dense(3, 'softmax')],
    { optimizer: 'adam' },
  ),
);

const activationLayers = ACTIVATIONS.map((activation) =>
  net(
    `${activation} as a layer`,
    [7],
    [
      dense(10),
      { type: 'activation', activation },
      dense(4),
      { type: 'activation', activation: 'softmax' },
    ],
    FAR,
  ),
);

const windows = [
  ['valid', { padding: 'valid' }],
  ['same', { padding: 'same' }],
  ['valid, strides 2', { strides: 2 }],
  ['same, strides 2', { strides: 2, padding: 'same' }],
  ['same, strides [1, 3]', { strides: [1, 3], padding: 'same' }],
];

const convolutions = [
  ...windows,
  ['dilated', { dilationRate: 2 }],
  ['same, dilated [2, 1]', { dilationRate: [2, 1], padding: 'same' }],
  ['without bias', { useBias: false }],
].flatMap(([name, more]) =>
  [3, [2, 3], 1].map((size) =>
    net(
      `conv2d ${JSON.stringify(size)} ${name}`,
      [9, 8, 3],
      [
        conv(5, size, { ...more, activation: 'tanh' }),
        conv(3, [2, 2], { activation: 'relu' }),
        flatten,
        dense(3, 'softmax'),
      ],
      { samples: 6, ...FAR },
    ),
  ),
);

const pools = ['maxPooling2d', 'averagePooling2d'].flatMap((type) =>
  [...windows, ['its size as strides', {}]].flatMap(([name, more]) =>
    [2, [3, 2]].map((poolSize) =>
      net(
        `${type} ${JSON.stringify(poolSize)} ${name}`,
        [7, 8, 2],
        [
          conv(3, 2, { activation: 'swish' }),
          { type, poolSize, ...more },
          flatten,
          dense(3, 'softmax'),
        ],
        { samples: 6, ...FAR },
      ),
    ),
  ),
);

const optimizers = [
  ['sgd', 0.1],
  [{ type: 'sgd', momentum: 0.9 }, 0.05],
  [{ type: 'sgd', momentum: 0.8, nesterov: true }, 0.05],
  ['sgd', undefined],
  ['adam', undefined],
  [undefined, 0.02],
  [{ type: 'adam', beta1: 0.8, beta2: 0.95, epsilon: 1e-4 }, 0.01],
  ['adamw', undefined],
  [{ type: 'adamw', weightDecay: 0.2, beta1: 0.85, epsilon: 1e-6 }, 0.01],
].map(([optimizer, learningRate]) =>
  net(
    `optimizer ${JSON.stringify(optimizer) ?? 'by default'} ${learningRate ?? 'at its own rate'}`,
    [8],
    [dense(12, 'tanh'), dense(4, 'softmax')],
    { optimizer, learningRate, samples: 20 },
  ),
);

const losses = [
  ['sparseCategoricalCrossentropy', 'softmax', 'index'],
  ['categoricalCrossentropy', 'softmax', 'rows'],
  ['sparseCategoricalCrossentropy', 'softmax', 'rows'],
  ['binaryCrossentropy', 'sigmoid', 'rows'],
  ['meanSquaredError', 'linear', 'rows'],
  ['meanSquaredError', 'sigmoid', 'rows'],
  ['meanSquaredError', 'softmax', 'rows'],
  ['meanAbsoluteError', 'linear', 'rows'],
  ['huber', 'linear', 'rows'],
  ['huber', 'gelu', 'rows'],
  [undefined, 'linear', 'rows'],
  [undefined, 'softmax', 'rows'],
  [undefined, 'sigmoid', 'rows'],
].flatMap(([loss, activation, y]) =>
  [4, 1]
    .filter((units) => units > 1 || activation !== 'softmax')
    .map((units) =>
      net(
        `${loss ?? 'loss by default'} of ${units} ${activation}, ${y}`,
        [6],
        [dense(8, 'elu'), dense(units, activation)],
        { loss, y, samples: 15, learningRate: 0.02 },
      ),
    ),
);

const shapes = [
  net('one sigmoid unit with class indices', [6], [dense(8, 'relu'), dense(1, 'sigmoid')], {
    learningRate: 0.02,
  }),
  net(
    'reshape, then softmax at every position',
    [12],
    [dense(12, 'tanh'), { type: 'reshape', targetShape: [3, 4] }, dense(5, 'softmax')],
    { learningRate: 0.02 },
  ),
  // 3 x 3 over channels in fours: Winograd's products
  net(
    'conv2d of 3 x 3 over many channels',
    [11, 9, 8],
    [
      conv(12, 3, { activation: 'relu', padding: 'same' }),
      conv(16, 3, { activation: 'tanh' }),
      flatten,
      dense(3, 'softmax'),
    ],
    { ...FAR, learningRate: 0.01, samples: 4 },
  ),
  net(
    'conv2d of 3 x 3 over more channels than 64',
    [3, 4, 68],
    [
      conv(72, 3, { activation: 'relu', padding: 'same' }),
      conv(8, 3, { activation: 'relu' }),
      flatten,
      dense(4, 'softmax'),
    ],
    { ...FAR, learningRate: 0.001, samples: 2 },
  ),
  net('rows of a map as targets', [5, 4, 2], [conv(3, 3, { padding: 'same' })], {
    y: 'rows',
    loss: 'meanSquaredError',
    learningRate: 0.01,
  }),
  net(
    'reshape to a picture',
    [24],
    [
      { type: 'reshape', targetShape: [4, 3, 2] },
      conv(4, 2, { activation: 'relu' }),
      flatten,
      dense(2, 'softmax'),
    ],
  ),
  net(
    'dense on the last axis of three',
    [4, 3, 5],
    [dense(6, 'relu'), flatten, dense(3, 'softmax')],
  ),
  net(
    'dropout of rate 0',
    [6],
    [dense(8, 'relu'), { type: 'dropout', rate: 0 }, dense(3, 'softmax')],
  ),
  net(
    'no bias anywhere',
    [6],
    [dense(8, 'relu', { useBias: false }), dense(3, 'softmax', { useBias: false })],
  ),
  net(
    'bytes, scaled and moved',
    [6, 6, 1],
    [conv(4, 3, { activation: 'relu' }), flatten, dense(3, 'softmax')],
    { bytes: true, inputScale: 1 / 127.5, inputOffset: -1 },
  ),
  net(
    'the digit network, small',
    [12, 12, 1],
    [
      conv(8, 3, { activation: 'relu' }),
      { type: 'maxPooling2d', poolSize: 2 },
      conv(16, 3, { activation: 'relu' }),
      { type: 'averagePooling2d', poolSize: 2, strides: 1 },
      flatten,
      dense(10, 'softmax'),
    ],
    { samples: 9, bytes: true, inputScale: 1 / 255 },
  ),
  net(
    'wide enough for every tile and its rest',
    [37],
    [dense(67, 'relu'), dense(131, 'tanh'), dense(11, 'softmax')],
    { samples: 70 },
  ),
];

const RECURRENT = ['lstm', 'gru'];
const GATE_ACTIVATIONS = [
  'linear',
  'relu',
  'leakyRelu',
  'elu',
  'selu',
  'sigmoid',
  'tanh',
  'softplus',
  'relu6',
  'hardSigmoid',
  'softsign',
];

const recurrent = RECURRENT.flatMap((type) => [
  net(`${type} over time`, [9, 4], [{ type, units: 11 }, dense(3, 'softmax')], FAR),
  net(
    `${type}, adam, more samples than a block`,
    [12, 5],
    [{ type, units: 19 }, dense(4, 'softmax')],
    { samples: 37 },
  ),
  net(
    `${type}, stacked`,
    [7, 3],
    [
      { type, units: 8, returnSequences: true },
      { type, units: 5, returnSequences: true },
      { type, units: 6 },
      dense(3, 'softmax'),
    ],
    FAR,
  ),
  net(
    `${type}, a class for every step`,
    [6, 3],
    [{ type, units: 7, returnSequences: true }, dense(4, 'softmax')],
    FAR,
  ),
  net(
    `${type}, a sequence as the prediction`,
    [5, 3],
    [dense(4, 'tanh'), { type, units: 2, returnSequences: true }],
    { y: 'rows', ...FAR },
  ),
  net(
    `${type} without bias, one step`,
    [1, 6],
    [{ type, units: 9, useBias: false }, dense(3, 'softmax')],
    FAR,
  ),
  net(`${type}, wide`, [2, 6], [{ type, units: 290 }, dense(3, 'softmax')], { samples: 9 }),
  ...GATE_ACTIVATIONS.map((activation, i) => {
    const recurrentActivation = GATE_ACTIVATIONS[(3 * i + 5) % GATE_ACTIVATIONS.length];
    return net(
      `${type}, ${activation} with ${recurrentActivation}`,
      [4, 3],
      [{ type, units: 6, activation, recurrentActivation }, dense(3, 'softmax')],
      FAR,
    );
  }),
]);

export const LISTS = [
  ...activations,
  ...activationLayers,
  ...convolutions,
  ...pools,
  ...optimizers,
  ...losses,
  ...shapes,
  ...recurrent,
];
