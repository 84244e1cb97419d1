/* joins.js: the layers of several inputs. Their form is that of layers.js. */
import { pair, tf, withLast } from './ops.js';

const all =
  (f) =>
  (_, fields, { inputs }) =>
    inputs.reduce((a, b) => f(a, b));

/**
 * All in one shape: TF.js's gradients of maximum and minimum do not sum over an axis of 1 that was
 * repeated.
 */
function spread(inputs) {
  const shape = inputs[0].shape.map((_, i) => Math.max(...inputs.map((x) => x.shape[i])));
  return inputs.map((x) => tf.add(x, tf.zeros(shape)));
}

/** A mask as 0 and 1 for every element of x. */
const wide = (mask, x) => tf.cast(tf.add(tf.expandDims(mask, -1), tf.zeros(x.shape)), 'bool');

/**
 * Keras: where one of two is masked the other is taken, where both are the first.
 * @param {(a: any, b: any) => any} f
 */
const kept =
  (f) =>
  (_, fields, { inputs, masks }) => {
    const values = spread(inputs);
    const hidden = masks.map((mask, i) => mask && wide(mask, values[i]));
    let [y, mask] = [values[0], hidden[0]];
    for (let i = 1; i < values.length; i++) {
      const x = hidden[i] ? tf.where(hidden[i], values[i], y) : values[i];
      y = f(mask ? tf.where(mask, y, x) : y, x);
      mask = mask && hidden[i] ? tf.logicalOr(mask, hidden[i]) : null;
    }
    return y;
  };

/** Keras: what is masked counts as 1, and where all are the product is 0. */
function multiply(_, fields, { inputs, masks }) {
  const values = spread(inputs);
  const shown = values.map((x, i) =>
    masks[i] ? tf.where(wide(masks[i], x), x, tf.onesLike(x)) : x,
  );
  const y = shown.reduce((a, b) => tf.mul(a, b));
  if (masks.includes(null)) return y;
  const any = masks.map((mask) => wide(mask, y)).reduce((a, b) => tf.logicalOr(a, b));
  return tf.where(any, y, tf.zerosLike(y));
}

const axisOf = (axis, x) => (axis < 0 ? axis + x.shape.length : axis);
const concatenate = (_, { axis = -1 }, { inputs }) => tf.concat(inputs, axisOf(axis, inputs[0]));

/**
 * Steps that are there: in any input, if all have masks; of a concatenation those of its parts, all
 * where one has none.
 */
export function maskOfJoin({ type, axis = -1 }, inputs, masks) {
  if (type === 'dot' || masks.every((mask) => !mask)) return null;
  if (type !== 'concatenate')
    return masks.includes(null) ? null : masks.reduce((a, b) => tf.maximum(a, b));
  const parts = inputs.map((x, i) =>
    masks[i] ? tf.cast(wide(masks[i], x), 'float32') : tf.ones(x.shape),
  );
  return tf.max(tf.concat(parts, axisOf(axis, inputs[0])), -1);
}

/** Over one axis of each, which Keras counts with the batch. */
function dot(_, { axes = -1, normalize = false }, { inputs }) {
  const [a, b] = inputs.map((x, i) => {
    const axis = pair(axes)[i];
    const ends = withLast(x, axisOf(axis, x));
    return normalize ? tf.div(ends, tf.sqrt(tf.sum(tf.square(ends), -1, true))) : ends;
  });
  const flat = [a, b].map((x) => tf.reshape(x, [x.shape[0], -1, x.shape[x.shape.length - 1]]));
  const rest = [...a.shape.slice(1, -1), ...b.shape.slice(1, -1)];
  return tf.reshape(tf.matMul(flat[0], flat[1], false, true), [
    a.shape[0],
    ...(rest.length ? rest : [1]),
  ]);
}

export const JOIN = {
  add: all(tf.add),
  subtract: all(tf.sub),
  multiply,
  average: (_, fields, { inputs }) =>
    tf.div(
      inputs.reduce((a, b) => tf.add(a, b)),
      inputs.length,
    ),
  maximum: kept(tf.maximum),
  minimum: kept(tf.minimum),
  concatenate,
  dot,
};
