/* stop.js: times how long a run takes to stop.
 *
 * The clock starts when the stop was due, not when this thread came to ask for it: on the main
 * thread the slice that was under way belongs to the latency that a user feels. */

import { createTrainer } from '../../../web/index.js';
import { createRandom } from '../statistics.mjs';
import { sleep } from './wire.js';

/**
 * @param {{ mode: 'worker' | 'main', spec: any, samples: number, batch: number, rounds: number,
 *   times: number }} options
 * @returns {Promise<number[][]>} ms
 */
export async function measureStops({ mode, spec, samples, batch, rounds, times }) {
  const trainer = await createTrainer(spec, { mode });
  const {
    inputs: [{ size }],
    classes,
  } = trainer.info;
  const random = createRandom(samples);
  const x = Uint8Array.from({ length: samples * size }, () => 256 * random());
  const y = Int32Array.from({ length: samples }, () => classes * random());
  const taken = [];
  for (let round = 0; round < rounds; round++) {
    const each = [];
    for (let i = 0; i < times; i++) {
      const run = trainer.fit(x, y, { epochs: 1e6, batchSize: batch });
      await sleep(30); // the data have arrived, steps are under way
      const due = performance.now() + 5 + 25 * random();
      await sleep(due - performance.now());
      const stopped = run.stop();
      const late = performance.now();
      await stopped;
      each.push(performance.now() - (mode === 'main' ? Math.min(due, late) : late));
      const { reason } = await run;
      if (reason !== 'stopped') throw new Error(`the run ended as ${reason}`);
    }
    taken.push(each);
  }
  await trainer.dispose();
  return taken;
}
