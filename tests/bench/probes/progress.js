/* progress.js: a page that trains in a worker and listens, for somebody who looks at its main
 * thread from outside. */

import { createTrainer } from '../../../web/index.js';
import { DIGITS, digitLike } from '../workloads.mjs';
import { openWire } from './wire.js';

/** @type {any} */ let trainer;
/** @type {any} */ let run;
/** @type {any} */ let ticker;
let heard = 0;
let seconds = 0;
let began = 0;

export async function load() {
  trainer = await createTrainer(DIGITS, { mode: 'worker' });
}

export function still() {}

export function tick() {
  ticker = openWire(new URL('../peers/ticker.js', import.meta.url));
}

export function train() {
  const { x, y } = digitLike(2048);
  run = trainer.fit(x, y, { epochs: 1e6, batchSize: 32 });
  run.addEventListener('progress', () => heard++);
  began = performance.now();
}

export async function end() {
  ticker?.close();
  if (run) {
    await run.stop();
    seconds += (performance.now() - began) / 1000;
  }
  ticker = run = undefined;
}

/** @returns {number} records a second that the listener heard */
export const rate = () => heard / seconds;
