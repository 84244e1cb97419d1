/* threads.mjs: a training step of each workload on two threads beside one, in interleaved rounds.
 *
 * `simd-mt` with two threads against `simd`: the same bits, so only the time differs. The gain is
 * one thread's time over two threads', round by round; a workload that threads make slower is a
 * goal missed. What a parallel region costs is told by activation layers, whose operations come in
 * equal parts: the time of 16 more layers on two threads, less half of their time on one, shared
 * out to their regions. What two cores lose for other reasons (memory, parts that do not come out
 * even) is in it. */

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
  {
    id: 'two',
    name: 'two threads',
    file: 'offstage.js',
    options: { variant: 'simd-mt', threads: THREADS },
  },
];

/**
 * How many times faster the second of two runners is than the first.
 * @param {string} what
 * @param {import('./probes/pairs.js').Timed[]} timed
 * @param {{ least: number }} [goal]
 * @returns {import('./table.mjs').Figure}
 */
export function gain(what, [before, after], goal) {
  const cannot = before.cannot ?? after.cannot;
  if (cannot) return { what, unit: 'x', value: NaN, cannot };
  const times = `${median(before.times).value.toPrecision(3)} ms to ${median(after.times).value.toPrecision(3)} ms${after.about ? ` (${after.about})` : ''}`;
  return {
    what: `${what}: ${times}`,
    unit: 'x',
    ...median(before.times.map((ms, round) => ms / after.times[round])),
    goal,
  };
}

const LAYERS = 16;
const REGIONS = 2; // of an activation layer: forward and backward
const REGION_US = 5;

/**
 * @param {number} layers of 512 numbers a sample, 32 samples: a region takes some 20 or 2
 *   microseconds
 * @returns {any} a workload
 */
const stack = (layers) => ({
  id: `${layers} layers`,
  name: 'tanh of 512',
  batch: 32,
  share: 0,
  ms: 0,
  spec: {
    inputShape: [16],
    optimizer: { type: 'sgd', learningRate: 0.01 },
    seed: 1,
    layers: [
      { type: 'dense', units: 512 },
      ...Array.from({ length: layers }, () => ({ type: 'activation', activation: 'tanh' })),
      { type: 'dense', units: 2, activation: 'softmax' },
    ],
  },
});

/**
 * @param {(options: object) => Promise<import('./probes/pairs.js').Timed[]>} pairs
 * @param {string} what
 * @returns {Promise<import('./table.mjs').Figure>}
 */
async function regionCost(pairs, what) {
  const contenders = [LAYERS, 2 * LAYERS].flatMap((layers) =>
    RUNNERS.map((runner) => ({ ...runner, workload: stack(layers) })),
  );
  const timed = await pairs({ contenders, rounds: 15, roundMs: 20, warmMs: 200 });
  const cannot = timed.find((each) => each.cannot)?.cannot;
  if (cannot) return { what, unit: 'us', value: NaN, cannot };
  const [short, shortShared, long, longShared] = timed.map(({ times }) => times);
  const costs = short.map(
    (_, i) =>
      (1000 * (longShared[i] - shortShared[i] - (long[i] - short[i]) / THREADS)) /
      (LAYERS * REGIONS),
  );
  return { what, unit: 'us', ...median(costs), goal: { most: REGION_US } };
}

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 */
export async function measure({ quick, browser, say }) {
  const amount = quick
    ? { rounds: 3, roundMs: 40, warmMs: 80 }
    : { rounds: 15, roundMs: 200, warmMs: 400 };
  /** @type {import('./table.mjs').Figure[]} */
  const figures = [];
  for (const place of PLACES.slice(0, quick ? 1 : 2)) {
    say(`${place}, regions`);
    const pairs = (/** @type {object} */ options) =>
      callAt(place, browser, 'pairs.js', 'measurePairs', options);
    figures.push(await regionCost(pairs, `${place}: a parallel region, p50`));
    for (const workload of WORKLOADS) {
      say(`${place}, ${workload.id}`);
      const timed = await pairs({ workload, contenders: RUNNERS, ...amount });
      figures.push(
        gain(`${place} ${workload.id}`, timed, { least: GAINS[workload.id] ?? NO_LOSS }),
      );
    }
  }
  return figures;
}
