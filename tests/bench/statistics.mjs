/* statistics.mjs: what a bench makes of its samples.
 *
 * A figure is a quantile with a spread beside it. Where samples come in interleaved rounds the
 * spread is that of the rounds' own quantiles, for what differs between rounds is the machine, not
 * the program. */

/**
 * @typedef {object} Summary
 * @property {number} value
 * @property {number} low
 * @property {number} high
 * @property {number} samples
 */

/**
 * @param {ArrayLike<number>} values
 * @param {number} q 0 to 1
 * @returns {number} interpolated between neighbours
 */
export function quantile(values, q) {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return NaN;
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/** Median and quartiles. @param {ArrayLike<number>} values @returns {Summary} */
export function median(values) {
  return {
    value: quantile(values, 0.5),
    low: quantile(values, 0.25),
    high: quantile(values, 0.75),
    samples: values.length,
  };
}

/**
 * The quantile of all samples, and the least and the most that a round had.
 * @param {number[][]} rounds @param {number} q @returns {Summary}
 */
export function ofRounds(rounds, q) {
  const each = rounds.map((round) => quantile(round, q));
  const all = rounds.flat();
  return {
    value: quantile(all, q),
    low: Math.min(...each),
    high: Math.max(...each),
    samples: all.length,
  };
}

/**
 * @param {number} seed
 * @returns {() => number} numbers in [0, 1), the same for the same seed (Weyl sequence, mixed)
 */
export function createRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}
