/* ops.js: TensorFlow.js, and what its layers here are made of: activations, windows over two axes,
 * constant maps.
 *
 * TF.js's public operations with its own gradients. Where it lacks an operation, or its gradient is
 * wrong or missing, it is written from operations whose gradients are right, and the line says why.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url); // its ES modules do not load in Node
const tf = require('@tensorflow/tfjs');
await tf.setBackend('cpu');
export { tf };

const LEAK = 0.3;

export const ACTIVATION = {
  linear: (x) => x,
  relu: tf.relu,
  relu6: tf.relu6,
  leakyRelu: (x) => tf.leakyRelu(x, LEAK),
  elu: tf.elu,
  selu: tf.selu,
  gelu: (x) => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))),
  sigmoid: tf.sigmoid,
  // Keras 3's: TF.js's layers have an older one
  hardSigmoid: (x) => tf.div(tf.relu6(tf.add(x, 3)), 6),
  tanh: tf.tanh,
  softplus: tf.softplus,
  softsign: (x) => tf.div(x, tf.add(1, tf.mul(x, tf.sign(x)))),
  exponential: tf.exp,
  swish: (x) => tf.mul(x, tf.sigmoid(x)),
  mish: (x) => tf.mul(x, tf.tanh(tf.softplus(x))),
  softmax: (x) => tf.softmax(x),
};

export const pair = (value) => (Array.isArray(value) ? value : [value, value]);

/** |x| with the derivative 0 at 0, where TF.js's own has -1. */
export const magnitude = (x) => tf.mul(x, tf.sign(x));

/** x (..., k) times a matrix (k, m), as one product of matrices. */
export function timesMatrix(x, matrix) {
  const flat = tf.matMul(tf.reshape(x, [-1, matrix.shape[0]]), matrix);
  return tf.reshape(flat, [...x.shape.slice(0, -1), matrix.shape[1]]);
}

const order = (x, axis) =>
  x.shape
    .map((_, i) => i)
    .filter((i) => i !== axis)
    .concat(axis);

/** x with one axis brought to the end. */
export const withLast = (x, axis) => tf.transpose(x, order(x, axis));

/** x with the axis brought to the end, mapped there by `f`, and brought back. */
function alongAxis(x, axis, f) {
  const to = order(x, axis);
  return tf.transpose(
    f(withLast(x, axis)),
    to.map((_, i) => to.indexOf(i)),
  );
}

/** A kernel with holes, because TF.js has no gradient of dilated convolutions. */
export function dilated(kernel, [dh, dw]) {
  if (dh === 1 && dw === 1) return kernel;
  const [h, w, c, f] = kernel.shape;
  const spread = tf.pad(tf.reshape(kernel, [h, 1, w, 1, c * f]), [
    [0, 0],
    [0, dh - 1],
    [0, 0],
    [0, dw - 1],
    [0, 0],
  ]);
  return tf.slice(tf.reshape(spread, [h * dh, w * dw, c, f]), 0, [
    (h - 1) * dh + 1,
    (w - 1) * dw + 1,
    c,
    f,
  ]);
}

/** Group g of the filters sees group g of the channels. */
export function convolution(x, kernel, strides, padding, dilation, groups) {
  const wide = dilated(kernel, dilation);
  if (groups === 1) return tf.conv2d(x, wide, strides, padding);
  const [xs, kernels] = [tf.split(x, groups, 3), tf.split(wide, groups, 3)];
  return tf.concat(
    xs.map((part, g) => tf.conv2d(part, kernels[g], strides, padding)),
    3,
  );
}

/**
 * Keras's transposed convolution: every input cell lays the kernel over the output, of which `size`
 * cells are kept from `before` on; those that no kernel reaches are zero. Kernel (h, w, filters,
 * channels).
 */
export function transposedConvolution(x, kernel, strides, windows, dilation) {
  const wide = dilated(kernel, dilation);
  const [n, ...cells] = x.shape;
  const whole = [0, 1].map((i) => (cells[i] - 1) * strides[i] + wide.shape[i]);
  const all = tf.conv2dTranspose(x, wide, [n, ...whole, wide.shape[2]], strides, 'valid');
  const after = windows.map(({ before, size }, i) => Math.max(before + size - whole[i], 0));
  const room = tf.pad(all, [
    [0, 0],
    [0, after[0]],
    [0, after[1]],
    [0, 0],
  ]);
  const [v, h] = windows;
  return tf.slice(room, [0, v.before, h.before, 0], [n, v.size, h.size, wide.shape[2]]);
}

/**
 * With padding 'same' TF.js's own gradient divides by the whole window instead of the cells that
 * are there.
 */
export function averagePool(x, size, strides, padding) {
  if (padding === 'valid') return tf.avgPool(x, size, strides, padding);
  const ones = tf.ones([...size, x.shape[3], 1]);
  const sum = tf.depthwiseConv2d(x, ones, strides, padding);
  return tf.div(sum, tf.depthwiseConv2d(tf.onesLike(x), ones, strides, padding));
}

/** The matrix (cells, cells * times) of linear interpolation with half-pixel centers. */
function interpolation(cells, times) {
  const rows = Array.from({ length: cells }, () => new Array(cells * times).fill(0));
  for (let to = 0; to < cells * times; to++) {
    const at = Math.min(Math.max((to + 0.5) / times - 0.5, 0), cells - 1);
    const low = Math.floor(at);
    rows[low][to] += 1 - (at - low);
    if (at > low) rows[low + 1][to] += at - low;
  }
  return tf.tensor2d(rows);
}

/** TF.js's gradient of resizeBilinear knows no half-pixel centers: two products with constants. */
export const bilinear = (x, times) =>
  [1, 2].reduce(
    (y, axis, i) =>
      alongAxis(y, axis, (z) => timesMatrix(z, interpolation(y.shape[axis], times[i]))),
    x,
  );

export function nearest(x, [th, tw]) {
  const [n, h, w, c] = x.shape;
  const wide = tf.tile(tf.reshape(x, [n * h, w, 1, c]), [1, 1, tw, 1]);
  return tf.reshape(tf.tile(tf.reshape(wide, [n * h, 1, w * tw * c]), [1, th, 1]), [
    n,
    h * th,
    w * tw,
    c,
  ]);
}

/** Mean and variance over axes, kept as axes of 1; the variance is the biased one. */
export function moments(x, axes) {
  const mean = tf.mean(x, axes, true);
  return { mean, variance: tf.mean(tf.square(tf.sub(x, mean)), axes, true) };
}

export const standardized = (x, { mean, variance }, epsilon) =>
  tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, epsilon)));
