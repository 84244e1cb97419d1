/* checkpoint.mjs: what taking checkpoints costs a run, in a worker in Node.
 *
 * The share of a run's time that its session spends on them, by the session's own account of its
 * stages: with what fit() does by default (about one a second to the page), and with persist
 * besides (every 5 s to a folder), the first one at once. Two runs beside each other differ by more
 * than this, so speeds are not compared. How big a checkpoint is and how long it takes is told by
 * save() of a trainer that does nothing else. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTrainer } from '../../web/index.js';
import { median } from './statistics.mjs';
import { WORKLOADS, randomData } from './workloads.mjs';

export const title = 'share of its time that a run spends on checkpoints, in a worker in Node';

const MOST_PERCENT = 1;
const IDS = ['W3', 'W7'];
const KINDS = /** @type {const} */ (['about one a second to the page', 'and every 5 s to storage']);

/**
 * @param {import('../../web/index.js').Trainer} trainer
 * @param {{ x: Float32Array, y: Int32Array }} data
 * @param {object} options of fit() @param {number} ms
 */
async function share(trainer, { x, y }, options, ms) {
  const run = trainer.fit(x, y, { epochs: 1e6, ...options });
  const before = trainer.status().stageSeconds;
  await new Promise((resolve) => setTimeout(resolve, ms));
  const after = trainer.status().stageSeconds; // without the last one, which no time is lost by
  await run.stop();
  const [saving, training] = /** @type {const} */ (['saving', 'training']).map(
    (stage) => after[stage] - before[stage],
  );
  return (100 * saving) / (saving + training);
}

/**
 * @param {{ quick: boolean, say: (text: string) => void }} setting
 * @returns {Promise<import('./table.mjs').Figure[]>}
 */
export async function measure({ quick, say }) {
  const [rounds, ms] = quick ? [1, 11_000] : [3, 21_000];
  const folder = mkdtempSync(join(tmpdir(), 'offstage-bench-'));
  const figures = [];
  try {
    for (const id of IDS) {
      const { spec, batch, name } = /** @type {import('./workloads.mjs').Workload} */ (
        WORKLOADS.find((each) => each.id === id)
      );
      const data = randomData(
        8 * batch,
        spec.inputShape.reduce((a, b) => a * b, 1),
        spec.layers[spec.layers.length - 1].units,
      );
      const trainer = await createTrainer(spec, { mode: 'worker', threads: 1 });
      for (const [i, kind] of KINDS.entries()) {
        const shares = [];
        for (let round = 0; round < rounds; round++) {
          say(`${id}, round ${round + 1} of ${rounds}: ${kind}`);
          shares.push(
            await share(
              trainer,
              data,
              { batchSize: batch, ...(i > 0 ? { persist: { name: id, folder } } : {}) },
              ms,
            ),
          );
        }
        figures.push({
          what: `${id} ${name}: ${kind}`,
          unit: '%',
          ...median(shares),
          goal: { most: MOST_PERCENT },
        });
      }
      const times = [];
      let bytes = 0;
      for (let i = 0; i < 10; i++) {
        const began = performance.now();
        bytes = (await trainer.save()).length;
        times.push(performance.now() - began);
      }
      figures.push({
        what: `${id}: save() of ${(bytes / 2 ** 20).toFixed(2)} MB`,
        unit: 'ms',
        ...median(times),
      });
      await trainer.dispose();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return figures;
}
