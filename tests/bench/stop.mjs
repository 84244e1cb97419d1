/* stop.mjs: how long after stop() does a run stand?
 *
 * Stops at random moments of training, for the digit network and for a big one whose step takes far
 * longer than the goal; in a worker and on the main thread, in Node and in Chromium. The longest
 * part, which nothing interrupts, is measured beside them in the same run. */

import { callIn } from './browser.mjs';
import { measureStops } from './probes/stop.js';
import { ofRounds } from './statistics.mjs';
import { openSteps } from './steps.js';
import { DIGITS, WORKLOADS } from './workloads.mjs';

export const title = 'ms from stop() to a stopped run (spread: of rounds)';

const GOAL_MS = 50;
const OVER_A_PART_MS = 5;
const BIG = WORKLOADS[3];

/**
 * Each part's quickest of several steps, so that no neighbour's work is in it: of these the
 * longest, and all that belong to the update.
 * @param {import('./workloads.mjs').Workload} workload @param {number} steps
 */
export async function timeParts(workload, steps) {
  const { parts } = await openSteps(workload);
  let quickest = parts();
  for (let i = 1; i < steps; i++) {
    const again = parts();
    quickest = quickest.map(({ ms, updating }, part) => ({
      ms: Math.min(ms, again[part].ms),
      updating,
    }));
  }
  return {
    longest: Math.max(...quickest.map(({ ms }) => ms)),
    update: quickest.reduce((all, { ms, updating }) => all + (updating ? ms : 0), 0),
  };
}

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 */
export async function measure({ quick, browser, say }) {
  const amount = { rounds: quick ? 2 : 5, times: quick ? 12 : 40 };
  const nets = [
    {
      name: 'digits',
      ...(await timeParts(WORKLOADS[2], 30)),
      options: { spec: DIGITS, samples: 256, batch: 32 },
    },
    {
      name: 'W4',
      ...(await timeParts(BIG, 5)),
      options: { spec: { ...BIG.spec, inputScale: 1 / 255 }, samples: 64, batch: BIG.batch },
    },
  ];
  /** @type {import('./table.mjs').Figure[]} */
  const figures = nets.map(({ name, longest }) => ({
    what: `${name}: longest part, simd`,
    unit: 'ms',
    value: longest,
  }));
  for (const place of ['Node', 'Chromium']) {
    for (const mode of /** @type {const} */ (['worker', 'main'])) {
      for (const { name, longest, options } of nets) {
        say(`${place}, ${mode}, ${name}`);
        const all = { mode, ...options, ...amount };
        const rounds =
          place === 'Node'
            ? await measureStops(all)
            : await browser.withPage((page) => callIn(page, 'stop.js', 'measureStops', all));
        const most = mode === 'worker' ? Math.min(GOAL_MS, longest + OVER_A_PART_MS) : GOAL_MS;
        const what = `${place}, ${mode}, ${name}`;
        figures.push(
          { what: `${what}: p50`, unit: 'ms', ...ofRounds(rounds, 0.5) },
          { what: `${what}: p99`, unit: 'ms', ...ofRounds(rounds, 0.99), goal: { most } },
        );
      }
    }
  }
  return figures;
}
