/* peak.js: the machine's GEMM peak as a contender, so that it is measured in the same rounds. It
 * trains nothing. */

import { openPeak } from '../probes/peak.js';

/** @param {any} _workload @param {{ variant: 'simd' | 'relaxed' }} options */
export async function open(_workload, { variant }) {
  const { flop, run } = await openPeak(variant);
  return { step: run, read: () => undefined, flop };
}
