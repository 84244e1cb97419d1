/* tfjs.js: TensorFlow.js as a contender: a layers model and an optimizer, nothing read but the
 * loss.
 *
 * `minimize()` tidies what it makes; the loss of a step is let go of at the next. The logits go to
 * the loss, which takes the softmax itself. The batches are tensors before the clock runs. */

import { batchesOf, initialWeights } from '../workloads.mjs';
import { loadTensorflow } from './tensorflow.js';
import { ownLayers } from './tfjs-layers.js';

/** @param {any} tf @param {{ type: string, [field: string]: any }} layer @param {object} more */
function layerOf(tf, { type, ...fields }, more) {
  // Its default is a hard sigmoid, Keras's is this
  const own = type === 'lstm' ? { recurrentActivation: 'sigmoid' } : {};
  const ready = { ...tf.layers, ...ownLayers(tf) };
  if (!ready[type]) throw new Error(`TF.js has no layer ${type}`);
  return ready[type]({ ...fields, ...own, ...more });
}

/**
 * A layers model by names, or in a row.
 * @param {any} tf
 * @param {import('../workloads.mjs').Workload} workload
 */
function modelOf(tf, { spec: { inputShape, layers } }) {
  const input = tf.input({ shape: inputShape });
  /** @type {Record<string, any>} */
  const named = {};
  let last = input;
  const made = layers.map(({ name, input: from, ...fields }, i) => {
    const layer = layerOf(tf, fields, i === layers.length - 1 ? { activation: 'linear' } : {});
    const inputs =
      from === undefined ? last : [from].flat().map((/** @type {string} */ each) => named[each]);
    last = layer.apply(Array.isArray(inputs) && inputs.length === 1 ? inputs[0] : inputs);
    if (name) named[name] = last;
    return layer;
  });
  return { model: tf.model({ inputs: input, outputs: last }), made };
}

/**
 * @param {import('../workloads.mjs').Workload} workload
 * @param {{ backend: 'cpu' | 'wasm' }} options
 */
export async function open(workload, { backend }) {
  const tf = await loadTensorflow(backend);
  const { spec, batch } = workload;
  const { model, made } = modelOf(tf, workload);
  const initial = initialWeights(spec).map(({ data, shape }) => tf.tensor(data, shape));
  for (const layer of made) layer.setWeights(initial.splice(0, layer.weights.length));
  const { classes, targets, batches } = batchesOf(workload);
  const rows = targets > 1 ? [batch, targets] : [batch];
  const xs = batches.map(({ x }) => tf.tensor(x, [batch, ...spec.inputShape]));
  const ys = batches.map(({ oneHot }) => tf.tensor(oneHot, [...rows, classes]));
  const { type, learningRate } = spec.optimizer;
  const optimizer = tf.train[type](learningRate);
  /** @type {any} */
  let loss;
  let steps = 0;
  return {
    about: backend === 'wasm' ? `${threadsOf(tf)} thread` : undefined,
    step() {
      const i = steps++ % batches.length;
      loss?.dispose();
      loss = optimizer.minimize(
        () => tf.losses.softmaxCrossEntropy(ys[i], model.apply(xs[i], { training: true })),
        true,
      );
    },
    read: async () => (await loss.data())[0],
  };
}

/** @param {any} tf @returns {number} that its wasm backend computes with */
const threadsOf = (tf) => tf.wasm?.getThreadsCount?.() ?? 1;
