/* startup.js: times the starts of workers in a page or in Node. */

import { createTrainer } from '../../../web/index.js';
import { DIGITS } from '../workloads.mjs';
import { openTensorflow, openWire } from './wire.js';

/** What an app has loaded before it asks: this file's imports. */
export function load() {}

/** @param {string} [assets] of a bundled worker @returns {Promise<number>} ms from createTrainer() to its model */
export async function timeTrainer(assets) {
  const start = performance.now();
  const trainer = await createTrainer(DIGITS, { mode: 'worker', ...(assets && { assets }) });
  const taken = performance.now() - start;
  await trainer.dispose();
  return taken;
}

/** The worker in one file, as an app ships it. @param {string} assets */
export const timeBundled = (assets) => timeTrainer(assets);

/** @param {() => ReturnType<typeof openWire>} open @returns {Promise<number>} ms to the first message */
async function timeFirst(open) {
  const start = performance.now();
  const wire = open();
  await wire.first;
  const taken = performance.now() - start;
  wire.close();
  return taken;
}

export const timeEmpty = () => timeFirst(() => openWire(new URL('../peers/empty.js', import.meta.url)));

/** TensorFlow.js, loaded and with a model. */
export const timeTensorflow = () => timeFirst(openTensorflow);
