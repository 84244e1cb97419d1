/* step.mjs: how long is one training step of each workload, and what share of the machine's GEMM
 * peak is that?
 *
 * One thread, the `simd` wasm called directly: forward, backward and update of one batch, gathered
 * from eight batches of data in shuffled order. Rounds go through all workloads and the peak, so
 * that a clock that drifts or a neighbour that computes hits all of them. Goals in ms are those of
 * a machine whose peak is 43 GFLOP/s; goals in percent are the same for any machine. FLOP are
 * counted as the definition of a convolution has them: one that needs fewer (Winograd's) can be
 * above 100 %. */

import { OffstageError } from '../../worker/host/errors.js';
import { buildPeak } from './peak.mjs';
import { openPeak, ratePeak } from './probes/peak.js';
import { median } from './statistics.mjs';
import { openSteps, time } from './steps.js';
import { WORKLOADS } from './workloads.mjs';

export const title = 'ms of one training step (one thread, simd, Node), and share of the GEMM peak';

const WARM_MS = 300;

/**
 * A step after thousands of others beside one of the first hundreds: of units that have died the
 * moments shrink for ever, and numbers near the end of what a float can hold may take the machine
 * many times longer.
 * @param {{ step: () => void, restart: () => void }} workload @param {number} rounds
 */
function late({ step, restart }, rounds) {
  const first = /** @type {number[]} */ ([]);
  const last = /** @type {number[]} */ ([]);
  for (let round = 0; round < rounds; round++) {
    restart();
    first.push(time(step, 60));
    for (let i = 0; i < 2000; i++) step();
    last.push(time(step, 60));
  }
  return { ...median(last), peer: { what: 'in the first hundreds', ...median(first) } };
}

/**
 * Whose products a fast algorithm may have fewer of than are counted.
 * @param {import('./workloads.mjs').Workload['spec']} spec
 */
const hasConvolution = ({ layers }) => layers.some(({ type }) => type === 'conv2d');

/**
 * All workloads, ready for steps; of one that cannot be had, why.
 * @returns {Promise<{ opened: (import('./workloads.mjs').Workload & Awaited<ReturnType<typeof
 *   openSteps>> & { times: number[], shares: number[] })[], refused: import('./table.mjs').Figure[]
 *   }>}
 */
async function openAll() {
  const opened = [];
  const refused = [];
  for (const workload of WORKLOADS) {
    try {
      opened.push({
        ...workload,
        ...(await openSteps(workload)),
        times: /** @type {number[]} */ ([]),
        shares: /** @type {number[]} */ ([]),
      });
    } catch (error) {
      if (!(error instanceof OffstageError)) throw error;
      refused.push({
        what: `${workload.id} ${workload.name}`,
        unit: 'ms',
        value: NaN,
        cannot: error.message,
      });
    }
  }
  return { opened, refused };
}

/**
 * @param {{ quick: boolean, say: (text: string) => void }} setting
 * @returns {Promise<import('./table.mjs').Figure[]>}
 */
export async function measure({ quick, say }) {
  const rounds = quick ? 5 : 15;
  const roundMs = quick ? 60 : 200;
  await buildPeak('simd');
  const peak = await openPeak('simd');
  const { opened, refused } = await openAll();
  for (const { step } of opened) time(step, quick ? 100 : WARM_MS);
  const peaks = [];
  for (let round = 0; round < rounds; round++) {
    say(`round ${round + 1} of ${rounds}`);
    for (const workload of opened) {
      const before = ratePeak(peak, 20);
      workload.restart();
      const ms = time(workload.step, roundMs);
      workload.times.push(ms);
      workload.shares.push((100 * workload.flop) / (ms * 1e6) / before);
      peaks.push(before);
    }
  }
  for (const { id, loss } of opened)
    if (!Number.isFinite(loss())) throw new Error(`${id}: the loss became ${loss()}`);
  const most = Math.max(
    ...opened.filter(({ spec }) => !hasConvolution(spec)).map(({ shares }) => median(shares).value),
  );
  if (most > 110)
    throw new Error(
      `a step ran at ${most.toFixed(0)} % of the peak: the micro-kernel of peak.c was not compiled as it should be`,
    );
  const head = opened.find(({ id }) => id === 'W5');
  return [
    { what: 'peak: 4 x 8 micro-kernel in cache', unit: 'GFLOP/s', ...median(peaks) },
    ...opened.map(({ id, name, times, ms }) => ({
      what: `${id} ${name}`,
      unit: 'ms',
      ...median(times),
      ...(ms && { goal: { most: ms } }),
    })),
    ...refused,
    ...(head ? [{ what: 'W5 after 2,000 steps', unit: 'ms', ...late(head, quick ? 3 : 7) }] : []),
    ...opened.map(({ id, flop, times, shares, share }) => ({
      what: `${id} ${(flop / 1e6).toFixed(1)} MFLOP at ${(flop / 1e6 / median(times).value).toFixed(1)} GFLOP/s`,
      of: { workload: id },
      unit: '% of peak',
      ...median(shares),
      ...(share && { goal: { least: share } }),
    })),
  ];
}
