/* graph.js: a spec as a model of TensorFlow.js: who reads whom, masks, and which weight is whose.
 *
 * model(spec) walks the layers once over zeros and so learns every weight's shape; forward() walks
 * them with the weights at hand. */
import { activationOf, inputsOf, namedLayers, outputsOf } from '../specs.js';
import { JOIN, maskOfJoin } from './joins.js';
import { LAYER } from './layers.js';
import { NORMALIZATION } from './normalization.js';
import { ACTIVATION, tf } from './ops.js';
import { RECURRENT, SEQUENCE } from './sequences.js';

const COMPUTE = { ...LAYER, ...NORMALIZATION, ...SEQUENCE, ...JOIN, timeDistributed };

/** The inner layer at every step of the first axis, as one batch. */
function timeDistributed(x, { layer, trainable }, node) {
  const [n, steps, ...rest] = x.shape;
  const inner = { ...node, inputs: [tf.reshape(x, [n * steps, ...rest])], masks: [null] };
  const y = COMPUTE[layer.type](inner.inputs[0], { trainable, ...layer }, inner);
  return tf.reshape(y, [n, steps, ...y.shape.slice(1)]);
}

/* ---- masks ---- */

const KEEPS_MASK = new Set([
  'dense',
  'activation',
  'dropout',
  'gaussianNoise',
  'batchNormalization',
  'layerNormalization',
  'groupNormalization',
  'prelu',
  'softmax',
  'timeDistributed',
  'positionEmbedding',
  'multiHeadAttention',
]);

function maskOf(layer, inputs, masks) {
  const { type } = layer;
  if (type === 'embedding')
    return layer.maskZero ? tf.cast(tf.notEqual(inputs[0], 0), 'float32') : null;
  if (type in JOIN) return maskOfJoin(layer, inputs, masks);
  if (type in RECURRENT) return layer.returnSequences ? masks[0] : null;
  if (type === 'bidirectional') return layer.layer.returnSequences ? masks[0] : null;
  return KEEPS_MASK.has(type) ? masks[0] : null;
}

/* ---- weights ---- */

const FAMILY = (role) =>
  role
    .replace(/^(query|key|value|output)_/, '')
    .replace(/_kernel$/, '')
    .replace(/^moving_.*/, 'moving');

const REGULARIZER = { l1: { l1: 0.01 }, l2: { l2: 0.01 }, l1l2: { l1: 0.01, l2: 0.01 } };
const CONSTRAINT = { maxNorm: { maxNorm: 2, axis: 0 } };

/** One weight as its layer's fields have it. */
function declared(name, role, shape, fields, trainable) {
  const regularizer = fields[`${FAMILY(role)}Regularizer`];
  const constraint = fields[`${FAMILY(role)}Constraint`];
  return {
    name: `${name}/${role}`,
    role,
    shape,
    trainable: trainable && !role.startsWith('moving_'),
    regularizer: REGULARIZER[regularizer] ?? regularizer,
    constraint: CONSTRAINT[constraint] ?? (constraint && { ...CONSTRAINT.maxNorm, ...constraint }),
  };
}

/** The fields of the layer whose weights they are, and whether these are trained. */
function innermost(layer, trainable = true) {
  const trains = trainable && layer.trainable !== false;
  return layer.layer ? innermost(layer.layer, trains) : { fields: layer, trains };
}

const sameShape = (a, b) => a.length === b.length && a.every((size, i) => size === b[i]);

/**
 * Gives a layer its weights, in order: its own, or those of the layer that it is tied to; a dense
 * that is tied to an embedding has the table, transposed.
 * @param {any[]} list  of all weights; declares them where `declare`
 * @param {(i: number) => any} value
 */
function taker({ layer, name }, list, owners, declare, value) {
  const { fields, trains } = innermost(layer);
  const mine = owners.get(layer.tiedTo ?? name) ?? { type: layer.type, at: [] };
  if (!owners.has(name)) owners.set(name, layer.tiedTo ? { type: layer.type, at: [] } : mine);
  const own = owners.get(name);
  let taken = 0;
  return (role, shape) => {
    if (layer.tiedTo) {
      if (mine.type === 'embedding' && layer.type === 'dense' && role === 'kernel')
        return tf.transpose(value(mine.at[0]));
      if (mine.type === layer.type) return value(mine.at[taken++]);
    }
    if (declare) own.at.push(list.push(declared(name, role, shape, fields, trains)) - 1);
    const at = own.at[taken++];
    if (!sameShape(list[at].shape, shape)) throw new Error(`${list[at].name} changed its shape`);
    return value(at);
  };
}

/** @param {any} spec */
export function model(spec) {
  const layers = namedLayers(spec);
  const weights = [];
  const owners = new Map();

  /** Values of all layers by name: { logits, y, mask }. */
  const walk = (inputs, { declare = false, training = false, value, moves }) => {
    const at = new Map(Object.entries(inputs).map(([name, x]) => [name, { y: x, mask: null }]));
    for (const entry of layers) {
      const { layer, name, from } = entry;
      const read = from.map((source) => at.get(source));
      const x = read[0].y;
      const masks = read.map(({ mask }) => mask);
      const take = taker(entry, weights, owners, declare, value);
      const node = {
        inputs: read.map(({ y }) => y),
        masks,
        take,
        training,
        moves: (...what) => moves?.(`${name}/${what[0]}`, what[1], what[2]),
      };
      const logits = COMPUTE[layer.type](x, layer, node);
      const activation = activationOf(layer);
      at.set(name, {
        logits,
        y: ACTIVATION[activation](logits),
        mask: maskOf(layer, node.inputs, masks),
      });
    }
    return at;
  };

  const shapes = tf.tidy(() => {
    const zeros = Object.fromEntries(
      Object.entries(inputsOf(spec)).map(([name, shape]) => [name, tf.zeros([1, ...shape])]),
    );
    const at = walk(zeros, { declare: true, value: (i) => tf.zeros(weights[i].shape) });
    return new Map([...at].map(([name, { y }]) => [name, y.shape.slice(1)]));
  });
  return { layers, weights, shapes, outputs: outputsOf(spec), walk };
}

/**
 * The penalties of all regularized weights that are trained.
 * @param {any[]} weights
 * @param {any[]} values
 */
export function penalty(weights, values) {
  const terms = weights.flatMap(({ regularizer, trainable }, i) => {
    if (!regularizer || !trainable) return [];
    const { l1 = 0, l2 = 0 } = regularizer;
    const size = tf.mul(values[i], tf.sign(values[i])); // tf.abs has the derivative -1 at 0
    return [tf.add(tf.mul(l1, tf.sum(size)), tf.mul(l2, tf.sum(tf.square(values[i]))))];
  });
  return terms.reduce((sum, term) => tf.add(sum, term), tf.scalar(0));
}
