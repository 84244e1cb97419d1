/* hidden.mjs: what training loses in a tab that nobody sees.
 *
 * The digit network trains without end in a worker while its tab goes behind another one and comes
 * back, in turn; steps are counted by the worker's clock in windows of either kind, and a round's
 * ratio is its own. The tab is hidden by the browser itself (another target is activated): the page
 * has to say so, and its own timer of 50 ms, which Chromium lets fire once a second then, shows
 * that it is treated so. A long stay in the background, where Chromium throttles timers to one a
 * minute after five, is not for --quick. */

import { callInTab } from './browser.mjs';
import { sleep } from './probes/wire.js';
import { median } from './statistics.mjs';

export const title = 'training in a hidden tab beside the same tab in front, in Chromium';

const LEAST = 95;
const SETTINGS = /** @type {const} */ ([
  { what: 'isolated, two threads', path: '', threads: 2, variant: 'simd-mt', long: false },
  { what: 'not isolated, one thread', path: '?plain', threads: 1, variant: 'simd', long: true },
]);
/** Visibility reaches the page, and what it sets off is over. */
const SETTLE_MS = 300;
const LONG_MS = 330_000;

/** @typedef {import('./browser.mjs').Tabs} Tabs */
/** @typedef {{ steps: number, ticks: number }} Rates a second */

/**
 * @param {Tabs} tabs
 * @param {'hidden' | 'visible'} state
 * @param {number} ms
 * @returns {Promise<Rates>}
 */
async function watch({ tab, other }, state, ms) {
  await (state === 'hidden' ? other : tab).show();
  await sleep(SETTLE_MS);
  const before = await callInTab(tab, 'hidden.js', 'stand');
  await sleep(ms);
  const after = await callInTab(tab, 'hidden.js', 'stand');
  for (const { state: got } of [before, after])
    if (got !== state) throw new Error(`the tab is ${got}, not ${state}`);
  const rate = (/** @type {string} */ what, /** @type {string} */ time) =>
    (1000 * (after[what] - before[what])) / (after[time] - before[time]);
  return { steps: rate('step', 'ms'), ticks: rate('ticks', 'pageMs') };
}

/**
 * @param {string} what
 * @param {Rates[]} hidden
 * @param {Rates[]} visible
 * @returns {import('./table.mjs').Figure}
 */
function share(what, hidden, visible) {
  const [steps, peer] = [hidden, visible].map((rates) => median(rates.map((rate) => rate.steps)));
  const of = `${Math.round(steps.value)} steps a second of ${Math.round(peer.value)}`;
  return {
    what: `${what}: ${of}`,
    unit: '%',
    ...median(hidden.map((rate, i) => (100 * rate.steps) / visible[i].steps)),
    goal: { least: LEAST },
  };
}

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 * @returns {Promise<import('./table.mjs').Figure[]>}
 */
export async function measure({ quick, browser, say }) {
  const [rounds, ms] = quick ? [4, 1000] : [12, 2000];
  /** @type {import('./table.mjs').Figure[]} */
  const figures = [];
  for (const { what, path, threads, variant, long } of SETTINGS) {
    await browser.withTabs(path, async (tabs) => {
      const info = await callInTab(tabs.tab, 'hidden.js', 'begin', { threads });
      if (info.variant !== variant || info.threads !== threads)
        throw new Error(
          `${what}: it is ${info.variant} with ${info.threads} threads: ${info.reason}`,
        );
      /** @type {{ hidden: Rates[], visible: Rates[] }} */
      const rates = { hidden: [], visible: [] };
      for (let round = 0; round < rounds; round++) {
        say(`${what}, round ${round + 1} of ${rounds}`);
        const states = /** @type {('hidden' | 'visible')[]} */ (
          round % 2 ? ['hidden', 'visible'] : ['visible', 'hidden']
        );
        for (const state of states) rates[state].push(await watch(tabs, state, ms));
      }
      const ticks = (/** @type {Rates[]} */ list) => median(list.map((rate) => rate.ticks));
      figures.push(share(what, rates.hidden, rates.visible), {
        what: `${what}: the page's own timer of 50 ms, hidden`,
        unit: 'a second',
        ...ticks(rates.hidden),
        peer: { what: 'in front', ...ticks(rates.visible) },
      });
      if (quick || !long) return;
      say(`${what}, hidden for ${LONG_MS / 60_000} minutes`);
      await tabs.other.show();
      await sleep(LONG_MS);
      const [hidden, visible] = [[], []];
      for (const [state, list] of /** @type {['hidden' | 'visible', Rates[]][]} */ ([
        ['hidden', hidden],
        ['visible', visible],
      ])) {
        for (let round = 0; round < rounds / 2; round++) list.push(await watch(tabs, state, ms));
      }
      figures.push(share(`${what}, after ${LONG_MS / 60_000} minutes hidden`, hidden, visible));
    });
  }
  return figures;
}
