/* nets.js: the networks that are trained here and by an independent implementation: a table that has every
 * layer, activation, padding, loss and optimizer, and small networks drawn at random from a seed.
 *
 * Data are functions of a seed, the same everywhere. A net is { name, spec, samples, y, bytes?, rate? }: `y` is the
 * form of the targets, 'index' or 'rows'. Nothing here computes what a network does. */
import { numbers } from '../numbers.js';

const STEPS = 10;
/* Where a net is trained far, by sgd: TF.js's Adam takes 1 - 0.999 from single precision, so its steps are too long by
 * 6e-6, which moves a loss that falls quickly by more than the tolerance. */
const FAR = { optimizer: { type: 'sgd', momentum: 0.9 }, learningRate: 0.05 };
const dense = (units, activation, more) => ({ type: 'dense', units, ...(activation && { activation }), ...more });
const conv = (filters, kernelSize, more) => ({ type: 'conv2d', filters, kernelSize, ...more });
const flatten = { type: 'flatten' };
const ACTIVATIONS = ['linear', 'relu', 'leakyRelu', 'elu', 'selu', 'gelu', 'sigmoid', 'tanh', 'softplus', 'swish', 'softmax'];

const net = (name, inputShape, layers, more = {}) => {
  const { y = 'index', samples = 12, bytes = false, ...fields } = more;
  return { name, spec: { inputShape, layers, seed: 3, ...fields }, samples, y, bytes };
};

const activations = ACTIVATIONS.map((activation) =>
  net(`${activation} in dense and conv2d`, [6, 5, 2],
    [conv(4, 3, { activation }), flatten, dense(9, activation), dense(3, 'softmax')], { optimizer: 'adam' }));

const activationLayers = ACTIVATIONS.map((activation) =>
  net(`${activation} as a layer`, [7],
    [dense(10), { type: 'activation', activation }, dense(4), { type: 'activation', activation: 'softmax' }],
    FAR));

const windows = [
  ['valid', { padding: 'valid' }], ['same', { padding: 'same' }],
  ['valid, strides 2', { strides: 2 }], ['same, strides 2', { strides: 2, padding: 'same' }],
  ['same, strides [1, 3]', { strides: [1, 3], padding: 'same' }],
];

const convolutions = [
  ...windows, ['dilated', { dilationRate: 2 }], ['same, dilated [2, 1]', { dilationRate: [2, 1], padding: 'same' }],
  ['without bias', { useBias: false }],
].flatMap(([name, more]) => [3, [2, 3], 1].map((size) =>
  net(`conv2d ${JSON.stringify(size)} ${name}`, [9, 8, 3],
    [conv(5, size, { ...more, activation: 'tanh' }), conv(3, [2, 2], { activation: 'relu' }), flatten, dense(3, 'softmax')],
    { samples: 6, ...FAR })));

const pools = ['maxPooling2d', 'averagePooling2d'].flatMap((type) =>
  [...windows, ['its size as strides', {}]].flatMap(([name, more]) => [2, [3, 2]].map((poolSize) =>
    net(`${type} ${JSON.stringify(poolSize)} ${name}`, [7, 8, 2],
      [conv(3, 2, { activation: 'swish' }), { type, poolSize, ...more }, flatten, dense(3, 'softmax')],
      { samples: 6, ...FAR }))));

const optimizers = [
  ['sgd', 0.1], [{ type: 'sgd', momentum: 0.9 }, 0.05], [{ type: 'sgd', momentum: 0.8, nesterov: true }, 0.05],
  ['sgd', undefined], ['adam', undefined], [undefined, 0.02],
  [{ type: 'adam', beta1: 0.8, beta2: 0.95, epsilon: 1e-4 }, 0.01],
  ['adamw', undefined], [{ type: 'adamw', weightDecay: 0.2, beta1: 0.85, epsilon: 1e-6 }, 0.01],
].map(([optimizer, learningRate]) =>
  net(`optimizer ${JSON.stringify(optimizer) ?? 'by default'} ${learningRate ?? 'at its own rate'}`, [8],
    [dense(12, 'tanh'), dense(4, 'softmax')], { optimizer, learningRate, samples: 20 }));

const losses = [
  ['sparseCategoricalCrossentropy', 'softmax', 'index'], ['categoricalCrossentropy', 'softmax', 'rows'],
  ['sparseCategoricalCrossentropy', 'softmax', 'rows'], ['binaryCrossentropy', 'sigmoid', 'rows'],
  ['meanSquaredError', 'linear', 'rows'], ['meanSquaredError', 'sigmoid', 'rows'], ['meanSquaredError', 'softmax', 'rows'],
  ['meanAbsoluteError', 'linear', 'rows'], ['huber', 'linear', 'rows'], ['huber', 'gelu', 'rows'],
  [undefined, 'linear', 'rows'], [undefined, 'softmax', 'rows'], [undefined, 'sigmoid', 'rows'],
].flatMap(([loss, activation, y]) => [4, 1].filter((units) => units > 1 || activation !== 'softmax').map((units) =>
  net(`${loss ?? 'loss by default'} of ${units} ${activation}, ${y}`, [6], [dense(8, 'elu'), dense(units, activation)],
    { loss, y, samples: 15, learningRate: 0.02 })));

const shapes = [
  net('one sigmoid unit with class indices', [6], [dense(8, 'relu'), dense(1, 'sigmoid')], { learningRate: 0.02 }),
  net('reshape, then softmax at every position', [12],
    [dense(12, 'tanh'), { type: 'reshape', targetShape: [3, 4] }, dense(5, 'softmax')], { learningRate: 0.02 }),
  // 3 x 3 over channels in fours: Winograd's products
  net('conv2d of 3 x 3 over many channels', [11, 9, 8],
    [conv(12, 3, { activation: 'relu', padding: 'same' }), conv(16, 3, { activation: 'tanh' }), flatten, dense(3, 'softmax')], { ...FAR, learningRate: 0.01 }),
  net('conv2d of 3 x 3 over more channels than 64', [4, 5, 68],
    [conv(72, 3, { activation: 'relu', padding: 'same' }), conv(8, 3, { activation: 'relu' }), flatten, dense(4, 'softmax')], FAR),
  net('rows of a map as targets', [5, 4, 2], [conv(3, 3, { padding: 'same' })],
    { y: 'rows', loss: 'meanSquaredError', learningRate: 0.01 }),
  net('reshape to a picture', [24],
    [{ type: 'reshape', targetShape: [4, 3, 2] }, conv(4, 2, { activation: 'relu' }), flatten, dense(2, 'softmax')]),
  net('dense on the last axis of three', [4, 3, 5], [dense(6, 'relu'), flatten, dense(3, 'softmax')]),
  net('dropout of rate 0', [6], [dense(8, 'relu'), { type: 'dropout', rate: 0 }, dense(3, 'softmax')]),
  net('no bias anywhere', [6], [dense(8, 'relu', { useBias: false }), dense(3, 'softmax', { useBias: false })]),
  net('bytes, scaled and moved', [6, 6, 1], [conv(4, 3, { activation: 'relu' }), flatten, dense(3, 'softmax')],
    { bytes: true, inputScale: 1 / 127.5, inputOffset: -1 }),
  net('the digit network, small', [12, 12, 1],
    [conv(8, 3, { activation: 'relu' }), { type: 'maxPooling2d', poolSize: 2 },
      conv(16, 3, { activation: 'relu' }), { type: 'averagePooling2d', poolSize: 2, strides: 1 }, flatten, dense(10, 'softmax')],
    { samples: 32, bytes: true, inputScale: 1 / 255 }),
  net('wide enough for every tile and its rest', [37], [dense(67, 'relu'), dense(131, 'tanh'), dense(11, 'softmax')],
    { samples: 70 }),
];

const RECURRENT = ['lstm', 'gru'];
const GATE_ACTIVATIONS = ['linear', 'relu', 'leakyRelu', 'elu', 'selu', 'sigmoid', 'tanh', 'softplus'];

const recurrent = RECURRENT.flatMap((type) => [
  net(`${type} over time`, [9, 4], [{ type, units: 11 }, dense(3, 'softmax')], FAR),
  net(`${type}, adam, more samples than a block`, [12, 5], [{ type, units: 19 }, dense(4, 'softmax')], { samples: 37 }),
  net(`${type}, stacked`, [7, 3],
    [{ type, units: 8, returnSequences: true }, { type, units: 5, returnSequences: true }, { type, units: 6 }, dense(3, 'softmax')], FAR),
  net(`${type}, a class for every step`, [6, 3], [{ type, units: 7, returnSequences: true }, dense(4, 'softmax')], FAR),
  net(`${type}, a sequence as the prediction`, [5, 3], [dense(4, 'tanh'), { type, units: 2, returnSequences: true }], { y: 'rows', ...FAR }),
  net(`${type} without bias, one step`, [1, 6], [{ type, units: 9, useBias: false }, dense(3, 'softmax')], FAR),
  net(`${type}, wide`, [2, 6], [{ type, units: 290 }, dense(3, 'softmax')], { samples: 37 }),
  ...GATE_ACTIVATIONS.map((activation, i) => {
    const recurrentActivation = GATE_ACTIVATIONS[(3 * i + 5) % GATE_ACTIVATIONS.length];
    return net(`${type}, ${activation} with ${recurrentActivation}`, [4, 3],
      [{ type, units: 6, activation, recurrentActivation }, dense(3, 'softmax')], FAR);
  }),
]);

export const NETS = [
  ...activations, ...activationLayers, ...convolutions, ...pools, ...optimizers, ...losses, ...shapes, ...recurrent,
];

/* ---- at random ---- */

const pick = (next, list) => list[Math.floor(next() * list.length)];
const between = (next, low, high) => low + Math.floor(next() * (high - low + 1));
const HIDDEN = ACTIVATIONS.filter((activation) => activation !== 'softmax');

function windowAtRandom(next, [h, w], sizes) {
  const padding = pick(next, ['valid', 'same']);
  const size = [between(next, 1, Math.min(sizes, h)), between(next, 1, Math.min(sizes, w))];
  const strides = [between(next, 1, 2), between(next, 1, 2)];
  const out = [h, w].map((cells, i) =>
    (padding === 'same' ? Math.ceil(cells / strides[i]) : Math.floor((cells - size[i]) / strides[i]) + 1));
  return { size, strides, padding, out };
}

/** @param {number} seed */
export function netAtRandom(seed) {
  const next = numbers(seed * 7919 + 1);
  let cells = [between(next, 4, 10), between(next, 4, 10)];
  const inputShape = [...cells, between(next, 1, 3)];
  const layers = [];
  for (let i = between(next, 0, 3); i > 0; i--) {
    const isPool = next() < 0.4;
    const { size, strides, padding, out } = windowAtRandom(next, cells, isPool ? 3 : 4);
    cells = out;
    if (isPool) layers.push({ type: pick(next, ['maxPooling2d', 'averagePooling2d']), poolSize: size, strides, padding });
    else layers.push(conv(between(next, 1, 9), size, { strides, padding, useBias: next() < 0.8, activation: pick(next, HIDDEN) }));
  }
  layers.push(flatten);
  for (let i = between(next, 0, 2); i > 0; i--) layers.push(dense(between(next, 1, 20), pick(next, HIDDEN)));
  const [activation, loss, y] = pick(next, [
    ['softmax', undefined, 'index'], ['softmax', 'categoricalCrossentropy', 'rows'], ['sigmoid', undefined, 'rows'],
    ['linear', 'meanSquaredError', 'rows'], ['linear', 'huber', 'rows'], ['tanh', 'meanAbsoluteError', 'rows'],
  ]);
  layers.push(dense(between(next, activation === 'softmax' ? 2 : 1, 7), activation));
  const [optimizer, learningRate] = pick(next, [
    ['sgd', 0.05], [{ type: 'sgd', momentum: 0.9, nesterov: next() < 0.5 }, 0.02], ['adam', 0.002], ['adamw', 0.002],
  ]);
  return net(`at random ${seed}`, inputShape, layers, { loss, y, optimizer, learningRate, samples: between(next, 6, 21) });
}

/* ---- data ---- */

/**
 * @param {ReturnType<typeof net>} net
 * @param {{ outputShape: number[], outputs: number }} info  of the trainer made from it
 */
export function dataOf({ spec, samples, y, bytes }, { outputShape, outputs }) {
  const next = numbers(samples + 17);
  const inputs = spec.inputShape.reduce((a, b) => a * b, 1);
  const x = bytes ? new Uint8Array(samples * inputs) : new Float32Array(samples * inputs);
  for (let i = 0; i < x.length; i++) x[i] = bytes ? Math.floor(256 * next()) : 2 * next() - 1;
  const axis = outputShape[outputShape.length - 1];
  if (y === 'index') {
    const classes = Int32Array.from({ length: (samples * outputs) / axis }, () => Math.floor(next() * Math.max(axis, 2)));
    return { x, y: classes };
  }
  const last = spec.layers[spec.layers.length - 1].activation;
  const rows = new Float32Array(samples * outputs);
  for (let at = 0; at < rows.length; at += axis) {
    if (last === 'softmax') rows[at + Math.floor(next() * axis)] = 1;
    else for (let i = 0; i < axis; i++) rows[at + i] = last === 'sigmoid' ? Math.round(next()) : 3 * next() - 1.5;
  }
  return { x, y: rows };
}

/** The weights that both begin with: a model's own, but for biases, which would be zero and hide mistakes. */
export function beginWith(weights) {
  const next = numbers(99);
  return weights.map(({ name, shape, data }) => {
    const biased = name.endsWith('/bias') ? Float32Array.from(data, () => 0.4 * next() - 0.2) : data;
    return { name, shape, data: biased };
  });
}

export { STEPS };
