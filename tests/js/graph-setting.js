/* graph-setting.js: for tests of graphs: a network with two inputs and two outputs, and data for
 * it. */

/** Fields of `change` in place of the spec's own. @param {any} [change] */
export const twoByTwo = (change = {}) => ({
  inputShape: { picture: [4, 4, 1], size: [3] },
  layers: [
    {
      type: 'conv2d',
      name: 'look',
      input: 'picture',
      filters: 2,
      kernelSize: 3,
      activation: 'relu',
    },
    { type: 'flatten' },
    {
      type: 'dense',
      name: 'weigh',
      input: 'size',
      units: 8,
      activation: 'tanh',
      kernelRegularizer: 'l2',
    },
    { type: 'add', input: ['flatten', 'weigh'] },
    { type: 'dropout', rate: 0.25 },
    { type: 'dense', name: 'kind', input: 'add', units: 3, activation: 'softmax' },
    { type: 'dense', name: 'price', input: 'dropout', units: 2 },
  ],
  outputs: ['kind', { name: 'price', loss: { type: 'huber', delta: 0.5 }, lossWeight: 0.25 }],
  labels: { kind: ['cup', 'hat', 'key'] },
  optimizer: { type: 'adam', learningRate: 0.01 },
  seed: 5,
  ...change,
});

/** @param {number} n samples */
export function twoByTwoData(n) {
  const wave = (/** @type {number} */ k) => (/** @type {any} */ _, /** @type {number} */ i) =>
    Math.sin(k * i);
  const picture = Float32Array.from({ length: 16 * n }, wave(1.3));
  const size = Float32Array.from({ length: 3 * n }, wave(0.7));
  const kind = Int32Array.from({ length: n }, (_, i) => (i * 7) % 3);
  const price = Float32Array.from({ length: 2 * n }, wave(0.4));
  return { x: { inputs: { picture, size } }, y: { outputs: { kind, price } } };
}

/**
 * The first of the samples that follow, as twoByTwoData() has them.
 * @param {any} data
 * @param {number} from
 * @param {number} to
 */
export function cut(
  {
    x: {
      inputs: { picture, size },
    },
    y: {
      outputs: { kind, price },
    },
  },
  from,
  to,
) {
  return {
    x: {
      inputs: { picture: picture.slice(16 * from, 16 * to), size: size.slice(3 * from, 3 * to) },
    },
    y: { outputs: { kind: kind.slice(from, to), price: price.slice(2 * from, 2 * to) } },
  };
}
