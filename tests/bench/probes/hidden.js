/* hidden.js: a page that trains in a worker, for somebody who puts it behind another tab and looks
 * at how far it gets. */

import { createTrainer } from '../../../web/index.js';
import { DIGITS, digitLike } from '../workloads.mjs';

const HZ = 50; // far above what the windows need

/** @type {any} */ let run;
/** The page's own timer fired. */
let ticks = 0;

/**
 * @param {{ threads: number }} options
 * @returns {Promise<{ variant: string, threads: number, reason: string | null }>}
 */
export async function begin({ threads }) {
  const trainer = await createTrainer(DIGITS, { mode: 'worker', threads });
  const { x, y } = digitLike(2048);
  run = trainer.fit(x, y, { epochs: 1e9, batchSize: 32, progressHz: HZ });
  setInterval(() => ticks++, 50);
  await stand();
  const { variant, reason } = trainer.info;
  return { variant, threads: trainer.info.threads, reason };
}

/**
 * How far training has got, by the next record and the worker's clock; what the page did meanwhile,
 * by its own.
 * @returns {Promise<{ step: number, ms: number, ticks: number, pageMs: number, state: string }>}
 */
export async function stand() {
  const { step, timestamp } = await new Promise((resolve, reject) => {
    run.addEventListener('progress', (/** @type {CustomEvent} */ { detail }) => resolve(detail), {
      once: true,
    });
    run.catch(reject);
  });
  return { step, ms: timestamp, ticks, pageMs: performance.now(), state: document.visibilityState };
}
