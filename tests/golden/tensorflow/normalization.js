/* normalization.js: the layers that subtract a mean and divide by a deviation. Their form is that
 * of layers.js. */
import { moments, standardized, tf } from './ops.js';

const EPSILON = 0.001;
const lastOf = (x) => x.shape[x.shape.length - 1];

/** By gamma and beta, of the last axis. */
function scaled(x, { center = true, scale = true }, take) {
  const y = scale ? tf.mul(x, take('gamma', [lastOf(x)])) : x;
  return center ? tf.add(y, take('beta', [lastOf(x)])) : y;
}

/** Of what is not masked, as Keras counts it. */
function momentsOf(x, shown, axes) {
  const average = (values) =>
    tf.div(tf.sum(tf.mul(values, shown), axes, true), tf.add(tf.sum(shown), 1e-7));
  const mean = average(x);
  return { mean, variance: average(tf.square(tf.sub(x, mean))) };
}

/**
 * The batch's own statistics where it trains, which move the moving ones; those where it is frozen
 * or predicts.
 */
function batchNormalization(x, fields, { take, training, moves, masks: [mask] }) {
  const { momentum = 0.99, epsilon = EPSILON, trainable = true } = fields;
  const channels = [lastOf(x)];
  const early = {};
  for (const role of ['gamma', 'beta'])
    early[role] =
      fields[role === 'gamma' ? 'scale' : 'center'] === false ? null : take(role, channels);
  const moving = {
    mean: take('moving_mean', channels),
    variance: take('moving_variance', channels),
  };
  const next = (role) => early[role];
  if (!training || !trainable) return scaled(standardized(x, moving, epsilon), fields, next);
  const axes = x.shape.map((_, i) => i).slice(0, -1);
  const own = mask ? momentsOf(x, tf.expandDims(mask, -1), axes) : moments(x, axes);
  moves('moving_mean', tf.reshape(own.mean, channels), momentum);
  moves('moving_variance', tf.reshape(own.variance, channels), momentum);
  return scaled(standardized(x, own, epsilon), fields, next);
}

const layerNormalization = (x, fields, { take }) =>
  scaled(
    standardized(x, moments(x, [x.shape.length - 1]), fields.epsilon ?? EPSILON),
    fields,
    take,
  );

/** One mean for all positions and channels of a group, of one sample. */
function groupNormalization(x, fields, { take }) {
  const { groups = 32, epsilon = EPSILON } = fields;
  const grouped = tf.reshape(x, [x.shape[0], -1, groups, lastOf(x) / groups]);
  return scaled(
    tf.reshape(standardized(grouped, moments(grouped, [1, 3]), epsilon), x.shape),
    fields,
    take,
  );
}

/** By given constants: one, or one for each channel. */
function normalization(x, { mean, variance }) {
  const deviation = [variance].flat().map((value) => Math.max(Math.sqrt(value), 1e-7));
  return tf.div(tf.sub(x, tf.tensor1d([mean].flat())), tf.tensor1d(deviation));
}

export const NORMALIZATION = {
  batchNormalization,
  layerNormalization,
  groupNormalization,
  normalization,
};
