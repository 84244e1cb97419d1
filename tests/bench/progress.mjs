/* progress.mjs: what does the page pay, each second, for hearing how training goes?
 *
 * Time that the page's main thread spends in tasks of any kind while the digit network trains in a
 * worker and a listener hears every progress message, beyond what the same page spends on nothing;
 * beside it what ten bare messages a second to an empty listener cost the same page. The browser's
 * own account. */

import { callIn } from './browser.mjs';
import { sleep } from './probes/wire.js';
import { median } from './statistics.mjs';

export const title = "ms a second that progress costs the page's main thread, in Chromium";

const MOST_MS = 0.2;

/**
 * @param {import('playwright-core').CDPSession} session
 * @returns {Promise<Record<string, number>>} seconds since the page began
 */
async function metrics(session) {
  const list = (await session.send('Performance.getMetrics')).metrics;
  return Object.fromEntries(list.map(({ name, value }) => [name, value]));
}

/**
 * @param {import('playwright-core').CDPSession} session
 * @param {number} ms
 * @returns {Promise<{ task: number, script: number }>} ms a second
 */
async function watch(session, ms) {
  const before = await metrics(session);
  await sleep(ms);
  const after = await metrics(session);
  const seconds = after.Timestamp - before.Timestamp;
  const of = (/** @type {string} */ name) => (1000 * (after[name] - before[name])) / seconds;
  return { task: of('TaskDuration'), script: of('ScriptDuration') };
}

/** @typedef {{ task: number, script: number }} Spent */

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 * @returns {Promise<import('./table.mjs').Figure[]>}
 */
export async function measure({ quick, browser, say }) {
  const rounds = quick ? 2 : 9;
  const ms = quick ? 1000 : 3000;
  const kinds = [
    ['idle', 'still'],
    ['ticker', 'tick'],
    ['training', 'train'],
  ];
  /** @type {Record<string, Spent[]>} */
  const spent = { idle: [], ticker: [], training: [] };
  const heard = await browser.withPage(async (page) => {
    const session = await page.context().newCDPSession(page);
    // The time it computes, not the time it waits
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    await callIn(page, 'progress.js', 'load');
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1} of ${rounds}`);
      for (const [kind, begin] of kinds) {
        await callIn(page, 'progress.js', begin);
        await sleep(300);
        spent[kind].push(await watch(session, ms));
        await callIn(page, 'progress.js', 'end');
        await sleep(300);
      }
    }
    return callIn(page, 'progress.js', 'rate');
  });
  const beyond = (/** @type {string} */ kind) =>
    median(spent[kind].map(({ task }, round) => task - spent.idle[round].task));
  return [
    {
      what: 'tasks, beyond an idle page',
      unit: 'ms a second',
      ...beyond('training'),
      peer: { what: 'ten bare messages', ...beyond('ticker') },
      goal: { most: MOST_MS },
    },
    {
      what: 'tasks',
      unit: 'ms a second',
      ...median(spent.training.map(({ task }) => task)),
      peer: { what: 'idle page', ...median(spent.idle.map(({ task }) => task)) },
    },
    {
      what: 'of them in scripts',
      unit: 'ms a second',
      ...median(spent.training.map(({ script }) => script)),
    },
    { what: 'records heard', unit: 'a second', value: heard },
  ];
}
