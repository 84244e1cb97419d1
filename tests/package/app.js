/* app.js: the app that is built in every way: it trains a small network in a worker, on two threads
 * and on the main thread, brings it back from storage, and tells where all that was and a hash of
 * the weights' bits. It knows the package by its name only. */

import { createTrainer, listTrainers, resumeTrainer } from 'offstage';

const SAMPLES = 96;
const SIDE = 8;

/** Squares of ink in one of four corners; which corner is the class. */
function data() {
  const x = new Uint8Array(SAMPLES * SIDE * SIDE);
  const y = new Uint8Array(SAMPLES);
  for (let i = 0; i < SAMPLES; i++) {
    y[i] = i % 4;
    for (let p = 0; p < (SIDE * SIDE) / 4; p++) {
      const row = (y[i] >> 1) * 4 + (p >> 2);
      const column = (y[i] & 1) * 4 + (p & 3);
      x[(i * SIDE + row) * SIDE + column] = (i * 37 + p * 11) % 256;
    }
  }
  return { x, y };
}

/** FNV-1a over the bytes of all weights. */
function hash(weights) {
  let sum = 0x811c9dc5;
  for (const { data } of weights) {
    for (const byte of new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
      sum = Math.imul(sum ^ byte, 0x01000193);
  }
  return (sum >>> 0).toString(16);
}

async function trainOnce(options) {
  const trainer = await createTrainer(
    {
      inputShape: [SIDE, SIDE, 1],
      layers: [
        { type: 'conv2d', filters: 16, kernelSize: 3, padding: 'same', activation: 'relu' },
        // Enough for two to have something to share
        { type: 'conv2d', filters: 16, kernelSize: 3, padding: 'same', activation: 'relu' },
        { type: 'maxPooling2d', poolSize: 2 },
        { type: 'flatten' },
        { type: 'dense', units: 4, activation: 'softmax' },
      ],
      learningRate: 0.005,
      inputScale: 1 / 255,
      seed: 7,
    },
    options,
  );
  const { x, y } = data();
  const name = `${options.mode}, ${options.threads}`;
  const { history, reason } = await trainer.fit(x, y, { epochs: 12, batchSize: 48, persist: name });
  const { accuracy } = await trainer.evaluate(x, y);
  const { mode, threads, reason: whyHere } = trainer.info;
  await trainer.dispose();
  const again = await resumeTrainer(name, options);
  const weights = hash(await again.getWeights());
  await again.dispose();
  const { storage } = (await listTrainers({ assets: options.assets })).find(
    (stored) => stored.name === name,
  );
  return { mode, threads, whyHere, reason, epochs: history.length, accuracy, weights, storage };
}

/** @param {object} [options]  of createTrainer, such as `assets` */
export async function train(options) {
  const ways = [{ mode: 'worker', threads: 1 }, { mode: 'worker', threads: 2 }, { mode: 'main' }];
  const results = [];
  for (const way of ways) results.push(await trainOnce({ ...options, ...way }));
  return results;
}
