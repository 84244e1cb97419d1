/* relaxed.mjs: relaxed SIMD beside SIMD for a training step, and each as a share of its own GEMM
 * peak.
 *
 * In Chromium, whose engine has relaxed SIMD for everybody; the peaks of both are measured in the
 * same rounds, in workers too. */

import { callAt } from './browser.mjs';
import { buildPeak } from './peak.mjs';
import { median } from './statistics.mjs';
import { gain } from './threads.mjs';
import { WORKLOADS } from './workloads.mjs';

export const title =
  'times that relaxed SIMD is faster than SIMD, for a training step in a worker (one thread, Chromium)';

const GAINS = /** @type {Record<string, number>} */ ({ W4: 1.15, W7: 1.25 });
const VARIANTS = /** @type {const} */ (['simd', 'relaxed']);
const RUNNERS = [
  ...VARIANTS.map((variant) => ({
    id: variant,
    name: variant,
    file: 'offstage.js',
    options: { variant },
  })),
  ...VARIANTS.map((variant) => ({
    id: `${variant} peak`,
    name: `${variant} peak`,
    file: 'peak.js',
    options: { variant },
  })),
];

/** @param {import('./probes/pairs.js').Timed} timed GFLOP/s of each round */
const rates = ({ times, flop = NaN }) => times.map((ms) => flop / ms / 1e6);

/**
 * @param {{ quick: boolean, browser: import('./browser.mjs').Browser, say: (text: string) => void
 *   }} setting
 */
export async function measure({ quick, browser, say }) {
  const amount = quick
    ? { rounds: 3, roundMs: 40, warmMs: 80 }
    : { rounds: 15, roundMs: 200, warmMs: 400 };
  for (const variant of VARIANTS) await buildPeak(variant);
  /** @type {import('./table.mjs').Figure[]} */
  const figures = [];
  const peaks = /** @type {number[][]} */ ([[], []]);
  for (const workload of WORKLOADS) {
    const { id } = workload;
    if (quick && !GAINS[id]) continue;
    say(id);
    const [simd, relaxed, ...both] = await callAt('Chromium', browser, 'pairs.js', 'measurePairs', {
      workload,
      contenders: RUNNERS,
      ...amount,
    });
    figures.push(gain(id, [simd, relaxed], GAINS[id] ? { least: GAINS[id] } : undefined));
    both.forEach((/** @type {any} */ peak, /** @type {number} */ i) =>
      peaks[i].push(...rates(peak)),
    );
    [simd, relaxed].forEach((each, i) => {
      if (each.cannot || both[i].cannot) return;
      const top = rates(both[i]);
      figures.push({
        what: `${id} ${VARIANTS[i]}`,
        unit: '% of its peak',
        ...median(rates(each).map((rate, round) => (100 * rate) / top[round])),
      });
    });
  }
  return [
    ...peaks.map((rate, i) => ({ what: `peak: ${VARIANTS[i]}`, unit: 'GFLOP/s', ...median(rate) })),
    ...figures,
  ];
}
