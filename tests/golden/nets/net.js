/* net.js: what the tables of networks are written with.
 *
 * A net is { name, spec, samples, y, bytes?, weighted? }: `y` is the form of the targets, 'index'
 * or 'rows', of all outputs or by name. Nothing here computes what a network does. */

/* Where a net is trained far, by sgd: TF.js's Adam takes 1 - 0.999 from single precision, so its
 * steps are too long by 6e-6, which moves a loss that falls quickly by more than the tolerance. */
export const FAR = { optimizer: { type: 'sgd', momentum: 0.9 }, learningRate: 0.05 };
export const dense = (units, activation, more) => ({
  type: 'dense',
  units,
  ...(activation && { activation }),
  ...more,
});
export const conv = (filters, kernelSize, more) => ({
  type: 'conv2d',
  filters,
  kernelSize,
  ...more,
});
export const flatten = { type: 'flatten' };
export const ACTIVATIONS = [
  'linear',
  'relu',
  'relu6',
  'leakyRelu',
  'elu',
  'selu',
  'gelu',
  'sigmoid',
  'hardSigmoid',
  'tanh',
  'softplus',
  'softsign',
  'exponential',
  'swish',
  'mish',
  'softmax',
];

export const net = (name, inputShape, layers, more = {}) => {
  const { y = 'index', samples = 12, bytes = false, weighted = false, ...fields } = more;
  return { name, spec: { inputShape, layers, seed: 3, ...fields }, samples, y, bytes, weighted };
};
