/* layers.js: the layers with kernels, windows and shapes.
 *
 * A layer is (x, fields, node) -> its output before the activation that `activation` names. x is
 * the first input with the batch in front; node: { inputs, masks, take, training, moves }.
 * take(role, shape) gives the next weight, in Keras's order: its shape is what the layer expects of
 * it. The defaults are those of Keras. */
import {
  averagePool,
  bilinear,
  convolution,
  dilated,
  nearest,
  pair,
  tf,
  timesMatrix,
  transposedConvolution,
} from './ops.js';

const lastOf = (x) => x.shape[x.shape.length - 1];
const withBias = (y, { useBias = true }, take) =>
  useBias ? tf.add(y, take('bias', [lastOf(y)])) : y;

/** Something over (n, h, w, c) for (n, w, c). @param {(x: any) => any} f */
function asRow(x, f) {
  const [n, w, c] = x.shape;
  return tf.squeeze(f(tf.reshape(x, [n, 1, w, c])), [1]);
}

const one = (value) => (Array.isArray(value) ? value[0] : value);
const rowOf = (value) => [1, one(value)];

function conv1d(x, fields, { take }) {
  const {
    filters,
    kernelSize,
    strides = 1,
    padding = 'valid',
    dilationRate = 1,
    groups = 1,
  } = fields;
  const size = one(kernelSize);
  const c = x.shape[2];
  const kernel = take('kernel', [size, c / groups, filters]);
  const before = padding === 'causal' ? (size - 1) * one(dilationRate) : 0;
  const y = asRow(
    tf.pad(x, [
      [0, 0],
      [before, 0],
      [0, 0],
    ]),
    (row) =>
      convolution(
        row,
        tf.expandDims(kernel, 0),
        rowOf(strides),
        before ? 'valid' : padding.replace('causal', 'valid'),
        rowOf(dilationRate),
        groups,
      ),
  );
  return withBias(y, fields, take);
}

function conv2d(x, fields, { take }) {
  const {
    filters,
    kernelSize,
    strides = 1,
    padding = 'valid',
    dilationRate = 1,
    groups = 1,
  } = fields;
  const kernel = take('kernel', [...pair(kernelSize), lastOf(x) / groups, filters]);
  return withBias(
    convolution(x, kernel, pair(strides), padding, pair(dilationRate), groups),
    fields,
    take,
  );
}

function depthwise(
  x,
  { kernelSize, strides = 1, padding = 'valid', depthMultiplier = 1, dilationRate = 1 },
  take,
) {
  const kernel = take('depthwise_kernel', [...pair(kernelSize), lastOf(x), depthMultiplier]);
  return tf.depthwiseConv2d(x, dilated(kernel, pair(dilationRate)), pair(strides), padding);
}

const depthwiseConv2d = (x, fields, { take }) => withBias(depthwise(x, fields, take), fields, take);

function separableConv2d(x, fields, { take }) {
  const y = depthwise(x, fields, take);
  const pointwise = take('pointwise_kernel', [1, 1, lastOf(y), fields.filters]);
  return withBias(tf.conv2d(y, pointwise, 1, 'valid'), fields, take);
}

/**
 * Keras's rule for one axis, in the form that its JAX backend has: how much is kept, and from where
 * on.
 */
function transposedWindow(cells, size, stride, dilation, padding, outputPadding) {
  const k = (size - 1) * dilation + 1;
  if (padding === 'valid')
    return {
      before: 0,
      size: (cells - 1) * stride + k + (outputPadding ?? Math.max(stride - k, 0)),
    };
  const pads = outputPadding === undefined ? stride + k - 2 : k + (k % 2) - 2 + outputPadding;
  return {
    before: k - 1 - Math.min(Math.ceil(pads / 2), k - 1),
    size:
      outputPadding === undefined ? cells * stride : (cells - 1) * stride + (k % 2) + outputPadding,
  };
}

function conv2dTranspose(x, fields, { take }) {
  const {
    filters,
    kernelSize,
    strides = 1,
    padding = 'valid',
    outputPadding,
    dilationRate = 1,
  } = fields;
  const [sizes, steps, holes, extra] = [kernelSize, strides, dilationRate, outputPadding].map(pair);
  const kernel = take('kernel', [...sizes, filters, lastOf(x)]);
  const windows = [0, 1].map((i) =>
    transposedWindow(x.shape[i + 1], sizes[i], steps[i], holes[i], padding, extra[i]),
  );
  return withBias(transposedConvolution(x, kernel, steps, windows, holes), fields, take);
}

/** @param {(x: any, size: number[], strides: number[], padding: string) => any} f */
const pooling2d =
  (f) =>
  (x, { poolSize = 2, strides = poolSize, padding = 'valid' }) =>
    f(x, pair(poolSize), pair(strides), padding);
const pooling1d =
  (f) =>
  (x, { poolSize = 2, strides = poolSize, padding = 'valid' }) =>
    asRow(x, (row) => f(row, rowOf(poolSize), rowOf(strides), padding));

/**
 * By a window as large as the plane: TF.js's gradient of max gives all of it to each of several
 * that are equal.
 */
function globalMax(x, { keepDims = false }) {
  const [n, ...rest] = x.shape;
  const [h, w, c] = rest.length === 2 ? [1, ...rest] : rest;
  const y = tf.maxPool(tf.reshape(x, [n, h, w, c]), [h, w], 1, 'valid');
  return tf.reshape(y, keepDims ? [n, ...rest.slice(0, -1).map(() => 1), c] : [n, c]);
}

function globalAveragePooling1d(x, { keepDims = false }, { masks: [mask] }) {
  if (!mask) return tf.mean(x, 1, keepDims);
  const weights = tf.expandDims(mask, 2);
  return tf.div(tf.sum(tf.mul(x, weights), 1, keepDims), tf.sum(weights, 1, keepDims));
}

const sides = (value) => pair(value).map((side) => (Array.isArray(side) ? side : [side, side]));

function cropping2d(x, { cropping = 0 }) {
  const [[t, b], [l, r]] = sides(cropping);
  const [n, h, w, c] = x.shape;
  return tf.slice(x, [0, t, l, 0], [n, h - t - b, w - l - r, c]);
}

function prelu(x, { sharedAxes = [] }, { take }) {
  const alpha = take(
    'alpha',
    x.shape.slice(1).map((cells, i) => (sharedAxes.includes(i + 1) ? 1 : cells)),
  );
  return tf.sub(tf.relu(x), tf.mul(alpha, tf.relu(tf.neg(x))));
}

const same = (x) => x;

export const LAYER = {
  dense: (x, fields, { take }) =>
    withBias(timesMatrix(x, take('kernel', [lastOf(x), fields.units])), fields, take),
  conv1d,
  conv2d,
  depthwiseConv2d,
  separableConv2d,
  conv2dTranspose,
  maxPooling1d: pooling1d(tf.maxPool),
  maxPooling2d: pooling2d(tf.maxPool),
  averagePooling1d: pooling1d(averagePool),
  averagePooling2d: pooling2d(averagePool),
  globalMaxPooling1d: globalMax,
  globalMaxPooling2d: globalMax,
  globalAveragePooling1d,
  globalAveragePooling2d: (x, { keepDims = false }) => tf.mean(x, [1, 2], keepDims),
  upSampling2d: (x, { size = 2, interpolation = 'nearest' }) =>
    ({ nearest, bilinear })[interpolation](x, pair(size)),
  zeroPadding2d: (x, { padding = 1 }) => tf.pad(x, [[0, 0], ...sides(padding), [0, 0]]),
  cropping2d,
  permute: (x, { dims }) => tf.transpose(x, [0, ...dims]),
  repeatVector: (x, { n }) => tf.tile(tf.expandDims(x, 1), [1, n, 1]),
  flatten: (x) => tf.reshape(x, [x.shape[0], -1]),
  reshape: (x, { targetShape }) => tf.reshape(x, [x.shape[0], ...targetShape]),
  rescaling: (x, { scale, offset = 0 }) => tf.add(tf.mul(x, scale), offset),
  prelu,
  activation: same,
  softmax: same, // as an activation
  // of rate 0 only: what is drawn at random is nobody else's
  dropout: same,
  spatialDropout2d: same,
  gaussianNoise: same,
};
