/* tfjs.js: TensorFlow.js as a contender: a layers model and an optimizer, nothing read but the loss.
 *
 * `minimize()` tidies what it makes; the loss of a step is let go of at the next. The logits go to the loss, which
 * takes the softmax itself. The batches are tensors before the clock runs. */

import { batchesOf, initialWeights } from '../workloads.mjs';
import { loadTensorflow } from './tensorflow.js';

/** @param {any} tf @param {{ type: string, [field: string]: any }} layer @param {object} more */
function layerOf(tf, { type, ...fields }, more) {
  const own = type === 'lstm' ? { recurrentActivation: 'sigmoid' } : {}; // its default is a hard sigmoid, Keras's is this
  if (!tf.layers[type]) throw new Error(`TF.js has no layer ${type}`);
  return tf.layers[type]({ ...fields, ...own, ...more });
}

/** @param {any} tf @param {import('../workloads.mjs').Workload} workload */
function modelOf(tf, { spec: { inputShape, layers } }) {
  const last = layers.length - 1;
  const model = tf.sequential({
    layers: layers.map((layer, i) => layerOf(tf, layer, { ...(i === 0 && { inputShape }), ...(i === last && { activation: 'linear' }) })),
  });
  return model;
}

/** @param {import('../workloads.mjs').Workload} workload @param {{ backend: 'cpu' | 'wasm' }} options */
export async function open(workload, { backend }) {
  const tf = await loadTensorflow(backend);
  const { spec, batch } = workload;
  const model = modelOf(tf, workload);
  model.setWeights(initialWeights(spec).map(({ data, shape }) => tf.tensor(data, shape)));
  const { classes, batches } = batchesOf(workload);
  const xs = batches.map(({ x }) => tf.tensor(x, [batch, ...spec.inputShape]));
  const ys = batches.map(({ oneHot }) => tf.tensor(oneHot, [batch, classes]));
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
      loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(ys[i], model.apply(xs[i], { training: true })), true);
    },
    read: async () => (await loss.data())[0],
  };
}

/** @param {any} tf @returns {number} that its wasm backend computes with */
const threadsOf = (tf) => tf.wasm?.getThreadsCount?.() ?? 1;
