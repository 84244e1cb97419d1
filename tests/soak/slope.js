/* slope.js: what is held of memory, how fast that rises, and how small a rise could be told.
 *
 * The slope is Theil's: the median of the slopes between all pairs of samples, which a few samples
 * that lie off do not move. What can be told is the width of the noise around that line over the
 * span that was watched: a leak of twice as much would stand out of it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = /** @type {() => void} */ (runInNewContext('gc'));

/** Bytes alive in this thread: of its heap, and of buffers outside of it. */
export async function alive() {
  for (let i = 0; i < 3; i++) {
    // what the first collection lets go of may hold on to more
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** @param {number[]} sorted */
const median = (sorted) => sorted[Math.floor(sorted.length / 2)];

/**
 * @param {number[]} at  where the samples were taken, rising @param {number[]} bytes
 * @returns {{ slope: number, told: number }} per unit of `at`: the slope, and the least that would
 *   have stood out
 */
export function slopeOf(at, bytes) {
  const slopes = [];
  for (let i = 0; i < at.length; i++)
    for (let k = i + 1; k < at.length; k++) slopes.push((bytes[k] - bytes[i]) / (at[k] - at[i]));
  const slope = median(slopes.sort((a, b) => a - b));
  const off = bytes.map((value, i) => value - slope * at[i]).sort((a, b) => a - b);
  const noise = off[Math.floor(off.length * 0.9)] - off[Math.floor(off.length * 0.1)];
  return { slope, told: (2 * noise) / (at[at.length - 1] - at[0]) };
}
