/* sequences.js: the layers that know time: embeddings, recurrent layers, attention. Their form is
 * that of layers.js.
 *
 * A mask is (n, steps), 1 where a step is there. TF.js's own gru has no reset after the product,
 * and its layers differ from Keras 3 in defaults: the recurrent layers are by Keras's formulas. */
import { ACTIVATION, tf, timesMatrix } from './ops.js';

const lastOf = (x) => x.shape[x.shape.length - 1];
const row = (x, t) =>
  tf.reshape(tf.slice(x, [0, t, 0], [x.shape[0], 1, x.shape[2]]), [x.shape[0], x.shape[2]]);

/**
 * A recurrent layer as it goes through time, backwards where asked. `step` gives the states after a
 * step from those before it; a masked step keeps them. The first state is what is put out, and 0 at
 * masked steps where `zeroes`.
 * @param {any} x (n, steps, k) @param {any} mask @param {any} fields
 * @param {any[]} states @param {(now: any, states: any[]) => any[]} step
 */
function overTime(x, mask, { returnSequences = false, goBackwards = false }, states, step, zeroes) {
  const outputs = [];
  for (let i = 0; i < x.shape[1]; i++) {
    const t = goBackwards ? x.shape[1] - 1 - i : i;
    const after = step(row(x, t), states);
    const valid = mask && tf.slice(mask, [0, t], [x.shape[0], 1]);
    states = valid
      ? after.map((state, s) => tf.add(tf.mul(valid, state), tf.mul(tf.sub(1, valid), states[s])))
      : after;
    outputs.push(valid && zeroes ? tf.mul(valid, states[0]) : states[0]);
  }
  return returnSequences ? tf.stack(outputs, 1) : states[0];
}

/** The weights of a recurrent layer of so many gates, and the kernel's product with all steps. */
function prepared(x, { units, useBias = true }, take, gates, biasShape = [gates * units]) {
  const products = timesMatrix(x, take('kernel', [lastOf(x), gates * units]));
  const recurrent = take('recurrent_kernel', [units, gates * units]);
  const bias = useBias ? take('bias', biasShape) : tf.zeros(biasShape);
  return { products, recurrent, bias, zero: tf.zeros([x.shape[0], units]) };
}

function simpleRNN(x, fields, { take, masks: [mask], zeroes }) {
  const act = ACTIVATION[fields.activation ?? 'tanh'];
  const { products, recurrent, bias, zero } = prepared(x, fields, take, 1);
  return overTime(
    tf.add(products, bias),
    mask,
    fields,
    [zero],
    (now, [h]) => [act(tf.add(now, tf.matMul(h, recurrent)))],
    zeroes,
  );
}

function lstm(x, fields, { take, masks: [mask], zeroes }) {
  const [act, gate] = [
    ACTIVATION[fields.activation ?? 'tanh'],
    ACTIVATION[fields.recurrentActivation ?? 'sigmoid'],
  ];
  const { products, recurrent, bias, zero } = prepared(x, fields, take, 4);
  return overTime(
    tf.add(products, bias),
    mask,
    fields,
    [zero, zero],
    (now, [h, c]) => {
      const [i, f, g, o] = tf.split(tf.add(now, tf.matMul(h, recurrent)), 4, 1);
      const cell = tf.add(tf.mul(gate(f), c), tf.mul(gate(i), act(g)));
      return [tf.mul(gate(o), act(cell)), cell];
    },
    zeroes,
  );
}

function gru(x, fields, { take, masks: [mask], zeroes }) {
  const { units, resetAfter = true } = fields;
  const [act, gate] = [
    ACTIVATION[fields.activation ?? 'tanh'],
    ACTIVATION[fields.recurrentActivation ?? 'sigmoid'],
  ];
  const { products, recurrent, bias, zero } = prepared(
    x,
    fields,
    take,
    3,
    resetAfter ? [2, 3 * units] : [3 * units],
  );
  const [before, after] = resetAfter ? tf.unstack(bias) : [bias, tf.zeros([3 * units])];
  const parts = tf.split(recurrent, 3, 1);
  return overTime(
    tf.add(products, before),
    mask,
    fields,
    [zero],
    (now, [h]) => {
      const [xz, xr, xg] = tf.split(now, 3, 1);
      const [bz, br, bg] = tf.split(after, 3);
      const z = gate(tf.add(xz, tf.add(tf.matMul(h, parts[0]), bz)));
      const r = gate(tf.add(xr, tf.add(tf.matMul(h, parts[1]), br)));
      const back = resetAfter
        ? tf.mul(r, tf.add(tf.matMul(h, parts[2]), bg))
        : tf.matMul(tf.mul(r, h), parts[2]);
      return [tf.add(tf.mul(z, h), tf.mul(tf.sub(1, z), act(tf.add(xg, back))))];
    },
    zeroes,
  );
}

export const RECURRENT = { simpleRNN, lstm, gru };

const MERGE = {
  concat: (a, b) => tf.concat([a, b], a.shape.length - 1),
  sum: tf.add,
  mul: tf.mul,
  ave: (a, b) => tf.div(tf.add(a, b), 2),
};

/**
 * Keras's wrapper also makes its layers put out 0 at masked steps, where they put out sequences.
 */
function bidirectional(x, { layer, mergeMode = 'concat' }, node) {
  const run = RECURRENT[layer.type];
  const inner = { ...node, zeroes: layer.returnSequences };
  const forward = run(x, layer, inner);
  const backward = run(x, { ...layer, goBackwards: true }, inner);
  return MERGE[mergeMode](forward, layer.returnSequences ? tf.reverse(backward, 1) : backward);
}

function embedding(x, { inputDim, outputDim }, { take }) {
  const indices = tf.cast(tf.reshape(x, [-1]), 'int32');
  return tf.reshape(tf.gather(take('embeddings', [inputDim, outputDim]), indices), [
    ...x.shape,
    outputDim,
  ]);
}

function positionEmbedding(x, { sequenceLength }, { take }) {
  const [steps, width] = x.shape.slice(-2);
  return tf.add(x, tf.slice(take('embeddings', [sequenceLength, width]), [0, 0], [steps, width]));
}

/** One head's share of a projection: (n, t, d) by (d, heads, k) to (n, heads, t, k). */
function projected(x, role, size, { numHeads, useBias = true }, take) {
  const kernel = take(`${role}_kernel`, [lastOf(x), numHeads, size]);
  const flat = timesMatrix(x, tf.reshape(kernel, [lastOf(x), numHeads * size]));
  const all = useBias
    ? tf.add(flat, tf.reshape(take(`${role}_bias`, [numHeads, size]), [-1]))
    : flat;
  return tf.transpose(tf.reshape(all, [...x.shape.slice(0, 2), numHeads, size]), [0, 2, 1, 3]);
}

// Keras's: where a row hides everything, every position is as good as any other
const HIDDEN = -1e9;

/** 1 where a query may look at a key: (n or 1, 1, t, s), or nothing. */
function visible(query, value, [queryMask, valueMask, keyMask], causal) {
  const [t, s] = [query.shape[1], value.shape[1]];
  const parts = [];
  if (queryMask) parts.push(tf.reshape(queryMask, [-1, 1, t, 1]));
  for (const mask of [valueMask, keyMask]) if (mask) parts.push(tf.reshape(mask, [-1, 1, 1, s]));
  if (causal)
    parts.push(
      tf.tensor4d([
        [
          Array.from({ length: t }, (_, i) =>
            Array.from({ length: s }, (_, j) => (j <= i ? 1 : 0)),
          ),
        ],
      ]),
    );
  return parts.length ? parts.reduce((all, part) => tf.mul(all, part)) : null;
}

function multiHeadAttention(x, fields, { inputs, masks, take }) {
  const { numHeads, keyDim, valueDim = keyDim, useCausalMask = false, useBias = true } = fields;
  const [query, value = query, key = value] = inputs;
  const [queryMask, valueMask = queryMask, keyMask] = masks;
  const q = tf.mul(projected(query, 'query', keyDim, fields, take), 1 / Math.sqrt(keyDim));
  const k = projected(key, 'key', keyDim, fields, take);
  const v = projected(value, 'value', valueDim, fields, take);
  const seen = visible(query, value, [queryMask, valueMask, keyMask], useCausalMask);
  const scores = tf.matMul(q, k, false, true);
  const shares = tf.softmax(
    seen ? tf.add(tf.mul(scores, seen), tf.mul(tf.sub(1, seen), HIDDEN)) : scores,
  );
  const heads = tf.reshape(tf.transpose(tf.matMul(shares, v), [0, 2, 1, 3]), [
    ...query.shape.slice(0, 2),
    numHeads * valueDim,
  ]);
  const output = take('output_kernel', [numHeads, valueDim, lastOf(query)]);
  const y = timesMatrix(heads, tf.reshape(output, [numHeads * valueDim, lastOf(query)]));
  return useBias ? tf.add(y, take('output_bias', [lastOf(query)])) : y;
}

export const SEQUENCE = {
  ...RECURRENT,
  bidirectional,
  embedding,
  positionEmbedding,
  multiHeadAttention,
};
