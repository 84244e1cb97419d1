/* losses.js: Keras's losses: one number for every position, over the last axis; then their mean.
 *
 * TF.js's own losses where it has them. Those of a softmax or a sigmoid are taken from the logits.
 */
import { magnitude, tf } from './ops.js';

const NONE = tf.Reduction.NONE;
const TINY = 1e-7;
const overLast = (x) => tf.mean(x, -1);
const flat = (x) => tf.reshape(x, [-1, x.shape[x.shape.length - 1]]);
/** Losses of rows, for targets of any rank. @param {(wanted: any, given: any) => any} f */
const byRows = (f) => (wanted, given) =>
  tf.reshape(f(flat(wanted), flat(given)), wanted.shape.slice(0, -1));
const inside = (x, low, high) => tf.clipByValue(x, low, high);

const softmaxCrossentropy = (wanted, logits, smoothing) =>
  byRows((w, z) => tf.losses.softmaxCrossEntropy(w, z, undefined, smoothing, NONE))(wanted, logits);

const smoothedTwo = (wanted, smoothing) => tf.add(tf.mul(wanted, 1 - smoothing), smoothing / 2);
const smoothedMany = (wanted, smoothing) =>
  tf.add(tf.mul(wanted, 1 - smoothing), smoothing / wanted.shape[wanted.shape.length - 1]);

const sigmoidCrossentropy = (wanted, logits) =>
  tf.losses.sigmoidCrossEntropy(wanted, logits, undefined, 0, NONE);

/** Lin et al. 2017, "Focal loss", section 3. */
function binaryFocal(
  wanted,
  { logits },
  { gamma = 2, alpha = 0.25, applyClassBalancing = false, labelSmoothing = 0 },
) {
  const t = smoothedTwo(wanted, labelSmoothing);
  const p = tf.sigmoid(logits);
  const hit = tf.add(tf.mul(t, p), tf.mul(tf.sub(1, t), tf.sub(1, p)));
  const each = tf.mul(tf.pow(tf.sub(1, hit), gamma), sigmoidCrossentropy(t, logits));
  const balance = tf.add(tf.mul(t, alpha), tf.mul(tf.sub(1, t), 1 - alpha));
  return overLast(applyClassBalancing ? tf.mul(balance, each) : each);
}

function categoricalFocal(wanted, { logits, y }, { gamma = 2, alpha = 0.25, labelSmoothing = 0 }) {
  const each = tf.mul(tf.neg(smoothedMany(wanted, labelSmoothing)), tf.logSoftmax(logits));
  return tf.sum(tf.mul(tf.mul(tf.pow(tf.sub(1, y), gamma), alpha), each), -1);
}

function kl(wanted, { y }) {
  const [t, p] = [inside(wanted, TINY, 1), inside(y, TINY, 1)];
  return tf.sum(tf.mul(t, tf.log(tf.div(t, p))), -1);
}

/** log(cosh(x)) by the softplus, as Keras has it: cosh itself overflows. */
function logCosh(wanted, { y }) {
  const error = tf.sub(y, wanted);
  return overLast(tf.sub(tf.add(error, tf.softplus(tf.mul(error, -2))), Math.LN2));
}

const unit = (x) => tf.div(x, tf.sqrt(tf.sum(tf.square(x), -1, true)));
const short = (wanted, y) => tf.relu(tf.sub(1, tf.mul(wanted, y)));

function categoricalHinge(wanted, { y }) {
  const [hit, missed] = [tf.sum(tf.mul(wanted, y), -1), tf.max(tf.mul(tf.sub(1, wanted), y), -1)];
  return tf.relu(tf.add(tf.sub(missed, hit), 1));
}

/** Every loss as (targets, { logits, y }, options) -> one number for each position. */
const LOSS = {
  categoricalCrossentropy: (wanted, { logits }, { labelSmoothing = 0 }) =>
    softmaxCrossentropy(wanted, logits, labelSmoothing),
  sparseCategoricalCrossentropy: (wanted, { logits }) => softmaxCrossentropy(wanted, logits, 0),
  binaryCrossentropy: (wanted, { logits }, { labelSmoothing = 0 }) =>
    overLast(sigmoidCrossentropy(smoothedTwo(wanted, labelSmoothing), logits)),
  meanSquaredError: (wanted, { y }) =>
    overLast(tf.losses.meanSquaredError(wanted, y, undefined, NONE)),
  meanAbsoluteError: (wanted, { y }) =>
    overLast(tf.losses.absoluteDifference(wanted, y, undefined, NONE)),
  meanAbsolutePercentageError: (wanted, { y }) =>
    overLast(tf.mul(100, magnitude(tf.div(tf.sub(wanted, y), tf.maximum(tf.abs(wanted), TINY))))),
  meanSquaredLogarithmicError: (wanted, { y }) =>
    overLast(
      tf.square(
        tf.sub(tf.log(tf.add(tf.maximum(y, TINY), 1)), tf.log(tf.add(tf.maximum(wanted, TINY), 1))),
      ),
    ),
  huber: (wanted, { y }, { delta = 1 }) =>
    overLast(tf.losses.huberLoss(wanted, y, undefined, delta, NONE)),
  logCosh,
  klDivergence: kl,
  poisson: (wanted, { y }) => overLast(tf.sub(y, tf.mul(wanted, tf.log(tf.add(y, TINY))))),
  cosineSimilarity: (wanted, { y }) => tf.neg(tf.sum(tf.mul(unit(wanted), unit(y)), -1)),
  hinge: (wanted, { y }) => overLast(short(wanted, y)),
  squaredHinge: (wanted, { y }) => overLast(tf.square(short(wanted, y))),
  categoricalHinge,
  binaryFocalCrossentropy: binaryFocal,
  categoricalFocalCrossentropy: categoricalFocal,
};

/**
 * The mean over all positions, of those that are not masked; a sample's weight multiplies its
 * losses, and the divisor stays the count.
 * @param {any} loss  a name or { type, ...options }
 * @param {any} wanted
 * @param {{ logits: any, y: any, mask: any }} given
 * @param {any} [weights]  (n)
 */
export function lossOf(loss, wanted, given, weights) {
  const { type, ...options } = typeof loss === 'string' ? { type: loss } : loss;
  const each = LOSS[type](wanted, given, options);
  const ones = new Array(each.shape.length - 1).fill(1);
  let terms = weights ? tf.mul(each, tf.reshape(weights, [-1, ...ones])) : each;
  if (!given.mask) return tf.mean(terms);
  terms = tf.mul(terms, given.mask);
  return tf.div(tf.sum(terms), tf.maximum(tf.sum(given.mask), 1));
}
