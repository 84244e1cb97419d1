/* longtask.mjs: how long is the longest task on the page while the digit network trains?
 *
 * Each mode beside a page that does nothing under the same meters (its gaps are the operating
 * system's), and beside TensorFlow.js training on the page. Each round in a page of its own. */

import { callIn } from './browser.mjs';
import { median } from './statistics.mjs';

export const title = 'ms: longest time that the page is kept from other work, in Chromium';

const GOAL_MS = 16;

/** @typedef {import('./probes/longtask.js').Watched} Watched */

/**
 * @param {string} what
 * @param {Watched[]} watched
 * @param {Watched[]} idle
 * @param {number} [most]
 * @returns {import('./table.mjs').Figure[]}
 */
function figures(what, watched, idle, most) {
  const tasks = watched.map(({ longTasks }) => longTasks.length);
  const gaps = (/** @type {Watched[]} */ rounds) => rounds.map(({ longest }) => longest);
  return [
    {
      what: `${what}: longest gap`,
      unit: 'ms',
      ...median(gaps(watched)),
      peer: { what: 'idle page', ...median(gaps(idle)) },
      goal: most === undefined ? undefined : { most },
    },
    {
      what: `${what}: gaps over 16 ms`,
      unit: 'a second',
      ...median(watched.map(({ over16, ms }) => (1000 * over16) / ms)),
    },
    {
      what: `${what}: tasks over 50 ms (longtask)`,
      unit: 'a round',
      ...median(tasks),
      goal: most === undefined ? undefined : { most: 0 },
    },
  ];
}

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 */
export async function measure({ quick, browser, say }) {
  const rounds = quick ? 2 : 7;
  const ms = quick ? 1500 : 4000;
  const kinds = [
    { what: 'idle page', call: 'watchIdle', options: { ms } },
    { what: 'worker', call: 'watchTraining', options: { mode: 'worker', ms }, most: GOAL_MS },
    { what: 'main', call: 'watchTraining', options: { mode: 'main', ms }, most: GOAL_MS },
    {
      what: 'TensorFlow.js on the page',
      call: 'watchTensorflow',
      options: { samples: quick ? 160 : 320 },
    },
  ].map((kind) => ({ ...kind, watched: /** @type {Watched[]} */ ([]) }));
  for (let round = 0; round < rounds; round++) {
    for (const { what, call, options, watched } of kinds) {
      say(`round ${round + 1} of ${rounds}: ${what}`);
      watched.push(await browser.withPage((page) => callIn(page, 'longtask.js', call, options)));
    }
  }
  const [idle, ...others] = kinds;
  return others.flatMap(({ what, watched, most }) => figures(what, watched, idle.watched, most));
}
