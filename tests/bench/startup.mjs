/* startup.mjs: how long from createTrainer() to a model that can train?
 *
 * Cold: a context with empty caches, in a process of its own. Warm: a profile that has had the page before. Again:
 * a second trainer in the same page. With the checkout's own files, and with the worker in one file as a bundler makes
 * it. Beside them, each in a page of its own under the same conditions and in turn: an empty module worker's first
 * message, and TensorFlow.js with the same model in a worker. */

import { callIn } from './browser.mjs';
import { bundleWorker } from './bundle.mjs';
import * as inNode from './probes/startup.js';
import { median, quantile } from './statistics.mjs';

export const title = 'ms from createTrainer() to a ready digit network, in a worker';

const MORE_MS = 20; // over the empty worker
const KINDS = /** @type {const} */ (['timeTrainer', 'timeBundled', 'timeEmpty', 'timeTensorflow']);
const AGAIN = /** @type {const} */ (['timeTrainer', 'timeBundled', 'timeEmpty']);
const IN_NODE = /** @type {const} */ (['timeTrainer', 'timeEmpty']); // a bundle is a browser's affair

/** @typedef {Record<typeof KINDS[number], number[]>} Times */
/** @returns {Times} */
const noTimes = () => ({ timeTrainer: [], timeBundled: [], timeEmpty: [], timeTensorflow: [] });

/** @param {string} when @param {Times} times @returns {import('./table.mjs').Figure[]} */
function figures(when, { timeTrainer, timeBundled, timeEmpty, timeTensorflow }) {
  const empty = { what: 'empty worker', ...median(timeEmpty) };
  const more = (/** @type {number[]} */ times) => quantile(times, 0.5) - empty.value;
  const found = [
    { what: `${when}: createTrainer()`, unit: 'ms', ...median(timeTrainer), peer: empty },
    { what: `${when}: more than the empty worker`, unit: 'ms', value: more(timeTrainer), goal: { most: MORE_MS } },
  ];
  if (timeBundled.length) {
    found.push(
      { what: `${when}, as bundled: createTrainer()`, unit: 'ms', ...median(timeBundled), peer: empty },
      { what: `${when}, as bundled: more than the empty worker`, unit: 'ms', value: more(timeBundled), goal: { most: MORE_MS } },
    );
  }
  if (timeTensorflow.length) found.push({ what: `${when}: createTrainer()`, unit: 'ms', ...median(timeTrainer), peer: { what: 'TensorFlow.js', ...median(timeTensorflow) } });
  return found;
}

/** @param {import('playwright-core').Page} page @param {string} kind @param {string} assets @returns {Promise<number>} */
async function timeIn(page, kind, assets) {
  await callIn(page, 'startup.js', 'load');
  return callIn(page, 'startup.js', kind, kind === 'timeBundled' ? assets : undefined);
}

/** @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void }} setting */
export async function measure({ quick, browser, say }) {
  const rounds = quick ? 5 : 25;
  const assets = await bundleWorker();
  const [cold, warm, again, node] = [noTimes(), noTimes(), noTimes(), noTimes()];
  await browser.withPage((page) => callIn(page, 'startup.js', 'load')); // the first context of a browser is slow
  for (let round = 0; round < rounds; round++) {
    say(`cold ${round + 1} of ${rounds}`);
    for (const kind of KINDS) cold[kind].push(await browser.withPage((page) => timeIn(page, kind, assets)));
  }
  await browser.withProfile(async (newPage) => {
    for (let round = -2; round < rounds; round++) { // two that fill the caches
      say(`warm ${round + 1} of ${rounds}`);
      for (const kind of KINDS) {
        const page = await newPage();
        const ms = await timeIn(page, kind, assets);
        if (round >= 0) warm[kind].push(ms);
        await page.close();
      }
    }
    const page = await newPage();
    for (let round = -2; round < rounds; round++) {
      for (const kind of AGAIN) {
        const ms = await timeIn(page, kind, assets);
        if (round >= 0) again[kind].push(ms);
      }
    }
  });
  for (let round = 0; round < rounds; round++) {
    for (const kind of IN_NODE) node[kind].push(await inNode[kind]());
  }
  return [...figures('Chromium, cold', cold), ...figures('Chromium, warm', warm), ...figures('Chromium, same page', again), ...figures('Node', node)];
}
