/* handover.mjs: how long is the page kept from other work while large data pass between it and the
 * session?
 *
 * 60,000 digits in every form that data may have, and the weights of a network of 100 MB, in
 * Chromium. Each round in a page of its own; beside it a page that does nothing, whose gaps are the
 * operating system's. */

import { callIn } from './browser.mjs';
import { median } from './statistics.mjs';

export const title = 'ms: longest time that large data keep the page from other work, in Chromium';

const GOAL_MS = 16;

/** @typedef {import('./probes/longtask.js').Watched} Watched */

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 */
export async function measure({ quick, browser, say }) {
  const rounds = quick ? 1 : 5;
  /** @type {string[]} */
  const all = await browser.withPage((page) => callIn(page, 'handover.js', 'forms'));
  const forms = quick ? all.slice(0, 1) : all;
  const kinds = /** @type {const} */ (['worker', 'main']).flatMap((mode) =>
    forms.map((form) => ({ mode, form, watched: /** @type {Watched[]} */ ([]) })),
  );
  /** @type {Watched[]} */
  const idle = [];
  for (let round = 0; round < rounds; round++) {
    idle.push(
      await browser.withPage((page) => callIn(page, 'longtask.js', 'watchIdle', { ms: 1000 })),
    );
    for (const { mode, form, watched } of kinds) {
      say(`round ${round + 1} of ${rounds}: ${mode}, ${form}`);
      watched.push(
        await browser.withPage((page) =>
          callIn(page, 'handover.js', 'watchHandOver', { form, mode }),
        ),
      );
    }
  }
  const longest = (/** @type {Watched[]} */ watched) => median(watched.map((one) => one.longest));
  return kinds.flatMap(({ mode, form, watched }) => [
    {
      what: `${mode}: ${form}`,
      unit: 'ms',
      ...longest(watched),
      peer: { what: 'idle page', ...longest(idle) },
      goal: { most: GOAL_MS },
    },
    {
      what: `${mode}: ${form}, tasks over 50 ms`,
      unit: 'in all rounds',
      value: watched.flatMap(({ longTasks }) => longTasks).length,
      goal: { most: 0 },
    },
  ]);
}
