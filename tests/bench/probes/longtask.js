/* longtask.js: how long the page is kept from its other work, by whatever runs meanwhile.
 *
 * Two witnesses: the browser's own list of tasks above 50 ms, and a message that the page sends
 * itself over and over, whose longest gap is the longest time that any input would have waited. In
 * a page only. */

import { createTrainer } from '../../../web/index.js';
import { DIGITS, digitLike } from '../workloads.mjs';
import { sleep } from './wire.js';

/** @typedef {{ longest: number, over16: number, longTasks: number[], ms: number }} Watched */

/** @param {() => Promise<any>} work @returns {Promise<Watched>} */
export async function watch(work) {
  await sleep(0); // the task that made the data is not meant
  /** @type {number[]} */
  const longTasks = [];
  const observer = new PerformanceObserver((list) =>
    longTasks.push(...list.getEntries().map((entry) => entry.duration)),
  );
  observer.observe({ type: 'longtask' });
  const { port1, port2 } = new MessageChannel();
  const start = performance.now();
  let [last, longest, over16, on] = [start, 0, 0, true];
  port1.onmessage = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    if (now - last > 16) over16++;
    last = now;
    if (on) port2.postMessage(0);
  };
  port2.postMessage(0);
  await work();
  await sleep(0); // so that the last task is over, and seen
  on = false;
  await sleep(100); // entries come with a delay
  port1.close();
  observer.disconnect();
  return { longest, over16, longTasks, ms: performance.now() - start };
}

/** Nothing but the meters. @param {{ ms: number }} options */
export const watchIdle = ({ ms }) => watch(() => sleep(ms));

/**
 * From createTrainer() to dispose(), with predictions on the way.
 * @param {{ mode: 'worker' | 'main', ms: number }} options
 */
export async function watchTraining({ mode, ms }) {
  const { x, y } = digitLike(2048);
  const sample = x.slice(0, 784);
  return watch(async () => {
    const trainer = await createTrainer(DIGITS, { mode });
    const run = trainer.fit(x, y, { epochs: 1e6, batchSize: 32 });
    run.addEventListener('progress', () => {});
    for (const end = performance.now() + ms; performance.now() < end;) {
      await trainer.predict(sample);
      await sleep(50);
    }
    await run.stop();
    await trainer.dispose();
  });
}

/**
 * TensorFlow.js on the page, which is where its tutorials train.
 * @param {{ samples: number }} options
 */
export async function watchTensorflow({ samples }) {
  await new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = '/tests/bench/node_modules/@tensorflow/tfjs/dist/tf.min.js';
    script.onload = resolve;
    script.onerror = () => reject(new Error('tf.min.js did not load'));
    document.head.append(script);
  });
  const { createModel, train } = await import('../peers/tfjs-digits.js');
  const model = await createModel();
  return watch(() => train(model, { ...digitLike(samples), epochs: 1 }));
}
