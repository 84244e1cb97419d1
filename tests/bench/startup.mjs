/* startup.mjs: how long from createTrainer() to a model that can train?
 *
 * Cold: a context with empty caches, in a process of its own. Warm: a profile that has had the page before. Again:
 * a second trainer in the same page. Beside it, each in a page of its own under the same conditions and in turn:
 * an empty module worker's first message, and TensorFlow.js with the same model in a worker. */

import { callIn } from './browser.mjs';
import * as inNode from './probes/startup.js';
import { median, quantile } from './statistics.mjs';

export const title = 'ms from createTrainer() to a ready digit network, in a worker';

const MORE_MS = 20; // over the empty worker
const KINDS = /** @type {const} */ (['timeTrainer', 'timeEmpty', 'timeTensorflow']);

/** @typedef {Record<typeof KINDS[number], number[]>} Times */
/** @returns {Times} */
const noTimes = () => ({ timeTrainer: [], timeEmpty: [], timeTensorflow: [] });

/** @param {string} when @param {Times} times @returns {import('./table.mjs').Figure[]} */
function figures(when, { timeTrainer, timeEmpty, timeTensorflow }) {
  const more = quantile(timeTrainer, 0.5) - quantile(timeEmpty, 0.5);
  const found = [
    { what: `${when}: createTrainer()`, unit: 'ms', ...median(timeTrainer), peer: { what: 'empty worker', ...median(timeEmpty) } },
    { what: `${when}: more than the empty worker`, unit: 'ms', value: more, goal: { most: MORE_MS } },
  ];
  if (timeTensorflow.length) found.push({ what: `${when}: createTrainer()`, unit: 'ms', ...median(timeTrainer), peer: { what: 'TensorFlow.js', ...median(timeTensorflow) } });
  return found;
}

/** @param {import('playwright-core').Page} page @param {string} kind @returns {Promise<number>} */
async function timeIn(page, kind) {
  await callIn(page, 'startup.js', 'load');
  return callIn(page, 'startup.js', kind);
}

/** @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void }} setting */
export async function measure({ quick, browser, say }) {
  const rounds = quick ? 7 : 25;
  const [cold, warm, again, node] = [noTimes(), noTimes(), noTimes(), noTimes()];
  await browser.withPage((page) => callIn(page, 'startup.js', 'load')); // the first context of a browser is slow
  for (let round = 0; round < rounds; round++) {
    say(`cold ${round + 1} of ${rounds}`);
    for (const kind of KINDS) cold[kind].push(await browser.withPage((page) => timeIn(page, kind)));
  }
  await browser.withProfile(async (newPage) => {
    for (let round = -2; round < rounds; round++) { // two that fill the caches
      say(`warm ${round + 1} of ${rounds}`);
      for (const kind of KINDS) {
        const page = await newPage();
        const ms = await timeIn(page, kind);
        if (round >= 0) warm[kind].push(ms);
        await page.close();
      }
    }
    const page = await newPage();
    for (let round = -2; round < rounds; round++) {
      for (const kind of /** @type {const} */ (['timeTrainer', 'timeEmpty'])) {
        const ms = await timeIn(page, kind);
        if (round >= 0) again[kind].push(ms);
      }
    }
  });
  for (let round = 0; round < rounds; round++) {
    for (const kind of /** @type {const} */ (['timeTrainer', 'timeEmpty'])) node[kind].push(await inNode[kind]());
  }
  return [...figures('Chromium, cold', cold), ...figures('Chromium, warm', warm), ...figures('Chromium, same page', again), ...figures('Node', node)];
}
