/* peers.mjs: a training step of each workload beside the same step of others, in workers, in Node
 * and in Chromium.
 *
 * Who they are and how each is driven: peers/contenders.js. What one cannot train is a row that
 * says why. */

import { callAt } from './browser.mjs';
import { CONTENDERS } from './peers/contenders.js';
import { median } from './statistics.mjs';
import { WORKLOADS } from './workloads.mjs';

export const title =
  'ms of one training step in a worker, beside others (ratio: of rounds, Offstage to the other)';

/** @typedef {import('./probes/pairs.js').Timed} Timed */

/**
 * @param {string} place
 * @param {import('./workloads.mjs').Workload} workload
 * @param {Timed} own
 * @param {Timed} other
 * @returns {import('./table.mjs').Figure}
 */
function pair(place, { id, name: net }, own, other) {
  const what = `${place} ${id} ${net}`;
  const of = { place, workload: id, peer: other.id };
  const base = {
    what,
    of,
    unit: 'ms',
    ...(own.cannot ? { value: NaN, cannot: own.cannot } : median(own.times)),
  };
  const name = other.about ? `${other.name} (${other.about})` : other.name;
  if (other.cannot) return { ...base, peer: { what: name, value: NaN, cannot: other.cannot } };
  const peer = { what: name, ...median(other.times) };
  return own.cannot
    ? { ...base, peer }
    : { ...base, peer, paired: median(other.times.map((ms, round) => own.times[round] / ms)) };
}

/** What --quick asks of Node, whose engine is a browser's. */
const QUICK_NODE = ['W2'];

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 */
export async function measure({ quick, browser, say }) {
  const amount = quick
    ? { rounds: 3, roundMs: 80, warmMs: 150 }
    : { rounds: 9, roundMs: 250, warmMs: 400 };
  /** @type {import('./table.mjs').Figure[]} */
  const figures = [];
  for (const place of /** @type {const} */ (['Chromium', 'Node'])) {
    for (const workload of WORKLOADS) {
      const { id } = workload;
      if (quick && place === 'Node' && !QUICK_NODE.includes(id)) {
        figures.push({
          what: `${place} ${id}`,
          of: { place, workload: id, peer: '' },
          unit: 'ms',
          value: NaN,
          cannot: 'left out of --quick, as Chromium has it',
        });
        continue;
      }
      say(`${place}, ${id}`);
      const there = CONTENDERS.filter(({ places }) => places.includes(place));
      const asked = there.filter(({ slow }) => !(quick && slow?.[id]));
      const options = { workload, contenders: asked, ...amount };
      const [own, ...others] = await callAt(place, browser, 'pairs.js', 'measurePairs', options);
      const slow = there
        .filter((each) => !asked.includes(each))
        .map(({ id: who, name, slow: cells }) => ({
          id: who,
          name,
          times: [],
          cannot: `${id} was left out of --quick: ${cells?.[id]} a step`,
        }));
      figures.push(...[...others, ...slow].map((other) => pair(place, workload, own, other)));
    }
  }
  return figures;
}
