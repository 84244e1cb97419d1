/* startup.js: times the starts of workers in a page or in Node. */

import { createTrainer } from '../../../web/index.js';
import { DIGITS } from '../workloads.mjs';
import { openTensorflow, openWire } from './wire.js';

const BUILT = '../../../wasm-build/dist/index.js'; // of which no types are known

/** What an app has loaded before it asks: the API, of the checkout and of the package. */
export const load = async () => void (await import(BUILT));

/** @param {typeof createTrainer} create @returns {Promise<number>} ms to its model */
async function time(create) {
  const start = performance.now();
  const trainer = await create(DIGITS, { mode: 'worker' });
  const taken = performance.now() - start;
  await trainer.dispose();
  return taken;
}

/** The files of the checkout, one by one. */
export const timeTrainer = () => time(createTrainer);

/** The files of the package: the worker is one. */
export const timeBuilt = async () => time((await import(BUILT)).createTrainer);

/**
 * @param {() => ReturnType<typeof openWire>} open
 * @returns {Promise<number>} ms to the first message
 */
async function timeFirst(open) {
  const start = performance.now();
  const wire = open();
  await wire.first;
  const taken = performance.now() - start;
  wire.close();
  return taken;
}

export const timeEmpty = () =>
  timeFirst(() => openWire(new URL('../peers/empty.js', import.meta.url)));

/** TensorFlow.js, loaded and with a model. */
export const timeTensorflow = () => timeFirst(openTensorflow);
