/* threads.mjs: a training step of each workload on two threads beside one, in interleaved rounds.
 *
 * `simd-mt` with two threads against `simd`: the same bits, so only the time differs. The gain is one thread's time
 * over two threads', round by round; a workload that threads make slower is a goal missed. */

import { callAt } from './browser.mjs';
import { median } from './statistics.mjs';
import { WORKLOADS } from './workloads.mjs';

export const title = 'times that two threads are faster than one, for a training step in a worker';

const THREADS = 2;
const PLACES = /** @type {const} */ (['Chromium', 'Node']);
/** Gains wanted of two idle cores; anything else may lose 3 % at most. */
const GAINS = /** @type {Record<string, number>} */ ({ W3: 1.4, W4: 1.7, W7: 1.7 });
const NO_LOSS = 1 / 1.03;

const RUNNERS = [
  { id: 'one', name: 'one thread', file: 'offstage.js', options: { variant: 'simd' } },
  { id: 'two', name: 'two threads', file: 'offstage.js', options: { variant: 'simd-mt', threads: THREADS } },
];

/**
 * How many times faster the second of two runners is than the first.
 * @param {string} what @param {import('./probes/pairs.js').Timed[]} timed @param {{ least: number }} [goal]
 * @returns {import('./table.mjs').Figure}
 */
export function gain(what, [before, after], goal) {
  const cannot = before.cannot ?? after.cannot;
  if (cannot) return { what, unit: 'x', value: NaN, cannot };
  const times = `${median(before.times).value.toPrecision(3)} ms to ${median(after.times).value.toPrecision(3)} ms`;
  return { what: `${what}: ${times}`, unit: 'x', ...median(before.times.map((ms, round) => ms / after.times[round])), goal };
}

/** @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void }} setting */
export async function measure({ quick, browser, say }) {
  const amount = quick ? { rounds: 5, roundMs: 40, warmMs: 100 } : { rounds: 15, roundMs: 200, warmMs: 400 };
  /** @type {import('./table.mjs').Figure[]} */
  const figures = [];
  for (const place of PLACES.slice(0, quick ? 1 : 2)) {
    for (const workload of WORKLOADS) {
      say(`${place}, ${workload.id}`);
      const timed = await callAt(place, browser, 'pairs.js', 'measurePairs', { workload, contenders: RUNNERS, ...amount });
      figures.push(gain(`${place} ${workload.id}`, timed, { least: GAINS[workload.id] ?? NO_LOSS }));
    }
  }
  return figures;
}
