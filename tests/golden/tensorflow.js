/* tensorflow.js: TensorFlow.js trains a net of nets.js: the independent implementation.
 *
 * The forward pass is written with its public operations and its own gradients, losses and optimizers, so that
 * nothing of Offstage is in it: it reads the spec as DESIGN.md says it is meant, defaults included. Where TF.js
 * lacks something or is wrong the line says so. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url); // its ES modules do not load in Node
const tf = require('@tensorflow/tfjs');
await tf.setBackend('cpu');

const ACTIVATION = {
  linear: (x) => x,
  relu: tf.relu,
  leakyRelu: (x) => tf.leakyRelu(x, 0.3),
  elu: tf.elu,
  selu: tf.selu,
  gelu: (x) => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))),
  sigmoid: tf.sigmoid,
  tanh: tf.tanh,
  softplus: tf.softplus,
  swish: (x) => tf.mul(x, tf.sigmoid(x)),
  softmax: (x) => tf.softmax(x),
};

const pair = (value) => (Array.isArray(value) ? value : [value, value]);

/** A kernel with holes, because TF.js has no gradient of dilated convolutions. */
function dilated(kernel, [dh, dw]) {
  if (dh === 1 && dw === 1) return kernel;
  const [h, w, c, f] = kernel.shape;
  const spread = tf.pad(tf.reshape(kernel, [h, 1, w, 1, c * f]), [[0, 0], [0, dh - 1], [0, 0], [0, dw - 1], [0, 0]]);
  return tf.slice(tf.reshape(spread, [h * dh, w * dw, c, f]), 0, [(h - 1) * dh + 1, (w - 1) * dw + 1, c, f]);
}

/** With padding 'same' TF.js's own gradient divides by the whole window instead of the cells that are there. */
function averagePool(x, size, strides, padding) {
  if (padding === 'valid') return tf.avgPool(x, size, strides, padding);
  const ones = tf.ones([...size, x.shape[3], 1]);
  const sum = tf.depthwiseConv2d(x, ones, strides, padding);
  return tf.div(sum, tf.depthwiseConv2d(tf.onesLike(x), ones, strides, padding));
}

/** Applies `step` to every time step of x (n, steps, k) in turn. @param {(x: any) => any} step  gives the state to put out */
function overTime(x, sequences, step) {
  const [n, steps, k] = x.shape;
  const states = Array.from({ length: steps }, (_, t) => step(tf.reshape(tf.slice(x, [0, t, 0], [n, 1, k]), [n, k])));
  return sequences ? tf.stack(states, 1) : states[steps - 1];
}

/** The recurrent layers by Keras's formulas: TF.js's own gru has no reset after the product. */
const RECURRENT = {
  lstm(x, { activation = 'tanh', recurrentActivation = 'sigmoid', useBias = true, returnSequences }, take) {
    const [kernel, recurrent, bias] = [take(), take(), useBias ? take() : 0];
    let h = tf.zeros([x.shape[0], recurrent.shape[0]]);
    let c = h;
    const [act, gate] = [ACTIVATION[activation], ACTIVATION[recurrentActivation]];
    return overTime(x, returnSequences, (now) => {
      const z = tf.add(tf.add(tf.matMul(now, kernel), tf.matMul(h, recurrent)), bias);
      const [i, f, g, o] = tf.split(z, 4, 1);
      c = tf.add(tf.mul(gate(f), c), tf.mul(gate(i), act(g)));
      return (h = tf.mul(gate(o), act(c)));
    });
  },
  gru(x, { activation = 'tanh', recurrentActivation = 'sigmoid', useBias = true, returnSequences }, take) {
    const [kernel, recurrent, biases] = [take(), take(), useBias ? tf.unstack(take()) : [0, 0]];
    let h = tf.zeros([x.shape[0], recurrent.shape[0]]);
    const [act, gate] = [ACTIVATION[activation], ACTIVATION[recurrentActivation]];
    return overTime(x, returnSequences, (now) => {
      const [pz, pr, pg] = tf.split(tf.add(tf.matMul(now, kernel), biases[0]), 3, 1);
      const [qz, qr, qg] = tf.split(tf.add(tf.matMul(h, recurrent), biases[1]), 3, 1);
      const z = gate(tf.add(pz, qz));
      const g = act(tf.add(pg, tf.mul(gate(tf.add(pr, qr)), qg)));
      return (h = tf.add(tf.mul(z, h), tf.mul(tf.sub(1, z), g)));
    });
  },
};

const LAYER = {
  ...RECURRENT,
  dense(x, { useBias = true }, take) {
    const kernel = take();
    const flat = tf.matMul(tf.reshape(x, [-1, kernel.shape[0]]), kernel);
    const y = tf.reshape(flat, [...x.shape.slice(0, -1), kernel.shape[1]]);
    return useBias ? tf.add(y, take()) : y;
  },
  conv2d(x, { strides = 1, padding = 'valid', dilationRate = 1, useBias = true }, take) {
    const y = tf.conv2d(x, dilated(take(), pair(dilationRate)), pair(strides), padding);
    return useBias ? tf.add(y, take()) : y;
  },
  maxPooling2d: (x, { poolSize = 2, strides = poolSize, padding = 'valid' }) => tf.maxPool(x, pair(poolSize), pair(strides), padding),
  averagePooling2d: (x, { poolSize = 2, strides = poolSize, padding = 'valid' }) => averagePool(x, pair(poolSize), pair(strides), padding),
  flatten: (x) => tf.reshape(x, [x.shape[0], -1]),
  reshape: (x, { targetShape }) => tf.reshape(x, [x.shape[0], ...targetShape]),
  dropout: (x) => x, // of rate 0 only
  activation: (x) => x,
};

/** The last layer's values before its activation, and after it. */
function forward(spec, x, variables) {
  let at = 0;
  let logits = x;
  let y = x;
  for (const layer of spec.layers) {
    logits = LAYER[layer.type](y, layer, () => variables[at++]);
    y = layer.type in RECURRENT ? logits : ACTIVATION[layer.activation ?? 'linear'](logits);
  }
  return { logits, y };
}

const LOSS = {
  categoricalCrossentropy: (wanted, { logits }) => tf.losses.softmaxCrossEntropy(wanted, logits),
  sparseCategoricalCrossentropy: (wanted, { logits }) => tf.losses.softmaxCrossEntropy(wanted, logits),
  binaryCrossentropy: (wanted, { logits }) => tf.losses.sigmoidCrossEntropy(wanted, logits),
  meanSquaredError: (wanted, { y }) => tf.losses.meanSquaredError(wanted, y),
  meanAbsoluteError: (wanted, { y }) => tf.losses.absoluteDifference(wanted, y),
  huber: (wanted, { y }) => tf.losses.huberLoss(wanted, y),
};
const BY_DEFAULT = { softmax: 'categoricalCrossentropy', sigmoid: 'binaryCrossentropy' };

/** AdamW by hand on TF.js's gradients, in double: it has none. Loshchilov & Hutter 2019, as PyTorch has it. */
function adamw({ learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7, weightDecay = 0.004 }) {
  const moments = new Map();
  let t = 0;
  return {
    minimize(loss, _, variables) {
      const { value, grads } = tf.variableGrads(loss, variables);
      t++;
      for (const variable of variables) {
        const w = variable.dataSync();
        const g = grads[variable.name].dataSync();
        const [m, v] = moments.get(variable) ?? [new Float64Array(w.length), new Float64Array(w.length)];
        moments.set(variable, [m, v]);
        const after = Float32Array.from(w, (old, i) => {
          m[i] = beta1 * m[i] + (1 - beta1) * g[i];
          v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
          const step = m[i] / (1 - beta1 ** t) / (Math.sqrt(v[i] / (1 - beta2 ** t)) + epsilon);
          return old - learningRate * weightDecay * old - learningRate * step;
        });
        variable.assign(tf.tensor(after, variable.shape));
      }
      return value;
    },
    dispose() {},
  };
}

const OPTIMIZER = {
  sgd: ({ learningRate = 0.01, momentum = 0, nesterov = false }) =>
    (momentum > 0 ? tf.train.momentum(learningRate, momentum, nesterov) : tf.train.sgd(learningRate)),
  adam: ({ learningRate = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }) => tf.train.adam(learningRate, beta1, beta2, epsilon),
  adamw,
};

function optimizerOf({ optimizer = 'adam', learningRate }) {
  const given = typeof optimizer === 'string' ? { type: optimizer } : optimizer;
  return OPTIMIZER[given.type]({ ...given, ...(learningRate !== undefined && { learningRate }) });
}

/** Rows for class indices: one-hot, or the index itself for one sigmoid unit. */
function wantedRows(y, shape) {
  if (y instanceof Float32Array) return tf.tensor(y, shape);
  const axis = shape[shape.length - 1];
  if (axis === 1) return tf.tensor(Float32Array.from(y), shape);
  return tf.reshape(tf.cast(tf.oneHot(tf.tensor1d(y, 'int32'), axis), 'float32'), shape);
}

/**
 * What TF.js's own layer of that name gives for the given weights, where it has it.
 * @param {'lstm'} type @param {any} fields @param {{ shape: number[], data: Float32Array }[]} weights
 * @param {{ data: Float32Array, shape: number[] }} x
 */
export function ownLayer(type, fields, weights, x) {
  return tf.tidy(() => {
    const layer = tf.layers[type]({ recurrentActivation: 'sigmoid', ...fields });
    const input = tf.tensor(x.data, x.shape);
    layer.apply(input); // builds it
    layer.setWeights(weights.map(({ shape, data }) => tf.tensor(data.slice(), shape)));
    return layer.apply(input).dataSync();
  });
}

/**
 * Full-batch steps from the given weights.
 * @param {any} spec
 * @param {{ shape: number[], data: Float32Array }[]} weights
 * @param {{ x: Float32Array | Uint8Array, y: Float32Array | Int32Array, samples: number }} data
 * @param {number} steps
 * @returns {{ before: Float32Array, losses: number[], after: Float32Array }} predictions before and after
 */
export function trainWithTensorFlow(spec, weights, { x, y, samples }, steps) {
  return tf.tidy(() => {
    const { inputScale = 1, inputOffset = 0 } = spec;
    const values = x instanceof Uint8Array ? Float32Array.from(x, (value) => value * inputScale + inputOffset) : x;
    const inputs = tf.tensor(values, [samples, ...spec.inputShape]);
    const variables = weights.map(({ shape, data }) => tf.variable(tf.tensor(data.slice(), shape)));
    const predict = () => tf.tidy(() => forward(spec, inputs, variables).y.dataSync());
    const wanted = wantedRows(y, forward(spec, inputs, variables).y.shape);
    const { type, activation } = spec.layers.at(-1);
    const last = type in RECURRENT ? 'linear' : activation;
    const loss = LOSS[spec.loss ?? BY_DEFAULT[last] ?? 'meanSquaredError'];
    const optimizer = optimizerOf(spec);
    const before = predict();
    const losses = [];
    for (let i = 0; i < steps; i++) {
      losses.push(tf.tidy(() => optimizer.minimize(() => loss(wanted, forward(spec, inputs, variables)), true, variables).dataSync()[0]));
    }
    const after = predict();
    optimizer.dispose();
    for (const variable of variables) variable.dispose();
    return { before, losses, after };
  });
}
