/* joins.js: the layers of several inputs. Their form is that of layers.js. */
import { pair, tf, withLast } from './ops.js';

/** TF.js's gradients of maximum and minimum do not sum over an axis of 1 that was spread: so it is spread before. */
const spread = (f) => (_, fields, { inputs }) => {
  const shape = inputs[0].shape.map((_n, i) => Math.max(...inputs.map((x) => x.shape[i])));
  return inputs.map((x) => tf.add(x, tf.zeros(shape))).reduce((a, b) => f(a, b));
};
const all = (f) => (_, fields, { inputs }) => inputs.reduce((a, b) => f(a, b));

/** Over one axis of each, which Keras counts with the batch. */
function dot(_, { axes = -1, normalize = false }, { inputs }) {
  const [a, b] = inputs.map((x, i) => {
    const axis = pair(axes)[i];
    const ends = withLast(x, axis < 0 ? axis + x.shape.length : axis);
    return normalize ? tf.div(ends, tf.sqrt(tf.sum(tf.square(ends), -1, true))) : ends;
  });
  const flat = [a, b].map((x) => tf.reshape(x, [x.shape[0], -1, x.shape[x.shape.length - 1]]));
  const rest = [...a.shape.slice(1, -1), ...b.shape.slice(1, -1)];
  return tf.reshape(tf.matMul(flat[0], flat[1], false, true), [a.shape[0], ...(rest.length ? rest : [1])]);
}

export const JOIN = {
  add: all(tf.add),
  subtract: all(tf.sub),
  multiply: all(tf.mul),
  average: (_, fields, { inputs }) => tf.div(inputs.reduce((a, b) => tf.add(a, b)), inputs.length),
  maximum: spread(tf.maximum),
  minimum: spread(tf.minimum),
  concatenate: (_, { axis = -1 }, { inputs }) => tf.concat(inputs, axis < 0 ? axis + inputs[0].shape.length : axis),
  dot,
};
