/* memory.mjs: does a step allocate, how near to the least does a plan come, and what does a ready
 * worker hold?
 *
 * The least that W4 needs is computed here from the shapes alone: weights, Adam's moments,
 * gradients, and the activations that are alive at the worst moment of a step. Against it stands
 * all that the core has handed out but the data set. A worker's heap is asked of Chromium after a
 * collection, and of an empty worker beside it. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { callIn } from './browser.mjs';
import { median } from './statistics.mjs';
import { openSteps } from './steps.js';
import { WORKLOADS, measureLayers } from './workloads.mjs';

export const title = 'what a step allocates, and what a model and a ready worker hold';

const MOST_MB = 3;
const OVER_LEAST = 1.3;
const product = (/** @type {number[]} */ numbers) => numbers.reduce((all, n) => all * n, 1);

/**
 * Bytes of what is alive at the worst moment of a step: forward keeps every output, backward holds
 * a layer's input, the gradient of its output and that of its input, and lets go of what lies
 * behind. A flatten is the same bytes.
 * @param {import('./workloads.mjs').Workload} workload
 */
export function liveActivations({ spec, batch }) {
  const layers = measureLayers(spec).filter(({ layer }) => layer.type !== 'flatten');
  const sizes = [product(spec.inputShape), ...layers.map(({ shape }) => product(shape))];
  const upTo = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((all, n) => all + n, 0));
  // Nobody needs the data's gradient
  const moments = layers.map((_, i) => upTo[i + 1] + sizes[i + 1] + (i > 0 ? sizes[i] : 0));
  return 4 * batch * Math.max(...moments);
}

/**
 * @param {import('./workloads.mjs').Workload} workload
 * @returns {Promise<import('./table.mjs').Figure>}
 */
async function peakOver(workload) {
  const { core, model, storedBytes } = await openSteps(workload);
  const { parameters } = model.counts;
  const copies = workload.spec.optimizer.type === 'adam' ? 4 : 2; // weights, gradients, two moments
  const least = 4 * copies * parameters + liveActivations(workload);
  const used = core.memory.used() - storedBytes;
  const what = `${workload.id}: bytes in use over the least (${(used / 1e6).toFixed(1)} of ${(least / 1e6).toFixed(1)} MB)`;
  return { what, unit: 'x', value: used / least, goal: { most: OVER_LEAST } };
}

/**
 * Bytes of JavaScript's heap that a step leaves behind.
 * @param {{ step: () => void }} opened
 * @param {() => void} gc
 */
function heapOfStep({ step }, gc) {
  const steps = 2000;
  const each = [];
  for (let round = 0; round < 5; round++) {
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < steps; i++) step();
    each.push((process.memoryUsage().heapUsed - before) / steps);
  }
  return median(each);
}

/** @param {() => void} gc @returns {Promise<import('./table.mjs').Figure[]>} */
async function allocations(gc) {
  let grown = 0;
  const asked = [];
  const refused = [];
  for (const workload of WORKLOADS) {
    try {
      const { step, core } = await openSteps(workload);
      const before = [core.memory.buffer().byteLength, core.memory.used()];
      for (let i = 0; i < 3; i++) step();
      grown += core.memory.buffer().byteLength - before[0] + core.memory.used() - before[1];
      asked.push(workload.id);
    } catch (error) {
      refused.push({
        what: `${workload.id}: allocations`,
        unit: 'bytes',
        value: NaN,
        cannot: /** @type {Error} */ (error).message,
      });
    }
  }
  const tiny = await openSteps(WORKLOADS[0]);
  for (let i = 0; i < 5000; i++) tiny.step();
  return [
    {
      what: `wasm memory that steps of ${asked.join(', ')} take`,
      unit: 'bytes',
      value: grown,
      goal: { most: 0 },
    },
    {
      what: 'JavaScript heap that a step of W1 leaves behind, in Node',
      unit: 'bytes',
      ...heapOfStep(tiny, gc),
    },
    ...refused,
  ];
}

/**
 * What a worker with W3 ready holds: its heap beyond an empty worker's, and its wasm memory.
 * @param {import('./browser.mjs').Browser} browser
 * @returns {Promise<import('./table.mjs').Figure[]>}
 */
async function readyWorker(browser) {
  const [empty, ready, memoryBytes] = await browser.withPage(async (page) => {
    const heaps = await browser.watchWorkerHeaps(page);
    const bytes = await callIn(page, 'memory.js', 'openBoth');
    return [...(await heaps.read(['empty.js', 'worker.js'])), bytes];
  });
  return [
    {
      what: 'Chromium, W3 ready: JavaScript heap and wasm memory',
      unit: 'MB',
      value: (ready + memoryBytes) / 1e6,
      goal: { most: MOST_MB },
    },
    {
      what: 'Chromium, W3 ready: JavaScript heap',
      unit: 'MB',
      value: ready / 1e6,
      peer: { what: 'empty worker', value: empty / 1e6 },
    },
    { what: 'Chromium, W3 ready: wasm memory', unit: 'MB', value: memoryBytes / 1e6 },
  ];
}

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 */
export async function measure({ browser, say }) {
  setFlagsFromString('--expose-gc');
  const gc = /** @type {() => void} */ (runInNewContext('gc'));
  say('steps');
  const figures = await allocations(gc);
  for (const workload of WORKLOADS.filter(({ id }) => ['W3', 'W4', 'W7'].includes(id)))
    figures.push(await peakOver(workload));
  say('worker');
  return [...figures, ...(await readyWorker(browser))];
}
