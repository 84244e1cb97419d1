/* memory.js: workers that stand ready, for somebody who looks at their heaps from outside. */

import { createTrainer } from '../../../web/index.js';
import { WORKLOADS } from '../workloads.mjs';
import { openWire } from './wire.js';

const kept = /** @type {any[]} */ ([]); // as long as the page

/**
 * An empty worker, and one with W3 ready.
 * @returns {Promise<number>} bytes of the latter's wasm memory
 */
export async function openBoth() {
  const empty = openWire(new URL('../peers/empty.js', import.meta.url));
  await empty.first;
  const trainer = await createTrainer({ ...WORKLOADS[2].spec }, { mode: 'worker' });
  kept.push(empty, trainer);
  return /** @type {any} */ (trainer.info).memoryBytes;
}
