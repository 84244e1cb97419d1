/* control.mjs: what does it cost to follow and to steer a run?
 *
 * The round trip of an onEpoch that returns at once: from its return to its next call, on a net
 * whose epoch is one step of some microseconds, which is a part of the figure. And the time of W3
 * with a feature over the time without, run by run in turn, in a worker in Node. */

import { createTrainer } from '../../web/index.js';
import { median, ofRounds } from './statistics.mjs';
import { DIGITS, digitLike } from './workloads.mjs';

export const title = 'onEpoch, and what features cost (spread: of rounds)';

const MOST_MS = 1;
const MOST_SHARE = 1.01;
const FEATURES = {
  "batchRecords: 'every'": { batchRecords: 'every' },
  onEpoch: { onEpoch: () => {} },
  "splitBy: 'random'": { splitBy: 'random' },
};

/** @param {number} rounds @param {number} epochs */
async function roundTrips(rounds, epochs) {
  const trainer = await createTrainer(
    { inputShape: [2], layers: [{ type: 'dense', units: 1 }] },
    { mode: 'worker' },
  );
  const [x, y] = [new Float32Array(8), new Float32Array(4)];
  /** @type {number[][]} */
  const taken = [];
  for (let round = 0; round < rounds; round++) {
    /** @type {number[]} */
    const times = [];
    let returned = 0;
    const onEpoch = () => {
      const now = performance.now();
      if (returned) times.push(now - returned);
      returned = performance.now();
    };
    await trainer.fit(x, y, { epochs, onEpoch });
    taken.push(times);
  }
  await trainer.dispose();
  return taken;
}

/**
 * @param {{ quick: boolean, say: (text: string) => void }} setting
 * @returns {Promise<import('./table.mjs').Figure[]>}
 */
export async function measure({ quick, say }) {
  say('onEpoch');
  const taken = await roundTrips(quick ? 3 : 9, quick ? 100 : 500);
  const { x, y } = digitLike(quick ? 1000 : 3000);
  const base = { epochs: quick ? 2 : 8, validationSplit: 0.1 };
  const trainer = await createTrainer(DIGITS, { mode: 'worker', threads: 1 });
  const seconds = async (/** @type {object} */ options) =>
    (await trainer.fit(x, y, { ...base, ...options })).durationSeconds;
  await seconds({});
  const figures = [];
  for (const [what, options] of Object.entries(FEATURES)) {
    say(what);
    const ratios = [];
    for (let round = 0; round < (quick ? 3 : 15); round++) {
      const off = await seconds({});
      ratios.push((await seconds(options)) / off);
    }
    figures.push({
      what: `W3 with ${what}, over without`,
      unit: '',
      ...median(ratios),
      goal: { most: MOST_SHARE },
    });
  }
  await trainer.dispose();
  const trips = [0.5, 0.95].map((q) => ({
    what: `round trip of onEpoch, p${100 * q}`,
    unit: 'ms',
    ...ofRounds(taken, q),
    goal: q === 0.5 ? { most: MOST_MS } : undefined,
  }));
  return [...trips, ...figures];
}
