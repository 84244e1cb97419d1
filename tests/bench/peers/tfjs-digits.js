/* tfjs-digits.js: the digit network in TensorFlow.js, for whoever has loaded it as the global `tf`.
 *
 * Its cpu backend: the only one that trains convolutions in any worker. The data are the same bytes
 * as ours, scaled once before the clock runs. */

/* global tf */

/** @returns {Promise<any>} a compiled model */
export async function createModel() {
  await tf.setBackend('cpu');
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [28, 28, 1], filters: 8, kernelSize: 3, activation: 'relu' }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.conv2d({ filters: 16, kernelSize: 3, activation: 'relu' }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 10, activation: 'softmax' }),
    ],
  });
  model.compile({
    optimizer: tf.train.adam(0.001),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  });
  return model;
}

/**
 * @param {any} model
 * @param {{ x: Uint8Array, y: Int32Array, epochs: number }} data
 * @returns {Promise<number>} seconds that fit() took
 */
export async function train(model, { x, y, epochs }) {
  const xs = tf.tensor4d(
    Float32Array.from(x, (byte) => byte / 255),
    [y.length, 28, 28, 1],
  );
  const ys = tf.tensor1d(Float32Array.from(y));
  const start = performance.now();
  await model.fit(xs, ys, { epochs, batchSize: 32, shuffle: true, verbose: 0 });
  const seconds = (performance.now() - start) / 1000;
  tf.dispose([xs, ys]);
  return seconds;
}

/**
 * In a worker: says 'ready' when the model stands, then trains on what is sent.
 * @param {(message: any) => void} say
 * @param {(heard: (message: any) => void) => void} listen
 */
export async function serve(say, listen) {
  const model = createModel();
  listen(async (message) => say({ seconds: await train(await model, message) }));
  await model;
  say('ready');
}
