/* offstage.js: Offstage as a contender: bare steps, the same batches in the same order as the
 * others. */

import { openSteps } from '../steps.js';

/**
 * @param {import('../workloads.mjs').Workload} workload
 * @param {{ variant: string, threads?: number }} options
 */
export async function open(workload, options) {
  const { step, loss, flop, about } = await openSteps(workload, { ...options, shuffle: false });
  return { step, read: loss, flop, about };
}
