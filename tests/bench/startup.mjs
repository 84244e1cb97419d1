/* startup.mjs: how long from createTrainer() to a model that can train?
 *
 * Cold: a context with empty caches, in a process of its own. Warm: a profile that has had the page
 * before. Again: a second trainer in the same page. With the package's files, as a page without a
 * bundler loads them (a bundled one loads as many), and with the checkout's own, some fifty. Beside
 * them, each in a page of its own under the same conditions and in turn: an empty module worker's
 * first message, and TensorFlow.js with the same model in a worker. */

import { callIn } from './browser.mjs';
import * as inNode from './probes/startup.js';
import { median, quantile } from './statistics.mjs';

export const title = 'ms from createTrainer() to a ready digit network, in a worker';

/** Over the empty worker, of the package's files. */
const MORE_MS = { 'Chromium, cold': 30, 'Chromium, warm': 15, 'Chromium, same page': 15, Node: 20 };
const KINDS = /** @type {const} */ (['timeBuilt', 'timeTrainer', 'timeEmpty', 'timeTensorflow']);
const AGAIN = /** @type {const} */ (['timeBuilt', 'timeTrainer', 'timeEmpty']);

/** @typedef {Record<typeof KINDS[number], number[]>} Times */
/** @returns {Times} */
const noTimes = () => ({ timeBuilt: [], timeTrainer: [], timeEmpty: [], timeTensorflow: [] });

/**
 * @param {keyof typeof MORE_MS} when
 * @param {Times} times
 * @returns {import('./table.mjs').Figure[]}
 */
function figures(when, { timeBuilt, timeTrainer, timeEmpty, timeTensorflow }) {
  const empty = { what: 'empty worker', ...median(timeEmpty) };
  const more = (/** @type {number[]} */ times) => quantile(times, 0.5) - empty.value;
  const found = [
    { what: `${when}: createTrainer()`, unit: 'ms', ...median(timeBuilt), peer: empty },
    {
      what: `${when}: more than the empty worker`,
      unit: 'ms',
      value: more(timeBuilt),
      goal: { most: MORE_MS[when] },
    },
    {
      what: `${when}, files of the checkout: createTrainer()`,
      unit: 'ms',
      ...median(timeTrainer),
      peer: empty,
    },
    {
      what: `${when}, files of the checkout: more than the empty worker`,
      unit: 'ms',
      value: more(timeTrainer),
    },
  ];
  if (timeTensorflow.length)
    found.push({
      what: `${when}: createTrainer()`,
      unit: 'ms',
      ...median(timeBuilt),
      peer: { what: 'TensorFlow.js', ...median(timeTensorflow) },
    });
  return found;
}

/** @param {import('playwright-core').Page} page @param {string} kind @returns {Promise<number>} */
async function timeIn(page, kind) {
  await callIn(page, 'startup.js', 'load');
  return callIn(page, 'startup.js', kind);
}

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 */
export async function measure({ quick, browser, say }) {
  const rounds = quick ? 5 : 25;
  const [cold, warm, again, node] = [noTimes(), noTimes(), noTimes(), noTimes()];
  // The first context of a browser is slow
  await browser.withPage((page) => callIn(page, 'startup.js', 'load'));
  for (let round = 0; round < rounds; round++) {
    say(`cold ${round + 1} of ${rounds}`);
    for (const kind of KINDS) cold[kind].push(await browser.withPage((page) => timeIn(page, kind)));
  }
  await browser.withProfile(async (newPage) => {
    for (let round = -2; round < rounds; round++) {
      // two that fill the caches
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
      for (const kind of AGAIN) {
        const ms = await timeIn(page, kind);
        if (round >= 0) again[kind].push(ms);
      }
    }
  });
  for (let round = 0; round < rounds; round++) {
    for (const kind of AGAIN) node[kind].push(await inNode[kind]());
  }
  return [
    ...figures('Chromium, cold', cold),
    ...figures('Chromium, warm', warm),
    ...figures('Chromium, same page', again),
    ...figures('Node', node),
  ];
}
